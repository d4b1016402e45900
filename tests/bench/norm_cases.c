/* Normalisers and advantages. */
#include "bench.h"

struct state {
    align_norm norm;
    align_norm_args args;
    align_norm_groups_args groups;
    align_advantage_args advantage;
};

static void run_update(struct bench *bench)
{
    struct state *state = bench->state;
    bench_must(bench, align_norm_update(&bench->exec, &state->norm, &state->args));
}

static void setup_update(struct bench *bench)
{
    int64_t n = bench_number(bench->line, "n", 1000000);
    struct state *state = bench_alloc(1, sizeof *state);
    bench_must(bench, align_norm_init(&state->norm, sizeof state->norm, NULL));
    align_norm_args_init(&state->args, sizeof state->args);
    state->args.reward = bench_tensor(ALIGN_F32, n, 0);
    bench_fill(state->args.reward, -3, 5);
    bench->state = state;
    bench->run = run_update;
    bench->work = 4.0 * (double)n;
}

static void run_whiten(struct bench *bench)
{
    struct state *state = bench->state;
    bench_must(bench, align_norm_apply(&bench->exec, NULL, &state->args));
}

/* Seven of eight tokens count, as in a padded batch. */
static align_tensor mask_of(int64_t n)
{
    align_tensor mask = bench_tensor(ALIGN_U8, n, 0);
    uint8_t *counts = mask.data;
    for (int64_t i = 0; i < n; i++)
        counts[i] = i % 1024 < 896;
    return mask;
}

static void setup_whiten(struct bench *bench)
{
    int64_t n = bench_number(bench->line, "n", 1000000);
    struct state *state = bench_alloc(1, sizeof *state);
    align_norm_args_init(&state->args, sizeof state->args);
    state->args.reward = bench_tensor(ALIGN_F32, n, 0);
    state->args.mask = mask_of(n);
    state->args.out = bench_tensor(ALIGN_F32, n, 0);
    bench_fill(state->args.reward, -3, 5);
    bench->state = state;
    bench->run = run_whiten;
    bench->work = 9.0 * (double)n;
}

static void run_groups(struct bench *bench)
{
    struct state *state = bench->state;
    bench_must(bench, align_norm_groups(&bench->exec, &state->groups));
}

static void setup_groups(struct bench *bench)
{
    int64_t groups = bench_number(bench->line, "groups", 4096);
    int64_t k = bench_number(bench->line, "k", 16);
    struct state *state = bench_alloc(1, sizeof *state);
    align_norm_groups_args_init(&state->groups, sizeof state->groups);
    state->groups.reward = bench_tensor(ALIGN_F32, groups, k);
    state->groups.out = bench_tensor(ALIGN_F32, groups, k);
    bench_fill(state->groups.reward, 0, 1);
    bench->state = state;
    bench->run = run_groups;
    bench->work = 8.0 * (double)(groups * k);
}

static void run_gae(struct bench *bench)
{
    struct state *state = bench->state;
    bench_must(bench, align_advantage_eval(&bench->exec, &state->advantage));
}

static void setup_gae(struct bench *bench)
{
    int64_t batch = bench_number(bench->line, "batch", 1024);
    int64_t tokens = bench_number(bench->line, "tokens", 1024);
    struct state *state = bench_alloc(1, sizeof *state);
    align_advantage_args *a = &state->advantage;
    align_advantage_args_init(a, sizeof *a);
    a->reward = bench_tensor(ALIGN_F32, batch, tokens);
    a->value = bench_tensor(ALIGN_F32, batch, tokens);
    a->advantage = bench_tensor(ALIGN_F32, batch, tokens);
    a->target = bench_tensor(ALIGN_F32, batch, tokens);
    bench_fill(a->reward, -1, 1);
    bench_fill(a->value, -1, 1);
    bench->state = state;
    bench->run = run_gae;
    bench->work = 16.0 * (double)(batch * tokens);
}

const struct bench_kind bench_norm_kinds[] = {
    {"norm_update", "GB/s", "limit.read", setup_update},
    {"norm_whiten", "GB/s", "limit.copy", setup_whiten},
    {"norm_groups", "GB/s", "limit.copy", setup_groups},
    {"gae", "GB/s", "limit.copy", setup_gae},
    {NULL, NULL, NULL, NULL},
};
