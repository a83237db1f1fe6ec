/* Normalization, the preprocessing layer: (x - mean) / max(sqrt(variance), 1e-7) by statistics that were
 * adapted to a data set (weights) or given by the user (config). Subtracted first and then divided, as Keras
 * does: with a variance of nearly zero the folded form would lose every digit. */
#include <math.h>

#include "base/err.h"
#include "keras/json.h"
#include "keras/layer.h"

#define BACKEND_EPSILON 1e-7

struct normalization {
    bool all; /* axis null: one number for everything */
    int n_axes;
    int64_t axes[SHAPE_MAX_RANK];
    const cJSON *mean, *variance; /* given in the config, or NULL: weights */
    bool invert;
};

static int parse(struct keras_layer *layer, struct err *err)
{
    struct normalization *norm = keras_params(layer, sizeof(*norm));
    if (!norm)
        return 0;
    const cJSON *axis = keras_json_get(layer->config, "axis");
    norm->all = axis && cJSON_IsNull(axis);
    norm->n_axes = keras_config_axes(layer, "axis", norm->axes, SHAPE_MAX_RANK);
    if (!axis)
        norm->axes[norm->n_axes++] = -1;
    norm->mean = keras_config_json(layer, "mean");
    norm->variance = keras_config_json(layer, "variance");
    norm->invert = keras_config_bool(layer, "invert", false);
    if (!norm->mean != !norm->variance)
        return keras_config_fail(layer, "config keys 'mean' and 'variance': only one of them is given");
    if (!norm->mean) {
        keras_declare_weight(layer, "mean", false);
        keras_declare_weight(layer, "variance", false);
        keras_declare_weight(layer, "count", false);
    }
    return 0;
}

static bool keeps_axis(const struct normalization *norm, const struct shape *shape, int axis)
{
    for (int i = 0; i < norm->n_axes && !norm->all; i++)
        if (shape_axis(shape, norm->axes[i]) == axis)
            return true;
    return false;
}

/* The statistic with one size per kept axis, brought to x's rank with 1 elsewhere. */
static engine_value spread(const struct normalization *norm, struct keras_call *call, engine_value statistic,
                           engine_value x)
{
    struct engine_graph *graph = call->graph;
    if (statistic == ENGINE_NONE || engine_rank(graph, statistic) == 0)
        return statistic;
    int rank = engine_rank(graph, x), n_kept = 0;
    int64_t spec[SHAPE_MAX_RANK], n = 1;
    for (int i = 0; i < engine_rank(graph, statistic); i++)
        n *= engine_dim(graph, statistic, i);
    for (int i = 0; i < rank; i++) {
        bool kept = keeps_axis(norm, engine_shape(graph, x), i);
        spec[i] = kept ? engine_dim(graph, x, i) : 1;
        n_kept += kept;
        if (kept && norm->n_axes == 1)
            spec[i] = n;
    }
    if (n_kept == 0 && n == 1)
        return engine_reshape(graph, statistic, spec, 0);
    return engine_reshape(graph, statistic, spec, rank);
}

static engine_value statistic(const struct keras_layer *layer, struct keras_call *call, const char *kind,
                              const cJSON *given, engine_value x)
{
    const struct normalization *norm = layer->params;
    enum dtype dtype = engine_dtype(call->graph, x);
    engine_value value =
        given ? keras_constant_json(call, given, dtype) : keras_weight(layer, call, kind, -1);
    return spread(norm, call, engine_cast(call->graph, value, dtype), x);
}

/* TensorFlow up to 2.4 divided by the root of the variance whatever it was. */
static bool is_bounded(const struct keras_writer *writer)
{
    return writer->family == KERAS_3 || writer->minor > 4;
}

static int lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct normalization *norm = layer->params;
    struct engine_graph *graph = call->graph;
    enum dtype dtype = dtype_is_float(layer->compute_dtype) ? layer->compute_dtype : DTYPE_FLOAT32;
    engine_value x = engine_cast(graph, call->inputs[0].value, dtype);
    if (x == ENGINE_NONE)
        return 0;
    engine_value mean = statistic(layer, call, "mean", norm->mean, x);
    engine_value variance = statistic(layer, call, "variance", norm->variance, x);
    engine_value deviation = engine_unary(graph, (struct unary){.kind = UNARY_SQRT}, variance);
    if (is_bounded(layer->writer))
        deviation = engine_binary(graph, BINARY_MAXIMUM, deviation, keras_scalar(call, x, BACKEND_EPSILON));
    engine_value y;
    if (norm->invert)
        y = engine_binary(graph, BINARY_ADD, mean, engine_binary(graph, BINARY_MULTIPLY, x, deviation));
    else
        y = engine_binary(graph, BINARY_DIVIDE, engine_binary(graph, BINARY_SUBTRACT, x, mean), deviation);
    bool pass = layer->writer->family == KERAS_3;
    keras_call_return_masked(call, 0, y, pass ? call->inputs[0].mask : ENGINE_NONE);
    return 0;
}

const struct keras_class keras_class_normalization = {
    .names = (const char *const[]){"Normalization", NULL},
    .family = "Normalisation",
    .doc = "adapted weights or statistics in the config, any axes, invert",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .parse = parse,
    .lower = lower,
};
