/* libalign/bt.h - Bradley-Terry: strengths of items from comparisons between them.
 *
 * The model: item i has a strength theta_i in natural log units, and
 *
 *     P(i beats j) = 1 / (1 + exp(-(theta_i - theta_j)))
 *
 * A fit maximises the likelihood of what was seen by Newton steps in f64 and returns a certificate of
 * how far from the maximum it stopped. Whether a maximum exists at all is decided before, from the
 * graph of who beat whom, never guessed from numbers that grow: where none exists the call returns
 * NO_SOLUTION, says which items are why, and still gives what is finite.
 *
 * Items are numbers 0..n_items-1. Their names live with the caller, and errors speak of indices.
 */
#ifndef LIBALIGN_BT_H
#define LIBALIGN_BT_H

#include <libalign/base.h>

/* ---- rows --------------------------------------------------------------------------------- */

/* Comparisons, one a row; M rows. Any strides: two columns of one [M,2] table are two views of it.
 *
 * A row says that `first` met `second`, that first took the share `outcome` of the point, and that the
 * row counts `weight` times: it adds weight * outcome wins to first and weight * (1 - outcome) wins
 * to second. A tie is outcome 0.5: half a win each way. A row of weight 0 is as if it were not there. */
typedef struct align_bt_rows {
    size_t size;
    align_tensor first;   /* [M] I32 or I64, 0..n_items-1 */
    align_tensor second;  /* [M] I32 or I64, 0..n_items-1, other than first */
    align_tensor outcome; /* [M] F32, F64, BF16 or F16 in [0,1]; absent: every first won */
    align_tensor weight;  /* [M] F32, F64, BF16 or F16 in [0, 2^32]; absent: 1 */
} align_bt_rows;

ALIGN_API void align_bt_rows_init(align_bt_rows *rows, size_t size);

/* ---- the fit ------------------------------------------------------------------------------ */

/* align_bt_args.existence: whether the likelihood has a finite maximum.
 *
 * Draw an arrow from each item to each one that it took a point or half a point from. A finite
 * maximum, unique but for a common shift, exists exactly when every item can be reached from every
 * other along arrows (Ford 1957). Otherwise items fall into parts, each as large as it can be with
 * that property, and the parts into components, which no comparison connects. */
enum {
    ALIGN_BT_FINITE = 1,  /* one part */
    ALIGN_BT_ISLANDS = 2, /* several components, each one part: levels between them are unknown */
    ALIGN_BT_SEPARATED =
        3 /* some part never lost to the rest of its component: its lead is infinite */
};

/* One fit: what goes in, how, and where results go. Results that are numbers are fields of the
 * struct itself, which the call therefore writes; inputs among its fields stay as they are.
 *
 * Existence and certificate are written when the call returns NONE, NOT_CONVERGED or NO_SOLUTION;
 * on CANCELLED tensors and fields stay as they were.
 *
 * On NO_SOLUTION, strengths are those within each part, fitted to the comparisons inside it: these
 * differences are finite, and are the limit of the likelihood's maximising sequence. Across parts a
 * difference of strengths means nothing. The certificate is that of these inner fits. */
typedef struct align_bt_args {
    size_t size;
    int64_t n_items;           /* 2..2^31-1 */
    const align_bt_rows *rows; /* the comparisons */

    double tolerance; /* converged when the last step moved no strength by more; 0: 1e-9. Newton
                               squares its error each step, so what is left is far smaller */
    int64_t max_iterations; /* 0: 100 */
    uint32_t flags;         /* none yet: 0 */

    int32_t existence; /* out: ALIGN_BT_FINITE, _ISLANDS or _SEPARATED */

    align_tensor strength; /* out [n_items] F32 or F64, mean 0 in each part; required */
    align_tensor
        component; /* out [n_items] I32 or I64: components, numbered by their smallest item */
    align_tensor
        part; /* out [n_items] I32 or I64: parts, numbered so that points between parts were
                          only ever taken by the lower number from the higher */

    int64_t components; /* out: how many components, and parts */
    int64_t parts;
    int64_t iterations;    /* out: Newton steps taken */
    double score_norm;     /* out: largest |d log-likelihood / d theta_i| at the answer */
    double decrement;      /* out: half the square of the Newton decrement: about how far the
                              log-likelihood is from its maximum */
    double last_step;      /* out: largest change of a strength in the last step */
    double log_likelihood; /* out: sum of weight * log P, without binomial constants */
    double deviance;       /* out: twice what a free probability for every pair would add to it */
} align_bt_args;

ALIGN_API void align_bt_args_init(align_bt_args *args, size_t size);

/* Bytes of scratch for a fit of these args: `least` is what it needs, and more is of no use, so `best`
 * is the same. Depends on shapes and on which tensors are present, not on what the tensors hold. */
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_scratch(const align_exec *exec,
                                                         const align_bt_args *args, size_t *least,
                                                         size_t *best);

/* Fits. Serial; polls exec->cancel once a step. Up to 100 items take well under a millisecond a
 * million comparisons are counted in a few.
 *
 *   NONE            a finite maximum, found to the tolerance
 *   NOT_CONVERGED   max_iterations reached, or rounding stopped the progress first: the best point
 *                   is written, and the certificate says how far off it is
 *   NO_SOLUTION     no finite maximum: the error names an item, `part` and `component` the rest
 *   CANCELLED       by the hook
 *   ARG, SHAPE, DTYPE, LAYOUT, RANGE, SCRATCH, VERSION   nothing was written */
ALIGN_API ALIGN_MUST_CHECK align_status align_bt_fit(const align_exec *exec, align_bt_args *args);

#endif
