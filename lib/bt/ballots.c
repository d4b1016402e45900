#include "ballots.h"

#define BALLOTS "align_bt_ballots"

/* ---- the tree ----------------------------------------------------------------------------- */

enum { WORD = sizeof(uint64_t) };

size_t align__ballot_bytes(int64_t count)
{
    return sizeof(struct align__ballot) +
           (sizeof(uint32_t) * (size_t)count + WORD - 1) / WORD * WORD;
}

static size_t skip_of(const void *memory)
{
    return (WORD - (uintptr_t)memory % WORD) % WORD;
}

static uint64_t *base_of(const align_bt_ballots *ballots)
{
    return (uint64_t *)(void *)((char *)ballots->memory + skip_of(ballots->memory));
}

static struct align__ballot *at(const align_bt_ballots *ballots, uint64_t place)
{
    return (struct align__ballot *)(void *)(base_of(ballots) + place);
}

/* splitmix64 of each item in turn. */
void align__ballot_finish(struct align__ballot *ballot)
{
    uint64_t hash = (uint64_t)ballot->placed << 32 | ballot->count;
    for (uint32_t k = 0; k < ballot->count; k++) {
        hash = (hash ^ ballot->item[k]) + UINT64_C(0x9e3779b97f4a7c15);
        hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
        hash ^= hash >> 31;
    }
    ballot->hash = hash;
}

static int compare(const struct align__ballot *a, const struct align__ballot *b)
{
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    if (a->placed != b->placed)
        return a->placed < b->placed ? -1 : 1;
    for (uint32_t k = 0; k < a->count; k++)
        if (a->item[k] != b->item[k])
            return a->item[k] < b->item[k] ? -1 : 1;
    return 0;
}

/* Bits of the hash, the highest first, lead from record to record, whatever came in first. */
static int side_of(const struct align__ballot *ballot, int depth)
{
    return depth < 64 ? (int)(ballot->hash >> (63 - depth) & 1) : 1;
}

static const struct align__ballot *lesser(const struct align__ballot *a,
                                          const struct align__ballot *b)
{
    return a == NULL || compare(b, a) < 0 ? b : a;
}

/* On the way to the last one, what is above it lies on the way itself or to the right of it, the nearer the
 * later. */
const struct align__ballot *align__ballot_next(const align_bt_ballots *ballots,
                                               const struct align__ballot *last)
{
    const struct align__ballot *next = NULL, *here = ballots->rankings > 0 ? at(ballots, 0) : NULL;
    const struct align__ballot *right = last == NULL ? here : NULL;
    for (int depth = 0; last != NULL && here != NULL; depth++) {
        int side = side_of(last, depth);
        next = compare(here, last) > 0 ? lesser(next, here) : next;
        right = side == 0 && here->child[1] != 0 ? at(ballots, here->child[1]) : right;
        here = here->child[side] == 0 ? NULL : at(ballots, here->child[side]);
    }
    for (; right != NULL; right = right->child[0] != 0   ? at(ballots, right->child[0])
                                  : right->child[1] != 0 ? at(ballots, right->child[1])
                                                         : NULL)
        next = lesser(next, right);
    return next;
}

/* The record of this content, or NULL and, in *link, the place that should lead to it. */
static struct align__ballot *look_up(const align_bt_ballots *ballots,
                                     const struct align__ballot *like, uint64_t **link)
{
    struct align__ballot *here = ballots->rankings > 0 ? at(ballots, 0) : NULL;
    for (int depth = 0; here != NULL && compare(like, here) != 0; depth++) {
        *link = &here->child[side_of(like, depth)];
        here = **link == 0 ? NULL : at(ballots, **link);
    }
    return here;
}

struct align__ballot *align__ballot_find(const align_bt_ballots *ballots,
                                         const struct align__ballot *like)
{
    uint64_t *link;
    return look_up(ballots, like, &link);
}

struct align__ballot *align__ballot_place(const align_bt_ballots *ballots, int64_t count)
{
    size_t skip = skip_of(ballots->memory), bytes = ballots->bytes;
    size_t room = ballots->memory == NULL || bytes < skip ? 0 : bytes - skip;
    if (room < ballots->used || room - ballots->used < align__ballot_bytes(count))
        return NULL;
    return at(ballots, ballots->used / WORD);
}

static void join(struct align__ballot_sums *sums, const struct align__ballot_sums *more)
{
    sums->unit += more->unit;
    align__bt_wide_join(&sums->sum, &more->sum);
    align__bt_wide_join(&sums->square, &more->square);
}

bool align__ballot_add(align_bt_ballots *ballots, const struct align__ballot *ballot)
{
    uint64_t root, *link = &root;
    struct align__ballot *here = look_up(ballots, ballot, &link);
    if (here != NULL) {
        join(&here->sums, &ballot->sums);
        return true;
    }
    here = align__ballot_place(ballots, ballot->count);
    if (here == NULL)
        return false;
    *link = ballots->used / WORD;
    if (here != ballot)
        memcpy(here, ballot, sizeof *here + sizeof(uint32_t) * ballot->count);
    if (ballot->count % 2 == 1)
        here->item[ballot->count] = 0;
    here->child[0] = here->child[1] = 0;
    ballots->used += align__ballot_bytes(here->count);
    ballots->rankings++;
    ballots->entries += here->count;
    ballots->longest = here->count > ballots->longest ? here->count : ballots->longest;
    return true;
}

/* ---- for a fit ---------------------------------------------------------------------------- */

int64_t align__bt_ballots_items(const align_bt_ballots *ballots)
{
    int64_t items = 0;
    for (const struct align__ballot *b = NULL; (b = align__ballot_next(ballots, b)) != NULL;)
        for (uint32_t k = 0; k < b->count; k++) {
            int64_t item = b->item[k] & ~ALIGN__BT_TIED;
            items = item >= items ? item + 1 : items;
        }
    return items;
}

void align__bt_rankings_take_ballots(struct align__bt_rankings *ranked,
                                     const align_bt_ballots *ballots)
{
    align__bt_rankings_begin(ranked);
    for (const struct align__ballot *b = NULL; (b = align__ballot_next(ballots, b)) != NULL;) {
        double unit = (double)b->sums.unit, sum = unit + align__bt_wide_value(&b->sums.sum);
        if (sum > 0)
            align__bt_rankings_add(ranked, b->item, b->count, b->placed, sum,
                                   unit + align__bt_wide_value(&b->sums.square));
    }
}

/* ---- calls -------------------------------------------------------------------------------- */

size_t align_bt_ballots_get_bytes(int64_t n_items, int64_t rankings, int64_t entries)
{
    int64_t longest = entries < n_items ? entries : n_items;
    double bytes = (double)(rankings + 1) * (double)align__ballot_bytes(1) +
                   (double)(entries + longest) * sizeof(uint32_t) + 2 * WORD;
    return bytes < 0x1p63 ? (size_t)bytes : SIZE_MAX;
}

void align_bt_ballots_init(align_bt_ballots *ballots, void *memory, size_t bytes, int64_t n_items)
{
    *ballots = (align_bt_ballots){
        .size = sizeof *ballots, .memory = memory, .bytes = bytes, .n_items = n_items};
}

align_status align__bt_import_ballots(const align_exec *exec, align_bt_ballots *local,
                                      const align_bt_ballots *user)
{
    align_status status = align__import(exec, BALLOTS, local, sizeof *local, sizeof *local, user);
    if (status != ALIGN_E_NONE)
        return status;
    if (local->n_items < 2 || local->n_items > INT32_MAX)
        return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = BALLOTS, .field = "n_items",
                           .value = (double)local->n_items, .low = 2, .high = INT32_MAX);
    size_t room = local->memory == NULL ? 0 : local->bytes;
    if (local->used > room || local->rankings < 0 || (local->rankings == 0) != (local->used == 0))
        return ALIGN__FAIL(exec, COUNTS_BROKEN, .owner = BALLOTS, .field = "used",
                           .value = (double)local->used, .high = (double)room,
                           .word = "align_bt_ballots_init");
    return ALIGN_E_NONE;
}

static align_status full(const align_exec *exec, const align_bt_ballots *ballots)
{
    return ALIGN__FAIL(exec, COUNTS_FULL, .owner = BALLOTS, .field = "bytes",
                       .value = (double)ballots->bytes, .word = "bytes");
}

/* One row, put in order at the place where it stays if it is new. */
static bool add_row(align_bt_ballots *ballots, const align_bt_rankings *rows,
                    struct align__bt_ranking row)
{
    int64_t count = row.end - row.begin;
    struct align__ballot *made = align__ballot_place(ballots, count);
    if (made == NULL)
        return false;
    memset(made, 0, sizeof *made);
    made->count = (uint32_t)count;
    made->placed = (uint32_t)align__bt_settle(rows, row, made->item);
    align__ballot_finish(made);
    if (row.weight == 1) {
        made->sums.unit = 1;
    } else {
        align__bt_wide_add(&made->sums.sum, row.weight);
        align__bt_wide_add(&made->sums.square, row.weight * row.weight);
    }
    ballots->rows++;
    return align__ballot_add(ballots, made);
}

align_status align_bt_ballots_update(const align_exec *user_exec, align_bt_ballots *user_ballots,
                                     const align_bt_rankings *user_rows)
{
    align_exec exec;
    align_bt_ballots ballots;
    align_bt_rankings rows;
    int64_t longest, r = 0;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__bt_import_ballots(&exec, &ballots, user_ballots);
    if (status == ALIGN_E_NONE)
        status = align__bt_import_rankings(&exec, &rows, user_rows, "align_bt_ballots_update",
                                           false, &longest);
    if (status == ALIGN_E_NONE)
        status = align__bt_check_rankings(&exec, &rows, ballots.n_items, 0);
    if (status != ALIGN_E_NONE)
        return status;
    for (; r < rows.offsets.shape[0] - 1; r++) {
        struct align__bt_ranking row = align__bt_ranking_of(&rows, r);
        if (row.weight > 0 && row.end > row.begin && !add_row(&ballots, &rows, row))
            break;
    }
    ballots.taken = r;
    *user_ballots = ballots;
    return r < rows.offsets.shape[0] - 1 ? full(&exec, &ballots) : ALIGN_E_NONE;
}

/* Whether there is room for all that is new in another. */
static bool has_room(const align_bt_ballots *ballots, const align_bt_ballots *other)
{
    align_bt_ballots ahead = *ballots;
    const struct align__ballot *b = NULL;
    while ((b = align__ballot_next(other, b)) != NULL) {
        if (align__ballot_find(ballots, b) != NULL)
            continue;
        if (align__ballot_place(&ahead, b->count) == NULL)
            return false;
        ahead.used += align__ballot_bytes(b->count);
    }
    return true;
}

static void add_all(align_bt_ballots *ballots, const align_bt_ballots *other)
{
    for (size_t used = 0; used < other->used;) {
        const struct align__ballot *b = at(other, used / WORD);
        align__ballot_add(ballots, b);
        used += align__ballot_bytes(b->count);
    }
    ballots->rows += other->rows;
}

align_status align_bt_ballots_merge(const align_exec *user_exec, align_bt_ballots *user_ballots,
                                    const align_bt_ballots *user_other)
{
    align_exec exec;
    align_bt_ballots ballots, other;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__bt_import_ballots(&exec, &ballots, user_ballots);
    if (status == ALIGN_E_NONE)
        status = align__bt_import_ballots(&exec, &other, user_other);
    if (status == ALIGN_E_NONE && ballots.n_items != other.n_items)
        status = ALIGN__FAIL(&exec, FIELD_BOUNDS, .owner = BALLOTS, .field = "n_items",
                             .value = (double)other.n_items, .low = (double)ballots.n_items,
                             .high = (double)ballots.n_items);
    if (status == ALIGN_E_NONE && !has_room(&ballots, &other))
        status = full(&exec, &ballots);
    if (status != ALIGN_E_NONE)
        return status;
    add_all(&ballots, &other);
    *user_ballots = ballots;
    return ALIGN_E_NONE;
}

align_status align_bt_ballots_grow(const align_exec *user_exec, align_bt_ballots *user_ballots,
                                   void *memory, size_t bytes)
{
    align_exec exec;
    align_bt_ballots ballots, larger;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__bt_import_ballots(&exec, &ballots, user_ballots);
    if (status != ALIGN_E_NONE)
        return status;
    align_bt_ballots_init(&larger, memory, bytes, ballots.n_items);
    if (!has_room(&larger, &ballots))
        return full(&exec, &larger);
    add_all(&larger, &ballots);
    larger.taken = ballots.taken;
    *user_ballots = larger;
    return ALIGN_E_NONE;
}
