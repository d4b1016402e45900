/* What the machine can do, measured beside every case: bandwidth of reading, of copying and of updating
 * in place, exponentials, and the bare matrix product. Compiled for this very machine. */
#include "bench.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SLICES = 64, EXP_BLOCK = 4096, EXP_ROUNDS = 16, EXP_WORK = SLICES * EXP_BLOCK * EXP_ROUNDS };

struct limit {
    float *from, *to;
    int64_t count;
    double sums[SLICES];
    float *a, *b, *c;
    int size;
};

static void parallel(struct bench *bench, align_task_fn fn)
{
    if (bench->exec.parallel != NULL) {
        bench->exec.parallel(bench->exec.parallel_user, SLICES, fn, bench->state);
        return;
    }
    for (int64_t i = 0; i < SLICES; i++)
        fn(bench->state, i);
}

/* The s-th of SLICES parts of the arrays. */
static int64_t slice(const struct limit *limit, int64_t s, int64_t *count)
{
    int64_t each = (limit->count + SLICES - 1) / SLICES, begin = s * each;
    *count = begin + each < limit->count ? each : begin < limit->count ? limit->count - begin : 0;
    return begin;
}

static void read_slice(void *ctx, int64_t task)
{
    struct limit *limit = ctx;
    int64_t count;
    const float *x = limit->from + slice(limit, task, &count);
    float sums[128] = {0};
    for (int64_t i = 0; i + 128 <= count; i += 128)
        for (int j = 0; j < 128; j++)
            sums[j] += x[i + j];
    double sum = 0;
    for (int j = 0; j < 128; j++)
        sum += (double)sums[j];
    limit->sums[task] = sum;
}

static void copy_slice(void *ctx, int64_t task)
{
    struct limit *limit = ctx;
    int64_t count, begin = slice(limit, task, &count);
    memcpy(limit->to + begin, limit->from + begin, (size_t)count * sizeof *limit->to);
}

static void update_slice(void *ctx, int64_t task)
{
    struct limit *limit = ctx;
    int64_t count;
    float *x = limit->from + slice(limit, task, &count);
    for (int64_t i = 0; i < count; i++)
        x[i] = 1.0f - x[i];
}

/* exp by a polynomial after reduction by ln 2, without the care at the ends of the range that a library
 * needs: what the units of the machine allow for such work. */
static inline float fast_exp(float x)
{
    float n = rintf(x * 1.44269504f);
    float r = fmaf(n, -0.693147182f, x);
    float p = 1.0f / 720;
    p = fmaf(p, r, 1.0f / 120);
    p = fmaf(p, r, 1.0f / 24);
    p = fmaf(p, r, 1.0f / 6);
    p = fmaf(p, r, 0.5f);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    int32_t bits = ((int32_t)n + 127) * (1 << 23);
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

static void exp_slice(void *ctx, int64_t task)
{
    struct limit *limit = ctx;
    const float *x = limit->from;
    float sums[64] = {0};
    for (int round = 0; round < EXP_ROUNDS; round++)
        for (int i = 0; i < EXP_BLOCK; i += 64)
            for (int j = 0; j < 64; j++)
                sums[j] += fast_exp(x[i + j]);
    double sum = 0;
    for (int j = 0; j < 64; j++)
        sum += (double)sums[j];
    limit->sums[task] = sum;
}

static void run_read(struct bench *bench)
{
    parallel(bench, read_slice);
}

static void run_copy(struct bench *bench)
{
    parallel(bench, copy_slice);
}

static void run_update(struct bench *bench)
{
    parallel(bench, update_slice);
}

static void run_exp(struct bench *bench)
{
    parallel(bench, exp_slice);
}

static void multiply(struct limit *limit)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, limit->size, limit->size, limit->size, 1,
                limit->a, limit->size, limit->b, limit->size, 0, limit->c, limit->size);
}

static void run_gemm(struct bench *bench)
{
    multiply(bench->state);
}

/* A parallel loop right after a product: what is left of it when the BLAS has threads of its own. */
static void run_after_blas(struct bench *bench)
{
    double begin = bench_now();
    multiply(bench->state);
    bench->untimed += bench_now() - begin;
    parallel(bench, exp_slice);
}

static struct limit *make_limit(struct bench *bench, double bytes_per_element)
{
    struct limit *limit = bench_alloc(1, sizeof *limit);
    int64_t bytes = bench_number(bench->line, "bytes", 256 << 20);
    limit->count = (int64_t)((double)bytes / bytes_per_element);
    bench->state = limit;
    return limit;
}

static float *make_floats(int64_t count)
{
    align_tensor t = bench_tensor(ALIGN_F32, count, 0);
    bench_fill(t, -10, 0);
    return t.data;
}

static void setup_read(struct bench *bench)
{
    struct limit *limit = make_limit(bench, 4);
    limit->from = make_floats(limit->count);
    bench->work = 4.0 * (double)limit->count;
    bench->run = run_read;
}

static void setup_copy(struct bench *bench)
{
    struct limit *limit = make_limit(bench, 8);
    limit->from = make_floats(limit->count);
    limit->to = bench_alloc((size_t)limit->count, 4);
    bench->work = 8.0 * (double)limit->count;
    bench->run = run_copy;
}

static void setup_update(struct bench *bench)
{
    struct limit *limit = make_limit(bench, 8);
    limit->from = make_floats(limit->count);
    bench->work = 8.0 * (double)limit->count;
    bench->run = run_update;
}

static void setup_exp(struct bench *bench)
{
    struct limit *limit = make_limit(bench, 4);
    limit->from = make_floats(EXP_BLOCK);
    bench->work = EXP_WORK;
    bench->run = run_exp;
}

static void setup_gemm(struct bench *bench)
{
    struct limit *limit = make_limit(bench, 4);
    limit->size = (int)bench_number(bench->line, "size", 1024);
    int64_t square = (int64_t)limit->size * limit->size;
    limit->from = make_floats(EXP_BLOCK);
    limit->a = make_floats(square);
    limit->b = make_floats(square);
    limit->c = make_floats(square);
    bench->work = 2.0 * (double)square * limit->size;
    bench->run = run_gemm;
}

static void setup_after_blas(struct bench *bench)
{
    setup_gemm(bench);
    bench->work = EXP_WORK;
    bench->run = run_after_blas;
}

const struct bench_kind bench_limit_kinds[] = {
    {"limit.read", "GB/s", NULL, setup_read},
    {"limit.copy", "GB/s", NULL, setup_copy},
    {"limit.update", "GB/s", NULL, setup_update},
    {"limit.exp", "Gexp/s", NULL, setup_exp},
    {"limit.gemm", "GFLOP/s", NULL, setup_gemm},
    {"threads.after_blas", "Gexp/s", "limit.exp", setup_after_blas},
    {NULL, NULL, NULL, NULL},
};
