/* The fused linear head against products and a dense head in f64, both made here. */
#include "../suite.h"

#include "base/tensor.h"

#include <libalign/step.h>

#include <math.h>
#include <string.h>

static uint64_t seed;

static double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-53;
}

/* Two tiles of tokens and two of the vocabulary. */
enum { B = 6, T = 350, N = B * T, V = 1100, D = 19, GAP = 5, ROWS = N };

struct variant {
    align_dtype hidden, weight, bias, gradient, dweight;
    int padded, backwards, adds, one_pass, entropy;
    double scale, softcap;
};

/* Numbers as they stand in memory, and the same in f64. */
struct numbers {
    _Alignas(64) char memory[ROWS * (D + GAP) * 8];
    align_tensor tensor;
    double x[ROWS][D];
};

static struct {
    align_exec exec;
    align_error error;
    align_tokens tokens;
    align_head head, dense;
    int32_t target[N];
    float mask[N];
    int64_t offsets[B + 1];
    struct numbers hidden, weight, bias, jhidden, dhidden, dweight, dbias, old_dhidden, old_dweight,
        old_dbias;
    double logits[N][V], dlogits[N][V], dlogp[B], dtoken[N], dlse[N], dentropy[N];
    struct results {
        double logp[B], count[B], wsum[B], token_logp[N], lse[N], entropy[N], collision[N], hit[N];
    } found, wanted;
    _Alignas(64) char scratch[64 << 20];
} c;

/* rows x width numbers, with gaps between rows, backwards where that is asked for. */
static void number_matrix(struct numbers *m, align_dtype dtype, int64_t rows, int64_t width,
                          double size, int backwards)
{
    int64_t stride = width + GAP, bytes = align_dtype_bytes(dtype);
    m->tensor = align_2d(m->memory, dtype, rows, width);
    m->tensor.stride[0] = backwards ? -stride : stride;
    if (backwards)
        m->tensor.data = m->memory + (rows - 1) * stride * bytes;
    memset(m->memory, 0xff, sizeof m->memory);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j++) {
            char *at = (char *)m->tensor.data + (i * m->tensor.stride[0] + j) * bytes;
            align__store(dtype, at, size * (uniform() + uniform() + uniform() - 1.5));
            m->x[i][j] = align__load(dtype, at);
        }
}

static double number_at(const struct numbers *m, int64_t i, int64_t j)
{
    const align_tensor *t = &m->tensor;
    return align__load(t->dtype, (const char *)t->data +
                                     (i * t->stride[0] + j) * align_dtype_bytes(t->dtype));
}

static align_tensor rows_of(const struct variant *v, void *data)
{
    return v->padded ? align_2d(data, ALIGN_F64, B, T) : align_1d(data, ALIGN_F64, N);
}

/* [N,D] as the batch wants it. */
static align_tensor wide_of(const struct variant *v, const struct numbers *m)
{
    align_tensor t = m->tensor;
    if (v->padded) {
        t = align_3d(t.data, t.dtype, B, T, D);
        t.stride[1] = m->tensor.stride[0];
        t.stride[0] = T * t.stride[1];
    }
    return t;
}

static void make_inputs(const struct variant *v)
{
    for (int n = 0; n < N; n++) {
        c.target[n] = n % 7 == 3 ? -100 : (int32_t)(uniform() * V);
        c.mask[n] = n % 11 == 5 ? 0 : (float)(0.5 + uniform());
        c.dtoken[n] = n % 13 == 1 ? 0 : uniform() - 0.5;
        c.dlse[n] = (uniform() - 0.5) / 8;
        c.dentropy[n] = uniform() - 0.5;
    }
    for (int s = 0; s < B; s++) {
        c.offsets[s + 1] = s == B - 1 ? N : (s + 1) * 300;
        c.dlogp[s] = s == 2 ? 0 : uniform() - 0.5;
    }
    number_matrix(&c.hidden, v->hidden, N, D, 2, v->backwards);
    number_matrix(&c.weight, v->weight, V, D, 2, v->backwards);
    number_matrix(&c.bias, v->bias, V, 1, 3, v->backwards);
    number_matrix(&c.jhidden, v->gradient, N, D, 1, 0);
    number_matrix(&c.dhidden, v->gradient, N, D, 1, v->backwards);
    number_matrix(&c.dweight, v->dweight, V, D, 1, v->backwards);
    number_matrix(&c.dbias, v->dweight, V, 1, 1, 0);
    memcpy(c.old_dhidden.x, c.dhidden.x, sizeof c.dhidden.x);
    memcpy(c.old_dweight.x, c.dweight.x, sizeof c.dweight.x);
    memcpy(c.old_dbias.x, c.dbias.x, sizeof c.dbias.x);
}

static void set_results(align_head *head, const struct variant *v, struct results *r)
{
    head->logp = align_1d(r->logp, ALIGN_F64, B);
    head->count = align_1d(r->count, ALIGN_F64, B);
    head->wsum = align_1d(r->wsum, ALIGN_F64, B);
    head->token_logp = rows_of(v, r->token_logp);
    head->lse = rows_of(v, r->lse);
    head->entropy = rows_of(v, r->entropy);
    head->collision = rows_of(v, r->collision);
    head->hit = rows_of(v, r->hit);
    head->dlogp = align_1d(c.dlogp, ALIGN_F64, B);
    head->dtoken_logp = rows_of(v, c.dtoken);
    if (!v->one_pass)
        head->dlse = rows_of(v, c.dlse);
    if (v->entropy)
        head->dentropy = rows_of(v, c.dentropy);
    head->tokens = &c.tokens;
    head->scale = v->scale;
    head->softcap = v->softcap;
}

static void make_call(const struct variant *v)
{
    align_exec_init(&c.exec, sizeof c.exec);
    align_error_init(&c.error, sizeof c.error);
    c.exec.error = &c.error;
    c.exec.scratch = c.scratch;
    c.exec.scratch_size = sizeof c.scratch;
    align_tokens_init(&c.tokens, sizeof c.tokens);
    align_head_init(&c.head, sizeof c.head);
    align_head_init(&c.dense, sizeof c.dense);
    c.tokens.target = v->padded ? align_2d(c.target, ALIGN_I32, B, T)
                                : align_1d(c.target, ALIGN_I32, N);
    c.tokens.mask = v->padded ? align_2d(c.mask, ALIGN_F32, B, T) : align_1d(c.mask, ALIGN_F32, N);
    if (!v->padded)
        c.tokens.offsets = align_1d(c.offsets, ALIGN_I64, B + 1);
    c.tokens.shift = v->padded;
    set_results(&c.head, v, &c.found);
    set_results(&c.dense, v, &c.wanted);
    c.dense.dlse = v->one_pass ? (align_tensor){0} : c.dense.dlse;
    c.dense.logits = v->padded ? align_3d(c.logits, ALIGN_F64, B, T, V)
                               : align_2d(c.logits, ALIGN_F64, N, V);
    c.dense.dlogits = v->padded ? align_3d(c.dlogits, ALIGN_F64, B, T, V)
                                : align_2d(c.dlogits, ALIGN_F64, N, V);
    c.head.hidden = wide_of(v, &c.hidden);
    c.head.weight = c.weight.tensor;
    c.head.bias = c.bias.tensor;
    c.head.bias.ndim = 1;
    c.head.dhidden = wide_of(v, &c.dhidden);
    if (v->one_pass) {
        c.head.jhidden = wide_of(v, &c.jhidden);
    } else {
        c.head.dweight = c.dweight.tensor;
        c.head.dbias = c.dbias.tensor;
        c.head.dbias.ndim = 1;
    }
    if (v->adds)
        c.head.flags = v->one_pass
                           ? ALIGN_HEAD_ADD_DHIDDEN
                           : ALIGN_HEAD_ADD_DHIDDEN | ALIGN_HEAD_ADD_DWEIGHT | ALIGN_HEAD_ADD_DBIAS;
}

static void make(const struct variant *v)
{
    make_inputs(v);
    make_call(v);
}

static void run_dense(void)
{
    for (int n = 0; n < N; n++)
        for (int v = 0; v < V; v++) {
            c.logits[n][v] = c.bias.x[v][0];
            for (int d = 0; d < D; d++)
                c.logits[n][v] += c.hidden.x[n][d] * c.weight.x[v][d];
        }
    ck_assert_int_eq(align_head_forward(NULL, &c.dense), ALIGN_E_NONE);
    ck_assert_int_eq(align_head_backward(NULL, &c.dense), ALIGN_E_NONE);
}

static void near(const char *what, int variant, int64_t i, int64_t j, double found, double wanted,
                 double tolerance)
{
    ck_assert_msg(fabs(found - wanted) <= tolerance, "%s[%d,%d], variant %d: %.12g, expected %.12g",
                  what, (int)i, (int)j, variant, found, wanted);
}

/* Found within `tolerance` of the largest number of its matrix. */
static void compare(const char *what, int variant, const struct numbers *found, double wanted[][D],
                    int64_t rows, int64_t width, double tolerance)
{
    double largest = 0;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j++)
            largest = fmax(largest, fabs(wanted[i][j]));
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j++)
            near(what, variant, i, j, number_at(found, i, j), wanted[i][j], largest * tolerance);
}

static double step_of(align_dtype dtype)
{
    return dtype == ALIGN_F64   ? 1e-12
           : dtype == ALIGN_F32 ? 1e-6
           : dtype == ALIGN_F16 ? 1e-3
                                : 8e-3;
}

static void check_gradients(const struct variant *v, int id, double tolerance)
{
    static double dhidden[ROWS][D], dweight[ROWS][D], dbias[ROWS][D];
    memset(dhidden, 0, sizeof dhidden);
    memset(dweight, 0, sizeof dweight);
    memset(dbias, 0, sizeof dbias);
    for (int n = 0; n < N; n++)
        for (int w = 0; w < V; w++) {
            double g = c.dlogits[n][w];
            dbias[w][0] += g;
            for (int d = 0; d < D && g != 0; d++) {
                dhidden[n][d] += g * c.weight.x[w][d];
                dweight[w][d] += g * c.hidden.x[n][d];
            }
        }
    for (int w = 0; w < ROWS && v->adds; w++)
        for (int d = 0; d < D; d++) {
            dhidden[w][d] += c.old_dhidden.x[w][d];
            dweight[w][d] += c.old_dweight.x[w][d];
            dbias[w][d] += c.old_dbias.x[w][d];
        }
    compare("dhidden", id, &c.dhidden, dhidden, N, D, tolerance + step_of(v->gradient));
    if (v->one_pass)
        return;
    compare("dweight", id, &c.dweight, dweight, V, D, tolerance + step_of(v->dweight));
    compare("dbias", id, &c.dbias, dbias, V, 1, tolerance + step_of(v->dweight));
}

static void check_results(int id, double tolerance)
{
    const double *found = c.found.logp, *wanted = c.wanted.logp;
    for (size_t i = 0; i < sizeof c.found / sizeof(double); i++)
        near("result", id, (int64_t)i, 0, found[i], wanted[i],
             tolerance * 10 * fmax(1, fabs(wanted[i])));
}

static void check(const struct variant *v, int id)
{
    bool f64 = v->hidden == ALIGN_F64 || v->weight == ALIGN_F64 || v->bias == ALIGN_F64;
    double tolerance = f64 ? 1e-11 : 3e-6;
    seed = (uint64_t)id;
    make(v);
    run_dense();
    align_status status = align_head_forward(&c.exec, &c.head);
    ck_assert_msg(status == ALIGN_E_NONE, "variant %d: %s", id, c.error.text);
    check_results(id, tolerance);
    status = align_head_backward(&c.exec, &c.head);
    ck_assert_msg(status == ALIGN_E_NONE, "variant %d: %s", id, c.error.text);
    check_gradients(v, id, tolerance);
}

static const struct variant variants[] = {
    {ALIGN_F32, ALIGN_F32, ALIGN_F32, ALIGN_F32, ALIGN_F32, 0, 0, 0, 0, 0, 1, 0},
    {ALIGN_F32, ALIGN_F32, ALIGN_F32, ALIGN_F32, ALIGN_F32, 1, 1, 1, 0, 1, 1, 0},
    {ALIGN_F64, ALIGN_F64, ALIGN_F64, ALIGN_F64, ALIGN_F64, 1, 0, 0, 0, 1, 1, 0},
    {ALIGN_F64, ALIGN_F32, ALIGN_BF16, ALIGN_F64, ALIGN_F32, 0, 0, 1, 0, 0, 1, 0},
    {ALIGN_F32, ALIGN_F64, ALIGN_F16, ALIGN_F32, ALIGN_F64, 0, 1, 0, 0, 0, 0.5, 0},
    {ALIGN_BF16, ALIGN_BF16, ALIGN_BF16, ALIGN_BF16, ALIGN_BF16, 0, 0, 0, 0, 0, 1, 0},
    {ALIGN_F16, ALIGN_BF16, ALIGN_F32, ALIGN_F16, ALIGN_F16, 1, 1, 0, 0, 0, 1, 0},
    {ALIGN_BF16, ALIGN_F16, ALIGN_F32, ALIGN_F32, ALIGN_F64, 1, 0, 1, 0, 0, 1, 12},
    {ALIGN_F32, ALIGN_F32, ALIGN_F64, ALIGN_F32, ALIGN_F32, 0, 0, 1, 0, 1, 1.5, 9},
    {ALIGN_F32, ALIGN_F32, ALIGN_F32, ALIGN_F32, ALIGN_F64, 0, 0, 1, 0, 0, 0.7, 0},
};

START_TEST(two_passes_agree)
{
    for (int i = 0; i < (int)(sizeof variants / sizeof variants[0]); i++)
        check(&variants[i], i);
}
END_TEST

START_TEST(one_pass_agrees)
{
    for (int i = 0; i < (int)(sizeof variants / sizeof variants[0]); i++) {
        struct variant v = variants[i];
        v.one_pass = 1;
        v.entropy = 0;
        check(&v, 100 + i);
        if (v.adds)
            continue;
        /* dhidden in the place of jhidden */
        static struct numbers before;
        memcpy(&before, &c.dhidden, sizeof before);
        c.head.dhidden = c.head.jhidden;
        ck_assert_int_eq(align_head_backward(&c.exec, &c.head), ALIGN_E_NONE);
        for (int n = 0; n < N; n++)
            for (int d = 0; d < D; d++)
                ck_assert(number_at(&c.jhidden, n, d) == number_at(&before, n, d));
    }
}
END_TEST

/* A confident token: hidden rows along one weight row, so that 1 - p is far below an f32 ulp of 1. */
START_TEST(tails_survive_the_products)
{
    struct variant v = variants[0];
    for (int one_pass = 0; one_pass < 2; one_pass++) {
        seed = 77;
        v.one_pass = one_pass;
        make(&v);
        for (int n = 0; n < N; n++) {
            c.target[n] = n % V;
            c.mask[n] = 1;
            for (int d = 0; d < D; d++) {
                c.hidden.x[n][d] = (double)((float)c.weight.x[c.target[n]][d] *
                                            (2 + (float)(n % 4)));
                ((float *)(void *)c.hidden.memory)[n * (D + GAP) + d] = (float)c.hidden.x[n][d];
            }
        }
        memset(c.bias.memory, 0, sizeof c.bias.memory);
        memset(c.bias.x, 0, sizeof c.bias.x);
        run_dense();
        ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_NONE);
        ck_assert_int_eq(align_head_backward(&c.exec, &c.head), ALIGN_E_NONE);
        int tails = 0;
        for (int n = 0; n < N; n++) {
            double wanted = c.wanted.token_logp[n];
            double scale = 0, dhidden[D] = {0};
            tails += wanted > -1e-8;
            ck_assert(fabs(c.found.token_logp[n] / wanted - 1) < 1e-4);
            for (int w = 0; w < V; w++)
                for (int d = 0; d < D; d++)
                    dhidden[d] += c.dlogits[n][w] * c.weight.x[w][d];
            for (int d = 0; d < D; d++)
                scale = fmax(scale, fabs(dhidden[d]));
            for (int d = 0; d < D; d++)
                near("dhidden", one_pass, n, d, number_at(&c.dhidden, n, d), dhidden[d],
                     1e-4 * scale);
        }
        ck_assert_int_gt(tails, 20);
    }
}
END_TEST

static int32_t backwards_hook(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    *(int64_t *)user += tasks > 1;
    for (int64_t i = tasks - 1; i >= 0; i--)
        fn(ctx, i);
    return 0;
}

START_TEST(scratch_and_runner_change_no_bit)
{
    static struct numbers dhidden, dweight;
    struct results results;
    int64_t split = 0;
    size_t least, best;
    for (int one_pass = 0; one_pass < 2; one_pass++) {
        struct variant v = variants[one_pass ? 5 : 0];
        v.one_pass = one_pass;
        seed = 5;
        make(&v);
        ck_assert_int_eq(align_head_scratch(&c.exec, &c.head, &least, &best), ALIGN_E_NONE);
        ck_assert(least <= best && least > 0 && best < sizeof c.scratch - 64);
        ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_NONE);
        ck_assert_int_eq(align_head_backward(&c.exec, &c.head), ALIGN_E_NONE);
        results = c.found;
        memcpy(&dhidden, &c.dhidden, sizeof dhidden);
        memcpy(&dweight, &c.dweight, sizeof dweight);
        for (int shift = 0; shift < 3; shift++) {
            seed = 5;
            make(&v);
            memset(&c.found, 0, sizeof c.found);
            c.exec.scratch = c.scratch + 7 * shift;
            c.exec.scratch_size = least;
            c.exec.parallel = backwards_hook;
            c.exec.parallel_user = &split;
            c.exec.workers = 1u << shift * 3;
            ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_NONE);
            ck_assert_int_eq(align_head_backward(&c.exec, &c.head), ALIGN_E_NONE);
            ck_assert_mem_eq(&results, &c.found, sizeof results);
            ck_assert_mem_eq(dhidden.memory, c.dhidden.memory, sizeof dhidden.memory);
            ck_assert_mem_eq(dweight.memory, c.dweight.memory, sizeof dweight.memory);
        }
        c.exec.scratch_size = least - 1;
        ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_SCRATCH);
        ck_assert_str_eq(c.error.field, "align_exec.scratch_size");
    }
    ck_assert_int_gt(split, 20);
}
END_TEST

/* A step whose policy and reference are linear heads gives the bits of the calls one by one. */
START_TEST(step_equals_its_parts)
{
    static struct numbers dhidden, dweight;
    static struct results ref_results;
    struct variant v = variants[0];
    double logp[2][B], value[2];
    size_t least, best;
    for (int whole = 0; whole < 2; whole++) {
        seed = 21;
        make(&v);
        align_head ref = c.head;
        ref.dhidden.ndim = ref.dweight.ndim = ref.dbias.ndim = 0;
        set_results(&ref, &v, &ref_results);
        ref.dlogp.ndim = ref.dtoken_logp.ndim = ref.dlse.ndim = 0;
        ref.scale = 0.9;
        align_loss_args loss;
        align_loss_args_init(&loss, sizeof loss);
        loss.loss = align_loss_find("dpo");
        loss.score = align_2d(c.found.logp, ALIGN_F64, B / 2, 2);
        loss.ref = align_2d(ref_results.logp, ALIGN_F64, B / 2, 2);
        loss.dscore = align_2d(c.dlogp, ALIGN_F64, B / 2, 2);
        loss.value = align_1d(&value[whole], ALIGN_F64, 1);
        align_step_args step;
        align_step_args_init(&step, sizeof step);
        step.policy = &c.head;
        step.ref = &ref;
        step.losses = &loss;
        step.n_losses = 1;
        ck_assert_int_eq(align_step_scratch(&c.exec, &step, &least, &best), ALIGN_E_NONE);
        ck_assert(least > 0 && best >= least);
        if (whole) {
            c.exec.scratch_size = least;
            align_status status = align_step_run(&c.exec, &step);
            ck_assert_msg(status == ALIGN_E_NONE, "%s", c.error.text);
            ck_assert_mem_eq(dhidden.memory, c.dhidden.memory, sizeof dhidden.memory);
            ck_assert_mem_eq(dweight.memory, c.dweight.memory, sizeof dweight.memory);
        } else {
            ck_assert_int_eq(align_head_forward(&c.exec, &ref), ALIGN_E_NONE);
            ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_NONE);
            ck_assert_int_eq(align_loss_eval(&c.exec, &loss), ALIGN_E_NONE);
            ck_assert_int_eq(align_head_backward(&c.exec, &c.head), ALIGN_E_NONE);
            memcpy(&dhidden, &c.dhidden, sizeof dhidden);
            memcpy(&dweight, &c.dweight, sizeof dweight);
        }
        memcpy(logp[whole], c.found.logp, sizeof logp[whole]);
    }
    ck_assert_mem_eq(logp[0], logp[1], sizeof logp[0]);
    ck_assert(value[0] == value[1] && value[0] > 0);
}
END_TEST

/* Hidden rows of tokens that do not count are never read; with no counted row, gradients are 0. */
START_TEST(rows_that_do_not_count)
{
    struct variant v = variants[0];
    seed = 9;
    make(&v);
    ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_NONE);
    double logp = c.found.logp[0];
    for (int n = 0; n < N; n++)
        if (c.target[n] == -100 || c.mask[n] == 0)
            ((float *)(void *)c.hidden.memory)[n * (D + GAP) + n % D] = NAN;
    ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_NONE);
    ck_assert(c.found.logp[0] == logp);
    ck_assert_int_eq(align_head_backward(&c.exec, &c.head), ALIGN_E_NONE);
    for (int w = 0; w < V; w++)
        ck_assert(isfinite(number_at(&c.dweight, w, w % D)));
    ck_assert(number_at(&c.dhidden, 3, 0) == 0 && number_at(&c.dhidden, 3, D - 1) == 0);
    memset(c.mask, 0, sizeof c.mask);
    ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_NONE);
    ck_assert_int_eq(align_head_backward(&c.exec, &c.head), ALIGN_E_NONE);
    for (int w = 0; w < V; w++)
        for (int d = 0; d < D; d++)
            ck_assert(number_at(&c.dweight, w, d) == 0 &&
                      (w >= N || number_at(&c.dhidden, w, d) == 0));
    ck_assert(number_at(&c.dbias, 5, 0) == 0 && c.found.logp[1] == 0 && c.found.count[1] == 0);
}
END_TEST

START_TEST(nan_stays_in_its_row)
{
    struct variant v = variants[0];
    for (int one_pass = 0; one_pass < 2; one_pass++) {
        seed = 10;
        v.one_pass = one_pass;
        make(&v);
        ((float *)(void *)c.hidden.memory)[8 * (D + GAP)] = NAN;
        c.target[8] = 1;
        c.mask[8] = 1;
        ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_NONE);
        ck_assert(isnan(c.found.token_logp[8]) && isnan(c.found.logp[0]));
        ck_assert(isfinite(c.found.token_logp[7]) && isfinite(c.found.logp[1]));
        ck_assert_int_eq(align_head_backward(&c.exec, &c.head), ALIGN_E_NONE);
        for (int n = 0; n < N; n++)
            ck_assert_int_eq(isnan(number_at(&c.dhidden, n, 2)) != 0, n == 8);
    }
}
END_TEST

SUITE_MAIN("unit/head_linear", two_passes_agree, one_pass_agrees, tails_survive_the_products,
           scratch_and_runner_change_no_bit, step_equals_its_parts, rows_that_do_not_count,
           nan_stays_in_its_row)
