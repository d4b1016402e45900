#include "refcache.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef struct header {
    char magic[8];
    uint64_t key, count, sum; /* sum: checksum of the numbers that follow */
} header;

static const char magic[8] = {'T', 'U', 'N', 'E', 'R', 'E', 'F', '1'};

static refcache_found read_open(FILE *file, const char *path, uint64_t key, double *logp,
                                int64_t count, problem *why)
{
    header h;
    const size_t bytes = (size_t)count * sizeof *logp;

    if (fread(&h, sizeof h, 1, file) != 1 || memcmp(h.magic, magic, sizeof magic) != 0) {
        refuse(why, "%s: not a file of reference log-probabilities; remove it or name another",
               path);
        return REFCACHE_BROKEN;
    }
    if (h.key != key || h.count != (uint64_t)count) {
        refuse(why, "%s: made for another model or other data", path);
        return REFCACHE_ABSENT;
    }
    if (fread(logp, 1, bytes, file) != bytes || checksum(CHECKSUM_START, logp, bytes) != h.sum) {
        refuse(why, "%s: truncated or damaged, expected %lld numbers; remove it", path,
               (long long)count);
        return REFCACHE_BROKEN;
    }
    return REFCACHE_READ;
}

refcache_found refcache_read(const char *path, uint64_t key, double *logp, int64_t count,
                             problem *why)
{
    FILE *file = fopen(path, "rb");
    refcache_found found;

    why->text[0] = '\0';
    if (!file) {
        if (errno == ENOENT)
            return REFCACHE_ABSENT;
        refuse(why, "%s: %s", path, strerror(errno));
        return REFCACHE_BROKEN;
    }
    found = read_open(file, path, key, logp, count, why);
    fclose(file);
    return found;
}

bool refcache_write(const char *path, uint64_t key, const double *logp, int64_t count, problem *why)
{
    const size_t bytes = (size_t)count * sizeof *logp;
    header h = {.key = key, .count = (uint64_t)count, .sum = checksum(CHECKSUM_START, logp, bytes)};
    FILE *file = fopen(path, "wb");
    bool ok = file != NULL;

    if (ok) {
        memcpy(h.magic, magic, sizeof magic);
        ok = fwrite(&h, sizeof h, 1, file) == 1 && fwrite(logp, 1, bytes, file) == bytes;
        ok = fclose(file) == 0 && ok;
    }
    return ok || refuse(why, "%s: cannot write: %s", path, strerror(errno));
}
