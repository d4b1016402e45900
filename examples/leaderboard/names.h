/* Names and their numbers, 0 and up in the order of their first appearance. */
#ifndef LEADERBOARD_NAMES_H
#define LEADERBOARD_NAMES_H

#include <stdbool.h>
#include <stdint.h>

struct names {
    char **text;
    uint64_t *hash;
    int32_t count, room;
    int32_t *place; /* hash table: number + 1, or 0 */
    uint32_t mask;
};

uint64_t names_hash(const char *text);

/* Number of a name, which is new when it is names->count - 1 that it was not before. */
int32_t names_get(struct names *names, const char *text);

/* NULL, or what is wrong with a text as a name. */
const char *names_fault(const char *text);

void names_free(struct names *names);

#endif
