#include "call.h"

#include <string.h>

#define COUNTS "align_bt_counts"
#define ROWS   "align_bt_rows"

void align_bt_rows_init(align_bt_rows *rows, size_t size)
{
    memset(rows, 0, size);
    rows->size = size;
}

size_t align_bt_counts_get_bytes(int64_t n_items, int64_t pairs)
{
    return align__bt_table_bytes(n_items, pairs, true);
}

static bool is_count_of_items(int64_t n_items)
{
    return n_items >= 2 && n_items <= INT32_MAX;
}

void align__bt_publish(align_bt_counts *counts, const struct align__bt_table *table)
{
    counts->pairs = table->used;
    counts->room = table->most;
    counts->rows = table->rows;
}

void align_bt_counts_init(align_bt_counts *counts, void *memory, size_t bytes, int64_t n_items)
{
    struct align__bt_table table;
    align__bt_table_lay(&table, memory, is_count_of_items(n_items) ? bytes : 0, n_items, true,
                        true);
    *counts = (align_bt_counts){
        .size = sizeof *counts, .memory = memory, .bytes = bytes, .n_items = n_items};
    align__bt_publish(counts, &table);
}

/* ---- checks ------------------------------------------------------------------------------- */

align_status align__bt_import_counts(const align_exec *exec, struct align__bt_table *table,
                                     const align_bt_counts *counts)
{
    align_bt_counts local;
    align_status status = align__import(exec, COUNTS, &local, sizeof local, sizeof local, counts);
    if (status != ALIGN_E_NONE)
        return status;
    if (!is_count_of_items(local.n_items))
        return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = COUNTS, .field = "n_items",
                           .value = (double)local.n_items, .low = 2, .high = INT32_MAX);
    align__bt_table_lay(table, local.memory, local.bytes, local.n_items, true, false);
    if (table->most != local.room || local.pairs < 0 || local.pairs > table->most)
        return ALIGN__FAIL(exec, COUNTS_BROKEN, .owner = COUNTS, .field = "room",
                           .value = (double)local.room, .high = (double)table->most,
                           .word = "align_bt_counts_init");
    table->used = local.pairs;
    table->rows = local.rows;
    return ALIGN_E_NONE;
}

align_status align__bt_import_rows(const align_exec *exec, align_bt_rows *rows,
                                   const align_bt_rows *user, const char *reader)
{
    const struct {
        struct align__named named;
        int set;
        bool needed;
    } fields[] = {
        {{ROWS, "first", &rows->first}, ALIGN__SET_INDEX, true},
        {{ROWS, "second", &rows->second}, ALIGN__SET_INDEX, true},
        {{ROWS, "outcome", &rows->outcome}, ALIGN__SET_REAL, false},
        {{ROWS, "weight", &rows->weight}, ALIGN__SET_REAL, false},
        {{ROWS, "annotator", &rows->annotator}, ALIGN__SET_INDEX, false},
        {{ROWS, "cluster", &rows->cluster}, ALIGN__SET_INDEX, false},
        {{ROWS, "covariate", &rows->covariate}, ALIGN__SET_REAL, false},
    };
    align_status status = align__import(exec, ROWS, rows, sizeof *rows, sizeof *rows, user);
    for (size_t i = 0; status == ALIGN_E_NONE && i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i].needed && !align__present(fields[i].named.tensor))
            return ALIGN__FAIL(exec, FIELD_MISSING, .owner = ROWS, .field = fields[i].named.field,
                               .word = reader);
        status = align__check_tensor(exec, fields[i].named, fields[i].set);
        if (status == ALIGN_E_NONE)
            status = align__check_shape(
                exec, fields[i].named, fields[i].named.tensor == &rows->covariate ? 2 : 1,
                (const int64_t[]){rows->first.shape[0], rows->covariate.shape[1]});
    }
    return status;
}

/* ---- calls -------------------------------------------------------------------------------- */

static align_status full(const align_exec *exec, const struct align__bt_table *table)
{
    return ALIGN__FAIL(exec, COUNTS_FULL, .owner = COUNTS, .field = "room",
                       .value = (double)table->most, .word = "pairs");
}

align_status align_bt_counts_update(const align_exec *user_exec, align_bt_counts *counts,
                                    const align_bt_rows *user_rows)
{
    align_exec exec;
    align_bt_rows rows;
    struct align__bt_table table;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__bt_import_counts(&exec, &table, counts);
    if (status == ALIGN_E_NONE)
        status = align__bt_import_rows(&exec, &rows, user_rows, "align_bt_counts_update");
    if (status == ALIGN_E_NONE)
        status = align__bt_refuse_extras(&exec, &rows, "align_bt_counts_update");
    int64_t taken = 0;
    if (status == ALIGN_E_NONE)
        status = align__bt_add_rows(&exec, &table, &rows, &taken);
    if (status != ALIGN_E_NONE)
        return status;
    counts->taken = taken;
    align__bt_publish(counts, &table);
    return counts->taken < rows.first.shape[0] ? full(&exec, &table) : ALIGN_E_NONE;
}

static align_status check_same_items(const align_exec *exec, const align_bt_counts *counts,
                                     const align_bt_counts *other)
{
    if (counts->n_items == other->n_items)
        return ALIGN_E_NONE;
    return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = COUNTS, .field = "n_items",
                       .value = (double)other->n_items, .low = (double)counts->n_items,
                       .high = (double)counts->n_items);
}

align_status align_bt_counts_merge(const align_exec *user_exec, align_bt_counts *counts,
                                   const align_bt_counts *other)
{
    align_exec exec;
    struct align__bt_table table, more;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__bt_import_counts(&exec, &table, counts);
    if (status == ALIGN_E_NONE)
        status = align__bt_import_counts(&exec, &more, other);
    if (status == ALIGN_E_NONE)
        status = check_same_items(&exec, counts, other);
    if (status != ALIGN_E_NONE)
        return status;
    bool done = align__bt_add_table(&table, &more);
    align__bt_publish(counts, &table);
    return done ? ALIGN_E_NONE : full(&exec, &table);
}

align_status align_bt_counts_grow(const align_exec *user_exec, align_bt_counts *counts,
                                  void *memory, size_t bytes)
{
    align_exec exec;
    struct align__bt_table table, larger;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__bt_import_counts(&exec, &table, counts);
    if (status != ALIGN_E_NONE)
        return status;
    align__bt_table_lay(&larger, memory, bytes, counts->n_items, true, true);
    if (!align__bt_add_table(&larger, &table))
        return full(&exec, &larger);
    counts->memory = memory;
    counts->bytes = bytes;
    align__bt_publish(counts, &larger);
    return ALIGN_E_NONE;
}
