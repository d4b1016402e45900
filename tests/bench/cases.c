/* The table of cases. Shapes are those of the goals in docs/performance.md. */
#include "bench.h"

const char *const bench_cases[] = {
    "limit.read workers=1",
    "limit.read workers=2",
    "limit.copy workers=1",
    "limit.copy workers=2",
    "limit.update workers=1",
    "limit.update workers=2",
    "limit.exp workers=1",
    "limit.exp workers=2",
    "limit.gemm blas=1",
    "limit.gemm blas=2",
    "threads.after_blas workers=2 blas=1",
    "threads.after_blas workers=2 blas=2",
    NULL,
};
