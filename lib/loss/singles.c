/* Losses of one sequence, or one token, at a time. */
#include "math.h"
#include "row.h"

static void sft(struct align__block *b)
{
    const bool mean = b->params->length == ALIGN_LENGTH_MEAN;
    struct align__side *x = &b->side[0];
    for (int i = 0; i < b->n; i++) {
        /* A sequence without tokens has no mean: value and gradient are 0. */
        const double share = !mean ? 1 : x->count[i] > 0 ? 1 / x->count[i] : 0;
        b->value[i] = align__times(share, -x->score[i]);
        b->margin[i] = x->score[i];
        x->d[i] = -share;
        x->h[i] = 0;
    }
}

const struct align__loss_row align__loss_sft = {
    .name = "sft",
    .brief = "negative log-likelihood of a sequence, summed or a token",
    .source = "maximum likelihood; as SLiC-HF's regulariser arXiv 2305.10425, Eq. 1, second term",
    .formula = "-a, or -a / n with length mean; 0 for n = 0",
    .gradient = "da = -1, or -1 / n",
    .arity = ALIGN_LOSS_SINGLE,
    .reads = ALIGN_LOSS_READS_COUNT,
    .params = {{ALIGN__PARAM_LENGTH, ALIGN_LENGTH_SUM, ALIGN_LENGTH_SUM, ALIGN_LENGTH_MEAN}},
    .block = sft,
    .unless = {[ALIGN__PROP_SHIFT] = "a single's score has no other to be compared with",
               [ALIGN__PROP_SUM_ZERO] = "a single",
               [ALIGN__PROP_REF] = "has no reference"},
};
