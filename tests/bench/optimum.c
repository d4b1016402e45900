/* How far answers are from the optimum, by a computation of its own. */
#include "bench.h"

#include <cblas.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The lower triangle of a positive definite matrix becomes its Cholesky factor. */
static void factor(long double *a, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            long double sum = a[i * n + j];
            for (int64_t k = 0; k < j; k++)
                sum -= a[i * n + k] * a[j * n + k];
            a[i * n + j] = i == j ? sqrtl(sum) : sum / a[j * n + j];
        }
}

/* The largest part of the Newton step: near the optimum its distance, but for the square of it. */
static double step_size(long double *hessian, long double *gradient, int64_t n)
{
    long double most = 0;
    factor(hessian, n);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < i; k++)
            gradient[i] -= hessian[i * n + k] * gradient[k];
        gradient[i] /= hessian[i * n + i];
    }
    for (int64_t i = n; i-- > 0;) {
        for (int64_t k = i + 1; k < n; k++)
            gradient[i] -= hessian[k * n + i] * gradient[k];
        gradient[i] /= hessian[i * n + i];
        most = fabsl(gradient[i]) > most ? fabsl(gradient[i]) : most;
    }
    return (double)most;
}

double bench_strength_error(const align_bt_rows *rows, const double *strength, int64_t n)
{
    size_t cells = (size_t)(n * n);
    double *wins = bench_alloc(cells, sizeof *wins);
    long double *hessian = bench_alloc(cells, sizeof *hessian);
    long double *gradient = bench_alloc((size_t)n, sizeof *gradient);
    const int32_t *first = rows->first.data, *second = rows->second.data;
    for (int64_t r = 0; r < rows->first.shape[0]; r++)
        wins[first[r] * n + second[r]]++;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            long double d = (long double)strength[i] - strength[j], met = 0, p = 0;
            if (i != j) {
                met = (long double)wins[i * n + j] + wins[j * n + i];
                p = 1 / (1 + expl(-d));
            }
            gradient[i] += met * p - wins[i * n + j];
            hessian[i * n + i] += met * p * (1 - p);
            hessian[i * n + j] += 1 - met * p * (1 - p); /* 1 everywhere: their level is free */
        }
    double error = step_size(hessian, gradient, n);
    free(wins);
    free(hessian);
    free(gradient);
    return error;
}

double bench_reward_error(const align_reward_args *args)
{
    enum { ROWS = 1024 };
    int64_t pairs = args->first.shape[0], n = args->first.shape[1];
    size_t cells = (size_t)(n * n);
    const float *x = args->first.data, *prob = args->prob.data;
    const double *coef = args->coef.data;
    float *scaled = bench_alloc((size_t)(ROWS * n), sizeof *scaled);
    float *products = bench_alloc(cells, sizeof *products);
    long double *hessian = bench_alloc(cells, sizeof *hessian);
    long double *gradient = bench_alloc((size_t)n, sizeof *gradient);
    for (int64_t begin = 0; begin < pairs; begin += ROWS) {
        int64_t count = pairs - begin < ROWS ? pairs - begin : ROWS;
        for (int64_t r = 0; r < count; r++) {
            const float *row = x + (begin + r) * n;
            long double z = 0;
            for (int64_t k = 0; k < n; k++)
                z += (long double)row[k] * coef[k];
            long double p = 1 / (1 + expl(-z)), slope = p - prob[begin + r];
            float root = (float)sqrtl(p * (1 - p));
            for (int64_t k = 0; k < n; k++) {
                gradient[k] += slope * row[k];
                scaled[r * n + k] = root * row[k];
            }
        }
        cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, (int)n, (int)count, 1, scaled, (int)n, 0,
                    products, (int)n);
        for (size_t k = 0; k < cells; k++)
            hessian[k] += products[k];
    }
    for (int64_t k = 0; k < n; k++) {
        gradient[k] += (long double)args->l2 * coef[k];
        hessian[k * n + k] += args->l2;
    }
    double error = step_size(hessian, gradient, n);
    free(scaled);
    free(products);
    free(hessian);
    free(gradient);
    return error;
}
