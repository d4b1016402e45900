/* One instruction set of f32.h. */
#include "f32.h"
#include "lanes.h"

#include <math.h>

enum { LANES = 8, VECTORS = LANES / F64_LANES };

typedef int32_t vw __attribute__((vector_size(4 * F64_LANES)));
typedef uint8_t vb __attribute__((vector_size(F64_LANES)));

/* Eight elements; behind the end they are not live. */
struct eight {
    const float *x;
    const uint8_t *live;
    float x_part[LANES];
    uint8_t live_part[LANES];
};

static inline void take_eight(struct eight *e, const float *x, const uint8_t *live, int64_t left)
{
    static const uint8_t all[LANES] = {1, 1, 1, 1, 1, 1, 1, 1};
    e->x = x;
    e->live = live == NULL ? all : live;
    if (left >= LANES)
        return;
    memset(e->x_part, 0, sizeof e->x_part);
    memset(e->live_part, 0, sizeof e->live_part);
    e->x = memcpy(e->x_part, x, (size_t)left * sizeof *x);
    e->live = memcpy(e->live_part, e->live, (size_t)left);
}

/* Compilers convert bytes one by one. */
static inline vi is_live(const uint8_t *at)
{
#if F64_LANES == 8
    return (vi)_mm512_cvtepu8_epi64(_mm_loadl_epi64((const void *)at)) != 0;
#else
    vb live;
    memcpy(&live, at, sizeof live);
    return __builtin_convertvector(live, vi) != 0;
#endif
}

/* The sums of a vector of lanes. */
struct lanes {
    vi count, skipped;
    vd sum, square, least, most;
};

static inline void add_lanes(struct lanes *l, vd x, vi live, double origin, double mean)
{
    vi finite = (vd_abs(x) < (double)INFINITY) & live;
    vd u = (vd)((vi)(x - origin - mean) & finite);
    l->count -= finite;
    l->skipped -= live & ~finite;
    l->sum += u;
    l->square += u * u;
    l->least = vd_pick((x < l->least) & finite, x, l->least);
    l->most = vd_pick((x > l->most) & finite, x, l->most);
}

static struct align__f32_sums total(const struct lanes *lanes)
{
    struct align__f32_sums all = {0, 0, 0, 0, INFINITY, -INFINITY};
    for (int v = 0; v < VECTORS; v++)
        for (int k = 0; k < F64_LANES; k++) {
            const struct lanes *l = &lanes[v];
            all.count += l->count[k];
            all.skipped += l->skipped[k];
            all.sum += l->sum[k];
            all.square += l->square[k];
            all.least = l->least[k] < all.least ? l->least[k] : all.least;
            all.most = l->most[k] > all.most ? l->most[k] : all.most;
        }
    return all;
}

enum { BLOCK = 64 };

/* Whether all of a block of bytes are 0, none is, or neither. */
enum share { NONE, SOME, ALL };

static inline enum share share_of(const uint8_t *live)
{
    const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    uint64_t any = 0, dead = 0, eight;
    for (int i = 0; i < BLOCK; i += 8) {
        memcpy(&eight, live + i, sizeof eight);
        any |= eight;
        dead |= (eight - ones) & ~eight & tops;
    }
    return any == 0 ? NONE : dead == 0 ? ALL : SOME;
}

/* A block that is live; false and nothing changed where it is not all finite. A sum of squares of differences of f32
 * does not overflow. */
static inline int add_live(struct lanes lanes[VECTORS], const float *x, double origin, double mean)
{
    struct lanes now[VECTORS];
    vi odd = {0};
    memcpy(now, lanes, sizeof now);
    for (int i = 0; i < BLOCK; i += LANES)
        for (int v = 0; v < VECTORS; v++) {
            struct lanes *l = &now[v];
            vd at = vd_load_f32(x + i + v * F64_LANES), u = at - origin - mean;
            l->sum += u;
            l->square += u * u;
            l->least = vd_min(at, l->least);
            l->most = vd_max(at, l->most);
        }
    for (int v = 0; v < VECTORS; v++) {
        odd |= ~(now[v].square < (double)INFINITY);
        now[v].count += BLOCK / LANES;
    }
    if (vi_any(odd))
        return 0;
    memcpy(lanes, now, sizeof now);
    return 1;
}

static inline void add_some(struct lanes lanes[VECTORS], const float *x, const uint8_t *live,
                            double origin, double mean, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        struct eight e;
        take_eight(&e, x + i, live == NULL ? NULL : live + i, n - i);
        for (int v = 0; v < VECTORS; v++)
            add_lanes(&lanes[v], vd_load_f32(e.x + v * F64_LANES), is_live(e.live + v * F64_LANES),
                      origin, mean);
    }
}

static void f32_sums(struct align__f32_sums *sums, const float *x, const uint8_t *live,
                     double origin, double mean, int64_t n)
{
    struct lanes lanes[VECTORS];
    for (int v = 0; v < VECTORS; v++)
        lanes[v] = (struct lanes){.least = vd_all(INFINITY), .most = vd_all(-INFINITY)};
    for (int64_t i = 0; i < n; i += BLOCK) {
        const uint8_t *marks = live == NULL ? NULL : live + i;
        int64_t part = n - i < BLOCK ? n - i : BLOCK;
        enum share share = part < BLOCK ? SOME : marks == NULL ? ALL : share_of(marks);
        if (share == SOME || (share == ALL && !add_live(lanes, x + i, origin, mean)))
            add_some(lanes, x + i, marks, origin, mean, part);
    }
    *sums = total(lanes);
}

/* The next of n elements; where fewer are left, `rest` behind them. */
static inline vf take(const float *x, int64_t n, float rest)
{
    vf at = rest - (vf){0};
    if (n >= F64_LANES)
        memcpy(&at, x, sizeof at);
    else
        memcpy(&at, x, (size_t)n * sizeof *x);
    return at;
}

static inline void find_extremes(struct align__f32_exact *e, const float *x, int64_t n)
{
    vf least = (float)INFINITY - (vf){0}, most = -least;
    for (int64_t i = 0; i < n; i += F64_LANES) {
        vf at = take(x + i, n - i, x[0]);
        vw below = at<least, above = at> most;
        least = (vf)(((vw)at & below) | ((vw)least & ~below));
        most = (vf)(((vw)at & above) | ((vw)most & ~above));
    }
    e->least = INFINITY;
    e->most = -INFINITY;
    for (int k = 0; k < F64_LANES; k++) {
        e->least = least[k] < e->least ? least[k] : e->least;
        e->most = most[k] > e->most ? most[k] : e->most;
    }
}

/* 2^power */
static inline double power_of_two(int64_t power)
{
    uint64_t bits = (uint64_t)(power + 1023) << 52;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The least e, and not below -60, with |x| < 2^e for all x. */
static inline int64_t power_above(const struct align__f32_exact *e)
{
    double top = -(double)e->least > (double)e->most ? -(double)e->least : (double)e->most;
    uint64_t bits;
    top = top > 0x1p-61 ? top : 0x1p-61;
    memcpy(&bits, &top, sizeof bits);
    return (int64_t)(bits >> 52) - 1022;
}

/* Adding and taking 3/2 2^(e+9) rounds to multiples of 2^(e-43). All x are that, or `odd`, and of 1024 below 2^e the sum
 * has 53 bits. Squares are multiples of 2^(2e-86) below 2^2e: rounded to 2^(2e-43) they have as many bits, and so has the
 * rest. */
static bool f32_exact(struct align__f32_exact *sums, const float *x, int64_t n)
{
    find_extremes(sums, x, n);
    if (n > 0 && !(sums->least > -0x1p100f && sums->most < 0x1p100f))
        return false;
    int64_t power = n > 0 ? power_above(sums) : 0;
    vd round = vd_all(1.5 * power_of_two(power + 9));
    vd round_square = vd_all(1.5 * power_of_two(2 * power + 9));
    vd sum = {0}, high = {0}, low = {0};
    vi odd = {0};
    for (int64_t i = 0; i < n; i += F64_LANES) {
        vd at = vd_widen(take(x + i, n - i, 0));
        vd square = at * at, most = (square + round_square) - round_square;
        odd |= (at + round) - round != at;
        sum += at;
        high += most;
        low += square - most;
    }
    sums->sum = sums->square = sums->square_rest = 0;
    for (int k = 0; k < F64_LANES; k++) {
        sums->sum += sum[k];
        sums->square += high[k];
        sums->square_rest += low[k];
    }
    return !vi_any(odd);
}

/* x / divisor by its rounded reciprocal, where the set has a fused multiply-add: the first step makes the quotient faithful,
 * the second correctly rounded (Markstein 1990), so that the bits are those of a division. */
struct divisor {
    vd by, reciprocal;
    int moderate;
};

static inline struct divisor divisor_of(vd by)
{
    const vd size = vd_abs(by);
    return (struct divisor){by, 1.0 / by, !vi_any(~((size > 0x1p-400) & (size < 0x1p400)))};
}

static inline vd quotient(const struct divisor *d, vd x)
{
#ifdef F64_FMA
    if (d->moderate) {
        vd by = -d->by, q = x * d->reciprocal;
        vd better = vd_fma(vd_fma(by, q, x), d->reciprocal, q);
        better = vd_fma(vd_fma(by, better, x), d->reciprocal, better);
        return vd_pick((vd_abs(q) < (double)INFINITY) & (q != 0.0), better, q); /* -0 stays so */
    }
#endif
    return x / d->by;
}

struct line {
    struct align__f32_line a;
    struct divisor divisor;
    int clips;
};

static inline vd on_line(const struct line *l, vd x)
{
    const struct align__f32_line *a = &l->a;
    vd y = (quotient(&l->divisor, x - a->center - a->rest) + a->back) * a->gain + a->bias;
    if (!l->clips)
        return y;
    return vd_min(vd_all(a->high), vd_max(vd_all(a->low), y));
}

static inline void line_live(float *out, const float *x, const struct line *line)
{
    for (int i = 0; i < BLOCK; i += F64_LANES)
        vd_store_f32(out + i, on_line(line, vd_load_f32(x + i)));
}

static inline void line_some(float *out, const float *x, const uint8_t *live,
                             const struct line *line, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        struct eight e;
        float y[LANES];
        take_eight(&e, x + i, live == NULL ? NULL : live + i, n - i);
        for (int v = 0; v < VECTORS; v++) {
            vd at = on_line(line, vd_load_f32(e.x + v * F64_LANES));
            vd_store_f32(y + v * F64_LANES, (vd)((vi)at & is_live(e.live + v * F64_LANES)));
        }
        memcpy(out + i, y, (size_t)(n - i < LANES ? n - i : LANES) * sizeof *y);
    }
}

static void f32_line(float *out, const float *x, const uint8_t *live,
                     const struct align__f32_line *a, int64_t n)
{
    const struct line line = {*a, divisor_of(vd_all(a->divisor)),
                              a->low > (double)-INFINITY || a->high < (double)INFINITY};
    for (int64_t i = 0; i < n; i += BLOCK) {
        const uint8_t *marks = live == NULL ? NULL : live + i;
        int64_t part = n - i < BLOCK ? n - i : BLOCK;
        enum share share = part < BLOCK ? SOME : marks == NULL ? ALL : share_of(marks);
        if (share == ALL)
            line_live(out + i, x + i, &line);
        else if (share == NONE)
            memset(out + i, 0, BLOCK * sizeof *out);
        else
            line_some(out + i, x + i, marks, &line, part);
    }
}

/* ---- groups ---- */

static bool f32_group_sums(struct align__f32_groups *sums, double *at, const float *x, int64_t n)
{
    vi odd = {0};
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < LANES; k++)
            at[i * LANES + k] = (double)x[k * n + i];
    for (int v = 0; v < VECTORS; v++) {
        const double *from = at + v * F64_LANES;
        const vd origin = vd_load(from);
        vd sum = vd_all(0), square = sum, least = origin, most = origin;
        for (int64_t i = 0; i < n; i++) {
            vd y = vd_load(from + i * LANES);
            odd |= ~(vd_abs(y) < (double)INFINITY);
            sum += y - origin;
            least = vd_min(y, least);
            most = vd_max(y, most);
        }
        const vd mean = sum / (double)n;
        for (int64_t i = 0; i < n; i++) {
            vd u = vd_load(from + i * LANES) - origin - mean;
            square += u * u;
        }
        vd_store(sums->origin + v * F64_LANES, origin);
        vd_store(sums->mean + v * F64_LANES, mean);
        vd_store(sums->square + v * F64_LANES, square);
        vd_store(sums->least + v * F64_LANES, least);
        vd_store(sums->most + v * F64_LANES, most);
    }
    return !vi_any(odd);
}

static void f32_group_lines(float *out, const double *at, const struct align__f32_group_lines *a,
                            int64_t n)
{
    enum { AT_ONCE = 32 };
    double y[AT_ONCE * LANES];
    for (int64_t first = 0; first < n; first += AT_ONCE) {
        const int64_t part = n - first < AT_ONCE ? n - first : AT_ONCE;
        for (int v = 0; v < VECTORS; v++) {
            const int lane = v * F64_LANES;
            const struct divisor by = divisor_of(vd_load(a->divisor + lane));
            const vd origin = vd_load(a->origin + lane), center = vd_load(a->center + lane);
            const vd factor = vd_load(a->factor + lane);
            const vd gain = vd_load(a->gain + lane), bias = vd_load(a->bias + lane);
            for (int64_t i = 0; i < part; i++) {
                vd x = vd_load(at + (first + i) * LANES + lane) - origin - center;
                x = gain * (quotient(&by, x) * factor) + bias;
                vd_store(y + i * LANES + lane, vd_min(vd_all(a->high), vd_max(vd_all(a->low), x)));
            }
        }
        for (int k = 0; k < LANES; k++)
            for (int64_t i = 0; i < part; i++)
                out[k * n + first + i] = (float)y[i * LANES + k];
    }
}

/* ---- advantages ---- */

static void f32_deltas(double *delta, const float *reward, const float *value, double after,
                       double gamma, int64_t n)
{
    for (int64_t i = 0; i < n - 1; i++)
        delta[i] = (double)reward[i] + gamma * (double)value[i + 1] - (double)value[i];
    if (n > 0)
        delta[n - 1] = (double)reward[n - 1] + gamma * after - (double)value[n - 1];
}

static void f32_targets(float *advantage, float *target, const double *x, const float *value,
                        int64_t n)
{
    for (int64_t i = 0; i < n && target != NULL; i++)
        target[i] = (float)(x[i] + (double)value[i]);
    for (int64_t i = 0; i < n && advantage != NULL; i++)
        advantage[i] = (float)x[i];
}

#define PASTE(a, b)  a##b
#define TABLE(level) PASTE(align__f32_, level)

const struct align__f32 TABLE(ALIGN__LEVEL) = {
    .sums = f32_sums,
    .exact = f32_exact,
    .line = f32_line,
    .group_sums = f32_group_sums,
    .group_lines = f32_group_lines,
    .deltas = f32_deltas,
    .targets = f32_targets,
};
