"""How calls of a thread of Python are run: on a pool of libalign-threads, whose work is native code without the GIL, and
with a function of Python that adds up over processes."""
from __future__ import annotations

import ctypes
import os
import threading
import weakref
from typing import Any, Callable, Optional

import numpy as np

from . import _abi
from ._call import init, local
from ._library import load
from .errors import from_library

_lock = threading.Lock()
_library: Any = None
_pools: Any = weakref.WeakValueDictionary()


def _load() -> Any:
    global _library
    if _library is None:
        _library = load("libalign-threads.so", os.path.join("lib", "threads"), _abi.POOL_FUNCTIONS)
    return _library


class _Pool:
    """A pool of C, as long as a thread uses it. Of a process that was forked from its own it is left alone."""

    def __init__(self, workers: int) -> None:
        self.native = _load()
        self.pool = ctypes.POINTER(_abi.align_pool)()
        args = init(_abi.align_pool_args, self.native)
        args.workers = workers
        self.process = os.getpid()
        if self.native.align_pool_create(ctypes.byref(self.pool), ctypes.byref(args), ctypes.byref(local.error)):
            raise from_library(local.error)
        self.workers = self.native.align_pool_workers(self.pool)
        self.run = ctypes.cast(self.native.align_pool_run, _abi.align_parallel_fn)

    def __del__(self) -> None:
        if self.pool and self.process == os.getpid():
            self.native.align_pool_destroy(self.pool)


def _pool(workers: int) -> _Pool:
    """The pool of this process with so many workers; threads share it."""
    with _lock:
        key = (os.getpid(), workers)
        pool = _pools.get(key)
        if pool is None:
            pool = _pools[key] = _Pool(workers)
        return pool


def _use(pool: Any) -> None:
    """Gives the calls of this thread a pool, or takes it away."""
    local.pool, run = pool, local.exec
    run.workers = 0 if pool is None else pool.workers
    run.parallel = _abi.align_parallel_fn() if pool is None else pool.run
    run.parallel_user = None if pool is None else ctypes.cast(pool.pool, ctypes.c_void_p)


class threads:
    """From here on, calls of this thread of Python spread their work over a pool of libalign-threads.

    Results have the same bits with any number. Give a BLAS one thread then (``OPENBLAS_NUM_THREADS=1``). A child after
    ``os.fork`` is serial until it asks for a pool of its own.

    Parameters
    ----------
    workers : int
        Tasks that run at once, the calling thread included, up to 1024: 1 is serial again, 0 as many as there are CPUs.

    Attributes
    ----------
    workers : int
        How many there are.

    Examples
    --------
    >>> import libalign
    >>> with threads(2):                    # or without `with`, for good
    ...     r = libalign.loss("dpo", [[-12.0, -15.5]], ref=[[-12.5, -14.0]])
    """

    def __init__(self, workers: int = 0) -> None:
        self._before = local.pool
        pool = None if workers == 1 else _pool(workers)
        _use(pool)
        self.workers = 1 if pool is None else pool.workers

    def __enter__(self) -> "threads":
        return self

    def __exit__(self, *exception: Any) -> None:
        _use(self._before)
        self._before = None

    def __repr__(self) -> str:
        return f"<libalign.threads: {self.workers} workers>"


_OPS = {_abi.ALIGN_REDUCE_SUM: "sum", _abi.ALIGN_REDUCE_MAX: "max"}
_NUMBERS = {_abi.ALIGN_F64: ctypes.c_double, _abi.ALIGN_I64: ctypes.c_int64}


class all_reduce:
    """From here on, calls of this thread of Python reduce over processes that share a vocabulary by this function.

    Parameters
    ----------
    function : callable, or None for one process
        ``function(array, op)`` replaces ``array``, F64 or I64, by its reduction over all processes: ``op`` is ``"sum"``
        or ``"max"``. Called on this thread, in the same order in all processes. What it raises ends the call with
        `libalign.errors.CommError`, whose ``__cause__`` it is.

    Examples
    --------
    One process alone, which has the whole vocabulary of two:

    >>> import libalign
    >>> with all_reduce(lambda array, op: None):
    ...     h = libalign.call("head_forward", logits=[[0.0, 0.0]], vocab_begin=0, vocab_total=2,
    ...                       tokens=libalign.struct("tokens", target=[1]), logp=np.empty(1))
    >>> h.logp.round(6).tolist()
    [-0.693147]
    """

    def __init__(self, function: Optional[Callable[[np.ndarray, str], Any]]) -> None:
        self._before = local.reduction
        _reduce_by(None if function is None else _hook(function))

    def __enter__(self) -> "all_reduce":
        return self

    def __exit__(self, *exception: Any) -> None:
        _reduce_by(self._before)


def _hook(function: Callable[[np.ndarray, str], Any]) -> Any:
    def hook(_user: Any, buffer: int, count: int, dtype: int, op: int) -> int:
        try:
            function(np.ctypeslib.as_array((_NUMBERS[dtype] * count).from_address(buffer)), _OPS[op])
            return 0
        except BaseException as error:  # it must not cross the library: run() raises it again
            local.raised = error
            return 1
    return _abi.align_allreduce_fn(hook)


def _reduce_by(hook: Any) -> None:
    local.reduction, local.raised = hook, None
    local.exec.allreduce = _abi.align_allreduce_fn() if hook is None else hook


os.register_at_fork(after_in_child=lambda: _use(None))
