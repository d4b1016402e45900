/* What the parts of the dense head share. */
#ifndef ALIGN__HEAD_H
#define ALIGN__HEAD_H

#include "exec.h"
#include "kernels/kernels.h"
#include "tensor.h"

#include <libalign/head.h>

/* A call, checked. */
struct align__head {
    align_exec exec;
    align_tokens tokens;
    align_head args;
    const struct align__kernels *kernels;
    int64_t rows, vocab, sequences;
    int64_t length; /* T of a padded batch, 0 for a packed one */
    bool exact;     /* f64 arithmetic: f64 storage, scale, softcap, entropy gradients */
};

enum align__head_use { ALIGN__HEAD_SCRATCH, ALIGN__HEAD_FORWARD, ALIGN__HEAD_BACKWARD };

/* Takes in the caller's structs and checks everything that the call reads or writes; for
 * align_head_scratch only shapes, dtypes and options. */
align_status align__head_check(struct align__head *head, enum align__head_use use,
                               const align_exec *exec, const align_head *args);

/* One row of the batch, as the walk over sequences finds it. */
struct align__head_row {
    int64_t index, sequence, target;
    bool not_finite;              /* forward, with ALIGN_FLAG_FINITE */
    double weight;                /* 0: does not count */
    double logp;                  /* forward's result */
    double dlogp, dentropy, dlse; /* backward's coefficients */
};

/* Rows come in order and in batches, so that a call needs no memory of its own beyond the stack. */
enum { ALIGN__HEAD_BATCH = 256 };

struct align__head_walk {
    int64_t next, sequence,
        end; /* the next row, the sequence of the last one, and where that ends */
};
static const struct align__head_walk align__head_start = {.sequence = -1};

/* The next rows, at most ALIGN__HEAD_BATCH; 0 at the end. */
int64_t align__head_next(const struct align__head *head, struct align__head_walk *walk,
                         struct align__head_row *rows);

/* Runs fn over the rows of a batch; the grid depends on shapes alone. */
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

static inline void align__head_store(const struct align__head *head, const align_tensor *t,
                                     int64_t n, double x)
{
    if (align__present(t))
        align__store(t->dtype, align__head_at(head, t, n), x);
}

/* n <= ALIGN__BLOCK logits of row `row` from element `first`, as f32: their own memory, or `spare`. */
const float *align__head_block(const struct align__head *head, int64_t row, int64_t first,
                               int64_t n, float *spare);

/* The same in f64, with scale and softcap; dz (or NULL) gets d z / d logit. */
void align__head_block_f64(const struct align__head *head, int64_t row, int64_t first, int64_t n,
                           double *z, double *dz);

void align__head_forward_row(const struct align__head *head, struct align__head_row *out);
void align__head_backward_row(const struct align__head *head, struct align__head_row *row);

#endif
