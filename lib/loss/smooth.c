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
    .params = {OPTIONS(0.1)},
    .presets = approx_presets,
};

/* Row i of the relaxed permutation: softmax over items of ((K + 1 - 2 i) s_j - sum over k |s_j - s_k|) / T. */
static void neural_row(const struct align__list *list, const double *spread, int64_t i, double *p)
{
    const double way = (double)(list->n - 1 - 2 * i), t = list->params->temperature;
    double *logit = list->work[4];
    for (int64_t j = 0; j < list->n; j++)
        logit[j] = align__minus(align__times(way, list->ratio[j]), spread[j]) / t;
    align__softmax(logit, list->n, p, list->work[5], list->h);
}

/* Rows are made one at a time, so that memory is K and not K x K. */
static void neural_ndcg(struct align__list *list)
{
    const align_loss_params *params = list->params;
    const double *s = align__list_scale(list), t = params->temperature;
    double *gain = list->work[0], *spread = list->work[1], *p = list->work[2],
           *pull = list->work[3];
    struct align__total value = {0};
    if (!relative_gains(list, gain))
        return;
    for (int64_t j = 0; j < list->n; j++) {
        pull[j] = spread[j] = 0;
        for (int64_t k = 0; k < list->n; k++)
            spread[j] += fabs(align__minus(s[j], s[k]));
    }
    for (int64_t i = 0; i < list->n; i++) {
        const double way = (double)(list->n - 1 - 2 * i);
        const double d = align__discount((double)(i + 1), params->discount);
        double mean = 0;
        neural_row(list, spread, i, p);
        for (int64_t j = 0; j < list->n; j++)
            mean += p[j] * gain[j];
        align__add(&value, -d * mean);
        for (int64_t j = 0; j < list->n; j++) {
            const double z = -d * p[j] * (gain[j] - mean) / t;
            list->d[j] += way * z;
            pull[j] -= z;
        }
    }
    for (int64_t j = 0; j < list->n; j++)
        for (int64_t k = 0; k < j; k++) {
            const double sign = s[j] > s[k] ? 1 : s[j] < s[k] ? -1 : 0;
            list->d[j] += (pull[j] + pull[k]) * sign;
            list->d[k] -= (pull[j] + pull[k]) * sign;
        }
    for (int64_t j = 0; j < list->n; j++)
        list->h[j] = 0;
    align__list_finish(list, align__total(value), 1);
}

const struct align__loss_row align__loss_neural_ndcg = {
    .golden = "V1 and V2 of the list reference",
    NDCG_ROW(neural_ndcg),
    .brief = "NDCG of NeuralSort's relaxed permutation, without Sinkhorn scaling; 0 where no label "
             "has a gain",
    .source =
        "Pobrotyn and Bialobrzeski 2021 (NeuralNDCG), arXiv 2102.07831, Eq. 9; Swezey et al. 2020 "
        "(PiRank), arXiv 2012.06731; Grover et al. 2019 (NeuralSort), arXiv 1903.08850, Eq. 5",
    .formula = "-sum over i of D(i) sum over j of P_ij G_j / max DCG, P_i = softmax(((K + 1 - 2 i) "
               "s - B) / "
               "temperature), B_j = sum over k of |s_j - s_k|, D(i) = 1 / log2(1 + i)",
    .gradient = "ds_m = sum over i of Z_im (K + 1 - 2 i) + sum over k of (b_m + b_k) sign(s_m - "
                "s_k), Z = P (U - "
                "row sum of P U) / T, U_ij = -D(i) G_j / max DCG, b = -column sums of Z",
    .params = {OPTIONS(1)},
};
