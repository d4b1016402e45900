/* Training by preferences: reference log-probabilities, evaluation, one optimiser step. */
#ifndef TUNE_TRAIN_H
#define TUNE_TRAIN_H

#include "adamw.h"
#include "data.h"
#include "model.h"
#include "pack.h"
#include "preference.h"

typedef struct trainer {
    model *model;
    pool *threads;
    const dataset *data;
    preference *loss;
    double *
        ref; /* [data->count] log-probabilities under the model before training; NULL: not needed */
    model anchor; /* the model before training, where its logits are needed in every batch */
    tape anchor_tape;
    adamw optimizer;
    real *gradient; /* zero between steps */
    weights gradient_view;
    tape tape;
    pack pack;
    double *logp, *dlogp;
    int64_t room; /* of logp and dlogp */
} trainer;

void trainer_create(trainer *t, model *m, pool *threads, const dataset *data, preference *loss);
void trainer_free(trainer *t);

/* Log-probability of every answer of count groups: logp is by dataset index. */
bool train_log_probabilities(trainer *t, const int *groups, int count, double *logp, problem *why);
/* Adds the groups' loss and metrics to *sum. */
bool train_evaluate(trainer *t, const int *groups, int count, tally *sum, problem *why);
/* As train_evaluate, and adds d(mean loss) / d(parameters) to t->gradient. */
bool train_gradient(trainer *t, const int *groups, int count, tally *sum, problem *why);

#endif
