/* Elementary functions: error bounds against long double, the corners, and equal bits of every level. */
#include "../suite.h"

#include "kernels/f64.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { N = 4096, ROUNDS = 200, LEVELS = 3 };

static const uint64_t cpus[LEVELS] = {0, ALIGN_CPU_AVX2, ALIGN_CPU_AVX2 | ALIGN_CPU_AVX512};

static uint64_t seed = 88172645463325252;

static uint64_t random_bits(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Any bits, the range where exp is finite, near 0, and small numbers down to subnormal ones. */
static double random_number(void)
{
    double u = (double)(random_bits() >> 11) * 0x1p-53, x;
    uint64_t bits = random_bits();
    switch (random_bits() % 5) {
    case 0:
        memcpy(&x, &bits, sizeof x);
        return x;
    case 1:
        return -750 + 1465 * u;
    case 2:
        return (u - 0.5) * 4;
    case 3:
        return (u - 0.5) * 80;
    default:
        return ldexp(u - 0.5, -(int)(random_bits() % 1070));
    }
}

/* Distance in units of the last place of the f64 nearest to `want`; 0 for equal NaN and infinities. */
static double ulps(double got, long double want)
{
    if (isnan(want) || isinf((double)want))
        return isnan(want) ? (isnan(got) ? 0 : HUGE_VAL) : (got == (double)want ? 0 : HUGE_VAL);
    int exponent;
    frexpl(want, &exponent);
    exponent = exponent < -1021 ? -1021 : exponent;
    return (double)fabsl(((long double)got - want) / ldexpl(1, exponent - 53));
}

static long double softplus(long double z)
{
    return (z > 0 ? z : 0) + log1pl(expl(-fabsl(z)));
}

static long double sigmoid(long double z)
{
    long double e = expl(-fabsl(z));
    return (z > 0 ? 1 : e) / (1 + e);
}

/* Results of all functions in one block. */
enum { EXP, LOG, LOG1P, PLUS, MINUS, S, C, FUNCTIONS };

static void run_all(uint64_t cpu, double out[FUNCTIONS][N], const double *x, int64_t n)
{
    const struct align__f64 *f64 = align__f64(cpu & align_cpu());
    f64->exp(out[EXP], x, n);
    f64->log(out[LOG], x, n);
    f64->log1p(out[LOG1P], x, n);
    f64->logistic((struct align__logistics){out[PLUS], out[MINUS], out[S], out[C]}, x, n);
}

static long double truth(int function, double x)
{
    switch (function) {
    case EXP:
        return expl(x);
    case LOG:
        return logl(x);
    case LOG1P:
        return log1pl(x);
    case PLUS:
        return softplus(x);
    case MINUS:
        return softplus(-(long double)x);
    case S:
        return sigmoid(x);
    default:
        return sigmoid(-(long double)x);
    }
}

static double x[N], results[LEVELS][FUNCTIONS][N];

START_TEST(errors_are_within_the_stated_bounds)
{
    static const double bounds[FUNCTIONS] = {1.0, 0.8, 0.9, 2.0, 2.0, 2.7, 2.7};
    double worst[FUNCTIONS] = {0};
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < N; i++)
            x[i] = random_number();
        run_all(UINT64_MAX, results[0], x, N);
        for (int f = 0; f < FUNCTIONS; f++)
            for (int i = 0; i < N; i++) {
                double error = ulps(results[0][f][i], truth(f, x[i]));
                worst[f] = error > worst[f] ? error : worst[f];
                ck_assert_msg(error <= bounds[f], "function %d at %a: %g ulp", f, x[i], error);
            }
    }
    for (int f = 0; f < FUNCTIONS; f++)
        ck_assert_msg(worst[f] > 0.5 * bounds[f], "function %d: bound %g, worst %g", f, bounds[f],
                      worst[f]);
}
END_TEST

START_TEST(corners_are_those_of_the_c_library)
{
    static const double corners[] = {0,         -0.0,    INFINITY, -INFINITY, NAN,       1,
                                     -1,        DBL_MAX, -DBL_MAX, DBL_MIN,   0x1p-1074, -0x1p-1074,
                                     709.782,   709.79,  -745.13,  -745.14,   -746,      -1e6,
                                     0x1p-1023, -2,      1e6,      36.8,      -36.8,     0x1p-54};
    enum { COUNT = sizeof corners / sizeof corners[0] };
    run_all(UINT64_MAX, results[0], corners, COUNT);
    for (int i = 0; i < COUNT; i++)
        for (int f = 0; f < FUNCTIONS; f++)
            ck_assert_msg(ulps(results[0][f][i], truth(f, corners[i])) < 3, "function %d at %g", f,
                          corners[i]);
    ck_assert(results[0][EXP][0] == 1 && results[0][EXP][1] == 1);
    ck_assert(results[0][S][2] == 1 && results[0][C][2] == 0 && results[0][MINUS][2] == 0);
    ck_assert(results[0][S][3] == 0 && results[0][C][3] == 1 && results[0][PLUS][3] == 0);
}
END_TEST

static void expect_equal_bits(const double *a, const double *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        ck_assert(memcmp(&a[i], &b[i], sizeof *a) == 0 || (isnan(a[i]) && isnan(b[i])));
}

START_TEST(every_level_gives_equal_bits)
{
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < N; i++)
            x[i] = random_number();
        for (int l = 0; l < LEVELS; l++)
            run_all(cpus[l], results[l], x, N);
        for (int l = 1; l < LEVELS; l++)
            for (int f = 0; f < FUNCTIONS; f++)
                expect_equal_bits(results[0][f], results[l][f], N);
    }
}
END_TEST

/* Any length from any address: the same numbers as in one long array, and nothing behind the end. */
START_TEST(lengths_and_addresses_do_not_matter)
{
    static double whole[FUNCTIONS][N];
    for (int i = 0; i < N; i++)
        x[i] = random_number();
    for (int l = 0; l < LEVELS; l++) {
        run_all(cpus[l], whole, x, 40);
        for (int64_t first = 0; first < 9; first++)
            for (int64_t n = 0; n <= 19; n++) {
                for (int f = 0; f < FUNCTIONS; f++)
                    results[0][f][n] = 12345;
                run_all(cpus[l], results[0], x + first, n);
                for (int f = 0; f < FUNCTIONS; f++) {
                    expect_equal_bits(whole[f] + first, results[0][f], n);
                    ck_assert(results[0][f][n] == 12345);
                }
            }
    }
}
END_TEST

SUITE_MAIN("kernels/f64", errors_are_within_the_stated_bounds, corners_are_those_of_the_c_library,
           every_level_gives_equal_bits, lengths_and_addresses_do_not_matter)
