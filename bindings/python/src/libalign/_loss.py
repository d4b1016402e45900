"""Losses: scores of groups in; value, gradients and metrics out."""
from __future__ import annotations

import ctypes
from ctypes import byref, pointer, sizeof
from typing import Any, Dict, Iterable, Optional, Tuple

import numpy as np

from . import _abi
from ._call import INDEX, MASK, REAL, init, local
from ._library import lib
from ._table import LossInfo, row
from ._tensor import ABSENT, Tensor, View, of_array, pack, put, view
from .errors import ArgumentError, RangeError, from_library

# The optional inputs in the order of Loss.__call__: a bit, the offset in align_loss_args, the name, what lists become.
_INPUTS = tuple((1 << i, getattr(_abi.align_loss_args, name).offset, name, kind) for i, (name, kind) in enumerate((
    ("ref", REAL), ("old", REAL), ("count", REAL), ("aux", REAL), ("index", INDEX), ("offsets", INDEX),
    ("label", REAL), ("prob", REAL), ("weight", REAL), ("offset", REAL), ("mask", MASK), ("rank", INDEX))))
_SCORE, _VALUE, _METRICS, _DPARAM, _DAUX = (getattr(_abi.align_loss_args, name).offset for name in (
    "score", "value", "metrics", "dparam", "daux"))
_SHAPING = sum(bit for bit, _, name, _ in _INPUTS if name in ("index", "offsets"))
_LIKE_SCORE = ("dscore", "daux", "hscore", "rank_out")
_ON_REQUEST = ("group_value", "hscore", "rank_out")
_eval = lib.align_loss_eval
# Parameters of some row or other.
_FIELDS = {name for name, _ in _abi.align_loss_params._fields_} - {"size", "loss"}


def _why_not(params: _abi.align_loss_params, name: str) -> str:
    """What the library says when a parameter is set that the row does not read."""
    if name not in _FIELDS:
        return ""
    other, args, mine = _abi.align_loss_params.from_buffer_copy(params), init(_abi.align_loss_args), local
    setattr(other, name, 1)
    args.loss, args.params = params.loss, pointer(other)
    return f": {mine.error.text.decode()}" if _eval(mine.reference, byref(args)) else ""


def params_of(info: LossInfo, preset: Optional[str], given: Dict[str, Any]) -> _abi.align_loss_params:
    """The parameters of a row: its defaults, or those of a preset, with what is given instead."""
    params = _abi.align_loss_params()
    name = None if preset is None else preset.encode()
    if lib.align_loss_params_init(byref(params), sizeof(params), info.id, name):
        raise ArgumentError(f"{info.name} has no preset {preset!r}", "preset")
    known = {param.name: param for param in info.params}
    for name, value in given.items():
        param = known.get(name.rstrip("_"))
        if param is None:
            raise ArgumentError(f"{info.name} has no parameter {name}{_why_not(params, name.rstrip('_'))}; it has "
                                f"{', '.join(known) or 'none'}", name)
        if isinstance(value, str):
            if value not in param.choices:
                raise ArgumentError(f"{name} = {value!r}, expected one of {', '.join(param.choices)}", name)
            value = param.choices.index(value)
        try:
            setattr(params, param.name, value)
        except TypeError:
            raise ArgumentError(f"{name} = {value!r}, expected a number", name) from None
    return params


def _output(name: str, text: str) -> property:
    def get(self: "LossResult") -> np.ndarray:
        try:
            return self._arrays[name]
        except KeyError:
            raise AttributeError(f"{name} was not asked for, or is not written by {self._info.name}") from None
    return property(get, doc=text)


class LossResult:
    """What a loss computed.

    Attributes
    ----------
    value : float
        The loss.
    """

    __slots__ = ("value", "_arrays", "_info")

    def __init__(self, value: float, arrays: Dict[str, np.ndarray], info: LossInfo) -> None:
        self.value = value
        self._arrays = arrays
        self._info = info

    dscore = _output("dscore", "Gradient by score, like score.")
    group_value = _output("group_value", "[G]: the loss of each group before weight, scale and denom.")
    daux = _output("daux", "Gradient by aux, like score.")
    hscore = _output("hscore", "Second derivative by each score, like score.")
    rank_out = _output("rank_out", "Places that pair weights were made from, like score.")

    def __contains__(self, name: str) -> bool:
        """Whether a result of this name was computed."""
        return name == "value" or name in self._arrays

    @property
    def dparam(self) -> Dict[str, float]:
        """Gradients of the parameters that can be learnt; 0 for the others."""
        return dict(zip((param.name for param in self._info.params), _output("dparam", "").fget(self).tolist()))

    @property
    def metrics(self) -> Dict[str, float]:
        """Means over the groups that are live, by name; NaN where there is none. ``losses()`` says what they mean."""
        return {metric.name: total / count if count else float("nan")
                for metric, (total, count) in zip(self._info.metrics, self._arrays["metrics"].tolist())}

    @property
    def metric_sums(self) -> np.ndarray:
        """[n_metrics,2]: sum and count of each metric, to be added up over batches and workers."""
        return self._arrays["metrics"]

    def __repr__(self) -> str:
        return f"<libalign {self._info.name}: value {self.value:.6g}, {', '.join(self._arrays)}>"


class Loss:
    """A loss to be called many times: structs and outputs are made once, for as long as shapes stay.

    Parameters
    ----------
    name : str
        A row of the loss table, see `losses`.
    preset : str, optional
        Start from these parameters instead of the paper's.
    also : iterable of {"group_value", "hscore", "rank_out"}
        Further results to compute.
    gradient : bool
        Whether dscore (and daux, dparam) are computed.
    finite : bool
        Refuse NaN and infinities in scores instead of passing them on.
    **params
        Parameters of the row, by name (with an underscore behind the ones that Python keeps, ``lambda_``); choices
        by their names or numbers.

    Notes
    -----
    The arrays of a result are written again by the next call; copy what has to stay. An object is used by one thread
    at a time; different ones by different threads, since calls run without the GIL.

    Examples
    --------
    >>> f = Loss("dpo", beta=0.5)
    >>> r = f([[-12.0, -15.5], [-30.2, -29.1]], ref=[[-12.5, -14.0], [-30.0, -30.0]])
    >>> round(r.value, 6)
    0.659377
    >>> r.dscore.round(6).tolist()
    [[-0.067235, 0.067235], [-0.158534, 0.158534]]
    """

    def __init__(self, name: str, *, preset: Optional[str] = None, also: Iterable[str] = (), gradient: bool = True,
                 finite: bool = False, **params: Any) -> None:
        self.info = info = row(name)
        self._also = _checked(tuple(also), info)
        self._gradient = gradient
        self._flags = _abi.ALIGN_FLAG_FINITE if finite else 0
        self._params = params_of(info, preset, params)
        self._args = args = init(_abi.align_loss_args)
        args.loss, args.params = info.id, pointer(self._params)
        self._reference = byref(args)
        self._given = 0
        self._long = info.arity == "list"  # may need scratch
        self._key: Any = None
        self._arrays: Dict[str, np.ndarray] = {}
        self._fixed_outputs()

    def _fixed_outputs(self) -> None:
        """Value, metrics and dparam, whose shapes do not depend on a call: one after another in one array."""
        args, metrics, params = self._args, len(self.info.metrics), len(self.info.params)
        numbers = np.empty(1 + 2 * metrics + params)
        address, f64 = view(numbers, "value").address, _abi.ALIGN_F64
        self._value = ctypes.c_double.from_address(address)
        self._arrays["metrics"] = numbers[1:1 + 2 * metrics].reshape(metrics, 2)
        pack(args, _VALUE, address, 1, 0, 0, 1, 0, 0, 1, f64)
        pack(args, _METRICS, address + 8, metrics, 2, 0, 2, 1, 0, 2, f64)
        if self._gradient and "dparam" in self.info.reads:
            self._arrays["dparam"] = numbers[1 + 2 * metrics:]
            pack(args, _DPARAM, address + 8 + 16 * metrics, params, 0, 0, 1, 0, 0, 1, f64)

    def _out(self, name: str, array: np.ndarray) -> None:
        put(self._args, getattr(_abi.align_loss_args, name).offset, view(array, name, write=True), name)
        self._arrays[name] = array

    def _outputs(self, shape: Tuple[int, ...], dtype: int, aux: bool, groups: int) -> None:
        """New results of this shape; earlier results keep theirs."""
        self._arrays = {name: self._arrays[name] for name in ("metrics", "dparam") if name in self._arrays}
        wanted = self._also
        if self._gradient:
            wanted += ("dscore", "daux") if aux and "daux" in self.info.reads else ("dscore",)
        if "daux" not in wanted:
            self._clear(_DAUX)
        real = np.float64 if dtype == _abi.ALIGN_F64 else np.float32
        for name in wanted:
            self._out(name, np.empty(shape if name in _LIKE_SCORE else groups, np.int64 if name == "rank_out" else real))

    def __call__(self, score: Tensor, *, ref: Optional[Tensor] = None, old: Optional[Tensor] = None,
                 count: Optional[Tensor] = None, aux: Optional[Tensor] = None, index: Optional[Tensor] = None,
                 offsets: Optional[Tensor] = None, label: Optional[Tensor] = None, prob: Optional[Tensor] = None,
                 weight: Optional[Tensor] = None, offset: Optional[Tensor] = None, mask: Optional[Tensor] = None,
                 rank: Optional[Tensor] = None, denom: float = 0.0, scale: float = 1.0) -> LossResult:
        """Evaluates the loss; the arguments are those of `loss`."""
        args = self._args
        seen = of_array(score, "score") if type(score) is np.ndarray else view(score, "score")
        put(args, _SCORE, seen, "score")
        held, given = [], 0
        for x, field in zip((ref, old, count, aux, index, offsets, label, prob, weight, offset, mask, rank), _INPUTS):
            if x is not None:
                bit, at, name, kind = field
                borrowed = of_array(x, name) if type(x) is np.ndarray else view(x, name, kind)
                put(args, at, borrowed, name)
                held.append(borrowed)
                given |= bit
        if given != self._given:
            self._forget(self._given & ~given)
            self._given = given
        key = (seen.shape, seen.dtype, given & _SHAPING and _groups(seen, index, offsets), aux is None)
        if key != self._key:
            self._outputs(seen.shape, seen.dtype, aux is not None, _groups(seen, index, offsets))
            self._key = key
        args.denom, args.scale = denom, scale
        mine = local
        mine.exec.flags = self._flags
        memory = self._scratch(mine) if self._long else None
        status = _eval(mine.reference, self._reference)
        if memory is not None:
            mine.exec.scratch, mine.exec.scratch_size = None, 0
        if status:
            raise from_library(mine.error)
        return LossResult(self._value.value, self._arrays, self.info)

    def _forget(self, fields: int) -> None:
        """Takes tensors of an earlier call out of the struct."""
        for bit, at, _, _ in _INPUTS:
            if fields & bit:
                self._clear(at)

    def _clear(self, at: int) -> None:
        ctypes.memmove(ctypes.addressof(self._args) + at, ABSENT, len(ABSENT))

    def _scratch(self, mine: Any) -> Optional[np.ndarray]:
        """Memory that long lists need, put into the exec."""
        least, best = ctypes.c_size_t(), ctypes.c_size_t()
        if lib.align_loss_scratch(mine.reference, self._reference, byref(least), byref(best)):
            raise from_library(mine.error)
        if best.value == 0:
            return None
        memory = np.empty(best.value, np.uint8)
        mine.exec.scratch, mine.exec.scratch_size = memory.ctypes.data, best.value
        return memory

    def __repr__(self) -> str:
        return f"<libalign.Loss {self.info.name}>"


def _checked(also: Tuple[str, ...], info: LossInfo) -> Tuple[str, ...]:
    for name in also:
        if name not in _ON_REQUEST:
            raise ArgumentError(f"also = {name!r}, expected of {', '.join(_ON_REQUEST)}", "also")
    return also


def _groups(score: View, index: Optional[Tensor], offsets: Optional[Tensor]) -> int:
    if index is not None:
        return view(index, "index", INDEX).shape[0]
    if offsets is not None:
        return max(view(offsets, "offsets", INDEX).shape[0] - 1, 0)
    return score.shape[0]


def loss(name: str, score: Tensor, *, ref: Optional[Tensor] = None, old: Optional[Tensor] = None,
         count: Optional[Tensor] = None, aux: Optional[Tensor] = None, index: Optional[Tensor] = None,
         offsets: Optional[Tensor] = None, label: Optional[Tensor] = None, prob: Optional[Tensor] = None,
         weight: Optional[Tensor] = None, offset: Optional[Tensor] = None, mask: Optional[Tensor] = None,
         rank: Optional[Tensor] = None, denom: float = 0.0, scale: float = 1.0, preset: Optional[str] = None,
         also: Iterable[str] = (), gradient: bool = True, finite: bool = False, **params: Any) -> LossResult:
    """A loss over groups of scores: value, gradient and metrics.

    ``value = scale / denom * sum over live groups of weight * L``, and ``dscore`` is its gradient, in f64 and in the
    order of the groups.

    Parameters
    ----------
    name : str
        A row of the loss table, see `losses`; docs/losses.md has formulas and papers.
    score : tensor, [G,K], [G] for singles, or [S] with index or offsets
        Log-probabilities, rewards or values of the items of each group; the chosen one of a pair comes first. Real
        tensors are F32, F64, BF16 or F16.
    ref, old : tensor like score, optional
        Log-probabilities of the reference policy, and of the policy that made the samples.
    count : tensor like score, optional
        Tokens of each sequence, real or I32 or I64.
    aux : tensor like score, optional
        A second number for each item, as the row says.
    index : tensor of I32 or I64, [G,K], optional
        Which of the S scores make each group; negative: absent.
    offsets : tensor of I64, [G+1], optional
        List g holds the scores ``offsets[g]`` to ``offsets[g + 1] - 1``.
    label : tensor like score, optional
        Relevance, target or kind, as the row says.
    prob, weight, offset : tensor, [G], optional
        Probability that the first item is preferred; weight of each group; what is subtracted from its margin.
    mask : tensor of bool, U8 or F32 of 0 and 1, [G] or like score, optional
        Groups or items that are there.
    rank : tensor of integers or reals like score, optional
        Places to make pair weights from, instead of those of the scores.
    denom : float
        0: the number of live groups; 1: a plain sum; else the count over all micro-batches and workers.
    scale : float
        Factor on value and gradients.
    preset, also, gradient, finite, **params
        As for `Loss`.

    Returns
    -------
    LossResult
        With ``value``, ``dscore`` and ``metrics``, and more where asked for.

    Raises
    ------
    AlignError
        With the field, the index and the value that is wrong.

    Examples
    --------
    >>> r = loss("dpo", [[-12.0, -15.5], [-30.2, -29.1]], ref=[[-12.5, -14.0], [-30.0, -30.0]], beta=0.5)
    >>> round(r.value, 6), r.metrics["reward_accuracy"]
    (0.659377, 0.5)
    >>> try:
    ...     loss("dpo", [[-12.0, -15.5]], prob=[1.5])
    ... except RangeError as error:
    ...     print(error.field, error.index, error.value)
    prob 0 1.5
    """
    return Loss(name, preset=preset, also=also, gradient=gradient, finite=finite, **params)(
        score, ref=ref, old=old, count=count, aux=aux, index=index, offsets=offsets, label=label, prob=prob,
        weight=weight, offset=offset, mask=mask, rank=rank, denom=denom, scale=scale)
