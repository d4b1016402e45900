/* From a text to what the demo trains on and asks. */
#ifndef DEMO_CORPUS_H
#define DEMO_CORPUS_H

#include "data.h"
#include "pool.h"
#include "prose.h"

typedef struct prompt_set {
    int count;
    char **text;
    token_list *tokens; /* with TOKEN_BEGIN */
} prompt_set;

typedef struct corpus {
    prose text;
    tokenizer tokenizer;
    dataset windows;     /* groups of one: context tokens from the beginning of a passage on */
    prompt_set practice; /* openings of passages that the model is trained on too */
    prompt_set held_out; /* openings of passages that nothing is trained on */
} corpus;

typedef struct corpus_plan {
    const char *path, *vocabulary; /* text to read, tokenizer file to write */
    int vocab, context, practice, held_out;
    uint64_t seed;
} corpus_plan;

bool corpus_load(corpus *c, const corpus_plan *plan, pool *threads, problem *why);
void corpus_free(corpus *c);

#endif
