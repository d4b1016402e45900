#include "plan.h"

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

#define FIELD(name, set, shape, bit)                                                               \
    {                                                                                              \
#        name, offsetof(align_loss_args, name), ALIGN__SET_##set, shape, bit                       \
    }

static const struct field inputs[] = {
    FIELD(score, REAL, SPECIAL, 0),
    FIELD(ref, REAL, LIKE_SCORE, ALIGN_LOSS_READS_REF),
    FIELD(old, REAL, LIKE_SCORE, ALIGN_LOSS_READS_OLD),
    FIELD(count, COUNT, LIKE_SCORE, ALIGN_LOSS_READS_COUNT),
    FIELD(aux, REAL, LIKE_SCORE, ALIGN_LOSS_READS_AUX),
    FIELD(label, REAL, LIKE_SCORE, ALIGN_LOSS_READS_LABEL),
    FIELD(rank, COUNT, LIKE_SCORE, ALIGN_LOSS_READS_RANK),
    FIELD(index, INDEX, SPECIAL, 0),
    FIELD(offsets, OFFSET, SPECIAL, ALIGN_LOSS_READS_OFFSETS),
    FIELD(prob, REAL, PER_GROUP, ALIGN_LOSS_READS_PROB),
    FIELD(weight, REAL, PER_GROUP, ALIGN_LOSS_READS_WEIGHT),
    FIELD(offset, REAL, PER_GROUP, ALIGN_LOSS_READS_OFFSET),
    FIELD(mask, MASK, SPECIAL, 0),
};

static const struct field outputs[] = {
    FIELD(value, F64, ONE, 0),
    FIELD(group_value, REAL, PER_GROUP, 0),
    FIELD(dscore, REAL, LIKE_SCORE, 0),
    FIELD(daux, REAL, LIKE_SCORE, ALIGN_LOSS_WRITES_DAUX),
    FIELD(dparam, F64, PER_PARAM, ALIGN_LOSS_WRITES_DPARAM),
    FIELD(hscore, REAL, LIKE_SCORE, ALIGN_LOSS_WRITES_HSCORE),
    FIELD(rank_out, COUNT, LIKE_SCORE, ALIGN_LOSS_READS_RANK),
    FIELD(metrics, F64, PER_METRIC, 0),
};

enum {
    N_INPUTS = sizeof inputs / sizeof inputs[0],
    N_OUTPUTS = sizeof outputs / sizeof outputs[0]
};

static const align_tensor *tensor_of(const struct align__plan *plan, const struct field *field)
{
    return (const align_tensor *)((const char *)&plan->args + field->offset);
}

static struct align__named named(const struct align__plan *plan, const struct field *field)
{
    return (struct align__named){OWNER, field->name, tensor_of(plan, field)};
}

/* What the row needs and reads with these parameters: count only where lengths are divided by, places only
 * where pairs are weighted by them. */
static void row_reads(const struct align__plan *plan, uint32_t *needs, uint32_t *reads)
{
    *needs = plan->row->needs;
    *reads = align__loss_reads(plan->row);
    if (align__loss_has(plan->row, ALIGN__PARAM_PAIR_WEIGHT) &&
        plan->params.pair_weight == ALIGN_PAIR_WEIGHT_EVEN)
        *reads &= ~(uint32_t)ALIGN_LOSS_READS_RANK;
    if (!align__loss_has(plan->row, ALIGN__PARAM_LENGTH))
        return;
    if (plan->params.length == ALIGN_LENGTH_MEAN)
        *needs |= ALIGN_LOSS_READS_COUNT;
    else if ((*needs & ALIGN_LOSS_READS_COUNT) == 0)
        *reads &= ~(uint32_t)ALIGN_LOSS_READS_COUNT;
}

static bool is_given(const struct align__plan *plan, const struct field *field)
{
    return align__present(tensor_of(plan, field));
}

static align_status check_field(const struct align__plan *plan, const struct field *field,
                                uint32_t reads)
{
    if (!is_given(plan, field))
        return ALIGN__FAIL(&plan->exec, FIELD_MISSING, .owner = OWNER, .field = field->name,
                           .word = plan->row->name);
    if (field->bit != 0 && (reads & field->bit) == 0)
        return ALIGN__FAIL(&plan->exec, FIELD_UNREAD, .owner = OWNER, .field = field->name,
                           .word = plan->row->name);
    return align__check_tensor(&plan->exec, named(plan, field), field->set);
}

/* Most calls give few of the fields, and small calls should not pay for the others: what is given is listed. */
struct given {
    const struct field *fields[N_INPUTS + N_OUTPUTS];
    int n;
};

static align_status check_fields(const struct align__plan *plan, struct given *given)
{
    uint32_t needs, reads;
    row_reads(plan, &needs, &reads);
    given->n = 0;
    for (int i = 0; i < N_INPUTS + N_OUTPUTS; i++) {
        const struct field *field = i < N_INPUTS ? &inputs[i] : &outputs[i - N_INPUTS];
        if (!is_given(plan, field) && (needs & field->bit) == 0)
            continue;
        align_status status = check_field(plan, field, reads);
        if (status != ALIGN_E_NONE)
            return status;
        given->fields[given->n++] = field;
    }
    return ALIGN_E_NONE;
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
    const align_tensor *t = &plan->args.offsets;
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
    const align_loss_args *a = &plan->args;
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

static align_status check_shape(const struct align__plan *plan, const struct field *field)
{
    const align_tensor *score = &plan->args.score;
    int64_t shape[2] = {1, 2};
    switch (field->shape) {
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
    return align__check_shape(&plan->exec, named(plan, field), field->shape == PER_METRIC ? 2 : 1,
                              shape);
}

static align_status check_mask_shape(struct align__plan *plan)
{
    const align_tensor *mask = &plan->args.mask, *score = &plan->args.score;
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
    const align_loss_args *a = &plan->args;
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

align_status align__plan_shapes(struct align__plan *plan, const align_exec *exec,
                                const align_loss_args *args)
{
    struct given given;
    plan->twin[0] = plan->twin[1] = NULL;
    align_status status = align__enter(&plan->exec, exec);
    plan->early = false;
    if (status == ALIGN_E_NONE)
        status = align__import(&plan->exec, OWNER, &plan->args, sizeof plan->args, ARGS_FIRST_SIZE,
                               args);
    if (status != ALIGN_E_NONE)
        return status;
    plan->row = align__loss_row(plan->args.loss);
    if (plan->row == NULL)
        return ALIGN__FAIL(&plan->exec, FIELD_BOUNDS, .owner = OWNER, .field = "loss",
                           .value = plan->args.loss, .low = 1, .high = align_loss_count());
    if ((plan->args.flags & ~(uint32_t)ALIGN_LOSS_ADD) != 0)
        return ALIGN__FAIL(&plan->exec, FLAG_UNKNOWN, .owner = OWNER, .field = "flags",
                           .value = plan->args.flags, .word = "align_loss_eval");
    status = align__loss_params(&plan->exec, plan->row, plan->args.loss, &plan->params,
                                plan->args.params);
    if (status == ALIGN_E_NONE)
        status = check_fields(plan, &given);
    if (status == ALIGN_E_NONE)
        status = find_form(plan);
    for (int i = 0; status == ALIGN_E_NONE && i < given.n; i++)
        status = check_shape(plan, given.fields[i]);
    if (status == ALIGN_E_NONE)
        status = check_mask_shape(plan);
    if (status == ALIGN_E_NONE)
        status = check_rank(plan);
    plan->may_miss = align__present(&plan->args.mask) || plan->form != ALIGN__FORM_VIEW;
    return status;
}

static bool is_masked(const struct align__plan *plan, int64_t i, int64_t j)
{
    return align__load(plan->args.mask.dtype, align__at(&plan->args.mask, i, j)) == 0;
}

bool align__find(const struct align__plan *plan, int64_t g, int64_t k, struct align__place *place)
{
    *place = (struct align__place){g, k};
    if (plan->form == ALIGN__FORM_INDEX) {
        const align_tensor *index = &plan->args.index;
        *place = (struct align__place){(int64_t)align__load(index->dtype, align__at(index, g, k)),
                                       0};
        if (place->i < 0)
            return false;
    } else if (plan->form == ALIGN__FORM_OFFSETS) {
        *place = (struct align__place){align__offset_at(&plan->args.offsets, g) + k, 0};
    }
    if (!align__present(&plan->args.mask) || plan->mask_is_group)
        return true;
    return !is_masked(plan, place->i, place->j);
}

bool align__is_live(const struct align__plan *plan, int64_t g)
{
    if (!plan->may_miss)
        return plan->width > 0;
    if (align__present(&plan->args.mask) && plan->mask_is_group && is_masked(plan, g, 0))
        return false;
    const bool all = plan->row->arity != ALIGN_LOSS_LIST;
    struct align__place place;
    for (int64_t k = 0, n = align__items(plan, g); k < n; k++)
        if (align__find(plan, g, k, &place) != all)
            return !all;
    return all;
}
