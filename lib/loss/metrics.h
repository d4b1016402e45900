/* What is counted beside the value: one set of metrics for singles, one for pairs, one for lists. */
#ifndef ALIGN__LOSS_METRICS_H
#define ALIGN__LOSS_METRICS_H

#include "math.h"
#include "row.h"

enum { ALIGN__MAX_METRICS = 24 };

struct align__metric_row {
    const char *name, *brief;
};

struct align__metric_set {
    uint32_t count;
    const struct align__metric_row *rows;
};

const struct align__metric_set *align__metrics_of(const struct align__loss_row *row);

/* Sum and count of each metric. */
typedef struct align__total align__metric_sums[ALIGN__MAX_METRICS][2];

/* Adds a block, after its function has run. odd[i]: something of group i was not finite (NULL: nothing of any); groups whose
 * value is NaN enter non_finite and nothing else. */
void align__metrics_block(align__metric_sums sums, const struct align__loss_row *row,
                          const struct align__block *block, const double *weight, const bool *odd);

void align__metrics_list(align__metric_sums sums, const struct align__loss_row *row,
                         const struct align__list *list, double weight, bool odd);

#endif
