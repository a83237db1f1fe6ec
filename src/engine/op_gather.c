/* Ops by index: gather (Embedding is one), gather_nd, one_hot, and bands of matrices. An index outside of
 * its axis fails the request with a sentence. */
#include <inttypes.h>

#include "engine/attrs.h"
#include "kernels/movement.h"

static int bad_index(int64_t index, int64_t n, bool wrap, struct err *err)
{
    return err_set(err, KD_EINVAL, "index %" PRId64 " is outside of [%" PRId64 ", %" PRId64 ")", index,
                   wrap ? -n : 0, n);
}

/* ---- gather ---- */

struct gather_attrs {
    int axis, batch_dims;
    enum engine_bounds bounds;
};

static int gather_axis(const struct step *step, int *ret, struct err *err)
{
    const struct gather_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[0]->shape, *indices = &step->in[1]->shape;
    int axis = 0, status = step_axis(step, 0, attrs->axis, &axis, err);
    if (status)
        return status;
    bool fits = attrs->batch_dims >= 0 && attrs->batch_dims <= axis && attrs->batch_dims <= indices->rank;
    for (int i = 0; i < attrs->batch_dims && fits; i++)
        fits = !size_differs(x->dim[i], indices->dim[i]);
    char a[128], b[128];
    if (!fits)
        return err_set(err, KD_EINVAL, "gather from shape %s by indices of shape %s with %d batch axes",
                       shape_text(x, a, sizeof(a)), shape_text(indices, b, sizeof(b)), attrs->batch_dims);
    *ret = axis;
    return 0;
}

static int gather_infer(struct step *step, struct err *err)
{
    const struct gather_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[0]->shape, *indices = &step->in[1]->shape;
    int axis = 0, status = step_need_int(step, 1, err);
    if (!status)
        status = gather_axis(step, &axis, err);
    if (status)
        return status;
    struct shape shape = {0};
    if (x->rank - 1 + indices->rank - attrs->batch_dims > SHAPE_MAX_RANK)
        return err_set(err, KD_EUNSUPPORTED, "a result of more than %d axes", SHAPE_MAX_RANK);
    for (int i = 0; i < axis; i++) {
        shape.dim[shape.rank++] = x->dim[i];
        if (i < attrs->batch_dims && x->dim[i] == SHAPE_UNKNOWN)
            shape.dim[i] = indices->dim[i];
    }
    for (int i = attrs->batch_dims; i < indices->rank; i++)
        shape.dim[shape.rank++] = indices->dim[i];
    for (int i = axis + 1; i < x->rank; i++)
        shape.dim[shape.rank++] = x->dim[i];
    step->out[0]->dtype = step->in[0]->dtype;
    step->out[0]->shape = shape;
    return 0;
}

static int gather_prepare(struct step *step, struct err *err)
{
    const struct gather_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[0]->shape, *indices = &step->in[1]->shape;
    struct gather *gather = step_params(step, sizeof(*gather), err);
    if (!gather)
        return KD_ENOMEM;
    int axis = shape_axis(x, attrs->axis);
    gather->batch = shape_product(x, 0, attrs->batch_dims);
    gather->outer = shape_product(x, attrs->batch_dims, axis);
    gather->n = x->dim[axis];
    gather->inner = shape_inner(x, axis);
    gather->m = shape_product(indices, attrs->batch_dims, indices->rank);
    gather->wrap = attrs->bounds == ENGINE_BOUNDS_WRAP;
    step->cost_us = (double)step_out_count(step, 0) * 0.3e-3;
    return 0;
}

static int op_gather_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct gather *gather = step->params;
    int64_t bad = gather_run(gather, step_in_size(step, 0), io->in[0], io->in[1], io->out[0]);
    return bad < 0 ? 0 : bad_index(((const int64_t *)io->in[1])[bad], gather->n, gather->wrap, err);
}

static enum rows gather_rows(const struct step *step, const enum rows *in)
{
    const struct gather_attrs *attrs = step->attrs;
    int axis = shape_axis(&step->in[0]->shape, attrs->axis);
    if (in[0] == ROWS_FREE && in[1] == ROWS_FREE)
        return ROWS_FREE;
    if (in[0] == ROWS_FREE && in[1] == ROWS_EACH)
        return axis == 0 ? ROWS_EACH : ROWS_MIXED;
    if (in[0] == ROWS_EACH && in[1] == ROWS_FREE)
        return axis > 0 && attrs->batch_dims == 0 ? ROWS_EACH : ROWS_MIXED;
    return in[0] == ROWS_EACH && in[1] == ROWS_EACH && attrs->batch_dims > 0 ? ROWS_EACH : ROWS_MIXED;
}

static const struct op op_gather = {.name = "gather",
                                    .n_required = 2,
                                    .infer = gather_infer,
                                    .prepare = gather_prepare,
                                    .run = op_gather_run,
                                    .rows = gather_rows};

engine_value engine_gather(struct engine_graph *graph, engine_value x, engine_value indices, int axis,
                           int batch_dims, enum engine_bounds bounds)
{
    struct gather_attrs attrs = {axis, batch_dims, bounds};
    engine_value in[] = {x, indices};
    return graph_add(graph, &op_gather, &attrs, sizeof(attrs), in, 2, 1);
}

/* ---- gather_nd ---- */

/* The number of leading axes of x (behind the batch axes) that an index tuple addresses. */
static int gather_nd_depth(const struct step *step, int batch_dims, int *ret, struct err *err)
{
    const struct shape *x = &step->in[0]->shape, *indices = &step->in[1]->shape;
    char a[128], b[128];
    bool fits = batch_dims >= 0 && indices->rank > batch_dims && x->rank > batch_dims;
    int64_t depth = fits ? indices->dim[indices->rank - 1] : -1;
    fits = fits && depth >= 0 && depth <= x->rank - batch_dims;
    for (int i = 0; i < batch_dims && fits; i++)
        fits = !size_differs(x->dim[i], indices->dim[i]);
    if (!fits)
        return err_set(err, KD_EINVAL, "gather_nd from shape %s by indices of shape %s with %d batch axes",
                       shape_text(x, a, sizeof(a)), shape_text(indices, b, sizeof(b)), batch_dims);
    *ret = (int)depth;
    return 0;
}

static int gather_nd_infer(struct step *step, struct err *err)
{
    int batch_dims = *(const int *)step->attrs, depth = 0, status = step_need_int(step, 1, err);
    const struct shape *x = &step->in[0]->shape, *indices = &step->in[1]->shape;
    if (!status)
        status = gather_nd_depth(step, batch_dims, &depth, err);
    if (status)
        return status;
    struct shape shape = {0};
    if (indices->rank - 1 + x->rank - batch_dims - depth > SHAPE_MAX_RANK)
        return err_set(err, KD_EUNSUPPORTED, "a result of more than %d axes", SHAPE_MAX_RANK);
    for (int i = 0; i < indices->rank - 1; i++)
        shape.dim[shape.rank++] = indices->dim[i];
    for (int i = batch_dims + depth; i < x->rank; i++)
        shape.dim[shape.rank++] = x->dim[i];
    step->out[0]->dtype = step->in[0]->dtype;
    step->out[0]->shape = shape;
    return 0;
}

static int gather_nd_prepare(struct step *step, struct err *err)
{
    int batch_dims = *(const int *)step->attrs;
    const struct shape *x = &step->in[0]->shape, *indices = &step->in[1]->shape;
    struct gather_nd *gather = step_params(step, sizeof(*gather), err);
    if (!gather)
        return KD_ENOMEM;
    gather->depth = (int)indices->dim[indices->rank - 1];
    gather->batch = shape_product(x, 0, batch_dims);
    gather->m = shape_product(indices, batch_dims, indices->rank - 1);
    gather->inner = shape_product(x, batch_dims + gather->depth, x->rank);
    for (int i = 0; i < gather->depth; i++)
        gather->dim[i] = x->dim[batch_dims + i];
    return 0;
}

static int op_gather_nd_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct gather_nd *gather = step->params;
    int64_t bad = gather_nd_run(gather, step_in_size(step, 0), io->in[0], io->in[1], io->out[0]);
    if (bad < 0)
        return 0;
    return err_set(err, KD_EINVAL, "index tuple %" PRId64 " is outside of shape it points into", bad);
}

static enum rows gather_nd_rows(const struct step *step, const enum rows *in)
{
    int batch_dims = *(const int *)step->attrs;
    if (in[0] == ROWS_FREE && in[1] == ROWS_FREE)
        return ROWS_FREE;
    bool each = in[1] == ROWS_EACH && step->in[1]->shape.rank > 1;
    if (in[0] == ROWS_FREE && each)
        return batch_dims == 0 ? ROWS_EACH : ROWS_MIXED;
    return in[0] == ROWS_EACH && each && batch_dims > 0 ? ROWS_EACH : ROWS_MIXED;
}

static const struct op op_gather_nd = {.name = "gather_nd",
                                       .n_required = 2,
                                       .infer = gather_nd_infer,
                                       .prepare = gather_nd_prepare,
                                       .run = op_gather_nd_run,
                                       .rows = gather_nd_rows};

engine_value engine_gather_nd(struct engine_graph *graph, engine_value x, engine_value indices,
                              int batch_dims)
{
    engine_value in[] = {x, indices};
    return graph_add(graph, &op_gather_nd, &batch_dims, sizeof(batch_dims), in, 2, 1);
}

/* ---- one_hot ---- */

struct one_hot_attrs {
    int64_t depth;
    float on, off;
    int axis;
    enum dtype dtype;
};

static int one_hot_infer(struct step *step, struct err *err)
{
    const struct one_hot_attrs *attrs = step->attrs;
    struct shape shape = {.rank = step->in[0]->shape.rank + 1};
    int status = step_need_int(step, 0, err);
    if (status)
        return status;
    if (shape.rank > SHAPE_MAX_RANK || attrs->depth < 0 || attrs->dtype == DTYPE_STRING)
        return err_set(err, KD_EINVAL, "a one-hot code of depth %" PRId64 " of %d axes", attrs->depth,
                       shape.rank);
    int axis = shape_axis(&shape, attrs->axis);
    if (axis < 0)
        return err_set(err, KD_EINVAL, "axis %d is out of range", attrs->axis);
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = i == axis ? attrs->depth : step->in[0]->shape.dim[i - (i > axis)];
    step->out[0]->dtype = attrs->dtype;
    step->out[0]->shape = shape;
    return 0;
}

static int one_hot_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct one_hot_attrs *attrs = step->attrs;
    const struct shape *shape = &step->out[0]->shape;
    int axis = shape_axis(shape, attrs->axis);
    int64_t outer = shape_outer(shape, axis), inner = shape_inner(shape, axis);
    if (dtype_storage(attrs->dtype) == STORAGE_F32)
        one_hot_f32(outer, attrs->depth, inner, io->in[0], attrs->on, attrs->off, io->out[0]);
    else
        one_hot_i64(outer, attrs->depth, inner, io->in[0], (int64_t)attrs->on, (int64_t)attrs->off,
                    io->out[0]);
    return 0;
}

static enum rows one_hot_rows(const struct step *step, const enum rows *in)
{
    const struct one_hot_attrs *attrs = step->attrs;
    return in[0] == ROWS_EACH && shape_axis(&step->out[0]->shape, attrs->axis) == 0 ? ROWS_MIXED : in[0];
}

static const struct op op_one_hot = {
    .name = "one_hot", .n_required = 1, .infer = one_hot_infer, .run = one_hot_run, .rows = one_hot_rows};

engine_value engine_one_hot(struct engine_graph *graph, engine_value indices, int64_t depth, float on,
                            float off, int axis, enum dtype dtype)
{
    struct one_hot_attrs attrs = {depth, on, off, axis, dtype};
    return graph_add(graph, &op_one_hot, &attrs, sizeof(attrs), &indices, 1, 1);
}

/* ---- band_part ---- */

struct band_attrs {
    int64_t lower, upper;
};

static int band_infer(struct step *step, struct err *err)
{
    int status = step_need_rank(step, 0, 2, SHAPE_MAX_RANK, err);
    if (!status && step->in[0]->dtype == DTYPE_STRING)
        status = err_set(err, KD_EINVAL, "a band of strings");
    if (!status)
        step_like(step, 0, 0);
    return status;
}

static int band_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct band_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[0]->shape;
    band_part(shape_outer(x, x->rank - 2), x->dim[x->rank - 2], x->dim[x->rank - 1], attrs->lower,
              attrs->upper, step_in_size(step, 0), io->in[0], io->out[0]);
    return 0;
}

static enum rows band_rows(const struct step *step, const enum rows *in)
{
    return in[0] == ROWS_EACH && step->in[0]->shape.rank < 3 ? ROWS_MIXED : in[0];
}

static const struct op op_band_part = {.name = "band_part",
                                       .in_place = 1,
                                       .n_required = 1,
                                       .infer = band_infer,
                                       .run = band_run,
                                       .rows = band_rows};

engine_value engine_band_part(struct engine_graph *graph, engine_value x, int64_t lower, int64_t upper)
{
    struct band_attrs attrs = {lower, upper};
    return graph_add(graph, &op_band_part, &attrs, sizeof(attrs), &x, 1, 1);
}
