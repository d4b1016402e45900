/* Saved state: numbers as little-endian bytes, and a checksum over them. */
#ifndef ALIGN__BYTES_H
#define ALIGN__BYTES_H

#include <stddef.h>
#include <stdint.h>

static inline void align__put_bytes(unsigned char *at, uint64_t bits, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (unsigned char)(bits >> 8 * i);
}

static inline uint64_t align__get_bytes(const unsigned char *at, int bytes)
{
    uint64_t bits = 0;
    for (int i = 0; i < bytes; i++)
        bits |= (uint64_t)at[i] << 8 * i;
    return bits;
}

/* FNV-1a. */
static inline uint64_t align__checksum(const unsigned char *bytes, size_t n)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

#endif
