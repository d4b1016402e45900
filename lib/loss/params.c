#include "params.h"

#include <string.h>

enum { ALIGN__PARAMS_FIRST_SIZE = sizeof(align_loss_params) };

static const char *const length_choices[] = {"sum", "mean", NULL};
static const char *const gain_choices[] = {"exp2", "linear", NULL};
static const char *const discount_choices[] = {"ln", "log2", "reciprocal", NULL};
static const char *const normalise_choices[] = {"sum", "items", "pairs", "rax", "max_dcg", NULL};
static const char *const targets_choices[] = {"share", "raw", NULL};
static const char *const divergence_choices[] = {
    "reverse_kl", "forward_kl", "js", "alpha", "alpha_paper", "chi", NULL,
};
static const char *const unit_choices[] = {"nat", "bit", NULL};
static const char *const top_choices[] = {"cut", "both", "either", "beyond", NULL};
static const char *const score_ties_choices[] = {"stable", "seeded", "expected", NULL};
static const char *const label_ties_choices[] = {"index", "skip", "breslow", "efron", NULL};
static const char *const places_choices[] = {"even", "power", "discount", NULL};
static const char *const form_choices[] = {"exact", "surrogate", NULL};
static const char *const estimator_choices[] = {"none", "k1", "k2", "k3", "abs", NULL};
static const char *const pair_weight_choices[] = {"even", "dcg", NULL};
static const char *const rescale_choices[] = {"none", "log", NULL};
static const char *const stop_choices[] = {"none", "chosen", NULL};

struct param_row {
    const char *name, *brief;
    size_t offset;
    align_dtype dtype;
    const char *const *choices;
};

static const struct param_row table[ALIGN__PARAM_COUNT] = {
#define PARAM(id, field, kind, brief, choices)                                                     \
    [ALIGN__PARAM_##                                                                               \
        id] = {#field, brief, offsetof(align_loss_params, field), ALIGN_##kind, choices},
#include "params.def"
#undef PARAM
};

const struct align__preset align__trl_beta[] = {
    {"trl-0.28", {{ALIGN__PARAM_BETA, 0.1}}},
    {"trl-1.10", {{ALIGN__PARAM_BETA, 0.1}}},
    {NULL, {{0}}},
};

double align__param_get(const align_loss_params *params, enum align__param param)
{
    const char *at = (const char *)params + table[param].offset;
    if (table[param].dtype == ALIGN_I32) {
        int32_t choice;
        memcpy(&choice, at, sizeof choice);
        return choice;
    }
    double x;
    memcpy(&x, at, sizeof x);
    return x;
}

static void set(align_loss_params *params, enum align__param param, double x)
{
    char *at = (char *)params + table[param].offset;
    if (table[param].dtype == ALIGN_I32) {
        const int32_t choice = (int32_t)x;
        memcpy(at, &choice, sizeof choice);
    } else {
        memcpy(at, &x, sizeof x);
    }
}

static const struct align__param_use *find_use(const struct align__loss_row *row,
                                               enum align__param param)
{
    for (const struct align__param_use *use = row->params; use->param != ALIGN__PARAM_END; use++)
        if (use->param == param)
            return use;
    return NULL;
}

bool align__loss_has(const struct align__loss_row *row, enum align__param param)
{
    return find_use(row, param) != NULL;
}

uint32_t align__loss_n_params(const struct align__loss_row *row)
{
    uint32_t n = 0;
    while (row->params[n].param != ALIGN__PARAM_END)
        n++;
    return n;
}

static void set_defaults(const struct align__loss_row *row, align_loss_id id,
                         align_loss_params *params)
{
    align__clear(params, sizeof *params);
    params->size = sizeof *params;
    params->loss = id;
    for (const struct align__param_use *use = row->params; use->param != ALIGN__PARAM_END; use++)
        set(params, use->param, use->standard);
}

align_status align_loss_params_init(align_loss_params *params, size_t size, align_loss_id loss,
                                    const char *preset)
{
    const struct align__loss_row *row = align__loss_row(loss);
    if (row == NULL)
        return ALIGN_E_RANGE;
    if (params == NULL)
        return ALIGN_E_ARG;
    align_loss_params local;
    set_defaults(row, loss, &local);
    if (preset != NULL && strcmp(preset, "paper") != 0) {
        const struct align__preset *p = row->presets;
        while (p != NULL && p->name != NULL && strcmp(p->name, preset) != 0)
            p++;
        if (p == NULL || p->name == NULL)
            return ALIGN_E_ARG;
        for (int i = 0; p->set[i].param != ALIGN__PARAM_END; i++)
            set(&local, p->set[i].param, p->set[i].value);
    }
    memset(params, 0, size);
    memcpy(params, &local, size < sizeof local ? size : sizeof local);
    params->size = size;
    return ALIGN_E_NONE;
}

static bool in_range(const struct align__param_use *use, double x)
{
    return x >= use->least && x <= use->most;
}

static align_status check_value(const align_exec *exec, const struct align__loss_row *row,
                                const align_loss_params *params, enum align__param param)
{
    const struct align__param_use *use = find_use(row, param);
    const char *owner = "align_loss_params", *field = table[param].name;
    double x = align__param_get(params, param);
    const bool worth = param == ALIGN__PARAM_DIVERGENCE || param == ALIGN__PARAM_ORDER;
    const char *why = worth ? row->unless[ALIGN__PROP_WORTH] : NULL;
    if (use == NULL && x != 0 && why != NULL)
        return ALIGN__FAIL(exec, LOSS_WORTHLESS, .owner = owner, .field = field, .value = x,
                           .word = why);
    if (use == NULL)
        return x == 0 ? ALIGN_E_NONE
                      : ALIGN__FAIL(exec, FIELD_UNREAD, .owner = owner, .field = field, .value = x,
                                    .word = row->name);
    if (in_range(use, x))
        return ALIGN_E_NONE;
    if (use->most < ALIGN__ANY && use->least != ALIGN__ABOVE_0)
        return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = owner, .field = field, .value = x,
                           .low = use->least, .high = use->most);
    const char *word = use->least == ALIGN__ABOVE_0 ? "a finite number above 0"
                       : use->least == 0            ? "a finite number of 0 or more"
                                                    : "a finite number";
    return ALIGN__FAIL(exec, FIELD_VALUE, .owner = owner, .field = field, .value = x, .word = word);
}

/* Takes those of the row into params, whose others are 0. True when all are in range and the others are 0 too: then
 * there is no need to look at each of them. */
static bool take_used(const struct align__loss_row *row, align_loss_params *params,
                      const align_loss_params *given)
{
    const size_t head = offsetof(align_loss_params, loss);
    for (const struct align__param_use *use = row->params; use->param != ALIGN__PARAM_END; use++) {
        const double x = align__param_get(given, use->param);
        if (!in_range(use, x))
            return false;
        set(params, use->param, x);
    }
    return memcmp((const char *)params + head, (const char *)given + head, sizeof *params - head) ==
           0;
}

static align_status take_each(const align_exec *exec, const struct align__loss_row *row,
                              align_loss_params *params, const align_loss_params *given,
                              size_t size)
{
    align_status status = ALIGN_E_NONE;
    for (int i = 1; i < ALIGN__PARAM_COUNT && status == ALIGN_E_NONE; i++) {
        const enum align__param param = (enum align__param)i;
        /* A field younger than the caller's struct keeps its default. */
        if (table[param].offset >= size)
            continue;
        status = check_value(exec, row, given, param);
        if (status == ALIGN_E_NONE)
            set(params, param, align__param_get(given, param));
    }
    return status;
}

align_status align__loss_params(const align_exec *exec, const struct align__loss_row *row,
                                align_loss_id id, align_loss_params *params,
                                const align_loss_params *user)
{
    set_defaults(row, id, params);
    if (user == NULL)
        return ALIGN_E_NONE;
    align_loss_params copy;
    const void *seen = NULL;
    align_status status = align__see(exec, "align_loss_params", &seen, &copy, sizeof copy,
                                     ALIGN__PARAMS_FIRST_SIZE, user);
    if (status != ALIGN_E_NONE)
        return status;
    const align_loss_params *given = seen;
    if (given->loss != id)
        return ALIGN__FAIL(exec, FIELD_VALUE, .owner = "align_loss_params", .field = "loss",
                           .value = given->loss, .word = "the loss of align_loss_args");
    if (given == &copy || !take_used(row, params, given))
        status = take_each(exec, row, params, given, user->size);
    if (status != ALIGN_E_NONE)
        return status;
    const char *wish = row->check != NULL ? row->check(params) : NULL;
    if (wish != NULL)
        return ALIGN__FAIL(exec, LOSS_PARAMS, .owner = "align_loss_params", .word = wish);
    return ALIGN_E_NONE;
}

void align__param_describe(const struct align__param_use *use, align_param_info *info)
{
    const struct param_row *row = &table[use->param];
    info->name = row->name;
    info->brief = row->brief;
    info->offset = row->offset;
    info->dtype = row->dtype;
    info->choices = row->choices;
    while (row->choices != NULL && row->choices[info->n_choices] != NULL)
        info->n_choices++;
    info->standard = use->standard;
    info->least = use->least;
    info->most = use->most;
}
