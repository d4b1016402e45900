/* How often the tuned model wins, and how sure that is. */
#ifndef DEMO_STATS_H
#define DEMO_STATS_H

#include <stdint.h>

typedef struct win_rate {
    int64_t wins, ties, losses;
    double rate, low, high; /* wins and half the ties; its 95 % interval */
} win_rate;

/* Compares ours[i] with theirs[i]. The interval is Wilson's (1927) for `count` independent prompts. It
 * takes the variance of an outcome in {0, 1/2, 1} to be rate (1 - rate), which is what it is without ties
 * and more than it is with them: ties can make the interval only too wide, never too narrow. */
win_rate compare(const double *ours, const double *theirs, int64_t count);

double mean(const double *values, int64_t count);

#endif
