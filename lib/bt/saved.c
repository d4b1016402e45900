#include "saved.h"

uint32_t align__saved_mask(const uint64_t *words, int n)
{
    uint32_t mask = 0;
    for (int k = 0; k < n; k++)
        mask |= (uint32_t)(words[k] != 0) << k;
    return mask;
}

int align__saved_ones(uint32_t mask)
{
    int count = 0;
    for (; mask != 0; mask &= mask - 1)
        count++;
    return count;
}

unsigned char *align__saved_put(unsigned char *to, const uint64_t *words, int n)
{
    for (int k = 0; k < n; k++)
        if (words[k] != 0) {
            align__put_bytes(to, words[k], 8);
            to += 8;
        }
    return to;
}

const unsigned char *align__saved_get(const unsigned char *at, uint32_t mask, uint64_t *words,
                                      int n)
{
    for (int k = 0; k < n; k++) {
        words[k] = (mask >> k & 1) != 0 ? align__get_bytes(at, 8) : 0;
        at += 8 * (mask >> k & 1);
    }
    return at;
}

align_status align__saved_begin(const align_exec *exec, const struct align__saved_kind *kind,
                                const struct align__saved *held, size_t length, void *bytes,
                                size_t n_bytes, size_t *saved)
{
    if (saved == NULL)
        return ALIGN__FAIL(exec, NULL_STRUCT, .owner = "saved");
    *saved = length;
    if (bytes == NULL || n_bytes < length)
        return ALIGN__FAIL(exec, COUNTS_BYTES, .field = "n_bytes",
                           .value = bytes == NULL ? 0 : (double)n_bytes, .low = (double)length);
    unsigned char *begin = bytes;
    memcpy(begin, kind->magic, sizeof kind->magic);
    align__put_bytes(begin + 8, ALIGN__SAVED_FORMAT, 8);
    align__put_bytes(begin + 16, (uint64_t)held->n_items, 8);
    align__put_bytes(begin + 24, (uint64_t)held->held, 8);
    align__put_bytes(begin + 32, (uint64_t)held->rows, 8);
    align__put_bytes(begin + 40, length, 8);
    return ALIGN_E_NONE;
}

void align__saved_end(unsigned char *bytes, unsigned char *to)
{
    align__put_bytes(to, align__checksum(bytes, (size_t)(to - bytes)), ALIGN__SAVED_CHECK);
}

align_status align__saved_damaged(const align_exec *exec, const struct align__saved *saved,
                                  const unsigned char *bytes)
{
    return ALIGN__FAIL(exec, COUNTS_CONTENT, .field = "bytes",
                       .value = (double)(saved->at - bytes));
}

align_status align__saved_open(const align_exec *exec, const struct align__saved_kind *kind,
                               struct align__saved *saved, const unsigned char *bytes,
                               size_t n_bytes)
{
    enum { LEAST = ALIGN__SAVED_HEAD + ALIGN__SAVED_CHECK };
    if (bytes == NULL)
        return ALIGN__FAIL(exec, NULL_STRUCT, .owner = "bytes");
    if (n_bytes < LEAST)
        return ALIGN__FAIL(exec, COUNTS_SHORT, .field = "n_bytes", .value = (double)n_bytes,
                           .low = LEAST);
    if (memcmp(bytes, kind->magic, sizeof kind->magic) != 0)
        return ALIGN__FAIL(exec, COUNTS_MAGIC, .field = "bytes", .word = kind->word);
    if (align__get_bytes(bytes + 8, 8) != ALIGN__SAVED_FORMAT)
        return ALIGN__FAIL(exec, COUNTS_FORMAT, .field = "bytes",
                           .value = (double)align__get_bytes(bytes + 8, 4),
                           .high = ALIGN__SAVED_FORMAT);
    uint64_t length = align__get_bytes(bytes + 40, 8);
    if (length > n_bytes)
        return ALIGN__FAIL(exec, COUNTS_SHORT, .field = "n_bytes", .value = (double)n_bytes,
                           .low = (double)length);
    bool whole = length >= LEAST &&
                 align__get_bytes(bytes + length - ALIGN__SAVED_CHECK, ALIGN__SAVED_CHECK) ==
                     align__checksum(bytes, (size_t)length - ALIGN__SAVED_CHECK);
    if (!whole)
        return ALIGN__FAIL(exec, COUNTS_CHECKSUM, .field = "bytes");
    *saved = (struct align__saved){.n_items = (int64_t)align__get_bytes(bytes + 16, 8),
                                   .held = (int64_t)align__get_bytes(bytes + 24, 8),
                                   .rows = (int64_t)align__get_bytes(bytes + 32, 8),
                                   .at = bytes + ALIGN__SAVED_HEAD,
                                   .end = bytes + length - ALIGN__SAVED_CHECK};
    if (saved->n_items < 2 || saved->n_items > INT32_MAX || saved->held < 0 || saved->rows < 0)
        return align__saved_damaged(exec, saved, bytes);
    return ALIGN_E_NONE;
}
