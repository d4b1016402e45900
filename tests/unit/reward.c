/* Linear rewards: against items, finite differences, an outside answer, and every separation in a plane. */
#include "../suite.h"

#include <libalign/bt.h>
#include <libalign/reward.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { PAIRS = 400, WIDTH = 160 };

static double first[PAIRS][WIDTH], second[PAIRS][WIDTH];
static double prob[PAIRS], margin[PAIRS], weight[PAIRS], coef[WIDTH], se[WIDTH];
static double covariance[WIDTH * WIDTH];
static align_error error;
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

static align_tensor rows_of(double (*data)[WIDTH], int64_t m, int64_t d)
{
    align_tensor t = align_2d(data, ALIGN_F64, m, d);
    t.stride[0] = WIDTH;
    return t;
}

static align_reward_args make_args(int64_t m, int64_t d)
{
    align_reward_args args;
    align_reward_args_init(&args, sizeof args);
    args.first = rows_of(first, m, d);
    args.second = rows_of(second, m, d);
    args.coef = align_1d(coef, ALIGN_F64, d);
    return args;
}

static void ask_errors(align_reward_args *args)
{
    int64_t d = args->coef.shape[0];
    args->se = align_1d(se, ALIGN_F64, d);
    args->covariance = align_2d(covariance, ALIGN_F64, d, d);
}

/* Scratch of exactly `least` bytes. */
static align_status fit(align_reward_args *args)
{
    align_exec exec;
    size_t least, best;
    align_exec_init(&exec, sizeof exec);
    align_error_init(&error, sizeof error);
    exec.error = &error;
    align_status status = align_reward_scratch(&exec, args, &least, &best);
    if (status != ALIGN_E_NONE)
        return status;
    exec.scratch = malloc(least);
    exec.scratch_size = least;
    status = align_reward_fit(&exec, args);
    free(exec.scratch);
    return status;
}

static void must_fit(align_reward_args *args)
{
    align_status status = fit(args);
    ck_assert_msg(status == ALIGN_E_NONE, "%s", error.text);
}

static void near(double found, double expected, double tolerance, const char *what, int64_t i)
{
    ck_assert_msg(fabs(found - expected) <= tolerance, "%s[%d] = %.15g, expected %.15g", what,
                  (int)i, found, expected);
}

static void draw(int64_t m, int64_t d)
{
    for (int64_t r = 0; r < m; r++) {
        double z = 0;
        for (int64_t k = 0; k < d; k++) {
            first[r][k] = 2 * uniform() - 1;
            second[r][k] = 2 * uniform() - 1;
            z += (k % 3 == 0 ? 1 : -0.5) * (first[r][k] - second[r][k]);
        }
        double p = 1 / (1 + exp(-z)), kind = uniform();
        prob[r] = kind < 0.3 ? uniform() : uniform() < p ? 1 : 0;
        margin[r] = uniform() < 0.5 ? 0 : uniform() - 0.5;
        weight[r] = uniform() < 0.2 ? 0 : 0.5 + uniform();
    }
}

static void use_numbers(align_reward_args *args)
{
    int64_t m = args->first.shape[0];
    args->prob = align_1d(prob, ALIGN_F64, m);
    args->margin = align_1d(margin, ALIGN_F64, m);
    args->weight = align_1d(weight, ALIGN_F64, m);
}

/* ---- the minimum --------------------------------------------------------------------------- */

/* Minus the objective, by its definition. */
static long double objective(int64_t m, int64_t d, double l2, const long double *w)
{
    long double total = 0;
    for (int64_t r = 0; r < m; r++) {
        long double z = -margin[r];
        for (int64_t k = 0; k < d; k++)
            z += w[k] * ((long double)first[r][k] - second[r][k]);
        total += weight[r] * (prob[r] * logl(1 + expl(-z)) + (1 - prob[r]) * logl(1 + expl(z)));
    }
    for (int64_t k = 0; k < d; k++)
        total += l2 * w[k] * w[k] / 2;
    return total;
}

static double steepest(int64_t m, int64_t d, double l2)
{
    const long double h = 1e-5L;
    long double w[WIDTH], most = 0;
    for (int64_t k = 0; k < d; k++)
        w[k] = coef[k];
    for (int64_t k = 0; k < d; k++) {
        w[k] += h;
        long double up = objective(m, d, l2, w);
        w[k] -= 2 * h;
        long double slope = (up - objective(m, d, l2, w)) / (2 * h);
        w[k] += h;
        most = fabsl(slope) > most ? fabsl(slope) : most;
    }
    return (double)most;
}

START_TEST(slopes_are_those_of_the_objective)
{
    for (int trial = 0; trial < 8; trial++) {
        int64_t d = 1 + trial, m = 60;
        double l2 = trial % 2 == 0 ? 0 : 0.7;
        draw(m, d);
        align_reward_args args = make_args(m, d);
        use_numbers(&args);
        args.l2 = l2;
        args.max_iterations = 1;
        ck_assert_int_eq(fit(&args), ALIGN_E_NOT_CONVERGED);
        ck_assert_double_gt(args.score_norm, 1e-8);
        near(args.score_norm, steepest(m, d, l2), 1e-8, "score_norm", trial);
        args.max_iterations = 0;
        must_fit(&args);
        ck_assert_int_eq(args.existence, ALIGN_REWARD_FINITE);
        ck_assert_double_le(args.score_norm, 1e-12 * (double)m);
        near(steepest(m, d, l2), 0, 1e-8, "slope", trial);
        long double w[WIDTH];
        for (int64_t k = 0; k < d; k++)
            w[k] = coef[k];
        near(args.penalty - args.log_likelihood, (double)objective(m, d, l2, w), 1e-11, "objective",
             trial);
    }
}
END_TEST

/* The information by finite differences, times the covariance, is 1. */
START_TEST(covariance_inverts_the_information)
{
    enum { D = 4, M = 80 };
    const long double h = 1e-3L;
    draw(M, D);
    align_reward_args args = make_args(M, D);
    use_numbers(&args);
    args.l2 = 0.3;
    ask_errors(&args);
    must_fit(&args);
    long double w[D], info[D][D];
    for (int i = 0; i < D; i++)
        w[i] = coef[i];
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            info[i][j] = 0;
            for (int k = 0; k < 4; k++) {
                w[i] += k / 2 == 0 ? h : -h;
                w[j] += k % 2 == 0 ? h : -h;
                info[i][j] += (k == 1 || k == 2 ? -1 : 1) * objective(M, D, 0.3, w) / (4 * h * h);
                w[i] = coef[i];
                w[j] = coef[j];
            }
        }
    for (int i = 0; i < D; i++) {
        near(se[i], sqrt(covariance[i * D + i]), 1e-15, "se", i);
        for (int j = 0; j < D; j++) {
            long double sum = 0;
            for (int k = 0; k < D; k++)
                sum += info[i][k] * covariance[k * D + j];
            near((double)sum, i == j, 1e-5, "product", i * D + j);
        }
    }
}
END_TEST

/* One feature an item: strengths, errors and the gauge of align_bt_fit. */
START_TEST(one_feature_an_item_is_bradley_terry)
{
    enum { N = 9, M = 300 };
    static double table[N][N], strength[N], bt_se[N];
    int32_t index[M][2];
    for (int i = 0; i < N; i++)
        table[i][i] = 1;
    for (int32_t r = 0; r < M; r++) {
        index[r][0] = r < N ? r : (int32_t)below(N);
        index[r][1] = r < N ? (r + 1) % N : (int32_t)((index[r][0] + 1 + below(N - 1)) % N);
        prob[r] = (double)below(5) / 4;
    }
    align_reward_args args;
    align_reward_args_init(&args, sizeof args);
    args.features = align_2d(table, ALIGN_F64, N, N);
    args.index = align_2d(index, ALIGN_I32, M, 2);
    args.prob = align_1d(prob, ALIGN_F64, M);
    args.coef = align_1d(coef, ALIGN_F64, N);
    ask_errors(&args);
    must_fit(&args);
    ck_assert_int_eq(args.existence, ALIGN_REWARD_DEFICIENT);
    ck_assert_int_eq((int)args.null_dimension, 1);

    static char scratch[1 << 20];
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    exec.scratch = scratch;
    exec.scratch_size = sizeof scratch;
    align_bt_rows rows;
    align_bt_rows_init(&rows, sizeof rows);
    rows.first = align_1d(&index[0][0], ALIGN_I32, M);
    rows.second = align_1d(&index[0][1], ALIGN_I32, M);
    rows.first.stride[0] = rows.second.stride[0] = 2;
    rows.outcome = args.prob;
    align_bt_args bt;
    align_bt_args_init(&bt, sizeof bt);
    bt.n_items = N;
    bt.rows = &rows;
    bt.strength = align_1d(strength, ALIGN_F64, N);
    bt.se = align_1d(bt_se, ALIGN_F64, N);
    ck_assert_int_eq(align_bt_fit(&exec, &bt), ALIGN_E_NONE);
    for (int i = 0; i < N; i++) {
        near(coef[i], strength[i], 1e-12, "coef", i);
        near(se[i], bt_se[i], 1e-12, "se", i);
    }
    near(args.log_likelihood, bt.log_likelihood, 1e-10, "log_likelihood", 0);
}
END_TEST

/* Features that never differ within a pair, alone or together with others: coefficient and error 0, and
 * the rest as if they were not there. */
START_TEST(empty_directions_cost_nothing)
{
    enum { D = 6, M = 60 };
    for (int trial = 0; trial < 50; trial++) {
        double alone[2], alone_se[2];
        draw(M, 2);
        align_reward_args args = make_args(M, 2);
        args.prob = align_1d(prob, ALIGN_F64, M);
        ask_errors(&args);
        must_fit(&args);
        memcpy(alone, coef, sizeof alone);
        memcpy(alone_se, se, sizeof alone_se);
        for (int r = 0; r < M; r++)
            for (int k = 2; k < D; k++)
                first[r][k] = second[r][k] = 100 * uniform();
        args = make_args(M, D);
        args.prob = align_1d(prob, ALIGN_F64, M);
        ask_errors(&args);
        must_fit(&args);
        ck_assert_int_eq((int)args.null_dimension, D - 2);
        for (int k = 0; k < D; k++) {
            near(coef[k], k < 2 ? alone[k] : 0, 1e-12, "coef", k);
            near(se[k], k < 2 ? alone_se[k] : 0, k < 2 ? 1e-12 : 1e-6, "se", k);
        }
    }
}
END_TEST

/* Springall's flavour experiment with ties as halves, on flavour and gel concentrations: estimates and
 * deviance by R's BradleyTerry2 1.1-2 (its own example of item covariates, which counts a win for the
 * other side and so prints the opposite signs). */
START_TEST(springall_on_features)
{
    static const int win[36] = {2,  0,  5,  2, 0, 12, 13, 10, 6, 17, 9,  8,  24, 16, 15, 22, 14, 11,
                                24, 22, 17, 3, 2, 12, 10, 8,  5, 20, 15, 13, 27, 19, 18, 2,  2,  6};
    static const int loss[36] = {16, 21, 10, 15, 22, 3, 9, 12, 11, 2, 6, 12, 2, 3, 2, 2,  4,  4,
                                 1,  0,  2,  14, 18, 6, 6, 9,  11, 0, 2, 5,  1, 1, 2, 13, 21, 8};
    static const int tie[36] = {7, 1, 10, 7, 2, 9, 5, 3,  5, 7, 8, 6, 0, 5, 7, 4, 5, 7,
                                3, 3, 6,  9, 4, 5, 6, 11, 9, 2, 5, 9, 0, 5, 2, 8, 5, 8};
    static const double flavour[3] = {0.6, 4.8, 9}, gel[3] = {0, 2.4, 4.8};
    static const double expected[5] = {0.41194407901, 0.32577633781, -0.01565003086, -0.10506162287,
                                       -0.02375881091};
    double items[9][5], saturated = 0;
    int64_t index[36][2];
    for (int i = 0; i < 9; i++) {
        double f = flavour[i % 3], g = gel[i / 3], all[5] = {f, g, f * f, g * g, f * g};
        memcpy(items[i], all, sizeof all);
    }
    for (int i = 0, k = 0; i < 9; i++)
        for (int j = i + 1; j < 9; j++, k++) {
            index[k][0] = i;
            index[k][1] = j;
            weight[k] = win[k] + loss[k] + tie[k];
            prob[k] = (win[k] + tie[k] / 2.0) / weight[k];
            saturated += prob[k] > 0 ? weight[k] * prob[k] * log(prob[k]) : 0;
            saturated += prob[k] < 1 ? weight[k] * (1 - prob[k]) * log(1 - prob[k]) : 0;
        }
    align_reward_args args;
    align_reward_args_init(&args, sizeof args);
    args.features = align_2d(items, ALIGN_F64, 9, 5);
    args.index = align_2d(index, ALIGN_I64, 36, 2);
    args.prob = align_1d(prob, ALIGN_F64, 36);
    args.weight = align_1d(weight, ALIGN_F64, 36);
    args.coef = align_1d(coef, ALIGN_F64, 5);
    must_fit(&args);
    for (int k = 0; k < 5; k++)
        near(coef[k], expected[k], 1e-10, "coef", k);
    near(2 * (saturated - args.log_likelihood), 15.46796492, 1e-8, "deviance", 0);
}
END_TEST

/* ---- ways to the same answer ---------------------------------------------------------------- */

START_TEST(storage_and_index_change_nothing)
{
    enum { D = 6, M = 150 };
    static float narrow[2 * M][D];
    static double wide[2 * M][D], by_matrix[D];
    static int64_t index[M][2];
    draw(M, D);
    for (int r = 0; r < M; r++) {
        index[r][0] = 2 * M - 1 - r;
        index[r][1] = r;
        for (int k = 0; k < D; k++) {
            narrow[2 * M - 1 - r][k] = (float)first[r][k];
            narrow[r][k] = (float)second[r][k];
            first[r][k] = wide[2 * M - 1 - r][k] = narrow[2 * M - 1 - r][k];
            second[r][k] = wide[r][k] = narrow[r][k];
        }
    }
    align_reward_args args = make_args(M, D);
    use_numbers(&args);
    must_fit(&args);
    memcpy(by_matrix, coef, sizeof by_matrix);
    memset(&args.first, 0, sizeof args.first);
    memset(&args.second, 0, sizeof args.second);
    args.index = align_2d(index, ALIGN_I64, M, 2);
    args.features = align_2d(narrow, ALIGN_F32, 2 * M, D);
    must_fit(&args);
    ck_assert_mem_eq(coef, by_matrix, sizeof by_matrix);
}
END_TEST

START_TEST(solvers_agree)
{
    static double by_cg[WIDTH];
    draw(PAIRS, WIDTH);
    align_reward_args args = make_args(PAIRS, WIDTH);
    use_numbers(&args);
    args.l2 = 0.2;
    must_fit(&args);
    ck_assert_int_eq((int)args.null_dimension, -1);
    memcpy(by_cg, coef, sizeof by_cg);
    ask_errors(&args);
    must_fit(&args);
    ck_assert_int_eq((int)args.null_dimension, 0);
    for (int k = 0; k < WIDTH; k++)
        near(by_cg[k], coef[k], 1e-11, "coef", k);
}
END_TEST

START_TEST(swapping_sides_changes_nothing_and_swapping_labels_negates)
{
    enum { D = 5, M = 90 };
    double before[D];
    draw(M, D);
    memset(margin, 0, sizeof margin);
    align_reward_args args = make_args(M, D);
    use_numbers(&args);
    must_fit(&args);
    ck_assert(args.accuracy > 0.5 && args.accuracy <= 1);
    memcpy(before, coef, sizeof before);
    for (int r = 0; r < M; r++)
        prob[r] = 1 - prob[r];
    must_fit(&args);
    for (int k = 0; k < D; k++)
        near(coef[k], -before[k], 1e-12, "coef", k);
    align_tensor swap = args.first;
    args.first = args.second;
    args.second = swap;
    must_fit(&args);
    for (int k = 0; k < D; k++)
        near(coef[k], before[k], 1e-12, "coef", k);
}
END_TEST

/* ---- separation ---------------------------------------------------------------------------- */

/* Whether a direction of the plane is never behind, sometimes ahead and still on mixed pairs. */
static bool is_separating(int64_t m, double x, double y)
{
    bool behind = false, ahead = false;
    for (int64_t r = 0; r < m; r++) {
        double z = x * (first[r][0] - second[r][0]) + y * (first[r][1] - second[r][1]);
        if (prob[r] == 0)
            z = -z;
        behind |= prob[r] == 0.5 ? z != 0 : z < 0;
        ahead |= prob[r] != 0.5 && z > 0;
    }
    return ahead && !behind;
}

/* Only turns at right angles to a difference and those between two of them need a look; or, when all
 * differences are parallel, along them. */
static bool plane_is_separated(int64_t m)
{
    for (int64_t a = 0; a < m; a++)
        for (int64_t b = 0; b < m; b++)
            for (int turn = 0; turn < 4; turn++) {
                double s = turn % 2 == 0 ? 1 : -1, t = turn / 2 == 0 ? 1 : -1;
                double x = s * (first[a][0] - second[a][0]) + t * (first[b][0] - second[b][0]);
                double y = s * (first[a][1] - second[a][1]) + t * (first[b][1] - second[b][1]);
                if (is_separating(m, -y, x) || is_separating(m, x, y))
                    return true;
            }
    return false;
}

START_TEST(separation_is_found_in_every_plane)
{
    int counts[4] = {0};
    for (int trial = 0; trial < 3000; trial++) {
        int64_t m = 3 + below(6);
        for (int64_t r = 0; r < m; r++) {
            for (int k = 0; k < 2; k++) {
                first[r][k] = (double)below(4);
                second[r][k] = (double)below(4);
            }
            prob[r] = uniform() < 0.15 ? 0.5 : (double)below(2);
            weight[r] = 1;
        }
        align_reward_args args = make_args(m, 2);
        args.prob = align_1d(prob, ALIGN_F64, m);
        align_status status = fit(&args);
        bool separated = plane_is_separated(m);
        ck_assert_msg(status == (separated ? ALIGN_E_NO_SOLUTION : ALIGN_E_NONE),
                      "trial %d: %d, plane %d: %s", trial, status, separated, error.text);
        ck_assert_int_eq(args.existence == ALIGN_REWARD_SEPARATED, separated);
        counts[args.existence]++;
        args.l2 = 1e-3;
        must_fit(&args);
        ck_assert_int_eq(args.existence, ALIGN_REWARD_FINITE);
    }
    ck_assert_int_gt(counts[ALIGN_REWARD_FINITE], 300);
    ck_assert_int_gt(counts[ALIGN_REWARD_DEFICIENT], 5);
    ck_assert_int_gt(counts[ALIGN_REWARD_SEPARATED], 300);
}
END_TEST

/* ---- predictions --------------------------------------------------------------------------- */

START_TEST(predictions_and_their_errors)
{
    enum { D = 3, R = 5 };
    float features[R][D];
    double reward[R], spread[R], v[D][D] = {{2, 0.5, 0}, {0.5, 1, -0.2}, {0, -0.2, 3}};
    double w[D] = {1, -2, 0.25};
    for (int r = 0; r < R; r++)
        for (int k = 0; k < D; k++)
            features[r][k] = (float)(r * k - 2);
    features[4][1] = NAN;
    align_reward_query q;
    align_reward_query_init(&q, sizeof q);
    q.features = align_2d(features, ALIGN_F32, R, D);
    q.coef = align_1d(w, ALIGN_F64, D);
    q.covariance = align_2d(v, ALIGN_F64, D, D);
    q.reward = align_1d(reward, ALIGN_F64, R);
    q.se = align_1d(spread, ALIGN_F64, R);
    ck_assert_int_eq(align_reward_predict(NULL, &q), ALIGN_E_NONE);
    for (int r = 0; r < R - 1; r++) {
        double mean = 0, variance = 0;
        for (int i = 0; i < D; i++) {
            mean += w[i] * features[r][i];
            for (int j = 0; j < D; j++)
                variance += features[r][i] * v[i][j] * features[r][j];
        }
        near(reward[r], mean, 1e-14, "reward", r);
        near(spread[r], sqrt(variance), 1e-14, "se", r);
    }
    ck_assert(isnan(reward[4]) && isnan(spread[4]));
}
END_TEST

SUITE_MAIN("reward", slopes_are_those_of_the_objective, covariance_inverts_the_information,
           one_feature_an_item_is_bradley_terry, empty_directions_cost_nothing,
           springall_on_features, storage_and_index_change_nothing, solvers_agree,
           swapping_sides_changes_nothing_and_swapping_labels_negates,
           separation_is_found_in_every_plane, predictions_and_their_errors)
