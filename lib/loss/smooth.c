/* NDCG with places or permutations made smooth. */
#include "list.h"

#define NDCG_ROW(id)                                                                               \
    .name = #id, .list = id, .arity = ALIGN_LOSS_LIST, .needs = ALIGN_LOSS_READS_LABEL,            \
    .reads = ALIGN_LOSS_READS_REF, .label_least = -1000, .label_most = 1000,                       \
    .unless = {[ALIGN__PROP_PAIR] = "a metric made smooth, not a likelihood"}
#define OPTIONS(temperature)                                                                       \
    {ALIGN__PARAM_BETA, 1, ALIGN__ABOVE_0, ALIGN__ANY},                                            \
        {ALIGN__PARAM_TEMPERATURE, temperature, ALIGN__ABOVE_0, ALIGN__ANY},                       \
        {ALIGN__PARAM_GAIN, ALIGN_GAIN_EXP2, ALIGN_GAIN_EXP2, ALIGN_GAIN_LINEAR},                  \
    {                                                                                              \
        ALIGN__PARAM_DISCOUNT, ALIGN_DISCOUNT_LOG2, ALIGN_DISCOUNT_LN, ALIGN_DISCOUNT_RECIPROCAL   \
    }

/* Derivative of the discount by the place. */
static double discount_slope(double place, int32_t kind)
{
    const double d = align__discount(place, kind);
    switch (kind) {
    case ALIGN_DISCOUNT_LOG2:
        return -d * d / (0x1.62e42fefa39efp-1 * (1 + place));
    case ALIGN_DISCOUNT_RECIPROCAL:
        return -d * d;
    default:
        return -d * d / (1 + place);
    }
}

/* Gain of each item over the best DCG, to gain; false where there is nothing to gain. */
static bool relative_gains(struct align__list *list, double *gain)
{
    for (int64_t i = 0; i < list->n; i++)
        gain[i] = align__gain(list->label[i], list->params->gain);
    const double best = align__max_dcg(list, gain);
    for (int64_t i = 0; i < list->n; i++)
        gain[i] /= best;
    return best > 0;
}

static void approx_ndcg(struct align__list *list)
{
    const align_loss_params *p = list->params;
    const double *s = align__list_scale(list), t = p->temperature;
    double *gain = list->work[0], *slope = list->work[1];
    struct align__total value = {0};
    if (!relative_gains(list, gain))
        return;
    for (int64_t i = 0; i < list->n; i++) {
        double place = 1;
        for (int64_t j = 0; j < list->n; j++)
            place += j == i ? 0 : align__sigmoid(align__minus(s[j], s[i]) / t);
        align__add(&value, -gain[i] * align__discount(place, p->discount));
        slope[i] = -gain[i] * discount_slope(place, p->discount);
    }
    for (int64_t i = 0; i < list->n; i++)
        for (int64_t j = 0; j < i; j++) {
            const double bell = align__bell(align__minus(s[i], s[j]) / t) / t;
            list->d[i] += (slope[j] - slope[i]) * bell;
            list->d[j] += (slope[i] - slope[j]) * bell;
        }
    align__list_finish(list, align__total(value), 1);
}

static const struct align__preset approx_presets[] = {
    {"allrank", {{ALIGN__PARAM_TEMPERATURE, 1}}},
    {"rax", {{ALIGN__PARAM_TEMPERATURE, 1}}},
    {NULL, {{0}}},
};

const struct align__loss_row align__loss_approx_ndcg = {
    .golden = "V1 and V2 of the list reference; TF-Ranking and RAX tests",
    NDCG_ROW(approx_ndcg),
    .brief = "ApproxNDCG: places as sums of sigmoids; 0 where no label has a gain",
    .source = "Qin et al. 2010, Inf. Retrieval 13(4), Eq. 9 and 10; temperature of TF-Ranking",
    .formula = "-sum G_i D(r_i) / max DCG, r_i = 1 + sum over j of s((s_j - s_i) / temperature), "
               "D(r) = 1 / "
               "log2(1 + r)",
    .gradient =
        "ds_k = 1/T sum over i of (c_i - c_k) s'((s_k - s_i) / T), c_i = -G_i D'(r_i) / max DCG",
    .params = {OPTIONS(0.1), ALIGN__DIVERGENCE},
    .presets = approx_presets,
};

/* NeuralSort: row i of the relaxed permutation P is the softmax over items of ((K + 1 - 2 i) s_j - sum over k
 * |s_j - s_k|) / T. From one place to the next in the order of the scores that rises by the gap of the two up to place
 * i and falls behind it, by 1, 3, 5, ... times the gap: so a row is made from its top outwards, and far items cost
 * near ones no digits. Rows are made again where they are needed, so that memory is K and not K x K.
 *
 * Sinkhorn scaling makes diag(r) P diag(c) of it, with t-th scalings c_j = 1 / sum over i of r_i P_ij, from r = 1,
 * and r_i = 1 / sum over j of P_ij c_j. All c are kept (`room`), and r is made with its row. Going back, derivatives
 * by entries of P are sums of products x_i y_j, each taken into the scores while its row is there. */
struct neural {
    struct align__list *list;
    const double *gain;
    double *p, *pull, *next;
};

/* Row i to p. */
static void neural_row(const struct neural *n, int64_t i)
{
    const struct align__list *list = n->list;
    const int64_t *order = list->order;
    const double t = list->params->temperature, *s = list->ratio;
    double *logit = list->work[4], below = 0;
    logit[order[i]] = 0;
    for (int64_t r = i - 1; r >= 0; r--) {
        below += (double)(2 * (i - r) - 1) * (align__minus(s[order[r]], s[order[r + 1]]) / t);
        logit[order[r]] = -below;
    }
    below = 0;
    for (int64_t r = i; r + 1 < list->n; r++) {
        below += (double)(2 * (r - i) + 1) * (align__minus(s[order[r]], s[order[r + 1]]) / t);
        logit[order[r + 1]] = -below;
    }
    align__softmax(logit, list->n, n->p, list->work[5], list->h);
}

static double along(const struct neural *n, const double *x)
{
    double sum = 0;
    for (int64_t j = 0; j < n->list->n; j++)
        sum += n->p[j] * x[j];
    return sum;
}

/* What row i is scaled by after `step` steps. */
static double row_scale(const struct neural *n, int32_t step)
{
    return step == 0 ? 1 : 1 / along(n, n->list->room + (step - 1) * n->list->n);
}

/* Takes derivatives x y_j by the entries of row i through the softmax; mean is sum over j of P_ij y_j. */
static void push_row(const struct neural *n, int64_t i, double x, const double *y, double mean)
{
    const double way = (double)(n->list->n - 1 - 2 * i), scale = x / n->list->params->temperature;
    for (int64_t j = 0; j < n->list->n; j++) {
        const double z = scale * n->p[j] * (y[j] - mean);
        n->list->d[j] += way * z;
        n->pull[j] -= z;
    }
}

/* A derivative `by` of the row's scale after `step` steps, on to the row and to what the columns are scaled by. */
static void push_scale(const struct neural *n, int64_t i, double by, int32_t step)
{
    const double *c = n->list->room + (step - 1) * n->list->n;
    const double r = row_scale(n, step), q = -by * r * r;
    push_row(n, i, q, c, 1 / r);
    for (int64_t j = 0; j < n->list->n; j++)
        n->next[j] += q * n->p[j];
}

/* From derivatives by the columns' scales, in next, to those of the step before. */
static void unscale(const struct neural *n, double *by, int32_t step)
{
    const double *c = n->list->room + (step - 1) * n->list->n;
    for (int64_t j = 0; j < n->list->n; j++) {
        by[j] = -n->next[j] * c[j] * c[j];
        n->next[j] = 0;
    }
    for (int64_t i = 0; i < n->list->n; i++) {
        neural_row(n, i);
        const double row = along(n, by);
        push_row(n, i, row_scale(n, step - 1), by, row);
        if (step > 1)
            push_scale(n, i, row, step - 1);
    }
}

static void scale_columns(const struct neural *n)
{
    const int64_t items = n->list->n;
    for (int32_t step = 0; step < n->list->params->sinkhorn; step++) {
        double *c = n->list->room + step * items;
        for (int64_t j = 0; j < items; j++)
            c[j] = 0;
        for (int64_t i = 0; i < items; i++) {
            neural_row(n, i);
            const double r = row_scale(n, step);
            for (int64_t j = 0; j < items; j++)
                c[j] += r * n->p[j];
        }
        for (int64_t j = 0; j < items; j++)
            c[j] = c[j] > 0 ? 1 / c[j] : 0;
    }
}

/* Minus the sum of discount and expected gain at each place, and its derivatives into d, pull and next. */
static double sum_places(const struct neural *n, double *scaled)
{
    const align_loss_params *params = n->list->params;
    const int32_t steps = params->sinkhorn;
    const double *c = n->list->room + (steps - 1) * n->list->n;
    struct align__total value = {0};
    for (int64_t j = 0; j < n->list->n; j++) {
        scaled[j] = steps > 0 ? c[j] * n->gain[j] : n->gain[j];
        n->next[j] = 0;
    }
    for (int64_t i = 0; i < n->list->n; i++) {
        const double d = align__discount((double)(i + 1), params->discount);
        neural_row(n, i);
        const double mean = along(n, scaled), r = row_scale(n, steps);
        align__add(&value, -d * r * mean);
        push_row(n, i, -d * r, scaled, mean);
        if (steps == 0)
            continue;
        for (int64_t j = 0; j < n->list->n; j++)
            n->next[j] -= d * r * n->p[j] * n->gain[j];
        push_scale(n, i, -d * mean, steps);
    }
    return align__total(value);
}

static void neural_ndcg(struct align__list *list)
{
    const double *s = align__list_scale(list);
    double *gain = list->work[0], *scaled = list->daux;
    const struct neural n = {list, gain, list->work[1], list->work[2], list->work[3]};
    if (!relative_gains(list, gain))
        return;
    align__sort_down(list, list->log_ratio, list->order);
    for (int64_t j = 0; j < list->n; j++)
        n.pull[j] = 0;
    scale_columns(&n);
    const double value = sum_places(&n, scaled);
    for (int32_t step = list->params->sinkhorn; step > 0; step--)
        unscale(&n, scaled, step);
    for (int64_t j = 0; j < list->n; j++)
        for (int64_t k = 0; k < j; k++) {
            const double sign = s[j] > s[k] ? 1 : s[j] < s[k] ? -1 : 0;
            list->d[j] += (n.pull[j] + n.pull[k]) * sign;
            list->d[k] -= (n.pull[j] + n.pull[k]) * sign;
        }
    for (int64_t j = 0; j < list->n; j++)
        list->h[j] = list->daux[j] = 0;
    align__list_finish(list, value, 1);
}

static const struct align__preset neural_presets[] = {
    {"allrank", {{ALIGN__PARAM_SINKHORN, 50}}},
    {NULL, {{0}}},
};

const struct align__loss_row align__loss_neural_ndcg = {
    .golden = "V1 and V2 of the list reference",
    NDCG_ROW(neural_ndcg),
    .brief =
        "NDCG of NeuralSort's relaxed permutation, scaled by columns and rows `sinkhorn` times; 0 "
        "where no label has a gain. Preset allrank has the 50 steps that allRank ends with at the "
        "latest",
    .source =
        "Pobrotyn and Bialobrzeski 2021 (NeuralNDCG), arXiv 2102.07831, Eq. 9; Swezey et al. 2020 "
        "(PiRank), arXiv 2012.06731; Grover et al. 2019 (NeuralSort), arXiv 1903.08850, Eq. 5",
    .formula =
        "-sum over i of D(i) r_i sum over j of P_ij c_j G_j / max DCG, P_i = softmax(((K + 1 - "
        "2 i) s - B) / temperature), B_j = sum over k of |s_j - s_k|, D(i) = 1 / log2(1 + i); r = "
        "c = 1, or as the Sinkhorn steps c = 1 / P'r, r = 1 / P c make them",
    .gradient =
        "ds_m = sum over i of Z_im (K + 1 - 2 i) + sum over k of (b_m + b_k) sign(s_m - "
        "s_k), Z = P (U - row sum of P U) / T, b = -column sums of Z, U_ij = -D(i) G_j / max DCG, "
        "or the derivative by P_ij through the steps",
    .params = {OPTIONS(1), {ALIGN__PARAM_SINKHORN, 0, 0, ALIGN__SINKHORN_MOST}, ALIGN__DIVERGENCE},
    .presets = neural_presets,
};
