#include "call.h"
#include "line.h"

#include <string.h>

/* Rows one by one: where covariates or annotators keep them apart. */

static double real(const align_tensor *t, int64_t i, int64_t j)
{
    return align__load(t->dtype, align__at(t, i, j));
}

void align__bt_features(const struct bt_call *call, int64_t i, int64_t j, double *z)
{
    const align_tensor *feature = &call->args.item_feature;
    for (int64_t p = 0; p < call->item_coefs; p++)
        z[p] = real(feature, i, p) - real(feature, j, p);
}

struct align__bt_game align__bt_game_of(const align_bt_rows *rows, int64_t row)
{
    return (struct align__bt_game){
        .first = align__whole(&rows->first, row),
        .second = align__whole(&rows->second, row),
        .outcome = align__present(&rows->outcome) ? real(&rows->outcome, row, 0) : 1,
        .weight = align__present(&rows->weight) ? real(&rows->weight, row, 0) : 1,
    };
}

/* One row as an edge; false when it weighs nothing. */
static bool read_row(const struct bt_call *call, int64_t row, struct align__bt_edge *edge,
                     int32_t *judge, double *z)
{
    const align_bt_rows *rows = &call->rows;
    struct align__bt_game game = align__bt_game_of(rows, row);
    bool tie = game.outcome == 0.5;
    *edge = (struct align__bt_edge){.i = (int32_t)game.first, .j = (int32_t)game.second};
    edge->sum[ALIGN__BT_TIE] = tie ? game.weight : 0;
    edge->sum[ALIGN__BT_WIN] = tie ? 0 : game.weight * game.outcome;
    edge->sum[ALIGN__BT_LOSS] = tie ? 0 : game.weight * (1 - game.outcome);
    *judge = align__present(&rows->annotator) ? (int32_t)align__whole(&rows->annotator, row) : 0;
    align__bt_features(call, game.first, game.second, z);
    for (int64_t p = call->item_coefs; p < call->coefs; p++)
        z[p] = real(&rows->covariate, row, p - call->item_coefs);
    return game.weight > 0;
}

static align_status check_ids(const align_exec *exec, const align_tensor *t, const char *field,
                              int64_t count)
{
    for (int64_t row = 0; align__present(t) && row < t->shape[0]; row++) {
        int64_t id = align__whole(t, row);
        if (id < 0 || id >= count)
            return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = BT_ROWS, .field = field, .axes = 1,
                               .index = {row}, .value = (double)id, .high = (double)(count - 1));
    }
    return ALIGN_E_NONE;
}

align_status align__bt_check_values(const align_exec *exec, const align_tensor *t,
                                    const char *owner, const char *field)
{
    for (int64_t i = 0; align__present(t) && i < t->shape[0]; i++)
        for (int64_t j = 0; j < (t->ndim > 1 ? t->shape[1] : 1); j++) {
            double x = real(t, i, j);
            if (!(fabs(x) < INFINITY))
                return ALIGN__FAIL(exec, FIELD_VALUE, .owner = owner, .field = field,
                                   .axes = (uint32_t)t->ndim, .index = {i, j}, .value = x,
                                   .word = "a finite number");
        }
    return ALIGN_E_NONE;
}

align_status align__bt_refuse_extras(const align_exec *exec, const align_bt_rows *rows,
                                     const char *reader)
{
    const struct {
        const char *field;
        const align_tensor *tensor;
    } extras[] = {{"covariate", &rows->covariate},
                  {"annotator", &rows->annotator},
                  {"cluster", &rows->cluster}};
    for (int k = 0; k < 3; k++)
        if (align__present(extras[k].tensor))
            return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = BT_ROWS, .field = extras[k].field,
                               .word = reader);
    return ALIGN_E_NONE;
}

align_status align__bt_check_extras(const struct bt_call *call)
{
    const align_bt_args *args = &call->args;
    const align_exec *exec = &call->exec;
    align_status status = align__bt_check_values(exec, &args->item_feature, BT_ARGS,
                                                 "item_feature");
    if (status == ALIGN_E_NONE && args->rows != NULL)
        status = align__bt_check_values(exec, &call->rows.covariate, BT_ROWS, "covariate");
    if (status == ALIGN_E_NONE && args->rows != NULL)
        status = check_ids(exec, &call->rows.annotator, "annotator", args->n_annotators);
    if (status == ALIGN_E_NONE && args->rows != NULL)
        status = check_ids(exec, &call->rows.cluster, "cluster", args->n_clusters);
    return status;
}

void align__bt_list_rows(const struct bt_call *call, struct align__bt_edge_list *list,
                         int32_t *judge, double *z)
{
    list->count = 0;
    for (int64_t row = 0; row < call->rows.first.shape[0]; row++) {
        int64_t e = list->count;
        struct align__bt_edge *edge = &list->edges[e];
        if (!read_row(call, row, edge, &judge[e], z + e * call->coefs))
            continue;
        for (int k = 0; list->squares != NULL && k < ALIGN__BT_OUTCOMES; k++)
            list->squares[e][k] = edge->sum[k] * edge->sum[k];
        if (list->squares != NULL)
            list->squares[e][ALIGN__BT_CROSS] = edge->sum[ALIGN__BT_WIN] *
                                                edge->sum[ALIGN__BT_LOSS];
        list->count++;
    }
}

void align__bt_add_edge_score(const struct bt_call *call, const struct align__bt_fit *fit,
                              const struct align__bt_edge *edge, int32_t judge, const double *z,
                              double *score)
{
    struct align__bt_line line;
    if (!call->pinned && fit->graph->part[edge->i] != fit->graph->part[edge->j])
        return;
    align__bt_line_of(fit, edge->i, edge->j, judge, z, fit->x, &line);
    struct align__bt_terms t = align__bt_models[fit->ties].kernel(
        line.d, fit->tie < 0 ? 0 : fit->x[fit->tie], edge->sum);
    align__bt_spread(fit, &line, t.d, score);
    if (fit->tie >= 0)
        score[fit->tie] += t.u;
}

void align__bt_add_row_score(const struct bt_call *call, const struct align__bt_fit *fit,
                             int64_t row, double *z, double *score)
{
    struct align__bt_edge edge;
    int32_t judge;
    if (read_row(call, row, &edge, &judge, z))
        align__bt_add_edge_score(call, fit, &edge, judge, z, score);
}
