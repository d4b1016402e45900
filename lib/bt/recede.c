#include "line.h"

/* Along a direction in which the likelihood has no maximum, every factor's predictor moves the way of its
 * outcome or not at all. What counts as not at all is the part of the largest move that rounding, and the
 * steps that brought us here, leave. */
static const double STILL = 1e-7;

/* What a prior holds may not move. */
static bool is_held(const struct align__bt_fit *fit, const double *v, double most)
{
    bool items = align__bt_priors[fit->prior.kind] != NULL;
    for (int64_t k = 0; k < fit->size; k++) {
        bool held = k < fit->n ? items : align__bt_ridge(fit, k) > 0;
        bool frozen = fit->frozen != NULL && fit->frozen[k];
        if (held && !frozen && fabs(v[k]) > STILL * most)
            return true;
    }
    return false;
}

/* Least and largest gain of one comparison: a win wants f >= s, a loss f <= -s, a tie |f| <= s, where s is
 * how the tie parameter moves, in units of f. */
static void gain(const struct align__bt_fit *fit, const struct align__bt_edge *edge, double f,
                 double s, double *least, double *most)
{
    bool both = fit->prior.kind == ALIGN_BT_PRIOR_EDGE;
    const double wants[] = {f - s, s - fabs(f), -f - s};
    for (int k = 0; k < ALIGN__BT_OUTCOMES; k++) {
        bool seen = edge->sum[k] > 0 || (both && k != ALIGN__BT_TIE);
        if (!seen)
            continue;
        *least = wants[k] < *least ? wants[k] : *least;
        *most = fabs(wants[k]) > *most ? fabs(wants[k]) : *most;
    }
}

bool align__bt_recedes(const struct align__bt_fit *fit, const double *v, double sign)
{
    static const double unit[] = {
        [ALIGN_BT_TIES_HALF] = 0, [ALIGN_BT_TIES_DAVIDSON] = 2, [ALIGN_BT_TIES_RAO_KUPPER] = 1};
    double s = fit->tie < 0 ? 0 : unit[fit->ties] * sign * v[fit->tie], least = 0, most = 0;
    for (int64_t e = 0; e < fit->edge_count; e++) {
        struct align__bt_line line;
        align__bt_line_of_edge(fit, e, fit->x, &line);
        gain(fit, &fit->edges[e], sign * align__bt_along(fit, &line, v), s, &least, &most);
    }
    if (fit->ranked != NULL)
        align__bt_rank_leads(fit, v, sign, &least, &most);
    return most > 0 && least >= -STILL * most && !is_held(fit, v, most);
}
