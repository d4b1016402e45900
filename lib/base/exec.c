#include "exec.h"

#include <stdatomic.h>
#include <string.h>

void align_exec_init(align_exec *exec, size_t size)
{
    memset(exec, 0, size);
    exec->size = size;
}

void align__clear(void *at, size_t size)
{
    memset(at, 0, size);
}

align_status align__see(const align_exec *exec, const char *owner, const void **seen, void *local,
                        size_t known, size_t least, const void *user)
{
    if (user == NULL)
        return ALIGN__FAIL(exec, NULL_STRUCT, .owner = owner);
    size_t size;
    memcpy(&size, user, sizeof size);
    if (size < least)
        return ALIGN__FAIL(exec, STRUCT_SIZE, .owner = owner, .field = "size",
                           .value = (double)size, .low = (double)least);
    const unsigned char *bytes = user;
    for (size_t i = known; i < size; i++)
        if (bytes[i] != 0)
            return ALIGN__FAIL(exec, STRUCT_TAIL, .owner = owner, .field = "size",
                               .value = (double)size, .high = (double)known);
    *seen = user;
    if (size < known) {
        memcpy(local, user, size);
        memset((char *)local + size, 0, known - size);
        *seen = local;
    }
    return ALIGN_E_NONE;
}

align_status align__import(const align_exec *exec, const char *owner, void *local, size_t known,
                           size_t least, const void *user)
{
    const void *seen = NULL;
    align_status status = align__see(exec, owner, &seen, local, known, least, user);
    if (status == ALIGN_E_NONE && seen != local)
        memcpy(local, seen, known);
    return status;
}

align_status align__enter(align_exec *exec, const align_exec *user)
{
    static const align_exec standard = {.size = sizeof standard};
    align_status status = ALIGN_E_NONE;
    if (user != NULL)
        status = align__import(&standard, "align_exec", exec, sizeof *exec, sizeof *exec, user);
    if (user == NULL || status != ALIGN_E_NONE) {
        *exec = standard;
        return status;
    }
    if (exec->error != NULL && exec->error->size < sizeof *exec->error)
        return ALIGN_E_VERSION;
    if ((exec->flags & ~(uint32_t)(ALIGN_FLAG_FINITE | ALIGN_FLAG_FAST)) != 0)
        return ALIGN__FAIL(exec, FLAG_UNKNOWN, .owner = "align_exec", .field = "flags",
                           .value = exec->flags, .word = "this library");
    return ALIGN_E_NONE;
}

/* Counts finished tasks, so that a hook which drops one is found out. */
struct counted {
    align_task_fn fn;
    void *ctx;
    _Atomic int64_t done;
};

static void run_counted(void *ctx, int64_t task)
{
    struct counted *counted = ctx;
    counted->fn(counted->ctx, task);
    atomic_fetch_add_explicit(&counted->done, 1, memory_order_release);
}

align_status align__parallel(const align_exec *exec, int64_t tasks, align_task_fn fn, void *ctx)
{
    if (exec->parallel == NULL || tasks < 2) {
        for (int64_t i = 0; i < tasks; i++)
            fn(ctx, i);
        return ALIGN_E_NONE;
    }
    struct counted counted = {.fn = fn, .ctx = ctx};
    int32_t code = exec->parallel(exec->parallel_user, tasks, run_counted, &counted);
    int64_t done = atomic_load_explicit(&counted.done, memory_order_acquire);
    if (code == 0 && done == tasks)
        return ALIGN_E_NONE;
    return ALIGN__FAIL(exec, PARALLEL_FAILED, .owner = "align_exec", .field = "parallel",
                       .value = code, .low = (double)done, .high = (double)tasks);
}

struct shared {
    align__item_fn fn;
    void *ctx;
    int64_t items;
    _Atomic int64_t next;
};

static void run_room(void *ctx, int64_t room)
{
    struct shared *shared = ctx;
    for (;;) {
        int64_t item = atomic_fetch_add_explicit(&shared->next, 1, memory_order_relaxed);
        if (item >= shared->items)
            return;
        shared->fn(shared->ctx, room, item);
    }
}

align_status align__rooms(const align_exec *exec, int64_t rooms, int64_t items, align__item_fn fn,
                          void *ctx)
{
    if (exec->parallel == NULL || rooms < 2) {
        for (int64_t i = 0; i < items; i++)
            fn(ctx, 0, i);
        return ALIGN_E_NONE;
    }
    struct shared shared = {.fn = fn, .ctx = ctx, .items = items};
    return align__parallel(exec, rooms, run_room, &shared);
}

align_status align__allreduce(const align_exec *exec, void *buffer, int64_t count,
                              align_dtype dtype, int32_t op)
{
    int32_t code = exec->allreduce(exec->allreduce_user, buffer, count, dtype, op);
    if (code == 0)
        return ALIGN_E_NONE;
    return ALIGN__FAIL(exec, COMM_FAILED, .owner = "align_exec", .field = "allreduce",
                       .value = code);
}

align_status align__agree(const align_exec *exec, align_status status)
{
    int64_t failed = status != ALIGN_E_NONE;
    align_status heard = align__allreduce(exec, &failed, 1, ALIGN_I64, ALIGN_REDUCE_SUM);
    if (status != ALIGN_E_NONE || heard != ALIGN_E_NONE || failed == 0)
        return status != ALIGN_E_NONE ? status : heard;
    return ALIGN__FAIL(exec, COMM_PEER, .owner = "align_exec", .field = "allreduce",
                       .value = (double)failed);
}

size_t align__block(size_t bytes)
{
    return (bytes + ALIGN__LINE - 1) / ALIGN__LINE * ALIGN__LINE;
}

size_t align__arena_slack(void)
{
    return ALIGN__LINE - 1;
}

align_status align__arena_open(const align_exec *exec, struct align__arena *arena, size_t least)
{
    size_t size = exec->scratch == NULL ? 0 : exec->scratch_size;
    if (size < least)
        return ALIGN__FAIL(exec, SCRATCH_SMALL, .owner = "align_exec", .field = "scratch_size",
                           .value = (double)size, .low = (double)least);
    size_t skip = (ALIGN__LINE - (uintptr_t)exec->scratch % ALIGN__LINE) % ALIGN__LINE;
    arena->at = size == 0 ? NULL : (char *)exec->scratch + skip;
    arena->left = size < skip ? 0 : size - skip;
    return ALIGN_E_NONE;
}

void *align__arena_take(struct align__arena *arena, size_t bytes)
{
    size_t block = align__block(bytes);
    if (block > arena->left)
        return NULL;
    void *taken = arena->at;
    arena->at += block;
    arena->left -= block;
    return taken;
}
