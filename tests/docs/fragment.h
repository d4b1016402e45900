/* What the C fragments of the documentation may use without saying where it comes from. */
#include <libalign/align.h>
#include <libalign/threads.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

extern const int64_t n, v, pairs, sequences, lists, games, items, rank, ranks;
extern align_allreduce_fn allreduce;
extern int32_t *target, *index, *winner, *loser;
extern uint8_t *mask;
extern int64_t *offsets;
extern uint16_t *logits;
extern float *logp, *dlogp, *ref, *rewards;
extern double *lse, *token_logp, *strength, value;
extern align_tokens tokens;
extern align_head head;
extern align_loss_args loss;
extern align_exec exec;
extern align_error error;
