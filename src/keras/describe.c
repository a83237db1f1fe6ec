/* Describe: what there is to say about a model, gathered once as a JSON object; `kerasd inspect` prints it as
 * it is or as text (print.c).
 *
 *   name, class, writer, layers (name, class, output shape, parameters, inputs), parameters,
 *   inputs, outputs, training (optimizer, loss, metrics), rules, warnings */
#include "keras/describe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/image.h"
#include "keras/json.h"

static cJSON *shape_json(const struct shape *shape)
{
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < shape->rank; i++)
        cJSON_AddItemToArray(list, shape->dim[i] == SHAPE_UNKNOWN
                                       ? cJSON_CreateNull()
                                       : cJSON_CreateNumber((double)shape->dim[i]));
    return list;
}

/* ---- parameters ---- */

static double elements(const struct keras_weight *weight)
{
    int64_t n;
    return weight->saved && shape_elements(&weight->saved->shape, &n) ? (double)n : 0;
}

/* Sums a layer and everything inside it, each layer once. */
static void count(struct keras_build *build, struct keras_layer *layer, bool frozen,
                  struct keras_parameters *sum)
{
    if (layer->state->visit == build->visit)
        return;
    layer->state->visit = build->visit;
    frozen = frozen || !layer->trainable;
    for (size_t i = 0; i < layer->n_weights; i++) {
        double n = elements(&layer->weights[i]);
        sum->total += n;
        sum->trainable += frozen || !layer->weights[i].trainable ? 0 : n;
        if (layer->weights[i].saved)
            sum->bytes += (double)layer->weights[i].saved->bytes;
    }
    for (size_t i = 0; i < layer->n_children; i++)
        count(build, layer->children[i], frozen, sum);
}

void keras_count_parameters(struct keras_model *model)
{
    struct keras_layer *root = model->root;
    for (size_t i = 0; i < root->n_children; i++) {
        model->build.visit++;
        count(&model->build, root->children[i], false, &root->children[i]->state->parameters);
    }
    model->build.visit++;
    count(&model->build, root, false, &root->state->parameters);
}

/* ---- layers ---- */

static void add_reference(cJSON *list, const struct keras_layer *model, const struct keras_ref *ref)
{
    const struct keras_topology *topology = model->params;
    const struct keras_node *node = &topology->nodes[ref->node];
    char text[256];
    if (node->layer == SIZE_MAX)
        return;
    snprintf(text, sizeof(text), "%.200s[%zu][%lld]", model->children[node->layer]->name, node->call,
             (long long)ref->tensor);
    cJSON_AddItemToArray(list, cJSON_CreateString(text));
}

static cJSON *layer_json(const struct keras_layer *layer)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "name", layer->name);
    cJSON_AddStringToObject(object, "class", layer->class_name);
    if (layer->state->n_calls)
        cJSON_AddItemToObject(object, "output_shape", shape_json(&layer->state->output_shape));
    else
        cJSON_AddNullToObject(object, "output_shape");
    cJSON_AddNumberToObject(object, "parameters", layer->state->parameters.total);
    cJSON_AddBoolToObject(object, "trainable", layer->trainable);
    cJSON_AddArrayToObject(object, "inputs");
    return object;
}

/* Into each layer's "inputs": what its calls read, as "name[call][output]". */
static void add_references(cJSON *const *layers, const struct keras_layer *model)
{
    const struct keras_topology *topology = model->params;
    for (size_t i = 0; i < topology->n_nodes; i++) {
        const struct keras_node *node = &topology->nodes[i];
        cJSON *list = node->layer == SIZE_MAX
                          ? NULL
                          : cJSON_GetObjectItemCaseSensitive(layers[node->layer], "inputs");
        for (size_t j = node->first_ref; list && j < node->end_ref; j++)
            add_reference(list, model, &topology->refs.items[j]);
    }
}

static void add_layers(cJSON *facts, const struct keras_layer *root)
{
    cJSON *list = cJSON_AddArrayToObject(facts, "layers");
    cJSON **layers = calloc(root->n_children + 1, sizeof(cJSON *));
    for (size_t i = 0; layers && i < root->n_children; i++) {
        layers[i] = layer_json(root->children[i]);
        cJSON_AddItemToArray(list, layers[i]);
    }
    if (layers)
        add_references(layers, root);
    free(layers);
    const struct keras_parameters *sum = &root->state->parameters;
    cJSON *parameters = cJSON_AddObjectToObject(facts, "parameters");
    cJSON_AddNumberToObject(parameters, "total", sum->total);
    cJSON_AddNumberToObject(parameters, "trainable", sum->trainable);
    cJSON_AddNumberToObject(parameters, "not_trainable", sum->total - sum->trainable);
    cJSON_AddNumberToObject(parameters, "bytes", sum->bytes);
}

/* ---- the rest ---- */

static void add_writer(cJSON *facts, const struct keras_writer *writer)
{
    static const char *const families[] = {"Keras 1", "Keras 2", "tf.keras", "Keras 3"};
    cJSON *object = cJSON_AddObjectToObject(facts, "writer");
    cJSON_AddStringToObject(object, "family", families[writer->family]);
    cJSON_AddStringToObject(object, "version", writer->version);
    cJSON_AddStringToObject(object, "backend", writer->backend);
}

static void add_signature(cJSON *facts, const char *key, const struct keras_signature_tensor *tensors,
                          size_t n)
{
    cJSON *list = cJSON_AddArrayToObject(facts, key);
    for (size_t i = 0; i < n; i++) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "name", tensors[i].name);
        cJSON_AddStringToObject(object, "dtype", dtype_name(tensors[i].dtype));
        cJSON_AddItemToObject(object, "shape", shape_json(&tensors[i].shape));
        cJSON_AddItemToArray(list, object);
    }
}

static void add_notes(cJSON *facts, const char *key, const struct keras_notes *notes)
{
    cJSON *list = cJSON_AddArrayToObject(facts, key);
    for (size_t i = 0; i < notes->n; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(notes->text[i]));
}

cJSON *keras_describe(const struct keras_model *model)
{
    cJSON *facts = cJSON_CreateObject();
    cJSON_AddStringToObject(facts, "name", model->root->name);
    cJSON_AddStringToObject(facts, "class", model->root->class_name);
    add_writer(facts, &model->build.writer);
    add_layers(facts, model->root);
    add_signature(facts, "inputs", model->inputs, model->n_inputs);
    add_signature(facts, "outputs", model->outputs, model->n_outputs);
    cJSON_AddItemToObject(facts, "training", keras_describe_training(model));
    add_notes(facts, "rules", &model->build.rules);
    add_notes(facts, "warnings", &model->build.warnings);
    return facts;
}
