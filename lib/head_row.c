#include "head_row.h"

#include <math.h>
#include <string.h>

void align__row_start(struct align__row *row)
{
    *row = (struct align__row){.top = -INFINITY, .at = -1};
}

/* A new maximum: sums become relative to it, and the old maximum joins them. */
static void raise_top(struct align__row *row, double top, int64_t at)
{
    double rise = row->at < 0 ? 0 : top - row->top;
    double scale = exp(-rise), old = row->at < 0 ? 0 : scale;
    row->dot = scale * (row->dot + (scale == 0 ? 0 : rise * (row->sum + 1)));
    row->square = scale * scale * row->square + old * old;
    row->sum = scale * row->sum + old;
    row->top = top;
    row->at = at;
}

/* Terms of the top's size are near 2^64, so that none above e^-130 of it is lost. */
static void measure_from_top(struct align__row *row)
{
    enum { BIAS = 40 };
    float factor;
    row->origin = align__terms_split(1, row->top, BIAS, &factor);
    row->unit = ldexp((double)factor, -BIAS);
}

static void add_sums(struct align__row *row, const struct align__sums *sums)
{
    row->sum += sums->sum;
    row->dot += sums->dot;
    row->square += sums->square;
}

void align__row_add_f32(struct align__row *row, const struct align__kernels *kernels,
                        const float *z, float *spare, int64_t n, int64_t first,
                        enum align__row_how how)
{
    struct align__sums sums;
    float top = kernels->top(z, n);
    if (top == INFINITY) {
        row->sum = NAN;
        return;
    }
    if ((double)top > row->top) {
        int64_t at = kernels->find(z, n, top);
        raise_top(row, (double)top, first + at);
        if (how == ALIGN__ROW_FAST)
            measure_from_top(row);
        if (spare != z)
            memcpy(spare, z, (size_t)n * sizeof *z);
        spare[at] = -INFINITY;
        z = spare;
    }
    if (how == ALIGN__ROW_FAST && row->at >= 0)
        sums = (struct align__sums){.sum = kernels->sum_terms(z, n, row->origin) * row->unit};
    else
        kernels->sums_f32(&sums, z, n, row->at < 0 ? 0 : row->top, how == ALIGN__ROW_WIDE);
    add_sums(row, &sums);
}

void align__row_add_f64(struct align__row *row, const struct align__kernels *kernels, double *z,
                        int64_t n, int64_t first, enum align__row_how how)
{
    struct align__sums sums;
    int64_t at = -1;
    double top = row->top;
    for (int64_t i = 0; i < n; i++)
        if (z[i] > top) {
            top = z[i];
            at = i;
        }
    if (top == INFINITY) {
        row->sum = NAN;
        return;
    }
    if (at >= 0) {
        raise_top(row, top, first + at);
        z[at] = -INFINITY;
    }
    kernels->sums_f64(&sums, z, n, row->at < 0 ? 0 : row->top, how == ALIGN__ROW_WIDE);
    add_sums(row, &sums);
}

struct align__row_result align__row_finish(const struct align__row *row)
{
    if (isnan(row->sum))
        return (struct align__row_result){NAN, NAN, NAN, NAN};
    if (row->at < 0)
        return (struct align__row_result){-INFINITY, 0, 0, -INFINITY};
    double rest = log1p(row->sum);
    return (struct align__row_result){
        .lse = row->top + rest,
        .rest = rest,
        .entropy = rest + row->dot / (1 + row->sum),
        .collision = log1p(row->square) - 2 * rest,
    };
}

double align__row_logp(const struct align__row *row, const struct align__row_result *result,
                       int64_t target, double z)
{
    if (row->at < 0)
        return result->lse;
    return (target == row->at ? 0 : z - row->top) - result->rest;
}
