/* Returns, advantages and dense rewards against the slow reference and by their invariances. */
#include "../ref/advantage.h"
#include "../suite.h"

#include <math.h>
#include <string.h>

static uint64_t seed = 11;

static double uniform(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(seed >> 11) * 0x1p-53;
}

static void close_to(double got, double expected, double tolerance)
{
    ck_assert_msg(fabs(got - expected) <= tolerance * fmax(1, fabs(expected)), "%.17g, not %.17g",
                  got, expected);
}

static align_advantage_args args_of(int32_t kind, double gamma, double lambda, int64_t n)
{
    align_advantage_args args;
    align_advantage_args_init(&args, sizeof args);
    args.kind = kind;
    args.gamma = gamma;
    args.lambda = kind == ALIGN_ADVANTAGE_GAE ? lambda : 0;
    args.n = kind == ALIGN_ADVANTAGE_N_STEP ? n : 0;
    return args;
}

static void run(const align_advantage_args *args)
{
    ck_assert_int_eq(align_advantage_eval(NULL, args), ALIGN_E_NONE);
}

enum { B = 7, T = 700 };

static double reward[B][T], value[B][T], advantage[B][T], target[B][T];
static bool mask[B][T], truncated[B];
static double bootstrap[B];

static void fill(void)
{
    for (int b = 0; b < B; b++) {
        truncated[b] = b % 2 == 1;
        bootstrap[b] = 5 * uniform();
        for (int t = 0; t < T; t++) {
            reward[b][t] = uniform() - .5;
            value[b][t] = uniform();
            mask[b][t] = b == 3 ? false : b == 4 ? t == 10 : uniform() < .8;
            if (!mask[b][t])
                reward[b][t] = value[b][t] = NAN;
        }
    }
}

static const struct {
    int32_t kind;
    double gamma, lambda;
    int64_t n;
} settings[] = {
    {ALIGN_ADVANTAGE_GAE, 1, .95, 0},    {ALIGN_ADVANTAGE_GAE, .99, .9, 0},
    {ALIGN_ADVANTAGE_GAE, 1, 1, 0},      {ALIGN_ADVANTAGE_GAE, .9, 0, 0},
    {ALIGN_ADVANTAGE_RETURN, 1, 0, 0},   {ALIGN_ADVANTAGE_RETURN, .97, 0, 0},
    {ALIGN_ADVANTAGE_N_STEP, .98, 0, 1}, {ALIGN_ADVANTAGE_N_STEP, .98, 0, 5},
    {ALIGN_ADVANTAGE_N_STEP, 1, 0, 900},
};

enum { SETTINGS = sizeof settings / sizeof settings[0] };

START_TEST(every_kind_matches_the_reference)
{
    fill();
    for (int s = 0; s < SETTINGS; s++) {
        align_advantage_args args = args_of(settings[s].kind, settings[s].gamma, settings[s].lambda,
                                            settings[s].n);
        args.reward = align_2d(reward, ALIGN_F64, B, T);
        args.value = align_2d(value, ALIGN_F64, B, T);
        args.mask = align_2d(mask, ALIGN_BOOL, B, T);
        args.truncated = align_1d(truncated, ALIGN_BOOL, B);
        args.bootstrap = align_1d(bootstrap, ALIGN_F64, B);
        args.advantage = align_2d(advantage, ALIGN_F64, B, T);
        args.target = align_2d(target, ALIGN_F64, B, T);
        run(&args);
        for (int b = 0; b < B; b++) {
            double a[T], r[T];
            ref_advantage(&args, reward[b], value[b], mask[b], T, truncated[b] ? bootstrap[b] : 0,
                          a, r);
            for (int t = 0; t < T; t++) {
                close_to(advantage[b][t], a[t], 1e-13);
                close_to(target[b][t], r[t], 1e-13);
            }
        }
    }
}
END_TEST

/* Packing the counted tokens alone gives the very same numbers; so do workers, and outputs in place. */
START_TEST(packed_padded_and_in_place_agree)
{
    static double r[B * T], v[B * T], a[B * T], g[B * T];
    int64_t offsets[B + 1] = {0};
    fill();
    for (int s = 0; s < SETTINGS; s++) {
        int64_t n = 0;
        for (int b = 0; b < B; b++) {
            for (int t = 0; t < T; t++)
                if (mask[b][t]) {
                    r[n] = reward[b][t];
                    v[n++] = value[b][t];
                }
            offsets[b + 1] = n;
        }
        align_advantage_args args = args_of(settings[s].kind, settings[s].gamma, settings[s].lambda,
                                            settings[s].n);
        args.truncated = align_1d(truncated, ALIGN_BOOL, B);
        args.bootstrap = align_1d(bootstrap, ALIGN_F64, B);
        align_advantage_args packed = args;
        args.reward = align_2d(reward, ALIGN_F64, B, T);
        args.value = align_2d(value, ALIGN_F64, B, T);
        args.mask = align_2d(mask, ALIGN_BOOL, B, T);
        args.advantage = align_2d(advantage, ALIGN_F64, B, T);
        args.target = align_2d(target, ALIGN_F64, B, T);
        run(&args);
        packed.reward = align_1d(r, ALIGN_F64, n);
        packed.value = align_1d(v, ALIGN_F64, n);
        packed.offsets = align_1d(offsets, ALIGN_I64, B + 1);
        packed.advantage = align_1d(a, ALIGN_F64, n);
        packed.target = align_1d(g, ALIGN_F64, n);
        run(&packed);
        packed.advantage = packed.reward;
        packed.target = packed.value;
        run(&packed);
        ck_assert_mem_eq(a, r, (size_t)n * sizeof *a);
        ck_assert_mem_eq(g, v, (size_t)n * sizeof *g);
        n = 0;
        for (int b = 0; b < B; b++)
            for (int t = 0; t < T; t++) {
                ck_assert_double_eq(advantage[b][t], mask[b][t] ? a[n] : 0);
                ck_assert_double_eq(target[b][t], mask[b][t] ? g[n] : 0);
                n += mask[b][t];
            }
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

START_TEST(workers_change_no_bit)
{
    enum { MANY = 64, LONG = 300 };
    static float r[MANY][LONG], v[MANY][LONG], a[MANY][LONG], again[MANY][LONG];
    for (int b = 0; b < MANY; b++)
        for (int t = 0; t < LONG; t++) {
            r[b][t] = (float)uniform();
            v[b][t] = (float)uniform();
        }
    int64_t tasks = 0;
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    exec.parallel = backwards;
    exec.parallel_user = &tasks;
    align_advantage_args args = args_of(ALIGN_ADVANTAGE_GAE, 1, .95, 0);
    args.reward = align_2d(r, ALIGN_F32, MANY, LONG);
    args.value = align_2d(v, ALIGN_F32, MANY, LONG);
    args.advantage = align_2d(a, ALIGN_F32, MANY, LONG);
    run(&args);
    args.advantage = align_2d(again, ALIGN_F32, MANY, LONG);
    ck_assert_int_eq(align_advantage_eval(&exec, &args), ALIGN_E_NONE);
    ck_assert_int_ge(tasks, 2);
    ck_assert_mem_eq(a, again, sizeof a);
}
END_TEST

enum { BATCH = 37, TOKENS = 301 };

/* Masks of whole rows, of rows with padding in front, and of rows with holes. */
static void fill_marks(bool marks[BATCH][TOKENS])
{
    for (int b = 0; b < BATCH; b++)
        for (int t = 0; t < TOKENS; t++)
            marks[b][t] = b % 3 == 0 || (b % 3 == 1 ? t >= 8 * b : (t + b) % 50 != 0);
}

static align_tensor rows_of(float *data, bool apart)
{
    align_tensor t = align_2d(data, ALIGN_F32, BATCH, TOKENS);
    if (apart) {
        t.stride[0] = 2 * TOKENS;
        t.stride[1] = 2;
    }
    return t;
}

/* f32 that lies plainly takes another way than f32 at a stride; and the same in place. */
START_TEST(plain_apart_and_in_place_agree)
{
    enum { WAYS = 3, TENSORS = 4 };
    static float data[WAYS][TENSORS][BATCH * TOKENS * 2];
    static bool marks[BATCH][TOKENS], cut[BATCH];
    static double after[BATCH];
    fill_marks(marks);
    for (int setting = 0; setting < 12; setting++) {
        bool masked = setting % 2 == 1, skips[2] = {setting % 3 == 1, setting % 3 == 2};
        for (int i = 0; i < BATCH * TOKENS; i++)
            for (int k = 0; k < 2; k++) {
                bool counts = !masked || marks[i / TOKENS][i % TOKENS];
                float x = counts ? (float)uniform() - .5F : NAN;
                data[0][k][i] = data[1][k][2 * i] = data[2][k][i] = x;
            }
        for (int b = 0; b < BATCH; b++) {
            cut[b] = b % 2 == 1;
            after[b] = uniform();
        }
        for (int way = 0; way < WAYS; way++) {
            align_advantage_args args = args_of(ALIGN_ADVANTAGE_GAE, .98, .95, 0);
            args.reward = rows_of(data[way][0], way == 1);
            args.value = rows_of(data[way][1], way == 1);
            if (!skips[0])
                args.advantage = way == 2 ? args.reward : rows_of(data[way][2], way == 1);
            if (!skips[1])
                args.target = way == 2 ? args.value : rows_of(data[way][3], way == 1);
            if (masked)
                args.mask = align_2d(marks, ALIGN_BOOL, BATCH, TOKENS);
            if (setting >= 6) {
                args.truncated = align_1d(cut, ALIGN_BOOL, BATCH);
                args.bootstrap = align_1d(after, ALIGN_F64, BATCH);
            }
            run(&args);
        }
        for (int i = 0; i < BATCH * TOKENS; i++)
            for (int k = 0; k < 2; k++) {
                float plain = data[0][2 + k][i];
                if (skips[k])
                    continue;
                ck_assert(memcmp(&plain, &data[1][2 + k][2 * i], sizeof plain) == 0 &&
                          memcmp(&plain, &data[2][k][i], sizeof plain) == 0 && isfinite(plain));
            }
    }
}
END_TEST

/* A NaN stays in its sequence. */
START_TEST(nan_stays_in_its_sequence)
{
    double r[2][3] = {{1, NAN, 2}, {1, 1, 1}}, a[2][3];
    align_advantage_args args = args_of(ALIGN_ADVANTAGE_RETURN, 1, 0, 0);
    args.reward = align_2d(r, ALIGN_F64, 2, 3);
    args.advantage = align_2d(a, ALIGN_F64, 2, 3);
    run(&args);
    ck_assert(isnan(a[0][0]) && isnan(a[0][1]));
    ck_assert_double_eq(a[0][2], 2);
    ck_assert_double_eq(a[1][0], 3);
}
END_TEST

/* ---- dense rewards ---------------------------------------------------------------------------- */

static double estimate(int32_t kind, double q)
{
    const double table[] = {0, q, q * q / 2, exp(-q) - 1 + q, fabs(q)};
    return table[kind];
}

enum { ROWS = 3, WIDE = 6 };

/* Two reward models, one with segments and one for the whole answer, KL, a missing end, a cost. */
static double logp[ROWS][WIDE], ref[ROWS][WIDE], dense[ROWS][WIDE], kl[ROWS];
static const uint8_t live[ROWS][WIDE] = {{1, 1, 0, 1, 1, 0}, {1, 1, 1, 1, 1, 1}, {0}};
static const uint8_t ended[ROWS] = {1, 0, 1};
static const double fine[] = {.3, -.3, .3}, whole[ROWS] = {2, 4, 6}, cost[ROWS] = {1, 2, 3};
static const int32_t ends[] = {1, 4, 3};
static const int64_t offsets[] = {0, 2, 3, 3};

static void make_sources(align_dense_source sources[2])
{
    align_dense_source_init(&sources[0], sizeof sources[0]);
    align_dense_source_init(&sources[1], sizeof sources[1]);
    sources[0].value = align_1d(fine, ALIGN_F64, 3);
    sources[0].end = align_1d(ends, ALIGN_I32, 3);
    sources[0].offsets = align_1d(offsets, ALIGN_I64, ROWS + 1);
    sources[0].weight = 2;
    sources[1].value = align_1d(whole, ALIGN_F64, ROWS);
    sources[1].mean = 1;
    sources[1].deviation = 2;
    sources[1].scale = 3;
    sources[1].bias = .5;
    sources[1].clip_high = 3;
}

static align_dense_args make_dense(const align_dense_source *sources)
{
    align_dense_args args;
    align_dense_args_init(&args, sizeof args);
    args.sources = sources;
    args.n_sources = 2;
    args.mask = align_2d(live, ALIGN_U8, ROWS, WIDE);
    args.ended = align_1d(ended, ALIGN_U8, ROWS);
    args.eos_penalty = .7;
    args.logp = align_2d(logp, ALIGN_F64, ROWS, WIDE);
    args.ref = align_2d(ref, ALIGN_F64, ROWS, WIDE);
    args.beta = .1;
    args.cost = align_1d(cost, ALIGN_F64, ROWS);
    args.multiplier = .25;
    args.reward = align_2d(dense, ALIGN_F64, ROWS, WIDE);
    args.sequence_kl = align_1d(kl, ALIGN_F64, ROWS);
    return args;
}

static void check_sequence(int b, int32_t kind, int32_t eos, bool clamp)
{
    const double models[ROWS] = {(2 - 1) / 2. * 3 + .5, (3 - 1) / 2. * 3 + .5, 0};
    double total = 0, expected[WIDE] = {0};
    for (int t = 0; t < WIDE; t++) {
        if (!live[b][t])
            continue;
        double q = logp[b][t] - ref[b][t];
        double k = estimate(kind, clamp ? fmin(fmax(q, -.5), .5) : q);
        k = clamp ? fmax(k, 0) : k;
        total += k;
        expected[t] = -.1 * k;
    }
    bool replaced = !ended[b] && eos == ALIGN_DENSE_EOS_REPLACE;
    for (int j = (int)offsets[b]; j < offsets[b + 1] && !replaced; j++)
        expected[ends[j]] += 2 * fine[j];
    if (b < 2)
        expected[b == 0 ? 4 : 5] += (replaced ? 0 : models[b]) - (ended[b] ? 0 : .7) -
                                    .25 * cost[b];
    close_to(kl[b], total, 1e-14);
    for (int t = 0; t < WIDE; t++)
        close_to(dense[b][t], expected[t], 1e-14);
}

START_TEST(dense_rewards_match_the_definition)
{
    align_dense_source sources[2];
    make_sources(sources);
    align_dense_args args = make_dense(sources);
    for (int b = 0; b < ROWS; b++)
        for (int t = 0; t < WIDE; t++) {
            logp[b][t] = live[b][t] ? -3 * uniform() : NAN;
            ref[b][t] = live[b][t] ? -3 * uniform() : NAN;
        }
    for (int32_t eos = ALIGN_DENSE_EOS_SUBTRACT; eos <= ALIGN_DENSE_EOS_REPLACE; eos++)
        for (int32_t kind = ALIGN_KL_K1; kind <= ALIGN_KL_ABS; kind++)
            for (int clamp = 0; clamp < 2; clamp++) {
                args.eos_kind = eos;
                args.kl_kind = kind;
                args.kl_clip_ratio = clamp ? .5 : 0;
                args.kl_clip_high = clamp ? INFINITY : 0;
                ck_assert_int_eq(align_dense_eval(NULL, &args), 0);
                for (int b = 0; b < ROWS; b++)
                    check_sequence(b, kind, eos, clamp);
            }
}
END_TEST

/* k3 keeps its digits where exp(-q) - 1 + q would cancel. */
START_TEST(k3_is_exact_near_zero)
{
    double q[1][2] = {{1e-9, -1e3}}, zero[1][2] = {{0, 0}}, sum[1];
    align_dense_args args;
    align_dense_args_init(&args, sizeof args);
    args.kl_kind = ALIGN_KL_K3;
    args.logp = align_2d(q, ALIGN_F64, 1, 1);
    args.ref = align_2d(zero, ALIGN_F64, 1, 1);
    args.sequence_kl = align_1d(sum, ALIGN_F64, 1);
    ck_assert_int_eq(align_dense_eval(NULL, &args), 0);
    ck_assert(sum[0] >= 0 && sum[0] < 1e-17);
    args.logp = align_2d(&q[0][1], ALIGN_F64, 1, 1);
    args.kl_clip_ratio = 20;
    args.kl_clip_low = -10;
    args.kl_clip_high = 10;
    ck_assert_int_eq(align_dense_eval(NULL, &args), 0);
    ck_assert_double_eq(sum[0], 10);
}
END_TEST

START_TEST(controllers_move_and_stop)
{
    align_kl_controller c;
    align_lagrange l;
    align_kl_controller_init(&c, sizeof c);
    c.target = INFINITY;
    ck_assert_int_eq(align_kl_controller_update(NULL, &c, 100, 256), 0);
    ck_assert_double_eq(c.beta, .2);
    c.target = 6;
    c.horizon = 0;
    c.rate = .1;
    ck_assert_int_eq(align_kl_controller_update(NULL, &c, 3, 256), 0);
    close_to(c.beta, .2 * (1 - .2 * .1), 1e-15);
    align_lagrange_init(&l, sizeof l);
    ck_assert_int_eq(align_lagrange_update(NULL, &l, -5), 0);
    ck_assert_double_eq(l.multiplier, 0);
    ck_assert_int_eq(align_lagrange_update(NULL, &l, 5), 0);
    close_to(l.multiplier, .05, 1e-15);
    l.logarithmic = 1;
    ck_assert_int_eq(align_lagrange_update(NULL, &l, 5), 0);
    close_to(l.multiplier, .05 * exp(.05), 1e-15);
}
END_TEST

SUITE_MAIN("advantage", every_kind_matches_the_reference, packed_padded_and_in_place_agree,
           workers_change_no_bit, plain_apart_and_in_place_agree, nan_stays_in_its_sequence,
           dense_rewards_match_the_definition, k3_is_exact_near_zero, controllers_move_and_stop)
