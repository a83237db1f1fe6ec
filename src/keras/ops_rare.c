/* Functions that stand between layers only now and then: NumPy's rarer element-wise ones, reductions that
 * leave NaN out, quantiles, borders and cuts of pictures, attention as a function. All of them are
 * compositions. */
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "keras/ops_compose.h"
#include "keras/ops_math.h"

static bool float_pair(struct ops_call *op, engine_value *x, engine_value *y)
{
    if (!ops_pair(op, 0, 1, x, y))
        return false;
    *x = ops_to_float(op->graph, *x);
    *y = ops_to_float(op->graph, *y);
    return true;
}

/* ---- element-wise ---- */

/* x1 < 0: 0, x1 > 0: 1, x1 = 0: x2 */
engine_value ops_heaviside(struct ops_call *op)
{
    engine_value x, y;
    if (!float_pair(op, &x, &y))
        return ENGINE_NONE;
    engine_value zero = keras_scalar(op->call, x, 0);
    engine_value step =
        engine_cast(op->graph, binary(op, BINARY_GREATER, x, zero), engine_dtype(op->graph, x));
    return engine_select(op->graph, binary(op, BINARY_EQUAL, x, zero), y, step);
}

/* Minus zero has the bit too: its reciprocal is minus infinity. */
engine_value ops_signbit(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    engine_value below = binary_with(op, BINARY_LESS, x, 0);
    if (x == ENGINE_NONE || !dtype_is_float(engine_dtype(op->graph, x)))
        return below;
    return binary(op, BINARY_LOGICAL_OR, below,
                  binary_with(op, BINARY_LESS, unary(op, UNARY_RECIPROCAL, x), 0));
}

/* sin(pi x) / (pi x), 1 at 0 */
engine_value ops_sinc(struct ops_call *op)
{
    engine_value x = binary_with(op, BINARY_MULTIPLY, ops_tensor_float(op, 0), 3.14159265358979323846);
    engine_value at_zero = binary_with(op, BINARY_EQUAL, x, 0);
    engine_value quotient = binary(op, BINARY_DIVIDE, unary(op, UNARY_SIN, x), x);
    return engine_select(op->graph, at_zero, keras_scalar(op->call, x, 1), quotient);
}

/* x1 2^x2 */
engine_value ops_ldexp(struct ops_call *op)
{
    engine_value x, y;
    if (!float_pair(op, &x, &y))
        return ENGINE_NONE;
    return binary(op, BINARY_MULTIPLY, x, unary(op, UNARY_EXP2, y));
}

/* log2(2^x1 + 2^x2) */
engine_value ops_logaddexp2(struct ops_call *op)
{
    engine_value x, y;
    const double ln2 = 0.69314718055994531;
    if (!float_pair(op, &x, &y))
        return ENGINE_NONE;
    x = binary_with(op, BINARY_MULTIPLY, x, ln2);
    y = binary_with(op, BINARY_MULTIPLY, y, ln2);
    return binary_with(op, BINARY_DIVIDE, binary(op, BINARY_LOGADDEXP, x, y), ln2);
}

/* Maximum or minimum where NaN loses. */
engine_value ops_extremum_no_nan(struct ops_call *op)
{
    engine_value x, y;
    if (!float_pair(op, &x, &y))
        return ENGINE_NONE;
    engine_value both = binary(op, (enum binary_kind)op->row->variant, x, y);
    both = engine_select(op->graph, unary(op, UNARY_IS_NAN, x), y, both);
    return engine_select(op->graph, unary(op, UNARY_IS_NAN, y), x, both);
}

/* ---- reductions ---- */

/* The neutral element stands in for NaN. */
engine_value ops_reduce_no_nan(struct ops_call *op)
{
    int axes[SHAPE_MAX_RANK];
    enum reduce_kind kind = (enum reduce_kind)op->row->variant;
    double neutral = kind == REDUCE_PROD  ? 1
                     : kind == REDUCE_MAX ? -INFINITY
                     : kind == REDUCE_MIN ? INFINITY
                                          : 0;
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    if (kind != REDUCE_MEAN && dtype_is_int(engine_dtype(op->graph, ops_tensor(op, 0, DTYPE_INVALID))))
        return ops_reduce(op);
    int n = ops_axes(op, 1, engine_rank(op->graph, x), axes);
    bool keepdims = ops_bool(op, 2, false);
    engine_value is_nan = unary(op, UNARY_IS_NAN, x);
    x = engine_select(op->graph, is_nan, keras_scalar(op->call, x, neutral), x);
    engine_value y =
        engine_reduce(op->graph, kind == REDUCE_MEAN ? REDUCE_SUM : kind, x, n ? axes : NULL, n, keepdims);
    if (kind != REDUCE_MEAN)
        return y;
    engine_value counted =
        engine_cast(op->graph, unary(op, UNARY_LOGICAL_NOT, is_nan), engine_dtype(op->graph, x));
    engine_value count = engine_reduce(op->graph, REDUCE_SUM, counted, n ? axes : NULL, n, keepdims);
    return binary(op, BINARY_DIVIDE, y, count);
}

/* Rows of the ids over axis 1 (axis 0 of a vector), any of them on. */
engine_value ops_multi_hot(struct ops_call *op)
{
    engine_value ids = ops_tensor(op, 0, DTYPE_INVALID);
    if (ids == ENGINE_NONE)
        return ENGINE_NONE;
    if (ops_int(op, 2, -1) != -1)
        return ops_fail(op, "only axis -1 is served");
    ids = dtype_is_int(engine_dtype(op->graph, ids)) ? ids : engine_cast(op->graph, ids, DTYPE_INT32);
    enum dtype dtype = ops_dtype(op, 3, DTYPE_FLOAT32);
    engine_value rows = engine_one_hot(op->graph, ids, ops_int(op, 1, 0), 1, 0, engine_rank(op->graph, ids),
                                       DTYPE_FLOAT32);
    int axis = engine_rank(op->graph, ids) > 1;
    return engine_cast(op->graph, engine_reduce(op->graph, REDUCE_MAX, rows, &axis, 1, false), dtype);
}

/* ---- pictures ---- */

/* One of the two sides may be left to the target size. */
static bool complete_sides(struct ops_call *op, int64_t size, int64_t target, int64_t *first, int64_t *second,
                           bool pads)
{
    int64_t total = pads ? target - size : size - target;
    if (*first == SHAPE_UNKNOWN)
        *first = total - *second;
    if (*second == SHAPE_UNKNOWN)
        *second = total - *first;
    if (*first >= 0 && *second >= 0)
        return true;
    ops_fail(op, "two of the two sides and the target size are needed, and none below 0");
    return false;
}

engine_value ops_sides(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    int64_t before[SHAPE_MAX_RANK] = {0}, after[SHAPE_MAX_RANK] = {0};
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    bool first = str_equal(ops_text(op, 7, "channels_last"), "channels_first"), pads = op->row->variant;
    int rank = engine_rank(op->graph, x), height = rank - (first ? 2 : 3);
    if (rank < 3 || rank > 4)
        return ops_fail(op, "pictures have rank 3 or 4");
    for (int i = 0; i < 2; i++) {
        before[height + i] = ops_int(op, 1 + i, SHAPE_UNKNOWN);
        after[height + i] = ops_int(op, 3 + i, SHAPE_UNKNOWN);
        int64_t size = engine_dim(op->graph, x, height + i);
        if (!complete_sides(op, size, ops_int(op, 5 + i, 0), &before[height + i], &after[height + i], pads))
            return ENGINE_NONE;
    }
    if (pads)
        return engine_pad(op->graph, x, before, after, ENGINE_PAD_CONSTANT, ENGINE_NONE);
    for (int i = height; i < height + 2; i++)
        x = engine_slice(op->graph, x, i, before[i], after[i] ? -after[i] : ENGINE_SLICE_NONE, 1);
    return x;
}

/* ---- attention as a function: query [N, T, H, d], key and value [N, S, H, d] ---- */

static engine_value heads_first(struct ops_call *op, int i, int64_t n_heads)
{
    static const int order[] = {0, 2, 1, 3};
    engine_value x = ops_tensor_float(op, i);
    if (x == ENGINE_NONE || engine_rank(op->graph, x) != 4)
        return ops_fail(op, "query, key and value must have rank 4");
    int64_t own = engine_dim(op->graph, x, 2);
    if (n_heads > own && own > 1 && n_heads % own == 0)
        x = engine_repeat(op->graph, x, 2, n_heads / own);
    return engine_transpose(op->graph, x, order);
}

engine_value ops_attention(struct ops_call *op)
{
    static const int order[] = {0, 2, 1, 3}, last[] = {-1};
    engine_value query = heads_first(op, 0, 0);
    int64_t n_heads = query == ENGINE_NONE ? 0 : engine_dim(op->graph, query, 1);
    engine_value key = heads_first(op, 1, n_heads), value = heads_first(op, 2, n_heads);
    if (value == ENGINE_NONE || !ops_absent(op, 8) || ops_bool(op, 6, false))
        return ops_fail(op, "is_causal and soft caps are not served");
    double scale = ops_number(op, 5, 1 / sqrt((double)engine_dim(op->graph, key, 3)));
    engine_value scores =
        engine_matmul(op->graph, binary_with(op, BINARY_MULTIPLY, query, scale), key, false, true);
    if (op->arg[3])
        scores = binary(op, BINARY_ADD, scores, ops_tensor(op, 3, engine_dtype(op->graph, scores)));
    if (op->arg[4]) {
        engine_value keep = engine_cast(op->graph, ops_tensor(op, 4, DTYPE_INVALID), DTYPE_BOOL);
        scores = engine_select(op->graph, keep, scores, keras_scalar(op->call, scores, -2.3e38));
    }
    engine_value y =
        engine_matmul(op->graph, engine_softmax(op->graph, scores, last, 1, false), value, false, false);
    return engine_transpose(op->graph, y, order);
}
