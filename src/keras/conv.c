/* Convolutions: plain, transposed, depthwise and separable, in one to three dimensions.
 *
 * One parse reads the keys they share; the number of spatial axes comes from the class. channels_first inputs
 * are transposed, computed and transposed back. Kernels are in TensorFlow's order; what Keras 1 and Theano
 * stored otherwise is brought into it when the weights are bound. */
#include <string.h>

#include "base/err.h"
#include "image/image.h"
#include "keras/json.h"
#include "keras/weights.h"

struct conv {
    struct engine_window window;
    int64_t filters; /* depthwise: the multiplier */
    int64_t groups;
    int64_t output_padding[ENGINE_MAX_SPATIAL];
    bool has_output_padding;
    bool channels_first;
    const struct keras_activation *activation;
};

static struct conv *parse_common(struct keras_layer *layer, int n_spatial)
{
    static const char *const paddings[] = {"valid", "same", "causal", NULL};
    struct conv *conv = keras_params(layer, sizeof(*conv));
    if (!conv)
        return NULL;
    struct engine_window *window = &conv->window;
    window->n_spatial = n_spatial;
    keras_config_ints(layer, "kernel_size", window->size, n_spatial, SHAPE_UNKNOWN, 1);
    keras_config_ints(layer, "strides", window->stride, n_spatial, 1, 1);
    keras_config_ints(layer, "dilation_rate", window->dilation, n_spatial, 1, 1);
    window->padding = (enum engine_padding)keras_config_choice(layer, "padding", paddings, ENGINE_VALID);
    conv->channels_first = keras_config_channels_first(layer);
    conv->groups = keras_config_int(layer, "groups", 1, 1);
    conv->activation = keras_config_activation(layer, "activation", NULL);
    if (window->padding == ENGINE_CAUSAL && n_spatial != 1)
        keras_config_fail(layer, "config key 'padding': \"causal\" is for one dimension only");
    return conv;
}

static void declare_bias(struct keras_layer *layer)
{
    if (keras_config_bool(layer, "use_bias", true))
        keras_declare_weight(layer, "bias", true);
}

/* ---- more leading axes than the batch ---- */

/* [a, b, ..., spatial..., C] -> [a*b*..., spatial..., C]: TensorFlow's layers take all leading axes for the
 * batch. */
static engine_value merge_leading(struct keras_call *call, engine_value x, int n_spatial)
{
    int64_t spec[SHAPE_MAX_RANK] = {ENGINE_INFER};
    int rank = engine_rank(call->graph, x);
    for (int i = 1; i < n_spatial + 2; i++)
        spec[i] = ENGINE_SAME_DIM(rank - n_spatial - 2 + i);
    return engine_reshape(call->graph, x, spec, n_spatial + 2);
}

static engine_value split_leading(struct keras_call *call, engine_value y, engine_value x, int n_spatial)
{
    struct engine_graph *graph = call->graph;
    int n_leading = engine_rank(graph, x) - n_spatial - 1;
    engine_value parts[] = {
        engine_slice(graph, engine_shape_of(graph, x), 0, 0, n_leading, 1),
        engine_slice(graph, engine_shape_of(graph, y), 0, 1, n_spatial + 2, 1),
    };
    return engine_reshape_to(graph, y, engine_concat(graph, parts, 2, 0));
}

/* ---- lowering ---- */

typedef engine_value (*conv_fn)(const struct keras_layer *layer, struct keras_call *call, engine_value x,
                                engine_value bias);

/* Keras 3.7 and later on TensorFlow take a bias [1, C, 1, 1] for one of the last axis, if that is known to
 * have C elements too. */
static bool bias_goes_last(const struct keras_layer *layer, struct keras_call *call, engine_value y,
                           engine_value bias)
{
    const struct conv *conv = layer->params;
    if (!conv->channels_first || y == ENGINE_NONE || bias == ENGINE_NONE)
        return false;
    int64_t channels = engine_dim(call->graph, y, -1);
    return keras_since(layer->writer, KERAS_3, 3, 7) && strcmp(layer->writer->backend, "tensorflow") == 0 &&
           channels > 1 && engine_dim(call->graph, y, -2) == channels;
}

/* Activations that look at the last axis see a picture as Keras has it, channels first. */
static engine_value finish(const struct keras_layer *layer, struct keras_call *call, engine_value y,
                           engine_value bias_last)
{
    const struct conv *conv = layer->params;
    struct unary unary;
    bool per_number = !conv->activation || keras_activation_unary(conv->activation, &unary);
    if (!conv->channels_first || (per_number && bias_last == ENGINE_NONE)) {
        y = keras_activate(call, conv->activation, y);
        return conv->channels_first ? keras_to_channels_first(call, y) : y;
    }
    y = keras_to_channels_first(call, y);
    if (bias_last != ENGINE_NONE)
        y = engine_binary(call->graph, BINARY_ADD, y, bias_last);
    return keras_activate(call, conv->activation, y);
}

static int lower_with(const struct keras_layer *layer, struct keras_call *call, conv_fn compute)
{
    const struct conv *conv = layer->params;
    int n_spatial = conv->window.n_spatial;
    engine_value x = call->inputs[0].value;
    if (conv->channels_first)
        x = keras_to_channels_last(call, x);
    bool leading = x != ENGINE_NONE && engine_rank(call->graph, x) > n_spatial + 2;
    if (!leading && !keras_expect_rank(call, x, n_spatial + 2))
        return 0;
    engine_value merged = leading ? merge_leading(call, x, n_spatial) : x;
    engine_value bias = keras_weight(layer, call, "bias", 1, (int64_t)SHAPE_UNKNOWN), bias_last = ENGINE_NONE;
    engine_value y = compute(layer, call, merged, bias);
    if (bias_goes_last(layer, call, y, bias)) {
        keras_rule(call->build, "channels_first: the bias lies along the last axis, as Keras 3.7 and later");
        bias_last = bias;
        y = compute(layer, call, merged, ENGINE_NONE);
    }
    if (leading)
        y = split_leading(call, y, x, n_spatial);
    keras_call_return(call, 0, finish(layer, call, y, bias_last));
    return 0;
}

/* The weight, with its kernel sizes checked against the config. */
static engine_value kernel_of(const struct keras_layer *layer, struct keras_call *call, const char *kind,
                              int64_t before_last, int64_t last)
{
    const struct conv *conv = layer->params;
    const int64_t *k = conv->window.size;
    switch (conv->window.n_spatial) {
    case 1:
        return keras_weight(layer, call, kind, 3, k[0], before_last, last);
    case 2:
        return keras_weight(layer, call, kind, 4, k[0], k[1], before_last, last);
    default:
        return keras_weight(layer, call, kind, 5, k[0], k[1], k[2], before_last, last);
    }
}

/* ---- padding "same" of Theano ---- */

static int64_t extent(const struct engine_window *window, int axis)
{
    return (window->size[axis] - 1) * window->dilation[axis] + 1;
}

/* Theano puts half a kernel before the input whatever the stride; TensorFlow halves what the last window lacks. With
 * odd kernels and stride 1 that is the same. */
static bool pads_as_theano(const struct keras_layer *layer, const struct engine_window *window)
{
    bool differs = false;
    const struct keras_writer *writer = layer->writer;
    if (writer->family == KERAS_1 && writer->minor == 0 && window->n_spatial == 3)
        return false; /* it padded by itself, and without strides */
    for (int i = 0; i < window->n_spatial; i++)
        differs = differs || window->stride[i] > 1 || extent(window, i) % 2 == 0;
    return differs && window->padding == ENGINE_SAME && keras_on_theano(layer->build);
}

/* x with its padding, *ret_window without. keeps_end: what an even kernel gives at the end is not cut off. */
static engine_value pad_as_theano(const struct keras_layer *layer, struct keras_call *call, engine_value x,
                                  bool keeps_end, struct engine_window *ret_window)
{
    const struct conv *conv = layer->params;
    int64_t before[SHAPE_MAX_RANK] = {0}, after[SHAPE_MAX_RANK] = {0};
    *ret_window = conv->window;
    if (!pads_as_theano(layer, ret_window))
        return x;
    keras_rule(call->build, "padding \"same\" puts half a window before the input, as Theano has it");
    for (int i = 0; i < ret_window->n_spatial; i++) {
        before[1 + i] = extent(ret_window, i) / 2;
        after[1 + i] = (extent(ret_window, i) - !keeps_end) / 2;
    }
    ret_window->padding = ENGINE_VALID;
    return engine_pad(call->graph, x, before, after, ENGINE_PAD_CONSTANT, ENGINE_NONE);
}

/* ---- the kinds ---- */

static engine_value conv_compute(const struct keras_layer *layer, struct keras_call *call,
                                 engine_value x, engine_value bias)
{
    const struct conv *conv = layer->params;
    int64_t channels = engine_dim(call->graph, x, -1);
    if (channels != SHAPE_UNKNOWN && channels % conv->groups)
        return engine_graph_fail(call->graph, KD_EFORMAT, "%lld channels can't be split in %lld groups",
                                 (long long)channels, (long long)conv->groups);
    int64_t per_group = channels == SHAPE_UNKNOWN ? SHAPE_UNKNOWN : channels / conv->groups;
    engine_value kernel = kernel_of(layer, call, "kernel", per_group, conv->filters);
    struct engine_window window;
    x = pad_as_theano(layer, call, x, false, &window);
    return engine_conv(call->graph, x, kernel, bias, &window, conv->groups);
}

static int conv_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    return lower_with(layer, call, conv_compute);
}

/* The whole result, cut as Theano does: half a kernel off the front, then `stride` values for each of x. Where the
 * result ends before, zeros follow. */
static engine_value transpose_as_theano(const struct keras_layer *layer, struct keras_call *call, engine_value x,
                                        engine_value kernel, engine_value bias)
{
    const struct conv *conv = layer->params;
    struct engine_window window = conv->window;
    int64_t before[SHAPE_MAX_RANK] = {0}, after[SHAPE_MAX_RANK] = {0};
    if (conv->has_output_padding || layer->writer->family == KERAS_1)
        return engine_graph_fail(call->graph, KD_EUNSUPPORTED,
                                 "Theano's padding \"same\" of a transposed convolution with strides or an even kernel "
                                 "is served without a size of the output only");
    window.padding = ENGINE_VALID;
    engine_value y = engine_conv_transpose(call->graph, x, kernel, ENGINE_NONE, &window, NULL);
    for (int i = 0; i < window.n_spatial; i++) {
        int64_t size = extent(&window, i), rest = size - size / 2 - window.stride[i];
        /* valid results are never shorter than one kernel or one stride per value of x */
        if (size < window.stride[i])
            rest = -(size / 2);
        y = engine_slice(call->graph, y, 1 + i, size / 2, rest > 0 ? -rest : ENGINE_SLICE_NONE, 1);
        after[1 + i] = rest < 0 ? -rest : 0;
    }
    y = engine_pad(call->graph, y, before, after, ENGINE_PAD_CONSTANT, ENGINE_NONE);
    return bias == ENGINE_NONE ? y : engine_binary(call->graph, BINARY_ADD, y, bias);
}

static engine_value transpose_compute(const struct keras_layer *layer, struct keras_call *call,
                                 engine_value x, engine_value bias)
{
    const struct conv *conv = layer->params;
    engine_value kernel = kernel_of(layer, call, "kernel", conv->filters, engine_dim(call->graph, x, -1));
    if (pads_as_theano(layer, &conv->window))
        return transpose_as_theano(layer, call, x, kernel, bias);
    return engine_conv_transpose(call->graph, x, kernel, bias, &conv->window,
                                 conv->has_output_padding ? conv->output_padding : NULL);
}

static int transpose_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    return lower_with(layer, call, transpose_compute);
}

static engine_value depthwise_compute(const struct keras_layer *layer, struct keras_call *call,
                                 engine_value x, engine_value bias)
{
    const struct conv *conv = layer->params;
    engine_value kernel =
        kernel_of(layer, call, "depthwise_kernel", engine_dim(call->graph, x, -1), conv->filters);
    struct engine_window window;
    x = pad_as_theano(layer, call, x, false, &window);
    return engine_depthwise_conv(call->graph, x, kernel, bias, &window);
}

static int depthwise_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    return lower_with(layer, call, depthwise_compute);
}

/* Depthwise with strides and dilation, then a product over the channels. */
static engine_value separable_compute(const struct keras_layer *layer, struct keras_call *call,
                                 engine_value x, engine_value bias)
{
    const struct conv *conv = layer->params;
    struct engine_window point = {.n_spatial = conv->window.n_spatial,
                                  .size = {1, 1, 1},
                                  .stride = {1, 1, 1},
                                  .dilation = {1, 1, 1},
                                  .padding = ENGINE_VALID};
    engine_value depthwise =
        kernel_of(layer, call, "depthwise_kernel", engine_dim(call->graph, x, -1), SHAPE_UNKNOWN);
    engine_value pointwise = keras_weight(layer, call, "pointwise_kernel", -1);
    struct engine_window window;
    x = pad_as_theano(layer, call, x, true, &window);
    engine_value y = engine_depthwise_conv(call->graph, x, depthwise, ENGINE_NONE, &window);
    return engine_conv(call->graph, y, pointwise, bias, &point, 1);
}

static int separable_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    return lower_with(layer, call, separable_compute);
}

/* ---- parsing ---- */

static struct conv *parse_filters(struct keras_layer *layer, int n_spatial)
{
    struct conv *conv = parse_common(layer, n_spatial);
    if (!conv)
        return NULL;
    conv->filters = keras_config_int(layer, "filters", SHAPE_UNKNOWN, 1);
    keras_declare_weight(layer, "kernel", true);
    declare_bias(layer);
    return conv;
}

static int conv_parse(struct keras_layer *layer, int n_spatial)
{
    parse_filters(layer, n_spatial);
    return 0;
}

/* Keras 1 was told the size of the result, out of the several that a stride allows. */
static void read_output_shape(struct keras_layer *layer, struct conv *conv)
{
    const struct engine_window *window = &conv->window;
    const cJSON *shape = keras_config_json(layer, "output_shape");
    for (int i = 0; i < window->n_spatial; i++) {
        int64_t k = window->size[i], stride = window->stride[i], out;
        bool same = window->padding == ENGINE_SAME;
        conv->output_padding[i] = -1;
        if (!keras_json_int(cJSON_GetArrayItem(shape, conv->channels_first ? i + 2 : i + 1), &out) || out < 1)
            continue;
        if (!same && out >= k)
            conv->output_padding[i] = (out - k) % stride;
        else if (same)
            conv->output_padding[i] = out - (out - 1) / stride * stride - k % 2;
        conv->has_output_padding = true;
    }
}

static int transpose_parse(struct keras_layer *layer, int n_spatial)
{
    struct conv *conv = parse_filters(layer, n_spatial);
    if (!conv)
        return 0;
    conv->has_output_padding = keras_config_has(layer, "output_padding");
    keras_config_ints(layer, "output_padding", conv->output_padding, n_spatial, 0, 0);
    if (layer->writer->family == KERAS_1)
        read_output_shape(layer, conv);
    if (conv->groups != 1)
        keras_config_fail(layer, "config key 'groups': a transposed convolution has none");
    if (conv->window.padding == ENGINE_CAUSAL)
        keras_config_fail(layer, "config key 'padding': \"causal\" is not for transposed convolutions");
    return 0;
}

/* Until then Theano mixed up the axes of the kernel. */
static void refuse_early_theano(struct keras_layer *layer)
{
    if (keras_on_theano(layer->build) && layer->writer->family == KERAS_2 && layer->writer->minor < 2)
        keras_config_fail(layer, "depthwise convolutions of Theano are served from Keras 2.2 on");
}

static int depthwise_parse(struct keras_layer *layer, int n_spatial)
{
    struct conv *conv = parse_common(layer, n_spatial);
    if (!conv)
        return 0;
    refuse_early_theano(layer);
    conv->filters = keras_config_int(layer, "depth_multiplier", 1, 1);
    keras_config_ignore(layer, (const char *const[]){"filters", NULL});
    keras_declare_weight(layer, "depthwise_kernel", true);
    declare_bias(layer);
    return 0;
}

/* Keras 2.0.0 to 2.0.8 took the key and did not use it. */
static bool forgets_dilation(const struct keras_writer *writer)
{
    return writer->family == KERAS_2 && writer->minor == 0 && writer->patch < 9;
}

static int separable_parse(struct keras_layer *layer, int n_spatial)
{
    struct conv *conv = parse_common(layer, n_spatial);
    if (!conv)
        return 0;
    conv->filters = keras_config_int(layer, "filters", SHAPE_UNKNOWN, 1);
    keras_config_ignore(layer, (const char *const[]){"depth_multiplier", NULL}); /* read off the kernel */
    for (int i = 0; i < n_spatial && forgets_dilation(layer->writer); i++)
        conv->window.dilation[i] = 1;
    keras_declare_weight(layer, "depthwise_kernel", true);
    keras_declare_weight(layer, "pointwise_kernel", true);
    declare_bias(layer);
    return 0;
}

/* ---- old forms of kernels ---- */

static bool has_kernel_sizes(const struct conv *conv, const struct shape *shape)
{
    for (int i = 0; i < conv->window.n_spatial; i++)
        if (i >= shape->rank || shape->dim[i] != conv->window.size[i])
            return false;
    return true;
}

/* Keras 1 kept kernels of one dimension as (k, 1, in, filters), earlier as (filters, in, k, 1). */
static const struct image_tensor *keras_1_conv1d(struct keras_build *build, const struct conv *conv,
                                                 const struct image_tensor *kernel)
{
    static const int from_theano[] = {2, 3, 1, 0};
    if (kernel->shape.rank != 4)
        return kernel;
    if (kernel->shape.dim[0] != conv->window.size[0] || kernel->shape.dim[1] != 1)
        kernel = keras_weights_transpose(build, kernel, from_theano);
    if (!kernel)
        return NULL;
    struct shape flat = shape_of(3, kernel->shape.dim[0], kernel->shape.dim[2], kernel->shape.dim[3]);
    return keras_weights_reshape(build, kernel, &flat);
}

static const struct image_tensor *keras_1_kernel(struct keras_build *build, const struct conv *conv,
                                                 bool transposed, const struct image_tensor *kernel)
{
    static const int conv_2d[] = {2, 3, 1, 0}, conv_3d[] = {2, 3, 4, 1, 0};
    static const int transposed_last[] = {0, 1, 3, 2}, transposed_first[] = {2, 3, 0, 1};
    int n_spatial = conv->window.n_spatial;
    if (n_spatial == 1)
        return keras_1_conv1d(build, conv, kernel);
    if (kernel->shape.rank != n_spatial + 2)
        return kernel;
    if (transposed)
        return keras_weights_transpose(build, kernel,
                                       conv->channels_first ? transposed_first : transposed_last);
    if (!conv->channels_first)
        return kernel;
    return keras_weights_transpose(build, kernel, n_spatial == 2 ? conv_2d : conv_3d);
}

/* Keras 1's channels_first kernels of separable convolutions. */
static int separable_convert(struct keras_layer *layer, struct keras_build *build,
                             const struct image_tensor **list, size_t *n_list, struct err *err)
{
    static const int from_first[] = {2, 3, 1, 0};
    const struct conv *conv = layer->params;
    bool turned = build->writer.family == KERAS_1 && conv->channels_first;
    for (size_t i = 0; turned && i < *n_list; i++) {
        if (list[i]->shape.rank == 4)
            list[i] = keras_weights_transpose(build, list[i], from_first);
        if (!list[i])
            return err_set(err, KD_EFORMAT, "the kernels can't be converted from their old form");
    }
    return 0;
}

static int convert(struct keras_layer *layer, struct keras_build *build, const struct image_tensor **list,
                   size_t n_list, bool transposed, struct err *err)
{
    static const int last_resort[] = {3, 2, 0, 1};
    const struct conv *conv = layer->params;
    if (n_list == 0)
        return 0;
    const struct image_tensor *kernel = list[0];
    if (build->writer.family == KERAS_1)
        kernel = keras_1_kernel(build, conv, transposed, kernel);
    if (kernel && keras_on_theano(build)) {
        kernel = keras_weights_flip(build, kernel);
        keras_rule(build, "kernels of Theano's convolutions are flipped, as Keras 2 did");
    }
    bool fits = !kernel || build->writer.family == KERAS_3 || has_kernel_sizes(conv, &kernel->shape);
    if (!fits && kernel->shape.rank == 4)
        kernel = keras_weights_transpose(build, kernel, last_resort);
    if (!kernel)
        return err_set(err, KD_EFORMAT, "the kernel can't be converted from its old form");
    list[0] = kernel;
    return 0;
}

static int conv_convert(struct keras_layer *layer, struct keras_build *build,
                        const struct image_tensor **list, size_t *n_list, struct err *err)
{
    return convert(layer, build, list, *n_list, false, err);
}

static int transpose_convert(struct keras_layer *layer, struct keras_build *build,
                             const struct image_tensor **list, size_t *n_list, struct err *err)
{
    return convert(layer, build, list, *n_list, true, err);
}

/* ---- the rows: CLASS(symbol, function family, spatial axes, conversion, doc, names...) ---- */

#define CLASS(symbol, kind, n_spatial, hook, text, ...)                                                      \
    static int symbol##_parse(struct keras_layer *layer, struct err *err)                                    \
    {                                                                                                        \
        return kind##_parse(layer, n_spatial);                                                               \
    }                                                                                                        \
    const struct keras_class keras_class_##symbol = {                                                        \
        .names = (const char *const[]){__VA_ARGS__, NULL},                                                   \
        .family = "Convolution",                                                                             \
        .doc = text,                                                                                         \
        .support = KERAS_SERVED,                                                                             \
        .mask = KERAS_MASK_DROP,                                                                             \
        .parse = symbol##_parse,                                                                             \
        .lower = kind##_lower,                                                                               \
        .convert = hook,                                                                                     \
    };

CLASS(conv1d, conv, 1, conv_convert, "groups, dilation, causal padding; further leading axes count as batch",
      "Conv1D", "Convolution1D", "AtrousConvolution1D", "AtrousConv1D")
CLASS(conv2d, conv, 2, conv_convert, "groups, dilation, both data formats", "Conv2D", "Convolution2D",
      "AtrousConvolution2D", "AtrousConv2D")
CLASS(conv3d, conv, 3, conv_convert, "groups, dilation, both data formats", "Conv3D", "Convolution3D")
CLASS(conv1d_transpose, transpose, 1, transpose_convert, "output_padding, dilation", "Conv1DTranspose",
      "Convolution1DTranspose")
CLASS(conv2d_transpose, transpose, 2, transpose_convert, "output_padding, dilation", "Conv2DTranspose",
      "Convolution2DTranspose", "Deconvolution2D", "Deconv2D")
CLASS(conv3d_transpose, transpose, 3, transpose_convert, "output_padding, dilation", "Conv3DTranspose",
      "Convolution3DTranspose", "Deconvolution3D", "Deconv3D")
CLASS(depthwise_conv1d, depthwise, 1, NULL, "depth_multiplier, dilation", "DepthwiseConv1D")
CLASS(depthwise_conv2d, depthwise, 2, NULL, "depth_multiplier, dilation", "DepthwiseConv2D")
CLASS(separable_conv1d, separable, 1, separable_convert, "depth_multiplier, dilation, causal padding",
      "SeparableConv1D", "SeparableConvolution1D")
CLASS(separable_conv2d, separable, 2, separable_convert, "depth_multiplier, dilation", "SeparableConv2D",
      "SeparableConvolution2D")
