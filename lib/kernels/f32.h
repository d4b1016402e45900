/* Moments, straight lines, groups and advantages over arrays of f32, in f64, once for every instruction set, with equal
 * bits on all of them. In sums element i goes to lane i mod 8, and the lanes are added in order. */
#ifndef ALIGN__F32_H
#define ALIGN__F32_H

#include <libalign/base.h>

#include <stdbool.h>

/* Over what is live and finite, of u = x - origin - mean; `skipped` is live and not finite. */
struct align__f32_sums {
    int64_t count, skipped;
    double sum, square; /* of u, u^2 */
    double least, most; /* of x; infinity and -infinity of nothing */
};

/* Of at most ALIGN__EXACT_MOST values, without an error: sum(x), and sum(x^2) as two numbers; 0, infinity and -infinity
 * of nothing. */
enum { ALIGN__EXACT_MOST = 1024 };

struct align__f32_exact {
    double sum, square, square_rest;
    float least, most;
};

/* y = clip(((x - center - rest) / divisor + back) gain + bias) */
struct align__f32_line {
    double center, rest, divisor, back, gain, bias, low, high;
};

/* Eight groups of n values each, one group behind the other, side by side: lane k is group k, and values are taken in their
 * order. With origin the first value of a group and u = x - origin: mean = sum(u) / n, square = sum((u - mean)^2). */
enum { ALIGN__GROUPS_ABREAST = 8 };

struct align__f32_groups {
    double origin[ALIGN__GROUPS_ABREAST], mean[ALIGN__GROUPS_ABREAST],
        square[ALIGN__GROUPS_ABREAST], least[ALIGN__GROUPS_ABREAST], most[ALIGN__GROUPS_ABREAST];
};

/* y = clip(gain ((x - origin - center) / divisor factor) + bias) */
struct align__f32_group_lines {
    double origin[ALIGN__GROUPS_ABREAST], center[ALIGN__GROUPS_ABREAST],
        divisor[ALIGN__GROUPS_ABREAST], factor[ALIGN__GROUPS_ABREAST], gain[ALIGN__GROUPS_ABREAST],
        bias[ALIGN__GROUPS_ABREAST];
    double low, high;
};

/* n is any number of elements; live is n bytes, 0 for what is left out, or NULL: all. */
struct align__f32 {
    void (*sums)(struct align__f32_sums *sums, const float *x, const uint8_t *live, double origin,
                 double mean, int64_t n);
    /* False, with nothing said, where two f64 do not hold the sums: values that are not finite or not below 2^100, or some
     * that are not multiples of 2^-43 of a power of two above the largest. */
    bool (*exact)(struct align__f32_exact *sums, const float *x, int64_t n);
    /* out may be x; 0 where not live. */
    void (*line)(float *out, const float *x, const uint8_t *live,
                 const struct align__f32_line *line, int64_t n);
    /* n > 0. Leaves value i of group k in at[8 i + k]; false where one is not finite. */
    bool (*group_sums)(struct align__f32_groups *sums, double *at, const float *x, int64_t n);
    void (*group_lines)(float *out, const double *at, const struct align__f32_group_lines *lines,
                        int64_t n);
    /* delta_t = reward_t + gamma value_{t+1} - value_t, where `after` follows the last value. */
    void (*deltas)(double *delta, const float *reward, const float *value, double after,
                   double gamma, int64_t n);
    /* advantage = x and target = x + value, each where it is not NULL; target may be value. */
    void (*targets)(float *advantage, float *target, const double *x, const float *value,
                    int64_t n);
};

const struct align__f32 *align__f32(uint64_t cpu);

extern const struct align__f32 align__f32_c;
extern const struct align__f32 align__f32_avx2;
extern const struct align__f32 align__f32_avx512;

#endif
