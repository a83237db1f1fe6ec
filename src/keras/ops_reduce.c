/* Reductions, norms, scans and sorting between layers.
 *
 * The result type of a sum or product follows the dialect: TensorFlow keeps it, Keras 3 widens small integers
 * to 32 bits. Means of integers are floats in Keras 3 and truncated integers in TensorFlow. */
#include "keras/ops_math.h"

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "keras/ops_compose.h"

/* The axes of a call, with none standing for all. */
struct axes {
    int n;
    int axis[SHAPE_MAX_RANK];
};

static struct axes axes_of(struct ops_call *op, int i, engine_value x)
{
    struct axes axes = {0};
    axes.n = ops_axes(op, i, engine_rank(op->graph, x), axes.axis);
    return axes;
}

static engine_value reduce(struct ops_call *op, enum reduce_kind kind, engine_value x,
                           const struct axes *axes, bool keepdims)
{
    return engine_reduce(op->graph, kind, x, axes->n ? axes->axis : NULL, axes->n, keepdims);
}

/* What Keras 3 sums small integers in. */
static enum dtype widened(enum dtype dtype)
{
    switch (dtype) {
    case DTYPE_BOOL:
    case DTYPE_INT8:
    case DTYPE_INT16:
        return DTYPE_INT32;
    case DTYPE_UINT8:
    case DTYPE_UINT16:
        return DTYPE_UINT32;
    default:
        return dtype;
    }
}

engine_value ops_reduce(struct ops_call *op)
{
    enum reduce_kind kind = (enum reduce_kind)op->row->variant;
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    struct axes axes = axes_of(op, 1, x);
    /* An empty list of axes reduces nothing, unlike None. */
    if (op->arg[1] && axes.n == 0)
        return x;
    enum dtype dtype = engine_dtype(op->graph, x);
    bool truncate = false;
    if (kind == REDUCE_ANY || kind == REDUCE_ALL)
        x = engine_cast(op->graph, x, DTYPE_BOOL);
    /* prod(dtype=...): on TensorFlow, Keras 3 then leaves the type as it is. */
    else if ((kind == REDUCE_SUM || (kind == REDUCE_PROD && !op->arg[3])) && op->dialect == OPS_KERAS3)
        x = engine_cast(op->graph, x, widened(dtype));
    else if (kind == REDUCE_MEAN || kind == REDUCE_LOGSUMEXP) {
        truncate = op->dialect != OPS_KERAS3 && dtype_is_int(dtype);
        x = ops_to_float(op->graph, x);
    }
    engine_value y = reduce(op, kind, x, &axes, ops_bool(op, 2, false));
    if ((kind == REDUCE_MAX || kind == REDUCE_MIN) && op->arg[3])
        y = binary(op, kind == REDUCE_MAX ? BINARY_MAXIMUM : BINARY_MINIMUM, y,
                   engine_cast(op->graph, ops_tensor(op, 3, dtype), dtype));
    return truncate ? engine_cast(op->graph, y, dtype) : y;
}

static engine_value variance(struct ops_call *op, engine_value x, const struct axes *axes, bool keepdims)
{
    engine_value mean = reduce(op, REDUCE_MEAN, x, axes, true);
    engine_value square = unary(op, UNARY_SQUARE, binary(op, BINARY_SUBTRACT, x, mean));
    return reduce(op, REDUCE_MEAN, square, axes, keepdims);
}

engine_value ops_variance(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    struct axes axes = axes_of(op, 1, x);
    engine_value y = variance(op, x, &axes, ops_bool(op, 2, false));
    return op->row->variant ? unary(op, UNARY_SQRT, y) : y;
}

static engine_value arg_reduce(struct ops_call *op, engine_value x, int axis, enum dtype dtype)
{
    enum reduce_kind kind = (enum reduce_kind)op->row->variant;
    if (engine_dtype(op->graph, x) == DTYPE_BOOL)
        x = engine_cast(op->graph, x, DTYPE_INT32);
    engine_value y = engine_reduce(op->graph, kind, x, &axis, 1, ops_bool(op, 3, false));
    return engine_cast(op->graph, y, ops_dtype(op, 2, dtype));
}

/* Without an axis: of all elements in Keras 3 and NumPy, along axis 0 in TensorFlow. */
engine_value ops_arg_reduce(struct ops_call *op)
{
    bool keras3 = op->dialect == OPS_KERAS3;
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    int axis = ops_axis(op, 1, engine_rank(op->graph, x), 0);
    if (keras3 && !op->arg[1])
        x = engine_reshape(op->graph, x, (const int64_t[]){ENGINE_INFER}, 1);
    return arg_reduce(op, x, axis, keras3 ? DTYPE_INT32 : DTYPE_INT64);
}

engine_value ops_arg_reduce_last(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    return arg_reduce(op, x, ops_axis(op, 1, engine_rank(op->graph, x), -1), DTYPE_INT64);
}

engine_value ops_count_nonzero(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    struct axes axes = axes_of(op, 1, x);
    bool keras3 = op->dialect == OPS_KERAS3;
    engine_value one =
        engine_cast(op->graph, engine_cast(op->graph, x, DTYPE_BOOL), keras3 ? DTYPE_INT32 : DTYPE_INT64);
    engine_value n = reduce(op, REDUCE_SUM, one, &axes, ops_bool(op, 2, false));
    return engine_cast(op->graph, n, ops_dtype(op, 3, engine_dtype(op->graph, one)));
}

engine_value ops_half_square_sum(struct ops_call *op)
{
    engine_value square = unary(op, UNARY_SQUARE, ops_tensor_float(op, 0));
    engine_value sum = engine_reduce(op->graph, REDUCE_SUM, square, NULL, 0, false);
    return binary(op, BINARY_MULTIPLY, sum, keras_scalar(op->call, sum, 0.5));
}

/* The part of zeros among the elements. */
engine_value ops_zero_fraction(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    engine_value zero = engine_cast(op->graph, binary(op, BINARY_EQUAL, x, keras_scalar(op->call, x, 0)), DTYPE_FLOAT32);
    return engine_reduce(op->graph, REDUCE_MEAN, zero, NULL, 0, false);
}

/* x limit / max(norm, limit), the norm taken over the axes */
engine_value ops_clip_by_norm(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    struct axes axes = axes_of(op, 2, x);
    engine_value limit = ops_tensor(op, 1, engine_dtype(op->graph, x));
    engine_value sum = reduce(op, REDUCE_SUM, unary(op, UNARY_SQUARE, x), &axes, true);
    engine_value longest = binary(op, BINARY_MAXIMUM, unary(op, UNARY_SQRT, sum), limit);
    return binary(op, BINARY_DIVIDE, binary(op, BINARY_MULTIPLY, x, limit), longest);
}

/* max - min */
engine_value ops_spread(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    struct axes axes = axes_of(op, 1, x);
    bool keepdims = ops_bool(op, 2, false);
    return binary(op, BINARY_SUBTRACT, reduce(op, REDUCE_MAX, x, &axes, keepdims),
                  reduce(op, REDUCE_MIN, x, &axes, keepdims));
}

/* ---- norms ---- */

/* The order of a norm: 2, 1, infinity, 0 for "not served". */
static double norm_order(struct ops_call *op, int i)
{
    if (!op->arg[i])
        return 2;
    if (op->arg[i]->kind != KERAS_ARG_STRING)
        return ops_number(op, i, 2);
    const char *text = op->arg[i]->text;
    if (str_equal(text, "inf"))
        return INFINITY;
    return str_equal(text, "euclidean") || str_equal(text, "fro") ? 2 : 0;
}

static engine_value norm(struct ops_call *op, engine_value x, double order, const struct axes *axes,
                         bool keepdims)
{
    engine_value magnitude = unary(op, UNARY_ABS, x);
    if (isinf(order) && order > 0)
        return reduce(op, REDUCE_MAX, magnitude, axes, keepdims);
    if (order == 1)
        return reduce(op, REDUCE_SUM, magnitude, axes, keepdims);
    if (order == 2)
        return unary(op, UNARY_SQRT, reduce(op, REDUCE_SUM, unary(op, UNARY_SQUARE, x), axes, keepdims));
    if (!(order > 0))
        return ops_fail(op, "only norms of positive order are served");
    engine_value power = binary(op, BINARY_POWER, magnitude, keras_scalar(op->call, x, order));
    engine_value sum = reduce(op, REDUCE_SUM, power, axes, keepdims);
    return binary(op, BINARY_POWER, sum, keras_scalar(op->call, x, 1 / order));
}

engine_value ops_norm(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    struct axes axes = axes_of(op, 2, x);
    double order = norm_order(op, 1);
    bool frobenius = op->arg[1] && op->arg[1]->kind == KERAS_ARG_STRING;
    int n_reduced = axes.n ? axes.n : engine_rank(op->graph, x);
    /* Over two axes a number means a norm of matrices in Keras 3: singular values, sums of rows. */
    if (op->dialect == OPS_KERAS3 && n_reduced == 2 && op->arg[1] && !frobenius)
        return ops_fail(op, "a norm of matrices of this order is not served");
    return norm(op, x, order, &axes, ops_bool(op, 3, false));
}

/* x / norm, and the norm (linalg.normalize). */
engine_value ops_normalize_with_norm(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    struct axes axes = axes_of(op, 2, x);
    engine_value length = norm(op, x, norm_order(op, 1), &axes, true);
    engine_value both[] = {binary(op, BINARY_DIVIDE, x, length), length};
    return ops_outputs(op, both, 2);
}

engine_value ops_l2_normalize(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    struct axes axes = axes_of(op, 1, x);
    engine_value sum = reduce(op, REDUCE_SUM, unary(op, UNARY_SQUARE, x), &axes, true);
    sum = binary(op, BINARY_MAXIMUM, sum, keras_scalar(op->call, x, ops_number(op, 2, 1e-12)));
    return binary(op, BINARY_MULTIPLY, x, unary(op, UNARY_RSQRT, sum));
}

/* Keras 3: x / max(norm, epsilon), epsilon 1e-7 by default, over the last axis. */
engine_value ops_normalize(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    struct axes axes = axes_of(op, 1, x);
    if (axes.n == 0)
        axes = (struct axes){.n = 1, .axis = {engine_rank(op->graph, x) - 1}};
    engine_value length = norm(op, x, norm_order(op, 2), &axes, true);
    length = binary(op, BINARY_MAXIMUM, length, keras_scalar(op->call, x, ops_number(op, 3, 1e-7)));
    return binary(op, BINARY_DIVIDE, x, length);
}

engine_value ops_moments(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    struct axes axes = axes_of(op, 1, x);
    bool keepdims = ops_bool(op, 3, false);
    engine_value both[] = {reduce(op, REDUCE_MEAN, x, &axes, keepdims), variance(op, x, &axes, keepdims)};
    return ops_outputs(op, both, 2);
}

/* (x - mean) / max(deviation, 1 / sqrt(number of elements)), per picture */
engine_value ops_standardize(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    int rank = engine_rank(op->graph, x);
    struct axes axes = {.n = 3, .axis = {rank - 3, rank - 2, rank - 1}};
    int64_t n = 1;
    for (int i = 0; i < 3; i++) {
        int64_t size = rank < 3 ? SHAPE_UNKNOWN : engine_dim(op->graph, x, axes.axis[i]);
        if (size < 0)
            return ops_fail(op, "the size of the picture must be known");
        n *= size;
    }
    engine_value deviation = unary(op, UNARY_SQRT, variance(op, x, &axes, true));
    deviation = binary(op, BINARY_MAXIMUM, deviation, keras_scalar(op->call, x, 1 / sqrt((double)n)));
    engine_value centred = binary(op, BINARY_SUBTRACT, x, reduce(op, REDUCE_MEAN, x, &axes, true));
    return binary(op, BINARY_DIVIDE, centred, deviation);
}

/* sum(x w) / sum(w); w of one axis is laid along that axis. */
engine_value ops_average(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    struct axes axes = axes_of(op, 1, x);
    if (!op->arg[2])
        return reduce(op, REDUCE_MEAN, x, &axes, false);
    engine_value weights = ops_tensor(op, 2, engine_dtype(op->graph, x));
    int behind = axes.n == 1 ? engine_rank(op->graph, x) - 1 - axes.axis[0] : 0;
    for (int i = 0; i < behind && engine_rank(op->graph, weights) < engine_rank(op->graph, x); i++)
        weights = engine_expand_dims(op->graph, weights, engine_rank(op->graph, weights));
    engine_value full = engine_broadcast_like(op->graph, weights, x);
    engine_value sum = reduce(op, REDUCE_SUM, binary(op, BINARY_MULTIPLY, x, full), &axes, false);
    return binary(op, BINARY_DIVIDE, sum, reduce(op, REDUCE_SUM, full, &axes, false));
}

/* ---- scans and order ---- */

engine_value ops_cumulate(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    bool keras3 = op->dialect == OPS_KERAS3;
    if (keras3) {
        x = engine_cast(op->graph, x, ops_dtype(op, 4, engine_dtype(op->graph, x)));
        x = op->arg[4] && engine_dtype(op->graph, x) != DTYPE_BOOL
                ? x
                : engine_cast(op->graph, x, widened(engine_dtype(op->graph, x)));
    }
    if (keras3 && !op->arg[1])
        x = engine_reshape(op->graph, x, (const int64_t[]){ENGINE_INFER}, 1);
    int axis = ops_axis(op, 1, engine_rank(op->graph, x), 0);
    return engine_cumsum(op->graph, x, axis, ops_bool(op, 2, false), ops_bool(op, 3, false),
                         op->row->variant);
}

engine_value ops_top_k(struct ops_call *op)
{
    engine_value both[2] = {ENGINE_NONE, ENGINE_NONE};
    engine_top_k(op->graph, ops_tensor(op, 0, DTYPE_INVALID), ops_int(op, 1, 1), both);
    return ops_outputs(op, both, 2);
}

engine_value ops_sort(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    bool descending = str_equal(ops_text(op, 2, "ASCENDING"), "DESCENDING");
    int axis = ops_axis(op, 1, engine_rank(op->graph, x), -1);
    return engine_sort(op->graph, x, axis, descending, op->row->variant);
}
