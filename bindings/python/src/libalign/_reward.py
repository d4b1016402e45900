"""Linear rewards on features, fitted to preferences."""
from __future__ import annotations

from typing import Optional, Tuple, Union

import numpy as np

from . import _abi, errors
from ._call import INDEX, Struct, local, run
from ._library import lib
from ._tensor import Tensor, view
from .errors import ArgumentError, ShapeError, Status

_EXISTENCE = {number: name for name, number in _abi.ENUMS["ALIGN_REWARD_FINITE"].items()}
_NAMES = {"first": "chosen", "second": "rejected"}
_NUMBERS = ("null_dimension", "iterations", "score_norm", "decrement", "last_step", "log_likelihood", "penalty",
            "accuracy")


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
    for name, field, x in (("chosen", "first", chosen), ("rejected", "second", rejected), ("features", "features", features)):
        call.put(field, x, name=name)
    call.put("index", index, INDEX)
    for name, x in (("prob", prob), ("margin", margin), ("weight", weight), ("l2_each", l2_each)):
        call.put(name, x)
    args = call.c
    args.l2, args.tolerance, args.max_iterations = l2, tolerance, max_iterations
    wide = chosen if chosen is not None else features
    if wide is None:
        raise ArgumentError("chosen and rejected are needed, or features and index", "chosen")
    shape = view(wide, "chosen" if chosen is not None else "features").shape
    if len(shape) != 2:
        raise ShapeError(f"features have {len(shape)} dimensions, expected [M,D]", "chosen" if chosen is not None else "features")
    fit = RewardFit()
    fit.coef = call.out("coef", shape[1])
    fit.se = call.out("se", shape[1]) if se else None
    fit.covariance = call.out("covariance", (shape[1], shape[1])) if covariance else None
    status = run(lib.align_reward_fit, args, scratch=lib.align_reward_scratch, names=_NAMES,
                 allowed=(Status.NOT_CONVERGED, Status.NO_SOLUTION))
    fit.status, fit.existence, fit.message = Status(status), _EXISTENCE[args.existence], ""
    for name in _NUMBERS:
        setattr(fit, name, getattr(args, name))
    if status:
        fit._error = errors.from_library(local.error, _NAMES)
        fit.message = str(fit._error)
    return fit
