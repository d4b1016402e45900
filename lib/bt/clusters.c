#include "ballots.h"
#include "call.h"

/* Score sums of clusters: from rows in the order of their clusters, or from what each cluster adds up to. */

struct clusters {
    const struct bt_call *call;
    const struct align__bt_fit *fit;
    int64_t *begin, *order; /* rows by cluster, or rankings */
    double *z;
    struct align__bt_edge_list list;         /* of the counts of a cluster */
    struct align__bt_rankings loaded, split; /* its ballots, and those inside parts */
};

/* Adds the score of a cluster, and says whether it holds anything. */
typedef align_status (*add_fn)(struct clusters *k, int64_t c, double *score, bool *held);

#define PART_FAIL(named, c)                                                                        \
    ALIGN__FAIL(&call->exec, BT_CLUSTERS, .owner = BT_ARGS, .field = named, .axes = 1, .index = {c})

/* ---- what they hold ----------------------------------------------------------------------- */

static align_status open_one(struct bt_call *call, int64_t c, int64_t *n_items, int64_t *rows)
{
    struct align__bt_table table;
    align_bt_ballots ballots;
    align_status status;
    if (call->args.ballots != NULL) {
        status = align__bt_import_ballots(&call->exec, &ballots, &call->args.cluster_ballots[c]);
        *n_items = ballots.n_items;
        *rows = ballots.rows;
        call->widest = ballots.entries > call->widest ? ballots.entries : call->widest;
    } else {
        status = align__bt_import_counts(&call->exec, &table, &call->args.cluster_counts[c]);
        *n_items = table.n_items;
        *rows = table.rows;
        call->widest = table.used > call->widest ? table.used : call->widest;
    }
    return status;
}

align_status align__bt_open_clusters(struct bt_call *call)
{
    const align_bt_args *args = &call->args;
    const char *field = args->ballots != NULL ? "cluster_ballots" : "cluster_counts";
    int64_t rows = 0, all = args->ballots != NULL ? call->ballots.rows : call->table.rows;
    if (args->cluster_counts == NULL && args->cluster_ballots == NULL)
        return ALIGN_E_NONE;
    for (int64_t c = 0; c < args->n_clusters; c++) {
        int64_t items, own;
        align_status status = open_one(call, c, &items, &own);
        if (status != ALIGN_E_NONE)
            return status;
        if (items != (args->ballots != NULL ? call->ballots.n_items : call->table.n_items))
            return PART_FAIL(field, c);
        rows += own;
    }
    return rows == all ? ALIGN_E_NONE : PART_FAIL(field, args->n_clusters - 1);
}

static int64_t most_edges(const struct bt_call *call)
{
    int64_t n = call->args.n_items, most = n * (n - 1);
    return call->widest < most ? call->widest : most;
}

size_t align__bt_clusters_bytes(const struct bt_call *call)
{
    size_t clusters = (size_t)call->args.n_clusters + 1, units = (size_t)call->units;
    size_t z = align__block(sizeof(double) * (size_t)(call->coefs + 1));
    if (call->args.cluster_ballots != NULL)
        return 2 * align__bt_rankings_bytes(call->widest, call->longest);
    if (call->args.cluster_counts != NULL)
        return z + align__block(sizeof(struct align__bt_edge) * (size_t)(most_edges(call) + 1)) +
               align__block(2 * sizeof(uint32_t) * (size_t)call->widest) +
               align__block(sizeof(int64_t) * (size_t)(call->args.n_items + 1));
    return z + align__block(sizeof(int64_t) * clusters) + align__block(sizeof(int64_t) * units);
}

/* ---- rows and rankings -------------------------------------------------------------------- */

/* The cluster of a row or of a piece of a ranking; -1: it weighs nothing. */
static int64_t cluster_of(const struct clusters *k, int64_t unit)
{
    if (k->fit->ranked != NULL)
        return align__whole(&k->call->rankings.cluster, k->fit->ranked->source[unit]);
    struct align__bt_game game = align__bt_game_of(&k->call->rows, unit);
    return game.weight > 0 ? align__whole(&k->call->rows.cluster, unit) : -1;
}

static void sort_units(struct clusters *k, struct align__arena *arena)
{
    int64_t clusters = k->call->args.n_clusters;
    int64_t units = k->fit->ranked != NULL ? k->fit->ranked->count : k->call->units;
    k->begin = align__arena_take(arena, sizeof(int64_t) * (size_t)(clusters + 1));
    k->order = align__arena_take(arena, sizeof(int64_t) * (size_t)k->call->units);
    memset(k->begin, 0, sizeof *k->begin * (size_t)(clusters + 1));
    for (int64_t u = 0; u < units; u++)
        if (cluster_of(k, u) >= 0)
            k->begin[cluster_of(k, u)]++;
    for (int64_t c = 0; c < clusters; c++)
        k->begin[c + 1] += k->begin[c];
    for (int64_t u = units; u-- > 0;)
        if (cluster_of(k, u) >= 0)
            k->order[--k->begin[cluster_of(k, u)]] = u;
}

static align_status add_units(struct clusters *k, int64_t c, double *score, bool *held)
{
    for (int64_t u = k->begin[c]; u < k->begin[c + 1]; u++)
        if (k->fit->ranked != NULL)
            align__bt_rank_value(k->fit, k->order[u], k->fit->x, score);
        else
            align__bt_add_row_score(k->call, k->fit, k->order[u], k->z, score);
    *held = k->begin[c + 1] > k->begin[c];
    return ALIGN_E_NONE;
}

/* ---- counts and ballots ------------------------------------------------------------------- */

static align_status add_counts(struct clusters *k, int64_t c, double *score, bool *held)
{
    const struct bt_call *call = k->call;
    struct align__bt_table table;
    align_status status = align__bt_import_counts(&call->exec, &table,
                                                  &call->args.cluster_counts[c]);
    if (status != ALIGN_E_NONE)
        return status;
    if (align__bt_table_items(&table) > call->args.n_items)
        return PART_FAIL("cluster_counts", c);
    align__bt_list_edges(&k->list, &table);
    for (int64_t e = 0; e < k->list.count; e++) {
        align__bt_features(call, k->list.edges[e].i, k->list.edges[e].j, k->z);
        align__bt_add_edge_score(call, k->fit, &k->list.edges[e], 0, k->z, score);
    }
    *held = table.rows > 0;
    return ALIGN_E_NONE;
}

static align_status add_ballots(struct clusters *k, int64_t c, double *score, bool *held)
{
    const struct bt_call *call = k->call;
    const align_bt_ballots *ballots = &call->args.cluster_ballots[c];
    const struct align__bt_rankings *whole = k->fit->ranked;
    struct align__bt_fit fit = *k->fit;
    for (const struct align__ballot *b = NULL; (b = align__ballot_next(ballots, b)) != NULL;)
        if (align__ballot_find(&call->ballots, b) == NULL)
            return PART_FAIL("cluster_ballots", c);
    align__bt_rankings_take_ballots(&k->loaded, ballots);
    k->loaded.order = whole->order;
    k->loaded.orders = whole->orders;
    k->loaded.most = whole->most;
    align__bt_rankings_split(&k->loaded, &k->split, k->fit->graph->part);
    fit.ranked = call->pinned ? &k->loaded : &k->split;
    for (int64_t r = 0; r < fit.ranked->count; r++)
        align__bt_rank_value(&fit, r, fit.x, score);
    *held = ballots->rows > 0;
    return ALIGN_E_NONE;
}

/* ---- the meat ----------------------------------------------------------------------------- */

/* Takes what a source needs, and says how it adds up a cluster. */
static add_fn begin_clusters(struct clusters *k, struct align__arena *arena)
{
    const struct bt_call *call = k->call;
    size_t widest = (size_t)call->widest;
    if (call->args.cluster_ballots != NULL) {
        align__bt_rankings_take(&k->loaded, arena, call->widest, call->longest);
        align__bt_rankings_take(&k->split, arena, call->widest, call->longest);
        k->loaded.work = k->split.work = k->fit->ranked->work;
        return add_ballots;
    }
    k->z = align__arena_take(arena, sizeof(double) * (size_t)(call->coefs + 1));
    if (call->args.cluster_counts == NULL) {
        sort_units(k, arena);
        return add_units;
    }
    k->list.n_items = call->args.n_items;
    k->list.ordered = (call->args.flags & ALIGN_BT_HOME) != 0;
    k->list.edges = align__arena_take(arena, sizeof(struct align__bt_edge) *
                                                 (size_t)(most_edges(call) + 1));
    k->list.order = align__arena_take(arena, 2 * sizeof(uint32_t) * widest);
    k->list.begin = align__arena_take(arena, sizeof(int64_t) * (size_t)(call->args.n_items + 1));
    return add_counts;
}

/* Score sums of clusters, squared (Liang and Zeger 1986), with the usual factor K / (K - 1) for K
 * clusters that hold anything. */
align_status align__bt_fill_clusters(const struct bt_call *call,
                                     struct align__bt_variance *variance, struct align__bt_fit *fit,
                                     struct align__arena *arena)
{
    struct clusters k = {.call = call, .fit = fit};
    add_fn add = begin_clusters(&k, arena);
    int64_t size = fit->size, held = 0;
    double *score = fit->work[0], *total = fit->work[2];
    memset(total, 0, sizeof *total * (size_t)size);
    memset(variance->meat, 0, sizeof *variance->meat * (size_t)(size * size));
    for (int64_t c = 0; c < call->args.n_clusters; c++) {
        bool holds;
        memset(score, 0, sizeof *score * (size_t)size);
        align_status status = add(&k, c, score, &holds);
        if (status != ALIGN_E_NONE)
            return status;
        held += holds;
        for (int64_t i = 0; i < size; i++)
            total[i] += score[i];
        align__bt_add_outer(score, size, variance->meat, fit->work[1]);
    }
    double factor = held > 1 ? (double)held / (double)(held - 1) : 1;
    for (int64_t i = 0; held > 0 && i < size; i++)
        for (int64_t j = i; j < size; j++) {
            double *meat = &variance->meat[i * size + j];
            *meat = factor * (*meat - total[i] * total[j] / (double)held);
        }
    return ALIGN_E_NONE;
}
