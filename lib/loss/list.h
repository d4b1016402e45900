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

/* order[0..n): indices by key from high to low, equal keys in the order they came. */
void align__sort_down(int64_t n, const double *key, int64_t *order, int64_t *spare);

/* Number of pairs of unequal label. Uses order and spare. */
double align__label_pairs(struct align__list *list);

/* What params.normalise divides by: 0 where that is nothing. max_dcg is used where it is asked for. */
double align__normaliser(struct align__list *list, double max_dcg);

#endif
