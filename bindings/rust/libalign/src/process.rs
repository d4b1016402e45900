//! From judges to token rewards: dense rewards with KL shaping, process rewards, trainers' pipelines, controllers.
//!
//! ```
//! use libalign::process::{Dense, KlController, Source};
//! use libalign::{Exec, View};
//!
//! let mut exec = Exec::new();
//! let (logp, reference) = ([[-1.0, -2.0]], [[-1.5, -2.0]]);
//! let (mask, mut reward) = ([[true, true]], [[0.0_f64; 2]]);
//! let judge = [Source::new().value(&[2.0]).weight(3.0)];
//! Dense::new()
//!     .sources(&judge)
//!     .mask(&mask)
//!     .logp(&logp)
//!     .ref_(&reference)
//!     .kl_kind(libalign_sys::ALIGN_KL_K1 as i32)
//!     .beta(0.2)
//!     .reward(&mut reward)
//!     .run(&mut exec)?;
//! assert!((reward[0][0] + 0.1).abs() < 1e-12 && (reward[0][1] - 6.0).abs() < 1e-12);
//!
//! let mut controller = KlController::new();
//! controller.raw.target = 6.0;
//! controller.update(&mut exec, 9.0, 10)?;
//! assert!(controller.raw.beta > 0.2);
//! # Ok::<(), libalign::Error>(())
//! ```

use std::ffi::CString;
use std::marker::PhantomData;
use std::mem::size_of;

use libalign_sys as sys;

use crate::exec::NO_SCRATCH;
use crate::fields::{calls, initialised, inputs, numbers};
use crate::norm::Params;
use crate::{Error, Exec, Result, Status};

/// A judge whose values [`Dense`] lays on tokens.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Source<'a> {
    raw: sys::align_dense_source,
    life: PhantomData<&'a [u8]>,
}

unsafe impl Send for Source<'_> {}
unsafe impl Sync for Source<'_> {}

impl Default for Source<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Source<'a> {
    /// The defaults, with no value yet.
    pub fn new() -> Self {
        Source { raw: initialised!(align_dense_source, align_dense_source_init), life: PhantomData }
    }

    inputs! {
        /// `[B]`, for the last counted token of each sequence; or `[M]` with `end`.
        value
        /// `[M]` `i32` or `i64`: the last token of each segment.
        end
        /// `[B+1]` `i64`: sequence b has segments `offsets[b]..offsets[b+1]`.
        offsets
    }

    numbers! {
        /// The raw value is clipped from here; both 0: not.
        clip_low: f64
        /// To here.
        clip_high: f64
        /// Subtracted; 0.
        mean: f64
        /// Divided by; 1.
        deviation: f64
        /// 1.
        scale: f64
        /// 0.
        bias: f64
        /// 1.
        weight: f64
    }
}

calls! {
    /// Token rewards of sources, the end of sequences, KL shaping and cost.
    Dense: align_dense_args, align_dense_args_init, align_dense_eval;
    reads mask offsets ended logp ref_ cost;
    writes reward sequence_kl;
    numbers eos_kind: i32 kl_kind: i32 eos_penalty: f64 beta: f64 kl_clip_ratio: f64 kl_clip_low: f64 kl_clip_high: f64
        multiplier: f64;

    /// ReNorm: step scores and an outcome to rewards of steps whose sign is that of the outcome.
    Renorm: align_renorm_args, align_renorm_args_init, align_renorm_eval;
    reads score most offsets outcome;
    writes reward;
    numbers beta: f64;

    /// Process advantages: how much a step changes the chance of a prover.
    Progress: align_progress_args, align_progress_args_init, align_progress_eval;
    reads prover offsets policy;
    writes advantage effective;
    numbers best_of: f64 alpha: f64;

    /// Follow-up likelihood: how much likelier approving follow-ups are than complaining ones.
    Followup: align_followup_args, align_followup_args_init, align_followup_eval;
    reads logp mask sign;
    writes reward;
    numbers;

    /// Claims of an answer that a judge does not accept.
    Claims: align_claims_args, align_claims_args_init, align_claims_eval;
    reads accept reject offsets;
    writes reward;
    numbers;

    /// Ratings of aspects to scores and margins.
    Aspects: align_aspects_args, align_aspects_args_init, align_aspects_eval;
    reads rating chosen rejected;
    writes score margin;
    numbers range: f64;

    /// A value head whose outputs stay when the statistics behind them change.
    PopArt: align_popart_args, align_popart_args_init, align_popart_apply;
    reads;
    writes weight bias;
    numbers mean: f64 deviation: f64 new_mean: f64 new_deviation: f64;

    /// Scores of answers to advantages of tokens, by the steps of a [`Pipeline`].
    Advantages: align_pipeline_args, align_pipeline_args_init, align_pipeline_eval;
    reads score group_offsets mask offsets logp ref_ value truncated bootstrap;
    writes shaped sequence_kl reward advantage target;
    numbers group_size: i64;
}

impl<'a> Dense<'a> {
    /// The judges.
    pub fn sources(mut self, sources: &'a [Source<'a>]) -> Self {
        self.raw.sources = sources.as_ptr().cast(); // Source is transparent
        self.raw.n_sources = sources.len() as i64;
        self
    }
}

impl<'a> Advantages<'a> {
    /// The steps.
    pub fn pipeline(mut self, pipeline: &'a Pipeline) -> Self {
        self.raw.pipeline = pipeline.raw.as_ref();
        self
    }
}

/// The steps from scores to advantages, in order, and their numbers.
pub struct Pipeline {
    raw: Box<sys::align_pipeline>,
    norms: Box<[sys::align_norm_params; 4]>,
}

// `raw` points into `norms`, which belongs to it and does not move.
unsafe impl Send for Pipeline {}
unsafe impl Sync for Pipeline {}

impl Pipeline {
    /// Steps, `ALIGN_PIPELINE_` numbers of libalign-sys. [`Status::Shape`] for more than 11.
    pub fn new(steps: &[u32]) -> Result<Self> {
        let mut raw = Box::new(initialised!(align_pipeline, align_pipeline_init));
        if steps.len() >= raw.step.len() {
            let text = format!("{} steps, at most {}", steps.len(), raw.step.len() - 1);
            return Err(Error::new(Status::Shape, "align_pipeline.step", text));
        }
        for (to, &step) in raw.step.iter_mut().zip(steps) {
            *to = step as i32;
        }
        Ok(Pipeline { raw, norms: Self::no_norms() })
    }

    /// What a trainer does: the names are in `libalign/advantage.h`. [`Status::Arg`] when there is none.
    pub fn preset(name: &str) -> Result<Self> {
        let unknown = || Error::new(Status::Arg, "name", format!("no pipeline is called {name:?}"));
        let text = CString::new(name).map_err(|_| unknown())?;
        let mut raw = Box::new(initialised!(align_pipeline, align_pipeline_init));
        let mut norms = Self::no_norms();
        match unsafe { sys::align_pipeline_preset_get(text.as_ptr(), raw.as_mut(), norms.as_mut_ptr()) } {
            sys::ALIGN_E_NONE => Ok(Pipeline { raw, norms }),
            _ => Err(unknown()),
        }
    }

    fn no_norms() -> Box<[sys::align_norm_params; 4]> {
        Box::new([sys::align_norm_params { size: size_of::<sys::align_norm_params>(), ..Default::default() }; 4])
    }

    /// How the step `ALIGN_PIPELINE_GROUP` normalises.
    pub fn group(mut self, params: &Params) -> Self {
        self.norms[0] = params.raw;
        self.raw.group = &self.norms[0];
        self
    }

    /// And what it does with the results.
    pub fn group_then(mut self, params: &Params) -> Self {
        self.norms[1] = params.raw;
        self.raw.group_then = &self.norms[1];
        self
    }

    /// How `ALIGN_PIPELINE_WHITEN_REWARD` normalises.
    pub fn whiten_reward(mut self, params: &Params) -> Self {
        self.norms[2] = params.raw;
        self.raw.whiten_reward = &self.norms[2];
        self
    }

    /// How `ALIGN_PIPELINE_WHITEN` normalises.
    pub fn whiten(mut self, params: &Params) -> Self {
        self.norms[3] = params.raw;
        self.raw.whiten = &self.norms[3];
        self
    }

    numbers! {
        /// Tokens from which on an answer is too long.
        overlong_limit: f64
        /// Tokens before that over which the penalty grows.
        overlong_buffer: f64
        /// The whole penalty.
        overlong_factor: f64
        /// Scores are clipped from here; both 0: not.
        clip_low: f64
        /// To here.
        clip_high: f64
        /// How much KL counts.
        beta: f64
        /// An `ALIGN_KL_` number.
        kl_kind: i32
        /// An `ALIGN_ADVANTAGE_` number.
        advantage: i32
        /// Of returns.
        gamma: f64
        /// Of GAE.
        lambda: f64
        /// Of n-step returns.
        n: i64
    }
}

/// Controllers that follow a measured number. Their numbers are fields of `raw`.
macro_rules! controllers {
    ($($(#[$doc:meta])* $name:ident: $type:ident, $init:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy)]
            pub struct $name {
                /// The C struct.
                pub raw: sys::$type,
            }

            impl Default for $name {
                fn default() -> Self {
                    Self::new()
                }
            }

            impl $name {
                /// The defaults.
                pub fn new() -> Self {
                    $name { raw: initialised!($type, $init) }
                }
            }
        )*
    };
}

controllers! {
    /// The weight of KL, adapted until KL is the target.
    KlController: align_kl_controller, align_kl_controller_init;
    /// The multiplier of a cost that has to stay below a bound.
    Lagrange: align_lagrange, align_lagrange_init;
}

impl KlController {
    /// After a batch of so many samples with this KL.
    pub fn update(&mut self, exec: &mut Exec, kl: f64, samples: i64) -> Result<()> {
        let raw = &mut self.raw;
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_kl_controller_update(exec, raw, kl, samples) })
    }
}

impl Lagrange {
    /// After a batch with this mean cost.
    pub fn update(&mut self, exec: &mut Exec, cost: f64) -> Result<()> {
        let raw = &mut self.raw;
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_lagrange_update(exec, raw, cost) })
    }
}
