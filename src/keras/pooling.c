/* Pooling: windows, global and adaptive, in one to three dimensions. Padding never counts: max ignores it,
 * the average divides by the elements that are there (Theano had versions that counted it). */
#include <math.h>

#include "base/err.h"
#include "keras/layer.h"

struct pooling {
    struct engine_window window;
    bool channels_first;
    bool keepdims;
    int64_t output_size[ENGINE_MAX_SPATIAL];
};

static struct pooling *parse_common(struct keras_layer *layer, int n_spatial)
{
    struct pooling *pooling = keras_params(layer, sizeof(*pooling));
    if (!pooling)
        return NULL;
    pooling->window.n_spatial = n_spatial;
    pooling->channels_first = keras_config_channels_first(layer);
    return pooling;
}

static engine_value to_last(const struct keras_layer *layer, struct keras_call *call)
{
    const struct pooling *pooling = layer->params;
    engine_value x = call->inputs[0].value;
    if (!keras_expect_rank(call, x, pooling->window.n_spatial + 2))
        return ENGINE_NONE;
    x = dtype_is_float(engine_dtype(call->graph, x)) ? x : engine_cast(call->graph, x, DTYPE_FLOAT32);
    return pooling->channels_first ? keras_to_channels_last(call, x) : x;
}

static void return_from_last(const struct keras_layer *layer, struct keras_call *call, engine_value y)
{
    const struct pooling *pooling = layer->params;
    y = engine_cast(call->graph, y, engine_dtype(call->graph, call->inputs[0].value));
    keras_call_return(call, 0, pooling->channels_first ? keras_to_channels_first(call, y) : y);
}

/* ---- windows ---- */

static int window_parse(struct keras_layer *layer, int n_spatial)
{
    static const char *const paddings[] = {"valid", "same", NULL};
    struct pooling *pooling = parse_common(layer, n_spatial);
    if (!pooling)
        return 0;
    struct engine_window *window = &pooling->window;
    keras_config_ints(layer, "pool_size", window->size, n_spatial, 2, 1);
    for (int i = 0; i < n_spatial; i++) {
        window->dilation[i] = 1;
        window->stride[i] = window->size[i];
    }
    if (keras_config_has(layer, "strides"))
        keras_config_ints(layer, "strides", window->stride, n_spatial, 1, 1);
    window->padding = (enum engine_padding)keras_config_choice(layer, "padding", paddings, ENGINE_VALID);
    return 0;
}

/* How many rows Theano's padding "same" puts before the input: TensorFlow halves what the last window lacks. */
static int64_t theano_rows(int64_t size)
{
    return size > 2 && size % 2 ? size - 2 : size - 1;
}

static bool before_2_1(const struct keras_writer *writer, int patch)
{
    return writer->minor == 0 || (writer->minor == 1 && writer->patch < patch);
}

/* Keras 2.0.4 to 2.1.4 took Theano's padding of one and two dimensions into the mean. */
static bool counts_padding(const struct keras_layer *layer, int n_spatial)
{
    const struct keras_writer *writer = layer->writer;
    bool after = writer->minor > 0 || writer->patch >= 4;
    return writer->family == KERAS_2 && n_spatial < 3 && after && before_2_1(writer, 5);
}

/* Keras 2 before 2.1.6 forgot to cut off what Theano's padding at the end gave in three dimensions. */
static bool keeps_end(const struct keras_layer *layer, int n_spatial)
{
    return layer->writer->family == KERAS_2 && n_spatial == 3 && before_2_1(layer->writer, 6);
}

static engine_value padded(const struct keras_layer *layer, struct keras_call *call, engine_value x,
                           const struct engine_window *window, double with)
{
    int64_t before[SHAPE_MAX_RANK] = {0}, after[SHAPE_MAX_RANK] = {0};
    for (int i = 0; i < window->n_spatial; i++) {
        before[1 + i] = theano_rows(window->size[i]);
        after[1 + i] = window->size[i] - 1 - before[1 + i];
        if (keeps_end(layer, window->n_spatial))
            after[1 + i] = before[1 + i];
    }
    engine_value constant = engine_scalar_f32(call->graph, (float)with);
    constant = engine_cast(call->graph, constant, engine_dtype(call->graph, x));
    return engine_pad(call->graph, x, before, after, ENGINE_PAD_CONSTANT, constant);
}

static engine_value pool_as_theano(const struct keras_layer *layer, struct keras_call *call, engine_value x,
                                   enum pool_kind kind)
{
    struct engine_graph *graph = call->graph;
    struct engine_window window = ((const struct pooling *)layer->params)->window;
    window.padding = ENGINE_VALID;
    keras_rule(call->build, "padding \"same\" of pooling as Theano has it");
    if (kind == POOL_MAX)
        return engine_pool(graph, kind, padded(layer, call, x, &window, -INFINITY), &window);
    engine_value mean = engine_pool(graph, kind, padded(layer, call, x, &window, 0), &window);
    if (counts_padding(layer, window.n_spatial))
        return mean;
    engine_value ones = engine_fill(graph, engine_shape_of(graph, x), keras_scalar(call, x, 1));
    engine_value share = engine_pool(graph, kind, padded(layer, call, ones, &window, 0), &window);
    return engine_binary(graph, BINARY_DIVIDE, mean, share);
}

static int window_lower(const struct keras_layer *layer, struct keras_call *call, enum pool_kind kind)
{
    const struct pooling *pooling = layer->params;
    engine_value x = to_last(layer, call);
    bool theano = pooling->window.padding == ENGINE_SAME && keras_on_theano(layer->build);
    if (x != ENGINE_NONE)
        x = theano ? pool_as_theano(layer, call, x, kind) : engine_pool(call->graph, kind, x, &pooling->window);
    return_from_last(layer, call, x);
    return 0;
}

/* ---- global ---- */

static int global_parse(struct keras_layer *layer, int n_spatial)
{
    struct pooling *pooling = parse_common(layer, n_spatial);
    if (pooling)
        pooling->keepdims = keras_config_bool(layer, "keepdims", false);
    return 0;
}

static int spatial_axes(const struct pooling *pooling, int *axes)
{
    int first = pooling->channels_first ? 2 : 1;
    for (int i = 0; i < pooling->window.n_spatial; i++)
        axes[i] = first + i;
    return pooling->window.n_spatial;
}

/* The mean of the steps that the mask keeps: sum(x m) / sum(m). A row without any gives NaN, as in Keras. */
static engine_value masked_mean(const struct pooling *pooling, struct keras_call *call, engine_value x)
{
    struct engine_graph *graph = call->graph;
    int axis = pooling->channels_first ? 2 : 1;
    engine_value mask = engine_cast(graph, call->inputs[0].mask, engine_dtype(graph, x));
    engine_value weight = engine_expand_dims(graph, mask, pooling->channels_first ? 1 : 2);
    engine_value kept = engine_binary(graph, BINARY_MULTIPLY, x, weight);
    engine_value sum = engine_reduce(graph, REDUCE_SUM, kept, &axis, 1, pooling->keepdims);
    engine_value count = engine_reduce(graph, REDUCE_SUM, weight, &axis, 1, pooling->keepdims);
    return engine_binary(graph, BINARY_DIVIDE, sum, count);
}

static int global_lower(const struct keras_layer *layer, struct keras_call *call, enum pool_kind kind)
{
    const struct pooling *pooling = layer->params;
    engine_value x = call->inputs[0].value;
    int axes[ENGINE_MAX_SPATIAL], n_axes = spatial_axes(pooling, axes);
    if (!keras_expect_rank(call, x, n_axes + 2))
        return 0;
    /* Means of integers are floats in Keras 3, and cut off in tf.keras. */
    enum dtype dtype = engine_dtype(call->graph, x);
    if (kind == POOL_AVERAGE && !dtype_is_float(dtype))
        x = engine_cast(call->graph, x, layer->compute_dtype);
    bool masked = kind == POOL_AVERAGE && n_axes == 1 && call->inputs[0].mask != ENGINE_NONE;
    enum reduce_kind reduce = kind == POOL_AVERAGE ? REDUCE_MEAN : REDUCE_MAX;
    engine_value y = masked ? masked_mean(pooling, call, x)
                            : engine_reduce(call->graph, reduce, x, axes, n_axes, pooling->keepdims);
    if (dtype_is_int(dtype) && layer->writer->family != KERAS_3)
        y = engine_cast(call->graph, y, dtype);
    keras_call_return(call, 0, y);
    return 0;
}

/* ---- adaptive ---- */

static int adaptive_parse(struct keras_layer *layer, int n_spatial)
{
    struct pooling *pooling = parse_common(layer, n_spatial);
    if (pooling)
        keras_config_ints(layer, "output_size", pooling->output_size, n_spatial, 1, 1);
    return 0;
}

static int adaptive_lower(const struct keras_layer *layer, struct keras_call *call, enum pool_kind kind)
{
    const struct pooling *pooling = layer->params;
    engine_value y = engine_adaptive_pool(call->graph, kind, to_last(layer, call), pooling->output_size,
                                          pooling->window.n_spatial);
    return_from_last(layer, call, y);
    return 0;
}

/* ---- the rows: CLASS(symbol, function family, max or average, spatial axes, doc, names...) ---- */

#define CLASS(symbol, family_of, pool, n_spatial, text, ...)                                                 \
    static int symbol##_parse(struct keras_layer *layer, struct err *err)                                    \
    {                                                                                                        \
        return family_of##_parse(layer, n_spatial);                                                          \
    }                                                                                                        \
    static int symbol##_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)     \
    {                                                                                                        \
        return family_of##_lower(layer, call, pool);                                                         \
    }                                                                                                        \
    const struct keras_class keras_class_##symbol = {                                                        \
        .names = (const char *const[]){__VA_ARGS__, NULL},                                                   \
        .family = "Pooling",                                                                                 \
        .doc = text,                                                                                         \
        .support = KERAS_SERVED,                                                                             \
        .mask = KERAS_MASK_DROP,                                                                             \
        .parse = symbol##_parse,                                                                             \
        .lower = symbol##_lower,                                                                             \
    };

#define DIMENSIONS(symbol, family_of, pool, text, name, alias)                                               \
    CLASS(symbol##1d, family_of, pool, 1, text, name "1D", alias "1D")                                       \
    CLASS(symbol##2d, family_of, pool, 2, text, name "2D", alias "2D")                                       \
    CLASS(symbol##3d, family_of, pool, 3, text, name "3D", alias "3D")

DIMENSIONS(max_pooling_, window, POOL_MAX, "both paddings and data formats", "MaxPooling", "MaxPool")
DIMENSIONS(average_pooling_, window, POOL_AVERAGE, "padding does not count in the mean", "AveragePooling",
           "AvgPool")
DIMENSIONS(global_max_pooling_, global, POOL_MAX, "keepdims", "GlobalMaxPooling", "GlobalMaxPool")
DIMENSIONS(global_average_pooling_, global, POOL_AVERAGE, "keepdims; 1D honours the mask",
           "GlobalAveragePooling", "GlobalAvgPool")
CLASS(adaptive_max_pooling_1d, adaptive, POOL_MAX, 1, "any output size", "AdaptiveMaxPooling1D")
CLASS(adaptive_max_pooling_2d, adaptive, POOL_MAX, 2, "any output size", "AdaptiveMaxPooling2D")
CLASS(adaptive_max_pooling_3d, adaptive, POOL_MAX, 3, "any output size", "AdaptiveMaxPooling3D")
CLASS(adaptive_average_pooling_1d, adaptive, POOL_AVERAGE, 1, "any output size", "AdaptiveAveragePooling1D")
CLASS(adaptive_average_pooling_2d, adaptive, POOL_AVERAGE, 2, "any output size", "AdaptiveAveragePooling2D")
CLASS(adaptive_average_pooling_3d, adaptive, POOL_AVERAGE, 3, "any output size", "AdaptiveAveragePooling3D")
