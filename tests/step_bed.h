/* A step that would succeed: a policy and its reference over a few sequences, and two losses whose
 * gradients add. The parts meet in the arrays of the bed, as a trainer would have them. */
#ifndef TESTS_STEP_BED_H
#define TESTS_STEP_BED_H

#include <libalign/align.h>

#include <string.h>

enum { BED_PAIRS = 5, BED_ROWS = 40, BED_VOCABULARY = 1000, BED_SEQUENCES = 2 * BED_PAIRS };

struct bed {
    align_tokens tokens;
    align_head policy, ref;
    align_loss_args losses[2];
    align_step_args step;
    int64_t offsets[BED_SEQUENCES + 1];
    int32_t target[BED_ROWS];
    double logits[BED_ROWS * BED_VOCABULARY], ref_logits[BED_ROWS * BED_VOCABULARY];
    double token_logp[BED_ROWS], lse[BED_ROWS], value[2];
    float logp[BED_SEQUENCES], ref_logp[BED_SEQUENCES], dlogp[BED_SEQUENCES];
};

static inline void bed_fill(void *data, align_dtype dtype, int64_t n, uint32_t state)
{
    for (int64_t i = 0; i < n; i++) {
        state = state * 1664525 + 1013904223;
        double x = (state >> 8) / 2097152.0 - 4;
        float f = (float)x;
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        if (dtype == ALIGN_F64)
            ((double *)data)[i] = x;
        else if (dtype == ALIGN_F32)
            ((float *)data)[i] = f;
        else
            ((uint16_t *)data)[i] = (uint16_t)(bits >> 16);
    }
}

static inline void bed_losses(struct bed *bed)
{
    for (int i = 0; i < 2; i++) {
        align_loss_args *loss = &bed->losses[i];
        align_loss_args_init(loss, sizeof *loss);
        loss->value = align_1d(&bed->value[i], ALIGN_F64, 1);
    }
    align_loss_args *dpo = &bed->losses[0], *sft = &bed->losses[1];
    dpo->loss = ALIGN_LOSS_DPO;
    dpo->score = align_2d(bed->logp, ALIGN_F32, BED_PAIRS, 2);
    dpo->ref = align_2d(bed->ref_logp, ALIGN_F32, BED_PAIRS, 2);
    dpo->dscore = align_2d(bed->dlogp, ALIGN_F32, BED_PAIRS, 2);
    sft->loss = ALIGN_LOSS_SFT;
    sft->scale = 0.1;
    sft->flags = ALIGN_LOSS_ADD;
    sft->score = align_1d(bed->logp, ALIGN_F32, BED_PAIRS);
    sft->score.stride[0] = 2;
    sft->dscore = align_1d(bed->dlogp, ALIGN_F32, BED_PAIRS);
    sft->dscore.stride[0] = 2;
}

/* The gradient of the policy is written over its logits. */
static inline void bed_make(struct bed *bed, align_dtype dtype)
{
    memset(bed, 0, sizeof *bed);
    align_tokens_init(&bed->tokens, sizeof bed->tokens);
    for (int s = 0; s <= BED_SEQUENCES; s++)
        bed->offsets[s] = s * s * BED_ROWS / (BED_SEQUENCES * BED_SEQUENCES);
    for (int n = 0; n < BED_ROWS; n++)
        bed->target[n] = n % 7 == 0 ? -100 : n * 31 % BED_VOCABULARY;
    bed->tokens.target = align_1d(bed->target, ALIGN_I32, BED_ROWS);
    bed->tokens.offsets = align_1d(bed->offsets, ALIGN_I64, BED_SEQUENCES + 1);
    bed_fill(bed->logits, dtype, BED_ROWS * BED_VOCABULARY, 1);
    bed_fill(bed->ref_logits, dtype, BED_ROWS * BED_VOCABULARY, 2);
    align_head *policy = &bed->policy, *ref = &bed->ref;
    align_head_init(policy, sizeof *policy);
    align_head_init(ref, sizeof *ref);
    policy->tokens = ref->tokens = &bed->tokens;
    policy->logits = policy->dlogits = align_2d(bed->logits, dtype, BED_ROWS, BED_VOCABULARY);
    ref->logits = align_2d(bed->ref_logits, dtype, BED_ROWS, BED_VOCABULARY);
    policy->logp = align_1d(bed->logp, ALIGN_F32, BED_SEQUENCES);
    ref->logp = align_1d(bed->ref_logp, ALIGN_F32, BED_SEQUENCES);
    policy->token_logp = align_1d(bed->token_logp, ALIGN_F64, BED_ROWS);
    policy->lse = align_1d(bed->lse, ALIGN_F64, BED_ROWS);
    policy->dlogp = align_1d(bed->dlogp, ALIGN_F32, BED_SEQUENCES);
    bed_losses(bed);
    align_step_args_init(&bed->step, sizeof bed->step);
    bed->step.policy = policy;
    bed->step.ref = ref;
    bed->step.losses = bed->losses;
    bed->step.n_losses = 2;
}

/* Numbers that calls write, one after another at the end of the bed. */
static inline const void *bed_results(const struct bed *bed, size_t *bytes)
{
    *bytes = sizeof *bed - offsetof(struct bed, logits);
    return bed->logits;
}

#endif
