/* The plans of the linear head: how many flops each has, counted at the BLAS, and that a step gives equal
 * bits whatever part of its logits its scratch can keep. */
#define _GNU_SOURCE
#include "../suite.h"

#include <libalign/align.h>

#include <cblas.h>
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- products, counted on their way to the BLAS ---- */

static int64_t products; /* of m n k */

typedef void sgemm_fn(enum CBLAS_ORDER order, enum CBLAS_TRANSPOSE turn_a,
                      enum CBLAS_TRANSPOSE turn_b, blasint m, blasint n, blasint k, float alpha,
                      const float *a, blasint lda, const float *b, blasint ldb, float beta,
                      float *c, blasint ldc);

sgemm_fn cblas_sgemm;

void cblas_sgemm(enum CBLAS_ORDER order, enum CBLAS_TRANSPOSE turn_a, enum CBLAS_TRANSPOSE turn_b,
                 blasint m, blasint n, blasint k, float alpha, const float *a, blasint lda,
                 const float *b, blasint ldb, float beta, float *c, blasint ldc)
{
    static sgemm_fn *next;
    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "cblas_sgemm");
    products += (int64_t)m * n * k;
    next(order, turn_a, turn_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

/* ---- a step ---- */

struct shape {
    int64_t n, v, d;
    align_dtype dtype; /* of hidden and weight */
    const char *loss;
    int masked;          /* some rows do not count */
    align_dtype dweight; /* of the policy; 0: none, in one pass */
    align_dtype dhidden; /* 0: F32 */
};

enum { SEQUENCES = 10, ROWS_MOST = 600 };

struct bed {
    struct shape shape;
    align_exec exec;
    align_error error;
    align_tokens tokens;
    align_head policy, ref;
    align_loss_args loss;
    align_step_args step;
    int64_t offsets[SEQUENCES + 1];
    int32_t target[ROWS_MOST];
    uint8_t mask[ROWS_MOST];
    double token_logp[ROWS_MOST], lse[ROWS_MOST], logp[SEQUENCES], ref_logp[SEQUENCES],
        dlogp[SEQUENCES], value;
    char *hidden, *weight, *ref_weight;
    float *dhidden;
    char *dweight;
    double *dbias;
};

/* Bits of F32 cut to those of F16; 0 where it has no normal number. */
static uint16_t half(uint32_t bits)
{
    uint32_t sign = bits >> 16 & 0x8000, exponent = bits >> 23 & 255;
    uint32_t rest = exponent < 113 ? 0 : (exponent - 112) << 10 | (bits >> 13 & 1023);
    return (uint16_t)(sign | rest);
}

static void *numbers(align_dtype dtype, int64_t count, double size, uint32_t state)
{
    char *memory = malloc((size_t)(count * align_dtype_bytes(dtype)));
    ck_assert_ptr_nonnull(memory);
    for (int64_t i = 0; i < count; i++) {
        state = state * 1664525 + 1013904223;
        double x = size * ((state >> 8) / 8388608.0 - 1);
        float f = (float)x;
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        if (dtype == ALIGN_F64)
            ((double *)(void *)memory)[i] = x;
        else if (dtype == ALIGN_F32)
            ((float *)(void *)memory)[i] = f;
        else
            ((uint16_t *)(void *)memory)[i] = dtype == ALIGN_BF16 ? (uint16_t)(bits >> 16)
                                                                  : half(bits);
    }
    return memory;
}

static void make_tokens(struct bed *bed)
{
    const struct shape *shape = &bed->shape;
    align_tokens_init(&bed->tokens, sizeof bed->tokens);
    for (int s = 0; s <= SEQUENCES; s++)
        bed->offsets[s] = s * shape->n / SEQUENCES;
    for (int64_t n = 0; n < shape->n; n++) {
        bed->target[n] = (int32_t)(n * 7919 % shape->v);
        bed->mask[n] = shape->masked ? n % 5 != 2 : 1;
    }
    bed->tokens.target = align_1d(bed->target, ALIGN_I32, shape->n);
    bed->tokens.mask = align_1d(bed->mask, ALIGN_U8, shape->n);
    bed->tokens.offsets = align_1d(bed->offsets, ALIGN_I64, SEQUENCES + 1);
}

static void make_loss(struct bed *bed)
{
    align_loss_args *loss = &bed->loss;
    align_loss_args_init(loss, sizeof *loss);
    loss->loss = align_loss_find(bed->shape.loss);
    ck_assert_int_ne(loss->loss, 0);
    loss->score = align_2d(bed->logp, ALIGN_F64, SEQUENCES / 2, 2);
    if (strcmp(bed->shape.loss, "slic") != 0)
        loss->ref = align_2d(bed->ref_logp, ALIGN_F64, SEQUENCES / 2, 2);
    loss->dscore = align_2d(bed->dlogp, ALIGN_F64, SEQUENCES / 2, 2);
    loss->value = align_1d(&bed->value, ALIGN_F64, 1);
    align_step_args_init(&bed->step, sizeof bed->step);
    bed->step.policy = &bed->policy;
    bed->step.ref = &bed->ref;
    bed->step.losses = loss;
    bed->step.n_losses = 1;
}

static struct bed *make_bed(const struct shape *shape)
{
    struct bed *bed = calloc(1, sizeof *bed);
    ck_assert_ptr_nonnull(bed);
    int64_t n = shape->n, v = shape->v, d = shape->d;
    bed->shape = *shape;
    align_exec_init(&bed->exec, sizeof bed->exec);
    align_error_init(&bed->error, sizeof bed->error);
    bed->exec.error = &bed->error;
    make_tokens(bed);
    bed->hidden = numbers(shape->dtype, n * d, 1, 1);
    bed->weight = numbers(shape->dtype, v * d, 4 / (double)d, 2);
    bed->ref_weight = numbers(shape->dtype, v * d, 4 / (double)d, 3);
    bed->dhidden = numbers(ALIGN_F32, n * d, 0, 0);
    bed->dweight = numbers(ALIGN_F64, v * d, 0, 0);
    bed->dbias = numbers(ALIGN_F64, v, 0, 0);
    align_head *policy = &bed->policy, *ref = &bed->ref;
    align_head_init(policy, sizeof *policy);
    policy->tokens = &bed->tokens;
    policy->hidden = align_2d(bed->hidden, shape->dtype, n, d);
    policy->weight = align_2d(bed->weight, shape->dtype, v, d);
    *ref = *policy;
    ref->weight.data = bed->ref_weight;
    ref->logp = align_1d(bed->ref_logp, ALIGN_F64, SEQUENCES);
    policy->logp = align_1d(bed->logp, ALIGN_F64, SEQUENCES);
    policy->token_logp = align_1d(bed->token_logp, ALIGN_F64, n);
    policy->lse = align_1d(bed->lse, ALIGN_F64, n);
    policy->dlogp = align_1d(bed->dlogp, ALIGN_F64, SEQUENCES);
    policy->dhidden = align_2d(bed->dhidden, shape->dhidden == 0 ? ALIGN_F32 : shape->dhidden, n,
                               d);
    if (shape->dweight != 0)
        policy->dweight = align_2d(bed->dweight, shape->dweight, v, d);
    else
        policy->jhidden = policy->dhidden;
    make_loss(bed);
    return bed;
}

static void free_bed(struct bed *bed)
{
    void *const blocks[] = {bed->hidden,  bed->weight, bed->ref_weight,   bed->dhidden,
                            bed->dweight, bed->dbias,  bed->exec.scratch, bed};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        free(blocks[i]);
}

static void set_scratch(struct bed *bed, size_t bytes)
{
    free(bed->exec.scratch);
    bed->exec.scratch = malloc(bytes);
    bed->exec.scratch_size = bytes;
    ck_assert_ptr_nonnull(bed->exec.scratch);
}

/* The step as calls of its parts. */
static void run_parts(struct bed *bed)
{
    size_t least, best;
    ck_assert_int_eq(align_step_scratch(&bed->exec, &bed->step, &least, &best), ALIGN_E_NONE);
    set_scratch(bed, least);
    ck_assert_int_eq(align_head_forward(&bed->exec, &bed->ref), ALIGN_E_NONE);
    ck_assert_int_eq(align_head_forward(&bed->exec, &bed->policy), ALIGN_E_NONE);
    ck_assert_int_eq(align_loss_eval(&bed->exec, &bed->loss), ALIGN_E_NONE);
    ck_assert_int_eq(align_head_backward(&bed->exec, &bed->policy), ALIGN_E_NONE);
}

/* Counts the flops of the policy alone, in units of N D V. */
static double run_step(struct bed *bed, size_t scratch)
{
    const struct shape *shape = &bed->shape;
    set_scratch(bed, scratch);
    products = 0;
    ck_assert_msg(align_step_run(&bed->exec, &bed->step) == ALIGN_E_NONE, "%s", bed->error.text);
    double unit = (double)shape->n * (double)shape->d * (double)shape->v;
    return 2 * (double)products / unit - (bed->step.ref != NULL ? 2 : 0);
}

static size_t dweight_bytes(const struct shape *shape)
{
    int64_t bytes = shape->dweight == 0 ? 0 : align_dtype_bytes(shape->dweight);
    return (size_t)(shape->v * shape->d * bytes);
}

static size_t dhidden_bytes(const struct bed *bed)
{
    return (size_t)(bed->shape.n * bed->shape.d * align_dtype_bytes(bed->policy.dhidden.dtype));
}

static void expect_equal(const struct bed *a, const struct bed *b)
{
    const struct shape *shape = &a->shape;
    ck_assert_mem_eq(a->token_logp, b->token_logp, sizeof a->token_logp);
    ck_assert_mem_eq(a->lse, b->lse, sizeof a->lse);
    ck_assert_mem_eq(a->dlogp, b->dlogp, sizeof a->dlogp);
    ck_assert(a->value == b->value);
    ck_assert_mem_eq(a->dhidden, b->dhidden, dhidden_bytes(a));
    ck_assert_mem_eq(a->dweight, b->dweight, dweight_bytes(shape));
    ck_assert_mem_eq(a->dbias, b->dbias, (size_t)shape->v * sizeof *a->dbias);
}

/* Two tiles of tokens and two bands of the vocabulary; these with a walk of its own for dhidden; one tile with three
 * stretches; rows that do not count; sequences whose gradient is 0; f64, which this file's BLAS does not count; two
 * tiles of tokens without bands; one pass. */
static const struct shape shapes[] = {
    {530, 1100, 2060, ALIGN_F32, "dpo", 0, ALIGN_F32, 0},
    {530, 1100, 2060, ALIGN_F32, "dpo", 1, ALIGN_F32, ALIGN_BF16},
    {300, 4200, 24, ALIGN_F32, "ipo", 1, ALIGN_F32, 0},
    {200, 2200, 24, ALIGN_BF16, "dpo", 1, ALIGN_F32, 0},
    {200, 2200, 24, ALIGN_BF16, "slic", 1, ALIGN_F32, 0},
    {200, 2200, 24, ALIGN_F16, "dpo", 1, ALIGN_BF16, 0},
    {200, 2200, 24, ALIGN_F64, "dpo", 0, ALIGN_F32, 0},
    {200, 2200, 24, ALIGN_F64, "dpo", 0, ALIGN_F64, 0},
    {530, 1100, 2060, ALIGN_F32, "dpo", 1, ALIGN_F64, 0},
    {300, 4200, 24, ALIGN_F32, "dpo", 1, 0, 0},
    {300, 4200, 24, ALIGN_BF16, "dpo", 0, 0, 0},
    {300, 4200, 24, ALIGN_F16, "dpo", 1, 0, 0},
    {300, 4200, 24, ALIGN_F64, "dpo", 0, 0, 0},
};

START_TEST(every_scratch_gives_equal_bits)
{
    enum { SIZES = 4 };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct bed *parts = make_bed(&shapes[i]), *whole = make_bed(&shapes[i]);
        size_t least, best;
        run_parts(parts);
        int live = 0;
        for (int s = 0; s < SEQUENCES; s++)
            live += parts->dlogp[s] != 0;
        ck_assert(strcmp(shapes[i].loss, "slic") == 0 ? live > 0 && live < SEQUENCES
                                                      : live == SEQUENCES);
        ck_assert_int_eq(align_step_scratch(&whole->exec, &whole->step, &least, &best),
                         ALIGN_E_NONE);
        size_t kept = (size_t)(shapes[i].n * shapes[i].v * (shapes[i].dtype == ALIGN_F64 ? 8 : 4));
        ck_assert_uint_ge(best - least, shapes[i].dweight != 0 ? kept : 0);
        ck_assert(shapes[i].dweight != 0 || best == least);
        double last = INFINITY;
        for (size_t s = 0; s <= SIZES; s++) {
            memset(whole->dhidden, 0xff, dhidden_bytes(whole));
            memset(whole->dweight, 0xff, dweight_bytes(&shapes[i]));
            double flops = run_step(whole, least + (best - least) * s / SIZES + s);
            expect_equal(parts, whole);
            ck_assert(flops <= last);
            last = flops;
        }
        free_bed(parts);
        free_bed(whole);
    }
}
END_TEST

START_TEST(a_byte_too_few_is_refused)
{
    struct bed *bed = make_bed(&shapes[1]);
    size_t least, best;
    ck_assert_int_eq(align_step_scratch(&bed->exec, &bed->step, &least, &best), ALIGN_E_NONE);
    set_scratch(bed, least - 1);
    ck_assert_int_eq(align_step_run(&bed->exec, &bed->step), ALIGN_E_SCRATCH);
    ck_assert(bed->value == 0 && bed->dhidden[0] == 0);
    free_bed(bed);
}
END_TEST

START_TEST(plans_have_their_flops)
{
    struct shape shape = shapes[0];
    struct bed *bed = make_bed(&shape);
    size_t least, best;
    ck_assert_int_eq(align_step_scratch(&bed->exec, &bed->step, &least, &best), ALIGN_E_NONE);
    ck_assert(run_step(bed, least) == 8);
    ck_assert(run_step(bed, best) == 6);
    double between = run_step(bed, (least + best) / 2);
    ck_assert(between > 6 && between < 8);
    bed->policy.dhidden.dtype = ALIGN_BF16;
    ck_assert(run_step(bed, least) == 10);
    ck_assert(run_step(bed, best) == 8);
    bed->exec.flags = ALIGN_FLAG_FAST;
    ck_assert_int_eq(align_step_scratch(&bed->exec, &bed->step, &least, &best), ALIGN_E_NONE);
    ck_assert(run_step(bed, least) == 8);
    bed->exec.flags = 0;
    bed->policy.dhidden.dtype = ALIGN_F32;
    bed->policy.jhidden = bed->policy.dhidden;
    bed->policy.dweight.ndim = 0;
    ck_assert_int_eq(align_step_scratch(&bed->exec, &bed->step, &least, &best), ALIGN_E_NONE);
    ck_assert_uint_eq(least, best);
    ck_assert(run_step(bed, best) == 4);
    free_bed(bed);
}
END_TEST

/* Rows that do not count are not multiplied, nor in the backward those without a gradient. */
START_TEST(rows_without_use_cost_nothing)
{
    struct shape shape = shapes[2];
    struct bed *bed = make_bed(&shape);
    size_t least, best;
    bed->step.ref = NULL;
    ck_assert_int_eq(align_step_scratch(&bed->exec, &bed->step, &least, &best), ALIGN_E_NONE);
    double flops = run_step(bed, least);
    ck_assert_msg(fabs(flops - 8 * 0.8) < 1e-9, "%g", flops);
    bed->loss.loss = align_loss_find("hinge");
    for (int s = 0; s < SEQUENCES; s++)
        bed->ref_logp[s] = s % 2 == 0 && s < 4 ? -1e4 : 0; /* two pairs of five are satisfied */
    flops = run_step(bed, least);
    ck_assert_msg(fabs(flops - 0.8 * (2 + 6 * 0.6)) < 1e-9, "%g", flops);
    free_bed(bed);
}
END_TEST

/* Scratch with D = 1024, which looks at shapes alone: in one pass, in two, and in two beyond the sums of a dweight in
 * BF16. */
static size_t scratch_of(int64_t n, int64_t v, align_dtype dtype, int plan)
{
    static double number;
    align_tokens tokens;
    align_head head;
    align_tokens_init(&tokens, sizeof tokens);
    align_head_init(&head, sizeof head);
    tokens.target = align_1d(&number, ALIGN_I32, n);
    head.tokens = &tokens;
    head.hidden = head.dhidden = align_2d(&number, dtype, n, 1024);
    head.weight = align_2d(&number, dtype, v, 1024);
    head.token_logp = head.lse = head.dtoken_logp = align_1d(&number, ALIGN_F64, n);
    if (plan == 1)
        head.jhidden = head.hidden;
    else
        head.dweight = align_2d(&number, plan == 2 ? ALIGN_F32 : ALIGN_BF16, v, 1024);
    size_t least = 0, best = 0;
    ck_assert_int_eq(align_head_scratch(NULL, &head, &least, &best), ALIGN_E_NONE);
    ck_assert_uint_eq(least, best);
    size_t sums = plan == 3 ? (size_t)v * 1024 * (dtype == ALIGN_F64 ? 8 : 4) : 0;
    return least - sums;
}

/* Where addresses have 32 bits, the largest shapes would not fit and are refused: smaller ones stand for them. */
START_TEST(scratch_is_flat)
{
    const int wide = sizeof(size_t) > 4;
    const int64_t tokens[] = {1, 512, 1024, 1025, 2048, 2049, 100000, wide ? 10000000 : 200000};
    const int64_t words[] = {1, 1000, 32000, 128000, wide ? 1000000 : 200000};
    static const align_dtype dtypes[] = {ALIGN_F32, ALIGN_BF16, ALIGN_F16, ALIGN_F64};
    for (int plan = 1; plan <= 3; plan++)
        for (int k = 0; k < 4; k++) {
            for (int i = 0; i < 8; i++)
                for (int j = 0; j < 5; j++)
                    ck_assert_uint_lt(scratch_of(tokens[i], words[j], dtypes[k], plan), 32 << 20);
            ck_assert_uint_eq(scratch_of(tokens[6], words[2], dtypes[k], plan),
                              scratch_of(tokens[7], words[4], dtypes[k], plan));
        }
}
END_TEST

SUITE_MAIN("unit/plans", every_scratch_gives_equal_bits, a_byte_too_few_is_refused,
           plans_have_their_flops, rows_without_use_cost_nothing, scratch_is_flat)
