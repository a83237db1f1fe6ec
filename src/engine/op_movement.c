/* Movement: ops that place elements elsewhere without looking at them. Each is described once per plan as
 * a copy between two strided views (kernels/movement.h). */
#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "engine/attrs.h"
#include "kernels/movement.h"

#define COST_NS_PER_ELEMENT 0.5

static int run_move(const struct step *step, const struct io *io, struct err *err)
{
    move_run(step->params, step_in_size(step, 0), io->in[0], io->out[0]);
    return 0;
}

static struct move *new_move(struct step *step, struct err *err)
{
    step->cost_us = (double)step_out_count(step, 0) * COST_NS_PER_ELEMENT * 1e-3;
    return step_params(step, sizeof(struct move), err);
}

/* Result like operand 0, but for the size of one axis. */
static void like_but(struct step *step, int axis, int64_t size)
{
    step_like(step, 0, 0);
    step->out[0]->shape.dim[axis] = size;
}

static int64_t scaled(int64_t size, int64_t factor)
{
    int64_t product;
    if (size == SHAPE_UNKNOWN || __builtin_mul_overflow(size, factor, &product))
        return SHAPE_UNKNOWN;
    return product;
}

/* As operand 0 goes, if the op leaves axis 0 alone. */
static enum rows rows_unless_axis_0(const struct step *step, const enum rows *in, int64_t axis)
{
    int found = shape_axis(&step->in[0]->shape, axis);
    return in[0] == ROWS_EACH && found <= 0 ? ROWS_MIXED : rows_first(step, in);
}

/* ---- transpose ---- */

static int transpose_infer(struct step *step, struct err *err)
{
    const struct transpose_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[0]->shape;
    bool marks[SHAPE_MAX_RANK];
    int status = step_axes(step, 0, attrs->permutation, x->rank, marks, err);
    if (status)
        return status;
    step_like(step, 0, 0);
    for (int i = 0; i < x->rank; i++)
        step->out[0]->shape.dim[i] = x->dim[attrs->permutation[i]];
    return 0;
}

static int transpose_prepare(struct step *step, struct err *err)
{
    const struct transpose_attrs *attrs = step->attrs;
    struct move *move = new_move(step, err);
    if (!move)
        return KD_ENOMEM;
    move_transpose(move, &step->in[0]->shape, attrs->permutation);
    return 0;
}

static enum rows transpose_rows(const struct step *step, const enum rows *in)
{
    const struct transpose_attrs *attrs = step->attrs;
    return in[0] == ROWS_EACH && attrs->permutation[0] != 0 ? ROWS_MIXED : in[0];
}

const struct op op_transpose = {.name = "transpose",
                                .n_required = 1,
                                .infer = transpose_infer,
                                .prepare = transpose_prepare,
                                .run = run_move,
                                .rows = transpose_rows};

engine_value engine_transpose(struct engine_graph *graph, engine_value x, const int *permutation)
{
    struct transpose_attrs attrs = {{0}};
    int rank = engine_rank(graph, x);
    bool moves = false;
    for (int i = 0; i < rank; i++) {
        attrs.permutation[i] = permutation[i] < 0 ? permutation[i] + rank : permutation[i];
        moves |= attrs.permutation[i] != i;
    }
    return moves ? graph_add(graph, &op_transpose, &attrs, sizeof(attrs), &x, 1, 1) : x;
}

/* ---- concat ---- */

/* Sizes of two operands off the axis must agree; the known one wins. */
static int concat_merge(struct shape *shape, const struct shape *other, int axis, struct err *err)
{
    bool fits = shape->rank == other->rank;
    for (int i = 0; i < shape->rank && fits; i++) {
        if (i == axis)
            continue;
        fits = !size_differs(shape->dim[i], other->dim[i]);
        if (shape->dim[i] == SHAPE_UNKNOWN)
            shape->dim[i] = other->dim[i];
    }
    char a[128], b[128];
    if (!fits)
        return err_set(err, KD_EINVAL, "shapes %s and %s cannot be joined along axis %d",
                       shape_text(shape, a, sizeof(a)), shape_text(other, b, sizeof(b)), axis);
    return 0;
}

static int concat_infer(struct step *step, struct err *err)
{
    int axis = 0, status = step_axis(step, 0, *(const int *)step->attrs, &axis, err);
    if (status)
        return status;
    struct shape shape = step->in[0]->shape;
    int64_t size = 0;
    for (int i = 0; i < step->n_in; i++) {
        const struct shape *x = &step->in[i]->shape;
        if (step->in[i]->dtype != step->in[0]->dtype)
            return err_set(err, KD_EINVAL, "%s and %s cannot be joined", dtype_name(step->in[0]->dtype),
                           dtype_name(step->in[i]->dtype));
        status = concat_merge(&shape, x, axis, err);
        if (status)
            return status;
        size = size == SHAPE_UNKNOWN || x->dim[axis] == SHAPE_UNKNOWN ? SHAPE_UNKNOWN : size + x->dim[axis];
    }
    shape.dim[axis] = size;
    step->out[0]->dtype = step->in[0]->dtype;
    step->out[0]->shape = shape;
    return 0;
}

static int concat_prepare(struct step *step, struct err *err)
{
    int64_t *inner = step_params(step, (size_t)step->n_in * sizeof(*inner), err);
    if (!inner)
        return KD_ENOMEM;
    int axis = shape_axis(&step->in[0]->shape, *(const int *)step->attrs);
    for (int i = 0; i < step->n_in; i++)
        inner[i] = step->in[i]->shape.dim[axis] * shape_inner(&step->in[i]->shape, axis);
    step->cost_us = (double)step_out_count(step, 0) * 0.3e-3;
    return 0;
}

static int op_concat_run(const struct step *step, const struct io *io, struct err *err)
{
    int axis = shape_axis(&step->in[0]->shape, *(const int *)step->attrs);
    concat_run(shape_outer(&step->in[0]->shape, axis), step->n_in, step->params, (const void *const *)io->in,
               step_in_size(step, 0), io->out[0]);
    return 0;
}

static enum rows concat_rows(const struct step *step, const enum rows *in)
{
    enum rows rows = rows_elementwise(step, in);
    int axis = shape_axis(&step->in[0]->shape, *(const int *)step->attrs);
    return rows == ROWS_EACH && axis == 0 ? ROWS_MIXED : rows;
}

static const struct op op_concat = {.name = "concat",
                                    .n_required = -1,
                                    .infer = concat_infer,
                                    .prepare = concat_prepare,
                                    .run = op_concat_run,
                                    .rows = concat_rows};

engine_value engine_concat(struct engine_graph *graph, const engine_value *values, int n_values, int axis)
{
    if (n_values < 1)
        return engine_graph_fail(graph, KD_EINVAL, "concat: nothing to join");
    if (n_values == 1)
        return values[0];
    return graph_add(graph, &op_concat, &axis, sizeof(axis), values, n_values, 1);
}

engine_value engine_stack(struct engine_graph *graph, const engine_value *values, int n_values, int axis)
{
    if (graph_failed(graph) || n_values < 1)
        return engine_graph_fail(graph, KD_EINVAL, "stack: nothing to join");
    engine_value *rows = arena_calloc(graph_arena(graph), (size_t)n_values, sizeof(*rows));
    if (!rows)
        return engine_graph_fail(graph, KD_ENOMEM, "out of memory while building the model's graph");
    for (int i = 0; i < n_values; i++)
        rows[i] = engine_expand_dims(graph, values[i], axis);
    return engine_concat(graph, rows, n_values, axis);
}

/* ---- slice ---- */

struct slice_attrs {
    int axis;
    int64_t start, stop, step; /* ENGINE_SLICE_NONE: Python's None */
};

/* A slice with its bounds put into range, as Python's slice.indices(n) does. */
struct slice {
    int axis;
    int64_t start, step, count;
};

static int64_t clamp_bound(int64_t bound, int64_t n, int64_t low, int64_t high)
{
    if (bound < 0)
        bound += n;
    return bound < low ? low : bound > high ? high : bound;
}

static void slice_resolve(const struct slice_attrs *attrs, int64_t n, struct slice *ret)
{
    int64_t step = attrs->step, low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    int64_t start = step > 0 ? low : high, stop = step > 0 ? high : low;
    if (attrs->start != ENGINE_SLICE_NONE)
        start = clamp_bound(attrs->start, n, low, high);
    if (attrs->stop != ENGINE_SLICE_NONE)
        stop = clamp_bound(attrs->stop, n, low, high);
    int64_t span = step > 0 ? stop - start : start - stop, stride = step > 0 ? step : -step;
    ret->start = start;
    ret->step = step;
    ret->count = span > 0 ? (span - 1) / stride + 1 : 0;
}

/* The attributes with the operands' bounds filled in; *known false if one is still free. */
static int slice_bounds(const struct step *step, struct slice_attrs *ret, bool *known, struct err *err)
{
    *ret = *(const struct slice_attrs *)step->attrs;
    *known = true;
    for (int i = 1; i <= 2; i++) {
        struct sizes sizes;
        if (!step->in[i])
            continue;
        int status = step_sizes(step, i, &sizes, err);
        if (status)
            return status;
        if (sizes.n != 1)
            return err_set(err, KD_EINVAL, "a slice bound must be a single number");
        *(i == 1 ? &ret->start : &ret->stop) = sizes.at[0];
        *known &= sizes.at[0] != SIZE_FREE;
    }
    return 0;
}

static int slice_infer(struct step *step, struct err *err)
{
    struct slice_attrs attrs;
    struct slice slice;
    bool known;
    int axis = 0, status = slice_bounds(step, &attrs, &known, err);
    if (!status)
        status = step_axis(step, 0, attrs.axis, &axis, err);
    if (status)
        return status;
    if (attrs.step == 0 || attrs.step == INT64_MIN)
        return err_set(err, KD_EINVAL, "a slice with step 0");
    int64_t n = step->in[0]->shape.dim[axis];
    if (!known || n == SHAPE_UNKNOWN) {
        like_but(step, axis, SHAPE_UNKNOWN);
        return 0;
    }
    slice_resolve(&attrs, n, &slice);
    like_but(step, axis, slice.count);
    return 0;
}

static int slice_prepare(struct step *step, struct err *err)
{
    struct slice_attrs attrs;
    struct slice slice;
    bool known;
    struct move *move = new_move(step, err);
    const struct shape *x = &step->in[0]->shape;
    if (!move || slice_bounds(step, &attrs, &known, err))
        return KD_ENOMEM;
    int axis = shape_axis(x, attrs.axis);
    slice_resolve(&attrs, x->dim[axis], &slice);
    int64_t start[SHAPE_MAX_RANK] = {0}, stride[SHAPE_MAX_RANK], count[SHAPE_MAX_RANK];
    for (int i = 0; i < x->rank; i++) {
        stride[i] = 1;
        count[i] = x->dim[i];
    }
    start[axis] = slice.start;
    stride[axis] = slice.step;
    count[axis] = slice.count;
    move_slice(move, x, start, stride, count);
    return 0;
}

static enum rows slice_rows(const struct step *step, const enum rows *in)
{
    const struct slice_attrs *attrs = step->attrs;
    return rows_unless_axis_0(step, in, attrs->axis);
}

static const struct op op_slice = {.name = "slice",
                                   .n_required = 1,
                                   .infer = slice_infer,
                                   .prepare = slice_prepare,
                                   .run = run_move,
                                   .rows = slice_rows};

engine_value engine_slice(struct engine_graph *graph, engine_value x, int axis, int64_t start, int64_t stop,
                          int64_t step)
{
    struct slice_attrs attrs = {axis, start, stop, step};
    engine_value in[] = {x, ENGINE_NONE, ENGINE_NONE};
    bool all = (start == 0 || start == ENGINE_SLICE_NONE) && stop == ENGINE_SLICE_NONE && step == 1;
    return all ? x : graph_add(graph, &op_slice, &attrs, sizeof(attrs), in, 3, 1);
}

engine_value engine_slice_dynamic(struct engine_graph *graph, engine_value x, int axis, engine_value start,
                                  engine_value stop, int64_t step)
{
    struct slice_attrs attrs = {axis, ENGINE_SLICE_NONE, ENGINE_SLICE_NONE, step};
    engine_value in[] = {x, start, stop};
    return graph_add(graph, &op_slice, &attrs, sizeof(attrs), in, 3, 1);
}

/* ---- pad ---- */

static int pad_limit(const struct pad_attrs *attrs, int64_t n, int axis, struct err *err)
{
    int64_t most = attrs->before[axis] > attrs->after[axis] ? attrs->before[axis] : attrs->after[axis];
    bool fits = attrs->mode == ENGINE_PAD_REFLECT     ? most < n
                : attrs->mode == ENGINE_PAD_SYMMETRIC ? most <= n
                                                      : n > 0;
    if (attrs->mode == ENGINE_PAD_CONSTANT || n == SHAPE_UNKNOWN || most == 0 || fits)
        return 0;
    return err_set(err, KD_EINVAL,
                   "axis %d of size %" PRId64 " cannot be padded with %" PRId64 " mirrored elements", axis, n,
                   most);
}

static int pad_infer(struct step *step, struct err *err)
{
    const struct pad_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[0]->shape;
    const struct value *constant = step->in[1];
    if (constant && (constant->shape.rank || constant->dtype != step->in[0]->dtype))
        return err_set(err, KD_EINVAL, "the padding value must be a single %s",
                       dtype_name(step->in[0]->dtype));
    step_like(step, 0, 0);
    for (int i = 0; i < x->rank; i++) {
        if (attrs->before[i] < 0 || attrs->after[i] < 0)
            return err_set(err, KD_EINVAL, "negative padding");
        int status = pad_limit(attrs, x->dim[i], i, err);
        if (status)
            return status;
        if (x->dim[i] == SHAPE_UNKNOWN)
            continue;
        int64_t *size = &step->out[0]->shape.dim[i];
        if (__builtin_add_overflow(*size, attrs->before[i], size) ||
            __builtin_add_overflow(*size, attrs->after[i], size))
            return err_set(err, KD_ETOOBIG, "padding too big");
    }
    return 0;
}

static int op_pad_run(const struct step *step, const struct io *io, struct err *err)
{
    static const enum pad_mode modes[] = {[ENGINE_PAD_CONSTANT] = PAD_CONSTANT,
                                          [ENGINE_PAD_REFLECT] = PAD_REFLECT,
                                          [ENGINE_PAD_SYMMETRIC] = PAD_SYMMETRIC,
                                          [ENGINE_PAD_EDGE] = PAD_EDGE};
    static const int64_t zero[2]; /* as long as the longest element */
    const struct pad_attrs *attrs = step->attrs;
    pad_run(&step->in[0]->shape, attrs->before, attrs->after, modes[attrs->mode],
            io->in[1] ? io->in[1] : zero, step_in_size(step, 0), io->in[0], io->out[0]);
    return 0;
}

static enum rows pad_rows(const struct step *step, const enum rows *in)
{
    const struct pad_attrs *attrs = step->attrs;
    return in[0] == ROWS_EACH && (attrs->before[0] || attrs->after[0]) ? ROWS_MIXED : rows_first(step, in);
}

const struct op op_pad = {
    .name = "pad", .n_required = 1, .infer = pad_infer, .run = op_pad_run, .rows = pad_rows};

engine_value engine_pad(struct engine_graph *graph, engine_value x, const int64_t *before,
                        const int64_t *after, enum engine_pad_mode mode, engine_value constant)
{
    struct pad_attrs attrs = {.mode = mode};
    engine_value in[] = {x, constant};
    bool any = false;
    for (int i = 0; i < engine_rank(graph, x); i++) {
        attrs.before[i] = before[i];
        attrs.after[i] = after[i];
        any |= before[i] || after[i];
    }
    return any ? graph_add(graph, &op_pad, &attrs, sizeof(attrs), in, 2, 1) : x;
}

/* ---- repeat and tile ---- */

struct repeat_attrs {
    int axis;
    int64_t count;
};

static int repeat_infer(struct step *step, struct err *err)
{
    const struct repeat_attrs *attrs = step->attrs;
    int axis = 0, status = step_axis(step, 0, attrs->axis, &axis, err);
    if (!status && attrs->count < 0)
        status = err_set(err, KD_EINVAL, "a repeat count of %" PRId64, attrs->count);
    if (!status)
        like_but(step, axis, scaled(step->in[0]->shape.dim[axis], attrs->count));
    return status;
}

static int repeat_prepare(struct step *step, struct err *err)
{
    const struct repeat_attrs *attrs = step->attrs;
    struct move *move = new_move(step, err);
    if (!move)
        return KD_ENOMEM;
    move_repeat(move, &step->in[0]->shape, shape_axis(&step->in[0]->shape, attrs->axis), attrs->count);
    return 0;
}

/* Repeating rows in place keeps a sample's rows together. */
static const struct op op_repeat = {.name = "repeat",
                                    .n_required = 1,
                                    .infer = repeat_infer,
                                    .prepare = repeat_prepare,
                                    .run = run_move,
                                    .rows = rows_first};

engine_value engine_repeat(struct engine_graph *graph, engine_value x, int axis, int64_t count)
{
    struct repeat_attrs attrs = {axis, count};
    return count == 1 ? x : graph_add(graph, &op_repeat, &attrs, sizeof(attrs), &x, 1, 1);
}

struct tile_attrs {
    int64_t counts[SHAPE_MAX_RANK];
};

static int tile_infer(struct step *step, struct err *err)
{
    const struct tile_attrs *attrs = step->attrs;
    step_like(step, 0, 0);
    for (int i = 0; i < step->in[0]->shape.rank; i++) {
        if (attrs->counts[i] < 0)
            return err_set(err, KD_EINVAL, "a tile count of %" PRId64, attrs->counts[i]);
        step->out[0]->shape.dim[i] = scaled(step->in[0]->shape.dim[i], attrs->counts[i]);
    }
    return 0;
}

static int tile_prepare(struct step *step, struct err *err)
{
    const struct tile_attrs *attrs = step->attrs;
    struct move *move = new_move(step, err);
    if (!move)
        return KD_ENOMEM;
    move_tile(move, &step->in[0]->shape, attrs->counts);
    return 0;
}

static enum rows tile_rows(const struct step *step, const enum rows *in)
{
    const struct tile_attrs *attrs = step->attrs;
    return in[0] == ROWS_EACH && attrs->counts[0] != 1 ? ROWS_MIXED : in[0];
}

static const struct op op_tile = {.name = "tile",
                                  .n_required = 1,
                                  .infer = tile_infer,
                                  .prepare = tile_prepare,
                                  .run = run_move,
                                  .rows = tile_rows};

engine_value engine_tile(struct engine_graph *graph, engine_value x, const int64_t *counts)
{
    struct tile_attrs attrs = {{0}};
    bool any = false;
    for (int i = 0; i < engine_rank(graph, x); i++) {
        attrs.counts[i] = counts[i];
        any |= counts[i] != 1;
    }
    return any ? graph_add(graph, &op_tile, &attrs, sizeof(attrs), &x, 1, 1) : x;
}

/* ---- broadcast ---- */

static int broadcast_check(struct step *step, const struct shape *target, struct err *err)
{
    const struct shape *x = &step->in[0]->shape;
    char a[128], b[128];
    bool fits = x->rank <= target->rank;
    for (int i = 0; i < x->rank && fits; i++) {
        int64_t size = x->dim[i];
        fits = size == 1 || !size_differs(size, target->dim[i + target->rank - x->rank]);
    }
    if (!fits)
        return err_set(err, KD_EINVAL, "shape %s cannot be broadcast to %s", shape_text(x, a, sizeof(a)),
                       shape_text(target, b, sizeof(b)));
    step->out[0]->dtype = step->in[0]->dtype;
    step->out[0]->shape = *target;
    return 0;
}

static int broadcast_like_infer(struct step *step, struct err *err)
{
    return broadcast_check(step, &step->in[1]->shape, err);
}

static int broadcast_to_infer(struct step *step, struct err *err)
{
    struct shape target;
    int status = step_shape_operand(step, 1, &target, err);
    return status ? status : broadcast_check(step, &target, err);
}

static int broadcast_prepare(struct step *step, struct err *err)
{
    struct move *move = new_move(step, err);
    if (!move)
        return KD_ENOMEM;
    move_broadcast(move, &step->in[0]->shape, &step->out[0]->shape);
    return 0;
}

/* One row repeated goes with any batch; rows of a batch must stay as many as they are. */
static enum rows broadcast_rows(const struct step *step, const enum rows *in)
{
    const struct shape *x = &step->in[0]->shape, *y = &step->out[0]->shape;
    if (in[0] == ROWS_FREE && in[1] == ROWS_FREE)
        return ROWS_FREE;
    if (in[0] == ROWS_FREE)
        return y->rank && (x->rank < y->rank || x->dim[0] == 1) ? ROWS_EACH : ROWS_MIXED;
    return in[0] == ROWS_EACH && x->rank == y->rank && x->dim[0] == y->dim[0] ? ROWS_EACH : ROWS_MIXED;
}

static const struct op op_broadcast_like = {.name = "broadcast_like",
                                            .n_required = 2,
                                            .shape_only = 2,
                                            .infer = broadcast_like_infer,
                                            .prepare = broadcast_prepare,
                                            .run = run_move,
                                            .rows = broadcast_rows};
static const struct op op_broadcast_to = {.name = "broadcast_to",
                                          .n_required = 2,
                                          .infer = broadcast_to_infer,
                                          .prepare = broadcast_prepare,
                                          .run = run_move,
                                          .rows = broadcast_rows};

engine_value engine_broadcast_like(struct engine_graph *graph, engine_value x, engine_value like)
{
    engine_value in[] = {x, like};
    return graph_add(graph, &op_broadcast_like, NULL, 0, in, 2, 1);
}

engine_value engine_broadcast_to(struct engine_graph *graph, engine_value x, engine_value shape)
{
    engine_value in[] = {x, shape};
    return graph_add(graph, &op_broadcast_to, NULL, 0, in, 2, 1);
}

/* ---- roll ---- */

struct roll_attrs {
    int axis;
    int64_t shift;
};

static int roll_infer(struct step *step, struct err *err)
{
    const struct roll_attrs *attrs = step->attrs;
    int axis = 0, status = step_axis(step, 0, attrs->axis, &axis, err);
    if (!status)
        step_like(step, 0, 0);
    return status;
}

static int op_roll_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct roll_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[0]->shape;
    int axis = shape_axis(x, attrs->axis);
    roll_run(shape_outer(x, axis), x->dim[axis], shape_inner(x, axis), attrs->shift, step_in_size(step, 0),
             io->in[0], io->out[0]);
    return 0;
}

static enum rows roll_rows(const struct step *step, const enum rows *in)
{
    const struct roll_attrs *attrs = step->attrs;
    return rows_unless_axis_0(step, in, attrs->axis);
}

static const struct op op_roll = {
    .name = "roll", .n_required = 1, .infer = roll_infer, .run = op_roll_run, .rows = roll_rows};

engine_value engine_roll(struct engine_graph *graph, engine_value x, int axis, int64_t shift)
{
    struct roll_attrs attrs = {axis, shift};
    return graph_add(graph, &op_roll, &attrs, sizeof(attrs), &x, 1, 1);
}
