/* The stated errors over every f32, slow: functions of f64 against long double, which is itself held against quad
 * numbers; exponentials of logits; narrowing to 16 bits. */
#include "../suite.h"

#include "kernels/f64.h"
#include "kernels/kernels.h"

#include <math.h>
#include <quadmath.h>
#include <stdio.h>
#include <string.h>

/* A passed assertion of the test library costs a write: here only failures come to it. */
enum { BLOCK = 4096, SPARSE = 251 };

typedef __float128 quad;

/* The functions that the C library does not have, in both precisions. */
#define MADE_OF(type, exp, log1p, abs)                                                             \
    static type softplus_##type(type z)                                                            \
    {                                                                                              \
        return (z > 0 ? z : 0) + log1p(exp(-abs(z)));                                              \
    }                                                                                              \
    static type sigmoid_##type(type z)                                                             \
    {                                                                                              \
        type e = exp(-abs(z));                                                                     \
        return (z > 0 ? 1 : e) / (1 + e);                                                          \
    }                                                                                              \
    static type tanh_slope_##type(type z)                                                          \
    {                                                                                              \
        type q = exp(-2 * abs(z));                                                                 \
        return 4 * q / ((1 + q) * (1 + q));                                                        \
    }

typedef long double wide;
MADE_OF(wide, expl, log1pl, fabsl)
MADE_OF(quad, expq, log1pq, fabsq)

static double spare[3][BLOCK];

#define KERNEL(name)                                                                               \
    static void name##_f64(double *y, const double *x, int64_t n)                                  \
    {                                                                                              \
        align__f64(align_cpu())->name(y, x, n);                                                    \
    }

KERNEL(exp)
KERNEL(log)
KERNEL(log1p)
KERNEL(expm1)
KERNEL(tanh)
KERNEL(tanh_slope)

static void softplus_f64(double *y, const double *x, int64_t n)
{
    align__f64(align_cpu())
        ->logistic((struct align__logistics){y, spare[0], spare[1], spare[2]}, x, n);
}

static void sigmoid_f64(double *y, const double *x, int64_t n)
{
    align__f64(align_cpu())
        ->logistic((struct align__logistics){spare[0], spare[1], y, spare[2]}, x, n);
}

static const struct function {
    const char *name;
    double bound; /* units of the last place */
    void (*run)(double *y, const double *x, int64_t n);
    wide (*wide)(wide x);
    quad (*quad)(quad x);
} functions[] = {
    {"exp", 1.1, exp_f64, expl, expq},
    {"log", 0.9, log_f64, logl, logq},
    {"log1p", 0.9, log1p_f64, log1pl, log1pq},
    {"expm1", 1.3, expm1_f64, expm1l, expm1q},
    {"tanh", 2.6, tanh_f64, tanhl, tanhq},
    {"slope of tanh", 4.4, tanh_slope_f64, tanh_slope_wide, tanh_slope_quad},
    {"softplus", 2.2, softplus_f64, softplus_wide, softplus_quad},
    {"sigmoid", 2.9, sigmoid_f64, sigmoid_wide, sigmoid_quad},
};

enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

/* Distance in units of the last place of the f64 nearest to `want`; 0 for equal NaN and infinities. */
static double ulps(double got, wide want)
{
    double near = (double)want, unit;
    if (!(fabs(near) <= 0x1.fffffffffffffp1023))
        return isnan(near) ? (isnan(got) ? 0 : HUGE_VAL) : (got == near ? 0 : HUGE_VAL);
    uint64_t bits;
    memcpy(&bits, &near, sizeof bits);
    bits &= UINT64_C(0x7ff) << 52;
    if (bits < UINT64_C(53) << 52)
        bits = UINT64_C(1) << (bits == 0 ? 0 : (bits >> 52) - 1);
    else
        bits -= UINT64_C(52) << 52;
    memcpy(&unit, &bits, sizeof unit);
    return fabs((double)((wide)got - want) / unit);
}

/* The next f32: all from 2^-8 to 2^8 in size, some of the others, of both signs. */
static bool next(uint32_t *bits, double *x)
{
    float value;
    do {
        if (*bits == UINT32_MAX)
            return false;
        ++*bits;
        memcpy(&value, bits, sizeof value);
    } while (!(fabsf(value) >= 0x1p-8f && fabsf(value) < 0x1p8f) && *bits % SPARSE != 0);
    *x = (double)value;
    return true;
}

static void check_block(const struct function *f, const double *x, int64_t n, double *worst)
{
    double y[BLOCK];
    f->run(y, x, n);
    for (int64_t i = 0; i < n; i++) {
        double error = ulps(y[i], f->wide((wide)x[i]));
        if (!(error <= f->bound))
            ck_abort_msg("%s at %a: %g ulp", f->name, x[i], error);
        *worst = error > *worst ? error : *worst;
    }
    wide far = f->wide((wide)x[0]) - (wide)f->quad((quad)x[0]),
         size = fabsl((wide)f->quad((quad)x[0]));
    if (fabsl(far) > 0x1p-60L * size && size >= 0x1p-1022L)
        ck_abort_msg("%s of long double at %a", f->name, x[0]);
}

START_TEST(functions_of_f64)
{
    const struct function *f = &functions[_i];
    static double x[BLOCK];
    double worst = 0;
    uint32_t bits = 0;
    int64_t count = 0;
    for (bool more = true; more;) {
        int64_t n = 0;
        while (n < BLOCK && (more = next(&bits, &x[n])))
            n++;
        if (n > 0)
            check_block(f, x, n, &worst);
        count += n;
    }
    printf("%s: %g ulp over %lld arguments\n", f->name, worst, (long long)count);
    ck_assert(worst > 0.5 * f->bound);
}
END_TEST

/* Every f32 of a stretch of bits, as blocks of floats. */
typedef void (*block_fn)(const float *x);

static void over_bits(uint32_t from, uint32_t to, block_fn fn)
{
    static float x[BLOCK];
    for (uint64_t begin = from; begin < to; begin += BLOCK) {
        for (uint32_t i = 0; i < BLOCK; i++) {
            uint32_t bits = (uint32_t)begin + i;
            memcpy(&x[i], &bits, sizeof bits);
        }
        fn(x);
    }
}

static void check_terms(const float *z)
{
    const struct align__kernels *kernels = align__kernels(align_cpu());
    float term[BLOCK];
    kernels->f32.terms(term, z, BLOCK, align__origin_make(0, 0, 20), 1);
    for (int i = 0; i < BLOCK; i++) {
        double truth = ldexp(exp((double)z[i]), 20);
        if (!(fabs((double)term[i] - truth) <= 1.1e-7 * truth))
            ck_abort_msg("term of %a", (double)z[i]);
    }
    for (int i = 0; i < BLOCK; i += 7) {
        float top;
        double truth = exp((double)z[i]), sum = kernels->f32.sum(&z[i], 1, 0, &top);
        double fast = kernels->f32.sum_fast(&z[i], 1, 0, &top);
        if (!(fabs(sum - truth) <= 1.5e-10 * truth || z[i] < -40) ||
            !(fabs(fast - truth) <= 2e-7 * truth || z[i] < -40))
            ck_abort_msg("sum of %a", (double)z[i]);
    }
}

/* From -0 down to -100, where a term of this origin is a normal number. */
START_TEST(exponentials_of_logits)
{
    over_bits(0x80000000, 0xc2c80000, check_terms);
}
END_TEST

/* What the codes of 16 bits from 0 on stand for; infinity is the next power of two. */
static double values[2][0x8000];

static void fill_values(void)
{
    const struct align__kernels *kernels = align__kernels(align_cpu());
    for (int k = 0; k < 2; k++)
        for (int code = 0; code < 0x8000; code++) {
            uint16_t half = (uint16_t)code;
            float value;
            (k == 0 ? kernels->from_bf16 : kernels->from_f16)(&value, &half, 1);
            values[k][code] = isinf(value) ? (k == 0 ? 0x1p128 : 0x1p16) : (double)value;
        }
}

/* Is x nearer to this code than to its neighbours, or between two and the code even? */
static bool is_nearest(const double *value, uint16_t half, double x)
{
    const int code = half & 0x7fff;
    const double size = fabs(x), low = code == 0 ? 0 : (value[code - 1] + value[code]) / 2;
    const double high = isnan(value[code + 1]) ? INFINITY : (value[code] + value[code + 1]) / 2;
    if (signbit(x) != (half >> 15) || size < low || size > high)
        return false;
    return (size != low && size != high) || code % 2 == 0 || size == INFINITY;
}

static void check_narrow(const float *x)
{
    const struct align__kernels *kernels = align__kernels(align_cpu());
    uint16_t half[2][BLOCK];
    kernels->to_bf16(half[0], x, BLOCK);
    kernels->to_f16(half[1], x, BLOCK);
    for (int i = 0; i < BLOCK; i++)
        for (int k = 0; k < 2; k++) {
            bool good = isnan(x[i]) ? (half[k][i] & 0x7fff) > (k == 0 ? 0x7f80 : 0x7c00)
                                    : is_nearest(values[k], half[k][i], (double)x[i]);
            if (!good)
                ck_abort_msg("%a to %s: %x", (double)x[i], k == 0 ? "bf16" : "f16", half[k][i]);
        }
}

START_TEST(narrowing)
{
    fill_values();
    over_bits(0, 0x80000000, check_narrow);
    over_bits(0x80000000, UINT32_MAX, check_narrow);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels/every_f32");
    TCase *tcase = tcase_create("every f32");
    tcase_set_timeout(tcase, 1200);
    tcase_add_loop_test(tcase, functions_of_f64, 0, FUNCTIONS);
    tcase_add_test(tcase, exponentials_of_logits);
    tcase_add_test(tcase, narrowing);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
