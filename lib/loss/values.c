/* Checks that read data: everything that is looked at before the first write. */
#include "plan.h"

#include "../base/cpu.h"

#include <math.h>

#define OWNER "align_loss_args"

static align_status check_index(const struct align__plan *plan)
{
    const align_tensor *index = &plan->args->index;
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
    const align_tensor *mask = &plan->args->mask;
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

/* What numbers must be; those of a label are the row's. */
static const struct {
    double least, most;
} limits[ALIGN__FIELD_COUNT] = {
    [ALIGN__FIELD_score] = {-ALIGN__ANY, ALIGN__ANY},
    [ALIGN__FIELD_ref] = {-ALIGN__ANY, ALIGN__ANY},
    [ALIGN__FIELD_old] = {-ALIGN__ANY, ALIGN__ANY},
    [ALIGN__FIELD_aux] = {-ALIGN__ANY, ALIGN__ANY},
    [ALIGN__FIELD_count] = {0, ALIGN__ANY},
    [ALIGN__FIELD_rank] = {1, 0x1p53},
    [ALIGN__FIELD_prob] = {0, 1},
    [ALIGN__FIELD_weight] = {0, ALIGN__ANY},
    [ALIGN__FIELD_offset] = {-ALIGN__ANY, ALIGN__ANY},
};

#define BIT(name) (UINT32_C(1) << ALIGN__FIELD_##name)
static const uint32_t by_group = BIT(prob) | BIT(weight) | BIT(offset);
static const uint32_t by_item = BIT(count) | BIT(label) | BIT(rank);
static const uint32_t free_numbers = BIT(score) | BIT(ref) | BIT(old) | BIT(aux);

/* Lists the checks on numbers of these fields. */
static int ranges_of(const struct align__plan *plan, uint32_t set, struct range *ranges)
{
    int n = 0;
    for (int field; align__take_field(&set, &field); n++) {
        const bool label = field == ALIGN__FIELD_label;
        ranges[n] = (struct range){.field = align__field_name(field),
                                   .tensor = align__field_tensor(plan, field),
                                   .least = label ? plan->row->label_least : limits[field].least,
                                   .most = label ? plan->row->label_most : limits[field].most,
                                   .finite_flag = (free_numbers >> field & 1) != 0};
    }
    return n;
}

static int ranges_of_items(const struct align__plan *plan, struct range *ranges)
{
    const bool finite = (plan->exec.flags & ALIGN_FLAG_FINITE) != 0;
    uint32_t set = plan->given & (finite ? by_item | free_numbers : by_item);
    if (plan->early)
        set &= BIT(label);
    int n = ranges_of(plan, set, ranges);
    if (plan->row->log_probs)
        ranges[n++] = (struct range){"score", &plan->args->score, -INFINITY, 0, .nan_passes = true};
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
        if (t->ndim > 1 && t->stride[1] == 1 && t->stride[0] == inner) {
            if (!all_within(f64, &ranges[r], align__at(t, 0, 0), 1, t->shape[0] * inner))
                return false;
        } else if (t->shape[0] < inner) {
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
    const bool finite = (plan->exec.flags & ALIGN_FLAG_FINITE) != 0;
    plan->live = plan->width > 0 ? plan->groups : 0;
    if (!plan->may_miss && !plan->row->log_probs &&
        (plan->given & (by_group | by_item | (finite ? free_numbers : 0U))) == 0)
        return ALIGN_E_NONE;
    const int n_items = ranges_of_items(plan, items),
              n_groups = ranges_of(plan, plan->given & by_group, groups);
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
    const align_loss_args *a = plan->args;
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
    int n = 0, inputs = 0;
    uint32_t left = plan->given;
    if (left >> ALIGN__FIELD_OUTPUTS == 0)
        return ALIGN__FAIL(&plan->exec, FIELD_MISSING, .owner = OWNER, .field = "value",
                           .word = "a call without any other output");
    if (plan->glanced)
        return ALIGN_E_NONE;
    for (int field; align__take_field(&left, &field); n++) {
        given[n].owner = OWNER;
        given[n].field = align__field_name(field);
        given[n].tensor = align__field_tensor(plan, field);
        inputs += field < ALIGN__FIELD_OUTPUTS;
    }
    align_status status = ALIGN_E_NONE;
    for (int i = inputs; i < n && status == ALIGN_E_NONE; i++)
        status = align__check_output(&plan->exec, given[i], given, n);
    return status;
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
    double denom = plan->args->denom != 0 ? plan->args->denom : (double)plan->live;
    plan->factor = plan->live > 0 ? plan->args->scale / denom : 0;
    return ALIGN_E_NONE;
}
