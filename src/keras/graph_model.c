/* Graph: the model of Keras 0.3, which Keras 1.0 still wrote.
 *
 * Nodes with names take one node's output, or several through a merging layer, or share a layer that is called on
 * each. Its config becomes that of a functional model: the merging layers are written out under the names that
 * Keras gave them, since the weights are filed by those. A layer is called after its node, or after the output
 * that it feeds; its config tells which. */
#include <stdio.h>

#include "keras/build.h"
#include "keras/json.h"

#define NAME_MAX_GRAPH 200

struct graph {
    const cJSON *config;
    cJSON *layers;
    cJSON *refs; /* node name: what refers to its output */
    struct err *err;
};

static int broken(const struct graph *graph, const char *what)
{
    return err_set(graph->err, KD_EFORMAT, "a Graph model whose %s", what);
}

bool keras_is_graph(const cJSON *entry)
{
    return keras_json_is_class(entry, "Graph") && keras_json_get(keras_json_get(entry, "config"), "node_config");
}

static cJSON *reference(const char *name, int node)
{
    cJSON *ref = cJSON_CreateArray();
    cJSON_AddItemToArray(ref, cJSON_CreateString(name));
    cJSON_AddItemToArray(ref, cJSON_CreateNumber(node));
    cJSON_AddItemToArray(ref, cJSON_CreateNumber(0));
    return ref;
}

/* A layer under its name; nodes: one per call, taken over. The config is copied. */
static cJSON *add_layer(struct graph *graph, const char *class_name, const char *name, const cJSON *config,
                        cJSON *nodes)
{
    cJSON *layer = cJSON_CreateObject();
    cJSON *copy = config ? cJSON_Duplicate(config, 1) : cJSON_CreateObject();
    if (!cJSON_HasObjectItem(copy, "name"))
        cJSON_AddStringToObject(copy, "name", name);
    cJSON_AddStringToObject(layer, "class_name", class_name);
    cJSON_AddStringToObject(layer, "name", name);
    cJSON_AddItemToObject(layer, "config", copy);
    cJSON_AddItemToObject(layer, "inbound_nodes", nodes);
    cJSON_AddItemToArray(graph->layers, layer);
    return copy;
}

static int add_inputs(struct graph *graph, cJSON *input_layers)
{
    const cJSON *item, *size;
    cJSON_ArrayForEach(item, keras_json_get(graph->config, "input_config"))
    {
        const char *name = keras_json_string(item, "name");
        if (!name)
            return broken(graph, "input has no name");
        cJSON *config = add_layer(graph, "InputLayer", name, item, cJSON_CreateArray());
        if (!keras_json_get(config, "batch_input_shape")) {
            cJSON *shape = cJSON_AddArrayToObject(config, "batch_input_shape");
            cJSON_AddItemToArray(shape, cJSON_CreateNull());
            cJSON_ArrayForEach(size, keras_json_get(item, "input_shape"))
            {
                cJSON_AddItemToArray(shape, cJSON_Duplicate(size, 0));
            }
        }
        cJSON_DeleteItemFromObjectCaseSensitive(config, "input_shape");
        cJSON_AddItemToObject(graph->refs, name, reference(name, 0));
        cJSON_AddItemToArray(input_layers, reference(name, 0));
    }
    return 0;
}

/* The references of the nodes that are named in `names`, as one call of a layer. */
static int gather(struct graph *graph, const cJSON *names, cJSON **ret_node)
{
    cJSON *node = cJSON_CreateArray();
    const cJSON *item;
    cJSON_ArrayForEach(item, names)
    {
        const cJSON *ref = cJSON_IsString(item) ? keras_json_get(graph->refs, item->valuestring) : NULL;
        if (!ref) {
            cJSON_Delete(node);
            return broken(graph, "nodes are not in order");
        }
        cJSON_AddItemToArray(node, cJSON_Duplicate(ref, 1));
    }
    *ret_node = node;
    return 0;
}

/* A Merge of calls, by the keys of a node's or an output's config. */
static void add_merge(struct graph *graph, const char *name, const cJSON *from, cJSON *node)
{
    static const char *const keys[] = {"concat_axis", "dot_axes"};
    cJSON *nodes = cJSON_CreateArray();
    cJSON_AddItemToArray(nodes, node);
    cJSON *config = add_layer(graph, "Merge", name, NULL, nodes);
    const char *mode = keras_json_string(from, "merge_mode");
    cJSON_AddStringToObject(config, "mode", mode ? mode : "concat");
    cJSON_AddStringToObject(config, "mode_type", "raw");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (keras_json_get(from, keys[i]))
            cJSON_AddItemToObject(config, keys[i], cJSON_Duplicate(keras_json_get(from, keys[i]), 1));
}

static const cJSON *layer_of(const struct graph *graph, const char *node, const char **ret_name)
{
    const cJSON *entry = keras_json_get(keras_json_get(graph->config, "nodes"), node);
    *ret_name = keras_json_string(keras_json_get(entry, "config"), "name");
    return *ret_name && keras_json_string(entry, "class_name") ? entry : NULL;
}

static int add_node(struct graph *graph, const cJSON *item, const char *name)
{
    const char *layer_name, *input = keras_json_string(item, "input");
    const cJSON *entry = layer_of(graph, name, &layer_name);
    const cJSON *names = keras_json_get(item, "inputs"), *ref = input ? keras_json_get(graph->refs, input) : NULL;
    cJSON *node = NULL, *nodes;
    char merge[NAME_MAX_GRAPH];
    if (!entry || (input && !ref) || (!input && cJSON_GetArraySize(names) == 0))
        return broken(graph, "nodes are not complete");
    if (input) {
        node = cJSON_CreateArray();
        cJSON_AddItemToArray(node, cJSON_Duplicate(ref, 1));
    } else {
        if (gather(graph, names, &node) != 0)
            return graph->err->code;
        snprintf(merge, sizeof(merge), "merge_inputs_for_%.150s", name);
        add_merge(graph, merge, item, node);
        node = cJSON_CreateArray();
        cJSON_AddItemToArray(node, reference(merge, 0));
    }
    nodes = cJSON_CreateArray();
    cJSON_AddItemToArray(nodes, node);
    add_layer(graph, keras_json_string(entry, "class_name"), layer_name, keras_json_get(entry, "config"), nodes);
    cJSON_AddItemToObject(graph->refs, name, reference(layer_name, 0));
    return 0;
}

/* One output of a shared layer under a name of its own: Keras put a layer there that does nothing. */
static void add_alias(struct graph *graph, const char *node_name, cJSON *ref)
{
    const char *name = NULL;
    cJSON *nodes = cJSON_CreateArray(), *node = cJSON_CreateArray();
    if (!layer_of(graph, node_name, &name))
        name = node_name;
    cJSON_AddItemToArray(node, ref);
    cJSON_AddItemToArray(nodes, node);
    add_layer(graph, "Layer", name, NULL, nodes);
    cJSON_AddItemToObject(graph->refs, node_name, reference(name, 0));
}

/* One layer called on several nodes: merged, or each under a name of its own. */
static int add_shared(struct graph *graph, const cJSON *item, const char *name)
{
    const cJSON *entry = keras_json_get(item, "layer"), *outputs = keras_json_get(item, "outputs"), *output;
    const char *class_name = keras_json_string(entry, "class_name");
    const char *layer_name = keras_json_string(keras_json_get(entry, "config"), "name"), *merged = NULL;
    cJSON *calls, *nodes = cJSON_CreateArray(), *results = cJSON_CreateArray();
    if (!class_name || !layer_name || gather(graph, keras_json_get(item, "inputs"), &calls) != 0) {
        cJSON_Delete(nodes);
        cJSON_Delete(results);
        return broken(graph, "shared node is not complete");
    }
    int n = cJSON_GetArraySize(calls);
    for (int i = 0; i < n; i++) {
        cJSON *node = cJSON_CreateArray();
        cJSON_AddItemToArray(node, cJSON_DetachItemFromArray(calls, 0));
        cJSON_AddItemToArray(nodes, node);
        cJSON_AddItemToArray(results, reference(layer_name, i));
    }
    cJSON_Delete(calls);
    add_layer(graph, class_name, layer_name, keras_json_get(entry, "config"), nodes);
    if (keras_json_string(item, "merge_mode")) {
        if (!layer_of(graph, name, &merged))
            merged = name;
        add_merge(graph, merged, item, results);
        cJSON_AddItemToObject(graph->refs, name, reference(merged, 0));
        return 0;
    }
    cJSON_ArrayForEach(output, outputs)
    {
        if (cJSON_IsString(output) && cJSON_GetArraySize(results))
            add_alias(graph, output->valuestring, cJSON_DetachItemFromArray(results, 0));
    }
    cJSON_Delete(results);
    return 0;
}

static int add_nodes(struct graph *graph)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, keras_json_get(graph->config, "node_config"))
    {
        const char *name = keras_json_string(item, "name");
        if (!name)
            return broken(graph, "node has no name");
        bool shared = keras_json_get(item, "layer") != NULL;
        int rc = shared ? add_shared(graph, item, name) : add_node(graph, item, name);
        if (rc)
            return rc;
    }
    return 0;
}

static int add_outputs(struct graph *graph, cJSON *output_layers)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, keras_json_get(graph->config, "output_config"))
    {
        const char *name = keras_json_string(item, "name"), *input = keras_json_string(item, "input");
        const cJSON *ref = input ? keras_json_get(graph->refs, input) : NULL;
        cJSON *node = NULL;
        if (!name || (input && !ref))
            return broken(graph, "outputs are not complete");
        if (!input) {
            if (gather(graph, keras_json_get(item, "inputs"), &node) != 0)
                return graph->err->code;
            add_merge(graph, name, item, node);
        }
        cJSON_AddItemToArray(output_layers, input ? cJSON_Duplicate(ref, 1) : reference(name, 0));
    }
    return 0;
}

const cJSON *keras_graph_as_functional(struct keras_build *build, const cJSON *entry, struct err *err)
{
    cJSON *model = cJSON_CreateObject(), *config = cJSON_AddObjectToObject(model, "config");
    struct graph graph = {.config = keras_json_get(entry, "config"), .err = err};
    const cJSON *nodes = keras_json_get(entry, "inbound_nodes");
    const char *name = keras_json_string(entry, "name");
    if (!config || !keras_build_own(build, model)) {
        err_set(err, KD_ENOMEM, "out of memory");
        return NULL;
    }
    cJSON_AddStringToObject(model, "class_name", "Model");
    cJSON_AddStringToObject(model, "name", name ? name : "graph");
    graph.refs = cJSON_AddObjectToObject(model, "refs");
    graph.layers = cJSON_AddArrayToObject(config, "layers");
    cJSON *inputs = cJSON_AddArrayToObject(config, "input_layers");
    cJSON *outputs = cJSON_AddArrayToObject(config, "output_layers");
    if (add_inputs(&graph, inputs) != 0 || add_nodes(&graph) != 0 || add_outputs(&graph, outputs) != 0)
        return NULL;
    if (nodes)
        cJSON_AddItemToObject(model, "inbound_nodes", cJSON_Duplicate(nodes, 1));
    return model;
}
