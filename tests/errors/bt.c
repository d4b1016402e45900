/* Every check of the Bradley-Terry calls: what it says, and that it leaves the outputs alone. */
#include "../suite.h"

#include "breaks.h"
#include "bt_bed.h"

#include <math.h>

static align_status run(struct bed *bed, align_error *error)
{
    static char scratch[1 << 20];
    align_error_init(error, sizeof *error);
    bed->exec.error = error;
    if (bed->exec.scratch == NULL) {
        bed->exec.scratch = scratch;
        bed->exec.scratch_size = sizeof scratch;
    }
    align_status status = align_bt_fit(&bed->exec, &bed->args);
    if (status != ALIGN_E_NONE)
        reach_note(error);
    return status;
}

/* The bed before and after are equal, but for what the call may always change. */
static void expect_untouched(const struct bed *bed, const struct bed *before)
{
    ck_assert_mem_eq(bed->strength, before->strength, sizeof bed->strength);
    ck_assert_mem_eq(bed->component, before->component, sizeof bed->component);
    ck_assert_mem_eq(bed->part, before->part, sizeof bed->part);
    ck_assert_mem_eq(bed->se, before->se, sizeof bed->se);
    ck_assert_mem_eq(bed->covariance, before->covariance, sizeof bed->covariance);
    ck_assert_mem_eq(bed->draws, before->draws, sizeof bed->draws);
    ck_assert_mem_eq(&bed->args, &before->args, sizeof bed->args);
}

/* ---- one row a check ----------------------------------------------------------------------- */

struct expected {
    enum align__site site;
    const char *field;
    int64_t index; /* -1: none */
    double value;
    bool written;
};

static void self_pair(struct bed *bed)
{
    bed->second[4] = 1;
}
static void first_beyond(struct bed *bed)
{
    bed->first[5] = N;
}
static void second_below(struct bed *bed)
{
    bed->second[2] = -1;
}
static void outcome_above(struct bed *bed)
{
    bed->outcome[3] = 1.5f;
}
static void outcome_nan(struct bed *bed)
{
    bed->outcome[1] = NAN;
}
static void weight_negative(struct bed *bed)
{
    bed->weight[0] = -2;
}
static void weight_infinite(struct bed *bed)
{
    bed->weight[5] = INFINITY;
}
static void one_item(struct bed *bed)
{
    bed->args.n_items = 1;
}
static void too_many_items(struct bed *bed)
{
    bed->args.n_items = INT64_C(1) << 31;
}
static void tolerance_nan(struct bed *bed)
{
    bed->args.tolerance = NAN;
}
static void iterations_negative(struct bed *bed)
{
    bed->args.max_iterations = -1;
}
static void unknown_flag(struct bed *bed)
{
    bed->args.flags = 1u << 31;
}
static void no_rows(struct bed *bed)
{
    bed->args.rows = NULL;
}
static void no_first(struct bed *bed)
{
    bed->rows.first.ndim = 0;
}
static void no_second(struct bed *bed)
{
    bed->rows.second.ndim = 0;
}
static void no_strength(struct bed *bed)
{
    bed->args.strength.ndim = 0;
}
static void short_rows(struct bed *bed)
{
    bed->rows.size = 8;
}
static void short_args(struct bed *bed)
{
    bed->args.size = 16;
}
static void little_scratch(struct bed *bed)
{
    size_t best;
    ck_assert_int_eq(align_bt_scratch(&bed->exec, &bed->args, &bed->exec.scratch_size, &best), 0);
    bed->exec.scratch_size--;
    bed->exec.scratch = bed;
}
static void islands(struct bed *bed)
{
    for (int r = 0; r < M; r++) {
        bed->first[r] = r % 2;
        bed->second[r] = 1 - r % 2;
    }
}
static void unbeaten(struct bed *bed)
{
    for (int r = 0; r < M; r++) {
        bed->first[r] = r < 3 ? 1 : 2;
        bed->second[r] = r % 3 == 0 ? 0 : r < 3 ? 2 : 1;
        bed->outcome[r] = bed->second[r] == 0 ? 0 : 1;
    }
}
static void winless(struct bed *bed)
{
    unbeaten(bed);
    for (int r = 0; r < M; r++)
        bed->outcome[r] = 1;
}
static void all_ties(struct bed *bed)
{
    bed->args.ties = ALIGN_BT_TIES_DAVIDSON;
    for (int r = 0; r < M; r++)
        bed->outcome[r] = 0.5f;
}
static void home_alone(struct bed *bed)
{
    bed->args.flags = ALIGN_BT_HOME;
    for (int r = 0; r < M; r++)
        bed->outcome[r] = 1;
}
static void odd_ties(struct bed *bed)
{
    bed->args.ties = 3;
}
static void odd_prior(struct bed *bed)
{
    bed->args.prior = -1;
}
static void odd_variance(struct bed *bed)
{
    bed->args.variance = 3;
}
static void odd_solver(struct bed *bed)
{
    bed->args.solver = 9;
}
static void mean_of_nothing(struct bed *bed)
{
    bed->args.prior_mean = 1;
}
static void games_of_gaussian(struct bed *bed)
{
    bed->args.prior = ALIGN_BT_PRIOR_GAUSSIAN;
    bed->args.prior_precision = 1;
    bed->args.prior_games = 1;
}
static void no_precision(struct bed *bed)
{
    bed->args.prior = ALIGN_BT_PRIOR_GAUSSIAN;
}
static void flat_shape(struct bed *bed)
{
    bed->args.prior = ALIGN_BT_PRIOR_GAMMA;
    bed->args.prior_shape = 1;
    bed->args.prior_rate = 1;
}
static void infinite_rate(struct bed *bed)
{
    bed->args.prior = ALIGN_BT_PRIOR_GAMMA;
    bed->args.prior_shape = 2;
    bed->args.prior_rate = INFINITY;
}
static void no_games(struct bed *bed)
{
    bed->args.prior = ALIGN_BT_PRIOR_EDGE;
    bed->args.prior_games = NAN;
}
static void scale_negative(struct bed *bed)
{
    bed->args.scale = -400;
}
static void offset_nan(struct bed *bed)
{
    bed->args.offset = NAN;
}
static void anchor_without_flag(struct bed *bed)
{
    bed->args.anchor = 1;
}
static void anchor_beyond(struct bed *bed)
{
    bed->args.flags = ALIGN_BT_ANCHOR;
    bed->args.anchor = N;
}
static void anchor_under_prior(struct bed *bed)
{
    bed->args.flags = ALIGN_BT_ANCHOR;
    bed->args.prior = ALIGN_BT_PRIOR_GHOST;
    bed->args.prior_games = 1;
}
static void errors_by_cg(struct bed *bed)
{
    bed->args.solver = ALIGN_BT_SOLVER_CG;
    bed->args.covariance.ndim = 0;
}
static void sandwich_of_nothing(struct bed *bed)
{
    bed->args.variance = ALIGN_BT_SANDWICH;
    bed->args.se.ndim = bed->args.covariance.ndim = 0;
}
static align_bt_counts counts;
static uint64_t counts_memory[2048];
static void both_sources(struct bed *bed)
{
    bed->args.counts = &counts;
}
static void counts_of_more(struct bed *bed)
{
    align_bt_counts_init(&counts, counts_memory, sizeof counts_memory, N + 1);
    bed->first[3] = N;
    ck_assert_int_eq(align_bt_counts_update(NULL, &counts, &bed->rows), 0);
    bed->args.rows = NULL;
    bed->args.counts = &counts;
}
static void counts_of_others(struct bed *bed)
{
    align_bt_counts_init(&counts, counts_memory, sizeof counts_memory, N - 1);
    bed->args.rows = NULL;
    bed->args.counts = &counts;
}
static void counts_unmade(struct bed *bed)
{
    align_bt_counts_init(&counts, counts_memory, sizeof counts_memory, N);
    counts.room++;
    bed->args.rows = NULL;
    bed->args.counts = &counts;
}
static void seed_of_nothing(struct bed *bed)
{
    bed->args.draws.ndim = 0;
    bed->args.seed = 7;
}
static void soft_draws(struct bed *bed)
{
    bed->outcome[4] = 0.75f;
}
static void one_step(struct bed *bed)
{
    bed->args.max_iterations = 1;
}
static void cancelled(struct bed *bed)
{
    bed->exec.cancel = stop;
}

static void clusters_of_rows(struct bed *bed)
{
    bed->args.variance = ALIGN_BT_CLUSTER;
    bed->args.n_clusters = 2;
}
static void annotators_of_rows(struct bed *bed)
{
    bed->args.flags = ALIGN_BT_BIAS;
}
static void annotator_unread(struct bed *bed)
{
    bed->rows.annotator = align_1d(bed->first, ALIGN_I32, M);
}
static void cluster_beyond(struct bed *bed)
{
    clusters_of_rows(bed);
    bed->args.draws.ndim = 0;
    bed->rows.cluster = align_1d(bed->first, ALIGN_I32, M);
}
static void annotator_beyond(struct bed *bed)
{
    annotators_of_rows(bed);
    bed->args.bias_precision = 1;
    bed->args.n_annotators = 2;
    bed->rows.annotator = align_1d(bed->first, ALIGN_I32, M);
}
static void bias_flat(struct bed *bed)
{
    annotator_beyond(bed);
    bed->args.bias_precision = 0;
}
static void no_annotators(struct bed *bed)
{
    annotator_beyond(bed);
    bed->args.n_annotators = 0;
}
static void precision_of_nothing(struct bed *bed)
{
    bed->args.reliability_precision = 1;
}
static void clusters_of_nothing(struct bed *bed)
{
    bed->args.n_clusters = 4;
}
static void coefficients_of_nothing(struct bed *bed)
{
    bed->args.coefficient_precision = 4;
}
static void covariate_nan(struct bed *bed)
{
    static double z[M] = {0, 1, 0, NAN, 1, 2};
    bed->rows.covariate = align_2d(z, ALIGN_F64, M, 1);
}
static void features_are_levels(struct bed *bed)
{
    static const double f[N][2] = {{1, 2}, {2, 4}, {-1, -2}};
    bed->args.item_feature = align_2d(f, ALIGN_F64, N, 2);
}
static void precision_negative(struct bed *bed)
{
    features_are_levels(bed);
    bed->args.coefficient_precision = -1;
}
static void covariate_separates(struct bed *bed)
{
    static double z[M];
    for (int r = 0; r < M; r++) {
        bed->outcome[r] = (float)(r % 2);
        z[r] = 2 * (r % 2) - 1;
    }
    bed->rows.covariate = align_2d(z, ALIGN_F64, M, 1);
}
static void fixed_infinite(struct bed *bed)
{
    static const double fixed[N] = {NAN, INFINITY, 0};
    bed->args.fixed = align_1d(fixed, ALIGN_F64, N);
}
static void fixed_and_anchor(struct bed *bed)
{
    fixed_infinite(bed);
    bed->args.flags = ALIGN_BT_ANCHOR;
}
static void fixed_features(struct bed *bed)
{
    features_are_levels(bed);
    fixed_infinite(bed);
}
static void jeffreys_ties(struct bed *bed)
{
    bed->args.prior = ALIGN_BT_PRIOR_JEFFREYS;
    bed->args.ties = ALIGN_BT_TIES_DAVIDSON;
}
static void sweeps_home(struct bed *bed)
{
    bed->args.solver = ALIGN_BT_SOLVER_MM;
    bed->args.flags = ALIGN_BT_HOME;
}
static void sweeps_draws(struct bed *bed)
{
    bed->args.solver = ALIGN_BT_SOLVER_NEWMAN;
}
static void newman_gamma(struct bed *bed)
{
    bed->args.solver = ALIGN_BT_SOLVER_NEWMAN;
    bed->args.prior = ALIGN_BT_PRIOR_GAMMA;
    bed->args.prior_shape = 2;
    bed->args.prior_rate = 1;
}
static void sweeps_cancelled(struct bed *bed)
{
    bed->args.solver = ALIGN_BT_SOLVER_MM;
    bed->args.draws.ndim = 0;
    bed->exec.cancel = stop;
}
static void bias_of_nothing(struct bed *bed)
{
    bed->args.bias = align_1d(bed->strength, ALIGN_F64, N);
}
static void bias_se_of_nothing(struct bed *bed)
{
    bed->args.bias_se = align_1d(bed->strength, ALIGN_F64, N);
}
static void reliability_se_of_nothing(struct bed *bed)
{
    bed->args.reliability_se = align_1d(bed->strength, ALIGN_F64, N);
}
static void coefficient_of_nothing(struct bed *bed)
{
    bed->args.coefficient = align_1d(bed->strength, ALIGN_F64, N);
}
static void clusters_of_counts(struct bed *bed)
{
    align_bt_counts_init(&counts, counts_memory, sizeof counts_memory, N);
    clusters_of_rows(bed);
    bed->args.rows = NULL;
    bed->args.counts = &counts;
}
/* Counts of two clusters, which hold the rows of the bed; those of the whole are the first one's. */
static void counts_of_clusters(struct bed *bed)
{
    static uint64_t memory[2][2048];
    static align_bt_counts parts[2];
    static const int32_t beyond[] = {N}, zero[] = {0};
    align_bt_rows far;
    clusters_of_counts(bed);
    bed->args.draws.ndim = 0;
    for (int c = 0; c < 2; c++)
        align_bt_counts_init(&parts[c], memory[c], sizeof memory[c], N + 1);
    align_bt_counts_init(&counts, counts_memory, sizeof counts_memory, N + 1);
    ck_assert_int_eq(align_bt_counts_update(NULL, &counts, &bed->rows), 0);
    ck_assert_int_eq(align_bt_counts_merge(NULL, &parts[0], &counts), 0);
    align_bt_rows_init(&far, sizeof far);
    far.first = align_1d(beyond, ALIGN_I32, 1);
    far.second = align_1d(zero, ALIGN_I32, 1);
    ck_assert_int_eq(align_bt_counts_update(NULL, &parts[1], &far), 0);
    bed->args.cluster_counts = parts;
}
static void clusters_of_more_items(struct bed *bed)
{
    counts_of_clusters(bed);
    counts.rows++;
}
static void cluster_of_other_items(struct bed *bed)
{
    static align_bt_counts parts[2];
    counts_of_clusters(bed);
    memcpy(parts, bed->args.cluster_counts, sizeof parts);
    align_bt_counts_init(&parts[0], NULL, 0, N);
    bed->args.cluster_counts = parts;
}
static void cluster_counts_of_rows(struct bed *bed)
{
    counts_of_clusters(bed);
    bed->args.counts = NULL;
    bed->args.rows = &bed->rows;
    bed->rows.cluster = align_1d(bed->first, ALIGN_I32, M);
}
static void annotators_of_counts(struct bed *bed)
{
    clusters_of_counts(bed);
    bed->args.flags = ALIGN_BT_RELIABILITY;
}
static void draws_of_clusters(struct bed *bed)
{
    cluster_beyond(bed);
    bed->args.draws = align_2d(bed->draws, ALIGN_F64, 2, N);
}

#define ARGS "align_bt_args."
#define ROWS "align_bt_rows."
static const struct {
    void (*change)(struct bed *bed);
    struct expected expected;
} cases[] = {
    {self_pair, {SITE_OF(BT_SELF), ROWS "second", 4, 1, false}},
    {first_beyond, {SITE_OF(FIELD_BOUNDS), ROWS "first", 5, N, false}},
    {second_below, {SITE_OF(FIELD_BOUNDS), ROWS "second", 2, -1, false}},
    {outcome_above, {SITE_OF(FIELD_BOUNDS), ROWS "outcome", 3, 1.5, false}},
    {outcome_nan, {SITE_OF(FIELD_BOUNDS), ROWS "outcome", 1, NAN, false}},
    {weight_negative, {SITE_OF(FIELD_BOUNDS), ROWS "weight", 0, -2, false}},
    {weight_infinite, {SITE_OF(FIELD_BOUNDS), ROWS "weight", 5, INFINITY, false}},
    {one_item, {SITE_OF(FIELD_BOUNDS), ARGS "n_items", -1, 1, false}},
    {too_many_items, {SITE_OF(FIELD_BOUNDS), ARGS "n_items", -1, 0x1p31, false}},
    {tolerance_nan, {SITE_OF(FIELD_BOUNDS), ARGS "tolerance", -1, NAN, false}},
    {iterations_negative, {SITE_OF(FIELD_VALUE), ARGS "max_iterations", -1, -1, false}},
    {unknown_flag, {SITE_OF(FLAG_UNKNOWN), ARGS "flags", -1, 0x1p31, false}},
    {no_rows, {SITE_OF(FIELD_MISSING), ARGS "rows", -1, 0, false}},
    {no_first, {SITE_OF(FIELD_MISSING), ROWS "first", -1, 0, false}},
    {no_second, {SITE_OF(FIELD_MISSING), ROWS "second", -1, 0, false}},
    {no_strength, {SITE_OF(FIELD_MISSING), ARGS "strength", -1, 0, false}},
    {short_rows, {SITE_OF(STRUCT_SIZE), ROWS "size", -1, 8, false}},
    {short_args, {SITE_OF(STRUCT_SIZE), ARGS "size", -1, 16, false}},
    {little_scratch, {SITE_OF(SCRATCH_SMALL), "align_exec.scratch_size", -1, -1, false}},
    {islands, {SITE_OF(BT_ISLANDS), ARGS "strength", 2, 2, true}},
    {unbeaten, {SITE_OF(BT_UNBEATEN), ARGS "strength", 0, 0, true}},
    {winless, {SITE_OF(BT_WINLESS), ARGS "strength", 0, 0, true}},
    {all_ties, {SITE_OF(BT_UNBOUNDED), ARGS "tie", -1, 0, true}},
    {home_alone, {SITE_OF(BT_UNBOUNDED), ARGS "home", -1, 0, true}},
    {odd_ties, {SITE_OF(FIELD_BOUNDS), ARGS "ties", -1, 3, false}},
    {odd_prior, {SITE_OF(FIELD_BOUNDS), ARGS "prior", -1, -1, false}},
    {odd_variance, {SITE_OF(FIELD_BOUNDS), ARGS "variance", -1, 3, false}},
    {odd_solver, {SITE_OF(FIELD_BOUNDS), ARGS "solver", -1, 9, false}},
    {mean_of_nothing, {SITE_OF(FIELD_UNREAD), ARGS "prior_mean", -1, 0, false}},
    {games_of_gaussian, {SITE_OF(FIELD_UNREAD), ARGS "prior_games", -1, 0, false}},
    {no_precision, {SITE_OF(FIELD_VALUE), ARGS "prior_precision", -1, 0, false}},
    {flat_shape, {SITE_OF(FIELD_VALUE), ARGS "prior_shape", -1, 1, false}},
    {infinite_rate, {SITE_OF(FIELD_VALUE), ARGS "prior_rate", -1, INFINITY, false}},
    {no_games, {SITE_OF(FIELD_VALUE), ARGS "prior_games", -1, NAN, false}},
    {scale_negative, {SITE_OF(FIELD_VALUE), ARGS "scale", -1, -400, false}},
    {offset_nan, {SITE_OF(FIELD_VALUE), ARGS "offset", -1, NAN, false}},
    {anchor_without_flag, {SITE_OF(FIELD_UNREAD), ARGS "anchor", -1, 0, false}},
    {anchor_beyond, {SITE_OF(FIELD_BOUNDS), ARGS "anchor", -1, N, false}},
    {anchor_under_prior, {SITE_OF(FIELD_UNREAD), ARGS "anchor", -1, 0, false}},
    {errors_by_cg, {SITE_OF(FIELD_UNREAD), ARGS "se", -1, 0, false}},
    {sandwich_of_nothing, {SITE_OF(FIELD_UNREAD), ARGS "variance", -1, 0, false}},
    {both_sources, {SITE_OF(FIELD_UNREAD), ARGS "counts", -1, 0, false}},
    {counts_of_more, {SITE_OF(BT_ITEMS), ARGS "n_items", -1, N, false}},
    {counts_of_others, {SITE_OF(FIELD_BOUNDS), ARGS "n_items", -1, N, false}},
    {counts_unmade, {SITE_OF(COUNTS_BROKEN), "align_bt_counts.room", -1, -1, false}},
    {seed_of_nothing, {SITE_OF(FIELD_UNREAD), ARGS "seed", -1, 0, false}},
    {soft_draws, {SITE_OF(BT_SOFT_DRAWS), ARGS "draws", -1, 0, false}},
    {clusters_of_rows, {SITE_OF(FIELD_MISSING), ROWS "cluster", -1, 0, false}},
    {annotators_of_rows, {SITE_OF(FIELD_MISSING), ROWS "annotator", -1, 0, false}},
    {annotator_unread, {SITE_OF(FIELD_UNREAD), ROWS "annotator", -1, 0, false}},
    {cluster_beyond, {SITE_OF(FIELD_BOUNDS), ROWS "cluster", 2, 2, false}},
    {annotator_beyond, {SITE_OF(FIELD_BOUNDS), ROWS "annotator", 2, 2, false}},
    {bias_flat, {SITE_OF(FIELD_VALUE), ARGS "bias_precision", -1, 0, false}},
    {no_annotators, {SITE_OF(FIELD_BOUNDS), ARGS "n_annotators", -1, 0, false}},
    {precision_of_nothing, {SITE_OF(FIELD_UNREAD), ARGS "reliability_precision", -1, 0, false}},
    {clusters_of_nothing, {SITE_OF(FIELD_UNREAD), ARGS "n_clusters", -1, 0, false}},
    {coefficients_of_nothing, {SITE_OF(FIELD_UNREAD), ARGS "coefficient_precision", -1, 0, false}},
    {features_are_levels, {SITE_OF(BT_SUPERFLUOUS), ARGS "coefficient", 1, 1, true}},
    {covariate_nan, {SITE_OF(FIELD_VALUE), ROWS "covariate", 3, NAN, false}},
    {precision_negative, {SITE_OF(FIELD_VALUE), ARGS "coefficient_precision", -1, -1, false}},
    {covariate_separates, {SITE_OF(BT_UNBOUNDED), ARGS "coefficient", -1, 0, true}},
    {fixed_infinite, {SITE_OF(FIELD_VALUE), ARGS "fixed", 1, INFINITY, false}},
    {fixed_and_anchor, {SITE_OF(FIELD_UNREAD), ARGS "anchor", -1, 0, false}},
    {fixed_features, {SITE_OF(FIELD_UNREAD), ARGS "fixed", -1, 0, false}},
    {jeffreys_ties, {SITE_OF(FIELD_UNREAD), ARGS "ties", -1, 0, false}},
    {sweeps_home, {SITE_OF(FIELD_UNREAD), ARGS "solver", -1, 0, false}},
    {sweeps_draws, {SITE_OF(FIELD_UNREAD), ARGS "draws", -1, 0, false}},
    {newman_gamma, {SITE_OF(FIELD_UNREAD), ARGS "prior", -1, 0, false}},
    {sweeps_cancelled, {SITE_OF(BT_CANCELLED), "align_exec.cancel", -1, 0, false}},
    {bias_of_nothing, {SITE_OF(FIELD_UNREAD), ARGS "bias", -1, 0, false}},
    {bias_se_of_nothing, {SITE_OF(FIELD_UNREAD), ARGS "bias_se", -1, 0, false}},
    {reliability_se_of_nothing, {SITE_OF(FIELD_UNREAD), ARGS "reliability_se", -1, 0, false}},
    {coefficient_of_nothing, {SITE_OF(FIELD_UNREAD), ARGS "coefficient", -1, 0, false}},
    {clusters_of_counts, {SITE_OF(FIELD_MISSING), ARGS "cluster_counts", -1, 0, false}},
    {counts_of_clusters, {SITE_OF(BT_CLUSTERS), ARGS "cluster_counts", 1, 0, false}},
    {clusters_of_more_items, {SITE_OF(BT_CLUSTERS), ARGS "cluster_counts", 1, 0, false}},
    {cluster_of_other_items, {SITE_OF(BT_CLUSTERS), ARGS "cluster_counts", 0, 0, false}},
    {cluster_counts_of_rows, {SITE_OF(FIELD_UNREAD), ARGS "cluster_counts", -1, 0, false}},
    {annotators_of_counts, {SITE_OF(FIELD_UNREAD), ARGS "flags", -1, 0, false}},
    {draws_of_clusters, {SITE_OF(FIELD_UNREAD), ARGS "draws", -1, 0, false}},
    {one_step, {SITE_OF(BT_NOT_CONVERGED), ARGS "strength", -1, -1, true}},
    {cancelled, {SITE_OF(BT_CANCELLED), "align_exec.cancel", -1, 0, false}},
};

static void expect(const struct expected *expected, align_status status, const align_error *error)
{
    ck_assert_msg(error->site == (uint32_t)expected->site, "%s", error->text);
    ck_assert_int_eq(status, statuses[expected->site]);
    ck_assert_int_eq(error->status, status);
    ck_assert_str_eq(error->field, expected->field);
    ck_assert_ptr_nonnull(strstr(error->text, expected->field));
    bool table = strcmp(expected->field, ROWS "covariate") == 0;
    ck_assert_int_eq((int)error->axes, table ? 2 : expected->index >= 0);
    if (expected->index >= 0)
        ck_assert_int_eq((int)error->index[0], (int)expected->index);
    if (expected->value != -1)
        ck_assert(error->value == expected->value ||
                  (isnan(error->value) && isnan(expected->value)));
}

static void check_cases(void)
{
    struct bed bed, before;
    align_error error;
    make_bed(&bed);
    ck_assert_int_eq(run(&bed, &error), ALIGN_E_NONE);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_bed(&bed);
        cases[i].change(&bed);
        before = bed;
        expect(&cases[i].expected, run(&bed, &error), &error);
        if (!cases[i].expected.written)
            expect_untouched(&bed, &before);
        else
            ck_assert_mem_ne(bed.strength, before.strength, sizeof bed.strength);
    }
    ck_assert_int_eq(align_bt_fit(NULL, NULL), ALIGN_E_ARG);
}

/* ---- every tensor by every general rule ----------------------------------------------------- */

struct field {
    const char *name;
    size_t offset;
    bool output;
};
#define ARGS_FIELD(name, output)                                                                   \
    {                                                                                              \
        ARGS #name, offsetof(struct bed, args) + offsetof(align_bt_args, name), output             \
    }
#define ROWS_FIELD(name)                                                                           \
    {                                                                                              \
        ROWS #name, offsetof(struct bed, rows) + offsetof(align_bt_rows, name), false              \
    }
static const struct field fields[] = {
    ROWS_FIELD(first),       ROWS_FIELD(second),         ROWS_FIELD(outcome),
    ROWS_FIELD(weight),      ARGS_FIELD(strength, true), ARGS_FIELD(component, true),
    ARGS_FIELD(part, true),  ARGS_FIELD(se, true),       ARGS_FIELD(covariance, true),
    ARGS_FIELD(draws, true),
};

/* Beside what breaks any tensor. */
static void break_rank(align_tensor *t)
{
    t->ndim = t->ndim == 2 ? 1 : 2;
    t->shape[1] = t->stride[1] = 1;
}
static void break_size(align_tensor *t)
{
    t->shape[t->ndim - 1]--;
}

static void check_rule(const struct field *field, void (*change)(align_tensor *t),
                       enum align__site site)
{
    struct bed bed, before;
    align_error error;
    make_bed(&bed);
    align_tensor *t = (align_tensor *)(void *)((char *)&bed + field->offset);
    change(t);
    before = bed;
    align_status status = run(&bed, &error);
    ck_assert_msg(error.site == (uint32_t)site, "%s: %s", field->name, error.text);
    ck_assert_int_eq(status, statuses[site]);
    /* All rows follow the first tensor in length, so the next one is the odd one out. */
    bool next = site == SITE_OF(TENSOR_SIZE) && strcmp(field->name, ROWS "first") == 0;
    ck_assert_str_eq(error.field, next ? ROWS "second" : field->name);
    expect_untouched(&bed, &before);
}

static void check_sharing(const struct field *field)
{
    for (size_t other = 0; other < sizeof fields / sizeof fields[0]; other++) {
        if (!field->output || &fields[other] == field)
            continue;
        struct bed bed, before;
        align_error error;
        make_bed(&bed);
        align_tensor *t = (align_tensor *)(void *)((char *)&bed + field->offset);
        t->data = ((align_tensor *)(void *)((char *)&bed + fields[other].offset))->data;
        before = bed;
        ck_assert_int_eq(run(&bed, &error), ALIGN_E_LAYOUT);
        ck_assert_int_eq(error.site, SITE_OF(TENSOR_SHARED));
        expect_untouched(&bed, &before);
    }
}

static void check_fields(void)
{
    for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++) {
        for (int r = 0; r < BREAKS; r++)
            if (fields[f].output || !breaks[r].outputs_only)
                check_rule(&fields[f], breaks[r].change, breaks[r].site);
        check_rule(&fields[f], break_rank, SITE_OF(TENSOR_NDIM));
        check_rule(&fields[f], break_size, SITE_OF(TENSOR_SIZE));
        check_sharing(&fields[f]);
    }
}

START_TEST(every_check_is_reached)
{
    check_cases();
    check_fields();
    reach_demand((const char *const[]){"BT_", NULL}, false);
}
END_TEST

SUITE_MAIN("errors bt", every_check_is_reached)
