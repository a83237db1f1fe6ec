/* Pooling and local response normalisation, channels-last. */
#include "kernels/pool.h"

#include <float.h>
#include <math.h>

/* The part of a window that lies inside of the input, per axis: first index, step, count. */
struct window {
    int64_t first[CONV_AXES], step[CONV_AXES], count[CONV_AXES];
};

static void start(enum pool_kind kind, int64_t channels, float *y)
{
    for (int64_t c = 0; c < channels; c++)
        y[c] = kind == POOL_MAX ? -FLT_MAX : 0;
}

static void take(enum pool_kind kind, int64_t channels, const float *x, float *y)
{
    for (int64_t c = 0; c < channels; c++)
        y[c] = kind != POOL_MAX ? y[c] + x[c] : x[c] > y[c] ? x[c] : y[c];
}

/* Pools one window of a sample into y. */
static void pool_window(enum pool_kind kind, const struct conv *conv, const struct window *window,
                        const float *x, float *y)
{
    int64_t n = window->count[0] * window->count[1] * window->count[2];
    start(kind, conv->c_in, y);
    for (int64_t i = 0; i < n; i++) {
        int64_t a = i / window->count[2] / window->count[1], b = i / window->count[2] % window->count[1];
        int64_t d = window->first[0] + a * window->step[0], h = window->first[1] + b * window->step[1];
        int64_t w = window->first[2] + i % window->count[2] * window->step[2];
        take(kind, conv->c_in, x + ((d * conv->in[1] + h) * conv->in[2] + w) * conv->c_in, y);
    }
    for (int64_t c = 0; kind == POOL_AVERAGE && c < conv->c_in; c++)
        y[c] /= (float)n;
}

static void clip_window(const struct conv *conv, int axis, int64_t at, struct window *window)
{
    int64_t dilation = conv->dilation[axis], first = at * conv->stride[axis] - conv->pad[axis];
    int64_t skip = first < 0 ? (-first + dilation - 1) / dilation : 0;
    int64_t count = conv->kernel[axis] - skip;
    first += skip * dilation;
    int64_t room = first < conv->in[axis] ? (conv->in[axis] - first + dilation - 1) / dilation : 0;
    window->first[axis] = first;
    window->step[axis] = dilation;
    window->count[axis] = count < 0 ? 0 : count < room ? count : room;
}

void pool_run(enum pool_kind kind, const struct conv *conv, const float *x, float *y, int64_t begin,
              int64_t end)
{
    int64_t sample = conv->in[0] * conv->in[1] * conv->in[2] * conv->c_in;
    for (int64_t position = begin; position < end; position++) {
        struct window window;
        int64_t rest = position;
        for (int axis = CONV_AXES - 1; axis >= 0; axis--) {
            clip_window(conv, axis, rest % conv->out[axis], &window);
            rest /= conv->out[axis];
        }
        pool_window(kind, conv, &window, x + rest * sample, y + position * conv->c_in);
    }
}

void adaptive_pool_run(enum pool_kind kind, const struct conv *conv, const float *x, float *y, int64_t begin,
                       int64_t end)
{
    int64_t sample = conv->in[0] * conv->in[1] * conv->in[2] * conv->c_in;
    int64_t area = conv->out[0] * conv->out[1] * conv->out[2];
    for (int64_t position = begin * area; position < end * area; position++) {
        struct window window;
        int64_t rest = position;
        for (int axis = CONV_AXES - 1; axis >= 0; axis--) {
            int64_t i = rest % conv->out[axis], n = conv->in[axis], o = conv->out[axis];
            window.first[axis] = i * n / o;
            window.step[axis] = 1;
            window.count[axis] = ((i + 1) * n + o - 1) / o - window.first[axis];
            rest /= o;
        }
        pool_window(kind, conv, &window, x + rest * sample, y + position * conv->c_in);
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
