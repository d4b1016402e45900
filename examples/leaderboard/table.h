/* Rows of named cells from a stream: CSV as RFC 4180 has it (quoted cells may hold commas, doubled quotes and newlines),
 * or JSON, one object a line. */
#ifndef LEADERBOARD_TABLE_H
#define LEADERBOARD_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { TABLE_COLUMNS = 64 };
enum table_format { TABLE_CSV, TABLE_JSONL };

struct table {
    const char *name; /* of the stream, for messages */
    FILE *file;
    enum table_format format;
    long line, next_line; /* on which the row at hand begins, from 1; on which the next one does */
    long long bytes;      /* read so far */
    const char *problem;  /* NULL, or what is wrong with the row at hand */

    /* What is wanted of each row. A JSON object that has no such member, or null, gives "". */
    const char *columns[TABLE_COLUMNS];
    const char *cells[TABLE_COLUMNS];
    int n_columns;

    char *text; /* a piece of the stream: [begin, end) is still to be read */
    size_t room, begin, end;
    bool ended;
    int width;                /* CSV: cells of the first row */
    int place[TABLE_COLUMNS]; /* CSV: which cell of a row a column is */
    json_t *object;           /* JSON: the row at hand */
    char number[TABLE_COLUMNS][32];
};

/* Adds a column to the wanted ones, or finds it there; its index. At most TABLE_COLUMNS. */
int table_want(struct table *table, const char *column);

/* Starts to read; of CSV, the first row with the names. False after a message on stderr. */
bool table_open(struct table *table, FILE *file, const char *name, enum table_format format);

/* The next row that is not empty. False at the end, and when there is a problem. */
bool table_next(struct table *table);

/* "name:line: column is 'cell', expected ..." on stderr. Returns false. */
bool table_complain(const struct table *table, int column, const char *expected);

void table_close(struct table *table);

/* ---- for the two formats -------------------------------------------------------------------- */

/* More of the stream behind `end`; what was read before moves to the front. False at its end. */
bool table_fill(struct table *table);

bool csv_open(struct table *table);
bool csv_next(struct table *table);
bool jsonl_next(struct table *table);

#endif
