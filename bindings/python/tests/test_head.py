"""Heads through Python against NumPy."""
import libalign as la
import numpy as np
import pytest

RNG = np.random.default_rng(11)
LOGITS = RNG.normal(size=(2, 5, 7)) * 3
TARGET = RNG.integers(0, 7, (2, 5))
MASK = np.array([[1, 1, 0, 1, 1], [0, 1, 1, 1, 0]], bool)
HIDDEN, WEIGHT, BIAS = RNG.normal(size=(2, 5, 3)), RNG.normal(size=(7, 3)), RNG.normal(size=7)
DLOGP = np.array([0.5, -2.0])


def log_softmax(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def gradient(logits):
    return (np.eye(7)[TARGET] - np.exp(log_softmax(logits))) * MASK[..., None] * DLOGP[:, None, None]


def test_dense():
    h = la.head(logits=LOGITS, target=TARGET, mask=MASK, also=["entropy", "hit", "wsum", "collision"])
    logp = log_softmax(LOGITS)
    tokens = np.take_along_axis(logp, TARGET[..., None], -1)[..., 0] * MASK
    np.testing.assert_allclose(h.token_logp, tokens, rtol=1e-12)
    np.testing.assert_allclose(h.logp, tokens.sum(1), rtol=1e-12)
    np.testing.assert_allclose(h.entropy, -(np.exp(logp) * logp).sum(-1) * MASK, rtol=1e-11)
    np.testing.assert_allclose(h.collision, np.log((np.exp(logp) ** 2).sum(-1)) * MASK, rtol=1e-11, atol=1e-15)
    assert h.hit.tolist() == ((LOGITS.argmax(-1) == TARGET) & MASK).tolist()
    assert h.count.tolist() == [4, 3] and h.wsum.tolist() == [4, 3]
    np.testing.assert_allclose(h.backward(DLOGP), gradient(LOGITS), rtol=1e-12, atol=1e-15)


def test_packed_shift_scale_softcap():
    flat, target = LOGITS.reshape(10, 7), TARGET.ravel()
    h = la.head(logits=flat, target=target, offsets=[0, 5, 10], shift=True, scale=0.5, softcap=2.0)
    logp = log_softmax(2 * np.tanh(LOGITS / 4))
    expected = np.take_along_axis(logp[:, :-1], TARGET[:, 1:, None], -1)[..., 0]
    np.testing.assert_allclose(h.logp, expected.sum(1), rtol=1e-12)
    assert la.head(logits=flat, target=target).logp.shape == (1,)


@pytest.mark.parametrize("frozen", [False, True])
def test_linear(frozen):
    logits = HIDDEN @ WEIGHT.T + BIAS
    h = la.head(hidden=HIDDEN, weight=WEIGHT, bias=BIAS, target=TARGET, mask=MASK, frozen=frozen)
    np.testing.assert_allclose(h.logp, la.head(logits=logits, target=TARGET, mask=MASK).logp, rtol=1e-12)
    dhidden, dweight, dbias = h.backward(DLOGP)
    dlogits = gradient(logits)
    np.testing.assert_allclose(dhidden, dlogits @ WEIGHT, rtol=1e-10, atol=1e-14)
    if frozen:
        assert dweight is None and dbias is None
        with pytest.raises(la.errors.ArgumentError, match="dweight is no gradient of this head; it has dhidden"):
            h.backward(DLOGP, dweight=np.zeros((7, 3)))
    else:
        np.testing.assert_allclose(dweight, np.einsum("btv,btd->vd", dlogits, HIDDEN), rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(dbias, dlogits.sum((0, 1)), rtol=1e-10, atol=1e-14)


def test_chosen_gradients_and_accumulation():
    h = la.head(hidden=HIDDEN, weight=WEIGHT, target=TARGET)
    dhidden, dweight = h.backward(DLOGP)
    total = np.ones((7, 3))
    only = h.backward(DLOGP, dhidden=False, dweight=total, add=["dweight"])
    assert only.dhidden is None and only.dweight is total
    np.testing.assert_allclose(total, 1 + dweight, rtol=1e-14)
    with pytest.raises(la.errors.ArgumentError, match="add names dhidden, which is not given"):
        h.backward(DLOGP, add=["dhidden"])


def test_in_place_and_once_only():
    logits = LOGITS.astype(np.float32)
    h = la.head(logits=logits, target=TARGET, mask=MASK)
    with pytest.raises(la.errors.ShapeError):
        h.backward(np.ones(3), dlogits=logits)
    assert h.backward(DLOGP, dlogits=logits) is logits
    np.testing.assert_allclose(logits, gradient(LOGITS.astype(np.float32).astype(float)), rtol=1e-5, atol=1e-7)
    with pytest.raises(la.errors.ArgumentError, match="logits were overwritten"):
        h.backward(DLOGP)


def test_other_results_have_gradients():
    h = la.head(logits=LOGITS, target=TARGET, other=LOGITS[::-1], temperature=2.0, kl_reverse=True, also=["entropy"])
    p, q = log_softmax(LOGITS / 2), log_softmax(LOGITS[::-1] / 2)
    np.testing.assert_allclose(h.kl, (np.exp(p) * (p - q)).sum(-1), rtol=1e-10)
    along = RNG.normal(size=LOGITS.shape)
    weights = RNG.normal(size=(4, 2, 5))
    names = ("token_logp", "entropy", "kl", "lse")

    def total(t):
        g = la.head(logits=LOGITS + t * along, target=TARGET, other=LOGITS[::-1], temperature=2.0, kl_reverse=True,
                    also=["entropy"])
        return sum((w * getattr(g, name)).sum() for w, name in zip(weights, names))

    slope = h.backward(**{"d" + name: w for w, name in zip(weights, names)})
    assert (slope * along).sum() == pytest.approx((total(1e-5) - total(-1e-5)) / 2e-5, rel=1e-7)


def test_a_training_step():
    h = la.head(logits=LOGITS, target=TARGET)
    r = la.loss("dpo", h.logp.reshape(1, 2), ref=[[-9.0, -8.0]], beta=0.1)
    dlogits = h.backward(r.dscore.ravel())
    moved = la.head(logits=LOGITS - dlogits, target=TARGET).logp.reshape(1, 2)
    assert la.loss("dpo", moved, ref=[[-9.0, -8.0]], beta=0.1).value < r.value


def test_errors():
    wrong = TARGET.copy()
    wrong[1, 3] = 9
    with pytest.raises(la.errors.RangeError) as caught:
        la.head(logits=LOGITS, target=wrong)
    assert (caught.value.field, caught.value.index, caught.value.value) == ("target", (1, 3), 9)
    with pytest.raises(la.errors.ArgumentError, match="frozen is for linear heads"):
        la.head(logits=LOGITS, target=TARGET, frozen=True)
    with pytest.raises(la.errors.ArgumentError, match="also = 'kl'"):
        la.head(logits=LOGITS, target=TARGET, also=["kl"])
    with pytest.raises(la.errors.AlignError):
        la.head(target=TARGET)
    with pytest.raises(la.errors.RangeError) as caught:
        la.head(logits=np.where(LOGITS == LOGITS[0, 2, 1], np.nan, LOGITS), target=TARGET, finite=True)
    assert caught.value.index == (0, 2, 1)
