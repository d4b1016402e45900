"""Returns and advantages of tokens."""
from __future__ import annotations

from typing import NamedTuple, Optional

import numpy as np

from . import _abi
from ._call import INDEX, MASK, Struct, choice, run
from ._library import lib
from ._tensor import Tensor


class Advantage(NamedTuple):
    """Advantages, and what a value head learns: advantage + value."""
    advantage: np.ndarray
    target: np.ndarray


def gae(reward: Tensor, value: Optional[Tensor], *, kind: str = "gae", gamma: float = 1.0,
        lambda_: Optional[float] = None, n: int = 0, mask: Optional[Tensor] = None, offsets: Optional[Tensor] = None,
        truncated: Optional[Tensor] = None, bootstrap: Optional[Tensor] = None) -> Advantage:
    """Generalised advantage estimation (arXiv 1506.02438, eq. 16), discounted returns, or n-step returns.

    Parameters
    ----------
    reward, value : tensor of reals, [B,T], or [N] with offsets
        Reward and value of each token; value may be None for returns.
    kind : {"gae", "return", "n_step"}
    gamma : float
        Discount, 0..1.
    lambda_ : float
        gae: 0..1; 0.95 when absent.
    n : int
        n_step: 1 or more.
    mask : tensor of bool, U8 or F32 of 0 and 1, like reward, optional
        Tokens of the policy; others are skipped.
    offsets : tensor of I64, [B+1], optional
    truncated : tensor of bool, U8 or F32, [B], optional
        Sequences that were cut off, whose last value is ``bootstrap``.
    bootstrap : tensor of reals, [B], optional

    Examples
    --------
    >>> gae([[0.0, 0.0, 1.0]], [[0.5, 0.5, 0.5]], lambda_=1.0).advantage.tolist()
    [[0.5, 0.5, 0.5]]
    """
    call = Struct(_abi.align_advantage_args)
    call.c.kind = choice("kind", kind, "ALIGN_ADVANTAGE_GAE")
    call.c.gamma, call.c.n = gamma, n
    setattr(call.c, "lambda", lambda_ if lambda_ is not None else 0.95 if kind == "gae" else 0.0)
    seen = call.put("reward", reward)
    call.put("value", value)
    call.put("mask", mask, MASK)
    call.put("offsets", offsets, INDEX)
    call.put("truncated", truncated, MASK)
    call.put("bootstrap", bootstrap)
    real = np.float64 if seen.dtype == _abi.ALIGN_F64 else np.float32
    result = Advantage(call.out("advantage", seen.shape, real), call.out("target", seen.shape, real))
    run(lib.align_advantage_eval, call.c, names={"lambda": "lambda_"})
    return result
