"""Any loss of libalign in the trainers of TRL. Written for TRL 1.16.

>>> import libalign.torch as lt
>>> from libalign.trl import DPOTrainer                                         # doctest: +SKIP
>>> trainer = DPOTrainer(model, args=config, train_dataset=pairs, processing_class=tokenizer,
...                      align_loss=lt.Loss("ipo", beta=0.1, length="mean"))    # doctest: +SKIP

The trainers prepare data, run the models and log as TRL's own do; log-probabilities of the answers go to the loss, and
its metrics into the log. What TRL would do to the loss itself is refused, not ignored.
"""
from __future__ import annotations

from typing import Any, Dict, Tuple

import torch
import trl

from ._loss import params_of
from .errors import ArgumentError
from .torch import Loss

__all__ = ["DPOMixin", "DPOTrainer", "KTOMixin", "KTOTrainer"]

# Keys of a batch that are not for the model.
_NOT_FOR_MODEL = ("completion_mask", "ref_chosen_logps", "ref_rejected_logps", "label", "ref_logps", "ref_KL_logps",
                  "KL_input_ids", "KL_attention_mask", "KL_completion_mask", "KL_token_type_ids",
                  "KL_mm_token_type_ids")
# libalign's metrics under the names that TRL logs.
_TRL_NAMES = {"reward_chosen": "rewards/chosen", "reward_rejected": "rewards/rejected",
              "reward_margin": "rewards/margins", "reward_accuracy": "rewards/accuracies"}
# TRL's divergences under the names of libalign.
_DIVERGENCES = {"reverse_kl": "reverse_kl", "forward_kl": "forward_kl", "js_divergence": "js",
                "alpha_divergence": "alpha"}


class _Mixin:
    """What both trainers share."""

    _arity = ""
    # What TRL's config says of the loss, and what it must be left at.
    _settings: Dict[str, Tuple[Any, ...]] = {}

    def __init__(self, *args: Any, align_loss: Loss, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if align_loss.info.arity != self._arity:
            raise ArgumentError(f"{align_loss.info.name} takes {align_loss.info.arity}s, {type(self).__name__} gives "
                                f"{self._arity}s", "align_loss")
        self.align_loss = align_loss.to(self.accelerator.device)
        params = {param.name for param in align_loss.info.params}
        if "beta" in params and self.args.beta != align_loss._with._params.beta:
            raise ArgumentError(f"beta of the config is {self.args.beta}, that of align_loss is "
                                f"{align_loss._with._params.beta}", "beta")
        for name, values in self._settings.items():
            if getattr(self.args, name, values[0]) not in values:
                raise ArgumentError(f"{name} = {getattr(self.args, name)!r} would be ignored: align_loss has its own",
                                    name)
        if getattr(self, "aux_loss_enabled", False):
            raise ArgumentError("router_aux_loss_coef is not supported with align_loss", "router_aux_loss_coef")

    def _token_logps(self, model: Any, inputs: Any) -> torch.Tensor:
        """[B,T-1]: log-probabilities of the answers' tokens, 0 elsewhere."""
        kwargs = {key: x for key, x in inputs.items() if key not in _NOT_FOR_MODEL}
        labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)
        outputs = model(**kwargs, use_cache=False, labels=labels, fused_lm_head=True)
        return outputs.log_probs[:, -(labels.size(1) - 1):]

    def _evaluate(self, score: torch.Tensor, inputs: Dict[str, Any]) -> torch.Tensor:
        reads = self.align_loss.info.reads
        return self.align_loss(score, **{name: x for name, x in inputs.items() if name in reads})

    def _log_metrics(self) -> None:
        mode = self._metrics["train" if self.model.training else "eval"]
        for name, value in self.align_loss.metrics.items():
            if name != "loss":
                mode[_TRL_NAMES.get(name, f"align/{name}")].append(value)

    def _answer(self, loss: torch.Tensor, return_outputs: bool) -> Any:
        if return_outputs:
            raise ArgumentError("compute_metrics needs logits, which are not kept", "return_outputs")
        return loss


class DPOMixin(_Mixin):
    """Puts a loss of pairs into a subclass of TRL's DPOTrainer."""

    _arity = "pair"
    _settings = {"loss_type": (["sigmoid"], "sigmoid"), "label_smoothing": (0.0,), "use_weighting": (False,),
                 "ld_alpha": (None,), "loss_weights": (None,)}

    def __init__(self, *args: Any, align_loss: Loss, **kwargs: Any) -> None:
        super().__init__(*args, align_loss=align_loss, **kwargs)
        if self.args.f_divergence_type != "reverse_kl":
            self._check_divergence(self.args.f_divergence_type, self.args.f_alpha_divergence_coef)

    def _check_divergence(self, theirs: str, order: float) -> None:
        """Whether the divergence of the config is that of the loss."""
        name = _DIVERGENCES.get(theirs)
        if name is None:
            raise ArgumentError(f"f_divergence_type = {theirs!r}, expected one of {', '.join(_DIVERGENCES)}",
                                "f_divergence_type")
        try:
            wanted = params_of(self.align_loss.info, None, {"divergence": name})
        except ArgumentError as error:
            raise ArgumentError(f"f_divergence_type = {theirs!r}: {error}", "f_divergence_type") from None
        params = self.align_loss._with._params
        if params.divergence != wanted.divergence:
            choices = next(param.choices for param in self.align_loss.info.params if param.name == "divergence")
            raise ArgumentError(f"f_divergence_type = {theirs!r} is divergence={name!r} of align_loss, which has "
                                f"{choices[params.divergence]!r}", "f_divergence_type")
        if name == "alpha" and params.order != order:
            raise ArgumentError(f"f_alpha_divergence_coef of the config is {order}, order of align_loss is "
                                f"{params.order}", "f_alpha_divergence_coef")

    def _compute_loss(self, model: Any, inputs: Any, return_outputs: bool) -> Any:
        score = self._token_logps(model, inputs).sum(1).view(2, -1).T
        given = {"count": inputs["completion_mask"].sum(1).view(2, -1).T}
        if "ref" in self.align_loss.info.reads:
            if self.precompute_ref_logps:
                ref = inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]
            else:
                ref = self.compute_ref_log_probs(self.ref_model or self.model, inputs)
            given["ref"] = torch.stack(ref, 1)
        loss = self._evaluate(score, given)
        self._log_metrics()
        return self._answer(loss, return_outputs)


class KTOMixin(_Mixin):
    """Puts a loss of singles into a subclass of TRL's KTOTrainer.

    The offset of `kto` is beta z0, with TRL's estimate of z0 from mismatched answers.
    """

    _arity = "single"
    _settings = {"loss_type": ("kto",), "desirable_weight": (1.0,), "undesirable_weight": (1.0,)}

    def _compute_loss(self, model: Any, inputs: Any, return_outputs: bool) -> Any:
        score = self._token_logps(model, inputs).sum(1)
        given = {"count": inputs["completion_mask"].sum(1),
                 "label": torch.as_tensor(inputs["label"], dtype=torch.float32)}
        kl = self._compute_kl_logps(model, inputs)
        if self.precompute_ref_logps:
            given["ref"], ref_kl = inputs["ref_logps"], inputs.get("ref_KL_logps")
        else:
            given["ref"], ref_kl = self.compute_ref_log_probs(self.ref_model or self.model, inputs)
        if self.calculate_KL and self.align_loss.info.name == "kto":
            z0 = self.accelerator.gather_for_metrics((kl - ref_kl).mean().detach()).mean().clamp(min=0)
            self._metrics["train" if self.model.training else "eval"]["kl"].append(z0.item())
            given["offset"] = (self.args.beta * z0).expand(score.shape[0])
        loss = self._evaluate(score, given)
        self._log_metrics()
        return self._answer(loss, return_outputs)


class DPOTrainer(DPOMixin, trl.DPOTrainer):
    """TRL's DPOTrainer with ``align_loss``, a `libalign.torch.Loss` of pairs."""


class KTOTrainer(KTOMixin, trl.KTOTrainer):
    """TRL's KTOTrainer with ``align_loss``, a `libalign.torch.Loss` of singles."""
