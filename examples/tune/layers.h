/* The parts of a layer that are not matrix products. */
#ifndef TUNE_LAYERS_H
#define TUNE_LAYERS_H

#include "model.h"

/* y = x * scale * w, scale = 1 / sqrt(mean(x^2) + 1e-5), a row at a time. */
void norm_forward(pool *p, real *y, real *scale, const real *x, const real *w, int n, int d);
/* Adds into dx and dw. */
void norm_backward(real *dx, real *dw, const real *dy, const real *x, const real *scale,
                   const real *w, int n, int d);

/* act = silu(gate) * up. */
void swiglu_forward(pool *p, real *act, const real *gate, const real *up, int n, int hidden);
void swiglu_backward(pool *p, real *dgate, real *dup, const real *dact, const real *gate,
                     const real *up, int n, int hidden);

typedef struct attention {
    const model_config *config;
    const model_batch *rows;
    const real *rope;
    real *scores;
    real *q, *k, *v; /* forward turns q and k by their positions in place */
} attention;

/* y [rows,dim]: causal softmax(q k^T / sqrt(head size)) v, each sequence by itself. */
void attention_forward(pool *p, const attention *a, real *y);
/* dq, dk, dv are written, with the turning undone. */
void attention_backward(pool *p, const attention *a, const real *dy, real *dq, real *dk, real *dv);

/* Turns rows of heads by their position (direction 1) or back (-1). */
void rope_turn(const real *rope, real *x, int heads, int head_size, int position, int direction);

#endif
