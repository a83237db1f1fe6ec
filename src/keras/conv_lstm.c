/* ConvLSTM1D, ConvLSTM2D, ConvLSTM3D: an LSTM whose products are convolutions.
 *
 * The input convolution has the layer's strides, padding and dilation; the recurrent one is SAME with stride
 * 1, so the state keeps the size that the first gave. Masks, states and go_backwards are those of the other
 * recurrent layers; channels_first files are turned to channels-last on the way in and back on the way out.
 *
 * Theano's convolutions are true ones and put half a kernel before the input. With odd kernels that is TensorFlow's
 * padding and the kernels are flipped. With even ones the whole layer is computed on the mirror image, where the
 * padding is TensorFlow's and the kernels are as they are. */
#include <string.h>

#include "base/err.h"
#include "image/image.h"
#include "keras/recurrent.h"
#include "keras/weights.h"

struct conv_lstm {
    struct recurrent_options *options; /* first: recurrent_options_of */
    int64_t filters, kernel_size[ENGINE_MAX_SPATIAL];
    struct engine_window window;
    struct unary activation, recurrent_activation;
    bool channels_first, use_bias, mirrored;
};

/* The plain function of an activation; others cannot act inside the loop. */
static void read_activation(struct keras_layer *layer, const char *key, const char *absent, struct unary *ret)
{
    const struct keras_activation *activation = keras_config_activation(layer, key, absent);
    if (!keras_activation_unary(activation, ret))
        keras_config_fail(layer, "config key '%s': an activation that mixes channels is not served here",
                          key);
}

static void read_theano(struct keras_layer *layer, struct conv_lstm *params)
{
    bool strided = false;
    for (int i = 0; i < params->window.n_spatial; i++) {
        params->mirrored = params->mirrored || params->kernel_size[i] % 2 == 0;
        strided = strided || params->window.stride[i] > 1;
    }
    if (params->mirrored && strided)
        keras_config_fail(layer, "even kernels with strides are not served from Theano");
}

static int parse(struct keras_layer *layer, struct err *err)
{
    static const char *const paddings[] = {"valid", "same", NULL};
    struct conv_lstm *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    struct engine_window *window = &params->window;
    params->options = recurrent_parse_options(layer);
    window->n_spatial = layer->class_name[strlen("ConvLSTM")] - '0';
    if (window->n_spatial < 1 || window->n_spatial > ENGINE_MAX_SPATIAL)
        return keras_config_fail(layer, "unknown number of dimensions");
    params->filters = keras_config_int(layer, "filters", SHAPE_UNKNOWN, 1);
    keras_config_ints(layer, "kernel_size", params->kernel_size, window->n_spatial, 1, 1);
    keras_config_ints(layer, "strides", window->stride, window->n_spatial, 1, 1);
    keras_config_ints(layer, "dilation_rate", window->dilation, window->n_spatial, 1, 1);
    window->padding = (enum engine_padding)keras_config_choice(layer, "padding", paddings, ENGINE_VALID);
    if (keras_on_theano(layer->build))
        read_theano(layer, params);
    params->channels_first = keras_config_channels_first(layer);
    params->use_bias = keras_config_bool(layer, "use_bias", true);
    read_activation(layer, "activation", "tanh", &params->activation);
    bool keras_3 = layer->writer->family == KERAS_3;
    read_activation(layer, "recurrent_activation", keras_3 ? "sigmoid" : "hard_sigmoid",
                    &params->recurrent_activation);
    keras_declare_weight(layer, "kernel", true);
    keras_declare_weight(layer, "recurrent_kernel", true);
    if (params->use_bias)
        keras_declare_weight(layer, "bias", true);
    return 0;
}

/* [N, T, C, spatial...] <-> [N, T, spatial..., C]: the last n + 1 axes turn by one place. */
static engine_value turn_channels(struct keras_call *call, engine_value x, int n_spatial, bool to_last)
{
    int permutation[SHAPE_MAX_RANK] = {0};
    int rank = x == ENGINE_NONE ? 0 : engine_rank(call->graph, x);
    int first = rank - n_spatial - 1;
    for (int i = 0; i < rank; i++)
        permutation[i] = i;
    for (int i = 0; first >= 0 && i <= n_spatial; i++)
        permutation[first + i] = first + (i + (to_last ? 1 : n_spatial)) % (n_spatial + 1);
    return rank ? engine_transpose(call->graph, x, permutation) : x;
}

static engine_value weight(const struct keras_layer *layer, struct keras_call *call, const char *kind,
                           int64_t c_in)
{
    const struct conv_lstm *params = layer->params;
    const int64_t *k = params->kernel_size;
    int64_t c_out = 4 * params->filters;
    switch (params->window.n_spatial) {
    case 1:
        return keras_weight(layer, call, kind, 3, k[0], c_in, c_out);
    case 2:
        return keras_weight(layer, call, kind, 4, k[0], k[1], c_in, c_out);
    default:
        return keras_weight(layer, call, kind, 5, k[0], k[1], k[2], c_in, c_out);
    }
}

/* The spatial axes of [..., spatial..., C] the other way round. */
static engine_value mirror(struct keras_call *call, engine_value x, int n_spatial)
{
    for (int i = 0; i < n_spatial && x != ENGINE_NONE; i++)
        x = engine_slice(call->graph, x, engine_rank(call->graph, x) - 2 - i, ENGINE_SLICE_NONE, ENGINE_SLICE_NONE, -1);
    return x;
}

/* Theano's padding "same" of odd kernels with strides: x [N, T, spatial..., C] with it, *window without. */
static engine_value pad_as_theano(const struct conv_lstm *params, struct keras_call *call, engine_value x,
                                  struct engine_window *window)
{
    int64_t rows[SHAPE_MAX_RANK] = {0};
    if (window->padding != ENGINE_SAME || params->mirrored)
        return x;
    for (int i = 0; i < window->n_spatial; i++)
        rows[2 + i] = (params->kernel_size[i] - 1) * window->dilation[i] / 2;
    window->padding = ENGINE_VALID;
    return engine_pad(call->graph, x, rows, rows, ENGINE_PAD_CONSTANT, ENGINE_NONE);
}

static void return_all(const struct conv_lstm *params, struct keras_call *call, const engine_value ret[3])
{
    const struct recurrent_options *options = params->options;
    call->n_outputs = options->return_state ? 3 : 1;
    for (size_t i = 0; i < call->n_outputs; i++) {
        engine_value value = params->mirrored ? mirror(call, ret[i], params->window.n_spatial) : ret[i];
        if (params->channels_first)
            value = turn_channels(call, value, params->window.n_spatial, false);
        keras_call_return_masked(call, i, value, i ? ENGINE_NONE : recurrent_output_mask(options, call));
    }
}

static int lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct conv_lstm *params = layer->params;
    const struct recurrent_options *options = params->options;
    int n_spatial = params->window.n_spatial;
    engine_value initial[2] = {ENGINE_NONE, ENGINE_NONE}, ret[3] = {ENGINE_NONE, ENGINE_NONE, ENGINE_NONE};
    size_t n_initial = recurrent_initial(layer, call, 1, initial, 2);
    if (n_initial == 1)
        return err_set(err, KD_EFORMAT, "initial_state has 1 tensor, expected 2");
    engine_value x = call->inputs[0].value;
    if (engine_rank(call->graph, x) != n_spatial + 3)
        return err_set(err, KD_EFORMAT, "input of rank %d, expected %d", engine_rank(call->graph, x),
                       n_spatial + 3);
    if (params->channels_first) {
        x = turn_channels(call, x, n_spatial, true);
        for (size_t i = 0; i < n_initial; i++)
            initial[i] = turn_channels(call, initial[i], n_spatial, true);
    }
    engine_value mask = call->inputs[0].mask;
    if (params->channels_first && mask != ENGINE_NONE && engine_rank(call->graph, mask) > 2)
        return err_set(err, KD_EUNSUPPORTED, "a mask of pixels is not served with channels_first");
    struct engine_window window = params->window;
    if (keras_on_theano(layer->build))
        x = pad_as_theano(params, call, x, &window);
    x = params->mirrored ? mirror(call, x, n_spatial) : x;
    for (size_t i = 0; params->mirrored && i < n_initial; i++)
        initial[i] = mirror(call, initial[i], n_spatial);
    struct engine_conv_lstm rnn = {
        .activation = params->activation,
        .recurrent_activation = params->recurrent_activation,
        .x = x,
        .kernel = weight(layer, call, "kernel", engine_dim(call->graph, x, -1)),
        .recurrent_kernel = weight(layer, call, "recurrent_kernel", params->filters),
        .bias = params->use_bias ? keras_weight(layer, call, "bias", 1, 4 * params->filters) : ENGINE_NONE,
        .mask = mask,
        .initial = {initial[0], initial[1]},
        .window = window,
        .go_backwards = options->go_backwards,
        .return_sequences = options->return_sequences,
        /* Keras 2's convolutional layers never heard of it, not even inside of Bidirectional. */
        .zero_output_for_mask = options->zero_output_for_mask && layer->writer->family == KERAS_3,
    };
    engine_conv_lstm(call->graph, &rnn, ret);
    return_all(params, call, ret);
    return 0;
}

static size_t stored_count(const struct keras_layer *layer)
{
    return layer->writer->family == KERAS_1 ? 12 : layer->n_weights;
}

/* Keras 1 stored channels-first kernels, gate by gate, as [filters, in, rows, columns]. */
static int turn_keras_1(struct keras_build *build, const struct image_tensor **list, size_t n_list,
                        struct err *err)
{
    static const int to_last[] = {2, 3, 1, 0};
    for (size_t i = 0; i < n_list; i++) {
        if (list[i]->shape.rank == 4)
            list[i] = keras_weights_transpose(build, list[i], to_last);
        if (!list[i])
            return err_set(err, KD_EFORMAT, "the kernels can't be converted from their old form");
    }
    return 0;
}

/* Theano's convolutions are true ones. */
static const struct image_tensor *convert_kernel(struct keras_build *build, const struct conv_lstm *params,
                                                 const struct image_tensor *kernel)
{
    static const int last_resort[] = {3, 2, 0, 1};
    bool fits = true;
    int n = params->window.n_spatial;
    if (kernel && keras_on_theano(build) && !params->mirrored) {
        kernel = keras_weights_flip(build, kernel);
        keras_rule(build, "kernels of Theano's convolutions are flipped, as Keras 2 did");
    }
    for (int i = 0; kernel && i < n && kernel->shape.rank == n + 2; i++)
        fits = fits && kernel->shape.dim[i] == params->kernel_size[i];
    if (kernel && !fits && kernel->shape.rank == 4 && build->writer.family != KERAS_3)
        kernel = keras_weights_transpose(build, kernel, last_resort);
    return kernel;
}

static int convert(struct keras_layer *layer, struct keras_build *build, const struct image_tensor **list,
                   size_t *n_list, struct err *err)
{
    const struct conv_lstm *params = layer->params;
    bool keras_1 = layer->writer->family == KERAS_1;
    int rc = keras_1 && params->channels_first ? turn_keras_1(build, list, *n_list, err) : 0;
    if (rc == 0 && keras_1)
        rc = recurrent_join_gates(build, list, n_list, 4, err);
    for (size_t i = 0; rc == 0 && i < 2 && i < *n_list; i++) {
        list[i] = convert_kernel(build, params, list[i]);
        if (!list[i])
            rc = err_set(err, KD_EFORMAT, "the kernels can't be converted from their old form");
    }
    return rc;
}

const struct keras_class keras_class_conv_lstm = {
    .names = (const char *const[]){"ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", NULL},
    .family = "Recurrent",
    .doc = "all options, channels_first included; stateful is served stateless",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .call = RECURRENT_CALL,
    .parse = parse,
    .lower = lower,
    .convert = convert,
    .stored_count = stored_count,
};
