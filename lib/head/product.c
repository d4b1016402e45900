/* The matrix products of the linear head. */
#include "linear.h"

#include <cblas.h>
#include <string.h>

#ifdef ALIGN__HAVE_SBGEMM
/* Not #pragma, which would not see that a macro may give the names of a BLAS a prefix. */
#    define PRAGMA(text) _Pragma(#    text)
#    define WEAK(name)   PRAGMA(weak name)
WEAK(cblas_sbgemm)
#endif

bool align__linear_halves(void)
{
#ifdef ALIGN__HAVE_SBGEMM
    return cblas_sbgemm != NULL;
#else
    return false;
#endif
}

/* c = op(a) op(b) + beta c, row-major with rows of the strides given. */
struct product {
    CBLAS_TRANSPOSE turn_a, turn_b;
    int64_t m, n, k;
    const char *a, *b;
    char *c;
    int64_t stride_a, stride_b, stride_c;
    double beta;
};

/* a and b are `in`; c is F64 with F64, else F32. */
static void multiply(align_dtype in, const struct product *p)
{
    int m = (int)p->m, n = (int)p->n, k = (int)p->k;
    int sa = (int)p->stride_a, sb = (int)p->stride_b, sc = (int)p->stride_c;
    const void *a = p->a, *b = p->b;
    void *c = p->c;
    if (in == ALIGN_F32)
        cblas_sgemm(CblasRowMajor, p->turn_a, p->turn_b, m, n, k, 1.0f, a, sa, b, sb,
                    (float)p->beta, c, sc);
    else if (in == ALIGN_F64)
        cblas_dgemm(CblasRowMajor, p->turn_a, p->turn_b, m, n, k, 1.0, a, sa, b, sb, p->beta, c,
                    sc);
#ifdef ALIGN__HAVE_SBGEMM
    else
        cblas_sbgemm(CblasRowMajor, p->turn_a, p->turn_b, m, n, k, 1.0f, a, sa, b, sb,
                     (float)p->beta, c, sc);
#endif
}

void align__linear_logits(const struct align__share *share)
{
    const struct align__linear *linear = share->linear;
    const struct align__source *source = linear->source;
    int64_t bytes = align_dtype_bytes(source->dtype), skip = share->first * bytes;
    struct product product = {
        .turn_a = CblasNoTrans,
        .turn_b = CblasTrans,
        .m = linear->count,
        .n = share->n,
        .k = source->width,
        .a = source->hidden,
        .b = source->operand + share->first * source->stride * align_dtype_bytes(source->in),
        .c = source->tile + skip,
        .stride_a = source->width,
        .stride_b = source->stride,
        .stride_c = linear->pitch,
        .beta = source->bias != NULL,
    };
    for (int64_t i = 0; i < linear->count && source->bias != NULL; i++)
        memcpy(align__linear_tile(linear, source, i) + skip, source->bias + skip,
               (size_t)(share->n * bytes));
    multiply(source->in, &product);
}

/* Gradients, or weights of jhidden, as products take them. */
static const char *gradients(const struct align__linear *linear)
{
    return linear->half != NULL ? linear->half : linear->own.tile;
}

static struct product back(const struct align__linear *linear)
{
    const struct align__source *own = &linear->own;
    return (struct product){
        .turn_a = CblasNoTrans,
        .turn_b = CblasNoTrans,
        .m = linear->count,
        .n = own->width,
        .k = linear->n,
        .a = gradients(linear),
        .b = own->operand,
        .c = linear->dhidden,
        .stride_a = linear->pitch,
        .stride_b = own->stride,
        .stride_c = own->width,
        .beta = 1,
    };
}

static void back_of_half(const struct align__share *share)
{
    const struct align__linear *linear = share->linear;
    const struct align__source *own = &linear->own;
    struct product product = back(linear);
    product.k = share->n;
    product.a += share->first * align_dtype_bytes(own->in);
    product.b += share->first * own->stride * align_dtype_bytes(own->in);
    product.c = align__linear_sum(linear, share->first > 0, 0);
    multiply(own->in, &product);
}

static void back_of_width(const struct align__share *share)
{
    const struct align__source *own = &share->linear->own;
    struct product product = back(share->linear);
    product.n = share->n;
    product.b += share->first * align_dtype_bytes(own->in);
    product.c += share->first * align_dtype_bytes(own->dtype);
    multiply(own->in, &product);
}

struct align__cut align__linear_back(const struct align__linear *linear)
{
    return linear->halves == 2 ? align__linear_by_halves(linear, back_of_half)
                               : align__linear_by_width(linear, back_of_width);
}

void align__linear_turned(const struct align__share *share, char *c, int64_t stride, double beta)
{
    const struct align__linear *linear = share->linear;
    const struct align__source *own = &linear->own;
    struct product product = {
        .turn_a = CblasTrans,
        .turn_b = CblasNoTrans,
        .m = share->n,
        .n = own->width,
        .k = linear->count,
        .a = gradients(linear) + share->first * align_dtype_bytes(own->in),
        .b = own->hidden,
        .c = c,
        .stride_a = linear->pitch,
        .stride_b = own->width,
        .stride_c = stride,
        .beta = beta,
    };
    multiply(own->in, &product);
}
