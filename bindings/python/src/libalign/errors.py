"""What goes wrong, as exceptions that carry the field, the index and the value."""
from __future__ import annotations

import enum
from typing import Optional, Tuple, Union

from . import _abi

Status = enum.IntEnum("Status", {name.upper(): code for name, code in _abi.ENUMS["ALIGN_E_NONE"].items()}, module=__name__)
Status.__doc__ = "What a call of the library returned: the codes of libalign/base.h."

Index = Union[None, int, Tuple[int, ...]]


class AlignError(Exception):
    """A call that failed. Outputs are as they were before it.

    Attributes
    ----------
    status : Status
        The code of the library.
    field : str
        The argument that is wrong, by its keyword; of what is inside of one, with a dot.
    index : int, tuple of int or None
        Where in it, such that ``array[error.index]`` is what stands there; None: the whole argument.
    value : float
        What stood there, when it was a number; else 0.
    """

    status: Status = Status.ARG

    def __init__(self, text: str, field: str = "", index: Index = None, value: float = 0.0) -> None:
        super().__init__(text)
        self.field = field
        self.index = index
        self.value = value


class ArgumentError(AlignError, ValueError):
    """An argument is missing, contradicts another, or is not read by this call."""


class ShapeError(AlignError, ValueError):
    """Number of dimensions, or a size."""

    status = Status.SHAPE


class DtypeError(AlignError, TypeError):
    """Element type not accepted in this place."""

    status = Status.DTYPE


class LayoutError(AlignError, ValueError):
    """Stride, alignment, memory that is read-only or not the host's, or outputs that share elements with others."""

    status = Status.LAYOUT


class RangeError(AlignError, ValueError):
    """A number outside its range: parameter, index, label, mask, NaN."""

    status = Status.RANGE


class ScratchError(AlignError, MemoryError):
    """Memory for intermediate results is missing."""

    status = Status.SCRATCH


class VersionError(AlignError, RuntimeError):
    """Bytes of another format, or a library that does not know this package's structs."""

    status = Status.VERSION


class ParallelError(AlignError, RuntimeError):
    """The pool did not run every task."""

    status = Status.PARALLEL


class CommError(AlignError, RuntimeError):
    """Workers could not be reached."""

    status = Status.COMM


class NotConverged(AlignError, ArithmeticError):
    """A fit stopped before its tolerance; the best answer was written."""

    status = Status.NOT_CONVERGED


class NoSolution(AlignError, ArithmeticError):
    """No finite answer exists."""

    status = Status.NO_SOLUTION


class Cancelled(AlignError, RuntimeError):
    """Asked to stop."""

    status = Status.CANCELLED


BY_STATUS = {kind.status: kind for kind in (
    ArgumentError, ShapeError, DtypeError, LayoutError, RangeError, ScratchError, VersionError, ParallelError,
    CommError, NotConverged, NoSolution, Cancelled)}


def from_library(error: _abi.align_error, names: Optional[dict] = None) -> AlignError:
    """The exception that says what a struct align_error does; names turns fields of C into keywords."""
    field = error.field.decode().partition(".")[2] or error.field.decode()
    index = tuple(error.index[:error.axes])
    return BY_STATUS[Status(error.status)](
        error.text.decode(), (names or {}).get(field, field), index[0] if len(index) == 1 else index or None, error.value)
