/* What the rows over lists share. */
#ifndef ALIGN__LOSS_LIST_H
#define ALIGN__LOSS_LIST_H

#include "math.h"
#include "row.h"

/* ratio becomes s = beta ratio. */
static inline double *align__list_scale(struct align__list *list)
{
    for (int64_t i = 0; i < list->n; i++)
        list->ratio[i] *= list->params->beta;
    return list->ratio;
}

/* From derivatives by s and a value to those of a list: times beta, divided by the normaliser. */
void align__list_finish(struct align__list *list, double value, double normaliser);

/* order[0..n): items by key from high to low, equal keys in the order they came. Uses spare. */
void align__sort_down(const struct align__list *list, const double *key, int64_t *order);

/* Number of pairs of unequal label. Uses order and spare. */
double align__label_pairs(struct align__list *list);

/* What params.normalise divides by: 0 where that is nothing. max_dcg is used where it is asked for. */
double align__normaliser(struct align__list *list, double max_dcg);

/* phi(d) of n <= ALIGN__BLOCK pairs whose better item is d ahead: value, slope, curve. */
struct align__list_phi {
    double value[ALIGN__BLOCK], slope[ALIGN__BLOCK], curve[ALIGN__BLOCK];
};
typedef void (*align__list_phi_fn)(struct align__list_phi *out, const struct align__list *list,
                                   const double *d, int n);
void align__list_logistic(struct align__list_phi *out, const struct align__list *list,
                          const double *d, int n);
void align__list_hinge(struct align__list_phi *out, const struct align__list *list, const double *d,
                       int n);

/* Sum over pairs of unequal label of weight phi(s_better - s_worse), s in ratio; derivatives to d and h.
 * A NULL weight is 1. */
typedef double (*align__pair_weight_fn)(const void *context, int64_t i, int64_t j);
double align__sum_pairs(struct align__list *list, align__list_phi_fn phi,
                        align__pair_weight_fn weight, const void *context);

/* The same with logistic pairs, and weights |gain_i - gain_j| |discount_i - discount_j|, or 1 for NULL. */
double align__sum_logistic(struct align__list *list, const double *gain, const double *discount);

/* Gain from a label, discount at a place, and the DCG of the best order of `gain` by label, of the first
 * top_n places where the row has that parameter. */
double align__gain(double label, int32_t kind);
double align__discount(double place, int32_t kind);
double align__max_dcg(struct align__list *list, const double *gain);

/* list->place: those given, or 1, 2, ... by s from high to low with ties as the parameters say. Leaves
 * the items by place in order when none were given. Uses rank, spare and the last two work arrays. */
void align__list_places(struct align__list *list);

/* Gain and discount of each item at its place; the discount is 0 where top_n cuts it off. */
void align__list_worths(const struct align__list *list, double *gain, double *discount);

/* align__sum_pairs with the weights |gain_i - gain_j| |discount_i - discount_j|. */
double align__sum_swaps(struct align__list *list, align__list_phi_fn phi, const double *gain,
                        const double *discount);

/* p = softmax(s), q = 1 - p, back = lse(s) - s, all with relative accuracy; equal infinities share. */
void align__softmax(const double *s, int64_t n, double *p, double *q, double *back);

#endif
