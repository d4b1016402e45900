#include "linear.h"

#include <stdint.h>
#include <string.h>

/* Tiles and lanes depend on shapes alone, so that workers change no bit. Measured with OpenBLAS on AVX-512: products
 * over 1024 rows run at full speed, over 512 at 95 %, over 128 at 80 %; pieces of 512 columns are up to 8 % slower than
 * of 1024. A tile of 2048 rows is there for dweight: it adds up as many tokens without sums of f64. There are more
 * lanes than two where they fit, so that two workers end at the same time and more find work; many where they take
 * little. */
enum {
    MOST_HIDDEN = 2048 * 1024,
    MOST_ROWS = 2048,
    LEAST_ROWS = 512,
    MOST_WIDE = 1024,
    LEAST_WIDE = 64,
    LEAST_LANES = 2,
    FEW_LANES = 4,
    FAIR_WIDE = MOST_WIDE / 2, /* where nothing fits */
    LEAST_PIECES = 4,
    ROUND = 16
};
static const size_t most_bytes = 31 << 20, most_bytes_of_many = 12 << 20;

/* So that what else a step needs can be added to it where addresses have 32 bits. */
static const size_t most_kept = SIZE_MAX / 2;

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

static void lay_out_source(const struct align__linear *linear, struct align__source *source,
                           struct blocks *blocks)
{
    size_t in = (size_t)align_dtype_bytes(source->in);
    source->hidden = block(blocks, source->args != NULL, linear->most * source->width, in);
}

static void lay_out_piece(const struct align__linear *linear, struct align__piece *piece,
                          const struct align__source *source, struct blocks *blocks)
{
    if (source->args == NULL)
        return;
    size_t bytes = (size_t)align_dtype_bytes(source->dtype);
    size_t in = (size_t)align_dtype_bytes(source->in);
    piece->source = source;
    piece->logits = block(blocks, true, linear->most * linear->pitch, bytes);
    piece->weight = block(blocks, converts(source), linear->wide * source->width, in);
    piece->bias = block(blocks, align__present(&source->args->bias), linear->wide, bytes);
}

static void lay_out_lane(struct align__linear *linear, struct align__lane *lane,
                         struct blocks *blocks)
{
    const struct align__head *head = linear->head;
    size_t bytes = (size_t)align_dtype_bytes(linear->own.dtype);
    int64_t most = linear->most, width = linear->own.width;
    enum align__way way = align__linear_way(linear);
    bool sums = align__present(&head->args.dhidden) || align__present(&head->args.jhidden);
    bool half = linear->own.in == ALIGN_BF16 && (sums || way != ALIGN__WAY_NONE);
    lane->linear = linear;
    lay_out_piece(linear, &lane->own, &linear->own, blocks);
    lay_out_piece(linear, &lane->other, &linear->other, blocks);
    lane->rows = block(blocks, true, most, sizeof *lane->rows);
    lane->half = block(blocks, half, most * linear->pitch, sizeof(uint16_t));
    lane->dhidden = block(blocks, sums, most * width, bytes);
    lane->dweight = block(blocks, way == ALIGN__WAY_ADD || linear->bands, linear->wide * width,
                          bytes);
}

/* What a tile takes, whatever N and V. */
static void lay_out_tile(struct align__linear *linear, struct blocks *blocks)
{
    int64_t most = linear->most;
    linear->rows = block(blocks, true, most, sizeof *linear->rows);
    linear->live = block(blocks, true, most, sizeof *linear->live);
    lay_out_source(linear, &linear->own, blocks);
    lay_out_source(linear, &linear->other, blocks);
    for (int64_t i = 0; i < linear->lanes; i++)
        lay_out_lane(linear, &linear->lane[i], blocks);
    linear->sums = block(blocks, linear->bands, linear->band * linear->own.width, sizeof(double));
}

static void lay_out(struct align__linear *linear, struct blocks *blocks)
{
    const struct align__head *head = linear->head;
    lay_out_tile(linear, blocks);
    if (align__linear_way(linear) == ALIGN__WAY_SUMS)
        linear->sums = block(blocks, true, head->vocab * linear->own.width,
                             (size_t)align_dtype_bytes(linear->own.dtype));
    linear->dbias = block(blocks, align__present(&head->args.dbias), head->vocab, sizeof(double));
    linear->kl = block(blocks, linear->bands && align__present(&head->args.dkl), head->rows,
                       sizeof *linear->kl);
}

/* ---- the plan ---- */

/* Cuts the vocabulary into pieces of `wide`, or of less so that lanes of a few pieces have as much each. */
static void cut(struct align__linear *linear, int64_t lanes, int64_t wide)
{
    int64_t vocab = linear->head->vocab > 0 ? linear->head->vocab : 1;
    int64_t each = (vocab + lanes * wide - 1) / (lanes * wide);
    if (each < LEAST_PIECES)
        wide = (vocab + lanes * each - 1) / (lanes * each);
    linear->lanes = lanes;
    linear->wide = (wide + ROUND - 1) / ROUND * ROUND;
    linear->pitch = linear->wide + ROUND;
    linear->band = linear->bands ? lanes * linear->wide : vocab;
}

static bool fits(struct align__linear *linear, size_t bytes)
{
    struct blocks blocks = {0};
    lay_out_tile(linear, &blocks);
    return blocks.total <= bytes;
}

/* A walk over a band has one piece for each lane: an even number of them for two workers. */
static int64_t most_lanes(const struct align__linear *linear)
{
    int64_t vocab = linear->head->vocab;
    int64_t lanes = at_most(vocab / (LEAST_PIECES * MOST_WIDE), ALIGN__LANES);
    if (vocab < LEAST_LANES * LEAST_WIDE)
        return 1;
    return lanes > LEAST_LANES ? lanes - (linear->bands ? lanes % 2 : 0) : LEAST_LANES;
}

/* Fewer lanes, and then narrower pieces, until all fits; where nothing does, what is a good deal. */
static void cut_to_fit(struct align__linear *linear)
{
    int64_t lanes = most_lanes(linear);
    for (; lanes > LEAST_LANES; lanes -= linear->bands ? 2 : 1) {
        cut(linear, lanes, MOST_WIDE);
        if (fits(linear, lanes > FEW_LANES ? most_bytes_of_many : most_bytes))
            return;
    }
    for (int64_t wide = MOST_WIDE; wide >= LEAST_WIDE; wide /= 2) {
        cut(linear, lanes, wide);
        if (fits(linear, most_bytes))
            return;
    }
    cut(linear, lanes, FAIR_WIDE);
}

static void plan(struct align__linear *linear, const struct align__head *head)
{
    *linear = (struct align__linear){.head = head, .own = source_of(head, &head->args)};
    if (align__present(&head->other.hidden))
        linear->other = source_of(head, &head->other);
    bool two = linear->other.args != NULL;
    bool f64 = linear->own.dtype == ALIGN_F64 || linear->other.dtype == ALIGN_F64;
    int64_t fit = MOST_HIDDEN / (f64 ? 2 : 1) / (two ? 2 : 1);
    bool weighs = align__linear_way(linear) != ALIGN__WAY_NONE;
    linear->most = rows_that_fit(linear, fit, weighs ? MOST_ROWS : MOST_ROWS / 2);
    linear->bands = head->rows > linear->most && wants_bands(linear);
    linear->splits = linear->bands && is_narrow(linear);
    if (linear->bands)
        linear->most = rows_that_fit(linear, fit / 2, MOST_ROWS / 2);
    cut_to_fit(linear);
}

size_t align__linear_scratch(const struct align__head *head)
{
    struct align__linear linear;
    struct blocks blocks = {0};
    plan(&linear, head);
    lay_out(&linear, &blocks);
    return blocks.total + align__arena_slack();
}

size_t align__linear_kept(const struct align__head *head)
{
    struct align__linear linear;
    size_t bytes = 0;
    plan(&linear, head);
    for (int64_t n = 0; n < head->rows; n += linear.most) {
        size_t tile = align__linear_kept_tile(&linear, at_most(linear.most, head->rows - n));
        bytes += tile < most_kept - bytes ? tile : most_kept - bytes;
    }
    return bytes;
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
    linear->end = head->vocab;
    if (kept != NULL)
        kept->passed = 0;
    if (linear->dbias != NULL)
        memset(linear->dbias, 0, (size_t)head->vocab * sizeof *linear->dbias);
    return ALIGN_E_NONE;
}
