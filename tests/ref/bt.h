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

#endif
