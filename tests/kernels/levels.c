/* Every instruction set gives the bytes of plain C: all sizes and alignments, with the end of each
 * buffer against a page that cannot be touched, and numbers of every kind. */
#define _GNU_SOURCE
#include "../suite.h"

#include "kernels/kernels.h"
#include "base/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct {
    const char *name;
    uint64_t cpu;
} levels[] = {{"AVX2", ALIGN_CPU_AVX2}, {"AVX-512", ALIGN_CPU_AVX512}, {"NEON", ALIGN_CPU_NEON}};

enum { LEVELS = sizeof levels / sizeof levels[0], ROOM = 1 << 15 };

static uint64_t seed = 1;

static uint32_t random_bits(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 32);
}

/* ROOM bytes that end where the address space does. */
static char *guarded(void)
{
    long page = sysconf(_SC_PAGESIZE);
    char *at = mmap(NULL, ROOM + (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                    -1, 0);
    ck_assert_ptr_ne(at, MAP_FAILED);
    ck_assert_int_eq(mprotect(at + ROOM, (size_t)page, PROT_NONE), 0);
    return at + ROOM;
}

static char *in_end, *out_end[2];

/* The last `count` elements before the guard, moved down by `shift` elements. */
static float *floats(char *end, int64_t count, int shift)
{
    return (float *)(void *)end - count - shift;
}

static int64_t size_of_trial(int trial)
{
    static const int64_t large[] = {255, 256, 257, 1023, 1024, 1025, 2047, 2048};
    return trial < 100 ? trial : large[trial % 8];
}

typedef void (*compare_fn)(const struct align__kernels *c, const struct align__kernels *level,
                           int64_t n, int shift);

static void over_levels(compare_fn compare)
{
    int seen = 0;
    in_end = guarded();
    out_end[0] = guarded();
    out_end[1] = guarded();
    for (int l = 0; l < LEVELS; l++) {
        if ((align_cpu() & levels[l].cpu) == 0) {
            printf("%s: not on this machine, skipped\n", levels[l].name);
            continue;
        }
        seen++;
        const struct align__kernels *level = align__kernels(levels[l].cpu);
        ck_assert_ptr_ne(level, align__kernels(0));
        for (int trial = 0; trial < 108; trial++)
            for (int shift = 0; shift < 16; shift += trial < 20 ? 1 : 5)
                compare(align__kernels(0), level, size_of_trial(trial), shift);
    }
    if (seen == 0)
        printf("only plain C on this machine\n");
}

static void fill(float *z, int64_t n, int kind)
{
    for (int64_t i = 0; i < n; i++) {
        z[i] = (float)(random_bits() * 0x1p-32 - 0.5) * (float)(1 << kind * 3);
        if (kind == 3 && random_bits() % 4 == 0)
            z[i] = -INFINITY;
        if (kind == 4) {
            uint32_t bits = random_bits();
            memcpy(&z[i], &bits, sizeof bits);
        }
    }
}

static const align_dtype dtypes[] = {ALIGN_F32, ALIGN_BF16, ALIGN_F16};

/* z as elements of a dtype, against a guard, and back again as what they are then. */
static char *stored(const struct align__kernels *c, align_dtype dtype, char *end, float *z,
                    int64_t n, int shift)
{
    char *at = end - (n + shift) * align_dtype_bytes(dtype);
    if (dtype == ALIGN_F32)
        memcpy(at, z, (size_t)n * sizeof *z);
    else
        (dtype == ALIGN_BF16 ? c->to_bf16 : c->to_f16)((uint16_t *)(void *)at, z, n);
    for (int64_t i = 0; i < n; i++)
        z[i] = (float)align__load(dtype, at + i * align_dtype_bytes(dtype));
    return at;
}

static void compare_sums(const struct align__kernels *c, const struct align__kernels *level,
                         int64_t n, int shift)
{
    float *z = floats(in_end, n, shift);
    double z64[2048];
    for (int kind = 0; kind < 4; kind++) {
        struct align__sums a, b;
        fill(z, n, kind);
        float top = c->f32.top(z, n);
        for (int64_t i = 0; i < n; i++)
            z64[i] = (double)z[i] * 1.1;
        double from = isinf(top) ? 0 : (double)top;
        for (int wide = 0; wide < 2; wide++) {
            c->sums_f32(&a, z, n, from, wide);
            level->sums_f32(&b, z, n, from, wide);
            ck_assert_mem_eq(&a, &b, sizeof a);
            ck_assert(wide || (a.dot == 0 && a.square == 0));
            c->sums_f64(&a, z64, n, from * 1.1, wide);
            level->sums_f64(&b, z64, n, from * 1.1, wide);
            ck_assert_mem_eq(&a, &b, sizeof a);
        }
    }
}

static void compare_reductions(const struct align__kernels *c, const struct align__kernels *level,
                               int64_t n, int shift)
{
    float z[2048];
    compare_sums(c, level, n, shift);
    for (int k = 0; k < 3 * 4; k++) {
        const struct align__logits *one = align__logits(c, dtypes[k / 4]);
        const struct align__logits *other = align__logits(level, dtypes[k / 4]);
        fill(z, n, k % 4);
        const char *at = stored(c, dtypes[k / 4], in_end, z, n, shift);
        float top = -INFINITY;
        int64_t first = 0;
        for (int64_t i = 0; i < n; i++)
            top = z[i] > top ? z[i] : top;
        while (first < n && z[first] != top)
            first++;
        ck_assert(one->top(at, n) == top && other->top(at, n) == top);
        ck_assert_int_eq(one->find(at, n, top), first);
        ck_assert_int_eq(other->find(at, n, top), first);
        ck_assert_int_eq(other->find(at, n, 12345), n);
        int32_t power = (int32_t)rintf((isinf(top) ? 0 : top) * 1.442695f);
        float most[4];
        double sum[4] = {one->sum(at, n, power, &most[0]), other->sum(at, n, power, &most[1]),
                         one->sum_fast(at, n, power, &most[2]),
                         other->sum_fast(at, n, power, &most[3])};
        ck_assert_mem_eq(&sum[0], &sum[1], sizeof sum[0]);
        ck_assert_mem_eq(&sum[2], &sum[3], sizeof sum[2]);
        for (int m = 0; m < 4; m++)
            ck_assert(most[m] == top);
    }
}

START_TEST(reductions_have_equal_bytes)
{
    over_levels(compare_reductions);
}
END_TEST

static void compare_terms(const struct align__kernels *c, const struct align__kernels *level,
                          int64_t n, int shift)
{
    float z[2048];
    for (int k = 0; k < 3 * 4; k++) {
        const align_dtype dtype = dtypes[k / 4];
        const size_t bytes = (size_t)n * (size_t)align_dtype_bytes(dtype);
        const struct align__logits *one = align__logits(c, dtype);
        const struct align__logits *other = align__logits(level, dtype);
        fill(z, n, k % 4);
        char *at = stored(c, dtype, in_end, z, n, shift), *a = out_end[0], *b = out_end[1];
        a -= in_end - at;
        b -= in_end - at;
        float top = one->top(at, n);
        struct align__origin origin = align__origin_make(
            0, (int32_t)rintf(isinf(top) ? 0 : top * 1.442695f), k % 4 * 40 - 20);
        one->terms(a, at, n, origin, -0.75f);
        other->terms(b, at, n, origin, -0.75f);
        ck_assert(n == 0 || memcmp(a, b, bytes) == 0);
        other->terms(at, at, n, origin, -0.75f);
        ck_assert(n == 0 || memcmp(a, at, bytes) == 0);
    }
}

START_TEST(terms_have_equal_bytes)
{
    over_levels(compare_terms);
}
END_TEST

static void compare_conversions(const struct align__kernels *c, const struct align__kernels *level,
                                int64_t n, int shift)
{
    float *z = floats(in_end, n, shift);
    uint16_t *a = (uint16_t *)(void *)out_end[0] - n - shift;
    uint16_t *b = (uint16_t *)(void *)out_end[1] - n - shift;
    fill(z, n, 4);
    c->to_bf16(a, z, n);
    level->to_bf16(b, z, n);
    ck_assert(n == 0 || memcmp(a, b, (size_t)n * 2) == 0);
    c->to_f16(a, z, n);
    level->to_f16(b, z, n);
    ck_assert(n == 0 || memcmp(a, b, (size_t)n * 2) == 0);
}

START_TEST(narrowing_has_equal_bytes)
{
    over_levels(compare_conversions);
}
END_TEST

START_TEST(widening_has_equal_bytes_for_every_number)
{
    static uint16_t in[65536];
    static float c[65536], level[65536];
    for (int i = 0; i < 65536; i++)
        in[i] = (uint16_t)i;
    for (int l = 0; l < LEVELS; l++) {
        if ((align_cpu() & levels[l].cpu) == 0)
            continue;
        align__kernels(0)->from_bf16(c, in, 65536);
        align__kernels(levels[l].cpu)->from_bf16(level, in, 65536);
        ck_assert_mem_eq(c, level, sizeof c);
        align__kernels(0)->from_f16(c, in, 65536);
        align__kernels(levels[l].cpu)->from_f16(level, in, 65536);
        ck_assert_mem_eq(c, level, sizeof c);
    }
}
END_TEST

/* Rounding is checked against the conversions of the tensor module, which are written separately. */
START_TEST(sixteen_bits_round_as_tensors_do)
{
    enum { N = 200000 };
    static float z[N];
    static uint16_t found[N];
    fill(z, N / 2, 4);
    for (int i = N / 2; i < N; i++)
        z[i] = (float)ldexp(random_bits() * 0x1p-32 - 0.5, (int)(random_bits() % 48) - 28);
    static const struct {
        align_dtype dtype;
        int f16;
    } kinds[] = {{ALIGN_BF16, 0}, {ALIGN_F16, 1}};
    for (int k = 0; k < 2; k++) {
        (kinds[k].f16 ? align__kernels(0)->to_f16 : align__kernels(0)->to_bf16)(found, z, N);
        for (int i = 0; i < N; i++) {
            uint16_t wanted;
            float back[2];
            align__store(kinds[k].dtype, &wanted, (double)z[i]);
            (kinds[k].f16 ? align__kernels(0)->from_f16
                          : align__kernels(0)->from_bf16)(back, &found[i], 1);
            if (isnan(z[i]))
                ck_assert(isnan(back[0]));
            else
                ck_assert_msg(found[i] == wanted, "%.9g: %x, expected %x", (double)z[i], found[i],
                              wanted);
            ck_assert(isnan(z[i]) || (double)back[0] == align__load(kinds[k].dtype, &wanted));
        }
    }
}
END_TEST

/* Over the whole range of a term: 1.1e-7 for `terms`, 2e-10 and 4e-16 for the sums of one element. */
START_TEST(exponentials_are_as_good_as_stated)
{
    const struct align__kernels *kernels = align__kernels(align_cpu());
    double worst[3] = {0};
    for (int i = 0; i < 2000000; i++) {
        float z = (float)(random_bits() * 0x1p-32) * -100, term;
        struct align__sums a, b;
        double z64 = (double)z * 1.01;
        kernels->f32.terms(&term, &z, 1, align__origin_make(0, 0, 20), 1);
        kernels->sums_f32(&a, &z, 1, 0, 1);
        kernels->sums_f64(&b, &z64, 1, 0, 1);
        double truth = exp((double)z);
        long double truth64 = i % 16 == 0 ? expl((long double)z64) : (long double)b.sum;
        worst[0] = fmax(worst[0], fabs((double)term / ldexp(truth, 20) - 1));
        worst[1] = fmax(worst[1], fabs(a.sum / truth - 1));
        worst[2] = fmax(worst[2], (double)fabsl((long double)b.sum / truth64 - 1));
        ck_assert(a.dot == a.sum * -(double)z && a.square == a.sum * a.sum);
    }
    printf("relative errors: terms %.3g, sums_f32 %.3g, sums_f64 %.3g\n", worst[0], worst[1],
           worst[2]);
    ck_assert(worst[0] < 1.1e-7 && worst[0] > 1e-9);
    ck_assert(worst[1] < 1.6e-10);
    ck_assert(worst[2] < 3e-16);
}
END_TEST

/* Equal elements have equal errors, which do not cancel. Near the origin and at its limits. */
START_TEST(sums_are_as_good_as_stated)
{
    const struct align__kernels *kernels = align__kernels(align_cpu());
    double worst[2] = {0};
    float z[2048], top;
    for (int i = 0; i < 200000; i++) {
        const uint32_t most = ALIGN__ORIGIN_MOST;
        int32_t origin = (int32_t)(random_bits() % (2 * most + 1)) - (int32_t)most;
        origin = i % 3 == 0 ? 0 : i % 3 == 1 ? origin / 16 : origin;
        double ln2 = 0x1.62e42fefa39efp-1, below = random_bits() * 0x1p-32 * (i % 2 ? 1 : 30);
        int64_t n = i % 16 == 0 ? 2048 : 1;
        for (int64_t j = 0; j < n; j++)
            z[j] = (float)(origin * ln2 - below + 0.3);
        const double sum[2] = {kernels->f32.sum(z, n, origin, &top),
                               kernels->f32.sum_fast(z, n, origin, &top)};
        long double truth = n * expl((long double)z[0] - origin * 0x1.62e42fefa39ef35793c8p-1L);
        ck_assert(top == z[0]);
        for (int k = 0; k < 2; k++) {
            double error = (double)((sum[k] - (double)(-n & 15) * 0x1p-100) / truth - 1);
            worst[k] = fmax(worst[k], fabs(error));
        }
    }
    printf("relative errors: sum %.3g, sum_fast %.3g\n", worst[0], worst[1]);
    ck_assert(worst[0] < 1.5e-10 && worst[0] > 1e-11);
    ck_assert(worst[1] < 2e-7 && worst[1] > 1e-8);
}
END_TEST

START_TEST(corners_of_a_term)
{
    const float z[] = {-INFINITY, NAN, -1e30f, 0, -200, -126 * 0.6931472f};
    float out[6];
    const struct align__kernels *kernels = align__kernels(align_cpu());
    kernels->f32.terms(out, z, 6, align__origin_make(0, 0, 0), 2);
    ck_assert(out[0] == 0 && isnan(out[1]) && out[2] == 0 && out[3] == 2 && out[4] == 0);
    ck_assert(out[5] > 0 && out[5] < 0x1p-124f);
    struct align__sums sums;
    kernels->sums_f32(&sums, z, 6, 0, 1);
    ck_assert(isnan(sums.sum) && isnan(sums.dot) && isnan(sums.square));
    kernels->sums_f32(&sums, z, 1, 0, 1);
    ck_assert(sums.sum == 0 && sums.dot == 0 && sums.square == 0);
    float top;
    ck_assert(isnan(kernels->f32.sum(z, 6, 0, &top)) &&
              isnan(kernels->f32.sum_fast(z, 6, 0, &top)));
    ck_assert(kernels->f32.sum(z, 1, 0, &top) < 0x1p-95 && top == -INFINITY);
}
END_TEST

SUITE_MAIN("kernels/levels", reductions_have_equal_bytes, terms_have_equal_bytes,
           narrowing_has_equal_bytes, widening_has_equal_bytes_for_every_number,
           sixteen_bits_round_as_tensors_do, exponentials_are_as_good_as_stated,
           sums_are_as_good_as_stated, corners_of_a_term)
