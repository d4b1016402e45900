"""Losses through Python against formulas in NumPy, and every row of the table."""
import threading

import libalign as la
import numpy as np
import pytest

RNG = np.random.default_rng(3)
SCORE, REF = RNG.normal(size=(2, 6, 2)) * 5 - 20
LABEL = np.tile([3.0, 1.0], (6, 1))


def softplus(x):
    return np.logaddexp(0, x)


def test_dpo():
    z = 0.3 * ((SCORE - REF) @ [1, -1])
    r = la.loss("dpo", SCORE, ref=REF, beta=0.3)
    assert r.value == pytest.approx(softplus(-z).mean(), rel=1e-14)
    slope = -0.3 / (1 + np.exp(z)) / 6
    np.testing.assert_allclose(r.dscore, np.stack([slope, -slope], 1), rtol=1e-13)
    assert r.metrics["reward_accuracy"] == np.mean(z > 0)
    assert r.metric_sums[0].tolist() == [pytest.approx(softplus(-z).sum()), 6]


def test_groups_by_index_and_offsets_and_masks():
    flat = SCORE.ravel()
    pairs = np.arange(12).reshape(6, 2)
    direct = la.loss("dpo", SCORE, also=["group_value"])
    indexed = la.loss("dpo", flat, index=pairs, also=["group_value"])
    assert indexed.value == direct.value
    assert indexed.dscore.reshape(6, 2).tolist() == direct.dscore.tolist()
    assert indexed.group_value.tolist() == direct.group_value.tolist()
    masked = la.loss("dpo", SCORE, mask=[True, False, True, True, True, True])
    assert masked.value == pytest.approx(np.delete(direct.group_value, 1).mean())
    assert not masked.dscore[1].any()
    lists = la.loss("softmax", flat, label=np.tile([1.0, 0.0], 6), offsets=[0, 2, 6, 12], beta=1.0,
                    also=["group_value"])
    assert lists.group_value[1] == pytest.approx(
        np.log(np.exp(flat[2:6]).sum()) - (flat[2] + flat[4]) / 2)
    assert lists.group_value.shape == (3,) and lists.dscore.shape == (12,)


def test_denom_scale_weight():
    plain = la.loss("dpo", SCORE, denom=1)
    assert plain.value == pytest.approx(6 * la.loss("dpo", SCORE).value)
    assert la.loss("dpo", SCORE, denom=12, scale=3).value == pytest.approx(plain.value / 4)
    assert la.loss("dpo", SCORE, weight=[0, 0, 0, 0, 0, 1]).value == pytest.approx(
        la.loss("dpo", SCORE[5:]).value / 6)


def inputs(info):
    """Legal arguments for a row: what it needs, and labels that differ."""
    shape = {"single": (6,), "pair": (6, 2), "list": (6, 4)}[info.arity]
    rng = np.random.default_rng(info.id)
    given = {"label": (rng.permuted(np.tile(np.arange(shape[-1]) % 2, (6, 1)), axis=1) if len(shape) == 2
                       else rng.integers(0, 2, 6)).astype(float)}
    for name in ("ref", "old"):
        given[name] = rng.normal(size=shape) - 5
    given["count"] = rng.integers(1, 9, shape)
    given["aux"] = rng.random(shape)
    return rng.normal(size=shape) - 5, {name: x for name, x in given.items() if name in info.needs}


@pytest.mark.parametrize("info", la.losses(), ids=lambda info: info.name)
def test_every_row(info):
    score, given = inputs(info)
    r = la.loss(info.name, score, **given)
    assert np.isfinite(r.value) and r.dscore.shape == score.shape and np.isfinite(r.dscore).all()
    assert set(r.metrics) == {metric.name for metric in info.metrics}
    again = la.Loss(info.name, **{param.name + "_": param.default for param in info.params})
    assert again(score, **given).value == r.value
    assert not set(info.params) & {"preset", "also", "gradient", "finite", *given}
    for param in info.params:
        assert param.default in param.choices if param.choices else param.least <= param.default <= param.most


def test_reuse_gives_the_same_and_forgets_what_is_not_given():
    f = la.Loss("dpo", beta=0.3)
    first = f(SCORE, ref=REF)
    kept = first.dscore
    assert f(SCORE).value == la.loss("dpo", SCORE, beta=0.3).value
    assert f(SCORE, ref=REF).value == first.value and f(SCORE, ref=REF).dscore is kept
    other = f(SCORE[:2])
    assert other.dscore.shape == (2, 2) and kept.shape == (6, 2)
    with pytest.raises(la.errors.RangeError):
        f(SCORE, prob=[2.0] * 6)
    assert f(SCORE, ref=REF).value == first.value


def test_long_lists_use_scratch():
    score = RNG.normal(size=(3, 500))
    label = RNG.integers(0, 4, (3, 500)).astype(float)
    whole = la.loss("lipo_lambda", score, label=label, also=["group_value"])
    for g in range(3):
        alone = la.loss("lipo_lambda", score[g:g + 1], label=label[g:g + 1])
        assert alone.value == whole.group_value[g]


def test_parameters():
    assert la.loss("simpo", SCORE, count=np.full((6, 2), 2.0), margin=1.0).value > 0
    by_name = la.loss("dpo", SCORE, divergence="js").value
    assert by_name == la.loss("dpo", SCORE, divergence=2).value != la.loss("dpo", SCORE).value
    assert la.loss("list_mle", SCORE, label=LABEL, preset="p-listmle").value > 0
    assert la.loss("bt_ties_rk", SCORE, label=LABEL).dparam["eta"] != 0
    for call, words, field in (
            (dict(name="dpq"), "there is no loss 'dpq'", "name"),
            (dict(name="dpo", bta=1), "dpo has no parameter bta; it has beta", "bta"),
            (dict(name="dpo", gamma=1), "align_loss_params.gamma is set, and dpo does not read it; it has beta", "gamma"),
            (dict(name="aot", divergence="js"), "and aot sorts policy and reference apart and has no log-ratios; it has",
             "divergence"),
            (dict(name="dpo", size=1), "dpo has no parameter size; it has beta", "size"),
            (dict(name="dpo", divergence="kl"), "expected one of reverse_kl", "divergence"),
            (dict(name="dpo", preset="trl9"), "no preset 'trl9'", "preset"),
            (dict(name="dpo", beta=[1]), "expected a number", "beta"),
            (dict(name="dpo", also=["loss"]), "expected of group_value", "also")):
        with pytest.raises(la.errors.ArgumentError, match=words) as caught:
            la.loss(score=SCORE, **call)
        assert caught.value.field == field


def test_errors_say_what_where_and_which():
    with pytest.raises(la.errors.RangeError) as caught:
        la.loss("dpo", SCORE, beta=-1.0)
    assert (caught.value.field, caught.value.index, caught.value.value) == ("beta", None, -1.0)
    bad = SCORE.copy()
    bad[4, 1] = np.nan
    with pytest.raises(la.errors.RangeError) as caught:
        la.loss("dpo", bad, finite=True)
    assert (caught.value.field, caught.value.index) == ("score", (4, 1)) and np.isnan(caught.value.value)
    assert caught.value.status == la.Status.RANGE and np.isnan(bad[caught.value.index])
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, la.AlignError)
    with pytest.raises(la.errors.ArgumentError) as caught:
        la.loss("dpo", SCORE, label=LABEL)
    assert caught.value.field == "label"
    with pytest.raises(AttributeError, match="hscore was not asked for"):
        la.loss("dpo", SCORE).hscore


def test_threads_keep_their_errors_apart():
    problems = []

    def work(k):
        prob = np.ones(6)
        prob[k % 6] = 2 + k
        for _ in range(200):
            try:
                la.loss("dpo", SCORE, prob=prob)
            except la.AlignError as error:
                if (error.index, error.value) != (k % 6, 2 + k):
                    problems.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_state_of_kto_and_bco():
    u = np.array([1.0, 3.0, -1.0, 2.0])
    state, part = la.LossState("kto", beta=0.5), la.LossState("kto", beta=0.5)
    state.update(u[:2], label=np.ones(2))
    part.update(u[2:] - 7, ref=[-7.0, -7.0], label=np.zeros(2))
    state.merge(part)
    assert state.count[0] == 4
    saved = bytes(state)
    assert state.apply() == pytest.approx(0.5 * u.mean())
    assert la.LossState("kto", beta=0.5).load(saved).apply() == state.apply()
    label = np.array([1.0, 0.0, 0.0, 0.0])
    for form, delta in (("classes", (u[0] + u[1:].mean()) / 2), ("all", u.mean())):
        bco = la.LossState("bco", beta=0.1, form=form)
        bco.update(u, label=label)
        assert bco.apply() == pytest.approx(0.1 * delta)


def test_state_of_beta_dpo():
    state = la.LossState("beta_dpo", beta=0.2, alpha=0.5, momentum=0.0)
    state.update(SCORE, ref=REF)
    assert state.apply() == pytest.approx(0.2)
    state.update(SCORE + [1, 0], ref=REF)
    assert state.apply() == pytest.approx(0.2)
    assert la.loss("beta_dpo", SCORE, ref=REF, beta=state.apply()).value > 0


def test_state_errors():
    for make, words in ((lambda: la.LossState("dpo"), "dpo has no state"),
                        (lambda: la.LossState("kto", alpha=1.0), "kto does not read alpha"),
                        (lambda: la.LossState("bco", form="both"), "expected one of classes, all"),
                        (lambda: la.LossState("kto").load(bytes(128)), None)):
        with pytest.raises(la.errors.ArgumentError if words else la.errors.VersionError, match=words):
            make()
