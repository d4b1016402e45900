"""Reward normalisation: running, over a batch, over groups."""
from __future__ import annotations

import ctypes
from ctypes import byref, pointer, sizeof
from typing import Any, Dict, NamedTuple, Optional, Tuple

import numpy as np

from . import _abi
from ._call import INDEX, MASK, Struct, choice, run
from ._library import lib
from ._tensor import Tensor
from .errors import ArgumentError

_ENUMS = {"eps_form": "ALIGN_NORM_EPS_ADD", "nan": "ALIGN_NORM_NAN_KEEP", "few": "ALIGN_NORM_AS_ZERO",
          "equal": "ALIGN_NORM_AS_ZERO"}
_PARAMS = [name for name, _ in _abi.align_norm_params._fields_ if name not in ("size", "kind", "reserved")]


def params_of(kind: str, given: Dict[str, Any]) -> _abi.align_norm_params:
    """The defaults of a kind with what is given instead."""
    params = _abi.align_norm_params()
    lib.align_norm_params_init(byref(params), sizeof(params), choice("kind", kind, "ALIGN_NORM_ZSCORE"))
    for name, value in given.items():
        if name not in _PARAMS:
            raise ArgumentError(f"a normaliser has no parameter {name}; it has {', '.join(_PARAMS)}", name)
        if name in _ENUMS:
            value = choice(name, value, _ENUMS[name])
        try:
            setattr(params, name, value)
        except TypeError:
            raise ArgumentError(f"{name} = {value!r}, expected a number", name) from None
    return params


class Moments(NamedTuple):
    """What a normaliser has seen: the variance with its ddof."""
    count: int
    skipped: int
    weight: float
    mean: float
    variance: float
    deviation: float
    least: float
    most: float


class Norm:
    """A running normaliser of rewards, on exact sums: any order of updates and merges gives the same bits.

    ``y = clip(gain * (x - center) / D + bias)``

    Parameters
    ----------
    kind : {"zscore", "center", "scale", "minmax", "rescale"}
        What center and D are: libalign/norm.h.
    **params
        ``eps``, ``eps_form`` (add, sqrt, max, max_sqrt), ``ddof``, ``clip_low``, ``clip_high``, ``gain``, ``bias``,
        ``nan`` (keep, zero, refuse), ``few`` and ``equal`` (zero, keep, center, half, nan, formula, refuse, unit), and
        ``rate`` for one that forgets.

    Examples
    --------
    >>> n, other = Norm(), Norm(ddof=1)
    >>> n.update([1.0, 2.0])
    >>> other.update([3.0, 4.0])
    >>> n.merge(other)
    >>> n.mean, n.count
    (2.5, 4)
    >>> n.apply([2.5, 4.0]).round(3).tolist()
    [0.0, 1.162]
    >>> Norm.from_bytes(bytes(n)) == n
    True
    """

    def __init__(self, kind: str = "zscore", **params: Any) -> None:
        self._state = _abi.align_norm()
        wanted = params_of(kind, params)
        if lib.align_norm_init(byref(self._state), sizeof(self._state), byref(wanted)):
            probe = Struct(_abi.align_norm_args)
            probe.put("reward", np.zeros(1))
            probe.out("out", 1)
            probe.c.params = pointer(wanted)
            run(lib.align_norm_apply, None, probe.c, scratch=lib.align_norm_scratch)
            raise ArgumentError(f"a running normaliser cannot be of kind {kind!r}", "kind")

    def update(self, reward: Tensor, *, mask: Optional[Tensor] = None) -> None:
        """Takes rewards in.

        Parameters
        ----------
        reward : tensor of reals, any of 1 to 3 dimensions
        mask : tensor of bool, U8 or F32 weights, like reward, optional
            0: not taken.
        """
        call = Struct(_abi.align_norm_args)
        call.put("reward", reward)
        call.put("mask", mask, MASK)
        run(lib.align_norm_update, self._state, call.c)

    def merge(self, other: "Norm") -> None:
        """Adds what another normaliser with the same parameters has seen."""
        run(lib.align_norm_merge, self._state, other._state)

    def apply(self, reward: Tensor, *, mask: Optional[Tensor] = None, out: Optional[Tensor] = None) -> Any:
        """Normalised rewards, with the statistics so far.

        Parameters
        ----------
        reward, mask
            As for `update`; a masked reward becomes 0.
        out : tensor like reward, optional
            Where to write; may be reward itself. Absent: a new array, F64 where rewards are, else F32.
        """
        return _apply(self._state, None, reward, mask, None, out)

    def backward(self, dout: Tensor, reward: Tensor, *, mask: Optional[Tensor] = None) -> np.ndarray:
        """The gradient of rewards from that of what `apply` gave; statistics are constants."""
        return _pull(self._state, None, dout, reward, mask, None)

    @property
    def moments(self) -> Moments:
        """Count, weight, mean, variance, deviation and extremes."""
        call = _abi.align_norm_moments()
        call.size = sizeof(call)
        run(lib.align_norm_get, self._state, call)
        return Moments(*(getattr(call, name) for name in Moments._fields))

    @property
    def count(self) -> int:
        """How many rewards were taken in."""
        return self._state.count

    @property
    def mean(self) -> float:
        return self.moments.mean

    @property
    def deviation(self) -> float:
        return self.moments.deviation

    def __bytes__(self) -> bytes:
        """The state, the same bytes on every machine."""
        saved = ctypes.create_string_buffer(_abi.ALIGN_NORM_BYTES)
        run(lib.align_norm_save, self._state, saved, len(saved))
        return saved.raw

    @classmethod
    def from_bytes(cls, saved: bytes) -> "Norm":
        """A normaliser from ``bytes(norm)``."""
        norm = cls()
        run(lib.align_norm_load, norm._state, sizeof(norm._state), bytes(saved), len(saved))
        return norm

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Norm) and bytes(self) == bytes(other)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> Tuple[Any, Tuple[bytes]]:
        return Norm.from_bytes, (bytes(self),)

    def __repr__(self) -> str:
        moments = self.moments
        return f"<libalign.Norm of {moments.count}: mean {moments.mean:.6g}, deviation {moments.deviation:.6g}>"


def _call(params: Optional[_abi.align_norm_params], reward: Tensor, mask: Optional[Tensor],
          reference: Optional[Tensor]) -> Tuple[Struct, Tuple[int, ...], Any]:
    call = Struct(_abi.align_norm_args)
    if params is not None:
        call.c.params = pointer(params)
    seen = call.put("reward", reward)
    call.put("mask", mask, MASK)
    call.put("reference", reference)
    return call, seen.shape, np.float64 if seen.dtype == _abi.ALIGN_F64 else np.float32


def _apply(state: Any, params: Any, reward: Tensor, mask: Any, reference: Any, out: Any) -> Any:
    call, shape, dtype = _call(params, reward, mask, reference)
    if out is None:
        out = call.out("out", shape, dtype)
    else:
        call.put("out", out, write=True)
    run(lib.align_norm_apply, state, call.c, scratch=lib.align_norm_scratch)
    return out


def _pull(state: Any, params: Any, dout: Tensor, reward: Tensor, mask: Any, reference: Any) -> np.ndarray:
    call, shape, dtype = _call(params, reward, mask, reference)
    call.put("dout", dout)
    dreward = call.out("dreward", shape, dtype)
    run(lib.align_norm_apply, state, call.c, scratch=lib.align_norm_scratch)
    return dreward


def norm_apply(reward: Tensor, kind: str = "zscore", *, mask: Optional[Tensor] = None,
               reference: Optional[Tensor] = None, out: Optional[Tensor] = None, **params: Any) -> Any:
    """Rewards normalised over themselves, as one batch.

    Parameters
    ----------
    reward : tensor of reals, any of 1 to 3 dimensions
    kind : str
        Any kind of libalign/norm.h that is not for groups alone.
    mask, reference, out : tensor, optional
        As libalign/norm.h says.
    **params
        As for `Norm`.

    Examples
    --------
    >>> norm_apply([1.0, 2.0, 4.0], "rank_center").tolist()
    [-0.5, 0.0, 0.5]
    """
    return _apply(None, params_of(kind, params), reward, mask, reference, out)


def norm_groups(reward: Tensor, kind: str = "zscore", *, preset: Optional[Tuple[str, str]] = None,
                offsets: Optional[Tensor] = None, mask: Optional[Tensor] = None, weight: Optional[Tensor] = None,
                length: Optional[Tensor] = None, reference: Optional[Tensor] = None, **params: Any) -> np.ndarray:
    """Rewards normalised within their groups: GRPO, RLOO and their relatives.

    Parameters
    ----------
    reward : tensor of reals, [G,K], or [S] with offsets; with C reward models one more axis of C
    kind : str
        Any kind of libalign/norm.h but affine, quantile and rescale.
    preset : (trainer, estimator), optional
        What a trainer does under a name, instead of kind and params: ``("trl", "grpo")``, ``("verl", "rloo")``; the
        list is in libalign/norm.h.
    offsets : tensor of I64, [G+1], optional
    mask, weight, length, reference : tensor, optional
        As libalign/norm.h says.
    **params
        As for `Norm`.

    Returns
    -------
    ndarray like mask, F64 where rewards are, else F32

    Examples
    --------
    >>> norm_groups([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]]).round(6).tolist()
    [[-1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    >>> norm_groups([[1.0, 2.0, 3.0]], preset=("trl", "rloo")).tolist()
    [[-1.5, 0.0, 1.5]]
    """
    call = Struct(_abi.align_norm_groups_args)
    then = None
    if preset is None:
        group = params_of(kind, params)
    else:
        if params or kind != "zscore":
            raise ArgumentError("kind and params are not read with a preset", "preset")
        group, then, call.c.flags = _preset(*preset)
    call.c.params = pointer(group)
    if then is not None:
        call.c.then = pointer(then)
    seen = call.put("reward", reward)
    bounds = call.put("offsets", offsets, INDEX)
    for name, x, what in (("mask", mask, MASK), ("weight", weight, "real"), ("length", length, "real"),
                          ("reference", reference, "real")):
        call.put(name, x, what)
    shape = seen.shape[:2 if bounds is None else 1]
    out = call.out("out", shape, np.float64 if seen.dtype == _abi.ALIGN_F64 else np.float32)
    run(lib.align_norm_groups, call.c, scratch=lib.align_norm_groups_scratch)
    return out


def _preset(trainer: str, estimator: str) -> Tuple[Any, Any, int]:
    group, then, flags = _abi.align_norm_params(), _abi.align_norm_params(), ctypes.c_uint32()
    group.size = then.size = sizeof(group)
    if lib.align_norm_preset_get(trainer.encode(), estimator.encode(), byref(group), byref(then), byref(flags)):
        raise ArgumentError(f"{trainer!r} has no estimator {estimator!r}", "preset")
    return group, then if then.kind else None, flags.value
