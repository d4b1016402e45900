/* Pairs compared by the odds of their mean token probability, p = e^(a / n_w) and q = e^(b / n_l). */
#include "pair.h"

#define BETA(standard)                                                                             \
    {                                                                                              \
        ALIGN__PARAM_BETA, standard, ALIGN__ABOVE_0, ALIGN__ANY                                    \
    }
#define ALONE "each item's own likelihood counts"
#define UNLESS_ODDS                                                                                \
    .unless = {[ALIGN__PROP_REF] = "has no reference",                                             \
               [ALIGN__PROP_SHIFT] = ALONE,                                                        \
               [ALIGN__PROP_SUM_ZERO] = ALONE,                                                     \
               [ALIGN__PROP_SWAP] = ALONE}

/* Mean log-probability x with 1 - e^x, and log of that. */
struct mean {
    double x, rest, log_rest, share;
};

static void means_of(const struct align__block *b, int k, struct mean *means)
{
    const struct align__side *side = &b->side[k];
    double x[ALIGN__BLOCK], less[ALIGN__BLOCK], far[ALIGN__BLOCK], near[ALIGN__BLOCK];
    b->f64->times(x, side->share, side->score, b->n);
    b->f64->expm1(less, x, b->n);
    b->f64->exp(far, x, b->n);
    for (int i = 0; i < b->n; i++) {
        near[i] = -less[i];
        far[i] = -far[i];
    }
    b->f64->log(near, near, b->n);
    b->f64->log1p(far, far, b->n);
    for (int i = 0; i < b->n; i++)
        means[i] = (struct mean){x[i], -less[i], -less[i] > 0.5 ? far[i] : near[i], side->share[i]};
}

/* s(-lo) / (1 - p) and s(-lo) / (1 - q) for lo = logit p - logit q, by the ratio r of the smaller to the
 * larger of p and q: exact where p or q is within rounding of 0 or 1. */
struct odds {
    double gap, by_p, by_q;
};

static struct odds odds_of(struct mean p, struct mean q, double r)
{
    const double ahead = align__minus(p.x, q.x);
    const double low = ahead > 0 ? r : 1, high = ahead > 0 ? 1 : r;
    const double sum = low * p.rest + high * q.rest;
    if (sum == 0)
        return (struct odds){0, INFINITY, INFINITY};
    return (struct odds){align__plus(ahead, align__minus(q.log_rest, p.log_rest)), low / sum,
                         align__times(low * p.rest / sum, 1 / q.rest)};
}

static void orpo(struct align__block *b)
{
    const double beta = b->params->beta;
    const bool given = (b->given & ALIGN_LOSS_READS_AUX) != 0;
    struct mean p[ALIGN__BLOCK], q[ALIGN__BLOCK];
    double ratio[ALIGN__BLOCK];
    means_of(b, 0, p);
    means_of(b, 1, q);
    for (int i = 0; i < b->n; i++)
        ratio[i] = -fabs(align__minus(p[i].x, q[i].x));
    b->f64->exp(ratio, ratio, b->n);
    for (int i = 0; i < b->n; i++) {
        const struct odds odds = odds_of(p[i], q[i], ratio[i]);
        b->margin[i] = odds.gap;
        b->side[0].d[i] = -align__times(p[i].share, beta * odds.by_p + (given ? 0 : 1));
        b->side[1].d[i] = align__times(q[i].share, beta * odds.by_q);
        b->side[0].daux[i] = 1;
        b->side[1].daux[i] = 0;
    }
    align__logistics_of(b, 0, b->margin);
    for (int i = 0; i < b->n; i++)
        b->value[i] = align__plus(given ? b->side[0].aux[i] : -p[i].x,
                                  beta * align__logistic_at(b, 0, i).minus);
}

const struct align__loss_row align__loss_orpo = {
    .golden = "turbo-alignment 72e737d, ORPO",
    .name = "orpo",
    .brief =
        "odds ratio preference optimisation. aux of the first item is the negative log-likelihood "
        "that is trained beside it (over prompt and answer in the authors' code); absent: "
        "-a / n_w. Scores are log-probabilities, at most 0",
    .source = "Hong et al. 2024 (ORPO), arXiv 2403.07691, Eq. 6 and 7, beta = lambda",
    .formula = "aux_w + beta softplus(-(logit p - logit q)), p = e^(a / n_w), q = e^(b / n_l)",
    .gradient =
        "da = -(beta q / D + 1 without aux) / n_w, db = beta q (1 - p) / (D (1 - q)) / n_l, D = "
        "q (1 - p) + p (1 - q)",
    .arity = ALIGN_LOSS_PAIR,
    .needs = ALIGN_LOSS_READS_COUNT,
    .reads = ALIGN_LOSS_READS_AUX | ALIGN_LOSS_WRITES_DAUX,
    .log_probs = true,
    .params = {BETA(0.1)},
    .block = orpo,
    UNLESS_ODDS,
};

/* s(-beta lo) / (1 - p), which for p = 1 is 0, 1 or infinity with beta above, at or below 1. */
static double odds_slope(struct mean p, double wrong, double beta)
{
    return p.rest > 0 ? wrong / p.rest : pow(0, beta - 1);
}

/* softplus(-+beta lo) with lo = logit p; its slope by x is -+beta s(-+beta lo) / (1 - p). */
static void asft(struct align__block *b)
{
    const double beta = b->params->beta;
    struct mean p[ALIGN__BLOCK], q[ALIGN__BLOCK];
    double up[ALIGN__BLOCK], down[ALIGN__BLOCK];
    means_of(b, 0, p);
    means_of(b, 1, q);
    for (int i = 0; i < b->n; i++) {
        up[i] = beta * align__minus(p[i].x, p[i].log_rest);
        down[i] = beta * align__minus(q[i].x, q[i].log_rest);
        b->margin[i] = align__minus(up[i], down[i]);
    }
    align__logistics_of(b, 0, up);
    align__logistics_of(b, 1, down);
    for (int i = 0; i < b->n; i++) {
        const struct align__logistic u = align__logistic_at(b, 0, i),
                                     v = align__logistic_at(b, 1, i);
        b->value[i] = u.minus + v.plus - p[i].x;
        b->side[0].d[i] = -align__times(p[i].share, 1 + beta * odds_slope(p[i], u.c, beta));
        b->side[1].d[i] = align__times(q[i].share, align__times(beta * v.s, 1 / q[i].rest));
    }
}

const struct align__loss_row align__loss_asft = {
    .golden = "turbo-alignment 72e737d, ASFT",
    .name = "asft",
    .brief = "aligned supervised fine-tuning: the chosen item's odds up, the rejected one's down. "
             "Scores "
             "are log-probabilities, at most 0",
    .source = "Wang et al. 2024 (ASFT), arXiv 2409.10571, Eq. 12; as in turbo-alignment",
    .formula = "-a / n_w + softplus(-beta logit p) + softplus(beta logit q), p = e^(a / n_w), "
               "q = e^(b / n_l)",
    .gradient = "da = -(1 + beta s(-beta logit p) / (1 - p)) / n_w, db = beta s(beta logit q) / "
                "(1 - q) / n_l",
    .arity = ALIGN_LOSS_PAIR,
    .needs = ALIGN_LOSS_READS_COUNT,
    .log_probs = true,
    .params = {BETA(1)},
    .block = asft,
    UNLESS_ODDS,
};
