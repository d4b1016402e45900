#include "pack.h"

#include <stdlib.h>

static void reserve(pack *p, const dataset *d, const int *groups, int count)
{
    int64_t sequences = 0, rows = 0;

    for (int g = 0; g < count; g++) {
        sequences += d->start[groups[g] + 1] - d->start[groups[g]];
        for (int64_t s = d->start[groups[g]]; s < d->start[groups[g] + 1]; s++)
            rows += d->sequences[s].length - 1;
    }
    if (count > p->room_groups || sequences > p->room_sequences || rows > p->room_rows) {
        pack_free(p);
        p->room_groups = count;
        p->room_sequences = sequences;
        p->room_rows = rows;
        p->group_offset = take(count + 1, sizeof *p->group_offset);
        p->sequence = take(sequences, sizeof *p->sequence);
        p->target = take(rows, sizeof *p->target);
        p->target_offset = take(sequences + 1, sizeof *p->target_offset);
        p->token = take(rows, sizeof *p->token);
        p->offset = take(sequences + 1, sizeof *p->offset);
        p->output_row = take(rows, sizeof *p->output_row);
    }
    p->groups = p->sequences = 0;
    p->rows = (model_batch){.token = p->token, .offset = p->offset, .output_row = p->output_row};
}

/* Row i of a sequence predicts its token i + 1, so the answer is predicted from row prompt - 1 on. */
static void add_sequence(pack *p, const dataset *d, int64_t index)
{
    const sequence *s = &d->sequences[index];
    const int *token = d->tokens.id + s->first;
    model_batch *b = &p->rows;

    for (int i = 0; i < s->length - 1; i++, b->rows++) {
        p->token[b->rows] = token[i];
        if (i >= s->prompt - 1) {
            p->output_row[b->outputs] = b->rows;
            p->target[b->outputs++] = token[i + 1];
        }
    }
    p->sequence[p->sequences++] = index;
    p->offset[p->sequences] = b->rows;
    p->target_offset[p->sequences] = b->outputs;
    b->sequences = (int)p->sequences;
}

void pack_groups(pack *p, const dataset *d, const int *groups, int count)
{
    reserve(p, d, groups, count);
    for (int g = 0; g < count; g++) {
        for (int64_t s = d->start[groups[g]]; s < d->start[groups[g] + 1]; s++)
            add_sequence(p, d, s);
        p->group_offset[++p->groups] = p->sequences;
    }
}

void pack_free(pack *p)
{
    free(p->group_offset);
    free(p->sequence);
    free(p->target);
    free(p->target_offset);
    free(p->token);
    free(p->offset);
    free(p->output_row);
    *p = (pack){0};
}
