/* New tensors between layers: shapes as values, zeros, ones, ranges, identities, masks of lengths. */
#include "keras/ops_math.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/size.h"

/* An identity or a constant grid larger than this has no place between two layers. */
#define MAX_ELEMENTS (4 << 20)

engine_value ops_shape_of(struct ops_call *op)
{
    engine_value sizes = engine_shape_of(op->graph, ops_tensor(op, 0, DTYPE_INVALID));
    return engine_cast(op->graph, sizes, ops_dtype(op, 1, DTYPE_INT32));
}

engine_value ops_rank(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    return x == ENGINE_NONE ? x : engine_scalar_i64(op->graph, DTYPE_INT32, engine_rank(op->graph, x));
}

engine_value ops_size(struct ops_call *op)
{
    engine_value sizes = engine_shape_of(op->graph, ops_tensor(op, 0, DTYPE_INVALID));
    engine_value n = engine_reduce(op->graph, REDUCE_PROD, sizes, NULL, 0, false);
    return engine_cast(op->graph, n, ops_dtype(op, 1, DTYPE_INT32));
}

static engine_value scalar(struct ops_call *op, enum dtype dtype, double number)
{
    if (!dtype_is_float(dtype))
        return engine_scalar_i64(op->graph, dtype, (int64_t)number);
    return engine_cast(op->graph, engine_scalar_f32(op->graph, (float)number), dtype);
}

engine_value ops_like(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    enum dtype dtype = ops_dtype(op, 1, engine_dtype(op->graph, x));
    return engine_broadcast_like(op->graph, scalar(op, dtype, op->row->variant), x);
}

engine_value ops_full_like(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    enum dtype dtype = ops_dtype(op, 2, engine_dtype(op->graph, x));
    engine_value value = engine_cast(op->graph, ops_tensor(op, 1, dtype), dtype);
    return engine_broadcast_like(op->graph, value, x);
}

static engine_value fill(struct ops_call *op, engine_value value)
{
    engine_value sizes = ENGINE_NONE;
    int64_t known[SHAPE_MAX_RANK], spec[SHAPE_MAX_RANK];
    int rank = ops_sizes(op, 0, &sizes, known);
    if (rank < 0)
        return ENGINE_NONE;
    for (int i = 0; i < rank; i++)
        spec[i] = known[i] >= 0 ? known[i] : ENGINE_SAME_DIM(i);
    return engine_reshape(op->graph, engine_fill(op->graph, sizes, value), spec, rank);
}

engine_value ops_filled(struct ops_call *op)
{
    return fill(op, scalar(op, ops_dtype(op, 1, DTYPE_FLOAT32), op->row->variant));
}

engine_value ops_fill(struct ops_call *op)
{
    return fill(op, ops_tensor(op, 1, DTYPE_INVALID));
}

/* The type of a range: that of its first tensor, else what Python's numbers give. */
static enum dtype range_dtype(struct ops_call *op)
{
    enum dtype dtype = DTYPE_INT32;
    for (int i = 0; i < 3; i++) {
        const struct keras_arg *arg = op->arg[i];
        if (arg && arg->kind == KERAS_ARG_TENSOR)
            return engine_dtype(op->graph, arg->tensor.value);
        if (arg && arg->kind == KERAS_ARG_FLOAT)
            dtype = DTYPE_FLOAT32;
    }
    return dtype;
}

/* range(n) counts from 0, range(a, b) from a. */
engine_value ops_range(struct ops_call *op)
{
    enum dtype dtype = ops_dtype(op, 3, range_dtype(op));
    bool one = !op->arg[1];
    engine_value start = one ? scalar(op, dtype, 0) : engine_cast(op->graph, ops_tensor(op, 0, dtype), dtype);
    engine_value stop = engine_cast(op->graph, ops_tensor(op, one ? 0 : 1, dtype), dtype);
    engine_value step =
        op->arg[2] ? engine_cast(op->graph, ops_tensor(op, 2, dtype), dtype) : scalar(op, dtype, 1);
    return engine_range(op->graph, start, stop, step);
}

engine_value ops_eye(struct ops_call *op)
{
    int64_t n = ops_int(op, 0, 0), m = ops_int(op, 1, n);
    size_t count = 0;
    if (!ops_absent(op, 2))
        return ENGINE_NONE;
    if (n < 1 || m < 1 || !size_mul((size_t)n, (size_t)m, &count) || count > MAX_ELEMENTS)
        return ops_fail(op, "an identity of %lld by %lld", (long long)n, (long long)m);
    float *data = arena_calloc(op->layer->arena, count, sizeof(*data));
    if (!data)
        return engine_graph_fail(op->graph, KD_ENOMEM, "out of memory");
    for (int64_t i = 0; i < n && i < m; i++)
        data[i * m + i] = 1;
    struct shape shape = shape_of(2, n, m);
    engine_value eye = engine_constant_copy(op->graph, DTYPE_FLOAT32, &shape, data);
    return engine_cast(op->graph, eye, ops_dtype(op, 3, DTYPE_FLOAT32));
}

engine_value ops_constant_value(struct ops_call *op)
{
    enum dtype dtype = ops_dtype(op, 1, DTYPE_INVALID);
    engine_value value = ops_tensor(op, 0, dtype);
    return dtype == DTYPE_INVALID ? value : engine_cast(op->graph, value, dtype);
}

/* [..., maxlen]: position < length */
engine_value ops_sequence_mask(struct ops_call *op)
{
    engine_value lengths = ops_tensor(op, 0, DTYPE_INVALID);
    if (lengths == ENGINE_NONE)
        return ENGINE_NONE;
    if (!op->arg[1])
        return ops_fail(op, "without maxlen the size of its result depends on the data, which is not served");
    if (!dtype_is_int(engine_dtype(op->graph, lengths)))
        lengths = engine_cast(op->graph, lengths, DTYPE_INT32);
    enum dtype dtype = engine_dtype(op->graph, lengths);
    engine_value stop = engine_cast(op->graph, ops_tensor(op, 1, dtype), dtype);
    engine_value positions = engine_range(op->graph, scalar(op, dtype, 0), stop, scalar(op, dtype, 1));
    engine_value column = engine_expand_dims(op->graph, lengths, engine_rank(op->graph, lengths));
    engine_value mask = engine_binary(op->graph, BINARY_LESS, positions, column);
    return engine_cast(op->graph, mask, ops_dtype(op, 2, DTYPE_BOOL));
}

engine_value ops_linspace(struct ops_call *op)
{
    double start = ops_number(op, 0, 0), stop = ops_number(op, 1, 0);
    int64_t n = ops_int(op, 2, 50);
    if (n < 1 || n > MAX_ELEMENTS)
        return ops_fail(op, "a number of %lld values", (long long)n);
    float *data = arena_calloc(op->layer->arena, (size_t)n, sizeof(*data));
    if (!data)
        return engine_graph_fail(op->graph, KD_ENOMEM, "out of memory");
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)(n > 1 ? start + (stop - start) * (double)i / (double)(n - 1) : start);
    struct shape shape = shape_of(1, n);
    return engine_constant_copy(op->graph, DTYPE_FLOAT32, &shape, data);
}
