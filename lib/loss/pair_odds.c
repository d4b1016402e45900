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

static struct mean mean_of(const struct align__block *b, int i, int k)
{
    const double share = align__share(&b->side[k], i);
    const double x = align__times(share, b->side[k].score[i]), rest = -expm1(x);
    return (struct mean){x, rest, rest > 0.5 ? log1p(-exp(x)) : log(rest), share};
}

/* s(-lo) / (1 - p) and s(-lo) / (1 - q) for lo = logit p - logit q, by the ratio r of the smaller to the
 * larger of p and q: exact where p or q is within rounding of 0 or 1. */
struct odds {
    double gap, by_p, by_q;
};

static struct odds odds_of(struct mean p, struct mean q)
{
    const double ahead = align__minus(p.x, q.x), r = exp(-fabs(ahead));
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
    for (int i = 0; i < b->n; i++) {
        const struct mean p = mean_of(b, i, 0), q = mean_of(b, i, 1);
        const struct odds odds = odds_of(p, q);
        b->margin[i] = odds.gap;
        b->value[i] = align__plus(given ? b->side[0].aux[i] : -p.x,
                                  beta * align__softplus(-odds.gap));
        b->side[0].d[i] = -align__times(p.share, beta * odds.by_p + (given ? 0 : 1));
        b->side[1].d[i] = align__times(q.share, beta * odds.by_q);
        b->side[0].daux[i] = 1;
        b->side[1].daux[i] = 0;
    }
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
static double odds_slope(struct mean p, double up, double beta)
{
    return p.rest > 0 ? align__sigmoid(-up) / p.rest : pow(0, beta - 1);
}

/* softplus(-+beta lo) with lo = logit p; its slope by x is -+beta s(-+beta lo) / (1 - p). */
static void asft(struct align__block *b)
{
    const double beta = b->params->beta;
    for (int i = 0; i < b->n; i++) {
        const struct mean p = mean_of(b, i, 0), q = mean_of(b, i, 1);
        const double up = beta * align__minus(p.x, p.log_rest);
        const double down = beta * align__minus(q.x, q.log_rest);
        b->margin[i] = align__minus(up, down);
        b->value[i] = align__softplus(-up) + align__softplus(down) - p.x;
        b->side[0].d[i] = -align__times(p.share, 1 + beta * odds_slope(p, up, beta));
        b->side[1].d[i] = align__times(q.share,
                                       align__times(beta * align__sigmoid(down), 1 / q.rest));
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
