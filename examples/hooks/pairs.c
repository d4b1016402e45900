#include "pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 200000 };

struct pairs {
    float score[PAIRS][2], ref[PAIRS][2], dscore[PAIRS][2];
    double value;
};

static void fill(struct pairs *pairs)
{
    uint32_t state = 7;
    for (int g = 0; g < PAIRS; g++)
        for (int k = 0; k < 2; k++) {
            state = state * 1664525 + 1013904223;
            pairs->ref[g][k] = -(float)(state >> 16) / 400;
            pairs->score[g][k] = pairs->ref[g][k] + (float)(state & 1023) / 512 - (float)k;
        }
}

static int evaluate(const align_exec *exec, struct pairs *pairs)
{
    align_loss_args loss;
    align_loss_args_init(&loss, sizeof loss);
    loss.loss = ALIGN_LOSS_DPO;
    loss.score = align_2d(pairs->score, ALIGN_F32, PAIRS, 2);
    loss.ref = align_2d(pairs->ref, ALIGN_F32, PAIRS, 2);
    loss.value = align_1d(&pairs->value, ALIGN_F64, 1);
    loss.dscore = align_2d(pairs->dscore, ALIGN_F32, PAIRS, 2);
    if (align_loss_eval(exec, &loss) == ALIGN_E_NONE)
        return 0;
    fprintf(stderr, "%s\n", exec->error->text);
    return 1;
}

static int same_bits(const void *a, const void *b, size_t bytes)
{
    return memcmp(a, b, bytes) == 0;
}

int compare_with_serial(const char *name, align_parallel_fn hook, void *user, uint32_t workers)
{
    struct pairs *alone = calloc(1, sizeof *alone), *shared = calloc(1, sizeof *shared);
    int failed = alone == NULL || shared == NULL;
    if (!failed) {
        fill(alone);
        fill(shared);
        align_error error;
        align_error_init(&error, sizeof error);
        align_exec exec;
        align_exec_init(&exec, sizeof exec);
        exec.error = &error;
        failed = evaluate(&exec, alone);
        exec.parallel = hook;
        exec.parallel_user = user;
        exec.workers = workers;
        failed = failed || evaluate(&exec, shared) || !same_bits(alone, shared, sizeof *alone);
        printf("%s, %u workers: loss %.17g; alone: %.17g; %s\n", name, workers, shared->value,
               alone->value, failed ? "they differ" : "equal to the last bit");
    }
    free(alone);
    free(shared);
    return failed;
}
