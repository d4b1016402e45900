/* The matrix products of the linear head. */
#include "head_linear.h"

#include <cblas.h>
#include <string.h>

/* c = op(a) op(b) + beta c, row-major with rows of the strides given. */
struct product {
    CBLAS_TRANSPOSE turn_a, turn_b;
    int64_t m, n, k;
    const char *a, *b;
    char *c;
    int64_t stride_a, stride_b, stride_c;
    double beta;
};

static void multiply(align_dtype dtype, const struct product *p)
{
    int m = (int)p->m, n = (int)p->n, k = (int)p->k;
    int sa = (int)p->stride_a, sb = (int)p->stride_b, sc = (int)p->stride_c;
    const void *a = p->a, *b = p->b;
    void *c = p->c;
    if (dtype == ALIGN_F32)
        cblas_sgemm(CblasRowMajor, p->turn_a, p->turn_b, m, n, k, 1.0f, a, sa, b, sb,
                    (float)p->beta, c, sc);
    else
        cblas_dgemm(CblasRowMajor, p->turn_a, p->turn_b, m, n, k, 1.0, a, sa, b, sb, p->beta, c,
                    sc);
}

void align__linear_logits(const struct align__share *share)
{
    const struct align__linear *linear = share->linear;
    int64_t width = linear->head->width, bytes = align_dtype_bytes(linear->dtype);
    struct product product = {
        .turn_a = CblasNoTrans,
        .turn_b = CblasTrans,
        .m = linear->count,
        .n = share->n,
        .k = width,
        .a = linear->hidden,
        .b = linear->operand + share->first * linear->stride * bytes,
        .c = linear->tile + share->first * bytes,
        .stride_a = width,
        .stride_b = linear->stride,
        .stride_c = linear->wide,
        .beta = linear->bias != NULL,
    };
    for (int64_t i = 0; i < linear->count && linear->bias != NULL; i++)
        memcpy(align__linear_tile(linear, i) + share->first * bytes,
               linear->bias + share->first * bytes, (size_t)(share->n * bytes));
    multiply(linear->dtype, &product);
}

void align__linear_back(const struct align__share *share)
{
    const struct align__linear *linear = share->linear;
    int64_t skip = share->first * align_dtype_bytes(linear->dtype);
    struct product product = {
        .turn_a = CblasNoTrans,
        .turn_b = CblasNoTrans,
        .m = linear->count,
        .n = share->n,
        .k = linear->n,
        .a = linear->tile,
        .b = linear->operand + skip,
        .c = linear->dhidden + skip,
        .stride_a = linear->wide,
        .stride_b = linear->stride,
        .stride_c = linear->head->width,
        .beta = 1,
    };
    multiply(linear->dtype, &product);
}

void align__linear_turned(const struct align__share *share, char *c, int64_t stride, double beta)
{
    const struct align__linear *linear = share->linear;
    struct product product = {
        .turn_a = CblasTrans,
        .turn_b = CblasNoTrans,
        .m = share->n,
        .n = linear->head->width,
        .k = linear->count,
        .a = linear->tile + share->first * align_dtype_bytes(linear->dtype),
        .b = linear->hidden,
        .c = c,
        .stride_a = linear->wide,
        .stride_b = linear->head->width,
        .stride_c = stride,
        .beta = beta,
    };
    multiply(linear->dtype, &product);
}
