/* Model: the way from an image to a compiled engine, stage by stage.
 *
 *   model_config ─► layers (parse) ─► arrays bound (bind) ─► ops (lower) ─► engine (compile) ─► signature
 *
 * Each stage leaves its facts in the layers, so that a finished model can be described without the file. The
 * same stages run for the list of obstacles, which goes on after the first. */
#include "keras/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "engine/engine.h"
#include "image/image.h"
#include "keras/describe.h"
#include "keras/json.h"
#include "keras/sidecar.h"

static int no_memory(struct err *err)
{
    return err_set(err, KD_ENOMEM, "out of memory");
}

static struct keras_model *model_new(const struct image *image, const struct keras_options *options)
{
    static const struct keras_options defaults;
    struct keras_model *model = calloc(1, sizeof(*model));
    if (!model)
        return NULL;
    model->build.content = image_content(image);
    model->options = options ? *options : defaults;
    model->build.options = &model->options;
    model->build.arena = arena_new();
    model->build.scratch = arena_new();
    if (model->build.arena && model->build.scratch)
        return model;
    keras_model_free(model);
    return NULL;
}

void keras_model_free(struct keras_model *model)
{
    if (!model)
        return;
    engine_free(model->engine);
    engine_graph_free(model->build.graph);
    for (size_t i = 0; i < model->build.owned.n; i++)
        cJSON_Delete(model->build.owned.items[i]);
    cJSON_Delete(model->config);
    cJSON_Delete(model->training);
    arena_free(model->build.scratch);
    arena_free(model->build.arena);
    free(model);
}

static int parse(struct keras_model *model, struct err *err)
{
    const struct image_content *content = model->build.content;
    if (!content->model_config)
        return err_set(err, KD_EUNSUPPORTED, "the file holds weights without an architecture (model_config)");
    int rc = keras_json_parse(content->model_config, "model_config", &model->config, err);
    if (rc != 0)
        return rc;
    keras_writer_read(&model->build, model->config);
    if ((rc = keras_sidecar_read(&model->build, err)) != 0)
        return rc;
    model->root = keras_layer_new(&model->build, NULL, model->config, err);
    if (!model->root)
        return err->code;
    if (!model->root->state->is_model && !model->root->state->refused)
        return err_set(err, KD_EFORMAT, "model_config is a single layer (%.60s), not a model",
                       model->root->class_name);
    if (content->training_config &&
        keras_json_parse(content->training_config, "training_config", &model->training, err) != 0)
        keras_warn(&model->build, NULL, "%s", err->text);
    return 0;
}

/* a, a_1, a_2: names of outputs as TensorFlow's Keras makes them unique. */
static const char *unique_name(struct keras_model *model, const struct keras_signature_tensor *taken,
                               size_t n, const char *name)
{
    const char *candidate = name;
    for (size_t number = 1, i = 0; i < n && candidate; i++) {
        if (strcmp(taken[i].name, candidate) != 0)
            continue;
        candidate = arena_printf(model->build.arena, "%s_%zu", name, number++);
        i = (size_t)-1; /* start over */
    }
    return candidate;
}

static int add_inputs(struct keras_model *model, struct keras_tensor *inputs, struct err *err)
{
    const struct keras_topology *topology = model->root->params;
    for (size_t i = 0; i < topology->n_inputs; i++) {
        struct keras_signature_tensor *tensor = &model->inputs[i];
        struct keras_input input;
        const char *name;
        bool known = keras_input_of(model->root, i, &input, &name) || keras_guess_input(model->root, &input);
        if (!known)
            return err_set(err, KD_EUNSUPPORTED,
                           "the file does not say the shape of the input '%.100s', and the "
                           "weights do not tell it",
                           name);
        tensor->name = unique_name(model, model->inputs, i, name);
        tensor->dtype = input.dtype;
        tensor->shape = input.shape;
        if (!tensor->name)
            return no_memory(err);
        inputs[i].value = engine_input(model->build.graph, tensor->name, tensor->dtype, &tensor->shape);
        inputs[i].mask = ENGINE_NONE;
        model->n_inputs = i + 1;
    }
    return 0;
}

/* The name of an output is the name of the layer that gives it, or the key where outputs are a dict. */
static const char *output_name(const struct keras_model *model, size_t i)
{
    const struct keras_topology *topology = model->root->params;
    const struct keras_port *port = &topology->outputs[i < topology->n_outputs ? i : topology->n_outputs - 1];
    const struct keras_node *node = &topology->nodes[topology->refs.items[port->ref].node];
    if (port->key)
        return port->key;
    return node->layer == SIZE_MAX ? "output" : model->root->children[node->layer]->name;
}

static int add_outputs(struct keras_model *model, const struct keras_call *call, struct err *err)
{
    struct engine_graph *graph = model->build.graph;
    for (size_t i = 0; i < call->n_outputs; i++) {
        struct keras_signature_tensor *tensor = &model->outputs[i];
        tensor->name = unique_name(model, model->outputs, i, output_name(model, i));
        if (!tensor->name)
            return no_memory(err);
        tensor->dtype = engine_dtype(graph, call->outputs[i].value);
        tensor->shape = *engine_shape(graph, call->outputs[i].value);
        engine_output(graph, tensor->name, call->outputs[i].value);
        model->n_outputs = i + 1;
    }
    const struct err *graph_error = engine_graph_error(graph);
    return graph_error ? err_set(err, graph_error->code, "%s", graph_error->text) : 0;
}

static int lower(struct keras_model *model, struct err *err)
{
    struct keras_build *build = &model->build;
    const struct keras_topology *topology = model->root->params;
    struct keras_tensor *inputs = arena_calloc(build->arena, topology->n_inputs, sizeof(*inputs));
    struct keras_tensor *outputs = arena_calloc(build->arena, KERAS_MAX_OUTPUTS, sizeof(*outputs));
    model->inputs = arena_calloc(build->arena, topology->n_inputs, sizeof(*model->inputs));
    model->outputs = arena_calloc(build->arena, KERAS_MAX_OUTPUTS, sizeof(*model->outputs));
    build->graph = engine_graph_new();
    if (!inputs || !outputs || !model->inputs || !model->outputs || !build->graph)
        return no_memory(err);
    struct keras_call call = {.build = build, .graph = build->graph, .n_inputs = topology->n_inputs,
                              .inputs = inputs, .outputs = outputs};
    int rc = add_inputs(model, inputs, err);
    if (rc == 0)
        rc = keras_layer_call(model->root, &call, err);
    return rc == 0 ? add_outputs(model, &call, err) : rc;
}

static int compile(struct keras_model *model, struct err *err)
{
    struct engine_options options = {
        .no_fusion = model->options.no_fusion,
        .max_plans = model->options.max_plans,
        .max_arena_bytes = model->options.max_arena_bytes,
    };
    struct engine_graph *graph = model->build.graph;
    model->build.graph = NULL;
    return engine_compile(graph, &options, &model->engine, err);
}

int keras_build(const struct image *image, const struct keras_options *options, struct keras_model **ret,
                struct err *err)
{
    struct keras_model *model = model_new(image, options);
    if (!model)
        return no_memory(err);
    int rc = parse(model, err);
    if (rc == 0)
        rc = keras_bind(&model->build, model->root, err);
    if (rc == 0)
        rc = lower(model, err);
    if (rc == 0)
        rc = compile(model, err);
    arena_free(model->build.scratch);
    model->build.scratch = NULL;
    if (rc == 0)
        keras_count_parameters(model);
    if (rc == 0)
        *ret = model;
    else
        keras_model_free(model);
    return rc;
}

static void add_obstacle(struct keras_build *build, int rc, const struct err *err)
{
    if (rc != 0)
        keras_obstacle_add(build, err);
}

size_t keras_obstacles(const struct image *image, const struct keras_options *options, struct buf *ret)
{
    struct keras_model *model = model_new(image, options);
    struct err err = {0};
    if (!model) {
        buf_puts(ret, "out of memory\n");
        return 1;
    }
    struct keras_build *build = &model->build;
    build->obstacles = ret;
    add_obstacle(build, parse(model, &err), &err);
    if (model->root && model->root->state->is_model)
        add_obstacle(build, keras_bind(build, model->root, &err), &err);
    /* Lowering stops at its first error: what comes behind has no shapes. */
    if (build->n_obstacles == 0)
        add_obstacle(build, lower(model, &err), &err);
    if (build->n_obstacles == 0)
        add_obstacle(build, compile(model, &err), &err);
    size_t n = build->n_obstacles;
    keras_model_free(model);
    return n;
}

struct engine *keras_model_engine(const struct keras_model *model)
{
    return model->engine;
}

const char *keras_model_name(const struct keras_model *model)
{
    return model->root->name;
}

size_t keras_model_n_inputs(const struct keras_model *model)
{
    return model->n_inputs;
}

size_t keras_model_n_outputs(const struct keras_model *model)
{
    return model->n_outputs;
}

const struct keras_signature_tensor *keras_model_input(const struct keras_model *model, size_t i)
{
    return &model->inputs[i];
}

const struct keras_signature_tensor *keras_model_output(const struct keras_model *model, size_t i)
{
    return &model->outputs[i];
}

size_t keras_model_n_warnings(const struct keras_model *model)
{
    return model->build.warnings.n;
}

const char *keras_model_warning(const struct keras_model *model, size_t i)
{
    return model->build.warnings.text[i];
}
