/* The recurrent loop written out step by step, as plain ops.
 *
 * The engine's own loop knows the activations that act on each number alone. An LSTM with
 * activation="softmax" (people do that) needs its neighbours, so its loop is unrolled here: one group of ops
 * per time step. That costs a graph that grows with the length of the sequence, which therefore must be known
 * and is bounded. */
#include "keras/recurrent.h"

#include "base/arena.h"
#include "base/err.h"

struct unroll {
    struct keras_call *call;
    struct engine_graph *graph;
    const struct recurrent_cell *cell;
    const struct engine_rnn *rnn;
    engine_value bias, recurrent_bias; /* [G*U] each, or ENGINE_NONE */
};

/* Columns of gate g of z [N, G*U]. */
static engine_value gate(const struct unroll *u, engine_value z, int g)
{
    return engine_slice(u->graph, z, -1, g * u->cell->units, (g + 1) * u->cell->units, 1);
}

static engine_value act(const struct unroll *u, engine_value x)
{
    return keras_activate(u->call, u->cell->activation, x);
}

static engine_value recurrent_act(const struct unroll *u, engine_value x)
{
    return keras_activate(u->call, u->cell->recurrent_activation, x);
}

static engine_value add(const struct unroll *u, engine_value x, engine_value y)
{
    return engine_binary(u->graph, BINARY_ADD, x, y);
}

static engine_value multiply(const struct unroll *u, engine_value x, engine_value y)
{
    return engine_binary(u->graph, BINARY_MULTIPLY, x, y);
}

/* z h + (1 - z) candidate */
static engine_value mix(const struct unroll *u, engine_value z, engine_value h, engine_value candidate)
{
    engine_value difference = engine_binary(u->graph, BINARY_SUBTRACT, h, candidate);
    return add(u, candidate, multiply(u, z, difference));
}

static void step_simple(const struct unroll *u, engine_value xz, engine_value state[2])
{
    engine_value hz = engine_dense(u->graph, state[0], u->rnn->recurrent_kernel, ENGINE_NONE);
    state[0] = act(u, add(u, xz, hz));
}

static void step_lstm(const struct unroll *u, engine_value xz, engine_value state[2])
{
    engine_value z = add(u, xz, engine_dense(u->graph, state[0], u->rnn->recurrent_kernel, ENGINE_NONE));
    engine_value i = recurrent_act(u, gate(u, z, 0));
    engine_value f = recurrent_act(u, gate(u, z, 1));
    engine_value g = act(u, gate(u, z, 2));
    engine_value o = recurrent_act(u, gate(u, z, 3));
    state[1] = add(u, multiply(u, f, state[1]), multiply(u, i, g));
    state[0] = multiply(u, o, act(u, state[1]));
}

static void step_gru_after(const struct unroll *u, engine_value xz, engine_value state[2])
{
    engine_value q = engine_dense(u->graph, state[0], u->rnn->recurrent_kernel, u->recurrent_bias);
    engine_value z = recurrent_act(u, add(u, gate(u, xz, 0), gate(u, q, 0)));
    engine_value r = recurrent_act(u, add(u, gate(u, xz, 1), gate(u, q, 1)));
    engine_value candidate = act(u, add(u, gate(u, xz, 2), multiply(u, r, gate(u, q, 2))));
    state[0] = mix(u, z, state[0], candidate);
}

static void step_gru_before(const struct unroll *u, engine_value xz, engine_value state[2])
{
    engine_value kernel[3];
    for (int g = 0; g < 3; g++)
        kernel[g] = gate(u, u->rnn->recurrent_kernel, g);
    engine_value hz = engine_dense(u->graph, state[0], kernel[0], ENGINE_NONE);
    engine_value hr = engine_dense(u->graph, state[0], kernel[1], ENGINE_NONE);
    engine_value z = recurrent_act(u, add(u, gate(u, xz, 0), hz));
    engine_value r = recurrent_act(u, add(u, gate(u, xz, 1), hr));
    engine_value reset = engine_dense(u->graph, multiply(u, r, state[0]), kernel[2], ENGINE_NONE);
    state[0] = mix(u, z, state[0], act(u, add(u, gate(u, xz, 2), reset)));
}

static void step(const struct unroll *u, engine_value xz, engine_value state[2])
{
    switch (u->cell->kind) {
    case ENGINE_RNN_SIMPLE:
        step_simple(u, xz, state);
        return;
    case ENGINE_RNN_LSTM:
        step_lstm(u, xz, state);
        return;
    case ENGINE_RNN_GRU:
        if (u->cell->reset_after)
            step_gru_after(u, xz, state);
        else
            step_gru_before(u, xz, state);
        return;
    }
}

/* Element t of axis 1. */
static engine_value at_time(const struct unroll *u, engine_value x, int64_t t)
{
    return engine_squeeze(u->graph, engine_slice(u->graph, x, 1, t, t + 1, 1), (int[]){1}, 1);
}

/* GRU reset_after: bias [2, 3U] is the input's row, then the recurrent row. */
static void split_bias(struct unroll *u)
{
    u->bias = u->rnn->bias;
    u->recurrent_bias = ENGINE_NONE;
    if (u->bias == ENGINE_NONE || !u->cell->reset_after)
        return;
    engine_value rows = u->rnn->bias;
    u->bias = engine_squeeze(u->graph, engine_slice(u->graph, rows, 0, 0, 1, 1), (int[]){0}, 1);
    u->recurrent_bias = engine_squeeze(u->graph, engine_slice(u->graph, rows, 0, 1, 2, 1), (int[]){0}, 1);
}

/* Zero states [N, U], shaped after the first time step of xz [N, T, G*U]. */
static engine_value zero_state(const struct unroll *u, engine_value xz)
{
    engine_value like = gate(u, at_time(u, xz, 0), 0);
    engine_value zero = engine_cast(u->graph, engine_scalar_f32(u->graph, 0), engine_dtype(u->graph, xz));
    return engine_broadcast_like(u->graph, zero, like);
}

static void run(const struct unroll *u, engine_value xz, int64_t n_steps, engine_value *outputs,
                engine_value state[2])
{
    const struct engine_rnn *rnn = u->rnn;
    engine_value zero = zero_state(u, xz), previous = zero;
    for (int i = 0; i < 2; i++)
        state[i] = rnn->initial[i] != ENGINE_NONE ? rnn->initial[i] : zero;
    for (int64_t k = 0; k < n_steps; k++) {
        int64_t t = rnn->go_backwards ? n_steps - 1 - k : k;
        engine_value old[2] = {state[0], state[1]};
        step(u, at_time(u, xz, t), state);
        engine_value output = state[0];
        if (rnn->mask != ENGINE_NONE) {
            engine_value mask = engine_slice(u->graph, rnn->mask, 1, t, t + 1, 1); /* [N, 1] */
            output = engine_select(u->graph, mask, output, rnn->zero_output_for_mask ? zero : previous);
            for (int i = 0; i < 2; i++)
                state[i] = engine_select(u->graph, mask, state[i], old[i]);
        }
        outputs[k] = previous = output;
    }
}

void recurrent_unroll(struct keras_call *call, const struct recurrent_cell *cell,
                      const struct engine_rnn *rnn, engine_value ret[3])
{
    struct engine_graph *graph = call->graph;
    int64_t n_steps = engine_dim(graph, rnn->x, 1);
    if (n_steps < 1 || n_steps > RECURRENT_MAX_UNROLL) {
        engine_graph_fail(graph, KD_EUNSUPPORTED,
                          "an activation that mixes units (log_softmax, sparsemax) needs a known number of "
                          "time steps, 1 to %d, found %lld",
                          RECURRENT_MAX_UNROLL, (long long)n_steps);
        return;
    }
    struct unroll u = {.call = call, .graph = graph, .cell = cell, .rnn = rnn};
    split_bias(&u);
    engine_value xz = engine_dense(graph, rnn->x, rnn->kernel, u.bias);
    engine_value outputs[RECURRENT_MAX_UNROLL], state[2];
    run(&u, xz, n_steps, outputs, state);
    ret[0] = rnn->return_sequences ? engine_stack(graph, outputs, (int)n_steps, 1) : outputs[n_steps - 1];
    ret[1] = state[0];
    ret[2] = cell->kind == ENGINE_RNN_LSTM ? state[1] : ENGINE_NONE;
}
