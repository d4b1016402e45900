#include "judge.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WORD_LONGEST = 64 };

static int64_t first_slot(const dictionary *d, const char *word, size_t length)
{
    return (int64_t)(checksum(CHECKSUM_START, word, length) & (uint64_t)(d->slots - 1));
}

static bool is_at(const dictionary *d, int64_t slot, const char *word, size_t length)
{
    const char *known = d->bytes + d->slot[slot];

    return strncmp(known, word, length) == 0 && known[length] == '\0';
}

bool dictionary_has(const dictionary *d, const char *word, size_t length)
{
    for (int64_t at = first_slot(d, word, length); d->slot[at] >= 0; at = (at + 1) & (d->slots - 1))
        if (is_at(d, at, word, length))
            return true;
    return false;
}

static bool read_words(dictionary *d, const char *path, problem *why)
{
    FILE *file = fopen(path, "r");
    char line[256];
    int64_t used = 0, room = 0;

    if (!file)
        return refuse(why, "%s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, file)) {
        const size_t length = strcspn(line, "\r\n");

        if (length == 0)
            continue;
        grow(&d->bytes, &room, used + (int64_t)length + 1, 1);
        memcpy(d->bytes + used, line, length);
        d->bytes[used + (int64_t)length] = '\0';
        used += (int64_t)length + 1;
        d->count++;
    }
    fclose(file);
    return d->count > 0 || refuse(why, "%s: no words", path);
}

static void index_words(dictionary *d)
{
    int64_t offset = 0;

    for (d->slots = 16; d->slots < 2 * d->count;)
        d->slots *= 2;
    d->slot = take(d->slots, sizeof *d->slot);
    memset(d->slot, 0xff, (size_t)d->slots * sizeof *d->slot);
    for (int64_t i = 0; i < d->count; i++) {
        const size_t length = strlen(d->bytes + offset);
        int64_t at = first_slot(d, d->bytes + offset, length);

        while (d->slot[at] >= 0)
            at = (at + 1) & (d->slots - 1);
        d->slot[at] = offset;
        offset += (int64_t)length + 1;
    }
}

bool dictionary_load(dictionary *d, const char *path, problem *why)
{
    *d = (dictionary){0};
    if (!read_words(d, path, why)) {
        dictionary_free(d);
        return false;
    }
    index_words(d);
    return true;
}

void dictionary_free(dictionary *d)
{
    free(d->bytes);
    free(d->slot);
    *d = (dictionary){0};
}

typedef struct span {
    const char *word;
    size_t length;
} span;

static bool in_word(const char *at)
{
    return isalpha((unsigned char)at[0]) || (at[0] == '\'' && isalpha((unsigned char)at[1]));
}

/* The next word from *at on, or length 0; moves *at behind it. A word that the text ends in is not
 * whole: nothing says that it would not have gone on. */
static span next_word(const char **at)
{
    span w = {0};

    while (**at && !isalpha((unsigned char)**at))
        ++*at;
    w.word = *at;
    while (in_word(*at))
        ++*at;
    if (**at)
        w.length = (size_t)(*at - w.word);
    return w;
}

static bool is_known(const dictionary *d, span w)
{
    char small[WORD_LONGEST];

    if (w.length == 1)
        return strchr("aAIO", *w.word) != NULL;
    if (w.length > WORD_LONGEST)
        return false;
    if (dictionary_has(d, w.word, w.length))
        return true;
    for (size_t i = 0; i < w.length; i++)
        small[i] = (char)tolower((unsigned char)w.word[i]);
    if (dictionary_has(d, small, w.length))
        return true;
    return w.length > 3 && memcmp(small + w.length - 2, "'s", 2) == 0 &&
           is_known(d, (span){w.word, w.length - 2});
}

static bool same(span a, span b)
{
    return a.length == b.length && strncasecmp(a.word, b.word, a.length) == 0;
}

/* Was the pair (left, right) said between text and left? */
static bool said_before(const char *text, span left, span right)
{
    span a = next_word(&text);

    while (a.word < left.word) {
        const span b = next_word(&text);

        if (same(a, left) && same(b, right))
            return true;
        a = b;
    }
    return false;
}

verdict judge(const dictionary *d, const char *text)
{
    const char *at = text;
    size_t letters = 0, known = 0, pairs = 0, repeated = 0;
    span last = {0};
    verdict v = {0};

    for (span w = next_word(&at); w.length > 0; w = next_word(&at)) {
        letters += w.length;
        known += is_known(d, w) ? w.length : 0;
        if (last.length > 0) {
            pairs++;
            repeated += said_before(text, last, w);
        }
        last = w;
    }
    if (letters < JUDGE_LETTERS)
        letters = JUDGE_LETTERS;
    v.known = (double)known / (double)letters;
    v.repeated = pairs > 0 ? (double)repeated / (double)pairs : 0;
    v.score = v.known - v.repeated;
    return v;
}
