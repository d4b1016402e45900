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

/* Marsaglia and Tsang 2000, as align__next_gamma. */
void align__bt_fill_gammas(struct align__stream *s, const struct align__f64 *f64,
                           const double *shape, double *out, int64_t n)
{
    double normal[BLOCK];
    fill_normals(s, f64, normal);
    for (int64_t k = 0; k < n; k++) {
        double d = shape[k] - 1.0 / 3, x = normal[k], square = x * x;
        double v = 1 + x / sqrt(9 * d), u = align__next_uniform(s);
        bool sure = shape[k] >= 1 && v > 0 && u < 1 - 0.0331 * square * square;
        out[k] = sure ? d * (v * v * v) : settle(s, shape[k], x, u);
    }
}
