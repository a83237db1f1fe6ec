/* Pooling and local response normalisation, channels-last. Windows are run as strips (strips.c), like the
 * depthwise convolution; padding is no tap, so it neither wins a maximum nor counts in a mean. */
#include "kernels/pool.h"

#include <math.h>

#include "kernels/strips.h"

static void (*pool_of(enum pool_kind kind))(const struct strip *)
{
    return kind == POOL_MAX ? kernels_table->pool_max : kernels_table->pool_mean;
}

void pool_run(enum pool_kind kind, const struct conv *conv, const float *x, float *y, int64_t begin,
              int64_t end)
{
    struct strip strip = {.channels = conv->c_in, .x_channels = conv->c_in, .w = x};
    strips_run(conv, strip, pool_of(kind), x, y, begin, end);
}

void adaptive_pool_run(enum pool_kind kind, const struct conv *conv, const float *x, float *y, int64_t begin,
                       int64_t end)
{
    int64_t area = conv->out[0] * conv->out[1] * conv->out[2], c = conv->c_in;
    struct strip strip = {.count = 1, .channels = c, .x_channels = c};
    strip.x_step[2] = c;
    strip.x_step[1] = conv->in[2] * c;
    strip.x_step[0] = conv->in[1] * strip.x_step[1];
    for (int64_t position = begin * area; position < end * area; position++) {
        int64_t rest = position, offset = 0;
        for (int axis = CONV_AXES - 1; axis >= 0; axis--) {
            int64_t o = conv->out[axis], i = rest % o, n = conv->in[axis], first = i * n / o;
            strip.n[axis] = ((i + 1) * n + o - 1) / o - first;
            offset += first * strip.x_step[axis];
            rest /= o;
        }
        strip.x = strip.w = x + rest * conv->in[0] * strip.x_step[0] + offset;
        strip.y = y + position * c;
        pool_of(kind)(&strip);
    }
}

void local_response_norm(int64_t rows, int64_t channels, int64_t radius, float bias, float alpha, float beta,
                         const float *x, float *y)
{
    for (int64_t row = 0; row < rows; row++, x += channels, y += channels)
        for (int64_t c = 0; c < channels; c++) {
            float sum = 0;
            int64_t last = c + radius < channels ? c + radius : channels - 1;
            for (int64_t i = c > radius ? c - radius : 0; i <= last; i++)
                sum += x[i] * x[i];
            y[c] = x[c] * powf(bias + alpha * sum, -beta);
        }
}
