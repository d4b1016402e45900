/* libalign/reward.h - linear rewards on features, fitted to preferences.
 *
 * A reward is r(x) = coef . phi(x), phi the D features of an answer, and the first answer of a pair
 * is preferred over the second with probability
 *
 *     P = 1 / (1 + exp(-(z - margin))),     z = r(first) - r(second)
 *
 * which is Bradley-Terry with strengths that features explain: with one feature for each item it is
 * the same fit as align_bt_fit. A fit minimises
 *
 *     sum over pairs of weight (prob softplus(-(z - margin)) + (1 - prob) softplus(z - margin))
 *       + 1/2 sum over features of l2 coef^2
 *
 * by Newton steps in f64, whatever the dtype of the features. There is no intercept: a constant
 * added to all rewards changes no preference. For a position bias give first and second a feature
 * that is 1 and 0. Features are not standardised; scale them as l2 should see them, but a shift of
 * a feature changes nothing.
 *
 * M pairs, D features, R answers.
 */
#ifndef LIBALIGN_REWARD_H
#define LIBALIGN_REWARD_H

#include <libalign/base.h>

/* align_reward_args.existence
 *  FINITE     one finite minimum
 *  DEFICIENT  finite, but not unique: some combinations of features never differ within a pair. The
 *             answer is the one with the smallest sum of coef^2. The call returns NONE
 *  SEPARATED  some combination of features never prefers the worse answer of a pair, and sometimes
 *             the better one: without l2 it grows for ever. The call returns NO_SOLUTION
 * Separation is certified, not guessed: the direction of growth is tested on every pair, to within
 * rounding (1e-9 of the largest z). */
enum { ALIGN_REWARD_FINITE = 1, ALIGN_REWARD_DEFICIENT = 2, ALIGN_REWARD_SEPARATED = 3 };

/* One fit. Features come in one of two ways, and differences are never materialised:
 *  - `first` and `second` hold those of each pair; or
 *  - `features` holds those of R answers, and `index` says which two make a pair.
 * Rows of features need stride 1 along D; other strides are free. Results that are numbers are
 * fields of the struct, which the call therefore writes. */
typedef struct align_reward_args {
    size_t size;
    align_tensor first, second; /* [M,D] F32, F64, BF16 or F16; the same dtype is not required */
    align_tensor features;      /* [R,D] F32, F64, BF16 or F16 */
    align_tensor index;         /* [M,2] I32 or I64, 0..R-1: first and second of each pair */
    align_tensor prob; /* [M] F32, F64, BF16 or F16 in [0,1]: that first is preferred; absent: 1 */
    align_tensor margin;  /* [M] F32, F64, BF16 or F16, finite; absent: 0 */
    align_tensor weight;  /* [M] F32, F64, BF16 or F16, finite, 0 or more; absent: 1 */
    double l2;            /* 0 or more, for every feature */
    align_tensor l2_each; /* [D] F32 or F64, 0 or more: to be added to it */

    /* Converged when the last step moved no coefficient by more than `tolerance` times the largest
     * one, or times 1 when all are smaller; 0: 1e-9. */
    double tolerance;
    int64_t max_iterations; /* 0: 100 */
    uint32_t flags;         /* none yet: 0 */

    int32_t existence;       /* out: ALIGN_REWARD_FINITE, _DEFICIENT or _SEPARATED */
    align_tensor coef;       /* out [D] F32 or F64; required */
    align_tensor se;         /* out [D] F32 or F64: from the inverse of the Hessian, l2 included */
    align_tensor covariance; /* out [D,D] F32 or F64: that inverse, without its empty directions */

    /* Out: the number of empty directions (-1 when it was not looked for: more than 128 features,
     * without se and covariance); Newton steps; the largest slope of the objective in a coefficient
     * at the answer; half the squared Newton decrement, about how far the objective is from its
     * minimum; the largest change of a coefficient in the last step. */
    int64_t null_dimension, iterations;
    double score_norm, decrement, last_step;

    /* Out: minus the sum over pairs, and the l2 term, of the objective; the weighted share of pairs
     * whose preferred answer (prob above 1/2) has the larger z, z = 0 counting half, over pairs of
     * prob other than 1/2. */
    double log_likelihood, penalty, accuracy;
} align_reward_args;

ALIGN_API void align_reward_args_init(align_reward_args *args, size_t size);

/* Bytes of scratch: `least` is what a fit of these args needs, and more is of no use. */
ALIGN_API ALIGN_MUST_CHECK align_status align_reward_scratch(const align_exec *exec,
                                                             const align_reward_args *args,
                                                             size_t *least, size_t *best);

/* Fits: by Cholesky up to 128 features and whenever errors are asked for, with empty directions found
 * from eigenvalues at the start; else by conjugate gradients with Hessian-vector products, one pass over
 * the features each. On the calling thread; polls exec->cancel once a step.
 *
 *   NONE            a finite minimum, found to the tolerance
 *   NOT_CONVERGED   max_iterations reached, or rounding stopped the progress first: best point written
 *   NO_SOLUTION     separated: coef is the last point on the way, and says the direction
 *   CANCELLED       by the hook; nothing was written
 *   ARG, SHAPE, DTYPE, LAYOUT, RANGE, SCRATCH, VERSION   nothing was written. A feature that is NaN or
 *                   infinite is RANGE with its place, on any pair of positive weight */
ALIGN_API ALIGN_MUST_CHECK align_status align_reward_fit(const align_exec *exec,
                                                         align_reward_args *args);

/* Rewards of R answers, and with the covariance of the coefficients their standard errors. */
typedef struct align_reward_query {
    size_t size;
    align_tensor features;   /* [R,D] F32, F64, BF16 or F16 */
    align_tensor coef;       /* [D] F32 or F64 */
    align_tensor covariance; /* [D,D] F32 or F64; needed by se */
    align_tensor reward;     /* out [R] F32 or F64; required */
    align_tensor se;         /* out [R] F32 or F64: sqrt(phi . covariance phi) */
} align_reward_query;

ALIGN_API void align_reward_query_init(align_reward_query *query, size_t size);

/* Needs no scratch. NaN in a row of features is NaN out for that row. */
ALIGN_API ALIGN_MUST_CHECK align_status align_reward_predict(const align_exec *exec,
                                                             const align_reward_query *query);

#endif
