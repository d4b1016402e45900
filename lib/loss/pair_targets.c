/* Pairs whose margin is fitted to a probability by a divergence of two Bernoulli distributions. */
#include "pair.h"

#define READS_LINK ALIGN_LOSS_READS_REF | ALIGN_LOSS_READS_OFFSET | ALIGN_LOSS_WRITES_HSCORE
#define BETA(standard)                                                                             \
    {                                                                                              \
        ALIGN__PARAM_BETA, standard, ALIGN__ABOVE_0, ALIGN__ANY                                    \
    }

/* KL(s(z) || t) from z, its logistics, log t and log(1 - t). Slope s(z) s(-z) (z - logit t). */
static struct align__phi kl_to_target(double z, struct align__logistic l, double log_t,
                                      double log_f)
{
    const double bell = l.s * l.c, far = align__minus(z, log_t - log_f);
    return (struct align__phi){
        align__times(l.s, -log_t - l.minus) + align__times(l.c, -log_f - l.plus),
        align__times(bell, far), align__times(bell * (l.c - l.s), far) + bell};
}

/* All margins, and their logistics. */
static void margins(struct align__block *b)
{
    align__ratio_margins(b, b->params->beta);
    align__logistics_of(b, 0, b->margin);
}

static void exo(struct align__block *b)
{
    const double beta = b->params->beta, eps = b->params->label_smoothing;
    double t[ALIGN__BLOCK], f[ALIGN__BLOCK];
    margins(b);
    for (int i = 0; i < b->n; i++) {
        const struct align__soft soft = align__soft(b->prob[i], eps);
        t[i] = soft.t;
        f[i] = soft.f;
    }
    b->f64->log(t, t, b->n);
    b->f64->log(f, f, b->n);
    for (int i = 0; i < b->n; i++)
        align__link(b, i, beta,
                    kl_to_target(b->margin[i], align__logistic_at(b, 0, i), t[i], f[i]));
}

const struct align__loss_row ALIGN__ROW(exo) = {
    .golden = "TRL f2cd5771, DPOTrainer exo_pair",
    .name = "exo",
    .brief =
        "efficient exact optimisation for pairs: KL from the policy's preference to the smoothed "
        "label. Its gradient vanishes far out on both sides",
    .source = "Ji et al. 2024 (EXO), arXiv 2402.00856, Eq. 16",
    .formula = "s(z) log(s(z) / t) + s(-z) log(s(-z) / (1 - t)), z = beta (u - v) - offset, "
               "" ALIGN__SMOOTH_TEXT,
    .gradient = "du = beta s(z) s(-z) (z - logit t), dv = -du",
    .arity = ALIGN_LOSS_PAIR,
    .reads = READS_LINK | ALIGN_LOSS_READS_PROB,
    .params = {BETA(0.1),
               {ALIGN__PARAM_LABEL_SMOOTHING, 1e-3, ALIGN__ABOVE_0, 0.5},
               ALIGN__DIVERGENCE},
    .block = exo,
};

/* eta (label_w - label_l): the log-odds that the rewards ask for. */
static void wanted(const struct align__block *b, double *x)
{
    const double eta = b->params->eta;
    for (int i = 0; i < b->n; i++)
        x[i] = eta * (b->side[0].label[i] - b->side[1].label[i]);
}

static void all_wanted(struct align__block *b)
{
    double x[ALIGN__BLOCK];
    wanted(b, x);
    align__logistics_of(b, 1, x);
}

static void rpo_fwd(struct align__block *b)
{
    const double beta = b->params->beta;
    margins(b);
    all_wanted(b);
    for (int i = 0; i < b->n; i++) {
        const struct align__logistic p = align__logistic_at(b, 1, i);
        align__link(b, i, beta,
                    kl_to_target(b->margin[i], align__logistic_at(b, 0, i), -p.minus, -p.plus));
    }
}

/* KL(p || s(z)) with p = s(x), from both logistics: each term as a difference of softplus, exact where both are
 * large. */
static struct align__phi kl_from_target(struct align__logistic l, struct align__logistic p)
{
    return (struct align__phi){align__plus(align__times(p.s, align__minus(l.minus, p.minus)),
                                           align__times(p.c, align__minus(l.plus, p.plus))),
                               p.c * l.s - p.s * l.c, l.s * l.c};
}

static void rpo_bwd(struct align__block *b)
{
    const double beta = b->params->beta;
    margins(b);
    all_wanted(b);
    for (int i = 0; i < b->n; i++)
        align__link(b, i, beta,
                    kl_from_target(align__logistic_at(b, 0, i), align__logistic_at(b, 1, i)));
}

static void rpo_sq(struct align__block *b)
{
    const double beta = b->params->beta;
    double x[ALIGN__BLOCK];
    align__ratio_margins(b, beta);
    wanted(b, x);
    for (int i = 0; i < b->n; i++) {
        const double e = b->margin[i] - x[i];
        align__link(b, i, beta, (struct align__phi){e * e, 2 * e, 2});
    }
}

#define RPO(text, form, slope)                                                                     \
    .brief = text,                                                                                 \
    .source =                                                                                      \
        "Sun et al. 2025 (RPO), arXiv 2502.00203, Sec. 3; Nemotron-4, arXiv 2406.11704, Eq. 2",    \
    .formula = form                                                                                \
        ", z = beta (u - v) - offset, x = eta (label_w - label_l), labels are rewards",            \
    .gradient = "du = " slope ", dv = -du", .arity = ALIGN_LOSS_PAIR,                              \
    .needs = ALIGN_LOSS_READS_LABEL, .reads = READS_LINK, .label_least = -ALIGN__ANY,              \
    .label_most = ALIGN__ANY,                                                                      \
    .params = {BETA(0.1), {ALIGN__PARAM_ETA, 1, 0, ALIGN__ANY}, ALIGN__DIVERGENCE}

const struct align__loss_row ALIGN__ROW(rpo_bwd) = {
    .golden = "PyTorch kl_div",
    .name = "rpo_bwd",
    .block = rpo_bwd,
    RPO("reward-aware preferences, backward KL: dpo with the rewards' probability as label",
        "KL(s(x) || s(z))", "beta (s(-x) s(z) - s(x) s(-z))"),
};

const struct align__loss_row ALIGN__ROW(rpo_fwd) = {
    .golden = "PyTorch kl_div",
    .name = "rpo_fwd",
    .block = rpo_fwd,
    RPO("reward-aware preferences, forward KL: exo with the rewards' probability as label",
        "KL(s(z) || s(x))", "beta s(z) s(-z) (z - x)"),
};

const struct align__loss_row ALIGN__ROW(rpo_sq) = {
    .golden = "PyTorch mse_loss",
    .name = "rpo_sq",
    .block = rpo_sq,
    RPO("reward-aware preferences, squared distance of margins", "(z - x)^2", "2 beta (z - x)"),
};
