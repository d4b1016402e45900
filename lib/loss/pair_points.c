/* Pairs whose items are compared with the reference each for itself. */
#include "pair.h"

#define READS ALIGN_LOSS_READS_REF | ALIGN_LOSS_WRITES_HSCORE
#define BETA(standard)                                                                             \
    {                                                                                              \
        ALIGN__PARAM_BETA, standard, ALIGN__ABOVE_0, ALIGN__ANY                                    \
    }
#define APART "each item is compared with the reference by itself"
#define UNLESS_APART                                                                               \
    .unless = {[ALIGN__PROP_SHIFT] = APART,                                                        \
               [ALIGN__PROP_SUM_ZERO] = APART,                                                     \
               [ALIGN__PROP_SWAP] = "the two items have different roles"}

/* One item's part: slope and curve by r = beta worth. */
static void put(struct align__block *b, int i, int k, double beta, struct align__phi part)
{
    b->side[k].d[i] = beta * part.slope;
    b->side[k].h[i] = beta * beta * part.curve;
}

/* Both items' parts. */
static void put_both(struct align__block *b, int i, double beta, struct align__phi own,
                     struct align__phi other)
{
    b->value[i] = align__plus(own.value, other.value);
    put(b, i, 0, beta, own);
    put(b, i, 1, beta, other);
}

typedef void (*logistics_fn)(struct align__block *b, int set, const double *z);

/* The margins beta (u - v), and logistics of beta u - offset and beta v - offset, of worths. */
static void compare(struct align__block *b, logistics_fn logistics)
{
    const double beta = b->params->beta;
    double r[ALIGN__BLOCK];
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < b->n; i++)
            r[i] = beta * b->worth[k][i] - b->offset[i];
        logistics(b, k, r);
    }
    align__worth_gaps(b, b->side[0].ratio, b->side[1].ratio, b->margin);
    for (int i = 0; i < b->n; i++)
        b->margin[i] *= beta;
}

/* t softplus(-r) + f softplus(r) of side k. */
static struct align__phi cross(const struct align__block *b, int k, int i, double t, double f)
{
    return align__mix_of((struct align__soft){t, f}, align__logistic_at(b, k, i));
}

static void nca_pair(struct align__block *b)
{
    const double beta = b->params->beta;
    compare(b, align__logistics_of);
    for (int i = 0; i < b->n; i++)
        put_both(b, i, beta, cross(b, 0, i, 1, 0.5), cross(b, 1, i, 0, 0.5));
}

const struct align__loss_row ALIGN__ROW(nca_pair) = {
    .golden = "TRL f2cd5771, DPOTrainer nca_pair; turbo-alignment 72e737d, NCA_PAIR",
    .name = "nca_pair",
    .brief = "noise contrastive alignment of pairs: keeps the chosen item's likelihood up",
    .source = "Chen et al. 2024 (NCA), arXiv 2402.05369, Eq. 12 at K = 2",
    .formula = "softplus(-beta u) + (softplus(beta u) + softplus(beta v)) / 2",
    .gradient = "du = beta (s(beta u) / 2 - s(-beta u)), dv = beta s(beta v) / 2",
    .arity = ALIGN_LOSS_PAIR,
    .reads = READS,
    .presets = align__trl_beta,
    .params = {BETA(0.01), ALIGN__DIVERGENCE},
    .block = nca_pair,
    UNLESS_APART,
};

static void bco_pair(struct align__block *b)
{
    const double beta = b->params->beta;
    compare(b, align__logistics_of);
    for (int i = 0; i < b->n; i++)
        put_both(b, i, beta, cross(b, 0, i, 1, 0), cross(b, 1, i, 0, 1));
}

const struct align__loss_row ALIGN__ROW(bco_pair) = {
    .golden = "TRL f2cd5771, DPOTrainer bco_pair",
    .name = "bco_pair",
    .brief = "binary classifier optimisation of pairs; offset is the reward shift delta, which "
             "align_loss_state keeps",
    .source = "Jung et al. 2024 (BCO), arXiv 2404.04656, Eq. 8 and 13",
    .formula = "softplus(-(beta u - offset)) + softplus(beta v - offset)",
    .gradient = "du = -beta s(-(beta u - offset)), dv = beta s(beta v - offset)",
    .arity = ALIGN_LOSS_PAIR,
    .reads = READS | ALIGN_LOSS_READS_OFFSET,
    .presets = align__trl_beta,
    .params = {BETA(0.01), ALIGN__DIVERGENCE},
    .block = bco_pair,
    UNLESS_APART,
};

static void sppo(struct align__block *b)
{
    const double beta = b->params->beta;
    const bool given = (b->given & ALIGN_LOSS_READS_LABEL) != 0;
    align__worth_gaps(b, b->side[0].ratio, b->side[1].ratio, b->margin);
    for (int k = 0; k < 2; k++) {
        struct align__side *side = &b->side[k];
        const double *worth = b->worth[k], wins = k == 0;
        for (int i = 0; i < b->n; i++) {
            const double p = given ? side->label[i] : wins, e = worth[i] - (p - 0.5) / beta;
            b->value[i] = k == 0 ? e * e : b->value[i] + e * e;
            side->d[i] = 2 * e;
            side->h[i] = 2;
        }
    }
}

const struct align__loss_row ALIGN__ROW(sppo) = {
    .golden = "TRL f2cd5771, DPOTrainer sppo_hard",
    .name = "sppo",
    .brief = "self-play preference optimisation; labels are each item's probability P of winning, "
             "1 and 0 "
             "when absent. The authors' code has half of it",
    .source = "Wu et al. 2024 (SPPO), arXiv 2405.00675, Eq. 4.7, beta = 1 / eta",
    .formula = "(u - (P_w - 1/2) / beta)^2 + (v - (P_l - 1/2) / beta)^2",
    .gradient = "du = 2 (u - (P_w - 1/2) / beta), dv = 2 (v - (P_l - 1/2) / beta)",
    .arity = ALIGN_LOSS_PAIR,
    .reads = READS | ALIGN_LOSS_READS_LABEL,
    .label_least = 0,
    .label_most = 1,
    .presets = align__trl_beta,
    .params = {BETA(1e-3), ALIGN__DIVERGENCE},
    .block = sppo,
    .unless = {[ALIGN__PROP_SHIFT] = APART, [ALIGN__PROP_SUM_ZERO] = APART},
};

/* s(r) with its derivatives, and s(-r). */
static struct align__phi sigmoid(struct align__logistic l)
{
    return (struct align__phi){l.s, l.s * l.c, l.s * l.c * (l.c - l.s)};
}

static struct align__phi falling(struct align__logistic l)
{
    const struct align__phi p = sigmoid((struct align__logistic){.s = l.c, .c = l.s});
    return (struct align__phi){p.value, -p.slope, p.curve};
}

static void apo_zero(struct align__block *b)
{
    const double beta = b->params->beta;
    compare(b, align__sigmoids_of);
    for (int i = 0; i < b->n; i++)
        put_both(b, i, beta, falling(align__sigmoid_at(b, 0, i)),
                 sigmoid(align__sigmoid_at(b, 1, i)));
}

const struct align__loss_row ALIGN__ROW(apo_zero) = {
    .golden = "TRL f2cd5771, DPOTrainer apo_zero",
    .name = "apo_zero",
    .brief = "anchored preference optimisation: chosen up, rejected down",
    .source = "D'Oosterlinck et al. 2024 (APO), arXiv 2408.06266, Eq. 7",
    .formula = "s(-beta u) + s(beta v)",
    .gradient = "du = -beta s(beta u) s(-beta u), dv = beta s(beta v) s(-beta v)",
    .arity = ALIGN_LOSS_PAIR,
    .reads = READS,
    .params = {BETA(0.1), ALIGN__DIVERGENCE},
    .block = apo_zero,
    UNLESS_APART,
};

static void apo_down(struct align__block *b)
{
    const double beta = b->params->beta;
    compare(b, align__sigmoids_of);
    align__sigmoids_of(b, 1, b->margin);
    for (int i = 0; i < b->n; i++) {
        const struct align__phi own = sigmoid(align__sigmoid_at(b, 0, i));
        const struct align__phi away = falling(align__sigmoid_at(b, 1, i));
        const struct align__phi both = {own.value + away.value, own.slope + away.slope,
                                        own.curve + away.curve};
        b->value[i] = both.value;
        put(b, i, 0, beta, both);
        put(b, i, 1, beta, (struct align__phi){0, -away.slope, away.curve});
    }
}

const struct align__loss_row ALIGN__ROW(apo_down) = {
    .golden = "TRL f2cd5771, DPOTrainer apo_down",
    .name = "apo_down",
    .brief = "anchored preference optimisation: both down, rejected more",
    .source = "D'Oosterlinck et al. 2024 (APO), arXiv 2408.06266, Eq. 8",
    .formula = "s(beta u) + s(-beta (u - v))",
    .gradient =
        "du = beta (s(beta u) s(-beta u) - s(z) s(-z)), dv = beta s(z) s(-z), z = beta (u - v)",
    .arity = ALIGN_LOSS_PAIR,
    .reads = READS,
    .params = {BETA(0.1), ALIGN__DIVERGENCE},
    .block = apo_down,
    UNLESS_APART,
};

static void cal_dpo(struct align__block *b)
{
    const double target = 0.5 / b->params->beta, lambda = b->params->lambda;
    align__ratio_margins(b, 1);
    align__mix_margins(b, 1, 1, 0);
    for (int k = 0; k < 2; k++) {
        struct align__side *side = &b->side[k];
        const double *worth = b->worth[k], wanted = k == 0 ? target : -target;
        for (int i = 0; i < b->n; i++) {
            const double e = worth[i] - wanted;
            b->value[i] = align__plus(b->value[i], align__times(lambda, e * e));
            side->d[i] = align__plus(side->d[i], align__times(2 * lambda, e));
            side->h[i] += 2 * lambda;
        }
    }
}

const struct align__loss_row ALIGN__ROW(cal_dpo) = {
    .golden = "turbo-alignment 72e737d, CAL_DPO",
    .name = "cal_dpo",
    .brief =
        "calibrated DPO: log-ratios regressed on +-1 / (2 beta) beside dpo with beta 1 inside, as "
        "in the authors' code",
    .source = "Xiao et al. 2024 (Cal-DPO), arXiv 2412.14516, Eq. 10",
    .formula = "softplus(-(u - v - offset)) + lambda ((u - 1/(2 beta))^2 + (v + 1/(2 beta))^2)",
    .gradient = "du = -s(-z) + 2 lambda (u - 1/(2 beta)), dv = s(-z) + 2 lambda (v + 1/(2 beta)), "
                "z = u - v - offset",
    .arity = ALIGN_LOSS_PAIR,
    .reads = READS | ALIGN_LOSS_READS_OFFSET,
    .params = {BETA(1e-3), {ALIGN__PARAM_LAMBDA, 0.5, 0, ALIGN__ANY}, ALIGN__DIVERGENCE},
    .block = cal_dpo,
    UNLESS_APART,
};
