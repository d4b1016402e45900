#include "advantage.h"

#include <string.h>

align_status align__sequences_of(const align_exec *exec, struct align__sequences *s,
                                 struct align__named tokens, const align_tensor *offsets)
{
    const align_tensor *t = tokens.tensor;
    memset(s, 0, sizeof *s);
    bool packed = align__present(offsets);
    if (t->ndim != (packed ? 1 : 2))
        return ALIGN__FAIL(exec, TENSOR_NDIM, .owner = tokens.owner, .field = tokens.field,
                           .value = t->ndim,
                           .word = packed ? "1 with offsets" : "2, or 1 with offsets");
    s->ndim = t->ndim;
    s->shape[0] = t->shape[0];
    s->shape[1] = packed ? 0 : t->shape[1];
    s->count = t->shape[0];
    s->width = s->shape[1];
    s->offsets = *offsets;
    if (!packed)
        return ALIGN_E_NONE;
    const struct align__named named = {tokens.owner, "offsets", offsets};
    return align__check_offsets(exec, named, t->shape[0], &s->count, &s->width);
}

void align__sequences_range(const struct align__sequences *s, int64_t b, int64_t *first, int64_t *n)
{
    *first = b * s->width;
    *n = s->width;
    if (!align__present(&s->offsets))
        return;
    int64_t next;
    memcpy(first, align__at(&s->offsets, b, 0), sizeof *first);
    memcpy(&next, align__at(&s->offsets, b + 1, 0), sizeof next);
    *n = next - *first;
}

static align_status check_shaped(const align_exec *exec, struct align__named named, int set,
                                 int32_t ndim, const int64_t *shape)
{
    align_status status = align__check_tensor(exec, named, set);
    if (status == ALIGN_E_NONE)
        status = align__check_shape(exec, named, ndim, shape);
    return status;
}

align_status align__check_tokens(const align_exec *exec, const struct align__sequences *s,
                                 struct align__named named, int set)
{
    return check_shaped(exec, named, set, s->ndim, s->shape);
}

align_status align__check_per_sequence(const align_exec *exec, const struct align__sequences *s,
                                       struct align__named named, int set)
{
    return check_shaped(exec, named, set, 1, &s->count);
}

align_status align__check_counted(const align_exec *exec, struct align__named named,
                                  const align_tensor *mask)
{
    struct align__run run = align__run_of(named.tensor), weights = align__run_of(mask);
    for (int64_t i = 0; i < run.length && (exec->flags & ALIGN_FLAG_FINITE) != 0; i++) {
        double x, w;
        align__run_read(&run, i, 1, &x);
        align__run_weights(&weights, i, 1, &w);
        if (x - x == 0 || w == 0)
            continue;
        struct align__fault fault = {
            .site = ALIGN__SITE_NOT_FINITE, .owner = named.owner, .field = named.field, .value = x};
        align__run_index(named.tensor, i, &fault);
        return align__fail(exec, &fault);
    }
    return ALIGN_E_NONE;
}

align_status align__check_numbers(const align_exec *exec, const char *owner,
                                  const struct align__number *numbers, int count)
{
    for (int i = 0; i < count; i++)
        if (!(numbers[i].value >= numbers[i].low && numbers[i].value <= numbers[i].high))
            return ALIGN__FAIL(exec, FIELD_VALUE, .owner = owner, .field = numbers[i].field,
                               .value = numbers[i].value, .word = numbers[i].word);
    return ALIGN_E_NONE;
}

int64_t align__last_counted(const struct align__run *mask, int64_t first, int64_t n)
{
    double w[ALIGN__NORM_CHUNK];
    while (n > 0) {
        int64_t taken = n < ALIGN__NORM_CHUNK ? n : ALIGN__NORM_CHUNK;
        align__run_weights(mask, first + n - taken, taken, w);
        for (int64_t i = taken - 1; i >= 0; i--)
            if (w[i] != 0)
                return n - taken + i;
        n -= taken;
    }
    return -1;
}

int64_t align__sequence_pieces(const struct align__sequences *s)
{
    int64_t tokens = s->ndim == 2 ? s->shape[0] * s->shape[1] : s->shape[0];
    int64_t pieces = align__pieces(tokens);
    return pieces < s->count ? pieces : s->count;
}
