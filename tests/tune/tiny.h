/* A small random model and dataset for the trainer's tests. */
#ifndef TESTS_TUNE_TINY_H
#define TESTS_TUNE_TINY_H

#include "data.h"
#include "model.h"

void tiny_model(model *m, uint64_t seed, bool tied);
/* groups of 2 .. most answers after a common prompt; scores whole numbers, so that ties occur. */
void tiny_data(dataset *d, uint64_t seed, int groups, int most, const model_config *c);

#endif
