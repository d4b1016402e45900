"""Bradley-Terry: strengths of items from comparisons between them."""
from __future__ import annotations

from ctypes import pointer
from typing import Any, Optional, Tuple

import numpy as np

from . import _abi, errors
from ._call import INDEX, Struct, choice, local, run
from ._library import lib
from ._tensor import Tensor, read
from .errors import ArgumentError, ShapeError, Status

_EXISTENCE = {number: name for name, number in _abi.ENUMS["ALIGN_BT_FINITE"].items()}
_NAMES = {"first": "winner", "second": "loser", "rows.first": "winner", "rows.second": "loser",
          "rows.outcome": "outcome", "rows.weight": "weight"}
_NUMBERS = ("components", "parts", "iterations", "score_norm", "decrement", "last_step", "condition", "log_likelihood",
            "deviance", "penalty", "tie", "tie_se", "home", "home_se")
_BEST_THERE_IS = (Status.NOT_CONVERGED, Status.NO_SOLUTION)


class BtFit:
    """Strengths and what is known of them.

    Attributes
    ----------
    items : ndarray, [n]
        Names of the items, or 0..n-1; everything else is in this order.
    strength, se : ndarray of F64, [n]
        Strengths as offset + scale * theta, and their standard errors (None where not asked for).
    covariance : ndarray of F64, [n,n], or None
    draws : ndarray of F64, [B,n], or None
        Strengths of the Bayesian bootstrap.
    status : Status
        NONE: a finite maximum, found to the tolerance. NOT_CONVERGED: the best point, with ``score_norm`` and
        ``decrement`` for how far off it is. NO_SOLUTION: no finite maximum; strengths within each part.
    existence : str
        finite, islands, separated, boundary or unbounded.
    message : str
        What the library says when the status is not NONE.
    component, part : ndarray of I64, [n]
        Which items comparisons connect, and the parts within which strengths are finite.
    components, parts, iterations : int
    score_norm, decrement, last_step, condition : float
        The certificate: largest slope at the answer, half the squared Newton decrement, last change, and an estimate
        of the condition number of the information.
    log_likelihood, deviance, penalty : float
    tie, tie_se, home, home_se : float
        Parameters of ties (and the error of the logarithm) and of the advantage of the first place.
    """

    items: np.ndarray
    strength: np.ndarray
    se: Optional[np.ndarray]
    covariance: Optional[np.ndarray]
    draws: Optional[np.ndarray]
    component: np.ndarray
    part: np.ndarray
    status: Status
    existence: str
    message: str

    def raise_for_status(self) -> "BtFit":
        """The fit itself, or NotConverged or NoSolution."""
        if self.status != Status.NONE:
            raise self._error
        return self

    def to_pandas(self) -> Any:
        """A DataFrame by item, the strongest first: strength, se where there are errors, component and part."""
        import pandas
        columns = {"strength": self.strength, "se": self.se, "component": self.component, "part": self.part}
        frame = pandas.DataFrame({name: column for name, column in columns.items() if column is not None},
                                 index=pandas.Index(self.items, name="item"))
        return frame.sort_values("strength", ascending=False, kind="stable")

    def __repr__(self) -> str:
        return f"<libalign.BtFit of {len(self.items)} items: {self.existence}, status {self.status.name}>"


def _numbered(winner: Tensor, loser: Tensor) -> Tuple[Tensor, Tensor, Optional[np.ndarray]]:
    """Names as numbers, with the names in order; numbers as they are."""
    if hasattr(winner, "__dlpack__") and not isinstance(winner, np.ndarray):
        return winner, loser, None
    first, second = np.asarray(winner), np.asarray(loser)
    if first.dtype.kind not in "OUS":
        return winner, loser, None
    if first.shape != second.shape:
        raise ShapeError(f"loser has shape {second.shape}, expected that of winner, {first.shape}", "loser")
    items, numbers = np.unique(np.concatenate([first, second]), return_inverse=True)
    return numbers[:len(first)].astype(np.int64), numbers[len(first):].astype(np.int64), items


def bt_fit(winner: Tensor, loser: Tensor, *, outcome: Optional[Tensor] = None, weight: Optional[Tensor] = None,
           n_items: Optional[int] = None, ties: str = "half", home: bool = False, prior: str = "none",
           prior_mean: float = 0.0, prior_precision: float = 0.0, prior_shape: float = 0.0, prior_rate: float = 0.0,
           prior_games: float = 0.0, variance: str = "fisher", solver: str = "auto", scale: float = 1.0,
           offset: float = 0.0, anchor: Any = None, tolerance: float = 0.0, max_iterations: int = 0, se: bool = True,
           covariance: bool = False, draws: int = 0, seed: int = 0) -> BtFit:
    """Fits Bradley-Terry strengths: P(i beats j) = 1 / (1 + exp(theta_j - theta_i)).

    Newton steps in f64 with a certificate; whether a finite answer exists is decided from the graph of who beat whom
    (Ford 1957), never guessed.

    Parameters
    ----------
    winner, loser : tensor of I32 or I64, or array of names, [M]
        Who met whom, one comparison a row; with ``outcome`` the first and the second of the row.
    outcome : tensor of reals in [0,1], [M], optional
        What the first took: 1 a win, 0 a loss, exactly 0.5 a tie, else a soft label. Absent: all 1.
    weight : tensor of reals in [0, 2**32], [M], optional
        How often a row counts.
    n_items : int, optional
        Number of items, when some may not appear; not with names.
    ties : {"half", "davidson", "rao_kupper"}
        What a tie says: half a win each way, or a model of its own (Davidson 1970; Rao and Kupper 1967).
    home : bool
        The first of each row has an advantage, fitted too.
    prior : {"none", "gaussian", "gamma", "ghost", "edge"}
        A density that the likelihood is multiplied with (gamma: Caron and Doucet 2012); each reads the numbers
        ``prior_...`` that libalign/bt.h says.
    variance : {"fisher", "sandwich"}
    solver : {"auto", "cholesky", "cg"}
    scale, offset : float
        Strengths are offset + scale * theta; Elo's scale is 400 / ln 10.
    anchor : item, optional
        The item whose strength is ``offset``.
    tolerance, max_iterations
        0: 1e-9 and 100.
    se, covariance : bool
        Whether errors are computed: O(n^3) for n items.
    draws, seed : int
        Draws of the Bayesian bootstrap.

    Returns
    -------
    BtFit
        Also when the answer is not finite or not found; ``status`` says so, `BtFit.raise_for_status` raises.

    Examples
    --------
    >>> fit = bt_fit(["ann", "ann", "bob"], ["bob", "bob", "ann"], scale=400 / np.log(10))
    >>> fit.items.tolist(), fit.strength.round(1).tolist(), fit.status.name
    (['ann', 'bob'], [60.2, -60.2], 'NONE')
    >>> bt_fit([0, 0], [1, 1]).existence
    'separated'
    """
    first, second, items = _numbered(winner, loser)
    if items is not None and n_items is not None:
        raise ArgumentError("n_items is not read with names: the names are the items", "n_items")
    rows, call = Struct(_abi.align_bt_rows), Struct(_abi.align_bt_args)
    columns = [rows.put("first", first, INDEX, name="winner"), rows.put("second", second, INDEX, name="loser")]
    rows.put("outcome", outcome)
    rows.put("weight", weight)
    if items is not None:
        n_items = len(items)
    elif n_items is None:
        n_items = 1 + max((int(read(column).max(initial=-1)) for column in columns), default=-1)
    args = call.c
    args.n_items, args.rows = n_items, pointer(rows.c)
    args.ties = choice("ties", ties, "ALIGN_BT_TIES_HALF")
    args.prior = choice("prior", prior, "ALIGN_BT_PRIOR_NONE")
    args.variance = choice("variance", variance, "ALIGN_BT_FISHER")
    args.solver = choice("solver", solver, "ALIGN_BT_SOLVER_AUTO")
    args.prior_mean, args.prior_precision, args.prior_games = prior_mean, prior_precision, prior_games
    args.prior_shape, args.prior_rate = prior_shape, prior_rate
    args.scale, args.offset, args.tolerance, args.max_iterations = scale, offset, tolerance, max_iterations
    args.flags = (_abi.ALIGN_BT_HOME if home else 0) | (_abi.ALIGN_BT_ANCHOR if anchor is not None else 0)
    args.seed = seed
    if anchor is not None:
        args.anchor = anchor if items is None else _place(items, anchor)
    fit = BtFit()
    fit.items = np.arange(n_items) if items is None else items
    size = max(n_items, 0)
    fit.strength = call.out("strength", size)
    fit.se = call.out("se", size) if se else None
    fit.covariance = call.out("covariance", (size, size)) if covariance else None
    fit.draws = call.out("draws", (draws, size)) if draws else None
    fit.component, fit.part = call.out("component", size, np.int64), call.out("part", size, np.int64)
    status = run(lib.align_bt_fit, args, scratch=lib.align_bt_scratch, names=_NAMES, allowed=_BEST_THERE_IS)
    return _finish(fit, args, status)


def _place(items: np.ndarray, name: Any) -> int:
    where = np.flatnonzero(items == name)
    if len(where) == 0:
        raise ArgumentError(f"anchor = {name!r} is none of the items", "anchor")
    return int(where[0])


def _finish(fit: BtFit, args: _abi.align_bt_args, status: int) -> BtFit:
    fit.status, fit.existence, fit.message = Status(status), _EXISTENCE[args.existence], ""
    for name in _NUMBERS:
        setattr(fit, name, getattr(args, name))
    if status:
        fit._error = errors.from_library(local.error, _NAMES)
        fit.message = str(fit._error)
    return fit
