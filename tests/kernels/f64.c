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

static long double tanh_slope(long double u)
{
    long double q = expl(-2 * fabsl(u));
    return 4 * q / ((1 + q) * (1 + q));
}

static long double log_rest(long double x)
{
    return x < -0.7L ? log1pl(-expl(x)) : logl(-expm1l(x));
}

/* Results of all functions in one block; of rest at -|x|. */
enum { EXP, LOG, LOG1P, EXPM1, REST, LOG_REST, TANH, TANH_SLOPE, PLUS, MINUS, S, C, FUNCTIONS };

static void run_all(uint64_t cpu, double out[FUNCTIONS][N], const double *x, int64_t n)
{
    const struct align__f64 *f64 = align__f64(cpu & align_cpu());
    f64->exp(out[EXP], x, n);
    f64->log(out[LOG], x, n);
    f64->log1p(out[LOG1P], x, n);
    f64->expm1(out[EXPM1], x, n);
    double down[N];
    for (int64_t i = 0; i < n; i++)
        down[i] = -fabs(x[i]);
    f64->rest(out[REST], out[LOG_REST], down, n);
    f64->tanh(out[TANH], x, n);
    f64->tanh_slope(out[TANH_SLOPE], x, n);
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
    case EXPM1:
        return expm1l(x);
    case REST:
        return -expm1l(-fabsl(x));
    case LOG_REST:
        return log_rest(-fabsl(x));
    case TANH:
        return tanhl(x);
    case TANH_SLOPE:
        return tanh_slope(x);
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

static const double bounds[FUNCTIONS] = {1.1, 0.9, 0.9, 1.3, 1.3, 2.0,
                                         2.6, 4.4, 2.2, 2.2, 2.9, 2.9};

START_TEST(errors_are_within_the_stated_bounds)
{
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

static void expect_equal_bits(const double *a, const double *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        ck_assert(memcmp(&a[i], &b[i], sizeof *a) == 0 || (isnan(a[i]) && isnan(b[i])));
}

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
            ck_assert_msg(ulps(results[0][f][i], truth(f, corners[i])) <= bounds[f],
                          "function %d at %g", f, corners[i]);
    align__f64(align_cpu())
        ->logistic((struct align__logistics){NULL, NULL, results[1][0], results[1][1]}, corners,
                   COUNT);
    expect_equal_bits(results[0][S], results[1][0], COUNT);
    expect_equal_bits(results[0][C], results[1][1], COUNT);
    ck_assert(results[0][EXP][0] == 1 && results[0][EXP][1] == 1);
    ck_assert(results[0][EXPM1][3] == -1 && signbit(results[0][EXPM1][1]));
    ck_assert(results[0][TANH][2] == 1 && results[0][TANH][3] == -1 &&
              signbit(results[0][TANH][1]));
    ck_assert(results[0][S][2] == 1 && results[0][C][2] == 0 && results[0][MINUS][2] == 0);
    ck_assert(results[0][S][3] == 0 && results[0][C][3] == 1 && results[0][PLUS][3] == 0);
}
END_TEST

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

/* Infinities of both signs, zeros and NaN among other numbers. */
static double random_or_odd(void)
{
    static const double odd[] = {0, -0.0, INFINITY, -INFINITY, NAN, 1};
    return random_bits() % 4 == 0 ? odd[random_bits() % 6] : random_number();
}

static void expect_number(double got, double want)
{
    ck_assert_msg(got == want || (isnan(got) && isnan(want)), "%a, expected %a", got, want);
}

START_TEST(arithmetic_keeps_its_conventions)
{
    enum { COUNT = 1001 };
    static double y[COUNT], offset[COUNT], out[3][COUNT];
    for (int l = 0; l < LEVELS; l++) {
        const struct align__f64 *f64 = align__f64(cpus[l] & align_cpu());
        for (int i = 0; i < COUNT; i++) {
            x[i] = random_or_odd();
            y[i] = i % 3 == 0 ? x[i] : random_or_odd();
            offset[i] = random_number();
        }
        f64->minus(out[0], x, y, COUNT);
        f64->times(out[1], x, y, COUNT);
        f64->margin(out[2], 0.3, x, y, offset, COUNT);
        for (int i = 0; i < COUNT; i++) {
            double gap = x[i] == y[i] ? 0 : x[i] - y[i];
            expect_number(out[0][i], gap);
            expect_number(out[1][i], x[i] == 0 ? 0 : x[i] * y[i]);
            expect_number(out[2][i], 0.3 * gap - offset[i]);
        }
    }
}
END_TEST

/* Rows of one or two f32 from any address, with nothing behind the end. */
START_TEST(rows_come_and_go)
{
    enum { COUNT = 70 };
    static const float odd[] = {INFINITY, -INFINITY, NAN};
    float rows[2 * COUNT + 1], back[2 * COUNT + 1];
    double to[2][COUNT + 1], w[COUNT], y[COUNT];
    for (int i = 0; i < 2 * COUNT; i++)
        rows[i] = i % 7 == 0 ? FLT_MAX : (float)i - 30;
    for (int i = 0; i < COUNT; i++) {
        w[i] = i % 5 == 0 ? 0 : 0.1 * i;
        x[i] = i % 10 == 0 ? NAN : i % 10 == 5 ? INFINITY : i / 3.0;
        y[i] = -1.7 * i;
    }
    for (int l = 0; l < LEVELS; l++) {
        const struct align__f64 *f64 = align__f64(cpus[l] & align_cpu());
        for (int width = 1; width <= 2; width++)
            for (int64_t n = 0; n < COUNT; n++) {
                to[0][n] = to[1][n] = 12345;
                ck_assert(f64->read_rows(to[0], width == 2 ? to[1] : NULL, rows + 1, n));
                for (int64_t i = 0; i < n * width; i++)
                    ck_assert(to[i % width][i / width] == (double)rows[1 + i]);
                ck_assert(to[0][n] == 12345 && to[1][n] == 12345);
                back[1 + n * width] = 12345;
                f64->write_rows(back + 1, w, x, width == 2 ? y : NULL, n);
                for (int64_t i = 0; i < n * width; i++) {
                    const double factor = w[i / width],
                                 other = i % width == 0 ? x[i / width] : y[i / width];
                    ck_assert(back[1 + i] == (factor == 0 ? 0 : (float)(factor * other)));
                }
                ck_assert(back[1 + n * width] == 12345);
                for (int64_t at = 1; at <= n * width; at++) {
                    const float kept = rows[at];
                    rows[at] = odd[at % 3];
                    ck_assert(!f64->read_rows(to[0], width == 2 ? to[1] : NULL, rows + 1, n));
                    rows[at] = kept;
                }
            }
        f64->shares(to[0], (const double[]){4, 0, 1, 3}, 4);
        ck_assert(to[0][0] == 0.25 && to[0][1] == 0 && to[0][2] == 1 && to[0][3] == 1.0 / 3);
    }
}
END_TEST

START_TEST(ranges_are_closed_and_without_nan)
{
    static const double outside[] = {-1.5, 2.5, NAN, INFINITY, -INFINITY};
    for (int l = 0; l < LEVELS; l++) {
        const struct align__f64 *f64 = align__f64(cpus[l] & align_cpu());
        for (int64_t n = 0; n < 40; n++) {
            for (int64_t i = 0; i < 40; i++)
                x[i] = i >= n ? NAN : i % 2 == 0 ? -1 : 2;
            ck_assert(f64->within(x, -1, 2, n));
            for (int64_t at = 0; at < n; at++) {
                double kept = x[at];
                x[at] = outside[(n + at) % 5];
                ck_assert(!f64->within(x, -1, 2, n));
                x[at] = kept;
            }
        }
    }
}
END_TEST

/* From its parts, and against the same with the sides exchanged. */
START_TEST(mixtures_are_made_of_logistics)
{
    enum { COUNT = 203 };
    static double prob[COUNT], parts[4][COUNT], out[2][5][COUNT], by[2][COUNT];
    const double beta = 0.3, right = 0.9, wrong = 0.2;
    for (int l = 0; l < LEVELS; l++) {
        const struct align__f64 *f64 = align__f64(cpus[l] & align_cpu());
        for (int i = 0; i < COUNT; i++) {
            x[i] = i < 2 ? (i == 0 ? INFINITY : -INFINITY) : random_number();
            prob[i] = i % 3 == 0 ? 1 : (double)(random_bits() >> 11) * 0x1p-53;
            by[0][i] = i % 5 == 0 ? 0 : 1.0 / (1 + i);
            by[1][i] = i % 7 == 0 ? (double)INFINITY : (double)(i % 4);
        }
        double(*o)[COUNT] = out[l > 0];
        for (int scaled = 0; scaled < 2; scaled++) {
            const struct align__mixture mixture = {
                .z = x,
                .prob = prob,
                .beta = beta,
                .right = right,
                .wrong = wrong,
                .by = {scaled ? by[0] : NULL, scaled ? by[1] : NULL},
                .value = o[0],
                .d = {o[1], o[2]},
                .h = {o[3], o[4]},
            };
            f64->mixture(&mixture, COUNT);
            f64->logistic((struct align__logistics){parts[0], parts[1], parts[2], parts[3]}, x,
                          COUNT);
            for (int i = 0; i < COUNT; i++) {
                double t = prob[i] * right + (1 - prob[i]) * wrong;
                double f = prob[i] * wrong + (1 - prob[i]) * right;
                double slope = beta * (f * parts[2][i] - t * parts[3][i]);
                double curve = beta * beta * ((t + f) * parts[2][i] * parts[3][i]);
                double dx = scaled ? by[0][i] : 1, dy = scaled ? by[1][i] : 1;
                expect_number(o[0][i], t * parts[1][i] + f * parts[0][i]);
                expect_number(o[1][i], slope == 0 ? 0 : slope * dx);
                expect_number(o[2][i], -(slope == 0 ? 0 : slope * dy));
                expect_number(o[3][i], curve == 0 ? 0 : curve * (dx * dx));
                expect_number(o[4][i], curve == 0 ? 0 : curve * (dy * dy));
            }
        }
    }
}
END_TEST

/* Against long double, of any length from any address, and the same bits on every level. */
START_TEST(products_and_gaps)
{
    enum { COUNT = 150 };
    static double y[COUNT + 1], out[COUNT + 1], dots[LEVELS], sums[LEVELS][COUNT],
        gaps[LEVELS][COUNT];
    static float a[COUNT + 1], b[COUNT + 1];
    for (int64_t n = 0; n <= COUNT; n++) {
        const int64_t at = n % 2 < COUNT - n ? n % 2 : 0;
        long double truth_of_dot = 0, size = 0;
        for (int i = 0; i <= COUNT; i++) {
            x[i] = (double)(random_bits() >> 12) * 0x1p-52 - 0.5;
            y[i] = (double)(random_bits() >> 12) * 0x1p-52 - 0.5;
            a[i] = (float)x[i] * 1e5f;
            b[i] = (float)y[i];
        }
        for (int64_t i = 0; i < n; i++) {
            truth_of_dot += (long double)x[at + i] * y[at + i];
            size += fabsl((long double)x[at + i] * y[at + i]);
        }
        for (int l = 0; l < LEVELS; l++) {
            const struct align__f64 *f64 = align__f64(cpus[l] & align_cpu());
            memcpy(out, y, sizeof out);
            dots[l] = f64->dot(x + at, y + at, n);
            f64->add(out + at, 0.3, x + at, n);
            memcpy(sums[l], out, sizeof sums[l]);
            f64->gap(out + at, a + at, b + at, n);
            memcpy(gaps[l], out, sizeof gaps[l]);
            ck_assert_mem_eq(&dots[l], &dots[0], sizeof dots[0]);
            ck_assert_mem_eq(sums[l], sums[0], sizeof sums[0]);
            ck_assert_mem_eq(gaps[l], gaps[0], sizeof gaps[0]);
        }
        ck_assert(fabsl(dots[0] - truth_of_dot) <= 16 * 0x1p-53L * size);
        for (int64_t i = 0; i < COUNT; i++) {
            bool inside = i >= at && i < at + n;
            ck_assert(sums[0][i] == (inside ? y[i] + 0.3 * x[i] : y[i]));
            ck_assert(!inside || gaps[0][i] == (double)a[i] - (double)b[i]);
        }
    }
}
END_TEST

START_TEST(sums_lose_nothing)
{
    for (int l = 0; l < LEVELS; l++) {
        const struct align__f64 *f64 = align__f64(cpus[l] & align_cpu());
        for (int64_t n = 0; n < 300; n++) {
            long double truth_of_sum = 0;
            for (int64_t i = 0; i < n; i++) {
                x[i] = ldexp((double)(random_bits() >> 20), (int)(random_bits() % 12)) *
                       (random_bits() % 2 == 0 ? 1 : -1);
                truth_of_sum += x[i];
            }
            ck_assert(f64->tame(x, n));
            const struct align__sum sum = f64->sum(x, n);
            ck_assert((long double)sum.sum + sum.lost == truth_of_sum);
        }
        static const double wild[] = {NAN, INFINITY, -INFINITY, 0x1p1000, -DBL_MAX};
        for (int64_t n = 1; n < 40; n++)
            for (int64_t at = 0; at < n; at++) {
                double kept = x[at];
                x[at] = wild[(n + at) % 5];
                ck_assert(!f64->tame(x, n));
                x[at] = kept;
            }
    }
}
END_TEST

/* Pair by pair, in long double, for lists of any length; equal labels, equal gains and infinities among them. */
START_TEST(swaps_are_sums_over_pairs)
{
    enum { MOST = 37 };
    static double label[MOST], gain[MOST], discount[MOST], d[LEVELS][MOST], h[LEVELS][MOST];
    static double room[6 * (2 * MOST + 8)];
    for (int round = 0; round < 400; round++) {
        const int64_t n = round % (MOST + 1);
        long double value = 0, steepness = 0, slope[MOST] = {0}, curve[MOST] = {0};
        struct align__swaps swaps[LEVELS];
        const double eps = round % 3 * 0.2;
        for (int64_t i = 0; i < n; i++) {
            x[i] = round % 5 == 0 && random_bits() % 6 == 0
                       ? -INFINITY
                       : (double)(random_bits() % 4096) / 256 - 8;
            label[i] = (double)(random_bits() % 5);
            gain[i] = label[i] * 1.5;
            discount[i] = 1 / (1.0 + (double)(random_bits() % 7));
        }
        const bool even = round % 2 == 0;
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++) {
                if (!(label[i] > label[j]))
                    continue;
                long double gap = x[i] == x[j] ? 0 : (long double)x[i] - x[j];
                long double w = even ? 1
                                     : fabs(gain[i] - gain[j]) * fabs(discount[i] - discount[j]);
                long double v = (1 - eps) * softplus(-gap) + (eps > 0 ? eps * softplus(gap) : 0);
                long double at = w * (eps * sigmoid(gap) - (1 - eps) * sigmoid(-gap));
                value += w > 0 ? w * v : 0;
                steepness += fabsl(at);
                slope[i] += at;
                slope[j] -= at;
                curve[i] += w * sigmoid(gap) * sigmoid(-gap);
                curve[j] += w * sigmoid(gap) * sigmoid(-gap);
            }
        for (int l = 0; l < LEVELS; l++) {
            memset(d[l], 0, sizeof d[l]);
            memset(h[l], 0, sizeof h[l]);
            swaps[l] = (struct align__swaps){.s = x,
                                             .label = label,
                                             .gain = even ? NULL : gain,
                                             .discount = even ? NULL : discount,
                                             .eps = eps,
                                             .room = room,
                                             .d = d[l],
                                             .h = h[l]};
            align__f64(cpus[l] & align_cpu())->swaps(&swaps[l], n);
            ck_assert_mem_eq(d[0], d[l], sizeof d[0]);
            ck_assert_mem_eq(h[0], h[l], sizeof h[0]);
            ck_assert(swaps[0].value.sum == swaps[l].value.sum &&
                      swaps[0].steepness == swaps[l].steepness);
            ck_assert(swaps[0].value.lost == swaps[l].value.lost || isinf(swaps[0].value.sum));
        }
        ck_assert(isinf((double)value) ? isinf(swaps[0].value.sum)
                                       : fabs(swaps[0].value.sum + swaps[0].value.lost -
                                              (double)value) <= 1e-14 * (double)value);
        ck_assert(fabs(swaps[0].steepness - (double)steepness) <= 1e-13 * (double)steepness);
        for (int64_t i = 0; i < n; i++)
            ck_assert(fabs(d[0][i] - (double)slope[i]) <= 1e-13 * (1 + (double)steepness) &&
                      fabs(h[0][i] - (double)curve[i]) <= 1e-13 * (1 + (double)curve[i]));
    }
}
END_TEST

START_TEST(orders_are_stable_and_fall)
{
    enum { MOST = 70, FIRST = 1000 };
    double key[MOST];
    int64_t order[MOST + 1];
    for (int64_t n = 0; n <= MOST; n++)
        for (int l = 0; l < LEVELS; l++) {
            bool seen[MOST] = {false};
            for (int64_t i = 0; i < n; i++)
                key[i] = random_bits() % 9 == 0 ? -INFINITY : (double)(random_bits() % 12);
            order[n] = -1;
            align__f64(cpus[l] & align_cpu())->order(order, FIRST, key, n);
            ck_assert_int_eq(order[n], -1);
            for (int64_t k = 0; k < n; k++) {
                const int64_t i = order[k] - FIRST, before = k > 0 ? order[k - 1] - FIRST : 0;
                ck_assert(i >= 0 && i < n && !seen[i]);
                seen[i] = true;
                ck_assert(k == 0 || key[before] > key[i] || (key[before] == key[i] && before < i));
            }
        }
}
END_TEST

START_TEST(f32_moves_by_any_stride)
{
    enum { COUNT = 67 };
    static float from[5 * COUNT], to[5 * COUNT];
    for (int i = 0; i < 5 * COUNT; i++)
        from[i] = (float)i / 3;
    for (int l = 0; l < LEVELS; l++) {
        const struct align__f64 *f64 = align__f64(cpus[l] & align_cpu());
        for (int stride = -4; stride <= 4; stride++)
            for (int64_t n = 0; n <= COUNT; n += 11) {
                const float *in = stride < 0 ? from + 4 * COUNT : from;
                float *out = stride < 0 ? to + 4 * COUNT : to;
                memset(to, 0, sizeof to);
                f64->widen(x, in, stride, n);
                for (int64_t i = 0; i < n; i++)
                    ck_assert(x[i] == (double)in[stride * i]);
                if (stride == 0)
                    continue;
                f64->narrow(out, stride, x, n);
                for (int64_t i = 0; i < n; i++)
                    ck_assert(out[stride * i] == in[stride * i]);
                int64_t written = 0;
                for (int i = 0; i < 5 * COUNT; i++)
                    written += to[i] != 0;
                ck_assert_int_le(written, n);
            }
    }
}
END_TEST

/* Every length, and a wrong index of every kind at every place. */
static double uniform(void)
{
    return (double)(random_bits() >> 11) * 0x1p-53;
}

/* Against long double, and with the bytes of plain C; what is outside of the first n is as it was. */
START_TEST(games_are_sums_over_pairs)
{
    enum { GAMES = 43, ITEMS = 17 };
    double strength[ITEMS], won[GAMES], lost[GAMES], out[2][GAMES + 1], plain[2][GAMES + 1];
    int32_t i[GAMES], j[GAMES];
    for (int k = 0; k < ITEMS; k++)
        strength[k] = 40 * uniform() - 20;
    for (int k = 0; k < GAMES; k++) {
        i[k] = (int32_t)(random_bits() % ITEMS);
        j[k] = (i[k] + 1 + (int32_t)(random_bits() % (ITEMS - 1))) % ITEMS;
        won[k] = k % 5 == 0 ? 0 : 9 * uniform();
        lost[k] = k % 7 == 0 ? 0 : 9 * uniform();
    }
    for (int n = 0; n <= GAMES; n++) {
        double plain_value = 0;
        for (int level = 0; level < LEVELS; level++) {
            const struct align__f64 *f64 = align__f64(cpus[level] & align_cpu());
            struct align__games games = {strength, i, j, won, lost, 0.375, true, out[0], out[1], 0};
            long double value = 0, size = 0;
            memset(out, 0xa5, sizeof out);
            f64->games(&games, n);
            for (int k = 0; k < n; k++) {
                long double d = (long double)strength[i[k]] - strength[j[k]] + 0.375L;
                long double p = 1 / (1 + expl(-d)), q = 1 / (1 + expl(d));
                long double high = won[k] * -logl(p), low = lost[k] * -logl(q);
                value += high + low;
                size += high + low;
                ck_assert_ldouble_le(fabsl(out[0][k] - (lost[k] * p - won[k] * q)), 1e-13L);
                ck_assert_ldouble_le(fabsl(out[1][k] - (won[k] + lost[k]) * p * q), 1e-13L);
            }
            ck_assert_ldouble_le(fabsl(games.value - value), 1e-14L * size);
            if (level == 0)
                memcpy(plain, out, sizeof out), plain_value = games.value;
            ck_assert_mem_eq(out, plain, sizeof out);
            ck_assert_mem_eq(&games.value, &plain_value, sizeof plain_value);
            games.valued = false;
            memset(out, 0xa5, sizeof out);
            f64->games(&games, n);
            ck_assert_mem_eq(out, plain, sizeof out);
            ck_assert_double_eq(games.value, 0);
        }
    }
}
END_TEST

START_TEST(cells_of_pairs_and_wrong_ones)
{
    enum { PAIRS = 80, ITEMS = 61 };
    int32_t a[PAIRS], b[PAIRS];
    uint32_t cell[PAIRS + 1];
    const int32_t bad[] = {-1, ITEMS, INT32_MIN, INT32_MAX};
    for (int k = 0; k < PAIRS; k++) {
        a[k] = (int32_t)(random_bits() % ITEMS);
        b[k] = (a[k] + 1 + (int32_t)(random_bits() % (ITEMS - 1))) % ITEMS;
    }
    a[0] = ITEMS - 1, b[0] = 0, a[1] = 0, b[1] = ITEMS - 1;
    for (int level = 0; level < LEVELS; level++) {
        const struct align__f64 *f64 = align__f64(cpus[level] & align_cpu());
        for (int n = 0; n <= PAIRS; n++) {
            memset(cell, 0xa5, sizeof cell);
            ck_assert(f64->cells(cell, a, b, ITEMS, n));
            for (int k = 0; k < n; k++)
                ck_assert_uint_eq(cell[k], (uint32_t)(a[k] * ITEMS + b[k]));
            ck_assert_uint_eq(cell[n], 0xa5a5a5a5);
        }
        for (int at = 0; at < PAIRS; at++)
            for (int k = 0; k < 9; k++) {
                int32_t *side = k % 2 == 0 ? a : b, old = side[at];
                side[at] = k < 8 ? bad[k / 2] : b[at];
                ck_assert(!f64->cells(cell, a, b, ITEMS, PAIRS));
                ck_assert(f64->cells(cell, a, b, ITEMS, at));
                side[at] = old;
            }
    }
}
END_TEST

SUITE_MAIN("kernels/f64", errors_are_within_the_stated_bounds, corners_are_those_of_the_c_library,
           every_level_gives_equal_bits, lengths_and_addresses_do_not_matter,
           arithmetic_keeps_its_conventions, rows_come_and_go, ranges_are_closed_and_without_nan,
           mixtures_are_made_of_logistics, products_and_gaps, sums_lose_nothing,
           swaps_are_sums_over_pairs, orders_are_stable_and_fall, games_are_sums_over_pairs,
           f32_moves_by_any_stride, cells_of_pairs_and_wrong_ones)
