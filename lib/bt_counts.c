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

void align__bt_table_init(struct align__bt_table *table, void *memory, size_t bytes,
                          int64_t n_items, bool weighted)
{
    size_t skip = (ALIGN__LINE - (uintptr_t)memory % ALIGN__LINE) % ALIGN__LINE;
    size_t room = bytes < skip ? 0 : bytes - skip, each = cell_bytes(weighted);
    double dense = (double)n_items * (double)n_items;
    memset(table, 0, sizeof *table);
    table->n_items = n_items;
    uint64_t *at = (uint64_t *)(void *)((char *)memory + skip);
    if (dense * (double)each <= (double)room) {
        table->cells = table->most = n_items * n_items;
    } else {
        table->cells = (int64_t)(room / (each + sizeof(uint64_t)));
        if (table->cells > UINT32_MAX)
            table->cells = UINT32_MAX;
        table->most = table->cells / 8 * 7 + table->cells % 8 * 7 / 8;
        table->key = at;
        at += table->cells;
    }
    for (int k = 0; k < ALIGN__BT_OUTCOMES; k++, at += table->cells)
        table->unit[k] = at;
    if (weighted)
        table->sums = (struct align__bt_sums *)(void *)at;
    size_t words = (table->key != NULL) + ALIGN__BT_OUTCOMES;
    memset((char *)memory + skip, 0, words * sizeof *at * (size_t)table->cells);
    if (weighted)
        memset(table->sums, 0, sizeof *table->sums * (size_t)table->cells);
}

/* The cell of a pair, made when it is new. */
static int64_t cell_of(struct align__bt_table *table, int64_t first, int64_t second)
{
    uint64_t place = (uint64_t)first * (uint64_t)table->n_items + (uint64_t)second;
    if (table->key == NULL)
        return (int64_t)place;
    uint64_t hash = (place + 1) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 29;
    int64_t at = (int64_t)(((hash & UINT32_MAX) * (uint64_t)table->cells) >> 32);
    while (table->key[at] != place + 1) {
        if (table->key[at] == 0) {
            table->key[at] = place + 1;
            table->used++;
            break;
        }
        at = at + 1 == table->cells ? 0 : at + 1;
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
        return;
    }
    wide_add(&sums->sum[ALIGN__BT_WIN], weight * outcome);
    wide_add(&sums->sum[ALIGN__BT_LOSS], weight * (1 - outcome));
}

void align__bt_add_rows(struct align__bt_table *table, const align_bt_rows *rows)
{
    struct block block;
    for (int64_t begin = 0; load_block(&block, rows, begin); begin += BLOCK)
        for (int64_t k = 0; k < block.rows; k++) {
            if (!block.plain && block.weight[k] == 0)
                continue;
            int64_t cell = cell_of(table, block.first[k], block.second[k]);
            if (block.plain)
                table->unit[ALIGN__BT_WIN][cell]++;
            else
                add_weighted(table, cell, block.outcome[k], block.weight[k]);
        }
}

/* ---- edges -------------------------------------------------------------------------------- */

/* Adds a cell to the edge that holds it; a cell (j, i) is seen from the other side. */
static void add_cell(struct align__bt_edge *edge, const struct align__bt_table *table, int64_t cell,
                     bool turned)
{
    for (int k = 0; k < ALIGN__BT_OUTCOMES; k++) {
        double sum = (double)table->unit[k][cell];
        if (table->sums != NULL)
            sum += wide_value(&table->sums[cell].sum[k]);
        edge->sum[turned ? ALIGN__BT_LOSS - k : k] += sum;
    }
}

static bool is_empty(const struct align__bt_edge *edge)
{
    return edge->sum[ALIGN__BT_WIN] + edge->sum[ALIGN__BT_TIE] + edge->sum[ALIGN__BT_LOSS] == 0;
}

static int64_t dense_edges(const struct align__bt_table *table, struct align__bt_edge *edges)
{
    int64_t n = table->n_items, count = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++) {
            struct align__bt_edge edge = {.i = (int32_t)i, .j = (int32_t)j};
            add_cell(&edge, table, i * n + j, false);
            add_cell(&edge, table, j * n + i, true);
            if (!is_empty(&edge))
                edges[count++] = edge;
        }
    return count;
}

struct ends {
    int64_t low, high;
    bool turned;
};

static struct ends ends_of(const struct align__bt_table *table, int64_t cell)
{
    int64_t place = (int64_t)(table->key[cell] - 1);
    int64_t first = place / table->n_items, second = place % table->n_items;
    if (first < second)
        return (struct ends){first, second, false};
    return (struct ends){second, first, true};
}

/* A counting sort of cells by one end, which keeps the order of equal ones. */
static void sort_by(const struct align__bt_table *table, bool by_high, const uint32_t *in,
                    uint32_t *out, int64_t count, int64_t *begin)
{
    memset(begin, 0, sizeof *begin * (size_t)(table->n_items + 1));
    for (int64_t k = 0; k < count; k++) {
        struct ends ends = ends_of(table, in[k]);
        begin[(by_high ? ends.high : ends.low) + 1]++;
    }
    for (int64_t i = 0; i < table->n_items; i++)
        begin[i + 1] += begin[i];
    for (int64_t k = 0; k < count; k++) {
        struct ends ends = ends_of(table, in[k]);
        out[begin[by_high ? ends.high : ends.low]++] = in[k];
    }
}

static int64_t hashed_edges(const struct align__bt_table *table, struct align__bt_edge *edges,
                            uint32_t *order, int64_t *begin)
{
    uint32_t *cells = order, *other = order + table->used;
    int64_t used = 0, count = 0;
    for (int64_t cell = 0; cell < table->cells; cell++)
        if (table->key[cell] != 0)
            cells[used++] = (uint32_t)cell;
    sort_by(table, true, cells, other, used, begin);
    sort_by(table, false, other, cells, used, begin);
    for (int64_t k = 0; k < used;) {
        struct ends ends = ends_of(table, cells[k]), next = ends;
        struct align__bt_edge edge = {.i = (int32_t)ends.low, .j = (int32_t)ends.high};
        do {
            add_cell(&edge, table, cells[k], next.turned);
            if (++k < used)
                next = ends_of(table, cells[k]);
        } while (k < used && next.low == ends.low && next.high == ends.high);
        if (!is_empty(&edge))
            edges[count++] = edge;
    }
    return count;
}

int64_t align__bt_edges(const struct align__bt_table *table, struct align__bt_edge *edges,
                        uint32_t *order, int64_t *begin)
{
    return table->key == NULL ? dense_edges(table, edges)
                              : hashed_edges(table, edges, order, begin);
}
