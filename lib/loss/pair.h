/* What the rows over pairs share. Most are a link phi of one margin z = beta (x - y) - offset, where x and
 * y are made from the two items: their scores, log-ratios, means a token, or scores under a divergence. */
#ifndef ALIGN__LOSS_PAIR_H
#define ALIGN__LOSS_PAIR_H

#include "divergence.h"
#include "math.h"
#include "row.h"

/* Value, first and second derivative of a link. */
struct align__phi {
    double value, slope, curve;
};
typedef struct align__phi (*align__phi_fn)(double z, const align_loss_params *params);

/* Soft label of pair i: t that the first item is preferred, f that the second is; t + f = 1. */
struct align__soft {
    double t, f;
};

static inline struct align__soft align__soft(const struct align__block *b, int i)
{
    const double p = b->prob[i], eps = b->params->label_smoothing;
    return (struct align__soft){p * (1 - eps) + (1 - p) * eps, p * eps + (1 - p) * (1 - eps)};
}

/* t phi(z) + f phi(-z), for t and f of any sign. */
static inline struct align__phi align__mix(struct align__soft soft, align__phi_fn phi, double z,
                                           const align_loss_params *params)
{
    const struct align__phi right = phi(z, params);
    if (soft.f == 0)
        return right;
    const struct align__phi wrong = phi(-z, params);
    return (struct align__phi){
        align__plus(align__times(soft.t, right.value), align__times(soft.f, wrong.value)),
        align__times(soft.t, right.slope) - align__times(soft.f, wrong.slope),
        align__times(soft.t, right.curve) + align__times(soft.f, wrong.curve)};
}

/* The same for phi = softplus(-z), with one exponential. */
static inline struct align__phi align__mix_logistic(struct align__soft soft, double z)
{
    const struct align__logistic l = align__logistic(z);
    return (struct align__phi){
        align__plus(align__times(soft.t, l.minus), align__times(soft.f, l.plus)),
        soft.f * l.s - soft.t * l.c, (soft.t + soft.f) * l.s * l.c};
}

/* beta (x - y) - offset of pair i, kept as its margin. */
static inline double align__margin(struct align__block *b, int i, double beta, double x, double y)
{
    return b->margin[i] = beta * align__minus(x, y) - b->offset[i];
}

/* Writes a link of a margin whose x and y move with the scores by dx and dy. */
static inline void align__link(struct align__block *b, int i, double beta, struct align__phi phi,
                               double dx, double dy)
{
    const double slope = beta * phi.slope, curve = beta * beta * phi.curve;
    b->value[i] = phi.value;
    b->side[0].d[i] = align__times(slope, dx);
    b->side[1].d[i] = -align__times(slope, dy);
    b->side[0].h[i] = align__times(curve, dx * dx);
    b->side[1].h[i] = align__times(curve, dy * dy);
}

/* Adds to value and slopes of pair i. */
static inline void align__also(struct align__block *b, int i, double value, double da, double db)
{
    b->value[i] = align__plus(b->value[i], value);
    b->side[0].d[i] = align__plus(b->side[0].d[i], da);
    b->side[1].d[i] = align__plus(b->side[1].d[i], db);
}

/* beta (x - y) - offset of all pairs of a block. */
static inline void align__margins(struct align__block *b, double beta, const double *x,
                                  const double *y)
{
    b->f64->margin(b->margin, beta, x, y, b->offset, b->n);
}

/* align__link of align__mix_logistic of all margins, for items that move with their scores; t is `right`
 * at prob 1 and `wrong` at prob 0. */
static inline void align__mix_margins(struct align__block *b, double beta, double right,
                                      double wrong)
{
    struct align__side *x = &b->side[0], *y = &b->side[1];
    const struct align__mixture mixture = {b->margin, b->prob,  beta,         right,
                                           wrong,     b->value, {x->d, y->d}, {x->h, y->h}};
    b->f64->mixture(&mixture, b->n);
}

/* What the log-ratio of item k stands for, with its derivatives: itself, or its score under a divergence. */
static inline struct align__phi align__worth(const struct align__block *b, int k, int i)
{
    return align__divergence(b->params, b->side[k].ratio[i]);
}

/* The margin of log-ratios, of which the first counts dx times and the second dy times. */
static inline double align__ratio_apart(struct align__block *b, int i, double beta, double dx,
                                        double dy)
{
    const double u = b->side[0].ratio[i], v = b->side[1].ratio[i];
    if (b->params->divergence == ALIGN_DIVERGENCE_REVERSE_KL)
        return align__margin(b, i, beta, align__times(dx, u), align__times(dy, v));
    return b->margin[i] = beta * align__divergence_apart(b->params, dx, u, dy, v) - b->offset[i];
}

static inline double align__ratio_margin(struct align__block *b, int i, double beta)
{
    return align__ratio_apart(b, i, beta, 1, 1);
}

/* Writes a link of such a margin. */
static inline void align__ratio_links(struct align__block *b, int i, double beta,
                                      struct align__phi phi, double dx, double dy)
{
    align__link(b, i, beta, phi, dx, dy);
    if (b->params->divergence == ALIGN_DIVERGENCE_REVERSE_KL)
        return;
    for (int k = 0; k < 2; k++) {
        const double share = k == 0 ? dx : -dy, slope = beta * share * phi.slope;
        const double curve = beta * share * (beta * share) * phi.curve;
        const struct align__phi s = align__worth(b, k, i);
        b->side[k].d[i] = align__times(slope, s.slope);
        b->side[k].h[i] = align__plus(align__times(curve, s.slope * s.slope),
                                      align__times(slope, s.curve));
    }
}

static inline void align__ratio_link(struct align__block *b, int i, double beta,
                                     struct align__phi phi)
{
    align__ratio_links(b, i, beta, phi, 1, 1);
}

/* Writes item k's derivatives from those by r = beta worth. */
static inline void align__put_worth(struct align__block *b, int k, int i, struct align__phi worth,
                                    struct align__phi by)
{
    const double beta = b->params->beta, slope = beta * by.slope, curve = beta * beta * by.curve;
    b->side[k].d[i] = align__times(slope, worth.slope);
    b->side[k].h[i] = align__plus(align__times(curve, worth.slope * worth.slope),
                                  align__times(slope, worth.curve));
}

/* 1 / count, or 0 for a sequence without tokens. */
static inline double align__share(const struct align__side *side, int i)
{
    return side->count[i] > 0 ? 1 / side->count[i] : 0;
}

#define ALIGN__SMOOTH_TEXT "t = prob (1 - eps) + (1 - prob) eps"

#endif
