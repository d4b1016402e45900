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

/* Mean log-probabilities x of a block with 1 - e^x, and log of that. */
struct means {
    double x[ALIGN__BLOCK], rest[ALIGN__BLOCK], log_rest[ALIGN__BLOCK];
};

static void means_of(const struct align__block *b, int k, struct means *means)
{
    b->f64->times(means->x, b->side[k].share, b->side[k].score, b->n);
    b->f64->rest(means->rest, means->log_rest, means->x, b->n);
}

/* s(-lo) / (1 - p) and s(-lo) / (1 - q) for lo = logit p - logit q, by the ratio r of the smaller to the
 * larger of p and q: exact where p or q is within rounding of 0 or 1. The former to by[0], the latter to by[1], lo to
 * the margins. */
static void odds_of(struct align__block *b, const struct means *p, const struct means *q,
                    double by[2][ALIGN__BLOCK])
{
    double ahead[ALIGN__BLOCK], ratio[ALIGN__BLOCK];
    b->f64->minus(ahead, p->x, q->x, b->n);
    for (int i = 0; i < b->n; i++)
        ratio[i] = -fabs(ahead[i]);
    b->f64->exp(ratio, ratio, b->n);
    for (int i = 0; i < b->n; i++) {
        const double low = ahead[i] > 0 ? ratio[i] : 1, high = ahead[i] > 0 ? 1 : ratio[i];
        const double own = low * p->rest[i], sum = own + high * q->rest[i];
        const double gap = align__plus(ahead[i], align__minus(q->log_rest[i], p->log_rest[i]));
        const double by_p = low / sum, by_q = align__times(own / sum, 1 / q->rest[i]);
        b->margin[i] = sum == 0 ? 0 : gap;
        by[0][i] = sum == 0 ? INFINITY : by_p;
        by[1][i] = sum == 0 ? INFINITY : by_q;
    }
}

static void orpo(struct align__block *b)
{
    const double beta = b->params->beta;
    const bool given = (b->given & ALIGN_LOSS_READS_AUX) != 0;
    struct align__side *x = &b->side[0], *y = &b->side[1];
    struct means p, q;
    double by[2][ALIGN__BLOCK];
    means_of(b, 0, &p);
    means_of(b, 1, &q);
    odds_of(b, &p, &q, by);
    align__logistics_of(b, 0, b->margin);
    for (int i = 0; i < b->n; i++) {
        const double own = given ? x->aux[i] : -p.x[i];
        b->value[i] = align__plus(own, beta * align__logistic_at(b, 0, i).minus);
        x->d[i] = -align__times(x->share[i], beta * by[0][i] + (given ? 0 : 1));
        y->d[i] = align__times(y->share[i], beta * by[1][i]);
        x->daux[i] = 1;
        y->daux[i] = 0;
    }
}

const struct align__loss_row ALIGN__ROW(orpo) = {
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

/* softplus(-+beta lo) with lo = logit p; its slope by x is -+beta s(-+beta lo) / (1 - p), and for p = 1 0, beta or
 * infinity with beta above, at or below 1. */
static void asft(struct align__block *b)
{
    const double beta = b->params->beta, edge = pow(0, beta - 1);
    struct align__side *x = &b->side[0], *y = &b->side[1];
    struct means p, q;
    double up[ALIGN__BLOCK], down[ALIGN__BLOCK];
    means_of(b, 0, &p);
    means_of(b, 1, &q);
    for (int i = 0; i < b->n; i++) {
        up[i] = beta * align__minus(p.x[i], p.log_rest[i]);
        down[i] = beta * align__minus(q.x[i], q.log_rest[i]);
        b->margin[i] = align__minus(up[i], down[i]);
    }
    align__logistics_of(b, 0, up);
    align__logistics_of(b, 1, down);
    for (int i = 0; i < b->n; i++) {
        const struct align__logistic u = align__logistic_at(b, 0, i),
                                     v = align__logistic_at(b, 1, i);
        const double within = u.c / p.rest[i], slope = p.rest[i] > 0 ? within : edge;
        b->value[i] = u.minus + v.plus - p.x[i];
        x->d[i] = -align__times(x->share[i], 1 + beta * slope);
        y->d[i] = align__times(y->share[i], align__times(beta * v.s, 1 / q.rest[i]));
    }
}

const struct align__loss_row ALIGN__ROW(asft) = {
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
