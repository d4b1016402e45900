/* Text from a model: many continuations in step, with the keys and values of the past kept. */
#ifndef TUNE_SAMPLE_H
#define TUNE_SAMPLE_H

#include "model.h"
#include "tokenizer.h"
#include "util.h"

typedef struct sampling {
    int most;           /* tokens to add at most, fewer where the context ends */
    double temperature; /* 0: the likeliest token */
    int top;            /* choose among the likeliest ones; 0: all */
    uint64_t seed;      /* row i draws from its own stream, whatever the other rows do */
} sampling;

/* texts[i], to be freed, continues prompts[i]; it ends where the model ends the text. Every prompt must
 * leave room in the context for one token. */
bool sample_texts(const model *m, pool *p, const tokenizer *t, const char *const *prompts, int rows,
                  const sampling *how, char **texts, problem *why);

#endif
