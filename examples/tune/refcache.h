/* Reference log-probabilities in a file, tied by checksum to the model and the data they came from. */
#ifndef TUNE_REFCACHE_H
#define TUNE_REFCACHE_H

#include "util.h"

typedef enum refcache_found {
    REFCACHE_READ,   /* logp is filled */
    REFCACHE_ABSENT, /* no such file, or one of another model or other data: write a new one */
    REFCACHE_BROKEN  /* not a cache, or a damaged one: nothing of ours to overwrite */
} refcache_found;

/* key: checksum over model and data. why is filled for BROKEN, and for ABSENT if a file was there. */
refcache_found refcache_read(const char *path, uint64_t key, double *logp, int64_t count,
                             problem *why);
bool refcache_write(const char *path, uint64_t key, const double *logp, int64_t count,
                    problem *why);

#endif
