#include "loss.h"

static real sft(struct ref_group *g)
{
    real n = g->p->length == ALIGN_LENGTH_MEAN ? g->count[0] : 1;
    return n == 0 ? 0 : ref_note(g, -g->score[0] / n);
}

const struct ref_row ref_singles[] = {
    {"sft", sft},
    {0},
};
