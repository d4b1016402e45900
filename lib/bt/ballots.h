/* Inside ballots: a tree of rankings in the caller's memory. */
#ifndef ALIGN__BT_BALLOTS_H
#define ALIGN__BT_BALLOTS_H

#include "table.h"

/* What rankings of one content add up to: how many of weight 1, and the rest. */
struct align__ballot_sums {
    uint64_t unit;
    struct align__wide sum, square;
};

/* Records lie one after another, the first as the root of a tree in which bits of the hash say where to go; children
 * are places in units of 8 bytes, 0 for none. Their order is that of hashes, then of content. */
struct align__ballot {
    uint64_t child[2], hash;
    struct align__ballot_sums sums;
    uint32_t count, placed;
    uint32_t item[]; /* [count], as align__bt_settle leaves them */
};

size_t align__ballot_bytes(int64_t count);
void align__ballot_finish(struct align__ballot *ballot);

/* The first in their order, for NULL, and the one after another: the same whatever came in first. */
const struct align__ballot *align__ballot_next(const align_bt_ballots *ballots,
                                               const struct align__ballot *last);

/* The record of this content; NULL: there is none. */
struct align__ballot *align__ballot_find(const align_bt_ballots *ballots,
                                         const struct align__ballot *like);

/* Where the next record would begin, with room for `count` items; NULL: there is none. */
struct align__ballot *align__ballot_place(const align_bt_ballots *ballots, int64_t count);

/* Adds what a record counts, which may lie at that place itself; false when there is no room. */
bool align__ballot_add(align_bt_ballots *ballots, const struct align__ballot *ballot);

#endif
