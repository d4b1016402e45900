/* Ballots: rankings that are summed fit as rankings do, and splits, orders and shards change no bit. */
#include "../suite.h"

#include "../bt_games.h"

#include <math.h>

enum { N = 9, ROWS = 600, LONGEST = 6, CLUSTERS = 15, DRAWS = 600, BYTES = 1 << 18 };

static int64_t offsets[ROWS + 1], cluster[ROWS];
static int32_t item[ROWS * LONGEST], place[ROWS * LONGEST];
static double weight[ROWS], orders[LONGEST];
static struct answer answer, second;
static uint32_t state = 5;

static int64_t below(int64_t n)
{
    state = state * 1664525 + 1013904223;
    return (int64_t)((double)(state >> 8) / 0x1p24 * (double)n);
}

/* From few forms, so that many say the same with their entries in another order. The first N are a ring, and
 * every second one has weight 1. */
static void make_rankings(bool tied)
{
    int64_t total = offsets[0] = 0;
    for (int64_t r = 0; r < ROWS; r++) {
        int64_t start = below(N), count = r < N ? 2 : 2 + below(LONGEST - 1), step = 1 + below(2);
        int64_t turn = below(count), behind = below(3) == 0 ? count - 1 : count;
        for (int64_t k = 0; k < count; k++) {
            int64_t at = (k + turn) % count;
            item[total] = (int32_t)(r < N ? (r + at) % N : (start + at * step) % N);
            place[total++] = (int32_t)(r >= N && at >= behind        ? -1
                                       : r >= N && tied && step == 2 ? at / 2 * 3
                                                                     : at * 5);
        }
        weight[r] = r % 2 == 0 ? 1 : (double)(1 + below(1000)) / 77;
        cluster[r] = below(CLUSTERS);
        offsets[r + 1] = total;
    }
}

/* Rows of the data from one on. */
static align_bt_rankings part_of(int64_t begin, int64_t count)
{
    static int64_t shifted[ROWS + 1];
    align_bt_rankings rows;
    int64_t from = offsets[begin], total = offsets[begin + count] - from;
    align_bt_rankings_init(&rows, sizeof rows);
    for (int64_t r = 0; r <= count; r++)
        shifted[r] = offsets[begin + r] - from;
    rows.offsets = align_1d(shifted, ALIGN_I64, count + 1);
    rows.item = align_1d(item + from, ALIGN_I32, total);
    rows.place = align_1d(place + from, ALIGN_I32, total);
    rows.weight = align_1d(weight + begin, ALIGN_F64, count);
    return rows;
}

static align_bt_ballots make_ballots(int64_t n_items, size_t bytes)
{
    align_bt_ballots ballots;
    align_bt_ballots_init(&ballots, malloc(bytes + 1), bytes, n_items);
    return ballots;
}

static void add_rows(align_bt_ballots *ballots, int64_t begin, int64_t count)
{
    align_bt_rankings rows = part_of(begin, count);
    ck_assert_int_eq(align_bt_ballots_update(NULL, ballots, &rows), ALIGN_E_NONE);
    ck_assert_int_eq((int)ballots->taken, (int)count);
}

static void fit(struct answer *a, const align_bt_ballots *ballots, const align_bt_rankings *rows)
{
    a->args.n_items = N;
    a->args.ballots = ballots;
    a->args.rankings = rows;
    if (a->args.ties == ALIGN_BT_TIES_DAVIDSON)
        a->args.orders = align_1d(orders, ALIGN_F64, LONGEST);
    a->args.strength = align_1d(a->strength, ALIGN_F64, N);
    a->args.se = align_1d(a->se, ALIGN_F64, N);
    a->args.covariance = align_2d(a->covariance, ALIGN_F64, N, N);
    a->args.covariance.stride[0] = GAMES_ITEMS;
    a->status = games_run(&a->args, &a->error);
    ck_assert_msg(a->status == ALIGN_E_NONE, "%s", a->error.text);
}

static void expect_near(double tolerance)
{
    for (int64_t i = 0; i < N; i++) {
        games_near(answer.strength[i], second.strength[i], tolerance, "strength", i);
        for (int64_t j = 0; j < N; j++)
            games_near(answer.covariance[i][j], second.covariance[i][j], tolerance, "covariance",
                       i * N + j);
    }
    games_near(answer.args.tie, second.args.tie, tolerance, "tie", 0);
    games_near(answer.args.tie_se, second.args.tie_se, tolerance, "tie_se", 0);
    games_near(answer.args.log_likelihood, second.args.log_likelihood, 1e-9, "log_likelihood", 0);
    games_near(answer.args.deviance, second.args.deviance, 1e-9, "deviance", 0);
}

START_TEST(ballots_fit_as_rankings_do)
{
    for (int trial = 0; trial < 12; trial++) {
        bool tied = trial % 2 == 1, prior = trial / 2 % 2 == 1;
        int variance = trial / 4;
        align_bt_ballots parts[CLUSTERS], whole = make_ballots(1000, BYTES);
        make_rankings(tied);
        add_rows(&whole, 0, ROWS);
        ck_assert_int_lt((int)whole.rankings, ROWS / 2);
        ck_assert_int_eq((int)whole.rows, ROWS);
        align_bt_rankings rows = part_of(0, ROWS);
        for (int c = 0; c < CLUSTERS; c++)
            parts[c] = make_ballots(1000, BYTES / 4);
        for (int64_t r = 0; r < ROWS; r++)
            add_rows(&parts[cluster[r]], r, 1);
        rows = part_of(0, ROWS);
        games_begin(&answer);
        games_begin(&second);
        answer.args.ties = second.args.ties = tied;
        answer.args.variance = second.args.variance = variance;
        answer.args.prior = second.args.prior = prior ? ALIGN_BT_PRIOR_GAUSSIAN : 0;
        answer.args.prior_precision = second.args.prior_precision = prior ? 0.5 : 0;
        if (variance == ALIGN_BT_CLUSTER) {
            answer.args.n_clusters = second.args.n_clusters = CLUSTERS;
            answer.args.cluster_ballots = parts;
            rows.cluster = align_1d(cluster, ALIGN_I64, ROWS);
        }
        fit(&answer, &whole, NULL);
        fit(&second, NULL, &rows);
        expect_near(1e-12);
        free(whole.memory);
        for (int c = 0; c < CLUSTERS; c++)
            free(parts[c].memory);
    }
}
END_TEST

/* Splits a record of shards at random, merges them in random order, moves and saves some on the way. */
static align_bt_ballots gather(int64_t begin, int64_t count)
{
    static unsigned char bytes[BYTES];
    size_t saved;
    align_bt_ballots ballots = make_ballots(N, BYTES);
    if (count < 20 || below(5) == 0) {
        for (int64_t at = begin, some; at < begin + count; at += some) {
            some = 1 + below(begin + count - at);
            add_rows(&ballots, at, some);
        }
        return ballots;
    }
    int64_t cut = below(count + 1), first = below(2);
    for (int64_t k = 0; k < 2; k++) {
        bool left = (k == 0) == (first == 0);
        align_bt_ballots part = left ? gather(begin, cut) : gather(begin + cut, count - cut);
        if (below(2) == 0) {
            ck_assert_int_eq(align_bt_ballots_merge(NULL, &ballots, &part), 0);
        } else {
            ck_assert_int_eq(align_bt_ballots_save(NULL, &part, bytes, sizeof bytes, &saved), 0);
            ck_assert_int_eq(align_bt_ballots_load(NULL, &ballots, bytes, saved), 0);
        }
        free(part.memory);
    }
    if (below(3) == 0) {
        void *old = ballots.memory;
        size_t size = align_bt_ballots_get_bytes(N, ballots.rankings, ballots.entries);
        ck_assert_int_eq(align_bt_ballots_grow(NULL, &ballots, malloc(BYTES + 1), BYTES), 0);
        ck_assert_uint_le(ballots.used, size);
        free(old);
    }
    return ballots;
}

START_TEST(shards_add_up_to_the_same_bytes)
{
    static unsigned char bytes[BYTES], again[BYTES];
    size_t length, other;
    make_rankings(true);
    for (int trial = 0; trial < 30; trial++) {
        align_bt_ballots ballots = trial == 0 ? make_ballots(N, BYTES) : gather(0, ROWS);
        if (trial == 0)
            add_rows(&ballots, 0, ROWS);
        struct answer *a = trial == 0 ? &answer : &second;
        games_begin(a);
        a->args.ties = ALIGN_BT_TIES_DAVIDSON;
        a->args.variance = ALIGN_BT_SANDWICH;
        fit(a, &ballots, NULL);
        ck_assert_int_eq(align_bt_ballots_save(NULL, &ballots, trial == 0 ? bytes : again, BYTES,
                                               trial == 0 ? &length : &other),
                         0);
        ck_assert_int_eq((int)ballots.rows, ROWS);
        free(ballots.memory);
        if (trial == 0)
            continue;
        ck_assert_uint_eq(other, length);
        ck_assert_mem_eq(again, bytes, length);
        ck_assert_mem_eq(answer.strength, second.strength, sizeof answer.strength);
        ck_assert_mem_eq(answer.covariance, second.covariance, sizeof answer.covariance);
        ck_assert_double_eq(answer.args.log_likelihood, second.args.log_likelihood);
    }
}
END_TEST

/* Memory at any address, as large as get_bytes says for what is in the end held, is enough; less is SCRATCH with the
 * number of rows that went in, and the rest goes on after a move. */
START_TEST(full_memory_says_how_far_it_came)
{
    make_rankings(true);
    align_bt_ballots whole = make_ballots(N, BYTES);
    add_rows(&whole, 0, ROWS);
    for (int shift = 0; shift < 9; shift++) {
        size_t bytes = align_bt_ballots_get_bytes(N, whole.rankings, whole.entries);
        align_bt_ballots ballots;
        char *memory = malloc(bytes + 9), *small = malloc(400);
        align_bt_ballots_init(&ballots, memory + shift, bytes, N);
        add_rows(&ballots, 0, ROWS);
        ck_assert_int_eq((int)ballots.rankings, (int)whole.rankings);
        align_bt_ballots_init(&ballots, small, (size_t)(40 * shift), N);
        int64_t done = 0, stops = 0;
        for (align_status status = ALIGN_E_SCRATCH; status != ALIGN_E_NONE; done += ballots.taken) {
            align_bt_rankings rows = part_of(done, ROWS - done);
            status = align_bt_ballots_update(NULL, &ballots, &rows);
            if (status == ALIGN_E_NONE)
                continue;
            ck_assert_int_eq(status, ALIGN_E_SCRATCH);
            ck_assert_int_lt((int)ballots.taken, (int)(ROWS - done));
            size_t larger = ballots.bytes + 1000;
            void *old = ballots.memory, *new = malloc(larger);
            ck_assert_int_eq(align_bt_ballots_grow(NULL, &ballots, new, larger), ALIGN_E_NONE);
            free(old);
            stops++;
        }
        ck_assert_int_gt((int)stops, 3);
        ck_assert_int_eq((int)ballots.rows, ROWS);
        ck_assert_int_eq((int)ballots.entries, (int)whole.entries);
        free(ballots.memory);
        free(memory);
    }
    free(whole.memory);
}
END_TEST

/* Draws of ballots spread as the sandwich says: a ballot of many rows is drawn as their sum. */
START_TEST(draws_of_ballots_have_their_spread)
{
    static double draws[DRAWS][N];
    make_rankings(false);
    align_bt_ballots whole = make_ballots(N, BYTES);
    add_rows(&whole, 0, ROWS);
    games_begin(&answer);
    answer.args.variance = ALIGN_BT_SANDWICH;
    answer.args.seed = 11;
    answer.args.draws = align_2d(draws, ALIGN_F64, DRAWS, N);
    fit(&answer, &whole, NULL);
    for (int i = 0; i < N; i++) {
        double square = 0;
        for (int k = 0; k < DRAWS; k++)
            square += pow(draws[k][i] - answer.strength[i], 2) / DRAWS;
        ck_assert_double_gt(sqrt(square), 0.85 * answer.se[i]);
        ck_assert_double_lt(sqrt(square), 1.15 * answer.se[i]);
    }
    free(whole.memory);
}
END_TEST

/* Rankings without entries or weight, and weights that vanish in the sums. */
START_TEST(what_weighs_nothing_is_left_out)
{
    static int64_t ends[] = {0, 2, 2, 4, 6};
    static int32_t who[] = {0, 1, 1, 0, 0, 1};
    static double how[] = {0, 1, 1, 0x1p-100};
    align_bt_rankings rows;
    align_bt_rankings_init(&rows, sizeof rows);
    rows.offsets = align_1d(ends, ALIGN_I64, 5);
    rows.item = align_1d(who, ALIGN_I32, 6);
    rows.weight = align_1d(how, ALIGN_F64, 4);
    align_bt_ballots ballots = make_ballots(2, BYTES);
    ck_assert_int_eq(align_bt_ballots_update(NULL, &ballots, &rows), ALIGN_E_NONE);
    ck_assert_int_eq((int)ballots.rankings, 2);
    ck_assert_int_eq((int)ballots.rows, 2);
    ck_assert_int_eq((int)ballots.taken, 4);
    double strength[2];
    align_bt_args args;
    align_error error;
    align_bt_args_init(&args, sizeof args);
    args.n_items = 2;
    args.ballots = &ballots;
    args.strength = align_1d(strength, ALIGN_F64, 2);
    ck_assert_int_eq(games_run(&args, &error), ALIGN_E_NO_SOLUTION);
    ck_assert_int_eq(args.existence, ALIGN_BT_SEPARATED);
    free(ballots.memory);
}
END_TEST

SUITE_MAIN("ballots", ballots_fit_as_rankings_do, shards_add_up_to_the_same_bytes,
           full_memory_says_how_far_it_came, draws_of_ballots_have_their_spread,
           what_weighs_nothing_is_left_out)
