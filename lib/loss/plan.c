#include "plan.h"

#include "../base/cpu.h"
#include "metrics.h"
#include "params.h"

#include <math.h>

#define OWNER "align_loss_args"

enum { ARGS_FIRST_SIZE = sizeof(align_loss_args) };

enum shape { LIKE_SCORE, PER_GROUP, ONE, PER_PARAM, PER_METRIC, SPECIAL };

struct field {
    const char *name;
    size_t offset;
    int set;
    enum shape shape;
    uint32_t bit; /* of what a row reads or writes; 0: every row */
};

#define INPUT(name, set, shape, bit)                                                               \
    {#name, offsetof(align_loss_args, name), ALIGN__SET_##set, shape, bit},
#define OUTPUT(name, set, shape, bit) INPUT(name, set, shape, bit)
static const struct field fields[ALIGN__FIELD_COUNT] = {
#include "fields.def"
};
#undef INPUT

/* Most calls give few of the fields, and small calls should not pay for the others: they go by sets of bits. */
static uint32_t fields_given(const align_loss_args *args)
{
    uint32_t set = 0;
#define INPUT(name, dtypes, shape, bit)                                                            \
    if (__builtin_expect(align__present(&args->name), 0))                                          \
        set |= UINT32_C(1) << ALIGN__FIELD_##name;
#include "fields.def"
#undef INPUT
    return set;
}

/* Those that stand for one of the bits of a row. */
static uint32_t fields_of(uint32_t bits)
{
    uint32_t set = 0;
#define INPUT(name, dtypes, shape, bit)                                                            \
    set |= (uint32_t)((bits & (bit)) != 0) << ALIGN__FIELD_##name;
#include "fields.def"
#undef INPUT
#undef OUTPUT
    return set;
}

const char *align__field_name(int field)
{
    return fields[field].name;
}

const align_tensor *align__field_tensor(const struct align__plan *plan, int field)
{
    const char *args = (const char *)plan->args;
    return (const align_tensor *)(args + fields[field].offset);
}

static inline struct align__named named(const struct align__plan *plan, int field)
{
    return (struct align__named){OWNER, fields[field].name, align__field_tensor(plan, field)};
}

/* What the row needs and reads with these parameters: count only where lengths are divided by, places only
 * where pairs are weighted by them. */
static void row_reads(const struct align__plan *plan, uint32_t *needs, uint32_t *reads)
{
    *needs = plan->row->needs;
    *reads = align__loss_reads(plan->row);
    if ((*reads & ALIGN_LOSS_READS_RANK) != 0 &&
        align__loss_has(plan->row, ALIGN__PARAM_PAIR_WEIGHT) &&
        plan->params.pair_weight == ALIGN_PAIR_WEIGHT_EVEN)
        *reads &= ~(uint32_t)ALIGN_LOSS_READS_RANK;
    if ((*reads & ALIGN_LOSS_READS_COUNT) == 0 || !align__loss_has(plan->row, ALIGN__PARAM_LENGTH))
        return;
    if (plan->params.length == ALIGN_LENGTH_MEAN)
        *needs |= ALIGN_LOSS_READS_COUNT;
    else if ((*needs & ALIGN_LOSS_READS_COUNT) == 0)
        *reads &= ~(uint32_t)ALIGN_LOSS_READS_COUNT;
}

static align_status check_field(const struct align__plan *plan, int i, uint32_t reads)
{
    const struct field *field = &fields[i];
    if ((plan->given >> i & 1) == 0)
        return ALIGN__FAIL(&plan->exec, FIELD_MISSING, .owner = OWNER, .field = field->name,
                           .word = plan->row->name);
    if (field->bit != 0 && (reads & field->bit) == 0)
        return ALIGN__FAIL(&plan->exec, FIELD_UNREAD, .owner = OWNER, .field = field->name,
                           .word = plan->row->name);
    return align__check_tensor(&plan->exec, named(plan, i), field->set);
}

static align_status check_fields(const struct align__plan *plan, uint32_t needs, uint32_t reads)
{
    align_status status = ALIGN_E_NONE;
    uint32_t left = plan->given | (needs != 0 ? fields_of(needs) : 0);
    for (int field; status == ALIGN_E_NONE && align__take_field(&left, &field);)
        status = check_field(plan, field, reads);
    return status;
}

/* Small calls should not pay for looking at each tensor several times. True when once is enough to see that no check of
 * tensors can fail; a no says nothing of what is wrong, or whether anything is. */
static bool glance(const struct align__plan *plan, uint32_t needs, uint32_t reads)
{
    const align_tensor *score = &plan->args->score;
    const int64_t one = 1;
    struct align__seen seen;
    uint32_t left = plan->given;
    seen.n = 0;
    if ((left & 1U << ALIGN__FIELD_score) == 0 || (needs != 0 && (fields_of(needs) & ~left) != 0))
        return false;
    for (int i; align__take_field(&left, &i);) {
        const struct field *field = &fields[i];
        const int64_t *shape = score->shape;
        int32_t ndim = 1;
        if (field->bit != 0 && (reads & field->bit) == 0)
            return false;
        if (field->shape == LIKE_SCORE || i == ALIGN__FIELD_score)
            ndim = score->ndim;
        else if (field->shape == ONE)
            shape = &one;
        else if (field->shape != PER_GROUP)
            return false;
        if (!align__glance(&seen, align__field_tensor(plan, i), field->set, ndim, shape,
                           i >= ALIGN__FIELD_OUTPUTS))
            return false;
    }
    return true;
}

static align_status bad_ndim(const struct align__plan *plan, const char *field,
                             const align_tensor *t, const char *word)
{
    return ALIGN__FAIL(&plan->exec, TENSOR_NDIM, .owner = OWNER, .field = field, .value = t->ndim,
                       .word = word);
}

static align_status bad_size(const struct align__plan *plan, const char *field,
                             const align_tensor *t, int axis, int64_t expected)
{
    return ALIGN__FAIL(&plan->exec, TENSOR_SIZE, .owner = OWNER, .field = field,
                       .value = (double)t->shape[axis], .low = axis, .high = (double)expected);
}

static align_status read_offsets(struct align__plan *plan)
{
    const align_tensor *t = &plan->args->offsets;
    int64_t before = 0;
    plan->width = 0;
    for (int64_t g = 0; g <= plan->groups; g++) {
        int64_t at = align__offset_at(t, g);
        if (at < before || at > plan->sequences)
            return ALIGN__FAIL(&plan->exec, FIELD_BOUNDS, .owner = OWNER, .field = "offsets",
                               .axes = 1, .index = {g}, .value = (double)at, .low = (double)before,
                               .high = (double)plan->sequences);
        if (g > 0 && at - before > plan->width)
            plan->width = at - before;
        before = at;
    }
    return ALIGN_E_NONE;
}

static align_status find_form(struct align__plan *plan)
{
    const align_loss_args *a = plan->args;
    const int32_t arity = plan->row->arity;
    if (!align__present(&a->score))
        return ALIGN__FAIL(&plan->exec, FIELD_MISSING, .owner = OWNER, .field = "score",
                           .word = plan->row->name);
    if (align__present(&a->offsets)) {
        plan->form = ALIGN__FORM_OFFSETS;
        if (align__present(&a->index))
            return ALIGN__FAIL(&plan->exec, FIELD_UNREAD, .owner = OWNER, .field = "index",
                               .word = "a call with offsets");
        if (a->score.ndim != 1)
            return bad_ndim(plan, "score", &a->score, "1, with offsets");
        if (a->offsets.ndim != 1)
            return bad_ndim(plan, "offsets", &a->offsets, "1");
        if (a->offsets.shape[0] < 1)
            return bad_size(plan, "offsets", &a->offsets, 0, 1);
        plan->sequences = a->score.shape[0];
        plan->groups = a->offsets.shape[0] - 1;
        return read_offsets(plan);
    }
    const bool indexed = align__present(&a->index);
    const align_tensor *shape = indexed ? &a->index : &a->score;
    const char *field = indexed ? "index" : "score";
    plan->form = indexed ? ALIGN__FORM_INDEX : ALIGN__FORM_VIEW;
    if (indexed && a->score.ndim != 1)
        return bad_ndim(plan, "score", &a->score, "1, with index");
    if (shape->ndim != 2 && !(shape->ndim == 1 && arity == ALIGN_LOSS_SINGLE))
        return bad_ndim(plan, field, shape, arity == ALIGN_LOSS_SINGLE ? "1 or 2" : "2");
    plan->groups = shape->shape[0];
    plan->width = shape->ndim == 2 ? shape->shape[1] : 1;
    plan->sequences = indexed ? a->score.shape[0] : 0;
    if (arity != ALIGN_LOSS_LIST && plan->width != arity)
        return bad_size(plan, field, shape, 1, arity);
    return ALIGN_E_NONE;
}

static align_status check_shape(const struct align__plan *plan, int field)
{
    const align_tensor *score = &plan->args->score;
    int64_t shape[2] = {1, 2};
    switch (fields[field].shape) {
    case LIKE_SCORE:
        return align__check_shape(&plan->exec, named(plan, field), score->ndim, score->shape);
    case PER_GROUP:
        shape[0] = plan->groups;
        break;
    case PER_PARAM:
        shape[0] = align__loss_n_params(plan->row);
        break;
    case PER_METRIC:
        shape[0] = align__metrics_of(plan->row)->count;
        break;
    case SPECIAL:
        return ALIGN_E_NONE;
    case ONE:
        break;
    }
    return align__check_shape(&plan->exec, named(plan, field),
                              fields[field].shape == PER_METRIC ? 2 : 1, shape);
}

static align_status check_shapes(const struct align__plan *plan)
{
    align_status status = ALIGN_E_NONE;
    uint32_t left = plan->given;
    for (int field; status == ALIGN_E_NONE && align__take_field(&left, &field);)
        status = check_shape(plan, field);
    return status;
}

static align_status check_mask_shape(struct align__plan *plan)
{
    const align_tensor *mask = &plan->args->mask, *score = &plan->args->score;
    if (!align__present(mask))
        return ALIGN_E_NONE;
    bool group = mask->ndim == 1 && mask->shape[0] == plan->groups;
    bool item = mask->ndim == score->ndim && mask->shape[0] == score->shape[0] &&
                (mask->ndim == 1 || mask->shape[1] == score->shape[1]);
    if (!group && !item) {
        if (mask->ndim != score->ndim && mask->ndim != 1)
            return bad_ndim(plan, "mask", mask, score->ndim == 1 ? "1" : "1 or 2");
        int axis = mask->ndim == 2 && mask->shape[0] == score->shape[0];
        return bad_size(plan, "mask", mask, axis, score->shape[axis]);
    }
    plan->mask_is_group = group && !(item && plan->form == ALIGN__FORM_OFFSETS);
    return ALIGN_E_NONE;
}

/* Places belong to an item of one list, and to one order of it. */
static align_status check_rank(const struct align__plan *plan)
{
    const align_loss_args *a = plan->args;
    const align_loss_params *p = &plan->params;
    const bool in = align__present(&a->rank), out = align__present(&a->rank_out);
    const bool moving = in && (p->near_scores != 0 || p->rescale != ALIGN_RESCALE_NONE);
    const char *word = plan->form == ALIGN__FORM_INDEX              ? "a call with index"
                       : p->score_ties == ALIGN_SCORE_TIES_EXPECTED ? "an expectation over orders"
                       : moving ? "a weight that moves with the scores"
                                : NULL;
    if (word == NULL || !(in || out))
        return ALIGN_E_NONE;
    return ALIGN__FAIL(&plan->exec, FIELD_UNREAD, .owner = OWNER, .field = in ? "rank" : "rank_out",
                       .word = word);
}

/* All that is asked of tensors but that outputs are apart, which a glance sees too. */
static align_status check_tensors(struct align__plan *plan)
{
    uint32_t needs, reads;
    row_reads(plan, &needs, &reads);
    plan->given = fields_given(plan->args);
    plan->glanced = glance(plan, needs, reads);
    align_status status = plan->glanced ? ALIGN_E_NONE : check_fields(plan, needs, reads);
    if (status == ALIGN_E_NONE)
        status = find_form(plan);
    if (status == ALIGN_E_NONE && !plan->glanced)
        status = check_shapes(plan);
    if (status == ALIGN_E_NONE && !plan->glanced)
        status = check_mask_shape(plan);
    if (status == ALIGN_E_NONE)
        status = check_rank(plan);
    return status;
}

align_status align__plan_shapes(struct align__plan *plan, const align_exec *exec,
                                const align_loss_args *args)
{
    const void *seen = NULL;
    plan->twin[0] = plan->twin[1] = NULL;
    align_status status = align__enter(&plan->exec, exec);
    plan->early = false;
    if (status == ALIGN_E_NONE)
        status = align__see(&plan->exec, OWNER, &seen, &plan->copy, sizeof plan->copy,
                            ARGS_FIRST_SIZE, args);
    if (status != ALIGN_E_NONE)
        return status;
    plan->args = seen;
    const uint64_t cpu = align__cpu_allowed(&plan->exec);
    plan->row = align__loss_row_for(plan->args->loss, cpu);
    if (plan->row == NULL)
        return ALIGN__FAIL(&plan->exec, FIELD_BOUNDS, .owner = OWNER, .field = "loss",
                           .value = plan->args->loss, .low = 1, .high = align_loss_count());
    if ((plan->args->flags & ~(uint32_t)ALIGN_LOSS_ADD) != 0)
        return ALIGN__FAIL(&plan->exec, FLAG_UNKNOWN, .owner = OWNER, .field = "flags",
                           .value = plan->args->flags, .word = "align_loss_eval");
    status = align__loss_params(&plan->exec, plan->row, plan->args->loss, &plan->params,
                                plan->args->params);
    if (status == ALIGN_E_NONE)
        status = check_tensors(plan);
    if (status != ALIGN_E_NONE)
        return status;
    plan->f64 = align__f64_for(cpu,
                               plan->row->arity == ALIGN_LOSS_LIST ? plan->width : plan->groups);
    plan->may_miss = align__present(&plan->args->mask) || plan->form != ALIGN__FORM_VIEW;
    return status;
}

static bool is_masked(const struct align__plan *plan, int64_t i, int64_t j)
{
    return align__load(plan->args->mask.dtype, align__at(&plan->args->mask, i, j)) == 0;
}

bool align__find(const struct align__plan *plan, int64_t g, int64_t k, struct align__place *place)
{
    *place = (struct align__place){g, k};
    if (plan->form == ALIGN__FORM_INDEX) {
        const align_tensor *index = &plan->args->index;
        *place = (struct align__place){(int64_t)align__load(index->dtype, align__at(index, g, k)),
                                       0};
        if (place->i < 0)
            return false;
    } else if (plan->form == ALIGN__FORM_OFFSETS) {
        *place = (struct align__place){align__offset_at(&plan->args->offsets, g) + k, 0};
    }
    if (!align__present(&plan->args->mask) || plan->mask_is_group)
        return true;
    return !is_masked(plan, place->i, place->j);
}

bool align__is_live(const struct align__plan *plan, int64_t g)
{
    if (!plan->may_miss)
        return plan->width > 0;
    if (align__present(&plan->args->mask) && plan->mask_is_group && is_masked(plan, g, 0))
        return false;
    const bool all = plan->row->arity != ALIGN_LOSS_LIST;
    struct align__place place;
    for (int64_t k = 0, n = align__items(plan, g); k < n; k++)
        if (align__find(plan, g, k, &place) != all)
            return !all;
    return all;
}
