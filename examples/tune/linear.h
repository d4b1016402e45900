/* Matrix products of a linear layer y = x W^T with W [out,in], split by rows over the pool.
 * Each block is one single-threaded BLAS call, so results do not depend on the number of threads. */
#ifndef TUNE_LINEAR_H
#define TUNE_LINEAR_H

#include "pool.h"

#include <stdbool.h>

/* TUNE_F64 builds the same model in double, which is what its gradient tests use. */
#ifdef TUNE_F64
typedef double real;
#    define REAL_GEMM cblas_dgemm
#else
typedef float real;
#    define REAL_GEMM cblas_sgemm
#endif

/* Call once at start: the pool is the only thing that splits work. */
void linear_single_threaded_blas(void);

/* y [n,out] = x [n,in] W^T, or y += with add. */
void linear_forward(pool *p, real *y, const real *x, const real *w, int n, int in, int out,
                    bool add);
/* dx [n,in] = dy [n,out] W, or dx += with add. */
void linear_dinput(pool *p, real *dx, const real *dy, const real *w, int n, int in, int out,
                   bool add);
/* dW [out,in] += dy^T x. */
void linear_dweight(pool *p, real *dw, const real *dy, const real *x, int n, int in, int out);

#endif
