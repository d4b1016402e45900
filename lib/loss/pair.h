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

/* Soft label of a pair: t that the first item is preferred, f that the second is; t + f = 1. */
struct align__soft {
    double t, f;
};

static inline struct align__soft align__soft(double prob, double eps)
{
    return (struct align__soft){prob * (1 - eps) + (1 - prob) * eps,
                                prob * eps + (1 - prob) * (1 - eps)};
}

/* t phi(z) + f phi(-z), from the two. */
static inline struct align__phi align__mix(struct align__soft soft, struct align__phi right,
                                           struct align__phi wrong)
{
    return (struct align__phi){
        align__plus(align__times(soft.t, right.value), align__times(soft.f, wrong.value)),
        align__times(soft.t, right.slope) - align__times(soft.f, wrong.slope),
        align__times(soft.t, right.curve) + align__times(soft.f, wrong.curve)};
}

/* Logistics of n numbers, of which a block keeps two sets. */
static inline void align__logistics_of(struct align__block *b, int set, const double *z)
{
    double(*l)[ALIGN__BLOCK] = b->link[set];
    b->f64->logistic((struct align__logistics){l[0], l[1], l[2], l[3]}, z, b->n);
}

/* The same with s and c alone. */
static inline void align__sigmoids_of(struct align__block *b, int set, const double *z)
{
    double(*l)[ALIGN__BLOCK] = b->link[set];
    b->f64->logistic((struct align__logistics){NULL, NULL, l[2], l[3]}, z, b->n);
}

static inline struct align__logistic align__sigmoid_at(const struct align__block *b, int set, int i)
{
    return (struct align__logistic){.s = b->link[set][2][i], .c = b->link[set][3][i]};
}

static inline struct align__logistic align__logistic_at(const struct align__block *b, int set,
                                                        int i)
{
    const double(*l)[ALIGN__BLOCK] = b->link[set];
    return (struct align__logistic){l[0][i], l[1][i], l[2][i], l[3][i]};
}

/* t phi(z) + f phi(-z) of phi = softplus(-z), of which the logistics are known. */
static inline struct align__phi align__mix_of(struct align__soft soft, struct align__logistic l)
{
    return (struct align__phi){
        align__plus(align__times(soft.t, l.minus), align__times(soft.f, l.plus)),
        soft.f * l.s - soft.t * l.c, (soft.t + soft.f) * l.s * l.c};
}

/* Writes a link of a margin beta (x - y). */
static inline void align__link(struct align__block *b, int i, double beta, struct align__phi phi)
{
    const double slope = beta * phi.slope, curve = beta * beta * phi.curve;
    b->value[i] = phi.value;
    b->side[0].d[i] = slope;
    b->side[1].d[i] = -slope;
    b->side[0].h[i] = b->side[1].h[i] = curve;
}

/* The same where x and y move with the scores by dx and dy. */
static inline void align__link_by(struct align__block *b, const double *dx, const double *dy)
{
    for (int k = 0; k < 2; k++) {
        const double *by = k == 0 ? dx : dy;
        double *d = b->side[k].d, *h = b->side[k].h;
        for (int i = 0; i < b->n; i++) {
            d[i] = align__times(d[i], by[i]);
            h[i] = align__times(h[i], by[i] * by[i]);
        }
    }
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

/* align__link of align__mix_logistic of all margins, where items move them by dx and dy (NULL: 1); t is `right` at
 * prob 1 and `wrong` at prob 0. */
static inline void align__mix_margins_by(struct align__block *b, double beta, double right,
                                         double wrong, const double *dx, const double *dy)
{
    struct align__side *x = &b->side[0], *y = &b->side[1];
    const struct align__mixture mixture = {.z = b->margin,
                                           .prob = b->prob,
                                           .beta = beta,
                                           .right = right,
                                           .wrong = wrong,
                                           .by = {dx, dy},
                                           .value = b->value,
                                           .d = {x->d, y->d},
                                           .h = {x->h, y->h}};
    b->f64->mixture(&mixture, b->n);
}

static inline void align__mix_margins(struct align__block *b, double beta, double right,
                                      double wrong)
{
    align__mix_margins_by(b, beta, right, wrong, NULL, NULL);
}

/* The mixture of the row's label_smoothing. */
static inline void align__mix_smooth_by(struct align__block *b, const double *dx, const double *dy)
{
    const double eps = b->params->label_smoothing;
    align__mix_margins_by(b, b->params->beta, 1 - eps, eps, dx, dy);
}

/* Links max(0, m - z) of all margins, where items move them by dx and dy (NULL: 1). */
static inline void align__hinge_links(struct align__block *b, const double *m, const double *dx,
                                      const double *dy)
{
    double *value = b->value, *d[] = {b->side[0].d, b->side[1].d};
    for (int i = 0; i < b->n; i++) {
        const double gap = m[i] - b->margin[i], inside = b->margin[i] < m[i];
        value[i] = inside != 0 ? gap : 0;
        d[0][i] = 0 - inside;
        d[1][i] = inside;
        b->side[0].h[i] = b->side[1].h[i] = 0;
    }
    if (dx == NULL)
        return;
    b->f64->times(d[0], dx, d[0], b->n);
    b->f64->times(d[1], dy, d[1], b->n);
}

/* Links t max(0, m - z) + f max(0, m + z) of all margins z = beta (x - y). */
static inline void align__hinge_mix(struct align__block *b, double beta)
{
    const double m = b->params->margin, eps = b->params->label_smoothing;
    for (int i = 0; i < b->n; i++) {
        const double z = b->margin[i], right = z < m, wrong = -z < m;
        const struct align__soft soft = align__soft(b->prob[i], eps);
        const double t = right * soft.t, f = wrong * soft.f;
        align__link(b, i, beta,
                    (struct align__phi){align__times(t, m - z) + align__times(f, m + z), f - t, 0});
    }
}

/* Margins of x and y a token: beta (x / n_w - y / n_l) - offset. */
static inline void align__mean_margins(struct align__block *b, double beta, const double *x,
                                       const double *y)
{
    double mean[2][ALIGN__BLOCK];
    b->f64->times(mean[0], b->side[0].share, x, b->n);
    b->f64->times(mean[1], b->side[1].share, y, b->n);
    align__margins(b, beta, mean[0], mean[1]);
}

/* ---- what log-ratios are worth: themselves, or their score under a divergence ----
 *
 * Rows write derivatives by worths, in b->worth; eval.c takes them on to scores. */

static inline bool align__worths_are_ratios(const struct align__block *b)
{
    return b->params->divergence == ALIGN_DIVERGENCE_REVERSE_KL;
}

/* How far the worths of u and v are apart. */
static inline void align__worth_gaps(const struct align__block *b, const double *u, const double *v,
                                     double *gap)
{
    if (align__worths_are_ratios(b))
        b->f64->minus(gap, u, v, b->n);
    else
        align__divergence_gaps(b->params, u, v, gap, b->n);
}

/* beta x worth of the first item - beta y worth of the second - offset, for each pair's own x and y. */
static inline void align__ratio_margins_by(struct align__block *b, double beta, const double *x,
                                           const double *y)
{
    const double *u = b->side[0].ratio, *v = b->side[1].ratio;
    double gap[ALIGN__BLOCK];
    if (align__worths_are_ratios(b))
        for (int i = 0; i < b->n; i++)
            gap[i] = align__minus(align__times(x[i], u[i]), align__times(y[i], v[i]));
    else
        align__divergence_gaps_by(b->params, x, u, y, v, gap, b->n);
    for (int i = 0; i < b->n; i++)
        b->margin[i] = beta * gap[i] - b->offset[i];
}

static inline void align__ratio_margins(struct align__block *b, double beta)
{
    const double *u = b->side[0].ratio, *v = b->side[1].ratio;
    if (align__worths_are_ratios(b)) {
        align__margins(b, beta, u, v);
        return;
    }
    align__divergence_gaps(b->params, u, v, b->margin, b->n);
    for (int i = 0; i < b->n; i++)
        b->margin[i] = beta * b->margin[i] - b->offset[i];
}

/* 1 / count, or 0 for a sequence without tokens. */
static inline double align__share(const struct align__side *side, int i)
{
    return side->share[i];
}

#define ALIGN__SMOOTH_TEXT "t = prob (1 - eps) + (1 - prob) eps"

#endif
