/* Recurrent: what the recurrent layers, their cells and the wrappers around them share. */
#ifndef KD_KERAS_RECURRENT_H
#define KD_KERAS_RECURRENT_H

#include "keras/layer.h"

#define RECURRENT_MAX_CELLS 64

extern const struct keras_class keras_class_simple_rnn, keras_class_lstm, keras_class_gru, keras_class_rnn,
    keras_class_cudnn_lstm, keras_class_cudnn_gru, keras_class_simple_rnn_cell, keras_class_lstm_cell,
    keras_class_gru_cell, keras_class_stacked_rnn_cells, keras_class_conv_lstm, keras_class_residual_cell,
    keras_class_device_cell;

/* The keys that every recurrent layer has; params of all of them (ConvLSTM too) begin with a pointer to it.
 */
struct recurrent_options {
    bool return_sequences, return_state, go_backwards, stateful, time_major, zero_output_for_mask, unroll;
};

/* The step function of one cell. */
struct recurrent_cell {
    enum engine_rnn_kind kind;
    int64_t units;
    const struct keras_activation *activation, *recurrent_activation;
    bool use_bias;
    bool reset_after;
};

/* A cell and the layer that owns its weights. */
struct recurrent_step {
    const struct recurrent_cell *cell;
    const struct keras_layer *owner;
    int residuals; /* how many times the step's input is added to its output */
};

/* Of recurrent layers and Bidirectional: keras_class.call. */
#define RECURRENT_CALL "initial_state mask training"

/* Reads the common keys; warns about stateful. NULL with the sticky error set when out of memory. */
struct recurrent_options *recurrent_parse_options(struct keras_layer *layer);
/* The options of a recurrent layer, for a wrapper to adjust; NULL for layers of other classes. */
struct recurrent_options *recurrent_options_of(struct keras_layer *layer);
/* The cell of a layer that is its own cell (SimpleRNN, LSTM, GRU and their cuDNN forms). */
const struct recurrent_cell *recurrent_own_cell(const struct keras_layer *layer);
/* Gates of a kind: columns of the kernel divided by units. */
int64_t recurrent_gates(enum engine_rnn_kind kind);
/* Number of state tensors: 2 for LSTM (h, c), else 1. */
size_t recurrent_states(enum engine_rnn_kind kind);

/* The initial states of a call, in order: further inputs (files of Keras 2) or the argument initial_state (at
 * `position` if positional). Fills states (room for max) and returns their number; 0: none given. A wrong
 * number or rank is reported by the caller. */
size_t recurrent_initial(const struct keras_layer *layer, struct keras_call *call, size_t position,
                         engine_value *states, size_t max);
/* Sets the mask of the outputs: passed on only by sequences, and only to the first output. */
engine_value recurrent_output_mask(const struct recurrent_options *options, const struct keras_call *call);

/* The loop written out step by step, for activations that the engine's loop does not know (sparsemax). Same
 * contract as engine_rnn; the number of time steps must be known and at most RECURRENT_MAX_UNROLL. */
#define RECURRENT_MAX_UNROLL 512
void recurrent_unroll(struct keras_call *call, const struct recurrent_cell *cell,
                      const struct engine_rnn *rnn, engine_value ret[3]);

/* Hooks of the classes: the weights of Keras 1 (one array per gate) and of cuDNN, brought to the plain
 * layout. */
size_t recurrent_stored_count(const struct keras_layer *layer);
int recurrent_convert_weights(struct keras_layer *layer, struct keras_build *build,
                              const struct image_tensor **list, size_t *n_list, struct err *err);
/* 3 * n_gates arrays of Keras 1 joined to kernel, recurrent kernel, bias; other numbers are left alone. */
int recurrent_join_gates(struct keras_build *build, const struct image_tensor **list, size_t *n_list,
                         size_t n_gates, struct err *err);

#endif
