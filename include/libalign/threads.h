/* libalign/threads.h - a pool of threads to run libalign's tasks on, for hosts that have none.
 *
 * A library of its own, libalign-threads (pkg-config name libalign-threads): libalign starts no
 * threads and does not know this header. A host with a pool, OpenMP or TBB gives that to
 * align_exec.parallel instead and never meets this file.
 *
 *     align_pool_args args;
 *     align_pool *pool;
 *     align_pool_args_init(&args, sizeof args);
 *     if (align_pool_create(&pool, &args, &error) != ALIGN_E_NONE) ...
 *     exec.parallel = align_pool_run;
 *     exec.parallel_user = pool;
 *     exec.workers = align_pool_workers(pool);
 *     ... calls ...
 *     align_pool_destroy(pool);
 *
 * The natural scheme: the host gives libalign the workers and the BLAS one thread
 * (OPENBLAS_NUM_THREADS=1), because threads of a BLAS keep running for a while after a product and
 * take the CPUs that the next loop wants. docs/threads.md has the measurements.
 *
 * Threads that the pool starts
 *  - sleep while there is nothing to do, after looking for work for at most `spin` microseconds;
 *  - block all signals, so that handlers run on the host's own threads;
 *  - run the tasks of a call in the floating-point environment (rounding, flush-to-zero) of the
 *    thread that made the call, so that a host's setting means the same on every worker;
 *  - do not survive fork(): a child process creates a pool of its own.
 */
#ifndef LIBALIGN_THREADS_H
#define LIBALIGN_THREADS_H

#include <libalign/base.h>

typedef struct align_pool align_pool;

/* Most workers that a pool may have. */
#define ALIGN_POOL_WORKERS_MOST 1024

typedef struct align_pool_args {
    size_t size;
    /* Tasks that run at once, 1..ALIGN_POOL_WORKERS_MOST. The thread that makes a call works too, so
     * the pool starts workers - 1 threads; with 1 it starts none and runs everything in order. 0, the
     * default: as many as there are CPUs that the calling thread may run on. */
    uint32_t workers;
    /* Microseconds for which a thread without work, or a caller that waits for the last task, looks
     * around before it sleeps, 0..1000. Default 200: a few times what waking a thread costs, so that
     * calls that follow each other, and the steps of one call, find the workers awake. Taken as 0 where
     * there are more workers than CPUs, and by a thread on the CPU of the one that it waits for. */
    uint32_t spin;
    /* CPU numbers to run on, as the operating system counts them: worker i stays on
     * cpus[i % n_cpus]. Worker 0 is whoever makes a call and is left where it is. NULL and 0, the
     * default: the scheduler decides. Read during create only. */
    const int32_t *cpus;
    uint32_t n_cpus;
} align_pool_args;

ALIGN_API void align_pool_args_init(align_pool_args *args, size_t size);

/* Starts a pool; NULL args are the defaults. Allocates one block, and what the operating system takes
 * for threads. On failure *pool is NULL, no thread is left, and error, where not NULL, says why:
 *     ARG       pool is NULL; cpus without n_cpus, or the other way round
 *     RANGE     workers or spin out of range, or a CPU of `cpus` that this process may not use
 *     VERSION   args->size or error->size is not one that this library knows
 *     SCRATCH   no memory
 *     PARALLEL  the operating system did not start a thread */
ALIGN_API ALIGN_MUST_CHECK align_status align_pool_create(align_pool **pool,
                                                          const align_pool_args *args,
                                                          align_error *error);

/* Ends the threads and frees the pool. No call may be running on it. NULL does nothing. */
ALIGN_API void align_pool_destroy(align_pool *pool);

/* Tasks that can run at once: what to write into align_exec.workers. */
ALIGN_API uint32_t align_pool_workers(const align_pool *pool);

/* An align_parallel_fn whose user is the pool. Runs fn(ctx, 0) .. fn(ctx, tasks - 1), each once,
 * returns 0 after the last has finished, and never fails. May be called
 *  - from several threads at once: each works on its own tasks, and free threads of the pool help
 *    whoever came first;
 *  - from inside a task, of this pool or another: such a call runs in order on the thread that makes
 *    it, so that nesting can neither deadlock nor start more work than there are workers.
 * Tasks are started in rising order, so a grid does best with its large tasks first. */
ALIGN_API int32_t align_pool_run(void *pool, int64_t tasks, align_task_fn fn, void *ctx);

#endif
