/* Prints a checksum of what the kernels of each instruction set make of the same numbers: one line, as all
 * of them make the same, also those of another machine. NaN is left out, whose bits differ by machine. */
#include "kernels/f64.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 2048 };

static uint64_t hash, seed;

static void mix(const void *data, size_t bytes)
{
    const unsigned char *at = data;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ at[i]) * UINT64_C(1099511628211);
}

static uint32_t random_bits(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 32);
}

static void mix_logits(const struct align__logits *logits, const void *z, int64_t n, size_t bytes)
{
    static float out[N];
    float top = logits->top(z, n);
    int64_t at = logits->find(z, n, top);
    float most[2];
    double sum = logits->sum(z, n, 29, &most[0]), fast = logits->sum_fast(z, n, 29, &most[1]);
    mix(&top, sizeof top);
    mix(&at, sizeof at);
    mix(&sum, sizeof sum);
    mix(&fast, sizeof fast);
    mix(most, sizeof most);
    logits->terms(out, z, n, align__origin_make(0, 29, 20), -0.3f);
    mix(out, (size_t)n * bytes);
}

static void mix_size(const struct align__kernels *kernels, int64_t n)
{
    static float z[N], out[N], bits[N];
    static double z64[N];
    static uint16_t half[N];
    struct align__sums sums;
    for (int64_t i = 0; i < n; i++) {
        z[i] = (float)(random_bits() * 0x1p-32 * 80 - 60);
        z64[i] = (double)z[i] * 1.25;
        uint32_t any = random_bits();
        memcpy(&bits[i], &any, sizeof any);
        if (isnan(bits[i]))
            bits[i] = -INFINITY;
    }
    for (int wide = 0; wide < 2; wide++) {
        kernels->sums_f32(&sums, z, n, 20, wide);
        mix(&sums, sizeof sums);
        kernels->sums_f64(&sums, z64, n, 25, wide);
        mix(&sums, sizeof sums);
    }
    mix_logits(&kernels->f32, z, n, sizeof *z);
    kernels->to_bf16(half, z, n);
    mix_logits(&kernels->bf16, half, n, sizeof *half);
    kernels->to_f16(half, z, n);
    mix_logits(&kernels->f16, half, n, sizeof *half);
    kernels->to_bf16(half, bits, n);
    mix(half, (size_t)n * sizeof *half);
    kernels->from_bf16(out, half, n);
    mix(out, (size_t)n * sizeof *out);
    kernels->to_f16(half, bits, n);
    mix(half, (size_t)n * sizeof *half);
    kernels->from_f16(out, half, n);
    mix(out, (size_t)n * sizeof *out);
}

static void mix_f64(const struct align__f64 *f64, int64_t n)
{
    static double x[N], out[4][N];
    for (int64_t i = 0; i < n; i++) {
        double u = random_bits() * 0x1p-32 - 0.5;
        x[i] = ldexp(u, (int)(random_bits() % 40) - 28);
    }
    void (*const functions[])(double *, const double *, int64_t) = {
        f64->exp,
        f64->expm1,
        f64->tanh,
        f64->tanh_slope,
    };
    for (int f = 0; f < 4; f++) {
        functions[f](out[0], x, n);
        mix(out[0], (size_t)n * sizeof *x);
    }
    f64->logistic((struct align__logistics){out[0], out[1], out[2], out[3]}, x, n);
    for (int k = 0; k < 4; k++)
        mix(out[k], (size_t)n * sizeof *x);
    f64->exp(x, x, n);
    f64->log(out[0], x, n);
    f64->log1p(out[1], x, n);
    mix(out[0], (size_t)n * sizeof *x);
    mix(out[1], (size_t)n * sizeof *x);
}

int main(void)
{
    static const uint64_t levels[] = {0, ALIGN_CPU_AVX2, ALIGN_CPU_AVX512, ALIGN_CPU_NEON};
    uint64_t first = 0;
    int seen = 0;
    for (int l = 0; l < 4; l++) {
        if ((align_cpu() & levels[l]) != levels[l])
            continue;
        hash = UINT64_C(14695981039346656037);
        seed = 11;
        for (int64_t n = 1; n <= N; n += n < 70 ? 1 : 97) {
            mix_size(align__kernels(levels[l]), n);
            mix_f64(align__f64(levels[l]), n);
        }
        first = seen++ == 0 ? hash : first;
        if (hash != first) {
            printf("instruction set %d: %016llx\n", l, (unsigned long long)hash);
            return 1;
        }
    }
    fprintf(stderr, "%d instruction sets\n", seen);
    printf("%016llx\n", (unsigned long long)first);
    return 0;
}
