/* libalign/bt.h - Bradley-Terry: strengths of items from comparisons between them.
 *
 * The model: item i has a strength theta_i in natural log units, and
 *
 *     P(i beats j) = 1 / (1 + exp(-d)),     d = theta_i - theta_j
 *
 * with variants that know ties, the advantage of the first place, features of items, covariates of
 * comparisons and annotators, and with rankings and choices by Plackett and Luce. A fit maximises the
 * likelihood of what was seen, or its product with a prior, by Newton steps in f64 and returns a
 * certificate of how far from the maximum it stopped. Whether a maximum exists at all is decided before,
 * from the graph of who beat whom, never guessed from numbers that grow: where none exists the call
 * returns NO_SOLUTION, says which items are why, and still gives what is finite.
 *
 * Rows are fitted as they are, or as counts (rankings: as ballots), which merge, grow and can be saved.
 * Intervals of ranks come from a fit (align_bt_ranks_eval), and Elo's ratings from rows in their order
 * (align_bt_elo_update).
 *
 * Items are numbers 0..n_items-1. Their names live with the caller, and errors speak of indices.
 * docs/ratings.md has formulas, sources and corner cases.
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

    /* For fits of rows alone; counts and Elo refuse them, as nothing of them can be summed up. */
    align_tensor covariate; /* [M,C] F32, F64, BF16 or F16, finite: of first less second */
    align_tensor annotator; /* [M] I32 or I64, 0..n_annotators-1 */
    align_tensor cluster;   /* [M] I32 or I64, 0..n_clusters-1: rows whose errors may depend */
} align_bt_rows;

ALIGN_API void align_bt_rows_init(align_bt_rows *rows, size_t size);

/* Rankings and choices, one a row; M rows over T entries. An entry is an item and its place: smaller
 * is better, equal places are a tie of any order, and an item of negative place is behind all others
 * with no order among its like. So a choice of one from a set is place 0 for it and -1 for the rest,
 * and the top of a list is 0, 1, 2 and then -1. No item is twice in a row. */
typedef struct align_bt_rankings {
    size_t size;
    align_tensor
        offsets;        /* [M+1] I64: row r holds entries offsets[r]..offsets[r+1]-1; from 0 to T */
    align_tensor item;  /* [T] I32 or I64, 0..n_items-1 */
    align_tensor place; /* [T] I32 or I64; absent: entries are listed from best to worst */
    align_tensor weight;  /* [M] F32, F64, BF16 or F16 in [0, 2^32]; absent: 1 */
    align_tensor cluster; /* [M] I32 or I64, 0..n_clusters-1 */
} align_bt_rankings;

ALIGN_API void align_bt_rankings_init(align_bt_rankings *rankings, size_t size);

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

/* ---- ballots ------------------------------------------------------------------------------ */

/* Rankings and choices summed by what they say, as counts sum comparisons: a ranking that was seen before
 * only adds its weight, in exact sums, so that shards, files and workers add up to the same bits in any order
 * and any split. Entries that share a place, or that are behind all places, are the same in any order.
 * Rankings without entries or weight are left out.
 *
 * The struct is frozen and points into the caller's memory. Both may be copied together, to memory that
 * is aligned alike modulo 8, with `memory` then set to the copy. Used by one thread at a time. The
 * fields are there to be read. */
typedef struct align_bt_ballots {
    size_t size;
    void *memory;
    size_t bytes, used;
    int64_t n_items;
    int64_t rankings, entries; /* different rankings held, and entries of all of these */
    int64_t longest;           /* entries of the longest */
    int64_t rows;              /* rankings of positive weight that went in */
    int64_t taken;             /* how many rankings of the last update went in, of any weight */
} align_bt_ballots;

/* Bytes of memory for so many different rankings of n_items items, with `entries` entries in all. An
 * update puts each ranking in order where it would stay if it is new, so that this is room for one
 * more than that. */
ALIGN_API size_t align_bt_ballots_get_bytes(int64_t n_items, int64_t rankings, int64_t entries);

/* These are to rankings what align_bt_counts_... are to rows, with the same promises: empty ballots in
 * this memory, of any alignment, n_items perhaps a bound; rankings added after all are checked, or with
 * SCRATCH the first ballots->taken of them (offsets of the rest begin at 0 again); other ballots added;
 * and a move to other memory. Rankings with `cluster` are refused. */
ALIGN_API void align_bt_ballots_init(align_bt_ballots *ballots, void *memory, size_t bytes,
                                     int64_t n_items);
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_ballots_update(const align_exec *exec,
                                                                align_bt_ballots *ballots,
                                                                const align_bt_rankings *rankings);
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_ballots_merge(const align_exec *exec,
                                                               align_bt_ballots *ballots,
                                                               const align_bt_ballots *other);
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_ballots_grow(const align_exec *exec,
                                                              align_bt_ballots *ballots,
                                                              void *memory, size_t bytes);

/* Saved as counts are, in an order that depends on what is held alone: equal ballots are equal bytes.
 * get_saved writes n_items, rankings, entries and rows. */
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_ballots_save(const align_exec *exec,
                                                              const align_bt_ballots *ballots,
                                                              void *bytes, size_t n_bytes,
                                                              size_t *saved);
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_ballots_load(const align_exec *exec,
                                                              align_bt_ballots *ballots,
                                                              const void *bytes, size_t n_bytes);
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_ballots_get_saved(const align_exec *exec,
                                                                   const void *bytes,
                                                                   size_t n_bytes,
                                                                   align_bt_ballots *ballots);

/* ---- the model ---------------------------------------------------------------------------- */

/* align_bt_args.ties: what a tie (outcome 0.5) says.
 *  HALF        half a win each way; the model itself knows no ties
 *  DAVIDSON    win, loss and tie are as exp(d/2), exp(-d/2), nu (Davidson 1970); `tie` is nu > 0.
 *              With pi = exp(theta): P(tie) = nu g / (pi_i + pi_j + nu g), g = sqrt(pi_i pi_j)
 *  RAO_KUPPER  P(win) = s(d - eta), P(loss) = s(-d - eta), s the logistic function, the rest a tie
 *              (Rao and Kupper 1967); `tie` is their theta = exp(eta) > 1
 *
 * Rankings follow Plackett and Luce: the best is chosen from all, then the next from those left, each
 * choice of i with probability exp(theta_i) / sum exp(theta). With DAVIDSON places may be shared
 * (Davidson-Luce: Firth, Kosmidis and Turner 2019; Turner, van Etten, Firth and Kosmidis 2020): a set
 * T of m items is chosen in proportion to delta_m exp(mean of theta over T) among all sets whose size
 * occurs as a tie somewhere; delta_1 = 1, and delta_2 is Davidson's nu. HALF knows no shared places,
 * and RAO_KUPPER no rankings. */
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
 *  JEFFREYS  the square root of the determinant of the information (Firth 1993), of all parameters,
 *            with its empty directions left out. For ties HALF and rows or counts; converges in
 *            more, cheaper steps
 * EDGE and JEFFREYS know pairs, not rankings. Under GAUSSIAN, GAMMA and GHOST strengths have a level of
 * their own and are not centred, and a finite maximum exists on any graph; EDGE and JEFFREYS need a
 * connected one. None but JEFFREYS covers home or tie. */
enum {
    ALIGN_BT_PRIOR_NONE = 0,
    ALIGN_BT_PRIOR_GAUSSIAN = 1,
    ALIGN_BT_PRIOR_GAMMA = 2,
    ALIGN_BT_PRIOR_GHOST = 3,
    ALIGN_BT_PRIOR_EDGE = 4,
    ALIGN_BT_PRIOR_JEFFREYS = 5
};

/* align_bt_args.flags
 *  HOME    d = theta_first - theta_second + home: the first of each row has an advantage, `home`,
 *          that is fitted too
 *  ANCHOR  strengths are shifted, all by the same amount, so that item `anchor` has strength
 *          `offset`; errors and covariances are those of differences from it. With prior NONE or
 *          EDGE or JEFFREYS only, and not with `fixed`
 *  BIAS         annotator k has an order effect of its own: d has + bias[k], with Normal(0,
 *               1 / bias_precision) as its prior, so that annotators of few rows stay near home
 *  RELIABILITY  annotator k sees d times r[k]: 1 as all others, 0 at random, more if sharper (the
 *               adherence of Raman and Joachims 2014 and Turner et al. 2020, a discrimination in
 *               item response theory). log r[k] has Normal(0, 1 / reliability_precision) as its
 *               prior. The fit finds a maximum near r = 1; the likelihood may have others. Nu and theta are
 *               the same for all, so that at r = 0 ties are as frequent as among equals. An annotator
 *               who is wrong on purpose (Crowd-BT, Chen et al. 2013) goes to r = 0, not below
 * Both need rows with annotators and rest on a precision above 0. */
enum { ALIGN_BT_HOME = 1, ALIGN_BT_ANCHOR = 2, ALIGN_BT_BIAS = 4, ALIGN_BT_RELIABILITY = 8 };

/* align_bt_args.variance: where se and covariance come from.
 *  FISHER    the inverse of the observed information (with the prior's, if there is one)
 *  SANDWICH  the same on both sides of the sum over rows of weight^2 * score score', scores of the
 *            data alone, centred on their mean: right when weights are not frequencies, and when
 *            half ties make the model wrong about ties. A ranking is one row
 *  CLUSTER   the same with the scores of each cluster added up before they are squared, times
 *            K / (K - 1) for K clusters that hold rows (Liang and Zeger 1986): right when rows of one
 *            annotator or prompt depend on each other and K is not small. Needs rows or rankings with
 *            `cluster`, which are read again after the fit, or counts or ballots with those of each cluster */
enum { ALIGN_BT_FISHER = 0, ALIGN_BT_SANDWICH = 1, ALIGN_BT_CLUSTER = 2 };

/* align_bt_args.solver. The first three make Newton steps.
 *  AUTO      CHOLESKY up to 1024 items and wherever CG is refused, else CG
 *  CHOLESKY  of the dense Hessian
 *  CG        conjugate gradients on what is stored for each pair. Not with errors, rankings,
 *            JEFFREYS, or coefficients of precision 0
 *  MM        one item after another, pi_i = points / sum of games / (pi_i + pi_j) (Zermelo 1929, Hunter
 *            2004), for comparison: each step moves all items once, and hundreds may be needed
 *  NEWMAN    likewise, with Newman's (2023) fixed point, which needs fewer
 * Both want ties HALF and strengths alone, without home, annotators, features or `fixed`; MM knows the
 * priors NONE, GAMMA, GHOST and EDGE, NEWMAN all of these but GAMMA. The certificate is that of a Newton
 * fit, at the point where they stopped. */
enum {
    ALIGN_BT_SOLVER_AUTO = 0,
    ALIGN_BT_SOLVER_CHOLESKY = 1,
    ALIGN_BT_SOLVER_CG = 2,
    ALIGN_BT_SOLVER_MM = 3,
    ALIGN_BT_SOLVER_NEWMAN = 4
};

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
 * ruled out. This too is decided exactly, by looking for such walks.
 *
 * For rankings there is an arrow from each item to those it was placed before or beside (Hunter 2004).
 * Items that are `fixed` count as having taken points from each other. With coefficients or shared
 * places a direction without a maximum is looked for along the way of the Newton steps, and is
 * certified when it lowers no factor by more than 1e-7 of the largest change; coefficients without
 * a precision are first checked to be independent of each other and of the strengths. */
enum {
    ALIGN_BT_FINITE = 1,  /* one part */
    ALIGN_BT_ISLANDS = 2, /* several components, each one part: levels between them are unknown */
    ALIGN_BT_SEPARATED =
        3, /* some part never lost to the rest of its component: an infinite lead */
    /* Finite strengths; no tie was seen, so that the tie parameter is at its end (nu 0 or
     * theta 1) and its error is NaN. The call returns NONE. */
    ALIGN_BT_BOUNDARY = 4,
    /* Home, ties or coefficients have no finite maximum, or no unique one: strengths, errors and
     * all of these are NaN. */
    ALIGN_BT_UNBOUNDED = 5,
    /* A coefficient (or home) says nothing that the others and the strengths do not say: the error
     * names it, and all is NaN. */
    ALIGN_BT_RANK_DEFICIENT = 6
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
    const align_bt_counts *counts; /* what they add up to; or `rankings` or `ballots`, below */

    int32_t ties;     /* ALIGN_BT_TIES_HALF, _DAVIDSON or _RAO_KUPPER */
    int32_t prior;    /* ALIGN_BT_PRIOR_... and its numbers */
    int32_t variance; /* ALIGN_BT_FISHER, _SANDWICH or _CLUSTER */
    int32_t solver;   /* ALIGN_BT_SOLVER_... */
    double prior_mean, prior_precision, prior_shape, prior_rate, prior_games;
    double scale, offset; /* 0: scale 1 */
    int64_t anchor;       /* with ALIGN_BT_ANCHOR; else 0 */

    /* Converged when the last step moved no parameter by more than `tolerance`; 0: 1e-9. Newton
     * squares its error each step, so what is left is far smaller. */
    double tolerance;
    int64_t max_iterations; /* 0: 100, or 10000 of MM and NEWMAN */
    uint32_t flags;         /* ALIGN_BT_HOME | _ANCHOR | _BIAS | _RELIABILITY */

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

    /* ---- more that a fit may know ---- */

    const align_bt_rankings *rankings; /* in place of rows and counts */

    /* [n_items] F32 or F64: strengths that are given, as offset and scale say, and NaN for those
     * that are not. They stay as they are, have no error, and give the others their level. */
    align_tensor fixed;

    /* [n_items,P] F32, F64, BF16 or F16, finite: features of items (structured Bradley-Terry). Without
     * a prior on items, strengths are feature . coefficient and nothing else; with one they deviate
     * from it by what the prior holds near its mean (0, say): theta_i = feature_i . coefficient + x_i.
     * Not centred. Neither JEFFREYS nor EDGE is a prior on items. */
    align_tensor item_feature;

    /* Of coefficients: those of item features, then those of covariates of rows, each with the
     * prior Normal(0, 1 / coefficient_precision); 0: none. */
    double coefficient_precision;
    double bias_precision, reliability_precision; /* with BIAS, RELIABILITY; else 0 */
    int64_t n_annotators;                         /* with either; else 0 */
    int64_t n_clusters;                           /* with CLUSTER; else 0 */

    align_tensor coefficient, coefficient_se; /* out [P+C] F32 or F64 */
    align_tensor bias, reliability;           /* out [n_annotators] F32 or F64 */

    /* Out [K] F32 or F64, K at least the largest number of items that share a place: delta_2,
     * delta_3, ... and 0 for those that do not occur (rankings with DAVIDSON); `tie` is delta_2. */
    align_tensor orders;

    /* Out [n_annotators] F32 or F64: standard errors of bias, and of the logarithms of reliability, by
     * `variance`; that of an annotator without rows is 1 / sqrt(precision) */
    align_tensor bias_se, reliability_se;

    /* What rankings add up to: in place of rows, counts and rankings */
    const align_bt_ballots *ballots;

    /* With CLUSTER and counts or ballots: [n_clusters], what the rows of each cluster alone add up to; merged,
     * they are all that is fitted. So clustered errors need no row twice and no second pass. */
    const align_bt_counts *cluster_counts;
    const align_bt_ballots *cluster_ballots;
} align_bt_args;

ALIGN_API void align_bt_args_init(align_bt_args *args, size_t size);

/* Bytes of scratch for a fit of these args: `least` is what it needs; `best` lets each of exec->workers
 * count rows, or make draws, of its own at the same time. Depends on shapes, options and what counts
 * and ballots say of themselves, not on what the tensors hold. */
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_scratch(const align_exec *exec,
                                                         const align_bt_args *args, size_t *least,
                                                         size_t *best);

/* Fits. Rows are counted, edges and rankings evaluated, and draws made in tasks of exec->parallel, with the
 * same bits for any number of workers and any scratch; the rest, linear algebra above all, is on the calling
 * thread, in one process: what several saw is merged as counts or ballots, and exec->allreduce is not used.
 * Polls exec->cancel once a step, and once in 256 draws.
 *
 *   NONE            a finite maximum, found to the tolerance
 *   NOT_CONVERGED   max_iterations reached, or rounding stopped the progress first: the best point
 *                   is written, and the certificate says how far off it is
 *   NO_SOLUTION     no finite maximum: the error names an item, `part` and `component` the rest
 *   CANCELLED       by the hook; nothing was written, except perhaps some draws
 *   PARALLEL        by the hook; likewise
 *   ARG, SHAPE, DTYPE, LAYOUT, RANGE, SCRATCH, VERSION   nothing was written */
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_fit(const align_exec *exec, align_bt_args *args);

/* ---- Elo ---------------------------------------------------------------------------------- */

/* Ratings that follow rows one after another: first gains k * weight * (outcome - expected), and second
 * loses it, with expected = 1 / (1 + exp((second - first) / scale)). Depends on the order of rows, has
 * no errors and no maximum behind it: for comparison, and for streams that must answer at once. */
typedef struct align_bt_elo_args {
    size_t size;
    const align_bt_rows *rows;
    align_tensor
        rating;   /* in and out, [n_items] F32 or F64; where to begin is the caller's (1000, say) */
    double k;     /* 0: 4 */
    double scale; /* of one natural unit; 0: 400 / ln 10 */
} align_bt_elo_args;

ALIGN_API void align_bt_elo_args_init(align_bt_elo_args *args, size_t size);

/* All rows are checked before the first changes a rating. */
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_elo_update(const align_exec *exec,
                                                            const align_bt_elo_args *args);

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
