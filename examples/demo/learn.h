/* Training to a schedule, the same for the language model (loss sft) and for the tuning. */
#ifndef DEMO_LEARN_H
#define DEMO_LEARN_H

#include "train.h"

typedef struct course {
    const char *what, *loss; /* for the progress bar; a row of libalign's table */
    struct {
        const char *name;
        double value;
    } set[2]; /* parameters of the loss; the others have its paper's values */
    int steps, batch;
    double rate;  /* of learning: rises for a while, then falls on a line to a twentieth */
    double limit; /* seconds, for a slow machine: the schedule is then by time and ends there */
} course;

typedef struct curve {
    double *loss, *accuracy; /* [steps] of each batch; accuracy NaN where the loss has none */
    int steps;               /* taken */
    double seconds;
    bool cut; /* by the limit */
} curve;

/* ref may be NULL for a loss without reference. */
bool learn(model *m, pool *threads, const dataset *d, const double *ref, const course *c,
           uint64_t seed, curve *taken, problem *why);
void curve_free(curve *c);

/* Mean of the last tenth of values. */
double curve_end(const double *values, int steps);

#endif
