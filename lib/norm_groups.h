/* Normalisation within groups: what the checks hand to the arithmetic. */
#ifndef ALIGN__NORM_GROUPS_H
#define ALIGN__NORM_GROUPS_H

#include "norm.h"

enum { ALIGN__GROUP_ON_STACK = 256 };

struct align__groups {
    align_norm_groups_args args;
    align_norm_params params, then;
    struct align__run reward, mask, length, out;
    int64_t groups, models, largest;
    bool refuses; /* a reward that is not finite */
};

/* Takes the caller's args in, with everything that can be wrong but the rewards themselves. */
align_status align__groups_enter(const align_exec *exec, struct align__groups *g,
                                 const align_norm_groups_args *args);

/* Where group i begins and how many rewards it has. */
void align__groups_range(const struct align__groups *g, int64_t i, int64_t *first, int64_t *n);

/* Weight of a model. */
double align__groups_weight(const struct align__groups *g, int64_t model);

/* Position of a reward, for errors. */
void align__groups_index(const struct align__groups *g, int64_t at, struct align__fault *fault);

#endif
