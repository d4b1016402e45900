/* Plain C: the meaning of every word. */

typedef struct v16 {
    float f[16];
} v16;

#define V16_LANES for (int i = 0; i < 16; i++)

static inline v16 v16_all(float x)
{
    v16 r;
    V16_LANES r.f[i] = x;
    return r;
}

static inline v16 v16_load(const float *at)
{
    v16 r;
    memcpy(r.f, at, sizeof r.f);
    return r;
}

static inline void v16_store(float *at, v16 a)
{
    memcpy(at, a.f, sizeof a.f);
}

static inline void v16_prefetch(const void *at)
{
    (void)at;
}

static inline void v16_prefetch_far(const void *at)
{
    (void)at;
}

static inline v16 v16_add(v16 a, v16 b)
{
    V16_LANES a.f[i] += b.f[i];
    return a;
}

static inline v16 v16_sub(v16 a, v16 b)
{
    V16_LANES a.f[i] -= b.f[i];
    return a;
}

static inline v16 v16_mul(v16 a, v16 b)
{
    V16_LANES a.f[i] *= b.f[i];
    return a;
}

static inline v16 v16_fma(v16 a, v16 b, v16 c)
{
    V16_LANES a.f[i] = fmaf(a.f[i], b.f[i], c.f[i]);
    return a;
}

static inline v16 v16_max(v16 a, v16 b)
{
    V16_LANES a.f[i] = a.f[i] > b.f[i] ? a.f[i] : b.f[i];
    return a;
}

static inline int v16_any_equal(v16 a, v16 b)
{
    int any = 0;
    V16_LANES any |= a.f[i] == b.f[i];
    return any;
}

static inline v16 v16_to_power(v16 t)
{
    uint32_t bits[16];
    memcpy(bits, t.f, sizeof bits);
    V16_LANES bits[i] <<= 23;
    memcpy(t.f, bits, sizeof bits);
    return t;
}

static inline v16 v16_load_bf16(const uint16_t *at)
{
    v16 r;
    uint32_t bits[16];
    V16_LANES bits[i] = (uint32_t)at[i] << 16;
    memcpy(r.f, bits, sizeof bits);
    return r;
}

static inline void v16_load_pair_bf16(v16 x[2], const uint16_t *at)
{
    uint32_t bits[2][16];
    V16_LANES bits[0][i] = (uint32_t)at[2 * i] << 16;
    V16_LANES bits[1][i] = (uint32_t)at[2 * i + 1] << 16;
    memcpy(x[0].f, bits[0], sizeof bits[0]);
    memcpy(x[1].f, bits[1], sizeof bits[1]);
}

static inline void v16_store_bf16(uint16_t *at, v16 a)
{
    uint32_t bits[16];
    memcpy(bits, a.f, sizeof bits);
    V16_LANES
    {
        uint32_t rounded = (bits[i] + 0x7fff + (bits[i] >> 16 & 1)) >> 16;
        uint32_t nan = bits[i] >> 16 | 0x40;
        at[i] = (uint16_t)((bits[i] & 0x7fffffff) > 0x7f800000 ? nan : rounded);
    }
}

static inline void v16_store_pair_bf16(uint16_t *at, const v16 x[2])
{
    uint32_t bits[2][16];
    for (int j = 0; j < 2; j++) {
        memcpy(bits[j], x[j].f, sizeof bits[j]);
        V16_LANES at[2 * i + j] = (uint16_t)((bits[j][i] + 0x7fff + (bits[j][i] >> 16 & 1)) >> 16);
    }
}

static inline v16 v16_load_f16(const uint16_t *at)
{
    v16 r;
    uint32_t bits[16];
    V16_LANES
    {
        uint32_t sign = (uint32_t)(at[i] & 0x8000) << 16, half = at[i] & 0x7fff;
        float tiny = (float)half * 0x1p-24f;
        uint32_t quiet = half > 0x7c00 ? 0x400000 : 0;
        memcpy(&bits[i], &tiny, sizeof tiny);
        if (half >= 0x7c00)
            bits[i] = (half << 13) + 0x70000000 + quiet * ((half & 0x200) == 0);
        else if (half >= 0x400)
            bits[i] = (half << 13) + 0x38000000;
        bits[i] |= sign;
    }
    memcpy(r.f, bits, sizeof bits);
    return r;
}

static inline void v16_store_f16(uint16_t *at, v16 a)
{
    uint32_t bits[16];
    memcpy(bits, a.f, sizeof bits);
    V16_LANES
    {
        uint32_t sign = bits[i] >> 16 & 0x8000, size = bits[i] & 0x7fffffff, half;
        if (size > 0x7f800000) {
            half = 0x7e00 | (size >> 13 & 0x3ff);
        } else if (size >= 0x477ff000) {
            half = 0x7c00;
        } else if (size < 0x38800000) {
            /* Adding 0.5 leaves the rounded multiple of 2^-24 in the low bits. */
            float whole, tiny;
            memcpy(&tiny, &size, sizeof tiny);
            whole = tiny + 0.5f;
            memcpy(&half, &whole, sizeof whole);
            half -= 0x3f000000;
        } else {
            half = (size - 0x38000000 + 0xfff + (size >> 13 & 1)) >> 13;
        }
        at[i] = (uint16_t)(sign | half);
    }
}

typedef const float *v16_table;

static inline v16_table v16_table_load(const float *at)
{
    return at;
}

static inline v16 v16_pick(v16_table table, v16 t)
{
    uint32_t bits[16];
    memcpy(bits, t.f, sizeof bits);
    V16_LANES t.f[i] = table[bits[i] & 15];
    return t;
}

static inline v16 v16_lift(v16 x, v16 t)
{
    uint32_t bits[16], by[16];
    memcpy(bits, x.f, sizeof bits);
    memcpy(by, t.f, sizeof by);
    V16_LANES bits[i] += by[i] << 19;
    memcpy(x.f, bits, sizeof bits);
    return x;
}

#undef V16_LANES

typedef struct d8 {
    double f[8];
} d8;

#define D8_LANES for (int i = 0; i < 8; i++)

static inline d8 d8_all(double x)
{
    d8 r;
    D8_LANES r.f[i] = x;
    return r;
}

static inline d8 d8_load(const double *at)
{
    d8 r;
    memcpy(r.f, at, sizeof r.f);
    return r;
}

static inline d8 d8_load_f32(const float *at)
{
    d8 r;
    D8_LANES r.f[i] = (double)at[i];
    return r;
}

static inline void d8_store(double *at, d8 a)
{
    memcpy(at, a.f, sizeof a.f);
}

static inline d8 d8_add(d8 a, d8 b)
{
    D8_LANES a.f[i] += b.f[i];
    return a;
}

static inline d8 d8_sub(d8 a, d8 b)
{
    D8_LANES a.f[i] -= b.f[i];
    return a;
}

static inline d8 d8_mul(d8 a, d8 b)
{
    D8_LANES a.f[i] *= b.f[i];
    return a;
}

static inline d8 d8_fma(d8 a, d8 b, d8 c)
{
    D8_LANES a.f[i] = fma(a.f[i], b.f[i], c.f[i]);
    return a;
}

static inline d8 d8_max(d8 a, d8 b)
{
    D8_LANES a.f[i] = a.f[i] > b.f[i] ? a.f[i] : b.f[i];
    return a;
}

static inline d8 d8_to_power(d8 t)
{
    uint64_t bits[8];
    memcpy(bits, t.f, sizeof bits);
    D8_LANES bits[i] <<= 52;
    memcpy(t.f, bits, sizeof bits);
    return t;
}

#undef D8_LANES
