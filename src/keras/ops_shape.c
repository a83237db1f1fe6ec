/* Functions that move data without looking at it: reshape, transpose, concat, split, tile, pad and the like.
 *
 * Sizes may be tensors themselves (tf.shape(x)[0]); what is constant among them is kept as a fact about the
 * result, so that layers behind it still find the sizes that they need. */
#include "keras/ops_math.h"

#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/size.h"
#include "base/str.h"

/* The first argument and its rank; false after a failure. */
static bool operand(struct ops_call *op, engine_value *x, int *rank)
{
    *x = ops_tensor(op, 0, DTYPE_INVALID);
    if (*x == ENGINE_NONE)
        return false;
    *rank = engine_rank(op->graph, *x);
    return true;
}

/* ---- shape ---- */

/* Entries of ops_sizes as entries of engine_reshape; returns how many sizes are tensors. */
static int reshape_spec(const int64_t *known, int rank, int64_t *spec)
{
    int n_unknown = 0;
    for (int i = 0; i < rank; i++) {
        spec[i] = known[i] >= 0 ? known[i] : ENGINE_INFER;
        n_unknown += known[i] < -1;
    }
    return n_unknown;
}

engine_value ops_reshape(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID), sizes = ENGINE_NONE;
    int64_t known[SHAPE_MAX_RANK], spec[SHAPE_MAX_RANK];
    int rank = ops_sizes(op, 1, &sizes, known);
    if (x == ENGINE_NONE || rank < 0)
        return ENGINE_NONE;
    int n_inferred = 0, n_unknown = reshape_spec(known, rank, spec);
    for (int i = 0; i < rank; i++)
        n_inferred += spec[i] == ENGINE_INFER;
    if (n_unknown == 0 || n_inferred == 1)
        return engine_reshape(op->graph, x, spec, rank);
    engine_value y = engine_reshape_to(op->graph, x, sizes);
    for (int i = 0; i < rank; i++)
        spec[i] = spec[i] == ENGINE_INFER ? ENGINE_SAME_DIM(i) : spec[i];
    return engine_reshape(op->graph, y, spec, rank);
}

engine_value ops_flatten(struct ops_call *op)
{
    const int64_t spec[] = {ENGINE_SAME_DIM(0), ENGINE_INFER};
    bool keep_batch = op->row->variant;
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    return engine_reshape(op->graph, x, keep_batch ? spec : spec + 1, keep_batch ? 2 : 1);
}

engine_value ops_expand_dims(struct ops_call *op)
{
    engine_value x;
    int rank;
    int64_t axes[SHAPE_MAX_RANK] = {-1};
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    int n = ops_ints(op, 1, axes, SHAPE_MAX_RANK);
    n = n < 0 ? 1 : n;
    bool added[SHAPE_MAX_RANK] = {false};
    for (int i = 0; i < n; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + rank + n : axes[i];
        if (axis < 0 || axis >= rank + n || rank + n > SHAPE_MAX_RANK)
            return ops_fail(op, "axis %lld is outside of rank %d", (long long)axes[i], rank + n);
        added[axis] = true;
    }
    for (int axis = 0; axis < rank + n; axis++)
        if (added[axis])
            x = engine_expand_dims(op->graph, x, axis);
    return x;
}

engine_value ops_squeeze(struct ops_call *op)
{
    engine_value x;
    int rank, axes[SHAPE_MAX_RANK];
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    int n = ops_axes(op, 1, rank, axes);
    if (n == 0 && rank > 0 && engine_dim(op->graph, x, 0) == SHAPE_UNKNOWN)
        keras_warn(op->call->build, op->layer, "squeeze without an axis: of a batch of one row Keras drops the "
                                               "batch axis too; it is kept here");
    return engine_squeeze(op->graph, x, axes, n);
}

/* ---- order of axes ---- */

engine_value ops_transpose(struct ops_call *op)
{
    engine_value x;
    int rank, axes[SHAPE_MAX_RANK];
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    int n = ops_axes(op, 1, rank, axes);
    for (int i = 0; n == 0 && i < rank; i++)
        axes[i] = rank - 1 - i;
    if (n && n != rank)
        return ops_fail(op, "%d axes for a tensor of rank %d", n, rank);
    return engine_transpose(op->graph, x, axes);
}

static engine_value swap(struct ops_call *op, engine_value x, int rank, int a, int b)
{
    int axes[SHAPE_MAX_RANK];
    for (int i = 0; i < rank; i++)
        axes[i] = i == a ? b : i == b ? a : i;
    return engine_transpose(op->graph, x, axes);
}

engine_value ops_swapaxes(struct ops_call *op)
{
    engine_value x;
    int rank;
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    return swap(op, x, rank, ops_axis(op, 1, rank, 0), ops_axis(op, 2, rank, 1));
}

engine_value ops_matrix_transpose(struct ops_call *op)
{
    engine_value x;
    int rank;
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    return rank < 2 ? ops_fail(op, "rank 2 or more is needed") : swap(op, x, rank, rank - 2, rank - 1);
}

engine_value ops_moveaxis(struct ops_call *op)
{
    engine_value x;
    int rank, from[SHAPE_MAX_RANK], to[SHAPE_MAX_RANK], axes[SHAPE_MAX_RANK];
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    int n = ops_axes(op, 1, rank, from);
    if (n != ops_axes(op, 2, rank, to))
        return ops_fail(op, "source and destination differ in length");
    bool moved[SHAPE_MAX_RANK] = {false};
    for (int i = 0; i < rank; i++)
        axes[i] = -1;
    for (int i = 0; i < n; i++) {
        axes[to[i]] = from[i];
        moved[from[i]] = true;
    }
    for (int i = 0, next = 0; i < rank; i++) {
        while (next < rank && moved[next])
            next++;
        if (axes[i] < 0)
            axes[i] = next++;
    }
    return engine_transpose(op->graph, x, axes);
}

/* ---- joining ---- */

engine_value ops_concat(struct ops_call *op)
{
    engine_value values[KERAS_MAX_OUTPUTS];
    size_t n = ops_list(op, 0, values, KD_COUNT(values));
    if (n == 0 || values[0] == ENGINE_NONE)
        return ENGINE_NONE;
    int axis = ops_axis(op, 1, engine_rank(op->graph, values[0]), op->row->variant);
    return n == 1 ? values[0] : engine_concat(op->graph, values, (int)n, axis);
}

engine_value ops_stack(struct ops_call *op)
{
    engine_value values[KERAS_MAX_OUTPUTS];
    size_t n = ops_list(op, 0, values, KD_COUNT(values));
    if (n == 0 || values[0] == ENGINE_NONE)
        return ENGINE_NONE;
    int axis = ops_axis(op, 1, engine_rank(op->graph, values[0]) + 1, op->row->variant);
    return engine_stack(op->graph, values, (int)n, axis);
}

/* hstack, vstack: scalars and vectors get axes first. */
engine_value ops_hvstack(struct ops_call *op)
{
    engine_value values[KERAS_MAX_OUTPUTS];
    size_t n = ops_list(op, 0, values, KD_COUNT(values));
    int rank = n && values[0] != ENGINE_NONE ? engine_rank(op->graph, values[0]) : 0;
    bool horizontal = op->row->variant == 1;
    if (n == 0)
        return ENGINE_NONE;
    for (size_t i = 0; i < n && !horizontal && rank < 2; i++)
        values[i] = engine_expand_dims(op->graph, values[i], 0);
    return engine_concat(op->graph, values, (int)n, horizontal && rank >= 2);
}

engine_value ops_append(struct ops_call *op)
{
    engine_value both[2];
    if (!ops_pair(op, 0, 1, &both[0], &both[1]))
        return ENGINE_NONE;
    if (op->arg[2])
        return engine_concat(op->graph, both, 2, ops_axis(op, 2, engine_rank(op->graph, both[0]), 0));
    for (int i = 0; i < 2; i++)
        both[i] = engine_reshape(op->graph, both[i], (const int64_t[]){ENGINE_INFER}, 1);
    return engine_concat(op->graph, both, 2, 0);
}

/* ---- splitting ---- */

engine_value ops_unstack(struct ops_call *op)
{
    engine_value x, values[KERAS_MAX_OUTPUTS];
    int rank;
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    int axis = ops_axis(op, 2, rank, 0);
    int64_t n = engine_dim(op->graph, x, axis);
    if (n < 1 || n > KERAS_MAX_OUTPUTS)
        return ops_fail(op, "the size of axis %d must be known and at most %d", axis, KERAS_MAX_OUTPUTS);
    for (int64_t i = 0; i < n; i++) {
        engine_value part = engine_slice(op->graph, x, axis, i, i + 1, 1);
        values[i] = engine_squeeze(op->graph, part, &axis, 1);
    }
    return ops_outputs(op, values, (size_t)n);
}

/* Cuts x at n - 1 places. */
static engine_value cut(struct ops_call *op, engine_value x, int axis, const int64_t *at, int64_t n_parts)
{
    engine_value values[KERAS_MAX_OUTPUTS];
    for (int64_t i = 0; i < n_parts; i++)
        values[i] = engine_slice(op->graph, x, axis, i ? at[i - 1] : 0,
                                 i + 1 < n_parts ? at[i] : ENGINE_SLICE_NONE, 1);
    return ops_outputs(op, values, (size_t)n_parts);
}

/* Into equal parts. */
static engine_value split_equal(struct ops_call *op, engine_value x, int axis, int64_t n)
{
    int64_t size = engine_dim(op->graph, x, axis), at[KERAS_MAX_OUTPUTS];
    if (n < 1 || n > KERAS_MAX_OUTPUTS || size < 0 || size % n)
        return ops_fail(op, "axis %d of size %lld does not split into %lld equal parts", axis,
                        (long long)size, (long long)n);
    for (int64_t i = 0; i + 1 < n; i++)
        at[i] = (i + 1) * (size / n);
    return cut(op, x, axis, at, n);
}

static bool is_list(const struct ops_call *op, int i)
{
    return op->arg[i] && op->arg[i]->kind == KERAS_ARG_LIST;
}

/* By sizes, one of which may be -1 (TensorFlow). */
engine_value ops_split(struct ops_call *op)
{
    engine_value x;
    int rank;
    int64_t sizes[KERAS_MAX_OUTPUTS];
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    int axis = ops_axis(op, 2, rank, 0);
    if (!is_list(op, 1))
        return split_equal(op, x, axis, ops_int(op, 1, 0));
    int n = ops_ints(op, 1, sizes, KERAS_MAX_OUTPUTS);
    int64_t size = engine_dim(op->graph, x, axis), sum = 0;
    for (int i = 0; i < n; i++)
        sum += sizes[i] > 0 ? sizes[i] : 0;
    int64_t at = 0;
    for (int i = 0; i < n; i++) {
        if (sizes[i] < 0 && size < 0)
            return ops_fail(op, "a size of -1 needs an axis of known size");
        at += sizes[i] < 0 ? size - sum : sizes[i];
        sizes[i] = at;
    }
    return n < 1 ? ENGINE_NONE : cut(op, x, axis, sizes, n);
}

/* The graph op has the axis first. */
engine_value ops_split_node(struct ops_call *op)
{
    const struct keras_arg *axis = op->arg[0];
    op->arg[0] = op->arg[1];
    op->arg[1] = op->arg[2];
    op->arg[2] = axis;
    return ops_split(op);
}

/* At indices (NumPy). */
engine_value ops_split_at(struct ops_call *op)
{
    engine_value x;
    int rank;
    int64_t at[KERAS_MAX_OUTPUTS];
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    int axis = ops_axis(op, 2, rank, op->row->variant);
    if (!is_list(op, 1))
        return split_equal(op, x, axis, ops_int(op, 1, 0));
    int n = ops_ints(op, 1, at, KERAS_MAX_OUTPUTS - 1);
    return n < 0 ? ENGINE_NONE : cut(op, x, axis, at, n + 1);
}

/* Into parts of nearly equal sizes, the first ones longer by one (array_split). */
engine_value ops_split_nearly(struct ops_call *op)
{
    engine_value x;
    int rank;
    int64_t at[KERAS_MAX_OUTPUTS];
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    int axis = ops_axis(op, 2, rank, 0);
    int64_t size = engine_dim(op->graph, x, axis), n = is_list(op, 1) ? 0 : ops_int(op, 1, 0);
    if (n < 1 || n > KERAS_MAX_OUTPUTS || size < n)
        return ops_split_at(op);
    for (int64_t i = 0, end = 0; i + 1 < n; i++)
        at[i] = end += size / n + (i < size % n);
    return cut(op, x, axis, at, n);
}

/* ---- repeating ---- */

/* For counts that are tensors: each such axis gets an axis of its own in front, which is broadcast to the
 * count; then both are joined. [a, b] tiled (n, 2) is [1, a, 2b] broadcast to [n, a, 2b], joined to [na, 2b].
 */
static engine_value tile_by_tensors(struct ops_call *op, engine_value x, engine_value counts,
                                    const int64_t *known)
{
    struct engine_graph *graph = op->graph;
    engine_value parts[2 * SHAPE_MAX_RANK];
    int64_t fixed[SHAPE_MAX_RANK], spec[SHAPE_MAX_RANK];
    int rank = engine_rank(graph, x), n = 0, n_free = 0;
    for (int i = 0; i < rank; i++) {
        fixed[i] = known[i] >= 0 ? known[i] : 1;
        n_free += known[i] < 0;
    }
    if (rank + n_free > SHAPE_MAX_RANK)
        return ops_fail(op, "too many counts that are tensors");
    x = engine_tile(graph, x, fixed);
    engine_value sizes = engine_shape_of(graph, x), wide = x;
    for (int i = rank - 1; i >= 0; i--)
        wide = known[i] >= 0 ? wide : engine_expand_dims(graph, wide, i);
    for (int i = 0; i < rank; i++) {
        if (known[i] < 0)
            parts[n++] = engine_slice(graph, counts, 0, i, i + 1, 1);
        parts[n++] = engine_slice(graph, sizes, 0, i, i + 1, 1);
        spec[i] = known[i] >= 0 ? engine_dim(graph, x, i) : SHAPE_UNKNOWN;
        spec[i] = spec[i] == SHAPE_UNKNOWN ? ENGINE_SAME_DIM(i) : spec[i];
    }
    wide = engine_broadcast_to(graph, wide, engine_concat(graph, parts, n, 0));
    n = 0;
    for (int i = 0; i < rank; i++) {
        engine_value size = engine_slice(graph, sizes, 0, i, i + 1, 1);
        engine_value count = engine_slice(graph, counts, 0, i, i + 1, 1);
        parts[n++] = known[i] >= 0 ? size : engine_binary(graph, BINARY_MULTIPLY, size, count);
    }
    engine_value y = engine_reshape_to(graph, wide, engine_concat(graph, parts, n, 0));
    return engine_reshape(graph, y, spec, rank);
}

engine_value ops_tile(struct ops_call *op)
{
    engine_value x, counts = ENGINE_NONE;
    int rank;
    int64_t known[SHAPE_MAX_RANK], padded[SHAPE_MAX_RANK];
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    int n = ops_sizes(op, 1, &counts, known);
    if (n < 0)
        return ENGINE_NONE;
    for (; rank < n; rank++)
        x = engine_expand_dims(op->graph, x, 0);
    for (int i = 0; i < rank; i++)
        padded[i] = i < rank - n ? 1 : known[i - (rank - n)];
    for (int i = 0; i < rank; i++)
        if (padded[i] < 0)
            return n == rank ? tile_by_tensors(op, x, counts, padded)
                             : ops_fail(op, "counts must be constants");
    return engine_tile(op->graph, x, padded);
}

engine_value ops_repeat(struct ops_call *op)
{
    engine_value x;
    int rank;
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    int64_t count = ops_int(op, 1, 1);
    if (op->arg[2])
        return engine_repeat(op->graph, x, ops_axis(op, 2, rank, 0), count);
    x = engine_reshape(op->graph, x, (const int64_t[]){ENGINE_INFER}, 1);
    return engine_repeat(op->graph, x, 0, count);
}

engine_value ops_pad(struct ops_call *op)
{
    static const char *const words[] = {"constant", "reflect", "symmetric", "edge"};
    int64_t before[SHAPE_MAX_RANK] = {0}, after[SHAPE_MAX_RANK] = {0};
    engine_value x, constant = ENGINE_NONE;
    int rank;
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    engine_value paddings = engine_cast(op->graph, ops_tensor(op, 1, DTYPE_INT64), DTYPE_INT64);
    const struct tensor *tensor = paddings == ENGINE_NONE ? NULL : engine_constant_of(op->graph, paddings);
    if (!tensor)
        return ops_fail(op, "paddings must be constants");
    /* One pair per axis, or one pair or number for all (NumPy). */
    bool pairs = tensor->shape.rank == 2 && tensor->shape.dim[0] == rank && tensor->shape.dim[1] == 2;
    bool one_pair = tensor->shape.rank >= 1 && tensor->shape.dim[tensor->shape.rank - 1] == 2;
    if (!pairs && shape_product(&tensor->shape, 0, tensor->shape.rank) > 2)
        return ops_fail(op, "paddings do not fit rank %d", rank);
    for (int i = 0; i < rank; i++) {
        before[i] = tensor_i64(tensor)[pairs ? 2 * i : 0];
        after[i] = tensor_i64(tensor)[pairs ? 2 * i + 1 : one_pair];
    }
    const char *mode = ops_text(op, 2, "constant");
    if (op->arg[3])
        constant =
            engine_cast(op->graph, ops_tensor(op, 3, engine_dtype(op->graph, x)), engine_dtype(op->graph, x));
    for (size_t i = 0; i < KD_COUNT(words); i++)
        if (strcasecmp(mode, words[i]) == 0)
            return engine_pad(op->graph, x, before, after, (enum engine_pad_mode)i, constant);
    return ops_fail(op, "mode '%.40s' is not served", mode);
}

/* ---- turning ---- */

static engine_value flip(struct ops_call *op, engine_value x, int axis)
{
    return engine_slice(op->graph, x, axis, ENGINE_SLICE_NONE, ENGINE_SLICE_NONE, -1);
}

engine_value ops_reverse(struct ops_call *op)
{
    engine_value x;
    int rank, axes[SHAPE_MAX_RANK];
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    int n = ops_axes(op, 1, rank, axes);
    for (int i = 0; !op->arg[1] && i < rank; i++)
        axes[n++] = i;
    for (int i = 0; i < n; i++)
        x = flip(op, x, axes[i]);
    return x;
}

engine_value ops_flip_axis(struct ops_call *op)
{
    return flip(op, ops_tensor(op, 0, DTYPE_INVALID), op->row->variant);
}

/* Without an axis: all elements in one row. */
static engine_value roll_all(struct ops_call *op, engine_value x, int rank, int64_t shift)
{
    int64_t spec[SHAPE_MAX_RANK];
    engine_value row = engine_reshape(op->graph, x, (const int64_t[]){ENGINE_INFER}, 1);
    row = engine_roll(op->graph, row, 0, shift);
    for (int i = 0; i < rank; i++) {
        int64_t size = engine_dim(op->graph, x, i);
        spec[i] = size == SHAPE_UNKNOWN ? ENGINE_SAME_DIM(i) : size;
    }
    row = engine_reshape_to(op->graph, row, engine_shape_of(op->graph, x));
    return engine_reshape(op->graph, row, spec, rank);
}

engine_value ops_roll(struct ops_call *op)
{
    engine_value x;
    int rank, axes[SHAPE_MAX_RANK];
    int64_t shifts[SHAPE_MAX_RANK];
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    int n_shifts = ops_ints(op, 1, shifts, SHAPE_MAX_RANK), n = ops_axes(op, 2, rank, axes);
    if (!op->arg[2] && n_shifts == 1)
        return roll_all(op, x, rank, shifts[0]);
    if (n == 0 || (n_shifts != n && n_shifts != 1))
        return ops_fail(op, "as many shifts as axes are needed");
    for (int i = 0; i < n; i++)
        x = engine_roll(op->graph, x, axes[i], shifts[n_shifts == 1 ? 0 : i]);
    return x;
}

engine_value ops_rot90(struct ops_call *op)
{
    engine_value x;
    int rank, axes[SHAPE_MAX_RANK] = {0, 1};
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    int64_t turns = ops_int(op, 1, 1) % 4;
    turns = turns < 0 ? turns + 4 : turns;
    if (op->arg[2] && ops_axes(op, 2, rank, axes) != 2)
        return ops_fail(op, "two axes are needed");
    /* Keras 3 on TensorFlow puts the numbers of a rectangle out of order there. */
    if (turns == 2 && op->dialect == OPS_KERAS3 &&
        engine_dim(op->graph, x, axes[0]) != engine_dim(op->graph, x, axes[1]))
        return ops_fail(op, "half a turn of a rectangle is not served");
    if (turns == 2)
        return flip(op, flip(op, x, axes[0]), axes[1]);
    if (turns == 1)
        return swap(op, flip(op, x, axes[1]), rank, axes[0], axes[1]);
    return turns == 3 ? flip(op, swap(op, x, rank, axes[0], axes[1]), axes[1]) : x;
}

engine_value ops_broadcast_to(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID), sizes = ENGINE_NONE;
    int64_t known[SHAPE_MAX_RANK];
    if (ops_sizes(op, 1, &sizes, known) < 0)
        return ENGINE_NONE;
    return engine_broadcast_to(op->graph, x, sizes);
}

engine_value ops_diff(struct ops_call *op)
{
    engine_value x;
    int rank;
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    int axis = ops_axis(op, 2, rank, -1);
    int64_t n = ops_int(op, 1, 1);
    if (n < 0 || n > 64)
        return ops_fail(op, "n must be 0 to 64");
    for (int64_t i = 0; i < n; i++) {
        engine_value later = engine_slice(op->graph, x, axis, 1, ENGINE_SLICE_NONE, 1);
        x = engine_binary(op->graph, BINARY_SUBTRACT, later, engine_slice(op->graph, x, axis, 0, -1, 1));
    }
    return x;
}

/* ---- bands and diagonals ---- */

engine_value ops_band_part(struct ops_call *op)
{
    return engine_band_part(op->graph, ops_tensor(op, 0, DTYPE_INVALID), ops_int(op, 1, -1),
                            ops_int(op, 2, -1));
}

/* tril: all below and up to diagonal k; triu: all above and down to it. Bands that leave out the main
 * diagonal are the rest that the opposite band leaves. */
engine_value ops_band(struct ops_call *op)
{
    engine_value x;
    int rank;
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    int64_t k = ops_int(op, 1, 0);
    bool upper = op->row->variant;
    if (upper && k > 0)
        return engine_binary(op->graph, BINARY_SUBTRACT, x, engine_band_part(op->graph, x, -1, k - 1));
    if (!upper && k < 0)
        return engine_binary(op->graph, BINARY_SUBTRACT, x, engine_band_part(op->graph, x, -k - 1, -1));
    return upper ? engine_band_part(op->graph, x, -k, -1) : engine_band_part(op->graph, x, -1, k);
}

/* Diagonal `offset` of two axes: they go last and become one, of which every (columns + 1)-th element is
 * taken. */
engine_value ops_diagonal(struct ops_call *op)
{
    engine_value x;
    int rank, axes[SHAPE_MAX_RANK], n = 0;
    int64_t spec[SHAPE_MAX_RANK];
    if (!operand(op, &x, &rank))
        return ENGINE_NONE;
    int a = ops_axis(op, 2, rank, op->dialect == OPS_KERAS3 ? 0 : -2);
    int b = ops_axis(op, 3, rank, op->dialect == OPS_KERAS3 ? 1 : -1);
    int64_t rows = engine_dim(op->graph, x, a), columns = engine_dim(op->graph, x, b);
    int64_t offset = ops_int(op, 1, 0), length = offset < 0 ? rows + offset : columns - offset;
    length = offset < 0 ? (length < columns ? length : columns) : (length < rows ? length : rows);
    if (rank < 2 || a == b || rows < 1 || columns < 1 || rows > INT32_MAX || columns > INT32_MAX || length < 1)
        return ops_fail(op, "only diagonals of two axes of known sizes are served");
    for (int i = 0; i < rank; i++)
        if (i != a && i != b)
            axes[n++] = i;
    axes[n] = a;
    axes[n + 1] = b;
    x = engine_transpose(op->graph, x, axes);
    for (int i = 0; i < n; i++)
        spec[i] = ENGINE_SAME_DIM(i);
    spec[n] = rows * columns;
    x = engine_reshape(op->graph, x, spec, n + 1);
    int64_t start = offset < 0 ? -offset * columns : offset;
    x = engine_slice(op->graph, x, n, start, start + (length - 1) * (columns + 1) + 1, columns + 1);
    return op->row->variant ? engine_reduce(op->graph, REDUCE_SUM, x, &n, 1, false) : x;
}
