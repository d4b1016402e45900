/* BF16 operands: converted a tile at a time, or by ALIGN_FLAG_FAST multiplied as they are where the BLAS can.
 * Not every BLAS has cblas_sbgemm, so this program brings its own, which the library finds. */
#include "../suite.h"

#include <libalign/head.h>

#include <cblas.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* ---- products of bf16, in f32 ---- */

static int64_t products;

static float wide(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint16_t narrow(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float *widen(const uint16_t *x, int64_t rows, int64_t width, int64_t stride)
{
    float *out = malloc((size_t)(rows * width) * sizeof *out);
    ck_assert_ptr_nonnull(out);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j++)
            out[i * width + j] = wide(x[i * stride + j]);
    return out;
}

void cblas_sbgemm(enum CBLAS_ORDER order, enum CBLAS_TRANSPOSE turn_a, enum CBLAS_TRANSPOSE turn_b,
                  blasint m, blasint n, blasint k, float alpha, const bfloat16 *a, blasint lda,
                  const bfloat16 *b, blasint ldb, float beta, float *c, blasint ldc)
{
    const bool ta = turn_a == CblasTrans, tb = turn_b == CblasTrans;
    float *x = widen(a, ta ? k : m, ta ? m : k, lda), *y = widen(b, tb ? n : k, tb ? k : n, ldb);
    products++;
    cblas_sgemm(order, turn_a, turn_b, m, n, k, alpha, x, ta ? m : k, y, tb ? k : n, beta, c, ldc);
    free(x);
    free(y);
}

/* ---- a head ---- */

enum { N = 400, V = 2500, D = 48, SCRATCH = 16 << 20 };

static struct {
    uint16_t hidden[N][D], weight[V][D];
    double hidden64[N][D], weight64[V][D];
    int32_t target[N];
    double logp, dlogp, token_logp[N], lse[N];
    char scratch[SCRATCH];
} bed;

struct result {
    double logp[N], dhidden[N][D], dweight[V][D];
};

static double normal(uint32_t *state)
{
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        *state = *state * 1664525 + 1013904223;
        sum += (*state >> 8) / 16777216.0;
    }
    return sum;
}

static void make(void)
{
    uint32_t state = 3;
    for (int v = 0; v < V; v++)
        for (int d = 0; d < D; d++) {
            bed.weight[v][d] = narrow((float)normal(&state) * 0.5f);
            bed.weight64[v][d] = (double)wide(bed.weight[v][d]);
        }
    for (int n = 0; n < N; n++) {
        bed.target[n] = (int32_t)((n * 7919) % V);
        for (int d = 0; d < D; d++) {
            bed.hidden[n][d] = narrow((float)normal(&state));
            bed.hidden64[n][d] = (double)wide(bed.hidden[n][d]);
        }
    }
    bed.dlogp = 1;
}

static void run(align_dtype dtype, uint32_t flags, bool one_pass, struct result *result)
{
    align_exec exec;
    align_tokens tokens;
    align_head head;
    align_error error;
    align_exec_init(&exec, sizeof exec);
    align_tokens_init(&tokens, sizeof tokens);
    align_head_init(&head, sizeof head);
    align_error_init(&error, sizeof error);
    exec.error = &error;
    exec.flags = flags;
    tokens.target = align_1d(bed.target, ALIGN_I32, N);
    head.tokens = &tokens;
    bool f64 = dtype == ALIGN_F64;
    head.hidden = align_2d(f64 ? (void *)bed.hidden64 : bed.hidden, dtype, N, D);
    head.weight = align_2d(f64 ? (void *)bed.weight64 : bed.weight, dtype, V, D);
    head.logp = align_1d(&bed.logp, ALIGN_F64, 1);
    head.token_logp = align_1d(result->logp, ALIGN_F64, N);
    head.lse = align_1d(bed.lse, ALIGN_F64, N);
    head.dlogp = align_1d(&bed.dlogp, ALIGN_F64, 1);
    head.dhidden = align_2d(result->dhidden, ALIGN_F64, N, D);
    if (one_pass)
        head.jhidden = head.dhidden;
    else
        head.dweight = align_2d(result->dweight, ALIGN_F64, V, D);
    size_t best;
    ck_assert_int_eq(align_head_scratch(&exec, &head, &exec.scratch_size, &best), ALIGN_E_NONE);
    ck_assert_uint_le(exec.scratch_size, SCRATCH);
    exec.scratch = bed.scratch;
    products = 0;
    ck_assert_msg(align_head_forward(&exec, &head) == ALIGN_E_NONE, "%s", error.text);
    ck_assert_msg(align_head_backward(&exec, &head) == ALIGN_E_NONE, "%s", error.text);
}

/* Relative, of a whole matrix. */
static double error_of(const double *found, const double *truth, int64_t n)
{
    double apart = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        apart += (found[i] - truth[i]) * (found[i] - truth[i]);
        size += truth[i] * truth[i];
    }
    return sqrt(apart / size);
}

/* What trainers do that keep gradients of logits and of weights in bf16, and add up chunks of rows. */
static double error_of_peers(const struct result *truth)
{
    enum { CHUNK = 16 };
    static double found[V][D];
    double *z = malloc(V * sizeof *z);
    static float part[V][D];
    static uint16_t sum[V][D];
    for (int n = 0; n < N; n++) {
        double total = 0;
        for (int v = 0; v < V; v++) {
            z[v] = 0;
            for (int d = 0; d < D; d++)
                z[v] += bed.hidden64[n][d] * bed.weight64[v][d];
            total += exp(z[v]);
        }
        for (int v = 0; v < V; v++) {
            float g = wide(narrow((float)((v == bed.target[n]) - exp(z[v]) / total)));
            for (int d = 0; d < D; d++)
                part[v][d] += g * (float)bed.hidden64[n][d];
        }
        for (int v = 0; v < V && n % CHUNK == CHUNK - 1; v++)
            for (int d = 0; d < D; d++) {
                sum[v][d] = narrow(wide(sum[v][d]) + wide(narrow(part[v][d])));
                part[v][d] = 0;
            }
    }
    for (int v = 0; v < V; v++)
        for (int d = 0; d < D; d++)
            found[v][d] = (double)wide(sum[v][d]);
    free(z);
    return error_of(&found[0][0], &truth->dweight[0][0], V * D);
}

START_TEST(gradients_of_bf16_operands)
{
    static struct result truth, slow, fast;
    make();
    run(ALIGN_F64, 0, false, &truth);
    run(ALIGN_BF16, 0, false, &slow);
    ck_assert_int_eq(products, 0);
    run(ALIGN_BF16, ALIGN_FLAG_FAST, false, &fast);
    ck_assert_int_gt(products, 0);
    double of_slow = error_of(&slow.dweight[0][0], &truth.dweight[0][0], V * D);
    double of_fast = error_of(&fast.dweight[0][0], &truth.dweight[0][0], V * D);
    double of_peers = error_of_peers(&truth);
    ck_assert_msg(of_slow < 1e-6, "dweight is %g off", of_slow);
    ck_assert_msg(of_fast < 3e-3, "dweight is %g off with ALIGN_FLAG_FAST", of_fast);
    ck_assert_msg(of_peers > 2 * of_fast, "peers %g off, ALIGN_FLAG_FAST %g", of_peers, of_fast);
    ck_assert(error_of(&fast.dhidden[0][0], &truth.dhidden[0][0], N * D) < 3e-3);
    ck_assert(error_of(fast.logp, truth.logp, N) < 1e-6);
    printf("dweight off by %.2g; with ALIGN_FLAG_FAST %.2g; peers %.2g\n", of_slow, of_fast,
           of_peers);
}
END_TEST

START_TEST(one_pass_of_bf16_operands)
{
    static struct result truth, fast;
    make();
    run(ALIGN_F64, 0, true, &truth);
    run(ALIGN_BF16, ALIGN_FLAG_FAST, true, &fast);
    ck_assert_int_gt(products, 0);
    ck_assert(error_of(&fast.dhidden[0][0], &truth.dhidden[0][0], N * D) < 3e-3);
}
END_TEST

SUITE_MAIN("unit/halves", gradients_of_bf16_operands, one_pass_of_bf16_operands)
