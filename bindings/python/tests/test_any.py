"""Functions of the C interface by their names: each is called, and answers what its formula says."""
import ctypes
import pathlib
import re

import libalign as la
import numpy as np
import pytest
from libalign import _abi, _any

ROOT = pathlib.Path(__file__).resolve().parents[3]
PACKAGE = pathlib.Path(_any.__file__).parent
RNG = np.random.default_rng(11)

# What a caller in Python has no use for.
NOT_CALLED = {
    "1d": "tensors are made of arrays", "2d": "tensors are made of arrays", "3d": "tensors are made of arrays",
    "dtype_bytes": "dtypes are NumPy's", "error_init": "exceptions", "exec_init": "each thread has its own",
}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---- reach -------------------------------------------------------------------------------------

def test_every_function_is_called_somewhere():
    sources = "\n".join(path.read_text() for path in [*PACKAGE.glob("*.py"), *pathlib.Path(__file__).parent.glob("*.py")]
                        if path.name != "_abi.py")
    missing = [name for name in la.functions() if name not in NOT_CALLED and not name.endswith(("_init", "_scratch"))
               and not re.search(rf'lib\.align_{name}\b|call\("{name}"', sources)]
    assert missing == []
    assert set(NOT_CALLED) <= set(la.functions())


def test_scratch_is_found_for_every_function_that_has_one():
    found = {function.__name__ for name in la.functions() for function in [
        _any._scratch_of("align_" + name, list(_abi.FUNCTIONS["align_" + name][1:]))] if function}
    assert found == {name for name in _abi.FUNCTIONS if name.endswith("_scratch")}


def declared():
    """Each tensor field of the headers with its comment."""
    for header in (ROOT / "include/libalign").glob("*.h"):
        for name, body in re.findall(r"^typedef struct (align_\w+) \{\n(.*?)^\} \1;", header.read_text(), re.M | re.S):
            for comment, fields, after in re.findall(
                    r"(/\*(?:(?!\*/).)*\*/)?\s*\balign_tensor\s+([\w\s,]+);((?:[ \t]*(?:/\*(?:(?!\*/).)*\*/))?)", body, re.S):
                for field in re.split(r"[\s,]+", fields.strip()):
                    yield name, field, after.strip() or comment


def test_outputs_are_those_of_the_headers():
    """A comment that says out says so at its beginning; head.h and loss.h say it by sections."""
    seen = 0
    for name, field, comment in declared():
        if re.match(r"/\*\s*(In and out|in and out|Out|out)\b", comment):
            assert field in _any.WRITTEN[name], f"{name}.{field}"
            seen += 1
    assert seen > 50
    for name, fields in _any.WRITTEN.items():
        assert all(dict(getattr(_abi, name)._fields_)[field] is _abi.align_tensor for field in fields)


def test_structs_begin_with_their_defaults():
    for name in la.functions():
        types = _abi.FUNCTIONS["align_" + name][1:]
        if name.endswith("_init") and len(types) == 2 and types[1] is ctypes.c_size_t:
            made = la.struct(name[:-len("_init")])
            assert made.size == ctypes.sizeof(made._kind)


# ---- what is wrong -----------------------------------------------------------------------------

@pytest.mark.parametrize("error, field, index, value, work", [
    (la.errors.ArgumentError, "name", None, 0, lambda: la.call("nothing")),
    (la.errors.ArgumentError, "name", None, 0, lambda: la.struct("nothing")),
    (la.errors.ArgumentError, "arguments", None, 0, lambda: la.call("norm_ring_update", reward=[1.0])),
    (la.errors.ArgumentError, "no_field", None, 0, lambda: la.struct("dense_args", no_field=1)),
    (la.errors.ArgumentError, "size", None, 0, lambda: la.struct("dense_args", size=1)),
    (la.errors.ArgumentError, "kind", None, 0, lambda: la.struct("reward_ensemble_args", kind="BEST_OF_ALL")),
    (la.errors.ArgumentError, "beta", None, 0, lambda: la.struct("renorm_args", beta=[1.0])),
    (la.errors.ArgumentError, "start", None, 0, lambda: la.struct("norm_params", 12345)),
    (la.errors.RangeError, "sign", 1, 3, lambda: la.call("followup_eval", logp=np.zeros((1, 2, 3)), sign=[1, 3],
                                                      reward=np.empty(1))),
])
def test_bad_calls(error, field, index, value, work):
    with pytest.raises(error) as caught:
        work()
    assert (caught.value.field, caught.value.index, caught.value.value) == (field, index, value)


def test_read_only_outputs_are_refused():
    value = np.empty(1)
    value.flags.writeable = False
    with pytest.raises(la.errors.LayoutError, match="value is read-only and would be written"):
        la.call("reward_ensemble_eval", reward=[[1.0]], value=value)
    frozen = np.ones((2, 1))
    frozen.flags.writeable = False
    out = np.empty(1)
    la.call("reward_ensemble_eval", reward=frozen, value=out)
    assert out[0] == 1


# ---- answers -----------------------------------------------------------------------------------

def test_step_run_is_head_and_loss():
    logits, target = RNG.normal(size=(4, 7, 20)), RNG.integers(0, 20, (4, 7))
    tokens = la.struct("tokens", target=target)
    logp, dlogp, dlogits, value = np.empty(4), np.empty(4), np.empty_like(logits), np.empty(1)
    policy = la.struct("head", tokens=tokens, logits=logits, logp=logp, lse=np.empty((4, 7)), token_logp=np.empty((4, 7)),
                       dlogp=dlogp, dlogits=dlogits)
    params = la.struct("loss_params", "LOSS_IPO", None, beta=0.3)
    losses = [la.struct("loss_args", loss="LOSS_IPO", params=params, score=logp.reshape(2, 2), ref=np.full((2, 2), -20.0),
                        value=value, dscore=dlogp.reshape(2, 2))]
    la.call("step_run", policy=policy, losses=losses)
    h = la.head(logits=logits, target=target)
    r = la.loss("ipo", h.logp.reshape(2, 2), ref=np.full((2, 2), -20.0), beta=0.3)
    assert value[0] == r.value
    np.testing.assert_array_equal(dlogits, h.backward(r.dscore.ravel()))


def test_counts_stream_and_are_saved():
    first, second = RNG.integers(0, 5, 400), RNG.integers(5, 9, 400)
    flip = RNG.random(400) < 0.4
    winner, loser = np.where(flip, second, first), np.where(flip, first, second)
    memory = np.empty(la.call("bt_counts_get_bytes", 9, 81), np.uint8)
    counts = la.struct("bt_counts", memory, memory.nbytes, 9)
    for part in (slice(0, 150), slice(150, 400)):
        la.call("bt_counts_update", counts, first=winner[part], second=loser[part])
    assert counts.rows == 400
    saved, length = np.empty(20000, np.uint8), ctypes.c_size_t()
    la.call("bt_counts_save", counts, saved, saved.nbytes, ctypes.byref(length))
    of_bytes = la.struct("bt_counts")
    la.call("bt_counts_get_saved", saved, length.value, of_bytes)
    assert (of_bytes.n_items, of_bytes.rows) == (9, 400)
    again, other = np.empty(memory.nbytes, np.uint8), np.empty(memory.nbytes, np.uint8)
    loaded, merged = la.struct("bt_counts", again, again.nbytes, 9), la.struct("bt_counts", other, other.nbytes, 9)
    la.call("bt_counts_load", loaded, saved, length.value)
    la.call("bt_counts_merge", merged, loaded)
    larger = np.empty(2 * memory.nbytes, np.uint8)
    la.call("bt_counts_grow", merged, larger, larger.nbytes)
    expected = la.bt_fit(winner, loser).strength
    for made in (counts, loaded, merged):
        strength = np.empty(9)
        fit = la.call("bt_fit", counts=made, n_items=9, strength=strength)
        np.testing.assert_array_equal(strength, expected)
        assert fit.existence == _abi.ALIGN_BT_FINITE


def test_ballots_are_rankings_summed():
    items = np.concatenate([RNG.permutation(5)[:3] for _ in range(300)]).astype(np.int64)
    offsets = np.arange(301) * 3
    memory = np.empty(la.call("bt_ballots_get_bytes", 5, 60, 180), np.uint8)
    ballots = la.struct("bt_ballots", memory, memory.nbytes, 5)
    la.call("bt_ballots_update", ballots, offsets=offsets, item=items)
    assert (ballots.rows, ballots.longest) == (300, 3) and ballots.rankings <= 60
    saved, length = np.empty(20000, np.uint8), ctypes.c_size_t()
    la.call("bt_ballots_save", ballots, saved, saved.nbytes, ctypes.byref(length))
    of_bytes = la.struct("bt_ballots")
    la.call("bt_ballots_get_saved", saved, length.value, of_bytes)
    assert (of_bytes.entries, of_bytes.rows) == (ballots.entries, 300)
    again, larger = np.empty(memory.nbytes, np.uint8), np.empty(2 * memory.nbytes, np.uint8)
    merged = la.struct("bt_ballots", again, again.nbytes, 5)
    la.call("bt_ballots_load", merged, saved, length.value)
    la.call("bt_ballots_grow", merged, larger, larger.nbytes)
    la.call("bt_ballots_merge", merged, ballots)
    assert (merged.rows, merged.rankings) == (600, ballots.rankings)
    found, expected = np.empty(5), np.empty(5)
    la.call("bt_fit", ballots=merged, n_items=5, strength=found)
    la.call("bt_fit", rankings=la.struct("bt_rankings", offsets=offsets, item=items), n_items=5, strength=expected)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_counts_of_clusters_give_clustered_errors():
    first, second, cluster = RNG.integers(0, 3, 200), RNG.integers(3, 6, 200), RNG.integers(0, 8, 200)
    outcome = RNG.random(200).round()
    kept = []

    def counts(rows):
        memory = np.empty(la.call("bt_counts_get_bytes", 6, 36), np.uint8)
        made = la.struct("bt_counts", memory, memory.nbytes, 6)
        la.call("bt_counts_update", made, first=first[rows], second=second[rows], outcome=outcome[rows])
        kept.append(memory)
        return made

    found, expected = np.empty(6), np.empty(6)
    shared = {"n_items": 6, "variance": "BT_CLUSTER", "n_clusters": 8}
    la.call("bt_fit", counts=counts(slice(None)), cluster_counts=[counts(cluster == k) for k in range(8)], se=found,
            strength=np.empty(6), **shared)
    rows = la.struct("bt_rows", first=first, second=second, outcome=outcome, cluster=cluster)
    la.call("bt_fit", rows=rows, se=expected, strength=np.empty(6), **shared)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_elo():
    rating, expected = np.full(3, 1000.0), np.full(3, 1000.0)
    games = [(0, 1, 1.0), (1, 2, 0.5), (2, 0, 0.0)]
    for i, j, outcome in games:
        change = 32 * (outcome - 1 / (1 + 10 ** ((expected[j] - expected[i]) / 400)))
        expected[i] += change
        expected[j] -= change
    i, j, outcome = zip(*games)
    la.call("bt_elo_update", rows=la.struct("bt_rows", first=list(i), second=list(j), outcome=list(outcome)), k=32.0,
            rating=rating)
    np.testing.assert_allclose(rating, expected, rtol=1e-14)


def test_rankings():
    """Of three items, each best once more often than the next: the closed form of Plackett and Luce for first places."""
    item = [[0, 1], [0, 1], [1, 0]]
    rankings = la.struct("bt_rankings", offsets=[0, 2, 4, 6], item=[i for row in item for i in row])
    strength = np.empty(2)
    la.call("bt_fit", rankings=rankings, n_items=2, strength=strength)
    assert strength[0] - strength[1] == pytest.approx(np.log(2), rel=1e-9)


def test_dense_rewards():
    source = la.struct("dense_source", value=[2.0, -1.0], weight=3.0, bias=0.5)
    logp, ref = RNG.normal(size=(2, 4)), RNG.normal(size=(2, 4))
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool)
    r = la.call("dense_eval", sources=[source], mask=mask, kl_kind="KL_K2", logp=logp, ref=ref, beta=0.2,
                reward=np.empty((2, 4)), sequence_kl=np.empty(2))
    kl = (logp - ref) ** 2 / 2 * mask
    expected = -0.2 * kl
    expected[0, 2] += 3 * (2 + 0.5)
    expected[1, 1] += 3 * (-1 + 0.5)
    np.testing.assert_allclose(r.reward, expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(r.sequence_kl, kl.sum(1), rtol=1e-13)


def test_controllers():
    kl = la.struct("kl_controller", target=6.0, horizon=100.0)
    la.call("kl_controller_update", kl, 9.0, 10)
    assert kl.beta == pytest.approx(0.2 * (1 + 0.2 * 10 / 100), rel=1e-14)
    lagrange = la.struct("lagrange", multiplier=1.0, rate=0.1, bound=0.5)
    la.call("lagrange_update", lagrange, 2.5)
    assert lagrange.multiplier == pytest.approx(1.0 + 0.1 * (2.5 - 0.5), rel=1e-14)


def test_pipeline():
    group = la.struct("norm_params", "NORM_CENTER")
    pipeline = la.struct("pipeline", step=["PIPELINE_GROUP", "PIPELINE_BROADCAST"], group=group)
    r = la.call("pipeline_eval", pipeline=pipeline, score=[1.0, 3.0, 10.0, 20.0], group_size=2, mask=np.ones((4, 2), bool),
                shaped=np.empty(4), advantage=np.empty((4, 2)))
    assert r.shaped.tolist() == [-1, 1, -5, 5] and r.advantage.tolist() == [[-1, -1], [1, 1], [-5, -5], [5, 5]]


def test_pipelines_of_trainers():
    pipeline, params = la.struct("pipeline"), (_abi.align_norm_params * 3)()
    for one in params:
        one.size = ctypes.sizeof(one)
    assert la.call("pipeline_preset_get", "nemo_rl_grpo", pipeline, params) == 0
    r = la.call("pipeline_eval", pipeline=pipeline, score=[1.0, 1.0, 4.0], group_size=3, mask=np.ones((3, 1), bool),
                shaped=np.empty(3), advantage=np.empty((3, 1)))
    assert (np.sign(r.shaped) == [-1, -1, 1]).all()
    assert la.call("pipeline_preset_get", "nobody", pipeline, params) != 0


def test_process_rewards():
    r = la.call("renorm_eval", score=[1.0, 2.0, 4.0], most=[4.0, 4.0, 4.0], offsets=[0, 2, 3], outcome=[1.0, 0.0],
                reward=np.empty(3))
    assert r.reward.tolist() == [0.25, 1, 0]
    r = la.call("progress_eval", prover=[0.5, 0.25, 1.0], offsets=[0, 3], advantage=np.empty(3))
    assert r.advantage[2] - 0.75 == pytest.approx(0, abs=1e-15)
    logp, sign = RNG.normal(size=(2, 3, 4)), np.array([1, -1, 1])
    r = la.call("followup_eval", logp=logp, sign=sign, reward=np.empty(2))
    q = logp.mean(2)
    np.testing.assert_allclose(r.reward, (q[:, 0] + q[:, 2]) / 2 - q[:, 1], rtol=1e-13)
    r = la.call("claims_eval", accept=[0.9, 0.2, 0.5], reject=[0.1, 0.8, 0.5], offsets=[0, 2, 3], reward=np.empty(2))
    assert r.reward.tolist() == [-1, -1]
    r = la.call("aspects_eval", rating=[[5.0, 3.0], [1.0, 2.0]], score=np.empty(2), chosen=[0], rejected=[1],
                margin=np.empty(1))
    assert r.score.tolist() == [4, 1.5]


def test_norm_of_a_window():
    norm, value = la.Norm(), np.empty(3)
    ring = la.struct("norm_ring", value=value)
    la.call("norm_ring_update", norm, ring, reward=[1.0, 2.0, 4.0, 9.0])
    assert (norm.count, norm.mean, ring.filled) == (3, 5.0, 3)


def test_popart_keeps_what_a_layer_says():
    weight, bias, x = RNG.normal(size=(2, 3)), RNG.normal(size=2), RNG.normal(size=3)
    before = (weight @ x + bias) * 2.0 + 1.0
    la.call("popart_apply", mean=1.0, deviation=2.0, new_mean=-3.0, new_deviation=0.5, weight=weight, bias=bias)
    np.testing.assert_allclose((weight @ x + bias) * 0.5 - 3.0, before, rtol=1e-13)


def test_labels_and_weights():
    r = la.call("loss_labels_apply", rank=[[0, 2, 1]], label=np.empty((1, 3)))
    assert np.argsort(-r.label[0]).tolist() == [0, 2, 1]
    target = np.array([[3, 1, 2, 0], [1, 2, -100, -100]])
    r = la.call("token_weights_apply", tokens=la.struct("tokens", target=target), kind="TOKEN_WEIGHTS_LD", alpha=0.5,
                weight=np.empty((2, 4)))
    assert r.weight.tolist() == [[1, 1, 0.5, 0.5], [1, 1, 0, 0]]
    logp, collision = -np.abs(RNG.normal(size=8)), -np.abs(RNG.normal(size=8)) - 1
    r = la.call("wpo_apply", tokens=la.struct("tokens", target=np.zeros((2, 4), np.int64)), token_logp=logp,
                collision=collision, most=np.inf, weight=np.empty(1))
    assert r.weight[0] == pytest.approx(np.exp((logp - collision).reshape(2, 4).mean(1).sum()), rel=1e-12)


def test_reward_tools():
    first, second = RNG.normal(size=50), RNG.normal(size=50)
    r = la.call("reward_calibration_update", first=first, second=second, totals=np.zeros(5), bins=np.zeros((4, 3)))
    p = sigmoid(first - second)
    np.testing.assert_allclose(r.totals, [50, ((1 - p) ** 2).sum(), -np.log(p).sum(), 50, (first > second).sum()], rtol=1e-12)
    assert r.bins[:, 0].tolist() == np.histogram(p, [0, 0.25, 0.5, 0.75, 1])[0].tolist()

    rewards = RNG.normal(size=(4, 6))
    r = la.call("reward_strength_eval", first=rewards, mean=np.empty(6), deviation=np.empty(6))
    np.testing.assert_allclose(r.mean, rewards.mean(0), atol=1e-15)
    np.testing.assert_allclose(r.deviation, rewards.std(0), rtol=1e-13)

    estimate, variance = RNG.normal(size=(5, 2)), RNG.random((5, 2)) + 0.1
    r = la.call("reward_pool_fit", estimate=estimate, variance=variance, method="REWARD_POOL_DERSIMONIAN_LAIRD",
                mean=np.empty(2), tau2=np.empty(2))
    w = 1 / variance
    fixed = (w * estimate).sum(0) / w.sum(0)
    q = (w * (estimate - fixed) ** 2).sum(0)
    tau2 = np.maximum(0, (q - 4) / (w.sum(0) - (w ** 2).sum(0) / w.sum(0)))
    np.testing.assert_allclose(r.tau2, tau2, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(r.mean, (estimate / (variance + tau2)).sum(0) / (1 / (variance + tau2)).sum(0), rtol=1e-12)


def test_a_path_chooses_by_what_was_held_out():
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=(2, 300, 3))
    y = (rng.random(300) < sigmoid((a - b) @ [1.0, -0.5, 0.0])).astype(float)
    coef, loss, coefs, l2 = np.zeros(3), np.zeros(3), np.zeros((3, 3)), [100.0, 5.0, 0.1]
    fit = la.struct("reward_args", first=a[:200], second=b[:200], prob=y[:200], coef=coef)
    held = la.struct("reward_args", first=a[200:], second=b[200:], prob=y[200:])
    path = la.call("reward_path_fit", fit=fit, held=held, l2=l2, coef=coefs, loss=loss)
    z = (a - b)[200:] @ coefs.T
    y = y[200:, None]
    assert np.allclose(loss, -np.log(sigmoid(np.where(y == 1, z, -z))).mean(0), atol=1e-12)
    assert path.best == loss.argmin() and fit.l2 == l2[path.best]
    assert np.allclose(coef, la.reward_fit(a[:200], b[:200], prob=fit.prob, l2=fit.l2).coef, atol=1e-9)


def test_slopes_of_annotators():
    features = RNG.normal(size=(300, 2))
    better = RNG.random(300) < sigmoid(features @ [1.0, -0.5])
    first, second = np.where(better[:, None], features, 0), np.where(better[:, None], 0, features)
    coef = la.reward_fit(first, second, l2=1.0).coef
    pairs = la.struct("reward_args", first=first, second=second, coef=coef)
    r = la.call("reward_slopes_fit", pairs=pairs, annotator=np.arange(300) % 3, select=[0], precision=[1.0],
                slope=np.empty((3, 1)), existence=np.empty(3, np.int64))
    assert (r.existence == _abi.ALIGN_REWARD_FINITE).all()
    for annotator in range(3):
        x = (first - second)[annotator::3]
        z = x @ coef + x[:, 0] * r.slope[annotator, 0]
        assert abs((x[:, 0] * sigmoid(-z)).sum() - r.slope[annotator, 0]) < 1e-7
