/* One instruction set of f64.h. Compiler vectors as wide as the set has them; element by element, so that
 * width changes no bit. No fused multiply-add: each step is one IEEE operation that every level has, and
 * the two-part constants make the products that matter exact. */
#include "f64.h"

#include <math.h>
#include <string.h>

#if defined(__AVX512F__)
#    define F64_LANES 8
#elif defined(__AVX__)
#    define F64_LANES 4
#else
#    define F64_LANES 2
#endif

/* ln 2 in two parts; the first ends in 11 zero bits, so that its product with an exponent is exact. */
#define F64_LN2_HIGH 0x1.62e42fefa3800p-1
#define F64_LN2_LOW  0x1.ef35793c76730p-45

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

/* 2^k for a whole k in -1022..1023: adding brings k + 1023 to the low bits, shifting to the exponent. */
static inline vd vd_power(vd k)
{
    return (vd)((vu)(k + (0x1.8p52 + 1023)) << 52);
}

/* x = k ln 2 + r with |r| <= 0.347; e^r = 1 + r + r^2 q(r), relative error of q 2^-56 (Remez). The
 * power of two is applied in halves, so that the one rounding of a subnormal result is the last step. */
static inline vd vd_exp(vd x)
{
    x = vd_pick(x > 710.0, vd_all(710), x);
    x = vd_pick(x < -746.0, vd_all(-746), x);
    vd k = (x * 0x1.71547652b82fep+0 + 0x1.8p52) - 0x1.8p52;
    vd r = (x - k * F64_LN2_HIGH) - k * F64_LN2_LOW;
    vd q = r * 0x1.ad7f6d7911672p-26 + 0x1.28ad72d147d89p-22;
    q = q * r + 0x1.71df2552af8d3p-19;
    q = q * r + 0x1.a0199a0c611a8p-16;
    q = q * r + 0x1.a01a012a57cd8p-13;
    q = q * r + 0x1.6c16c1842a147p-10;
    q = q * r + 0x1.1111111127be4p-7;
    q = q * r + 0x1.555555555087cp-5;
    q = q * r + 0x1.55555555554fap-3;
    q = q * r + 0x1.000000000000ap-1;
    vd p = (r * r * q + r) + 1.0;
    vd half = (k * 0.5 + 0x1.8p52) - 0x1.8p52;
    return p * vd_power(half) * vd_power(k - half);
}

/* log(1 + f) for f in [0, 1] or 1 + f in [sqrt 1/2, sqrt 2]: with s = f / (2 + f) and w = s^2,
 * log(1 + f) = f - s (f - w P(w)), relative error of w P 2^-57 up to w = 1/9. This returns the part
 * that is taken from f. */
static inline vd vd_log_part(vd f)
{
    vd s = f / (f + 2.0), w = s * s;
    vd p = w * 0x1.5c8a5f56214a8p-3 + 0x1.559c46b15fec7p-4;
    p = p * w + 0x1.efdd856a02671p-4;
    p = p * w + 0x1.10676873542e3p-3;
    p = p * w + 0x1.3b1de327402b3p-3;
    p = p * w + 0x1.745cb39b43f79p-3;
    p = p * w + 0x1.c71c741f8d69ap-3;
    p = p * w + 0x1.2492492085754p-2;
    p = p * w + 0x1.99999999a0840p-2;
    p = p * w + 0x1.5555555555535p-1;
    return s * (f - w * p);
}

/* log(u) + correction, where u 2^-lifted is meant; u is a positive normal number, 2^k (1 + f). */
static inline vd vd_log_split(vd u, vd lifted, vd correction)
{
    const uint64_t root_half = 0x3fe6a09e667f3bcd, one = 0x3ff0000000000000;
    vu bits = (vu)u + (one - root_half);
    vd k = (vd)((bits >> 52) | 0x4330000000000000) - (0x1p52 + 1023) - lifted;
    vd f = (vd)((bits & 0x000fffffffffffff) + root_half) - 1.0;
    return k * F64_LN2_HIGH + (f - (vd_log_part(f) - (k * F64_LN2_LOW + correction)));
}

static inline vd vd_log(vd x)
{
    vi tiny = x < 0x1p-1022;
    vd y = vd_log_split(vd_pick(tiny, x * 0x1p54, x), vd_pick(tiny, vd_all(54), vd_all(0)),
                        vd_all(0));
    y = vd_pick(x == 0.0, vd_all(-INFINITY), y);
    y = vd_pick(x == INFINITY, x, y);
    return vd_pick(x >= 0.0, y, vd_all(NAN));
}

/* What rounding 1 + x lost comes back as a correction. */
static inline vd vd_log1p(vd x)
{
    vd u = x + 1.0;
    vd lost = vd_pick(x > 1.0, 1.0 - (u - x), x - (u - 1.0)) / u;
    vd y = vd_log_split(u, vd_all(0), lost);
    y = vd_pick(x == -1.0, vd_all(-INFINITY), y);
    y = vd_pick(x == INFINITY, x, y);
    return vd_pick(x >= -1.0, y, vd_all(NAN));
}

/* Runs a function of one vector over an array. The last part is worked on in a copy. */
#define F64_MAP(name, function)                                                                    \
    static void name(double *out, const double *x, int64_t n)                                      \
    {                                                                                              \
        int64_t i = 0;                                                                             \
        for (; i + F64_LANES <= n; i += F64_LANES)                                                 \
            vd_store(out + i, function(vd_load(x + i)));                                           \
        if (i < n) {                                                                               \
            double part[F64_LANES] = {0};                                                          \
            memcpy(part, x + i, (size_t)(n - i) * sizeof *x);                                      \
            vd_store(part, function(vd_load(part)));                                               \
            memcpy(out + i, part, (size_t)(n - i) * sizeof *x);                                    \
        }                                                                                          \
    }

F64_MAP(exp_f64, vd_exp)
F64_MAP(log_f64, vd_log)
F64_MAP(log1p_f64, vd_log1p)

/* With e = exp(-|z|): softplus(z) and softplus(-z) are max(+-z, 0) + log1p(e), s and c are 1 / (1 + e)
 * and e / (1 + e) in the order of the sign. */
static inline void logistic_at(struct align__logistics out, const double *z, int64_t i)
{
    vd x = vd_load(z + i), zero = vd_all(0);
    vd e = vd_exp(-vd_abs(x)), tail = e - vd_log_part(e);
    vd near = 1.0 / (e + 1.0), far = e * near;
    vi up = x > 0.0;
    vd_store(out.plus + i, vd_pick(up, x, zero) + tail);
    vd_store(out.minus + i, tail - vd_pick(up, zero, x));
    vd_store(out.s + i, vd_pick(up, near, far));
    vd_store(out.c + i, vd_pick(up, far, near));
}

static void logistic_f64(struct align__logistics out, const double *z, int64_t n)
{
    int64_t i = 0;
    for (; i + F64_LANES <= n; i += F64_LANES)
        logistic_at(out, z, i);
    if (i == n)
        return;
    double in[F64_LANES] = {0}, part[4][F64_LANES];
    size_t bytes = (size_t)(n - i) * sizeof *z;
    memcpy(in, z + i, bytes);
    logistic_at((struct align__logistics){part[0], part[1], part[2], part[3]}, in, 0);
    memcpy(out.plus + i, part[0], bytes);
    memcpy(out.minus + i, part[1], bytes);
    memcpy(out.s + i, part[2], bytes);
    memcpy(out.c + i, part[3], bytes);
}

#define PASTE(a, b)  a##b
#define TABLE(level) PASTE(align__f64_, level)

const struct align__f64 TABLE(ALIGN__LEVEL) = {
    .exp = exp_f64,
    .log = log_f64,
    .log1p = log1p_f64,
    .logistic = logistic_f64,
};
