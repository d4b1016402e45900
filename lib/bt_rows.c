#include "bt_table.h"

enum { BLOCK = 1024 };

/* Rows past the last are games of 0 against 1, so that loops over whole blocks find nothing wrong. */
struct block {
    int64_t begin, rows;
    bool plain;                    /* weight 1 and outcome 1 throughout */
    const int32_t *first, *second; /* the caller's own where they lie as they should, or copies */
    int32_t copy[2][BLOCK];
    double outcome[BLOCK], weight[BLOCK];
};

/* An index that does not fit becomes -1, which is as wrong. */
static const int32_t *load_index(int32_t *out, const align_tensor *t, int64_t begin, int64_t n,
                                 int32_t fill)
{
    const int64_t step = t->stride[0];
    const void *start = align__at(t, begin, 0);
    if (t->dtype == ALIGN_I32 && step == 1 && n == BLOCK)
        return start;
    if (t->dtype == ALIGN_I32 && step == 2) {
        const int32_t *row = start;
        for (int64_t i = 0; i < n; i++)
            out[i] = row[2 * i];
    } else if (t->dtype == ALIGN_I32) {
        const int32_t *row = start;
        for (int64_t i = 0; i < n; i++, row += step)
            out[i] = *row;
    } else {
        const int64_t *row = start;
        for (int64_t i = 0; i < n; i++, row += step)
            out[i] = *row < 0 || *row > INT32_MAX ? -1 : (int32_t)*row;
    }
    for (int64_t i = n; i < BLOCK; i++)
        out[i] = fill;
    return out;
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
    block->first = load_index(block->copy[0], &rows->first, begin, block->rows, 0);
    block->second = load_index(block->copy[1], &rows->second, begin, block->rows, 1);
    if (!block->plain) {
        load_real(block->outcome, &rows->outcome, begin, block->rows);
        load_real(block->weight, &rows->weight, begin, block->rows);
    }
    return true;
}

/* Without branches, as nearly every block is fine. */
static bool is_valid(const struct block *block, int64_t n_items)
{
    const int32_t *const firsts = block->first, *const seconds = block->second;
    const uint32_t n = (uint32_t)n_items;
    uint32_t wrong = 0;
    for (int k = 0; k < BLOCK; k++) {
        uint32_t first = (uint32_t)firsts[k], second = (uint32_t)seconds[k];
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
        align__bt_wide_add(&sums->sum[kind], weight);
        align__bt_wide_add(&sums->square[kind], weight * weight);
        return;
    }
    double win = weight * outcome, loss = weight * (1 - outcome);
    align__bt_wide_add(&sums->sum[ALIGN__BT_WIN], win);
    align__bt_wide_add(&sums->sum[ALIGN__BT_LOSS], loss);
    align__bt_wide_add(&sums->square[ALIGN__BT_WIN], win * win);
    align__bt_wide_add(&sums->square[ALIGN__BT_LOSS], loss * loss);
    align__bt_wide_add(&sums->square[ALIGN__BT_CROSS], win * loss);
}

/* Wins of weight 1 where every pair has its place: most of what is ever counted. */
static void add_plain(struct align__bt_table *table, const struct block *block)
{
    uint64_t *const wins = table->unit[ALIGN__BT_WIN];
    const int32_t *const first = block->first, *const second = block->second;
    const uint64_t n = (uint64_t)table->n_items;
    const int64_t rows = block->rows;
    for (int64_t k = 0; k < rows; k++)
        wins[(uint64_t)first[k] * n + (uint64_t)second[k]]++;
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
        int64_t cell = align__bt_cell_of(table, first * (uint64_t)table->n_items + second);
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
