/* Forms that stay exact in the tails and at the infinities. */
#ifndef ALIGN__LOSS_MATH_H
#define ALIGN__LOSS_MATH_H

#include "../kernels/f64.h"

#include <math.h>
#include <stdint.h>

/* x - y, with 0 for two equal infinities. */
static inline double align__minus(double x, double y)
{
    return x == y ? 0 : x - y;
}

/* x y, with 0 where one is 0 and the other infinite or NaN. Without branches, so that loops become vectors. */
static inline double align__times(double x, double y)
{
    const double product = x * y;
    return ((x == 0) | (y == 0)) != 0 ? 0 : product;
}

/* x + y, with 0 for two opposite infinities. */
static inline double align__plus(double x, double y)
{
    return x == -y ? 0 : x + y;
}

/* softplus(x) = log(1 + e^x). */
static inline double align__softplus(double x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

/* s(x) = 1 / (1 + e^-x), with full relative accuracy on both sides. */
static inline double align__sigmoid(double x)
{
    double e = exp(-fabs(x));
    return (x > 0 ? 1 : e) / (1 + e);
}

/* s(x) s(-x), the derivative of s. */
static inline double align__bell(double x)
{
    double e = exp(-fabs(x));
    return e / ((1 + e) * (1 + e));
}

/* log(e^x + e^y). */
static inline double align__log_add(double x, double y)
{
    double high = x > y ? x : y, low = x > y ? y : x;
    return low == -INFINITY ? high : high + log1p(exp(align__minus(low, high)));
}

/* All that links made of logistics need of a margin. */
struct align__logistic {
    double plus, minus; /* softplus(z), softplus(-z) */
    double s, c;        /* s(z), s(-z) */
};

static inline struct align__logistic align__logistic(double z)
{
    double e = exp(-fabs(z)), tail = log1p(e), near = 1 / (1 + e), far = e / (1 + e);
    if (z > 0)
        return (struct align__logistic){z + tail, tail, near, far};
    return (struct align__logistic){tail, tail - z, far, near};
}

/* A sum with its rounding errors kept (Knuth's two-sum); none where the sum is infinite. */
struct align__total {
    double sum, lost;
};

static inline void align__add(struct align__total *total, double x)
{
    const double sum = total->sum + x, part = sum - total->sum;
    const double lost = (total->sum - (sum - part)) + (x - part);
    total->lost += fabs(lost) <= 0x1.fffffffffffffp1023 ? lost : 0;
    total->sum = sum;
}

static inline double align__total(struct align__total total)
{
    return total.sum + total.lost;
}

/* Adds n numbers, few enough that their sum does not overflow where none is huge; a handful one by one. */
static inline void align__add_all(struct align__total *total, const struct align__f64 *f64,
                                  const double *x, int n)
{
    if (n > 8 && f64->tame(x, n)) {
        const struct align__sum sum = f64->sum(x, n);
        align__add(total, sum.sum);
        align__add(total, sum.lost);
        return;
    }
    for (int i = 0; i < n; i++)
        align__add(total, x[i]);
}

#endif
