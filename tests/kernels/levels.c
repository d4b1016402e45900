/* Every instruction set gives the bytes of plain C: all sizes and alignments, with the end of each
 * buffer against a page that cannot be touched, and numbers of every kind. */
#define _GNU_SOURCE
#include "../suite.h"

#include "kernels/kernels.h"
#include "tensor.h"

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

static void compare_reductions(const struct align__kernels *c, const struct align__kernels *level,
                               int64_t n, int shift)
{
    float *z = floats(in_end, n, shift);
    double z64[2048];
    for (int kind = 0; kind < 4; kind++) {
        struct align__sums a, b;
        fill(z, n, kind);
        for (int64_t i = 0; i < n; i++)
            z64[i] = (double)z[i] * 1.1;
        float top = c->top(z, n);
        ck_assert(level->top(z, n) == top);
        int64_t at = c->find(z, n, top);
        ck_assert_int_eq(level->find(z, n, top), at);
        ck_assert(n == 0 || z[at] == top);
        ck_assert_int_eq(level->find(z, n, 12345), n);
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
        double sum[2];
        struct align__origin origin = align__origin_make(0, (int32_t)rint(from * 1.4427), 60);
        sum[0] = c->sum_terms(z, n, origin);
        sum[1] = level->sum_terms(z, n, origin);
        ck_assert_mem_eq(&sum[0], &sum[1], sizeof sum[0]);
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
    float *z = floats(in_end, n, shift);
    float *a = floats(out_end[0], n, shift), *b = floats(out_end[1], n, shift);
    for (int kind = 0; kind < 4; kind++) {
        fill(z, n, kind);
        float top = isinf(c->top(z, n)) ? 0 : c->top(z, n);
        struct align__origin origin = align__origin_make(0, (int32_t)rintf(top * 1.442695f),
                                                         kind * 40 - 20);
        c->terms(a, z, n, origin, -0.75f);
        level->terms(b, z, n, origin, -0.75f);
        ck_assert(n == 0 || memcmp(a, b, (size_t)n * sizeof *a) == 0);
        memcpy(b, z, (size_t)n * sizeof *b);
        level->terms(b, b, n, origin, -0.75f);
        ck_assert(n == 0 || memcmp(a, b, (size_t)n * sizeof *a) == 0);
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
        kernels->terms(&term, &z, 1, align__origin_make(0, 0, 20), 1);
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

START_TEST(corners_of_a_term)
{
    const float z[] = {-INFINITY, NAN, -1e30f, 0, -200, -126 * 0.6931472f};
    float out[6];
    align__kernels(align_cpu())->terms(out, z, 6, align__origin_make(0, 0, 0), 2);
    ck_assert(out[0] == 0 && isnan(out[1]) && out[2] == 0 && out[3] == 2 && out[4] == 0);
    ck_assert(out[5] > 0 && out[5] < 0x1p-124f);
    struct align__sums sums;
    align__kernels(align_cpu())->sums_f32(&sums, z, 6, 0, 1);
    ck_assert(isnan(sums.sum) && isnan(sums.dot) && isnan(sums.square));
    align__kernels(align_cpu())->sums_f32(&sums, z, 1, 0, 1);
    ck_assert(sums.sum == 0 && sums.dot == 0 && sums.square == 0);
}
END_TEST

SUITE_MAIN("kernels/levels", reductions_have_equal_bytes, terms_have_equal_bytes,
           narrowing_has_equal_bytes, widening_has_equal_bytes_for_every_number,
           sixteen_bits_round_as_tensors_do, exponentials_are_as_good_as_stated, corners_of_a_term)
