/* What the parts of a head share. */
#ifndef ALIGN__HEAD_H
#define ALIGN__HEAD_H

#include "../base/exec.h"
#include "row.h"
#include "../kernels/f64.h"
#include "../base/tensor.h"

#include <libalign/head.h>

/* How logits come from what stands in memory; the scale of kl has 1 / temperature in it. */
struct align__bend {
    double scale, softcap, after; /* z = after * softcap * tanh(scale * x / softcap) */
};

/* A call, checked. */
struct align__head {
    align_exec exec;
    align_tokens tokens;
    align_head args;
    align_head other; /* what kl compares with, when args.other is there */
    const struct align__kernels *kernels;
    const struct align__f64 *f64;
    int64_t rows, vocab, sequences;
    int64_t begin, total; /* this process has elements begin .. begin+vocab-1 of total */
    bool shared;          /* other ranks may have the others: all take part in sums over a row */
    int64_t ranks;        /* then, how many */
    int64_t length;       /* T of a padded batch, 0 for a packed one */
    bool linear;          /* logits are hidden x weight + bias; else they are given */
    int64_t width;        /* D of a linear head */
    bool exact;           /* f64 arithmetic: f64 storage, scale, softcap, entropy gradients */
};

enum align__head_use { ALIGN__HEAD_SCRATCH, ALIGN__HEAD_FORWARD, ALIGN__HEAD_BACKWARD };

/* Takes in the caller's structs and checks everything that the call reads or writes; for
 * align_head_scratch only shapes, dtypes and options. */
align_status align__head_check(struct align__head *head, enum align__head_use use,
                               const align_exec *exec, const align_head *args);

/* Memory in which a forward of a linear head in two passes leaves logits, as many as it holds, for the
 * backward of the same step, which uses them up. */
struct align__kept {
    char *at;            /* at a cache line */
    size_t size, passed; /* bytes, and those of tiles of tokens that a walk has passed */
    bool filled;
};

/* Forward and backward, with kept memory or NULL; and how much of that holds all logits. */
align_status align__head_forward(const align_exec *exec, const align_head *args,
                                 struct align__kept *kept);
align_status align__head_backward(const align_exec *exec, const align_head *args,
                                  struct align__kept *kept);
size_t align__linear_kept(const struct align__head *head);

/* Its part about align_tokens: shapes first, then, when shapes of logits are known, what is in them. */
align_status align__head_check_tokens(struct align__head *head);
align_status align__head_check_targets(const struct align__head *head);

/* Its part about the head that kl compares with, and for ALIGN_FLAG_FINITE what that holds. */
align_status align__head_check_other(struct align__head *head);
align_status align__head_check_other_finite(const struct align__head *head);

/* Sizes and strides that the BLAS can count, and a stride of 1 along the last axis. */
align_status align__head_check_matrix(const align_exec *exec, struct align__named named);
align_status align__head_check_inner(const align_exec *exec, struct align__named named);

static inline bool align__head_adds(const struct align__head *head, uint32_t flag)
{
    return (head->args.flags & flag) != 0;
}

/* One side of kl, the one that weighs. */
struct align__weigher {
    struct align__row sums;
    double cross;   /* sum of e (d - d at the top) */
    double at_top;  /* d there */
    double against; /* the other side's logit there */
    bool infinite;  /* the other side has no mass where this has some */
};

enum align__head_kind { ALIGN__ROW_ZERO, ALIGN__ROW_NAN, ALIGN__ROW_LIVE };

/* One row of the batch, as the walk over sequences finds it, and what becomes of it. Elements of the
 * vocabulary are numbered as over all ranks. */
struct align__head_row {
    int64_t index, sequence, target;
    double weight; /* 0: does not count */

    /* forward */
    struct align__row sums;
    double z, slope; /* the target's logit, and its derivative by what stood in memory */
    double logp, lse;
    int64_t odd; /* with ALIGN_FLAG_FINITE: 1 + the first logit that is not finite; 0: none */
    double odd_value;

    /* backward: coefficients as they were given, and what gradients are made of */
    double dlogp, dentropy, dlse, dkl;
    double entropy, dtarget;
    enum align__head_kind kind;

    /* both: KL(first||second), and the sums of both sides */
    struct align__weigher weighers[2];
    struct align__head_kl {
        double value, lse, other_lse; /* at the temperature of kl */
    } kl;
};

/* Rows of dense logits come in batches of this size, so that the call needs no memory but the stack. */
enum { ALIGN__HEAD_BATCH = 128 };

struct align__head_walk {
    int64_t next, sequence,
        end; /* the next row, the sequence of the last one, and where that ends */
};
static const struct align__head_walk align__head_start = {.sequence = -1};

/* A walk that begins with a sequence. */
struct align__head_walk align__head_walk_of(const struct align__head *head, int64_t sequence);

/* The next rows, at most `most`, with sums of nothing; 0 at the end. */
int64_t align__head_next(const struct align__head *head, struct align__head_walk *walk,
                         struct align__head_row *rows, int64_t most);

/* Runs fn over rows; the grid depends on shapes alone. */
typedef void (*align__head_row_fn)(const struct align__head *head, struct align__head_row *row);
align_status align__head_run(const struct align__head *head, struct align__head_row *rows,
                             int64_t count, align__head_row_fn fn);

/* Address of row n of a tensor that has one entry (or one vector) a row. */
void *align__head_at(const struct align__head *head, const align_tensor *t, int64_t n);

static inline double align__head_load(const struct align__head *head, const align_tensor *t,
                                      int64_t n)
{
    return align__load(t->dtype, align__head_at(head, t, n));
}

/* Position of row n for an error: one axis of a packed batch, two of a padded one. Returns how many. */
uint32_t align__head_index(const struct align__head *head, int64_t n, int64_t index[3]);

/* A stretch of a row of logits in memory, before scale and softcap: elements first .. first+n-1, as they are
 * numbered over all ranks. */
struct align__part {
    char *at;
    align_dtype dtype;
    int64_t first, n;
};

/* The part of at most `most` elements that begins `skip` behind its first. */
struct align__part align__part_of(const struct align__part *part, int64_t skip, int64_t most);

/* A part as f64 logits; slope (or NULL) gets d z / d x. */
void align__part_f64(const struct align__f64 *f64, const struct align__part *part,
                     struct align__bend bend, double *z, double *slope);

/* Blocks of f64, of which a function holds several. */
enum { ALIGN__BLOCK_F64 = 1024 };

/* Takes a part into row->sums, and the target when it is there. */
void align__head_reduce(const struct align__head *head, struct align__head_row *row,
                        const struct align__part *part);

/* The first logit of these rows that ALIGN_FLAG_FINITE forbids. */
align_status align__head_report_odd(const struct align__head *head,
                                    const struct align__head_row *rows, int64_t count);

/* Writes the results of a row, of zeros when it does not count. */
void align__head_finish(const struct align__head *head, struct align__head_row *row);

/* exp(z - top) * slope * 2^ALIGN__HEAD_BIAS over a part in place, 0 at the target. */
enum { ALIGN__HEAD_BIAS = 40 };
void align__head_weigh(const struct align__head *head, const struct align__head_row *row,
                       const struct align__part *part);

/* Reads what the gradient of a row depends on, and says in row->kind what becomes of it. With dkl the sums
 * of kl follow, and then align__head_gradient_kl, which may yet make it NaN. */
void align__head_gradient_start(const struct align__head *head, struct align__head_row *row);
void align__head_gradient_kl(const struct align__head *head, struct align__head_row *row);

static inline bool align__head_wants_kl(const struct align__head_row *row)
{
    return row->kind == ALIGN__ROW_LIVE && row->dkl != 0;
}

/* Gradients of a part x go to g, which may be x, or are added to it. `other` is the same part of the
 * other head, and read where row->dkl is not 0. */
void align__head_gradient(const struct align__head *head, const struct align__head_row *row,
                          const struct align__part *x, const struct align__part *other,
                          const struct align__part *g, bool adds);

/* The sums of kl, part by part, of logits of this head and of the other; then row->kl. */
void align__head_kl_add(const struct align__head *head, struct align__head_row *row,
                        const struct align__part *this, const struct align__part *other);
void align__head_kl_finish(const struct align__head *head, struct align__head_row *row);

/* Takes in the sums over another part of the vocabulary. */
void align__weigher_join(struct align__weigher *w, const struct align__weigher *from);

/* Adds dkl * d kl / d z to g over a block with logits z (at temperature 1) and `other`. */
void align__head_kl_gradient(const struct align__head *head, const struct align__head_row *row,
                             const struct align__part *other, const double *z, double *g);

/* ---- a vocabulary of which each rank has a part ---- */

/* Every rank comes here before it works, also one that fails with `status`: then, and when the parts of
 * all do not make up the vocabulary, none goes on. */
align_status align__head_agree(struct align__head *head, align_status status);

/* Sums of these rows over this rank's part become those over all; again also with a failed status: one that fails
 * between two joins comes to the next, where the others wait. */
align_status align__head_join(const struct align__head *head, struct align__head_row *rows,
                              int64_t count, align_status status);

/* n elements of any real dtype become `value`. */
void align__head_fill(char *at, align_dtype dtype, int64_t n, double value);

/* factor times a row of any real dtype, nothing where `at` is NULL. */
struct align__scaled {
    align_dtype dtype;
    const char *at;
    double factor;
};

/* The sum of all in f64, rounded once to n elements that may be those of one. */
void align__head_combine(const struct align__scaled *terms, int count, align_dtype dtype, char *at,
                         int64_t n);

#endif
