/* What dpo_step.c adds to the training loop. Functions return 0, or print what is wrong and return 1. */
#ifndef DPO_STEP_H
#define DPO_STEP_H

#include "loop.h"

/* Log-probabilities of the sequences into logp; with those of the reference, which is the untuned model, also the
 * loss, and the logits become their gradient. */
int dpo_step(const struct batch *batch, float *logits, const float *ref, float *logp, double *loss);

/* For a loop that makes log-probabilities itself: those in, their gradient dlogp out. Pairs are neighbours. */
int dpo_step_logp(int sequences, const float *logp, const float *ref, float *dlogp, double *loss);

#endif
