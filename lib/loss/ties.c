/* Pairs of rewards with ties, or with more than two degrees of preference. The outcome of a pair is told
 * by the labels of its items: the first won, lost, or tied when its label is higher, lower or equal. */
#include "pair.h"

#define BETA                                                                                       \
    {                                                                                              \
        ALIGN__PARAM_BETA, 1, ALIGN__ABOVE_0, ALIGN__ANY                                           \
    }
#define UNLESS .unless = {[ALIGN__PROP_REF] = "has no reference"}
#define READS                                                                                      \
    .needs = ALIGN_LOSS_READS_LABEL,                                                               \
    .reads = ALIGN_LOSS_READS_OFFSET | ALIGN_LOSS_WRITES_DPARAM | ALIGN_LOSS_WRITES_HSCORE,        \
    .label_least = -ALIGN__ANY, .label_most = ALIGN__ANY

/* By how much the first items' labels are higher. */
static void outcomes(const struct align__block *b, double *y)
{
    for (int i = 0; i < b->n; i++)
        y[i] = b->side[0].label[i] - b->side[1].label[i];
}

static void reward_margins(struct align__block *b)
{
    align__margins(b, b->params->beta, b->side[0].score, b->side[1].score);
}

/* A cumulative-logit model with thresholds 0 < t_1 < .. < t_levels, mirrored at 0: degree k > 0 is t_k .. t_(k+1), the
 * last up to infinity, 0 is -t_1 .. t_1, and -k at z is k at -z. P = s(high - z) - s(low - z) =
 * s(high - z) s(z - low) (1 - e^(low - high)). */
struct degrees {
    double size[ALIGN__BLOCK],
        sign[ALIGN__BLOCK]; /* |k| before it is cut to a whole one, and its sign */
    double k[ALIGN__BLOCK];
    double low[ALIGN__BLOCK], high[ALIGN__BLOCK];
    double hole[ALIGN__BLOCK],
        log_share[ALIGN__BLOCK]; /* of the gap: 1 / (e^gap - 1), log(1 - e^-gap) */
};

/* Sets the ends of all of at least degree k. */
static void set_ends(struct degrees *d, int n, int k, double low, double high)
{
    const double gap = high - low, hole = 1 / expm1(gap), log_share = log(-expm1(-gap));
    for (int i = 0; i < n; i++) {
        const bool at = k == 0 || d->size[i] >= k;
        d->k[i] = at ? k : d->k[i];
        d->low[i] = at ? low : d->low[i];
        d->high[i] = at ? high : d->high[i];
        d->hole[i] = at ? hole : d->hole[i];
        d->log_share[i] = at ? log_share : d->log_share[i];
    }
}

/* -log P of all with derivatives by z, high and low. */
static void measure(struct align__block *b, const struct degrees *d, double *by_high,
                    double *by_low)
{
    const double beta = b->params->beta;
    double up[ALIGN__BLOCK], down[ALIGN__BLOCK];
    for (int i = 0; i < b->n; i++) {
        const double z = d->sign[i] * b->margin[i], above = d->high[i] - z;
        up[i] = d->high[i] < INFINITY ? above : INFINITY;
        down[i] = z - d->low[i];
    }
    align__logistics_of(b, 0, up);
    align__logistics_of(b, 1, down);
    for (int i = 0; i < b->n; i++) {
        const struct align__logistic h = align__logistic_at(b, 0, i),
                                     l = align__logistic_at(b, 1, i);
        by_high[i] = -h.c - d->hole[i];
        by_low[i] = l.c + d->hole[i];
        align__link(b, i, beta,
                    (struct align__phi){h.minus + l.minus - d->log_share[i],
                                        d->sign[i] * (h.c - l.c), h.s * h.c + l.s * l.c});
    }
}

static void bt_ties_rk(struct align__block *b)
{
    const double eta = b->params->eta;
    struct degrees d;
    double y[ALIGN__BLOCK], by_high[ALIGN__BLOCK], by_low[ALIGN__BLOCK];
    reward_margins(b);
    outcomes(b, y);
    for (int i = 0; i < b->n; i++) {
        d.size[i] = y[i] != 0;
        d.sign[i] = y[i] < 0 ? -1 : 1;
    }
    set_ends(&d, b->n, 0, -eta, eta);
    set_ends(&d, b->n, 1, eta, INFINITY);
    measure(b, &d, by_high, by_low);
    for (int i = 0; i < b->n; i++)
        b->learn[1][i] = y[i] != 0 ? by_low[i] : by_high[i] - by_low[i];
}

const struct align__loss_row ALIGN__ROW(bt_ties_rk) = {
    .golden = "R, ordinal::clm's model at a point",
    .name = "bt_ties_rk",
    .brief = "Bradley-Terry with ties by a threshold; eta is learnable (dparam)",
    .source = "Rao and Kupper 1967; for rewards (BTT) arXiv 2410.05328, Eq. 5",
    .formula =
        "-log P, P(win) = s(z - eta), P(loss) = s(-z - eta), P(tie) = (e^(2 eta) - 1) P(win) "
        "P(loss), z = beta (a - b) - offset",
    .gradient =
        "da = -beta P'(z) / P: win -beta s(eta - z), loss beta s(z + eta), tie beta (s(z - eta) "
        "- s(-z - eta)); db = -da; deta: win s(eta - z), loss s(z + eta), tie 2 - 2 / (1 - "
        "e^(-2 eta)) - P(win) - P(loss)",
    .arity = ALIGN_LOSS_PAIR,
    READS,
    .params = {BETA, {ALIGN__PARAM_ETA, 1, ALIGN__ABOVE_0, ALIGN__ANY}},
    .block = bt_ties_rk,
    UNLESS,
};

/* log-sum over win e^(z/2), loss e^(-z/2) and tie nu. */
static void bt_ties_davidson(struct align__block *b)
{
    const double beta = b->params->beta, nu = b->params->nu, log_nu = log(nu);
    double y[ALIGN__BLOCK], even[ALIGN__BLOCK], behind[ALIGN__BLOCK], log_sums[ALIGN__BLOCK];
    reward_margins(b);
    outcomes(b, y);
    for (int i = 0; i < b->n; i++) {
        behind[i] = -fabs(b->margin[i]);
        even[i] = behind[i] / 2;
    }
    b->f64->exp(even, even, b->n);
    b->f64->exp(behind, behind, b->n);
    for (int i = 0; i < b->n; i++)
        log_sums[i] = behind[i] + nu * even[i];
    b->f64->log1p(log_sums, log_sums, b->n);
    for (int i = 0; i < b->n; i++) {
        const double z = b->margin[i], half = fabs(z) / 2;
        const double tie = nu * even[i], loss = behind[i], sum = 1 + loss + tie;
        const bool ahead = z > 0, won = y[i] > 0, lost = y[i] < 0;
        const double lead = (ahead ? 1 - loss : loss - 1) / sum;
        const double own = won == ahead ? 0 : -2 * half;
        const double win_slope = -((ahead ? loss : 1) + tie / 2) / sum;
        const double loss_slope = ((ahead ? 1 : loss) + tie / 2) / sum;
        const double slope = won ? win_slope : lost ? loss_slope : lead / 2;
        const double value = log_sums[i] - (won || lost ? own : log_nu - half);
        align__link(b, i, beta,
                    (struct align__phi){value, slope, ((1 + loss) / sum - lead * lead) / 4});
        b->learn[1][i] = (tie / sum - (y[i] == 0 ? 1 : 0)) / nu;
    }
}

const struct align__loss_row ALIGN__ROW(bt_ties_davidson) = {
    .name = "bt_ties_davidson",
    .brief =
        "Bradley-Terry with ties in proportion to the geometric mean; nu is learnable (dparam)",
    .source = "Davidson 1970",
    .formula =
        "-log P, P(win) : P(loss) : P(tie) = e^(z/2) : e^(-z/2) : nu, z = beta (a - b) - offset",
    .gradient =
        "da = beta ((P(win) - P(loss)) / 2 - c), c = 1/2, -1/2, 0 for win, loss, tie; db = -da; "
        "dnu = (P(tie) - [tie]) / nu",
    .arity = ALIGN_LOSS_PAIR,
    READS,
    .params = {BETA, {ALIGN__PARAM_NU, 1, ALIGN__ABOVE_0, ALIGN__ANY}},
    .block = bt_ties_davidson,
    UNLESS,
};

static void ordinal(struct align__block *b)
{
    const align_loss_params *p = b->params;
    const double t[] = {p->threshold1, p->threshold2, p->threshold3, p->threshold4};
    const int levels = p->levels;
    struct degrees d;
    double y[ALIGN__BLOCK], by_high[ALIGN__BLOCK], by_low[ALIGN__BLOCK];
    reward_margins(b);
    outcomes(b, y);
    for (int i = 0; i < b->n; i++) {
        d.size[i] = fabs(y[i]);
        d.sign[i] = y[i] < 0 ? -1 : 1;
    }
    for (int k = 0; k <= levels; k++)
        set_ends(&d, b->n, k, k > 0 ? t[k - 1] : -t[0], k < levels ? t[k] : INFINITY);
    measure(b, &d, by_high, by_low);
    for (int j = 0; j < levels; j++)
        for (int i = 0; i < b->n; i++) {
            const double both = j == 0 ? by_high[i] - by_low[i] : by_high[i];
            const double here = d.k[i] == j ? both : 0;
            b->learn[2 + j][i] = d.k[i] == j + 1 ? by_low[i] : here;
        }
}

static const char *check_thresholds(const align_loss_params *p)
{
    const double t[] = {p->threshold1, p->threshold2, p->threshold3, p->threshold4};
    for (int k = 1; k < p->levels; k++)
        if (!(t[k] > t[k - 1]))
            return "thresholds that rise over the levels in use";
    return NULL;
}

const struct align__loss_row ALIGN__ROW(ordinal) = {
    .golden = "R, ordinal::clm's model at a point (one level)",
    .name = "ordinal",
    .brief = "degrees of preference by a cumulative logit with symmetric thresholds, all learnable "
             "(dparam); the degree is label_w - label_l, cut to whole numbers of at most `levels`",
    .source = "McCullagh 1980; for HelpSteer2-Preference degrees arXiv 2410.01257; one level is "
              "bt_ties_rk",
    .formula =
        "-log(s(high - z) - s(low - z)), z = beta (a - b) - offset; degree k > 0 between "
        "threshold k and k + 1 (the last up to infinity), 0 between -threshold 1 and threshold "
        "1, -k mirrored; thresholds above 0 and rising",
    .gradient =
        "da = beta (s(z - high) - s(low - z)), db = -da; dhigh = -s(z - high) - h, dlow = s(low "
        "- z) + h, h = 1 / (e^(high - low) - 1)",
    .arity = ALIGN_LOSS_PAIR,
    READS,
    .params = {BETA,
               {ALIGN__PARAM_LEVELS, 3, 1, 4},
               {ALIGN__PARAM_THRESHOLD1, 0.5, ALIGN__ABOVE_0, ALIGN__ANY},
               {ALIGN__PARAM_THRESHOLD2, 1.5, ALIGN__ABOVE_0, ALIGN__ANY},
               {ALIGN__PARAM_THRESHOLD3, 2.5, ALIGN__ABOVE_0, ALIGN__ANY},
               {ALIGN__PARAM_THRESHOLD4, 3.5, ALIGN__ABOVE_0, ALIGN__ANY}},
    .check = check_thresholds,
    .block = ordinal,
    UNLESS,
};
