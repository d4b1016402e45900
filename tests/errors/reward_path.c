/* Checks of sparse sides of pairs: what they say, and that they leave the outputs alone. */
#include "../suite.h"

#include <libalign/reward.h>

#include "reach.h"
#include "tensor.h"

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

SUITE_MAIN("errors reward path", sparse_sides_are_checked)
