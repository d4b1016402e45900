/* The sum of exponentials of logits to a relative 1.5e-10, at the speed of f32, or of terms in one f32 each; and the
 * largest logit.
 *
 * z = n ln 2 / 16 + g with |g| <= 0.0218, where one fused step gives g exactly; what the step lacks for the rest
 * of ln 2 and of the power 2^(j/16) (j: the low 4 bits of n) is the small number a. A term is a pair of f32
 *
 *     s (1 + g + g^2 w(g)) (1 + a) = high + low,    high = s + s g rounded, low = what that lost and
 *     s = 2^(n/16 - origin) rounded,                s ((w g + a) g + a),
 *
 * whose high parts are added in f64, and whose low parts, below 2^-12 of them, in f32 for a block. w makes a
 * relative error of 6e-12 (Remez). What is left out, a g^2 w, is what bounds the origin.
 *
 * A term in one f32 is s + s g (1 + g (1/2 + g/6)), without what rounding took from s. */

static const float exp_pairs_log2e = 0x1.715476p+4f;
static const float exp_pairs_ln2[2] = {-0x1.62e430p-5f, 0x1.05c610p-33f};
static const float exp_pairs_w[2] = {0x1.5556b6p-5f, 0x1.555730p-3f};

/* Bits of 2^(j/16), less what v16_lift adds for j; and the relative error of its rounding. */
static const uint32_t exp_pairs_bits[16] = {
    0x3f800000, 0x3f7daac3, 0x3f7b95c2, 0x3f79c3d3, 0x3f7837f0, 0x3f76f532, 0x3f75fed7, 0x3f75583f,
    0x3f7504f3, 0x3f7508a4, 0x3f75672a, 0x3f76248c, 0x3f7744fd, 0x3f78ccdf, 0x3f7ac0c7, 0x3f7d257d,
};
static const float exp_pairs_lost[16] = {
    0.0f,
    0x1.8d96d4p-25f,
    -0x1.9c0c22p-27f,
    0x1.964904p-25f,
    0x1.125002p-25f,
    0x1.370be4p-25f,
    -0x1.0a3550p-25f,
    -0x1.00d8acp-27f,
    0x1.26055cp-26f,
    -0x1.05cb44p-25f,
    0x1.67a1cap-28f,
    0x1.a3b5e4p-28f,
    -0x1.f9c304p-27f,
    -0x1.6961b4p-28f,
    -0x1.a5217cp-28f,
    0x1.61428ep-28f,
};

struct powers {
    v16 magic, low;
    v16_table power, lost;
};

/* Terms below 2^-100 of the origin count as that. `room` is where tables lie. */
static inline struct powers make_powers(int32_t origin, float room[16])
{
    memcpy(room, exp_pairs_bits, sizeof exp_pairs_bits);
    return (struct powers){
        .magic = v16_all(0x1.8p23f - (float)(16 * origin)),
        .low = v16_all((float)(origin - 100) * 0x1.62e430p-1f),
        .power = v16_table_load(room),
        .lost = v16_table_load(exp_pairs_lost),
    };
}

/* `count` vectors, 1 or 2, go side by side, so that one does not wait for the other. */
#define EACH for (int j = 0; j < count; j++)

/* z becomes g; s has n in its low bits. */
static inline void take_powers(const struct powers *k, v16 *z, v16 *n, v16 *s, v16 *most, int count)
{
    EACH most[j] = v16_max(most[j], z[j]);
    EACH z[j] = v16_max(k->low, z[j]);
    EACH s[j] = v16_fma(z[j], v16_all(exp_pairs_log2e), k->magic);
    EACH n[j] = v16_sub(s[j], k->magic);
    EACH z[j] = v16_fma(n[j], v16_all(exp_pairs_ln2[0]), z[j]);
}

/* Puts the high parts of the terms to `high`, and adds the low ones to low[]. */
static inline void split_terms(const struct powers *k, v16 *z, float *high, v16 *low, v16 *most,
                               int count)
{
    v16 n[2], a[2], s[2], w[2], h[2];
    take_powers(k, z, n, s, most, count);
    EACH a[j] = v16_fma(n[j], v16_all(exp_pairs_ln2[1]), v16_pick(k->lost, s[j]));
    EACH s[j] = v16_lift(v16_pick(k->power, s[j]), s[j]);
    EACH w[j] = v16_fma(z[j], v16_all(exp_pairs_w[0]), v16_all(exp_pairs_w[1]));
    EACH h[j] = v16_fma(s[j], z[j], s[j]);
    EACH w[j] = v16_fma(w[j], z[j], v16_all(0.5f));
    EACH n[j] = v16_sub(s[j], h[j]);
    EACH w[j] = v16_fma(w[j], z[j], a[j]);
    EACH w[j] = v16_fma(w[j], z[j], a[j]);
    EACH n[j] = v16_fma(s[j], z[j], n[j]);
    EACH n[j] = v16_fma(s[j], w[j], n[j]);
    EACH low[j] = v16_add(low[j], n[j]);
    EACH v16_store(high + 16 * j, h[j]);
}

static inline void add_terms(const struct powers *k, v16 *z, v16 *part, v16 *most, int count)
{
    v16 n[2], s[2], w[2];
    take_powers(k, z, n, s, most, count);
    EACH z[j] = v16_fma(n[j], v16_all(exp_pairs_ln2[1]), z[j]);
    EACH s[j] = v16_lift(v16_pick(k->power, s[j]), s[j]);
    EACH w[j] = v16_fma(z[j], v16_all(0x1.555556p-3f), v16_all(0.5f));
    EACH n[j] = v16_mul(s[j], z[j]);
    EACH w[j] = v16_fma(w[j], z[j], v16_all(1.0f));
    EACH s[j] = v16_fma(n[j], w[j], s[j]);
    EACH part[j] = v16_add(part[j], s[j]);
}
#undef EACH

/* Sums in registers: element i of what is added goes to lane i mod 32. */
static inline void add_high(d8 sum[4], const float *high, int64_t n)
{
    d8 a = sum[0], b = sum[1], c = sum[2], d = sum[3];
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        a = d8_add(a, d8_load_f32(high + i));
        b = d8_add(b, d8_load_f32(high + i + 8));
        c = d8_add(c, d8_load_f32(high + i + 16));
        d = d8_add(d, d8_load_f32(high + i + 24));
    }
    if (i < n) {
        a = d8_add(a, d8_load_f32(high + i));
        b = d8_add(b, d8_load_f32(high + i + 8));
    }
    sum[0] = a;
    sum[1] = b;
    sum[2] = c;
    sum[3] = d;
}

/* One function a kind of element. */
#define SUM_PAIRS(name, type, load, load_part, load_pair)                                          \
    static double name(const void *logits, int64_t n, int32_t origin, float *top)                  \
    {                                                                                              \
        enum { BLOCK = 512 };                                                                      \
        const type *z = logits;                                                                    \
        float room[16], high[BLOCK];                                                               \
        const struct powers k = make_powers(origin, room);                                         \
        const d8 zero = d8_all(0);                                                                 \
        d8 sum[4] = {zero, zero, zero, zero};                                                      \
        v16 most[2] = {v16_all(-INFINITY), v16_all(-INFINITY)};                                    \
        for (int64_t left = n; left > 0; left -= BLOCK, z += BLOCK) {                              \
            v16 low[2] = {v16_all(0.0f), v16_all(0.0f)};                                           \
            int64_t i = 0, count = left < BLOCK ? left : BLOCK;                                    \
            for (; i + 32 <= count; i += 32) {                                                     \
                v16 x[2];                                                                          \
                load_pair(x, z + i);                                                               \
                FETCH(z + i, 32);                                                                  \
                split_terms(&k, x, high + i, low, most, 2);                                        \
            }                                                                                      \
            for (; i < count; i += 16) {                                                           \
                v16 x = count - i < 16 ? load_part(z + i, count - i) : load(z + i);                \
                split_terms(&k, &x, high + i, low, most, 1);                                       \
            }                                                                                      \
            add_high(sum, high, i);                                                                \
            v16_store(high, v16_add(low[0], low[1]));                                              \
            add_high(sum, high, 16);                                                               \
        }                                                                                          \
        *top = largest_lane(v16_max(most[0], most[1]));                                            \
        return fold(d8_add(sum[0], sum[2]), d8_add(sum[1], sum[3]));                               \
    }

SUM_PAIRS(sum_f32, float, v16_load, logits_part_f32, load_pair_f32)
SUM_PAIRS(sum_bf16, uint16_t, v16_load_bf16, logits_part_bf16, v16_load_pair_bf16)
SUM_PAIRS(sum_f16, uint16_t, v16_load_f16, logits_part_f16, load_pair_f16)

/* Four vectors in turn over 256 elements, so that no f32 sum has more than six steps, then f64. */
#define SUM_TERMS(name, type, load, load_part, load_pair)                                          \
    static double name(const void *logits, int64_t n, int32_t origin, float *top)                  \
    {                                                                                              \
        enum { BLOCK = 256 };                                                                      \
        const type *z = logits;                                                                    \
        float room[16], lanes[16];                                                                 \
        const struct powers k = make_powers(origin, room);                                         \
        const v16 none = v16_all(-INFINITY), zero = v16_all(0.0f);                                 \
        d8 sum[4] = {d8_all(0), d8_all(0), d8_all(0), d8_all(0)};                                  \
        v16 most[2] = {none, none};                                                                \
        for (int64_t left = n; left > 0; left -= BLOCK, z += BLOCK) {                              \
            v16 part[4] = {zero, zero, zero, zero};                                                \
            int64_t i = 0, count = left < BLOCK ? left : BLOCK;                                    \
            for (; i + 64 <= count; i += 64)                                                       \
                for (int j = 0; j < 4; j += 2) {                                                   \
                    v16 x[2];                                                                      \
                    load_pair(x, z + i + 16 * j);                                                  \
                    FETCH(z + i + 16 * j, 32);                                                     \
                    add_terms(&k, x, part + j, most, 2);                                           \
                }                                                                                  \
            for (int j = 0; i < count; i += 16, j++) {                                             \
                v16 x = count - i < 16 ? load_part(z + i, count - i) : load(z + i);                \
                add_terms(&k, &x, &part[j], most, 1);                                              \
            }                                                                                      \
            v16_store(lanes, v16_add(v16_add(part[0], part[1]), v16_add(part[2], part[3])));       \
            add_high(sum, lanes, 16);                                                              \
        }                                                                                          \
        *top = largest_lane(v16_max(most[0], most[1]));                                            \
        return fold(sum[0], sum[1]);                                                               \
    }

SUM_TERMS(sum_fast_f32, float, v16_load, logits_part_f32, load_pair_f32)
SUM_TERMS(sum_fast_bf16, uint16_t, v16_load_bf16, logits_part_bf16, v16_load_pair_bf16)
SUM_TERMS(sum_fast_f16, uint16_t, v16_load_f16, logits_part_f16, load_pair_f16)
