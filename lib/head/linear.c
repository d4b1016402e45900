#include "linear.h"

#include <string.h>

/* Tiles and shares depend on shapes alone, so that scratch and workers change no bit. Measured with
 * OpenBLAS on AVX-512: products of 1024 rows run at full speed, of 512 at 92 %, of 128 at 80 %. Of two tiles of a
 * size, that of 1024 rows by 2048 is up to 8 % faster than that of 2048 by 1024, which is there for dweight: it adds
 * up as many tokens without sums of f64. */
enum {
    MOST_TILE = 2048 * 1024,
    MOST_ROWS = 2048,
    LEAST_ROWS = 512,
    BAND = 1024,
    MOST_SUMS = 1024 * 1024,
    MOST_SHARE = 1024,
    LEAST_SHARE = 64,
    TOKENS = 64,
    PITCH = 16
};

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool converts(const struct align__source *source)
{
    const align_tensor *weight = &source->args->weight;
    return weight->dtype != source->in || weight->stride[0] < source->width ||
           weight->stride[0] > INT32_MAX;
}

enum align__way align__linear_way(const struct align__linear *linear)
{
    const align_tensor *t = &linear->head->args.dweight;
    if (!align__present(t) || align__present(&linear->head->args.jhidden))
        return ALIGN__WAY_NONE;
    if (t->dtype != ALIGN_F32 && t->dtype != ALIGN_F64)
        return ALIGN__WAY_SUMS;
    if (linear->bands)
        return ALIGN__WAY_BAND;
    bool fits = t->stride[0] >= linear->own.width && t->stride[0] <= INT32_MAX;
    return t->dtype == linear->own.dtype && fits ? ALIGN__WAY_DIRECT : ALIGN__WAY_ADD;
}

static struct align__source source_of(const struct align__head *head, const align_head *args)
{
    bool bias = align__present(&args->bias);
    bool f64 = args->hidden.dtype == ALIGN_F64 || args->weight.dtype == ALIGN_F64 ||
               (bias && args->bias.dtype == ALIGN_F64);
    bool half = args->hidden.dtype == ALIGN_BF16 && args->weight.dtype == ALIGN_BF16 && !f64;
    bool fast = (head->exec.flags & ALIGN_FLAG_FAST) != 0 && align__linear_halves();
    align_dtype dtype = f64 ? ALIGN_F64 : ALIGN_F32;
    return (struct align__source){.args = args,
                                  .dtype = dtype,
                                  .in = half && fast ? ALIGN_BF16 : dtype,
                                  .width = args->weight.shape[1]};
}

/* Rows of a token tile of which a width takes `fit` elements at most. */
static int64_t rows_that_fit(const struct align__linear *linear, int64_t fit, int64_t most)
{
    int64_t own = linear->own.width, other = linear->other.width, width = own > other ? own : other;
    int64_t rows = at_most(fit / (width > 0 ? width : 1) / LEAST_ROWS * LEAST_ROWS, most);
    rows = at_most(rows < LEAST_ROWS ? LEAST_ROWS : rows, linear->head->rows);
    return rows < 1 ? 1 : rows;
}

/* Bands add to dhidden each, which must then hold what it is given. */
static bool is_narrow(const struct align__linear *linear)
{
    const align_tensor *dhidden = &linear->head->args.dhidden;
    return align__present(dhidden) && dhidden->dtype != ALIGN_F64 &&
           dhidden->dtype != linear->own.dtype;
}

/* Bands are for a dweight that would drift. Logits made once more for it are left to those who have time. */
static bool wants_bands(const struct align__linear *linear)
{
    const align_head *args = &linear->head->args;
    bool fast = (linear->head->exec.flags & ALIGN_FLAG_FAST) != 0;
    return args->dweight.ndim != 0 && args->dweight.dtype == ALIGN_F32 &&
           !align__present(&args->jhidden) && !(fast && is_narrow(linear));
}

static void plan(struct align__linear *linear, const struct align__head *head)
{
    *linear = (struct align__linear){.head = head, .own = source_of(head, &head->args)};
    if (align__present(&head->other.hidden))
        linear->other = source_of(head, &head->other);
    bool two = linear->other.args != NULL;
    bool f64 = linear->own.dtype == ALIGN_F64 || linear->other.dtype == ALIGN_F64;
    int64_t fit = MOST_TILE / (f64 ? 2 : 1) / (two ? 2 : 1);
    bool weighs = align__linear_way(linear) != ALIGN__WAY_NONE;
    linear->most = rows_that_fit(linear, fit, weighs ? MOST_ROWS : MOST_ROWS / 2);
    linear->wide = linear->most <= fit / 2048 ? 2048 : fit / linear->most;
    linear->bands = head->rows > linear->most && wants_bands(linear);
    linear->splits = linear->bands && is_narrow(linear);
    if (linear->bands) {
        linear->most = rows_that_fit(linear, fit / 2, MOST_ROWS / 2);
        linear->wide = BAND;
    }
    linear->wide = at_most(linear->wide, head->vocab > 0 ? head->vocab : 1);
    linear->band = linear->bands || head->vocab == 0 ? linear->wide : head->vocab;
    linear->pitch = linear->wide + PITCH;
    bool tight = f64 || (linear->bands && converts(&linear->own));
    linear->halves = linear->most * linear->own.width <= MOST_SUMS / (tight ? 2 : 1) ? 2 : 1;
}

/* One list of blocks for asking and for taking: with `arena` NULL only sizes are added up. */
struct blocks {
    struct align__arena *arena;
    size_t total;
};

static void *block(struct blocks *blocks, bool wanted, int64_t elements, size_t bytes)
{
    size_t size = wanted ? (size_t)elements * bytes : 0;
    blocks->total += align__block(size);
    return blocks->arena == NULL || !wanted ? NULL : align__arena_take(blocks->arena, size);
}

static void lay_out_source(struct align__linear *linear, struct align__source *source,
                           struct blocks *blocks)
{
    if (source->args == NULL)
        return;
    size_t bytes = (size_t)align_dtype_bytes(source->dtype);
    size_t in = (size_t)align_dtype_bytes(source->in);
    int64_t most = linear->most, wide = linear->wide;
    source->hidden = block(blocks, true, most * source->width, in);
    source->logits = block(blocks, true, most * linear->pitch, bytes);
    source->weight = block(blocks, converts(source), wide * source->width, in);
    source->bias = block(blocks, align__present(&source->args->bias), wide, bytes);
}

static void lay_out(struct align__linear *linear, struct blocks *blocks)
{
    const struct align__head *head = linear->head;
    size_t bytes = (size_t)align_dtype_bytes(linear->own.dtype);
    int64_t most = linear->most, wide = linear->wide, width = linear->own.width;
    enum align__way way = align__linear_way(linear);
    bool sums = align__present(&head->args.dhidden) || align__present(&head->args.jhidden);
    bool half = linear->own.in == ALIGN_BF16 && (sums || way != ALIGN__WAY_NONE);
    linear->rows = block(blocks, true, most, sizeof *linear->rows);
    linear->live = block(blocks, true, most, sizeof *linear->live);
    lay_out_source(linear, &linear->own, blocks);
    lay_out_source(linear, &linear->other, blocks);
    linear->half = block(blocks, half, most * linear->pitch, sizeof(uint16_t));
    linear->dhidden = block(blocks, sums, linear->halves * most * width, bytes);
    linear->dweight = block(blocks, way == ALIGN__WAY_ADD || linear->bands, wide * width, bytes);
    linear->sums = block(blocks, way == ALIGN__WAY_SUMS || linear->bands, linear->band * width,
                         linear->bands ? sizeof(double) : bytes);
    linear->dbias = block(blocks, align__present(&head->args.dbias), head->vocab, sizeof(double));
    linear->kl = block(blocks, linear->bands && align__present(&head->args.dkl), head->rows,
                       sizeof *linear->kl);
}

size_t align__linear_scratch(const struct align__head *head)
{
    struct align__linear linear;
    struct blocks blocks = {0};
    plan(&linear, head);
    lay_out(&linear, &blocks);
    return blocks.total + align__arena_slack();
}

/* Every stretch of a tile of tokens takes as much. */
static size_t kept_bytes(const struct align__linear *linear, int64_t counted)
{
    return align__block((size_t)(counted * linear->pitch * align_dtype_bytes(linear->own.dtype)));
}

static size_t kept_tile(const struct align__linear *linear, int64_t counted)
{
    int64_t stretches = (linear->head->vocab + linear->wide - 1) / linear->wide;
    return kept_bytes(linear, counted) * (size_t)stretches;
}

size_t align__linear_kept(const struct align__head *head)
{
    struct align__linear linear;
    size_t bytes = 0;
    plan(&linear, head);
    for (int64_t n = 0; n < head->rows; n += linear.most)
        bytes += kept_tile(&linear, at_most(linear.most, head->rows - n));
    return bytes;
}

void align__linear_pass(struct align__linear *linear, int64_t counted)
{
    if (linear->kept != NULL)
        linear->kept->passed += kept_tile(linear, counted);
}

/* Forward and backward come with the same sizes, and so to the same places. A tile of which the backward has
 * fewer rows is made again, as it is without kept memory. */
static void place_tile(struct align__linear *linear, int64_t counted)
{
    struct align__kept *kept = linear->kept;
    linear->own.tile = linear->own.logits;
    linear->own.made = false;
    if (kept == NULL)
        return;
    size_t bytes = kept_bytes(linear, counted);
    size_t at = kept->passed + (size_t)(linear->first / linear->wide) * bytes;
    if (at + bytes > kept->size || linear->count != counted)
        return;
    linear->own.tile = kept->at + at;
    linear->own.made = kept->filled;
}

align_status align__linear_open(struct align__linear *linear, const struct align__head *head,
                                struct align__kept *kept)
{
    struct align__arena arena;
    struct blocks blocks = {.arena = &arena};
    align_status status = align__arena_open(&head->exec, &arena, align__linear_scratch(head));
    if (status != ALIGN_E_NONE)
        return status;
    plan(linear, head);
    lay_out(linear, &blocks);
    linear->kept = kept;
    if (kept != NULL)
        kept->passed = 0;
    if (linear->dbias != NULL)
        memset(linear->dbias, 0, (size_t)head->vocab * sizeof *linear->dbias);
    return ALIGN_E_NONE;
}

/* ---- shares ---- */

struct job {
    struct align__linear *linear;
    const struct align__cut *cuts;
};

static int64_t pieces(const struct align__cut *cut)
{
    return (cut->count + cut->share - 1) / cut->share;
}

static void run_share(void *ctx, int64_t task)
{
    const struct job *job = ctx;
    const struct align__cut *cut = job->cuts;
    for (; task >= pieces(cut); cut++)
        task -= pieces(cut);
    int64_t first = task * cut->share;
    struct align__share share = {job->linear, first, at_most(cut->share, cut->count - first)};
    cut->fn(&share);
}

align_status align__linear_run(struct align__linear *linear, const struct align__cut *cuts, int n)
{
    struct job job = {linear, cuts};
    int64_t tasks = 0;
    for (int i = 0; i < n; i++)
        tasks += pieces(&cuts[i]);
    return align__parallel(&linear->head->exec, tasks, run_share, &job);
}

align_status align__linear_by_tokens(struct align__linear *linear, align__share_fn fn)
{
    const struct align__cut cut = {linear->count, TOKENS, fn};
    return align__linear_run(linear, &cut, 1);
}

/* Two products or more, each as large as that allows. */
static int64_t share_of(int64_t count)
{
    if (count >= 2 * MOST_SHARE)
        return MOST_SHARE;
    return count > 4 * LEAST_SHARE ? (count + 1) / 2 : 2 * LEAST_SHARE;
}

struct align__cut align__linear_by_vocab(const struct align__linear *linear, align__share_fn fn)
{
    return (struct align__cut){linear->n, share_of(linear->n), fn};
}

struct align__cut align__linear_by_halves(const struct align__linear *linear, align__share_fn fn)
{
    return (struct align__cut){linear->n, (linear->n + 1) / 2, fn};
}

struct align__cut align__linear_by_width(const struct align__linear *linear, align__share_fn fn)
{
    return (struct align__cut){linear->own.width, share_of(linear->own.width), fn};
}

/* ---- operands ---- */

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

static void convert_weight(const struct align__share *share)
{
    const struct align__linear *linear = share->linear;
    const struct align__source *source = linear->source;
    const align_tensor *t = &source->args->weight;
    int64_t row = source->width * align_dtype_bytes(source->in);
    for (int64_t v = share->first; v < share->first + share->n; v++)
        convert(linear->head->kernels, source->in, source->weight + v * row, t->dtype,
                align__at(t, linear->first + v, 0), source->width);
}

static align_status make_logits(struct align__linear *linear, struct align__source *source)
{
    const align_tensor *weight = &source->args->weight, *bias = &source->args->bias;
    int64_t bytes = align_dtype_bytes(source->dtype);
    align_status status = ALIGN_E_NONE;
    linear->source = source;
    for (int64_t v = 0; v < linear->n && source->bias != NULL; v++)
        align__store(source->dtype, source->bias + v * bytes,
                     align__load(bias->dtype, align__at(bias, linear->first + v, 0)));
    source->operand = source->weight;
    source->stride = source->width;
    const struct align__cut converting = align__linear_by_vocab(linear, convert_weight);
    const struct align__cut multiplying = align__linear_by_vocab(linear, align__linear_logits);
    if (source->weight != NULL) {
        status = align__linear_run(linear, &converting, 1);
    } else {
        source->operand = align__at(weight, linear->first, 0);
        source->stride = weight->stride[0];
    }
    if (status != ALIGN_E_NONE || source->made)
        return status;
    return align__linear_run(linear, &multiplying, 1);
}

align_status align__linear_turn(struct align__linear *linear, int64_t first, int64_t counted,
                                bool compares)
{
    linear->first = first;
    linear->n = at_most(linear->wide, linear->head->vocab - first);
    place_tile(linear, counted);
    linear->other.tile = linear->other.logits;
    align_status status = make_logits(linear, &linear->own);
    if (status == ALIGN_E_NONE && compares && linear->other.args != NULL)
        status = make_logits(linear, &linear->other);
    return status;
}

static void gather(const struct align__share *share)
{
    const struct align__linear *linear = share->linear;
    const struct align__source *source = linear->source;
    const align_tensor *t = &source->args->hidden;
    int64_t row = source->width * align_dtype_bytes(source->in);
    int64_t sums = linear->own.width * align_dtype_bytes(linear->own.dtype);
    for (int64_t half = 0; half < linear->halves; half++)
        if (source == &linear->own && linear->dhidden != NULL)
            memset(align__linear_sum(linear, half, share->first), 0, (size_t)(share->n * sums));
    for (int64_t i = share->first; i < share->first + share->n; i++)
        convert(linear->head->kernels, source->in, source->hidden + i * row, t->dtype,
                align__head_at(linear->head, t, linear->rows[linear->live[i]].index),
                source->width);
}

align_status align__linear_gather(struct align__linear *linear, bool compares)
{
    linear->source = &linear->own;
    align_status status = align__linear_by_tokens(linear, gather);
    linear->source = &linear->other;
    if (status == ALIGN_E_NONE && compares && linear->other.args != NULL)
        status = align__linear_by_tokens(linear, gather);
    return status;
}
