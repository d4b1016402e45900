/* Labels of lists from scores by a normaliser of rewards. */
#ifndef TUNE_LABELS_H
#define TUNE_LABELS_H

#include "data.h"

#include <libalign/align.h>

/* Makes the label of each answer its score, normalised within its list: a kind of normaliser ("zscore"), or what a trainer
 * does ("trl/grpo"). Refuses what needs more than the scores of one list. */
bool labels_normalise(dataset *d, const char *norm, problem *why);

#endif
