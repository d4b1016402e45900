/* Rows of a preference file as text: what data.c turns into tokens. */
#ifndef TUNE_ROWS_H
#define TUNE_ROWS_H

#include "util.h"

typedef struct answer {
    char *text;
    double score;
} answer;

typedef struct row {
    char *prompt;
    answer *answers;
    int count;
    int64_t room;
} row;

typedef struct row_list {
    row *rows;
    int64_t count, room;
} row_list;

/* Both leave a list that rows_free takes, also when they fail.
 *
 * Pairs: chosen, rejected and one of: prompt; instruction with an optional input; or neither, where
 * both are whole conversations and what they share is the prompt.
 *
 * Lists: prompt and responses, an array of {text, score}; or one answer a row as {source,
 * system_output, scores: {overall}} (UniEval), joined into lists by equal source and context over the
 * whole file, in order of first appearance. */
bool rows_load_pairs(row_list *list, const char *path, problem *why);
bool rows_load_lists(row_list *list, const char *path, problem *why);
void rows_free(row_list *list);

/* How many leading bytes of both conversations are their common prompt: it ends after the last
 * "Assistant:" that they share, or else after the last white space. */
size_t shared_prompt(const char *a, const char *b);

#endif
