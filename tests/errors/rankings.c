/* Every check of rankings. */
#include "../suite.h"

#include "bt_bed.h"

#include <math.h>

enum { R = 3, T = 9 };

struct ranked_bed {
    align_exec exec;
    align_bt_args args;
    align_bt_rankings rankings;
    int64_t offsets[R + 1], cluster[R];
    int32_t item[T];
    _Alignas(8) int32_t place[T];
    double weight[R], strength[N], orders[1];
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

START_TEST(every_check_is_reached)
{
    check_cases();
    reach_demand((const char *const[]){"RANKINGS_", NULL}, false);
}
END_TEST

SUITE_MAIN("errors rankings", every_check_is_reached)
