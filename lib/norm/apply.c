#include "../base/cpu.h"
#include "../kernels/f32.h"
#include "map.h"

#include <math.h>
#include <string.h>

struct work {
    struct align__run reward, mask, out, dout, dreward;
    struct align__norm_map map;
    struct align__norm_batch batch;
    const struct align__f32 *kernels;
    bool all_finite;
    bool through; /* the gradient goes through the statistics */
    struct sums {
        double g, gz;
        int64_t least, most;
    } sums[ALIGN__NORM_TASKS];
};

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
            align__norm_map_at(&work->map, c.x[i], &dy);
            if (dy == 0)
                continue;
            sums->g += c.g[i];
            sums->gz += c.g[i] * (align__norm_centred(&work->map, c.x[i]) / work->map.divisor);
        }
    }
}

/* The part of the gradient that goes through the statistics; norm.h states it. */
static double through_statistics(const struct work *work, double x, double w)
{
    const struct align__norm_batch *b = &work->batch;
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
static struct align__f32_line line_of(const struct align__norm_map *map)
{
    return (struct align__f32_line){
        .center = map->center,
        .rest = map->center_rest,
        .divisor = map->divisor,
        .back = map->back,
        .gain = map->gain,
        .bias = map->bias,
        .low = map->clips ? map->clip_low : -INFINITY,
        .high = map->clips ? map->clip_high : INFINITY,
    };
}

static bool is_line(const struct work *work)
{
    return work->all_finite && work->dreward.length == 0 &&
           work->map.answer == ALIGN_NORM_AS_FORMULA &&
           align__run_plain(&work->reward, ALIGN_F32) != NULL &&
           align__run_plain(&work->out, ALIGN_F32) != NULL &&
           (work->mask.length == 0 || align__run_live(&work->mask) != NULL);
}

static void line_piece(void *ctx, int64_t task)
{
    struct work *work = ctx;
    const struct align__f32_line line = line_of(&work->map);
    const float *x = align__run_plain(&work->reward, ALIGN_F32);
    float *out = align__run_plain(&work->out, ALIGN_F32);
    const uint8_t *live = align__run_live(&work->mask);
    int64_t first, last;
    align__piece(work->reward.length, task, &first, &last);
    work->kernels->line(out + first, x + first, live == NULL ? NULL : live + first, &line,
                        last - first);
}

static void map_piece(void *ctx, int64_t task)
{
    struct work *work = ctx;
    struct chunk c;
    double y[ALIGN__NORM_CHUNK];
    int64_t first, last, n;
    align__piece(work->reward.length, task, &first, &last);
    for (; (n = read_chunk(work, &c, first, last)) > 0; first += n) {
        for (int64_t i = 0; i < n; i++) {
            double dy = 0;
            bool live = c.w[i] != 0;
            y[i] = live ? align__norm_map_at(&work->map, c.x[i], &dy) : 0;
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
        {"align_norm_args", "key", &args->key},
    };
    struct align__named others[7];
    int count = 0;
    for (int i = 0; i < 7; i++)
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
    if (!running && (align__present(&args->key) || args->n_states != 0))
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = "align_norm_args",
                           .field = align__present(&args->key) ? "key" : "n_states",
                           .word = "align_norm_apply without a state");
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
    if (status == ALIGN_E_NONE)
        status = align__parallel(exec, pieces, is_line(work) ? line_piece : map_piece, work);
    return status;
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
    if (status == ALIGN_E_NONE && align__present(&args.key))
        return align__norm_apply_keys(&exec, state, &params, &args);
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
    status = align__norm_map(&exec, &params, &moments, &work.map, &work.batch);
    if (status != ALIGN_E_NONE)
        return status;
    work.kernels = align__f32(align__cpu_allowed(&exec));
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
