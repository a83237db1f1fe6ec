/* Resizing pictures.
 *
 * Every method is separable: an output is a weighted sum of a few neighbouring rows, each of these a weighted
 * sum of a few neighbouring columns. The taps of an axis (first input, weights) are computed once. A row of
 * the result takes its rows together first, into scratch, then the columns.
 *
 * Positions are computed in float32 with TensorFlow's order of operations: where a tap lies just on the edge
 * of a kernel, rounding decides whether it counts. */
#include "kernels/resize.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

/* Followed by int32_t start[out], then float weight[out * width]. */
struct taps {
    int64_t width;  /* taps of each output; start + width <= in */
    int64_t interpolate; /* two taps: a + (b - a) * weight[1] */
};

static int32_t *starts_of(const struct taps *taps)
{
    return (int32_t *)(uintptr_t)(taps + 1);
}

static float *weights_of(const struct taps *taps, int64_t out)
{
    return (float *)(uintptr_t)(starts_of(taps) + out);
}

static float radius_of(enum resize_method method)
{
    switch (method) {
    case RESIZE_BILINEAR: return 1;
    case RESIZE_GAUSSIAN: return 1.5f;
    case RESIZE_LANCZOS3: return 3;
    case RESIZE_LANCZOS5: return 5;
    default: return 2;
    }
}

/* Input pixels per output pixel. */
static float scale_of(const struct resize_axis *axis)
{
    if (axis->grid == RESIZE_ALIGN_CORNERS && axis->out > 1)
        return (float)(axis->in - 1) / (float)(axis->out - 1);
    return (float)axis->in / (float)axis->out;
}

static bool is_kernel_sum(const struct resize_axis *axis)
{
    if (axis->method == RESIZE_BILINEAR || axis->method == RESIZE_BICUBIC)
        return axis->antialias;
    return axis->method != RESIZE_NEAREST && axis->method != RESIZE_AREA;
}

static int64_t width_of(const struct resize_axis *axis)
{
    float scale = scale_of(axis), width;
    if (is_kernel_sum(axis))
        width = 2 * radius_of(axis->method) * (axis->antialias && scale > 1 ? scale : 1) + 2;
    else if (axis->method == RESIZE_AREA)
        width = ceilf(scale) + 2;
    else
        width = axis->method == RESIZE_NEAREST ? 1 : axis->method == RESIZE_BILINEAR ? 2 : 4;
    return width < (float)axis->in ? (int64_t)width : axis->in;
}

static float cubic(float a, float u)
{
    if (u <= 1)
        return ((a + 2) * u - (a + 3)) * u * u + 1;
    return u < 2 ? a * (((u - 5) * u + 8) * u - 4) : 0;
}

static float lanczos(float u, float radius)
{
    const float pi = 3.14159265359f;
    if (u >= radius)
        return 0;
    if (u <= 1e-3f)
        return 1;
    return radius * sinf(pi * u) * sinf(pi * u / radius) / (pi * pi * u * u);
}

static float mitchell(float u)
{
    if (u < 1)
        return (7.0f / 6 * u - 2) * u * u + 8.0f / 9;
    return u < 2 ? ((-7.0f / 18 * u + 2) * u - 10.0f / 3) * u + 16.0f / 9 : 0;
}

static float kernel_at(enum resize_method method, float u)
{
    switch (method) {
    case RESIZE_BILINEAR: return u < 1 ? 1 - u : 0;
    case RESIZE_GAUSSIAN: return u < 1.5f ? expf(-2 * u * u) : 0;
    case RESIZE_MITCHELLCUBIC: return mitchell(u);
    case RESIZE_LANCZOS3:
    case RESIZE_LANCZOS5: return lanczos(u, radius_of(method));
    default: return cubic(-0.5f, u);
    }
}

/* The taps of one output being collected. */
struct tap_row {
    int64_t in, width, start;
    float *weight, sum;
};

static void row_start(struct tap_row *row, int64_t first)
{
    int64_t last = row->in - row->width;
    row->start = first < 0 ? 0 : first > last ? last : first;
    row->sum = 0;
    memset(row->weight, 0, (size_t)row->width * sizeof(float));
}

static void row_add(struct tap_row *row, int64_t at, float weight)
{
    if (at < row->start || at >= row->start + row->width)
        return;
    row->weight[at - row->start] += weight;
    row->sum += weight;
}

static void row_normalise(struct tap_row *row)
{
    for (int64_t i = 0; row->sum != 0 && i < row->width; i++)
        row->weight[i] /= row->sum;
}

static void kernel_taps(const struct resize_axis *axis, int64_t i, struct tap_row *row)
{
    float scale = scale_of(axis), stretch = axis->antialias && scale > 1 ? scale : 1;
    float centre = ((float)i + 0.5f) * scale, radius = radius_of(axis->method) * stretch;
    int64_t first = (int64_t)ceilf(centre - radius - 0.5f), last = (int64_t)floorf(centre + radius - 0.5f);
    first = first < 0 ? 0 : first;
    row_start(row, first);
    for (int64_t at = first; at <= last && at < row->in; at++)
        row_add(row, at, kernel_at(axis->method, fabsf((float)at + 0.5f - centre) / stretch));
    row_normalise(row);
}

static void area_taps(const struct resize_axis *axis, int64_t i, struct tap_row *row)
{
    float scale = scale_of(axis), begin = (float)i * scale, end = (float)(i + 1) * scale;
    row_start(row, (int64_t)floorf(begin));
    for (int64_t at = (int64_t)floorf(begin); (float)at < end; at++) {
        float low = fmaxf(begin, (float)at), high = fminf(end, (float)(at + 1));
        if (high > low) /* the last pixel goes on beyond the edge, where align_corners reaches */
            row_add(row, at < row->in - 1 ? at : row->in - 1, (high - low) / scale);
    }
}

/* TensorFlow 1's grids come with another cubic, and repeat the border instead of leaving it out. */
static void cubic_taps(const struct resize_axis *axis, int64_t i, struct tap_row *row)
{
    bool half_pixel = axis->grid == RESIZE_HALF_PIXEL;
    float source = half_pixel ? ((float)i + 0.5f) * scale_of(axis) - 0.5f : (float)i * scale_of(axis);
    float whole = floorf(source), part = rintf((source - whole) * 1024) / 1024, a = half_pixel ? -0.5f : -0.75f;
    int64_t first = (int64_t)whole - 1;
    row_start(row, first);
    for (int64_t tap = 0; tap < 4; tap++) {
        int64_t at = first + tap, inside = at < 0 ? 0 : at > row->in - 1 ? row->in - 1 : at;
        if (!half_pixel || at == inside)
            row_add(row, inside, cubic(a, fabsf((float)(tap - 1) - part)));
    }
    if (half_pixel)
        row_normalise(row);
}

static void linear_taps(const struct resize_axis *axis, int64_t i, struct tap_row *row)
{
    float source = axis->grid == RESIZE_HALF_PIXEL ? ((float)i + 0.5f) * scale_of(axis) - 0.5f
                                                   : (float)i * scale_of(axis);
    float whole = floorf(source), part = source - whole;
    int64_t low = (int64_t)whole, high = low + 1;
    row_start(row, low);
    row_add(row, low < 0 ? 0 : low > row->in - 1 ? row->in - 1 : low, 1 - part);
    row_add(row, high > row->in - 1 ? row->in - 1 : high, part);
}

static void nearest_taps(const struct resize_axis *axis, int64_t i, struct tap_row *row)
{
    float scale = scale_of(axis);
    float source = axis->grid == RESIZE_HALF_PIXEL      ? floorf(((float)i + 0.5f) * scale)
                   : axis->grid == RESIZE_ALIGN_CORNERS ? roundf((float)i * scale)
                                                        : floorf((float)i * scale);
    row_start(row, (int64_t)source);
    row_add(row, row->start, 1);
}

bool resize_taps_bytes(const struct resize_axis *axis, size_t *ret)
{
    size_t bytes;
    if (!size_mul((size_t)axis->out, (size_t)(width_of(axis) + 1) * sizeof(float), &bytes))
        return false;
    return size_add(bytes, sizeof(struct taps), ret);
}

void resize_taps_build(const struct resize_axis *axis, void *memory)
{
    struct taps *taps = memory;
    taps->width = width_of(axis);
    taps->interpolate = axis->method == RESIZE_BILINEAR && !axis->antialias && taps->width == 2;
    for (int64_t i = 0; i < axis->out; i++) {
        struct tap_row row = {.in = axis->in, .width = taps->width};
        row.weight = weights_of(taps, axis->out) + i * taps->width;
        if (is_kernel_sum(axis))
            kernel_taps(axis, i, &row);
        else if (axis->method == RESIZE_AREA)
            area_taps(axis, i, &row);
        else if (axis->method == RESIZE_BICUBIC)
            cubic_taps(axis, i, &row);
        else if (axis->method == RESIZE_BILINEAR)
            linear_taps(axis, i, &row);
        else
            nearest_taps(axis, i, &row);
        starts_of(taps)[i] = (int32_t)row.start;
    }
}

bool resize_scratch(const struct resize *resize, size_t *ret)
{
    size_t bytes;
    return size_mul((size_t)resize->w.in, (size_t)resize->channels, &bytes) &&
           size_mul(bytes, sizeof(float), ret);
}

/* y[i] = the taps of x, whose neighbours are stride apart, for n elements in a row. */
static void combine(const struct taps *taps, const float *weight, int64_t n, const float *x, int64_t stride,
                    float *y)
{
    const float *next = x + stride;
    if (taps->width == 1) {
        memcpy(y, x, (size_t)n * sizeof(*y));
        return;
    }
    if (taps->interpolate) {
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] + (next[i] - x[i]) * weight[1];
        return;
    }
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * weight[0] + next[i] * weight[1];
    for (int64_t tap = 2; tap < taps->width; tap++) {
        const float *from = x + tap * stride;
        for (int64_t i = 0; i < n; i++)
            y[i] += from[i] * weight[tap];
    }
}

void resize_run(const struct resize *resize, const float *x, float *y, int64_t begin, int64_t end,
                void *scratch)
{
    const struct taps *h = resize->h_taps, *w = resize->w_taps;
    const float *h_weight = weights_of(h, resize->h.out), *w_weight = weights_of(w, resize->w.out);
    int64_t line = resize->w.in * resize->channels;
    y += begin * resize->h.out * resize->w.out * resize->channels;
    for (int64_t i = begin * resize->h.out; i < end * resize->h.out; i++) {
        const float *picture = x + i / resize->h.out * resize->h.in * line;
        int64_t row = i % resize->h.out;
        combine(h, h_weight + row * h->width, line, picture + starts_of(h)[row] * line, line, scratch);
        for (int64_t column = 0; column < resize->w.out; column++, y += resize->channels)
            combine(w, w_weight + column * w->width, resize->channels,
                    (const float *)scratch + starts_of(w)[column] * resize->channels, resize->channels, y);
    }
}
