/* Scores under an f-divergence: S(u) = f'(e^u) up to a constant, of a log-ratio u.
 *
 * Forward KL and both alpha families are one: S(u) = -e^(-c u) / c, with c = 1, 1 - alpha and alpha. */
#ifndef ALIGN__LOSS_DIVERGENCE_H
#define ALIGN__LOSS_DIVERGENCE_H

#include "row.h"

struct align__phi;

/* S(u) - S(v), formed so that two large scores cannot become inf - inf. */
double align__divergence_minus(const align_loss_params *params, double u, double v);

/* a (S(u) - S(0)) - b (S(v) - S(0)), the same for any a, b >= 0. */
double align__divergence_apart(const align_loss_params *params, double a, double u, double b,
                               double v);

/* The first two of n pairs; and S(u) - S(0) of n log-ratios. */
void align__divergence_gaps(const align_loss_params *params, const double *u, const double *v,
                            double *gap, int n);
void align__divergence_gaps_by(const align_loss_params *params, const double *x, const double *u,
                               const double *y, const double *v, double *gap, int n);
void align__divergence_worths(const align_loss_params *params, const double *u, double *worth,
                              int n);

/* S(u) - S(0), S'(u) and S''(u). */
struct align__phi align__divergence(const align_loss_params *params, double u);

/* S(u) - S(0) for lists, which subtract such numbers: beyond ALIGN__FAR it grows by less than S, but does not end
 * at an infinity for finite u, so that a difference has its sign. */
#define ALIGN__FAR 0x1p1000
double align__divergence_bounded(const align_loss_params *params, double u);

#endif
