/* 16-bit storage to f32 and back. */

#define WIDEN(name, load)                                                                          \
    static void name(float *out, const uint16_t *in, int64_t n)                                    \
    {                                                                                              \
        int64_t i = 0;                                                                             \
        for (; i + 16 <= n; i += 16)                                                               \
            v16_store(out + i, load(in + i));                                                      \
        if (i < n) {                                                                               \
            uint16_t part[16] = {0};                                                               \
            memcpy(part, in + i, (size_t)(n - i) * sizeof *in);                                    \
            v16_store_part(out + i, n - i, load(part));                                            \
        }                                                                                          \
    }

#define NARROW(name, store)                                                                        \
    static void name(uint16_t *out, const float *in, int64_t n)                                    \
    {                                                                                              \
        int64_t i = 0;                                                                             \
        for (; i + 16 <= n; i += 16)                                                               \
            store(out + i, v16_load(in + i));                                                      \
        if (i < n) {                                                                               \
            uint16_t part[16];                                                                     \
            store(part, v16_load_part(in + i, n - i, 0.0f));                                       \
            memcpy(out + i, part, (size_t)(n - i) * sizeof *out);                                  \
        }                                                                                          \
    }

WIDEN(from_bf16, v16_load_bf16)
WIDEN(from_f16, v16_load_f16)
NARROW(to_bf16, v16_store_bf16)
NARROW(to_f16, v16_store_f16)
