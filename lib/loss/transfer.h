/* From the caller's tensors to blocks and lists of f64, and back. */
#ifndef ALIGN__LOSS_TRANSFER_H
#define ALIGN__LOSS_TRANSFER_H

#include "plan.h"

/* The live groups that a block holds. */
struct align__batch {
    const struct align__f64 *f64;
    bool dense; /* groups first, first + 1, ... of a view: columns move as strided rows */
    int64_t first;
    int n, arity;
    int64_t group[ALIGN__BLOCK];
    struct align__place place[2][ALIGN__BLOCK];
    double weight[ALIGN__BLOCK],
        scale[ALIGN__BLOCK]; /* of values; of what is written: factor times weight */
    bool any_odd, any_nan;
    bool nan[ALIGN__BLOCK],
        odd[ALIGN__BLOCK]; /* a NaN, or anything not finite, among the inputs; set where any_odd */
};

/* Sets once what absent tensors stand for. */
void align__batch_open(const struct align__plan *plan, struct align__batch *batch,
                       struct align__block *block);

/* Fills a block with live groups from *first on, and moves *first behind them; false at the end. */
bool align__batch_next(const struct align__plan *plan, struct align__batch *batch,
                       struct align__block *block, int64_t *first, int64_t end);

/* Writes scale_i x_i to the first item of each group and scale_i y_i to the second (NULL: there is none), or adds them
 * where the call or the form adds. */
void align__batch_put(const struct align__plan *plan, const struct align__batch *batch,
                      const align_tensor *out, const double *x, const double *y);
void align__batch_put_group(const struct align__plan *plan, const struct align__batch *batch,
                            const double *value);

/* f64 and i64 arrays of a list's length that a slot holds; the last says where items came from. */
enum { ALIGN__LIST_ARRAYS = 11 + ALIGN__LIST_WORK + 4 };

static inline size_t align__list_bytes(const struct align__plan *plan)
{
    const size_t width = (size_t)plan->width, steps = width * (size_t)plan->params.sinkhorn,
                 swaps = (size_t)align__swaps_room(plan->width);
    return (ALIGN__LIST_ARRAYS * width + (steps > swaps ? steps : swaps)) * sizeof(double);
}

/* Lays a list over a slot; returns the last array. */
int64_t *align__list_lay(struct align__list *list, char *slot, int64_t width);

struct align__listed {
    double weight;
    bool nan, odd;
    bool
        vain; /* all log-ratios are -inf: nothing to choose between, so value and gradient stay 0 */
};

struct align__listed align__list_get(const struct align__plan *plan, int64_t g,
                                     struct align__list *list, int64_t *at);
void align__list_put(const struct align__plan *plan, int64_t g, const struct align__list *list,
                     const int64_t *at, double factor);

/* Writes x, or adds it. */
void align__put(const align_tensor *out, int64_t i, int64_t j, double x, bool add);

/* Zeros where no group may write. */
void align__clear_outputs(const struct align__plan *plan);

#endif
