#include "line.h"

#include <string.h>

/* Both are fixed points of pi_i = exp(theta_i), one item after another, and end where Newton steps do:
 *
 *   MM      pi_i = W_i / sum_j n_ij / (pi_i + pi_j)              Hunter 2004, eq. 30; monotone
 *   NEWMAN  pi_i = sum_j w_ij pi_j / (pi_i + pi_j) / sum_j w_ji / (pi_i + pi_j)      Newman 2023, eq. 27
 *
 * with half ties as wins. A gamma prior adds shape - 1 to the numerator of MM and its rate to the
 * denominator; games against a ghost of worth 1 are one more opponent. */

size_t align__bt_sweeps_bytes(int64_t n, int64_t edges)
{
    return align__block(sizeof(int64_t) * (size_t)(n + 1)) +
           align__block(sizeof(int64_t) * 2 * (size_t)(edges + 1));
}

struct sweeps {
    struct align__bt_fit *fit;
    int64_t *begin, *edge; /* edges of each item; the item is j of an edge e where ~e is listed */
};

static void list_edges(struct sweeps *s)
{
    const struct align__bt_fit *fit = s->fit;
    memset(s->begin, 0, sizeof *s->begin * (size_t)(fit->n + 1));
    for (int64_t e = 0; e < fit->edge_count; e++) {
        s->begin[fit->edges[e].i]++;
        s->begin[fit->edges[e].j]++;
    }
    for (int64_t i = 0; i < fit->n; i++)
        s->begin[i + 1] += s->begin[i];
    for (int64_t e = fit->edge_count; e-- > 0;) {
        s->edge[--s->begin[fit->edges[e].i]] = e;
        s->edge[--s->begin[fit->edges[e].j]] = ~e;
    }
}

struct pull {
    double won, up, down; /* points; sums of either method over opponents */
};

static void meet(struct pull *pull, double d, double won, double lost)
{
    double q = 1 / (1 + exp(d)),
           p = 1 / (1 + exp(-d)); /* d = theta of the item - that of the other */
    pull->won += won;
    pull->up += won * q;
    pull->down += lost * p;
}

/* Sums over opponents with pi_i taken out: p = pi_i / (pi_i + pi_j). */
static struct pull pull_of(const struct sweeps *s, int64_t i)
{
    const struct align__bt_fit *fit = s->fit;
    double virtual = fit->prior.kind == ALIGN_BT_PRIOR_EDGE ? fit->prior.games / 2 : 0;
    struct pull pull = {0, 0, 0};
    for (int64_t k = s->begin[i]; k < s->begin[i + 1]; k++) {
        bool turned = s->edge[k] < 0;
        const struct align__bt_edge *edge = &fit->edges[turned ? ~s->edge[k] : s->edge[k]];
        double half = edge->sum[ALIGN__BT_TIE] / 2 + virtual;
        double won = edge->sum[ALIGN__BT_WIN] + half, lost = edge->sum[ALIGN__BT_LOSS] + half;
        meet(&pull, turned ? fit->x[i] - fit->x[edge->i] : fit->x[i] - fit->x[edge->j],
             turned ? lost : won, turned ? won : lost);
    }
    if (fit->prior.kind == ALIGN_BT_PRIOR_GHOST)
        meet(&pull, fit->x[i], fit->prior.games, fit->prior.games);
    return pull;
}

/* The change of theta_i. MM: log of won / sum n p; since sum n p = won - up + down. */
static double change(const struct sweeps *s, int64_t i, int32_t solver)
{
    const struct align__bt_fit *fit = s->fit;
    struct pull pull = pull_of(s, i);
    if (solver == ALIGN_BT_SOLVER_NEWMAN)
        return pull.up > 0 && pull.down > 0 ? log(pull.up / pull.down) : 0;
    double shape = 0, rate = 0;
    if (fit->prior.kind == ALIGN_BT_PRIOR_GAMMA) {
        shape = fit->prior.shape - 1;
        rate = fit->prior.rate * exp(fit->x[i]);
    }
    double games = pull.won - pull.up + pull.down;
    return games + rate > 0 ? log((pull.won + shape) / (games + rate)) : 0;
}

align_status align__bt_sweep(const align_exec *exec, struct align__bt_fit *fit, int32_t solver,
                             struct align__arena *arena)
{
    struct sweeps s = {.fit = fit};
    s.begin = align__arena_take(arena, sizeof *s.begin * (size_t)(fit->n + 1));
    s.edge = align__arena_take(arena, sizeof *s.edge * 2 * (size_t)(fit->edge_count + 1));
    list_edges(&s);
    fit->converged = fit->receding = false;
    fit->last_step = 0;
    for (fit->iterations = 0; fit->iterations < fit->max_iterations && !fit->converged;
         fit->iterations++) {
        align_status status = align__bt_poll(exec, fit->iterations);
        if (status != ALIGN_E_NONE)
            return status;
        fit->last_step = 0;
        for (int64_t i = 0; i < fit->n; i++) {
            double step = change(&s, i, solver);
            fit->x[i] += step;
            fit->last_step = fabs(step) > fit->last_step ? fabs(step) : fit->last_step;
        }
        align__bt_centre(fit, fit->x, fit->trial);
        fit->converged = fit->last_step <= fit->tolerance;
    }
    double last = fit->last_step;
    align__bt_certify(fit);
    fit->last_step = last;
    return fit->status;
}
