/* Types of operands: TensorFlow's and Keras 3's rules for two operands of one function.
 *
 * TensorFlow never mixes types: a constant is converted to the type of the tensor beside it, two tensors of
 * different types are an error there and so are not in a file. Keras 3 promotes along NumPy's lattice in
 * JAX's form: integers widen until both fit, any float beats any integer, float16 with bfloat16 gives
 * float32, and Python numbers are weak: they only decide between bool, integer and float. */
#include "keras/ops.h"

#include "base/err.h"

/* The smallest integer type that holds both; float32 where there is none (uint64 with a signed type). */
static enum dtype promote_ints(enum dtype x, enum dtype y)
{
    static const enum dtype order[] = {DTYPE_UINT8, DTYPE_INT8,  DTYPE_UINT16, DTYPE_INT16,
                                       DTYPE_UINT32, DTYPE_INT32, DTYPE_UINT64, DTYPE_INT64};
    int64_t low_x, high_x, low_y, high_y, low, high;
    if (x == y)
        return x;
    dtype_int_range(x, &low_x, &high_x);
    dtype_int_range(y, &low_y, &high_y);
    bool any_uint64 = x == DTYPE_UINT64 || y == DTYPE_UINT64;
    if (any_uint64)
        return low_x < 0 || low_y < 0 ? DTYPE_FLOAT32 : DTYPE_UINT64;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        dtype_int_range(order[i], &low, &high);
        if (low <= low_x && low <= low_y && high >= high_x && high >= high_y)
            return order[i];
    }
    return DTYPE_INT64;
}

static enum dtype promote_floats(enum dtype x, enum dtype y)
{
    if (x == y)
        return x;
    if (x == DTYPE_FLOAT64 || y == DTYPE_FLOAT64)
        return DTYPE_FLOAT64;
    return DTYPE_FLOAT32;
}

enum dtype ops_promote(enum dtype x, bool weak_x, enum dtype y, bool weak_y)
{
    if (x == y)
        return x;
    if (weak_x && !weak_y)
        return ops_promote(y, false, x, true);
    if (x == DTYPE_BOOL)
        return weak_y && dtype_is_int(y) ? DTYPE_INT32 : y;
    if (y == DTYPE_BOOL)
        return x;
    if (weak_y && dtype_is_float(x))
        return x;
    if (weak_y && dtype_is_int(x) && dtype_is_int(y))
        return x;
    if (dtype_is_float(x) && dtype_is_float(y))
        return promote_floats(x, y);
    if (dtype_is_float(x) || dtype_is_float(y))
        return dtype_is_float(x) ? x : y;
    if (dtype_is_int(x) && dtype_is_int(y))
        return promote_ints(x, y);
    return x;
}

static bool is_tensor(const struct keras_arg *arg)
{
    return arg->kind == KERAS_ARG_TENSOR;
}

/* Python's own: such a number takes the type of the other operand. */
static bool is_number(const struct keras_arg *arg)
{
    if (ops_wrapped_dtype(arg) != DTYPE_INVALID)
        return false;
    return arg->kind == KERAS_ARG_INT || arg->kind == KERAS_ARG_FLOAT || arg->kind == KERAS_ARG_BOOL;
}

static enum dtype dtype_of(struct ops_call *op, const struct keras_arg *arg)
{
    enum dtype wrapped = ops_wrapped_dtype(arg);
    if (arg->kind == KERAS_ARG_OBJECT || wrapped != DTYPE_INVALID)
        return wrapped;
    return is_tensor(arg) ? engine_dtype(op->graph, arg->tensor.value) : ops_natural_dtype(arg);
}

/* The common type of two operands, DTYPE_INVALID if one has none. */
static enum dtype common_dtype(struct ops_call *op, const struct keras_arg *x, const struct keras_arg *y)
{
    enum dtype x_type = dtype_of(op, x), y_type = dtype_of(op, y);
    if (x_type == DTYPE_INVALID || y_type == DTYPE_INVALID)
        return is_tensor(x) ? x_type : is_tensor(y) ? y_type : DTYPE_INVALID;
    if (op->dialect != OPS_KERAS3 && is_tensor(x) != is_tensor(y))
        return is_tensor(x) ? x_type : y_type;
    return ops_promote(x_type, is_number(x), y_type, is_number(y));
}

bool ops_pair(struct ops_call *op, int i, int j, engine_value *ret_x, engine_value *ret_y)
{
    if (!op->arg[i] || !op->arg[j]) {
        ops_tensor(op, op->arg[i] ? j : i, DTYPE_INVALID); /* names the missing one */
        return false;
    }
    enum dtype dtype = common_dtype(op, op->arg[i], op->arg[j]);
    *ret_x = ops_tensor(op, i, dtype);
    *ret_y = ops_tensor(op, j, dtype);
    if (*ret_x == ENGINE_NONE || *ret_y == ENGINE_NONE)
        return false;
    if (dtype == DTYPE_INVALID)
        dtype = engine_dtype(op->graph, *ret_x);
    *ret_x = engine_cast(op->graph, *ret_x, dtype);
    *ret_y = engine_cast(op->graph, *ret_y, dtype);
    return *ret_x != ENGINE_NONE && *ret_y != ENGINE_NONE;
}
