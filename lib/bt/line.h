/* The linear predictor of one comparison: its value, and its slope by every parameter. */
#ifndef ALIGN__BT_LINE_H
#define ALIGN__BT_LINE_H

#include "bt.h"

#include <math.h>

enum { ALIGN__BT_PLACES = 5 };

/* d = factor * (x_i - x_j + home + bias_judge + z . coefficients), factor = exp(log reliability) or 1.
 * The slope of d is by[k] at parameter at[k], and factor * z at the coefficients; the slope by the log
 * reliability, which is d itself, comes last. */
struct align__bt_line {
    int64_t at[ALIGN__BT_PLACES];
    double by[ALIGN__BT_PLACES];
    int count;
    double d, factor;
    const double *z;
};

/* Strengths and home alone. */
static inline bool align__bt_is_plain(const struct align__bt_fit *fit)
{
    return fit->bias < 0 && fit->reliability < 0 && fit->coefs == 0;
}

static inline void align__bt_line_of(const struct align__bt_fit *fit, int32_t i, int32_t j,
                                     int32_t judge, const double *z, const double *x,
                                     struct align__bt_line *line)
{
    double d = x[i] - x[j], factor = 1;
    int count = 2;
    line->at[0] = i;
    line->at[1] = j;
    if (fit->home >= 0) {
        line->at[count++] = fit->home;
        d += x[fit->home];
    }
    if (fit->bias >= 0) {
        line->at[count++] = fit->bias + judge;
        d += x[fit->bias + judge];
    }
    for (int64_t p = 0; p < fit->coefs; p++)
        d += z[p] * x[fit->coef + p];
    if (fit->reliability >= 0) {
        factor = exp(x[fit->reliability + judge]);
        d *= factor;
        line->at[count] = fit->reliability + judge;
        line->by[count] = d;
    }
    for (int k = 0; k < count; k++)
        line->by[k] = factor;
    line->by[1] = -factor;
    line->count = count + (fit->reliability >= 0);
    line->d = d;
    line->factor = factor;
    line->z = z;
}

static inline void align__bt_line_of_edge(const struct align__bt_fit *fit, int64_t e,
                                          const double *x, struct align__bt_line *line)
{
    const struct align__bt_edge *edge = &fit->edges[e];
    align__bt_line_of(fit, edge->i, edge->j, fit->judge == NULL ? 0 : fit->judge[e],
                      fit->coefs == 0 ? NULL : fit->z + e * fit->coefs, x, line);
}

/* Adds amount * slope to a vector of parameters. */
static inline void align__bt_spread(const struct align__bt_fit *fit,
                                    const struct align__bt_line *line, double amount, double *to)
{
    for (int k = 0; k < line->count; k++)
        to[line->at[k]] += amount * line->by[k];
    for (int64_t p = 0; p < fit->coefs; p++)
        to[fit->coef + p] += amount * line->factor * line->z[p];
}

/* slope . v */
static inline double align__bt_along(const struct align__bt_fit *fit,
                                     const struct align__bt_line *line, const double *v)
{
    double sum = 0;
    for (int k = 0; k < line->count; k++)
        sum += line->by[k] * v[line->at[k]];
    for (int64_t p = 0; p < fit->coefs; p++)
        sum += line->factor * line->z[p] * v[fit->coef + p];
    return sum;
}

#endif
