#define _GNU_SOURCE
#include "pool.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPIN_MOST = 1000, SPIN_DEFAULT = 200 };

/* Everything that can go wrong. The two numbers of a sentence are the value found and a bound. */
enum fault {
    POOL_NULL,
    ARGS_SIZE,
    ARGS_TAIL,
    WORKERS_RANGE,
    SPIN_RANGE,
    CPUS_MISSING,
    CPUS_COUNT,
    CPU_FORBIDDEN,
    NO_MEMORY,
    NO_THREAD
};

static const struct {
    align_status status;
    const char *field, *text;
} faults[] = {
    [POOL_NULL] = {ALIGN_E_ARG, "pool", "pool is NULL"},
    [ARGS_SIZE] =
        {ALIGN_E_VERSION, "align_pool_args.size",
         "align_pool_args.size = %lld, expected at least %lld: call align_pool_args_init first"},
    [ARGS_TAIL] =
        {ALIGN_E_VERSION, "align_pool_args.size",
         "align_pool_args.size = %lld, and this library knows %lld: a field that it does not "
         "know is set"},
    [WORKERS_RANGE] = {ALIGN_E_RANGE, "align_pool_args.workers",
                       "align_pool_args.workers = %lld, expected 0..%lld"},
    [SPIN_RANGE] = {ALIGN_E_RANGE, "align_pool_args.spin",
                    "align_pool_args.spin = %lld, expected 0..%lld microseconds"},
    [CPUS_MISSING] = {ALIGN_E_ARG, "align_pool_args.cpus",
                      "align_pool_args.cpus is NULL, and n_cpus = %lld"},
    [CPUS_COUNT] = {ALIGN_E_ARG, "align_pool_args.n_cpus",
                    "align_pool_args.n_cpus = %lld, and cpus is set"},
    [CPU_FORBIDDEN] =
        {ALIGN_E_RANGE, "align_pool_args.cpus",
         "align_pool_args.cpus[%2$lld] = %1$lld, a CPU that this thread may not run on"},
    [NO_MEMORY] = {ALIGN_E_SCRATCH, "align_pool_args.workers",
                   "align_pool_args.workers = %lld: no memory for the pool"},
    [NO_THREAD] = {ALIGN_E_PARALLEL, "align_pool_args.workers",
                   "align_pool_args.workers = %lld: the system started only %lld threads"},
};

static align_status fail(align_error *error, enum fault fault, int64_t value, int64_t other)
{
    if (error == NULL)
        return faults[fault].status;
    size_t size = error->size;
    memset(error, 0, sizeof *error);
    error->size = size;
    error->status = faults[fault].status;
    error->value = (double)value;
    if (fault == CPU_FORBIDDEN) {
        error->axes = 1;
        error->index[0] = other;
    }
    snprintf(error->field, sizeof error->field, "%s", faults[fault].field);
    snprintf(error->text, sizeof error->text, faults[fault].text, (long long)value,
             (long long)other);
    return faults[fault].status;
}

void align_pool_args_init(align_pool_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
    args->spin = SPIN_DEFAULT;
}

/* The caller's args of any version, or the defaults. */
static align_status import_args(align_pool_args *args, const align_pool_args *user,
                                align_error *error)
{
    align_pool_args_init(args, sizeof *args);
    if (user == NULL)
        return ALIGN_E_NONE;
    const size_t first = offsetof(align_pool_args, n_cpus) + sizeof args->n_cpus;
    if (user->size < first)
        return fail(error, ARGS_SIZE, (int64_t)user->size, (int64_t)first);
    for (size_t i = sizeof *args; i < user->size; i++)
        if (((const unsigned char *)user)[i] != 0)
            return fail(error, ARGS_TAIL, (int64_t)user->size, (int64_t)sizeof *args);
    memcpy(args, user, user->size < sizeof *args ? user->size : sizeof *args);
    return ALIGN_E_NONE;
}

static align_status check_args(const align_pool_args *args, const cpu_set_t *allowed,
                               align_error *error)
{
    if (args->workers > ALIGN_POOL_WORKERS_MOST)
        return fail(error, WORKERS_RANGE, args->workers, ALIGN_POOL_WORKERS_MOST);
    if (args->spin > SPIN_MOST)
        return fail(error, SPIN_RANGE, args->spin, SPIN_MOST);
    if (args->cpus == NULL && args->n_cpus != 0)
        return fail(error, CPUS_MISSING, args->n_cpus, 0);
    if (args->cpus != NULL && args->n_cpus == 0)
        return fail(error, CPUS_COUNT, 0, 0);
    for (uint32_t i = 0; i < args->n_cpus; i++) {
        int32_t cpu = args->cpus[i];
        if (cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET((size_t)cpu, allowed))
            return fail(error, CPU_FORBIDDEN, cpu, i);
    }
    return ALIGN_E_NONE;
}

/* Worker `i` with every signal blocked, on its CPU where the caller named some. */
static bool start_worker(align_pool *pool, uint32_t i, const align_pool_args *args)
{
    pthread_t *thread = &pool->threads[pool->started];
    if (pthread_create(thread, NULL, align__pool_help, pool) != 0)
        return false;
    pool->started++;
    if (args->n_cpus == 0)
        return true;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)args->cpus[i % args->n_cpus], &one);
    return pthread_setaffinity_np(*thread, sizeof one, &one) == 0;
}

static bool start_workers(align_pool *pool, const align_pool_args *args)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = true;
    for (uint32_t i = 1; i < pool->workers && started; i++)
        started = start_worker(pool, i, args);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

align_status align_pool_create(align_pool **out, const align_pool_args *user, align_error *error)
{
    if (error != NULL && error->size < sizeof *error)
        return ALIGN_E_VERSION;
    if (out == NULL)
        return fail(error, POOL_NULL, 0, 0);
    *out = NULL;
    align_pool_args args;
    align_status status = import_args(&args, user, error);
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    uint32_t cpus = (uint32_t)CPU_COUNT(&allowed);
    if (status == ALIGN_E_NONE)
        status = check_args(&args, &allowed, error);
    if (status != ALIGN_E_NONE)
        return status;

    uint32_t workers = args.workers != 0 ? args.workers : cpus > 1 ? cpus : 1;
    align_pool *pool = calloc(1, sizeof *pool + (workers - 1) * sizeof pool->threads[0]);
    if (pool == NULL)
        return fail(error, NO_MEMORY, workers, 0);
    pool->workers = workers;
    pool->spin_ns = workers > cpus ? 0 : (int64_t)args.spin * 1000;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->finished, NULL);
    if (!start_workers(pool, &args)) {
        status = fail(error, NO_THREAD, workers, pool->started);
        align_pool_destroy(pool);
        return status;
    }
    *out = pool;
    return ALIGN_E_NONE;
}

void align_pool_destroy(align_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    atomic_fetch_add_explicit(&pool->submitted, 1, memory_order_relaxed);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->started; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->finished);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

uint32_t align_pool_workers(const align_pool *pool)
{
    return pool->workers;
}
