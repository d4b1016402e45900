#include "norm.h"

#include <math.h>
#include <string.h>

/* y = (x - center) * slope + bias, or one of the answers where there is no formula. */
struct map {
    int32_t answer; /* ALIGN_NORM_AS_FORMULA: the line below */
    double center, center_rest, divisor, back, gain, bias; /* back: added after the division */
    double clip_low, clip_high;
    bool clips, zero_nan;
};

/* What the batch form needs for the gradient through its statistics. */
struct batch {
    struct align__moments moments;
    bool by_mean, by_deviation, by_range, keeps_mean; /* how y depends on the statistics */
    double spread, slope, ddof;                       /* s, and d D / d s */
    double sum_g, sum_gz;    /* over live rewards: g, and g (x - center) / D */
    int64_t n_least, n_most; /* how many share the extremes */
};

struct work {
    struct align__run reward, mask, out, dout, dreward;
    struct map map;
    struct batch batch;
    bool all_finite;
    bool through; /* the gradient goes through the statistics */
    struct sums {
        double g, gz;
        int64_t least, most;
    } sums[ALIGN__NORM_TASKS];
};

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

static align_status make_map(const align_exec *exec, const align_norm_params *p,
                             const struct align__moments *m, struct map *map, struct batch *batch)
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
    *map = (struct map){
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
    *batch = (struct batch){.moments = *m, .spread = spread, .slope = slope, .ddof = p->ddof};
    batch->by_mean = moves && mean;
    batch->keeps_mean = rescales;
    batch->by_range = moves && minmax && !unit;
    batch->by_deviation = moves && deviates && slope != 0;
    return ALIGN_E_NONE;
}

static double centred(const struct map *map, double x)
{
    return x - map->center - map->center_rest;
}

/* y before the clip; *dy is its derivative with the statistics held. */
static double map_value(const struct map *map, double x, double *dy)
{
    switch (map->answer) {
    case ALIGN_NORM_AS_FORMULA:
        *dy = map->gain / map->divisor;
        return (centred(map, x) / map->divisor + map->back) * map->gain + map->bias;
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

static double map_clipped(const struct map *map, double x, double *dy)
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

struct chunk {
    double x[ALIGN__NORM_CHUNK], w[ALIGN__NORM_CHUNK], g[ALIGN__NORM_CHUNK];
};

/* The next values of a piece; their number, 0 at its end. */
static int64_t read_chunk(const struct work *work, struct chunk *c, int64_t first, int64_t last)
{
    int64_t n = last - first < ALIGN__NORM_CHUNK ? last - first : ALIGN__NORM_CHUNK;
    if (n <= 0)
        return 0;
    align__run_read(&work->reward, first, n, c->x);
    align__run_weights(&work->mask, first, n, c->w);
    if (work->dreward.length > 0)
        align__run_read(&work->dout, first, n, c->g);
    return n;
}

static void sum_piece(void *ctx, int64_t task)
{
    struct work *work = ctx;
    const struct align__moments *m = &work->batch.moments;
    struct sums *sums = &work->sums[task];
    struct chunk c;
    int64_t first, last, n;
    memset(sums, 0, sizeof *sums);
    align__piece(work->reward.length, task, &first, &last);
    for (; (n = read_chunk(work, &c, first, last)) > 0; first += n) {
        for (int64_t i = 0; i < n; i++) {
            double dy;
            if (c.w[i] == 0 || c.x[i] - c.x[i] != 0)
                continue;
            sums->least += c.x[i] == m->least;
            sums->most += c.x[i] == m->most;
            map_clipped(&work->map, c.x[i], &dy);
            if (dy == 0)
                continue;
            sums->g += c.g[i];
            sums->gz += c.g[i] * (centred(&work->map, c.x[i]) / work->map.divisor);
        }
    }
}

/* The part of the gradient that goes through the statistics; norm.h states it. */
static double through_statistics(const struct work *work, double x, double w)
{
    const struct batch *b = &work->batch;
    const struct align__moments *m = &b->moments;
    double back = 0, widen = b->slope * b->sum_gz;
    if (b->by_mean)
        back -= w / m->weight * b->sum_g * (b->keeps_mean ? 1 - work->map.divisor : 1);
    if (b->by_deviation)
        back -= w * (x - m->mean - m->mean_rest) / (b->spread * (m->weight - b->ddof)) * widen;
    if (b->by_range && x == m->least)
        back += (widen - b->sum_g) / (double)b->n_least;
    if (b->by_range && x == m->most)
        back -= widen / (double)b->n_most;
    return back / work->map.divisor * work->map.gain;
}

/* What most calls ask for: the formula alone, of finite rewards, without a gradient. */
static void map_plainly(const struct map *map, const struct chunk *c, int64_t n, double *y)
{
    double low = map->clips ? map->clip_low : -INFINITY;
    double high = map->clips ? map->clip_high : INFINITY;
    for (int64_t i = 0; i < n; i++) {
        double v = (centred(map, c->x[i]) / map->divisor + map->back) * map->gain + map->bias;
        v = v < low ? low : v;
        v = v > high ? high : v;
        y[i] = c->w[i] != 0 ? v : 0;
    }
}

static void map_piece(void *ctx, int64_t task)
{
    struct work *work = ctx;
    struct chunk c;
    double y[ALIGN__NORM_CHUNK];
    int64_t first, last, n;
    align__piece(work->reward.length, task, &first, &last);
    bool plain = work->all_finite && work->dreward.length == 0 &&
                 work->map.answer == ALIGN_NORM_AS_FORMULA;
    for (; (n = read_chunk(work, &c, first, last)) > 0; first += n) {
        if (plain)
            map_plainly(&work->map, &c, n, y);
        for (int64_t i = 0; i < n && !plain; i++) {
            double dy = 0;
            bool live = c.w[i] != 0;
            y[i] = live ? map_clipped(&work->map, c.x[i], &dy) : 0;
            if (work->dreward.length == 0)
                continue;
            double g = dy == 0 ? 0 : c.g[i] * dy;
            if (work->through && live && c.x[i] - c.x[i] == 0)
                g += through_statistics(work, c.x[i], c.w[i]);
            c.g[i] = g;
        }
        if (work->out.length > 0)
            align__run_write(&work->out, first, n, y);
        if (work->dreward.length > 0)
            align__run_write(&work->dreward, first, n, c.g);
    }
}

bool align__same_view(const align_tensor *a, const align_tensor *b)
{
    bool same = a->data == b->data && a->dtype == b->dtype;
    for (int32_t k = 0; k < a->ndim; k++)
        same = same && a->stride[k] == b->stride[k];
    return same;
}

/* `twin` may be the very same view as the output; the others may share nothing with it. */
static align_status check_written(const align_exec *exec, struct align__named output,
                                  struct align__named twin, const align_norm_args *args)
{
    const struct align__named all[] = {
        {"align_norm_args", "reward", &args->reward},
        {"align_norm_args", "mask", &args->mask},
        {"align_norm_args", "dout", &args->dout},
        {"align_norm_args", "out", &args->out},
        {"align_norm_args", "dreward", &args->dreward},
        {"align_norm_args", "reference", &args->reference},
    };
    struct align__named others[6];
    int count = 0;
    for (int i = 0; i < 6; i++)
        if (all[i].tensor != twin.tensor || !align__same_view(twin.tensor, output.tensor))
            others[count++] = all[i];
    return align__check_output(exec, output, others, count);
}

static align_status check_apply(const align_exec *exec, const align_norm_args *args, bool running)
{
    const struct align__named reward = {"align_norm_args", "reward", &args->reward};
    const struct align__named out = {"align_norm_args", "out", &args->out};
    const struct align__named dout = {"align_norm_args", "dout", &args->dout};
    const struct align__named dreward = {"align_norm_args", "dreward", &args->dreward};
    if (running && args->params != NULL)
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = "align_norm_args", .field = "params",
                           .word = "align_norm_apply with a state");
    if (align__present(&args->dreward) && !align__present(&args->dout))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = dout.owner, .field = dout.field,
                           .word = "dreward");
    if (align__present(&args->dout) && !align__present(&args->dreward))
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = dout.owner, .field = dout.field,
                           .word = "align_norm_apply without dreward");
    if (!align__present(&args->out) && !align__present(&args->dreward))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = out.owner, .field = out.field,
                           .word = "align_norm_apply without dreward");
    align_status status = check_written(exec, out, reward, args);
    if (status == ALIGN_E_NONE)
        status = check_written(exec, dreward, dout, args);
    return status == ALIGN_E_NONE ? align__check_finite(exec, dout) : status;
}

static align_status run_pieces(const align_exec *exec, struct work *work)
{
    int64_t pieces = align__pieces(work->reward.length);
    align_status status = ALIGN_E_NONE;
    if (work->through) {
        status = align__parallel(exec, pieces, sum_piece, work);
        for (int64_t i = 0; i < pieces; i++) {
            work->batch.sum_g += work->sums[i].g;
            work->batch.sum_gz += work->sums[i].gz;
            work->batch.n_least += work->sums[i].least;
            work->batch.n_most += work->sums[i].most;
        }
    }
    return status == ALIGN_E_NONE ? align__parallel(exec, pieces, map_piece, work) : status;
}

align_status align_norm_apply(const align_exec *user_exec, const align_norm *state,
                              const align_norm_args *user_args)
{
    align_exec exec;
    align_norm local;
    align_norm_args args;
    align_norm_params params;
    struct align__moments moments;
    struct work work;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__norm_args(&exec, &args, user_args);
    if (status == ALIGN_E_NONE)
        status = check_apply(&exec, &args, state != NULL);
    if (status == ALIGN_E_NONE && state != NULL)
        status = align__norm_state(&exec, "align_norm", &local, state);
    if (status == ALIGN_E_NONE && state == NULL)
        status = align__norm_params(&exec, &params, args.params, ALIGN__NORM_IN_BATCH);
    if (status != ALIGN_E_NONE)
        return status;
    if (state != NULL)
        params = align__norm_params_of(&local);
    status = align__norm_check_reference(&exec, &params, &args);
    if (status != ALIGN_E_NONE)
        return status;
    bool curve = params.kind >= ALIGN_NORM_AFFINE && params.kind <= ALIGN_NORM_QUANTILE;
    bool batch = state == NULL && !curve;
    status = align__norm_survey(&exec, &params, &args, batch, &moments, &work.all_finite);
    if (status != ALIGN_E_NONE)
        return status;
    if (curve)
        return align__norm_curve(&exec, &params, &args);
    if (state != NULL)
        align__norm_moments(&local, &moments);
    status = make_map(&exec, &params, &moments, &work.map, &work.batch);
    if (status != ALIGN_E_NONE)
        return status;
    work.reward = align__run_of(&args.reward);
    work.mask = align__run_of(&args.mask);
    work.out = align__run_of(&args.out);
    work.dout = align__run_of(&args.dout);
    work.dreward = align__run_of(&args.dreward);
    work.through = state == NULL && work.dreward.length > 0;
    return run_pieces(&exec, &work);
}

align_status align_norm_scratch(const align_exec *user_exec, const align_norm *state,
                                const align_norm_args *user_args, size_t *least, size_t *best)
{
    align_exec exec;
    align_norm_args args;
    align_norm_params params;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__norm_args(&exec, &args, user_args);
    if (status == ALIGN_E_NONE)
        status = align__norm_params(&exec, &params, args.params, ALIGN__NORM_IN_BATCH);
    if (status == ALIGN_E_NONE)
        *least = *best = state != NULL ? 0
                                       : align__norm_curve_scratch(
                                             &params, align__run_of(&args.reward).length);
    return status;
}
