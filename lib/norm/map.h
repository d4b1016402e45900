/* How a reward becomes its normalised value, once the statistics are known. */
#ifndef ALIGN__NORM_MAP_H
#define ALIGN__NORM_MAP_H

#include "norm.h"

/* y = ((x - center) / divisor + back) * gain + bias, or one of the answers where there is no formula. */
struct align__norm_map {
    int32_t answer; /* ALIGN_NORM_AS_FORMULA: the line below */
    double center, center_rest, divisor, back, gain, bias; /* back: added after the division */
    double clip_low, clip_high;
    bool clips, zero_nan;
};

/* What the batch form needs for the gradient through its statistics. */
struct align__norm_batch {
    struct align__moments moments;
    bool by_mean, by_deviation, by_range, keeps_mean; /* how y depends on the statistics */
    double spread, slope, ddof;                       /* s, and d D / d s */
    double sum_g, sum_gz;    /* over live rewards: g, and g (x - center) / D */
    int64_t n_least, n_most; /* how many share the extremes */
};

static inline double align__norm_centred(const struct align__norm_map *map, double x)
{
    return x - map->center - map->center_rest;
}

/* The map that parameters and moments make; NORM_FEW or NORM_EQUAL where an answer is to refuse. */
align_status align__norm_map(const align_exec *exec, const align_norm_params *p,
                             const struct align__moments *m, struct align__norm_map *map,
                             struct align__norm_batch *batch);

/* y of x after the clip, and its derivative with the statistics held. */
double align__norm_map_at(const struct align__norm_map *map, double x, double *dy);

#endif
