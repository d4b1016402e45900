#include "linear.h"

#include <cblas.h>

/* Other libraries than OpenBLAS are told by their environment variables. */
void linear_single_threaded_blas(void)
{
#ifdef OPENBLAS_VERSION
    openblas_set_num_threads(1);
#endif
}

enum { ROWS_FEW = 32, ROWS_MANY = 128 };

/* C [m,n] = op(A) [m,k] op(B) [k,n] + beta C, all row-major. */
typedef struct product {
    CBLAS_TRANSPOSE ta, tb;
    int m, n, k, lda, ldb, block;
    const real *a, *b;
    real *c, beta;
} product;

static void multiply_block(void *context, int64_t task, int worker)
{
    const product *p = context;
    int first = (int)task * p->block;
    int rows = p->m - first < p->block ? p->m - first : p->block;
    const real *a = p->ta == CblasNoTrans ? p->a + (int64_t)first * p->lda : p->a + first;

    (void)worker;
    REAL_GEMM(CblasRowMajor, p->ta, p->tb, rows, p->n, p->k, 1, a, p->lda, p->b, p->ldb, p->beta,
              p->c + (int64_t)first * p->n, p->n);
}

static void multiply(pool *workers, product p)
{
    p.block = p.m >= 4 * ROWS_MANY ? ROWS_MANY : ROWS_FEW;
    pool_run(workers, (p.m + p.block - 1) / p.block, multiply_block, &p);
}

void linear_forward(pool *p, real *y, const real *x, const real *w, int n, int in, int out,
                    bool add)
{
    multiply(p, (product){.ta = CblasNoTrans,
                          .tb = CblasTrans,
                          .m = n,
                          .n = out,
                          .k = in,
                          .a = x,
                          .lda = in,
                          .b = w,
                          .ldb = in,
                          .c = y,
                          .beta = add ? 1 : 0});
}

void linear_dinput(pool *p, real *dx, const real *dy, const real *w, int n, int in, int out,
                   bool add)
{
    multiply(p, (product){.ta = CblasNoTrans,
                          .tb = CblasNoTrans,
                          .m = n,
                          .n = in,
                          .k = out,
                          .a = dy,
                          .lda = out,
                          .b = w,
                          .ldb = in,
                          .c = dx,
                          .beta = add ? 1 : 0});
}

void linear_dweight(pool *p, real *dw, const real *dy, const real *x, int n, int in, int out)
{
    multiply(p, (product){.ta = CblasTrans,
                          .tb = CblasNoTrans,
                          .m = out,
                          .n = in,
                          .k = n,
                          .a = dy,
                          .lda = out,
                          .b = x,
                          .ldb = in,
                          .c = dw,
                          .beta = 1});
}
