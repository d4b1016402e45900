#include "bt.h"

#include <string.h>

size_t align__bt_rankings_bytes(int64_t total, int64_t longest)
{
    size_t entries = (size_t)total;
    return align__block(sizeof(int64_t) * (entries + 1)) +
           2 * align__block(sizeof(int32_t) * entries) + align__block(sizeof(double) * entries) +
           align__block(sizeof(int64_t) * entries) +
           align__block(sizeof(int32_t) * (size_t)(longest + 1));
}

void align__bt_rankings_take(struct align__bt_rankings *ranked, struct align__arena *arena,
                             int64_t total, int64_t longest)
{
    size_t entries = (size_t)total;
    ranked->begin = align__arena_take(arena, sizeof(int64_t) * (entries + 1));
    ranked->item = align__arena_take(arena, sizeof(int32_t) * entries);
    ranked->group = align__arena_take(arena, sizeof(int32_t) * entries);
    ranked->weight = align__arena_take(arena, sizeof(double) * entries);
    ranked->source = align__arena_take(arena, sizeof(int64_t) * entries);
    ranked->order = align__arena_take(arena, sizeof(int32_t) * (size_t)(longest + 1));
    ranked->longest = longest;
}

/* ---- loading ------------------------------------------------------------------------------ */

#define ROWS "align_bt_rankings"

#define ENTRY_FAIL(site, name, ...)                                                                \
    ALIGN__FAIL(exec, site, .owner = ROWS, .field = name, .axes = 1, .index = {at}, __VA_ARGS__)

static int64_t whole(const align_tensor *t, int64_t at)
{
    const void *p = align__at(t, at, 0);
    return t->dtype == ALIGN_I32 ? *(const int32_t *)p : *(const int64_t *)p;
}

/* Entries behind all places sort last. */
static int64_t place_of(const align_bt_rankings *rows, int64_t begin, int64_t at)
{
    int64_t place = align__present(&rows->place) ? whole(&rows->place, at) : at - begin;
    return place < 0 ? INT64_MAX : place;
}

static align_status check_entry(const align_exec *exec, const align_bt_rankings *rows,
                                int64_t begin, int64_t at, int64_t n_items)
{
    int64_t item = whole(&rows->item, at);
    if (item < 0 || item >= n_items)
        return ENTRY_FAIL(FIELD_BOUNDS, "item", .value = (double)item, .high = (double)n_items - 1);
    for (int64_t other = begin; other < at; other++)
        if (whole(&rows->item, other) == item)
            return ENTRY_FAIL(RANKINGS_TWICE, "item", .value = (double)item, .low = (double)other);
    return ALIGN_E_NONE;
}

/* Insertion by place, which keeps the order of equal ones. Until all are in, group holds the entry. */
static void insert(struct align__bt_rankings *ranked, const align_bt_rankings *rows, int64_t begin,
                   int64_t to, int64_t at, int64_t source)
{
    int64_t place = place_of(rows, source, at), k = to;
    for (; k > begin && place_of(rows, source, source + ranked->group[k - 1]) > place; k--) {
        ranked->item[k] = ranked->item[k - 1];
        ranked->group[k] = ranked->group[k - 1];
    }
    ranked->item[k] = (int32_t)whole(&rows->item, at);
    ranked->group[k] = (int32_t)(at - source);
}

static void note_order(struct align__bt_rankings *ranked, int32_t size)
{
    int64_t k = ranked->orders;
    for (int64_t o = 0; o < ranked->orders; o++)
        if (ranked->order[o] == size)
            return;
    for (; k > 0 && ranked->order[k - 1] > size; k--)
        ranked->order[k] = ranked->order[k - 1];
    ranked->order[k] = size;
    ranked->orders++;
    ranked->most = size > ranked->most ? size : ranked->most;
}

/* From entries to the sizes of groups. */
static void group(struct align__bt_rankings *ranked, const align_bt_rankings *rows, int64_t begin,
                  int64_t end, int64_t source)
{
    for (int64_t k = begin; k < end;) {
        int64_t place = place_of(rows, source, source + ranked->group[k]), next = k + 1;
        while (next < end && place_of(rows, source, source + ranked->group[next]) == place)
            next++;
        for (int64_t member = k; member < next; member++)
            ranked->group[member] = place == INT64_MAX ? -1 : 0;
        if (place != INT64_MAX) {
            ranked->group[k] = (int32_t)(next - k);
            note_order(ranked, (int32_t)(next - k));
        }
        k = next;
    }
}

align_status align__bt_rankings_load(const align_exec *exec, struct align__bt_rankings *ranked,
                                     const align_bt_rankings *rows, int64_t n_items, bool ties)
{
    int64_t rankings = rows->offsets.shape[0] - 1, to = 0;
    ranked->count = 0;
    ranked->order[0] = 1;
    ranked->orders = ranked->most = 1;
    for (int64_t r = 0; r < rankings; r++) {
        int64_t begin = whole(&rows->offsets, r), end = whole(&rows->offsets, r + 1), start = to;
        double weight = align__present(&rows->weight)
                            ? align__load(rows->weight.dtype, align__at(&rows->weight, r, 0))
                            : 1;
        if (!(weight >= 0 && weight <= 0x1p32))
            return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = ROWS, .field = "weight", .axes = 1,
                               .index = {r}, .value = weight, .high = 0x1p32);
        for (int64_t at = begin; at < end; at++) {
            align_status status = check_entry(exec, rows, begin, at, n_items);
            if (status != ALIGN_E_NONE)
                return status;
            insert(ranked, rows, start, to++, at, begin);
        }
        if (weight == 0 || to == start) {
            to = start;
            continue;
        }
        group(ranked, rows, start, to, begin);
        if (!ties && ranked->most > 1)
            return ALIGN__FAIL(exec, RANKINGS_TIES, .owner = ROWS, .field = "place", .axes = 1,
                               .index = {begin}, .value = (double)ranked->most);
        ranked->begin[ranked->count] = start;
        ranked->source[ranked->count] = r;
        ranked->weight[ranked->count++] = weight;
    }
    ranked->begin[ranked->count] = ranked->total = to;
    return ALIGN_E_NONE;
}

/* ---- what they connect -------------------------------------------------------------------- */

/* Each group is a ring of links both ways; its last item links to the next group's first, and the last
 * group to each item behind it. */
int64_t align__bt_rankings_links(const struct align__bt_rankings *ranked,
                                 struct align__bt_edge *edges)
{
    int64_t count = 0;
    for (int64_t r = 0; r < ranked->count; r++) {
        int64_t begin = ranked->begin[r], from = begin;
        if (ranked->group[begin] < 0)
            continue;
        for (int64_t k = begin + 1; k < ranked->begin[r + 1]; k++) {
            bool tied = ranked->group[k] == 0;
            edges[count++] = (struct align__bt_edge){
                .i = ranked->item[from],
                .j = ranked->item[k],
                .sum = {[ALIGN__BT_WIN] = tied ? 0 : 1, [ALIGN__BT_TIE] = tied ? 1 : 0}};
            from = ranked->group[k] < 0 ? from : k;
        }
    }
    return count;
}

/* A ranking never goes back to a better part, so that its places fall into runs of one part; items behind
 * all places go to the run of their own part, or nowhere. */
static void split_one(const struct align__bt_rankings *ranked, struct align__bt_rankings *out,
                      const int32_t *part, int64_t r)
{
    int64_t end = ranked->begin[r + 1], behind = ranked->begin[r];
    while (behind < end && ranked->group[behind] >= 0)
        behind++;
    for (int64_t k = ranked->begin[r]; k < behind;) {
        int32_t own = part[ranked->item[k]];
        out->begin[out->count] = out->total;
        out->weight[out->count] = ranked->weight[r];
        out->source[out->count++] = ranked->source[r];
        for (; k < behind && part[ranked->item[k]] == own; k++) {
            out->item[out->total] = ranked->item[k];
            out->group[out->total++] = ranked->group[k];
        }
        for (int64_t b = behind; b < end; b++)
            if (part[ranked->item[b]] == own) {
                out->item[out->total] = ranked->item[b];
                out->group[out->total++] = -1;
            }
    }
}

void align__bt_rankings_split(const struct align__bt_rankings *ranked,
                              struct align__bt_rankings *out, const int32_t *part)
{
    out->count = out->total = 0;
    out->orders = ranked->orders;
    out->most = ranked->most;
    out->order = ranked->order;
    for (int64_t r = 0; r < ranked->count; r++)
        split_one(ranked, out, part, r);
    out->begin[out->count] = out->total;
}
