/* Pairs whose loss is a logistic or hinge link of the margin of log-ratios. */
#include "pair.h"

#define READS_LINK                                                                                 \
    ALIGN_LOSS_READS_REF | ALIGN_LOSS_READS_PROB | ALIGN_LOSS_READS_OFFSET |                       \
        ALIGN_LOSS_WRITES_HSCORE
#define BETA(standard)                                                                             \
    {                                                                                              \
        ALIGN__PARAM_BETA, standard, ALIGN__ABOVE_0, ALIGN__ANY                                    \
    }
#define SMOOTHING                                                                                  \
    {                                                                                              \
        ALIGN__PARAM_LABEL_SMOOTHING, 0, 0, 0.5                                                    \
    }

/* Links of all margins, once they are known, with the smoothed label. */
static void mix(struct align__block *b)
{
    align__mix_smooth_by(b, NULL, NULL);
}

static void dpo(struct align__block *b)
{
    align__ratio_margins(b, b->params->beta);
    mix(b);
}

/* The alpha of f_divergence_params, whose meaning changed: with divergence alpha_paper and alpha. */
static const struct align__preset dpo_presets[] = {
    {"trl-0.28", {{ALIGN__PARAM_ORDER, 1}}},
    {"trl-1.10", {{ALIGN__PARAM_ORDER, 0.5}}},
    {NULL, {{0}}},
};

const struct align__loss_row ALIGN__ROW(dpo) = {
    .golden = "TRL f2cd5771, DPOTrainer sigmoid with three divergences",
    .name = "dpo",
    .brief = "direct preference optimisation; with label_smoothing cDPO, with prob soft labels",
    .source =
        "Rafailov et al. 2023, arXiv 2305.18290, Eq. 7; smoothing: Mitchell 2023, A note on DPO "
        "with noisy preferences, Eq. 3; divergences: f-DPO, arXiv 2309.16240, and chi-PO, "
        "arXiv 2407.13399",
    .formula =
        "t softplus(-z) + (1 - t) softplus(z), z = beta (u - v) - offset, " ALIGN__SMOOTH_TEXT,
    .gradient = "du = beta ((1 - t) s(z) - t s(-z)), dv = -du",
    .arity = ALIGN_LOSS_PAIR,
    .reads = READS_LINK,
    .presets = dpo_presets,
    .params = {BETA(0.1), SMOOTHING, ALIGN__DIVERGENCE},
    .block = dpo,
};

const struct align__loss_row ALIGN__ROW(beta_dpo) = {
    .golden = "TRL f2cd5771, DPOTrainer sigmoid, which it is once beta is made",
    .name = "beta_dpo",
    .brief =
        "dpo whose beta is that of the batch: align_loss_state keeps the averages that it is made "
        "from and writes it",
    .source = "Wu et al. 2024 (beta-DPO), arXiv 2407.08639, Eq. 7",
    .formula =
        "t softplus(-z) + (1 - t) softplus(z), z = beta (u - v) - offset, " ALIGN__SMOOTH_TEXT,
    .gradient = "du = beta ((1 - t) s(z) - t s(-z)), dv = -du; beta is constant",
    .arity = ALIGN_LOSS_PAIR,
    .reads = READS_LINK,
    .params = {BETA(0.1), SMOOTHING, ALIGN__DIVERGENCE},
    .block = dpo,
};

/* Targets of a label that is seen flipped with probability noise: unbiased estimates of the clean one,
 * outside of 0..1. */
static void robust(struct align__block *b)
{
    const double eps = b->params->label_smoothing, noise = b->params->noise;
    align__ratio_margins(b, b->params->beta);
    align__mix_margins(b, b->params->beta, (1 - eps - noise) / (1 - 2 * noise),
                       (eps - noise) / (1 - 2 * noise));
}

static const struct align__preset robust_presets[] = {
    {"trl-0.28", {{ALIGN__PARAM_NOISE, 0}}},
    {"trl-1.10", {{ALIGN__PARAM_NOISE, 0}}},
    {NULL, {{0}}},
};

const struct align__loss_row ALIGN__ROW(robust) = {
    .golden = "TRL f2cd5771, DPOTrainer robust",
    .name = "robust",
    .brief = "robust DPO: unbiased under labels flipped with probability noise; unbounded below",
    .source = "Chowdhury et al. 2024 (rDPO), arXiv 2403.00409, Eq. 12",
    .formula = "t softplus(-z) + (1 - t) softplus(z), t = (prob - noise) / (1 - 2 noise), "
               "z = beta (u - v) - offset",
    .gradient = "du = beta ((1 - t) s(z) - t s(-z)), dv = -du",
    .arity = ALIGN_LOSS_PAIR,
    .reads = READS_LINK,
    .presets = robust_presets,
    .params = {BETA(0.1), {ALIGN__PARAM_NOISE, 0.1, 0, ALIGN__BELOW_HALF}, ALIGN__DIVERGENCE},
    .block = robust,
};

static void hinge(struct align__block *b)
{
    align__ratio_margins(b, b->params->beta);
    align__hinge_mix(b, b->params->beta);
}

const struct align__loss_row ALIGN__ROW(hinge) = {
    .golden = "TRL f2cd5771, DPOTrainer hinge",
    .name = "hinge",
    .brief = "hinge on the scaled margin: RSO's hinge-norm, the SLiC-norm of LiPO",
    .source =
        "Liu et al. 2023 (RSO), arXiv 2309.06657, Eq. 9 with gamma = beta; LiPO Eq. 6 at K = 2",
    .formula = "t max(0, m - z) + (1 - t) max(0, m + z), z = beta (u - v) - "
               "offset, " ALIGN__SMOOTH_TEXT,
    .gradient = "du = beta ((1 - t) [-z < m] - t [z < m]), dv = -du; 0 at a kink",
    .arity = ALIGN_LOSS_PAIR,
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_READS_PROB | ALIGN_LOSS_READS_OFFSET,
    .presets = align__trl_beta,
    .params = {BETA(0.05), SMOOTHING, {ALIGN__PARAM_MARGIN, 1, 0, ALIGN__ANY}, ALIGN__DIVERGENCE},
    .block = hinge,
};

/* phi of a block. */
struct phis {
    double value[ALIGN__BLOCK], slope[ALIGN__BLOCK], curve[ALIGN__BLOCK];
};

/* m e^-z + (1 - m) softplus(-z) with m = s(z / tau), through E = m e^-z = exp(-z + log s(z / tau)); of `sign` times
 * all margins. */
static void discopop_phis(struct align__block *b, double sign, struct phis *phi)
{
    const double tau = b->params->tau, by = 1 / tau;
    double z[ALIGN__BLOCK], near[ALIGN__BLOCK], e[ALIGN__BLOCK];
    for (int i = 0; i < b->n; i++) {
        z[i] = sign * b->margin[i];
        near[i] = z[i] / tau;
    }
    align__logistics_of(b, 0, z);
    align__logistics_of(b, 1, near);
    for (int i = 0; i < b->n; i++) {
        const struct align__logistic far = align__logistic_at(b, 1, i);
        const double left = align__times(by - 1, z[i]) - far.plus, right = -z[i] - far.minus;
        e[i] = z[i] < 0 ? left : right;
    }
    b->f64->exp(e, e, b->n);
    for (int i = 0; i < b->n; i++) {
        const struct align__logistic l = align__logistic_at(b, 0, i),
                                     n = align__logistic_at(b, 1, i);
        const double m = n.s, rest = n.c, bell = m * rest * by, bell_slope = bell * (rest - m) * by;
        phi->value[i] = align__times(rest, l.minus) + e[i];
        phi->slope[i] = -rest * l.c - e[i] + e[i] * rest * by - align__times(bell, l.minus);
        phi->curve[i] = rest * l.s * l.c + 2 * bell * l.c - align__times(bell_slope, l.minus) +
                        e[i] * (rest * by - 1) * (rest * by - 1) - e[i] * bell * by;
    }
}

static struct align__phi phi_at(const struct phis *phi, int i)
{
    return (struct align__phi){phi->value[i], phi->slope[i], phi->curve[i]};
}

static void discopop(struct align__block *b)
{
    const double beta = b->params->beta, eps = b->params->label_smoothing;
    struct phis right, wrong;
    int64_t doubt = 0;
    align__ratio_margins(b, beta);
    for (int i = 0; i < b->n; i++)
        doubt |= align__soft(b->prob[i], eps).f != 0;
    discopop_phis(b, 1, &right);
    if (doubt == 0) {
        for (int i = 0; i < b->n; i++)
            align__link(b, i, beta, phi_at(&right, i));
        return;
    }
    discopop_phis(b, -1, &wrong);
    for (int i = 0; i < b->n; i++)
        align__link(b, i, beta,
                    align__mix(align__soft(b->prob[i], eps), phi_at(&right, i), phi_at(&wrong, i)));
}

const struct align__loss_row ALIGN__ROW(discopop) = {
    .golden = "TRL f2cd5771, DPOTrainer discopop",
    .name = "discopop",
    .brief = "the log-ratio modulated loss that a search found",
    .source = "Lu et al. 2024 (DiscoPOP), arXiv 2406.08414, Eq. 5",
    .formula =
        "(1 - m) softplus(-z) + m e^-z, m = s(z / tau), z = beta (u - v) - offset; soft labels "
        "mix it with its mirror image",
    .gradient = "du = beta (-(1 - m) s(-z) - E + (E (1 - m) - m (1 - m) softplus(-z)) / tau), "
                "E = m e^-z; dv = -du",
    .arity = ALIGN_LOSS_PAIR,
    .reads = READS_LINK,
    .presets = align__trl_beta,
    .params = {BETA(0.05), {ALIGN__PARAM_TAU, 0.05, 0.001, 1}, SMOOTHING, ALIGN__DIVERGENCE},
    .block = discopop,
};

/* t (z - h)^2 + f (z + h)^2 */
static struct align__phi ipo_phi(double z, double h, struct align__soft soft)
{
    const double x = z - h, y = z + h;
    return align__mix(soft, (struct align__phi){x * x, 2 * x, 2},
                      (struct align__phi){y * y, -2 * y, 2});
}

static void ipo(struct align__block *b)
{
    const double half = 0.5 / b->params->beta, eps = b->params->label_smoothing;
    const bool mean = b->params->length == ALIGN_LENGTH_MEAN;
    if (mean)
        align__ratio_margins_by(b, 1, b->side[0].share, b->side[1].share);
    else
        align__ratio_margins(b, 1);
    for (int i = 0; i < b->n; i++)
        align__link(b, i, 1, ipo_phi(b->margin[i], half, align__soft(b->prob[i], eps)));
    if (mean)
        align__link_by(b, b->side[0].share, b->side[1].share);
}

static const struct align__preset ipo_presets[] = {
    {"trl-0.28", {{ALIGN__PARAM_LENGTH, ALIGN_LENGTH_MEAN}}},
    {"trl-1.10", {{ALIGN__PARAM_LENGTH, ALIGN_LENGTH_MEAN}}},
    {NULL, {{0}}},
};

const struct align__loss_row ALIGN__ROW(ipo) = {
    .golden = "TRL f2cd5771, DPOTrainer ipo (length mean)",
    .name = "ipo",
    .brief =
        "identity preference optimisation: the margin of log-ratios regressed on 1 / (2 beta); "
        "summed as in the paper, or a token as in TRL",
    .source = "Azar et al. 2023, arXiv 2310.12036, Eq. 17, beta = tau",
    .formula =
        "t (z - 1/(2 beta))^2 + (1 - t) (z + 1/(2 beta))^2, z = u - v - offset, or u / n_w - "
        "v / n_l - offset, " ALIGN__SMOOTH_TEXT,
    .gradient =
        "du = 2 (z - (2 t - 1) / (2 beta)), dv = -du, each divided by its n with length mean",
    .arity = ALIGN_LOSS_PAIR,
    .reads = READS_LINK | ALIGN_LOSS_READS_COUNT,
    .params = {BETA(0.1),
               SMOOTHING,
               {ALIGN__PARAM_LENGTH, ALIGN_LENGTH_SUM, ALIGN_LENGTH_SUM, ALIGN_LENGTH_MEAN},
               ALIGN__DIVERGENCE},
    .presets = ipo_presets,
    .block = ipo,
};

static void sigmoid_norm(struct align__block *b)
{
    const double beta = b->params->beta;
    align__ratio_margins_by(b, beta, b->side[0].share, b->side[1].share);
    align__mix_smooth_by(b, b->side[0].share, b->side[1].share);
}

static const struct align__preset norm_presets[] = {
    {"trl-1.10", {{ALIGN__PARAM_BETA, 0.1}}},
    {NULL, {{0}}},
};

const struct align__loss_row ALIGN__ROW(sigmoid_norm) = {
    .golden = "TRL f2cd5771, DPOTrainer sigmoid_norm",
    .name = "sigmoid_norm",
    .brief = "dpo on log-ratios a token",
    .source = "Lambert et al. 2024 (Tulu 3), arXiv 2411.15124, Sec. 5.1.2 (length-normalized DPO)",
    .formula = "t softplus(-z) + (1 - t) softplus(z), z = beta (u / n_w - v / n_l) - offset, "
               "" ALIGN__SMOOTH_TEXT,
    .gradient = "du = beta ((1 - t) s(z) - t s(-z)) / n_w, dv = -beta (...) / n_l",
    .arity = ALIGN_LOSS_PAIR,
    .needs = ALIGN_LOSS_READS_COUNT,
    .reads = READS_LINK,
    .presets = norm_presets,
    .params = {BETA(5), SMOOTHING, ALIGN__DIVERGENCE},
    .block = sigmoid_norm,
    .unless = {[ALIGN__PROP_SHIFT] = "log-ratios are divided by lengths",
               [ALIGN__PROP_SUM_ZERO] = "log-ratios are divided by lengths"},
};

static void r_dpo(struct align__block *b)
{
    const double beta = b->params->beta, alpha = b->params->alpha;
    align__ratio_margins(b, beta);
    for (int i = 0; i < b->n; i++)
        b->margin[i] += alpha * (b->side[0].count[i] - b->side[1].count[i]);
    mix(b);
}

const struct align__loss_row ALIGN__ROW(r_dpo) = {
    .name = "r_dpo",
    .brief = "dpo with a reward for length taken out",
    .source = "Park et al. 2024 (R-DPO), arXiv 2403.19159, Eq. 9",
    .formula = "t softplus(-z) + (1 - t) softplus(z), z = beta (u - v) + alpha (n_w - n_l) - "
               "offset, " ALIGN__SMOOTH_TEXT,
    .gradient = "du = beta ((1 - t) s(z) - t s(-z)), dv = -du",
    .arity = ALIGN_LOSS_PAIR,
    .needs = ALIGN_LOSS_READS_COUNT,
    .reads = READS_LINK,
    .params = {BETA(0.1),
               SMOOTHING,
               {ALIGN__PARAM_ALPHA, 0.01, -ALIGN__ANY, ALIGN__ANY},
               ALIGN__DIVERGENCE},
    .block = r_dpo,
};

/* The penalty acts on the chosen item alone, so u moves the margin by 1 + lambda where it has fallen. */
static void dpop(struct align__block *b)
{
    const double lambda = b->params->lambda;
    double dx[ALIGN__BLOCK], dy[ALIGN__BLOCK];
    for (int i = 0; i < b->n; i++) {
        dx[i] = b->side[0].ratio[i] < 0 ? 1 + lambda : 1;
        dy[i] = 1;
    }
    align__ratio_margins_by(b, b->params->beta, dx, dy);
    align__mix_smooth_by(b, dx, dy);
}

const struct align__loss_row ALIGN__ROW(dpop) = {
    .golden = "turbo-alignment 72e737d, DPOP",
    .name = "dpop",
    .brief = "DPO-Positive: a chosen item that falls below the reference costs",
    .source = "Pal et al. 2024 (Smaug), arXiv 2402.13228, Eq. 3",
    .formula = "t softplus(-z) + (1 - t) softplus(z), z = beta (u - v - lambda max(0, -u)) - "
               "offset, " ALIGN__SMOOTH_TEXT,
    .gradient = "du = beta ((1 - t) s(z) - t s(-z)) (1 + lambda [u < 0]), dv = -beta (...)",
    .arity = ALIGN_LOSS_PAIR,
    .reads = READS_LINK,
    .params = {BETA(0.3), SMOOTHING, {ALIGN__PARAM_LAMBDA, 50, 0, ALIGN__ANY}, ALIGN__DIVERGENCE},
    .block = dpop,
    .unless = {[ALIGN__PROP_SHIFT] = "the chosen item is compared with the reference by itself",
               [ALIGN__PROP_SUM_ZERO] = "the chosen item is compared with the reference by itself",
               [ALIGN__PROP_SWAP] = "the penalty is on the chosen item"},
};

static void tdpo(struct align__block *b)
{
    const double alpha = b->params->alpha, beta = b->params->beta;
    const double chosen = b->params->stop == ALIGN_STOP_CHOSEN ? 0 : alpha;
    align__ratio_margins(b, beta);
    for (int i = 0; i < b->n; i++) {
        const double drift = align__minus(b->side[1].aux[i], b->side[0].aux[i]);
        b->margin[i] = align__minus(b->margin[i], align__times(alpha * beta, drift));
    }
    mix(b);
    for (int i = 0; i < b->n; i++) {
        b->side[0].daux[i] = align__times(chosen, b->side[0].d[i]);
        b->side[1].daux[i] = align__times(-alpha, b->side[0].d[i]);
    }
}

static const struct align__preset tdpo_presets[] = {
    {"tdpo1", {{ALIGN__PARAM_ALPHA, 1}, {ALIGN__PARAM_STOP, ALIGN_STOP_NONE}}},
    {NULL, {{0}}},
};

const struct align__loss_row ALIGN__ROW(tdpo) = {
    .golden = "tdpo_loss of the authors' code d6d9dc1, both forms",
    .name = "tdpo",
    .brief = "token-level DPO; aux is each sequence's sum of KL(ref || policy) over its tokens. As "
             "TDPO2; preset tdpo1 is TDPO1",
    .source = "Zeng et al. 2024 (TDPO), arXiv 2404.11999, Eq. 15 and 17",
    .formula = "t softplus(-z) + (1 - t) softplus(z), z = beta (u - v - alpha (aux_l - aux_w)) - "
               "offset, aux_w constant with stop chosen, " ALIGN__SMOOTH_TEXT,
    .gradient = "du = beta g, dv = -beta g, daux_l = -alpha beta g, daux_w = alpha beta g or 0, "
                "g = (1 - t) s(z) - t s(-z)",
    .arity = ALIGN_LOSS_PAIR,
    .needs = ALIGN_LOSS_READS_AUX,
    .reads = READS_LINK | ALIGN_LOSS_WRITES_DAUX,
    .params = {BETA(0.1),
               SMOOTHING,
               {ALIGN__PARAM_ALPHA, 0.5, 0, ALIGN__ANY},
               {ALIGN__PARAM_STOP, ALIGN_STOP_CHOSEN, ALIGN_STOP_NONE, ALIGN_STOP_CHOSEN},
               ALIGN__DIVERGENCE},
    .presets = tdpo_presets,
    .block = tdpo,
};
