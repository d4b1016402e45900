/* Reward normalisation, slowly: two passes in long double over plain arrays. */
#ifndef TESTS_REF_NORM_H
#define TESTS_REF_NORM_H

#include <libalign/norm.h>

/* y of n rewards under weights (NULL: 1), with the statistics of the rewards themselves; NaN rewards
 * and weights of 0 are left out. */
void ref_norm_batch(const align_norm_params *p, const double *x, const double *w, int n, double *y);

/* Weighted mean and variance. */
void ref_norm_moments(const double *x, const double *w, int n, double ddof, double *mean,
                      double *variance);

#endif
