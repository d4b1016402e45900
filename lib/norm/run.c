#include "norm.h"

#include <string.h>

struct align__run align__run_of(const align_tensor *t)
{
    struct align__run run = {.view = *t, .length = align__present(t) ? 1 : 0};
    align_tensor *v = &run.view;
    for (int32_t k = 0; k < t->ndim; k++)
        run.length *= t->shape[k];
    for (int32_t k = v->ndim - 2; k >= 0; k--) {
        if (v->shape[k + 1] != 1 && v->shape[k] != 1 &&
            v->stride[k] != v->shape[k + 1] * v->stride[k + 1])
            continue;
        if (v->shape[k + 1] == 1)
            v->stride[k + 1] = v->stride[k];
        v->shape[k + 1] *= v->shape[k];
        for (int32_t j = k; j + 1 < v->ndim; j++) {
            v->shape[j] = v->shape[j + 1];
            v->stride[j] = v->stride[j + 1];
        }
        v->ndim--;
    }
    return run;
}

/* Address of element `first`, the stride of its row, and how many elements follow in that row. */
static void *row_at(const align_tensor *v, int64_t first, int64_t *stride, int64_t *left)
{
    if (v->ndim == 1) {
        *left = v->shape[0] - first;
        *stride = v->stride[0];
        return (char *)v->data + first * *stride * align_dtype_bytes(v->dtype);
    }
    int64_t step = 0;
    int32_t last = v->ndim - 1;
    *left = v->shape[last] - first % v->shape[last];
    *stride = v->stride[last];
    for (int32_t k = last; k >= 0; k--) {
        step += first % v->shape[k] * v->stride[k];
        first /= v->shape[k];
    }
    return (char *)v->data + step * align_dtype_bytes(v->dtype);
}

void *align__run_plain(const struct align__run *run, align_dtype dtype)
{
    bool dense = run->view.ndim == 1 && run->view.stride[0] == 1;
    return dense && run->view.dtype == dtype ? run->view.data : NULL;
}

const uint8_t *align__run_live(const struct align__run *run)
{
    const uint8_t *live = align__run_plain(run, ALIGN_U8);
    return live != NULL ? live : align__run_plain(run, ALIGN_BOOL);
}

void align__run_read(const struct align__run *run, int64_t first, int64_t n, double *out)
{
    while (n > 0) {
        int64_t stride, left;
        const void *at = row_at(&run->view, first, &stride, &left);
        int64_t taken = left < n ? left : n;
        align__load_row(out, run->view.dtype, at, stride, taken);
        out += taken;
        first += taken;
        n -= taken;
    }
}

void align__run_write(const struct align__run *run, int64_t first, int64_t n, const double *x)
{
    while (n > 0) {
        int64_t stride, left;
        void *at = row_at(&run->view, first, &stride, &left);
        int64_t taken = left < n ? left : n;
        align__store_row(run->view.dtype, at, stride, x, taken);
        x += taken;
        first += taken;
        n -= taken;
    }
}

void align__run_weights(const struct align__run *run, int64_t first, int64_t n, double *out)
{
    if (run->length == 0) {
        for (int64_t i = 0; i < n; i++)
            out[i] = 1;
        return;
    }
    align__run_read(run, first, n, out);
    if (run->view.dtype != ALIGN_F32)
        for (int64_t i = 0; i < n; i++)
            out[i] = out[i] != 0;
}

align_status align__check_finite(const align_exec *exec, struct align__named named)
{
    if ((exec->flags & ALIGN_FLAG_FINITE) == 0)
        return ALIGN_E_NONE;
    struct align__run run = align__run_of(named.tensor);
    for (int64_t i = 0; i < run.length; i++) {
        double x;
        align__run_read(&run, i, 1, &x);
        if (x - x == 0)
            continue;
        struct align__fault fault = {
            .site = ALIGN__SITE_NOT_FINITE, .owner = named.owner, .field = named.field, .value = x};
        align__run_index(named.tensor, i, &fault);
        return align__fail(exec, &fault);
    }
    return ALIGN_E_NONE;
}

align_status align__check_mask(const align_exec *exec, struct align__named named)
{
    struct align__run run = align__run_of(named.tensor);
    if (named.tensor->dtype != ALIGN_F32)
        return ALIGN_E_NONE;
    for (int64_t i = 0; i < run.length; i++) {
        double x;
        align__run_read(&run, i, 1, &x);
        if (x == 0 || x == 1)
            continue;
        struct align__fault fault = {.site = ALIGN__SITE_FIELD_VALUE,
                                     .owner = named.owner,
                                     .field = named.field,
                                     .value = x,
                                     .word = "0 or 1"};
        align__run_index(named.tensor, i, &fault);
        return align__fail(exec, &fault);
    }
    return ALIGN_E_NONE;
}

void align__run_index(const align_tensor *t, int64_t at, struct align__fault *fault)
{
    fault->axes = (uint32_t)t->ndim;
    for (int32_t k = t->ndim - 1; k >= 0; k--) {
        fault->index[k] = at % t->shape[k];
        at /= t->shape[k];
    }
}

align_status align__check_offsets(const align_exec *exec, struct align__named named, int64_t total,
                                  int64_t *count, int64_t *largest)
{
    const align_tensor *t = named.tensor;
    align_status status = align__check_tensor(exec, named, ALIGN__SET_OFFSET);
    if (status == ALIGN_E_NONE)
        status = align__check_shape(exec, named, 1, t->shape);
    if (status != ALIGN_E_NONE)
        return status;
    if (t->shape[0] < 1)
        return ALIGN__FAIL(exec, TENSOR_SIZE, .owner = named.owner, .field = named.field,
                           .high = 1);
    int64_t last = t->shape[0] - 1, before = 0;
    *largest = 0;
    for (int64_t i = 0; i <= last; i++) {
        int64_t at;
        memcpy(&at, align__at(t, i, 0), sizeof at);
        int64_t low = i == last ? total : before, high = i == 0 ? 0 : total;
        if (at < low || at > high)
            return ALIGN__FAIL(exec, NORM_OFFSETS, .owner = named.owner, .field = named.field,
                               .axes = 1, .index = {i}, .value = (double)at, .low = (double)low,
                               .high = (double)high);
        *largest = at - before > *largest ? at - before : *largest;
        before = at;
    }
    *count = last;
    return ALIGN_E_NONE;
}

enum { LEAST_PIECE = 4096 };

int64_t align__pieces(int64_t length)
{
    int64_t pieces = (length + LEAST_PIECE - 1) / LEAST_PIECE;
    return pieces < ALIGN__NORM_TASKS ? pieces : ALIGN__NORM_TASKS;
}

void align__piece(int64_t length, int64_t task, int64_t *first, int64_t *last)
{
    int64_t pieces = align__pieces(length);
    int64_t chunks = (length + ALIGN__NORM_CHUNK - 1) / ALIGN__NORM_CHUNK;
    *first = chunks * task / pieces * ALIGN__NORM_CHUNK;
    *last = chunks * (task + 1) / pieces * ALIGN__NORM_CHUNK;
    *last = *last < length ? *last : length;
}
