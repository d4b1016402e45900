/* Every call that submits tasks: equal bytes for any number of workers, any order, from inside a task
 * and from several hosts at once; PARALLEL when the hook fails or loses a task. */
#include "../suite.h"
#include "calls.h"

#include <libalign/threads.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

/* ---- hooks ---- */

enum order { RISING, FALLING, SHUFFLED };

struct hook {
    enum order order;
    int64_t fail_at; /* tasks to run before giving up; -1: never */
    bool silent;     /* says that all is done although it gave up */
    int64_t most;    /* the most tasks of one call */
};

/* Where task i stands in an order that visits each once: 7919 is prime. */
static int64_t place(enum order order, int64_t i, int64_t tasks)
{
    if (order == FALLING)
        return tasks - 1 - i;
    return order == SHUFFLED && tasks % 7919 != 0 ? (i * 7919 + 5) % tasks : i;
}

static int32_t run_hook(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    struct hook *hook = user;
    if (tasks > hook->most)
        hook->most = tasks;
    int64_t end = hook->fail_at < 0 || hook->fail_at > tasks ? tasks : hook->fail_at;
    for (int64_t i = 0; i < end; i++)
        fn(ctx, place(hook->order, i, tasks));
    return end == tasks || hook->silent ? 0 : 77;
}

/* ---- one run ---- */

static struct memory new_memory(void)
{
    struct memory memory = {aligned_alloc(64, MEMORY_BYTES), 0};
    ck_assert_ptr_nonnull(memory.bytes);
    memset(memory.bytes, 0, MEMORY_BYTES);
    return memory;
}

static align_exec make_exec(align_parallel_fn parallel, void *user, uint32_t workers,
                            align_error *error)
{
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    align_error_init(error, sizeof *error);
    exec.error = error;
    exec.parallel = parallel;
    exec.parallel_user = user;
    exec.workers = workers;
    return exec;
}

static struct memory run_alone(const struct call *call, int variant)
{
    struct memory memory = new_memory();
    align_error error;
    align_exec exec = make_exec(NULL, NULL, 0, &error);
    align_status status = call->run(&exec, &memory, variant);
    ck_assert_msg(status == ALIGN_E_NONE, "%s: %s", call->name, error.text);
    return memory;
}

static void assert_equal(const struct call *call, const char *how, struct memory alone,
                         struct memory shared)
{
    ck_assert_uint_eq(alone.used, shared.used);
    ck_assert_msg(memcmp(alone.bytes, shared.bytes, alone.used) == 0, "%s differs %s", call->name,
                  how);
}

static void run_and_compare(const struct call *call, int variant, struct memory alone,
                            align_parallel_fn parallel, void *user, uint32_t workers,
                            const char *how)
{
    struct memory shared = new_memory();
    align_error error;
    align_exec exec = make_exec(parallel, user, workers, &error);
    align_status status = call->run(&exec, &shared, variant);
    ck_assert_msg(status == ALIGN_E_NONE, "%s %s: %s", call->name, how, error.text);
    assert_equal(call, how, alone, shared);
    free(shared.bytes);
}

/* ---- tests ---- */

#define EACH_CALL(call, variant)                                                                   \
    for (const struct call *call = calls; call->name != NULL; call++)                              \
        for (int variant = 0; variant < call->variants; variant++)

START_TEST(worker_count_changes_no_bit)
{
    static const uint32_t workers[] = {1, 2, 7, 64};
    align_pool *pools[4];
    for (int w = 0; w < 4; w++) {
        align_pool_args args;
        align_pool_args_init(&args, sizeof args);
        args.workers = workers[w];
        ck_assert_int_eq(align_pool_create(&pools[w], &args, NULL), ALIGN_E_NONE);
    }
    EACH_CALL(call, variant)
    {
        struct memory alone = run_alone(call, variant);
        for (int w = 0; w < 4; w++)
            run_and_compare(call, variant, alone, align_pool_run, pools[w], workers[w],
                            "on a pool");
        free(alone.bytes);
    }
    for (int w = 0; w < 4; w++)
        align_pool_destroy(pools[w]);
}
END_TEST

START_TEST(order_of_tasks_changes_no_bit)
{
    EACH_CALL(call, variant)
    {
        struct memory alone = run_alone(call, variant);
        for (enum order order = RISING; order <= SHUFFLED; order++) {
            struct hook hook = {.order = order, .fail_at = -1};
            run_and_compare(call, variant, alone, run_hook, &hook, 5, "in another order");
            ck_assert_msg(hook.most >= 2, "%s submits %lld tasks", call->name,
                          (long long)hook.most);
        }
        free(alone.bytes);
    }
}
END_TEST

/* A whole call as one task of a pool, several at once, each with the pool as its own hook. */
struct inside {
    const struct call *call;
    int variant;
    align_pool *pool;
    struct memory memory[4];
    align_status status[4];
};

static void run_inside(void *ctx, int64_t task)
{
    struct inside *inside = ctx;
    align_error error;
    align_exec exec = make_exec(align_pool_run, inside->pool, 3, &error);
    inside->status[task] = inside->call->run(&exec, &inside->memory[task], inside->variant);
}

START_TEST(calls_from_inside_tasks_change_no_bit)
{
    align_pool_args args;
    align_pool_args_init(&args, sizeof args);
    args.workers = 3;
    struct inside inside;
    ck_assert_int_eq(align_pool_create(&inside.pool, &args, NULL), ALIGN_E_NONE);
    EACH_CALL(call, variant)
    {
        inside.call = call;
        inside.variant = variant;
        for (int i = 0; i < 4; i++)
            inside.memory[i] = new_memory();
        struct memory alone = run_alone(call, variant);
        align_pool_run(inside.pool, 4, run_inside, &inside);
        for (int i = 0; i < 4; i++) {
            ck_assert_int_eq(inside.status[i], ALIGN_E_NONE);
            assert_equal(call, "inside a task", alone, inside.memory[i]);
            free(inside.memory[i].bytes);
        }
        free(alone.bytes);
    }
    align_pool_destroy(inside.pool);
}
END_TEST

static void expect_failure(const struct call *call, int variant, int64_t fail_at, bool silent)
{
    struct memory memory = new_memory();
    struct hook hook = {.fail_at = fail_at, .silent = silent};
    align_error error;
    align_exec exec = make_exec(run_hook, &hook, 4, &error);
    align_status status = call->run(&exec, &memory, variant);
    ck_assert_msg(status == ALIGN_E_PARALLEL, "%s returned %d", call->name, (int)status);
    ck_assert_int_eq(error.status, ALIGN_E_PARALLEL);
    ck_assert_str_eq(error.field, "align_exec.parallel");
    ck_assert(error.value == (silent ? 0 : 77));
    free(memory.bytes);
}

START_TEST(failing_hooks_are_found_out)
{
    EACH_CALL(call, variant)
    {
        struct hook counting = {.fail_at = -1};
        struct memory alone = run_alone(call, variant);
        run_and_compare(call, variant, alone, run_hook, &counting, 4, "when counted");
        free(alone.bytes);
        const int64_t stops[] = {0, 1, counting.most / 2, counting.most - 1};
        for (int i = 0; i < 4; i++) {
            expect_failure(call, variant, stops[i], false);
            expect_failure(call, variant, stops[i], true);
        }
    }
}
END_TEST

SUITE_MAIN("hooks", worker_count_changes_no_bit, order_of_tasks_changes_no_bit,
           calls_from_inside_tasks_change_no_bit, failing_hooks_are_found_out)
