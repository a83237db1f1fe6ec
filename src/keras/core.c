/* Core layers: Dense, Activation, EinsumDense, Masking and the reshape family.
 *
 * All of them work on the last axis or move data; the batch axis is never touched. Sizes that the input
 * leaves open are read off the weights by the engine. */
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "keras/json.h"
#include "keras/layer.h"
#include "keras/lora.h"
#include "keras/quantized.h"

/* ---- Dense ---- */

struct dense {
    int64_t units;
    double lora_scale;
    struct keras_quantized quantized;
    const struct keras_activation *activation;
};

static int dense_parse(struct keras_layer *layer, struct err *err)
{
    struct dense *dense = keras_params(layer, sizeof(*dense));
    if (!dense)
        return 0;
    dense->units = keras_config_int(layer, "units", SHAPE_UNKNOWN, 1);
    dense->lora_scale = keras_lora_scale(layer);
    keras_quantized_read(layer, &dense->quantized);
    keras_quantized_declare(layer, &keras_quantized_kernel, dense->lora_scale == 0);
    if (keras_config_bool(layer, "use_bias", true))
        keras_declare_weight(layer, "bias", true);
    keras_quantized_declare_scales(layer, &dense->quantized, &keras_quantized_kernel);
    if (dense->lora_scale != 0)
        keras_lora_declare(layer, "lora_kernel_a", "lora_kernel_b");
    dense->activation = keras_config_activation(layer, "activation", NULL);
    return 0;
}

static int dense_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct dense *dense = layer->params;
    engine_value x = call->inputs[0].value;
    int last = x == ENGINE_NONE ? 0 : engine_rank(call->graph, x) - 1;
    engine_value kernel = keras_quantized_matrix(layer, call, &dense->quantized, &keras_quantized_kernel,
                                                 engine_dim(call->graph, x, -1), dense->units, false);
    x = keras_quantized_input(layer, call, &dense->quantized, x, &last, 1);
    engine_value bias = keras_weight(layer, call, "bias", 1, dense->units);
    kernel = keras_lora_apply(layer, call, kernel, "lora_kernel_a", "lora_kernel_b", dense->lora_scale);
    engine_value y = engine_dense(call->graph, x, kernel, bias);
    keras_call_return(call, 0, keras_activate(call, dense->activation, y));
    return 0;
}

const struct keras_class keras_class_dense = {
    .names = (const char *const[]){"Dense", "TimeDistributedDense", NULL},
    .family = "Core",
    .doc = "over the last axis, any rank from 2; int8 and int4 too",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .needs_floats = true,
    .parse = dense_parse,
    .lower = dense_lower,
};

/* ---- Activation ---- */

static int activation_parse(struct keras_layer *layer, struct err *err)
{
    layer->params = keras_config_activation(layer, "activation", NULL);
    return 0;
}

static int activation_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    keras_call_return(call, 0, keras_activate(call, layer->params, call->inputs[0].value));
    return 0;
}

const struct keras_class keras_class_activation = {
    .names = (const char *const[]){"Activation", NULL},
    .family = "Core",
    .doc = "every activation function of Keras, by name, function object or layer",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .parse = activation_parse,
    .lower = activation_lower,
};

/* ---- EinsumDense ---- */

struct einsum_dense {
    const char *equation;
    double lora_scale;
    struct keras_quantized quantized;
    const struct keras_activation *activation;
};

static int einsum_dense_parse(struct keras_layer *layer, struct err *err)
{
    static const char *const ignored[] = {"output_shape", NULL}; /* read off the kernel */
    struct einsum_dense *einsum = keras_params(layer, sizeof(*einsum));
    if (!einsum)
        return 0;
    keras_config_ignore(layer, ignored);
    einsum->equation = keras_config_string(layer, "equation", NULL);
    if (!einsum->equation)
        return keras_config_fail(layer, "config key 'equation' is missing");
    einsum->lora_scale = keras_lora_scale(layer);
    keras_quantized_read(layer, &einsum->quantized);
    keras_quantized_declare(layer, &keras_quantized_kernel, einsum->lora_scale == 0);
    if (keras_config_has(layer, "bias_axes"))
        keras_declare_weight(layer, "bias", true);
    keras_quantized_declare_scales(layer, &einsum->quantized, &keras_quantized_kernel);
    if (einsum->lora_scale != 0)
        keras_lora_declare(layer, "lora_kernel_a", "lora_kernel_b");
    einsum->activation = keras_config_activation(layer, "activation", NULL);
    return 0;
}

/* The input's axes that the equation sums over: their letters are not in its result. */
static int summed_axes(const char *equation, int rank, int *axes)
{
    const char *end = strchr(equation, ','), *result = strstr(equation, "->");
    bool from_end = str_starts(equation, "...");
    int n = 0, at = 0, n_letters = 0;
    for (const char *c = equation; end && c < end; c++)
        n_letters += *c >= 'A';
    for (const char *c = equation; end && result && c < end; c++) {
        if (*c < 'A')
            continue;
        int axis = from_end ? rank - n_letters + at : at;
        at++;
        if (!strchr(result, *c) && axis >= 0 && axis < rank && n < SHAPE_MAX_RANK)
            axes[n++] = axis;
    }
    return n;
}

/* Quantised: the scales of the kernel have the axes of the result. */
static engine_value einsum_product(const struct keras_layer *layer, struct keras_call *call, engine_value kernel)
{
    const struct einsum_dense *einsum = layer->params;
    engine_value x = call->inputs[0].value;
    if (layer->quantized == KERAS_NOT_QUANTIZED || x == ENGINE_NONE)
        return engine_einsum(call->graph, einsum->equation, x, kernel);
    int axes[SHAPE_MAX_RANK];
    int n_axes = summed_axes(einsum->equation, engine_rank(call->graph, x), axes);
    if (n_axes > 0)
        x = keras_quantized_input(layer, call, &einsum->quantized, x, axes, n_axes);
    kernel = engine_cast(call->graph, kernel, layer->compute_dtype);
    engine_value y = engine_einsum(call->graph, einsum->equation, x, kernel);
    return engine_binary(call->graph, BINARY_DIVIDE, y, keras_weight(layer, call, "kernel_scale", -1));
}

static int einsum_dense_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct einsum_dense *einsum = layer->params;
    engine_value kernel = keras_weight(layer, call, "kernel", -1);
    kernel = keras_lora_apply(layer, call, kernel, "lora_kernel_a", "lora_kernel_b", einsum->lora_scale);
    engine_value y = einsum_product(layer, call, kernel);
    if (keras_weight_shape(layer, "bias"))
        y = engine_binary(call->graph, BINARY_ADD, y, keras_weight(layer, call, "bias", -1));
    keras_call_return(call, 0, keras_activate(call, einsum->activation, y));
    return 0;
}

const struct keras_class keras_class_einsum_dense = {
    .names = (const char *const[]){"EinsumDense", NULL},
    .family = "Core",
    .doc = "every equation of one input and the kernel; int8 too",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .needs_floats = true,
    .parse = einsum_dense_parse,
    .lower = einsum_dense_lower,
};

/* ---- Masking ---- */

static int masking_parse(struct keras_layer *layer, struct err *err)
{
    double *mask_value = keras_params(layer, sizeof(*mask_value));
    if (mask_value)
        *mask_value = keras_config_float(layer, "mask_value", 0);
    return 0;
}

/* A step is kept if any of its features differs from the mask value; the others become zero. */
static int masking_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const double *mask_value = layer->params;
    struct engine_graph *graph = call->graph;
    engine_value x = call->inputs[0].value;
    int last = x == ENGINE_NONE ? 0 : engine_rank(graph, x) - 1;
    engine_value differs = engine_binary(graph, BINARY_NOT_EQUAL, x, keras_scalar(call, x, *mask_value));
    engine_value keep = engine_reduce(graph, REDUCE_ANY, differs, &last, 1, true);
    engine_value y =
        engine_binary(graph, BINARY_MULTIPLY, x, engine_cast(graph, keep, engine_dtype(graph, x)));
    keras_call_return_masked(call, 0, y, engine_squeeze(graph, keep, &last, 1));
    return 0;
}

const struct keras_class keras_class_masking = {
    .names = (const char *const[]){"Masking", NULL},
    .family = "Core",
    .doc = "mask_value may be NaN or infinite",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .parse = masking_parse,
    .lower = masking_lower,
};

/* ---- Flatten, Reshape, Permute, RepeatVector ---- */

static int flatten_parse(struct keras_layer *layer, struct err *err)
{
    bool *channels_first = keras_params(layer, sizeof(*channels_first));
    if (channels_first)
        *channels_first = keras_config_channels_first(layer);
    return 0;
}

static int flatten_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const bool *channels_first = layer->params;
    const int64_t flat[] = {ENGINE_SAME_DIM(0), ENGINE_INFER}, column[] = {ENGINE_SAME_DIM(0), 1};
    engine_value x = call->inputs[0].value;
    int rank = x == ENGINE_NONE ? 0 : engine_rank(call->graph, x);
    if (*channels_first && rank > 2)
        x = keras_to_channels_last(call, x);
    keras_call_return(call, 0, engine_reshape(call->graph, x, rank == 1 ? column : flat, 2));
    return 0;
}

const struct keras_class keras_class_flatten = {
    .names = (const char *const[]){"Flatten", NULL},
    .family = "Core",
    .doc = "channels_first puts the channels last before it flattens, as Keras does",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = flatten_parse,
    .lower = flatten_lower,
};

struct dims {
    int n;
    int64_t dim[SHAPE_MAX_RANK];
};

static int reshape_parse(struct keras_layer *layer, struct err *err)
{
    struct dims *target = keras_params(layer, sizeof(*target));
    const cJSON *list = keras_json_unwrap(keras_config_json(layer, "target_shape"));
    const cJSON *item;
    if (!target)
        return 0;
    if (!cJSON_IsArray(list))
        return keras_config_fail(layer, "config key 'target_shape': expected a list of sizes");
    cJSON_ArrayForEach(item, list)
    {
        int64_t size = ENGINE_INFER;
        if (!cJSON_IsNull(item) && (!keras_json_int(item, &size) || size < -1))
            return keras_config_fail(layer, "config key 'target_shape': expected a list of sizes");
        if (target->n == SHAPE_MAX_RANK - 1)
            return keras_config_fail(layer, "more than %d axes are not served", SHAPE_MAX_RANK);
        target->dim[target->n++] = size;
    }
    return 0;
}

static int reshape_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct dims *target = layer->params;
    int64_t spec[SHAPE_MAX_RANK] = {ENGINE_SAME_DIM(0)};
    memcpy(spec + 1, target->dim, (size_t)target->n * sizeof(spec[0]));
    keras_call_return(call, 0, engine_reshape(call->graph, call->inputs[0].value, spec, target->n + 1));
    return 0;
}

const struct keras_class keras_class_reshape = {
    .names = (const char *const[]){"Reshape", NULL},
    .family = "Core",
    .doc = "one size may be -1",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = reshape_parse,
    .lower = reshape_lower,
};

static int permute_parse(struct keras_layer *layer, struct err *err)
{
    struct dims *dims = keras_params(layer, sizeof(*dims));
    bool used[SHAPE_MAX_RANK] = {false};
    if (!dims)
        return 0;
    dims->n = keras_config_axes(layer, "dims", dims->dim, SHAPE_MAX_RANK - 1);
    for (int i = 0; i < dims->n; i++) {
        if (dims->dim[i] < 1 || dims->dim[i] > dims->n || used[dims->dim[i]])
            return keras_config_fail(layer, "config key 'dims': expected each of 1 to %d once", dims->n);
        used[dims->dim[i]] = true;
    }
    return 0;
}

static int permute_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct dims *dims = layer->params;
    engine_value x = call->inputs[0].value;
    int permutation[SHAPE_MAX_RANK] = {0};
    if (x != ENGINE_NONE && engine_rank(call->graph, x) != dims->n + 1)
        return err_set(err, KD_EFORMAT, "dims has %d entries, the input has %d axes behind the batch",
                       dims->n, engine_rank(call->graph, x) - 1);
    for (int i = 0; i < dims->n; i++)
        permutation[i + 1] = (int)dims->dim[i];
    keras_call_return(call, 0, engine_transpose(call->graph, x, permutation));
    return 0;
}

const struct keras_class keras_class_permute = {
    .names = (const char *const[]){"Permute", NULL},
    .family = "Core",
    .doc = "axes behind the batch",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = permute_parse,
    .lower = permute_lower,
};

static int repeat_vector_parse(struct keras_layer *layer, struct err *err)
{
    int64_t *n = keras_params(layer, sizeof(*n));
    if (n)
        *n = keras_config_int(layer, "n", 1, 1);
    return 0;
}

static int repeat_vector_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const int64_t *n = layer->params;
    engine_value row = engine_expand_dims(call->graph, call->inputs[0].value, 1);
    keras_call_return(call, 0, engine_repeat(call->graph, row, 1, *n));
    return 0;
}

const struct keras_class keras_class_repeat_vector = {
    .names = (const char *const[]){"RepeatVector", NULL},
    .family = "Core",
    .doc = "(N, F) to (N, n, F)",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = repeat_vector_parse,
    .lower = repeat_vector_lower,
};
