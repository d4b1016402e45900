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

int64_t ref_bt_size(const struct ref_rows *data, const struct ref_model *model)
{
    return data->n_items + (model->ties != 0) + (model->home != 0);
}

long double ref_bt_row(const struct ref_rows *data, const struct ref_model *model, int64_t row,
                       const long double *x)
{
    int64_t n = data->n_items;
    long double home = model->home ? x[n + (model->ties != 0)] : 0;
    long double d = x[data->first[row]] - x[data->second[row]] + home;
    long double y = outcome_of(data, row), win, loss, tie;
    if (model->ties == 1) {
        long double nu = expl(x[n]), total = expl(d / 2) + expl(-d / 2) + nu;
        win = expl(d / 2) / total;
        loss = expl(-d / 2) / total;
        tie = nu / total;
    } else if (model->ties == 2) {
        win = 1 / (1 + expl(x[n] - d));
        loss = 1 / (1 + expl(x[n] + d));
        tie = 1 - win - loss;
    } else {
        win = 1 / (1 + expl(-d));
        loss = 1 / (1 + expl(d));
        tie = sqrtl(win * loss);
    }
    long double log_p = y == 0.5L ? logl(tie) : y * logl(win) + (1 - y) * logl(loss);
    return weight_of(data, row) * log_p;
}

static long double total_of(const struct ref_rows *data, const struct ref_model *model, int64_t row,
                            const long double *x)
{
    if (row >= 0)
        return ref_bt_row(data, model, row, x);
    long double total = 0;
    for (int64_t r = 0; r < data->rows; r++)
        total += ref_bt_row(data, model, r, x);
    return total;
}

void ref_bt_slopes(const struct ref_rows *data, const struct ref_model *model, int64_t row,
                   const long double *x, long double *slope, long double *second)
{
    enum { MOST = 64 };
    const long double h = 1e-4L;
    long double at[MOST];
    int64_t size = ref_bt_size(data, model);
    for (int64_t i = 0; i < size; i++)
        at[i] = x[i];
    for (int64_t i = 0; i < size; i++) {
        long double f[4];
        const long double steps[4] = {-2 * h, -h, h, 2 * h};
        for (int k = 0; k < 4; k++) {
            at[i] = x[i] + steps[k];
            f[k] = total_of(data, model, row, at);
        }
        at[i] = x[i];
        slope[i] = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h);
        for (int64_t j = 0; second != NULL && j < size; j++) {
            long double sum = 0;
            for (int k = 0; k < 4; k++) {
                at[i] += k / 2 == 0 ? h : -h;
                at[j] += k % 2 == 0 ? h : -h;
                sum += (k == 1 || k == 2 ? -1 : 1) * total_of(data, model, row, at);
                at[i] = x[i];
                at[j] = x[j];
            }
            second[i * size + j] = sum / (4 * h * h);
        }
    }
}

static long double worth_of_set(const int *item, uint32_t set, uint32_t orders,
                                const long double *strength, const long double *tie)
{
    long double sum = 0;
    int size = 0;
    for (int k = 0; k < 16; k++)
        if ((set >> k & 1) != 0) {
            sum += strength[item[k]];
            size++;
        }
    return (orders >> size & 1) == 0 ? 0 : expl(tie[size] + sum / size);
}

long double ref_bt_ranking(const struct ref_ranking *ranking, uint32_t orders,
                           const long double *strength, const long double *tie)
{
    long double value = 0;
    int total = ranking->n_behind, at = 0;
    for (int g = 0; g < ranking->n_groups; g++)
        total += ranking->size[g];
    for (int g = 0; g < ranking->n_groups; at += ranking->size[g++]) {
        long double sum = 0;
        uint32_t chosen = (1u << ranking->size[g]) - 1;
        for (uint32_t set = 1; set < 1u << (total - at); set++)
            sum += worth_of_set(ranking->item + at, set, orders, strength, tie);
        value += logl(worth_of_set(ranking->item + at, chosen, orders, strength, tie) / sum);
    }
    return value;
}
