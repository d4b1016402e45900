#include "f64.h"

struct level {
    uint64_t needs;
    int64_t
        half; /* of a vector: fewer elements leave the rest idle, and parts of vectors are slow to read back */
    const struct align__f64 *functions;
};

static const struct level levels[] = {
#ifdef ALIGN__HAVE_AVX512
    {ALIGN_CPU_AVX512, 4, &align__f64_avx512},
#endif
#ifdef ALIGN__HAVE_AVX2
    {ALIGN_CPU_AVX2, 2, &align__f64_avx2},
#endif
    {0, 0, &align__f64_c},
};

const struct align__f64 *align__f64_for(uint64_t cpu, int64_t n)
{
    const struct level *level = levels;
    while ((level->needs & ~cpu) != 0 || (level->half >= n && level->needs != 0))
        level++;
    return level->functions;
}

const struct align__f64 *align__f64(uint64_t cpu)
{
    return align__f64_for(cpu, INT64_MAX);
}
