#include "bt.h"

#include <math.h>
#include <string.h>

/* LAPACK by its Fortran names: OpenBLAS as distributions build it has no C interface to it. The last
 * argument is the length of the character one, as Fortran passes it. */
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t);
void dpocon_(const char *uplo, const int *n, const double *a, const int *lda, const double *norm,
             double *rcond, double *work, int *iwork, int *info, size_t);
void dpotrs_(const char *uplo, const int *n, const int *nrhs, const double *a, const int *lda,
             double *b, const int *ldb, int *info, size_t);

enum { HALVINGS = 40 };

/* No step moves a parameter by more: where all is saturated, curvature says nothing of distance. */
static const double FARTHEST = 8;

/* Up to this part of the value, two values differ by rounding alone. */
static const double NOISE = 1e-13;

size_t align__bt_fit_bytes(const struct align__bt_fit *fit, int64_t edges)
{
    size_t size = (size_t)fit->size, vector = align__block(sizeof(double) * size);
    size_t matrix = fit->dense ? align__block(sizeof(double) * size * size) : 0;
    return 11 * vector + 3 * align__block(sizeof(double) * (size_t)edges) + matrix;
}

void align__bt_fit_take(struct align__bt_fit *fit, struct align__arena *arena, int64_t edges)
{
    size_t vector = sizeof(double) * (size_t)fit->size;
    fit->x = align__arena_take(arena, vector);
    fit->trial = align__arena_take(arena, vector);
    fit->score = align__arena_take(arena, vector);
    fit->step = align__arena_take(arena, vector);
    for (int k = 0; k < 3; k++)
        fit->curvature[k] = align__arena_take(arena, sizeof(double) * (size_t)edges);
    for (int k = 0; k < 3; k++)
        fit->work[k] = align__arena_take(arena, vector);
    fit->triple = align__arena_take(arena, 3 * vector);
    fit->work[3] = align__arena_take(arena, vector);
    if (fit->dense)
        fit->matrix = align__arena_take(arena, vector * (size_t)fit->size);
}

double align__bt_difference(const struct align__bt_fit *fit, const struct align__bt_edge *edge,
                            const double *x)
{
    return x[edge->i] - x[edge->j] + (fit->home < 0 ? 0 : x[fit->home]);
}

/* Adds the prior to score and value. */
static double add_prior(struct align__bt_fit *fit, const double *x)
{
    align__bt_prior_fn prior = align__bt_priors[fit->prior.kind];
    double value = 0;
    for (int64_t i = 0; prior != NULL && i < fit->n; i++) {
        struct align__bt_terms t = prior(&fit->prior, x[i]);
        value += t.value;
        fit->score[i] += t.d;
    }
    return value;
}

/* Minus the log-likelihood and the log-prior at x; fills score and curvatures. */
static double evaluate(struct align__bt_fit *fit, const double *x)
{
    align__bt_kernel kernel = align__bt_models[fit->ties].kernel;
    double virtual = fit->prior.kind == ALIGN_BT_PRIOR_EDGE ? fit->prior.games / 2 : 0;
    double u = fit->tie < 0 ? 0 : x[fit->tie], value = 0, du = 0, dhome = 0;
    memset(fit->score, 0, sizeof *fit->score * (size_t)fit->size);
    for (int64_t e = 0; e < fit->edge_count; e++) {
        const struct align__bt_edge *edge = &fit->edges[e];
        double sum[ALIGN__BT_OUTCOMES] = {edge->sum[0] + virtual, edge->sum[1],
                                          edge->sum[2] + virtual};
        struct align__bt_terms t = kernel(align__bt_difference(fit, edge, x), u, sum);
        value += t.value;
        fit->score[edge->i] += t.d;
        fit->score[edge->j] -= t.d;
        dhome += t.d;
        du += t.u;
        fit->curvature[0][e] = t.dd;
        fit->curvature[1][e] = t.du;
        fit->curvature[2][e] = t.uu;
    }
    if (fit->tie >= 0)
        fit->score[fit->tie] = du;
    if (fit->home >= 0)
        fit->score[fit->home] = dhome;
    return value + add_prior(fit, x);
}

double align__bt_log_likelihood(const struct align__bt_fit *fit)
{
    align__bt_kernel kernel = align__bt_models[fit->ties].kernel;
    double u = fit->tie < 0 ? 0 : fit->x[fit->tie], value = 0;
    for (int64_t e = 0; e < fit->edge_count; e++) {
        double d = align__bt_difference(fit, &fit->edges[e], fit->x);
        value -= kernel(d, u, fit->edges[e].sum).value;
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

/* NaN counts as larger than all. */
static double largest(const double *a, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(a[i]) <= most))
            most = fabs(a[i]);
    return most;
}

/* ---- the matrix --------------------------------------------------------------------------- */

/* Adds, for each edge, the outer products of its directions: d = +i -j +home and u = tie. Of the
 * symmetric matrix the part with column >= row is kept: LAPACK's lower triangle. */
void align__bt_assemble(const struct align__bt_fit *fit, double *const coefficient[3],
                        double *matrix)
{
    int64_t size = fit->size, tie = fit->tie, home = fit->home;
    for (int64_t e = 0; e < fit->edge_count; e++) {
        double *row = matrix + fit->edges[e].i * size, *below = matrix + fit->edges[e].j * size;
        int64_t i = fit->edges[e].i, j = fit->edges[e].j;
        double dd = coefficient[0][e], du = coefficient[1][e], uu = coefficient[2][e];
        row[i] += dd;
        below[j] += dd;
        if (i < j)
            row[j] -= dd;
        else
            below[i] -= dd;
        if (home >= 0) {
            row[home] += dd;
            below[home] -= dd;
            matrix[home * size + home] += dd;
        }
        if (tie >= 0) {
            row[tie] += du;
            below[tie] -= du;
            matrix[tie * size + tie] += uu;
        }
        if (tie >= 0 && home >= 0)
            matrix[tie * size + home] += du;
    }
}

double align__bt_gauge(const struct align__bt_fit *fit)
{
    double trace = 0;
    for (int64_t e = 0; e < fit->edge_count; e++)
        trace += 2 * fit->curvature[0][e];
    return trace > 0 ? trace / (double)fit->n : 1;
}

/* The largest sum of magnitudes of a row. */
static double norm_of(const struct align__bt_fit *fit)
{
    int64_t size = fit->size;
    double *sum = fit->work[0], most = 0;
    memset(sum, 0, sizeof *sum * (size_t)size);
    for (int64_t i = 0; i < size; i++)
        for (int64_t j = i; j < size; j++) {
            double entry = fabs(fit->matrix[i * size + j]);
            sum[i] += entry;
            sum[j] += i == j ? 0 : entry;
        }
    for (int64_t i = 0; i < size; i++)
        most = sum[i] > most ? sum[i] : most;
    return most;
}

/* Without a prior that pins them, the Hessian vanishes along a shift of all strengths of a part. Adding
 * c / size to every pair within a part fills that direction and changes no other; c is the mean of
 * the diagonal, so that the sum is not worse conditioned than the rest. */
bool align__bt_factor(struct align__bt_fit *fit)
{
    int64_t n = fit->n, size = fit->size;
    const int32_t *part = fit->graph->part;
    align__bt_prior_fn prior = align__bt_priors[fit->prior.kind];
    double c = align__bt_gauge(fit);
    memset(fit->matrix, 0, sizeof *fit->matrix * (size_t)(size * size));
    for (int64_t i = 0; i < n; i++) {
        double *row = fit->matrix + i * size;
        if (prior != NULL)
            row[i] = prior(&fit->prior, fit->x[i]).dd;
        for (int64_t j = i; prior == NULL && j < n; j++)
            row[j] = part[i] == part[j] ? c / fit->graph->size[part[i]] : 0;
    }
    align__bt_assemble(fit, fit->curvature, fit->matrix);
    fit->norm = norm_of(fit);
    int order = (int)size, info = 0;
    dpotrf_("L", &order, fit->matrix, &order, &info, 1);
    return info == 0;
}

static void solve_dense(struct align__bt_fit *fit)
{
    int order = (int)fit->size, one = 1, info = 0;
    memcpy(fit->step, fit->score, sizeof *fit->step * (size_t)fit->size);
    dpotrs_("L", &order, &one, fit->matrix, &order, fit->step, &order, &info, 1);
}

/* Of the factor at hand. */
static double condition_of(const struct align__bt_fit *fit)
{
    int order = (int)fit->size, info = 0;
    double reciprocal = 0;
    dpocon_("L", &order, fit->matrix, &order, &fit->norm, &reciprocal, fit->triple,
            (int *)(void *)fit->work[3], &info, 1);
    return 1 / reciprocal;
}

/* ---- conjugate gradients ------------------------------------------------------------------ */

static void multiply(const struct align__bt_fit *fit, const double *prior, const double *x,
                     double *out)
{
    double u = fit->tie < 0 ? 0 : x[fit->tie], dhome = 0, dtie = 0;
    for (int64_t i = 0; i < fit->size; i++)
        out[i] = i < fit->n ? prior[i] * x[i] : 0;
    for (int64_t e = 0; e < fit->edge_count; e++) {
        const struct align__bt_edge *edge = &fit->edges[e];
        double d = align__bt_difference(fit, edge, x);
        double flow = fit->curvature[0][e] * d + fit->curvature[1][e] * u;
        out[edge->i] += flow;
        out[edge->j] -= flow;
        dhome += flow;
        dtie += fit->curvature[1][e] * d + fit->curvature[2][e] * u;
    }
    if (fit->home >= 0)
        out[fit->home] = dhome;
    if (fit->tie >= 0)
        out[fit->tie] = dtie;
}

/* The diagonal of the prior into `prior`, that of the Hessian into `diagonal`. */
static void diagonals(const struct align__bt_fit *fit, double *prior, double *diagonal)
{
    align__bt_prior_fn density = align__bt_priors[fit->prior.kind];
    double home = 0, tie = 0;
    for (int64_t i = 0; i < fit->n; i++)
        diagonal[i] = prior[i] = density == NULL ? 0 : density(&fit->prior, fit->x[i]).dd;
    for (int64_t e = 0; e < fit->edge_count; e++) {
        diagonal[fit->edges[e].i] += fit->curvature[0][e];
        diagonal[fit->edges[e].j] += fit->curvature[0][e];
        home += fit->curvature[0][e];
        tie += fit->curvature[2][e];
    }
    if (fit->home >= 0)
        diagonal[fit->home] = home;
    if (fit->tie >= 0)
        diagonal[fit->tie] = tie;
}

/* Takes the mean of the strengths of each part away, unless a prior pins them. `sum` holds [n]. */
static void centre(const struct align__bt_fit *fit, double *x, double *sum)
{
    const struct align__bt_graph *graph = fit->graph;
    if (align__bt_priors[fit->prior.kind] != NULL)
        return;
    for (int64_t c = 0; c < graph->parts; c++)
        sum[c] = 0;
    for (int64_t i = 0; i < fit->n; i++)
        sum[graph->part[i]] += x[i];
    for (int64_t i = 0; i < fit->n; i++)
        x[i] -= sum[graph->part[i]] / graph->size[graph->part[i]];
}

/* With the diagonal as preconditioner. The singular Laplacian is no obstacle as long as the right side
 * sums to 0 in each part: exactly so in theory, and by centring in rounding. */
static void solve_sparse(struct align__bt_fit *fit, double relative)
{
    int64_t size = fit->size;
    double *x = fit->step, *r = fit->work[0], *p = fit->work[1], *hp = fit->work[2];
    double *diagonal = fit->work[3], *prior = fit->trial;
    diagonals(fit, prior, diagonal);
    memset(x, 0, sizeof *x * (size_t)size);
    memcpy(r, fit->score, sizeof *r * (size_t)size);
    centre(fit, r, hp);
    double rho = 0;
    for (int64_t i = 0; i < size; i++) {
        p[i] = diagonal[i] > 0 ? r[i] / diagonal[i] : 0;
        rho += r[i] * p[i];
    }
    double target = rho * relative * relative;
    for (int64_t k = 0; k < 10 * size && rho > target; k++) {
        multiply(fit, prior, p, hp);
        double along = dot(p, hp, size);
        if (!(along > 0))
            break;
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
    centre(fit, x, hp);
}

/* ---- Newton ------------------------------------------------------------------------------- */

/* The Newton step at hand, and its decrement. */
static bool solve(struct align__bt_fit *fit)
{
    if (fit->dense) {
        if (!align__bt_factor(fit))
            return false;
        solve_dense(fit);
    } else {
        /* Far from the maximum a step need not be exact: its error should fall as fast as the step. */
        double square = fit->last_step * fit->last_step;
        solve_sparse(fit, square > 1e-2 ? 1e-2 : square < 1e-10 ? 1e-10 : square);
    }
    fit->decrement = dot(fit->score, fit->step, fit->size) / 2;
    return true;
}

/* Halves the step until the likelihood rises as it should; near the maximum, where differences of the
 * value are rounding alone, a full step is safe. Score and curvature are then those of the new point. */
static bool move(struct align__bt_fit *fit)
{
    double noise = NOISE * fabs(fit->value), fall = 2 * fit->decrement;
    double whole = largest(fit->step, fit->size), length = whole > FARTHEST ? FARTHEST / whole : 1;
    for (int k = 0; k < HALVINGS; k++, length /= 2) {
        for (int64_t i = 0; i < fit->size; i++)
            fit->trial[i] = fit->x[i] - length * fit->step[i];
        double value = evaluate(fit, fit->trial);
        if (value <= fit->value - 1e-4 * length * fall + noise) {
            double *swap = fit->x;
            fit->x = fit->trial;
            fit->trial = swap;
            fit->value = value;
            fit->last_step = length * whole;
            return true;
        }
    }
    fit->value = evaluate(fit, fit->x);
    return false;
}

/* The start: strengths at 0, or at the mean of their prior, and the tie parameter where ties between
 * equals are as frequent as among all games. */
void align__bt_start(struct align__bt_fit *fit)
{
    double ties = 0, all = 0;
    for (int64_t i = 0; i < fit->size; i++)
        fit->x[i] = i < fit->n && fit->prior.kind == ALIGN_BT_PRIOR_GAUSSIAN ? fit->prior.mean : 0;
    for (int64_t e = 0; e < fit->edge_count; e++) {
        const double *sum = fit->edges[e].sum;
        ties += sum[ALIGN__BT_TIE];
        all += sum[ALIGN__BT_WIN] + sum[ALIGN__BT_TIE] + sum[ALIGN__BT_LOSS];
    }
    if (fit->tie >= 0)
        fit->x[fit->tie] = align__bt_models[fit->ties].start(ties < 0.99 * all ? ties / all : 0.99);
}

align_status align__bt_fit_run(const align_exec *exec, struct align__bt_fit *fit)
{
    fit->value = evaluate(fit, fit->x);
    fit->converged = false;
    fit->last_step = 1;
    bool stuck = false;
    for (fit->iterations = 0; fit->iterations < fit->max_iterations && !fit->converged && !stuck;) {
        double before = fit->last_step;
        if (exec->cancel != NULL && exec->cancel(exec->cancel_user) != 0)
            return ALIGN__FAIL(exec, BT_CANCELLED, .owner = "align_exec", .field = "cancel",
                               .low = (double)fit->iterations);
        if (!solve(fit) || !move(fit))
            break;
        fit->iterations++;
        fit->converged = fit->last_step <= fit->tolerance;
        /* Far out on the way to a distant maximum steps are near 1 and the value hardly changes: only small
         * steps that no longer shrink are rounding. */
        stuck = fit->decrement <= NOISE * fabs(fit->value) && fit->last_step < 1e-3 &&
                fit->last_step >= before / 2;
    }
    if (fit->iterations == 0)
        fit->last_step = 0;
    fit->score_norm = largest(fit->score, fit->size);
    if (!fit->dense)
        solve_sparse(fit, 1e-3);
    else if (fit->iterations > 0)
        solve_dense(fit);
    if (fit->dense && fit->iterations > 0)
        fit->condition = condition_of(fit);
    fit->decrement = dot(fit->score, fit->step, fit->size) / 2;
    centre(fit, fit->x, fit->trial);
    return ALIGN_E_NONE;
}
