#include "bt.h"

#include <string.h>

size_t align__bt_rankings_bytes(int64_t total, int64_t longest)
{
    size_t entries = (size_t)total;
    return align__block(sizeof(int64_t) * (entries + 1)) +
           2 * align__block(sizeof(int32_t) * entries) +
           2 * align__block(sizeof(double) * entries) + align__block(sizeof(int64_t) * entries) +
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
    ranked->square = align__arena_take(arena, sizeof(double) * entries);
    ranked->source = align__arena_take(arena, sizeof(int64_t) * entries);
    ranked->order = align__arena_take(arena, sizeof(int32_t) * (size_t)(longest + 1));
    ranked->longest = longest;
}

/* ---- the caller's rows -------------------------------------------------------------------- */

#define ROWS "align_bt_rankings"

#define ROW_FAIL(site, name, at, ...)                                                              \
    ALIGN__FAIL(exec, site, .owner = ROWS, .field = name, .axes = 1, .index = {at}, __VA_ARGS__)

static align_status check_offsets(const align_exec *exec, const align_bt_rankings *rows,
                                  int64_t *longest)
{
    int64_t last = 0, total = rows->item.shape[0], rankings = rows->offsets.shape[0] - 1;
    *longest = 0;
    for (int64_t r = 0; r <= rankings; r++) {
        int64_t at = align__whole(&rows->offsets, r), low = r == rankings ? total : last;
        if (at < low || at > (r == 0 ? 0 : total))
            return ROW_FAIL(RANKINGS_OFFSETS, "offsets", r, .value = (double)at, .low = (double)low,
                            .high = r == 0 ? 0 : (double)total);
        *longest = at - last > *longest ? at - last : *longest;
        last = at;
    }
    return ALIGN_E_NONE;
}

align_status align__bt_import_rankings(const align_exec *exec, align_bt_rankings *rows,
                                       const align_bt_rankings *user, const char *reader,
                                       bool clusters, int64_t *longest)
{
    const struct {
        struct align__named named;
        int set, along; /* along: entries, rankings, offsets */
        bool needed;
    } fields[] = {
        {{ROWS, "offsets", &rows->offsets}, ALIGN__SET_OFFSET, 2, true},
        {{ROWS, "item", &rows->item}, ALIGN__SET_INDEX, 0, true},
        {{ROWS, "place", &rows->place}, ALIGN__SET_INDEX, 0, false},
        {{ROWS, "weight", &rows->weight}, ALIGN__SET_REAL, 1, false},
        {{ROWS, "cluster", &rows->cluster}, ALIGN__SET_INDEX, 1, clusters},
    };
    align_status status = align__import(exec, ROWS, rows, sizeof *rows, sizeof *rows, user);
    for (size_t i = 0; status == ALIGN_E_NONE && i < sizeof fields / sizeof fields[0]; i++) {
        const int64_t sizes[] = {rows->item.shape[0], rows->offsets.shape[0] - 1,
                                 rows->offsets.shape[0]};
        if (fields[i].needed && !align__present(fields[i].named.tensor))
            return ALIGN__FAIL(exec, FIELD_MISSING, .owner = ROWS, .field = fields[i].named.field,
                               .word = reader);
        status = align__check_tensor(exec, fields[i].named, fields[i].set);
        if (status == ALIGN_E_NONE)
            status = align__check_shape(exec, fields[i].named, 1, &sizes[fields[i].along]);
    }
    if (status == ALIGN_E_NONE && !clusters && align__present(&rows->cluster))
        status = ALIGN__FAIL(exec, FIELD_UNREAD, .owner = ROWS, .field = "cluster", .word = reader);
    if (status == ALIGN_E_NONE && rows->offsets.shape[0] < 1)
        status = ALIGN__FAIL(exec, RANKINGS_OFFSETS, .owner = ROWS, .field = "offsets");
    return status == ALIGN_E_NONE ? check_offsets(exec, rows, longest) : status;
}

static align_status check_entry(const align_exec *exec, const align_bt_rankings *rows,
                                int64_t begin, int64_t at, int64_t n_items)
{
    int64_t item = align__whole(&rows->item, at);
    if (item < 0 || item >= n_items)
        return ROW_FAIL(FIELD_BOUNDS, "item", at, .value = (double)item,
                        .high = (double)n_items - 1);
    for (int64_t other = begin; other < at; other++)
        if (align__whole(&rows->item, other) == item)
            return ROW_FAIL(RANKINGS_TWICE, "item", at, .value = (double)item,
                            .low = (double)other);
    return ALIGN_E_NONE;
}

struct align__bt_ranking align__bt_ranking_of(const align_bt_rankings *rows, int64_t r)
{
    bool weighs = align__present(&rows->weight);
    return (struct align__bt_ranking){
        .begin = align__whole(&rows->offsets, r),
        .end = align__whole(&rows->offsets, r + 1),
        .weight = weighs ? align__load(rows->weight.dtype, align__at(&rows->weight, r, 0)) : 1};
}

align_status align__bt_check_rankings(const align_exec *exec, const align_bt_rankings *rows,
                                      int64_t n_items, int64_t n_clusters)
{
    align_status status = ALIGN_E_NONE;
    for (int64_t r = 0; r < rows->offsets.shape[0] - 1; r++) {
        struct align__bt_ranking row = align__bt_ranking_of(rows, r);
        int64_t cluster = align__present(&rows->cluster) ? align__whole(&rows->cluster, r) : 0;
        if (!(row.weight >= 0 && row.weight <= 0x1p32))
            return ROW_FAIL(FIELD_BOUNDS, "weight", r, .value = row.weight, .high = 0x1p32);
        if (align__present(&rows->cluster) && (cluster < 0 || cluster >= n_clusters))
            return ROW_FAIL(FIELD_BOUNDS, "cluster", r, .value = (double)cluster,
                            .high = (double)n_clusters - 1);
        for (int64_t at = row.begin; status == ALIGN_E_NONE && at < row.end; at++)
            status = check_entry(exec, rows, row.begin, at, n_items);
        if (status != ALIGN_E_NONE)
            return status;
    }
    return status;
}

/* ---- loading ------------------------------------------------------------------------------ */

/* Entries behind all places sort last. */
static int64_t place_of(const align_bt_rankings *rows, int64_t begin, int64_t at)
{
    int64_t place = align__present(&rows->place) ? align__whole(&rows->place, at) : at - begin;
    return place < 0 ? INT64_MAX : place;
}

static bool is_after(const align_bt_rankings *rows, int64_t begin, int64_t a, int64_t b)
{
    int64_t first = place_of(rows, begin, a), second = place_of(rows, begin, b);
    return first > second ||
           (first == second && align__whole(&rows->item, a) > align__whole(&rows->item, b));
}

/* Until all are in order, `out` holds entries. */
int64_t align__bt_settle(const align_bt_rankings *rows, struct align__bt_ranking row, uint32_t *out)
{
    int64_t begin = row.begin, count = row.end - begin, placed = 0;
    for (int64_t k = 0; k < count; k++) {
        int64_t to = k;
        for (; to > 0 && is_after(rows, begin, begin + out[to - 1], begin + k); to--)
            out[to] = out[to - 1];
        out[to] = (uint32_t)k;
        placed += place_of(rows, begin, begin + k) != INT64_MAX;
    }
    for (int64_t k = count; k-- > 0;) {
        int64_t at = begin + out[k];
        bool tied = k > 0 && k < placed &&
                    place_of(rows, begin, at) == place_of(rows, begin, begin + out[k - 1]);
        out[k] = (uint32_t)align__whole(&rows->item, at) | (tied ? ALIGN__BT_TIED : 0);
    }
    return placed;
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

void align__bt_rankings_begin(struct align__bt_rankings *ranked)
{
    ranked->count = ranked->total = ranked->begin[0] = 0;
    ranked->order[0] = 1;
    ranked->orders = ranked->most = 1;
}

void align__bt_rankings_add(struct align__bt_rankings *ranked, const uint32_t *settled,
                            int64_t count, int64_t placed, double weight, double square)
{
    int32_t *item = ranked->item + ranked->total, *group = ranked->group + ranked->total;
    for (int64_t k = 0, first = 0; k < count; k++) {
        bool tied = (settled[k] & ALIGN__BT_TIED) != 0;
        item[k] = (int32_t)(settled[k] & ~ALIGN__BT_TIED);
        group[k] = k >= placed ? -1 : tied ? 0 : 1;
        first = tied ? first : k;
        group[first] += tied;
    }
    for (int64_t k = 0; k < placed; k++)
        if (group[k] > 0)
            note_order(ranked, group[k]);
    ranked->source[ranked->count] = ranked->count;
    ranked->weight[ranked->count] = weight;
    ranked->square[ranked->count++] = square;
    ranked->begin[ranked->count] = ranked->total += count;
}

void align__bt_rankings_load(struct align__bt_rankings *ranked, const align_bt_rankings *rows)
{
    align__bt_rankings_begin(ranked);
    for (int64_t r = 0; r < rows->offsets.shape[0] - 1; r++) {
        struct align__bt_ranking row = align__bt_ranking_of(rows, r);
        uint32_t *settled = (uint32_t *)ranked->item + ranked->total;
        if (row.weight == 0 || row.begin == row.end)
            continue;
        int64_t placed = align__bt_settle(rows, row, settled);
        align__bt_rankings_add(ranked, settled, row.end - row.begin, placed, row.weight,
                               row.weight * row.weight);
        ranked->source[ranked->count - 1] = r;
    }
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
        out->square[out->count] = ranked->square[r];
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
