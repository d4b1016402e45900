#include "table.h"

#include <string.h>

/* ---- exact sums --------------------------------------------------------------------------- */

void align__bt_wide_join(struct align__wide *sum, const struct align__wide *other)
{
    uint64_t carry = 0;
    for (int k = 0; k < 3; k++) {
        uint64_t total = sum->part[k] + other->part[k];
        uint64_t over = total < other->part[k];
        sum->part[k] = total + carry;
        carry = over | (sum->part[k] < total);
    }
}

double align__bt_wide_value(const struct align__wide *sum)
{
    if ((sum->part[0] | sum->part[1] | sum->part[2]) == 0)
        return 0;
    return (double)sum->part[2] * 0x1p32 + (double)sum->part[1] * 0x1p-32 +
           (double)sum->part[0] * 0x1p-96;
}

/* ---- the table ---------------------------------------------------------------------------- */

/* Rows of weight 1 and outcome 1 are wins alone. */
static size_t cell_bytes(bool weighted)
{
    return weighted ? ALIGN__BT_OUTCOMES * sizeof(uint64_t) + sizeof(struct align__bt_sums)
                    : sizeof(uint64_t);
}

/* Open addressing fills seven cells in eight. */
static double hashed_cells(int64_t pairs)
{
    return (double)pairs + (double)pairs / 7 + 1;
}

size_t align__bt_table_bytes(int64_t n_items, int64_t pairs, bool weighted)
{
    double dense = (double)n_items * (double)n_items * (double)cell_bytes(weighted);
    double hashed = hashed_cells(pairs) * (double)(cell_bytes(weighted) + sizeof(uint64_t));
    return align__block((size_t)(dense < hashed ? dense : hashed)) + ALIGN__LINE;
}

void align__bt_table_lay(struct align__bt_table *table, void *memory, size_t bytes, int64_t n_items,
                         bool weighted, bool clear)
{
    size_t skip = (ALIGN__LINE - (uintptr_t)memory % ALIGN__LINE) % ALIGN__LINE;
    size_t room = memory == NULL || bytes < skip ? 0 : bytes - skip, each = cell_bytes(weighted);
    memset(table, 0, sizeof *table);
    table->n_items = n_items;
    if (room == 0)
        return;
    uint64_t *at = (uint64_t *)(void *)((char *)memory + skip), *begin = at;
    if ((double)n_items * (double)n_items * (double)each <= (double)room) {
        table->cells = table->most = table->used = n_items * n_items;
    } else {
        room /= each + sizeof(uint64_t);
        table->cells = room < UINT32_MAX ? (int64_t)room : UINT32_MAX;
        table->most = table->cells / 8 * 7 + table->cells % 8 * 7 / 8;
        table->key = at;
        at += table->cells;
    }
    for (int k = 0; k < (weighted ? ALIGN__BT_OUTCOMES : 1); k++, at += table->cells)
        table->unit[k] = at;
    if (weighted)
        table->sums = (struct align__bt_sums *)(void *)at;
    if (clear)
        memset(begin, 0, (size_t)((char *)at - (char *)begin));
    if (clear && weighted)
        memset(table->sums, 0, sizeof *table->sums * (size_t)table->cells);
}

/* ---- tables into tables -------------------------------------------------------------------- */

uint64_t align__bt_place_of(const struct align__bt_table *table, int64_t cell)
{
    return table->key == NULL ? (uint64_t)cell : table->key[cell] - 1;
}

bool align__bt_holds(const struct align__bt_table *table, int64_t cell)
{
    if (table->key != NULL)
        return table->key[cell] != 0;
    static const struct align__bt_sums none;
    if (table->unit[ALIGN__BT_WIN][cell] != 0 || table->sums == NULL)
        return table->unit[ALIGN__BT_WIN][cell] != 0;
    return table->unit[ALIGN__BT_TIE][cell] != 0 || table->unit[ALIGN__BT_LOSS][cell] != 0 ||
           memcmp(&table->sums[cell], &none, sizeof none) != 0;
}

/* Whether the table can take every pair of another. */
static bool has_room(const struct align__bt_table *table, const struct align__bt_table *other)
{
    int64_t used = table->used;
    if (table->key == NULL && table->most > 0)
        return true;
    for (int64_t cell = 0; cell < other->cells; cell++) {
        if (!align__bt_holds(other, cell))
            continue;
        if (table->most == 0)
            return false;
        if (table->key[align__bt_find_cell(table, align__bt_place_of(other, cell))] == 0)
            used++;
    }
    return used <= table->most;
}

void align__bt_get_cell(const struct align__bt_table *table, int64_t at,
                        struct align__bt_cell *cell)
{
    memset(cell, 0, sizeof *cell);
    for (int k = 0; k < ALIGN__BT_OUTCOMES && table->unit[k] != NULL; k++)
        cell->unit[k] = table->unit[k][at];
    if (table->sums != NULL)
        cell->sums = table->sums[at];
}

void align__bt_add_cell(struct align__bt_table *table, int64_t at,
                        const struct align__bt_cell *cell)
{
    table->unit[ALIGN__BT_WIN][at] += cell->unit[ALIGN__BT_WIN];
    if (table->sums == NULL)
        return;
    struct align__bt_sums *sums = &table->sums[at];
    for (int k = 1; k < ALIGN__BT_OUTCOMES; k++)
        table->unit[k][at] += cell->unit[k];
    for (int k = 0; k < ALIGN__BT_OUTCOMES; k++)
        align__bt_wide_join(&sums->sum[k], &cell->sums.sum[k]);
    for (int k = 0; k < ALIGN__BT_SQUARES; k++)
        align__bt_wide_join(&sums->square[k], &cell->sums.square[k]);
}

bool align__bt_add_table(struct align__bt_table *table, const struct align__bt_table *other)
{
    bool dense = table->key == NULL && other->key == NULL && table->sums == NULL;
    if (!has_room(table, other))
        return false;
    for (int64_t cell = 0; dense && cell < other->cells; cell++)
        table->unit[ALIGN__BT_WIN][cell] += other->unit[ALIGN__BT_WIN][cell];
    for (int64_t cell = 0; !dense && cell < other->cells; cell++) {
        struct align__bt_cell content;
        if (!align__bt_holds(other, cell))
            continue;
        align__bt_get_cell(other, cell, &content);
        align__bt_add_cell(table, align__bt_cell_of(table, align__bt_place_of(other, cell)),
                           &content);
    }
    table->rows += other->rows;
    return true;
}

int64_t align__bt_table_items(const struct align__bt_table *table)
{
    int64_t items = 0;
    for (int64_t cell = 0; cell < table->cells; cell++) {
        if (!align__bt_holds(table, cell))
            continue;
        int64_t place = (int64_t)align__bt_place_of(table, cell);
        int64_t first = place / table->n_items, second = place % table->n_items;
        items = first >= items ? first + 1 : items;
        items = second >= items ? second + 1 : items;
    }
    return items;
}

void align__bt_read_cell(const struct align__bt_table *table, int64_t cell, double *sum,
                         double *square)
{
    const struct align__bt_sums *sums = table->sums == NULL ? NULL : &table->sums[cell];
    for (int k = 0; k < ALIGN__BT_SQUARES; k++) {
        bool counted = k < ALIGN__BT_OUTCOMES && table->unit[k] != NULL;
        double unit = counted ? (double)table->unit[k][cell] : 0;
        if (k < ALIGN__BT_OUTCOMES)
            sum[k] = unit + (sums == NULL ? 0 : align__bt_wide_value(&sums->sum[k]));
        if (square != NULL)
            square[k] = unit + (sums == NULL ? 0 : align__bt_wide_value(&sums->square[k]));
    }
}
