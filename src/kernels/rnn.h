/* Recurrent layers over whole sequences.
 *
 * The input's share of all steps is one packed product; each step then adds the recurrent product and runs
 * the gates in one pass. Samples of a batch advance together and do not influence each other. */
#ifndef KD_KERNELS_RNN_H
#define KD_KERNELS_RNN_H

#include "kernels/conv.h"

enum rnn_kind { RNN_SIMPLE, RNN_LSTM, RNN_GRU };

struct rnn {
    enum rnn_kind kind;
    int64_t batch, steps, features, units; /* steps >= 1 */
    struct unary activation, recurrent_activation;
    bool softmax, recurrent_softmax; /* over a gate's units, in place of them */
    bool reset_after; /* GRU */
    bool go_backwards;
    bool return_sequences;
    bool zero_output_for_mask;
};

/* Gates G: 1, 4 (i f c o), 3 (z r h). kernel [features, G units], recurrent [units, G units], bias
 * [G units] or NULL; GRU with reset_after: bias [2, 3 units]. Looks at kind, features, units, reset_after.
 * Packed memory is 64-byte aligned and holds copies of all three; false on overflow. */
bool rnn_pack_bytes(const struct rnn *rnn, size_t *ret);
void rnn_pack(const struct rnn *rnn, const float *kernel, const float *recurrent, const float *bias,
              void *packed);
bool rnn_scratch(const struct rnn *rnn, size_t *ret);

/* x [batch, steps, features]; mask [batch, steps] (0 or 1) or NULL; initial states [batch, units] or NULL
 * for zeros. Formulas per step, s = the input's share, q = h R:
 *   SIMPLE  h' = act(s + q)
 *   LSTM    i, f, o = ract(s + q), g = act(s + q); c' = f c + i g; h' = o act(c')
 *   GRU     z = ract(s + q), r = ract(s + q); hh = act(s_h + (r h) R_h), or with reset_after
 *           act(s_h + r (h R_h + b'_h)); h' = z h + (1 - z) hh
 * A masked step keeps the states and repeats the previous output (before the first: zero), or gives zero
 * with zero_output_for_mask. go_backwards: steps run from the end; outputs are in processing order.
 * y: [batch, steps, units] or [batch, units] (the last output). last_h, last_c [batch, units] or NULL. */
struct rnn_io {
    const float *x;
    const int64_t *mask;
    const float *initial_h, *initial_c;
    float *y, *last_h, *last_c;
};
void rnn_run(const struct rnn *rnn, const void *packed, const struct rnn_io *io, void *scratch);

/* ConvLSTM: gates from conv(x, kernel) + bias + conv(h, recurrent, stride 1, SAME), otherwise as LSTM.
 * input: the convolution of one step (batch = samples, c_out = 4 filters, its out = size of the state).
 * kernel [k..., C, 4 filters], recurrent [k..., filters, 4 filters], both packed by conv_pack with the
 * descriptions input and conv_lstm_recurrent(). bias [4 filters] or NULL. */
struct conv_lstm {
    struct conv input;
    int64_t steps;
    struct unary activation, recurrent_activation;
    bool go_backwards, return_sequences, zero_output_for_mask;
    bool mask_pixels; /* the mask is [N, steps, out...]: each pixel has its own */
};
void conv_lstm_recurrent(const struct conv_lstm *rnn, struct conv *ret);
bool conv_lstm_scratch(const struct conv_lstm *rnn, size_t *ret);
/* io: x [N, steps, in..., C], y [N, (steps,) out..., filters], states [N, out..., filters]. */
void conv_lstm_run(const struct conv_lstm *rnn, const void *kernel, const void *recurrent, const float *bias,
                   const struct rnn_io *io, void *scratch);

#endif
