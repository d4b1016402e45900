/* AVX-512 F, BW, DQ and VL: one register. */
#include <immintrin.h>

typedef __m512 v16;

static inline v16 v16_all(float x)
{
    return _mm512_set1_ps(x);
}

static inline v16 v16_load(const float *at)
{
    return _mm512_loadu_ps(at);
}

static inline void v16_store(float *at, v16 x)
{
    _mm512_storeu_ps(at, x);
}

static inline void v16_prefetch(const void *at)
{
    _mm_prefetch((const char *)at, _MM_HINT_T0);
}

static inline void v16_prefetch_far(const void *at)
{
    _mm_prefetch((const char *)at, _MM_HINT_T1);
}

static inline v16 v16_add(v16 x, v16 y)
{
    return _mm512_add_ps(x, y);
}

static inline v16 v16_sub(v16 x, v16 y)
{
    return _mm512_sub_ps(x, y);
}

static inline v16 v16_mul(v16 x, v16 y)
{
    return _mm512_mul_ps(x, y);
}

static inline v16 v16_fma(v16 x, v16 y, v16 z)
{
    return _mm512_fmadd_ps(x, y, z);
}

static inline v16 v16_max(v16 x, v16 y)
{
    return _mm512_max_ps(x, y);
}

static inline int v16_any_equal(v16 x, v16 y)
{
    return _mm512_cmp_ps_mask(x, y, _CMP_EQ_OQ) != 0;
}

static inline v16 v16_to_power(v16 t)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(t), 23));
}

static inline __m256i v16_half_load(const uint16_t *at)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)at);
}

static inline void v16_half_store(uint16_t *at, __m256i x)
{
    _mm256_storeu_si256((__m256i *)(void *)at, x);
}

static inline v16 v16_load_bf16(const uint16_t *at)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v16_half_load(at)), 16));
}

static inline void v16_load_pair_bf16(v16 x[2], const uint16_t *at)
{
    __m512i both = _mm512_loadu_si512(at);
    x[0] = _mm512_castsi512_ps(_mm512_slli_epi32(both, 16));
    x[1] = _mm512_castsi512_ps(_mm512_and_si512(both, _mm512_set1_epi32((int)0xffff0000)));
}

static inline void v16_store_bf16(uint16_t *at, v16 x)
{
    __m512i bits = _mm512_castps_si512(x), high = _mm512_srli_epi32(bits, 16);
    __m512i even = _mm512_add_epi32(_mm512_and_si512(high, _mm512_set1_epi32(1)),
                                    _mm512_set1_epi32(0x7fff));
    __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, even), 16);
    __mmask16 is_nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    __m512i nan = _mm512_or_si512(high, _mm512_set1_epi32(0x40));
    v16_half_store(at, _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(rounded, is_nan, nan)));
}

/* Rounded to nearest even in the high half. */
static inline __m512i v16_bf16_high(v16 x)
{
    __m512i bits = _mm512_castps_si512(x);
    __m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    return _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), even);
}

static inline void v16_store_pair_bf16(uint16_t *at, const v16 x[2])
{
    __m512i even = _mm512_srli_epi32(v16_bf16_high(x[0]), 16), odd = v16_bf16_high(x[1]);
    _mm512_storeu_si512(at, _mm512_mask_blend_epi16(0xaaaaaaaa, even, odd));
}

static inline v16 v16_load_f16(const uint16_t *at)
{
    return _mm512_cvtph_ps(v16_half_load(at));
}

static inline void v16_store_f16(uint16_t *at, v16 x)
{
    v16_half_store(at, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

/* Sixteen numbers in one register. */
typedef __m512 v16_table;

static inline v16_table v16_table_load(const float *at)
{
    return _mm512_loadu_ps(at);
}

static inline v16 v16_pick(v16_table table, v16 t)
{
    return _mm512_permutexvar_ps(_mm512_castps_si512(t), table);
}

static inline v16 v16_lift(v16 x, v16 t)
{
    __m512i by = _mm512_slli_epi32(_mm512_castps_si512(t), 19);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), by));
}

typedef __m512d d8;

static inline d8 d8_all(double x)
{
    return _mm512_set1_pd(x);
}

static inline d8 d8_load(const double *at)
{
    return _mm512_loadu_pd(at);
}

static inline d8 d8_load_f32(const float *at)
{
    return _mm512_cvtps_pd(_mm256_loadu_ps(at));
}

static inline void d8_store(double *at, d8 x)
{
    _mm512_storeu_pd(at, x);
}

static inline d8 d8_add(d8 x, d8 y)
{
    return _mm512_add_pd(x, y);
}

static inline d8 d8_sub(d8 x, d8 y)
{
    return _mm512_sub_pd(x, y);
}

static inline d8 d8_mul(d8 x, d8 y)
{
    return _mm512_mul_pd(x, y);
}

static inline d8 d8_fma(d8 x, d8 y, d8 z)
{
    return _mm512_fmadd_pd(x, y, z);
}

static inline d8 d8_max(d8 x, d8 y)
{
    return _mm512_max_pd(x, y);
}

static inline d8 d8_to_power(d8 t)
{
    return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(t), 52));
}
