#include "tally.h"

#include "memory.h"

#include <string.h>

static void more_places(struct tally *tally, int32_t item)
{
    int32_t places = tally->places == 0 ? 64 : tally->places;
    while (places <= item)
        places *= 2;
    tally->place = must(realloc(tally->place, sizeof *tally->place * (size_t)places));
    memset(tally->place + tally->places, 0,
           sizeof *tally->place * (size_t)(places - tally->places));
    tally->places = places;
}

static int32_t add_item(struct tally *tally, int32_t item)
{
    if (tally->n_items == tally->room) {
        tally->room = tally->room == 0 ? 64 : 2 * tally->room;
        size_t room = (size_t)tally->room;
        tally->item = must(realloc(tally->item, sizeof *tally->item * room));
        tally->record = must(realloc(tally->record, sizeof *tally->record * room));
    }
    tally->item[tally->n_items] = item;
    tally->record[tally->n_items] = (struct record){0, 0, 0};
    tally->place[item] = ++tally->n_items;
    return tally->n_items - 1;
}

int32_t tally_item(struct tally *tally, int32_t item)
{
    if (item >= tally->places)
        more_places(tally, item);
    return tally->place[item] != 0 ? tally->place[item] - 1 : add_item(tally, item);
}

void tally_reserve(struct tally *tally, int64_t pairs)
{
    align_bt_counts *counts = &tally->counts;
    size_t bytes = align_bt_counts_get_bytes(TALLY_ITEMS, pairs);
    void *old = counts->memory, *memory = must(malloc(bytes));
    if (old == NULL)
        align_bt_counts_init(counts, memory, bytes, TALLY_ITEMS);
    else if (align_bt_counts_grow(NULL, counts, memory, bytes) != ALIGN_E_NONE)
        abort();
    free(old);
}

bool tally_flush(struct tally *tally, align_error *error)
{
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    exec.error = error;
    if (tally->counts.memory == NULL)
        tally_reserve(tally, 256);
    for (int64_t done = 0; done < tally->waiting; done += tally->counts.taken) {
        align_bt_rows rows;
        int64_t left = tally->waiting - done;
        align_bt_rows_init(&rows, sizeof rows);
        rows.first = align_1d(tally->first + done, ALIGN_I32, left);
        rows.second = align_1d(tally->second + done, ALIGN_I32, left);
        rows.outcome = align_1d(tally->outcome + done, ALIGN_F64, left);
        rows.weight = align_1d(tally->weight + done, ALIGN_F64, left);
        align_status status = align_bt_counts_update(&exec, &tally->counts, &rows);
        if (status == ALIGN_E_SCRATCH)
            tally_reserve(tally, 2 * tally->counts.room);
        else if (status != ALIGN_E_NONE)
            return false;
    }
    tally->waiting = 0;
    return true;
}

bool tally_add(struct tally *tally, int32_t left, int32_t right, double outcome, double weight,
               align_error *error)
{
    int32_t first = tally_item(tally, left), second = tally_item(tally, right);
    struct record *a = &tally->record[first], *b = &tally->record[second];
    if (outcome == 0.5) {
        a->ties += weight;
        b->ties += weight;
    } else {
        a->wins += weight * outcome;
        a->losses += weight * (1 - outcome);
        b->wins += weight * (1 - outcome);
        b->losses += weight * outcome;
    }
    tally->votes++;
    int64_t k = tally->waiting++;
    tally->first[k] = first;
    tally->second[k] = second;
    tally->outcome[k] = outcome;
    tally->weight[k] = weight;
    return tally->waiting < TALLY_BLOCK || tally_flush(tally, error);
}

void tally_free(struct tally *tally)
{
    free(tally->item);
    free(tally->record);
    free(tally->place);
    free(tally->counts.memory);
}
