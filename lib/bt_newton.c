#include "bt.h"

#include <math.h>
#include <string.h>

/* LAPACK by its Fortran names: OpenBLAS as distributions build it has no C interface to it. The last
 * argument is the length of the character one, as Fortran passes it. */
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t);
void dpotrs_(const char *uplo, const int *n, const int *nrhs, const double *a, const int *lda,
             double *b, const int *ldb, int *info, size_t);

/* Up to here a step by Cholesky costs no more than a few dozen passes over the edges. */
enum { DENSE_ITEMS = 1024, HALVINGS = 40 };

bool align__bt_is_dense(int64_t n)
{
    return n <= DENSE_ITEMS;
}

size_t align__bt_fit_bytes(int64_t n, int64_t edges)
{
    size_t vector = align__block(sizeof(double) * (size_t)n);
    size_t solver = align__bt_is_dense(n) ? align__block(sizeof(double) * (size_t)(n * n))
                                          : 4 * vector;
    return 4 * vector + align__block(sizeof(double) * (size_t)edges) + solver;
}

void align__bt_fit_take(struct align__bt_fit *fit, struct align__arena *arena, int64_t n,
                        int64_t edges)
{
    size_t vector = sizeof(double) * (size_t)n;
    fit->n = n;
    fit->strength = align__arena_take(arena, vector);
    fit->trial = align__arena_take(arena, vector);
    fit->score = align__arena_take(arena, vector);
    fit->step = align__arena_take(arena, vector);
    fit->curvature = align__arena_take(arena, sizeof(double) * (size_t)edges);
    if (align__bt_is_dense(n))
        fit->matrix = align__arena_take(arena, vector * (size_t)n);
    else
        for (int k = 0; k < 4; k++)
            fit->work[k] = align__arena_take(arena, vector);
}

/* With d = theta_i - theta_j, p = 1 / (1 + exp(-d)), q = 1 - p, a wins of i and b of j:
 *     value      a log(1 + exp(-d)) + b log(1 + exp(d))     the negative log-likelihood
 *     d / dd     b p - a q                                  never a p - a: that loses what is small
 *     d2 / dd2   (a + b) p q
 * Bradley and Terry 1952; a tie is half a win each way. Fills score and curvature, returns the value. */
static double evaluate(struct align__bt_fit *fit, const double *strength)
{
    double value = 0;
    memset(fit->score, 0, sizeof *fit->score * (size_t)fit->n);
    for (int64_t e = 0; e < fit->edge_count; e++) {
        const struct align__bt_edge *edge = &fit->edges[e];
        double a = edge->sum[ALIGN__BT_WIN] + edge->sum[ALIGN__BT_TIE] / 2;
        double b = edge->sum[ALIGN__BT_LOSS] + edge->sum[ALIGN__BT_TIE] / 2;
        double d = strength[edge->i] - strength[edge->j];
        double small = exp(-fabs(d)), tail = log1p(small);
        double high = 1 / (1 + small), low = small / (1 + small);
        double p = d < 0 ? low : high, q = d < 0 ? high : low;
        value += a * (tail + (d < 0 ? -d : 0)) + b * (tail + (d < 0 ? 0 : d));
        fit->score[edge->i] += b * p - a * q;
        fit->score[edge->j] -= b * p - a * q;
        fit->curvature[e] = (a + b) * p * q;
    }
    return value;
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double largest(const double *a, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(a[i]) <= most))
            most = fabs(a[i]);
    return most;
}

/* The Hessian is the Laplacian of the graph with curvatures for weights, and vanishes along a shift of a
 * part. Adding c / size to every pair within a part fills that direction and changes no other; c is
 * the mean of the diagonal, so that the sum is not worse conditioned than the rest. */
static bool factor(struct align__bt_fit *fit)
{
    int64_t n = fit->n;
    const int32_t *part = fit->graph->part;
    double *h = fit->matrix, trace = 0;
    for (int64_t e = 0; e < fit->edge_count; e++)
        trace += 2 * fit->curvature[e];
    double c = trace > 0 ? trace / (double)n : 1;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i; j < n; j++)
            h[i * n + j] = part[i] == part[j] ? c / fit->graph->size[part[i]] : 0;
    for (int64_t e = 0; e < fit->edge_count; e++) {
        int64_t i = fit->edges[e].i, j = fit->edges[e].j;
        h[i * n + i] += fit->curvature[e];
        h[j * n + j] += fit->curvature[e];
        h[i * n + j] -= fit->curvature[e];
    }
    int size = (int)n, info = 0;
    dpotrf_("L", &size, h, &size, &info, 1);
    return info == 0;
}

static void solve_dense(struct align__bt_fit *fit)
{
    int size = (int)fit->n, one = 1, info = 0;
    memcpy(fit->step, fit->score, sizeof *fit->step * (size_t)fit->n);
    dpotrs_("L", &size, &one, fit->matrix, &size, fit->step, &size, &info, 1);
}

static void multiply(const struct align__bt_fit *fit, const double *x, double *out)
{
    memset(out, 0, sizeof *out * (size_t)fit->n);
    for (int64_t e = 0; e < fit->edge_count; e++) {
        const struct align__bt_edge *edge = &fit->edges[e];
        double flow = fit->curvature[e] * (x[edge->i] - x[edge->j]);
        out[edge->i] += flow;
        out[edge->j] -= flow;
    }
}

/* Takes the mean of each part away, in place. `sum` holds one number a part. */
static void centre(const struct align__bt_graph *graph, double *x, double *sum)
{
    for (int64_t c = 0; c < graph->parts; c++)
        sum[c] = 0;
    for (int64_t i = 0; i < graph->n; i++)
        sum[graph->part[i]] += x[i];
    for (int64_t i = 0; i < graph->n; i++)
        x[i] -= sum[graph->part[i]] / graph->size[graph->part[i]];
}

/* Conjugate gradients with the diagonal as preconditioner. The singular Laplacian is no obstacle as
 * long as the right side sums to 0 in each part: exactly so in theory, and by centring in rounding. */
static void solve_sparse(struct align__bt_fit *fit, double relative)
{
    int64_t n = fit->n;
    double *x = fit->step, *r = fit->work[0], *p = fit->work[1], *hp = fit->work[2];
    double *diagonal = fit->work[3];
    memset(diagonal, 0, sizeof *diagonal * (size_t)n);
    for (int64_t e = 0; e < fit->edge_count; e++) {
        diagonal[fit->edges[e].i] += fit->curvature[e];
        diagonal[fit->edges[e].j] += fit->curvature[e];
    }
    memset(x, 0, sizeof *x * (size_t)n);
    memcpy(r, fit->score, sizeof *r * (size_t)n);
    centre(fit->graph, r, hp);
    double rho = 0, target = 0;
    for (int64_t i = 0; i < n; i++) {
        p[i] = diagonal[i] > 0 ? r[i] / diagonal[i] : 0;
        rho += r[i] * p[i];
    }
    target = rho * relative * relative;
    for (int64_t k = 0; k < 10 * n && rho > target; k++) {
        multiply(fit, p, hp);
        double along = dot(p, hp, n);
        if (!(along > 0))
            break;
        double next = 0, length = rho / along;
        for (int64_t i = 0; i < n; i++) {
            x[i] += length * p[i];
            r[i] -= length * hp[i];
            next += diagonal[i] > 0 ? r[i] * r[i] / diagonal[i] : 0;
        }
        for (int64_t i = 0; i < n; i++)
            p[i] = (diagonal[i] > 0 ? r[i] / diagonal[i] : 0) + next / rho * p[i];
        rho = next;
    }
    centre(fit->graph, x, hp);
}

/* The Newton step at hand, and its decrement. */
static bool solve(struct align__bt_fit *fit)
{
    if (fit->matrix != NULL) {
        if (!factor(fit))
            return false;
        solve_dense(fit);
    } else {
        solve_sparse(fit, 1e-10);
    }
    fit->decrement = dot(fit->score, fit->step, fit->n) / 2;
    return true;
}

/* Halves the step until the likelihood rises as it should; near the maximum, where differences of the
 * value are rounding alone, a full step is safe. Score and curvature are then those of the new point. */
static bool move(struct align__bt_fit *fit)
{
    double noise = 1e-13 * fabs(fit->value), fall = 2 * fit->decrement, length = 1;
    for (int k = 0; k < HALVINGS; k++, length /= 2) {
        for (int64_t i = 0; i < fit->n; i++)
            fit->trial[i] = fit->strength[i] - length * fit->step[i];
        double value = evaluate(fit, fit->trial);
        if (value <= fit->value - 1e-4 * length * fall + noise) {
            double *swap = fit->strength;
            fit->strength = fit->trial;
            fit->trial = swap;
            fit->value = value;
            fit->last_step = length * largest(fit->step, fit->n);
            return true;
        }
    }
    fit->value = evaluate(fit, fit->strength);
    return false;
}

align_status align__bt_fit_run(const align_exec *exec, struct align__bt_fit *fit)
{
    memset(fit->strength, 0, sizeof *fit->strength * (size_t)fit->n);
    fit->value = evaluate(fit, fit->strength);
    fit->converged = false;
    fit->last_step = 0;
    for (fit->iterations = 0; fit->iterations < fit->max_iterations && !fit->converged;) {
        if (exec->cancel != NULL && exec->cancel(exec->cancel_user) != 0)
            return ALIGN__FAIL(exec, BT_CANCELLED, .owner = "align_exec", .field = "cancel",
                               .low = (double)fit->iterations);
        if (!solve(fit) || !move(fit))
            break;
        fit->iterations++;
        fit->converged = fit->last_step <= fit->tolerance;
    }
    fit->score_norm = largest(fit->score, fit->n);
    if (fit->matrix != NULL && fit->iterations > 0)
        solve_dense(fit);
    else if (fit->matrix == NULL)
        solve_sparse(fit, 1e-3);
    fit->decrement = dot(fit->score, fit->step, fit->n) / 2;
    centre(fit->graph, fit->strength, fit->trial);
    return ALIGN_E_NONE;
}
