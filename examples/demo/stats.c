#include "stats.h"

#include <math.h>

win_rate compare(const double *ours, const double *theirs, int64_t count)
{
    const double z = 1.959963984540054, n = (double)count;
    win_rate w = {0};
    double middle, half;

    for (int64_t i = 0; i < count; i++) {
        w.wins += ours[i] > theirs[i];
        w.ties += ours[i] == theirs[i];
        w.losses += ours[i] < theirs[i];
    }
    w.rate = ((double)w.wins + 0.5 * (double)w.ties) / n;
    middle = (w.rate + z * z / (2 * n)) / (1 + z * z / n);
    half = z / (1 + z * z / n) * sqrt(w.rate * (1 - w.rate) / n + z * z / (4 * n * n));
    w.low = middle - half;
    w.high = middle + half;
    return w;
}

double mean(const double *values, int64_t count)
{
    double sum = 0;

    for (int64_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}
