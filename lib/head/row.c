#include "row.h"

#include <math.h>

#define LN2 0x1.62e42fefa39efp-1

void align__row_start(struct align__row *row)
{
    *row = (struct align__row){.top = -INFINITY, .at = -1};
}

/* Can a power of two near z be where terms are measured from? */
static bool is_moderate(double z)
{
    return fabs(z) < LN2 * (ALIGN__ORIGIN_MOST - 1);
}

/* The nearest power of two, and what makes terms of that terms of the maximum. */
static int32_t power_at(double z, double top, double *unit)
{
    int32_t power = (int32_t)rint(z * 0x1.71547652b82fep+0);
    *unit = exp(power * LN2 - top);
    return power;
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
    if (is_moderate(top))
        row->power = power_at(top, top, &row->unit);
}

static void add_sums(struct align__row *row, const struct align__sums *sums)
{
    row->sum += sums->sum;
    row->dot += sums->dot;
    row->square += sums->square;
}

static double sum_from(const struct align__logits *logits, const void *z, int64_t n, int32_t power,
                       float *top, enum align__row_how how)
{
    return (how == ALIGN__ROW_FAST ? logits->sum_fast : logits->sum)(z, n, power, top);
}

/* Elements whose largest is `top`, which is not above the maximum of the row. */
static void add_piece(struct align__row *row, const struct align__kernels *kernels,
                      align_dtype dtype, const void *z, int64_t n, double top,
                      enum align__row_how how)
{
    if (how != ALIGN__ROW_WIDE && is_moderate(top) && is_moderate(row->top)) {
        float most;
        double unit;
        int32_t power = power_at(top, row->top, &unit);
        row->sum += sum_from(align__logits(kernels, dtype), z, n, power, &most, how) * unit;
        return;
    }
    float f32[ALIGN__STRIP];
    struct align__sums sums;
    const float *from = align__logits_f32(kernels, dtype, z, n, f32);
    kernels->sums_f32(&sums, from, n, row->at < 0 ? 0 : row->top, how == ALIGN__ROW_WIDE);
    add_sums(row, &sums);
}

static void add_pieces(struct align__row *row, const struct align__kernels *kernels,
                       align_dtype dtype, const void *z, int64_t n, int64_t first,
                       enum align__row_how how)
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
    if (at > 0)
        add_piece(row, kernels, dtype, z, at, (double)logits->top(z, at), how);
    if (rest > 0)
        add_piece(row, kernels, dtype, behind, rest, (double)logits->top(behind, rest), how);
}

/* Sums and the largest element in one pass, measured from a power of two near the maximum of the row, or of its first
 * few elements. False and nothing added where that was not near enough, or where a new maximum is so much of the sum
 * that taking its term away again would cost digits of the rest. */
static bool add_at_once(struct align__row *row, const struct align__logits *logits, const void *z,
                        int64_t n, int64_t first, enum align__row_how how)
{
    enum { FEW = 256, FAR = 40, NOTHING = 746, REST_LEAST = 8 };
    double near = row->at < 0 ? (double)logits->top(z, n < FEW ? n : FEW) : row->top;
    if (!is_moderate(near))
        return false;
    float most;
    double unit = row->unit;
    int32_t power = row->at < 0 ? power_at(near, near, &unit) : row->power;
    double sum = sum_from(logits, z, n, power, &most, how), top = (double)most;
    if (top < row->top - NOTHING)
        return !isnan(sum);
    if (!(fabs(top - near) < FAR))
        return false;
    if (!(top > row->top)) {
        row->sum += sum * unit;
        return true;
    }
    double rest = sum * exp(power * LN2 - top) - 1;
    if (rest < REST_LEAST)
        return false;
    raise_top(row, top, first + logits->find(z, n, most));
    row->sum += rest;
    return true;
}

void align__row_add(struct align__row *row, const struct align__kernels *kernels, align_dtype dtype,
                    const void *z, int64_t n, int64_t first, enum align__row_how how)
{
    const struct align__logits *logits = align__logits(kernels, dtype);
    if (how == ALIGN__ROW_WIDE || !add_at_once(row, logits, z, n, first, how))
        add_pieces(row, kernels, dtype, z, n, first, how);
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

bool align__row_above(const struct align__row *a, const struct align__row *b)
{
    if (a->at < 0 || b->at < 0)
        return b->at < 0 && a->at >= 0;
    return a->top > b->top || (a->top == b->top && a->at < b->at);
}

void align__row_join(struct align__row *row, const struct align__row *from)
{
    struct align__row low = *from;
    if (isnan(row->sum) || isnan(from->sum)) {
        row->sum = NAN;
        return;
    }
    if (align__row_above(from, row)) {
        low = *row;
        *row = *from;
    }
    double rise = row->top - low.top, scale = exp(-rise);
    if (low.at < 0 || scale == 0)
        return;
    row->sum += scale * (low.sum + 1);
    row->dot += scale * (low.dot + rise * (low.sum + 1));
    row->square += scale * scale * (low.square + 1);
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
