#include "bt.h"

#include <cblas.h>
#include <string.h>

void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t);

size_t align__bt_variance_bytes(const struct align__bt_fit *fit, bool sandwich)
{
    size_t size = (size_t)fit->size;
    return (sandwich ? 2u : 1u) * align__block(sizeof(double) * size * size);
}

void align__bt_variance_take(struct align__bt_variance *variance, struct align__arena *arena,
                             const struct align__bt_fit *fit, bool sandwich)
{
    size_t size = (size_t)fit->size;
    variance->covariance = align__arena_take(arena, sizeof(double) * size * size);
    variance->meat = sandwich ? align__arena_take(arena, sizeof(double) * size * size) : NULL;
}

/* Copies the part with column >= row to the other side. */
static void mirror(double *matrix, int64_t size)
{
    for (int64_t i = 0; i < size; i++)
        for (int64_t j = i + 1; j < size; j++)
            matrix[j * size + i] = matrix[i * size + j];
}

/* The inverse of the information, without what the gauge added: 1 / (c * size) between the strengths of
 * a part, since c is what it gave the shift of that part. */
static bool invert(struct align__bt_fit *fit)
{
    int64_t size = fit->size;
    int order = (int)size, info = 0;
    if (!align__bt_factor(fit))
        return false;
    dpotri_("L", &order, fit->matrix, &order, &info, 1);
    if (info != 0)
        return false;
    const struct align__bt_graph *graph = fit->graph;
    double c = align__bt_gauge(fit);
    bool pinned = align__bt_priors[fit->prior.kind] != NULL;
    for (int64_t i = 0; !pinned && i < fit->n; i++)
        for (int64_t j = i; j < fit->n; j++)
            if (graph->part[i] == graph->part[j])
                fit->matrix[i * size + j] -= 1 / (c * graph->size[graph->part[i]]);
    mirror(fit->matrix, size);
    return true;
}

/* sum over rows of weight^2 score score', from the squares that each edge keeps by outcome. The scores of
 * one row of each outcome are the slopes of the kernel at counts of 1; a soft row is w wins and l losses
 * at once, whence the cross term. `total` receives the sum of all scores. */
static void fill_meat(struct align__bt_variance *variance, struct align__bt_fit *fit, double *total)
{
    static const double one[ALIGN__BT_OUTCOMES][ALIGN__BT_OUTCOMES] = {
        {1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    align__bt_kernel kernel = align__bt_models[fit->ties].kernel;
    double u = fit->tie < 0 ? 0 : fit->x[fit->tie];
    memset(total, 0, sizeof *total * (size_t)fit->size);
    for (int64_t e = 0; e < fit->edge_count; e++) {
        const struct align__bt_edge *edge = &fit->edges[e];
        const double *square = variance->squares[e];
        struct align__bt_terms t[ALIGN__BT_OUTCOMES];
        double d = align__bt_difference(fit, edge, fit->x), dd = 0, du = 0, uu = 0;
        for (int k = 0; k < ALIGN__BT_OUTCOMES; k++) {
            t[k] = kernel(d, u, one[k]);
            dd += square[k] * t[k].d * t[k].d;
            du += square[k] * t[k].d * t[k].u;
            uu += square[k] * t[k].u * t[k].u;
            total[edge->i] += edge->sum[k] * t[k].d;
            total[edge->j] -= edge->sum[k] * t[k].d;
            if (fit->home >= 0)
                total[fit->home] += edge->sum[k] * t[k].d;
            if (fit->tie >= 0)
                total[fit->tie] += edge->sum[k] * t[k].u;
        }
        const struct align__bt_terms *w = &t[ALIGN__BT_WIN], *l = &t[ALIGN__BT_LOSS];
        double cross = square[ALIGN__BT_CROSS];
        fit->curvature[0][e] = dd + 2 * cross * w->d * l->d;
        fit->curvature[1][e] = du + cross * (w->d * l->u + w->u * l->d);
        fit->curvature[2][e] = uu + 2 * cross * w->u * l->u;
    }
    memset(variance->meat, 0, sizeof *variance->meat * (size_t)(fit->size * fit->size));
    align__bt_assemble(fit, fit->curvature, variance->meat);
    mirror(variance->meat, fit->size);
}

/* Under a prior the scores do not sum to 0, and their sum is no part of their spread. */
static void find_meat(struct align__bt_variance *variance, struct align__bt_fit *fit)
{
    double *total = fit->trial, rows = (double)variance->rows;
    fill_meat(variance, fit, total);
    for (int64_t i = 0; rows > 0 && i < fit->size; i++)
        for (int64_t j = 0; j < fit->size; j++)
            variance->meat[i * fit->size + j] -= total[i] * total[j] / rows;
}

/* Differences from the anchor: V_ij - V_ik - V_kj + V_kk. */
static void anchor(const struct align__bt_fit *fit, double *v, int64_t k, double *column)
{
    int64_t size = fit->size;
    double own = v[k * size + k];
    for (int64_t i = 0; i < fit->n; i++)
        column[i] = v[i * size + k];
    for (int64_t i = 0; i < fit->n; i++)
        for (int64_t j = 0; j < fit->n; j++)
            v[i * size + j] = i == k || j == k ? 0 : v[i * size + j] - column[i] - column[j] + own;
}

/* A variance of 0 that rounding made negative. What is further below 0 stays, and its root is NaN. */
static void mend_diagonal(const struct align__bt_fit *fit, double *v, int64_t anchored)
{
    int64_t size = fit->size;
    double own = anchored < 0 ? 0 : fit->matrix[anchored * size + anchored];
    for (int64_t i = 0; i < size; i++) {
        double *variance = &v[i * size + i];
        if (*variance < 0 && -*variance <= 1e-10 * (fit->matrix[i * size + i] + own))
            *variance = 0;
    }
}

bool align__bt_variance_find(struct align__bt_variance *variance, struct align__bt_fit *fit)
{
    int64_t size = fit->size;
    int order = (int)size;
    if (!invert(fit))
        return false;
    if (variance->kind == ALIGN_BT_SANDWICH) {
        find_meat(variance, fit);
        cblas_dsymm(CblasRowMajor, CblasLeft, CblasUpper, order, order, 1, variance->meat, order,
                    fit->matrix, order, 0, variance->covariance, order);
        cblas_dsymm(CblasRowMajor, CblasLeft, CblasUpper, order, order, 1, fit->matrix, order,
                    variance->covariance, order, 0, variance->meat, order);
        memcpy(variance->covariance, variance->meat,
               sizeof *variance->meat * (size_t)(size * size));
        mirror(variance->covariance, size);
    } else {
        memcpy(variance->covariance, fit->matrix, sizeof *fit->matrix * (size_t)(size * size));
    }
    if (variance->anchor >= 0)
        anchor(fit, variance->covariance, variance->anchor, fit->trial);
    mend_diagonal(fit, variance->covariance, variance->anchor);
    return true;
}
