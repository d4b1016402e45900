#include "line.h"

#include <string.h>

/* LAPACK by its Fortran names: OpenBLAS as distributions build it has no C interface to it. The last
 * argument is the length of the character one, as Fortran passes it. */
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t);
void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t);
void dpocon_(const char *uplo, const int *n, const double *a, const int *lda, const double *norm,
             double *rcond, double *work, int *iwork, int *info, size_t);
void dpotrs_(const char *uplo, const int *n, const int *nrhs, const double *a, const int *lda,
             double *b, const int *ldb, int *info, size_t);
void dpstrf_(const char *uplo, const int *n, double *a, const int *lda, int *piv, int *rank,
             const double *tol, double *work, int *info, size_t);

static double *entry(double *matrix, int64_t size, int64_t a, int64_t b)
{
    return a < b ? &matrix[a * size + b] : &matrix[b * size + a];
}

static void add_products(const struct align__bt_fit *fit, const struct align__bt_line *line,
                         double dd, double *matrix)
{
    int64_t size = fit->size;
    double outer = dd * line->factor;
    for (int k = 0; k < line->count; k++) {
        double by = dd * line->by[k], *row = matrix + line->at[k] * size + fit->coef;
        for (int l = k; l < line->count; l++)
            *entry(matrix, size, line->at[k], line->at[l]) += by * line->by[l];
        for (int64_t p = 0; p < fit->coefs; p++)
            row[p] += by * line->factor * line->z[p];
    }
    for (int64_t p = 0; p < fit->coefs; p++) {
        double by = outer * line->factor * line->z[p];
        for (int64_t q = p; q < fit->coefs; q++)
            matrix[(fit->coef + p) * size + fit->coef + q] += by * line->z[q];
    }
}

/* One row of the matrix, that of `place`, plus amount * slope. */
static void add_row(const struct align__bt_fit *fit, const struct align__bt_line *line, int count,
                    int64_t place, double amount, double *matrix)
{
    for (int k = 0; k < count; k++)
        *entry(matrix, fit->size, place, line->at[k]) += amount * line->by[k];
    for (int64_t p = 0; p < fit->coefs; p++)
        matrix[place * fit->size + fit->coef + p] += amount * line->factor * line->z[p];
}

/* Strengths alone: most fits. Of a row of edges the diagonal is kept at hand. */
static void assemble_pairs(const struct align__bt_fit *fit, const double *dd, double *matrix)
{
    const int32_t *side = fit->side[0], *other = fit->side[1];
    int64_t size = fit->size;
    for (int64_t e = 0; e < fit->edge_count;) {
        int64_t i = side[e];
        double *row = matrix + i * size, own = 0;
        for (; e < fit->edge_count && side[e] == i; e++) {
            int64_t j = other[e];
            own += dd[e];
            matrix[j * size + j] += dd[e];
            *(i < j ? &row[j] : &matrix[j * size + i]) -= dd[e];
        }
        row[i] += own;
    }
}

void align__bt_assemble(const struct align__bt_fit *fit, double *const coefficient[4],
                        double *matrix)
{
    int64_t size = fit->size, tie = fit->tie;
    bool bends = coefficient[3] != NULL && fit->exact;
    if (align__bt_is_plain(fit) && fit->home < 0 && tie < 0) {
        assemble_pairs(fit, coefficient[0], matrix);
        return;
    }
    for (int64_t e = 0; e < fit->edge_count; e++) {
        struct align__bt_line line;
        align__bt_line_of_edge(fit, e, fit->x, &line);
        add_products(fit, &line, coefficient[0][e], matrix);
        if (tie >= 0) {
            add_row(fit, &line, line.count, tie, coefficient[1][e], matrix);
            matrix[tie * size + tie] += coefficient[2][e];
        }
        if (bends) {
            int64_t last = line.at[line.count - 1];
            add_row(fit, &line, line.count - 1, last, coefficient[3][e], matrix);
            matrix[last * size + last] += coefficient[3][e] * line.d;
        }
    }
}

/* Maximum absolute column sum. */
static double norm_of(const struct align__bt_fit *fit)
{
    int64_t size = fit->size;
    double *sum = fit->work[0], *part = fit->work[1], most = 0;
    memset(sum, 0, sizeof *sum * (size_t)size);
    for (int64_t i = 0; i < size; i++) {
        const double *row = fit->matrix + i * size;
        for (int64_t j = i; j < size; j++) {
            part[j] = fabs(row[j]);
            sum[j] += part[j];
        }
        sum[i] += fit->f64->lane_sum(part + i + 1, size - i - 1);
    }
    for (int64_t i = 0; i < size; i++)
        most = sum[i] > most ? sum[i] : most;
    return most;
}

static void fill_hessian(struct align__bt_fit *fit)
{
    int64_t n = fit->n, size = fit->size;
    align__bt_prior_fn prior = align__bt_priors[fit->prior.kind];
    memset(fit->matrix, 0, sizeof *fit->matrix * (size_t)(size * size));
    align__bt_assemble(fit, fit->curvature, fit->matrix);
    if (fit->ranked != NULL)
        align__bt_rank_hessian(fit, fit->x, fit->matrix);
    for (int64_t i = 0; i < size; i++) {
        double *diagonal = &fit->matrix[i * size + i];
        if (i < n && prior != NULL)
            *diagonal += prior(&fit->prior, fit->x[i]).dd;
        else if (i >= n)
            *diagonal += align__bt_ridge(fit, i);
    }
}

/* A frozen parameter has a row of its own. */
static void freeze(struct align__bt_fit *fit, double diagonal)
{
    int64_t size = fit->size;
    for (int64_t k = 0; fit->frozen != NULL && k < size; k++)
        for (int64_t i = 0; fit->frozen[k] && i < size; i++)
            *entry(fit->matrix, size, i, k) = i == k ? diagonal : 0;
}

/* Where nothing gives the strengths of a part a level, the Hessian vanishes along their shift. Adding
 * c / size to every pair within the part fills that direction and changes no other; c is the mean of
 * the diagonal, so that the sum is not worse conditioned than the rest. */
static void fill_gauge(struct align__bt_fit *fit)
{
    int64_t n = fit->n, size = fit->size;
    const struct align__bt_graph *graph = fit->graph;
    double trace = 0;
    for (int64_t i = 0; i < n; i++)
        trace += fit->matrix[i * size + i];
    fit->gauge = trace > 0 ? trace / (double)n : 1;
    freeze(fit, fit->gauge);
    for (int64_t i = 0; i < n; i++) {
        int32_t part = graph->part[i];
        double level = graph->loose[part] != 0 ? fit->gauge / graph->size[part] : 0;
        double *row = fit->matrix + i * size;
        for (int64_t j = i; level > 0 && j < n; j++)
            row[j] += graph->part[j] == part ? level : 0;
    }
}

bool align__bt_factor(struct align__bt_fit *fit)
{
    int order = (int)fit->size, info = 0;
    for (int attempt = 0; attempt < 2; attempt++) {
        fit->exact = attempt == 0;
        fill_hessian(fit);
        fill_gauge(fit);
        if (!fit->bare)
            fit->norm = norm_of(fit);
        dpotrf_("L", &order, fit->matrix, &order, &info, 1);
        if (info == 0 || fit->reliability < 0)
            break;
    }
    return info == 0;
}

void align__bt_solve_dense(struct align__bt_fit *fit)
{
    int order = (int)fit->size, one = 1, info = 0;
    memcpy(fit->step, fit->score, sizeof *fit->step * (size_t)fit->size);
    dpotrs_("L", &order, &one, fit->matrix, &order, fit->step, &order, &info, 1);
}

double align__bt_condition(const struct align__bt_fit *fit)
{
    int order = (int)fit->size, info = 0;
    double reciprocal = 0;
    dpocon_("L", &order, fit->matrix, &order, &fit->norm, &reciprocal, fit->triple,
            (int *)(void *)fit->work[3], &info, 1);
    return 1 / reciprocal;
}

bool align__bt_invert(struct align__bt_fit *fit)
{
    int64_t size = fit->size;
    int order = (int)size, info = 0;
    if (!align__bt_factor(fit))
        return false;
    dpotri_("L", &order, fit->matrix, &order, &info, 1);
    if (info != 0)
        return false;
    const struct align__bt_graph *graph = fit->graph;
    for (int64_t i = 0; i < fit->n; i++) {
        int32_t part = graph->part[i];
        for (int64_t j = i; graph->loose[part] != 0 && j < fit->n; j++)
            if (graph->part[j] == part)
                fit->matrix[i * size + j] -= 1 / (fit->gauge * graph->size[part]);
    }
    freeze(fit, 0);
    for (int64_t i = 0; i < size; i++)
        for (int64_t j = i + 1; j < size; j++)
            fit->matrix[j * size + i] = fit->matrix[i * size + j];
    return true;
}

/* Scaled to a diagonal of 1, so that units do not matter, then factored by pivots: what is left when
 * they reach rounding depends on what came before. */
int64_t align__bt_superfluous(struct align__bt_fit *fit)
{
    int64_t size = fit->size;
    int order = (int)size, rank = 0, info = 0, *pivot = (int *)(void *)fit->work[3];
    double tolerance = 1e-12, *root = fit->work[0];
    fit->exact = false;
    fill_hessian(fit);
    fill_gauge(fit);
    for (int64_t i = 0; i < size; i++)
        root[i] = fit->matrix[i * size + i] > 0 ? 1 / sqrt(fit->matrix[i * size + i]) : 0;
    for (int64_t i = 0; i < size; i++)
        for (int64_t j = i; j < size; j++)
            fit->matrix[i * size + j] *= root[i] * root[j];
    dpstrf_("L", &order, fit->matrix, &order, pivot, &rank, &tolerance, fit->triple, &info, 1);
    int64_t last = -1;
    for (int k = rank; k < order; k++)
        last = pivot[k] - 1 > last ? pivot[k] - 1 : last;
    return last;
}
