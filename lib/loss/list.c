#include "list.h"

#include <string.h>

void align__list_finish(struct align__list *list, double value, double normaliser)
{
    const double share = normaliser > 0 ? 1 / normaliser : 0;
    const double slope = list->params->beta * share, curve = list->params->beta * slope;
    list->value = align__times(share, value);
    for (int64_t i = 0; i < list->n; i++) {
        list->d[i] = align__times(slope, list->d[i]);
        list->h[i] = align__times(curve, list->h[i]);
    }
}

/* Merges the sorted runs [low, middle) and [middle, high) of `from`. */
static void merge(const double *key, const int64_t *from, int64_t *to, int64_t low, int64_t middle,
                  int64_t high)
{
    int64_t a = low, b = middle;
    for (int64_t k = low; k < high; k++)
        to[k] = a < middle && (b >= high || !(key[from[b]] > key[from[a]])) ? from[a++] : from[b++];
}

void align__sort_down(const struct align__list *list, const double *key, int64_t *order)
{
    enum { RUN = 64 };
    const int64_t n = list->n;
    for (int64_t low = 0; low < n; low += RUN)
        list->f64->order(order + low, low, key + low, n - low < RUN ? n - low : RUN);
    int64_t *from = order, *to = list->spare;
    for (int64_t run = RUN; run < n; run *= 2) {
        for (int64_t low = 0; low < n; low += 2 * run) {
            int64_t middle = low + run < n ? low + run : n;
            int64_t high = middle + run < n ? middle + run : n;
            merge(key, from, to, low, middle, high);
        }
        int64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != order)
        memcpy(order, from, (size_t)n * sizeof *order);
}

double align__label_pairs(struct align__list *list)
{
    const double n = (double)list->n;
    double pairs = n * (n - 1) / 2;
    align__sort_down(list, list->label, list->order);
    for (int64_t i = 1, same = 0; i < list->n; i++) {
        same = list->label[list->order[i]] == list->label[list->order[i - 1]] ? same + 1 : 0;
        pairs -= (double)same;
    }
    return pairs;
}

double align__normaliser(struct align__list *list, double max_dcg)
{
    const double unit = list->params->unit == ALIGN_UNIT_BIT ? 0x1.62e42fefa39efp-1 : 1;
    switch (list->params->normalise) {
    case ALIGN_NORMALISE_ITEMS:
        return unit * (double)list->n;
    case ALIGN_NORMALISE_PAIRS:
        return unit * align__label_pairs(list);
    case ALIGN_NORMALISE_RAX:
        return unit * align__label_pairs(list) / (double)list->n;
    case ALIGN_NORMALISE_MAX_DCG:
        return unit * max_dcg;
    default:
        return unit;
    }
}

void align__list_logistic(struct align__list_phi *out, const struct align__list *list,
                          const double *d, int n)
{
    const double eps = list->params->label_smoothing;
    double sure[ALIGN__BLOCK], unused[2][ALIGN__BLOCK];
    for (int i = 0; i < n; i++)
        sure[i] = 1;
    const struct align__mixture mixture = {.z = d,
                                           .prob = sure,
                                           .beta = 1,
                                           .right = 1 - eps,
                                           .wrong = eps,
                                           .value = out->value,
                                           .d = {out->slope, unused[0]},
                                           .h = {out->curve, unused[1]}};
    list->f64->mixture(&mixture, n);
}

void align__list_hinge(struct align__list_phi *out, const struct align__list *list, const double *d,
                       int n)
{
    const double eps = list->params->label_smoothing, margin = list->params->margin;
    for (int i = 0; i < n; i++) {
        const double right = d[i] < margin, wrong = -d[i] < margin;
        out->value[i] = align__times((1 - eps) * right, margin - d[i]) +
                        align__times(eps * wrong, margin + d[i]);
        out->slope[i] = eps * wrong - (1 - eps) * right;
        out->curve[i] = 0;
    }
}

/* Pairs that wait for their phi, which is computed for many at once. */
struct waiting {
    int n;
    int64_t better[ALIGN__BLOCK], worse[ALIGN__BLOCK];
    double weight[ALIGN__BLOCK], d[ALIGN__BLOCK];
};

static void settle(struct waiting *pairs, struct align__list *list, align__list_phi_fn phi,
                   struct align__total *value)
{
    struct align__list_phi f;
    phi(&f, list, pairs->d, pairs->n);
    for (int k = 0; k < pairs->n; k++) {
        const int64_t better = pairs->better[k], worse = pairs->worse[k];
        const double w = pairs->weight[k], slope = w * f.slope[k], curve = w * f.curve[k];
        f.value[k] *= w;
        list->steepness += fabs(slope);
        list->d[better] += slope;
        list->d[worse] -= slope;
        list->h[better] += curve;
        list->h[worse] += curve;
    }
    align__add_all(value, list->f64, f.value, pairs->n);
    pairs->n = 0;
}

double align__sum_logistic(struct align__list *list, const double *gain, const double *discount)
{
    struct align__swaps swaps = {.s = list->ratio,
                                 .label = list->label,
                                 .gain = gain,
                                 .discount = discount,
                                 .eps = list->params->label_smoothing,
                                 .room = list->room,
                                 .d = list->d,
                                 .h = list->h};
    list->f64->swaps(&swaps, list->n);
    list->steepness = swaps.steepness;
    /* Where the sum is infinite, what it lost is not a number. */
    return fabs(swaps.value.sum) <= ALIGN__ANY ? swaps.value.sum + swaps.value.lost
                                               : swaps.value.sum;
}

double align__sum_pairs(struct align__list *list, align__list_phi_fn phi,
                        align__pair_weight_fn weight, const void *context)
{
    const double *s = list->ratio, *label = list->label;
    struct align__total value = {0};
    struct waiting pairs = {.n = 0};
    list->steepness = 0;
    for (int64_t i = 0; i < list->n; i++)
        for (int64_t j = 0; j < i; j++) {
            if (label[i] == label[j])
                continue;
            const bool ahead = label[i] > label[j];
            const int64_t better = ahead ? i : j, worse = ahead ? j : i;
            const double w = weight == NULL ? 1 : weight(context, better, worse);
            if (w == 0)
                continue;
            pairs.better[pairs.n] = better;
            pairs.worse[pairs.n] = worse;
            pairs.weight[pairs.n] = w;
            pairs.d[pairs.n++] = align__minus(s[better], s[worse]);
            if (pairs.n == ALIGN__BLOCK)
                settle(&pairs, list, phi, &value);
        }
    settle(&pairs, list, phi, &value);
    return align__total(value);
}

void align__softmax(const double *s, int64_t n, double *p, double *q, double *back)
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
