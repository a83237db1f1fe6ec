/* Changes of dtype, and the affine map over channels. Storage is float or int64 whatever the declared
 * type; the declared type decides saturation, wrapping and rounding. */
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "kernels/elementwise.h"

static void float_to_int(enum dtype to, const float *x, int64_t *y, int64_t n)
{
    int64_t low, high;
    dtype_int_range(to, &low, &high);
    for (int64_t i = 0; i < n; i++)
        if (!(x[i] > (float)low)) /* NaN too */
            y[i] = x[i] == x[i] ? low : 0;
        else
            y[i] = x[i] >= (float)high ? high : (int64_t)x[i];
}

static void float_to_float(enum dtype to, const float *x, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (to == DTYPE_FLOAT16)
            y[i] = dtype_half_to_float(dtype_float_to_half(x[i]));
        else if (to == DTYPE_BFLOAT16)
            y[i] = dtype_bfloat16_to_float(dtype_float_to_bfloat16(x[i]));
        else
            y[i] = x[i];
}

static void to_bool(enum dtype from, const void *x, int64_t *y, int64_t n)
{
    if (dtype_storage(from) == STORAGE_F32)
        for (int64_t i = 0; i < n; i++)
            y[i] = ((const float *)x)[i] != 0;
    else
        for (int64_t i = 0; i < n; i++)
            y[i] = ((const int64_t *)x)[i] != 0;
}

void cast_wrap(enum dtype dtype, int64_t *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = dtype_wrap(dtype, x[i]);
}

void cast_run(enum dtype from, enum dtype to, const void *x, void *y, int64_t n)
{
    bool from_float = dtype_storage(from) == STORAGE_F32, to_float = dtype_storage(to) == STORAGE_F32;
    KD_ASSERT(from != DTYPE_STRING && to != DTYPE_STRING);
    if (to == DTYPE_BOOL) {
        to_bool(from, x, y, n);
    } else if (from_float && to_float) {
        float_to_float(to, x, y, n);
    } else if (from_float) {
        float_to_int(to, x, y, n);
    } else if (to_float) {
        for (int64_t i = 0; i < n; i++)
            ((float *)y)[i] = (float)((const int64_t *)x)[i];
        if (to == DTYPE_FLOAT16 || to == DTYPE_BFLOAT16)
            float_to_float(to, y, y, n);
    } else {
        if (x != y)
            memcpy(y, x, (size_t)n * sizeof(int64_t));
        cast_wrap(to, y, n);
    }
}

void scale_shift(int64_t rows, int64_t channels, const float *x, const float *scale, const float *shift,
                 const struct unary *activation, float *y)
{
    for (int64_t row = 0; row < rows; row++, x += channels, y += channels) {
        for (int64_t c = 0; c < channels; c++)
            y[c] = x[c] * (scale ? scale[c] : 1) + (shift ? shift[c] : 0);
        if (activation)
            unary_apply(activation, y, y, channels);
    }
}
