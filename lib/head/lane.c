/* Walks along the lanes of a linear head, and over the tokens of a tile. */
#include "linear.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

/* ---- the logits of a piece ---- */

/* n elements of an operand as elements of `to`. */
static void convert(const struct align__kernels *kernels, align_dtype to, char *out,
                    align_dtype dtype, const char *at, int64_t n)
{
    const uint16_t *half = (const uint16_t *)(const void *)at;
    if (dtype == to)
        memcpy(out, at, (size_t)(n * align_dtype_bytes(dtype)));
    else if (to == ALIGN_F64)
        align__load_row((double *)(void *)out, dtype, at, 1, n);
    else
        (dtype == ALIGN_BF16 ? kernels->from_bf16 : kernels->from_f16)((float *)(void *)out, half,
                                                                       n);
}

static void take_weight(const struct align__lane *lane, struct align__piece *piece)
{
    const struct align__source *source = piece->source;
    const align_tensor *t = &source->args->weight;
    int64_t row = source->width * align_dtype_bytes(source->in);
    piece->operand = align__at(t, lane->first, 0);
    piece->stride = t->stride[0];
    if (piece->weight == NULL)
        return;
    for (int64_t v = 0; v < lane->n; v++)
        convert(lane->linear->head->kernels, source->in, piece->weight + v * row, t->dtype,
                align__at(t, lane->first + v, 0), source->width);
    piece->operand = piece->weight;
    piece->stride = source->width;
}

static void make_logits(const struct align__lane *lane, struct align__piece *piece)
{
    const align_tensor *bias = &piece->source->args->bias;
    align_dtype dtype = piece->source->dtype;
    take_weight(lane, piece);
    if (piece->made)
        return;
    for (int64_t v = 0; v < lane->n && piece->bias != NULL; v++)
        align__store(dtype, piece->bias + v * align_dtype_bytes(dtype),
                     align__load(bias->dtype, align__at(bias, lane->first + v, 0)));
    align__lane_logits(lane, piece);
}

/* ---- kept memory ---- */

/* Sizes, or the largest there is where addresses have 32 bits. */
static size_t times(size_t a, size_t b)
{
    return a != 0 && b > SIZE_MAX / a ? SIZE_MAX : a * b;
}

/* Every piece of a tile of tokens takes as much. */
static size_t kept_bytes(const struct align__linear *linear, int64_t counted)
{
    return align__block((size_t)(counted * linear->pitch * align_dtype_bytes(linear->own.dtype)));
}

size_t align__linear_kept_tile(const struct align__linear *linear, int64_t counted)
{
    int64_t pieces = (linear->head->vocab + linear->wide - 1) / linear->wide;
    return times(kept_bytes(linear, counted), (size_t)pieces);
}

/* Forward and backward come with the same sizes, and so to the same places. A tile of which the backward has
 * fewer rows is made again, as it is without kept memory. */
static void place(struct align__lane *lane, int64_t counted)
{
    const struct align__kept *kept = lane->linear->kept;
    lane->own.tile = lane->own.logits;
    lane->own.made = false;
    lane->other.tile = lane->other.logits;
    if (kept == NULL)
        return;
    size_t bytes = kept_bytes(lane->linear, counted);
    size_t before = times(bytes, (size_t)(lane->first / lane->linear->wide));
    size_t left = kept->passed < kept->size ? kept->size - kept->passed : 0;
    if (before > left || bytes > left - before || lane->linear->count != counted)
        return;
    lane->own.tile = kept->at + kept->passed + before;
    lane->own.made = kept->filled;
}

/* ---- walks ---- */

/* A worker takes the lane that has the most before it, for one piece, and gives it back. So none waits for another,
 * the pieces of a lane come in order whoever has it, and all lanes end at about the same time. */
struct walk {
    struct align__linear *linear;
    int64_t counted;
    bool compares;
    align__lane_fn fn;
    _Atomic int64_t left[ALIGN__LANES]; /* pieces; less than 0 while someone has the lane */
};

static int64_t pieces(const struct align__lane *lane)
{
    const struct align__linear *linear = lane->linear;
    int64_t step = linear->lanes * linear->wide, covers = linear->end - align__lane_begin(lane);
    return covers > 0 ? (covers + step - 1) / step : 0;
}

/* Returns how many pieces lane *i has left, or 0: there is none to take. */
static int64_t take(struct walk *walk, int64_t *i)
{
    for (;;) {
        int64_t most = 0;
        for (int64_t k = 0; k < walk->linear->lanes; k++) {
            int64_t left = atomic_load_explicit(&walk->left[k], memory_order_relaxed);
            if (left > most) {
                most = left;
                *i = k;
            }
        }
        int64_t seen = most;
        if (most == 0 ||
            atomic_compare_exchange_strong_explicit(&walk->left[*i], &seen, -1,
                                                    memory_order_acquire, memory_order_relaxed))
            return most;
    }
}

static void work(const struct walk *walk, struct align__lane *lane, int64_t left)
{
    const struct align__linear *linear = walk->linear;
    int64_t step = linear->lanes * linear->wide;
    lane->first = align__lane_begin(lane) + (pieces(lane) - left) * step;
    lane->n = linear->end - lane->first < linear->wide ? linear->end - lane->first : linear->wide;
    place(lane, walk->counted);
    make_logits(lane, &lane->own);
    if (walk->compares && lane->other.source != NULL)
        make_logits(lane, &lane->other);
    walk->fn(lane);
}

static void run_pieces(void *ctx, int64_t task)
{
    struct walk *walk = ctx;
    int64_t left, i = 0;
    (void)task;
    while ((left = take(walk, &i)) > 0) {
        work(walk, &walk->linear->lane[i], left);
        atomic_store_explicit(&walk->left[i], left - 1, memory_order_release);
    }
}

align_status align__linear_walk(struct align__linear *linear, int64_t counted, bool compares,
                                align__lane_fn fn)
{
    struct walk walk = {linear, counted, compares, fn, {0}};
    int64_t tasks = 0;
    for (int64_t i = 0; i < linear->lanes && linear->count > 0; i++) {
        walk.left[i] = pieces(&linear->lane[i]);
        tasks += walk.left[i] > 0;
    }
    return align__parallel(&linear->head->exec, tasks, run_pieces, &walk);
}

/* ---- tokens ---- */

struct tokens {
    struct align__linear *linear;
    align__live_fn fn;
};

enum { TOKENS = 64 };

static void run_tokens(void *ctx, int64_t task)
{
    const struct tokens *tokens = ctx;
    int64_t end = (task + 1) * TOKENS, count = tokens->linear->count;
    for (int64_t i = task * TOKENS; i < (end < count ? end : count); i++)
        tokens->fn(tokens->linear, i);
}

align_status align__linear_by_tokens(struct align__linear *linear, align__live_fn fn)
{
    struct tokens tokens = {linear, fn};
    int64_t tasks = (linear->count + TOKENS - 1) / TOKENS;
    return align__parallel(&linear->head->exec, tasks, run_tokens, &tokens);
}

static void gather_row(const struct align__linear *linear, const struct align__source *source,
                       int64_t i)
{
    const align_tensor *t = &source->args->hidden;
    int64_t row = source->width * align_dtype_bytes(source->in);
    int64_t index = linear->rows[linear->live[i]].index;
    convert(linear->head->kernels, source->in, source->hidden + i * row, t->dtype,
            align__head_at(linear->head, t, index), source->width);
}

static void gather(struct align__linear *linear, int64_t i)
{
    gather_row(linear, &linear->own, i);
}

static void gather_both(struct align__linear *linear, int64_t i)
{
    gather(linear, i);
    gather_row(linear, &linear->other, i);
}

static void start(struct align__linear *linear, int64_t i)
{
    for (int64_t lane = 0; lane < linear->lanes; lane++)
        linear->lane[lane].rows[i] = linear->rows[linear->live[i]];
}

align_status align__linear_start(struct align__linear *linear)
{
    return align__linear_by_tokens(linear, start);
}

align_status align__linear_gather(struct align__linear *linear, bool compares)
{
    bool both = compares && linear->other.args != NULL;
    return align__linear_by_tokens(linear, both ? gather_both : gather);
}
