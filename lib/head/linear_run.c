/* Forward and backward of the linear head over one tile of tokens. */
#include "linear.h"

#include <math.h>
#include <string.h>

/* Row i of the other head's logits, as this stretch has them. */
static struct align__part other_part(const struct align__linear *linear, int64_t i)
{
    const align_tensor *logits = &linear->head->other.logits;
    if (linear->other.args != NULL)
        return align__linear_part(linear, &linear->other, i);
    struct align__part row = {
        align__head_at(linear->head, logits, linear->rows[linear->live[i]].index), logits->dtype,
        linear->head->begin, linear->head->vocab};
    return align__part_of(&row, linear->first, linear->n);
}

/* What stands in a row of the tile becomes what products take. */
static void round_row(const struct align__linear *linear, int64_t i)
{
    if (linear->half == NULL)
        return;
    uint16_t *half = (uint16_t *)(void *)linear->half + i * linear->pitch;
    const char *tile = align__linear_tile(linear, &linear->own, i);
    linear->head->kernels->to_bf16(half, (const float *)(const void *)tile, linear->n);
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
        align__head_combine(&(struct align__scaled){from, tile, 1},
                            &(struct align__scaled){dtype, adds ? at : NULL, 1}, dtype, at, n);
}

/* What both halves have of row i, in the first. */
static void add_halves(const struct align__linear *linear, int64_t i)
{
    if (linear->halves == 2)
        put_row(linear->own.dtype, align__linear_sum(linear, 0, i), linear->own.dtype,
                align__linear_sum(linear, 1, i), linear->own.width, true);
}

/* ---- forward ---- */

/* jhidden: sums of exp(z - top) weight keep up with a maximum that rises. */
static void weigh(const struct align__linear *linear, int64_t i, const struct align__part *part,
                  double before)
{
    const struct align__head_row *row = &linear->rows[linear->live[i]];
    if (row->sums.top != before && before != -INFINITY)
        for (int64_t half = 0; half < linear->halves; half++)
            multiply(linear->own.dtype, align__linear_sum(linear, half, i), linear->own.width,
                     exp(before - row->sums.top));
    align__head_weigh(linear->head, row, part);
    round_row(linear, i);
}

static void compare_row(const struct align__linear *linear, int64_t i)
{
    struct align__part own = align__linear_part(linear, &linear->own, i);
    struct align__part other = other_part(linear, i);
    align__head_kl_add(linear->head, &linear->rows[linear->live[i]], &own, &other);
}

static void forward_share(const struct align__share *share)
{
    const struct align__linear *linear = share->linear;
    bool one_pass = align__present(&linear->head->args.jhidden);
    for (int64_t i = share->first; i < share->first + share->n; i++) {
        struct align__head_row *row = &linear->rows[linear->live[i]];
        struct align__part part = align__linear_part(linear, &linear->own, i);
        double before = row->sums.top;
        align__head_reduce(linear->head, row, &part);
        row->own_top = row->sums.top;
        if (align__present(&linear->head->args.kl))
            compare_row(linear, i);
        if (one_pass)
            weigh(linear, i, &part, before);
    }
}

/* d log p_t / d hidden = slope_t (1 - p_t) W_t - sum over v != t of p_v slope_v W_v; the first of these where
 * this process holds W_t. */
static void store_jhidden(const struct align__linear *linear, int64_t i)
{
    const align_head *args = &linear->head->args;
    const struct align__head_row *row = &linear->rows[linear->live[i]];
    char *at = align__head_at(linear->head, &args->jhidden, row->index);
    int64_t target = row->target - linear->head->begin;
    bool holds = target >= 0 && target < linear->head->vocab;
    double own = holds ? -expm1(row->logp) * row->slope : 0;
    double others = ldexp(exp(row->own_top - row->lse), -ALIGN__HEAD_BIAS);
    add_halves(linear, i);
    struct align__scaled sums = {linear->own.dtype, align__linear_sum(linear, 0, i), -others};
    struct align__scaled target_row = {args->weight.dtype, NULL, own};
    if (holds)
        target_row.at = align__at(&args->weight, target, 0);
    if (row->lse == -INFINITY)
        align__head_fill(at, args->jhidden.dtype, linear->head->width, 0);
    else
        align__head_combine(&sums, &target_row, args->jhidden.dtype, at, linear->head->width);
}

static void finish_share(const struct align__share *share)
{
    const struct align__linear *linear = share->linear;
    for (int64_t i = share->first; i < share->first + share->n; i++) {
        align__head_finish(linear->head, &linear->rows[linear->live[i]]);
        if (align__present(&linear->head->args.jhidden))
            store_jhidden(linear, i);
    }
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
    for (int64_t v = 0; v < head->vocab && status == ALIGN_E_NONE && linear->count > 0;
         v += linear->wide) {
        status = align__linear_turn(linear, v, linear->count, compares);
        if (status == ALIGN_E_NONE)
            status = align__linear_by_tokens(linear, forward_share);
        const struct align__cut cut = align__linear_back(linear);
        if (status == ALIGN_E_NONE && align__present(&head->args.jhidden))
            status = align__linear_run(linear, &cut, 1);
    }
    align__linear_pass(linear, linear->count);
    if (head->shared)
        status = align__head_join(head, linear->rows, count, status);
    return status == ALIGN_E_NONE ? align__linear_by_tokens(linear, finish_share) : status;
}

/* ---- backward ---- */

static void backward_share(const struct align__share *share)
{
    const struct align__linear *linear = share->linear;
    for (int64_t i = share->first; i < share->first + share->n; i++) {
        const struct align__head_row *row = &linear->rows[linear->live[i]];
        struct align__part part = align__linear_part(linear, &linear->own, i), other = part;
        if (row->kind == ALIGN__ROW_LIVE && row->dkl != 0)
            other = other_part(linear, i);
        if (row->kind == ALIGN__ROW_NAN)
            align__head_fill(part.at, part.dtype, part.n, NAN);
        else
            align__head_gradient(linear->head, row, &part, &other, &part, false);
        round_row(linear, i);
    }
}

static void add_bias_gradients(const struct align__share *share)
{
    const struct align__linear *linear = share->linear;
    double *sums = linear->dbias + linear->first + share->first, g[1024];
    const struct align__source *own = &linear->own;
    for (int64_t i = 0; i < linear->count; i++) {
        const char *tile = align__linear_tile(linear, own, i) +
                           share->first * align_dtype_bytes(own->dtype);
        align__load_row(g, own->dtype, tile, 1, share->n);
        for (int64_t v = 0; v < share->n; v++)
            sums[v] += g[v];
    }
}

static void weight_share(const struct align__share *share)
{
    const struct align__linear *linear = share->linear;
    const align_tensor *t = &linear->head->args.dweight;
    align_dtype dtype = linear->own.dtype;
    int64_t width = linear->own.width, bytes = align_dtype_bytes(dtype);
    int64_t first = linear->first + share->first;
    bool adds = linear->started || align__head_adds(linear->head, ALIGN_HEAD_ADD_DWEIGHT);
    char *product = linear->dweight == NULL ? NULL : linear->dweight + share->first * width * bytes;
    char *sums = linear->sums;
    if (linear->dbias != NULL)
        add_bias_gradients(share);
    switch (align__linear_way(linear)) {
    case ALIGN__WAY_NONE:
        break;
    case ALIGN__WAY_DIRECT:
        align__linear_turned(share, align__at(t, first, 0), t->stride[0], adds);
        break;
    case ALIGN__WAY_SUMS:
        align__linear_turned(share, sums + first * width * bytes, width, linear->started);
        break;
    case ALIGN__WAY_ADD:
        align__linear_turned(share, product, width, 0);
        for (int64_t v = 0; v < share->n; v++)
            put_row(t->dtype, align__at(t, first + v, 0), dtype, product + v * width * bytes, width,
                    adds);
        break;
    case ALIGN__WAY_BAND:
        align__linear_turned(share, product, width, 0);
        put_row(ALIGN_F64, sums + share->first * width * (int64_t)sizeof(double), dtype, product,
                share->n * width, linear->started);
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
    return linear->band_first > 0 || align__head_adds(linear->head, ALIGN_HEAD_ADD_DHIDDEN);
}

static void store_dhidden(const struct align__share *share)
{
    const struct align__linear *linear = share->linear;
    const align_tensor *t = &linear->head->args.dhidden;
    for (int64_t i = share->first; i < share->first + share->n; i++) {
        add_halves(linear, i);
        put_row(t->dtype, align__head_at(linear->head, t, linear->rows[linear->live[i]].index),
                linear->own.dtype, align__linear_sum(linear, 0, i), linear->own.width,
                adds_dhidden(linear));
    }
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

static void compare_share(const struct align__share *share)
{
    const struct align__linear *linear = share->linear;
    for (int64_t i = share->first; i < share->first + share->n; i++)
        if (align__head_wants_kl(&linear->rows[linear->live[i]]))
            compare_row(linear, i);
}

/* dkl needs kl whole before the first gradient: a pass of its own, after which kept logits still are. */
static align_status compare(struct align__linear *linear, int64_t count, int64_t counted)
{
    const struct align__head *head = linear->head;
    align_status status = ALIGN_E_NONE;
    for (int64_t v = 0; v < head->vocab && status == ALIGN_E_NONE && linear->count > 0;
         v += linear->wide) {
        status = align__linear_turn(linear, v, counted, true);
        if (status == ALIGN_E_NONE)
            status = align__linear_by_tokens(linear, compare_share);
    }
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

static int64_t band_end(const struct align__linear *linear)
{
    int64_t end = linear->before ? linear->head->vocab : linear->band_first + linear->band;
    return end < linear->head->vocab ? end : linear->head->vocab;
}

/* Both products take the same tile, and neither waits for the other. */
static align_status multiply_back(struct align__linear *linear)
{
    struct align__cut cuts[2];
    int n = 0;
    if (makes_dhidden(linear))
        cuts[n++] = align__linear_back(linear);
    if (makes_weights(linear))
        cuts[n++] = align__linear_by_vocab(linear, weight_share);
    return align__linear_run(linear, cuts, n);
}

static align_status walk_back(struct align__linear *linear, int64_t counted, bool compares)
{
    align_status status = ALIGN_E_NONE;
    int64_t end = band_end(linear);
    for (int64_t v = linear->band_first; v < end && status == ALIGN_E_NONE; v += linear->wide) {
        status = align__linear_turn(linear, v, counted, compares);
        if (status == ALIGN_E_NONE)
            status = align__linear_by_tokens(linear, backward_share);
        if (status == ALIGN_E_NONE)
            status = multiply_back(linear);
    }
    return status;
}

align_status align__linear_backward(struct align__linear *linear, int64_t count)
{
    bool compares = align__present(&linear->head->args.dkl);
    bool recalls = linear->kl != NULL && !linear->before;
    int64_t counted = pick_live(linear, count);
    align_status status = align__linear_gather(linear, compares);
    if (recalls)
        recall(linear);
    else if (compares && status == ALIGN_E_NONE)
        status = compare(linear, count, counted);
    if (linear->count > 0 && status == ALIGN_E_NONE &&
        (makes_dhidden(linear) || makes_weights(linear)))
        status = walk_back(linear, counted, compares);
    align__linear_pass(linear, counted);
    linear->started |= linear->count > 0;
    if (status == ALIGN_E_NONE && makes_dhidden(linear))
        status = align__linear_by_tokens(linear, store_dhidden);
    return status;
}

bool align__linear_begin_before(struct align__linear *linear)
{
    align__linear_begin(linear, 0);
    linear->before = linear->splits || linear->kl != NULL;
    return linear->before;
}

/* A walk that made dhidden has used up kept logits. */
void align__linear_begin(struct align__linear *linear, int64_t band_first)
{
    if (linear->before && linear->splits)
        linear->kept = NULL;
    linear->before = false;
    linear->band_first = band_first;
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
                linear->sums + (v - linear->band_first) * width * align_dtype_bytes(dtype), width,
                adds);
}

void align__linear_end(struct align__linear *linear)
{
    const struct align__head *head = linear->head;
    const align_tensor *dbias = &head->args.dbias;
    enum align__way way = align__linear_way(linear);
    int64_t end = band_end(linear);
    for (int64_t v = linear->band_first; v < end; v++) {
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
