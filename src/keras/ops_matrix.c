/* Functions that place rows by numbers: diagonals, reversed sequences, sums over segments, choices. All of
 * them are selections by comparing positions, so that they hold for any size. */
#include <float.h>

#include "base/err.h"
#include "base/size.h"
#include "keras/ops_compose.h"
#include "keras/ops_places.h"

/* 0, 1, ... along an axis of x, int64 of rank 1. */
static engine_value positions(struct ops_call *op, engine_value x, int axis)
{
    engine_value size = engine_slice(op->graph, engine_shape_of(op->graph, x), 0, axis, axis + 1, 1);
    return engine_range(op->graph, engine_scalar_i64(op->graph, DTYPE_INT64, 0),
                        engine_squeeze(op->graph, size, (int[]){0}, 1),
                        engine_scalar_i64(op->graph, DTYPE_INT64, 1));
}

/* Is row == column? [rows, columns] */
static engine_value on_diagonal(struct ops_call *op, engine_value rows, engine_value columns)
{
    return binary(op, BINARY_EQUAL, engine_expand_dims(op->graph, rows, 1),
                  engine_expand_dims(op->graph, columns, 0));
}

/* [..., n] -> [..., n, n] */
engine_value ops_diag(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    if (ops_int(op, 1, 0) != 0 || engine_rank(op->graph, x) < 1)
        return ops_fail(op, "only the main diagonal is served");
    int rank = engine_rank(op->graph, x);
    engine_value at = positions(op, x, rank - 1);
    engine_value column = engine_expand_dims(op->graph, x, rank);
    return engine_select(op->graph, on_diagonal(op, at, at), column, keras_scalar(op->call, x, 0));
}

/* x [..., M, N] with another main diagonal [..., min(M, N)]. */
engine_value ops_set_diag(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    engine_value diagonal = ops_tensor(op, 1, x == ENGINE_NONE ? DTYPE_INVALID : engine_dtype(op->graph, x));
    if (x == ENGINE_NONE || diagonal == ENGINE_NONE)
        return ENGINE_NONE;
    int rank = engine_rank(op->graph, x);
    int64_t rows = rank < 2 ? 0 : engine_dim(op->graph, x, -2), columns = engine_dim(op->graph, x, -1);
    if (ops_int(op, 2, 0) != 0 || rows < 1 || columns < 1 || engine_rank(op->graph, diagonal) != rank - 1)
        return ops_fail(op, "only the main diagonal of matrices of known size is served");
    engine_value here = on_diagonal(op, positions(op, x, rank - 2), positions(op, x, rank - 1));
    diagonal = engine_expand_dims(op->graph, diagonal, rows < columns ? rank - 1 : rank - 2);
    return engine_select(op->graph, here, diagonal, x);
}

/* The first lengths[b] elements along the axis backwards, the others as they are. */
engine_value ops_reverse_sequence(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID), lengths = ops_tensor(op, 1, DTYPE_INVALID);
    if (x == ENGINE_NONE || lengths == ENGINE_NONE)
        return ENGINE_NONE;
    int rank = engine_rank(op->graph, x), axis = ops_axis(op, 2, rank, -1), batch = ops_axis(op, 3, rank, 0);
    if (axis < 1 || batch != 0 || engine_rank(op->graph, lengths) != 1)
        return ops_fail(op, "the sequence axis must be given, and the batch axis be the first");
    x = keras_move_axis(op->call, x, axis, 1);
    lengths = engine_expand_dims(op->graph, engine_cast(op->graph, lengths, DTYPE_INT64), 1);
    engine_value at = engine_expand_dims(op->graph, positions(op, x, 1), 0);
    engine_value last = binary(op, BINARY_SUBTRACT, lengths, engine_scalar_i64(op->graph, DTYPE_INT64, 1));
    engine_value inside = binary(op, BINARY_LESS, at, lengths);
    engine_value from = engine_select(op->graph, inside, binary(op, BINARY_SUBTRACT, last, at), at);
    x = engine_gather(op->graph, x, from, 1, 1, ENGINE_BOUNDS_ERROR);
    return keras_move_axis(op->call, x, 1, axis);
}

/* ---- segments ---- */

static double neutral(enum reduce_kind kind)
{
    switch (kind) {
    case REDUCE_MAX: return -FLT_MAX;
    case REDUCE_MIN: return FLT_MAX;
    case REDUCE_PROD: return 1;
    default: return 0;
    }
}

/* x [N, ...], ids [N] -> [segments, ...]; an id below 0 is left out. */
engine_value ops_segments(struct ops_call *op)
{
    enum reduce_kind kind = (enum reduce_kind)op->row->variant, sum = kind == REDUCE_MEAN ? REDUCE_SUM : kind;
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID), ids = ops_tensor(op, 1, DTYPE_INVALID);
    int64_t n = ops_int(op, 2, 0);
    int first = 0;
    if (x == ENGINE_NONE || ids == ENGINE_NONE)
        return ENGINE_NONE;
    if (n < 1 || engine_rank(op->graph, ids) != 1 || engine_rank(op->graph, x) < 1)
        return ops_fail(op, "num_segments must be a constant, and segment_ids have one axis");
    if (!dtype_is_float(engine_dtype(op->graph, x)) && kind != REDUCE_SUM)
        return ops_fail(op, "of integers only sums are served");
    engine_value numbers = engine_range(op->graph, engine_scalar_i64(op->graph, DTYPE_INT64, 0),
                                        engine_scalar_i64(op->graph, DTYPE_INT64, n),
                                        engine_scalar_i64(op->graph, DTYPE_INT64, 1));
    engine_value belongs = on_diagonal(op, engine_cast(op->graph, ids, DTYPE_INT64), numbers);
    engine_value count = engine_cast(op->graph, belongs, DTYPE_FLOAT32);
    count = engine_reduce(op->graph, REDUCE_SUM, count, &first, 1, false);
    for (int i = 1; i < engine_rank(op->graph, x); i++) {
        belongs = engine_expand_dims(op->graph, belongs, i + 1);
        count = engine_expand_dims(op->graph, count, i);
    }
    engine_value none = keras_scalar(op->call, x, neutral(sum));
    engine_value rows = engine_select(op->graph, belongs, engine_expand_dims(op->graph, x, 1), none);
    engine_value y = engine_reduce(op->graph, sum, rows, &first, 1, false);
    if (kind != REDUCE_MEAN || y == ENGINE_NONE)
        return y;
    count = engine_cast(op->graph, binary_with(op, BINARY_MAXIMUM, count, 1), engine_dtype(op->graph, y));
    return binary(op, BINARY_DIVIDE, y, count);
}

/* ---- choices ---- */

#define MAX_CHOICES 32

/* Each element of the first choice whose condition holds. */
engine_value ops_choose(struct ops_call *op)
{
    engine_value conditions[MAX_CHOICES], choices[MAX_CHOICES];
    size_t n = ops_list(op, 0, conditions, MAX_CHOICES), n_choices = ops_list(op, 1, choices, MAX_CHOICES);
    if (n == 0 || n != n_choices)
        return ops_fail(op, "as many conditions as choices are needed");
    engine_value y = keras_scalar(op->call, choices[0], ops_number(op, 2, 0));
    while (n-- > 0)
        y = engine_select(op->graph, engine_cast(op->graph, conditions[n], DTYPE_BOOL), choices[n], y);
    return y;
}

/* -sum(labels * log_softmax(logits)) over the axis */
engine_value ops_softmax_crossentropy(struct ops_call *op)
{
    engine_value logits = ops_tensor_float(op, 1);
    if (logits == ENGINE_NONE)
        return ENGINE_NONE;
    engine_value labels = ops_tensor(op, 0, engine_dtype(op->graph, logits));
    if (labels == ENGINE_NONE)
        return ENGINE_NONE;
    labels = engine_cast(op->graph, labels, engine_dtype(op->graph, logits));
    int axis = ops_axis(op, 2, engine_rank(op->graph, logits), -1);
    engine_value y = binary(op, BINARY_MULTIPLY, labels, engine_softmax(op->graph, logits, &axis, 1, true));
    return unary(op, UNARY_NEGATIVE, engine_reduce(op->graph, REDUCE_SUM, y, &axis, 1, false));
}
