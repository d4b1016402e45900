/* Lists whose items do not see each other. */
#include "list.h"

#define APART                                                                                      \
    .unless = {[ALIGN__PROP_SHIFT] = "scores are compared with labels, not with each other",       \
               [ALIGN__PROP_SUM_ZERO] = "scores are compared with labels, not with each other",    \
               [ALIGN__PROP_PAIR] = "no pair row compares scores with labels"}
#define SUM_OR_ITEMS                                                                               \
    {                                                                                              \
        ALIGN__PARAM_NORMALISE, ALIGN_NORMALISE_SUM, ALIGN_NORMALISE_SUM, ALIGN_NORMALISE_ITEMS    \
    }

static void point_mse(struct align__list *list)
{
    const double *s = align__list_scale(list);
    struct align__total value = {0};
    for (int64_t i = 0; i < list->n; i++) {
        const double e = s[i] - list->label[i];
        align__add(&value, e * e);
        list->d[i] = 2 * e;
        list->h[i] = 2;
    }
    align__list_finish(list, align__total(value), align__normaliser(list, 0));
}

const struct align__loss_row align__loss_point_mse = {
    .golden = "V1 and V2 of the list reference",
    .name = "point_mse",
    .brief = "squared distance of scores from labels",
    .source = "Liu et al. 2024 (LiPO), arXiv 2402.01878, Eq. 9",
    .formula = "sum (s_i - y_i)^2, s = beta (score - ref)",
    .gradient = "ds_i = 2 (s_i - y_i)",
    .arity = ALIGN_LOSS_LIST,
    .needs = ALIGN_LOSS_READS_LABEL,
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_WRITES_HSCORE,
    .label_least = -ALIGN__ANY,
    .label_most = ALIGN__ANY,
    .params = {{ALIGN__PARAM_BETA, 0.05, ALIGN__ABOVE_0, ALIGN__ANY},
               SUM_OR_ITEMS,
               ALIGN__DIVERGENCE},
    .list = point_mse,
    APART,
};

static void point_sigmoid(struct align__list *list)
{
    const double *s = align__list_scale(list);
    struct align__total value = {0};
    for (int64_t i = 0; i < list->n; i++) {
        const struct align__logistic l = align__logistic(s[i]);
        const double y = list->label[i];
        align__add(&value, align__times(y, l.minus) + align__times(1 - y, l.plus));
        list->d[i] = (1 - y) * l.s - y * l.c;
        list->h[i] = l.s * l.c;
    }
    align__list_finish(list, align__total(value), align__normaliser(list, 0));
}

const struct align__loss_row align__loss_point_sigmoid = {
    .golden = "V1 and V2 of the list reference",
    .name = "point_sigmoid",
    .brief = "binary cross-entropy of scores against labels in 0..1",
    .source = "Liu et al. 2024 (LiPO), arXiv 2402.01878, Eq. 10",
    .formula = "sum y_i softplus(-s_i) + (1 - y_i) softplus(s_i), s = beta (score - ref)",
    .gradient = "ds_i = (1 - y_i) s(s_i) - y_i s(-s_i)",
    .arity = ALIGN_LOSS_LIST,
    .needs = ALIGN_LOSS_READS_LABEL,
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_WRITES_HSCORE,
    .label_least = 0,
    .label_most = 1,
    .params = {{ALIGN__PARAM_BETA, 0.05, ALIGN__ABOVE_0, ALIGN__ANY},
               SUM_OR_ITEMS,
               ALIGN__DIVERGENCE},
    .list = point_sigmoid,
    APART,
};
