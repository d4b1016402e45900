/* Sums, lines and advantages: equal bits of every level, any length and address, and what is left out. */
#include "../suite.h"

#include "base/cpu.h"
#include "kernels/f32.h"
#include "kernels/f64.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { N = 1000, LEVELS = 3, PAD = 16 };

static const uint64_t cpus[LEVELS] = {0, ALIGN_CPU_AVX2, ALIGN_CPU_AVX2 | ALIGN_CPU_AVX512};

static float x[N + PAD];
static uint8_t live[N + PAD];

static uint32_t random_bits(void)
{
    static uint64_t seed = 3;
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 32);
}

/* Stretches of 97 are finite, or one in nine of them is NaN or infinite; and of all, of two in three, or of none
 * the mask is a byte that is not 0. */
static void fill(void)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    uint32_t kind = 0;
    for (int i = 0; i < N + PAD; i++) {
        uint32_t bits = random_bits();
        kind = i % 97 == 0 ? random_bits() : kind;
        bool is_odd = kind % 2 == 0 && bits % 9 == 0;
        bool masked = kind / 2 % 3 == 0 || (kind / 2 % 3 == 1 && random_bits() % 3 == 0);
        x[i] = is_odd ? odd[bits / 9 % 3] : (float)(bits >> 8) * 0x1p-20f - 7;
        live[i] = masked ? 0 : (uint8_t)(1 + random_bits() % 255);
    }
}

static const struct align__f32 *level(int l)
{
    return align__f32(cpus[l] & align_cpu());
}

static const uint8_t *mask_at(int64_t first, bool masked)
{
    return masked ? live + first : NULL;
}

/* Element by element, in the order that f32.h states. */
static struct align__f32_sums expected_sums(int64_t first, int64_t n, bool masked, double origin,
                                            double mean)
{
    struct align__f32_sums s = {0, 0, 0, 0, INFINITY, -INFINITY};
    double sum[8] = {0}, square[8] = {0};
    for (int64_t i = 0; i < n; i++) {
        double u = (double)x[first + i] - origin - mean;
        if (masked && live[first + i] == 0)
            continue;
        if (!isfinite(x[first + i])) {
            s.skipped++;
            continue;
        }
        s.count++;
        sum[i % 8] += u;
        square[i % 8] += u * u;
        s.least = fmin(s.least, (double)x[first + i]);
        s.most = fmax(s.most, (double)x[first + i]);
    }
    for (int k = 0; k < 8; k++) {
        s.sum += sum[k];
        s.square += square[k];
    }
    return s;
}

START_TEST(sums_are_those_of_eight_lanes)
{
    for (int round = 0; round < 400; round++) {
        int64_t first = round % PAD, n = round < 80 ? round : (int64_t)(random_bits() % N);
        bool masked = round % 2 == 0;
        fill();
        struct align__f32_sums want = expected_sums(first, n, masked, 0.25, 0.1);
        for (int l = 0; l < LEVELS; l++) {
            struct align__f32_sums got;
            level(l)->sums(&got, x + first, mask_at(first, masked), 0.25, 0.1, n);
            ck_assert_int_eq(got.count, want.count);
            ck_assert_int_eq(got.skipped, want.skipped);
            ck_assert(got.sum == want.sum && got.square == want.square);
            ck_assert(got.least == want.least && got.most == want.most);
        }
    }
}
END_TEST

START_TEST(plain_sums_have_the_same_order)
{
    static double u[N];
    for (int64_t n = 0; n < 100; n++) {
        fill();
        for (int i = 0; i < n; i++)
            x[i] = isfinite(x[i]) ? x[i] : 1;
        for (int i = 0; i < n; i++)
            u[i] = (double)x[i];
        for (int l = 0; l < LEVELS; l++)
            ck_assert(align__f64(cpus[l] & align_cpu())->lane_sum(u, n) ==
                      expected_sums(0, n, false, 0, 0).sum);
    }
}
END_TEST

static float expected_line(const struct align__f32_line *l, float at)
{
    double y = (((double)at - l->center - l->rest) / l->divisor + l->back) * l->gain + l->bias;
    return (float)(y < l->low ? l->low : y > l->high ? l->high : y);
}

START_TEST(lines_stop_at_the_end_and_at_the_mask)
{
    static float out[N + PAD];
    const struct align__f32_line clipped = {3.5, 1e-9, 2.25, 0.5, 3, -1, -4, 4};
    struct align__f32_line line = clipped;
    for (int round = 0; round < 400; round++) {
        int64_t first = round % PAD, n = round < 80 ? round : (int64_t)(random_bits() % N);
        bool masked = round % 2 == 0;
        line.low = round % 3 == 0 ? -INFINITY : clipped.low;
        fill();
        for (int l = 0; l < LEVELS; l++) {
            for (int i = 0; i < N + PAD; i++)
                out[i] = 77;
            level(l)->line(out + first, x + first, mask_at(first, masked), &line, n);
            for (int64_t i = 0; i < N + PAD; i++) {
                bool inside = i >= first && i < first + n;
                bool counts = !masked || live[i] != 0;
                float want = !inside ? 77 : counts ? expected_line(&line, x[i]) : 0;
                ck_assert(out[i] == want || (isnan(out[i]) && isnan(want)));
            }
        }
        memcpy(out, x, sizeof out);
        level(0)->line(out, out, NULL, &line, N);
        for (int i = 0; i < N; i++)
            ck_assert(isnan(x[i]) || out[i] == expected_line(&line, x[i]));
    }
}
END_TEST

enum { ABREAST = ALIGN__GROUPS_ABREAST, LONGEST = 40 };

/* One group in the order of its values. */
static struct align__f32_groups expected_groups(const float *at, int64_t n)
{
    struct align__f32_groups s = {0};
    for (int k = 0; k < ABREAST; k++, at += n) {
        double origin = (double)at[0], sum = 0;
        s.origin[k] = s.least[k] = s.most[k] = origin;
        for (int64_t i = 0; i < n; i++) {
            sum += (double)at[i] - origin;
            s.least[k] = fmin(s.least[k], (double)at[i]);
            s.most[k] = fmax(s.most[k], (double)at[i]);
        }
        s.mean[k] = sum / (double)n;
        for (int64_t i = 0; i < n; i++) {
            double u = (double)at[i] - origin - s.mean[k];
            s.square[k] += u * u;
        }
    }
    return s;
}

static void check_group_lines(const struct align__f32 *f32, const float *from, const double *at,
                              int64_t n)
{
    static const double divisors[] = {1, -3, 0.7, 0x1p-500, 1e-3, INFINITY, 0x1p401, 2};
    struct align__f32_group_lines lines = {.low = -2, .high = 40};
    float out[ABREAST * LONGEST + 1];
    for (int k = 0; k < ABREAST; k++) {
        lines.origin[k] = k;
        lines.center[k] = 0.3 * k;
        lines.divisor[k] = n % 2 == 0 ? 1 + k : divisors[k];
        lines.factor[k] = 1.1;
        lines.gain[k] = 3 - k;
        lines.bias[k] = -0.1 * k;
    }
    out[ABREAST * n] = 77;
    f32->group_lines(out, at, &lines, n);
    for (int64_t i = 0; i < ABREAST * n; i++) {
        int64_t k = i / n;
        double y = ((double)from[i] - lines.origin[k] - lines.center[k]) / lines.divisor[k];
        y = lines.gain[k] * (y * lines.factor[k]) + lines.bias[k];
        ck_assert(out[i] == (float)(y < -2 ? -2 : y > 40 ? 40 : y));
    }
    ck_assert(out[ABREAST * n] == 77);
}

START_TEST(groups_abreast_are_groups_one_by_one)
{
    static double at[ABREAST * LONGEST];
    static float copy[ABREAST * LONGEST];
    for (int64_t n = 1; n <= LONGEST; n++) {
        for (int64_t i = 0; i < ABREAST * n; i++)
            copy[i] = (float)(random_bits() >> 8) * 0x1p-20f - 7;
        struct align__f32_groups want = expected_groups(copy, n), got;
        for (int l = 0; l < LEVELS; l++) {
            ck_assert(level(l)->group_sums(&got, at, copy, n));
            ck_assert_mem_eq(&got, &want, sizeof want);
            for (int64_t i = 0; i < ABREAST * n; i++)
                ck_assert(at[i % n * ABREAST + i / n] == (double)copy[i]);
            check_group_lines(level(l), copy, at, n);
            int64_t odd = (int64_t)(random_bits() % (uint32_t)(ABREAST * n));
            float kept = copy[odd];
            copy[odd] = odd % 3 == 0 ? NAN : odd % 3 == 1 ? INFINITY : -INFINITY;
            ck_assert(!level(l)->group_sums(&got, at, copy, n));
            copy[odd] = kept;
        }
    }
}
END_TEST

/* Any f32 and divisors of any size: less the rounded quotient in f64, nothing may be left. */
START_TEST(lines_divide_as_a_division_does)
{
    enum { SAME = 70 };
    static float in[SAME], out[SAME];
    for (int round = 0; round < 20000; round++) {
        double size = ldexp(1 + random_bits() * 0x1p-32 + random_bits() * 0x1p-52,
                            (int)(random_bits() % 200) - 100);
        double divisor = round < 200   ? ldexp(2 - 0x1p-52, round - 100)
                         : round < 300 ? ldexp(size, 600)
                         : round < 400 ? ldexp(size, -600)
                         : round % 2   ? -size
                                       : size;
        uint32_t bits = random_bits();
        float at;
        memcpy(&at, &bits, sizeof at);
        if (!isfinite(at) || isinf((double)at / divisor))
            continue;
        const struct align__f32_line line = {0,        0, divisor,   -((double)at / divisor),
                                             0x1p1000, 0, -INFINITY, INFINITY};
        for (int i = 0; i < SAME; i++)
            in[i] = at;
        for (int l = 0; l < LEVELS; l++) {
            level(l)->line(out, in, NULL, &line, SAME);
            ck_assert(out[0] == 0 && out[SAME - 1] == 0);
        }
    }
}
END_TEST

START_TEST(deltas_and_targets_are_those_of_a_loop)
{
    static double delta[N + PAD];
    static float value[N + PAD], advantage[N + PAD], target[N + PAD];
    for (int n = 0; n < 300; n += 1 + n / 20) {
        int first = n % PAD;
        const double gamma = n % 2 == 0 ? 1 : 0.97, after = n % 3 == 0 ? 0 : 1.25;
        fill();
        memcpy(value, x, sizeof value);
        fill();
        for (int l = 0; l < LEVELS; l++) {
            for (int i = 0; i < N + PAD; i++)
                delta[i] = advantage[i] = 77;
            memcpy(target, value, sizeof target);
            level(l)->deltas(delta + first, x + first, value + first, after, gamma, n);
            level(l)->targets(advantage + first, target + first, delta + first, target + first, n);
            for (int i = 0; i < N + PAD; i++) {
                bool inside = i >= first && i < first + n;
                double next = i + 1 < first + n ? (double)value[i + 1] : after;
                double want = inside ? (double)x[i] + gamma * next - (double)value[i] : 77;
                double sum = inside ? want + (double)value[i] : (double)value[i];
                ck_assert(delta[i] == want || (isnan(delta[i]) && isnan(want)));
                ck_assert(advantage[i] == (float)want || (isnan(advantage[i]) && isnan(want)));
                ck_assert(target[i] == (float)sum || (isnan(target[i]) && isnan(sum)));
            }
        }
    }
}
END_TEST

/* A whole number modulo 2^64. */
static uint64_t modulo(double whole)
{
    double rest = fmod(whole, 0x1p64);
    return rest < 0 ? 0 - (uint64_t)-rest : (uint64_t)rest;
}

/* Numbers m 2^p with |m| < 2^43, where an f32 holds them: sums in integers say what they have to be. */
START_TEST(exact_sums_are_those_of_integers)
{
    static float at[ALIGN__EXACT_MOST + PAD];
    for (int round = 0; round < 600; round++) {
        int64_t n = round < 100 ? round : 1 + (int64_t)(random_bits() % ALIGN__EXACT_MOST);
        int power = round % 7 * 15 - 60, first = round % PAD;
        int64_t sum = 0;
        uint64_t square = 0;
        double about = 0;
        for (int i = 0; i < first + n; i++) {
            int64_t m = (int32_t)random_bits() / 256;
            m = round % 3 == 0 ? m : m * (INT64_C(1) << random_bits() % 20);
            at[i] = ldexpf((float)m, power);
            if (i < first)
                continue;
            sum += m;
            square += (uint64_t)m * (uint64_t)m;
            about += (double)m * (double)m;
        }
        for (int l = 0; l < LEVELS; l++) {
            struct align__f32_exact got;
            ck_assert(level(l)->exact(&got, at + first, n));
            ck_assert(ldexp(got.sum, -power) == (double)sum);
            double high = ldexp(got.square, -2 * power), low = ldexp(got.square_rest, -2 * power);
            ck_assert(modulo(high) + modulo(low) == square);
            ck_assert(fabs(high + low - about) <= 1e-12 * about);
            for (int64_t i = first; i < first + n; i++)
                ck_assert(got.least <= at[i] && at[i] <= got.most);
        }
    }
}
END_TEST

START_TEST(sums_that_f64_does_not_hold_are_refused)
{
    static const float odd[] = {NAN,       INFINITY,        -INFINITY, 0x1p100f,
                                -0x1p127f, 0x1.000002p-22f, 0x1p-149f};
    static float at[ALIGN__EXACT_MOST];
    struct align__f32_exact got;
    for (int i = 0; i < ALIGN__EXACT_MOST; i++)
        at[i] = (float)(i % 5) * 0.25f;
    for (int l = 0; l < LEVELS; l++) {
        ck_assert(level(l)->exact(&got, at, ALIGN__EXACT_MOST) && got.sum == 511.5);
        for (size_t k = 0; k < sizeof odd / sizeof odd[0]; k++)
            for (int i = 0; i < ALIGN__EXACT_MOST; i += 113) {
                float before = at[i];
                at[i] = odd[k];
                ck_assert(!level(l)->exact(&got, at, ALIGN__EXACT_MOST));
                at[i] = before;
            }
    }
}
END_TEST

SUITE_MAIN("kernels/f32", exact_sums_are_those_of_integers, sums_that_f64_does_not_hold_are_refused,
           sums_are_those_of_eight_lanes, plain_sums_have_the_same_order,
           lines_stop_at_the_end_and_at_the_mask, lines_divide_as_a_division_does,
           groups_abreast_are_groups_one_by_one, deltas_and_targets_are_those_of_a_loop)
