"""Numbers that some losses take from a whole batch, or from all batches so far."""
from __future__ import annotations

import ctypes
from ctypes import byref, pointer, sizeof
from typing import Any, Optional, Tuple

import numpy as np

from . import _abi
from ._call import INDEX, MASK, Struct, choice, run
from ._library import lib
from ._loss import params_of
from ._table import row
from ._tensor import Tensor
from .errors import ArgumentError

_MOVING = ("alpha", "momentum", "least")


class LossState:
    """The reference point of kto, the reward shift of bco and bco_pair, the beta of beta_dpo.

    Update on every micro-batch and worker, merge what the workers have, apply, then evaluate the loss with what
    `apply` returned. The first update or merge after an apply begins a new batch (bco: goes on counting).

    Parameters
    ----------
    name : {"kto", "bco", "bco_pair", "beta_dpo"}
    preset, **params
        Parameters of the row, as for `Loss`.
    form : {"classes", "all"}
        bco: delta is the mean of the two class means (arXiv 2404.04656), or of all rewards (TRL).
    alpha, momentum, least : float, optional
        beta_dpo: how beta follows the margins; 0.6, 0.9 and 0.001.

    Examples
    --------
    KTO: z0 from answers to other prompts, then the loss of the batch with it.

    >>> import libalign
    >>> state = LossState("kto", beta=0.1)
    >>> state.update([-9.0, -14.0], ref=[-10.0, -20.0], label=[1.0, 1.0])
    >>> z0 = state.apply()
    >>> round(z0, 6)
    0.35
    >>> r = libalign.loss("kto", [-12.0, -15.5], ref=[-12.5, -14.0], label=[1.0, 0.0], offset=[z0, z0], beta=0.1)
    >>> round(r.value, 6)
    0.475992
    """

    def __init__(self, name: str, *, preset: Optional[str] = None, form: str = "classes", alpha: Optional[float] = None,
                 momentum: Optional[float] = None, least: Optional[float] = None, **params: Any) -> None:
        self.info = info = row(name)
        self._params = params_of(info, preset, params)
        self._state = _abi.align_loss_state()
        if lib.align_loss_state_init(byref(self._state), sizeof(self._state), info.id):
            raise ArgumentError(f"{name} has no state", "name")
        if form != "classes":
            self._state.form = choice("form", form, "ALIGN_SHIFT_CLASSES")
        moving = {key: x for key, x in zip(_MOVING, (alpha, momentum, least)) if x is not None}
        if name == "beta_dpo":
            moving["beta"] = self._params.beta
        elif moving:
            raise ArgumentError(f"{name} does not read {next(iter(moving))}", next(iter(moving)))
        for key, x in moving.items():
            setattr(self._state, key, x)

    def _args(self) -> Struct:
        call = Struct(_abi.align_loss_args)
        call.c.loss, call.c.params = self.info.id, pointer(self._params)
        return call

    def update(self, score: Tensor, *, ref: Optional[Tensor] = None, count: Optional[Tensor] = None,
               index: Optional[Tensor] = None, label: Optional[Tensor] = None, weight: Optional[Tensor] = None,
               mask: Optional[Tensor] = None) -> None:
        """Takes a micro-batch in; the arguments are those of `loss`."""
        call = self._args()
        call.put("score", score)
        for name, x, kind in (("ref", ref, "real"), ("count", count, "real"), ("index", index, INDEX),
                              ("label", label, "real"), ("weight", weight, "real"), ("mask", mask, MASK)):
            call.put(name, x, kind)
        run(lib.align_loss_state_update, self._state, call.c)

    def merge(self, other: "LossState") -> None:
        """Adds what another worker has seen."""
        run(lib.align_loss_state_merge, self._state, other._state)

    def apply(self) -> float:
        """What the loss of this batch is to be given: ``offset`` of every group, or the ``beta`` of beta_dpo."""
        call = self._args()
        groups = (1, 2) if self.info.arity == "pair" else (1,)
        call.put("score", np.zeros(groups))
        if "label" in self.info.needs:
            call.put("label", np.zeros(groups))
        if self.info.name == "beta_dpo":
            params = _abi.align_loss_params.from_buffer_copy(self._params)
            call.c.params = pointer(params)
            run(lib.align_loss_state_apply, self._state, call.c)
            return params.beta
        offset = call.out("offset", 1)
        run(lib.align_loss_state_apply, self._state, call.c)
        return float(offset[0])

    def __bytes__(self) -> bytes:
        """The state, the same bytes on every machine; parameters of the row are not in it."""
        saved = ctypes.create_string_buffer(_abi.ALIGN_LOSS_STATE_BYTES)
        run(lib.align_loss_state_save, self._state, saved, len(saved))
        return saved.raw

    def load(self, saved: bytes) -> "LossState":
        """Goes on from ``bytes(state)`` of a state of the same loss; returns itself."""
        run(lib.align_loss_state_load, self._state, bytes(saved), len(saved))
        return self

    @property
    def count(self) -> Tuple[float, float]:
        """Numbers of each class in the batch, or so far."""
        return tuple(self._state.count)

    def __repr__(self) -> str:
        return f"<libalign.LossState {self.info.name}: count {self.count}>"
