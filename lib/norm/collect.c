#include "../base/cpu.h"
#include "../kernels/f32.h"
#include "norm.h"

#include <math.h>
#include <string.h>

/* Runs of f32 are summed in f64 where that is exact. Other values that an f32 holds, with weight 1, are first sorted into
 * bins by their exponent, where sums of 24-bit digits and of their squares are ordinary integers: two additions a value. */
enum {
    CHUNK = ALIGN__EXACT_MOST,
    BINS = 254,          /* the exponents of normal f32, -126 .. 127 */
    FLUSH = 1 << 15,     /* values after which a bin of squares could be full: 2^15 * 2^48 < 2^64 */
    LOWEST = 1023 - 126, /* f64 exponent field of bin 0 */
    F32_SPARE = 29       /* digits that an f64 has and an f32 does not */
};

enum wrong { RIGHT, WRONG_REWARD, WRONG_SIZE, WRONG_WEIGHT };

struct piece {
    align_norm seen;
    enum wrong wrong;
    int64_t where;
    double value;
};

struct collector {
    struct align__run reward, mask;
    const float *plain;  /* the rewards, where they lie one behind the other */
    const uint8_t *live; /* their mask of bytes, if there is one */
    const struct align__f32 *f32;
    bool refuse;
    struct piece piece[ALIGN__NORM_TASKS];
};

struct bins {
    int64_t ones, left;
    int64_t sum[BINS];
    uint64_t square[BINS];
};

static void flush(struct bins *bins, align_norm *s)
{
    for (int32_t b = 0; b < BINS; b++) {
        if (bins->square[b] == 0)
            continue;
        bool negative = bins->sum[b] < 0;
        uint64_t digits = (uint64_t)(negative ? -bins->sum[b] : bins->sum[b]);
        align__wide_add(s->sum_wx, ALIGN__NORM_WX, digits, ALIGN__GRID + b, negative);
        align__wide_add(s->sum_wxx, ALIGN__NORM_WXX, bins->square[b], ALIGN__GRID + 2 * b, false);
    }
    align__wide_add(s->sum_w, ALIGN__NORM_W, (uint64_t)bins->ones, ALIGN__GRID, false);
    memset(bins, 0, sizeof *bins);
    bins->left = FLUSH;
}

static void add_exactly(align_norm *s, double x, double w, bool take)
{
    struct align__grid gx = align__grid_of(x), gw = align__grid_of(w);
    while ((gw.digits & 1) == 0 && gw.digits != 0) {
        gw.digits >>= 1;
        gw.shift++;
    }
    align__wide_add(s->sum_w, ALIGN__NORM_W, gw.digits, gw.shift, take);
    align__wide_add_product(s->sum_wx, ALIGN__NORM_WX, gw.digits, gx.digits, gw.shift + gx.shift,
                            gx.negative != take);
    align__wide_add_square(s->sum_wxx, ALIGN__NORM_WXX, (uint32_t)gw.digits, gx.digits,
                           gw.shift + 2 * gx.shift, take);
}

static void refuse(struct piece *p, enum wrong wrong, int64_t where, double value)
{
    if (p->wrong != RIGHT)
        return;
    p->wrong = wrong;
    p->where = where;
    p->value = value;
}

static bool add_binned(struct bins *bins, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & ((UINT64_C(1) << F32_SPARE) - 1)) != 0)
        return false;
    int32_t bin = (int32_t)(bits >> 52 & 0x7ff) - LOWEST;
    if (bin < 0 || bin >= BINS)
        return x == 0;
    int64_t digits = (int64_t)((bits & ((UINT64_C(1) << 52) - 1)) >> F32_SPARE | 1 << 23);
    bins->sum[bin] += (bits >> 63) != 0 ? -digits : digits;
    bins->square[bin] += (uint64_t)(digits * digits);
    return true;
}

static void count_value(align_norm *s, double x)
{
    x += 0.0; /* -0 becomes 0, so that least and most do not depend on order */
    s->least = s->count == 0 || x < s->least ? x : s->least;
    s->most = s->count == 0 || x > s->most ? x : s->most;
    s->count++;
}

void align__norm_add_one(align_norm *state, double x, double w)
{
    count_value(state, x);
    add_exactly(state, x, w, false);
}

void align__norm_take_one(align_norm *state, double x)
{
    state->count--;
    add_exactly(state, x, 1, true);
}

static void add_value(struct piece *p, struct bins *bins, double x, double w, int64_t where)
{
    if (!(fabs(x) < 0x1p128)) {
        refuse(p, WRONG_SIZE, where, x);
        return;
    }
    align_norm *s = &p->seen;
    count_value(s, x);
    if (w == 1 && add_binned(bins, x))
        bins->ones++;
    else
        add_exactly(s, x, w, false);
    if (--bins->left == 0)
        flush(bins, s);
}

/* The values that are live, one behind the other. */
static const float *gather(const struct collector *c, int64_t first, int64_t *n, float *kept)
{
    const float *x = c->plain + first;
    const uint8_t *live = c->live;
    if (live == NULL)
        return x;
    int64_t count = 0;
    for (int64_t i = 0; i < *n; i++) {
        kept[count] = x[i];
        count += live[first + i] != 0;
    }
    *n = count;
    return kept;
}

/* A chunk of plain f32; false, with nothing added, where its sums would not be exact. */
static bool add_exact_sums(const struct collector *c, struct piece *p, int64_t first, int64_t n)
{
    float kept[CHUNK];
    struct align__f32_exact sums;
    const float *x = gather(c, first, &n, kept);
    if (!c->f32->exact(&sums, x, n))
        return false;
    if (n == 0)
        return true;
    align_norm *s = &p->seen;
    count_value(s, (double)sums.least);
    count_value(s, (double)sums.most);
    s->count += n - 2;
    align__wide_add(s->sum_w, ALIGN__NORM_W, (uint64_t)n, ALIGN__GRID, false);
    align__wide_add_f64(s->sum_wx, ALIGN__NORM_WX, sums.sum, -2 * ALIGN__GRID);
    align__wide_add_f64(s->sum_wxx, ALIGN__NORM_WXX, sums.square, -3 * ALIGN__GRID);
    align__wide_add_f64(s->sum_wxx, ALIGN__NORM_WXX, sums.square_rest, -3 * ALIGN__GRID);
    return true;
}

static void add_chunk(const struct collector *c, struct piece *p, struct bins *bins, int64_t first,
                      int64_t n)
{
    double x[CHUNK], w[CHUNK];
    align__run_read(&c->reward, first, n, x);
    align__run_weights(&c->mask, first, n, w);
    for (int64_t i = 0; i < n; i++) {
        if (w[i] == 0)
            continue;
        if (!(w[i] > 0) || w[i] - w[i] != 0) {
            refuse(p, WRONG_WEIGHT, first + i, w[i]);
        } else if (x[i] - x[i] != 0) {
            p->seen.skipped++;
            if (c->refuse)
                refuse(p, WRONG_REWARD, first + i, x[i]);
        } else {
            add_value(p, bins, x[i], w[i], first + i);
        }
    }
}

static void collect_piece(void *ctx, int64_t task)
{
    struct collector *c = ctx;
    struct piece *p = &c->piece[task];
    struct bins bins = {.left = FLUSH};
    int64_t first, last;
    memset(p, 0, sizeof *p);
    align__piece(c->reward.length, task, &first, &last);
    for (; first < last; first += CHUNK) {
        int64_t n = last - first < CHUNK ? last - first : CHUNK;
        if (c->plain == NULL || !add_exact_sums(c, p, first, n))
            add_chunk(c, p, &bins, first, n);
    }
    flush(&bins, &p->seen);
}

static align_status say_wrong(const align_exec *exec, const align_norm_args *args,
                              const struct piece *p)
{
    struct align__fault fault = {.owner = "align_norm_args",
                                 .field = p->wrong == WRONG_WEIGHT ? "mask" : "reward",
                                 .value = p->value,
                                 .high = 0x1p128,
                                 .word = "a finite weight of 0 or more"};
    align__run_index(&args->reward, p->where, &fault);
    static const enum align__site sites[] = {
        [WRONG_REWARD] = ALIGN__SITE_NORM_NOT_FINITE,
        [WRONG_SIZE] = ALIGN__SITE_NORM_TOO_LARGE,
        [WRONG_WEIGHT] = ALIGN__SITE_FIELD_VALUE,
    };
    fault.site = sites[p->wrong];
    return align__fail(exec, &fault);
}

void align__norm_add(align_norm *state, const align_norm *other)
{
    if (other->count > 0) {
        bool first = state->count == 0;
        state->least = first || other->least < state->least ? other->least : state->least;
        state->most = first || other->most > state->most ? other->most : state->most;
    }
    state->count += other->count;
    state->skipped += other->skipped;
    align__wide_merge(state->sum_w, other->sum_w, ALIGN__NORM_W);
    align__wide_merge(state->sum_wx, other->sum_wx, ALIGN__NORM_WX);
    align__wide_merge(state->sum_wxx, other->sum_wxx, ALIGN__NORM_WXX);
}

align_status align__norm_collect(const align_exec *exec, align_norm *state,
                                 const align_norm_args *args)
{
    struct collector c;
    c.reward = align__run_of(&args->reward);
    c.mask = align__run_of(&args->mask);
    c.live = align__run_live(&c.mask);
    c.plain = c.mask.length == 0 || c.live != NULL ? align__run_plain(&c.reward, ALIGN_F32) : NULL;
    c.f32 = align__f32(align__cpu_allowed(exec));
    c.refuse = state->nan == ALIGN_NORM_NAN_REFUSE || (exec->flags & ALIGN_FLAG_FINITE) != 0;
    int64_t pieces = align__pieces(c.reward.length);
    align_status status = align__parallel(exec, pieces, collect_piece, &c);
    for (int64_t i = 0; i < pieces && status == ALIGN_E_NONE; i++)
        if (c.piece[i].wrong != RIGHT)
            status = say_wrong(exec, args, &c.piece[i]);
    for (int64_t i = 0; i < pieces && status == ALIGN_E_NONE; i++)
        align__norm_add(state, &c.piece[i].seen);
    return status;
}
