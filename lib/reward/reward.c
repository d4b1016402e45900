#include "reward.h"

#include <math.h>
#include <string.h>

#define ARGS REWARD_ARGS

/* Parameters up to which Cholesky, and up to which a guide to conjugate gradients, is worth its cube. */
enum { DENSE_ORDER = 128, GUIDED_ORDER = 2048 };

void align_reward_args_init(align_reward_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

static bool wants_errors(const align_reward_args *args)
{
    return align__present(&args->se) || align__present(&args->covariance) ||
           align__present(&args->threshold_se);
}

/* A guide must be small beside the features. */
static struct align__reward_fit shape_of(struct align__reward_call *call)
{
    struct align__reward_data *data = &call->data;
    struct align__reward_fit fit = {.data = data, .order = data->order};
    int64_t numbers = data->count * data->width;
    fit.dense = wants_errors(&call->args) || data->order <= DENSE_ORDER;
    fit.guided = !fit.dense && !align__present(&call->args.columns) &&
                 data->order <= GUIDED_ORDER && 40 * data->order * data->order <= numbers;
    if (fit.dense || fit.guided)
        align__reward_gram_plan(&fit.gram, data, fit.guided);
    return fit;
}

static size_t scratch_of(struct align__reward_call *call)
{
    struct align__reward_fit shape = shape_of(call);
    return align__arena_slack() + align__reward_data_bytes(&call->data) +
           align__reward_fit_bytes(&shape);
}

align_status align_reward_scratch(const align_exec *user_exec, const align_reward_args *user_args,
                                  size_t *least, size_t *best)
{
    struct align__reward_call call;
    align_status status = align__reward_open(&call, user_exec, user_args);
    if (status == ALIGN_E_NONE)
        *least = *best = scratch_of(&call);
    return status;
}

/* ---- what goes in -------------------------------------------------------------------------- */

static align_status load_vector(const struct align__reward_call *call, const char *field,
                                const align_tensor *t, bool negative, double *out)
{
    for (int64_t d = 0; d < call->data.width; d++) {
        out[d] = align__present(t) ? align__load(t->dtype, align__at(t, d, 0)) : 0;
        if (!(fabs(out[d]) < INFINITY) || (out[d] < 0 && !negative))
            return ALIGN__FAIL(&call->exec, FIELD_VALUE, .owner = ARGS, .field = field, .axes = 1,
                               .index = {d}, .value = out[d],
                               .word = negative ? "finite" : "finite and 0 or more");
    }
    return ALIGN_E_NONE;
}

static align_status load_vectors(const struct align__reward_call *call,
                                 struct align__reward_fit *fit)
{
    const align_reward_args *args = &call->args;
    size_t bytes = sizeof(double) * (size_t)fit->order;
    memset(fit->l2, 0, bytes);
    memset(fit->center, 0, bytes);
    memset(fit->start, 0, bytes);
    align_status status = load_vector(call, "l2_each", &args->l2_each, false, fit->l2);
    if (status == ALIGN_E_NONE)
        status = load_vector(call, "center", &args->center, true, fit->center);
    if (status == ALIGN_E_NONE)
        status = load_vector(call, "start", &args->start, true, fit->start);
    for (int64_t d = 0; d < call->data.width; d++)
        fit->l2[d] += args->l2;
    return status;
}

/* ---- what comes out ------------------------------------------------------------------------ */

static double error_of(const struct align__reward_fit *fit, int64_t i, bool has_errors)
{
    return has_errors ? sqrt(fit->matrix[i * fit->order + i]) : (double)NAN;
}

static void write_thresholds(align_reward_args *args, const struct align__reward_fit *fit,
                             bool has_errors)
{
    const struct align__reward_data *data = fit->data;
    int64_t first = data->order - data->thresholds;
    if (data->model->levels > 0) {
        align__reward_put(&args->threshold, 0, 0, fit->coef[first]);
        align__reward_put(&args->threshold_se, 0, 0, error_of(fit, first, has_errors));
        return;
    }
    for (int64_t k = 0; k < data->levels - 1; k++) {
        int64_t parameter = align__reward_parameter(data, k);
        double error = parameter < 0 ? 0 : error_of(fit, first + parameter, has_errors);
        align__reward_put(&args->threshold, k, 0,
                          align__reward_threshold(data, fit->coef + first, k));
        align__reward_put(&args->threshold_se, k, 0, error);
    }
}

static void write_results(align_reward_args *args, const struct align__reward_fit *fit,
                          bool has_errors)
{
    const struct align__reward_data *data = fit->data;
    for (int64_t i = 0; i < data->width; i++) {
        align__reward_put(&args->coef, i, 0, fit->coef[i]);
        align__reward_put(&args->se, i, 0, error_of(fit, i, has_errors));
        for (int64_t j = 0; align__present(&args->covariance) && j < data->width; j++)
            align__reward_put(&args->covariance, i, j,
                              has_errors ? fit->matrix[i * fit->order + j] : (double)NAN);
    }
    write_thresholds(args, fit, has_errors);
    args->position = data->position != 0 ? fit->coef[data->width] : 0;
    args->position_se = data->position != 0 ? error_of(fit, data->width, has_errors) : 0;
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

/* ---- the call ------------------------------------------------------------------------------ */

align_status align__reward_fit_to(const align_exec *user_exec, align_reward_args *user_args,
                                  double *parameters)
{
    struct align__reward_call call;
    struct align__arena arena;
    align_status status = align__reward_open(&call, user_exec, user_args);
    if (status == ALIGN_E_NONE)
        status = align__arena_open(&call.exec, &arena, scratch_of(&call));
    if (status != ALIGN_E_NONE)
        return status;
    align_reward_args *args = &call.args;
    struct align__reward_fit fit = shape_of(&call);
    align__reward_data_take(&call.data, &arena);
    align__reward_fit_take(&fit, &arena);
    fit.tolerance = args->tolerance == 0 ? 1e-9 : args->tolerance;
    fit.max_iterations = args->max_iterations == 0 ? 100 : args->max_iterations;
    status = load_vectors(&call, &fit);
    if (status == ALIGN_E_NONE)
        status = align__reward_check(&call.exec, &call.data);
    if (status != ALIGN_E_NONE)
        return status;
    align__reward_start(&call.data, fit.start + fit.order - call.data.thresholds);
    status = align__reward_fit_run(&call.exec, &fit);
    bool has_errors = status == ALIGN_E_NONE && wants_errors(args) && !fit.separated &&
                      align__reward_covariance(&call.exec, &fit, &status);
    if (status != ALIGN_E_NONE)
        return status;
    write_results(args, &fit, has_errors);
    memcpy(user_args, args, args->size < sizeof *args ? args->size : sizeof *args);
    if (parameters != NULL)
        memcpy(parameters, fit.coef, sizeof *parameters * (size_t)fit.order);
    return say_outcome(&call.exec, &fit);
}

align_status align_reward_fit(const align_exec *exec, align_reward_args *args)
{
    return align__reward_fit_to(exec, args, NULL);
}
