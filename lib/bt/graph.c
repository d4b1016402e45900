#include "bt.h"

#include <string.h>

size_t align__bt_graph_bytes(int64_t n, int64_t edges)
{
    size_t items = align__block(sizeof(int32_t) * (size_t)n);
    return 8 * items + 2 * align__block(sizeof(int64_t) * (size_t)(n + 1)) +
           align__block(2 * sizeof(int32_t) * (size_t)edges);
}

void align__bt_graph_take(struct align__bt_graph *graph, struct align__arena *arena, int64_t n,
                          int64_t edges)
{
    size_t items = sizeof(int32_t) * (size_t)n;
    graph->n = n;
    graph->component = align__arena_take(arena, items);
    graph->part = align__arena_take(arena, items);
    graph->size = align__arena_take(arena, items);
    graph->loose = align__arena_take(arena, items);
    for (int k = 0; k < 4; k++)
        graph->work[k] = align__arena_take(arena, items);
    graph->begin = align__arena_take(arena, sizeof(int64_t) * (size_t)(n + 1));
    graph->next = align__arena_take(arena, sizeof(int64_t) * (size_t)(n + 1));
    graph->target = align__arena_take(arena, 2 * sizeof(int32_t) * (size_t)edges);
}

/* ---- components: disjoint sets ------------------------------------------------------------ */

static int32_t root_of(int32_t *parent, int32_t i)
{
    while (parent[i] != i) {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

/* The root of a set is its smallest item, so that numbers come in the order of those. */
static void find_components(struct align__bt_graph *graph, const struct align__bt_edge *edges,
                            int64_t count)
{
    int32_t *parent = graph->work[0];
    for (int32_t i = 0; i < graph->n; i++)
        parent[i] = i;
    int64_t apart = graph->n - 1;
    for (int64_t e = 0; e < count && apart > 0; e++) {
        int32_t a = root_of(parent, edges[e].i), b = root_of(parent, edges[e].j);
        parent[a < b ? b : a] = a < b ? a : b;
        apart -= a != b;
    }
    graph->components = 0;
    for (int32_t i = 0; i < graph->n; i++) {
        int32_t root = root_of(parent, i);
        graph->component[i] = root == i ? (int32_t)graph->components++ : graph->component[root];
    }
}

/* ---- parts: Tarjan's strongly connected components, with a path instead of recursion ------- */

static bool takes_from(const struct align__bt_edge *edge, bool turned, bool both)
{
    return both || edge->sum[turned ? ALIGN__BT_LOSS : ALIGN__BT_WIN] > 0 ||
           edge->sum[ALIGN__BT_TIE] > 0;
}

/* target[begin[i] .. begin[i+1]) are the items that i took points from. */
static void list_targets(struct align__bt_graph *graph, const struct align__bt_edge *edges,
                         int64_t count, bool both)
{
    memset(graph->begin, 0, sizeof *graph->begin * (size_t)(graph->n + 1));
    for (int64_t e = 0; e < count; e++) {
        graph->begin[edges[e].i + 1] += takes_from(&edges[e], false, both);
        graph->begin[edges[e].j + 1] += takes_from(&edges[e], true, both);
    }
    for (int64_t i = 0; i < graph->n; i++) {
        graph->begin[i + 1] += graph->begin[i];
        graph->next[i] = graph->begin[i];
    }
    for (int64_t e = 0; e < count; e++) {
        if (takes_from(&edges[e], false, both))
            graph->target[graph->next[edges[e].i]++] = edges[e].j;
        if (takes_from(&edges[e], true, both))
            graph->target[graph->next[edges[e].j]++] = edges[e].i;
    }
}

struct search {
    struct align__bt_graph *graph;
    int32_t *seen, *low; /* order of discovery, from 1; the least that can be reached */
    int32_t *open;       /* found, and not yet given to a part */
    int32_t *path;       /* from the start of the search to the item at hand */
    int32_t clock, opened, depth;
};

static void enter(struct search *s, int32_t item)
{
    s->seen[item] = s->low[item] = ++s->clock;
    s->open[s->opened++] = item;
    s->path[s->depth++] = item;
    s->graph->next[item] = s->graph->begin[item];
}

static void leave(struct search *s, int32_t item)
{
    s->depth--;
    if (s->depth > 0 && s->low[item] < s->low[s->path[s->depth - 1]])
        s->low[s->path[s->depth - 1]] = s->low[item];
    if (s->low[item] != s->seen[item])
        return;
    int32_t member, part = (int32_t)s->graph->parts++;
    s->graph->size[part] = 0;
    do {
        member = s->open[--s->opened];
        s->graph->part[member] = part;
        s->graph->size[part]++;
    } while (member != item);
}

static void search_from(struct search *s, int32_t start)
{
    struct align__bt_graph *graph = s->graph;
    enter(s, start);
    while (s->depth > 0) {
        int32_t item = s->path[s->depth - 1];
        if (graph->next[item] == graph->begin[item + 1]) {
            leave(s, item);
            continue;
        }
        int32_t to = graph->target[graph->next[item]++];
        if (s->seen[to] == 0)
            enter(s, to);
        else if (graph->part[to] < 0 && s->seen[to] < s->low[item])
            s->low[item] = s->seen[to];
    }
}

/* The search finishes a part after every part that it took points from: numbers turned round put
 * takers first. */
static void turn_parts(struct align__bt_graph *graph)
{
    int32_t last = (int32_t)graph->parts - 1;
    for (int64_t i = 0; i < graph->n; i++)
        graph->part[i] = last - graph->part[i];
    for (int32_t a = 0, b = last; a < b; a++, b--) {
        int32_t swap = graph->size[a];
        graph->size[a] = graph->size[b];
        graph->size[b] = swap;
    }
}

/* ---- most graphs: one part ----------------------------------------------------------------- */

/* Whether points lead from item 0 to all others, or `back` from all to it, found in a few passes over edges. */
static bool reaches_all(struct align__bt_graph *graph, const struct align__bt_edge *edges,
                        int64_t count, bool both, bool back)
{
    enum { PASSES = 3 };
    int32_t *seen = graph->work[0];
    int64_t left = graph->n - 1;
    memset(seen, 0, sizeof *seen * (size_t)graph->n);
    seen[0] = 1;
    for (int pass = 0; pass < PASSES && left > 0; pass++)
        for (int64_t e = 0; e < count && left > 0; e++) {
            const struct align__bt_edge *edge = &edges[e];
            bool turned = seen[edge->j] != 0;
            if (seen[edge->i] == seen[edge->j] || !takes_from(edge, turned != back, both))
                continue;
            seen[edge->i] = seen[edge->j] = 1;
            left--;
        }
    return left == 0;
}

static bool is_one_part(struct align__bt_graph *graph, const struct align__bt_edge *edges,
                        int64_t count, bool both)
{
    if (!reaches_all(graph, edges, count, both, false) ||
        !reaches_all(graph, edges, count, both, true))
        return false;
    memset(graph->component, 0, sizeof *graph->component * (size_t)graph->n);
    memset(graph->part, 0, sizeof *graph->part * (size_t)graph->n);
    graph->components = graph->parts = 1;
    graph->size[0] = (int32_t)graph->n;
    return true;
}

void align__bt_graph_find(struct align__bt_graph *graph, const struct align__bt_edge *edges,
                          int64_t count, bool both)
{
    if (is_one_part(graph, edges, count, both))
        return;
    find_components(graph, edges, count);
    list_targets(graph, edges, count, both);
    struct search s = {graph,          graph->work[0], graph->work[1],
                       graph->work[2], graph->work[3], .clock = 0};
    memset(s.seen, 0, sizeof *s.seen * (size_t)graph->n);
    graph->parts = 0;
    for (int64_t i = 0; i < graph->n; i++)
        graph->part[i] = -1;
    for (int32_t i = 0; i < graph->n; i++)
        if (s.seen[i] == 0)
            search_from(&s, i);
    turn_parts(graph);
}
