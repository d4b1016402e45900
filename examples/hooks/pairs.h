/* What both programs compute: the DPO loss of many pairs, and its gradient. */
#ifndef HOOKS_PAIRS_H
#define HOOKS_PAIRS_H

#include <libalign/align.h>

/* Evaluates the same pairs once on the calling thread alone and once with the hook, prints both values
 * and returns 0 when loss and gradient are equal to the last bit. */
int compare_with_serial(const char *name, align_parallel_fn hook, void *user, uint32_t workers);

#endif
