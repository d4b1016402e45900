/* Hinges over the pairs of a list in O(K log K) steps.
 *
 * A pair whose hinge is open adds w (m - s_i + s_j), so a sum over open pairs is m sum w + sum of s_k g_k, where g_k,
 * the derivative by s_k, is what the open pairs of k weigh, with a sign. So weights are all that is added up. Items
 * are sorted by label and then merged by place: where two blocks meet, every item of the first has the better label,
 * and what is open to an item of one block is a beginning of the other, so that two sums that only grow are enough.
 * |G_i - G_j| |D_i - D_j| comes apart into 1, G, D and G D of one item each, with the sign of D_i - D_j by which of
 * the two is placed higher. The parts cancel, and so are kept with their rounding errors. */
#include "list.h"

enum { PULL, LOST, GAIN, DISCOUNT };

struct hinge {
    const double *s, *label, *place;
    const double *gain, *discount; /* NULL: every pair weighs 1 */
    double *pull, *lost;           /* g, and what rounding took from it */
    double margin, edge;           /* edge: the one label that both blocks may hold */
    int sign;                      /* of G ahead - G behind */
    struct align__total weight;    /* of all open pairs */
};

/* Sums over some items; the second of two is over those that do not have the edge's label. */
struct mass {
    double n;
    struct align__total gain, discount, both;
};

/* x y without rounding (Dekker), where neither is near the ends of the range. */
static void multiply(double x, double y, double *high, double *low)
{
    const double a = 0x1.000002p27 * x, b = 0x1.000002p27 * y;
    const double xh = a - (a - x), yh = b - (b - y), xl = x - xh, yl = y - yh;
    *high = x * y;
    *low = ((xh * yh - *high) + xh * yl + xl * yh) + xl * yl;
}

static void add_product(struct align__total *sum, double x, double y)
{
    double high, low;
    multiply(x, y, &high, &low);
    align__add(sum, high);
    align__add(sum, low);
}

static void take(struct mass mass[2], const struct hinge *h, int64_t i)
{
    for (int k = 0; k < 2; k++) {
        if (k == 1 && h->label[i] == h->edge)
            continue;
        mass[k].n++;
        if (h->gain == NULL)
            continue;
        align__add(&mass[k].gain, h->gain[i]);
        align__add(&mass[k].discount, h->discount[i]);
        add_product(&mass[k].both, h->gain[i], h->discount[i]);
    }
}

/* Adds factor times the sum over j of (G_i - G_j) (D_i - D_j). */
static void add_weight(struct align__total *sum, const struct hinge *h, int64_t i,
                       const struct mass *m, double factor)
{
    const double g = factor * h->gain[i], d = h->discount[i];
    double high, low;
    multiply(g, d, &high, &low);
    add_product(sum, m->n, high);
    align__add(sum, m->n * low);
    add_product(sum, -g, m->discount.sum);
    align__add(sum, -g * m->discount.lost);
    add_product(sum, -factor * d, m->gain.sum);
    align__add(sum, -factor * d * m->gain.lost);
    align__add(sum, factor * m->both.sum);
    align__add(sum, factor * m->both.lost);
}

/* Gives each of n items what its open pairs with the others weigh. step 1: the items should be ahead, and come from
 * the highest place down; -1: behind, and come from the lowest up. */
static void sweep(struct hinge *h, int step, const int64_t *own, int64_t n, const int64_t *others,
                  int64_t n_others)
{
    struct mass open[2] = {{0}}, passed[2] = {{0}};
    const int64_t from = step > 0 ? 0 : n_others - 1;
    int64_t e = 0, a = 0;
    for (int64_t k = 0; k < n; k++) {
        const int64_t i = own[step > 0 ? k : n - 1 - k];
        const double s = step * h->s[i], place = step * h->place[i];
        for (; e < n_others && s - step * h->s[others[from + step * e]] < h->margin; e++)
            take(open, h, others[from + step * e]);
        for (; a < e && h->gain != NULL && step * h->place[others[from + step * a]] < place; a++)
            take(passed, h, others[from + step * a]);
        const int which = h->label[i] == h->edge;
        struct align__total weight = {open[which].n, 0}, pull = {h->pull[i], h->lost[i]};
        if (h->gain != NULL && open[which].n > 0) {
            weight.sum = 0;
            add_weight(&weight, h, i, &open[which], h->sign);
            add_weight(&weight, h, i, &passed[which], -2 * h->sign);
        }
        align__add(&pull, -step * weight.sum);
        align__add(&pull, -step * weight.lost);
        h->pull[i] = pull.sum;
        h->lost[i] = pull.lost;
        if (step > 0) {
            align__add(&h->weight, weight.sum);
            align__add(&h->weight, weight.lost);
        }
    }
}

/* Two neighbouring blocks of items by place, of which the first has the better labels. */
static void meet(struct hinge *h, const int64_t *first, int64_t n, const int64_t *second, int64_t m)
{
    h->edge = h->label[first[0]];
    for (int64_t k = 1; k < n; k++)
        h->edge = h->label[first[k]] < h->edge ? h->label[first[k]] : h->edge;
    const bool better = h->sign > 0;
    sweep(h, 1, better ? first : second, better ? n : m, better ? second : first, better ? m : n);
    sweep(h, -1, better ? second : first, better ? m : n, better ? first : second, better ? n : m);
}

static void merge(const struct hinge *h, const int64_t *from, int64_t *to, int64_t n, int64_t m)
{
    const int64_t *x = from, *y = from + n;
    for (int64_t k = 0; k < n + m; k++) {
        const bool first = y == from + n + m || (x < from + n && h->place[*x] < h->place[*y]);
        to[k] = first ? *x++ : *y++;
    }
}

/* Sum over pairs of max(0, m - d) for sign 1, of max(0, m + d) for -1, d being how far the better item is ahead.
 * order: the items that count, by label. */
static void add_hinges(struct align__list *list, struct hinge *h, int64_t n, double share,
                       struct align__total *value)
{
    int64_t *from = list->order, *to = list->spare;
    h->weight = (struct align__total){0};
    for (int64_t i = 0; i < list->n; i++)
        h->pull[i] = h->lost[i] = 0;
    for (int64_t run = 1; run < n; run *= 2) {
        for (int64_t low = 0; low < n; low += 2 * run) {
            const int64_t first = low + run < n ? run : n - low;
            const int64_t rest = n - low - first, second = rest < run ? rest : run;
            if (second > 0)
                meet(h, from + low, first, from + low + first, second);
            merge(h, from + low, to + low, first, second);
        }
        int64_t *swap = from;
        from = to;
        to = swap;
    }
    add_product(value, share * h->margin, h->weight.sum);
    align__add(value, share * h->margin * h->weight.lost);
    for (int64_t i = 0; i < list->n; i++) {
        add_product(value, share * h->s[i], h->pull[i]);
        align__add(value, share * h->s[i] * h->lost[i]);
        list->d[i] += share * (h->pull[i] + h->lost[i]);
    }
}

/* Items by label, those beyond top_n left out where pairs need both of their places inside. */
static int64_t sort_items(struct align__list *list)
{
    const align_loss_params *p = list->params;
    const bool all = p->top_n == 0 || p->top != ALIGN_TOP_BOTH;
    int64_t n = 0;
    align__sort_down(list, list->label, list->order);
    for (int64_t k = 0; k < list->n; k++)
        if (all || list->place[list->order[k]] <= p->top_n)
            list->order[n++] = list->order[k];
    return n;
}

/* Where products of all numbers are exact to far more digits than are asked for: not at infinities. */
static bool is_tame(const struct align__list *list, const double *gain)
{
    const double most = 0x1p50;
    bool tame = list->params->margin <= most;
    for (int64_t i = 0; i < list->n; i++)
        tame = tame && fabs(list->ratio[i]) <= most && (gain == NULL || fabs(gain[i]) <= 0x1p40);
    return tame;
}

static double sum_hinges(struct align__list *list, const double *gain, const double *discount)
{
    const double eps = list->params->label_smoothing;
    struct align__total value = {0};
    struct hinge h = {.s = list->ratio,
                      .label = list->label,
                      .place = list->place,
                      .gain = gain,
                      .discount = discount,
                      .pull = list->work[PULL],
                      .lost = list->work[LOST],
                      .margin = list->params->margin};
    for (int part = 0; part < (eps > 0 ? 2 : 1); part++) {
        h.sign = part == 0 ? 1 : -1;
        add_hinges(list, &h, sort_items(list), part == 0 ? 1 - eps : eps, &value);
    }
    return align__total(value);
}

static void pair_hinge(struct align__list *list)
{
    const align_loss_params *p = list->params;
    const bool even = p->pair_weight == ALIGN_PAIR_WEIGHT_EVEN;
    double *gain = list->work[GAIN], *discount = list->work[DISCOUNT], value;
    align__list_scale(list);
    align__list_places(list);
    if (!even)
        align__list_worths(list, gain, discount);
    if (is_tame(list, even ? NULL : gain) && !(list->placed && !even))
        value = sum_hinges(list, even ? NULL : gain, even ? NULL : discount);
    else if (even)
        value = align__sum_pairs(list, align__list_hinge, NULL, NULL);
    else
        value = align__sum_swaps(list, align__list_hinge, gain, discount);
    const bool by_dcg = p->normalise == ALIGN_NORMALISE_MAX_DCG;
    align__list_finish(list, value,
                       align__normaliser(list, by_dcg ? align__max_dcg(list, gain) : 0));
}

static const char *check_weights(const align_loss_params *p)
{
    const bool set = p->gain != 0 || p->discount != 0 || p->top != 0 || p->top_n != 0 ||
                     p->score_ties != 0 || p->seed != 0 || p->normalise == ALIGN_NORMALISE_MAX_DCG;
    return set && p->pair_weight == ALIGN_PAIR_WEIGHT_EVEN
               ? "pair_weight dcg where gain, discount, top, top_n, score_ties, seed or max_dcg is "
                 "set"
               : NULL;
}

static const struct align__preset presets[] = {
    {"rax", {{ALIGN__PARAM_NORMALISE, ALIGN_NORMALISE_PAIRS}}},
    {"lambda", {{ALIGN__PARAM_PAIR_WEIGHT, ALIGN_PAIR_WEIGHT_DCG}}},
    {NULL, {{0}}},
};

const struct align__loss_row align__loss_pair_hinge = {
    .golden = "V1 and V2 of the list reference; TF-Ranking losses_impl_test",
    .name = "pair_hinge",
    .brief =
        "hinge loss over all pairs of unequal label, in O(K log K); preset rax is the mean over "
        "them, lambda weights them as lipo_lambda does. With given ranks, scores beyond 2^50 or "
        "gains beyond 2^40 it takes O(K^2)",
    .source = "Liu et al. 2024 (LiPO), arXiv 2402.01878, Eq. 6; weights: Eq. 8",
    .formula =
        "1/N sum over y_i > y_j of w ((1 - eps) max(0, m - d) + eps max(0, m + d)), d = s_i - s_j, "
        "s = beta (score - ref); w = 1, or |G_i - G_j| |D_i - D_j|",
    .gradient =
        "per pair (i ahead): ds_i += w (eps [-d < m] - (1 - eps) [d < m]), ds_j -= the same",
    .arity = ALIGN_LOSS_LIST,
    .needs = ALIGN_LOSS_READS_LABEL,
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_READS_RANK,
    .label_least = -1000,
    .label_most = 1000,
    .params = {{ALIGN__PARAM_BETA, 0.05, ALIGN__ABOVE_0, ALIGN__ANY},
               {ALIGN__PARAM_LABEL_SMOOTHING, 0, 0, 0.5},
               {ALIGN__PARAM_MARGIN, 1, 0, ALIGN__ANY},
               {ALIGN__PARAM_PAIR_WEIGHT, ALIGN_PAIR_WEIGHT_EVEN, ALIGN_PAIR_WEIGHT_EVEN,
                ALIGN_PAIR_WEIGHT_DCG},
               {ALIGN__PARAM_GAIN, ALIGN_GAIN_EXP2, ALIGN_GAIN_EXP2, ALIGN_GAIN_LINEAR},
               {ALIGN__PARAM_DISCOUNT, ALIGN_DISCOUNT_LN, ALIGN_DISCOUNT_LN,
                ALIGN_DISCOUNT_RECIPROCAL},
               {ALIGN__PARAM_NORMALISE, ALIGN_NORMALISE_SUM, ALIGN_NORMALISE_SUM,
                ALIGN_NORMALISE_MAX_DCG},
               {ALIGN__PARAM_TOP, ALIGN_TOP_CUT, ALIGN_TOP_CUT, ALIGN_TOP_BOTH},
               {ALIGN__PARAM_TOP_N, 0, 0, INT32_MAX},
               {ALIGN__PARAM_SCORE_TIES, ALIGN_SCORE_TIES_STABLE, ALIGN_SCORE_TIES_STABLE,
                ALIGN_SCORE_TIES_SEEDED},
               {ALIGN__PARAM_SEED, 0, 0, INT32_MAX},
               ALIGN__DIVERGENCE},
    .presets = presets,
    .check = check_weights,
    .list = pair_hinge,
    .as_pair = ALIGN_LOSS_HINGE,
};
