/* What the files of advantage.h share: token tensors cut into sequences. */
#ifndef ALIGN__ADVANTAGE_H
#define ALIGN__ADVANTAGE_H

#include "../norm/norm.h"

#include <libalign/advantage.h>

/* B sequences in [B,T], or in [N] with offsets. */
struct align__sequences {
    align_tensor offsets;
    int64_t count, width; /* width: T of padded ones */
    int32_t ndim;
    int64_t shape[2]; /* of every token tensor */
};

/* Takes the shape from `tokens`, which must be present, and checks offsets. */
align_status align__sequences_of(const align_exec *exec, struct align__sequences *s,
                                 struct align__named tokens, const align_tensor *offsets);

/* Tokens [*first, *first + *n) of sequence b. */
void align__sequences_range(const struct align__sequences *s, int64_t b, int64_t *first,
                            int64_t *n);

/* A tensor of tokens, or one number a sequence: dtype and shape. */
align_status align__check_tokens(const align_exec *exec, const struct align__sequences *s,
                                 struct align__named named, int set);
align_status align__check_per_sequence(const align_exec *exec, const struct align__sequences *s,
                                       struct align__named named, int set);

/* NOT_FINITE under ALIGN_FLAG_FINITE for tokens that count; `mask` is absent or like the tokens. */
align_status align__check_counted(const align_exec *exec, struct align__named named,
                                  const align_tensor *mask);

/* A finite number in [low, high]. */
struct align__number {
    const char *field;
    double value, low, high;
    const char *word;
};

align_status align__check_numbers(const align_exec *exec, const char *owner,
                                  const struct align__number *numbers, int count);

/* Position of the last counted token of a sequence, or -1; `mask` may be empty. */
int64_t align__last_counted(const struct align__run *mask, int64_t first, int64_t n);

/* Sequences are handled in pieces; the grid depends on shapes alone. */
int64_t align__sequence_pieces(const struct align__sequences *s);

#endif
