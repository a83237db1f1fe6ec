/* TimeDistributed: the wrapped layer (or model) applied to every time step.
 *
 * Batch and time are laid together, [N, T, ...] -> [N * T, ...], the layer is called once, and its outputs
 * are laid apart again. A Dense or Activation works on the last axis alone and is called as it is. The mask
 * of a step reaches the wrapped layer if a step has more than one mask entry; what leaves is the wrapped
 * layer's mask, else the mask that came in. */
#include "base/arena.h"
#include "base/err.h"
#include "keras/layer.h"

extern const struct keras_class keras_class_dense, keras_class_activation;

static int parse(struct keras_layer *layer, struct err *err)
{
    const cJSON *entry = keras_config_json(layer, "layer");
    if (!entry)
        return keras_config_fail(layer, "config key 'layer' is missing");
    keras_declare_child(layer, entry);
    return 0;
}

/* [N, T, ...] -> [N * T, ...] */
static engine_value join_time(struct keras_call *call, engine_value x)
{
    int64_t spec[SHAPE_MAX_RANK] = {ENGINE_INFER};
    int rank = engine_rank(call->graph, x);
    for (int i = 2; i < rank; i++)
        spec[i - 1] = ENGINE_SAME_DIM(i);
    return engine_reshape(call->graph, x, spec, rank - 1);
}

/* [N * T, ...] -> [N, T, ...] with N and T of `like`. */
static engine_value split_time(struct keras_call *call, engine_value y, engine_value like)
{
    struct engine_graph *graph = call->graph;
    int64_t spec[SHAPE_MAX_RANK] = {ENGINE_INFER, engine_dim(graph, like, 1)};
    if (y == ENGINE_NONE)
        return ENGINE_NONE;
    int rank = engine_rank(graph, y) + 1;
    for (int i = 2; i < rank && i < SHAPE_MAX_RANK; i++)
        spec[i] = ENGINE_SAME_DIM(i - 1);
    if (spec[1] != SHAPE_UNKNOWN)
        return engine_reshape(graph, y, spec, rank);
    /* The number of steps is known per request only: take it from the input's sizes. */
    engine_value sizes[2] = {
        engine_slice(graph, engine_shape_of(graph, like), 0, 0, 2, 1),
        engine_slice(graph, engine_shape_of(graph, y), 0, 1, ENGINE_SLICE_NONE, 1),
    };
    engine_value shape = rank > 2 ? engine_concat(graph, sizes, 2, 0) : sizes[0];
    engine_value split = engine_reshape_to(graph, y, shape);
    for (int i = 0; i < rank && i < SHAPE_MAX_RANK; i++) {
        int64_t size = i < 2 ? engine_dim(graph, like, i) : engine_dim(graph, y, i - 1);
        spec[i] = size == SHAPE_UNKNOWN ? ENGINE_SAME_DIM(i) : size;
    }
    return engine_reshape(graph, split, spec, rank);
}

/* The mask when the wrapped layer gives none: Keras 2 reduces it to [N, T], Keras 3 leaves it. */
static engine_value outer_mask(const struct keras_layer *layer, struct keras_call *call)
{
    engine_value mask = call->inputs[0].mask;
    if (mask == ENGINE_NONE || layer->writer->family == KERAS_3)
        return mask;
    for (int axis = engine_rank(call->graph, mask) - 1; axis >= 2; axis--)
        mask = engine_reduce(call->graph, REDUCE_ANY, mask, &axis, 1, false);
    return mask;
}

static engine_value output_mask(const struct keras_layer *layer, struct keras_call *call, engine_value inner)
{
    if (inner == ENGINE_NONE || layer->writer->family == KERAS_3)
        return outer_mask(layer, call);
    return split_time(call, inner, call->inputs[0].value);
}

static int lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct keras_layer *child = layer->children[0];
    bool direct = child->class == &keras_class_dense || child->class == &keras_class_activation;
    struct keras_tensor *inputs = arena_calloc(layer->arena, call->n_inputs, sizeof(*inputs));
    struct keras_tensor *outputs = arena_calloc(layer->arena, KERAS_MAX_OUTPUTS, sizeof(*outputs));
    if (!inputs || !outputs)
        return err_set(err, KD_ENOMEM, "out of memory");
    for (size_t i = 0; i < call->n_inputs; i++) {
        engine_value x = call->inputs[i].value, mask = call->inputs[i].mask;
        if (engine_rank(call->graph, x) < 2)
            return err_set(err, KD_EFORMAT, "input of rank %d, expected 2 or more (batch, time, ...)",
                           engine_rank(call->graph, x));
        bool per_step = mask != ENGINE_NONE && engine_rank(call->graph, mask) > 2;
        inputs[i].value = direct ? x : join_time(call, x);
        inputs[i].mask = !direct && per_step ? join_time(call, mask) : ENGINE_NONE;
    }
    int rc = keras_call_child(child, call, inputs, call->n_inputs, outputs, &call->n_outputs, err);
    for (size_t i = 0; rc == 0 && i < call->n_outputs; i++) {
        engine_value y =
            direct ? outputs[i].value : split_time(call, outputs[i].value, call->inputs[0].value);
        keras_call_return_masked(call, i, y, output_mask(layer, call, outputs[i].mask));
    }
    return rc;
}

const struct keras_class keras_class_time_distributed = {
    .names = (const char *const[]){"TimeDistributed", NULL},
    .family = "Recurrent",
    .doc = "over any layer or model",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .call = "training mask",
    .parse = parse,
    .lower = lower,
};
