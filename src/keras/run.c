/* Run: lowering a model's graph: each needed node once, in order, arguments filled in with the values made
 * before.
 *
 * The same walk serves the model of the file and every model inside it; a nested model called twice is
 * lowered twice and shares its weights' constants. Values live in a table by node. */
#include <string.h>

#include "base/arena.h"
#include "keras/topology.h"

struct results {
    size_t n;
    const struct keras_tensor *items;
};

struct run {
    const struct keras_layer *model;
    const struct keras_topology *topology;
    struct keras_call *outer;
    struct results *results; /* by node */
};

static int no_memory(struct err *err)
{
    return err_set(err, KD_ENOMEM, "out of memory");
}

static int look_up(const struct run *run, size_t index, struct keras_tensor *ret, struct err *err)
{
    const struct keras_ref *ref = &run->topology->refs.items[index];
    const struct results *results = &run->results[ref->node];
    if ((size_t)ref->tensor >= results->n) {
        const struct keras_layer *layer = run->model->children[run->topology->nodes[ref->node].layer];
        return err_set(err, KD_EFORMAT, "output %lld of the layer '%.100s' is read, but it has %zu",
                       (long long)ref->tensor, layer->name, results->n);
    }
    *ret = results->items[ref->tensor];
    return 0;
}

/* Copies argument trees with their tensors filled in. Depth is that of the JSON they were read from. */
static int fill(const struct run *run, const struct keras_arg *from, size_t n, const struct keras_arg **ret,
                struct err *err)
{
    struct keras_arg *to = arena_calloc(run->outer->build->scratch, n + 1, sizeof(*to));
    int rc = to ? 0 : no_memory(err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        to[i] = from[i];
        if (from[i].kind == KERAS_ARG_TENSOR)
            rc = look_up(run, (size_t)from[i].integer, &to[i].tensor, err);
        else if (from[i].n_items)
            rc = fill(run, from[i].items, from[i].n_items, &to[i].items, err);
    }
    *ret = to;
    return rc;
}

static int keep(const struct run *run, size_t node, const struct keras_tensor *outputs, size_t n,
                struct err *err)
{
    struct keras_tensor *copy = arena_calloc(run->outer->build->scratch, n + 1, sizeof(*copy));
    if (!copy)
        return no_memory(err);
    memcpy(copy, outputs, n * sizeof(*copy));
    run->results[node] = (struct results){n, copy};
    return 0;
}

/* The model's own input: cast to what the InputLayer says, as Keras does at the door of every functional
 * model. In TensorFlow's Keras 2 the result of a cast is another tensor, which has no mask. */
static int run_input(const struct run *run, size_t index, struct err *err)
{
    const struct keras_node *node = &run->topology->nodes[index];
    struct keras_call *outer = run->outer;
    if ((size_t)node->input >= outer->n_inputs)
        return err_set(err, KD_EFORMAT, "called with %zu inputs, it needs %zu", outer->n_inputs,
                       run->topology->n_inputs);
    struct keras_tensor tensor = outer->inputs[node->input];
    if (node->layer != SIZE_MAX && tensor.value != ENGINE_NONE) {
        const struct keras_layer *layer = run->model->children[node->layer];
        const struct keras_input *input = layer->params;
        enum dtype have = engine_dtype(outer->graph, tensor.value);
        if (input && input->dtype != DTYPE_STRING && have != DTYPE_STRING)
            tensor.value = engine_cast(outer->graph, tensor.value, input->dtype);
        if (input && input->dtype != have && keras_since(layer->writer, KERAS_TF, 2, 4))
            tensor.mask = ENGINE_NONE;
        layer->state->output_shape = *engine_shape(outer->graph, tensor.value);
        layer->state->n_calls++;
    }
    return keep(run, index, &tensor, 1, err);
}

static int run_node(const struct run *run, size_t index, struct keras_tensor *outputs, struct err *err)
{
    const struct keras_node *node = &run->topology->nodes[index];
    struct keras_build *build = run->outer->build;
    struct keras_call call = {.build = build,
                              .graph = run->outer->graph,
                              .outputs = outputs,
                              .n_args = node->n_args,
                              .n_kwargs = node->n_kwargs,
                              .kwarg_names = node->kwarg_names};
    if (node->input >= 0)
        return run_input(run, index, err);
    const struct keras_layer *layer = run->model->children[node->layer];
    int rc = fill(run, node->args, node->n_args, &call.args, err);
    if (rc == 0)
        rc = fill(run, node->kwargs, node->n_kwargs, &call.kwargs, err);
    if (rc == 0)
        rc = keras_call_flatten(&call, err);
    if (rc != 0)
        return keras_layer_wrap(layer, err);
    rc = keras_layer_call(layer, &call, err);
    return rc == 0 ? keep(run, index, outputs, call.n_outputs, err) : rc;
}

int keras_topology_lower(const struct keras_layer *model, struct keras_call *call, struct err *err)
{
    const struct keras_topology *topology = model->params;
    struct arena *scratch = call->build->scratch;
    struct run run = {.model = model, .topology = topology, .outer = call};
    struct keras_tensor *outputs = arena_calloc(scratch, KERAS_MAX_OUTPUTS, sizeof(*outputs));
    run.results = arena_calloc(scratch, topology->n_nodes + 1, sizeof(*run.results));
    int rc = outputs && run.results ? 0 : no_memory(err);
    for (size_t i = 0; rc == 0 && i < topology->n_order; i++)
        rc = run_node(&run, topology->order[i], outputs, err);
    engine_graph_scope(call->graph, model->path);
    if (rc == 0 && topology->is_chain) {
        const struct results *last = &run.results[topology->refs.items[topology->outputs[0].ref].node];
        for (size_t i = 0; i < last->n; i++)
            keras_call_return_masked(call, i, last->items[i].value, last->items[i].mask);
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < topology->n_outputs; i++) {
        struct keras_tensor output;
        rc = look_up(&run, topology->outputs[i].ref, &output, err);
        if (rc == 0)
            keras_call_return_masked(call, i, output.value, output.mask);
    }
    return rc;
}
