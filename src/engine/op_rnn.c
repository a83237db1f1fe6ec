/* Recurrent layers: a whole sequence is one op, so that the input's product is made for all steps at once
 * and the states stay in the cache. Weights are packed once. */
#include <inttypes.h>

#include "base/arena.h"
#include "engine/window.h"
#include "kernels/elementwise.h"
#include "kernels/rnn.h"

/* ---- SimpleRNN, LSTM, GRU ---- */

enum { RNN_X, RNN_KERNEL, RNN_RECURRENT, RNN_BIAS, RNN_H, RNN_C, RNN_MASK, RNN_OPERANDS };

struct rnn_attrs {
    enum engine_rnn_kind kind;
    int64_t units;
    struct unary activation, recurrent_activation;
    bool reset_after, go_backwards, return_sequences, zero_output_for_mask, softmax, recurrent_softmax;
};

static int64_t gates(enum engine_rnn_kind kind)
{
    return kind == ENGINE_RNN_LSTM ? 4 : kind == ENGINE_RNN_GRU ? 3 : 1;
}

/* Operand i is a float constant of this shape. */
static int weight_fits(const struct step *step, int i, const char *name, const struct shape *wanted,
                       struct err *err)
{
    const struct value *weight = step->in[i];
    char a[128], b[128];
    if (!weight->constant || !dtype_is_float(weight->dtype) || !shape_compatible(&weight->shape, wanted))
        return err_set(err, KD_EINVAL, "the %s has shape %s where a constant of %s fits", name,
                       shape_text(&weight->shape, a, sizeof(a)), shape_text(wanted, b, sizeof(b)));
    return 0;
}

static int state_fits(const struct step *step, int i, const struct shape *wanted, struct err *err)
{
    char a[128], b[128];
    if (!step->in[i])
        return 0;
    if (!dtype_is_float(step->in[i]->dtype) || !shape_compatible(&step->in[i]->shape, wanted))
        return err_set(err, KD_EINVAL, "an initial state of shape %s where %s fits",
                       shape_text(&step->in[i]->shape, a, sizeof(a)), shape_text(wanted, b, sizeof(b)));
    return 0;
}

static int mask_fits(const struct step *step, int i, struct err *err)
{
    const struct value *mask = step->in[i], *x = step->in[RNN_X];
    struct shape wanted = {.rank = 2, .dim = {x->shape.dim[0], x->shape.dim[1]}};
    char a[128], b[128];
    if (mask && (mask->dtype != DTYPE_BOOL || !shape_compatible(&mask->shape, &wanted)))
        return err_set(err, KD_EINVAL, "a %s mask of shape %s where bool %s fits", dtype_name(mask->dtype),
                       shape_text(&mask->shape, a, sizeof(a)), shape_text(&wanted, b, sizeof(b)));
    return 0;
}

static int rnn_check_weights(const struct step *step, const struct rnn_attrs *attrs, struct err *err)
{
    const struct shape *x = &step->in[RNN_X]->shape;
    if (attrs->units < 1 || attrs->units > INT32_MAX)
        return err_set(err, KD_EINVAL, "%" PRId64 " units", attrs->units);
    int64_t columns = gates(attrs->kind) * attrs->units;
    struct shape kernel = {.rank = 2, .dim = {x->dim[2], columns}};
    struct shape recurrent = {.rank = 2, .dim = {attrs->units, columns}};
    struct shape bias = {.rank = 1, .dim = {columns}};
    if (attrs->kind == ENGINE_RNN_GRU && attrs->reset_after)
        bias = (struct shape){.rank = 2, .dim = {2, columns}};
    int status = weight_fits(step, RNN_KERNEL, "kernel", &kernel, err);
    if (!status)
        status = weight_fits(step, RNN_RECURRENT, "recurrent kernel", &recurrent, err);
    if (!status && step->in[RNN_BIAS])
        status = weight_fits(step, RNN_BIAS, "bias", &bias, err);
    return status;
}

static int rnn_infer(struct step *step, struct err *err)
{
    const struct rnn_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[RNN_X]->shape;
    int status = step_need_rank(step, RNN_X, 3, 3, err);
    if (!status)
        status = step_need_float(step, RNN_X, err);
    if (!status)
        status = rnn_check_weights(step, attrs, err);
    struct shape state = {.rank = 2, .dim = {x->dim[0], attrs->units}};
    if (!status)
        status = state_fits(step, RNN_H, &state, err);
    if (!status)
        status = state_fits(step, RNN_C, &state, err);
    if (!status)
        status = mask_fits(step, RNN_MASK, err);
    if (!status && x->dim[1] == 0)
        status = err_set(err, KD_EINVAL, "a sequence of no steps");
    if (status)
        return status;
    for (int i = 0; i < step->n_out; i++) {
        step->out[i]->dtype = step->in[RNN_X]->dtype;
        step->out[i]->shape = state;
    }
    if (attrs->return_sequences)
        step->out[0]->shape = (struct shape){.rank = 3, .dim = {x->dim[0], x->dim[1], attrs->units}};
    return 0;
}

static void rnn_describe(const struct step *step, struct rnn *ret)
{
    static const enum rnn_kind kinds[] = {
        [ENGINE_RNN_SIMPLE] = RNN_SIMPLE, [ENGINE_RNN_LSTM] = RNN_LSTM, [ENGINE_RNN_GRU] = RNN_GRU};
    const struct rnn_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[RNN_X]->shape;
    *ret = (struct rnn){.kind = kinds[attrs->kind],
                        .batch = x->dim[0],
                        .steps = x->dim[1],
                        .features = step->in[RNN_KERNEL]->shape.dim[0],
                        .units = attrs->units,
                        .activation = attrs->activation,
                        .recurrent_activation = attrs->recurrent_activation,
                        .softmax = attrs->softmax,
                        .recurrent_softmax = attrs->recurrent_softmax,
                        .reset_after = attrs->reset_after,
                        .go_backwards = attrs->go_backwards,
                        .return_sequences = attrs->return_sequences,
                        .zero_output_for_mask = attrs->zero_output_for_mask};
}

static int op_rnn_pack(struct node *node, const struct step *step, struct pack *pack, struct err *err)
{
    struct rnn rnn;
    size_t bytes;
    bool fresh = false;
    void *packed = NULL;
    const void *bias = step->in[RNN_BIAS] ? step->in[RNN_BIAS]->data : NULL;
    rnn_describe(step, &rnn);
    uint64_t variant = (uint64_t)(uintptr_t)bias ^ (uint64_t)(uintptr_t)step->in[RNN_RECURRENT]->data << 1 ^
                       (uint64_t)rnn.kind << 1 ^ (uint64_t)rnn.reset_after;
    if (rnn_pack_bytes(&rnn, &bytes))
        packed = pack_memory(pack, node->op, step->in[RNN_KERNEL]->data, variant, bytes, &fresh);
    if (!packed)
        return pack_failed(err);
    if (fresh)
        rnn_pack(&rnn, step->in[RNN_KERNEL]->data, step->in[RNN_RECURRENT]->data, bias, packed);
    node->packed = packed;
    return 0;
}

static int rnn_prepare(struct step *step, struct err *err)
{
    struct rnn *rnn = step_params(step, sizeof(*rnn), err);
    if (!rnn)
        return KD_ENOMEM;
    rnn_describe(step, rnn);
    if (!rnn_scratch(rnn, &step->scratch))
        return err_set(err, KD_ETOOBIG, "a sequence too big to compute");
    double steps = (double)rnn->batch * (double)rnn->steps;
    double columns = (double)(step->in[RNN_KERNEL]->shape.dim[1]);
    step->cost_us = product_cost_us(1.5 * steps * columns * (double)(rnn->features + rnn->units), 0) +
                    steps * columns * 0.6e-3 + (double)rnn->steps * 0.2;
    return 0;
}

static int op_rnn_run(const struct step *step, const struct io *io, struct err *err)
{
    struct rnn_io run = {.x = io->in[RNN_X],
                         .mask = io->in[RNN_MASK],
                         .initial_h = io->in[RNN_H],
                         .initial_c = io->in[RNN_C],
                         .y = io->out[0],
                         .last_h = io->out[1],
                         .last_c = step->n_out > 2 ? io->out[2] : NULL};
    rnn_run(step->params, step->node->packed, &run, io->scratch);
    return 0;
}

/* Sequences, states and masks go row by row together. */
static enum rows sequence_rows(const struct step *step, const enum rows *in)
{
    enum rows rows = ROWS_FREE;
    for (int i = 0; i < step->n_in; i++) {
        if (!step->in[i] || step->in[i]->constant)
            continue;
        if (rows != ROWS_FREE && in[i] != rows)
            return ROWS_MIXED;
        rows = in[i];
    }
    return rows;
}

static const struct op op_rnn = {.name = "rnn",
                                 .flags = OP_OPAQUE,
                                 .n_required = 3,
                                 .infer = rnn_infer,
                                 .packs = 1u << RNN_KERNEL | 1u << RNN_RECURRENT | 1u << RNN_BIAS,
                                 .pack = op_rnn_pack,
                                 .prepare = rnn_prepare,
                                 .run = op_rnn_run,
                                 .rows = sequence_rows};

void engine_rnn(struct engine_graph *graph, const struct engine_rnn *rnn, engine_value ret[3])
{
    struct rnn_attrs attrs = {
        rnn->kind,        rnn->units,        rnn->activation,       rnn->recurrent_activation,
        rnn->reset_after, rnn->go_backwards, rnn->return_sequences, rnn->zero_output_for_mask,
        rnn->softmax,     rnn->recurrent_softmax};
    engine_value in[RNN_OPERANDS] = {
        rnn->x, rnn->kernel, rnn->recurrent_kernel, rnn->bias, rnn->initial[0], rnn->initial[1], rnn->mask};
    bool lstm = rnn->kind == ENGINE_RNN_LSTM;
    if (!lstm)
        in[RNN_C] = ENGINE_NONE;
    ret[0] = graph_add(graph, &op_rnn, &attrs, sizeof(attrs), in, RNN_OPERANDS, lstm ? 3 : 2);
    ret[1] = ret[0] == ENGINE_NONE ? ENGINE_NONE : ret[0] + 1;
    ret[2] = ret[0] == ENGINE_NONE || !lstm ? ENGINE_NONE : ret[0] + 2;
}

/* ---- ConvLSTM ---- */

struct conv_lstm_attrs {
    struct window_attrs input; /* first, as for every op with windows */
    struct unary activation, recurrent_activation;
    bool go_backwards, return_sequences, zero_output_for_mask;
};

struct conv_lstm_packed {
    const void *kernel, *recurrent;
};

/* The state's shape [N, spatial'..., F]; checks windows and kernels. */
static int conv_lstm_state(const struct step *step, struct shape *ret, struct err *err)
{
    const struct conv_lstm_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[RNN_X]->shape, *kernel = &step->in[RNN_KERNEL]->shape;
    int n = attrs->input.window.n_spatial;
    int64_t filters = kernel->dim[n + 1] / 4;
    struct shape recurrent = *kernel, bias = {.rank = 1, .dim = {4 * filters}};
    recurrent.dim[n] = filters;
    if (kernel->dim[n + 1] % 4 || size_differs(x->dim[n + 2], kernel->dim[n]))
        return err_set(err, KD_EINVAL, "the kernel does not fit the input's %" PRId64 " channels",
                       x->dim[n + 2]);
    int status = weight_fits(step, RNN_RECURRENT, "recurrent kernel", &recurrent, err);
    if (!status && step->in[RNN_BIAS])
        status = weight_fits(step, RNN_BIAS, "bias", &bias, err);
    *ret = (struct shape){.rank = n + 2, .dim = {x->dim[0]}};
    for (int i = 0; i < n && !status; i++) {
        struct window_axis axis = {.n = x->dim[i + 2],
                                   .k = kernel->dim[i],
                                   .stride = attrs->input.window.stride[i],
                                   .dilation = attrs->input.window.dilation[i]};
        if (axis.k < 1 || axis.stride < 1 || axis.dilation < 1)
            return err_set(err, KD_EINVAL, "a window of size %" PRId64, axis.k);
        status = window_axis_infer(&attrs->input, i, &axis, err);
        ret->dim[i + 1] = axis.out;
    }
    ret->dim[n + 1] = filters;
    return status;
}

/* A mask for whole steps, or one for each pixel of the state. */
static bool masks_pixels(const struct step *step, const struct shape *state)
{
    const struct value *mask = step->in[RNN_MASK];
    struct shape wanted = {.rank = state->rank, .dim = {state->dim[0], step->in[RNN_X]->shape.dim[1]}};
    for (int i = 1; i < state->rank - 1; i++)
        wanted.dim[i + 1] = state->dim[i];
    return mask && mask->dtype == DTYPE_BOOL && mask->shape.rank > 2 && shape_compatible(&mask->shape, &wanted);
}

static int conv_lstm_infer(struct step *step, struct err *err)
{
    const struct conv_lstm_attrs *attrs = step->attrs;
    int n = attrs->input.window.n_spatial;
    struct shape state;
    int status = n < 1 || n > ENGINE_MAX_SPATIAL ? err_set(err, KD_EINVAL, "%d spatial axes", n) : 0;
    if (!status)
        status = step_need_rank(step, RNN_X, n + 3, n + 3, err);
    if (!status)
        status = product_check_kernel(step, n + 2, err);
    if (!status)
        status = conv_lstm_state(step, &state, err);
    if (!status)
        status = state_fits(step, RNN_H, &state, err);
    if (!status)
        status = state_fits(step, RNN_C, &state, err);
    if (!status && !masks_pixels(step, &state))
        status = mask_fits(step, RNN_MASK, err);
    if (!status && step->in[RNN_X]->shape.dim[1] == 0)
        status = err_set(err, KD_EINVAL, "a sequence of no steps");
    if (status)
        return status;
    for (int i = 0; i < step->n_out; i++) {
        step->out[i]->dtype = step->in[RNN_X]->dtype;
        step->out[i]->shape = state;
    }
    if (!attrs->return_sequences)
        return 0;
    struct shape *y = &step->out[0]->shape;
    y->rank = n + 3;
    y->dim[1] = step->in[RNN_X]->shape.dim[1];
    for (int i = 1; i < state.rank; i++)
        y->dim[i + 1] = state.dim[i];
    return 0;
}

/* One step's input convolution. x and state may have made-up sizes: packing looks at kernel and channels
 * only. */
static void conv_lstm_describe(const struct step *step, const struct shape *x, const struct shape *state,
                               struct conv_lstm *ret)
{
    const struct conv_lstm_attrs *attrs = step->attrs;
    struct shape picture = {.rank = state->rank, .dim = {x->dim[0]}}, gates_of = *state;
    for (int i = 1; i < picture.rank; i++)
        picture.dim[i] = x->dim[i + 1];
    gates_of.dim[state->rank - 1] *= 4;
    *ret = (struct conv_lstm){.steps = x->dim[1],
                              .activation = attrs->activation,
                              .recurrent_activation = attrs->recurrent_activation,
                              .go_backwards = attrs->go_backwards,
                              .return_sequences = attrs->return_sequences,
                              .zero_output_for_mask = attrs->zero_output_for_mask,
                              .mask_pixels = masks_pixels(step, state)};
    window_conv(&attrs->input, &picture, &gates_of, step->in[RNN_KERNEL]->shape.dim, false, &ret->input);
}

static const void *pack_one(struct pack *pack, const struct op *op, const struct conv *conv,
                            const float *kernel)
{
    size_t bytes;
    bool fresh = false;
    void *packed = NULL;
    if (conv_pack_bytes(conv, &bytes))
        packed = pack_memory(pack, op, kernel, 1, bytes, &fresh);
    if (packed && fresh)
        conv_pack(conv, kernel, packed);
    return packed;
}

static int op_conv_lstm_pack(struct node *node, const struct step *step, struct pack *pack, struct err *err)
{
    const struct conv_lstm_attrs *attrs = step->attrs;
    const struct shape *kernel = &step->in[RNN_KERNEL]->shape;
    int n = attrs->input.window.n_spatial;
    struct shape x = {.rank = n + 3, .dim = {1, 1}}, state = {.rank = n + 2, .dim = {1}};
    for (int i = 0; i < n; i++) { /* any size that the window fits in */
        x.dim[i + 2] = kernel->dim[i] * attrs->input.window.dilation[i] + 1;
        state.dim[i + 1] = 1;
    }
    x.dim[n + 2] = kernel->dim[n];
    state.dim[n + 1] = kernel->dim[n + 1] / 4;
    struct conv_lstm lstm;
    struct conv recurrent;
    conv_lstm_describe(step, &x, &state, &lstm);
    conv_lstm_recurrent(&lstm, &recurrent);
    bool fresh;
    struct conv_lstm_packed *packed = pack_memory(pack, node->op, node, 0, sizeof(*packed), &fresh);
    if (!packed)
        return pack_failed(err);
    packed->kernel = pack_one(pack, node->op, &lstm.input, step->in[RNN_KERNEL]->data);
    packed->recurrent = pack_one(pack, node->op, &recurrent, step->in[RNN_RECURRENT]->data);
    node->packed = packed;
    return packed->kernel && packed->recurrent ? 0 : pack_failed(err);
}

static int conv_lstm_prepare(struct step *step, struct err *err)
{
    struct conv_lstm *lstm = step_params(step, sizeof(*lstm), err);
    struct shape state;
    if (!lstm || conv_lstm_state(step, &state, err))
        return KD_ENOMEM;
    conv_lstm_describe(step, &step->in[RNN_X]->shape, &state, lstm);
    if (!conv_lstm_scratch(lstm, &step->scratch))
        return err_set(err, KD_ETOOBIG, "a sequence too big to compute");
    double positions = (double)conv_positions(&lstm->input) * (double)lstm->steps;
    double weights = (double)step_in_count(step, RNN_KERNEL) + (double)step_in_count(step, RNN_RECURRENT);
    step->cost_us = product_cost_us(positions * weights, 0);
    return 0;
}

static int op_conv_lstm_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct conv_lstm_packed *packed = step->node->packed;
    struct rnn_io run = {.x = io->in[RNN_X],
                         .mask = io->in[RNN_MASK],
                         .initial_h = io->in[RNN_H],
                         .initial_c = io->in[RNN_C],
                         .y = io->out[0],
                         .last_h = io->out[1],
                         .last_c = io->out[2]};
    conv_lstm_run(step->params, packed->kernel, packed->recurrent, io->in[RNN_BIAS], &run, io->scratch);
    return 0;
}

static const struct op op_conv_lstm = {.name = "conv_lstm",
                                       .flags = OP_OPAQUE,
                                       .n_required = 3,
                                       .infer = conv_lstm_infer,
                                       .packs = 1u << RNN_KERNEL | 1u << RNN_RECURRENT,
                                       .pack = op_conv_lstm_pack,
                                       .prepare = conv_lstm_prepare,
                                       .run = op_conv_lstm_run,
                                       .rows = sequence_rows};

void engine_conv_lstm(struct engine_graph *graph, const struct engine_conv_lstm *rnn, engine_value ret[3])
{
    struct conv_lstm_attrs attrs = {{.window = rnn->window, .groups = 1},
                                    rnn->activation,
                                    rnn->recurrent_activation,
                                    rnn->go_backwards,
                                    rnn->return_sequences,
                                    rnn->zero_output_for_mask};
    engine_value in[RNN_OPERANDS] = {
        rnn->x, rnn->kernel, rnn->recurrent_kernel, rnn->bias, rnn->initial[0], rnn->initial[1], rnn->mask};
    ret[0] = graph_add(graph, &op_conv_lstm, &attrs, sizeof(attrs), in, RNN_OPERANDS, 3);
    ret[1] = ret[0] == ENGINE_NONE ? ENGINE_NONE : ret[0] + 1;
    ret[2] = ret[0] == ENGINE_NONE ? ENGINE_NONE : ret[0] + 2;
}
