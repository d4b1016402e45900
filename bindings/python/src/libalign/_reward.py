"""Linear rewards on features, fitted to preferences."""
from __future__ import annotations

from ctypes import pointer
from typing import Any, Mapping, Optional, Tuple, Union

import numpy as np

from . import _abi, errors
from ._call import INDEX, Struct, local, run
from ._library import lib
from ._tensor import Tensor, view
from .errors import ArgumentError, ShapeError, Status

_EXISTENCE = {number: name for name, number in _abi.ENUMS["ALIGN_REWARD_FINITE"].items()}
_NAMES = {"first": "chosen", "second": "rejected"}
_PATH_NAMES = {**_NAMES, "fit.first": "chosen", "fit.second": "rejected", "held.first": "held.chosen",
               "held.second": "held.rejected"}
_NUMBERS = ("null_dimension", "iterations", "score_norm", "decrement", "last_step", "log_likelihood", "penalty",
            "accuracy")
_BEST_THERE_IS = (Status.NOT_CONVERGED, Status.NO_SOLUTION)
_PAIRS = {"chosen": "first", "rejected": "second", "features": "features", "index": "index", "prob": "prob",
          "margin": "margin", "weight": "weight"}


class RewardFit:
    """A linear reward ``features @ coef``.

    Attributes
    ----------
    coef, se : ndarray of F64, [D]
        Coefficients, and their standard errors from the inverse of the Hessian (None where not asked for).
    covariance : ndarray of F64, [D,D], or None
    status : Status
        NONE, NOT_CONVERGED (the best point), or NO_SOLUTION (separated: coef says the direction of growth).
    existence : str
        finite, deficient (finite but not unique: the smallest answer) or separated.
    message : str
        What the library says when the status is not NONE.
    accuracy, log_likelihood, penalty : float
    null_dimension, iterations : int
    score_norm, decrement, last_step : float
        The certificate.
    """

    coef: np.ndarray
    se: Optional[np.ndarray]
    covariance: Optional[np.ndarray]
    status: Status
    existence: str
    message: str

    def raise_for_status(self) -> "RewardFit":
        """The fit itself, or NotConverged or NoSolution."""
        if self.status != Status.NONE:
            raise self._error
        return self

    def predict(self, features: Tensor, *, se: bool = False) -> Union[np.ndarray, Tuple[np.ndarray, np.ndarray]]:
        """Rewards of R answers, and with ``se`` their standard errors (needs the covariance).

        Parameters
        ----------
        features : tensor of reals, [R,D]
        """
        if se and self.covariance is None:
            raise ArgumentError("se needs a fit with covariance=True", "se")
        call = Struct(_abi.align_reward_query)
        answers = call.put("features", features).shape[0]
        call.put("coef", self.coef)
        reward = call.out("reward", answers)
        if not se:
            run(lib.align_reward_predict, call.c)
            return reward
        call.put("covariance", self.covariance)
        error = call.out("se", answers)
        run(lib.align_reward_predict, call.c)
        return reward, error

    def __repr__(self) -> str:
        return f"<libalign.RewardFit of {len(self.coef)} features: {self.existence}, status {self.status.name}>"


def _put_pairs(call: Struct, pairs: Mapping[str, Optional[Tensor]], prefix: str = "") -> int:
    """Tensors of pairs into a struct; the number of features."""
    for name, x in pairs.items():
        if name not in _PAIRS:
            raise ArgumentError(f"{prefix}{name} is none of {', '.join(_PAIRS)}", prefix + name)
        if name == "index":
            call.put("index", x, INDEX, name=prefix + name)
        else:
            call.put(_PAIRS[name], x, name=prefix + name)
    name = "chosen" if pairs.get("chosen") is not None else "features"
    wide = pairs.get(name)
    if wide is None:
        raise ArgumentError(f"{prefix}chosen and {prefix}rejected are needed, or {prefix}features and {prefix}index",
                            prefix + "chosen")
    shape = view(wide, prefix + name).shape
    if len(shape) != 2:
        raise ShapeError(f"features have {len(shape)} dimensions, expected [M,D]", prefix + name)
    return shape[1]


def _put_options(call: Struct, l2_each: Optional[Tensor], tolerance: float, max_iterations: int) -> Any:
    call.put("l2_each", l2_each)
    call.c.tolerance, call.c.max_iterations = tolerance, max_iterations
    return call.c


def _outputs(call: Struct, width: int, se: bool, covariance: bool) -> RewardFit:
    fit = RewardFit()
    fit.coef = call.out("coef", width)
    fit.se = call.out("se", width) if se else None
    fit.covariance = call.out("covariance", (width, width)) if covariance else None
    return fit


def _finish(fit: RewardFit, args: Any, status: int) -> RewardFit:
    fit.status, fit.existence, fit.message = Status(status), _EXISTENCE[args.existence], ""
    for name in _NUMBERS:
        setattr(fit, name, getattr(args, name))
    if status:
        fit._error = errors.from_library(local.error, _NAMES)
        fit.message = str(fit._error)
    return fit


def reward_fit(chosen: Optional[Tensor] = None, rejected: Optional[Tensor] = None, *,
               features: Optional[Tensor] = None, index: Optional[Tensor] = None, prob: Optional[Tensor] = None,
               margin: Optional[Tensor] = None, weight: Optional[Tensor] = None, l2: float = 0.0,
               l2_each: Optional[Tensor] = None, tolerance: float = 0.0, max_iterations: int = 0, se: bool = True,
               covariance: bool = False) -> RewardFit:
    """Fits r(x) = coef . x such that P(chosen over rejected) = 1 / (1 + exp(-(r(chosen) - r(rejected) - margin))).

    Parameters
    ----------
    chosen, rejected : tensor of reals, [M,D]
        Features of both answers of each pair, stride 1 along D. Or:
    features, index : tensor of reals, [R,D]; of I32 or I64, [M,2]
        Features of R answers, and which two make a pair, the chosen one first.
    prob : tensor of reals in [0,1], [M], optional
        Probability that the first is preferred; absent: 1.
    margin, weight : tensor of reals, [M], optional
    l2 : float
        1/2 l2 coef^2 is added to the objective.
    l2_each : tensor, [D], F32 or F64, optional
        To be added to l2, feature by feature.
    tolerance, max_iterations
        0: 1e-9 and 100.
    se, covariance : bool
        Whether errors are computed.

    Returns
    -------
    RewardFit

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(2, 500, 3))
    >>> won = rng.random(500) < 1 / (1 + np.exp((b - a) @ [1.0, -1.0, 0.5]))
    >>> fit = reward_fit(np.where(won[:, None], a, b), np.where(won[:, None], b, a), l2=1.0)
    >>> bool(np.abs(fit.coef - [1.0, -1.0, 0.5]).max() < 4 * fit.se.max()), fit.existence
    (True, 'finite')
    >>> fit.predict(a).shape
    (500,)
    """
    call = Struct(_abi.align_reward_args)
    width = _put_pairs(call, {"chosen": chosen, "rejected": rejected, "features": features, "index": index, "prob": prob,
                              "margin": margin, "weight": weight})
    args = _put_options(call, l2_each, tolerance, max_iterations)
    args.l2 = l2
    fit = _outputs(call, width, se, covariance)
    status = run(lib.align_reward_fit, args, scratch=lib.align_reward_scratch, names=_NAMES, allowed=_BEST_THERE_IS)
    return _finish(fit, args, status)


class RewardPath:
    """Rewards under several l2, and the one that foretells best what was held out.

    Attributes
    ----------
    l2 : ndarray of F64, [L]
    coef : ndarray of F64, [L,D]
        Coefficients under each; NaN where there is no finite answer.
    loss : ndarray of F64, [L]
        Minus the log-likelihood of what was held out, by the sum of its weights; NaN likewise.
    best : int
        The first l2 with the least loss; -1 where none has a finite answer.
    fit : RewardFit or None
        Under the best.
    """

    l2: np.ndarray
    coef: np.ndarray
    loss: np.ndarray
    best: int
    fit: Optional[RewardFit]

    def __repr__(self) -> str:
        return f"<libalign.RewardPath of {len(self.l2)} l2, the best {self.best}>"


def reward_path(chosen: Optional[Tensor] = None, rejected: Optional[Tensor] = None, *, l2: Tensor,
                held: Mapping[str, Tensor], features: Optional[Tensor] = None, index: Optional[Tensor] = None,
                prob: Optional[Tensor] = None, margin: Optional[Tensor] = None, weight: Optional[Tensor] = None,
                l2_each: Optional[Tensor] = None, tolerance: float = 0.0, max_iterations: int = 0, se: bool = True,
                covariance: bool = False) -> RewardPath:
    """Fits the same pairs as `reward_fit` under each of several l2, and asks others that were held out.

    Parameters
    ----------
    l2 : tensor of F32 or F64, [L]
        In any order; from the largest down is the shortest way, as each fit starts from the one before.
    held : mapping
        What was held out, by the names of `reward_fit`: ``chosen`` and ``rejected``, or ``features`` and ``index``;
        ``prob``, ``margin``, ``weight``.
    chosen, rejected, features, index, prob, margin, weight, l2_each, tolerance, max_iterations, se, covariance
        As in `reward_fit`.

    Returns
    -------
    RewardPath

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(2, 300, 8))
    >>> won = rng.random(300) < 1 / (1 + np.exp(b - a)[:, 0])
    >>> chosen, rejected = np.where(won[:, None], a, b), np.where(won[:, None], b, a)
    >>> path = reward_path(chosen[:30], rejected[:30], l2=[100.0, 3.0, 1e-6],
    ...                    held={"chosen": chosen[30:], "rejected": rejected[30:]})
    >>> path.best, path.coef.shape, bool(np.abs(path.fit.coef - path.coef[path.best]).max() < 1e-9)
    (1, (3, 8), True)
    """
    call, other, path = Struct(_abi.align_reward_args), Struct(_abi.align_reward_args), Struct(_abi.align_reward_path_args)
    width = _put_pairs(call, {"chosen": chosen, "rejected": rejected, "features": features, "index": index, "prob": prob,
                              "margin": margin, "weight": weight})
    _put_pairs(other, held, "held.")
    args = _put_options(call, l2_each, tolerance, max_iterations)
    fit, found = _outputs(call, width, se, covariance), RewardPath()
    found.l2 = np.array(l2, np.float64, ndmin=1)
    path.put("l2", found.l2)
    path.c.fit, path.c.held = pointer(args), pointer(other.c)
    found.coef = path.out("coef", (len(found.l2), width))
    found.loss = path.out("loss", len(found.l2))
    status = run(lib.align_reward_path_fit, path.c, scratch=lib.align_reward_path_scratch, names=_PATH_NAMES,
                 allowed=_BEST_THERE_IS)
    found.best = path.c.best
    found.fit = _finish(fit, args, status) if found.best >= 0 else None
    return found
