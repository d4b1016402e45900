/* Preference data as token sequences. A group is a prompt with two or more answers; a pair is a group
 * of two, the chosen answer first, with scores 1 and 0. */
#ifndef TUNE_DATA_H
#define TUNE_DATA_H

#include "tokenizer.h"
#include "util.h"

#include <stdio.h>

typedef enum data_kind { DATA_PAIRS, DATA_LISTS } data_kind;

typedef struct sequence {
    int64_t first; /* in dataset.tokens: <s>, prompt, answer, <s> */
    int length,
        prompt;   /* tokens in all; tokens of <s> and prompt, which are given and never scored */
    double score; /* how good people found the answer; larger is better */
    double
        label; /* the share of its group that it is better than, in [0,1], or what labels.h makes of score */
} sequence;

/* Why something of the file was left out. */
typedef enum skip_reason {
    SKIP_EMPTY, /* no prompt, or an answer without text */
    SKIP_LONG,  /* more tokens than the model's context */
    SKIP_EQUAL, /* chosen equal to rejected, or an answer that repeats another of its list */
    SKIP_FEW,   /* a list with fewer than two answers left */
    SKIP_TIED,  /* a list whose scores are all the same */
    SKIP_REASONS
} skip_reason;

typedef struct dataset {
    data_kind kind;
    token_list tokens;
    sequence *sequences;
    int64_t count, room;
    int64_t *start; /* [groups+1] into sequences */
    int64_t groups, start_room;
    int64_t rows_read;
    int64_t rows_skipped[SKIP_REASONS];    /* whole pairs or lists */
    int64_t answers_skipped[SKIP_REASONS]; /* single answers of lists */
} dataset;

/* Reads a JSON array or one JSON object a line. An error names the line or element and the field. */
bool data_load(dataset *d, const char *path, data_kind kind, const tokenizer *t, int context,
               problem *why);
/* Adds a group made in memory, its tokens as they stand, to a dataset that is zero or has groups. The
 * prompt begins with TOKEN_BEGIN. */
void data_append(dataset *d, const token_list *prompt, const token_list *answers,
                 const double *scores, int count);
void data_free(dataset *d);
void data_report(const dataset *d, const char *path, FILE *to);
uint64_t data_checksum(const dataset *d); /* over everything that a log-probability depends on */

/* From the scores of one group: psi_i = (1/K) sum over j of [i better than j], where a tie and i itself
 * count half. With distinct scores that is (K - rank + 1/2) / K: LiPO's labels (arXiv 2402.01878, the
 * win matrix made from ranks alone). */
void data_set_labels(sequence *s, int64_t count);

#endif
