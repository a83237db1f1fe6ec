/* Indexing between layers: x[:, 0], x[..., tf.newaxis], slice, strided_slice, gather, one_hot.
 *
 * All forms of slicing end in one list of keys, read as Python reads it: an integer takes one element and
 * drops the axis, a slice keeps it, None adds one, an ellipsis stands for as many full slices as fit.
 * Integers and bounds may be tensors. */
#include "keras/ops_math.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define MAX_KEYS 32

/* ---- keys ---- */

struct cursor {
    struct ops_call *op;
    engine_value x;
    int axis; /* of x, that the next key is for */
    int n_advanced;
};

static bool takes_axis(const struct keras_arg *key)
{
    return key->kind == KERAS_ARG_INT || key->kind == KERAS_ARG_BOOL || key->kind == KERAS_ARG_SLICE ||
           key->kind == KERAS_ARG_TENSOR || key->kind == KERAS_ARG_LIST;
}

static void take_element(struct cursor *cursor, int64_t i)
{
    struct engine_graph *graph = cursor->op->graph;
    int64_t size = engine_dim(graph, cursor->x, cursor->axis);
    if (size != SHAPE_UNKNOWN && (i >= size || i < -size)) {
        cursor->x = ops_fail(cursor->op, "index %lld is outside of an axis of size %lld", (long long)i,
                             (long long)size);
        return;
    }
    engine_value part =
        engine_slice(graph, cursor->x, cursor->axis, i, i == -1 ? ENGINE_SLICE_NONE : i + 1, 1);
    cursor->x = engine_squeeze(graph, part, &cursor->axis, 1);
}

/* A tensor (or list of integers) as an index: its axes take the place of the axis. */
static void take_elements(struct cursor *cursor, const struct keras_arg *key)
{
    struct engine_graph *graph = cursor->op->graph;
    engine_value indices = ops_constant(cursor->op->layer, cursor->op->call, key, DTYPE_INVALID);
    if (indices == ENGINE_NONE)
        return;
    if (engine_dtype(graph, indices) == DTYPE_BOOL || !dtype_is_int(engine_dtype(graph, indices))) {
        cursor->x = ops_fail(cursor->op,
                             "an index that is a mask gives results of unknown size, which is not served");
        return;
    }
    if (engine_rank(graph, indices) > 0 && cursor->n_advanced++ > 0) {
        cursor->x = ops_fail(cursor->op, "more than one index that is a tensor");
        return;
    }
    cursor->x = engine_gather(graph, cursor->x, indices, cursor->axis, 0, ENGINE_BOUNDS_WRAP);
    cursor->axis += engine_rank(graph, indices);
}

/* The bound of a slice: a number in *ret, or a tensor (returned). */
static engine_value bound(struct cursor *cursor, const struct keras_arg *arg, int64_t *ret)
{
    *ret = ENGINE_SLICE_NONE;
    if (arg->kind == KERAS_ARG_INT)
        *ret = arg->integer;
    else if (arg->kind == KERAS_ARG_TENSOR) {
        engine_value value = arg->tensor.value;
        const struct tensor *constant = engine_constant_of(cursor->op->graph, value);
        if (!constant || dtype_storage(constant->dtype) != STORAGE_I64)
            return value;
        *ret = tensor_i64(constant)[0];
    } else if (arg->kind != KERAS_ARG_NONE)
        ops_fail(cursor->op, "the bounds of a slice must be integers");
    return ENGINE_NONE;
}

static void take_slice(struct cursor *cursor, const struct keras_arg *key)
{
    struct engine_graph *graph = cursor->op->graph;
    int64_t start, stop, step;
    engine_value from = bound(cursor, &key->items[0], &start), to = bound(cursor, &key->items[1], &stop);
    bound(cursor, &key->items[2], &step);
    step = step == ENGINE_SLICE_NONE ? 1 : step;
    int axis = cursor->axis++;
    if (from == ENGINE_NONE && to == ENGINE_NONE) {
        cursor->x = engine_slice(graph, cursor->x, axis, start, stop, step);
        return;
    }
    if (from == ENGINE_NONE && start != ENGINE_SLICE_NONE)
        from = engine_scalar_i64(graph, engine_dtype(graph, to), start);
    if (to == ENGINE_NONE && stop != ENGINE_SLICE_NONE)
        to = engine_scalar_i64(graph, engine_dtype(graph, from), stop);
    cursor->x = engine_slice_dynamic(graph, cursor->x, axis, from, to, step);
}

static void take_key(struct cursor *cursor, const struct keras_arg *key, int n_full)
{
    switch (key->kind) {
    case KERAS_ARG_NONE:
        cursor->x = engine_expand_dims(cursor->op->graph, cursor->x, cursor->axis++);
        return;
    case KERAS_ARG_ELLIPSIS:
        cursor->axis += n_full;
        return;
    case KERAS_ARG_INT:
        take_element(cursor, key->integer);
        return;
    case KERAS_ARG_SLICE:
        take_slice(cursor, key);
        return;
    case KERAS_ARG_TENSOR:
    case KERAS_ARG_LIST:
        take_elements(cursor, key);
        return;
    default:
        cursor->x = ops_fail(cursor->op, "an index of a kind that is not served");
    }
}

static engine_value take_keys(struct ops_call *op, engine_value x, const struct keras_arg *keys, size_t n)
{
    struct cursor cursor = {.op = op, .x = x};
    int n_taken = 0;
    for (size_t i = 0; i < n; i++)
        n_taken += takes_axis(&keys[i]);
    int n_full = engine_rank(op->graph, x) - n_taken;
    if (n > MAX_KEYS || n_full < 0)
        return ops_fail(op, "%d indices for a tensor of rank %d", n_taken, engine_rank(op->graph, x));
    for (size_t i = 0; i < n && cursor.x != ENGINE_NONE; i++)
        take_key(&cursor, &keys[i], n_full);
    return cursor.x;
}

engine_value ops_getitem(struct ops_call *op)
{
    static const struct keras_arg new_axis = {.kind = KERAS_ARG_NONE};
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    const struct keras_arg *key = op->arg[1] ? op->arg[1] : &new_axis;
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    bool is_tuple = key->kind == KERAS_ARG_LIST;
    return take_keys(op, x, is_tuple ? key->items : key, is_tuple ? key->n_items : 1);
}

/* ---- slice, strided_slice ---- */

/* Element k of a list argument, or of a tensor of integers. */
static struct keras_arg element(struct ops_call *op, int i, size_t k)
{
    const struct keras_arg *arg = op->arg[i];
    struct keras_arg none = {.kind = KERAS_ARG_NONE};
    if (!arg)
        return none;
    if (arg->kind == KERAS_ARG_LIST)
        return k < arg->n_items ? arg->items[k] : none;
    if (arg->kind != KERAS_ARG_TENSOR)
        return *arg;
    engine_value part = engine_slice(op->graph, arg->tensor.value, 0, (int64_t)k, (int64_t)k + 1, 1);
    part = engine_squeeze(op->graph, part, (int[]){0}, 1);
    const struct tensor *constant = engine_constant_of(op->graph, part);
    if (constant && dtype_storage(constant->dtype) == STORAGE_I64)
        return (struct keras_arg){.kind = KERAS_ARG_INT, .integer = tensor_i64(constant)[0]};
    return (struct keras_arg){.kind = KERAS_ARG_TENSOR, .tensor = {part, ENGINE_NONE}};
}

static engine_value as_value(struct ops_call *op, const struct keras_arg *arg)
{
    return ops_constant(op->layer, op->call, arg, DTYPE_INT32);
}

/* begin + size, where a size of -1 means up to the end. */
static struct keras_arg slice_end(struct ops_call *op, const struct keras_arg *begin,
                                  const struct keras_arg *size)
{
    if (size->kind == KERAS_ARG_INT && size->integer < 0)
        return (struct keras_arg){.kind = KERAS_ARG_NONE};
    if (size->kind == KERAS_ARG_INT && begin->kind == KERAS_ARG_INT)
        return (struct keras_arg){.kind = KERAS_ARG_INT, .integer = begin->integer + size->integer};
    engine_value from = as_value(op, begin), n = as_value(op, size);
    if (from == ENGINE_NONE || n == ENGINE_NONE)
        return (struct keras_arg){.kind = KERAS_ARG_NONE};
    n = engine_cast(op->graph, n, engine_dtype(op->graph, from));
    return (struct keras_arg){.kind = KERAS_ARG_TENSOR,
                              .tensor = {engine_binary(op->graph, BINARY_ADD, from, n), ENGINE_NONE}};
}

engine_value ops_slice(struct ops_call *op)
{
    struct keras_arg keys[SHAPE_MAX_RANK], parts[SHAPE_MAX_RANK][3] = {{{.kind = KERAS_ARG_NONE}}};
    int64_t spec[SHAPE_MAX_RANK];
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    int rank = engine_rank(op->graph, x);
    for (int i = 0; i < rank; i++) {
        struct keras_arg size = element(op, 2, (size_t)i);
        parts[i][0] = element(op, 1, (size_t)i);
        parts[i][1] = slice_end(op, &parts[i][0], &size);
        parts[i][2].kind = KERAS_ARG_NONE;
        keys[i] = (struct keras_arg){.kind = KERAS_ARG_SLICE, .n_items = 3, .items = parts[i]};
        spec[i] = size.kind == KERAS_ARG_INT && size.integer >= 0 ? size.integer : ENGINE_SAME_DIM(i);
    }
    /* A constant size is known even where the begin is not. */
    return engine_reshape(op->graph, take_keys(op, x, keys, (size_t)rank), spec, rank);
}

static bool bit(int64_t mask, size_t i)
{
    return mask >> i & 1;
}

/* Turns begin, end, strides and the five masks into keys. */
engine_value ops_strided_slice(struct ops_call *op)
{
    struct keras_arg keys[MAX_KEYS], parts[MAX_KEYS][3];
    int64_t masks[5];
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE || !op->arg[1])
        return ENGINE_NONE;
    size_t n = op->arg[1]->n_items;
    if (op->arg[1]->kind == KERAS_ARG_TENSOR)
        n = (size_t)engine_dim(op->graph, op->arg[1]->tensor.value, 0);
    if (n > MAX_KEYS)
        return ops_fail(op, "more than %d indices", MAX_KEYS);
    for (int i = 0; i < 5; i++)
        masks[i] = ops_int(op, 4 + i, 0);
    for (size_t i = 0; i < n; i++) {
        for (int part = 0; part < 3; part++)
            parts[i][part] = element(op, 1 + part, i);
        keys[i] = (struct keras_arg){.kind = KERAS_ARG_SLICE, .n_items = 3, .items = parts[i]};
        if (bit(masks[2], i))
            keys[i].kind = KERAS_ARG_ELLIPSIS;
        else if (bit(masks[3], i))
            keys[i].kind = KERAS_ARG_NONE;
        else if (bit(masks[4], i))
            keys[i] = parts[i][0];
        if (bit(masks[0], i))
            parts[i][0].kind = KERAS_ARG_NONE;
        if (bit(masks[1], i))
            parts[i][1].kind = KERAS_ARG_NONE;
    }
    return take_keys(op, x, keys, n);
}

/* ---- gather and the like ---- */

static engine_value indices_of(struct ops_call *op, int i)
{
    engine_value indices = ops_tensor(op, i, DTYPE_INVALID);
    if (indices == ENGINE_NONE || dtype_is_int(engine_dtype(op->graph, indices)))
        return indices;
    return engine_cast(op->graph, indices, DTYPE_INT32);
}

engine_value ops_gather(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID), indices = indices_of(op, 1);
    if (x == ENGINE_NONE || indices == ENGINE_NONE)
        return ENGINE_NONE;
    int64_t batch_dims = ops_int(op, 4, 0);
    int axis = ops_axis(op, 3, engine_rank(op->graph, x), batch_dims);
    batch_dims += batch_dims < 0 ? engine_rank(op->graph, indices) : 0;
    return engine_gather(op->graph, x, indices, axis, (int)batch_dims, ENGINE_BOUNDS_ERROR);
}

engine_value ops_take(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID), indices = indices_of(op, 1);
    if (x == ENGINE_NONE || indices == ENGINE_NONE)
        return ENGINE_NONE;
    if (!op->arg[2])
        x = engine_reshape(op->graph, x, (const int64_t[]){ENGINE_INFER}, 1);
    int axis = ops_axis(op, 2, engine_rank(op->graph, x), 0);
    return engine_gather(op->graph, x, indices, axis, 0, ENGINE_BOUNDS_WRAP);
}

/* Along the last axis it is a gather with all other axes as batch; another axis changes places with the last.
 */
engine_value ops_take_along(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID), indices = indices_of(op, 1);
    if (x == ENGINE_NONE || indices == ENGINE_NONE)
        return ENGINE_NONE;
    int rank = engine_rank(op->graph, x), axes[SHAPE_MAX_RANK];
    if (!op->arg[2] || engine_rank(op->graph, indices) != rank)
        return ops_fail(op, "an axis, and indices of the same rank, are needed");
    int axis = ops_axis(op, 2, rank, -1);
    for (int i = 0; i < rank; i++)
        axes[i] = i == axis ? rank - 1 : i == rank - 1 ? axis : i;
    x = engine_transpose(op->graph, x, axes);
    indices = engine_transpose(op->graph, indices, axes);
    engine_value y = engine_gather(op->graph, x, indices, rank - 1, rank - 1, ENGINE_BOUNDS_WRAP);
    return engine_transpose(op->graph, y, axes);
}

engine_value ops_gather_nd(struct ops_call *op)
{
    return engine_gather_nd(op->graph, ops_tensor(op, 0, DTYPE_INVALID), indices_of(op, 1),
                            (int)ops_int(op, 2, 0));
}

engine_value ops_one_hot(struct ops_call *op)
{
    engine_value indices = indices_of(op, 0);
    if (indices == ENGINE_NONE)
        return ENGINE_NONE;
    if (!op->arg[1])
        return ops_fail(op, "the argument 'depth' (or 'num_classes') is missing");
    int axis = ops_axis(op, 4, engine_rank(op->graph, indices) + 1, -1);
    return engine_one_hot(op->graph, indices, ops_int(op, 1, 0), (float)ops_number(op, 2, 1),
                          (float)ops_number(op, 3, 0), axis, ops_dtype(op, 5, DTYPE_FLOAT32));
}

/* right: how many of the sequence are <= x. left: how many are < x, which is n minus those of the mirrored
 * sequence that are <= -x. */
engine_value ops_searchsorted(struct ops_call *op)
{
    bool values_first = op->row->variant;
    engine_value sequence = ops_to_float(op->graph, ops_tensor(op, values_first, DTYPE_FLOAT32));
    engine_value x = ops_to_float(op->graph, ops_tensor(op, !values_first, DTYPE_FLOAT32));
    if (sequence == ENGINE_NONE || x == ENGINE_NONE)
        return ENGINE_NONE;
    if (!engine_constant_of(op->graph, sequence) || engine_rank(op->graph, sequence) != 1)
        return ops_fail(op, "the sorted sequence must be a constant of rank 1");
    enum dtype dtype = values_first ? DTYPE_INT32 : ops_dtype(op, 3, DTYPE_INT32);
    if (values_first || str_equal(ops_text(op, 2, "left"), "right"))
        return engine_cast(op->graph, engine_bucketize(op->graph, x, sequence), dtype);
    struct unary negative = {.kind = UNARY_NEGATIVE};
    engine_value mirrored = engine_slice(op->graph, engine_unary(op->graph, negative, sequence), 0,
                                         ENGINE_SLICE_NONE, ENGINE_SLICE_NONE, -1);
    engine_value rest = engine_bucketize(op->graph, engine_unary(op->graph, negative, x), mirrored);
    engine_value n = engine_scalar_i64(op->graph, DTYPE_INT32, engine_dim(op->graph, sequence, 0));
    return engine_cast(op->graph, engine_binary(op->graph, BINARY_SUBTRACT, n, rest), dtype);
}
