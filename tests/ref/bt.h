/* Bradley-Terry the slow way: rows one by one, long double, one strength at a time. */
#ifndef TESTS_REF_BT_H
#define TESTS_REF_BT_H

#include <stdint.h>

struct ref_rows {
    int64_t n_items, rows;
    const int64_t *first, *second;
    const double *outcome, *weight; /* NULL: 1 */
};

/* sum of weight * (outcome log P(first wins) + (1 - outcome) log P(second wins)) */
long double ref_bt_log_likelihood(const struct ref_rows *data, const long double *strength);

/* Cyclic one-dimensional Newton steps until nothing moves by 1e-17; mean 0. For small, finite cases. */
void ref_bt_fit(const struct ref_rows *data, long double *strength);

/* The larger models. Parameters are strengths, then `tie` (log nu, or eta) under Davidson (1) and
 * Rao-Kupper (2), then `home`. */
struct ref_model {
    int ties, home;
};

int64_t ref_bt_size(const struct ref_rows *data, const struct ref_model *model);

/* log P of one row, by the definition of the model. */
long double ref_bt_row(const struct ref_rows *data, const struct ref_model *model, int64_t row,
                       const long double *x);

/* Central differences of the log-likelihood of row `row`, or of all with -1: slopes into [size],
 * second derivatives into [size,size] unless NULL. */
void ref_bt_slopes(const struct ref_rows *data, const struct ref_model *model, int64_t row,
                   const long double *x, long double *slope, long double *second);

/* One ranking by the definition of Davidson and Luce: groups of items from best to worst, then items behind
 * all, with every set of every size in `orders` enumerated (bit m: sets of m items). `tie` is log delta by
 * size. Up to 16 items. */
struct ref_ranking {
    int n_groups, n_behind;
    int size[16], item[16]; /* of groups; of all items in order */
};

long double ref_bt_ranking(const struct ref_ranking *ranking, uint32_t orders,
                           const long double *strength, const long double *tie);

#endif
