"""Threads of a pool and reductions over processes: the bits of one thread, and what goes wrong."""
import os
import threading

import libalign as la
import numpy as np
import pytest
from libalign import _abi, _call

RNG = np.random.default_rng(5)
LOGITS = RNG.normal(size=(6, 40, 512)).astype(np.float32)
TARGET = RNG.integers(0, 512, (6, 40))
HIDDEN = RNG.normal(size=(6, 40, 48)).astype(np.float32)
WEIGHT = RNG.normal(size=(512, 48)).astype(np.float32)
SCORE = RNG.normal(size=(30000, 2))
VOTES = RNG.integers(0, 60, (20000, 2))


def bits():
    """The bytes of calls of every kind that have work to share."""
    h = la.head(logits=LOGITS, target=TARGET)
    linear = la.head(hidden=HIDDEN, weight=WEIGHT, target=TARGET)
    dhidden, dweight = linear.backward(np.ones(6))[:2]
    r = la.loss("dpo", SCORE, ref=SCORE[::-1] * 0.5)
    fit = la.bt_fit(VOTES[:, 0], VOTES[:, 1] ^ (VOTES[:, 0] == VOTES[:, 1]))
    return b"".join(np.asarray(x).tobytes() for x in (
        h.logp, h.backward(np.ones(6)), linear.logp, dhidden, dweight, r.value, r.dscore, fit.strength, fit.se))


def test_any_number_of_workers_gives_the_same_bits():
    serial = bits()
    for workers in range(1, 9):
        with la.threads(workers) as used:
            assert used.workers == workers
            assert bool(_call.local.exec.parallel) == (workers > 1)
            assert bits() == serial
    assert not _call.local.exec.parallel and _call.local.exec.workers == 0


def test_tasks_run_on_the_pool():
    """The kernel's count of this process's threads, and the pool's end with its last user."""
    def count():
        return len(os.listdir("/proc/self/task"))
    before = count()
    with la.threads(5):
        assert count() == before + 4
        bits()
        with la.threads(5):
            assert count() == before + 4
        with la.threads(1):
            assert not _call.local.exec.parallel
        assert _call.local.exec.workers == 5
    assert count() == before


def test_threads_of_python_share_a_pool():
    serial, found = bits(), []

    def work():
        with la.threads(3):
            found.append(bits())
    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [serial] * 4


def test_all_cpus():
    with la.threads() as used:
        assert used.workers == len(os.sched_getaffinity(0))


def test_a_child_begins_alone():
    serial = bits()
    with la.threads(3):
        child = os.fork()
        if child == 0:
            alone = not _call.local.exec.parallel and bits() == serial
            with la.threads(2):
                os._exit(0 if alone and bits() == serial else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert bits() == serial


def test_too_many():
    with pytest.raises(la.errors.RangeError) as caught:
        la.threads(1025)
    assert (caught.value.field, caught.value.value) == ("workers", 1025)
    assert not _call.local.exec.parallel


class Ranks:
    """Threads of Python as processes that share a vocabulary."""

    def __init__(self, size):
        self.size, self.parts, self.barrier = size, [None] * size, threading.Barrier(size, timeout=60)

    def reduction(self, rank):
        def reduce(array, op):
            self.parts[rank] = array.copy()
            self.barrier.wait()
            total = np.max(self.parts, 0) if op == "max" else np.sum(self.parts, 0)
            self.barrier.wait()
            array[:] = total
        return reduce

    def run(self, work):
        found = [None] * self.size

        def one(rank):
            with la.all_reduce(self.reduction(rank)):
                found[rank] = work(rank)
        ranks = [threading.Thread(target=one, args=(rank,)) for rank in range(self.size)]
        for rank in ranks:
            rank.start()
        for rank in ranks:
            rank.join()
        return found


def test_a_vocabulary_on_two_processes():
    whole = la.head(logits=LOGITS, target=TARGET)
    dlogits = whole.backward(np.ones(6))

    def work(rank):
        part = slice(256 * rank, 256 * rank + 256)
        logp, lse, token_logp = np.empty(6), np.empty((6, 40)), np.empty((6, 40))
        h = la.struct("head", tokens=la.struct("tokens", target=TARGET), logits=LOGITS[:, :, part], vocab_begin=256 * rank,
                      vocab_total=512, logp=logp, lse=lse, token_logp=token_logp)
        la.call("head_forward", h)
        h.dlogp, h.dlogits = np.ones(6), np.empty((6, 40, 256), np.float32)
        la.call("head_backward", h)
        return logp, h.dlogits
    (logp, left), (other, right) = Ranks(2).run(work)
    np.testing.assert_allclose(logp, whole.logp, rtol=1e-6)
    np.testing.assert_array_equal(logp, other)
    np.testing.assert_allclose(np.concatenate([left, right], -1), dlogits, atol=1e-6)


def test_a_reduction_that_raises():
    def broken(array, op):
        raise ConnectionError("rank 1 is gone")
    with la.all_reduce(broken), pytest.raises(la.errors.CommError) as caught:
        la.call("head_forward", logits=[[0.0, 0.0]], vocab_begin=0, vocab_total=4,
                tokens=la.struct("tokens", target=[1]), logp=np.empty(1))
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert not _call.local.exec.allreduce and _call.local.raised is None


def test_hooks_are_the_prototypes_of_the_headers():
    fields = dict(_abi.align_exec._fields_)
    assert fields["parallel"] is _abi.align_parallel_fn and fields["allreduce"] is _abi.align_allreduce_fn
