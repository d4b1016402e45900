/* libalign/loss.h - preference losses: scores of groups in; value, gradient and metrics out.
 *
 * A loss is a row of one table. A row takes groups of K sequences (or tokens), each with one number, its
 * score: a log-probability, a reward or a value. K is 1 for singles, 2 for pairs (the chosen one first),
 * and free for lists. A row says which further numbers it needs or may read, and which parameters it
 * has. What it does not read is refused, never ignored. docs/losses.md prints the table.
 *
 * What a call computes, for groups g = 0..G-1 of which some are live (see mask):
 *
 *     value     = scale / denom * sum over live g of weight_g L_g
 *     dscore_i  = scale / denom * sum over live g that hold i of weight_g dL_g / dscore_i
 *
 * in f64, in the order of the groups, so that the bits depend on the arguments alone.
 *
 * Infinities and NaN, the same for every row (docs/numerics.md has the table):
 *  - -inf is a value (a sequence of probability 0), never a mask. A difference of two equal infinities
 *    (score - ref, or chosen - rejected) is 0, and the metric non_finite counts the group.
 *  - No result is NaN unless a NaN came in, but for the value where groups at +inf and at -inf meet.
 *    A NaN in score, ref, old, aux or count makes the value and the gradients of that group NaN, and
 *    those of no other group. ALIGN_FLAG_FINITE refuses both NaN and infinities in these with RANGE
 *    and their index.
 *  - label, prob, weight and offset must be finite, always.
 */
#ifndef LIBALIGN_LOSS_H
#define LIBALIGN_LOSS_H

#include <libalign/base.h>

/* ---- the rows ----------------------------------------------------------------------------- */

/* Ids of rows: 1 .. align_loss_count(). Never renumbered; 0 is no row. */
typedef int32_t align_loss_id;

enum {
    ALIGN_LOSS_DPO = 1,            /* pair */
    ALIGN_LOSS_HINGE = 2,          /* pair */
    ALIGN_LOSS_SLIC = 3,           /* pair */
    ALIGN_LOSS_BRADLEY_TERRY = 4,  /* pair */
    ALIGN_LOSS_PAIR_LOGISTIC = 5,  /* list */
    ALIGN_LOSS_PAIR_HINGE = 6,     /* list */
    ALIGN_LOSS_LIST_MLE = 7,       /* list */
    ALIGN_LOSS_SOFTMAX = 8,        /* list */
    ALIGN_LOSS_POINT_MSE = 9,      /* list */
    ALIGN_LOSS_POINT_SIGMOID = 10, /* list */
    ALIGN_LOSS_LIPO_LAMBDA = 11,   /* list */
    ALIGN_LOSS_SFT = 12            /* single */
};

/* align_loss_info.arity */
enum { ALIGN_LOSS_LIST = 0, ALIGN_LOSS_SINGLE = 1, ALIGN_LOSS_PAIR = 2 };

/* ---- options with names ------------------------------------------------------------------- */

/* params.length: a sequence's score as it stands, or divided by its `count` tokens. */
enum { ALIGN_LENGTH_SUM = 0, ALIGN_LENGTH_MEAN = 1 };

/* params.gain, from label y: 2^y - 1, or y itself. */
enum { ALIGN_GAIN_EXP2 = 0, ALIGN_GAIN_LINEAR = 1 };

/* params.discount at rank r = 1, 2, ...: 1 / ln(1 + r), 1 / log2(1 + r), 1 / r. */
enum { ALIGN_DISCOUNT_LN = 0, ALIGN_DISCOUNT_LOG2 = 1, ALIGN_DISCOUNT_RECIPROCAL = 2 };

/* params.normalise, what the loss of one list is divided by: nothing; its items; its pairs of unequal
 * label; its pairs / items (what RAX's lambda weights amount to); the DCG of its best order. */
enum {
    ALIGN_NORMALISE_SUM = 0,
    ALIGN_NORMALISE_ITEMS = 1,
    ALIGN_NORMALISE_PAIRS = 2,
    ALIGN_NORMALISE_RAX = 3,
    ALIGN_NORMALISE_MAX_DCG = 4
};

/* params.targets, from labels y: y / sum(y), or y as they stand. */
enum { ALIGN_TARGETS_SHARE = 0, ALIGN_TARGETS_RAW = 1 };

/* ---- parameters --------------------------------------------------------------------------- */

/* One flat struct for all rows. align_loss_params_init writes the defaults of a row; what a row does not
 * read must stay 0. align_loss_get_param lists what a row reads, with default and range. */
typedef struct align_loss_params {
    size_t size;
    align_loss_id loss;     /* the row that these are for */
    int32_t length;         /* ALIGN_LENGTH_ */
    double beta;            /* scale of scores or log-ratios, > 0 */
    double label_smoothing; /* eps: probability that a label is flipped */
    double margin;          /* how far apart two scores should be, in units of the scaled margin */
    double noise;           /* flip rate that the loss corrects for, below 1/2 */
    double center;          /* weight of (chosen + rejected)^2 */
    double norm_penalty;    /* weight of chosen^2 + rejected^2 */
    int32_t gain;           /* ALIGN_GAIN_ */
    int32_t discount;       /* ALIGN_DISCOUNT_ */
    int32_t normalise;      /* ALIGN_NORMALISE_ */
    int32_t targets;        /* ALIGN_TARGETS_ */
} align_loss_params;

/* Writes the row's parameters of `preset`: NULL or "paper" for those of its paper, or a name that
 * docs/losses.md lists for this row (such as "rax" for lipo_lambda). RANGE: no such row; ARG: no such
 * preset for it. On an error nothing is written. */
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_params_init(align_loss_params *params,
                                                               size_t size, align_loss_id loss,
                                                               const char *preset);

/* ---- introspection ------------------------------------------------------------------------ */

/* What a row needs and what it may read. The last four are outputs that it can write. index, weight and
 * mask are read by every row, offsets by every list. */
enum {
    ALIGN_LOSS_READS_REF = 1,
    ALIGN_LOSS_READS_OLD = 2,
    ALIGN_LOSS_READS_COUNT = 4,
    ALIGN_LOSS_READS_AUX = 8,
    ALIGN_LOSS_READS_LABEL = 16,
    ALIGN_LOSS_READS_PROB = 32,
    ALIGN_LOSS_READS_OFFSET = 64,
    ALIGN_LOSS_READS_OFFSETS = 128,
    ALIGN_LOSS_WRITES_DAUX = 256,
    ALIGN_LOSS_WRITES_DPARAM = 512,
    ALIGN_LOSS_WRITES_HSCORE = 1024
};

/* Filled by the three get functions, with pointers to static storage. `size` is set by the caller to the
 * size of the struct; 0 stands for the fields of the first release. Texts are ASCII. */
typedef struct align_loss_info {
    size_t size;
    align_loss_id id;
    int32_t arity;      /* ALIGN_LOSS_SINGLE, _PAIR or _LIST */
    const char *name;   /* "dpo" */
    const char *brief;  /* one line */
    const char *source; /* paper and equation */
    const char
        *formula; /* u, v: chosen and rejected log-ratios; z: margin; s_i: scores of a list */
    const char *gradient;
    uint32_t needs, reads; /* ALIGN_LOSS_READS_ and _WRITES_; needs is part of reads */
    uint32_t n_params, n_metrics;
} align_loss_info;

typedef struct align_param_info {
    size_t size;
    const char *name, *brief;
    size_t offset;      /* in align_loss_params */
    align_dtype dtype;  /* ALIGN_F64 or ALIGN_I32 */
    uint32_t n_choices; /* number of named values 0, 1, ... of an I32; 0: a plain number */
    double standard;    /* the default (preset NULL) */
    double least, most; /* inclusive; "above 0" is the smallest positive f64 */
    const char *const *choices;
} align_param_info;

typedef struct align_metric_info {
    size_t size;
    const char *name, *brief; /* mean = sum / count, unless brief says otherwise */
} align_metric_info;

/* The largest id. */
ALIGN_API align_loss_id align_loss_count(void);

/* The id of a row by its name, 0 when there is none (or name is NULL). */
ALIGN_API align_loss_id align_loss_find(const char *name);

/* RANGE: no such row, parameter or metric. VERSION: info->size is not one that this library knows. */
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_get_info(align_loss_id loss,
                                                            align_loss_info *info);
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_get_param(align_loss_id loss, uint32_t i,
                                                             align_param_info *info);
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_get_metric(align_loss_id loss, uint32_t i,
                                                              align_metric_info *info);

/* ---- evaluation --------------------------------------------------------------------------- */

/* align_loss_args.flags */
enum {
    ALIGN_LOSS_ADD = 1 /* add into value, dscore, daux, dparam and hscore instead of writing them */
};

/* Groups are said in one of three forms:
 *  - view:    score [G,K] (for singles also [G]), any strides. Interleaved pairs are a contiguous [G,2];
 *             all chosen and then all rejected is stride (1, G).
 *  - index:   score [S] with index [G,K]; a sequence may serve in several groups, and its gradients add
 *             up in the order of the groups, in the dtype of the output.
 *  - offsets: score [S] with offsets [G+1], lists only: list g holds items offsets[g] .. offsets[g+1]-1.
 * "Like score" means score's shape (strides and dtype may differ).
 *
 * An item of a group is absent when its index is negative or its mask is 0; what stands there is not
 * read, and its gradient is 0. A pair or single is live when none of its items is absent, a list when
 * one or more are present; the absent items of a list leave it as if it were shorter. A list from which
 * nothing can be learnt (fewer than two items, no two labels that differ, where the row compares) is
 * live with value 0 and gradient 0. With no live group, value and gradients are 0.
 *
 * Reals are F32, F64, BF16 or F16; all arithmetic is f64. Outputs may not share elements with inputs or
 * with each other, and are untouched when the call fails with anything but PARALLEL. */
typedef struct align_loss_args {
    size_t size;
    align_loss_id loss;
    uint32_t flags;                  /* ALIGN_LOSS_ADD */
    const align_loss_params *params; /* NULL: the row's defaults; params->loss must equal loss */
    align_tensor score;              /* see above; needed */
    align_tensor ref;     /* like score: log-probabilities of the reference policy; absent: 0 */
    align_tensor old;     /* like score: those of the policy that made the samples */
    align_tensor count;   /* like score, F32, F64, I32 or I64: tokens of each sequence, >= 0 */
    align_tensor aux;     /* like score: a second number a sequence, as the row says */
    align_tensor index;   /* [G,K] I32 or I64, below S; negative: absent */
    align_tensor offsets; /* [G+1] I64, from 0 up to S, not decreasing */
    align_tensor label;   /* like score: relevance, target or kind, as the row says */
    align_tensor prob;    /* [G] in 0..1: probability that the first item is preferred; absent: 1 */
    align_tensor
        weight; /* [G] >= 0; absent: 1. Weight 0 removes a group from all sums but counts it */
    align_tensor offset; /* [G]: subtracted from the scaled margin, so after beta; absent: 0 */
    align_tensor
        mask;     /* [G] or like score, BOOL, U8 or F32, 0 or 1. With index, [G] goes first when
                           * S = G; with offsets, [S] */
    double denom; /* 0: number of live groups; 1: plain sum; else the count over all micro-batches
                           * and workers, >= 0 */
    double scale; /* factor on value and gradients; 1 */
    align_tensor value; /* out [1] F64 */
    align_tensor
        group_value;     /* out [G]: L_g before weight, scale and denom; 0 for groups not live */
    align_tensor dscore; /* out, like score */
    align_tensor daux;   /* out, like score: where aux has a gradient */
    align_tensor dparam; /* out [n_params] F64: gradient of learnable parameters, 0 for others */
    align_tensor
        hscore; /* out, like score: second derivative of L by each score, weighted as dscore */
    align_tensor
        metrics; /* out [n_metrics,2] F64: sum and count over live groups; never added to */
} align_loss_args;

ALIGN_API void align_loss_args_init(align_loss_args *args, size_t size);

/* Bytes of scratch for these arguments: 0 for singles, pairs and lists of up to 64 items. Longer lists
 * take O(K) for each list that is worked on at the same time; `best` is for exec->workers of them. */
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_scratch(const align_exec *exec,
                                                           const align_loss_args *args,
                                                           size_t *least, size_t *best);

/* Every output is optional; at least one must be asked for. Codes: ARG, SHAPE, DTYPE, LAYOUT, RANGE,
 * SCRATCH, VERSION, PARALLEL. */
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_eval(const align_exec *exec,
                                                        const align_loss_args *args);

#endif
