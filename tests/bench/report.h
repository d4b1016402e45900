/* Results of a case: medians over the rounds, and how they are shown. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { ROUNDS_MOST = 101, RUNNERS_MOST = 10 };

/* One process that serves a case, and what it said. */
struct runner {
    const char *name; /* "libalign", "limit" or a peer */
    int pid;
    FILE *to, *from;
    bool alive;
    double work, repetition; /* of one run; seconds of a repetition when it was set up */
    size_t scratch, peak, extra;
    double error; /* of the answer; NaN: not known */
    int blas;     /* threads of its BLAS, where that is known */
    double seconds[ROUNDS_MOST];
    struct runner *twin; /* runs when this one does; or NULL */
};

struct result {
    const char *line, *unit, *limit;
    int rounds, n_runners;
    struct runner runners[RUNNERS_MOST]; /* [0] is libalign, [1] the limit where there is one */
    struct runner twin;                  /* of one of them */
};

double report_median(const double *x, int n);

/* Heading, then a row a case. */
void report_heading(FILE *out);
void report_row(FILE *out, const struct result *result);

/* A warning when workers and threads of the BLAS are several: they are in each other's way. How much, where the
 * case before is the same with one thread of the BLAS. */
void report_mix(FILE *out, const struct result *result, const struct result *before);

/* One JSON object. */
void report_json(FILE *out, const struct result *result, bool first);

#endif
