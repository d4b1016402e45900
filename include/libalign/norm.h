/* libalign/norm.h - reward normalisation: running over a training run, or over one batch.
 *
 * A normaliser turns a reward x into
 *     y = clip(gain * (x - center) / D + bias)
 * where center and D come from a set of rewards: all that a state has seen (running), or those of the
 * call itself (batch). What the set is, how D is made safe and what is answered where D does not exist
 * are parameters, because that is where trainers differ under one name.
 *
 * Exactness. A state holds the sums of w, w x and w x^2 as wide integers (384, 640 and 896 bits), in
 * which every F32, F16 and BF16 is exact. Any order of updates, any split over workers or processes
 * and any tree of merges gives the same state, bit for bit. F64 rewards are exact too, but for a
 * rounding of numbers below 2^-97 (6e-30) to multiples of 2^-149. Mean and variance come from the
 * exact sums, so an offset of 1e8 under a spread of 0.1 costs nothing.
 *
 * Each state may be used by one thread at a time; different states by different threads. The calls
 * need no scratch, so a NULL exec works everywhere.
 */
#ifndef LIBALIGN_NORM_H
#define LIBALIGN_NORM_H

#include <libalign/base.h>

/* ---- parameters ----------------------------------------------------------------------------- */

/* What center and spread are. Values are never renumbered. */
enum {
    ALIGN_NORM_ZSCORE = 1, /* center: mean; spread s: standard deviation */
    ALIGN_NORM_CENTER = 2, /* center: mean; D = 1 */
    ALIGN_NORM_SCALE = 3,  /* center: 0; spread s: standard deviation (about the mean) */
    ALIGN_NORM_MINMAX = 4  /* center: least; spread s: most - least. Weights only say which count */
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
 * spread of 0. gain and bias apply to FORMULA and CENTER alone, clip to all. */
enum {
    ALIGN_NORM_AS_ZERO = 0,    /* 0 */
    ALIGN_NORM_AS_KEEP = 1,    /* x */
    ALIGN_NORM_AS_CENTER = 2,  /* x - center: D is 1 */
    ALIGN_NORM_AS_HALF = 3,    /* 1/2, the middle for MINMAX */
    ALIGN_NORM_AS_NAN = 4,     /* NaN */
    ALIGN_NORM_AS_FORMULA = 5, /* the formula with s = 0; needs eps > 0 */
    ALIGN_NORM_AS_REFUSE = 6   /* RANGE with the count or the value */
};

typedef struct align_norm_params {
    size_t size;
    int32_t kind;     /* ALIGN_NORM_ZSCORE */
    int32_t eps_form; /* ALIGN_NORM_EPS_ADD */
    double eps;       /* finite, 0 or more; 1e-8, and 0 for CENTER and MINMAX. CENTER reads none */
    double ddof;      /* variance is sum w (x - mean)^2 / (sum w - ddof); finite, 0 or more; 1 */
    double clip_low;  /* y is clipped to [clip_low, clip_high], either may be infinite; */
    double clip_high; /* both 0: no clip. Gradients are 0 outside and pass on the border */
    double gain;      /* finite; 1 */
    double bias;      /* finite; 0 */
    int32_t nan;      /* ALIGN_NORM_NAN_KEEP */
    int32_t few;      /* ALIGN_NORM_AS_ZERO; SCALE: ALIGN_NORM_AS_KEEP */
    int32_t equal; /* ALIGN_NORM_AS_ZERO; SCALE: ALIGN_NORM_AS_KEEP; MINMAX: ALIGN_NORM_AS_HALF */
    int32_t reserved; /* 0 */
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

/* One batch. Shapes: any of 1 to 3 dimensions, the same for all tensors of a call. */
typedef struct align_norm_args {
    size_t size;
    const align_norm_params *params; /* batch (no state): its parameters; NULL: those of ZSCORE */
    align_tensor reward;             /* F32, F64, F16 or BF16. |x| below 2^128, or RANGE */
    align_tensor mask;    /* like reward: BOOL or U8 (0: masked), or F32 weights, finite and 0
                                        or more (0: masked). Absent: all 1. A masked reward is not read */
    align_tensor out;     /* apply: y, like reward, and may be reward itself; masked: 0 */
    align_tensor dout;    /* apply: gradient of y */
    align_tensor dreward; /* apply: gradient of the reward, may be dout itself; masked: 0 */
} align_norm_args;

ALIGN_API void align_norm_args_init(align_norm_args *args, size_t size);

/* Adds the rewards of args to the state. Reads reward and mask; the others must be absent. On an error
 * the state is as it was. RANGE: a reward of 2^128 or more, a weight that is negative or not finite, a
 * reward that is not finite where that is refused. */
ALIGN_API ALIGN_MUST_CHECK align_status align_norm_update(const align_exec *exec, align_norm *state,
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

/* The moments of a state. */
ALIGN_API ALIGN_MUST_CHECK align_status align_norm_get(const align_exec *exec,
                                                       const align_norm *state,
                                                       align_norm_moments *moments);

/* ---- bytes ---------------------------------------------------------------------------------- */

/* Length of a saved state: little-endian on every machine, with format number and checksum. */
#define ALIGN_NORM_BYTES 368

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
