/* Comma-separated values as RFC 4180 has them: quoted cells may hold commas, doubled quotes and newlines. */
#ifndef LEADERBOARD_CSV_H
#define LEADERBOARD_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { CSV_CELLS = 256 };

struct csv {
    FILE *file;
    long line; /* on which the row at hand begins, from 1 */
    long next_line;
    const char *problem; /* NULL, or what is wrong with the row at hand */
    int count;
    char *cells[CSV_CELLS];
    char *text; /* all cells, each ended by a zero */
    size_t room;
};

void csv_open(struct csv *csv, FILE *file);
void csv_close(struct csv *csv);

/* The next row that is not empty. False at the end, and when there is a problem. */
bool csv_next(struct csv *csv);

#endif
