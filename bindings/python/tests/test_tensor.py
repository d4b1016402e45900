"""What becomes of arrays: layouts, dtypes, DLPack, and what is refused."""
import ctypes

import libalign as la
import numpy as np
import pytest
from libalign import _abi, _tensor

RNG = np.random.default_rng(7)
SCORE, REF = RNG.normal(size=(5, 2)), RNG.normal(size=(5, 2))


class Lender:
    """An array that is known by DLPack alone, on a device of choice."""

    def __init__(self, array, device=(1, 0)):
        self.array, self.device = array, device

    def __dlpack__(self, **how):
        if how:
            raise TypeError("an old producer")
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return self.device


class Versioned:
    """A producer of DLPack 1.0, made by hand."""

    def __init__(self, array, read_only=False, major=1, strides=True):
        self.array = array
        self.managed = m = _tensor._Versioned(major=major, minor=1, flags=int(read_only))
        m.tensor.data, m.tensor.device_type, m.tensor.ndim = array.ctypes.data - 8, 1, array.ndim
        m.tensor.code, m.tensor.bits, m.tensor.lanes, m.tensor.byte_offset = 2, 64, 1, 8
        self.shape = (ctypes.c_int64 * 3)(*array.shape)
        self.strides = (ctypes.c_int64 * 3)(*(step // 8 for step in array.strides))
        m.tensor.shape = self.shape
        if strides:
            m.tensor.strides = self.strides

    def __dlpack__(self, max_version):
        assert max_version == (1, 1)
        make = ctypes.pythonapi.PyCapsule_New
        make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
        return make(ctypes.addressof(self.managed), b"dltensor_versioned", None)


def value(score):
    return la.loss("dpo", score, ref=REF).value


@pytest.mark.parametrize("array", [
    np.asfortranarray(SCORE), SCORE[::-1][::-1], np.repeat(SCORE, 3, axis=0)[::3], SCORE.astype(object).astype(float),
    Lender(SCORE), Versioned(SCORE), Versioned(SCORE, strides=False), Versioned(SCORE, read_only=True), SCORE.tolist()],
    ids=["fortran", "turned", "strided", "copied", "dlpack", "dlpack1", "dlpack1 compact", "dlpack1 read-only", "list"])
def test_same_numbers_same_answer(array):
    assert value(array) == value(SCORE)


def test_negative_and_zero_strides():
    assert value(SCORE[::-1]) != value(SCORE)
    assert la.loss("dpo", SCORE[::-1], ref=REF[::-1]).value == pytest.approx(value(SCORE), rel=1e-15)
    assert la.loss("dpo", SCORE, weight=np.broadcast_to(2.0, 5)).value == pytest.approx(2 * la.loss("dpo", SCORE).value)


@pytest.mark.parametrize("dtype, error", [("f4", 1e-6), ("f2", 2e-3)])
def test_dtypes(dtype, error):
    narrow = SCORE.astype(dtype)
    assert value(narrow) == value(narrow.astype(float))
    assert value(narrow) == pytest.approx(value(SCORE), rel=error)
    assert la.loss("dpo", narrow).dscore.dtype == np.float32


def test_bf16_through_ml_dtypes_and_dlpack():
    class Bf16Dtype:
        """Stands for ml_dtypes.bfloat16, which Debian does not have: known by its name."""
        name = "bfloat16"
    assert _tensor.dtype_code(Bf16Dtype(), "score") == _abi.ALIGN_BF16
    halves = (SCORE.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    lent = Versioned(SCORE)
    lent.managed.tensor.data, lent.managed.tensor.byte_offset = halves.ctypes.data, 0
    lent.managed.tensor.code, lent.managed.tensor.bits = 4, 16
    assert value(lent) == value((halves.astype(np.uint32) << 16).view(np.float32))


@pytest.mark.parametrize("array, kind, words", [
    (Lender(SCORE, (2, 1)), "LayoutError", "score is on device CUDA:1; libalign reads memory of the host"),
    (Lender(SCORE, (10, 0)), "LayoutError", "ROCm:0"),
    (Versioned(SCORE, major=2), "LayoutError", "DLPack 2"),
    (SCORE.astype(complex), "DtypeError", "dtype complex128 is not known to libalign"),
    (SCORE.astype(">f8"), "DtypeError", "dtype >f8"),
    (np.zeros(5, "u1, f8")["f1"], "LayoutError", "not whole elements of 8 bytes"),
    (np.zeros((2, 2, 2, 2)), "ShapeError", "4 dimensions"),
    (1.0, "ShapeError", "0 dimensions"),
    ([["a", "b"]], "DtypeError", "list is no tensor of numbers"),
    (SCORE.astype(np.int64), "DtypeError", "score"),
    (np.zeros((5, 3)), "ShapeError", "score")])
def test_refused(array, kind, words):
    with pytest.raises(getattr(la.errors, kind)) as caught:
        la.loss("dpo", array)
    assert words in str(caught.value)
    assert caught.value.field == "score"


def test_pinned_memory_is_the_hosts():
    lent = Lender(SCORE, (3, 0))
    assert value(lent) == value(SCORE)


def test_read_only_outputs_are_refused():
    logits, target = np.zeros((2, 3)), [0, 1]
    out = np.zeros((2, 3))
    out.flags.writeable = False
    for destination in (out, Versioned(np.zeros((2, 3)), read_only=True)):
        with pytest.raises(la.errors.LayoutError, match="dlogits is read-only and would be written"):
            la.head(logits=logits, target=target).backward([1.0], dlogits=destination)
    with pytest.raises(la.errors.DtypeError, match="no tensor to write to"):
        la.head(logits=logits, target=target).backward([1.0], dlogits=[[0.0] * 3] * 2)
    written = Versioned(np.full((2, 3), 7.0))
    la.head(logits=logits, target=target).backward([1.0], dlogits=written)
    assert written.array[0].tolist() == pytest.approx([2 / 3, -1 / 3, -1 / 3])


def test_a_producer_that_refuses_is_named():
    class Gradients:
        def __dlpack__(self, **_):
            raise BufferError("tensor that requires gradient")
    with pytest.raises(la.errors.LayoutError, match="does not lend its memory: tensor that requires gradient"):
        la.loss("dpo", Gradients())
