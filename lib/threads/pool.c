#define _GNU_SOURCE
#include "pool.h"

#include <sched.h>
#include <time.h>

/* Set while this thread runs tasks of any pool: a call from inside a task stays on its thread. */
static _Thread_local bool inside;

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Whoever looks around on the CPU of the thread that it waits for keeps that from running. */
static bool is_mine(_Atomic int32_t *cpu)
{
    return atomic_load_explicit(cpu, memory_order_relaxed) == sched_getcpu();
}

static void take_tasks(struct align__job *job)
{
    for (;;) {
        int64_t task = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed);
        if (task >= job->tasks)
            return;
        job->fn(job->ctx, task);
    }
}

static bool has_tasks(struct align__job *job)
{
    return atomic_load_explicit(&job->next, memory_order_relaxed) < job->tasks;
}

static void run_in_order(int64_t tasks, align_task_fn fn, void *ctx)
{
    for (int64_t i = 0; i < tasks; i++)
        fn(ctx, i);
}

/* Wakes without the lock, which those who wake want first. */
static void submit(align_pool *pool, struct align__job *job)
{
    pthread_mutex_lock(&pool->lock);
    struct align__job **end = &pool->first;
    while (*end != NULL)
        end = &(*end)->link;
    *end = job;
    atomic_store_explicit(&pool->caller_cpu, sched_getcpu(), memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->submitted, 1, memory_order_relaxed);
    int64_t wanted = job->tasks - 1, sleeping = pool->sleeping;
    pthread_mutex_unlock(&pool->lock);
    if (wanted >= sleeping && sleeping > 0)
        pthread_cond_broadcast(&pool->work);
    else
        for (; wanted > 0 && sleeping > 0; wanted--)
            pthread_cond_signal(&pool->work);
}

/* After this no thread can enter the job; those inside are waited for. */
static void withdraw(align_pool *pool, struct align__job *job)
{
    pthread_mutex_lock(&pool->lock);
    struct align__job **at = &pool->first;
    while (*at != job)
        at = &(*at)->link;
    *at = job->link;
    pthread_mutex_unlock(&pool->lock);

    int64_t until = pool->spin_ns > 0 ? now_ns() + pool->spin_ns : 0;
    while (atomic_load_explicit(&job->helpers, memory_order_acquire) > 0) {
        if (pool->spin_ns > 0 && !is_mine(&job->helper_cpu) && now_ns() < until) {
            relax();
            continue;
        }
        pthread_mutex_lock(&pool->lock);
        while (atomic_load_explicit(&job->helpers, memory_order_acquire) > 0)
            pthread_cond_wait(&pool->finished, &pool->lock);
        pthread_mutex_unlock(&pool->lock);
    }
}

int32_t align_pool_run(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    align_pool *pool = user;
    if (inside || tasks < 2 || pool->workers == 1) {
        run_in_order(tasks, fn, ctx);
        return 0;
    }
    struct align__job job = {.fn = fn, .ctx = ctx, .tasks = tasks};
    fegetenv(&job.fenv);
    submit(pool, &job);
    inside = true;
    take_tasks(&job);
    inside = false;
    withdraw(pool, &job);
    return 0;
}

/* Called with the lock, which it drops while it runs tasks. The count of helpers falls last: from
 * then on the job may be gone, but the pool and its lock are not. */
static void help(align_pool *pool, struct align__job *job)
{
    atomic_fetch_add_explicit(&job->helpers, 1, memory_order_relaxed);
    atomic_store_explicit(&job->helper_cpu, sched_getcpu(), memory_order_relaxed);
    pthread_mutex_unlock(&pool->lock);
    fesetenv(&job->fenv);
    take_tasks(job);
    pthread_mutex_lock(&pool->lock);
    if (atomic_fetch_sub_explicit(&job->helpers, 1, memory_order_release) == 1)
        pthread_cond_broadcast(&pool->finished);
}

/* Looks for a new job without the lock, for as long as the pool allows. */
static void look_around(align_pool *pool)
{
    uint64_t seen = atomic_load_explicit(&pool->submitted, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lock);
    int64_t until = now_ns() + pool->spin_ns;
    while (atomic_load_explicit(&pool->submitted, memory_order_relaxed) == seen &&
           !is_mine(&pool->caller_cpu) && now_ns() < until)
        relax();
    pthread_mutex_lock(&pool->lock);
}

static struct align__job *find_job(align_pool *pool)
{
    struct align__job *job = pool->first;
    while (job != NULL && !has_tasks(job))
        job = job->link;
    return job;
}

void *align__pool_help(void *user)
{
    align_pool *pool = user;
    inside = true;
    pthread_mutex_lock(&pool->lock);
    bool fresh = false; /* has worked since it last looked around */
    while (!pool->stop) {
        struct align__job *job = find_job(pool);
        if (job != NULL) {
            help(pool, job);
            fresh = true;
        } else if (fresh && pool->spin_ns > 0) {
            look_around(pool);
            fresh = false;
        } else {
            pool->sleeping++;
            pthread_cond_wait(&pool->work, &pool->lock);
            pool->sleeping--;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}
