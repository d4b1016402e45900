"""How the functions of the package call the library: structs with their defaults, scratch, exceptions."""
from __future__ import annotations

import ctypes
import threading
from ctypes import byref, pointer, sizeof
from typing import Any, Callable, Iterable, Optional

import numpy as np

from . import _abi, errors
from ._library import lib
from ._tensor import MASK, INDEX, REAL, Tensor, View, put, view

__all__ = ["Struct", "choice", "init", "local", "run", "MASK", "INDEX", "REAL"]


def init(kind: Any, library: Any = lib) -> Any:
    """A struct of the library with its documented defaults."""
    struct = kind()
    getattr(library, kind.__name__ + "_init")(byref(struct), sizeof(kind))
    return struct


class _Local(threading.local):
    """Each thread's own align_exec and where errors are told."""

    def __init__(self) -> None:
        self.error = init(_abi.align_error)
        self.exec = init(_abi.align_exec)
        self.exec.error = pointer(self.error)
        self.reference = byref(self.exec)
        # Of _hooks.py: the pool, the function that reduces, and what it raised.
        self.pool: Any = None
        self.reduction: Any = None
        self.raised: Any = None


local = _Local()


class Struct:
    """An argument struct being filled in, and the memory that it borrows."""

    def __init__(self, kind: Any) -> None:
        self.c = init(kind)
        self.kind = kind
        self.held: list = []

    def put(self, field: str, x: Tensor, kind: str = REAL, *, name: str = "", write: bool = False) -> Optional[View]:
        """Sets a tensor field to x, unless x is None."""
        if x is None:
            return None
        seen = view(x, name or field, kind, write)
        put(self.c, getattr(self.kind, field).offset, seen, name or field)
        self.held.append(seen)
        return seen

    def out(self, field: str, shape: Any, dtype: Any = np.float64) -> np.ndarray:
        """Sets a tensor field to a new array, which the call is to write."""
        array = np.empty(shape, dtype)
        self.put(field, array, write=True)
        return array


def run(function: Callable, *arguments: Any, scratch: Optional[Callable] = None, flags: int = 0,
        names: Optional[dict] = None, allowed: Iterable[int] = ()) -> int:
    """Calls function(exec, arguments...) with the scratch it asks for; an exception for a status not in allowed."""
    mine = local
    mine.exec.flags = flags
    memory = None
    if scratch is not None:
        least, best = ctypes.c_size_t(), ctypes.c_size_t()
        if scratch(mine.reference, *arguments, byref(least), byref(best)):
            raise errors.from_library(mine.error, names)
        if best.value:
            memory = np.empty(best.value, np.uint8)
            mine.exec.scratch, mine.exec.scratch_size = memory.ctypes.data, best.value
    try:
        status = function(mine.reference, *arguments)
    finally:
        if memory is not None:
            mine.exec.scratch, mine.exec.scratch_size = None, 0
    if status and status not in allowed:
        raise errors.from_library(mine.error, names) from mine.raised
    return status


def choice(field: str, name: Any, first: str) -> int:
    """The number of a named choice; first is the first constant of its enum."""
    choices = _abi.ENUMS[first]
    if name not in choices:
        raise errors.ArgumentError(f"{field} = {name!r}, expected one of {', '.join(choices)}", field)
    return choices[name]
