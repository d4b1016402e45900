/* From a tally to a ranked board with intervals. */
#ifndef LEADERBOARD_BOARD_H
#define LEADERBOARD_BOARD_H

#include "votes.h"

enum interval_kind { BOARD_SANDWICH, BOARD_FISHER, BOARD_BOOTSTRAP };

struct board_options {
    int ties; /* ALIGN_BT_TIES_... */
    enum interval_kind interval;
    int64_t draws;
    uint64_t seed;
    double scale, offset; /* of scores; offset is the anchor's score where there is one */
    const char *anchor;   /* name of an item, or NULL */
    double prior_games;   /* of each item against a ghost of strength 0; 0: none */
    bool ranks;           /* rank intervals, and who is first */
    bool home;            /* the left item has an advantage */
};

struct line {
    const char *item;
    const struct record *record;
    double theta; /* in natural log units, mean 0 or as the prior says */
    double score, se, lower, upper;
    int64_t rank;                /* 1 + items whose whole interval lies above this one's */
    int64_t rank_low, rank_high; /* with options.ranks: simultaneous 95 % interval of the rank */
    double first;                /* with options.ranks: probability of being first */
};

struct board {
    const char *category; /* NULL: overall */
    int64_t votes, count;
    struct line *lines; /* best first; NULL where there is no answer */
    align_bt_args fit;  /* with the certificate */
    int n_covariates;
    double coefficient[TALLY_COVARIATES], coefficient_se[TALLY_COVARIATES];
    char why[640]; /* there is no answer */
};

/* False where there is no answer. */
bool board_make(struct board *board, const struct votes *votes, const struct tally *tally,
                const struct board_options *options);

/* P(i wins) + P(tie) / 2 of two lines. */
double board_share(const struct board *board, const struct line *i, const struct line *j);

void board_free(struct board *board);

#endif
