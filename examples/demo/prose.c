#include "prose.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_all(FILE *file, char **bytes, int64_t *count)
{
    int64_t room = 0;
    size_t got = 0;

    *count = 0;
    do {
        *count += (int64_t)got;
        grow(bytes, &room, *count + 65536 + 1, 1);
        got = fread(*bytes + *count, 1, 65536, file);
    } while (got > 0);
    (*bytes)[*count] = '\0';
    return !ferror(file);
}

static void split_lines(prose *t)
{
    for (char *line = strtok(t->bytes, "\r\n"); line; line = strtok(NULL, "\r\n")) {
        line += strspn(line, " \t");
        if (*line == '\0')
            continue;
        grow(&t->passage, &t->room, t->count + 1, sizeof *t->passage);
        t->passage[t->count++] = line;
    }
}

bool prose_load(prose *t, const char *path, problem *why)
{
    FILE *file = fopen(path, "rb");
    int64_t bytes;
    bool ok;

    *t = (prose){0};
    if (!file)
        return refuse(why, "%s: %s", path, strerror(errno));
    ok = read_all(file, &t->bytes, &bytes) || refuse(why, "%s: %s", path, strerror(errno));
    fclose(file);
    if (ok && strlen(t->bytes) != (size_t)bytes)
        ok = refuse(why, "%s: byte %zu is 0: not a text", path, strlen(t->bytes));
    if (ok)
        split_lines(t);
    else
        prose_free(t);
    return ok;
}

void prose_free(prose *t)
{
    free(t->bytes);
    free(t->passage);
    *t = (prose){0};
}

char *prose_opening(const char *passage, size_t letters)
{
    size_t end = strnlen(passage, letters);
    char *opening;

    end += strcspn(passage + end, " ");
    opening = take((int64_t)end + 1, 1);
    return memcpy(opening, passage, end);
}
