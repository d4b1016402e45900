#include "couple.h"

#include "math.h"

#include <string.h>

size_t align__couple_bytes(const struct align__plan *plan)
{
    return plan->row->couple == ALIGN__COUPLE_NONE
               ? 0
               : (size_t)ALIGN__COUPLE_ARRAYS * (size_t)plan->groups * sizeof(double);
}

static double number(const align_tensor *t, struct align__place place)
{
    return align__present(t) ? align__load(t->dtype, align__at(t, place.i, place.j)) : 0;
}

/* What the two sides of group g are sorted by. */
static void keys_of(const struct align__plan *plan, int64_t g, double key[2])
{
    double score[2], ref[2];
    struct align__place place;
    for (int k = 0; k < 2; k++) {
        align__find(plan, g, k, &place);
        score[k] = number(&plan->args->score, place);
        ref[k] = number(&plan->args->ref, place);
    }
    const bool margins = plan->row->couple == ALIGN__COUPLE_MARGINS;
    key[0] = margins ? align__minus(score[0], score[1]) : align__minus(score[0], ref[0]);
    key[1] = margins ? align__minus(ref[0], ref[1]) : align__minus(score[1], ref[1]);
}

/* A group and what it is sorted by, as a word that is smaller where the key is greater. */
struct item {
    uint64_t word;
    int64_t group;
};

static const uint64_t sign = UINT64_C(1) << 63;

/* -0 is 0. */
static uint64_t word_of(double key)
{
    uint64_t bits;
    key += 0.0;
    memcpy(&bits, &key, sizeof bits);
    return bits & sign ? bits : ~(bits | sign);
}

static double key_of(uint64_t word)
{
    const uint64_t bits = word & sign ? word : ~word & ~sign;
    double key;
    memcpy(&key, &bits, sizeof key);
    return key;
}

enum { DIGITS = sizeof(uint64_t), BYTES = 256 };

static unsigned digit_of(const struct item *item, int d)
{
    return (unsigned)(item->word >> (8 * d)) % BYTES;
}

/* By bytes, the lowest first; a byte that all words share takes no pass. Equal words keep their order. */
static void sort_items(struct item *items, struct item *spare, int64_t n)
{
    int64_t count[DIGITS][BYTES] = {{0}};
    struct item *from = items, *to = spare;
    for (int64_t i = 0; i < n; i++)
        for (int d = 0; d < DIGITS; d++)
            count[d][digit_of(&items[i], d)]++;
    for (int d = 0; d < DIGITS && n > 0; d++) {
        if (count[d][digit_of(&items[0], d)] == n)
            continue;
        for (int64_t b = 0, next = 0; b < BYTES; b++) {
            const int64_t here = count[d][b];
            count[d][b] = next;
            next += here;
        }
        for (int64_t i = 0; i < n; i++)
            to[count[d][digit_of(&from[i], d)]++] = from[i];
        struct item *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, (size_t)n * sizeof *items);
}

void align__couple(struct align__plan *plan, void *memory)
{
    const int64_t n = plan->groups;
    double *twin = memory;
    struct item *side[2] = {memory, memory}, *spare;
    side[0] += n;
    side[1] += 2 * n;
    spare = side[1] + n;
    int64_t m = 0;
    for (int64_t g = 0; g < n; g++) {
        double key[2];
        twin[g] = twin[n + g] = NAN;
        if (!align__is_live(plan, g))
            continue;
        keys_of(plan, g, key);
        if (isnan(key[0]) || isnan(key[1]))
            continue;
        for (int k = 0; k < 2; k++)
            side[k][m] = (struct item){word_of(key[k]), g};
        m++;
    }
    for (int k = 0; k < 2; k++)
        sort_items(side[k], spare, m);
    for (int64_t r = 0; r < m; r++) {
        twin[side[0][r].group] = key_of(side[1][r].word);
        twin[n + side[1][r].group] = key_of(side[0][r].word);
    }
    plan->twin[0] = twin;
    plan->twin[1] = twin + n;
}
