#include "line.h"

#include <string.h>

static double logistic(double d)
{
    return d < 0 ? exp(d) / (1 + exp(d)) : 1 / (1 + exp(-d));
}

/* slope' V slope, V whole. */
static double quadratic(const struct align__bt_fit *fit, const struct align__bt_line *line,
                        const double *v, double *column)
{
    int64_t size = fit->size;
    for (int64_t p = 0; p < fit->coefs; p++) {
        const double *row = v + (fit->coef + p) * size;
        column[fit->coef + p] = align__bt_along(fit, line, row);
    }
    for (int k = 0; k < line->count; k++)
        column[line->at[k]] = align__bt_along(fit, line, v + line->at[k] * size);
    return align__bt_along(fit, line, column);
}

/* Jeffreys' prior, |I|^(1/2) (Firth 1993): value -log |I| / 2. For logistic rows its slope is that of h / 2
 * virtual wins each way, h = n p q slope' I^-1 slope. The determinant of the filled information is that of
 * what it is without its empty directions times gauge for each of them. */
double align__bt_firth(struct align__bt_fit *fit, const double *x)
{
    int64_t size = fit->size;
    double value = 0, *swap = fit->x;
    fit->x = (double *)(uintptr_t)x;
    bool done = align__bt_factor(fit);
    for (int64_t i = 0; done && i < size; i++)
        value -= log(fit->matrix[i * size + i]);
    for (int64_t part = 0; done && part < fit->graph->parts; part++)
        value += fit->graph->loose[part] != 0 ? log(fit->gauge) / 2 : 0;
    for (int64_t i = 0; fit->frozen != NULL && i < size; i++)
        value += fit->frozen[i] ? log(fit->gauge) / 2 : 0;
    done = done && align__bt_invert(fit);
    for (int64_t e = 0; done && e < fit->edge_count; e++) {
        struct align__bt_line line;
        align__bt_line_of_edge(fit, e, x, &line);
        double h = fit->curvature[0][e] * quadratic(fit, &line, fit->matrix, fit->work[1]);
        align__bt_spread(fit, &line, h * (logistic(line.d) - 0.5), fit->score);
    }
    fit->x = swap;
    return done ? value : INFINITY;
}
