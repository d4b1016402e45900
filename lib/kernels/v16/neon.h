/* NEON of aarch64: four registers of four. */
#include <arm_neon.h>

typedef struct v16 {
    float32x4_t q[4];
} v16;

#define V16_QUARTERS for (int i = 0; i < 4; i++)

static inline v16 v16_all(float x)
{
    v16 r;
    V16_QUARTERS r.q[i] = vdupq_n_f32(x);
    return r;
}

static inline v16 v16_load(const float *at)
{
    v16 r;
    V16_QUARTERS r.q[i] = vld1q_f32(at + 4 * i);
    return r;
}

static inline void v16_store(float *at, v16 x)
{
    V16_QUARTERS vst1q_f32(at + 4 * i, x.q[i]);
}

static inline void v16_prefetch(const void *at)
{
    __builtin_prefetch(at);
}

static inline void v16_prefetch_far(const void *at)
{
    __builtin_prefetch(at, 0, 2);
}

static inline v16 v16_add(v16 x, v16 y)
{
    V16_QUARTERS x.q[i] = vaddq_f32(x.q[i], y.q[i]);
    return x;
}

static inline v16 v16_sub(v16 x, v16 y)
{
    V16_QUARTERS x.q[i] = vsubq_f32(x.q[i], y.q[i]);
    return x;
}

static inline v16 v16_mul(v16 x, v16 y)
{
    V16_QUARTERS x.q[i] = vmulq_f32(x.q[i], y.q[i]);
    return x;
}

static inline v16 v16_fma(v16 x, v16 y, v16 z)
{
    V16_QUARTERS x.q[i] = vfmaq_f32(z.q[i], x.q[i], y.q[i]);
    return x;
}

static inline v16 v16_max(v16 x, v16 y)
{
    V16_QUARTERS x.q[i] = vbslq_f32(vcgtq_f32(x.q[i], y.q[i]), x.q[i], y.q[i]);
    return x;
}

static inline int v16_any_equal(v16 x, v16 y)
{
    uint32x4_t any = vdupq_n_u32(0);
    V16_QUARTERS any = vorrq_u32(any, vceqq_f32(x.q[i], y.q[i]));
    return vmaxvq_u32(any) != 0;
}

static inline v16 v16_to_power(v16 t)
{
    V16_QUARTERS t.q[i] = vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(t.q[i]), 23));
    return t;
}

static inline v16 v16_load_bf16(const uint16_t *at)
{
    v16 r;
    V16_QUARTERS r.q[i] = vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(at + 4 * i), 16));
    return r;
}

static inline void v16_load_pair_bf16(v16 x[2], const uint16_t *at)
{
    V16_QUARTERS
    {
        uint32x4_t both = vreinterpretq_u32_u16(vld1q_u16(at + 8 * i));
        x[0].q[i] = vreinterpretq_f32_u32(vshlq_n_u32(both, 16));
        x[1].q[i] = vreinterpretq_f32_u32(vandq_u32(both, vdupq_n_u32(0xffff0000)));
    }
}

static inline void v16_store_bf16(uint16_t *at, v16 x)
{
    V16_QUARTERS
    {
        uint32x4_t bits = vreinterpretq_u32_f32(x.q[i]), high = vshrq_n_u32(bits, 16);
        uint32x4_t even = vaddq_u32(vandq_u32(high, vdupq_n_u32(1)), vdupq_n_u32(0x7fff));
        uint32x4_t rounded = vshrq_n_u32(vaddq_u32(bits, even), 16);
        uint32x4_t nan = vorrq_u32(high, vdupq_n_u32(0x40));
        vst1_u16(at + 4 * i, vmovn_u32(vbslq_u32(vceqq_f32(x.q[i], x.q[i]), rounded, nan)));
    }
}

/* Rounded to nearest even in the high half. */
static inline uint32x4_t v16_bf16_high(float32x4_t x)
{
    uint32x4_t bits = vreinterpretq_u32_f32(x);
    uint32x4_t even = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    return vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), even);
}

static inline void v16_store_pair_bf16(uint16_t *at, const v16 x[2])
{
    V16_QUARTERS
    {
        uint32x4_t odd = v16_bf16_high(x[1].q[i]);
        vst1q_u16(at + 8 * i,
                  vreinterpretq_u16_u32(vsriq_n_u32(odd, v16_bf16_high(x[0].q[i]), 16)));
    }
}

static inline v16 v16_load_f16(const uint16_t *at)
{
    v16 r;
    V16_QUARTERS r.q[i] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(at + 4 * i)));
    return r;
}

static inline void v16_store_f16(uint16_t *at, v16 x)
{
    V16_QUARTERS vst1_u16(at + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(x.q[i])));
}

typedef const float *v16_table;

static inline v16_table v16_table_load(const float *at)
{
    return at;
}

static inline v16 v16_pick(v16_table table, v16 t)
{
    uint32_t place[4];
    V16_QUARTERS
    {
        vst1q_u32(place, vreinterpretq_u32_f32(t.q[i]));
        const float found[4] = {table[place[0] & 15], table[place[1] & 15], table[place[2] & 15],
                                table[place[3] & 15]};
        t.q[i] = vld1q_f32(found);
    }
    return t;
}

static inline v16 v16_lift(v16 x, v16 t)
{
    V16_QUARTERS
    {
        uint32x4_t by = vshlq_n_u32(vreinterpretq_u32_f32(t.q[i]), 19);
        x.q[i] = vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(x.q[i]), by));
    }
    return x;
}

typedef struct d8 {
    float64x2_t q[4];
} d8;

static inline d8 d8_all(double x)
{
    d8 r;
    V16_QUARTERS r.q[i] = vdupq_n_f64(x);
    return r;
}

static inline d8 d8_load(const double *at)
{
    d8 r;
    V16_QUARTERS r.q[i] = vld1q_f64(at + 2 * i);
    return r;
}

static inline d8 d8_load_f32(const float *at)
{
    d8 r;
    V16_QUARTERS r.q[i] = vcvt_f64_f32(vld1_f32(at + 2 * i));
    return r;
}

static inline void d8_store(double *at, d8 x)
{
    V16_QUARTERS vst1q_f64(at + 2 * i, x.q[i]);
}

static inline d8 d8_add(d8 x, d8 y)
{
    V16_QUARTERS x.q[i] = vaddq_f64(x.q[i], y.q[i]);
    return x;
}

static inline d8 d8_sub(d8 x, d8 y)
{
    V16_QUARTERS x.q[i] = vsubq_f64(x.q[i], y.q[i]);
    return x;
}

static inline d8 d8_mul(d8 x, d8 y)
{
    V16_QUARTERS x.q[i] = vmulq_f64(x.q[i], y.q[i]);
    return x;
}

static inline d8 d8_fma(d8 x, d8 y, d8 z)
{
    V16_QUARTERS x.q[i] = vfmaq_f64(z.q[i], x.q[i], y.q[i]);
    return x;
}

static inline d8 d8_max(d8 x, d8 y)
{
    V16_QUARTERS x.q[i] = vbslq_f64(vcgtq_f64(x.q[i], y.q[i]), x.q[i], y.q[i]);
    return x;
}

static inline d8 d8_to_power(d8 t)
{
    V16_QUARTERS t.q[i] = vreinterpretq_f64_u64(vshlq_n_u64(vreinterpretq_u64_f64(t.q[i]), 52));
    return t;
}

#undef V16_QUARTERS
