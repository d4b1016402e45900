"""PyTorch over libalign: losses and heads as autograd functions and modules. Needs PyTorch 2.0 or later.

>>> import torch
>>> import libalign.torch as lt
>>> score = torch.tensor([[-12.0, -15.5]], requires_grad=True)
>>> value = lt.loss("dpo", score, ref=torch.tensor([[-12.5, -14.0]]), beta=0.5)
>>> value.backward()
>>> [round(g, 6) for g in score.grad[0].tolist()]
[-0.134471, 0.134471]

Scores may live on any device: they are small, and travel to the host and back. Heads read logits, hidden states and
output matrices where they are, so these must be tensors of the host; for logits on a GPU compute log-probabilities
there and give them to `loss` (docs/bindings.md).
"""
from __future__ import annotations

from typing import Any, Dict, Iterable, Optional, Tuple

import torch

from . import _head, _loss
from ._norm import Norm
from .errors import ArgumentError, LayoutError

__all__ = ["LinearPreferenceLoss", "Loss", "head", "linear_head", "loss", "mean_denom", "merge_norm", "sum_metrics"]

_INPUTS = ("ref", "old", "count", "aux", "index", "offsets", "label", "prob", "weight", "offset", "mask", "rank")


def _host(x: Any) -> Any:
    """A tensor as libalign can borrow it; anything else as it is."""
    return x.detach().cpu() if isinstance(x, torch.Tensor) else x


# ---- losses ------------------------------------------------------------------------------------

class _LossFunction(torch.autograd.Function):
    """Value of a loss; gradients are made with it, and scaled in backward."""

    @staticmethod
    def forward(ctx: Any, evaluate: _loss.Loss, inputs: Dict[str, Any], names: Tuple[str, ...], score: torch.Tensor,
                aux: Optional[torch.Tensor], *learnt: torch.Tensor) -> torch.Tensor:
        for name, parameter in zip(names, learnt):
            setattr(evaluate._params, name, float(parameter))
        result = evaluate(_host(score), aux=_host(aux), **inputs)
        evaluate.result = result
        ctx.set_materialize_grads(False)
        if not evaluate._gradient:
            return _number(result.value, score)
        arrays = result._arrays
        ctx.gradients = [torch.from_numpy(arrays["dscore"].copy()).to(score.device, score.dtype)]
        ctx.gradients.append(torch.from_numpy(arrays["daux"].copy()).to(aux.device, aux.dtype)
                             if isinstance(aux, torch.Tensor) and "daux" in arrays else None)
        for name, parameter in zip(names, learnt):
            ctx.gradients.append(torch.as_tensor(result.dparam[name], dtype=parameter.dtype, device=parameter.device))
        return _number(result.value, score)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Optional[torch.Tensor]) -> Tuple[Optional[torch.Tensor], ...]:
        if grad is None:
            return (None,) * (3 + len(ctx.gradients))
        return (None, None, None) + tuple(None if g is None else grad.to(g.dtype) * g for g in ctx.gradients)


def _number(value: float, like: torch.Tensor) -> torch.Tensor:
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    return torch.tensor(value, dtype=dtype, device=like.device)


class Loss(torch.nn.Module):
    """A row of the loss table as a module.

    Parameters
    ----------
    name : str
        A row of the loss table, see `libalign.losses`.
    preset : str, optional
        Start from these parameters instead of the paper's.
    learn : iterable of str
        Parameters of the row that become ``torch.nn.Parameter`` and get gradients, such as nbpo's flip rate.
    finite : bool
        Refuse NaN and infinities in scores instead of passing them on.
    **params
        Parameters of the row, by name.

    Attributes
    ----------
    metrics : dict
        Of the last forward, by name.
    metric_sums : ndarray
        [n_metrics,2]: the same as sums and counts, which add up over batches and processes.

    Examples
    --------
    >>> f = Loss("ipo", beta=0.1)
    >>> value = f(torch.zeros(3, 2, requires_grad=True), ref=torch.zeros(3, 2))
    >>> round(value.item(), 6), f.metrics["reward_accuracy"]
    (25.0, 0.5)
    """

    def __init__(self, name: str, *, preset: Optional[str] = None, learn: Iterable[str] = (), finite: bool = False,
                 **params: Any) -> None:
        super().__init__()
        self._with = _loss.Loss(name, preset=preset, finite=finite, **params)
        self._without = _loss.Loss(name, preset=preset, finite=finite, gradient=False, **params)
        self.info = self._with.info
        self._learn = tuple(learn)
        can = [param.name for param in self.info.params] if "dparam" in self.info.reads else []
        for parameter in self._learn:
            if parameter not in can:
                raise ArgumentError(f"{name} cannot learn {parameter}; it can learn {', '.join(can) or 'nothing'}",
                                    "learn")
            value = torch.tensor(float(getattr(self._with._params, parameter)), dtype=torch.float64)
            self.register_parameter(parameter, torch.nn.Parameter(value))

    def forward(self, score: torch.Tensor, *, aux: Optional[torch.Tensor] = None, denom: float = 0.0,
                scale: float = 1.0, **inputs: Any) -> torch.Tensor:
        """The loss of scores; inputs are those of `libalign.loss`.

        Parameters
        ----------
        score, aux : Tensor, [G,K], [G] for singles, or [S] with index or offsets
            These get gradients.
        ref, old, count, index, offsets, label, prob, weight, offset, mask, rank : Tensor, optional
            These are constants.
        denom, scale : float
            ``value = scale / denom * sum of losses``; denom 0 is the number of live groups of this call.

        Returns
        -------
        Tensor
            A number, F64 where score is, else F32.
        """
        for name in inputs:
            if name not in _INPUTS:
                raise ArgumentError(f"{name} is no input of a loss; there are {', '.join(_INPUTS)}", name)
        learnt = [getattr(self, name) for name in self._learn]
        wanted = torch.is_grad_enabled() and any(
            isinstance(x, torch.Tensor) and x.requires_grad for x in (score, aux, *learnt))
        evaluate = self._with if wanted else self._without
        host = {name: _host(x) for name, x in inputs.items()}
        value = _LossFunction.apply(evaluate, {**host, "denom": denom, "scale": scale}, self._learn, score, aux,
                                    *learnt)
        self.metrics, self.metric_sums = evaluate.result.metrics, evaluate.result.metric_sums.copy()
        return value

    def extra_repr(self) -> str:
        return repr(self.info.name)


def loss(name: str, score: torch.Tensor, *, preset: Optional[str] = None, finite: bool = False,
         **inputs: Any) -> torch.Tensor:
    """A loss over scores on any device; inputs and parameters are those of `libalign.loss`.

    Examples
    --------
    >>> score = torch.tensor([[1.0, 0.0, -1.0]], dtype=torch.float64, requires_grad=True)
    >>> loss("lipo_lambda", score, label=torch.tensor([[0.1, 0.9, 0.5]])).backward()
    >>> abs(score.grad.sum().item()) < 1e-15
    True
    """
    given = {key: x for key, x in inputs.items() if key in (*_INPUTS, "denom", "scale")}
    params = {key: x for key, x in inputs.items() if key not in given}
    return Loss(name, preset=preset, finite=finite, **params)(score, **given)


# ---- heads -------------------------------------------------------------------------------------

def _check_host(**tensors: Any) -> None:
    for name, x in tensors.items():
        if isinstance(x, torch.Tensor) and x.device.type != "cpu":
            raise LayoutError(f"{name} is on {x.device}; heads read memory of the host. Compute log-probabilities "
                              "there and give them to a loss", name)


class _Head(torch.autograd.Function):
    """Log-probabilities of sequences and of tokens, from logits or from hidden states and an output matrix."""

    @staticmethod
    def forward(ctx: Any, options: Dict[str, Any], *parts: Optional[torch.Tensor]) -> Tuple[torch.Tensor, ...]:
        names = ("logits", "hidden", "weight", "bias")
        given = {name: x.detach() for name, x in zip(names, parts) if x is not None}
        needs = dict(zip(names, ctx.needs_input_grad[1:]))
        frozen = "hidden" in given and needs["hidden"] and not needs["weight"] and not needs["bias"]
        ctx.head = _head.head(**given, **options, frozen=frozen)
        ctx.save_for_backward(*parts)
        ctx.needs = needs
        real = torch.float64 if any(x.dtype == torch.float64 for x in given.values()) else torch.float32
        count = torch.from_numpy(ctx.head.count)
        ctx.mark_non_differentiable(count)
        return torch.from_numpy(ctx.head.logp).to(real), torch.from_numpy(ctx.head.token_logp).to(real), count

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dlogp: torch.Tensor, dtoken_logp: torch.Tensor, _: Any
                 ) -> Tuple[Optional[torch.Tensor], ...]:
        parts = dict(zip(("logits", "hidden", "weight", "bias"), ctx.saved_tensors))
        given = {"dlogp": dlogp.double().contiguous(), "dtoken_logp": dtoken_logp.double().contiguous()}
        linear = parts["hidden"] is not None
        wanted = {} if not linear else {f"d{name}": ctx.needs[name] for name in ("hidden", "weight", "bias")
                                        if parts[name] is not None and ("jhidden" not in ctx.head._parts
                                                                        or name == "hidden")}
        made = ctx.head.backward(**given, **wanted)
        gradients = made._asdict() if linear else {"dlogits": made}
        return (None,) + tuple(
            None if x is None or gradients.get(f"d{name}") is None
            else torch.from_numpy(gradients[f"d{name}"]).to(x.dtype) for name, x in parts.items())


def head(logits: torch.Tensor, target: torch.Tensor, **options: Any) -> Tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of sequences, [S], and of tokens, like target, with gradients by logits.

    Parameters
    ----------
    logits : Tensor of the host, [B,T,V] or [N,V]
    target : Tensor of integers, [B,T] or [N]
    **options
        ``mask``, ``offsets``, ``ignore``, ``shift``, ``scale``, ``softcap``, ``finite``, ``fast`` of
        `libalign.head`.

    Examples
    --------
    >>> logits = torch.zeros(1, 3, 4, requires_grad=True)
    >>> logp, token_logp = head(logits, torch.tensor([[0, 1, 3]]))
    >>> logp.sum().backward()
    >>> logits.grad[0, 0].tolist()
    [0.75, -0.25, -0.25, -0.25]
    """
    _check_host(logits=logits, target=target, **options)
    return _Head.apply({"target": target, **options}, logits, None, None, None)[:2]


def linear_head(hidden: torch.Tensor, weight: torch.Tensor, target: torch.Tensor, *,
                bias: Optional[torch.Tensor] = None, **options: Any) -> Tuple[torch.Tensor, torch.Tensor]:
    """The same from hidden states and the output matrix, whose logits are never stored.

    Parameters
    ----------
    hidden, weight, bias : Tensor of the host, [B,T,D] or [N,D]; [V,D]; [V]
        Where neither weight nor bias needs a gradient, the work of the backward is done in the forward.
    target, **options
        As for `head`.
    """
    return _linear(hidden, weight, bias, target, options)[:2]


def _linear(hidden: torch.Tensor, weight: torch.Tensor, bias: Optional[torch.Tensor], target: torch.Tensor,
            options: Dict[str, Any]) -> Tuple[torch.Tensor, ...]:
    _check_host(hidden=hidden, weight=weight, bias=bias, target=target, **options)
    return _Head.apply({"target": target, **options}, None, hidden, weight, bias)


class LinearPreferenceLoss(torch.nn.Module):
    """A loss on the log-probabilities of answers, from hidden states and the output matrix, without logits in memory.

    Answers are the sequences of the batch; K that follow each other make a group (chosen before rejected).

    Parameters
    ----------
    name : str
        A row of the loss table.
    items : int
        K: 2 for pairs; 1 for singles.
    **options
        Those of `Loss`.

    Examples
    --------
    >>> f = LinearPreferenceLoss("simpo")
    >>> hidden, weight = torch.randn(4, 6, 8, requires_grad=True), torch.randn(16, 8, requires_grad=True)
    >>> f(hidden, weight, torch.randint(0, 16, (4, 6))).backward()
    >>> hidden.grad.shape, weight.grad.shape
    (torch.Size([4, 6, 8]), torch.Size([16, 8]))
    """

    def __init__(self, name: str, *, items: int = 2, **options: Any) -> None:
        super().__init__()
        self.loss = Loss(name, **options)
        self.items = items

    def forward(self, hidden: torch.Tensor, weight: torch.Tensor, target: torch.Tensor, *,
                bias: Optional[torch.Tensor] = None, mask: Optional[torch.Tensor] = None,
                offsets: Optional[torch.Tensor] = None, shift: bool = False, softcap: float = 0.0,
                **inputs: Any) -> torch.Tensor:
        """The loss; inputs are those of the loss, shaped [G,K] (or [G] for singles). Its count is that of the head.

        Parameters
        ----------
        hidden : Tensor of the host, [G*K,T,D], or [N,D] with offsets
        weight, bias : Tensor of the host, [V,D]; [V]
        target, mask : Tensor like hidden without D
        """
        options = {"mask": mask, "offsets": offsets, "shift": shift, "softcap": softcap}
        logp, _, count = _linear(hidden, weight, bias, target, options)
        if logp.numel() % self.items != 0:
            raise ArgumentError(f"{logp.numel()} answers do not make groups of {self.items}", "items")
        if "count" in self.loss.info.reads:
            inputs.setdefault("count", self._grouped(count))
        return self.loss(self._grouped(logp), **inputs)

    def _grouped(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.items == 1 else x.view(-1, self.items)


# ---- torch.distributed -------------------------------------------------------------------------

def mean_denom(groups: int, group: Any = None) -> float:
    """``denom`` that makes the gradient mean of DistributedDataParallel that of all groups of all processes.

    The sum of ``groups`` over processes, divided by their number, since DistributedDataParallel divides once more.
    """
    world = torch.distributed.get_world_size(group)
    total = torch.tensor([float(groups)], dtype=torch.float64)
    torch.distributed.all_reduce(total, group=group)
    return total.item() / world


def merge_norm(norm: Norm, group: Any = None) -> Norm:
    """One normaliser that has seen what all processes saw; the same bits in each."""
    world = torch.distributed.get_world_size(group)
    states: list = [None] * world
    torch.distributed.all_gather_object(states, bytes(norm), group=group)
    merged = Norm.from_bytes(states[0])
    for state in states[1:]:
        merged.merge(Norm.from_bytes(state))
    return merged


def sum_metrics(module: Loss, group: Any = None) -> Dict[str, float]:
    """Metrics of the last forward over all processes."""
    sums = torch.from_numpy(module.metric_sums.copy())
    torch.distributed.all_reduce(sums, group=group)
    return {metric.name: total / count if count else float("nan")
            for metric, (total, count) in zip(module.info.metrics, sums.tolist())}
