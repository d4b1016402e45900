/* What a model answers to prompts, and what the judge says of it. */
#ifndef DEMO_COLLECT_H
#define DEMO_COLLECT_H

#include "corpus.h"
#include "judge.h"
#include "sample.h"

typedef struct collection {
    int count, each;    /* answers in all; to a prompt: answer i is to prompt i / each */
    token_list *answer; /* [count] */
    char **text;
    double *score; /* the judge's */
    verdict mean;
} collection;

typedef struct collecting {
    const model *model;
    const tokenizer *tokenizer;
    const dictionary *words;
    const prompt_set *prompts;
    int each;
    uint64_t seed;
    const char *what; /* for the progress bar */
} collecting;

enum { ANSWER_TOKENS = 32 };

/* Draws answers of ANSWER_TOKENS tokens at temperature 1, from the model's whole distribution. */
bool collect(collection *c, const collecting *from, pool *threads, problem *why);
void collection_free(collection *c);

#endif
