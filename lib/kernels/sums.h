/* Sums of e = exp(z - top) in f64, where the difference needs no care: lane j of 16 takes the elements
 * j, j + 16, ... in order. exp is 2^k times a polynomial with a relative error of 1.5e-10 (degree 7,
 * for logits that were rounded to f32 or less) or 4e-17 (degree 11), both Remez on +-0.347. */

static const double exp_7[] = {
    0x1.9f883470886e2p-13,
    0x1.6d95f204c658dp-10,
    0x1.1113ee473d1a4p-7,
    0x1.55548940ef3c6p-5,
    0x1.55555185ed108p-3,
    0x1.0000003a23742p-1,
    1.0,
    1.0,
};
static const double exp_11[] = {
    0x1.ad9d260347f5dp-26,
    0x1.28af1f6e61230p-22,
    0x1.71df0b683c958p-19,
    0x1.a019989717ca1p-16,
    0x1.a01a0139f7eafp-13,
    0x1.6c16c184b2b7ap-10,
    0x1.1111111124f40p-7,
    0x1.5555555550609p-5,
    0x1.5555555555503p-3,
    0x1.000000000000ap-1,
    1.0,
    1.0,
};

struct lanes_8 {
    d8 sum, dot, square;
};

/* x = z - top <= 0. Rounding to an integer k by a sum with 1.5 * 2^52 also makes k + 1023 its low
 * bits; x is kept from going below where those are 0, and so is the term. */
static inline void add_8(struct lanes_8 *to, d8 x, const double *poly, int degree, int wide)
{
    const d8 magic = d8_all(0x1.8p52 + 1023);
    x = d8_max(d8_all(-1023 * 0x1.62e42fefa39efp-1), x);
    d8 t = d8_fma(x, d8_all(0x1.71547652b82fep+0), magic);
    d8 r = d8_fma(d8_sub(t, magic), d8_all(-0x1.62e42fefa39efp-1), x);
    if (degree > 7)
        r = d8_fma(d8_sub(t, magic), d8_all(-0x1.abc9e3b39803fp-56), r);
    d8 p = d8_all(poly[0]);
    for (int i = 1; i <= degree; i++)
        p = d8_fma(p, r, d8_all(poly[i]));
    d8 power = d8_to_power(t);
    if (!wide) {
        to->sum = d8_fma(p, power, to->sum);
        return;
    }
    d8 e = d8_mul(p, power);
    to->sum = d8_add(to->sum, e);
    to->dot = d8_fma(e, x, to->dot);
    to->square = d8_fma(e, e, to->square);
}

static double fold(d8 a, d8 b)
{
    double lanes[16];
    d8_store(lanes, a);
    d8_store(lanes + 8, b);
    for (int half = 8; half > 0; half /= 2)
        for (int j = 0; j < half; j++)
            lanes[j] += lanes[j + half];
    return lanes[0];
}

/* One function a kind of element: `load` makes eight f64 of eight elements. */
#define SUMS(name, type, load, poly, degree)                                                       \
    static inline void name##_of(struct align__sums *out, const type *z, int64_t n, double top,    \
                                 int wide)                                                         \
    {                                                                                              \
        const d8 zero = d8_all(0), from = d8_all(top);                                             \
        struct lanes_8 a = {zero, zero, zero}, b = a;                                              \
        int64_t i = 0;                                                                             \
        for (; i + 16 <= n; i += 16) {                                                             \
            FETCH(z + i, 16);                                                                      \
            add_8(&a, d8_sub(load(z + i), from), poly, degree, wide);                              \
            add_8(&b, d8_sub(load(z + i + 8), from), poly, degree, wide);                          \
        }                                                                                          \
        if (i < n) {                                                                               \
            type part[16];                                                                         \
            for (int j = 0; j < 16; j++)                                                           \
                part[j] = i + j < n ? z[i + j] : -INFINITY;                                        \
            add_8(&a, d8_sub(load(part), from), poly, degree, wide);                               \
            add_8(&b, d8_sub(load(part + 8), from), poly, degree, wide);                           \
        }                                                                                          \
        out->sum = fold(a.sum, b.sum);                                                             \
        out->dot = -fold(a.dot, b.dot);                                                            \
        out->square = fold(a.square, b.square);                                                    \
    }                                                                                              \
    static void name(struct align__sums *out, const type *z, int64_t n, double top, int wide)      \
    {                                                                                              \
        if (wide)                                                                                  \
            name##_of(out, z, n, top, 1);                                                          \
        else                                                                                       \
            name##_of(out, z, n, top, 0);                                                          \
    }

SUMS(sums_f32, float, d8_load_f32, exp_7, 7)
SUMS(sums_f64, double, d8_load, exp_11, 11)
