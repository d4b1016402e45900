/* Numbers drawn from a counter, so that a draw depends on its place alone. */
#ifndef ALIGN__DRAW_H
#define ALIGN__DRAW_H

#include <stdint.h>

/* 53 bits (splitmix64). */
static inline double align__draw(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((x ^ x >> 31) >> 11);
}

/* Number i of the stream `part` of a seed. */
static inline double align__draw_of(int32_t seed, uint64_t part, uint64_t i)
{
    const double stream = align__draw((uint64_t)(uint32_t)seed << 32 ^ part);
    return align__draw((uint64_t)stream * UINT64_C(0x2545f4914f6cdd1d) + i);
}

#endif
