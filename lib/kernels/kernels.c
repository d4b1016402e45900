#include "kernels.h"

#include <math.h>

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
#ifdef ALIGN__HAVE_NEON
    {ALIGN_CPU_NEON, &align__kernels_neon},
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

const struct align__logits *align__logits(const struct align__kernels *kernels, align_dtype dtype)
{
    return dtype == ALIGN_F32    ? &kernels->f32
           : dtype == ALIGN_BF16 ? &kernels->bf16
                                 : &kernels->f16;
}

const float *align__logits_f32(const struct align__kernels *kernels, align_dtype dtype,
                               const void *z, int64_t n, float *spare)
{
    if (dtype == ALIGN_F32)
        return z;
    (dtype == ALIGN_BF16 ? kernels->from_bf16 : kernels->from_f16)(spare, z, n);
    return spare;
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

/* a * exp(-from) = fraction * 2^exponent with a power of two apart, so that neither a small a nor a
 * small term underflows before their product does. */
struct align__origin align__terms_split(double a, double from, int32_t bias, float *factor)
{
    enum { GUARD = 24, MOST = 120 };
    const double log2e = 0x1.71547652b82fep+0, ln2 = 0x1.62e42fefa39efp-1;
    float shift = fabs(from) >= 0x1p18 ? (float)from : 0;
    double rest = fmax(-0x1p18, fmin(0x1p18, from - (double)shift));
    int32_t power = (int32_t)rint(rest * log2e);
    int exponent;
    double fraction = frexp(a * exp(power * ln2 - rest), &exponent);
    exponent += bias;
    int most = exponent + GUARD < MOST ? exponent + GUARD : MOST;
    *factor = (float)ldexp(fraction, exponent - most);
    return align__origin_make(shift, power, most);
}
