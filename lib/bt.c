#include "bt.h"

#include <math.h>
#include <string.h>

#define ARGS "align_bt_args"
#define ROWS "align_bt_rows"

/* Sizes of the structs in the release that brought them. */
enum { ROWS_FIRST_SIZE = sizeof(align_bt_rows), ARGS_FIRST_SIZE = sizeof(align_bt_args) };

void align_bt_rows_init(align_bt_rows *rows, size_t size)
{
    memset(rows, 0, size);
    rows->size = size;
}

void align_bt_args_init(align_bt_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

/* ---- checks ------------------------------------------------------------------------------- */

struct call {
    align_exec exec;
    align_bt_args args;
    align_bt_rows rows;
    int64_t pairs, edges; /* at most */
};

static align_status check_rows(struct call *call)
{
    const align_exec *exec = &call->exec;
    align_bt_rows *rows = &call->rows;
    const struct {
        struct align__named named;
        int set;
        bool needed;
    } fields[] = {
        {{ROWS, "first", &rows->first}, ALIGN__SET_INDEX, true},
        {{ROWS, "second", &rows->second}, ALIGN__SET_INDEX, true},
        {{ROWS, "outcome", &rows->outcome}, ALIGN__SET_REAL, false},
        {{ROWS, "weight", &rows->weight}, ALIGN__SET_REAL, false},
    };
    if (call->args.rows == NULL)
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = ARGS, .field = "rows",
                           .word = "align_bt_fit");
    align_status status = align__import(exec, ROWS, rows, sizeof *rows, ROWS_FIRST_SIZE,
                                        call->args.rows);
    for (size_t i = 0; status == ALIGN_E_NONE && i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i].needed && !align__present(fields[i].named.tensor))
            return ALIGN__FAIL(exec, FIELD_MISSING, .owner = ROWS, .field = fields[i].named.field,
                               .word = "align_bt_fit");
        status = align__check_tensor(exec, fields[i].named, fields[i].set);
        if (status == ALIGN_E_NONE)
            status = align__check_shape(exec, fields[i].named, 1,
                                        i == 0 ? fields[0].named.tensor->shape : rows->first.shape);
    }
    return status;
}

static align_status check_numbers(const struct call *call)
{
    const align_exec *exec = &call->exec;
    const align_bt_args *args = &call->args;
    if (args->flags != 0)
        return ALIGN__FAIL(exec, FLAG_UNKNOWN, .owner = ARGS, .field = "flags",
                           .value = args->flags, .word = "align_bt_fit");
    if (args->n_items < 2 || args->n_items > INT32_MAX)
        return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = ARGS, .field = "n_items",
                           .value = (double)args->n_items, .low = 2, .high = INT32_MAX);
    if (!(args->tolerance >= 0 && args->tolerance <= 1))
        return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = ARGS, .field = "tolerance",
                           .value = args->tolerance, .high = 1);
    if (args->max_iterations < 0)
        return ALIGN__FAIL(exec, FIELD_VALUE, .owner = ARGS, .field = "max_iterations",
                           .value = (double)args->max_iterations, .word = "0 or more");
    return ALIGN_E_NONE;
}

static align_status check_outputs(const struct call *call)
{
    const align_exec *exec = &call->exec;
    const align_bt_args *args = &call->args;
    const struct align__named all[] = {
        {ARGS, "strength", &args->strength},  {ARGS, "component", &args->component},
        {ARGS, "part", &args->part},          {ROWS, "first", &call->rows.first},
        {ROWS, "second", &call->rows.second}, {ROWS, "outcome", &call->rows.outcome},
        {ROWS, "weight", &call->rows.weight},
    };
    enum { OUTPUTS = 3, ALL = sizeof all / sizeof all[0] };
    if (!align__present(&args->strength))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = ARGS, .field = "strength",
                           .word = "align_bt_fit");
    align_status status = ALIGN_E_NONE;
    for (int i = 0; status == ALIGN_E_NONE && i < OUTPUTS; i++) {
        status = align__check_tensor(exec, all[i], i == 0 ? ALIGN__SET_WIDE : ALIGN__SET_INDEX);
        if (status == ALIGN_E_NONE)
            status = align__check_shape(exec, all[i], 1, &args->n_items);
    }
    for (int i = 0; status == ALIGN_E_NONE && i < OUTPUTS; i++)
        status = align__check_output(exec, all[i], all, ALL);
    return status;
}

/* All that can be said without reading what the tensors hold. */
static align_status open_call(struct call *call, const align_exec *user_exec,
                              const align_bt_args *user_args)
{
    align_status status = align__enter(&call->exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&call->exec, ARGS, &call->args, sizeof call->args, ARGS_FIRST_SIZE,
                               user_args);
    if (status == ALIGN_E_NONE)
        status = check_numbers(call);
    if (status == ALIGN_E_NONE)
        status = check_rows(call);
    if (status == ALIGN_E_NONE)
        status = check_outputs(call);
    if (status != ALIGN_E_NONE)
        return status;
    int64_t n = call->args.n_items, rows = call->rows.first.shape[0];
    call->pairs = rows < n * (n - 1) ? rows : n * (n - 1);
    call->edges = rows < n * (n - 1) / 2 ? rows : n * (n - 1) / 2;
    return ALIGN_E_NONE;
}

/* ---- scratch ------------------------------------------------------------------------------ */

struct plan {
    size_t table, edges, order, begin, graph, fit;
};

static bool is_weighted(const struct call *call)
{
    return align__present(&call->rows.outcome) || align__present(&call->rows.weight);
}

static struct plan make_plan(const struct call *call)
{
    int64_t n = call->args.n_items;
    return (struct plan){
        .table = align__bt_table_bytes(n, call->pairs, is_weighted(call)),
        .edges = sizeof(struct align__bt_edge) * (size_t)call->edges,
        .order = 2 * sizeof(uint32_t) * (size_t)call->pairs,
        .begin = sizeof(int64_t) * (size_t)(n + 1),
        .graph = align__bt_graph_bytes(n, call->edges),
        .fit = align__bt_fit_bytes(n, call->edges),
    };
}

static size_t plan_bytes(const struct plan *plan)
{
    return align__arena_slack() + align__block(plan->table) + align__block(plan->edges) +
           align__block(plan->order) + align__block(plan->begin) + plan->graph + plan->fit;
}

align_status align_bt_scratch(const align_exec *user_exec, const align_bt_args *user_args,
                              size_t *least, size_t *best)
{
    struct call call;
    align_status status = open_call(&call, user_exec, user_args);
    if (status != ALIGN_E_NONE)
        return status;
    struct plan plan = make_plan(&call);
    *least = *best = plan_bytes(&plan);
    return ALIGN_E_NONE;
}

/* ---- results ------------------------------------------------------------------------------ */

/* How much the log-likelihood would rise with a free probability for every edge. */
static double saturated(const struct align__bt_fit *fit)
{
    double value = 0;
    for (int64_t e = 0; e < fit->edge_count; e++) {
        const double *sum = fit->edges[e].sum;
        double a = sum[ALIGN__BT_WIN] + sum[ALIGN__BT_TIE] / 2;
        double b = sum[ALIGN__BT_LOSS] + sum[ALIGN__BT_TIE] / 2;
        value += (a > 0 ? a * log(a / (a + b)) : 0) + (b > 0 ? b * log(b / (a + b)) : 0);
    }
    return value;
}

static void store(const align_tensor *t, int64_t i, double x)
{
    if (align__present(t))
        align__store(t->dtype, align__at(t, i, 0), x);
}

static void write_results(struct call *call, const struct align__bt_fit *fit,
                          align_bt_args *user_args)
{
    align_bt_args *args = &call->args;
    const struct align__bt_graph *graph = fit->graph;
    for (int64_t i = 0; i < fit->n; i++) {
        store(&args->strength, i, fit->strength[i]);
        store(&args->component, i, graph->component[i]);
        store(&args->part, i, graph->part[i]);
    }
    args->existence = graph->parts == 1                   ? ALIGN_BT_FINITE
                      : graph->parts == graph->components ? ALIGN_BT_ISLANDS
                                                          : ALIGN_BT_SEPARATED;
    args->components = graph->components;
    args->parts = graph->parts;
    args->iterations = fit->iterations;
    args->score_norm = fit->score_norm;
    args->decrement = fit->decrement;
    args->last_step = fit->last_step;
    args->log_likelihood = -fit->value;
    args->deviance = 2 * (saturated(fit) + fit->value);
    memcpy(user_args, args, args->size < sizeof *args ? args->size : sizeof *args);
}

/* ---- what has no finite answer ------------------------------------------------------------- */

static int64_t first_in(const int32_t *number, int64_t n, int32_t wanted)
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
        .owner = ARGS,
        .field = "strength",
        .axes = 1,
        .index = {item},
        .value = (double)item,
        .low = graph->size[part],
        .high = members[c] - graph->size[part],
    };
    return align__fail(exec, &fault);
}

static align_status say_outcome(const align_exec *exec, const struct align__bt_fit *fit)
{
    const struct align__bt_graph *graph = fit->graph;
    if (graph->parts > graph->components)
        return say_separated(exec, graph);
    if (graph->components > 1) {
        int64_t item = first_in(graph->component, graph->n, 1);
        return ALIGN__FAIL(exec, BT_ISLANDS, .owner = ARGS, .field = "strength", .axes = 1,
                           .index = {item}, .value = (double)item,
                           .high = (double)graph->components);
    }
    if (!fit->converged)
        return ALIGN__FAIL(exec, BT_NOT_CONVERGED, .owner = ARGS, .field = "strength",
                           .value = fit->last_step, .low = (double)fit->iterations,
                           .high = fit->tolerance);
    return ALIGN_E_NONE;
}

/* ---- the call ----------------------------------------------------------------------------- */

/* Edges whose ends lie in different parts go: the limit of the likelihood knows them no more. */
static int64_t keep_inner(struct align__bt_edge *edges, int64_t count,
                          const struct align__bt_graph *graph)
{
    int64_t kept = 0;
    for (int64_t e = 0; e < count; e++)
        if (graph->part[edges[e].i] == graph->part[edges[e].j])
            edges[kept++] = edges[e];
    return kept;
}

align_status align_bt_fit(const align_exec *user_exec, align_bt_args *user_args)
{
    struct call call;
    align_status status = open_call(&call, user_exec, user_args);
    if (status != ALIGN_E_NONE)
        return status;
    const align_exec *exec = &call.exec;
    const align_bt_args *args = &call.args;
    struct plan plan = make_plan(&call);
    struct align__arena arena;
    status = align__arena_open(exec, &arena, plan_bytes(&plan));
    if (status == ALIGN_E_NONE)
        status = align__bt_check_rows(exec, &call.rows, args->n_items);
    if (status != ALIGN_E_NONE)
        return status;

    struct align__bt_table table;
    align__bt_table_init(&table, align__arena_take(&arena, plan.table), plan.table, args->n_items,
                         is_weighted(&call));
    align__bt_add_rows(&table, &call.rows);
    struct align__bt_edge *edges = align__arena_take(&arena, plan.edges);
    uint32_t *order = align__arena_take(&arena, plan.order);
    int64_t *begin = align__arena_take(&arena, plan.begin);
    int64_t count = align__bt_edges(&table, edges, order, begin);

    struct align__bt_graph graph;
    align__bt_graph_take(&graph, &arena, args->n_items, call.edges);
    align__bt_graph_find(&graph, edges, count);

    struct align__bt_fit fit = {
        .edges = edges,
        .edge_count = keep_inner(edges, count, &graph),
        .graph = &graph,
        .tolerance = args->tolerance == 0 ? 1e-9 : args->tolerance,
        .max_iterations = args->max_iterations == 0 ? 100 : args->max_iterations,
    };
    align__bt_fit_take(&fit, &arena, args->n_items, call.edges);
    status = align__bt_fit_run(exec, &fit);
    if (status != ALIGN_E_NONE)
        return status;
    write_results(&call, &fit, user_args);
    return say_outcome(exec, &fit);
}
