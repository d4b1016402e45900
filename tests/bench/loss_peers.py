"""Rows of the loss table as trainers write them in eager PyTorch, with autograd for the gradient.

Of a pair, a and b are the scores, u and v their log-ratios, y_w and y_l labels, n_w and n_l counts, x and y means a
token; of a single a, u, y_w and n_w. Parameters are the table's defaults.
"""
import math


class Groups:
    """F32 tensors like those of loss_cases.c, and what formulas make of them; columns are cut anew in every run, as
    autograd needs them."""

    def __init__(self, torch, groups, width):
        def numbers(low, high):
            return torch.empty(groups, width).uniform_(low, high)
        self.score = numbers(-200, 0).requires_grad_()
        self.ref, self.old, self.extra = numbers(-200, 0), numbers(-200, 0), numbers(0, 200)
        self.count, self.label = numbers(50, 300).floor(), numbers(0, 2).floor()

    def __getattr__(self, name):
        source, column = {"a": ("score", 0), "b": ("score", 1), "aux_w": ("extra", 0), "aux_l": ("extra", 1),
                          "y_w": ("label", 0), "y_l": ("label", 1), "n_w": ("count", 0), "n_l": ("count", 1),
                          "r_w": ("ref", 0), "r_l": ("ref", 1), "o_w": ("old", 0)}[name]
        return getattr(self, source)[:, column]

    @property
    def u(self):
        return self.a - self.r_w

    @property
    def v(self):
        return self.b - self.r_l

    @property
    def x(self):
        return self.a / self.n_w

    @property
    def y(self):
        return self.b / self.n_l


def rows(torch):
    log, exp, relu, where = torch.log, torch.exp, torch.relu, torch.where
    ls, s = torch.nn.functional.logsigmoid, torch.sigmoid

    def bernoulli_kl(z, w):
        return s(z) * (ls(z) - ls(w)) + s(-z) * (ls(-z) - ls(-w))

    def exo(z, eps=1e-3):
        return s(z) * (ls(z) - math.log(1 - eps)) + s(-z) * (ls(-z) - math.log(eps))

    def discopop(z, tau=0.05):
        m = s(z / tau)
        return (1 - m) * -ls(z) + m * exp(-z)

    def sorted_gap(first, second):
        return first.sort(0)[0] - second.sort(0)[0]

    def log_odds(x):
        return x - torch.log1p(-exp(x))

    def arpo(g):
        w = torch.clamp(0.9 * exp(0.4 * (g.x - g.y).abs()) - 1, max=1)
        return -ls(0.1 * (g.a - w * g.b))

    def alpha_reward(x):
        return (1 - exp(-0.25 * x)) / 0.25

    def ties_rk(g, eta=1.0):
        z, won = g.a - g.b, g.y_w - g.y_l
        tie = -math.log(math.exp(2 * eta) - 1) - ls(z - eta) - ls(-z - eta)
        return where(won > 0, -ls(z - eta), where(won < 0, -ls(-z - eta), tie))

    def ties_davidson(g):
        half, won = (g.a - g.b) / 2, g.y_w - g.y_l
        all_of = torch.logsumexp(torch.stack([half, -half, torch.zeros_like(half)]), 0)
        return all_of - torch.sign(won) * half

    def ordinal(g):
        edge = torch.tensor([0.5, 1.5, 2.5, math.inf])
        z, degree = g.a - g.b, (g.y_w - g.y_l).long()
        size, sign = degree.abs(), torch.sign(degree)
        high, low = edge[size], where(size > 0, edge[(size - 1).clamp(min=0)], -edge[0])
        z = where(sign < 0, -z, z)
        return -log(s(high - z) - s(low - z) + 1e-30)

    def cross(r, y):
        return -y * ls(r) - (1 - y) * ls(-r)

    def prospect(r, y):
        return y * s(-r) + (1 - y) * s(r)

    def nbpo(g, flip=-2.0):
        noise = torch.tensor(flip)
        p, no = s(g.a).detach(), 1 - g.y_w
        return (g.y_w * (-(1 - s(noise)) * ls(g.a) - p * ls(-noise)) +
                no * (-ls(-g.a) - s(noise) * ls(g.a) - p * ls(noise)))

    def confidence(g):
        return cross(g.a, 0.5 * g.y_w + 0.5 * (g.a.detach() >= 0).float())

    def product(g):
        weak = torch.logit(g.y_w, eps=1e-6)
        return cross(g.a, s(g.a.detach() + weak))

    def clipped(g):
        ratio = exp(g.a - g.o_w)
        return torch.max(-g.y_w * ratio, -g.y_w * ratio.clamp(0.8, 1.2))

    def value_clip(g):
        near = g.o_w + (g.a - g.o_w).clamp(-0.2, 0.2)
        return 0.5 * torch.max((g.a - g.y_w) ** 2, (near - g.y_w) ** 2)

    def grpo(g):
        q = g.r_w - g.a
        return clipped(g) + 0.04 * (exp(q) - q - 1)

    return {
        "dpo": lambda g: -ls(0.1 * (g.u - g.v)),
        "beta_dpo": lambda g: -ls(0.1 * (g.u - g.v)),
        "ipo": lambda g: (g.u - g.v - 5) ** 2,
        "hinge": lambda g: relu(1 - 0.05 * (g.u - g.v)),
        "exo": lambda g: exo(0.1 * (g.u - g.v)),
        "nca_pair": lambda g: -ls(0.01 * g.u) - 0.5 * ls(-0.01 * g.u) - 0.5 * ls(-0.01 * g.v),
        "robust": lambda g: (-0.9 * ls(0.1 * (g.u - g.v)) + 0.1 * ls(-0.1 * (g.u - g.v))) / 0.8,
        "bco_pair": lambda g: -ls(0.01 * g.u) - ls(-0.01 * g.v),
        "sppo": lambda g: (g.u - 500) ** 2 + (g.v + 500) ** 2,
        "aot": lambda g: -ls(0.1 * sorted_gap(g.a - g.b, g.r_w - g.r_l)),
        "aot_unpaired": lambda g: -ls(0.1 * sorted_gap(g.u, g.v)),
        "apo_zero": lambda g: 1 - s(0.1 * g.u) + s(0.1 * g.v),
        "apo_down": lambda g: s(0.1 * g.u) + 1 - s(0.1 * (g.u - g.v)),
        "discopop": lambda g: discopop(0.05 * (g.u - g.v)),
        "sigmoid_norm": lambda g: -ls(5 * (g.u / g.n_w - g.v / g.n_l)),
        "dpop": lambda g: -ls(0.3 * (g.u - g.v - 50 * relu(-g.u))),
        "cal_dpo": lambda g: -ls(g.u - g.v) + 0.5 * ((g.u - 500) ** 2 + (g.v + 500) ** 2),
        "rpo_bwd": lambda g: bernoulli_kl(g.y_w - g.y_l, 0.1 * (g.u - g.v)),
        "rpo_fwd": lambda g: bernoulli_kl(0.1 * (g.u - g.v), g.y_w - g.y_l),
        "rpo_sq": lambda g: (0.1 * (g.u - g.v) - (g.y_w - g.y_l)) ** 2,
        "r_dpo": lambda g: -ls(0.1 * (g.u - g.v) + 0.01 * (g.n_w - g.n_l)),
        "tdpo": lambda g: -ls(0.1 * (g.u - g.v - 0.5 * (g.aux_l - g.aux_w))),
        "slic": lambda g: relu(1 - (g.a - g.b)),
        "slic_margin": lambda g: relu((g.y_w - g.y_l) - (g.a - g.b)),
        "simpo": lambda g: -ls(2 * (g.x - g.y) - 0.5),
        "cpo": lambda g: -ls(0.1 * (g.a - g.b)) - g.a,
        "alpha_po": lambda g: -ls(2 * (alpha_reward(g.x) - alpha_reward(g.y)) - 0.5),
        "orpo": lambda g: -g.x - 0.1 * ls(log_odds(g.x) - log_odds(g.y)),
        "asft": lambda g: -g.x - ls(log_odds(g.x)) - ls(-log_odds(g.y)),
        "arpo": arpo,
        "rrhf": lambda g: relu(g.y - g.x) - g.a,
        "tpo": lambda g: -ls(0.01 * (g.a - g.b)) - g.aux_w,
        "bradley_terry": lambda g: -ls(g.a - g.b),
        "bt_ties_rk": ties_rk,
        "bt_ties_davidson": ties_davidson,
        "ordinal": ordinal,
        "cost_model": lambda g: -ls(g.a - g.b) - ls(g.y_w * g.a) - ls(g.y_l * g.b),
        "focal": lambda g: (1 - 2 * relu(s(g.a - g.b) - 0.5)) ** 2 * -ls(g.a - g.b),
        "mse_pair": lambda g: (g.a - g.b - 1) ** 2,
        "sft": lambda g: -g.a,
        "kto": lambda g: prospect(0.1 * g.u, g.y_w),
        "bco": lambda g: cross(0.1 * g.u, g.y_w),
        "apo_zero_single": lambda g: prospect(0.1 * g.u, g.y_w),
        "npo": lambda g: -20 * ls(-0.1 * g.u),
        "bce": lambda g: cross(g.a, g.y_w),
        "mse": lambda g: (g.a - g.y_w) ** 2,
        "nbpo": nbpo,
        "w2s_confidence": confidence,
        "w2s_product": product,
        "ppo_clip": clipped,
        "reinforce": lambda g: -g.y_w * g.a,
        "value_clip": value_clip,
        "grpo": grpo,
    }


SINGLES = {"sft", "kto", "bco", "apo_zero_single", "npo", "bce", "mse", "nbpo", "w2s_confidence", "w2s_product",
           "ppo_clip", "reinforce", "value_clip", "grpo"}


def find(kind):
    """What serves a row, or None."""
    def make(torch, case):
        form = rows(torch).get(kind)
        if form is None:
            return None
        torch.manual_seed(1)
        groups = Groups(torch, case["groups"], 1 if kind in SINGLES else 2)

        def run():
            groups.score.grad = None
            form(groups).mean().backward()
        return run
    return make
