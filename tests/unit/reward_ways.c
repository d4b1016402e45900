/* Linear rewards: known answers of other programs, every way in, any number of workers, and who can be
 * separated. */
#include "../suite.h"

#include <libalign/reward.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

static align_error error;
static uint32_t state = 2024;
static uint64_t forbidden;
static align_parallel_fn run_by;

static double uniform(void)
{
    state = state * 1664525 + 1013904223;
    return (double)(state >> 8) / 0x1p24;
}

static int32_t below(int32_t n)
{
    return (int32_t)(uniform() * n);
}

static align_status fit(align_reward_args *args)
{
    align_exec exec;
    size_t least, best;
    align_exec_init(&exec, sizeof exec);
    align_error_init(&error, sizeof error);
    exec.error = &error;
    exec.cpu_forbidden = forbidden;
    exec.parallel = run_by;
    exec.workers = run_by == NULL ? 0 : 3;
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

/* ---- known answers ------------------------------------------------------------------------- */

/* scikit-learn 1.2.1, LogisticRegression(solver="newton-cg", tol=1e-14, max_iter=1000) with C=1/0.7 and
 * fit_intercept=False; the same with True; penalty="none" with True. Its intercept is the position bias: both
 * are free of the penalty. Data: numbers of this file's generator, three features in [-1, 1) and then one that
 * decides the label, a row. */
START_TEST(scikit_learn_agrees)
{
    enum { M = 60, D = 3 };
    static const struct {
        double l2;
        uint32_t flags;
        double coef[D], intercept;
    } known[] = {
        {0.7, 0, {1.2535918123345953, -1.010732864650076, 0.31471840271577983}, 0},
        {0.7,
         ALIGN_REWARD_POSITION,
         {1.2496667051852186, -0.9653941969785723, 0.2869015560096148},
         -0.15634229},
        {0,
         ALIGN_REWARD_POSITION,
         {1.5791261868709179, -1.278577874233661, 0.3330504999766339},
         -0.13392297},
    };
    double x[M][D], zero[D] = {0}, prob[M], coef[D];
    state = 2024;
    for (int r = 0; r < M; r++) {
        for (int k = 0; k < D; k++)
            x[r][k] = 2 * uniform() - 1;
        prob[r] = uniform() < 1 / (1 + exp(-(1.5 * x[r][0] - x[r][1] + 0.5 * x[r][2])));
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        align_reward_args args;
        align_reward_args_init(&args, sizeof args);
        args.first = align_2d(x, ALIGN_F64, M, D);
        args.second = align_2d(zero, ALIGN_F64, M, D);
        args.second.stride[0] = 0;
        args.prob = align_1d(prob, ALIGN_F64, M);
        args.coef = align_1d(coef, ALIGN_F64, D);
        args.l2 = known[i].l2;
        args.flags = known[i].flags;
        must_fit(&args);
        for (int k = 0; k < D; k++)
            near(coef[k], known[i].coef[k], 1e-7, "coef", k);
        near(args.position, known[i].intercept, 1e-7, "position", (int64_t)i);
    }
}
END_TEST

/* Bitterness of wine (Randall 1989), 72 ratings by temperature and contact: R's ordinal::clm. Ratings are of
 * single answers, so the other side is a row of zeros. */
START_TEST(wine_on_a_cumulative_logit)
{
    static const int counts[4][5] = {
        {4, 9, 5, 0, 0}, {0, 5, 8, 3, 2}, {1, 7, 8, 2, 0}, {0, 1, 5, 7, 5}};
    static const double expected[4] = {-1.34438341127, 1.25080879842, 3.46688692647, 5.00640420427};
    double x[20][2], zero[2] = {0}, weight[20], coef[2], se[2], threshold[4];
    int32_t grade[20];
    for (int i = 0; i < 20; i++) {
        x[i][0] = i / 5 % 2; /* warm */
        x[i][1] = i / 10;    /* contact */
        weight[i] = counts[i / 5][i % 5];
        grade[i] = i % 5;
    }
    align_reward_args args;
    align_reward_args_init(&args, sizeof args);
    args.model = ALIGN_REWARD_ORDINAL;
    args.levels = 5;
    args.first = align_2d(x, ALIGN_F64, 20, 2);
    args.second = align_2d(zero, ALIGN_F64, 20, 2);
    args.second.stride[0] = 0;
    args.weight = align_1d(weight, ALIGN_F64, 20);
    args.grade = align_1d(grade, ALIGN_I32, 20);
    args.coef = align_1d(coef, ALIGN_F64, 2);
    args.se = align_1d(se, ALIGN_F64, 2);
    args.threshold = align_1d(threshold, ALIGN_F64, 4);
    must_fit(&args);
    near(coef[0], 2.5031020079, 1e-9, "warm", 0);
    near(coef[1], 1.5277976581, 1e-9, "contact", 0);
    near(se[0], 0.528680100825, 1e-9, "se warm", 0);
    near(se[1], 0.476622629648, 1e-9, "se contact", 0);
    near(args.log_likelihood, -86.491923365649, 1e-9, "log_likelihood", 0);
    for (int k = 0; k < 4; k++)
        near(threshold[k], expected[k], 1e-9, "threshold", k);
}
END_TEST

/* Chocolate pudding (Davidson 1970) with one feature a brand: worths sum to 1 and nu as printed there, theirs
 * to more digits and Rao and Kupper's by a Newton fit in f64 outside of this library. */
START_TEST(pudding_with_ties)
{
    static const int rows[15][5] = {{0, 1, 19, 22, 16}, {0, 2, 16, 19, 12}, {1, 2, 19, 19, 10},
                                    {0, 3, 18, 23, 13}, {1, 3, 23, 19, 9},  {2, 3, 19, 20, 15},
                                    {0, 4, 13, 19, 18}, {1, 4, 16, 20, 12}, {2, 4, 16, 15, 17},
                                    {3, 4, 17, 14, 16}, {0, 5, 18, 21, 12}, {1, 5, 22, 20, 12},
                                    {2, 5, 13, 18, 10}, {3, 5, 14, 19, 18}, {4, 5, 11, 21, 12}};
    static const struct {
        double worth[6], tie, loss;
    } known[2] = {
        {{0.138803375181, 0.173001499983, 0.161747434037, 0.165372957763, 0.158685394575,
          0.202389338462},
         0.746822987654,
         809.709510090288},
        {{0.144398966459, 0.171794359580, 0.162817390124, 0.166078195304, 0.160380509896,
          0.194530578637},
         1.748457254737,
         809.697133488584},
    };
    double table[6][6] = {{0}}, prob[45], weight[45], coef[6], threshold = 0, se = 0;
    int32_t index[45][2];
    for (int i = 0; i < 6; i++)
        table[i][i] = 1;
    for (int r = 0; r < 45; r++) {
        const int *row = rows[r / 3], kind = r % 3;
        index[r][0] = row[0];
        index[r][1] = row[1];
        prob[r] = kind == 0 ? 1 : kind == 1 ? 0 : 0.5;
        weight[r] = row[2 + kind];
    }
    for (int m = 0; m < 2; m++) {
        align_reward_args args;
        align_reward_args_init(&args, sizeof args);
        args.model = m == 0 ? ALIGN_REWARD_DAVIDSON : ALIGN_REWARD_RAO_KUPPER;
        args.features = align_2d(table, ALIGN_F64, 6, 6);
        args.index = align_2d(index, ALIGN_I32, 45, 2);
        args.prob = align_1d(prob, ALIGN_F64, 45);
        args.weight = align_1d(weight, ALIGN_F64, 45);
        args.coef = align_1d(coef, ALIGN_F64, 6);
        args.threshold = align_1d(&threshold, ALIGN_F64, 1);
        args.threshold_se = align_1d(&se, ALIGN_F64, 1);
        must_fit(&args);
        ck_assert_int_eq((int)args.null_dimension, 1);
        double sum = 0;
        for (int i = 0; i < 6; i++)
            sum += exp(coef[i]);
        for (int i = 0; i < 6; i++)
            near(exp(coef[i]) / sum, known[m].worth[i], 1e-11, "worth", i);
        near(exp(threshold), known[m].tie, 1e-11, "tie", m);
        near(-args.log_likelihood, known[m].loss, 1e-9, "loss", m);
        ck_assert(se > 0 && se < 1);
    }
}
END_TEST

/* choix (tests/data/testcase-rankings-2.json and -top1-2.json): worths of mean zero. Its answer for rankings
 * still has a slope of 2e-5; these digits are from gradient descent in NumPy down to 2e-16. */
START_TEST(rankings_and_choices_as_choix)
{
    static const int32_t rankings[3][3] = {{0, 1, 2}, {3, 2, 0}, {1, 3, -1}};
    static const int32_t choices[3][3] = {{0, 1, -1}, {1, 2, -1}, {2, 0, 1}};
    static const double expected[2][4] = {{-0.44330849, 0.69506787, -0.67060957, 0.41885019},
                                          {0.16040395, -0.32080789, 0.16040394}};
    double table[4][4] = {{0}}, coef[4];
    for (int i = 0; i < 4; i++)
        table[i][i] = 1;
    for (int m = 0; m < 2; m++) {
        int items = 4 - m;
        align_reward_args args;
        align_reward_args_init(&args, sizeof args);
        args.model = ALIGN_REWARD_LISTS;
        args.stages = m;
        args.list = align_2d(m == 0 ? rankings : choices, ALIGN_I32, 3, 3);
        args.features = align_2d(table, ALIGN_F64, 4, items);
        args.features.stride[0] = 4;
        args.coef = align_1d(coef, ALIGN_F64, items);
        must_fit(&args);
        for (int i = 0; i < items; i++)
            near(coef[i], expected[m][i], 2e-8, "worth", i);
    }
}
END_TEST

/* ---- every way in -------------------------------------------------------------------------- */

static int32_t run_backwards(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    (void)user;
    for (int64_t i = tasks; i-- > 0;)
        fn(ctx, i);
    return 0;
}

enum { M = 400, D = 9, R = 150 };

static const align_dtype dtypes[] = {ALIGN_F32, ALIGN_F64, ALIGN_BF16, ALIGN_F16};

/* Numbers that every dtype holds: whole ones up to 8 by 1/4. */
static void store_all(double x, void *const at[4], int64_t i)
{
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    ((float *)at[0])[i] = f;
    ((double *)at[1])[i] = x;
    ((uint16_t *)at[2])[i] = (uint16_t)(bits >> 16);
    ((uint16_t *)at[3])[i] =
        x == 0 ? 0 : (uint16_t)((bits >> 16 & 0x8000) | ((bits & 0x7fffffff) - 0x38000000) >> 13);
}

static double wide[R * D];
static float narrow[R * D];
static uint16_t brain[R * D], half[R * D];

static double values[R * D], sides[2][4][M][D], share[M];
static int32_t columns[R * D], offsets[R + 1], near_rows[M][2];
static int64_t far_rows[M][2];

/* Answers in every dtype and sparse, with pairs of them. Returns how many features are not 0. */
static int64_t draw_ways(void)
{
    void *const all[4] = {narrow, wide, brain, half};
    int64_t n = 0;
    for (int i = 0; i < R * D; i++) {
        double x = uniform() < 0.5 ? 0 : (double)(1 + below(7)) / 4 * (below(2) * 2 - 1);
        store_all(x, all, i);
        if (x != 0) {
            columns[n] = i % D;
            values[n++] = x;
        }
        offsets[i / D + 1] = (int32_t)n;
    }
    for (int r = 0; r < M; r++) {
        far_rows[r][0] = near_rows[r][0] = below(R);
        far_rows[r][1] = near_rows[r][1] = below(R);
        share[r] = (double)below(5) / 4;
        for (int side = 0; side < 2; side++)
            for (int k = 0; k < D; k++) {
                void *const at[4] = {sides[side][0][r], sides[side][1][r], sides[side][2][r],
                                     sides[side][3][r]};
                store_all(wide[near_rows[r][side] * D + k], at, k);
            }
    }
    return n;
}

/* Pairs by near_rows and lists, dense in each dtype and sparse: the same minimum. */
START_TEST(every_dtype_and_sparse_rows_are_the_same)
{
    void *const all[4] = {narrow, wide, brain, half};
    double coef[D], expected[D];
    int64_t n = draw_ways();
    for (int lists = 0; lists < 2; lists++) {
        align_reward_args args;
        align_reward_args_init(&args, sizeof args);
        args.model = lists == 0 ? ALIGN_REWARD_LOGISTIC : ALIGN_REWARD_LISTS;
        args.l2 = 0.1;
        args.coef = align_1d(coef, ALIGN_F64, D);
        if (lists == 0)
            args.prob = align_1d(share, ALIGN_F64, M);
        align_tensor *which = lists == 0 ? &args.index : &args.list;
        for (int t = 0; t < 4; t++) {
            *which = t % 2 == 0 ? align_2d(near_rows, ALIGN_I32, M, 2)
                                : align_2d(far_rows, ALIGN_I64, M, 2);
            args.features = align_2d(all[t], dtypes[t], R, D);
            must_fit(&args);
            if (t == 0)
                memcpy(expected, coef, sizeof coef);
            ck_assert_mem_eq(coef, expected, sizeof coef);
        }
        args.features = align_1d(values, ALIGN_F64, n);
        args.columns = align_1d(columns, ALIGN_I32, n);
        args.row_offsets = align_1d(offsets, ALIGN_I32, R + 1);
        must_fit(&args);
        for (int k = 0; k < D; k++)
            near(coef[k], expected[k], 1e-12, "sparse", k);
    }
}
END_TEST

/* Rows of one side of all pairs, sparse: returns how many values. */
static int64_t draw_sparse(int side, float *value, int64_t *column, int32_t *offset)
{
    int64_t n = 0;
    for (int r = 0; r < M; r++) {
        const double *row = sides[side][1][r];
        for (int k = D - 1; k >= 0; k--)
            if (row[k] != 0) {
                value[n] = (float)row[k];
                column[n++] = k;
            }
        offset[r + 1] = (int32_t)n;
    }
    return n;
}

/* Chosen and rejected answers with columns of their own: the minimum, errors and sparse extras of dense ones. */
START_TEST(sparse_sides_are_the_same)
{
    static float value[2][M * D];
    static int64_t column[2][M * D];
    static int32_t offset[2][M + 1];
    double coef[D], expected[D], se[2][D];
    int64_t n[2];
    draw_ways();
    for (int side = 0; side < 2; side++)
        n[side] = draw_sparse(side, value[side], column[side], offset[side]);
    for (int model = 0; model < 2; model++) {
        align_reward_args args;
        align_reward_args_init(&args, sizeof args);
        for (int r = 0; r < M && model == 1; r++)
            share[r] = below(3) / 2.0;
        args.model = model == 0 ? ALIGN_REWARD_LOGISTIC : ALIGN_REWARD_DAVIDSON;
        args.flags = ALIGN_REWARD_POSITION;
        args.l2 = 0.1;
        args.prob = align_1d(share, ALIGN_F64, M);
        args.coef = align_1d(expected, ALIGN_F64, D);
        args.se = align_1d(se[0], ALIGN_F64, D);
        args.first = align_2d(sides[0][1], ALIGN_F64, M, D);
        args.second = align_2d(sides[1][1], ALIGN_F64, M, D);
        must_fit(&args);
        args.coef = align_1d(coef, ALIGN_F64, D);
        args.se = align_1d(se[1], ALIGN_F64, D);
        args.first = align_1d(value[0], ALIGN_F32, n[0]);
        args.columns = align_1d(column[0], ALIGN_I64, n[0]);
        args.row_offsets = align_1d(offset[0], ALIGN_I32, M + 1);
        args.second = align_1d(value[1], ALIGN_F32, n[1]);
        args.second_columns = align_1d(column[1], ALIGN_I64, n[1]);
        args.second_row_offsets = align_1d(offset[1], ALIGN_I32, M + 1);
        must_fit(&args);
        for (int k = 0; k < D; k++) {
            near(coef[k], expected[k], 1e-12, "sparse sides", k);
            near(se[1][k], se[0][k], 1e-12, "se", k);
        }
        args.max_iterations = 100;
        args.se.ndim = 0;
        run_by = run_backwards;
        must_fit(&args);
        run_by = NULL;
        for (int k = 0; k < D; k++)
            near(coef[k], expected[k], 1e-11, "without errors", k);
    }
}
END_TEST

START_TEST(sides_of_a_pair_have_any_two_dtypes)
{
    double coef[D], expected[D];
    draw_ways();
    align_reward_args args;
    align_reward_args_init(&args, sizeof args);
    args.l2 = 0.1;
    args.prob = align_1d(share, ALIGN_F64, M);
    args.coef = align_1d(coef, ALIGN_F64, D);
    for (int t = 0; t < 16; t++) {
        args.first = align_2d(sides[0][t / 4], dtypes[t / 4], M, D);
        args.second = align_2d(sides[1][t % 4], dtypes[t % 4], M, D);
        args.first.stride[0] = D * 8 / align_dtype_bytes(dtypes[t / 4]);
        args.second.stride[0] = D * 8 / align_dtype_bytes(dtypes[t % 4]);
        must_fit(&args);
        if (t == 0)
            memcpy(expected, coef, sizeof coef);
        ck_assert_mem_eq(coef, expected, sizeof coef);
    }
}
END_TEST

/* A list of two is a pair, two levels are labels, and a start changes nothing but the way. */
START_TEST(models_meet)
{
    double coef[D], expected[D], threshold = 0;
    int32_t index[M][2], grade[M];
    double prob[M];
    for (int i = 0; i < R * D; i++)
        wide[i] = uniform();
    for (int r = 0; r < M; r++) {
        index[r][0] = below(R);
        index[r][1] = below(R);
        grade[r] = below(4) > 0;
        prob[r] = grade[r];
    }
    align_reward_args args;
    align_reward_args_init(&args, sizeof args);
    args.features = align_2d(wide, ALIGN_F64, R, D);
    args.index = align_2d(index, ALIGN_I32, M, 2);
    args.coef = align_1d(coef, ALIGN_F64, D);
    must_fit(&args);
    memcpy(expected, coef, sizeof coef);
    int64_t cold = args.iterations;
    args.start = align_1d(expected, ALIGN_F64, D);
    must_fit(&args);
    ck_assert(args.iterations < cold && args.iterations <= 2);
    for (int k = 0; k < D; k++)
        near(coef[k], expected[k], 1e-11, "start", k);
    args.start.ndim = 0;
    args.list = args.index;
    args.index.ndim = 0;
    args.model = ALIGN_REWARD_LISTS;
    must_fit(&args);
    for (int k = 0; k < D; k++)
        near(coef[k], expected[k], 1e-11, "list", k);
    args.index = args.list;
    args.list.ndim = 0;
    args.model = ALIGN_REWARD_LOGISTIC;
    args.prob = align_1d(prob, ALIGN_F64, M);
    args.flags = ALIGN_REWARD_POSITION;
    must_fit(&args);
    memcpy(expected, coef, sizeof coef);
    double bias = args.position;
    args.prob.ndim = 0;
    args.model = ALIGN_REWARD_ORDINAL;
    args.flags = 0;
    args.levels = 2;
    args.grade = align_1d(grade, ALIGN_I32, M);
    args.threshold = align_1d(&threshold, ALIGN_F64, 1);
    must_fit(&args);
    near(threshold, -bias, 1e-11, "threshold", 0);
    for (int k = 0; k < D; k++)
        near(coef[k], expected[k], 1e-11, "grade", k);
}
END_TEST

/* From the largest l2 down, each fit from the answer before in the same array: what a fit from nothing finds. */
START_TEST(paths_start_where_the_last_fit_ended)
{
    static const double l2[4] = {100, 10, 1, 0.1};
    double coef[D] = {0}, cold[D];
    int32_t index[M][2];
    double length = 0;
    for (int i = 0; i < R * D; i++)
        wide[i] = uniform();
    for (int r = 0; r < M; r++) {
        index[r][0] = below(R);
        index[r][1] = below(R);
    }
    align_reward_args args;
    align_reward_args_init(&args, sizeof args);
    args.features = align_2d(wide, ALIGN_F64, R, D);
    args.index = align_2d(index, ALIGN_I32, M, 2);
    for (int i = 0; i < 4; i++) {
        args.l2 = l2[i];
        args.coef = align_1d(cold, ALIGN_F64, D);
        args.start.ndim = 0;
        must_fit(&args);
        args.coef = args.start = align_1d(coef, ALIGN_F64, D);
        must_fit(&args);
        double now = 0;
        for (int k = 0; k < D; k++) {
            near(coef[k], cold[k], 1e-11, "coef", k);
            now += coef[k] * coef[k];
        }
        ck_assert_double_gt(now, length);
        length = now;
    }
}
END_TEST

/* ---- workers and instruction sets ---------------------------------------------------------- */

static int32_t run_odd_first(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    (void)user;
    for (int64_t i = 1; i < tasks; i += 2)
        fn(ctx, i);
    for (int64_t i = 0; i < tasks; i += 2)
        fn(ctx, i);
    return 0;
}

static int32_t run_and_fail(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    (void)user;
    for (int64_t i = 0; i < tasks / 2; i++)
        fn(ctx, i);
    return 7;
}

/* By Cholesky, and above 128 features by conjugate gradients with and without a guide; the guided answer is
 * also that of Cholesky, which errors ask for. */
START_TEST(workers_and_processors_change_no_bit)
{
    static const struct {
        int64_t m, d;
    } sizes[] = {{2000, 20}, {6000, 140}, {600, 140}};
    static const align_parallel_fn runners[] = {NULL, run_backwards, run_odd_first};
    static const uint64_t cpus[] = {0, ALIGN_CPU_AVX512, ALIGN_CPU_AVX512 | ALIGN_CPU_AVX2};
    static float first[6000 * 140], second[6000 * 140];
    static double expected[140], coef[140], se[140];
    for (int i = 0; i < 6000 * 140; i++) {
        first[i] = (float)(uniform() - 0.5);
        second[i] = (float)(uniform() - 0.5);
    }
    for (int s = 0; s < 3; s++) {
        align_reward_args args;
        align_reward_args_init(&args, sizeof args);
        args.first = align_2d(first, ALIGN_F32, sizes[s].m, sizes[s].d);
        args.second = align_2d(second, ALIGN_F32, sizes[s].m, sizes[s].d);
        args.coef = align_1d(coef, ALIGN_F64, sizes[s].d);
        args.l2 = 3;
        for (int way = 0; way < 5; way++) {
            run_by = runners[way < 3 ? way : 0];
            forbidden = cpus[way < 3 ? 0 : way - 2];
            must_fit(&args);
            if (way == 0)
                memcpy(expected, coef, sizeof coef);
            ck_assert_mem_eq(coef, expected, sizeof *coef * (size_t)sizes[s].d);
        }
        run_by = run_and_fail;
        forbidden = 0;
        ck_assert_int_eq(fit(&args), ALIGN_E_PARALLEL);
        run_by = NULL;
        args.se = align_1d(se, ALIGN_F64, sizes[s].d);
        must_fit(&args);
        for (int64_t k = 0; k < sizes[s].d; k++)
            near(coef[k], expected[k], 1e-11, "by Cholesky", k);
    }
}
END_TEST

/* So many pairs that the first steps are made on some of them, which know nothing of the last feature. */
START_TEST(long_fits_begin_on_some_of_the_pairs)
{
    enum { MANY = 17000, WIDE = 260 };
    static float first[MANY][WIDE], zero[WIDE], prob[MANY];
    static double coef[WIDE], expected[WIDE], se[WIDE], weight[MANY];
    for (int r = 0; r < MANY; r++) {
        double z = 0;
        for (int k = 0; k < WIDE - 1; k++) {
            first[r][k] = (float)(uniform() - 0.5);
            z += (double)first[r][k] * (k % 5 - 2) / 4;
        }
        first[r][WIDE - 1] = r % 4001 == 1; /* the part begins at 0 and goes on by fours */
        prob[r] = uniform() < 1 / (1 + exp(-z));
        weight[r] = r % 9 / 4.0;
    }
    align_reward_args args;
    align_reward_args_init(&args, sizeof args);
    args.first = align_2d(first, ALIGN_F32, MANY, WIDE);
    args.second = align_2d(zero, ALIGN_F32, MANY, WIDE);
    args.second.stride[0] = 0;
    args.prob = align_1d(prob, ALIGN_F32, MANY);
    args.weight = align_1d(weight, ALIGN_F64, MANY);
    args.coef = align_1d(expected, ALIGN_F64, WIDE);
    args.l2 = 0.5;
    must_fit(&args);
    ck_assert_double_lt(args.score_norm, 1e-5);
    args.coef = align_1d(coef, ALIGN_F64, WIDE);
    run_by = run_odd_first;
    forbidden = ALIGN_CPU_AVX512;
    must_fit(&args);
    run_by = NULL;
    forbidden = 0;
    ck_assert_mem_eq(coef, expected, sizeof coef);
    args.start = args.coef;
    must_fit(&args);
    args.start.ndim = 0;
    args.se = align_1d(se, ALIGN_F64, WIDE);
    for (int k = 0; k < WIDE; k++)
        near(coef[k], expected[k], 1e-10, "from a start", k);
    must_fit(&args);
    args.se.ndim = 0;
    for (int k = 0; k < WIDE; k++)
        near(coef[k], expected[k], 1e-10, "by Cholesky", k);
    for (int row = 4000; row < 4002; row++) {
        first[row][7] = row % 2 == 0 ? (float)NAN : INFINITY;
        ck_assert_int_eq(fit(&args), ALIGN_E_RANGE);
        ck_assert_int_eq((int)error.index[0], row);
        ck_assert_int_eq((int)error.index[1], 7);
        first[row][7] = 0;
    }
}
END_TEST

/* ---- separation ---------------------------------------------------------------------------- */

/* Rows of one feature, whole numbers of both signs. Can w = s, with thresholds, grow for ever? */
static bool grows_by_grade(const double *x, const int32_t *grade, int m, int levels, double s)
{
    double least[8], most[8], best = 0;
    for (int k = 0; k < levels; k++) {
        least[k] = INFINITY;
        most[k] = -INFINITY;
    }
    for (int r = 0; r < m; r++) {
        least[grade[r]] = fmin(least[grade[r]], s * x[r]);
        most[grade[r]] = fmax(most[grade[r]], s * x[r]);
        best = fmax(best, fabs(x[r]));
    }
    for (int k = 0; k < levels - 1; k++)
        if (most[k] > least[k + 1])
            return false;
    return most[levels - 1] > least[0] && best > 0;
}

static bool grows_by_ties(const double *x, const double *prob, int m, double s)
{
    double tie = 0, decided = INFINITY, best = 0;
    for (int r = 0; r < m; r++) {
        if (prob[r] == 0.5)
            tie = fmax(tie, fabs(x[r]));
        else
            decided = fmin(decided, s * (prob[r] == 1 ? x[r] : -x[r]));
        best = fmax(best, fabs(x[r]));
    }
    return decided >= tie && best > 0;
}

static align_reward_args line_of(double *x, double *zero, double *coef, int64_t m)
{
    align_reward_args args;
    align_reward_args_init(&args, sizeof args);
    args.first = align_2d(x, ALIGN_F64, m, 1);
    args.second = align_2d(zero, ALIGN_F64, m, 1);
    args.second.stride[0] = 0;
    args.coef = align_1d(coef, ALIGN_F64, 1);
    return args;
}

static void expect_separated(align_reward_args *args, bool separated, int *counts)
{
    align_status status = fit(args);
    ck_assert_msg(status == (separated ? ALIGN_E_NO_SOLUTION : ALIGN_E_NONE),
                  "%d, separated %d: %s", status, separated, error.text);
    ck_assert_int_eq(args->existence == ALIGN_REWARD_SEPARATED, separated);
    counts[separated]++;
    args->l2 = 0.1;
    must_fit(args);
    ck_assert_int_ne(args->existence, ALIGN_REWARD_SEPARATED);
}

START_TEST(separation_by_grades)
{
    int counts[2] = {0};
    for (int trial = 0; trial < 600; trial++) {
        double x[8], zero = 0, coef;
        int32_t grade[8];
        int m = 4 + below(5), levels = 2 + below(3);
        for (int r = 0; r < m; r++) {
            grade[r] = r < levels ? r : below(levels);
            x[r] = below(3) == 0 ? grade[r] : below(5) - 2;
        }
        align_reward_args args = line_of(x, &zero, &coef, m);
        args.model = ALIGN_REWARD_ORDINAL;
        args.levels = levels;
        args.grade = align_1d(grade, ALIGN_I32, m);
        bool separated = grows_by_grade(x, grade, m, levels, 1) ||
                         grows_by_grade(x, grade, m, levels, -1);
        expect_separated(&args, separated, counts);
    }
    ck_assert(counts[0] > 50 && counts[1] > 50);
}
END_TEST

START_TEST(separation_with_ties)
{
    int counts[2] = {0};
    for (int trial = 0; trial < 600; trial++) {
        double x[8], prob[8], zero = 0, coef;
        int m = 3 + below(6);
        for (int r = 0; r < m; r++) {
            prob[r] = r == 0 ? 0.5 : r == 1 ? 1 : below(3) / 2.0;
            x[r] = below(2) == 0 ? 4 * (prob[r] - 0.5) : below(5) - 2;
        }
        align_reward_args args = line_of(x, &zero, &coef, m);
        args.model = trial % 2 == 0 ? ALIGN_REWARD_DAVIDSON : ALIGN_REWARD_RAO_KUPPER;
        args.prob = align_1d(prob, ALIGN_F64, m);
        expect_separated(&args, grows_by_ties(x, prob, m, 1) || grows_by_ties(x, prob, m, -1),
                         counts);
    }
    ck_assert(counts[0] > 50 && counts[1] > 50);
}
END_TEST

START_TEST(separation_in_lists)
{
    int counts[2] = {0};
    for (int trial = 0; trial < 600; trial++) {
        double x[6], coef;
        int32_t list[4][3];
        int lists = 1 + below(4), stages = below(3);
        bool down = true, rising = true, strict = false;
        for (int i = 0; i < 6; i++)
            x[i] = below(5);
        for (int r = 0; r < lists; r++) {
            int32_t at[3] = {below(6), below(6), below(3) == 0 ? -1 : below(6)};
            memcpy(list[r], at, sizeof at);
            for (int j = 0; j < (stages == 1 ? 1 : 2); j++)
                for (int l = j + 1; l < 3 && at[l] >= 0; l++) {
                    down &= x[at[j]] >= x[at[l]];
                    rising &= x[at[j]] <= x[at[l]];
                    strict |= x[at[j]] != x[at[l]];
                }
        }
        align_reward_args args;
        align_reward_args_init(&args, sizeof args);
        args.model = ALIGN_REWARD_LISTS;
        args.stages = stages;
        args.features = align_2d(x, ALIGN_F64, 6, 1);
        args.list = align_2d(list, ALIGN_I32, lists, 3);
        args.coef = align_1d(&coef, ALIGN_F64, 1);
        expect_separated(&args, (down || rising) && strict, counts);
    }
    ck_assert(counts[0] > 50 && counts[1] > 50);
}
END_TEST

SUITE_MAIN("reward ways", scikit_learn_agrees, wine_on_a_cumulative_logit, pudding_with_ties,
           rankings_and_choices_as_choix, every_dtype_and_sparse_rows_are_the_same,
           sparse_sides_are_the_same, sides_of_a_pair_have_any_two_dtypes, models_meet,
           paths_start_where_the_last_fit_ended, workers_and_processors_change_no_bit,
           long_fits_begin_on_some_of_the_pairs, separation_by_grades, separation_with_ties,
           separation_in_lists)
