#include "bt.h"

#include <string.h>

/* ---- exact sums --------------------------------------------------------------------------- */

/* x = mantissa * 2^shift in units of 2^-96; what lies below is rounded, the same way in every row. */
static void wide_add(struct align__wide *sum, double x)
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

static void wide_join(struct align__wide *sum, const struct align__wide *other)
{
    uint64_t carry = 0;
    for (int k = 0; k < 3; k++) {
        uint64_t total = sum->part[k] + other->part[k];
        uint64_t over = total < other->part[k];
        sum->part[k] = total + carry;
        carry = over | (sum->part[k] < total);
    }
}

static double wide_value(const struct align__wide *sum)
{
    return (double)sum->part[2] * 0x1p32 + (double)sum->part[1] * 0x1p-32 +
           (double)sum->part[0] * 0x1p-96;
}

/* ---- the table ---------------------------------------------------------------------------- */

static size_t cell_bytes(bool weighted)
{
    return ALIGN__BT_OUTCOMES * sizeof(uint64_t) + (weighted ? sizeof(struct align__bt_sums) : 0);
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
    for (int k = 0; k < ALIGN__BT_OUTCOMES; k++, at += table->cells)
        table->unit[k] = at;
    if (weighted)
        table->sums = (struct align__bt_sums *)(void *)at;
    if (clear)
        memset(begin, 0, (size_t)((char *)at - (char *)begin));
    if (clear && weighted)
        memset(table->sums, 0, sizeof *table->sums * (size_t)table->cells);
}

/* The cell that holds a pair, or the free one where it belongs. */
static int64_t find_cell(const struct align__bt_table *table, uint64_t place)
{
    uint64_t hash = (place + 1) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 29;
    int64_t at = (int64_t)(((hash & UINT32_MAX) * (uint64_t)table->cells) >> 32);
    while (table->key[at] != place + 1 && table->key[at] != 0)
        at = at + 1 == table->cells ? 0 : at + 1;
    return at;
}

/* The cell of a pair, taken when it is new; -1 when it is new and the table full. */
static int64_t cell_of(struct align__bt_table *table, uint64_t place)
{
    if (table->most == 0)
        return -1;
    if (table->key == NULL)
        return (int64_t)place;
    int64_t at = find_cell(table, place);
    if (table->key[at] == 0) {
        if (table->used == table->most)
            return -1;
        table->key[at] = place + 1;
        table->used++;
    }
    return at;
}

/* ---- rows --------------------------------------------------------------------------------- */

enum { BLOCK = 512 };

struct block {
    int64_t begin, rows;
    bool plain; /* weight 1 and outcome 1 throughout */
    int64_t first[BLOCK], second[BLOCK];
    double outcome[BLOCK], weight[BLOCK];
};

static void load_index(int64_t *out, const align_tensor *t, int64_t begin, int64_t n)
{
    const char *at = align__at(t, begin, 0);
    if (t->dtype == ALIGN_I32) {
        const int32_t *row = (const int32_t *)(const void *)at;
        for (int64_t i = 0; i < n; i++)
            out[i] = row[i * t->stride[0]];
    } else {
        const int64_t *row = (const int64_t *)(const void *)at;
        for (int64_t i = 0; i < n; i++)
            out[i] = row[i * t->stride[0]];
    }
}

static void load_real(double *out, const align_tensor *t, int64_t begin, int64_t n)
{
    if (align__present(t)) {
        align__load_row(out, t->dtype, align__at(t, begin, 0), t->stride[0], n);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        out[i] = 1;
}

static bool load_block(struct block *block, const align_bt_rows *rows, int64_t begin)
{
    int64_t left = rows->first.shape[0] - begin;
    if (left <= 0)
        return false;
    block->begin = begin;
    block->rows = left < BLOCK ? left : BLOCK;
    block->plain = !align__present(&rows->outcome) && !align__present(&rows->weight);
    load_index(block->first, &rows->first, begin, block->rows);
    load_index(block->second, &rows->second, begin, block->rows);
    if (!block->plain) {
        load_real(block->outcome, &rows->outcome, begin, block->rows);
        load_real(block->weight, &rows->weight, begin, block->rows);
    }
    return true;
}

#define ROW_FAIL(site, name, row, ...)                                                             \
    ALIGN__FAIL(exec, site, .owner = "align_bt_rows", .field = name, .axes = 1, .index = {row},    \
                __VA_ARGS__)

static align_status check_row(const align_exec *exec, const struct block *block, int64_t k,
                              int64_t n_items)
{
    int64_t row = block->begin + k, first = block->first[k], second = block->second[k];
    double last = (double)(n_items - 1);
    if (first < 0 || first >= n_items)
        return ROW_FAIL(FIELD_BOUNDS, "first", row, .value = (double)first, .high = last);
    if (second < 0 || second >= n_items)
        return ROW_FAIL(FIELD_BOUNDS, "second", row, .value = (double)second, .high = last);
    if (first == second)
        return ROW_FAIL(BT_SELF, "second", row, .value = (double)second);
    if (block->plain)
        return ALIGN_E_NONE;
    if (!(block->outcome[k] >= 0 && block->outcome[k] <= 1))
        return ROW_FAIL(FIELD_BOUNDS, "outcome", row, .value = block->outcome[k], .high = 1);
    if (!(block->weight[k] >= 0 && block->weight[k] <= 0x1p32))
        return ROW_FAIL(FIELD_BOUNDS, "weight", row, .value = block->weight[k], .high = 0x1p32);
    return ALIGN_E_NONE;
}

align_status align__bt_check_rows(const align_exec *exec, const align_bt_rows *rows,
                                  int64_t n_items)
{
    struct block block;
    for (int64_t begin = 0; load_block(&block, rows, begin); begin += BLOCK)
        for (int64_t k = 0; k < block.rows; k++) {
            align_status status = check_row(exec, &block, k, n_items);
            if (status != ALIGN_E_NONE)
                return status;
        }
    return ALIGN_E_NONE;
}

static void add_weighted(struct align__bt_table *table, int64_t cell, double outcome, double weight)
{
    int kind = outcome == 1 ? ALIGN__BT_WIN : outcome == 0 ? ALIGN__BT_LOSS : ALIGN__BT_TIE;
    bool whole = kind != ALIGN__BT_TIE || outcome == 0.5;
    if (whole && weight == 1) {
        table->unit[kind][cell]++;
        return;
    }
    struct align__bt_sums *sums = &table->sums[cell];
    if (whole) {
        wide_add(&sums->sum[kind], weight);
        wide_add(&sums->square[kind], weight * weight);
        return;
    }
    double win = weight * outcome, loss = weight * (1 - outcome);
    wide_add(&sums->sum[ALIGN__BT_WIN], win);
    wide_add(&sums->sum[ALIGN__BT_LOSS], loss);
    wide_add(&sums->square[ALIGN__BT_WIN], win * win);
    wide_add(&sums->square[ALIGN__BT_LOSS], loss * loss);
    wide_add(&sums->square[ALIGN__BT_CROSS], win * loss);
}

int64_t align__bt_add_rows(struct align__bt_table *table, const align_bt_rows *rows)
{
    struct block block;
    for (int64_t begin = 0; load_block(&block, rows, begin); begin += BLOCK)
        for (int64_t k = 0; k < block.rows; k++) {
            if (!block.plain && block.weight[k] == 0)
                continue;
            uint64_t place = (uint64_t)block.first[k] * (uint64_t)table->n_items +
                             (uint64_t)block.second[k];
            int64_t cell = cell_of(table, place);
            if (cell < 0)
                return begin + k;
            if (block.plain)
                table->unit[ALIGN__BT_WIN][cell]++;
            else
                add_weighted(table, cell, block.outcome[k], block.weight[k]);
            table->rows++;
        }
    return rows->first.shape[0];
}

/* ---- tables into tables -------------------------------------------------------------------- */

static uint64_t place_of(const struct align__bt_table *table, int64_t cell)
{
    return table->key == NULL ? (uint64_t)cell : table->key[cell] - 1;
}

static bool holds(const struct align__bt_table *table, int64_t cell)
{
    if (table->key != NULL)
        return table->key[cell] != 0;
    static const struct align__bt_sums none;
    return table->unit[0][cell] != 0 || table->unit[1][cell] != 0 || table->unit[2][cell] != 0 ||
           memcmp(&table->sums[cell], &none, sizeof none) != 0;
}

/* Whether the table can take every pair of another. */
static bool has_room(const struct align__bt_table *table, const struct align__bt_table *other)
{
    int64_t used = table->used;
    for (int64_t cell = 0; cell < other->cells; cell++) {
        if (!holds(other, cell))
            continue;
        if (table->most == 0)
            return false;
        if (table->key != NULL && table->key[find_cell(table, place_of(other, cell))] == 0)
            used++;
    }
    return used <= table->most;
}

bool align__bt_add_table(struct align__bt_table *table, const struct align__bt_table *other)
{
    if (!has_room(table, other))
        return false;
    for (int64_t cell = 0; cell < other->cells; cell++) {
        if (!holds(other, cell))
            continue;
        int64_t to = cell_of(table, place_of(other, cell));
        for (int k = 0; k < ALIGN__BT_OUTCOMES; k++) {
            table->unit[k][to] += other->unit[k][cell];
            wide_join(&table->sums[to].sum[k], &other->sums[cell].sum[k]);
        }
        for (int k = 0; k < ALIGN__BT_SQUARES; k++)
            wide_join(&table->sums[to].square[k], &other->sums[cell].square[k]);
    }
    table->rows += other->rows;
    return true;
}

void align__bt_read_cell(const struct align__bt_table *table, int64_t cell, double *sum,
                         double *square)
{
    for (int k = 0; k < ALIGN__BT_SQUARES; k++) {
        double units = k < ALIGN__BT_OUTCOMES ? (double)table->unit[k][cell] : 0;
        bool weighted = table->sums != NULL;
        square[k] = units + (weighted ? wide_value(&table->sums[cell].square[k]) : 0);
        if (k < ALIGN__BT_OUTCOMES)
            sum[k] = units + (weighted ? wide_value(&table->sums[cell].sum[k]) : 0);
    }
}
