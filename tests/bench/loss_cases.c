/* Losses over many groups: value and gradient, F32 scores. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

static void run_loss(struct bench *bench)
{
    bench_must(bench, align_loss_eval(&bench->exec, bench->state));
}

static align_loss_args *make_loss(struct bench *bench, int64_t groups, int64_t width)
{
    char name[64];
    size_t length = strcspn(bench->line, " ");
    memcpy(name, bench->line, length < sizeof name ? length : sizeof name - 1);
    name[length] = '\0';
    align_loss_args *args = bench_alloc(1, sizeof *args);
    align_loss_args_init(args, sizeof *args);
    args->loss = align_loss_find(name);
    args->score = bench_tensor(ALIGN_F32, groups, width);
    args->ref = bench_tensor(ALIGN_F32, groups, width);
    args->dscore = bench_tensor(ALIGN_F32, groups, width);
    args->value = bench_tensor(ALIGN_F64, 1, 0);
    bench_fill(args->score, -200, 0);
    bench_fill(args->ref, -200, 0);
    bench->state = args;
    bench->run = run_loss;
    return args;
}

static void finish_loss(struct bench *bench)
{
    size_t least, best;
    bench_must(bench, align_loss_scratch(&bench->exec, bench->state, &least, &best));
    bench_scratch(bench, best);
}

/* Pairs read four numbers and write two. */
static void setup_pairs(struct bench *bench)
{
    int64_t groups = bench_number(bench->line, "groups", 1000000);
    make_loss(bench, groups, 2);
    bench->work = 24.0 * (double)groups;
    finish_loss(bench);
}

static void setup_lists(struct bench *bench)
{
    int64_t groups = bench_number(bench->line, "groups", 4096);
    int64_t width = bench_number(bench->line, "k", 16);
    align_loss_args *args = make_loss(bench, groups, width);
    args->label = bench_tensor(ALIGN_F32, groups, width);
    bench_fill(args->label, 0, 1);
    bench->work = (double)groups * (double)width * (double)width / 2;
    finish_loss(bench);
}

const struct bench_kind bench_loss_kinds[] = {
    {"dpo", "GB/s", "limit.copy", setup_pairs},
    {"lipo_lambda", "Mpair/s", NULL, setup_lists},
    {NULL, NULL, NULL, NULL},
};
