#include "bt.h"

#include <string.h>

/* Whether home and tie parameters have a finite, unique maximum beside connected strengths.
 *
 * A way to go for ever is a change v of strengths, h of home and s of the tie parameter that lowers no
 * factor of the likelihood: for a win of i at home over j, v_i - v_j + h >= s; for a loss,
 * v_j - v_i - h >= s; for a tie, |v_i - v_j + h| <= s. (s in units of 2 log nu or of eta; 0 without a
 * tie parameter, whence ties bind like a win and a loss.) For given h and s these are difference
 * constraints, v_to <= v_from + weight, which can be met exactly when no cycle of arcs has negative
 * weight. Items that are fixed are one node. So a cycle is a proof against a direction (h, s) and all others on its side. */

struct arc {
    int32_t from, to;
    int32_t h, s; /* weight = h * direction.h + s * direction.s */
};

enum { ARCS = 4 };

static bool arc_of(const struct align__bt_exist *exist, int64_t edge, int kind, struct arc *arc)
{
    static const int32_t signs[ARCS][2] = {{1, -1}, {-1, -1}, {1, 1}, {-1, 1}};
    static const int outcome[ARCS] = {ALIGN__BT_WIN, ALIGN__BT_LOSS, ALIGN__BT_TIE, ALIGN__BT_TIE};
    const struct align__bt_edge *e = &exist->edges[edge];
    int32_t i = exist->fixed >= 0 && exist->frozen[e->i] ? exist->fixed : e->i;
    int32_t j = exist->fixed >= 0 && exist->frozen[e->j] ? exist->fixed : e->j;
    *arc = (struct arc){kind % 2 == 0 ? i : j, kind % 2 == 0 ? j : i, signs[kind][0],
                        signs[kind][1]};
    return e->sum[outcome[kind]] > 0 || (exist->both && kind < 2);
}

struct direction {
    int64_t h, s;
};

static int64_t along(struct direction a, struct direction b)
{
    return a.h * b.h + a.s * b.s;
}

/* A prior that pins the strengths leaves v = 0: each arc must hold by itself. */
static bool find_arc(const struct align__bt_exist *exist, struct direction to,
                     struct direction *proof)
{
    struct arc arc;
    for (int64_t e = 0; e < exist->count; e++)
        for (int kind = 0; kind < ARCS; kind++)
            if (arc_of(exist, e, kind, &arc)) {
                *proof = (struct direction){arc.h, arc.s};
                if (along(*proof, to) < 0)
                    return true;
            }
    return false;
}

/* Follows the arcs that last lowered each item back to a repeated item, and adds that cycle up. */
static bool cycle_from(const struct align__bt_exist *exist, int64_t start, int64_t mark,
                       struct direction *proof)
{
    int64_t item = start;
    while (exist->parent[item] >= 0 && exist->seen[item] == 0) {
        struct arc arc;
        exist->seen[item] = mark;
        arc_of(exist, exist->parent[item] / ARCS, (int)(exist->parent[item] % ARCS), &arc);
        item = arc.from;
    }
    if (exist->parent[item] < 0 || exist->seen[item] != mark)
        return false;
    *proof = (struct direction){0, 0};
    int64_t at = item;
    do {
        struct arc arc;
        arc_of(exist, exist->parent[at] / ARCS, (int)(exist->parent[at] % ARCS), &arc);
        proof->h += arc.h;
        proof->s += arc.s;
        at = arc.from;
    } while (at != item);
    return true;
}

static bool relax(const struct align__bt_exist *exist, struct direction to)
{
    bool changed = false;
    struct arc arc;
    for (int64_t e = 0; e < exist->count; e++)
        for (int kind = 0; kind < ARCS; kind++) {
            if (!arc_of(exist, e, kind, &arc))
                continue;
            int64_t reach = exist->height[arc.from] + along((struct direction){arc.h, arc.s}, to);
            if (reach < exist->height[arc.to]) {
                exist->height[arc.to] = reach;
                exist->parent[arc.to] = e * ARCS + kind;
                changed = true;
            }
        }
    return changed;
}

/* Bellman and Ford. Once heights can no longer settle, the arcs that lowered them close a cycle. */
static bool find_cycle(const struct align__bt_exist *exist, struct direction to,
                       struct direction *proof)
{
    if (exist->pinned)
        return find_arc(exist, to, proof);
    for (int64_t i = 0; i < exist->n; i++) {
        exist->height[i] = 0;
        exist->parent[i] = -1;
    }
    while (relax(exist, to)) {
        memset(exist->seen, 0, sizeof *exist->seen * (size_t)exist->n);
        for (int64_t i = 0; i < exist->n; i++)
            if (exist->seen[i] == 0 && cycle_from(exist, i, i + 1, proof))
                return true;
    }
    return false;
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a < 0 ? -a : a;
}

/* Every direction from lo to hi, less than a half turn apart, is disproved: each proof cuts off what
 * lies before the direction at which its cycle weighs 0. */
static bool all_disproved(const struct align__bt_exist *exist, struct direction lo,
                          struct direction hi)
{
    for (;;) {
        struct direction proof;
        if (!find_cycle(exist, lo, &proof))
            return false;
        int64_t low = -along(proof, lo), high = along(proof, hi);
        if (high < 0)
            return true;
        struct direction next = {lo.h * high + hi.h * low, lo.s * high + hi.s * low};
        int64_t divisor = common_divisor(next.h, next.s);
        lo = (struct direction){next.h / divisor, next.s / divisor};
    }
}

bool align__bt_is_bounded(const struct align__bt_exist *exist)
{
    static const struct direction home = {1, 0}, away = {-1, 0}, tie = {0, 1};
    struct direction proof;
    if (exist->home && exist->tie)
        return all_disproved(exist, home, tie) && all_disproved(exist, tie, away);
    if (exist->home)
        return find_cycle(exist, home, &proof) && find_cycle(exist, away, &proof);
    return !exist->tie || find_cycle(exist, tie, &proof);
}

size_t align__bt_exist_bytes(int64_t n)
{
    return 3 * align__block(sizeof(int64_t) * (size_t)n);
}

void align__bt_exist_take(struct align__bt_exist *exist, struct align__arena *arena, int64_t n)
{
    size_t items = sizeof(int64_t) * (size_t)n;
    exist->n = n;
    exist->height = align__arena_take(arena, items);
    exist->parent = align__arena_take(arena, items);
    exist->seen = align__arena_take(arena, items);
}
