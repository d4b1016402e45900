/* What a run tells: a progress bar, a JSON line for every step, and a plot. */
#ifndef TUNE_REPORT_H
#define TUNE_REPORT_H

#include "preference.h"

#include <stdio.h>

typedef struct report_point {
    int step;
    double loss, accuracy, margin; /* NaN: the loss has no such metric */
} report_point;

typedef struct report {
    const char *loss;
    int steps;
    bool bar; /* stderr is a terminal: one line that changes; else a line now and then */
    FILE *log;
    const char *log_path;
    double start;
    report_point *train, *held_out;
    int64_t trained, trained_room, evaluated, evaluated_room;
} report;

typedef struct report_step {
    int step; /* 1.. */
    tally tally;
    double rate, gradient_norm, seconds; /* of this step */
    int64_t tokens;
} report_step;

/* log_path NULL: no log. */
bool report_open(report *r, const char *loss, int steps, const char *log_path, problem *why);
bool report_close(report *r, problem *why);
/* What is going on before the first step: done of all. */
void report_phase(const report *r, const char *what, int64_t done, int64_t all);
void report_trained(report *r, const report_step *s);
void report_held_out(report *r, int step, const tally *sum);
/* Draws loss and accuracy over steps with gnuplot. */
bool report_plot(const report *r, const char *path, problem *why);

#endif
