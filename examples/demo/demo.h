/* The demo from end to end: what it is set to, and what its parts hand to each other.
 *
 *     corpus    text -> vocabulary, windows to train on, prompts
 *     learn     windows -> a language model; lists of answers -> a tuned one
 *     collect   model, prompts -> answers with the judge's verdicts
 *     contest   a loss -> the tuned model's answers against the untuned one's
 *     show      tables, samples, a picture, results.json
 */
#ifndef DEMO_DEMO_H
#define DEMO_DEMO_H

#include "collect.h"
#include "corpus.h"
#include "judge.h"
#include "learn.h"
#include "stats.h"

enum { LOSSES = 3, ANSWERS = 8 };

typedef struct settings {
    const char *text, *words, *out; /* files to read; folder to write to */
    int threads;
    uint64_t seed;
    model_config model;
    course pretrain, tune[LOSSES];
    int practice, held_out; /* prompts */
} settings;

/* What tuning with one loss did. */
typedef struct outcome {
    const course *course;
    win_rate wins; /* against the untuned model, on the held-out prompts */
    collection answers;
    curve curve;
    double accuracy; /* pairs of practice answers that the tuned model ranks as the judge does */
    double better, worse; /* change in log-probability of the upper and lower half of those lists */
} outcome;

typedef struct demo {
    settings settings;
    pool *threads;
    dictionary words;
    corpus corpus;
    model model; /* untuned */
    curve pretraining;
    dataset lists; /* practice prompts with their answers, scored by the judge */
    double *ref;   /* [lists.count] log-probabilities under the untuned model */
    collection untuned;
    outcome outcome[LOSSES];
    double begin;
} demo;

/* Fills d->lists, d->ref and d->untuned. */
bool contest_prepare(demo *d, problem *why);
/* Tunes a copy of the model and lets it answer: fills d->outcome[i]. */
bool contest_run(demo *d, int i, problem *why);
/* Is the interval above one half? */
bool contest_won(const outcome *o);
/* Why a loss has not won, from what was measured, as sentences for people. */
void contest_reason(const outcome *o, const verdict *untuned, char *text, size_t room);

void show_table(const demo *d);
void show_samples(const demo *d);
bool show_picture(const demo *d, char *path, size_t room, problem *why);
bool show_results(const demo *d, const char *picture, problem *why);

#endif
