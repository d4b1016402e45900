#include "pair.h"

static double power_of(const align_loss_params *p)
{
    switch (p->divergence) {
    case ALIGN_DIVERGENCE_FORWARD_KL:
        return 1;
    case ALIGN_DIVERGENCE_ALPHA:
        return 1 - p->order;
    case ALIGN_DIVERGENCE_ALPHA_PAPER:
        return p->order;
    default:
        return 0;
    }
}

/* (e^(-c low) - e^(-c high)) / c for c (high - low) >= 0: both factors are exact in their tails. */
static double power_gap(double c, double low, double gap)
{
    return align__times(-expm1(-c * gap) / c, exp(-c * low));
}

double align__divergence_minus(const align_loss_params *params, double u, double v)
{
    const double gap = align__minus(u, v), c = power_of(params);
    if (params->divergence == ALIGN_DIVERGENCE_JS)
        return align__minus(align__softplus(-v), align__softplus(-u));
    if (params->divergence == ALIGN_DIVERGENCE_CHI)
        return align__plus(gap, gap > 0 ? align__times(-expm1(-gap), exp(u))
                                        : -align__times(-expm1(gap), exp(v)));
    if (c == 0)
        return gap;
    return c * gap >= 0 ? power_gap(c, v, gap) : -power_gap(c, u, -gap);
}

struct align__phi align__divergence(const align_loss_params *params, double u)
{
    const double c = power_of(params);
    if (params->divergence == ALIGN_DIVERGENCE_JS)
        return (struct align__phi){.slope = align__sigmoid(-u), .curve = -align__bell(u)};
    if (params->divergence == ALIGN_DIVERGENCE_CHI)
        return (struct align__phi){.slope = 1 + exp(u), .curve = exp(u)};
    const double slope = c == 0 ? 1 : exp(-c * u);
    return (struct align__phi){.slope = slope, .curve = align__times(-c, slope)};
}
