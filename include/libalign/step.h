/* libalign/step.h - a whole training step in one call: reference, policy, losses, gradient.
 *
 *     align_head_forward(ref), align_head_forward(policy), align_loss_eval(each loss), align_head_backward(policy)
 *
 * with equal bits, and with every argument of every part checked before the first of them writes. The
 * parts meet in the caller's memory, as they do when they are called one by one: score of a loss is
 * the logp that the policy's forward writes, ref is that of the reference, and dlogp of the policy is
 * the dscore that the losses write.
 *
 *     policy.logp = ref.logp = ...;                  loss.score = policy.logp as [G,2], loss.ref = ref.logp
 *     loss.dscore = dlogp as [G,2], policy.dlogp = dlogp
 */
#ifndef LIBALIGN_STEP_H
#define LIBALIGN_STEP_H

#include <libalign/base.h>
#include <libalign/head.h>
#include <libalign/loss.h>

typedef struct align_step_args {
    size_t size;
    const align_head *policy; /* forward and backward; required, with what both of them need */
    /* Forward only: what a backward would read or write, and flags, must be absent. NULL: no reference
     * (none is needed, or its log-probabilities are at hand from an earlier run). Its outputs may not
     * share memory with outputs of the policy or with its logits. */
    const align_head *ref;
    /* An array of n_losses, 1 or more, evaluated in order. All have the same `size`. Where several
     * write the same dscore, all but the first say ALIGN_LOSS_ADD. */
    const align_loss_args *losses;
    uint32_t n_losses;
} align_step_args;

ALIGN_API void align_step_args_init(align_step_args *args, size_t size);

/* Bytes of scratch: the most that any part needs at least, and the most that any makes use of, as parts
 * run one after another. For a linear policy in two passes `best` adds room for all its logits (4 N V
 * bytes, 8 with an F64 operand): the step keeps as many as its scratch has room for, from the forward to
 * the backward, which does not make those again. So a step costs 8 N D V flops with `least` and 6 N D V
 * with `best` (the resident plan), and anything between, with equal bits. Tiles of tokens in which some
 * counted row has no gradient are made again. */
ALIGN_API ALIGN_MUST_CHECK align_status align_step_scratch(const align_exec *exec,
                                                           const align_step_args *args,
                                                           size_t *least, size_t *best);

/* Runs the step. Codes are those of the parts; fields are named as seen from here, such as
 * "align_step_args.policy.logits", "align_step_args.ref.tokens.target" and "align_step_args.losses[1].score".
 *
 * What can be checked beforehand is, and then nothing was written. Three things come later and leave
 * what the parts before them wrote: a number that ALIGN_FLAG_FINITE forbids, in logits or in what a part
 * computed (RANGE); a count below 0 where the head did not write it (RANGE); and PARALLEL. exec->cancel
 * is polled before each part: CANCELLED leaves what the parts before it wrote. Where a head has a sharded
 * vocabulary, a rank that fails or cancels stops the others with COMM before their next part. */
ALIGN_API ALIGN_MUST_CHECK align_status align_step_run(const align_exec *exec,
                                                       const align_step_args *args);

#endif
