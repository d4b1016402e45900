/* Every check of the linear rewards: what it says, and that it leaves the outputs alone. */
#include "../suite.h"

#include <libalign/reward.h>

#include "breaks.h"
#include "base/tensor.h"

#include <math.h>

enum { D = 3, M = 8, R = 5 };

/* One fit by matrices and one by index that would succeed, and a prediction, for a case to break. */
struct bed {
    align_exec exec;
    align_reward_args args;
    align_reward_query query;
    double first[M][D], second[M][D], features[R][D];
    _Alignas(8) int32_t index[M][2];
    _Alignas(8) int32_t grade[M], list[M][4], columns[R * D], row_offsets[R + 1];
    double offset[M], start[D], center[D], threshold[D], threshold_se[D];
    double prob[M], margin[M], weight[M], l2_each[D * D]; /* room for a matrix in place of a row */
    double coef[D * D], se[D * D], covariance[D][D], reward[R], query_se[R], v[D][D];
};

static int32_t stop(void *user)
{
    (void)user;
    return 1;
}

static void make_bed(struct bed *bed)
{
    memset(bed, 0, sizeof *bed);
    align_exec_init(&bed->exec, sizeof bed->exec);
    align_reward_args_init(&bed->args, sizeof bed->args);
    align_reward_query_init(&bed->query, sizeof bed->query);
    for (int r = 0; r < M; r++) {
        for (int k = 0; k < D; k++) {
            bed->first[r][k] = (r * 7 + k * 3) % 5;
            bed->second[r][k] = (r * 3 + k * 8) % 7;
        }
        bed->index[r][0] = r % R;
        bed->index[r][1] = (r + 1 + r / R) % R;
        bed->prob[r] = 0.25 + 0.5 * (r % 2);
        bed->weight[r] = 1;
        bed->grade[r] = r % 3;
        for (int k = 0; k < 4; k++)
            bed->list[r][k] = (r + 2 * k) % R;
    }
    for (int i = 0; i < R * D; i++) {
        bed->features[i / D][i % D] = (i * 7 % 11 - 5) / 4.0;
        bed->columns[i] = i % D;
        bed->row_offsets[i / D + 1] = i + 1;
    }
    memset(bed->threshold, 0xa5, sizeof bed->threshold);
    memset(bed->threshold_se, 0xa5, sizeof bed->threshold_se);
    memset(bed->coef, 0xa5, sizeof bed->coef);
    memset(bed->se, 0xa5, sizeof bed->se);
    memset(bed->covariance, 0xa5, sizeof bed->covariance);
    bed->args.first = align_2d(bed->first, ALIGN_F64, M, D);
    bed->args.second = align_2d(bed->second, ALIGN_F64, M, D);
    bed->args.prob = align_1d(bed->prob, ALIGN_F64, M);
    bed->args.margin = align_1d(bed->margin, ALIGN_F64, M);
    bed->args.weight = align_1d(bed->weight, ALIGN_F64, M);
    bed->args.l2_each = align_1d(bed->l2_each, ALIGN_F64, D);
    bed->args.coef = align_1d(bed->coef, ALIGN_F64, D);
    bed->args.se = align_1d(bed->se, ALIGN_F64, D);
    bed->args.covariance = align_2d(bed->covariance, ALIGN_F64, D, D);
    bed->query.features = align_2d(bed->features, ALIGN_F64, R, D);
    bed->query.coef = align_1d(bed->l2_each, ALIGN_F64, D);
    bed->query.covariance = align_2d(bed->v, ALIGN_F64, D, D);
    bed->query.reward = align_1d(bed->reward, ALIGN_F64, R);
    bed->query.se = align_1d(bed->query_se, ALIGN_F64, R);
}

static void by_index(struct bed *bed)
{
    bed->args.first.ndim = bed->args.second.ndim = 0;
    bed->args.features = align_2d(bed->features, ALIGN_F64, R, D);
    bed->args.index = align_2d(bed->index, ALIGN_I32, M, 2);
}

static void by_sparse(struct bed *bed)
{
    by_index(bed);
    bed->args.features = align_1d(bed->features, ALIGN_F64, R * D);
    bed->args.columns = align_1d(bed->columns, ALIGN_I32, R * D);
    bed->args.row_offsets = align_1d(bed->row_offsets, ALIGN_I32, R + 1);
}

static void by_grade(struct bed *bed)
{
    bed->args.model = ALIGN_REWARD_ORDINAL;
    bed->args.levels = 3;
    bed->args.prob.ndim = 0;
    bed->args.l2 = 1;
    bed->args.grade = align_1d(bed->grade, ALIGN_I32, M);
    bed->args.threshold = align_1d(bed->threshold, ALIGN_F64, 2);
    bed->args.threshold_se = align_1d(bed->threshold_se, ALIGN_F64, 2);
}

static void by_ties(struct bed *bed)
{
    bed->args.model = ALIGN_REWARD_DAVIDSON;
    bed->args.l2 = 1;
    for (int r = 0; r < M; r++)
        bed->prob[r] = r % 3 / 2.0;
}

static void by_list(struct bed *bed)
{
    by_index(bed);
    bed->args.model = ALIGN_REWARD_LISTS;
    bed->args.l2 = 1;
    bed->args.index.ndim = bed->args.prob.ndim = bed->args.margin.ndim = 0;
    bed->args.list = align_2d(bed->list, ALIGN_I32, M, 4);
}

static align_status run(struct bed *bed, align_error *error, bool predict)
{
    static char scratch[1 << 16];
    align_error_init(error, sizeof *error);
    bed->exec.error = error;
    if (bed->exec.scratch == NULL) {
        bed->exec.scratch = scratch;
        bed->exec.scratch_size = sizeof scratch;
    }
    align_status status = predict ? align_reward_predict(&bed->exec, &bed->query)
                                  : align_reward_fit(&bed->exec, &bed->args);
    if (status != ALIGN_E_NONE)
        reach_note(error);
    return status;
}

static void expect_untouched(const struct bed *bed, const struct bed *before)
{
    ck_assert_mem_eq(bed->coef, before->coef, sizeof bed->coef);
    ck_assert_mem_eq(bed->se, before->se, sizeof bed->se);
    ck_assert_mem_eq(bed->covariance, before->covariance, sizeof bed->covariance);
    ck_assert_mem_eq(bed->threshold, before->threshold, sizeof bed->threshold);
    ck_assert_mem_eq(bed->threshold_se, before->threshold_se, sizeof bed->threshold_se);
    ck_assert_mem_eq(bed->reward, before->reward, sizeof bed->reward);
    ck_assert_mem_eq(bed->query_se, before->query_se, sizeof bed->query_se);
    ck_assert_mem_eq(&bed->args, &before->args, sizeof bed->args);
}

static const align_status statuses[ALIGN__SITE_COUNT] = {
    ALIGN_E_NONE,
#define SITE(name, status, text) ALIGN_E_##status,
#include "base/errors.def"
#undef SITE
};

/* ---- one row a check ----------------------------------------------------------------------- */

static void index_beyond(struct bed *bed)
{
    by_index(bed);
    bed->index[3][1] = R;
}
static void prob_above(struct bed *bed)
{
    bed->prob[2] = 1.5;
}
static void prob_nan(struct bed *bed)
{
    bed->prob[7] = NAN;
}
static void margin_infinite(struct bed *bed)
{
    bed->margin[1] = INFINITY;
}
static void weight_negative(struct bed *bed)
{
    bed->weight[6] = -1;
}
static void first_nan(struct bed *bed)
{
    bed->first[4][2] = NAN;
}
static void second_infinite(struct bed *bed)
{
    bed->second[5][0] = -INFINITY;
}
static void features_nan(struct bed *bed)
{
    by_index(bed);
    bed->features[2][1] = NAN;
}
static void l2_negative(struct bed *bed)
{
    bed->args.l2 = -1;
}
static void l2_each_nan(struct bed *bed)
{
    bed->l2_each[2] = NAN;
}
static void tolerance_above(struct bed *bed)
{
    bed->args.tolerance = 2;
}
static void iterations_negative(struct bed *bed)
{
    bed->args.max_iterations = -5;
}
static void unknown_flag(struct bed *bed)
{
    bed->args.flags = 8;
}
static void no_coef(struct bed *bed)
{
    bed->args.coef.ndim = 0;
}
static void no_first(struct bed *bed)
{
    bed->args.first.ndim = 0;
}
static void no_second(struct bed *bed)
{
    bed->args.second.ndim = 0;
}
static void index_alone(struct bed *bed)
{
    by_index(bed);
    bed->args.features.ndim = 0;
}
static void first_with_index(struct bed *bed)
{
    align_tensor t = bed->args.first;
    by_index(bed);
    bed->args.first = t;
}
static void second_with_index(struct bed *bed)
{
    align_tensor t = bed->args.second;
    by_index(bed);
    bed->args.second = t;
}
static void features_without_index(struct bed *bed)
{
    bed->args.features = bed->args.first;
}
static void no_width(struct bed *bed)
{
    align_tensor *all[] = {&bed->args.first, &bed->args.second};
    for (int k = 0; k < 2; k++)
        all[k]->shape[1] = 0;
    bed->args.coef.shape[0] = bed->args.se.shape[0] = bed->args.l2_each.shape[0] = 0;
    bed->args.covariance.shape[0] = bed->args.covariance.shape[1] = 0;
}
static void little_scratch(struct bed *bed)
{
    size_t best;
    ck_assert_int_eq(align_reward_scratch(&bed->exec, &bed->args, &bed->exec.scratch_size, &best),
                     0);
    bed->exec.scratch_size--;
    bed->exec.scratch = bed;
}
static void short_args(struct bed *bed)
{
    bed->args.size = 40;
}
static void separated(struct bed *bed)
{
    for (int r = 0; r < M; r++)
        for (int k = 0; k < D; k++) {
            bed->first[r][k] = k == 0 ? 1 + r : r % 3;
            bed->second[r][k] = 0;
            bed->prob[r] = 1;
        }
}
static void one_step(struct bed *bed)
{
    bed->args.max_iterations = 1;
}
static void cancelled(struct bed *bed)
{
    bed->exec.cancel = stop;
}
static void query_without_coef(struct bed *bed)
{
    bed->query.coef.ndim = 0;
}
static void query_without_reward(struct bed *bed)
{
    bed->query.reward.ndim = 0;
}
static void query_without_features(struct bed *bed)
{
    bed->query.features.ndim = 0;
}
static void query_without_covariance(struct bed *bed)
{
    bed->query.covariance.ndim = 0;
}
static void query_without_se(struct bed *bed)
{
    bed->query.se.ndim = 0;
}

static void unknown_model(struct bed *bed)
{
    bed->args.model = 5;
}
static void offset_nan(struct bed *bed)
{
    bed->offset[3] = NAN;
    bed->args.offset = align_1d(bed->offset, ALIGN_F64, M);
}
static void start_infinite(struct bed *bed)
{
    bed->start[1] = INFINITY;
    bed->args.start = align_1d(bed->start, ALIGN_F64, D);
}
static void center_nan(struct bed *bed)
{
    bed->center[2] = NAN;
    bed->args.center = align_1d(bed->center, ALIGN_F64, D);
}
static void smoothing_half(struct bed *bed)
{
    bed->args.label_smoothing = 0.5;
}
static void columns_beyond(struct bed *bed)
{
    by_sparse(bed);
    bed->columns[5] = D;
}
static void sparse_nan(struct bed *bed)
{
    by_sparse(bed);
    bed->features[1][1] = NAN;
}
static void offsets_fall(struct bed *bed)
{
    by_sparse(bed);
    bed->row_offsets[2] = 1;
}
static void offsets_end_early(struct bed *bed)
{
    by_sparse(bed);
    bed->row_offsets[R]--;
}
static void columns_alone(struct bed *bed)
{
    by_sparse(bed);
    bed->args.row_offsets.ndim = 0;
}
static void offsets_alone(struct bed *bed)
{
    by_sparse(bed);
    bed->args.columns.ndim = 0;
}
static void columns_with_first(struct bed *bed)
{
    bed->args.columns = align_1d(bed->columns, ALIGN_I32, R * D);
    bed->args.row_offsets = align_1d(bed->row_offsets, ALIGN_I32, R + 1);
}
static void grade_beyond(struct bed *bed)
{
    by_grade(bed);
    bed->grade[4] = 3;
}
static void grade_negative(struct bed *bed)
{
    by_grade(bed);
    bed->grade[2] = -1;
}
static void grade_unseen(struct bed *bed)
{
    by_grade(bed);
    for (int r = 0; r < M; r++)
        bed->grade[r] = r % 2;
}
static void one_level(struct bed *bed)
{
    by_grade(bed);
    bed->args.levels = 1;
}
static void grade_absent(struct bed *bed)
{
    by_grade(bed);
    bed->args.grade.ndim = 0;
}
static void prob_with_grade(struct bed *bed)
{
    by_grade(bed);
    bed->args.prob = align_1d(bed->prob, ALIGN_F64, M);
}
static void levels_alone(struct bed *bed)
{
    bed->args.levels = 3;
}
static void grade_alone(struct bed *bed)
{
    bed->args.grade = align_1d(bed->grade, ALIGN_I32, M);
}
static void threshold_alone(struct bed *bed)
{
    bed->args.threshold = align_1d(bed->threshold, ALIGN_F64, 1);
}
static void threshold_se_alone(struct bed *bed)
{
    bed->args.threshold_se = align_1d(bed->threshold_se, ALIGN_F64, 1);
}
static void symmetric_alone(struct bed *bed)
{
    bed->args.flags = ALIGN_REWARD_SYMMETRIC;
}
static void ties_soft(struct bed *bed)
{
    by_ties(bed);
    bed->prob[4] = 0.75;
}
static void ties_unseen(struct bed *bed)
{
    by_ties(bed);
    for (int r = 0; r < M; r++)
        bed->prob[r] = r % 2;
}
static void ties_without_prob(struct bed *bed)
{
    by_ties(bed);
    bed->args.prob.ndim = 0;
}
static void ties_smoothed(struct bed *bed)
{
    by_ties(bed);
    bed->args.label_smoothing = 0.1;
}
static void ties_two_sided(struct bed *bed)
{
    by_ties(bed);
    bed->args.flags = ALIGN_REWARD_TWO_SIDED;
}
static void list_beyond(struct bed *bed)
{
    by_list(bed);
    bed->list[5][2] = R;
}
static void list_absent(struct bed *bed)
{
    by_list(bed);
    bed->args.list.ndim = 0;
}
static void list_without_features(struct bed *bed)
{
    by_list(bed);
    bed->args.features.ndim = 0;
}
static void list_alone(struct bed *bed)
{
    bed->args.list = align_2d(bed->list, ALIGN_I32, M, 4);
}
static void list_with_index(struct bed *bed)
{
    by_list(bed);
    bed->args.index = align_2d(bed->index, ALIGN_I32, M, 2);
}
static void list_with_first(struct bed *bed)
{
    align_tensor t = bed->args.first;
    by_list(bed);
    bed->args.first = t;
}
static void list_with_second(struct bed *bed)
{
    align_tensor t = bed->args.second;
    by_list(bed);
    bed->args.second = t;
}
static void list_with_prob(struct bed *bed)
{
    by_list(bed);
    bed->args.prob = align_1d(bed->prob, ALIGN_F64, M);
}
static void list_with_margin(struct bed *bed)
{
    by_list(bed);
    bed->args.margin = align_1d(bed->margin, ALIGN_F64, M);
}
static void list_with_offset(struct bed *bed)
{
    by_list(bed);
    bed->args.offset = align_1d(bed->offset, ALIGN_F64, M);
}
static void list_with_position(struct bed *bed)
{
    by_list(bed);
    bed->args.flags = ALIGN_REWARD_POSITION;
}
static void stages_negative(struct bed *bed)
{
    by_list(bed);
    bed->args.stages = -1;
}
static void stages_alone(struct bed *bed)
{
    bed->args.stages = 1;
}

#define ARGS          "align_reward_args."
#define QUERY         "align_reward_query."
#define SITE_OF(name) ALIGN__SITE_##name
static const struct {
    void (*change)(struct bed *bed);
    enum align__site site;
    const char *field;
    int64_t index[2]; /* -1: none */
    double value;     /* 0: not looked at */
    bool written, predict;
} cases[] = {
    {index_beyond, SITE_OF(FIELD_BOUNDS), ARGS "index", {3, 1}, R},
    {prob_above, SITE_OF(FIELD_BOUNDS), ARGS "prob", {2, -1}, 1.5},
    {prob_nan, SITE_OF(FIELD_BOUNDS), ARGS "prob", {7, -1}, NAN},
    {margin_infinite, SITE_OF(FIELD_VALUE), ARGS "margin", {1, -1}, INFINITY},
    {weight_negative, SITE_OF(FIELD_VALUE), ARGS "weight", {6, -1}, -1},
    {first_nan, SITE_OF(FIELD_VALUE), ARGS "first", {4, 2}, NAN},
    {second_infinite, SITE_OF(FIELD_VALUE), ARGS "second", {5, 0}, -INFINITY},
    {features_nan, SITE_OF(FIELD_VALUE), ARGS "features", {2, 1}, NAN},
    {l2_negative, SITE_OF(FIELD_VALUE), ARGS "l2", {-1, -1}, -1},
    {l2_each_nan, SITE_OF(FIELD_VALUE), ARGS "l2_each", {2, -1}, NAN},
    {tolerance_above, SITE_OF(FIELD_BOUNDS), ARGS "tolerance", {-1, -1}, 2},
    {iterations_negative, SITE_OF(FIELD_VALUE), ARGS "max_iterations", {-1, -1}, -5},
    {unknown_flag, SITE_OF(FLAG_UNKNOWN), ARGS "flags", {-1, -1}, 8},
    {no_coef, SITE_OF(FIELD_MISSING), ARGS "coef", {-1, -1}, 0},
    {no_first, SITE_OF(FIELD_MISSING), ARGS "first", {-1, -1}, 0},
    {no_second, SITE_OF(FIELD_MISSING), ARGS "second", {-1, -1}, 0},
    {index_alone, SITE_OF(FIELD_MISSING), ARGS "features", {-1, -1}, 0},
    {first_with_index, SITE_OF(FIELD_UNREAD), ARGS "first", {-1, -1}, 0},
    {second_with_index, SITE_OF(FIELD_UNREAD), ARGS "second", {-1, -1}, 0},
    {features_without_index, SITE_OF(FIELD_UNREAD), ARGS "features", {-1, -1}, 0},
    {no_width, SITE_OF(REWARD_WIDTH), ARGS "first", {-1, -1}, 0},
    {little_scratch, SITE_OF(SCRATCH_SMALL), "align_exec.scratch_size", {-1, -1}, 0},
    {short_args, SITE_OF(STRUCT_SIZE), ARGS "size", {-1, -1}, 40},
    {separated, SITE_OF(REWARD_SEPARATED), ARGS "coef", {-1, -1}, 0, true},
    {one_step, SITE_OF(REWARD_NOT_CONVERGED), ARGS "coef", {-1, -1}, 0, true},
    {cancelled, SITE_OF(REWARD_CANCELLED), "align_exec.cancel", {-1, -1}, 0},
    {unknown_model, SITE_OF(FIELD_BOUNDS), ARGS "model", {-1, -1}, 5},
    {offset_nan, SITE_OF(FIELD_VALUE), ARGS "offset", {3, -1}, NAN},
    {start_infinite, SITE_OF(FIELD_VALUE), ARGS "start", {1, -1}, INFINITY},
    {center_nan, SITE_OF(FIELD_VALUE), ARGS "center", {2, -1}, NAN},
    {smoothing_half, SITE_OF(FIELD_VALUE), ARGS "label_smoothing", {-1, -1}, 0.5},
    {columns_beyond, SITE_OF(FIELD_BOUNDS), ARGS "columns", {5, -1}, D},
    {sparse_nan, SITE_OF(FIELD_VALUE), ARGS "features", {4, -1}, NAN},
    {offsets_fall, SITE_OF(REWARD_OFFSETS), ARGS "row_offsets", {2, -1}, 1},
    {offsets_end_early, SITE_OF(REWARD_OFFSETS), ARGS "row_offsets", {5, -1}, R *D - 1},
    {columns_alone, SITE_OF(FIELD_MISSING), ARGS "row_offsets", {-1, -1}, 0},
    {offsets_alone, SITE_OF(FIELD_UNREAD), ARGS "row_offsets", {-1, -1}, 0},
    {columns_with_first, SITE_OF(FIELD_MISSING), ARGS "second_columns", {-1, -1}, 0},
    {grade_beyond, SITE_OF(FIELD_BOUNDS), ARGS "grade", {4, -1}, 3},
    {grade_negative, SITE_OF(FIELD_BOUNDS), ARGS "grade", {2, -1}, -1},
    {grade_unseen, SITE_OF(REWARD_UNSEEN), ARGS "grade", {-1, -1}, 2},
    {one_level, SITE_OF(FIELD_VALUE), ARGS "levels", {-1, -1}, 1},
    {grade_absent, SITE_OF(FIELD_MISSING), ARGS "grade", {-1, -1}, 0},
    {prob_with_grade, SITE_OF(FIELD_UNREAD), ARGS "prob", {-1, -1}, 0},
    {levels_alone, SITE_OF(FIELD_UNREAD), ARGS "levels", {-1, -1}, 0},
    {grade_alone, SITE_OF(FIELD_UNREAD), ARGS "grade", {-1, -1}, 0},
    {threshold_alone, SITE_OF(FIELD_UNREAD), ARGS "threshold", {-1, -1}, 0},
    {threshold_se_alone, SITE_OF(FIELD_UNREAD), ARGS "threshold_se", {-1, -1}, 0},
    {symmetric_alone, SITE_OF(FIELD_UNREAD), ARGS "flags (SYMMETRIC)", {-1, -1}, 0},
    {ties_soft, SITE_OF(FIELD_VALUE), ARGS "prob", {4, -1}, 0.75},
    {ties_unseen, SITE_OF(REWARD_UNSEEN), ARGS "prob", {-1, -1}, 0.5},
    {ties_without_prob, SITE_OF(FIELD_MISSING), ARGS "prob", {-1, -1}, 0},
    {ties_smoothed, SITE_OF(FIELD_UNREAD), ARGS "label_smoothing", {-1, -1}, 0},
    {ties_two_sided, SITE_OF(FIELD_UNREAD), ARGS "flags (TWO_SIDED)", {-1, -1}, 0},
    {list_beyond, SITE_OF(FIELD_BOUNDS), ARGS "list", {5, 2}, R},
    {list_absent, SITE_OF(FIELD_MISSING), ARGS "list", {-1, -1}, 0},
    {list_without_features, SITE_OF(FIELD_MISSING), ARGS "features", {-1, -1}, 0},
    {list_alone, SITE_OF(FIELD_UNREAD), ARGS "list", {-1, -1}, 0},
    {list_with_index, SITE_OF(FIELD_UNREAD), ARGS "index", {-1, -1}, 0},
    {list_with_first, SITE_OF(FIELD_UNREAD), ARGS "first", {-1, -1}, 0},
    {list_with_second, SITE_OF(FIELD_UNREAD), ARGS "second", {-1, -1}, 0},
    {list_with_prob, SITE_OF(FIELD_UNREAD), ARGS "prob", {-1, -1}, 0},
    {list_with_margin, SITE_OF(FIELD_UNREAD), ARGS "margin", {-1, -1}, 0},
    {list_with_offset, SITE_OF(FIELD_UNREAD), ARGS "offset", {-1, -1}, 0},
    {list_with_position, SITE_OF(FIELD_UNREAD), ARGS "flags (POSITION)", {-1, -1}, 0},
    {stages_negative, SITE_OF(FIELD_VALUE), ARGS "stages", {-1, -1}, -1},
    {stages_alone, SITE_OF(FIELD_UNREAD), ARGS "stages", {-1, -1}, 0},
    {query_without_coef, SITE_OF(FIELD_MISSING), QUERY "coef", {-1, -1}, 0, false, true},
    {query_without_reward, SITE_OF(FIELD_MISSING), QUERY "reward", {-1, -1}, 0, false, true},
    {query_without_features, SITE_OF(FIELD_MISSING), QUERY "features", {-1, -1}, 0, false, true},
    {query_without_covariance,
     SITE_OF(FIELD_MISSING),
     QUERY "covariance",
     {-1, -1},
     0,
     false,
     true},
    {query_without_se, SITE_OF(FIELD_UNREAD), QUERY "covariance", {-1, -1}, 0, false, true},
};

static void check_case(size_t i)
{
    struct bed bed, before;
    align_error error;
    make_bed(&bed);
    cases[i].change(&bed);
    before = bed;
    align_status status = run(&bed, &error, cases[i].predict);
    ck_assert_msg(error.site == (uint32_t)cases[i].site, "case %d: %s", (int)i, error.text);
    ck_assert_int_eq(status, statuses[cases[i].site]);
    ck_assert_str_eq(error.field, cases[i].field);
    ck_assert_uint_eq(error.axes, (uint32_t)((cases[i].index[0] >= 0) + (cases[i].index[1] >= 0)));
    for (uint32_t k = 0; k < error.axes; k++)
        ck_assert_int_eq((int)error.index[k], (int)cases[i].index[k]);
    if (cases[i].value != 0)
        ck_assert(error.value == cases[i].value || (isnan(error.value) && isnan(cases[i].value)));
    if (cases[i].written)
        ck_assert_mem_ne(bed.coef, before.coef, sizeof bed.coef);
    else
        expect_untouched(&bed, &before);
}

/* ---- every tensor by every general rule ----------------------------------------------------- */

static void with_vectors(struct bed *bed)
{
    bed->args.offset = align_1d(bed->offset, ALIGN_F64, M);
    bed->args.start = align_1d(bed->start, ALIGN_F64, D);
    bed->args.center = align_1d(bed->center, ALIGN_F64, D);
}

struct field {
    const char *name;
    size_t offset;
    bool output;
    void (*way)(struct bed *bed); /* in which the field is read, or NULL */
    bool predict;
};
#define ARGS_FIELD(name, output, way)                                                              \
    {                                                                                              \
        ARGS #name, offsetof(struct bed, args) + offsetof(align_reward_args, name), output, way,   \
            false                                                                                  \
    }
#define QUERY_FIELD(name, output)                                                                  \
    {                                                                                              \
        QUERY #name, offsetof(struct bed, query) + offsetof(align_reward_query, name), output,     \
            NULL, true                                                                             \
    }
static const struct field fields[] = {
    ARGS_FIELD(first, false, NULL),
    ARGS_FIELD(second, false, NULL),
    ARGS_FIELD(features, false, by_index),
    ARGS_FIELD(index, false, by_index),
    ARGS_FIELD(prob, false, NULL),
    ARGS_FIELD(margin, false, NULL),
    ARGS_FIELD(weight, false, NULL),
    ARGS_FIELD(l2_each, false, NULL),
    ARGS_FIELD(columns, false, by_sparse),
    ARGS_FIELD(row_offsets, false, by_sparse),
    ARGS_FIELD(grade, false, by_grade),
    ARGS_FIELD(list, false, by_list),
    ARGS_FIELD(offset, false, with_vectors),
    ARGS_FIELD(start, false, with_vectors),
    ARGS_FIELD(center, false, with_vectors),
    ARGS_FIELD(coef, true, NULL),
    ARGS_FIELD(se, true, NULL),
    ARGS_FIELD(covariance, true, NULL),
    ARGS_FIELD(threshold, true, by_grade),
    ARGS_FIELD(threshold_se, true, by_grade),
    QUERY_FIELD(features, false),
    QUERY_FIELD(coef, false),
    QUERY_FIELD(covariance, false),
    QUERY_FIELD(reward, true),
    QUERY_FIELD(se, true),
};

static align_tensor *tensor_of(struct bed *bed, const struct field *field)
{
    return (align_tensor *)(void *)((char *)bed + field->offset);
}

static void expect_broken(struct bed *bed, const struct field *field, enum align__site site)
{
    struct bed before = *bed;
    align_error error;
    align_status status = run(bed, &error, field->predict);
    ck_assert_msg(error.site == (uint32_t)site, "%s: %s", field->name, error.text);
    ck_assert_int_eq(status, statuses[site]);
    ck_assert_str_eq(error.field, field->name);
    expect_untouched(bed, &before);
}

static void check_field(const struct field *field)
{
    struct bed bed;
    for (int r = 0; r < BREAKS; r++) {
        if (breaks[r].outputs_only && !field->output)
            continue;
        make_bed(&bed);
        if (field->way != NULL)
            field->way(&bed);
        breaks[r].change(tensor_of(&bed, field));
        expect_broken(&bed, field, breaks[r].site);
    }
    for (size_t o = 0; o < sizeof fields / sizeof fields[0]; o++) {
        if (!field->output || &fields[o] == field || fields[o].predict != field->predict ||
            (fields[o].way != NULL && fields[o].way != field->way))
            continue;
        make_bed(&bed);
        if (field->way != NULL)
            field->way(&bed);
        if (!align__present(tensor_of(&bed, &fields[o])))
            continue;
        /* The start may be coef itself, though not a part of it. */
        if (strcmp(field->name, ARGS "coef") == 0 || strcmp(field->name, ARGS "start") == 0)
            bed.args.start.stride[0] = 2;
        tensor_of(&bed, field)->data = tensor_of(&bed, &fields[o])->data;
        /* Of two outputs, the first is named. */
        bool other = fields[o].output && &fields[o] < field;
        expect_broken(&bed, other ? &fields[o] : field, SITE_OF(TENSOR_SHARED));
    }
    /* The width comes from the first of the features; sizes of the rest follow. */
    if (strcmp(field->name, ARGS "first") == 0 || strcmp(field->name, ARGS "features") == 0 ||
        strcmp(field->name, ARGS "row_offsets") == 0 || strcmp(field->name, ARGS "list") == 0 ||
        strcmp(field->name, QUERY "features") == 0)
        return;
    make_bed(&bed);
    if (field->way != NULL)
        field->way(&bed);
    align_tensor *t = tensor_of(&bed, field);
    t->shape[t->ndim - 1]--;
    expect_broken(&bed, field, SITE_OF(TENSOR_SIZE));
}

START_TEST(every_check_is_reached)
{
    struct bed bed;
    align_error error;
    make_bed(&bed);
    ck_assert_int_eq(run(&bed, &error, false), ALIGN_E_NONE);
    ck_assert_int_eq(run(&bed, &error, true), ALIGN_E_NONE);
    static void (*const ways[])(struct bed * bed) = {by_index, by_sparse, by_grade, by_ties,
                                                     by_list};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        make_bed(&bed);
        ways[i](&bed);
        ck_assert_msg(run(&bed, &error, false) == ALIGN_E_NONE, "way %d: %s", (int)i, error.text);
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_case(i);
    for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++)
        check_field(&fields[f]);
    make_bed(&bed);
    bed.args.first.stride[1] = 2;
    bed.args.first.shape[0] = bed.args.second.shape[0] = M / 2;
    bed.args.prob.shape[0] = bed.args.margin.shape[0] = bed.args.weight.shape[0] = M / 2;
    expect_broken(&bed, &fields[0], SITE_OF(TENSOR_INNER));
    ck_assert_int_eq(align_reward_fit(NULL, NULL), ALIGN_E_ARG);
    ck_assert_int_eq(align_reward_predict(NULL, NULL), ALIGN_E_ARG);
    reach_demand((const char *const[]){"REWARD_", NULL}, false);
}
END_TEST

SUITE_MAIN("errors reward", every_check_is_reached)
