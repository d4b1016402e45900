#include "table.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 18 };

int table_want(struct table *table, const char *column)
{
    for (int k = 0; k < table->n_columns; k++)
        if (strcmp(table->columns[k], column) == 0)
            return k;
    table->columns[table->n_columns] = column;
    return table->n_columns++;
}

bool table_fill(struct table *table)
{
    memmove(table->text, table->text + table->begin, table->end - table->begin);
    table->end -= table->begin;
    table->begin = 0;
    if (table->room - table->end < PIECE) {
        table->room = 2 * table->room + PIECE;
        table->text = must(realloc(table->text, table->room + 1));
    }
    size_t found = fread(table->text + table->end, 1, table->room - table->end, table->file);
    table->end += found;
    table->bytes += (long long)found;
    table->ended = found == 0;
    return found > 0;
}

bool table_open(struct table *table, FILE *file, const char *name, enum table_format format)
{
    table->file = file;
    table->name = name;
    table->format = format;
    table->line = table->next_line = 1;
    table->room = 2 * PIECE;
    table->text = must(malloc(table->room + 1));
    table_fill(table);
    if (table->end >= 3 && memcmp(table->text, "\xef\xbb\xbf", 3) == 0)
        table->begin = 3; /* a byte order mark */
    return format != TABLE_CSV || csv_open(table);
}

bool table_next(struct table *table)
{
    if (table->problem != NULL)
        return false;
    bool found = table->format == TABLE_CSV ? csv_next(table) : jsonl_next(table);
    if (!found && table->problem == NULL && ferror(table->file))
        table->problem = "it cannot be read";
    if (table->problem != NULL)
        fprintf(stderr, "%s:%ld: %s\n", table->name, table->line, table->problem);
    return found;
}

bool table_complain(const struct table *table, int column, const char *expected)
{
    fprintf(stderr, "%s:%ld: %s is '%s', expected %s\n", table->name, table->line,
            table->columns[column], table->cells[column], expected);
    return false;
}

void table_close(struct table *table)
{
    json_decref(table->object);
    free(table->text);
}
