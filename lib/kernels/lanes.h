/* Vectors of f64 as wide as an instruction set has them, for the sources that are compiled once for each. */
#ifndef ALIGN__LANES_H
#define ALIGN__LANES_H

#include <stdint.h>
#include <string.h>

#if defined(ALIGN__V16_AVX512) || defined(__AVX512F__)
#    define F64_LANES 8
#elif defined(ALIGN__V16_AVX2) || defined(__AVX__)
#    define F64_LANES 4
#else
#    define F64_LANES 2
#endif

#if F64_LANES > 2
#    include <immintrin.h>
#endif

typedef double vd __attribute__((vector_size(8 * F64_LANES)));
typedef int64_t vi __attribute__((vector_size(8 * F64_LANES)));
typedef uint64_t vu __attribute__((vector_size(8 * F64_LANES)));

/* All ones in the first n lanes. */
static inline vi vi_first(int64_t n)
{
    static const int64_t lanes[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    vi lane;
    memcpy(&lane, lanes, sizeof lane);
    return lane < (n - (vi){0});
}

static inline vd vd_load(const double *at)
{
    vd x;
    memcpy(&x, at, sizeof x);
    return x;
}

static inline void vd_store(double *at, vd x)
{
    memcpy(at, &x, sizeof x);
}

/* The first n of a vector; the rest is 0 and not touched. */
static inline vd vd_load_part(const double *at, int64_t n)
{
    if (n == F64_LANES)
        return vd_load(at);
#if F64_LANES == 8
    return (vd)_mm512_maskz_loadu_pd((__mmask8)((1U << n) - 1), at);
#elif F64_LANES == 4
    return (vd)_mm256_maskload_pd(at, (__m256i)vi_first(n));
#else
    return n == 1 ? (vd){at[0]} : (vd){0};
#endif
}

static inline void vd_store_part(double *at, int64_t n, vd x)
{
    if (n == F64_LANES) {
        vd_store(at, x);
        return;
    }
#if F64_LANES == 8
    _mm512_mask_storeu_pd(at, (__mmask8)((1U << n) - 1), (__m512d)x);
#elif F64_LANES == 4
    _mm256_maskstore_pd(at, (__m256i)vi_first(n), (__m256d)x);
#else
    if (n == 1)
        at[0] = x[0];
#endif
}

/* As many f32, and back, rounded; compilers would convert them in halves. */
typedef float vf __attribute__((vector_size(4 * F64_LANES)));

static inline vd vd_widen(vf x)
{
#if F64_LANES == 8
    return (vd)_mm512_cvtps_pd((__m256)x);
#elif F64_LANES == 4
    return (vd)_mm256_cvtps_pd((__m128)x);
#else
    return __builtin_convertvector(x, vd);
#endif
}

static inline vd vd_load_f32(const float *at)
{
    vf x;
    memcpy(&x, at, sizeof x);
    return vd_widen(x);
}

static inline void vd_store_f32(float *at, vd x)
{
#if F64_LANES == 8
    const vf narrow = (vf)_mm512_cvtpd_ps((__m512d)x);
#elif F64_LANES == 4
    const vf narrow = (vf)_mm256_cvtpd_ps((__m256d)x);
#else
    const vf narrow = __builtin_convertvector(x, vf);
#endif
    memcpy(at, &narrow, sizeof narrow);
}

/* Pairs of f32: the first of each, and the second. */

static inline void vd_load_f32_pairs(vd *x, vd *y, const float *at)
{
#if F64_LANES == 8
    const __m512i both = _mm512_loadu_si512(at), second = _mm512_srli_epi64(both, 32);
    *x = (vd)_mm512_cvtps_pd(_mm256_castsi256_ps(_mm512_cvtepi64_epi32(both)));
    *y = (vd)_mm512_cvtps_pd(_mm256_castsi256_ps(_mm512_cvtepi64_epi32(second)));
#elif F64_LANES == 4
    const __m128 a = _mm_loadu_ps(at), b = _mm_loadu_ps(at + 4);
    *x = (vd)_mm256_cvtps_pd(_mm_shuffle_ps(a, b, 0x88));
    *y = (vd)_mm256_cvtps_pd(_mm_shuffle_ps(a, b, 0xdd));
#else
    *x = (vd){(double)at[0], (double)at[2]};
    *y = (vd){(double)at[1], (double)at[3]};
#endif
}

static inline void vd_store_f32_pairs(float *at, vd x, vd y)
{
#if F64_LANES == 8
    const __m512i first = _mm512_cvtepu32_epi64(_mm256_castps_si256(_mm512_cvtpd_ps((__m512d)x))),
                  second = _mm512_cvtepu32_epi64(_mm256_castps_si256(_mm512_cvtpd_ps((__m512d)y)));
    _mm512_storeu_si512(at, _mm512_or_si512(first, _mm512_slli_epi64(second, 32)));
#elif F64_LANES == 4
    const __m128 a = _mm256_cvtpd_ps((__m256d)x), b = _mm256_cvtpd_ps((__m256d)y);
    _mm_storeu_ps(at, _mm_unpacklo_ps(a, b));
    _mm_storeu_ps(at + 4, _mm_unpackhi_ps(a, b));
#else
    for (int k = 0; k < F64_LANES; k++) {
        at[2 * k] = (float)x[k];
        at[2 * k + 1] = (float)y[k];
    }
#endif
}

/* The elements of an array that n indices name; the rest is 0. */
static inline vd vd_gather_part(const double *from, const int32_t *index, int64_t n)
{
#if F64_LANES == 8
    const __mmask8 there = (__mmask8)((1U << n) - 1);
    const __m256i at = _mm256_maskz_loadu_epi32(there, index);
    return (vd)_mm512_mask_i32gather_pd(_mm512_setzero_pd(), there, at, from, 8);
#else
    vd x = {0};
    for (int64_t k = 0; k < n; k++)
        x[k] = from[index[k]];
    return x;
#endif
}

/* Is a lane of a mask set? */
static inline int vi_any(vi mask)
{
#if F64_LANES == 8
    return _mm512_movepi64_mask((__m512i)mask) != 0;
#elif F64_LANES == 4
    return _mm256_movemask_pd((__m256d)mask) != 0;
#else
    return (mask[0] | mask[1]) != 0;
#endif
}

static inline vd vd_all(double x)
{
    return x - (vd){0};
}

/* a b + c rounded once, where the set has it. */
#if F64_LANES > 2
#    define F64_FMA
static inline vd vd_fma(vd a, vd b, vd c)
{
#    if F64_LANES == 8
    return (vd)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#    else
    return (vd)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#    endif
}
#endif

/* a where the mask is all ones, b where it is zero. */
static inline vd vd_pick(vi mask, vd a, vd b)
{
    return (vd)(((vi)a & mask) | ((vi)b & ~mask));
}

/* x < y ? x : y and x > y ? x : y: y where one is NaN or both are 0. */
static inline vd vd_min(vd x, vd y)
{
#if F64_LANES == 8
    return (vd)_mm512_min_pd((__m512d)x, (__m512d)y);
#elif F64_LANES == 4
    return (vd)_mm256_min_pd((__m256d)x, (__m256d)y);
#else
    return vd_pick(x < y, x, y);
#endif
}

static inline vd vd_max(vd x, vd y)
{
#if F64_LANES == 8
    return (vd)_mm512_max_pd((__m512d)x, (__m512d)y);
#elif F64_LANES == 4
    return (vd)_mm256_max_pd((__m256d)x, (__m256d)y);
#else
    return vd_pick(x > y, x, y);
#endif
}

static inline vd vd_abs(vd x)
{
    return (vd)((vi)x & INT64_MAX);
}

#endif
