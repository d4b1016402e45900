/* Pairs of rewards: how reward models are trained. */
#include "pair.h"

#define NO_REF [ALIGN__PROP_REF] = "has no reference"
#define BETA(standard)                                                                             \
    {                                                                                              \
        ALIGN__PARAM_BETA, standard, ALIGN__ABOVE_0, ALIGN__ANY                                    \
    }

static struct align__soft clean(struct align__soft seen, double noise)
{
    return (struct align__soft){(seen.t - noise) / (1 - 2 * noise),
                                (seen.f - noise) / (1 - 2 * noise)};
}

/* c (a + b)^2 + n (a^2 + b^2). */
static void add_penalties(struct align__block *b, int i, double center, double norm)
{
    const double x = b->side[0].score[i], y = b->side[1].score[i], sum = align__plus(x, y);
    const double shared = align__times(2 * center, sum);
    align__also(b, i, align__times(center, sum * sum) + align__times(norm, x * x + y * y),
                align__plus(shared, align__times(2 * norm, x)),
                align__plus(shared, align__times(2 * norm, y)));
    b->side[0].h[i] += 2 * (center + norm);
    b->side[1].h[i] += 2 * (center + norm);
}

/* The margins of rewards, less the target margin that all pairs share. */
static void reward_margins(struct align__block *b)
{
    const double margin = b->params->margin;
    align__margins(b, b->params->beta, b->side[0].score, b->side[1].score);
    for (int i = 0; i < b->n; i++)
        b->margin[i] -= margin;
}

static void bradley_terry(struct align__block *b)
{
    const align_loss_params *p = b->params;
    const struct align__soft sure = clean(
        (struct align__soft){1 - p->label_smoothing, p->label_smoothing}, p->noise);
    reward_margins(b);
    align__mix_margins(b, p->beta, sure.t, sure.f);
    for (int i = 0; i < b->n && (p->center != 0 || p->norm_penalty != 0); i++)
        add_penalties(b, i, p->center, p->norm_penalty);
}

const struct align__loss_row ALIGN__ROW(bradley_terry) = {
    .golden = "TRL's RewardTrainer with margin and centring",
    .name = "bradley_terry",
    .brief = "reward-model loss, with margin (offset for one a pair), soft or noisy labels, "
             "centring and a penalty on the size of rewards; a scaled margin is weight",
    .source =
        "Bradley and Terry 1952; margin: Llama 2, arXiv 2307.09288, Eq. 2; centring: "
        "arXiv 2312.09244, Eq. 2; noise: arXiv 2403.00409, Eq. 12; norm: PAR, arXiv 2502.18770",
    .formula =
        "t softplus(-z) + (1 - t) softplus(z) + center (a + b)^2 + norm_penalty (a^2 + b^2), "
        "z = beta (a - b) - margin - offset, t = (prob (1 - eps) + (1 - prob) eps - noise) / "
        "(1 - 2 noise)",
    .gradient = "da = beta ((1 - t) s(z) - t s(-z)) + 2 center (a + b) + 2 norm_penalty a, "
                "db = -beta (...) + 2 center (a + b) + 2 norm_penalty b",
    .arity = ALIGN_LOSS_PAIR,
    .reads = ALIGN_LOSS_READS_PROB | ALIGN_LOSS_READS_OFFSET | ALIGN_LOSS_WRITES_HSCORE,
    .params = {BETA(1),
               {ALIGN__PARAM_MARGIN, 0, -ALIGN__ANY, ALIGN__ANY},
               {ALIGN__PARAM_LABEL_SMOOTHING, 0, 0, 0.5},
               {ALIGN__PARAM_NOISE, 0, 0, ALIGN__BELOW_HALF},
               {ALIGN__PARAM_CENTER, 0, 0, ALIGN__ANY},
               {ALIGN__PARAM_NORM_PENALTY, 0, 0, ALIGN__ANY}},
    .block = bradley_terry,
    .unless = {NO_REF},
};

/* w softplus(-z), w = (2 s(-z))^gamma for z > 0, else 1. */
static void focal(struct align__block *b)
{
    const double beta = b->params->beta, gamma = b->params->gamma;
    double power[ALIGN__BLOCK];
    align__margins(b, beta, b->side[0].score, b->side[1].score);
    align__logistics_of(b, 0, b->margin);
    for (int i = 0; i < b->n; i++)
        power[i] = align__times(gamma, 0x1.62e42fefa39efp-1 - align__logistic_at(b, 0, i).plus);
    b->f64->exp(power, power, b->n);
    for (int i = 0; i < b->n; i++) {
        const double z = b->margin[i], w = z > 0 ? power[i] : 1;
        const struct align__logistic l = align__logistic_at(b, 0, i);
        const double slope = -w * l.c - (z > 0 ? gamma * w * l.s * l.minus : 0);
        align__link(b, i, beta, (struct align__phi){align__times(w, l.minus), slope, 0});
    }
}

const struct align__loss_row ALIGN__ROW(focal) = {
    .name = "focal",
    .brief = "focal ranking: pairs that are right already count less",
    .source = "Cai et al. 2024 (InternLM2), arXiv 2403.17297, Sec. 4.2.1",
    .formula = "(1 - 2 max(0, s(z) - 1/2))^gamma softplus(-z), z = beta (a - b) - offset",
    .gradient = "da = -beta w (s(-z) + [z > 0] gamma s(z) softplus(-z)), db = -da, w the power",
    .arity = ALIGN_LOSS_PAIR,
    .reads = ALIGN_LOSS_READS_OFFSET,
    .params = {BETA(1), {ALIGN__PARAM_GAMMA, 2, 0, ALIGN__ANY}},
    .block = focal,
    .unless = {NO_REF, [ALIGN__PROP_SWAP] = "the first item is the better one"},
};

static void mse_pair(struct align__block *b)
{
    const double beta = b->params->beta;
    reward_margins(b);
    for (int i = 0; i < b->n; i++) {
        const double z = b->margin[i];
        align__link(b, i, beta, (struct align__phi){z * z, 2 * z, 2});
    }
}

const struct align__loss_row ALIGN__ROW(mse_pair) = {
    .golden = "PyTorch mse_loss",
    .name = "mse_pair",
    .brief = "difference of rewards regressed on a margin",
    .source = "least squares; on log-ratios this is IPO, arXiv 2310.12036, Eq. 17",
    .formula = "z^2, z = beta (a - b) - margin - offset",
    .gradient = "da = 2 beta z, db = -da",
    .arity = ALIGN_LOSS_PAIR,
    .reads = ALIGN_LOSS_READS_OFFSET | ALIGN_LOSS_WRITES_HSCORE,
    .params = {BETA(1), {ALIGN__PARAM_MARGIN, 1, -ALIGN__ANY, ALIGN__ANY}},
    .block = mse_pair,
    .unless = {NO_REF, [ALIGN__PROP_SWAP] = "the margin favours the first item"},
};

static void cost_model(struct align__block *b)
{
    const double lambda = b->params->lambda, eps = b->params->label_smoothing;
    align__margins(b, b->params->beta, b->side[0].score, b->side[1].score);
    align__mix_margins(b, b->params->beta, 1 - eps, eps);
    double cost[ALIGN__BLOCK];
    for (int k = 0; k < 2; k++) {
        struct align__side *side = &b->side[k];
        b->f64->times(cost, side->label, side->score, b->n);
        align__logistics_of(b, 0, cost);
        for (int i = 0; i < b->n; i++) {
            const double sign = side->label[i];
            const struct align__logistic l = align__logistic_at(b, 0, i);
            b->value[i] = align__plus(b->value[i], align__times(lambda, l.minus));
            side->d[i] = align__plus(side->d[i], -lambda * sign * l.c);
            side->h[i] += lambda * sign * sign * l.s * l.c;
        }
    }
}

const struct align__loss_row ALIGN__ROW(cost_model) = {
    .name = "cost_model",
    .brief =
        "cost model: the first item costs more, and labels (1 harmful, -1 safe) say the signs of "
        "costs",
    .source = "Dai et al. 2023 (Safe RLHF), arXiv 2310.12773, Eq. 7",
    .formula =
        "t softplus(-z) + (1 - t) softplus(z) + lambda (softplus(-label_w a) + softplus(-label_l "
        "b)), z = beta (a - b) - offset, " ALIGN__SMOOTH_TEXT,
    .gradient = "da = beta ((1 - t) s(z) - t s(-z)) - lambda label_w s(-label_w a), db alike",
    .arity = ALIGN_LOSS_PAIR,
    .needs = ALIGN_LOSS_READS_LABEL,
    .reads = ALIGN_LOSS_READS_PROB | ALIGN_LOSS_READS_OFFSET | ALIGN_LOSS_WRITES_HSCORE,
    .label_least = -1,
    .label_most = 1,
    .params = {BETA(1),
               {ALIGN__PARAM_LAMBDA, 1, 0, ALIGN__ANY},
               {ALIGN__PARAM_LABEL_SMOOTHING, 0, 0, 0.5}},
    .block = cost_model,
    .unless = {NO_REF, [ALIGN__PROP_SHIFT] = "signs of costs count",
               [ALIGN__PROP_SUM_ZERO] = "signs of costs count"},
};
