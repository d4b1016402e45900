/* Checks on tensors, and element access that knows every dtype. */
#ifndef ALIGN__TENSOR_H
#define ALIGN__TENSOR_H

#include "error.h"

#include <stdbool.h>

/* Sets of dtypes that a field accepts. */
enum {
    ALIGN__SET_REAL = 1,    /* F32 F64 BF16 F16 */
    ALIGN__SET_WIDE = 2,    /* F32 F64 */
    ALIGN__SET_INDEX = 4,   /* I32 I64 */
    ALIGN__SET_MASK = 8,    /* BOOL U8 F32 */
    ALIGN__SET_COUNT = 16,  /* F32 F64 I32 I64 */
    ALIGN__SET_HIT = 32,    /* F32 F64 U8 BOOL */
    ALIGN__SET_OFFSET = 64, /* I64 */
    ALIGN__SET_F64 = 128    /* F64 */
};

static inline bool align__present(const align_tensor *t)
{
    return t->ndim != 0;
}

/* align_dtype_bytes of a dtype that was checked: the low byte counts bits. */
static inline int64_t align__bytes(align_dtype dtype)
{
    return (dtype & 0xff) / 8;
}

/* The sets that a dtype is in. */
static inline int align__sets_of(align_dtype dtype)
{
    switch (dtype) {
    case ALIGN_F32:
        return ALIGN__SET_REAL | ALIGN__SET_WIDE | ALIGN__SET_MASK | ALIGN__SET_COUNT |
               ALIGN__SET_HIT;
    case ALIGN_F64:
        return ALIGN__SET_REAL | ALIGN__SET_WIDE | ALIGN__SET_COUNT | ALIGN__SET_HIT |
               ALIGN__SET_F64;
    case ALIGN_BF16:
    case ALIGN_F16:
        return ALIGN__SET_REAL;
    case ALIGN_I32:
        return ALIGN__SET_INDEX | ALIGN__SET_COUNT;
    case ALIGN_I64:
        return ALIGN__SET_INDEX | ALIGN__SET_COUNT | ALIGN__SET_OFFSET;
    case ALIGN_U8:
    case ALIGN_BOOL:
        return ALIGN__SET_MASK | ALIGN__SET_HIT;
    default:
        return 0;
    }
}

/* A tensor with its name, as the checks want it. */
struct align__named {
    const char *owner, *field;
    const align_tensor *tensor;
};

/* True for a present tensor that a glance shows to pass; the check of what is left. */
bool align__is_plain(const align_tensor *t, int set);
align_status align__check_closely(const align_exec *exec, const struct align__named *named,
                                  int set);

/* What any present tensor must be: 1 to 3 dimensions, sizes of 0 or more, a dtype of `set`, data
 * aligned for it, an extent that fits memory. An absent tensor passes. */
static inline align_status align__check_tensor(const align_exec *exec, struct align__named named,
                                               int set)
{
    const align_tensor *t = named.tensor;
    return !align__present(t) || align__is_plain(t, set) ? ALIGN_E_NONE
                                                         : align__check_closely(exec, &named, set);
}

/* Says how a tensor differs from `ndim` dimensions of these sizes. */
align_status align__wrong_shape(const align_exec *exec, struct align__named named, int32_t ndim,
                                const int64_t *shape);

/* Exactly `ndim` dimensions of these sizes. An absent tensor passes. */
static inline align_status align__check_shape(const align_exec *exec, struct align__named named,
                                              int32_t ndim, const int64_t *shape)
{
    const align_tensor *t = named.tensor;
    bool same = t->ndim == ndim;
    for (int32_t k = 0; k < ndim && same; k++)
        same = t->shape[k] == shape[k];
    return same || !align__present(t) ? ALIGN_E_NONE : align__wrong_shape(exec, named, ndim, shape);
}

/* An output: no two of its elements share memory, and none with any of `others`. */
align_status align__check_output(const align_exec *exec, struct align__named output,
                                 const struct align__named *others, int count);

/* From where to where the memory of tensors reaches that were seen so far. */
struct align__seen {
    int n;
    uintptr_t low[32], high[32];
};

/* True when a glance shows that a present tensor passes align__check_tensor and align__check_shape, has elements, and, if
 * it is an output, passes align__check_output with those seen before, up to 31. It has one or two axes and steps of 0 or
 * more, as most have. */
static inline bool align__glance(struct align__seen *seen, const align_tensor *t, int set,
                                 int32_t ndim, const int64_t *shape, bool output)
{
    enum { BITS = sizeof(void *) > 4 ? 28 : 12 };
    const bool flat = ndim == 1;
    if (t->ndim != ndim || (!flat && ndim != 2))
        return false;
    const uintptr_t bytes = (uintptr_t)align__bytes(t->dtype), at = (uintptr_t)t->data;
    const uint64_t n = (uint64_t)t->shape[0], m = flat ? 1 : (uint64_t)t->shape[1];
    const uint64_t step = (uint64_t)t->stride[0], inner = flat ? 1 : (uint64_t)t->stride[1];
    const uint64_t wrong = (n ^ (uint64_t)shape[0]) | (m ^ (flat ? 1 : (uint64_t)shape[1])) |
                           (n | m | step | inner) >> BITS | (at & (bytes - 1));
    if (wrong != 0 || n * m == 0 || at == 0 || (align__sets_of(t->dtype) & set) == 0 ||
        (output && (inner != 1 || step != m)))
        return false;
    const uintptr_t end = at + (uintptr_t)(step * (n - 1) + inner * (m - 1) + 1) * bytes;
    bool apart = true;
    for (int i = 0; output && i < seen->n; i++)
        apart &= (end <= seen->low[i]) | (seen->high[i] <= at);
    seen->low[seen->n] = at;
    seen->high[seen->n++] = end;
    return apart;
}

/* True when some element of a shares a byte with some element of b. */
bool align__shares(const align_tensor *a, const align_tensor *b);

/* The first of `others` that is not `output` itself and shares a byte with it, or -1. */
int align__find_shared(const align_tensor *output, const struct align__named *others, int count);

/* True when two elements of t at different indices share a byte. */
bool align__shares_itself(const align_tensor *t);

/* One element as f64, and back with round to nearest even. Integers are exact below 2^53. */
double align__load(align_dtype dtype, const void *at);
void align__store(align_dtype dtype, void *at, double x);

/* n elements from `at`, `stride` elements apart. */
void align__load_row(double *out, align_dtype dtype, const void *at, int64_t stride, int64_t n);
void align__store_row(align_dtype dtype, void *at, int64_t stride, const double *x, int64_t n);

/* Address of an element. */
static inline void *align__at(const align_tensor *t, int64_t i, int64_t j)
{
    int64_t step = i * t->stride[0] + (t->ndim > 1 ? j * t->stride[1] : 0);
    return (char *)t->data + step * align__bytes(t->dtype);
}

/* A number of an I32 or I64 view. */
static inline int64_t align__whole(const align_tensor *t, int64_t at)
{
    const void *p = align__at(t, at, 0);
    return t->dtype == ALIGN_I32 ? *(const int32_t *)p : *(const int64_t *)p;
}

#endif
