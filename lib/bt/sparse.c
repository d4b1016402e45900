#include "line.h"

#include <string.h>

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* The part of the Hessian that a reliability brings: its own slope is d, which moves with all others. */
static void bend(const struct align__bt_line *line, const struct align__bt_fit *fit, double slope,
                 double along, const double *x, double *out)
{
    int64_t last = line->at[line->count - 1];
    double own = x[last] * line->d;
    align__bt_spread(fit, line, slope * x[last], out);
    out[last] += slope * (along - own);
}

static bool is_pairs(const struct align__bt_fit *fit)
{
    return align__bt_is_plain(fit) && fit->home < 0 && fit->tie < 0;
}

/* Strengths alone. Flows of one i are added up together. */
static void multiply_pairs(const struct align__bt_fit *fit, const double *x, double *out)
{
    const int32_t *side = fit->side[0], *other = fit->side[1];
    const double *curvature = fit->curvature[0];
    double flow[ALIGN__BT_BLOCK];
    for (int64_t e = 0; e < fit->edge_count;) {
        int32_t i = side[e];
        int64_t n = 0;
        for (; n < ALIGN__BT_BLOCK && e < fit->edge_count && side[e] == i; n++, e++) {
            flow[n] = curvature[e] * (x[i] - x[other[e]]);
            out[other[e]] -= flow[n];
        }
        out[i] += fit->f64->lane_sum(flow, n);
    }
}

static void multiply(const struct align__bt_fit *fit, const double *prior, const double *x,
                     double *out)
{
    double u = fit->tie < 0 ? 0 : x[fit->tie], dtie = 0;
    for (int64_t i = 0; i < fit->size; i++)
        out[i] = prior[i] * x[i];
    bool pairs = is_pairs(fit);
    if (pairs)
        multiply_pairs(fit, x, out);
    for (int64_t e = 0; !pairs && e < fit->edge_count; e++) {
        struct align__bt_line line;
        align__bt_line_of_edge(fit, e, fit->x, &line);
        double d = align__bt_along(fit, &line, x);
        double flow = fit->curvature[0][e] * d + (fit->tie < 0 ? 0 : fit->curvature[1][e] * u);
        align__bt_spread(fit, &line, flow, out);
        if (fit->curvature[3] != NULL)
            bend(&line, fit, fit->curvature[3][e], d, x, out);
        if (fit->tie >= 0)
            dtie += fit->curvature[1][e] * d + fit->curvature[2][e] * u;
    }
    if (fit->tie >= 0)
        out[fit->tie] += dtie;
    for (int64_t k = 0; fit->frozen != NULL && k < fit->size; k++)
        out[k] = fit->frozen[k] ? 0 : out[k];
}

/* The diagonal of the priors into `prior`, that of the Hessian into `diagonal`. */
static void diagonals(const struct align__bt_fit *fit, double *prior, double *diagonal)
{
    align__bt_prior_fn density = align__bt_priors[fit->prior.kind];
    for (int64_t i = 0; i < fit->size; i++) {
        prior[i] = i >= fit->n       ? align__bt_ridge(fit, i)
                   : density != NULL ? density(&fit->prior, fit->x[i]).dd
                                     : 0;
        diagonal[i] = prior[i];
    }
    bool pairs = is_pairs(fit);
    for (int64_t e = 0; pairs && e < fit->edge_count; e++) {
        diagonal[fit->side[0][e]] += fit->curvature[0][e];
        diagonal[fit->side[1][e]] += fit->curvature[0][e];
    }
    for (int64_t e = 0; !pairs && e < fit->edge_count; e++) {
        struct align__bt_line line;
        align__bt_line_of_edge(fit, e, fit->x, &line);
        double dd = fit->curvature[0][e];
        for (int k = 0; k < line.count; k++)
            diagonal[line.at[k]] += dd * line.by[k] * line.by[k];
        for (int64_t p = 0; p < fit->coefs; p++)
            diagonal[fit->coef + p] += dd * line.factor * line.factor * line.z[p] * line.z[p];
        if (fit->tie >= 0)
            diagonal[fit->tie] += fit->curvature[2][e];
    }
}

void align__bt_centre(const struct align__bt_fit *fit, double *x, double *sum)
{
    const struct align__bt_graph *graph = fit->graph;
    for (int64_t c = 0; c < graph->parts; c++)
        sum[c] = 0;
    for (int64_t i = 0; i < fit->n; i++)
        sum[graph->part[i]] += x[i];
    for (int64_t i = 0; i < fit->n; i++)
        if (graph->loose[graph->part[i]] != 0)
            x[i] -= sum[graph->part[i]] / graph->size[graph->part[i]];
}

/* With the diagonal as preconditioner. The singular Laplacian is no obstacle as long as the right side
 * sums to 0 in each part: exactly so in theory, and by centring in rounding. Where a reliability makes
 * the curvature negative, the way so far leads down. */
void align__bt_solve_sparse(struct align__bt_fit *fit, double relative)
{
    int64_t size = fit->size;
    double *x = fit->step, *r = fit->work[0], *p = fit->work[1], *hp = fit->work[2];
    double *diagonal = fit->work[3], *prior = fit->trial;
    diagonals(fit, prior, diagonal);
    memset(x, 0, sizeof *x * (size_t)size);
    memcpy(r, fit->score, sizeof *r * (size_t)size);
    align__bt_centre(fit, r, hp);
    double rho = 0;
    for (int64_t i = 0; i < size; i++) {
        p[i] = diagonal[i] > 0 ? r[i] / diagonal[i] : 0;
        rho += r[i] * p[i];
    }
    double target = rho * relative * relative;
    for (int64_t k = 0; k < 10 * size && rho > target; k++) {
        multiply(fit, prior, p, hp);
        double along = dot(p, hp, size);
        if (!(along > 0)) {
            for (int64_t i = 0; k == 0 && i < size; i++)
                x[i] = p[i];
            break;
        }
        double next = 0, length = rho / along;
        for (int64_t i = 0; i < size; i++) {
            x[i] += length * p[i];
            r[i] -= length * hp[i];
            next += diagonal[i] > 0 ? r[i] * r[i] / diagonal[i] : 0;
        }
        for (int64_t i = 0; i < size; i++)
            p[i] = (diagonal[i] > 0 ? r[i] / diagonal[i] : 0) + next / rho * p[i];
        rho = next;
    }
    align__bt_centre(fit, x, hp);
}
