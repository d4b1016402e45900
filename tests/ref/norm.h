/* Reward normalisation, slowly: two passes in long double over plain arrays. */
#ifndef TESTS_REF_NORM_H
#define TESTS_REF_NORM_H

#include <libalign/norm.h>

/* y of n rewards under weights (NULL: 1), with the statistics of the rewards themselves; NaN rewards
 * and weights of 0 are left out. */
void ref_norm_batch(const align_norm_params *p, const double *x, const double *w, int n, double *y);

/* What align_norm_groups makes of one group of n rewards that all count and are not equal, n of 2 or more
 * (LEAVE_OUT_ZSCORE: others not equal either). `batch`: deviation of the whole call; `share`: rewards of
 * the call for each that is not 0. */
void ref_norm_group(const align_norm_params *p, const double *x, const double *length, int n,
                    double batch, double share, double *y);

/* Weighted mean and variance. */
void ref_norm_moments(const double *x, const double *w, int n, double ddof, double *mean,
                      double *variance);

#endif
