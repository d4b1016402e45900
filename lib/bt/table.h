/* Inside the table of counts: what adds to cells, and what reads them. */
#ifndef ALIGN__BT_TABLE_H
#define ALIGN__BT_TABLE_H

#include "bt.h"

#include <string.h>

/* x = mantissa * 2^shift in units of 2^-96; what lies below is rounded, the same way in every row. */
static inline void align__bt_wide_add(struct align__wide *sum, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52 & 0x7ff);
    if (exponent == 0)
        return;
    uint64_t mantissa = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    int shift = exponent - 1023 - 52 + 96;
    if (shift < -53)
        return;
    if (shift < 0) {
        mantissa = ((mantissa >> (-shift - 1)) + 1) >> 1;
        shift = 0;
    }
    int word = shift / 64, inside = shift % 64;
    uint64_t add[2] = {mantissa << inside, inside == 0 ? 0 : mantissa >> (64 - inside)};
    uint64_t carry = 0;
    for (int k = word; k < 3; k++) {
        uint64_t part = k - word < 2 ? add[k - word] : 0;
        uint64_t total = sum->part[k] + part;
        uint64_t over = total < part;
        sum->part[k] = total + carry;
        carry = over | (sum->part[k] < total);
    }
}

void align__bt_wide_join(struct align__wide *sum, const struct align__wide *other);
double align__bt_wide_value(const struct align__wide *sum);

/* The cell that holds a pair, or the free one where it belongs. */
static inline int64_t align__bt_find_cell(const struct align__bt_table *table, uint64_t place)
{
    uint64_t hash = (place + 1) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 29;
    int64_t at = (int64_t)(((hash & UINT32_MAX) * (uint64_t)table->cells) >> 32);
    while (table->key[at] != place + 1 && table->key[at] != 0)
        at = at + 1 == table->cells ? 0 : at + 1;
    return at;
}

/* The cell of a pair, taken when it is new; -1 when it is new and the table full. */
static inline int64_t align__bt_cell_of(struct align__bt_table *table, uint64_t place)
{
    if (table->most == 0)
        return -1;
    if (table->key == NULL)
        return (int64_t)place;
    int64_t at = align__bt_find_cell(table, place);
    if (table->key[at] == 0) {
        if (table->used == table->most)
            return -1;
        table->key[at] = place + 1;
        table->used++;
    }
    return at;
}

/* first * n_items + second of a cell, and whether anything was ever counted there. */
uint64_t align__bt_place_of(const struct align__bt_table *table, int64_t cell);
bool align__bt_holds(const struct align__bt_table *table, int64_t cell);

/* All that a cell of a weighted table counts. Adding it to another cell loses nothing. */
struct align__bt_cell {
    uint64_t unit[ALIGN__BT_OUTCOMES];
    struct align__bt_sums sums;
};

void align__bt_get_cell(const struct align__bt_table *table, int64_t at,
                        struct align__bt_cell *cell);
void align__bt_add_cell(struct align__bt_table *table, int64_t at,
                        const struct align__bt_cell *cell);

#endif
