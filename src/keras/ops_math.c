/* Element-wise functions between layers.
 *
 * Most are one engine op with the operands brought to one type. Integers become floats where a function is
 * not defined on them, as Keras 3 does (TensorFlow refuses such calls, so its files do not hold them). */
#include "keras/ops_compose.h"
#include "keras/ops_math.h"

#include <math.h>

#include "base/err.h"
#include "base/size.h"

#define UNARY_OF(kind_) ((struct unary){.kind = (kind_)})

/* Functions that integers keep their type in. */
static bool keeps_ints(enum unary_kind kind)
{
    return kind == UNARY_LINEAR || kind == UNARY_NEGATIVE || kind == UNARY_ABS || kind == UNARY_SIGN ||
           kind == UNARY_SQUARE || kind == UNARY_BITWISE_NOT;
}

engine_value ops_unary(struct ops_call *op)
{
    enum unary_kind kind = (enum unary_kind)op->row->variant;
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    if (kind == UNARY_ABS && engine_dtype(op->graph, x) == DTYPE_BOOL)
        return x;
    if (dtype_is_float(engine_dtype(op->graph, x)) || keeps_ints(kind))
        return unary(op, kind, x);
    /* NumPy's round leaves integers alone; relu too keeps them. */
    if (kind == UNARY_ROUND || kind == UNARY_TRUNC)
        return x;
    if (kind == UNARY_RELU)
        return binary_with(op, BINARY_MAXIMUM, x, 0);
    if (kind == UNARY_RELU6)
        return binary_with(op, BINARY_MINIMUM, binary_with(op, BINARY_MAXIMUM, x, 0), 6);
    return unary(op, kind, ops_to_float(op->graph, x));
}

engine_value ops_float_unary(struct ops_call *op)
{
    return unary(op, (enum unary_kind)op->row->variant, ops_tensor_float(op, 0));
}

engine_value ops_identity(struct ops_call *op)
{
    return ops_tensor(op, 0, DTYPE_INVALID);
}

engine_value ops_binary(struct ops_call *op)
{
    engine_value x, y;
    enum binary_kind kind = (enum binary_kind)op->row->variant;
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    bool float_only = kind == BINARY_ATAN2 || kind == BINARY_LOGADDEXP || kind == BINARY_DIVIDE_NO_NAN;
    if (float_only) {
        x = ops_to_float(op->graph, x);
        y = ops_to_float(op->graph, y);
    }
    return binary(op, kind, x, y);
}

/* The type that a quotient of integers has: TensorFlow takes float64 for those of 32 bits and more. */
static enum dtype quotient_dtype(struct ops_call *op, engine_value x)
{
    enum dtype dtype = engine_dtype(op->graph, x);
    if (dtype_is_float(dtype))
        return dtype;
    return op->dialect != OPS_KERAS3 && dtype_size(dtype) >= 4 ? DTYPE_FLOAT64 : DTYPE_FLOAT32;
}

engine_value ops_divide(struct ops_call *op)
{
    engine_value x, y;
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    enum dtype dtype = quotient_dtype(op, x);
    return binary(op, BINARY_DIVIDE, engine_cast(op->graph, x, dtype), engine_cast(op->graph, y, dtype));
}

/* Toward zero; quotients of integers stay integers. */
engine_value ops_truncate_divide(struct ops_call *op)
{
    engine_value x, y;
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    if (dtype_is_float(engine_dtype(op->graph, x)))
        return unary(op, UNARY_TRUNC, binary(op, BINARY_DIVIDE, x, y));
    engine_value rest = binary(op, BINARY_TRUNCATE_MOD, x, y);
    return binary(op, BINARY_FLOOR_DIVIDE, binary(op, BINARY_SUBTRACT, x, rest), y);
}

/* x y, zero where y is zero whatever x is */
engine_value ops_multiply_no_nan(struct ops_call *op)
{
    engine_value x, y;
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    engine_value zero = keras_scalar(op->call, y, 0);
    return engine_select(op->graph, binary(op, BINARY_EQUAL, y, zero), zero, binary(op, BINARY_MULTIPLY, x, y));
}

/* x log(1 + y), zero where x is zero */
engine_value ops_xlog1py(struct ops_call *op)
{
    engine_value x, y;
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    engine_value zero = keras_scalar(op->call, x, 0);
    engine_value value = binary(op, BINARY_MULTIPLY, x, unary(op, UNARY_LOG1P, y));
    return engine_select(op->graph, binary(op, BINARY_EQUAL, x, zero), zero, value);
}

engine_value ops_logical(struct ops_call *op)
{
    engine_value x = engine_cast(op->graph, ops_tensor(op, 0, DTYPE_INVALID), DTYPE_BOOL);
    engine_value y = engine_cast(op->graph, ops_tensor(op, 1, DTYPE_INVALID), DTYPE_BOOL);
    return binary(op, (enum binary_kind)op->row->variant, x, y);
}

engine_value ops_logical_not(struct ops_call *op)
{
    return unary(op, UNARY_LOGICAL_NOT, engine_cast(op->graph, ops_tensor(op, 0, DTYPE_INVALID), DTYPE_BOOL));
}

engine_value ops_add_n(struct ops_call *op)
{
    engine_value values[KERAS_MAX_OUTPUTS];
    size_t n = ops_list(op, 0, values, KD_COUNT(values));
    for (size_t i = 1; i < n; i++)
        values[0] = binary(op, (enum binary_kind)op->row->variant, values[0], values[i]);
    return n ? values[0] : ENGINE_NONE;
}

/* ---- activations ---- */

engine_value ops_relu(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    struct unary relu = {
        .kind = UNARY_RELU_GENERAL,
        .a = (float)ops_number(op, 2, INFINITY),
        .b = (float)ops_number(op, 1, 0),
        .c = (float)ops_number(op, 3, 0),
    };
    if (!isfinite(relu.a) && relu.b == 0 && relu.c == 0)
        relu = UNARY_OF(UNARY_RELU);
    return keras_unary(op->call, relu, x);
}

engine_value ops_gelu(struct ops_call *op)
{
    bool approximate = ops_bool(op, 1, op->row->variant);
    return unary(op, approximate ? UNARY_GELU_TANH : UNARY_GELU, ops_tensor_float(op, 0));
}

/* x sigmoid(beta x) */
engine_value ops_swish(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    double beta = ops_number(op, 1, 1);
    if (beta == 1)
        return unary(op, UNARY_SILU, x);
    return binary(op, BINARY_MULTIPLY, x,
                  unary(op, UNARY_SIGMOID, binary_with(op, BINARY_MULTIPLY, x, beta)));
}

engine_value ops_leaky_relu(struct ops_call *op)
{
    struct unary leaky = {.kind = UNARY_LEAKY_RELU, .a = (float)ops_number(op, 1, 0.2)};
    return engine_unary(op->graph, leaky, ops_tensor_float(op, 0));
}

engine_value ops_alpha(struct ops_call *op)
{
    struct unary function = {.kind = (enum unary_kind)op->row->variant, .a = (float)ops_number(op, 1, 1)};
    return engine_unary(op->graph, function, ops_tensor_float(op, 0));
}

engine_value ops_shrink(struct ops_call *op)
{
    struct unary function = {.kind = (enum unary_kind)op->row->variant, .a = (float)ops_number(op, 1, 0.5)};
    return engine_unary(op->graph, function, ops_tensor_float(op, 0));
}

engine_value ops_squareplus(struct ops_call *op)
{
    struct unary function = {.kind = UNARY_SQUAREPLUS, .a = (float)ops_number(op, 1, 4)};
    return engine_unary(op->graph, function, ops_tensor_float(op, 0));
}

engine_value ops_threshold(struct ops_call *op)
{
    struct unary function = {
        .kind = UNARY_THRESHOLD,
        .a = (float)ops_number(op, 1, 0),
        .b = (float)ops_number(op, 2, 0),
    };
    return engine_unary(op->graph, function, ops_tensor_float(op, 0));
}

engine_value ops_glu(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    int axis = ops_axis(op, 1, engine_rank(op->graph, x), -1);
    int64_t size = engine_dim(op->graph, x, axis);
    if (size < 2 || size % 2)
        return ops_fail(op, "the axis of a gate must have an even known size");
    engine_value a = engine_slice(op->graph, x, axis, 0, size / 2, 1);
    engine_value b = engine_slice(op->graph, x, axis, size / 2, size, 1);
    return binary(op, BINARY_MULTIPLY, a, unary(op, UNARY_SIGMOID, b));
}

engine_value ops_crelu(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    int axis = ops_axis(op, 1, engine_rank(op->graph, x), -1);
    engine_value halves[] = {x, unary(op, UNARY_NEGATIVE, x)};
    return unary(op, UNARY_RELU, engine_concat(op->graph, halves, 2, axis));
}

engine_value ops_softmax(struct ops_call *op)
{
    int axes[SHAPE_MAX_RANK];
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    int rank = engine_rank(op->graph, x);
    int n = ops_axes(op, 1, rank, axes);
    if (n == 0)
        axes[n++] = rank - 1;
    return engine_softmax(op->graph, x, axes, n, op->row->variant);
}

engine_value ops_sparsemax(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    int rank = engine_rank(op->graph, x);
    if (ops_axis(op, 1, rank, -1) != rank - 1)
        return ops_fail(op, "only the last axis is served");
    return engine_sparsemax(op->graph, x);
}

engine_value ops_hard_sigmoid(struct ops_call *op)
{
    bool keras_3 = op->layer->writer->family == KERAS_3;
    return unary(op, keras_3 ? UNARY_HARD_SIGMOID_3 : UNARY_HARD_SIGMOID_2, ops_tensor_float(op, 0));
}

/* ---- limits, casts, choices ---- */

static bool is_constant_number(const struct keras_arg *arg)
{
    return !arg || arg->kind == KERAS_ARG_INT || arg->kind == KERAS_ARG_FLOAT;
}

engine_value ops_clip(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    enum dtype dtype = engine_dtype(op->graph, x);
    bool numbers = is_constant_number(op->arg[1]) && is_constant_number(op->arg[2]);
    if (dtype_is_float(dtype) && numbers) {
        struct unary clip = {
            .kind = UNARY_CLIP,
            .a = (float)ops_number(op, 1, -INFINITY),
            .b = (float)ops_number(op, 2, INFINITY),
        };
        return engine_unary(op->graph, clip, x);
    }
    /* Bounds that are tensors, or integers: the type of x stays. */
    if (op->arg[1])
        x = binary(op, BINARY_MAXIMUM, x, engine_cast(op->graph, ops_tensor(op, 1, dtype), dtype));
    if (op->arg[2])
        x = binary(op, BINARY_MINIMUM, x, engine_cast(op->graph, ops_tensor(op, 2, dtype), dtype));
    return x;
}

engine_value ops_cast(struct ops_call *op)
{
    return engine_cast(op->graph, ops_tensor(op, 0, DTYPE_INVALID), ops_dtype(op, 1, DTYPE_FLOAT32));
}

/* Integers outside of the range of the result stop at its ends instead of wrapping; floats do so anyway. */
engine_value ops_saturate_cast(struct ops_call *op)
{
    int64_t low, high, own_low, own_high;
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    enum dtype dtype = ops_dtype(op, 1, DTYPE_FLOAT32);
    if (x == ENGINE_NONE || !dtype_is_int(dtype) || !dtype_is_int(engine_dtype(op->graph, x)))
        return engine_cast(op->graph, x, dtype);
    dtype_int_range(dtype, &low, &high);
    dtype_int_range(engine_dtype(op->graph, x), &own_low, &own_high);
    if (low > own_low)
        x = binary(op, BINARY_MAXIMUM, x, engine_scalar_i64(op->graph, engine_dtype(op->graph, x), low));
    if (high < own_high)
        x = binary(op, BINARY_MINIMUM, x, engine_scalar_i64(op->graph, engine_dtype(op->graph, x), high));
    return engine_cast(op->graph, x, dtype);
}

engine_value ops_to_dtype(struct ops_call *op)
{
    return engine_cast(op->graph, ops_tensor(op, 0, DTYPE_INVALID), (enum dtype)op->row->variant);
}

engine_value ops_where(struct ops_call *op)
{
    engine_value x, y;
    if (!op->arg[1] && !op->arg[2])
        return ops_fail(op,
                        "without x and y the size of its result depends on the data, which is not served");
    engine_value condition = engine_cast(op->graph, ops_tensor(op, 0, DTYPE_INVALID), DTYPE_BOOL);
    if (!ops_pair(op, 1, 2, &x, &y))
        return ENGINE_NONE;
    return engine_select(op->graph, condition, x, y);
}

/* ---- compositions ---- */

engine_value ops_reciprocal_no_nan(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    return binary(op, BINARY_DIVIDE_NO_NAN, keras_scalar(op->call, x, 1), x);
}

engine_value ops_erfc(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    return binary(op, BINARY_SUBTRACT, keras_scalar(op->call, x, 1), unary(op, UNARY_ERF, x));
}

/* x log y, x / y: zero where x is zero. */
engine_value ops_xlogy(struct ops_call *op)
{
    engine_value x, y;
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    engine_value zero = keras_scalar(op->call, x, 0);
    engine_value value = op->row->variant ? binary(op, BINARY_DIVIDE, x, y)
                                          : binary(op, BINARY_MULTIPLY, x, unary(op, UNARY_LOG, y));
    return engine_select(op->graph, binary(op, BINARY_EQUAL, x, zero), zero, value);
}

engine_value ops_scale(struct ops_call *op)
{
    static const double factors[] = {0.017453292519943295, 57.29577951308232};
    return binary_with(op, BINARY_MULTIPLY, ops_tensor_float(op, 0), factors[op->row->variant]);
}

/* sign(x) |x|^(1/3) */
engine_value ops_root(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    engine_value root = binary_with(op, BINARY_POWER, unary(op, UNARY_ABS, x), 1.0 / 3);
    return binary(op, BINARY_MULTIPLY, unary(op, UNARY_SIGN, x), root);
}

/* To a number of decimals: scaled, rounded half to even, scaled back. */
engine_value ops_round(struct ops_call *op)
{
    int64_t decimals = ops_int(op, 1, 0);
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE || !dtype_is_float(engine_dtype(op->graph, x)))
        return decimals >= 0 ? x : ops_fail(op, "decimals below 0 of integers are not served");
    if (decimals == 0)
        return unary(op, UNARY_ROUND, x);
    double scale = pow(10, (double)decimals);
    x = unary(op, UNARY_ROUND, binary_with(op, BINARY_MULTIPLY, x, scale));
    return binary_with(op, BINARY_DIVIDE, x, scale);
}

engine_value ops_hypot(struct ops_call *op)
{
    engine_value x, y;
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    x = unary(op, UNARY_SQUARE, ops_to_float(op->graph, x));
    y = unary(op, UNARY_SQUARE, ops_to_float(op->graph, y));
    return unary(op, UNARY_SQRT, binary(op, BINARY_ADD, x, y));
}

/* |x - y| <= atol + rtol |y|; NaN is close to itself where asked for */
engine_value ops_isclose(struct ops_call *op)
{
    engine_value x, y;
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    x = ops_to_float(op->graph, x);
    y = ops_to_float(op->graph, y);
    engine_value difference = unary(op, UNARY_ABS, binary(op, BINARY_SUBTRACT, x, y));
    engine_value bound = binary_with(op, BINARY_MULTIPLY, unary(op, UNARY_ABS, y), ops_number(op, 2, 1e-5));
    bound = binary_with(op, BINARY_ADD, bound, ops_number(op, 3, 1e-8));
    engine_value close = binary(op, BINARY_LESS_EQUAL, difference, bound);
    if (!ops_bool(op, 4, false))
        return close;
    engine_value both = binary(op, BINARY_LOGICAL_AND, unary(op, UNARY_IS_NAN, x), unary(op, UNARY_IS_NAN, y));
    return binary(op, BINARY_LOGICAL_OR, close, both);
}

static engine_value replace(struct ops_call *op, engine_value condition, double number, engine_value x)
{
    return engine_select(op->graph, condition, keras_scalar(op->call, x, number), x);
}

engine_value ops_nan_to_num(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE || !dtype_is_float(engine_dtype(op->graph, x)))
        return x;
    engine_value above = binary(op, BINARY_EQUAL, x, keras_scalar(op->call, x, INFINITY));
    engine_value below = binary(op, BINARY_EQUAL, x, keras_scalar(op->call, x, -INFINITY));
    engine_value y = replace(op, unary(op, UNARY_IS_NAN, x), ops_number(op, 1, 0), x);
    y = replace(op, above, ops_number(op, 2, 3.4028234663852886e38), y);
    return replace(op, below, ops_number(op, 3, -3.4028234663852886e38), y);
}

engine_value ops_sign_infinite(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    return binary_with(op, BINARY_EQUAL, x, op->row->variant * INFINITY);
}
