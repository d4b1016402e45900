/* Matching of groups over a whole batch, for rows that couple. */
#ifndef ALIGN__LOSS_COUPLE_H
#define ALIGN__LOSS_COUPLE_H

#include "plan.h"

enum { ALIGN__COUPLE_ARRAYS = 8 };

/* Bytes that matching needs; 0 for rows that do not couple. */
size_t align__couple_bytes(const struct align__plan *plan);

/* Sorts and matches the live groups in `memory`, and points plan->twin there. Groups with a NaN take no
 * part. */
void align__couple(struct align__plan *plan, void *memory);

#endif
