/* Pairs of rewards: how reward models are trained. */
#include "pair.h"

/* Target of a label that is seen flipped with probability noise: an unbiased estimate of the clean one,
 * outside of 0..1. */
static struct align__soft clean(struct align__soft seen, double noise)
{
    return (struct align__soft){(seen.t - noise) / (1 - 2 * noise),
                                (seen.f - noise) / (1 - 2 * noise)};
}

/* c (a + b)^2 + n (a^2 + b^2). */
static void add_penalties(struct align__block *b, int i, double center, double norm)
{
    const double x = b->side[0].score[i], y = b->side[1].score[i], sum = align__plus(x, y);
    b->value[i] = align__plus(b->value[i],
                              align__times(center, sum * sum) + align__times(norm, x * x + y * y));
    const double shared = align__times(2 * center, sum);
    b->side[0].d[i] += align__plus(shared, align__times(2 * norm, x));
    b->side[1].d[i] += align__plus(shared, align__times(2 * norm, y));
    b->side[0].h[i] += 2 * (center + norm);
    b->side[1].h[i] += 2 * (center + norm);
}

static void bradley_terry(struct align__block *b)
{
    const align_loss_params *p = b->params;
    for (int i = 0; i < b->n; i++) {
        b->offset[i] += p->margin;
        const double z = align__margin(b, i, p->beta);
        align__logistic_link(b, i, p->beta, z, clean(align__soft(b, i), p->noise));
        if (p->center != 0 || p->norm_penalty != 0)
            add_penalties(b, i, p->center, p->norm_penalty);
        b->offset[i] -= p->margin;
    }
}

const struct align__loss_row align__loss_bradley_terry = {
    .name = "bradley_terry",
    .brief = "reward-model loss, with margin (offset for one a pair), soft or noisy labels, "
             "centring and a penalty on the size of rewards; a scaled margin is weight",
    .source =
        "Bradley and Terry 1952; margin: Llama 2, arXiv 2307.09288, Eq. 2; centring: "
        "arXiv 2312.09244, Eq. 2; noise: Chowdhury et al. 2024, arXiv 2403.00409, Eq. 10; norm: "
        "PAR, arXiv 2502.18770",
    .formula =
        "t softplus(-z) + (1 - t) softplus(z) + center (a + b)^2 + norm_penalty (a^2 + b^2), "
        "z = beta (a - b) - margin - offset, t = (prob (1 - eps) + (1 - prob) eps - noise) / "
        "(1 - 2 noise)",
    .gradient = "da = beta ((1 - t) s(z) - t s(-z)) + 2 center (a + b) + 2 norm_penalty a, "
                "db = -beta (...) + 2 center (a + b) + 2 norm_penalty b",
    .arity = ALIGN_LOSS_PAIR,
    .reads = ALIGN_LOSS_READS_PROB | ALIGN_LOSS_READS_OFFSET | ALIGN_LOSS_WRITES_HSCORE,
    .params = {{ALIGN__PARAM_BETA, 1, ALIGN__ABOVE_0, ALIGN__ANY},
               {ALIGN__PARAM_MARGIN, 0, -ALIGN__ANY, ALIGN__ANY},
               {ALIGN__PARAM_LABEL_SMOOTHING, 0, 0, 0.5},
               {ALIGN__PARAM_NOISE, 0, 0, ALIGN__BELOW_HALF},
               {ALIGN__PARAM_CENTER, 0, 0, ALIGN__ANY},
               {ALIGN__PARAM_NORM_PENALTY, 0, 0, ALIGN__ANY}},
    .block = bradley_terry,
    .unless = {[ALIGN__PROP_REF] = "has no reference"},
};
