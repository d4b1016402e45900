/* One instruction set: the operations over its lanes, and the table of them. Compiled once for each,
 * with the flags of that set and ALIGN__LEVEL naming it. */
#include "kernels.h"

#include "v16/v16.h"

#include "convert.h"
#include "reduce.h"
#include "sums.h"
#include "pairs.h"
#include "terms.h"

#define PASTE(a, b)  a##b
#define TABLE(level) PASTE(align__kernels_, level)

#define LOGITS(kind)                                                                               \
    {                                                                                              \
        top_##kind, find_##kind, sum_##kind, sum_fast_##kind, terms_##kind                         \
    }

const struct align__kernels TABLE(ALIGN__LEVEL) = {
    .f32 = LOGITS(f32),
    .bf16 = LOGITS(bf16),
    .f16 = LOGITS(f16),
    .sums_f32 = sums_f32,
    .sums_f64 = sums_f64,
    .from_bf16 = from_bf16,
    .from_f16 = from_f16,
    .to_bf16 = to_bf16,
    .to_f16 = to_f16,
};
