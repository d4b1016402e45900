/* Lists as their pairs of unequal label. */
#include "list.h"

#define LABELS                                                                                     \
    .needs = ALIGN_LOSS_READS_LABEL, .label_least = -ALIGN__ANY, .label_most = ALIGN__ANY,         \
    .arity = ALIGN_LOSS_LIST
#define BETA(standard)                                                                             \
    {                                                                                              \
        ALIGN__PARAM_BETA, standard, ALIGN__ABOVE_0, ALIGN__ANY                                    \
    }
#define SMOOTHING                                                                                  \
    {                                                                                              \
        ALIGN__PARAM_LABEL_SMOOTHING, 0, 0, 0.5                                                    \
    }
#define SUM_TO_PAIRS                                                                               \
    {                                                                                              \
        ALIGN__PARAM_NORMALISE, ALIGN_NORMALISE_SUM, ALIGN_NORMALISE_SUM, ALIGN_NORMALISE_PAIRS    \
    }

static void pair_logistic(struct align__list *list)
{
    align__list_scale(list);
    align__list_finish(list, align__sum_logistic(list, NULL, NULL), align__normaliser(list, 0));
}

static const struct align__preset pair_presets[] = {
    {"rax", {{ALIGN__PARAM_NORMALISE, ALIGN_NORMALISE_PAIRS}}},
    {NULL, {{0}}},
};

const struct align__loss_row align__loss_pair_logistic = {
    .golden = "V1 and V2 of the list reference; allRank rankNet; TF-Ranking doctests",
    .name = "pair_logistic",
    .brief = "logistic loss over all pairs of unequal label; preset rax is the mean over them",
    .source = "Liu et al. 2024 (LiPO), arXiv 2402.01878, Eq. 5; RankNet, Burges et al. 2005",
    .formula = "1/N sum over y_i > y_j of (1 - eps) softplus(-d) + eps softplus(d), d = s_i - s_j, "
               "s = beta (score - ref)",
    .gradient = "per pair (i ahead): ds_i += eps s(d) - (1 - eps) s(-d), ds_j -= the same",
    LABELS,
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_WRITES_HSCORE,
    .params = {BETA(0.05), SMOOTHING, SUM_TO_PAIRS, ALIGN__DIVERGENCE},
    .presets = pair_presets,
    .list = pair_logistic,
    .as_pair = ALIGN_LOSS_DPO,
};

/* Sum over ordered pairs of (e_i - e_j)^2 = 2 K sum (e_i - mean e)^2, e = s - y. */
static void pair_mse(struct align__list *list)
{
    const double n = (double)list->n, *s = align__list_scale(list);
    double *e = list->work[0];
    struct align__total sum = {0}, value = {0};
    bool infinite = false;
    for (int64_t i = 0; i < list->n; i++) {
        e[i] = s[i] - list->label[i];
        infinite = infinite || !(fabs(e[i]) <= ALIGN__ANY);
        align__add(&sum, e[i]);
    }
    const double mean = align__total(sum) / n;
    for (int64_t i = 0; i < list->n && !infinite; i++) {
        align__add(&value, (e[i] - mean) * (e[i] - mean));
        list->d[i] = 4 * n * (e[i] - mean);
        list->h[i] = 4 * (n - 1);
    }
    const double pairs = n * (n - 1);
    const bool by_pairs = list->params->normalise == ALIGN_NORMALISE_PAIRS;
    align__list_finish(list, infinite ? INFINITY : 2 * n * align__total(value),
                       by_pairs ? pairs : align__normaliser(list, 0));
}

const struct align__loss_row align__loss_pair_mse = {
    .golden = "TF-Ranking doctest",
    .name = "pair_mse",
    .brief =
        "squared distance of score gaps from label gaps, over all ordered pairs; with an infinite "
        "score infinite, and then without gradient",
    .source = "TF-Ranking and RAX, pairwise_mse_loss; Pang et al. 2020 (SetRank) and REBEL, "
              "arXiv 2404.16767, over all pairs",
    .formula = "1/N sum over i, j of ((s_i - s_j) - (y_i - y_j))^2 = 2 K / N sum (e_i - mean e)^2, "
               "e = s - y, N = K (K - 1) per pair",
    .gradient = "ds_i = 4 K (e_i - mean e) / N",
    LABELS,
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_WRITES_HSCORE,
    .params = {BETA(1), SUM_TO_PAIRS, ALIGN__DIVERGENCE},
    .list = pair_mse,
    .unless = {[ALIGN__PROP_PAIR] = "no pair row compares gaps with labels"},
};

static void sppo_list(struct align__list *list)
{
    const double beta = list->params->beta;
    struct align__total value = {0};
    for (int64_t i = 0; i < list->n; i++) {
        const double e = list->ratio[i] - (list->label[i] - 0.5) / beta;
        align__add(&value, e * e);
        list->d[i] = 2 * e;
        list->h[i] = 2;
    }
    list->value = align__total(value);
}

const struct align__loss_row align__loss_sppo_list = {
    .golden = "PyTorch mse_loss",
    .name = "sppo_list",
    .brief =
        "self-play preference optimisation of K samples; label is each one's mean probability of "
        "winning against the others",
    .source = "Wu et al. 2024 (SPPO), arXiv 2405.00675, Eq. 4.7, beta = 1 / eta",
    .formula = "sum (u_i - (P_i - 1/2) / beta)^2, u = score - ref",
    .gradient = "du_i = 2 (u_i - (P_i - 1/2) / beta)",
    .arity = ALIGN_LOSS_LIST,
    .needs = ALIGN_LOSS_READS_LABEL,
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_WRITES_HSCORE,
    .label_least = 0,
    .label_most = 1,
    .params = {BETA(1e-3), ALIGN__DIVERGENCE},
    .list = sppo_list,
    .unless = {[ALIGN__PROP_SHIFT] = "each item is compared with the reference by itself",
               [ALIGN__PROP_SUM_ZERO] = "each item is compared with the reference by itself"},
    .as_pair = ALIGN_LOSS_SPPO,
};
