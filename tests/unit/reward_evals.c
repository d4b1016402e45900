/* Around linear rewards: sparse predictions, calibration, random slopes, strengths and ensembles. */
#include "../suite.h"

#include <libalign/reward.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

static uint32_t state = 77;
static align_error error;

static double uniform(void)
{
    state = state * 1664525 + 1013904223;
    return (double)(state >> 8) / 0x1p24;
}

static void near(double found, double expected, double tolerance, const char *what, int64_t i)
{
    ck_assert_msg(fabs(found - expected) <= tolerance, "%s[%d] = %.15g, expected %.15g", what,
                  (int)i, found, expected);
}

static align_exec make_exec(void)
{
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    align_error_init(&error, sizeof error);
    exec.error = &error;
    return exec;
}

static void expect_error(align_status status, align_status expected, const char *field, int64_t i)
{
    ck_assert_msg(status == expected, "%d, expected %d at %s: %s", status, expected, field,
                  error.text);
    ck_assert_msg(strcmp(error.field, field) == 0, "%s, expected %s", error.field, field);
    if (i >= 0)
        ck_assert_int_eq((int)error.index[0], (int)i);
}

/* ---- predictions --------------------------------------------------------------------------- */

START_TEST(sparse_predictions_are_dense_ones)
{
    enum { D = 7, R = 600 };
    static double dense[R][D], values[R * D], reward[2][R], se[2][R];
    static int64_t columns[R * D], offsets[R + 1];
    double w[D], v[D][D], root[D][D];
    for (int i = 0; i < D; i++) {
        w[i] = uniform() - 0.5;
        for (int j = 0; j < D; j++)
            root[i][j] = uniform() - 0.5;
    }
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            v[i][j] = 0;
            for (int k = 0; k < D; k++)
                v[i][j] += root[i][k] * root[j][k];
        }
    int64_t n = 0;
    for (int r = 0; r < R; r++) {
        for (int k = 0; k < D; k++)
            if (uniform() < 0.4) {
                dense[r][k] = uniform();
                columns[n] = k;
                values[n++] = dense[r][k];
            }
        offsets[r + 1] = n;
    }
    for (int way = 0; way < 2; way++) {
        align_reward_query q;
        align_reward_query_init(&q, sizeof q);
        q.features = way == 0 ? align_2d(dense, ALIGN_F64, R, D) : align_1d(values, ALIGN_F64, n);
        if (way == 1) {
            q.columns = align_1d(columns, ALIGN_I64, n);
            q.row_offsets = align_1d(offsets, ALIGN_I64, R + 1);
        }
        q.coef = align_1d(w, ALIGN_F64, D);
        q.covariance = align_2d(v, ALIGN_F64, D, D);
        q.reward = align_1d(reward[way], ALIGN_F64, R);
        q.se = align_1d(se[way], ALIGN_F64, R);
        align_exec exec = make_exec();
        ck_assert_msg(align_reward_predict(&exec, &q) == ALIGN_E_NONE, "%s", error.text);
        if (way == 0)
            continue;
        columns[3] = D;
        expect_error(align_reward_predict(&exec, &q), ALIGN_E_RANGE, "align_reward_query.columns",
                     3);
        q.columns.ndim = 0;
        expect_error(align_reward_predict(&exec, &q), ALIGN_E_SHAPE, "align_reward_query.features",
                     -1);
    }
    for (int r = 0; r < R; r++) {
        near(reward[1][r], reward[0][r], 1e-14, "reward", r);
        near(se[1][r], se[0][r], 1e-13, "se", r);
    }
}
END_TEST

/* ---- calibration --------------------------------------------------------------------------- */

enum { BINS = 10, PAIRS = 500, TOTALS = 5 };

struct sums {
    double bins[BINS][3], totals[TOTALS];
};

static align_reward_calibration_args calibration_of(struct sums *sums, const double *first,
                                                    const double *second, const double *prob,
                                                    const double *weight, int64_t m)
{
    align_reward_calibration_args a;
    align_reward_calibration_args_init(&a, sizeof a);
    a.first = align_1d(first, ALIGN_F64, m);
    a.second = align_1d(second, ALIGN_F64, m);
    a.prob = align_1d(prob, ALIGN_F64, m);
    a.weight = align_1d(weight, ALIGN_F64, m);
    a.bins = align_2d(sums->bins, ALIGN_F64, BINS, 3);
    a.totals = align_1d(sums->totals, ALIGN_F64, TOTALS);
    return a;
}

START_TEST(calibration_by_definition_and_in_parts)
{
    static double first[PAIRS], second[PAIRS], prob[PAIRS], weight[PAIRS];
    struct sums all = {0}, parts[2] = {0};
    long double bins[BINS][3] = {{0}}, totals[TOTALS] = {0};
    for (int i = 0; i < PAIRS; i++) {
        first[i] = 6 * uniform() - 3;
        second[i] = i % 9 == 0 ? first[i] : 6 * uniform() - 3;
        prob[i] = i % 4 == 0 ? uniform() : i % 4 == 1 ? 0.5 : i % 2;
        weight[i] = i % 11 == 0 ? 0 : uniform();
        long double z = (long double)first[i] - second[i], p = 1 / (1 + expl(-z)), c = weight[i];
        int at = (int)(p * BINS);
        bins[at][0] += c;
        bins[at][1] += c * p;
        bins[at][2] += c * prob[i];
        totals[0] += c;
        totals[1] += c * (p - prob[i]) * (p - prob[i]);
        totals[2] -= c * (prob[i] * logl(p) + (1 - prob[i]) * logl(1 - p));
        totals[3] += prob[i] == 0.5 ? 0 : c;
        totals[4] += prob[i] == 0.5 ? 0 : z == 0 ? c / 2 : (z > 0) == (prob[i] > 0.5) ? c : 0;
    }
    align_reward_calibration_args a = calibration_of(&all, first, second, prob, weight, PAIRS);
    ck_assert_int_eq(align_reward_calibration_update(NULL, &a), ALIGN_E_NONE);
    for (int part = 0; part < 2; part++) {
        int64_t at = part * 200, n = part == 0 ? 200 : PAIRS - 200;
        a = calibration_of(&parts[part], first + at, second + at, prob + at, weight + at, n);
        ck_assert_int_eq(align_reward_calibration_update(NULL, &a), ALIGN_E_NONE);
    }
    for (int k = 0; k < TOTALS; k++) {
        near(all.totals[k], (double)totals[k], 1e-11, "totals", k);
        near(parts[0].totals[k] + parts[1].totals[k], all.totals[k], 1e-11, "merged", k);
    }
    for (int b = 0; b < BINS; b++)
        for (int k = 0; k < 3; k++) {
            near(all.bins[b][k], (double)bins[b][k], 1e-11, "bins", b * 3 + k);
            near(parts[0].bins[b][k] + parts[1].bins[b][k], all.bins[b][k], 1e-11, "merged", b);
        }
}
END_TEST

/* Sure and right costs what is left, sure and wrong the distance; infinite likewise. */
START_TEST(calibration_in_the_tails)
{
    const double first[5] = {800, 800, INFINITY, -INFINITY, 40}, prob[5] = {1, 0, 1, 0, 1};
    struct sums sums;
    align_reward_calibration_args a;
    const double loss[5] = {0, 800, 0, 0, log1p(exp(-40))}, brier[5] = {0, 1, 0, 0, exp(-80)};
    for (int i = 0; i < 5; i++) {
        memset(&sums, 0, sizeof sums);
        a = calibration_of(&sums, first + i, first, prob + i, first, 1);
        a.second.ndim = a.weight.ndim = 0;
        ck_assert_int_eq(align_reward_calibration_update(NULL, &a), ALIGN_E_NONE);
        near(sums.totals[1], brier[i], 1e-14 * brier[i], "brier", i);
        near(sums.totals[2], loss[i], 1e-15 * loss[i], "loss", i);
    }
}
END_TEST

START_TEST(calibration_refuses_bad_rows)
{
    double first[3] = {1, 2, 3}, second[3] = {0, 0, 0}, prob[3] = {1, 1, 1}, weight[3] = {1, 1, 1};
    struct sums sums = {0}, none = {0};
    align_exec exec = make_exec();
    align_reward_calibration_args a = calibration_of(&sums, first, second, prob, weight, 3);
    const struct {
        double *at, value;
        const char *field;
    } rows[] = {
        {&first[1], NAN, "align_reward_calibration_args.first"},
        {&second[1], NAN, "align_reward_calibration_args.second"},
        {&prob[1], 1.5, "align_reward_calibration_args.prob"},
        {&weight[1], -1, "align_reward_calibration_args.weight"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double before = *rows[i].at;
        *rows[i].at = rows[i].value;
        expect_error(align_reward_calibration_update(&exec, &a), ALIGN_E_RANGE, rows[i].field, 1);
        ck_assert_mem_eq(&sums, &none, sizeof sums);
        *rows[i].at = before;
    }
    a.bins.shape[0] = 0;
    expect_error(align_reward_calibration_update(&exec, &a), ALIGN_E_RANGE,
                 "align_reward_calibration_args.bins (rows)", -1);
    a.bins.ndim = a.totals.ndim = 0;
    expect_error(align_reward_calibration_update(&exec, &a), ALIGN_E_ARG,
                 "align_reward_calibration_args.totals", -1);
}
END_TEST

/* ---- pooling ------------------------------------------------------------------------------- */

/* The BCG vaccine trials (13 log risk ratios): R's metafor 3.8-1, rma(yi, vi, method = ...). */
START_TEST(pooling_as_metafor)
{
    enum { TRIALS = 13 };
    static const double b[TRIALS] = {-0.88931133392021, -1.58538865720143, -1.34807314829969,
                                     -1.44155119002131, -0.2175473222113,  -0.78611558581886,
                                     -1.62089822359839, 0.01195233352384,  -0.46941764873815,
                                     -1.37134480347278, -0.33935882833839, 0.44591340057138,
                                     -0.01731394821688};
    static const double v[TRIALS] = {0.325584765003961, 0.194581121398144, 0.415367965367965,
                                     0.020010031902248, 0.051210172169631, 0.006905618455909,
                                     0.223017247572315, 0.003961579297818, 0.056434210463249,
                                     0.073024793613029, 0.012412213971560, 0.532505845200153,
                                     0.071404659683986};
    static const struct {
        int32_t method;
        double tau2, mean, se;
    } known[] = {
        {ALIGN_REWARD_POOL_FIXED, 0, -0.4302851636541, 0.04049875171086},
        {ALIGN_REWARD_POOL_DERSIMONIAN_LAIRD, 0.3087602628624, -0.7141172220732, 0},
        {ALIGN_REWARD_POOL_PAULE_MANDEL, 0.318068452205, -0.7149681534934, 0.1808921915376},
        {ALIGN_REWARD_POOL_REML, 0.3132432581365, -0.7145323421581, 0.1797815161052},
        {ALIGN_REWARD_POOL_ML, 0.2800281372686, 0, 0},
    };
    double mean = 0, se = 0, tau2 = 0, q = 0, slope[TRIALS];
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        align_reward_pool_args a;
        align_reward_pool_args_init(&a, sizeof a);
        a.method = known[i].method;
        a.estimate = align_2d(b, ALIGN_F64, TRIALS, 1);
        a.variance = align_2d(v, ALIGN_F64, TRIALS, 1);
        a.mean = align_1d(&mean, ALIGN_F64, 1);
        a.se = align_1d(&se, ALIGN_F64, 1);
        a.tau2 = align_1d(&tau2, ALIGN_F64, 1);
        a.q = align_1d(&q, ALIGN_F64, 1);
        a.slope = align_2d(slope, ALIGN_F64, TRIALS, 1);
        ck_assert_int_eq(align_reward_pool_fit(NULL, &a), ALIGN_E_NONE);
        near(tau2, known[i].tau2, 1e-12, "tau2", (int64_t)i);
        near(q, 152.2330080824, 1e-10, "q", (int64_t)i);
        if (known[i].mean != 0)
            near(mean, known[i].mean, 1e-12, "mean", (int64_t)i);
        if (known[i].se != 0)
            near(se, known[i].se, 1e-12, "se", (int64_t)i);
        for (int k = 0; k < TRIALS; k++)
            near(slope[k], mean + tau2 / (tau2 + v[k]) * (b[k] - mean), 1e-13, "slope", k);
    }
}
END_TEST

START_TEST(pooling_with_gaps)
{
    double b[3][3] = {{1, NAN, NAN}, {2, 5, NAN}, {NAN, NAN, NAN}};
    double v[3][3] = {{0.5, NAN, 0}, {0.5, 2, 0}, {-1, NAN, 0}}, out[4][3], slope[3][3];
    align_exec exec = make_exec();
    align_reward_pool_args a;
    align_reward_pool_args_init(&a, sizeof a);
    a.method = ALIGN_REWARD_POOL_REML;
    a.estimate = align_2d(b, ALIGN_F64, 3, 3);
    a.variance = align_2d(v, ALIGN_F64, 3, 3);
    a.mean = align_1d(out[0], ALIGN_F64, 3);
    a.se = align_1d(out[1], ALIGN_F64, 3);
    a.tau2 = align_1d(out[2], ALIGN_F64, 3);
    a.q = align_1d(out[3], ALIGN_F64, 3);
    a.slope = align_2d(slope, ALIGN_F64, 3, 3);
    ck_assert_msg(align_reward_pool_fit(&exec, &a) == ALIGN_E_NONE, "%s", error.text);
    near(out[0][0], 1.5, 1e-15, "mean", 0);
    near(out[2][0], 0, 1e-12, "tau2", 0); /* (1 - 2)^2 / 2 - 0.5 */
    near(slope[2][0], 1.5, 1e-15, "slope of none", 0);
    ck_assert(out[0][1] == 5 && out[2][1] == 0 && slope[0][1] == 5);
    near(out[1][1], sqrt(2), 1e-15, "se", 1);
    ck_assert(isnan(out[0][2]) && isnan(out[1][2]) && isnan(out[2][2]) && isnan(slope[1][2]));
    v[1][0] = 0;
    expect_error(align_reward_pool_fit(&exec, &a), ALIGN_E_RANGE, "align_reward_pool_args.variance",
                 1);
    v[1][0] = 1;
    b[0][0] = INFINITY;
    expect_error(align_reward_pool_fit(&exec, &a), ALIGN_E_RANGE, "align_reward_pool_args.estimate",
                 0);
    a.method = 5;
    expect_error(align_reward_pool_fit(&exec, &a), ALIGN_E_RANGE, "align_reward_pool_args.method",
                 -1);
}
END_TEST

/* ---- random slopes ------------------------------------------------------------------------- */

enum { PEOPLE = 40, EACH = 60, M = PEOPLE * EACH, D = 3, S = 2 };

static double first_of[M][D], second_of[M][D], prob_of[M], offset_of[M],
    coef_of[D] = {0.8, -0.5, 0.3};
static double truth[PEOPLE][S], slope_of[PEOPLE][S], variance_of[PEOPLE][S];
static int32_t annotator[M], existence[PEOPLE];
static const int64_t chosen[S] = {2, 0};

static void draw_people(void)
{
    for (int a = 0; a < PEOPLE; a++)
        for (int s = 0; s < S; s++)
            truth[a][s] = (s == 0 ? 1.2 : 0.4) * (uniform() + uniform() + uniform() - 1.5) * 2;
    for (int i = 0; i < M; i++) {
        int a = i % PEOPLE;
        annotator[i] = a;
        offset_of[i] = i % 3 == 0 ? uniform() - 0.5 : 0;
        double z = offset_of[i] + 0.2;
        for (int d = 0; d < D; d++) {
            first_of[i][d] = 2 * uniform() - 1;
            second_of[i][d] = 2 * uniform() - 1;
            double w = coef_of[d] + (d == 2 ? truth[a][0] : d == 0 ? truth[a][1] : 0);
            z += w * (first_of[i][d] - second_of[i][d]);
        }
        prob_of[i] = uniform() < 1 / (1 + exp(-z));
    }
}

static align_reward_args people_pairs(void)
{
    align_reward_args pairs;
    align_reward_args_init(&pairs, sizeof pairs);
    pairs.first = align_2d(first_of, ALIGN_F64, M, D);
    pairs.second = align_2d(second_of, ALIGN_F64, M, D);
    pairs.prob = align_1d(prob_of, ALIGN_F64, M);
    pairs.offset = align_1d(offset_of, ALIGN_F64, M);
    pairs.coef = align_1d(coef_of, ALIGN_F64, D);
    pairs.flags = ALIGN_REWARD_POSITION;
    pairs.position = 0.2;
    return pairs;
}

static align_reward_slopes_args slopes_of(const align_reward_args *pairs)
{
    align_reward_slopes_args a;
    align_reward_slopes_args_init(&a, sizeof a);
    a.pairs = pairs;
    a.annotator = align_1d(annotator, ALIGN_I32, M);
    a.select = align_1d(chosen, ALIGN_I64, S);
    a.slope = align_2d(slope_of, ALIGN_F64, PEOPLE, S);
    a.variance = align_2d(variance_of, ALIGN_F64, PEOPLE, S);
    a.existence = align_1d(existence, ALIGN_I32, PEOPLE);
    return a;
}

static align_status fit_slopes(const align_reward_slopes_args *a)
{
    align_exec exec = make_exec();
    size_t least, best;
    align_status status = align_reward_slopes_scratch(&exec, a, &least, &best);
    if (status != ALIGN_E_NONE)
        return status;
    exec.scratch = malloc(least);
    exec.scratch_size = least;
    status = align_reward_slopes_fit(&exec, a);
    free(exec.scratch);
    return status;
}

static double squares(double (*found)[S], int s, double common)
{
    double sum = 0;
    for (int a = 0; a < PEOPLE; a++)
        sum += (found[a][s] + common - truth[a][s]) * (found[a][s] + common - truth[a][s]);
    return sum;
}

/* The slope of the objective of an annotator in delta_s, by its definition. */
static double slope_at(int a, int s, double precision)
{
    long double sum = precision * (long double)slope_of[a][s];
    for (int i = 0; i < M; i++) {
        long double z = offset_of[i] + 0.2L;
        if (annotator[i] != a)
            continue;
        for (int d = 0; d < D; d++) {
            long double w = coef_of[d] + (d == chosen[0] ? slope_of[a][0] : 0);
            w += d == chosen[1] ? slope_of[a][1] : 0;
            z += w * (first_of[i][d] - second_of[i][d]);
        }
        sum += (1 / (1 + expl(-z)) - prob_of[i]) *
               (first_of[i][chosen[s]] - second_of[i][chosen[s]]);
    }
    return (double)sum;
}

START_TEST(slopes_of_annotators_shrink)
{
    double precision[S], mean[S], tau2[S], raw[PEOPLE][S];
    draw_people();
    align_reward_args pairs = people_pairs();
    align_reward_slopes_args a = slopes_of(&pairs);
    ck_assert_msg(fit_slopes(&a) == ALIGN_E_NONE, "%s", error.text);
    for (int p = 0; p < PEOPLE; p++)
        for (int s = 0; s < S; s++) {
            raw[p][s] = slope_of[p][s];
            near(slope_at(p, s, 0), 0, 1e-9, "slope", p);
            ck_assert(existence[p] == ALIGN_REWARD_FINITE && variance_of[p][s] > 0);
        }
    align_reward_pool_args pool;
    align_reward_pool_args_init(&pool, sizeof pool);
    pool.method = ALIGN_REWARD_POOL_PAULE_MANDEL;
    pool.estimate = a.slope;
    pool.variance = a.variance;
    pool.mean = align_1d(mean, ALIGN_F64, S);
    pool.tau2 = align_1d(tau2, ALIGN_F64, S);
    ck_assert_int_eq(align_reward_pool_fit(NULL, &pool), ALIGN_E_NONE);
    ck_assert(tau2[0] > 0.3 && tau2[1] > 0 && tau2[1] < tau2[0]);
    for (int s = 0; s < S; s++)
        precision[s] = 1 / tau2[s];
    a.precision = align_1d(precision, ALIGN_F64, S);
    ck_assert_int_eq(fit_slopes(&a), ALIGN_E_NONE);
    for (int s = 0; s < S; s++) {
        ck_assert_double_lt(squares(slope_of, s, 0), squares(raw, s, 0));
        for (int p = 0; p < PEOPLE; p++)
            near(slope_at(p, s, precision[s]), 0, 1e-9, "slope", p);
    }
}
END_TEST

/* Nobody, the sure, and those who never saw a difference are told apart; order of pairs does not matter. */
START_TEST(slopes_say_what_is_missing)
{
    double before[PEOPLE][S];
    draw_people();
    align_reward_args pairs = people_pairs();
    align_reward_slopes_args a = slopes_of(&pairs);
    for (int i = 0; i < M; i++) {
        if (annotator[i] == 1)
            annotator[i] = -1;
        if (annotator[i] == 2)
            prob_of[i] = first_of[i][0] > second_of[i][0];
        if (annotator[i] == 3)
            first_of[i][2] = second_of[i][2];
    }
    ck_assert_msg(fit_slopes(&a) == ALIGN_E_NONE, "%s", error.text);
    ck_assert(existence[0] == ALIGN_REWARD_FINITE && existence[1] == 0);
    ck_assert(existence[2] == ALIGN_REWARD_SEPARATED && existence[3] == ALIGN_REWARD_DEFICIENT);
    for (int p = 1; p < 4; p++)
        ck_assert(isnan(slope_of[p][0]) && isnan(variance_of[p][1]));
    memcpy(before, slope_of, sizeof before);
    align_tensor *turned[] = {&pairs.first, &pairs.second, &pairs.prob, &pairs.offset,
                              &a.annotator};
    for (int k = 0; k < 5; k++) {
        turned[k]->data = (char *)turned[k]->data +
                          (M - 1) * turned[k]->stride[0] * align_dtype_bytes(turned[k]->dtype);
        turned[k]->stride[0] *= -1;
    }
    ck_assert_int_eq(fit_slopes(&a), ALIGN_E_NONE);
    for (int s = 0; s < S; s++)
        near(slope_of[7][s], before[7][s], 1e-12, "slope", s);
    annotator[M - 1 - 5] = PEOPLE;
    expect_error(fit_slopes(&a), ALIGN_E_RANGE, "align_reward_slopes_args.annotator", 5);
    annotator[M - 1 - 5] = 0;
    first_of[M - 1 - 6][1] = NAN;
    expect_error(fit_slopes(&a), ALIGN_E_RANGE, "align_reward_args.first", 6);
    pairs.l2 = 1;
    expect_error(fit_slopes(&a), ALIGN_E_ARG, "align_reward_args.l2", -1);
    a.pairs = NULL;
    expect_error(fit_slopes(&a), ALIGN_E_ARG, "align_reward_slopes_args.pairs", -1);
}
END_TEST

/* ---- strength ------------------------------------------------------------------------------ */

enum { MODELS = 5, N = 41 };

static double chosen_rewards[MODELS][N], rejected_rewards[MODELS][N];

static align_status eval_strength(const align_reward_strength_args *a)
{
    align_exec exec = make_exec();
    size_t least, best;
    align_status status = align_reward_strength_scratch(&exec, a, &least, &best);
    if (status != ALIGN_E_NONE)
        return status;
    exec.scratch = malloc(least + 1);
    exec.scratch_size = least;
    status = align_reward_strength_eval(&exec, a);
    free(exec.scratch);
    return status;
}

START_TEST(strength_by_definition)
{
    double mean[N], deviation[N], prob[N], margin[N];
    uint8_t flip[N];
    for (int trial = 0; trial < 8; trial++) {
        for (int e = 0; e < MODELS; e++)
            for (int i = 0; i < N; i++) {
                chosen_rewards[e][i] = floor(5 * uniform());
                rejected_rewards[e][i] = floor(5 * uniform());
            }
        align_reward_strength_args a;
        align_reward_strength_args_init(&a, sizeof a);
        a.first = align_2d(chosen_rewards, ALIGN_F64, MODELS, N);
        a.second = align_2d(rejected_rewards, ALIGN_F64, MODELS, N);
        a.ddof = trial % 2;
        a.labels = trial % 4;
        a.flip_share = trial / 2 * 0.3;
        a.smoothing = a.labels == ALIGN_REWARD_LABELS_SMOOTHED ? 0.1 : 0;
        a.mean = align_1d(mean, ALIGN_F64, N);
        a.deviation = align_1d(deviation, ALIGN_F64, N);
        a.flip = align_1d(flip, ALIGN_U8, N);
        a.prob = align_1d(prob, ALIGN_F64, N);
        a.margin = align_1d(margin, ALIGN_F64, N);
        ck_assert_msg(eval_strength(&a) == ALIGN_E_NONE, "%s", error.text);
        int flipped = 0;
        for (int i = 0; i < N; i++) {
            double m = 0, square = 0, votes = 0;
            for (int e = 0; e < MODELS; e++) {
                double d = chosen_rewards[e][i] - rejected_rewards[e][i];
                m += d / MODELS;
                votes += (d > 0 ? 1 : d < 0 ? 0 : 0.5) / MODELS;
            }
            for (int e = 0; e < MODELS; e++)
                square += pow(chosen_rewards[e][i] - rejected_rewards[e][i] - m, 2);
            const double labels[4] = {1 / (1 + exp(-m)), votes, flip[i] ? 0 : 1,
                                      mean[i] < 0 ? 0.9 : 1};
            near(mean[i], m, 1e-14, "mean", i);
            near(deviation[i], sqrt(square / (MODELS - trial % 2)), 1e-14, "deviation", i);
            near(prob[i], labels[a.labels], 1e-15, "prob", i);
            ck_assert(margin[i] == mean[i]);
            flipped += flip[i];
            for (int k = 0; k < N; k++) /* nobody before a flipped pair is left */
                ck_assert(!flip[i] || flip[k] || mean[k] > mean[i] ||
                          (mean[k] == mean[i] && k > i));
        }
        ck_assert_int_eq(flipped, (int)floor(a.flip_share * N));
    }
}
END_TEST

START_TEST(strength_refuses_bad_input)
{
    double mean[N];
    align_reward_strength_args a;
    align_reward_strength_args_init(&a, sizeof a);
    a.first = align_2d(chosen_rewards, ALIGN_F64, MODELS, N);
    a.mean = align_1d(mean, ALIGN_F64, N);
    align_reward_strength_args good = a;
    ck_assert_int_eq(eval_strength(&a), ALIGN_E_NONE);
#define STRENGTH "align_reward_strength_args."
    a.ddof = 2;
    expect_error(eval_strength(&a), ALIGN_E_RANGE, STRENGTH "ddof", -1);
    a = good;
    a.labels = 4;
    expect_error(eval_strength(&a), ALIGN_E_RANGE, STRENGTH "labels", -1);
    a = good;
    a.flip_share = 1.1;
    expect_error(eval_strength(&a), ALIGN_E_RANGE, STRENGTH "flip_share", -1);
    a = good;
    a.smoothing = 0.1;
    expect_error(eval_strength(&a), ALIGN_E_RANGE, STRENGTH "smoothing", -1);
    a = good;
    a.first.shape[0] = 1;
    a.ddof = 1;
    expect_error(eval_strength(&a), ALIGN_E_RANGE, STRENGTH "ddof", -1);
    a = good;
    chosen_rewards[2][3] = NAN;
    expect_error(eval_strength(&a), ALIGN_E_RANGE, STRENGTH "first", 2);
    chosen_rewards[2][3] = 0;
}
END_TEST

/* ---- ensembles ----------------------------------------------------------------------------- */

static align_reward_ensemble_args ensemble_of(int32_t kind, const double *reward, double *value)
{
    align_reward_ensemble_args a;
    align_reward_ensemble_args_init(&a, sizeof a);
    a.kind = kind;
    a.lambda = kind == ALIGN_REWARD_ENSEMBLE_VARIANCE ? 0.7 : 0;
    a.beta = kind == ALIGN_REWARD_ENSEMBLE_SOFT_MIN ? 0.4 : 0;
    a.reward = align_2d(reward, ALIGN_F64, MODELS, N);
    a.value = align_1d(value, ALIGN_F64, N);
    return a;
}

static double by_definition(const align_reward_ensemble_args *a, const double *reward, int i)
{
    double mean = 0, least = INFINITY, square = 0, soft = 0;
    for (int e = 0; e < MODELS; e++) {
        double r = reward[e * N + i];
        mean += r / MODELS;
        least = fmin(least, r);
        soft += exp(-r / 0.4) / MODELS;
    }
    for (int e = 0; e < MODELS; e++)
        square += pow(reward[e * N + i] - mean, 2);
    const double all[] = {mean, least, mean - 0.7 * square / (MODELS - a->ddof), -0.4 * log(soft)};
    return all[a->kind];
}

START_TEST(ensembles_and_their_gradients)
{
    static double reward[MODELS * N], value[N], dvalue[N], dreward[MODELS * N], other[N];
    for (int i = 0; i < MODELS * N; i++)
        reward[i] = 3 * uniform();
    for (int i = 0; i < N; i++)
        dvalue[i] = uniform() - 0.5;
    for (int32_t k = 0; k < 5; k++) {
        align_reward_ensemble_args a = ensemble_of(k % 4 == 2 || k == 4 ? 2 : k, reward, value);
        a.ddof = k == 4;
        a.dvalue = align_1d(dvalue, ALIGN_F64, N);
        a.dreward = align_2d(dreward, ALIGN_F64, MODELS, N);
        ck_assert_int_eq(align_reward_ensemble_eval(NULL, &a), ALIGN_E_NONE);
        for (int i = 0; i < N; i++)
            near(value[i], by_definition(&a, reward, i), 1e-14, "value", i);
        for (int e = 0; e < MODELS; e++) {
            const double h = 1e-6;
            align_reward_ensemble_args b = ensemble_of(a.kind, reward, other);
            b.ddof = a.ddof;
            double up[N];
            for (int i = 0; i < N; i++)
                reward[e * N + i] += h;
            ck_assert_int_eq(align_reward_ensemble_eval(NULL, &b), ALIGN_E_NONE);
            memcpy(up, other, sizeof up);
            for (int i = 0; i < N; i++)
                reward[e * N + i] -= 2 * h;
            ck_assert_int_eq(align_reward_ensemble_eval(NULL, &b), ALIGN_E_NONE);
            for (int i = 0; i < N; i++) {
                reward[e * N + i] += h;
                near(dreward[e * N + i], dvalue[i] * (up[i] - other[i]) / (2 * h), 1e-8, "dreward",
                     e);
            }
        }
    }
}
END_TEST

START_TEST(ensembles_in_the_corners)
{
    double reward[3][3] = {{1, NAN, 1e6}, {1, 0, 0}, {2, 1, -1e6}}, value[3], ones[3] = {1, 1, 1};
    double dreward[3][3];
    align_exec exec = make_exec();
    align_reward_ensemble_args a;
    align_reward_ensemble_args_init(&a, sizeof a);
    a.reward = align_2d(reward, ALIGN_F64, 3, 3);
    a.value = align_1d(value, ALIGN_F64, 3);
    a.dvalue = align_1d(ones, ALIGN_F64, 3);
    a.dreward = align_2d(dreward, ALIGN_F64, 3, 3);
    for (a.kind = 0; a.kind < 4; a.kind++) {
        a.beta = a.kind == ALIGN_REWARD_ENSEMBLE_SOFT_MIN ? 1e-3 : 0;
        ck_assert_msg(align_reward_ensemble_eval(&exec, &a) == ALIGN_E_NONE, "%s", error.text);
        ck_assert(isnan(value[1]) && !isnan(value[0]) && !isnan(value[2]));
        if (a.kind == ALIGN_REWARD_ENSEMBLE_WORST)
            ck_assert(dreward[0][0] == 0.5 && dreward[1][0] == 0.5 && dreward[2][0] == 0);
    }
    near(value[2], -1e6 + 1e-3 * log(3), 1e-9, "soft minimum", 2);
    near(dreward[2][2], 1, 0, "gradient of the least", 2);
#define ENSEMBLE "align_reward_ensemble_args."
    expect_error(align_reward_ensemble_eval(&exec, &a), ALIGN_E_RANGE, ENSEMBLE "kind", -1);
    a.kind = ALIGN_REWARD_ENSEMBLE_MEAN;
    expect_error(align_reward_ensemble_eval(&exec, &a), ALIGN_E_RANGE, ENSEMBLE "beta", -1);
    a.beta = 0;
    a.lambda = 1;
    expect_error(align_reward_ensemble_eval(&exec, &a), ALIGN_E_RANGE, ENSEMBLE "lambda", -1);
    a.lambda = 0;
    a.ddof = 1;
    expect_error(align_reward_ensemble_eval(&exec, &a), ALIGN_E_RANGE, ENSEMBLE "ddof", -1);
    a.ddof = 0;
    a.dreward.ndim = 0;
    expect_error(align_reward_ensemble_eval(&exec, &a), ALIGN_E_ARG, ENSEMBLE "dvalue", -1);
    a.dvalue.ndim = a.value.ndim = 0;
    expect_error(align_reward_ensemble_eval(&exec, &a), ALIGN_E_ARG, ENSEMBLE "value", -1);
}
END_TEST

SUITE_MAIN("reward evals", sparse_predictions_are_dense_ones,
           calibration_by_definition_and_in_parts, calibration_in_the_tails,
           calibration_refuses_bad_rows, pooling_as_metafor, pooling_with_gaps,
           slopes_of_annotators_shrink, slopes_say_what_is_missing, strength_by_definition,
           strength_refuses_bad_input, ensembles_and_their_gradients, ensembles_in_the_corners)
