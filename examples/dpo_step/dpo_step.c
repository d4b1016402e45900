#include "dpo_step.h"

#include <libalign/align.h>
#include <stdio.h>

static int said(align_status status, const align_exec *exec)
{
    if (status != ALIGN_E_NONE)
        fprintf(stderr, "%s: %s\n", align_status_name(status), exec->error->text);
    return status != ALIGN_E_NONE;
}

int dpo_step_logp(int sequences, const float *logp, const float *ref, float *dlogp, double *loss)
{
    align_error error;
    align_error_init(&error, sizeof error);
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    exec.error = &error;
    align_loss_args dpo;
    align_loss_args_init(&dpo, sizeof dpo);
    dpo.loss = ALIGN_LOSS_DPO;
    dpo.score = align_2d(logp, ALIGN_F32, sequences / 2, 2);
    dpo.ref = align_2d(ref, ALIGN_F32, sequences / 2, 2);
    dpo.dscore = align_2d(dlogp, ALIGN_F32, sequences / 2, 2);
    dpo.value = align_1d(loss, ALIGN_F64, 1);
    return said(align_loss_eval(&exec, &dpo), &exec);
}

int dpo_step(const struct batch *batch, float *logits, const float *ref, float *logp, double *loss)
{
    const int64_t rows = SEQUENCES * LENGTH;
    float dlogp[SEQUENCES];
    double lse[SEQUENCES * LENGTH], token_logp[SEQUENCES * LENGTH];
    align_error error;
    align_error_init(&error, sizeof error);
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    exec.error = &error;
    align_tokens tokens;
    align_tokens_init(&tokens, sizeof tokens);
    tokens.target = align_2d(batch->target, ALIGN_I32, SEQUENCES, LENGTH);
    tokens.mask = align_2d(batch->mask, ALIGN_U8, SEQUENCES, LENGTH);
    align_head head;
    align_head_init(&head, sizeof head);
    head.tokens = &tokens;
    head.logits = align_3d(logits, ALIGN_F32, SEQUENCES, LENGTH, PADDED);
    head.logits.shape[2] = VOCABULARY; /* a row is shorter than the way to the next */
    head.logp = align_1d(logp, ALIGN_F32, SEQUENCES);
    if (ref == NULL) /* the reference itself: log-probabilities, and no step */
        return said(align_head_forward(&exec, &head), &exec);
    head.lse = align_1d(lse, ALIGN_F64, rows);
    head.token_logp = align_1d(token_logp, ALIGN_F64, rows);
    head.dlogp = align_1d(dlogp, ALIGN_F32, SEQUENCES);
    head.dlogits = head.logits;
    return said(align_head_forward(&exec, &head), &exec) ||
           dpo_step_logp(SEQUENCES, logp, ref, dlogp, loss) ||
           said(align_head_backward(&exec, &head), &exec);
}
