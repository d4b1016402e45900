#include "../base/bytes.h"
#include "norm.h"

#include <string.h>

/* Format 1, little-endian:
 *     0  "ALNORM", two zero bytes      8  u32 format, u32 length of the whole
 *    16  fields of the table below, in its order
 *   end  u64 FNV-1a over all that stands before */
enum { FORMAT = 1, HEAD = 16, CHECK = 8 };

static const char magic[8] = "ALNORM";

struct field {
    const char *name;
    size_t offset;
    int bytes, count;
};

#define FIELD(name, bytes, count)                                                                  \
    {                                                                                              \
#        name, offsetof(align_norm, name), bytes, count                                            \
    }

static const struct field fields[] = {
    FIELD(kind, 4, 1),
    FIELD(eps_form, 4, 1),
    FIELD(nan, 4, 1),
    FIELD(few, 4, 1),
    FIELD(equal, 4, 1),
    FIELD(reserved, 4, 1),
    FIELD(eps, 8, 1),
    FIELD(ddof, 8, 1),
    FIELD(clip_low, 8, 1),
    FIELD(clip_high, 8, 1),
    FIELD(gain, 8, 1),
    FIELD(bias, 8, 1),
    FIELD(count, 8, 1),
    FIELD(skipped, 8, 1),
    FIELD(least, 8, 1),
    FIELD(most, 8, 1),
    FIELD(sum_w, 4, 12),
    FIELD(sum_wx, 4, 20),
    FIELD(sum_wxx, 4, 28),
    FIELD(rate, 8, 1),
    FIELD(recent_weight, 8, 1),
    FIELD(recent_mean, 8, 1),
    FIELD(recent_variance, 8, 1),
};

/* Copies every field between a state and bytes, whatever the order of bytes of this machine. */
static void transfer(align_norm *state, unsigned char *at, bool save)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char *field = (char *)state + fields[i].offset;
        for (int k = 0; k < fields[i].count; k++, at += fields[i].bytes, field += fields[i].bytes) {
            uint32_t half;
            uint64_t whole;
            bool wide = fields[i].bytes == 8;
            void *in = wide ? (void *)&whole : (void *)&half;
            memcpy(in, field, (size_t)fields[i].bytes);
            if (save) {
                align__put_bytes(at, wide ? whole : half, fields[i].bytes);
                continue;
            }
            whole = align__get_bytes(at, fields[i].bytes);
            half = (uint32_t)whole;
            memcpy(field, in, (size_t)fields[i].bytes);
        }
    }
}

static align_status check_size(const align_exec *exec, const char *owner, const void *bytes,
                               size_t n_bytes)
{
    if (bytes == NULL)
        return ALIGN__FAIL(exec, NULL_STRUCT, .owner = owner);
    if (n_bytes < ALIGN_NORM_BYTES)
        return ALIGN__FAIL(exec, NORM_BYTES, .field = "n_bytes", .value = (double)n_bytes,
                           .low = ALIGN_NORM_BYTES);
    return ALIGN_E_NONE;
}

align_status align_norm_save(const align_exec *user_exec, const align_norm *state, void *bytes,
                             size_t n_bytes)
{
    align_exec exec;
    align_norm local;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__norm_state(&exec, "align_norm", &local, state);
    if (status == ALIGN_E_NONE)
        status = check_size(&exec, "bytes", bytes, n_bytes);
    if (status != ALIGN_E_NONE)
        return status;
    unsigned char *at = bytes;
    memcpy(at, magic, sizeof magic);
    align__put_bytes(at + 8, FORMAT, 4);
    align__put_bytes(at + 12, ALIGN_NORM_BYTES, 4);
    transfer(&local, at + HEAD, true);
    align__put_bytes(at + ALIGN_NORM_BYTES - CHECK, align__checksum(at, ALIGN_NORM_BYTES - CHECK),
                     CHECK);
    return ALIGN_E_NONE;
}

/* A checksum guards against accidents, not against a hand that makes one; so fields are looked at. */
static align_status check_content(const align_exec *exec, const align_norm *s)
{
    align_norm_params params = align__norm_params_of(s);
    align_status status = align__norm_check(exec, "bytes", &params, ALIGN__NORM_IN_STATE);
    if (status != ALIGN_E_NONE)
        return status;
    if (s->count < 0 || s->skipped < 0)
        return ALIGN__FAIL(
            exec, FIELD_VALUE, .owner = "bytes", .field = s->count < 0 ? "count" : "skipped",
            .value = (double)(s->count < 0 ? s->count : s->skipped), .word = "0 or more");
    bool weighs = !align__wide_is_zero(s->sum_w, ALIGN__NORM_W);
    bool below = (s->sum_w[ALIGN__NORM_W - 1] | s->sum_wxx[ALIGN__NORM_WXX - 1]) >> 31 != 0;
    bool recent = s->rate != 0;
    bool forgets = s->recent_weight > 0 && s->recent_weight <= 1 && s->recent_variance >= 0 &&
                   s->recent_variance - s->recent_variance == 0 &&
                   s->recent_mean - s->recent_mean == 0;
    bool empty = s->recent_weight == 0 && s->recent_mean == 0 && s->recent_variance == 0;
    bool fits = recent ? !weighs && (s->count > 0 ? forgets : empty)
                       : weighs == (s->count > 0) && empty;
    if (!fits || below || !(s->least <= s->most))
        return ALIGN__FAIL(exec, NORM_SUMS, .owner = "bytes", .field = "sum_w",
                           .value = (double)s->count);
    return ALIGN_E_NONE;
}

align_status align_norm_load(const align_exec *user_exec, align_norm *state, size_t size,
                             const void *bytes, size_t n_bytes)
{
    align_exec exec;
    align_norm local;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = check_size(&exec, "bytes", bytes, n_bytes);
    if (status == ALIGN_E_NONE && state == NULL)
        status = ALIGN__FAIL(&exec, NULL_STRUCT, .owner = "align_norm");
    if (status == ALIGN_E_NONE && size < sizeof local)
        status = ALIGN__FAIL(&exec, STRUCT_SIZE, .owner = "align_norm", .field = "size",
                             .value = (double)size, .low = (double)sizeof local);
    if (status != ALIGN_E_NONE)
        return status;
    unsigned char copy[ALIGN_NORM_BYTES];
    memcpy(copy, bytes, sizeof copy);
    if (memcmp(copy, magic, sizeof magic) != 0)
        return ALIGN__FAIL(&exec, NORM_MAGIC, .field = "bytes");
    if (align__get_bytes(copy + 8, 4) != FORMAT ||
        align__get_bytes(copy + 12, 4) != ALIGN_NORM_BYTES)
        return ALIGN__FAIL(&exec, NORM_FORMAT, .field = "bytes",
                           .value = (double)align__get_bytes(copy + 8, 4), .high = FORMAT);
    if (align__get_bytes(copy + sizeof copy - CHECK, CHECK) !=
        align__checksum(copy, sizeof copy - CHECK))
        return ALIGN__FAIL(&exec, NORM_CHECKSUM, .field = "bytes");
    memset(&local, 0, sizeof local);
    transfer(&local, copy + HEAD, false);
    status = check_content(&exec, &local);
    if (status != ALIGN_E_NONE)
        return status;
    memset(state, 0, size);
    memcpy(state, &local, sizeof local);
    state->size = size;
    return ALIGN_E_NONE;
}
