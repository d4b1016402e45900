/* Memory, or the end of the program. */
#ifndef LEADERBOARD_MEMORY_H
#define LEADERBOARD_MEMORY_H

#include <stdio.h>
#include <stdlib.h>

static inline void *must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "libalign-leaderboard: out of memory\n");
        exit(EXIT_FAILURE);
    }
    return memory;
}

/* Zeroed. */
static inline void *take(size_t count, size_t each)
{
    return must(calloc(count == 0 ? 1 : count, each));
}

#endif
