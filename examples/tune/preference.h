/* The seam between a trainer and libalign: everything the trainer gets from the library goes through
 * here. One training step is
 *
 *     model_forward        ->  logits of the answers' rows
 *     preference_forward   ->  log-probability of each answer
 *     preference_loss      ->  loss, accuracy, margin; d(loss) / d(log-probability)
 *     preference_backward  ->  d(loss) / d(logits), in place of the logits
 *     model_backward       ->  d(loss) / d(parameters)
 */
#ifndef TUNE_PREFERENCE_H
#define TUNE_PREFERENCE_H

#include "model.h"
#include "pack.h"
#include "pool.h"
#include "util.h"

#include <libalign/align.h>

#include <stdio.h>

/* What a row means by a second number of each answer (align_loss_args.aux). */
typedef enum preference_aux {
    AUX_NONE,
    AUX_DRIFT, /* tdpo: the sum of KL(reference || model) over its tokens */
    AUX_GOLD   /* tpo: the log-probability of the best answer of its group */
} preference_aux;

/* Sums over groups, so that tallies of several batches add up. Accuracy and margin are those of pairs of
 * answers with different scores: how many are in the right order, ties half, and by how much. */
typedef struct tally {
    double loss, groups;
    double accuracy, margin, pairs;
} tally;

typedef struct preference {
    align_loss_info info;
    align_loss_params params;
    align_loss_params
        yardstick; /* the row dpo, whose metrics measure what is not trained by pairs */
    int vocab;
    align_error error;
    align_exec exec;
    void *scratch;
    /* One batch: what the head leaves for its backward, and the groups as the row wants them. */
    double *token_logp, *lse;
    double *ref, *label;
    preference_aux second;
    double *kl, *dkl;   /* a row of logits each */
    double *aux, *daux; /* an answer each */
    int64_t *count, *index, index_groups;
    int64_t room_rows, room_sequences, room_index;
} preference;

/* Finds the row by name; its parameters have their defaults. */
bool preference_open(preference *f, const char *loss, int vocab, pool *threads, problem *why);
void preference_close(preference *f);
/* Sets a parameter of the row by the name that libalign gives it. */
bool preference_set(preference *f, const char *parameter, double value, problem *why);
/* The same by the name of a value, where values have names. */
bool preference_choose(preference *f, const char *parameter, const char *word, problem *why);
bool preference_needs_reference(const preference *f);
/* Whether each batch needs the logits of the reference too. Where it does not, ref_logits below is NULL. */
bool preference_needs_reference_logits(const preference *f);

/* logp [p->sequences] from the logits of p's rows. */
bool preference_forward(preference *f, const pack *p, real *logits, real *ref_logits, double *logp,
                        problem *why);

/* Adds the loss of p's groups to *sum. ref is by dataset index, logp by sequence of the pack. dlogp, if
 * not NULL, is written: the gradient of the mean over the groups. */
bool preference_loss(preference *f, const dataset *d, const pack *p, const double *logp,
                     const double *ref, tally *sum, double *dlogp, problem *why);

/* Turns the logits that preference_forward saw last into their gradient. */
bool preference_backward(preference *f, const pack *p, real *logits, real *ref_logits,
                         const double *dlogp, problem *why);

/* The library's table of losses. */
void preference_list(FILE *to);

#endif
