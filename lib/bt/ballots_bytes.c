#include "ballots.h"
#include "saved.h"

/* i64 entries of all, then the records in their order: u32 count, placed, which of the words of the sums are not 0;
 * the items, those words. */
enum { ENTRIES = 8, RECORD = 12, WORDS = sizeof(struct align__ballot_sums) / sizeof(uint64_t) };
enum { LEAST = ALIGN__SAVED_HEAD + ENTRIES + ALIGN__SAVED_CHECK };

#define BALLOTS "align_bt_ballots"

static const struct align__saved_kind kind = {"ALBTRNK", "ballots"};

static size_t size_of(uint32_t count, uint32_t mask)
{
    return RECORD + 4 * (size_t)count + 8 * (size_t)align__saved_ones(mask);
}

static uint32_t mask_of(const struct align__ballot *ballot, uint64_t *words)
{
    memcpy(words, &ballot->sums, sizeof ballot->sums);
    return align__saved_mask(words, WORDS);
}

static unsigned char *put(unsigned char *to, const struct align__ballot *ballot)
{
    uint64_t words[WORDS];
    align__put_bytes(to, ballot->count, 4);
    align__put_bytes(to + 4, ballot->placed, 4);
    align__put_bytes(to + 8, mask_of(ballot, words), 4);
    to += RECORD;
    for (uint32_t k = 0; k < ballot->count; k++, to += 4)
        align__put_bytes(to, ballot->item[k], 4);
    return align__saved_put(to, words, WORDS);
}

align_status align_bt_ballots_save(const align_exec *user_exec,
                                   const align_bt_ballots *user_ballots, void *bytes,
                                   size_t n_bytes, size_t *saved)
{
    align_exec exec;
    align_bt_ballots ballots;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__bt_import_ballots(&exec, &ballots, user_ballots);
    if (status != ALIGN_E_NONE)
        return status;
    const struct align__ballot *b = NULL;
    size_t length = LEAST;
    uint64_t words[WORDS];
    while ((b = align__ballot_next(&ballots, b)) != NULL)
        length += size_of(b->count, mask_of(b, words));
    struct align__saved held = {
        .n_items = ballots.n_items, .held = ballots.rankings, .rows = ballots.rows};
    status = align__saved_begin(&exec, &kind, &held, length, bytes, n_bytes, saved);
    if (status != ALIGN_E_NONE)
        return status;
    unsigned char *to = (unsigned char *)bytes + ALIGN__SAVED_HEAD;
    align__put_bytes(to, (uint64_t)ballots.entries, ENTRIES);
    to += ENTRIES;
    while ((b = align__ballot_next(&ballots, b)) != NULL)
        to = put(to, b);
    align__saved_end(bytes, to);
    return ALIGN_E_NONE;
}

/* ---- back --------------------------------------------------------------------------------- */

/* Whether these are items that align__bt_settle could have left: in range, none twice, ties only among those that
 * have a place. */
static bool is_settled(const unsigned char *at, uint32_t count, uint32_t placed, int64_t n_items)
{
    for (uint32_t k = 0; k < count; k++) {
        uint32_t item = (uint32_t)align__get_bytes(at + 4 * k, 4), plain = item & ~ALIGN__BT_TIED;
        if (plain >= n_items || (item != plain && (k == 0 || k >= placed)))
            return false;
        for (uint32_t other = 0; other < k; other++)
            if (((uint32_t)align__get_bytes(at + 4 * other, 4) & ~ALIGN__BT_TIED) == plain)
                return false;
        uint32_t last = k == 0 ? 0 : (uint32_t)align__get_bytes(at + 4 * (k - 1), 4);
        bool together = item != plain || k > placed;
        if (together && (last & ~ALIGN__BT_TIED) > plain)
            return false;
    }
    return true;
}

/* The size of the next record; 0 where the bytes hold none that could have been saved. */
static size_t next_size(const struct align__saved *saved)
{
    size_t left = (size_t)(saved->end - saved->at);
    if (left < RECORD)
        return 0;
    uint32_t count = (uint32_t)align__get_bytes(saved->at, 4);
    uint32_t placed = (uint32_t)align__get_bytes(saved->at + 4, 4);
    uint32_t mask = (uint32_t)align__get_bytes(saved->at + 8, 4);
    size_t bytes = size_of(count, mask);
    bool fits = count > 0 && placed <= count && mask >> WORDS == 0 && bytes <= left;
    return fits && is_settled(saved->at + RECORD, count, placed, saved->n_items) ? bytes : 0;
}

static void get(const unsigned char *at, struct align__ballot *ballot)
{
    uint64_t words[WORDS];
    uint32_t mask = (uint32_t)align__get_bytes(at + 8, 4);
    ballot->count = (uint32_t)align__get_bytes(at, 4);
    ballot->placed = (uint32_t)align__get_bytes(at + 4, 4);
    at += RECORD;
    for (uint32_t k = 0; k < ballot->count; k++, at += 4)
        ballot->item[k] = (uint32_t)align__get_bytes(at, 4);
    align__saved_get(at, mask, words, WORDS);
    memcpy(&ballot->sums, words, sizeof ballot->sums);
    align__ballot_finish(ballot);
}

/* Reads every record once before the first is added: what they are, and how many bytes they would take if all of
 * them were new. */
static align_status survey(const align_exec *exec, struct align__saved saved,
                           const unsigned char *bytes, int64_t *entries)
{
    int64_t seen = 0, rankings = 0;
    *entries = 0;
    if (saved.end - saved.at < ENTRIES)
        return align__saved_damaged(exec, &saved, bytes);
    *entries = (int64_t)align__get_bytes(saved.at, ENTRIES);
    saved.at += ENTRIES;
    for (; saved.at < saved.end && rankings < saved.held; rankings++) {
        size_t size = next_size(&saved);
        if (size == 0)
            return align__saved_damaged(exec, &saved, bytes);
        seen += (int64_t)align__get_bytes(saved.at, 4);
        saved.at += size;
    }
    bool whole = saved.at == saved.end && rankings == saved.held && seen == *entries;
    return whole ? ALIGN_E_NONE : align__saved_damaged(exec, &saved, bytes);
}

/* Adds all records; or looks whether all that are new have room, each made where it would stay. */
static bool add_saved(align_bt_ballots *ballots, struct align__saved saved, bool look)
{
    for (saved.at += ENTRIES; saved.at < saved.end; saved.at += next_size(&saved)) {
        int64_t count = (int64_t)align__get_bytes(saved.at, 4);
        struct align__ballot *made = align__ballot_place(ballots, count);
        if (made == NULL)
            return false;
        get(saved.at, made);
        if (!look)
            align__ballot_add(ballots, made);
        else if (align__ballot_find(ballots, made) == NULL)
            ballots->used += align__ballot_bytes(count);
    }
    ballots->rows += saved.rows;
    return true;
}

align_status align_bt_ballots_load(const align_exec *user_exec, align_bt_ballots *user_ballots,
                                   const void *bytes, size_t n_bytes)
{
    align_exec exec;
    align_bt_ballots ballots;
    struct align__saved saved;
    int64_t entries;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__bt_import_ballots(&exec, &ballots, user_ballots);
    if (status == ALIGN_E_NONE)
        status = align__saved_open(&exec, &kind, &saved, bytes, n_bytes);
    if (status == ALIGN_E_NONE && saved.n_items > ballots.n_items)
        status = ALIGN__FAIL(&exec, FIELD_BOUNDS, .owner = BALLOTS, .field = "n_items",
                             .value = (double)ballots.n_items, .low = (double)saved.n_items,
                             .high = INT32_MAX);
    if (status == ALIGN_E_NONE)
        status = survey(&exec, saved, bytes, &entries);
    align_bt_ballots ahead = ballots;
    if (status == ALIGN_E_NONE && !add_saved(&ahead, saved, true))
        status = ALIGN__FAIL(&exec, COUNTS_FULL, .owner = BALLOTS, .field = "bytes",
                             .value = (double)ballots.bytes, .word = "bytes");
    if (status != ALIGN_E_NONE)
        return status;
    add_saved(&ballots, saved, false);
    *user_ballots = ballots;
    return ALIGN_E_NONE;
}

align_status align_bt_ballots_get_saved(const align_exec *user_exec, const void *bytes,
                                        size_t n_bytes, align_bt_ballots *ballots)
{
    align_exec exec;
    struct align__saved saved;
    int64_t entries;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE && ballots == NULL)
        status = ALIGN__FAIL(&exec, NULL_STRUCT, .owner = BALLOTS);
    if (status == ALIGN_E_NONE)
        status = align__saved_open(&exec, &kind, &saved, bytes, n_bytes);
    if (status == ALIGN_E_NONE)
        status = survey(&exec, saved, bytes, &entries);
    if (status != ALIGN_E_NONE)
        return status;
    *ballots = (align_bt_ballots){.size = sizeof *ballots,
                                  .n_items = saved.n_items,
                                  .rankings = saved.held,
                                  .entries = entries,
                                  .rows = saved.rows};
    return ALIGN_E_NONE;
}
