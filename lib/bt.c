#include "bt_call.h"

#include <math.h>
#include <string.h>

void align_bt_args_init(align_bt_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

/* ---- scratch ------------------------------------------------------------------------------ */

struct plan {
    size_t table, edges, squares, order, begin, graph, exist, fit, variance, draw;
};

static struct align__bt_fit shape_of(const struct bt_call *call)
{
    const align_bt_args *args = &call->args;
    struct align__bt_fit fit = {.n = args->n_items, .dense = call->dense, .tie = -1, .home = -1};
    fit.size = fit.n;
    if (args->ties != ALIGN_BT_TIES_HALF)
        fit.tie = fit.size++;
    if ((args->flags & ALIGN_BT_HOME) != 0)
        fit.home = fit.size++;
    return fit;
}

static struct plan make_plan(const struct bt_call *call)
{
    size_t n = (size_t)call->args.n_items, edges = (size_t)call->edges;
    size_t pairs = (size_t)call->pairs;
    bool rows = call->args.rows != NULL, draws = align__present(&call->args.draws);
    struct align__bt_fit shape = shape_of(call);
    return (struct plan){
        .table = rows ? align__bt_table_bytes(shape.n, call->pairs, call->weighted) : 0,
        .edges = sizeof(struct align__bt_edge) * (edges + 1),
        .squares = call->squares ? sizeof(double) * ALIGN__BT_SQUARES * (edges + 1) : 0,
        .order = 2 * sizeof(uint32_t) * pairs,
        .begin = sizeof(int64_t) * (n + 1),
        .graph = align__bt_graph_bytes(shape.n, call->edges),
        .exist = align__bt_exist_bytes(shape.n),
        .fit = align__bt_fit_bytes(&shape, call->edges),
        .variance = call->errors ? align__bt_variance_bytes(&shape, call->sandwich) : 0,
        .draw = draws ? align__bt_draw_bytes(&shape, call->edges) : 0,
    };
}

static size_t plan_bytes(const struct plan *plan)
{
    return align__arena_slack() + align__block(plan->table) + align__block(plan->edges) +
           align__block(plan->squares) + align__block(plan->order) + align__block(plan->begin) +
           plan->graph + plan->exist + plan->fit + plan->variance + plan->draw;
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
    if (plan.draw > 0)
        *best += (size_t)(align__bt_draw_slots(&call) - 1) * plan.draw;
    return ALIGN_E_NONE;
}

/* ---- from comparisons to a problem --------------------------------------------------------- */

struct work {
    struct plan plan;
    struct align__arena arena;
    struct align__bt_edge_list list;
    struct align__bt_graph graph;
    struct align__bt_fit fit;
    struct align__bt_variance variance;
    int32_t existence;
    bool pinned, has_errors;
};

static align_status check_items(const struct bt_call *call)
{
    int64_t items = align__bt_table_items(&call->table);
    if (items <= call->args.n_items)
        return ALIGN_E_NONE;
    return ALIGN__FAIL(&call->exec, BT_ITEMS, .owner = BT_ARGS, .field = "n_items",
                       .value = (double)call->args.n_items, .high = (double)(items - 1));
}

static align_status list_edges(struct bt_call *call, struct work *work)
{
    align_status status = ALIGN_E_NONE;
    if (call->args.rows != NULL) {
        void *memory = align__arena_take(&work->arena, work->plan.table);
        align__bt_table_lay(&call->table, memory, work->plan.table, call->args.n_items,
                            call->weighted, true);
        status = align__bt_check_and_add(&call->exec, &call->table, &call->rows);
    }
    if (status == ALIGN_E_NONE && call->args.n_items < call->table.n_items)
        status = check_items(call);
    if (status != ALIGN_E_NONE)
        return status;
    struct align__bt_edge_list *list = &work->list;
    list->n_items = call->args.n_items;
    list->ordered = (call->args.flags & ALIGN_BT_HOME) != 0;
    list->edges = align__arena_take(&work->arena, work->plan.edges);
    if (call->squares)
        list->squares = align__arena_take(&work->arena, work->plan.squares);
    list->order = align__arena_take(&work->arena, work->plan.order);
    list->begin = align__arena_take(&work->arena, work->plan.begin);
    align__bt_list_edges(list, &call->table);
    return status;
}

/* Edges whose ends lie in different parts go: the limit of the likelihood knows them no more. */
static void keep_inner(struct align__bt_edge_list *list, const struct align__bt_graph *graph)
{
    int64_t kept = 0;
    for (int64_t e = 0; e < list->count; e++) {
        if (graph->part[list->edges[e].i] != graph->part[list->edges[e].j])
            continue;
        if (list->squares != NULL)
            memmove(list->squares[kept], list->squares[e], sizeof *list->squares);
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
    bool none = work->list.count == 0 && !work->pinned;
    *fit = shape_of(call);
    fit->size = fit->n;
    fit->ties = args->ties;
    if (fit->tie >= 0 && (none || !has_ties(&work->list))) {
        fit->ties = ALIGN_BT_TIES_HALF;
        fit->tie = -1;
        if (work->existence == ALIGN_BT_FINITE)
            work->existence = ALIGN_BT_BOUNDARY;
    }
    if (none)
        fit->home = -1;
    if (fit->tie >= 0)
        fit->tie = fit->size++;
    if (fit->home >= 0)
        fit->home = fit->size++;
}

static void decide_existence(const struct bt_call *call, struct work *work)
{
    int64_t n = call->args.n_items;
    bool edge_prior = call->args.prior == ALIGN_BT_PRIOR_EDGE;
    struct align__bt_graph *graph = &work->graph;
    work->pinned = align__bt_priors[call->args.prior] != NULL;
    align__bt_graph_take(graph, &work->arena, n, call->edges);
    align__bt_graph_find(graph, work->list.edges, work->list.count, edge_prior);
    work->existence = work->pinned || graph->parts == 1   ? ALIGN_BT_FINITE
                      : graph->parts == graph->components ? ALIGN_BT_ISLANDS
                                                          : ALIGN_BT_SEPARATED;
    if (!work->pinned)
        keep_inner(&work->list, graph);
    choose_parameters(call, work);
    struct align__bt_exist exist = {
        .count = work->list.count,
        .edges = work->list.edges,
        .both = edge_prior,
        .pinned = work->pinned,
        .home = work->fit.home >= 0,
        .tie = work->fit.tie >= 0,
    };
    align__bt_exist_take(&exist, &work->arena, n);
    if (!align__bt_is_bounded(&exist))
        work->existence = ALIGN_BT_UNBOUNDED;
}

/* ---- the fit ------------------------------------------------------------------------------ */

static align_status run(const struct bt_call *call, struct work *work)
{
    const align_bt_args *args = &call->args;
    struct align__bt_fit *fit = &work->fit;
    fit->prior = (struct align__bt_prior){.kind = args->prior,
                                          .mean = args->prior_mean,
                                          .precision = args->prior_precision,
                                          .shape = args->prior_shape,
                                          .rate = args->prior_rate,
                                          .games = args->prior_games};
    fit->edges = work->list.edges;
    fit->edge_count = work->list.count;
    fit->graph = &work->graph;
    fit->tolerance = args->tolerance == 0 ? 1e-9 : args->tolerance;
    fit->max_iterations = args->max_iterations == 0 ? 100 : args->max_iterations;
    align__bt_fit_take(fit, &work->arena, call->edges);
    if (work->existence == ALIGN_BT_UNBOUNDED)
        return ALIGN_E_NONE;
    align__bt_start(fit);
    return align__bt_fit_run(&call->exec, fit);
}

static align_status find_spread(const struct bt_call *call, struct work *work)
{
    const align_bt_args *args = &call->args;
    const double(
        *squares)[ALIGN__BT_SQUARES] = (const double(*)[ALIGN__BT_SQUARES])work->list.squares;
    if (call->errors && work->existence != ALIGN_BT_UNBOUNDED) {
        work->variance = (struct align__bt_variance){
            .kind = args->variance,
            .rows = call->table.rows,
            .squares = squares,
            .anchor = (args->flags & ALIGN_BT_ANCHOR) != 0 ? args->anchor : -1,
        };
        align__bt_variance_take(&work->variance, &work->arena, &work->fit, call->sandwich);
        work->has_errors = align__bt_variance_find(&work->variance, &work->fit);
    }
    if (!align__present(&args->draws))
        return ALIGN_E_NONE;
    return align__bt_draw(call, &work->fit, work->existence != ALIGN_BT_UNBOUNDED, squares,
                          &work->arena);
}

/* ---- results ------------------------------------------------------------------------------ */

static double entropy_of(double a, double total)
{
    return a > 0 ? a * log(a / total) : 0;
}

/* How high the log-likelihood is with free probabilities for every edge. */
static double saturated(const struct align__bt_fit *fit)
{
    double value = 0;
    for (int64_t e = 0; e < fit->edge_count; e++) {
        const double *sum = fit->edges[e].sum;
        double w = sum[ALIGN__BT_WIN], t = sum[ALIGN__BT_TIE], l = sum[ALIGN__BT_LOSS];
        double total = w + t + l, half = fit->ties == ALIGN_BT_TIES_HALF ? t / 2 : 0;
        value += entropy_of(w + half, total) + entropy_of(l + half, total);
        value += half == 0 ? entropy_of(t, total) : 0;
    }
    return value;
}

static void store(const align_tensor *t, int64_t i, int64_t j, double x)
{
    if (align__present(t))
        align__store(t->dtype, align__at(t, i, j), x);
}

static void write_items(const align_bt_args *args, const struct work *work)
{
    const struct align__bt_fit *fit = &work->fit;
    double scale = args->scale == 0 ? 1 : args->scale, level = 0;
    bool known = work->existence != ALIGN_BT_UNBOUNDED;
    if (known && (args->flags & ALIGN_BT_ANCHOR) != 0)
        level = fit->x[args->anchor];
    for (int64_t i = 0; i < fit->n; i++) {
        store(&args->strength, i, 0,
              known ? args->offset + scale * (fit->x[i] - level) : (double)NAN);
        store(&args->component, i, 0, work->graph.component[i]);
        store(&args->part, i, 0, work->graph.part[i]);
        const double *row = work->has_errors ? work->variance.covariance + i * fit->size : NULL;
        store(&args->se, i, 0, row != NULL ? scale * sqrt(row[i]) : (double)NAN);
        for (int64_t j = 0; align__present(&args->covariance) && j < fit->n; j++)
            store(&args->covariance, i, j, row != NULL ? scale * scale * row[j] : (double)NAN);
    }
}

static double error_of(const struct work *work, int64_t place)
{
    return work->has_errors && place >= 0
               ? sqrt(work->variance.covariance[place * work->fit.size + place])
               : (double)NAN;
}

static void write_numbers(align_bt_args *args, const struct work *work)
{
    const struct align__bt_fit *fit = &work->fit;
    bool known = work->existence != ALIGN_BT_UNBOUNDED;
    args->existence = work->existence;
    args->components = work->graph.components;
    args->parts = work->graph.parts;
    args->iterations = fit->iterations;
    args->score_norm = fit->score_norm;
    args->decrement = fit->decrement;
    args->last_step = fit->last_step;
    args->condition = fit->condition;
    args->log_likelihood = known ? align__bt_log_likelihood(fit) : (double)NAN;
    args->deviance = 2 * (saturated(fit) - args->log_likelihood);
    args->penalty = args->prior == ALIGN_BT_PRIOR_NONE ? 0 : fit->value + args->log_likelihood;
    args->tie = args->tie_se = args->home = args->home_se = 0;
    if (args->ties != ALIGN_BT_TIES_HALF) {
        double none = args->ties == ALIGN_BT_TIES_RAO_KUPPER ? 1 : 0;
        args->tie = !known ? (double)NAN : fit->tie < 0 ? none : exp(fit->x[fit->tie]);
        args->tie_se = error_of(work, fit->tie);
    }
    if ((args->flags & ALIGN_BT_HOME) != 0) {
        args->home = known && fit->home >= 0 ? fit->x[fit->home] : (double)NAN;
        args->home_se = error_of(work, fit->home);
    }
}

/* ---- what has no finite answer ------------------------------------------------------------- */

static int64_t first_in(const int32_t *number, int64_t n, int64_t wanted)
{
    int64_t i = 0;
    while (i < n && number[i] != wanted)
        i++;
    return i;
}

/* The first component that is more than one part. Parts are numbered so that its first never lost to
 * the others and its last never won; the smaller of the two is named. */
static align_status say_separated(const align_exec *exec, const struct align__bt_graph *graph)
{
    int32_t *first = graph->work[0], *last = graph->work[1], *members = graph->work[2];
    for (int64_t c = 0; c < graph->components; c++) {
        first[c] = INT32_MAX;
        last[c] = -1;
        members[c] = 0;
    }
    for (int64_t i = 0; i < graph->n; i++) {
        int32_t c = graph->component[i], part = graph->part[i];
        first[c] = part < first[c] ? part : first[c];
        last[c] = part > last[c] ? part : last[c];
        members[c]++;
    }
    int64_t c = 0;
    while (first[c] == last[c])
        c++;
    bool winless = graph->size[last[c]] < graph->size[first[c]];
    int32_t part = winless ? last[c] : first[c];
    int64_t item = first_in(graph->part, graph->n, part);
    struct align__fault fault = {
        .site = winless ? ALIGN__SITE_BT_WINLESS : ALIGN__SITE_BT_UNBEATEN,
        .owner = BT_ARGS,
        .field = "strength",
        .axes = 1,
        .index = {item},
        .value = (double)item,
        .low = graph->size[part],
        .high = members[c] - graph->size[part],
    };
    return align__fail(exec, &fault);
}

static align_status say_outcome(const align_exec *exec, const struct work *work)
{
    const struct align__bt_graph *graph = &work->graph;
    const struct align__bt_fit *fit = &work->fit;
    if (!work->pinned && graph->parts > graph->components)
        return say_separated(exec, graph);
    if (!work->pinned && graph->components > 1) {
        int64_t item = first_in(graph->component, graph->n, 1);
        return ALIGN__FAIL(exec, BT_ISLANDS, .owner = BT_ARGS, .field = "strength", .axes = 1,
                           .index = {item}, .value = (double)item,
                           .high = (double)graph->components);
    }
    if (work->existence == ALIGN_BT_UNBOUNDED)
        return ALIGN__FAIL(exec, BT_UNBOUNDED, .owner = BT_ARGS,
                           .field = fit->home < 0 ? "tie" : "home");
    if (!fit->converged)
        return ALIGN__FAIL(exec, BT_NOT_CONVERGED, .owner = BT_ARGS, .field = "strength",
                           .value = fit->last_step, .low = (double)fit->iterations,
                           .high = fit->tolerance);
    return ALIGN_E_NONE;
}

/* ---- the call ----------------------------------------------------------------------------- */

align_status align_bt_fit(const align_exec *user_exec, align_bt_args *user_args)
{
    struct bt_call call;
    align_status status = align__bt_open(&call, user_exec, user_args);
    if (status != ALIGN_E_NONE)
        return status;
    struct work work = {.plan = make_plan(&call)};
    status = align__arena_open(&call.exec, &work.arena, plan_bytes(&work.plan));
    if (status == ALIGN_E_NONE)
        status = list_edges(&call, &work);
    if (status != ALIGN_E_NONE)
        return status;
    decide_existence(&call, &work);
    status = run(&call, &work);
    if (status == ALIGN_E_NONE)
        status = find_spread(&call, &work);
    if (status != ALIGN_E_NONE)
        return status;
    align_bt_args *args = &call.args;
    write_items(args, &work);
    write_numbers(args, &work);
    memcpy(user_args, args, args->size < sizeof *args ? args->size : sizeof *args);
    return say_outcome(&call.exec, &work);
}
