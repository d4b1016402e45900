use std::mem::size_of;

use libalign_sys as sys;

use crate::exec::NO_SCRATCH;
use crate::fields::initialised;
use crate::{Error, Exec, Loss, Params, Result, Status, View, ViewMut};

/// What `kto`, `bco`, `bco_pair` and `beta_dpo` take from a batch: update on every micro-batch and worker, merge what
/// workers have, apply, then evaluate the loss.
///
/// ```
/// use libalign::{Exec, Loss, Params, State};
///
/// let kto = Params::new("kto")?.with("beta", 0.1)?;
/// let mut exec = Exec::new();
/// let mut state = State::new(&kto)?;
/// let label = [1.0, 1.0];
/// state.update(&mut exec, &Loss::new(&kto).score(&[-9.0, -14.0]).ref_(&[-10.0, -20.0]).label(&label))?;
/// assert!((state.offset(&mut exec, &kto)? - 0.35).abs() < 1e-12);
/// # Ok::<(), libalign::Error>(())
/// ```
#[derive(Clone)]
pub struct State {
    raw: sys::align_loss_state,
}

impl State {
    /// Bytes of a saved state.
    pub const BYTES: usize = sys::ALIGN_LOSS_STATE_BYTES as usize;

    /// An empty state of the row of these parameters. [`Status::Range`] when it has none.
    pub fn new(params: &Params) -> Result<Self> {
        let mut raw = sys::align_loss_state::default();
        let (id, size) = (params.row().id(), size_of::<sys::align_loss_state>());
        match unsafe { sys::align_loss_state_init(&mut raw, size, id) } {
            sys::ALIGN_E_NONE => {
                raw.beta = params.raw.beta;
                Ok(State { raw })
            }
            code => {
                let text = format!("{} has no state", params.row().name());
                Err(Error::new(Status::from_code(code), "align_loss_state.loss", text))
            }
        }
    }

    /// beta_dpo: how beta follows the margins: 0.6, 0.9 and 0.001.
    pub fn moving(mut self, alpha: f64, momentum: f64, least: f64) -> Self {
        (self.raw.alpha, self.raw.momentum, self.raw.least) = (alpha, momentum, least);
        self
    }

    /// bco: the shift is the mean of all rewards instead of that of the means of the classes.
    pub fn of_all(mut self) -> Self {
        self.raw.form = sys::ALIGN_SHIFT_ALL as i32;
        self
    }

    /// Takes a micro-batch in: what it reads of a loss.
    pub fn update(&mut self, exec: &mut Exec, loss: &Loss) -> Result<()> {
        let (state, args) = (&mut self.raw, loss.complete());
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_loss_state_update(exec, state, &args) })
    }

    /// Adds what another worker has seen.
    pub fn merge(&mut self, exec: &mut Exec, other: &State) -> Result<()> {
        let state = &mut self.raw;
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_loss_state_merge(exec, state, &other.raw) })
    }

    /// The `offset` that every group of this batch is to have. The next update begins a new batch.
    pub fn offset(&mut self, exec: &mut Exec, params: &Params) -> Result<f64> {
        let mut offset = [0.0];
        self.apply(exec, params, Some(&mut offset))?;
        Ok(offset[0])
    }

    /// beta_dpo: the parameters with the `beta` of this batch.
    pub fn beta(&mut self, exec: &mut Exec, params: &Params) -> Result<Params> {
        self.apply(exec, params, None)
    }

    fn apply(&mut self, exec: &mut Exec, params: &Params, offset: Option<&mut [f64; 1]>) -> Result<Params> {
        let mut params = *params;
        let mut raw = initialised!(align_loss_args, align_loss_args_init);
        let zero = [[0.0; 2]];
        let pair = params.row().arity() == crate::Arity::Pair;
        let group = if pair { View::from(&zero) } else { View::from(&zero[0][..1]) };
        (raw.loss, raw.params, raw.score) = (params.row().id(), &mut params.raw, group.raw);
        if params.row().needs().contains(&"label") {
            raw.label = group.raw;
        }
        if let Some(offset) = offset {
            raw.offset = ViewMut::from(offset).raw;
        }
        let state = &mut self.raw;
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_loss_state_apply(exec, state, &raw) })?;
        Ok(params)
    }

    /// The state as bytes that read the same on every machine.
    pub fn to_bytes(&self, exec: &mut Exec) -> Result<[u8; Self::BYTES]> {
        let mut bytes = [0; Self::BYTES];
        let to = bytes.as_mut_ptr().cast();
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_loss_state_save(exec, &self.raw, to, Self::BYTES) })?;
        Ok(bytes)
    }

    /// Goes on from such bytes of a state of the same row.
    pub fn load(&mut self, exec: &mut Exec, bytes: &[u8]) -> Result<()> {
        let (state, data) = (&mut self.raw, bytes.as_ptr().cast());
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_loss_state_load(exec, state, data, bytes.len()) })
    }
}
