/* Several processes that share memory and reduce over it, in an order of arrival that a test sets. */
#ifndef TESTS_RANKS_H
#define TESTS_RANKS_H

#include <libalign/base.h>

#include <stddef.h>
#include <stdint.h>

enum { RANKS_MOST = 8 };

/* One rank of a run: its number, how many there are, and the hook for its exec. */
struct rank {
    int rank, ranks;
    struct meeting *meeting;
};

/* Memory that all ranks see, zeroed. */
void *ranks_memory(size_t bytes);
void ranks_free(void *memory, size_t bytes);

/* Runs fn as `ranks` processes, which arrive at every reduction in the order of `arrival` (a permutation of
 * ranks, by digits: "201"), and returns how many of them did not return 0. */
typedef int (*rank_fn)(const struct rank *rank, void *user);
int ranks_run(int ranks, const char *arrival, rank_fn fn, void *user);

int32_t ranks_allreduce(void *rank, void *buffer, int64_t count, align_dtype dtype, int32_t op);

#endif
