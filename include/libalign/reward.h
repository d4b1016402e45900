/* libalign/reward.h - linear rewards on features, fitted to preferences.
 *
 * A reward is r(x) = coef . phi(x), phi the D features of an answer, and the first answer of a pair
 * is preferred over the second with probability
 *
 *     P = 1 / (1 + exp(-(z - margin))),     z = r(first) - r(second) + offset + position
 *
 * which is Bradley-Terry with strengths that features explain: with one feature for each item it is
 * the same fit as align_bt_fit. Other models of the same z know ties, grades of preference and lists
 * (align_reward_args.model). A fit minimises
 *
 *     sum over pairs of weight (-log P(what was seen))
 *       + 1/2 sum over features of l2 (coef - center)^2
 *
 * by Newton steps in f64, whatever the dtype of the features. There is no intercept: a constant
 * added to all rewards changes no preference. A bias towards the first place is `position`. Features
 * are not standardised; scale them as l2 should see them, but a shift of a feature changes nothing.
 *
 * M pairs or lists, D features, R answers, K the longest list. docs/reward_models.md has formulas,
 * sources and corner cases.
 */
#ifndef LIBALIGN_REWARD_H
#define LIBALIGN_REWARD_H

#include <libalign/base.h>

/* align_reward_args.existence: of the minimum, thresholds and position included
 *  FINITE     one finite minimum
 *  DEFICIENT  finite, but not unique: some combinations of features never differ within a pair. The
 *             answer is the one with the smallest sum of coef^2. The call returns NONE
 *  SEPARATED  some combination of features never prefers the worse answer of a pair, and sometimes
 *             the better one: without l2 it grows for ever. The call returns NO_SOLUTION
 * Separation is certified, not guessed: the direction of growth is tested on every pair, to within
 * rounding (1e-9 of the largest z). */
enum { ALIGN_REWARD_FINITE = 1, ALIGN_REWARD_DEFICIENT = 2, ALIGN_REWARD_SEPARATED = 3 };

/* align_reward_args.model: what is seen of a pair and how likely that is. s is the logistic function.
 *  LOGISTIC    `prob` is the share of opinions for first: -log P = prob softplus(-(z - margin)) +
 *              (1 - prob) softplus(z - margin)
 *  DAVIDSON    `prob` is 1, 0, or 0.5 for a tie; win, loss and tie are as exp(z/2), exp(-z/2), nu
 *              (Davidson 1970); the threshold is log nu
 *  RAO_KUPPER  likewise; P(win) = s(z - eta), P(loss) = s(-z - eta), the rest a tie (Rao and Kupper
 *              1967); the threshold is eta > 0
 *  ORDINAL     `grade` is 0..levels-1, the higher the more first is preferred; P(grade <= k) =
 *              s(threshold_k - z), k = 0..levels-2, thresholds ascending (cumulative logit)
 *  LISTS       `list` orders answers, best first: at each place the next is chosen from those that
 *              are left with probability softmax(r) (Plackett-Luce)
 * In all but LISTS z - margin stands where z does above. Thresholds are fitted too, and have no l2. */
enum {
    ALIGN_REWARD_LOGISTIC = 0,
    ALIGN_REWARD_DAVIDSON = 1,
    ALIGN_REWARD_RAO_KUPPER = 2,
    ALIGN_REWARD_ORDINAL = 3,
    ALIGN_REWARD_LISTS = 4
};

/* align_reward_args.flags
 *  POSITION   z has a bias towards first, `position`, that is fitted too, without l2. Not for LISTS
 *  TWO_SIDED  margin asks something of both sides: prob softplus(-(z - margin)) + (1 - prob)
 *             softplus(z + margin). LOGISTIC only
 *  SYMMETRIC  threshold_k = -threshold_(levels-2-k): exchanging the answers turns the grade round.
 *             ORDINAL only */
enum { ALIGN_REWARD_POSITION = 1, ALIGN_REWARD_TWO_SIDED = 2, ALIGN_REWARD_SYMMETRIC = 4 };

/* One fit. Differences of features are never materialised. They come in one of two ways:
 *  - `first` and `second` hold those of each pair; or
 *  - `features` holds those of R answers, dense or sparse, and `index` says which two make a pair, or
 *    `list` which make a list.
 * Rows of features need stride 1 along D; other strides are free (stride 0 along rows repeats one:
 * a `second` of one row of zeros makes `first` the differences themselves). Results that are numbers
 * are fields of the struct, which the call therefore writes. */
typedef struct align_reward_args {
    size_t size;
    align_tensor first, second; /* [M,D] F32, F64, BF16 or F16; the same dtype is not required */
    align_tensor features;      /* [R,D] F32, F64, BF16 or F16; sparse: [nnz], see columns */
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
    uint32_t flags;         /* ALIGN_REWARD_POSITION and so on */

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
     * whose z has the sign of what was seen (prob from 1/2, grade from the middle), z = 0 counting
     * half, over pairs that have one; for LISTS, over pairs of a counted place and a later one. */
    double log_likelihood, penalty, accuracy;

    int32_t model;  /* ALIGN_REWARD_LOGISTIC and so on */
    int32_t levels; /* ORDINAL: grades, 2..64; else 0 */
    int64_t stages; /* LISTS: how many places count, from the best; 0: all; 1: the best one alone */
    align_tensor grade; /* [M] I32 or I64, 0..levels-1; needed by ORDINAL, for it alone */
    /* [M,K] I32 or I64, answers of each list, best first; below 0: the list has ended, and a list of
     * fewer than two says nothing. Needed by LISTS, for it alone */
    align_tensor list;
    align_tensor offset; /* [M] F32, F64, BF16 or F16, finite, a known part of z; not for LISTS */
    double
        label_smoothing; /* 0 up to below 1/2, LOGISTIC only: prob becomes prob + e (1 - 2 prob) */

    /* Sparse features (CSR): answer i has the values row_offsets[i] .. row_offsets[i+1] - 1 of
     * `features`, each for the feature of the same place in `columns`, 0..D-1, in any order; equal
     * ones add up. D is that of coef. Both or neither. */
    align_tensor columns;     /* [nnz] I32 or I64 */
    align_tensor row_offsets; /* [R+1] I32 or I64, from 0 to nnz */

    align_tensor start;  /* [D] F32 or F64, finite: where steps begin; absent: 0. Changes no answer
                          * beyond the tolerance, unless the data are DEFICIENT */
    align_tensor center; /* [D] F32 or F64, finite: what l2 draws to; absent: 0 */

    /* Out [1] for DAVIDSON and RAO_KUPPER, [levels-1] for ORDINAL, F32 or F64: thresholds, and
     * their standard errors. Absent elsewhere, free here */
    align_tensor threshold, threshold_se;
    double position, position_se; /* out: the bias (0 without POSITION) and its error (NaN unless se
                                   * or covariance is asked for) */
} align_reward_args;

ALIGN_API void align_reward_args_init(align_reward_args *args, size_t size);

/* Bytes of scratch: `least` is what a fit of these args needs, and more is of no use. */
ALIGN_API ALIGN_MUST_CHECK align_status align_reward_scratch(const align_exec *exec,
                                                             const align_reward_args *args,
                                                             size_t *least, size_t *best);

/* Fits: by Cholesky up to 128 parameters and whenever errors are asked for, with empty directions found
 * from eigenvalues at the start; else by conjugate gradients with Hessian-vector products, one pass
 * over the features each, guided up to 2048 dense features by the Hessian of some of the pairs. Passes
 * use exec->parallel, with the same bits for any number of workers; polls exec->cancel once a step.
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
