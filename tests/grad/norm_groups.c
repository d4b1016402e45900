/* Gradients through groups against central differences: every kind, form, answer and way of mixing. */
#include "../suite.h"

#include <libalign/norm.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { G = 4, K = 6, C = 3, ROOM = 1 << 16 };

static uint64_t seed = 11;

static double uniform(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(seed >> 11) * 0x1p-53;
}

struct call {
    align_norm_params params, then;
    align_norm_groups_args args;
    align_exec exec;
    align_error error;
    double x[G * K * C], y[G * K], dy[G * K], dx[G * K * C];
    double length[G * K], reference[G], weight[C];
    uint8_t mask[G * K];
    int64_t offsets[G + 1];
    char scratch[ROOM];
};

static struct call call;

static align_norm_params params_of(int32_t kind)
{
    align_norm_params p;
    ck_assert_int_eq(align_norm_params_init(&p, sizeof p, kind), ALIGN_E_NONE);
    return p;
}

static bool is_curve(int32_t kind)
{
    return kind >= ALIGN_NORM_REFERENCE && kind <= ALIGN_NORM_TANH;
}

static bool is_rank(int32_t kind)
{
    return kind >= ALIGN_NORM_RANK && kind <= ALIGN_NORM_RANK_NORMAL;
}

/* Whether groups have the kind. */
static bool is_of_groups(int32_t kind)
{
    return kind != ALIGN_NORM_AFFINE && kind != ALIGN_NORM_QUANTILE && kind != ALIGN_NORM_RESCALE;
}

/* A call of this kind on rewards about 1, some of them masked; with models, C of them. */
static struct call *make(int32_t kind, int64_t models)
{
    struct call *c = &call;
    memset(c, 0, sizeof *c);
    c->params = params_of(kind);
    align_norm_groups_args_init(&c->args, sizeof c->args);
    align_exec_init(&c->exec, sizeof c->exec);
    align_error_init(&c->error, sizeof c->error);
    c->exec.error = &c->error;
    c->exec.scratch = c->scratch;
    c->exec.scratch_size = ROOM;
    for (int i = 0; i < G * K * C; i++)
        c->x[i] = 3 * uniform() - 0.5;
    for (int i = 0; i < G * K; i++) {
        c->mask[i] = i % 7 != 3;
        c->length[i] = 1 + floor(20 * uniform());
        c->dy[i] = 2 * uniform() - 1;
    }
    for (int i = 0; i < G; i++)
        c->reference[i] = uniform();
    for (int i = 0; i < C; i++)
        c->weight[i] = 0.25 + uniform();
    c->args.params = &c->params;
    c->args.reward = models > 1 ? align_3d(c->x, ALIGN_F64, G, K, models)
                                : align_2d(c->x, ALIGN_F64, G, K);
    c->args.mask = align_2d(c->mask, ALIGN_U8, G, K);
    c->args.weight = align_1d(c->weight, ALIGN_F64, models);
    c->args.out = align_2d(c->y, ALIGN_F64, G, K);
    if (kind == ALIGN_NORM_LENGTH_CENTER)
        c->args.length = align_2d(c->length, ALIGN_F64, G, K);
    if (is_curve(kind))
        c->args.reference = align_1d(c->reference, ALIGN_F64, G);
    return c;
}

static double loss_of(struct call *c)
{
    double sum = 0;
    ck_assert_msg(align_norm_groups(&c->exec, &c->args) == ALIGN_E_NONE, "%s", c->error.text);
    for (int i = 0; i < G * K; i++)
        if (c->dy[i] != 0)
            sum += c->dy[i] * c->y[i];
    return sum;
}

static void pull(struct call *c)
{
    align_tensor dreward = c->args.reward;
    dreward.data = c->dx;
    c->args.dout = align_2d(c->dy, ALIGN_F64, G, K);
    c->args.dreward = dreward;
    ck_assert_msg(align_norm_groups(&c->exec, &c->args) == ALIGN_E_NONE, "%s", c->error.text);
    c->args.dout.ndim = c->args.dreward.ndim = 0;
}

static void expect_differences(struct call *c, int n, const char *what)
{
    const double h = 1e-5;
    pull(c);
    for (int i = 0; i < n; i++) {
        double kept = c->x[i];
        if (!(kept - kept == 0))
            continue;
        c->x[i] = kept + h;
        double up = loss_of(c);
        c->x[i] = kept - h;
        double slope = (up - loss_of(c)) / (2 * h);
        c->x[i] = kept;
        ck_assert_msg(fabs(c->dx[i] - slope) <= 2e-8 * fmax(1, fabs(slope)),
                      "%s, kind %d, reward %d: %.12g, not %.12g", what, (int)c->params.kind, i,
                      c->dx[i], slope);
    }
}

START_TEST(every_kind_and_form)
{
    for (int32_t kind = ALIGN_NORM_ZSCORE; kind <= ALIGN_NORM_BEST; kind++) {
        if (!is_of_groups(kind))
            continue;
        for (int32_t form = ALIGN_NORM_EPS_ADD; form <= ALIGN_NORM_EPS_MAX_SQRT; form++) {
            struct call *c = make(kind, 1);
            c->params.eps_form = c->params.eps_form != 0 ? form : 0;
            c->params.eps = c->params.eps_form != 0 ? 0.3 : 0;
            c->params.gain = -1.5;
            c->params.bias = 0.25;
            expect_differences(c, G * K, "plain");
            double most = 0;
            for (int i = 0; i < G * K; i++)
                most = fmax(most, fabs(c->dx[i]));
            ck_assert_msg(is_rank(kind) ? most == 0 : most > 0.1, "kind %d", (int)kind);
            for (int i = 0; i < G * K; i++)
                ck_assert(c->mask[i] != 0 || c->dx[i] == 0);
        }
    }
}
END_TEST

START_TEST(clips_stop_gradients)
{
    for (int32_t kind = ALIGN_NORM_ZSCORE; kind <= ALIGN_NORM_BEST; kind++) {
        if (!is_of_groups(kind) || is_rank(kind))
            continue;
        struct call *c = make(kind, 1);
        c->params.clip_low = -0.7;
        c->params.clip_high = 0.55;
        expect_differences(c, G * K, "clip");
    }
}
END_TEST

/* One answer in group 1, equal rewards in group 2: each answer has the gradient of what it says. */
START_TEST(answers_have_their_own_gradients)
{
    static const int32_t answers[] = {ALIGN_NORM_AS_ZERO, ALIGN_NORM_AS_KEEP, ALIGN_NORM_AS_CENTER,
                                      ALIGN_NORM_AS_HALF, ALIGN_NORM_AS_UNIT};
    for (int32_t kind = ALIGN_NORM_ZSCORE; kind <= ALIGN_NORM_BEST; kind++) {
        if (!is_of_groups(kind) || is_rank(kind) || is_curve(kind))
            continue;
        for (size_t a = 0; a < sizeof answers / sizeof answers[0]; a++) {
            struct call *c = make(kind, 1);
            bool few = c->params.few != 0 || kind == ALIGN_NORM_ZSCORE || kind == ALIGN_NORM_BEST ||
                       kind == ALIGN_NORM_LEAVE_OUT || kind == ALIGN_NORM_LEAVE_OUT_ZSCORE;
            c->params.few = few ? answers[a] : c->params.few;
            for (int k = 0; k < K; k++)
                c->mask[K + k] = k == 4;
            expect_differences(c, G * K, "few");
        }
    }
}
END_TEST

/* Equal rewards are a kink of the spread: the stated answer's gradient, with the center moving. */
START_TEST(equal_rewards_take_the_stated_gradient)
{
    struct call *c = make(ALIGN_NORM_ZSCORE, 1);
    c->params.equal = ALIGN_NORM_AS_CENTER;
    c->args.mask.ndim = c->args.weight.ndim = 0;
    for (int i = 0; i < G * K; i++)
        c->x[i] = 2;
    pull(c);
    for (int g = 0; g < G; g++) {
        double mean = 0;
        for (int k = 0; k < K; k++)
            mean += c->dy[g * K + k] / K;
        for (int k = 0; k < K; k++)
            ck_assert_double_eq_tol(c->dx[g * K + k], c->dy[g * K + k] - mean, 1e-15);
    }
    c->params.equal = ALIGN_NORM_AS_ZERO;
    pull(c);
    for (int i = 0; i < G * K; i++)
        ck_assert_double_eq(c->dx[i], 0);
}
END_TEST

START_TEST(then_and_models_are_pulled_through)
{
    static const int32_t afterwards[] = {ALIGN_NORM_ZSCORE, ALIGN_NORM_MINMAX, ALIGN_NORM_RESCALE};
    for (int32_t kind = ALIGN_NORM_ZSCORE; kind <= ALIGN_NORM_BEST; kind++)
        for (int mix = 0; mix < 3; mix++)
            for (int then = -1; then < 3; then++) {
                bool whole = kind == ALIGN_NORM_BATCH_SCALE || kind == ALIGN_NORM_NONZERO;
                if (!is_of_groups(kind) || is_rank(kind) || (whole && mix == 2))
                    continue;
                struct call *c = make(kind, mix == 0 ? 1 : C);
                c->args.flags = mix == 2 ? ALIGN_NORM_GROUPS_EACH : 0;
                if (then >= 0) {
                    c->then = params_of(afterwards[then]);
                    c->args.then = &c->then;
                }
                expect_differences(c, G * K * (mix == 0 ? 1 : C), "then");
            }
}
END_TEST

/* A judge that failed has no gradient; its answer's other judges have theirs. */
START_TEST(failed_judges_have_no_gradient)
{
    struct call *c = make(ALIGN_NORM_ZSCORE, C);
    c->params.nan = ALIGN_NORM_NAN_ZERO;
    c->x[1] = NAN;
    for (int m = 0; m < C; m++)
        c->x[C * (K + 1) + m] = NAN;
    expect_differences(c, G * K * C, "failed");
    ck_assert_double_eq(c->dx[1], 0);
    ck_assert_double_ne(c->dx[0], 0);
    for (int m = 0; m < C; m++)
        ck_assert_double_eq(c->dx[C * (K + 1) + m], 0);
}
END_TEST

/* Ragged groups, large groups, workers and a gradient in place say the same bits. */
static int32_t backwards(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    (void)user;
    for (int64_t i = tasks - 1; i >= 0; i--)
        fn(ctx, i);
    return 0;
}

START_TEST(layouts_and_workers_change_no_bit)
{
    for (int32_t kind = ALIGN_NORM_ZSCORE; kind <= ALIGN_NORM_BEST; kind++) {
        if (!is_of_groups(kind))
            continue;
        double dx[G * K];
        struct call *c = make(kind, 1);
        pull(c);
        memcpy(dx, c->dx, sizeof dx);
        c->args.reward = align_1d(c->x, ALIGN_F64, G * K);
        c->args.mask = align_1d(c->mask, ALIGN_U8, G * K);
        c->args.out = align_1d(c->y, ALIGN_F64, G * K);
        c->args.dout = c->args.dreward = align_1d(c->dy, ALIGN_F64, G * K);
        if (kind == ALIGN_NORM_LENGTH_CENTER)
            c->args.length = align_1d(c->length, ALIGN_F64, G * K);
        for (int g = 0; g <= G; g++)
            c->offsets[g] = g * K;
        c->args.offsets = align_1d(c->offsets, ALIGN_I64, G + 1);
        c->exec.parallel = backwards;
        ck_assert_msg(align_norm_groups(&c->exec, &c->args) == 0, "%s", c->error.text);
        ck_assert_mem_eq(c->dy, dx, sizeof dx);
    }
}
END_TEST

START_TEST(large_groups_agree_with_small_ones)
{
    enum { N = 3000 };
    static double x[2][N], y[2][N], dy[2][N], dx[2][N], small[2][N];
    static char scratch[2 * N * 64 + 2 * N * 8 + 4096];
    align_norm_params p = params_of(ALIGN_NORM_ZSCORE);
    align_norm_params then = params_of(ALIGN_NORM_CENTER);
    align_norm_groups_args args;
    align_exec exec;
    size_t least, best;
    for (int i = 0; i < 2 * N; i++) {
        x[i / N][i % N] = uniform();
        dy[i / N][i % N] = uniform();
    }
    align_exec_init(&exec, sizeof exec);
    align_norm_groups_args_init(&args, sizeof args);
    args.params = &p;
    args.then = &then;
    args.reward = align_2d(x, ALIGN_F64, 2, N);
    args.out = align_2d(y, ALIGN_F64, 2, N);
    args.dout = align_2d(dy, ALIGN_F64, 2, N);
    args.dreward = align_2d(dx, ALIGN_F64, 2, N);
    ck_assert_int_eq(align_norm_groups_scratch(&exec, &args, &least, &best), 0);
    ck_assert_uint_le(least, sizeof scratch);
    exec.scratch = scratch;
    exec.scratch_size = least - 1;
    ck_assert_int_eq(align_norm_groups(&exec, &args), ALIGN_E_SCRATCH);
    exec.scratch_size = least;
    ck_assert_int_eq(align_norm_groups(&exec, &args), 0);
    /* The same without `then`: centring all results takes the mean of dy away first. */
    double mean = 0;
    for (int i = 0; i < 2 * N; i++)
        mean += dy[i / N][i % N] / (2 * N);
    for (int i = 0; i < 2 * N; i++)
        dy[i / N][i % N] -= mean;
    args.then = NULL;
    args.dreward = align_2d(small, ALIGN_F64, 2, N);
    ck_assert_int_eq(align_norm_groups(&exec, &args), 0);
    for (int i = 0; i < 2 * N; i++)
        ck_assert_double_eq_tol(dx[i / N][i % N], small[i / N][i % N], 1e-12);
}
END_TEST

SUITE_MAIN("gradients of groups", every_kind_and_form, clips_stop_gradients,
           answers_have_their_own_gradients, equal_rewards_take_the_stated_gradient,
           then_and_models_are_pulled_through, failed_judges_have_no_gradient,
           layouts_and_workers_change_no_bit, large_groups_agree_with_small_ones)
