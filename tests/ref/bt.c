#include "bt.h"

#include <math.h>
#include <stddef.h>

static long double outcome_of(const struct ref_rows *data, int64_t row)
{
    return data->outcome == NULL ? 1 : data->outcome[row];
}

static long double weight_of(const struct ref_rows *data, int64_t row)
{
    return data->weight == NULL ? 1 : data->weight[row];
}

long double ref_bt_log_likelihood(const struct ref_rows *data, const long double *strength)
{
    long double total = 0;
    for (int64_t r = 0; r < data->rows; r++) {
        long double d = strength[data->first[r]] - strength[data->second[r]];
        long double win = -log1pl(expl(-d)), loss = -log1pl(expl(d)), y = outcome_of(data, r);
        total += weight_of(data, r) * (y * win + (1 - y) * loss);
    }
    return total;
}

/* Of one item: the score, and the curvature, which is negative. */
static void derivatives(const struct ref_rows *data, const long double *strength, int64_t item,
                        long double *score, long double *curvature)
{
    *score = *curvature = 0;
    for (int64_t r = 0; r < data->rows; r++) {
        if (data->first[r] != item && data->second[r] != item)
            continue;
        long double d = strength[data->first[r]] - strength[data->second[r]];
        long double p = 1 / (1 + expl(-d)), y = outcome_of(data, r), c = weight_of(data, r);
        long double sign = data->first[r] == item ? 1 : -1;
        *score += sign * c * (y - p);
        *curvature -= c * p * (1 - p);
    }
}

void ref_bt_fit(const struct ref_rows *data, long double *strength)
{
    for (int64_t i = 0; i < data->n_items; i++)
        strength[i] = 0;
    long double moved = 1;
    for (int pass = 0; pass < 100000 && moved > 1e-17L; pass++) {
        moved = 0;
        for (int64_t i = 0; i < data->n_items; i++) {
            long double score, curvature;
            derivatives(data, strength, i, &score, &curvature);
            long double step = -score / curvature;
            step = step > 1 ? 1 : step < -1 ? -1 : step;
            strength[i] += step;
            moved = fabsl(step) > moved ? fabsl(step) : moved;
        }
    }
    long double mean = 0;
    for (int64_t i = 0; i < data->n_items; i++)
        mean += strength[i] / (long double)data->n_items;
    for (int64_t i = 0; i < data->n_items; i++)
        strength[i] -= mean;
}
