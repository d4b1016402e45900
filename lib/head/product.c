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

void align__lane_logits(const struct align__lane *lane, const struct align__piece *piece)
{
    const struct align__source *source = piece->source;
    int64_t count = lane->linear->count;
    struct product product = {
        .turn_a = CblasNoTrans,
        .turn_b = CblasTrans,
        .m = count,
        .n = lane->n,
        .k = source->width,
        .a = source->hidden,
        .b = piece->operand,
        .c = piece->tile,
        .stride_a = source->width,
        .stride_b = piece->stride,
        .stride_c = lane->linear->pitch,
        .beta = piece->bias != NULL,
    };
    for (int64_t i = 0; i < count && piece->bias != NULL; i++)
        memcpy(align__lane_tile(lane, piece, i), piece->bias,
               (size_t)(lane->n * align_dtype_bytes(source->dtype)));
    multiply(source->in, &product);
}

/* Gradients, or weights of jhidden, as products take them. */
static const char *gradients(const struct align__lane *lane)
{
    return lane->half != NULL ? lane->half : lane->own.tile;
}

void align__lane_back(const struct align__lane *lane)
{
    const struct align__source *own = lane->own.source;
    struct product product = {
        .turn_a = CblasNoTrans,
        .turn_b = CblasNoTrans,
        .m = lane->linear->count,
        .n = own->width,
        .k = lane->n,
        .a = gradients(lane),
        .b = lane->own.operand,
        .c = lane->dhidden,
        .stride_a = lane->linear->pitch,
        .stride_b = lane->own.stride,
        .stride_c = own->width,
        .beta = lane->first != align__lane_begin(lane),
    };
    multiply(own->in, &product);
}

void align__lane_turned(const struct align__lane *lane, char *c, int64_t stride, double beta)
{
    const struct align__source *own = lane->own.source;
    struct product product = {
        .turn_a = CblasTrans,
        .turn_b = CblasNoTrans,
        .m = lane->n,
        .n = own->width,
        .k = lane->linear->count,
        .a = gradients(lane),
        .b = own->hidden,
        .c = c,
        .stride_a = lane->linear->pitch,
        .stride_b = own->width,
        .stride_c = stride,
        .beta = beta,
    };
    multiply(own->in, &product);
}
