/* Bidirectional: one recurrent layer read forwards and one read backwards, merged.
 *
 * The backward layer's sequence comes out in reversed time order and is turned round before the merge. Files
 * of tf.keras name a backward layer only where the user gave one; else it is the forward layer with
 * go_backwards inverted and weights of its own. From tf.keras on, both layers give zeros at masked steps of
 * sequences; standalone Keras repeats the last output there. */
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "keras/json.h"
#include "keras/recurrent.h"

enum merge_mode { MERGE_CONCAT, MERGE_SUM, MERGE_MUL, MERGE_AVE, MERGE_NONE };

struct bidirectional {
    enum merge_mode merge;
    const struct recurrent_options *options; /* of the forward layer */
};

static enum merge_mode read_merge_mode(struct keras_layer *layer)
{
    static const char *const choices[] = {"concat", "sum", "mul", "ave", NULL};
    /* null means "no merge"; a missing key means the default. */
    if (cJSON_IsNull(keras_json_get(layer->config, "merge_mode")))
        return MERGE_NONE;
    return (enum merge_mode)keras_config_choice(layer, "merge_mode", choices, MERGE_CONCAT);
}

/* The forward layer's entry as one of its own: an id would make both directions the same layer. */
static const cJSON *copy_without_id(struct keras_layer *layer, const cJSON *entry)
{
    if (!keras_json_get(entry, "shared_object_id"))
        return entry;
    cJSON *copy = cJSON_Duplicate(entry, true);
    if (!copy) {
        keras_config_fail(layer, "out of memory");
        return NULL;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(copy, "shared_object_id");
    return keras_own_json(layer, copy) ? copy : NULL;
}

static bool says(const struct keras_layer *layer, const char *key, const char *word)
{
    const char *found = keras_json_string(layer->config, key);
    return found && strcmp(found, word) == 0;
}

/* LSTM and GRU of TensorFlow 2.0 and 2.1 do not hear of the zeros where cuDNN could have run them. 1.15 gives the same
 * version, but another implementation and recurrent activation unless its user chose them. */
static bool forgets_zeros(struct keras_layer *child)
{
    const struct recurrent_cell *cell = recurrent_own_cell(child);
    const struct keras_writer *writer = child->writer;
    bool version = writer->tf_suffix && keras_since(writer, KERAS_TF, 2, 2) && !keras_since(writer, KERAS_TF, 2, 3);
    return version && cell && cell->use_bias && keras_config_int(child, "implementation", 1, 0) == 2 &&
           says(child, "activation", "tanh") && says(child, "recurrent_activation", "sigmoid") &&
           keras_config_float(child, "recurrent_dropout", 0) == 0 && !keras_config_bool(child, "unroll", false) &&
           (cell->kind == ENGINE_RNN_LSTM || cell->reset_after);
}

/* From tf.keras on: zeros at masked steps of sequences. TensorFlow 1.13 also wanted them where only the last step
 * counts; it wrote that into the wrapped layer's config, which other versions leave to the user. */
static void force_zeros(struct keras_layer *child, struct recurrent_options *options)
{
    const struct keras_writer *writer = child->writer;
    bool tensorflow_1_13 = writer->tf_suffix && options->zero_output_for_mask;
    if (writer->family == KERAS_TF || writer->family == KERAS_3)
        options->zero_output_for_mask =
            (options->return_sequences || tensorflow_1_13) && !forgets_zeros(child);
}

static struct recurrent_options *declare_direction(struct keras_layer *layer, const cJSON *entry)
{
    struct keras_layer *child = keras_declare_child(layer, entry);
    if (!child)
        return NULL;
    struct recurrent_options *options = recurrent_options_of(child);
    if (!options)
        keras_config_fail(layer, "the wrapped layer is a %s, which is not a recurrent layer that is served",
                          child->class_name);
    else
        force_zeros(child, options);
    return options;
}

static int parse(struct keras_layer *layer, struct err *err)
{
    struct bidirectional *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    const cJSON *forward = keras_config_json(layer, "layer");
    const cJSON *backward = keras_config_json(layer, "backward_layer");
    keras_config_ignore(layer,
                        (const char *const[]){"num_constants", "return_sequences", "return_state", NULL});
    params->merge = read_merge_mode(layer);
    if (!forward)
        return keras_config_fail(layer, "config key 'layer' is missing");
    struct recurrent_options *options[2];
    options[0] = declare_direction(layer, forward);
    options[1] = declare_direction(layer, backward ? backward : copy_without_id(layer, forward));
    if (!options[0] || !options[1])
        return 0;
    if (!backward)
        options[1]->go_backwards = !options[0]->go_backwards;
    if (options[0]->return_sequences != options[1]->return_sequences ||
        options[0]->return_state != options[1]->return_state)
        return keras_config_fail(layer,
                                 "forward and backward layer differ in return_sequences or return_state");
    params->options = options[0];
    return 0;
}

#define MAX_STATES (4 * RECURRENT_MAX_CELLS)

/* One direction with its half of the initial states. outputs: output, states. */
static int run_direction(const struct keras_layer *child, struct keras_call *call, const engine_value *states,
                         size_t n_states, struct keras_tensor *outputs, size_t *ret_n, struct err *err)
{
    struct keras_tensor inputs[1 + MAX_STATES] = {call->inputs[0]};
    for (size_t i = 0; i < n_states; i++)
        inputs[1 + i] = (struct keras_tensor){states[i], ENGINE_NONE};
    return keras_call_child(child, call, inputs, 1 + n_states, outputs, ret_n, err);
}

static engine_value merge(enum merge_mode mode, struct keras_call *call, engine_value y, engine_value z)
{
    engine_value both[] = {y, z};
    switch (mode) {
    case MERGE_SUM:
        return engine_binary(call->graph, BINARY_ADD, y, z);
    case MERGE_MUL:
        return engine_binary(call->graph, BINARY_MULTIPLY, y, z);
    case MERGE_AVE:
        y = engine_binary(call->graph, BINARY_ADD, y, z);
        return engine_binary(call->graph, BINARY_MULTIPLY, y, keras_scalar(call, y, 0.5));
    default:
        return engine_concat(call->graph, both, 2, -1);
    }
}

static int lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct bidirectional *params = layer->params;
    const struct recurrent_options *options = params->options;
    engine_value states[MAX_STATES];
    size_t n_states = recurrent_initial(layer, call, 1, states, MAX_STATES), n[2];
    struct keras_tensor *outputs[2];
    if (n_states % 2)
        return err_set(err, KD_EFORMAT, "initial_state has %zu tensors, expected an even number", n_states);
    for (size_t i = 0; i < 2; i++) {
        outputs[i] = arena_calloc(layer->arena, KERAS_MAX_OUTPUTS, sizeof(*outputs[i]));
        if (!outputs[i])
            return err_set(err, KD_ENOMEM, "out of memory");
        int rc = run_direction(layer->children[i], call, states + i * (n_states / 2), n_states / 2,
                               outputs[i], &n[i], err);
        if (rc)
            return rc;
    }
    engine_value y = outputs[0][0].value, z = outputs[1][0].value;
    engine_value mask = recurrent_output_mask(options, call);
    if (options->return_sequences)
        z = engine_slice(call->graph, z, options->time_major ? 0 : 1, ENGINE_SLICE_NONE, ENGINE_SLICE_NONE,
                         -1);
    call->n_outputs = 0;
    if (params->merge == MERGE_NONE) {
        keras_call_return_masked(call, call->n_outputs++, y, mask);
        keras_call_return_masked(call, call->n_outputs++, z, mask);
    } else {
        keras_call_return_masked(call, call->n_outputs++, merge(params->merge, call, y, z), mask);
    }
    for (size_t i = 0; options->return_state && i < 2; i++)
        for (size_t k = 1; k < n[i]; k++)
            keras_call_return_masked(call, call->n_outputs++, outputs[i][k].value, ENGINE_NONE);
    return 0;
}

const struct keras_class keras_class_bidirectional = {
    .names = (const char *const[]){"Bidirectional", NULL},
    .family = "Recurrent",
    .doc = "over every recurrent layer, all merge modes, states; masks as the writing Keras treats them",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .call = RECURRENT_CALL,
    .parse = parse,
    .lower = lower,
};
