/* Every check of ranks of strengths. */
#include "../suite.h"

#include "bt_bed.h"

#include <math.h>

/* ---- ranks --------------------------------------------------------------------------------- */

struct ranks_bed {
    align_bt_ranks_args args;
    double strength[N], covariance[N][N], draws[2][N], first[N], se[N][N];
    int32_t rank[N];
};

static void without_strength(struct ranks_bed *bed)
{
    bed->args.strength.ndim = 0;
}
static void no_covariance(struct ranks_bed *bed)
{
    bed->args.covariance.ndim = 0;
}
static void two_sources(struct ranks_bed *bed)
{
    bed->args.draws = align_2d(bed->draws, ALIGN_F64, 2, N);
}
static void level_one(struct ranks_bed *bed)
{
    bed->args.level = 1;
}
static void negative_samples(struct ranks_bed *bed)
{
    bed->args.samples = -1;
}
static void samples_of_draws(struct ranks_bed *bed)
{
    two_sources(bed);
    no_covariance(bed);
    bed->args.samples = 7;
}
static void seed_of_draws(struct ranks_bed *bed)
{
    two_sources(bed);
    no_covariance(bed);
    bed->args.seed = 7;
}
static void too_many_ranks(struct ranks_bed *bed)
{
    bed->args.strength.shape[0] = 40000;
}
static void strength_nan(struct ranks_bed *bed)
{
    bed->strength[2] = NAN;
}
static void variance_negative(struct ranks_bed *bed)
{
    bed->covariance[1][1] = -1;
}
static void covariance_infinite(struct ranks_bed *bed)
{
    bed->covariance[0][2] = INFINITY;
}
static void rank_real(struct ranks_bed *bed)
{
    bed->args.rank.dtype = ALIGN_F32;
}
static void first_is_strength(struct ranks_bed *bed)
{
    bed->args.first.data = bed->strength;
}
static void covariance_narrow(struct ranks_bed *bed)
{
    bed->args.covariance.shape[1] = N - 1;
}

static const struct {
    void (*change)(struct ranks_bed *bed);
    enum align__site site;
    const char *field;
} rank_cases[] = {
    {without_strength, SITE_OF(FIELD_MISSING), "strength"},
    {no_covariance, SITE_OF(FIELD_MISSING), "covariance"},
    {two_sources, SITE_OF(FIELD_UNREAD), "covariance"},
    {level_one, SITE_OF(FIELD_BOUNDS), "level"},
    {negative_samples, SITE_OF(FIELD_BOUNDS), "samples"},
    {samples_of_draws, SITE_OF(FIELD_UNREAD), "samples"},
    {seed_of_draws, SITE_OF(FIELD_UNREAD), "seed"},
    {too_many_ranks, SITE_OF(FIELD_BOUNDS), "strength"},
    {strength_nan, SITE_OF(RANKS_VALUE), "strength"},
    {variance_negative, SITE_OF(RANKS_VALUE), "covariance"},
    {covariance_infinite, SITE_OF(RANKS_VALUE), "covariance"},
    {rank_real, SITE_OF(TENSOR_DTYPE), "rank"},
    {first_is_strength, SITE_OF(TENSOR_SHARED), "first"},
    {covariance_narrow, SITE_OF(TENSOR_SIZE), "covariance"},
};

static void make_ranks_bed(struct ranks_bed *bed)
{
    memset(bed, 0, sizeof *bed);
    for (int i = 0; i < N; i++)
        bed->covariance[i][i] = 1;
    align_bt_ranks_args_init(&bed->args, sizeof bed->args);
    bed->args.strength = align_1d(bed->strength, ALIGN_F64, N);
    bed->args.covariance = align_2d(bed->covariance, ALIGN_F64, N, N);
    bed->args.first = align_1d(bed->first, ALIGN_F64, N);
    bed->args.rank = align_1d(bed->rank, ALIGN_I32, N);
    bed->args.difference_se = align_2d(bed->se, ALIGN_F64, N, N);
}

static void check_ranks(void)
{
    static char scratch[1 << 18];
    struct ranks_bed bed, before;
    align_error error;
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    align_error_init(&error, sizeof error);
    exec.error = &error;
    exec.scratch = scratch;
    exec.scratch_size = sizeof scratch;
    for (size_t i = 0; i < sizeof rank_cases / sizeof rank_cases[0]; i++) {
        make_ranks_bed(&bed);
        rank_cases[i].change(&bed);
        before = bed;
        ck_assert_int_eq(align_bt_ranks_eval(&exec, &bed.args), statuses[rank_cases[i].site]);
        reach_note(&error);
        ck_assert_msg(error.site == (uint32_t)rank_cases[i].site, "%s", error.text);
        ck_assert_str_eq(strchr(error.field, '.') + 1, rank_cases[i].field);
        ck_assert_mem_eq(&bed, &before, sizeof bed);
    }
    make_ranks_bed(&bed);
    before = bed;
    exec.cancel = stop;
    ck_assert_int_eq(align_bt_ranks_eval(&exec, &bed.args), ALIGN_E_CANCELLED);
    exec.scratch_size = 64;
    ck_assert_int_eq(align_bt_ranks_eval(&exec, &bed.args), ALIGN_E_SCRATCH);
    ck_assert_mem_eq(&bed, &before, sizeof bed);
}

START_TEST(every_check_is_reached)
{
    check_ranks();
    reach_demand((const char *const[]){"RANKS_", NULL}, false);
}
END_TEST

SUITE_MAIN("errors ranks", every_check_is_reached)
