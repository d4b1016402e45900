/* Draws of the Bayesian bootstrap: their law, and that workers and scratch change no bit. */
#include "../suite.h"

#include "../bt_games.h"

#include <math.h>

enum { DRAWS = 20000, N = 6 };

static struct games games;
static double draws[DRAWS][N], again[DRAWS][N];
static uint32_t state = 11;

static double uniform(void)
{
    state = state * 1664525 + 1013904223;
    return (double)(state >> 8) / 0x1p24;
}

static int64_t below(int64_t n)
{
    return (int64_t)(uniform() * (double)n);
}

static void make_league(int64_t n, int64_t rows)
{
    games.n = n;
    games.rows = 0;
    for (int64_t i = 0; i < n; i++)
        games_add(&games, i, (i + 1) % n, 1, 1);
    while (games.rows < rows) {
        int64_t a = below(n), b = (a + 1 + below(n - 1)) % n;
        games_add(&games, a, b, (double)below(3) / 2, uniform() < 0.5 ? 1 : 2);
    }
}

static void draw(struct answer *answer, int64_t count, double (*out)[N])
{
    answer->args.draws = align_2d(out, ALIGN_F64, count, games.n);
    answer->args.draws.stride[0] = N;
    games_finish(&games, answer);
}

/* Of two items, the difference is log of a ratio of gammas of shapes a and b: its mean is psi(a) - psi(b),
 * its variance psi'(a) + psi'(b). */
START_TEST(two_items_follow_the_law)
{
    static const struct {
        int wins, losses;
        double mean, variance;
    } laws[] = {
        {1, 1, 0, 2 * 1.6449340668482264},
        {3, 1, 1.5, 0.39493406684822644 + 1.6449340668482264},
        {20, 7, 1.09773966, 0.05127082 + 0.15354520},
    };
    for (int k = 0; k < 3; k++) {
        struct answer answer;
        games.n = 2;
        games.rows = 0;
        for (int r = 0; r < laws[k].wins + laws[k].losses; r++)
            games_add(&games, r < laws[k].wins ? 0 : 1, r < laws[k].wins ? 1 : 0, 1, 3);
        games_begin(&answer);
        answer.args.seed = 17;
        draw(&answer, DRAWS, draws);
        ck_assert_int_eq(answer.status, ALIGN_E_NONE);
        double sum = 0, squares = 0;
        for (int b = 0; b < DRAWS; b++) {
            double d = draws[b][0] - draws[b][1];
            sum += d;
            squares += d * d;
        }
        double mean = sum / DRAWS, variance = squares / DRAWS - mean * mean;
        games_near(mean, laws[k].mean, 5 * sqrt(laws[k].variance / DRAWS), "mean", k);
        games_near(variance, laws[k].variance, 0.06 * laws[k].variance, "variance", k);
    }
}
END_TEST

/* With many games the spread of draws is the sandwich covariance, under every model of ties. */
START_TEST(spread_is_the_sandwich)
{
    for (int ties = 0; ties <= ALIGN_BT_TIES_RAO_KUPPER; ties++) {
        struct answer answer;
        double mean[N] = {0};
        make_league(N, 2000);
        games_begin(&answer);
        answer.args.ties = ties;
        answer.args.variance = ALIGN_BT_SANDWICH;
        draw(&answer, 4000, draws);
        ck_assert_int_eq(answer.status, ALIGN_E_NONE);
        for (int b = 0; b < 4000; b++)
            for (int i = 0; i < N; i++)
                mean[i] += draws[b][i] / 4000;
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double spread = 0, scale = answer.se[i] * answer.se[j];
                for (int b = 0; b < 4000; b++)
                    spread += (draws[b][i] - mean[i]) * (draws[b][j] - mean[j]) / 4000;
                games_near(spread, answer.covariance[i][j], 0.1 * scale, "spread", i * N + j);
            }
    }
}
END_TEST

static int32_t run_backwards(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    *(int64_t *)user = tasks;
    for (int64_t i = tasks - 1; i >= 0; i--)
        fn(ctx, i);
    return 0;
}

START_TEST(workers_and_scratch_change_no_bit)
{
    struct answer answer;
    make_league(N, 200);
    games_begin(&answer);
    answer.args.seed = 5;
    draw(&answer, 600, draws);
    ck_assert_int_eq(answer.status, ALIGN_E_NONE);
    align_bt_rows rows = games_rows(&games);
    answer.args.rows = &rows;
    answer.args.draws.data = again;
    for (uint32_t workers = 1; workers <= 7; workers++) {
        int64_t tasks = 0;
        size_t least, best;
        align_exec exec;
        align_exec_init(&exec, sizeof exec);
        exec.workers = workers;
        exec.parallel = run_backwards;
        exec.parallel_user = &tasks;
        ck_assert_int_eq(align_bt_scratch(&exec, &answer.args, &least, &best), 0);
        for (int part = 0; part <= 3; part++) {
            exec.scratch_size = least + (best - least) / 3 * (size_t)part;
            exec.scratch = malloc(exec.scratch_size);
            memset(again, 0, sizeof again);
            ck_assert_int_eq(align_bt_fit(&exec, &answer.args), 0);
            ck_assert_mem_eq(again, draws, 600 * sizeof draws[0]);
            free(exec.scratch);
        }
        ck_assert_int_eq((int)tasks, workers == 1 ? 0 : (int)workers);
    }
}
END_TEST

START_TEST(draws_keep_scale_anchor_and_parts)
{
    struct answer answer;
    make_league(N, 60);
    games_begin(&answer);
    answer.args.flags = ALIGN_BT_ANCHOR | ALIGN_BT_HOME;
    answer.args.anchor = 2;
    answer.args.scale = 100;
    answer.args.offset = 1000;
    draw(&answer, 50, draws);
    ck_assert_int_eq(answer.status, ALIGN_E_NONE);
    for (int b = 0; b < 50; b++)
        ck_assert_double_eq(draws[b][2], 1000);
    ck_assert_double_ne(draws[0][1], draws[1][1]);

    games_read(&games, 5, "01 10 23 32 02");
    games_begin(&answer);
    draw(&answer, 50, draws);
    ck_assert_int_eq(answer.status, ALIGN_E_NO_SOLUTION);
    for (int b = 0; b < 50; b++) {
        games_near(draws[b][0] + draws[b][1], 0, 1e-12, "part", b);
        games_near(draws[b][2] + draws[b][3], 0, 1e-12, "part", b);
        ck_assert_double_eq(draws[b][4], 0);
    }
    for (int64_t r = 0; r < games.rows; r++)
        games.outcome[r] = 0.5;
    games_add(&games, 0, 4, 0.5, 1);
    games_begin(&answer);
    answer.args.ties = ALIGN_BT_TIES_DAVIDSON;
    draw(&answer, 3, draws);
    ck_assert_int_eq(answer.args.existence, ALIGN_BT_UNBOUNDED);
    ck_assert(isnan(draws[2][4]));
}
END_TEST

SUITE_MAIN("bt draws", two_items_follow_the_law, spread_is_the_sandwich,
           workers_and_scratch_change_no_bit, draws_keep_scale_anchor_and_parts)
