/* Inside linear rewards: passes over pairs, the Newton core. */
#ifndef ALIGN__REWARD_H
#define ALIGN__REWARD_H

#include "exec.h"
#include "tensor.h"

#include <libalign/reward.h>

#define REWARD_ARGS "align_reward_args"

/* ---- reward_pairs.c ------------------------------------------------------------------------ */

enum { ALIGN__REWARD_BLOCK = 64 };

/* Differences of features a block of pairs at a time, in f64. */
struct align__reward_pairs {
    const align_reward_args *args;
    int64_t count, width; /* M, D */
    double *block;        /* [BLOCK, D] */
    double *row;          /* [D] */
    double *z;            /* [BLOCK] */
};

/* What a pass at some coefficients finds out. */
struct align__reward_pass {
    double value; /* sum of weighted losses */
    double worst, best,
        soft;             /* over z, turned so that the preferred answer comes first: smallest and
                                 * largest of pairs of prob 0 or 1, largest magnitude of the others */
    double right, judged; /* weights of pairs whose order is right, and of all with an order */
};

size_t align__reward_pairs_bytes(int64_t width);
void align__reward_pairs_take(struct align__reward_pairs *pairs, struct align__arena *arena);

/* Numbers of pairs, and features of those of positive weight: RANGE with the place of the first bad one. */
align_status align__reward_check(const align_exec *exec, struct align__reward_pairs *pairs);

/* Fills slope [D] and curvature [M] unless NULL. */
void align__reward_evaluate(struct align__reward_pairs *pairs, const double *coef, double *slope,
                            double *curvature, struct align__reward_pass *pass);

/* out = sum of curvature (delta . x) delta, and the same as a matrix: the part with column >= row. */
void align__reward_multiply(struct align__reward_pairs *pairs, const double *curvature,
                            const double *x, double *out);
void align__reward_hessian(struct align__reward_pairs *pairs, double *curvature, double *matrix);

/* ---- reward_newton.c ----------------------------------------------------------------------- */

struct align__reward_fit {
    struct align__reward_pairs *pairs;
    int64_t width;
    bool dense;
    double tolerance;
    int64_t max_iterations;
    double *l2;                          /* [D] */
    double *coef, *trial, *slope, *step; /* [D] */
    double *curvature;                   /* [M] */
    double *work[5];                     /* [D] */
    double *matrix, *empty; /* [D, D], dense; rows of empty: directions without curvature */

    struct align__reward_pass pass; /* at coef */
    int64_t iterations, null_dimension;
    double value, penalty, score_norm, decrement, last_step;
    bool converged, separated;
};

size_t align__reward_fit_bytes(const struct align__reward_fit *fit, int64_t count);
void align__reward_fit_take(struct align__reward_fit *fit, struct align__arena *arena,
                            int64_t count);
align_status align__reward_fit_run(const align_exec *exec, struct align__reward_fit *fit);

/* The inverse of the Hessian at the answer, in fit->matrix, symmetric. False when it has none. */
bool align__reward_covariance(struct align__reward_fit *fit);

#endif
