#include "loss.h"

#include <string.h>

ref_loss_fn ref_loss_find(const char *name)
{
    const struct ref_row *const tables[] = {ref_pairs, ref_singles, ref_lists};
    for (int t = 0; t < 3; t++)
        for (const struct ref_row *row = tables[t]; row->name != NULL; row++)
            if (strcmp(row->name, name) == 0)
                return row->fn;
    return NULL;
}

/* f'(e^u), up to a constant. */
static real slope_of(const struct ref_group *g, real u)
{
    real c = g->p->order;
    switch (g->p->divergence) {
    case ALIGN_DIVERGENCE_FORWARD_KL:
        return -r_exp(-u);
    case ALIGN_DIVERGENCE_JS:
        return -ref_nls(u);
    case ALIGN_DIVERGENCE_ALPHA:
        return c == 1 ? u : r_exp((c - 1) * u) / (c - 1);
    case ALIGN_DIVERGENCE_ALPHA_PAPER:
        return c == 0 ? u : (1 - r_exp(-c * u)) / c;
    case ALIGN_DIVERGENCE_CHI:
        return u + r_exp(u);
    default:
        return u;
    }
}

real ref_value(ref_loss_fn fn, struct ref_group *g)
{
    const real zero = slope_of(g, 0);
    for (int i = 0; i < g->n; i++)
        g->worth[i] = slope_of(g, ref_ratio(g, i)) - zero;
    return fn(g);
}

real ref_worth_slope(const struct ref_group *g, int i)
{
    const real u = ref_ratio(g, i), h = (real)1e-12 * (1 + r_abs(u));
    return (slope_of(g, u + h) - slope_of(g, u - h)) / (2 * h);
}
