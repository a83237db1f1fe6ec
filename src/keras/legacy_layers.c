/* Layers that Keras has removed: those of Keras 1 that its successor read for a while, and an experimental
 * one. */
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "keras/json.h"
#include "keras/layer.h"

/* ---- Highway: t * act(x W + b) + (1 - t) * x, t = sigmoid(x W_carry + b_carry) ---- */

static int highway_parse(struct keras_layer *layer, struct err *err)
{
    bool bias = keras_config_bool(layer, "use_bias", true);
    keras_declare_weight(layer, "W", true);
    keras_declare_weight(layer, "W_carry", true);
    if (bias) {
        keras_declare_weight(layer, "b", true);
        keras_declare_weight(layer, "b_carry", true);
    }
    keras_config_ignore(layer, (const char *const[]){"transform_bias", "units", NULL});
    layer->params = keras_config_activation(layer, "activation", "linear");
    return 0;
}

static int highway_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    struct engine_graph *graph = call->graph;
    engine_value x = call->inputs[0].value;
    int64_t n = engine_dim(graph, x, -1);
    engine_value y =
        engine_dense(graph, x, keras_weight(layer, call, "W", 2, n, n), keras_weight(layer, call, "b", 1, n));
    engine_value t = engine_dense(graph, x, keras_weight(layer, call, "W_carry", 2, n, n),
                                  keras_weight(layer, call, "b_carry", 1, n));
    t = engine_unary(graph, (struct unary){.kind = UNARY_SIGMOID}, t);
    y = engine_binary(graph, BINARY_MULTIPLY, keras_activate(call, layer->params, y), t);
    engine_value rest = engine_binary(graph, BINARY_SUBTRACT, keras_scalar(call, x, 1), t);
    keras_call_return(call, 0,
                      engine_binary(graph, BINARY_ADD, y, engine_binary(graph, BINARY_MULTIPLY, rest, x)));
    return 0;
}

const struct keras_class keras_class_highway = {
    .names = (const char *const[]){"Highway", NULL},
    .family = "Removed",
    .doc = "Keras 1",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .parse = highway_parse,
    .lower = highway_lower,
};

/* ---- MaxoutDense: the largest of several Dense ---- */

static int maxout_parse(struct keras_layer *layer, struct err *err)
{
    keras_declare_weight(layer, "W", true);
    if (keras_config_bool(layer, "use_bias", true))
        keras_declare_weight(layer, "b", true);
    keras_config_ignore(layer, (const char *const[]){"units", "nb_feature", NULL});
    return 0;
}

static int maxout_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    struct engine_graph *graph = call->graph;
    engine_value x = call->inputs[0].value;
    const int features = 1;
    engine_value kernel = keras_weight(layer, call, "W", 3, (int64_t)SHAPE_UNKNOWN, engine_dim(graph, x, -1),
                                       (int64_t)SHAPE_UNKNOWN);
    engine_value y = engine_einsum(graph, "ni,fio->nfo", x, kernel);
    if (keras_weight_shape(layer, "b"))
        y = engine_binary(graph, BINARY_ADD, y, keras_weight(layer, call, "b", 2, (int64_t)SHAPE_UNKNOWN,
                                                             (int64_t)SHAPE_UNKNOWN));
    keras_call_return(call, 0, engine_reduce(graph, REDUCE_MAX, y, &features, 1, false));
    return 0;
}

const struct keras_class keras_class_maxout_dense = {
    .names = (const char *const[]){"MaxoutDense", NULL},
    .family = "Removed",
    .doc = "Keras 1",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = maxout_parse,
    .lower = maxout_lower,
};

/* ---- Merge: the merging layers of Keras 1 by a mode; it becomes the layer of today that does the same ----
 */

static const char *const merge_modes[] = {"sum", "mul", "concat", "ave", "max", "dot", "cos", NULL};
static const char *const merge_classes[] = {"Add",     "Multiply", "Concatenate", "Average",
                                            "Maximum", "Dot",      "Dot"};

/* dot_axes: a number, [a, b], or [[a], [b]]. */
static cJSON *dot_axes(const cJSON *config)
{
    const cJSON *axes = keras_json_get(config, "dot_axes"), *item;
    if (!cJSON_IsArray(axes))
        return axes ? cJSON_Duplicate(axes, 0) : cJSON_CreateNumber(-1);
    cJSON *list = cJSON_CreateArray();
    cJSON_ArrayForEach(item, axes)
    {
        const cJSON *axis = cJSON_IsArray(item) ? item->child : item;
        if (axis)
            cJSON_AddItemToArray(list, cJSON_Duplicate(axis, 0));
    }
    return list;
}

static bool merge_entry(const struct keras_layer *layer, int mode, cJSON *entry)
{
    cJSON *config = cJSON_AddObjectToObject(entry, "config");
    const cJSON *axis = keras_json_get(layer->config, "concat_axis");
    bool good = config && cJSON_AddStringToObject(entry, "class_name", merge_classes[mode]) &&
                cJSON_AddStringToObject(config, "name", layer->name);
    if (good && mode == 2 && axis)
        good = cJSON_AddItemToObject(config, "axis", cJSON_Duplicate(axis, 0));
    if (good && mode >= 5)
        good = cJSON_AddItemToObject(config, "axes", dot_axes(layer->config)) &&
               cJSON_AddBoolToObject(config, "normalize", mode == 6);
    return good;
}

static int merge_parse(struct keras_layer *layer, struct err *err)
{
    static const char *const ignored[] = {"mode_type",        "concat_axis",       "dot_axes",
                                          "output_shape",     "output_shape_type", "output_mask",
                                          "output_mask_type", "arguments",         NULL};
    keras_config_ignore(layer, ignored);
    if (keras_config_has(layer, "layers"))
        return keras_config_fail(layer, "a Merge that holds whole models (a Sequential with several heads)");
    int mode = keras_config_choice(layer, "mode", merge_modes, 0);
    cJSON *entry = cJSON_CreateObject();
    if (!entry || !merge_entry(layer, mode, entry)) {
        cJSON_Delete(entry);
        return err_set(err, KD_ENOMEM, "out of memory");
    }
    if (!keras_own_json(layer, entry))
        return err_set(err, KD_ENOMEM, "out of memory");
    keras_declare_child(layer, entry);
    return 0;
}

/* "cos" gives its result another axis behind the batch. Of matrices it was not what the word says. */
static int merge_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    size_t n_outputs;
    bool cosine = cJSON_IsTrue(keras_json_get(layer->children[0]->config, "normalize"));
    for (size_t i = 0; cosine && i < call->n_inputs; i++)
        if (!keras_expect_rank(call, call->inputs[i].value, 2))
            return 0;
    int rc = keras_call_child(layer->children[0], call, call->inputs, call->n_inputs, call->outputs,
                              &n_outputs, err);
    if (rc == 0 && cosine)
        call->outputs[0].value = engine_expand_dims(call->graph, call->outputs[0].value, 1);
    return rc;
}

const struct keras_class keras_class_merge = {
    .names = (const char *const[]){"Merge", NULL},
    .family = "Removed",
    .doc = "Keras 1, every mode but functions; not as the head of a Sequential",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .parse = merge_parse,
    .lower = merge_lower,
};

/* ---- RandomFourierFeatures: cos(x (K / scale) + b) ---- */

static int fourier_parse(struct keras_layer *layer, struct err *err)
{
    keras_config_ignore(layer, (const char *const[]){"output_dim", "kernel_initializer", "scale", NULL});
    keras_declare_weight(layer, "kernel_scale", keras_config_bool(layer, "trainable", false));
    keras_declare_weight(layer, "unscaled_kernel", false);
    keras_declare_weight(layer, "bias", false);
    return 0;
}

static int fourier_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    struct engine_graph *graph = call->graph;
    engine_value x = call->inputs[0].value;
    engine_value kernel = keras_weight(layer, call, "unscaled_kernel", 2, engine_dim(graph, x, -1),
                                       (int64_t)SHAPE_UNKNOWN);
    engine_value scale = keras_weight(layer, call, "kernel_scale", -1);
    engine_value bias = keras_weight(layer, call, "bias", 1, (int64_t)SHAPE_UNKNOWN);
    kernel = engine_binary(graph, BINARY_DIVIDE, kernel, scale);
    engine_value y = engine_binary(graph, BINARY_ADD, engine_matmul(graph, x, kernel, false, false), bias);
    keras_call_return(call, 0, engine_unary(graph, (struct unary){.kind = UNARY_COS}, y));
    return 0;
}

const struct keras_class keras_class_random_fourier_features = {
    .names = (const char *const[]){"RandomFourierFeatures", NULL},
    .family = "Removed",
    .doc = "tf.keras's experimental layer",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = fourier_parse,
    .lower = fourier_lower,
};
