use std::any::Any;
use std::ffi::c_void;
use std::mem::{size_of, MaybeUninit};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::ptr;
use std::slice::from_raw_parts_mut;
use std::sync::Mutex;

use libalign_sys as sys;

use crate::{Error, Result};

/// Threads that calls may spread their work over. The feature `rayon` has one.
///
/// A panic inside `run` does not cross the C library: the call ends, and the panic goes on where the call was made.
///
/// # Safety
/// `run` calls `task` exactly once for each of `0..tasks`, on any threads and in any order, and neither returns nor
/// unwinds while one of these calls is running.
pub unsafe trait Parallel: Sync {
    /// How many tasks can run at once: a hint for memory.
    fn workers(&self) -> usize;

    /// Runs the tasks.
    fn run(&self, tasks: i64, task: &(dyn Fn(i64) + Sync));
}

/// Numbers to be replaced by their reduction over all processes.
#[non_exhaustive]
pub enum Reduction<'b> {
    /// Sums.
    Sum(&'b mut [f64]),
    /// Sums of integers.
    SumInteger(&'b mut [i64]),
    /// The largest.
    Max(&'b mut [f64]),
}

/// A reduction over processes: whether it was done.
pub type AllReduce<'a> = &'a (dyn Fn(Reduction) -> bool + Sync);

/// How to run calls: memory for them, which grows as they need it and is used again, threads, a way to stop. Results
/// do not depend on it by a single bit. `Send` but shared by nobody: a call borrows it mutably, and each thread has one.
#[derive(Default)]
pub struct Exec<'a> {
    scratch: Vec<MaybeUninit<u8>>,
    flags: u32,
    cpu_forbidden: u64,
    parallel: Option<&'a dyn Parallel>,
    cancel: Option<&'a (dyn Fn() -> bool + Sync)>,
    all_reduce: Option<AllReduce<'a>>,
}

/// What the hooks of one call need, and the first panic in one of them.
struct Hooks<'a> {
    parallel: Option<&'a dyn Parallel>,
    cancel: Option<&'a (dyn Fn() -> bool + Sync)>,
    all_reduce: Option<AllReduce<'a>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// A task of the library and its context, to be called from any thread, as its documentation says.
struct Task {
    run: unsafe extern "C" fn(*mut c_void, i64),
    context: *mut c_void,
}

unsafe impl Sync for Task {}

impl Task {
    fn run(&self, task: i64) {
        unsafe { (self.run)(self.context, task) }
    }
}

impl Hooks<'_> {
    /// Runs `body`; a panic in it is kept, and `failed` is the answer.
    fn guarded(&self, failed: i32, body: impl FnOnce() -> i32) -> i32 {
        catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
            if let Ok(mut first) = self.panic.lock() {
                first.get_or_insert(payload);
            }
            failed
        })
    }
}

unsafe extern "C" fn run_tasks(user: *mut c_void, tasks: i64, run: sys::align_task_fn, context: *mut c_void) -> i32 {
    let hooks = &*(user as *const Hooks);
    hooks.guarded(1, || match (hooks.parallel, run) {
        (Some(pool), Some(run)) => {
            let task = Task { run, context };
            pool.run(tasks, &|i| task.run(i));
            0
        }
        _ => 1,
    })
}

unsafe extern "C" fn is_cancelled(user: *mut c_void) -> i32 {
    let hooks = &*(user as *const Hooks);
    hooks.guarded(1, || hooks.cancel.map_or(0, |cancel| cancel() as i32))
}

unsafe extern "C" fn reduce(user: *mut c_void, data: *mut c_void, count: i64, dtype: sys::align_dtype, op: i32) -> i32 {
    let hooks = &*(user as *const Hooks);
    hooks.guarded(1, || {
        let n = count as usize;
        if n == 0 {
            return 0;
        }
        let reduction = match (dtype as u32, op as u32) {
            (sys::ALIGN_F64, sys::ALIGN_REDUCE_SUM) => Reduction::Sum(from_raw_parts_mut(data.cast(), n)),
            (sys::ALIGN_I64, sys::ALIGN_REDUCE_SUM) => Reduction::SumInteger(from_raw_parts_mut(data.cast(), n)),
            (sys::ALIGN_F64, sys::ALIGN_REDUCE_MAX) => Reduction::Max(from_raw_parts_mut(data.cast(), n)),
            _ => return 1,
        };
        hooks.all_reduce.map_or(1, |all_reduce| i32::from(!all_reduce(reduction)))
    })
}

/// Instruction sets that this processor has and the library uses: `ALIGN_CPU_` bits of libalign-sys.
pub fn cpu() -> u64 {
    unsafe { sys::align_cpu() }
}

/// A function that reports `least` and `best` bytes of scratch, or none where a call needs none.
pub(crate) type Sizes<'s> = &'s dyn Fn(*const sys::align_exec, *mut usize, *mut usize) -> sys::align_status;

pub(crate) const NO_SCRATCH: Sizes = &|_, _, _| sys::ALIGN_E_NONE;

impl<'a> Exec<'a> {
    /// Serial calls, with no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuse NaN and infinities in inputs with [`Status::Range`](crate::Status::Range) and their index.
    pub fn finite(mut self) -> Self {
        self.flags |= sys::ALIGN_FLAG_FINITE;
        self
    }

    /// Allow what saves time and changes bits, such as single precision in heads.
    pub fn fast(mut self) -> Self {
        self.flags |= sys::ALIGN_FLAG_FAST;
        self
    }

    /// Instruction sets not to use: `ALIGN_CPU_` bits of libalign-sys.
    pub fn cpu_forbidden(mut self, cpus: u64) -> Self {
        self.cpu_forbidden = cpus;
        self
    }

    /// Threads to spread calls over.
    pub fn parallel(mut self, pool: &'a dyn Parallel) -> Self {
        self.parallel = Some(pool);
        self
    }

    /// A function that long calls ask now and then, perhaps on threads of the pool; `true` stops them with
    /// [`Status::Cancelled`](crate::Status::Cancelled).
    pub fn cancel(mut self, cancel: &'a (dyn Fn() -> bool + Sync)) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// How heads whose vocabulary is shared reduce over processes: called on this thread, in the same order in all of
    /// them. `false`, or a panic, ends the call with [`Status::Comm`](crate::Status::Comm).
    pub fn all_reduce(mut self, all_reduce: AllReduce<'a>) -> Self {
        self.all_reduce = Some(all_reduce);
        self
    }

    /// Bytes of memory held for calls.
    pub fn scratch_bytes(&self) -> usize {
        self.scratch.len()
    }

    /// Gets the memory that `sizes` asks for and makes the call. A panic of a hook goes on from here.
    pub(crate) fn call(
        &mut self,
        sizes: Sizes,
        call: impl FnOnce(*const sys::align_exec) -> sys::align_status,
    ) -> Result<()> {
        let (parallel, cancel, all_reduce) = (self.parallel, self.cancel, self.all_reduce);
        let hooks = Hooks { parallel, cancel, all_reduce, panic: Mutex::new(None) };
        let mut error = sys::align_error { size: size_of::<sys::align_error>(), ..Default::default() };
        let mut exec = self.raw(&hooks, &mut error);
        let (mut least, mut best) = (0, 0);
        let mut status = sizes(&exec, &mut least, &mut best);
        if status == sys::ALIGN_E_NONE {
            if best > self.scratch.len() {
                self.scratch.resize_with(best, MaybeUninit::uninit);
            }
            exec.scratch = self.scratch.as_mut_ptr().cast();
            exec.scratch_size = self.scratch.len();
            status = call(&exec);
        }
        if let Some(payload) = hooks.panic.into_inner().unwrap_or(None) {
            resume_unwind(payload);
        }
        match status {
            sys::ALIGN_E_NONE => Ok(()),
            code => Err(Error::from_raw(code, &error)),
        }
    }

    fn raw(&self, hooks: &Hooks, error: *mut sys::align_error) -> sys::align_exec {
        let user = hooks as *const Hooks as *mut c_void;
        sys::align_exec {
            size: size_of::<sys::align_exec>(),
            scratch: ptr::null_mut(),
            parallel: self.parallel.map(|_| run_tasks as _),
            parallel_user: user,
            workers: self.parallel.map_or(0, |pool| pool.workers() as u32),
            cancel: self.cancel.map(|_| is_cancelled as _),
            cancel_user: user,
            allreduce: self.all_reduce.map(|_| reduce as _),
            allreduce_user: user,
            error,
            cpu_forbidden: self.cpu_forbidden,
            flags: self.flags,
            ..Default::default()
        }
    }
}
