#include "util.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool refuse(problem *why, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return false;
}

static void out_of_memory(void)
{
    fputs("out of memory\n", stderr);
    exit(EXIT_FAILURE);
}

void *take(int64_t count, size_t size)
{
    void *memory = calloc(count > 0 ? (size_t)count : 1, size);

    if (!memory)
        out_of_memory();
    return memory;
}

void grow(void *array, int64_t *room, int64_t need, size_t size)
{
    void **slot = array;
    int64_t wanted = *room > 0 ? *room : 16;

    if (need <= *room)
        return;
    while (wanted < need)
        wanted *= 2;
    *slot = realloc(*slot, (size_t)wanted * size);
    if (!*slot)
        out_of_memory();
    *room = wanted;
}

char *copy_text(const char *text)
{
    size_t bytes = strlen(text) + 1;

    return memcpy(take((int64_t)bytes, 1), text, bytes);
}

uint64_t rng_next(rng *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double rng_uniform(rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

double rng_normal(rng *r)
{
    double radius = sqrt(-2.0 * log1p(-rng_uniform(r)));

    return radius * cos(6.283185307179586 * rng_uniform(r));
}

int64_t rng_below(rng *r, int64_t limit)
{
    return (int64_t)(rng_uniform(r) * (double)limit);
}

void rng_shuffle(rng *r, int *items, int64_t count)
{
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = rng_below(r, i + 1);
        int held = items[i];

        items[i] = items[j];
        items[j] = held;
    }
}

uint64_t checksum(uint64_t hash, const void *bytes, size_t count)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < count; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

double now_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
