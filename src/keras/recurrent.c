/* Recurrent layers: SimpleRNN, LSTM, GRU, their cells, RNN over a cell and over a stack of cells.
 *
 * All of them become engine_rnn ops, one per cell. A stack of cells runs as a chain of whole loops: cell i+1
 * reads the sequence that cell i wrote. That equals Keras's single loop over the stack, because a cell's step
 * depends on its own state and on the cell below alone; with a mask, every cell of the stack keeps its state
 * at a masked step, and what the cell below repeats there is read by nobody.
 *
 * A masked step repeats the previous output (or gives zero under zero_output_for_mask) and keeps the state.
 * go_backwards reverses time on the way in; the sequence stays reversed on the way out. Later cells of a
 * stack see a sequence that is reversed already, so only their mask is reversed for them. */
#include "keras/recurrent.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/size.h"
#include "keras/ops.h"

/* Params of SimpleRNN, LSTM, GRU, RNN. */
struct recurrent {
    struct recurrent_options *options; /* first: recurrent_options_of; a wrapper may adjust them */
    struct recurrent_cell own;        /* the layer's own cell; RNN has its cells as children */
    size_t n_steps;
    struct recurrent_step steps[RECURRENT_MAX_CELLS];
    bool reverse_states; /* states are listed from the last cell to the first */
};

int64_t recurrent_gates(enum engine_rnn_kind kind)
{
    return kind == ENGINE_RNN_LSTM ? 4 : kind == ENGINE_RNN_GRU ? 3 : 1;
}

size_t recurrent_states(enum engine_rnn_kind kind)
{
    return kind == ENGINE_RNN_LSTM ? 2 : 1;
}

/* ---- parse ---- */

/* Dropout acts in calls with training=True. */
static void read_dropout(struct keras_layer *layer)
{
    bool input = keras_config_float(layer, "dropout", 0) > 0;
    bool recurrent = keras_config_float(layer, "recurrent_dropout", 0) > 0;
    layer->training_matters = layer->training_matters || input || recurrent;
}

/* The era's default where the key is missing, as it is in files of Keras 1 only. */
static const char *default_recurrent_activation(const struct keras_writer *writer)
{
    return writer->family == KERAS_1 || writer->family == KERAS_2 ? "hard_sigmoid" : "sigmoid";
}

static void declare_cell_weights(struct keras_layer *layer, const struct recurrent_cell *cell)
{
    if (cell->units < 1)
        keras_config_fail(layer, "config key 'units' is missing");
    keras_declare_weight(layer, "kernel", true);
    keras_declare_weight(layer, "recurrent_kernel", true);
    if (cell->use_bias)
        keras_declare_weight(layer, "bias", true);
}

static void parse_cell(struct keras_layer *layer, enum engine_rnn_kind kind, struct recurrent_cell *cell)
{
    static const char *const training_only[] = {"implementation", "unit_forget_bias", NULL};
    keras_config_ignore(layer, training_only);
    read_dropout(layer);
    cell->kind = kind;
    cell->units = keras_config_int(layer, "units", 0, 1);
    cell->activation = keras_config_activation(layer, "activation", "tanh");
    cell->use_bias = keras_config_bool(layer, "use_bias", true);
    if (kind != ENGINE_RNN_SIMPLE)
        cell->recurrent_activation = keras_config_activation(layer, "recurrent_activation",
                                                             default_recurrent_activation(layer->writer));
    /* A file without the key was written before the key existed: the old form. */
    cell->reset_after = kind == ENGINE_RNN_GRU && keras_config_bool(layer, "reset_after", false);
    declare_cell_weights(layer, cell);
}

/* cuDNN's cells: fixed activations, always a bias; their weights come in by recurrent_convert_weights. */
static void parse_cudnn_cell(struct keras_layer *layer, enum engine_rnn_kind kind,
                             struct recurrent_cell *cell)
{
    static const char *const ignored[] = {"unit_forget_bias", NULL};
    keras_config_ignore(layer, ignored);
    *cell = (struct recurrent_cell){
        .kind = kind,
        .units = keras_config_int(layer, "units", 0, 1),
        .activation = keras_activation_by_name(layer, "tanh"),
        .recurrent_activation = keras_activation_by_name(layer, "sigmoid"),
        .use_bias = true,
        .reset_after = kind == ENGINE_RNN_GRU,
    };
    declare_cell_weights(layer, cell);
}

struct recurrent_options *recurrent_parse_options(struct keras_layer *layer)
{
    static const char *const training_only[] = {
        "implementation", "unit_forget_bias", "input_dim", "input_length",
        "input_spec",     "num_constants",    "use_cudnn", "consume_less", NULL};
    struct recurrent_options *options = arena_alloc(layer->arena, sizeof(*options));
    if (!options) {
        keras_config_fail(layer, "out of memory");
        return NULL;
    }
    keras_config_ignore(layer, training_only);
    read_dropout(layer);
    options->return_sequences = keras_config_bool(layer, "return_sequences", false);
    options->return_state = keras_config_bool(layer, "return_state", false);
    options->go_backwards = keras_config_bool(layer, "go_backwards", false);
    options->stateful = keras_config_bool(layer, "stateful", false);
    options->unroll = keras_config_bool(layer, "unroll", false);
    options->time_major = keras_config_bool(layer, "time_major", false);
    options->zero_output_for_mask = keras_config_bool(layer, "zero_output_for_mask", false);
    if (options->stateful)
        keras_warn(layer->build, layer, "stateful is served stateless: each request starts from zero states");
    return options;
}

static struct recurrent *parse_layer(struct keras_layer *layer)
{
    struct recurrent *params = keras_params(layer, sizeof(*params));
    if (params)
        params->options = recurrent_parse_options(layer);
    return params;
}

typedef void parse_cell_fn(struct keras_layer *layer, enum engine_rnn_kind kind, struct recurrent_cell *cell);

/* A layer that is its own cell. */
static int parse_own(struct keras_layer *layer, enum engine_rnn_kind kind, parse_cell_fn *parse)
{
    struct recurrent *params = parse_layer(layer);
    if (!params)
        return 0;
    parse(layer, kind, &params->own);
    params->steps[0] = (struct recurrent_step){.cell = &params->own, .owner = layer};
    params->n_steps = 1;
    return 0;
}

static int parse_simple(struct keras_layer *layer, struct err *err)
{
    return parse_own(layer, ENGINE_RNN_SIMPLE, parse_cell);
}

static int parse_lstm(struct keras_layer *layer, struct err *err)
{
    return parse_own(layer, ENGINE_RNN_LSTM, parse_cell);
}

static int parse_gru(struct keras_layer *layer, struct err *err)
{
    return parse_own(layer, ENGINE_RNN_GRU, parse_cell);
}

static int parse_cudnn_lstm(struct keras_layer *layer, struct err *err)
{
    return parse_own(layer, ENGINE_RNN_LSTM, parse_cudnn_cell);
}

static int parse_cudnn_gru(struct keras_layer *layer, struct err *err)
{
    return parse_own(layer, ENGINE_RNN_GRU, parse_cudnn_cell);
}

static int parse_bare_cell(struct keras_layer *layer, enum engine_rnn_kind kind)
{
    struct recurrent_cell *cell = keras_params(layer, sizeof(*cell));
    if (cell)
        parse_cell(layer, kind, cell);
    return 0;
}

static int parse_simple_cell(struct keras_layer *layer, struct err *err)
{
    return parse_bare_cell(layer, ENGINE_RNN_SIMPLE);
}

static int parse_lstm_cell(struct keras_layer *layer, struct err *err)
{
    return parse_bare_cell(layer, ENGINE_RNN_LSTM);
}

static int parse_gru_cell(struct keras_layer *layer, struct err *err)
{
    return parse_bare_cell(layer, ENGINE_RNN_GRU);
}

static const struct keras_class *const cell_classes[] = {&keras_class_simple_rnn_cell, &keras_class_lstm_cell,
                                                         &keras_class_gru_cell};

static bool is_cell(const struct keras_layer *layer)
{
    for (size_t i = 0; i < KD_COUNT(cell_classes); i++)
        if (layer->class == cell_classes[i])
            return true;
    return false;
}

static int parse_stacked(struct keras_layer *layer, struct err *err)
{
    const cJSON *cells = keras_config_json(layer, "cells");
    if (!cJSON_IsArray(cells) || cJSON_GetArraySize(cells) < 1)
        return keras_config_fail(layer, "cells must be a list of at least one cell");
    const cJSON *entry;
    cJSON_ArrayForEach(entry, cells)
    {
        const struct keras_layer *child = keras_declare_child(layer, entry);
        if (!child)
            return KD_EFORMAT;
    }
    return 0;
}

/* The wrappers of tf.nn around cells: the cell within, and how many of them add the input to the output. */
static const struct keras_layer *unwrap_cell(const struct keras_layer *cell, int *ret_residuals)
{
    *ret_residuals = 0;
    while ((cell->class == &keras_class_residual_cell || cell->class == &keras_class_device_cell) &&
           cell->n_children == 1) {
        *ret_residuals += cell->class == &keras_class_residual_cell;
        cell = cell->children[0];
    }
    return cell;
}

static int add_step(struct keras_layer *layer, struct recurrent *params, const struct keras_layer *wrapped)
{
    int residuals;
    const struct keras_layer *cell = unwrap_cell(wrapped, &residuals);
    if (!is_cell(cell))
        return keras_config_fail(layer,
                                 "a cell of class %s is not served (only SimpleRNNCell, LSTMCell, GRUCell)",
                                 cell->class_name);
    if (params->n_steps == RECURRENT_MAX_CELLS)
        return keras_config_fail(layer, "more than %d cells", RECURRENT_MAX_CELLS);
    params->steps[params->n_steps++] =
        (struct recurrent_step){.cell = cell->params, .owner = cell, .residuals = residuals};
    layer->training_matters = layer->training_matters || cell->training_matters;
    return 0;
}

/* Standalone Keras before 2.2.3 lists the states of a stack from its last cell; later the key says so. */
static bool states_reversed(struct keras_layer *stack)
{
    const struct keras_writer *writer = stack->writer;
    bool old = writer->family == KERAS_2 &&
               (writer->minor < 2 || (writer->minor == 2 && writer->patch < 3));
    return keras_config_bool(stack, "reverse_state_order", old);
}

static int parse_rnn(struct keras_layer *layer, struct err *err)
{
    struct recurrent *params = parse_layer(layer);
    if (!params)
        return 0;
    if (keras_config_int(layer, "num_constants", 0, 0) > 0)
        return keras_config_fail(layer, "num_constants: only cells of the user's own take constants");
    struct keras_layer *cell = keras_declare_child(layer, keras_config_json(layer, "cell"));
    if (!cell)
        return keras_config_fail(layer, "cell is missing");
    if (cell->class != &keras_class_stacked_rnn_cells)
        return add_step(layer, params, cell);
    params->reverse_states = states_reversed(cell);
    for (size_t i = 0; i < cell->n_children; i++)
        if (add_step(layer, params, cell->children[i]))
            return KD_EUNSUPPORTED;
    return 0;
}

struct recurrent_options *recurrent_options_of(struct keras_layer *layer)
{
    static const struct keras_class *const classes[] = {
        &keras_class_simple_rnn, &keras_class_lstm, &keras_class_gru,          &keras_class_rnn,
        &keras_class_cudnn_lstm, &keras_class_cudnn_gru, &keras_class_conv_lstm};
    for (size_t i = 0; i < KD_COUNT(classes); i++)
        if (layer->class == classes[i])
            return *(struct recurrent_options *const *)layer->params;
    return NULL;
}

const struct recurrent_cell *recurrent_own_cell(const struct keras_layer *layer)
{
    return &((const struct recurrent *)layer->params)->own;
}

/* ---- lower ---- */

/* One level of a list of states; nested lists (one per cell of a stack) are taken by the caller. */
static size_t add_state(const struct keras_layer *layer, struct keras_call *call, const struct keras_arg *arg,
                        engine_value *states, size_t max)
{
    if (arg->kind == KERAS_ARG_NONE || max == 0)
        return 0;
    engine_value value = ops_constant(layer, call, arg, layer->compute_dtype);
    states[0] = keras_autocast(layer, call, value);
    return 1;
}

size_t recurrent_initial(const struct keras_layer *layer, struct keras_call *call, size_t position,
                         engine_value *states, size_t max)
{
    size_t n = 0;
    for (size_t i = 1; i < call->n_inputs && n < max; i++)
        states[n++] = call->inputs[i].value;
    const struct keras_arg *arg = keras_call_arg(call, "initial_state", position);
    if (n || !arg)
        return n;
    if (arg->kind != KERAS_ARG_LIST)
        return add_state(layer, call, arg, states, max);
    for (size_t i = 0; i < arg->n_items; i++) {
        const struct keras_arg *item = &arg->items[i];
        bool nested =
            item->kind == KERAS_ARG_LIST && item->n_items && item->items[0].kind == KERAS_ARG_TENSOR;
        for (size_t j = 0; nested && j < item->n_items; j++)
            n += add_state(layer, call, &item->items[j], states + n, max - n);
        if (!nested)
            n += add_state(layer, call, item, states + n, max - n);
    }
    return n;
}

engine_value recurrent_output_mask(const struct recurrent_options *options, const struct keras_call *call)
{
    return options->return_sequences ? call->inputs[0].mask : ENGINE_NONE;
}

/* [T, N, ...] <-> [N, T, ...] */
static engine_value swap_time(struct keras_call *call, engine_value x)
{
    int permutation[SHAPE_MAX_RANK] = {1, 0, 2, 3, 4, 5, 6, 7};
    return x == ENGINE_NONE ? x : engine_transpose(call->graph, x, permutation);
}

/* False for what the engine's loop does not know. */
static bool function_of(const struct keras_activation *activation, struct unary *ret, bool *ret_softmax)
{
    *ret = (struct unary){.kind = UNARY_LINEAR};
    *ret_softmax = keras_activation_is_softmax(activation);
    return !activation || *ret_softmax || keras_activation_unary(activation, ret);
}

static void run_step(struct keras_call *call, const struct recurrent_step *step, struct engine_rnn *rnn,
                     engine_value ret[3])
{
    const struct recurrent_cell *cell = step->cell;
    int64_t columns = recurrent_gates(cell->kind) * cell->units;
    int64_t features = engine_dim(call->graph, rnn->x, -1);
    rnn->kind = cell->kind;
    rnn->units = cell->units;
    rnn->reset_after = cell->reset_after;
    rnn->kernel = keras_weight(step->owner, call, "kernel", 2, features, columns);
    rnn->recurrent_kernel = keras_weight(step->owner, call, "recurrent_kernel", 2, cell->units, columns);
    rnn->bias = !cell->use_bias     ? ENGINE_NONE
                : cell->reset_after ? keras_weight(step->owner, call, "bias", 2, (int64_t)2, columns)
                                    : keras_weight(step->owner, call, "bias", 1, columns);
    bool plain = function_of(cell->activation, &rnn->activation, &rnn->softmax);
    plain &= function_of(cell->recurrent_activation, &rnn->recurrent_activation, &rnn->recurrent_softmax);
    if (plain)
        engine_rnn(call->graph, rnn, ret);
    else
        recurrent_unroll(call, cell, rnn, ret);
}

/* Where the states of step i stand in the flat list of states. */
static size_t state_offset(const struct recurrent *params, size_t i)
{
    size_t from = params->reverse_states ? i + 1 : 0;
    size_t to = params->reverse_states ? params->n_steps : i;
    size_t offset = 0;
    for (size_t k = from; k < to; k++)
        offset += recurrent_states(params->steps[k].cell->kind);
    return offset;
}

static size_t all_states(const struct recurrent *params)
{
    size_t n = 0;
    for (size_t i = 0; i < params->n_steps; i++)
        n += recurrent_states(params->steps[i].cell->kind);
    return n;
}

/* The cell's output and what went into the cell, step by step. */
static engine_value add_input(struct keras_call *call, const struct engine_rnn *rnn, int residuals, engine_value y)
{
    struct engine_graph *graph = call->graph;
    engine_value x = rnn->x;
    if (rnn->mask != ENGINE_NONE)
        return engine_graph_fail(graph, KD_EUNSUPPORTED, "a ResidualWrapper's cell with a mask is not served");
    if (!rnn->return_sequences)
        x = engine_slice(graph, x, 1, rnn->go_backwards ? 0 : -1, rnn->go_backwards ? 1 : ENGINE_SLICE_NONE, 1);
    else if (rnn->go_backwards)
        x = engine_slice(graph, x, 1, ENGINE_SLICE_NONE, ENGINE_SLICE_NONE, -1);
    x = rnn->return_sequences ? x : engine_squeeze(graph, x, (const int[]){1}, 1);
    for (int i = 0; i < residuals; i++)
        y = engine_binary(graph, BINARY_ADD, y, x);
    return y;
}

/* Runs the cells one above the other; last[] takes the final states. Returns the output of the top cell;
 * *ret_lowest is that of the first. */
static engine_value run_steps(const struct recurrent *params, struct keras_call *call, engine_value x,
                              engine_value mask, const engine_value *initial, engine_value *last,
                              engine_value *ret_lowest)
{
    for (size_t i = 0; i < params->n_steps; i++) {
        bool top = i + 1 == params->n_steps;
        size_t offset = state_offset(params, i);
        size_t n_states = recurrent_states(params->steps[i].cell->kind);
        struct engine_rnn rnn = {
            .x = x,
            .mask = mask,
            .go_backwards = i == 0 && params->options->go_backwards,
            .return_sequences = !top || params->options->return_sequences,
            .zero_output_for_mask = top && params->options->zero_output_for_mask,
            .initial = {initial ? initial[offset] : ENGINE_NONE,
                        initial && n_states == 2 ? initial[offset + 1] : ENGINE_NONE},
        };
        engine_value ret[3] = {ENGINE_NONE, ENGINE_NONE, ENGINE_NONE};
        run_step(call, &params->steps[i], &rnn, ret);
        memcpy(last + offset, ret + 1, n_states * sizeof(*last));
        x = params->steps[i].residuals ? add_input(call, &rnn, params->steps[i].residuals, ret[0]) : ret[0];
        if (rnn.go_backwards && mask != ENGINE_NONE)
            mask = engine_slice(call->graph, mask, 1, ENGINE_SLICE_NONE, ENGINE_SLICE_NONE, -1);
        if (i == 0)
            *ret_lowest = x;
    }
    return x;
}

/* The loop for TensorFlow before Keras 2.3 gave the first of the states for the output of a masked step, not the output
 * before. That is seen where the first state is the initial one still, and in stacks that list the states of their
 * lowest cell first. Loops written out (unroll) had no such rule. */
static bool masked_step_gives_state(const struct keras_layer *layer, const struct recurrent *params)
{
    const struct keras_writer *writer = layer->writer;
    return writer->family == KERAS_2 && writer->minor < 3 && strcmp(writer->backend, "theano") != 0 &&
           !params->options->unroll;
}

/* A cell's state over time from its outputs: until a step that is not masked it is the initial one. */
static engine_value state_over_time(struct keras_call *call, engine_value y, engine_value mask, engine_value initial)
{
    struct engine_graph *graph = call->graph;
    engine_value seen = engine_cumsum(graph, engine_cast(graph, mask, DTYPE_INT32), 1, false, false, false);
    seen = engine_expand_dims(graph, engine_cast(graph, seen, DTYPE_BOOL), 2);
    return engine_select(graph, seen, y, engine_expand_dims(graph, initial, 1));
}

/* y with the first state at the masked steps. lowest: the first cell's output over time, if there are several. */
static engine_value give_states(const struct recurrent *params, struct keras_call *call, engine_value y,
                                engine_value mask, engine_value lowest, const engine_value *initial,
                                const engine_value *last)
{
    struct engine_graph *graph = call->graph;
    bool foreign = params->n_steps > 1 && !params->reverse_states;
    if (!foreign && !initial)
        return y; /* the state is the output before */
    if (params->options->go_backwards)
        mask = engine_slice(graph, mask, 1, ENGINE_SLICE_NONE, ENGINE_SLICE_NONE, -1);
    if (!params->options->return_sequences) {
        mask = engine_slice(graph, mask, 1, -1, ENGINE_SLICE_NONE, 1);
        return engine_select(graph, mask, y, last[0]);
    }
    engine_value state = foreign ? lowest : y;
    if (initial)
        state = state_over_time(call, state, mask, initial[0]);
    return foreign ? engine_select(graph, engine_expand_dims(graph, mask, 2), y, state) : state;
}

static int lower_recurrent(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct recurrent *params = layer->params;
    const struct recurrent_options *options = params->options;
    engine_value initial[2 * RECURRENT_MAX_CELLS], last[2 * RECURRENT_MAX_CELLS];
    size_t n_states = all_states(params);
    size_t n_initial = recurrent_initial(layer, call, 1, initial, KD_COUNT(initial));
    if (n_initial && n_initial != n_states)
        return err_set(err, KD_EFORMAT, "initial_state has %zu tensors, expected %zu", n_initial, n_states);
    engine_value x = call->inputs[0].value;
    engine_value mask = call->inputs[0].mask;
    if (engine_rank(call->graph, x) != 3)
        return err_set(err, KD_EFORMAT, "input of rank %d, expected 3 (batch, time, features)",
                       engine_rank(call->graph, x));
    if (options->time_major) {
        x = swap_time(call, x);
        mask = swap_time(call, mask);
    }
    engine_value lowest = ENGINE_NONE;
    engine_value y = run_steps(params, call, x, mask, n_initial ? initial : NULL, last, &lowest);
    if (mask != ENGINE_NONE && masked_step_gives_state(layer, params))
        y = give_states(params, call, y, mask, lowest, n_initial ? initial : NULL, last);
    if (options->time_major && options->return_sequences)
        y = swap_time(call, y);
    keras_call_return_masked(call, 0, y, recurrent_output_mask(options, call));
    call->n_outputs = 1;
    for (size_t i = 0; options->return_state && i < n_states; i++)
        keras_call_return_masked(call, call->n_outputs++, last[i], ENGINE_NONE);
    return 0;
}

/* A cell called by itself: one step, so a sequence of length 1. Outputs: the output, then the new states. */
static int lower_cell(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct recurrent_step step = {.cell = layer->params, .owner = layer};
    size_t n_states = recurrent_states(step.cell->kind);
    engine_value states[2] = {ENGINE_NONE, ENGINE_NONE};
    const struct keras_arg *arg = keras_call_arg(call, "states", 1);
    size_t n = 0;
    for (size_t i = 0; arg && arg->kind == KERAS_ARG_LIST && i < arg->n_items; i++)
        n += add_state(layer, call, &arg->items[i], states + n, 2 - n);
    if (arg && arg->kind == KERAS_ARG_TENSOR)
        n = add_state(layer, call, arg, states, 2);
    if (n != n_states)
        return err_set(err, KD_EFORMAT, "a cell called by itself needs %zu states, found %zu", n_states, n);
    struct engine_rnn rnn = {.mask = ENGINE_NONE, .initial = {states[0], states[1]}};
    rnn.x = engine_expand_dims(call->graph, call->inputs[0].value, 1);
    engine_value ret[3] = {ENGINE_NONE, ENGINE_NONE, ENGINE_NONE};
    run_step(call, &step, &rnn, ret);
    for (size_t i = 0; i <= n_states; i++)
        keras_call_return_masked(call, i, ret[i], ENGINE_NONE);
    call->n_outputs = n_states + 1;
    return 0;
}

static int lower_stacked(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    (void)layer;
    (void)call;
    return err_set(err, KD_EUNSUPPORTED, "StackedRNNCells is served inside an RNN layer only");
}

/* ---- wrappers of cells ---- */

static int parse_wrapped_cell(struct keras_layer *layer, struct err *err)
{
    keras_config_ignore(layer, (const char *const[]){"device", NULL});
    if (keras_config_has(layer, "residual_fn"))
        return keras_config_fail(layer, "config key 'residual_fn': a function of the user's own is not served");
    if (!keras_declare_child(layer, keras_config_json(layer, "cell")))
        return keras_config_fail(layer, "cell is missing");
    return 0;
}

static int lower_wrapped_cell(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    (void)call;
    return err_set(err, KD_EUNSUPPORTED, "%s is served inside an RNN layer only", layer->class_name);
}

/* ---- rows ---- */

const struct keras_class keras_class_simple_rnn = {
    .names = (const char *const[]){"SimpleRNN", NULL},
    .family = "Recurrent",
    .doc = "all options; states, masks, go_backwards; stateful is served stateless",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .needs_floats = true,
    .call = RECURRENT_CALL,
    .parse = parse_simple,
    .lower = lower_recurrent,
};

const struct keras_class keras_class_lstm = {
    .names = (const char *const[]){"LSTM", "LSTMV1", "LSTMV2", "UnifiedLSTM", NULL},
    .family = "Recurrent",
    .doc =
        "all options; states, masks, go_backwards; cuDNN weights are converted; stateful is served stateless",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .needs_floats = true,
    .call = RECURRENT_CALL,
    .parse = parse_lstm,
    .lower = lower_recurrent,
    .convert = recurrent_convert_weights,
    .stored_count = recurrent_stored_count,
};

const struct keras_class keras_class_gru = {
    .names = (const char *const[]){"GRU", "GRUV1", "GRUV2", "UnifiedGRU", NULL},
    .family = "Recurrent",
    .doc = "both reset_after forms (no key: the old form); all options; cuDNN weights are converted; "
           "stateful is served stateless",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .needs_floats = true,
    .call = RECURRENT_CALL,
    .parse = parse_gru,
    .lower = lower_recurrent,
    .convert = recurrent_convert_weights,
    .stored_count = recurrent_stored_count,
};

const struct keras_class keras_class_cudnn_lstm = {
    .names = (const char *const[]){"CuDNNLSTM", NULL},
    .family = "Recurrent",
    .doc = "served as LSTM (tanh, sigmoid)",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .call = RECURRENT_CALL,
    .parse = parse_cudnn_lstm,
    .lower = lower_recurrent,
    .convert = recurrent_convert_weights,
};

const struct keras_class keras_class_cudnn_gru = {
    .names = (const char *const[]){"CuDNNGRU", NULL},
    .family = "Recurrent",
    .doc = "served as GRU (tanh, sigmoid, reset_after)",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .call = RECURRENT_CALL,
    .parse = parse_cudnn_gru,
    .lower = lower_recurrent,
    .convert = recurrent_convert_weights,
};

const struct keras_class keras_class_rnn = {
    .names = (const char *const[]){"RNN", NULL},
    .family = "Recurrent",
    .doc = "over SimpleRNNCell, LSTMCell, GRUCell or StackedRNNCells of them",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .needs_floats = true,
    .call = RECURRENT_CALL,
    .parse = parse_rnn,
    .lower = lower_recurrent,
};

const struct keras_class keras_class_simple_rnn_cell = {
    .names = (const char *const[]){"SimpleRNNCell", NULL},
    .family = "Recurrent",
    .doc = "inside RNN, or called by itself for one step",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .call = "states training",
    .parse = parse_simple_cell,
    .lower = lower_cell,
};

const struct keras_class keras_class_lstm_cell = {
    .names = (const char *const[]){"LSTMCell", "LSTMCellV1", "LSTMCellV2", NULL},
    .family = "Recurrent",
    .doc = "inside RNN, or called by itself for one step",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .call = "states training",
    .parse = parse_lstm_cell,
    .lower = lower_cell,
};

const struct keras_class keras_class_gru_cell = {
    .names = (const char *const[]){"GRUCell", "GRUCellV1", "GRUCellV2", NULL},
    .family = "Recurrent",
    .doc = "inside RNN, or called by itself for one step",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .call = "states training",
    .parse = parse_gru_cell,
    .lower = lower_cell,
};

const struct keras_class keras_class_stacked_rnn_cells = {
    .names = (const char *const[]){"StackedRNNCells", NULL},
    .family = "Recurrent",
    .doc = "inside RNN",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .call = "states training",
    .parse = parse_stacked,
    .lower = lower_stacked,
};

const struct keras_class keras_class_residual_cell = {
    .names = (const char *const[]){"ResidualWrapper", "RNNCellResidualWrapper", NULL},
    .family = "Recurrent",
    .doc = "around a cell inside RNN; not with a mask, not with a function of its own",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .call = "states training",
    .parse = parse_wrapped_cell,
    .lower = lower_wrapped_cell,
};

const struct keras_class keras_class_device_cell = {
    .names = (const char *const[]){"DeviceWrapper", "RNNCellDeviceWrapper", NULL},
    .family = "Recurrent",
    .doc = "around a cell inside RNN: the cell",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .call = "states training",
    .parse = parse_wrapped_cell,
    .lower = lower_wrapped_cell,
};
