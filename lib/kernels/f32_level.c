/* One instruction set of f32.h. */
#include "f32.h"
#include "lanes.h"

#include <math.h>

enum { LANES = 8, VECTORS = LANES / F64_LANES };

typedef float vf __attribute__((vector_size(4 * F64_LANES)));
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

static inline vd widened(const float *at)
{
    vf x;
    memcpy(&x, at, sizeof x);
    return __builtin_convertvector(x, vd);
}

static inline vi is_live(const uint8_t *at)
{
    vb live;
    memcpy(&live, at, sizeof live);
    return __builtin_convertvector(live, vi) != 0;
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

static void f32_sums(struct align__f32_sums *sums, const float *x, const uint8_t *live,
                     double origin, double mean, int64_t n)
{
    struct lanes lanes[VECTORS];
    for (int v = 0; v < VECTORS; v++)
        lanes[v] = (struct lanes){.least = vd_all(INFINITY), .most = vd_all(-INFINITY)};
    for (int64_t i = 0; i < n; i += LANES) {
        struct eight e;
        take_eight(&e, x + i, live == NULL ? NULL : live + i, n - i);
        for (int v = 0; v < VECTORS; v++)
            add_lanes(&lanes[v], widened(e.x + v * F64_LANES), is_live(e.live + v * F64_LANES),
                      origin, mean);
    }
    *sums = total(lanes);
}

static inline vd on_line(const struct align__f32_line *l, vd x)
{
    vd y = ((x - l->center - l->rest) / l->divisor + l->back) * l->gain + l->bias;
    y = vd_pick(y < l->low, vd_all(l->low), y);
    return vd_pick(y > l->high, vd_all(l->high), y);
}

static void f32_line(float *out, const float *x, const uint8_t *live,
                     const struct align__f32_line *line, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        struct eight e;
        float y[LANES];
        take_eight(&e, x + i, live == NULL ? NULL : live + i, n - i);
        for (int v = 0; v < VECTORS; v++) {
            vd at = on_line(line, widened(e.x + v * F64_LANES));
            at = (vd)((vi)at & is_live(e.live + v * F64_LANES));
            vf narrow = __builtin_convertvector(at, vf);
            memcpy(y + v * F64_LANES, &narrow, sizeof narrow);
        }
        memcpy(out + i, y, (size_t)(n - i < LANES ? n - i : LANES) * sizeof *y);
    }
}

#define PASTE(a, b)  a##b
#define TABLE(level) PASTE(align__f32_, level)

const struct align__f32 TABLE(ALIGN__LEVEL) = {
    .sums = f32_sums,
    .line = f32_line,
};
