#include "tensor.h"

#include <math.h>
#include <string.h>

int32_t align_dtype_bytes(align_dtype dtype)
{
    switch (dtype) {
    case ALIGN_U8:
    case ALIGN_BOOL:
        return 1;
    case ALIGN_F16:
    case ALIGN_BF16:
        return 2;
    case ALIGN_I32:
    case ALIGN_F32:
        return 4;
    case ALIGN_I64:
    case ALIGN_F64:
        return 8;
    default:
        return 0;
    }
}

static float bits_to_f32(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t f32_to_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t exponent = h >> 10 & 31, mantissa = h & 1023;
    if (exponent == 31)
        return bits_to_f32(sign | 0x7f800000 | mantissa << 13);
    if (exponent == 0) {
        float tiny = (float)mantissa * 0x1p-24f;
        return sign != 0 ? -tiny : tiny;
    }
    return bits_to_f32(sign | (exponent + 112) << 23 | mantissa << 13);
}

/* f64 to f32 so that a second rounding, to 16 bits, gives what one rounding would have: an inexact
 * result is made odd (Boldo and Melquiond, "When double rounding is odd"). */
static uint32_t round_to_odd(double x)
{
    float f = (float)x;
    uint32_t bits = f32_to_bits(f);
    double back = (double)f;
    if (x != x || back == x || (bits & 1) != 0)
        return bits;
    bool away = fabs(back) > fabs(x);
    return away ? bits - 1 : bits + 1;
}

static uint16_t to_bf16(double x)
{
    uint32_t bits = round_to_odd(x);
    if (x != x)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static uint16_t to_f16(double x)
{
    uint32_t bits = round_to_odd(x);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7fffffff;
    if (bits > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (bits >= 0x47800000)
        return (uint16_t)(sign | 0x7c00);
    if (bits < 0x38800000) {
        /* Below the normals: adding 0.5 leaves the rounded multiple of 2^-24 in the low bits. */
        uint32_t tiny = f32_to_bits(bits_to_f32(bits) + 0.5f) - f32_to_bits(0.5f);
        return (uint16_t)(sign | tiny);
    }
    return (uint16_t)(sign | (bits - 0x38000000 + 0xfff + (bits >> 13 & 1)) >> 13);
}

double align__load(align_dtype dtype, const void *at)
{
    double x;
    align__load_row(&x, dtype, at, 1, 1);
    return x;
}

void align__store(align_dtype dtype, void *at, double x)
{
    align__store_row(dtype, at, 1, &x, 1);
}

/* One loop a dtype: a type, and how an element of it becomes a double. */
#define LOAD(type, value)                                                                          \
    do {                                                                                           \
        const type *in = at;                                                                       \
        if (stride == 1)                                                                           \
            for (int64_t i = 0; i < n; i++, in++)                                                  \
                out[i] = (double)(value);                                                          \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++, in += stride)                                          \
                out[i] = (double)(value);                                                          \
    } while (0)

void align__load_row(double *out, align_dtype dtype, const void *at, int64_t stride, int64_t n)
{
    switch (dtype) {
    case ALIGN_F32:
        LOAD(float, *in);
        break;
    case ALIGN_F64:
        LOAD(double, *in);
        break;
    case ALIGN_BF16:
        LOAD(uint16_t, bits_to_f32((uint32_t)*in << 16));
        break;
    case ALIGN_F16:
        LOAD(uint16_t, f16_to_f32(*in));
        break;
    case ALIGN_I32:
        LOAD(int32_t, *in);
        break;
    case ALIGN_I64:
        LOAD(int64_t, *in);
        break;
    default:
        LOAD(uint8_t, *in);
        break;
    }
}

#define STORE(type, value)                                                                         \
    do {                                                                                           \
        type *out = at;                                                                            \
        if (stride == 1)                                                                           \
            for (int64_t i = 0; i < n; i++, out++)                                                 \
                *out = (type)(value);                                                              \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++, out += stride)                                         \
                *out = (type)(value);                                                              \
    } while (0)

void align__store_row(align_dtype dtype, void *at, int64_t stride, const double *x, int64_t n)
{
    switch (dtype) {
    case ALIGN_F32:
        STORE(float, x[i]);
        break;
    case ALIGN_F64:
        STORE(double, x[i]);
        break;
    case ALIGN_BF16:
        STORE(uint16_t, to_bf16(x[i]));
        break;
    case ALIGN_F16:
        STORE(uint16_t, to_f16(x[i]));
        break;
    case ALIGN_I32:
        STORE(int32_t, x[i]);
        break;
    case ALIGN_I64:
        STORE(int64_t, x[i]);
        break;
    default:
        STORE(uint8_t, x[i]);
        break;
    }
}
