/* A picture of a board, drawn by gnuplot. */
#ifndef LEADERBOARD_PLOT_H
#define LEADERBOARD_PLOT_H

#include "board.h"

/* gnuplot's terminal for a file of this name (.svg or .png), or NULL. */
const char *plot_terminal(const char *path);

/* Strengths with intervals, and who beats whom how often, of the best `most` items. False after a message on
 * stderr. */
bool plot_board(const struct board *board, const char *path, int64_t most);

#endif
