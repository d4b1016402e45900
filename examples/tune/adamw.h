/* AdamW (Loshchilov and Hutter, 2019), if asked with a clip on the norm of the gradient. */
#ifndef TUNE_ADAMW_H
#define TUNE_ADAMW_H

#include "linear.h"
#include "pool.h"

typedef struct adamw {
    int64_t count;
    int64_t step;
    double beta1, beta2, epsilon, decay, clip; /* .9, .999, 1e-8, 0; clip 0: none */
    real *mean, *square;
} adamw;

void adamw_create(adamw *o, int64_t count);
void adamw_free(adamw *o);
/* One step downhill; zeroes the gradient; returns the norm it had before clipping. */
double adamw_step(adamw *o, pool *p, real *params, real *gradient, double rate);

#endif
