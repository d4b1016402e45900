/* What the rows over pairs share. Most are links of one margin, z = beta (u - v) - offset. */
#ifndef ALIGN__LOSS_PAIR_H
#define ALIGN__LOSS_PAIR_H

#include "math.h"
#include "row.h"

enum { ALIGN__CHOSEN = 0, ALIGN__REJECTED = 1 };

/* beta (u - v) - offset of pair i, kept as its margin. */
static inline double align__margin(struct align__block *b, int i, double beta)
{
    double z = beta * align__minus(b->side[0].ratio[i], b->side[1].ratio[i]) - b->offset[i];
    b->margin[i] = z;
    return z;
}

/* Value, first and second derivative by z of a link, to value, d and h. */
static inline void align__link(struct align__block *b, int i, double beta, double value, double dz,
                               double hz)
{
    b->value[i] = value;
    b->side[0].d[i] = beta * dz;
    b->side[1].d[i] = -beta * dz;
    b->side[0].h[i] = b->side[1].h[i] = beta * beta * hz;
}

/* Soft label of pair i: t that the first item is preferred, f that the second is; t + f = 1. */
struct align__soft {
    double t, f;
};

static inline struct align__soft align__soft(const struct align__block *b, int i)
{
    const double p = b->prob[i], eps = b->params->label_smoothing;
    return (struct align__soft){p * (1 - eps) + (1 - p) * eps, p * eps + (1 - p) * (1 - eps)};
}

/* t softplus(-z) + f softplus(z), for t and f of any sign. */
static inline void align__logistic_link(struct align__block *b, int i, double beta, double z,
                                        struct align__soft soft)
{
    const struct align__logistic l = align__logistic(z);
    align__link(b, i, beta,
                align__plus(align__times(soft.t, l.minus), align__times(soft.f, l.plus)),
                soft.f * l.s - soft.t * l.c, (soft.t + soft.f) * l.s * l.c);
}

#endif
