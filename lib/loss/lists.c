/* Lists: pairs of a list, and rank-weighted pairs. */
#include "list.h"

/* phi(d) of a pair whose better item is d ahead, with first and second derivative. */
struct phi {
    double value, slope, curve;
};

static struct phi logistic(double d, const align_loss_params *p)
{
    const double eps = p->label_smoothing;
    const struct align__logistic l = align__logistic(d);
    return (struct phi){align__times(1 - eps, l.minus) + align__times(eps, l.plus),
                        eps * l.s - (1 - eps) * l.c, l.s * l.c};
}

static struct phi hinge(double d, const align_loss_params *p)
{
    const double eps = p->label_smoothing, right = d < p->margin, wrong = -d < p->margin;
    return (struct phi){align__times((1 - eps) * right, p->margin - d) +
                            align__times(eps * wrong, p->margin + d),
                        eps * wrong - (1 - eps) * right, 0};
}

typedef struct phi (*phi_fn)(double d, const align_loss_params *params);

/* |G_i - G_j| |D_i - D_j| from gain and discount of each item, or 1 without them. */
static double pair_weight(const double *gain, const double *discount, int64_t i, int64_t j)
{
    return gain == NULL ? 1 : fabs(gain[i] - gain[j]) * fabs(discount[i] - discount[j]);
}

static double sum_pairs(struct align__list *list, phi_fn phi, const double *gain,
                        const double *discount)
{
    const double *s = list->ratio;
    struct align__total value = {0};
    for (int64_t i = 0; i < list->n; i++)
        for (int64_t j = 0; j < i; j++) {
            if (list->label[i] == list->label[j])
                continue;
            const bool ahead = list->label[i] > list->label[j];
            const int64_t w = ahead ? i : j, l = ahead ? j : i;
            const double weight = pair_weight(gain, discount, w, l);
            const struct phi f = phi(align__minus(s[w], s[l]), list->params);
            align__add(&value, align__times(weight, f.value));
            list->d[w] += weight * f.slope;
            list->d[l] -= weight * f.slope;
            list->h[w] += weight * f.curve;
            list->h[l] += weight * f.curve;
        }
    return align__total(value);
}

#define LABELS .label_least = -ALIGN__ANY, .label_most = ALIGN__ANY
#define READS                                                                                      \
    .needs = ALIGN_LOSS_READS_LABEL, .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_WRITES_HSCORE

static void pair_logistic(struct align__list *list)
{
    align__list_scale(list);
    align__list_finish(list, sum_pairs(list, logistic, NULL, NULL), align__normaliser(list, 0));
}

const struct align__loss_row align__loss_pair_logistic = {
    .name = "pair_logistic",
    .brief = "logistic loss over all pairs of unequal label",
    .source = "Liu et al. 2024 (LiPO), arXiv 2402.01878, Eq. 5; RankNet, Burges et al. 2005",
    .formula = "sum over y_i > y_j of (1 - eps) softplus(-d) + eps softplus(d), d = s_i - s_j, "
               "s = beta (score - ref)",
    .gradient = "per pair (i ahead): ds_i += eps s(d) - (1 - eps) s(-d), ds_j -= the same",
    .arity = ALIGN_LOSS_LIST,
    READS,
    LABELS,
    .params = {{ALIGN__PARAM_BETA, 0.05, ALIGN__ABOVE_0, ALIGN__ANY},
               {ALIGN__PARAM_LABEL_SMOOTHING, 0, 0, 0.5},
               {ALIGN__PARAM_NORMALISE, ALIGN_NORMALISE_SUM, ALIGN_NORMALISE_SUM,
                ALIGN_NORMALISE_PAIRS}},
    .list = pair_logistic,
    .as_pair = ALIGN_LOSS_DPO,
};

static void pair_hinge(struct align__list *list)
{
    align__list_scale(list);
    align__list_finish(list, sum_pairs(list, hinge, NULL, NULL), align__normaliser(list, 0));
}

const struct align__loss_row align__loss_pair_hinge = {
    .name = "pair_hinge",
    .brief = "hinge loss over all pairs of unequal label",
    .source = "Liu et al. 2024 (LiPO), arXiv 2402.01878, Eq. 6",
    .formula = "sum over y_i > y_j of (1 - eps) max(0, m - d) + eps max(0, m + d), d = s_i - s_j, "
               "s = beta (score - ref)",
    .gradient = "per pair (i ahead): ds_i += eps [-d < m] - (1 - eps) [d < m], ds_j -= the same",
    .arity = ALIGN_LOSS_LIST,
    .needs = ALIGN_LOSS_READS_LABEL,
    .reads = ALIGN_LOSS_READS_REF,
    LABELS,
    .params = {{ALIGN__PARAM_BETA, 0.05, ALIGN__ABOVE_0, ALIGN__ANY},
               {ALIGN__PARAM_LABEL_SMOOTHING, 0, 0, 0.5},
               {ALIGN__PARAM_MARGIN, 1, 0, ALIGN__ANY},
               {ALIGN__PARAM_NORMALISE, ALIGN_NORMALISE_SUM, ALIGN_NORMALISE_SUM,
                ALIGN_NORMALISE_PAIRS}},
    .list = pair_hinge,
    .as_pair = ALIGN_LOSS_HINGE,
};

static double gain_of(double label, int32_t kind)
{
    return kind == ALIGN_GAIN_LINEAR ? label : exp2(label) - 1;
}

static double discount_at(double rank, int32_t kind)
{
    switch (kind) {
    case ALIGN_DISCOUNT_LOG2:
        return 0x1.62e42fefa39efp-1 / log1p(rank);
    case ALIGN_DISCOUNT_RECIPROCAL:
        return 1 / rank;
    default:
        return 1 / log1p(rank);
    }
}

/* Gain of each item, and the discount of the place that its score has. */
static void rank_items(struct align__list *list, double *gain, double *discount)
{
    align__sort_down(list->n, list->ratio, list->order, list->spare);
    for (int64_t r = 0; r < list->n; r++)
        discount[list->order[r]] = discount_at((double)(r + 1), list->params->discount);
    for (int64_t i = 0; i < list->n; i++)
        gain[i] = gain_of(list->label[i], list->params->gain);
}

static double max_dcg(struct align__list *list, const double *gain)
{
    struct align__total sum = {0};
    align__sort_down(list->n, list->label, list->order, list->spare);
    for (int64_t r = 0; r < list->n; r++)
        align__add(&sum,
                   gain[list->order[r]] * discount_at((double)(r + 1), list->params->discount));
    return align__total(sum);
}

static void lipo_lambda(struct align__list *list)
{
    double *gain = list->work[0], *discount = list->work[1];
    align__list_scale(list);
    rank_items(list, gain, discount);
    const double value = sum_pairs(list, logistic, gain, discount);
    const bool by_dcg = list->params->normalise == ALIGN_NORMALISE_MAX_DCG;
    align__list_finish(list, value, align__normaliser(list, by_dcg ? max_dcg(list, gain) : 0));
}

static const struct align__preset lambda_presets[] = {
    {"rax",
     {{ALIGN__PARAM_DISCOUNT, ALIGN_DISCOUNT_LOG2}, {ALIGN__PARAM_NORMALISE, ALIGN_NORMALISE_RAX}}},
    {NULL, {{0}}},
};

const struct align__loss_row align__loss_lipo_lambda = {
    .name = "lipo_lambda",
    .brief = "LiPO-lambda: logistic pairs weighted by what exchanging them would change in DCG; "
             "ranks are those of the current scores, equal scores in the order given, and frozen",
    .source = "Liu et al. 2024 (LiPO), arXiv 2402.01878, Eq. 8; preset rax: its Algorithm 1 as run",
    .formula = "1/N sum over y_i > y_j of |G_i - G_j| |D_i - D_j| phi(s_i - s_j), G = 2^y - 1, "
               "D = 1 / ln(1 + rank), phi(d) = (1 - eps) softplus(-d) + eps softplus(d)",
    .gradient = "per pair (i ahead): ds_i += w (eps s(d) - (1 - eps) s(-d)), ds_j -= the same",
    .arity = ALIGN_LOSS_LIST,
    READS,
    .label_least = -1000,
    .label_most = 1000,
    .params = {{ALIGN__PARAM_BETA, 0.05, ALIGN__ABOVE_0, ALIGN__ANY},
               {ALIGN__PARAM_LABEL_SMOOTHING, 0, 0, 0.5},
               {ALIGN__PARAM_GAIN, ALIGN_GAIN_EXP2, ALIGN_GAIN_EXP2, ALIGN_GAIN_LINEAR},
               {ALIGN__PARAM_DISCOUNT, ALIGN_DISCOUNT_LN, ALIGN_DISCOUNT_LN,
                ALIGN_DISCOUNT_RECIPROCAL},
               {ALIGN__PARAM_NORMALISE, ALIGN_NORMALISE_SUM, ALIGN_NORMALISE_SUM,
                ALIGN_NORMALISE_MAX_DCG}},
    .presets = lambda_presets,
    .list = lipo_lambda,
    .unless = {[ALIGN__PROP_PAIR] = "weighted by gain and discount"},
};
