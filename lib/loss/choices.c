/* Lists as choices: an order drawn item by item, or one softmax over all. */
#include "list.h"

/* log of a sum of exponentials as high + rest, with high the largest of them: differences to a member
 * keep their relative accuracy however large the scores are. */
struct tail {
    double high, rest;
};

static struct tail extend(struct tail t, double s)
{
    if (s > t.high)
        return (struct tail){s, log1p(exp(align__minus(t.high, s) + t.rest))};
    if (t.high == -INFINITY)
        return t;
    return (struct tail){t.high, t.rest + log1p(exp(align__minus(s, t.high) - t.rest))};
}

/* softplus of (log-sum of what stands behind) - s: minus the log-probability of choosing s first. */
static double surprise(struct tail behind, double s)
{
    return behind.high == -INFINITY ? 0
                                    : align__softplus(align__minus(behind.high, s) + behind.rest);
}

/* With A_k = lse of places k.., g at place k = sum over p <= k of exp(s_k - A_p), less 1. The sum over
 * p < k is carried as exp(-high_k) carried; the term of k itself and the 1 make expm1(-surprise). */
static void list_mle(struct align__list *list)
{
    double *s = align__list_scale(list), *high = list->work[0], *rest = list->work[1];
    double *lost = list->work[2];
    struct align__total value = {0};
    struct tail behind = {-INFINITY, 0};
    align__sort_down(list->n, list->label, list->order, list->spare);
    for (int64_t k = list->n - 1; k >= 0; k--) {
        const double x = s[list->order[k]];
        lost[k] = surprise(behind, x);
        behind = extend(behind, x);
        high[k] = behind.high;
        rest[k] = behind.rest;
        align__add(&value, lost[k]);
    }
    double carried = 0, squares = 0;
    for (int64_t k = 0; k < list->n && high[k] > -INFINITY; k++) {
        const double fall = k > 0 ? exp(align__minus(high[k], high[k - 1])) : 0;
        const double x = exp(align__minus(s[list->order[k]], high[k]));
        carried *= fall;
        squares *= fall * fall;
        list->d[list->order[k]] = x * carried + expm1(-lost[k]);
        const double own = exp(-lost[k]);
        list->h[list->order[k]] = x * carried - x * x * squares - own * expm1(-lost[k]);
        carried += exp(-rest[k]);
        squares += exp(-2 * rest[k]);
    }
    align__list_finish(list, align__total(value), align__normaliser(list, 0));
}

#define SOURCE "Liu et al. 2024 (LiPO), arXiv 2402.01878, "

const struct align__loss_row align__loss_list_mle = {
    .name = "list_mle",
    .brief =
        "Plackett-Luce likelihood of the order of the labels (DPO-PL); equal labels in the order "
        "given",
    .source = SOURCE "Eq. 7; Xia et al. 2008; DPO, arXiv 2305.18290, App. A.3",
    .formula = "sum over places k of lse(s at places k..K) - s at place k, places by label, "
               "s = beta (score - ref)",
    .gradient = "ds at place k = sum over p <= k of exp(s_k - lse(s at p..K)) - 1",
    .arity = ALIGN_LOSS_LIST,
    .needs = ALIGN_LOSS_READS_LABEL,
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_WRITES_HSCORE,
    .label_least = -ALIGN__ANY,
    .label_most = ALIGN__ANY,
    .params = {{ALIGN__PARAM_BETA, 0.1, ALIGN__ABOVE_0, ALIGN__ANY},
               {ALIGN__PARAM_NORMALISE, ALIGN_NORMALISE_SUM, ALIGN_NORMALISE_SUM,
                ALIGN_NORMALISE_ITEMS}},
    .list = list_mle,
    .as_pair = ALIGN_LOSS_DPO,
};

/* p = softmax(s), q = 1 - p, back = lse(s) - s, all with relative accuracy; equal infinities share. */
static void softmax_of(const double *s, int64_t n, double *p, double *q, double *back)
{
    int64_t top = 0;
    for (int64_t i = 1; i < n; i++)
        top = s[i] > s[top] ? i : top;
    struct align__total others = {0};
    for (int64_t i = 0; i < n; i++) {
        p[i] = exp(align__minus(s[i], s[top]));
        if (i != top)
            align__add(&others, p[i]);
    }
    const double r = align__total(others), log_sum = log1p(r);
    for (int64_t i = 0; i < n; i++) {
        back[i] = align__minus(s[top], s[i]) + log_sum;
        p[i] /= 1 + r;
        q[i] = i == top ? r / (1 + r) : 1 - p[i];
    }
}

/* The share of each label in their sum, or the label itself. Returns the sum of what q then holds. */
static double targets(const struct align__list *list, double *q)
{
    struct align__total sum = {0};
    for (int64_t i = 0; i < list->n; i++)
        align__add(&sum, list->label[i]);
    const double all = align__total(sum);
    const bool share = list->params->targets == ALIGN_TARGETS_SHARE && all > 0;
    for (int64_t i = 0; i < list->n; i++)
        q[i] = share ? list->label[i] / all : list->label[i];
    return share ? 1 : all;
}

static void softmax(struct align__list *list)
{
    double *p = list->work[0], *rest = list->work[1], *back = list->work[2], *q = list->work[3];
    struct align__total value = {0};
    align__list_scale(list);
    const double all = targets(list, q);
    softmax_of(list->ratio, list->n, p, rest, back);
    for (int64_t i = 0; i < list->n && list->n > 1; i++) {
        align__add(&value, align__times(q[i], back[i]));
        list->d[i] = p[i] * (all - q[i]) - q[i] * rest[i];
        list->h[i] = all * p[i] * rest[i];
    }
    align__list_finish(list, align__total(value), 1);
}

static const struct align__preset softmax_presets[] = {
    {"rax", {{ALIGN__PARAM_TARGETS, ALIGN_TARGETS_RAW}}},
    {NULL, {{0}}},
};

const struct align__loss_row align__loss_softmax = {
    .name = "softmax",
    .brief =
        "cross-entropy of softmax scores against labels; a list whose labels are all 0 has loss 0",
    .source = SOURCE "Eq. 11; with raw labels what RAX computes",
    .formula = "sum q_i (lse(s) - s_i), q = y / sum(y) or y, s = beta (score - ref)",
    .gradient = "ds_i = sum(q) p_i - q_i, p = softmax(s)",
    .arity = ALIGN_LOSS_LIST,
    .needs = ALIGN_LOSS_READS_LABEL,
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_WRITES_HSCORE,
    .label_least = 0,
    .label_most = ALIGN__ANY,
    .params = {{ALIGN__PARAM_BETA, 0.05, ALIGN__ABOVE_0, ALIGN__ANY},
               {ALIGN__PARAM_TARGETS, ALIGN_TARGETS_SHARE, ALIGN_TARGETS_SHARE, ALIGN_TARGETS_RAW}},
    .presets = softmax_presets,
    .list = softmax,
    .as_pair = ALIGN_LOSS_DPO,
};
