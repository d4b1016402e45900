"""Normalisers, groups, advantages."""
import copy
import pickle

import libalign as la
import numpy as np
import pytest

RNG = np.random.default_rng(2)
REWARD = RNG.normal(size=(4, 8)) * 3 + 1e6


def test_running():
    n = la.Norm()
    for row in REWARD:
        n.update(row)
    assert n.count == 32 and n.mean == pytest.approx(REWARD.mean(), rel=1e-15)
    assert n.deviation == pytest.approx(REWARD.std(ddof=1), rel=1e-9)
    np.testing.assert_allclose(n.apply(REWARD), (REWARD - REWARD.mean()) / (REWARD.std(ddof=1) + 1e-8), rtol=1e-6)
    assert (n.moments.least, n.moments.most) == (REWARD.min(), REWARD.max())


def test_any_order_of_updates_and_merges_gives_the_same_bytes():
    forward, backward = la.Norm(), la.Norm()
    forward.update(REWARD.astype(np.float32))
    for row in REWARD.astype(np.float32)[::-1]:
        part = la.Norm()
        part.update(row[::-1])
        backward.merge(part)
    assert bytes(forward) == bytes(backward) and forward == backward
    for other in (la.Norm.from_bytes(bytes(forward)), pickle.loads(pickle.dumps(forward)), copy.deepcopy(forward)):
        assert other == forward and other.mean == forward.mean
    assert forward != la.Norm()


def test_masks_out_and_gradients():
    n = la.Norm("minmax")
    n.update([1.0, 5.0, 1e9], mask=[True, True, False])
    assert n.moments.most == 5
    rewards = np.array([1.0, 3.0])
    assert n.apply(rewards, out=rewards) is rewards and rewards.tolist() == [0, 0.5]
    assert n.backward([4.0, 8.0], [1.0, 3.0]).tolist() == [1.0, 2.0]


def test_batch_and_groups():
    np.testing.assert_allclose(la.norm_apply(REWARD, ddof=0, eps=0), (REWARD - REWARD.mean()) / REWARD.std(), rtol=1e-6)
    grouped = la.norm_groups(REWARD, "center")
    np.testing.assert_allclose(grouped, REWARD - REWARD.mean(1, keepdims=True), atol=1e-8)
    ragged = la.norm_groups(REWARD.ravel(), "center", offsets=[0, 8, 16, 24, 32])
    assert ragged.tolist() == grouped.ravel().tolist()
    rloo = la.norm_groups(REWARD, preset=("trl", "rloo"))
    others = (REWARD.sum(1, keepdims=True) - REWARD) / 7
    np.testing.assert_allclose(rloo, REWARD - others, rtol=1e-8, atol=1e-8)
    two = la.norm_groups(np.stack([REWARD, 2 * REWARD], -1), "center", weight=[1.0, 0.5])
    np.testing.assert_allclose(two, 2 * grouped, atol=1e-8)


def test_gae():
    reward, value = RNG.normal(size=(2, 3, 6))
    result = la.gae(reward, value, gamma=0.9, lambda_=0.8)
    expected, after, following = np.zeros((3, 6)), np.zeros(3), np.zeros(3)
    for t in reversed(range(6)):
        following = reward[:, t] + 0.9 * after - value[:, t] + 0.72 * following
        expected[:, t], after = following, value[:, t]
    np.testing.assert_allclose(result.advantage, expected, rtol=1e-12)
    np.testing.assert_allclose(result.target, expected + value, rtol=1e-12)
    returns = la.gae(reward, value, kind="return", gamma=0.9).target
    np.testing.assert_allclose(returns[:, 0], reward @ 0.9 ** np.arange(6), rtol=1e-12)


def test_errors():
    n = la.Norm(nan="refuse")
    with pytest.raises(la.errors.RangeError) as caught:
        n.update([[1.0, np.nan]])
    assert (caught.value.field, caught.value.index) == ("reward", (0, 1)) and n.count == 0
    for make, words in ((lambda: la.Norm("zsore"), "expected one of zscore"),
                        (lambda: la.Norm("rank"), "a running normaliser cannot be of kind 'rank'"),
                        (lambda: la.Norm(epsilon=1), "no parameter epsilon"),
                        (lambda: la.Norm(few="one"), "expected one of zero, keep"),
                        (lambda: la.Norm().merge(la.Norm(ddof=0)), "ddof"),
                        (lambda: la.norm_groups(REWARD, preset=("trl", "ppo")), "'trl' has no estimator 'ppo'"),
                        (lambda: la.norm_groups(REWARD, "center", preset=("trl", "grpo")), "not read with a preset"),
                        (lambda: la.gae(REWARD, REWARD, kind="td"), "expected one of gae")):
        with pytest.raises(la.errors.ArgumentError, match=words):
            make()
    with pytest.raises(la.errors.RangeError, match="eps"):
        la.Norm(eps=-1.0)
    with pytest.raises(la.errors.VersionError):
        la.Norm.from_bytes(bytes(400))
    damaged = bytearray(bytes(la.Norm()))
    damaged[60] ^= 1
    with pytest.raises(la.errors.RangeError):
        la.Norm.from_bytes(damaged)
    with pytest.raises(la.errors.RangeError) as caught:
        la.gae([[0.0]], [[0.0]], lambda_=1.5)
    assert (caught.value.field, caught.value.value) == ("lambda_", 1.5)
