#include "table.h"
#include "../base/bytes.h"

/* Format 1, little-endian:
 *     0  "ALBTCNT", a zero byte        8  u32 format, u32 zero
 *    16  i64 n_items, pairs, rows     40  u64 length of the whole
 *    48  pairs, each once: u32 first, second, u32 which of the WORDS of a cell are not 0, those
 *   end  u64 FNV-1a over all that stands before
 * A cell is 3 numbers of plain outcomes, then 3 sums and 4 squares of 3 words, the lowest first. */
enum { FORMAT = 1, HEAD = 48, PAIR = 12, CHECK = 8 };
enum { WORDS = sizeof(struct align__bt_cell) / sizeof(uint64_t) };

#define COUNTS "align_bt_counts"

static const unsigned char magic[8] = "ALBTCNT";

static void words_of(const struct align__bt_table *table, int64_t at, uint64_t *words)
{
    struct align__bt_cell cell;
    align__bt_get_cell(table, at, &cell);
    memcpy(words, &cell, sizeof cell);
}

static uint32_t mask_of(const uint64_t *words)
{
    uint32_t mask = 0;
    for (int k = 0; k < WORDS; k++)
        mask |= (uint32_t)(words[k] != 0) << k;
    return mask;
}

static int ones(uint32_t mask)
{
    int count = 0;
    for (; mask != 0; mask &= mask - 1)
        count++;
    return count;
}

struct extent {
    int64_t pairs;
    size_t bytes;
};

static struct extent extent_of(const struct align__bt_table *table)
{
    struct extent extent = {0, HEAD + CHECK};
    for (int64_t at = 0; at < table->cells; at++) {
        uint64_t words[WORDS];
        if (!align__bt_holds(table, at))
            continue;
        words_of(table, at, words);
        extent.pairs++;
        extent.bytes += PAIR + 8 * (size_t)ones(mask_of(words));
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
    if (status == ALIGN_E_NONE && saved == NULL)
        status = ALIGN__FAIL(&exec, NULL_STRUCT, .owner = "saved");
    if (status != ALIGN_E_NONE)
        return status;
    struct extent extent = extent_of(&table);
    *saved = extent.bytes;
    if (bytes == NULL || n_bytes < extent.bytes)
        return ALIGN__FAIL(&exec, COUNTS_BYTES, .field = "n_bytes",
                           .value = bytes == NULL ? 0 : (double)n_bytes,
                           .low = (double)extent.bytes);
    unsigned char *begin = bytes, *to = begin + HEAD;
    memcpy(begin, magic, sizeof magic);
    align__put_bytes(begin + 8, FORMAT, 8);
    align__put_bytes(begin + 16, (uint64_t)table.n_items, 8);
    align__put_bytes(begin + 24, (uint64_t)extent.pairs, 8);
    align__put_bytes(begin + 32, (uint64_t)table.rows, 8);
    align__put_bytes(begin + 40, extent.bytes, 8);
    for (int64_t at = 0; at < table.cells; at++) {
        uint64_t words[WORDS], place = align__bt_place_of(&table, at);
        if (!align__bt_holds(&table, at))
            continue;
        words_of(&table, at, words);
        align__put_bytes(to, place / (uint64_t)table.n_items, 4);
        align__put_bytes(to + 4, place % (uint64_t)table.n_items, 4);
        align__put_bytes(to + 8, mask_of(words), 4);
        to += PAIR;
        for (int k = 0; k < WORDS; k++)
            if (words[k] != 0) {
                align__put_bytes(to, words[k], 8);
                to += 8;
            }
    }
    align__put_bytes(to, align__checksum(begin, (size_t)(to - begin)), CHECK);
    return ALIGN_E_NONE;
}

/* ---- back --------------------------------------------------------------------------------- */

struct saved {
    int64_t n_items, pairs, rows;
    const unsigned char *at, *end; /* the pairs */
};

static align_status damaged(const align_exec *exec, const struct saved *saved,
                            const unsigned char *bytes)
{
    return ALIGN__FAIL(exec, COUNTS_CONTENT, .field = "bytes",
                       .value = (double)(saved->at - bytes));
}

/* Head and checksum. */
static align_status open_saved(const align_exec *exec, struct saved *saved,
                               const unsigned char *bytes, size_t n_bytes)
{
    if (bytes == NULL)
        return ALIGN__FAIL(exec, NULL_STRUCT, .owner = "bytes");
    if (n_bytes < HEAD + CHECK)
        return ALIGN__FAIL(exec, COUNTS_SHORT, .field = "n_bytes", .value = (double)n_bytes,
                           .low = HEAD + CHECK);
    if (memcmp(bytes, magic, sizeof magic) != 0)
        return ALIGN__FAIL(exec, COUNTS_MAGIC, .field = "bytes");
    if (align__get_bytes(bytes + 8, 8) != FORMAT)
        return ALIGN__FAIL(exec, COUNTS_FORMAT, .field = "bytes",
                           .value = (double)align__get_bytes(bytes + 8, 4), .high = FORMAT);
    uint64_t length = align__get_bytes(bytes + 40, 8);
    if (length > n_bytes)
        return ALIGN__FAIL(exec, COUNTS_SHORT, .field = "n_bytes", .value = (double)n_bytes,
                           .low = (double)length);
    bool whole = length >= HEAD + CHECK && align__get_bytes(bytes + length - CHECK, CHECK) ==
                                               align__checksum(bytes, (size_t)length - CHECK);
    if (!whole)
        return ALIGN__FAIL(exec, COUNTS_CHECKSUM, .field = "bytes");
    *saved = (struct saved){.n_items = (int64_t)align__get_bytes(bytes + 16, 8),
                            .pairs = (int64_t)align__get_bytes(bytes + 24, 8),
                            .rows = (int64_t)align__get_bytes(bytes + 32, 8),
                            .at = bytes + HEAD,
                            .end = bytes + length - CHECK};
    if (saved->n_items < 2 || saved->n_items > INT32_MAX || saved->pairs < 0 || saved->rows < 0)
        return damaged(exec, saved, bytes);
    return ALIGN_E_NONE;
}

/* The next pair, or false where the bytes hold none that could have been saved. */
static bool next_pair(struct saved *saved, int64_t *first, int64_t *second,
                      struct align__bt_cell *cell)
{
    uint64_t words[WORDS] = {0};
    const unsigned char *at = saved->at;
    if (saved->end - at < PAIR)
        return false;
    uint32_t mask = (uint32_t)align__get_bytes(at + 8, 4);
    *first = (int64_t)align__get_bytes(at, 4);
    *second = (int64_t)align__get_bytes(at + 4, 4);
    at += PAIR;
    if (*first >= saved->n_items || *second >= saved->n_items || *first == *second ||
        mask >> WORDS != 0 || saved->end - at < 8 * ones(mask))
        return false;
    for (int k = 0; k < WORDS; k++)
        if ((mask >> k & 1) != 0) {
            words[k] = align__get_bytes(at, 8);
            at += 8;
        }
    memcpy(cell, words, sizeof *cell);
    saved->at = at;
    return true;
}

/* Reads every pair once before the first is added: what they are, and whether there is room. */
static align_status survey(const align_exec *exec, struct saved saved, const unsigned char *bytes,
                           const struct align__bt_table *table)
{
    int64_t n = table->n_items, used = table->used, first, second;
    struct align__bt_cell cell;
    for (int64_t k = 0; k < saved.pairs; k++) {
        if (!next_pair(&saved, &first, &second, &cell))
            return damaged(exec, &saved, bytes);
        uint64_t place = (uint64_t)(first * n + second);
        used += table->key != NULL && table->key[align__bt_find_cell(table, place)] == 0;
        if (table->most == 0 || used > table->most)
            return ALIGN__FAIL(exec, COUNTS_FULL, .owner = COUNTS, .field = "room",
                               .value = (double)table->most);
    }
    return saved.at == saved.end ? ALIGN_E_NONE : damaged(exec, &saved, bytes);
}

align_status align_bt_counts_load(const align_exec *user_exec, align_bt_counts *counts,
                                  const void *bytes, size_t n_bytes)
{
    align_exec exec;
    struct align__bt_table table;
    struct saved saved;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__bt_import_counts(&exec, &table, counts);
    if (status == ALIGN_E_NONE)
        status = open_saved(&exec, &saved, bytes, n_bytes);
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
    struct saved saved;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE && counts == NULL)
        status = ALIGN__FAIL(&exec, NULL_STRUCT, .owner = COUNTS);
    if (status == ALIGN_E_NONE)
        status = open_saved(&exec, &saved, bytes, n_bytes);
    if (status != ALIGN_E_NONE)
        return status;
    *counts = (align_bt_counts){
        .size = sizeof *counts, .n_items = saved.n_items, .pairs = saved.pairs, .rows = saved.rows};
    return ALIGN_E_NONE;
}
