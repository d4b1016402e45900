#include "step.h"

#include "../head/head.h"

#include <string.h>

static const char owner[] = "align_step_args";

void align_step_args_init(align_step_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

/* ---- errors as seen from the step ---- */

/* Copies as much of `from` as fits before the final zero. */
static char *append(char *at, const char *end, const char *from)
{
    while (at < end && *from != '\0')
        *at++ = *from++;
    *at = '\0';
    return at;
}

/* A text that begins with `from` begins with `to` instead. */
static void replace_start(char *text, size_t size, const char *from, const char *to)
{
    char whole[sizeof((align_error *)0)->text];
    const char *end = whole + (size < sizeof whole ? size : sizeof whole) - 1;
    append(append(whole, end, to), end, text + strlen(from));
    memcpy(text, whole, strlen(whole) + 1);
}

/* The structs that errors of a part may name, and what these are from here. */
struct path {
    const char *from[2], *to[2];
};

static const struct path paths[] = {
    [ALIGN__STEP_POLICY] = {{"align_head.", "align_tokens."},
                            {"align_step_args.policy.", "align_step_args.policy.tokens."}},
    [ALIGN__STEP_REF] = {{"align_head.", "align_tokens."},
                         {"align_step_args.ref.", "align_step_args.ref.tokens."}},
    [ALIGN__STEP_LOSS] = {{"align_loss_args.", "align_loss_params."},
                          {"align_step_args.losses[##].", "align_step_args.losses[##].params."}},
};

/* Puts the index in the place of ##. */
static void write_path(char *path, const char *end, const char *to, uint32_t index)
{
    for (; path < end && *to != '\0'; to++) {
        if (*to != '#')
            *path++ = *to;
        else if (to[1] != '#')
            *path++ = (char)('0' + index % 10);
        else if (index >= 10)
            *path++ = (char)('0' + index / 10);
    }
    *path = '\0';
}

align_status align__step_locate(const struct align__step *step, align_status status,
                                enum align__step_part part, uint32_t index)
{
    align_error *error = step->exec.error;
    if (status == ALIGN_E_NONE || error == NULL)
        return status;
    for (int i = 0; i < 2; i++) {
        const char *from = paths[part].from[i];
        if (strncmp(error->field, from, strlen(from)) != 0)
            continue;
        char path[sizeof error->field];
        write_path(path, path + sizeof path - 1, paths[part].to[i], index);
        replace_start(error->text, sizeof error->text, from, path);
        replace_start(error->field, sizeof error->field, from, path);
        break;
    }
    return status;
}

/* ---- arguments ---- */

static align_status take_in(struct align__step *step, const align_exec *exec,
                            const align_step_args *user)
{
    align_status status = align__enter(&step->exec, exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&step->exec, owner, &step->args, sizeof step->args,
                               sizeof step->args, user);
    if (status != ALIGN_E_NONE)
        return status;
    const align_step_args *args = &step->args;
    step->early = step->exec;
    step->early.flags &= ~(uint32_t)ALIGN_FLAG_FINITE;
    if (args->policy == NULL || args->losses == NULL)
        return ALIGN__FAIL(&step->exec, FIELD_MISSING, .owner = owner,
                           .field = args->policy == NULL ? "policy" : "losses", .word = "a step");
    if (args->n_losses == 0 || args->n_losses > 99)
        return ALIGN__FAIL(&step->exec, FIELD_BOUNDS, .owner = owner, .field = "n_losses",
                           .value = args->n_losses, .low = 1, .high = 99);
    for (uint32_t i = 1; i < args->n_losses; i++)
        if (align__step_loss(args, i)->size != args->losses->size)
            return ALIGN__FAIL(&step->exec, STEP_SIZES, .owner = owner, .field = "losses.size",
                               .axes = 1, .index = {i},
                               .value = (double)align__step_loss(args, i)->size,
                               .low = (double)args->losses->size);
    return ALIGN_E_NONE;
}

/* ---- scratch ---- */

static void grow(struct align__step *step, size_t least, size_t best)
{
    step->least = least > step->least ? least : step->least;
    step->best = best > step->best ? best : step->best;
}

static align_status measure(struct align__step *step)
{
    const align_step_args *args = &step->args;
    size_t least = 0, best = 0;
    step->least = step->best = step->kept = 0;
    align_status status = align_head_scratch(&step->exec, args->policy, &least, &best);
    if (status != ALIGN_E_NONE)
        return align__step_locate(step, status, ALIGN__STEP_POLICY, 0);
    grow(step, least, best);
    status = align__step_measure_kept(step);
    if (status != ALIGN_E_NONE)
        return align__step_locate(step, status, ALIGN__STEP_POLICY, 0);
    if (args->ref != NULL) {
        status = align_head_scratch(&step->exec, args->ref, &least, &best);
        if (status != ALIGN_E_NONE)
            return align__step_locate(step, status, ALIGN__STEP_REF, 0);
        grow(step, least, best);
    }
    for (uint32_t i = 0; i < args->n_losses; i++) {
        status = align_loss_scratch(&step->exec, align__step_loss(args, i), &least, &best);
        if (status != ALIGN_E_NONE)
            return align__step_locate(step, status, ALIGN__STEP_LOSS, i);
        grow(step, least, best);
    }
    return ALIGN_E_NONE;
}

align_status align_step_scratch(const align_exec *exec, const align_step_args *args, size_t *least,
                                size_t *best)
{
    struct align__step step;
    align_status status = take_in(&step, exec, args);
    if (status == ALIGN_E_NONE)
        status = measure(&step);
    if (status == ALIGN_E_NONE) {
        *least = step.least;
        *best = step.best + step.kept;
    }
    return status;
}

/* ---- the step ---- */

/* Between parts: the status so far, or that the host wants to stop; where ranks share a head, the same on all
 * of them. */
static align_status pass(const struct align__step *step, align_status status, const char *before)
{
    const align_exec *exec = &step->exec;
    if (status == ALIGN_E_NONE && exec->cancel != NULL && exec->cancel(exec->cancel_user) != 0)
        status = ALIGN__FAIL(exec, STEP_CANCELLED, .owner = "align_exec", .field = "cancel",
                             .word = before);
    return step->shared ? align__agree(exec, status) : status;
}

/* The parts work in the front of the scratch; what is left behind that keeps logits. */
static struct align__kept divide_scratch(struct align__step *step)
{
    align_exec *exec = &step->exec;
    struct align__kept kept = {0};
    if (step->kept == 0 || exec->scratch_size <= step->best)
        return kept;
    char *front = exec->scratch, *back = front + step->best;
    size_t skip = (ALIGN__LINE - (uintptr_t)back % ALIGN__LINE) % ALIGN__LINE;
    size_t left = exec->scratch_size - step->best;
    kept.at = back + skip;
    kept.size = left > skip ? left - skip : 0;
    exec->scratch_size = step->best;
    return kept;
}

static align_status run_heads_forward(const struct align__step *step, struct align__kept *kept)
{
    const align_step_args *args = &step->args;
    align_status status = ALIGN_E_NONE;
    if (args->ref != NULL) {
        status = pass(step, status, "the reference");
        if (status == ALIGN_E_NONE)
            status = align__step_locate(step, align_head_forward(&step->exec, args->ref),
                                        ALIGN__STEP_REF, 0);
    }
    status = pass(step, status, "the policy");
    if (status == ALIGN_E_NONE)
        status = align__step_locate(step, align__head_forward(&step->exec, args->policy, kept),
                                    ALIGN__STEP_POLICY, 0);
    return status;
}

static align_status run_losses(const struct align__step *step, align_status status)
{
    status = pass(step, status, "the losses");
    for (uint32_t i = 0; i < step->args.n_losses && status == ALIGN_E_NONE; i++)
        status = align__step_locate(step,
                                    align_loss_eval(&step->exec, align__step_loss(&step->args, i)),
                                    ALIGN__STEP_LOSS, i);
    return status;
}

static align_status run_backward(const struct align__step *step, align_status status,
                                 struct align__kept *kept)
{
    status = pass(step, status, "the backward");
    if (status == ALIGN_E_NONE)
        status = align__step_locate(step,
                                    align__head_backward(&step->exec, step->args.policy, kept),
                                    ALIGN__STEP_POLICY, 0);
    return status;
}

align_status align_step_run(const align_exec *exec, const align_step_args *args)
{
    struct align__step step = {.shared = false};
    align_status status = take_in(&step, exec, args);
    if (status == ALIGN_E_NONE)
        status = align__step_check_heads(&step);
    if (status == ALIGN_E_NONE)
        status = align__step_check_losses(&step);
    if (status == ALIGN_E_NONE)
        status = measure(&step);
    if (status == ALIGN_E_NONE) {
        struct align__arena arena;
        status = align__arena_open(&step.exec, &arena, step.least);
    }
    if (step.shared)
        status = align__agree(&step.exec, status);
    if (status != ALIGN_E_NONE)
        return status;
    struct align__kept memory = divide_scratch(&step), *kept = memory.size > 0 ? &memory : NULL;
    return run_backward(&step, run_losses(&step, run_heads_forward(&step, kept)), kept);
}
