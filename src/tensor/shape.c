/* shape: sizes of tensors, where each size may be unknown until a request comes. Inference at load time runs with
 * unknown sizes, at plan time with all known; the same functions serve both. */
#include "tensor/shape.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct shape shape_of(int rank, ...)
{
    struct shape shape = {.rank = rank};
    va_list args;
    va_start(args, rank);
    for (int i = 0; i < rank && i < SHAPE_MAX_RANK; i++)
        shape.dim[i] = va_arg(args, int);
    va_end(args);
    return shape;
}

bool shape_equal(const struct shape *a, const struct shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

bool shape_compatible(const struct shape *a, const struct shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i] && a->dim[i] != SHAPE_UNKNOWN && b->dim[i] != SHAPE_UNKNOWN)
            return false;
    return true;
}

bool shape_known(const struct shape *shape)
{
    for (int i = 0; i < shape->rank; i++)
        if (shape->dim[i] < 0)
            return false;
    return true;
}

bool shape_elements(const struct shape *shape, int64_t *ret)
{
    int64_t product = 1;
    for (int i = 0; i < shape->rank; i++)
        if (shape->dim[i] < 0 || __builtin_mul_overflow(product, shape->dim[i], &product))
            return false;
    *ret = product;
    return true;
}

int64_t shape_product(const struct shape *shape, int from, int to)
{
    int64_t product = 1;
    for (int i = from; i < to; i++)
        product *= shape->dim[i];
    return product;
}

static bool broadcast_dim(int64_t a, int64_t b, int64_t *ret)
{
    if (a == b || b == 1)
        *ret = a;
    else if (a == 1)
        *ret = b;
    else if (a == SHAPE_UNKNOWN)
        *ret = b;
    else if (b == SHAPE_UNKNOWN)
        *ret = a;
    else
        return false;
    return true;
}

bool shape_broadcast(const struct shape *a, const struct shape *b, struct shape *ret)
{
    struct shape result = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 0; i < result.rank; i++) {
        int ai = i - (result.rank - a->rank), bi = i - (result.rank - b->rank);
        if (!broadcast_dim(ai < 0 ? 1 : a->dim[ai], bi < 0 ? 1 : b->dim[bi], &result.dim[i]))
            return false;
    }
    *ret = result;
    return true;
}

int shape_axis(const struct shape *shape, int64_t axis)
{
    if (axis < 0)
        axis += shape->rank;
    return axis >= 0 && axis < shape->rank ? (int)axis : -1;
}

void shape_strides(const struct shape *shape, int64_t *ret_strides)
{
    int64_t stride = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        ret_strides[i] = stride;
        stride *= shape->dim[i];
    }
}

char *shape_text(const struct shape *shape, char *text, size_t size)
{
    size_t used = 0;
    used += (size_t)snprintf(text, size, "(");
    for (int i = 0; i < shape->rank && used < size; i++) {
        const char *comma = i ? ", " : "";
        if (shape->dim[i] == SHAPE_UNKNOWN)
            used += (size_t)snprintf(text + used, size - used, "%sNone", comma);
        else
            used += (size_t)snprintf(text + used, size - used, "%s%" PRId64, comma, shape->dim[i]);
    }
    if (used < size)
        snprintf(text + used, size - used, shape->rank == 1 ? ",)" : ")");
    return text;
}
