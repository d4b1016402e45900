/* Losses over many groups: value and gradient, F32 scores. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void run_loss(struct bench *bench)
{
    bench_must(bench, align_loss_eval(&bench->exec, bench->state));
}

/* Finds the row that a line begins with, or 0. */
static align_loss_id loss_of(const char *line)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(line, " "), line);
    return align_loss_find(name);
}

static align_loss_args *make_loss(struct bench *bench, int64_t groups, int64_t width,
                                  uint32_t fields)
{
    align_loss_args *args = bench_alloc(1, sizeof *args);
    align_loss_args_init(args, sizeof *args);
    args->loss = loss_of(bench->line);
    /* Numbers of several kinds at once: labels are 0 or 1, counts whole. */
    const struct {
        uint32_t bit;
        align_tensor *tensor;
        double low, high;
        bool whole;
    } all[] = {
        {0, &args->score, -200, 0, false},
        {0, &args->dscore, 0, 0, false},
        {ALIGN_LOSS_READS_REF, &args->ref, -200, 0, false},
        {ALIGN_LOSS_READS_OLD, &args->old, -200, 0, false},
        {ALIGN_LOSS_READS_AUX, &args->aux, 0, 200, false},
        {ALIGN_LOSS_READS_COUNT, &args->count, 50, 300, true},
        {ALIGN_LOSS_READS_LABEL, &args->label, 0, 2, true},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i].bit != 0 && (fields & all[i].bit) == 0)
            continue;
        *all[i].tensor = bench_tensor(ALIGN_F32, groups, width);
        bench_fill(*all[i].tensor, all[i].low, all[i].high);
        float *x = all[i].tensor->data;
        for (int64_t k = 0; all[i].whole && k < groups * width; k++)
            x[k] = floorf(x[k]);
        bench->work += 4.0 * (double)groups * (double)width;
    }
    args->value = bench_tensor(ALIGN_F64, 1, 0);
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

static align_loss_info info_of(struct bench *bench)
{
    align_loss_info info = {.size = sizeof info};
    bench_must(bench, align_loss_get_info(loss_of(bench->line), &info));
    return info;
}

/* Singles and pairs: value and gradient, with what the row needs, and the reference where it reads one. */
static void setup_groups(struct bench *bench)
{
    align_loss_info info = info_of(bench);
    make_loss(bench, bench_number(bench->line, "groups", 1000000), info.arity,
              info.needs | (info.reads & ALIGN_LOSS_READS_REF));
    finish_loss(bench);
}

static void setup_lists(struct bench *bench)
{
    int64_t groups = bench_number(bench->line, "groups", 4096);
    int64_t width = bench_number(bench->line, "k", 16);
    align_loss_args *args = make_loss(bench, groups, width,
                                      ALIGN_LOSS_READS_REF | ALIGN_LOSS_READS_LABEL);
    bench_fill(args->label, 0, 1);
    bench->work = (double)groups * (double)width * (double)width / 2;
    finish_loss(bench);
}

static const struct bench_kind lists = {"list", "Mpair/s", NULL, setup_lists};
static const struct bench_kind groups = {"group", "GB/s", "limit.copy", setup_groups};

const struct bench_kind *bench_loss_kind(const char *line)
{
    align_loss_info info = {.size = sizeof info};
    if (align_loss_get_info(loss_of(line), &info) != ALIGN_E_NONE)
        return NULL;
    return info.arity == ALIGN_LOSS_LIST ? &lists : &groups;
}
