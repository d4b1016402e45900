/* Forward and backward of the linear head over one tile of tokens. */
#include "linear.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Row i of the other head's logits, over the piece of this lane. */
static struct align__part other_part(const struct align__lane *lane, int64_t i)
{
    const struct align__linear *linear = lane->linear;
    const align_tensor *logits = &linear->head->other.logits;
    if (lane->other.source != NULL)
        return align__lane_part(lane, &lane->other, i);
    struct align__part row = {
        align__head_at(linear->head, logits, linear->rows[linear->live[i]].index), logits->dtype,
        linear->head->begin, linear->head->vocab};
    return align__part_of(&row, lane->first, lane->n);
}

/* What stands in a row of the tile becomes what products take. */
static void round_row(const struct align__lane *lane, int64_t i)
{
    if (lane->half == NULL)
        return;
    uint16_t *half = (uint16_t *)(void *)lane->half + i * lane->linear->pitch;
    const char *tile = align__lane_tile(lane, &lane->own, i);
    lane->linear->head->kernels->to_bf16(half, (const float *)(const void *)tile, lane->n);
}

static void multiply(align_dtype dtype, void *at, int64_t n, double factor)
{
    float *f32 = at;
    double *f64 = at;
    if (dtype == ALIGN_F32)
        for (int64_t i = 0; i < n; i++)
            f32[i] *= (float)factor;
    else
        for (int64_t i = 0; i < n; i++)
            f64[i] *= factor;
}

static void add_f32(float *sums, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sums[i] += x[i];
}

static void add_f64(double *sums, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sums[i] += (double)x[i];
}

/* Adds `n` numbers of a tile to (or writes them over) a row of any real dtype; what is done for every tile of
 * tokens, by loops of its own. */
static void put_row(align_dtype dtype, char *at, align_dtype from, const char *tile, int64_t n,
                    bool adds)
{
    void *to = at;
    const void *x = tile;
    if (!adds && from == dtype)
        memcpy(to, x, (size_t)(n * align_dtype_bytes(dtype)));
    else if (adds && from == ALIGN_F32 && dtype == ALIGN_F32)
        add_f32(to, x, n);
    else if (adds && from == ALIGN_F32 && dtype == ALIGN_F64)
        add_f64(to, x, n);
    else
        align__head_combine((struct align__scaled[]){{from, tile, 1}, {dtype, adds ? at : NULL, 1}},
                            2, dtype, at, n);
}

/* There may be fewer pieces than lanes. */
static bool is_empty(const struct align__lane *lane)
{
    return align__lane_begin(lane) >= lane->linear->end;
}

/* What lanes found of row i, in one. */
static void join_row(struct align__linear *linear, int64_t i)
{
    struct align__head_row *row = &linear->rows[linear->live[i]];
    int64_t target = row->target - linear->head->begin;
    for (struct align__lane *lane = linear->lane; lane < linear->lane + linear->lanes; lane++) {
        const struct align__head_row *part = &lane->rows[i];
        align__row_join(&row->sums, &part->sums);
        for (int k = 0; k < 2; k++)
            align__weigher_join(&row->weighers[k], &part->weighers[k]);
        if (part->odd != 0 && (row->odd == 0 || part->odd < row->odd)) {
            row->odd = part->odd;
            row->odd_value = part->odd_value;
        }
    }
    if (target < 0 || target >= linear->head->vocab)
        return;
    const struct align__head_row *holder =
        &linear->lane[target / linear->wide % linear->lanes].rows[i];
    row->z = holder->z;
    row->slope = holder->slope;
}

/* ---- forward ---- */

/* jhidden: sums of exp(z - top) weight keep up with a maximum that rises. */
static void weigh(struct align__lane *lane, int64_t i, const struct align__part *part,
                  double before)
{
    const struct align__head_row *row = &lane->rows[i];
    const struct align__source *own = lane->own.source;
    if (row->sums.top != before && before != -INFINITY)
        multiply(own->dtype, align__lane_sum(lane, i), own->width, exp(before - row->sums.top));
    align__head_weigh(lane->linear->head, row, part);
    round_row(lane, i);
}

static void compare_row(struct align__lane *lane, int64_t i)
{
    struct align__part own = align__lane_part(lane, &lane->own, i);
    struct align__part other = other_part(lane, i);
    align__head_kl_add(lane->linear->head, &lane->rows[i], &own, &other);
}

static void forward_piece(struct align__lane *lane)
{
    const struct align__head *head = lane->linear->head;
    bool one_pass = align__present(&head->args.jhidden);
    for (int64_t i = 0; i < lane->linear->count; i++) {
        struct align__part part = align__lane_part(lane, &lane->own, i);
        double before = lane->rows[i].sums.top;
        align__head_reduce(head, &lane->rows[i], &part);
        if (align__present(&head->args.kl))
            compare_row(lane, i);
        if (one_pass)
            weigh(lane, i, &part, before);
    }
    if (one_pass)
        align__lane_back(lane);
}

/* d log p_t / d hidden = slope_t (1 - p_t) W_t - sum over v != t of p_v slope_v W_v; the first of these where
 * this process holds W_t. */
static void store_jhidden(const struct align__linear *linear, int64_t i)
{
    const align_head *args = &linear->head->args;
    const struct align__head_row *row = &linear->rows[linear->live[i]];
    char *at = align__head_at(linear->head, &args->jhidden, row->index);
    int64_t target = row->target - linear->head->begin;
    struct align__scaled terms[ALIGN__LANES + 1];
    int count = 0;
    for (int64_t l = 0; l < linear->lanes; l++) {
        const struct align__lane *lane = &linear->lane[l];
        double others = ldexp(exp(lane->rows[i].sums.top - row->lse), -ALIGN__HEAD_BIAS);
        if (!is_empty(lane))
            terms[count++] = (struct align__scaled){linear->own.dtype, align__lane_sum(lane, i),
                                                    -others};
    }
    if (target >= 0 && target < linear->head->vocab)
        terms[count++] = (struct align__scaled){args->weight.dtype,
                                                align__at(&args->weight, target, 0),
                                                -expm1(row->logp) * row->slope};
    if (row->lse == -INFINITY)
        align__head_fill(at, args->jhidden.dtype, linear->head->width, 0);
    else
        align__head_combine(terms, count, args->jhidden.dtype, at, linear->head->width);
}

static void finish_row(struct align__linear *linear, int64_t i)
{
    align__head_finish(linear->head, &linear->rows[linear->live[i]]);
    if (align__present(&linear->head->args.jhidden))
        store_jhidden(linear, i);
}

/* Passes on to the kept logits of the next tile of tokens. */
static void pass(struct align__linear *linear, int64_t counted)
{
    struct align__kept *kept = linear->kept;
    if (kept == NULL)
        return;
    size_t bytes = align__linear_kept_tile(linear, counted), left = SIZE_MAX - kept->passed;
    kept->passed += bytes < left ? bytes : left;
}

static void clear_row(const struct align__head *head, const align_tensor *t, int64_t n)
{
    if (align__present(t))
        align__head_fill(align__head_at(head, t, n), t->dtype, head->width, 0);
}

align_status align__linear_forward(struct align__linear *linear, int64_t count)
{
    const struct align__head *head = linear->head;
    linear->count = 0;
    for (int64_t i = 0; i < count; i++) {
        if (linear->rows[i].weight != 0) {
            linear->live[linear->count++] = i;
            continue;
        }
        align__head_finish(head, &linear->rows[i]);
        clear_row(head, &head->args.jhidden, linear->rows[i].index);
    }
    bool compares = align__present(&head->args.kl);
    align_status status = align__linear_gather(linear, compares);
    if (status == ALIGN_E_NONE)
        status = align__linear_start(linear);
    if (status == ALIGN_E_NONE)
        status = align__linear_walk(linear, linear->count, compares, forward_piece);
    if (status == ALIGN_E_NONE)
        status = align__linear_by_tokens(linear, join_row);
    if (status == ALIGN_E_NONE)
        status = align__head_report_odd(head, linear->rows, count);
    pass(linear, linear->count);
    if (head->shared)
        status = align__head_join(head, linear->rows, count, status);
    if (status != ALIGN_E_NONE)
        return status;
    status = align__linear_by_tokens(linear, finish_row);
    linear->late = head->shared && status != ALIGN_E_NONE;
    return status;
}

/* ---- backward ---- */

static void make_gradients(struct align__lane *lane)
{
    const struct align__linear *linear = lane->linear;
    for (int64_t i = 0; i < linear->count; i++) {
        const struct align__head_row *row = &linear->rows[linear->live[i]];
        struct align__part part = align__lane_part(lane, &lane->own, i), other = part;
        if (row->kind == ALIGN__ROW_LIVE && row->dkl != 0)
            other = other_part(lane, i);
        if (row->kind == ALIGN__ROW_NAN)
            align__head_fill(part.at, part.dtype, part.n, NAN);
        else
            align__head_gradient(linear->head, row, &part, &other, &part, false);
        round_row(lane, i);
    }
}

static void add_bias_gradients(struct align__lane *lane)
{
    enum { BLOCK = 1024 };
    double *sums = lane->linear->dbias + lane->first, g[BLOCK];
    align_dtype dtype = lane->own.source->dtype;
    for (int64_t i = 0; i < lane->linear->count; i++) {
        const char *tile = align__lane_tile(lane, &lane->own, i);
        for (int64_t first = 0; first < lane->n; first += BLOCK) {
            int64_t n = lane->n - first < BLOCK ? lane->n - first : BLOCK;
            align__load_row(g, dtype, tile + first * align_dtype_bytes(dtype), 1, n);
            for (int64_t v = 0; v < n; v++)
                sums[first + v] += g[v];
        }
    }
}

static void add_weight_gradients(struct align__lane *lane)
{
    const struct align__linear *linear = lane->linear;
    const align_tensor *t = &linear->head->args.dweight;
    align_dtype dtype = linear->own.dtype;
    int64_t width = linear->own.width, bytes = align_dtype_bytes(dtype);
    int64_t skipped = (lane->first - linear->begin) * width;
    bool adds = linear->started || align__head_adds(linear->head, ALIGN_HEAD_ADD_DWEIGHT);
    switch (align__linear_way(linear)) {
    case ALIGN__WAY_NONE:
        break;
    case ALIGN__WAY_DIRECT:
        align__lane_turned(lane, align__at(t, lane->first, 0), t->stride[0], adds);
        break;
    case ALIGN__WAY_SUMS:
        align__lane_turned(lane, linear->sums + skipped * bytes, width, linear->started);
        break;
    case ALIGN__WAY_ADD:
        align__lane_turned(lane, lane->dweight, width, 0);
        for (int64_t v = 0; v < lane->n; v++)
            put_row(t->dtype, align__at(t, lane->first + v, 0), dtype,
                    lane->dweight + v * width * bytes, width, adds);
        break;
    case ALIGN__WAY_BAND:
        align__lane_turned(lane, lane->dweight, width, 0);
        put_row(ALIGN_F64, linear->sums + skipped * (int64_t)sizeof(double), dtype, lane->dweight,
                lane->n * width, linear->started);
        break;
    }
}

/* What this walk makes. */
static bool makes_dhidden(const struct align__linear *linear)
{
    return align__present(&linear->head->args.dhidden) && linear->before == linear->splits;
}

static bool makes_weights(const struct align__linear *linear)
{
    const align_head *args = &linear->head->args;
    return !linear->before && (align__present(&args->dweight) || align__present(&args->dbias));
}

/* dhidden holds something: the caller's own, or that of the bands before. */
static bool adds_dhidden(const struct align__linear *linear)
{
    return linear->begin > 0 || align__head_adds(linear->head, ALIGN_HEAD_ADD_DHIDDEN);
}

static void store_dhidden(struct align__linear *linear, int64_t i)
{
    const align_tensor *t = &linear->head->args.dhidden;
    align_dtype dtype = linear->own.dtype;
    char *sum = align__lane_sum(&linear->lane[0], i);
    if (is_empty(&linear->lane[0]))
        align__head_fill(sum, dtype, linear->own.width, 0);
    for (int64_t l = 1; l < linear->lanes && !is_empty(&linear->lane[l]); l++)
        put_row(dtype, sum, dtype, align__lane_sum(&linear->lane[l], i), linear->own.width, true);
    put_row(t->dtype, align__head_at(linear->head, t, linear->rows[linear->live[i]].index), dtype,
            sum, linear->own.width, adds_dhidden(linear));
}

static void backward_piece(struct align__lane *lane)
{
    make_gradients(lane);
    if (makes_dhidden(lane->linear))
        align__lane_back(lane);
    if (makes_weights(lane->linear) && lane->linear->dbias != NULL)
        add_bias_gradients(lane);
    if (makes_weights(lane->linear))
        add_weight_gradients(lane);
}

/* Returns how many rows count, with a gradient or without. */
static int64_t pick_live(struct align__linear *linear, int64_t count)
{
    const struct align__head *head = linear->head;
    int64_t counted = 0;
    linear->count = 0;
    for (int64_t i = 0; i < count; i++) {
        struct align__head_row *row = &linear->rows[i];
        align__head_gradient_start(head, row);
        counted += row->weight != 0;
        if (row->kind != ALIGN__ROW_ZERO)
            linear->live[linear->count++] = i;
        else if (makes_dhidden(linear) && !adds_dhidden(linear))
            clear_row(head, &head->args.dhidden, row->index);
    }
    return counted;
}

static void compare_piece(struct align__lane *lane)
{
    const struct align__linear *linear = lane->linear;
    for (int64_t i = 0; i < linear->count; i++)
        if (align__head_wants_kl(&linear->rows[linear->live[i]]))
            compare_row(lane, i);
}

/* dkl needs kl whole before the first gradient: a walk of its own, after which kept logits still are. */
static align_status compare(struct align__linear *linear, int64_t count, int64_t counted,
                            align_status status)
{
    const struct align__head *head = linear->head;
    if (status == ALIGN_E_NONE)
        status = align__linear_start(linear);
    if (status == ALIGN_E_NONE)
        status = align__linear_walk(linear, counted, true, compare_piece);
    if (status == ALIGN_E_NONE)
        status = align__linear_by_tokens(linear, join_row);
    if (head->shared)
        status = align__head_join(head, linear->rows, count, status);
    for (int64_t i = 0; i < linear->count && status == ALIGN_E_NONE; i++) {
        struct align__head_row *row = &linear->rows[linear->live[i]];
        if (!align__head_wants_kl(row))
            continue;
        align__head_gradient_kl(head, row);
        if (linear->kl != NULL)
            linear->kl[row->index] = row->kl;
    }
    return status;
}

/* kl as the walk before found it. */
static void recall(struct align__linear *linear)
{
    for (int64_t i = 0; i < linear->count; i++) {
        struct align__head_row *row = &linear->rows[linear->live[i]];
        if (!align__head_wants_kl(row))
            continue;
        row->kl = linear->kl[row->index];
        if (isnan(row->kl.value))
            row->kind = ALIGN__ROW_NAN;
    }
}

align_status align__linear_backward(struct align__linear *linear, int64_t count)
{
    bool compares = align__present(&linear->head->args.dkl);
    bool recalls = linear->kl != NULL && !linear->before;
    int64_t counted = pick_live(linear, count);
    align_status status = align__linear_gather(linear, compares);
    if (recalls)
        recall(linear);
    else if (compares)
        status = compare(linear, count, counted, status);
    const bool joined = compares && !recalls && linear->head->shared && status == ALIGN_E_NONE;
    if (linear->count > 0 && status == ALIGN_E_NONE &&
        (makes_dhidden(linear) || makes_weights(linear)))
        status = align__linear_walk(linear, counted, compares, backward_piece);
    pass(linear, counted);
    linear->started |= linear->count > 0;
    if (status == ALIGN_E_NONE && makes_dhidden(linear))
        status = align__linear_by_tokens(linear, store_dhidden);
    linear->late = joined && status != ALIGN_E_NONE;
    return status;
}

bool align__linear_begin_before(struct align__linear *linear)
{
    align__linear_begin(linear, 0);
    linear->before = linear->splits || linear->kl != NULL;
    if (linear->before)
        linear->end = linear->head->vocab;
    return linear->before;
}

/* A walk that made dhidden has used up kept logits. */
void align__linear_begin(struct align__linear *linear, int64_t begin)
{
    if (linear->before && linear->splits)
        linear->kept = NULL;
    linear->before = false;
    linear->begin = begin;
    linear->end = begin + linear->band < linear->head->vocab ? begin + linear->band
                                                             : linear->head->vocab;
    linear->started = false;
    if (linear->kept != NULL)
        linear->kept->passed = 0;
}

/* Row v of dweight, from its sums or of nothing. */
static void end_row(const struct align__linear *linear, enum align__way way, int64_t v)
{
    const align_tensor *t = &linear->head->args.dweight;
    int64_t width = linear->own.width;
    bool adds = align__head_adds(linear->head, ALIGN_HEAD_ADD_DWEIGHT);
    align_dtype dtype = way == ALIGN__WAY_BAND ? ALIGN_F64 : linear->own.dtype;
    if (!linear->started && !adds)
        align__head_fill(align__at(t, v, 0), t->dtype, width, 0);
    else if (linear->started && linear->sums != NULL)
        put_row(t->dtype, align__at(t, v, 0), dtype,
                linear->sums + (v - linear->begin) * width * align_dtype_bytes(dtype), width, adds);
}

void align__linear_end(struct align__linear *linear)
{
    const struct align__head *head = linear->head;
    const align_tensor *dbias = &head->args.dbias;
    enum align__way way = align__linear_way(linear);
    for (int64_t v = linear->begin; v < linear->end; v++) {
        if (way != ALIGN__WAY_NONE)
            end_row(linear, way, v);
        if (linear->dbias != NULL) {
            double old = align__head_adds(head, ALIGN_HEAD_ADD_DBIAS)
                             ? align__load(dbias->dtype, align__at(dbias, v, 0))
                             : 0;
            align__store(dbias->dtype, align__at(dbias, v, 0), old + linear->dbias[v]);
        }
    }
}
