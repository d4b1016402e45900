//! Threads and cancellation: the same bits, and panics that stay on this side.

use libalign::{bt, Error, Exec, Loss, Parallel, Params, Status, View, ViewMut};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Scoped threads, last task first.
struct Threads {
    calls: AtomicUsize,
}

unsafe impl Parallel for Threads {
    fn workers(&self) -> usize {
        3
    }

    fn run(&self, tasks: i64, task: &(dyn Fn(i64) + Sync)) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        std::thread::scope(|scope| {
            for worker in 0..3 {
                scope.spawn(move || (0..tasks).rev().filter(|i| i % 3 == worker).for_each(task));
            }
        });
    }
}

/// A pool that gives up.
struct Broken;

unsafe impl Parallel for Broken {
    fn workers(&self) -> usize {
        2
    }

    fn run(&self, _: i64, _: &(dyn Fn(i64) + Sync)) {
        panic!("no threads today");
    }
}

fn dpo(exec: &mut Exec) -> Result<(f64, Vec<f64>), Error> {
    let score: Vec<f64> = (0..40_000).map(|i| f64::from(i * 7919 % 1000) / 100.0).collect();
    let mut dscore = vec![0.0; score.len()];
    let pairs = score.len() / 2;
    let params = Params::new("bradley_terry")?;
    let value = Loss::new(&params)
        .score(View::shaped(&score, [pairs, 2])?)
        .dscore(ViewMut::shaped(&mut dscore, [pairs, 2])?)
        .eval(exec)?;
    Ok((value, dscore))
}

#[test]
fn threads_change_no_bit() {
    let threads = Threads { calls: AtomicUsize::new(0) };
    let serial = dpo(&mut Exec::new()).unwrap();
    assert_eq!(dpo(&mut Exec::new().parallel(&threads)), Ok(serial));
    assert!(threads.calls.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_panic_of_the_pool_goes_on_here() {
    let mut exec = Exec::new().parallel(&Broken);
    let caught = catch_unwind(AssertUnwindSafe(|| dpo(&mut exec))).unwrap_err();
    assert_eq!(caught.downcast_ref::<&str>(), Some(&"no threads today"));
    assert!(dpo(&mut Exec::new()).is_ok());
}

fn fit(exec: &mut Exec) -> Result<bt::Board, Error> {
    let (first, second) = ([0_i64, 1, 2, 0], [1_i64, 2, 0, 2]);
    bt::Fit::of_rows(3, bt::Rows::new(&first, &second)).run(exec)
}

#[test]
fn fits_are_cancelled() {
    assert!(fit(&mut Exec::new().cancel(&|| false)).is_ok());
    assert_eq!(fit(&mut Exec::new().cancel(&|| true)).unwrap_err().status, Status::Cancelled);
    let mut exec = Exec::new().cancel(&|| panic!("asked"));
    let caught = catch_unwind(AssertUnwindSafe(|| fit(&mut exec).map(|_| ()))).unwrap_err();
    assert_eq!(caught.downcast_ref::<&str>(), Some(&"asked"));
}

#[cfg(feature = "rayon")]
#[test]
fn rayon_changes_no_bit() {
    let serial = dpo(&mut Exec::new()).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert_eq!(dpo(&mut Exec::new().parallel(&libalign::Rayon::pool(&pool))).as_ref(), Ok(&serial));
    assert_eq!(dpo(&mut Exec::new().parallel(&libalign::Rayon::global())).as_ref(), Ok(&serial));
}
