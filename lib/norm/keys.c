#include "map.h"

#include <string.h>

/* The caller's array of states, which are of one size, maybe larger than this library's. */
static char *state_at(const align_norm *states, int64_t k)
{
    return (char *)(uintptr_t)states + (size_t)k * states->size;
}

static align_status take_state(const align_exec *exec, const align_norm *states, int64_t k,
                               align_norm *local)
{
    align_norm first;
    memcpy(&first, states, sizeof first);
    align_status status = align__norm_state(exec, "align_norm", local,
                                            (const align_norm *)(const void *)state_at(states, k));
    if (status == ALIGN_E_NONE && local->size != first.size)
        status = ALIGN__FAIL(exec, STRUCT_SIZE, .owner = "align_norm", .field = "size",
                             .value = (double)local->size, .low = (double)first.size);
    return status == ALIGN_E_NONE ? align__norm_check_same(exec, "align_norm", &first, local)
                                  : status;
}

static align_status check_states(const align_exec *exec, const align_norm *states,
                                 const align_norm_args *args)
{
    align_norm local;
    align_status status = ALIGN_E_NONE;
    for (int64_t k = 0; k < args->n_states && status == ALIGN_E_NONE; k++)
        status = take_state(exec, states, k, &local);
    return status;
}

static align_status check_keys(const align_exec *exec, const align_norm_args *args)
{
    struct align__run key = align__run_of(&args->key), mask = align__run_of(&args->mask);
    for (int64_t i = 0; i < key.length; i++) {
        double k, w;
        align__run_weights(&mask, i, 1, &w);
        align__run_read(&key, i, 1, &k);
        if (w == 0 || (k >= 0 && k < (double)args->n_states))
            continue;
        struct align__fault fault = {.site = ALIGN__SITE_FIELD_BOUNDS,
                                     .owner = "align_norm_args",
                                     .field = "key",
                                     .value = k,
                                     .high = (double)(args->n_states - 1)};
        align__run_index(&args->key, i, &fault);
        return align__fail(exec, &fault);
    }
    return ALIGN_E_NONE;
}

static align_status check_all(const align_exec *exec, const align_norm *states,
                              const align_norm_params *params, const align_norm_args *args)
{
    struct align__moments none;
    bool finite;
    align_status status = check_states(exec, states, args);
    if (status == ALIGN_E_NONE)
        status = check_keys(exec, args);
    if (status == ALIGN_E_NONE)
        status = align__norm_survey(exec, params, args, false, &none, &finite);
    return status;
}

align_status align__norm_update_keys(const align_exec *exec, align_norm *states,
                                     const align_norm_args *args)
{
    struct align__run reward = align__run_of(&args->reward), mask = align__run_of(&args->mask);
    struct align__run key = align__run_of(&args->key);
    align_norm first;
    memcpy(&first, states, sizeof first);
    align_norm_params params = align__norm_params_of(&first);
    align_status status = check_all(exec, states, &params, args);
    for (int64_t i = 0; i < reward.length && status == ALIGN_E_NONE; i++) {
        double x, w, k;
        align__run_weights(&mask, i, 1, &w);
        if (w == 0)
            continue;
        align__run_read(&reward, i, 1, &x);
        align__run_read(&key, i, 1, &k);
        align_norm *state = (align_norm *)(void *)state_at(states, (int64_t)k);
        if (x - x == 0)
            align__norm_add_one(state, x, w);
        else
            state->skipped++;
    }
    return status;
}

struct work {
    const align_norm *states;
    const align_norm_params *params;
    struct align__run reward, mask, key, out, dout, dreward;
};

static align_status map_of(const align_exec *exec, const struct work *work, int64_t k,
                           struct align__norm_map *map)
{
    struct align__moments moments;
    struct align__norm_batch batch;
    align_norm state;
    memcpy(&state, state_at(work->states, k), sizeof state);
    align__norm_moments(&state, &moments);
    return align__norm_map(exec, work->params, &moments, map, &batch);
}

/* Rewards of one key next to each other share a map. */
static void map_piece(void *ctx, int64_t task)
{
    const struct work *work = ctx;
    const align_exec silent = {.size = sizeof silent};
    struct align__norm_map map = {0};
    int64_t first, last, at = -1;
    align__piece(work->reward.length, task, &first, &last);
    for (int64_t i = first; i < last; i++) {
        double x, w, k, y = 0, dy = 0, g = 0;
        align__run_weights(&work->mask, i, 1, &w);
        if (w != 0) {
            align__run_read(&work->reward, i, 1, &x);
            align__run_read(&work->key, i, 1, &k);
            if ((int64_t)k != at && map_of(&silent, work, (int64_t)k, &map) == ALIGN_E_NONE)
                at = (int64_t)k;
            y = align__norm_map_at(&map, x, &dy);
        }
        if (work->dreward.length > 0)
            align__run_read(&work->dout, i, 1, &g);
        g = dy == 0 ? 0 : g * dy;
        if (work->out.length > 0)
            align__run_write(&work->out, i, 1, &y);
        if (work->dreward.length > 0)
            align__run_write(&work->dreward, i, 1, &g);
    }
}

align_status align__norm_apply_keys(const align_exec *exec, const align_norm *states,
                                    const align_norm_params *params, const align_norm_args *args)
{
    struct work work = {states,
                        params,
                        align__run_of(&args->reward),
                        align__run_of(&args->mask),
                        align__run_of(&args->key),
                        align__run_of(&args->out),
                        align__run_of(&args->dout),
                        align__run_of(&args->dreward)};
    struct align__norm_map map;
    align_status status = check_all(exec, states, params, args);
    bool refuses = params->few == ALIGN_NORM_AS_REFUSE || params->equal == ALIGN_NORM_AS_REFUSE;
    for (int64_t k = 0; refuses && k < args->n_states && status == ALIGN_E_NONE; k++)
        status = map_of(exec, &work, k, &map);
    if (status != ALIGN_E_NONE)
        return status;
    return align__parallel(exec, align__pieces(work.reward.length), map_piece, &work);
}
