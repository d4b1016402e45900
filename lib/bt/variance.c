#include "line.h"

#include <cblas.h>
#include <string.h>

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

/* ---- the sum of squared scores -------------------------------------------------------------- */

void align__bt_add_outer(const double *score, int64_t size, double *matrix, double *places)
{
    int64_t count = 0;
    for (int64_t i = 0; i < size; i++)
        if (score[i] != 0)
            places[count++] = (double)i;
    for (int64_t a = 0; a < count; a++) {
        int64_t i = (int64_t)places[a];
        for (int64_t b = a; b < count; b++) {
            int64_t j = (int64_t)places[b];
            matrix[i * size + j] += score[i] * score[j];
        }
    }
}

/* sum over rows of weight^2 score score', from the squares that each edge keeps by outcome. The scores of
 * one row of each outcome are the slopes of the kernel at counts of 1; a soft row is w wins and l losses
 * at once, whence the cross term. */
static void add_edges(struct align__bt_variance *variance, struct align__bt_fit *fit, double *total)
{
    static const double one[ALIGN__BT_OUTCOMES][ALIGN__BT_OUTCOMES] = {
        {1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    align__bt_kernel kernel = align__bt_models[fit->ties].kernel;
    double u = fit->tie < 0 ? 0 : fit->x[fit->tie];
    for (int64_t e = 0; e < fit->edge_count; e++) {
        const struct align__bt_edge *edge = &fit->edges[e];
        const double *square = variance->squares[e];
        struct align__bt_terms t[ALIGN__BT_OUTCOMES];
        struct align__bt_line line;
        align__bt_line_of_edge(fit, e, fit->x, &line);
        double dd = 0, du = 0, uu = 0;
        for (int k = 0; k < ALIGN__BT_OUTCOMES; k++) {
            t[k] = kernel(line.d, u, one[k]);
            dd += square[k] * t[k].d * t[k].d;
            du += square[k] * t[k].d * t[k].u;
            uu += square[k] * t[k].u * t[k].u;
            align__bt_spread(fit, &line, edge->sum[k] * t[k].d, total);
            if (fit->tie >= 0)
                total[fit->tie] += edge->sum[k] * t[k].u;
        }
        const struct align__bt_terms *w = &t[ALIGN__BT_WIN], *l = &t[ALIGN__BT_LOSS];
        double cross = square[ALIGN__BT_CROSS];
        fit->curvature[0][e] = dd + 2 * cross * w->d * l->d;
        if (fit->tie < 0)
            continue;
        fit->curvature[1][e] = du + cross * (w->d * l->u + w->u * l->d);
        fit->curvature[2][e] = uu + 2 * cross * w->u * l->u;
    }
    double *const squares[4] = {fit->curvature[0], fit->curvature[1], fit->curvature[2], NULL};
    align__bt_assemble(fit, squares, variance->meat);
}

static void add_rankings(struct align__bt_variance *variance, const struct align__bt_fit *fit,
                         double *total)
{
    int64_t size = fit->size;
    double *score = fit->work[0];
    for (int64_t r = 0; r < fit->ranked->count;) {
        int64_t source = fit->ranked->source[r];
        double scale = 1 / sqrt(align__bt_rank_rows(fit->ranked, r));
        memset(score, 0, sizeof *score * (size_t)size);
        for (; r < fit->ranked->count && fit->ranked->source[r] == source; r++)
            align__bt_rank_value(fit, r, fit->x, score);
        for (int64_t i = 0; i < size; i++) {
            total[i] += score[i];
            score[i] *= scale;
        }
        align__bt_add_outer(score, size, variance->meat, fit->work[1]);
    }
}

void align__bt_fill_meat(struct align__bt_variance *variance, struct align__bt_fit *fit,
                         double *total)
{
    memset(total, 0, sizeof *total * (size_t)fit->size);
    memset(variance->meat, 0, sizeof *variance->meat * (size_t)(fit->size * fit->size));
    if (fit->ranked == NULL)
        add_edges(variance, fit, total);
    else
        add_rankings(variance, fit, total);
}

/* ---- the covariance ------------------------------------------------------------------------- */

void align__bt_variance_anchor(const struct align__bt_variance *variance,
                               const struct align__bt_fit *fit, int64_t k, double *column)
{
    int64_t size = fit->size;
    double *v = variance->covariance, own = v[k * size + k];
    for (int64_t i = 0; i < fit->n; i++)
        column[i] = v[i * size + k];
    for (int64_t i = 0; i < fit->n; i++)
        for (int64_t j = 0; j < fit->n; j++)
            v[i * size + j] = i == k || j == k ? 0 : v[i * size + j] - column[i] - column[j] + own;
    /* A variance of 0 that rounding made negative. What is further below 0 stays, and its root is NaN. */
    for (int64_t i = 0; i < fit->n; i++) {
        double *own_i = &v[i * size + i];
        if (*own_i < 0 && -*own_i <= 1e-10 * (fabs(column[i]) + own))
            *own_i = 0;
    }
}

static void mend_diagonal(const struct align__bt_fit *fit, double *v)
{
    for (int64_t i = 0; i < fit->size; i++) {
        double *variance = &v[i * fit->size + i];
        if (*variance < 0 && -*variance <= 1e-10 * fit->matrix[i * fit->size + i])
            *variance = 0;
    }
}

/* B^-1 M B^-1, the outer one being the inverse information. */
static void sandwich(struct align__bt_variance *variance, const struct align__bt_fit *fit)
{
    int order = (int)fit->size;
    mirror(variance->meat, fit->size);
    cblas_dsymm(CblasRowMajor, CblasLeft, CblasUpper, order, order, 1, variance->meat, order,
                fit->matrix, order, 0, variance->covariance, order);
    cblas_dsymm(CblasRowMajor, CblasLeft, CblasUpper, order, order, 1, fit->matrix, order,
                variance->covariance, order, 0, variance->meat, order);
    memcpy(variance->covariance, variance->meat,
           sizeof *variance->meat * (size_t)(fit->size * fit->size));
    mirror(variance->covariance, fit->size);
}

bool align__bt_variance_find(struct align__bt_variance *variance, struct align__bt_fit *fit)
{
    align__bt_evaluate(fit, fit->x);
    if (fit->status != ALIGN_E_NONE || !align__bt_invert(fit))
        return false;
    if (variance->kind != ALIGN_BT_FISHER)
        sandwich(variance, fit);
    else
        memcpy(variance->covariance, fit->matrix,
               sizeof *fit->matrix * (size_t)(fit->size * fit->size));
    mend_diagonal(fit, variance->covariance);
    return true;
}
