/* Pairs without a reference: scores are log-probabilities as they stand, or a token. */
#include "pair.h"

#define NO_REF [ALIGN__PROP_REF] = "has no reference"
#define BETA(standard)                                                                             \
    {                                                                                              \
        ALIGN__PARAM_BETA, standard, ALIGN__ABOVE_0, ALIGN__ANY                                    \
    }
#define SMOOTHING                                                                                  \
    {                                                                                              \
        ALIGN__PARAM_LABEL_SMOOTHING, 0, 0, 0.5                                                    \
    }
#define LENGTH                                                                                     \
    {                                                                                              \
        ALIGN__PARAM_LENGTH, ALIGN_LENGTH_SUM, ALIGN_LENGTH_SUM, ALIGN_LENGTH_MEAN                 \
    }
#define LAMBDA(standard)                                                                           \
    {                                                                                              \
        ALIGN__PARAM_LAMBDA, standard, 0, ALIGN__ANY                                               \
    }
#define CHOSEN_ALONE "the chosen item's likelihood is a term of its own"
#define UNLESS_ANCHORED                                                                            \
    .unless = {NO_REF, [ALIGN__PROP_SHIFT] = CHOSEN_ALONE, [ALIGN__PROP_SUM_ZERO] = CHOSEN_ALONE,  \
               [ALIGN__PROP_SWAP] = CHOSEN_ALONE}
#define BY_LENGTH "scores are divided by lengths"

static void slic(struct align__block *b)
{
    align__margins(b, 1, b->side[0].score, b->side[1].score);
    align__hinge_mix(b, 1);
}

const struct align__loss_row ALIGN__ROW(slic) = {
    .golden = "turbo-alignment 72e737d, SLIC_HF",
    .name = "slic",
    .brief = "SLiC-HF's rank calibration on log-probabilities; add the row sft on the target's "
             "sequences for its regulariser",
    .source = "Zhao et al. 2023 (SLiC-HF), arXiv 2305.10425, Eq. 1, first term",
    .formula = "t max(0, m - z) + (1 - t) max(0, m + z), z = a - b - offset, " ALIGN__SMOOTH_TEXT,
    .gradient = "da = (1 - t) [-z < m] - t [z < m], db = -da; 0 at a kink",
    .arity = ALIGN_LOSS_PAIR,
    .reads = ALIGN_LOSS_READS_PROB | ALIGN_LOSS_READS_OFFSET,
    .params = {{ALIGN__PARAM_MARGIN, 1, 0, ALIGN__ANY}, SMOOTHING},
    .block = slic,
    .unless = {NO_REF},
};

static void slic_margin(struct align__block *b)
{
    const bool mean = b->params->length == ALIGN_LENGTH_MEAN;
    const double beta = b->params->beta;
    double m[ALIGN__BLOCK];
    if (mean)
        align__mean_margins(b, 1, b->side[0].score, b->side[1].score);
    else
        align__margins(b, 1, b->side[0].score, b->side[1].score);
    for (int i = 0; i < b->n; i++)
        m[i] = beta * (b->side[0].label[i] - b->side[1].label[i]);
    align__hinge_links(b, m, mean ? b->side[0].share : NULL, mean ? b->side[1].share : NULL);
}

const struct align__loss_row ALIGN__ROW(slic_margin) = {
    .golden = "PyTorch margin_ranking_loss",
    .name = "slic_margin",
    .brief =
        "SLiC's margin calibration: a margin as wide as the labels (similarities to the target) "
        "are apart",
    .source = "Zhao et al. 2022 (SLiC), arXiv 2210.00045, Sec. 2.3, margin loss",
    .formula =
        "max(0, beta (label_w - label_l) - z), z = a - b - offset, or a / n_w - b / n_l - offset",
    .gradient = "da = -[z < beta (label_w - label_l)], db = -da, divided by n with length mean",
    .arity = ALIGN_LOSS_PAIR,
    .needs = ALIGN_LOSS_READS_LABEL,
    .reads = ALIGN_LOSS_READS_OFFSET | ALIGN_LOSS_READS_COUNT,
    .label_least = -ALIGN__ANY,
    .label_most = ALIGN__ANY,
    .params = {BETA(1), LENGTH},
    .block = slic_margin,
    .unless = {NO_REF, [ALIGN__PROP_SWAP] =
                           "the first item is the better one, whatever labels say"},
};

/* The target margin is taken off. */
static void shift_margins(struct align__block *b)
{
    const double margin = b->params->margin;
    for (int i = 0; i < b->n; i++)
        b->margin[i] -= margin;
}

static void simpo(struct align__block *b)
{
    const double beta = b->params->beta;
    align__mean_margins(b, beta, b->side[0].score, b->side[1].score);
    shift_margins(b);
    align__mix_smooth_by(b, b->side[0].share, b->side[1].share);
}

const struct align__loss_row ALIGN__ROW(simpo) = {
    .golden = "TRL f2cd5771, CPOTrainer simpo",
    .name = "simpo",
    .brief = "simple preference optimisation: log-probability a token, with a target margin",
    .source = "Meng et al. 2024 (SimPO), arXiv 2405.14734, Eq. 6, margin = gamma",
    .formula = "t softplus(-z) + (1 - t) softplus(z), z = beta (a / n_w - b / n_l) - margin - "
               "offset, " ALIGN__SMOOTH_TEXT,
    .gradient = "da = beta ((1 - t) s(z) - t s(-z)) / n_w, db = -beta (...) / n_l",
    .arity = ALIGN_LOSS_PAIR,
    .needs = ALIGN_LOSS_READS_COUNT,
    .reads = ALIGN_LOSS_READS_PROB | ALIGN_LOSS_READS_OFFSET | ALIGN_LOSS_WRITES_HSCORE,
    .presets = align__trl_beta,
    .params = {BETA(2), {ALIGN__PARAM_MARGIN, 0.5, -ALIGN__ANY, ALIGN__ANY}, SMOOTHING},
    .block = simpo,
    .unless = {NO_REF, [ALIGN__PROP_SHIFT] = BY_LENGTH, [ALIGN__PROP_SUM_ZERO] = BY_LENGTH,
               [ALIGN__PROP_SWAP] = "the margin favours the first item"},
};

/* r(x) = (1 - e^(-alpha x)) / alpha of mean log-probabilities, or x with alpha 0; the margins from r(x) - r(y), formed so
 * that two large rewards cannot become inf - inf, and how both items move them. */
static void alpha_po(struct align__block *b)
{
    const double alpha = b->params->alpha, beta = b->params->beta, margin = b->params->margin;
    double x[2][ALIGN__BLOCK], by[2][ALIGN__BLOCK], less[ALIGN__BLOCK];
    for (int k = 0; k < 2; k++) {
        b->f64->times(x[k], b->side[k].share, b->side[k].score, b->n);
        for (int i = 0; i < b->n; i++)
            by[k][i] = align__times(-alpha, x[k][i]);
        b->f64->exp(by[k], by[k], b->n);
    }
    for (int i = 0; i < b->n; i++)
        less[i] = -fabs(align__times(alpha, align__minus(x[0][i], x[1][i])));
    b->f64->expm1(less, less, b->n);
    for (int i = 0; i < b->n; i++) {
        const double gap = align__minus(x[0][i], x[1][i]), t = -less[i] / alpha;
        const double up = align__times(t, by[1][i]), down = -align__times(t, by[0][i]);
        const double curved = alpha * gap >= 0 ? up : down, apart = alpha == 0 ? gap : curved;
        b->margin[i] = beta * apart - margin - b->offset[i];
    }
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < b->n; i++)
            by[k][i] *= b->side[k].share[i];
    align__mix_smooth_by(b, by[0], by[1]);
}

const struct align__loss_row ALIGN__ROW(alpha_po) = {
    .golden = "TRL f2cd5771, CPOTrainer simpo with alpha",
    .name = "alpha_po",
    .brief = "AlphaPO: SimPO with rewards (1 - p^-alpha) / alpha; alpha 0 is SimPO",
    .source = "Gupta et al. 2025 (AlphaPO), arXiv 2501.03884, Eq. 10",
    .formula =
        "t softplus(-z) + (1 - t) softplus(z), z = beta (r(a / n_w) - r(b / n_l)) - margin - "
        "offset, r(x) = (1 - e^(-alpha x)) / alpha, " ALIGN__SMOOTH_TEXT,
    .gradient = "da = beta ((1 - t) s(z) - t s(-z)) e^(-alpha a / n_w) / n_w, db = -beta (...) "
                "e^(-alpha b / n_l) / n_l",
    .arity = ALIGN_LOSS_PAIR,
    .needs = ALIGN_LOSS_READS_COUNT,
    .reads = ALIGN_LOSS_READS_PROB | ALIGN_LOSS_READS_OFFSET,
    .presets = align__trl_beta,
    .params = {BETA(2),
               {ALIGN__PARAM_ALPHA, 0.25, -ALIGN__ANY, ALIGN__ANY},
               {ALIGN__PARAM_MARGIN, 0.5, -ALIGN__ANY, ALIGN__ANY},
               SMOOTHING},
    .block = alpha_po,
    .unless = {NO_REF, [ALIGN__PROP_SHIFT] = BY_LENGTH, [ALIGN__PROP_SUM_ZERO] = BY_LENGTH,
               [ALIGN__PROP_SWAP] = "the margin favours the first item"},
};

/* Adds lambda times the negative log-likelihood of the chosen item, summed or a token. */
static void add_likelihood(struct align__block *b)
{
    const bool mean = b->params->length == ALIGN_LENGTH_MEAN;
    const double lambda = b->params->lambda;
    struct align__side *side = &b->side[0];
    for (int i = 0; i < b->n; i++) {
        const double factor = lambda * (mean ? side->share[i] : 1);
        b->value[i] = align__plus(b->value[i], -align__times(factor, side->score[i]));
        side->d[i] = align__plus(side->d[i], -factor);
    }
}

static void cpo(struct align__block *b)
{
    const double beta = b->params->beta, eps = b->params->label_smoothing;
    align__margins(b, beta, b->side[0].score, b->side[1].score);
    align__mix_margins(b, beta, 1 - eps, eps);
    add_likelihood(b);
}

static const struct align__preset cpo_presets[] = {
    {"trl-0.28", {{ALIGN__PARAM_LENGTH, ALIGN_LENGTH_MEAN}}},
    {"trl-1.10", {{ALIGN__PARAM_LENGTH, ALIGN_LENGTH_MEAN}}},
    {NULL, {{0}}},
};

const struct align__loss_row ALIGN__ROW(cpo) = {
    .golden = "TRL f2cd5771, CPOTrainer sigmoid",
    .name = "cpo",
    .brief = "contrastive preference optimisation: dpo without a reference, and the chosen item's "
             "likelihood",
    .source = "Xu et al. 2024 (CPO), arXiv 2401.08417, Eq. 3 to 5",
    .formula = "t softplus(-z) + (1 - t) softplus(z) - lambda a (or a / n_w), z = beta (a - b) - "
               "offset, " ALIGN__SMOOTH_TEXT,
    .gradient = "da = beta ((1 - t) s(z) - t s(-z)) - lambda (/ n_w), db = -beta (...)",
    .arity = ALIGN_LOSS_PAIR,
    .reads = ALIGN_LOSS_READS_PROB | ALIGN_LOSS_READS_OFFSET | ALIGN_LOSS_READS_COUNT |
             ALIGN_LOSS_WRITES_HSCORE,
    .presets = cpo_presets,
    .params = {BETA(0.1), LAMBDA(1), LENGTH, SMOOTHING},
    .block = cpo,
    UNLESS_ANCHORED,
};

/* z moves with a by 1 - b w' / n_w and with b by w - b w' / n_l, w(gap) = min(1, alpha e^(gamma gap) - 1). */
static void arpo(struct align__block *b)
{
    const double alpha = b->params->alpha, beta = b->params->beta, gamma = b->params->gamma;
    double gap[ALIGN__BLOCK], power[ALIGN__BLOCK], far[ALIGN__BLOCK], by[2][ALIGN__BLOCK];
    const double *a = b->side[0].score, *y = b->side[1].score;
    const double *share[] = {b->side[0].share, b->side[1].share};
    for (int i = 0; i < b->n; i++) {
        gap[i] = align__minus(align__times(share[0][i], a[i]), align__times(share[1][i], y[i]));
        power[i] = gamma * fabs(gap[i]);
    }
    b->f64->exp(power, power, b->n);
    for (int i = 0; i < b->n; i++) {
        const double grown = alpha * power[i], sign = (gap[i] > 0) - (gap[i] < 0);
        const bool full = grown - 1 >= 1;
        const double w = full ? 1 : grown - 1, slope = full ? 0 : gamma * sign * grown;
        const double by_gap = align__times(slope, y[i]);
        far[i] = align__times(w, y[i]);
        by[0][i] = 1 - align__times(share[0][i], by_gap);
        by[1][i] = w - align__times(share[1][i], by_gap);
    }
    align__margins(b, beta, a, far);
    align__mix_margins_by(b, beta, 1, 0, by[0], by[1]);
}

const struct align__loss_row ALIGN__ROW(arpo) = {
    .name = "arpo",
    .brief =
        "adaptive rejection: cpo's margin with the rejected item weighted by how far apart the "
        "means are; the weight has its gradient. Add sft for its likelihood term",
    .source = "Xu et al. 2024 (X-ALMA), arXiv 2410.03115, Eq. 4 and 5",
    .formula = "softplus(-z), z = beta (a - w b) - offset, w = min(1, alpha e^(gamma |a / n_w - "
               "b / n_l|) - 1)",
    .gradient = "da = -beta s(-z) (1 - b w' / n_w), db = beta s(-z) (w - b w' / n_l), w' = gamma "
                "(w + 1) sign(a / n_w - b / n_l) where w < 1",
    .arity = ALIGN_LOSS_PAIR,
    .needs = ALIGN_LOSS_READS_COUNT,
    .reads = ALIGN_LOSS_READS_OFFSET,
    .params = {BETA(0.1),
               {ALIGN__PARAM_ALPHA, 0.9, 0, ALIGN__ANY},
               {ALIGN__PARAM_GAMMA, 0.4, 0, ALIGN__ANY}},
    .block = arpo,
    .unless = {NO_REF, [ALIGN__PROP_SHIFT] = BY_LENGTH, [ALIGN__PROP_SUM_ZERO] = BY_LENGTH,
               [ALIGN__PROP_SWAP] = "only the rejected item is weighted"},
};

static void rrhf(struct align__block *b)
{
    double m[ALIGN__BLOCK];
    align__mean_margins(b, 1, b->side[0].score, b->side[1].score);
    for (int i = 0; i < b->n; i++)
        m[i] = 0;
    align__hinge_links(b, m, b->side[0].share, b->side[1].share);
    add_likelihood(b);
}

const struct align__loss_row ALIGN__ROW(rrhf) = {
    .golden = "PyTorch margin_ranking_loss (without its likelihood)",
    .name = "rrhf",
    .brief =
        "rank responses by mean log-probability, and likelihood of the best; the authors' code "
        "weighs the ranking by 1 in its script and by 100 unless told: lambda 0.01 at scale 100",
    .source = "Yuan et al. 2023 (RRHF), arXiv 2304.05302, Eq. 2 to 5",
    .formula = "max(0, b / n_l - a / n_w) - lambda a (or a / n_w)",
    .gradient = "da = -[b / n_l > a / n_w] / n_w - lambda (/ n_w), db = [...] / n_l",
    .arity = ALIGN_LOSS_PAIR,
    .needs = ALIGN_LOSS_READS_COUNT,
    .params = {LAMBDA(1), LENGTH},
    .block = rrhf,
    UNLESS_ANCHORED,
};

static void tpo(struct align__block *b)
{
    const bool mean = b->params->length == ALIGN_LENGTH_MEAN;
    const double beta = b->params->beta, lambda = b->params->lambda;
    if (mean)
        align__mean_margins(b, beta, b->side[0].score, b->side[1].score);
    else
        align__margins(b, beta, b->side[0].score, b->side[1].score);
    shift_margins(b);
    align__mix_smooth_by(b, mean ? b->side[0].share : NULL, mean ? b->side[1].share : NULL);
    for (int i = 0; i < b->n; i++) {
        b->value[i] = align__plus(b->value[i], -align__times(lambda, b->side[0].aux[i]));
        b->side[0].daux[i] = -lambda;
        b->side[1].daux[i] = 0;
    }
}

static const struct align__preset tpo_presets[] = {
    {"tpo-l", {{ALIGN__PARAM_LENGTH, ALIGN_LENGTH_MEAN}, {ALIGN__PARAM_MARGIN, 0.5}}},
    {NULL, {{0}}},
};

const struct align__loss_row ALIGN__ROW(tpo) = {
    .golden = "TRL f2cd5771, TPOTrainer sigmoid",
    .name = "tpo",
    .brief = "triple preference optimisation: a pair, and the likelihood of a gold response, whose "
             "log-probability is aux of the first item (that of the second has no effect)",
    .source = "Saeidi et al. 2024 (TPO), arXiv 2405.16681, Eq. 7",
    .formula =
        "t softplus(-z) + (1 - t) softplus(z) - lambda aux_w, z = beta (a - b) - margin - offset, "
        "or of means; " ALIGN__SMOOTH_TEXT,
    .gradient = "da = beta ((1 - t) s(z) - t s(-z)), db = -da, daux_w = -lambda",
    .arity = ALIGN_LOSS_PAIR,
    .needs = ALIGN_LOSS_READS_AUX,
    .reads = ALIGN_LOSS_READS_PROB | ALIGN_LOSS_READS_OFFSET | ALIGN_LOSS_READS_COUNT |
             ALIGN_LOSS_WRITES_DAUX,
    .params = {BETA(0.01),
               LAMBDA(1),
               LENGTH,
               {ALIGN__PARAM_MARGIN, 0, -ALIGN__ANY, ALIGN__ANY},
               SMOOTHING},
    .presets = tpo_presets,
    .block = tpo,
    .unless = {NO_REF, [ALIGN__PROP_SWAP] = "the gold response belongs to the first item"},
};
