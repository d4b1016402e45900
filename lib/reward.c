#include "reward.h"

#include <math.h>
#include <string.h>

#define ARGS   REWARD_ARGS
#define READER "align_reward_fit"

enum { DENSE_FEATURES = 128 };

void align_reward_args_init(align_reward_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

/* ---- checks ------------------------------------------------------------------------------- */

struct call {
    align_exec exec;
    align_reward_args args;
    int64_t count, width; /* M, D */
    bool errors;
};

static align_status fail_missing(const align_exec *exec, const char *field)
{
    return ALIGN__FAIL(exec, FIELD_MISSING, .owner = ARGS, .field = field, .word = READER);
}

static align_status fail_unread(const align_exec *exec, const char *field, const char *word)
{
    return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = ARGS, .field = field, .word = word);
}

/* Which of the two ways the features come in, and the sizes that follow. */
static align_status check_source(struct call *call)
{
    const align_exec *exec = &call->exec;
    const align_reward_args *args = &call->args;
    bool indexed = align__present(&args->index);
    if (indexed && align__present(&args->first))
        return fail_unread(exec, "first", "a fit with index");
    if (indexed && align__present(&args->second))
        return fail_unread(exec, "second", "a fit with index");
    if (indexed && !align__present(&args->features))
        return fail_missing(exec, "features");
    if (!indexed && align__present(&args->features))
        return fail_unread(exec, "features", "a fit without index");
    if (!indexed && !align__present(&args->first))
        return fail_missing(exec, "first");
    if (!indexed && !align__present(&args->second))
        return fail_missing(exec, "second");
    const align_tensor *wide = indexed ? &args->features : &args->first;
    call->count = indexed ? args->index.shape[0] : args->first.shape[0];
    call->width = wide->ndim == 2 ? wide->shape[1] : 0;
    return ALIGN_E_NONE;
}

static align_status check_inner(const align_exec *exec, struct align__named named)
{
    const align_tensor *t = named.tensor;
    if (!align__present(t) || t->stride[1] == 1 || t->shape[1] < 2)
        return ALIGN_E_NONE;
    return ALIGN__FAIL(exec, TENSOR_INNER, .owner = named.owner, .field = named.field,
                       .value = (double)t->stride[1], .low = 1);
}

enum { OUTPUTS = 3, TENSORS = 11 };

static align_status check_tensors(const struct call *call)
{
    const align_exec *exec = &call->exec;
    const align_reward_args *args = &call->args;
    int64_t m = call->count, d = call->width, r = args->features.shape[0];
    const struct {
        struct align__named named;
        int set;
        int32_t ndim;
        int64_t shape[2];
        bool wide;
    } rows[TENSORS] = {
        {{ARGS, "coef", &args->coef}, ALIGN__SET_WIDE, 1, {d}, false},
        {{ARGS, "se", &args->se}, ALIGN__SET_WIDE, 1, {d}, false},
        {{ARGS, "covariance", &args->covariance}, ALIGN__SET_WIDE, 2, {d, d}, false},
        {{ARGS, "first", &args->first}, ALIGN__SET_REAL, 2, {m, d}, true},
        {{ARGS, "second", &args->second}, ALIGN__SET_REAL, 2, {m, d}, true},
        {{ARGS, "features", &args->features}, ALIGN__SET_REAL, 2, {r, d}, true},
        {{ARGS, "index", &args->index}, ALIGN__SET_INDEX, 2, {m, 2}, false},
        {{ARGS, "prob", &args->prob}, ALIGN__SET_REAL, 1, {m}, false},
        {{ARGS, "margin", &args->margin}, ALIGN__SET_REAL, 1, {m}, false},
        {{ARGS, "weight", &args->weight}, ALIGN__SET_REAL, 1, {m}, false},
        {{ARGS, "l2_each", &args->l2_each}, ALIGN__SET_WIDE, 1, {d}, false},
    };
    struct align__named all[TENSORS];
    align_status status = ALIGN_E_NONE;
    /* Inputs first: the sizes of the others follow from theirs. */
    for (int k = 0; status == ALIGN_E_NONE && k < TENSORS; k++) {
        int i = (k + OUTPUTS) % TENSORS;
        all[i] = rows[i].named;
        status = align__check_tensor(exec, all[i], rows[i].set);
        if (status == ALIGN_E_NONE)
            status = align__check_shape(exec, all[i], rows[i].ndim, rows[i].shape);
        if (status == ALIGN_E_NONE && rows[i].wide)
            status = check_inner(exec, all[i]);
    }
    for (int i = 0; status == ALIGN_E_NONE && i < OUTPUTS; i++)
        status = align__check_output(exec, all[i], all, TENSORS);
    return status;
}

static align_status check_options(const struct call *call)
{
    const align_exec *exec = &call->exec;
    const align_reward_args *args = &call->args;
    if (args->flags != 0)
        return ALIGN__FAIL(exec, FLAG_UNKNOWN, .owner = ARGS, .field = "flags",
                           .value = args->flags, .word = READER);
    if (!(args->l2 >= 0 && args->l2 < INFINITY))
        return ALIGN__FAIL(exec, FIELD_VALUE, .owner = ARGS, .field = "l2", .value = args->l2,
                           .word = "finite and 0 or more");
    if (!(args->tolerance >= 0 && args->tolerance <= 1))
        return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = ARGS, .field = "tolerance",
                           .value = args->tolerance, .high = 1);
    if (args->max_iterations < 0)
        return ALIGN__FAIL(exec, FIELD_VALUE, .owner = ARGS, .field = "max_iterations",
                           .value = (double)args->max_iterations, .word = "0 or more");
    if (!align__present(&args->coef))
        return fail_missing(exec, "coef");
    if (call->width < 1 || call->width > INT32_MAX)
        return ALIGN__FAIL(exec, REWARD_WIDTH, .owner = ARGS,
                           .field = align__present(&args->index) ? "features" : "first",
                           .value = (double)call->width, .high = INT32_MAX);
    return ALIGN_E_NONE;
}

static align_status open_call(struct call *call, const align_exec *user_exec,
                              const align_reward_args *user_args)
{
    memset(call, 0, sizeof *call);
    align_status status = align__enter(&call->exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&call->exec, ARGS, &call->args, sizeof call->args, sizeof call->args,
                               user_args);
    if (status == ALIGN_E_NONE)
        status = check_source(call);
    if (status == ALIGN_E_NONE)
        status = check_tensors(call);
    if (status == ALIGN_E_NONE)
        status = check_options(call);
    call->errors = align__present(&call->args.se) || align__present(&call->args.covariance);
    return status;
}

static align_status load_l2(const struct call *call, double *l2)
{
    const align_tensor *each = &call->args.l2_each;
    for (int64_t d = 0; d < call->width; d++) {
        double own = align__present(each) ? align__load(each->dtype, align__at(each, d, 0)) : 0;
        if (!(own >= 0 && own < INFINITY))
            return ALIGN__FAIL(&call->exec, FIELD_VALUE, .owner = ARGS, .field = "l2_each",
                               .axes = 1, .index = {d}, .value = own,
                               .word = "finite and 0 or more");
        l2[d] = call->args.l2 + own;
    }
    return ALIGN_E_NONE;
}

/* ---- the call ----------------------------------------------------------------------------- */

static struct align__reward_fit shape_of(const struct call *call)
{
    return (struct align__reward_fit){.width = call->width,
                                      .dense = call->errors || call->width <= DENSE_FEATURES};
}

static size_t scratch_of(const struct call *call)
{
    struct align__reward_fit shape = shape_of(call);
    return align__arena_slack() + align__reward_pairs_bytes(call->width) +
           align__reward_fit_bytes(&shape, call->count);
}

align_status align_reward_scratch(const align_exec *user_exec, const align_reward_args *user_args,
                                  size_t *least, size_t *best)
{
    struct call call;
    align_status status = open_call(&call, user_exec, user_args);
    if (status == ALIGN_E_NONE)
        *least = *best = scratch_of(&call);
    return status;
}

static void write_results(align_reward_args *args, const struct align__reward_fit *fit,
                          bool has_errors)
{
    int64_t width = fit->width;
    for (int64_t i = 0; i < width; i++) {
        const double *row = has_errors ? fit->matrix + i * width : NULL;
        align__store(args->coef.dtype, align__at(&args->coef, i, 0), fit->coef[i]);
        if (align__present(&args->se))
            align__store(args->se.dtype, align__at(&args->se, i, 0),
                         has_errors ? sqrt(row[i]) : (double)NAN);
        for (int64_t j = 0; align__present(&args->covariance) && j < width; j++)
            align__store(args->covariance.dtype, align__at(&args->covariance, i, j),
                         has_errors ? row[j] : (double)NAN);
    }
    args->existence = fit->separated            ? ALIGN_REWARD_SEPARATED
                      : fit->null_dimension > 0 ? ALIGN_REWARD_DEFICIENT
                                                : ALIGN_REWARD_FINITE;
    args->null_dimension = fit->null_dimension;
    args->iterations = fit->iterations;
    args->score_norm = fit->score_norm;
    args->decrement = fit->decrement;
    args->last_step = fit->last_step;
    args->log_likelihood = -fit->pass.value;
    args->penalty = fit->penalty;
    args->accuracy = fit->pass.right / fit->pass.judged;
}

static align_status say_outcome(const align_exec *exec, const struct align__reward_fit *fit)
{
    if (fit->separated)
        return ALIGN__FAIL(exec, REWARD_SEPARATED, .owner = ARGS, .field = "coef");
    if (!fit->converged)
        return ALIGN__FAIL(exec, REWARD_NOT_CONVERGED, .owner = ARGS, .field = "coef",
                           .value = fit->last_step, .low = (double)fit->iterations,
                           .high = fit->tolerance);
    return ALIGN_E_NONE;
}

align_status align_reward_fit(const align_exec *user_exec, align_reward_args *user_args)
{
    struct call call;
    struct align__arena arena;
    align_status status = open_call(&call, user_exec, user_args);
    if (status == ALIGN_E_NONE)
        status = align__arena_open(&call.exec, &arena, scratch_of(&call));
    if (status != ALIGN_E_NONE)
        return status;
    align_reward_args *args = &call.args;
    struct align__reward_pairs pairs = {.args = args, .count = call.count, .width = call.width};
    struct align__reward_fit fit = shape_of(&call);
    align__reward_pairs_take(&pairs, &arena);
    align__reward_fit_take(&fit, &arena, call.count);
    fit.pairs = &pairs;
    fit.tolerance = args->tolerance == 0 ? 1e-9 : args->tolerance;
    fit.max_iterations = args->max_iterations == 0 ? 100 : args->max_iterations;
    status = load_l2(&call, fit.l2);
    if (status == ALIGN_E_NONE)
        status = align__reward_check(&call.exec, &pairs);
    if (status == ALIGN_E_NONE)
        status = align__reward_fit_run(&call.exec, &fit);
    if (status != ALIGN_E_NONE)
        return status;
    bool has_errors = call.errors && !fit.separated && align__reward_covariance(&fit);
    write_results(args, &fit, has_errors);
    memcpy(user_args, args, args->size < sizeof *args ? args->size : sizeof *args);
    return say_outcome(&call.exec, &fit);
}
