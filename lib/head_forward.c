#include "head.h"
#include "head_row.h"

#include <math.h>

static void reduce(const struct align__head *head, int64_t index, struct align__row *row)
{
    const align_head *args = &head->args;
    bool wide = align__present(&args->entropy) || align__present(&args->collision);
    union {
        double f64[ALIGN__BLOCK];
        float f32[ALIGN__BLOCK];
    } block;
    align__row_start(row);
    for (int64_t first = 0; first < head->vocab; first += ALIGN__BLOCK) {
        int64_t left = head->vocab - first, n = left < ALIGN__BLOCK ? left : ALIGN__BLOCK;
        if (head->exact) {
            align__head_block_f64(head, index, first, n, block.f64, NULL);
            align__row_add_f64(row, head->kernels, block.f64, n, first, wide);
        } else {
            const float *z = align__head_block(head, index, first, n, block.f32);
            align__row_add_f32(row, head->kernels, z, block.f32, n, first, wide);
        }
    }
}

static bool has_not_finite(const struct align__head *head, int64_t index)
{
    const align_tensor *t = &head->args.logits;
    double x[ALIGN__BLOCK];
    const char *at = align__head_at(head, t, index);
    for (int64_t first = 0; first < head->vocab; first += ALIGN__BLOCK) {
        int64_t left = head->vocab - first, n = left < ALIGN__BLOCK ? left : ALIGN__BLOCK;
        align__load_row(x, t->dtype, at + first * align_dtype_bytes(t->dtype), 1, n);
        for (int64_t i = 0; i < n; i++)
            if (!isfinite(x[i]))
                return true;
    }
    return false;
}

void align__head_forward_row(const struct align__head *head, struct align__head_row *out)
{
    const align_head *args = &head->args;
    struct align__row_result result = {0};
    double hit = 0;
    if (out->weight != 0) {
        struct align__row row;
        double z;
        reduce(head, out->index, &row);
        result = align__row_finish(&row);
        align__head_block_f64(head, out->index, out->target, 1, &z, NULL);
        out->logp = align__row_logp(&row, &result, out->target, z);
        out->not_finite = (head->exec.flags & ALIGN_FLAG_FINITE) != 0 &&
                          has_not_finite(head, out->index);
        hit = row.at == out->target && !isnan(result.lse);
    }
    align__head_store(head, &args->token_logp, out->index, out->logp);
    align__head_store(head, &args->lse, out->index, result.lse);
    align__head_store(head, &args->entropy, out->index, result.entropy);
    align__head_store(head, &args->collision, out->index, result.collision);
    align__head_store(head, &args->hit, out->index, hit);
}
