#include "reward.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t);
void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t);
void dpotrs_(const char *uplo, const int *n, const int *nrhs, const double *a, const int *lda,
             double *b, const int *ldb, int *info, size_t);
void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
            double *work, const int *lwork, int *info, size_t, size_t);

enum { HALVINGS = 40 };

size_t align__reward_fit_bytes(const struct align__reward_fit *fit, int64_t count)
{
    size_t width = (size_t)fit->width, vector = align__block(sizeof(double) * width);
    size_t matrix = fit->dense ? align__block(sizeof(double) * width * width) : 0;
    return 10 * vector + align__block(sizeof(double) * (size_t)count) + 2 * matrix;
}

void align__reward_fit_take(struct align__reward_fit *fit, struct align__arena *arena,
                            int64_t count)
{
    size_t vector = sizeof(double) * (size_t)fit->width;
    double **vectors[] = {&fit->l2,      &fit->coef,    &fit->trial,   &fit->slope,
                          &fit->step,    &fit->work[0], &fit->work[1], &fit->work[2],
                          &fit->work[3], &fit->work[4]};
    for (size_t k = 0; k < sizeof vectors / sizeof vectors[0]; k++)
        *vectors[k] = align__arena_take(arena, vector);
    fit->curvature = align__arena_take(arena, sizeof(double) * (size_t)count);
    if (!fit->dense)
        return;
    fit->matrix = align__arena_take(arena, vector * (size_t)fit->width);
    fit->empty = align__arena_take(arena, vector * (size_t)fit->width);
}

static double dot(const double *a, const double *b, int64_t n)
{
    return cblas_ddot((int)n, a, 1, b, 1);
}

static double largest(const double *a, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(a[i]) <= most))
            most = fabs(a[i]);
    return most;
}

/* The objective at some coefficients, with slope and curvature. */
static double evaluate(struct align__reward_fit *fit, const double *coef)
{
    align__reward_evaluate(fit->pairs, coef, fit->slope, fit->curvature, &fit->pass);
    fit->penalty = 0;
    for (int64_t d = 0; d < fit->width; d++) {
        fit->penalty += fit->l2[d] * coef[d] * coef[d] / 2;
        fit->slope[d] += fit->l2[d] * coef[d];
    }
    return fit->pass.value + fit->penalty;
}

/* ---- dense -------------------------------------------------------------------------------- */

static void fill_hessian(struct align__reward_fit *fit, double *matrix)
{
    align__reward_hessian(fit->pairs, fit->curvature, matrix);
    for (int64_t d = 0; d < fit->width; d++)
        matrix[d * fit->width + d] += fit->l2[d];
}

/* Directions without curvature at the start, where no pair is saturated: those of the data, and not of
 * coefficients that grow. Eigenvalues within rounding of 0 count. */
static bool find_empty(struct align__reward_fit *fit)
{
    int order = (int)fit->width, room = 5 * order, info = 0;
    double *values = fit->trial; /* and room in the five neighbours from work[0] */
    fill_hessian(fit, fit->matrix);
    dsyev_("V", "L", &order, fit->matrix, &order, values, fit->work[0], &room, &info, 1, 1);
    if (info != 0)
        return false;
    double noise = 10 * 0x1p-52 * (double)order * values[order - 1];
    fit->null_dimension = 0;
    while (fit->null_dimension < order && values[fit->null_dimension] <= noise)
        fit->null_dimension++;
    memcpy(fit->empty, fit->matrix,
           sizeof *fit->empty * (size_t)(fit->null_dimension * fit->width));
    return true;
}

/* What empty directions are filled with: the mean of the diagonal, or 1. */
static double filling(const struct align__reward_fit *fit)
{
    double trace = 0;
    for (int64_t d = 0; d < fit->width; d++)
        trace += fit->matrix[d * fit->width + d];
    return trace > 0 ? trace / (double)fit->width : 1;
}

static void add_empty(struct align__reward_fit *fit, double factor)
{
    int order = (int)fit->width, directions = (int)fit->null_dimension;
    if (directions > 0)
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, order, directions, factor, fit->empty,
                    order, 1, fit->matrix, order);
}

static bool factor(struct align__reward_fit *fit, double *filled)
{
    int order = (int)fit->width, info = 0;
    fill_hessian(fit, fit->matrix);
    *filled = filling(fit);
    add_empty(fit, *filled);
    dpotrf_("L", &order, fit->matrix, &order, &info, 1);
    return info == 0;
}

static bool solve_dense(struct align__reward_fit *fit)
{
    int order = (int)fit->width, one = 1, info = 0;
    double filled;
    if (!factor(fit, &filled))
        return false;
    memcpy(fit->step, fit->slope, sizeof *fit->step * (size_t)fit->width);
    dpotrs_("L", &order, &one, fit->matrix, &order, fit->step, &order, &info, 1);
    return info == 0;
}

bool align__reward_covariance(struct align__reward_fit *fit)
{
    int64_t width = fit->width;
    int order = (int)width, info = 0;
    double filled;
    if (!factor(fit, &filled))
        return false;
    dpotri_("L", &order, fit->matrix, &order, &info, 1);
    if (info != 0)
        return false;
    add_empty(fit, -1 / filled);
    for (int64_t i = 0; i < width; i++) {
        double *variance = &fit->matrix[i * width + i];
        if (*variance < 0 && -*variance <= 1e-10 / filled)
            *variance = 0; /* what rounding left of an empty direction */
        for (int64_t j = i + 1; j < width; j++)
            fit->matrix[j * width + i] = fit->matrix[i * width + j];
    }
    return true;
}

/* ---- conjugate gradients ------------------------------------------------------------------ */

static void solve_sparse(struct align__reward_fit *fit, double relative)
{
    int64_t width = fit->width;
    double *x = fit->step, *r = fit->work[0], *p = fit->work[1], *hp = fit->work[2];
    memset(x, 0, sizeof *x * (size_t)width);
    memcpy(r, fit->slope, sizeof *r * (size_t)width);
    memcpy(p, r, sizeof *p * (size_t)width);
    double rho = dot(r, r, width), target = rho * relative * relative;
    for (int64_t k = 0; k < 10 * width && rho > target; k++) {
        align__reward_multiply(fit->pairs, fit->curvature, p, hp);
        for (int64_t d = 0; d < width; d++)
            hp[d] += fit->l2[d] * p[d];
        double along = dot(p, hp, width);
        if (!(along > 0))
            break;
        cblas_daxpy((int)width, rho / along, p, 1, x, 1);
        cblas_daxpy((int)width, -rho / along, hp, 1, r, 1);
        double next = dot(r, r, width);
        for (int64_t d = 0; d < width; d++)
            p[d] = r[d] + next / rho * p[d];
        rho = next;
    }
}

/* ---- Newton ------------------------------------------------------------------------------- */

static bool solve(struct align__reward_fit *fit)
{
    double scale = largest(fit->coef, fit->width), part = fit->last_step / (scale > 1 ? scale : 1);
    if (fit->dense) {
        if (!solve_dense(fit))
            return false;
    } else {
        solve_sparse(fit, part > 0.1 ? 1e-2 : part * part < 1e-10 ? 1e-10 : part * part);
    }
    fit->decrement = dot(fit->slope, fit->step, fit->width) / 2;
    return true;
}

static bool move(struct align__reward_fit *fit)
{
    double noise = 1e-13 * fabs(fit->value), length = 1;
    struct align__reward_pass before = fit->pass;
    for (int k = 0; k < HALVINGS; k++, length /= 2) {
        for (int64_t d = 0; d < fit->width; d++)
            fit->trial[d] = fit->coef[d] - length * fit->step[d];
        double value = evaluate(fit, fit->trial);
        if (value <= fit->value - 2e-4 * length * fit->decrement + noise) {
            double *swap = fit->coef;
            fit->coef = fit->trial;
            fit->trial = swap;
            fit->value = value;
            fit->last_step = length * largest(fit->step, fit->width);
            return true;
        }
    }
    fit->pass = before;
    fit->value = evaluate(fit, fit->coef);
    return false;
}

/* A pass at x shows that x can grow for ever: no preferred answer is behind, some is ahead, pairs of mixed
 * opinion and penalised coefficients stay where they are; each to within `slack` of the largest. */
static bool grows(const struct align__reward_fit *fit, const double *x,
                  const struct align__reward_pass *pass, double slack)
{
    double most = pass->best, room = slack * most;
    for (int64_t d = 0; d < fit->width; d++)
        if (fit->l2[d] > 0 && fabs(x[d]) > slack * largest(x, fit->width))
            return false;
    return most > 0 && pass->worst >= -room && pass->soft <= room;
}

/* The point itself may show separation, exactly. Otherwise, on the way out a Newton step turns into the
 * direction of growth, while it vanishes where there is a minimum. */
static bool is_separated(struct align__reward_fit *fit)
{
    struct align__reward_pass pass;
    double scale = largest(fit->coef, fit->width);
    if (grows(fit, fit->coef, &fit->pass, 0))
        return true;
    if (fit->iterations < 4 || fit->last_step < 1e-3 * scale)
        return false;
    for (int64_t d = 0; d < fit->width; d++)
        fit->trial[d] = -fit->step[d];
    align__reward_evaluate(fit->pairs, fit->trial, NULL, NULL, &pass);
    return grows(fit, fit->trial, &pass, 1e-9);
}

align_status align__reward_fit_run(const align_exec *exec, struct align__reward_fit *fit)
{
    memset(fit->coef, 0, sizeof *fit->coef * (size_t)fit->width);
    fit->value = evaluate(fit, fit->coef);
    fit->null_dimension = -1;
    fit->last_step = 1;
    bool going = !fit->dense || find_empty(fit);
    while (going && fit->iterations < fit->max_iterations && !fit->converged && !fit->separated) {
        if (exec->cancel != NULL && exec->cancel(exec->cancel_user) != 0)
            return ALIGN__FAIL(exec, REWARD_CANCELLED, .owner = "align_exec", .field = "cancel",
                               .low = (double)fit->iterations);
        double before = fit->last_step;
        if (!solve(fit) || !move(fit))
            break;
        fit->iterations++;
        double scale = largest(fit->coef, fit->width);
        fit->converged = fit->last_step <= fit->tolerance * (scale > 1 ? scale : 1);
        fit->separated = !fit->converged && is_separated(fit);
        going = fit->decrement > 1e-13 * fabs(fit->value) || fit->last_step < before / 2;
    }
    if (fit->iterations == 0)
        fit->last_step = 0;
    fit->score_norm = largest(fit->slope, fit->width);
    if (!fit->dense)
        solve_sparse(fit, 1e-3);
    if (!fit->dense || solve_dense(fit))
        fit->decrement = dot(fit->slope, fit->step, fit->width) / 2;
    return ALIGN_E_NONE;
}
