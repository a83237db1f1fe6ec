/* Merge at the head of a Sequential (Keras 1, and Keras 2 up to 2.1): its config holds the models that it
 * merges.
 *
 *   [Merge{layers: [model, model]}, Dense, ...]  ──►  one flat functional model
 *
 * Keras files the weights of such a model by the layers of its branches, not by the branches, so the branches
 * are spread out: a chain gets an InputLayer before it, a functional branch gives its layers as they are.
 * Branches may have such heads themselves; that depth is bounded. */
#include <stdio.h>

#include "base/size.h"
#include "keras/build.h"
#include "keras/json.h"

struct spread {
    cJSON *layers, *inputs; /* of the functional model */
    size_t n_nameless;
    struct err *err;
};

static int no_memory(struct err *err)
{
    return err_set(err, KD_ENOMEM, "out of memory");
}

/* The layers of a Sequential's entry, NULL for other classes. */
static const cJSON *chain_of(const cJSON *entry)
{
    const cJSON *config = keras_json_get(entry, "config");
    if (!keras_json_is_class(entry, "Sequential"))
        return NULL;
    const cJSON *layers = cJSON_IsArray(config) ? config : keras_json_get(config, "layers");
    return cJSON_IsArray(layers) ? layers : NULL;
}

static const cJSON *merged_models(const cJSON *entry)
{
    const cJSON *layers = keras_json_get(keras_json_get(entry, "config"), "layers");
    return entry && keras_json_is_class(entry, "Merge") && cJSON_IsArray(layers) ? layers : NULL;
}

/* The Merge may stand at the head of the Sequential at the head, and so on. */
bool keras_has_merge_head(const cJSON *entry)
{
    for (const cJSON *chain = chain_of(entry); chain; chain = chain_of(entry)) {
        entry = chain->child;
        if (merged_models(entry))
            return true;
    }
    return false;
}

static cJSON *reference(const char *name)
{
    cJSON *ref = cJSON_CreateArray();
    if (ref) {
        cJSON_AddItemToArray(ref, cJSON_CreateString(name));
        cJSON_AddItemToArray(ref, cJSON_CreateNumber(0));
        cJSON_AddItemToArray(ref, cJSON_CreateNumber(0));
    }
    return ref;
}

/* Keras 1 does not name a Sequential in a Sequential: it gets a name that no file holds, so that the weights
 * are bound in order. */
static const char *name_of(struct spread *spread, const cJSON *entry, char *text, size_t size)
{
    const char *name = keras_json_string(keras_json_get(entry, "config"), "name");
    name = name ? name : keras_json_string(entry, "name");
    if (name || !chain_of(entry))
        return name;
    snprintf(text, size, "(sequential %zu)", ++spread->n_nameless);
    return text;
}

/* Adds a layer that is called once, on `from` (taken over; NULL: on nothing). *ret_output: what refers to it.
 */
static int add_layer(struct spread *spread, const cJSON *entry, cJSON *from, cJSON **ret_output)
{
    char text[40];
    const char *name = name_of(spread, entry, text, sizeof(text));
    cJSON *copy = cJSON_Duplicate(entry, 1), *nodes = cJSON_CreateArray();
    if (!name || !copy || !nodes) {
        cJSON_Delete(copy);
        cJSON_Delete(nodes);
        cJSON_Delete(from);
        return name ? no_memory(spread->err) : err_set(spread->err, KD_EFORMAT, "a layer without a name");
    }
    cJSON_DeleteItemFromObjectCaseSensitive(copy, "name");
    cJSON_AddStringToObject(copy, "name", name);
    if (from)
        cJSON_AddItemToArray(nodes, from);
    cJSON_AddItemToObject(copy, "inbound_nodes", nodes);
    cJSON_AddItemToArray(spread->layers, copy);
    *ret_output = reference(name);
    return *ret_output ? 0 : no_memory(spread->err);
}

static cJSON *list_of(cJSON *item)
{
    cJSON *list = cJSON_CreateArray();
    if (list && item)
        cJSON_AddItemToArray(list, item);
    return list;
}

/* What the config of the first layer says about the model's input; that layer may be a model again. */
static const cJSON *first_config(const cJSON *entry)
{
    for (int depth = 0; depth < KERAS_MAX_NESTING; depth++) {
        const cJSON *config = keras_json_get(entry, "config"), *layers = keras_json_get(config, "layers");
        layers = cJSON_IsArray(config) ? config : layers;
        if (!layers)
            return config;
        entry = layers->child;
    }
    return NULL;
}

static int add_input_layer(struct spread *spread, const cJSON *first, cJSON **ret_output)
{
    static const char *const keys[] = {"batch_input_shape", "input_dtype", "dtype"};
    const cJSON *from = first_config(first);
    const char *name = keras_json_string(from, "name");
    char text[200];
    if (!name || !keras_json_get(from, "batch_input_shape"))
        return err_set(spread->err, KD_EFORMAT, "a merged model does not tell the shape of its input");
    snprintf(text, sizeof(text), "%.180s_input", name);
    cJSON *entry = cJSON_CreateObject(), *config = cJSON_AddObjectToObject(entry, "config");
    cJSON_AddStringToObject(entry, "class_name", "InputLayer");
    cJSON_AddStringToObject(config, "name", text);
    for (size_t i = 0; i < KD_COUNT(keys); i++)
        if (keras_json_get(from, keys[i]))
            cJSON_AddItemToObject(config, keys[i], cJSON_Duplicate(keras_json_get(from, keys[i]), 1));
    int rc = add_layer(spread, entry, NULL, ret_output);
    cJSON_Delete(entry);
    if (rc == 0)
        cJSON_AddItemToArray(spread->inputs, cJSON_Duplicate(*ret_output, 1));
    return rc;
}

static int spread_chain(struct spread *spread, const cJSON *first, bool whole, int depth, cJSON **ret_output);

/* A functional branch: its layers, its inputs and its first output. */
static int spread_graph(struct spread *spread, const cJSON *config, cJSON **ret_output)
{
    const cJSON *item, *outputs = keras_json_get(config, "output_layers");
    cJSON_ArrayForEach(item, keras_json_get(config, "layers"))
    {
        cJSON_AddItemToArray(spread->layers, cJSON_Duplicate(item, 1));
    }
    cJSON_ArrayForEach(item, keras_json_get(config, "input_layers"))
    {
        cJSON_AddItemToArray(spread->inputs, cJSON_Duplicate(item, 1));
    }
    *ret_output = cJSON_Duplicate(outputs ? outputs->child : NULL, 1);
    return *ret_output ? 0 : err_set(spread->err, KD_EFORMAT, "a merged model has no output");
}

static int spread_merge(struct spread *spread, const cJSON *merge, int depth, cJSON **ret_output)
{
    const cJSON *branch;
    cJSON *from = cJSON_CreateArray(), *entry = cJSON_Duplicate(merge, 1);
    int rc = from && entry && depth < KERAS_MAX_NESTING ? 0 : no_memory(spread->err);
    cJSON_ArrayForEach(branch, merged_models(merge))
    {
        cJSON *output = NULL;
        const cJSON *config = keras_json_get(branch, "config"), *chain = chain_of(branch);
        if (rc == 0 && keras_json_get(config, "input_layers"))
            rc = spread_graph(spread, config, &output);
        else if (rc == 0)
            rc = spread_chain(spread, chain ? chain->child : branch, chain != NULL, depth + 1, &output);
        if (rc == 0)
            cJSON_AddItemToArray(from, output);
    }
    cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(entry, "config"), "layers");
    if (rc == 0)
        rc = add_layer(spread, entry, from, ret_output);
    else
        cJSON_Delete(from);
    cJSON_Delete(entry);
    return rc;
}

/* A Sequential with such a head at the head of another stays a model: it is called on inputs like its own. */
static int spread_nested(struct spread *spread, const cJSON *first, int depth, cJSON **ret_output)
{
    struct spread inner = {cJSON_CreateArray(), cJSON_CreateArray(), 0, spread->err};
    cJSON *output = NULL, *from = cJSON_CreateArray();
    const cJSON *entry;
    int rc = depth < KERAS_MAX_NESTING ? spread_chain(&inner, chain_of(first)->child, true, depth + 1, &output)
                                       : no_memory(spread->err);
    cJSON_ArrayForEach(entry, inner.layers)
    {
        cJSON *input = NULL;
        if (rc != 0 || !keras_json_is_class(entry, "InputLayer"))
            continue;
        rc = add_layer(spread, entry, NULL, &input);
        cJSON_AddItemToArray(spread->inputs, cJSON_Duplicate(input, 1));
        cJSON_AddItemToArray(from, input);
    }
    cJSON_Delete(output);
    cJSON_Delete(inner.layers);
    cJSON_Delete(inner.inputs);
    if (rc == 0)
        return add_layer(spread, first, from, ret_output);
    cJSON_Delete(from);
    return rc;
}

/* What stands first: *ret_done if that was the layer itself and not an input for it. */
static int spread_first(struct spread *spread, const cJSON *first, int depth, bool *ret_done, cJSON **ret_output)
{
    *ret_done = true;
    if (merged_models(first))
        return spread_merge(spread, first, depth, ret_output);
    if (keras_has_merge_head(first))
        return spread_nested(spread, first, depth, ret_output);
    *ret_done = first && keras_json_is_class(first, "InputLayer");
    int rc = *ret_done ? add_layer(spread, first, NULL, ret_output) : add_input_layer(spread, first, ret_output);
    if (rc == 0 && *ret_done)
        cJSON_AddItemToArray(spread->inputs, cJSON_Duplicate(*ret_output, 1));
    return rc;
}

/* One layer behind the other; whole: with those behind `first`. */
static int spread_chain(struct spread *spread, const cJSON *first, bool whole, int depth, cJSON **ret_output)
{
    cJSON *output = NULL;
    bool done;
    int rc = spread_first(spread, first, depth, &done, &output);
    const cJSON *entry = !done ? first : whole ? first->next : NULL;
    for (; rc == 0 && entry; entry = whole ? entry->next : NULL)
        rc = add_layer(spread, entry, list_of(output), &output);
    if (rc == 0)
        *ret_output = output;
    return rc;
}

const cJSON *keras_spread_merge_head(struct keras_build *build, const cJSON *entry, struct err *err)
{
    cJSON *model = cJSON_CreateObject(), *config = cJSON_AddObjectToObject(model, "config"), *output = NULL;
    const char *name = keras_json_string(entry, "name");
    struct spread spread = {.err = err};
    if (!config || !keras_build_own(build, model)) {
        no_memory(err);
        return NULL;
    }
    cJSON_AddStringToObject(model, "class_name", "Model");
    cJSON_AddStringToObject(model, "name", name ? name : "sequential");
    spread.layers = cJSON_AddArrayToObject(config, "layers");
    spread.inputs = cJSON_AddArrayToObject(config, "input_layers");
    if (spread_chain(&spread, chain_of(entry)->child, true, 0, &output) != 0)
        return NULL;
    cJSON_AddItemToObject(config, "output_layers", list_of(output));
    const cJSON *nodes = keras_json_get(entry, "inbound_nodes");
    if (nodes)
        cJSON_AddItemToObject(model, "inbound_nodes", cJSON_Duplicate(nodes, 1));
    return model;
}
