/* Lists through one softmax, or item by item against targets made from one. */
#include "list.h"

#define ROW_OF(id)                                                                                 \
    .name = #id, .list = id, .arity = ALIGN_LOSS_LIST, .needs = ALIGN_LOSS_READS_LABEL,            \
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_WRITES_HSCORE, .label_most = ALIGN__ANY
#define BETA(standard)                                                                             \
    {                                                                                              \
        ALIGN__PARAM_BETA, standard, ALIGN__ABOVE_0, ALIGN__ANY                                    \
    }
#define TEMPERATURE(standard)                                                                      \
    {                                                                                              \
        ALIGN__PARAM_TEMPERATURE, standard, ALIGN__ABOVE_0, ALIGN__ANY                             \
    }

/* Targets q in work 3: the share of each label in their sum, or the label itself; and what is left of
 * their sum without q in work 4. */
static void share_targets(struct align__list *list)
{
    double *q = list->work[3], *left = list->work[4];
    struct align__total sum = {0};
    for (int64_t i = 0; i < list->n; i++)
        align__add(&sum, list->label[i]);
    const double all = align__total(sum);
    const bool share = list->params->targets == ALIGN_TARGETS_SHARE && all > 0;
    for (int64_t i = 0; i < list->n; i++)
        q[i] = share ? list->label[i] / all : list->label[i];
    for (int64_t i = 0; i < list->n; i++)
        left[i] = (share ? 1 : all) - q[i];
}

/* sum q (lse(s) - s) */
static void cross_entropy(struct align__list *list)
{
    const double *q = list->work[3], *left = list->work[4];
    double *p = list->work[0], *rest = list->work[1], *back = list->work[2];
    struct align__total value = {0};
    align__softmax(align__list_scale(list), list->n, p, rest, back);
    for (int64_t i = 0; i < list->n && list->n > 1; i++) {
        align__add(&value, align__times(q[i], back[i]));
        list->d[i] = p[i] * left[i] - q[i] * rest[i];
        list->h[i] = (q[i] + left[i]) * p[i] * rest[i];
    }
    align__list_finish(list, align__total(value), 1);
}

static void softmax(struct align__list *list)
{
    share_targets(list);
    cross_entropy(list);
}

static const struct align__preset softmax_presets[] = {
    {"rax", {{ALIGN__PARAM_TARGETS, ALIGN_TARGETS_RAW}}},
    {NULL, {{0}}},
};

const struct align__loss_row align__loss_softmax = {
    .golden = "V1 and V2 of the list reference; TF-Ranking losses_impl_test",
    ROW_OF(softmax),
    .brief =
        "cross-entropy of softmax scores against labels; a list whose labels are all 0 has loss 0",
    .source = "Liu et al. 2024 (LiPO), arXiv 2402.01878, Eq. 11; with raw labels what RAX computes",
    .formula = "sum q_i (lse(s) - s_i), q = y / sum(y) or y, s = beta (score - ref)",
    .gradient = "ds_i = sum(q) p_i - q_i, p = softmax(s)",
    .params = {BETA(0.05),
               {ALIGN__PARAM_TARGETS, ALIGN_TARGETS_SHARE, ALIGN_TARGETS_SHARE, ALIGN_TARGETS_RAW},
               ALIGN__DIVERGENCE},
    .presets = softmax_presets,
    .as_pair = ALIGN_LOSS_DPO,
};

/* The same of softmax(y / temperature). */
static void soft_targets(struct align__list *list)
{
    double *scaled = list->work[0];
    for (int64_t i = 0; i < list->n; i++)
        scaled[i] = list->label[i] / list->params->temperature;
    align__softmax(scaled, list->n, list->work[3], list->work[4], list->work[2]);
}

static void listnet(struct align__list *list)
{
    soft_targets(list);
    cross_entropy(list);
}

#define CROSS_TEXT                                                                                 \
    .formula = "sum q_i (lse(s) - s_i), q = softmax(y / temperature), s = beta (score - ref)",     \
    .gradient = "ds_i = p_i - q_i, p = softmax(s)", .label_least = -ALIGN__ANY,                    \
    .unless = {[ALIGN__PROP_PAIR] = "targets are soft"}

const struct align__loss_row align__loss_listnet = {
    .golden = "PyTorch cross_entropy with soft targets",
    ROW_OF(listnet),
    .brief = "ListNet: cross-entropy between softmax labels and softmax scores",
    .source = "Cao et al. 2007 (ListNet), ICML, Eq. 2 with top one probabilities",
    CROSS_TEXT,
    .params = {BETA(1), TEMPERATURE(1), ALIGN__DIVERGENCE},
};

static void info_nca(struct align__list *list)
{
    soft_targets(list);
    cross_entropy(list);
}

const struct align__loss_row align__loss_info_nca = {
    .golden = "PyTorch cross_entropy with soft targets",
    ROW_OF(info_nca),
    .brief = "InfoNCA: rewards to soft targets, compared with the policy's choice among K answers",
    .source = "Chen et al. 2024 (NCA), arXiv 2402.05369, Eq. 6",
    CROSS_TEXT,
    .params = {BETA(0.01), TEMPERATURE(0.01), ALIGN__DIVERGENCE},
};

static void nca(struct align__list *list)
{
    const double *q = list->work[3], *s = align__list_scale(list);
    const double even = 1 / (double)list->n;
    struct align__total value = {0};
    soft_targets(list);
    for (int64_t i = 0; i < list->n; i++) {
        const struct align__logistic l = align__logistic(s[i]);
        align__add(&value, align__times(q[i], l.minus) + even * l.plus);
        list->d[i] = even * l.s - q[i] * l.c;
        list->h[i] = (q[i] + even) * l.s * l.c;
    }
    align__list_finish(list, align__total(value), 1);
}

const struct align__loss_row align__loss_nca = {
    ROW_OF(nca),
    .brief = "NCA: rewards to soft targets, each answer's likelihood optimised by itself",
    .source = "Chen et al. 2024 (NCA), arXiv 2402.05369, Eq. 12",
    .formula = "sum q_i softplus(-s_i) + softplus(s_i) / K, q = softmax(y / temperature)",
    .gradient = "ds_i = s(s_i) / K - q_i s(-s_i)",
    .label_least = -ALIGN__ANY,
    .params = {BETA(0.01), TEMPERATURE(0.01), ALIGN__DIVERGENCE},
    .unless = {[ALIGN__PROP_SHIFT] = "keeps each item's likelihood where it is",
               [ALIGN__PROP_SUM_ZERO] = "keeps each item's likelihood where it is",
               [ALIGN__PROP_PAIR] = "targets are soft; with hard ones nca_pair"},
};

/* -sum Q R, Q = softmax of raw log-probabilities, R = softmax of labels. */
static void lire(struct align__list *list)
{
    const double t = list->params->temperature;
    double *q = list->work[0], *r = list->work[3], *scaled = list->work[4];
    align__softmax(list->label, list->n, r, list->work[1], list->work[2]);
    for (int64_t i = 0; i < list->n; i++)
        scaled[i] = list->score[i] / t;
    align__softmax(scaled, list->n, q, list->work[1], list->work[2]);
    struct align__total sum = {0};
    for (int64_t i = 0; i < list->n; i++)
        align__add(&sum, q[i] * r[i]);
    list->value = -align__total(sum);
    for (int64_t i = 0; i < list->n; i++)
        list->d[i] = -q[i] * (r[i] + list->value) / t;
}

const struct align__loss_row align__loss_lire = {
    .name = "lire",
    .brief = "LIRE: the expected reward under the policy's choice among K answers",
    .source = "Zhu et al. 2024 (LIRE), arXiv 2405.13516, Eq. 4",
    .formula = "-sum Q_i R_i, Q = softmax(score / temperature), R = softmax(y)",
    .gradient = "dscore_i = -Q_i (R_i - sum Q_j R_j) / temperature",
    .arity = ALIGN_LOSS_LIST,
    .needs = ALIGN_LOSS_READS_LABEL,
    .label_least = -ALIGN__ANY,
    .label_most = ALIGN__ANY,
    .params = {TEMPERATURE(2)},
    .list = lire,
    .unless = {[ALIGN__PROP_REF] = "has no reference",
               [ALIGN__PROP_PAIR] = "the reward is expected, not its logarithm"},
};

/* For each place k but the last: softmax over itself and what is ranked below, each mean log-probability
 * scaled by how far below its label is, its own by the farthest. */
static void pro(struct align__list *list)
{
    const double *y = list->label;
    double *mean = list->work[0], *share = list->work[1], *t = list->work[2], *x = list->work[3];
    double *p = list->work[4], *rest = list->work[5];
    struct align__total value = {0};
    align__sort_down(list, y, list->order);
    for (int64_t i = 0; i < list->n; i++) {
        share[i] = list->count[i] > 0 ? 1 / list->count[i] : 0;
        mean[i] = align__times(share[i], list->score[i]);
    }
    for (int64_t k = 0; k + 1 < list->n; k++) {
        const int64_t *item = list->order + k, n = list->n - k;
        for (int64_t i = 0; i < n; i++) {
            t[i] = y[item[0]] - y[item[i == 0 ? n - 1 : i]];
            x[i] = align__times(t[i], mean[item[i]]);
        }
        /* ratio is not read: it holds what softmax gives back. */
        align__softmax(x, n, p, rest, list->ratio);
        align__add(&value, list->ratio[0]);
        for (int64_t i = 0; i < n; i++)
            list->d[item[i]] += t[i] * share[item[i]] * (i == 0 ? -rest[0] : p[i]);
    }
    const double above = (double)(list->n - 1), sft = list->params->lambda * above * above;
    list->d[list->order[0]] -= sft;
    list->value = align__minus(align__total(value), align__times(sft, list->score[list->order[0]]));
}

const struct align__loss_row align__loss_pro = {
    .name = "pro",
    .brief = "preference ranking optimisation: each answer against those ranked below, at "
             "temperatures of "
             "their reward gaps, and the likelihood of the best",
    .source = "Song et al. 2023 (PRO), arXiv 2306.17492, Eq. 9 to 11",
    .formula = "sum over k < K of (lse over i >= k of t_i m_i - t_k m_k) - lambda (K - 1)^2 a_1, m "
               "= a / n, t_i "
               "= y_k - y_i, t_k = y_k - y_K, answers by label",
    .gradient = "per k: dm = t (softmax(t m) - [i = k]), da = dm / n; da_1 -= lambda (K - 1)^2",
    .arity = ALIGN_LOSS_LIST,
    .needs = ALIGN_LOSS_READS_LABEL | ALIGN_LOSS_READS_COUNT,
    .label_least = -ALIGN__ANY,
    .label_most = ALIGN__ANY,
    .params = {{ALIGN__PARAM_LAMBDA, 0.05, 0, ALIGN__ANY}},
    .list = pro,
    .unless = {[ALIGN__PROP_REF] = "has no reference",
               [ALIGN__PROP_SHIFT] = "scores are divided by lengths and scaled by gaps",
               [ALIGN__PROP_SUM_ZERO] = "scores are divided by lengths and scaled by gaps",
               [ALIGN__PROP_PAIR] = "the best answer's likelihood is a term of its own"},
};
