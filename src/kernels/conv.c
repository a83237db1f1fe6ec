/* Convolutions, channels-last. */
#include "kernels/conv.h"

#include <string.h>

#include "base/size.h"
#include "kernels/elementwise.h"

int64_t conv_positions(const struct conv *conv)
{
    return conv->batch * conv->out[0] * conv->out[1] * conv->out[2];
}

static int64_t taps(const struct conv *conv)
{
    return conv->kernel[0] * conv->kernel[1] * conv->kernel[2];
}

/* Sample and place of an output position. */
struct place {
    int64_t sample, at[CONV_AXES];
};

static struct place place_of(const struct conv *conv, int64_t position)
{
    struct place place;
    for (int axis = CONV_AXES - 1; axis >= 0; axis--) {
        place.at[axis] = position % conv->out[axis];
        position /= conv->out[axis];
    }
    place.sample = position;
    return place;
}

/* The input pixel under tap `tap` of the window at `place`, or NULL outside. */
static const float *pixel(const struct conv *conv, const float *x, const struct place *place, int64_t tap)
{
    int64_t offset = 0, at[CONV_AXES];
    for (int axis = CONV_AXES - 1; axis >= 0; axis--) {
        at[axis] = tap % conv->kernel[axis];
        tap /= conv->kernel[axis];
    }
    for (int axis = 0; axis < CONV_AXES; axis++) {
        int64_t i = place->at[axis] * conv->stride[axis] + at[axis] * conv->dilation[axis] - conv->pad[axis];
        if (i < 0 || i >= conv->in[axis])
            return NULL;
        offset = offset * conv->in[axis] + i;
    }
    return x + (place->sample * conv->in[0] * conv->in[1] * conv->in[2] + offset) * conv->c_in;
}

static void start_row(const struct gemm_epilogue *epilogue, int64_t row, int64_t n, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = (epilogue->bias ? epilogue->bias[i] : 0) +
               (epilogue->add ? epilogue->add[row * epilogue->add_stride + i] : 0);
}

static bool pack_bytes(int64_t a, int64_t b, int64_t c, size_t *ret)
{
    size_t bytes;
    if (!size_mul((size_t)a, (size_t)b, &bytes) || !size_mul(bytes, (size_t)c, &bytes) ||
        !size_mul(bytes, sizeof(float), &bytes))
        return false;
    *ret = bytes;
    return true;
}

bool conv_pack_bytes(const struct conv *conv, size_t *ret)
{
    return pack_bytes(taps(conv), conv->c_in / conv->groups, conv->c_out, ret);
}

void conv_pack(const struct conv *conv, const float *kernel, void *packed)
{
    memcpy(packed, kernel, (size_t)(taps(conv) * conv->c_in / conv->groups * conv->c_out) * sizeof(float));
}

bool conv_scratch(const struct conv *conv, size_t *ret)
{
    *ret = 0;
    return true;
}

void conv_run(const struct conv *conv, const float *x, const void *packed,
              const struct gemm_epilogue *epilogue, float *y, int64_t begin, int64_t end, void *scratch)
{
    int64_t c_in = conv->c_in / conv->groups, c_out = conv->c_out / conv->groups;
    for (int64_t position = begin; position < end; position++) {
        struct place place = place_of(conv, position);
        float *to = y + position * conv->c_out;
        start_row(epilogue, position, conv->c_out, to);
        for (int64_t tap = 0; tap < taps(conv); tap++) {
            const float *from = pixel(conv, x, &place, tap);
            const float *w = (const float *)packed + tap * c_in * conv->c_out;
            for (int64_t f = 0; from && f < conv->c_out; f++)
                for (int64_t c = 0; c < c_in; c++)
                    to[f] += from[f / c_out * c_in + c] * w[c * conv->c_out + f];
        }
        if (epilogue->activation)
            unary_apply(epilogue->activation, to, to, conv->c_out);
    }
}

bool conv_transpose_pack_bytes(const struct conv *conv, size_t *ret)
{
    return pack_bytes(taps(conv), conv->c_in, conv->c_out, ret);
}

void conv_transpose_pack(const struct conv *conv, const float *kernel, void *packed)
{
    memcpy(packed, kernel, (size_t)(taps(conv) * conv->c_in * conv->c_out) * sizeof(float));
}

bool conv_transpose_scratch(const struct conv *conv, size_t *ret)
{
    *ret = 0;
    return true;
}

/* The input pixel that reaches output `place` through tap `tap`, or NULL. */
static const float *transposed_pixel(const struct conv *conv, const float *x, const struct place *place,
                                     int64_t tap)
{
    int64_t offset = 0, at[CONV_AXES];
    for (int axis = CONV_AXES - 1; axis >= 0; axis--) {
        at[axis] = tap % conv->kernel[axis];
        tap /= conv->kernel[axis];
    }
    for (int axis = 0; axis < CONV_AXES; axis++) {
        int64_t i = place->at[axis] - at[axis] * conv->dilation[axis] + conv->pad[axis];
        if (i < 0 || i % conv->stride[axis] || i / conv->stride[axis] >= conv->in[axis])
            return NULL;
        offset = offset * conv->in[axis] + i / conv->stride[axis];
    }
    return x + (place->sample * conv->in[0] * conv->in[1] * conv->in[2] + offset) * conv->c_in;
}

void conv_transpose_run(const struct conv *conv, const float *x, const void *packed,
                        const struct gemm_epilogue *epilogue, float *y, int64_t begin, int64_t end,
                        void *scratch)
{
    int64_t area = conv->out[0] * conv->out[1] * conv->out[2];
    for (int64_t position = begin * area; position < end * area; position++) {
        struct place place = place_of(conv, position);
        float *to = y + position * conv->c_out;
        start_row(epilogue, position, conv->c_out, to);
        for (int64_t tap = 0; tap < taps(conv); tap++) {
            const float *from = transposed_pixel(conv, x, &place, tap);
            const float *w = (const float *)packed + tap * conv->c_in * conv->c_out;
            for (int64_t f = 0; from && f < conv->c_out; f++)
                for (int64_t c = 0; c < conv->c_in; c++)
                    to[f] += from[c] * w[f * conv->c_in + c];
        }
        if (epilogue->activation)
            unary_apply(epilogue->activation, to, to, conv->c_out);
    }
}

void depthwise_run(const struct conv *conv, const float *x, const float *kernel, const float *bias,
                   const struct unary *activation, float *y, int64_t begin, int64_t end)
{
    int64_t multiplier = conv->c_out / conv->c_in;
    for (int64_t position = begin; position < end; position++) {
        struct place place = place_of(conv, position);
        float *to = y + position * conv->c_out;
        for (int64_t f = 0; f < conv->c_out; f++)
            to[f] = bias ? bias[f] : 0;
        for (int64_t tap = 0; tap < taps(conv); tap++) {
            const float *from = pixel(conv, x, &place, tap);
            for (int64_t f = 0; from && f < conv->c_out; f++)
                to[f] += from[f / multiplier] * kernel[tap * conv->c_out + f];
        }
        if (activation)
            unary_apply(activation, to, to, conv->c_out);
    }
}

bool local_conv_scratch(const struct conv *conv, size_t *ret)
{
    *ret = 0;
    return true;
}

void local_conv_run(const struct conv *conv, const float *x, const float *kernel, const float *bias, float *y,
                    int64_t begin, int64_t end, void *scratch)
{
    int64_t area = conv->out[0] * conv->out[1] * conv->out[2];
    for (int64_t position = begin * area; position < end * area; position++) {
        struct place place = place_of(conv, position);
        float *to = y + position * conv->c_out;
        for (int64_t f = 0; f < conv->c_out; f++)
            to[f] = bias ? bias[position % area * conv->c_out + f] : 0;
        for (int64_t tap = 0; tap < taps(conv); tap++) {
            const float *from = pixel(conv, x, &place, tap);
            const float *w = kernel + (position % area * taps(conv) + tap) * conv->c_in * conv->c_out;
            for (int64_t c = 0; from && c < conv->c_in; c++)
                for (int64_t f = 0; f < conv->c_out; f++)
                    to[f] += from[c] * w[c * conv->c_out + f];
        }
    }
}
