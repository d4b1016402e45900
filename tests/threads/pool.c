/* The pool by itself: every task once, whoever calls and from wherever, and what create refuses. */
#define _GNU_SOURCE
#include "../suite.h"

#include <libalign/threads.h>

#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static align_pool *make_pool(uint32_t workers)
{
    align_pool_args args;
    align_pool_args_init(&args, sizeof args);
    args.workers = workers;
    align_error error;
    align_error_init(&error, sizeof error);
    align_pool *pool;
    align_status status = align_pool_create(&pool, &args, &error);
    ck_assert_msg(status == ALIGN_E_NONE, "%s", error.text);
    ck_assert_uint_eq(align_pool_workers(pool), workers);
    return pool;
}

enum { TASKS_MOST = 5000 };

struct tally {
    _Atomic int32_t runs[TASKS_MOST];
    align_pool *pool;
    int64_t inner;
    _Atomic int64_t inner_runs;
    _Atomic int32_t strangers; /* inner tasks that ran on another thread than their caller */
};

static void count_task(void *ctx, int64_t task)
{
    atomic_fetch_add(&((struct tally *)ctx)->runs[task], 1);
}

static void assert_each_once(struct tally *tally, int64_t tasks)
{
    int64_t wrong = 0;
    for (int64_t i = 0; i < TASKS_MOST; i++)
        wrong += atomic_load(&tally->runs[i]) != (i < tasks ? 1 : 0);
    ck_assert_int_eq(wrong, 0);
}

START_TEST(each_task_runs_once)
{
    static struct tally tally;
    const uint32_t workers[] = {1, 2, 3, 7, 64};
    const int64_t tasks[] = {0, 1, 2, 3, 63, 64, 65, TASKS_MOST};
    for (size_t w = 0; w < sizeof workers / sizeof workers[0]; w++) {
        align_pool *pool = make_pool(workers[w]);
        for (size_t t = 0; t < sizeof tasks / sizeof tasks[0]; t++)
            for (int repeat = 0; repeat < 20; repeat++) {
                memset(&tally, 0, sizeof tally);
                ck_assert_int_eq(align_pool_run(pool, tasks[t], count_task, &tally), 0);
                assert_each_once(&tally, tasks[t]);
            }
        align_pool_destroy(pool);
    }
}
END_TEST

struct inner_call {
    struct tally *tally;
    pthread_t caller;
};

static void inner_task(void *ctx, int64_t task)
{
    (void)task;
    struct inner_call *call = ctx;
    atomic_fetch_add(&call->tally->inner_runs, 1);
    if (!pthread_equal(pthread_self(), call->caller))
        atomic_fetch_add(&call->tally->strangers, 1);
}

static void outer_task(void *ctx, int64_t task)
{
    struct tally *tally = ctx;
    count_task(ctx, task);
    struct inner_call call = {tally, pthread_self()};
    align_pool_run(tally->pool, tally->inner, inner_task, &call);
}

START_TEST(nested_calls_stay_on_their_thread)
{
    static struct tally tally;
    for (uint32_t workers = 1; workers <= 8; workers++) {
        memset(&tally, 0, sizeof tally);
        tally.pool = make_pool(workers);
        tally.inner = 17;
        align_pool_run(tally.pool, 300, outer_task, &tally);
        assert_each_once(&tally, 300);
        ck_assert_int_eq(atomic_load(&tally.inner_runs), 300 * 17);
        ck_assert_int_eq(atomic_load(&tally.strangers), 0);
        align_pool_destroy(tally.pool);
    }
}
END_TEST

/* Returns only when two threads are in it. */
static void meeting_task(void *ctx, int64_t task)
{
    (void)task;
    _Atomic int32_t *arrived = ctx;
    atomic_fetch_add(arrived, 1);
    while (atomic_load(arrived) < 2)
        sched_yield();
}

START_TEST(two_workers_run_two_tasks_at_once)
{
    align_pool *pool = make_pool(2);
    for (int repeat = 0; repeat < 100; repeat++) {
        _Atomic int32_t arrived = 0;
        align_pool_run(pool, 2, meeting_task, &arrived);
        ck_assert_int_eq(atomic_load(&arrived), 2);
    }
    align_pool_destroy(pool);
}
END_TEST

struct host {
    align_pool *pool;
    struct tally *tally;
    int failures;
};

static void *host_thread(void *user)
{
    struct host *host = user;
    for (int repeat = 0; repeat < 50; repeat++) {
        memset(host->tally, 0, sizeof *host->tally);
        int64_t tasks = 1 + repeat * 7;
        align_pool_run(host->pool, tasks, count_task, host->tally);
        for (int64_t i = 0; i < TASKS_MOST; i++)
            host->failures += atomic_load(&host->tally->runs[i]) != (i < tasks ? 1 : 0);
    }
    return NULL;
}

START_TEST(several_hosts_share_a_pool)
{
    enum { HOSTS = 6 };
    static struct tally tallies[HOSTS];
    const uint32_t workers[] = {1, 2, 5};
    for (int w = 0; w < 3; w++) {
        align_pool *pool = make_pool(workers[w]);
        pthread_t threads[HOSTS];
        struct host hosts[HOSTS];
        for (int h = 0; h < HOSTS; h++) {
            hosts[h] = (struct host){pool, &tallies[h], 0};
            ck_assert_int_eq(pthread_create(&threads[h], NULL, host_thread, &hosts[h]), 0);
        }
        for (int h = 0; h < HOSTS; h++) {
            pthread_join(threads[h], NULL);
            ck_assert_int_eq(hosts[h].failures, 0);
        }
        align_pool_destroy(pool);
    }
}
END_TEST

static void rounding_task(void *ctx, int64_t task)
{
    (void)task;
    _Atomic int32_t *arrived = ctx;
    if (fegetround() == FE_UPWARD)
        atomic_fetch_add(&arrived[1], 1);
    meeting_task(ctx, task);
}

START_TEST(workers_take_the_callers_floating_point_environment)
{
    align_pool *pool = make_pool(2);
    _Atomic int32_t counts[2] = {0, 0};
    align_pool_run(pool, 2, rounding_task, counts);
    ck_assert_int_eq(atomic_load(&counts[1]), 0);
    fesetround(FE_UPWARD);
    atomic_store(&counts[0], 0);
    align_pool_run(pool, 2, rounding_task, counts);
    ck_assert_int_eq(fegetround(), FE_UPWARD);
    fesetround(FE_TONEAREST);
    ck_assert_int_eq(atomic_load(&counts[1]), 2);
    align_pool_destroy(pool);
}
END_TEST

struct place {
    _Atomic int32_t arrived;
    pthread_t caller;
    _Atomic int32_t cpus, cpu, blocked;
};

static void place_task(void *ctx, int64_t task)
{
    struct place *place = ctx;
    if (!pthread_equal(pthread_self(), place->caller)) {
        cpu_set_t set;
        sched_getaffinity(0, sizeof set, &set);
        atomic_store(&place->cpus, CPU_COUNT(&set));
        for (int32_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET((size_t)cpu, &set))
                atomic_store(&place->cpu, cpu);
        sigset_t mask;
        pthread_sigmask(SIG_BLOCK, NULL, &mask);
        atomic_store(&place->blocked, sigismember(&mask, SIGINT) + sigismember(&mask, SIGALRM));
    }
    meeting_task(&place->arrived, task);
}

START_TEST(pinned_workers_stay_on_their_cpu_and_take_no_signals)
{
    cpu_set_t allowed;
    sched_getaffinity(0, sizeof allowed, &allowed);
    int32_t cpu = 0;
    while (!CPU_ISSET((size_t)cpu, &allowed))
        cpu++;
    align_pool_args args;
    align_pool_args_init(&args, sizeof args);
    args.workers = 2;
    args.cpus = &cpu;
    args.n_cpus = 1;
    align_pool *pool;
    ck_assert_int_eq(align_pool_create(&pool, &args, NULL), ALIGN_E_NONE);
    struct place place = {.caller = pthread_self()};
    align_pool_run(pool, 2, place_task, &place);
    ck_assert_int_eq(atomic_load(&place.cpus), 1);
    ck_assert_int_eq(atomic_load(&place.cpu), cpu);
    ck_assert_int_eq(atomic_load(&place.blocked), 2);
    cpu_set_t after;
    sched_getaffinity(0, sizeof after, &after);
    ck_assert(CPU_EQUAL(&allowed, &after));
    align_pool_destroy(pool);
}
END_TEST

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Workers that spun would use the CPU in every window; on a busy machine, sleepers may be late for some. */
START_TEST(idle_workers_sleep)
{
    enum { WINDOWS = 100, MICROSECONDS = 20000 };
    align_pool *pool = make_pool(8);
    static struct tally tally;
    align_pool_run(pool, 100, count_task, &tally);
    bool slept = false;
    for (int i = 0; i < WINDOWS && !slept; i++) {
        double before = cpu_seconds();
        usleep(MICROSECONDS);
        slept = cpu_seconds() - before < 1e-7 * MICROSECONDS;
    }
    ck_assert_msg(slept, "idle workers keep the CPU busy");
    align_pool_destroy(pool);
}
END_TEST

/* Both tasks run at once, and that of the worker lasts. */
struct wait {
    pthread_t caller;
    _Atomic int32_t arrived;
};

static void wait_task(void *ctx, int64_t task)
{
    enum { MICROSECONDS = 2000 };
    struct wait *wait = ctx;
    (void)task;
    atomic_fetch_add(&wait->arrived, 1);
    while (atomic_load(&wait->arrived) < 2)
        usleep(50);
    if (pthread_equal(pthread_self(), wait->caller) == 0)
        usleep(MICROSECONDS);
}

/* On the CPU of the worker that it waits for, a caller that looked around, for up to a millisecond a call, would use it. */
START_TEST(a_caller_on_the_workers_cpu_sleeps)
{
    enum { CALLS = 50, SPIN = 1000 };
    cpu_set_t allowed, one;
    sched_getaffinity(0, sizeof allowed, &allowed);
    if (CPU_COUNT(&allowed) < 2)
        return; /* such a pool does not look around at all */
    int32_t cpu = 0;
    while (!CPU_ISSET((size_t)cpu, &allowed))
        cpu++;
    align_pool_args args;
    align_pool_args_init(&args, sizeof args);
    args.workers = 2;
    args.cpus = &cpu;
    args.n_cpus = 1;
    args.spin = SPIN;
    align_pool *pool;
    ck_assert_int_eq(align_pool_create(&pool, &args, NULL), ALIGN_E_NONE);
    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    double before = cpu_seconds();
    for (int i = 0; i < CALLS; i++) {
        struct wait wait = {.caller = pthread_self()};
        align_pool_run(pool, 2, wait_task, &wait);
    }
    double used = cpu_seconds() - before;
    sched_setaffinity(0, sizeof allowed, &allowed);
    align_pool_destroy(pool);
    ck_assert_msg(used < 0.4e-6 * CALLS * SPIN, "%.0f us of the CPU a call", 1e6 * used / CALLS);
}
END_TEST

START_TEST(defaults_use_every_cpu)
{
    align_pool *pool;
    ck_assert_int_eq(align_pool_create(&pool, NULL, NULL), ALIGN_E_NONE);
    cpu_set_t allowed;
    sched_getaffinity(0, sizeof allowed, &allowed);
    ck_assert_uint_eq(align_pool_workers(pool), (uint32_t)CPU_COUNT(&allowed));
    align_pool_destroy(pool);
    align_pool_destroy(NULL);
}
END_TEST

struct newer_args {
    align_pool_args known;
    int64_t unknown;
};

START_TEST(create_refuses_bad_args)
{
    const int32_t no_cpu[] = {0, -1}, far_cpu[] = {1 << 20};
    align_pool_args good;
    align_pool_args_init(&good, sizeof good);
    good.workers = 2;
    align_pool_args many = good, slow = good, missing = good, counted = good, negative = good,
                    far = good, old = good;
    many.workers = ALIGN_POOL_WORKERS_MOST + 1;
    slow.spin = 1001;
    missing.n_cpus = 1;
    counted.cpus = no_cpu;
    negative.cpus = no_cpu + 1;
    negative.n_cpus = 1;
    far.cpus = far_cpu;
    far.n_cpus = 1;
    old.size = 8;
    struct newer_args newer = {good, 0};
    newer.known.size = sizeof newer;
    struct newer_args newest = {newer.known, 5};
    const struct {
        const align_pool_args *args;
        align_status status;
        const char *field, *text;
    } rows[] = {
        {&many, ALIGN_E_RANGE, "align_pool_args.workers", "workers = 1025, expected 0..1024"},
        {&slow, ALIGN_E_RANGE, "align_pool_args.spin", "spin = 1001, expected 0..1000"},
        {&missing, ALIGN_E_ARG, "align_pool_args.cpus", "cpus is NULL, and n_cpus = 1"},
        {&counted, ALIGN_E_ARG, "align_pool_args.n_cpus", "n_cpus = 0, and cpus is set"},
        {&negative, ALIGN_E_RANGE, "align_pool_args.cpus", "cpus[0] = -1"},
        {&far, ALIGN_E_RANGE, "align_pool_args.cpus", "cpus[0] = 1048576"},
        {&old, ALIGN_E_VERSION, "align_pool_args.size", "size = 8, expected at least"},
        {&newest.known, ALIGN_E_VERSION, "align_pool_args.size", "does not know is set"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        align_error error;
        align_error_init(&error, sizeof error);
        align_pool *pool = (align_pool *)&error;
        ck_assert_int_eq(align_pool_create(&pool, rows[i].args, &error), rows[i].status);
        ck_assert_int_eq(error.status, rows[i].status);
        ck_assert_str_eq(error.field, rows[i].field);
        ck_assert_msg(strstr(error.text, rows[i].text) != NULL, "%s", error.text);
        ck_assert_ptr_null(pool);
        ck_assert_int_eq(align_pool_create(&pool, rows[i].args, NULL), rows[i].status);
    }
    align_pool *pool;
    align_error error;
    align_error_init(&error, sizeof error);
    ck_assert_int_eq(align_pool_create(NULL, &good, &error), ALIGN_E_ARG);
    ck_assert_str_eq(error.text, "pool is NULL");
    error.size = 16;
    ck_assert_int_eq(align_pool_create(&pool, &good, &error), ALIGN_E_VERSION);
    ck_assert_int_eq(align_pool_create(&pool, &newer.known, NULL), ALIGN_E_NONE);
    align_pool_destroy(pool);
}
END_TEST

SUITE_MAIN("pool", each_task_runs_once, nested_calls_stay_on_their_thread,
           two_workers_run_two_tasks_at_once, several_hosts_share_a_pool,
           workers_take_the_callers_floating_point_environment,
           pinned_workers_stay_on_their_cpu_and_take_no_signals, idle_workers_sleep,
           a_caller_on_the_workers_cpu_sleeps, defaults_use_every_cpu, create_refuses_bad_args)
