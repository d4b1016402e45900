/* Elementary functions of one vector of f64; f64.h states their errors. */

/* ln 2 in two parts; the first ends in 11 zero bits, so that its product with an exponent is exact. */
#define F64_LN2_HIGH 0x1.62e42fefa3800p-1
#define F64_LN2_LOW  0x1.ef35793c76730p-45

/* 2^k for a whole k in -1022..1023: adding brings k + 1023 to the low bits, shifting to the exponent. */
static inline vd vd_power(vd k)
{
    return (vd)((vu)(k + (0x1.8p52 + 1023)) << 52);
}

/* The whole number of ln 2 nearest to x. */
static inline vd vd_exp_whole(vd x)
{
    return (x * 0x1.71547652b82fep+0 + 0x1.8p52) - 0x1.8p52;
}

/* Ten coefficients, the lowest first, in pairs of pairs, so that steps do not all wait for each other; but the last
 * step by itself, so that only its rounding counts. */
static inline vd vd_poly(const double c[10], vd x)
{
    vd x2 = x * x, x4 = x2 * x2;
    vd low = (x * c[2] + c[1]) + (x * c[4] + c[3]) * x2;
    vd high = (x * c[6] + c[5]) + (x * c[8] + c[7]) * x2;
    return (low + (high + x4 * c[9]) * x4) * x + c[0];
}

/* q(r) of e^r = 1 + r + r^2 q(r) for |r| <= 0.347, relative error 2^-56 (Remez). */
static inline vd vd_exp_rest(vd r)
{
    static const double q[10] = {
        0x1.000000000000ap-1,  0x1.55555555554fap-3,  0x1.555555555087cp-5,  0x1.1111111127be4p-7,
        0x1.6c16c1842a147p-10, 0x1.a01a012a57cd8p-13, 0x1.a0199a0c611a8p-16, 0x1.71df2552af8d3p-19,
        0x1.28ad72d147d89p-22, 0x1.ad7f6d7911672p-26,
    };
    return vd_poly(q, r);
}

/* 2^k p. The power of two is applied in halves, so that the one rounding of a subnormal result is the last step. */
static inline vd vd_scale(vd p, vd k)
{
#if F64_LANES == 8
    return (vd)_mm512_scalef_pd((__m512d)p, (__m512d)k);
#else
    vd half = (k * 0.5 + 0x1.8p52) - 0x1.8p52;
    return p * vd_power(half) * vd_power(k - half);
#endif
}

/* e^x for x up to 710, x = k ln 2 + r. Where that is 0, x is put to 0 meanwhile: processors are slow where results
 * underflow. */
static inline vd vd_exp_low(vd x)
{
    vi gone = x < -746.0;
    x = (vd)((vi)x & ~gone);
    vd k = vd_exp_whole(x), r = (x - k * F64_LN2_HIGH) - k * F64_LN2_LOW;
    return (vd)((vi)vd_scale((r * r * vd_exp_rest(r) + r) + 1.0, k) & ~gone);
}

static inline vd vd_exp(vd x)
{
    return vd_exp_low(vd_pick(x > 710.0, vd_all(710), x));
}

/* x = k ln 2 + r with e^r = 1 + r + tail, where tail has what rounding took from r. */
struct reduced {
    vd k, r, tail;
};

static inline struct reduced vd_reduce(vd x)
{
    vd k = vd_exp_whole(x), high = x - k * F64_LN2_HIGH, low = k * F64_LN2_LOW;
    vd r = high - low, lost = (high - r) - low;
    return (struct reduced){k, r, r * r * vd_exp_rest(r) + lost * (r + 1.0)};
}

/* e^x - 1 = 2 (a + b (r + tail)) with b = 2^(k-1) and a = b - 1/2, of which a + b r is kept in two parts, as is r:
 * where a and b r cancel, nothing of r is lost. */
static inline vd vd_less_one(struct reduced x)
{
    vd b = vd_power(x.k - 1.0), a = b - 0.5, step = b * x.r;
    vd sum = a + step;
    return (sum + ((step - (sum - a)) + b * x.tail)) * 2.0;
}

/* What is below 2^-55 is its own result. */
static inline vd vd_expm1(vd x)
{
    vd small = x;
    x = vd_pick(x > 710.0, vd_all(710), x);
    x = vd_pick(x < -40.0, vd_all(-40), x);
    return vd_pick(vd_abs(small) < 0x1p-55, small, vd_less_one(vd_reduce(x)));
}

/* With t = e^(-2 |x|) - 1, tanh |x| = -t / (t + 2). */
static inline vd vd_tanh(vd x)
{
    vd t = vd_expm1(vd_abs(x) * -2.0), y = t / (t + 2.0);
    return (vd)((vi)vd_abs(y) | ((vi)x & INT64_MIN));
}

/* 1 - tanh^2 = 4 q / (1 + q)^2 with q = e^(-2 |x|): no cancellation for large x. */
static inline vd vd_tanh_slope(vd x)
{
    vd q = vd_exp(vd_abs(x) * -2.0), whole = q + 1.0;
    return 4.0 * q / (whole * whole);
}

/* log(1 + f) for f in [0, 1] or 1 + f in [sqrt 1/2, sqrt 2]: with s = f / (2 + f) and w = s^2,
 * log(1 + f) = f - s (f - w P(w)), relative error of w P 2^-57 up to w = 1/9. This returns the part
 * that is taken from f. */
static inline vd vd_log_part(vd f)
{
    static const double p[10] = {
        0x1.5555555555535p-1, 0x1.99999999a0840p-2, 0x1.2492492085754p-2, 0x1.c71c741f8d69ap-3,
        0x1.745cb39b43f79p-3, 0x1.3b1de327402b3p-3, 0x1.10676873542e3p-3, 0x1.efdd856a02671p-4,
        0x1.559c46b15fec7p-4, 0x1.5c8a5f56214a8p-3,
    };
    vd s = f / (f + 2.0), w = s * s;
    return s * (f - w * vd_poly(p, w));
}

/* log(u) + correction, where u 2^-lifted is meant; u is a positive normal number, 2^k (1 + f). */
static inline vd vd_log_split(vd u, vd lifted, vd correction)
{
    const uint64_t root_half = 0x3fe6a09e667f3bcd, one = 0x3ff0000000000000;
    vu bits = (vu)u + (one - root_half);
    vd k = (vd)((bits >> 52) | 0x4330000000000000) - (0x1p52 + 1023) - lifted;
    vd f = (vd)((bits & 0x000fffffffffffff) + root_half) - 1.0;
    return k * F64_LN2_HIGH + (f - (vd_log_part(f) - (k * F64_LN2_LOW + correction)));
}

static inline vd vd_log(vd x)
{
    vi tiny = x < 0x1p-1022;
    vd y = vd_log_split(vd_pick(tiny, x * 0x1p54, x), vd_pick(tiny, vd_all(54), vd_all(0)),
                        vd_all(0));
    y = vd_pick(x == 0.0, vd_all(-INFINITY), y);
    y = vd_pick(x == INFINITY, x, y);
    return vd_pick(x >= 0.0, y, vd_all(NAN));
}

/* What rounding 1 + x lost comes back as a correction. */
static inline vd vd_log1p(vd x)
{
    vd u = x + 1.0;
    vd lost = vd_pick(x > 1.0, 1.0 - (u - x), x - (u - 1.0)) / u;
    vd y = vd_log_split(u, vd_all(0), lost);
    y = vd_pick(x == -1.0, vd_all(-INFINITY), y);
    y = vd_pick(x == INFINITY, x, y);
    return vd_pick(x >= -1.0, y, vd_all(NAN));
}

struct rest {
    vd rest, log_rest;
};

/* 1 - e^x and log of it, for x <= 0: log1p(-e^x) where that is above log 1/2, with what rounding 1 - e^x lost, else
 * log(1 - e^x). Both powers come from one reduction; far down, where 1 - e^x is 1, only e^x needs its scale. */
static inline struct rest vd_rest(vd x)
{
    vi gone = x < -746.0;
    struct reduced e = vd_reduce((vd)((vi)x & ~gone));
    vd p = (vd)((vi)vd_scale((e.tail + e.r) + 1.0, e.k) & ~gone), one = vd_all(1);
    e.k = vd_pick((e.k < -60.0) | gone, vd_all(-60), e.k);
    vd rest = vd_pick(vd_abs(x) < 0x1p-55, -x, -vd_less_one(e));
    vi high = rest > 0.5, tiny = rest < 0x1p-1022;
    vd u = vd_pick(high, 1.0 - p, vd_pick(tiny, rest * 0x1p54, rest));
    vd lost = (vd)((vi)((-p - (u - one)) / u) & high);
    vd y = vd_log_split(u, (vd)((vi)vd_all(54) & tiny), lost);
    vd edge = vd_pick(rest == 0.0, vd_all(-INFINITY), vd_all(NAN));
    return (struct rest){rest, vd_pick(rest > 0.0, y, edge)};
}
