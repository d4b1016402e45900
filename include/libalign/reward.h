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
 * Beside the fit: rewards of any answers with their errors, calibration, slopes of annotators and how
 * they are pooled, and ensembles of reward models.
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

/* One fit. Differences of features are never materialised. They come in one of two ways, dense or sparse:
 *  - `first` and `second` hold those of each pair; or
 *  - `features` holds those of R answers, and `index` says which two make a pair, or `list` which make a
 *    list.
 * Rows of features need stride 1 along D; other strides are free (stride 0 along rows repeats one:
 * a `second` of one row of zeros makes `first` the differences themselves). Results that are numbers
 * are fields of the struct, which the call therefore writes. */
typedef struct align_reward_args {
    size_t size;
    /* [M,D] F32, F64, BF16 or F16; the same dtype is not required; sparse: [nnz] each, see columns */
    align_tensor first, second;
    align_tensor features; /* [R,D] F32, F64, BF16 or F16; sparse: [nnz], see columns */
    align_tensor index;    /* [M,2] I32 or I64, 0..R-1: first and second of each pair */
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
     * ones add up. D is that of coef. Both or neither. With first and second they are those of first, of M
     * rows, and second has its own, below. */
    align_tensor columns;     /* [nnz] I32 or I64 */
    align_tensor row_offsets; /* [R+1] I32 or I64, from 0 to nnz */

    align_tensor start; /* [D] F32 or F64, finite: where steps begin; absent: 0. May be coef itself.
                          * Changes no answer beyond the tolerance, unless the data are DEFICIENT */
    align_tensor center; /* [D] F32 or F64, finite: what l2 draws to; absent: 0 */

    /* Out [1] for DAVIDSON and RAO_KUPPER, [levels-1] for ORDINAL, F32 or F64: thresholds, and
     * their standard errors. Absent elsewhere, free here */
    align_tensor threshold, threshold_se;
    double position, position_se; /* out: the bias (0 without POSITION) and its error (NaN unless se
                                   * or covariance is asked for) */

    /* Sparse second, as above: nnz and M of its own; with sparse first alone */
    align_tensor second_columns;     /* [nnz] I32 or I64 */
    align_tensor second_row_offsets; /* [M+1] I32 or I64 */
} align_reward_args;

ALIGN_API void align_reward_args_init(align_reward_args *args, size_t size);

/* Bytes of scratch: `least` is what a fit of these args needs, and more is of no use. */
ALIGN_API ALIGN_MUST_CHECK align_status align_reward_scratch(const align_exec *exec,
                                                             const align_reward_args *args,
                                                             size_t *least, size_t *best);

/* Fits: by Cholesky up to 128 parameters and whenever errors are asked for, with empty directions found
 * from eigenvalues at the start; else by conjugate gradients with Hessian-vector products, one pass
 * over the features each, guided up to 2048 dense features by the Hessian of some of the pairs, on which the first
 * steps of long fits without `start` are made too. Passes
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

/* ---- regularisation paths ------------------------------------------------------------------ */

/* Fits the same pairs or lists under each number of `l2`, in their order, each from the answer before (from
 * the largest down is the shortest way), and asks others that were held out how likely they are under each;
 * then fits under the best, with all that `fit` asks for. */
typedef struct align_reward_path_args {
    size_t size;
    /* As align_reward_fit takes and writes it: afterwards the fit under the best of l2, which is written to
     * its l2. On entry that must be 0; l2_each is added to every one. */
    align_reward_args *fit;
    /* What was held out: of the same model, flags, levels, stages, label_smoothing and D. `coef`, and all
     * that asks for results or says how to fit, must be absent or 0. */
    const align_reward_args *held;
    align_tensor l2;   /* [L] F32 or F64, finite, 0 or more; L at least 1 */
    align_tensor coef; /* out [L,D] F32 or F64; NaN where there is no finite answer */
    /* Out [L] F32 or F64: minus the log-likelihood of held, by the sum of its weights; NaN likewise */
    align_tensor loss;
    int64_t best; /* out: the first of l2 with the least loss; -1: none has a finite answer */
} align_reward_path_args;

ALIGN_API void align_reward_path_args_init(align_reward_path_args *args, size_t size);
ALIGN_API ALIGN_MUST_CHECK align_status align_reward_path_scratch(
    const align_exec *exec, const align_reward_path_args *args, size_t *least, size_t *best);

/* NONE and NOT_CONVERGED as the last fit. NO_SOLUTION or NOT_CONVERGED with best -1: no l2 has an answer,
 * and to `fit` nothing was written. Any other status: nothing was written at all. Uses exec->parallel as
 * fits do; the same bits for any number of workers. */
ALIGN_API ALIGN_MUST_CHECK align_status align_reward_path_fit(const align_exec *exec,
                                                              align_reward_path_args *args);

/* ---- predictions --------------------------------------------------------------------------- */

/* Rewards of R answers, and with the covariance of the coefficients their standard errors. */
typedef struct align_reward_query {
    size_t size;
    align_tensor features;             /* [R,D] F32, F64, BF16 or F16; sparse: [nnz], see columns */
    align_tensor coef;                 /* [D] F32 or F64 */
    align_tensor covariance;           /* [D,D] F32 or F64; needed by se */
    align_tensor reward;               /* out [R] F32 or F64; required */
    align_tensor se;                   /* out [R] F32 or F64: sqrt(phi . covariance phi) */
    align_tensor columns, row_offsets; /* sparse features, as in align_reward_args */
} align_reward_query;

ALIGN_API void align_reward_query_init(align_reward_query *query, size_t size);

/* Needs no scratch; answers are shared out by exec->parallel. NaN in a row of features is NaN out
 * for that row. */
ALIGN_API ALIGN_MUST_CHECK align_status align_reward_predict(const align_exec *exec,
                                                             const align_reward_query *query);

/* ---- calibration --------------------------------------------------------------------------- */

/* How well probabilities p = s(first - second) foretell preferences: sums that are added to, so that
 * batches, files and workers merge by addition. The caller zeroes them at the start. */
typedef struct align_reward_calibration_args {
    size_t size;
    align_tensor first;  /* [M] F32, F64, BF16 or F16, not NaN: rewards; or z itself */
    align_tensor second; /* [M] likewise; absent: 0 */
    align_tensor prob;   /* [M] F32, F64, BF16 or F16 in [0,1]: share for first; absent: 1 */
    align_tensor weight; /* [M] F32, F64, BF16 or F16, finite, 0 or more; absent: 1 */
    /* In and out [B,3] F64: of pairs with p in [b/B, (b+1)/B), 1 in the last: sums of weight,
     * weight p, weight prob. A reliability diagram draws the third by the second over the first. */
    align_tensor bins;
    /* In and out [5] F64: sums of weight; weight (p - prob)^2 (Brier 1950); weight times the log-loss
     * prob softplus(-z) + (1 - prob) softplus(z); weight of pairs of prob other than 1/2; of those,
     * weight where z has the sign of prob - 1/2, z = 0 counting half */
    align_tensor totals;
} align_reward_calibration_args;

ALIGN_API void align_reward_calibration_args_init(align_reward_calibration_args *args, size_t size);

/* Adds M pairs to bins and totals, of which at least one is asked for. Needs no scratch. With an
 * error nothing was added. */
ALIGN_API ALIGN_MUST_CHECK align_status
align_reward_calibration_update(const align_exec *exec, const align_reward_calibration_args *args);

/* ---- annotators ---------------------------------------------------------------------------- */

/* align_reward_pool_args.method: how tau^2, the variance between annotators, is found; v are the
 * variances of the estimates, A how many there are.
 *  FIXED               tau^2 = 0
 *  DERSIMONIAN_LAIRD   moments of Q (DerSimonian and Laird 1986)
 *  PAULE_MANDEL        the tau^2 at which Q is A - 1 (Paule and Mandel 1982)
 *  REML, ML            (restricted) maximum likelihood, by Fisher scoring */
enum {
    ALIGN_REWARD_POOL_FIXED = 0,
    ALIGN_REWARD_POOL_DERSIMONIAN_LAIRD = 1,
    ALIGN_REWARD_POOL_PAULE_MANDEL = 2,
    ALIGN_REWARD_POOL_REML = 3,
    ALIGN_REWARD_POOL_ML = 4
};

/* Estimates of the same F slopes by A annotators, each slope normal around a common one with variance
 * tau^2: the common one, tau^2, and each annotator's slope drawn towards the common one as far as its
 * own variance says (a random slope). Columns are pooled each by itself. */
typedef struct align_reward_pool_args {
    size_t size;
    align_tensor estimate; /* [A,F] F32 or F64; NaN: this annotator has none */
    align_tensor variance; /* [A,F] F32 or F64, above 0 where there is an estimate */
    int32_t method;        /* ALIGN_REWARD_POOL_... */
    align_tensor mean,
        se;             /* out [F] F32 or F64: weighted by 1 / (v + tau^2); NaN without estimates */
    align_tensor tau2;  /* out [F] F32 or F64 */
    align_tensor q;     /* out [F] F32 or F64: sum of (estimate - mean)^2 / v at tau^2 = 0 */
    align_tensor slope; /* out [A,F] F32 or F64: mean + tau^2 / (tau^2 + v) (estimate - mean) */
} align_reward_pool_args;

ALIGN_API void align_reward_pool_args_init(align_reward_pool_args *args, size_t size);

/* Needs no scratch. RANGE names the first variance that is not above 0. */
ALIGN_API ALIGN_MUST_CHECK align_status align_reward_pool_fit(const align_exec *exec,
                                                              const align_reward_pool_args *args);

/* What each annotator adds to the common coefficients on S chosen features: for annotator a the
 * minimum over delta of
 *
 *     sum over its pairs of the loss of align_reward_args at coef + delta, coef fixed
 *       + 1/2 sum over s of precision_s delta_s^2
 *
 * With precision 0 these are separate estimates, and coef + delta and variance what align_reward_pool
 * takes; with precision 1 / tau^2 they are random slopes by their posterior mode (WIMHF, section on
 * personalisation). */
typedef struct align_reward_slopes_args {
    size_t size;
    /* Pairs as for a fit by LOGISTIC, with `coef` as input and `position` too under its flag. What
     * asks for results or says how to fit (se, covariance, l2, l2_each, center, start) must be
     * absent or 0, tolerance and max_iterations may be set. */
    const align_reward_args *pairs;
    align_tensor annotator; /* [M] I32 or I64, 0..A-1; below 0: the pair has none and is left out */
    align_tensor select;    /* [S] I32 or I64, 0..D-1: features, each once */
    align_tensor precision; /* [S] F32 or F64, finite, 0 or more; absent: 0 */
    align_tensor slope;     /* out [A,S] F32 or F64: delta; NaN where none is finite and unique */
    align_tensor variance; /* out [A,S] F32 or F64: diagonal of the inverse Hessian; NaN likewise */
    /* Out [A] I32 or I64: ALIGN_REWARD_FINITE and so on; 0 without pairs, -1 not converged. */
    align_tensor existence;
} align_reward_slopes_args;

ALIGN_API void align_reward_slopes_args_init(align_reward_slopes_args *args, size_t size);

/* Grows with M S: all pairs may be those of one annotator. */
ALIGN_API ALIGN_MUST_CHECK align_status align_reward_slopes_scratch(
    const align_exec *exec, const align_reward_slopes_args *args, size_t *least, size_t *best);

/* One small fit an annotator, on the calling thread; NONE even when some have no finite slope, which
 * `existence` says. Polls exec->cancel once an annotator. */
ALIGN_API ALIGN_MUST_CHECK align_status
align_reward_slopes_fit(const align_exec *exec, const align_reward_slopes_args *args);

/* ---- preference strength -------------------------------------------------------------------- */

/* align_reward_strength_args.labels: what `prob` says of each pair.
 *  SIGMOID   s(mean), a soft label
 *  VOTES     the share of reward models with a difference above 0, 0 counting half
 *  FLIPPED   0 for flipped pairs, 1 for others
 *  SMOOTHED  1 - smoothing where mean is below 0, else 1 */
enum {
    ALIGN_REWARD_LABELS_SIGMOID = 0,
    ALIGN_REWARD_LABELS_VOTES = 1,
    ALIGN_REWARD_LABELS_FLIPPED = 2,
    ALIGN_REWARD_LABELS_SMOOTHED = 3
};

/* How sure an ensemble of E reward models is of each pair (Secrets of RLHF II, arXiv 2401.06080):
 * mean and deviation of the differences first - second, and what they make of the labels. `prob` and
 * `margin` may go straight into align_reward_args; a flipped pair keeps its place, prob 0 and its
 * margin below 0 turn it round. */
typedef struct align_reward_strength_args {
    size_t size;
    align_tensor
        first; /* [E,M] F32, F64, BF16 or F16, finite: rewards of the chosen, or differences */
    align_tensor second; /* [E,M] likewise: rewards of the rejected; absent: 0 */
    int32_t ddof;        /* 0 (as the paper) or 1: deviation divides by E - ddof */
    int32_t labels;      /* ALIGN_REWARD_LABELS_... */
    double flip_share; /* 0..1: of pairs, those of lowest mean, whose label is taken for wrong; 0.2
                          * in the paper. floor(flip_share M) of them, the earlier first of equals */
    double smoothing;  /* SMOOTHED: 0..1/2; else 0 */
    align_tensor mean, deviation; /* out [M] F32 or F64 */
    align_tensor flip;            /* out [M] BOOL, U8 or F32: 1 for flipped pairs */
    align_tensor prob;            /* out [M] F32 or F64 */
    align_tensor margin;          /* out [M] F32 or F64: mean, the margin that adapts to the pair */
} align_reward_strength_args;

ALIGN_API void align_reward_strength_args_init(align_reward_strength_args *args, size_t size);
ALIGN_API ALIGN_MUST_CHECK align_status align_reward_strength_scratch(
    const align_exec *exec, const align_reward_strength_args *args, size_t *least, size_t *best);
ALIGN_API ALIGN_MUST_CHECK align_status
align_reward_strength_eval(const align_exec *exec, const align_reward_strength_args *args);

/* ---- ensembles ----------------------------------------------------------------------------- */

/* align_reward_ensemble_args.kind: one reward from those of E models.
 *  MEAN       their mean
 *  WORST      the smallest; its gradient is shared evenly by all that are equal to it
 *  VARIANCE   mean - lambda variance, the variance divided by E - ddof (Coste et al. 2023)
 *  SOFT_MIN   -beta log mean exp(-r / beta): the mean for large beta, the smallest for small */
enum {
    ALIGN_REWARD_ENSEMBLE_MEAN = 0,
    ALIGN_REWARD_ENSEMBLE_WORST = 1,
    ALIGN_REWARD_ENSEMBLE_VARIANCE = 2,
    ALIGN_REWARD_ENSEMBLE_SOFT_MIN = 3
};

typedef struct align_reward_ensemble_args {
    size_t size;
    int32_t kind;         /* ALIGN_REWARD_ENSEMBLE_... */
    int32_t ddof;         /* VARIANCE: 0 or 1, below E; else 0. One lambda means two things by it */
    double lambda;        /* VARIANCE: finite, 0 or more; else 0 */
    double beta;          /* SOFT_MIN: finite, above 0; else 0 */
    align_tensor reward;  /* [E,N] F32, F64, BF16 or F16; NaN in is NaN out for that answer */
    align_tensor value;   /* out [N] F32 or F64 */
    align_tensor dvalue;  /* [N] F32 or F64: what the host differentiates; needed by dreward */
    align_tensor dreward; /* out [E,N] F32 or F64: dvalue times d value / d reward */
} align_reward_ensemble_args;

ALIGN_API void align_reward_ensemble_args_init(align_reward_ensemble_args *args, size_t size);

/* At least one of value and dreward. Needs no scratch. */
ALIGN_API ALIGN_MUST_CHECK align_status
align_reward_ensemble_eval(const align_exec *exec, const align_reward_ensemble_args *args);

#endif
