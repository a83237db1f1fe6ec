/* Reductions, softmax, normalisation, scans and sorting. */
#include <inttypes.h>
#include <string.h>

#include "engine/attrs.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"

/* Rows stay rows unless axis 0 is among the axes. */
static enum rows rows_over_axes(const struct step *step, const enum rows *in, const bool *marks)
{
    return in[0] == ROWS_EACH && marks[0] ? ROWS_MIXED : rows_first(step, in);
}

struct axes_attrs {
    int n;
    int axes[SHAPE_MAX_RANK];
};

static int copy_axes(struct engine_graph *graph, struct axes_attrs *ret, const int *axes, int n_axes)
{
    if (n_axes < 0 || n_axes > SHAPE_MAX_RANK) {
        engine_graph_fail(graph, KD_EINVAL, "%d axes; at most %d are supported", n_axes, SHAPE_MAX_RANK);
        return KD_EINVAL;
    }
    ret->n = n_axes;
    if (n_axes)
        memcpy(ret->axes, axes, (size_t)n_axes * sizeof(*axes));
    return 0;
}

/* The loop over the axes, checked by infer before. */
static int prepare_axes(struct step *step, const struct axes_attrs *attrs, struct err *err)
{
    struct reduce_plan *plan = step_params(step, sizeof(*plan), err);
    bool marks[SHAPE_MAX_RANK];
    int axes[SHAPE_MAX_RANK], n = 0;
    if (!plan || step_axes(step, 0, attrs->axes, attrs->n, marks, err))
        return KD_ENOMEM;
    for (int i = 0; i < step->in[0]->shape.rank; i++)
        if (marks[i])
            axes[n++] = i;
    reduce_plan_init(plan, &step->in[0]->shape, axes, n);
    return 0;
}

/* ---- reduce ---- */

struct reduce_attrs {
    struct axes_attrs axes;
    enum reduce_kind kind;
    bool keepdims;
};

static bool is_arg(enum reduce_kind kind)
{
    return kind == REDUCE_ARGMAX || kind == REDUCE_ARGMIN;
}

static int reduce_check(const struct step *step, const struct reduce_attrs *attrs, struct err *err)
{
    static const char *const names[] = {"sum", "mean", "max",       "min",    "prod",
                                        "any", "all",  "logsumexp", "argmax", "argmin"};
    enum dtype dtype = step->in[0]->dtype;
    bool logical = attrs->kind == REDUCE_ANY || attrs->kind == REDUCE_ALL;
    if (dtype == DTYPE_STRING || logical != (dtype == DTYPE_BOOL) ||
        (attrs->kind == REDUCE_LOGSUMEXP && !dtype_is_float(dtype)))
        return err_set(err, KD_EINVAL, "%s is not defined for %s", names[attrs->kind], dtype_name(dtype));
    if (is_arg(attrs->kind) && attrs->axes.n != 1)
        return err_set(err, KD_EINVAL, "%s takes one axis", names[attrs->kind]);
    return 0;
}

static int reduce_infer(struct step *step, struct err *err)
{
    const struct reduce_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[0]->shape;
    bool marks[SHAPE_MAX_RANK];
    int status = reduce_check(step, attrs, err);
    if (!status)
        status = step_axes(step, 0, attrs->axes.axes, attrs->axes.n, marks, err);
    if (status)
        return status;
    struct shape shape = {0};
    for (int i = 0; i < x->rank; i++) {
        if (!marks[i])
            shape.dim[shape.rank++] = x->dim[i];
        else if (attrs->keepdims)
            shape.dim[shape.rank++] = 1;
        if (marks[i] && is_arg(attrs->kind) && x->dim[i] == 0)
            return err_set(err, KD_EINVAL, "the largest of no elements");
    }
    step->out[0]->dtype = is_arg(attrs->kind) ? DTYPE_INT64 : step->in[0]->dtype;
    step->out[0]->shape = shape;
    return 0;
}

static int reduce_prepare(struct step *step, struct err *err)
{
    const struct reduce_attrs *attrs = step->attrs;
    step->cost_us = (double)step_in_count(step, 0) * (attrs->kind == REDUCE_LOGSUMEXP ? 1e-3 : 0.15e-3);
    return prepare_axes(step, &attrs->axes, err);
}

static void reduce_run_arg(const struct step *step, const struct io *io)
{
    const struct reduce_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[0]->shape;
    int axis = shape_axis(x, attrs->axes.axes[0]);
    int64_t outer = shape_outer(x, axis), inner = shape_inner(x, axis);
    if (dtype_storage(step->in[0]->dtype) == STORAGE_F32)
        reduce_arg_f32(attrs->kind, outer, x->dim[axis], inner, io->in[0], io->out[0]);
    else
        reduce_arg_i64(attrs->kind, outer, x->dim[axis], inner, io->in[0], io->out[0]);
}

static int reduce_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct reduce_attrs *attrs = step->attrs;
    if (is_arg(attrs->kind)) {
        reduce_run_arg(step, io);
    } else if (dtype_storage(step->in[0]->dtype) == STORAGE_F32) {
        reduce_f32(attrs->kind, step->params, io->in[0], io->out[0]);
    } else {
        reduce_i64(attrs->kind, step->params, io->in[0], io->out[0]);
        if (dtype_is_int(step->out[0]->dtype))
            cast_wrap(step->out[0]->dtype, io->out[0], step_out_count(step, 0));
    }
    return 0;
}

static enum rows reduce_rows(const struct step *step, const enum rows *in)
{
    const struct reduce_attrs *attrs = step->attrs;
    bool marks[SHAPE_MAX_RANK];
    if (step_axes(step, 0, attrs->axes.axes, attrs->axes.n, marks, NULL))
        return ROWS_MIXED;
    return rows_over_axes(step, in, marks);
}

static const struct op op_reduce = {.name = "reduce",
                                    .n_required = 1,
                                    .infer = reduce_infer,
                                    .prepare = reduce_prepare,
                                    .run = reduce_run,
                                    .rows = reduce_rows};

engine_value engine_reduce(struct engine_graph *graph, enum reduce_kind kind, engine_value x, const int *axes,
                           int n_axes, bool keepdims)
{
    struct reduce_attrs attrs = {.kind = kind, .keepdims = keepdims};
    if (copy_axes(graph, &attrs.axes, axes, n_axes))
        return ENGINE_NONE;
    if (!axes)
        for (attrs.axes.n = 0; attrs.axes.n < engine_rank(graph, x); attrs.axes.n++)
            attrs.axes.axes[attrs.axes.n] = attrs.axes.n;
    return graph_add(graph, &op_reduce, &attrs, sizeof(attrs), &x, 1, 1);
}

/* ---- softmax ---- */

struct softmax_attrs {
    struct axes_attrs axes;
    bool log;
};

static int softmax_infer(struct step *step, struct err *err)
{
    const struct softmax_attrs *attrs = step->attrs;
    bool marks[SHAPE_MAX_RANK];
    int status = step_need_float(step, 0, err);
    if (!status)
        status = step_axes(step, 0, attrs->axes.axes, attrs->axes.n, marks, err);
    if (!status)
        step_like(step, 0, 0);
    return status;
}

static int softmax_prepare(struct step *step, struct err *err)
{
    const struct softmax_attrs *attrs = step->attrs;
    step->cost_us = (double)step_in_count(step, 0) * 1e-3;
    return prepare_axes(step, &attrs->axes, err);
}

static int op_softmax_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct softmax_attrs *attrs = step->attrs;
    softmax_run(step->params, attrs->log, io->in[0], io->out[0]);
    return 0;
}

static enum rows softmax_rows(const struct step *step, const enum rows *in)
{
    const struct softmax_attrs *attrs = step->attrs;
    bool marks[SHAPE_MAX_RANK];
    if (step_axes(step, 0, attrs->axes.axes, attrs->axes.n, marks, NULL))
        return ROWS_MIXED;
    return rows_over_axes(step, in, marks);
}

static const struct op op_softmax = {.name = "softmax",
                                     .in_place = 1,
                                     .n_required = 1,
                                     .infer = softmax_infer,
                                     .prepare = softmax_prepare,
                                     .run = op_softmax_run,
                                     .rows = softmax_rows};

engine_value engine_softmax(struct engine_graph *graph, engine_value x, const int *axes, int n_axes, bool log)
{
    struct softmax_attrs attrs = {.log = log};
    if (copy_axes(graph, &attrs.axes, axes, n_axes))
        return ENGINE_NONE;
    return graph_add(graph, &op_softmax, &attrs, sizeof(attrs), &x, 1, 1);
}

/* ---- sparsemax ---- */

static int sparsemax_infer(struct step *step, struct err *err)
{
    int status = step_need_float(step, 0, err);
    if (!status)
        status = step_need_rank(step, 0, 1, SHAPE_MAX_RANK, err);
    if (!status)
        step_like(step, 0, 0);
    return status;
}

static int sparsemax_prepare(struct step *step, struct err *err)
{
    const struct shape *x = &step->in[0]->shape;
    step->scratch = (size_t)x->dim[x->rank - 1] * sizeof(float);
    step->cost_us = (double)step_in_count(step, 0) * 10e-3;
    return 0;
}

static int op_sparsemax_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct shape *x = &step->in[0]->shape;
    sparsemax_run(shape_outer(x, x->rank - 1), x->dim[x->rank - 1], io->in[0], io->out[0], io->scratch);
    return 0;
}

static enum rows sparsemax_rows(const struct step *step, const enum rows *in)
{
    return step->in[0]->shape.rank > 1 || in[0] == ROWS_FREE ? in[0] : ROWS_MIXED;
}

static const struct op op_sparsemax = {.name = "sparsemax",
                                       .n_required = 1,
                                       .infer = sparsemax_infer,
                                       .prepare = sparsemax_prepare,
                                       .run = op_sparsemax_run,
                                       .rows = sparsemax_rows};

engine_value engine_sparsemax(struct engine_graph *graph, engine_value x)
{
    return graph_add(graph, &op_sparsemax, NULL, 0, &x, 1, 1);
}

/* ---- normalize ---- */

struct normalize_attrs {
    struct axes_attrs axes;
    enum engine_norm_kind kind;
    float epsilon;
};

/* Operands: x, then scale and shift per channel of the last axis (by fusion). */
static int normalize_infer(struct step *step, struct err *err)
{
    const struct normalize_attrs *attrs = step->attrs;
    bool marks[SHAPE_MAX_RANK];
    int status = step_need_float(step, 0, err);
    if (!status)
        status = step_need_rank(step, 0, 1, SHAPE_MAX_RANK, err);
    if (!status)
        status = step_axes(step, 0, attrs->axes.axes, attrs->axes.n, marks, err);
    if (!status)
        step_like(step, 0, 0);
    return status;
}

static int normalize_prepare(struct step *step, struct err *err)
{
    const struct normalize_attrs *attrs = step->attrs;
    step->cost_us = (double)step_in_count(step, 0) * 0.5e-3;
    return prepare_axes(step, &attrs->axes, err);
}

static int normalize_run(const struct step *step, const struct io *io, struct err *err)
{
    static const enum norm_kind kinds[] = {[ENGINE_NORM_LAYER] = NORM_LAYER,
                                           [ENGINE_NORM_RMS] = NORM_RMS,
                                           [ENGINE_NORM_RMS_SCALED] = NORM_RMS_SCALED};
    const struct normalize_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[0]->shape;
    norm_run(kinds[attrs->kind], step->params, attrs->epsilon, x->dim[x->rank - 1], io->in[1], io->in[2],
             io->in[0], io->out[0]);
    return 0;
}

static enum rows normalize_rows(const struct step *step, const enum rows *in)
{
    const struct normalize_attrs *attrs = step->attrs;
    bool marks[SHAPE_MAX_RANK];
    if (step_axes(step, 0, attrs->axes.axes, attrs->axes.n, marks, NULL))
        return ROWS_MIXED;
    return rows_over_axes(step, in, marks);
}

const struct op op_normalize = {.name = "normalize",
                                .in_place = 1,
                                .n_required = 1,
                                .infer = normalize_infer,
                                .prepare = normalize_prepare,
                                .run = normalize_run,
                                .rows = normalize_rows};

engine_value engine_normalize(struct engine_graph *graph, enum engine_norm_kind kind, engine_value x,
                              const int *axes, int n_axes, float epsilon)
{
    struct normalize_attrs attrs = {.kind = kind, .epsilon = epsilon};
    engine_value in[] = {x, ENGINE_NONE, ENGINE_NONE};
    if (copy_axes(graph, &attrs.axes, axes, n_axes))
        return ENGINE_NONE;
    return graph_add(graph, &op_normalize, &attrs, sizeof(attrs), in, 3, 1);
}
