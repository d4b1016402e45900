//! Tools around rewards and strengths: calibration, ensembles, annotators, labels, Elo, ranks.
//!
//! ```
//! use libalign::judge::{Ensemble, Labels, Ranks};
//! use libalign::Exec;
//!
//! let mut exec = Exec::new();
//! let mut value = [0.0; 2];
//! let worst = libalign_sys::ALIGN_REWARD_ENSEMBLE_WORST as i32;
//! Ensemble::new().reward(&[[1.0, 5.0], [2.0, 4.0], [3.0, 3.0]]).kind(worst).value(&mut value).run(&mut exec)?;
//! assert_eq!(value, [1.0, 3.0]);
//!
//! let mut rank = [0_i64; 2];
//! let ranks = Ranks::new().strength(&[2.0, 0.0]).covariance(&[[0.1, 0.0], [0.0, 0.1]]).rank(&mut rank);
//! assert_eq!(ranks.run_drawn(&mut exec)?.used, 10_000);
//! assert_eq!(rank, [1, 2]);
//! # Ok::<(), libalign::Error>(())
//! ```

use libalign_sys as sys;

use crate::bt::Rows;
use crate::fields::calls;
use crate::head::Tokens;
use crate::{reward, Exec, Result, View};

calls! {
    /// Several reward models to one value, and back.
    Ensemble: align_reward_ensemble_args, align_reward_ensemble_args_init, align_reward_ensemble_eval;
    reads reward dvalue;
    writes value dreward;
    numbers kind: i32 ddof: i32 lambda: f64 beta: f64;

    /// How an ensemble sees each pair: strength, labels to turn round, margins.
    Strength: align_reward_strength_args, align_reward_strength_args_init, align_reward_strength_eval,
        align_reward_strength_scratch;
    reads first second;
    writes mean deviation flip prob margin;
    numbers ddof: i32 labels: i32 flip_share: f64 smoothing: f64;

    /// Sums for calibration of pairs, added to: `bins` `[B,3]` and `totals` `[5]`, both `f64`.
    Calibration: align_reward_calibration_args, align_reward_calibration_args_init, align_reward_calibration_update;
    reads first second prob weight;
    writes bins totals;
    numbers;

    /// Slopes of annotators pooled around a common one.
    Pool: align_reward_pool_args, align_reward_pool_args_init, align_reward_pool_fit;
    reads estimate variance;
    writes mean se tau2 q slope;
    numbers method: i32;

    /// Each annotator's deviation from a fitted reward.
    Slopes: align_reward_slopes_args, align_reward_slopes_args_init, align_reward_slopes_fit,
        align_reward_slopes_scratch;
    reads annotator select precision;
    writes slope variance existence;
    numbers;

    /// Places of items by strength, with intervals.
    Ranks: align_bt_ranks_args, align_bt_ranks_args_init, align_bt_ranks_eval, align_bt_ranks_scratch;
    reads strength covariance draws;
    writes rank rank_low rank_high first difference_se;
    numbers level: f64 samples: i64 seed: u64;

    /// Elo ratings `[n_items]`, updated in place game by game.
    Elo: align_bt_elo_args, align_bt_elo_args_init, align_bt_elo_update;
    reads;
    writes rating;
    numbers k: f64 scale: f64;

    /// Labels of lists from wins or ranks.
    Labels: align_loss_labels, align_loss_labels_init, align_loss_labels_apply;
    reads wins rank mask;
    writes label;
    numbers;

    /// Weights of tokens: LD-DPO, SamPO.
    TokenWeights: align_token_weights, align_token_weights_init, align_token_weights_apply;
    reads;
    writes weight;
    numbers kind: i32 seed: i32 items: i32 stacked: i32 alpha: f64;

    /// Weights of groups: WPO.
    Wpo: align_wpo, align_wpo_init, align_wpo_apply;
    reads token_logp collision;
    writes weight;
    numbers items: i32 stacked: i32 most: f64;
}

/// What the draws of [`Ranks`] say as a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// The quantile of the intervals.
    pub critical: f64,
    /// How many draws were not left out.
    pub used: i64,
}

impl Ranks<'_> {
    /// As `run`, with what the draws say as a whole.
    pub fn run_drawn(mut self, exec: &mut Exec) -> Result<Drawn> {
        self.run_raw(exec)?;
        Ok(Drawn { critical: self.raw.critical, used: self.raw.used })
    }
}

impl<'a> Elo<'a> {
    /// The games, in order.
    pub fn rows(mut self, rows: &'a Rows<'a>) -> Self {
        self.raw.rows = rows.raw();
        self
    }
}

impl<'a> TokenWeights<'a> {
    /// Sequences and targets.
    pub fn tokens(mut self, tokens: &'a Tokens<'a>) -> Self {
        self.raw.tokens = tokens.raw();
        self
    }
}

impl<'a> Wpo<'a> {
    /// Those of the forward.
    pub fn tokens(mut self, tokens: &'a Tokens<'a>) -> Self {
        self.raw.tokens = tokens.raw();
        self
    }
}

impl<'a> Slopes<'a> {
    /// Makes the call for the pairs of a fit and its coefficients `[D]`.
    pub fn run_on(mut self, exec: &mut Exec, fit: &reward::Fit, coef: impl Into<View<'a>>) -> Result<()> {
        let pairs = sys::align_reward_args { coef: coef.into().raw, l2: 0.0, ..*fit.raw() };
        self.raw.pairs = &pairs;
        self.run_raw(exec)
    }
}
