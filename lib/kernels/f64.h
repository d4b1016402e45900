/* Functions on arrays of f64 and of indices, once for every instruction set, with equal bits on all of them.
 *
 * Largest errors of the elementary ones, in units of the last place, as tests/kernels/f64.c measures them against long
 * double:
 *
 *     exp 1.1    log 0.9    log1p 0.9    expm1 1.3    rest 1.3, its log 2.0    tanh 2.6    its slope 4.4    softplus 2.2
 *     s, c 2.9
 *
 * over all finite arguments, subnormal results included. Infinities and NaN are those of the C library. */
#ifndef ALIGN__F64_H
#define ALIGN__F64_H

#include <libalign/base.h>

#include <stdbool.h>

/* Everything that links made of logistics need of a margin z, each an array like z. */
struct align__logistics {
    double *plus, *minus; /* log(1 + e^z), log(1 + e^-z); or both NULL */
    double *s, *c;        /* 1 / (1 + e^-z), 1 / (1 + e^z) */
};

/* Pairs whose loss is a mixture of two logistics of a margin z: with t = prob right + (1 - prob) wrong
 * and f = prob wrong + (1 - prob) right,
 *
 *     value = t softplus(-z) + f softplus(z), slope = beta (f s(z) - t s(-z)),
 *     curve = beta^2 (t + f) s(z) s(-z);    d = slope x, -slope y; h = curve x^2, curve y^2
 *
 * where by = x, y says how the margin moves with the items, NULL: 1, 1. */
struct align__mixture {
    const double *z, *prob;
    double beta, right, wrong;
    const double *by[2];
    double *value, *d[2], *h[2];
};

struct align__sum {
    double sum, lost;
};

/* All pairs of n items whose labels differ, d = s_better - s_worse apart (0 for equal infinities), with
 *
 *     w = |gain_i - gain_j| |discount_i - discount_j|, 1 where gain is NULL,
 *     value = sum of w ((1 - eps) softplus(-d) + eps softplus(d)), steepness = sum of |derivatives by d|;
 *
 * first and second derivatives by s are added to d and h. */
struct align__swaps {
    const double *s, *label, *gain, *discount;
    double eps;
    double *room; /* align__swaps_room(n) numbers */
    double *d, *h;
    struct align__sum value;
    double steepness;
};

/* Numbers that a ring of n takes, and six of them. */
static inline int64_t align__ring(int64_t n)
{
    return n + n / 2 + 8;
}

static inline int64_t align__swaps_room(int64_t n)
{
    return 6 * align__ring(n);
}

/* Games between items of strengths x: i won and lost against j. With d = x_i - x_j + home,
 *
 *     value = sum of -won log s(d) - lost log s(-d) if valued, else 0; slope and curvature by d */
struct align__games {
    const double *x;
    const int32_t *i, *j;
    const double *won, *lost;
    double home;
    bool valued;
    double *slope, *curvature;
    double value;
};

/* n is any number of elements, pointers are aligned for their type, out may be an input. */
struct align__f64 {
    void (*exp)(double *out, const double *x, int64_t n);
    void (*log)(double *out, const double *x, int64_t n);
    void (*log1p)(double *out, const double *x, int64_t n);
    void (*expm1)(double *out, const double *x, int64_t n);
    /* 1 - e^x and its logarithm, for x <= 0. */
    void (*rest)(double *rest, double *log_rest, const double *x, int64_t n);
    /* tanh, and its derivative. */
    void (*tanh)(double *out, const double *x, int64_t n);
    void (*tanh_slope)(double *out, const double *x, int64_t n);
    void (*logistic)(struct align__logistics out, const double *z, int64_t n);
    /* x - y, with 0 for two equal infinities; w x, with 0 for w = 0 whatever x is. */
    void (*minus)(double *out, const double *x, const double *y, int64_t n);
    void (*times)(double *out, const double *w, const double *x, int64_t n);
    /* 1 / n, or 0 for n = 0. */
    void (*shares)(double *out, const double *count, int64_t n);
    /* beta (x - y) - offset, with x - y as in minus. */
    void (*margin)(double *out, double beta, const double *x, const double *y, const double *offset,
                   int64_t n);
    void (*mixture)(const struct align__mixture *mixture, int64_t n);
    void (*games)(struct align__games *games, int64_t n);
    void (*swaps)(struct align__swaps *swaps, int64_t n);
    /* Indices `first`, first + 1, ... of n keys from high to low, equal ones as they come; in n^2 steps. No NaN. */
    void (*order)(int64_t *order, int64_t first, const double *key, int64_t n);
    /* True when low <= x <= high of every x: no NaN. */
    bool (*within)(const double *x, double low, double high, int64_t n);
    /* True when every |x| is below 2^1000: no NaN, no infinity, and no small sum overflows. */
    bool (*tame)(const double *x, int64_t n);
    /* The sum of tame numbers, and apart from it what rounding took from that. */
    struct align__sum (*sum)(const double *x, int64_t n);
    /* The plain sum: element i in lane i mod 8, and the lanes added in order. */
    double (*lane_sum)(const double *x, int64_t n);
    /* The sum of x y; out += s x; out = a - b. NaN in, NaN out. */
    double (*dot)(const double *x, const double *y, int64_t n);
    void (*add)(double *out, double s, const double *x, int64_t n);
    void (*gap)(double *out, const float *a, const float *b, int64_t n);
    /* From and to every stride-th f32. */
    void (*widen)(double *out, const float *in, int64_t stride, int64_t n);
    void (*narrow)(float *out, int64_t stride, const double *in, int64_t n);
    /* Rows of one f32, or of two where y is not NULL: from them, true when all are finite; and w x, w y to them, with
     * products as in times. */
    bool (*read_rows)(double *x, double *y, const float *in, int64_t n);
    void (*write_rows)(float *out, const double *w, const double *x, const double *y, int64_t n);
    /* cell = a items + b modulo 2^32; false when some a or b is not in 0..items-1, or a is b. */
    bool (*cells)(uint32_t *cell, const int32_t *a, const int32_t *b, int32_t items, int64_t n);
};

const struct align__f64 *align__f64(uint64_t cpu);

/* The same for arrays of n elements at most. */
const struct align__f64 *align__f64_for(uint64_t cpu, int64_t n);

extern const struct align__f64 align__f64_c;
extern const struct align__f64 align__f64_avx2;
extern const struct align__f64 align__f64_avx512;

#endif
