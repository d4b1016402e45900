/* Regularisation paths: each step is the fit at its l2, and the losses are what the models' formulas give. */
#include "../suite.h"

#include <libalign/reward.h>

#include <math.h>
#include <string.h>

enum { D = 4, M = 120, H = 50, K = 4, L = 5 };

static double features[2][M][D], held[2][H][D], prob[M], held_prob[H], weight[H];
static int32_t grade[M], held_grade[H], list[M][K], held_list[H][K];
static const double l2s[L] = {30, 10, 3, 1, 0.1};
static uint32_t state = 7;
static align_error error;

static double uniform(void)
{
    state = state * 1664525 + 1013904223;
    return (double)(state >> 8) / 0x1p24;
}

/* A pair or, for lists, an order of answers 0..K-1 of the first rows. */
static void draw(double *a, double *b, double *y, int32_t *g, int32_t *order)
{
    double z = 0;
    for (int k = 0; k < D; k++) {
        a[k] = 2 * uniform() - 1;
        b[k] = 2 * uniform() - 1;
        z += (a[k] - b[k]) * (k - 1) / 2;
    }
    z += log(1 / uniform() - 1);
    *y = z > 0;
    *g = z < -1 ? 0 : z < 0 ? 1 : z < 1 ? 2 : 3;
    for (int k = 0; k < K; k++)
        order[k] = k;
    for (int k = K - 1; k > 0; k--) {
        int at = (int)(uniform() * (k + 1)), swap = order[k];
        order[k] = order[at];
        order[at] = swap;
    }
    if (uniform() < 0.2)
        order[K - 1] = -1;
}

static void make_data(void)
{
    for (int r = 0; r < M; r++)
        draw(features[0][r], features[1][r], &prob[r], &grade[r], list[r]);
    for (int r = 0; r < H; r++) {
        draw(held[0][r], held[1][r], &held_prob[r], &held_grade[r], held_list[r]);
        weight[r] = r % 4 / 2.0;
    }
}

static const int32_t kinds[] = {ALIGN_REWARD_LOGISTIC, ALIGN_REWARD_ORDINAL, ALIGN_REWARD_LISTS};

/* Data of a fit, or of what was held out. */
static align_reward_args args_of(int kind, int out)
{
    align_reward_args args;
    int64_t m = out ? H : M;
    align_reward_args_init(&args, sizeof args);
    args.model = kinds[kind];
    if (kinds[kind] == ALIGN_REWARD_LISTS) {
        args.features = align_2d(out ? held[0] : features[0], ALIGN_F64, K, D);
        args.list = align_2d(out ? held_list : list, ALIGN_I32, m, K);
    } else {
        args.first = align_2d(out ? held[0] : features[0], ALIGN_F64, m, D);
        args.second = align_2d(out ? held[1] : features[1], ALIGN_F64, m, D);
        args.flags = ALIGN_REWARD_POSITION;
    }
    if (kinds[kind] == ALIGN_REWARD_LOGISTIC)
        args.prob = align_1d(out ? held_prob : prob, ALIGN_F64, m);
    if (kinds[kind] == ALIGN_REWARD_ORDINAL) {
        args.levels = 4;
        args.grade = align_1d(out ? held_grade : grade, ALIGN_I32, m);
    }
    if (out)
        args.weight = align_1d(weight, ALIGN_F64, H);
    return args;
}

static align_status fit(align_reward_args *args)
{
    size_t least, best;
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    ck_assert_int_eq(align_reward_scratch(&exec, args, &least, &best), 0);
    exec.scratch = malloc(least);
    exec.scratch_size = least;
    align_status status = align_reward_fit(&exec, args);
    free(exec.scratch);
    return status;
}

static align_status walk(align_reward_path_args *path, align_parallel_fn parallel)
{
    size_t least, best;
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    align_error_init(&error, sizeof error);
    exec.error = &error;
    exec.parallel = parallel;
    exec.workers = parallel == NULL ? 0 : 3;
    align_status status = align_reward_path_scratch(&exec, path, &least, &best);
    ck_assert_msg(status == 0, "%s", error.text);
    exec.scratch = malloc(least - 1);
    exec.scratch_size = least - 1;
    ck_assert_int_eq(align_reward_path_fit(&exec, path), ALIGN_E_SCRATCH);
    free(exec.scratch);
    exec.scratch = malloc(least);
    exec.scratch_size = least;
    status = align_reward_path_fit(&exec, path);
    free(exec.scratch);
    return status;
}

static int32_t run_backwards(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    (void)user;
    for (int64_t i = tasks; i-- > 0;)
        fn(ctx, i);
    return 0;
}

/* ---- the losses, written out --------------------------------------------------------------- */

static long double reward_of(const double *x, const double *coef)
{
    long double sum = 0;
    for (int k = 0; k < D; k++)
        sum += (long double)x[k] * coef[k];
    return sum;
}

static long double sigmoid(long double z)
{
    return 1 / (1 + expl(-z));
}

static long double list_loss(int r, const double *coef)
{
    long double loss = 0;
    int n = held_list[r][K - 1] < 0 ? K - 1 : K;
    for (int k = 0; k < n - 1; k++) {
        long double total = 0, best = reward_of(held[0][held_list[r][k]], coef);
        for (int l = k; l < n; l++)
            total += expl(reward_of(held[0][held_list[r][l]], coef) - best);
        loss += logl(total);
    }
    return loss;
}

static double held_loss(int kind, const double *coef, const double *threshold, double position)
{
    long double loss = 0, total = 0;
    for (int r = 0; r < H; r++) {
        long double z = reward_of(held[0][r], coef) - reward_of(held[1][r], coef) + position;
        long double one = 0;
        if (kinds[kind] == ALIGN_REWARD_LOGISTIC) {
            one = -logl(sigmoid(held_prob[r] == 1 ? z : -z));
        } else if (kinds[kind] == ALIGN_REWARD_ORDINAL) {
            int g = held_grade[r];
            long double above = g == 3 ? 1 : sigmoid(threshold[g] - z);
            one = -logl(above - (g == 0 ? 0 : sigmoid(threshold[g - 1] - z)));
        } else {
            one = list_loss(r, coef);
        }
        loss += weight[r] * one;
        total += weight[r];
    }
    return (double)(loss / total);
}

/* ---- tests --------------------------------------------------------------------------------- */

START_TEST(paths_are_fits_one_by_one)
{
    double coef[D], cold[D], threshold[3], coefs[L][D], again[L][D], loss[L], se[D], cold_se[D];
    make_data();
    align_reward_args one = args_of(_i, 0), out = args_of(_i, 1);
    align_reward_path_args path;
    align_reward_path_args_init(&path, sizeof path);
    one.coef = align_1d(coef, ALIGN_F64, D);
    one.se = align_1d(se, ALIGN_F64, D);
    path.fit = &one;
    path.held = &out;
    path.l2 = align_1d(l2s, ALIGN_F64, L);
    path.coef = align_2d(coefs, ALIGN_F64, L, D);
    path.loss = align_1d(loss, ALIGN_F64, L);
    ck_assert_msg(walk(&path, NULL) == 0, "%s", error.text);
    int64_t least = 0;
    for (int i = 0; i < L; i++) {
        align_reward_args each = args_of(_i, 0);
        each.coef = align_1d(cold, ALIGN_F64, D);
        each.se = align_1d(cold_se, ALIGN_F64, D);
        each.l2 = l2s[i];
        if (kinds[_i] == ALIGN_REWARD_ORDINAL)
            each.threshold = align_1d(threshold, ALIGN_F64, 3);
        ck_assert_int_eq(fit(&each), 0);
        for (int k = 0; k < D; k++)
            ck_assert_double_eq_tol(coefs[i][k], cold[k], 1e-10);
        ck_assert_double_eq_tol(loss[i], held_loss(_i, cold, threshold, each.position), 1e-10);
        least = loss[i] < loss[least] ? i : least;
        for (int k = 0; k < D && i == path.best; k++) {
            ck_assert_double_eq_tol(coef[k], cold[k], 1e-10);
            ck_assert_double_eq_tol(se[k], cold_se[k], 1e-9);
        }
    }
    ck_assert_int_eq((int)path.best, (int)least);
    ck_assert_double_eq(one.l2, l2s[least]);
    ck_assert_int_eq(one.start.ndim, 0);
    one.l2 = 0;
    path.coef = align_2d(again, ALIGN_F64, L, D);
    ck_assert_int_eq(walk(&path, run_backwards), 0);
    ck_assert_mem_eq(again, coefs, sizeof coefs);
}
END_TEST

/* Without l2 features that tell all pairs apart have no finite answer. */
START_TEST(steps_without_an_answer)
{
    static const double some[] = {1, 0}, none[] = {0};
    double coef[D] = {9, 9, 9, 9}, loss[2] = {7, 7};
    make_data();
    for (int r = 0; r < M; r++) {
        prob[r] = r % 2;
        features[0][r][0] = features[1][r][0] + (r % 2 == 0 ? -1 : 1);
    }
    align_reward_args one = args_of(0, 0), out = args_of(0, 1);
    align_reward_path_args path;
    align_reward_path_args_init(&path, sizeof path);
    one.coef = align_1d(coef, ALIGN_F64, D);
    path.fit = &one;
    path.held = &out;
    path.l2 = align_1d(none, ALIGN_F64, 1);
    path.loss = align_1d(loss, ALIGN_F64, 1);
    ck_assert_int_eq(walk(&path, NULL), ALIGN_E_NO_SOLUTION);
    ck_assert_str_eq(error.field, "align_reward_args.coef");
    ck_assert(isnan(loss[0]) && path.best == -1 && coef[0] == 9 && one.existence == 0);
    path.l2 = align_1d(some, ALIGN_F64, 2);
    path.loss = align_1d(loss, ALIGN_F64, 2);
    ck_assert_int_eq(walk(&path, NULL), 0);
    ck_assert(path.best == 0 && isnan(loss[1]) && loss[0] > 0 && one.l2 == 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reward path");
    TCase *tcase = tcase_create("reward path");
    tcase_add_loop_test(tcase, paths_are_fits_one_by_one, 0, sizeof kinds / sizeof kinds[0]);
    tcase_add_test(tcase, steps_without_an_answer);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
