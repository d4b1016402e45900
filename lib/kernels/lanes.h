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

typedef double vd __attribute__((vector_size(8 * F64_LANES)));
typedef int64_t vi __attribute__((vector_size(8 * F64_LANES)));
typedef uint64_t vu __attribute__((vector_size(8 * F64_LANES)));

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
    double part[F64_LANES] = {0};
    memcpy(part, at, (size_t)n * sizeof *at);
    return vd_load(part);
}

static inline void vd_store_part(double *at, int64_t n, vd x)
{
    if (n == F64_LANES) {
        vd_store(at, x);
        return;
    }
    double part[F64_LANES];
    vd_store(part, x);
    memcpy(at, part, (size_t)n * sizeof *at);
}

static inline vd vd_all(double x)
{
    return x - (vd){0};
}

/* a where the mask is all ones, b where it is zero. */
static inline vd vd_pick(vi mask, vd a, vd b)
{
    return (vd)(((vi)a & mask) | ((vi)b & ~mask));
}

static inline vd vd_abs(vd x)
{
    return (vd)((vi)x & INT64_MAX);
}

#endif
