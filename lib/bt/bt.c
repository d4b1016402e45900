#include "call.h"
#include "../base/cpu.h"

#include <math.h>
#include <string.h>

void align_bt_args_init(align_bt_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

void align_bt_rankings_init(align_bt_rankings *rankings, size_t size)
{
    memset(rankings, 0, size);
    rankings->size = size;
}

/* ---- scratch ------------------------------------------------------------------------------ */

struct plan {
    size_t table, edges, squares, order, begin, judge, z, frozen, ranked, stage, graph, exist, fit;
    size_t sweeps, variance, clusters, draw;
};

static size_t stage_doubles(const struct bt_call *call)
{
    return align__bt_stage_doubles(call->longest,
                                   call->args.ties == ALIGN_BT_TIES_HALF ? 1 : call->longest);
}

/* Parameters in the order of align__bt_fit, with room for every tie that rankings may hold. */
static struct align__bt_fit shape_of(const struct bt_call *call, int64_t ties)
{
    const align_bt_args *args = &call->args;
    struct align__bt_fit fit = {.n = args->n_items,
                                .dense = call->dense,
                                .tie = -1,
                                .tie_count = ties,
                                .home = -1,
                                .bias = -1,
                                .reliability = -1,
                                .judges = args->n_annotators,
                                .coefs = call->coefs,
                                .shares = call->ranked ? align__bt_rank_shares(call->units) : 1,
                                .stage = call->ranked ? stage_doubles(call) : 0};
    fit.size = fit.n;
    if (ties > 0)
        fit.tie = fit.size;
    fit.size += ties;
    if ((args->flags & ALIGN_BT_HOME) != 0)
        fit.home = fit.size++;
    if ((args->flags & ALIGN_BT_BIAS) != 0) {
        fit.bias = fit.size;
        fit.size += fit.judges;
    }
    if ((args->flags & ALIGN_BT_RELIABILITY) != 0) {
        fit.reliability = fit.size;
        fit.size += fit.judges;
    }
    fit.coef = fit.size;
    fit.size += fit.coefs;
    return fit;
}

static int64_t most_ties(const struct bt_call *call)
{
    if (call->args.ties == ALIGN_BT_TIES_HALF)
        return 0;
    return call->ranked ? call->longest : 1;
}

static int64_t most_links(const struct bt_call *call)
{
    return call->edges + (align__present(&call->args.fixed) ? call->args.n_items : 0);
}

static struct plan make_plan(const struct bt_call *call)
{
    const align_bt_args *args = &call->args;
    size_t n = (size_t)args->n_items, edges = (size_t)call->edges, pairs = (size_t)call->pairs;
    bool ranked = call->ranked, table = args->rows != NULL && !call->rowwise;
    bool sorted = !ranked && !call->rowwise, sweeps = args->solver >= ALIGN_BT_SOLVER_MM;
    struct align__bt_fit shape = shape_of(call, most_ties(call));
    return (struct plan){
        .table = table ? align__bt_table_bytes(shape.n, call->pairs, call->weighted) : 0,
        .edges = sizeof(struct align__bt_edge) * (size_t)(most_links(call) + 1),
        .squares = call->squares && !ranked ? sizeof(double) * ALIGN__BT_SQUARES * (edges + 1) : 0,
        .order = sorted ? 2 * sizeof(uint32_t) * pairs : 0,
        .begin = sorted ? sizeof(int64_t) * (n + 1) : 0,
        .judge = call->rowwise ? sizeof(int32_t) * (edges + 1) : 0,
        .z = call->coefs > 0 ? sizeof(double) * (edges + 1) * (size_t)call->coefs : 0,
        .frozen = sizeof(bool) * (size_t)shape.size,
        .ranked = ranked ? 2 * align__bt_rankings_bytes(call->units, call->longest) : 0,
        .stage = ranked ? sizeof(double) * shape.stage : 0,
        .graph = align__bt_graph_bytes(shape.n, most_links(call)),
        .exist = align__bt_exist_bytes(shape.n),
        .fit = align__bt_fit_bytes(&shape, call->edges),
        .sweeps = sweeps ? align__bt_sweeps_bytes(shape.n, call->edges) : 0,
        .variance = call->errors ? align__bt_variance_bytes(&shape, call->meat) : 0,
        .clusters = args->n_clusters > 0 ? align__bt_clusters_bytes(call) : 0,
        .draw = align__present(&args->draws) ? align__bt_draw_bytes(call, &shape) : 0,
    };
}

static size_t plan_bytes(const struct plan *plan)
{
    return align__arena_slack() + align__block(plan->table) + align__block(plan->edges) +
           align__block(plan->squares) + align__block(plan->order) + align__block(plan->begin) +
           align__block(plan->judge) + align__block(plan->z) + align__block(plan->frozen) +
           align__block(plan->stage) + plan->ranked + plan->graph + plan->exist + plan->fit +
           plan->sweeps + plan->variance + plan->clusters + plan->draw;
}

align_status align_bt_scratch(const align_exec *user_exec, const align_bt_args *user_args,
                              size_t *least, size_t *best)
{
    struct bt_call call;
    align_status status = align__bt_open(&call, user_exec, user_args);
    if (status != ALIGN_E_NONE)
        return status;
    struct plan plan = make_plan(&call);
    *least = *best = plan_bytes(&plan);
    size_t tables = 0, draws = 0;
    if (plan.table > 0)
        tables = (size_t)(align__bt_most_shares(&call.exec, call.units) - 1) *
                 align__block(plan.table);
    if (plan.draw > 0)
        draws = (size_t)(align__bt_draw_slots(&call) - 1) * plan.draw;
    *best += tables > draws ? tables : draws;
    return ALIGN_E_NONE;
}

/* ---- from comparisons to a problem --------------------------------------------------------- */

struct work {
    struct plan plan;
    struct align__arena arena;
    struct align__bt_edge_list list;
    struct align__bt_rankings loaded, ranked;
    struct align__bt_graph graph;
    struct align__bt_fit fit;
    struct align__bt_variance variance;
    int32_t *judge;
    double *z;
    bool *frozen;
    int32_t fixed; /* an item whose strength is given; -1: none */
    int32_t existence;
    int64_t superfluous;
    bool has_errors;
};

static align_status check_items(const struct bt_call *call, int64_t items)
{
    if (items <= call->args.n_items)
        return ALIGN_E_NONE;
    return ALIGN__FAIL(&call->exec, BT_ITEMS, .owner = BT_ARGS, .field = "n_items",
                       .value = (double)call->args.n_items, .high = (double)(items - 1));
}

static align_status list_pairs(struct bt_call *call, struct work *work)
{
    align_status status = ALIGN_E_NONE;
    struct align__bt_edge_list *list = &work->list;
    if (call->args.rows != NULL) {
        void *memory = align__arena_take(&work->arena, work->plan.table);
        align__bt_table_lay(&call->table, memory, work->plan.table, call->args.n_items,
                            call->weighted, true);
        status = align__bt_share_rows(&call->exec, &call->table, &call->rows, work->arena);
    }
    if (status == ALIGN_E_NONE && call->args.n_items < call->table.n_items)
        status = check_items(call, align__bt_table_items(&call->table));
    if (status != ALIGN_E_NONE)
        return status;
    list->order = align__arena_take(&work->arena, work->plan.order);
    list->begin = align__arena_take(&work->arena, work->plan.begin);
    align__bt_list_edges(list, &call->table);
    for (int64_t e = 0; call->coefs > 0 && e < list->count; e++)
        align__bt_features(call, list->edges[e].i, list->edges[e].j, work->z + e * call->coefs);
    call->seen = call->table.rows;
    return status;
}

/* Without a model of ties no place may be shared. */
static align_status check_shared_places(const struct bt_call *call,
                                        const struct align__bt_rankings *ranked)
{
    int64_t at = 0, r = 0;
    if (call->args.ties != ALIGN_BT_TIES_HALF || ranked->most == 1)
        return ALIGN_E_NONE;
    if (call->args.ballots != NULL)
        return ALIGN__FAIL(&call->exec, RANKINGS_TIES, .owner = BT_ARGS, .field = "ballots",
                           .value = (double)ranked->most);
    while (ranked->group[at] <= 1)
        at++;
    while (ranked->begin[r + 1] <= at)
        r++;
    return ALIGN__FAIL(&call->exec, RANKINGS_TIES, .owner = "align_bt_rankings", .field = "place",
                       .axes = 1,
                       .index = {align__bt_ranking_of(&call->rankings, ranked->source[r]).begin},
                       .value = (double)ranked->group[at]);
}

static align_status list_rankings(struct bt_call *call, struct work *work)
{
    const align_bt_args *args = &call->args;
    align__bt_rankings_take(&work->loaded, &work->arena, call->units, call->longest);
    align__bt_rankings_take(&work->ranked, &work->arena, call->units, call->longest);
    work->loaded.work = work->ranked.work = align__arena_take(&work->arena, work->plan.stage);
    align_status status = args->ballots != NULL
                              ? check_items(call, align__bt_ballots_items(&call->ballots))
                              : align__bt_check_rankings(&call->exec, &call->rankings,
                                                         args->n_items, args->n_clusters);
    if (status != ALIGN_E_NONE)
        return status;
    if (args->ballots != NULL)
        align__bt_rankings_take_ballots(&work->loaded, &call->ballots);
    else
        align__bt_rankings_load(&work->loaded, &call->rankings);
    status = check_shared_places(call, &work->loaded);
    if (status != ALIGN_E_NONE)
        return status;
    if (align__present(&args->orders) && args->orders.shape[0] < work->loaded.most - 1)
        return ALIGN__FAIL(&call->exec, RANKINGS_ORDERS, .owner = BT_ARGS, .field = "orders",
                           .value = (double)args->orders.shape[0],
                           .low = (double)work->loaded.most);
    work->list.count = align__bt_rankings_links(&work->loaded, work->list.edges);
    call->seen = args->ballots != NULL ? call->ballots.rows : work->loaded.count;
    return status;
}

static align_status list_edges(struct bt_call *call, struct work *work)
{
    struct align__bt_edge_list *list = &work->list;
    align_status status = align__bt_check_extras(call);
    if (status != ALIGN_E_NONE)
        return status;
    list->n_items = call->args.n_items;
    list->ordered = (call->args.flags & ALIGN_BT_HOME) != 0;
    list->edges = align__arena_take(&work->arena, work->plan.edges);
    if (work->plan.squares > 0)
        list->squares = align__arena_take(&work->arena, work->plan.squares);
    work->judge = align__arena_take(&work->arena, work->plan.judge);
    work->z = align__arena_take(&work->arena, work->plan.z);
    work->frozen = align__arena_take(&work->arena, work->plan.frozen);
    if (call->ranked)
        return list_rankings(call, work);
    if (!call->rowwise)
        return list_pairs(call, work);
    status = align__bt_check_rows(&call->exec, &call->rows, call->args.n_items);
    if (status == ALIGN_E_NONE)
        align__bt_list_rows(call, list, work->judge, work->z);
    call->seen = list->count;
    return status;
}

/* Edges whose ends lie in different parts go: the limit of the likelihood knows them no more. */
static void keep_inner(const struct bt_call *call, struct work *work)
{
    struct align__bt_edge_list *list = &work->list;
    const int32_t *part = work->graph.part;
    int64_t kept = 0, coefs = call->coefs;
    for (int64_t e = 0; e < list->count; e++) {
        if (part[list->edges[e].i] != part[list->edges[e].j])
            continue;
        if (list->squares != NULL)
            memmove(list->squares[kept], list->squares[e], sizeof *list->squares);
        if (call->rowwise)
            work->judge[kept] = work->judge[e];
        for (int64_t p = 0; p < coefs; p++)
            work->z[kept * coefs + p] = work->z[e * coefs + p];
        list->edges[kept++] = list->edges[e];
    }
    list->count = kept;
}

static bool has_ties(const struct align__bt_edge_list *list)
{
    for (int64_t e = 0; e < list->count; e++)
        if (list->edges[e].sum[ALIGN__BT_TIE] > 0)
            return true;
    return false;
}

/* Which parameters there are to fit. Without a tie, nu = 0 and theta = 1 are the best there is, and leave
 * the model without ties; without a comparison inside a part there is nothing at all. */
static void choose_parameters(const struct bt_call *call, struct work *work)
{
    const align_bt_args *args = &call->args;
    struct align__bt_fit *fit = &work->fit;
    bool ranked = call->ranked, model = args->ties != ALIGN_BT_TIES_HALF;
    bool none = work->list.count == 0 && !call->pinned && !ranked;
    int64_t ties = !model   ? 0
                   : ranked ? work->loaded.orders - 1
                            : (!none && has_ties(&work->list) ? 1 : 0);
    *fit = shape_of(call, ties);
    fit->ties = ties > 0 ? args->ties : ALIGN_BT_TIES_HALF;
    if (model && ties == 0 && work->existence == ALIGN_BT_FINITE)
        work->existence = ALIGN_BT_BOUNDARY;
    if (none && fit->home >= 0) {
        fit->coef--;
        fit->size--;
        fit->bias -= fit->bias >= 0;
        fit->reliability -= fit->reliability >= 0;
        fit->home = -1;
    }
    fit->judge = call->rowwise ? work->judge : NULL;
    fit->z = work->z;
}

/* Fixed strengths, and with features but no prior on items all of them, stay where they start. */
static align_status freeze(const struct bt_call *call, struct work *work)
{
    const align_bt_args *args = &call->args;
    const align_tensor *fixed = &args->fixed;
    bool all = call->item_coefs > 0 && align__bt_priors[args->prior] == NULL;
    work->fixed = -1;
    memset(work->frozen, 0, work->plan.frozen);
    for (int32_t i = 0; i < args->n_items; i++) {
        double x = align__present(fixed) ? align__load(fixed->dtype, align__at(fixed, i, 0)) : 0;
        if (isinf(x))
            return ALIGN__FAIL(&call->exec, FIELD_VALUE, .owner = BT_ARGS, .field = "fixed",
                               .axes = 1, .index = {i}, .value = x, .word = "finite, or NaN");
        work->frozen[i] = all || (align__present(fixed) && !isnan(x));
        work->fixed = work->fixed < 0 && work->frozen[i] ? i : work->fixed;
    }
    return ALIGN_E_NONE;
}

/* The graph, in which fixed items are a chain of ties. */
static void find_graph(const struct bt_call *call, struct work *work)
{
    struct align__bt_graph *graph = &work->graph;
    int64_t n = call->args.n_items, links = work->list.count;
    bool both = call->args.prior == ALIGN_BT_PRIOR_EDGE ||
                call->args.prior == ALIGN_BT_PRIOR_JEFFREYS;
    int32_t last = -1;
    for (int32_t i = 0; align__present(&call->args.fixed) && i < n; i++) {
        if (!work->frozen[i])
            continue;
        if (last >= 0)
            work->list.edges[links++] = (struct align__bt_edge){
                .i = last, .j = i, .sum = {[ALIGN__BT_TIE] = 1}};
        last = i;
    }
    align__bt_graph_take(graph, &work->arena, n, most_links(call));
    align__bt_graph_find(graph, work->list.edges, links, both);
    for (int64_t part = 0; part < graph->parts; part++)
        graph->loose[part] = !call->pinned;
    for (int64_t i = 0; i < n; i++)
        if (work->frozen[i])
            graph->loose[graph->part[i]] = 0;
}

static void decide_existence(const struct bt_call *call, struct work *work)
{
    const align_bt_args *args = &call->args;
    int64_t n = args->n_items;
    struct align__bt_graph *graph = &work->graph;
    find_graph(call, work);
    work->existence = call->pinned || graph->parts == 1   ? ALIGN_BT_FINITE
                      : graph->parts == graph->components ? ALIGN_BT_ISLANDS
                                                          : ALIGN_BT_SEPARATED;
    if (call->ranked)
        align__bt_rankings_split(&work->loaded, &work->ranked, graph->part);
    else if (!call->pinned)
        keep_inner(call, work);
    choose_parameters(call, work);
    struct align__bt_exist exist = {
        .count = work->list.count,
        .edges = work->list.edges,
        .both = args->prior == ALIGN_BT_PRIOR_EDGE,
        .pinned = call->pinned,
        .home = work->fit.home >= 0,
        .tie = work->fit.tie >= 0,
        .fixed = work->fixed,
        .frozen = work->frozen,
    };
    align__bt_exist_take(&exist, &work->arena, n);
    bool decidable = !call->ranked && call->coefs == 0 && args->prior != ALIGN_BT_PRIOR_JEFFREYS;
    if (decidable && !align__bt_is_bounded(&exist))
        work->existence = ALIGN_BT_UNBOUNDED;
}

/* ---- the fit ------------------------------------------------------------------------------ */

static void set_up(const struct bt_call *call, struct work *work)
{
    const align_bt_args *args = &call->args;
    struct align__bt_fit *fit = &work->fit;
    fit->prior = (struct align__bt_prior){.kind = args->prior,
                                          .mean = args->prior_mean,
                                          .precision = args->prior_precision,
                                          .shape = args->prior_shape,
                                          .rate = args->prior_rate,
                                          .games = args->prior_games,
                                          .coefficient = args->coefficient_precision,
                                          .bias = args->bias_precision,
                                          .reliability = args->reliability_precision};
    bool ranked = call->ranked, sweeps = args->solver >= ALIGN_BT_SOLVER_MM;
    double scale = args->scale == 0 ? 1 : args->scale;
    fit->exec = &call->exec;
    fit->f64 = align__f64(align__cpu_allowed(&call->exec));
    fit->edges = work->list.edges;
    fit->edge_count = ranked ? 0 : work->list.count;
    fit->ranked = !ranked ? NULL : call->pinned ? &work->loaded : &work->ranked;
    fit->graph = &work->graph;
    fit->frozen = work->fixed >= 0 ? work->frozen : NULL;
    fit->tolerance = args->tolerance == 0 ? 1e-9 : args->tolerance;
    fit->max_iterations = args->max_iterations != 0 ? args->max_iterations : sweeps ? 10000 : 100;
    fit->watched = (call->coefs > 0 && args->coefficient_precision == 0 &&
                    args->prior != ALIGN_BT_PRIOR_JEFFREYS) ||
                   (ranked && fit->tie >= 0);
    align__bt_fit_take(fit, &work->arena, call->edges);
    align__bt_read_edges(fit);
    for (int64_t i = 0; align__present(&args->fixed) && i < fit->n; i++)
        if (work->frozen[i])
            fit->x[i] = (align__load(args->fixed.dtype, align__at(&args->fixed, i, 0)) -
                         args->offset) /
                        scale;
    for (int64_t i = 0; !align__present(&args->fixed) && i < fit->n; i++)
        fit->x[i] = 0;
}

static align_status run(const struct bt_call *call, struct work *work)
{
    const align_bt_args *args = &call->args;
    struct align__bt_fit *fit = &work->fit;
    bool free = call->coefs > 0 && args->coefficient_precision == 0;
    set_up(call, work);
    if (work->existence == ALIGN_BT_UNBOUNDED)
        return ALIGN_E_NONE;
    align__bt_start(fit);
    if (args->solver >= ALIGN_BT_SOLVER_MM)
        return align__bt_sweep(&call->exec, fit, args->solver, &work->arena);
    if (free || args->prior == ALIGN_BT_PRIOR_JEFFREYS) {
        int32_t prior = fit->prior.kind;
        fit->prior.kind = prior == ALIGN_BT_PRIOR_JEFFREYS ? ALIGN_BT_PRIOR_NONE : prior;
        align__bt_evaluate(fit, fit->x);
        if (fit->status != ALIGN_E_NONE)
            return fit->status;
        work->superfluous = align__bt_superfluous(fit);
        fit->prior.kind = prior;
        if (work->superfluous >= 0) {
            work->existence = ALIGN_BT_RANK_DEFICIENT;
            return ALIGN_E_NONE;
        }
    }
    align_status status = align__bt_fit_run(&call->exec, fit);
    if (fit->receding)
        work->existence = ALIGN_BT_UNBOUNDED;
    return status;
}

/* With features of items the covariance is that of feature . coefficient + x. */
static void add_features(const struct bt_call *call, struct work *work)
{
    const struct align__bt_fit *fit = &work->fit;
    const align_tensor *feature = &call->args.item_feature;
    int64_t n = fit->n, size = fit->size, count = call->item_coefs;
    double *v = work->variance.covariance, *row = fit->work[0];
    for (int64_t i = 0; count > 0 && i < n; i++) {
        memcpy(row, v + i * size, sizeof *row * (size_t)size);
        for (int64_t p = 0; p < count; p++) {
            double f = align__load(feature->dtype, align__at(feature, i, p));
            for (int64_t j = 0; j < size; j++)
                row[j] += f * v[(fit->coef + p) * size + j];
        }
        for (int64_t j = 0; j < n; j++) {
            double sum = row[j];
            for (int64_t p = 0; p < count; p++)
                sum += row[fit->coef + p] * align__load(feature->dtype, align__at(feature, j, p));
            v[i * size + j] = sum;
        }
    }
}

/* Under a prior the scores do not sum to 0, and their sum is no part of their spread. */
static align_status find_meat(const struct bt_call *call, struct work *work)
{
    struct align__bt_variance *variance = &work->variance;
    struct align__bt_fit *fit = &work->fit;
    double *total = fit->trial, rows = (double)call->seen;
    if (call->args.variance == ALIGN_BT_CLUSTER)
        return align__bt_fill_clusters(call, variance, fit, &work->arena);
    align__bt_fill_meat(variance, fit, total);
    for (int64_t i = 0; rows > 0 && i < fit->size; i++)
        for (int64_t j = i; j < fit->size; j++)
            variance->meat[i * fit->size + j] -= total[i] * total[j] / rows;
    return ALIGN_E_NONE;
}

static align_status find_spread(const struct bt_call *call, struct work *work)
{
    const align_bt_args *args = &call->args;
    const double(
        *squares)[ALIGN__BT_SQUARES] = (const double(*)[ALIGN__BT_SQUARES])work->list.squares;
    bool known = work->existence != ALIGN_BT_UNBOUNDED &&
                 work->existence != ALIGN_BT_RANK_DEFICIENT;
    if (call->errors && known) {
        work->variance = (struct align__bt_variance){
            .kind = args->variance, .rows = call->seen, .squares = squares};
        align__bt_variance_take(&work->variance, &work->arena, &work->fit, call->meat);
        align_status status = call->meat ? find_meat(call, work) : ALIGN_E_NONE;
        if (status != ALIGN_E_NONE)
            return status;
        work->has_errors = align__bt_variance_find(&work->variance, &work->fit);
        if (work->fit.status != ALIGN_E_NONE)
            return work->fit.status;
        if (work->has_errors)
            add_features(call, work);
        if (work->has_errors && (args->flags & ALIGN_BT_ANCHOR) != 0)
            align__bt_variance_anchor(&work->variance, &work->fit, args->anchor, work->fit.trial);
    }
    if (!align__present(&args->draws))
        return ALIGN_E_NONE;
    return align__bt_draw(call, &work->fit, known, squares, &work->arena);
}

/* ---- the call ----------------------------------------------------------------------------- */

align_status align_bt_fit(const align_exec *user_exec, align_bt_args *user_args)
{
    struct bt_call call;
    align_status status = align__bt_open(&call, user_exec, user_args);
    if (status != ALIGN_E_NONE)
        return status;
    struct work work = {.plan = make_plan(&call), .superfluous = -1};
    status = align__arena_open(&call.exec, &work.arena, plan_bytes(&work.plan));
    if (status == ALIGN_E_NONE)
        status = list_edges(&call, &work);
    if (status == ALIGN_E_NONE)
        status = freeze(&call, &work);
    if (status != ALIGN_E_NONE)
        return status;
    decide_existence(&call, &work);
    status = run(&call, &work);
    if (status == ALIGN_E_NONE)
        status = find_spread(&call, &work);
    if (status != ALIGN_E_NONE)
        return status;
    struct align__bt_result result = {.existence = work.existence,
                                      .superfluous = work.superfluous,
                                      .graph = &work.graph,
                                      .fit = &work.fit,
                                      .variance = work.has_errors ? &work.variance : NULL};
    align__bt_write(&call, &result);
    memcpy(user_args, &call.args,
           call.args.size < sizeof call.args ? call.args.size : sizeof call.args);
    return align__bt_say(&call, &result);
}
