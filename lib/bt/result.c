#include "call.h"

#include <math.h>
#include <string.h>

/* ---- numbers ------------------------------------------------------------------------------ */

/* How high the log-likelihood is with free probabilities for every edge: the sum of a log(a / total). */
static double saturated(const struct align__bt_fit *fit)
{
    enum { EDGES = ALIGN__BT_BLOCK };
    double value = 0, count[3 * EDGES], share[3 * EDGES];
    bool half = fit->ties == ALIGN_BT_TIES_HALF;
    int outcomes = half ? 2 : 3;
    for (int64_t e = 0; e < fit->edge_count;) {
        int64_t n = 0;
        for (; n < outcomes * EDGES && e < fit->edge_count; e++) {
            const double *sum = fit->edges[e].sum;
            double tie = half ? sum[ALIGN__BT_TIE] / 2 : 0;
            const double parts[] = {sum[ALIGN__BT_WIN] + tie, sum[ALIGN__BT_LOSS] + tie,
                                    half ? 0 : sum[ALIGN__BT_TIE]};
            double total = parts[0] + parts[1] + parts[2];
            for (int k = 0; k < outcomes; k++, n++) {
                count[n] = parts[k];
                share[n] = parts[k] > 0 ? parts[k] / total : 1;
            }
        }
        fit->f64->log(share, share, n);
        value += fit->f64->dot(count, share, n);
    }
    return value;
}

static bool is_known(const struct align__bt_result *result)
{
    return result->existence != ALIGN_BT_UNBOUNDED && result->existence != ALIGN_BT_RANK_DEFICIENT;
}

static void store(const align_tensor *t, int64_t i, int64_t j, double x)
{
    if (align__present(t))
        align__store(t->dtype, align__at(t, i, j), x);
}

double align__bt_theta(const struct bt_call *call, const struct align__bt_fit *fit, const double *x,
                       int64_t item)
{
    const align_tensor *feature = &call->args.item_feature;
    double theta = x[item];
    for (int64_t p = 0; p < call->item_coefs; p++)
        theta += align__load(feature->dtype, align__at(feature, item, p)) * x[fit->coef + p];
    return theta;
}

static void write_items(const struct bt_call *call, const struct align__bt_result *result)
{
    const align_bt_args *args = &call->args;
    const struct align__bt_fit *fit = result->fit;
    double scale = args->scale == 0 ? 1 : args->scale, level = 0;
    bool known = is_known(result);
    if (known && (args->flags & ALIGN_BT_ANCHOR) != 0)
        level = align__bt_theta(call, fit, fit->x, args->anchor);
    for (int64_t i = 0; i < fit->n; i++) {
        double theta = known ? align__bt_theta(call, fit, fit->x, i) - level : (double)NAN;
        store(&args->strength, i, 0, args->offset + scale * theta);
        store(&args->component, i, 0, result->graph->component[i]);
        store(&args->part, i, 0, result->graph->part[i]);
        const double *row = result->variance != NULL ? result->variance->covariance + i * fit->size
                                                     : NULL;
        store(&args->se, i, 0, row != NULL ? scale * sqrt(row[i]) : (double)NAN);
        for (int64_t j = 0; align__present(&args->covariance) && j < fit->n; j++)
            store(&args->covariance, i, j, row != NULL ? scale * scale * row[j] : (double)NAN);
    }
}

static double error_of(const struct align__bt_result *result, int64_t place)
{
    return result->variance != NULL && place >= 0
               ? sqrt(result->variance->covariance[place * result->fit->size + place])
               : (double)NAN;
}

static void write_extras(const struct bt_call *call, const struct align__bt_result *result)
{
    const align_bt_args *args = &call->args;
    const struct align__bt_fit *fit = result->fit;
    const struct align__bt_rankings *ranked = fit->ranked;
    bool known = is_known(result);
    for (int64_t p = 0; p < call->coefs; p++) {
        store(&args->coefficient, p, 0, known ? fit->x[fit->coef + p] : (double)NAN);
        store(&args->coefficient_se, p, 0, error_of(result, fit->coef + p));
    }
    for (int64_t k = 0; k < args->n_annotators; k++) {
        store(&args->bias, k, 0, known && fit->bias >= 0 ? fit->x[fit->bias + k] : (double)NAN);
        store(&args->reliability, k, 0,
              known && fit->reliability >= 0 ? exp(fit->x[fit->reliability + k]) : (double)NAN);
        store(&args->bias_se, k, 0, error_of(result, fit->bias < 0 ? -1 : fit->bias + k));
        store(&args->reliability_se, k, 0,
              error_of(result, fit->reliability < 0 ? -1 : fit->reliability + k));
    }
    for (int64_t k = 0; align__present(&args->orders) && k < args->orders.shape[0]; k++)
        store(&args->orders, k, 0, 0);
    for (int64_t o = 1; align__present(&args->orders) && o < ranked->orders; o++)
        store(&args->orders, ranked->order[o] - 2, 0,
              known ? exp(fit->x[fit->tie + o - 1]) : (double)NAN);
}

/* The place of nu or of theta: Davidson-Luce may have other orders alone. */
static int64_t tie_place(const struct align__bt_fit *fit)
{
    bool other = fit->ranked != NULL && fit->tie >= 0 && fit->ranked->order[1] != 2;
    return other ? -1 : fit->tie;
}

void align__bt_write(struct bt_call *call, const struct align__bt_result *result)
{
    align_bt_args *args = &call->args;
    const struct align__bt_fit *fit = result->fit;
    bool known = is_known(result);
    write_items(call, result);
    write_extras(call, result);
    args->existence = result->existence;
    args->components = result->graph->components;
    args->parts = result->graph->parts;
    args->iterations = fit->iterations;
    args->score_norm = fit->score_norm;
    args->decrement = fit->decrement;
    args->last_step = fit->last_step;
    args->condition = fit->condition;
    bool bare = args->prior == ALIGN_BT_PRIOR_NONE && args->coefficient_precision == 0 &&
                args->n_annotators == 0;
    args->log_likelihood = !known ? (double)NAN
                           : bare ? -fit->value
                                  : align__bt_log_likelihood(fit);
    args->deviance = 2 * (saturated(fit) - args->log_likelihood);
    args->penalty = fit->value + args->log_likelihood;
    if (bare)
        args->penalty = 0;
    args->tie = args->tie_se = args->home = args->home_se = 0;
    if (args->ties != ALIGN_BT_TIES_HALF) {
        int64_t tie = tie_place(fit);
        double none = args->ties == ALIGN_BT_TIES_RAO_KUPPER ? 1 : 0;
        args->tie = !known ? (double)NAN : tie < 0 ? none : exp(fit->x[tie]);
        args->tie_se = error_of(result, tie);
    }
    if ((args->flags & ALIGN_BT_HOME) != 0) {
        args->home = known && fit->home >= 0 ? fit->x[fit->home] : (double)NAN;
        args->home_se = error_of(result, fit->home);
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

static align_status say_unbounded(const struct bt_call *call, const struct align__bt_result *result)
{
    const struct align__bt_fit *fit = result->fit;
    const char *field = call->coefs > 0 ? "coefficient" : fit->home >= 0 ? "home" : "tie";
    if (result->existence == ALIGN_BT_RANK_DEFICIENT) {
        int64_t at = result->superfluous;
        bool coefficient = call->coefs > 0 && at >= fit->coef;
        return ALIGN__FAIL(&call->exec, BT_SUPERFLUOUS, .owner = BT_ARGS,
                           .field = coefficient ? "coefficient" : "home", .axes = coefficient,
                           .index = {at - fit->coef},
                           .value = (double)(coefficient ? at - fit->coef : 0));
    }
    return ALIGN__FAIL(&call->exec, BT_UNBOUNDED, .owner = BT_ARGS, .field = field);
}

align_status align__bt_say(const struct bt_call *call, const struct align__bt_result *result)
{
    const align_exec *exec = &call->exec;
    const struct align__bt_graph *graph = result->graph;
    const struct align__bt_fit *fit = result->fit;
    if (!call->pinned && graph->parts > graph->components)
        return say_separated(exec, graph);
    if (!call->pinned && graph->components > 1) {
        int64_t item = first_in(graph->component, graph->n, 1);
        return ALIGN__FAIL(exec, BT_ISLANDS, .owner = BT_ARGS, .field = "strength", .axes = 1,
                           .index = {item}, .value = (double)item,
                           .high = (double)graph->components);
    }
    if (!is_known(result))
        return say_unbounded(call, result);
    if (!fit->converged)
        return ALIGN__FAIL(exec, BT_NOT_CONVERGED, .owner = BT_ARGS, .field = "strength",
                           .value = fit->last_step, .low = (double)fit->iterations,
                           .high = fit->tolerance);
    return ALIGN_E_NONE;
}
