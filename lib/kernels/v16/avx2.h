/* AVX2, FMA and F16C: two registers of eight. */
#include <immintrin.h>

typedef struct v16 {
    __m256 a, b;
} v16;

#define V16_BOTH(op, x, y) ((v16){op((x).a, (y).a), op((x).b, (y).b)})

static inline v16 v16_all(float x)
{
    return (v16){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}

static inline v16 v16_load(const float *at)
{
    return (v16){_mm256_loadu_ps(at), _mm256_loadu_ps(at + 8)};
}

static inline void v16_store(float *at, v16 x)
{
    _mm256_storeu_ps(at, x.a);
    _mm256_storeu_ps(at + 8, x.b);
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
    return V16_BOTH(_mm256_add_ps, x, y);
}

static inline v16 v16_sub(v16 x, v16 y)
{
    return V16_BOTH(_mm256_sub_ps, x, y);
}

static inline v16 v16_mul(v16 x, v16 y)
{
    return V16_BOTH(_mm256_mul_ps, x, y);
}

static inline v16 v16_fma(v16 x, v16 y, v16 z)
{
    return (v16){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}

static inline v16 v16_max(v16 x, v16 y)
{
    return V16_BOTH(_mm256_max_ps, x, y);
}

static inline int v16_any_equal(v16 x, v16 y)
{
    __m256 a = _mm256_cmp_ps(x.a, y.a, _CMP_EQ_OQ), b = _mm256_cmp_ps(x.b, y.b, _CMP_EQ_OQ);
    return _mm256_movemask_ps(_mm256_or_ps(a, b)) != 0;
}

static inline __m256 v16_power_of(__m256 t)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(t), 23));
}

static inline v16 v16_to_power(v16 t)
{
    return (v16){v16_power_of(t.a), v16_power_of(t.b)};
}

static inline __m128i v16_half_load(const uint16_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

static inline void v16_half_store(uint16_t *at, __m128i x)
{
    _mm_storeu_si128((__m128i *)(void *)at, x);
}

static inline __m256 v16_bf16_8(__m128i x)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}

static inline v16 v16_load_bf16(const uint16_t *at)
{
    return (v16){v16_bf16_8(v16_half_load(at)), v16_bf16_8(v16_half_load(at + 8))};
}

static inline void v16_load_pair_bf16(v16 x[2], const uint16_t *at)
{
    __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)at);
    __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(at + 16));
    __m256 odd = _mm256_castsi256_ps(_mm256_set1_epi32((int)0xffff0000));
    x[0].a = _mm256_castsi256_ps(_mm256_slli_epi32(a, 16));
    x[0].b = _mm256_castsi256_ps(_mm256_slli_epi32(b, 16));
    x[1].a = _mm256_and_ps(_mm256_castsi256_ps(a), odd);
    x[1].b = _mm256_and_ps(_mm256_castsi256_ps(b), odd);
}

static inline __m256i v16_to_bf16_8(__m256 x)
{
    __m256i bits = _mm256_castps_si256(x), high = _mm256_srli_epi32(bits, 16);
    __m256i even = _mm256_add_epi32(_mm256_and_si256(high, _mm256_set1_epi32(1)),
                                    _mm256_set1_epi32(0x7fff));
    __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, even), 16);
    __m256i nan = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(rounded, nan, is_nan);
}

static inline void v16_store_bf16(uint16_t *at, v16 x)
{
    __m256i mixed = _mm256_packus_epi32(v16_to_bf16_8(x.a), v16_to_bf16_8(x.b));
    __m256i in_order = _mm256_permute4x64_epi64(mixed, 0xd8);
    _mm256_storeu_si256((__m256i *)(void *)at, in_order);
}

/* Rounded to nearest even in the high half. */
static inline __m256i v16_bf16_high(__m256 x)
{
    __m256i bits = _mm256_castps_si256(x);
    __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    return _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), even);
}

static inline __m256i v16_bf16_pair(__m256 even, __m256 odd)
{
    return _mm256_blend_epi16(_mm256_srli_epi32(v16_bf16_high(even), 16), v16_bf16_high(odd), 0xaa);
}

static inline void v16_store_pair_bf16(uint16_t *at, const v16 x[2])
{
    __m256i *to = (__m256i *)(void *)at;
    _mm256_storeu_si256(to, v16_bf16_pair(x[0].a, x[1].a));
    _mm256_storeu_si256(to + 1, v16_bf16_pair(x[0].b, x[1].b));
}

static inline v16 v16_load_f16(const uint16_t *at)
{
    return (v16){_mm256_cvtph_ps(v16_half_load(at)), _mm256_cvtph_ps(v16_half_load(at + 8))};
}

static inline void v16_store_f16(uint16_t *at, v16 x)
{
    v16_half_store(at, _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
    v16_half_store(at + 8, _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT));
}

typedef v16 v16_table;

static inline v16_table v16_table_load(const float *at)
{
    return v16_load(at);
}

/* Bit 3 of the place, as a sign, chooses between the halves. */
static inline __m256 v16_pick_8(v16_table table, __m256 t)
{
    __m256i place = _mm256_castps_si256(t);
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(table.a, place),
                            _mm256_permutevar8x32_ps(table.b, place),
                            _mm256_castsi256_ps(_mm256_slli_epi32(place, 28)));
}

static inline v16 v16_pick(v16_table table, v16 t)
{
    return (v16){v16_pick_8(table, t.a), v16_pick_8(table, t.b)};
}

static inline __m256 v16_lift_8(__m256 x, __m256 t)
{
    __m256i by = _mm256_slli_epi32(_mm256_castps_si256(t), 19);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), by));
}

static inline v16 v16_lift(v16 x, v16 t)
{
    return (v16){v16_lift_8(x.a, t.a), v16_lift_8(x.b, t.b)};
}

#undef V16_BOTH

typedef struct d8 {
    __m256d a, b;
} d8;

#define D8_BOTH(op, x, y) ((d8){op((x).a, (y).a), op((x).b, (y).b)})

static inline d8 d8_all(double x)
{
    return (d8){_mm256_set1_pd(x), _mm256_set1_pd(x)};
}

static inline d8 d8_load(const double *at)
{
    return (d8){_mm256_loadu_pd(at), _mm256_loadu_pd(at + 4)};
}

static inline d8 d8_load_f32(const float *at)
{
    return (d8){_mm256_cvtps_pd(_mm_loadu_ps(at)), _mm256_cvtps_pd(_mm_loadu_ps(at + 4))};
}

static inline void d8_store(double *at, d8 x)
{
    _mm256_storeu_pd(at, x.a);
    _mm256_storeu_pd(at + 4, x.b);
}

static inline d8 d8_add(d8 x, d8 y)
{
    return D8_BOTH(_mm256_add_pd, x, y);
}

static inline d8 d8_sub(d8 x, d8 y)
{
    return D8_BOTH(_mm256_sub_pd, x, y);
}

static inline d8 d8_mul(d8 x, d8 y)
{
    return D8_BOTH(_mm256_mul_pd, x, y);
}

static inline d8 d8_fma(d8 x, d8 y, d8 z)
{
    return (d8){_mm256_fmadd_pd(x.a, y.a, z.a), _mm256_fmadd_pd(x.b, y.b, z.b)};
}

static inline d8 d8_max(d8 x, d8 y)
{
    return D8_BOTH(_mm256_max_pd, x, y);
}

static inline __m256d d8_power_of(__m256d t)
{
    return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(t), 52));
}

static inline d8 d8_to_power(d8 t)
{
    return (d8){d8_power_of(t.a), d8_power_of(t.b)};
}

#undef D8_BOTH
