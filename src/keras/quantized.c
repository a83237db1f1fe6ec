/* Quantised layers. Keras multiplies integers and divides by the scales of both sides afterwards; here the
 * kernel is what its integers stand for, computed once when the model is built, and the inputs are rounded to
 * the same steps of their largest number. The sums are the same but for float32's rounding.
 *
 * int8: kernel / scale. int4: two numbers in a byte along the last axis, the lower four bits first; either one
 * scale per output, or groups of inputs with a scale and a zero point each, (q - zero) * scale, `g_idx` telling
 * the group. float8 and the calibrated kinds are refused. */
#include "keras/quantized.h"

#include <string.h>

#include "image/image.h"
#include "keras/build.h"
#include "keras/json.h"

const struct keras_quantized_names keras_quantized_kernel = {"kernel", "kernel_scale", "kernel_zero"};
const struct keras_quantized_names keras_quantized_embeddings = {"embeddings", "embeddings_scale",
                                                                 "embeddings_zero"};

/* {"class_name": "AbsMaxQuantizer", "config": {"value_range", "epsilon"}}: the only one that Keras has. */
static void read_activation(struct keras_layer *layer, const cJSON *quantizer, struct keras_quantized *ret)
{
    const char *class_name = keras_json_string(quantizer, "class_name");
    const cJSON *config = keras_json_get(quantizer, "config");
    const cJSON *range = keras_json_unwrap(keras_json_get(config, "value_range"));
    if (!class_name || strcmp(class_name, "AbsMaxQuantizer") != 0) {
        keras_config_fail(layer, "config key 'quantization_config': inputs quantised by %.40s are not served",
                          class_name ? class_name : "something unknown");
        return;
    }
    ret->inputs = true;
    if (cJSON_GetArraySize(range) == 2) {
        keras_json_number(range->child, &ret->low);
        keras_json_number(range->child->next, &ret->high);
    }
    keras_json_number(keras_json_get(config, "epsilon"), &ret->epsilon);
}

void keras_quantized_read(struct keras_layer *layer, struct keras_quantized *ret)
{
    const cJSON *settings = keras_config_json(layer, "quantization_config");
    *ret = (struct keras_quantized){.low = -127, .high = 127, .epsilon = 1e-7};
    if (layer->quantized == KERAS_NOT_QUANTIZED)
        return;
    if (keras_config_int(layer, "lora_rank", 0, 0) > 0)
        keras_config_fail(layer, "config key 'lora_rank': an update of a quantised layer is not served");
    const cJSON *config = keras_json_get(settings, "config");
    const cJSON *activation = keras_json_get(config, "activation_quantizer");
    if (activation && !cJSON_IsNull(activation))
        read_activation(layer, activation, ret);
    else if (layer->quantized == KERAS_INT8 && !settings)
        ret->inputs = true; /* the default; a config that says null means floats */
    ret->groups = layer->quantized == KERAS_INT4_GROUPS;
}

void keras_quantized_declare(struct keras_layer *layer, const struct keras_quantized_names *names, bool trainable)
{
    /* In an archive the kernel stands first, in an .h5 file behind what is trained. */
    bool first = layer->quantized ? layer->build->content->layout_v3 : trainable;
    keras_declare_weight(layer, names->kernel, first);
}

void keras_quantized_declare_scales(struct keras_layer *layer, const struct keras_quantized *quantized,
                                    const struct keras_quantized_names *names)
{
    if (layer->quantized == KERAS_NOT_QUANTIZED)
        return;
    keras_declare_weight(layer, names->scale, false);
    if (quantized->groups) {
        keras_declare_weight(layer, names->zero, false);
        keras_declare_weight(layer, "g_idx", false);
    }
}

static engine_value floor_of(struct keras_call *call, engine_value x, double divisor)
{
    x = engine_binary(call->graph, BINARY_DIVIDE, x, keras_scalar(call, x, divisor));
    return engine_unary(call->graph, (struct unary){.kind = UNARY_FLOOR}, x);
}

/* [rows, bytes] -> [rows, columns]: of each byte the lower four bits, then the upper ones, as signed numbers. */
static engine_value unpack(struct keras_call *call, engine_value bytes, int64_t columns)
{
    struct engine_graph *graph = call->graph;
    const int64_t flat[] = {ENGINE_SAME_DIM(0), ENGINE_INFER};
    engine_value sixteen = keras_scalar(call, bytes, 16), eight = keras_scalar(call, bytes, 8);
    engine_value high = floor_of(call, bytes, 16);
    engine_value low =
        engine_binary(graph, BINARY_SUBTRACT, bytes, engine_binary(graph, BINARY_MULTIPLY, high, sixteen));
    engine_value wraps = floor_of(call, engine_binary(graph, BINARY_ADD, low, eight), 16);
    low = engine_binary(graph, BINARY_SUBTRACT, low, engine_binary(graph, BINARY_MULTIPLY, wraps, sixteen));
    engine_value both = engine_stack(graph, (const engine_value[]){low, high}, 2, 2);
    return engine_slice(graph, engine_reshape(graph, both, flat, 2), 1, 0, columns, 1);
}

/* One scale or zero point for each number of the matrix, or broadcasting to it. */
static engine_value spread(const struct keras_layer *layer, struct keras_call *call,
                           const struct keras_quantized *quantized, const char *kind, bool by_row)
{
    struct engine_graph *graph = call->graph;
    engine_value x = engine_cast(graph, keras_weight(layer, call, kind, quantized->groups ? 2 : 1,
                                                     (int64_t)SHAPE_UNKNOWN, (int64_t)SHAPE_UNKNOWN),
                                 DTYPE_FLOAT32);
    if (!quantized->groups)
        return by_row ? engine_expand_dims(graph, x, 1) : x;
    engine_value group =
        engine_cast(graph, keras_weight(layer, call, "g_idx", 1, (int64_t)SHAPE_UNKNOWN), DTYPE_INT32);
    return engine_gather(graph, x, group, by_row ? 1 : 0, 0, ENGINE_BOUNDS_ERROR);
}

engine_value keras_quantized_matrix(const struct keras_layer *layer, struct keras_call *call,
                                    const struct keras_quantized *quantized,
                                    const struct keras_quantized_names *names, int64_t rows, int64_t columns,
                                    bool by_row)
{
    struct engine_graph *graph = call->graph;
    if (layer->quantized == KERAS_NOT_QUANTIZED)
        return keras_weight(layer, call, names->kernel, 2, rows, columns);
    bool packed = layer->quantized != KERAS_INT8;
    int64_t stored = packed && columns != SHAPE_UNKNOWN ? columns / 2 + columns % 2 : columns;
    engine_value q = engine_cast(graph, keras_weight(layer, call, names->kernel, 2, rows, stored), DTYPE_FLOAT32);
    if (packed && columns == SHAPE_UNKNOWN)
        return engine_graph_fail(graph, KD_EFORMAT, "the number of outputs must be known");
    q = packed ? unpack(call, q, columns) : q;
    engine_value scale = spread(layer, call, quantized, names->scale, by_row);
    if (quantized->groups) {
        q = engine_binary(graph, BINARY_SUBTRACT, q, spread(layer, call, quantized, names->zero, by_row));
        q = engine_binary(graph, BINARY_MULTIPLY, q, scale);
    } else {
        q = engine_binary(graph, BINARY_DIVIDE, q, scale);
    }
    return engine_cast(graph, q, layer->compute_dtype);
}

engine_value keras_quantized_input(const struct keras_layer *layer, struct keras_call *call,
                                   const struct keras_quantized *quantized, engine_value x, const int *axes,
                                   int n_axes)
{
    struct engine_graph *graph = call->graph;
    if (layer->quantized == KERAS_NOT_QUANTIZED || !quantized->inputs || x == ENGINE_NONE)
        return x;
    engine_value largest = engine_unary(graph, (struct unary){.kind = UNARY_ABS}, x);
    largest = engine_reduce(graph, REDUCE_MAX, largest, axes, n_axes, true);
    largest = engine_binary(graph, BINARY_ADD, largest, keras_scalar(call, x, quantized->epsilon));
    engine_value scale = engine_binary(graph, BINARY_DIVIDE, keras_scalar(call, x, quantized->high), largest);
    engine_value y = engine_binary(graph, BINARY_MULTIPLY, x, scale);
    y = engine_unary(graph, (struct unary){.kind = UNARY_ROUND}, y);
    struct unary clip = {.kind = UNARY_CLIP, .a = (float)quantized->low, .b = (float)quantized->high};
    return engine_binary(graph, BINARY_DIVIDE, engine_unary(graph, clip, y), scale);
}
