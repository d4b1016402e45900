#include "tokenizer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_LIMIT = 1024 };

static uint32_t hash_piece(const tokenizer *t, const char *piece, int length)
{
    uint64_t hash = checksum(CHECKSUM_START, piece, (size_t)length);

    return (uint32_t)(hash ^ (hash >> 32)) & (t->slots - 1);
}

static int find_piece(const tokenizer *t, const char *piece, int length)
{
    for (uint32_t at = hash_piece(t, piece, length);; at = (at + 1) & (t->slots - 1)) {
        int id = t->slot[at];

        if (id < 0 || (t->length[id] == length && memcmp(t->piece[id], piece, (size_t)length) == 0))
            return id;
    }
}

static void index_pieces(tokenizer *t)
{
    for (t->slots = 16; t->slots < 2 * (uint32_t)t->vocab;)
        t->slots *= 2;
    t->slot = take(t->slots, sizeof *t->slot);
    memset(t->slot, 0xff, t->slots * sizeof *t->slot);
    for (int id = TOKEN_FIRST_BYTE + 256; id < t->vocab; id++) {
        uint32_t at = hash_piece(t, t->piece[id], t->length[id]);

        if (find_piece(t, t->piece[id], t->length[id]) >= 0)
            continue;
        while (t->slot[at] >= 0)
            at = (at + 1) & (t->slots - 1);
        t->slot[at] = id;
    }
}

static bool load_open(tokenizer *t, FILE *file, const char *path, problem *why)
{
    int32_t longest;

    if (fread(&longest, sizeof longest, 1, file) != 1 || longest < 1 || longest > PIECE_LIMIT)
        return refuse(why,
                      "%s: not a tokenizer file: the first number is not a piece length of 1..%d",
                      path, PIECE_LIMIT);
    for (int id = 0; id < t->vocab; id++) {
        int32_t length;

        if (fread(&t->score[id], sizeof *t->score, 1, file) != 1 ||
            fread(&length, sizeof length, 1, file) != 1)
            return refuse(why, "%s: truncated at token %d; the model's vocabulary is %d", path, id,
                          t->vocab);
        if (length < 0 || length > PIECE_LIMIT)
            return refuse(why, "%s: length of token %d = %d, expected 0..%d", path, id, length,
                          PIECE_LIMIT);
        t->piece[id] = take(length + 1, 1);
        t->length[id] = length;
        if (fread(t->piece[id], 1, (size_t)length, file) != (size_t)length)
            return refuse(why, "%s: truncated inside token %d of %d", path, id, t->vocab);
        t->longest = length > t->longest ? length : t->longest;
    }
    if (fgetc(file) != EOF)
        return refuse(why, "%s: has more tokens than the model's vocabulary of %d", path, t->vocab);
    return true;
}

bool tokenizer_load(tokenizer *t, const char *path, int vocab, problem *why)
{
    FILE *file = fopen(path, "rb");
    bool ok;

    *t = (tokenizer){.vocab = vocab};
    if (!file)
        return refuse(why, "%s: %s", path, strerror(errno));
    t->piece = take(vocab, sizeof *t->piece);
    t->length = take(vocab, sizeof *t->length);
    t->score = take(vocab, sizeof *t->score);
    ok = vocab >= TOKEN_FIRST_BYTE + 256
             ? load_open(t, file, path, why)
             : refuse(why, "%s: the model's vocabulary is %d, expected at least %d", path, vocab,
                      TOKEN_FIRST_BYTE + 256);
    fclose(file);
    if (ok)
        index_pieces(t);
    else
        tokenizer_free(t);
    return ok;
}

void tokenizer_free(tokenizer *t)
{
    for (int id = 0; t->piece && id < t->vocab; id++)
        free(t->piece[id]);
    free(t->piece);
    free(t->length);
    free(t->score);
    free(t->slot);
    *t = (tokenizer){0};
}

void token_push(token_list *list, int id)
{
    grow(&list->id, &list->room, list->count + 1, sizeof *list->id);
    list->id[list->count++] = id;
}

/* Encoding: symbols in a doubly linked list, neighbours that form a piece in a heap by score, the
 * leftmost first among equals. An entry is stale once one of its two symbols has changed. */
typedef struct symbol {
    int id, previous, next; /* id -1: merged into its left neighbour */
} symbol;

typedef struct merge {
    float score;
    int at, left, right, id;
} merge;

typedef struct encoder {
    const tokenizer *t;
    symbol *symbols;
    merge *heap;
    int64_t count, room;
    char *joined;
} encoder;

static bool before(const merge *a, const merge *b)
{
    return a->score > b->score || (a->score == b->score && a->at < b->at);
}

static void heap_push(encoder *e, merge m)
{
    int64_t i = e->count++;

    grow(&e->heap, &e->room, e->count, sizeof *e->heap);
    for (; i > 0 && before(&m, &e->heap[(i - 1) / 2]); i = (i - 1) / 2)
        e->heap[i] = e->heap[(i - 1) / 2];
    e->heap[i] = m;
}

static merge heap_pop(encoder *e)
{
    merge top = e->heap[0], last = e->heap[--e->count];
    int64_t i = 0, child;

    while ((child = 2 * i + 1) < e->count) {
        if (child + 1 < e->count && before(&e->heap[child + 1], &e->heap[child]))
            child++;
        if (!before(&e->heap[child], &last))
            break;
        e->heap[i] = e->heap[child];
        i = child;
    }
    e->heap[i] = last;
    return top;
}

static void offer_merge(encoder *e, int at)
{
    const tokenizer *t = e->t;
    int left, right, id;

    if (at < 0 || e->symbols[at].next < 0)
        return;
    left = e->symbols[at].id;
    right = e->symbols[e->symbols[at].next].id;
    if (t->length[left] + t->length[right] > t->longest)
        return;
    memcpy(e->joined, t->piece[left], (size_t)t->length[left]);
    memcpy(e->joined + t->length[left], t->piece[right], (size_t)t->length[right]);
    id = find_piece(t, e->joined, t->length[left] + t->length[right]);
    if (id >= 0)
        heap_push(e, (merge){t->score[id], at, left, right, id});
}

static int character_length(const char *text)
{
    int length = 1;

    while (length < 4 && ((unsigned char)text[length] & 0xc0) == 0x80)
        length++;
    return length;
}

static int split_symbols(encoder *e, const char *text)
{
    int count = 0, length;

    for (const char *at = text; *at; at += length) {
        int id;

        length = character_length(at);
        id = find_piece(e->t, at, length);
        for (int i = 0; i < (id >= 0 ? 1 : length); i++, count++)
            e->symbols[count] = (symbol){id >= 0 ? id : (unsigned char)at[i] + TOKEN_FIRST_BYTE,
                                         count - 1, count + 1};
    }
    if (count > 0)
        e->symbols[count - 1].next = -1;
    return count;
}

static void apply_merges(encoder *e)
{
    while (e->count > 0) {
        merge m = heap_pop(e);
        symbol *left = &e->symbols[m.at], *right;

        if (left->id != m.left || left->next < 0 || e->symbols[left->next].id != m.right)
            continue;
        right = &e->symbols[left->next];
        left->id = m.id;
        left->next = right->next;
        right->id = -1;
        if (left->next >= 0)
            e->symbols[left->next].previous = m.at;
        offer_merge(e, left->previous);
        offer_merge(e, m.at);
    }
}

void tokenizer_encode(const tokenizer *t, const char *text, token_list *to)
{
    size_t bytes = strlen(text);
    encoder e = {.t = t};
    char *spaced;
    int count;

    if (bytes == 0)
        return;
    spaced = take((int64_t)bytes + 2, 1);
    snprintf(spaced, bytes + 2, " %s", text);
    e.symbols = take((int64_t)bytes + 1, sizeof *e.symbols);
    e.joined = take(t->longest + 1, 1);
    count = split_symbols(&e, spaced);
    for (int i = 0; i + 1 < count; i++)
        offer_merge(&e, i);
    apply_merges(&e);
    for (int i = 0; i >= 0; i = e.symbols[i].next)
        token_push(to, e.symbols[i].id);
    free(e.joined);
    free(e.heap);
    free(e.symbols);
    free(spaced);
}

void tokenizer_decode(const tokenizer *t, int previous, int id, char **text, int64_t *count,
                      int64_t *room)
{
    const char *piece = t->piece[id];
    int length = t->length[id];
    char byte;

    if (id >= TOKEN_FIRST_BYTE && id < TOKEN_FIRST_BYTE + 256) {
        byte = (char)(id - TOKEN_FIRST_BYTE);
        piece = &byte;
        length = 1;
    } else if (id < TOKEN_FIRST_BYTE) {
        length = 0;
    } else if (previous == TOKEN_BEGIN && piece[0] == ' ') {
        piece++;
        length--;
    }
    grow(text, room, *count + length + 1, 1);
    memcpy(*text + *count, piece, (size_t)length);
    *count += length;
    (*text)[*count] = '\0';
}
