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
    const double c = power_of(params), value = align__divergence_minus(params, u, 0);
    if (params->divergence == ALIGN_DIVERGENCE_JS)
        return (struct align__phi){value, align__sigmoid(-u), -align__bell(u)};
    if (params->divergence == ALIGN_DIVERGENCE_CHI)
        return (struct align__phi){value, 1 + exp(u), exp(u)};
    const double slope = c == 0 ? 1 : exp(-c * u);
    return (struct align__phi){value, slope, align__times(-c, slope)};
}

/* log |S(u)| where S grows exponentially, and -inf where it does not. */
static double size_of(const align_loss_params *params, double u)
{
    const double c = power_of(params);
    if (params->divergence == ALIGN_DIVERGENCE_CHI)
        return u > 0 ? u : -INFINITY;
    return c * u < 0 ? -c * u - log(fabs(c)) : -INFINITY;
}

double align__divergence_apart(const align_loss_params *params, double a, double u, double b,
                               double v)
{
    if (a == b)
        return align__times(a, align__divergence_minus(params, u, v));
    const double x = align__times(a, align__divergence_minus(params, u, 0));
    const double y = align__times(b, align__divergence_minus(params, v, 0));
    if (x != y || fabs(x) <= ALIGN__ANY)
        return x - y;
    const double gap = align__minus(log(a) + size_of(params, u), log(b) + size_of(params, v));
    return gap == 0 ? 0 : copysign(INFINITY, x > 0 ? gap : -gap);
}

double align__divergence_bounded(const align_loss_params *params, double u)
{
    const double s = align__divergence_minus(params, u, 0), size = size_of(params, u);
    if (fabs(s) < ALIGN__FAR || size == -INFINITY || !(fabs(u) <= ALIGN__ANY))
        return s;
    return copysign(ALIGN__FAR * (2 - 690 / size), s);
}

void align__divergence_gaps(const align_loss_params *params, const double *u, const double *v,
                            double *gap, int n)
{
    for (int i = 0; i < n; i++)
        gap[i] = align__divergence_minus(params, u[i], v[i]);
}

void align__divergence_gaps_by(const align_loss_params *params, const double *x, const double *u,
                               const double *y, const double *v, double *gap, int n)
{
    for (int i = 0; i < n; i++)
        gap[i] = align__divergence_apart(params, x[i], u[i], y[i], v[i]);
}

void align__divergence_worths(const align_loss_params *params, const double *u, double *worth,
                              int n)
{
    for (int i = 0; i < n; i++)
        worth[i] = align__divergence(params, u[i]).value;
}
