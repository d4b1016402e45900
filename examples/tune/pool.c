#include "pool.h"

#include "util.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct worker {
    pool *owner;
    int id;
    pthread_t thread;
} worker;

struct pool {
    int threads;
    worker *workers;
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    uint64_t round; /* one more with each pool_run that needs the workers */
    int busy;
    bool stopping;
    pool_fn fn;
    void *context;
    int64_t tasks;
    atomic_llong next;
};

static void drain(pool *p, int id)
{
    int64_t task;

    while ((task = atomic_fetch_add(&p->next, 1)) < p->tasks)
        p->fn(p->context, task, id);
}

static void *work(void *argument)
{
    worker *self = argument;
    pool *p = self->owner;
    uint64_t seen = 0;

    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->round == seen && !p->stopping)
            pthread_cond_wait(&p->wake, &p->lock);
        if (p->stopping)
            break;
        seen = p->round;
        pthread_mutex_unlock(&p->lock);
        drain(p, self->id);
        pthread_mutex_lock(&p->lock);
        if (--p->busy == 0)
            pthread_cond_signal(&p->done);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

pool *pool_start(int threads)
{
    pool *p = take(1, sizeof *p);

    p->threads = threads;
    p->workers = take(threads, sizeof *p->workers);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    for (int i = 1; i < threads; i++) {
        p->workers[i] = (worker){.owner = p, .id = i};
        if (pthread_create(&p->workers[i].thread, NULL, work, &p->workers[i]) != 0) {
            fprintf(stderr, "cannot start thread %d of %d\n", i + 1, threads);
            exit(EXIT_FAILURE);
        }
    }
    return p;
}

void pool_stop(pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (int i = 1; i < p->threads; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p);
}

int pool_threads(const pool *p)
{
    return p->threads;
}

void pool_run(pool *p, int64_t tasks, pool_fn fn, void *context)
{
    if (p->threads == 1 || tasks <= 1) {
        for (int64_t task = 0; task < tasks; task++)
            fn(context, task, 0);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->fn = fn;
    p->context = context;
    p->tasks = tasks;
    atomic_store(&p->next, 0);
    p->busy = p->threads - 1;
    p->round++;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    drain(p, 0);
    pthread_mutex_lock(&p->lock);
    while (p->busy > 0)
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}
