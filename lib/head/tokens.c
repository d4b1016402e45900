/* Which rows count: the checks of align_tokens. */
#include "head.h"

#include <math.h>

static const char owner[] = "align_tokens";

static align_status check_offsets(struct align__head *head)
{
    const align_tensor *offsets = &head->tokens.offsets;
    if (!align__present(offsets)) {
        head->sequences = head->tokens.target.ndim == 2 ? head->tokens.target.shape[0] : 1;
        return ALIGN_E_NONE;
    }
    struct align__named named = {owner, "offsets", offsets};
    align_status status = align__check_tensor(&head->exec, named, ALIGN__SET_OFFSET);
    if (status != ALIGN_E_NONE)
        return status;
    if (head->tokens.target.ndim == 2)
        return ALIGN__FAIL(&head->exec, FIELD_UNREAD, .owner = owner, .field = "offsets",
                           .word = "a padded batch");
    const int64_t shape[] = {offsets->shape[0] > 1 ? offsets->shape[0] : 2};
    status = align__check_shape(&head->exec, named, 1, shape);
    if (status != ALIGN_E_NONE)
        return status;
    int64_t last = offsets->shape[0] - 1, low = 0;
    for (int64_t i = 0; i <= last; i++) {
        int64_t offset = *(const int64_t *)align__at(offsets, i, 0);
        int64_t least = i == last ? head->rows : low, most = i == 0 ? 0 : head->rows;
        if (offset < low || offset < least || offset > most)
            return ALIGN__FAIL(&head->exec, FIELD_BOUNDS, .owner = owner, .field = "offsets",
                               .axes = 1, .index = {i}, .value = (double)offset,
                               .low = (double)least, .high = (double)most);
        low = offset;
    }
    head->sequences = last;
    return ALIGN_E_NONE;
}

align_status align__head_check_tokens(struct align__head *head)
{
    const align_exec *exec = &head->exec;
    const align_tokens *tokens = &head->tokens;
    const align_tensor *target = &tokens->target;
    struct align__named named = {owner, "target", target};
    struct align__named mask = {owner, "mask", &tokens->mask};
    if (!align__present(target))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = owner, .field = "target",
                           .word = "a head");
    align_status status = align__check_tensor(exec, named, ALIGN__SET_INDEX);
    if (status != ALIGN_E_NONE)
        return status;
    if (target->ndim > 2)
        return ALIGN__FAIL(exec, TENSOR_NDIM, .owner = owner, .field = "target",
                           .value = target->ndim, .word = "1 or 2");
    head->rows = target->shape[0] * (target->ndim == 2 ? target->shape[1] : 1);
    head->length = target->ndim == 2 ? target->shape[1] : 0;
    status = align__check_tensor(exec, mask, ALIGN__SET_MASK);
    if (status == ALIGN_E_NONE)
        status = align__check_shape(exec, mask, target->ndim, target->shape);
    if (status == ALIGN_E_NONE)
        status = check_offsets(head);
    if (status == ALIGN_E_NONE && (tokens->shift < 0 || tokens->shift > 1))
        return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = owner, .field = "shift",
                           .value = tokens->shift, .low = 0, .high = 1);
    return status;
}

static align_status check_mask(const struct align__head *head)
{
    const align_tensor *mask = &head->tokens.mask;
    int64_t index[3] = {0};
    if (!align__present(mask) || mask->dtype != ALIGN_F32)
        return ALIGN_E_NONE;
    for (int64_t n = 0; n < head->rows; n++) {
        double weight = align__head_load(head, mask, n);
        if (weight >= 0 && !isinf(weight))
            continue;
        uint32_t axes = align__head_index(head, n, index);
        return ALIGN__FAIL(&head->exec, FIELD_VALUE, .owner = owner, .field = "mask", .axes = axes,
                           .index = {index[0], index[1]}, .value = weight,
                           .word = "a finite number of 0 or more");
    }
    return ALIGN_E_NONE;
}

align_status align__head_check_targets(const struct align__head *head)
{
    struct align__head_row rows[ALIGN__HEAD_BATCH];
    struct align__head_walk walk = align__head_start;
    int64_t index[3] = {0};
    align_status status = check_mask(head);
    if (status != ALIGN_E_NONE)
        return status;
    for (int64_t count; (count = align__head_next(head, &walk, rows, ALIGN__HEAD_BATCH)) > 0;)
        for (int64_t i = 0; i < count; i++) {
            if (rows[i].weight == 0 || (rows[i].target >= 0 && rows[i].target < head->total))
                continue;
            uint32_t axes = align__head_index(head, rows[i].index + head->tokens.shift, index);
            return ALIGN__FAIL(&head->exec, HEAD_TARGET, .owner = owner, .field = "target",
                               .axes = axes, .index = {index[0], index[1]},
                               .value = (double)rows[i].target, .low = (double)head->tokens.ignore,
                               .high = (double)(head->total - 1));
        }
    return ALIGN_E_NONE;
}
