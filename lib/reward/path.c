#include "reward.h"

#include <math.h>
#include <string.h>

#define ARGS   "align_reward_path_args"
#define READER "align_reward_path_fit"

struct call {
    align_exec exec;
    align_reward_path_args args;
    struct align__reward_call fit, held;
    int64_t count; /* L */
    size_t inner;  /* scratch of each fit */
};

void align_reward_path_args_init(align_reward_path_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

/* ---- checks -------------------------------------------------------------------------------- */

/* Held-out pairs are data alone, for the model of the fit. */
static align_status open_held(struct call *call)
{
    const align_exec *exec = &call->exec;
    const align_reward_args *fit = &call->fit.args;
    align_reward_args held;
    if (call->args.held == NULL)
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = ARGS, .field = "held", .word = READER);
    align_status status = align__import(exec, REWARD_ARGS, &held, sizeof held,
                                        offsetof(align_reward_args, model), call->args.held);
    const struct {
        const char *field;
        bool set;
    } unread[] = {
        {"held.coef", align__present(&held.coef)},
        {"held.se", align__present(&held.se)},
        {"held.covariance", align__present(&held.covariance)},
        {"held.threshold", align__present(&held.threshold)},
        {"held.threshold_se", align__present(&held.threshold_se)},
        {"held.l2", held.l2 != 0},
        {"held.l2_each", align__present(&held.l2_each)},
        {"held.center", align__present(&held.center)},
        {"held.start", align__present(&held.start)},
        {"held.tolerance", held.tolerance != 0},
        {"held.max_iterations", held.max_iterations != 0},
    };
    for (size_t i = 0; status == ALIGN_E_NONE && i < sizeof unread / sizeof unread[0]; i++)
        if (unread[i].set)
            return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = ARGS, .field = unread[i].field,
                               .word = READER);
    const struct {
        const char *field;
        double value, wanted;
    } same[] = {
        {"held.model", held.model, fit->model},
        {"held.flags", held.flags, fit->flags},
        {"held.levels", held.levels, fit->levels},
        {"held.stages", (double)held.stages, (double)fit->stages},
        {"held.label_smoothing", held.label_smoothing, fit->label_smoothing},
    };
    for (size_t i = 0; status == ALIGN_E_NONE && i < sizeof same / sizeof same[0]; i++)
        if (same[i].value != same[i].wanted)
            return ALIGN__FAIL(exec, FIELD_VALUE, .owner = ARGS, .field = same[i].field,
                               .value = same[i].value, .word = "that of fit");
    held.coef = fit->coef;
    if (status == ALIGN_E_NONE)
        status = align__reward_open(&call->held, exec, &held);
    call->held.data.args = &call->held.args;
    return status;
}

static align_status check_l2(const struct call *call)
{
    for (int64_t i = 0; i < call->count; i++) {
        double l2 = align__reward_number(&call->args.l2, i, 0);
        if (!(l2 >= 0 && l2 < INFINITY))
            return ALIGN__FAIL(&call->exec, FIELD_VALUE, .owner = ARGS, .field = "l2", .axes = 1,
                               .index = {i}, .value = l2, .word = "finite and 0 or more");
    }
    if (call->count < 1)
        return ALIGN__FAIL(&call->exec, FIELD_VALUE, .owner = ARGS, .field = "l2", .value = 0,
                           .word = "one number or more");
    return ALIGN_E_NONE;
}

/* The fit at one l2: coefficients alone. */
static align_reward_args step_of(const struct call *call, double *coef)
{
    static const align_tensor absent;
    align_reward_args step = call->fit.args;
    step.se = step.covariance = step.threshold = step.threshold_se = absent;
    if (coef != NULL)
        step.coef = align_1d(coef, ALIGN_F64, call->fit.data.width);
    return step;
}

static align_status open(struct call *call, const align_exec *user_exec,
                         const align_reward_path_args *user_args)
{
    memset(call, 0, sizeof *call);
    align_status status = align__enter(&call->exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&call->exec, ARGS, &call->args, sizeof call->args, sizeof call->args,
                               user_args);
    if (status == ALIGN_E_NONE && call->args.fit == NULL)
        status = ALIGN__FAIL(&call->exec, FIELD_MISSING, .owner = ARGS, .field = "fit",
                             .word = READER);
    if (status == ALIGN_E_NONE)
        status = align__reward_open(&call->fit, &call->exec, call->args.fit);
    if (status != ALIGN_E_NONE)
        return status;
    call->fit.data.args = &call->fit.args;
    const align_reward_path_args *a = &call->args;
    int64_t width = call->fit.data.width;
    call->count = a->l2.shape[0];
    const struct align__reward_field fields[] = {
        {"l2", &a->l2, ALIGN__SET_WIDE, 1, {call->count}, .needed = true},
        {"fit.coef", &call->fit.args.coef, ALIGN__SET_WIDE, 1, {width}},
        {"coef", &a->coef, ALIGN__SET_WIDE, 2, {call->count, width}, .output = true},
        {"loss", &a->loss, ALIGN__SET_WIDE, 1, {call->count}, .output = true},
    };
    if (call->fit.args.l2 != 0)
        return ALIGN__FAIL(&call->exec, FIELD_UNREAD, .owner = ARGS, .field = "fit.l2",
                           .word = READER);
    status = align__reward_check_fields(&call->exec, ARGS, READER, fields,
                                        sizeof fields / sizeof fields[0]);
    if (status == ALIGN_E_NONE)
        status = open_held(call);
    if (status == ALIGN_E_NONE)
        status = check_l2(call);
    size_t best, last = 0;
    align_reward_args step = step_of(call, NULL);
    if (status == ALIGN_E_NONE)
        status = align_reward_scratch(&call->exec, &step, &call->inner, &best);
    if (status == ALIGN_E_NONE)
        status = align_reward_scratch(&call->exec, &call->fit.args, &last, &best);
    call->inner = last > call->inner ? last : call->inner;
    return status;
}

/* ---- room ---------------------------------------------------------------------------------- */

struct room {
    double *coefs, *losses; /* [L, D], [L] */
    double *parameters;     /* [order] */
    align_exec inner;
    align_error error;
};

static size_t own_bytes(const struct call *call)
{
    size_t width = (size_t)call->fit.data.width, count = (size_t)call->count;
    return align__arena_slack() + align__block(sizeof(double) * count * width) +
           align__block(sizeof(double) * count) +
           align__block(sizeof(double) * (size_t)call->fit.data.order) +
           align__reward_data_bytes(&call->held.data);
}

align_status align_reward_path_scratch(const align_exec *user_exec,
                                       const align_reward_path_args *user_args, size_t *least,
                                       size_t *best)
{
    struct call call;
    align_status status = open(&call, user_exec, user_args);
    if (status == ALIGN_E_NONE)
        *least = *best = own_bytes(&call) + call.inner;
    return status;
}

static align_status take(struct call *call, struct room *room)
{
    struct align__arena arena;
    size_t width = (size_t)call->fit.data.width, count = (size_t)call->count;
    align_status status = align__arena_open(&call->exec, &arena, own_bytes(call) + call->inner);
    if (status != ALIGN_E_NONE)
        return status;
    room->coefs = align__arena_take(&arena, sizeof(double) * count * width);
    room->losses = align__arena_take(&arena, sizeof(double) * count);
    room->parameters = align__arena_take(&arena, sizeof(double) * (size_t)call->fit.data.order);
    align__reward_data_take(&call->held.data, &arena);
    align_error_init(&room->error, sizeof room->error);
    room->inner = call->exec;
    room->inner.error = &room->error;
    room->inner.scratch = arena.at;
    room->inner.scratch_size = arena.left;
    return ALIGN_E_NONE;
}

/* ---- the path ------------------------------------------------------------------------------ */

/* Minus the log-likelihood of what was held out, by its weight. */
static align_status hold_out(struct call *call, const double *parameters, double *loss)
{
    struct align__reward_data *held = &call->held.data;
    struct align__reward_pass pass;
    double weight = 0;
    align_status status = align__reward_evaluate(&call->exec, held, parameters, NULL, &pass);
    for (int64_t unit = pass.bad; status == ALIGN_E_NONE && unit >= 0 && unit < held->count; unit++)
        status = align__reward_find_bad(&call->exec, held, unit);
    for (int64_t unit = 0; unit < held->count; unit++)
        weight += align__reward_rows(held, unit) > 0 ? align__reward_weight(held, unit) : 0;
    *loss = pass.value / weight;
    return status;
}

/* What a fit said becomes what the call says. */
static align_status pass_on(const struct call *call, struct room *room, align_status status)
{
    align_error *to = call->exec.error;
    if (to == NULL)
        return status;
    size_t bytes = to->size < sizeof room->error ? to->size : sizeof room->error;
    room->error.size = to->size;
    memcpy(to, &room->error, bytes);
    return status;
}

static align_status walk(struct call *call, struct room *room, int64_t *best)
{
    int64_t width = call->fit.data.width, last = -1;
    align_status status = ALIGN_E_NONE;
    *best = -1;
    for (int64_t i = 0; i < call->count; i++) {
        double *coef = room->coefs + i * width;
        align_reward_args step = step_of(call, coef);
        step.l2 = align__reward_number(&call->args.l2, i, 0);
        if (last >= 0)
            step.start = align_1d(room->coefs + last * width, ALIGN_F64, width);
        room->losses[i] = (double)NAN;
        status = align__reward_fit_to(&room->inner, &step, room->parameters);
        if (status == ALIGN_E_NO_SOLUTION || status == ALIGN_E_NOT_CONVERGED) {
            for (int64_t d = 0; d < width; d++)
                coef[d] = (double)NAN;
            continue;
        }
        if (status != ALIGN_E_NONE)
            return pass_on(call, room, status);
        last = i;
        status = hold_out(call, room->parameters, &room->losses[i]);
        if (status != ALIGN_E_NONE)
            return status;
        if (*best < 0 || room->losses[i] < room->losses[*best])
            *best = i;
    }
    return *best < 0 ? pass_on(call, room, status) : ALIGN_E_NONE;
}

/* The fit under the best l2, with all that the caller asks of it. */
static align_status finish(struct call *call, struct room *room, int64_t best)
{
    int64_t width = call->fit.data.width;
    align_reward_args last = call->fit.args;
    last.l2 = align__reward_number(&call->args.l2, best, 0);
    last.start = align_1d(room->coefs + best * width, ALIGN_F64, width);
    align_status status = align__reward_fit_to(&room->inner, &last, NULL);
    if (status != ALIGN_E_NONE)
        pass_on(call, room, status);
    if (status != ALIGN_E_NONE && status != ALIGN_E_NOT_CONVERGED)
        return status;
    last.start = call->fit.args.start;
    memcpy(call->args.fit, &last, last.size < sizeof last ? last.size : sizeof last);
    return status;
}

align_status align_reward_path_fit(const align_exec *user_exec, align_reward_path_args *user_args)
{
    struct call call;
    struct room room;
    int64_t best = -1;
    align_status status = open(&call, user_exec, user_args);
    if (status == ALIGN_E_NONE)
        status = take(&call, &room);
    if (status == ALIGN_E_NONE)
        status = align__reward_check_units(&call.exec, &call.held.data);
    if (status != ALIGN_E_NONE)
        return status;
    status = walk(&call, &room, &best);
    if (status != ALIGN_E_NONE &&
        !(best < 0 && (status == ALIGN_E_NO_SOLUTION || status == ALIGN_E_NOT_CONVERGED)))
        return status;
    if (best >= 0)
        status = finish(&call, &room, best);
    if (best >= 0 && status != ALIGN_E_NONE && status != ALIGN_E_NOT_CONVERGED)
        return status;
    for (int64_t i = 0; i < call.count; i++) {
        align__reward_put(&call.args.loss, i, 0, room.losses[i]);
        for (int64_t d = 0; d < call.fit.data.width; d++)
            align__reward_put(&call.args.coef, i, d, room.coefs[i * call.fit.data.width + d]);
    }
    user_args->best = best;
    return status;
}
