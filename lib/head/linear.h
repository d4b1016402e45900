/* The fused linear head: logits are made a tile at a time and never kept.
 *
 * Tokens come in tiles of up to `most` rows. The rows of a tile that count are gathered, and for each
 * stretch of the vocabulary the logits of all of them are one matrix product,
 *     x = hidden weight' + bias.
 * The forward reduces them (and, for jhidden, multiplies their weights by `weight` again); the
 * backward turns them into gradients g in place and adds
 *     dhidden += g weight,   dweight += g' hidden,   dbias += sum of g over tokens.
 * Products are split along the columns of what they make (vocabulary) or, for dweight, along its rows, so that each
 * part keeps the long side of the tile; what is done to a row of logits, by tokens. The one for dhidden is split along
 * the vocabulary too, into halves with sums of their own, so that the BLAS packs the tile once; where a second array of
 * sums would be large, along the width.
 * The backward of more tokens than a tile has walks over all of them for one stretch of the vocabulary at a
 * time (`bands`): then a dweight of f32 has sums of f64, and does not drift with tokens. What needs all of the
 * vocabulary of a token, kl and a dhidden that cannot be added to without loss, is made in a walk before.
 * For kl the logits of the other head, when it is linear too, are made beside them. */
#ifndef ALIGN__HEAD_LINEAR_H
#define ALIGN__HEAD_LINEAR_H

#include "head.h"

/* What logits are made of: this head's operands, and those of the other. */
struct align__source {
    const align_head *args; /* NULL: there is none */
    align_dtype in;         /* of operands in products: F32, F64, or BF16 as they are */
    align_dtype dtype;      /* of tiles: F32, or F64 when an operand is */
    int64_t width;

    char *hidden; /* [most,width] gathered */
    char *logits; /* [most,pitch] */
    char *weight; /* [wide,width] of another dtype than in products, converted */
    char *bias;   /* [wide] */

    /* of the stretch that is being worked on */
    const char *operand; /* rows of weight, `stride` elements apart */
    int64_t stride;
    char *tile; /* [most,pitch] where its logits stand: `logits`, or kept memory */
    bool made;  /* they stand there already */
};

struct align__linear {
    const struct align__head *head;
    struct align__source own, other;
    struct align__source *source; /* the one that shares are of */
    int64_t most;                 /* rows of a token tile */
    int64_t wide;                 /* elements of a vocabulary tile */
    int64_t
        pitch; /* from a row of a tile to the next: no power of two, which caches map to one place */

    bool bands; /* the backward walks over all tokens for one stretch of the vocabulary at a time */
    int64_t band;              /* what a walk covers of the vocabulary: a stretch, or all of it */
    int64_t band_first;        /* where the walk stands */
    bool before;               /* this is the walk before those over bands */
    bool splits;               /* which makes dhidden, and they dweight */
    struct align__head_kl *kl; /* [N] of the walk before, or NULL */

    struct align__kept *kept; /* or NULL */

    struct align__head_row *rows; /* [most] of the batch */
    int64_t *live;                /* [most] which of them are in the tile */
    int64_t count;                /* how many */

    char *half;     /* [most,pitch] gradients in BF16, for products of such */
    char *dhidden;  /* [halves,most,D] sums for dhidden or jhidden */
    int64_t halves; /* 2, or 1 where that is split along the width */
    char *dweight;  /* [wide,D] a product that cannot go to args.dweight itself */
    char *sums;     /* [band,D] dweight of a dtype that cannot be added to, or in f64 */
    double *dbias;  /* [V] */
    bool started;   /* dweight holds something to add to */

    int64_t first, n; /* the stretch of the vocabulary that is being worked on */
};

size_t align__linear_scratch(const struct align__head *head);
align_status align__linear_open(struct align__linear *linear, const struct align__head *head,
                                struct align__kept *kept);

/* The next `count` rows, which stand in linear->rows. */
align_status align__linear_forward(struct align__linear *linear, int64_t count);
align_status align__linear_backward(struct align__linear *linear, int64_t count);

/* A walk of the backward over all rows: before it, and what it can write only when all have passed. The first of
 * these begins the walk before the others, or returns false: there is none. */
bool align__linear_begin_before(struct align__linear *linear);
void align__linear_begin(struct align__linear *linear, int64_t band_first);
void align__linear_end(struct align__linear *linear);

/* ---- shared by the parts of the linear head ---- */

/* Makes the stretch at `first` the one that is worked on, with its logits and, where asked for, those of
 * the other head. A forward found `counted` rows to count. */
align_status align__linear_turn(struct align__linear *linear, int64_t first, int64_t counted,
                                bool compares);

/* Passes on to the kept logits of the next tile of tokens. */
void align__linear_pass(struct align__linear *linear, int64_t counted);

/* Gathers the rows of linear->live, of both heads where asked for, and starts sums for dhidden. */
align_status align__linear_gather(struct align__linear *linear, bool compares);

struct align__share {
    struct align__linear *linear;
    int64_t first, n; /* of live rows, within the stretch, or of columns */
};
typedef void (*align__share_fn)(const struct align__share *share);

/* Work that is cut into shares: of the stretch's vocabulary, of halves of it, or of D. */
struct align__cut {
    int64_t count, share;
    align__share_fn fn;
};
struct align__cut align__linear_by_vocab(const struct align__linear *linear, align__share_fn fn);
struct align__cut align__linear_by_halves(const struct align__linear *linear, align__share_fn fn);
struct align__cut align__linear_by_width(const struct align__linear *linear, align__share_fn fn);

/* Runs all shares of n cuts, none of which waits for another; and fn over shares of the live rows. */
align_status align__linear_run(struct align__linear *linear, const struct align__cut *cuts, int n);
align_status align__linear_by_tokens(struct align__linear *linear, align__share_fn fn);

/* Whether dweight is the c of a product itself, is added to by hand, or has sums of its own, of all of it or of
 * a band. */
enum align__way {
    ALIGN__WAY_NONE,
    ALIGN__WAY_DIRECT,
    ALIGN__WAY_ADD,
    ALIGN__WAY_SUMS,
    ALIGN__WAY_BAND
};
enum align__way align__linear_way(const struct align__linear *linear);

/* The BLAS multiplies BF16 by BF16 to F32. */
bool align__linear_halves(void);

/* The logits of all live rows for a share of the vocabulary, of linear->source. */
void align__linear_logits(const struct align__share *share);

/* dhidden += tile * weight. */
struct align__cut align__linear_back(const struct align__linear *linear);

/* c (of `stride`) = beta c + tile' * hidden for a share of the vocabulary. */
void align__linear_turned(const struct align__share *share, char *c, int64_t stride, double beta);

static inline char *align__linear_tile(const struct align__linear *linear,
                                       const struct align__source *source, int64_t i)
{
    return source->tile + i * linear->pitch * align_dtype_bytes(source->dtype);
}

/* Row i of the stretch's logits, of linear->own or linear->other. */
static inline struct align__part align__linear_part(const struct align__linear *linear,
                                                    const struct align__source *source, int64_t i)
{
    return (struct align__part){align__linear_tile(linear, source, i), source->dtype,
                                linear->head->begin + linear->first, linear->n};
}

static inline char *align__linear_sum(const struct align__linear *linear, int64_t half, int64_t i)
{
    int64_t row = half * linear->most + i;
    return linear->dhidden + row * linear->own.width * align_dtype_bytes(linear->own.dtype);
}

#endif
