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
    if (tally->counts.memory == NULL && !tally->keeps)
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

static void record(struct record *winner, struct record *loser, double outcome, double weight)
{
    if (outcome == 0.5) {
        winner->ties += weight;
        loser->ties += weight;
        return;
    }
    winner->wins += weight * outcome;
    winner->losses += weight * (1 - outcome);
    loser->wins += weight * (1 - outcome);
    loser->losses += weight * outcome;
}

static void more_kept(struct kept *k)
{
    k->room = k->room == 0 ? 1024 : 2 * k->room;
    size_t room = (size_t)k->room, columns = (size_t)k->n_covariates;
    k->first = must(realloc(k->first, sizeof *k->first * room));
    k->second = must(realloc(k->second, sizeof *k->second * room));
    k->annotator = must(realloc(k->annotator, sizeof *k->annotator * room));
    k->outcome = must(realloc(k->outcome, sizeof *k->outcome * room));
    k->weight = must(realloc(k->weight, sizeof *k->weight * room));
    if (columns > 0)
        k->covariate = must(realloc(k->covariate, sizeof *k->covariate * room * columns));
}

static void keep(struct tally *tally, const struct vote *vote, int32_t first, int32_t second)
{
    struct kept *k = &tally->kept;
    int64_t at = tally->votes;
    if (at == k->room)
        more_kept(k);
    k->first[at] = first;
    k->second[at] = second;
    k->annotator[at] = vote->annotator;
    k->outcome[at] = vote->outcome;
    k->weight[at] = vote->weight;
    for (int c = 0; c < k->n_covariates; c++)
        k->covariate[at * k->n_covariates + c] = vote->covariate[c];
}

bool tally_add(struct tally *tally, const struct vote *vote, align_error *error)
{
    int32_t first = tally_item(tally, vote->left), second = tally_item(tally, vote->right);
    record(&tally->record[first], &tally->record[second], vote->outcome, vote->weight);
    if (tally->keeps)
        keep(tally, vote, first, second);
    tally->votes++;
    if (tally->keeps)
        return true;
    int64_t k = tally->waiting++;
    tally->first[k] = first;
    tally->second[k] = second;
    tally->outcome[k] = vote->outcome;
    tally->weight[k] = vote->weight;
    return tally->waiting < TALLY_BLOCK || tally_flush(tally, error);
}

void tally_free(struct tally *tally)
{
    free(tally->item);
    free(tally->record);
    free(tally->place);
    free(tally->counts.memory);
    free(tally->kept.first);
    free(tally->kept.second);
    free(tally->kept.annotator);
    free(tally->kept.outcome);
    free(tally->kept.weight);
    free(tally->kept.covariate);
}
