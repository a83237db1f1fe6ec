/* Scans and orders along one axis: running sums and products, sorting, the k largest. */
#include <inttypes.h>

#include "engine/op.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"

/* ---- cumsum ---- */

struct cumsum_attrs {
    int axis;
    bool exclusive, reverse, product;
};

static int cumsum_infer(struct step *step, struct err *err)
{
    const struct cumsum_attrs *attrs = step->attrs;
    int axis = 0, status = step_axis(step, 0, attrs->axis, &axis, err);
    if (!status && (step->in[0]->dtype == DTYPE_STRING || step->in[0]->dtype == DTYPE_BOOL))
        status = err_set(err, KD_EINVAL, "a running sum of %s", dtype_name(step->in[0]->dtype));
    if (!status)
        step_like(step, 0, 0);
    return status;
}

static int cumsum_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct cumsum_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[0]->shape;
    int axis = shape_axis(x, attrs->axis);
    struct scan scan = {.outer = shape_outer(x, axis),
                        .n = x->dim[axis],
                        .inner = shape_inner(x, axis),
                        .exclusive = attrs->exclusive,
                        .reverse = attrs->reverse,
                        .product = attrs->product};
    if (dtype_storage(step->in[0]->dtype) == STORAGE_F32) {
        scan_f32(&scan, io->in[0], io->out[0]);
    } else {
        scan_i64(&scan, io->in[0], io->out[0]);
        cast_wrap(step->out[0]->dtype, io->out[0], step_out_count(step, 0));
    }
    return 0;
}

static enum rows cumsum_rows(const struct step *step, const enum rows *in)
{
    const struct cumsum_attrs *attrs = step->attrs;
    return in[0] == ROWS_EACH && shape_axis(&step->in[0]->shape, attrs->axis) == 0 ? ROWS_MIXED : in[0];
}

static const struct op op_cumsum = {.name = "cumsum",
                                    .in_place = 1,
                                    .n_required = 1,
                                    .infer = cumsum_infer,
                                    .run = cumsum_run,
                                    .rows = cumsum_rows};

engine_value engine_cumsum(struct engine_graph *graph, engine_value x, int axis, bool exclusive, bool reverse,
                           bool product)
{
    struct cumsum_attrs attrs = {axis, exclusive, reverse, product};
    return graph_add(graph, &op_cumsum, &attrs, sizeof(attrs), &x, 1, 1);
}

/* ---- sort and top_k ---- */

struct sort_attrs {
    int axis;
    bool descending, top;
    int64_t k; /* of top_k */
};

static int sort_shapes(struct step *step, struct err *err)
{
    const struct sort_attrs *attrs = step->attrs;
    int axis = 0, status = step_axis(step, 0, attrs->axis, &axis, err);
    if (status)
        return status;
    const struct shape *x = &step->in[0]->shape;
    if (step->in[0]->dtype == DTYPE_STRING)
        return err_set(err, KD_EUNSUPPORTED, "sorting strings");
    if (attrs->top && (attrs->k < 0 || (x->dim[axis] != SHAPE_UNKNOWN && attrs->k > x->dim[axis])))
        return err_set(err, KD_EINVAL, "the %" PRId64 " largest of %" PRId64, attrs->k, x->dim[axis]);
    step_like(step, 0, 0);
    if (attrs->top)
        step->out[0]->shape.dim[axis] = attrs->k;
    step->out[1]->dtype = DTYPE_INT32;
    step->out[1]->shape = step->out[0]->shape;
    return 0;
}

static int sort_prepare(struct step *step, struct err *err)
{
    const struct sort_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[0]->shape;
    struct sort *sort = step_params(step, sizeof(*sort), err);
    if (!sort)
        return KD_ENOMEM;
    int axis = shape_axis(x, attrs->axis);
    *sort = (struct sort){.outer = shape_outer(x, axis),
                          .n = x->dim[axis],
                          .inner = shape_inner(x, axis),
                          .k = attrs->top ? attrs->k : x->dim[axis],
                          .descending = attrs->descending};
    if (!sort_scratch(sort, &step->scratch))
        return err_set(err, KD_ETOOBIG, "too many elements to sort");
    step->cost_us = (double)step_in_count(step, 0) * 20e-3;
    return 0;
}

static int sort_run(const struct step *step, const struct io *io, struct err *err)
{
    if (dtype_storage(step->in[0]->dtype) == STORAGE_F32)
        sort_f32(step->params, io->in[0], io->out[0], io->out[1], io->scratch);
    else
        sort_i64(step->params, io->in[0], io->out[0], io->out[1], io->scratch);
    return 0;
}

static enum rows sort_rows(const struct step *step, const enum rows *in)
{
    const struct sort_attrs *attrs = step->attrs;
    return in[0] == ROWS_EACH && shape_axis(&step->in[0]->shape, attrs->axis) == 0 ? ROWS_MIXED : in[0];
}

/* Results: the values, their indices. */
static const struct op op_sort = {.name = "sort",
                                  .n_required = 1,
                                  .infer = sort_shapes,
                                  .prepare = sort_prepare,
                                  .run = sort_run,
                                  .rows = sort_rows};

void engine_top_k(struct engine_graph *graph, engine_value x, int64_t k, engine_value ret[2])
{
    struct sort_attrs attrs = {.axis = -1, .descending = true, .top = true, .k = k};
    ret[0] = graph_add(graph, &op_sort, &attrs, sizeof(attrs), &x, 1, 2);
    ret[1] = ret[0] == ENGINE_NONE ? ENGINE_NONE : ret[0] + 1;
}

engine_value engine_sort(struct engine_graph *graph, engine_value x, int axis, bool descending, bool indices)
{
    struct sort_attrs attrs = {.axis = axis, .descending = descending};
    engine_value values = graph_add(graph, &op_sort, &attrs, sizeof(attrs), &x, 1, 2);
    return values == ENGINE_NONE ? ENGINE_NONE : values + indices;
}
