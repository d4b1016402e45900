#include "reward.h"

#include <math.h>
#include <string.h>

/* Lists by Plackett and Luce: at place j the best of those from j on is chosen with probability
 * p_i = exp(s_i) / sum over l >= j of exp(s_l) (Plackett 1975). With the first `stages` places counted,
 *     -log P        sum over j of log sum over l >= j of exp(s_l - s_j)
 *     d / ds_i      sum over j <= i of p_i - [i is a counted place]
 *     d2            sum over j of diag(p) - p p' */

int64_t align__reward_stages(const struct align__reward_data *data, int64_t n)
{
    int64_t stages = data->args->stages;
    return stages == 0 || stages > n - 1 ? n - 1 : stages;
}

/* The sum of exp(s_l - s_most) over l >= j, and what to measure from. */
static double stage(const double *scores, int64_t n, int64_t j, double *from)
{
    double most = scores[j], sum = 0;
    for (int64_t l = j + 1; l < n; l++)
        most = scores[l] > most ? scores[l] : most;
    for (int64_t l = j; l < n; l++)
        sum += exp(scores[l] - most);
    *from = most;
    return sum;
}

/* The chosen one's own term is kept out of the sum, so that a sure choice keeps its small loss and slope. */
double align__reward_list_value(const double *scores, int64_t n, int64_t stages, double *slope)
{
    double value = 0, from;
    memset(slope, 0, sizeof *slope * (size_t)n);
    for (int64_t j = 0; j < stages; j++) {
        double sum = stage(scores, n, j, &from), rest = 0, own = exp(scores[j] - from);
        for (int64_t l = j + 1; l < n; l++) {
            double term = exp(scores[l] - from);
            rest += term;
            slope[l] += term / sum;
        }
        slope[j] -= rest / sum;
        value += own == 1 ? log1p(rest) : log(own + rest) + (from - scores[j]);
    }
    return value;
}

void align__reward_list_multiply(const double *scores, int64_t n, int64_t stages, const double *u,
                                 double *out)
{
    double from;
    memset(out, 0, sizeof *out * (size_t)n);
    for (int64_t j = 0; j < stages; j++) {
        double sum = stage(scores, n, j, &from), mean = 0;
        for (int64_t l = j; l < n; l++)
            mean += exp(scores[l] - from) / sum * u[l];
        for (int64_t l = j; l < n; l++)
            out[l] += exp(scores[l] - from) / sum * (u[l] - mean);
    }
}

/* Cholesky of a matrix that has at least one empty direction, shifts of all scores: a pivot within rounding of
 * 0 is one. */
static void factor(double *matrix, int64_t n)
{
    for (int64_t j = 0; j < n; j++) {
        double full = matrix[j * n + j];
        for (int64_t k = 0; k < j; k++)
            matrix[j * n + j] -= matrix[j * n + k] * matrix[j * n + k];
        double pivot = matrix[j * n + j] > 1e-14 * full ? sqrt(matrix[j * n + j]) : 0;
        matrix[j * n + j] = pivot;
        for (int64_t i = j + 1; i < n; i++) {
            for (int64_t k = 0; k < j; k++)
                matrix[i * n + j] -= matrix[i * n + k] * matrix[j * n + k];
            matrix[i * n + j] = pivot > 0 ? matrix[i * n + j] / pivot : 0;
        }
    }
}

void align__reward_list_factor(const double *scores, int64_t n, int64_t stages, double *matrix)
{
    double from;
    memset(matrix, 0, sizeof *matrix * (size_t)(n * n));
    for (int64_t j = 0; j < stages; j++) {
        double sum = stage(scores, n, j, &from);
        for (int64_t a = j; a < n; a++) {
            double p = exp(scores[a] - from) / sum, others = 0;
            for (int64_t b = j; b < n; b++) {
                double q = exp(scores[b] - from) / sum;
                if (b < a)
                    matrix[a * n + b] -= p * q;
                others += b != a ? q : 0;
            }
            matrix[a * n + a] += p * others;
        }
    }
    factor(matrix, n);
}

void align__reward_list_grow(const double *rates, int64_t n, int64_t stages,
                             struct align__reward_growth *growth)
{
    for (int64_t j = 0; j < stages; j++)
        for (int64_t l = j + 1; l < n; l++) {
            double rate = rates[j] - rates[l];
            growth->worst = rate < growth->worst ? rate : growth->worst;
            growth->best = rate > growth->best ? rate : growth->best;
        }
}
