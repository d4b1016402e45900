/* Normalisers against the slow reference, by merges, by bytes and by finite differences. */
#include "../ref/norm.h"
#include "../suite.h"

#include <math.h>
#include <string.h>

static uint64_t seed = 1;

static double uniform(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(seed >> 11) * 0x1p-53;
}

static double normal(void)
{
    double s = -6;
    for (int i = 0; i < 12; i++)
        s += uniform();
    return s;
}

static align_norm_params params_of(int32_t kind)
{
    align_norm_params p;
    ck_assert_int_eq(align_norm_params_init(&p, sizeof p, kind), ALIGN_E_NONE);
    return p;
}

static align_norm state_of(const align_norm_params *p)
{
    align_norm s;
    ck_assert_int_eq(align_norm_init(&s, sizeof s, p), ALIGN_E_NONE);
    return s;
}

static align_norm_args args_of(align_tensor reward)
{
    align_norm_args args;
    align_norm_args_init(&args, sizeof args);
    args.reward = reward;
    return args;
}

static void update(align_norm *s, align_tensor reward, align_tensor mask)
{
    align_norm_args args = args_of(reward);
    args.mask = mask;
    ck_assert_int_eq(align_norm_update(NULL, s, &args), ALIGN_E_NONE);
}

static align_norm_moments moments_of(const align_norm *s)
{
    align_norm_moments m = {.size = sizeof m};
    ck_assert_int_eq(align_norm_get(NULL, s, &m), ALIGN_E_NONE);
    return m;
}

static void close_to(double got, double expected, double tolerance)
{
    if (isnan(expected)) {
        ck_assert(isnan(got));
        return;
    }
    ck_assert_msg(fabs(got - expected) <= tolerance * fmax(1, fabs(expected)), "%.17g, not %.17g",
                  got, expected);
}

static const align_tensor absent = {0};

START_TEST(moments_match_two_passes)
{
    enum { N = 1000 };
    static double x[N], w[N];
    static float mask[N];
    const double offsets[] = {0, 1e4, 1e8, -1e8, 1e-20}, spreads[] = {1, 0.1, 0.1, 0.1, 1e-20};
    for (int k = 0; k < 5; k++) {
        for (int i = 0; i < N; i++) {
            x[i] = offsets[k] + spreads[k] * normal();
            mask[i] = i % 7 == 0 ? 0 : (float)(i % 5 == 0 ? 1 : uniform());
            w[i] = mask[i];
        }
        for (int weighted = 0; weighted < 2; weighted++) {
            align_norm s = state_of(NULL);
            update(&s, align_1d(x, ALIGN_F64, N), weighted ? align_1d(mask, ALIGN_F32, N) : absent);
            double mean, variance;
            ref_norm_moments(x, weighted ? w : NULL, N, 1, &mean, &variance);
            align_norm_moments m = moments_of(&s);
            close_to(m.mean / mean, 1, 1e-15);
            close_to(m.variance / variance, 1, 2e-14);
            ck_assert_int_eq(m.count, weighted ? N - 143 : N);
        }
    }
}
END_TEST

/* Known sums: {1,2,3} + {4,10} has mean 4, squares about it 50. */
START_TEST(small_sums_are_exact)
{
    float a[] = {1, 2, 3}, b[] = {4, 10};
    align_norm_params p = params_of(ALIGN_NORM_ZSCORE);
    for (int ddof = 0; ddof < 2; ddof++) {
        p.ddof = ddof;
        align_norm s = state_of(&p), t = state_of(&p);
        update(&s, align_1d(a, ALIGN_F32, 3), absent);
        update(&t, align_1d(b, ALIGN_F32, 2), absent);
        ck_assert_int_eq(align_norm_merge(NULL, &s, &t), ALIGN_E_NONE);
        align_norm_moments m = moments_of(&s);
        ck_assert_double_eq(m.mean, 4);
        ck_assert_double_eq(m.variance, ddof == 1 ? 12.5 : 10);
        ck_assert_double_eq(m.least, 1);
        ck_assert_double_eq(m.most, 10);
    }
}
END_TEST

/* The extremes of f32: the sums neither overflow nor lose their lowest bit. */
START_TEST(extremes_are_exact)
{
    float big = 0x1.fffffep127f, tiny = 0x1p-149f;
    float x[] = {big, tiny, -big, big, -big, tiny};
    align_norm s = state_of(NULL);
    update(&s, align_1d(x, ALIGN_F32, 6), absent);
    align_norm_moments m = moments_of(&s);
    ck_assert_double_eq(m.mean, ldexp(2, -149) / 6);
    double square = (double)big * (double)big * 4 / 5;
    close_to(m.variance / square, 1, 1e-15);
}
END_TEST

enum { VALUES = 4000, PARTS = 64, TREES = 200 };

static void fill_pathological(float *x, float *w)
{
    for (int i = 0; i < VALUES; i++) {
        x[i] = (float)(normal() * ldexp(1, (int)(uniform() * 250) - 130));
        if (i % 3 == 0)
            x[i] = (float)(1e8 + normal());
        w[i] = i % 11 == 0 ? 0 : i % 4 == 0 ? (float)uniform() : 1;
    }
    x[17] = -0.0f;
    x[18] = NAN;
}

START_TEST(any_split_and_any_merge_tree_give_the_same_bits)
{
    static float x[VALUES], w[VALUES];
    fill_pathological(x, w);
    align_norm whole = state_of(NULL);
    update(&whole, align_1d(x, ALIGN_F32, VALUES), align_1d(w, ALIGN_F32, VALUES));
    ck_assert_int_eq(whole.skipped, 1);
    for (int tree = 0; tree < TREES; tree++) {
        align_norm part[PARTS];
        int parts = 1 + (int)(uniform() * PARTS);
        for (int k = 0; k < parts; k++)
            part[k] = state_of(NULL);
        for (int i = 0; i < VALUES;) {
            int n = 1 + (int)(uniform() * 100), k = (int)(uniform() * parts);
            n = n < VALUES - i ? n : VALUES - i;
            update(&part[k], align_1d(x + i, ALIGN_F32, n), align_1d(w + i, ALIGN_F32, n));
            i += n;
        }
        for (int left = parts; left > 1; left--) {
            int into = (int)(uniform() * left), from = (int)(uniform() * left);
            if (into == from)
                from = (from + 1) % left;
            ck_assert_int_eq(align_norm_merge(NULL, &part[into], &part[from]), ALIGN_E_NONE);
            part[from] = part[left - 1];
        }
        ck_assert_mem_eq(&part[0], &whole, sizeof whole);
    }
}
END_TEST

static int32_t reversed(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    *(int64_t *)user += tasks;
    for (int64_t i = tasks - 1; i >= 0; i--)
        fn(ctx, i);
    return 0;
}

START_TEST(workers_change_no_bit)
{
    enum { N = 200000 };
    static float x[N], y[N], z[N], g[N], dx[N], dz[N];
    for (int i = 0; i < N; i++) {
        x[i] = (float)normal();
        g[i] = (float)normal();
    }
    int64_t tasks = 0;
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    exec.parallel = reversed;
    exec.parallel_user = &tasks;
    align_norm_args args = args_of(align_1d(x, ALIGN_F32, N));
    args.dout = align_1d(g, ALIGN_F32, N);
    args.out = align_1d(y, ALIGN_F32, N);
    args.dreward = align_1d(dx, ALIGN_F32, N);
    ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), ALIGN_E_NONE);
    args.out = align_1d(z, ALIGN_F32, N);
    args.dreward = align_1d(dz, ALIGN_F32, N);
    ck_assert_int_eq(align_norm_apply(&exec, NULL, &args), ALIGN_E_NONE);
    ck_assert_int_ge(tasks, 6);
    ck_assert_mem_eq(y, z, sizeof y);
    ck_assert_mem_eq(dx, dz, sizeof dx);
}
END_TEST

struct batch_case {
    double x[12], w[12];
    int n;
};

static const struct batch_case batches[] = {
    {{1, 2, 3, 4, 10, -1, 7, 0}, {1, 1, 1, 0, 1, 1, 0, 0}, 8},
    {{0, 0, 1, 1, 1, 0, 0, 0}, {1, 1, 1, 1, 1, 1, 1, 1}, 8},
    {{1e8, 1e8 + .1, 1e8 + .2, 1e8 + .3}, {1, 1, 1, 1}, 4},
    {{5, NAN, 7, INFINITY, 9}, {1, 1, 1, 1, 1}, 5},
    {{2, 3, 5, 8}, {.5, .25, 2, 1}, 4},
    {{3, NAN, 4}, {0, 1, 1}, 3},
    {{3, 3, 3}, {1, 1, 1}, 3},
    {{3}, {1}, 1},
    {{3, 4}, {0, 0}, 2},
    {{2.5, NAN}, {1, 0}, 2},
};

/* The kinds of a running state, 0 after the last. */
static int32_t next_kind(int32_t kind)
{
    return kind < ALIGN_NORM_MINMAX ? kind + 1 : kind == ALIGN_NORM_MINMAX ? ALIGN_NORM_RESCALE : 0;
}

static void check_batch(const align_norm_params *p, const struct batch_case *b)
{
    double y[12], expected[12];
    float w[12];
    for (int i = 0; i < 12; i++)
        w[i] = (float)b->w[i];
    align_norm_args args = args_of(align_1d(b->x, ALIGN_F64, b->n));
    args.params = p;
    args.mask = align_1d(w, ALIGN_F32, b->n);
    args.out = align_1d(y, ALIGN_F64, b->n);
    ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), ALIGN_E_NONE);
    ref_norm_batch(p, b->x, b->w, b->n, expected);
    for (int i = 0; i < b->n; i++) {
        if (!isinf(expected[i]))
            close_to(y[i], expected[i], 1e-13);
        else
            ck_assert_double_eq(y[i], expected[i]);
    }
}

START_TEST(every_kind_form_and_answer_matches_the_reference)
{
    for (int32_t kind = next_kind(0); kind != 0; kind = next_kind(kind))
        for (int32_t form = ALIGN_NORM_EPS_ADD; form <= ALIGN_NORM_EPS_MAX_SQRT; form++)
            for (int32_t as = ALIGN_NORM_AS_ZERO; as <= ALIGN_NORM_AS_FORMULA; as++)
                for (size_t b = 0; b < sizeof batches / sizeof batches[0]; b++) {
                    align_norm_params p = params_of(kind);
                    p.eps_form = form;
                    p.eps = kind == ALIGN_NORM_CENTER ? 0 : 0.25;
                    if (as == ALIGN_NORM_AS_FORMULA && p.eps == 0)
                        continue;
                    if (kind == ALIGN_NORM_CENTER)
                        p.eps_form = 0;
                    p.few = as;
                    p.equal = kind == ALIGN_NORM_CENTER ? 0 : as;
                    check_batch(&p, &batches[b]);
                    p.ddof = 0;
                    p.gain = 2;
                    p.bias = -1;
                    p.clip_low = -1.5;
                    p.clip_high = 1;
                    p.nan = ALIGN_NORM_NAN_ZERO;
                    check_batch(&p, &batches[b]);
                }
}
END_TEST

/* What trainers compute (tests/golden/norm.c says where): a group of eight, mean .375; one preset a row. */
START_TEST(published_group_values)
{
    static const struct {
        double eps, ddof, zero, one;
    } rows[] = {
        {1e-4, 1, -.724428864355, 1.207381440591}, /* TRL */
        {1e-6, 1, -.724567437312, 1.207612395520}, /* verl */
        {1e-9, 1, -.724568835909, 1.207614726516}, /* OpenRLHF */
        {0, 0, -.774596669241, 1.290994448736},
    };
    float x[] = {0, 0, 1, 1, 1, 0, 0, 0};
    double y[8];
    for (int k = 0; k < 4; k++) {
        align_norm_params p = params_of(ALIGN_NORM_ZSCORE);
        p.eps = rows[k].eps;
        p.ddof = rows[k].ddof;
        align_norm_args args = args_of(align_1d(x, ALIGN_F32, 8));
        args.params = &p;
        args.out = align_1d(y, ALIGN_F64, 8);
        ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), ALIGN_E_NONE);
        for (int i = 0; i < 8; i++)
            ck_assert_double_eq_tol(y[i], x[i] == 0 ? rows[k].zero : rows[k].one, 5.1e-13);
    }
}
END_TEST

/* Published whitening under a mask, in the reward's own memory and with rows that are not adjacent. */
START_TEST(published_whitening_in_place)
{
    static const double expected[2][4] = {{-.478091443597, -.239045721799, 0, 0},
                                          {1.673320052590, -.956182887194, 0, 0}};
    double x[2][6] = {{1, 2, 3, 4, 99, 99}, {10, -1, 7, 0, 99, 99}};
    uint8_t mask[2][4] = {{1, 1, 1, 0}, {1, 1, 0, 0}};
    align_norm_params p = params_of(ALIGN_NORM_ZSCORE);
    p.eps_form = ALIGN_NORM_EPS_SQRT;
    align_tensor view = align_2d(x, ALIGN_F64, 2, 4);
    view.stride[0] = 6;
    align_norm_args args = args_of(view);
    args.params = &p;
    args.mask = align_2d(mask, ALIGN_BOOL, 2, 4);
    args.out = view;
    ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), ALIGN_E_NONE);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 6; j++)
            ck_assert_double_eq_tol(x[i][j], j < 4 ? expected[i][j] : 99, 5.1e-13);
}
END_TEST

static double batch_loss(const align_norm_params *p, const align_norm *state, const double *x,
                         const float *w, const double *g, int n)
{
    double y[8], loss = 0;
    align_norm_args args = args_of(align_1d(x, ALIGN_F64, n));
    args.params = state == NULL ? p : NULL;
    args.mask = align_1d(w, ALIGN_F32, n);
    args.out = align_1d(y, ALIGN_F64, n);
    ck_assert_int_eq(align_norm_apply(NULL, state, &args), ALIGN_E_NONE);
    for (int i = 0; i < n; i++)
        loss += y[i] * g[i];
    return loss;
}

static void check_gradient(const align_norm_params *p, const align_norm *state)
{
    enum { N = 8 };
    double x[N] = {1, 2.5, -3, 4, 10, -1, 7, .5}, g[N], dx[N];
    const float w[N] = {1, .5, 1, 0, 2, 1, 1, .25f};
    for (int i = 0; i < N; i++)
        g[i] = normal();
    align_norm_args args = args_of(align_1d(x, ALIGN_F64, N));
    args.params = state == NULL ? p : NULL;
    args.mask = align_1d(w, ALIGN_F32, N);
    args.dout = align_1d(g, ALIGN_F64, N);
    args.dreward = align_1d(dx, ALIGN_F64, N);
    ck_assert_int_eq(align_norm_apply(NULL, state, &args), ALIGN_E_NONE);
    for (int i = 0; i < N; i++) {
        double h = 1e-5, kept = x[i];
        x[i] = kept + h;
        double up = batch_loss(p, state, x, w, g, N);
        x[i] = kept - h;
        double down = batch_loss(p, state, x, w, g, N);
        x[i] = kept;
        close_to(dx[i], (up - down) / (2 * h), 1e-8);
        if (w[i] == 0)
            ck_assert_double_eq(dx[i], 0);
    }
}

START_TEST(gradients_match_finite_differences)
{
    for (int32_t kind = next_kind(0); kind != 0; kind = next_kind(kind))
        for (int32_t form = ALIGN_NORM_EPS_ADD; form <= ALIGN_NORM_EPS_MAX_SQRT; form++)
            for (int big_eps = 0; big_eps < 2; big_eps++)
                for (int clip = 0; clip < 2; clip++) {
                    align_norm_params p = params_of(kind);
                    p.eps_form = kind == ALIGN_NORM_CENTER ? 0 : form;
                    p.eps = kind == ALIGN_NORM_CENTER ? 0 : big_eps ? 300 : .3;
                    p.gain = 1.5;
                    p.bias = .2;
                    p.clip_low = clip ? -.65 : 0;
                    p.clip_high = clip ? .9 : 0;
                    check_gradient(&p, NULL);
                    align_norm state = state_of(&p);
                    float seen[] = {3, 1, 4, 1, 5, 9};
                    update(&state, align_1d(seen, ALIGN_F32, 6), absent);
                    check_gradient(NULL, &state);
                }
}
END_TEST

/* Equal extremes share the gradient of MINMAX; a batch of equal values has none. */
START_TEST(gradients_at_ties)
{
    double x[] = {2, 1, 2, 1, 1.5}, g[] = {0, 0, 0, 0, 1}, dx[5];
    align_norm_params p = params_of(ALIGN_NORM_MINMAX);
    align_norm_args args = args_of(align_1d(x, ALIGN_F64, 5));
    args.params = &p;
    args.dout = align_1d(g, ALIGN_F64, 5);
    args.dreward = align_1d(dx, ALIGN_F64, 5);
    ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), ALIGN_E_NONE);
    const double expected[] = {-.25, -.25, -.25, -.25, 1};
    for (int i = 0; i < 5; i++)
        close_to(dx[i], expected[i], 1e-15);
    for (int i = 0; i < 5; i++)
        x[i] = 7;
    p = params_of(ALIGN_NORM_ZSCORE);
    ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), ALIGN_E_NONE);
    for (int i = 0; i < 5; i++)
        ck_assert_double_eq(dx[i], 0);
}
END_TEST

/* A running state is applied with its own numbers; old and new rewards meet the same map. */
START_TEST(running_state_normalises_new_rewards)
{
    float seen[] = {1, 2, 3, 4, 10}, x[] = {4, 14, NAN, -100};
    double y[4];
    align_norm_params p = params_of(ALIGN_NORM_ZSCORE);
    p.eps = 0;
    p.clip_low = -10;
    p.clip_high = 10;
    align_norm s = state_of(&p);
    align_norm_args args = args_of(align_1d(x, ALIGN_F32, 4));
    args.out = align_1d(y, ALIGN_F64, 4);
    ck_assert_int_eq(align_norm_apply(NULL, &s, &args), ALIGN_E_NONE);
    ck_assert_double_eq(y[1], 0);
    update(&s, align_1d(seen, ALIGN_F32, 5), absent);
    ck_assert_int_eq(align_norm_apply(NULL, &s, &args), ALIGN_E_NONE);
    ck_assert_double_eq(y[0], 0);
    close_to(y[1], 10 / sqrt(12.5), 1e-15);
    ck_assert(isnan(y[2]));
    ck_assert_double_eq(y[3], -10);
}
END_TEST

START_TEST(every_dtype_counts_the_same)
{
    const align_dtype dtypes[] = {ALIGN_F32, ALIGN_F64, ALIGN_F16, ALIGN_BF16};
    const uint16_t f16[] = {0x3c00, 0xc500, 0x0001}, bf16[] = {0x3f80, 0xc0a0, 0x3380};
    float f32[] = {1, -5, 0x1p-24f};
    double f64[] = {1, -5, 0x1p-24};
    const void *data[] = {f32, f64, f16, bf16};
    align_norm first = state_of(NULL);
    update(&first, align_1d(f32, ALIGN_F32, 3), absent);
    for (int k = 1; k < 4; k++) {
        align_norm s = state_of(NULL);
        update(&s, align_1d(data[k], dtypes[k], 3), absent);
        ck_assert_mem_eq(&s, &first, sizeof s);
    }
}
END_TEST

/* A state for each key is what a state would be that sees its own rewards alone. */
START_TEST(keys_choose_states)
{
    enum { N = 600, KEYS = 5 };
    static float x[N], w[N], y[N], g[N], dx[N];
    static int32_t key[N];
    align_norm states[KEYS], alone[KEYS];
    for (int k = 0; k < KEYS; k++)
        states[k] = alone[k] = state_of(NULL);
    for (int i = 0; i < N; i++) {
        x[i] = (float)normal();
        w[i] = i % 9 == 0 ? 0 : i % 4 == 0 ? .5f : 1;
        key[i] = w[i] == 0 ? 77 : (int32_t)(uniform() * (KEYS - 1));
        g[i] = 1;
        if (w[i] != 0)
            update(&alone[key[i]], align_1d(&x[i], ALIGN_F32, 1), align_1d(&w[i], ALIGN_F32, 1));
    }
    align_norm_args args = args_of(align_1d(x, ALIGN_F32, N));
    args.mask = align_1d(w, ALIGN_F32, N);
    args.key = align_1d(key, ALIGN_I32, N);
    args.n_states = KEYS;
    ck_assert_int_eq(align_norm_update(NULL, states, &args), ALIGN_E_NONE);
    ck_assert_mem_eq(states, alone, sizeof states);
    args.out = align_1d(y, ALIGN_F32, N);
    args.dout = align_1d(g, ALIGN_F32, N);
    args.dreward = align_1d(dx, ALIGN_F32, N);
    ck_assert_int_eq(align_norm_apply(NULL, states, &args), ALIGN_E_NONE);
    for (int i = 0; i < N; i++) {
        float one = 0;
        if (w[i] != 0) {
            align_norm_args single = args_of(align_1d(&x[i], ALIGN_F32, 1));
            single.out = align_1d(&one, ALIGN_F32, 1);
            ck_assert_int_eq(align_norm_apply(NULL, &alone[key[i]], &single), ALIGN_E_NONE);
        }
        ck_assert(y[i] == one && (dx[i] > 0) == (w[i] != 0));
    }
}
END_TEST

/* An exponential state against the sum that it stands for: batch j of n has weight rate (1 - rate)^(n - j). */
START_TEST(a_state_with_a_rate_forgets)
{
    enum { BATCHES = 30, N = 7 };
    double x[BATCHES][N], mean = 0, square = 0, total = 0, rate = .1;
    align_norm_params p = params_of(ALIGN_NORM_ZSCORE);
    p.ddof = 0;
    p.rate = rate;
    align_norm s = state_of(&p);
    for (int b = 0; b < BATCHES; b++) {
        for (int i = 0; i < N; i++)
            x[b][i] = 1e6 + b + normal();
        update(&s, align_1d(x[b], ALIGN_F64, N), absent);
    }
    for (int pass = 0; pass < 2; pass++)
        for (int b = 0; b < BATCHES; b++)
            for (int i = 0; i < N; i++) {
                double w = rate * pow(1 - rate, BATCHES - 1 - b) / N;
                total += pass == 0 ? w : 0;
                mean += pass == 0 ? w * (x[b][i] - 1e6) : 0;
                square += pass == 1 ? w * pow(x[b][i] - 1e6 - mean / total, 2) : 0;
            }
    align_norm_moments m = moments_of(&s);
    close_to(m.mean - 1e6, mean / total, 1e-8);
    close_to(m.variance, square / total, 1e-9);
    close_to(m.weight, 1 - pow(1 - rate, BATCHES), 1e-13);
    ck_assert_int_eq(m.count, BATCHES * N);
    unsigned char bytes[ALIGN_NORM_BYTES];
    align_norm t;
    ck_assert_int_eq(align_norm_save(NULL, &s, bytes, sizeof bytes), ALIGN_E_NONE);
    ck_assert_int_eq(align_norm_load(NULL, &t, sizeof t, bytes, sizeof bytes), ALIGN_E_NONE);
    ck_assert_mem_eq(&s, &t, sizeof s);
}
END_TEST

/* A window is the state that has seen the last rewards alone, bit for bit. */
START_TEST(a_window_leaves_no_trace)
{
    enum { N = 500, ROOM = 37 };
    static float x[N];
    float held[ROOM];
    align_norm s = state_of(NULL);
    align_norm_ring ring;
    align_norm_ring_init(&ring, sizeof ring);
    ring.value = align_1d(held, ALIGN_F32, ROOM);
    for (int i = 0; i < N; i++)
        x[i] = (float)(normal() * ldexp(1, (int)(uniform() * 60) - 30));
    for (int i = 0; i < N;) {
        int n = 1 + (int)(uniform() * 60);
        n = n < N - i ? n : N - i;
        align_norm_args args = args_of(align_1d(x + i, ALIGN_F32, n));
        ck_assert_int_eq(align_norm_ring_update(NULL, &s, &ring, &args), ALIGN_E_NONE);
        i += n;
        int first = i > ROOM ? i - ROOM : 0;
        align_norm fresh = state_of(NULL);
        update(&fresh, align_1d(x + first, ALIGN_F32, i - first), absent);
        ck_assert_mem_eq(&s, &fresh, sizeof s);
        ck_assert_int_eq(ring.filled, i - first);
    }
}
END_TEST

/* W = (.5, -1), b = .2, deviation 2 -> 4, mean 1 -> 3: W' = (.25, -.5), b' = -.4, and the same outputs. */
START_TEST(popart_keeps_outputs)
{
    double weight[2][2] = {{.5, -1}, {3, 7}}, bias[2] = {.2, -1}, h[2] = {.3, .9};
    double before = 2 * (weight[1][0] * h[0] + weight[1][1] * h[1] + bias[1]) + 1;
    align_popart_args args;
    align_popart_args_init(&args, sizeof args);
    args.mean = 1;
    args.deviation = 2;
    args.new_mean = 3;
    args.new_deviation = 4;
    args.weight = align_2d(weight, ALIGN_F64, 2, 2);
    args.bias = align_1d(bias, ALIGN_F64, 2);
    ck_assert_int_eq(align_popart_apply(NULL, &args), ALIGN_E_NONE);
    ck_assert_double_eq(weight[0][0], .25);
    ck_assert_double_eq(weight[0][1], -.5);
    close_to(bias[0], -.4, 1e-15);
    close_to(4 * (weight[1][0] * h[0] + weight[1][1] * h[1] + bias[1]) + 3, before, 1e-15);
}
END_TEST

START_TEST(saved_bytes_come_back)
{
    unsigned char bytes[ALIGN_NORM_BYTES + 8], again[ALIGN_NORM_BYTES];
    static float x[VALUES], w[VALUES];
    fill_pathological(x, w);
    align_norm_params p = params_of(ALIGN_NORM_SCALE);
    p.eps = 1e-5;
    p.clip_low = -INFINITY;
    p.clip_high = 3;
    p.nan = ALIGN_NORM_NAN_ZERO;
    align_norm s = state_of(&p), t;
    update(&s, align_1d(x, ALIGN_F32, VALUES), align_1d(w, ALIGN_F32, VALUES));
    memset(bytes, 0xaa, sizeof bytes);
    ck_assert_int_eq(align_norm_save(NULL, &s, bytes, sizeof bytes), ALIGN_E_NONE);
    ck_assert_int_eq(bytes[ALIGN_NORM_BYTES], 0xaa);
    ck_assert_int_eq(align_norm_load(NULL, &t, sizeof t, bytes, sizeof bytes), ALIGN_E_NONE);
    ck_assert_mem_eq(&s, &t, sizeof s);
    ck_assert_int_eq(align_norm_save(NULL, &t, again, sizeof again), ALIGN_E_NONE);
    ck_assert_mem_eq(bytes, again, sizeof again);
}
END_TEST

/* The bytes are the same on every machine: those of a state with a few values, by hand. */
START_TEST(saved_bytes_are_little_endian)
{
    float x[] = {1, -3};
    unsigned char bytes[ALIGN_NORM_BYTES];
    align_norm s = state_of(NULL);
    update(&s, align_1d(x, ALIGN_F32, 2), absent);
    ck_assert_int_eq(align_norm_save(NULL, &s, bytes, sizeof bytes), ALIGN_E_NONE);
    const unsigned char head[] = {'A', 'L', 'N', 'O', 'R', 'M', 0, 0, 1, 0, 0, 0, 0x90, 1, 0, 0,
                                  1,   0,   0,   0,   1,   0,   0, 0, 0, 0, 0, 0, 0,    0, 0, 0};
    ck_assert_mem_eq(bytes, head, sizeof head);
    ck_assert_int_eq(bytes[88], 2);            /* count */
    ck_assert_int_eq(bytes[104 + 7], 0xc0);    /* least: -3 is c008... */
    ck_assert_int_eq(bytes[112 + 7], 0x3f);    /* most: 1 is 3ff0... */
    ck_assert_int_eq(bytes[120 + 18], 1 << 6); /* sum of w: 2 * 2^149 = 2^150 */
}
END_TEST

/* No single damaged byte goes through, and none writes to the state. */
START_TEST(every_damaged_byte_is_found)
{
    float x[] = {1, -3, 7};
    unsigned char bytes[ALIGN_NORM_BYTES];
    align_norm s = state_of(NULL), t, before;
    update(&s, align_1d(x, ALIGN_F32, 3), absent);
    ck_assert_int_eq(align_norm_save(NULL, &s, bytes, sizeof bytes), ALIGN_E_NONE);
    memset(&t, 0x5a, sizeof t);
    before = t;
    for (size_t i = 0; i < sizeof bytes; i++)
        for (int flip = 1; flip < 256; flip <<= 1) {
            bytes[i] ^= (unsigned char)flip;
            ck_assert_int_ne(align_norm_load(NULL, &t, sizeof t, bytes, sizeof bytes),
                             ALIGN_E_NONE);
            ck_assert_mem_eq(&t, &before, sizeof t);
            bytes[i] ^= (unsigned char)flip;
        }
    ck_assert_int_eq(align_norm_load(NULL, &t, sizeof t, bytes, sizeof bytes), ALIGN_E_NONE);
}
END_TEST

/* Rewards in a row are read by kernels, others are gathered first; of chunks near 0 some do not fit into exact sums. */
START_TEST(views_change_no_bit)
{
    enum { COUNT = 5000 };
    static float row[COUNT], apart[3 * COUNT], weight[COUNT], out[2][COUNT];
    static uint8_t counts[COUNT];
    static const double offsets[] = {0, 1e4, 1e6};
    for (int round = 0; round < 12; round++) {
        align_norm state[2];
        for (int i = 0; i < COUNT; i++) {
            double scale = round % 3 == 0 && uniform() < 1e-3 ? 1e-9 : 1;
            row[i] = apart[3 * i] = (float)(offsets[round % 3] + scale * normal());
            weight[i] = counts[i] = uniform() < 0.8;
        }
        if (round > 5)
            row[COUNT / 2] = apart[3 * (COUNT / 2)] = NAN;
        row[0] = apart[0] = round % 2 == 0 ? row[0] : (float)(offsets[round % 3] + 1000);
        align_norm_params p = params_of(ALIGN_NORM_ZSCORE);
        p.nan = ALIGN_NORM_NAN_ZERO;
        for (int view = 0; view < 2; view++) {
            align_tensor reward = align_1d(view == 0 ? row : apart, ALIGN_F32, COUNT);
            reward.stride[0] = view == 0 ? 1 : 3;
            align_norm_args args = args_of(reward);
            args.params = &p;
            args.mask = view == 0 ? align_1d(counts, ALIGN_U8, COUNT)
                                  : align_1d(weight, ALIGN_F32, COUNT);
            args.out = align_1d(out[view], ALIGN_F32, COUNT);
            ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), ALIGN_E_NONE);
            state[view] = state_of(&p);
            update(&state[view], reward, args.mask);
            update(&state[view], reward, absent);
        }
        ck_assert_mem_eq(out[0], out[1], sizeof out[0]);
        ck_assert_mem_eq(&state[0], &state[1], sizeof state[0]);
    }
}
END_TEST

SUITE_MAIN("norm", moments_match_two_passes, small_sums_are_exact, extremes_are_exact,
           any_split_and_any_merge_tree_give_the_same_bits, workers_change_no_bit,
           views_change_no_bit, every_kind_form_and_answer_matches_the_reference,
           published_group_values, published_whitening_in_place, gradients_match_finite_differences,
           gradients_at_ties, running_state_normalises_new_rewards, keys_choose_states,
           a_state_with_a_rate_forgets, a_window_leaves_no_trace, popart_keeps_outputs,
           every_dtype_counts_the_same, saved_bytes_come_back, saved_bytes_are_little_endian,
           every_damaged_byte_is_found)
