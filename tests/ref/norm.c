#include "norm.h"

#include <math.h>
#include <stdbool.h>

static double weight_of(const double *w, int i)
{
    return w == NULL ? 1 : w[i];
}

void ref_norm_moments(const double *x, const double *w, int n, double ddof, double *mean,
                      double *variance)
{
    long double total = 0, sum = 0, square = 0;
    for (int i = 0; i < n; i++) {
        if (weight_of(w, i) == 0 || !isfinite(x[i]))
            continue;
        total += weight_of(w, i);
        sum += (long double)weight_of(w, i) * x[i];
    }
    long double m = total > 0 ? sum / total : 0;
    for (int i = 0; i < n; i++)
        if (weight_of(w, i) != 0 && isfinite(x[i]))
            square += weight_of(w, i) * (x[i] - m) * (x[i] - m);
    *mean = (double)m;
    *variance = total > ddof ? (double)(square / (total - ddof)) : 0;
}

static long double widened(const align_norm_params *p, long double s)
{
    switch (p->eps_form) {
    case ALIGN_NORM_EPS_ADD:
        return s + p->eps;
    case ALIGN_NORM_EPS_SQRT:
        return sqrtl(s * s + p->eps);
    case ALIGN_NORM_EPS_MAX:
        return fmaxl(s, p->eps);
    default:
        return sqrtl(fmaxl(s * s, p->eps));
    }
}

static double answer(int32_t as, double x, long double center)
{
    const double table[] = {0, x, (double)(x - center), 0.5, NAN};
    return table[as];
}

void ref_norm_batch(const align_norm_params *p, const double *x, const double *w, int n, double *y)
{
    long double total = 0, sum = 0, square = 0, low = INFINITY, high = -INFINITY;
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (weight_of(w, i) == 0 || !isfinite(x[i]))
            continue;
        count++;
        total += weight_of(w, i);
        sum += (long double)weight_of(w, i) * x[i];
        low = fminl(low, x[i]);
        high = fmaxl(high, x[i]);
    }
    long double mean = count > 0 ? sum / total : 0;
    for (int i = 0; i < n; i++)
        if (weight_of(w, i) != 0 && isfinite(x[i]))
            square += weight_of(w, i) * (x[i] - mean) * (x[i] - mean);
    bool keeps = p->kind == ALIGN_NORM_RESCALE;
    bool std = p->kind == ALIGN_NORM_ZSCORE || p->kind == ALIGN_NORM_SCALE || keeps;
    bool range = p->kind == ALIGN_NORM_MINMAX;
    bool few = count == 0 || (std && (count == 1 || total <= p->ddof));
    long double s = few ? 0 : range ? high - low : sqrtl(square / (total - p->ddof));
    long double center = p->kind == ALIGN_NORM_SCALE ? 0 : range ? (count > 0 ? low : 0) : mean;
    int32_t as = few                                      ? p->few
                 : s == 0 && p->kind != ALIGN_NORM_CENTER ? p->equal
                                                          : ALIGN_NORM_AS_FORMULA;
    for (int i = 0; i < n; i++) {
        if (weight_of(w, i) == 0 || (!isfinite(x[i]) && p->nan == ALIGN_NORM_NAN_ZERO)) {
            y[i] = 0;
            continue;
        }
        if (as == ALIGN_NORM_AS_FORMULA) {
            long double d = p->kind == ALIGN_NORM_CENTER ? 1 : widened(p, s);
            y[i] = (double)(((x[i] - center) / d + (keeps ? mean : 0)) * p->gain + p->bias);
        } else {
            y[i] = answer(as, x[i], keeps ? 0 : center);
            if (as == ALIGN_NORM_AS_CENTER)
                y[i] = y[i] * p->gain + p->bias;
        }
        if (p->clip_low != 0 || p->clip_high != 0)
            y[i] = y[i] < p->clip_low ? p->clip_low : y[i] > p->clip_high ? p->clip_high : y[i];
    }
}

static long double mean_without(const double *x, int n, int left_out)
{
    long double sum = 0;
    for (int i = 0; i < n; i++)
        sum += i == left_out ? 0 : x[i];
    return sum / (left_out < 0 ? n : n - 1);
}

static long double deviation_without(const double *x, int n, int left_out, double ddof)
{
    long double mean = mean_without(x, n, left_out), sum = 0;
    for (int i = 0; i < n; i++)
        sum += i == left_out ? 0 : (x[i] - mean) * (x[i] - mean);
    return sqrtl(sum / ((left_out < 0 ? n : n - 1) - ddof));
}

static long double mean_by_length(const double *x, const double *length, int n)
{
    long double tokens = 0, sum = 0;
    for (int i = 0; i < n; i++) {
        tokens += length[i];
        sum += (long double)length[i] * x[i];
    }
    return sum / tokens;
}

/* The greatest of the others, for the greatest; else x itself, so that the difference is 0. */
static long double next_of_best(const double *x, int n, int i)
{
    double next = -INFINITY;
    for (int j = 0; j < n; j++) {
        if (j != i && (x[j] > x[i] || (x[j] == x[i] && j < i)))
            return x[i];
        next = j != i && x[j] > next ? x[j] : next;
    }
    return next;
}

static long double rank_of(const double *x, int n, int i)
{
    int below = 0, same = 0;
    for (int j = 0; j < n; j++) {
        below += x[j] < x[i];
        same += x[j] == x[i];
    }
    return below + (same + 1) / 2.0L;
}

void ref_norm_group(const align_norm_params *p, const double *x, const double *length, int n,
                    double batch, double share, double *y)
{
    long double mu = mean_without(x, n, -1), low = INFINITY, high = -INFINITY;
    for (int i = 0; i < n; i++) {
        low = fminl(low, x[i]);
        high = fmaxl(high, x[i]);
    }
    for (int i = 0; i < n; i++) {
        long double v = 0, others = mean_without(x, n, i);
        switch (p->kind) {
        case ALIGN_NORM_ZSCORE:
            v = (x[i] - mu) / widened(p, deviation_without(x, n, -1, p->ddof));
            break;
        case ALIGN_NORM_CENTER:
            v = x[i] - mu;
            break;
        case ALIGN_NORM_SCALE:
            v = x[i] / widened(p, deviation_without(x, n, -1, p->ddof));
            break;
        case ALIGN_NORM_MINMAX:
            v = (x[i] - low) / widened(p, high - low);
            break;
        case ALIGN_NORM_RANK:
            v = (rank_of(x, n, i) - 0.5L) / n;
            break;
        case ALIGN_NORM_RANK_CENTER:
            v = (rank_of(x, n, i) - 1) / (n - 1) - 0.5L;
            break;
        case ALIGN_NORM_LEAVE_OUT:
            v = x[i] - others;
            break;
        case ALIGN_NORM_LEAVE_OUT_ZSCORE:
            v = (x[i] - others) / widened(p, deviation_without(x, n, i, p->ddof));
            break;
        case ALIGN_NORM_BATCH_SCALE:
            v = (x[i] - mu) / widened(p, batch);
            break;
        case ALIGN_NORM_MEAN_RATIO:
            v = (x[i] - mu) / copysignl(widened(p, fabsl(mu)), mu);
            break;
        case ALIGN_NORM_LENGTH_CENTER:
            v = x[i] - mean_by_length(x, length, n);
            break;
        case ALIGN_NORM_NONZERO:
            v = (x[i] - mu) * share;
            break;
        default:
            v = (x[i] - next_of_best(x, n, i)) / widened(p, deviation_without(x, n, -1, p->ddof));
            break;
        }
        y[i] = (double)(v * p->gain + p->bias);
    }
}
