/* Compare: see compare.h. Elements are read byte by byte from the data file, whose types are those of NumPy.
 */
#include "golden/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/size.h"
#include "base/str.h"

static const cJSON *member(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static bool read_shape(const cJSON *entry, struct shape *ret)
{
    const cJSON *item;
    ret->rank = 0;
    cJSON_ArrayForEach(item, member(entry, "shape"))
    {
        if (ret->rank == SHAPE_MAX_RANK)
            return false;
        ret->dim[ret->rank++] = (int64_t)item->valuedouble;
    }
    return true;
}

static float float_at(enum dtype dtype, const char *at)
{
    uint16_t half;
    float single;
    double wide;
    memcpy(&half, at, sizeof(half));
    switch (dtype) {
    case DTYPE_FLOAT16:
        return dtype_half_to_float(half);
    case DTYPE_BFLOAT16:
        return dtype_bfloat16_to_float(half);
    case DTYPE_FLOAT64:
        memcpy(&wide, at, sizeof(wide));
        return (float)wide;
    default:
        memcpy(&single, at, sizeof(single));
        return single;
    }
}

static int64_t int_at(enum dtype dtype, const char *at)
{
    uint64_t bits = 0;
    memcpy(&bits, at, dtype_size(dtype));
    return dtype == DTYPE_BOOL ? bits != 0 : dtype_wrap(dtype, (int64_t)bits);
}

static void read_strings(const cJSON *entry, int64_t first, int64_t n, struct str_view *to)
{
    const cJSON *item = cJSON_GetArrayItem(member(entry, "strings"), (int)first);
    for (int64_t i = 0; i < n && item; i++, item = item->next)
        to[i] = (struct str_view){item->valuestring, strlen(item->valuestring)};
}

static bool read_elements(const cJSON *entry, const struct buf *data, int64_t first, int64_t n,
                          struct tensor *tensor)
{
    if (tensor->dtype == DTYPE_STRING) {
        read_strings(entry, first, n, tensor->data);
        return true;
    }
    const cJSON *offset = member(entry, "offset");
    size_t size = dtype_size(tensor->dtype);
    size_t at = cJSON_IsNumber(offset) ? (size_t)offset->valuedouble + (size_t)first * size : SIZE_MAX;
    if (at > data->length || (size_t)n > (data->length - at) / size)
        return false;
    for (int64_t i = 0; i < n; i++, at += size) {
        if (dtype_is_float(tensor->dtype))
            tensor_f32(tensor)[i] = float_at(tensor->dtype, data->data + at);
        else
            tensor_i64(tensor)[i] = int_at(tensor->dtype, data->data + at);
    }
    return true;
}

bool golden_tensor(const cJSON *entry, const struct buf *data, int64_t row, struct tensor *ret)
{
    const cJSON *dtype = member(entry, "dtype");
    int64_t n;
    ret->dtype = cJSON_IsString(dtype) ? dtype_from_name(dtype->valuestring) : DTYPE_INVALID;
    if (ret->dtype == DTYPE_INVALID || !read_shape(entry, &ret->shape))
        return false;
    if (row >= 0 && ret->shape.rank > 0)
        ret->shape.dim[0] = 1;
    if (!shape_elements(&ret->shape, &n))
        return false;
    size_t bytes = (size_t)n * storage_size(dtype_storage(ret->dtype));
    ret->data = aligned_alloc(64, size_align(bytes + 1, 64));
    if (ret->data && read_elements(entry, data, row > 0 ? row * n : 0, n, ret))
        return true;
    free(ret->data);
    return false;
}

double golden_scale(const cJSON *entry, const struct buf *data)
{
    struct tensor all;
    int64_t n;
    double scale = 1e-3;
    if (!golden_tensor(entry, data, -1, &all))
        return scale;
    shape_elements(&all.shape, &n);
    for (int64_t i = 0; i < n && dtype_is_float(all.dtype); i++)
        if (isfinite(tensor_f32(&all)[i]))
            scale = fmax(scale, fabs((double)tensor_f32(&all)[i]));
    free(all.data);
    return scale;
}

static double difference(float got, float expected)
{
    if (isnan(got) || isnan(expected))
        return isnan(got) && isnan(expected) ? 0 : INFINITY;
    if (isinf(got) || isinf(expected))
        return got == expected ? 0 : INFINITY;
    return fabs((double)got - (double)expected);
}

static bool compare_floats(const struct tensor *got, const struct tensor *expected, int64_t n, double scale,
                           double tolerance, double *ret_error, char *text, size_t size)
{
    int64_t worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double error = difference(tensor_f32(got)[i], tensor_f32(expected)[i]) / scale;
        if (error > *ret_error) {
            *ret_error = error;
            worst = i;
        }
    }
    if (*ret_error <= tolerance)
        return true;
    snprintf(text, size, "element %lld is %.9g, expected %.9g (error %.3g, tolerance %.3g)", (long long)worst,
             (double)tensor_f32(got)[worst], (double)tensor_f32(expected)[worst], *ret_error, tolerance);
    return false;
}

static bool compare_others(const struct tensor *got, const struct tensor *expected, int64_t n, char *text,
                           size_t size)
{
    const struct str_view *a = got->data, *b = expected->data;
    for (int64_t i = 0; i < n; i++) {
        if (expected->dtype == DTYPE_STRING) {
            if (a[i].length == b[i].length && memcmp(a[i].data, b[i].data, a[i].length) == 0)
                continue;
            snprintf(text, size, "element %lld is '%.*s', expected '%.*s'", (long long)i, (int)a[i].length,
                     a[i].data, (int)b[i].length, b[i].data);
            return false;
        }
        if (tensor_i64(got)[i] == tensor_i64(expected)[i])
            continue;
        snprintf(text, size, "element %lld is %lld, expected %lld", (long long)i,
                 (long long)tensor_i64(got)[i], (long long)tensor_i64(expected)[i]);
        return false;
    }
    return true;
}

bool golden_compare(const struct tensor *got, const struct tensor *expected, double scale, double tolerance,
                    double *ret_error, char *text, size_t size)
{
    char have[SHAPE_TEXT_MAX], want[SHAPE_TEXT_MAX];
    int64_t n;
    if (got->dtype != expected->dtype || !shape_equal(&got->shape, &expected->shape)) {
        snprintf(text, size, "%s %s, expected %s %s", dtype_name(got->dtype),
                 shape_text(&got->shape, have, sizeof(have)), dtype_name(expected->dtype),
                 shape_text(&expected->shape, want, sizeof(want)));
        return false;
    }
    shape_elements(&got->shape, &n);
    if (dtype_is_float(got->dtype))
        return compare_floats(got, expected, n, scale, tolerance, ret_error, text, size);
    return compare_others(got, expected, n, text, size);
}
