/* Sixteen virtual lanes of f32: one vocabulary, a file for each instruction set.
 *
 *     v16_all, v16_load, v16_store        one value in all lanes; 16 elements at any address
 *     v16_add, _sub, _mul, _fma(a, b, c)  lane by lane, one rounding each; fma is a * b + c
 *     v16_max(a, b)                       a > b ? a : b, so NaN in b passes
 *     v16_any_equal                       is some lane of a equal to that of b
 *     v16_to_power(t)                     the low 8 bits of t as an exponent: 2^(bits - 127), 0 for 0
 *     v16_pick(table, t)                  element (low 4 bits of t) of a table of 16
 *     v16_lift(x, t)                      adds bits 4 and up of t to the exponent of x, and its low 4 bits to
 *                                         the mantissa below, which a table can make up for
 *     v16_prefetch, v16_prefetch_far      ask for a line, in the first cache or the second; any address will do
 *     v16_load_bf16, _f16, v16_store_bf16, _f16
 *     v16_load_pair_bf16(x, at)           32 elements: those at even places, and those at odd ones
 *     v16_store_pair_bf16(at, x)          back; NaN stays NaN where its low half is 0
 *
 * and half of them in f64, with the same words: d8_all, d8_load, d8_load_f32, d8_store, d8_add, d8_sub,
 * d8_mul, d8_fma, d8_max, d8_to_power (low 12 bits: 2^(bits - 1023)). */
#ifndef ALIGN__V16_H
#define ALIGN__V16_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(ALIGN__V16_NEON)
#    include "neon.h"
#elif defined(ALIGN__V16_AVX512) || defined(__AVX512F__)
#    include "avx512.h"
#elif defined(ALIGN__V16_AVX2) || defined(__AVX2__)
#    include "avx2.h"
#else
#    include "c.h"
#endif

/* An address that may lie outside of what it points into, to prefetch. */
static inline const void *v16_ahead(const void *at, int64_t bytes)
{
    return (const void *)((uintptr_t)at + (uintptr_t)bytes);
}

/* The first n < 16 lanes from memory, the rest from `rest`; and back. */
static inline v16 v16_load_part(const float *at, int64_t n, float rest)
{
    float part[16];
    v16_store(part, v16_all(rest));
    memcpy(part, at, (size_t)n * sizeof *at);
    return v16_load(part);
}

static inline void v16_store_part(float *at, int64_t n, v16 a)
{
    float part[16];
    v16_store(part, a);
    memcpy(at, part, (size_t)n * sizeof *at);
}

#endif
