"""The loss table, as the library describes it."""
from __future__ import annotations

import functools
from ctypes import byref, sizeof
from typing import NamedTuple, Tuple, Union

from . import _abi
from ._library import lib
from .errors import ArgumentError

_ARITY = {number: name for name, number in _abi.ENUMS["ALIGN_LOSS_LIST"].items()}
_BITS = [(name.partition("_")[2], bit) for name, bit in _abi.ENUMS["ALIGN_LOSS_READS_REF"].items()]


class ParamInfo(NamedTuple):
    """A parameter of a loss: its default, its range (inclusive), and the names of its values where they have some."""
    name: str
    brief: str
    default: Union[float, int, str]
    least: float
    most: float
    choices: Tuple[str, ...]


class MetricInfo(NamedTuple):
    """A number that a loss reports beside its value."""
    name: str
    brief: str


class LossInfo(NamedTuple):
    """A row of the loss table.

    ``needs`` and ``reads`` name the tensors that a call must and may give (``reads`` holds both, and the gradients
    that the row can write).
    """
    name: str
    id: int
    arity: str
    brief: str
    source: str
    formula: str
    gradient: str
    needs: Tuple[str, ...]
    reads: Tuple[str, ...]
    params: Tuple[ParamInfo, ...]
    metrics: Tuple[MetricInfo, ...]


def _sized(kind):
    info = kind()
    info.size = sizeof(kind)
    return info


def _named(bits: int) -> Tuple[str, ...]:
    return tuple(name for name, bit in _BITS if bits & bit)


def _param(loss: int, i: int) -> ParamInfo:
    info = _sized(_abi.align_param_info)
    assert lib.align_loss_get_param(loss, i, byref(info)) == 0
    choices = tuple(info.choices[k].decode() for k in range(info.n_choices))
    default = info.standard if info.dtype == _abi.ALIGN_F64 else int(info.standard)
    return ParamInfo(info.name.decode(), info.brief.decode(), choices[default] if choices else default, info.least,
                     info.most, choices)


def _metric(loss: int, i: int) -> MetricInfo:
    info = _sized(_abi.align_metric_info)
    assert lib.align_loss_get_metric(loss, i, byref(info)) == 0
    return MetricInfo(info.name.decode(), info.brief.decode())


@functools.lru_cache(maxsize=None)
def row(name: str) -> LossInfo:
    """The row of the table with this name."""
    number = lib.align_loss_find(name.encode()) if isinstance(name, str) else 0
    if number == 0:
        raise ArgumentError(f"there is no loss {name!r}; libalign.losses() lists them", "name")
    info = _sized(_abi.align_loss_info)
    assert lib.align_loss_get_info(number, byref(info)) == 0
    return LossInfo(
        name, number, _ARITY[info.arity], *(text.decode() for text in (info.brief, info.source, info.formula, info.gradient)),
        _named(info.needs), _named(info.reads), tuple(_param(number, i) for i in range(info.n_params)),
        tuple(_metric(number, i) for i in range(info.n_metrics)))


def losses() -> Tuple[LossInfo, ...]:
    """The loss table: names, what they read, parameters with defaults and ranges, formulas, sources.

    >>> dpo = next(info for info in losses() if info.name == "dpo")
    >>> dpo.arity, dpo.params[0].name, dpo.params[0].default
    ('pair', 'beta', 0.1)
    >>> "arXiv 2305.18290" in dpo.source
    True
    """
    info = _sized(_abi.align_loss_info)
    names = []
    for number in range(1, lib.align_loss_count() + 1):
        assert lib.align_loss_get_info(number, byref(info)) == 0
        names.append(info.name.decode())
    return tuple(map(row, names))
