#include "norm.h"

#include <math.h>
#include <string.h>

#define STATE_FIRST_SIZE sizeof(align_norm)
#define ARGS_FIRST_SIZE  sizeof(align_norm_args)

void align_norm_args_init(align_norm_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

align_norm_params align__norm_params_of(const align_norm *s)
{
    return (align_norm_params){
        .size = sizeof(align_norm_params),
        .kind = s->kind,
        .eps_form = s->eps_form,
        .eps = s->eps,
        .ddof = s->ddof,
        .clip_low = s->clip_low,
        .clip_high = s->clip_high,
        .gain = s->gain,
        .bias = s->bias,
        .nan = s->nan,
        .few = s->few,
        .equal = s->equal,
        .reserved = s->reserved,
        .rate = s->rate,
    };
}

void align__norm_start(align_norm *state, const align_norm_params *p)
{
    memset(state, 0, sizeof *state);
    state->size = sizeof *state;
    state->kind = p->kind;
    state->eps_form = p->eps_form;
    state->eps = p->eps;
    state->ddof = p->ddof;
    state->clip_low = p->clip_low;
    state->clip_high = p->clip_high;
    state->gain = p->gain;
    state->bias = p->bias;
    state->nan = p->nan;
    state->few = p->few;
    state->equal = p->equal;
    state->rate = p->rate;
}

align_status align_norm_init(align_norm *state, size_t size, const align_norm_params *params)
{
    align_exec silent;
    align_norm_params local;
    align_norm fresh;
    align_status status = align__enter(&silent, NULL);
    if (status == ALIGN_E_NONE)
        status = align__norm_params(&silent, &local, params, ALIGN__NORM_IN_STATE);
    if (status != ALIGN_E_NONE)
        return status;
    if (size < STATE_FIRST_SIZE)
        return ALIGN_E_VERSION;
    align__norm_start(&fresh, &local);
    memset(state, 0, size);
    memcpy(state, &fresh, sizeof fresh);
    state->size = size;
    return ALIGN_E_NONE;
}

align_status align__norm_state(const align_exec *exec, const char *owner, align_norm *local,
                               const align_norm *state)
{
    align_status status = align__import(exec, owner, local, sizeof *local, STATE_FIRST_SIZE, state);
    if (status != ALIGN_E_NONE)
        return status;
    align_norm_params params = align__norm_params_of(local);
    return align__norm_check(exec, owner, &params, ALIGN__NORM_IN_STATE);
}

static void give_back(align_norm *state, align_norm *local)
{
    size_t known = state->size < sizeof *local ? state->size : sizeof *local;
    local->size = state->size;
    memcpy(state, local, known);
}

/* The variance is (W S - T^2) / (W (W - ddof)) with W, T, S the sums of w, w x, w x^2: the numerator is
 * exact, so nothing cancels. */
void align__norm_moments(const align_norm *state, struct align__moments *m)
{
    memset(m, 0, sizeof *m);
    m->count = state->count;
    if (state->rate != 0) {
        m->weight = state->recent_weight;
        m->mean = state->recent_mean;
        m->variance = state->recent_variance;
        m->least = state->least;
        m->most = state->most;
        return;
    }
    m->weight = align__wide_value(state->sum_w, ALIGN__NORM_W, -ALIGN__GRID);
    if (m->count == 0)
        return;
    m->least = state->least;
    m->most = state->most;
    m->mean = align__wide_value(state->sum_wx, ALIGN__NORM_WX, -2 * ALIGN__GRID) / m->weight;
    struct align__grid mean = align__grid_of(m->mean);
    uint32_t high[ALIGN__NORM_W] = {0}, rest[ALIGN__WIDE_MOST] = {0};
    align__wide_add(high, ALIGN__NORM_W, mean.digits, mean.shift, mean.negative);
    align__wide_multiply(rest, high, ALIGN__NORM_W, state->sum_w, ALIGN__NORM_W, true);
    uint32_t total[ALIGN__WIDE_MOST] = {0};
    const uint32_t one[2] = {1, 0};
    align__wide_multiply(total, state->sum_wx, ALIGN__NORM_WX, one, 2, false);
    align__wide_merge(rest, total, ALIGN__WIDE_MOST);
    m->mean = align__wide_value(high, ALIGN__NORM_W, -ALIGN__GRID);
    m->mean_rest = align__wide_value(rest, ALIGN__WIDE_MOST, -2 * ALIGN__GRID) / m->weight;
    if (m->weight <= state->ddof)
        return;
    uint32_t top[ALIGN__WIDE_MOST] = {0};
    align__wide_multiply(top, state->sum_w, ALIGN__NORM_W, state->sum_wxx, ALIGN__NORM_WXX, false);
    align__wide_multiply(top, state->sum_wx, ALIGN__NORM_WX, state->sum_wx, ALIGN__NORM_WX, true);
    m->variance = align__wide_value(top, ALIGN__WIDE_MOST, -4 * ALIGN__GRID) / m->weight /
                  (m->weight - state->ddof);
}

static align_status check_shapes(const align_exec *exec, const align_norm_args *args)
{
    const struct {
        const char *field;
        const align_tensor *tensor;
        int set;
    } tensors[] = {
        {"reward", &args->reward, ALIGN__SET_REAL},   {"mask", &args->mask, ALIGN__SET_MASK},
        {"out", &args->out, ALIGN__SET_REAL},         {"dout", &args->dout, ALIGN__SET_REAL},
        {"dreward", &args->dreward, ALIGN__SET_REAL}, {"key", &args->key, ALIGN__SET_INDEX},
    };
    if (!align__present(&args->reward))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = "align_norm_args", .field = "reward",
                           .word = "the call");
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        struct align__named named = {"align_norm_args", tensors[i].field, tensors[i].tensor};
        align_status status = align__check_tensor(exec, named, tensors[i].set);
        if (status == ALIGN_E_NONE)
            status = align__check_shape(exec, named, args->reward.ndim, args->reward.shape);
        if (status != ALIGN_E_NONE)
            return status;
    }
    if (align__present(&args->key) ? args->n_states < 1 : args->n_states != 0)
        return ALIGN__FAIL(exec, FIELD_VALUE, .owner = "align_norm_args", .field = "n_states",
                           .value = (double)args->n_states, .word = "1 or more with key, else 0");
    return ALIGN_E_NONE;
}

align_status align__norm_args(const align_exec *exec, align_norm_args *local,
                              const align_norm_args *args)
{
    align_status status = align__import(exec, "align_norm_args", local, sizeof *local,
                                        ARGS_FIRST_SIZE, args);
    return status == ALIGN_E_NONE ? check_shapes(exec, local) : status;
}

/* One step of a state that forgets; norm.h has the formula. */
static align_status step_recent(const align_exec *exec, align_norm *state,
                                const align_norm_args *args)
{
    align_norm_params plain = align__norm_params_of(state);
    align_norm batch;
    struct align__moments m;
    plain.rate = 0;
    align__norm_start(&batch, &plain);
    align_status status = align__norm_collect(exec, &batch, args);
    if (status != ALIGN_E_NONE)
        return status;
    align__norm_moments(&batch, &m);
    if (m.count > 0) {
        state->recent_weight = (1 - state->rate) * state->recent_weight + state->rate;
        double a = state->rate / state->recent_weight;
        double d = m.mean - state->recent_mean + m.mean_rest;
        state->recent_variance = (1 - a) * (state->recent_variance + a * d * d) + a * m.variance;
        state->recent_mean += a * d;
    }
    memset(batch.sum_w, 0, sizeof batch.sum_w);
    memset(batch.sum_wx, 0, sizeof batch.sum_wx);
    memset(batch.sum_wxx, 0, sizeof batch.sum_wxx);
    align__norm_add(state, &batch);
    return ALIGN_E_NONE;
}

align_status align_norm_update(const align_exec *user_exec, align_norm *state,
                               const align_norm_args *user_args)
{
    align_exec exec;
    align_norm local;
    align_norm_args args;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__norm_state(&exec, "align_norm", &local, state);
    if (status == ALIGN_E_NONE)
        status = align__norm_args(&exec, &args, user_args);
    if (status != ALIGN_E_NONE)
        return status;
    const char *unread = args.params != NULL               ? "params"
                         : align__present(&args.out)       ? "out"
                         : align__present(&args.dout)      ? "dout"
                         : align__present(&args.dreward)   ? "dreward"
                         : align__present(&args.reference) ? "reference"
                                                           : NULL;
    if (unread != NULL)
        return ALIGN__FAIL(&exec, FIELD_UNREAD, .owner = "align_norm_args", .field = unread,
                           .word = "align_norm_update");
    if (local.rate != 0 && align__present(&args.key))
        return ALIGN__FAIL(&exec, FIELD_UNREAD, .owner = "align_norm_args", .field = "key",
                           .word = "a state with a rate");
    if (align__present(&args.key))
        return align__norm_update_keys(&exec, state, &args);
    status = local.rate != 0 ? step_recent(&exec, &local, &args)
                             : align__norm_collect(&exec, &local, &args);
    if (status == ALIGN_E_NONE)
        give_back(state, &local);
    return status;
}

align_status align__norm_check_same(const align_exec *exec, const char *owner, const align_norm *a,
                                    const align_norm *b)
{
    const struct {
        const char *field;
        double mine, other;
    } pairs[] = {
        {"kind", a->kind, b->kind},
        {"eps_form", a->eps_form, b->eps_form},
        {"eps", a->eps, b->eps},
        {"ddof", a->ddof, b->ddof},
        {"clip_low", a->clip_low, b->clip_low},
        {"clip_high", a->clip_high, b->clip_high},
        {"gain", a->gain, b->gain},
        {"bias", a->bias, b->bias},
        {"nan", a->nan, b->nan},
        {"few", a->few, b->few},
        {"equal", a->equal, b->equal},
        {"rate", a->rate, b->rate},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (pairs[i].mine != pairs[i].other)
            return ALIGN__FAIL(exec, NORM_OTHER, .owner = owner, .field = pairs[i].field,
                               .value = pairs[i].other, .low = pairs[i].mine);
    return ALIGN_E_NONE;
}

align_status align_norm_merge(const align_exec *user_exec, align_norm *state,
                              const align_norm *other)
{
    align_exec exec;
    align_norm into, from;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__norm_state(&exec, "align_norm", &into, state);
    if (status == ALIGN_E_NONE)
        status = align__norm_state(&exec, "other", &from, other);
    if (status == ALIGN_E_NONE)
        status = align__norm_check_same(&exec, "other", &into, &from);
    if (status == ALIGN_E_NONE && into.rate != 0)
        status = ALIGN__FAIL(&exec, NORM_RATE, .owner = "align_norm", .field = "rate",
                             .value = into.rate);
    if (status != ALIGN_E_NONE)
        return status;
    align__norm_add(&into, &from);
    give_back(state, &into);
    return ALIGN_E_NONE;
}

align_status align_norm_get(const align_exec *user_exec, const align_norm *state,
                            align_norm_moments *moments)
{
    align_exec exec;
    align_norm local;
    align_norm_moments old;
    struct align__moments m;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__norm_state(&exec, "align_norm", &local, state);
    if (status == ALIGN_E_NONE)
        status = align__import(&exec, "align_norm_moments", &old, sizeof old, sizeof old, moments);
    if (status != ALIGN_E_NONE)
        return status;
    align__norm_moments(&local, &m);
    moments->count = m.count;
    moments->skipped = local.skipped;
    moments->weight = m.weight;
    moments->mean = m.mean + m.mean_rest;
    moments->variance = m.variance;
    moments->deviation = sqrt(m.variance);
    moments->least = m.least;
    moments->most = m.most;
    return ALIGN_E_NONE;
}
