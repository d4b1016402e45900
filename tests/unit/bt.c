/* Bradley-Terry fits: against the slow reference, invariances, and what has no finite answer. */
#include "../suite.h"

#include "../bt_games.h"
#include "../ref/bt.h"

#include <math.h>

static struct games games, other;
static struct answer answer, second;

static uint32_t state = 1;

static double uniform(void)
{
    state = state * 1664525 + 1013904223;
    return (double)(state >> 8) / 0x1p24;
}

static int64_t below(int64_t n)
{
    return (int64_t)(uniform() * (double)n);
}

/* A cycle makes any draw finite. Outcomes and weights are of every kind. */
static void draw(int64_t n, int64_t rows)
{
    games.n = n;
    games.rows = 0;
    for (int64_t i = 0; i < n; i++)
        games_add(&games, i, (i + 1) % n, 1, 0.25 + uniform());
    while (games.rows < rows) {
        int64_t a = below(n), b = (a + 1 + below(n - 1)) % n;
        double kind = uniform(), outcome = kind < 0.6   ? 1
                                           : kind < 0.7 ? 0
                                           : kind < 0.8 ? 0.5
                                                        : uniform();
        games_add(&games, a, b, outcome, uniform() < 0.5 ? 1 : 3 * uniform());
    }
}

static struct ref_rows reference_rows(const struct games *g)
{
    return (struct ref_rows){g->n, g->rows, g->first, g->second, g->outcome, g->weight};
}

static void fit_finite(const struct games *g, struct answer *a)
{
    games_fit(g, a);
    ck_assert_msg(a->status == ALIGN_E_NONE, "%s", a->error.text);
    ck_assert_int_eq(a->args.existence, ALIGN_BT_FINITE);
    ck_assert_int_eq((int)a->args.components, 1);
    ck_assert_int_eq((int)a->args.parts, 1);
}

START_TEST(agrees_with_the_slow_reference)
{
    for (int trial = 0; trial < 20; trial++) {
        int64_t n = 2 + trial / 2;
        draw(n, 5 * n);
        fit_finite(&games, &answer);
        struct ref_rows data = reference_rows(&games);
        long double expected[GAMES_ITEMS];
        ref_bt_fit(&data, expected);
        for (int64_t i = 0; i < n; i++)
            games_near(answer.strength[i], (double)expected[i], 1e-12, "strength", i);
        games_near(answer.args.log_likelihood, (double)ref_bt_log_likelihood(&data, expected),
                   1e-12 * (double)games.rows, "log_likelihood", trial);
    }
}
END_TEST

/* One Newton step from 0 leaves a score that the reference's finite differences must see. */
START_TEST(score_is_the_slope_of_the_likelihood)
{
    draw(7, 40);
    align_bt_rows rows = games_rows(&games);
    struct ref_rows data = reference_rows(&games);
    align_bt_args args;
    align_bt_args_init(&args, sizeof args);
    args.n_items = games.n;
    args.rows = &rows;
    args.max_iterations = 1;
    args.strength = align_1d(answer.strength, ALIGN_F64, games.n);
    ck_assert_int_eq(games_run(&args, &answer.error), ALIGN_E_NOT_CONVERGED);
    ck_assert_int_eq((int)args.iterations, 1);
    ck_assert_str_eq(answer.error.field, "align_bt_args.strength");
    long double most = 0, at[GAMES_ITEMS];
    for (int64_t i = 0; i < games.n; i++)
        at[i] = answer.strength[i];
    for (int64_t i = 0; i < games.n; i++) {
        const long double h = 1e-6L;
        at[i] += h;
        long double up = ref_bt_log_likelihood(&data, at);
        at[i] -= 2 * h;
        long double slope = (up - ref_bt_log_likelihood(&data, at)) / (2 * h);
        at[i] += h;
        most = fabsl(slope) > most ? fabsl(slope) : most;
    }
    ck_assert_double_gt(args.score_norm, 1e-3);
    games_near(args.score_norm, (double)most, 1e-9, "score_norm", 0);
    ck_assert_double_gt(args.decrement, 0);
}
END_TEST

START_TEST(relabelling_relabels)
{
    draw(9, 60);
    fit_finite(&games, &answer);
    other = games;
    for (int64_t r = 0; r < games.rows; r++) {
        other.first[r] = (games.first[r] * 4 + 2) % 9;
        other.second[r] = (games.second[r] * 4 + 2) % 9;
    }
    fit_finite(&other, &second);
    for (int64_t i = 0; i < 9; i++)
        games_near(second.strength[(i * 4 + 2) % 9], answer.strength[i], 1e-13, "strength", i);
}
END_TEST

START_TEST(swapping_winners_negates)
{
    draw(9, 60);
    fit_finite(&games, &answer);
    other = games;
    for (int64_t r = 0; r < games.rows; r++)
        other.outcome[r] = 1 - games.outcome[r];
    fit_finite(&other, &second);
    for (int64_t i = 0; i < 9; i++)
        games_near(second.strength[i], -answer.strength[i], 1e-13, "strength", i);
}
END_TEST

static void expect_same_bits(void)
{
    fit_finite(&other, &second);
    ck_assert_int_eq(memcmp(second.strength, answer.strength, sizeof answer.strength), 0);
    ck_assert_mem_eq(&second.args.log_likelihood, &answer.args.log_likelihood, sizeof(double));
}

START_TEST(order_of_rows_changes_no_bit)
{
    draw(12, 400);
    fit_finite(&games, &answer);
    for (int trial = 0; trial < 5; trial++) {
        other.n = games.n;
        other.rows = 0;
        int64_t start = below(games.rows);
        for (int64_t r = 0; r < games.rows; r++) {
            int64_t k = (start + r * 7) % games.rows;
            games_add(&other, games.first[k], games.second[k], games.outcome[k], games.weight[k]);
        }
        ck_assert_int_ne((int)(games.rows % 7), 0);
        expect_same_bits();
    }
}
END_TEST

/* A row of weight w is rows of w/4 and 3w/4, a row turned round, and, for a tie, half a win each way. */
START_TEST(split_and_turned_rows_change_no_bit)
{
    draw(12, 100);
    for (int64_t r = 0; r < games.rows; r++)
        games.weight[r] = (double)(1 + below(64)) / 16;
    for (int64_t r = 0; r < games.rows; r++)
        games.outcome[r] = (double)below(5) / 4;
    fit_finite(&games, &answer);
    other.n = games.n;
    other.rows = 0;
    for (int64_t r = 0; r < games.rows; r++) {
        double w = games.weight[r], y = games.outcome[r];
        games_add(&other, games.first[r], games.second[r], y, w / 4);
        games_add(&other, games.second[r], games.first[r], 0, 3 * w / 4 * y);
        games_add(&other, games.second[r], games.first[r], 1, 3 * w / 4 * (1 - y));
        games_add(&other, games.first[r], games.second[r], uniform(), 0);
    }
    expect_same_bits();
}
END_TEST

START_TEST(unit_rows_equal_weighted_rows)
{
    enum { ROWS = 300 };
    int32_t pairs[ROWS][2];
    games.n = 10;
    games.rows = 0;
    for (int32_t r = 0; r < ROWS; r++) {
        pairs[r][0] = r < 10 ? r : (int32_t)below(10);
        pairs[r][1] = r < 10 ? (r + 1) % 10 : (pairs[r][0] + 1 + (int32_t)below(9)) % 10;
        games_add(&games, pairs[r][0], pairs[r][1], 1, 1);
    }
    fit_finite(&games, &answer);
    align_bt_rows rows;
    align_bt_rows_init(&rows, sizeof rows);
    rows.first = align_1d(&pairs[ROWS - 1][0], ALIGN_I32, ROWS);
    rows.second = align_1d(&pairs[ROWS - 1][1], ALIGN_I32, ROWS);
    rows.first.stride[0] = rows.second.stride[0] = -2;
    float strength[10];
    int64_t part[10];
    align_bt_args args;
    align_bt_args_init(&args, sizeof args);
    args.n_items = 10;
    args.rows = &rows;
    args.strength = align_1d(strength, ALIGN_F32, 10);
    args.part = align_1d(part, ALIGN_I64, 10);
    ck_assert_int_eq(games_run(&args, &answer.error), ALIGN_E_NONE);
    for (int i = 0; i < 10; i++) {
        ck_assert_float_eq(strength[i], (float)answer.strength[i]);
        ck_assert_int_eq((int)part[i], 0);
    }
}
END_TEST

/* ---- no finite answer ---------------------------------------------------------------------- */

struct degenerate {
    const char *rows;
    int64_t n;
    int existence, components, parts;
    int64_t item; /* that the error names */
    int component[4], part[4];
    double strength[4];
};

/* The five inputs on which other libraries answer with plausible numbers, and a tie that heals one. */
static const struct degenerate degenerates[] = {
    {"01 02 12 21", 3, ALIGN_BT_SEPARATED, 1, 2, 0, {0, 0, 0}, {0, 1, 1}, {0, 0, 0}},
    {"02 12 01 10", 3, ALIGN_BT_SEPARATED, 1, 2, 2, {0, 0, 0}, {0, 0, 1}, {0, 0, 0}},
    {"01 10 23 32", 4, ALIGN_BT_ISLANDS, 2, 2, 2, {0, 0, 1, 1}, {1, 1, 0, 0}, {0, 0, 0, 0}},
    {"01 10 23 32 02", 4, ALIGN_BT_SEPARATED, 1, 2, 0, {0, 0, 0, 0}, {0, 0, 1, 1}, {0, 0, 0, 0}},
    {"01 10 01",
     3,
     ALIGN_BT_ISLANDS,
     2,
     2,
     2,
     {0, 0, 1},
     {1, 1, 0},
     {0.346573590279972655, -0.346573590279972655, 0}},
    {"01 12 20 01 34",
     5,
     ALIGN_BT_SEPARATED,
     2,
     3,
     3,
     {0, 0, 0, 1},
     {2, 2, 2, 0},
     {0.419617624991, -0.419617624991, 0, 0}},
};

static void expect_degenerate(const struct degenerate *d)
{
    games_read(&games, d->n, d->rows);
    games_fit(&games, &answer);
    ck_assert_int_eq(answer.status, ALIGN_E_NO_SOLUTION);
    ck_assert_int_eq(answer.error.status, ALIGN_E_NO_SOLUTION);
    ck_assert_str_eq(answer.error.field, "align_bt_args.strength");
    ck_assert_int_eq((int)answer.error.axes, 1);
    ck_assert_int_eq((int)answer.error.index[0], (int)d->item);
    ck_assert_int_eq(answer.args.existence, d->existence);
    ck_assert_int_eq((int)answer.args.components, d->components);
    ck_assert_int_eq((int)answer.args.parts, d->parts);
    for (int i = 0; i < 4 && i < d->n; i++) {
        ck_assert_int_eq(answer.component[i], d->component[i]);
        ck_assert_int_eq(answer.part[i], d->part[i]);
        games_near(answer.strength[i], d->strength[i], 1e-12, "strength", i);
    }
}

START_TEST(infinite_answers_are_named)
{
    for (size_t i = 0; i < sizeof degenerates / sizeof degenerates[0]; i++)
        expect_degenerate(&degenerates[i]);
}
END_TEST

/* Takers of points have lower numbers, in 300 random leagues of few games. */
START_TEST(parts_are_ordered)
{
    int separated = 0;
    for (int trial = 0; trial < 300; trial++) {
        games.n = 8;
        games.rows = 0;
        for (int r = 0; r < 9; r++) {
            int64_t a = below(8), b = (a + 1 + below(7)) % 8;
            games_add(&games, a, b, below(3) == 0 ? 0.5 : 1, 1);
        }
        games_fit(&games, &answer);
        separated += answer.args.existence == ALIGN_BT_SEPARATED;
        for (int64_t r = 0; r < games.rows; r++) {
            int32_t from = answer.part[games.first[r]], to = answer.part[games.second[r]];
            ck_assert_int_eq(answer.component[games.first[r]], answer.component[games.second[r]]);
            ck_assert_msg(games.outcome[r] == 1 ? from <= to : from == to, "trial %d", trial);
        }
    }
    ck_assert_int_gt(separated, 200);
}
END_TEST

START_TEST(a_tie_or_a_crumb_makes_it_finite)
{
    games_read(&games, 3, "01 02 12 21");
    games_add(&games, 0, 2, 0.5, 1e-6);
    fit_finite(&games, &answer);
    struct ref_rows data = reference_rows(&games);
    long double expected[3];
    ref_bt_fit(&data, expected);
    for (int i = 0; i < 3; i++)
        games_near(answer.strength[i], (double)expected[i], 1e-11, "strength", i);
    games.weight[games.rows - 1] = 0;
    games_fit(&games, &answer);
    ck_assert_int_eq(answer.status, ALIGN_E_NO_SOLUTION);
}
END_TEST

START_TEST(lopsided_counts_keep_their_digits)
{
    games_read(&games, 2, "01 10");
    for (double odds = 1; odds <= 0x1p30; odds *= 32) {
        games.weight[0] = odds;
        fit_finite(&games, &answer);
        games_near(answer.strength[0] - answer.strength[1], log(odds), 1e-12, "difference", 0);
    }
}
END_TEST

/* ---- larger ------------------------------------------------------------------------------- */

/* Beyond the dense solver: the score of the answer, summed in long double, is 0. */
START_TEST(sparse_graphs_converge)
{
    enum { N = 3000, ROWS = 15000 };
    static int32_t first[ROWS], beaten[ROWS];
    static double strength[N];
    static long double score[N];
    for (int32_t r = 0; r < ROWS; r++) {
        first[r] = r < N ? r : (int32_t)below(N);
        beaten[r] = r < N ? (r + 1) % N : (first[r] + 1 + (int32_t)below(N - 1)) % N;
    }
    align_bt_rows rows;
    align_bt_rows_init(&rows, sizeof rows);
    rows.first = align_1d(first, ALIGN_I32, ROWS);
    rows.second = align_1d(beaten, ALIGN_I32, ROWS);
    align_bt_args args;
    align_bt_args_init(&args, sizeof args);
    args.n_items = N;
    args.rows = &rows;
    args.strength = align_1d(strength, ALIGN_F64, N);
    align_status status = games_run(&args, &answer.error);
    ck_assert_msg(status == ALIGN_E_NONE, "%s", answer.error.text);
    ck_assert_int_lt((int)args.iterations, 20);
    for (int r = 0; r < ROWS; r++) {
        long double d = (long double)strength[first[r]] - strength[beaten[r]];
        score[first[r]] += 1 / (1 + expl(d));
        score[beaten[r]] -= 1 / (1 + expl(d));
    }
    for (int i = 0; i < N; i++)
        ck_assert_ldouble_le(fabsl(score[i]), 1e-11L);
}
END_TEST

/* A chain so long that a recursive search would need a stack of its length. */
START_TEST(long_chains_need_no_stack)
{
    enum { N = 1000000 };
    int32_t *item = malloc(sizeof *item * N), *part = malloc(sizeof *part * N);
    double *strength = malloc(sizeof *strength * N);
    for (int32_t i = 0; i < N; i++)
        item[i] = i;
    align_bt_rows rows;
    align_bt_rows_init(&rows, sizeof rows);
    rows.first = align_1d(item, ALIGN_I32, N - 1);
    rows.second = align_1d(item + 1, ALIGN_I32, N - 1);
    align_bt_args args;
    align_bt_args_init(&args, sizeof args);
    args.n_items = N;
    args.rows = &rows;
    args.strength = align_1d(strength, ALIGN_F64, N);
    args.part = align_1d(part, ALIGN_I32, N);
    ck_assert_int_eq(games_run(&args, &answer.error), ALIGN_E_NO_SOLUTION);
    ck_assert_int_eq((int)args.parts, N);
    for (int32_t i = 0; i < N; i++)
        ck_assert_int_eq(part[i], i);
    free(item);
    free(part);
    free(strength);
}
END_TEST

SUITE_MAIN("bt", agrees_with_the_slow_reference, score_is_the_slope_of_the_likelihood,
           relabelling_relabels, swapping_winners_negates, order_of_rows_changes_no_bit,
           split_and_turned_rows_change_no_bit, unit_rows_equal_weighted_rows,
           infinite_answers_are_named, parts_are_ordered, a_tie_or_a_crumb_makes_it_finite,
           lopsided_counts_keep_their_digits, sparse_graphs_converge, long_chains_need_no_stack)
