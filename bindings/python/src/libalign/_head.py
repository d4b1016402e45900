"""Heads: from logits, or hidden states and the output matrix, to log-probabilities, and back."""
from __future__ import annotations

from ctypes import pointer
from typing import Any, Iterable, NamedTuple, Optional, Tuple, Union

import numpy as np

from . import _abi
from ._call import INDEX, MASK, Struct, run
from ._library import lib
from ._tensor import Tensor, View
from .errors import ArgumentError

_TOKEN_OUTPUTS = {"entropy": np.float64, "collision": np.float64, "hit": np.bool_}
_ADD = {"dlogits": _abi.ALIGN_HEAD_ADD_DLOGITS, "dhidden": _abi.ALIGN_HEAD_ADD_DHIDDEN,
        "dweight": _abi.ALIGN_HEAD_ADD_DWEIGHT, "dbias": _abi.ALIGN_HEAD_ADD_DBIAS}
_SOURCE = {"dlogits": "logits", "dhidden": "hidden", "dweight": "weight", "dbias": "bias"}


class LinearGradient(NamedTuple):
    """Gradients of a linear head without bias; None for what was not asked for."""
    dhidden: Any
    dweight: Any


class LinearBiasGradient(NamedTuple):
    """Gradients of a linear head with bias; None for what was not asked for."""
    dhidden: Any
    dweight: Any
    dbias: Any


class Head:
    """What the forward of a head computed, and its backward. Made by `head`.

    Attributes
    ----------
    logp : ndarray of F64, [S]
        Sum over the counted rows of a sequence of weight times token_logp.
    count : ndarray of I64, [S]
        How many rows count.
    token_logp, lse : ndarray of F64, like target
        Log-probability of each target, and the logarithm of the sum of exponentials of each row.
    wsum, entropy, collision, hit : ndarray
        Where ``also`` asks for them: [S] sum of the weights; and like target: -sum p log p, log sum p^2, and whether
        the target has the largest logit.
    kl : ndarray of F64, like target
        With ``other``: KL(other||this), or with ``kl_reverse`` KL(this||other).
    """

    def __init__(self, call: Struct, tokens: Struct, parts: dict, other: Optional[Struct], flags: int) -> None:
        self._call, self._tokens, self._parts, self._other, self._flags = call, tokens, parts, other, flags
        self._spoilt = False

    def backward(self, dlogp: Optional[Tensor] = None, *, dtoken_logp: Optional[Tensor] = None,
                 dentropy: Optional[Tensor] = None, dkl: Optional[Tensor] = None, dlse: Optional[Tensor] = None,
                 dlogits: Union[None, Tensor] = None, dhidden: Union[None, bool, Tensor] = None,
                 dweight: Union[None, bool, Tensor] = None, dbias: Union[None, bool, Tensor] = None,
                 add: Iterable[str] = ()) -> Any:
        """Pulls gradients back to logits, or to hidden states, the output matrix and the bias.

        Parameters
        ----------
        dlogp : tensor, [S], F32 or F64
            Gradient by logp, such as the dscore of a loss.
        dtoken_logp, dentropy, dkl, dlse : tensor like target, F32 or F64
            Gradients by the results of the same names; at least one of the five.
        dlogits, dhidden, dweight, dbias : tensor, optional
            Where to write; may be logits itself for dlogits, after which this head has no logits left. Absent: a
            new array, F64 where its source is, else F32. False: not computed.
        add : iterable of str
            Which of the given arrays are added to instead of written.

        Returns
        -------
        dlogits, or (dhidden, dweight), or with a bias (dhidden, dweight, dbias)

        Examples
        --------
        >>> h = head(logits=np.zeros((3, 4)), target=[0, 1, 3])
        >>> h.backward(dlogp=[1.0]).tolist()[0]
        [0.75, -0.25, -0.25, -0.25]
        """
        given = {"dlogits": dlogits, "dhidden": dhidden, "dweight": dweight, "dbias": dbias}
        if self._spoilt:
            raise ArgumentError("logits were overwritten by their gradient; make the head again", "logits")
        self._refuse(given, add)
        results, flags = {}, self._flags
        call = Struct(_abi.align_head)
        call.c = type(self._call.c).from_buffer_copy(self._call.c)
        for name, x in (("dtoken_logp", dtoken_logp), ("dentropy", dentropy), ("dkl", dkl), ("dlse", dlse),
                        ("dlogp", dlogp)):
            call.put(name, x)
        for name, source in self._gradients():
            results[name] = self._output(call, name, source, given[name])
            if name in add:
                flags |= _ADD[name]
        call.c.flags = flags
        run(lib.align_head_backward, call.c, scratch=lib.align_head_scratch)
        self._spoilt = call.c.dlogits.data is not None and call.c.dlogits.data == call.c.logits.data
        return self._answer(results)

    def _gradients(self) -> Tuple[Tuple[str, View], ...]:
        """The gradients that this head can write, with what they are of."""
        return tuple((name, self._parts[source]) for name, source in _SOURCE.items()
                     if source in self._parts and not (name in ("dweight", "dbias") and "jhidden" in self._parts))

    def _refuse(self, given: dict, add: Iterable[str]) -> None:
        """What this head has no gradient for, and what cannot be added to."""
        can = [name for name, _ in self._gradients()]
        for name, x in given.items():
            if x is not None and x is not False and name not in can:
                raise ArgumentError(f"{name} is no gradient of this head; it has {', '.join(can)}", name)
        for name in add:
            if given.get(name) is None or isinstance(given[name], bool):
                raise ArgumentError(f"add names {name}, which is not given", name)

    def _output(self, call: Struct, name: str, source: View, x: Any) -> Any:
        if x is False:
            return None
        if x is None or x is True:
            return call.out(name, source.shape, np.float64 if source.dtype == _abi.ALIGN_F64 else np.float32)
        call.put(name, x, write=True)
        return x

    def _answer(self, results: dict) -> Any:
        if "dlogits" in results:
            return results["dlogits"]
        kind = LinearBiasGradient if "bias" in self._parts else LinearGradient
        return kind(*(results.get(name) for name in kind._fields))


def head(*, target: Tensor, logits: Optional[Tensor] = None, hidden: Optional[Tensor] = None,
         weight: Optional[Tensor] = None, bias: Optional[Tensor] = None, mask: Optional[Tensor] = None,
         offsets: Optional[Tensor] = None, ignore: int = -100, shift: bool = False, scale: float = 1.0,
         softcap: float = 0.0, other: Optional[Tensor] = None, other_scale: float = 1.0, other_softcap: float = 0.0,
         temperature: float = 1.0, kl_reverse: bool = False, frozen: bool = False, also: Iterable[str] = (),
         finite: bool = False, fast: bool = False) -> Head:
    """Log-probabilities of tokens and sequences, from logits, or fused from hidden states and the output matrix.

    Padded batches have ``target`` [B,T] and one sequence a row (S = B); packed ones have ``target`` [N], and
    ``offsets`` or one sequence.

    Parameters
    ----------
    target : tensor of I32 or I64, [B,T] or [N]
        Token of each row; ``ignore`` where a row does not count.
    logits : tensor, [B,T,V] or [N,V]
        F32, F64, BF16 or F16, stride 1 along V. Borrowed until the last backward.
    hidden, weight, bias : tensor, [B,T,D] or [N,D]; [V,D]; [V]
        Instead of logits; ``logits = hidden weight' + bias`` is never stored. bias is optional.
    mask : tensor of bool, U8 or F32 weights, like target, optional
        0 where a row does not count.
    offsets : tensor of I64, [S+1], optional
        Sequence s of a packed batch holds the rows ``offsets[s]`` to ``offsets[s + 1] - 1``.
    shift : bool
        Row n predicts target n + 1 of its sequence.
    scale, softcap : float
        Logits are multiplied by scale; with a softcap above 0 they become ``softcap * tanh(scale * x / softcap)``.
    other : tensor like logits, optional
        Logits of another policy, to which ``kl`` is measured at ``temperature``, with its own scale and softcap.
    frozen : bool
        The output matrix gets no gradient: the forward does the work of the backward too (a linear head).
    also : iterable of {"wsum", "entropy", "collision", "hit"}
        Further results.
    finite : bool
        Refuse NaN and infinities in rows that count.
    fast : bool
        Half the arithmetic, 3e-7 of relative error (F32, BF16 and F16 logits).

    Returns
    -------
    Head

    Examples
    --------
    >>> logits = np.array([[[2.0, 1.0, 0.0], [0.0, 0.0, 3.0]]])
    >>> h = head(logits=logits, target=[[0, 2]])
    >>> h.logp.round(6).tolist(), h.count.tolist()
    ([-0.502529], [2])
    >>> h = head(hidden=np.ones((2, 3)), weight=np.eye(4, 3), target=[0, 3])
    >>> dhidden, dweight = h.backward(dlogp=[1.0])
    >>> dhidden.shape, dweight.shape
    ((2, 3), (4, 3))
    """
    tokens, call = Struct(_abi.align_tokens), Struct(_abi.align_head)
    seen = tokens.put("target", target, INDEX)
    tokens.put("mask", mask, MASK)
    bounds = tokens.put("offsets", offsets, INDEX)
    tokens.c.ignore, tokens.c.shift = ignore, bool(shift)
    parts = {name: call.put(name, x) for name, x in
             (("logits", logits), ("hidden", hidden), ("weight", weight), ("bias", bias)) if x is not None}
    call.c.tokens = pointer(tokens.c)
    call.c.scale, call.c.softcap, call.c.temperature = scale, softcap, temperature
    compared = _compare(call, other, other_scale, other_softcap)
    if len(seen.shape) == 2:
        sequences = seen.shape[0]
    else:
        sequences = 1 if bounds is None else max(bounds.shape[0] - 1, 0)
    kl_flag = _abi.ALIGN_HEAD_KL_REVERSE if kl_reverse else 0
    made = Head(call, tokens, parts, compared, kl_flag)
    made.logp, made.count = call.out("logp", sequences), call.out("count", sequences, np.int64)
    made.token_logp, made.lse = call.out("token_logp", seen.shape), call.out("lse", seen.shape)
    if compared is not None:
        made.kl = call.out("kl", seen.shape)
    for name in also:
        if name == "wsum":
            made.wsum = call.out(name, sequences)
        elif name in _TOKEN_OUTPUTS:
            setattr(made, name, call.out(name, seen.shape, _TOKEN_OUTPUTS[name]))
        else:
            raise ArgumentError(f"also = {name!r}, expected of wsum, {', '.join(_TOKEN_OUTPUTS)}", "also")
    if frozen:
        if "hidden" not in parts:
            raise ArgumentError("frozen is for linear heads, with hidden and weight", "frozen")
        source = parts["hidden"]
        made._jhidden = call.out("jhidden", source.shape, np.float64 if source.dtype == _abi.ALIGN_F64 else np.float32)
        parts["jhidden"] = source
    call.c.flags = kl_flag
    run(lib.align_head_forward, call.c, scratch=lib.align_head_scratch,
        flags=(_abi.ALIGN_FLAG_FINITE if finite else 0) | (_abi.ALIGN_FLAG_FAST if fast else 0))
    return made


def _compare(call: Struct, other: Optional[Tensor], scale: float, softcap: float) -> Optional[Struct]:
    """The head that kl compares with."""
    if other is None:
        return None
    compared = Struct(_abi.align_head)
    compared.put("logits", other, name="other")
    compared.c.scale, compared.c.softcap = scale, softcap
    call.c.other = pointer(compared.c)
    return compared
