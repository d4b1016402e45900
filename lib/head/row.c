#include "row.h"

#include <math.h>

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

/* The nearest power of two, and what makes terms of that terms of the maximum. */
static int32_t power_at(double z, double top, double *unit)
{
    int32_t power = (int32_t)rint(z * 0x1.71547652b82fep+0);
    *unit = exp(power * 0x1.62e42fefa39efp-1 - top);
    return power;
}

/* In f32, terms of the top's size are near 2^64, so that none above e^-130 of it is lost. */
static void measure_from_top(struct align__row *row, enum align__row_how how)
{
    enum { BIAS = 40 };
    float factor;
    if (how == ALIGN__ROW_FAST) {
        row->origin = align__terms_split(1, row->top, BIAS, &factor);
        row->unit = ldexp((double)factor, -BIAS);
    } else if (fabs(row->top) < ALIGN__ORIGIN_MOST) {
        row->power = power_at(row->top, row->top, &row->unit);
    }
}

static void add_sums(struct align__row *row, const struct align__sums *sums)
{
    row->sum += sums->sum;
    row->dot += sums->dot;
    row->square += sums->square;
}

/* From a power of two, that of the row unless the piece is far below. */
static void add_near(struct align__row *row, const struct align__logits *logits, const void *z,
                     int64_t n, double top)
{
    enum { FAR = 40 };
    int32_t power = row->power;
    double unit = row->unit;
    if (top < row->top - FAR)
        power = power_at(top, row->top, &unit);
    row->sum += logits->sum(z, n, power) * unit;
}

/* A piece of a strip whose maximum is not in it, or is not above what the row has. */
static void add_piece(struct align__row *row, const struct align__kernels *kernels,
                      align_dtype dtype, const void *z, int64_t n, double top,
                      enum align__row_how how)
{
    const struct align__logits *logits = align__logits(kernels, dtype);
    const double most = 0.69 * ALIGN__ORIGIN_MOST;
    float f32[ALIGN__STRIP];
    struct align__sums sums;
    if (how == ALIGN__ROW_FAST && row->at >= 0) {
        row->sum += logits->sum_terms(z, n, row->origin) * row->unit;
    } else if (how == ALIGN__ROW_SUM && top > -most && row->top < most) {
        add_near(row, logits, z, n, top);
    } else {
        const float *from = align__logits_f32(kernels, dtype, z, n, f32);
        kernels->sums_f32(&sums, from, n, row->at < 0 ? 0 : row->top, how == ALIGN__ROW_WIDE);
        add_sums(row, &sums);
    }
}

void align__row_add(struct align__row *row, const struct align__kernels *kernels, align_dtype dtype,
                    const void *z, int64_t n, int64_t first, enum align__row_how how)
{
    const struct align__logits *logits = align__logits(kernels, dtype);
    double top = (double)logits->top(z, n);
    if (top == INFINITY) {
        row->sum = NAN;
        return;
    }
    if (!(top > row->top)) {
        add_piece(row, kernels, dtype, z, n, top, how);
        return;
    }
    int64_t at = logits->find(z, n, (float)top), rest = n - at - 1;
    const char *behind = (const char *)z + (at + 1) * align_dtype_bytes(dtype);
    raise_top(row, top, first + at);
    measure_from_top(row, how);
    if (at > 0)
        add_piece(row, kernels, dtype, z, at, (double)logits->top(z, at), how);
    if (rest > 0)
        add_piece(row, kernels, dtype, behind, rest, (double)logits->top(behind, rest), how);
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
