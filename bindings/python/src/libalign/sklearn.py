"""scikit-learn estimators over libalign's fits. Needs scikit-learn 1.6 or later.

>>> import numpy as np
>>> from libalign.sklearn import BradleyTerry
>>> votes = np.array([["ann", "bob"], ["ann", "bob"], ["bob", "ann"]])
>>> BradleyTerry().fit(votes).predict_proba([["ann", "bob"]]).round(3).tolist()
[[0.333, 0.667]]
"""
from __future__ import annotations

from typing import Any, Optional

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_array, check_is_fitted, validate_data

from ._bt import bt_fit
from ._reward import reward_fit

__all__ = ["BradleyTerry", "PreferenceReward"]


class BradleyTerry(BaseEstimator):
    """Strengths of items from comparisons: P(left beats right) = 1 / (1 + exp(theta_right - theta_left)).

    Parameters
    ----------
    ties : {"half", "davidson", "rao_kupper"}
        What an outcome of 0.5 says.
    home : bool
        The left item has an advantage, fitted too.
    prior : {"none", "gaussian", "gamma", "ghost", "edge"}
        With the numbers below; see `libalign.bt_fit`.
    prior_mean, prior_precision, prior_shape, prior_rate, prior_games : float
    variance : {"fisher", "sandwich"}
        Where standard errors come from.

    Attributes
    ----------
    items_ : ndarray, [n]
        The items, in order.
    strength_, se_ : ndarray of F64, [n]
        Strengths in natural log units, and their standard errors.
    tie_, home_ : float
        Parameters of ties and of the left item's advantage.
    n_features_in_ : int
        2.
    fit_ : libalign.BtFit
        Everything else, such as the certificate.

    Notes
    -----
    X is [M,2]: the left and the right item of each comparison, numbers or strings. It is categorical, and scikit-learn
    knows it as such. A fit without a finite answer raises `libalign.errors.NoSolution`, which names an item.

    Examples
    --------
    >>> X = [["a", "b"], ["b", "c"], ["c", "a"], ["a", "b"]]
    >>> model = BradleyTerry().fit(X)
    >>> model.items_.tolist(), (model.strength_[:2].round(3)).tolist()
    (['a', 'b', 'c'], [0.42, -0.42])
    >>> model.score(X)
    0.5
    """

    def __init__(self, *, ties: str = "half", home: bool = False, prior: str = "none", prior_mean: float = 0.0,
                 prior_precision: float = 0.0, prior_shape: float = 0.0, prior_rate: float = 0.0,
                 prior_games: float = 0.0, variance: str = "fisher") -> None:
        self.ties = ties
        self.home = home
        self.prior = prior
        self.prior_mean = prior_mean
        self.prior_precision = prior_precision
        self.prior_shape = prior_shape
        self.prior_rate = prior_rate
        self.prior_games = prior_games
        self.variance = variance

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "BradleyTerry":
        """Fits.

        Parameters
        ----------
        X : array-like, [M,2]
            Left and right item of each comparison.
        y : array-like of reals in [0,1], [M], optional
            What the left item took: 1 a win, 0 a loss, 0.5 a tie. None: the left item won all.
        sample_weight : array-like, [M], optional
        """
        pairs = self._pairs(X, reset=True)
        outcome = None if y is None else np.asarray(y, np.float64)
        self.items_, numbers = np.unique(pairs, return_inverse=True)
        numbers = numbers.reshape(pairs.shape)
        options = {name: getattr(self, name) for name in self.get_params()}
        self.fit_ = bt_fit(numbers[:, 0], numbers[:, 1], outcome=outcome,
                           weight=None if sample_weight is None else np.asarray(sample_weight, np.float64),
                           n_items=len(self.items_), **options).raise_for_status()
        self.strength_, self.se_ = self.fit_.strength, self.fit_.se
        self.tie_, self.home_ = self.fit_.tie, self.fit_.home
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """[M]: strength of the left item minus that of the right one, and the advantage."""
        check_is_fitted(self)
        pairs = self._pairs(X, reset=False)
        place = np.minimum(np.searchsorted(self.items_, pairs), len(self.items_) - 1)
        unknown = self.items_[place] != pairs
        if unknown.any():
            row, column = np.argwhere(unknown)[0]
            raise ValueError(f"X[{row}, {column}] = '{pairs[row, column]}' is none of the items that were fitted")
        return self.strength_[place[:, 0]] - self.strength_[place[:, 1]] + self.home_

    def predict_proba(self, X: Any) -> np.ndarray:
        """[M,2]: points that right and left take on average, a tie being half a point for each."""
        d = self.decision_function(X)
        if self.ties == "davidson":
            left = (np.exp(d / 2) + self.tie_ / 2) / (np.exp(d / 2) + np.exp(-d / 2) + self.tie_)
        elif self.ties == "rao_kupper":
            left = (1 + 1 / (1 + self.tie_ * np.exp(-d)) - 1 / (1 + self.tie_ * np.exp(d))) / 2
        else:
            left = 1 / (1 + np.exp(-d))
        return np.column_stack([1 - left, left])

    def predict(self, X: Any) -> np.ndarray:
        """[M]: 1 where the left item is the likelier winner, 0 where the right one is, 0.5 where neither."""
        return (np.sign(self.decision_function(X)) + 1) / 2

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Share of comparisons whose winner is predicted; ties count half, seen or predicted."""
        outcome = np.ones(len(X)) if y is None else np.asarray(y, np.float64)
        return float(np.average(1 - np.abs(self.predict(X) - outcome), weights=sample_weight))

    def _pairs(self, X: Any, reset: bool) -> np.ndarray:
        pairs = check_array(X, dtype=None, ensure_all_finite=True, estimator=self)
        if pairs.shape[1] != 2:
            raise ValueError(f"X has {pairs.shape[1]} columns, expected 2: the left and the right item")
        if reset:
            self.n_features_in_ = 2
        return pairs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.categorical, tags.input_tags.string = False, True, True
        tags.target_tags.required = False
        return tags


class PreferenceReward(ClassifierMixin, BaseEstimator):
    """A linear reward r(x) = coef . x, from pairs: P(left beats right) = 1 / (1 + exp(r(right) - r(left))).

    Parameters
    ----------
    l2 : float
        1/2 l2 coef^2 is added to the objective.
    fit_intercept : bool
        The left side has an advantage (position bias), fitted too and not shrunk.

    Attributes
    ----------
    coef_ : ndarray of F64, [D]
    intercept_ : float
    se_ : ndarray of F64, [D]
        Standard errors of coef_.
    classes_ : ndarray, [2]
        The second is a win of the left side.
    fit_ : libalign.RewardFit

    Notes
    -----
    X is [M,D]: features of the left answer minus those of the right one. ``reward`` takes features of single answers.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 3))
    >>> y = rng.random(400) < 1 / (1 + np.exp(-X @ [2.0, -1.0, 0.0]))
    >>> model = PreferenceReward(l2=1.0).fit(X, y)
    >>> model.score(X, y) > 0.75, model.reward([[1.0, 0.0, 0.0]]).shape
    (True, (1,))
    """

    def __init__(self, *, l2: float = 1.0, fit_intercept: bool = False) -> None:
        self.l2 = l2
        self.fit_intercept = fit_intercept

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "PreferenceReward":
        """Fits.

        Parameters
        ----------
        X : array-like of reals, [M,D]
            Differences of features, left minus right.
        y : array-like of two classes, [M]
            The greater one says that the left side won.
        sample_weight : array-like, [M], optional
        """
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], order="C")
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        self.classes_, won = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("y holds 1 class, expected 2")
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
        if weight is not None and len(np.unique(won[weight > 0])) < 2:
            raise ValueError("y holds 1 class where sample_weight is above 0, expected 2")
        wide = np.column_stack([X, np.ones(len(X), X.dtype)]) if self.fit_intercept else X
        each = np.full(wide.shape[1], float(self.l2))
        if self.fit_intercept:
            each[-1] = 0
        self.fit_ = reward_fit(wide, np.broadcast_to(np.zeros(wide.shape[1], wide.dtype), wide.shape),
                               prob=won.astype(np.float64), weight=weight, l2_each=each).raise_for_status()
        size = X.shape[1]
        self.coef_, self.se_ = self.fit_.coef[:size], self.fit_.se[:size]
        self.intercept_ = float(self.fit_.coef[size]) if self.fit_intercept else 0.0
        return self

    def reward(self, features: Any) -> np.ndarray:
        """[R]: rewards of single answers, from their features, [R,D]."""
        check_is_fitted(self)
        return validate_data(self, features, dtype=[np.float64, np.float32], reset=False) @ self.coef_

    def decision_function(self, X: Any) -> np.ndarray:
        """[M]: reward of the left answer minus that of the right one, and the advantage."""
        return self.reward(X) + self.intercept_

    def predict_proba(self, X: Any) -> np.ndarray:
        """[M,2]: probability that the right and that the left answer wins."""
        d = self.decision_function(X)
        e = np.exp(-np.abs(d))
        left = np.where(d >= 0, 1, e) / (1 + e)
        return np.column_stack([1 - left, left])

    def predict(self, X: Any) -> np.ndarray:
        """[M]: the class of the likelier winner."""
        check_is_fitted(self)
        return self.classes_[(self.decision_function(X) > 0).astype(int)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
