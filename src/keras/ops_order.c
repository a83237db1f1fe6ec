/* Order statistics between layers: medians, quantiles, percentiles.
 *
 * The axes go last and become one, which is sorted; the places between which the answer lies follow from its
 * size, as numbers or, where the size is only known with the request, as a computation on sizes. */
#include <math.h>

#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "keras/ops_compose.h"
#include "keras/ops_math.h"

#define MAX_QUANTILES 16

enum method { METHOD_LINEAR, METHOD_LOWER, METHOD_HIGHER, METHOD_MIDPOINT, METHOD_NEAREST, METHOD_COUNT };

/* x sorted along its last axis, which holds all that is asked about. */
struct sorted {
    struct ops_call *op;
    engine_value x;
    engine_value last; /* index of the last element, float32 of rank 0 */
};

/* The axes (all: n = 0) as one, at the end. */
static engine_value join_axes(struct ops_call *op, engine_value x, const int *axes, int n)
{
    int rank = engine_rank(op->graph, x), order[SHAPE_MAX_RANK], kept = 0;
    int64_t spec[SHAPE_MAX_RANK];
    bool taken[SHAPE_MAX_RANK] = {false};
    for (int i = 0; i < n; i++)
        taken[axes[i]] = true;
    for (int i = 0; i < rank && n > 0; i++)
        if (!taken[i])
            order[kept++] = i;
    for (int i = 0, to = kept; i < rank; i++)
        if (n == 0 || taken[i])
            order[to++] = i;
    x = engine_transpose(op->graph, x, order);
    for (int i = 0; i < kept; i++)
        spec[i] = ENGINE_SAME_DIM(i);
    spec[kept] = ENGINE_INFER;
    return engine_reshape(op->graph, x, spec, kept + 1);
}

static struct sorted sort_axes(struct ops_call *op, engine_value x, const int *axes, int n)
{
    struct sorted sorted = {.op = op};
    x = join_axes(op, x, axes, n);
    if (x == ENGINE_NONE)
        return (struct sorted){op, ENGINE_NONE, ENGINE_NONE};
    int axis = engine_rank(op->graph, x) - 1;
    sorted.x = engine_sort(op->graph, x, axis, false, false);
    engine_value size = engine_slice(op->graph, engine_shape_of(op->graph, x), 0, axis, axis + 1, 1);
    size = engine_cast(op->graph, engine_squeeze(op->graph, size, (int[]){0}, 1), DTYPE_FLOAT32);
    sorted.last = binary(op, BINARY_SUBTRACT, size, engine_scalar_f32(op->graph, 1));
    return sorted;
}

/* The element at a place (float, whole). */
static engine_value element(const struct sorted *sorted, engine_value place)
{
    engine_value index = engine_cast(sorted->op->graph, place, DTYPE_INT32);
    return engine_gather(sorted->op->graph, sorted->x, index, engine_rank(sorted->op->graph, sorted->x) - 1, 0,
                         ENGINE_BOUNDS_ERROR);
}

static engine_value quantile(const struct sorted *sorted, double q, enum method method)
{
    struct engine_graph *graph = sorted->op->graph;
    struct unary floor_of = {.kind = UNARY_FLOOR}, ceil_of = {.kind = UNARY_CEIL}, round_of = {.kind = UNARY_ROUND};
    engine_value at = binary(sorted->op, BINARY_MULTIPLY, sorted->last, engine_scalar_f32(graph, (float)q));
    engine_value low = engine_unary(graph, floor_of, at), high = engine_unary(graph, ceil_of, at);
    if (method == METHOD_NEAREST)
        return element(sorted, engine_unary(graph, round_of, at));
    if (method == METHOD_LOWER || method == METHOD_HIGHER)
        return element(sorted, method == METHOD_LOWER ? low : high);
    engine_value a = element(sorted, low), b = element(sorted, high);
    if (a == ENGINE_NONE || b == ENGINE_NONE)
        return ENGINE_NONE;
    engine_value part = method == METHOD_MIDPOINT ? engine_scalar_f32(graph, 0.5f)
                                                  : binary(sorted->op, BINARY_SUBTRACT, at, low);
    part = engine_cast(graph, part, engine_dtype(graph, a));
    part = binary(sorted->op, BINARY_MULTIPLY, binary(sorted->op, BINARY_SUBTRACT, b, a), part);
    return binary(sorted->op, BINARY_ADD, a, part);
}

/* Puts axes of size 1 where the reduced ones were. */
static engine_value keep_axes(struct ops_call *op, engine_value y, int rank, const int *axes, int n)
{
    bool taken[SHAPE_MAX_RANK] = {false};
    for (int i = 0; i < n; i++)
        taken[axes[i]] = true;
    for (int i = 0; i < rank; i++)
        if (n == 0 || taken[i])
            y = engine_expand_dims(op->graph, y, i);
    return y;
}

/* The quantiles of x over the axes that argument `axis` gives, one for each q. */
static engine_value quantiles(struct ops_call *op, const double *q, int n_q, enum method method, int axis,
                              int keepdims)
{
    engine_value x = ops_tensor_float(op, 0), values[MAX_QUANTILES];
    int axes[SHAPE_MAX_RANK];
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    int rank = engine_rank(op->graph, x), n = ops_axes(op, axis, rank, axes);
    struct sorted sorted = sort_axes(op, x, axes, n);
    for (int i = 0; i < n_q; i++) {
        values[i] = quantile(&sorted, q[i], method);
        if (ops_bool(op, keepdims, false))
            values[i] = keep_axes(op, values[i], rank, axes, n);
    }
    return n_q == 1 ? values[0] : engine_stack(op->graph, values, n_q, 0);
}

engine_value ops_median(struct ops_call *op)
{
    return quantiles(op, (const double[]){0.5}, 1, METHOD_LINEAR, 1, 2);
}

engine_value ops_quantile(struct ops_call *op)
{
    static const char *const words[METHOD_COUNT] = {"linear", "lower", "higher", "midpoint", "nearest"};
    double q[MAX_QUANTILES];
    int method = METHOD_COUNT;
    engine_value numbers = ops_tensor(op, 1, DTYPE_FLOAT32);
    const struct tensor *constant = numbers == ENGINE_NONE ? NULL : engine_constant_of(op->graph, numbers);
    int64_t n = 0;
    if (!constant || constant->dtype != DTYPE_FLOAT32 || constant->shape.rank > 1 ||
        !shape_elements(&constant->shape, &n) || n < 1 || n > MAX_QUANTILES)
        return ops_fail(op, "argument 'q' must be a constant number or a list of at most %d", MAX_QUANTILES);
    for (int64_t i = 0; i < n; i++) {
        q[i] = (double)tensor_f32(constant)[i] / (op->row->variant ? 100 : 1);
        if (!(q[i] >= 0 && q[i] <= 1))
            return ops_fail(op, "argument 'q' is outside of its range");
    }
    /* Keras 3's node for quantile() keeps the method, but calls without it. */
    const char *wanted = op->row->variant ? ops_text(op, 3, "linear") : "linear";
    for (int i = 0; i < METHOD_COUNT; i++)
        if (str_equal(wanted, words[i]))
            method = i;
    if (method == METHOD_COUNT)
        return ops_fail(op, "method '%.40s' is not served", wanted);
    engine_value y = quantiles(op, q, (int)n, (enum method)method, 2, 4);
    return n == 1 && constant->shape.rank == 1 ? engine_expand_dims(op->graph, y, 0) : y;
}
