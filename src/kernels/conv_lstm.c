/* ConvLSTM: an LSTM whose products are convolutions.
 *
 * Per step: the gates of all samples from the input's convolution, then the state's convolution added to
 * them, then the gates, pixel by pixel (the four gates of a pixel lie side by side). */
#include <string.h>

#include "base/size.h"
#include "kernels/elementwise.h"
#include "kernels/rnn.h"

static int64_t pixels(const struct conv_lstm *rnn)
{
    return rnn->input.out[0] * rnn->input.out[1] * rnn->input.out[2];
}

void conv_lstm_recurrent(const struct conv_lstm *rnn, struct conv *ret)
{
    *ret = rnn->input;
    ret->groups = 1;
    ret->c_in = rnn->input.c_out / 4;
    for (int axis = 0; axis < CONV_AXES; axis++) {
        ret->in[axis] = rnn->input.out[axis];
        ret->stride[axis] = ret->dilation[axis] = 1;
        ret->pad[axis] = (ret->kernel[axis] - 1) / 2;
    }
}

/* Floats of the state of one sample. */
static int64_t state_size(const struct conv_lstm *rnn)
{
    return pixels(rnn) * rnn->input.c_out / 4;
}

static bool conv_part(const struct conv_lstm *rnn, size_t *ret)
{
    struct conv recurrent;
    size_t a, b;
    conv_lstm_recurrent(rnn, &recurrent);
    if (!conv_scratch(&rnn->input, &a) || !conv_scratch(&recurrent, &b))
        return false;
    *ret = size_align(a > b ? a : b, 64);
    return true;
}

bool conv_lstm_scratch(const struct conv_lstm *rnn, size_t *ret)
{
    size_t conv, state;
    return conv_part(rnn, &conv) &&
           size_mul((size_t)state_size(rnn), (size_t)rnn->input.batch * 7 * sizeof(float), &state) &&
           size_add(conv, state, ret);
}

struct state {
    float *z;           /* [batch, pixels, 4 filters] */
    float *h, *c, *out; /* [batch, pixels, filters] */
};

/* The gates of some pixels, each of which holds i f c o in z. */
static void pixel_gates(const struct conv_lstm *rnn, int64_t n_pixels, float *z, float *h, float *c)
{
    int64_t f = rnn->input.c_out / 4;
    for (int64_t i = 0; i < n_pixels; i++, z += 4 * f, h += f, c += f) {
        unary_apply(&rnn->recurrent_activation, z, z, 2 * f);
        unary_apply(&rnn->activation, z + 2 * f, z + 2 * f, f);
        unary_apply(&rnn->recurrent_activation, z + 3 * f, z + 3 * f, f);
        for (int64_t j = 0; j < f; j++)
            c[j] = z[f + j] * c[j] + z[j] * z[2 * f + j];
        unary_apply(&rnn->activation, c, h, f);
        for (int64_t j = 0; j < f; j++)
            h[j] *= z[3 * f + j];
    }
}

/* The input's share of the gates at time t. The batch lies time-strided, so sample by sample. */
static void input_share(const struct conv_lstm *rnn, const void *kernel, const float *bias, const float *x,
                        int64_t t, struct state *s, void *scratch)
{
    struct conv one = rnn->input;
    struct gemm_epilogue epilogue = {.bias = bias};
    int64_t sample = one.in[0] * one.in[1] * one.in[2] * one.c_in;
    one.batch = 1;
    for (int64_t b = 0; b < rnn->input.batch; b++)
        conv_run(&one, x + (b * rnn->steps + t) * sample, kernel, &epilogue,
                 s->z + b * 4 * state_size(rnn), 0, pixels(rnn), scratch);
}

static void put_outputs(const struct conv_lstm *rnn, const struct rnn_io *io, struct state *s, int64_t t,
                        int64_t step)
{
    int64_t n = state_size(rnn), places = rnn->mask_pixels ? pixels(rnn) : 1, part = n / places;
    size_t bytes = (size_t)part * sizeof(float);
    for (int64_t b = 0; b < rnn->input.batch; b++) {
        for (int64_t i = 0; i < places; i++) {
            bool masked = io->mask && !io->mask[(b * rnn->steps + t) * places + i];
            int64_t at = b * n + i * part;
            if (!masked) {
                pixel_gates(rnn, pixels(rnn) / places, s->z + 4 * at, s->h + at, s->c + at);
                memcpy(s->out + at, s->h + at, bytes);
            } else if (rnn->zero_output_for_mask) {
                memset(s->out + at, 0, bytes);
            }
        }
        if (rnn->return_sequences)
            memcpy(io->y + (b * rnn->steps + step) * n, s->out + b * n, (size_t)n * sizeof(float));
    }
}

void conv_lstm_run(const struct conv_lstm *rnn, const void *kernel, const void *recurrent, const float *bias,
                   const struct rnn_io *io, void *scratch)
{
    int64_t n = state_size(rnn) * rnn->input.batch;
    size_t conv_bytes, bytes = (size_t)n * sizeof(float);
    struct conv loop;
    conv_lstm_recurrent(rnn, &loop);
    conv_part(rnn, &conv_bytes);
    struct state s = {.z = (float *)((char *)scratch + conv_bytes)};
    s.h = s.z + 4 * n;
    s.c = s.h + n;
    s.out = s.c + n;
    memset(s.h, 0, 3 * bytes);
    if (io->initial_h)
        memcpy(s.h, io->initial_h, bytes);
    if (io->initial_c)
        memcpy(s.c, io->initial_c, bytes);
    for (int64_t step = 0; step < rnn->steps; step++) {
        int64_t t = rnn->go_backwards ? rnn->steps - 1 - step : step;
        input_share(rnn, kernel, bias, io->x, t, &s, scratch);
        struct gemm_epilogue sum = {.add = s.z, .add_stride = loop.c_out};
        conv_run(&loop, s.h, recurrent, &sum, s.z, 0, conv_positions(&loop), scratch);
        put_outputs(rnn, io, &s, t, step);
    }
    if (!rnn->return_sequences)
        memcpy(io->y, s.out, bytes);
    if (io->last_h)
        memcpy(io->last_h, s.h, bytes);
    if (io->last_c)
        memcpy(io->last_c, s.c, bytes);
}
