#include "cpu.h"

#include <stdatomic.h>
#if defined(__x86_64__)
#    include <cpuid.h>
#endif

/* Bit 63 tells "looked" from "nothing found". */
#define LOOKED (UINT64_C(1) << 63)

static _Atomic uint64_t cpu_word;

static uint64_t look(void)
{
    uint64_t word = 0;
#if defined(__x86_64__)
    __builtin_cpu_init(); /* clang 14 does not know f16c by name */
    unsigned a, b, c, d;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0)
        word |= ALIGN_CPU_AVX2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        word |= ALIGN_CPU_AVX512;
#elif defined(__aarch64__)
    word |= ALIGN_CPU_NEON;
#endif
    return word;
}

uint64_t align_cpu(void)
{
    uint64_t word = atomic_load_explicit(&cpu_word, memory_order_relaxed);
    if (word == 0) {
        word = look() | LOOKED;
        atomic_store_explicit(&cpu_word, word, memory_order_relaxed);
    }
    return word & ~LOOKED;
}

uint64_t align__cpu_allowed(const align_exec *exec)
{
    return align_cpu() & ~exec->cpu_forbidden;
}

uint32_t align_version(void)
{
    return ALIGN_VERSION_MAJOR << 16 | ALIGN_VERSION_MINOR << 8 | ALIGN_VERSION_PATCH;
}

uint32_t align_abi(void)
{
    return ALIGN_ABI;
}
