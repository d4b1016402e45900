#include "table.h"
#include "../base/cpu.h"

/* Small, so that reading rows and adding to cells go on side by side. */
enum { BLOCK = 256 };

/* Rows past the last are games of 0 against 1, so that loops over whole blocks find nothing wrong. */
struct block {
    int64_t begin, rows;
    bool plain;                    /* weight 1 and outcome 1 throughout */
    const int32_t *first, *second; /* the caller's own where they lie as they should, or copies */
    int32_t copy[2][BLOCK];
    uint32_t cell[BLOCK]; /* first n_items + second, where that is below 2^32 */
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

/* Of the rows from `begin` to `end`; false when there are none. */
static bool load_block(struct block *block, const align_bt_rows *rows, int64_t begin, int64_t end)
{
    int64_t left = end - begin;
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

/* Without branches, as nearly every block is fine. Fills in cells. */
static bool is_valid(const struct align__f64 *f64, struct block *block, int64_t n_items)
{
    bool valid = f64->cells(block->cell, block->first, block->second, (int32_t)n_items, BLOCK);
    uint32_t wrong = 0;
    for (int k = 0; k < BLOCK && !block->plain; k++)
        wrong |= !(block->outcome[k] >= 0 && block->outcome[k] <= 1 && block->weight[k] >= 0 &&
                   block->weight[k] <= 0x1p32);
    return valid && wrong == 0;
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

static align_status name_wrong(const align_exec *exec, const align_bt_rows *rows,
                               const struct block *block, int64_t n_items)
{
    align_status status = ALIGN_E_NONE;
    for (int64_t k = 0; status == ALIGN_E_NONE && k < block->rows; k++)
        status = check_row(exec, rows, block->begin + k, n_items);
    return status;
}

align_status align__bt_check_rows(const align_exec *exec, const align_bt_rows *rows,
                                  int64_t n_items)
{
    const struct align__f64 *f64 = align__f64(align__cpu_allowed(exec));
    int64_t total = rows->first.shape[0];
    struct block block;
    for (int64_t begin = 0; load_block(&block, rows, begin, total); begin += BLOCK)
        if (!is_valid(f64, &block, n_items))
            return name_wrong(exec, rows, &block, n_items);
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
static bool is_simple(const struct align__bt_table *table, const align_bt_rows *rows)
{
    return table->key == NULL && table->cells > 0 && table->n_items <= UINT16_MAX &&
           !align__present(&rows->outcome) && !align__present(&rows->weight);
}

/* Wins in 16 bits before they go to a table of few items: these cells fit into the first cache. */
enum { TALLY = 16384 };

struct tally {
    bool used;
    int64_t room; /* how many more rows fit, wherever they go */
    uint16_t wins[TALLY];
};

/* Clearing and emptying it cost as much as a row a cell. */
static void open_tally(struct tally *tally, const struct align__bt_table *table, int64_t rows)
{
    tally->used = table->cells <= TALLY && table->cells <= rows;
    tally->room = UINT16_MAX;
    if (tally->used)
        memset(tally->wins, 0, sizeof *tally->wins * (size_t)table->cells);
}

static void empty_tally(struct tally *tally, struct align__bt_table *table)
{
    const int64_t cells = tally->used ? table->cells : 0;
    uint64_t *restrict const wins = table->unit[ALIGN__BT_WIN];
    uint16_t *restrict const more = tally->wins;
    for (int64_t cell = 0; cell < cells; cell++)
        wins[cell] += more[cell];
    memset(more, 0, sizeof *more * (size_t)cells);
    tally->room = UINT16_MAX;
}

/* Among many cells the largest is far from full when as many rows have gone in as one could hold. */
static void make_room(struct tally *tally, struct align__bt_table *table)
{
    uint16_t most = 0;
    for (int64_t cell = 0; cell < table->cells; cell++)
        most = tally->wins[cell] > most ? tally->wins[cell] : most;
    if (most < UINT16_MAX / 2)
        tally->room = UINT16_MAX - most;
    else
        empty_tally(tally, table);
}

/* Asks for rows that come soon; there need not be any. */
static void fetch_ahead(const int32_t *row)
{
    __builtin_prefetch((const void *)((uintptr_t)row + 4 * BLOCK * sizeof *row));
}

static void add_simple(struct tally *tally, struct align__bt_table *table,
                       const struct block *block)
{
    enum { AT_ONCE = 16 };
    const uint32_t *const cell = block->cell;
    const int64_t rows = block->rows;
    uint64_t *const wins = table->unit[ALIGN__BT_WIN];
    uint16_t *const few = tally->wins;
    int64_t k = 0;
    if (tally->used && tally->room < BLOCK)
        make_room(tally, table);
    for (; tally->used && k + AT_ONCE <= rows; k += AT_ONCE) {
        fetch_ahead(block->first + k);
        fetch_ahead(block->second + k);
        for (int l = 0; l < AT_ONCE; l++)
            few[cell[k + l]]++;
    }
    tally->room -= k;
    for (; k < rows; k++)
        wins[cell[k]]++;
    table->rows += rows;
}

static void take_back(const struct align__f64 *f64, struct align__bt_table *table,
                      const align_bt_rows *rows, int64_t end)
{
    struct block block;
    for (int64_t begin = 0; load_block(&block, rows, begin, end); begin += BLOCK) {
        is_valid(f64, &block, table->n_items);
        for (int64_t k = 0; k < block.rows; k++)
            table->unit[ALIGN__BT_WIN][block.cell[k]]--;
    }
    table->rows -= end;
}

/* Returns how many rows of the block went in. */
static int64_t add_block(struct align__bt_table *table, const struct block *block)
{
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

align_status align__bt_add_rows(const align_exec *exec, struct align__bt_table *table,
                                const align_bt_rows *rows, int64_t *taken)
{
    const struct align__f64 *f64 = align__f64(align__cpu_allowed(exec));
    int64_t total = rows->first.shape[0];
    struct block block;
    struct tally tally;
    bool simple = is_simple(table, rows);
    align_status status = simple ? ALIGN_E_NONE : align__bt_check_rows(exec, rows, table->n_items);
    open_tally(&tally, table, simple ? total : 0);
    *taken = 0;
    while (status == ALIGN_E_NONE && load_block(&block, rows, *taken, total)) {
        if (simple && !is_valid(f64, &block, table->n_items)) {
            empty_tally(&tally, table);
            take_back(f64, table, rows, *taken);
            return name_wrong(exec, rows, &block, table->n_items);
        }
        if (simple)
            add_simple(&tally, table, &block);
        int64_t added = simple ? block.rows : add_block(table, &block);
        *taken += added;
        if (added < block.rows)
            break;
    }
    empty_tally(&tally, table);
    return status;
}

/* ---- shares ------------------------------------------------------------------------------- */

/* Sums are exact, so that rows may be cut anywhere. */
enum { SHARES = 64, SHARE_ROWS = 8192 };

struct shares {
    const struct align__f64 *f64;
    const align_bt_rows *rows;
    int64_t count;
    struct align__bt_table table[SHARES];
    bool valid[SHARES];
};

static void add_share(void *ctx, int64_t task)
{
    struct shares *shares = ctx;
    struct align__bt_table *table = &shares->table[task];
    int64_t total = shares->rows->first.shape[0], each = total / shares->count;
    int64_t end = task + 1 < shares->count ? (task + 1) * each : total;
    struct block block;
    struct tally tally;
    bool simple = is_simple(table, shares->rows), valid = true;
    open_tally(&tally, table, simple ? end - task * each : 0);
    for (int64_t begin = task * each; valid && load_block(&block, shares->rows, begin, end);
         begin += BLOCK) {
        valid = is_valid(shares->f64, &block, table->n_items);
        if (valid && simple)
            add_simple(&tally, table, &block);
        else if (valid)
            add_block(table, &block);
    }
    empty_tally(&tally, table);
    shares->valid[task] = valid;
}

int64_t align__bt_most_shares(const align_exec *exec, int64_t rows)
{
    int64_t most = rows / SHARE_ROWS < SHARES ? rows / SHARE_ROWS : SHARES;
    most = most < exec->workers ? most : exec->workers;
    return most > 1 ? most : 1;
}

align_status align__bt_share_rows(const align_exec *exec, struct align__bt_table *table,
                                  const align_bt_rows *rows, struct align__arena arena)
{
    struct shares shares = {align__f64(align__cpu_allowed(exec)), rows, 1, {*table}, {false}};
    bool weighted = table->sums != NULL;
    int64_t most = align__bt_most_shares(exec, rows->first.shape[0]);
    size_t bytes = align__bt_table_bytes(table->n_items, table->most, weighted);
    for (; shares.count < most && arena.left >= align__block(bytes); shares.count++)
        align__bt_table_lay(&shares.table[shares.count], align__arena_take(&arena, bytes), bytes,
                            table->n_items, weighted, true);
    align_status status = align__parallel(exec, shares.count, add_share, &shares);
    *table = shares.table[0];
    for (int64_t k = 0; status == ALIGN_E_NONE && k < shares.count; k++) {
        if (!shares.valid[k])
            return align__bt_check_rows(exec, rows, table->n_items);
        if (k > 0)
            align__bt_add_table(table, &shares.table[k]);
    }
    return status;
}
