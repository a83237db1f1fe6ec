/* Activations: the functions that a config may name, and how each lowers.
 *
 * A config names one by a string, by a serialised function object, by a registered name ("Addons>mish"), by
 * the class name of an activation layer, or by a whole layer object. Strings and functions come from one
 * table; layers become children of the layer that uses them, so that a PReLU there finds its weights. Where
 * generations differ (hard_sigmoid) the writer of the file decides. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/size.h"
#include "base/str.h"
#include "keras/build.h"
#include "keras/json.h"
#include "keras/sidecar.h"

enum activation_kind { ACTIVATION_UNARY, ACTIVATION_SOFTMAX, ACTIVATION_LOG_SOFTMAX, ACTIVATION_GLU,
                       ACTIVATION_SPARSEMAX, ACTIVATION_LAYER };

struct keras_activation {
    enum activation_kind kind;
    struct unary unary;
    const struct keras_layer *layer; /* ACTIVATION_LAYER */
};

struct activation_name {
    const char *name;
    struct keras_activation activation;
};

#define PLAIN(name, kind) {name, {ACTIVATION_UNARY, {UNARY_##kind, 0, 0, 0}, NULL}}
#define WITH(name, kind, a) {name, {ACTIVATION_UNARY, {UNARY_##kind, a, 0, 0}, NULL}}
#define OTHER(name, kind) {name, {kind, {UNARY_LINEAR, 0, 0, 0}, NULL}}

static const struct activation_name table[] = {
    PLAIN("linear", LINEAR),
    PLAIN("relu", RELU),
    PLAIN("relu6", RELU6),
    PLAIN("sigmoid", SIGMOID),
    PLAIN("hard_sigmoid", HARD_SIGMOID_2),
    PLAIN("tanh", TANH),
    PLAIN("softplus", SOFTPLUS),
    PLAIN("softsign", SOFTSIGN),
    WITH("elu", ELU, 1.0f),
    PLAIN("selu", SELU),
    PLAIN("exponential", EXP),
    PLAIN("swish", SILU),
    PLAIN("silu", SILU),
    PLAIN("gelu", GELU),
    PLAIN("mish", MISH),
    WITH("leaky_relu", LEAKY_RELU, 0.2f),
    PLAIN("hard_silu", HARD_SILU),
    PLAIN("hard_swish", HARD_SILU),
    PLAIN("hswish", HARD_SILU),
    PLAIN("hard_tanh", HARD_TANH),
    WITH("hard_shrink", HARD_SHRINK, 0.5f),
    WITH("soft_shrink", SOFT_SHRINK, 0.5f),
    PLAIN("tanh_shrink", TANH_SHRINK),
    WITH("celu", CELU, 1.0f),
    PLAIN("log_sigmoid", LOG_SIGMOID),
    PLAIN("sparse_plus", SPARSE_PLUS),
    PLAIN("sparse_sigmoid", SPARSE_SIGMOID),
    WITH("squareplus", SQUAREPLUS, 4.0f),
    OTHER("softmax", ACTIVATION_SOFTMAX),
    OTHER("softmax_v2", ACTIVATION_SOFTMAX),
    OTHER("log_softmax", ACTIVATION_LOG_SOFTMAX),
    OTHER("log_softmax_v2", ACTIVATION_LOG_SOFTMAX),
    OTHER("glu", ACTIVATION_GLU),
    OTHER("sparsemax", ACTIVATION_SPARSEMAX),
};

/* Keras 3 changed one formula; a file means the one of the Keras that wrote it. */
static const struct keras_activation hard_sigmoid_3 = {
    ACTIVATION_UNARY, {UNARY_HARD_SIGMOID_3, 0, 0, 0}, NULL};

static const struct keras_activation *hard_sigmoid(const struct keras_layer *layer,
                                                   const struct keras_activation *keras_2)
{
    bool keras_3 = layer->writer->family == KERAS_3;
    keras_rule(layer->build, "hard_sigmoid: %s",
               keras_3 ? "relu6(x + 3) / 6, as Keras 3 has it"
                       : "clip(0.2 x + 0.5, 0, 1), as Keras 1 and 2 have it");
    return keras_3 ? &hard_sigmoid_3 : keras_2;
}

const struct keras_activation *keras_activation_by_name(const struct keras_layer *layer, const char *name)
{
    if (str_starts(name, "Addons>") && !str_equal(name, "Addons>gelu")) /* that one's formula changed */
        name += strlen("Addons>");
    for (size_t i = 0; i < KD_COUNT(table); i++) {
        if (strcmp(table[i].name, name) != 0)
            continue;
        if (table[i].activation.unary.kind == UNARY_HARD_SIGMOID_2)
            return hard_sigmoid(layer, &table[i].activation);
        return &table[i].activation;
    }
    return NULL;
}

static const struct keras_activation *from_layer(struct keras_layer *layer, const cJSON *entry)
{
    struct keras_layer *child = keras_declare_child(layer, entry);
    struct keras_activation *activation = arena_alloc(layer->arena, sizeof(*activation));
    if (!child || !activation)
        return NULL;
    activation->kind = child->unary ? ACTIVATION_UNARY : ACTIVATION_LAYER;
    if (child->unary)
        activation->unary = *child->unary;
    activation->layer = child;
    return activation;
}

/* The bare class name of a layer: that layer with its defaults. */
static const struct keras_activation *from_class_name(struct keras_layer *layer, const char *name)
{
    cJSON *entry = cJSON_CreateObject();
    cJSON *config = entry ? cJSON_AddObjectToObject(entry, "config") : NULL;
    bool made = config && cJSON_AddStringToObject(entry, "class_name", name) &&
                cJSON_AddStringToObject(config, "name", name);
    if (!made) {
        cJSON_Delete(entry);
        return NULL;
    }
    return keras_build_own(layer->build, entry) ? from_layer(layer, entry) : NULL;
}

static const struct keras_activation *from_string(struct keras_layer *layer, const char *key,
                                                  const char *name)
{
    const char *alias = keras_sidecar_alias(layer->build, name);
    const struct keras_activation *activation = keras_activation_by_name(layer, alias ? alias : name);
    if (activation)
        return activation;
    const struct keras_class *class = keras_class_find(name);
    if (class && strcmp(class->family, "Activation") == 0)
        return from_class_name(layer, name);
    keras_config_fail(layer,
                      "config key '%s': the activation \"%.60s\" is not one of Keras's own. If it is one by "
                      "another name, say so in the sidecar file: {\"classes\": {\"%.60s\": {\"alias\": "
                      "\"relu\"}}}",
                      key, name, name);
    return NULL;
}

/* {"class_name": "function", "config": "relu"}, {"class_name": "package>f"} or a layer with its config. */
static const struct keras_activation *from_object(struct keras_layer *layer, const char *key,
                                                  const cJSON *item)
{
    const char *class_name = keras_json_string(item, "class_name");
    const cJSON *config = keras_json_get(item, "config");
    char text[KERAS_JSON_BRIEF];
    if (class_name && strcmp(class_name, "function") == 0 && cJSON_IsString(config))
        return from_string(layer, key, config->valuestring);
    if (class_name && cJSON_IsObject(config) && keras_class_find(class_name))
        return from_layer(layer, item);
    if (class_name && strcmp(class_name, "function") != 0)
        return from_string(layer, key, class_name);
    keras_config_fail(layer, "config key '%s': %s is not an activation that we know", key,
                      keras_json_brief(item, text, sizeof(text)));
    return NULL;
}

const struct keras_activation *keras_config_activation(struct keras_layer *layer, const char *key,
                                                       const char *absent)
{
    const cJSON *item = keras_config_json(layer, key);
    const struct keras_activation *activation = NULL;
    bool present = keras_json_get(layer->config, key) != NULL;
    if (cJSON_IsString(item))
        activation = from_string(layer, key, item->valuestring);
    else if (cJSON_IsObject(item))
        activation = from_object(layer, key, item);
    else if (item)
        keras_config_fail(layer, "config key '%s': expected the name of an activation", key);
    else if (!present && absent)
        activation = from_string(layer, key, absent);
    bool linear =
        activation && activation->kind == ACTIVATION_UNARY && activation->unary.kind == UNARY_LINEAR;
    return linear ? NULL : activation;
}

static engine_value activate_layer(struct keras_call *call, const struct keras_layer *layer, engine_value x)
{
    struct keras_tensor input = {x, ENGINE_NONE};
    struct keras_tensor *outputs = arena_calloc(layer->arena, KERAS_MAX_OUTPUTS, sizeof(*outputs));
    size_t n_outputs;
    struct err err;
    if (!outputs)
        return engine_graph_fail(call->graph, KD_ENOMEM, "out of memory");
    if (keras_call_child(layer, call, &input, 1, outputs, &n_outputs, &err) != 0)
        return engine_graph_fail(call->graph, err.code, "%s", err.text);
    return outputs[0].value;
}

/* Two halves a, b of the last axis: a * sigmoid(b). */
static engine_value activate_glu(struct engine_graph *graph, engine_value x)
{
    int last = engine_rank(graph, x) - 1;
    int64_t size = x == ENGINE_NONE ? 0 : engine_dim(graph, x, last);
    if (x != ENGINE_NONE && (size < 2 || size % 2))
        return engine_graph_fail(graph, KD_EUNSUPPORTED,
                                 "glu needs an even size of the last axis, found %lld", (long long)size);
    engine_value a = engine_slice(graph, x, last, 0, size / 2, 1);
    engine_value b = engine_slice(graph, x, last, size / 2, size, 1);
    struct unary sigmoid = {.kind = UNARY_SIGMOID};
    return engine_binary(graph, BINARY_MULTIPLY, a, engine_unary(graph, sigmoid, b));
}

engine_value keras_unary(struct keras_call *call, struct unary function, engine_value x)
{
    enum dtype dtype = x == ENGINE_NONE ? DTYPE_FLOAT32 : engine_dtype(call->graph, x);
    bool keeps = function.kind == UNARY_RELU || function.kind == UNARY_RELU6 || function.kind == UNARY_RELU_GENERAL;
    if (dtype_is_float(dtype) || function.kind == UNARY_LINEAR)
        return engine_unary(call->graph, function, x);
    engine_value y = engine_unary(call->graph, function, engine_cast(call->graph, x, DTYPE_FLOAT32));
    return keeps ? engine_cast(call->graph, y, dtype) : y;
}

engine_value keras_activate(struct keras_call *call, const struct keras_activation *activation,
                            engine_value x)
{
    if (!activation || x == ENGINE_NONE)
        return x;
    int last = engine_rank(call->graph, x) - 1;
    switch (activation->kind) {
    case ACTIVATION_SOFTMAX:
    case ACTIVATION_LOG_SOFTMAX:
        return engine_softmax(call->graph, x, &last, 1, activation->kind == ACTIVATION_LOG_SOFTMAX);
    case ACTIVATION_GLU:
        return activate_glu(call->graph, x);
    case ACTIVATION_SPARSEMAX:
        return engine_sparsemax(call->graph, x);
    case ACTIVATION_LAYER:
        return activate_layer(call, activation->layer, x);
    case ACTIVATION_UNARY:
        break;
    }
    return keras_unary(call, activation->unary, x);
}

bool keras_activation_is_softmax(const struct keras_activation *activation)
{
    return activation && activation->kind == ACTIVATION_SOFTMAX;
}

bool keras_activation_unary(const struct keras_activation *activation, struct unary *ret)
{
    static const struct unary linear = {.kind = UNARY_LINEAR};
    if (activation && activation->kind != ACTIVATION_UNARY)
        return false;
    *ret = activation ? activation->unary : linear;
    return true;
}
