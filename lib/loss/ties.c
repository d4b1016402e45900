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

static double outcome(const struct align__block *b, int i)
{
    return b->side[0].label[i] - b->side[1].label[i];
}

static double reward_margin(struct align__block *b, int i)
{
    return align__margin(b, i, b->params->beta, b->side[0].score[i], b->side[1].score[i]);
}

/* One degree of a cumulative-logit model: P = s(high - z) - s(low - z) = s(high - z) s(z - low)
 * (1 - e^(low - high)), with derivatives of -log P by z, high and low. Ends may be infinite. */
struct degree {
    struct align__phi phi;
    double by_high, by_low;
};

struct ends {
    double low, high, hole,
        log_share; /* 1 / (e^gap - 1) and log(1 - e^-gap) of how far they are apart */
};

static struct ends ends_of(double low, double high)
{
    const double gap = high - low;
    return (struct ends){low, high, 1 / expm1(gap), log(-expm1(-gap))};
}

/* Logistics of high - z and z - low of pair i, whose ends are those of ends[at[i]]; sign[i] z is its margin. */
static void measure(struct align__block *b, const struct ends *ends, const int *at,
                    const double *sign)
{
    double up[ALIGN__BLOCK], down[ALIGN__BLOCK];
    for (int i = 0; i < b->n; i++) {
        const struct ends e = ends[at[i]];
        const double z = sign[i] * b->margin[i];
        up[i] = e.high < INFINITY ? e.high - z : INFINITY;
        down[i] = e.low > -INFINITY ? z - e.low : INFINITY;
    }
    align__logistics_of(b, 0, up);
    align__logistics_of(b, 1, down);
}

static struct degree degree_at(const struct align__block *b, int i, struct ends e)
{
    const struct align__logistic up = align__logistic_at(b, 0, i);
    const struct align__logistic down = align__logistic_at(b, 1, i);
    return (struct degree){
        {up.minus + down.minus - e.log_share, up.c - down.c, up.s * up.c + down.s * down.c},
        -up.c - e.hole,
        down.c + e.hole};
}

static void bt_ties_rk(struct align__block *b)
{
    const double eta = b->params->eta;
    const struct ends ends[] = {ends_of(-INFINITY, -eta), ends_of(-eta, eta),
                                ends_of(eta, INFINITY)};
    int at[ALIGN__BLOCK];
    double sign[ALIGN__BLOCK];
    for (int i = 0; i < b->n; i++) {
        const double y = outcome(b, i);
        reward_margin(b, i);
        at[i] = y > 0 ? 2 : y < 0 ? 0 : 1;
        sign[i] = 1;
    }
    measure(b, ends, at, sign);
    for (int i = 0; i < b->n; i++) {
        const double y = outcome(b, i);
        const struct degree d = degree_at(b, i, ends[at[i]]);
        align__link(b, i, b->params->beta, d.phi, 1, 1);
        b->learn[1][i] = y > 0 ? d.by_low : y < 0 ? -d.by_high : d.by_high - d.by_low;
    }
}

const struct align__loss_row align__loss_bt_ties_rk = {
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
    const double nu = b->params->nu, log_nu = log(nu);
    double even[ALIGN__BLOCK], behind[ALIGN__BLOCK], log_sums[ALIGN__BLOCK];
    for (int i = 0; i < b->n; i++) {
        behind[i] = -fabs(reward_margin(b, i));
        even[i] = behind[i] / 2;
    }
    b->f64->exp(even, even, b->n);
    b->f64->exp(behind, behind, b->n);
    for (int i = 0; i < b->n; i++)
        log_sums[i] = behind[i] + nu * even[i];
    b->f64->log1p(log_sums, log_sums, b->n);
    for (int i = 0; i < b->n; i++) {
        const double y = outcome(b, i), z = b->margin[i], half = fabs(z) / 2;
        const double tie = nu * even[i], loss = behind[i], sum = 1 + loss + tie;
        const double log_sum = log_sums[i];
        const double lead = (z > 0 ? 1 - loss : loss - 1) / sum;
        const double own = y > 0   ? (z > 0 ? 0 : -2 * half)
                           : y < 0 ? (z > 0 ? -2 * half : 0)
                                   : log_nu - half;
        const double wish = y > 0 ? 0.5 : y < 0 ? -0.5 : 0;
        const double slope = y > 0   ? -((z > 0 ? loss : 1) + tie / 2) / sum
                             : y < 0 ? ((z > 0 ? 1 : loss) + tie / 2) / sum
                                     : lead / 2 - wish;
        align__link(b, i, b->params->beta,
                    (struct align__phi){log_sum - own, slope, ((1 + loss) / sum - lead * lead) / 4},
                    1, 1);
        b->learn[1][i] = (tie / sum - (y == 0)) / nu;
    }
}

const struct align__loss_row align__loss_bt_ties_davidson = {
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

/* Thresholds are 0 < t_1 < .. < t_levels, mirrored at 0: degree k > 0 is t_k .. t_(k+1), 0 is -t_1 .. t_1. */
static void ordinal(struct align__block *b)
{
    const align_loss_params *p = b->params;
    const double t[] = {p->threshold1, p->threshold2, p->threshold3, p->threshold4};
    const int levels = p->levels;
    struct ends ends[5];
    int at[ALIGN__BLOCK];
    double sign[ALIGN__BLOCK];
    for (int k = 0; k <= levels; k++)
        ends[k] = ends_of(k > 0 ? t[k - 1] : -t[0], k < levels ? t[k] : INFINITY);
    for (int i = 0; i < b->n; i++) {
        const double ahead = fabs(outcome(b, i));
        reward_margin(b, i);
        at[i] = ahead >= levels ? levels : (int)ahead;
        sign[i] = outcome(b, i) < 0 ? -1 : 1; /* degree -k at z is degree k at -z */
    }
    measure(b, ends, at, sign);
    for (int i = 0; i < b->n; i++) {
        const double y = outcome(b, i);
        const int k = at[i];
        struct degree d = degree_at(b, i, ends[k]);
        d.phi.slope = y < 0 ? -d.phi.slope : d.phi.slope;
        align__link(b, i, p->beta, d.phi, 1, 1);
        for (int j = 0; j < 4; j++)
            b->learn[2 + j][i] = (j == k && k < levels ? d.by_high : 0) +
                                 (j == k - 1 ? d.by_low : 0) - (k == 0 && j == 0 ? d.by_low : 0);
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

const struct align__loss_row align__loss_ordinal = {
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
