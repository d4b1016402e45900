/* The inner loops of the heads, once for every instruction set, chosen at run time.
 *
 * All levels give equal bytes: each is the same source over 16 virtual lanes (v16/), element i in lane
 * i mod 16, lanes folded in one order, with fused multiply-add written out and nothing left to the
 * compiler's choice. n is any number of elements, pointers have any alignment. */
#ifndef ALIGN__KERNELS_H
#define ALIGN__KERNELS_H

#include <libalign/base.h>

/* Elements that the callers hand over at a time: two buffers of this size stay in the L1 cache. */
enum { ALIGN__STRIP = 2048 };

/* Sums over e = exp(z - top). */
struct align__sums {
    double sum;    /* e */
    double dot;    /* e * (top - z) */
    double square; /* e * e */
};

/* Where `terms` measures from: a term is exp(z - shift - power ln 2) * 2^bias, and 0 when below 2^-126.
 * z - shift must not exceed (power + 126 - bias) ln 2, and -2^20..2^20 must hold what is not 0. */
struct align__origin {
    float shift, magic, low;
};

struct align__origin align__origin_make(float shift, int32_t power, int32_t bias);

/* Origin and factor with which `terms` gives a * exp(z - from) * 2^bias for z up to about `from`. */
struct align__origin align__terms_split(double a, double from, int32_t bias, float *factor);

/* Functions of logits that are stored as one dtype, read as they are. */
struct align__logits {
    /* The largest of z[0..n), -inf for none; NaN may or may not be seen. */
    float (*top)(const void *z, int64_t n);
    /* The first i with z[i] == value, or n. */
    int64_t (*find)(const void *z, int64_t n, float value);
    /* The sum of exp(z - origin ln 2) to a relative 1.5e-10, and the largest z, as by `top`. A term is 2^-100 at
     * least. NaN in z makes the sum NaN; where a z is above (origin + 100) ln 2 it is no sum of anything. |origin|
     * must not exceed ALIGN__ORIGIN_MOST. */
    double (*sum)(const void *z, int64_t n, int32_t origin, float *top);
    /* The same with terms in f32, within a relative 2e-7, in two thirds of the time. */
    double (*sum_fast)(const void *z, int64_t n, int32_t origin, float *top);
    /* out[i] = factor * term of z[i], of the same dtype; out may be z. */
    void (*terms)(void *out, const void *z, int64_t n, struct align__origin origin, float factor);
};

enum { ALIGN__ORIGIN_MOST = 200 };

struct align__kernels {
    struct align__logits f32, bf16, f16;
    /* z <= top, finite. NaN in z makes every sum NaN. `wide`: dot and square too, else they are 0. */
    void (*sums_f32)(struct align__sums *out, const float *z, int64_t n, double top, int wide);
    void (*sums_f64)(struct align__sums *out, const double *z, int64_t n, double top, int wide);
    /* Round to nearest even; NaN stays NaN. */
    void (*from_bf16)(float *out, const uint16_t *in, int64_t n);
    void (*from_f16)(float *out, const uint16_t *in, int64_t n);
    void (*to_bf16)(uint16_t *out, const float *in, int64_t n);
    void (*to_f16)(uint16_t *out, const float *in, int64_t n);
};

const struct align__kernels *align__kernels(uint64_t cpu);

/* Those of a dtype: F32, BF16 or F16. */
const struct align__logits *align__logits(const struct align__kernels *kernels, align_dtype dtype);

/* n <= ALIGN__STRIP logits as f32: where they are, or converted to `spare`. */
const float *align__logits_f32(const struct align__kernels *kernels, align_dtype dtype,
                               const void *z, int64_t n, float *spare);

extern const struct align__kernels align__kernels_c;
extern const struct align__kernels align__kernels_avx2;
extern const struct align__kernels align__kernels_avx512;
extern const struct align__kernels align__kernels_neon;

#endif
