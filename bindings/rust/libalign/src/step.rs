use libalign_sys as sys;

use crate::head::{Backward, Forward, Head, InPlace};
use crate::{Error, Exec, Loss, Result, Status, ViewMut};

/// Log-probabilities of sequences, the loss of their groups and the gradient, in one call that is checked in full before
/// anything is written.
///
/// ```
/// use libalign::head::{Backward, Forward, Head, Tokens};
/// use libalign::{Exec, Loss, Params, Step, ViewMut};
///
/// // One pair: sequences of two tokens over a vocabulary of three, chosen first.
/// let target = [[0_i64, 2], [1, 1]];
/// let mut logits = [0.3_f32, -0.1, 0.2, 0.0, 0.5, 1.0, -0.4, 0.6, 0.1, 0.2, 0.9, -0.7];
/// let (mut logp, mut dlogp) = ([[0.0_f64; 2]], [[0.0_f64; 2]]);
/// let (mut token_logp, mut lse, mut value) = ([0.0; 4], [0.0; 4], [0.0]);
///
/// let tokens = Tokens::new(&target);
/// let head = Head::dense_mut(&tokens, ViewMut::shaped(&mut logits, [2, 2, 3])?);
/// let dpo = Params::new("dpo")?;
/// let loss = Loss::new(&dpo).ref_(&[[-2.0, -2.1]]).value(&mut value);
/// let forward = Forward::new().token_logp(&mut token_logp).lse(&mut lse);
/// Step::new(&loss, &mut logp, &mut dlogp).forward(forward).run_in_place(&mut Exec::new(), head)?;
/// assert!(value[0] > 0.0 && logits[..3].iter().sum::<f32>().abs() < 1e-6);
/// # Ok::<(), libalign::Error>(())
/// ```
pub struct Step<'a> {
    loss: sys::align_loss_args,
    forward: sys::align_head,
    backward: sys::align_head,
    life: std::marker::PhantomData<&'a mut [u8]>,
}

unsafe impl Send for Step<'_> {}
unsafe impl Sync for Step<'_> {}

impl<'a> Step<'a> {
    /// A loss without score and dscore: its scores are `logp` `[G,K]`, which the head writes, for sequence g K + k at
    /// `[g, k]`, and its gradient is `dlogp`, likewise, which the head takes back.
    pub fn new(loss: &'a Loss<'a>, logp: impl Into<ViewMut<'a>>, dlogp: impl Into<ViewMut<'a>>) -> Self {
        let mut raw = loss.complete();
        raw.score = logp.into().raw;
        raw.dscore = dlogp.into().raw;
        let none = sys::align_head::default();
        Step { loss: raw, forward: none, backward: none, life: std::marker::PhantomData }
    }

    /// What else the forward writes: `token_logp` and `lse` are needed.
    pub fn forward(mut self, out: Forward<'a>) -> Self {
        self.forward = out.raw;
        self
    }

    /// What the backward writes.
    pub fn backward(mut self, grads: Backward<'a>) -> Self {
        self.backward = grads.raw;
        self
    }

    /// Makes the call, with gradients where [`Step::backward`] says.
    pub fn run(&mut self, exec: &mut Exec, head: &Head<'a>) -> Result<()> {
        self.run_raw(exec, head.complete_with(&self.forward, &self.backward), head)
    }

    /// Makes the call; the gradient of the logits stands where they stood.
    pub fn run_in_place(&mut self, exec: &mut Exec, head: Head<'a, InPlace>) -> Result<()> {
        let mut raw = head.complete_with(&self.forward, &self.backward);
        raw.dlogits = raw.logits;
        self.run_raw(exec, raw, &head)
    }

    fn run_raw<A>(&self, exec: &mut Exec, mut raw: sys::align_head, head: &Head<'a, A>) -> Result<()> {
        (raw.logp, raw.dlogp) = (flat(&self.loss.score)?, flat(&self.loss.dscore)?);
        let other = head.other_raw();
        raw.other = other.as_ref().map_or(std::ptr::null(), |other| other);
        raw.tokens = head.tokens_raw();
        let mut args = crate::fields::initialised!(align_step_args, align_step_args_init);
        (args.policy, args.losses, args.n_losses) = (&raw, &self.loss, 1);
        exec.call(&|exec, least, best| unsafe { sys::align_step_scratch(exec, &args, least, best) }, |exec| unsafe {
            sys::align_step_run(exec, &args)
        })
    }
}

/// `[G,K]` in C order, or `[G]`, as `[S]`.
fn flat(groups: &sys::align_tensor) -> Result<sys::align_tensor> {
    let mut one = *groups;
    match groups.ndim {
        1 => Ok(one),
        2 if groups.stride[0] == groups.shape[1] && groups.stride[1] == 1 => {
            one.ndim = 1;
            one.shape = [groups.shape[0] * groups.shape[1], 0, 0];
            one.stride = [1, 0, 0];
            Ok(one)
        }
        _ => Err(Error::new(Status::Layout, "libalign::Step", "logp and dlogp are [G] or [G,K] in C order".into())),
    }
}
