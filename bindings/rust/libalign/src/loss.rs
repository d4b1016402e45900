use std::marker::PhantomData;

use libalign_sys as sys;

use crate::fields::{initialised, inputs, numbers, outputs};
use crate::{Exec, Params, Result};

/// One loss over groups of scores: what it reads and where results go, each under the name of its field in
/// `align_loss_args`.
///
/// ```
/// use libalign::{Exec, Loss, Params};
///
/// let score = [[-12.0, -15.5], [-30.2, -29.1], [-8.4, -9.0]];
/// let reference = [[-12.5, -14.0], [-30.0, -30.0], [-9.1, -8.8]];
/// let mut dscore = [[0.0; 2]; 3];
///
/// let params = Params::new("dpo")?.with("beta", 0.5)?;
/// let value = Loss::new(&params).score(&score).ref_(&reference).dscore(&mut dscore).eval(&mut Exec::new())?;
///
/// assert!((value - 0.604001).abs() < 1e-6);
/// assert_eq!(dscore[0][0], -dscore[0][1]);
/// # Ok::<(), libalign::Error>(())
/// ```
///
/// Groups are a view `[G,K]`, or `index` `[G,K]` into scores `[S]`, or, for lists, `offsets` `[G+1]` over them. "Like
/// score" means its shape. Reals are `f32`, `f64`, [`Bf16`](crate::Bf16) or [`F16`](crate::F16), in any mix.
pub struct Loss<'a> {
    raw: sys::align_loss_args,
    params: &'a Params,
    life: PhantomData<&'a mut [u8]>,
}

// Views and a reference to plain numbers.
unsafe impl Send for Loss<'_> {}
unsafe impl Sync for Loss<'_> {}

impl<'a> Loss<'a> {
    /// A loss of this row with nothing to read or write yet.
    pub fn new(params: &'a Params) -> Self {
        let mut raw = initialised!(align_loss_args, align_loss_args_init);
        raw.loss = params.row().id();
        Loss { raw, params, life: PhantomData }
    }

    inputs! {
        /// Log-probabilities, rewards or values of the sequences.
        score
        /// Like score: log-probabilities under the reference policy.
        ref_
        /// Like score: log-probabilities under the policy that made the samples.
        old
        /// Like score, reals or integers: tokens of each sequence.
        count
        /// Like score: a second number of a sequence, as the row says.
        aux
        /// `[G,K]` `i32` or `i64`: which sequences make a group; below 0, none.
        index
        /// `[G+1]` `i64`: list g is scores `offsets[g]..offsets[g+1]`.
        offsets
        /// Like score: relevance, target or kind, as the row says.
        label
        /// `[G]`: the probability that the first item is preferred.
        prob
        /// `[G]`: weights.
        weight
        /// `[G]`: subtracted from the scaled margin.
        offset
        /// `[G]` or like score, `bool`, `u8` or `f32`: what counts.
        mask
        /// Like score: places to make pair weights from, instead of those of the current scores.
        rank
    }

    outputs! {
        /// `[1]`: the value, where [`Step`](crate::Step) makes the call; [`Loss::eval`] returns it.
        value
        /// `[G]`: the loss of each group.
        group_value
        /// Like score: the gradient.
        dscore
        /// Like aux: its gradient.
        daux
        /// `[n_params]` `f64`: the gradient of learnable parameters.
        dparam
        /// Like score: the diagonal of the second derivative.
        hscore
        /// Like score: the places used.
        rank_out
        /// `[n_metrics,2]` `f64`: sum and count of each of [`Row::metrics`](crate::Row::metrics).
        metrics
    }

    numbers! {
        /// What the sum over groups is divided by: 0, the live groups; 1, a plain sum; else a global count.
        denom: f64
        /// A factor on value and gradients.
        scale: f64
    }

    /// Add gradients to what is there instead of writing them.
    pub fn add(mut self) -> Self {
        self.raw.flags |= sys::ALIGN_LOSS_ADD;
        self
    }

    /// Writes what was asked for and returns the value of these groups. May be called again: after the scores that
    /// it borrows are changed elsewhere, a new `Loss` is made, which costs nothing.
    pub fn eval(&mut self, exec: &mut Exec) -> Result<f64> {
        let mut value = 0.0;
        let mut raw = self.complete();
        raw.value = crate::ViewMut::from(std::slice::from_mut(&mut value)).raw;
        exec.call(&|exec, least, best| unsafe { sys::align_loss_scratch(exec, &raw, least, best) }, |exec| unsafe {
            sys::align_loss_eval(exec, &raw)
        })?;
        Ok(value)
    }

    /// The C struct, pointing at the parameters. Valid as long as `self`.
    pub(crate) fn complete(&self) -> sys::align_loss_args {
        let mut raw = self.raw;
        raw.params = &self.params.raw;
        raw
    }
}
