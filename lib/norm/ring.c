#include "norm.h"

#include <string.h>

static const char owner[] = "align_norm_ring";

void align_norm_ring_init(align_norm_ring *ring, size_t size)
{
    memset(ring, 0, size);
    ring->size = size;
}

static align_status check_ring(const align_exec *exec, const align_norm *state,
                               const align_norm_ring *ring, const align_norm_args *args)
{
    const struct align__named value = {owner, "value", &ring->value};
    if (!align__present(&ring->value))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = owner, .field = "value",
                           .word = "align_norm_ring_update");
    align_status status = align__check_tensor(exec, value, ALIGN__SET_REAL);
    if (status == ALIGN_E_NONE)
        status = align__check_shape(exec, value, 1, ring->value.shape);
    if (status != ALIGN_E_NONE)
        return status;
    if (ring->value.dtype != ALIGN_F64 && ring->value.dtype != args->reward.dtype)
        return ALIGN__FAIL(exec, TENSOR_DTYPE, .owner = owner, .field = "value",
                           .value = ring->value.dtype, .word = "F64 or that of reward");
    if (ring->value.shape[0] < 1)
        return ALIGN__FAIL(exec, TENSOR_SIZE, .owner = owner, .field = "value", .high = 1);
    int64_t room = ring->value.shape[0];
    bool fits = ring->filled >= 0 && ring->filled <= room && ring->next >= 0 && ring->next < room &&
                (ring->filled == room || ring->next == ring->filled);
    if (!fits || ring->filled != state->count)
        return ALIGN__FAIL(exec, NORM_RING, .owner = owner, .field = "filled",
                           .value = (double)ring->filled, .low = (double)state->count,
                           .high = (double)room);
    const struct align__named inputs[] = {{"align_norm_args", "reward", &args->reward},
                                          {"align_norm_args", "mask", &args->mask}};
    return align__check_output(exec, value, inputs, 2);
}

static align_status check_unread(const align_exec *exec, const align_norm *state,
                                 const align_norm_args *args)
{
    const struct {
        const char *field;
        bool set;
    } fields[] = {
        {"params", args->params != NULL},
        {"key", align__present(&args->key)},
        {"reference", align__present(&args->reference)},
        {"out", align__present(&args->out)},
        {"dout", align__present(&args->dout)},
        {"dreward", align__present(&args->dreward)},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].set)
            return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = "align_norm_args",
                               .field = fields[i].field, .word = "align_norm_ring_update");
    if (state->rate != 0)
        return ALIGN__FAIL(exec, NORM_RATE, .owner = "align_norm", .field = "rate",
                           .value = state->rate);
    return ALIGN_E_NONE;
}

static void find_extremes(align_norm *state, const align_norm_ring *ring)
{
    struct align__run value = align__run_of(&ring->value);
    for (int64_t i = 0; i < ring->filled; i++) {
        double x;
        align__run_read(&value, i, 1, &x);
        x += 0.0;
        state->least = i == 0 || x < state->least ? x : state->least;
        state->most = i == 0 || x > state->most ? x : state->most;
    }
}

static void push(align_norm *state, align_norm_ring *ring, double x)
{
    struct align__run value = align__run_of(&ring->value);
    if (ring->filled == value.length) {
        double oldest;
        align__run_read(&value, ring->next, 1, &oldest);
        align__norm_take_one(state, oldest);
    } else {
        ring->filled++;
    }
    align__run_write(&value, ring->next, 1, &x);
    align__norm_add_one(state, x, 1);
    ring->next = (ring->next + 1) % value.length;
}

align_status align_norm_ring_update(const align_exec *user_exec, align_norm *state,
                                    align_norm_ring *ring, const align_norm_args *user_args)
{
    align_exec exec;
    align_norm local;
    align_norm_ring held;
    align_norm_args args;
    struct align__moments none;
    bool finite;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__norm_state(&exec, "align_norm", &local, state);
    if (status == ALIGN_E_NONE)
        status = align__import(&exec, owner, &held, sizeof held, sizeof held, ring);
    if (status == ALIGN_E_NONE)
        status = align__norm_args(&exec, &args, user_args);
    if (status == ALIGN_E_NONE)
        status = check_unread(&exec, &local, &args);
    if (status == ALIGN_E_NONE)
        status = check_ring(&exec, &local, &held, &args);
    if (status == ALIGN_E_NONE)
        status = align__check_mask(&exec,
                                   (struct align__named){"align_norm_args", "mask", &args.mask});
    if (status != ALIGN_E_NONE)
        return status;
    align_norm_params params = align__norm_params_of(&local);
    status = align__norm_survey(&exec, &params, &args, false, &none, &finite);
    if (status != ALIGN_E_NONE)
        return status;
    struct align__run reward = align__run_of(&args.reward), mask = align__run_of(&args.mask);
    for (int64_t i = 0; i < reward.length; i++) {
        double x, w;
        align__run_weights(&mask, i, 1, &w);
        if (w == 0)
            continue;
        align__run_read(&reward, i, 1, &x);
        if (x - x == 0)
            push(&local, &held, x);
        else
            local.skipped++;
    }
    find_extremes(&local, &held);
    ring->next = held.next;
    ring->filled = held.filled;
    local.size = state->size;
    memcpy(state, &local, sizeof local);
    return ALIGN_E_NONE;
}
