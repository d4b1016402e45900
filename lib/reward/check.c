#include "reward.h"

#include <math.h>
#include <string.h>

#define ARGS   REWARD_ARGS
#define READER "align_reward_fit"

/* ---- which fields go together -------------------------------------------------------------- */

static align_status fail_missing(const align_exec *exec, const char *field, const char *word)
{
    return ALIGN__FAIL(exec, FIELD_MISSING, .owner = ARGS, .field = field, .word = word);
}

static align_status fail_unread(const align_exec *exec, const char *field, const char *word)
{
    return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = ARGS, .field = field, .word = word);
}

/* A field that must be there, may, or must not. */
enum rule { NEEDED, FREE, UNREAD };

struct ruled {
    const char *field;
    bool set;
    enum rule rule;
    const char *word;
};

static align_status check_rules(const align_exec *exec, const struct ruled *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].rule == NEEDED && !rows[i].set)
            return fail_missing(exec, rows[i].field, rows[i].word);
        if (rows[i].rule == UNREAD && rows[i].set)
            return fail_unread(exec, rows[i].field, rows[i].word);
    }
    return ALIGN_E_NONE;
}

static enum rule if_read(bool read)
{
    return read ? FREE : UNREAD;
}

static align_status check_model(struct align__reward_call *call)
{
    const align_exec *exec = &call->exec;
    const align_reward_args *args = &call->args;
    const struct align__reward_model *model = align__reward_find_model(args->model);
    const uint32_t known = ALIGN_REWARD_POSITION | ALIGN_REWARD_TWO_SIDED | ALIGN_REWARD_SYMMETRIC;
    if (model == NULL)
        return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = ARGS, .field = "model",
                           .value = args->model, .high = ALIGN_REWARD_LISTS);
    if ((args->flags & ~known) != 0)
        return ALIGN__FAIL(exec, FLAG_UNKNOWN, .owner = ARGS, .field = "flags",
                           .value = args->flags, .word = READER);
    call->data.model = model;
    bool list = (model->reads & ALIGN__REWARD_LIST) != 0;
    bool grade = (model->reads & ALIGN__REWARD_GRADE) != 0;
    bool soft = (model->reads & ALIGN__REWARD_SOFT) != 0;
    bool symmetry = (model->reads & ALIGN__REWARD_SYMMETRY) != 0;
    enum rule prob = if_read((model->reads & ALIGN__REWARD_PROB) != 0);
    const char *name = model->name;
    const struct ruled rows[] = {
        {"list", align__present(&args->list), list ? NEEDED : UNREAD, name},
        {"stages", args->stages != 0, if_read(list), name},
        {"index", align__present(&args->index), if_read(!list), name},
        {"first", align__present(&args->first), if_read(!list), name},
        {"second", align__present(&args->second), if_read(!list), name},
        {"grade", align__present(&args->grade), grade ? NEEDED : UNREAD, name},
        {"levels", args->levels != 0, if_read(grade), name},
        {"prob", align__present(&args->prob), model->levels > 0 ? NEEDED : prob, name},
        {"margin", align__present(&args->margin), if_read(!list), name},
        {"offset", align__present(&args->offset), if_read(!list), name},
        {"label_smoothing", args->label_smoothing != 0, if_read(soft), name},
        {"threshold", align__present(&args->threshold), if_read(grade || model->levels > 0), name},
        {"threshold_se", align__present(&args->threshold_se), if_read(grade || model->levels > 0),
         name},
        {"flags (POSITION)", (args->flags & ALIGN_REWARD_POSITION) != 0, if_read(!list), name},
        {"flags (TWO_SIDED)", (args->flags & ALIGN_REWARD_TWO_SIDED) != 0, if_read(soft), name},
        {"flags (SYMMETRIC)", (args->flags & ALIGN_REWARD_SYMMETRIC) != 0, if_read(symmetry), name},
    };
    return check_rules(exec, rows, sizeof rows / sizeof rows[0]);
}

/* Which way the features come in, and the sizes that follow. */
static align_status check_source(struct align__reward_call *call)
{
    const align_reward_args *args = &call->args;
    const align_tensor *units = align__present(&args->list)    ? &args->list
                                : align__present(&args->index) ? &args->index
                                                               : &args->first;
    bool rows = units == &args->first, sparse = align__present(&args->columns);
    enum rule both = rows && sparse ? NEEDED : UNREAD;
    const char *word = rows ? "a fit without index" : "a fit with index";
    const char *second = both == NEEDED ? "sparse first" : "a fit without sparse first";
    const struct ruled fields[] = {
        {"features", align__present(&args->features), rows ? UNREAD : NEEDED, rows ? word : READER},
        {"first", align__present(&args->first), rows ? NEEDED : UNREAD, rows ? READER : word},
        {"second", align__present(&args->second), rows ? NEEDED : UNREAD, rows ? READER : word},
        {"second_columns", align__present(&args->second_columns), both, second},
        {"second_row_offsets", align__present(&args->second_row_offsets), both, second},
        {"row_offsets", align__present(&args->row_offsets), sparse ? NEEDED : UNREAD,
         sparse ? "columns" : "a fit without columns"},
        {"coef", align__present(&args->coef), NEEDED, READER},
    };
    align_status status = check_rules(&call->exec, fields, sizeof fields / sizeof fields[0]);
    const align_tensor *wide = sparse ? &args->coef : rows ? &args->first : &args->features;
    call->data.count = both == NEEDED ? args->row_offsets.shape[0] - 1 : units->shape[0];
    if (status == ALIGN_E_NONE && both == NEEDED && call->data.count < 0)
        return ALIGN__FAIL(&call->exec, REWARD_OFFSETS, .owner = ARGS, .field = "row_offsets");
    call->data.group = units == &args->list && units->ndim == 2 ? units->shape[1] : 1;
    call->data.width = wide == &args->coef ? wide->shape[0] : wide->ndim == 2 ? wide->shape[1] : 0;
    return status;
}

/* ---- tensors ------------------------------------------------------------------------------- */

static align_status check_inner(const align_exec *exec, struct align__named named)
{
    const align_tensor *t = named.tensor;
    if (!align__present(t) || t->ndim < 2 || t->stride[1] == 1 || t->shape[1] < 2)
        return ALIGN_E_NONE;
    return ALIGN__FAIL(exec, TENSOR_INNER, .owner = named.owner, .field = named.field,
                       .value = (double)t->stride[1], .low = 1);
}

static bool is_same(const align_tensor *a, const align_tensor *b)
{
    return a->data == b->data && a->dtype == b->dtype && a->stride[0] == b->stride[0];
}

enum { OUTPUTS = 5, START = 20, TENSORS = 22 };

static align_status check_tensors(const struct align__reward_call *call)
{
    const align_exec *exec = &call->exec;
    const align_reward_args *a = &call->args;
    bool sparse = align__present(&a->columns), sides = align__present(&a->first);
    int64_t m = call->data.count, d = call->data.width, k = call->data.group;
    int64_t nnz = sides ? a->first.shape[0] : a->features.shape[0], other = a->second.shape[0];
    int64_t r = sparse ? a->row_offsets.shape[0] - 1 : nnz;
    int32_t wide = sparse ? 1 : 2;
    int64_t t = call->data.model->levels > 0 ? 1 : a->levels - 1;
    const struct {
        struct align__named named;
        int set;
        int32_t ndim;
        int64_t shape[2];
        bool wide;
    } rows[TENSORS] = {
        {{ARGS, "coef", &a->coef}, ALIGN__SET_WIDE, 1, {d}, false},
        {{ARGS, "se", &a->se}, ALIGN__SET_WIDE, 1, {d}, false},
        {{ARGS, "covariance", &a->covariance}, ALIGN__SET_WIDE, 2, {d, d}, false},
        {{ARGS, "threshold", &a->threshold}, ALIGN__SET_WIDE, 1, {t}, false},
        {{ARGS, "threshold_se", &a->threshold_se}, ALIGN__SET_WIDE, 1, {t}, false},
        {{ARGS, "first", &a->first}, ALIGN__SET_REAL, wide, {sparse ? nnz : m, d}, true},
        {{ARGS, "second", &a->second}, ALIGN__SET_REAL, wide, {sparse ? other : m, d}, true},
        {{ARGS, "features", &a->features}, ALIGN__SET_REAL, wide, {nnz, d}, true},
        {{ARGS, "columns", &a->columns}, ALIGN__SET_INDEX, 1, {nnz}, false},
        {{ARGS, "row_offsets", &a->row_offsets}, ALIGN__SET_INDEX, 1, {r + 1}, false},
        {{ARGS, "second_columns", &a->second_columns}, ALIGN__SET_INDEX, 1, {other}, false},
        {{ARGS, "second_row_offsets", &a->second_row_offsets}, ALIGN__SET_INDEX, 1, {m + 1}, false},
        {{ARGS, "index", &a->index}, ALIGN__SET_INDEX, 2, {m, 2}, false},
        {{ARGS, "list", &a->list}, ALIGN__SET_INDEX, 2, {m, k}, false},
        {{ARGS, "prob", &a->prob}, ALIGN__SET_REAL, 1, {m}, false},
        {{ARGS, "grade", &a->grade}, ALIGN__SET_INDEX, 1, {m}, false},
        {{ARGS, "margin", &a->margin}, ALIGN__SET_REAL, 1, {m}, false},
        {{ARGS, "offset", &a->offset}, ALIGN__SET_REAL, 1, {m}, false},
        {{ARGS, "weight", &a->weight}, ALIGN__SET_REAL, 1, {m}, false},
        {{ARGS, "l2_each", &a->l2_each}, ALIGN__SET_WIDE, 1, {d}, false},
        {{ARGS, "start", &a->start}, ALIGN__SET_WIDE, 1, {d}, false},
        {{ARGS, "center", &a->center}, ALIGN__SET_WIDE, 1, {d}, false},
    };
    struct align__named all[TENSORS];
    align_status status = ALIGN_E_NONE;
    /* Inputs first: the sizes of the others follow from theirs. */
    for (int n = 0; status == ALIGN_E_NONE && n < TENSORS; n++) {
        int i = (n + OUTPUTS) % TENSORS;
        all[i] = rows[i].named;
        status = align__check_tensor(exec, all[i], rows[i].set);
        if (status == ALIGN_E_NONE)
            status = align__check_shape(exec, all[i], rows[i].ndim, rows[i].shape);
        if (status == ALIGN_E_NONE && rows[i].wide)
            status = check_inner(exec, all[i]);
    }
    static const align_tensor absent;
    if (is_same(&a->start, &a->coef))
        all[START].tensor = &absent; /* read before coef is written */
    for (int i = 0; status == ALIGN_E_NONE && i < OUTPUTS; i++)
        status = align__check_output(exec, all[i], all, TENSORS);
    return status;
}

/* ---- options ------------------------------------------------------------------------------- */

static align_status check_options(struct align__reward_call *call)
{
    const align_exec *exec = &call->exec;
    const align_reward_args *args = &call->args;
    const struct align__reward_option rows[] = {
        {"l2", args->l2, args->l2 >= 0 && args->l2 < INFINITY, "finite and 0 or more"},
        {"max_iterations", (double)args->max_iterations, args->max_iterations >= 0, "0 or more"},
        {"label_smoothing", args->label_smoothing,
         args->label_smoothing >= 0 && args->label_smoothing < 0.5, "0 or more and below 1/2"},
        {"stages", (double)args->stages, args->stages >= 0, "0 or more"},
        {"levels", args->levels,
         call->data.model->levels > 0 || !align__present(&args->grade) ||
             (args->levels >= 2 && args->levels <= 64),
         "2..64"},
    };
    align_status status = align__reward_check_options(exec, ARGS, rows,
                                                      sizeof rows / sizeof rows[0]);
    if (status != ALIGN_E_NONE)
        return status;
    if (!(args->tolerance >= 0 && args->tolerance <= 1))
        return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = ARGS, .field = "tolerance",
                           .value = args->tolerance, .high = 1);
    return ALIGN_E_NONE;
}

static align_status check_width(const struct align__reward_call *call)
{
    const align_reward_args *args = &call->args;
    const char *field = align__present(&args->columns)    ? "coef"
                        : align__present(&args->features) ? "features"
                                                          : "first";
    if (call->data.width < 1 || call->data.width > INT32_MAX - 64)
        return ALIGN__FAIL(&call->exec, REWARD_WIDTH, .owner = ARGS, .field = field,
                           .value = (double)call->data.width, .high = INT32_MAX - 64);
    return ALIGN_E_NONE;
}

align_status align__reward_open(struct align__reward_call *call, const align_exec *user_exec,
                                const align_reward_args *user_args)
{
    const size_t first_size = offsetof(align_reward_args, model);
    memset(call, 0, sizeof *call);
    align_status status = align__enter(&call->exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&call->exec, ARGS, &call->args, sizeof call->args, first_size,
                               user_args);
    struct align__reward_data *data = &call->data;
    data->args = &call->args;
    if (status == ALIGN_E_NONE)
        status = check_model(call);
    if (status == ALIGN_E_NONE)
        status = check_source(call);
    if (status == ALIGN_E_NONE)
        status = check_options(call);
    if (status == ALIGN_E_NONE)
        status = check_tensors(call);
    if (status == ALIGN_E_NONE)
        status = check_width(call);
    if (status != ALIGN_E_NONE)
        return status;
    uint64_t cpu = align_cpu() & ~call->exec.cpu_forbidden;
    data->f64 = align__f64(cpu);
    data->kernels = align__kernels(cpu);
    data->levels = data->model->levels > 0 ? data->model->levels : call->args.levels;
    data->position = (call->args.flags & ALIGN_REWARD_POSITION) != 0;
    data->thresholds = align__reward_thresholds(data);
    data->order = data->width + data->position + data->thresholds;
    align__reward_plan(data);
    return ALIGN_E_NONE;
}

/* ---- what tensors hold --------------------------------------------------------------------- */

#define UNIT_FAIL(site, name, ...)                                                                 \
    ALIGN__FAIL(exec, site, .owner = ARGS, .field = name, .axes = 1, .index = {unit}, __VA_ARGS__)

static align_status check_answers(const align_exec *exec, const struct align__reward_data *data,
                                  int64_t unit)
{
    const align_reward_args *args = data->args;
    bool list = align__present(&args->list);
    const align_tensor *t = list ? &args->list : &args->index;
    int64_t r = align__present(&args->columns) ? args->row_offsets.shape[0] - 1
                                               : args->features.shape[0];
    double last = (double)(r - 1);
    for (int64_t k = 0; align__present(t) && k < t->shape[1]; k++) {
        double row = align__load(t->dtype, align__at(t, unit, k));
        if (list && row < 0)
            break;
        if (!(row >= 0 && row <= last))
            return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = ARGS, .field = list ? "list" : "index",
                               .axes = 2, .index = {unit, k}, .value = row, .high = last);
    }
    return ALIGN_E_NONE;
}

static align_status check_unit(const align_exec *exec, const struct align__reward_data *data,
                               int64_t unit)
{
    const align_reward_args *args = data->args;
    double prob = align__reward_number(&args->prob, unit, 1);
    double margin = align__reward_number(&args->margin, unit, 0);
    double offset = align__reward_number(&args->offset, unit, 0);
    double grade = align__reward_number(&args->grade, unit, 0);
    double weight = align__reward_weight(data, unit);
    if (!(prob >= 0 && prob <= 1))
        return UNIT_FAIL(FIELD_BOUNDS, "prob", .value = prob, .high = 1);
    if (data->model->levels > 0 && 2 * prob != rint(2 * prob))
        return UNIT_FAIL(FIELD_VALUE, "prob", .value = prob, .word = "0, 0.5 or 1");
    if (!(fabs(margin) < INFINITY))
        return UNIT_FAIL(FIELD_VALUE, "margin", .value = margin, .word = "finite");
    if (!(fabs(offset) < INFINITY))
        return UNIT_FAIL(FIELD_VALUE, "offset", .value = offset, .word = "finite");
    if (align__present(&args->grade) && !(grade >= 0 && grade < (double)data->levels))
        return UNIT_FAIL(FIELD_BOUNDS, "grade", .value = grade, .high = (double)(data->levels - 1));
    if (!(weight >= 0 && weight < INFINITY))
        return UNIT_FAIL(FIELD_VALUE, "weight", .value = weight, .word = "finite and 0 or more");
    return check_answers(exec, data, unit);
}

/* Each grade must be there, or a threshold would be infinite or fall on its neighbour. */
static align_status check_grades(const align_exec *exec, const struct align__reward_data *data)
{
    bool seen[64] = {false};
    bool ties = data->model->levels > 0;
    for (int64_t i = 0; i < data->count; i++)
        if (align__reward_weight(data, i) > 0) {
            int64_t grade = align__reward_grade(data, i);
            seen[grade] = true;
            if ((data->args->flags & ALIGN_REWARD_SYMMETRIC) != 0 || ties)
                seen[data->levels - 1 - grade] = true;
        }
    for (int64_t k = 0; data->thresholds > 0 && k < data->levels; k++)
        if (!seen[k])
            return ALIGN__FAIL(exec, REWARD_UNSEEN, .owner = ARGS, .field = ties ? "prob" : "grade",
                               .value = ties ? (double)k / 2 : (double)k);
    return ALIGN_E_NONE;
}

align_status align__reward_check_units(const align_exec *exec,
                                       const struct align__reward_data *data)
{
    align_status status = ALIGN_E_NONE;
    const align_reward_args *args = data->args;
    bool sides = align__present(&args->first);
    if (align__present(&args->columns))
        status = align__reward_check_sparse(exec, ARGS, "columns", "row_offsets",
                                            sides ? &args->first : &args->features, &args->columns,
                                            &args->row_offsets, data->width);
    if (status == ALIGN_E_NONE && align__present(&args->second_columns))
        status = align__reward_check_sparse(exec, ARGS, "second_columns", "second_row_offsets",
                                            &args->second, &args->second_columns,
                                            &args->second_row_offsets, data->width);
    for (int64_t unit = 0; status == ALIGN_E_NONE && unit < data->count; unit++)
        status = check_unit(exec, data, unit);
    return status;
}

align_status align__reward_check(const align_exec *exec, const struct align__reward_data *data)
{
    align_status status = align__reward_check_units(exec, data);
    return status == ALIGN_E_NONE && data->levels > 0 ? check_grades(exec, data) : status;
}
