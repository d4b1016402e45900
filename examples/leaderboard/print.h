/* A board as text, CSV or JSON. */
#ifndef LEADERBOARD_PRINT_H
#define LEADERBOARD_PRINT_H

#include "board.h"

/* Each writes to stdout with so many significant digits, and returns false when that fails. */
bool print_text(const struct board *board, const struct votes *votes, int digits);
bool print_csv(const struct board *board, const struct votes *votes, int digits);
bool print_json(const struct board *board, const struct votes *votes, int digits);

#endif
