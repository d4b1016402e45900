/* The pool as its two halves see it: create.c starts and ends it, pool.c runs tasks on it. */
#ifndef ALIGN__POOL_H
#define ALIGN__POOL_H

#include <libalign/threads.h>

#include <fenv.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* One call of align_pool_run, on the stack of the thread that made it. */
struct align__job {
    align_task_fn fn;
    void *ctx;
    int64_t tasks;
    fenv_t fenv;
    _Atomic int64_t next;       /* first task that nobody has taken */
    _Atomic int32_t helpers;    /* threads of the pool inside this job; rises under the lock only */
    _Atomic int32_t helper_cpu; /* where the last of them came in */
    struct align__job *link;
};

struct align_pool {
    uint32_t workers, started;
    int64_t spin_ns;
    pthread_mutex_t lock;
    pthread_cond_t work, finished;
    struct align__job *first; /* jobs with tasks to take, oldest first */
    uint32_t sleeping;
    bool stop;
    _Atomic uint64_t submitted; /* changes with each job, for those who look without the lock */
    _Atomic int32_t caller_cpu; /* where the last job came from */
    pthread_t threads[];
};

/* What each started thread runs; its argument is the pool. */
void *align__pool_help(void *user);

#endif
