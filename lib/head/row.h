/* One row of logits, reduced a block at a time: the maximum with its place, and sums over all others. */
#ifndef ALIGN__HEAD_ROW_H
#define ALIGN__HEAD_ROW_H

#include "../kernels/kernels.h"

#include <stdbool.h>

/* Sums are over every element but the maximum (of equal ones, all but the first), with
 * e = exp(z - top). */
struct align__row {
    double top;
    int64_t at;              /* -1: nothing above -inf yet */
    double sum, dot, square; /* e, e * (top - z), e * e */
    int32_t power;           /* of two, near top: where terms are measured from */
    double unit;             /* which makes e of them */
};

/* What to add up: e; e from terms in f32, for ALIGN_FLAG_FAST; dot and square too. */
enum align__row_how { ALIGN__ROW_SUM, ALIGN__ROW_FAST, ALIGN__ROW_WIDE };

void align__row_start(struct align__row *row);

/* The next n <= ALIGN__STRIP elements, F32, BF16 or F16, of which the first has index `first`. */
void align__row_add(struct align__row *row, const struct align__kernels *kernels, align_dtype dtype,
                    const void *z, int64_t n, int64_t first, enum align__row_how how);

/* F64, which is overwritten. */
void align__row_add_f64(struct align__row *row, const struct align__kernels *kernels, double *z,
                        int64_t n, int64_t first, enum align__row_how how);

/* Does the maximum of the row stand in part a? Of equal ones, the first counts. */
bool align__row_above(const struct align__row *a, const struct align__row *b);

/* Takes in the sums over another part of the same row. */
void align__row_join(struct align__row *row, const struct align__row *from);

struct align__row_result {
    double lse;
    double
        rest; /* log(1 + sum of the others relative to the maximum): lse - top, never rounded to 0 */
    double entropy, collision;
};

struct align__row_result align__row_finish(const struct align__row *row);

/* log p of the element `target` with logit z. */
double align__row_logp(const struct align__row *row, const struct align__row_result *result,
                       int64_t target, double z);

#endif
