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

double align__reward_product(const double *a, const double *b, int64_t n)
{
    return cblas_ddot((int)n, a, 1, b, 1);
}

double align__reward_largest(const double *a, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(a[i]) <= most))
            most = fabs(a[i]);
    return most;
}

/* ---- Cholesky ------------------------------------------------------------------------------ */

static align_status fill(const align_exec *exec, struct align__reward_fit *fit)
{
    align_status status = align__reward_gram_fill(exec, &fit->gram, fit->coef, fit->matrix);
    for (int64_t d = 0; status == ALIGN_E_NONE && d < fit->order; d++)
        fit->matrix[d * fit->order + d] += fit->l2[d];
    return status;
}

static bool cholesky(struct align__reward_fit *fit)
{
    int order = (int)fit->order, info = 0;
    dpotrf_("L", &order, fit->matrix, &order, &info, 1);
    return info == 0;
}

static bool solve(const struct align__reward_fit *fit, const double *slope, double *step)
{
    int order = (int)fit->order, one = 1, info = 0;
    memcpy(step, slope, sizeof *step * (size_t)fit->order);
    dpotrs_("L", &order, &one, fit->matrix, &order, step, &order, &info, 1);
    return info == 0;
}

/* Directions without curvature at the start, where no pair is saturated: those of the data, and not of
 * coefficients that grow. Eigenvalues within rounding of 0 count. */
bool align__reward_find_empty(const align_exec *exec, struct align__reward_fit *fit,
                              align_status *status)
{
    int order = (int)fit->order, room = 5 * order, info = 0;
    double *values = fit->trial; /* and room in the five neighbours from work[0] */
    *status = fill(exec, fit);
    if (*status != ALIGN_E_NONE)
        return false;
    dsyev_("V", "L", &order, fit->matrix, &order, values, fit->work[0], &room, &info, 1, 1);
    if (info != 0)
        return false;
    double noise = 10 * 0x1p-52 * (double)order * values[order - 1];
    fit->null_dimension = 0;
    while (fit->null_dimension < order && values[fit->null_dimension] <= noise)
        fit->null_dimension++;
    memcpy(fit->empty, fit->matrix,
           sizeof *fit->empty * (size_t)(fit->null_dimension * fit->order));
    return true;
}

/* The mean of the diagonal, or 1: what empty directions are filled with. */
static double filling(const struct align__reward_fit *fit)
{
    double trace = 0;
    for (int64_t d = 0; d < fit->order; d++)
        trace += fit->matrix[d * fit->order + d];
    return trace > 0 ? trace / (double)fit->order : 1;
}

static void add_empty(struct align__reward_fit *fit, double factor)
{
    int order = (int)fit->order, directions = (int)fit->null_dimension;
    if (directions > 0)
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, order, directions, factor, fit->empty,
                    order, 1, fit->matrix, order);
}

static bool factor(const align_exec *exec, struct align__reward_fit *fit, double *filled,
                   align_status *status)
{
    *status = fill(exec, fit);
    if (*status != ALIGN_E_NONE)
        return false;
    *filled = filling(fit);
    add_empty(fit, *filled);
    return cholesky(fit);
}

bool align__reward_solve_dense(const align_exec *exec, struct align__reward_fit *fit,
                               align_status *status)
{
    double filled;
    return factor(exec, fit, &filled, status) && solve(fit, fit->slope, fit->step);
}

bool align__reward_covariance(const align_exec *exec, struct align__reward_fit *fit,
                              align_status *status)
{
    int64_t width = fit->order;
    int order = (int)width, info = 0;
    double filled;
    if (!factor(exec, fit, &filled, status))
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

/* ---- conjugate gradients ------------------------------------------------------------------- */

/* The curvature of some of the units, in f32, factored; a little is added to its diagonal for what they do
 * not see. It changes how fast conjugate gradients arrive, not where. */
static align_status make_guide(const align_exec *exec, struct align__reward_fit *fit)
{
    align_status status = fill(exec, fit);
    if (status != ALIGN_E_NONE)
        return status;
    double more = 1e-6 * filling(fit);
    for (int64_t d = 0; d < fit->order; d++)
        fit->matrix[d * fit->order + d] += more;
    fit->guided = cholesky(fit);
    fit->stale = false;
    return ALIGN_E_NONE;
}

static void guide(struct align__reward_fit *fit, const double *r, double *out)
{
    if (!fit->guided || !solve(fit, r, out))
        memcpy(out, r, sizeof *out * (size_t)fit->order);
}

/* Half the squared decrement as the guide sees it, which needs no pass. */
double align__reward_guess(struct align__reward_fit *fit)
{
    guide(fit, fit->slope, fit->step);
    return align__reward_product(fit->slope, fit->step, fit->order) / 2;
}

/* How much smaller the residual must become. Without a guide: Newton squares its last step. With one, the length
 * of the coming step is known at once: the step need not be better than the next one is long, nor than the
 * tolerance asks for, and where it is shorter than that, it is the guide's own, for which 1 stands. */
static double enough(const struct align__reward_fit *fit, const double *guided, double finest)
{
    double scale = fmax(1, align__reward_largest(fit->coef, fit->order));
    double last = fit->last_step / scale, ahead;
    if (!fit->guided)
        return fmin(fmin(finest, 1e-2), fmax(last * last, 1e-10));
    ahead = align__reward_largest(guided, fit->order) / scale;
    if (10 * ahead <= fit->tolerance)
        return 1;
    return fmin(finest, fmax(fmax(ahead, fit->tolerance / (100 * ahead)), 1e-10));
}

align_status align__reward_solve_cg(const align_exec *exec, struct align__reward_fit *fit,
                                    double finest)
{
    enum { MANY = 12 };
    int64_t order = fit->order, k = 0;
    double *x = fit->step, *r = fit->work[0], *p = fit->work[1], *hp = fit->work[2],
           *z = fit->work[3];
    align_status status = fit->stale ? make_guide(exec, fit) : ALIGN_E_NONE;
    memset(x, 0, sizeof *x * (size_t)order);
    memcpy(r, fit->slope, sizeof *r * (size_t)order);
    guide(fit, r, z);
    memcpy(p, z, sizeof *p * (size_t)order);
    double rho = align__reward_product(r, z, order), relative = enough(fit, z, finest);
    for (double target = rho * relative * relative;
         status == ALIGN_E_NONE && k < 10 * order && rho > target; k++) {
        status = align__reward_multiply(exec, fit->data, fit->coef, p, hp);
        for (int64_t d = 0; d < order; d++)
            hp[d] += fit->l2[d] * p[d];
        double along = align__reward_product(p, hp, order);
        if (!(along > 0))
            break;
        fit->data->f64->add(x, rho / along, p, order);
        fit->data->f64->add(r, -rho / along, hp, order);
        guide(fit, r, z);
        double next = align__reward_product(r, z, order);
        for (int64_t d = 0; d < order; d++)
            p[d] = z[d] + next / rho * p[d];
        rho = next;
    }
    if (k == 0 && fit->guided)
        memcpy(x, z, sizeof *x * (size_t)order); /* so close that the guide's own step will do */
    fit->stale = fit->guided && k > MANY;
    return status;
}
