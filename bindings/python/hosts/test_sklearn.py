"""Estimators: scikit-learn's own checks, and answers of the fits that they stand on."""
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import libalign as la
from libalign.sklearn import BradleyTerry, PreferenceReward

# A check that does not hold, and why. At most 5.
EXCLUDED = {
    "PreferenceReward": {
    },
    "BradleyTerry": {
    },
}


@parametrize_with_checks([PreferenceReward(), PreferenceReward(fit_intercept=True), BradleyTerry()],
                         expected_failed_checks=lambda model: EXCLUDED[type(model).__name__])
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_few_checks_are_excluded():
    assert sum(map(len, EXCLUDED.values())) <= 5


@pytest.fixture(name="pairs")
def pairs_of_answers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 5))
    return x, rng.random(600) < 1 / (1 + np.exp(-(x @ [1.5, -1, 0.5, 0, 0] + 0.4)))


@pytest.mark.parametrize("intercept", [False, True])
def test_preference_reward_is_logistic_regression(pairs, intercept):
    x, y = pairs
    mine = PreferenceReward(l2=0.7, fit_intercept=intercept).fit(x, y)
    theirs = LogisticRegression(C=1 / 0.7, fit_intercept=intercept, tol=1e-12, max_iter=10000).fit(x, y)
    assert np.allclose(mine.coef_, theirs.coef_[0], atol=1e-6)
    assert mine.intercept_ == pytest.approx(float(theirs.intercept_[0]), abs=1e-6)
    assert np.allclose(mine.predict_proba(x), theirs.predict_proba(x), atol=1e-6)


def test_estimators_go_where_estimators_go(pairs):
    x, y = pairs
    search = GridSearchCV(make_pipeline(StandardScaler(with_mean=False), PreferenceReward()),
                          {"preferencereward__l2": [0.1, 10.0]}).fit(x, y)
    assert search.best_score_ > 0.7
    votes = np.array([["a", "b"], ["b", "c"], ["c", "a"], ["b", "a"], ["c", "b"], ["a", "c"]] * 10)
    assert cross_val_score(BradleyTerry(), votes, np.tile([1, 1, 0.5, 0, 1, 1.0], 10)).shape == (5,)


def test_bradley_terry_is_bt_fit():
    votes = np.array([[0, 1], [1, 2], [2, 0], [0, 1], [1, 0]])
    model = BradleyTerry(ties="davidson").fit(votes, [1, 0.5, 1, 1, 0.5], sample_weight=[1, 2, 1, 1, 1])
    fit = la.bt_fit(votes[:, 0], votes[:, 1], outcome=[1, 0.5, 1, 1, 0.5], weight=[1, 2, 1, 1, 1], ties="davidson")
    assert np.array_equal(model.strength_, fit.strength) and model.tie_ == fit.tie
    d = fit.strength[0] - fit.strength[1]
    share = (np.exp(d / 2) + fit.tie / 2) / (np.exp(d / 2) + np.exp(-d / 2) + fit.tie)
    assert model.predict_proba([[0, 1]])[0] == pytest.approx([1 - share, share], abs=1e-15)
    assert model.score([[0, 1], [0, 1]], [1, 0.5]) == 0.75


def test_what_cannot_be_answered_is_an_error():
    with pytest.raises(la.errors.NoSolution):
        BradleyTerry().fit([["a", "b"], ["a", "b"]])
    model = BradleyTerry(prior="ghost", prior_games=1.0).fit([["a", "b"], ["a", "b"]])
    with pytest.raises(ValueError, match=r"X\[0, 1\] = 'z' is none of the items"):
        model.predict([["a", "z"]])
    with pytest.raises(ValueError, match="expected 2"):
        BradleyTerry().fit([["a", "b", "c"]])
