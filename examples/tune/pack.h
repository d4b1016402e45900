/* A batch of whole groups, laid out for the model and for libalign at once: sequences one after
 * another, and of each only the rows that predict its answer have logits and targets. */
#ifndef TUNE_PACK_H
#define TUNE_PACK_H

#include "data.h"
#include "model.h"

typedef struct pack {
    model_batch rows;       /* for the model */
    int64_t groups;         /* G */
    int64_t sequences;      /* S */
    int64_t *group_offset;  /* [G+1] into the pack's sequences */
    int64_t *sequence;      /* [S] index into dataset.sequences */
    int32_t *target;        /* [rows.outputs] */
    int64_t *target_offset; /* [S+1] into target */
    int *token, *offset, *output_row;
    int64_t room_groups, room_sequences, room_rows;
} pack;

/* Lays out the named groups; memory of an earlier layout is used again. Start from a zeroed pack. */
void pack_groups(pack *p, const dataset *d, const int *groups, int count);
void pack_free(pack *p);

#endif
