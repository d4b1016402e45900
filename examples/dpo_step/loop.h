/* A training loop in C as it may exist before libalign comes: a small language model whose rows of logits are padded, and
 * its forward and backward. */
#ifndef DPO_STEP_LOOP_H
#define DPO_STEP_LOOP_H

#include <stdint.h>

enum { VOCABULARY = 50, PADDED = 64, WIDTH = 16, SEQUENCES = 16, LENGTH = 12 };

/* The next token from the present one: logits = head . embedding[token]. */
struct model {
    float embedding[VOCABULARY][WIDTH], head[VOCABULARY][WIDTH];
};

/* For preferences, the chosen and the rejected answer of a prompt stand one after the other. Positions
 * with mask 0 predict tokens of the prompt, or nothing. */
struct batch {
    int32_t token[SEQUENCES][LENGTH], target[SEQUENCES][LENGTH];
    uint8_t mask[SEQUENCES][LENGTH];
};

/* Writes logits [SEQUENCES, LENGTH, PADDED]; nothing is written to the last PADDED - VOCABULARY of a row. */
void model_forward(const struct model *model, const struct batch *batch, float *logits);

/* Writes the gradient of the model from that of the logits. */
void model_backward(const struct model *model, const struct batch *batch, const float *dlogits,
                    struct model *grad);

void model_update(struct model *model, const struct model *grad, float rate);

#endif
