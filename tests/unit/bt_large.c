/* A million games: how far answers are from the maximum, and what they take. */
#include "../suite.h"

#include <libalign/bt.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 10000, ROWS = 1000000, TURNS = 400 };

static int32_t first[ROWS], beaten[ROWS];
static double strength[MOST];
static long double curve[ROWS], diagonal[MOST], residual[MOST], direction[MOST], product[MOST],
    correction[MOST];
static uint64_t state;

static uint32_t draw(uint32_t n)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((state >> 32) * n >> 32);
}

/* Strengths from -1 to 1. */
static void play(int32_t n)
{
    state = 5;
    for (int64_t r = 0; r < ROWS; r++) {
        int32_t a = (int32_t)draw((uint32_t)n), b = (a + 1 + (int32_t)draw((uint32_t)n - 1)) % n;
        bool won = draw(1000000) < 1000000 / (1 + exp(2.0 * (b - a) / n));
        first[r] = won ? a : b;
        beaten[r] = won ? b : a;
    }
}

static void prepare(align_bt_args *args, align_bt_rows *rows, int32_t n, int64_t count)
{
    align_bt_rows_init(rows, sizeof *rows);
    rows->first = align_1d(first, ALIGN_I32, count);
    rows->second = align_1d(beaten, ALIGN_I32, count);
    align_bt_args_init(args, sizeof *args);
    args->n_items = n;
    args->rows = rows;
    args->strength = align_1d(strength, ALIGN_F64, n);
}

static void fit(align_bt_args *args)
{
    align_exec exec;
    size_t least = 0, best = 0;
    align_exec_init(&exec, sizeof exec);
    ck_assert_int_eq(align_bt_scratch(&exec, args, &least, &best), ALIGN_E_NONE);
    exec.scratch = malloc(best);
    exec.scratch_size = best;
    ck_assert_int_eq(align_bt_fit(&exec, args), ALIGN_E_NONE);
    free(exec.scratch);
}

static long double dot(const long double *a, const long double *b, int32_t n)
{
    long double sum = 0;
    for (int32_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* The score at `strength`, and the information's diagonal. */
static void find_score(int32_t n)
{
    memset(residual, 0, sizeof residual);
    memset(diagonal, 0, sizeof diagonal);
    for (int64_t r = 0; r < ROWS; r++) {
        long double d = (long double)strength[first[r]] - strength[beaten[r]];
        long double lost = 1 / (1 + expl(d));
        curve[r] = lost * (1 - lost);
        residual[first[r]] += lost;
        residual[beaten[r]] -= lost;
        diagonal[first[r]] += curve[r];
        diagonal[beaten[r]] += curve[r];
    }
    for (int32_t i = 0; i < n; i++)
        ck_assert(diagonal[i] > 0);
}

/* A Newton step in long double from `strength`, row by row: what is left to the maximum, as its square is
 * nothing. Conjugate gradients under the diagonal; mean 0. */
static double distance(int32_t n)
{
    find_score(n);
    memset(correction, 0, sizeof correction);
    long double size = 0, most = 0, mean = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        long double before = size, beta;
        size = 0;
        for (int32_t i = 0; i < n; i++)
            size += residual[i] * residual[i] / diagonal[i];
        if (size <= 1e-29L)
            break;
        beta = turn == 0 ? 0 : size / before;
        for (int32_t i = 0; i < n; i++)
            direction[i] = residual[i] / diagonal[i] + beta * direction[i];
        memset(product, 0, sizeof product);
        for (int64_t r = 0; r < ROWS; r++) {
            long double x = curve[r] * (direction[first[r]] - direction[beaten[r]]);
            product[first[r]] += x;
            product[beaten[r]] -= x;
        }
        long double step = size / dot(direction, product, n);
        for (int32_t i = 0; i < n; i++) {
            correction[i] += step * direction[i];
            residual[i] -= step * product[i];
        }
    }
    ck_assert_msg(size <= 1e-29L, "conjugate gradients left %Lg", size);
    for (int32_t i = 0; i < n; i++)
        mean += (strength[i] + correction[i]) / n;
    for (int32_t i = 0; i < n; i++)
        most = fmaxl(most, fabsl(correction[i] - mean));
    return (double)most;
}

static void expect_maximum(int32_t n)
{
    align_bt_args args;
    align_bt_rows rows;
    play(n);
    prepare(&args, &rows, n, ROWS);
    fit(&args);
    ck_assert_int_lt((int)args.iterations, 20);
    double off = distance(n);
    ck_assert_msg(off < 1e-12, "%d items: %g from the maximum", n, off);
}

START_TEST(a_hundred_items_reach_the_maximum)
{
    expect_maximum(100);
}
END_TEST

START_TEST(ten_thousand_items_reach_the_maximum)
{
    expect_maximum(MOST);
}
END_TEST

/* Scratch grows by the same for each pair, whatever there was before, and by the same for each item. */
START_TEST(scratch_is_linear)
{
    double bytes[3][3];
    for (int n = 0; n < 3; n++)
        for (int r = 0; r < 3; r++) {
            align_bt_args args;
            align_bt_rows rows;
            size_t least = 0, best = 0;
            prepare(&args, &rows, MOST / 4 << n, ROWS / 4 << r);
            ck_assert_int_eq(align_bt_scratch(NULL, &args, &least, &best), ALIGN_E_NONE);
            bytes[n][r] = (double)best;
        }
    for (int k = 0; k < 3; k++) {
        double rows = (bytes[k][2] - bytes[k][1]) / (2 * (bytes[k][1] - bytes[k][0]));
        double items = (bytes[2][k] - bytes[1][k]) / (2 * (bytes[1][k] - bytes[0][k]));
        ck_assert_double_eq_tol(rows, 1, 0.01);
        ck_assert_double_eq_tol(items, 1, 0.01);
    }
    ck_assert_double_lt(bytes[2][2], 200.0 * ROWS);
}
END_TEST

SUITE_MAIN("bt large", a_hundred_items_reach_the_maximum, ten_thousand_items_reach_the_maximum,
           scratch_is_linear)
