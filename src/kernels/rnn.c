/* Recurrent layers over whole sequences.
 *
 * The input's share of the gates is one packed product for many steps (as many as stay in the cache). A step
 * adds the recurrent product to its rows and runs the gates. Masked samples are left out of the gates, so
 * they keep their state. */
#include "kernels/rnn.h"

#include <string.h>

#include "base/size.h"
#include "kernels/elementwise.h"
#include "kernels/isa.h"

static int64_t gates_of(const struct rnn *rnn)
{
    return rnn->kind == RNN_LSTM ? 4 : rnn->kind == RNN_GRU ? 3 : 1;
}

/* Where the parts of the packed weights begin. GRU without reset_after packs R's z r and h apart. */
struct parts {
    size_t bias, recurrent_bias, kernel, recurrent, recurrent_h, end;
};

static bool add_part(size_t bytes, size_t *at)
{
    return size_add(*at, size_align(bytes, 64), at);
}

static bool split_recurrent(const struct rnn *rnn)
{
    return rnn->kind == RNN_GRU && !rnn->reset_after;
}

static bool parts_of(const struct rnn *rnn, struct parts *parts)
{
    int64_t g = gates_of(rnn), u = rnn->units;
    size_t bias, kernel, recurrent, recurrent_h = 0, at = 0;
    if (!size_mul((size_t)u, (size_t)g * sizeof(float), &bias) ||
        !gemm_pack_bytes(rnn->features, g * u, &kernel))
        return false;
    if (!gemm_pack_bytes(u, split_recurrent(rnn) ? 2 * u : g * u, &recurrent) ||
        !gemm_pack_bytes(u, u, &recurrent_h))
        return false;
    parts->bias = at;
    bool ok = add_part(bias, &at);
    parts->recurrent_bias = at;
    ok = ok && add_part(bias, &at);
    parts->kernel = at;
    ok = ok && add_part(kernel, &at);
    parts->recurrent = at;
    ok = ok && add_part(recurrent, &at);
    parts->recurrent_h = at;
    ok = ok && (!split_recurrent(rnn) || add_part(recurrent_h, &at));
    parts->end = at;
    return ok;
}

bool rnn_pack_bytes(const struct rnn *rnn, size_t *ret)
{
    struct parts parts;
    if (!parts_of(rnn, &parts))
        return false;
    *ret = parts.end;
    return true;
}

static void pack_bias(const float *bias, int64_t n, void *to)
{
    if (bias)
        memcpy(to, bias, (size_t)n * sizeof(*bias));
    else
        memset(to, 0, (size_t)n * sizeof(*bias));
}

void rnn_pack(const struct rnn *rnn, const float *kernel, const float *recurrent, const float *bias,
              void *packed)
{
    int64_t u = rnn->units, n = gates_of(rnn) * u;
    char *to = packed;
    struct parts parts;
    parts_of(rnn, &parts);
    bool two_rows = rnn->kind == RNN_GRU && rnn->reset_after && bias;
    pack_bias(bias, n, to + parts.bias);
    pack_bias(two_rows ? bias + n : NULL, n, to + parts.recurrent_bias);
    gemm_pack(rnn->features, n, kernel, n, to + parts.kernel);
    gemm_pack(u, split_recurrent(rnn) ? 2 * u : n, recurrent, n, to + parts.recurrent);
    if (split_recurrent(rnn))
        gemm_pack(u, u, recurrent + 2 * u, n, to + parts.recurrent_h);
}

/* Floats of the input's share that are kept at a time, if that is at least MIN_STEPS steps. */
#define SHARE_FLOATS ((int64_t)1 << 17)
#define MIN_STEPS 8

/* A run: weights and the state of all samples. */
struct state {
    const struct rnn *rnn;
    const float *recurrent_bias;
    const void *recurrent, *recurrent_h;
    bool usual;                /* sigmoid and tanh */
    int64_t chunk;             /* steps whose shares are kept */
    float *shares;             /* [batch, chunk, gates * units]: the input's share */
    float *z;                  /* [batch, gates * units] */
    float *h, *c, *out, *work; /* [batch, units] */
};

static int64_t chunk_of(const struct rnn *rnn)
{
    int64_t row = rnn->batch * gates_of(rnn) * rnn->units, steps = row ? SHARE_FLOATS / row : 1;
    steps = steps > MIN_STEPS ? steps : MIN_STEPS;
    return steps < rnn->steps ? steps : rnn->steps;
}

bool rnn_scratch(const struct rnn *rnn, size_t *ret)
{
    size_t row, rows;
    int64_t g = gates_of(rnn);
    return size_mul((size_t)rnn->batch, (size_t)chunk_of(rnn), &rows) &&
           size_mul((size_t)rnn->units, sizeof(float) * (size_t)g, &row) && size_mul(rows, row, &rows) &&
           size_mul((size_t)rnn->batch, (size_t)rnn->units * (size_t)(g + 4) * sizeof(float), &row) &&
           size_add(rows, row, ret);
}

static void start_states(struct state *s, const struct rnn_io *io, float *scratch)
{
    const struct rnn *rnn = s->rnn;
    int64_t n = rnn->batch * rnn->units;
    size_t bytes = (size_t)n * sizeof(float);
    s->chunk = chunk_of(rnn);
    s->shares = scratch;
    s->z = s->shares + n * gates_of(rnn) * s->chunk;
    s->h = s->z + n * gates_of(rnn);
    s->c = s->h + n;
    s->out = s->c + n;
    s->work = s->out + n;
    memset(s->h, 0, 3 * bytes);
    if (io->initial_h)
        memcpy(s->h, io->initial_h, bytes);
    if (io->initial_c)
        memcpy(s->c, io->initial_c, bytes);
}

/* y = x times packed [units, columns], plus bias and the rows of add. */
static void recur(const struct state *s, const float *x, const void *packed, int64_t columns,
                  const float *bias, const float *add, int64_t add_stride, float *y, int64_t y_stride)
{
    struct gemm_packed product = {.rows = s->rnn->batch, .k = s->rnn->units, .n = columns,
                                  .column_end = columns, .x = x, .x_stride = s->rnn->units, .packed = packed,
                                  .epilogue = {.bias = bias, .add = add, .add_stride = add_stride},
                                  .y = y, .y_stride = y_stride};
    gemm_packed_run(&product);
}

static void softmax_units(const float *x, float *y, int64_t n)
{
    float largest = x[0], sum = 0;
    for (int64_t i = 1; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] - largest;
    unary_apply(&(struct unary){.kind = UNARY_EXP}, y, y, n);
    for (int64_t i = 0; i < n; i++)
        sum += y[i];
    for (int64_t i = 0; i < n; i++)
        y[i] /= sum;
}

/* y = activation(x) of one sample. */
static void activate(const struct rnn *rnn, const float *x, float *y)
{
    if (rnn->softmax)
        softmax_units(x, y, rnn->units);
    else
        unary_apply(&rnn->activation, x, y, rnn->units);
}

/* The same for gates that lie side by side. */
static void activate_gates(const struct rnn *rnn, float *z, int64_t n_gates)
{
    if (!rnn->recurrent_softmax)
        unary_apply(&rnn->recurrent_activation, z, z, n_gates * rnn->units);
    for (int64_t i = 0; i < n_gates && rnn->recurrent_softmax; i++)
        softmax_units(z + i * rnn->units, z + i * rnn->units, rnn->units);
}

static void lstm_gates(const struct state *s, float *z, float *h, float *c)
{
    const struct rnn *rnn = s->rnn;
    int64_t u = rnn->units;
    if (s->usual) {
        kernels_table->lstm(u, z, h, c);
        return;
    }
    activate_gates(rnn, z, 2);
    activate(rnn, z + 2 * u, z + 2 * u);
    activate_gates(rnn, z + 3 * u, 1);
    for (int64_t i = 0; i < u; i++)
        c[i] = z[u + i] * c[i] + z[i] * z[2 * u + i];
    activate(rnn, c, h);
    for (int64_t i = 0; i < u; i++)
        h[i] *= z[3 * u + i];
}

/* h' from the update gate and the candidate. */
static void gru_mix(int64_t u, const float *z, const float *candidate, float *h)
{
    for (int64_t i = 0; i < u; i++)
        h[i] = z[i] * h[i] + (1 - z[i]) * candidate[i];
}

static bool masked(const struct state *s, const int64_t *mask, int64_t sample, int64_t t)
{
    return mask && !mask[sample * s->rnn->steps + t];
}

static void step_simple(struct state *s, const int64_t *mask, int64_t t, const float *share, int64_t stride)
{
    int64_t u = s->rnn->units;
    recur(s, s->h, s->recurrent, u, NULL, share, stride, s->z, u);
    for (int64_t b = 0; b < s->rnn->batch; b++)
        if (!masked(s, mask, b, t))
            activate(s->rnn, s->z + b * u, s->h + b * u);
}

static void step_lstm(struct state *s, const int64_t *mask, int64_t t, const float *share, int64_t stride)
{
    int64_t u = s->rnn->units;
    recur(s, s->h, s->recurrent, 4 * u, NULL, share, stride, s->z, 4 * u);
    for (int64_t b = 0; b < s->rnn->batch; b++)
        if (!masked(s, mask, b, t))
            lstm_gates(s, s->z + b * 4 * u, s->h + b * u, s->c + b * u);
}

static void step_gru_reset_after(struct state *s, const int64_t *mask, int64_t t, const float *share,
                                 int64_t stride)
{
    int64_t u = s->rnn->units;
    recur(s, s->h, s->recurrent, 3 * u, s->recurrent_bias, NULL, 0, s->z, 3 * u);
    for (int64_t b = 0; b < s->rnn->batch; b++, share += stride) {
        float *z = s->z + b * 3 * u;
        if (masked(s, mask, b, t))
            continue;
        if (s->usual) {
            kernels_table->gru(u, share, z, s->h + b * u);
            continue;
        }
        for (int64_t i = 0; i < 2 * u; i++)
            z[i] += share[i];
        activate_gates(s->rnn, z, 2);
        for (int64_t i = 0; i < u; i++)
            z[2 * u + i] = share[2 * u + i] + z[u + i] * z[2 * u + i];
        activate(s->rnn, z + 2 * u, z + 2 * u);
        gru_mix(u, z, z + 2 * u, s->h + b * u);
    }
}

static void step_gru(struct state *s, const int64_t *mask, int64_t t, const float *share, int64_t stride)
{
    int64_t u = s->rnn->units;
    recur(s, s->h, s->recurrent, 2 * u, NULL, share, stride, s->z, 3 * u);
    for (int64_t b = 0; b < s->rnn->batch; b++) {
        float *z = s->z + b * 3 * u;
        activate_gates(s->rnn, z, 2);
        for (int64_t i = 0; i < u; i++)
            s->work[b * u + i] = z[u + i] * s->h[b * u + i];
    }
    recur(s, s->work, s->recurrent_h, u, NULL, share + 2 * u, stride, s->z + 2 * u, 3 * u);
    for (int64_t b = 0; b < s->rnn->batch; b++) {
        float *z = s->z + b * 3 * u;
        if (masked(s, mask, b, t))
            continue;
        activate(s->rnn, z + 2 * u, z + 2 * u);
        gru_mix(u, z, z + 2 * u, s->h + b * u);
    }
}

/* The outputs of a step: h, or what the mask says. */
static void put_outputs(struct state *s, const struct rnn_io *io, int64_t t, int64_t step)
{
    const struct rnn *rnn = s->rnn;
    size_t bytes = (size_t)rnn->units * sizeof(float);
    for (int64_t b = 0; b < rnn->batch; b++) {
        float *out = s->out + b * rnn->units;
        if (!masked(s, io->mask, b, t))
            memcpy(out, s->h + b * rnn->units, bytes);
        else if (rnn->zero_output_for_mask)
            memset(out, 0, bytes);
        if (rnn->return_sequences)
            memcpy(io->y + (b * rnn->steps + step) * rnn->units, out, bytes);
    }
}

/* The input's share of the chunk's steps: times [first, first + count). */
static void input_shares(const struct state *s, const char *kernel, const float *bias, const float *x,
                         int64_t first, int64_t count)
{
    const struct rnn *rnn = s->rnn;
    int64_t n = gates_of(rnn) * rnn->units;
    bool whole = count == rnn->steps;
    struct gemm_packed run = {.rows = whole ? rnn->batch * count : count, .k = rnn->features, .n = n,
                              .column_end = n, .x_stride = rnn->features, .packed = kernel,
                              .epilogue = {.bias = bias}, .y_stride = n};
    for (int64_t b = 0; b < (whole ? 1 : rnn->batch); b++) {
        run.x = x + (b * rnn->steps + first) * rnn->features;
        run.y = s->shares + b * count * n;
        gemm_packed_run(&run);
    }
}

static void finish(const struct state *s, const struct rnn_io *io)
{
    size_t bytes = (size_t)(s->rnn->batch * s->rnn->units) * sizeof(float);
    if (!s->rnn->return_sequences)
        memcpy(io->y, s->out, bytes);
    if (io->last_h)
        memcpy(io->last_h, s->h, bytes);
    if (io->last_c)
        memcpy(io->last_c, s->c, bytes);
}

void rnn_run(const struct rnn *rnn, const void *packed, const struct rnn_io *io, void *scratch)
{
    static void (*const step_of[2][3])(struct state *, const int64_t *, int64_t, const float *, int64_t) = {
        {step_simple, step_lstm, step_gru}, {step_simple, step_lstm, step_gru_reset_after}};
    struct parts parts = {0};
    parts_of(rnn, &parts);
    const char *weights = packed;
    int64_t n = gates_of(rnn) * rnn->units;
    struct state s = {.rnn = rnn, .recurrent = weights + parts.recurrent,
                      .recurrent_h = weights + parts.recurrent_h,
                      .recurrent_bias = (const float *)(weights + parts.recurrent_bias)};
    s.usual = rnn->activation.kind == UNARY_TANH && rnn->recurrent_activation.kind == UNARY_SIGMOID &&
              !rnn->softmax && !rnn->recurrent_softmax;
    start_states(&s, io, scratch);
    for (int64_t done = 0; done < rnn->steps; done += s.chunk) {
        int64_t count = rnn->steps - done < s.chunk ? rnn->steps - done : s.chunk;
        int64_t first = rnn->go_backwards ? rnn->steps - done - count : done;
        input_shares(&s, weights + parts.kernel, (const float *)(weights + parts.bias), io->x, first, count);
        for (int64_t i = 0; i < count; i++) {
            int64_t at = rnn->go_backwards ? count - 1 - i : i;
            step_of[rnn->reset_after][rnn->kind](&s, io->mask, first + at, s.shares + at * n, count * n);
            put_outputs(&s, io, first + at, done + i);
        }
    }
    finish(&s, io);
}
