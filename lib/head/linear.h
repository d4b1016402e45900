/* The fused linear head: logits are made a piece at a time and never kept.
 *
 * Tokens come in tiles of up to `most` rows. The rows of a tile that count are gathered, and the vocabulary is cut
 * into pieces, which lanes take in turn. Lanes need nothing of each other: each has sums and memory of its own, and one
 * task walks along it. For each of its pieces the logits of all rows are one matrix product,
 *     x = hidden weight' + bias.
 * The forward reduces them (and, for jhidden, multiplies their weights by `weight` again); the
 * backward turns them into gradients g in place and adds
 *     dhidden += g weight,   dweight += g' hidden,   dbias += sum of g over tokens.
 * When all lanes have come to their end, what they found of a row is joined, by tokens.
 * The backward of more tokens than a tile has walks over all of them for one band of the vocabulary, a piece of
 * each lane, at a time: then a dweight of f32 has sums of f64, and does not drift with tokens. What needs all of the
 * vocabulary of a token, kl and a dhidden that cannot be added to without loss, is made in a walk before.
 * For kl the logits of the other head, when it is linear too, are made beside them. */
#ifndef ALIGN__HEAD_LINEAR_H
#define ALIGN__HEAD_LINEAR_H

#include "head.h"

/* What logits are made of: this head's operands, and those of the other. */
struct align__source {
    const align_head *args; /* NULL: there is none */
    align_dtype in;         /* of operands in products: F32, F64, or BF16 as they are */
    align_dtype dtype;      /* of logits: F32, or F64 when an operand is */
    int64_t width;
    char *hidden; /* [most,width] gathered */
};

/* Its logits over the piece that a lane works on. */
struct align__piece {
    const struct align__source *source;
    char *logits; /* [most,pitch] */
    char *weight; /* [wide,width] of another dtype than in products, converted */
    char *bias;   /* [wide] */

    const char *operand; /* rows of weight, `stride` elements apart */
    int64_t stride;
    char *tile; /* [most,pitch] where its logits stand: `logits`, or kept memory */
    bool made;  /* they stand there already */
};

struct align__lane {
    struct align__linear *linear;
    int64_t first, n; /* the piece of the vocabulary that is worked on */
    struct align__piece own, other;

    struct align__head_row *rows; /* [most] of the tile, with sums over this lane */
    char *half;                   /* [most,pitch] gradients in BF16, for products of such */
    char *dhidden;                /* [most,D] sums for dhidden or jhidden */
    char *dweight;                /* [wide,D] a product that cannot go to args.dweight itself */
};

enum { ALIGN__LANES = 16 };

struct align__linear {
    const struct align__head *head;
    struct align__source own, other;
    int64_t most;  /* rows of a token tile */
    int64_t wide;  /* elements of a piece */
    int64_t pitch; /* between its rows: no power of two, which caches map to one place */
    int64_t lanes;

    bool bands;   /* the backward walks over all tokens for one band of the vocabulary at a time */
    int64_t band; /* how wide that is, or all of the vocabulary */
    int64_t begin, end;        /* what this walk covers of it */
    bool before;               /* this is the walk before those over bands */
    bool splits;               /* which makes dhidden, and they dweight */
    struct align__head_kl *kl; /* [N] of the walk before, or NULL */

    struct align__kept *kept; /* or NULL */

    struct align__head_row *rows; /* [most] of the batch */
    int64_t *live;                /* [most] which of them are in the tile */
    int64_t count;                /* how many */

    char *sums;    /* [band,D] dweight of a dtype that cannot be added to, or in f64 */
    double *dbias; /* [V] */
    bool started;  /* dweight holds something to add to */
    bool late;     /* it failed after the ranks had joined a tile, and they go on to the next */

    struct align__lane lane[ALIGN__LANES];
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
void align__linear_begin(struct align__linear *linear, int64_t begin);
void align__linear_end(struct align__linear *linear);

/* ---- shared by the parts of the linear head ---- */

/* Gathers the rows of linear->live, of both heads where asked for. */
align_status align__linear_gather(struct align__linear *linear, bool compares);

/* Gives each lane the rows of the tile, with sums of nothing. */
align_status align__linear_start(struct align__linear *linear);

/* Runs fn for every piece of every lane, with its logits and, where asked for, those of the other head. A forward
 * found `counted` rows to count. */
typedef void (*align__lane_fn)(struct align__lane *lane);
align_status align__linear_walk(struct align__linear *linear, int64_t counted, bool compares,
                                align__lane_fn fn);

/* What the logits of a tile of tokens take in kept memory. */
size_t align__linear_kept_tile(const struct align__linear *linear, int64_t counted);

/* Runs fn for every live row. */
typedef void (*align__live_fn)(struct align__linear *linear, int64_t i);
align_status align__linear_by_tokens(struct align__linear *linear, align__live_fn fn);

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

/* The logits of all live rows. */
void align__lane_logits(const struct align__lane *lane, const struct align__piece *piece);

/* dhidden = or += tile * weight, after the first piece. */
void align__lane_back(const struct align__lane *lane);

/* c (of `stride`) = beta c + tile' * hidden. */
void align__lane_turned(const struct align__lane *lane, char *c, int64_t stride, double beta);

static inline char *align__lane_tile(const struct align__lane *lane,
                                     const struct align__piece *piece, int64_t i)
{
    return piece->tile + i * lane->linear->pitch * align_dtype_bytes(piece->source->dtype);
}

/* Row i of its logits, of lane->own or lane->other. */
static inline struct align__part align__lane_part(const struct align__lane *lane,
                                                  const struct align__piece *piece, int64_t i)
{
    return (struct align__part){align__lane_tile(lane, piece, i), piece->source->dtype,
                                lane->linear->head->begin + lane->first, lane->n};
}

/* Where a lane begins in this walk: at the end or beyond it, if there is nothing left for this one. */
static inline int64_t align__lane_begin(const struct align__lane *lane)
{
    return lane->linear->begin + (lane - lane->linear->lane) * lane->linear->wide;
}

static inline char *align__lane_sum(const struct align__lane *lane, int64_t i)
{
    const struct align__source *own = &lane->linear->own;
    return lane->dhidden + i * own->width * align_dtype_bytes(own->dtype);
}

#endif
