/* Entry to a call: the exec and the structs of the caller, taken in once and checked. */
#ifndef ALIGN__EXEC_H
#define ALIGN__EXEC_H

#include "error.h"

/* Copies *user (or the defaults, for NULL) to *exec, so that the rest of a call never meets NULL. */
align_status align__enter(align_exec *exec, const align_exec *user);

/* Points *seen at a caller's struct of any version, if it has all `known` bytes, or else at a copy in *local, whose
 * other fields are 0. `least` is the size that the struct had in the first release. */
align_status align__see(const align_exec *exec, const char *owner, const void **seen, void *local,
                        size_t known, size_t least, const void *user);

/* Copies what is seen to *local. */
align_status align__import(const align_exec *exec, const char *owner, void *local, size_t known,
                           size_t least, const void *user);

/* Zeros by the C library, which is faster at a few hundred bytes than what compilers put in its place. */
void align__clear(void *at, size_t size);

/* Runs the tasks through the caller's hook, or in order on this thread. */
align_status align__parallel(const align_exec *exec, int64_t tasks, align_task_fn fn, void *ctx);

/* Runs fn(ctx, room, item) of each item once. `rooms` tasks are handed out, each with a place of its own to work in,
 * and each takes the first item that is left, as often as there is one: so a worker that is held up holds up no more
 * than the item that it has. In one room the items come in order. */
typedef void (*align__item_fn)(void *ctx, int64_t room, int64_t item);
align_status align__rooms(const align_exec *exec, int64_t rooms, int64_t items, align__item_fn fn,
                          void *ctx);

/* Reduces buffer[0..count) over all ranks by the caller's hook. */
align_status align__allreduce(const align_exec *exec, void *buffer, int64_t count,
                              align_dtype dtype, int32_t op);

/* Every rank comes here with its status; where one has failed, all others do too. */
align_status align__agree(const align_exec *exec, align_status status);

/* Scratch handed out from one end in blocks of whole cache lines. */
struct align__arena {
    char *at;
    size_t left;
};

enum { ALIGN__LINE = 64 };

/* Bytes that a block takes in an arena, and what the whole must add for a start at any address. */
size_t align__block(size_t bytes);
size_t align__arena_slack(void);

/* SCRATCH when exec has fewer than `least` bytes (slack included). */
align_status align__arena_open(const align_exec *exec, struct align__arena *arena, size_t least);
void *align__arena_take(struct align__arena *arena, size_t bytes);

#endif
