#include "table.h"

#include <stdlib.h>
#include <string.h>

enum { CELLS = 1024 };

struct row {
    char *begin, *end; /* without the newline */
    bool quoted;
};

/* The end of a row with quotes, or NULL where the text ends first. */
static char *end_of_quoted(char *at, const char *stop)
{
    bool inside = false;
    for (; at < stop; at++) {
        if (*at == '"')
            inside = !inside;
        else if (*at == '\n' && !inside)
            return at;
    }
    return NULL;
}

/* The next row of the text, as it stands there. */
static bool find_row(struct table *t, struct row *row)
{
    for (;;) {
        char *begin = t->text + t->begin, *stop = t->text + t->end;
        size_t left = (size_t)(stop - begin);
        char *end = memchr(begin, '\n', left);
        row->quoted = memchr(begin, '"', end == NULL ? left : (size_t)(end - begin)) != NULL;
        if (row->quoted)
            end = end_of_quoted(begin, stop);
        if (end == NULL && !t->ended && table_fill(t))
            continue;
        if (end == NULL && begin == stop)
            return false;
        row->begin = begin;
        row->end = end == NULL ? stop : end;
        t->begin = (size_t)(row->end - t->text) + (end != NULL);
        if (row->end > begin && row->end[-1] == '\r')
            row->end--;
        return true;
    }
}

/* Takes the quotes away in place. Returns the place behind the closing quote, or NULL. */
static char *unquote(struct table *t, char *at, const char *stop, char **end)
{
    char *to = at++;
    for (;; at++) {
        if (at == stop) {
            t->problem = "a quote that is never closed";
            return NULL;
        }
        if (*at == '"' && (at + 1 == stop || at[1] != '"'))
            break;
        if (*at == '"')
            at++;
        else if (*at == '\n')
            t->next_line++;
        *to++ = *at;
    }
    *end = to;
    if (++at != stop && *at != ',') {
        t->problem = "text behind a closing quote";
        return NULL;
    }
    return at;
}

/* Splits a row into cells, each ended by a zero; their number, or -1 with a problem. */
static int split(struct table *t, const struct row *row, char *cells[CELLS])
{
    int count = 0;
    char *at = row->begin, *stop = row->end;
    if (memchr(at, '\0', (size_t)(stop - at)) != NULL) {
        t->problem = "a zero byte";
        return -1;
    }
    for (;; at++) {
        if (count == CELLS) {
            t->problem = "more than 1024 cells";
            return -1;
        }
        char *end = NULL;
        cells[count++] = at;
        if (row->quoted && at < stop && *at == '"') {
            at = unquote(t, at, stop, &end);
            if (at == NULL)
                return -1;
        } else {
            while (at < stop && *at != ',')
                at++;
            end = at;
        }
        bool last = at == stop;
        *end = '\0';
        if (last)
            return count;
    }
}

/* Cells of the next row that is not empty. */
static int next_row(struct table *t, char *cells[CELLS])
{
    struct row row;
    do {
        t->line = t->next_line;
        if (!find_row(t, &row))
            return 0;
        t->next_line++;
    } while (row.begin == row.end);
    return split(t, &row, cells);
}

static bool find_columns(struct table *t, char *const *names)
{
    for (int k = 0; k < t->n_columns; k++) {
        t->place[k] = -1;
        for (int j = 0; j < t->width; j++) {
            if (strcmp(names[j], t->columns[k]) != 0)
                continue;
            if (t->place[k] >= 0) {
                fprintf(stderr, "%s:%ld: two columns '%s'\n", t->name, t->line, names[j]);
                return false;
            }
            t->place[k] = j;
        }
        if (t->place[k] < 0) {
            fprintf(stderr, "%s:%ld: no column '%s'\n", t->name, t->line, t->columns[k]);
            return false;
        }
    }
    return true;
}

bool csv_open(struct table *t)
{
    char *names[CELLS];
    t->width = next_row(t, names);
    if (t->width > 0)
        return find_columns(t, names);
    fprintf(stderr, "%s:%ld: %s\n", t->name, t->line, t->problem != NULL ? t->problem : "no rows");
    return false;
}

bool csv_next(struct table *t)
{
    static char wrong[80];
    char *cells[CELLS];
    int count = next_row(t, cells);
    if (count <= 0)
        return false;
    if (count != t->width) {
        snprintf(wrong, sizeof wrong, "%d cells, expected %d as in the first line", count,
                 t->width);
        t->problem = wrong;
        return false;
    }
    for (int k = 0; k < t->n_columns; k++)
        t->cells[k] = cells[t->place[k]];
    return true;
}
