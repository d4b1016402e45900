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

/* t phi(z) + f phi(-z), for t and f of any sign, from the two. */
static inline struct align__phi align__mix_two(struct align__soft soft, struct align__phi right,
                                               struct align__phi wrong)
{
    return (struct align__phi){
        align__plus(align__times(soft.t, right.value), align__times(soft.f, wrong.value)),
        align__times(soft.t, right.slope) - align__times(soft.f, wrong.slope),
        align__times(soft.t, right.curve) + align__times(soft.f, wrong.curve)};
}

static inline struct align__phi align__mix(struct align__soft soft, align__phi_fn phi, double z,
                                           const align_loss_params *params)
{
    const struct align__phi right = phi(z, params);
    if (soft.f == 0)
        return right;
    return align__mix_two(soft, right, phi(-z, params));
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

/* The same for phi = softplus(-z), of which the logistics are known. */
static inline struct align__phi align__mix_of(struct align__soft soft, struct align__logistic l)
{
    return (struct align__phi){
        align__plus(align__times(soft.t, l.minus), align__times(soft.f, l.plus)),
        soft.f * l.s - soft.t * l.c, (soft.t + soft.f) * l.s * l.c};
}

/* The same of the block's first set, for its soft label. */
static inline struct align__phi align__mix_at(const struct align__block *b, int i)
{
    return align__mix_of(align__soft(b, i), align__logistic_at(b, 0, i));
}

static inline struct align__phi align__mix_logistic(struct align__soft soft, double z)
{
    return align__mix_of(soft, align__logistic(z));
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
    for (int i = 0; i < b->n; i++) {
        const double z = b->margin[i];
        const bool inside = z < m[i];
        b->value[i] = inside ? m[i] - z : 0;
        b->side[0].d[i] = inside ? (dx != NULL ? -dx[i] : -1) : 0;
        b->side[1].d[i] = inside ? (dy != NULL ? dy[i] : 1) : 0;
        b->side[0].h[i] = b->side[1].h[i] = 0;
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

/* What the log-ratio of item k stands for, with its derivatives: itself, or its score under a divergence. */
static inline struct align__phi align__worth(const struct align__block *b, int k, int i)
{
    const double u = b->side[k].ratio[i];
    if (b->params->divergence == ALIGN_DIVERGENCE_REVERSE_KL)
        return (struct align__phi){u, 1, 0};
    return align__divergence(b->params, u);
}

static inline double align__worth_minus(const struct align__block *b, int i)
{
    const double u = b->side[0].ratio[i], v = b->side[1].ratio[i];
    return b->params->divergence == ALIGN_DIVERGENCE_REVERSE_KL
               ? align__minus(u, v)
               : align__divergence_minus(b->params, u, v);
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

static inline void align__ratio_margins(struct align__block *b, double beta)
{
    if (b->params->divergence == ALIGN_DIVERGENCE_REVERSE_KL)
        align__margins(b, beta, b->side[0].ratio, b->side[1].ratio);
    for (int i = 0; i < b->n && b->params->divergence != ALIGN_DIVERGENCE_REVERSE_KL; i++)
        align__ratio_margin(b, i, beta);
}

/* Links of all such margins, which are known: t softplus(-z) + f softplus(z), t being `right` at prob 1 and `wrong`
 * at 0. */
static inline void align__ratio_mix(struct align__block *b, double right, double wrong,
                                    const double *dx, const double *dy)
{
    const double beta = b->params->beta;
    if (b->params->divergence == ALIGN_DIVERGENCE_REVERSE_KL) {
        align__mix_margins_by(b, beta, right, wrong, dx, dy);
        return;
    }
    align__logistics_of(b, 0, b->margin);
    for (int i = 0; i < b->n; i++) {
        const double p = b->prob[i];
        const struct align__soft soft = {p * right + (1 - p) * wrong, p * wrong + (1 - p) * right};
        align__ratio_links(b, i, beta, align__mix_of(soft, align__logistic_at(b, 0, i)),
                           dx != NULL ? dx[i] : 1, dy != NULL ? dy[i] : 1);
    }
}

/* Writes item k's derivatives from those by r = beta worth. */
static inline void align__put_worth(struct align__block *b, int k, int i, struct align__phi worth,
                                    struct align__phi by)
{
    const double beta = b->params->beta, slope = beta * by.slope, curve = beta * beta * by.curve;
    if (b->params->divergence == ALIGN_DIVERGENCE_REVERSE_KL) {
        b->side[k].d[i] = slope;
        b->side[k].h[i] = curve;
        return;
    }
    b->side[k].d[i] = align__times(slope, worth.slope);
    b->side[k].h[i] = align__plus(align__times(curve, worth.slope * worth.slope),
                                  align__times(slope, worth.curve));
}

/* 1 / count, or 0 for a sequence without tokens. */
static inline double align__share(const struct align__side *side, int i)
{
    return side->share[i];
}

#define ALIGN__SMOOTH_TEXT "t = prob (1 - eps) + (1 - prob) eps"

#endif
