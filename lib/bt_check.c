#include "bt_call.h"

#include <math.h>
#include <string.h>

#define ARGS   BT_ARGS
#define READER "align_bt_fit"

enum { DENSE_ITEMS = 1024 };

static align_status fail_value(const align_exec *exec, const char *field, double value,
                               const char *word)
{
    return ALIGN__FAIL(exec, FIELD_VALUE, .owner = ARGS, .field = field, .value = value,
                       .word = word);
}

static align_status fail_unread(const align_exec *exec, const char *field, const char *word)
{
    return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = ARGS, .field = field, .word = word);
}

static align_status fail_bounds(const align_exec *exec, const char *field, double value, double low,
                                double high)
{
    return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = ARGS, .field = field, .value = value,
                       .low = low, .high = high);
}

/* ---- options ------------------------------------------------------------------------------ */

static align_status check_choices(const align_exec *exec, const align_bt_args *args)
{
    const struct {
        const char *field;
        int32_t value, most;
    } choices[] = {
        {"ties", args->ties, ALIGN_BT_TIES_RAO_KUPPER},
        {"prior", args->prior, ALIGN_BT_PRIOR_EDGE},
        {"variance", args->variance, ALIGN_BT_SANDWICH},
        {"solver", args->solver, ALIGN_BT_SOLVER_CG},
    };
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++)
        if (choices[i].value < 0 || choices[i].value > choices[i].most)
            return fail_bounds(exec, choices[i].field, choices[i].value, 0, choices[i].most);
    if ((args->flags & ~(uint32_t)(ALIGN_BT_HOME | ALIGN_BT_ANCHOR)) != 0)
        return ALIGN__FAIL(exec, FLAG_UNKNOWN, .owner = ARGS, .field = "flags",
                           .value = args->flags, .word = READER);
    return ALIGN_E_NONE;
}

/* Each number of a prior: who reads it, and above what it must lie. */
static align_status check_prior(const align_exec *exec, const align_bt_args *args)
{
    const struct {
        const char *field;
        double value, above;
        uint32_t readers;
        const char *word;
    } numbers[] = {
        {"prior_mean", args->prior_mean, -INFINITY, 1u << ALIGN_BT_PRIOR_GAUSSIAN, "finite"},
        {"prior_precision", args->prior_precision, 0, 1u << ALIGN_BT_PRIOR_GAUSSIAN,
         "finite and above 0"},
        {"prior_shape", args->prior_shape, 1, 1u << ALIGN_BT_PRIOR_GAMMA, "finite and above 1"},
        {"prior_rate", args->prior_rate, 0, 1u << ALIGN_BT_PRIOR_GAMMA, "finite and above 0"},
        {"prior_games", args->prior_games, 0,
         1u << ALIGN_BT_PRIOR_GHOST | 1u << ALIGN_BT_PRIOR_EDGE, "finite and above 0"},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        bool read = (numbers[i].readers >> args->prior & 1) != 0;
        if (!read && numbers[i].value != 0)
            return fail_unread(exec, numbers[i].field, "this prior");
        if (read && !(numbers[i].value > numbers[i].above && numbers[i].value < INFINITY))
            return fail_value(exec, numbers[i].field, numbers[i].value, numbers[i].word);
    }
    return ALIGN_E_NONE;
}

static align_status check_numbers(const align_exec *exec, const align_bt_args *args)
{
    if (args->n_items < 2 || args->n_items > INT32_MAX)
        return fail_bounds(exec, "n_items", (double)args->n_items, 2, INT32_MAX);
    if (!(args->tolerance >= 0 && args->tolerance <= 1))
        return fail_bounds(exec, "tolerance", args->tolerance, 0, 1);
    if (args->max_iterations < 0)
        return fail_value(exec, "max_iterations", (double)args->max_iterations, "0 or more");
    if (!(args->scale >= 0 && args->scale < INFINITY))
        return fail_value(exec, "scale", args->scale, "finite and 0 or more");
    if (!(fabs(args->offset) < INFINITY))
        return fail_value(exec, "offset", args->offset, "finite");
    if ((args->flags & ALIGN_BT_ANCHOR) == 0)
        return args->anchor == 0 ? ALIGN_E_NONE
                                 : fail_unread(exec, "anchor", "a fit without ALIGN_BT_ANCHOR");
    if (args->anchor < 0 || args->anchor >= args->n_items)
        return fail_bounds(exec, "anchor", (double)args->anchor, 0, (double)(args->n_items - 1));
    if (align__bt_priors[args->prior] != NULL)
        return fail_unread(exec, "anchor", "a prior that gives strengths a level");
    return ALIGN_E_NONE;
}

/* ---- sources ------------------------------------------------------------------------------ */

static align_status check_source(struct bt_call *call)
{
    const align_exec *exec = &call->exec;
    const align_bt_args *args = &call->args;
    int64_t n = args->n_items;
    align_status status;
    if (args->rows == NULL && args->counts == NULL)
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = ARGS, .field = "rows", .word = READER);
    if (args->rows != NULL && args->counts != NULL)
        return fail_unread(exec, "counts", "a fit of rows");
    if (args->rows != NULL) {
        status = align__bt_import_rows(exec, &call->rows, args->rows, READER);
        call->pairs = call->rows.first.shape[0];
        call->weighted = align__present(&call->rows.outcome) || align__present(&call->rows.weight);
    } else {
        status = align__bt_import_counts(exec, &call->table, args->counts);
        if (status == ALIGN_E_NONE && call->table.n_items < n)
            return fail_bounds(exec, "n_items", (double)n, 2, (double)call->table.n_items);
        call->pairs = call->table.used;
    }
    bool ordered = (args->flags & ALIGN_BT_HOME) != 0;
    int64_t all = n * (n - 1), most = ordered ? all : all / 2;
    call->pairs = call->pairs < n * n ? call->pairs : n * n;
    call->edges = call->pairs < most ? call->pairs : most;
    return status;
}

/* ---- outputs ------------------------------------------------------------------------------ */

enum { OUTPUTS = 6, INPUTS = 4 };

static void name_tensors(const struct bt_call *call, struct align__named *all)
{
    const align_bt_args *args = &call->args;
    const align_bt_rows *rows = &call->rows;
    const struct align__named named[OUTPUTS + INPUTS] = {
        {ARGS, "strength", &args->strength},
        {ARGS, "se", &args->se},
        {ARGS, "covariance", &args->covariance},
        {ARGS, "component", &args->component},
        {ARGS, "part", &args->part},
        {ARGS, "draws", &args->draws},
        {BT_ROWS, "first", &rows->first},
        {BT_ROWS, "second", &rows->second},
        {BT_ROWS, "outcome", &rows->outcome},
        {BT_ROWS, "weight", &rows->weight},
    };
    memcpy(all, named, sizeof named);
}

static int is_table(const align_bt_args *args, const align_tensor *t)
{
    return t == &args->covariance || t == &args->draws;
}

static align_status check_outputs(const struct bt_call *call)
{
    static const int sets[OUTPUTS] = {ALIGN__SET_WIDE,  ALIGN__SET_WIDE,  ALIGN__SET_WIDE,
                                      ALIGN__SET_INDEX, ALIGN__SET_INDEX, ALIGN__SET_WIDE};
    const align_exec *exec = &call->exec;
    const align_bt_args *args = &call->args;
    const int64_t n = args->n_items, shapes[][2] = {{n, n}, {args->draws.shape[0], n}};
    struct align__named all[OUTPUTS + INPUTS];
    name_tensors(call, all);
    if (!align__present(&args->strength))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = ARGS, .field = "strength", .word = READER);
    align_status status = ALIGN_E_NONE;
    for (int i = 0; status == ALIGN_E_NONE && i < OUTPUTS; i++) {
        status = align__check_tensor(exec, all[i], sets[i]);
        if (status == ALIGN_E_NONE)
            status = align__check_shape(exec, all[i], 1 + is_table(args, all[i].tensor),
                                        shapes[all[i].tensor == &args->draws]);
    }
    for (int i = 0; status == ALIGN_E_NONE && i < OUTPUTS; i++)
        status = align__check_output(exec, all[i], all, OUTPUTS + INPUTS);
    return status;
}

static align_status check_errors_asked(struct bt_call *call)
{
    const align_bt_args *args = &call->args;
    call->errors = align__present(&args->se) || align__present(&args->covariance);
    call->squares = args->variance == ALIGN_BT_SANDWICH || align__present(&args->draws);
    call->sandwich = args->variance == ALIGN_BT_SANDWICH;
    call->dense = args->solver == ALIGN_BT_SOLVER_CHOLESKY ||
                  (args->solver == ALIGN_BT_SOLVER_AUTO &&
                   (args->n_items <= DENSE_ITEMS || call->errors));
    if (!align__present(&args->draws) && args->seed != 0)
        return fail_unread(&call->exec, "seed", "a fit without draws");
    if (call->sandwich && !call->errors)
        return fail_unread(&call->exec, "variance", "a fit without se and covariance");
    if (call->errors && !call->dense)
        return fail_unread(&call->exec, align__present(&args->se) ? "se" : "covariance",
                           "ALIGN_BT_SOLVER_CG");
    return ALIGN_E_NONE;
}

align_status align__bt_open(struct bt_call *call, const align_exec *user_exec,
                            const align_bt_args *user_args)
{
    memset(call, 0, sizeof *call);
    align_status status = align__enter(&call->exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&call->exec, ARGS, &call->args, sizeof call->args, sizeof call->args,
                               user_args);
    if (status == ALIGN_E_NONE)
        status = check_choices(&call->exec, &call->args);
    if (status == ALIGN_E_NONE)
        status = check_prior(&call->exec, &call->args);
    if (status == ALIGN_E_NONE)
        status = check_numbers(&call->exec, &call->args);
    if (status == ALIGN_E_NONE)
        status = check_source(call);
    if (status == ALIGN_E_NONE)
        status = check_outputs(call);
    if (status == ALIGN_E_NONE)
        status = check_errors_asked(call);
    return status;
}
