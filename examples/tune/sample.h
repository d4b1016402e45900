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

/* written[i] takes the tokens that continue prompts[i]; they end where the model ends the text. Every
 * prompt begins with TOKEN_BEGIN and must leave room in the context for one token. */
bool sample_tokens(const model *m, pool *p, const token_list *prompts, int rows,
                   const sampling *how, token_list *written, problem *why);

/* texts[i], to be freed, continues prompts[i], in the same way. */
bool sample_texts(const model *m, pool *p, const tokenizer *t, const char *const *prompts, int rows,
                  const sampling *how, char **texts, problem *why);

/* The text of tokens that follow previous, to be freed. */
char *tokens_text(const tokenizer *t, const token_list *tokens, int previous);

#endif
