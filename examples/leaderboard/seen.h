/* Which votes were seen before: 16 bytes for each different one. Two that differ are taken for one with a
 * chance of 2^-128 a pair. */
#ifndef LEADERBOARD_SEEN_H
#define LEADERBOARD_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct key {
    uint64_t low, high;
};

struct seen {
    struct key *keys; /* hash table; both words 0: free */
    size_t count, room;
};

/* A key of no cell, then each cell in turn. */
struct key seen_start(void);
void seen_mix(struct key *key, const char *cell);

/* True when the key was not there; it is now. */
bool seen_add(struct seen *seen, struct key key);

void seen_free(struct seen *seen);

#endif
