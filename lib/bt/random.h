/* Random numbers: a stream for each draw, so that workers change nothing. */
#ifndef ALIGN__BT_RANDOM_H
#define ALIGN__BT_RANDOM_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

struct align__stream {
    uint64_t state;
    double spare;
    bool has_spare;
};

/* splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t align__next_bits(struct align__stream *s)
{
    uint64_t z = s->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* The stream of one draw under a seed. */
static inline struct align__stream align__stream_of(uint64_t seed, int64_t draw)
{
    struct align__stream s = {.state = seed};
    s.state = align__next_bits(&s) + (uint64_t)draw;
    s.state = align__next_bits(&s);
    return s;
}

/* In (0, 1). */
static inline double align__next_uniform(struct align__stream *s)
{
    return ((double)(align__next_bits(s) >> 11) + 0.5) * 0x1p-53;
}

/* Marsaglia's polar method. */
static inline double align__next_normal(struct align__stream *s)
{
    s->has_spare = !s->has_spare;
    if (!s->has_spare)
        return s->spare;
    double u, v, r;
    do {
        u = 2 * align__next_uniform(s) - 1;
        v = 2 * align__next_uniform(s) - 1;
        r = u * u + v * v;
    } while (r >= 1 || r == 0);
    double factor = sqrt(-2 * log(r) / r);
    s->spare = v * factor;
    return u * factor;
}

/* Marsaglia and Tsang 2000, for shape 1 or more; below, a power of a uniform makes up for 1 too much. */
static inline double align__next_gamma(struct align__stream *s, double shape)
{
    double lift = shape < 1 ? exp(log(align__next_uniform(s)) / shape) : 1;
    double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = align__next_normal(s), v = 1 + c * x;
        if (v <= 0)
            continue;
        v = v * v * v;
        double u = align__next_uniform(s);
        if (u < 1 - 0.0331 * x * x * x * x || log(u) < x * x / 2 + d * (1 - v + log(v)))
            return lift * d * v;
    }
}

/* Writes n <= ALIGN__BT_BLOCK of them, in bt/gammas.c. */
struct align__f64;
void align__bt_fill_gammas(struct align__stream *s, const struct align__f64 *f64,
                           const double *shape, double *out, int64_t n);

#endif
