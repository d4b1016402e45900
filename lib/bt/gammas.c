#include "bt.h"
#include "random.h"

/* Gamma variables of many shapes at once, so that their steps do not wait for each other. */

enum { BLOCK = ALIGN__BT_BLOCK, POINTS = BLOCK / 2 };

/* Marsaglia's polar method: points of a square until enough lie in the unit circle, then their logarithms together. */
static void fill_normals(struct align__stream *s, const struct align__f64 *f64, double out[BLOCK])
{
    double u[POINTS], v[POINTS], r[POINTS], log_r[POINTS];
    for (int k = 0; k < POINTS;) {
        u[k] = 2 * align__next_uniform(s) - 1;
        v[k] = 2 * align__next_uniform(s) - 1;
        r[k] = u[k] * u[k] + v[k] * v[k];
        k += r[k] < 1 && r[k] != 0;
    }
    f64->log(log_r, r, POINTS);
    for (int k = 0; k < POINTS; k++) {
        double factor = sqrt(-2 * log_r[k] / r[k]);
        out[2 * k] = u[k] * factor;
        out[2 * k + 1] = v[k] * factor;
    }
}

/* What the first look at a normal x and a uniform u did not settle. */
static double settle(struct align__stream *s, double shape, double x, double u)
{
    double d = shape - 1.0 / 3, v = 1 + x / sqrt(9 * d), cube = v * v * v;
    if (shape >= 1 && v > 0 && log(u) < x * x / 2 + d * (1 - cube + log(cube)))
        return d * cube;
    return align__next_gamma(s, shape);
}

/* Marsaglia and Tsang 2000, as align__next_gamma: d (1 + t)^3 with t = x / sqrt(9 d) is taken when
 *
 *     log u < x^2 / 2 + d (1 - (1 + t)^3 + 3 log(1 + t)) = -3 d (t^4 / 4 - t^5 / 5 + ...)
 *
 * whose right side is at least -d t^4 for |t| <= 1/4, and at least log(1 - 0.0331 x^4) anywhere. */
void align__bt_fill_gammas(struct align__stream *s, const struct align__f64 *f64,
                           const double *shape, double *out, int64_t n)
{
    double normal[BLOCK], u[BLOCK], room[BLOCK];
    fill_normals(s, f64, normal);
    for (int64_t k = 0; k < n; k++)
        u[k] = align__next_uniform(s);
    for (int64_t k = 0; k < n; k++) {
        double d = shape[k] - 1.0 / 3, x = normal[k], t = x / sqrt(9 * d), v = 1 + t;
        double near = d * (t * t) * (t * t), far = 0.0331 * (x * x) * (x * x);
        room[k] = 1 - (fabs(t) <= 0.25 ? near : far) - u[k];
        out[k] = d * (v * v * v);
    }
    for (int64_t k = 0; k < n; k++)
        if (!(shape[k] >= 1 && out[k] > 0 && room[k] > 0))
            out[k] = settle(s, shape[k], normal[k], u[k]);
}
