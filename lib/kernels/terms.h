/* Exponentials of logits.
 *
 * The difference to the maximum is never formed: rounding it would cost half an ulp of up to 2^7, a
 * relative 1e-6 in the term. z itself is reduced, z = k ln 2 + r, with two fused steps of which the
 * first is exact; k moves by the origin as an integer; exp r is a polynomial of degree 6 (relative
 * error 3.2e-9 on +-0.347, Remez with rounded coefficients). A term is within 1.1e-7 of the truth. */

struct constants {
    v16 shift, magic, low, log2e, minus_ln2_high, minus_ln2_low, one, c[5];
};

static inline struct constants make_constants(struct align__origin origin)
{
    return (struct constants){
        .shift = v16_all(origin.shift),
        .magic = v16_all(origin.magic),
        .low = v16_all(origin.low),
        .log2e = v16_all(0x1.715476p+0f),
        .minus_ln2_high = v16_all(-0x1.62e430p-1f),
        .minus_ln2_low = v16_all(0x1.05c610p-29f),
        .one = v16_all(1.0f),
        .c = {v16_all(0x1.fffffcp-2f), v16_all(0x1.55548cp-3f), v16_all(0x1.555858p-5f),
              v16_all(0x1.123de0p-7f), v16_all(0x1.6ac74cp-10f)},
    };
}

/* z - shift, not below `low`; NaN passes. */
static inline v16 lift(v16 z, const struct constants *k)
{
    return v16_max(k->low, v16_sub(z, k->shift));
}

static inline v16 term(v16 x, const struct constants *k)
{
    v16 t = v16_fma(x, k->log2e, k->magic);
    v16 n = v16_sub(t, k->magic);
    v16 r = v16_fma(n, k->minus_ln2_high, x);
    r = v16_fma(n, k->minus_ln2_low, r);
    v16 p = v16_fma(k->c[4], r, k->c[3]);
    p = v16_fma(p, r, k->c[2]);
    p = v16_fma(p, r, k->c[1]);
    p = v16_fma(p, r, k->c[0]);
    p = v16_fma(p, r, k->one);
    p = v16_fma(p, r, k->one);
    return v16_mul(p, v16_to_power(t));
}

/* Both are stored after both are read, as out may be z. */
#define TERMS(kind, type, load_pair, store_pair)                                                   \
    static void terms_##kind(void *gradient, const void *logits, int64_t n,                        \
                             struct align__origin origin, float factor)                            \
    {                                                                                              \
        const struct constants k = make_constants(origin);                                         \
        const v16 f = v16_all(factor);                                                             \
        const type *z = logits;                                                                    \
        type *out = gradient, part[32] = {0};                                                      \
        v16 x[2];                                                                                  \
        int64_t i = 0;                                                                             \
        for (; i + 32 <= n; i += 32) {                                                             \
            FETCH(z + i, 32);                                                                      \
            load_pair(x, z + i);                                                                   \
            for (int j = 0; j < 2; j++)                                                            \
                x[j] = v16_mul(f, term(lift(x[j], &k), &k));                                       \
            store_pair(out + i, x);                                                                \
        }                                                                                          \
        if (i < n) {                                                                               \
            memcpy(part, z + i, (size_t)(n - i) * sizeof *z);                                      \
            load_pair(x, part);                                                                    \
            for (int j = 0; j < 2; j++)                                                            \
                x[j] = v16_mul(f, term(lift(x[j], &k), &k));                                       \
            store_pair(part, x);                                                                   \
            memcpy(out + i, part, (size_t)(n - i) * sizeof *out);                                  \
        }                                                                                          \
    }

#define STORE_PAIR(name, type, store)                                                              \
    static inline void name(type *at, const v16 x[2])                                              \
    {                                                                                              \
        store(at, x[0]);                                                                           \
        store(at + 16, x[1]);                                                                      \
    }

STORE_PAIR(store_pair_f32, float, v16_store)
STORE_PAIR(store_pair_f16, uint16_t, v16_store_f16)

TERMS(f32, float, load_pair_f32, store_pair_f32)
TERMS(bf16, uint16_t, v16_load_pair_bf16, v16_store_pair_bf16)
TERMS(f16, uint16_t, load_pair_f16, store_pair_f16)
