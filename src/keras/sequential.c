/* Sequential: a chain, brought to the same form as a functional model: one node per entry that reads the one
 * before.
 *
 * The config is a list of layers in old files, an object with that list since. The InputLayer at the head,
 * where there is one, stands for the input; where there is none the input is a node without a layer. An entry
 * that repeats the name and class of an earlier one is the same layer, called again. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/str.h"
#include "keras/json.h"
#include "keras/topology.h"

static int no_memory(struct err *err)
{
    return err_set(err, KD_ENOMEM, "out of memory");
}

/* names: name -> index + 1 as a pointer. */
static size_t find_child(const struct map *names, const cJSON *entry)
{
    const char *name = keras_json_string(keras_json_get(entry, "config"), "name");
    const void *value = name ? map_get(names, name) : NULL;
    return value ? (size_t)(uintptr_t)value - 1 : SIZE_MAX;
}

static int add_child(struct keras_layer *model, struct map *names, const cJSON *entry, struct err *err)
{
    struct keras_layer *child = keras_layer_new(model->build, model, entry, err);
    if (!child)
        return err->code;
    if (!keras_layer_adopt(model, child))
        return no_memory(err);
    bool known = map_get(names, child->name) != NULL; /* the first of a name is the one that is found */
    return known || map_set(names, child->name, (void *)(uintptr_t)model->n_children) == 0 ? 0 : no_memory(err);
}

/* A node that reads the last one. */
static int add_node(struct keras_layer *model, struct keras_topology *topology, size_t layer, struct err *err)
{
    size_t n = topology->n_nodes;
    struct keras_arg *arg = arena_alloc(model->arena, sizeof(*arg));
    if (!arg)
        return no_memory(err);
    struct keras_ref *ref = &topology->refs.items[n];
    *ref = (struct keras_ref){.layer = layer, .node = n ? n - 1 : 0};
    *arg = (struct keras_arg){.kind = KERAS_ARG_TENSOR, .integer = (int64_t)n};
    topology->nodes[n] = (struct keras_node){.layer = layer, .n_args = 1, .args = arg, .input = n ? -1 : 0,
                                              .first_ref = n, .end_ref = n ? n + 1 : n};
    topology->order[n] = n;
    topology->n_order = ++topology->n_nodes;
    return 0;
}

static bool is_input_layer(const cJSON *entry)
{
    return keras_json_is_class(entry, "InputLayer");
}

static int add_entry(struct keras_layer *model, struct keras_topology *topology, struct map *names,
                     const cJSON *entry, struct err *err)
{
    size_t index = find_child(names, entry);
    bool same = index != SIZE_MAX && str_equal(model->children[index]->class_name,
                                               keras_json_string(entry, "class_name"));
    if (index != SIZE_MAX && !same)
        return err_set(err, KD_EFORMAT, "two layers have the name '%.100s'", model->children[index]->name);
    int rc = same ? 0 : add_child(model, names, entry, err);
    if (rc != 0)
        return rc;
    return add_node(model, topology, same ? index : model->n_children - 1, err);
}

static int allocate(struct keras_layer *model, struct keras_topology *topology, size_t n_entries,
                    struct err *err)
{
    size_t n = n_entries + 2;
    topology->nodes = arena_calloc(model->arena, n, sizeof(*topology->nodes));
    topology->order = arena_calloc(model->arena, n, sizeof(*topology->order));
    topology->refs.items = arena_calloc(model->arena, n + 1, sizeof(*topology->refs.items));
    topology->inputs = arena_calloc(model->arena, 2, sizeof(*topology->inputs));
    if (!topology->nodes || !topology->order || !topology->refs.items || !topology->inputs)
        return no_memory(err);
    topology->outputs = topology->inputs + 1;
    return 0;
}

static int read_chain(struct keras_layer *model, struct keras_topology *topology, struct map *names,
                      const cJSON *layers, struct err *err)
{
    const cJSON *entry = layers->child;
    int rc = allocate(model, topology, (size_t)cJSON_GetArraySize(layers), err);
    if (rc == 0 && !is_input_layer(entry))
        rc = add_node(model, topology, SIZE_MAX, err);
    for (; rc == 0 && entry; entry = entry->next)
        rc = add_entry(model, topology, names, entry, err);
    if (rc != 0)
        return rc;
    size_t last = topology->n_nodes;
    topology->refs.items[last] = (struct keras_ref){.node = last - 1};
    topology->refs.n = last + 1;
    topology->n_inputs = topology->n_outputs = 1;
    topology->is_chain = model->writer->family == KERAS_3;
    topology->inputs[0].ref = 1; /* what the second node reads, or the output */
    topology->outputs[0].ref = last;
    return 0;
}

static int sequential_parse(struct keras_layer *layer, struct err *err)
{
    struct keras_topology *topology = keras_params(layer, sizeof(*topology));
    const cJSON *layers = cJSON_IsArray(layer->config) ? layer->config : keras_config_json(layer, "layers");
    if (!topology)
        return 0;
    layer->state->is_model = true;
    if (!cJSON_IsArray(layers) || !layers->child)
        return keras_config_fail(layer, "a Sequential without layers");
    struct map *names = map_new();
    int rc = names ? read_chain(layer, topology, names, layers, err) : no_memory(err);
    map_free(names);
    return rc;
}

const struct keras_class keras_class_sequential = {
    .names = (const char *const[]){"Sequential", NULL},
    .family = "Models",
    .doc = "list and object form, with or without an input shape",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .parse = sequential_parse,
    .lower = keras_topology_lower,
};
