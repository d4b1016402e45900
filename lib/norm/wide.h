/* Exact sums of f32-sized numbers: two's complement integers of many 32-bit limbs, lowest first.
 *
 * The grid is 2^-149, the smallest f32. Every f32, f16 and bf16 is an integer on it, and so is every f64
 * of 2^-97 or more; a smaller f64 is rounded to it. Sums of integers do not depend on their order. */
#ifndef ALIGN__NORM_WIDE_H
#define ALIGN__NORM_WIDE_H

#include <stdbool.h>
#include <stdint.h>

enum { ALIGN__GRID = 149, ALIGN__WIDE_MOST = 40 };

/* Magnitude and sign of a number on the grid: digits * 2^(shift - 149). */
struct align__grid {
    uint64_t digits;
    int32_t shift;
    bool negative;
};

/* A finite x below 2^128 in magnitude. */
struct align__grid align__grid_of(double x);

/* sum += or -= digits * 2^bit, counted in units of the lowest bit. */
void align__wide_add(uint32_t *sum, int limbs, uint64_t digits, int32_t bit, bool negative);

/* sum += x, in units of 2^unit, of which x is a multiple: at least 2^(unit+52) in magnitude, or 0. */
void align__wide_add_f64(uint32_t *sum, int limbs, double x, int unit);

/* sum += or -= a * b * 2^bit. */
void align__wide_add_product(uint32_t *sum, int limbs, uint64_t a, uint64_t b, int32_t bit,
                             bool negative);

/* sum += or -= w * x * x * 2^bit, where w < 2^32 and x < 2^53. */
void align__wide_add_square(uint32_t *sum, int limbs, uint32_t w, uint64_t x, int32_t bit,
                            bool negative);

void align__wide_merge(uint32_t *sum, const uint32_t *other, int limbs);

/* out += or -= a * b; out has at least a_limbs + b_limbs limbs. */
void align__wide_multiply(uint32_t *out, const uint32_t *a, int a_limbs, const uint32_t *b,
                          int b_limbs, bool subtract);

bool align__wide_is_zero(const uint32_t *sum, int limbs);

/* sum * 2^unit rounded to nearest even. */
double align__wide_value(const uint32_t *sum, int limbs, int unit);

#endif
