/* KL of a linear head against another, against a dense head in f64 with the same logits. */
#include "../suite.h"

#include "base/tensor.h"

#include <libalign/head.h>

#include <math.h>
#include <string.h>

/* Two stretches of the vocabulary; the other head has a width of its own. */
enum { N = 70, V = 2100, D = 19, D2 = 33 };

struct variant {
    align_dtype own, other, gradient;
    int reverse, dense_other, adds, alone; /* dkl and no other gradient */
    double scale, softcap, temperature;
};

static struct {
    align_exec exec;
    align_error error;
    align_tokens tokens;
    align_head head, other, dense, dense_other;
    int32_t target[N];
    uint8_t mask[N];
    _Alignas(8) char hidden[N * D * 8];
    _Alignas(8) char weight[V * D * 8];
    _Alignas(8) char hidden2[N * D2 * 8];
    _Alignas(8) char weight2[V * D2 * 8];
    _Alignas(8) char bias2[V * 8];
    _Alignas(8) char logits2[N * V * 8];
    _Alignas(8) char dhidden[N * D * 8];
    _Alignas(8) char dweight[V * D * 8];
    _Alignas(8) char old_dhidden[N * D * 8];
    _Alignas(8) char old_dweight[V * D * 8];
    double x[N][V], y[N][V], dx[N][V];
    double token_logp[2][N], lse[2][N], kl[2][N], logp[2], dlogp, dkl[N];
    _Alignas(64) char scratch[32 << 20];
} c;

static uint64_t seed;

static double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-53;
}

static void fill(align_dtype dtype, char *data, int64_t n, double size)
{
    for (int64_t i = 0; i < n; i++)
        align__store(dtype, data + i * align_dtype_bytes(dtype),
                     size * (uniform() + uniform() + uniform() - 1.5));
}

static double at(align_dtype dtype, const char *data, int64_t i)
{
    return align__load(dtype, data + i * align_dtype_bytes(dtype));
}

static void multiply(double out[N][V], align_dtype dtype, const char *hidden, const char *weight,
                     int64_t width, const char *bias)
{
    for (int64_t n = 0; n < N; n++)
        for (int64_t v = 0; v < V; v++) {
            out[n][v] = bias == NULL ? 0 : at(dtype, bias, v);
            for (int64_t d = 0; d < width; d++)
                out[n][v] += at(dtype, hidden, n * width + d) * at(dtype, weight, v * width + d);
        }
}

static void set_common(align_head *head, const struct variant *v, int which)
{
    align_head_init(head, sizeof *head);
    head->tokens = &c.tokens;
    head->scale = v->scale;
    head->softcap = v->softcap;
    head->temperature = v->temperature;
    head->flags = v->reverse ? ALIGN_HEAD_KL_REVERSE : 0;
    head->logp = align_1d(&c.logp[which], ALIGN_F64, 1);
    head->token_logp = align_1d(c.token_logp[which], ALIGN_F64, N);
    head->lse = align_1d(c.lse[which], ALIGN_F64, N);
    head->kl = align_1d(c.kl[which], ALIGN_F64, N);
    head->dkl = align_1d(c.dkl, ALIGN_F64, N);
    if (!v->alone)
        head->dlogp = align_1d(&c.dlogp, ALIGN_F64, 1);
}

static void make_inputs(const struct variant *v)
{
    for (int n = 0; n < N; n++) {
        c.target[n] = (int32_t)(uniform() * V);
        c.mask[n] = n % 6 != 1;
        c.dkl[n] = n % 5 == 2 ? 0 : uniform() - 0.3;
    }
    c.dlogp = 0.7;
    fill(v->own, c.hidden, N * D, 2);
    fill(v->own, c.weight, V * D, 1.5);
    fill(v->other, c.hidden2, N * D2, 2);
    fill(v->other, c.weight2, V * D2, 1);
    fill(v->other, c.bias2, V, 2);
    fill(v->gradient, c.dhidden, N * D, 1);
    fill(v->gradient, c.dweight, V * D, 1);
    memcpy(c.old_dhidden, c.dhidden, sizeof c.dhidden);
    memcpy(c.old_dweight, c.dweight, sizeof c.dweight);
    multiply(c.x, v->own, c.hidden, c.weight, D, NULL);
    multiply(c.y, v->other, c.hidden2, c.weight2, D2, c.bias2);
    for (int64_t i = 0; i < N * V && v->dense_other; i++) {
        align__store(v->other, c.logits2 + i * align_dtype_bytes(v->other), (&c.y[0][0])[i]);
        (&c.y[0][0])[i] = at(v->other, c.logits2, i);
    }
}

static void make(const struct variant *v)
{
    make_inputs(v);
    align_exec_init(&c.exec, sizeof c.exec);
    align_error_init(&c.error, sizeof c.error);
    c.exec.error = &c.error;
    c.exec.scratch = c.scratch;
    c.exec.scratch_size = sizeof c.scratch;
    align_tokens_init(&c.tokens, sizeof c.tokens);
    c.tokens.target = align_1d(c.target, ALIGN_I32, N);
    c.tokens.mask = align_1d(c.mask, ALIGN_U8, N);
    set_common(&c.head, v, 0);
    set_common(&c.dense, v, 1);
    align_head_init(&c.other, sizeof c.other);
    align_head_init(&c.dense_other, sizeof c.dense_other);
    c.other.scale = c.dense_other.scale = 0.9;
    c.other.softcap = c.dense_other.softcap = v->softcap;
    c.head.other = &c.other;
    c.dense.other = &c.dense_other;
    c.head.hidden = align_2d(c.hidden, v->own, N, D);
    c.head.weight = align_2d(c.weight, v->own, V, D);
    c.head.dhidden = align_2d(c.dhidden, v->gradient, N, D);
    c.head.dweight = align_2d(c.dweight, v->gradient, V, D);
    if (v->adds)
        c.head.flags |= ALIGN_HEAD_ADD_DHIDDEN | ALIGN_HEAD_ADD_DWEIGHT;
    if (v->dense_other) {
        c.other.logits = align_2d(c.logits2, v->other, N, V);
    } else {
        c.other.hidden = align_2d(c.hidden2, v->other, N, D2);
        c.other.weight = align_2d(c.weight2, v->other, V, D2);
        c.other.bias = align_1d(c.bias2, v->other, V);
    }
    c.dense.logits = align_2d(c.x, ALIGN_F64, N, V);
    c.dense.dlogits = align_2d(c.dx, ALIGN_F64, N, V);
    c.dense_other.logits = align_2d(c.y, ALIGN_F64, N, V);
    ck_assert_int_eq(align_head_forward(NULL, &c.dense), ALIGN_E_NONE);
    ck_assert_int_eq(align_head_backward(NULL, &c.dense), ALIGN_E_NONE);
}

static double step_of(align_dtype dtype)
{
    return dtype == ALIGN_F64 ? 1e-10 : dtype == ALIGN_F32 ? 5e-6 : 1e-2;
}

/* `wanted` for rows x D numbers of `found`, plus what was there. */
static void check_gradient(const char *what, int id, const struct variant *v, const char *found,
                           const char *old, const double *wanted, int64_t n, double tolerance)
{
    double largest = 0;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(wanted[i]));
    for (int64_t i = 0; i < n; i++) {
        double x = at(v->gradient, found, i) - (v->adds ? at(v->gradient, old, i) : 0);
        double slack = v->adds ? step_of(v->gradient) : 0;
        ck_assert_msg(fabs(x - wanted[i]) <= tolerance * largest + slack,
                      "%s[%d], variant %d: %.12g, expected %.12g", what, (int)i, id, x, wanted[i]);
    }
}

static void check(const struct variant *v, int id)
{
    static double dhidden[N * D], dweight[V * D];
    seed = (uint64_t)id;
    make(v);
    bool f64 = v->own == ALIGN_F64 && v->other == ALIGN_F64;
    double tolerance = f64 ? 1e-10 : 2e-5;
    align_status status = align_head_forward(&c.exec, &c.head);
    ck_assert_msg(status == ALIGN_E_NONE, "variant %d: %s", id, c.error.text);
    for (int n = 0; n < N; n++)
        ck_assert_msg(fabs(c.kl[0][n] - c.kl[1][n]) <= tolerance * (1 + c.kl[1][n]),
                      "kl[%d], variant %d: %.12g, expected %.12g", n, id, c.kl[0][n], c.kl[1][n]);
    ck_assert(c.kl[0][0] > 0.1 && c.kl[0][1] == 0);
    status = align_head_backward(&c.exec, &c.head);
    ck_assert_msg(status == ALIGN_E_NONE, "variant %d: %s", id, c.error.text);
    memset(dhidden, 0, sizeof dhidden);
    memset(dweight, 0, sizeof dweight);
    for (int n = 0; n < N; n++)
        for (int w = 0; w < V; w++)
            for (int d = 0; d < D; d++) {
                dhidden[n * D + d] += c.dx[n][w] * at(v->own, c.weight, w * D + d);
                dweight[w * D + d] += c.dx[n][w] * at(v->own, c.hidden, n * D + d);
            }
    double wide = tolerance + (v->gradient == ALIGN_BF16 ? step_of(ALIGN_BF16) : 0);
    check_gradient("dhidden", id, v, c.dhidden, c.old_dhidden, dhidden, N * D, wide);
    check_gradient("dweight", id, v, c.dweight, c.old_dweight, dweight, V * D, wide);
}

static const struct variant variants[] = {
    {ALIGN_F32, ALIGN_F32, ALIGN_F32, 0, 0, 0, 0, 1, 0, 1},
    {ALIGN_F32, ALIGN_F32, ALIGN_F32, 1, 0, 1, 0, 1, 0, 2},
    {ALIGN_F64, ALIGN_F64, ALIGN_F64, 0, 0, 0, 1, 0.6, 0, 0.7},
    {ALIGN_F64, ALIGN_F64, ALIGN_F64, 1, 1, 1, 0, 1.1, 12, 1.5},
    {ALIGN_BF16, ALIGN_F16, ALIGN_F32, 0, 0, 0, 0, 1, 0, 1},
    {ALIGN_F32, ALIGN_F64, ALIGN_F32, 1, 0, 0, 1, 1, 9, 1},
    {ALIGN_F64, ALIGN_BF16, ALIGN_F64, 0, 1, 0, 0, 1, 0, 1},
    {ALIGN_F16, ALIGN_F32, ALIGN_BF16, 1, 1, 0, 0, 1, 0, 0.5},
};

START_TEST(linear_kl_is_that_of_its_logits)
{
    for (int i = 0; i < (int)(sizeof variants / sizeof variants[0]); i++)
        check(&variants[i], i);
}
END_TEST

/* In one pass kl is there too, and its gradient is refused. */
START_TEST(one_pass_has_kl_without_gradient)
{
    seed = 50;
    make(&variants[0]);
    c.head.jhidden = c.head.dhidden;
    c.head.dweight.ndim = 0;
    ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_ARG);
    ck_assert_str_eq(c.error.field, "align_head.dkl");
    c.head.dkl.ndim = 0;
    ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_NONE);
    for (int n = 0; n < N; n++)
        ck_assert(fabs(c.kl[0][n] - c.kl[1][n]) <= 2e-5 * (1 + c.kl[1][n]));
}
END_TEST

/* A head against itself is at 0 exactly, with a gradient of 0. */
START_TEST(equal_heads)
{
    struct variant v = variants[2];
    seed = 60;
    make(&v);
    c.other = c.head;
    for (int reverse = 0; reverse < 2; reverse++) {
        c.head.flags = reverse ? ALIGN_HEAD_KL_REVERSE : 0;
        ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_NONE);
        ck_assert_int_eq(align_head_backward(&c.exec, &c.head), ALIGN_E_NONE);
        for (int n = 0; n < N; n++)
            ck_assert(c.kl[0][n] == 0);
        for (int64_t i = 0; i < V * D; i++)
            ck_assert(fabs(at(ALIGN_F64, c.dweight, i)) < 1e-12);
    }
}
END_TEST

static int32_t backwards(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    *(int64_t *)user += tasks > 1;
    while (tasks-- > 0)
        fn(ctx, tasks);
    return 0;
}

START_TEST(scratch_and_runner_change_no_bit)
{
    static char dhidden[sizeof c.dhidden], dweight[sizeof c.dweight];
    double kl[N];
    size_t least, best;
    int64_t split = 0;
    for (int again = 0; again < 2; again++) {
        seed = 70;
        make(&variants[4]);
        ck_assert_int_eq(align_head_scratch(&c.exec, &c.head, &least, &best), ALIGN_E_NONE);
        c.exec.scratch_size = least;
        if (again) {
            c.exec.parallel = backwards;
            c.exec.parallel_user = &split;
            c.exec.scratch = c.scratch + 3;
        }
        ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_NONE);
        ck_assert_int_eq(align_head_backward(&c.exec, &c.head), ALIGN_E_NONE);
        if (!again) {
            memcpy(kl, c.kl[0], sizeof kl);
            memcpy(dhidden, c.dhidden, sizeof dhidden);
            memcpy(dweight, c.dweight, sizeof dweight);
        }
    }
    ck_assert_mem_eq(kl, c.kl[0], sizeof kl);
    ck_assert_mem_eq(dhidden, c.dhidden, sizeof dhidden);
    ck_assert_mem_eq(dweight, c.dweight, sizeof dweight);
    ck_assert_int_eq(split, 3); /* walks: the forward's, kl before the gradient, gradients */
}
END_TEST

SUITE_MAIN("unit/head_linear_kl", linear_kl_is_that_of_its_logits, one_pass_has_kl_without_gradient,
           equal_heads, scratch_and_runner_change_no_bit)
