/* Linear rewards. */
#include "bench.h"

#include <math.h>

/* ---- linear rewards ------------------------------------------------------------------------ */

static void run_reward(struct bench *bench)
{
    bench_must(bench, align_reward_fit(&bench->exec, bench->state));
}

static double error_of_reward(const struct bench *bench)
{
    return bench_reward_error(bench->state);
}

/* Differences of features as they come, as scikit-learn takes them: second is one row of zeros. */
static void setup_reward(struct bench *bench)
{
    int64_t pairs = bench_number(bench->line, "pairs", 200000);
    int64_t width = bench_number(bench->line, "d", 512);
    align_reward_args *args = bench_alloc(1, sizeof *args);
    align_reward_args_init(args, sizeof *args);
    args->first = bench_tensor(ALIGN_F32, pairs, width);
    args->second = bench_tensor(ALIGN_F32, 1, width);
    args->second.shape[0] = pairs;
    args->second.stride[0] = 0;
    args->prob = bench_tensor(ALIGN_F32, pairs, 0);
    args->coef = bench_tensor(ALIGN_F64, width, 0);
    args->l2 = 1;
    bench_fill(args->first, -1, 1);
    float *first = args->first.data, *prob = args->prob.data;
    uint32_t random = 1;
    for (int64_t i = 0; i < pairs; i++) {
        double z = 0;
        for (int64_t d = 0; d < width; d++)
            z += first[i * width + d] * (0.2 * (double)(d % 7 - 3) / 2);
        prob[i] = bench_random(&random) / 4294967296.0 < 1 / (1 + exp(-z));
    }
    bench->state = args;
    bench->run = run_reward;
    bench->error = error_of_reward;
    bench->work = 4.0 * (double)pairs * (double)width;
    size_t least, best;
    bench_must(bench, align_reward_scratch(&bench->exec, args, &least, &best));
    bench_scratch(bench, best);
}

const struct bench_kind bench_fit_kinds[] = {
    {"reward_fit", "GB/s", "limit.read", setup_reward},
    {NULL, NULL, NULL, NULL},
};
