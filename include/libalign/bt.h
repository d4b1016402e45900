/* libalign/bt.h - Bradley-Terry: strengths of items from comparisons between them.
 *
 * The model: item i has a strength theta_i in natural log units, and
 *
 *     P(i beats j) = 1 / (1 + exp(-d)),     d = theta_i - theta_j
 *
 * with variants that know ties and the advantage of the first place. A fit maximises the likelihood
 * of what was seen, or its product with a prior, by Newton steps in f64 and returns a certificate
 * of how far from the maximum it stopped. Whether a maximum exists at all is decided before, from
 * the graph of who beat whom, never guessed from numbers that grow: where none exists the call
 * returns NO_SOLUTION, says which items are why, and still gives what is finite.
 *
 * Items are numbers 0..n_items-1. Their names live with the caller, and errors speak of indices.
 */
#ifndef LIBALIGN_BT_H
#define LIBALIGN_BT_H

#include <libalign/base.h>

/* ---- rows --------------------------------------------------------------------------------- */

/* Comparisons, one a row; M rows. Any strides: two columns of one [M,2] table are two views of it.
 *
 * A row says that `first` met `second`, that first took the share `outcome` of the point, and that
 * the row counts `weight` times. Outcome 1 is a win of first, 0 a win of second, exactly 0.5 a tie;
 * any other share y counts as y of a win of first and 1 - y of a win of second (a soft label). A
 * row of weight 0 is as if it were not there, except that its other columns must still be valid. */
typedef struct align_bt_rows {
    size_t size;
    align_tensor first;   /* [M] I32 or I64, 0..n_items-1 */
    align_tensor second;  /* [M] I32 or I64, 0..n_items-1, other than first */
    align_tensor outcome; /* [M] F32, F64, BF16 or F16 in [0,1]; absent: every first won */
    align_tensor weight;  /* [M] F32, F64, BF16 or F16 in [0, 2^32]; absent: 1 */
} align_bt_rows;

ALIGN_API void align_bt_rows_init(align_bt_rows *rows, size_t size);

/* ---- counts ------------------------------------------------------------------------------- */

/* Rows summed by (first, second) and outcome: all that a fit needs of them, in memory that does not
 * grow with their number. Weights and their squares are summed exactly, in fixed point with 96 bits
 * before and 96 after the point (bits below 2^-96 are rounded away row by row), so that shards,
 * files and workers add up to the same bits in any order and any split.
 *
 * The struct is frozen and points into the caller's memory. Both may be copied together,
 * to memory that is aligned alike modulo 64, with `memory` then set to the copy. Used by one thread
 * at a time. The fields are there to be read. */
typedef struct align_bt_counts {
    size_t size;
    void *memory;
    size_t bytes;
    int64_t n_items;
    int64_t pairs; /* places taken: ordered pairs seen, or n_items^2 when each has its own place */
    int64_t room;  /* how many pairs the memory holds */
    int64_t rows;  /* rows of positive weight that went in */
    int64_t taken; /* how many rows of the last update went in, of any weight */
} align_bt_counts;

/* Bytes of memory for `pairs` different ordered pairs among n_items items. */
ALIGN_API size_t align_bt_counts_get_bytes(int64_t n_items, int64_t pairs);

/* Empty counts in this memory, of any alignment. n_items may be a bound: where the number of items
 * is not known yet, 2^20 or more costs nothing, and the fit says how many there are. Never fails:
 * memory that is NULL or too small is counts with no room, and a wrong n_items is found by the
 * first update. */
ALIGN_API void align_bt_counts_init(align_bt_counts *counts, void *memory, size_t bytes,
                                    int64_t n_items);

/* Adds rows. The rows are checked first: with an error other than SCRATCH nothing has changed.
 * SCRATCH means that the memory is full: the first counts->taken rows are in. Grow, and go on from
 * there. Streaming is calling this with one block of rows after another. */
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_counts_update(const align_exec *exec,
                                                               align_bt_counts *counts,
                                                               const align_bt_rows *rows);

/* Adds what `other` holds, which stays as it is. SCRATCH, and nothing changed, when there is no
 * room. */
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_counts_merge(const align_exec *exec,
                                                              align_bt_counts *counts,
                                                              const align_bt_counts *other);

/* Moves to other memory, which must not overlap the present one; that is free afterwards. SCRATCH,
 * and nothing changed, when what is held does not fit. */
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_counts_grow(const align_exec *exec,
                                                             align_bt_counts *counts, void *memory,
                                                             size_t bytes);

/* Saved counts are bytes that mean the same on every machine: a number of the format, the counts,
 * exact, and a checksum. Their length depends on what they hold, about 20 bytes for a pair with
 * outcomes and weights of 1, at most 204.
 *
 * save writes their length to *saved, also with SCRATCH, which says that n_bytes is less (or bytes
 * NULL). The order of pairs in the bytes depends on the memory of the counts and means nothing.
 *
 * load adds what the bytes hold to counts that align_bt_counts_init has made, for as many items or
 * more: files are merged by loading them one after another, and votes are added by an update
 * afterwards. get_saved writes n_items, pairs and rows of the bytes to *counts and 0 to the rest:
 * what align_bt_counts_get_bytes wants to know.
 *
 * Bytes that are cut short, damaged, of another kind or of a later format are an error (RANGE,
 * VERSION), and counts that are too small are SCRATCH; nothing has changed then. Bytes after the
 * length that they state are not looked at. */
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_counts_save(const align_exec *exec,
                                                             const align_bt_counts *counts,
                                                             void *bytes, size_t n_bytes,
                                                             size_t *saved);
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_counts_load(const align_exec *exec,
                                                             align_bt_counts *counts,
                                                             const void *bytes, size_t n_bytes);
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_counts_get_saved(const align_exec *exec,
                                                                  const void *bytes, size_t n_bytes,
                                                                  align_bt_counts *counts);

/* ---- the model ---------------------------------------------------------------------------- */

/* align_bt_args.ties: what a tie (outcome 0.5) says.
 *  HALF        half a win each way; the model itself knows no ties
 *  DAVIDSON    win, loss and tie are as exp(d/2), exp(-d/2), nu (Davidson 1970); `tie` is nu > 0.
 *              With pi = exp(theta): P(tie) = nu g / (pi_i + pi_j + nu g), g = sqrt(pi_i pi_j)
 *  RAO_KUPPER  P(win) = s(d - eta), P(loss) = s(-d - eta), s the logistic function, the rest a tie
 *              (Rao and Kupper 1967); `tie` is their theta = exp(eta) > 1 */
enum { ALIGN_BT_TIES_HALF = 0, ALIGN_BT_TIES_DAVIDSON = 1, ALIGN_BT_TIES_RAO_KUPPER = 2 };

/* align_bt_args.prior: a density that the likelihood is multiplied with. Each reads its own fields
 * of the args, which must be 0 under another prior.
 *  NONE      maximum likelihood
 *  GAUSSIAN  each theta is Normal(prior_mean, 1 / prior_precision); precision > 0. The penalty is
 *            precision / 2 * sum (theta - mean)^2
 *  GAMMA     each exp(theta) is Gamma(shape prior_shape > 1, rate prior_rate > 0), and the mode is
 *            that of its density in exp(theta) (Caron and Doucet 2012): penalty rate exp(theta) -
 *            (shape - 1) theta
 *  GHOST     each item won and lost prior_games > 0 games against an item of strength 0: a logistic
 *            density to the power prior_games
 *  EDGE      each pair that met at all also split prior_games > 0 wins evenly
 * Under GAUSSIAN, GAMMA and GHOST strengths have a level of their own and are not centred, and a
 * finite maximum exists on any graph; EDGE needs a connected one. No prior covers home or tie. */
enum {
    ALIGN_BT_PRIOR_NONE = 0,
    ALIGN_BT_PRIOR_GAUSSIAN = 1,
    ALIGN_BT_PRIOR_GAMMA = 2,
    ALIGN_BT_PRIOR_GHOST = 3,
    ALIGN_BT_PRIOR_EDGE = 4
};

/* align_bt_args.flags
 *  HOME    d = theta_first - theta_second + home: the first of each row has an advantage, `home`,
 *          that is fitted too
 *  ANCHOR  strengths are shifted, all by the same amount, so that item `anchor` has strength
 *          `offset`; errors and covariances are those of differences from it. With prior NONE or
 *          EDGE only */
enum { ALIGN_BT_HOME = 1, ALIGN_BT_ANCHOR = 2 };

/* align_bt_args.variance: where se and covariance come from.
 *  FISHER    the inverse of the observed information (with the prior's, if there is one)
 *  SANDWICH  the same on both sides of the sum over rows of weight^2 * score score', scores of the
 *            data alone, centred on their mean: right when weights are not frequencies, and when
 *            half ties make the model wrong about ties */
enum { ALIGN_BT_FISHER = 0, ALIGN_BT_SANDWICH = 1 };

/* align_bt_args.solver: AUTO is CHOLESKY up to 1024 items and whenever errors are asked for, else
 * CG. */
enum { ALIGN_BT_SOLVER_AUTO = 0, ALIGN_BT_SOLVER_CHOLESKY = 1, ALIGN_BT_SOLVER_CG = 2 };

/* align_bt_args.existence: whether the likelihood has a finite maximum.
 *
 * Draw an arrow from each item to each one that it took a point or half a point from. Strengths
 * have a finite maximum, unique but for a common shift, exactly when every item can be reached from
 * every other along arrows (Ford 1957). Otherwise items fall into parts, each as large as it can be
 * with that property, and the parts into components, which no comparison connects.
 *
 * Home and tie parameters ask for more: that no way to move strengths, home and tie together lowers
 * no factor of the likelihood. A closed walk along arrows with more points taken at home than away
 * rules out that home grows for ever, one with more taken away that it falls, and one with more
 * wins than ties that the tie parameter grows; with both parameters every mixture of them must be
 * ruled out. This too is decided exactly, by looking for such walks. */
enum {
    ALIGN_BT_FINITE = 1,  /* one part */
    ALIGN_BT_ISLANDS = 2, /* several components, each one part: levels between them are unknown */
    ALIGN_BT_SEPARATED =
        3, /* some part never lost to the rest of its component: an infinite lead */
    /* Finite strengths; no tie was seen, so that the tie parameter is at its end (nu 0 or
     * theta 1) and its error is NaN. The call returns NONE. */
    ALIGN_BT_BOUNDARY = 4,
    /* Home or tie has no finite maximum, or no unique one: strengths, errors and both are NaN. */
    ALIGN_BT_UNBOUNDED = 5
};

/* ---- the fit ------------------------------------------------------------------------------ */

/* One fit: what goes in, how, and where results go. Results that are numbers are fields of the
 * struct itself, which the call therefore writes; inputs among its fields stay as they are. Results
 * are written when the call returns NONE, NOT_CONVERGED or NO_SOLUTION.
 *
 * On NO_SOLUTION with ISLANDS or SEPARATED, strengths are those within each part, fitted to the
 * comparisons inside it: these differences are finite, and are the limit of any sequence of
 * strengths that maximises the likelihood. Across parts a difference means nothing, and a
 * covariance is 0. The certificate is that of these inner fits.
 *
 * Strengths are written as offset + scale * theta, with theta of mean 0 in each part unless a prior
 * or an anchor says otherwise; se is times scale, covariance times scale^2. Elo's scale is
 * 400 / ln 10 = 173.717792761. All other numbers are in natural units. */
typedef struct align_bt_args {
    size_t size;
    /* 2..2^31-1, no more than the counts are for, and more than any item that they hold */
    int64_t n_items;
    const align_bt_rows *rows;     /* the comparisons; or: */
    const align_bt_counts *counts; /* what they add up to */

    int32_t ties;     /* ALIGN_BT_TIES_HALF, _DAVIDSON or _RAO_KUPPER */
    int32_t prior;    /* ALIGN_BT_PRIOR_... and its numbers */
    int32_t variance; /* ALIGN_BT_FISHER or _SANDWICH */
    int32_t solver;   /* ALIGN_BT_SOLVER_AUTO, _CHOLESKY or _CG */
    double prior_mean, prior_precision, prior_shape, prior_rate, prior_games;
    double scale, offset; /* 0: scale 1 */
    int64_t anchor;       /* with ALIGN_BT_ANCHOR; else 0 */

    /* Converged when the last step moved no parameter by more than `tolerance`; 0: 1e-9. Newton
     * squares its error each step, so what is left is far smaller. */
    double tolerance;
    int64_t max_iterations; /* 0: 100 */
    uint32_t flags;         /* ALIGN_BT_HOME | ALIGN_BT_ANCHOR */

    int32_t existence; /* out: ALIGN_BT_FINITE and so on */

    align_tensor strength;   /* out [n_items] F32 or F64; required */
    align_tensor se;         /* out [n_items] F32 or F64: standard errors of the strengths */
    align_tensor covariance; /* out [n_items,n_items] F32 or F64: of the strengths */
    /* out [n_items] I32 or I64: components, numbered by their smallest item; parts, numbered so
     * that points between parts were only ever taken by the lower number from the higher */
    align_tensor component, part;

    /* Out [B,n_items] F32 or F64: strengths of B draws of the Bayesian bootstrap, as offset and
     * scale say. Each draw weighs every row with its own Exp(1) number and fits again from the
     * answer; the same for a seed whatever the workers, and NaN where a draw did not converge.
     * Quantiles over draws are intervals of strengths, of differences and of ranks. Outcomes must
     * be 0, 0.5 or 1; where rows of one pair and outcome have different weights, their sum is drawn
     * with the right mean and variance. */
    align_tensor draws;
    uint64_t seed; /* with draws; else 0 */

    /* Out, the graph and the certificate: how many components and parts; Newton steps taken; the
     * largest slope of the log-likelihood (and log-prior) in a parameter at the answer; half the
     * squared Newton decrement, which is about how far the log-likelihood is from its maximum; the
     * largest change of a parameter in the last step; an estimate of the condition number of the
     * information in the 1-norm, with its empty directions filled (0 by the solver CG). */
    int64_t components, parts;
    int64_t iterations;
    double score_norm, decrement, last_step, condition;

    /* Out: the sum of weight * log P, without multinomial constants or prior; twice what free
     * probabilities for every pair (with HOME, ordered pair) would add to it; minus the log of the
     * prior, without its constant. */
    double log_likelihood, deviance, penalty;

    /* Out: nu or theta, and the standard error of its logarithm (0 under HALF); the advantage of
     * first, and its error (0 without ALIGN_BT_HOME). Errors are NaN unless se or covariance is
     * asked for. */
    double tie, tie_se, home, home_se;
} align_bt_args;

ALIGN_API void align_bt_args_init(align_bt_args *args, size_t size);

/* Bytes of scratch for a fit of these args: `least` is what it needs; with draws, `best` lets each
 * of exec->workers make its own at the same time, else it is the same. Depends on shapes, options
 * and counts->pairs, not on what the tensors hold. */
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_scratch(const align_exec *exec,
                                                         const align_bt_args *args, size_t *least,
                                                         size_t *best);

/* Fits. On the calling thread, but for draws, which use exec->parallel; in one process: what
 * several saw is merged as counts, and exec->allreduce is not used. Polls exec->cancel once a step,
 * and once in 256 draws.
 *
 *   NONE            a finite maximum, found to the tolerance
 *   NOT_CONVERGED   max_iterations reached, or rounding stopped the progress first: the best point
 *                   is written, and the certificate says how far off it is
 *   NO_SOLUTION     no finite maximum: the error names an item, `part` and `component` the rest
 *   CANCELLED       by the hook; nothing was written, except perhaps some draws
 *   PARALLEL        by the hook; likewise
 *   ARG, SHAPE, DTYPE, LAYOUT, RANGE, SCRATCH, VERSION   nothing was written */
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_fit(const align_exec *exec, align_bt_args *args);

/* ---- differences and ranks ---------------------------------------------------------------- */

/* What strengths with errors say about who is above whom. Errors come from a covariance, whose
 * Gaussian draws are made here, or from draws of the bootstrap.
 *
 * Rank intervals are simultaneous: `critical` is the quantile, over draws, of the largest
 * |error of a difference| / se among all pairs (max-t), and an item is surely above another when
 * their difference is more than critical * se. From 1 + those surely above to n - those surely
 * below: with probability `level` all intervals hold at once, under ties of true strengths too
 * (Klein, Wright and Wieczorek 2020; Mogstad, Romano, Shaikh and Wilhelm 2024). They are wider than
 * intervals that each hold alone.
 *
 * Strengths must be those of one finite fit: across islands or parts nothing can be ranked. A
 * difference that does not vary (of two fixed items) counts by its sign. */
typedef struct align_bt_ranks_args {
    size_t size;
    align_tensor strength;   /* [n] F32 or F64, n up to 32767; the larger is the better */
    align_tensor covariance; /* [n,n] F32 or F64, of strengths, in any gauge or anchoring; or: */
    align_tensor draws;      /* [B,n] F32 or F64: align_bt_args.draws. Rows with NaN are left out */
    double level;            /* of the intervals, below 1; 0: 0.95 */
    int64_t samples;         /* with covariance: how many Gaussian draws; 0: 10000 */
    uint64_t seed;           /* with covariance */

    align_tensor rank;                /* out [n] I32 or I64: 1 + how many have a larger strength */
    align_tensor rank_low, rank_high; /* out [n] I32 or I64: the intervals */
    align_tensor first; /* out [n] F32 or F64: the share of draws in which the item is first */
    align_tensor difference_se; /* out [n,n] F32 or F64: standard errors of differences */
    double critical;            /* out */
    int64_t used;               /* out: how many draws were not left out; with none, NaN */
} align_bt_ranks_args;

ALIGN_API void align_bt_ranks_args_init(align_bt_ranks_args *args, size_t size);
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_ranks_scratch(const align_exec *exec,
                                                               const align_bt_ranks_args *args,
                                                               size_t *least, size_t *best);

/* Uses exec->parallel, the same bits for any number of workers. Polls exec->cancel once. */
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_ranks_eval(const align_exec *exec,
                                                            align_bt_ranks_args *args);

#endif
