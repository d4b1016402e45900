/* Errors of a linear head do not grow with tokens: log-probabilities and dbias are summed in f64, and so are tiles of
 * dweight, whose errors cancel, also where a walk over the vocabulary cannot be finished band by band. */
#include "../suite.h"

#include <libalign/head.h>

#include <math.h>
#include <stdbool.h>

enum { MOST = 120000, V = 50, D = 6, SCRATCH = 16 << 20 };

/* dhidden in BF16 holds no sums of bands; dkl needs all of the vocabulary before its first gradient. */
enum variant { PLAIN, NARROW, DKL, VARIANTS };
static const char *const variants[] = {"plain", "narrow dhidden", "dkl"};

static struct {
    float hidden[MOST][D], weight[V][D], dhidden[MOST][D], dweight[V][D], dbias[V];
    double hidden64[MOST][D], weight64[V][D], dhidden64[MOST][D], dweight64[V][D], dbias64[V];
    float other[V][D];
    uint16_t narrow[MOST][D];
    double token_logp[MOST], lse[MOST], dkl[MOST], logp, dlogp;
    int32_t target[MOST];
    char scratch[SCRATCH];
} bed;

static double uniform(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return (*state >> 8) / 8388608.0 - 1;
}

static double run(enum variant variant, align_dtype dtype, int64_t n)
{
    bool f64 = dtype == ALIGN_F64;
    align_exec exec;
    align_tokens tokens;
    align_head head, other;
    align_exec_init(&exec, sizeof exec);
    align_tokens_init(&tokens, sizeof tokens);
    align_head_init(&head, sizeof head);
    align_head_init(&other, sizeof other);
    tokens.target = align_1d(bed.target, ALIGN_I32, n);
    head.tokens = &tokens;
    head.hidden = align_2d(f64 ? (void *)bed.hidden64 : bed.hidden, dtype, n, D);
    head.weight = align_2d(f64 ? (void *)bed.weight64 : bed.weight, dtype, V, D);
    head.dhidden = align_2d(f64 ? (void *)bed.dhidden64 : bed.dhidden, dtype, n, D);
    head.dweight = align_2d(f64 ? (void *)bed.dweight64 : bed.dweight, dtype, V, D);
    head.dbias = align_1d(f64 ? (void *)bed.dbias64 : bed.dbias, dtype, V);
    head.logp = align_1d(&bed.logp, ALIGN_F64, 1);
    head.token_logp = align_1d(bed.token_logp, ALIGN_F64, n);
    head.lse = align_1d(bed.lse, ALIGN_F64, n);
    head.dlogp = align_1d(&bed.dlogp, ALIGN_F64, 1);
    if (variant == NARROW && !f64)
        head.dhidden = align_2d(bed.narrow, ALIGN_BF16, n, D);
    if (variant == DKL) {
        other.hidden = head.hidden;
        other.weight = align_2d(bed.other, ALIGN_F32, V, D);
        head.other = &other;
        head.dkl = align_1d(bed.dkl, ALIGN_F64, n);
    }
    size_t best;
    ck_assert_int_eq(align_head_scratch(&exec, &head, &exec.scratch_size, &best), ALIGN_E_NONE);
    ck_assert_uint_le(exec.scratch_size, SCRATCH);
    exec.scratch = bed.scratch;
    ck_assert_int_eq(align_head_forward(&exec, &head), ALIGN_E_NONE);
    ck_assert_int_eq(align_head_backward(&exec, &head), ALIGN_E_NONE);
    return bed.logp;
}

struct errors {
    double logp, dweight, dbias;
};

static struct errors errors_of(enum variant variant, int64_t n)
{
    struct errors e = {0, 0, 0};
    double size = 0, bias = 0;
    double truth = run(variant, ALIGN_F64, n), found = run(variant, ALIGN_F32, n);
    for (int v = 0; v < V; v++) {
        e.dbias += pow((double)bed.dbias[v] - bed.dbias64[v], 2);
        bias += pow(bed.dbias64[v], 2);
        for (int d = 0; d < D; d++) {
            e.dweight += pow((double)bed.dweight[v][d] - bed.dweight64[v][d], 2);
            size += pow(bed.dweight64[v][d], 2);
        }
    }
    e.logp = fabs(found / truth - 1);
    e.dweight = sqrt(e.dweight / size);
    e.dbias = sqrt(e.dbias / bias);
    return e;
}

/* Rows with a mean, and targets that are not the model's own: sums that grow with n, as in training. */
START_TEST(errors_do_not_grow_with_tokens)
{
    uint32_t state = 4;
    for (int v = 0; v < V; v++)
        for (int d = 0; d < D; d++)
            bed.weight64[v][d] = (double)(bed.weight[v][d] = (float)uniform(&state));
    for (int i = 0; i < V * D; i++)
        bed.other[i / D][i % D] = (float)uniform(&state);
    for (int n = 0; n < MOST; n++) {
        for (int d = 0; d < D; d++)
            bed.hidden64[n][d] = (double)(bed.hidden[n][d] = (float)(0.5 + uniform(&state)));
        bed.dkl[n] = 0.5;
        bed.target[n] = (int32_t)(0.999 * V * pow(uniform(&state), 2));
    }
    bed.dlogp = 1;
    const int64_t sizes[] = {1200, 12000, MOST};
    double before =
        6e-7; /* of one product, whose sums are as the BLAS makes them: 7e-8 to 4.6e-7 */
    for (int i = 0; i < 3; i++) {
        struct errors e = errors_of((enum variant)_i, sizes[i]);
        ck_assert_msg(e.logp < 1e-8 && e.dweight < before && e.dbias < 6e-8,
                      "%s, %d tokens: logp %.2g, dweight %.2g, dbias %.2g", variants[_i],
                      (int)sizes[i], e.logp, e.dweight, e.dbias);
        before = e.dweight;
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("unit/head_drift");
    TCase *tcase = tcase_create("head drift");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, errors_do_not_grow_with_tokens, 0, VARIANTS);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
