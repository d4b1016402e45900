#include "csv.h"

#include <stdlib.h>
#include <string.h>

void csv_open(struct csv *csv, FILE *file)
{
    memset(csv, 0, sizeof *csv);
    csv->file = file;
    csv->next_line = 1;
}

void csv_close(struct csv *csv)
{
    free(csv->text);
    csv->text = NULL;
}

static bool put(struct csv *csv, size_t *used, int c)
{
    if (*used == csv->room) {
        size_t room = csv->room == 0 ? 4096 : 2 * csv->room;
        char *text = realloc(csv->text, room);
        if (text == NULL) {
            csv->problem = "out of memory";
            return false;
        }
        csv->text = text;
        csv->room = room;
    }
    csv->text[(*used)++] = (char)c;
    return true;
}

static int next_char(struct csv *csv)
{
    int c = getc_unlocked(csv->file);
    if (c == '\r') {
        int after = getc_unlocked(csv->file);
        if (after == '\n')
            c = after;
        else
            ungetc(after, csv->file);
    }
    if (c == '\n')
        csv->next_line++;
    if (c == '\0')
        csv->problem = "a zero byte";
    return c;
}

/* Reads one cell up to the comma, newline or end of file behind it, which is returned. */
static int read_cell(struct csv *csv, size_t *used)
{
    int c = next_char(csv);
    bool quoted = c == '"';
    if (quoted) {
        for (;;) {
            c = next_char(csv);
            if (c == EOF) {
                csv->problem = "a quote that is never closed";
                return EOF;
            }
            if (c == '"' && (c = next_char(csv)) != '"')
                break;
            if (csv->problem != NULL || !put(csv, used, c))
                return EOF;
        }
        if (c != ',' && c != '\n' && c != EOF)
            csv->problem = "text behind a closing quote";
        return c;
    }
    for (; c != ',' && c != '\n' && c != EOF; c = next_char(csv))
        if (csv->problem != NULL || !put(csv, used, c))
            return EOF;
    return c;
}

static bool read_row(struct csv *csv, int *end)
{
    size_t used = 0, begin[CSV_CELLS];
    csv->line = csv->next_line;
    csv->count = 0;
    do {
        if (csv->count == CSV_CELLS) {
            csv->problem = "more than 256 cells";
            return false;
        }
        begin[csv->count++] = used;
        *end = read_cell(csv, &used);
        if (csv->problem != NULL || !put(csv, &used, '\0'))
            return false;
    } while (*end == ',');
    for (int k = 0; k < csv->count; k++)
        csv->cells[k] = csv->text + begin[k];
    return true;
}

bool csv_next(struct csv *csv)
{
    int end = 0;
    while (csv->problem == NULL && end != EOF) {
        if (!read_row(csv, &end))
            break;
        if (csv->count > 1 || csv->cells[0][0] != '\0')
            return true;
    }
    if (csv->problem == NULL && ferror(csv->file))
        csv->problem = "it cannot be read";
    return false;
}
