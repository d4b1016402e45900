/* Losses of one sequence at a time. */
#include "pair.h"

#define BETA(standard)                                                                             \
    {                                                                                              \
        ALIGN__PARAM_BETA, standard, ALIGN__ABOVE_0, ALIGN__ANY                                    \
    }
#define NO_REF [ALIGN__PROP_REF] = "has no reference"
#define ALONE                                                                                      \
    [ALIGN__PROP_SHIFT] = "a single's score has no other to be compared with",                     \
    [ALIGN__PROP_SUM_ZERO] = "a single"
#define WEIGHTS                                                                                    \
    {ALIGN__PARAM_DESIRABLE, 1, 0, ALIGN__ANY},                                                    \
    {                                                                                              \
        ALIGN__PARAM_UNDESIRABLE, 1, 0, ALIGN__ANY                                                 \
    }

/* beta x - offset of all. */
static void shift(const struct align__block *b, const double *x, double *r)
{
    const double beta = b->params->beta;
    for (int i = 0; i < b->n; i++)
        r[i] = beta * x[i] - b->offset[i];
}

/* Value, slope and curve by x = beta score. */
static void put(struct align__block *b, int i, double beta, struct align__phi phi)
{
    b->value[i] = phi.value;
    b->side[0].d[i] = beta * phi.slope;
    b->side[0].h[i] = beta * beta * phi.curve;
}

static void sft(struct align__block *b)
{
    const bool mean = b->params->length == ALIGN_LENGTH_MEAN;
    struct align__side *side = &b->side[0];
    for (int i = 0; i < b->n; i++) {
        const double share = mean ? side->share[i] : 1;
        b->value[i] = -align__times(share, side->score[i]);
        side->d[i] = -share;
        side->h[i] = 0;
    }
}

const struct align__loss_row ALIGN__ROW(sft) = {
    .golden = "PyTorch nll_loss",
    .name = "sft",
    .brief = "negative log-likelihood of a sequence, summed or a token",
    .source = "maximum likelihood; as SLiC-HF's regulariser arXiv 2305.10425, Eq. 1, second term",
    .formula = "-a, or -a / n with length mean; 0 for n = 0",
    .gradient = "da = -1, or -1 / n",
    .arity = ALIGN_LOSS_SINGLE,
    .reads = ALIGN_LOSS_READS_COUNT,
    .params = {{ALIGN__PARAM_LENGTH, ALIGN_LENGTH_SUM, ALIGN_LENGTH_SUM, ALIGN_LENGTH_MEAN}},
    .block = sft,
    .unless = {ALONE, NO_REF},
};

/* t desirable and f undesirable: s(-r) up to where r is far above offset, s(r) the other way. */
static struct align__phi prospect(double t, double f, struct align__logistic l)
{
    const double bell = l.s * l.c;
    return (struct align__phi){t * l.c + f * l.s, (f - t) * bell, (f - t) * bell * (l.c - l.s)};
}

static void kto(struct align__block *b)
{
    const double beta = b->params->beta;
    const double good = b->params->desirable, bad = b->params->undesirable;
    double r[ALIGN__BLOCK];
    shift(b, b->worth[0], r);
    align__sigmoids_of(b, 0, r);
    for (int i = 0; i < b->n; i++) {
        const double y = b->side[0].label[i];
        put(b, i, beta, prospect(y * good, (1 - y) * bad, align__sigmoid_at(b, 0, i)));
    }
}

#define KIND                                                                                       \
    .needs = ALIGN_LOSS_READS_LABEL, .label_least = 0, .label_most = 1, .arity = ALIGN_LOSS_SINGLE
#define REF ALIGN_LOSS_READS_REF | ALIGN_LOSS_WRITES_HSCORE

const struct align__loss_row ALIGN__ROW(kto) = {
    .golden = "TRL f2cd5771, KTOTrainer kto",
    .name = "kto",
    .brief = "Kahneman-Tversky optimisation; label 1 desirable, 0 not. offset is beta z0, which "
             "align_loss_state makes from the log-ratios of mismatched pairs",
    .source = "Ethayarajh et al. 2024 (KTO), arXiv 2402.01306, Eq. 7 and 8",
    .formula = "y desirable s(-r) + (1 - y) undesirable s(r), r = beta u - offset",
    .gradient = "du = beta ((1 - y) undesirable - y desirable) s(r) s(-r)",
    KIND,
    .reads = REF | ALIGN_LOSS_READS_OFFSET,
    .params = {BETA(0.1), WEIGHTS, ALIGN__DIVERGENCE},
    .block = kto,
    .unless = {ALONE},
};

static void apo_zero_single(struct align__block *b)
{
    const double beta = b->params->beta;
    double r[ALIGN__BLOCK];
    shift(b, b->worth[0], r);
    align__sigmoids_of(b, 0, r);
    for (int i = 0; i < b->n; i++) {
        const double y = b->side[0].label[i];
        put(b, i, beta, prospect(y, 1 - y, align__sigmoid_at(b, 0, i)));
    }
}

const struct align__loss_row ALIGN__ROW(apo_zero_single) = {
    .golden = "TRL f2cd5771, KTOTrainer apo_zero_unpaired",
    .name = "apo_zero_single",
    .brief = "APO-zero of one item: kto with z0 = 0 (TRL's apo_zero_unpaired)",
    .source = "D'Oosterlinck et al. 2024 (APO), arXiv 2408.06266, Eq. 7, one item at a time",
    .formula = "y s(-beta u) + (1 - y) s(beta u)",
    .gradient = "du = beta (1 - 2 y) s(beta u) s(-beta u)",
    KIND,
    .reads = REF,
    .params = {BETA(0.1), ALIGN__DIVERGENCE},
    .block = apo_zero_single,
    .unless = {ALONE},
};

static void bco(struct align__block *b)
{
    const double beta = b->params->beta;
    double r[ALIGN__BLOCK];
    shift(b, b->worth[0], r);
    align__logistics_of(b, 0, r);
    for (int i = 0; i < b->n; i++) {
        const double y = b->side[0].label[i];
        put(b, i, beta, align__mix_of((struct align__soft){y, 1 - y}, align__logistic_at(b, 0, i)));
    }
}

const struct align__loss_row ALIGN__ROW(bco) = {
    .golden = "TRL f2cd5771, BCOTrainer.bco_loss",
    .name = "bco",
    .brief = "binary classifier optimisation of one item; offset is the reward shift delta, which "
             "align_loss_state keeps, and weight its density ratio (UDM)",
    .source = "Jung et al. 2024 (BCO), arXiv 2404.04656, Eq. 8, 13 and 17",
    .formula = "y softplus(-r) + (1 - y) softplus(r), r = beta u - offset",
    .gradient = "du = beta ((1 - y) s(r) - y s(-r))",
    KIND,
    .reads = REF | ALIGN_LOSS_READS_OFFSET,
    .params = {BETA(0.1), ALIGN__DIVERGENCE},
    .block = bco,
    .unless = {ALONE},
};

static void npo(struct align__block *b)
{
    const double beta = b->params->beta, scale = 2 / beta;
    double r[ALIGN__BLOCK];
    shift(b, b->worth[0], r);
    align__logistics_of(b, 0, r);
    for (int i = 0; i < b->n; i++) {
        const struct align__logistic l = align__logistic_at(b, 0, i);
        put(b, i, beta, (struct align__phi){scale * l.plus, scale * l.s, scale * l.s * l.c});
    }
}

const struct align__loss_row ALIGN__ROW(npo) = {
    .name = "npo",
    .brief = "negative preference optimisation: pushes an unwanted sequence down (unlearning)",
    .source = "Zhang et al. 2024 (NPO), arXiv 2404.05868, Eq. 3",
    .formula = "2 / beta softplus(beta u)",
    .gradient = "du = 2 s(beta u)",
    .arity = ALIGN_LOSS_SINGLE,
    .reads = REF,
    .params = {BETA(0.1), ALIGN__DIVERGENCE},
    .block = npo,
    .unless = {ALONE},
};

static void bce(struct align__block *b)
{
    const double beta = b->params->beta;
    const double good = b->params->desirable, bad = b->params->undesirable;
    double r[ALIGN__BLOCK];
    shift(b, b->side[0].score, r);
    align__logistics_of(b, 0, r);
    for (int i = 0; i < b->n; i++) {
        const double y = b->side[0].label[i];
        const struct align__soft soft = {y * good, (1 - y) * bad};
        put(b, i, beta, align__mix_of(soft, align__logistic_at(b, 0, i)));
    }
}

const struct align__loss_row ALIGN__ROW(bce) = {
    .golden = "PyTorch binary_cross_entropy_with_logits with pos_weight",
    .name = "bce",
    .brief =
        "binary cross-entropy of a reward with class weights: P[Love]; offset shifts the prior",
    .source = "RLUF, arXiv 2505.14946 (P[Love]); logistic regression",
    .formula = "y desirable softplus(-r) + (1 - y) undesirable softplus(r), r = beta a - offset",
    .gradient = "da = beta ((1 - y) undesirable s(r) - y desirable s(-r))",
    KIND,
    .reads = ALIGN_LOSS_READS_OFFSET | ALIGN_LOSS_WRITES_HSCORE,
    .params = {BETA(1), WEIGHTS},
    .block = bce,
    .unless = {ALONE, NO_REF},
};

static void mse(struct align__block *b)
{
    for (int i = 0; i < b->n; i++) {
        const double e = b->side[0].score[i] - b->side[0].label[i];
        put(b, i, 1, (struct align__phi){e * e, 2 * e, 2});
    }
}

const struct align__loss_row ALIGN__ROW(mse) = {
    .golden = "PyTorch mse_loss",
    .name = "mse",
    .brief = "squared distance of a reward from its label",
    .source = "least squares, as HelpSteer2 trains attributes, arXiv 2406.08673, Sec. 4",
    .formula = "(a - y)^2",
    .gradient = "da = 2 (a - y)",
    .arity = ALIGN_LOSS_SINGLE,
    .needs = ALIGN_LOSS_READS_LABEL,
    .reads = ALIGN_LOSS_WRITES_HSCORE,
    .label_least = -ALIGN__ANY,
    .label_most = ALIGN__ANY,
    .block = mse,
    .unless = {ALONE, NO_REF},
};

static void w2s_confidence(struct align__block *b)
{
    const double alpha = b->params->alpha;
    align__logistics_of(b, 0, b->side[0].score);
    for (int i = 0; i < b->n; i++) {
        const double sure = b->side[0].score[i] >= b->offset[i];
        const double y = (1 - alpha) * b->side[0].label[i] + alpha * sure;
        put(b, i, 1, align__mix_of((struct align__soft){y, 1 - y}, align__logistic_at(b, 0, i)));
    }
}

const struct align__loss_row ALIGN__ROW(w2s_confidence) = {
    .golden = "openai/weak-to-strong 15a0fab, logconf_loss_fn",
    .name = "w2s_confidence",
    .brief =
        "weak-to-strong with the strong model's own hardened answer, held constant; score is its "
        "logit, offset the logit from which it says yes, alpha the share of its own answer",
    .source = "Burns et al. 2023, arXiv 2312.09390, App. A.4, Eq. 1; logconf_loss_fn of its code",
    .formula = "t softplus(-a) + (1 - t) softplus(a), t = (1 - alpha) y + alpha [a >= offset]",
    .gradient = "da = (1 - t) s(a) - t s(-a)",
    KIND,
    .reads = ALIGN_LOSS_READS_OFFSET | ALIGN_LOSS_WRITES_HSCORE,
    .params = {{ALIGN__PARAM_ALPHA, 0.5, 0, 1}},
    .block = w2s_confidence,
    .unless = {ALONE, NO_REF},
};

static void w2s_product(struct align__block *b)
{
    const double alpha = b->params->alpha, beta = b->params->beta;
    double yes[ALIGN__BLOCK], no[ALIGN__BLOCK], both[ALIGN__BLOCK];
    b->f64->log(yes, b->side[0].label, b->n);
    for (int i = 0; i < b->n; i++)
        no[i] = -b->side[0].label[i];
    b->f64->log1p(no, no, b->n);
    for (int i = 0; i < b->n; i++)
        both[i] = align__plus(align__times(beta, b->side[0].score[i]),
                              align__times(alpha, align__minus(yes[i], no[i])));
    align__logistics_of(b, 0, b->side[0].score);
    align__logistics_of(b, 1, both);
    for (int i = 0; i < b->n; i++) {
        const struct align__logistic t = align__logistic_at(b, 1, i);
        put(b, i, 1, align__mix_of((struct align__soft){t.s, t.c}, align__logistic_at(b, 0, i)));
    }
}

const struct align__loss_row ALIGN__ROW(w2s_product) = {
    .golden = "openai/weak-to-strong 15a0fab, product_loss_fn",
    .name = "w2s_product",
    .brief =
        "weak-to-strong against the product of both models' answers, held constant; score is the "
        "strong model's logit",
    .source = "Burns et al. 2023, arXiv 2312.09390; product_loss_fn of its code",
    .formula = "t softplus(-a) + (1 - t) softplus(a), logit t = beta a + alpha logit y",
    .gradient = "da = (1 - t) s(a) - t s(-a)",
    KIND,
    .reads = ALIGN_LOSS_WRITES_HSCORE,
    .params = {BETA(1), {ALIGN__PARAM_ALPHA, 1, 0, ALIGN__ANY}},
    .block = w2s_product,
    .unless = {ALONE, NO_REF},
};

/* A positive says -log s(x) - log(1 - g); an unobserved one -log(1 - s(x) + g s(x)) =
 * softplus(x) - softplus(x + log g), where g = s(flip). */
static void nbpo_exact(struct align__block *b)
{
    struct align__side *side = &b->side[0];
    double at[ALIGN__BLOCK], none[4][ALIGN__BLOCK];
    for (int i = 0; i < b->n; i++)
        at[i] = align__minus(side->score[i], align__logistic_at(b, 1, i).minus);
    b->f64->logistic((struct align__logistics){none[0], none[1], none[2], none[3]}, at, b->n);
    for (int i = 0; i < b->n; i++) {
        const struct align__logistic l = align__logistic_at(b, 0, i),
                                     g = align__logistic_at(b, 1, i);
        const double y = side->label[i], no = 1 - y;
        b->value[i] = align__times(y, l.minus + g.plus) +
                      align__times(no, align__minus(l.plus, none[0][i]));
        side->d[i] = no * g.c * l.s * none[3][i] - y * l.c;
        side->daux[i] = y * g.s - no * g.c * none[2][i];
    }
}

static void nbpo_surrogate(struct align__block *b)
{
    struct align__side *side = &b->side[0];
    for (int i = 0; i < b->n; i++) {
        const struct align__logistic l = align__logistic_at(b, 0, i),
                                     g = align__logistic_at(b, 1, i);
        const double y = side->label[i], no = 1 - y;
        b->value[i] = align__times(y * g.c, l.minus) + align__times(y * l.s, g.plus) +
                      align__times(no, l.plus) + align__times(no * g.s, l.minus) +
                      align__times(no * l.s, g.minus);
        side->d[i] = no * (l.s - g.s * l.c) - y * g.c * l.c;
        side->daux[i] = y * g.s * l.s - no * l.s * g.c;
    }
}

static void nbpo(struct align__block *b)
{
    const double common = b->params->flip;
    double flip[ALIGN__BLOCK];
    for (int i = 0; i < b->n; i++)
        flip[i] = align__plus(common, b->side[0].aux[i]);
    align__logistics_of(b, 0, b->side[0].score);
    align__logistics_of(b, 1, flip);
    if (b->params->form == ALIGN_FORM_EXACT)
        nbpo_exact(b);
    else
        nbpo_surrogate(b);
    for (int i = 0; i < b->n; i++)
        b->learn[0][i] = b->side[0].daux[i];
}

const struct align__loss_row ALIGN__ROW(nbpo) = {
    .name = "nbpo",
    .brief =
        "noisy-label robust optimisation of implicit feedback: label 1 observed, 0 not; the logit "
        "of the flip rate is flip plus aux, both learnable (dparam, daux)",
    .source =
        "Yu and Qin 2020 (NBPO), arXiv 2007.07204, Eq. 5 and 12; surrogate as in the authors' code",
    .formula =
        "exact: y (-log p - log(1 - g)) - (1 - y) log(1 - p + g p); surrogate: y (-(1 - g) log p "
        "- p log(1 - g)) + (1 - y) (-log(1 - p) - g log p - p log g), factors constant; p = "
        "s(a), g = s(flip + aux)",
    .gradient =
        "exact: da = -y (1 - p) + (1 - y) (1 - g) p (1 - p) / D, dflip = y g - (1 - y) g (1 - g) "
        "p / D, D = 1 - p + g p; surrogate: da = -y (1 - g)(1 - p) + (1 - y)(p - g (1 - p)), "
        "dflip = y g p - (1 - y) p (1 - g)",
    KIND,
    .reads = ALIGN_LOSS_READS_AUX | ALIGN_LOSS_WRITES_DAUX | ALIGN_LOSS_WRITES_DPARAM,
    .params = {{ALIGN__PARAM_FLIP, -2, -ALIGN__ANY, ALIGN__ANY},
               {ALIGN__PARAM_FORM, ALIGN_FORM_SURROGATE, ALIGN_FORM_EXACT, ALIGN_FORM_SURROGATE}},
    .block = nbpo,
    .unless = {ALONE, NO_REF},
};
