#include "saved.h"

/* Pairs, each once: u32 first, second, u32 which of the WORDS of a cell are not 0, those. A cell is 3 numbers of
 * plain outcomes, then 3 sums and 4 squares of 3 words, the lowest first. */
enum { PAIR = 12, WORDS = sizeof(struct align__bt_cell) / sizeof(uint64_t) };

#define COUNTS "align_bt_counts"

static const struct align__saved_kind kind = {"ALBTCNT", "counts of comparisons"};

static void words_of(const struct align__bt_table *table, int64_t at, uint64_t *words)
{
    struct align__bt_cell cell;
    align__bt_get_cell(table, at, &cell);
    memcpy(words, &cell, sizeof cell);
}

struct extent {
    int64_t pairs;
    size_t bytes;
};

static struct extent extent_of(const struct align__bt_table *table)
{
    struct extent extent = {0, ALIGN__SAVED_HEAD + ALIGN__SAVED_CHECK};
    for (int64_t at = 0; at < table->cells; at++) {
        uint64_t words[WORDS];
        if (!align__bt_holds(table, at))
            continue;
        words_of(table, at, words);
        extent.pairs++;
        extent.bytes += PAIR + 8 * (size_t)align__saved_ones(align__saved_mask(words, WORDS));
    }
    return extent;
}

align_status align_bt_counts_save(const align_exec *user_exec, const align_bt_counts *counts,
                                  void *bytes, size_t n_bytes, size_t *saved)
{
    align_exec exec;
    struct align__bt_table table;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__bt_import_counts(&exec, &table, counts);
    if (status != ALIGN_E_NONE)
        return status;
    struct extent extent = extent_of(&table);
    struct align__saved held = {.n_items = table.n_items, .held = extent.pairs, .rows = table.rows};
    status = align__saved_begin(&exec, &kind, &held, extent.bytes, bytes, n_bytes, saved);
    if (status != ALIGN_E_NONE)
        return status;
    unsigned char *to = (unsigned char *)bytes + ALIGN__SAVED_HEAD;
    for (int64_t at = 0; at < table.cells; at++) {
        uint64_t words[WORDS], place = align__bt_place_of(&table, at);
        if (!align__bt_holds(&table, at))
            continue;
        words_of(&table, at, words);
        align__put_bytes(to, place / (uint64_t)table.n_items, 4);
        align__put_bytes(to + 4, place % (uint64_t)table.n_items, 4);
        align__put_bytes(to + 8, align__saved_mask(words, WORDS), 4);
        to = align__saved_put(to + PAIR, words, WORDS);
    }
    align__saved_end(bytes, to);
    return ALIGN_E_NONE;
}

/* ---- back --------------------------------------------------------------------------------- */

/* The next pair, or false where the bytes hold none that could have been saved. */
static bool next_pair(struct align__saved *saved, int64_t *first, int64_t *second,
                      struct align__bt_cell *cell)
{
    uint64_t words[WORDS];
    const unsigned char *at = saved->at;
    if (saved->end - at < PAIR)
        return false;
    uint32_t mask = (uint32_t)align__get_bytes(at + 8, 4);
    *first = (int64_t)align__get_bytes(at, 4);
    *second = (int64_t)align__get_bytes(at + 4, 4);
    at += PAIR;
    if (*first >= saved->n_items || *second >= saved->n_items || *first == *second ||
        mask >> WORDS != 0 || saved->end - at < 8 * align__saved_ones(mask))
        return false;
    saved->at = align__saved_get(at, mask, words, WORDS);
    memcpy(cell, words, sizeof *cell);
    return true;
}

/* Reads every pair once before the first is added: what they are, and whether there is room. */
static align_status survey(const align_exec *exec, struct align__saved saved,
                           const unsigned char *bytes, const struct align__bt_table *table)
{
    int64_t n = table->n_items, used = table->used, first, second;
    struct align__bt_cell cell;
    for (int64_t k = 0; k < saved.held; k++) {
        if (!next_pair(&saved, &first, &second, &cell))
            return align__saved_damaged(exec, &saved, bytes);
        uint64_t place = (uint64_t)(first * n + second);
        used += table->key != NULL && table->key[align__bt_find_cell(table, place)] == 0;
        if (table->most == 0 || used > table->most)
            return ALIGN__FAIL(exec, COUNTS_FULL, .owner = COUNTS, .field = "room",
                               .value = (double)table->most, .word = "pairs");
    }
    return saved.at == saved.end ? ALIGN_E_NONE : align__saved_damaged(exec, &saved, bytes);
}

align_status align_bt_counts_load(const align_exec *user_exec, align_bt_counts *counts,
                                  const void *bytes, size_t n_bytes)
{
    align_exec exec;
    struct align__bt_table table;
    struct align__saved saved;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__bt_import_counts(&exec, &table, counts);
    if (status == ALIGN_E_NONE)
        status = align__saved_open(&exec, &kind, &saved, bytes, n_bytes);
    if (status == ALIGN_E_NONE && saved.n_items > table.n_items)
        status = ALIGN__FAIL(&exec, FIELD_BOUNDS, .owner = COUNTS, .field = "n_items",
                             .value = (double)table.n_items, .low = (double)saved.n_items,
                             .high = INT32_MAX);
    if (status == ALIGN_E_NONE)
        status = survey(&exec, saved, bytes, &table);
    if (status != ALIGN_E_NONE)
        return status;
    int64_t first, second;
    struct align__bt_cell cell;
    while (next_pair(&saved, &first, &second, &cell))
        align__bt_add_cell(
            &table, align__bt_cell_of(&table, (uint64_t)(first * table.n_items + second)), &cell);
    table.rows += saved.rows;
    align__bt_publish(counts, &table);
    return ALIGN_E_NONE;
}

align_status align_bt_counts_get_saved(const align_exec *user_exec, const void *bytes,
                                       size_t n_bytes, align_bt_counts *counts)
{
    align_exec exec;
    struct align__saved saved;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE && counts == NULL)
        status = ALIGN__FAIL(&exec, NULL_STRUCT, .owner = COUNTS);
    if (status == ALIGN_E_NONE)
        status = align__saved_open(&exec, &kind, &saved, bytes, n_bytes);
    if (status != ALIGN_E_NONE)
        return status;
    *counts = (align_bt_counts){
        .size = sizeof *counts, .n_items = saved.n_items, .pairs = saved.held, .rows = saved.rows};
    return ALIGN_E_NONE;
}
