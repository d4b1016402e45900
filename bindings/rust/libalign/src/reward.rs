//! Linear rewards on features, fitted to preferences.
//!
//! ```
//! use libalign::reward::{predict, Fit};
//! use libalign::{Exec, Status};
//!
//! // Features of the preferred and of the other answer of five pairs.
//! let first = [[1.0, 0.2], [0.4, 1.0], [0.9, 0.1], [0.0, 0.3], [0.8, 0.9]];
//! let second = [[0.1, 0.4], [0.6, 0.1], [0.2, 0.8], [0.7, 0.2], [0.3, 0.4]];
//! let mut exec = Exec::new();
//! let fit = Fit::new(&first, &second).l2(0.1).se().run(&mut exec)?;
//! assert!(fit.failure.is_none() && fit.accuracy >= 0.8);
//!
//! let mut reward = [0.0; 5];
//! predict(&mut exec, &first, &fit.coef, &mut reward)?;
//! # Ok::<(), libalign::Error>(())
//! ```

use std::marker::PhantomData;

use libalign_sys as sys;

use crate::bt::failure_of;
use crate::exec::NO_SCRATCH;
use crate::fields::{initialised, inputs, numbers};
use crate::{Error, Exec, Result, View, ViewMut};

/// A fit to be run.
pub struct Fit<'a> {
    raw: sys::align_reward_args,
    n_features: usize,
    se: bool,
    covariance: bool,
    life: PhantomData<&'a [u8]>,
}

unsafe impl Send for Fit<'_> {}
unsafe impl Sync for Fit<'_> {}

/// What a fit found.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Coefficients {
    /// One a feature.
    pub coef: Vec<f64>,
    /// Their standard errors, or empty.
    pub se: Vec<f64>,
    /// Their covariance, row after row, or empty.
    pub covariance: Vec<f64>,
    /// None, or [`Status::NotConverged`](crate::Status::NotConverged) or, where features separate the preferences,
    /// [`Status::NoSolution`](crate::Status::NoSolution) in words: the last point was written all the same.
    pub failure: Option<Error>,
    /// How many combinations of features never differ within a pair; -1: not looked for.
    pub null_dimension: i64,
    /// Newton steps.
    pub iterations: i64,
    /// The largest slope at the answer.
    pub score_norm: f64,
    /// About how far the objective is from its minimum.
    pub decrement: f64,
    /// Without the penalty.
    pub log_likelihood: f64,
    /// The l2 term.
    pub penalty: f64,
    /// The weighted share of pairs whose preferred answer has the larger reward.
    pub accuracy: f64,
}

impl<'a> Fit<'a> {
    fn with(n_features: i64) -> Self {
        let raw = initialised!(align_reward_args, align_reward_args_init);
        Fit { raw, n_features: n_features as usize, se: false, covariance: false, life: PhantomData }
    }

    /// Of the features of each pair, `[M,D]` each: first is preferred, unless `prob` says otherwise.
    pub fn new(first: impl Into<View<'a>>, second: impl Into<View<'a>>) -> Self {
        let first = first.into();
        let mut fit = Self::with(width(&first));
        fit.raw.first = first.raw;
        fit.raw.second = second.into().raw;
        fit
    }

    /// Of the features of R answers, `[R,D]`, and which two make a pair, `[M,2]` `i32` or `i64`.
    pub fn indexed(features: impl Into<View<'a>>, index: impl Into<View<'a>>) -> Self {
        let features = features.into();
        let mut fit = Self::with(width(&features));
        fit.raw.features = features.raw;
        fit.raw.index = index.into().raw;
        fit
    }

    inputs! {
        /// `[M]`: the probability that first is preferred.
        prob
        /// `[M]`: how far apart two rewards should be.
        margin
        /// `[M]`: how much each pair counts.
        weight
        /// `[D]`: added to `l2`.
        l2_each
    }

    numbers! {
        /// The penalty on squares of coefficients; 0.
        l2: f64
        /// Of the last step; 1e-9.
        tolerance: f64
        /// 100.
        max_iterations: i64
    }

    pub(crate) fn raw(&self) -> &sys::align_reward_args {
        &self.raw
    }

    /// Standard errors too.
    pub fn se(mut self) -> Self {
        self.se = true;
        self
    }

    /// The covariance too.
    pub fn covariance(mut self) -> Self {
        self.covariance = true;
        self
    }

    /// Runs the fit.
    pub fn run(&self, exec: &mut Exec) -> Result<Coefficients> {
        let d = self.n_features;
        let mut coef = vec![0.0; d];
        let mut se = vec![0.0; if self.se { d } else { 0 }];
        let mut covariance = vec![0.0; if self.covariance { d * d } else { 0 }];
        let mut raw = self.raw;
        raw.coef = ViewMut::from(&mut coef).raw;
        if self.se {
            raw.se = ViewMut::from(&mut se).raw;
        }
        if self.covariance {
            raw.covariance = ViewMut::shaped(&mut covariance, [d, d])?.raw;
        }
        let asked = raw;
        let run = exec.call(
            &|exec, least, best| unsafe { sys::align_reward_scratch(exec, &asked, least, best) },
            |exec| unsafe { sys::align_reward_fit(exec, &mut raw) },
        );
        let failure = failure_of(run)?;
        Ok(Coefficients {
            coef,
            se,
            covariance,
            failure,
            null_dimension: raw.null_dimension,
            iterations: raw.iterations,
            score_norm: raw.score_norm,
            decrement: raw.decrement,
            log_likelihood: raw.log_likelihood,
            penalty: raw.penalty,
            accuracy: raw.accuracy,
        })
    }
}

/// What a path of fits found.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Path {
    /// Under the best l2.
    pub coef: Vec<f64>,
    /// Which l2 that is.
    pub best: usize,
    /// Minus the log-likelihood of what was held out, by its weight, under each; NaN without a finite answer.
    pub loss: Vec<f64>,
}

impl Fit<'_> {
    /// Fits under each of `l2`, from the largest down, and chooses by what was held out: data of the same model
    /// and width, whose own `l2` is left out.
    pub fn run_path(&self, exec: &mut Exec, held: &Fit, l2: &[f64]) -> Result<Path> {
        let (mut coef, mut loss) = (vec![0.0; self.n_features], vec![0.0; l2.len()]);
        let coef_view = ViewMut::from(&mut coef).raw;
        let mut fit = sys::align_reward_args { coef: coef_view, l2: 0.0, ..self.raw };
        let held = sys::align_reward_args { l2: 0.0, ..held.raw };
        let mut path = initialised!(align_reward_path_args, align_reward_path_args_init);
        path.fit = &mut fit;
        path.held = &held;
        path.l2 = View::from(l2).raw;
        path.loss = ViewMut::from(&mut loss).raw;
        let asked = path;
        exec.call(
            &|exec, least, best| unsafe { sys::align_reward_path_scratch(exec, &asked, least, best) },
            |exec| unsafe { sys::align_reward_path_fit(exec, &mut path) },
        )?;
        Ok(Path { coef, best: path.best as usize, loss })
    }
}

/// D of features; what is no matrix is refused by the fit.
fn width(features: &View) -> i64 {
    features.shape().get(1).copied().unwrap_or(0)
}

/// Rewards `[R]` of features `[R,D]` under coefficients `[D]`.
pub fn predict<'a>(
    exec: &mut Exec,
    features: impl Into<View<'a>>,
    coef: impl Into<View<'a>>,
    reward: impl Into<ViewMut<'a>>,
) -> Result<()> {
    let mut raw = initialised!(align_reward_query, align_reward_query_init);
    raw.features = features.into().raw;
    raw.coef = coef.into().raw;
    raw.reward = reward.into().raw;
    exec.call(NO_SCRATCH, |exec| unsafe { sys::align_reward_predict(exec, &raw) })
}

/// The same with standard errors `[R]`, from the covariance `[D,D]` of the coefficients.
pub fn predict_with_se<'a>(
    exec: &mut Exec,
    features: impl Into<View<'a>>,
    coef: impl Into<View<'a>>,
    covariance: impl Into<View<'a>>,
    reward: impl Into<ViewMut<'a>>,
    se: impl Into<ViewMut<'a>>,
) -> Result<()> {
    let mut raw = initialised!(align_reward_query, align_reward_query_init);
    raw.features = features.into().raw;
    raw.coef = coef.into().raw;
    raw.covariance = covariance.into().raw;
    raw.reward = reward.into().raw;
    raw.se = se.into().raw;
    exec.call(NO_SCRATCH, |exec| unsafe { sys::align_reward_predict(exec, &raw) })
}
