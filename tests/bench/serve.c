/* One case in one process: sets it up, runs it when told, says how long that took. */
#define _GNU_SOURCE
#include "bench.h"

#include <libalign/threads.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* A repetition is as many runs as take this long together; longer where a second worker has to wake up first. */
#define REPETITION_SECONDS        0.01
#define REPETITION_SECONDS_BESIDE 0.05

/* What takes longer is run once before it is ready, else twice. */
#define LONG_SECONDS 0.2

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const struct bench_kind *bench_find_kind(const char *line)
{
    static const struct bench_kind *const tables[] = {bench_limit_kinds, bench_head_kinds,
                                                      bench_fit_kinds,   bench_norm_kinds,
                                                      bench_bt_kinds,    bench_program_kinds};
    size_t length = strcspn(line, " ");
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (const struct bench_kind *kind = tables[i]; kind->name != NULL; kind++)
            if (strlen(kind->name) == length && strncmp(kind->name, line, length) == 0)
                return kind;
    return bench_loss_kind(line);
}

static const char *find_value(const char *line, const char *key)
{
    size_t length = strlen(key);
    for (const char *at = strchr(line, ' '); at != NULL; at = strchr(at, ' ')) {
        at++;
        if (strncmp(at, key, length) == 0 && at[length] == '=')
            return at + length + 1;
    }
    return NULL;
}

int64_t bench_number(const char *line, const char *key, int64_t otherwise)
{
    const char *value = find_value(line, key);
    return value == NULL ? otherwise : strtoll(value, NULL, 10);
}

align_dtype bench_dtype(const char *line)
{
    static const struct {
        const char *name;
        align_dtype dtype;
    } names[] = {{"f32", ALIGN_F32}, {"f64", ALIGN_F64}, {"bf16", ALIGN_BF16}, {"f16", ALIGN_F16}};
    const char *value = find_value(line, "dtype");
    for (size_t i = 0; value != NULL && i < sizeof names / sizeof names[0]; i++)
        if (strncmp(value, names[i].name, strlen(names[i].name)) == 0)
            return names[i].dtype;
    return ALIGN_F32;
}

void *bench_alloc(size_t count, size_t bytes)
{
    size_t size = (count * bytes + 63) / 64 * 64 + 64;
    void *memory = aligned_alloc(64, size);
    if (memory == NULL) {
        fprintf(stderr, "align-bench: no memory for %zu bytes\n", size);
        exit(EXIT_FAILURE);
    }
    return memset(memory, 0, size);
}

align_tensor bench_tensor(align_dtype dtype, int64_t n0, int64_t n1)
{
    int64_t count = n0 * (n1 == 0 ? 1 : n1);
    void *data = bench_alloc((size_t)count, (size_t)align_dtype_bytes(dtype));
    return n1 == 0 ? align_1d(data, dtype, n0) : align_2d(data, dtype, n0, n1);
}

uint32_t bench_random(uint32_t *state)
{
    *state = *state * 747796405u + 2891336453u;
    uint32_t word = ((*state >> ((*state >> 28) + 4)) ^ *state) * 277803737u;
    return (word >> 22) ^ word;
}

static void store(align_dtype dtype, void *data, int64_t i, double x)
{
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (dtype == ALIGN_F32)
        ((float *)data)[i] = f;
    else if (dtype == ALIGN_F64)
        ((double *)data)[i] = x;
    else if (dtype == ALIGN_BF16)
        ((uint16_t *)data)[i] = (uint16_t)(bits >> 16);
    else if (dtype == ALIGN_I32)
        ((int32_t *)data)[i] = (int32_t)x;
}

void bench_fill(align_tensor t, double low, double high)
{
    static uint32_t tensors;
    uint32_t state = 12345 + 0x9e3779b9U * tensors++;
    int64_t count = t.shape[0] * (t.ndim > 1 ? t.shape[1] : 1);
    for (int64_t i = 0; i < count; i++)
        store(t.dtype, t.data, i, low + (high - low) * bench_random(&state) / 4294967296.0);
}

void bench_scratch(struct bench *bench, size_t best)
{
    bench->scratch = best;
    bench->exec.scratch = best == 0 ? NULL : bench_alloc(best, 1);
    bench->exec.scratch_size = best;
}

void bench_must(struct bench *bench, align_status status)
{
    if (status == ALIGN_E_NONE)
        return;
    fprintf(stderr, "align-bench: %s: %s\n", bench->line, bench->exec.error->text);
    exit(EXIT_FAILURE);
}

static size_t resident_bytes(void)
{
    unsigned long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%lu %lu", &all, &resident) != 2)
        resident = 0;
    if (file != NULL)
        fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t peak_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

static double repeat(struct bench *bench, int64_t runs)
{
    bench->untimed = 0;
    double begin = bench_now();
    for (int64_t i = 0; i < runs; i++)
        bench->run(bench);
    return (bench_now() - begin - bench->untimed) / (double)runs;
}

__attribute__((weak)) int openblas_get_num_threads(void);

/* 1 where it cannot be asked. */
static int blas_threads(void)
{
    return openblas_get_num_threads == NULL ? 1 : openblas_get_num_threads();
}

void bench_prepare(struct bench *bench, const char *line, align_error *error)
{
    *bench = (struct bench){.line = line, .workers = 1};
    align_exec_init(&bench->exec, sizeof bench->exec);
    bench->exec.error = error;
    bench_find_kind(line)->setup(bench);
}

int bench_serve(const char *line)
{
    const struct bench_kind *kind = bench_find_kind(line);
    if (kind == NULL) {
        printf("none no such case\n");
        return EXIT_FAILURE;
    }
    align_error error;
    align_error_init(&error, sizeof error);
    struct bench bench = {.line = line, .workers = (uint32_t)bench_number(line, "workers", 1)};
    align_exec_init(&bench.exec, sizeof bench.exec);
    bench.exec.error = &error;
    align_pool *pool = NULL;
    if (bench.workers > 1) {
        align_pool_args args;
        align_pool_args_init(&args, sizeof args);
        args.workers = bench.workers;
        bench_must(&bench, align_pool_create(&pool, &args, &error));
        bench.exec.parallel = align_pool_run;
        bench.exec.parallel_user = pool;
        bench.exec.workers = bench.workers;
    }
    kind->setup(&bench);
    size_t before = resident_bytes() - bench.scratch;

    double once = repeat(&bench, 1);
    if (once < LONG_SECONDS)
        once = repeat(&bench, once < 1e-4 ? 10 : 1);
    double least = bench_number(line, "beside", 0) == 1 ? REPETITION_SECONDS_BESIDE
                                                        : REPETITION_SECONDS;
    int64_t runs = once >= least ? 1 : (int64_t)(least / once) + 1;
    printf("ready %zu %.17g %.9g %d\n", bench.scratch, bench.work, once * (double)runs,
           blas_threads());
    fflush(stdout);
    char command[16];
    while (fgets(command, sizeof command, stdin) != NULL) {
        printf("%.9g\n", repeat(&bench, runs));
        fflush(stdout);
    }
    size_t peak = peak_bytes();
    printf("%zu %zu %.3g\n", peak, peak > before ? peak - before : 0,
           bench.error == NULL ? (double)NAN : bench.error(&bench));
    align_pool_destroy(pool);
    return EXIT_SUCCESS;
}
