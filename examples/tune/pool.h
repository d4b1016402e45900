/* The trainer's own threads. Tasks are a grid that follows from shapes alone, so the number of threads
 * changes the speed of a run and none of its numbers. */
#ifndef TUNE_POOL_H
#define TUNE_POOL_H

#include <stdint.h>

typedef struct pool pool;
typedef void (*pool_fn)(void *context, int64_t task, int worker);

pool *pool_start(int threads); /* threads >= 1, the calling thread being one of them */
void pool_stop(pool *p);
int pool_threads(const pool *p);

/* Runs fn(context, 0 .. tasks-1, worker) in any order, worker in [0, threads), and waits for all of it. */
void pool_run(pool *p, int64_t tasks, pool_fn fn, void *context);

#endif
