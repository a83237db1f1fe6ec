/* Functional: a model given as layers, nodes and references.
 *
 * The nodes of a layer are numbered in the order of its inbound_nodes, but a model used as a layer may start
 * at 1: its own construction took number 0. Which base holds depends on the writer and even on the place
 * (Keras 3 counts from 0 in arguments and from 1 in output_layers), so it is found from the whole set of
 * references: base 1 if one of them reaches the number of nodes or none is 0. With the bases known,
 * references are resolved and the nodes ordered. Layers that no output needs (losses, metrics, loose ends)
 * may be unknown classes: they are never called. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/map.h"
#include "keras/json.h"
#include "keras/topology.h"

/* The numbers by which a layer's nodes are referred to. */
struct usage {
    bool any, zero, beyond;
};

/* What is known of a child before it is made. */
struct entry {
    const cJSON *json;
    const char *name;
    size_t first_node, n_nodes;
    bool is_model;
    bool needed;
    struct usage usage[2]; /* in arguments; in output_layers (Keras 3; else all in the first) */
    int base[2];
};

struct functional {
    struct keras_layer *layer;
    struct keras_topology *topology;
    struct keras_reader reader;
    struct map *names;
    size_t n_entries;
    struct entry *entries;
};

static int no_memory(struct err *err)
{
    return err_set(err, KD_ENOMEM, "out of memory");
}

static const cJSON *nodes_of(const cJSON *entry)
{
    const cJSON *nodes = keras_json_get(entry, "inbound_nodes");
    return cJSON_IsArray(nodes) ? nodes : NULL;
}

static bool is_input_layer(const cJSON *entry)
{
    return keras_json_is_class(entry, "InputLayer");
}

static int add_entry(struct functional *f, const cJSON *json, struct err *err)
{
    struct entry *entry = &f->entries[f->n_entries];
    const cJSON *config = keras_json_get(json, "config");
    int n_nodes = cJSON_GetArraySize(nodes_of(json));
    entry->json = json;
    entry->name = keras_json_string(json, "name");
    entry->name = entry->name ? entry->name : keras_json_string(config, "name");
    entry->is_model = keras_json_get(config, "layers") != NULL || cJSON_IsArray(config);
    entry->n_nodes = n_nodes == 0 && is_input_layer(json) ? 1 : (size_t)n_nodes;
    entry->first_node = f->topology->n_nodes;
    f->topology->n_nodes += entry->n_nodes;
    if (!entry->name)
        return err_set(err, KD_EFORMAT, "layer number %zu has no name", f->n_entries);
    if (map_get(f->names, entry->name))
        return err_set(err, KD_EFORMAT, "two layers have the name '%.100s'", entry->name);
    f->n_entries++;
    return map_set(f->names, entry->name, (void *)(uintptr_t)f->n_entries) == 0 ? 0 : no_memory(err);
}

static int read_entries(struct functional *f, const cJSON *layers, struct err *err)
{
    const cJSON *item;
    size_t n = (size_t)cJSON_GetArraySize(layers);
    f->entries = arena_calloc(f->layer->arena, n + 1, sizeof(*f->entries));
    int rc = f->entries ? 0 : no_memory(err);
    cJSON_ArrayForEach(item, layers)
    {
        if (rc == 0)
            rc = add_entry(f, item, err);
    }
    if (rc == 0) {
        f->topology->nodes =
            arena_calloc(f->layer->arena, f->topology->n_nodes + 1, sizeof(struct keras_node));
        rc = f->topology->nodes ? 0 : no_memory(err);
    }
    return rc;
}

/* An operation of TensorFlow gets its first argument as it was given: a list of one stays a list. */
static bool keeps_list(const cJSON *entry)
{
    return keras_json_is_class(entry, "TFOpLambda");
}

static int read_nodes_of(struct functional *f, size_t index, struct err *err)
{
    const struct entry *entry = &f->entries[index];
    const cJSON *item;
    size_t call = 0;
    int rc = 0;
    for (size_t i = 0; i < entry->n_nodes; i++)
        f->topology->nodes[entry->first_node + i] =
            (struct keras_node){.layer = index, .call = i, .input = -1};
    cJSON_ArrayForEach(item, nodes_of(entry->json))
    {
        struct keras_node *node = &f->topology->nodes[entry->first_node + call++];
        if (rc == 0)
            rc = keras_read_node(&f->reader, item, keeps_list(entry->json), node, err);
        if (rc != 0)
            return err_wrap(err, "layer '%.100s'", entry->name);
    }
    return rc;
}

/* Base 1 if a reference reaches the number of nodes, or if there are references and none is 0. */
static void find_bases(struct functional *f)
{
    const struct keras_refs *refs = &f->topology->refs;
    bool keras_3 = f->reader.build->writer.family == KERAS_3;
    for (size_t i = 0; i < refs->n; i++) {
        const struct keras_ref *ref = &refs->items[i];
        struct entry *entry = &f->entries[ref->layer];
        struct usage *usage = &entry->usage[keras_3 && ref->of_outputs];
        usage->any = true;
        usage->zero |= ref->written == 0;
        usage->beyond |= ref->written == (int64_t)entry->n_nodes;
    }
    for (size_t i = 0; i < f->n_entries; i++)
        for (int place = 0; f->entries[i].is_model && place < 2; place++) {
            const struct usage *usage = &f->entries[i].usage[keras_3 ? place : 0];
            f->entries[i].base[place] = usage->any && (usage->beyond || !usage->zero);
        }
}

static int resolve(struct functional *f, struct err *err)
{
    struct keras_refs *refs = &f->topology->refs;
    find_bases(f);
    for (size_t i = 0; i < refs->n; i++) {
        struct keras_ref *ref = &refs->items[i];
        const struct entry *entry = &f->entries[ref->layer];
        int64_t call = ref->written - entry->base[ref->of_outputs];
        if (entry->n_nodes == 1 && ref->written >= 0)
            call = 0;
        if (call < 0 || call >= (int64_t)entry->n_nodes)
            return err_set(err, KD_EFORMAT, "node %lld of the layer '%.100s' is referred to, but it has %zu",
                           (long long)ref->written, entry->name, entry->n_nodes);
        if (ref->tensor < 0 || ref->tensor >= KERAS_MAX_OUTPUTS)
            return err_set(err, KD_EFORMAT, "output %lld of the layer '%.100s' is referred to",
                           (long long)ref->tensor, entry->name);
        ref->node = entry->first_node + (size_t)call;
    }
    return 0;
}

/* In Keras 1 a layer that hands its tensor on as it is (a linear Activation) took the tensor's place: files
 * then name it where the InputLayer before it is meant. */
static void find_input_layer(struct functional *f, struct keras_ref *ref)
{
    struct keras_topology *topology = f->topology;
    for (size_t steps = 0; steps < topology->n_nodes; steps++) {
        const struct keras_node *node = &topology->nodes[ref->node];
        bool one = node->end_ref == node->first_ref + 1;
        if (is_input_layer(f->entries[node->layer].json) || !one)
            return;
        ref->node = topology->refs.items[node->first_ref].node;
    }
}

static int mark_inputs(struct functional *f, struct err *err)
{
    struct keras_topology *topology = f->topology;
    for (size_t i = 0; i < topology->n_inputs; i++) {
        struct keras_ref *ref = &topology->refs.items[topology->inputs[i].ref];
        if (f->reader.build->writer.family == KERAS_1)
            find_input_layer(f, ref);
        struct keras_node *node = &topology->nodes[ref->node];
        if (!is_input_layer(f->entries[node->layer].json))
            return err_set(err, KD_EFORMAT, "the input '%.100s' is not an InputLayer",
                           f->entries[node->layer].name);
        node->input = (int)i;
        f->entries[node->layer].needed = true;
    }
    return 0;
}

static int make_children(struct functional *f, struct err *err)
{
    struct keras_build *build = f->layer->build;
    for (size_t i = 0; i < f->topology->n_order; i++)
        f->entries[f->topology->nodes[f->topology->order[i]].layer].needed = true;
    for (size_t i = 0; i < f->n_entries; i++) {
        struct buf *obstacles = build->obstacles;
        bool optional = !f->entries[i].needed;
        if (optional)
            build->obstacles = NULL;
        struct keras_layer *child = keras_layer_new(build, f->layer, f->entries[i].json, err);
        build->obstacles = obstacles;
        if (!child && optional && err->code != KD_ENOMEM) {
            build->named = false;
            child = keras_layer_stand_in(build, f->layer, f->entries[i].json, err);
        }
        if (!child)
            return err->code;
        if (!keras_layer_adopt(f->layer, child))
            return no_memory(err);
    }
    return 0;
}

static int read_graph(struct functional *f, struct err *err)
{
    struct keras_layer *layer = f->layer;
    struct keras_topology *topology = f->topology;
    int rc = read_entries(f, keras_config_json(layer, "layers"), err);
    for (size_t i = 0; rc == 0 && i < f->n_entries; i++)
        rc = read_nodes_of(f, i, err);
    if (rc == 0)
        rc = keras_read_ports(&f->reader, keras_config_json(layer, "input_layers"), &topology->inputs,
                              &topology->n_inputs, err);
    if (rc == 0)
        rc = keras_read_ports(&f->reader, keras_config_json(layer, "output_layers"), &topology->outputs,
                              &topology->n_outputs, err);
    if (rc == 0 && (topology->n_inputs == 0 || topology->n_outputs == 0))
        rc = err_set(err, KD_EFORMAT, "the model has no %s", topology->n_inputs ? "outputs" : "inputs");
    if (rc == 0 && (topology->n_inputs > KERAS_MAX_OUTPUTS || topology->n_outputs > KERAS_MAX_OUTPUTS))
        rc = err_set(err, KD_ETOOBIG, "more than %d inputs or outputs", KERAS_MAX_OUTPUTS);
    if (rc == 0)
        rc = resolve(f, err);
    if (rc == 0)
        rc = mark_inputs(f, err);
    if (rc == 0)
        rc = keras_order(layer->build, topology, err);
    return rc == 0 ? make_children(f, err) : rc;
}

static int functional_parse(struct keras_layer *layer, struct err *err)
{
    struct keras_topology *topology = keras_params(layer, sizeof(*topology));
    if (!topology)
        return 0;
    layer->state->is_model = true;
    if (!cJSON_IsArray(keras_config_json(layer, "layers")))
        return keras_config_fail(layer,
                                 "a model without a list of layers: a subclassed model's code is not in the "
                                 "file, so it can't be served");
    struct functional f = {.layer = layer, .topology = topology, .names = map_new()};
    f.reader = (struct keras_reader){.build = layer->build, .topology = topology, .names = f.names};
    int rc = f.names ? read_graph(&f, err) : no_memory(err);
    map_free(f.names);
    return rc;
}

const struct keras_class keras_class_functional = {
    .names = (const char *const[]){"Functional", "Model", "Network", "Container", "Graph", NULL},
    .family = "Models",
    .doc = "nested and shared models, several inputs and outputs, nodes of all generations",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .parse = functional_parse,
    .lower = keras_topology_lower,
};
