/* Rankings and choices: against sets enumerated one by one, finite differences, pairs, and the graph. */
#include "../suite.h"

#include "../bt_games.h"
#include "../ref/bt.h"

#include <math.h>

enum { ROWS = 400, ENTRIES = 4000, N = 7, ORDERS = 5, DRAWS = 200, SIZE = N + ORDERS };

static struct {
    int64_t rows, total, n;
    int64_t offsets[ROWS + 1], cluster[ROWS];
    int32_t item[ENTRIES], place[ENTRIES];
    double weight[ROWS];
    struct ref_ranking ref[ROWS];
} data;

static struct answer answer, second;
static double orders[ORDERS], draws[DRAWS][N], again[DRAWS][N];
static uint32_t state = 9;

static double uniform(void)
{
    state = state * 1664525 + 1013904223;
    return (double)(state >> 8) / 0x1p24;
}

static int64_t below(int64_t n)
{
    return (int64_t)(uniform() * (double)n);
}

/* "0=1>2>3,4": 0 and 1 tied, then 2, and 3 and 4 behind. */
static void add_ranking(const char *text, double weight)
{
    struct ref_ranking *ref = &data.ref[data.rows];
    int32_t place = 0;
    memset(ref, 0, sizeof *ref);
    bool behind = false;
    for (; *text != '\0'; text++) {
        if (*text >= '0' && *text <= '9') {
            ref->item[data.total - data.offsets[data.rows]] = *text - '0';
            data.item[data.total] = *text - '0';
            data.place[data.total++] = behind ? -1 - place : place;
            ref->size[place] += !behind;
        } else if (*text == '>') {
            place++;
        } else if (*text == '|') {
            behind = true;
        }
    }
    ref->n_groups = place + 1;
    int64_t count = data.total - data.offsets[data.rows];
    for (int g = 0; g < ref->n_groups; g++)
        count -= ref->size[g];
    ref->n_behind = (int)count;
    data.weight[data.rows++] = weight;
    data.offsets[data.rows] = data.total;
}

static void read_rankings(int64_t n, const char *text)
{
    data.n = n;
    data.rows = data.total = data.offsets[0] = 0;
    while (*text != '\0') {
        char one[64] = "";
        size_t length = strcspn(text, " ");
        memcpy(one, text, length);
        add_ranking(one, 1);
        text += length + (text[length] == ' ');
    }
}

/* Rankings of a few items with places shared at random and items behind. */
static void make_rankings(int64_t rows, bool tied)
{
    data.n = N;
    data.rows = data.total = data.offsets[0] = 0;
    for (int64_t i = 0; i < N; i++)
        add_ranking((char[]){(char)('0' + i), '>', (char)('0' + (i + 1) % N), '\0'}, 1);
    while (data.rows < rows) {
        char text[32] = "";
        int order[N], count = 2 + (int)below(4), length = 0;
        for (int i = 0; i < N; i++)
            order[i] = i;
        for (int i = 0; i < count; i++) {
            int64_t k = i + below(N - i);
            int swap = order[i];
            order[i] = order[k];
            order[k] = swap;
        }
        int behind = uniform() < 0.3 ? 1 + (int)below(count - 1) : count;
        for (int i = 0; i < count; i++) {
            if (i > 0)
                text[length++] = i == behind               ? '|'
                                 : i > behind              ? ','
                                 : tied && uniform() < 0.3 ? '='
                                                           : '>';
            text[length++] = (char)('0' + order[i]);
        }
        add_ranking(text, uniform() < 0.5 ? 1 : 2 * uniform());
    }
}

static align_bt_rankings rankings_of_data(void)
{
    align_bt_rankings rankings;
    align_bt_rankings_init(&rankings, sizeof rankings);
    rankings.offsets = align_1d(data.offsets, ALIGN_I64, data.rows + 1);
    rankings.item = align_1d(data.item, ALIGN_I32, data.total);
    rankings.place = align_1d(data.place, ALIGN_I32, data.total);
    rankings.weight = align_1d(data.weight, ALIGN_F64, data.rows);
    return rankings;
}

static void finish(struct answer *a)
{
    align_bt_rankings rankings = rankings_of_data();
    a->args.n_items = data.n;
    a->args.rankings = &rankings;
    if (a->args.variance == ALIGN_BT_CLUSTER)
        rankings.cluster = align_1d(data.cluster, ALIGN_I64, data.rows);
    if (a->args.ties == ALIGN_BT_TIES_DAVIDSON)
        a->args.orders = align_1d(orders, ALIGN_F64, ORDERS);
    a->args.strength = align_1d(a->strength, ALIGN_F64, data.n);
    a->args.se = align_1d(a->se, ALIGN_F64, data.n);
    a->args.covariance = align_2d(a->covariance, ALIGN_F64, data.n, data.n);
    a->args.covariance.stride[0] = GAMES_ITEMS;
    a->args.component = align_1d(a->component, ALIGN_I32, data.n);
    a->args.part = align_1d(a->part, ALIGN_I32, data.n);
    a->status = games_run(&a->args, &a->error);
    a->args.rankings = NULL;
}

static uint32_t sizes_of_data(void)
{
    uint32_t sizes = 2;
    for (int64_t r = 0; r < data.rows; r++)
        for (int g = 0; g < data.ref[r].n_groups; g++)
            sizes |= 1u << data.ref[r].size[g];
    return sizes;
}

/* Strengths, then log delta of 2, 3, ... */
static long double likelihood(const long double *x, int64_t only)
{
    long double tie[17] = {0}, total = 0;
    uint32_t sizes = sizes_of_data();
    for (int m = 2; m < 2 + ORDERS; m++)
        tie[m] = x[N + m - 2];
    for (int64_t r = 0; r < data.rows; r++)
        if (only < 0 || only == r)
            total += data.weight[r] * ref_bt_ranking(&data.ref[r], sizes, x, tie);
    return total;
}

static long double slope(long double *x, int64_t k, int64_t only)
{
    const long double h = 1e-5L;
    long double at = x[k];
    x[k] = at + h;
    long double up = likelihood(x, only);
    x[k] = at - h;
    long double down = likelihood(x, only);
    x[k] = at;
    return (up - down) / (2 * h);
}

static void parameters(const struct answer *a, long double *x)
{
    memset(x, 0, sizeof *x * SIZE);
    for (int64_t i = 0; i < data.n; i++)
        x[i] = a->strength[i];
    for (int m = 0; m < ORDERS; m++)
        x[N + m] = orders[m] > 0 ? logl((long double)orders[m]) : 0;
}

static void expect_flat(const struct answer *a)
{
    long double x[SIZE];
    ck_assert_msg(a->status == ALIGN_E_NONE, "%s", a->error.text);
    parameters(a, x);
    for (int64_t k = 0; k < N + ORDERS; k++)
        if (k < data.n || (k >= N && orders[k - N] > 0))
            games_near((double)slope(x, k, -1), 0, 1e-8, "slope", k);
    games_near(a->args.log_likelihood, (double)likelihood(x, -1), 1e-10, "log_likelihood", 0);
    games_near(a->args.tie, orders[0], 0, "tie", 0);
}

START_TEST(rankings_are_at_their_maximum)
{
    for (int trial = 0; trial < 6; trial++) {
        memset(orders, 0, sizeof orders);
        make_rankings(60, trial % 2 == 1);
        games_begin(&answer);
        answer.args.ties = trial % 2 == 1 ? ALIGN_BT_TIES_DAVIDSON : ALIGN_BT_TIES_HALF;
        finish(&answer);
        expect_flat(&answer);
        ck_assert_int_eq(answer.args.existence, ALIGN_BT_FINITE);
        ck_assert_double_le(answer.args.score_norm, 1e-10);
    }
}
END_TEST

/* H by differences of slopes; an exact inverse V of it, but for the shift, has H V H = H. */
static void expect_inverse(const struct answer *a)
{
    long double x[SIZE], h[N][N], hv[N][N] = {{0}};
    const long double step = 1e-4L;
    parameters(a, x);
    for (int i = 0; i < N; i++) {
        long double at = x[i];
        x[i] = at + step;
        for (int j = 0; j < N; j++)
            h[i][j] = slope(x, j, -1);
        x[i] = at - step;
        for (int j = 0; j < N; j++)
            h[i][j] = -(h[i][j] - slope(x, j, -1)) / (2 * step);
        x[i] = at;
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            for (int k = 0; k < N; k++)
                hv[i][j] += h[i][k] * a->covariance[k][j];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            long double sum = 0;
            for (int k = 0; k < N; k++)
                sum += hv[i][k] * h[k][j];
            games_near((double)sum, (double)h[i][j], 1e-5, "hvh", i * N + j);
        }
}

START_TEST(fisher_errors_invert_the_information)
{
    make_rankings(80, false);
    memset(orders, 0, sizeof orders);
    games_begin(&answer);
    finish(&answer);
    expect_flat(&answer);
    expect_inverse(&answer);
}
END_TEST

/* The sandwich of scores of rows, and of clusters, from differences; V is the Fisher covariance. */
static void expect_sandwich(const struct answer *a, const struct answer *fisher, bool clustered,
                            int64_t clusters)
{
    long double x[SIZE], sum[ROWS][N] = {{0}};
    double factor = clustered ? (double)clusters / (double)(clusters - 1) : 1;
    parameters(a, x);
    for (int64_t r = 0; r < data.rows; r++)
        for (int k = 0; k < N; k++)
            sum[clustered ? data.cluster[r] : r][k] += slope(x, k, r);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            long double v = 0;
            for (int64_t c = 0; c < (clustered ? clusters : data.rows); c++) {
                long double left = 0, right = 0;
                for (int k = 0; k < N; k++) {
                    left += fisher->covariance[i][k] * sum[c][k];
                    right += fisher->covariance[j][k] * sum[c][k];
                }
                v += left * right;
            }
            games_near(a->covariance[i][j], (double)(factor * v), 1e-8, "covariance", i * N + j);
        }
}

START_TEST(sandwiches_square_the_scores)
{
    make_rankings(80, false);
    memset(orders, 0, sizeof orders);
    for (int64_t r = 0; r < data.rows; r++)
        data.cluster[r] = below(12);
    games_begin(&second);
    finish(&second);
    for (int variance = ALIGN_BT_SANDWICH; variance <= ALIGN_BT_CLUSTER; variance++) {
        games_begin(&answer);
        answer.args.variance = variance;
        answer.args.n_clusters = variance == ALIGN_BT_CLUSTER ? 12 : 0;
        finish(&answer);
        expect_flat(&answer);
        expect_sandwich(&answer, &second, variance == ALIGN_BT_CLUSTER, 12);
    }
}
END_TEST

/* Rankings of two are games, with ties by Davidson's model. */
START_TEST(rankings_of_two_are_games)
{
    static struct games games;
    for (int ties = 0; ties <= ALIGN_BT_TIES_DAVIDSON; ties++) {
        games.n = data.n = 5;
        games.rows = data.rows = data.total = 0;
        for (int r = 0; r < 120; r++) {
            int64_t a = r < 5 ? r : below(5), b = r < 5 ? (r + 1) % 5 : (a + 1 + below(4)) % 5;
            bool tie = ties != 0 && r > 5 && uniform() < 0.3;
            char text[] = {(char)('0' + a), tie ? '=' : '>', (char)('0' + b), '\0'};
            double weight = 1 + uniform();
            add_ranking(text, weight);
            games_add(&games, a, b, tie ? 0.5 : 1, weight);
        }
        for (int variance = 0; variance <= ALIGN_BT_SANDWICH; variance++) {
            games_begin(&answer);
            games_begin(&second);
            answer.args.ties = second.args.ties = ties;
            answer.args.variance = second.args.variance = variance;
            finish(&answer);
            games_finish(&games, &second);
            ck_assert_int_eq(answer.status, 0);
            ck_assert_int_eq(second.status, 0);
            for (int i = 0; i < 5; i++) {
                games_near(answer.strength[i], second.strength[i], 1e-12, "strength", i);
                games_near(answer.se[i], second.se[i], 1e-12, "se", i);
            }
            games_near(answer.args.tie, second.args.tie, 1e-12, "tie", ties);
            games_near(answer.args.tie_se, second.args.tie_se, 1e-12, "tie_se", ties);
            games_near(answer.args.log_likelihood, second.args.log_likelihood, 1e-10, "value", 0);
        }
    }
}
END_TEST

struct shape {
    const char *text;
    int64_t n;
    int ties, existence;
    int64_t parts, components;
};

static const struct shape shapes[] = {
    {"0>1>2 2>0>1", 3, 0, ALIGN_BT_FINITE, 1, 1},
    {"0>1>2 0>2>1", 3, 0, ALIGN_BT_SEPARATED, 2, 1},
    {"0>1 1>0 2>3 3>2", 4, 0, ALIGN_BT_ISLANDS, 2, 2},
    {"0|1,2 1|2 2|0", 3, 0, ALIGN_BT_FINITE, 1, 1},
    {"0|1,2 1|2 2|1", 3, 0, ALIGN_BT_SEPARATED, 2, 1},
    {"0>1>2 2>0>1", 3, ALIGN_BT_TIES_DAVIDSON, ALIGN_BT_BOUNDARY, 1, 1},
    {"0=1 1=2 2=0", 3, ALIGN_BT_TIES_DAVIDSON, ALIGN_BT_UNBOUNDED, 1, 1},
    {"0>1 0=1", 2, ALIGN_BT_TIES_DAVIDSON, ALIGN_BT_UNBOUNDED, 1, 1},
    {"0>1 1>2 0=2", 3, ALIGN_BT_TIES_DAVIDSON, ALIGN_BT_FINITE, 1, 1},
    {"0=1=2 0>1>2 2>0>1", 3, ALIGN_BT_TIES_DAVIDSON, ALIGN_BT_FINITE, 1, 1},
    {"0=1=2", 3, ALIGN_BT_TIES_DAVIDSON, ALIGN_BT_UNBOUNDED, 1, 1},
};

START_TEST(existence_of_rankings)
{
    for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
        const struct shape *shape = &shapes[k];
        bool none = shape->existence == ALIGN_BT_FINITE || shape->existence == ALIGN_BT_BOUNDARY;
        read_rankings(shape->n, shape->text);
        games_begin(&answer);
        answer.args.ties = shape->ties;
        finish(&answer);
        ck_assert_msg(answer.args.existence == shape->existence, "%s: %d, %s", shape->text,
                      answer.args.existence, answer.error.text);
        ck_assert_int_eq(answer.status, none ? ALIGN_E_NONE : ALIGN_E_NO_SOLUTION);
        ck_assert_int_eq((int)answer.args.parts, (int)shape->parts);
        ck_assert_int_eq((int)answer.args.components, (int)shape->components);
        if (shape->existence == ALIGN_BT_UNBOUNDED)
            ck_assert(isnan(answer.strength[0]) && isnan(orders[0] + orders[1]));
    }
}
END_TEST

/* Inside a part strengths are those of the choices inside it, and the limit of a fainter and fainter
 * opposite ranking. */
START_TEST(parts_keep_their_inner_choices)
{
    read_rankings(5, "0>1>2>3 1>0>3>2 0>1>3 0|1,4 3>4>2 2|4 4>3");
    games_begin(&answer);
    finish(&answer);
    ck_assert_int_eq(answer.args.existence, ALIGN_BT_SEPARATED);
    ck_assert_int_eq((int)answer.args.parts, 2);
    ck_assert_int_eq(answer.part[0], 0);
    ck_assert_int_eq(answer.part[4], 1);
    add_ranking("4>3>2>1>0", 1e-8);
    games_begin(&second);
    second.args.tolerance = 1e-6;
    finish(&second);
    ck_assert_msg(second.status == 0, "%s", second.error.text);
    games_near(answer.strength[0] - answer.strength[1], second.strength[0] - second.strength[1],
               1e-3, "difference", 0);
    games_near(answer.strength[2] - answer.strength[3], second.strength[2] - second.strength[3],
               1e-3, "difference", 1);
    games_near(answer.strength[4] - answer.strength[3], second.strength[4] - second.strength[3],
               1e-3, "difference", 2);
}
END_TEST

static int32_t run_backwards(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    (void)user;
    for (int64_t i = tasks - 1; i >= 0; i--)
        fn(ctx, i);
    return 0;
}

START_TEST(draws_of_rankings)
{
    size_t least, best;
    make_rankings(150, true);
    games_begin(&answer);
    answer.args.ties = ALIGN_BT_TIES_DAVIDSON;
    answer.args.variance = ALIGN_BT_SANDWICH;
    answer.args.draws = align_2d(draws, ALIGN_F64, DRAWS, N);
    finish(&answer);
    ck_assert_msg(answer.status == 0, "%s", answer.error.text);
    for (int i = 0; i < N; i++) {
        double mean = 0, square = 0;
        for (int b = 0; b < DRAWS; b++) {
            mean += draws[b][i] / DRAWS;
            square += draws[b][i] * draws[b][i] / DRAWS;
        }
        games_near(sqrt(square - mean * mean), answer.se[i], 0.25 * answer.se[i], "spread", i);
    }
    align_bt_rankings rankings = rankings_of_data();
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    exec.parallel = run_backwards;
    exec.workers = 5;
    answer.args.rankings = &rankings;
    answer.args.draws.data = again;
    ck_assert_int_eq(align_bt_scratch(&exec, &answer.args, &least, &best), 0);
    exec.scratch = malloc(best);
    exec.scratch_size = best;
    ck_assert_int_eq(align_bt_fit(&exec, &answer.args), 0);
    ck_assert_mem_eq(draws, again, sizeof draws);
    free(exec.scratch);
}
END_TEST

/* A Gaussian prior makes any rankings finite. */
START_TEST(priors_of_rankings)
{
    read_rankings(4, "0>1>2 0>2>1");
    games_begin(&answer);
    memset(orders, 0, sizeof orders);
    answer.args.prior = ALIGN_BT_PRIOR_GAUSSIAN;
    answer.args.prior_precision = 0.5;
    finish(&answer);
    ck_assert_int_eq(answer.status, 0);
    long double x[SIZE];
    parameters(&answer, x);
    for (int64_t k = 0; k < 4; k++)
        games_near((double)(slope(x, k, -1) - 0.5L * x[k]), 0, 1e-9, "slope", k);
}
END_TEST

SUITE_MAIN("bt rankings", rankings_are_at_their_maximum, fisher_errors_invert_the_information,
           sandwiches_square_the_scores, rankings_of_two_are_games, existence_of_rankings,
           parts_keep_their_inner_choices, draws_of_rankings, priors_of_rankings)
