//! Returns and advantages of token rewards.
//!
//! ```
//! use libalign::advantage::Advantage;
//! use libalign::Exec;
//!
//! let reward = [[0.0, 0.0, 1.0], [0.0, 0.5, 0.0]];
//! let value = [[0.2, 0.4, 0.7], [0.1, 0.3, 0.2]];
//! let mut target = [[0.0_f64; 3]; 2];
//! let mut advantage = [[0.0_f64; 3]; 2];
//! Advantage::gae(0.99, 0.95)
//!     .reward(&reward)
//!     .value(&value)
//!     .advantage(&mut advantage)
//!     .target(&mut target)
//!     .eval(&mut Exec::new())?;
//! assert!((advantage[0][2] - 0.3).abs() < 1e-12);
//! assert!((target[0][2] - 1.0).abs() < 1e-12);
//! # Ok::<(), libalign::Error>(())
//! ```

use std::marker::PhantomData;

use libalign_sys as sys;

use crate::exec::NO_SCRATCH;
use crate::fields::{initialised, inputs, outputs};
use crate::{Exec, Result, ViewMut};

/// Advantages to be made. Tokens are `[B,T]`, or `[N]` with `offsets`.
pub struct Advantage<'a> {
    raw: sys::align_advantage_args,
    life: PhantomData<&'a mut [u8]>,
}

unsafe impl Send for Advantage<'_> {}
unsafe impl Sync for Advantage<'_> {}

impl<'a> Advantage<'a> {
    fn of_kind(kind: u32, gamma: f64, lambda: f64, n: i64) -> Self {
        let mut raw = initialised!(align_advantage_args, align_advantage_args_init);
        raw.kind = kind as i32;
        (raw.gamma, raw.lambda, raw.n) = (gamma, lambda, n);
        Advantage { raw, life: PhantomData }
    }

    /// Generalised advantage estimation.
    pub fn gae(gamma: f64, lambda: f64) -> Self {
        Self::of_kind(sys::ALIGN_ADVANTAGE_GAE, gamma, lambda, 0)
    }

    /// Returns, less values where there are any.
    pub fn returns(gamma: f64) -> Self {
        Self::of_kind(sys::ALIGN_ADVANTAGE_RETURN, gamma, 0.0, 0)
    }

    /// Returns over n steps.
    pub fn n_step(gamma: f64, n: i64) -> Self {
        Self::of_kind(sys::ALIGN_ADVANTAGE_N_STEP, gamma, 0.0, n)
    }

    inputs! {
        /// Rewards of tokens.
        reward
        /// Values of tokens.
        value
        /// What counts.
        mask
        /// `[B+1]` `i64`: sequence b is tokens `offsets[b]..offsets[b+1]`.
        offsets
        /// `[B]`: whether a sequence was cut off.
        truncated
        /// `[B]`: the value after one that was.
        bootstrap
    }

    outputs! {
        /// Advantages of tokens.
        advantage
        /// Advantages plus values: what a value head learns.
        target
    }

    /// Rewards that are overwritten by advantages.
    pub fn reward_in_place(mut self, reward: impl Into<ViewMut<'a>>) -> Self {
        self.raw.reward = reward.into().raw;
        self.raw.advantage = self.raw.reward;
        self
    }

    /// Values that are overwritten by targets.
    pub fn value_in_place(mut self, value: impl Into<ViewMut<'a>>) -> Self {
        self.raw.value = value.into().raw;
        self.raw.target = self.raw.value;
        self
    }

    /// Writes what was asked for.
    pub fn eval(self, exec: &mut Exec) -> Result<()> {
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_advantage_eval(exec, &self.raw) })
    }
}
