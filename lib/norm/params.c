#include "norm.h"

#include <math.h>
#include <string.h>

/* What a kind reads beside gain, bias, clip and nan, which all of them do, and its own defaults. */
enum { EPS = 1, DDOF = 2, STEEP = 4, FEW = 8, EQUAL = 16, SPREAD = EPS | FEW | EQUAL };

struct kind_row {
    int32_t kind, reads, where;
    double eps, ddof;
    int32_t few, equal;
    const char *name;
};

enum {
    ZERO = ALIGN_NORM_AS_ZERO,
    KEEP = ALIGN_NORM_AS_KEEP,
    CENTER = ALIGN_NORM_AS_CENTER,
    HALF = ALIGN_NORM_AS_HALF
};
enum {
    STATE = ALIGN__NORM_IN_STATE,
    BATCH = ALIGN__NORM_IN_BATCH,
    GROUP = ALIGN__NORM_IN_GROUP,
    RUNS = STATE | BATCH | GROUP,
    CALLS = BATCH | GROUP
};

static const struct kind_row kinds[] = {
#define ROW(name, reads, where, eps, ddof, few, equal)                                             \
    {                                                                                              \
        ALIGN_NORM_##name, reads, where, eps, ddof, few, equal, "ALIGN_NORM_" #name                \
    }
    ROW(ZSCORE, SPREAD | DDOF, RUNS, 1e-8, 1, ZERO, ZERO),
    ROW(CENTER, FEW, RUNS, 0, 0, ZERO, ZERO),
    ROW(SCALE, SPREAD | DDOF, RUNS, 1e-8, 1, KEEP, KEEP),
    ROW(MINMAX, SPREAD, RUNS, 0, 0, ZERO, HALF),
    ROW(AFFINE, 0, BATCH, 0, 0, ZERO, ZERO),
    ROW(REFERENCE, 0, CALLS, 0, 0, ZERO, ZERO),
    ROW(SIGMOID, STEEP, CALLS, 0, 0, ZERO, ZERO),
    ROW(LOG_SIGMOID, STEEP, CALLS, 0, 0, ZERO, ZERO),
    ROW(TANH, STEEP, CALLS, 0, 0, ZERO, ZERO),
    ROW(RANK, 0, CALLS, 0, 0, ZERO, ZERO),
    ROW(RANK_CENTER, 0, CALLS, 0, 0, ZERO, ZERO),
    ROW(RANK_NORMAL, 0, CALLS, 0, 0, ZERO, ZERO),
    ROW(QUANTILE, 0, BATCH, 0, 0, ZERO, ZERO),
    ROW(LEAVE_OUT, FEW, GROUP, 0, 0, ZERO, ZERO),
    ROW(LEAVE_OUT_ZSCORE, SPREAD | DDOF, GROUP, 1e-6, 1, ZERO, CENTER),
    ROW(BATCH_SCALE, SPREAD | DDOF, GROUP, 1e-4, 1, ZERO, ZERO),
    ROW(MEAN_RATIO, SPREAD, GROUP, 0, 0, ZERO, ZERO),
    ROW(LENGTH_CENTER, FEW, GROUP, 0, 0, ZERO, ZERO),
    ROW(NONZERO, FEW, GROUP, 0, 0, ZERO, ZERO),
    ROW(BEST, SPREAD | DDOF, GROUP, 1e-6, 1, ZERO, ZERO),
    ROW(RESCALE, SPREAD | DDOF, STATE | BATCH, 1e-8, 1, KEEP, KEEP),
#undef ROW
};

enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static const struct kind_row *find_kind(int32_t kind)
{
    for (int i = 0; i < N_KINDS; i++)
        if (kinds[i].kind == kind)
            return &kinds[i];
    return NULL;
}

static void set_defaults(align_norm_params *p, const struct kind_row *row)
{
    memset(p, 0, sizeof *p);
    p->size = sizeof *p;
    p->kind = row->kind;
    p->eps_form = (row->reads & EPS) != 0 ? ALIGN_NORM_EPS_ADD : 0;
    p->eps = row->eps;
    p->ddof = row->ddof;
    p->gain = 1;
    p->few = row->few;
    p->equal = row->equal;
    p->steepness = (row->reads & STEEP) != 0 ? 1 : 0;
}

static void give(align_norm_params *params, size_t size, const align_norm_params *local)
{
    memset(params, 0, size);
    memcpy(params, local, size < sizeof *local ? size : sizeof *local);
    params->size = size;
}

align_status align_norm_params_init(align_norm_params *params, size_t size, int32_t kind)
{
    const struct kind_row *row = find_kind(kind);
    if (row == NULL)
        return ALIGN_E_ARG;
    align_norm_params defaults;
    set_defaults(&defaults, row);
    give(params, size, &defaults);
    return ALIGN_E_NONE;
}

static align_status check_choices(const align_exec *exec, const char *owner,
                                  const align_norm_params *p)
{
    const struct {
        const char *field;
        int32_t value, low, high;
    } choices[] = {
        {"kind", p->kind, 1, N_KINDS},
        {"eps_form", p->eps_form, 0, ALIGN_NORM_EPS_MAX_SQRT},
        {"nan", p->nan, ALIGN_NORM_NAN_KEEP, ALIGN_NORM_NAN_REFUSE},
        {"few", p->few, ALIGN_NORM_AS_ZERO, ALIGN_NORM_AS_UNIT},
        {"equal", p->equal, ALIGN_NORM_AS_ZERO, ALIGN_NORM_AS_UNIT},
        {"reserved", p->reserved, 0, 0},
    };
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++)
        if (choices[i].value < choices[i].low || choices[i].value > choices[i].high)
            return ALIGN__FAIL(exec, NORM_CHOICE, .owner = owner, .field = choices[i].field,
                               .value = choices[i].value, .low = choices[i].low,
                               .high = choices[i].high);
    return ALIGN_E_NONE;
}

static align_status check_numbers(const align_exec *exec, const char *owner,
                                  const align_norm_params *p)
{
    const struct {
        const char *field;
        double value, low;
        const char *word;
    } numbers[] = {
        {"eps", p->eps, 0, "a finite number of 0 or more"},
        {"ddof", p->ddof, 0, "a finite number of 0 or more"},
        {"gain", p->gain, -INFINITY, "a finite number"},
        {"bias", p->bias, -INFINITY, "a finite number"},
        {"steepness", p->steepness, -INFINITY, "a finite number"},
        {"rate", p->rate, 0, "a number in 0..1"},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (!(fabs(numbers[i].value) < INFINITY) || numbers[i].value < numbers[i].low)
            return ALIGN__FAIL(exec, FIELD_VALUE, .owner = owner, .field = numbers[i].field,
                               .value = numbers[i].value, .word = numbers[i].word);
    if (!(p->clip_low <= p->clip_high))
        return ALIGN__FAIL(exec, NORM_CLIP, .owner = owner, .field = "clip_low",
                           .value = p->clip_low, .high = p->clip_high);
    return ALIGN_E_NONE;
}

/* What a kind does not read must be 0; what it reads must be a choice. */
static align_status check_read(const align_exec *exec, const char *owner,
                               const align_norm_params *p, const struct kind_row *row)
{
    const struct {
        const char *field;
        int32_t bit;
        double value;
    } fields[] = {
        {"eps", EPS, p->eps},    {"eps_form", EPS, p->eps_form},
        {"ddof", DDOF, p->ddof}, {"steepness", STEEP, p->steepness},
        {"few", FEW, p->few},    {"equal", EQUAL, p->equal},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if ((row->reads & fields[i].bit) == 0 && fields[i].value != 0)
            return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = owner, .field = fields[i].field,
                               .word = row->name);
    if ((row->reads & EPS) != 0 && p->eps_form < ALIGN_NORM_EPS_ADD)
        return ALIGN__FAIL(exec, NORM_CHOICE, .owner = owner, .field = "eps_form",
                           .value = p->eps_form, .low = ALIGN_NORM_EPS_ADD,
                           .high = ALIGN_NORM_EPS_MAX_SQRT);
    bool by_formula = p->few == ALIGN_NORM_AS_FORMULA || p->equal == ALIGN_NORM_AS_FORMULA;
    if (by_formula && p->eps == 0)
        return ALIGN__FAIL(exec, NORM_FORMULA, .owner = owner, .field = "eps");
    return ALIGN_E_NONE;
}

align_status align__norm_check(const align_exec *exec, const char *owner,
                               const align_norm_params *p, int32_t where)
{
    align_status status = check_choices(exec, owner, p);
    if (status == ALIGN_E_NONE)
        status = check_numbers(exec, owner, p);
    if (status != ALIGN_E_NONE)
        return status;
    if (p->rate > 1)
        return ALIGN__FAIL(exec, FIELD_VALUE, .owner = owner, .field = "rate", .value = p->rate,
                           .word = "a number in 0..1");
    if (p->rate != 0 && (where != STATE || p->kind == ALIGN_NORM_MINMAX || p->ddof != 0))
        return ALIGN__FAIL(exec, NORM_RATE, .owner = owner, .field = "rate", .value = p->rate);
    const struct kind_row *row = find_kind(p->kind);
    if ((row->where & where) == 0)
        return ALIGN__FAIL(exec, NORM_PLACE, .owner = owner, .field = "kind", .value = p->kind,
                           .word = where == STATE   ? "a running state"
                                   : where == BATCH ? "align_norm_apply"
                                                    : "align_norm_groups");
    return check_read(exec, owner, p, row);
}

align_status align__norm_params(const align_exec *exec, align_norm_params *local,
                                const align_norm_params *params, int32_t where)
{
    if (params == NULL) {
        set_defaults(local, &kinds[0]);
        return ALIGN_E_NONE;
    }
    align_status status = align__import(exec, "align_norm_params", local, sizeof *local,
                                        sizeof *local, params);
    if (status != ALIGN_E_NONE)
        return status;
    return align__norm_check(exec, "align_norm_params", local, where);
}

/* ---- presets: what a trainer does under the name of an estimator ---------------------------- */

struct preset_row {
    const char *trainer, *estimator;
    int32_t kind, form;
    double eps, ddof;
    int32_t few, equal, nan;
    double then_eps; /* whitening of all advantages afterwards; 0: none */
    double then_ddof;
    int32_t then_form;
    uint32_t flags;
};

enum {
    NONE = 0,
    ADD = ALIGN_NORM_EPS_ADD,
    ROOT = ALIGN_NORM_EPS_SQRT,
    FLOOR = ALIGN_NORM_EPS_MAX_SQRT,
    UNIT = ALIGN_NORM_AS_UNIT,
    NAN_0 = ALIGN_NORM_NAN_ZERO,
    EACH = ALIGN_NORM_GROUPS_EACH
};

/* Read in the trainers' sources at the commits that tests/golden/norm.c names. A constant group is 0/eps
 * by all of these formulas, which is ZERO without their rounding. */
static const struct preset_row presets[] = {
    {"trl", "grpo", ALIGN_NORM_ZSCORE, ADD, 1e-4, 1, ZERO, ZERO, NAN_0, 0, 0, NONE, 0},
    {"trl", "grpo_batch", ALIGN_NORM_BATCH_SCALE, ADD, 1e-4, 1, ZERO, ZERO, NAN_0, 0, 0, NONE, 0},
    {"trl", "dr_grpo", ALIGN_NORM_CENTER, NONE, 0, 0, ZERO, ZERO, NAN_0, 0, 0, NONE, 0},
    {"trl", "gdpo", ALIGN_NORM_ZSCORE, ADD, 1e-4, 1, ZERO, ZERO, NAN_0, 1e-4, 1, ADD, EACH},
    {"trl", "rloo", ALIGN_NORM_LEAVE_OUT, NONE, 0, 0, ZERO, ZERO, NAN_0, 0, 0, NONE, 0},
    {"verl", "grpo", ALIGN_NORM_ZSCORE, ADD, 1e-6, 1, UNIT, ZERO, 0, 0, 0, NONE, 0},
    {"verl", "grpo_vectorized", ALIGN_NORM_ZSCORE, FLOOR, 1e-6, 1, UNIT, ZERO, 0, 0, 0, NONE, 0},
    {"verl", "dr_grpo", ALIGN_NORM_CENTER, NONE, 0, 0, ZERO, ZERO, 0, 0, 0, NONE, 0},
    {"verl", "rloo", ALIGN_NORM_LEAVE_OUT, NONE, 0, 0, KEEP, ZERO, 0, 0, 0, NONE, 0},
    {"verl", "rloo_vectorized", ALIGN_NORM_LEAVE_OUT, NONE, 0, 0, ZERO, ZERO, 0, 0, 0, NONE, 0},
    {"verl", "remax", ALIGN_NORM_REFERENCE, NONE, 0, 0, ZERO, ZERO, 0, 0, 0, NONE, 0},
    {"verl", "opo", ALIGN_NORM_LENGTH_CENTER, NONE, 0, 0, ZERO, ZERO, 0, 0, 0, NONE, 0},
    {"verl", "gpg", ALIGN_NORM_NONZERO, NONE, 0, 0, UNIT, ZERO, 0, 0, 0, NONE, 0},
    {"verl", "passk", ALIGN_NORM_BEST, ADD, 1e-6, 1, ALIGN_NORM_AS_REFUSE, ZERO, 0, 0, 0, NONE, 0},
    {"verl", "reinforce_baseline", ALIGN_NORM_CENTER, NONE, 0, 0, ZERO, ZERO, 0, 1e-8, 1, ROOT, 0},
    {"openrlhf", "grpo", ALIGN_NORM_ZSCORE, ADD, 1e-9, 1, ZERO, ZERO, 0, 0, 0, NONE, 0},
    {"openrlhf", "dr_grpo", ALIGN_NORM_CENTER, NONE, 0, 0, ZERO, ZERO, 0, 0, 0, NONE, 0},
    {"openrlhf", "rloo", ALIGN_NORM_LEAVE_OUT, NONE, 0, 0, ZERO, ZERO, 0, 0, 0, NONE, 0},
    {"openrlhf", "reinforce_baseline", ALIGN_NORM_CENTER, NONE, 0, 0, ZERO, ZERO, 0, 1e-8, 0, FLOOR,
     0},
    {"nemo_rl", "grpo", ALIGN_NORM_LEAVE_OUT_ZSCORE, ADD, 1e-6, 1, ZERO, CENTER, 0, 0, 0, NONE, 0},
    {"nemo_rl", "rloo", ALIGN_NORM_LEAVE_OUT, NONE, 0, 0, ZERO, ZERO, 0, 0, 0, NONE, 0},
};

align_status align_norm_preset_get(const char *trainer, const char *estimator,
                                   align_norm_params *group, align_norm_params *then,
                                   uint32_t *flags)
{
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        const struct preset_row *row = &presets[i];
        if (trainer == NULL || estimator == NULL || strcmp(row->trainer, trainer) != 0 ||
            strcmp(row->estimator, estimator) != 0)
            continue;
        align_norm_params first, second;
        set_defaults(&first, find_kind(row->kind));
        first.eps_form = row->form;
        first.eps = row->eps;
        first.ddof = row->ddof;
        first.few = row->few;
        first.equal = row->equal;
        first.nan = row->nan;
        set_defaults(&second, &kinds[0]);
        second.eps_form = row->then_form;
        second.eps = row->then_eps;
        second.ddof = row->then_ddof;
        if (row->then_form == NONE)
            memset(&second, 0, sizeof second);
        give(group, group->size, &first);
        give(then, then->size, &second);
        *flags = row->flags;
        return ALIGN_E_NONE;
    }
    return ALIGN_E_ARG;
}
