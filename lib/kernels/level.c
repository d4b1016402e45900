/* One instruction set: the operations over its lanes, and the table of them. Compiled once for each,
 * with the flags of that set and ALIGN__LEVEL naming it. */
#include "kernels.h"

#include "v16/v16.h"

#include "convert.h"
#include "reduce.h"
#include "sums.h"
#include "terms.h"

#define PASTE(a, b)  a##b
#define TABLE(level) PASTE(align__kernels_, level)

const struct align__kernels TABLE(ALIGN__LEVEL) = {
    .top = top,
    .find = find,
    .sums_f32 = sums_f32,
    .sums_f64 = sums_f64,
    .terms = terms,
    .sum_terms = sum_terms,
    .from_bf16 = from_bf16,
    .from_f16 = from_f16,
    .to_bf16 = to_bf16,
    .to_f16 = to_f16,
};
