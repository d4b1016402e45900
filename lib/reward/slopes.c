#include "reward.h"

#include <math.h>
#include <string.h>

#define ARGS   "align_reward_slopes_args"
#define READER "align_reward_slopes_fit"

/* Pairs of one annotator after another are copied out on the chosen features, with the common z as their
 * offset, and fitted as any others: there is one Newton core. */
struct call {
    struct align__reward_call pairs;
    align_reward_slopes_args args;
    int64_t people, chosen; /* A, S */
};

void align_reward_slopes_args_init(align_reward_slopes_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

/* ---- checks -------------------------------------------------------------------------------- */

/* The pairs are those of a fit whose coefficients are known; what a fit would write is left out. */
static align_status check_pairs(struct call *call, const align_exec *user_exec)
{
    align_reward_args pairs;
    if (call->args.pairs == NULL)
        return ALIGN__FAIL(user_exec, FIELD_MISSING, .owner = ARGS, .field = "pairs",
                           .word = READER);
    align_status status = align__import(user_exec, REWARD_ARGS, &pairs, sizeof pairs,
                                        offsetof(align_reward_args, model), call->args.pairs);
    const struct {
        const char *field;
        bool set;
    } rows[] = {
        {"se", align__present(&pairs.se)},
        {"covariance", align__present(&pairs.covariance)},
        {"l2", pairs.l2 != 0},
        {"l2_each", align__present(&pairs.l2_each)},
        {"center", align__present(&pairs.center)},
        {"start", align__present(&pairs.start)},
        {"model", pairs.model != ALIGN_REWARD_LOGISTIC},
    };
    for (size_t i = 0; status == ALIGN_E_NONE && i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].set)
            status = ALIGN__FAIL(user_exec, FIELD_UNREAD, .owner = REWARD_ARGS,
                                 .field = rows[i].field, .word = READER);
    return status == ALIGN_E_NONE ? align__reward_open(&call->pairs, user_exec, &pairs) : status;
}

static align_status check_numbers(struct call *call)
{
    const align_exec *exec = &call->pairs.exec;
    const align_reward_slopes_args *a = &call->args;
    int64_t width = call->pairs.data.width;
    for (int64_t s = 0; s < call->chosen; s++) {
        double feature = align__reward_number(&a->select, s, 0);
        double precision = align__reward_number(&a->precision, s, 0);
        if (!(feature >= 0 && feature < (double)width))
            return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = ARGS, .field = "select", .axes = 1,
                               .index = {s}, .value = feature, .high = (double)(width - 1));
        for (int64_t k = 0; k < s; k++)
            if (align__reward_number(&a->select, k, 0) == feature)
                return ALIGN__FAIL(exec, FIELD_VALUE, .owner = ARGS, .field = "select", .axes = 1,
                                   .index = {s}, .value = feature, .word = "each feature once");
        if (!(precision >= 0 && precision < INFINITY))
            return ALIGN__FAIL(exec, FIELD_VALUE, .owner = ARGS, .field = "precision", .axes = 1,
                               .index = {s}, .value = precision, .word = "finite and 0 or more");
    }
    for (int64_t i = 0; i < call->pairs.data.count; i++) {
        double person = align__reward_number(&a->annotator, i, 0);
        if (person >= (double)call->people)
            return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = ARGS, .field = "annotator", .axes = 1,
                               .index = {i}, .value = person, .high = (double)(call->people - 1));
    }
    return ALIGN_E_NONE;
}

static align_status open(struct call *call, const align_exec *user_exec,
                         const align_reward_slopes_args *user_args)
{
    align_exec exec;
    memset(call, 0, sizeof *call);
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&exec, ARGS, &call->args, sizeof call->args, sizeof call->args,
                               user_args);
    if (status == ALIGN_E_NONE)
        status = check_pairs(call, &exec);
    if (status != ALIGN_E_NONE)
        return status;
    call->pairs.data.args = &call->pairs.args;
    const align_reward_slopes_args *a = &call->args;
    int64_t m = call->pairs.data.count, people = a->slope.shape[0], chosen = a->select.shape[0];
    const struct align__reward_field fields[] = {
        {"annotator", &a->annotator, ALIGN__SET_INDEX, 1, {m}, .needed = true},
        {"select", &a->select, ALIGN__SET_INDEX, 1, {chosen}, .needed = true},
        {"precision", &a->precision, ALIGN__SET_WIDE, 1, {chosen}, .needed = false},
        {"pairs.coef", &call->pairs.args.coef, ALIGN__SET_WIDE, 1, {call->pairs.data.width}},
        {"slope", &a->slope, ALIGN__SET_WIDE, 2, {people, chosen}, .output = true, .needed = true},
        {"variance", &a->variance, ALIGN__SET_WIDE, 2, {people, chosen}, .output = true},
        {"existence", &a->existence, ALIGN__SET_INDEX, 1, {people}, .output = true},
    };
    call->people = people;
    call->chosen = chosen;
    status = align__reward_check_fields(&exec, ARGS, READER, fields,
                                        sizeof fields / sizeof fields[0]);
    if (status == ALIGN_E_NONE && chosen < 1)
        status = ALIGN__FAIL(&exec, REWARD_WIDTH, .owner = ARGS, .field = "select",
                             .value = (double)chosen, .high = (double)call->pairs.data.width);
    return status == ALIGN_E_NONE ? check_numbers(call) : status;
}

/* ---- room ---------------------------------------------------------------------------------- */

enum { VECTORS = 4, COLUMNS = 4 };

/* The common coefficients, and a row of features as f64; pairs in the order of annotators, and where those of
 * each begin; then a fit of its own: zeros, precisions, deltas and errors [S], features [n, S], and offset,
 * prob, margin and weight [n]. */
struct room {
    double *coef, *row;
    int64_t *order, *begin;
    double *vectors[VECTORS], *features, *columns[COLUMNS];
    align_exec exec;
};

static void view_fit(const struct call *call, const struct room *room, int64_t n,
                     align_reward_args *fit)
{
    const align_reward_args *pairs = &call->pairs.args;
    align_reward_args_init(fit, sizeof *fit);
    fit->first = align_2d(room->features, ALIGN_F64, n, call->chosen);
    fit->second = align_2d(room->vectors[0], ALIGN_F64, n, call->chosen);
    fit->second.stride[0] = 0;
    fit->l2_each = align_1d(room->vectors[1], ALIGN_F64, call->chosen);
    fit->coef = align_1d(room->vectors[2], ALIGN_F64, call->chosen);
    fit->se = align_1d(room->vectors[3], ALIGN_F64, call->chosen);
    fit->offset = align_1d(room->columns[0], ALIGN_F64, n);
    fit->prob = align_1d(room->columns[1], ALIGN_F64, n);
    fit->margin = align_1d(room->columns[2], ALIGN_F64, n);
    fit->weight = align_1d(room->columns[3], ALIGN_F64, n);
    fit->flags = pairs->flags & ALIGN_REWARD_TWO_SIDED;
    fit->label_smoothing = pairs->label_smoothing;
    fit->tolerance = pairs->tolerance;
    fit->max_iterations = pairs->max_iterations;
}

static double *take(struct align__arena *arena, int64_t n)
{
    return align__arena_take(arena, sizeof(double) * (size_t)n);
}

/* Hands out room for all pairs, because they may be those of one annotator. */
static align_status lay_out(struct call *call, struct align__arena *arena, struct room *room)
{
    int64_t m = call->pairs.data.count, width = call->pairs.data.width;
    size_t least = 0, best;
    align_reward_args fit;
    align__reward_data_take(&call->pairs.data, arena);
    room->coef = take(arena, width);
    room->row = take(arena, width);
    room->order = (int64_t *)(void *)take(arena, m);
    room->begin = (int64_t *)(void *)take(arena, call->people + 2);
    for (int k = 0; k < VECTORS; k++)
        room->vectors[k] = take(arena, call->chosen);
    for (int k = 0; k < COLUMNS; k++)
        room->columns[k] = take(arena, m);
    room->features = take(arena, m * call->chosen);
    view_fit(call, room, m, &fit);
    room->exec = call->pairs.exec;
    room->exec.parallel = NULL;
    align_status status = align_reward_scratch(&room->exec, &fit, &least, &best);
    room->exec.scratch = align__arena_take(arena, least);
    room->exec.scratch_size = least;
    return status;
}

/* Lays out an arena at an address that nobody reads. */
static align_status measure(struct call *call, size_t *bytes)
{
    const size_t endless = SIZE_MAX / 2;
    struct align__arena arena = {.at = (char *)(uintptr_t)ALIGN__LINE, .left = endless};
    struct room room;
    align_status status = lay_out(call, &arena, &room);
    *bytes = endless - arena.left + align__arena_slack();
    return status;
}

align_status align_reward_slopes_scratch(const align_exec *user_exec,
                                         const align_reward_slopes_args *user_args, size_t *least,
                                         size_t *best)
{
    struct call call;
    size_t bytes;
    align_status status = open(&call, user_exec, user_args);
    if (status == ALIGN_E_NONE)
        status = measure(&call, &bytes);
    if (status == ALIGN_E_NONE)
        *least = *best = bytes;
    return status;
}

/* ---- the fits ------------------------------------------------------------------------------ */

/* -1: a pair without weight or annotator. */
static int64_t person_of(const struct call *call, int64_t pair)
{
    double person = align__reward_number(&call->args.annotator, pair, 0);
    return align__reward_rows(&call->pairs.data, pair) == 0 || person < 0 ? -1 : (int64_t)person;
}

/* The common z of all pairs, into data.scores. */
static align_status find_common(struct call *call, const struct room *room)
{
    struct align__reward_data *data = &call->pairs.data;
    const align_reward_args *pairs = &call->pairs.args;
    struct align__reward_area area = align__reward_area_of(data, 0);
    double bias = data->position != 0 ? pairs->position : 0;
    for (int64_t d = 0; d < data->width; d++)
        room->coef[d] = align__reward_number(&pairs->coef, d, 0);
    for (int64_t i = 0; i < data->count; i++) {
        if (person_of(call, i) < 0)
            continue;
        struct align__reward_row row = align__reward_fetch(data, &area, i, 0);
        data->scores[i] = align__reward_dot(data, &row, room->coef) + bias +
                          align__reward_number(&pairs->offset, i, 0);
        if (fabs(data->scores[i]) < INFINITY)
            continue;
        align_status status = align__reward_find_bad(&call->pairs.exec, data, i);
        return status != ALIGN_E_NONE
                   ? status
                   : ALIGN__FAIL(&call->pairs.exec, FIELD_VALUE, .owner = REWARD_ARGS,
                                 .field = "coef", .value = data->scores[i],
                                 .word = "coefficients that leave z finite");
    }
    return ALIGN_E_NONE;
}

/* Pairs by annotator, in their order: begin[a] .. begin[a + 1] - 1 of `order`. */
static void sort_pairs(const struct call *call, const struct room *room)
{
    int64_t count = call->pairs.data.count, *begin = room->begin;
    memset(begin, 0, sizeof *begin * (size_t)(call->people + 2));
    for (int64_t i = 0; i < count; i++)
        if (person_of(call, i) >= 0)
            begin[person_of(call, i) + 2]++;
    for (int64_t a = 0; a < call->people; a++)
        begin[a + 2] += begin[a + 1];
    for (int64_t i = 0; i < count; i++)
        if (person_of(call, i) >= 0)
            room->order[begin[person_of(call, i) + 1]++] = i;
}

static void copy_pair(const struct call *call, const struct room *room, int64_t pair, int64_t to)
{
    const struct align__reward_data *data = &call->pairs.data;
    struct align__reward_area area = align__reward_area_of(data, 0);
    struct align__reward_row row = align__reward_fetch(data, &area, pair, 0);
    memset(room->row, 0, sizeof *room->row * (size_t)data->width);
    align__reward_add(data, &row, 1, room->row);
    for (int64_t s = 0; s < call->chosen; s++) {
        int64_t feature = (int64_t)align__reward_number(&call->args.select, s, 0);
        room->features[to * call->chosen + s] = room->row[feature];
    }
    room->columns[0][to] = data->scores[pair];
    room->columns[1][to] = align__reward_number(&data->args->prob, pair, 1);
    room->columns[2][to] = align__reward_number(&data->args->margin, pair, 0);
    room->columns[3][to] = align__reward_weight(data, pair);
}

static align_status fit_person(const struct call *call, const struct room *room, int64_t person)
{
    const align_reward_slopes_args *a = &call->args;
    int64_t first = room->begin[person], n = room->begin[person + 1] - first;
    align_reward_args fit = {0};
    for (int64_t k = 0; k < n; k++)
        copy_pair(call, room, room->order[first + k], k);
    view_fit(call, room, n, &fit);
    align_status status = n == 0 ? ALIGN_E_NONE : align_reward_fit(&room->exec, &fit);
    bool none = n == 0 || status == ALIGN_E_NO_SOLUTION || fit.existence == ALIGN_REWARD_DEFICIENT;
    if (status != ALIGN_E_NONE && status != ALIGN_E_NO_SOLUTION && status != ALIGN_E_NOT_CONVERGED)
        return status;
    for (int64_t s = 0; s < call->chosen; s++) {
        double error = room->vectors[3][s];
        align__reward_put(&a->slope, person, s, none ? (double)NAN : room->vectors[2][s]);
        align__reward_put(&a->variance, person, s, none ? (double)NAN : error * error);
    }
    align__reward_put(&a->existence, person, 0,
                      n == 0                            ? 0
                      : status == ALIGN_E_NOT_CONVERGED ? -1
                                                        : fit.existence);
    return ALIGN_E_NONE;
}

align_status align_reward_slopes_fit(const align_exec *user_exec,
                                     const align_reward_slopes_args *user_args)
{
    struct call call;
    struct room room;
    struct align__arena arena;
    size_t bytes = 0;
    align_status status = open(&call, user_exec, user_args);
    if (status == ALIGN_E_NONE)
        status = measure(&call, &bytes);
    if (status == ALIGN_E_NONE)
        status = align__arena_open(&call.pairs.exec, &arena, bytes);
    if (status == ALIGN_E_NONE)
        status = lay_out(&call, &arena, &room);
    if (status == ALIGN_E_NONE)
        status = align__reward_check(&call.pairs.exec, &call.pairs.data);
    if (status == ALIGN_E_NONE)
        status = find_common(&call, &room);
    if (status != ALIGN_E_NONE)
        return status;
    sort_pairs(&call, &room);
    memset(room.vectors[0], 0, sizeof(double) * (size_t)call.chosen);
    for (int64_t s = 0; s < call.chosen; s++)
        room.vectors[1][s] = align__reward_number(&call.args.precision, s, 0);
    /* What one annotator lacks is no error of the call. */
    const align_exec *exec = &call.pairs.exec;
    room.exec.error = NULL;
    room.exec.cancel = NULL;
    for (int64_t a = 0; status == ALIGN_E_NONE && a < call.people; a++) {
        if (exec->cancel != NULL && exec->cancel(exec->cancel_user) != 0)
            return ALIGN__FAIL(exec, REWARD_CANCELLED, .owner = "align_exec", .field = "cancel",
                               .low = (double)a);
        status = fit_person(&call, &room, a);
    }
    return status;
}
