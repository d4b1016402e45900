#include "bpe.h"

#include "tokenizer.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_LONGEST = 24, WORD_LONGEST = 64, FIRST = TOKEN_FIRST_BYTE + 256, VOCAB_MOST = 8192 };

/* A different word of the text: its symbols are parts[first .. first+length-1]. */
typedef struct word {
    int64_t first, times;
    int length;
} word;

typedef struct learner {
    char (*piece)[PIECE_LONGEST + 1]; /* [vocab] */
    int vocab, pieces;
    int of_byte[256]; /* piece of a single character */
    word *words;
    int64_t count, room;
    int *parts;
    int64_t used, parts_room;
    int32_t *slot; /* hash table of words, -1: free */
    int64_t slots;
    int64_t *pairs; /* [vocab][vocab] how often two pieces stand side by side */
} learner;

static int character(learner *l, unsigned char c)
{
    if (l->of_byte[c] == 0 && l->pieces < l->vocab) {
        l->of_byte[c] = l->pieces;
        l->piece[l->pieces++][0] = (char)c;
    }
    return l->of_byte[c];
}

static bool same(const learner *l, const word *w, const int *symbols, int length)
{
    return w->length == length &&
           memcmp(l->parts + w->first, symbols, (size_t)length * sizeof *symbols) == 0;
}

static void count_word(learner *l, const int *symbols, int length)
{
    const uint64_t hash = checksum(CHECKSUM_START, symbols, (size_t)length * sizeof *symbols);
    int64_t at = (int64_t)(hash & (uint64_t)(l->slots - 1));

    while (l->slot[at] >= 0 && !same(l, &l->words[l->slot[at]], symbols, length))
        at = (at + 1) & (l->slots - 1);
    if (l->slot[at] < 0) {
        grow(&l->words, &l->room, l->count + 1, sizeof *l->words);
        grow(&l->parts, &l->parts_room, l->used + length, sizeof *l->parts);
        memcpy(l->parts + l->used, symbols, (size_t)length * sizeof *symbols);
        l->words[l->count] = (word){.first = l->used, .length = length};
        l->used += length;
        l->slot[at] = (int32_t)l->count++;
    }
    l->words[l->slot[at]].times++;
}

/* Cuts a passage into words with the space before them, as tokenizer_encode will see them. */
static void count_words(learner *l, const char *passage)
{
    int symbols[WORD_LONGEST], length = 0;

    symbols[length++] = character(l, ' ');
    for (const unsigned char *at = (const unsigned char *)passage; *at; at++) {
        if (!isalpha(*at) || length == WORD_LONGEST) {
            count_word(l, symbols, length);
            length = 0;
        }
        symbols[length++] = character(l, *at);
    }
    count_word(l, symbols, length);
}

/* The pair of pieces that stands side by side most often (the first of equals), or false if none does
 * twice. */
static bool best_pair(learner *l, int *left, int *right)
{
    int64_t most = 1;

    memset(l->pairs, 0, (size_t)l->vocab * (size_t)l->vocab * sizeof *l->pairs);
    for (int64_t i = 0; i < l->count; i++) {
        const int *part = l->parts + l->words[i].first;

        for (int k = 0; k + 1 < l->words[i].length; k++)
            l->pairs[(int64_t)part[k] * l->vocab + part[k + 1]] += l->words[i].times;
    }
    for (int a = FIRST; a < l->pieces; a++) {
        for (int b = FIRST; b < l->pieces; b++) {
            if (l->pairs[(int64_t)a * l->vocab + b] > most &&
                strlen(l->piece[a]) + strlen(l->piece[b]) <= PIECE_LONGEST) {
                most = l->pairs[(int64_t)a * l->vocab + b];
                *left = a;
                *right = b;
            }
        }
    }
    return most > 1;
}

static void merge_pair(learner *l, int left, int right)
{
    const int made = l->pieces++;
    const size_t split = strlen(l->piece[left]);

    memcpy(l->piece[made], l->piece[left], split);
    memcpy(l->piece[made] + split, l->piece[right], strlen(l->piece[right]) + 1);
    for (int64_t i = 0; i < l->count; i++) {
        word *w = &l->words[i];
        int *part = l->parts + w->first, kept = 0;

        for (int k = 0; k < w->length; k++) {
            const bool joins = k + 1 < w->length && part[k] == left && part[k + 1] == right;

            part[kept++] = joins ? made : part[k];
            k += joins;
        }
        w->length = kept;
    }
}

/* Early merges have the higher scores: encoding then repeats the order of learning. */
static bool write_file(const learner *l, const char *path, problem *why)
{
    const int32_t longest = PIECE_LONGEST;
    FILE *file = fopen(path, "wb");
    bool ok;

    if (!file)
        return refuse(why, "%s: %s", path, strerror(errno));
    ok = fwrite(&longest, sizeof longest, 1, file) == 1;
    for (int id = 0; id < l->vocab && ok; id++) {
        const float score = id < FIRST ? 0 : (float)(FIRST - id);
        const int32_t length = (int32_t)strlen(l->piece[id]);

        ok = fwrite(&score, sizeof score, 1, file) == 1 &&
             fwrite(&length, sizeof length, 1, file) == 1 &&
             fwrite(l->piece[id], 1, (size_t)length, file) == (size_t)length;
    }
    ok = fclose(file) == 0 && ok;
    return ok || refuse(why, "%s: cannot write: %s", path, strerror(errno));
}

static void learner_create(learner *l, const prose *t, int vocab)
{
    int64_t most_words = 0;

    for (int64_t i = 0; i < t->count; i++)
        most_words += (int64_t)strlen(t->passage[i]) + 1;
    *l = (learner){.vocab = vocab, .pieces = FIRST, .slots = 16};
    while (l->slots <= most_words)
        l->slots *= 2;
    l->piece = take(vocab, sizeof *l->piece);
    l->slot = take(l->slots, sizeof *l->slot);
    l->pairs = take((int64_t)vocab * vocab, sizeof *l->pairs);
    memset(l->slot, 0xff, (size_t)l->slots * sizeof *l->slot);
    snprintf(l->piece[TOKEN_UNKNOWN], sizeof l->piece[0], "<unk>");
    snprintf(l->piece[TOKEN_BEGIN], sizeof l->piece[0], "\n<s>\n");
    snprintf(l->piece[TOKEN_END], sizeof l->piece[0], "\n</s>\n");
    for (int byte = 0; byte < 256; byte++)
        snprintf(l->piece[TOKEN_FIRST_BYTE + byte], sizeof l->piece[0], "<0x%02X>", (unsigned)byte);
}

static void learner_free(learner *l)
{
    free(l->piece);
    free(l->words);
    free(l->parts);
    free(l->slot);
    free(l->pairs);
}

bool bpe_learn(const prose *t, int vocab, const char *path, problem *why)
{
    learner l;
    int left = 0, right = 0;
    bool ok;

    if (vocab < FIRST || vocab > VOCAB_MOST)
        return refuse(why, "vocabulary of %d, expected %d..%d", vocab, FIRST, VOCAB_MOST);
    learner_create(&l, t, vocab);
    for (int64_t i = 0; i < t->count; i++)
        count_words(&l, t->passage[i]);
    while (l.pieces < vocab && best_pair(&l, &left, &right))
        merge_pair(&l, left, right);
    ok = l.pieces == vocab ? write_file(&l, path, why)
                           : refuse(why, "the text has pieces for a vocabulary of %d, expected %d",
                                    l.pieces, vocab);
    learner_free(&l);
    return ok;
}
