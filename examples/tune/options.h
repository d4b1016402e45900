/* The command line of libalign-tune. */
#ifndef TUNE_OPTIONS_H
#define TUNE_OPTIONS_H

#include "data.h"
#include "util.h"

enum { SET_LIMIT = 16 };

typedef struct options {
    const char *model, *tokenizer, *data;
    data_kind kind;
    const char *loss, *reward_norm;
    struct {
        const char *name;
        double value;
        const char *word; /* in place of the value, or NULL */
    } set[SET_LIMIT];     /* parameters of the loss */
    int sets;
    int steps, held_out; /* -1: once through the data, a tenth of it */
    int interval;        /* steps from one measurement to the next; 0: an eighth of the run */
    int batch, seed, threads;
    double rate;
    const char *ref_cache, *log, *plot, *save, *sample;
    bool list_losses, help;
} options;

bool options_read(options *o, int argc, char **argv, problem *why);
void options_help(const char *program);

#endif
