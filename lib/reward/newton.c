#include "reward.h"

#include <math.h>
#include <string.h>

enum { HALVINGS = 40 };

size_t align__reward_fit_bytes(const struct align__reward_fit *fit)
{
    size_t order = (size_t)fit->order, vector = align__block(sizeof(double) * order);
    size_t matrix = fit->dense || fit->guided ? align__block(sizeof(double) * order * order) : 0;
    return 12 * vector + (fit->dense ? 2 : 1) * matrix +
           (matrix > 0 ? align__reward_gram_bytes(&fit->gram) : 0);
}

void align__reward_fit_take(struct align__reward_fit *fit, struct align__arena *arena)
{
    size_t vector = sizeof(double) * (size_t)fit->order;
    double **vectors[] = {&fit->l2,      &fit->center,  &fit->start,   &fit->coef,
                          &fit->trial,   &fit->slope,   &fit->step,    &fit->work[0],
                          &fit->work[1], &fit->work[2], &fit->work[3], &fit->work[4]};
    for (size_t k = 0; k < sizeof vectors / sizeof vectors[0]; k++)
        *vectors[k] = align__arena_take(arena, vector);
    if (!fit->dense && !fit->guided)
        return;
    fit->matrix = align__arena_take(arena, vector * (size_t)fit->order);
    if (fit->dense)
        fit->empty = align__arena_take(arena, vector * (size_t)fit->order);
    fit->gram.areas = align__arena_take(arena, align__reward_gram_bytes(&fit->gram));
}

/* The objective at some parameters, with slope. */
static align_status evaluate(const align_exec *exec, struct align__reward_fit *fit,
                             const double *coef, double *value)
{
    align_status status = align__reward_evaluate(exec, fit->data, coef, fit->slope, &fit->pass);
    fit->penalty = 0;
    for (int64_t d = 0; d < fit->order; d++) {
        double away = coef[d] - fit->center[d];
        fit->penalty += fit->l2[d] * away * away / 2;
        fit->slope[d] += fit->l2[d] * away;
    }
    *value = fit->pass.value + fit->penalty;
    return status;
}

static bool solve(const align_exec *exec, struct align__reward_fit *fit, align_status *status)
{
    bool solved = true;
    if (fit->dense)
        solved = align__reward_solve_dense(exec, fit, status);
    else
        *status = align__reward_solve_cg(exec, fit, 0.1);
    solved = solved && *status == ALIGN_E_NONE;
    if (solved)
        fit->decrement = align__reward_product(fit->slope, fit->step, fit->order) / 2;
    return solved;
}

/* Halves the step until the objective is enough smaller. */
static bool move(const align_exec *exec, struct align__reward_fit *fit, align_status *status)
{
    double noise = 1e-13 * fabs(fit->value), length = 1, value;
    for (int k = 0; *status == ALIGN_E_NONE && k < HALVINGS; k++, length /= 2) {
        for (int64_t d = 0; d < fit->order; d++)
            fit->trial[d] = fit->coef[d] - length * fit->step[d];
        *status = evaluate(exec, fit, fit->trial, &value);
        if (value <= fit->value - 2e-4 * length * fit->decrement + noise) {
            double *swap = fit->coef;
            fit->coef = fit->trial;
            fit->trial = swap;
            fit->value = value;
            fit->last_step = length * align__reward_largest(fit->step, fit->order);
            return *status == ALIGN_E_NONE;
        }
    }
    if (*status == ALIGN_E_NONE)
        *status = evaluate(exec, fit, fit->coef, &fit->value);
    return false;
}

/* A pass along x shows that x can grow for ever: no factor of the likelihood falls, some rises, and penalised
 * coefficients stay where they are; each to within `slack` of the largest. */
static bool grows(const struct align__reward_fit *fit, const double *x,
                  const struct align__reward_pass *pass, double slack)
{
    double most = pass->growth.best, room = slack * most;
    for (int64_t d = 0; d < fit->order; d++)
        if (fit->l2[d] > 0 && fabs(x[d]) > slack * align__reward_largest(x, fit->order))
            return false;
    return most > 0 && pass->growth.worst >= -room;
}

/* The point itself may show separation, exactly. Otherwise, on the way out a Newton step turns into the
 * direction of growth and keeps its length, while it vanishes where there is a minimum. */
static bool is_separated(const align_exec *exec, struct align__reward_fit *fit, double before,
                         align_status *status)
{
    struct align__reward_pass pass;
    double scale = align__reward_largest(fit->coef, fit->order);
    if (grows(fit, fit->coef, &fit->pass, 0))
        return true;
    if (fit->iterations < 4 || fit->last_step < 1e-3 * scale || fit->last_step < before / 4)
        return false;
    for (int64_t d = 0; d < fit->order; d++)
        fit->trial[d] = -fit->step[d];
    *status = align__reward_grow(exec, fit->data, fit->trial, &pass);
    return *status == ALIGN_E_NONE && grows(fit, fit->trial, &pass, 1e-9);
}

/* One Newton step; false when there is none or no need of another. */
static bool advance(const align_exec *exec, struct align__reward_fit *fit, align_status *status)
{
    if (exec->cancel != NULL && exec->cancel(exec->cancel_user) != 0) {
        *status = ALIGN__FAIL(exec, REWARD_CANCELLED, .owner = "align_exec", .field = "cancel",
                              .low = (double)fit->iterations);
        return false;
    }
    double before = fit->last_step;
    if (!solve(exec, fit, status) || !move(exec, fit, status))
        return false;
    fit->iterations++;
    double scale = align__reward_largest(fit->coef, fit->order);
    fit->converged = fit->last_step <= fit->tolerance * (scale > 1 ? scale : 1);
    fit->separated = !fit->converged && is_separated(exec, fit, before, status);
    return !fit->converged && !fit->separated && *status == ALIGN_E_NONE &&
           (fit->decrement > 1e-13 * fabs(fit->value) || fit->last_step < before / 2);
}

/* The first pass is also what looks for features that are not finite: they leave no z finite. */
static align_status look(const align_exec *exec, struct align__reward_fit *fit)
{
    align_status status = evaluate(exec, fit, fit->coef, &fit->value);
    for (int64_t unit = fit->pass.bad;
         status == ALIGN_E_NONE && unit >= 0 && unit < fit->data->count; unit++)
        status = align__reward_find_bad(exec, fit->data, unit);
    return status;
}

/* Empty directions are looked for where all coefficients are 0, wherever steps begin. */
static bool begin(const align_exec *exec, struct align__reward_fit *fit, align_status *status)
{
    const struct align__reward_data *data = fit->data;
    size_t bytes = sizeof *fit->coef * (size_t)fit->order;
    bool moved = align__present(&data->args->start), going = true;
    memcpy(fit->coef, fit->start, bytes);
    if (moved && fit->dense)
        memset(fit->coef, 0, sizeof *fit->coef * (size_t)data->width);
    fit->null_dimension = -1;
    fit->last_step = 1;
    fit->stale = fit->guided;
    *status = look(exec, fit);
    if (*status == ALIGN_E_NONE && fit->dense)
        going = align__reward_find_empty(exec, fit, status);
    if (*status == ALIGN_E_NONE && moved && fit->dense) {
        memcpy(fit->coef, fit->start, bytes);
        *status = evaluate(exec, fit, fit->coef, &fit->value);
    }
    return going && *status == ALIGN_E_NONE;
}

static align_status run(const align_exec *exec, struct align__reward_fit *fit)
{
    align_status status = ALIGN_E_NONE;
    bool going = begin(exec, fit, &status);
    while (going && fit->iterations < fit->max_iterations)
        going = advance(exec, fit, &status);
    return status;
}

/* Every so many units, by strides. */
static struct align__reward_data thin_out(const struct align__reward_data *data, int64_t count,
                                          align_reward_args *args)
{
    struct align__reward_data few = *data;
    *args = *data->args;
    align_tensor *all[] = {&args->first, &args->second, &args->index,  &args->list,  &args->prob,
                           &args->grade, &args->margin, &args->weight, &args->offset};
    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++)
        if (align__present(all[k])) {
            all[k]->shape[0] = count;
            all[k]->stride[0] *= data->count / count;
        }
    few.args = args;
    few.count = count;
    return few;
}

/* The first steps of a long fit on those units alone that make a guide: as far as they know, at a small part
 * of the price. Where they know no answer, steps begin where they would have. */
static align_status warm_up(const align_exec *exec, struct align__reward_fit *fit)
{
    enum { STEPS = 8, GUIDES = 16 };
    align_reward_args args;
    struct align__reward_fit part = *fit;
    int64_t few = fit->gram.sample, guides = GUIDES * fit->order;
    if (!fit->guided || align__present(&fit->data->args->start) || 4 * few > fit->data->count)
        return ALIGN_E_NONE;
    struct align__reward_data data = thin_out(fit->data, few, &args);
    double share = (double)few / (double)fit->data->count;
    part.data = part.gram.data = &data;
    part.gram.sample = guides < few ? guides : few;
    part.tolerance = 1e-3;
    part.max_iterations = STEPS;
    for (int64_t d = 0; d < fit->order; d++)
        part.l2[d] *= share;
    align_status status = run(exec, &part);
    for (int64_t d = 0; d < fit->order; d++)
        part.l2[d] /= share;
    if (status == ALIGN_E_NONE && part.converged)
        memcpy(fit->start, part.coef, sizeof *fit->start * (size_t)fit->order);
    return status == ALIGN_E_RANGE ? ALIGN_E_NONE : status;
}

align_status align__reward_fit_run(const align_exec *exec, struct align__reward_fit *fit)
{
    align_status status = warm_up(exec, fit);
    if (status == ALIGN_E_NONE)
        status = run(exec, fit);
    if (status != ALIGN_E_NONE)
        return status;
    if (fit->iterations == 0)
        fit->last_step = 0;
    fit->score_norm = align__reward_largest(fit->slope, fit->order);
    if (fit->guided)
        fit->decrement = align__reward_guess(fit);
    else
        solve(exec, fit, &status);
    return status;
}
