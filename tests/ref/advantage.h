/* Advantages of one sequence, slowly: counted tokens are written out, then each sum is taken as it is
 * defined, in long double. */
#ifndef TESTS_REF_ADVANTAGE_H
#define TESTS_REF_ADVANTAGE_H

#include <libalign/advantage.h>

#include <stdbool.h>

enum { REF_MOST_TOKENS = 2048 };

/* value may be NULL for RETURN; `after` is the value behind the last token. Masked tokens get 0. */
void ref_advantage(const align_advantage_args *parameters, const double *reward,
                   const double *value, const bool *mask, int tokens, double after,
                   double *advantage, double *target);

#endif
