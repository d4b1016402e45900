/* Differences of f32 in f64, and products of vectors of f64. Element i goes to lane i mod 32, so that the
 * products of one vector do not wait for each other; lanes are folded in halves. No fused multiply-add, so
 * that processors without one need not imitate it. */
enum { PRODUCT_AHEAD = 4096, PRODUCT_VECTORS = 4, PRODUCT_LANES = 8 * PRODUCT_VECTORS };

static inline double product_fold(const d8 *sums)
{
    double lane[PRODUCT_LANES];
    for (int v = 0; v < PRODUCT_VECTORS; v++)
        d8_store(lane + 8 * v, sums[v]);
    for (int width = PRODUCT_LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            lane[i] += lane[i + width];
    return lane[0];
}

static inline void product_step(d8 *sums, const double *x, const double *y)
{
    for (int v = 0; v < PRODUCT_VECTORS; v++)
        sums[v] = d8_add(sums[v], d8_mul(d8_load(x + 8 * v), d8_load(y + 8 * v)));
}

static double dot_f64(const double *x, const double *y, int64_t n)
{
    d8 zero = d8_all(0), sums[PRODUCT_VECTORS] = {zero, zero, zero, zero};
    int64_t i = 0;
    for (; i + PRODUCT_LANES <= n; i += PRODUCT_LANES)
        product_step(sums, x + i, y + i);
    if (i < n) {
        double p[PRODUCT_LANES] = {0}, q[PRODUCT_LANES] = {0};
        memcpy(p, x + i, (size_t)(n - i) * sizeof *p);
        memcpy(q, y + i, (size_t)(n - i) * sizeof *q);
        product_step(sums, p, q);
    }
    return product_fold(sums);
}

static void add_f64(double *out, double s, const double *x, int64_t n)
{
    int64_t i = 0;
    d8 all = d8_all(s);
    for (; i + 8 <= n; i += 8)
        d8_store(out + i, d8_add(d8_load(out + i), d8_mul(all, d8_load(x + i))));
    for (; i < n; i++)
        out[i] += s * x[i];
}

static void gap_f32(double *out, const float *a, const float *b, int64_t n)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        v16_prefetch(v16_ahead(a + i, PRODUCT_AHEAD));
        d8_store(out + i, d8_sub(d8_load_f32(a + i), d8_load_f32(b + i)));
        d8_store(out + i + 8, d8_sub(d8_load_f32(a + i + 8), d8_load_f32(b + i + 8)));
    }
    for (; i < n; i++)
        out[i] = (double)a[i] - (double)b[i];
}
