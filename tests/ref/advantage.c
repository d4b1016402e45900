#include "advantage.h"

#include <math.h>
#include <stddef.h>

struct episode {
    int n;
    double reward[REF_MOST_TOKENS], value[REF_MOST_TOKENS + 1];
};

static long double discounted(const struct episode *e, int from, int steps, double gamma)
{
    long double sum = 0;
    int to = steps < e->n - from ? from + steps : e->n;
    for (int k = from; k < to; k++)
        sum += powl(gamma, k - from) * e->reward[k];
    return sum + powl(gamma, to - from) * e->value[to];
}

static long double gae(const struct episode *e, int from, double gamma, double lambda)
{
    long double sum = 0;
    for (int k = from; k < e->n; k++) {
        long double delta = e->reward[k] + (long double)gamma * e->value[k + 1] - e->value[k];
        sum += powl((long double)gamma * lambda, k - from) * delta;
    }
    return sum;
}

void ref_advantage(const align_advantage_args *p, const double *reward, const double *value,
                   const bool *mask, int tokens, double after, double *advantage, double *target)
{
    static struct episode e;
    e.n = 0;
    for (int t = 0; t < tokens; t++)
        if (mask == NULL || mask[t]) {
            e.reward[e.n] = reward[t];
            e.value[e.n++] = value != NULL ? value[t] : 0;
        }
    e.value[e.n] = after;
    for (int t = 0, k = 0; t < tokens; t++) {
        advantage[t] = target[t] = 0;
        if (mask != NULL && !mask[t])
            continue;
        long double v = e.value[k];
        long double a = p->kind == ALIGN_ADVANTAGE_GAE
                            ? gae(&e, k, p->gamma, p->lambda)
                            : discounted(&e, k, p->kind == ALIGN_ADVANTAGE_RETURN ? e.n : (int)p->n,
                                         p->gamma) -
                                  v;
        advantage[t] = (double)a;
        target[t] = (double)(a + v);
        k++;
    }
}
