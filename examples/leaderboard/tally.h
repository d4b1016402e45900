/* The votes of one board, summed into libalign's counts as they come. */
#ifndef LEADERBOARD_TALLY_H
#define LEADERBOARD_TALLY_H

#include <libalign/bt.h>

#include <stdbool.h>
#include <stdint.h>

enum { TALLY_BLOCK = 1024, TALLY_ITEMS = 1 << 24, TALLY_COVARIATES = 16 };

/* left took the share `outcome` from right; items are numbers of all. */
struct vote {
    int32_t left, right, annotator;
    double outcome, weight;
    double covariate[TALLY_COVARIATES];
};

/* Votes one by one, for fits that need more of them than counts. */
struct kept {
    int64_t room;
    int32_t *first, *second, *annotator;
    double *outcome, *weight, *covariate; /* covariate: [votes, n_covariates] */
    int n_covariates;
};

/* What an item did, by weight. */
struct record {
    double wins, losses, ties;
};

/* Items have numbers of their own here, so that a board knows only those that it has seen. */
struct tally {
    int32_t n_items, room;
    int32_t *item; /* number among all items */
    struct record *record;
    int32_t *place, places; /* of all items: number here + 1, or 0 */
    bool keeps;             /* votes go to `kept`, else to `counts` */
    struct kept kept;
    align_bt_counts counts;
    int64_t votes;
    int64_t waiting; /* in the block */
    int32_t first[TALLY_BLOCK], second[TALLY_BLOCK];
    double outcome[TALLY_BLOCK], weight[TALLY_BLOCK];
};

/* Number here of an item of all. */
int32_t tally_item(struct tally *tally, int32_t item);

/* False with *error when the counts refuse. */
bool tally_add(struct tally *tally, const struct vote *vote, align_error *error);

/* The block goes into the counts, which grow where they are full. */
bool tally_flush(struct tally *tally, align_error *error);

/* Room in the counts for so many pairs. */
void tally_reserve(struct tally *tally, int64_t pairs);

void tally_free(struct tally *tally);

#endif
