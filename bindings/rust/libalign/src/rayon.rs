use rayon::prelude::*;
use rayon::ThreadPool;

use crate::Parallel;

/// Threads of rayon: its global pool, or one of the caller's.
///
/// ```
/// use libalign::{Exec, Rayon};
///
/// let pool = Rayon::global();
/// let mut exec = Exec::new().parallel(&pool);
/// ```
#[derive(Clone, Copy, Default)]
pub struct Rayon<'p> {
    pool: Option<&'p ThreadPool>,
}

impl<'p> Rayon<'p> {
    /// The global pool.
    pub fn global() -> Self {
        Rayon { pool: None }
    }

    /// This pool.
    pub fn pool(pool: &'p ThreadPool) -> Self {
        Rayon { pool: Some(pool) }
    }
}

fn for_each(tasks: i64, task: &(dyn Fn(i64) + Sync)) {
    (0..tasks as usize).into_par_iter().with_max_len(1).for_each(|i| task(i as i64));
}

// for_each runs each index once, and waits for all that began even when one panics.
unsafe impl Parallel for Rayon<'_> {
    fn workers(&self) -> usize {
        self.pool.map_or_else(rayon::current_num_threads, ThreadPool::current_num_threads)
    }

    fn run(&self, tasks: i64, task: &(dyn Fn(i64) + Sync)) {
        match self.pool {
            Some(pool) => pool.install(|| for_each(tasks, task)),
            None => for_each(tasks, task),
        }
    }
}
