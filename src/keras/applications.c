/* Layers that keras.applications defines for itself, and the ones of that kind that other packages ship. */
#include "base/err.h"
#include "keras/layer.h"

/* ---- LayerScale (ConvNeXt): x * gamma ---- */

static int layer_scale_parse(struct keras_layer *layer, struct err *err)
{
    keras_config_ignore(layer, (const char *const[]){"init_values", NULL});
    /* Other people's classes of this name have other keys, and may compute something else. */
    if (!keras_config_has(layer, "projection_dim"))
        return keras_config_fail(
            layer, "not the LayerScale of keras.applications (no 'projection_dim'), so a custom class");
    keras_declare_weight(layer, "gamma", true);
    return 0;
}

static int layer_scale_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    engine_value x = call->inputs[0].value;
    engine_value gamma = keras_weight(layer, call, "gamma", 1, engine_dim(call->graph, x, -1));
    keras_call_return(call, 0, engine_binary(call->graph, BINARY_MULTIPLY, x, gamma));
    return 0;
}

const struct keras_class keras_class_layer_scale = {
    .names = (const char *const[]){"LayerScale", NULL},
    .family = "keras.applications",
    .doc = "of ConvNeXt",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = layer_scale_parse,
    .lower = layer_scale_lower,
};

/* ---- StochasticDepth ---- */

static int stochastic_depth_parse(struct keras_layer *layer, struct err *err)
{
    double *survival = keras_params(layer, sizeof(*survival));
    if (!survival)
        return 0;
    if (!keras_config_has(layer, "drop_path_rate") && !keras_config_has(layer, "survival_probability"))
        return keras_config_fail(
            layer, "not a StochasticDepth that we know (no 'drop_path_rate'), so a custom class");
    double drop = keras_config_float(layer, "drop_path_rate", 0.5);
    *survival = keras_config_float(layer, "survival_probability", 0.5);
    layer->training_matters = drop > 0 && *survival < 1;
    return 0;
}

/* One input (keras.applications): nothing happens. Two (tensorflow_addons): shortcut + survival * residual.
 */
static int stochastic_depth_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const double *survival = layer->params;
    engine_value x = call->inputs[0].value;
    if (call->n_inputs == 2) {
        engine_value residual = call->inputs[1].value;
        residual =
            engine_binary(call->graph, BINARY_MULTIPLY, residual, keras_scalar(call, residual, *survival));
        x = engine_binary(call->graph, BINARY_ADD, x, residual);
    }
    keras_call_return(call, 0, x);
    return 0;
}

const struct keras_class keras_class_stochastic_depth = {
    .names = (const char *const[]){"StochasticDepth", NULL},
    .family = "keras.applications",
    .doc = "of ConvNeXt; the layer of tensorflow_addons adds its two inputs",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .parse = stochastic_depth_parse,
    .lower = stochastic_depth_lower,
};

/* ---- CustomScaleLayer (InceptionResNetV2): inputs[0] + scale * inputs[1] ---- */

static int custom_scale_parse(struct keras_layer *layer, struct err *err)
{
    double *scale = keras_params(layer, sizeof(*scale));
    if (!scale)
        return 0;
    if (!keras_config_has(layer, "scale"))
        return keras_config_fail(layer, "config key 'scale' is missing");
    *scale = keras_config_float(layer, "scale", 1);
    return 0;
}

static int custom_scale_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const double *scale = layer->params;
    if (call->n_inputs != 2)
        return err_set(err, KD_EFORMAT, "called with %zu inputs, expected 2", call->n_inputs);
    engine_value x = call->inputs[0].value, residual = call->inputs[1].value;
    residual = engine_binary(call->graph, BINARY_MULTIPLY, residual, keras_scalar(call, residual, *scale));
    keras_call_return(call, 0, engine_binary(call->graph, BINARY_ADD, x, residual));
    return 0;
}

const struct keras_class keras_class_custom_scale_layer = {
    .names = (const char *const[]){"CustomScaleLayer", "Custom>CustomScaleLayer", NULL},
    .family = "keras.applications",
    .doc = "of InceptionResNetV2",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = custom_scale_parse,
    .lower = custom_scale_lower,
};
