/* The largest element, and where a value stands first. */

/* Asks for what is needed when `bytes` are done and some more: soon in the first cache, later in the second. One
 * distance alone leaves the loop waiting for memory, which comes by few lines at a time to the first. */
static inline void fetch(const void *at, int64_t bytes)
{
    enum { SOON = 2048, LATER = 8192 };
    for (int64_t i = 0; i < bytes; i += 64) {
        v16_prefetch(v16_ahead(at, i + SOON));
        v16_prefetch_far(v16_ahead(at, i + LATER));
    }
}

#define FETCH(at, n) fetch(at, (n) * (int64_t)sizeof *(at))

/* The first n < 16 elements, and -inf. */
static inline v16 logits_part_f32(const float *z, int64_t n)
{
    return v16_load_part(z, n, -INFINITY);
}

#define HALF_PART(name, load, none)                                                                \
    static inline v16 name(const uint16_t *z, int64_t n)                                           \
    {                                                                                              \
        uint16_t part[16];                                                                         \
        for (int j = 0; j < 16; j++)                                                               \
            part[j] = none;                                                                        \
        memcpy(part, z, (size_t)n * sizeof *z);                                                    \
        return load(part);                                                                         \
    }

HALF_PART(logits_part_bf16, v16_load_bf16, 0xff80)
HALF_PART(logits_part_f16, v16_load_f16, 0xfc00)

static inline float largest_lane(v16 x)
{
    float lanes[16];
    v16_store(lanes, x);
    for (int half = 8; half > 0; half /= 2)
        for (int j = 0; j < half; j++)
            lanes[j] = lanes[j] > lanes[j + half] ? lanes[j] : lanes[j + half];
    return lanes[0];
}

/* Two vectors of 32 elements, in whatever order costs least. */
#define PAIR(name, type, load)                                                                     \
    static inline void name(v16 x[2], const type *z)                                               \
    {                                                                                              \
        x[0] = load(z);                                                                            \
        x[1] = load(z + 16);                                                                       \
    }

PAIR(load_pair_f32, float, v16_load)
PAIR(load_pair_f16, uint16_t, v16_load_f16)

#define REDUCE(kind, type, load, load_part, load_pair)                                             \
    static float top_##kind(const void *logits, int64_t n)                                         \
    {                                                                                              \
        const type *z = logits;                                                                    \
        const v16 none = v16_all(-INFINITY);                                                       \
        v16 most[4] = {none, none, none, none};                                                    \
        int64_t i = 0;                                                                             \
        for (; i + 64 <= n; i += 64)                                                               \
            for (int j = 0; j < 4; j += 2) {                                                       \
                v16 x[2];                                                                          \
                load_pair(x, z + i + 16 * j);                                                      \
                most[j] = v16_max(most[j], x[0]);                                                  \
                most[j + 1] = v16_max(most[j + 1], x[1]);                                          \
            }                                                                                      \
        for (; i + 16 <= n; i += 16)                                                               \
            most[0] = v16_max(most[0], load(z + i));                                               \
        if (i < n)                                                                                 \
            most[0] = v16_max(most[0], load_part(z + i, n - i));                                   \
        return largest_lane(v16_max(v16_max(most[0], most[1]), v16_max(most[2], most[3])));        \
    }                                                                                              \
    static int64_t find_##kind(const void *logits, int64_t n, float value)                         \
    {                                                                                              \
        const type *z = logits;                                                                    \
        const v16 wanted = v16_all(value);                                                         \
        int64_t i = 0;                                                                             \
        while (i + 16 <= n && !v16_any_equal(load(z + i), wanted))                                 \
            i += 16;                                                                               \
        float lanes[16];                                                                           \
        int64_t left = n - i < 16 ? n - i : 16, j = 0;                                             \
        v16_store(lanes, left < 16 ? load_part(z + i, left) : load(z + i));                        \
        while (j < left && !(lanes[j] == value))                                                   \
            j++;                                                                                   \
        return i + j;                                                                              \
    }

REDUCE(f32, float, v16_load, logits_part_f32, load_pair_f32)
REDUCE(bf16, uint16_t, v16_load_bf16, logits_part_bf16, v16_load_pair_bf16)
REDUCE(f16, uint16_t, v16_load_f16, logits_part_f16, load_pair_f16)
