/* Counts in a file: a line of JSON that names what was counted and how, then libalign's bytes, board by board. */
#ifndef LEADERBOARD_STORE_H
#define LEADERBOARD_STORE_H

#include "votes.h"

/* Writes all tallies; an old file is only replaced by a whole one. False after a message on stderr. */
bool store_save(const struct votes *votes, const char *path, const struct votes_options *options);

/* Puts the tallies of a file into empty votes. Counts of other options are refused. */
bool store_load(struct votes *votes, const char *path, const struct votes_options *options);

#endif
