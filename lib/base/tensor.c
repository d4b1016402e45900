#include "tensor.h"

static align_tensor view(const void *data, align_dtype dtype, int32_t ndim)
{
    return (align_tensor){.data = (void *)(uintptr_t)data, .ndim = ndim, .dtype = dtype};
}

align_tensor align_1d(const void *data, align_dtype dtype, int64_t n0)
{
    align_tensor t = view(data, dtype, 1);
    t.shape[0] = n0;
    t.stride[0] = 1;
    return t;
}

align_tensor align_2d(const void *data, align_dtype dtype, int64_t n0, int64_t n1)
{
    align_tensor t = view(data, dtype, 2);
    t.shape[0] = n0;
    t.shape[1] = n1;
    t.stride[0] = n1;
    t.stride[1] = 1;
    return t;
}

align_tensor align_3d(const void *data, align_dtype dtype, int64_t n0, int64_t n1, int64_t n2)
{
    align_tensor t = view(data, dtype, 3);
    t.shape[0] = n0;
    t.shape[1] = n1;
    t.shape[2] = n2;
    t.stride[0] = n1 * n2;
    t.stride[1] = n2;
    t.stride[2] = 1;
    return t;
}

/* The sets that a dtype is in. */
static int sets_of(align_dtype dtype)
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

static align_status bad_dtype(const align_exec *exec, struct align__named named, int set)
{
    static const struct {
        int set;
        const char *word;
    } words[] = {
        {ALIGN__SET_REAL, "F32, F64, BF16 or F16"},
        {ALIGN__SET_WIDE, "F32 or F64"},
        {ALIGN__SET_INDEX, "I32 or I64"},
        {ALIGN__SET_MASK, "BOOL, U8 or F32"},
        {ALIGN__SET_COUNT, "F32, F64, I32 or I64"},
        {ALIGN__SET_HIT, "F32, F64, U8 or BOOL"},
        {ALIGN__SET_OFFSET, "I64"},
        {ALIGN__SET_F64, "F64"},
    };
    int i = 0;
    while (words[i].set != set)
        i++;
    return ALIGN__FAIL(exec, TENSOR_DTYPE, .owner = named.owner, .field = named.field,
                       .value = named.tensor->dtype, .word = words[i].word);
}

/* What the bytes between two elements may come to, so that neither pointers nor int64 overflow. */
static const double most_bytes = PTRDIFF_MAX < INT64_MAX ? (double)PTRDIFF_MAX : 0x1p62;

static align_status check_sizes(const align_exec *exec, struct align__named named, bool *empty)
{
    const align_tensor *t = named.tensor;
    const double most = most_bytes / (double)align__bytes(t->dtype);
    double reach = 0;
    *empty = false;
    for (int32_t k = 0; k < t->ndim; k++) {
        const double size = (double)t->shape[k], stride = (double)t->stride[k];
        if (size < 0)
            return ALIGN__FAIL(exec, TENSOR_NEGATIVE, .owner = named.owner, .field = named.field,
                               .value = size, .low = k);
        reach += size * (stride < 0 ? -stride : stride);
        if (reach > most || size > 0x1p53)
            return ALIGN__FAIL(exec, TENSOR_EXTENT, .owner = named.owner, .field = named.field,
                               .value = stride, .low = k);
        *empty = *empty || size == 0;
    }
    return ALIGN_E_NONE;
}

/* What the compiler gives an element inside of a struct: its size, but 4 for those of 8 bytes on i386. */
static int32_t alignment(align_dtype dtype)
{
    struct wide {
        char before;
        double f64;
    };
    int32_t bytes = (int32_t)align__bytes(dtype), most = (int32_t)offsetof(struct wide, f64);
    return bytes < most ? bytes : most;
}

align_status align__check_tensor(const align_exec *exec, struct align__named named, int set)
{
    const align_tensor *t = named.tensor;
    if (!align__present(t))
        return ALIGN_E_NONE;
    if (t->ndim < 1 || t->ndim > 3)
        return ALIGN__FAIL(exec, TENSOR_NDIM, .owner = named.owner, .field = named.field,
                           .value = t->ndim, .word = "1, 2 or 3");
    if ((sets_of(t->dtype) & set) == 0)
        return bad_dtype(exec, named, set);
    bool empty;
    align_status status = check_sizes(exec, named, &empty);
    if (status != ALIGN_E_NONE || empty)
        return status;
    if (t->data == NULL)
        return ALIGN__FAIL(exec, TENSOR_DATA, .owner = named.owner, .field = named.field);
    const int32_t multiple = alignment(t->dtype); /* a power of two */
    if (((uintptr_t)t->data & (uintptr_t)(multiple - 1)) != 0)
        return ALIGN__FAIL(exec, TENSOR_ALIGN, .owner = named.owner, .field = named.field,
                           .low = multiple);
    return ALIGN_E_NONE;
}

align_status align__check_shape(const align_exec *exec, struct align__named named, int32_t ndim,
                                const int64_t *shape)
{
    static const char *const words[] = {"0", "1", "2", "3"};
    const align_tensor *t = named.tensor;
    if (!align__present(t))
        return ALIGN_E_NONE;
    if (t->ndim != ndim)
        return ALIGN__FAIL(exec, TENSOR_NDIM, .owner = named.owner, .field = named.field,
                           .value = t->ndim, .word = words[ndim]);
    for (int32_t k = 0; k < ndim; k++)
        if (t->shape[k] != shape[k])
            return ALIGN__FAIL(exec, TENSOR_SIZE, .owner = named.owner, .field = named.field,
                               .value = (double)t->shape[k], .low = k, .high = (double)shape[k]);
    return ALIGN_E_NONE;
}

align_status align__check_output(const align_exec *exec, struct align__named output,
                                 const struct align__named *others, int count)
{
    if (!align__present(output.tensor))
        return ALIGN_E_NONE;
    if (align__shares_itself(output.tensor))
        return ALIGN__FAIL(exec, TENSOR_SELF, .owner = output.owner, .field = output.field);
    int shared = align__find_shared(output.tensor, others, count);
    if (shared < 0)
        return ALIGN_E_NONE;
    return ALIGN__FAIL(exec, TENSOR_SHARED, .owner = output.owner, .field = output.field,
                       .word = others[shared].field);
}
