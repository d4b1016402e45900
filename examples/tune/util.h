/* Small things every part of the trainer needs: errors as text, memory, random numbers, a checksum, a clock. */
#ifndef TUNE_UTIL_H
#define TUNE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a call failed, as one sentence for people. Functions that can fail return false and fill it. */
typedef struct problem {
    char text[512];
} problem;

/* Writes the sentence and returns false, so that `return refuse(why, "...")` reads well. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
bool refuse(problem *why, const char *format, ...);

/* Zeroed memory for count elements. A trainer cannot go on without memory: prints and exits on failure. */
void *take(int64_t count, size_t size);
/* Grows *array (of capacity *room elements) so that it holds at least need elements. */
void grow(void *array, int64_t *room, int64_t need, size_t size);
char *copy_text(const char *text);

/* A splitmix64 stream: one word of state, the same numbers everywhere. */
typedef struct rng {
    uint64_t state;
} rng;
uint64_t rng_next(rng *r);
double rng_uniform(rng *r); /* in [0,1) */
double rng_normal(rng *r);
int64_t rng_below(rng *r, int64_t limit); /* in [0,limit) */
void rng_shuffle(rng *r, int *items, int64_t count);

/* FNV-1a over bytes; start with CHECKSUM_START and chain. */
#define CHECKSUM_START UINT64_C(0xcbf29ce484222325)
uint64_t checksum(uint64_t hash, const void *bytes, size_t count);

double now_seconds(void); /* monotonic */

#endif
