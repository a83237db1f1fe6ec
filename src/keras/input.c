/* Inputs: what a model says about its inputs' names, types and shapes.
 *
 * Functional models have InputLayers. A Sequential has one since TensorFlow 2.2; before that the first layer
 * carries batch_input_shape, or is a model with inputs of its own, or nothing says it at all. The batch axis
 * is always left open: fixed batch sizes are a matter of stateful training. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/size.h"
#include "keras/json.h"
#include "keras/topology.h"

static bool read_shape(const cJSON *list, struct shape *ret)
{
    const cJSON *item;
    ret->rank = 0;
    cJSON_ArrayForEach(item, list)
    {
        int64_t size = SHAPE_UNKNOWN;
        if (ret->rank == SHAPE_MAX_RANK)
            return false;
        if (!cJSON_IsNull(item) && (!keras_json_int(item, &size) || size < 0))
            return false;
        ret->dim[ret->rank++] = size;
    }
    if (ret->rank > 0)
        ret->dim[0] = SHAPE_UNKNOWN;
    return true;
}

bool keras_input_read(struct keras_layer *layer, const cJSON *config, struct keras_input *ret)
{
    static const char *const keys[] = {"batch_input_shape", "batch_shape", "build_input_shape"};
    static const char *const rows[] = {"shape", "input_shape"};
    char text[KERAS_JSON_BRIEF];
    const cJSON *list = NULL;
    bool good = true;
    for (size_t i = 0; i < KD_COUNT(keys) && !cJSON_IsArray(list); i++) {
        list = keras_json_unwrap(keras_json_get(config, keys[i]));
        if (i < 2 && list && !cJSON_IsArray(list) && !cJSON_IsNull(list)) {
            keras_config_fail(layer, "config key '%s': expected a list of sizes, found %s", keys[i],
                              keras_json_brief(list, text, sizeof(text)));
            return false;
        }
    }
    if (cJSON_IsArray(list)) {
        good = read_shape(list, &ret->shape) && ret->shape.rank > 0;
    } else {
        /* Written by hand: without the batch axis. */
        for (size_t i = 0; i < KD_COUNT(rows) && !cJSON_IsArray(list); i++)
            list = keras_json_unwrap(keras_json_get(config, rows[i]));
        if (!cJSON_IsArray(list))
            return false;
        good = read_shape(list, &ret->shape) && ret->shape.rank < SHAPE_MAX_RANK;
    }
    if (!good) {
        keras_config_fail(layer,
                          "the input shape %s: expected a list of at most %d sizes, each null or from 0 on",
                          keras_json_brief(list, text, sizeof(text)), SHAPE_MAX_RANK);
        return false;
    }
    return true;
}

static int input_parse(struct keras_layer *layer, struct err *err)
{
    static const char *const keys[] = {"batch_input_shape", "batch_shape", "shape",
                                       "input_tensor",      "type_spec",   NULL};
    struct keras_input *input = keras_params(layer, sizeof(*input));
    if (!input)
        return 0;
    keras_config_ignore(layer, keys);
    if (keras_config_bool(layer, "ragged", false))
        return keras_config_fail(layer, "ragged inputs are not served");
    if (keras_config_bool(layer, "sparse", false))
        keras_warn(layer->build, layer, "a sparse input is served with dense data");
    input->has_shape = keras_input_read(layer, layer->config, input);
    input->dtype = layer->compute_dtype;
    /* Keras 1's key. */
    const char *old = keras_config_string(layer, "input_dtype", NULL);
    if (old && dtype_from_name(old) != DTYPE_INVALID)
        input->dtype = dtype_from_name(old);
    return 0;
}

const struct keras_class keras_class_input_layer = {
    .names = (const char *const[]){"InputLayer", NULL},
    .family = "Core",
    .doc = "any sizes may be open; ragged inputs are refused, sparse ones take dense data",
    .support = KERAS_IDENTITY,
    .mask = KERAS_MASK_PASS,
    .parse = input_parse,
};

/* The input of a Sequential that does not start with an InputLayer. */
static bool input_of_first(const struct keras_layer *model, struct keras_layer *first,
                           struct keras_input *ret, const char **ret_name)
{
    *ret_name = arena_printf(model->arena, "%s_input", first->name);
    if (first->state->is_model && keras_input_of(first, 0, ret, ret_name))
        return true;
    ret->dtype = dtype_is_int(first->variable_dtype) ? first->variable_dtype : DTYPE_FLOAT32;
    if (dtype_is_float(first->variable_dtype) && first->variable_dtype == first->compute_dtype)
        ret->dtype = first->variable_dtype;
    const char *old = keras_json_string(first->config, "input_dtype");
    if (old && dtype_from_name(old) != DTYPE_INVALID)
        ret->dtype = dtype_from_name(old);
    return keras_input_read(first, first->config, ret) || keras_input_read(first, model->config, ret);
}

bool keras_input_of(const struct keras_layer *model, size_t i, struct keras_input *ret, const char **ret_name)
{
    const struct keras_topology *topology = model->params;
    const struct keras_port *port = &topology->inputs[i];
    const struct keras_node *node = &topology->nodes[topology->refs.items[port->ref].node];
    *ret = (struct keras_input){.dtype = DTYPE_FLOAT32};
    if (node->layer == SIZE_MAX)
        return input_of_first(model, model->children[0], ret, ret_name);
    const struct keras_layer *layer = model->children[node->layer];
    const struct keras_input *input = layer->params;
    *ret_name = port->key ? port->key : layer->name;
    if (input)
        *ret = *input;
    if (ret->has_shape)
        return true;
    return topology->n_inputs == 1 && model->n_children > 1 &&
           keras_input_read(model->children[1], model->config, ret);
}
