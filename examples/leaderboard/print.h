/* Boards as text, CSV or JSON. */
#ifndef LEADERBOARD_PRINT_H
#define LEADERBOARD_PRINT_H

#include "board.h"

/* All boards that were made, overall first. */
struct boards {
    const struct votes *votes;
    struct board *board;
    int32_t count;
    bool by_category, ranks;       /* ranks: board_options.ranks */
    const char *const *covariates; /* names of their columns */
    int digits;                    /* significant ones */
};

/* Each writes to stdout, and returns false when that fails. */
bool print_text(const struct boards *boards);
bool print_csv(const struct boards *boards);
bool print_json(const struct boards *boards);

#endif
