/* Every check of rankings. */
#include "../suite.h"

#include "bt_bed.h"

#include "base/bytes.h"

#include <math.h>

enum { R = 3, T = 9 };

struct ranked_bed {
    align_exec exec;
    align_bt_args args;
    align_bt_rankings rankings;
    int64_t offsets[R + 1], cluster[R];
    int32_t item[T];
    _Alignas(8) int32_t place[T];
    double weight[R], strength[N], errors[N], orders[1];
};

static void make_ranked_bed(struct ranked_bed *bed)
{
    static const int32_t item[T] = {0, 1, 2, 1, 2, 0, 2, 0, 1};
    static const int32_t place[T] = {0, 1, 2, 0, 1, 2, 0, 0, 1};
    memset(bed, 0, sizeof *bed);
    align_exec_init(&bed->exec, sizeof bed->exec);
    align_bt_args_init(&bed->args, sizeof bed->args);
    align_bt_rankings_init(&bed->rankings, sizeof bed->rankings);
    for (int r = 0; r <= R; r++)
        bed->offsets[r] = 3 * r;
    for (int r = 0; r < R; r++)
        bed->weight[r] = 1;
    memcpy(bed->item, item, sizeof item);
    memcpy(bed->place, place, sizeof place);
    bed->rankings.offsets = align_1d(bed->offsets, ALIGN_I64, R + 1);
    bed->rankings.item = align_1d(bed->item, ALIGN_I32, T);
    bed->rankings.place = align_1d(bed->place, ALIGN_I32, T);
    bed->rankings.weight = align_1d(bed->weight, ALIGN_F64, R);
    bed->args.rankings = &bed->rankings;
    bed->args.n_items = N;
    bed->args.ties = ALIGN_BT_TIES_DAVIDSON;
    bed->args.strength = align_1d(bed->strength, ALIGN_F64, N);
    bed->args.orders = align_1d(bed->orders, ALIGN_F64, 1);
}

static void no_offsets(struct ranked_bed *bed)
{
    bed->rankings.offsets.ndim = 0;
}
static void no_item(struct ranked_bed *bed)
{
    bed->rankings.item.ndim = 0;
}
static void empty_offsets(struct ranked_bed *bed)
{
    bed->rankings.offsets.shape[0] = 0;
    bed->rankings.weight.ndim = 0;
}
static void late_offset(struct ranked_bed *bed)
{
    bed->offsets[0] = 1;
}
static void falling_offset(struct ranked_bed *bed)
{
    bed->offsets[2] = 2;
}
static void early_end(struct ranked_bed *bed)
{
    bed->offsets[3] = 8;
}
static void item_beyond(struct ranked_bed *bed)
{
    bed->item[4] = N;
}
static void item_twice(struct ranked_bed *bed)
{
    bed->item[5] = 1;
}
static void weight_negative(struct ranked_bed *bed)
{
    bed->weight[1] = -1;
}
static void tied_halves(struct ranked_bed *bed)
{
    bed->args.ties = ALIGN_BT_TIES_HALF;
    bed->args.orders.ndim = 0;
}
static void large_tie(struct ranked_bed *bed)
{
    bed->place[8] = 0;
}
static void rao_kupper(struct ranked_bed *bed)
{
    bed->args.ties = ALIGN_BT_TIES_RAO_KUPPER;
    bed->args.orders.ndim = 0;
}
static void orders_of_halves(struct ranked_bed *bed)
{
    bed->args.ties = ALIGN_BT_TIES_HALF;
}
static void home(struct ranked_bed *bed)
{
    bed->args.flags = ALIGN_BT_HOME;
}
static void jeffreys(struct ranked_bed *bed)
{
    bed->args.prior = ALIGN_BT_PRIOR_JEFFREYS;
}
static void conjugate_gradients(struct ranked_bed *bed)
{
    bed->args.solver = ALIGN_BT_SOLVER_CG;
}
static void cluster_unread(struct ranked_bed *bed)
{
    bed->rankings.cluster = align_1d(bed->cluster, ALIGN_I64, R);
}
static void cluster_beyond(struct ranked_bed *bed)
{
    cluster_unread(bed);
    bed->args.variance = ALIGN_BT_CLUSTER;
    bed->args.n_clusters = 2;
    bed->args.se = align_1d(bed->errors, ALIGN_F64, N);
    bed->cluster[2] = 2;
}
static void features(struct ranked_bed *bed)
{
    bed->args.item_feature = align_2d(bed->weight, ALIGN_F64, N, 1);
}
static void place_real(struct ranked_bed *bed)
{
    bed->rankings.place.dtype = ALIGN_F32;
}
static void weight_short(struct ranked_bed *bed)
{
    bed->rankings.weight.shape[0]--;
}
static void short_struct(struct ranked_bed *bed)
{
    bed->rankings.size = 8;
}

#define RANKINGS "align_bt_rankings."
#define ARGS     "align_bt_args."
static const struct {
    void (*change)(struct ranked_bed *bed);
    enum align__site site;
    const char *field;
    int64_t index; /* -1: none */
} cases[] = {
    {no_offsets, SITE_OF(FIELD_MISSING), RANKINGS "offsets", -1},
    {no_item, SITE_OF(FIELD_MISSING), RANKINGS "item", -1},
    {empty_offsets, SITE_OF(RANKINGS_OFFSETS), RANKINGS "offsets", -1},
    {late_offset, SITE_OF(RANKINGS_OFFSETS), RANKINGS "offsets", 0},
    {falling_offset, SITE_OF(RANKINGS_OFFSETS), RANKINGS "offsets", 2},
    {early_end, SITE_OF(RANKINGS_OFFSETS), RANKINGS "offsets", 3},
    {item_beyond, SITE_OF(FIELD_BOUNDS), RANKINGS "item", 4},
    {item_twice, SITE_OF(RANKINGS_TWICE), RANKINGS "item", 5},
    {weight_negative, SITE_OF(FIELD_BOUNDS), RANKINGS "weight", 1},
    {tied_halves, SITE_OF(RANKINGS_TIES), RANKINGS "place", 6},
    {large_tie, SITE_OF(RANKINGS_ORDERS), ARGS "orders", -1},
    {rao_kupper, SITE_OF(FIELD_UNREAD), ARGS "ties", -1},
    {orders_of_halves, SITE_OF(FIELD_UNREAD), ARGS "orders", -1},
    {home, SITE_OF(FIELD_UNREAD), ARGS "flags", -1},
    {jeffreys, SITE_OF(FIELD_UNREAD), ARGS "prior", -1},
    {conjugate_gradients, SITE_OF(FIELD_UNREAD), ARGS "solver", -1},
    {cluster_unread, SITE_OF(FIELD_UNREAD), RANKINGS "cluster", -1},
    {cluster_beyond, SITE_OF(FIELD_BOUNDS), RANKINGS "cluster", 2},
    {features, SITE_OF(FIELD_UNREAD), ARGS "item_feature", -1},
    {place_real, SITE_OF(TENSOR_DTYPE), RANKINGS "place", -1},
    {weight_short, SITE_OF(TENSOR_SIZE), RANKINGS "weight", -1},
    {short_struct, SITE_OF(STRUCT_SIZE), RANKINGS "size", -1},
};

static void check_cases(void)
{
    static char scratch[1 << 18];
    struct ranked_bed bed, before;
    align_error error;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_ranked_bed(&bed);
        align_error_init(&error, sizeof error);
        bed.exec.error = &error;
        bed.exec.scratch = scratch;
        bed.exec.scratch_size = sizeof scratch;
        cases[i].change(&bed);
        before = bed;
        align_status status = align_bt_fit(&bed.exec, &bed.args);
        reach_note(&error);
        ck_assert_msg(error.site == (uint32_t)cases[i].site, "%s", error.text);
        ck_assert_int_eq(status, statuses[cases[i].site]);
        ck_assert_str_eq(error.field, cases[i].field);
        ck_assert_int_eq((int)error.axes, cases[i].index >= 0);
        if (cases[i].index >= 0)
            ck_assert_int_eq((int)error.index[0], (int)cases[i].index);
        ck_assert_mem_eq(&bed, &before, sizeof bed);
    }
}

/* ---- ballots ------------------------------------------------------------------------------- */

/* Ballots of the bed in place of its rankings. */
static align_bt_ballots ballots, part;
static uint64_t memory[2][1024];

static void ballots_of_bed(struct ranked_bed *bed)
{
    bed->args.rankings = NULL;
    bed->args.ballots = &ballots;
}
static void ballots_and_rankings(struct ranked_bed *bed)
{
    bed->args.ballots = &ballots;
}
static void ballots_unmade(struct ranked_bed *bed)
{
    ballots_of_bed(bed);
    ballots.used = 0;
}
static void ballots_of_none(struct ranked_bed *bed)
{
    ballots_of_bed(bed);
    ballots.n_items = 1;
}
static void ballots_of_fewer(struct ranked_bed *bed)
{
    ballots_of_bed(bed);
    bed->args.n_items = N + 2;
    bed->args.strength.shape[0] = N + 2;
}
static void tied_ballots(struct ranked_bed *bed)
{
    ballots_of_bed(bed);
    tied_halves(bed);
}
static void ballots_beyond(struct ranked_bed *bed)
{
    ballots_of_bed(bed);
    bed->args.n_items = N - 1;
    bed->args.strength.shape[0] = N - 1;
}
static void clusters_of_ballots(struct ranked_bed *bed)
{
    ballots_of_bed(bed);
    bed->args.variance = ALIGN_BT_CLUSTER;
    bed->args.n_clusters = 1;
    bed->args.se = align_1d(bed->errors, ALIGN_F64, N);
}
static void ballots_of_clusters(struct ranked_bed *bed)
{
    static const int32_t other[] = {2, 1, 0};
    static const int64_t ends[] = {0, 3};
    align_bt_rankings row;
    clusters_of_ballots(bed);
    align_bt_rankings_init(&row, sizeof row);
    row.offsets = align_1d(ends, ALIGN_I64, 2);
    row.item = align_1d(other, ALIGN_I32, 3);
    ck_assert_int_eq(align_bt_ballots_update(NULL, &part, &row), 0);
    part.rows = ballots.rows;
    bed->args.cluster_ballots = &part;
}
static void fewer_ballots_of_clusters(struct ranked_bed *bed)
{
    ballots_of_clusters(bed);
    part.rows--;
}

static const struct {
    void (*change)(struct ranked_bed *bed);
    enum align__site site;
    const char *field;
    int64_t index;
} ballot_cases[] = {
    {ballots_and_rankings, SITE_OF(FIELD_UNREAD), ARGS "ballots", -1},
    {ballots_unmade, SITE_OF(COUNTS_BROKEN), "align_bt_ballots.used", -1},
    {ballots_of_none, SITE_OF(FIELD_BOUNDS), "align_bt_ballots.n_items", -1},
    {ballots_of_fewer, SITE_OF(FIELD_BOUNDS), ARGS "n_items", -1},
    {tied_ballots, SITE_OF(RANKINGS_TIES), ARGS "ballots", -1},
    {ballots_beyond, SITE_OF(BT_ITEMS), ARGS "n_items", -1},
    {clusters_of_ballots, SITE_OF(FIELD_MISSING), ARGS "cluster_ballots", -1},
    {ballots_of_clusters, SITE_OF(BT_CLUSTERS), ARGS "cluster_ballots", 0},
    {fewer_ballots_of_clusters, SITE_OF(BT_CLUSTERS), ARGS "cluster_ballots", 0},
};

static void begin_ballots(struct ranked_bed *bed, align_error *error)
{
    make_ranked_bed(bed);
    align_error_init(error, sizeof *error);
    bed->exec.error = error;
    align_bt_ballots_init(&ballots, memory[0], sizeof memory[0], N + 1);
    align_bt_ballots_init(&part, memory[1], sizeof memory[1], N + 1);
    ck_assert_int_eq(align_bt_ballots_update(NULL, &ballots, &bed->rankings), 0);
}

static void check_fits_of_ballots(void)
{
    static char scratch[1 << 18];
    struct ranked_bed bed, before;
    align_error error;
    for (size_t i = 0; i < sizeof ballot_cases / sizeof ballot_cases[0]; i++) {
        begin_ballots(&bed, &error);
        bed.exec.scratch = scratch;
        bed.exec.scratch_size = sizeof scratch;
        ballot_cases[i].change(&bed);
        before = bed;
        align_status status = align_bt_fit(&bed.exec, &bed.args);
        reach_note(&error);
        ck_assert_msg(error.site == (uint32_t)ballot_cases[i].site, "%s", error.text);
        ck_assert_int_eq(status, statuses[ballot_cases[i].site]);
        ck_assert_str_eq(error.field, ballot_cases[i].field);
        ck_assert_int_eq((int)error.axes, ballot_cases[i].index >= 0);
        ck_assert_mem_eq(&bed, &before, sizeof bed);
    }
}

/* Each call that adds: what it says, and that nothing changed. */
static void expect_refusal(align_status status, const align_error *error, enum align__site site,
                           const char *field, const align_bt_ballots *before)
{
    reach_note(error);
    ck_assert_int_eq(status, statuses[site]);
    ck_assert_msg(error->site == (uint32_t)site, "%s", error->text);
    ck_assert_str_eq(error->field, field);
    ck_assert_mem_eq(&ballots, before, sizeof ballots);
}

static void check_updates_of_ballots(void)
{
    struct ranked_bed bed;
    align_error error;
    align_status status;
    begin_ballots(&bed, &error);
    align_bt_ballots before = ballots;
    bed.weight[2] = -1;
    status = align_bt_ballots_update(&bed.exec, &ballots, &bed.rankings);
    expect_refusal(status, &error, SITE_OF(FIELD_BOUNDS), RANKINGS "weight", &before);
    ck_assert_int_eq((int)error.index[0], 2);
    bed.weight[2] = 1;
    bed.item[7] = -3;
    status = align_bt_ballots_update(&bed.exec, &ballots, &bed.rankings);
    expect_refusal(status, &error, SITE_OF(FIELD_BOUNDS), RANKINGS "item", &before);
    ck_assert_int_eq((int)error.index[0], 7);
    bed.item[7] = 1;
    status = align_bt_ballots_update(&bed.exec, &ballots, &bed.rankings);
    expect_refusal(status, &error, SITE_OF(RANKINGS_TWICE), RANKINGS "item", &before);
    bed.item[7] = 0;
    cluster_unread(&bed);
    status = align_bt_ballots_update(&bed.exec, &ballots, &bed.rankings);
    expect_refusal(status, &error, SITE_OF(FIELD_UNREAD), RANKINGS "cluster", &before);
    bed.rankings.cluster.ndim = 0;
    bed.rankings.offsets.ndim = 0;
    status = align_bt_ballots_update(&bed.exec, &ballots, &bed.rankings);
    expect_refusal(status, &error, SITE_OF(FIELD_MISSING), RANKINGS "offsets", &before);
    part.n_items--;
    status = align_bt_ballots_merge(&bed.exec, &ballots, &part);
    expect_refusal(status, &error, SITE_OF(FIELD_BOUNDS), "align_bt_ballots.n_items", &before);
    status = align_bt_ballots_grow(&bed.exec, &ballots, memory[1], 100);
    expect_refusal(status, &error, SITE_OF(COUNTS_FULL), "align_bt_ballots.bytes", &before);
    ck_assert_int_eq(align_bt_ballots_grow(NULL, NULL, NULL, 0), ALIGN_E_ARG);
    /* A merge and a load that do not fit. */
    static unsigned char bytes[4096];
    size_t size;
    ck_assert_int_eq(align_bt_ballots_save(NULL, &ballots, bytes, sizeof bytes, &size), 0);
    part = ballots;
    align_bt_ballots_init(&ballots, memory[1], 150, N + 1);
    before = ballots;
    status = align_bt_ballots_merge(&bed.exec, &ballots, &part);
    expect_refusal(status, &error, SITE_OF(COUNTS_FULL), "align_bt_ballots.bytes", &before);
    status = align_bt_ballots_load(&bed.exec, &ballots, bytes, size);
    expect_refusal(status, &error, SITE_OF(COUNTS_FULL), "align_bt_ballots.bytes", &before);
}

/* A byte of saved ballots, what it becomes, and whether the checksum then fits. */
static const struct {
    size_t at;
    unsigned char to;
    bool sealed;
    size_t cut;
    enum align__site site;
    const char *field;
} damages[] = {
    {3, 'X', true, 0, SITE_OF(COUNTS_MAGIC), "bytes"},
    {8, 2, true, 0, SITE_OF(COUNTS_FORMAT), "bytes"},
    {60, 77, false, 0, SITE_OF(COUNTS_CHECKSUM), "bytes"},
    {0, 'A', true, 1, SITE_OF(COUNTS_SHORT), "n_bytes"},
    {0, 'A', true, 1000, SITE_OF(COUNTS_SHORT), "n_bytes"},
    {16, N + 2, true, 0, SITE_OF(FIELD_BOUNDS), "align_bt_ballots.n_items"},
    {16, 2, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {24, 9, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {48, 1, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {56, 0, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {56, 200, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {60, 9, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {65, 0xff, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {68, 77, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {71, 0x80, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
};

static void check_saved_ballots(void)
{
    static unsigned char saved[4096], bytes[4096];
    struct ranked_bed bed;
    align_error error;
    size_t size, again;
    begin_ballots(&bed, &error);
    ck_assert_int_eq(align_bt_ballots_save(NULL, &ballots, saved, sizeof saved, &size), 0);
    align_bt_ballots before = ballots;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        memcpy(bytes, saved, size);
        bytes[damages[i].at] = damages[i].to;
        if (damages[i].sealed)
            align__put_bytes(bytes + size - 8, align__checksum(bytes, size - 8), 8);
        size_t n = size > damages[i].cut ? size - damages[i].cut : 20;
        expect_refusal(align_bt_ballots_load(&bed.exec, &ballots, bytes, n), &error,
                       damages[i].site, damages[i].field, &before);
    }
    align_status status = align_bt_ballots_save(&bed.exec, &ballots, bytes, size - 1, &again);
    expect_refusal(status, &error, SITE_OF(COUNTS_BYTES), "n_bytes", &before);
    ck_assert_uint_eq(again, size);
    status = align_bt_ballots_get_saved(&bed.exec, saved, size, NULL);
    expect_refusal(status, &error, SITE_OF(NULL_STRUCT), "align_bt_ballots", &before);
    ck_assert_int_eq(align_bt_ballots_get_saved(NULL, saved, size, &part), 0);
    ck_assert_int_eq((int)part.rankings, (int)ballots.rankings);
    ck_assert_int_eq((int)part.entries, (int)ballots.entries);
}

START_TEST(every_check_is_reached)
{
    check_cases();
    check_fits_of_ballots();
    check_updates_of_ballots();
    check_saved_ballots();
    reach_demand((const char *const[]){"RANKINGS_", NULL}, false);
}
END_TEST

SUITE_MAIN("errors rankings", every_check_is_reached)
