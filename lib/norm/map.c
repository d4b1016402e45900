#include "map.h"

#include <math.h>
#include <string.h>

double align__norm_divisor(const align_norm_params *p, double s, double *slope)
{
    double root;
    switch (p->eps_form) {
    case ALIGN_NORM_EPS_ADD:
        *slope = 1;
        return s + p->eps;
    case ALIGN_NORM_EPS_SQRT:
        root = sqrt(s * s + p->eps);
        *slope = root > 0 ? s / root : 1;
        return root;
    case ALIGN_NORM_EPS_MAX:
        *slope = s >= p->eps;
        return s >= p->eps ? s : p->eps;
    default:
        *slope = s * s >= p->eps;
        return s * s >= p->eps ? s : sqrt(p->eps);
    }
}

static align_status no_answer(const align_exec *exec, const align_norm_params *p,
                              const struct align__moments *m, bool few)
{
    if (few)
        return ALIGN__FAIL(exec, NORM_FEW, .owner = "align_norm_args", .field = "reward",
                           .value = (double)m->count, .low = m->weight, .high = p->ddof);
    return ALIGN__FAIL(exec, NORM_EQUAL, .owner = "align_norm_args", .field = "reward",
                       .value = m->least);
}

align_status align__norm_map(const align_exec *exec, const align_norm_params *p,
                             const struct align__moments *m, struct align__norm_map *map,
                             struct align__norm_batch *batch)
{
    bool rescales = p->kind == ALIGN_NORM_RESCALE;
    bool deviates = p->kind == ALIGN_NORM_ZSCORE || p->kind == ALIGN_NORM_SCALE || rescales;
    bool minmax = p->kind == ALIGN_NORM_MINMAX;
    bool few = m->count == 0 || (deviates && (m->count < 2 || m->weight <= p->ddof));
    double spread = minmax ? m->most - m->least : sqrt(m->variance);
    bool equal = !few && p->kind != ALIGN_NORM_CENTER && spread == 0;
    int32_t answer = few ? p->few : equal ? p->equal : ALIGN_NORM_AS_FORMULA;
    if (answer == ALIGN_NORM_AS_REFUSE)
        return no_answer(exec, p, m, few);
    double divisor = 1, slope = 0;
    bool unit = answer == ALIGN_NORM_AS_UNIT;
    if (p->kind != ALIGN_NORM_CENTER && (answer == ALIGN_NORM_AS_FORMULA || unit))
        divisor = align__norm_divisor(p, unit ? 1 : spread, &slope);
    if (spread == 0)
        slope = 0;
    bool mean = !unit && p->kind != ALIGN_NORM_SCALE && !minmax;
    *map = (struct align__norm_map){
        .answer = answer == ALIGN_NORM_AS_CENTER || unit ? ALIGN_NORM_AS_FORMULA : answer,
        .center = minmax && !unit ? m->least
                  : mean          ? m->mean
                                  : 0,
        .center_rest = mean ? m->mean_rest : 0,
        .divisor = divisor,
        .back = rescales && mean ? m->mean + m->mean_rest : 0,
        .gain = p->gain,
        .bias = p->bias,
        .clip_low = p->clip_low,
        .clip_high = p->clip_high,
        .clips = p->clip_low != 0 || p->clip_high != 0,
        .zero_nan = p->nan == ALIGN_NORM_NAN_ZERO,
    };
    bool moves = map->answer == ALIGN_NORM_AS_FORMULA;
    *batch = (struct align__norm_batch){
        .moments = *m, .spread = spread, .slope = slope, .ddof = p->ddof};
    batch->by_mean = moves && mean;
    batch->keeps_mean = rescales;
    batch->by_range = moves && minmax && !unit;
    batch->by_deviation = moves && deviates && slope != 0;
    return ALIGN_E_NONE;
}

/* y before the clip; *dy is its derivative with the statistics held. */
static double map_value(const struct align__norm_map *map, double x, double *dy)
{
    switch (map->answer) {
    case ALIGN_NORM_AS_FORMULA:
        *dy = map->gain / map->divisor;
        return (align__norm_centred(map, x) / map->divisor + map->back) * map->gain + map->bias;
    case ALIGN_NORM_AS_KEEP:
        *dy = 1;
        return x;
    default:
        *dy = 0;
        return map->answer == ALIGN_NORM_AS_HALF  ? 0.5
               : map->answer == ALIGN_NORM_AS_NAN ? (double)NAN
                                                  : 0;
    }
}

double align__norm_map_at(const struct align__norm_map *map, double x, double *dy)
{
    *dy = 0;
    if (x - x != 0 && map->zero_nan)
        return 0;
    double y = map_value(map, x, dy);
    if (x - x != 0)
        *dy = 0;
    if (map->clips && y < map->clip_low) {
        *dy = 0;
        return map->clip_low;
    }
    if (map->clips && y > map->clip_high) {
        *dy = 0;
        return map->clip_high;
    }
    return y;
}
