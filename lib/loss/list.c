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

void align__sort_down(int64_t n, const double *key, int64_t *order, int64_t *spare)
{
    enum { RUN = 8 };
    for (int64_t low = 0; low < n; low += RUN)
        for (int64_t i = low; i < n && i < low + RUN; i++) {
            int64_t k = i;
            for (; k > low && key[order[k - 1]] < key[i]; k--)
                order[k] = order[k - 1];
            order[k] = i;
        }
    int64_t *from = order, *to = spare;
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
    align__sort_down(list->n, list->label, list->order, list->spare);
    for (int64_t i = 1, same = 0; i < list->n; i++) {
        same = list->label[list->order[i]] == list->label[list->order[i - 1]] ? same + 1 : 0;
        pairs -= (double)same;
    }
    return pairs;
}

double align__normaliser(struct align__list *list, double max_dcg)
{
    switch (list->params->normalise) {
    case ALIGN_NORMALISE_ITEMS:
        return (double)list->n;
    case ALIGN_NORMALISE_PAIRS:
        return align__label_pairs(list);
    case ALIGN_NORMALISE_RAX:
        return align__label_pairs(list) / (double)list->n;
    case ALIGN_NORMALISE_MAX_DCG:
        return max_dcg;
    default:
        return 1;
    }
}
