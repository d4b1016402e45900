"""Every function of the C interface by its name, with structs of arrays."""
from __future__ import annotations

import ctypes
from typing import Any, Dict, List, Tuple

import numpy as np

from . import _abi
from ._call import INDEX, MASK, REAL, init, run
from ._library import lib
from ._tensor import put, view
from .errors import ArgumentError

# The tensors that calls write; all others are only read.
WRITTEN: Dict[str, Tuple[str, ...]] = {kind: tuple(fields.split()) for kind, fields in {
    "align_advantage_args": "advantage target",
    "align_aspects_args": "score margin",
    "align_bt_args": "strength se covariance draws component part coefficient coefficient_se bias reliability orders bias_se reliability_se",
    "align_bt_elo_args": "rating",
    "align_bt_ranks_args": "rank rank_low rank_high first difference_se",
    "align_claims_args": "reward",
    "align_dense_args": "reward sequence_kl",
    "align_followup_args": "reward",
    "align_head": "logp count wsum token_logp lse entropy kl collision hit jhidden dlogits dhidden dweight dbias",
    "align_loss_args": "value group_value dscore daux dparam hscore rank_out metrics",
    "align_loss_labels": "label",
    "align_norm_args": "out dreward",
    "align_norm_groups_args": "out dreward",
    "align_norm_ring": "value",
    "align_pipeline_args": "shaped sequence_kl reward advantage target",
    "align_popart_args": "weight bias",
    "align_progress_args": "advantage effective",
    "align_renorm_args": "reward",
    "align_reward_args": "coef se covariance center threshold threshold_se",
    "align_reward_calibration_args": "totals bins",
    "align_reward_ensemble_args": "value dreward",
    "align_reward_path_args": "coef loss",
    "align_reward_pool_args": "mean se tau2 q slope",
    "align_reward_query": "reward se",
    "align_reward_slopes_args": "slope variance existence",
    "align_reward_strength_args": "mean deviation flip prob margin",
    "align_token_weights": "weight",
    "align_wpo": "weight",
}.items()}
_INDICES = ("offsets", "index", "target", "first", "second", "item", "end", "chosen", "rejected", "annotator", "place",
            "cluster", "rank", "key", "columns", "list", "row_offsets", "second_columns", "second_row_offsets",
            "group_offsets", "sign", "select", "grade")
_KINDS = {"mask": MASK, "ended": MASK, "truncated": MASK, **dict.fromkeys(_INDICES, INDEX)}


class Args:
    """A struct of the C interface, made by `struct`: its fields as attributes, tensors as the arrays that were given."""

    def __init__(self, kind: Any, c: Any) -> None:
        self.__dict__.update(_kind=kind, _state=c, _given={}, _held=[])

    def __getattr__(self, field: str) -> Any:
        types = dict(self._kind._fields_)
        if field not in types or field.startswith("__"):
            raise AttributeError(f"{self._kind.__name__} has no field {field}")
        kind = types[field]
        if kind is _abi.align_tensor or hasattr(kind, "_type_") and not isinstance(kind._type_, str):
            return self._given.get(field)
        return getattr(self._state, field)

    def __setattr__(self, field: str, x: Any) -> None:
        kind = dict(self._kind._fields_).get(field)
        if kind is None or field == "size":
            raise ArgumentError(f"{self._kind.__name__} has no field {field} to set", field)
        if kind is _abi.align_tensor:
            written = field in WRITTEN.get(self._kind.__name__, ())
            seen = view(x, field, _KINDS.get(field, REAL), written)
            put(self._state, getattr(self._kind, field).offset, seen, field)
            self._held.append(seen)
        else:
            self._plain(field, kind, x)
        self._given[field] = x

    def _plain(self, field: str, kind: Any, x: Any) -> None:
        """A number, a constant by its name, a text, or what a pointer points at: one struct or several of a kind."""
        if isinstance(x, str) and kind is not ctypes.c_char_p:
            x = constant(x, field)
        elif isinstance(x, str):
            x = x.encode()
        elif isinstance(x, (list, tuple)) and hasattr(kind, "contents"):
            target = kind._type_
            array = (target * len(x))(*(getattr(one, "_state", one) for one in x))
            if hasattr(self._kind, "n_" + field):
                setattr(self._state, "n_" + field, len(x))
            self._held.extend([x, array])
            x = ctypes.cast(array, kind)
        elif hasattr(x, "_state"):
            self._held.append(x)
            x = ctypes.pointer(x._state)
        elif isinstance(x, (list, tuple)) and hasattr(kind, "_length_"):
            x = kind(*(constant(one, field) if isinstance(one, str) else one for one in x))
        try:
            setattr(self._state, field, x)
        except TypeError:
            raise ArgumentError(f"{field} = {x!r} is not what {self._kind.__name__} takes there", field) from None

    def __repr__(self) -> str:
        return f"<libalign {self._kind.__name__}: {', '.join(self._given)}>"


def constant(name: str, field: str) -> int:
    """A constant of the headers, with or without ALIGN_ before it."""
    full = name if name.startswith("ALIGN_") else "ALIGN_" + name
    number = getattr(_abi, full, None)
    if not isinstance(number, int):
        raise ArgumentError(f"{field} = {name!r} is no constant of libalign's headers", field)
    return number


def struct(name: str, *start: Any, **fields: Any) -> Args:
    """A struct of the C interface with its documented defaults and these fields.

    Parameters
    ----------
    name : str
        Its name in the headers without ``align_``.
    *start
        What its ``_init`` function takes beyond struct and size, such as the kind of ``norm_params``.
    **fields
        Tensors, numbers, constants of the headers by name, other structs, or lists of structs, whose ``n_`` is set.

    Examples
    --------
    >>> struct("kl_controller", target=6.0).target
    6.0
    """
    kind = getattr(_abi, "align_" + name, None)
    if kind is None or not hasattr(kind, "_fields_"):
        raise ArgumentError(f"there is no struct align_{name}", "name")
    maker = kind.__name__ + "_init"
    if start:
        types = _abi.FUNCTIONS[maker][1:]
        sized = types[1] is ctypes.c_size_t and kind not in (_abi.align_bt_counts, _abi.align_bt_ballots)
        args = Args(kind, kind())
        args._held.append(start)
        status = getattr(lib, maker)(args._state, *([ctypes.sizeof(kind)] if sized else []),
                                     *map(_argument, start, types[2 if sized else 1:]))
        if status:
            raise ArgumentError(f"{maker} refused {', '.join(map(repr, start))}", "start")
    elif len(_abi.FUNCTIONS.get(maker, ())) == 3:
        args = Args(kind, init(kind))
    else:
        args = Args(kind, kind())
        args._state.size = ctypes.sizeof(kind)
    for field, x in fields.items():
        if x is not None:
            setattr(args, field, x)
    return args


def _argument(x: Any, kind: Any) -> Any:
    """What ctypes takes for an argument of this type."""
    if kind is ctypes.c_void_p and isinstance(x, np.ndarray):
        return view(x, "memory", write=True).address
    if isinstance(x, str):
        return x.encode() if kind is ctypes.c_char_p else constant(x, "argument")
    return getattr(x, "_state", x)


def _scratch_of(name: str, types: List[Any]) -> Any:
    """The function that says how much scratch a call wants, if it has one."""
    for stem in (name, name.rpartition("_")[0]):
        found = _abi.FUNCTIONS.get(stem + "_scratch")
        if found and list(found[1:-2]) == types:
            return getattr(lib, stem + "_scratch")
    return None


def call(name: str, *arguments: Any, **fields: Any) -> Any:
    """Any function of the C interface that has no function of its own in this package.

    Parameters
    ----------
    name : str
        Its name in the headers without ``align_``.
    *arguments
        Its arguments between exec and the last struct: structs made by `struct`, objects of this package such as
        `Norm`, arrays where it takes memory, numbers.
    **fields
        The fields of its last argument, as for `struct`. Arrays under fields that the header calls outputs are
        written.

    Returns
    -------
    The last struct, whose fields are what the call wrote; without ``fields`` the number that the function returns

    Raises
    ------
    AlignError
        Of the kind that the status says, with field, index and value.

    Examples
    --------
    The least of three reward models for each of two answers, and places with intervals:

    >>> value = np.empty(2)
    >>> r = call("reward_ensemble_eval", kind="REWARD_ENSEMBLE_WORST", reward=[[1.0, 5.0], [2.0, 4.0], [3.0, 3.0]],
    ...          value=value)
    >>> value.tolist()
    [1.0, 3.0]
    >>> r = call("bt_ranks_eval", strength=[2.0, 0.0], covariance=[[0.1, 0.0], [0.0, 0.1]], seed=1,
    ...          rank=np.empty(2, np.int64), rank_high=np.empty(2, np.int64))
    >>> r.rank.tolist(), r.rank_high.tolist(), r.used
    ([1, 2], [1, 2], 10000)
    """
    prototype = _abi.FUNCTIONS.get("align_" + name)
    if prototype is None:
        raise ArgumentError(f"there is no function align_{name}", "name")
    function, types = getattr(lib, "align_" + name), list(prototype[1:])
    with_exec = bool(types) and types[0] is ctypes.POINTER(_abi.align_exec)
    own = types[1:] if with_exec else types
    last = None
    if fields:
        last = struct(own[-1]._type_.__name__[len("align_"):], **fields)
        arguments += (last,)
    if len(arguments) != len(own):
        raise ArgumentError(f"align_{name} takes {len(own)} arguments, {len(arguments)} given", "arguments")
    passed = [_argument(x, kind) for x, kind in zip(arguments, own)]
    if with_exec:
        status = run(function, *passed, scratch=_scratch_of("align_" + name, types))
    else:
        status = function(*passed)
        status = status.decode() if isinstance(status, bytes) else status
    return status if last is None else last


def functions() -> Tuple[str, ...]:
    """What `call` reaches: the functions of libalign's headers, without ``align_``.

    >>> "step_run" in functions()
    True
    """
    return tuple(name[len("align_"):] for name in _abi.FUNCTIONS)
