/* What a long run is doing: a bar that moves where stderr is a terminal, else a line a phase. */
#ifndef DEMO_PROGRESS_H
#define DEMO_PROGRESS_H

#include <stdint.h>

typedef struct progress {
    const char *what;
    double begin, drawn; /* seconds */
} progress;

void progress_begin(progress *p, const char *what);
/* done of all; note says more, and may be empty. */
void progress_show(progress *p, int64_t done, int64_t all, const char *note);
/* Leaves one line that says how long it took. */
void progress_end(progress *p, const char *note);

#endif
