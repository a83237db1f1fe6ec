/* Windows over whole pixels, without padding.
 *
 * A window that sticks out of the input simply has fewer taps. So an output line is three parts: the left
 * edge and the right edge, whose outputs are run one by one with the taps they have, and the middle, where
 * all have the same, in one go. */
#include "kernels/strips.h"

/* The taps of the window at input index `at` that lie inside: their number, and the first. */
static int64_t inside(const struct conv *conv, int axis, int64_t at, int64_t *ret_first)
{
    int64_t d = conv->dilation[axis], k = conv->kernel[axis], in = conv->in[axis];
    int64_t first = at < 0 ? (-at + d - 1) / d : 0, end = at < in ? (in - at + d - 1) / d : 0;
    end = end < k ? end : k;
    *ret_first = first < end ? first : 0;
    return first < end ? end - first : 0;
}

/* `count` outputs of a line from output o on, whose windows all have the taps of the first. */
static void run_part(const struct conv *conv, struct strip *strip, void (*run)(const struct strip *),
                     const float *line, const float *w, int64_t o, int64_t count, float *y)
{
    int64_t at = o * conv->stride[2] - conv->pad[2], first;
    strip->n[2] = inside(conv, 2, at, &first);
    strip->x = strip->n[2] ? line + (at + first * conv->dilation[2]) * strip->x_channels : line;
    strip->w = w + first * strip->w_step[2];
    strip->count = count;
    strip->y = y;
    if (count > 0)
        run(strip);
}

/* Outputs [first, last) of a line. */
static void run_line(const struct conv *conv, struct strip *strip, void (*run)(const struct strip *),
                     const float *line, const float *w, int64_t first, int64_t last, float *y)
{
    int64_t s = conv->stride[2], room = conv->in[2] - ((conv->kernel[2] - 1) * conv->dilation[2] + 1);
    int64_t middle = (conv->pad[2] + s - 1) / s; /* the first whole window, and behind the last one */
    int64_t right = room + conv->pad[2] >= 0 ? (room + conv->pad[2]) / s + 1 : 0;
    middle = middle < first ? first : middle < last ? middle : last;
    right = right < middle ? middle : right < last ? right : last;
    for (int64_t o = first; o < middle; o++, y += strip->channels)
        run_part(conv, strip, run, line, w, o, 1, y);
    run_part(conv, strip, run, line, w, middle, right - middle, y);
    y += (right - middle) * strip->channels;
    for (int64_t o = right; o < last; o++, y += strip->channels)
        run_part(conv, strip, run, line, w, o, 1, y);
}

void strips_run(const struct conv *conv, struct strip strip, void (*run)(const struct strip *),
                const float *x, float *y, int64_t begin, int64_t end)
{
    const float *w = strip.w;
    int64_t row = conv->in[2] * strip.x_channels, plane = conv->in[1] * row;
    int64_t steps[CONV_AXES] = {plane, row, strip.x_channels};
    for (int axis = 0; axis < CONV_AXES; axis++)
        strip.x_step[axis] = steps[axis] * conv->dilation[axis];
    strip.x_stride = conv->stride[2] * strip.x_channels;
    strip.w_step[2] = strip.channels;
    strip.w_step[1] = conv->kernel[2] * strip.channels;
    strip.w_step[0] = conv->kernel[1] * strip.w_step[1];
    while (begin < end) {
        int64_t o = begin % conv->out[2], line = begin / conv->out[2], first[2];
        int64_t last = conv->out[2] - o < end - begin ? conv->out[2] : o + end - begin;
        int64_t h = line % conv->out[1] * conv->stride[1] - conv->pad[1], sample = line / conv->out[1];
        int64_t d = sample % conv->out[0] * conv->stride[0] - conv->pad[0];
        sample /= conv->out[0];
        strip.n[0] = inside(conv, 0, d, &first[0]);
        strip.n[1] = inside(conv, 1, h, &first[1]);
        const float *from = x + sample * conv->in[0] * plane;
        if (strip.n[0] && strip.n[1])
            from += (d + first[0] * conv->dilation[0]) * plane + (h + first[1] * conv->dilation[1]) * row;
        run_line(conv, &strip, run, from, w + first[0] * strip.w_step[0] + first[1] * strip.w_step[1], o,
                 last, y + begin * strip.channels);
        begin += last - o;
    }
}
