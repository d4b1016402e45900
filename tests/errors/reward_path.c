/* Checks of sparse sides of pairs and of paths: what they say, and that they leave the outputs alone. */
#include "../suite.h"

#include <libalign/reward.h>

#include "reach.h"
#include "base/tensor.h"

#include <math.h>

enum { D = 3, M = 4, NNZ = 6 };

/* A fit that would succeed, for a case to break. */
struct bed {
    align_reward_args args;
    double value[2][NNZ], coef[D];
    int64_t column[2][NNZ];
    int32_t offset[2][M + 1];
};

static void make_bed(struct bed *bed)
{
    memset(bed, 0, sizeof *bed);
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < NNZ; i++) {
            bed->value[side][i] = (i * 5 + side * 3) % 7 - 3;
            bed->column[side][i] = (i + side) % D;
        }
        for (int r = 0; r <= M; r++)
            bed->offset[side][r] = r == M ? NNZ : r;
    }
    align_reward_args_init(&bed->args, sizeof bed->args);
    bed->args.first = align_1d(bed->value[0], ALIGN_F64, NNZ);
    bed->args.columns = align_1d(bed->column[0], ALIGN_I64, NNZ);
    bed->args.row_offsets = align_1d(bed->offset[0], ALIGN_I32, M + 1);
    bed->args.second = align_1d(bed->value[1], ALIGN_F64, NNZ);
    bed->args.second_columns = align_1d(bed->column[1], ALIGN_I64, NNZ);
    bed->args.second_row_offsets = align_1d(bed->offset[1], ALIGN_I32, M + 1);
    bed->args.coef = align_1d(bed->coef, ALIGN_F64, D);
    bed->args.l2 = 1;
    memset(bed->coef, 0xa5, sizeof bed->coef);
}

static align_status run(struct bed *bed, align_error *error)
{
    align_exec exec;
    size_t least = 0, best;
    align_exec_init(&exec, sizeof exec);
    align_error_init(error, sizeof *error);
    exec.error = error;
    align_status status = align_reward_scratch(&exec, &bed->args, &least, &best);
    if (status != ALIGN_E_NONE)
        return status;
    exec.scratch = malloc(least);
    exec.scratch_size = least;
    status = align_reward_fit(&exec, &bed->args);
    free(exec.scratch);
    return status;
}

static void column_beyond(struct bed *bed)
{
    bed->column[1][4] = D;
}
static void column_of_first_beyond(struct bed *bed)
{
    bed->column[0][2] = -1;
}
static void offsets_fall(struct bed *bed)
{
    bed->offset[1][1] = 3;
}
static void offsets_end_late(struct bed *bed)
{
    bed->offset[1][M] = NNZ + 1;
}
static void value_nan(struct bed *bed)
{
    bed->value[1][5] = NAN;
}
static void value_infinite(struct bed *bed)
{
    bed->value[0][5] = INFINITY;
}
static void fewer_rows(struct bed *bed)
{
    bed->args.second_row_offsets.shape[0]--;
}
static void fewer_columns(struct bed *bed)
{
    bed->args.second_columns.shape[0]--;
}
static void no_rows(struct bed *bed)
{
    bed->args.row_offsets.shape[0] = 0;
}
static void second_dense(struct bed *bed)
{
    bed->args.second_columns.ndim = 0;
}
static void second_without_rows(struct bed *bed)
{
    bed->args.second_row_offsets.ndim = 0;
}
static void first_dense(struct bed *bed)
{
    bed->args.columns.ndim = bed->args.row_offsets.ndim = 0;
}
static void columns_shared(struct bed *bed)
{
    bed->args.coef.data = bed->column[1];
}

#define ARGS          "align_reward_args."
#define SITE_OF(name) ALIGN__SITE_##name
static const struct {
    void (*change)(struct bed *bed);
    enum align__site site;
    const char *field;
    int64_t index; /* -1: none */
    double value;
} cases[] = {
    {column_beyond, SITE_OF(FIELD_BOUNDS), ARGS "second_columns", 4, D},
    {column_of_first_beyond, SITE_OF(FIELD_BOUNDS), ARGS "columns", 2, -1},
    {offsets_fall, SITE_OF(REWARD_OFFSETS), ARGS "second_row_offsets", 2, 2},
    {offsets_end_late, SITE_OF(REWARD_OFFSETS), ARGS "second_row_offsets", M, NNZ + 1},
    {value_nan, SITE_OF(FIELD_VALUE), ARGS "second", 5, (double)NAN},
    {value_infinite, SITE_OF(FIELD_VALUE), ARGS "first", 5, (double)INFINITY},
    {fewer_rows, SITE_OF(TENSOR_SIZE), ARGS "second_row_offsets", -1, M},
    {fewer_columns, SITE_OF(TENSOR_SIZE), ARGS "second_columns", -1, NNZ - 1},
    {no_rows, SITE_OF(REWARD_OFFSETS), ARGS "row_offsets", -1, 0},
    {second_dense, SITE_OF(FIELD_MISSING), ARGS "second_columns", -1, 0},
    {second_without_rows, SITE_OF(FIELD_MISSING), ARGS "second_row_offsets", -1, 0},
    {first_dense, SITE_OF(FIELD_UNREAD), ARGS "second_columns", -1, 0},
    {columns_shared, SITE_OF(TENSOR_SHARED), ARGS "coef", -1, 0},
};

START_TEST(sparse_sides_are_checked)
{
    struct bed bed, before;
    align_error error;
    make_bed(&bed);
    ck_assert_int_eq(run(&bed, &error), ALIGN_E_NONE);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_bed(&bed);
        cases[i].change(&bed);
        before = bed;
        ck_assert_int_ne(run(&bed, &error), ALIGN_E_NONE);
        reach_note(&error);
        ck_assert_msg(error.site == (uint32_t)cases[i].site, "case %d: %s", (int)i, error.text);
        ck_assert_str_eq(error.field, cases[i].field);
        ck_assert_uint_eq(error.axes, cases[i].index >= 0);
        ck_assert(cases[i].index < 0 || error.index[0] == cases[i].index);
        ck_assert(cases[i].value == 0 || error.value == cases[i].value ||
                  (isnan(error.value) && isnan(cases[i].value)));
        ck_assert_mem_eq(bed.coef, before.coef, sizeof bed.coef);
    }
}
END_TEST

/* ---- paths --------------------------------------------------------------------------------- */

/* A path that would succeed, over the bed's own pairs. */
struct path {
    struct bed bed;
    align_reward_args held;
    align_reward_path_args args;
    double l2[2], coefs[2][D], loss[2];
};

static void make_path(struct path *path)
{
    memset(path, 0, sizeof *path);
    make_bed(&path->bed);
    path->bed.args.l2 = 0;
    path->held = path->bed.args;
    path->held.coef.ndim = 0;
    path->l2[0] = 2;
    path->l2[1] = 1;
    align_reward_path_args_init(&path->args, sizeof path->args);
    path->args.fit = &path->bed.args;
    path->args.held = &path->held;
    path->args.l2 = align_1d(path->l2, ALIGN_F64, 2);
    path->args.coef = align_2d(path->coefs, ALIGN_F64, 2, D);
    path->args.loss = align_1d(path->loss, ALIGN_F64, 2);
}

static align_status walk(struct path *path, align_error *error)
{
    align_exec exec;
    size_t least = 0, best;
    align_exec_init(&exec, sizeof exec);
    align_error_init(error, sizeof *error);
    exec.error = error;
    align_status status = align_reward_path_scratch(&exec, &path->args, &least, &best);
    if (status != ALIGN_E_NONE)
        return status;
    exec.scratch = malloc(least);
    exec.scratch_size = least;
    status = align_reward_path_fit(&exec, &path->args);
    free(exec.scratch);
    return status;
}

static void no_fit(struct path *path)
{
    path->args.fit = NULL;
}
static void no_held(struct path *path)
{
    path->args.held = NULL;
}
static void no_l2(struct path *path)
{
    path->args.l2.ndim = 0;
}
static void empty_l2(struct path *path)
{
    path->args.l2.shape[0] = path->args.coef.shape[0] = path->args.loss.shape[0] = 0;
}
static void l2_negative(struct path *path)
{
    path->l2[1] = -1;
}
static void l2_in_fit(struct path *path)
{
    path->bed.args.l2 = 1;
}
static void held_with_coef(struct path *path)
{
    path->held.coef = align_1d(path->l2, ALIGN_F64, D);
}
static void held_with_start(struct path *path)
{
    path->held.start = align_1d(path->l2, ALIGN_F64, D);
}
static void held_of_other_flags(struct path *path)
{
    path->held.flags = ALIGN_REWARD_POSITION;
}
static void held_of_other_smoothing(struct path *path)
{
    path->held.label_smoothing = 0.25;
}
static void held_nan(struct path *path)
{
    static const double value[NNZ] = {1, 2, 3, NAN, 5, 6};
    path->held.second = align_1d(value, ALIGN_F64, NNZ);
}
static void fit_nan(struct path *path)
{
    static const double value[NNZ] = {1, 2, NAN, 4, 5, 6};
    path->bed.args.second = align_1d(value, ALIGN_F64, NNZ);
}
static void loss_short(struct path *path)
{
    path->args.loss.shape[0]--;
}
static void loss_over_coef(struct path *path)
{
    path->args.loss.data = path->coefs;
}

#define PATH "align_reward_path_args."
static const struct {
    void (*change)(struct path *path);
    enum align__site site;
    const char *field;
    int64_t index; /* -1: none */
} paths[] = {
    {no_fit, SITE_OF(FIELD_MISSING), PATH "fit", -1},
    {no_held, SITE_OF(FIELD_MISSING), PATH "held", -1},
    {no_l2, SITE_OF(FIELD_MISSING), PATH "l2", -1},
    {empty_l2, SITE_OF(FIELD_VALUE), PATH "l2", -1},
    {l2_negative, SITE_OF(FIELD_VALUE), PATH "l2", 1},
    {l2_in_fit, SITE_OF(FIELD_UNREAD), PATH "fit.l2", -1},
    {held_with_coef, SITE_OF(FIELD_UNREAD), PATH "held.coef", -1},
    {held_with_start, SITE_OF(FIELD_UNREAD), PATH "held.start", -1},
    {held_of_other_flags, SITE_OF(FIELD_VALUE), PATH "held.flags", -1},
    {held_of_other_smoothing, SITE_OF(FIELD_VALUE), PATH "held.label_smoothing", -1},
    {held_nan, SITE_OF(FIELD_VALUE), ARGS "second", 3},
    {fit_nan, SITE_OF(FIELD_VALUE), ARGS "second", 2},
    {loss_short, SITE_OF(TENSOR_SIZE), PATH "loss", -1},
    {loss_over_coef, SITE_OF(TENSOR_SHARED), PATH "coef", -1},
};

START_TEST(paths_are_checked)
{
    struct path path, before;
    align_error error;
    make_path(&path);
    ck_assert_int_eq(walk(&path, &error), ALIGN_E_NONE);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        make_path(&path);
        paths[i].change(&path);
        before = path;
        ck_assert_int_ne(walk(&path, &error), ALIGN_E_NONE);
        reach_note(&error);
        ck_assert_msg(error.site == (uint32_t)paths[i].site, "path %d: %s", (int)i, error.text);
        ck_assert_str_eq(error.field, paths[i].field);
        ck_assert_uint_eq(error.axes, paths[i].index >= 0);
        ck_assert(paths[i].index < 0 || error.index[0] == paths[i].index);
        ck_assert_mem_eq(&path, &before, sizeof path);
    }
    ck_assert_int_eq(align_reward_path_fit(NULL, NULL), ALIGN_E_ARG);
}
END_TEST

SUITE_MAIN("errors reward path", sparse_sides_are_checked, paths_are_checked)
