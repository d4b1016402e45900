#include "couple.h"

#include "math.h"

#include <string.h>

size_t align__couple_bytes(const struct align__plan *plan)
{
    return plan->row->couple == ALIGN__COUPLE_NONE
               ? 0
               : (size_t)ALIGN__COUPLE_ARRAYS * (size_t)plan->groups * sizeof(double);
}

/* A tensor's numbers of both items of n groups, 0 where there is none. */
static void load(const struct align__plan *plan, const align_tensor *t, int64_t first, int n,
                 double x[2][ALIGN__BLOCK])
{
    struct align__place place;
    for (int k = 0; k < 2; k++) {
        if (!align__present(t))
            memset(x[k], 0, (size_t)n * sizeof x[k][0]);
        else if (!plan->may_miss)
            align__load_row(x[k], t->dtype, align__at(t, first, k), t->stride[0], n);
        else
            for (int i = 0; i < n; i++)
                x[k][i] = align__find(plan, first + i, k, &place)
                              ? align__load(t->dtype, align__at(t, place.i, place.j))
                              : 0;
    }
}

/* What the two sides of n groups are sorted by. */
static void keys_of(const struct align__plan *plan, int64_t first, int n,
                    double key[2][ALIGN__BLOCK])
{
    double score[2][ALIGN__BLOCK], ref[2][ALIGN__BLOCK];
    load(plan, &plan->args->score, first, n, score);
    load(plan, &plan->args->ref, first, n, ref);
    const bool margins = plan->row->couple == ALIGN__COUPLE_MARGINS;
    for (int i = 0; i < n; i++) {
        key[0][i] = align__minus(score[0][i], margins ? score[1][i] : ref[0][i]);
        key[1][i] = align__minus(margins ? ref[0][i] : score[1][i], ref[1][i]);
    }
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

static unsigned digit_of(const struct item *item, int shift)
{
    return (unsigned)(item->word >> shift) % BYTES;
}

/* From how many items of each byte there are to where the next one goes. */
static void count_places(int64_t place[BYTES])
{
    for (int64_t b = 0, next = 0; b < BYTES; b++) {
        const int64_t here = place[b];
        place[b] = next;
        next += here;
    }
}

/* Each item to the next place of its byte at bit `shift`. Equal ones keep their order. */
static void hand_out(const struct item *restrict from, struct item *restrict to, int64_t n,
                     int shift, int64_t *restrict place)
{
    for (int64_t i = 0; i < n; i++)
        to[place[digit_of(&from[i], shift)]++] = from[i];
}

/* Into `to`, by bytes from bit `shift` on, the lowest first; a byte that all words share takes no pass. `from` is used
 * up. */
static void sort_bytes(struct item *from, struct item *to, int64_t n, int shift, int digits)
{
    int64_t place[DIGITS][BYTES];
    struct item *const end = to;
    memset(place, 0, (size_t)digits * sizeof place[0]);
    for (int64_t i = 0; i < n; i++)
        for (int d = 0; d < digits; d++)
            place[d][digit_of(&from[i], shift + 8 * d)]++;
    for (int d = 0; d < digits; d++) {
        if (place[d][digit_of(&from[0], shift + 8 * d)] == n)
            continue;
        count_places(place[d]);
        hand_out(from, to, n, shift + 8 * d, place[d]);
        struct item *swap = from;
        from = to;
        to = swap;
    }
    if (from != end)
        memcpy(end, from, (size_t)n * sizeof *from);
}

/* Sorts what is nearly sorted; gives up, with false, after so many moves. Equal ones keep their order. */
static bool insert_all(struct item *items, int64_t n, int64_t moves)
{
    for (int64_t i = 1; i < n && moves >= 0; i++) {
        const struct item item = items[i];
        int64_t at = i;
        for (; at > 0 && items[at - 1].word > item.word; at--)
            items[at] = items[at - 1];
        items[at] = item;
        moves -= i - at;
    }
    return moves >= 0;
}

/* By four bytes from bit `shift` on: by the highest into parts, of which each then fits a cache. */
static void sort_parts(struct item *items, struct item *spare, int64_t n, int shift)
{
    enum { FEW = 32 };
    int64_t end[BYTES] = {0};
    for (int64_t i = 0; i < n; i++)
        end[digit_of(&items[i], shift + 24)]++;
    count_places(end);
    hand_out(items, spare, n, shift + 24, end);
    for (int64_t b = 0, begin = 0; b < BYTES; begin = end[b++]) {
        const int64_t part = end[b] - begin;
        if (part > FEW) {
            sort_bytes(spare + begin, items + begin, part, shift, 3);
        } else if (part > 0) {
            memcpy(items + begin, spare + begin, (size_t)part * sizeof *items);
            insert_all(items + begin, part, FEW * FEW);
        }
    }
}

/* Four bytes put most items in their places, those from the highest bit on in which words differ. */
static void sort_items(struct item *items, struct item *spare, int64_t n)
{
    uint64_t differ = 0;
    int shift = 0;
    for (int64_t i = 1; i < n; i++)
        differ |= items[i].word ^ items[0].word;
    while (differ >> shift > UINT32_MAX)
        shift++;
    sort_parts(items, spare, n, shift);
    if (shift > 0 && !insert_all(items, n, 4 * n)) {
        memcpy(spare, items, (size_t)n * sizeof *items);
        sort_bytes(spare, items, n, 0, DIGITS);
    }
}

void align__couple(struct align__plan *plan, void *memory)
{
    const int64_t n = plan->groups;
    double *twin = memory, key[2][ALIGN__BLOCK];
    struct item *side[2] = {memory, memory}, *spare;
    side[0] += n;
    side[1] += 2 * n;
    spare = side[1] + n;
    int64_t m = 0;
    for (int64_t g = 0; g < n; g++) {
        const int i = (int)(g % ALIGN__BLOCK);
        if (i == 0)
            keys_of(plan, g, n - g < ALIGN__BLOCK ? (int)(n - g) : ALIGN__BLOCK, key);
        twin[g] = twin[n + g] = NAN;
        if (isnan(key[0][i]) || isnan(key[1][i]) || !align__is_live(plan, g))
            continue;
        for (int k = 0; k < 2; k++)
            side[k][m] = (struct item){word_of(key[k][i]), g};
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
