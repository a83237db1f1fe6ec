/* dtype: one table with a row per data type; every name and size is written once, here. */
#include "tensor/dtype.h"

#include <limits.h>
#include <string.h>

#include "base/str.h"

struct row {
    const char *name, *tensorflow, *tensorflow_short, *v2;
    size_t size;
    bool is_float, is_int;
    int64_t min, max;
};

static const struct row rows[DTYPE_COUNT] = {
    [DTYPE_INVALID] = {NULL, "DT_INVALID", "invalid", NULL, 0, false, false, 0, 0},
    [DTYPE_FLOAT32] = {"float32", "DT_FLOAT", "float", "FP32", 4, true, false, 0, 0},
    [DTYPE_FLOAT64] = {"float64", "DT_DOUBLE", "double", "FP64", 8, true, false, 0, 0},
    [DTYPE_FLOAT16] = {"float16", "DT_HALF", "half", "FP16", 2, true, false, 0, 0},
    [DTYPE_BFLOAT16] = {"bfloat16", "DT_BFLOAT16", "bfloat16", "BF16", 2, true, false, 0, 0},
    [DTYPE_INT8] = {"int8", "DT_INT8", "int8", "INT8", 1, false, true, INT8_MIN, INT8_MAX},
    [DTYPE_INT16] = {"int16", "DT_INT16", "int16", "INT16", 2, false, true, INT16_MIN, INT16_MAX},
    [DTYPE_INT32] = {"int32", "DT_INT32", "int32", "INT32", 4, false, true, INT32_MIN, INT32_MAX},
    [DTYPE_INT64] = {"int64", "DT_INT64", "int64", "INT64", 8, false, true, INT64_MIN, INT64_MAX},
    [DTYPE_UINT8] = {"uint8", "DT_UINT8", "uint8", "UINT8", 1, false, true, 0, UINT8_MAX},
    [DTYPE_UINT16] = {"uint16", "DT_UINT16", "uint16", "UINT16", 2, false, true, 0, UINT16_MAX},
    [DTYPE_UINT32] = {"uint32", "DT_UINT32", "uint32", "UINT32", 4, false, true, 0, UINT32_MAX},
    [DTYPE_UINT64] = {"uint64", "DT_UINT64", "uint64", "UINT64", 8, false, true, 0, INT64_MAX},
    [DTYPE_BOOL] = {"bool", "DT_BOOL", "bool", "BOOL", 1, false, false, 0, 1},
    [DTYPE_STRING] = {"string", "DT_STRING", "string", "BYTES", 0, false, false, 0, 0},
};

static const struct row *row_of(enum dtype dtype)
{
    return &rows[dtype > DTYPE_INVALID && dtype < DTYPE_COUNT ? dtype : DTYPE_INVALID];
}

const char *dtype_name(enum dtype dtype)
{
    return row_of(dtype)->name;
}

const char *dtype_tensorflow_name(enum dtype dtype)
{
    return row_of(dtype)->tensorflow;
}

const char *dtype_tensorflow_short_name(enum dtype dtype)
{
    return row_of(dtype)->tensorflow_short;
}

const char *dtype_v2_name(enum dtype dtype)
{
    return row_of(dtype)->v2;
}

enum dtype dtype_from_name(const char *keras_name)
{
    for (int i = 1; i < DTYPE_COUNT; i++)
        if (str_equal(rows[i].name, keras_name))
            return (enum dtype)i;
    return DTYPE_INVALID;
}

enum dtype dtype_from_v2_name(const char *name)
{
    for (int i = 1; i < DTYPE_COUNT; i++)
        if (str_equal(rows[i].v2, name))
            return (enum dtype)i;
    return DTYPE_INVALID;
}

size_t dtype_size(enum dtype dtype)
{
    return row_of(dtype)->size;
}

bool dtype_is_float(enum dtype dtype)
{
    return row_of(dtype)->is_float;
}

bool dtype_is_int(enum dtype dtype)
{
    return row_of(dtype)->is_int;
}

void dtype_int_range(enum dtype dtype, int64_t *ret_min, int64_t *ret_max)
{
    *ret_min = row_of(dtype)->min;
    *ret_max = row_of(dtype)->max;
}

int64_t dtype_wrap(enum dtype dtype, int64_t value)
{
    switch (dtype) {
    case DTYPE_INT8:
        return (int8_t)value;
    case DTYPE_INT16:
        return (int16_t)value;
    case DTYPE_INT32:
        return (int32_t)value;
    case DTYPE_UINT8:
        return (uint8_t)value;
    case DTYPE_UINT16:
        return (uint16_t)value;
    case DTYPE_UINT32:
        return (uint32_t)value;
    case DTYPE_BOOL:
        return value != 0;
    default:
        return value;
    }
}

enum storage dtype_storage(enum dtype dtype)
{
    if (dtype == DTYPE_STRING)
        return STORAGE_STR;
    return dtype_is_float(dtype) ? STORAGE_F32 : STORAGE_I64;
}

size_t storage_size(enum storage storage)
{
    switch (storage) {
    case STORAGE_F32:
        return sizeof(float);
    case STORAGE_I64:
        return sizeof(int64_t);
    case STORAGE_STR:
        break;
    }
    return sizeof(struct str_view);
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
float dtype_half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 0x1fu;
    uint32_t fraction = half & 0x3ffu;
    if (exponent == 31)
        return float_of(sign | 0x7f800000u | fraction << 13);
    if (exponent == 0) {
        float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

static uint32_t shift_right_round_even(uint32_t value, int shift)
{
    uint32_t kept = value >> shift, rest = value & ((1u << shift) - 1), half = 1u << (shift - 1);
    return kept + (rest > half || (rest == half && (kept & 1)));
}

uint16_t dtype_float_to_half(float value)
{
    uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (magnitude >= 0x47800000u) /* 65536 and above, infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x33000000u) /* below half of the smallest subnormal */
        return (uint16_t)sign;
    int exponent = (int)(magnitude >> 23) - 112;
    if (exponent > 0) /* the carry of rounding runs into the exponent, up to infinity, as it should */
        return (uint16_t)(sign | (shift_right_round_even(magnitude, 13) - (112u << 10)));
    uint32_t fraction = (magnitude & 0x7fffffu) | 0x800000u;
    return (uint16_t)(sign | shift_right_round_even(fraction, 14 - exponent));
}

float dtype_bfloat16_to_float(uint16_t bits)
{
    return float_of((uint32_t)bits << 16);
}

uint16_t dtype_float_to_bfloat16(float value)
{
    uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)shift_right_round_even(bits, 16);
}
