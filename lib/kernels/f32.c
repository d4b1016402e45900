#include "f32.h"

struct level {
    uint64_t needs;
    const struct align__f32 *functions;
};

static const struct level levels[] = {
#ifdef ALIGN__HAVE_AVX512
    {ALIGN_CPU_AVX512, &align__f32_avx512},
#endif
#ifdef ALIGN__HAVE_AVX2
    {ALIGN_CPU_AVX2, &align__f32_avx2},
#endif
    {0, &align__f32_c},
};

const struct align__f32 *align__f32(uint64_t cpu)
{
    const struct level *level = levels;
    while ((level->needs & ~cpu) != 0)
        level++;
    return level->functions;
}
