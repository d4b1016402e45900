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

static struct degree degree_of(double z, double low, double high)
{
    const struct align__logistic open = {INFINITY, 0, 1, 0};
    const struct align__logistic up = high < INFINITY ? align__logistic(high - z) : open;
    const struct align__logistic down = low > -INFINITY ? align__logistic(z - low) : open;
    const double gap = high - low, hole = 1 / expm1(gap);
    return (struct degree){
        {up.minus + down.minus - log(-expm1(-gap)), up.c - down.c, up.s * up.c + down.s * down.c},
        -up.c - hole,
        down.c + hole};
}

static void bt_ties_rk(struct align__block *b)
{
    const double eta = b->params->eta;
    for (int i = 0; i < b->n; i++) {
        const double y = outcome(b, i), z = reward_margin(b, i);
        const double low = y > 0 ? eta : y < 0 ? -INFINITY : -eta;
        const double high = y > 0 ? INFINITY : y < 0 ? -eta : eta;
        const struct degree d = degree_of(z, low, high);
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
    for (int i = 0; i < b->n; i++) {
        const double y = outcome(b, i), z = reward_margin(b, i), half = fabs(z) / 2;
        const double tie = nu * exp(-half), loss = exp(-2 * half), sum = 1 + loss + tie;
        const double log_sum = log1p(loss + tie);
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
    for (int i = 0; i < b->n; i++) {
        const double y = outcome(b, i), z = reward_margin(b, i), ahead = fabs(y);
        const int k = ahead >= levels ? levels : (int)ahead;
        const double low = k > 0 ? t[k - 1] : -t[0], high = k < levels ? t[k] : INFINITY;
        /* Degree -k at z is degree k at -z. */
        struct degree d = degree_of(y < 0 ? -z : z, low, high);
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
