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

static align_status bad_dtype(const align_exec *exec, const struct align__named *named, int set)
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
    return ALIGN__FAIL(exec, TENSOR_DTYPE, .owner = named->owner, .field = named->field,
                       .value = named->tensor->dtype, .word = words[i].word);
}

/* What the bytes between two elements may come to, so that neither pointers nor int64 overflow. */
static const int64_t most_bytes = PTRDIFF_MAX < INT64_MAX ? PTRDIFF_MAX : INT64_C(1) << 62;

/* Adds `size` strides to what is reached; false when that is too far. */
static bool add_reach(int64_t *reach, int64_t size, int64_t stride, int64_t bytes)
{
    int64_t length;
    if (size > INT64_C(1) << 53 || __builtin_mul_overflow(size, stride, &length) ||
        __builtin_mul_overflow(length, bytes, &length) || length < -most_bytes)
        return false;
    length = length < 0 ? -length : length;
    if (length > most_bytes - *reach)
        return false;
    *reach += length;
    return true;
}

static align_status check_sizes(const align_exec *exec, const struct align__named *named,
                                bool *empty)
{
    const align_tensor *t = named->tensor;
    const int64_t bytes = align__bytes(t->dtype);
    int64_t reach = 0;
    *empty = false;
    for (int32_t k = 0; k < t->ndim; k++) {
        if (t->shape[k] < 0)
            return ALIGN__FAIL(exec, TENSOR_NEGATIVE, .owner = named->owner, .field = named->field,
                               .value = (double)t->shape[k], .low = k);
        if (!add_reach(&reach, t->shape[k], t->stride[k], bytes))
            return ALIGN__FAIL(exec, TENSOR_EXTENT, .owner = named->owner, .field = named->field,
                               .value = (double)t->stride[k], .low = k);
        *empty |= t->shape[k] == 0;
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

/* Sizes and strides of which no product overflows, as nearly all are. */
static bool is_small(const align_tensor *t)
{
    enum { BITS = sizeof(void *) > 4 ? 28 : 12 };
    uint64_t all = 0;
    for (int32_t k = 0; k < t->ndim; k++)
        all |= (uint64_t)t->shape[k] | ((uint64_t)t->stride[k] + (UINT64_C(1) << (BITS - 1)));
    return all >> BITS == 0;
}

static bool is_aligned(const align_tensor *t)
{
    const int32_t multiple = alignment(t->dtype); /* a power of two */
    return ((uintptr_t)t->data & (uintptr_t)(multiple - 1)) == 0;
}

bool align__is_plain(const align_tensor *t, int set)
{
    return t->ndim >= 1 && t->ndim <= 3 && (align__sets_of(t->dtype) & set) != 0 && is_small(t) &&
           t->data != NULL && is_aligned(t);
}

align_status align__check_closely(const align_exec *exec, const struct align__named *named, int set)
{
    const align_tensor *t = named->tensor;
    bool empty;
    if (t->ndim < 1 || t->ndim > 3)
        return ALIGN__FAIL(exec, TENSOR_NDIM, .owner = named->owner, .field = named->field,
                           .value = t->ndim, .word = "1, 2 or 3");
    if ((align__sets_of(t->dtype) & set) == 0)
        return bad_dtype(exec, named, set);
    align_status status = check_sizes(exec, named, &empty);
    if (status != ALIGN_E_NONE || empty)
        return status;
    if (t->data == NULL)
        return ALIGN__FAIL(exec, TENSOR_DATA, .owner = named->owner, .field = named->field);
    if (!is_aligned(t))
        return ALIGN__FAIL(exec, TENSOR_ALIGN, .owner = named->owner, .field = named->field,
                           .low = alignment(t->dtype));
    return ALIGN_E_NONE;
}

align_status align__wrong_shape(const align_exec *exec, struct align__named named, int32_t ndim,
                                const int64_t *shape)
{
    static const char *const words[] = {"0", "1", "2", "3"};
    const align_tensor *t = named.tensor;
    int32_t k = 0;
    if (t->ndim != ndim)
        return ALIGN__FAIL(exec, TENSOR_NDIM, .owner = named.owner, .field = named.field,
                           .value = t->ndim, .word = words[ndim]);
    while (t->shape[k] == shape[k])
        k++;
    return ALIGN__FAIL(exec, TENSOR_SIZE, .owner = named.owner, .field = named.field,
                       .value = (double)t->shape[k], .low = k, .high = (double)shape[k]);
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
