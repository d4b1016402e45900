/* Checks that read data: everything that is looked at before the first write. */
#include "plan.h"

#include "../base/cpu.h"
#include "metrics.h"

#include <math.h>

#define OWNER "align_loss_args"

static align_status check_index(const struct align__plan *plan)
{
    const align_tensor *index = &plan->args.index;
    if (plan->form != ALIGN__FORM_INDEX)
        return ALIGN_E_NONE;
    for (int64_t g = 0; g < plan->groups; g++)
        for (int64_t k = 0; k < plan->width; k++) {
            double at = align__load(index->dtype, align__at(index, g, k));
            if (at >= (double)plan->sequences)
                return ALIGN__FAIL(&plan->exec, FIELD_BOUNDS, .owner = OWNER, .field = "index",
                                   .axes = (uint32_t)index->ndim, .index = {g, k}, .value = at,
                                   .low = 0, .high = (double)(plan->sequences - 1));
        }
    return ALIGN_E_NONE;
}

static align_status check_mask(const struct align__plan *plan)
{
    const align_tensor *mask = &plan->args.mask;
    if (!align__present(mask))
        return ALIGN_E_NONE;
    const int64_t inner = mask->ndim > 1 ? mask->shape[1] : 1;
    for (int64_t i = 0; i < mask->shape[0]; i++)
        for (int64_t j = 0; j < inner; j++) {
            double x = align__load(mask->dtype, align__at(mask, i, j));
            if (x != 0 && x != 1)
                return ALIGN__FAIL(&plan->exec, FIELD_VALUE, .owner = OWNER, .field = "mask",
                                   .axes = (uint32_t)mask->ndim, .index = {i, j}, .value = x,
                                   .word = "0 or 1");
        }
    return ALIGN_E_NONE;
}

struct range {
    const char *field;
    const align_tensor *tensor;
    double least, most;
    bool finite_flag; /* only because ALIGN_FLAG_FINITE is set */
    bool nan_passes;
};

static align_status check_number(const struct align__plan *plan, const struct range *range,
                                 struct align__place at)
{
    double x = align__load(range->tensor->dtype, align__at(range->tensor, at.i, at.j));
    if ((x >= range->least && x <= range->most) || (range->nan_passes && x != x))
        return ALIGN_E_NONE;
    struct align__fault fault = {.site = ALIGN__SITE_FIELD_BOUNDS,
                                 .owner = OWNER,
                                 .field = range->field,
                                 .axes = (uint32_t)range->tensor->ndim,
                                 .index = {at.i, at.j},
                                 .value = x,
                                 .low = range->least,
                                 .high = range->most};
    if (range->finite_flag)
        fault.site = ALIGN__SITE_NOT_FINITE;
    else if (range->most == ALIGN__ANY) {
        fault.site = ALIGN__SITE_FIELD_VALUE;
        fault.word = range->least == 0 ? "a finite number of 0 or more" : "a finite number";
    }
    return align__fail(&plan->exec, &fault);
}

/* Lists the checks on numbers per item and per group that these arguments call for. */
static int ranges_of_items(const struct align__plan *plan, struct range *ranges)
{
    const align_loss_args *a = &plan->args;
    const bool finite = (plan->exec.flags & ALIGN_FLAG_FINITE) != 0;
    const struct range all[] = {
        {"score", &a->score, -ALIGN__ANY, ALIGN__ANY, true, false},
        {"ref", &a->ref, -ALIGN__ANY, ALIGN__ANY, true, false},
        {"old", &a->old, -ALIGN__ANY, ALIGN__ANY, true, false},
        {"aux", &a->aux, -ALIGN__ANY, ALIGN__ANY, true, false},
        {"count", &a->count, 0, ALIGN__ANY, false, false},
        {"label", &a->label, plan->row->label_least, plan->row->label_most, false, false},
        {"rank", &a->rank, 1, 0x1p53, false, false},
    };
    int n = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (align__present(all[i].tensor) && (finite || !all[i].finite_flag) &&
            !(plan->early && all[i].tensor != &a->label))
            ranges[n++] = all[i];
    if (plan->row->log_probs)
        ranges[n++] = (struct range){"score", &a->score, -INFINITY, 0, .nan_passes = true};
    return n;
}

static int ranges_of_groups(const struct align__plan *plan, struct range *ranges)
{
    const align_loss_args *a = &plan->args;
    const struct range all[] = {
        {"prob", &a->prob, 0, 1, false, false},
        {"weight", &a->weight, 0, ALIGN__ANY, false, false},
        {"offset", &a->offset, -ALIGN__ANY, ALIGN__ANY, false, false},
    };
    int n = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (align__present(all[i].tensor))
            ranges[n++] = all[i];
    return n;
}

static align_status check_group(const struct align__plan *plan, int64_t g,
                                const struct range *items, int n_items, const struct range *groups,
                                int n_groups)
{
    align_status status = ALIGN_E_NONE;
    for (int r = 0; r < n_groups && status == ALIGN_E_NONE; r++)
        status = check_number(plan, &groups[r], (struct align__place){g, 0});
    struct align__place place;
    for (int64_t k = 0, n = n_items > 0 ? align__items(plan, g) : 0; k < n; k++)
        if (align__find(plan, g, k, &place))
            for (int r = 0; r < n_items && status == ALIGN_E_NONE; r++)
                status = check_number(plan, &items[r], place);
    return status;
}

/* n numbers, `stride` apart: are all in range? NaN is not. */
static bool all_within(const struct align__f64 *f64, const struct range *range, const void *at,
                       int64_t stride, int64_t n)
{
    double x[ALIGN__BLOCK];
    const align_dtype dtype = range->tensor->dtype;
    for (int64_t i = 0; i < n; i += ALIGN__BLOCK) {
        const int64_t part = n - i < ALIGN__BLOCK ? n - i : ALIGN__BLOCK;
        const void *from = (const char *)at + i * stride * align__bytes(dtype);
        if (dtype == ALIGN_F32)
            f64->widen(x, from, stride, part);
        else
            align__load_row(x, dtype, from, stride, part);
        if (!f64->within(x, range->least, range->most, part))
            return false;
    }
    return true;
}

/* Whole tensors along their longer axis, where no element is absent. A no says nothing of where. */
static bool are_all_within(const struct align__plan *plan, const struct range *ranges, int n)
{
    const struct align__f64 *f64 = align__f64(align__cpu_allowed(&plan->exec));
    for (int r = 0; r < n; r++) {
        const align_tensor *t = ranges[r].tensor;
        const int64_t inner = t->ndim > 1 ? t->shape[1] : 1;
        if (t->shape[0] < inner) {
            for (int64_t i = 0; i < t->shape[0]; i++)
                if (!all_within(f64, &ranges[r], align__at(t, i, 0), t->stride[1], inner))
                    return false;
        } else {
            for (int64_t j = 0; j < inner; j++)
                if (!all_within(f64, &ranges[r], align__at(t, 0, j), t->stride[0], t->shape[0]))
                    return false;
        }
    }
    return true;
}

static align_status check_numbers(struct align__plan *plan)
{
    struct range items[8], groups[3];
    const int n_items = ranges_of_items(plan, items), n_groups = ranges_of_groups(plan, groups);
    plan->live = plan->width > 0 ? plan->groups : 0;
    if (n_items + n_groups == 0 && !plan->may_miss)
        return ALIGN_E_NONE;
    if (!plan->may_miss && are_all_within(plan, items, n_items) &&
        are_all_within(plan, groups, n_groups))
        return ALIGN_E_NONE;
    plan->live = 0;
    for (int64_t g = 0; g < plan->groups; g++) {
        if (!align__is_live(plan, g))
            continue;
        plan->live++;
        align_status status = check_group(plan, g, items, n_items, groups, n_groups);
        if (status != ALIGN_E_NONE)
            return status;
    }
    return ALIGN_E_NONE;
}

static align_status check_factor(struct align__plan *plan)
{
    const align_loss_args *a = &plan->args;
    if (!(a->denom >= 0 && a->denom <= ALIGN__ANY))
        return ALIGN__FAIL(&plan->exec, FIELD_VALUE, .owner = OWNER, .field = "denom",
                           .value = a->denom, .word = "a finite number of 0 or more");
    if (!(fabs(a->scale) <= ALIGN__ANY))
        return ALIGN__FAIL(&plan->exec, FIELD_VALUE, .owner = OWNER, .field = "scale",
                           .value = a->scale, .word = "a finite number");
    return ALIGN_E_NONE;
}

static align_status check_outputs(const struct align__plan *plan)
{
    struct align__named given[ALIGN__FIELD_COUNT];
    int outputs, n = align__plan_given(plan, given, &outputs);
    const bool apart = align__are_apart(given, n, outputs);
    for (int i = n - outputs; i < n && !apart; i++) {
        align_status status = align__check_output(&plan->exec, given[i], given, n);
        if (status != ALIGN_E_NONE)
            return status;
    }
    if (outputs > 0)
        return ALIGN_E_NONE;
    return ALIGN__FAIL(&plan->exec, FIELD_MISSING, .owner = OWNER, .field = "value",
                       .word = "a call without any other output");
}

align_status align__plan_inputs(struct align__plan *plan)
{
    align_status status = check_index(plan);
    if (status == ALIGN_E_NONE)
        status = check_mask(plan);
    if (status == ALIGN_E_NONE)
        status = check_numbers(plan);
    return status;
}

align_status align__plan_values(struct align__plan *plan)
{
    align_status status = check_factor(plan);
    if (status == ALIGN_E_NONE)
        status = check_outputs(plan);
    if (status == ALIGN_E_NONE)
        status = align__plan_inputs(plan);
    if (status != ALIGN_E_NONE)
        return status;
    double denom = plan->args.denom != 0 ? plan->args.denom : (double)plan->live;
    plan->factor = plan->live > 0 ? plan->args.scale / denom : 0;
    return ALIGN_E_NONE;
}
