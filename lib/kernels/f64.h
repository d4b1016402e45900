/* Elementary functions on arrays of f64, once for every instruction set, with equal bits on all of them.
 *
 * Largest errors, in units of the last place, as tests/kernels/f64.c measures them against long double:
 *
 *     exp 1.0    log 0.8    log1p 0.9    softplus 2.0    s, c 2.7
 *
 * over all finite arguments, subnormal results included. Infinities and NaN are those of the C library. */
#ifndef ALIGN__F64_H
#define ALIGN__F64_H

#include <libalign/base.h>

/* Everything that links made of logistics need of a margin z, each an array like z. */
struct align__logistics {
    double *plus, *minus; /* log(1 + e^z), log(1 + e^-z) */
    double *s, *c;        /* 1 / (1 + e^-z), 1 / (1 + e^z) */
};

/* n is any number of elements, pointers are aligned for double, out may be x. */
struct align__f64 {
    void (*exp)(double *out, const double *x, int64_t n);
    void (*log)(double *out, const double *x, int64_t n);
    void (*log1p)(double *out, const double *x, int64_t n);
    void (*logistic)(struct align__logistics out, const double *z, int64_t n);
};

const struct align__f64 *align__f64(uint64_t cpu);

extern const struct align__f64 align__f64_c;
extern const struct align__f64 align__f64_avx2;
extern const struct align__f64 align__f64_avx512;

#endif
