/* The judge of the demo: an objective number for a piece of text, the same for everyone.
 *
 *     The score of a text, cut after its last whole word, is the share of its letters that stand in
 *     words of the dictionary (of at least 40 letters, so that little text cannot win), less the share
 *     of its word pairs that it has said before.
 *
 * A word is a run of letters with apostrophes inside. It is in the dictionary as written, in small
 * letters, or without a final 's; of the single letters only a, A, I and O count. */
#ifndef DEMO_JUDGE_H
#define DEMO_JUDGE_H

#include "util.h"

typedef struct dictionary {
    char *bytes; /* the words, each with a 0 after it */
    int64_t count;
    int64_t *slot; /* hash table of offsets into bytes, -1: free */
    int64_t slots;
} dictionary;

/* A file of one word a line, as in /usr/share/dict. */
bool dictionary_load(dictionary *d, const char *path, problem *why);
void dictionary_free(dictionary *d);
bool dictionary_has(const dictionary *d, const char *word, size_t length);

enum { JUDGE_LETTERS = 40 };

typedef struct verdict {
    double known;    /* share of letters in words of the dictionary */
    double repeated; /* share of word pairs said before */
    double score;    /* known - repeated: 1 at best, above -1 */
} verdict;

verdict judge(const dictionary *d, const char *text);

#endif
