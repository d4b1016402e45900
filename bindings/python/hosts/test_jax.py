"""Arrays of JAX on the host by DLPack, and bf16 of ml_dtypes: the numbers of NumPy, and gradients through JAX."""
import jax
import jax.numpy as jnp
import libalign as la
import ml_dtypes
import numpy as np
import pytest

RNG = np.random.default_rng(3)
SCORE, REF = RNG.normal(size=(6, 2)).astype(np.float32), RNG.normal(size=(6, 2)).astype(np.float32)


def test_arrays_of_jax_are_read_where_they_are():
    score, ref = jnp.asarray(SCORE), jnp.asarray(REF)
    ours, theirs = la.loss("dpo", SCORE, ref=REF), la.loss("dpo", score, ref=ref)
    assert ours.value == theirs.value
    np.testing.assert_array_equal(ours.dscore, theirs.dscore)
    assert la._tensor.view(score, "score").address == score.unsafe_buffer_pointer()


def test_bf16_is_the_same_from_jax_and_from_ml_dtypes():
    narrow = SCORE.astype(ml_dtypes.bfloat16)
    expected = la.loss("dpo", narrow.astype(np.float32), ref=REF).value
    assert la.loss("dpo", narrow, ref=REF).value == expected
    assert la.loss("dpo", jnp.asarray(SCORE, jnp.bfloat16), ref=REF).value == expected
    logits = RNG.normal(size=(2, 3, 32)).astype(ml_dtypes.bfloat16)
    h = la.head(logits=logits, target=[[1, 2, 3], [4, 5, 6]])
    dlogits = np.empty_like(logits)
    assert h.backward([1.0, -1.0], dlogits=dlogits) is dlogits
    exact = la.head(logits=logits.astype(np.float64), target=[[1, 2, 3], [4, 5, 6]]).backward([1.0, -1.0])
    np.testing.assert_allclose(dlogits.astype(np.float64), exact, rtol=2**-8)


def test_what_jax_owns_is_not_written():
    """Arrays of JAX never change, but JAX lends them without saying so."""
    h = la.head(logits=jnp.zeros((2, 8)), target=jnp.asarray([1, 2]))
    out = jnp.zeros((2, 8))
    with pytest.raises(la.errors.LayoutError) as caught:
        h.backward([1.0], dlogits=out)
    assert caught.value.field == "dlogits"
    assert not np.asarray(out).any()


@jax.custom_vjp
def dpo(score, ref):
    return call(score, ref)[0]


def call(score, ref):
    """The loss as an operation of JAX: a callback to the host, also under jit."""
    def on_host(score, ref):
        r = la.loss("dpo", np.asarray(score), ref=np.asarray(ref), beta=0.3)
        return np.float32(r.value), r.dscore.copy()
    shapes = jax.ShapeDtypeStruct((), jnp.float32), jax.ShapeDtypeStruct(score.shape, jnp.float32)
    return jax.pure_callback(on_host, shapes, score, ref)


def forward(score, ref):
    return call(score, ref)


def backward(dscore, dvalue):
    return dvalue * dscore, None


dpo.defvjp(forward, backward)


def test_gradients_through_jax():
    def by_hand(score, ref):
        margin = 0.3 * ((score - ref)[:, 0] - (score - ref)[:, 1])
        return -jax.nn.log_sigmoid(margin).mean()

    def twice(f):
        return lambda weight: 2 * f(jnp.tanh(jnp.asarray(SCORE) * weight), jnp.asarray(REF))
    value, slope = jax.jit(jax.value_and_grad(twice(dpo)))(1.5)
    expected, expected_slope = jax.value_and_grad(twice(by_hand))(1.5)
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    assert float(slope) == pytest.approx(float(expected_slope), rel=1e-4)
