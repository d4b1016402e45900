#include "compare.h"

#include <math.h>
#include <stdlib.h>

enum { DRAWS = 10000 };

bool tally_make(struct tally *t, int64_t lists, int64_t seeds)
{
    *t = (struct tally){lists, seeds, calloc((size_t)lists, sizeof(double)),
                        calloc((size_t)seeds, sizeof(double))};
    return t->list != NULL && t->seed != NULL;
}

void tally_free(struct tally *t)
{
    free(t->list);
    free(t->seed);
}

void tally_add(struct tally *t, int64_t seed, int64_t first, int64_t n, const double *ndcg)
{
    for (int64_t g = 0; g < n; g++) {
        t->list[first + g] += ndcg[g];
        t->seed[seed] += ndcg[g];
    }
}

struct spread tally_spread(const struct tally *t)
{
    struct spread s = {0, INFINITY, -INFINITY};
    for (int64_t i = 0; i < t->seeds; i++) {
        double mean = t->seed[i] / (double)t->lists;
        s.mean += mean / (double)t->seeds;
        s.least = fmin(s.least, mean);
        s.most = fmax(s.most, mean);
    }
    return s;
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

bool tally_interval(const struct tally *a, const struct tally *b, double interval[2])
{
    uint64_t state = 1;
    double *drawn = calloc(DRAWS, sizeof *drawn);
    if (drawn == NULL)
        return false;
    for (int i = 0; i < DRAWS; i++) {
        for (int64_t g = 0; g < a->lists; g++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            int64_t pick = (int64_t)((state >> 33) % (uint64_t)a->lists);
            drawn[i] += a->list[pick] - b->list[pick];
        }
        drawn[i] /= (double)(a->lists * a->seeds);
    }
    qsort(drawn, DRAWS, sizeof *drawn, rising);
    interval[0] = drawn[DRAWS / 40];
    interval[1] = drawn[DRAWS - 1 - DRAWS / 40];
    free(drawn);
    return true;
}
