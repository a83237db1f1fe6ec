/* NumPy's functions of Keras 3 that models use only now and then, and its losses as functions: compositions
 * of what the engine has. */
#include <math.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/size.h"
#include "keras/ops_compose.h"
#include "keras/ops_math.h"

/* ---- tests and parts of numbers ---- */

engine_value ops_allclose(struct ops_call *op)
{
    return engine_reduce(op->graph, REDUCE_ALL, ops_isclose(op), NULL, 0, false);
}

/* Of real numbers: 0, or pi below 0. */
engine_value ops_angle(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    return engine_select(op->graph, binary_with(op, BINARY_LESS, x, 0),
                         keras_scalar(op->call, x, 3.14159265358979323846), keras_scalar(op->call, x, 0));
}

engine_value ops_isreal(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    return unary(op, UNARY_LOGICAL_NOT, binary(op, BINARY_NOT_EQUAL, x, x));
}

/* Is x among the elements? */
engine_value ops_is_in(struct ops_call *op)
{
    engine_value x, elements;
    if (!ops_pair(op, 0, 1, &x, &elements))
        return ENGINE_NONE;
    int rank = engine_rank(op->graph, x);
    elements = engine_reshape(op->graph, elements, (const int64_t[]){ENGINE_INFER}, 1);
    engine_value equal = binary(op, BINARY_EQUAL, engine_expand_dims(op->graph, x, rank), elements);
    engine_value found = engine_reduce(op->graph, REDUCE_ANY, equal, &rank, 1, false);
    return ops_bool(op, 3, false) ? unary(op, UNARY_LOGICAL_NOT, found) : found;
}

/* x 2^y, x / 2^y rounded down. TensorFlow brings y into the number of bits. */
engine_value ops_shift(struct ops_call *op)
{
    engine_value x, y;
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    if (!dtype_is_int(engine_dtype(op->graph, x)))
        return ops_fail(op, "its operands must be integers");
    enum dtype dtype = engine_dtype(op->graph, x);
    double most = (double)dtype_size(dtype) * 8 - 1;
    y = engine_cast(op->graph, y, DTYPE_INT64);
    y = binary_with(op, BINARY_MINIMUM, binary_with(op, BINARY_MAXIMUM, y, 0), most < 62 ? most : 62);
    x = engine_cast(op->graph, x, DTYPE_INT64);
    engine_value power = binary(op, BINARY_POWER, keras_scalar(op->call, x, 2), y);
    x = binary(op, op->row->variant < 0 ? BINARY_FLOOR_DIVIDE : BINARY_MULTIPLY, x, power);
    return engine_cast(op->graph, x, dtype);
}

/* ---- reductions and scans that leave NaN out ---- */

static engine_value without_nan(struct ops_call *op, engine_value x, double number)
{
    return engine_select(op->graph, unary(op, UNARY_IS_NAN, x), keras_scalar(op->call, x, number), x);
}

engine_value ops_nan_variance(struct ops_call *op)
{
    int axes[SHAPE_MAX_RANK];
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    int n = ops_axes(op, 1, engine_rank(op->graph, x), axes);
    const int *over = n ? axes : NULL;
    engine_value there = unary(op, UNARY_LOGICAL_NOT, unary(op, UNARY_IS_NAN, x));
    there = engine_cast(op->graph, there, engine_dtype(op->graph, x));
    engine_value count = engine_reduce(op->graph, REDUCE_SUM, there, over, n, true);
    engine_value sum = engine_reduce(op->graph, REDUCE_SUM, without_nan(op, x, 0), over, n, true);
    engine_value off = binary(op, BINARY_SUBTRACT, x, binary(op, BINARY_DIVIDE, sum, count));
    engine_value square = without_nan(op, unary(op, UNARY_SQUARE, off), 0);
    bool keepdims = ops_bool(op, 2, false);
    sum = engine_reduce(op->graph, REDUCE_SUM, square, over, n, keepdims);
    count = engine_reduce(op->graph, REDUCE_SUM, there, over, n, keepdims);
    engine_value y = binary(op, BINARY_DIVIDE, sum, count);
    return op->row->variant ? unary(op, UNARY_SQRT, y) : y;
}

/* Replaces NaN in argument 0 by a number, then calls the function that does not know of it. */
static engine_value call_without_nan(struct ops_call *op, double number, ops_lower_fn *lower)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    if (dtype_is_float(engine_dtype(op->graph, x)))
        x = without_nan(op, x, number);
    struct keras_arg replaced = {.kind = KERAS_ARG_TENSOR, .tensor = {x, ENGINE_NONE}};
    op->arg[0] = &replaced;
    return lower(op);
}

engine_value ops_nan_cumulate(struct ops_call *op)
{
    return call_without_nan(op, op->row->variant, ops_cumulate);
}

engine_value ops_nan_arg_reduce(struct ops_call *op)
{
    return call_without_nan(op, op->row->variant == REDUCE_ARGMAX ? -INFINITY : INFINITY, ops_arg_reduce);
}

/* ---- shapes ---- */

/* Along the third axis. */
engine_value ops_dstack(struct ops_call *op)
{
    engine_value values[KERAS_MAX_OUTPUTS];
    size_t n = ops_list(op, 0, values, KD_COUNT(values));
    if (n == 0 || values[0] == ENGINE_NONE)
        return ENGINE_NONE;
    int rank = engine_rank(op->graph, values[0]);
    for (size_t i = 0; i < n; i++) {
        if (rank < 2)
            values[i] = engine_expand_dims(op->graph, values[i], 0);
        if (rank < 3)
            values[i] = engine_expand_dims(op->graph, values[i], 2);
    }
    return engine_concat(op->graph, values, (int)n, 2);
}

/* Windows along the last axis: [..., T] -> [..., windows, length]. */
engine_value ops_extract_sequences(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    int axis = engine_rank(op->graph, x) - 1;
    int64_t time = engine_dim(op->graph, x, axis), length = ops_int(op, 1, 0), stride = ops_int(op, 2, 0);
    if (length < 1 || stride < 1 || time < length)
        return ops_fail(op, "the length of the sequence must be known and hold a window");
    struct shape shape = {.rank = 2, .dim = {(time - length) / stride + 1, length}};
    size_t n;
    if (!size_mul((size_t)shape.dim[0], (size_t)length, &n))
        return ops_fail(op, "too many windows");
    int64_t *indices = arena_calloc(op->layer->arena, n, sizeof(*indices));
    if (!indices)
        return engine_graph_fail(op->graph, KD_ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        indices[i] = (int64_t)i / length * stride + (int64_t)i % length;
    engine_value windows = engine_constant_copy(op->graph, DTYPE_INT64, &shape, indices);
    return engine_gather(op->graph, x, windows, axis, 0, ENGINE_BOUNDS_ERROR);
}

/* ---- sums ---- */

/* dx times the mean of neighbours, summed. */
engine_value ops_trapezoid(struct ops_call *op)
{
    engine_value y = ops_tensor_float(op, 0);
    if (y == ENGINE_NONE || !ops_absent(op, 1))
        return ENGINE_NONE;
    int axis = ops_axis(op, 3, engine_rank(op->graph, y), -1);
    engine_value left = engine_slice(op->graph, y, axis, 0, -1, 1);
    engine_value both = binary(op, BINARY_ADD, left, engine_slice(op->graph, y, axis, 1, ENGINE_SLICE_NONE, 1));
    both = engine_reduce(op->graph, REDUCE_SUM, both, &axis, 1, false);
    return binary_with(op, BINARY_MULTIPLY, both, ops_number(op, 2, 1) / 2);
}

/* Euclidean distances between rows: [..., P, M] and [..., R, M] to [..., P, R]. */
engine_value ops_distances(struct ops_call *op)
{
    engine_value x, y;
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    int rank = engine_rank(op->graph, x);
    if (rank < 2 || engine_rank(op->graph, y) != rank)
        return ops_fail(op, "two operands of the same rank are needed");
    x = engine_expand_dims(op->graph, ops_to_float(op->graph, x), rank - 1);
    y = engine_expand_dims(op->graph, ops_to_float(op->graph, y), rank - 2);
    engine_value square = binary(op, BINARY_SQUARED_DIFFERENCE, x, y);
    return unary(op, UNARY_SQRT, engine_reduce(op->graph, REDUCE_SUM, square, &rank, 1, false));
}

/* ---- losses as functions ---- */

/* Probabilities kept away from 0 and 1, as Keras does before it takes logarithms. */
static engine_value kept_inside(struct ops_call *op, engine_value x)
{
    const float epsilon = 1e-7f;
    return engine_unary(op->graph, (struct unary){.kind = UNARY_CLIP, .a = epsilon, .b = 1 - epsilon}, x);
}

/* max(x, 0) - x t + log(1 + exp(-|x|)) of logits; -(t log x + (1 - t) log(1 - x)) of probabilities */
engine_value ops_binary_crossentropy(struct ops_call *op)
{
    engine_value target, x;
    if (!ops_pair(op, 0, 1, &target, &x))
        return ENGINE_NONE;
    target = ops_to_float(op->graph, target);
    x = ops_to_float(op->graph, x);
    if (ops_bool(op, 2, false)) {
        engine_value rest = unary(op, UNARY_EXP, unary(op, UNARY_NEGATIVE, unary(op, UNARY_ABS, x)));
        engine_value y = binary(op, BINARY_SUBTRACT, unary(op, UNARY_RELU, x), binary(op, BINARY_MULTIPLY, x, target));
        return binary(op, BINARY_ADD, y, unary(op, UNARY_LOG1P, rest));
    }
    x = kept_inside(op, x);
    engine_value one = keras_scalar(op->call, x, 1);
    engine_value yes = binary(op, BINARY_MULTIPLY, target, unary(op, UNARY_LOG, x));
    engine_value no = binary(op, BINARY_MULTIPLY, binary(op, BINARY_SUBTRACT, one, target),
                             unary(op, UNARY_LOG, binary(op, BINARY_SUBTRACT, one, x)));
    return unary(op, UNARY_NEGATIVE, binary(op, BINARY_ADD, yes, no));
}

/* The logarithms of the probabilities of argument 1 along the axis. */
static engine_value log_probabilities(struct ops_call *op, engine_value x, int axis, bool from_logits)
{
    if (from_logits)
        return engine_softmax(op->graph, x, &axis, 1, true);
    engine_value sum = engine_reduce(op->graph, REDUCE_SUM, x, &axis, 1, true);
    return unary(op, UNARY_LOG, kept_inside(op, binary(op, BINARY_DIVIDE, x, sum)));
}

/* Of logits, in TensorFlow's order: labels, logits, the weight of yes. (1 - t) x + (1 + (w - 1) t) softplus(-x) */
engine_value ops_weighted_crossentropy(struct ops_call *op)
{
    engine_value target, x;
    if (!ops_pair(op, 0, 1, &target, &x))
        return ENGINE_NONE;
    engine_value one = keras_scalar(op->call, x, 1);
    engine_value weight = op->arg[2] ? ops_tensor(op, 2, engine_dtype(op->graph, x)) : one;
    engine_value scale = binary(op, BINARY_MULTIPLY, binary(op, BINARY_SUBTRACT, weight, one), target);
    engine_value soft = unary(op, UNARY_SOFTPLUS, unary(op, UNARY_NEGATIVE, x));
    soft = binary(op, BINARY_MULTIPLY, binary(op, BINARY_ADD, one, scale), soft);
    return binary(op, BINARY_ADD, binary(op, BINARY_MULTIPLY, binary(op, BINARY_SUBTRACT, one, target), x), soft);
}

engine_value ops_categorical_crossentropy(struct ops_call *op)
{
    engine_value target, x;
    if (!ops_pair(op, 0, 1, &target, &x))
        return ENGINE_NONE;
    x = ops_to_float(op->graph, x);
    int axis = ops_axis(op, 3, engine_rank(op->graph, x), -1);
    engine_value logs = log_probabilities(op, x, axis, ops_bool(op, 2, false));
    engine_value product = binary(op, BINARY_MULTIPLY, ops_to_float(op->graph, target), logs);
    return unary(op, UNARY_NEGATIVE, engine_reduce(op->graph, REDUCE_SUM, product, &axis, 1, false));
}
