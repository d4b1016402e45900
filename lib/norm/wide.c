#include "wide.h"

#include <math.h>
#include <string.h>

struct align__grid align__grid_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    bool negative = bits >> 63 != 0;
    int32_t shift = (int32_t)(bits >> 52 & 0x7ff) - 1023 - 52 + ALIGN__GRID;
    if (shift >= 0) {
        uint64_t digits = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
        return (struct align__grid){digits, shift, negative};
    }
    uint64_t digits = (uint64_t)llrint(fabs(x) * 0x1p149);
    return (struct align__grid){digits, 0, negative};
}

static void add_digits(uint32_t *sum, int limbs, const uint32_t *digits, int count, bool negative)
{
    uint64_t carry = negative;
    for (int i = 0; i < limbs; i++) {
        uint32_t digit = i < count ? digits[i] : 0;
        if (i >= count && carry == negative)
            return;
        carry += (uint64_t)sum[i] + (negative ? ~digit : digit);
        sum[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/* Up to 192 bits of digits, moved to their place and added. */
static void add_at(uint32_t *sum, int limbs, const uint32_t *digits, int count, int32_t bit,
                   bool negative)
{
    uint32_t moved[8] = {0};
    int first = bit / 32, shift = bit % 32;
    for (int i = 0; i < count; i++) {
        uint64_t part = (uint64_t)digits[i] << shift;
        moved[i] |= (uint32_t)part;
        moved[i + 1] = (uint32_t)(part >> 32);
    }
    add_digits(sum + first, limbs - first, moved, count + 1, negative);
}

void align__wide_add(uint32_t *sum, int limbs, uint64_t digits, int32_t bit, bool negative)
{
    const uint32_t parts[2] = {(uint32_t)digits, (uint32_t)(digits >> 32)};
    add_at(sum, limbs, parts, 2, bit, negative);
}

void align__wide_add_f64(uint32_t *sum, int limbs, double x, int unit)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint64_t digits = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    int32_t bit = (int32_t)(bits >> 52 & 0x7ff) - 1023 - 52 - unit;
    if (x != 0)
        align__wide_add(sum, limbs, digits, bit, bits >> 63 != 0);
}

/* out[count + 1] = digits[count] * factor */
static void scale_digits(uint32_t *out, const uint32_t *digits, int count, uint32_t factor)
{
    uint64_t carry = 0;
    for (int i = 0; i < count; i++) {
        carry += (uint64_t)digits[i] * factor;
        out[i] = (uint32_t)carry;
        carry >>= 32;
    }
    out[count] = (uint32_t)carry;
}

static void multiply_digits(uint32_t out[4], uint64_t a, uint64_t b)
{
    const uint32_t parts[2] = {(uint32_t)a, (uint32_t)(a >> 32)};
    uint32_t high[3];
    scale_digits(out, parts, 2, (uint32_t)b);
    scale_digits(high, parts, 2, (uint32_t)(b >> 32));
    uint64_t carry = 0;
    for (int i = 0; i < 3; i++) {
        carry += (uint64_t)high[i] + (i < 2 ? out[i + 1] : 0);
        out[i + 1] = (uint32_t)carry;
        carry >>= 32;
    }
}

void align__wide_add_product(uint32_t *sum, int limbs, uint64_t a, uint64_t b, int32_t bit,
                             bool negative)
{
    uint32_t digits[4];
    multiply_digits(digits, a, b);
    add_at(sum, limbs, digits, 4, bit, negative);
}

void align__wide_add_square(uint32_t *sum, int limbs, uint32_t w, uint64_t x, int32_t bit,
                            bool negative)
{
    uint32_t square[4], digits[5];
    multiply_digits(square, x, x);
    scale_digits(digits, square, 4, w);
    add_at(sum, limbs, digits, 5, bit, negative);
}

void align__wide_merge(uint32_t *sum, const uint32_t *other, int limbs)
{
    add_digits(sum, limbs, other, limbs, false);
}

static bool is_negative(const uint32_t *sum, int limbs)
{
    return sum[limbs - 1] >> 31 != 0;
}

static void magnitude(uint32_t *out, const uint32_t *sum, int limbs)
{
    memset(out, 0, (size_t)limbs * sizeof *out);
    add_digits(out, limbs, sum, limbs, is_negative(sum, limbs));
}

void align__wide_multiply(uint32_t *out, const uint32_t *a, int a_limbs, const uint32_t *b,
                          int b_limbs, bool subtract)
{
    uint32_t x[ALIGN__WIDE_MOST], y[ALIGN__WIDE_MOST], row[ALIGN__WIDE_MOST + 1];
    bool negative = subtract != (is_negative(a, a_limbs) != is_negative(b, b_limbs));
    magnitude(x, a, a_limbs);
    magnitude(y, b, b_limbs);
    while (b_limbs > 0 && y[b_limbs - 1] == 0)
        b_limbs--;
    for (int i = 0; i < a_limbs; i++) {
        if (x[i] == 0)
            continue;
        scale_digits(row, y, b_limbs, x[i]);
        add_digits(out + i, ALIGN__WIDE_MOST - i, row, b_limbs + 1, negative);
    }
}

bool align__wide_is_zero(const uint32_t *sum, int limbs)
{
    uint32_t any = 0;
    for (int i = 0; i < limbs; i++)
        any |= sum[i];
    return any == 0;
}

double align__wide_value(const uint32_t *sum, int limbs, int unit)
{
    uint32_t digits[ALIGN__WIDE_MOST];
    magnitude(digits, sum, limbs);
    int top = limbs - 1;
    while (top > 0 && digits[top] == 0)
        top--;
    uint64_t high = digits[top];
    if (top > 0)
        high = high << 32 | digits[--top];
    int place = 32 * top;
    if (top > 0) {
        int room = 0;
        while (high >> (63 - room) == 0)
            room++;
        if (room > 0) {
            high = high << room | digits[top - 1] >> (32 - room);
            digits[top - 1] &= UINT32_MAX >> room;
            place -= room;
        }
        while (top > 0)
            high |= digits[--top] != 0;
    }
    /* 64 bits, the last of them sticky: their conversion rounds once, as the whole sum would. */
    double value = ldexp((double)high, place + unit);
    return is_negative(sum, limbs) ? -value : value;
}
