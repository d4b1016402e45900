/* What saved counts and saved ballots share: a head and a checksum. */
#ifndef ALIGN__BT_SAVED_H
#define ALIGN__BT_SAVED_H

#include "table.h"
#include "../base/bytes.h"

/* Format 1, little-endian:
 *     0  magic and a zero byte         8  u32 format, u32 zero
 *    16  i64 n_items, held, rows      40  u64 length of the whole
 *    48  what is held
 *   end  u64 FNV-1a over all that stands before */
enum { ALIGN__SAVED_FORMAT = 1, ALIGN__SAVED_HEAD = 48, ALIGN__SAVED_CHECK = 8 };

struct align__saved {
    int64_t n_items, held, rows;
    const unsigned char *at, *end; /* what is held */
};

struct align__saved_kind {
    char magic[8];
    const char *word;
};

/* Numbers that are mostly 0: which of up to 32 are not, and those alone. */
uint32_t align__saved_mask(const uint64_t *words, int n);
int align__saved_ones(uint32_t mask);
unsigned char *align__saved_put(unsigned char *to, const uint64_t *words, int n);
const unsigned char *align__saved_get(const unsigned char *at, uint32_t mask, uint64_t *words,
                                      int n);

/* Writes the head, and *saved; SCRATCH when the whole does not fit. Then the checksum, which ends it. */
align_status align__saved_begin(const align_exec *exec, const struct align__saved_kind *kind,
                                const struct align__saved *held, size_t length, void *bytes,
                                size_t n_bytes, size_t *saved);
void align__saved_end(unsigned char *bytes, unsigned char *to);

/* Head and checksum of such bytes. */
align_status align__saved_open(const align_exec *exec, const struct align__saved_kind *kind,
                               struct align__saved *saved, const unsigned char *bytes,
                               size_t n_bytes);
align_status align__saved_damaged(const align_exec *exec, const struct align__saved *saved,
                                  const unsigned char *bytes);

#endif
