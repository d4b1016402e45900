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
    if ((sum->part[0] | sum->part[1] | sum->part[2]) == 0)
        return 0;
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

/* Rows past the last are games of 0 against 1, so that loops over whole blocks find nothing wrong. */
struct block {
    int64_t begin, rows;
    bool plain; /* weight 1 and outcome 1 throughout */
    int32_t first[BLOCK], second[BLOCK];
    double outcome[BLOCK], weight[BLOCK];
};

/* An index that does not fit becomes -1, which is as wrong. */
static void load_index(int32_t *out, const align_tensor *t, int64_t begin, int64_t n, int32_t fill)
{
    const int64_t step = t->stride[0];
    if (t->dtype == ALIGN_I32) {
        const int32_t *row = (const int32_t *)align__at(t, begin, 0);
        for (int64_t i = 0; i < n; i++, row += step)
            out[i] = *row;
    } else {
        const int64_t *row = (const int64_t *)align__at(t, begin, 0);
        for (int64_t i = 0; i < n; i++, row += step)
            out[i] = *row < 0 || *row > INT32_MAX ? -1 : (int32_t)*row;
    }
    for (int64_t i = n; i < BLOCK; i++)
        out[i] = fill;
}

static void load_real(double *out, const align_tensor *t, int64_t begin, int64_t n)
{
    for (int64_t i = align__present(t) ? n : 0; i < BLOCK; i++)
        out[i] = 1;
    if (align__present(t))
        align__load_row(out, t->dtype, align__at(t, begin, 0), t->stride[0], n);
}

static bool load_block(struct block *block, const align_bt_rows *rows, int64_t begin)
{
    int64_t left = rows->first.shape[0] - begin;
    if (left <= 0)
        return false;
    block->begin = begin;
    block->rows = left < BLOCK ? left : BLOCK;
    block->plain = !align__present(&rows->outcome) && !align__present(&rows->weight);
    load_index(block->first, &rows->first, begin, block->rows, 0);
    load_index(block->second, &rows->second, begin, block->rows, 1);
    if (!block->plain) {
        load_real(block->outcome, &rows->outcome, begin, block->rows);
        load_real(block->weight, &rows->weight, begin, block->rows);
    }
    return true;
}

/* Without branches, as nearly every block is fine. */
static bool is_valid(const struct block *block, int64_t n_items)
{
    const uint32_t n = (uint32_t)n_items;
    uint32_t wrong = 0;
    for (int k = 0; k < BLOCK; k++) {
        uint32_t first = (uint32_t)block->first[k], second = (uint32_t)block->second[k];
        wrong |= (first >= n) | (second >= n) | (first == second);
    }
    for (int k = 0; k < BLOCK && !block->plain; k++)
        wrong |= !(block->outcome[k] >= 0 && block->outcome[k] <= 1 && block->weight[k] >= 0 &&
                   block->weight[k] <= 0x1p32);
    return wrong == 0;
}

#define ROW_FAIL(site, name, ...)                                                                  \
    ALIGN__FAIL(exec, site, .owner = "align_bt_rows", .field = name, .axes = 1, .index = {row},    \
                __VA_ARGS__)

static align_status check_row(const align_exec *exec, const align_bt_rows *rows, int64_t row,
                              int64_t n_items)
{
    const align_tensor *all[] = {&rows->first, &rows->second, &rows->outcome, &rows->weight};
    double value[4], last = (double)(n_items - 1);
    for (int k = 0; k < 4; k++)
        value[k] = align__present(all[k]) ? align__load(all[k]->dtype, align__at(all[k], row, 0))
                                          : 1;
    if (!(value[0] >= 0 && value[0] <= last))
        return ROW_FAIL(FIELD_BOUNDS, "first", .value = value[0], .high = last);
    if (!(value[1] >= 0 && value[1] <= last))
        return ROW_FAIL(FIELD_BOUNDS, "second", .value = value[1], .high = last);
    if (value[0] == value[1])
        return ROW_FAIL(BT_SELF, "second", .value = value[1]);
    if (!(value[2] >= 0 && value[2] <= 1))
        return ROW_FAIL(FIELD_BOUNDS, "outcome", .value = value[2], .high = 1);
    if (!(value[3] >= 0 && value[3] <= 0x1p32))
        return ROW_FAIL(FIELD_BOUNDS, "weight", .value = value[3], .high = 0x1p32);
    return ALIGN_E_NONE;
}

static align_status check_block(const align_exec *exec, const align_bt_rows *rows,
                                const struct block *block, int64_t n_items)
{
    align_status status = ALIGN_E_NONE;
    if (is_valid(block, n_items))
        return status;
    for (int64_t k = 0; status == ALIGN_E_NONE && k < block->rows; k++)
        status = check_row(exec, rows, block->begin + k, n_items);
    return status;
}

align_status align__bt_check_rows(const align_exec *exec, const align_bt_rows *rows,
                                  int64_t n_items)
{
    struct block block;
    align_status status = ALIGN_E_NONE;
    for (int64_t begin = 0; status == ALIGN_E_NONE && load_block(&block, rows, begin);
         begin += BLOCK)
        status = check_block(exec, rows, &block, n_items);
    return status;
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

/* Wins of weight 1 where every pair has its place: most of what is ever counted. */
static void add_plain(struct align__bt_table *table, const struct block *block)
{
    uint64_t *const wins = table->unit[ALIGN__BT_WIN];
    const uint64_t n = (uint64_t)table->n_items;
    for (int64_t k = 0; k < block->rows; k++)
        wins[(uint64_t)block->first[k] * n + (uint64_t)block->second[k]]++;
    table->rows += block->rows;
}

/* Returns how many rows of the block went in. */
static int64_t add_block(struct align__bt_table *table, const struct block *block)
{
    if (block->plain && table->key == NULL && table->cells > 0) {
        add_plain(table, block);
        return block->rows;
    }
    for (int64_t k = 0; k < block->rows; k++) {
        if (!block->plain && block->weight[k] == 0)
            continue;
        uint64_t first = (uint64_t)block->first[k], second = (uint64_t)block->second[k];
        int64_t cell = cell_of(table, first * (uint64_t)table->n_items + second);
        if (cell < 0)
            return k;
        if (block->plain)
            table->unit[ALIGN__BT_WIN][cell]++;
        else
            add_weighted(table, cell, block->outcome[k], block->weight[k]);
        table->rows++;
    }
    return block->rows;
}

int64_t align__bt_add_rows(struct align__bt_table *table, const align_bt_rows *rows)
{
    struct block block;
    for (int64_t begin = 0; load_block(&block, rows, begin); begin += BLOCK) {
        int64_t taken = add_block(table, &block);
        if (taken < block.rows)
            return begin + taken;
    }
    return rows->first.shape[0];
}

align_status align__bt_check_and_add(const align_exec *exec, struct align__bt_table *table,
                                     const align_bt_rows *rows)
{
    struct block block;
    align_status status = ALIGN_E_NONE;
    for (int64_t begin = 0; load_block(&block, rows, begin); begin += BLOCK) {
        status = check_block(exec, rows, &block, table->n_items);
        if (status != ALIGN_E_NONE)
            break;
        add_block(table, &block);
    }
    return status;
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

int64_t align__bt_table_items(const struct align__bt_table *table)
{
    int64_t items = 0;
    for (int64_t cell = 0; cell < table->cells; cell++) {
        if (!holds(table, cell))
            continue;
        int64_t place = (int64_t)place_of(table, cell);
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
    for (int k = 0; k < ALIGN__BT_OUTCOMES; k++)
        sum[k] = (double)table->unit[k][cell] + (sums == NULL ? 0 : wide_value(&sums->sum[k]));
    for (int k = 0; square != NULL && k < ALIGN__BT_SQUARES; k++)
        square[k] = (k < ALIGN__BT_OUTCOMES ? (double)table->unit[k][cell] : 0) +
                    (sums == NULL ? 0 : wide_value(&sums->square[k]));
}
