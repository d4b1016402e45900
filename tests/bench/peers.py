#!/usr/bin/env python3
"""Serves one case of align-bench as people compute it without libalign.

usage: peers.py PEER CASE      PEER: the word before a comma in CASES, below; CASE: a line of `align-bench --list`

Speaks the runner protocol of bench.h. A case that a peer does not have is answered by `none`.
"""
import resource
import sys
import time

import loss_peers

REPETITION_SECONDS = 0.01
LONG_SECONDS = 0.2


def parse(line):
    kind, *pairs = line.split()
    values = dict(pair.split("=", 1) for pair in pairs)
    return kind, {k: v if k == "dtype" else int(v) for k, v in values.items()}


# ---- torch ---------------------------------------------------------------------------------------


def torch_dtype(torch, case):
    return {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16, "f64": torch.float64}[
        case.get("dtype", "f32")]


def torch_logits(torch, case):
    torch.manual_seed(1)
    logits = torch.empty(case["n"], case["v"]).uniform_(-8, 8).to(torch_dtype(torch, case))
    return logits, torch.randint(0, case["v"], (case["n"], 1))


def torch_sum_logp(torch, logits, target):
    return torch.gather(torch.log_softmax(logits, -1), 1, target).sum()


def torch_dense_forward(torch, case):
    logits, target = torch_logits(torch, case)

    def run():
        with torch.no_grad():
            return torch_sum_logp(torch, logits, target)
    return run


def torch_dense_both(torch, case):
    logits, target = torch_logits(torch, case)
    logits.requires_grad_()

    def run():
        logits.grad = None
        torch_sum_logp(torch, logits, target).backward()
    return run


def torch_linear_both(torch, case):
    torch.manual_seed(1)
    dtype = torch_dtype(torch, case)
    hidden = torch.empty(case["n"], case["d"]).uniform_(-1, 1).to(dtype).requires_grad_()
    weight = torch.empty(case["v"], case["d"]).uniform_(-0.1, 0.1).to(dtype)
    weight.requires_grad_(case["plan"] == 2)
    target = torch.randint(0, case["v"], (case["n"], 1))

    def run():
        hidden.grad = weight.grad = None
        torch_sum_logp(torch, (hidden @ weight.T).float(), target).backward()
    return run


def torch_linear_step(torch, case):
    """A DPO step on pairs of sequences of 64 rows, with the reference's log-probabilities at hand."""
    torch.manual_seed(1)
    dtype = torch_dtype(torch, case)
    hidden = torch.empty(case["n"], case["d"]).uniform_(-1, 1).to(dtype).requires_grad_()
    weight = torch.empty(case["v"], case["d"]).uniform_(-0.1, 0.1).to(dtype).requires_grad_()
    target = torch.randint(0, case["v"], (case["n"], 1))
    ref = torch.empty(case["n"] // 128, 2).uniform_(-700, -600)

    def run():
        hidden.grad = weight.grad = None
        logp = torch.log_softmax((hidden @ weight.T).float(), -1).gather(1, target)
        ratio = logp.view(-1, 2, 64).sum(-1) - ref
        (-torch.nn.functional.logsigmoid(0.1 * (ratio[:, 0] - ratio[:, 1]))).mean().backward()
    return run


def selective_dense_forward(torch, case):
    """Trainers' memory-saving form: a log-sum-exp a row, for bf16 a log-softmax a row."""
    logits, target = torch_logits(torch, case)

    def run():
        with torch.no_grad():
            if logits.dtype == torch.float32:
                chosen = torch.gather(logits, 1, target).squeeze(1)
                return (chosen - torch.stack([torch.logsumexp(row, -1) for row in logits])).sum()
            rows = [torch.log_softmax(row, -1)[t] for row, t in zip(logits, target)]
            return torch.stack(rows).sum()
    return run


def trl_dense_forward(torch, case):
    """TRL's own function of that form."""
    from trl.trainer.utils import selective_log_softmax
    logits, target = torch_logits(torch, case)

    def run():
        with torch.no_grad():
            return selective_log_softmax(logits, target.squeeze(1)).sum()
    return run


def liger_linear_step(torch, case):
    """The step of torch_linear_step by Liger's loss in chunks of a pair, without its Triton kernels: on a CPU there
    are none. It has no reference at all, which is less work."""
    from liger_kernel.chunked_loss import LigerFusedLinearDPOLoss
    torch.manual_seed(1)
    dtype = torch_dtype(torch, case)
    shape = case["n"] // 64, 64, case["d"]
    hidden = torch.empty(shape).uniform_(-1, 1).to(dtype).requires_grad_()
    weight = torch.empty(case["v"], case["d"]).uniform_(-0.1, 0.1).to(dtype).requires_grad_()
    target = torch.randint(0, case["v"], shape[:2])
    loss = LigerFusedLinearDPOLoss(compiled=False, use_ref_model=False)

    def run():
        hidden.grad = weight.grad = None
        loss(weight, hidden, target)[0].backward()
    return run


def torch_lipo_lambda(torch, case):
    groups, k = case["groups"], case["k"]
    score = torch.empty(groups, k).uniform_(-20, 0).requires_grad_()
    ref = torch.empty(groups, k).uniform_(-20, 0)
    label = torch.rand(groups, k)

    def run():
        score.grad = None
        s = 0.1 * (score - ref)
        with torch.no_grad():
            rank = s.argsort(1, descending=True).argsort(1) + 1
            gain, discount = 2 ** label - 1, 1 / torch.log1p(rank.float())
            weight = ((gain[:, :, None] - gain[:, None, :]).abs() *
                      (discount[:, :, None] - discount[:, None, :]).abs())
            weight = weight * (label[:, :, None] > label[:, None, :])
        pairs = torch.nn.functional.softplus(s[:, None, :] - s[:, :, None])
        ((weight * pairs).sum((1, 2))).mean().backward()
    return run


def torch_norm_update(torch, case):
    x = torch.empty(case["n"]).uniform_(-3, 5)
    state = {"count": 0.0, "mean": 0.0, "m2": 0.0}

    def run():
        y = x.double()
        count, mean, var = y.numel(), y.mean(), y.var(unbiased=False)
        total = state["count"] + count
        delta = mean - state["mean"]
        state["mean"] = state["mean"] + delta * count / total
        state["m2"] = state["m2"] + var * count + delta ** 2 * state["count"] * count / total
        state["count"] = total
    return run


def torch_norm_whiten(torch, case):
    x = torch.empty(case["n"]).uniform_(-3, 5)
    mask = (torch.arange(case["n"]) % 1024 < 896).float()

    def run():
        count = mask.sum()
        mean = (x * mask).sum() / count
        variance = ((x - mean) ** 2 * mask).sum() / count
        return (x - mean) * torch.rsqrt(variance + 1e-8) * mask
    return run


def torch_norm_groups(torch, case):
    x = torch.rand(case["groups"], case["k"])

    def run():
        return (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-4)
    return run


def loop_norm_groups(torch, case):
    """As verl does without vectorising: a dict of lists, then reward by reward."""
    from collections import defaultdict
    x = torch.rand(case["groups"] * case["k"])
    index = [i // case["k"] for i in range(len(x))]

    def run():
        scores, found, mean, std = x.clone(), defaultdict(list), {}, {}
        for i in range(len(scores)):
            found[index[i]].append(scores[i])
        for group, values in found.items():
            stacked = torch.stack(values)
            mean[group], std[group] = torch.mean(stacked), torch.std(stacked)
        for i in range(len(scores)):
            scores[i] = (scores[i] - mean[index[i]]) / (std[index[i]] + 1e-6)
        return scores
    return run


def loop_gae(torch, case):
    """As TRL and OpenRLHF do: a step of the batch at a time."""
    reward = torch.empty(case["batch"], case["tokens"]).uniform_(-1, 1)
    value = torch.empty(case["batch"], case["tokens"]).uniform_(-1, 1)
    gamma, decay = 1.0, 0.95

    def run():
        last, found, tokens = 0, [], case["tokens"]
        for t in reversed(range(tokens)):
            after = value[:, t + 1] if t < tokens - 1 else 0.0
            delta = reward[:, t] + gamma * after - value[:, t]
            last = delta + gamma * decay * last
            found.append(last)
        advantage = torch.stack(found[::-1], dim=1)
        return advantage, advantage + value
    return run


# ---- numpy ---------------------------------------------------------------------------------------


def numpy_norm_update(numpy, case):
    x = numpy.random.default_rng(1).uniform(-3, 5, case["n"]).astype("f4")
    state = {"count": 0.0, "mean": 0.0, "m2": 0.0}

    def run():
        count, mean, var = x.size, x.mean(dtype="f8"), x.var(dtype="f8")
        total = state["count"] + count
        delta = mean - state["mean"]
        state["mean"] += delta * count / total
        state["m2"] += var * count + delta ** 2 * state["count"] * count / total
        state["count"] = total
    return run


def games(numpy, case):
    """Winners and losers among items of strengths evenly from -1 to 1."""
    items, rows = case["items"], case["rows"]
    rng = numpy.random.default_rng(1)
    first = rng.integers(0, items, rows, dtype="i4")
    second = (first + 1 + rng.integers(0, items - 1, rows, dtype="i4")) % items
    theta = numpy.linspace(-1, 1, items)
    first_won = rng.random(rows) < 1 / (1 + numpy.exp(theta[second] - theta[first]))
    return numpy.where(first_won, first, second), numpy.where(first_won, second, first)


def numpy_bt_fit(numpy, case):
    """Counts the comparisons and takes Newton steps on the counts, as libalign does."""
    items = case["items"]
    if items > 1000:
        return None
    first, second = games(numpy, case)

    def run():
        wins = numpy.bincount(first.astype("i8") * items + second,
                              minlength=items * items).reshape(items, items).astype("f8")
        met, won = wins + wins.T, wins.sum(1)
        strength = numpy.zeros(items)
        for _ in range(100):
            p = 1 / (1 + numpy.exp(strength[None, :] - strength[:, None]))
            gradient = won - (met * p).sum(1)
            h = met * p * (1 - p)
            hessian = numpy.diag(h.sum(1)) - h + 1.0 / items
            step = numpy.linalg.solve(hessian, gradient)
            strength += step
            if abs(step).max() < 1e-9:
                break
        return strength - strength.mean()
    return run


# ---- scikit-learn and SciPy ----------------------------------------------------------------------


def differences(numpy, case):
    """Differences of features, and which are of a pair whose first won."""
    pairs, width = case["pairs"], case["d"]
    rng = numpy.random.default_rng(1)
    x = rng.random((pairs, width), dtype="f4") * 2 - 1
    w = (0.2 * (numpy.arange(width) % 7 - 3) / 2).astype("f4")
    return x, rng.random(pairs, dtype="f4") < 1 / (1 + numpy.exp(-(x @ w)))


def sklearn_reward_fit(numpy, case):
    """Logistic regression on differences by lbfgs with its own tolerance, without intercept; l2 1."""
    from sklearn.linear_model import LogisticRegression
    x, y = differences(numpy, case)

    def run():
        return LogisticRegression(C=1.0, fit_intercept=False, max_iter=1000).fit(x, y).coef_
    return run


def sklearn_bt_fit(numpy, case, dense=False):
    """A logistic regression on pairs that are already counted, as leaderboards do, over a sparse matrix, which is faster.
    A tolerance below 1e-4 changes nothing: SciPy's own stops lbfgs before."""
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression
    items = case["items"]
    first, second = games(numpy, case)
    place, count = numpy.unique(first.astype("i8") * items + second, return_counts=True)
    row = numpy.arange(len(place))
    sign = numpy.where(row % 2 == 0, 1.0, -1.0)
    design = sparse.csr_matrix((numpy.r_[sign, -sign],
                                (numpy.r_[row, row], numpy.r_[place // items, place % items])))

    if dense:
        design = design.toarray()

    def run():
        model = LogisticRegression(fit_intercept=False, penalty=None, tol=1e-8, max_iter=1000)
        return model.fit(design, sign > 0, sample_weight=count).coef_
    return run


def dense_bt_fit(numpy, case):
    """The same over a dense matrix, as FastChat makes it."""
    return sklearn_bt_fit(numpy, case, dense=True) if case["items"] <= 1000 else None


def scipy_bt_fit(numpy, case):
    """From raw rows by L-BFGS on the likelihood and its gradient, as choix and FastChat do."""
    from scipy.optimize import minimize
    first, second = games(numpy, case)
    items = case["items"]

    def objective(theta):
        d = theta[first] - theta[second]
        lost = 1 / (1 + numpy.exp(d))
        gradient = numpy.bincount(second, lost, items) - numpy.bincount(first, lost, items)
        return numpy.logaddexp(0, -d).sum(), gradient

    def run():
        return minimize(objective, numpy.zeros(items), jac=True, method="L-BFGS-B",
                        options={"ftol": 1e-12, "gtol": 1e-6}).x
    return run


def choix_bt_fit(numpy, case):
    """From raw rows, as the pairs that it asks for, by the fastest of its fits that takes them."""
    import choix
    if case["items"] > 1000:
        return None
    rows = list(zip(*(side.tolist() for side in games(numpy, case))))
    return lambda: choix.ilsr_pairwise(case["items"], rows)


def evalica_bt_fit(numpy, case):
    """From raw rows by Newman's iteration, in Rust: the faster of its two, to its own tolerance of 1e-6."""
    import evalica
    if case["items"] > 1000:
        return None
    first, second = games(numpy, case)
    winners = [evalica.Winner.X] * len(first)
    return lambda: numpy.log(evalica.newman(first, second, winners).scores.sort_index())


# ---- errors: the Newton step from an answer, which leads to the optimum but for its square ---------


def bt_error(numpy, case, answer):
    if case["items"] > 1000:
        return numpy.nan
    first, second = games(numpy, case)
    items, strength = case["items"], numpy.asarray(answer, "longdouble").ravel()
    wins = numpy.bincount(first.astype("i8") * items + second, minlength=items * items).reshape(items, items)
    p = 1 / (1 + numpy.exp(strength[None, :] - strength[:, None]))
    h = ((wins + wins.T) * p * (1 - p)).astype("f8")
    gradient = ((wins + wins.T) * p - wins).sum(1)
    return abs(numpy.linalg.solve(numpy.diag(h.sum(1)) - h + 1, gradient.astype("f8"))).max()


def reward_error(numpy, case, answer):
    x, y = differences(numpy, case)
    coef = numpy.asarray(answer, "f8").ravel()
    gradient, hessian = coef.copy(), numpy.eye(len(coef))
    for begin in range(0, len(x), 10000):
        rows = x[begin:begin + 10000].astype("f8")
        p = 1 / (1 + numpy.exp(-(rows @ coef)))
        gradient += rows.T @ (p - y[begin:begin + 10000])
        hessian += rows.T @ (rows * (p * (1 - p))[:, None])
    return abs(numpy.linalg.solve(hessian, gradient)).max()


ERRORS = {"bt_fit": bt_error, "reward_fit": reward_error}

CASES = {
    ("torch", "dense_forward"): torch_dense_forward,
    ("torch", "dense_both"): torch_dense_both,
    ("torch", "linear_both"): torch_linear_both,
    ("torch", "linear_step"): torch_linear_step,
    ("torch_selective", "dense_forward"): selective_dense_forward,
    ("trl", "dense_forward"): trl_dense_forward,
    ("liger", "linear_step"): liger_linear_step,
    ("torch", "lipo_lambda"): torch_lipo_lambda,
    ("torch", "norm_update"): torch_norm_update,
    ("torch", "norm_whiten"): torch_norm_whiten,
    ("torch", "norm_groups"): torch_norm_groups,
    ("torch_loop", "norm_groups"): loop_norm_groups,
    ("torch_loop", "gae"): loop_gae,
    ("numpy", "norm_update"): numpy_norm_update,
    ("numpy", "bt_fit"): numpy_bt_fit,
    ("sklearn", "reward_fit"): sklearn_reward_fit,
    ("sklearn", "bt_fit"): sklearn_bt_fit,
    ("sklearn_dense", "bt_fit"): dense_bt_fit,
    ("scipy", "bt_fit"): scipy_bt_fit,
    ("choix", "bt_fit"): choix_bt_fit,
    ("evalica", "bt_fit"): evalica_bt_fit,
}


def load(peer, case):
    if not peer.startswith(("torch", "trl", "liger")):
        import numpy
        if peer.startswith("sklearn"):
            import threadpoolctl
            threadpoolctl.threadpool_limits(case.get("workers", 1))
        return numpy
    import torch
    torch.set_num_threads(case.get("workers", 1))
    return torch


def repeat(run, runs):
    begin = time.perf_counter()
    for _ in range(runs):
        run()
    return (time.perf_counter() - begin) / runs


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def main():
    peer, line = sys.argv[1:]
    kind, case = parse(line)
    make = CASES.get((peer, kind))
    if make is None and peer == "torch" and "groups" in case:
        make = loss_peers.find(kind)
    if make is None:
        print("none no such case")
        return
    try:
        library = load(peer, case)
        run = make(library, case)
    except ImportError as error:
        print(f"none {error}")
        return
    if run is None:
        print("none not in this form")
        return
    before = resident_bytes()
    once = repeat(run, 1)
    if once < LONG_SECONDS:
        once = repeat(run, 1)
    runs = 1 if once >= REPETITION_SECONDS else int(REPETITION_SECONDS / once) + 1
    print(f"ready 0 0 {once * runs}", flush=True)
    for _ in iter(sys.stdin.readline, ""):
        print(repeat(run, runs), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    error = ERRORS[kind](library, case, run()) if kind in ERRORS else float("nan")
    print(peak, max(0, peak - before), error)


if __name__ == "__main__":
    main()
