#include "groups.h"

#include <math.h>
#include <string.h>

static const char owner[] = "align_norm_groups_args";

void align_norm_groups_args_init(align_norm_groups_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

void align__groups_range(const struct align__groups *g, int64_t i, int64_t *first, int64_t *n)
{
    const align_tensor *offsets = &g->args.offsets;
    if (!align__present(offsets)) {
        *n = g->args.reward.shape[1];
        *first = i * *n;
        return;
    }
    *first = (int64_t)align__load(ALIGN_I64, align__at(offsets, i, 0));
    *n = (int64_t)align__load(ALIGN_I64, align__at(offsets, i + 1, 0)) - *first;
}

double align__groups_weight(const struct align__groups *g, int64_t model)
{
    const align_tensor *weight = &g->args.weight;
    return align__present(weight) ? align__load(weight->dtype, align__at(weight, model, 0)) : 1;
}

/* The tensor without its last axis. */
static align_tensor without_models(align_tensor t)
{
    t.ndim--;
    return t;
}

void align__groups_index(const struct align__groups *g, int64_t at, struct align__fault *fault)
{
    align_tensor t = g->args.reward;
    bool several = t.ndim > (align__present(&g->args.offsets) ? 1 : 2);
    align_tensor answers = several ? without_models(t) : t;
    align__run_index(&answers, at, fault);
}

static align_status check_shapes(const align_exec *exec, struct align__groups *g)
{
    align_norm_groups_args *a = &g->args;
    const struct align__named reward = {owner, "reward", &a->reward};
    bool ragged = align__present(&a->offsets);
    int32_t ndim = ragged ? 1 : 2;
    if (!align__present(&a->reward) || !align__present(&a->out))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = owner,
                           .field = align__present(&a->reward) ? "out" : "reward",
                           .word = "align_norm_groups");
    align_status status = align__check_tensor(exec, reward, ALIGN__SET_REAL);
    if (status != ALIGN_E_NONE)
        return status;
    if (a->reward.ndim != ndim && a->reward.ndim != ndim + 1)
        return ALIGN__FAIL(exec, TENSOR_NDIM, .owner = owner, .field = "reward",
                           .value = a->reward.ndim,
                           .word = ragged ? "1, or 2 with several reward models"
                                          : "2, or 3 with several reward models");
    g->models = a->reward.ndim > ndim ? a->reward.shape[ndim] : 1;
    g->groups = ragged ? 0 : a->reward.shape[0];
    g->largest = ragged ? 0 : a->reward.shape[1];
    const struct {
        struct align__named named;
        int set;
        const int64_t *shape;
        int32_t ndim;
    } tensors[] = {
        {{owner, "mask", &a->mask}, ALIGN__SET_MASK, a->reward.shape, ndim},
        {{owner, "length", &a->length}, ALIGN__SET_COUNT, a->reward.shape, ndim},
        {{owner, "out", &a->out}, ALIGN__SET_REAL, a->reward.shape, ndim},
        {{owner, "dout", &a->dout}, ALIGN__SET_REAL, a->reward.shape, ndim},
        {{owner, "dreward", &a->dreward}, ALIGN__SET_REAL, a->reward.shape, a->reward.ndim},
        {{owner, "weight", &a->weight}, ALIGN__SET_WIDE, &g->models, 1},
    };
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0] && status == ALIGN_E_NONE; i++) {
        status = align__check_tensor(exec, tensors[i].named, tensors[i].set);
        if (status == ALIGN_E_NONE)
            status = align__check_shape(exec, tensors[i].named, tensors[i].ndim, tensors[i].shape);
    }
    return status;
}

static align_status check_offsets(const align_exec *exec, struct align__groups *g)
{
    const struct align__named named = {owner, "offsets", &g->args.offsets};
    if (!align__present(named.tensor))
        return ALIGN_E_NONE;
    return align__check_offsets(exec, named, g->args.reward.shape[0], &g->groups, &g->largest);
}

static align_status check_reference(const align_exec *exec, const struct align__groups *g)
{
    const struct align__named named = {owner, "reference", &g->args.reference};
    int32_t kind = g->params.kind;
    if (!align__present(&g->args.reference)) {
        if (kind != ALIGN_NORM_REFERENCE)
            return ALIGN_E_NONE;
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = owner, .field = "reference",
                           .word = "ALIGN_NORM_REFERENCE");
    }
    if (kind < ALIGN_NORM_REFERENCE || kind > ALIGN_NORM_TANH)
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = owner, .field = "reference",
                           .word = "this kind");
    align_status status = align__check_tensor(exec, named, ALIGN__SET_REAL);
    if (status == ALIGN_E_NONE)
        status = align__check_shape(exec, named, 1, &g->groups);
    return status == ALIGN_E_NONE ? align__check_finite(exec, named) : status;
}

/* Numbers of mask, length and weight. */
static align_status check_values(const align_exec *exec, const struct align__groups *g)
{
    for (int64_t c = 0; c < g->models; c++) {
        double w = align__groups_weight(g, c);
        if (w - w != 0)
            return ALIGN__FAIL(exec, FIELD_VALUE, .owner = owner, .field = "weight", .axes = 1,
                               .index = {c}, .value = w, .word = "a finite number");
    }
    const struct {
        const char *field, *word;
        const align_tensor *tensor;
        double most;
    } tensors[] = {
        {"mask", "0 or 1", &g->args.mask, 1},
        {"length", "a finite number of 0 or more", &g->args.length, INFINITY},
    };
    for (int k = 0; k < 2; k++) {
        const align_tensor *t = tensors[k].tensor;
        struct align__run run = align__run_of(t);
        if (k == 0 && t->dtype != ALIGN_F32)
            continue;
        for (int64_t i = 0; i < run.length; i++) {
            double x;
            align__run_read(&run, i, 1, &x);
            bool good = k == 0 ? x == 0 || x == 1 : x >= 0 && x < INFINITY;
            if (good)
                continue;
            struct align__fault fault = {.site = ALIGN__SITE_FIELD_VALUE,
                                         .owner = owner,
                                         .field = tensors[k].field,
                                         .value = x,
                                         .word = tensors[k].word};
            align__run_index(t, i, &fault);
            return align__fail(exec, &fault);
        }
    }
    return ALIGN_E_NONE;
}

static align_status check_kinds(const align_exec *exec, struct align__groups *g)
{
    const align_norm_groups_args *a = &g->args;
    align_status status = align__norm_params(exec, &g->params, a->params, ALIGN__NORM_IN_GROUP);
    if (status == ALIGN_E_NONE && a->then != NULL)
        status = align__norm_params(exec, &g->then, a->then, ALIGN__NORM_IN_STATE);
    if (status != ALIGN_E_NONE)
        return status;
    const align_norm_params *then = &g->then;
    bool refuses = then->few == ALIGN_NORM_AS_REFUSE || then->equal == ALIGN_NORM_AS_REFUSE ||
                   then->nan == ALIGN_NORM_NAN_REFUSE;
    if (a->then != NULL && refuses)
        return ALIGN__FAIL(exec, NORM_THEN, .owner = owner, .field = "then");
    if ((a->flags & ~(uint32_t)ALIGN_NORM_GROUPS_EACH) != 0)
        return ALIGN__FAIL(exec, FLAG_UNKNOWN, .owner = owner, .field = "flags", .value = a->flags,
                           .word = "align_norm_groups");
    bool whole = g->params.kind == ALIGN_NORM_BATCH_SCALE || g->params.kind == ALIGN_NORM_NONZERO;
    if (whole && a->flags != 0)
        return ALIGN__FAIL(exec, FLAG_UNKNOWN, .owner = owner, .field = "flags", .value = a->flags,
                           .word = "a kind that looks at the whole batch");
    bool lengths = g->params.kind == ALIGN_NORM_LENGTH_CENTER;
    if (lengths && !align__present(&a->length))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = owner, .field = "length",
                           .word = "ALIGN_NORM_LENGTH_CENTER");
    if (!lengths && align__present(&a->length))
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = owner, .field = "length",
                           .word = "this kind");
    return ALIGN_E_NONE;
}

/* `twin` may be the very same view as the output; the others may share nothing with it. */
static align_status check_written(const align_exec *exec, struct align__named output,
                                  const align_tensor *twin, const align_norm_groups_args *a)
{
    const struct align__named all[] = {
        {owner, "offsets", &a->offsets},     {owner, "mask", &a->mask},
        {owner, "weight", &a->weight},       {owner, "length", &a->length},
        {owner, "reference", &a->reference}, {owner, "reward", &a->reward},
        {owner, "dout", &a->dout},           {owner, "out", &a->out},
        {owner, "dreward", &a->dreward},
    };
    struct align__named others[sizeof all / sizeof all[0]];
    int count = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const align_tensor *t = all[i].tensor;
        bool same = t == twin && t->ndim == output.tensor->ndim &&
                    align__same_view(output.tensor, t);
        if (t != output.tensor && !same)
            others[count++] = all[i];
    }
    return align__check_output(exec, output, others, count);
}

static align_status check_out(const align_exec *exec, const struct align__groups *g)
{
    const align_norm_groups_args *a = &g->args;
    const struct align__named out = {owner, "out", &a->out}, dout = {owner, "dout", &a->dout};
    const struct align__named dreward = {owner, "dreward", &a->dreward};
    bool pulls = align__present(&a->dreward);
    if (pulls && !align__present(&a->dout))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = owner, .field = "dout", .word = "dreward");
    if (!pulls && align__present(&a->dout))
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = owner, .field = "dout",
                           .word = "align_norm_groups without dreward");
    align_status status = check_written(exec, out, pulls ? NULL : &a->reward, a);
    if (status == ALIGN_E_NONE && pulls)
        status = check_written(exec, dreward, &a->dout, a);
    return status == ALIGN_E_NONE ? align__check_finite(exec, dout) : status;
}

align_status align__groups_enter(const align_exec *exec, struct align__groups *g,
                                 const align_norm_groups_args *args)
{
    memset(g, 0, sizeof *g);
    align_status status = align__import(exec, owner, &g->args, sizeof g->args, sizeof g->args,
                                        args);
    if (status == ALIGN_E_NONE)
        status = check_shapes(exec, g);
    if (status == ALIGN_E_NONE)
        status = check_offsets(exec, g);
    if (status == ALIGN_E_NONE)
        status = check_kinds(exec, g);
    if (status == ALIGN_E_NONE)
        status = check_reference(exec, g);
    if (status == ALIGN_E_NONE)
        status = check_values(exec, g);
    if (status == ALIGN_E_NONE)
        status = check_out(exec, g);
    if (status != ALIGN_E_NONE)
        return status;
    g->reward = align__run_of(&g->args.reward);
    g->mask = align__run_of(&g->args.mask);
    g->length = align__run_of(&g->args.length);
    g->out = align__run_of(&g->args.out);
    g->dreward = align__run_of(&g->args.dreward);
    g->refuses = g->params.nan == ALIGN_NORM_NAN_REFUSE || (exec->flags & ALIGN_FLAG_FINITE) != 0;
    return ALIGN_E_NONE;
}
