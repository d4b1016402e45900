/* The text that the model learns from: a passage a line, in memory. */
#ifndef DEMO_PROSE_H
#define DEMO_PROSE_H

#include "util.h"

typedef struct prose {
    char *bytes;    /* the file, each newline turned into an end of string */
    char **passage; /* the lines that have something on them */
    int64_t count, room;
} prose;

bool prose_load(prose *t, const char *path, problem *why);
void prose_free(prose *t);

/* The first words of a passage, to be freed: the fewest that make at least `letters` bytes. Ends with a
 * whole word and without a space. */
char *prose_opening(const char *passage, size_t letters);

#endif
