/* A loss as a row of the table, and what its function sees: blocks of singles or pairs, or one list. */
#ifndef ALIGN__LOSS_ROW_H
#define ALIGN__LOSS_ROW_H

#include "../kernels/f64.h"

#include <libalign/loss.h>

#include <float.h>
#include <stdbool.h>

/* Parameters, each described once in params.c. */
enum align__param {
    ALIGN__PARAM_END,
#define PARAM(id, field, kind, brief, choices) ALIGN__PARAM_##id,
#include "params.def"
#undef PARAM
    ALIGN__PARAM_COUNT
};

/* A parameter as one row has it. */
struct align__param_use {
    enum align__param param;
    double standard, least, most;
};

/* Ends of ranges. */
#define ALIGN__ABOVE_0    DBL_MIN
#define ALIGN__BELOW_HALF 0x1.fffffffffffffp-2
#define ALIGN__ANY        DBL_MAX

/* The parameters of rows whose log-ratios may stand for scores under an f-divergence. */
#define ALIGN__DIVERGENCE                                                                          \
    {ALIGN__PARAM_DIVERGENCE, ALIGN_DIVERGENCE_REVERSE_KL, ALIGN_DIVERGENCE_REVERSE_KL,            \
     ALIGN_DIVERGENCE_CHI},                                                                        \
    {                                                                                              \
        ALIGN__PARAM_ORDER, 0.5, -ALIGN__ANY, ALIGN__ANY                                           \
    }

/* Named sets of parameters that differ from the defaults. */
struct align__preset {
    const char *name;
    struct {
        enum align__param param;
        double value;
    } set[8]; /* ended by a parameter 0 */
};

/* "trl-0.28" and "trl-1.10" of rows whose paper has another beta than TRL, which has 0.1. */
extern const struct align__preset align__trl_beta[];

/* What must hold for every row, unless the row says why it does not. tests/props walks these. */
enum align__property {
    ALIGN__PROP_SHIFT,    /* one number added to all scores of a group changes nothing */
    ALIGN__PROP_SUM_ZERO, /* the gradients of a group add up to 0 */
    ALIGN__PROP_SWAP,     /* pairs: exchanging the items and prob with 1 - prob changes no value */
    ALIGN__PROP_PERMUTE,  /* lists: permuted items have permuted gradients */
    ALIGN__PROP_PAIR,     /* lists: at K = 2 it is the pair row `as_pair` */
    ALIGN__PROP_REF,      /* ref enters as score - ref only */
    ALIGN__PROP_MERGE,    /* groups do not see each other */
    ALIGN__PROP_WORTH, /* rows that read ref: with a divergence it is the row on what log-ratios are worth */
    ALIGN__PROP_COUNT
};

enum { ALIGN__BLOCK = 128, ALIGN__MAX_USES = 16, ALIGN__MAX_LEARN = 8 };

/* How groups are matched with each other before a row's function runs: pairs by what they look like in
 * sorted order, or each side of the pairs by itself. */
enum align__couple { ALIGN__COUPLE_NONE, ALIGN__COUPLE_MARGINS, ALIGN__COUPLE_SIDES };

/* One item of every group of a block. `ratio` is score - ref, or score where there is no ref; `share` 1 / count, or 0
 * for a sequence without tokens. `twin` is what the item is matched with, in rows that couple. */
struct align__side {
    double score[ALIGN__BLOCK], ratio[ALIGN__BLOCK], twin[ALIGN__BLOCK];
    double count[ALIGN__BLOCK], share[ALIGN__BLOCK], aux[ALIGN__BLOCK], label[ALIGN__BLOCK];
    double old[ALIGN__BLOCK];
    double worth[ALIGN__BLOCK]; /* where a divergence makes it differ from ratio */
    double d[ALIGN__BLOCK], daux[ALIGN__BLOCK], h[ALIGN__BLOCK];
};

/* n singles or pairs. What the caller did not give is filled: prob 1, offset 0, others 0. The function
 * of a row writes value, margin (of pairs: what its link is applied to), and for each side d and h,
 * both by the worth, in rows without one by the score, and daux, if the row has them. */
struct align__block {
    const align_loss_params *params;
    const struct align__f64 *f64;
    uint32_t given; /* ALIGN_LOSS_READS_ of what the caller gave */
    int n;
    struct align__side side[2];
    const double *worth[2]; /* of each side: what its log-ratios are worth */
    double prob[ALIGN__BLOCK], offset[ALIGN__BLOCK];
    double value[ALIGN__BLOCK], margin[ALIGN__BLOCK];
    double learn[ALIGN__MAX_LEARN][ALIGN__BLOCK]; /* by the i-th parameter of the row */
    double link[2][4][ALIGN__BLOCK];              /* align__logistics_of */
};

/* One list without its absent items. log_ratio is score - ref and stays; ratio is the same, or what it is worth
 * under a divergence, which grows with it: so orders come from log_ratio. The function of a row writes value, d
 * by ratio, and if it has them h and daux; it may use work, order, rank and spare as it likes, and change ratio. */
enum { ALIGN__LIST_WORK = 6, ALIGN__SINKHORN_MOST = 50 };
struct align__list {
    const align_loss_params *params;
    const struct align__f64 *f64;
    int64_t n;
    double *score, *log_ratio, *ratio, *count, *aux, *label, *old;
    double *d, *daux, *h;
    double *place; /* in, where placed; out, in rows that read rank */
    bool placed;
    int64_t group;
    double *work[ALIGN__LIST_WORK];
    int64_t *order, *rank, *spare;
    double *room; /* of Sinkhorn steps, [params.sinkhorn, n], or of swaps */
    double value;
    double steepness; /* align__sum_pairs: sum of |derivative by the distance of the two scores| */
};

struct align__loss_row {
    const char *name, *brief, *source, *formula, *gradient;
    const char *golden; /* whose number tests/golden/loss*.c compares with; NULL: our own reading */
    int32_t arity;
    uint32_t needs, reads;
    double label_least, label_most;
    bool log_probs; /* scores above 0 have no meaning, and are refused */
    bool no_weight; /* does not read weight */
    enum align__couple couple;
    const char *(*check)(
        const align_loss_params *params); /* what is wrong with them together, or NULL */
    struct align__param_use params[ALIGN__MAX_USES];
    const struct align__preset *presets; /* ended by a NULL name */
    void (*block)(struct align__block *block);
    void (*list)(struct align__list *list);
    const char
        *unless[ALIGN__PROP_COUNT]; /* why a property cannot hold; NULL: it holds, and is tested */
    align_loss_id as_pair;
};

/* The name of a row in a file that is compiled once for each instruction set. */
#define ALIGN__ROW(name)             ALIGN__ROW_AT(name, ALIGN__LEVEL)
#define ALIGN__ROW_AT(name, level)   ALIGN__ROW_JOIN(name, level)
#define ALIGN__ROW_JOIN(name, level) align__loss_##name##_##level

/* The row of an id, or NULL; with functions for the instruction sets of `cpu`, whose bits are those of plain C. */
const struct align__loss_row *align__loss_row(align_loss_id id);
const struct align__loss_row *align__loss_row_for(align_loss_id id, uint64_t cpu);

static inline uint32_t align__loss_reads(const struct align__loss_row *row)
{
    const uint32_t by_arity = row->arity == ALIGN_LOSS_LIST ? ALIGN_LOSS_READS_OFFSETS : 0U;
    const uint32_t weight = row->no_weight ? 0U : ALIGN_LOSS_READS_WEIGHT;
    return row->needs | row->reads | by_arity | weight;
}

/* Number of parameters of a row. */
uint32_t align__loss_n_params(const struct align__loss_row *row);

#define LIST_ROW(id, name) extern const struct align__loss_row align__loss_##name;
#define ROW(id, name)                                                                              \
    extern const struct align__loss_row align__loss_##name##_c, align__loss_##name##_avx2,         \
        align__loss_##name##_avx512;
#include "rows.def"
#undef ROW
#undef LIST_ROW

#endif
