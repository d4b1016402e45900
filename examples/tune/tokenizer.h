/* llama2.c's tokenizer file: a byte-pair vocabulary with scores. Tokens 0, 1, 2 are <unk>, <s>, </s>;
 * 3..258 are the raw bytes that stand in for characters the vocabulary has no piece for. */
#ifndef TUNE_TOKENIZER_H
#define TUNE_TOKENIZER_H

#include "util.h"

enum { TOKEN_UNKNOWN, TOKEN_BEGIN, TOKEN_END, TOKEN_FIRST_BYTE };

typedef struct tokenizer {
    int vocab, longest; /* longest piece in bytes */
    char **piece;
    int *length;
    float *score;
    int *slot; /* hash table of ids by piece, -1: free */
    uint32_t slots;
} tokenizer;

typedef struct token_list {
    int *id;
    int64_t count, room;
} token_list;

bool tokenizer_load(tokenizer *t, const char *path, int vocab, problem *why);
void tokenizer_free(tokenizer *t);

void token_push(token_list *list, int id);
/* Appends the tokens of text, which begins a word: as in training, a space is set before it. */
void tokenizer_encode(const tokenizer *t, const char *text, token_list *to);
/* Appends the text of id after previous to *text, a string of *count bytes (the space that encode adds
 * goes away after TOKEN_BEGIN). */
void tokenizer_decode(const tokenizer *t, int previous, int id, char **text, int64_t *count,
                      int64_t *room);

#endif
