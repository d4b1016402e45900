"""Bradley-Terry strengths and linear rewards."""
import sys

import libalign as la
import numpy as np
import pytest

WINNER = np.array([0, 0, 1, 2, 2, 1, 0, 1])
LOSER = np.array([1, 2, 2, 0, 1, 0, 1, 0])


def slope(theta, winner=WINNER, loser=LOSER):
    """Gradient of the log-likelihood."""
    lost = 1 / (1 + np.exp(theta[winner] - theta[loser]))
    return np.bincount(winner, lost, 3) - np.bincount(loser, lost, 3)


def test_bt():
    fit = la.bt_fit(WINNER, LOSER, covariance=True)
    np.testing.assert_allclose(slope(fit.strength), 0, atol=1e-12)
    assert fit.strength.sum() == pytest.approx(0, abs=1e-14)
    np.testing.assert_allclose(fit.se, np.sqrt(np.diag(fit.covariance)))
    assert (fit.status, fit.existence, fit.message) == (la.Status.NONE, "finite", "")
    assert fit.raise_for_status() is fit and fit.iterations > 0 and fit.decrement < 1e-15
    elo = la.bt_fit(WINNER.astype(np.int32), LOSER.astype(np.int32), scale=400 / np.log(10), offset=1000, anchor=2)
    assert elo.strength[2] == 1000
    np.testing.assert_allclose(elo.strength - 1000, (fit.strength - fit.strength[2]) * 400 / np.log(10), rtol=1e-9)


def test_bt_names_ties_draws():
    names = np.array(["zoe", "ann", "bob"])
    plain = la.bt_fit(WINNER, LOSER)
    named = la.bt_fit(names[WINNER], names[LOSER].tolist(), anchor="bob", offset=plain.strength[2])
    assert named.items.tolist() == ["ann", "bob", "zoe"]
    np.testing.assert_allclose(named.strength, plain.strength[[1, 2, 0]], atol=1e-12)
    outcome = np.array([1, .5, 1, 1, .5, 1, 1, .5])
    davidson = la.bt_fit(WINNER, LOSER, outcome=outcome, ties="davidson", draws=5, seed=3)
    assert davidson.tie > 0 and davidson.tie_se > 0 and davidson.draws.shape == (5, 3)
    again = la.bt_fit(WINNER, LOSER, outcome=outcome, ties="davidson", draws=5, seed=3)
    assert again.draws.tolist() == davidson.draws.tolist()
    assert la.bt_fit([0, 1], [1, 0], n_items=4).components == 3


def test_bt_without_a_finite_answer():
    fit = la.bt_fit([0, 0, 1], [1, 2, 2])
    assert (fit.status, fit.existence) == (la.Status.NO_SOLUTION, "separated") and fit.message
    with pytest.raises(la.errors.NoSolution):
        fit.raise_for_status()
    short = la.bt_fit(WINNER, LOSER, weight=np.arange(8) + 1.0, max_iterations=1)
    assert short.status == la.Status.NOT_CONVERGED and short.last_step > 0
    with pytest.raises(la.errors.NotConverged):
        short.raise_for_status()


def test_bt_to_pandas(monkeypatch):
    class Pandas:
        """As much of pandas as the method asks for."""
        class Index(list):
            def __init__(self, items, name):
                super().__init__(items)
                self.name = name

        class DataFrame(dict):
            def __init__(self, columns, index):
                super().__init__(columns)
                self.index = index

            def sort_values(self, by, ascending, kind):
                assert (by, ascending, kind) == ("strength", False, "stable")
                return self

    fit = la.bt_fit(["a", "b", "a"], ["b", "a", "b"])
    try:
        frame = fit.to_pandas()
        assert frame.loc["a", "strength"] == fit.strength[0] and frame.index[0] == "a"
    except ImportError:
        monkeypatch.setitem(sys.modules, "pandas", Pandas)
        frame = fit.to_pandas()
        assert list(frame) == ["strength", "se", "component", "part"] and frame.index == ["a", "b"]


def test_bt_errors():
    with pytest.raises(la.errors.RangeError) as caught:
        la.bt_fit([0, 1, 2], [1, 5, 0], n_items=3)
    assert (caught.value.field, caught.value.index, caught.value.value) == ("loser", 1, 5)
    with pytest.raises(la.errors.RangeError) as caught:
        la.bt_fit(WINNER, LOSER, weight=[1, 1, 1, -2, 1, 1, 1, 1])
    assert (caught.value.field, caught.value.index, caught.value.value) == ("weight", 3, -2)
    with pytest.raises(la.errors.ArgumentError, match="ties = 'elo', expected one of half, davidson, rao_kupper"):
        la.bt_fit(WINNER, LOSER, ties="elo")
    with pytest.raises(la.errors.ArgumentError, match="anchor = 'eve' is none of the items"):
        la.bt_fit(["a"], ["b"], anchor="eve")
    with pytest.raises(la.errors.ArgumentError, match="n_items is not read with names"):
        la.bt_fit(["a"], ["b"], n_items=2)
    with pytest.raises(la.errors.ShapeError, match="loser has shape"):
        la.bt_fit(["a"], ["b", "c"])


def test_reward():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, 400, 3))
    wins = rng.random(400) < 1 / (1 + np.exp((b - a) @ [1.0, -1.0, 0.5]))
    chosen, rejected = np.where(wins[:, None], a, b), np.where(wins[:, None], b, a)
    fit = la.reward_fit(chosen, rejected, l2=1.0, covariance=True)
    away = (chosen - rejected) @ fit.coef
    np.testing.assert_allclose((1 / (1 + np.exp(away))) @ (chosen - rejected), fit.coef, atol=1e-9)
    assert fit.existence == "finite" and fit.accuracy == np.mean(away > 0)
    answers = np.concatenate([chosen, rejected])
    indexed = la.reward_fit(features=answers, index=np.stack([np.arange(400), np.arange(400, 800)], 1), l2=1.0)
    np.testing.assert_allclose(indexed.coef, fit.coef, rtol=1e-9)
    reward, se = fit.predict(answers, se=True)
    np.testing.assert_allclose(reward, answers @ fit.coef, rtol=1e-12)
    np.testing.assert_allclose(se, np.sqrt(np.einsum("rd,de,re->r", answers, fit.covariance, answers)), rtol=1e-9)
    assert la.reward_fit(chosen.astype(np.float32), rejected, l2=1.0, se=False).se is None


def test_reward_separated_and_errors():
    fit = la.reward_fit([[1.0], [2.0]], [[0.0], [0.0]])
    assert (fit.status, fit.existence) == (la.Status.NO_SOLUTION, "separated")
    with pytest.raises(la.errors.NoSolution):
        fit.raise_for_status()
    with pytest.raises(la.errors.RangeError) as caught:
        la.reward_fit([[1.0, 2.0], [1.0, np.inf]], np.zeros((2, 2)), l2=1.0)
    assert (caught.value.field, caught.value.index, caught.value.value) == ("chosen", (1, 1), np.inf)
    with pytest.raises(la.errors.ArgumentError, match="are needed"):
        la.reward_fit()
    with pytest.raises(la.errors.ArgumentError, match="se needs a fit with covariance=True"):
        la.reward_fit([[1.0]], [[0.0]], l2=1.0).predict([[1.0]], se=True)


def test_reward_path():
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=(2, 300, 3))
    prob = (rng.random(300) < 1 / (1 + np.exp((b - a) @ [1.0, -0.5, 0.0]))).astype(float)
    held = {"chosen": a[200:], "rejected": b[200:], "prob": prob[200:]}
    path = la.reward_path(a[:200], b[:200], prob=prob[:200], l2=[100.0, 5.0, 0.1], held=held, covariance=True)
    z = (a - b)[200:] @ path.coef.T
    np.testing.assert_allclose(path.loss, np.log1p(np.exp(np.where(prob[200:, None] == 1, -z, z))).mean(0), rtol=1e-12)
    assert path.best == path.loss.argmin() and path.l2.tolist() == [100.0, 5.0, 0.1]
    alone = la.reward_fit(a[:200], b[:200], prob=prob[:200], l2=path.l2[path.best], covariance=True)
    np.testing.assert_allclose(path.fit.coef, alone.coef, atol=1e-9)
    np.testing.assert_allclose(path.fit.covariance, alone.covariance, rtol=1e-7)
    np.testing.assert_allclose(path.fit.predict(a), a @ alone.coef, atol=1e-8)
    answers, index = np.concatenate([a, b]), np.stack([np.arange(300), np.arange(300, 600)], 1)
    indexed = la.reward_path(features=answers, index=index[:200], prob=prob[:200], l2=[100.0, 5.0, 0.1],
                             held={"features": answers, "index": index[200:], "prob": prob[200:]})
    np.testing.assert_allclose(indexed.coef, path.coef, atol=1e-9)


def test_reward_path_without_an_answer_and_errors():
    pairs = {"chosen": [[1.0], [2.0]], "rejected": [[0.0], [0.0]]}
    path = la.reward_path(**pairs, l2=[0.0], held=pairs)
    assert path.best == -1 and path.fit is None and np.isnan(path.coef).all()
    with pytest.raises(la.errors.RangeError) as caught:
        la.reward_path(**pairs, l2=[1.0, -1.0], held=pairs)
    assert (caught.value.field, caught.value.index) == ("l2", 1)
    with pytest.raises(la.errors.ArgumentError, match="held.labels is none of chosen"):
        la.reward_path(**pairs, l2=[1.0], held={"labels": [1.0]})
    with pytest.raises(la.errors.ArgumentError, match="held.chosen and held.rejected are needed"):
        la.reward_path(**pairs, l2=[1.0], held={})
    with pytest.raises(la.errors.RangeError, match=r"first\[1,0\] = nan"):
        la.reward_path(**pairs, l2=[1.0], held={"chosen": [[1.0], [np.nan]], "rejected": [[0.0], [0.0]]})
