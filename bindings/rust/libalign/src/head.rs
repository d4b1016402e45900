//! From logits to log-probabilities of tokens and sequences, and back.
//!
//! Batches are packed, targets `[N]` and logits `[N,V]` with `offsets` that say where sequences begin, or padded,
//! targets `[B,T]` and logits `[B,T,V]`. The forward gives a log-probability a sequence; a [`Loss`](crate::Loss) turns
//! these into `dlogp`; the backward takes that to the gradient of the logits, or of hidden states and the output
//! matrix.
//!
//! ```
//! use libalign::head::{Backward, Forward, Head, Tokens};
//! use libalign::{Exec, Loss, Params, View, ViewMut};
//!
//! // One pair: sequences of two tokens over a vocabulary of three, chosen first.
//! let target = [[0_i64, 2], [1, 1]];
//! let mut logits = [0.3_f32, -0.1, 0.2, 0.0, 0.5, 1.0, -0.4, 0.6, 0.1, 0.2, 0.9, -0.7];
//! let reference = [[-2.0, -2.1]];
//! let (mut logp, mut token_logp, mut lse) = ([0.0; 2], [0.0; 4], [0.0; 4]);
//! let mut dlogp = [[0.0; 2]];
//!
//! let mut exec = Exec::new();
//! let tokens = Tokens::new(&target);
//! let head = Head::dense_mut(&tokens, ViewMut::shaped(&mut logits, [2, 2, 3])?);
//! head.forward(&mut exec, Forward::new().logp(&mut logp).token_logp(&mut token_logp).lse(&mut lse))?;
//!
//! let pairs = View::shaped(&logp, [1, 2])?;
//! let dpo = Params::new("dpo")?;
//! Loss::new(&dpo).score(pairs).ref_(&reference).dscore(&mut dlogp).eval(&mut exec)?;
//!
//! let dlogp = View::shaped(&dlogp[0], [2])?;
//! let backward = Backward::new().dlogp(dlogp).token_logp(&token_logp).lse(&lse);
//! head.backward_in_place(&mut exec, backward)?; // the gradient stands where the logits stood
//! assert!(logits[..3].iter().sum::<f32>().abs() < 1e-6);
//! # Ok::<(), libalign::Error>(())
//! ```

use std::marker::PhantomData;

use libalign_sys as sys;

use crate::fields::{initialised, inputs, numbers, outputs};
use crate::{Exec, Result, View, ViewMut};

/// Which rows of a batch belong to which sequence, which target each has, and which of them count.
#[derive(Clone, Copy)]
pub struct Tokens<'a> {
    raw: sys::align_tokens,
    life: PhantomData<&'a [u8]>,
}

unsafe impl Send for Tokens<'_> {}
unsafe impl Sync for Tokens<'_> {}

impl<'a> Tokens<'a> {
    /// Targets, `[N]` or `[B,T]`, `i32` or `i64`.
    pub fn new(target: impl Into<View<'a>>) -> Self {
        let mut raw = initialised!(align_tokens, align_tokens_init);
        raw.target = target.into().raw;
        Tokens { raw, life: PhantomData }
    }

    inputs! {
        /// Like target: `bool` or `u8`, or `f32` weights; a row at 0 does not count and is never read.
        mask
        /// `[S+1]` `i64`: sequence s is rows `offsets[s]..offsets[s+1]` of a packed batch.
        offsets
    }

    numbers! {
        /// The target value that never counts; -100.
        ignore: i64
    }

    pub(crate) fn raw(&self) -> &sys::align_tokens {
        &self.raw
    }

    /// Row n predicts target n+1 of the same sequence.
    pub fn shift(mut self) -> Self {
        self.raw.shift = 1;
        self
    }
}

/// Where rows of logits come from. `A` says who owns the logits: [`Shared`], or [`InPlace`] where they may be
/// overwritten by their gradient.
pub struct Head<'a, A = Shared> {
    raw: sys::align_head,
    tokens: &'a Tokens<'a>,
    other: Option<Other<'a>>,
    access: PhantomData<(&'a mut [u8], A)>,
}

/// Of a [`Head`]: what it borrows is only read.
pub struct Shared;

/// Of a [`Head`]: its logits are borrowed mutably.
pub struct InPlace;

#[derive(Clone, Copy)]
struct Other<'a> {
    raw: &'a sys::align_head,
    tokens: &'a Tokens<'a>,
}

// Views and references to views. A head is no Copy: a copy of one in place would be a second writer.
unsafe impl<A> Send for Head<'_, A> {}
unsafe impl<A> Sync for Head<'_, A> {}

/// What a forward is to write: at least one.
pub struct Forward<'a> {
    pub(crate) raw: sys::align_head,
    life: PhantomData<&'a mut [u8]>,
}

/// What a backward reads of the forward and of losses, and what it is to write.
pub struct Backward<'a> {
    pub(crate) raw: sys::align_head,
    life: PhantomData<&'a mut [u8]>,
}

unsafe impl Send for Forward<'_> {}
unsafe impl Sync for Forward<'_> {}
unsafe impl Send for Backward<'_> {}
unsafe impl Sync for Backward<'_> {}

impl Default for Forward<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for Backward<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Forward<'a> {
    /// Nothing yet.
    pub fn new() -> Self {
        Forward { raw: sys::align_head::default(), life: PhantomData }
    }

    outputs! {
        /// `[S]`: the sum of weight times log-probability over the counted rows of each sequence.
        logp
        /// `[S]`: how many rows count.
        count
        /// `[S]`: the sum of their weights.
        wsum
        /// `[N]`: the log-probability of each target.
        token_logp
        /// `[N]`: the logarithm of the sum of exponentials.
        lse
        /// `[N]`: in nats.
        entropy
        /// `[N]`: the divergence from the other head.
        kl
        /// `[N]`: the logarithm of the sum of squared probabilities.
        collision
        /// `[N]`: whether the target has the largest logit.
        hit
        /// Like hidden: the gradient of each token's log-probability; asks for the one-pass plan.
        jhidden
    }
}

impl<'a> Backward<'a> {
    /// Nothing yet.
    pub fn new() -> Self {
        Backward { raw: sys::align_head::default(), life: PhantomData }
    }

    inputs! {
        /// `[N]`: as the forward wrote it.
        token_logp
        /// `[N]`: as the forward wrote it.
        lse
        /// `[N]`: as the forward wrote it; with `dentropy`.
        entropy
        /// `[N]`: as the forward wrote it; with `dkl` where the direction asks for it.
        kl
        /// Like hidden: as the forward wrote it; the backward then reads neither hidden nor weight.
        jhidden
        /// `[S]`: the gradient of logp.
        dlogp
        /// `[N]`: the gradient of token_logp, not multiplied by weights.
        dtoken_logp
        /// `[N]`: the gradient of the entropy.
        dentropy
        /// `[N]`: the gradient of kl.
        dkl
        /// `[N]`: the gradient of lse.
        dlse
    }

    outputs! {
        /// Like logits: written.
        dlogits
        /// Like hidden: written.
        dhidden
        /// Like weight: written.
        dweight
        /// Like bias: written.
        dbias
    }

    /// Like hidden: what the forward wrote as jhidden, replaced by the gradient of hidden.
    pub fn jhidden_in_place(mut self, view: impl Into<ViewMut<'a>>) -> Self {
        self.raw.jhidden = view.into().raw;
        self.raw.dhidden = self.raw.jhidden;
        self
    }

    fn add(mut self, flag: u32) -> Self {
        self.raw.flags |= flag;
        self
    }

    /// Like logits: added to.
    pub fn add_dlogits(self, view: impl Into<ViewMut<'a>>) -> Self {
        self.dlogits(view).add(sys::ALIGN_HEAD_ADD_DLOGITS)
    }

    /// Like hidden: added to.
    pub fn add_dhidden(self, view: impl Into<ViewMut<'a>>) -> Self {
        self.dhidden(view).add(sys::ALIGN_HEAD_ADD_DHIDDEN)
    }

    /// Like weight: added to.
    pub fn add_dweight(self, view: impl Into<ViewMut<'a>>) -> Self {
        self.dweight(view).add(sys::ALIGN_HEAD_ADD_DWEIGHT)
    }

    /// Like bias: added to.
    pub fn add_dbias(self, view: impl Into<ViewMut<'a>>) -> Self {
        self.dbias(view).add(sys::ALIGN_HEAD_ADD_DBIAS)
    }
}

impl<'a> Head<'a> {
    /// Logits, `[N,V]` or `[B,T,V]`, stride 1 along V.
    pub fn dense(tokens: &'a Tokens<'a>, logits: impl Into<View<'a>>) -> Self {
        Head::new(tokens, logits.into())
    }

    /// Hidden states, `[N,D]` or `[B,T,D]`, and the output matrix, `[V,D]`: logits are never stored.
    pub fn linear(tokens: &'a Tokens<'a>, hidden: impl Into<View<'a>>, weight: impl Into<View<'a>>) -> Self {
        let mut head = Head::new(tokens, View::absent());
        head.raw.hidden = hidden.into().raw;
        head.raw.weight = weight.into().raw;
        head
    }
}

impl<'a> Head<'a, InPlace> {
    /// Logits as for [`Head::dense`], which the backward may overwrite.
    pub fn dense_mut(tokens: &'a Tokens<'a>, logits: impl Into<ViewMut<'a>>) -> Self {
        Head::new(tokens, logits.into().into())
    }

    /// Writes the gradient of the logits where they stand, and ends the head.
    pub fn backward_in_place(self, exec: &mut Exec, grads: Backward) -> Result<()> {
        let mut from = grads.raw;
        from.dlogits = self.raw.logits;
        self.backward_raw(exec, &from)
    }
}

impl<'a, A> Head<'a, A> {
    fn new(tokens: &'a Tokens<'a>, logits: View<'a>) -> Self {
        let mut raw = initialised!(align_head, align_head_init);
        raw.logits = logits.raw;
        Head { raw, tokens, other: None, access: PhantomData }
    }

    inputs! {
        /// `[V]`: added to the logits of a linear head.
        bias
    }

    numbers! {
        /// z = scale * x.
        scale: f64
        /// z = softcap * tanh(scale * x / softcap).
        softcap: f64
        /// Of the two distributions that kl compares.
        temperature: f64
        /// Of a vocabulary that processes share by [`Exec::all_reduce`]: where the part of this one begins.
        vocab_begin: i64
        /// And how large the whole is.
        vocab_total: i64
    }

    /// The head that kl and dkl compare with.
    pub fn other<B>(mut self, other: &'a Head<'a, B>) -> Self {
        self.other = Some(Other { raw: &other.raw, tokens: other.tokens });
        self
    }

    /// kl is of this head from the other, instead of the other from this.
    pub fn kl_reverse(mut self) -> Self {
        self.raw.flags |= sys::ALIGN_HEAD_KL_REVERSE;
        self
    }

    /// Writes what `out` asks for.
    pub fn forward(&self, exec: &mut Exec, out: Forward) -> Result<()> {
        let mut raw = self.raw;
        take_forward(&mut raw, &out.raw);
        self.call(exec, raw, sys::align_head_forward)
    }

    /// Writes the gradients that `grads` asks for.
    pub fn backward(&self, exec: &mut Exec, grads: Backward) -> Result<()> {
        self.backward_raw(exec, &grads.raw)
    }

    fn backward_raw(&self, exec: &mut Exec, from: &sys::align_head) -> Result<()> {
        let mut raw = self.raw;
        (raw.token_logp, raw.lse, raw.entropy) = (from.token_logp, from.lse, from.entropy);
        (raw.kl, raw.jhidden) = (from.kl, from.jhidden);
        take_backward(&mut raw, from);
        self.call(exec, raw, sys::align_head_backward)
    }

    fn call(
        &self,
        exec: &mut Exec,
        mut raw: sys::align_head,
        run: unsafe extern "C" fn(*const sys::align_exec, *const sys::align_head) -> sys::align_status,
    ) -> Result<()> {
        let other = self.other_raw();
        raw.other = other.as_ref().map_or(std::ptr::null(), |head| head);
        raw.tokens = self.tokens_raw();
        exec.call(&|exec, least, best| unsafe { sys::align_head_scratch(exec, &raw, least, best) }, |exec| unsafe {
            run(exec, &raw)
        })
    }

    /// Both passes in one struct, for a step; tokens and other are still to be set.
    pub(crate) fn complete_with(&self, forward: &sys::align_head, backward: &sys::align_head) -> sys::align_head {
        let mut raw = self.raw;
        take_forward(&mut raw, forward);
        take_backward(&mut raw, backward);
        raw
    }

    pub(crate) fn tokens_raw(&self) -> *const sys::align_tokens {
        &self.tokens.raw
    }

    pub(crate) fn other_raw(&self) -> Option<sys::align_head> {
        self.other.map(|head| sys::align_head { tokens: &head.tokens.raw, ..*head.raw })
    }
}

/// What a forward writes.
fn take_forward(raw: &mut sys::align_head, from: &sys::align_head) {
    (raw.logp, raw.count, raw.wsum) = (from.logp, from.count, from.wsum);
    (raw.token_logp, raw.lse, raw.entropy) = (from.token_logp, from.lse, from.entropy);
    (raw.kl, raw.collision, raw.hit, raw.jhidden) = (from.kl, from.collision, from.hit, from.jhidden);
}

/// Gradients that a backward reads and writes, and its flags.
fn take_backward(raw: &mut sys::align_head, from: &sys::align_head) {
    (raw.dlogp, raw.dtoken_logp, raw.dentropy) = (from.dlogp, from.dtoken_logp, from.dentropy);
    (raw.dkl, raw.dlse, raw.dlogits) = (from.dkl, from.dlse, from.dlogits);
    (raw.dhidden, raw.dweight, raw.dbias) = (from.dhidden, from.dweight, from.dbias);
    raw.flags |= from.flags;
}
