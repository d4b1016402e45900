/* Pairs of a list weighted by what their order is worth. Weights are constants to the gradient. */
#include "list.h"

struct weights {
    const align_loss_params *params;
    const double *log_ratio, *s, *place, *gain;
    const double *discount; /* at the place of an item, or the mean over its equals */
    const double
        *spread; /* mean difference of two discounts among its equals; NULL: not expected */
    double by_swap, by_gap;
    double near; /* params.near_scores, or 0 where all scores are equal */
};

static bool counts(const struct weights *w, int64_t i, int64_t j)
{
    const double n = w->params->top_n;
    if (n == 0 || w->params->top == ALIGN_TOP_CUT || w->params->top == ALIGN_TOP_BEYOND)
        return true;
    const bool first = w->place[i] <= n, second = w->place[j] <= n;
    return w->params->top == ALIGN_TOP_BOTH ? first && second : first || second;
}

/* What the distance of two places is worth. */
static double weigh_gap(const struct weights *w, double first, double second)
{
    const align_loss_params *p = w->params;
    const double q = fabs(first - second), lower = first > second ? first : second;
    const double worth = fabs(align__discount(q, p->discount) -
                              align__discount(q + 1, p->discount));
    const bool beyond = p->top == ALIGN_TOP_BEYOND && p->top_n > 0 && lower > p->top_n;
    return beyond ? worth / (1 - align__discount(lower, p->discount)) : worth;
}

/* What exchanging the two would change, and what their distance is worth. */
static double weigh(const void *context, int64_t i, int64_t j)
{
    const struct weights *w = context;
    if (!counts(w, i, j))
        return 0;
    double worth = 0;
    if (w->by_swap != 0) {
        const bool equal = w->spread != NULL && w->log_ratio[i] == w->log_ratio[j];
        worth = w->by_swap * (equal ? w->spread[i] : fabs(w->discount[i] - w->discount[j]));
    }
    if (w->by_gap != 0)
        worth += w->by_gap * weigh_gap(w, w->place[i], w->place[j]);
    if (w->near > 0)
        worth /= w->near + fabs(align__minus(w->s[i], w->s[j]));
    return fabs(w->gain[i] - w->gain[j]) * worth;
}

/* Items with equal scores share the mean of their discounts; two of them differ by the mean over orders,
 * 2 / (m (m - 1)) sum over places k of d_k (m + 1 - 2 k). */
static void expect_discounts(const struct align__list *list, double *discount, double *spread)
{
    const int64_t *order = list->order;
    for (int64_t low = 0, high; low < list->n; low = high) {
        double sum = 0, lean = 0;
        for (high = low;
             high < list->n && list->log_ratio[order[high]] == list->log_ratio[order[low]];)
            sum += discount[order[high++]];
        const double m = (double)(high - low);
        for (int64_t k = low; k < high; k++)
            lean += discount[order[k]] * (m - 1 - 2 * (double)(k - low));
        for (int64_t k = low; k < high; k++) {
            discount[order[k]] = sum / m;
            spread[order[k]] = m > 1 ? 2 * lean / (m * (m - 1)) : 0;
        }
    }
}

void align__list_worths(const struct align__list *list, double *gain, double *discount)
{
    const align_loss_params *p = list->params;
    const double unit = p->discount == ALIGN_DISCOUNT_LOG2 ? 0x1.62e42fefa39efp-1 : 1;
    const bool reciprocal = p->discount == ALIGN_DISCOUNT_RECIPROCAL;
    if (!reciprocal)
        list->f64->log1p(discount, list->place, list->n);
    for (int64_t i = 0; i < list->n; i++) {
        const bool cut = p->top_n > 0 && p->top == ALIGN_TOP_CUT && list->place[i] > p->top_n;
        gain[i] = align__gain(list->label[i], p->gain);
        discount[i] = cut ? 0 : unit / (reciprocal ? list->place[i] : discount[i]);
    }
}

double align__sum_swaps(struct align__list *list, align__list_phi_fn phi, const double *gain,
                        const double *discount)
{
    const struct weights weights = {.params = list->params,
                                    .log_ratio = list->log_ratio,
                                    .s = list->ratio,
                                    .place = list->place,
                                    .gain = gain,
                                    .discount = discount,
                                    .by_swap = 1};
    return align__sum_pairs(list, phi, weigh, &weights);
}

static bool all_equal(const double *s, int64_t n)
{
    int64_t i = 1;
    while (i < n && s[i] == s[0])
        i++;
    return i >= n;
}

/* What the derivatives of a list divided by `normaliser` are multiplied by. */
static double rescaled(const struct align__list *list, double normaliser)
{
    const double steepness = normaliser > 0 ? 2 * list->steepness / normaliser : 0;
    if (list->params->rescale == ALIGN_RESCALE_NONE || !(steepness > 0 && steepness <= ALIGN__ANY))
        return 1;
    return log1p(steepness) / (0x1.62e42fefa39efp-1 * steepness);
}

static void weighted_pairs(struct align__list *list, double by_swap, double by_gap)
{
    const align_loss_params *p = list->params;
    double *gain = list->work[0], *discount = list->work[1], *spread = list->work[2];
    const bool expected = p->score_ties == ALIGN_SCORE_TIES_EXPECTED;
    align__list_scale(list);
    align__list_places(list);
    align__list_worths(list, gain, discount);
    if (expected)
        expect_discounts(list, discount, spread);
    const struct weights weights = {.params = p,
                                    .log_ratio = list->log_ratio,
                                    .s = list->ratio,
                                    .place = list->place,
                                    .gain = gain,
                                    .discount = discount,
                                    .spread = expected ? spread : NULL,
                                    .by_swap = by_swap,
                                    .by_gap = by_gap,
                                    .near = all_equal(list->log_ratio, list->n) ? 0
                                                                                : p->near_scores};
    const bool all = p->top_n == 0 || p->top == ALIGN_TOP_CUT;
    const bool plain = all && by_swap == 1 && by_gap == 0 && weights.near == 0 && !expected;
    const double value = plain ? align__sum_logistic(list, gain, discount)
                               : align__sum_pairs(list, align__list_logistic, weigh, &weights);
    const bool by_dcg = p->normalise == ALIGN_NORMALISE_MAX_DCG;
    const double normaliser = align__normaliser(list, by_dcg ? align__max_dcg(list, gain) : 0);
    align__list_finish(list, value, normaliser / rescaled(list, normaliser));
}

static void lipo_lambda(struct align__list *list)
{
    weighted_pairs(list, 1, 0);
}

static void ndcg_loss2(struct align__list *list)
{
    weighted_pairs(list, 0, 1);
}

static void ndcg_loss2pp(struct align__list *list)
{
    weighted_pairs(list, 1, list->params->mu);
}

#define LAMBDA_ROW(id)                                                                             \
    .name = #id, .list = id, .arity = ALIGN_LOSS_LIST, .needs = ALIGN_LOSS_READS_LABEL,            \
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_READS_RANK | ALIGN_LOSS_WRITES_HSCORE,              \
    .label_least = -1000, .label_most = 1000,                                                      \
    .unless = {[ALIGN__PROP_PAIR] = "weighted by gain and discount"}
#define BETA(standard)                                                                             \
    {                                                                                              \
        ALIGN__PARAM_BETA, standard, ALIGN__ABOVE_0, ALIGN__ANY                                    \
    }
#define OPTIONS(discount, normalise, top, most_top, most_ties)                                     \
    {ALIGN__PARAM_LABEL_SMOOTHING, 0, 0, 0.5},                                                     \
        {ALIGN__PARAM_GAIN, ALIGN_GAIN_EXP2, ALIGN_GAIN_EXP2, ALIGN_GAIN_LINEAR},                  \
        {ALIGN__PARAM_DISCOUNT, discount, ALIGN_DISCOUNT_LN, ALIGN_DISCOUNT_RECIPROCAL},           \
        {ALIGN__PARAM_NORMALISE, normalise, ALIGN_NORMALISE_SUM, ALIGN_NORMALISE_MAX_DCG},         \
        {ALIGN__PARAM_UNIT, ALIGN_UNIT_NAT, ALIGN_UNIT_NAT, ALIGN_UNIT_BIT},                       \
        {ALIGN__PARAM_TOP, top, top, most_top}, {ALIGN__PARAM_TOP_N, 0, 0, INT32_MAX},             \
        {ALIGN__PARAM_SCORE_TIES, ALIGN_SCORE_TIES_STABLE, ALIGN_SCORE_TIES_STABLE, most_ties},    \
        {ALIGN__PARAM_SEED, 0, 0, INT32_MAX}, {ALIGN__PARAM_NEAR_SCORES, 0, 0, ALIGN__ANY},        \
    {                                                                                              \
        ALIGN__PARAM_RESCALE, ALIGN_RESCALE_NONE, ALIGN_RESCALE_NONE, ALIGN_RESCALE_LOG            \
    }
#define PAIR_GRADIENT                                                                              \
    .gradient = "per pair (i ahead): ds_i += w / N (eps s(d) - (1 - eps) s(-d)), ds_j -= the same"

static const char *check_ties(const align_loss_params *p)
{
    const bool outside = p->top_n > 0 && p->top != ALIGN_TOP_CUT;
    return outside && p->score_ties == ALIGN_SCORE_TIES_EXPECTED
               ? "top cut where score_ties is expected"
               : NULL;
}

/* What XGBoost and LightGBM have in common. */
#define TREES                                                                                      \
    {ALIGN__PARAM_BETA, 1}, {ALIGN__PARAM_DISCOUNT, ALIGN_DISCOUNT_LOG2},                          \
        {ALIGN__PARAM_NORMALISE, ALIGN_NORMALISE_MAX_DCG}, {ALIGN__PARAM_TOP, ALIGN_TOP_EITHER},   \
        {ALIGN__PARAM_NEAR_SCORES, 0.01},                                                          \
    {                                                                                              \
        ALIGN__PARAM_RESCALE, ALIGN_RESCALE_LOG                                                    \
    }

static const struct align__preset lipo_presets[] = {
    {"rax",
     {{ALIGN__PARAM_DISCOUNT, ALIGN_DISCOUNT_LOG2}, {ALIGN__PARAM_NORMALISE, ALIGN_NORMALISE_RAX}}},
    {"allrank",
     {{ALIGN__PARAM_DISCOUNT, ALIGN_DISCOUNT_LOG2},
      {ALIGN__PARAM_NORMALISE, ALIGN_NORMALISE_MAX_DCG},
      {ALIGN__PARAM_UNIT, ALIGN_UNIT_BIT},
      {ALIGN__PARAM_TOP, ALIGN_TOP_BOTH}}},
    {"tfr",
     {{ALIGN__PARAM_GAIN, ALIGN_GAIN_LINEAR}, {ALIGN__PARAM_DISCOUNT, ALIGN_DISCOUNT_RECIPROCAL}}},
    {"xgb", {TREES, {ALIGN__PARAM_TOP_N, 32}}},
    {"lgb", {TREES, {ALIGN__PARAM_TOP_N, 30}}},
    {NULL, {{0}}},
};

const struct align__loss_row align__loss_lipo_lambda = {
    .golden = "V1 and V2 of the list reference, which RAX and allRank confirm; XGBoost "
              "test_lambdarank_obj; LightGBM; TF-Ranking losses_impl_test",
    LAMBDA_ROW(lipo_lambda),
    .brief =
        "LiPO-lambda: logistic pairs weighted by what exchanging them would change in DCG, places "
        "being those of the current scores, or rank. Presets xgb and lgb are rank:ndcg and "
        "lambdarank "
        "(XGBoost's second derivatives are twice hscore), tfr DCGLambdaWeight with smooth_fraction "
        "1 "
        "without its factor K",
    .source =
        "Liu et al. 2024 (LiPO), arXiv 2402.01878, Eq. 8; preset rax: its Algorithm 1 as run, "
        "allrank: lambdaRank_scheme; xgb: LambdaGrad of XGBoost; lgb: LambdarankNDCG of LightGBM",
    .formula = "1/N sum over y_i > y_j of w phi(s_i - s_j), w = |G_i - G_j| |D_i - D_j|, G = 2^y - "
               "1, D = 1 "
               "/ ln(1 + place), phi(d) = (1 - eps) softplus(-d) + eps softplus(d)",
    PAIR_GRADIENT,
    .params = {BETA(0.05),
               OPTIONS(ALIGN_DISCOUNT_LN, ALIGN_NORMALISE_SUM, ALIGN_TOP_CUT, ALIGN_TOP_EITHER,
                       ALIGN_SCORE_TIES_EXPECTED),
               ALIGN__DIVERGENCE},
    .presets = lipo_presets,
    .check = check_ties,
};

static const struct align__preset loss2_presets[] = {
    {"allrank", {{ALIGN__PARAM_UNIT, ALIGN_UNIT_BIT}}},
    {"tfr",
     {{ALIGN__PARAM_GAIN, ALIGN_GAIN_LINEAR},
      {ALIGN__PARAM_DISCOUNT, ALIGN_DISCOUNT_RECIPROCAL},
      {ALIGN__PARAM_NORMALISE, ALIGN_NORMALISE_SUM},
      {ALIGN__PARAM_TOP, ALIGN_TOP_EITHER}}},
    {"tfr-v2",
     {{ALIGN__PARAM_GAIN, ALIGN_GAIN_LINEAR},
      {ALIGN__PARAM_DISCOUNT, ALIGN_DISCOUNT_RECIPROCAL},
      {ALIGN__PARAM_NORMALISE, ALIGN_NORMALISE_SUM},
      {ALIGN__PARAM_TOP, ALIGN_TOP_BEYOND}}},
    {NULL, {{0}}},
};

const struct align__loss_row align__loss_ndcg_loss2 = {
    .golden = "V1 and V2: allRank ndcgLoss2PP less lambdaRank, by mu",
    LAMBDA_ROW(ndcg_loss2),
    .brief =
        "LambdaLoss NDCG-Loss2: pairs weighted by what their distance in places is worth; "
        "presets tfr and tfr-v2 have the weights of DCGLambdaWeight and DCGLambdaWeightV2 without "
        "their factor K",
    .source =
        "Wang et al. 2018 (LambdaLoss), CIKM, doi 10.1145/3269206.3271784, Eq. 16; top beyond: "
        "Jagerman et al. 2022, SIGIR, doi 10.1145/3477495.3531849",
    .formula = "1/N sum over y_i > y_j of w phi(s_i - s_j), w = |G_i - G_j| |D(q) - D(q + 1)|, q = "
               "|place_i - "
               "place_j|, D(r) = 1 / log2(1 + r), N = max DCG",
    PAIR_GRADIENT,
    .params = {BETA(1),
               OPTIONS(ALIGN_DISCOUNT_LOG2, ALIGN_NORMALISE_MAX_DCG, ALIGN_TOP_BOTH,
                       ALIGN_TOP_BEYOND, ALIGN_SCORE_TIES_SEEDED),
               ALIGN__DIVERGENCE},
    .presets = loss2_presets,
};

static const struct align__preset loss2pp_presets[] = {
    {"allrank", {{ALIGN__PARAM_UNIT, ALIGN_UNIT_BIT}}},
    {NULL, {{0}}},
};

const struct align__loss_row align__loss_ndcg_loss2pp = {
    .golden = "V1 and V2 of the list reference; allRank ndcgLoss2PP",
    LAMBDA_ROW(ndcg_loss2pp),
    .brief = "LambdaLoss NDCG-Loss2++: mu times the weight of ndcg_loss2, and that of lipo_lambda",
    .source = "Wang et al. 2018 (LambdaLoss), CIKM, doi 10.1145/3269206.3271784, Eq. 17; mu as in "
              "allRank",
    .formula = "1/N sum over y_i > y_j of w phi(s_i - s_j), w = |G_i - G_j| (mu |D(q) - D(q + 1)| "
               "+ |D_i - "
               "D_j|), q = |place_i - place_j|, N = max DCG",
    PAIR_GRADIENT,
    .params = {BETA(1),
               {ALIGN__PARAM_MU, 10, 0, ALIGN__ANY},
               OPTIONS(ALIGN_DISCOUNT_LOG2, ALIGN_NORMALISE_MAX_DCG, ALIGN_TOP_BOTH,
                       ALIGN_TOP_EITHER, ALIGN_SCORE_TIES_SEEDED),
               ALIGN__DIVERGENCE},
    .presets = loss2pp_presets,
};
