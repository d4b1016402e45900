/* One instruction set of f64.h. Compiler vectors as wide as the set has them; element by element, so that
 * width changes no bit. No fused multiply-add: each step is one IEEE operation that every level has, and
 * the two-part constants make the products that matter exact. */
#include "f64.h"
#include "lanes.h"

#include "v16/v16.h"

#include "functions.h"
#include "products.h"

#include <math.h>

/* Runs a function of one vector over an array. */
#define F64_MAP(name, function)                                                                    \
    static void name(double *out, const double *x, int64_t n)                                      \
    {                                                                                              \
        for (int64_t i = 0; i < n; i += F64_LANES) {                                               \
            int64_t part = n - i < F64_LANES ? n - i : F64_LANES;                                  \
            vd_store_part(out + i, part, function(vd_load_part(x + i, part)));                     \
        }                                                                                          \
    }

F64_MAP(exp_f64, vd_exp)
F64_MAP(log_f64, vd_log)
F64_MAP(log1p_f64, vd_log1p)
F64_MAP(expm1_f64, vd_expm1)
F64_MAP(tanh_f64, vd_tanh)
F64_MAP(tanh_slope_f64, vd_tanh_slope)

/* x - y, w x and x + y with 0 for equal infinities, for w = 0 and for opposite infinities. */
static inline vd vd_minus(vd x, vd y)
{
    return (vd)((vi)(x - y) & ~(x == y));
}

static inline vd vd_times(vd w, vd x)
{
    return (vd)((vi)(w * x) & ~(w == 0.0));
}

static inline vd vd_plus(vd x, vd y)
{
    return (vd)((vi)(x + y) & ~(x == -y));
}

static void minus_f64(double *out, const double *x, const double *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += F64_LANES) {
        int64_t part = n - i < F64_LANES ? n - i : F64_LANES;
        vd_store_part(out + i, part,
                      vd_minus(vd_load_part(x + i, part), vd_load_part(y + i, part)));
    }
}

static void times_f64(double *out, const double *w, const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += F64_LANES) {
        int64_t part = n - i < F64_LANES ? n - i : F64_LANES;
        vd_store_part(out + i, part,
                      vd_times(vd_load_part(w + i, part), vd_load_part(x + i, part)));
    }
}

static void rest_f64(double *rest, double *log_rest, const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += F64_LANES) {
        int64_t part = n - i < F64_LANES ? n - i : F64_LANES;
        struct rest r = vd_rest(vd_load_part(x + i, part));
        vd_store_part(rest + i, part, r.rest);
        vd_store_part(log_rest + i, part, r.log_rest);
    }
}

static void shares_f64(double *out, const double *count, int64_t n)
{
    for (int64_t i = 0; i < n; i += F64_LANES) {
        int64_t part = n - i < F64_LANES ? n - i : F64_LANES;
        vd x = vd_load_part(count + i, part);
        vd_store_part(out + i, part, (vd)((vi)(1.0 / x) & (x > 0.0)));
    }
}

/* ---- the logistic family ---- */

struct logistic {
    vd plus, minus, s, c;
};

/* With e = exp(-|z|): softplus(z) and softplus(-z) are max(+-z, 0) + log1p(e), s and c are 1 / (1 + e)
 * and e / (1 + e) in the order of the sign. log1p of a small e is e: its powers would underflow, which is slow. */
static inline struct logistic vd_logistic(vd z)
{
    vd zero = vd_all(0), e = vd_exp_low(-vd_abs(z));
    vd tail = e - vd_log_part((vd)((vi)e & (e > 0x1p-60)));
    vd near = 1.0 / (e + 1.0), far = e * near;
    vi up = z > 0.0;
    return (struct logistic){vd_pick(up, z, zero) + tail, tail - vd_pick(up, zero, z),
                             vd_pick(up, near, far), vd_pick(up, far, near)};
}

static void sigmoid_f64(struct align__logistics out, const double *z, int64_t n)
{
    for (int64_t i = 0; i < n; i += F64_LANES) {
        int64_t part = n - i < F64_LANES ? n - i : F64_LANES;
        struct logistic l = vd_logistic(vd_load_part(z + i, part));
        vd_store_part(out.s + i, part, l.s);
        vd_store_part(out.c + i, part, l.c);
    }
}

static void logistic_f64(struct align__logistics out, const double *z, int64_t n)
{
    if (out.plus == NULL) {
        sigmoid_f64(out, z, n);
        return;
    }
    for (int64_t i = 0; i < n; i += F64_LANES) {
        int64_t part = n - i < F64_LANES ? n - i : F64_LANES;
        struct logistic l = vd_logistic(vd_load_part(z + i, part));
        vd_store_part(out.plus + i, part, l.plus);
        vd_store_part(out.minus + i, part, l.minus);
        vd_store_part(out.s + i, part, l.s);
        vd_store_part(out.c + i, part, l.c);
    }
}

static inline __attribute__((always_inline)) void mixture_of(const struct align__mixture *m,
                                                             int64_t n, bool scaled)
{
    const vd beta = vd_all(m->beta), right = vd_all(m->right), wrong = vd_all(m->wrong);
    for (int64_t i = 0; i < n; i += F64_LANES) {
        int64_t part = n - i < F64_LANES ? n - i : F64_LANES;
        vd p = vd_load_part(m->prob + i, part), q = 1.0 - p;
        vd t = p * right + q * wrong, f = p * wrong + q * right;
        struct logistic l = vd_logistic(vd_load_part(m->z + i, part));
        vd slope = beta * (f * l.s - t * l.c), curve = beta * beta * ((t + f) * l.s * l.c);
        vd_store_part(m->value + i, part, vd_plus(vd_times(t, l.minus), vd_times(f, l.plus)));
        for (int k = 0; k < 2; k++) {
            vd d = slope, h = curve;
            if (scaled) {
                vd by = vd_load_part(m->by[k] + i, part);
                d = vd_times(d, by);
                h = vd_times(h, by * by);
            }
            vd_store_part(m->d[k] + i, part, k == 0 ? d : -d);
            vd_store_part(m->h[k] + i, part, h);
        }
    }
}

static void mixture_f64(const struct align__mixture *m, int64_t n)
{
    if (m->by[0] == NULL)
        mixture_of(m, n, false);
    else
        mixture_of(m, n, true);
}

static void margin_f64(double *out, double beta, const double *x, const double *y,
                       const double *offset, int64_t n)
{
    for (int64_t i = 0; i < n; i += F64_LANES) {
        int64_t part = n - i < F64_LANES ? n - i : F64_LANES;
        vd gap = vd_minus(vd_load_part(x + i, part), vd_load_part(y + i, part));
        vd_store_part(out + i, part, beta * gap - vd_load_part(offset + i, part));
    }
}

/* ---- sums ---- */

enum { SUM_LANES = 8, SUM_VECTORS = SUM_LANES / F64_LANES };

/* Eight elements, of which the first n count, as vectors; the rest is 0. */
static inline vd vd_load_of(const double *x, int64_t n, int v)
{
    int64_t left = n - v * F64_LANES;
    if (left >= F64_LANES)
        return vd_load(x + v * F64_LANES);
    return left > 0 ? vd_load_part(x + v * F64_LANES, left) : (vd){0};
}

static bool within_f64(const double *x, double low, double high, int64_t n)
{
    vi out = {0};
    for (int64_t i = 0; i < n; i += F64_LANES) {
        const int64_t part = n - i < F64_LANES ? n - i : F64_LANES;
        const vd v = vd_load_part(x + i, part);
        out |= ~((v >= low) & (v <= high)) & vi_first(part);
    }
    return !vi_any(out);
}

static bool tame_f64(const double *x, int64_t n)
{
    vi wild = {0};
    int64_t i = 0;
    for (; i + F64_LANES <= n; i += F64_LANES)
        wild |= ~(vd_abs(vd_load(x + i)) < 0x1p1000);
    if (i < n)
        wild |= ~(vd_abs(vd_load_part(x + i, n - i)) < 0x1p1000);
    return !vi_any(wild);
}

/* a + b = sum + lost exactly (Knuth's two-sum). */
static inline void two_sum(vd *sum, vd *lost, vd b)
{
    vd a = *sum, s = a + b, part = s - a;
    *lost += (a - (s - part)) + (b - part);
    *sum = s;
}

/* The lanes of a sum of n in order, with the same care. */
static struct align__sum join_lanes(const vd sums[SUM_VECTORS], const vd losts[SUM_VECTORS],
                                    int64_t n)
{
    double sum[SUM_LANES], lost[SUM_LANES];
    memcpy(sum, sums, sizeof sum);
    memcpy(lost, losts, sizeof lost);
    struct align__sum all = {0, 0};
    for (int lane = 0; lane < SUM_LANES && lane < n; lane++) {
        double a = all.sum, b = sum[lane], s = a + b, part = s - a;
        all.lost += ((a - (s - part)) + (b - part)) + lost[lane];
        all.sum = s;
    }
    return all;
}

/* Element i in lane i mod 8. */
static struct align__sum sum_f64(const double *x, int64_t n)
{
    vd sums[SUM_VECTORS] = {{0}}, losts[SUM_VECTORS] = {{0}};
    for (int64_t i = 0; i < n; i += SUM_LANES)
        for (int v = 0; v < SUM_VECTORS; v++)
            two_sum(&sums[v], &losts[v], vd_load_of(x + i, n - i, v));
    return join_lanes(sums, losts, n);
}

static double sum_of_lanes(const vd lanes[SUM_VECTORS])
{
    double sum = 0;
    for (int v = 0; v < SUM_VECTORS; v++)
        for (int k = 0; k < F64_LANES; k++)
            sum += lanes[v][k];
    return sum;
}

static double lane_sum(const double *x, int64_t n)
{
    vd lanes[SUM_VECTORS] = {{0}};
    for (int64_t i = 0; i < n; i += SUM_LANES)
        for (int v = 0; v < SUM_VECTORS; v++)
            lanes[v] += vd_load_of(x + i, n - i, v);
    return sum_of_lanes(lanes);
}

/* ---- games ---- */

static inline __attribute__((always_inline)) void games_of(struct align__games *g, int64_t n,
                                                           bool valued)
{
    vd value[SUM_VECTORS] = {{0}};
    for (int64_t i = 0; i < n; i += F64_LANES) {
        const int64_t part = n - i < F64_LANES ? n - i : F64_LANES;
        const vd d = vd_gather_part(g->x, g->i + i, part) - vd_gather_part(g->x, g->j + i, part);
        const struct logistic l = vd_logistic(d + g->home);
        const vd won = vd_load_part(g->won + i, part), lost = vd_load_part(g->lost + i, part);
        if (valued)
            value[i / F64_LANES % SUM_VECTORS] += won * l.minus + lost * l.plus;
        vd_store_part(g->slope + i, part, lost * l.s - won * l.c);
        vd_store_part(g->curvature + i, part, (won + lost) * (l.s * l.c));
    }
    g->value = sum_of_lanes(value);
}

static void games_f64(struct align__games *g, int64_t n)
{
    if (g->valued)
        games_of(g, n, true);
    else
        games_of(g, n, false);
}

/* ---- pairs of a list ----
 *
 * Items on a ring: each meets those that are 1, 2, ... n / 2 ahead of it, which is all pairs once; but that far ahead
 * only half of the items look where n is even. So vectors are full but for the end of the ring, which lies in memory
 * one and a half times. */

struct ring {
    const double *s, *label, *gain, *discount;
    double *d, *h; /* of items that were met */
};

/* Eight items, and what their pairs come to. */
struct ring_own {
    vd s[SUM_VECTORS], label[SUM_VECTORS], gain[SUM_VECTORS], discount[SUM_VECTORS];
    vd d[SUM_VECTORS], h[SUM_VECTORS];
};

struct ring_sums {
    vd value[SUM_VECTORS], lost[SUM_VECTORS], steepness[SUM_VECTORS];
};

/* Vector v of the eight, of which `there` count, and as many items from `at` on. */
static inline __attribute__((always_inline)) void meet(const struct ring *ring, double eps,
                                                       struct ring_own *own, struct ring_sums *to,
                                                       int v, vi there, int64_t at)
{
    const vd label = vd_load(ring->label + at);
    const vi counts = (own->label[v] != label) & there;
    const vi turned = (own->label[v] < label) & INT64_MIN;
    const vi gap = (vi)vd_minus(own->s[v], vd_load(ring->s + at));
    const struct logistic l = vd_logistic((vd)(gap ^ turned));
    vd weight = vd_all(1);
    if (ring->gain != NULL)
        weight = vd_abs(own->gain[v] - vd_load(ring->gain + at)) *
                 vd_abs(own->discount[v] - vd_load(ring->discount + at));
    weight = (vd)((vi)weight & counts);
    vd value = l.minus, slope = -weight * l.c;
    if (eps != 0) {
        const vd right = vd_all(1 - eps), wrong = vd_all(eps);
        value = vd_plus(vd_times(right, l.minus), vd_times(wrong, l.plus));
        slope = weight * (wrong * l.s - right * l.c);
    }
    const vd curve = weight * (l.s * l.c);
    const vd pull = (vd)((vi)slope ^ turned);
    two_sum(&to->value[v], &to->lost[v], vd_times(weight, value));
    to->steepness[v] += vd_abs(slope);
    own->d[v] += pull;
    own->h[v] += curve;
    vd_store(ring->d + at, vd_load(ring->d + at) - pull);
    vd_store(ring->h + at, vd_load(ring->h + at) + curve);
}

static inline __attribute__((always_inline)) void
meet_all(const struct ring *ring, double eps, struct ring_sums *to, int64_t j, int64_t n)
{
    struct ring_own own;
    for (int v = 0; v < SUM_VECTORS; v++) {
        const int64_t at = j + v * F64_LANES;
        own.s[v] = vd_load(ring->s + at);
        own.label[v] = vd_load(ring->label + at);
        own.gain[v] = ring->gain != NULL ? vd_load(ring->gain + at) : vd_all(0);
        own.discount[v] = ring->gain != NULL ? vd_load(ring->discount + at) : vd_all(0);
        own.d[v] = own.h[v] = vd_all(0);
    }
    for (int64_t ahead = 1; 2 * ahead <= n; ahead++)
        for (int v = 0; v < SUM_VECTORS; v++) {
            const int64_t at = j + v * F64_LANES, left = (2 * ahead < n ? n : ahead) - at;
            if (left > 0)
                meet(ring, eps, &own, to, v, vi_first(left), at + ahead);
        }
    for (int v = 0; v < SUM_VECTORS; v++) {
        const int64_t at = j + v * F64_LANES;
        vd_store(ring->d + at, vd_load(ring->d + at) + own.d[v]);
        vd_store(ring->h + at, vd_load(ring->h + at) + own.h[v]);
    }
}

/* n numbers, and zeros to the end of the last vector. */
static void lay(double *to, const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += F64_LANES)
        vd_store(to + i, vd_load_part(x + i, n - i < F64_LANES ? n - i : F64_LANES));
}

/* A ring of n numbers, or of zeros for NULL, with what vectors read behind it. Moves *room on. */
static double *lay_ring(double **room, const double *x, int64_t n)
{
    double *ring = *room;
    const int64_t length = align__ring(n);
    *room += length;
    for (int64_t i = x == NULL ? 0 : length - SUM_LANES; i < length; i += F64_LANES)
        vd_store_part(ring + i, length - i < F64_LANES ? length - i : F64_LANES, vd_all(0));
    if (x != NULL) {
        lay(ring, x, n);
        lay(ring + n, x, n / 2);
    }
    return ring;
}

static void add_ring(double *out, const double *ring, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] += i < n / 2 ? ring[i] + ring[n + i] : ring[i];
}

static void swaps_f64(struct align__swaps *w, int64_t n)
{
    double *room = w->room;
    struct ring_sums to = {.value = {{0}}};
    const struct ring ring = {.s = lay_ring(&room, w->s, n),
                              .label = lay_ring(&room, w->label, n),
                              .gain = w->gain != NULL ? lay_ring(&room, w->gain, n) : NULL,
                              .discount = w->gain != NULL ? lay_ring(&room, w->discount, n) : NULL,
                              .d = lay_ring(&room, NULL, n),
                              .h = lay_ring(&room, NULL, n)};
    for (int64_t j = 0; j < n && w->eps == 0; j += SUM_LANES)
        meet_all(&ring, 0, &to, j, n);
    for (int64_t j = 0; j < n && w->eps != 0; j += SUM_LANES)
        meet_all(&ring, w->eps, &to, j, n);
    add_ring(w->d, ring.d, n);
    add_ring(w->h, ring.h, n);
    w->value = join_lanes(to.value, to.lost, n);
    w->steepness = sum_of_lanes(to.steepness);
}

/* ---- orders ---- */

/* The place of a key is how many others come before it. */
static void order_f64(int64_t *order, int64_t first, const double *key, int64_t n)
{
    static const int64_t lanes[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    int64_t place[F64_LANES];
    vi own;
    memcpy(&own, lanes, sizeof own);
    for (int64_t i = 0; i < n; i += F64_LANES, own += F64_LANES) {
        const int64_t part = n - i < F64_LANES ? n - i : F64_LANES;
        const vd x = vd_load_part(key + i, part);
        vi before = {0};
        for (int64_t j = 0; j < n; j++)
            before -= (key[j] > x) | ((key[j] == x) & (j < own));
        memcpy(place, &before, sizeof place);
        for (int64_t k = 0; k < part; k++)
            order[place[k]] = first + i + k;
    }
}

/* ---- f32 ---- */

/* Vectors that are stored whole, so that they can be loaded again at once. */
static void widen_by_vectors(double *out, const float *in, int64_t stride, int64_t n)
{
    int64_t i = 0;
    for (; i + F64_LANES <= n; i += F64_LANES) {
        vd x;
        if (stride == 1)
            x = vd_load_f32(in + i);
        else
            for (int k = 0; k < F64_LANES; k++)
                x[k] = (double)in[stride * (i + k)];
        vd_store(out + i, x);
    }
    for (; i < n; i++)
        out[i] = (double)in[stride * i];
}

static void widen(double *out, const float *in, int64_t stride, int64_t n)
{
    const int64_t most = stride == 1 || stride == 2 ? n & ~INT64_C(15) : 0;
    if (stride == 1)
        for (int64_t i = 0; i < most; i++)
            out[i] = (double)in[i];
    else
        for (int64_t i = 0; i < most; i++)
            out[i] = (double)in[2 * i];
    widen_by_vectors(out + most, in + stride * most, stride, n - most);
}

static void narrow(float *out, int64_t stride, const double *in, int64_t n)
{
    if (stride == 1)
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)in[i];
    else
        for (int64_t i = 0; i < n; i++)
            out[stride * i] = (float)in[i];
}

static bool read_one(double *restrict x, const float *restrict in, int64_t n)
{
    vi odd = {0};
    int64_t i = 0;
    for (; i + F64_LANES <= n; i += F64_LANES) {
        const vd a = vd_load_f32(in + i);
        odd |= ~(vd_abs(a) < INFINITY);
        vd_store(x + i, a);
    }
    bool finite = !vi_any(odd);
    for (; i < n; i++) {
        finite &= fabsf(in[i]) < INFINITY;
        x[i] = (double)in[i];
    }
    return finite;
}

static bool read_two(double *restrict x, double *restrict y, const float *restrict in, int64_t n)
{
    vi odd = {0};
    int64_t i = 0;
    for (; i + F64_LANES <= n; i += F64_LANES) {
        vd a, b;
        vd_load_f32_pairs(&a, &b, in + 2 * i);
        odd |= ~((vd_abs(a) < INFINITY) & (vd_abs(b) < INFINITY));
        vd_store(x + i, a);
        vd_store(y + i, b);
    }
    bool finite = !vi_any(odd);
    for (; i < n; i++) {
        finite &= (fabsf(in[2 * i]) < INFINITY) & (fabsf(in[2 * i + 1]) < INFINITY);
        x[i] = (double)in[2 * i];
        y[i] = (double)in[2 * i + 1];
    }
    return finite;
}

static bool read_rows(double *x, double *y, const float *in, int64_t n)
{
    return y == NULL ? read_one(x, in, n) : read_two(x, y, in, n);
}

static inline double times(double w, double x)
{
    return w == 0 ? 0 : w * x;
}

static void write_one(float *restrict out, const double *restrict w, const double *restrict x,
                      int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)times(w[i], x[i]);
}

static void write_two(float *restrict out, const double *restrict w, const double *restrict x,
                      const double *restrict y, int64_t n)
{
    int64_t i = 0;
    for (; i + F64_LANES <= n; i += F64_LANES) {
        const vd by = vd_load(w + i);
        vd_store_f32_pairs(out + 2 * i, vd_times(by, vd_load(x + i)), vd_times(by, vd_load(y + i)));
    }
    for (; i < n; i++) {
        out[2 * i] = (float)times(w[i], x[i]);
        out[2 * i + 1] = (float)times(w[i], y[i]);
    }
}

static void write_rows(float *out, const double *w, const double *x, const double *y, int64_t n)
{
    if (y == NULL)
        write_one(out, w, x, n);
    else
        write_two(out, w, x, y, n);
}

/* ---- indices ---- */

/* Of a wrong index x the sign of x or of last - x is set. */
static bool cells_of_pairs(uint32_t *restrict cell, const int32_t *restrict a,
                           const int32_t *restrict b, int32_t items, int64_t n)
{
    const uint32_t last = (uint32_t)items - 1;
    uint32_t wrong = 0;
    for (int64_t k = 0; k < n; k++) {
        const uint32_t i = (uint32_t)a[k], j = (uint32_t)b[k];
        wrong |= i | j | (last - i) | (last - j) | (0u - (i == j));
        cell[k] = i * (uint32_t)items + j;
    }
    return wrong >> 31 == 0;
}

#define PASTE(a, b)  a##b
#define TABLE(level) PASTE(align__f64_, level)

const struct align__f64 TABLE(ALIGN__LEVEL) = {
    .exp = exp_f64,
    .log = log_f64,
    .log1p = log1p_f64,
    .expm1 = expm1_f64,
    .rest = rest_f64,
    .tanh = tanh_f64,
    .tanh_slope = tanh_slope_f64,
    .logistic = logistic_f64,
    .minus = minus_f64,
    .times = times_f64,
    .shares = shares_f64,
    .margin = margin_f64,
    .mixture = mixture_f64,
    .games = games_f64,
    .swaps = swaps_f64,
    .order = order_f64,
    .within = within_f64,
    .tame = tame_f64,
    .sum = sum_f64,
    .lane_sum = lane_sum,
    .dot = dot_f64,
    .add = add_f64,
    .gap = gap_f32,
    .widen = widen,
    .narrow = narrow,
    .read_rows = read_rows,
    .write_rows = write_rows,
    .cells = cells_of_pairs,
};
