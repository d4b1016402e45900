/* From votes to a ranked board with intervals. */
#ifndef LEADERBOARD_BOARD_H
#define LEADERBOARD_BOARD_H

#include "votes.h"

enum interval_kind { BOARD_SANDWICH, BOARD_FISHER, BOARD_BOOTSTRAP };

struct board_options {
    int ties; /* ALIGN_BT_TIES_... */
    enum interval_kind interval;
    int64_t draws;
    uint64_t seed;
    double scale, offset; /* of scores */
    double prior_games;   /* of each item against a ghost of strength 0; 0: none */
};

struct line {
    const struct item *item;
    double score, se, lower, upper;
    int64_t rank; /* 1 + items whose whole interval lies above this one's */
};

struct board {
    int64_t count;
    struct line *lines; /* best first */
    align_bt_args fit;  /* with the certificate */
};

/* False after a message on stderr. */
bool board_make(struct board *board, const struct votes *votes,
                const struct board_options *options);
void board_free(struct board *board);

#endif
