/* Votes from a CSV stream, summed into libalign's counts as they come. */
#ifndef LEADERBOARD_VOTES_H
#define LEADERBOARD_VOTES_H

#include <libalign/bt.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { VOTES_BLOCK = 4096, VOTES_ITEMS = 1 << 24 };

struct item {
    char *name;
    double wins, losses, ties; /* weighted */
};

struct votes {
    struct item *items;
    int64_t n_items, room;
    int32_t *place; /* hash table over names: item + 1, or 0 */
    int64_t places;
    align_bt_counts counts;
    int64_t rows, dropped; /* read; left out as ties */
    int64_t waiting;       /* in the block */
    int32_t first[VOTES_BLOCK], second[VOTES_BLOCK];
    double outcome[VOTES_BLOCK], weight[VOTES_BLOCK];
};

struct votes_columns {
    const char *left, *right, *winner, *weight; /* weight: NULL for none */
    bool drop_ties;
};

/* Reads a whole stream; `name` stands in messages. False after a message on stderr. */
bool votes_read(struct votes *votes, FILE *file, const char *name,
                const struct votes_columns *columns);
void votes_free(struct votes *votes);

#endif
