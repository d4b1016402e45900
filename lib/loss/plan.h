/* A call after its checks: what the arguments mean, and where items are. */
#ifndef ALIGN__LOSS_PLAN_H
#define ALIGN__LOSS_PLAN_H

#include "../base/exec.h"
#include "../base/tensor.h"
#include "row.h"

/* Tensors of align_loss_args, inputs first. */
enum align__field {
#define INPUT(name, set, shape, bit)  ALIGN__FIELD_##name,
#define OUTPUT(name, set, shape, bit) ALIGN__FIELD_##name,
#include "fields.def"
#undef INPUT
#undef OUTPUT
    ALIGN__FIELD_COUNT,
    ALIGN__FIELD_OUTPUTS = ALIGN__FIELD_value
};

enum align__form { ALIGN__FORM_VIEW, ALIGN__FORM_INDEX, ALIGN__FORM_OFFSETS };

struct align__plan {
    align_exec exec;
    const align_loss_args *args; /* the caller's, or a copy of a shorter one */
    align_loss_args copy;
    align_loss_params params;
    const struct align__loss_row *row;
    const struct align__f64 *f64;
    uint32_t given; /* bit i: field i is there */
    bool glanced;   /* all tensors are known to be right, each by itself and beside the others */
    enum align__form form;
    int64_t groups, sequences; /* sequences: 0 in the view form */
    int64_t width;             /* items of a group, of the longest with offsets */
    bool mask_is_group;        /* mask [G] */
    bool may_miss;             /* some item may be absent */
    bool early;                /* score, ref, old, aux and count are still to be written */
    int64_t live;              /* groups */
    double factor;             /* scale / denom */
    const double *twin[2];     /* [G] each, in rows that couple */
};

/* Imports and checks everything that does not depend on data, but for offsets. */
align_status align__plan_shapes(struct align__plan *plan, const align_exec *exec,
                                const align_loss_args *args);

/* Outputs, and every number that is checked before the first write; counts the live groups. */
align_status align__plan_values(struct align__plan *plan);

/* The part of it that looks at inputs alone. */
align_status align__plan_inputs(struct align__plan *plan);

static inline bool align__given(const struct align__plan *plan, enum align__field field)
{
    return (plan->given >> field & 1) != 0;
}

/* Takes the first field from a set of bits; false when there is none. */
static inline bool align__take_field(uint32_t *set, int *field)
{
    if (*set == 0)
        return false;
    *field = __builtin_ctz(*set);
    *set &= *set - 1;
    return true;
}

/* The name and the tensor of a field. */
const char *align__field_name(int field);
const align_tensor *align__field_tensor(const struct align__plan *plan, int field);

/* Where an item is in tensors that are like score. */
struct align__place {
    int64_t i, j;
};

static inline int64_t align__offset_at(const align_tensor *offsets, int64_t g)
{
    return *(const int64_t *)align__at(offsets, g, 0);
}

/* How many items, present or not, group g has. */
static inline int64_t align__items(const struct align__plan *plan, int64_t g)
{
    if (plan->form != ALIGN__FORM_OFFSETS)
        return plan->width;
    return align__offset_at(&plan->args->offsets, g + 1) -
           align__offset_at(&plan->args->offsets, g);
}

/* Finds item k of group g; false when it is absent. */
bool align__find(const struct align__plan *plan, int64_t g, int64_t k, struct align__place *place);

/* True when group g takes part. */
bool align__is_live(const struct align__plan *plan, int64_t g);

#endif
