#include "line.h"

#include <string.h>

enum { HALVINGS = 40 };

/* No step moves a parameter by more: where all is saturated, curvature says nothing of distance. */
static const double FARTHEST = 8;

/* Up to this part of the value, two values differ by rounding alone. */
static const double NOISE = 1e-13;

/* After a step as small as this the factor at hand is as good as a new one (but for Jeffreys, whose score
 * spends it); for a refit, which has no certificate, after more, as long as it is logistic. */
static const double STALE = 1e-5, WORN = 1e-3;

/* Where the likelihood and priors are made of logistics, curvature changes by a factor of exp(r) at most when no d
 * moves by more than r (Bach 2010, Self-concordant analysis for logistic regression). So the likelihood rises by a
 * quarter at least of what a full Newton step promises when r <= 1, and r is at most 3 times the largest part of a
 * step: this much needs no look at the value. A factor at a distance x leaves 2 x of an error after a step. */
static const double SAFE = 0.3;

static bool is_logistic(const struct align__bt_fit *fit)
{
    return fit->tie < 0 && align__bt_is_plain(fit) && fit->ranked == NULL &&
           fit->prior.kind != ALIGN_BT_PRIOR_JEFFREYS;
}

/* Where tasks leave them for later, or where the Hessian needs them. */
static bool keeps_slopes(const struct align__bt_fit *fit, int64_t edges)
{
    return fit->reliability >= 0 || align__bt_edge_tasks(edges) > 1;
}

size_t align__bt_fit_bytes(const struct align__bt_fit *fit, int64_t edges)
{
    size_t size = (size_t)fit->size, vector = align__block(sizeof(double) * size);
    size_t matrix = fit->dense ? align__block(sizeof(double) * size * size) : 0;
    size_t by_edge = keeps_slopes(fit, edges) ? 5 : 4;
    return 11 * vector + by_edge * align__block(sizeof(double) * (size_t)edges + ALIGN__LINE) +
           align__block(sizeof *fit->partial * (size_t)align__bt_edge_tasks(edges)) +
           align__block(sizeof(double) * align__bt_share_doubles(fit)) + matrix;
}

static void take_by_edge(struct align__bt_fit *fit, struct align__arena *arena, size_t edges)
{
    bool ties = fit->tie >= 0;
    double **const place[] = {&fit->curvature[0], ties ? &fit->curvature[1] : &fit->won,
                              ties ? &fit->curvature[2] : &fit->lost,
                              keeps_slopes(fit, (int64_t)edges) ? &fit->slope : NULL};
    for (int k = 0; k < 4; k++)
        fit->curvature[k] = NULL;
    fit->won = fit->lost = fit->slope = NULL;
    for (int k = 0; k < 4; k++)
        if (place[k] != NULL)
            *place[k] = align__arena_take(arena, sizeof(double) * edges);
    fit->curvature[3] = fit->reliability < 0 ? NULL : fit->slope;
    for (int k = 0; k < 2; k++)
        fit->side[k] = ties ? NULL : align__arena_take(arena, sizeof(int32_t) * edges);
}

void align__bt_fit_take(struct align__bt_fit *fit, struct align__arena *arena, int64_t edges)
{
    size_t vector = sizeof(double) * (size_t)fit->size;
    fit->x = align__arena_take(arena, vector);
    fit->trial = align__arena_take(arena, vector);
    fit->score = align__arena_take(arena, vector);
    fit->step = align__arena_take(arena, vector);
    take_by_edge(fit, arena, (size_t)edges);
    fit->partial = align__arena_take(arena,
                                     sizeof *fit->partial * (size_t)align__bt_edge_tasks(edges));
    fit->share = align__arena_take(arena, sizeof(double) * align__bt_share_doubles(fit));
    fit->status = ALIGN_E_NONE;
    for (int k = 0; k < 3; k++)
        fit->work[k] = align__arena_take(arena, vector);
    fit->triple = align__arena_take(arena, 3 * vector);
    fit->work[3] = align__arena_take(arena, vector);
    fit->matrix = fit->dense ? align__arena_take(arena, vector * (size_t)fit->size) : NULL;
}

double align__bt_ridge(const struct align__bt_fit *fit, int64_t place)
{
    if (fit->coefs > 0 && place >= fit->coef)
        return fit->prior.coefficient;
    if (fit->reliability >= 0 && place >= fit->reliability)
        return fit->prior.reliability;
    return fit->bias >= 0 && place >= fit->bias ? fit->prior.bias : 0;
}

double align__bt_log_likelihood(const struct align__bt_fit *fit)
{
    align__bt_kernel kernel = align__bt_models[fit->ties].kernel;
    double u = fit->tie < 0 ? 0 : fit->x[fit->tie], value = 0;
    for (int64_t e = 0; e < fit->edge_count; e++) {
        struct align__bt_line line;
        align__bt_line_of_edge(fit, e, fit->x, &line);
        value -= kernel(line.d, u, fit->edges[e].sum).value;
    }
    for (int64_t r = 0; fit->ranked != NULL && r < fit->ranked->count; r++)
        value -= align__bt_rank_value(fit, r, fit->x, NULL);
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

/* ---- Newton ------------------------------------------------------------------------------- */

/* The Newton step at hand, and its decrement. */
static bool solve(struct align__bt_fit *fit)
{
    if (fit->dense) {
        bool close = fit->last_step <= STALE && fit->prior.kind != ALIGN_BT_PRIOR_JEFFREYS;
        bool worn = fit->bare && is_logistic(fit) && fit->drift <= WORN;
        bool known = fit->iterations > 0 && (close || worn);
        if (!known && !align__bt_factor(fit))
            return false;
        fit->drift = known ? fit->drift : 0;
        align__bt_solve_dense(fit);
    } else {
        /* Far from the maximum a step need not be exact: its error should fall as fast as the step. */
        double square = fit->last_step * fit->last_step;
        align__bt_solve_sparse(fit, square > 1e-2 ? 1e-2 : square < 1e-10 ? 1e-10 : square);
    }
    fit->decrement = dot(fit->score, fit->step, fit->size) / 2;
    return true;
}

/* A Newton step squares the error, and a refit stops below the root of the tolerance; after a step by a worn factor
 * what is left is in proportion to how far that has drifted, the step included. */
static bool is_small(const struct align__bt_fit *fit, double drift, double step)
{
    if (fit->bare && fit->dense && is_logistic(fit))
        return drift * step <= fit->tolerance * fit->tolerance;
    return step <= fit->tolerance;
}

/* Halves the step until the likelihood rises as it should; near the maximum, where differences of the
 * value are rounding alone, a full step is safe. Score and curvature are then those of the new point, unless
 * a refit ends there. */
static bool move(struct align__bt_fit *fit)
{
    double whole = largest(fit->step, fit->size), length = whole > FARTHEST ? FARTHEST / whole : 1;
    bool safe = whole <= SAFE && is_logistic(fit);
    if (!safe && !fit->valued)
        fit->value = align__bt_evaluate(fit, fit->x);
    if (fit->status != ALIGN_E_NONE)
        return false;
    bool valued = !safe || (!fit->bare && whole <= fit->tolerance);
    bool last = safe && fit->bare && is_small(fit, fit->drift + whole, whole);
    double noise = NOISE * fabs(fit->value), fall = 2 * fit->decrement;
    for (int k = 0; k < HALVINGS; k++, length /= 2) {
        for (int64_t i = 0; i < fit->size; i++)
            fit->trial[i] = fit->x[i] - length * fit->step[i];
        double value = last ? 0 : align__bt_differentiate(fit, fit->trial, valued);
        if (fit->status != ALIGN_E_NONE)
            return false;
        if (safe || value <= fit->value - 1e-4 * length * fall + noise) {
            double *swap = fit->x;
            fit->x = fit->trial;
            fit->trial = swap;
            fit->value = valued ? value : fit->value;
            fit->valued = valued;
            fit->last_step = length * whole;
            fit->drift += fit->last_step;
            return true;
        }
    }
    fit->value = align__bt_evaluate(fit, fit->x);
    fit->valued = true;
    return false;
}

/* Strengths by shares of points, as if all had met the same others: a step or two less than from 0. */
static void start_by_points(struct align__bt_fit *fit)
{
    double *points = fit->work[0], *games = fit->work[1];
    for (int64_t i = 0; i < fit->n; i++)
        points[i] = games[i] = 0;
    for (int64_t e = 0; e < fit->edge_count; e++) {
        const struct align__bt_edge *edge = &fit->edges[e];
        double half = edge->sum[ALIGN__BT_TIE] / 2, won = edge->sum[ALIGN__BT_WIN] + half;
        double lost = edge->sum[ALIGN__BT_LOSS] + half;
        points[edge->i] += won;
        points[edge->j] += lost;
        games[edge->i] += won + lost;
        games[edge->j] += won + lost;
    }
    for (int64_t i = 0; i < fit->n; i++)
        fit->x[i] = log((points[i] + 0.5) / (games[i] - points[i] + 0.5));
    align__bt_centre(fit, fit->x, fit->trial);
}

/* The start: strengths by points, at 0, or at the mean of their prior, and the tie parameter where ties
 * between equals are as frequent as among all games. Frozen parameters are where they are. */
void align__bt_start(struct align__bt_fit *fit)
{
    double ties = 0, all = 0;
    int32_t prior = fit->prior.kind;
    for (int64_t i = 0; i < fit->size; i++)
        if (fit->frozen == NULL || !fit->frozen[i])
            fit->x[i] = i < fit->n && prior == ALIGN_BT_PRIOR_GAUSSIAN ? fit->prior.mean : 0;
    if (fit->frozen == NULL && fit->ranked == NULL && align__bt_is_plain(fit) &&
        (prior == ALIGN_BT_PRIOR_NONE || prior == ALIGN_BT_PRIOR_EDGE))
        start_by_points(fit);
    for (int64_t e = 0; fit->tie >= 0 && e < fit->edge_count; e++) {
        const double *sum = fit->edges[e].sum;
        ties += sum[ALIGN__BT_TIE];
        all += sum[ALIGN__BT_WIN] + sum[ALIGN__BT_TIE] + sum[ALIGN__BT_LOSS];
    }
    if (fit->tie >= 0 && fit->ranked == NULL)
        fit->x[fit->tie] = align__bt_models[fit->ties].start(ties < 0.99 * all ? ties / all : 0.99);
}

align_status align__bt_poll(const align_exec *exec, int64_t iterations)
{
    if (exec->cancel == NULL || exec->cancel(exec->cancel_user) == 0)
        return ALIGN_E_NONE;
    return ALIGN__FAIL(exec, BT_CANCELLED, .owner = "align_exec", .field = "cancel",
                       .low = (double)iterations);
}

/* On the way out a Newton step turns into the direction that has no end; so may the point itself. */
static bool recedes(const struct align__bt_fit *fit)
{
    return align__bt_recedes(fit, fit->x, 1) || align__bt_recedes(fit, fit->step, -1);
}

void align__bt_certify(struct align__bt_fit *fit)
{
    fit->value = align__bt_evaluate(fit, fit->x);
    fit->score_norm = largest(fit->score, fit->size);
    fit->condition = 0;
    if (!fit->dense)
        align__bt_solve_sparse(fit, 1e-3);
    else if (align__bt_factor(fit)) {
        align__bt_solve_dense(fit);
        fit->condition = align__bt_condition(fit);
    }
    fit->decrement = dot(fit->score, fit->step, fit->size) / 2;
    align__bt_centre(fit, fit->x, fit->trial);
}

/* The certificate, from the factor at hand: that of the last step's beginning, which is as good. */
static void look_back(struct align__bt_fit *fit)
{
    fit->score_norm = largest(fit->score, fit->size);
    if (!fit->dense)
        align__bt_solve_sparse(fit, 1e-3);
    else if (fit->iterations > 0)
        align__bt_solve_dense(fit);
    if (fit->dense && fit->iterations > 0)
        fit->condition = align__bt_condition(fit);
    fit->decrement = dot(fit->score, fit->step, fit->size) / 2;
}

align_status align__bt_fit_run(const align_exec *exec, struct align__bt_fit *fit)
{
    fit->valued = !(fit->bare && is_logistic(fit));
    fit->drift = 0;
    double begun = align__bt_differentiate(fit, fit->x, fit->valued);
    fit->value = fit->valued ? begun : fit->value;
    if (fit->status != ALIGN_E_NONE)
        return fit->status;
    fit->converged = fit->receding = false;
    fit->last_step = 1;
    bool stuck = false;
    for (fit->iterations = 0; fit->iterations < fit->max_iterations && !fit->converged && !stuck;) {
        double before = fit->last_step;
        align_status status = align__bt_poll(exec, fit->iterations);
        if (status != ALIGN_E_NONE)
            return status;
        bool moved = solve(fit) && move(fit);
        if (fit->status != ALIGN_E_NONE)
            return fit->status;
        fit->iterations += moved;
        fit->converged = moved && is_small(fit, fit->drift, fit->last_step);
        fit->receding = fit->watched && !fit->converged && recedes(fit);
        if (!moved || fit->receding)
            break;
        /* Far out on the way to a distant maximum steps are near 1 and the value hardly changes: only small
         * steps that no longer shrink are rounding. */
        stuck = fit->decrement <= NOISE * fabs(fit->value) && fit->last_step < 1e-3 &&
                fit->last_step >= before / 2;
    }
    if (fit->iterations == 0)
        fit->last_step = 0;
    if (!fit->valued && !fit->bare)
        fit->value = align__bt_evaluate(fit, fit->x);
    if (fit->status != ALIGN_E_NONE)
        return fit->status;
    if (!fit->bare)
        look_back(fit);
    align__bt_centre(fit, fit->x, fit->trial);
    return ALIGN_E_NONE;
}
