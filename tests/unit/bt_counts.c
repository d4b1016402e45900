/* Counts: splits, orders, shards and sizes of memory change no bit of a fit. */
#include "../suite.h"

#include "../bt_games.h"

static struct games games;
static struct answer answer, second;
static uint32_t state = 3;

static double uniform(void)
{
    state = state * 1664525 + 1013904223;
    return (double)(state >> 8) / 0x1p24;
}

static int64_t below(int64_t n)
{
    return (int64_t)(uniform() * (double)n);
}

/* Weights with all their 53 bits over many magnitudes. */
static void draw(int64_t n, int64_t rows)
{
    games.n = n;
    games.rows = 0;
    for (int64_t i = 0; i < n; i++)
        games_add(&games, i, (i + 1) % n, 1, 1);
    while (games.rows < rows) {
        int64_t a = below(n), b = (a + 1 + below(n - 1)) % n;
        double weight = uniform() < 0.3 ? 1 : uniform() / (double)(INT64_C(1) << below(20));
        games_add(&games, a, b, uniform() < 0.4 ? uniform() : (double)below(3) / 2, weight);
    }
}

/* Rows from `begin` by `step`. */
static align_bt_rows part_of(int64_t begin, int64_t count, int64_t step)
{
    align_bt_rows rows = games_rows(&games);
    align_tensor *all[] = {&rows.first, &rows.second, &rows.outcome, &rows.weight};
    for (int k = 0; k < 4; k++) {
        all[k]->data = (char *)all[k]->data + 8 * begin;
        all[k]->shape[0] = count;
        all[k]->stride[0] = step;
    }
    return rows;
}

static void fit_counts(const align_bt_counts *counts, struct answer *a, int ties)
{
    games_begin(a);
    a->args.counts = counts;
    a->args.ties = ties;
    a->args.variance = ALIGN_BT_SANDWICH;
    games_finish(&games, a);
    ck_assert_msg(a->status == ALIGN_E_NONE, "%s", a->error.text);
}

static void expect_same_bits(void)
{
    ck_assert_mem_eq(answer.strength, second.strength, sizeof answer.strength);
    ck_assert_mem_eq(answer.covariance, second.covariance, sizeof answer.covariance);
    ck_assert_mem_eq(&answer.args.tie, &second.args.tie, sizeof(double));
    ck_assert_mem_eq(&answer.args.log_likelihood, &second.args.log_likelihood, sizeof(double));
}

static align_bt_counts make_counts(int64_t n, int64_t pairs)
{
    align_bt_counts counts;
    size_t bytes = align_bt_counts_get_bytes(n, pairs);
    align_bt_counts_init(&counts, malloc(bytes), bytes, n);
    ck_assert_int_ge((int)counts.room, (int)(pairs < n * n ? pairs : n * n));
    return counts;
}

START_TEST(counts_fit_as_rows_do)
{
    draw(30, 3000);
    align_bt_counts counts = make_counts(games.n, games.rows);
    align_bt_rows rows = games_rows(&games);
    ck_assert_int_eq(align_bt_counts_update(NULL, &counts, &rows), 0);
    ck_assert_int_eq((int)counts.taken, (int)games.rows);
    ck_assert_int_eq((int)counts.rows, (int)games.rows);
    for (int ties = 0; ties <= ALIGN_BT_TIES_RAO_KUPPER; ties++) {
        fit_counts(&counts, &answer, ties);
        games_begin(&second);
        second.args.ties = ties;
        second.args.variance = ALIGN_BT_SANDWICH;
        games_finish(&games, &second);
        expect_same_bits();
    }
    free(counts.memory);
}
END_TEST

/* Shards of random rows, merged in random order, in tables of both kinds. */
START_TEST(shards_add_up_exactly)
{
    enum { SHARDS = 7 };
    draw(25, 2500);
    align_bt_counts whole = make_counts(games.n, games.n * games.n);
    align_bt_rows rows = games_rows(&games);
    ck_assert_int_eq(align_bt_counts_update(NULL, &whole, &rows), 0);
    fit_counts(&whole, &answer, ALIGN_BT_TIES_DAVIDSON);
    for (int trial = 0; trial < 20; trial++) {
        align_bt_counts shards[SHARDS];
        for (int64_t s = 0; s < SHARDS; s++) {
            int64_t count = (games.rows - s + SHARDS - 1) / SHARDS;
            rows = part_of(s, count, SHARDS);
            shards[s] = make_counts(games.n, trial % 2 == 0 ? 600 : count);
            ck_assert_int_eq(align_bt_counts_update(NULL, &shards[s], &rows), 0);
        }
        for (int left = SHARDS; left > 1; left--) {
            int64_t from = below(left), to = (from + 1 + below(left - 1)) % left;
            align_bt_counts larger = make_counts(games.n, 600);
            void *old = shards[to].memory;
            ck_assert_int_eq(align_bt_counts_grow(NULL, &shards[to], larger.memory, larger.bytes),
                             0);
            free(old);
            ck_assert_int_eq(align_bt_counts_merge(NULL, &shards[to], &shards[from]), 0);
            free(shards[from].memory);
            shards[from] = shards[left - 1];
        }
        ck_assert_int_eq((int)shards[0].rows, (int)games.rows);
        fit_counts(&shards[0], &second, ALIGN_BT_TIES_DAVIDSON);
        expect_same_bits();
        free(shards[0].memory);
    }
    free(whole.memory);
}
END_TEST

/* Wins of weight 1 as they are most often laid out, and the same with all said: equal bytes of counts, over
 * every split and layout. */
START_TEST(plain_rows_count_as_all_rows_do)
{
    enum { N = 40, MANY = 5000 };
    static int32_t flat[2][MANY], turns[MANY][2], far[3 * MANY];
    draw(N, MANY);
    for (int64_t r = 0; r < MANY; r++) {
        games.outcome[r] = games.weight[r] = 1;
        flat[0][r] = turns[r][0] = far[3 * r] = (int32_t)games.first[r];
        flat[1][r] = turns[r][1] = (int32_t)games.second[r];
    }
    size_t bytes = align_bt_counts_get_bytes(N, N * N);
    char *memory = calloc(1, bytes), *expected = calloc(1, bytes);
    align_bt_counts counts;
    align_bt_counts_init(&counts, memory, bytes, N);
    align_bt_rows rows = games_rows(&games);
    ck_assert_int_eq(align_bt_counts_update(NULL, &counts, &rows), 0);
    memcpy(expected, memory, bytes);
    for (int trial = 0; trial < 60; trial++) {
        align_bt_counts_init(&counts, memory, bytes, N);
        for (int64_t at = 0, count; at < MANY; at += count) {
            count = 1 + below(trial % 3 == 0 ? MANY : 3000);
            count = count < MANY - at ? count : MANY - at;
            rows = part_of(at, count, 1);
            int layout = (int)below(5);
            if (layout < 4)
                rows.outcome.ndim = rows.weight.ndim = 0;
            if (layout < 3)
                rows.second = align_1d(flat[1] + at, ALIGN_I32, count);
            if (layout == 0)
                rows.first = align_1d(flat[0] + at, ALIGN_I32, count);
            if (layout == 1) {
                rows.first = align_1d(turns[at], ALIGN_I32, count);
                rows.second = align_1d(&turns[at][1], ALIGN_I32, count);
                rows.first.stride[0] = rows.second.stride[0] = 2;
            }
            if (layout == 2) {
                rows.first = align_1d(far + 3 * at, ALIGN_I32, count);
                rows.first.stride[0] = 3;
            }
            ck_assert_int_eq(align_bt_counts_update(NULL, &counts, &rows), 0);
        }
        ck_assert_int_eq((int)counts.rows, MANY);
        ck_assert_mem_eq(memory, expected, bytes);
    }
    free(memory);
    free(expected);
}
END_TEST

/* More rows of a pair than 16 bits hold: the same bytes as rows that say their weight, and nothing is left of them
 * when the last row is bad. */
START_TEST(many_rows_of_a_pair_count)
{
    enum { N = 5, MANY = 300000 };
    static int32_t first[MANY], beaten[MANY];
    static float one[MANY];
    for (int32_t r = 0; r < MANY; r++) {
        first[r] = r % 7 == 0 ? 1 + r % 4 : 0;
        beaten[r] = r % 7 == 0 ? 0 : 4 - (r % 11 == 0);
        one[r] = 1;
    }
    align_bt_counts counts = make_counts(N, N * N);
    char *expected = malloc(counts.bytes);
    align_bt_rows rows;
    align_bt_rows_init(&rows, sizeof rows);
    rows.first = align_1d(first, ALIGN_I32, MANY);
    rows.second = align_1d(beaten, ALIGN_I32, MANY);
    rows.weight = align_1d(one, ALIGN_F32, MANY);
    ck_assert_int_eq(align_bt_counts_update(NULL, &counts, &rows), ALIGN_E_NONE);
    memcpy(expected, counts.memory, counts.bytes);
    align_bt_counts_init(&counts, counts.memory, counts.bytes, N);
    rows.weight.ndim = 0;
    ck_assert_int_eq(align_bt_counts_update(NULL, &counts, &rows), ALIGN_E_NONE);
    ck_assert_int_eq((int)counts.rows, MANY);
    ck_assert_mem_eq(counts.memory, expected, counts.bytes);
    beaten[MANY - 1] = N;
    ck_assert_int_eq(align_bt_counts_update(NULL, &counts, &rows), ALIGN_E_RANGE);
    ck_assert_mem_eq(counts.memory, expected, counts.bytes);
    free(expected);
    free(counts.memory);
}
END_TEST

/* A bad row anywhere in them is named, and nothing counted. */
START_TEST(bad_plain_rows_are_named)
{
    enum { N = 40, MANY = 5000 };
    static int32_t first[MANY], beaten[MANY];
    for (int32_t r = 0; r < MANY; r++)
        beaten[r] = (first[r] = r % N) == 0 ? 1 : 0;
    align_bt_counts counts = make_counts(N, N * N);
    char *before = malloc(counts.bytes);
    align_exec exec;
    align_error error;
    align_exec_init(&exec, sizeof exec);
    align_error_init(&error, sizeof error);
    exec.error = &error;
    align_bt_rows rows;
    align_bt_rows_init(&rows, sizeof rows);
    rows.first = align_1d(first, ALIGN_I32, MANY);
    rows.second = align_1d(beaten, ALIGN_I32, MANY);
    ck_assert_int_eq(align_bt_counts_update(&exec, &counts, &rows), ALIGN_E_NONE);
    memcpy(before, counts.memory, counts.bytes);
    for (int trial = 0; trial < 60; trial++) {
        int32_t bad[] = {-1, N, INT32_MIN, INT32_MAX, first[0]}, which = trial % 5;
        int64_t at = trial == 0 ? MANY - 1 : which == 4 ? 0 : below(MANY);
        int32_t old = beaten[at];
        beaten[at] = bad[which];
        ck_assert_int_ne(align_bt_counts_update(&exec, &counts, &rows), ALIGN_E_NONE);
        ck_assert_str_eq(error.field, "align_bt_rows.second");
        ck_assert_int_eq((int)error.index[0], (int)at);
        ck_assert_int_eq((int)counts.rows, MANY);
        ck_assert_mem_eq(counts.memory, before, counts.bytes);
        beaten[at] = old;
    }
    free(before);
    free(counts.memory);
}
END_TEST

/* A hook that runs tasks from the last to the first and remembers how many it was given first. */
static int32_t run_backwards(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    int64_t *first = user;
    *first = *first == 0 ? tasks : *first;
    for (int64_t i = tasks - 1; i >= 0; i--)
        fn(ctx, i);
    return 0;
}

static align_status fit_shared(const align_bt_rows *rows, int64_t n, uint32_t workers, int part,
                               struct answer *a, double *strength, int64_t *tasks)
{
    size_t least, best;
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    align_error_init(&a->error, sizeof a->error);
    exec.workers = workers;
    exec.parallel = workers == 0 ? NULL : run_backwards;
    exec.parallel_user = tasks;
    exec.error = &a->error;
    align_bt_args_init(&a->args, sizeof a->args);
    a->args.n_items = n;
    a->args.rows = rows;
    a->args.solver = ALIGN_BT_SOLVER_CG;
    a->args.strength = align_1d(strength, ALIGN_F64, n);
    ck_assert_int_eq(align_bt_scratch(&exec, &a->args, &least, &best), 0);
    exec.scratch_size = least + (size_t)part * 3000000;
    exec.scratch = malloc(exec.scratch_size);
    *tasks = 0;
    align_status status = align_bt_fit(&exec, &a->args);
    free(exec.scratch);
    return status;
}

/* Rows counted in tasks, each with a table of its own, in scratch of any size: tables that hold every pair, and
 * hashed ones; wins alone, and outcomes with weights. */
START_TEST(tasks_count_as_one_does)
{
    enum { MANY = 1000 };
    static double alone[MANY], shared[MANY];
    for (int trial = 0; trial < 4; trial++) {
        int64_t tasks, n = trial / 2 == 0 ? 30 : MANY;
        draw(30, GAMES_ROWS);
        for (int64_t r = 0; trial / 2 == 1 && r < GAMES_ROWS; r++)
            games.first[r] = (r * 7 + r / n) % n;
        for (int64_t r = 0; trial / 2 == 1 && r < GAMES_ROWS; r++)
            games.second[r] = (games.first[r] + 1 + games.second[r]) % n;
        align_bt_rows rows = games_rows(&games);
        if (trial % 2 == 0)
            rows.outcome.ndim = rows.weight.ndim = 0;
        align_status status = fit_shared(&rows, n, 0, 0, &answer, alone, &tasks);
        for (uint32_t workers = 1; workers <= 64; workers += workers < 4 ? 1 : 30)
            for (int part = 0; part < 3; part++) {
                ck_assert_int_eq(fit_shared(&rows, n, workers, part, &second, shared, &tasks),
                                 status);
                ck_assert_mem_eq(alone, shared, sizeof(double) * (size_t)n);
                ck_assert(answer.args.log_likelihood == second.args.log_likelihood);
                /* Two tables; with one worker only the tasks of edges, of which many make two. */
                ck_assert(part < 2 || tasks == (workers > 1 || trial / 2 == 1 ? 2 : 0));
            }
        games.second[15000] = n;
        games.first[12345] = games.second[12345];
        ck_assert_int_ne(fit_shared(&rows, n, 3, 1, &second, shared, &tasks), ALIGN_E_NONE);
        ck_assert_int_eq((int)second.error.index[0], 12345);
    }
}
END_TEST

/* Counts for a million items that met 30 of them, in either kind of table. */
START_TEST(a_bound_on_items_is_enough)
{
    draw(30, 2000);
    games_begin(&second);
    second.args.variance = ALIGN_BT_SANDWICH;
    games_finish(&games, &second);
    const int64_t bounds[] = {30, 37, 1000000};
    for (int k = 0; k < 3; k++) {
        align_bt_counts counts = make_counts(bounds[k], k == 1 ? 37 * 37 : 900);
        align_bt_rows rows = games_rows(&games);
        ck_assert_int_eq(align_bt_counts_update(NULL, &counts, &rows), 0);
        fit_counts(&counts, &answer, ALIGN_BT_TIES_HALF);
        expect_same_bits();
        free(counts.memory);
    }
}
END_TEST

/* From a table of a few pairs up, growing whenever it is full and going on where it stopped. */
START_TEST(full_counts_say_how_many_rows_they_took)
{
    draw(40, 2000);
    align_bt_counts whole = make_counts(games.n, games.n * games.n), counts = make_counts(40, 3);
    align_bt_rows rows = games_rows(&games);
    ck_assert_int_eq(align_bt_counts_update(NULL, &whole, &rows), 0);
    int64_t done = 0;
    int grown = 0;
    while (done < games.rows) {
        rows = part_of(done, games.rows - done, 1);
        align_status status = align_bt_counts_update(NULL, &counts, &rows);
        done += counts.taken;
        if (status == ALIGN_E_NONE)
            continue;
        ck_assert_int_eq(status, ALIGN_E_SCRATCH);
        ck_assert_int_eq((int)counts.pairs, (int)counts.room);
        align_bt_counts larger = make_counts(games.n, 2 * counts.room);
        void *old = counts.memory;
        ck_assert_int_eq(align_bt_counts_grow(NULL, &counts, larger.memory, larger.bytes), 0);
        free(old);
        grown++;
    }
    ck_assert_int_gt(grown, 3);
    fit_counts(&whole, &answer, ALIGN_BT_TIES_HALF);
    fit_counts(&counts, &second, ALIGN_BT_TIES_HALF);
    expect_same_bits();
    free(counts.memory);
    free(whole.memory);
}
END_TEST

/* Sums of squares: k equal rows are not one row of k times the weight, except to Fisher. */
START_TEST(squares_are_kept)
{
    games_read(&games, 3, "01 12 20 01 10 21");
    for (int r = 0; r < 6; r++)
        games.weight[r] = 4;
    games_begin(&answer);
    games_finish(&games, &answer);
    double fisher = answer.se[0];
    games_begin(&answer);
    answer.args.variance = ALIGN_BT_SANDWICH;
    games_finish(&games, &answer);
    double heavy = answer.se[0];
    for (int r = 0; r < 6; r++)
        games.weight[r] = 1;
    for (int copy = 0; copy < 3; copy++)
        for (int r = 0; r < 6; r++)
            games_add(&games, games.first[r], games.second[r], 1, 1);
    games_begin(&second);
    games_finish(&games, &second);
    games_near(second.se[0], fisher, 1e-14, "se", 0);
    games_begin(&second);
    second.args.variance = ALIGN_BT_SANDWICH;
    games_finish(&games, &second);
    games_near(second.se[0], heavy / 2, 1e-14, "se", 1);
}
END_TEST

static unsigned char *save(const align_bt_counts *counts, size_t *bytes)
{
    ck_assert_int_eq(align_bt_counts_save(NULL, counts, NULL, 0, bytes), ALIGN_E_SCRATCH);
    unsigned char *saved = malloc(*bytes);
    ck_assert_int_eq(align_bt_counts_save(NULL, counts, saved, *bytes, bytes), 0);
    return saved;
}

/* Files of shards loaded in either order into tables of either kind, with votes added afterwards. */
START_TEST(saved_shards_add_up_exactly)
{
    draw(20, 1500);
    align_bt_counts whole = make_counts(games.n, 400);
    align_bt_rows rows = games_rows(&games);
    ck_assert_int_eq(align_bt_counts_update(NULL, &whole, &rows), 0);
    fit_counts(&whole, &answer, ALIGN_BT_TIES_DAVIDSON);
    for (int trial = 0; trial < 4; trial++) {
        unsigned char *saved[2];
        size_t bytes[2];
        for (int s = 0; s < 2; s++) {
            align_bt_counts shard = make_counts(trial < 2 ? 20 : 5000, s == 0 ? 400 : 399);
            rows = part_of(500 * s, 500, 1);
            ck_assert_int_eq(align_bt_counts_update(NULL, &shard, &rows), 0);
            saved[s] = save(&shard, &bytes[s]);
            free(shard.memory);
        }
        align_bt_counts head;
        ck_assert_int_eq(align_bt_counts_get_saved(NULL, saved[0], bytes[0], &head), 0);
        ck_assert_int_eq((int)head.n_items, trial < 2 ? 20 : 5000);
        ck_assert_int_eq((int)head.rows, 500);
        ck_assert_int_ge((int)head.pairs, 200);
        align_bt_counts counts = make_counts(trial == 0 ? 20 : 6000, 400);
        for (int s = 0; s < 2; s++)
            ck_assert_int_eq(
                align_bt_counts_load(NULL, &counts, saved[trial % 2 == s], bytes[trial % 2 == s]),
                0);
        rows = part_of(1000, 500, 1);
        ck_assert_int_eq(align_bt_counts_update(NULL, &counts, &rows), 0);
        ck_assert_int_eq((int)counts.rows, (int)games.rows);
        fit_counts(&counts, &second, ALIGN_BT_TIES_DAVIDSON);
        expect_same_bits();
        free(counts.memory);
        free(saved[0]);
        free(saved[1]);
    }
    free(whole.memory);
}
END_TEST

/* Format 1, byte by byte: 1 beat 0 twice, and took a share of 0.75 of a row of weight 2. */
START_TEST(saved_bytes_are_the_same_everywhere)
{
    static const unsigned char expected[] = {
        'A', 'L', 'B', 'T',  'C', 'N', 'T', 0, 1,    0,    0,    0, 0, 0, 0, 0, /* magic, format */
        3,   0,   0,   0,    0,   0,   0,   0, 1,    0,    0,    0, 0, 0, 0, 0, /* items, pairs */
        3,   0,   0,   0,    0,   0,   0,   0, 116,  0,    0,    0, 0, 0, 0, 0, /* rows, length */
        1,   0,   0,   0,    0,   0,   0,   0, 0x11, 0x24, 0x48, 0, /* pair 1, 0, and its words */
        2,   0,   0,   0,    0,   0,   0,   0,                      /* two plain wins */
        0,   0,   0,   0x80, 1,   0,   0,   0,                      /* 1.5 */
        0,   0,   0,   0x80, 0,   0,   0,   0,                      /* 0.5 */
        0,   0,   0,   0x40, 2,   0,   0,   0,                      /* 2.25 */
        0,   0,   0,   0x40, 0,   0,   0,   0,                      /* 0.25 */
        0,   0,   0,   0xc0, 0,   0,   0,   0,                      /* 0.75 */
    };
    size_t bytes;
    games.n = 3;
    games.rows = 0;
    games_add(&games, 1, 0, 1, 1);
    games_add(&games, 1, 0, 1, 1);
    games_add(&games, 1, 0, 0.75, 2);
    align_bt_counts counts = make_counts(3, 9);
    align_bt_rows rows = games_rows(&games);
    ck_assert_int_eq(align_bt_counts_update(NULL, &counts, &rows), 0);
    unsigned char *saved = save(&counts, &bytes);
    ck_assert_int_eq((int)bytes, (int)sizeof expected + 8);
    ck_assert_mem_eq(saved, expected, sizeof expected);
    free(saved);
    free(counts.memory);
}
END_TEST

/* Every length and every changed byte is noticed, and nothing is added. */
START_TEST(damage_is_noticed)
{
    size_t bytes;
    draw(5, 30);
    align_bt_counts counts = make_counts(5, 25), empty = make_counts(5, 25);
    align_bt_rows rows = games_rows(&games);
    ck_assert_int_eq(align_bt_counts_update(NULL, &counts, &rows), 0);
    unsigned char *saved = save(&counts, &bytes), *before = malloc(empty.bytes);
    memcpy(before, empty.memory, empty.bytes);
    for (size_t n = 0; n < bytes; n++) {
        unsigned char *cut = malloc(n + 1);
        memcpy(cut, saved, n);
        ck_assert_int_eq(align_bt_counts_load(NULL, &empty, cut, n), ALIGN_E_RANGE);
        free(cut);
        saved[n] ^= 4;
        align_status status = align_bt_counts_load(NULL, &empty, saved, bytes);
        ck_assert(status == ALIGN_E_RANGE || (n < 16 && status == ALIGN_E_VERSION));
        saved[n] ^= 4;
    }
    ck_assert_mem_eq(empty.memory, before, empty.bytes);
    ck_assert_int_eq(align_bt_counts_load(NULL, &empty, saved, bytes), 0);
    free(before);
    free(saved);
    free(empty.memory);
    free(counts.memory);
}
END_TEST

SUITE_MAIN("bt counts", counts_fit_as_rows_do, shards_add_up_exactly,
           plain_rows_count_as_all_rows_do, many_rows_of_a_pair_count, bad_plain_rows_are_named,
           tasks_count_as_one_does, a_bound_on_items_is_enough,
           full_counts_say_how_many_rows_they_took, squares_are_kept, saved_shards_add_up_exactly,
           saved_bytes_are_the_same_everywhere, damage_is_noticed)
