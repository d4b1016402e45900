/* Pairs whose items are matched by sorting over the whole batch: eval.c sets each item's twin. */
#include "pair.h"

#define COUPLED "groups are matched over the whole batch"
#define BETA                                                                                       \
    {                                                                                              \
        ALIGN__PARAM_BETA, 0.01, ALIGN__ABOVE_0, ALIGN__ANY                                        \
    }
#define SMOOTHING                                                                                  \
    {                                                                                              \
        ALIGN__PARAM_LABEL_SMOOTHING, 0, 0, 0.5                                                    \
    }

static void aot(struct align__block *b)
{
    const double beta = b->params->beta, eps = b->params->label_smoothing;
    double gap[ALIGN__BLOCK];
    b->f64->minus(gap, b->side[0].score, b->side[1].score, b->n);
    align__margins(b, beta, gap, b->side[0].twin);
    align__mix_margins(b, beta, 1 - eps, eps);
}

const struct align__loss_row ALIGN__ROW(aot) = {
    .golden = "TRL f2cd5771, DPOTrainer aot",
    .name = "aot",
    .brief = "alignment by optimal transport, paired: margins of the policy against those of the "
             "reference, each sorted over the batch (equal ones in the order given)",
    .source = "Melnyk et al. 2024 (AOT), arXiv 2406.05882, Eq. 6 and Alg. 1",
    .formula =
        "(1 - eps) softplus(-z) + eps softplus(z), z = beta (p - q) - offset, p = a - b of this "
        "pair, q = a0 - b0 at the same place when both are sorted",
    .gradient = "da = beta (eps s(z) - (1 - eps) s(-z)), db = -da",
    .arity = ALIGN_LOSS_PAIR,
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_READS_PROB | ALIGN_LOSS_READS_OFFSET |
             ALIGN_LOSS_WRITES_HSCORE,
    .presets = align__trl_beta,
    .params = {BETA, SMOOTHING},
    .couple = ALIGN__COUPLE_MARGINS,
    .block = aot,
    .unless = {[ALIGN__PROP_MERGE] = COUPLED,
               [ALIGN__PROP_WORTH] = "aot sorts policy and reference apart and has no log-ratios",
               [ALIGN__PROP_REF] = "policy and reference are sorted apart",
               [ALIGN__PROP_SWAP] = "a swapped pair sorts to another place"},
};

static void aot_unpaired(struct align__block *b)
{
    const double beta = b->params->beta, eps = b->params->label_smoothing;
    const struct align__soft soft = {1 - eps, eps};
    struct align__side *x = &b->side[0], *y = &b->side[1];
    double other[ALIGN__BLOCK];
    align__worth_gaps(b, x->ratio, x->twin, b->margin);
    align__worth_gaps(b, y->twin, y->ratio, other);
    for (int i = 0; i < b->n; i++) {
        b->margin[i] *= beta;
        other[i] *= beta;
    }
    align__logistics_of(b, 0, b->margin);
    align__sigmoids_of(b, 1, other);
    for (int i = 0; i < b->n; i++) {
        const struct align__phi chosen = align__mix_of(soft, align__logistic_at(b, 0, i));
        const struct align__logistic l = align__sigmoid_at(b, 1, i);
        b->value[i] = chosen.value;
        x->d[i] = beta * chosen.slope;
        x->h[i] = beta * beta * chosen.curve;
        y->d[i] = beta * (soft.t * l.c - soft.f * l.s);
        y->h[i] = beta * beta * (l.s * l.c);
    }
}

const struct align__loss_row ALIGN__ROW(aot_unpaired) = {
    .golden = "TRL f2cd5771, DPOTrainer aot_unpaired",
    .name = "aot_unpaired",
    .brief =
        "alignment by optimal transport, unpaired: log-ratios of chosen items against those of "
        "rejected ones, each sorted over the batch. group_value is that of the chosen item",
    .source = "Melnyk et al. 2024 (AOT), arXiv 2406.05882, Eq. 7 and Alg. 1",
    .formula =
        "(1 - eps) softplus(-z) + eps softplus(z), z = beta (u - v), v at the place of u when both "
        "are sorted",
    .gradient =
        "du = beta (eps s(z) - (1 - eps) s(-z)) with its twin v, dv = -beta (...) with its twin u",
    .arity = ALIGN_LOSS_PAIR,
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_WRITES_HSCORE,
    .no_weight = true,
    .presets = align__trl_beta,
    .params = {BETA, SMOOTHING, ALIGN__DIVERGENCE},
    .couple = ALIGN__COUPLE_SIDES,
    .block = aot_unpaired,
    .unless = {[ALIGN__PROP_MERGE] = COUPLED,
               [ALIGN__PROP_SUM_ZERO] = "the partner of a chosen item is in another group",
               [ALIGN__PROP_SHIFT] = "the partner of a chosen item is in another group",
               [ALIGN__PROP_SWAP] = "the partner of a chosen item is in another group"},
};
