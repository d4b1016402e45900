/* Scores under an f-divergence: S(u) = f'(e^u) up to a constant, of a log-ratio u.
 *
 * Forward KL and both alpha families are one: S(u) = -e^(-c u) / c, with c = 1, 1 - alpha and alpha. */
#ifndef ALIGN__LOSS_DIVERGENCE_H
#define ALIGN__LOSS_DIVERGENCE_H

#include "row.h"

struct align__phi;

/* S(u) - S(v), formed so that two large scores cannot become inf - inf. */
double align__divergence_minus(const align_loss_params *params, double u, double v);

/* S'(u) and S''(u); the value is not set. */
struct align__phi align__divergence(const align_loss_params *params, double u);

#endif
