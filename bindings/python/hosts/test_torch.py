"""libalign.torch against finite differences and against PyTorch's own arithmetic, alone and in two processes."""
import os

import numpy as np
import pytest
import torch

import libalign as la
import libalign.torch as lt

F64 = torch.float64


def randn(*shape, seed=0, dtype=F64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("name, inputs, shape", [
    ("dpo", {"ref": randn(5, 2, seed=1)}, (5, 2)),
    ("ipo", {"ref": randn(5, 2, seed=1)}, (5, 2)),
    ("simpo", {"count": torch.tensor([[3.0, 4.0]] * 5)}, (5, 2)),
    ("lipo_lambda", {"label": torch.tensor([[0.1, 0.9, 0.5]] * 4)}, (4, 3)),
    ("list_mle", {"label": torch.tensor([[3.0, 1.0, 2.0]] * 4)}, (4, 3)),
    ("softmax", {"label": torch.tensor([[0.0, 1.0, 0.0]] * 4)}, (4, 3)),
    ("bce", {"label": torch.tensor([0.0, 1.0, 1.0])}, (3,)),
])
def test_losses_pass_gradcheck(name, inputs, shape):
    score = randn(*shape).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: lt.loss(name, s, **inputs), (score,), atol=1e-8)


def test_learnt_parameters_pass_gradcheck():
    module = lt.Loss("bt_ties_davidson", learn=["nu"])
    score = randn(6, 2).requires_grad_()
    label = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]] * 2)

    def value(nu, s):
        return torch.func.functional_call(module, {"nu": nu}, (s,), {"label": label})
    assert torch.autograd.gradcheck(value, (module.nu, score), atol=1e-8)
    assert list(module.state_dict()) == ["nu"]
    with pytest.raises(la.errors.ArgumentError, match="cannot learn beta"):
        lt.Loss("dpo", learn=["beta"])


def test_dpo_is_that_of_torch():
    score, ref = randn(64, 2).requires_grad_(), randn(64, 2, seed=1)
    value = lt.loss("dpo", score, ref=ref, beta=0.3)
    (3 * value).backward()
    mine, score.grad = score.grad.clone(), None
    ratio = score - ref
    theirs = -torch.nn.functional.logsigmoid(0.3 * (ratio[:, 0] - ratio[:, 1])).mean()
    (3 * theirs).backward()
    assert abs(value.item() - theirs.item()) < 1e-15
    assert torch.allclose(mine, score.grad, rtol=0, atol=1e-16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_narrow_scores_get_narrow_gradients(dtype):
    score = randn(8, 2).to(dtype).requires_grad_()
    value = lt.loss("dpo", score, ref=torch.zeros(8, 2, dtype=dtype))
    value.backward()
    assert value.dtype == torch.float32 and score.grad.dtype == dtype
    exact = la.loss("dpo", score.detach().double().numpy(), ref=np.zeros((8, 2)))
    assert np.allclose(score.grad.double().numpy(), exact.dscore, rtol=2 * torch.finfo(dtype).eps)


def test_no_grad_makes_no_gradient_and_double_backward_is_refused():
    score = randn(4, 2).requires_grad_()
    with torch.no_grad():
        assert not lt.loss("dpo", score, ref=torch.zeros(4, 2, dtype=F64)).requires_grad
    module = lt.Loss("dpo")
    module(score.detach(), ref=torch.zeros(4, 2, dtype=F64))
    assert "dscore" not in module._without._arrays
    value = module(score, ref=torch.zeros(4, 2, dtype=F64))
    (grad,) = torch.autograd.grad(value, score, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable|does not require grad"):
        grad.sum().backward()


def test_accumulation_over_micro_batches_is_the_whole_batch():
    score, ref = randn(12, 2).requires_grad_(), randn(12, 2, seed=1)
    lt.loss("dpo", score, ref=ref).backward()
    whole, score.grad = score.grad.clone(), None
    for part in (slice(0, 5), slice(5, 12)):
        lt.loss("dpo", score[part], ref=ref[part], denom=12).backward()
    assert torch.equal(whole, score.grad)


def test_two_forwards_before_their_backwards_do_not_mix():
    module = lt.Loss("dpo", beta=0.5)
    a, b = randn(3, 2).requires_grad_(), randn(3, 2, seed=5).requires_grad_()
    first, second = module(a, ref=torch.zeros(3, 2, dtype=F64)), module(b, ref=torch.zeros(3, 2, dtype=F64))
    (first + second).backward()
    for x in (a, b):
        assert np.array_equal(x.grad.numpy(), la.loss("dpo", x.detach().numpy(), ref=np.zeros((3, 2)), beta=0.5).dscore)


def test_wrong_inputs_name_themselves():
    with pytest.raises(la.errors.RangeError) as caught:
        lt.loss("dpo", torch.zeros(2, 2), prob=torch.tensor([0.5, 1.5]))
    assert (caught.value.field, caught.value.index, caught.value.value) == ("prob", 1, 1.5)
    with pytest.raises(la.errors.ArgumentError, match="reference is no input"):
        lt.Loss("dpo")(torch.zeros(2, 2), reference=torch.zeros(2, 2))
    with pytest.raises(la.errors.LayoutError, match="on meta"):
        lt.head(torch.zeros(1, 2, 3, device="meta"), torch.zeros(1, 2, dtype=torch.long))


# ---- heads -------------------------------------------------------------------------------------

def test_heads_pass_gradcheck():
    target = torch.tensor([[1, 0, -100, 2], [3, 3, 1, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 0, 1, 1]], dtype=torch.uint8)
    logits = randn(2, 4, 5).requires_grad_()
    hidden, weight, bias = randn(2, 4, 3, seed=1), randn(5, 3, seed=2), randn(5, seed=3)

    def dense(x):
        return torch.cat([y.flatten() for y in lt.head(x, target, mask=mask, shift=True, softcap=4.0)])

    def linear(h, w, b):
        return torch.cat([y.flatten() for y in lt.linear_head(h, w, target, bias=b, mask=mask)])
    assert torch.autograd.gradcheck(dense, (logits,), atol=1e-7)
    for needs in ((1, 1, 1), (1, 0, 0), (0, 1, 0), (1, 0, 1)):
        parts = [x.clone().requires_grad_(bool(n)) for x, n in zip((hidden, weight, bias), needs)]
        assert torch.autograd.gradcheck(linear, parts, atol=1e-6), needs


@pytest.mark.parametrize("name", ["dpo", "sigmoid_norm"])
def test_linear_preference_loss_is_logits_and_log_softmax(name):
    hidden, weight = randn(6, 7, 8).requires_grad_(), randn(16, 8, seed=1).requires_grad_()
    target = torch.randint(0, 16, (6, 7), generator=torch.Generator().manual_seed(2))
    target[1, 4:] = -100
    ref = randn(3, 2, seed=3)
    module = lt.LinearPreferenceLoss(name, beta=0.2)
    value = module(hidden, weight, target, ref=ref)
    value.backward()
    mine = hidden.grad.clone(), weight.grad.clone()
    hidden.grad = weight.grad = None
    live = target != -100
    token = torch.log_softmax(hidden @ weight.T, -1).gather(-1, target.clamp(min=0)[..., None])[..., 0]
    logp = (token * live).sum(1)
    ratio = (logp.view(3, 2) - ref) / (live.sum(1).view(3, 2) if name == "sigmoid_norm" else 1)
    theirs = -torch.nn.functional.logsigmoid(0.2 * (ratio[:, 0] - ratio[:, 1])).mean()
    theirs.backward()
    assert abs(value.item() - theirs.item()) < 1e-7
    for a, b in zip(mine, (hidden.grad, weight.grad)):
        assert torch.allclose(a, b, rtol=1e-6, atol=1e-8)


def test_bf16_head_keeps_its_dtype():
    hidden, weight = randn(4, 5, 8).bfloat16().requires_grad_(), randn(16, 8).bfloat16().requires_grad_()
    logp, _ = lt.linear_head(hidden, weight, torch.zeros(4, 5, dtype=torch.long))
    logp.sum().backward()
    assert logp.dtype == torch.float32 and hidden.grad.dtype == weight.grad.dtype == torch.bfloat16


def test_changing_hidden_states_in_place_is_noticed():
    hidden, weight = randn(2, 3, 4).requires_grad_(), randn(5, 4)
    leaf = hidden * 1
    logp, _ = lt.linear_head(leaf, weight.requires_grad_(), torch.zeros(2, 3, dtype=torch.long))
    leaf.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        logp.sum().backward()


# ---- two processes -----------------------------------------------------------------------------

GROUPS = 11


def data():
    return randn(GROUPS, 8, dtype=torch.float32), randn(GROUPS, 2, seed=1, dtype=torch.float32)


def model():
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))


def worker(rank, port, folder):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    x, ref = data()
    mine = slice(0, 4) if rank == 0 else slice(4, GROUPS)
    parallel = torch.nn.parallel.DistributedDataParallel(model())
    module = lt.Loss("dpo", beta=0.5)
    module(parallel(x[mine]), ref=ref[mine], denom=lt.mean_denom(len(x[mine]))).backward()
    norm = la.Norm()
    norm.update(x[mine].flatten().numpy())
    torch.save({"gradient": [p.grad for p in parallel.parameters()], "metrics": lt.sum_metrics(module),
                "norm": bytes(lt.merge_norm(norm))}, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_distributed_data_parallel_is_the_whole_batch(tmp_path):
    torch.multiprocessing.spawn(worker, (free_port(), str(tmp_path)), nprocs=2)
    found = [torch.load(f"{tmp_path}/{rank}.pt", weights_only=False) for rank in (0, 1)]
    x, ref = data()
    alone, module = model(), lt.Loss("dpo", beta=0.5)
    module(alone(x), ref=ref).backward()
    norm = la.Norm()
    norm.update(x.flatten().numpy())
    for one in found:
        for a, b in zip(one["gradient"], alone.parameters()):
            assert torch.allclose(a, b.grad, rtol=1e-5, atol=1e-7)
        assert one["norm"] == bytes(norm)
        assert one["metrics"] == pytest.approx(module.metrics, rel=1e-12, nan_ok=True)
