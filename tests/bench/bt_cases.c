/* Bradley-Terry fits, refits and streams. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct bt_state {
    align_bt_args args;
    align_bt_rows rows;
    align_bt_counts counts;
    FILE *file;
    int32_t *block;
    int64_t blocks;
};

enum { BLOCK = 65536 };

static void run_bt(struct bench *bench)
{
    struct bt_state *state = bench->state;
    bench_must(bench, align_bt_fit(&bench->exec, &state->args));
}

/* One game between two of `n` items, spread evenly from strength -1 to 1: winner, then loser. */
static void play(uint32_t *random, uint32_t n, int32_t *game)
{
    uint32_t a = bench_random(random) % n, b = (a + 1 + bench_random(random) % (n - 1)) % n;
    double p = 1 / (1 + exp(2.0 * ((double)b - a) / n));
    int won = bench_random(random) / 4294967296.0 < p;
    game[0] = (int32_t)(won ? a : b);
    game[1] = (int32_t)(won ? b : a);
}

/* Games as rows, and args that fit them. */
static struct bt_state *make_bt(struct bench *bench)
{
    int64_t items = bench_number(bench->line, "items", 100);
    int64_t count = bench_number(bench->line, "rows", 1000000);
    struct bt_state *state = bench_alloc(1, sizeof *state);
    align_bt_rows_init(&state->rows, sizeof state->rows);
    state->rows.first = bench_tensor(ALIGN_I32, count, 0);
    state->rows.second = bench_tensor(ALIGN_I32, count, 0);
    int32_t *first = state->rows.first.data, *second = state->rows.second.data, game[2];
    uint32_t random = 1;
    for (int64_t i = 0; i < count; i++) {
        play(&random, (uint32_t)items, game);
        first[i] = game[0];
        second[i] = game[1];
    }
    align_bt_args_init(&state->args, sizeof state->args);
    state->args.n_items = items;
    state->args.rows = &state->rows;
    state->args.strength = bench_tensor(ALIGN_F64, items, 0);
    bench->state = state;
    bench->run = run_bt;
    bench->work = 8.0 * (double)count;
    return state;
}

static void give_scratch(struct bench *bench, struct bt_state *state)
{
    size_t least, best;
    bench_must(bench, align_bt_scratch(&bench->exec, &state->args, &least, &best));
    bench_scratch(bench, best);
}

static double error_of_bt(const struct bench *bench)
{
    const struct bt_state *state = bench->state;
    return bench_strength_error(&state->rows, state->args.strength.data, state->args.n_items);
}

static void setup_bt(struct bench *bench)
{
    enum { MOST_ITEMS = 1000 };
    struct bt_state *state = make_bt(bench);
    if (state->args.n_items <= MOST_ITEMS)
        bench->error = error_of_bt;
    give_scratch(bench, state);
}

static void count_rows(struct bench *bench, struct bt_state *state)
{
    int64_t items = state->args.n_items;
    size_t bytes = align_bt_counts_get_bytes(items, items * items);
    align_bt_counts_init(&state->counts, bench_alloc(1, bytes), bytes, items);
    bench_must(bench, align_bt_counts_update(&bench->exec, &state->counts, &state->rows));
    state->args.rows = NULL;
    state->args.counts = &state->counts;
    bench->work = 1;
}

/* A Newton fit of what rows add up to, from the start. */
static void setup_bt_counts(struct bench *bench)
{
    struct bt_state *state = make_bt(bench);
    count_rows(bench, state);
    give_scratch(bench, state);
}

/* A fit on counts, and then as many refits of the bootstrap as the line says. */
static void setup_bt_draws(struct bench *bench)
{
    struct bt_state *state = make_bt(bench);
    int64_t draws = bench_number(bench->line, "draws", 1000);
    count_rows(bench, state);
    state->args.draws = bench_tensor(ALIGN_F64, draws, state->args.n_items);
    state->args.seed = 1;
    bench->work = (double)draws;
    give_scratch(bench, state);
}

/* ---- a file of pairs, read in blocks from the page cache ----------------------------------- */

static void make_file(struct bench *bench, struct bt_state *state)
{
    uint32_t random = 1;
    state->file = tmpfile();
    state->blocks = bench_number(bench->line, "rows", 100000000) / BLOCK;
    state->block = bench_alloc((size_t)BLOCK, 2 * sizeof *state->block);
    for (int64_t k = 0; state->file != NULL && k < state->blocks; k++) {
        for (int64_t i = 0; k < 16 && i < BLOCK; i++)
            play(&random, (uint32_t)state->args.n_items, state->block + 2 * i);
        if (fwrite(state->block, 8, BLOCK, state->file) != BLOCK)
            abort();
    }
    if (state->file == NULL || fflush(state->file) != 0)
        abort();
    setvbuf(state->file, NULL, _IONBF, 0);
}

static bool next_block(const struct bt_state *state)
{
    return fread(state->block, 8, BLOCK, state->file) == BLOCK;
}

static void run_bt_stream(struct bench *bench)
{
    struct bt_state *state = bench->state;
    rewind(state->file);
    align_bt_counts_init(&state->counts, state->counts.memory, state->counts.bytes,
                         state->counts.n_items);
    while (next_block(state))
        bench_must(bench, align_bt_counts_update(&bench->exec, &state->counts, &state->rows));
    run_bt(bench);
}

/* What it is held against: the same file, and the sum of its numbers. */
static void run_bt_sum(struct bench *bench)
{
    struct bt_state *state = bench->state;
    int64_t sum = 0;
    rewind(state->file);
    while (next_block(state))
        for (int64_t i = 0; i < 2 * (int64_t)BLOCK; i++)
            sum += state->block[i];
    state->counts.rows = sum;
}

static void setup_bt_stream(struct bench *bench)
{
    int64_t items = bench_number(bench->line, "items", 100);
    struct bt_state *state = bench_alloc(1, sizeof *state);
    size_t bytes = align_bt_counts_get_bytes(items, items * items);
    align_bt_args_init(&state->args, sizeof state->args);
    state->args.n_items = items;
    make_file(bench, state);
    align_bt_rows_init(&state->rows, sizeof state->rows);
    state->rows.first = align_1d(state->block, ALIGN_I32, BLOCK);
    state->rows.second = align_1d(state->block + 1, ALIGN_I32, BLOCK);
    state->rows.first.stride[0] = state->rows.second.stride[0] = 2;
    align_bt_counts_init(&state->counts, bench_alloc(1, bytes), bytes, items);
    state->args.counts = &state->counts;
    state->args.strength = bench_tensor(ALIGN_F64, items, 0);
    bench->state = state;
    bench->run = run_bt_stream;
    bench->work = 8.0 * BLOCK * (double)state->blocks;
    give_scratch(bench, state);
}

static void setup_bt_sum(struct bench *bench)
{
    setup_bt_stream(bench);
    bench->run = run_bt_sum;
}

const struct bench_kind bench_bt_kinds[] = {
    {"bt_fit", "GB/s", "limit.read", setup_bt},
    {"bt_counts", "Mfit/s", NULL, setup_bt_counts},
    {"bt_draws", "Mfit/s", "bt_counts", setup_bt_draws},
    {"bt_sum", "GB/s", NULL, setup_bt_sum},
    {"bt_stream", "GB/s", "bt_sum", setup_bt_stream},
    {NULL, NULL, NULL, NULL},
};
