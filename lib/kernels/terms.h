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

/* `store` may follow the reads of its own 16 elements only, as out may be z. */
#define TERMS(kind, type, load, store)                                                             \
    static void terms_##kind(void *gradient, const void *logits, int64_t n,                        \
                             struct align__origin origin, float factor)                            \
    {                                                                                              \
        const struct constants k = make_constants(origin);                                         \
        const v16 f = v16_all(factor);                                                             \
        const type *z = logits;                                                                    \
        type *out = gradient;                                                                      \
        int64_t i = 0;                                                                             \
        for (; i + 16 <= n; i += 16) {                                                             \
            FETCH(z + i, 16);                                                                      \
            store(out + i, v16_mul(f, term(lift(load(z + i), &k), &k)));                           \
        }                                                                                          \
        if (i < n) {                                                                               \
            type part[16] = {0};                                                                   \
            memcpy(part, z + i, (size_t)(n - i) * sizeof *z);                                      \
            store(part, v16_mul(f, term(lift(load(part), &k), &k)));                               \
            memcpy(out + i, part, (size_t)(n - i) * sizeof *out);                                  \
        }                                                                                          \
    }

TERMS(f32, float, v16_load, v16_store)
TERMS(bf16, uint16_t, v16_load_bf16, v16_store_bf16)
TERMS(f16, uint16_t, v16_load_f16, v16_store_f16)
