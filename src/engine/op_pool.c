/* Pooling over windows, adaptive pooling, local response normalisation. */
#include <inttypes.h>

#include "engine/window.h"
#include "kernels/pool.h"

/* ---- pool ---- */

static int pool_infer(struct step *step, struct err *err)
{
    const struct window_attrs *attrs = step->attrs;
    int status = window_check(step, attrs, err);
    if (status)
        return status;
    step_like(step, 0, 0);
    for (int i = 0; i < attrs->window.n_spatial; i++) {
        struct window_axis axis = {.n = step->in[0]->shape.dim[i + 1],
                                   .k = attrs->window.size[i],
                                   .stride = attrs->window.stride[i],
                                   .dilation = attrs->window.dilation[i]};
        if (axis.k < 1)
            return err_set(err, KD_EINVAL, "a pool size of %" PRId64, axis.k);
        status = window_axis_infer(attrs, i, &axis, err);
        if (status)
            return status;
        step->out[0]->shape.dim[i + 1] = axis.out;
    }
    return 0;
}

static int pool_prepare(struct step *step, struct err *err)
{
    const struct window_attrs *attrs = step->attrs;
    struct conv *conv = step_params(step, sizeof(*conv), err);
    if (!conv)
        return KD_ENOMEM;
    window_conv(attrs, &step->in[0]->shape, &step->out[0]->shape, attrs->window.size, false, conv);
    double window = (double)(conv->kernel[0] * conv->kernel[1] * conv->kernel[2]);
    step->cost_us = (double)step_out_count(step, 0) * window * 0.15e-3;
    step->kernel = attrs->pool == POOL_MAX ? "max" : "average";
    return 0;
}

static int op_pool_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct window_attrs *attrs = step->attrs;
    pool_run(attrs->pool, step->params, io->in[0], io->out[0], 0, conv_positions(step->params));
    return 0;
}

const struct op op_pool = {.name = "pool",
                           .n_required = 1,
                           .infer = pool_infer,
                           .prepare = pool_prepare,
                           .run = op_pool_run,
                           .rows = rows_first};

engine_value engine_pool(struct engine_graph *graph, enum pool_kind kind, engine_value x,
                         const struct engine_window *window)
{
    struct window_attrs attrs = {.window = *window, .groups = 1, .pool = kind};
    return graph_add(graph, &op_pool, &attrs, sizeof(attrs), &x, 1, 1);
}

/* ---- adaptive pool ---- */

struct adaptive_attrs {
    enum pool_kind kind;
    int n_spatial;
    int64_t size[ENGINE_MAX_SPATIAL];
};

static int adaptive_infer(struct step *step, struct err *err)
{
    const struct adaptive_attrs *attrs = step->attrs;
    int status = step_need_float(step, 0, err);
    if (!status)
        status = step_need_rank(step, 0, attrs->n_spatial + 2, attrs->n_spatial + 2, err);
    if (status)
        return status;
    step_like(step, 0, 0);
    for (int i = 0; i < attrs->n_spatial; i++) {
        if (attrs->size[i] < 1 || step->in[0]->shape.dim[i + 1] == 0)
            return err_set(err, KD_EINVAL, "an adaptive pool from size %" PRId64 " to %" PRId64,
                           step->in[0]->shape.dim[i + 1], attrs->size[i]);
        step->out[0]->shape.dim[i + 1] = attrs->size[i];
    }
    return 0;
}

static int adaptive_prepare(struct step *step, struct err *err)
{
    const struct adaptive_attrs *attrs = step->attrs;
    struct conv *conv = step_params(step, sizeof(*conv), err);
    if (!conv)
        return KD_ENOMEM;
    const struct shape *x = &step->in[0]->shape;
    int n = attrs->n_spatial, lead = CONV_AXES - n;
    *conv = (struct conv){.batch = x->dim[0], .c_in = x->dim[n + 1], .c_out = x->dim[n + 1], .groups = 1};
    for (int i = 0; i < CONV_AXES; i++) {
        conv->in[i] = i < lead ? 1 : x->dim[i - lead + 1];
        conv->out[i] = i < lead ? 1 : attrs->size[i - lead];
        conv->kernel[i] = conv->stride[i] = conv->dilation[i] = 1;
    }
    return 0;
}

static int op_adaptive_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct adaptive_attrs *attrs = step->attrs;
    const struct conv *conv = step->params;
    adaptive_pool_run(attrs->kind, conv, io->in[0], io->out[0], 0, conv->batch);
    return 0;
}

static const struct op op_adaptive_pool = {.name = "adaptive_pool",
                                           .n_required = 1,
                                           .infer = adaptive_infer,
                                           .prepare = adaptive_prepare,
                                           .run = op_adaptive_run,
                                           .rows = rows_first};

engine_value engine_adaptive_pool(struct engine_graph *graph, enum pool_kind kind, engine_value x,
                                  const int64_t *output_size, int n_spatial)
{
    struct adaptive_attrs attrs = {.kind = kind, .n_spatial = n_spatial};
    if (n_spatial < 1 || n_spatial > ENGINE_MAX_SPATIAL)
        return engine_graph_fail(graph, KD_EINVAL, "adaptive_pool: %d spatial axes", n_spatial);
    for (int i = 0; i < n_spatial; i++)
        attrs.size[i] = output_size[i];
    return graph_add(graph, &op_adaptive_pool, &attrs, sizeof(attrs), &x, 1, 1);
}

/* ---- local response normalisation ---- */

struct lrn_attrs {
    int radius;
    float bias, alpha, beta;
};

static int lrn_infer(struct step *step, struct err *err)
{
    const struct lrn_attrs *attrs = step->attrs;
    int status = step_need_float(step, 0, err);
    if (!status)
        status = step_need_rank(step, 0, 1, SHAPE_MAX_RANK, err);
    if (!status && attrs->radius < 0)
        status = err_set(err, KD_EINVAL, "a depth radius of %d", attrs->radius);
    if (!status)
        step_like(step, 0, 0);
    return status;
}

static int lrn_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct lrn_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[0]->shape;
    local_response_norm(shape_outer(x, x->rank - 1), x->dim[x->rank - 1], attrs->radius, attrs->bias,
                        attrs->alpha, attrs->beta, io->in[0], io->out[0]);
    return 0;
}

static const struct op op_lrn = {
    .name = "local_response_norm", .n_required = 1, .infer = lrn_infer, .run = lrn_run, .rows = rows_first};

engine_value engine_local_response_norm(struct engine_graph *graph, engine_value x, int depth_radius,
                                        float bias, float alpha, float beta)
{
    struct lrn_attrs attrs = {depth_radius, bias, alpha, beta};
    return graph_add(graph, &op_lrn, &attrs, sizeof(attrs), &x, 1, 1);
}
