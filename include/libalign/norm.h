/* libalign/norm.h - reward normalisation: running over a training run, over one batch, or within groups.
 *
 * A normaliser turns a reward x into
 *     y = clip(gain * (x - center) / D + bias)
 * where center and D come from a set of rewards: all that a state has seen (running), those of the call
 * itself (batch), or those of one prompt (groups). What the set is, how D is made safe and what is
 * answered where D does not exist are parameters, because that is where trainers differ under one name;
 * presets repeat what they do. Batches and groups pull gradients back. docs/rewards.md has all kinds and
 * presets in tables.
 *
 * Exactness. A state holds the sums of w, w x and w x^2 as wide integers (384, 640 and 896 bits), in
 * which every F32, F16 and BF16 is exact. Any order of updates, any split over workers or processes
 * and any tree of merges gives the same state, bit for bit. F64 rewards are exact too, but for a
 * rounding of numbers below 2^-97 (6e-30) to multiples of 2^-149. Mean and variance come from the
 * exact sums, so an offset of 1e8 under a spread of 0.1 costs nothing. Batches and
 * groups are summed in f64 about their first reward instead: many times faster, as unharmed by offsets, and
 * with bits that depend on the order of rewards but not on workers.
 *
 * Each state may be used by one thread at a time; different states by different threads. Scratch is needed
 * for ranks of a batch, for groups of more than 256 rewards, and for gradients of groups through `then`; a
 * NULL exec works everywhere else.
 */
#ifndef LIBALIGN_NORM_H
#define LIBALIGN_NORM_H

#include <libalign/base.h>

/* ---- parameters ----------------------------------------------------------------------------- */

/* The kinds. Values are never renumbered. A running state has the first four and RESCALE;
 * align_norm_apply without a state the first thirteen and RESCALE; align_norm_groups, within each group,
 * all but AFFINE, QUANTILE and RESCALE. */
enum {
    ALIGN_NORM_ZSCORE = 1, /* center: mean; spread s: standard deviation */
    ALIGN_NORM_CENTER = 2, /* center: mean; D = 1 */
    ALIGN_NORM_SCALE = 3,  /* center: 0; spread s: standard deviation (about the mean) */
    ALIGN_NORM_MINMAX = 4, /* center: least; spread s: most - least. Weights only say which count */

    /* One reward at a time: y = clip(gain * f(x) + bias), k = steepness, r its reference. */
    ALIGN_NORM_AFFINE = 5,      /* x */
    ALIGN_NORM_REFERENCE = 6,   /* x - r; over several references, their mean, as below */
    ALIGN_NORM_SIGMOID = 7,     /* sigma(k (x - r)): PAR, and with r of one answer its win rate */
    ALIGN_NORM_LOG_SIGMOID = 8, /* log sigma(k (x - r)): LSC, exact in both tails */
    ALIGN_NORM_TANH = 9,        /* tanh(k (x - r)) */

    /* By order among the n rewards that count; ties share the mean of their ranks 1..n. Gradient 0. */
    ALIGN_NORM_RANK = 10,        /* (rank - 1/2) / n */
    ALIGN_NORM_RANK_CENTER = 11, /* (rank - 1) / (n - 1) - 1/2, and 0 for n = 1 */
    ALIGN_NORM_RANK_NORMAL = 12, /* the quantile of N(0, 1) at (rank - 1/2) / n */
    ALIGN_NORM_QUANTILE = 13,    /* (samples below x + half of those equal to it) / samples */

    /* Groups only. mu, s: mean and deviation of the group; others: the group without this reward. */
    ALIGN_NORM_LEAVE_OUT = 14,        /* x - mean of others: RLOO; few: 1 value */
    ALIGN_NORM_LEAVE_OUT_ZSCORE = 15, /* the same over D of others; equal: others have no spread */
    ALIGN_NORM_BATCH_SCALE = 16,      /* (x - mu) / D of all rewards of the call about their mean */
    ALIGN_NORM_MEAN_RATIO = 17,       /* (x - mu) / D of |mu|, with the sign of mu; equal: mu = 0 */
    ALIGN_NORM_LENGTH_CENTER = 18, /* x - sum(length x) / sum(length), or mu without lengths: OPO */
    ALIGN_NORM_NONZERO = 19, /* (x - mu) * rewards of the call / those not 0: GPG; few: 1 value */
    ALIGN_NORM_BEST = 20,    /* the first greatest: (x - next) / D of s; the others 0: pass@k */

    /* A state or a batch: whitening that keeps the mean. */
    ALIGN_NORM_RESCALE = 21 /* (x - mean) / D + mean, D of the standard deviation */
};

/* How D is made from the spread s and eps. With eps 0 all are s. */
enum {
    ALIGN_NORM_EPS_ADD = 1,     /* s + eps */
    ALIGN_NORM_EPS_SQRT = 2,    /* sqrt(s^2 + eps) */
    ALIGN_NORM_EPS_MAX = 3,     /* max(s, eps) */
    ALIGN_NORM_EPS_MAX_SQRT = 4 /* sqrt(max(s^2, eps)) */
};

/* What happens to a reward that is NaN or infinite and not masked. It never enters the sums (it is
 * counted in `skipped`) and has no gradient. ALIGN_FLAG_FINITE turns KEEP and ZERO into REFUSE. */
enum {
    ALIGN_NORM_NAN_KEEP = 0,  /* the formula is applied: NaN stays NaN, infinity meets the clip */
    ALIGN_NORM_NAN_ZERO = 1,  /* y = 0, as trainers do that skip a judge's failed answers */
    ALIGN_NORM_NAN_REFUSE = 2 /* RANGE with the index */
};

/* What y is where the formula has no answer. Two cases: `few`, fewer than two values or a weight of
 * ddof or less, so that there is no variance (for CENTER and MINMAX: no value at all); and `equal`, a
 * spread of 0. gain and bias apply to FORMULA, CENTER and UNIT alone, clip to all. */
enum {
    ALIGN_NORM_AS_ZERO = 0,    /* 0 */
    ALIGN_NORM_AS_KEEP = 1,    /* x */
    ALIGN_NORM_AS_CENTER = 2,  /* x - center: D is 1 */
    ALIGN_NORM_AS_HALF = 3,    /* 1/2, the middle for MINMAX */
    ALIGN_NORM_AS_NAN = 4,     /* NaN */
    ALIGN_NORM_AS_FORMULA = 5, /* the formula with s = 0; needs eps > 0 */
    ALIGN_NORM_AS_REFUSE = 6,  /* RANGE with the count or the value */
    ALIGN_NORM_AS_UNIT = 7     /* the formula with center 0 and s = 1 */
};

/* All kinds read gain, bias, clip and nan. What a kind does not read is 0 by default and must stay so:
 * steepness where it is not named, ddof where there is no deviation, eps and eps_form where there is no
 * D, few and equal where there is no such case. */
typedef struct align_norm_params {
    size_t size;
    int32_t kind;     /* ALIGN_NORM_ZSCORE */
    int32_t eps_form; /* ALIGN_NORM_EPS_ADD */
    double eps;       /* finite, 0 or more; 1e-8, MINMAX and MEAN_RATIO 0, LEAVE_OUT_ZSCORE and BEST
                         1e-6, BATCH_SCALE 1e-4 */
    double ddof;      /* variance is sum w (x - mean)^2 / (sum w - ddof); finite, 0 or more; 1 */
    double clip_low;  /* y is clipped to [clip_low, clip_high], either may be infinite; */
    double clip_high; /* both 0: no clip. Gradients are 0 outside and pass on the border */
    double gain;      /* finite; 1 */
    double bias;      /* finite; 0 */
    int32_t nan;      /* ALIGN_NORM_NAN_KEEP */
    int32_t few;      /* ALIGN_NORM_AS_ZERO; SCALE, RESCALE: AS_KEEP */
    int32_t
        equal; /* ALIGN_NORM_AS_ZERO; SCALE, RESCALE: AS_KEEP; MINMAX: AS_HALF; LEAVE_OUT_ZSCORE: AS_CENTER */
    int32_t reserved; /* 0 */
    double steepness; /* finite; 1. SIGMOID, LOG_SIGMOID and TANH */
    double rate; /* a running state that forgets: 0 (never) .. 1 (at once); 0. Not for MINMAX; needs
                         ddof 0 */
} align_norm_params;

/* Writes the defaults of a kind. ARG for a kind that does not exist. `size` is that of the caller's
 * struct, here as in all init functions. */
ALIGN_API ALIGN_MUST_CHECK align_status align_norm_params_init(align_norm_params *params,
                                                               size_t size, int32_t kind);

/* ---- running state -------------------------------------------------------------------------- */

/* A running normaliser: its parameters and what it has seen. Fixed size, no pointers: copy it with
 * memcpy, keep arrays of it, send it to processes of the same kind of machine (align_norm_save for
 * others). Fields may be read; the library alone writes them. */
typedef struct align_norm {
    size_t size;
    int32_t kind, eps_form;
    double eps, ddof, clip_low, clip_high, gain, bias;
    int32_t nan, few, equal, reserved;
    int64_t count;        /* values that entered the sums: finite, weight above 0 */
    int64_t skipped;      /* NaN and infinite rewards that were left out */
    double least, most;   /* of the values; 0 when there are none */
    uint32_t sum_w[12];   /* sum of w     in units of 2^-149 */
    uint32_t sum_wx[20];  /* sum of w x   in units of 2^-298 */
    uint32_t sum_wxx[28]; /* sum of w x^2 in units of 2^-447: two's complement, lowest limb first */
    double rate;          /* with a rate the sums stay 0, and these count instead: */
    double recent_weight, recent_mean, recent_variance;
} align_norm;

/* What a state has seen, as numbers: within 2 units in the last place of the exact value, the variance
 * within 4 when the weights are whole numbers. */
typedef struct align_norm_moments {
    size_t size;
    int64_t count, skipped;
    double weight;      /* sum of w */
    double mean;        /* 0 without values */
    double variance;    /* with the state's ddof; 0 when weight is ddof or less */
    double deviation;   /* its square root */
    double least, most; /* 0 without values */
} align_norm_moments;

/* An empty state with these parameters (NULL: those of ZSCORE). Checks every parameter and leaves the
 * state as it was on an error: ARG for a kind, form or answer that does not exist and for AS_FORMULA
 * without eps, RANGE for a number outside its range. There is no exec here to say it in words; a batch
 * align_norm_apply with the same parameters does. */
ALIGN_API ALIGN_MUST_CHECK align_status align_norm_init(align_norm *state, size_t size,
                                                        const align_norm_params *params);

/* One batch. Shapes: any of 1 to 3 dimensions, the same for all tensors of a call but `reference`.
 * mask: BOOL or U8, where 0 is masked, or F32 weights, finite and 0 or more, where 0 is masked; absent:
 * all 1. A masked reward is not read, and gets an output and a gradient of 0.
 * reference: for REFERENCE to TANH like reward, or with one more axis of M references whose results are
 * averaged; absent (not for REFERENCE): 0. For QUANTILE [M] ascending samples. Else absent.
 * key: like reward, I32 or I64, 0..n_states-1: which state a reward belongs to (per rater, per reward model,
 * per length). `state` is then the first of an array of n_states, all with the same parameters. A key whose
 * reward is masked is not looked at. AS_REFUSE refuses when any state of the array has no answer. */
typedef struct align_norm_args {
    size_t size;
    const align_norm_params *params; /* batch (no state): its parameters; NULL: those of ZSCORE */
    align_tensor reward;             /* F32, F64, F16 or BF16; |x| below 2^128, or RANGE */
    align_tensor mask;
    align_tensor reference;
    align_tensor key;
    int64_t n_states;     /* with key: how many states, 1 or more; else 0 */
    align_tensor out;     /* apply: y, and may be reward itself */
    align_tensor dout;    /* apply: gradient of y */
    align_tensor dreward; /* apply: gradient of the reward, may be dout itself */
} align_norm_args;

ALIGN_API void align_norm_args_init(align_norm_args *args, size_t size);

/* With a rate, each call that has a value is one step: w <- (1 - rate) w + rate, a = rate / w, and with the
 * batch's mean m and variance v (ddof 0)
 *     variance <- (1 - a) (variance + a (m - mean)^2) + a v,      mean <- mean + a (m - mean).
 * So the first batch counts in full, and no made-up start is forgotten slowly. Such a state has an order: it
 * cannot be merged, and takes no keys.
 *
 * Adds the rewards of args to the state. Reads reward and mask; the others must be absent. On an error
 * the state is as it was. RANGE: a reward of 2^128 or more, a weight that is negative or not finite, a
 * reward that is not finite where that is refused. */
ALIGN_API ALIGN_MUST_CHECK align_status align_norm_update(const align_exec *exec, align_norm *state,
                                                          const align_norm_args *args);

/* A window: the last R rewards, kept by the caller. Since the sums are exact, taking a reward out leaves no trace:
 * the state is the one that has seen these R alone. A checkpoint saves the state and the ring. */
typedef struct align_norm_ring {
    size_t size;
    align_tensor value; /* in and out, [R], R of 1 or more: F64, or the dtype of the rewards */
    int64_t next;       /* in and out: where the next reward goes; 0 */
    int64_t filled;     /* in and out: how many are held, as many as the state has seen; 0 */
} align_norm_ring;

ALIGN_API void align_norm_ring_init(align_norm_ring *ring, size_t size);

/* As align_norm_update, in row-major order, with the oldest rewards taken out. No keys, no rate, and a mask of
 * 0 and 1. */
ALIGN_API ALIGN_MUST_CHECK align_status align_norm_ring_update(const align_exec *exec,
                                                               align_norm *state,
                                                               align_norm_ring *ring,
                                                               const align_norm_args *args);

/* Adds what `other` has seen to `state`; exact, so any tree of merges gives the same bits. ARG when the
 * parameters differ. */
ALIGN_API ALIGN_MUST_CHECK align_status align_norm_merge(const align_exec *exec, align_norm *state,
                                                         const align_norm *other);

/* Normalises args->reward into args->out and pulls args->dout back to args->dreward; at least one of
 * the two. With a state, its statistics are constants, and dreward = dout * gain / D inside the clip.
 * Without (NULL), statistics are those of args->reward itself, under args->mask, with args->params,
 * and dreward goes through them: for ZSCORE, with g = dout, W = sum w, z = (x - mean) / D,
 *     dx_j = gain ( g_j / D - w_j sum(g) / (W D) - w_j (x_j - mean) D'(s) sum(g z) / (s (W - ddof) D) )
 * (sums over what is not masked, clipped or skipped; the last term is 0 at s = 0), for MINMAX through
 * the least and the most, shared equally among ties. Weights weigh the statistics, not y. */
ALIGN_API ALIGN_MUST_CHECK align_status align_norm_apply(const align_exec *exec,
                                                         const align_norm *state,
                                                         const align_norm_args *args);

/* Scratch of align_norm_apply: 0 for all kinds but the ranks, which sort (16 bytes a reward). */
ALIGN_API ALIGN_MUST_CHECK align_status align_norm_scratch(const align_exec *exec,
                                                           const align_norm *state,
                                                           const align_norm_args *args,
                                                           size_t *least, size_t *best);

/* The moments of a state. */
ALIGN_API ALIGN_MUST_CHECK align_status align_norm_get(const align_exec *exec,
                                                       const align_norm *state,
                                                       align_norm_moments *moments);

/* ---- groups ----------------------------------------------------------------------------------- */

/* align_norm_groups_args.flags. With C reward models: add w_c x_c over c first and normalise the sums
 * (0), or normalise each model's rewards within the group and add w_c y_c (EACH, as GDPO does). */
enum { ALIGN_NORM_GROUPS_EACH = 1 };

/* Rewards of G prompts with K answers each (or as many as offsets say), normalised within each group.
 * The sums are f64, taken about the group's first reward, in two passes: an offset costs nothing, and a
 * group of equal rewards is found by comparison, not by a small deviation.
 *
 * With several reward models, a model's reward that is NaN or infinite is left out of the answer's sum
 * under NAN_ZERO, and an answer that all models failed is left out of its group. Under NAN_KEEP one of
 * them spoils its answer, which is left out of the group and gets NaN. */
typedef struct align_norm_groups_args {
    size_t size;
    const align_norm_params *params; /* within a group; NULL: those of ZSCORE */
    const align_norm_params
        *then;            /* over all results of the call as one batch, as align_norm_apply does
                                        (after rounding to the dtype of out): a kind that a running state has,
                                        without AS_REFUSE and NAN_REFUSE. NULL: nothing */
    align_tensor reward;  /* [G,K] or, with offsets, [S]; with C reward models one more axis of C */
    align_tensor offsets; /* [G+1] I64, from 0 to S, never falling: group g has rewards
                               offsets[g]..offsets[g+1]-1 */
    align_tensor
        mask; /* like reward without C: BOOL, U8 or F32, 0 or 1 (U8: not 0). Absent: all count.
                               A masked reward is not read, and gets 0 */
    align_tensor weight; /* [C] F32 or F64, finite: w_c. Absent: 1 */
    align_tensor length; /* like mask: F32, F64, I32 or I64, finite, 0 or more: tokens of an answer;
                               LENGTH_CENTER alone */
    align_tensor
        reference;    /* [G]: reward of a greedy or a reference answer; REFERENCE needs it, SIGMOID
                               to TANH may have it */
    align_tensor out; /* like mask: F32, F64, F16 or BF16; may be reward itself when there is no C
                               and no dreward */
    uint32_t flags;   /* ALIGN_NORM_GROUPS_EACH */
    /* Where rewards are differentiable: the gradient of out, like out, and that of reward, like reward, of
     * any real dtype. They come together. dreward may be dout itself when there is no C. */
    align_tensor dout, dreward;
} align_norm_groups_args;

ALIGN_API void align_norm_groups_args_init(align_norm_groups_args *args, size_t size);

/* Scratch of align_norm_groups: 0 while no group has more than 256 rewards, else 64 bytes for each of the
 * largest group, up to 16 times (so that groups run in parallel); and with `then` and dreward 8 bytes a
 * result. */
ALIGN_API ALIGN_MUST_CHECK align_status align_norm_groups_scratch(
    const align_exec *exec, const align_norm_groups_args *args, size_t *least, size_t *best);

/* Writes args->out, and pulls args->dout back to args->dreward, through all statistics: those of the group,
 * of the others in it, of the whole call and of `then`. With c the center, a_i = dout_i dy_i/dx_i at fixed
 * statistics and z_i = (x_i - c) / D:
 *     dreward_j = a_j - sum(a) dc/dx_j - sum(a z) dD/dx_j
 * (model by model times w_c). It is 0 for ranks, for masked, skipped and clipped rewards, and where the
 * answer is a constant. RANGE: a mask other than 0 or 1, a length below 0, offsets that fall, a reward that is
 * not finite where that is refused, a group without an answer where that is refused. */
ALIGN_API ALIGN_MUST_CHECK align_status align_norm_groups(const align_exec *exec,
                                                          const align_norm_groups_args *args);

/* What a trainer does under the name of an estimator, as parameters for align_norm_groups: writes *group,
 * *then (kind 0: pass NULL for `then`) and *flags. Both structs must have their size set. ARG when the
 * trainer does not have that estimator. Trainers and estimators:
 *     trl        grpo grpo_batch dr_grpo gdpo rloo
 *     verl       grpo grpo_vectorized dr_grpo rloo rloo_vectorized remax opo gpg passk reinforce_baseline
 *     openrlhf   grpo dr_grpo rloo reinforce_baseline
 *     nemo_rl    grpo rloo
 * deepspeed_chat has no groups; its order of steps is a pipeline of advantage.h. Where a trainer divides the
 * rounding noise of a constant group by eps, these answer 0. */
ALIGN_API ALIGN_MUST_CHECK align_status align_norm_preset_get(const char *trainer,
                                                              const char *estimator,
                                                              align_norm_params *group,
                                                              align_norm_params *then,
                                                              uint32_t *flags);

/* ---- PopArt ---------------------------------------------------------------------------------- */

/* Keeps what a value head says while the statistics of its normalised targets move from mean and deviation to
 * the new ones (arXiv 1602.07714, eq. 6): W <- W deviation / new_deviation,
 * b <- (deviation b + mean - new_mean) / new_deviation. */
typedef struct align_popart_args {
    size_t size;
    double mean, deviation;         /* before: finite, deviation above 0; 0 and 1 */
    double new_mean, new_deviation; /* after: likewise */
    align_tensor weight;            /* in and out, [K,D] F32 or F64 */
    align_tensor bias;              /* in and out, [K] F32 or F64 */
} align_popart_args;

ALIGN_API void align_popart_args_init(align_popart_args *args, size_t size);
ALIGN_API ALIGN_MUST_CHECK align_status align_popart_apply(const align_exec *exec,
                                                           const align_popart_args *args);

/* ---- bytes ---------------------------------------------------------------------------------- */

/* Length of a saved state: little-endian on every machine, with format number and checksum. */
#define ALIGN_NORM_BYTES 400

/* SCRATCH when `bytes` has fewer than ALIGN_NORM_BYTES; more are left alone. */
ALIGN_API ALIGN_MUST_CHECK align_status align_norm_save(const align_exec *exec,
                                                        const align_norm *state, void *bytes,
                                                        size_t n_bytes);

/* Makes *state from saved bytes; `size` is sizeof *state. VERSION when the bytes are not a saved state
 * or of a later format, SCRATCH when they are too few, RANGE when the checksum or a field is wrong. The
 * state is untouched on an error. */
ALIGN_API ALIGN_MUST_CHECK align_status align_norm_load(const align_exec *exec, align_norm *state,
                                                        size_t size, const void *bytes,
                                                        size_t n_bytes);

#endif
