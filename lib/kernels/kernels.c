#include "kernels.h"

struct level {
    uint64_t needs;
    const struct align__kernels *kernels;
};

static const struct level levels[] = {
#ifdef ALIGN__HAVE_AVX512
    {ALIGN_CPU_AVX512, &align__kernels_avx512},
#endif
#ifdef ALIGN__HAVE_AVX2
    {ALIGN_CPU_AVX2, &align__kernels_avx2},
#endif
    {0, &align__kernels_c},
};

const struct align__kernels *align__kernels(uint64_t cpu)
{
    const struct level *level = levels;
    while ((level->needs & ~cpu) != 0)
        level++;
    return level->kernels;
}

struct align__origin align__origin_make(float shift, int32_t power, int32_t bias)
{
    /* 1.5 * 2^23 rounds x to an integer in the low bits of a sum; what is added on top makes that
     * integer the biased exponent of the term. At `low` it is 0, and so is the term. */
    float offset = (float)(bias + 127 - power);
    struct align__origin origin = {.shift = shift, .magic = 0x1.8p23f + offset};
    origin.low = (float)(-(double)offset * 0x1.62e42fefa39efp-1);
    return origin;
}
