/* Convolutions: plain (with groups), depthwise, transposed, locally connected. Shapes and checks are here,
 * sizes in window.c, the arithmetic in kernels/conv.h. A bias, a tensor to add and an activation ride on
 * the way out. */
#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/size.h"
#include "engine/window.h"

struct conv_params {
    struct conv conv;
    const void *weights;
};

/* Output shape from x, the window sizes and the channel count. */
static int conv_shape(struct step *step, const int64_t *sizes, int64_t channels, bool transpose,
                      struct err *err)
{
    const struct window_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[0]->shape;
    int n = attrs->window.n_spatial;
    step_like(step, 0, 0);
    for (int i = 0; i < n; i++) {
        struct window_axis axis = {.n = x->dim[i + 1],
                                   .k = sizes[i],
                                   .stride = attrs->window.stride[i],
                                   .dilation = attrs->window.dilation[i]};
        if (sizes[i] < 1)
            return err_set(err, KD_EINVAL, "a window of size %" PRId64, sizes[i]);
        int status =
            transpose ? window_axis_transpose(attrs, i, &axis, err) : window_axis_infer(attrs, i, &axis, err);
        if (status)
            return status;
        step->out[0]->shape.dim[i + 1] = axis.out;
    }
    step->out[0]->shape.dim[n + 1] = channels;
    return 0;
}

static int channels_differ(const struct step *step, int64_t expected, struct err *err)
{
    char text[128];
    return err_set(err, KD_EINVAL, "the kernel takes %" PRId64 " channels, the input has shape %s", expected,
                   shape_text(&step->in[0]->shape, text, sizeof(text)));
}

/* Checks common to the three with a kernel [k..., a, b]. */
static int conv_check(const struct step *step, struct err *err)
{
    const struct window_attrs *attrs = step->attrs;
    int status = window_check(step, attrs, err);
    return status ? status : product_check_kernel(step, attrs->window.n_spatial + 2, err);
}

static double conv_macs(const struct step *step, int64_t per_output)
{
    return (double)step_out_count(step, 0) * (double)per_output;
}

static int conv_prepare_common(struct step *step, bool transpose, struct err *err)
{
    struct conv_params *params = step_params(step, sizeof(*params), err);
    if (!params)
        return KD_ENOMEM;
    window_conv(step->attrs, &step->in[0]->shape, &step->out[0]->shape, step->in[PRODUCT_KERNEL]->shape.dim,
                transpose, &params->conv);
    params->weights = step->node->packed;
    return 0;
}

static int too_big(struct err *err)
{
    return err_set(err, KD_ETOOBIG, "a convolution too big to compute");
}

/* The description as far as packing looks at it. A size that only a request tells is any that fits the
 * window. */
static void conv_for_packing(const struct step *step, struct conv *ret)
{
    const struct window_attrs *attrs = step->attrs;
    const struct shape *kernel = &step->in[PRODUCT_KERNEL]->shape;
    int n = attrs->window.n_spatial;
    struct shape x = {.rank = n + 2}, y = {.rank = n + 2};
    x.dim[0] = y.dim[0] = 1;
    for (int i = 1; i <= n; i++) {
        int64_t known = step->in[PRODUCT_X]->shape.dim[i],
                any = kernel->dim[i - 1] * attrs->window.dilation[i - 1] + 1;
        x.dim[i] = y.dim[i] = known > 0 ? known : any;
    }
    x.dim[n + 1] = kernel->dim[n] * (attrs->groups ? attrs->groups : 1);
    y.dim[n + 1] = kernel->dim[n + 1];
    window_conv(attrs, &x, &y, kernel->dim, false, ret);
}

/* ---- conv ---- */

static int conv_infer(struct step *step, struct err *err)
{
    const struct window_attrs *attrs = step->attrs;
    int status = conv_check(step, err);
    if (status)
        return status;
    const struct shape *x = &step->in[0]->shape, *kernel = &step->in[PRODUCT_KERNEL]->shape;
    int n = attrs->window.n_spatial;
    if (attrs->groups < 1 || kernel->dim[n + 1] % attrs->groups)
        return err_set(err, KD_EINVAL, "%" PRId64 " filters do not divide into %" PRId64 " groups",
                       kernel->dim[n + 1], attrs->groups);
    if (size_differs(x->dim[n + 1], kernel->dim[n] * attrs->groups))
        return channels_differ(step, kernel->dim[n] * attrs->groups, err);
    status = conv_shape(step, kernel->dim, kernel->dim[n + 1], false, err);
    if (!status)
        status = product_check_bias(step, kernel->dim[n + 1], err);
    return status ? status : product_check_add(step, err);
}

static int op_conv_pack(struct node *node, const struct step *step, struct pack *pack, struct err *err)
{
    const struct window_attrs *attrs = step->attrs;
    struct conv conv;
    size_t bytes;
    bool fresh = false;
    void *packed = NULL;
    conv_for_packing(step, &conv);
    if (conv_pack_bytes(&conv, &bytes))
        packed = pack_memory(pack, node->op, step->in[PRODUCT_KERNEL]->data, (uint64_t)attrs->groups, bytes,
                             &fresh);
    if (!packed)
        return pack_failed(err);
    if (fresh)
        conv_pack(&conv, step->in[PRODUCT_KERNEL]->data, packed);
    node->packed = packed;
    return 0;
}

static int conv_prepare(struct step *step, struct err *err)
{
    int status = conv_prepare_common(step, false, err);
    if (status)
        return status;
    const struct conv_params *params = step->params;
    if (!conv_scratch(&params->conv, &step->scratch))
        return too_big(err);
    const struct shape *kernel = &step->in[PRODUCT_KERNEL]->shape;
    int64_t window = shape_product(kernel, 0, kernel->rank - 1);
    step->cost_us =
        product_cost_us(conv_macs(step, window), 4.0 * (double)window * (double)params->conv.c_out);
    return 0;
}

static int op_conv_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct conv_params *params = step->params;
    struct gemm_epilogue epilogue;
    product_epilogue(step, io, params->conv.c_out, &epilogue);
    conv_run(&params->conv, io->in[PRODUCT_X], params->weights, &epilogue, io->out[0], 0,
             conv_positions(&params->conv), io->scratch);
    return 0;
}

const struct op op_conv = {.name = "conv",
                           .flags = OP_OPAQUE,
                           .n_required = 2,
                           .infer = conv_infer,
                           .in_place = 1u << PRODUCT_ADD,
                           .packs = 1u << PRODUCT_KERNEL,
                           .pack = op_conv_pack,
                           .prepare = conv_prepare,
                           .run = op_conv_run,
                           .rows = rows_first};

/* One input channel per group: the kernel [k..., 1, filters] is a depthwise [k..., channels, filters /
 * channels] already, number for number. */
static engine_value conv_as_depthwise(struct engine_graph *graph, engine_value x, engine_value kernel,
                                      engine_value bias, const struct engine_window *window, int64_t groups)
{
    struct shape shape = *engine_shape(graph, kernel);
    shape.dim[shape.rank - 1] /= groups;
    shape.dim[shape.rank - 2] = groups;
    kernel = engine_reshape(graph, kernel, shape.dim, shape.rank);
    return engine_depthwise_conv(graph, x, kernel, bias, window);
}

engine_value engine_conv(struct engine_graph *graph, engine_value x, engine_value kernel, engine_value bias,
                         const struct engine_window *window, int64_t groups)
{
    int rank = engine_rank(graph, kernel);
    if (groups > 1 && rank == window->n_spatial + 2 && engine_dim(graph, kernel, -2) == 1 &&
        engine_dim(graph, kernel, -1) % groups == 0)
        return conv_as_depthwise(graph, x, kernel, bias, window, groups);
    struct window_attrs attrs = {.window = *window, .groups = groups};
    engine_value in[PRODUCT_OPERANDS] = {x, kernel, bias, ENGINE_NONE};
    return graph_add(graph, &op_conv, &attrs, sizeof(attrs), in, PRODUCT_OPERANDS, 1);
}

/* ---- depthwise ---- */

static int depthwise_infer(struct step *step, struct err *err)
{
    const struct window_attrs *attrs = step->attrs;
    int status = conv_check(step, err);
    if (status)
        return status;
    const struct shape *x = &step->in[0]->shape, *kernel = &step->in[PRODUCT_KERNEL]->shape;
    int n = attrs->window.n_spatial;
    if (size_differs(x->dim[n + 1], kernel->dim[n]))
        return channels_differ(step, kernel->dim[n], err);
    int64_t channels = kernel->dim[n] * kernel->dim[n + 1];
    status = conv_shape(step, kernel->dim, channels, false, err);
    return status ? status : product_check_bias(step, channels, err);
}

static int depthwise_prepare(struct step *step, struct err *err)
{
    const struct window_attrs *attrs = step->attrs;
    int status = conv_prepare_common(step, false, err);
    const struct shape *kernel = &step->in[PRODUCT_KERNEL]->shape;
    if (!status)
        step->cost_us =
            3 * product_cost_us(conv_macs(step, shape_product(kernel, 0, attrs->window.n_spatial)), 0);
    return status;
}

static int op_depthwise_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct conv_params *params = step->params;
    struct gemm_epilogue epilogue;
    product_epilogue(step, io, params->conv.c_out, &epilogue);
    depthwise_run(&params->conv, io->in[PRODUCT_X], io->in[PRODUCT_KERNEL], epilogue.bias,
                  epilogue.activation, io->out[0], 0, conv_positions(&params->conv));
    return 0;
}

const struct op op_depthwise = {.name = "depthwise_conv",
                                .flags = OP_OPAQUE,
                                .n_required = 2,
                                .infer = depthwise_infer,
                                .prepare = depthwise_prepare,
                                .run = op_depthwise_run,
                                .rows = rows_first};

engine_value engine_depthwise_conv(struct engine_graph *graph, engine_value x, engine_value kernel,
                                   engine_value bias, const struct engine_window *window)
{
    struct window_attrs attrs = {.window = *window, .groups = 1};
    engine_value in[PRODUCT_OPERANDS] = {x, kernel, bias, ENGINE_NONE};
    return graph_add(graph, &op_depthwise, &attrs, sizeof(attrs), in, PRODUCT_OPERANDS, 1);
}

/* ---- transposed ---- */

static int conv_transpose_infer(struct step *step, struct err *err)
{
    const struct window_attrs *attrs = step->attrs;
    int status = conv_check(step, err);
    if (status)
        return status;
    const struct shape *x = &step->in[0]->shape, *kernel = &step->in[PRODUCT_KERNEL]->shape;
    int n = attrs->window.n_spatial;
    if (attrs->window.padding == ENGINE_CAUSAL)
        return err_set(err, KD_EINVAL, "causal padding of a transposed convolution");
    if (size_differs(x->dim[n + 1], kernel->dim[n + 1]))
        return channels_differ(step, kernel->dim[n + 1], err);
    status = conv_shape(step, kernel->dim, kernel->dim[n], true, err);
    if (!status)
        status = product_check_bias(step, kernel->dim[n], err);
    return status ? status : product_check_add(step, err);
}

static void conv_transpose_for_packing(const struct step *step, struct conv *ret)
{
    conv_for_packing(step, ret);
    int64_t c_in = ret->c_out, c_out = ret->c_in; /* the kernel is [k..., C_out, C_in] */
    ret->c_in = c_in;
    ret->c_out = c_out;
}

/* What the packing depends on besides the kernel. */
static uint64_t strides_key(const struct conv *conv)
{
    uint64_t key = 0;
    for (int i = 0; i < CONV_AXES; i++)
        key = (key * 1000003 + (uint64_t)conv->stride[i]) * 1000003 + (uint64_t)conv->dilation[i];
    return key;
}

static int op_conv_transpose_pack(struct node *node, const struct step *step, struct pack *pack,
                                  struct err *err)
{
    struct conv conv;
    size_t bytes;
    bool fresh = false;
    void *packed = NULL;
    conv_transpose_for_packing(step, &conv);
    if (conv_transpose_pack_bytes(&conv, &bytes))
        packed =
            pack_memory(pack, node->op, step->in[PRODUCT_KERNEL]->data, strides_key(&conv), bytes, &fresh);
    if (!packed)
        return pack_failed(err);
    if (fresh)
        conv_transpose_pack(&conv, step->in[PRODUCT_KERNEL]->data, packed);
    node->packed = packed;
    return 0;
}

static int conv_transpose_prepare(struct step *step, struct err *err)
{
    int status = conv_prepare_common(step, true, err);
    if (status)
        return status;
    const struct conv_params *params = step->params;
    if (!conv_transpose_scratch(&params->conv, &step->scratch))
        return too_big(err);
    const struct shape *kernel = &step->in[PRODUCT_KERNEL]->shape;
    double window = (double)shape_product(kernel, 0, kernel->rank - 1);
    step->cost_us =
        product_cost_us((double)step_in_count(step, 0) * window, 4 * window * (double)params->conv.c_in);
    return 0;
}

static int op_conv_transpose_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct conv_params *params = step->params;
    struct gemm_epilogue epilogue;
    product_epilogue(step, io, params->conv.c_out, &epilogue);
    conv_transpose_run(&params->conv, io->in[PRODUCT_X], params->weights, &epilogue, io->out[0], 0,
                       params->conv.batch, io->scratch);
    return 0;
}

const struct op op_conv_transpose = {.name = "conv_transpose",
                                     .flags = OP_OPAQUE,
                                     .n_required = 2,
                                     .infer = conv_transpose_infer,
                                     .in_place = 1u << PRODUCT_ADD,
                                     .packs = 1u << PRODUCT_KERNEL,
                                     .pack = op_conv_transpose_pack,
                                     .prepare = conv_transpose_prepare,
                                     .run = op_conv_transpose_run,
                                     .rows = rows_first};

engine_value engine_conv_transpose(struct engine_graph *graph, engine_value x, engine_value kernel,
                                   engine_value bias, const struct engine_window *window,
                                   const int64_t *output_padding)
{
    struct window_attrs attrs = {.window = *window, .groups = 1};
    for (int i = 0; i < ENGINE_MAX_SPATIAL; i++)
        attrs.output_padding[i] = output_padding && i < window->n_spatial ? output_padding[i] : -1;
    engine_value in[PRODUCT_OPERANDS] = {x, kernel, bias, ENGINE_NONE};
    return graph_add(graph, &op_conv_transpose, &attrs, sizeof(attrs), in, PRODUCT_OPERANDS, 1);
}

/* ---- locally connected ---- */

static int local_conv_check(const struct step *step, struct err *err)
{
    const struct window_attrs *attrs = step->attrs;
    int status = window_check(step, attrs, err);
    if (!status)
        status = product_check_kernel(step, 3, err);
    if (!status && attrs->window.padding != ENGINE_VALID)
        status = err_set(err, KD_EUNSUPPORTED, "a locally connected layer with padding");
    return status;
}

static int local_conv_infer(struct step *step, struct err *err)
{
    const struct window_attrs *attrs = step->attrs;
    const struct value *bias = step->in[PRODUCT_BIAS];
    int status = local_conv_check(step, err), n = attrs->window.n_spatial;
    if (status)
        return status;
    const struct shape *x = &step->in[0]->shape, *kernel = &step->in[PRODUCT_KERNEL]->shape;
    status = conv_shape(step, attrs->window.size, kernel->dim[2], false, err);
    if (status)
        return status;
    struct shape *y = &step->out[0]->shape, out = *y;
    int64_t positions, patch = x->dim[n + 1];
    out.dim[0] = out.dim[n + 1] = 1;
    for (int i = 0; i < n && patch != SHAPE_UNKNOWN; i++)
        patch *= attrs->window.size[i];
    if (shape_elements(&out, &positions) &&
        (positions != kernel->dim[0] || size_differs(patch, kernel->dim[1]))) {
        char a[128], b[128];
        return err_set(err, KD_EINVAL, "a kernel of shape %s does not fit an input of shape %s",
                       shape_text(kernel, a, sizeof(a)), shape_text(x, b, sizeof(b)));
    }
    int64_t count;
    if (bias && (!bias->constant || !shape_elements(&bias->shape, &count) ||
                 count != kernel->dim[0] * kernel->dim[2]))
        return err_set(err, KD_EINVAL, "the bias does not fit the kernel");
    return 0;
}

static int local_conv_prepare(struct step *step, struct err *err)
{
    const struct window_attrs *attrs = step->attrs;
    struct conv_params *params = step_params(step, sizeof(*params), err);
    if (!params)
        return KD_ENOMEM;
    window_conv(attrs, &step->in[0]->shape, &step->out[0]->shape, attrs->window.size, false, &params->conv);
    if (!local_conv_scratch(&params->conv, &step->scratch))
        return too_big(err);
    double weights = (double)step_in_count(step, PRODUCT_KERNEL);
    step->cost_us = product_cost_us(2 * weights * (double)params->conv.batch, 4 * weights);
    return 0;
}

static int op_local_conv_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct conv_params *params = step->params;
    local_conv_run(&params->conv, io->in[PRODUCT_X], io->in[PRODUCT_KERNEL], io->in[PRODUCT_BIAS], io->out[0],
                   0, params->conv.batch, io->scratch);
    return 0;
}

static const struct op op_local_conv = {.name = "local_conv",
                                        .flags = OP_OPAQUE,
                                        .n_required = 2,
                                        .infer = local_conv_infer,
                                        .prepare = local_conv_prepare,
                                        .run = op_local_conv_run,
                                        .rows = rows_first};

engine_value engine_local_conv(struct engine_graph *graph, engine_value x, engine_value kernel,
                               engine_value bias, const struct engine_window *window)
{
    struct window_attrs attrs = {.window = *window, .groups = 1};
    engine_value in[] = {x, kernel, bias};
    return graph_add(graph, &op_local_conv, &attrs, sizeof(attrs), in, 3, 1);
}
