/* Features, covariates, fixed strengths, annotators, Jeffreys' prior, clusters, sweeps and Elo: against the
 * definitions, written out here row by row, and their finite differences. */
#include "../suite.h"

#include "../bt_games.h"

#include <math.h>

enum { ROWS = 600, N = 8, P = 2, C = 2, A = 5, K = 20, SIZE = N + 1 + 1 + 2 * A + P + C };

static struct {
    int64_t rows;
    int32_t first[ROWS], second[ROWS], annotator[ROWS], cluster[ROWS];
    double outcome[ROWS], weight[ROWS], covariate[ROWS][C];
} data;

static double feature[N][P], coefficient[P + C], coefficient_se[P + C], bias[A], reliability[A];
static double fixed[N];
static struct answer answer, second;
static uint32_t state = 21;

static double uniform(void)
{
    state = state * 1664525 + 1013904223;
    return (double)(state >> 8) / 0x1p24;
}

static int32_t below(int32_t n)
{
    return (int32_t)(uniform() * n);
}

/* Games whose outcome depends on all that a model may know. */
static void make_data(int64_t rows, bool ties)
{
    data.rows = rows;
    for (int i = 0; i < N; i++)
        for (int p = 0; p < P; p++)
            feature[i][p] = 2 * uniform() - 1;
    for (int64_t r = 0; r < rows; r++) {
        data.first[r] = r < N ? (int32_t)r : below(N);
        data.second[r] = r < N ? (int32_t)(r + 1) % N : (data.first[r] + 1 + below(N - 1)) % N;
        data.annotator[r] = below(A);
        data.cluster[r] = below(K);
        data.weight[r] = uniform() < 0.5 ? 1 : 2 * uniform();
        for (int c = 0; c < C; c++)
            data.covariate[r][c] = 2 * uniform() - 1;
        double d = 0.1 * (data.first[r] - data.second[r]) + 0.4 * data.covariate[r][0];
        d *= data.annotator[r] == 0 ? 0.2 : 1;
        bool tie = ties && uniform() < 0.25;
        data.outcome[r] = tie ? 0.5 : uniform() < 1 / (1 + exp(-d)) ? 1 : 0;
    }
}

static align_bt_rows rows_of_data(const align_bt_args *args, bool covariates)
{
    align_bt_rows rows;
    align_bt_rows_init(&rows, sizeof rows);
    rows.first = align_1d(data.first, ALIGN_I32, data.rows);
    rows.second = align_1d(data.second, ALIGN_I32, data.rows);
    rows.outcome = align_1d(data.outcome, ALIGN_F64, data.rows);
    rows.weight = align_1d(data.weight, ALIGN_F64, data.rows);
    if (covariates)
        rows.covariate = align_2d(data.covariate, ALIGN_F64, data.rows, C);
    if (args->n_annotators > 0)
        rows.annotator = align_1d(data.annotator, ALIGN_I32, data.rows);
    if (args->n_clusters > 0)
        rows.cluster = align_1d(data.cluster, ALIGN_I32, data.rows);
    return rows;
}

static void finish(struct answer *a, bool features, bool covariates)
{
    align_bt_rows rows = rows_of_data(&a->args, covariates);
    int64_t coefs = (features ? P : 0) + (covariates ? C : 0);
    a->args.n_items = N;
    a->args.rows = &rows;
    a->args.strength = align_1d(a->strength, ALIGN_F64, N);
    if (a->args.solver != ALIGN_BT_SOLVER_CG) {
        a->args.se = align_1d(a->se, ALIGN_F64, N);
        a->args.covariance = align_2d(a->covariance, ALIGN_F64, N, N);
        a->args.covariance.stride[0] = GAMES_ITEMS;
    }
    a->args.component = align_1d(a->component, ALIGN_I32, N);
    a->args.part = align_1d(a->part, ALIGN_I32, N);
    if (features)
        a->args.item_feature = align_2d(feature, ALIGN_F64, N, P);
    if (coefs > 0)
        a->args.coefficient = align_1d(coefficient, ALIGN_F64, coefs);
    if (coefs > 0 && a->args.solver != ALIGN_BT_SOLVER_CG)
        a->args.coefficient_se = align_1d(coefficient_se, ALIGN_F64, coefs);
    if ((a->args.flags & ALIGN_BT_BIAS) != 0)
        a->args.bias = align_1d(bias, ALIGN_F64, A);
    if ((a->args.flags & ALIGN_BT_RELIABILITY) != 0)
        a->args.reliability = align_1d(reliability, ALIGN_F64, A);
    a->status = games_run(&a->args, &a->error);
    a->args.rows = NULL;
    ck_assert_msg(a->status == ALIGN_E_NONE, "%s", a->error.text);
    ck_assert_int_eq(a->args.existence, ALIGN_BT_FINITE);
}

/* ---- the objective, written out ------------------------------------------------------------ */

/* Parameters: deviations of items, tie, home, bias, log reliability, coefficients. */
enum { TIE = N, HOME, BIAS, RELIABLE = BIAS + A, COEF = RELIABLE + A };

static long double row_of(const struct answer *a, const long double *x, int64_t r, bool features,
                          bool covariates)
{
    int i = data.first[r], j = data.second[r];
    int64_t k = data.annotator[r], at = COEF;
    long double d = x[i] - x[j] + x[HOME] + x[BIAS + k], y = data.outcome[r];
    for (int p = 0; features && p < P; p++)
        d += x[at++] * (feature[i][p] - feature[j][p]);
    for (int c = 0; covariates && c < C; c++)
        d += x[at++] * data.covariate[r][c];
    d *= expl(x[RELIABLE + k]);
    if (a->args.ties == ALIGN_BT_TIES_DAVIDSON) {
        long double up = expl(d / 2), down = expl(-d / 2), tie = expl(x[TIE]);
        return data.weight[r] * logl((y == 1 ? up : y == 0 ? down : tie) / (up + down + tie));
    }
    if (a->args.ties == ALIGN_BT_TIES_RAO_KUPPER) {
        long double win = 1 / (1 + expl(x[TIE] - d)), loss = 1 / (1 + expl(x[TIE] + d));
        return data.weight[r] * logl(y == 1 ? win : y == 0 ? loss : 1 - win - loss);
    }
    return -data.weight[r] * (y * log1pl(expl(-d)) + (1 - y) * log1pl(expl(d)));
}

static long double objective(const struct answer *a, const long double *x, bool features,
                             bool covariates)
{
    long double total = 0;
    for (int64_t r = 0; r < data.rows; r++)
        total += row_of(a, x, r, features, covariates);
    for (int k = 0; k < A; k++) {
        total -= a->args.bias_precision / 2 * x[BIAS + k] * x[BIAS + k];
        total -= a->args.reliability_precision / 2 * x[RELIABLE + k] * x[RELIABLE + k];
    }
    for (int p = 0; p < P + C; p++)
        total -= a->args.coefficient_precision / 2 * x[COEF + p] * x[COEF + p];
    for (int i = 0; i < N; i++)
        total -= a->args.prior_precision / 2 * x[i] * x[i];
    return total;
}

static void parameters(const struct answer *a, bool features, bool covariates, long double *x)
{
    int64_t coefs = (features ? P : 0) + (covariates ? C : 0);
    memset(x, 0, sizeof *x * SIZE);
    for (int p = 0; p < coefs; p++)
        x[COEF + p] = coefficient[p];
    for (int i = 0; i < N; i++) {
        x[i] = a->strength[i];
        for (int p = 0; features && p < P; p++)
            x[i] -= x[COEF + p] * feature[i][p];
    }
    x[TIE] = a->args.tie > 0 ? logl((long double)a->args.tie) : 0;
    x[HOME] = a->args.home;
    for (int k = 0; k < A; k++) {
        x[BIAS + k] = (a->args.flags & ALIGN_BT_BIAS) != 0 ? bias[k] : 0;
        x[RELIABLE + k] = (a->args.flags & ALIGN_BT_RELIABILITY) != 0
                              ? logl((long double)reliability[k])
                              : 0;
    }
}

static bool is_free(const struct answer *a, int k, bool features, bool covariates)
{
    int64_t coefs = (features ? P : 0) + (covariates ? C : 0);
    if (k < N)
        return !features || a->args.prior != 0;
    if (k == TIE)
        return a->args.ties != 0;
    if (k == HOME)
        return (a->args.flags & ALIGN_BT_HOME) != 0;
    if (k < RELIABLE)
        return (a->args.flags & ALIGN_BT_BIAS) != 0;
    return k < COEF ? (a->args.flags & ALIGN_BT_RELIABILITY) != 0 : k - COEF < coefs;
}

static void expect_flat(const struct answer *a, bool features, bool covariates)
{
    const long double h = 1e-6L;
    long double x[SIZE];
    parameters(a, features, covariates, x);
    for (int k = 0; k < SIZE; k++) {
        if (!is_free(a, k, features, covariates))
            continue;
        long double at = x[k];
        x[k] = at + h;
        long double up = objective(a, x, features, covariates);
        x[k] = at - h;
        long double down = objective(a, x, features, covariates);
        x[k] = at;
        games_near((double)((up - down) / (2 * h)), 0, 2e-8, "slope", k);
    }
    games_near(a->args.log_likelihood - a->args.penalty,
               (double)objective(a, x, features, covariates), 1e-10, "objective", 0);
}

static const struct {
    uint32_t flags;
    int ties, solver;
    bool features, covariates;
    double coefficient, deviation;
} models[] = {
    {0, 0, 0, false, true, 0, 0},
    {ALIGN_BT_HOME, 0, 0, false, true, 0.3, 0},
    {ALIGN_BT_HOME, 1, 0, false, true, 0, 0},
    {0, 0, 0, true, false, 0, 0},
    {0, 1, 0, true, false, 0, 0},
    {0, 0, 0, true, false, 0, 2},
    {0, 0, 0, true, true, 0.1, 1},
    {ALIGN_BT_HOME | ALIGN_BT_BIAS, 0, 0, false, false, 0, 0},
    {ALIGN_BT_BIAS, 1, 0, false, true, 0, 0},
    {ALIGN_BT_RELIABILITY, 0, 0, false, false, 0, 0},
    {ALIGN_BT_RELIABILITY | ALIGN_BT_HOME | ALIGN_BT_BIAS, 0, 0, false, true, 0, 0},
    {ALIGN_BT_RELIABILITY, 0, ALIGN_BT_SOLVER_CG, false, false, 0, 0},
    {ALIGN_BT_RELIABILITY, 1, 0, false, false, 0, 0},
    {ALIGN_BT_RELIABILITY, 2, 0, false, false, 0, 0},
    {ALIGN_BT_RELIABILITY, 2, ALIGN_BT_SOLVER_CG, false, false, 0, 1},
    {ALIGN_BT_RELIABILITY | ALIGN_BT_HOME | ALIGN_BT_BIAS, 1, 0, false, true, 0, 0},
    {ALIGN_BT_RELIABILITY | ALIGN_BT_HOME | ALIGN_BT_BIAS, 2, 0, true, true, 0.3, 1},
    {ALIGN_BT_HOME | ALIGN_BT_BIAS, 1, ALIGN_BT_SOLVER_CG, true, true, 0.5, 1},
};

START_TEST(every_model_is_at_its_maximum)
{
    make_data(ROWS, models[_i].ties != 0);
    games_begin(&answer);
    answer.args.flags = models[_i].flags;
    answer.args.ties = models[_i].ties;
    answer.args.solver = models[_i].solver;
    answer.args.coefficient_precision = models[_i].coefficient;
    answer.args.prior_precision = models[_i].deviation;
    answer.args.prior = models[_i].deviation > 0 ? ALIGN_BT_PRIOR_GAUSSIAN : ALIGN_BT_PRIOR_NONE;
    bool annotators = (models[_i].flags & (ALIGN_BT_BIAS | ALIGN_BT_RELIABILITY)) != 0;
    answer.args.n_annotators = annotators ? A : 0;
    answer.args.bias_precision = (models[_i].flags & ALIGN_BT_BIAS) != 0 ? 2 : 0;
    answer.args.reliability_precision = (models[_i].flags & ALIGN_BT_RELIABILITY) != 0 ? 3 : 0;
    finish(&answer, models[_i].features, models[_i].covariates);
    expect_flat(&answer, models[_i].features, models[_i].covariates);
    ck_assert_int_le((int)answer.args.iterations, 15);
    if ((models[_i].flags & ALIGN_BT_RELIABILITY) != 0 && models[_i].ties == ALIGN_BT_TIES_HALF)
        ck_assert_double_lt(reliability[0], reliability[1]);
}
END_TEST

/* ---- errors by differences ------------------------------------------------------------------ */

/* Of strengths and covariates: the sandwich on scores of rows or clusters, with the information by
 * differences of the objective, in the gauge of item 0. */
static void solve(long double *h, long double *b, int size)
{
    for (int k = 0; k < size; k++)
        for (int i = 0; i < size; i++) {
            if (i == k)
                continue;
            long double factor = h[i * size + k] / h[k * size + k];
            for (int j = 0; j < size; j++) {
                h[i * size + j] -= factor * h[k * size + j];
                b[i * size + j] -= factor * b[k * size + j];
            }
        }
    for (int k = 0; k < size; k++)
        for (int j = 0; j < size; j++)
            b[k * size + j] /= h[k * size + k];
}

enum { FREE = N - 1 + C };

static int place_of(int k)
{
    return k < N - 1 ? k + 1 : COEF + k - (N - 1);
}

static void inverse_information(const struct answer *a, long double *x, long double *v)
{
    const long double h = 1e-4L;
    static long double m[FREE * FREE];
    for (int i = 0; i < FREE; i++)
        for (int j = 0; j < FREE; j++) {
            long double sum = 0;
            for (int s = 0; s < 4; s++) {
                long double y[SIZE];
                memcpy(y, x, sizeof y);
                y[place_of(i)] += s % 2 == 0 ? h : -h;
                y[place_of(j)] += s / 2 == 0 ? h : -h;
                sum += (s == 0 || s == 3 ? 1 : -1) * objective(a, y, false, true);
            }
            m[i * FREE + j] = -sum / (4 * h * h);
            v[i * FREE + j] = i == j;
        }
    solve(m, v, FREE);
}

static void expect_sandwich(const struct answer *a, bool clustered)
{
    const long double h = 1e-5L;
    static long double v[FREE * FREE], score[ROWS][FREE], total[FREE];
    long double x[SIZE];
    int64_t groups = clustered ? K : data.rows;
    memset(score, 0, sizeof score);
    memset(total, 0, sizeof total);
    parameters(a, false, true, x);
    inverse_information(a, x, v);
    for (int64_t r = 0; r < data.rows; r++)
        for (int k = 0; k < FREE; k++) {
            long double y[SIZE];
            memcpy(y, x, sizeof y);
            y[place_of(k)] += h;
            long double up = row_of(a, y, r, false, true);
            y[place_of(k)] -= 2 * h;
            long double s = (up - row_of(a, y, r, false, true)) / (2 * h);
            score[clustered ? data.cluster[r] : r][k] += s;
            total[k] += s;
        }
    for (int c = 0; c < C; c++) {
        long double sum = 0;
        for (int64_t g = 0; g < groups; g++) {
            long double along = 0;
            for (int k = 0; k < FREE; k++)
                along += v[(N - 1 + c) * FREE + k] * (score[g][k] - total[k] / (long double)groups);
            sum += along * along;
        }
        double factor = clustered ? (double)K / (K - 1) : 1;
        games_near(coefficient_se[c], sqrt(factor * (double)sum), 1e-6, "coefficient_se", c);
    }
    for (int i = 1; i < N; i++) {
        long double sum = 0;
        for (int64_t g = 0; g < groups; g++) {
            long double along = 0;
            for (int k = 0; k < FREE; k++)
                along += v[(i - 1) * FREE + k] * (score[g][k] - total[k] / (long double)groups);
            sum += along * along;
        }
        double variance = a->covariance[i][i] + a->covariance[0][0] - 2 * a->covariance[0][i];
        double factor = clustered ? (double)K / (K - 1) : 1;
        games_near(variance, factor * (double)sum, 1e-6, "variance", i);
    }
}

/* With and without shrinkage of the coefficients; anchored as well. */
START_TEST(sandwiches_of_covariates)
{
    for (int k = 0; k < 4; k++) {
        make_data(ROWS, false);
        games_begin(&answer);
        answer.args.coefficient_precision = k < 2 ? 0 : 20;
        answer.args.variance = k % 2 == 0 ? ALIGN_BT_SANDWICH : ALIGN_BT_CLUSTER;
        answer.args.n_clusters = k % 2 == 0 ? 0 : K;
        answer.args.flags = k == 3 ? ALIGN_BT_ANCHOR : 0;
        finish(&answer, false, true);
        expect_sandwich(&answer, k % 2 == 1);
    }
}
END_TEST

/* Each row a cluster of its own is the plain sandwich but for K / (K - 1); so are pairs summed up. */
START_TEST(clusters_of_one_are_rows)
{
    make_data(ROWS, true);
    games_begin(&answer);
    answer.args.variance = ALIGN_BT_SANDWICH;
    answer.args.ties = ALIGN_BT_TIES_DAVIDSON;
    answer.args.flags = ALIGN_BT_HOME;
    finish(&answer, false, false);
    for (int32_t r = 0; r < ROWS; r++)
        data.cluster[r] = ROWS - 1 - r;
    games_begin(&second);
    second.args.variance = ALIGN_BT_CLUSTER;
    second.args.ties = ALIGN_BT_TIES_DAVIDSON;
    second.args.flags = ALIGN_BT_HOME;
    second.args.n_clusters = ROWS + 7;
    finish(&second, false, false);
    double factor = (double)ROWS / (ROWS - 1);
    for (int i = 0; i < N; i++)
        games_near(second.se[i] * second.se[i], factor * answer.se[i] * answer.se[i], 1e-12, "se",
                   i);
    games_near(second.args.home_se, sqrt(factor) * answer.args.home_se, 1e-12, "home_se", 0);
    games_near(second.args.tie_se, sqrt(factor) * answer.args.tie_se, 1e-12, "tie_se", 0);
}
END_TEST

/* ---- fixed strengths ------------------------------------------------------------------------ */

START_TEST(fixed_strengths_stay)
{
    for (int solver = ALIGN_BT_SOLVER_CHOLESKY; solver <= ALIGN_BT_SOLVER_CG; solver++) {
        make_data(200, false);
        for (int i = 0; i < N; i++)
            fixed[i] = i == 2 ? 1100 : i == 5 ? 900 : NAN;
        games_begin(&answer);
        answer.args.fixed = align_1d(fixed, ALIGN_F64, N);
        answer.args.scale = 400 / log(10);
        answer.args.offset = 1000;
        answer.args.solver = solver;
        finish(&answer, false, false);
        games_near(answer.strength[2], 1100, 1e-12, "strength", 2);
        games_near(answer.strength[5], 900, 1e-12, "strength", 5);
        long double x[SIZE];
        for (int i = 0; i < N; i++)
            answer.strength[i] = (answer.strength[i] - 1000) / answer.args.scale;
        parameters(&answer, false, false, x);
        for (int k = 0; k < N; k++) {
            const long double h = 1e-5L;
            if (k == 2 || k == 5)
                continue;
            x[k] += h;
            long double up = objective(&answer, x, false, false);
            x[k] -= 2 * h;
            long double down = objective(&answer, x, false, false);
            x[k] += h;
            games_near((double)((up - down) / (2 * h)), 0, 1e-8, "slope", k);
        }
        if (solver == ALIGN_BT_SOLVER_CG)
            continue;
        ck_assert_double_eq(answer.se[2], 0);
        ck_assert_double_eq(answer.covariance[5][1], 0);
        ck_assert_double_gt(answer.se[1], 0);
    }
}
END_TEST

/* One fixed item is an anchor, and fixed items connect what no game does. */
START_TEST(fixed_items_are_anchors)
{
    make_data(200, false);
    for (int i = 0; i < N; i++)
        fixed[i] = i == 3 ? 2 : NAN;
    games_begin(&answer);
    answer.args.fixed = align_1d(fixed, ALIGN_F64, N);
    finish(&answer, false, false);
    games_begin(&second);
    second.args.flags = ALIGN_BT_ANCHOR;
    second.args.anchor = 3;
    second.args.offset = 2;
    finish(&second, false, false);
    for (int i = 0; i < N; i++) {
        games_near(answer.strength[i], second.strength[i], 1e-12, "strength", i);
        for (int j = 0; j < N; j++)
            games_near(answer.covariance[i][j], second.covariance[i][j], 1e-12, "cov", N * i + j);
    }
    static const double pins[4] = {0, NAN, NAN, 1};
    static struct games games;
    games_read(&games, 4, "01 10 23 32");
    games_begin(&answer);
    answer.args.fixed = align_1d(pins, ALIGN_F64, 4);
    games_finish(&games, &answer);
    ck_assert_int_eq(answer.status, 0);
    ck_assert_int_eq((int)answer.args.parts, 1);
    games_near(answer.strength[1], 0, 1e-12, "strength", 1);
    games_near(answer.strength[2], 1, 1e-12, "strength", 2);
    games_read(&games, 4, "01 10 23");
    games_begin(&answer);
    answer.args.fixed = align_1d(pins, ALIGN_F64, 4);
    games_finish(&games, &answer);
    ck_assert_int_eq(answer.args.existence, ALIGN_BT_SEPARATED);
    games_read(&games, 4, "01 23 32 10");
    games_begin(&answer);
    answer.args.flags = ALIGN_BT_HOME;
    answer.args.fixed = align_1d(pins, ALIGN_F64, 4);
    games_finish(&games, &answer);
    ck_assert_int_eq(answer.args.existence, ALIGN_BT_UNBOUNDED);
    games_read(&games, 4, "01 23 32 10 03 30");
    for (int r = 4; r < 6; r++)
        games.outcome[r] = r == 4 ? 0 : 1;
    games_begin(&answer);
    answer.args.flags = ALIGN_BT_HOME;
    answer.args.fixed = align_1d(pins, ALIGN_F64, 4);
    games_finish(&games, &answer);
    ck_assert_int_eq(answer.args.existence, ALIGN_BT_FINITE);
    ck_assert_int_eq(answer.status, 0);
}
END_TEST

/* Errors of annotators are those of the whole information, by differences of the objective in the gauge of item
 * 0, and of one without rows those of the prior. */
START_TEST(annotators_have_errors)
{
    enum { MOST = N - 1 + 2 + 2 * A };
    static long double m[MOST * MOST], v[MOST * MOST];
    int all = _i == ALIGN_BT_TIES_HALF ? MOST - 1 : MOST, home = all - 1 - 2 * A;
    const long double h = 1e-4L;
    double bias_se[A], reliability_se[A];
    long double x[SIZE], y[SIZE];
    int place[MOST];
    make_data(ROWS, _i != ALIGN_BT_TIES_HALF);
    for (int64_t r = 0; r < ROWS; r++)
        data.annotator[r] %= A - 1;
    games_begin(&answer);
    answer.args.ties = _i;
    answer.args.flags = ALIGN_BT_HOME | ALIGN_BT_BIAS | ALIGN_BT_RELIABILITY;
    answer.args.n_annotators = A;
    answer.args.bias_precision = 2;
    answer.args.reliability_precision = 3;
    answer.args.bias_se = align_1d(bias_se, ALIGN_F64, A);
    answer.args.reliability_se = align_1d(reliability_se, ALIGN_F64, A);
    finish(&answer, false, false);
    parameters(&answer, false, false, x);
    for (int k = 0; k < all; k++)
        place[k] = k < N - 1 ? k + 1 : k < home ? TIE : HOME + k - home;
    for (int i = 0; i < all; i++)
        for (int j = 0; j < all; j++) {
            long double sum = 0;
            for (int s = 0; s < 4; s++) {
                memcpy(y, x, sizeof y);
                y[place[i]] += s % 2 == 0 ? h : -h;
                y[place[j]] += s / 2 == 0 ? h : -h;
                sum += (s == 0 || s == 3 ? 1 : -1) * objective(&answer, y, false, false);
            }
            m[i * all + j] = -sum / (4 * h * h);
            v[i * all + j] = i == j;
        }
    solve(m, v, all);
    for (int k = 0; k < A; k++) {
        int b = home + 1 + k, r = home + 1 + A + k;
        games_near(bias_se[k], sqrt((double)v[b * all + b]), 1e-6, "bias_se", k);
        games_near(reliability_se[k], sqrt((double)v[r * all + r]), 1e-6, "reliability_se", k);
    }
    games_near(answer.args.home_se, sqrt((double)v[home * all + home]), 1e-6, "home_se", _i);
    if (home > N - 1)
        games_near(answer.args.tie_se, sqrt((double)v[(N - 1) * all + N - 1]), 1e-6, "tie_se", _i);
    games_near(bias_se[A - 1], sqrt(1 / 2.0), 1e-12, "bias_se", A - 1);
    games_near(reliability_se[A - 1], sqrt(1 / 3.0), 1e-12, "reliability_se", A - 1);
}
END_TEST

/* ---- Jeffreys ------------------------------------------------------------------------------- */

/* log |I| / 2 of the reduced information without item 0; for home, with it. */
static long double half_log_det(const long double *x, bool home)
{
    int size = N - 1 + home;
    long double m[SIZE * SIZE] = {0}, sum = 0;
    for (int64_t r = 0; r < data.rows; r++) {
        int i = data.first[r], j = data.second[r];
        long double d = x[i] - x[j] + (home ? x[HOME] : 0), p = 1 / (1 + expl(-d));
        long double z[SIZE] = {0};
        if (i > 0)
            z[i - 1] = 1;
        if (j > 0)
            z[j - 1] = -1;
        z[N - 1] = home;
        for (int a = 0; a < size; a++)
            for (int b = 0; b < size; b++)
                m[a * size + b] += data.weight[r] * p * (1 - p) * z[a] * z[b];
    }
    for (int k = 0; k < size; k++) {
        sum += logl(m[k * size + k]) / 2;
        for (int i = k + 1; i < size; i++)
            for (int j = k + 1; j < size; j++)
                m[i * size + j] -= m[i * size + k] * m[k * size + j] / m[k * size + k];
    }
    return sum;
}

START_TEST(jeffreys_balances_the_determinant)
{
    const long double h = 1e-5L;
    for (int home = 0; home < 2; home++) {
        long double x[SIZE];
        make_data(60, true);
        games_begin(&answer);
        answer.args.prior = ALIGN_BT_PRIOR_JEFFREYS;
        answer.args.flags = home ? ALIGN_BT_HOME : 0;
        finish(&answer, false, false);
        parameters(&answer, false, false, x);
        for (int k = 0; k <= HOME; k++) {
            if (k == TIE || (k == HOME && !home))
                continue;
            x[k] += h;
            long double up = objective(&answer, x, false, false) + half_log_det(x, home);
            x[k] -= 2 * h;
            long double down = objective(&answer, x, false, false) + half_log_det(x, home);
            x[k] += h;
            games_near((double)((up - down) / (2 * h)), 0, 1e-6, "slope", k);
        }
    }
}
END_TEST

/* Finite where the likelihood is not, and each part of the penalty in its place. */
START_TEST(jeffreys_is_finite_on_connected_graphs)
{
    static struct games games;
    games_read(&games, 3, "01 02 12");
    games_begin(&answer);
    answer.args.prior = ALIGN_BT_PRIOR_JEFFREYS;
    games_finish(&games, &answer);
    ck_assert_msg(answer.status == 0, "%s", answer.error.text);
    games_near(answer.strength[0], -answer.strength[2], 1e-8, "strength", 0);
    ck_assert_double_gt(answer.strength[0], answer.strength[1]);
    games_read(&games, 2, "01 01 01");
    games_begin(&answer);
    answer.args.prior = ALIGN_BT_PRIOR_JEFFREYS;
    games_finish(&games, &answer);
    /* Of one proportion Jeffreys adds half a win each way. */
    games_near(answer.strength[0] - answer.strength[1], log(3.5 / 0.5), 1e-8, "strength", 0);
    games_read(&games, 4, "01 10 23");
    games_begin(&answer);
    answer.args.prior = ALIGN_BT_PRIOR_JEFFREYS;
    games_finish(&games, &answer);
    ck_assert_int_eq(answer.args.existence, ALIGN_BT_ISLANDS);
    games_near(answer.strength[2] - answer.strength[3], log(1.5 / 0.5), 1e-8, "strength", 2);
}
END_TEST

/* ---- existence with covariates -------------------------------------------------------------- */

static align_status fit_status(struct answer *a, bool features, bool covariates)
{
    align_bt_rows rows = rows_of_data(&a->args, covariates);
    a->args.n_items = N;
    a->args.rows = &rows;
    a->args.strength = align_1d(a->strength, ALIGN_F64, N);
    if (features)
        a->args.item_feature = align_2d(feature, ALIGN_F64, N, P);
    a->status = games_run(&a->args, &a->error);
    return a->status;
}

/* A covariate that decides all but a few rows, which decide nothing else: infinite; one row against it:
 * finite. A covariate that is a difference of items, or that never varies beside home: superfluous. */
START_TEST(existence_of_coefficients)
{
    make_data(300, false);
    for (int64_t r = 0; r < data.rows; r++)
        data.covariate[r][1] = r % 3 == 0 ? 0 : data.outcome[r] == 1 ? 1 + uniform() : -1;
    games_begin(&answer);
    ck_assert_int_eq(fit_status(&answer, false, true), ALIGN_E_NO_SOLUTION);
    ck_assert_int_eq(answer.args.existence, ALIGN_BT_UNBOUNDED);
    ck_assert(isnan(answer.strength[0]));
    data.outcome[1] = 1 - data.outcome[1];
    games_begin(&answer);
    ck_assert_int_eq(fit_status(&answer, false, true), ALIGN_E_NONE);
    ck_assert_int_eq(answer.args.existence, ALIGN_BT_FINITE);
    for (int64_t r = 0; r < data.rows; r++)
        data.covariate[r][1] = 3 * (data.first[r] == 2) - 3 * (data.second[r] == 2);
    games_begin(&answer);
    ck_assert_int_eq(fit_status(&answer, false, true), ALIGN_E_NO_SOLUTION);
    ck_assert_int_eq(answer.args.existence, ALIGN_BT_RANK_DEFICIENT);
    games_begin(&answer);
    answer.args.coefficient_precision = 0.1;
    ck_assert_int_eq(fit_status(&answer, false, true), ALIGN_E_NONE);
    for (int64_t r = 0; r < data.rows; r++)
        data.covariate[r][1] = 2;
    games_begin(&answer);
    answer.args.flags = ALIGN_BT_HOME;
    ck_assert_int_eq(fit_status(&answer, false, true), ALIGN_E_NO_SOLUTION);
    ck_assert_int_eq(answer.args.existence, ALIGN_BT_RANK_DEFICIENT);
    make_data(300, false);
    for (int i = 0; i < N; i++)
        feature[i][1] = 2 * feature[i][0] + 5;
    games_begin(&answer);
    ck_assert_int_eq(fit_status(&answer, true, false), ALIGN_E_NO_SOLUTION);
    ck_assert_int_eq(answer.args.existence, ALIGN_BT_RANK_DEFICIENT);
    for (int64_t r = 0; r < data.rows; r++)
        data.outcome[r] = feature[data.first[r]][0] > feature[data.second[r]][0];
    for (int i = 0; i < N; i++)
        feature[i][1] = uniform();
    games_begin(&answer);
    ck_assert_int_eq(fit_status(&answer, true, false), ALIGN_E_NO_SOLUTION);
    ck_assert_int_eq(answer.args.existence, ALIGN_BT_UNBOUNDED);
}
END_TEST

/* ---- sweeps and Elo ------------------------------------------------------------------------- */

START_TEST(sweeps_end_where_newton_does)
{
    static const int priors[] = {ALIGN_BT_PRIOR_NONE, ALIGN_BT_PRIOR_GAMMA, ALIGN_BT_PRIOR_GHOST,
                                 ALIGN_BT_PRIOR_EDGE};
    make_data(300, true);
    for (int k = 0; k < 4; k++)
        for (int solver = ALIGN_BT_SOLVER_MM; solver <= ALIGN_BT_SOLVER_NEWMAN; solver++) {
            if (solver == ALIGN_BT_SOLVER_NEWMAN && priors[k] == ALIGN_BT_PRIOR_GAMMA)
                continue;
            for (int newton = 0; newton < 2; newton++) {
                struct answer *a = newton ? &second : &answer;
                games_begin(a);
                a->args.solver = newton ? 0 : solver;
                a->args.prior = priors[k];
                a->args.prior_shape = priors[k] == ALIGN_BT_PRIOR_GAMMA ? 2 : 0;
                a->args.prior_rate = priors[k] == ALIGN_BT_PRIOR_GAMMA ? 1.5 : 0;
                a->args.prior_games = priors[k] >= ALIGN_BT_PRIOR_GHOST ? 0.7 : 0;
                a->args.tolerance = newton ? 0 : 1e-13;
                finish(a, false, false);
            }
            for (int i = 0; i < N; i++) {
                games_near(answer.strength[i], second.strength[i], 1e-11, "strength", i);
                games_near(answer.se[i], second.se[i], 1e-10, "se", i);
            }
            ck_assert_double_le(answer.args.score_norm, 1e-9);
            ck_assert_double_le(answer.args.decrement, 1e-18);
            games_near(answer.args.condition, second.args.condition, 0.2 * second.args.condition,
                       "condition", k);
        }
}
END_TEST

/* choix tests/test_mm.py: 0 beats 1 beats 2 beats 3 beats 0 from worths 1, .1, .1, .1 has not converged in
 * 10 steps of MM; from any start a limit of steps is a NOT_CONVERGED. */
START_TEST(sweeps_say_when_they_stop_early)
{
    static struct games games;
    games_read(&games, 4, "01 12 23 30 02");
    games_begin(&answer);
    answer.args.solver = ALIGN_BT_SOLVER_MM;
    answer.args.max_iterations = 3;
    games_finish(&games, &answer);
    ck_assert_int_eq(answer.status, ALIGN_E_NOT_CONVERGED);
    ck_assert_int_eq((int)answer.args.iterations, 3);
    ck_assert_double_gt(answer.args.score_norm, 1e-4);
    games_read(&games, 3, "01 02 12 21");
    games_begin(&answer);
    answer.args.solver = ALIGN_BT_SOLVER_NEWMAN;
    games_finish(&games, &answer);
    ck_assert_int_eq(answer.status, ALIGN_E_NO_SOLUTION);
    ck_assert_int_eq(answer.args.existence, ALIGN_BT_SEPARATED);
}
END_TEST

START_TEST(elo_follows_rows)
{
    double rating[N], expected[N];
    make_data(100, true);
    align_bt_elo_args args;
    align_bt_elo_args_init(&args, sizeof args);
    align_bt_rows rows = rows_of_data(&answer.args, false);
    rows.annotator.ndim = rows.cluster.ndim = 0;
    args.rows = &rows;
    args.rating = align_1d(rating, ALIGN_F64, N);
    args.k = 16;
    for (int i = 0; i < N; i++)
        rating[i] = expected[i] = 1500;
    for (int64_t r = 0; r < data.rows; r++) {
        double *a = &expected[data.first[r]], *b = &expected[data.second[r]];
        double e = 1 / (1 + pow(10, (*b - *a) / 400));
        double move = 16 * data.weight[r] * (data.outcome[r] - e);
        *a += move;
        *b -= move;
    }
    ck_assert_int_eq(align_bt_elo_update(NULL, &args), 0);
    for (int i = 0; i < N; i++)
        games_near(rating[i], expected[i], 1e-9, "rating", i);
    data.weight[99] = -1;
    ck_assert_int_eq(align_bt_elo_update(NULL, &args), ALIGN_E_RANGE);
    for (int i = 0; i < N; i++)
        games_near(rating[i], expected[i], 1e-9, "rating", i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bt extras");
    TCase *tcase = tcase_create("bt extras");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, every_model_is_at_its_maximum, 0, sizeof models / sizeof models[0]);
    tcase_add_test(tcase, sandwiches_of_covariates);
    tcase_add_test(tcase, clusters_of_one_are_rows);
    tcase_add_test(tcase, fixed_strengths_stay);
    tcase_add_test(tcase, fixed_items_are_anchors);
    tcase_add_loop_test(tcase, annotators_have_errors, 0, 3);
    tcase_add_test(tcase, jeffreys_balances_the_determinant);
    tcase_add_test(tcase, jeffreys_is_finite_on_connected_graphs);
    tcase_add_test(tcase, existence_of_coefficients);
    tcase_add_test(tcase, sweeps_end_where_newton_does);
    tcase_add_test(tcase, sweeps_say_when_they_stop_early);
    tcase_add_test(tcase, elo_follows_rows);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
