/* Layers that Keras has removed: those of Keras 1 that its successor read for a while, and an experimental
 * one. */
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "image/image.h"
#include "keras/json.h"
#include "keras/layer.h"
#include "keras/weights.h"

/* Keras 2 kept these layers with the keys of Keras 1, of whose own files the keys arrive translated. */
static bool has_bias(struct keras_layer *layer)
{
    return keras_config_bool(layer, "use_bias", keras_config_bool(layer, "bias", true));
}

/* ---- Highway: t * act(x W + b) + (1 - t) * x, t = sigmoid(x W_carry + b_carry) ---- */

static int highway_parse(struct keras_layer *layer, struct err *err)
{
    static const char *const ignored[] = {"transform_bias", "units", "init", "input_dim", NULL};
    keras_declare_weight(layer, "W", true);
    keras_declare_weight(layer, "W_carry", true);
    if (has_bias(layer)) {
        keras_declare_weight(layer, "b", true);
        keras_declare_weight(layer, "b_carry", true);
    }
    keras_config_ignore(layer, ignored);
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

/* Keras 1.0 kept the bias before the carry's weights. */
static int highway_convert(struct keras_layer *layer, struct keras_build *build,
                           const struct image_tensor **list, size_t *n_list, struct err *err)
{
    if (*n_list == 4 && list[1]->shape.rank == 1 && list[2]->shape.rank == 2) {
        const struct image_tensor *bias = list[1];
        list[1] = list[2];
        list[2] = bias;
    }
    return 0;
}

const struct keras_class keras_class_highway = {
    .names = (const char *const[]){"Highway", NULL},
    .family = "Removed",
    .doc = "Keras 1, and 2 up to 2.3",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .parse = highway_parse,
    .lower = highway_lower,
    .convert = highway_convert,
};

/* ---- MaxoutDense: the largest of several Dense ---- */

static int maxout_parse(struct keras_layer *layer, struct err *err)
{
    static const char *const ignored[] = {"units", "output_dim", "nb_feature", "init", "input_dim", NULL};
    keras_declare_weight(layer, "W", true);
    if (has_bias(layer))
        keras_declare_weight(layer, "b", true);
    keras_config_ignore(layer, ignored);
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
        y = engine_binary(graph, BINARY_ADD, y,
                          keras_weight(layer, call, "b", 2, (int64_t)SHAPE_UNKNOWN, (int64_t)SHAPE_UNKNOWN));
    keras_call_return(call, 0, engine_reduce(graph, REDUCE_MAX, y, &features, 1, false));
    return 0;
}

const struct keras_class keras_class_maxout_dense = {
    .names = (const char *const[]){"MaxoutDense", NULL},
    .family = "Removed",
    .doc = "Keras 1, and 2 up to 2.3",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = maxout_parse,
    .lower = maxout_lower,
};

/* ---- Merge: the merging layers of Keras 1 by a mode; it becomes the layer of today that does the same ----
 */

enum merge_mode {
    MERGE_SUM,
    MERGE_MUL,
    MERGE_CONCAT,
    MERGE_AVE,
    MERGE_MAX,
    MERGE_DOT,
    MERGE_COS,
    MERGE_FUNCTION
};

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
    if (good && mode == MERGE_CONCAT && axis)
        good = cJSON_AddItemToObject(config, "axis", cJSON_Duplicate(axis, 0));
    if (good && mode >= MERGE_DOT)
        good = cJSON_AddItemToObject(config, "axes", dot_axes(layer->config));
    return good;
}

/* The mode is a function: what a Lambda with it computes of the list of inputs. */
static bool function_entry(const struct keras_layer *layer, cJSON *entry)
{
    cJSON *config = cJSON_AddObjectToObject(entry, "config");
    const cJSON *arguments = keras_json_get(layer->config, "arguments");
    bool good = config && cJSON_AddStringToObject(entry, "class_name", "Lambda") &&
                cJSON_AddStringToObject(config, "name", layer->name) &&
                cJSON_AddItemToObject(config, "function",
                                      cJSON_Duplicate(keras_json_get(layer->config, "mode"), 1)) &&
                cJSON_AddItemToObject(config, "function_type",
                                      cJSON_Duplicate(keras_json_get(layer->config, "mode_type"), 1));
    return good && (!arguments || cJSON_AddItemToObject(config, "arguments", cJSON_Duplicate(arguments, 1)));
}

static bool mode_is_function(const struct keras_layer *layer)
{
    const char *type = keras_json_string(layer->config, "mode_type");
    return str_equal(type, "lambda") || str_equal(type, "function");
}

static int merge_parse(struct keras_layer *layer, struct err *err)
{
    static const char *const ignored[] = {
        "mode",        "mode_type",        "concat_axis", "dot_axes", "output_shape", "output_shape_type",
        "output_mask", "output_mask_type", "arguments",   NULL};
    enum merge_mode *mode = keras_params(layer, sizeof(*mode));
    keras_config_ignore(layer, ignored);
    if (!mode)
        return 0;
    bool function = mode_is_function(layer);
    *mode = function ? MERGE_FUNCTION
                     : (enum merge_mode)keras_config_choice(layer, "mode", merge_modes, MERGE_SUM);
    if (function && keras_config_json(layer, "output_mask"))
        keras_warn(layer->build, layer, "its mask function is not read: its output carries no mask");
    cJSON *entry = cJSON_CreateObject();
    if (!entry || !(function ? function_entry(layer, entry) : merge_entry(layer, *mode, entry))) {
        cJSON_Delete(entry);
        return err_set(err, KD_ENOMEM, "out of memory");
    }
    if (!keras_own_json(layer, entry))
        return err_set(err, KD_ENOMEM, "out of memory");
    keras_declare_child(layer, entry);
    return 0;
}

/* a . b / max(sqrt(a . a * b . b), epsilon), each product over the axes of "dot": of matrices it is not what
 * the word says. The result gets another axis behind the batch. */
static int cosine(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    static const int pairs[][2] = {{0, 0}, {1, 1}, {0, 1}};
    struct engine_graph *graph = call->graph;
    struct keras_tensor outputs[KERAS_MAX_OUTPUTS], products[3];
    size_t n_outputs;
    if (call->n_inputs != 2)
        return err_set(err, KD_EFORMAT, "needs two inputs, got %zu", call->n_inputs);
    for (size_t i = 0; i < KD_COUNT(pairs); i++) {
        struct keras_tensor inputs[] = {call->inputs[pairs[i][0]], call->inputs[pairs[i][1]]};
        int rc = keras_call_child(layer->children[0], call, inputs, 2, outputs, &n_outputs, err);
        if (rc)
            return rc;
        products[i] = outputs[0];
    }
    engine_value length = engine_binary(graph, BINARY_MULTIPLY, products[0].value, products[1].value);
    length =
        engine_binary(graph, BINARY_MAXIMUM, length, keras_scalar(call, length, 0)); /* as Keras's sqrt */
    length = engine_unary(graph, (struct unary){.kind = UNARY_SQRT}, length);
    length = engine_binary(graph, BINARY_MAXIMUM, length, keras_scalar(call, length, 1e-7));
    engine_value y = engine_binary(graph, BINARY_DIVIDE, products[2].value, length);
    keras_call_return(call, 0, engine_expand_dims(graph, y, 1));
    return 0;
}

static int merge_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const enum merge_mode *mode = layer->params;
    size_t n_outputs;
    if (*mode == MERGE_COS)
        return cosine(layer, call, err);
    return keras_call_child(layer->children[0], call, call->inputs, call->n_inputs, call->outputs, &n_outputs,
                            err);
}

const struct keras_class keras_class_merge = {
    .names = (const char *const[]){"Merge", NULL},
    .family = "Removed",
    .doc = "Keras 1, every mode; functions as those of Lambda",
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
    engine_value kernel =
        keras_weight(layer, call, "unscaled_kernel", 2, engine_dim(graph, x, -1), (int64_t)SHAPE_UNKNOWN);
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
