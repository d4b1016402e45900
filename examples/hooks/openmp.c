/* A host that uses OpenMP gives libalign its threads: the whole adapter is run_on_openmp. */
#include "pairs.h"

#include <omp.h>

/* Tasks are few and large, so each thread takes the next one when it is done with its last. */
static int32_t run_on_openmp(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    (void)user;
#pragma omp parallel for schedule(dynamic, 1)
    for (int64_t i = 0; i < tasks; i++)
        fn(ctx, i);
    return 0;
}

int main(void)
{
    return compare_with_serial("OpenMP", run_on_openmp, NULL, (uint32_t)omp_get_max_threads());
}
