/* Changes of dtype, and the affine map over channels. Storage is float or int64 whatever the declared
 * type; the declared type decides saturation, wrapping and rounding. */
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "kernels/elementwise.h"
#include "kernels/isa.h"

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
        kernels_table->i64_to_f32(x, y, n);
        if (to == DTYPE_FLOAT16 || to == DTYPE_BFLOAT16)
            float_to_float(to, y, y, n);
    } else {
        if (x != y)
            memcpy(y, x, (size_t)n * sizeof(int64_t));
        cast_wrap(to, y, n);
    }
}

/* Columns that scale_shift takes at a time, and about the elements of a block that stays in the cache until
 * its activation. */
#define COLUMNS 128
#define BLOCK 4096

/* The affine map of some columns of a block of rows. */
static void scale_columns(int64_t rows, int64_t stride, int64_t first, int64_t n, int64_t channels,
                          const float *x, const float *scale, const float *shift, float *y)
{
    float centre[COLUMNS] = {0}, factor[COLUMNS], added[COLUMNS];
    for (int64_t i = 0; i < n; i++) {
        factor[i] = scale ? scale[(first + i) % channels] : 1;
        added[i] = shift ? shift[(first + i) % channels] : 0;
    }
    kernels_table->lines->columns_affine(x + first, rows, stride, n, centre, factor, added, y + first);
}

void scale_shift(int64_t rows, int64_t channels, const float *x, const float *scale, const float *shift,
                 const struct unary *activation, float *y)
{
    /* Few channels: several rows count as one of a multiple of the channels. */
    int64_t total = rows * channels, width = channels;
    if (channels > 0 && channels <= COLUMNS / 2)
        width = COLUMNS / channels * channels;
    while (total > 0) {
        int64_t lines = width < BLOCK ? BLOCK / width : 1, n = width;
        lines = lines * width <= total ? lines : total / width;
        if (lines == 0) { /* the last rows, less than a line */
            lines = 1;
            n = total;
        }
        for (int64_t i = 0; i < n; i += COLUMNS)
            scale_columns(lines, n, i, n - i < COLUMNS ? n - i : COLUMNS, channels, x, scale, shift, y);
        if (activation)
            unary_apply(activation, y, y, lines * n);
        x += lines * n;
        y += lines * n;
        total -= lines * n;
    }
}
