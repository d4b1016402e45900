//! Reward normalisation: running, by batch, by group.
//!
//! ```
//! use libalign::norm::{Batch, Norm, Params};
//! use libalign::Exec;
//!
//! let mut exec = Exec::new();
//! let (mut one, mut two) = (Norm::new(&Params::zscore())?, Norm::new(&Params::zscore())?);
//! one.update(&mut exec, Batch::new(&[1.0, 2.0, 3.0]))?;
//! two.update(&mut exec, Batch::new(&[4.0, 5.0]))?;
//! one.merge(&mut exec, &two)?; // exact, in any order
//! assert_eq!(one.moments().mean, 3.0);
//!
//! let mut rewards = [3.0, 6.0];
//! one.apply(&mut exec, Batch::in_place(&mut rewards))?;
//! assert_eq!(rewards[0], 0.0);
//! assert_eq!(Norm::from_bytes(&mut exec, &one.to_bytes())?.moments(), one.moments());
//! # Ok::<(), libalign::Error>(())
//! ```

use std::ffi::CString;
use std::marker::PhantomData;
use std::mem::size_of;

use libalign_sys as sys;

use crate::exec::NO_SCRATCH;
use crate::fields::{initialised, inputs, numbers, outputs};
use crate::{Error, Exec, Result, Status, View, ViewMut};

/// How rewards are normalised. The numbers that are not methods here are fields of [`Params::raw`].
#[derive(Clone, Copy)]
pub struct Params {
    /// The C struct.
    pub raw: sys::align_norm_params,
}

impl Params {
    /// The defaults of a kind: an `ALIGN_NORM_` number of libalign-sys. [`Status::Arg`] when there is none.
    pub fn new(kind: u32) -> Result<Self> {
        let mut raw = sys::align_norm_params::default();
        let size = size_of::<sys::align_norm_params>();
        match unsafe { sys::align_norm_params_init(&mut raw, size, kind as i32) } {
            sys::ALIGN_E_NONE => Ok(Params { raw }),
            code => Err(Error::new(Status::from_code(code), "align_norm_params.kind", format!("no kind {kind}"))),
        }
    }

    fn known(kind: u32) -> Self {
        Self::new(kind).unwrap_or(Params { raw: sys::align_norm_params::default() })
    }

    /// Less the mean, divided by the standard deviation.
    pub fn zscore() -> Self {
        Self::known(sys::ALIGN_NORM_ZSCORE)
    }

    /// Less the mean.
    pub fn center() -> Self {
        Self::known(sys::ALIGN_NORM_CENTER)
    }

    /// Divided by the standard deviation.
    pub fn scale() -> Self {
        Self::known(sys::ALIGN_NORM_SCALE)
    }

    /// To 0..1 between the least and the most.
    pub fn minmax() -> Self {
        Self::known(sys::ALIGN_NORM_MINMAX)
    }

    /// Within a group, less the mean of the others.
    pub fn leave_out() -> Self {
        Self::known(sys::ALIGN_NORM_LEAVE_OUT)
    }

    numbers! {
        /// What keeps a small deviation from dividing.
        eps: f64
        /// Degrees of freedom taken from the variance.
        ddof: f64
        /// A factor on results.
        gain: f64
        /// Added to results.
        bias: f64
        /// Of a running state that forgets: 0 never, 1 at once.
        rate: f64
    }

    /// Results are clipped to this.
    pub fn clip(mut self, low: f64, high: f64) -> Self {
        (self.raw.clip_low, self.raw.clip_high) = (low, high);
        self
    }
}

/// Rewards of a call: any of 1 to 3 dimensions, the same for all views but `reference`.
pub struct Batch<'a> {
    raw: sys::align_norm_args,
    life: PhantomData<&'a mut [u8]>,
}

unsafe impl Send for Batch<'_> {}
unsafe impl Sync for Batch<'_> {}

impl<'a> Batch<'a> {
    fn with(reward: sys::align_tensor) -> Self {
        let mut raw = initialised!(align_norm_args, align_norm_args_init);
        raw.reward = reward;
        Batch { raw, life: PhantomData }
    }

    /// Rewards to be read.
    pub fn new(reward: impl Into<View<'a>>) -> Self {
        Self::with(reward.into().raw)
    }

    /// Rewards to be overwritten by what they are normalised to.
    pub fn in_place(reward: impl Into<ViewMut<'a>>) -> Self {
        let mut batch = Self::with(reward.into().raw);
        batch.raw.out = batch.raw.reward;
        batch
    }

    inputs! {
        /// `bool`, `u8`, or `f32` weights: what counts.
        mask
        /// What rewards are compared with, for the kinds that read it.
        reference
        /// The gradient of out.
        dout
    }

    outputs! {
        /// Normalised rewards.
        out
        /// The gradient of the rewards.
        dreward
    }
}

/// A running normaliser: its parameters and what it has seen. `Send` and `Sync`, no pointers; clone it, send it, keep
/// arrays of it.
#[derive(Clone)]
pub struct Norm {
    raw: sys::align_norm,
}

/// The window of rewards that a [`Norm`] counts, in memory of the caller.
pub struct Ring<'a> {
    raw: sys::align_norm_ring,
    life: PhantomData<&'a mut [u8]>,
}

unsafe impl Send for Ring<'_> {}
unsafe impl Sync for Ring<'_> {}

impl<'a> Ring<'a> {
    /// An empty window of as many rewards as this holds: `[R]`, `f64` or of the rewards' type.
    pub fn new(value: impl Into<ViewMut<'a>>) -> Self {
        let mut raw = initialised!(align_norm_ring, align_norm_ring_init);
        raw.value = value.into().raw;
        Ring { raw, life: PhantomData }
    }

    /// How many it holds.
    pub fn filled(&self) -> i64 {
        self.raw.filled
    }
}

/// What a normaliser has seen.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Values that entered.
    pub count: i64,
    /// NaN and infinities that did not.
    pub skipped: i64,
    /// The sum of weights.
    pub weight: f64,
    /// 0 without values.
    pub mean: f64,
    /// With the state's ddof.
    pub variance: f64,
    /// Its square root.
    pub deviation: f64,
    /// The least value.
    pub least: f64,
    /// The largest value.
    pub most: f64,
}

impl Norm {
    /// Bytes of a saved state.
    pub const BYTES: usize = sys::ALIGN_NORM_BYTES as usize;

    /// An empty state. Errors name the parameter.
    pub fn new(params: &Params) -> Result<Self> {
        let mut raw = sys::align_norm::default();
        match unsafe { sys::align_norm_init(&mut raw, size_of::<sys::align_norm>(), &params.raw) } {
            sys::ALIGN_E_NONE => Ok(Norm { raw }),
            code => Err(explain(code, params)),
        }
    }

    /// Adds rewards. On an error the state is as it was.
    pub fn update(&mut self, exec: &mut Exec, batch: Batch) -> Result<()> {
        let state = &mut self.raw;
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_norm_update(exec, state, &batch.raw) })
    }

    /// Adds rewards to a window, which forgets its oldest.
    pub fn update_ring(&mut self, exec: &mut Exec, ring: &mut Ring, batch: Batch) -> Result<()> {
        let state = &mut self.raw;
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_norm_ring_update(exec, state, &mut ring.raw, &batch.raw) })
    }

    /// Adds what `other` has seen: the same bits in any order.
    pub fn merge(&mut self, exec: &mut Exec, other: &Norm) -> Result<()> {
        let state = &mut self.raw;
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_norm_merge(exec, state, &other.raw) })
    }

    /// Normalises rewards, or takes gradients back through that, by what was seen so far.
    pub fn apply(&self, exec: &mut Exec, batch: Batch) -> Result<()> {
        apply(exec, &self.raw, &batch.raw)
    }

    /// Count, mean, deviation and more.
    pub fn moments(&self) -> Moments {
        let mut m = sys::align_norm_moments { size: size_of::<sys::align_norm_moments>(), ..Default::default() };
        // Cannot fail: the state was made by the library, and there is nothing else to be wrong.
        let _ = unsafe { sys::align_norm_get(std::ptr::null(), &self.raw, &mut m) };
        Moments {
            count: m.count,
            skipped: m.skipped,
            weight: m.weight,
            mean: m.mean,
            variance: m.variance,
            deviation: m.deviation,
            least: m.least,
            most: m.most,
        }
    }

    /// The state as bytes that read the same on every machine.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        // Cannot fail: the state was made by the library, and the bytes are enough.
        let _ = unsafe { sys::align_norm_save(std::ptr::null(), &self.raw, bytes.as_mut_ptr().cast(), Self::BYTES) };
        bytes
    }

    /// A state of such bytes. [`Status::Version`], [`Status::Scratch`] or [`Status::Range`] when they are none.
    pub fn from_bytes(exec: &mut Exec, bytes: &[u8]) -> Result<Self> {
        let mut raw = sys::align_norm::default();
        let (state, data) = (&mut raw, bytes.as_ptr().cast());
        exec.call(NO_SCRATCH, |exec| unsafe {
            sys::align_norm_load(exec, state, size_of::<sys::align_norm>(), data, bytes.len())
        })?;
        Ok(Norm { raw })
    }
}

fn apply(exec: &mut Exec, state: *const sys::align_norm, args: &sys::align_norm_args) -> Result<()> {
    exec.call(&|exec, least, best| unsafe { sys::align_norm_scratch(exec, state, args, least, best) }, |exec| unsafe {
        sys::align_norm_apply(exec, state, args)
    })
}

/// Normalises rewards by their own statistics.
pub fn normalise(exec: &mut Exec, params: &Params, batch: Batch) -> Result<()> {
    let mut raw = batch.raw;
    raw.params = &params.raw;
    apply(exec, std::ptr::null(), &raw)
}

/// A refusal of parameters in words, which the call with an exec has.
fn explain(code: sys::align_status, params: &Params) -> Error {
    let mut number = [0.0];
    match normalise(&mut Exec::new(), params, Batch::in_place(&mut number)) {
        Err(error) if error.status == Status::from_code(code) => error,
        _ => Error::new(Status::from_code(code), "align_norm_params", "not for a running state".into()),
    }
}

/// Rewards of G prompts with K answers each, normalised within each group.
///
/// ```
/// use libalign::norm::{Groups, Params};
/// use libalign::Exec;
///
/// let rewards = [[1.0, 0.0, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5]];
/// let mut advantages = [[0.0_f64; 4]; 2];
/// Groups::new(&rewards).out(&mut advantages).run(&mut Exec::new(), &Params::leave_out())?;
/// assert!((advantages[0][0] - 2.0 / 3.0).abs() < 1e-12);
/// # Ok::<(), libalign::Error>(())
/// ```
pub struct Groups<'a> {
    raw: sys::align_norm_groups_args,
    life: PhantomData<&'a mut [u8]>,
}

unsafe impl Send for Groups<'_> {}
unsafe impl Sync for Groups<'_> {}

impl<'a> Groups<'a> {
    /// `[G,K]`, or `[S]` with `offsets`; with C reward models one more axis.
    pub fn new(reward: impl Into<View<'a>>) -> Self {
        let mut raw = initialised!(align_norm_groups_args, align_norm_groups_args_init);
        raw.reward = reward.into().raw;
        Groups { raw, life: PhantomData }
    }

    inputs! {
        /// `[G+1]` `i64`: group g is rewards `offsets[g]..offsets[g+1]`.
        offsets
        /// What counts.
        mask
        /// `[C]`: weights of the reward models.
        weight
        /// Tokens of each answer.
        length
        /// `[G]`: the reward of a reference answer.
        reference
        /// The gradient of out.
        dout
    }

    outputs! {
        /// Normalised rewards.
        out
        /// The gradient of the rewards.
        dreward
    }

    /// Normalise each reward model's rewards within the group before they are added.
    pub fn each(mut self) -> Self {
        self.raw.flags |= sys::ALIGN_NORM_GROUPS_EACH;
        self
    }

    /// Runs it.
    pub fn run(self, exec: &mut Exec, params: &Params) -> Result<()> {
        let mut raw = self.raw;
        raw.params = &params.raw;
        exec.call(
            &|exec, least, best| unsafe { sys::align_norm_groups_scratch(exec, &raw, least, best) },
            |exec| unsafe { sys::align_norm_groups(exec, &raw) },
        )
    }
}

/// What a trainer does under a name, for [`Groups`]: ("trl", "grpo"), ("verl", "rloo") and others of `libalign/norm.h`.
#[derive(Clone, Copy)]
pub struct Preset {
    group: Params,
    then: Option<Params>,
    flags: u32,
}

impl Preset {
    /// [`Status::Arg`] when there is none.
    pub fn new(trainer: &str, estimator: &str) -> Result<Self> {
        let unknown = || Error::new(Status::Arg, "name", format!("{trainer:?} has no estimator {estimator:?}"));
        let (name, kind) = (CString::new(trainer), CString::new(estimator));
        let (name, kind) = (name.map_err(|_| unknown())?, kind.map_err(|_| unknown())?);
        let empty = sys::align_norm_params { size: size_of::<sys::align_norm_params>(), ..Default::default() };
        let (mut group, mut then, mut flags) = (empty, empty, 0);
        match unsafe { sys::align_norm_preset_get(name.as_ptr(), kind.as_ptr(), &mut group, &mut then, &mut flags) } {
            sys::ALIGN_E_NONE => {
                let then = if then.kind == 0 { None } else { Some(Params { raw: then }) };
                Ok(Preset { group: Params { raw: group }, then, flags })
            }
            _ => Err(unknown()),
        }
    }
}

impl Groups<'_> {
    /// Runs it as a trainer does.
    pub fn run_preset(mut self, exec: &mut Exec, preset: &Preset) -> Result<()> {
        self.raw.flags |= preset.flags;
        if let Some(then) = &preset.then {
            self.raw.then = &then.raw;
        }
        self.run(exec, &preset.group)
    }
}
