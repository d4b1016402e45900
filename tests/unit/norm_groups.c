/* Group normalisation, curves, ranks and quantiles against the slow reference. */
#include "../ref/norm.h"
#include "../suite.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static uint64_t seed = 5;

static double uniform(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(seed >> 11) * 0x1p-53;
}

static align_norm_params params_of(int32_t kind)
{
    align_norm_params p;
    ck_assert_int_eq(align_norm_params_init(&p, sizeof p, kind), ALIGN_E_NONE);
    return p;
}

static align_norm_groups_args groups_of(const align_norm_params *p, align_tensor reward,
                                        align_tensor out)
{
    align_norm_groups_args args;
    align_norm_groups_args_init(&args, sizeof args);
    args.params = p;
    args.reward = reward;
    args.out = out;
    return args;
}

static void run(const align_norm_groups_args *args)
{
    ck_assert_int_eq(align_norm_groups(NULL, args), ALIGN_E_NONE);
}

static void close_to(double got, double expected, double tolerance)
{
    ck_assert_msg(fabs(got - expected) <= tolerance * fmax(1, fabs(expected)), "%.17g, not %.17g",
                  got, expected);
}

enum { G = 7, K = 9 };

static const int32_t group_kinds[] = {
    ALIGN_NORM_ZSCORE,     ALIGN_NORM_CENTER,        ALIGN_NORM_SCALE,
    ALIGN_NORM_MINMAX,     ALIGN_NORM_RANK,          ALIGN_NORM_RANK_CENTER,
    ALIGN_NORM_LEAVE_OUT,  ALIGN_NORM_BATCH_SCALE,   ALIGN_NORM_LEAVE_OUT_ZSCORE,
    ALIGN_NORM_MEAN_RATIO, ALIGN_NORM_LENGTH_CENTER, ALIGN_NORM_NONZERO,
    ALIGN_NORM_BEST,
};

enum { KINDS = sizeof group_kinds / sizeof group_kinds[0] };

static void fill(double x[G][K], double length[G][K], double offset, double spread)
{
    for (int g = 0; g < G; g++)
        for (int k = 0; k < K; k++) {
            x[g][k] = offset + spread * uniform();
            length[g][k] = 1 + floor(50 * uniform());
        }
    x[2][3] = x[2][5];
    x[4][0] = offset == 0 ? 0 : x[4][0];
}

/* Offsets of 1e4 and 1e8 under spreads of .1 cost no more digits than the rewards have themselves. */
START_TEST(every_kind_matches_the_reference)
{
    double x[G][K], length[G][K], y[G][K], expected[K];
    const double offsets[] = {0, 1e4, -1e8}, spreads[] = {2, 0.1, 0.1};
    for (int o = 0; o < 3; o++)
        for (int i = 0; i < KINDS; i++)
            for (int32_t form = ALIGN_NORM_EPS_ADD; form <= ALIGN_NORM_EPS_MAX_SQRT; form++) {
                align_norm_params p = params_of(group_kinds[i]);
                p.eps_form = p.eps_form != 0 ? form : 0;
                p.eps = p.eps_form != 0 ? 1e-3 : 0;
                p.gain = 2;
                p.bias = .5;
                fill(x, length, offsets[o], spreads[o]);
                align_norm_groups_args args = groups_of(&p, align_2d(x, ALIGN_F64, G, K),
                                                        align_2d(y, ALIGN_F64, G, K));
                if (p.kind == ALIGN_NORM_LENGTH_CENTER)
                    args.length = align_2d(length, ALIGN_F64, G, K);
                run(&args);
                double mean, variance, zeros = 0;
                ref_norm_moments(x[0], NULL, G * K, p.ddof, &mean, &variance);
                for (int k = 0; k < G * K; k++)
                    zeros += x[k / K][k % K] == 0;
                bool whole = p.kind == ALIGN_NORM_MEAN_RATIO || p.kind == ALIGN_NORM_SCALE;
                for (int g = 0; g < G; g++) {
                    double moved[K];
                    for (int k = 0; k < K; k++)
                        moved[k] = whole ? x[g][k] : x[g][k] - x[g][0];
                    ref_norm_group(&p, moved, length[g], K, sqrt(variance), G * K / (G * K - zeros),
                                   expected);
                    for (int k = 0; k < K; k++)
                        close_to(y[g][k], expected[k], whole ? 1e-12 : 4e-13);
                }
            }
}
END_TEST

/* Ragged groups, a mask and other strides say the same as the groups one by one. */
START_TEST(offsets_masks_and_strides_agree)
{
    double x[G][K], length[G][K], flat[G * K], y[G][K], ragged[G * K], wide[G][2 * K];
    uint8_t mask[G][K];
    int64_t offsets[G + 1] = {0};
    for (int i = 0; i < KINDS; i++) {
        fill(x, length, 3, 1);
        int64_t n = 0;
        for (int g = 0; g < G; g++) {
            for (int k = 0; k < K; k++) {
                mask[g][k] = g == 1 ? 0 : g == 3 ? k == 4 : uniform() < .7;
                if (mask[g][k])
                    flat[n++] = x[g][k];
                else
                    x[g][k] = NAN;
            }
            offsets[g + 1] = n;
        }
        align_norm_params p = params_of(group_kinds[i]);
        align_norm_groups_args args = groups_of(&p, align_2d(x, ALIGN_F64, G, K),
                                                align_2d(y, ALIGN_F64, G, K));
        args.mask = align_2d(mask, ALIGN_BOOL, G, K);
        align_norm_groups_args cut = groups_of(&p, align_1d(flat, ALIGN_F64, n),
                                               align_1d(ragged, ALIGN_F64, n));
        cut.offsets = align_1d(offsets, ALIGN_I64, G + 1);
        double ones[G * K];
        for (int k = 0; k < G * K; k++)
            ones[k] = 3;
        if (p.kind == ALIGN_NORM_LENGTH_CENTER) {
            args.length = align_2d(ones, ALIGN_F64, G, K);
            cut.length = align_1d(ones, ALIGN_F64, n);
        }
        run(&args);
        run(&cut);
        n = 0;
        for (int g = 0; g < G; g++)
            for (int k = 0; k < K; k++)
                ck_assert_double_eq(y[g][k], mask[g][k] ? ragged[n++] : 0);
        args.out = align_2d(wide, ALIGN_F64, G, 2 * K);
        args.out.shape[1] = K;
        args.out.stride[1] = 2;
        run(&args);
        for (int g = 0; g < G; g++)
            for (int k = 0; k < K; k++)
                ck_assert_double_eq(wide[g][2 * k], y[g][k]);
    }
}
END_TEST

static int32_t backwards(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    *(int64_t *)user += tasks;
    for (int64_t i = tasks - 1; i >= 0; i--)
        fn(ctx, i);
    return 0;
}

/* Large groups need scratch, no byte less than said; workers change nothing. */
START_TEST(large_groups_take_scratch)
{
    enum { MANY = 20, LONG = 1000 };
    static float x[MANY][LONG], y[MANY][LONG], z[MANY][LONG];
    static char scratch[MANY * LONG * 64];
    for (int i = 0; i < MANY * LONG; i++)
        x[i / LONG][i % LONG] = (float)uniform();
    align_norm_params p = params_of(ALIGN_NORM_RANK_NORMAL);
    align_norm_groups_args args = groups_of(&p, align_2d(x, ALIGN_F32, MANY, LONG),
                                            align_2d(y, ALIGN_F32, MANY, LONG));
    int64_t tasks = 0;
    size_t least, best;
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    ck_assert_int_eq(align_norm_groups_scratch(&exec, &args, &least, &best), 0);
    ck_assert_uint_le(least, sizeof scratch);
    exec.scratch = scratch + 1;
    exec.scratch_size = least - 1;
    ck_assert_int_eq(align_norm_groups(&exec, &args), ALIGN_E_SCRATCH);
    exec.scratch_size = least;
    ck_assert_int_eq(align_norm_groups(&exec, &args), 0);
    exec.parallel = backwards;
    exec.parallel_user = &tasks;
    args.out = align_2d(z, ALIGN_F32, MANY, LONG);
    ck_assert_int_eq(align_norm_groups(&exec, &args), 0);
    ck_assert_int_ge(tasks, 2);
    ck_assert_mem_eq(y, z, sizeof y);
}
END_TEST

/* Constant groups, singletons and failed judges: the answers are exact, whatever the offset. */
START_TEST(degenerate_groups_have_stated_answers)
{
    double y[3][4];
    double x[3][4] = {{.1, .1, .1, .1}, {7, NAN, NAN, NAN}, {1e8 + .3, 1e8 + .3, 1e8 + .3, NAN}};
    align_norm_params p = params_of(ALIGN_NORM_ZSCORE);
    p.eps = 0;
    p.few = ALIGN_NORM_AS_KEEP;
    p.nan = ALIGN_NORM_NAN_ZERO;
    align_norm_groups_args args = groups_of(&p, align_2d(x, ALIGN_F64, 3, 4),
                                            align_2d(y, ALIGN_F64, 3, 4));
    run(&args);
    const double expected[3][4] = {{0}, {7, 0, 0, 0}, {0}};
    ck_assert_mem_eq(y, expected, sizeof y);
    p = params_of(ALIGN_NORM_LEAVE_OUT_ZSCORE);
    run(&args);
    ck_assert_double_eq(y[0][0], 0);
    ck_assert_double_eq(y[1][0], 0);
    ck_assert(isnan(y[1][1]));
    double tokens[3][4] = {{0}};
    p = params_of(ALIGN_NORM_LENGTH_CENTER);
    args.length = align_2d(tokens, ALIGN_F64, 3, 4);
    x[0][0] = .5;
    run(&args);
    close_to(y[0][0], .3, 1e-15);
    p = params_of(ALIGN_NORM_LEAVE_OUT_ZSCORE);
    args.length.ndim = 0;
    /* The others are equal, so nothing is divided: the fault of a residue of 1e-7 is not ours. */
    double hard[1][8] = {{0, .95, .95, .95, .95, .95, .95, .95}}, z[1][8];
    args.reward = align_2d(hard, ALIGN_F64, 1, 8);
    args.out = align_2d(z, ALIGN_F64, 1, 8);
    run(&args);
    close_to(z[0][0], -.95, 1e-15);
}
END_TEST

/* Several reward models: the sum first, or each first; a model that failed is left out. */
START_TEST(reward_models_are_mixed)
{
    double x[2][3][2] = {{{1, 10}, {2, NAN}, {4, 30}}, {{NAN, NAN}, {5, 1}, {6, 3}}};
    double w[2] = {1, .1}, y[2][3];
    align_norm_params p = params_of(ALIGN_NORM_CENTER);
    p.nan = ALIGN_NORM_NAN_ZERO;
    align_norm_groups_args args = groups_of(&p, align_3d(x, ALIGN_F64, 2, 3, 2),
                                            align_2d(y, ALIGN_F64, 2, 3));
    args.weight = align_1d(w, ALIGN_F64, 2);
    run(&args);
    const double first[6] = {2 - 11. / 3, 2 - 11. / 3, 7 - 11. / 3, 0, 5.1 - 5.7, 6.3 - 5.7};
    for (int i = 0; i < 6; i++)
        close_to(y[i / 3][i % 3], first[i], 1e-15);
    args.flags = ALIGN_NORM_GROUPS_EACH;
    run(&args);
    const double each[6] = {1 - 7. / 3 - 1, 2 - 7. / 3, 4 - 7. / 3 + 1, 0, -.5 - .1, .5 + .1};
    for (int i = 0; i < 6; i++)
        close_to(y[i / 3][i % 3], each[i], 1e-15);
    p.nan = ALIGN_NORM_NAN_KEEP;
    run(&args);
    ck_assert(isnan(y[0][1]) && isnan(y[1][0]));
    close_to(y[0][0], each[0], 1e-15);
}
END_TEST

START_TEST(references_are_per_group)
{
    double x[2][2] = {{1, 3}, {5, -100}}, r[2] = {1, .5}, y[2][2];
    align_norm_params p = params_of(ALIGN_NORM_REFERENCE);
    align_norm_groups_args args = groups_of(&p, align_2d(x, ALIGN_F64, 2, 2),
                                            align_2d(y, ALIGN_F64, 2, 2));
    args.reference = align_1d(r, ALIGN_F64, 2);
    run(&args);
    const double greedy[4] = {0, 2, 4.5, -100.5};
    ck_assert_mem_eq(y, greedy, sizeof y);
    p = params_of(ALIGN_NORM_LOG_SIGMOID);
    run(&args);
    close_to(y[0][0], -log(2), 1e-15);
    ck_assert_double_eq(y[1][1], -100.5);
}
END_TEST

/* ---- curves, ranks and quantiles of a batch --------------------------------------------------- */

static align_norm_args batch_of(const align_norm_params *p, align_tensor reward, align_tensor out)
{
    align_norm_args args;
    align_norm_args_init(&args, sizeof args);
    args.params = p;
    args.reward = reward;
    args.out = out;
    return args;
}

START_TEST(curve_gradients_match_finite_differences)
{
    enum { N = 6, M = 3 };
    double x[N], r[N][M], g[N], dx[N], y[N];
    for (int i = 0; i < N; i++) {
        x[i] = 4 * uniform() - 2;
        g[i] = uniform();
        for (int m = 0; m < M; m++)
            r[i][m] = 2 * uniform();
    }
    for (int32_t kind = ALIGN_NORM_AFFINE; kind <= ALIGN_NORM_TANH; kind++) {
        align_norm_params p = params_of(kind);
        p.gain = -1.5;
        p.steepness = kind >= ALIGN_NORM_SIGMOID ? 1.7 : 0;
        align_norm_args args = batch_of(&p, align_1d(x, ALIGN_F64, N), align_1d(y, ALIGN_F64, N));
        if (kind != ALIGN_NORM_AFFINE)
            args.reference = align_2d(r, ALIGN_F64, N, M);
        args.dout = align_1d(g, ALIGN_F64, N);
        args.dreward = align_1d(dx, ALIGN_F64, N);
        ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), 0);
        args.dout.ndim = args.dreward.ndim = 0;
        for (int i = 0; i < N; i++) {
            double kept = x[i], up, h = 1e-5;
            x[i] = kept + h;
            ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), 0);
            up = y[i];
            x[i] = kept - h;
            ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), 0);
            close_to(dx[i], g[i] * (up - y[i]) / (2 * h), 1e-9);
            x[i] = kept;
        }
    }
}
END_TEST

START_TEST(tails_of_curves_are_exact)
{
    double x[] = {-1e4, 1e4, -40, 40}, y[4], dx[4], g[] = {1, 1, 1, 1};
    align_norm_params p = params_of(ALIGN_NORM_LOG_SIGMOID);
    align_norm_args args = batch_of(&p, align_1d(x, ALIGN_F64, 4), align_1d(y, ALIGN_F64, 4));
    args.dout = align_1d(g, ALIGN_F64, 4);
    args.dreward = align_1d(dx, ALIGN_F64, 4);
    ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), 0);
    ck_assert_double_eq(y[0], -1e4);
    ck_assert_double_eq(y[1], 0);
    close_to(y[3] / -exp(-40), 1, 1e-15);
    close_to(dx[3] / exp(-40), 1, 1e-15);
    ck_assert_double_eq(dx[0], 1);
    p = params_of(ALIGN_NORM_SIGMOID);
    ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), 0);
    close_to(y[2] / exp(-40), 1, 1e-15);
    ck_assert_double_eq(y[0], 0);
    p = params_of(ALIGN_NORM_TANH);
    ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), 0);
    ck_assert_double_eq(y[0], -1);
    ck_assert_double_eq(dx[0], 0);
}
END_TEST

START_TEST(ranks_average_ties_and_skip_what_does_not_count)
{
    static char scratch[4096];
    double x[] = {3, 1, NAN, 3, 99, 2}, y[6];
    const uint8_t mask[] = {1, 1, 1, 1, 0, 1};
    const double expected[] = {.75, .125, NAN, .75, 0, .375};
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    align_norm_params p = params_of(ALIGN_NORM_RANK);
    align_norm_args args = batch_of(&p, align_1d(x, ALIGN_F64, 6), align_1d(y, ALIGN_F64, 6));
    args.mask = align_1d(mask, ALIGN_U8, 6);
    size_t least, best;
    ck_assert_int_eq(align_norm_scratch(NULL, NULL, &args, &least, &best), 0);
    ck_assert_uint_le(least, sizeof scratch);
    exec.scratch = scratch;
    exec.scratch_size = least;
    ck_assert_int_eq(align_norm_apply(&exec, NULL, &args), 0);
    for (int i = 0; i < 6; i++)
        ck_assert(isnan(expected[i]) ? isnan(y[i]) : y[i] == expected[i]);
    p = params_of(ALIGN_NORM_RANK_CENTER);
    ck_assert_int_eq(align_norm_apply(&exec, NULL, &args), 0);
    close_to(y[0], 2.5 / 3 - .5, 1e-15);
    ck_assert_double_eq(y[1], -.5);
    p = params_of(ALIGN_NORM_RANK_NORMAL);
    ck_assert_int_eq(align_norm_apply(&exec, NULL, &args), 0);
    for (int i = 0; i < 6; i++)
        if (mask[i] && !isnan(x[i]))
            close_to(.5 * erfc(-y[i] / sqrt(2)), expected[i], 1e-15);
}
END_TEST

/* Deep in the tail the quantile of the normal distribution still inverts the distribution. */
START_TEST(normal_ranks_reach_the_tails)
{
    enum { N = 200000 };
    static double x[N], y[N];
    static char scratch[16 * N + 128];
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    exec.scratch = scratch;
    exec.scratch_size = sizeof scratch;
    for (int i = 0; i < N; i++)
        x[i] = (double)((i * INT64_C(7919)) % N);
    align_norm_params p = params_of(ALIGN_NORM_RANK_NORMAL);
    align_norm_args args = batch_of(&p, align_1d(x, ALIGN_F64, N), align_1d(y, ALIGN_F64, N));
    ck_assert_int_eq(align_norm_apply(&exec, NULL, &args), 0);
    for (int i = 0; i < N; i += 997) {
        double p_i = (x[i] + .5) / N;
        close_to(.5 * erfc(-y[i] / sqrt(2)) / p_i, 1, 1e-13);
    }
    close_to(y[0], -4.564787, 1e-6);
}
END_TEST

/* Plain f32, in which groups go side by side, and every second f32 of a wider row, in which they do not. */
static void assert_abreast_agree(const align_norm_params *p, int64_t groups, int64_t k)
{
    enum { MOST = 21 * 300 };
    static float x[MOST], y[MOST], wide[2 * MOST];
    for (int64_t i = 0; i < groups * k; i++) {
        int64_t g = i / k;
        double u = uniform();
        x[i] = g % 10 == 3   ? -0.0F           /* all equal */
               : g % 10 == 5 ? (float)(u < .5) /* 0 and 1 */
                             : (float)(4 * u - 2);
    }
    if (groups > 18)
        x[17 * k] = NAN;
    memset(wide, 0, sizeof wide);
    align_tensor strided = align_2d(wide, ALIGN_F32, groups, k);
    strided.stride[0] = 2 * k;
    strided.stride[1] = 2;
    align_norm_groups_args plain = groups_of(p, align_2d(x, ALIGN_F32, groups, k),
                                             align_2d(y, ALIGN_F32, groups, k));
    align_norm_groups_args spread = groups_of(p, plain.reward, strided);
    size_t least, best;
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    ck_assert_int_eq(align_norm_groups_scratch(NULL, &plain, &least, &best), ALIGN_E_NONE);
    exec.scratch = least > 0 ? malloc(least) : NULL;
    exec.scratch_size = least;
    ck_assert_int_eq(align_norm_groups(&exec, &plain), ALIGN_E_NONE);
    ck_assert_int_eq(align_norm_groups(&exec, &spread), ALIGN_E_NONE);
    free(exec.scratch);
    for (int64_t i = 0; i < groups * k; i++)
        ck_assert_msg(
            memcmp(&y[i], &wide[2 * i], sizeof y[i]) == 0 || (isnan(y[i]) && isnan(wide[2 * i])),
            "kind %d, %lld groups of %lld, %lld: %.9g and %.9g", p->kind, (long long)groups,
            (long long)k, (long long)i, (double)y[i], (double)wide[2 * i]);
}

START_TEST(groups_side_by_side_have_the_same_bits)
{
    static const int64_t sizes[] = {1, 2, 3, 8, 16, 31, 32, 33, 256, 300};
    static const int32_t answers[] = {ALIGN_NORM_AS_ZERO, ALIGN_NORM_AS_KEEP, ALIGN_NORM_AS_CENTER,
                                      ALIGN_NORM_AS_HALF, ALIGN_NORM_AS_NAN,  ALIGN_NORM_AS_UNIT};
    for (int i = 0; i < KINDS; i++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            for (int64_t groups = 7; groups <= 21; groups += 14) {
                align_norm_params p = params_of(group_kinds[i]);
                int32_t answer = answers[((size_t)i + s) % 6];
                if (p.kind == ALIGN_NORM_LENGTH_CENTER)
                    continue;
                assert_abreast_agree(&p, groups, sizes[s]);
                p.gain = -2;
                p.bias = .5;
                p.clip_low = s % 2 == 0 ? -1 : 0;
                p.clip_high = s % 2 == 0 ? 1.5 : 0;
                if (p.eps_form != 0 && answer != ALIGN_NORM_AS_UNIT)
                    p.equal = p.few = answer;
                assert_abreast_agree(&p, groups, sizes[s]);
            }
}
END_TEST

START_TEST(quantiles_count_half_of_ties)
{
    double samples[] = {-1, 0, 0, 2}, x[] = {-2, -1, 0, 1, 2, 3, NAN}, y[7];
    const double expected[] = {0, .125, .5, .75, .875, 1};
    align_norm_params p = params_of(ALIGN_NORM_QUANTILE);
    align_norm_args args = batch_of(&p, align_1d(x, ALIGN_F64, 7), align_1d(y, ALIGN_F64, 7));
    args.reference = align_1d(samples, ALIGN_F64, 4);
    ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), 0);
    ck_assert_mem_eq(y, expected, sizeof expected);
    ck_assert(isnan(y[6]));
}
END_TEST

SUITE_MAIN("norm groups", every_kind_matches_the_reference, offsets_masks_and_strides_agree,
           large_groups_take_scratch, degenerate_groups_have_stated_answers,
           reward_models_are_mixed, references_are_per_group,
           curve_gradients_match_finite_differences, tails_of_curves_are_exact,
           ranks_average_ties_and_skip_what_does_not_count, normal_ranks_reach_the_tails,
           groups_side_by_side_have_the_same_bits, quantiles_count_half_of_ties)
