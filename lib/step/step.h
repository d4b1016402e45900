/* What the parts of a step share. Heads and losses are checked in files of their own, as they do not know
 * each other. */
#ifndef ALIGN__STEP_H
#define ALIGN__STEP_H

#include "../base/exec.h"

#include <libalign/step.h>

#include <stdbool.h>

struct align__step {
    align_exec exec;
    align_step_args args;
    align_exec early; /* for checks before anything is written: no values are there to be finite */
    bool shared;      /* a head has a part of a vocabulary: ranks keep in step */
    size_t least, best; /* of the parts, one after another */
    size_t kept;        /* what holds all logits of the policy, beyond that */
};

enum align__step_part { ALIGN__STEP_POLICY, ALIGN__STEP_REF, ALIGN__STEP_LOSS };

/* Returns status, after it has said in exec->error of which part a failed call spoke; `index` is that of a
 * loss. */
align_status align__step_locate(const struct align__step *step, align_status status,
                                enum align__step_part part, uint32_t index);

/* The caller's array has elements of the caller's size. */
static inline const align_loss_args *align__step_loss(const align_step_args *args, uint32_t i)
{
    return (const align_loss_args *)(const void *)((const char *)args->losses +
                                                   i * args->losses->size);
}

align_status align__step_check_heads(struct align__step *step);

/* step->kept: 0 for a policy whose backward makes no logits. */
align_status align__step_measure_kept(struct align__step *step);

align_status align__step_check_losses(const struct align__step *step);

#endif
