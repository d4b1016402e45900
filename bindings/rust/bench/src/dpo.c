/* The call that the benchmark compares with: DPO as a C host makes it. */
#define _POSIX_C_SOURCE 199309L
#include <libalign/align.h>

#include <time.h>

double bench_seconds(void);
int32_t bench_dpo(int64_t pairs, const double *score, const double *ref, double *dscore,
                  double *value);

int32_t bench_dpo(int64_t pairs, const double *score, const double *ref, double *dscore,
                  double *value)
{
    align_error error;
    align_error_init(&error, sizeof error);
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    exec.error = &error;
    align_loss_args loss;
    align_loss_args_init(&loss, sizeof loss);
    loss.loss = ALIGN_LOSS_DPO;
    loss.score = align_2d(score, ALIGN_F64, pairs, 2);
    loss.ref = align_2d(ref, ALIGN_F64, pairs, 2);
    loss.dscore = align_2d(dscore, ALIGN_F64, pairs, 2);
    loss.value = align_1d(value, ALIGN_F64, 1);
    return align_loss_eval(&exec, &loss);
}

/* Time of this thread on a processor, so that what else the machine does counts less. */
double bench_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
