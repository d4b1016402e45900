/* A case with one worker and its limit in one process, in turns and in CPU time: the share of the limit where other
 * processes, or the host of the machine, take away the CPU in between. */
#define _GNU_SOURCE
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 11 };

void bench_limit_line(char line[256], const char *of, const char *limit, double work)
{
    int workers = (int)bench_number(of, "workers", 1);
    if (strncmp(limit, "limit.", 6) != 0)
        snprintf(line, 256, "%s%s", limit, strchr(of, ' '));
    else if (strcmp(limit, "limit.gemm") == 0)
        snprintf(line, 256, "%s blas=%d", limit, workers);
    else
        snprintf(line, 256, "%s workers=%d bytes=%.0f", limit, workers, work);
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Runs it for that long at least; seconds of one run. */
static double seconds_of_run(struct bench *bench, double least)
{
    int64_t runs = 0;
    double begin = cpu_seconds(), now = begin;
    for (; runs == 0 || now - begin < least; now = cpu_seconds(), runs++)
        bench->run(bench);
    return (now - begin) / (double)runs;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Work per second of the case as a share of that of the limit, which goes before it and after it. */
static double share(struct bench *own, struct bench *limit, double seconds)
{
    double before = seconds_of_run(limit, seconds / 4), time = seconds_of_run(own, seconds);
    double beside = (before + seconds_of_run(limit, seconds / 4)) / 2;
    return (own->work / time) / (limit->work / beside);
}

int bench_turns(const char *line)
{
    const struct bench_kind *kind = bench_find_kind(line);
    if (kind == NULL || kind->limit == NULL || bench_number(line, "workers", 1) != 1) {
        fprintf(stderr, "align-bench: --turns takes a case with a limit and one worker\n");
        return EXIT_FAILURE;
    }
    char beside[256];
    struct bench own, limit;
    double shares[ROUNDS];
    align_error error;
    align_error_init(&error, sizeof error);
    bench_prepare(&own, line, &error);
    bench_limit_line(beside, line, kind->limit, own.work);
    bench_prepare(&limit, beside, &error);
    double seconds = seconds_of_run(&own, 0.01);
    seconds_of_run(&limit, 0.01);
    for (int i = 0; i < ROUNDS; i++)
        shares[i] = share(&own, &limit, seconds < 0.01 ? 0.01 : seconds);
    qsort(shares, ROUNDS, sizeof *shares, compare);
    printf("%s: %.2f of %s (%.2f to %.2f in %d turns)\n", line, shares[ROUNDS / 2], kind->limit + 6,
           shares[0], shares[ROUNDS - 1], (int)ROUNDS);
    return EXIT_SUCCESS;
}
