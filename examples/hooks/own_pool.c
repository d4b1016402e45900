/* A host with a pool of its own, of the kind that most have: post(pool, job, argument) runs a job on
 * some thread some time later. The adapter turns that into a parallel loop: it posts as many helpers as
 * there are threads, works itself, and returns when the last helper is out. Calls come from threads that
 * are not the pool's: one from inside a job would wait for helpers that nobody is free to run. */
#include "pairs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* ---- the host's pool ---- */

enum { THREADS = 3, QUEUE = 64 };

struct pool {
    pthread_t threads[THREADS];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct {
        void (*job)(void *);
        void *argument;
    } queue[QUEUE];
    unsigned head, tail;
    bool stop;
};

static void *serve(void *user)
{
    struct pool *pool = user;
    pthread_mutex_lock(&pool->lock);
    while (!pool->stop || pool->head != pool->tail) {
        if (pool->head == pool->tail) {
            pthread_cond_wait(&pool->changed, &pool->lock);
            continue;
        }
        unsigned at = pool->head++ % QUEUE;
        void (*job)(void *) = pool->queue[at].job;
        void *argument = pool->queue[at].argument;
        pthread_mutex_unlock(&pool->lock);
        job(argument);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static bool post(struct pool *pool, void (*job)(void *), void *argument)
{
    pthread_mutex_lock(&pool->lock);
    bool room = pool->tail - pool->head < QUEUE;
    if (room) {
        unsigned at = pool->tail++ % QUEUE;
        pool->queue[at].job = job;
        pool->queue[at].argument = argument;
        pthread_cond_signal(&pool->changed);
    }
    pthread_mutex_unlock(&pool->lock);
    return room;
}

static int start(struct pool *pool)
{
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&pool->threads[i], NULL, serve, pool) != 0)
            return 1;
    return 0;
}

static void finish(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < THREADS; i++)
        pthread_join(pool->threads[i], NULL);
}

/* ---- the adapter ---- */

struct loop {
    align_task_fn fn;
    void *ctx;
    int64_t tasks;
    _Atomic int64_t next;
    pthread_mutex_t lock;
    pthread_cond_t left;
    int helpers;
};

static void take_tasks(struct loop *loop)
{
    int64_t task;
    while ((task = atomic_fetch_add(&loop->next, 1)) < loop->tasks)
        loop->fn(loop->ctx, task);
}

static void help(void *argument)
{
    struct loop *loop = argument;
    take_tasks(loop);
    pthread_mutex_lock(&loop->lock);
    loop->helpers--;
    pthread_cond_signal(&loop->left);
    pthread_mutex_unlock(&loop->lock);
}

static int32_t run_on_pool(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    struct pool *pool = user;
    struct loop loop = {.fn = fn, .ctx = ctx, .tasks = tasks};
    pthread_mutex_init(&loop.lock, NULL);
    pthread_cond_init(&loop.left, NULL);
    for (int i = 0; i < THREADS && i + 1 < tasks; i++) {
        pthread_mutex_lock(&loop.lock);
        loop.helpers++;
        pthread_mutex_unlock(&loop.lock);
        if (post(pool, help, &loop))
            continue;
        pthread_mutex_lock(&loop.lock);
        loop.helpers--;
        pthread_mutex_unlock(&loop.lock);
        break;
    }
    take_tasks(&loop);
    pthread_mutex_lock(&loop.lock);
    while (loop.helpers > 0)
        pthread_cond_wait(&loop.left, &loop.lock);
    pthread_mutex_unlock(&loop.lock);
    pthread_cond_destroy(&loop.left);
    pthread_mutex_destroy(&loop.lock);
    return 0;
}

int main(void)
{
    static struct pool pool;
    if (start(&pool) != 0)
        return 1;
    int failed = compare_with_serial("own pool", run_on_pool, &pool, THREADS + 1);
    finish(&pool);
    return failed;
}
