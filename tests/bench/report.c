#include "report.h"

#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Quantile q of n numbers, between neighbours in proportion. */
static double quantile(const double *x, int n, double q)
{
    double sorted[ROUNDS_MOST];
    memcpy(sorted, x, (size_t)n * sizeof *x);
    qsort(sorted, (size_t)n, sizeof *sorted, compare);
    double at = q * (n - 1);
    int low = (int)at;
    int high = low + 1 < n ? low + 1 : low;
    return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}

double report_median(const double *x, int n)
{
    return quantile(x, n, 0.5);
}

/* Distance between the quartiles as a share of the median. */
static double spread(const struct result *result, const struct runner *runner)
{
    const double *x = runner->seconds;
    return (quantile(x, result->rounds, 0.75) - quantile(x, result->rounds, 0.25)) /
           report_median(x, result->rounds);
}

/* How many times longer `runner` took than libalign: the median over rounds of the ratio within a round,
 * so that what disturbs the machine for longer than a round disturbs both. */
static double ratio(const struct result *result, const struct runner *runner)
{
    double ratios[ROUNDS_MOST];
    for (int i = 0; i < result->rounds; i++)
        ratios[i] = runner->seconds[i] / result->runners[0].seconds[i];
    return report_median(ratios, result->rounds);
}

static bool is_limit(const struct runner *runner)
{
    return strcmp(runner->name, "limit") == 0;
}

static const struct runner *find_limit(const struct result *result)
{
    for (int i = 1; i < result->n_runners; i++)
        if (is_limit(&result->runners[i]))
            return &result->runners[i];
    return NULL;
}

/* Speed as a share of the limit's speed. */
static double limit_share(const struct result *result)
{
    const struct runner *limit = find_limit(result);
    return limit == NULL ? 0 : ratio(result, limit) * result->runners[0].work / limit->work;
}

static double rate(const struct result *result)
{
    const struct runner *own = &result->runners[0];
    double scale = result->unit[0] == 'M' ? 1e6 : 1e9;
    return own->work / report_median(own->seconds, result->rounds) / scale;
}

static void print_seconds(char text[16], double seconds)
{
    static const struct {
        double least, scale;
        const char *unit;
    } units[] = {{1, 1, "s"}, {1e-3, 1e3, "ms"}, {1e-6, 1e6, "us"}, {0, 1e9, "ns"}};
    int i = 0;
    while (seconds < units[i].least)
        i++;
    snprintf(text, 16, "%.3g %s", seconds * units[i].scale, units[i].unit);
}

void report_heading(FILE *out)
{
    fprintf(out, "%-52s %9s %6s %16s %6s %9s %9s  %s\n", "case", "time", "+-", "speed", "limit",
            "scratch", "peak", "peers, times libalign");
}

void report_row(FILE *out, const struct result *result)
{
    const struct runner *own = &result->runners[0];
    char time[16], share[16] = "", speed[24];
    print_seconds(time, report_median(own->seconds, result->rounds));
    snprintf(speed, sizeof speed, "%.4g %s", rate(result), result->unit);
    if (find_limit(result) != NULL)
        snprintf(share, sizeof share, "%.2f", limit_share(result));
    fprintf(out, "%-52s %9s %5.0f%% %16s %6s %7zu K %7zu M ", result->line, time,
            100 * spread(result, own), speed, share, own->scratch >> 10, own->peak >> 20);
    for (int i = 1; i < result->n_runners; i++) {
        const struct runner *peer = &result->runners[i];
        if (is_limit(peer))
            continue;
        fprintf(out, " %s %.2f", peer->name, ratio(result, peer));
        if (!isnan(peer->error))
            fprintf(out, " (error %.1e)", peer->error);
    }
    if (!isnan(own->error))
        fprintf(out, " libalign's error %.1e", own->error);
    fprintf(out, "\n");
    fflush(out);
}

void report_mix(FILE *out, const struct result *result, const struct result *before)
{
    const char *blas = strstr(result->line, " blas=");
    size_t same = blas == NULL ? 0 : (size_t)(blas - result->line);
    int workers = (int)bench_number(result->line, "workers", 1), threads = result->runners[0].blas;
    if (workers < 2 || threads < 2)
        return;
    fprintf(out, "warning: %d workers and %d threads of the BLAS are in each other's way", workers,
            threads);
    bool pair = same > 0 && strncmp(result->line, before->line, same) == 0 &&
                bench_number(before->line, "blas", 1) == 1;
    double longer = !pair ? 1
                          : report_median(result->runners[0].seconds, result->rounds) /
                                report_median(before->runners[0].seconds, before->rounds);
    if (longer > 1)
        fprintf(out, " (%.2f times as long as with one thread)", longer);
    fprintf(out, ": see docs/threads.md\n");
    fflush(out);
}

static void json_error(FILE *out, const struct runner *runner)
{
    if (isnan(runner->error))
        fprintf(out, "\"error\": null");
    else
        fprintf(out, "\"error\": %.3g", runner->error);
}

static void json_peers(FILE *out, const struct result *result)
{
    const char *comma = "";
    for (int i = 1; i < result->n_runners; i++) {
        const struct runner *peer = &result->runners[i];
        if (is_limit(peer))
            continue;
        fprintf(out,
                "%s\"%s\": {\"seconds\": %.6g, \"ratio\": %.4g, \"peak_rss_bytes\": %zu, "
                "\"extra_rss_bytes\": %zu, ",
                comma, peer->name, report_median(peer->seconds, result->rounds),
                ratio(result, peer), peer->peak, peer->extra);
        json_error(out, peer);
        fprintf(out, "}");
        comma = ", ";
    }
}

void report_json(FILE *out, const struct result *result, bool first)
{
    const struct runner *own = &result->runners[0];
    fprintf(out, "%s  {\"case\": \"%s\", \"seconds\": %.6g, \"spread\": %.4g, ", first ? "" : ",\n",
            result->line, report_median(own->seconds, result->rounds), spread(result, own));
    fprintf(out, "\"rounds\": %d, \"blas_threads\": %d, ", result->rounds, own->blas);
    fprintf(out, "\"speed\": %.6g, \"unit\": \"%s\", ", rate(result), result->unit);
    if (find_limit(result) != NULL)
        fprintf(out, "\"limit\": \"%s\", \"limit_share\": %.4g, ", result->limit,
                limit_share(result));
    else
        fprintf(out, "\"limit\": null, \"limit_share\": null, ");
    fprintf(out, "\"peers\": {");
    json_peers(out, result);
    fprintf(out, "}, \"scratch_bytes\": %zu, \"peak_rss_bytes\": %zu, \"extra_rss_bytes\": %zu, ",
            own->scratch, own->peak, own->extra);
    json_error(out, own);
    fprintf(out, "}");
}
