/* window: output sizes and padding, per spatial axis, as TensorFlow defines them. With n the input size, k
 * the window, s the stride, d the dilation and ke = (k - 1) d + 1:
 *
 *   VALID   out = ceil((n - ke + 1) / s)                      nothing before
 *   SAME    out = ceil(n / s), p = max((out - 1) s + ke - n, 0), p / 2 before, the rest (maybe one more)
 *           after
 *   CAUSAL  d (k - 1) before, then VALID
 *
 * Transposed, with output_padding op: the gradient of the convolution that goes from the result back to x:
 *
 *   VALID   out = n s + max(ke - s, 0), or (n - 1) s + ke + op
 *   SAME    out = n s, or (n - 1) s + ke mod 2 + op;  max((n - 1) s + ke - out, 0) / 2 before */
#include "engine/window.h"

#include <inttypes.h>

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int axis_too_small(const struct window_axis *axis, int i, struct err *err)
{
    return err_set(err, KD_EINVAL,
                   "spatial axis %d has size %" PRId64 ", too small for a window of %" PRId64
                   " (dilation %" PRId64 ")",
                   i, axis->n, axis->k, axis->dilation);
}

int window_axis_infer(const struct window_attrs *attrs, int i, struct window_axis *axis, struct err *err)
{
    int64_t extent = (axis->k - 1) * axis->dilation + 1, after = 0;
    axis->before = 0;
    axis->out = SHAPE_UNKNOWN;
    if (attrs->explicit_padding) {
        axis->before = attrs->before[i];
        after = attrs->after[i];
    } else if (attrs->window.padding == ENGINE_CAUSAL) {
        axis->before = extent - 1;
    }
    if (axis->n == SHAPE_UNKNOWN)
        return 0;
    if (attrs->window.padding == ENGINE_SAME && !attrs->explicit_padding) {
        axis->out = ceil_div(axis->n, axis->stride);
        axis->before = max64((axis->out - 1) * axis->stride + extent - axis->n, 0) / 2;
        return 0;
    }
    int64_t room = axis->n + axis->before + after - extent;
    if (room < 0)
        return axis_too_small(axis, i, err);
    axis->out = room / axis->stride + 1;
    return 0;
}

int window_axis_transpose(const struct window_attrs *attrs, int i, struct window_axis *axis, struct err *err)
{
    int64_t extent = (axis->k - 1) * axis->dilation + 1, extra = attrs->output_padding[i];
    bool same = attrs->window.padding == ENGINE_SAME;
    axis->before = 0;
    axis->out = SHAPE_UNKNOWN;
    if (axis->n == SHAPE_UNKNOWN)
        return 0;
    int64_t span = (axis->n - 1) * axis->stride + extent;
    if (extra < 0)
        axis->out = same ? axis->n * axis->stride : axis->n * axis->stride + max64(extent - axis->stride, 0);
    else
        axis->out = same ? span - extent + extent % 2 + extra : span + extra;
    if (same)
        axis->before = max64(span - axis->out, 0) / 2;
    if (axis->out < 0)
        return axis_too_small(axis, i, err);
    return 0;
}

#define WINDOW_MAX ((int64_t)1 << 24)

static int check_number(const char *what, int64_t number, int64_t min, struct err *err)
{
    if (number >= min && number <= WINDOW_MAX)
        return 0;
    return err_set(err, KD_EINVAL, "%s is %" PRId64 ", outside of %" PRId64 " to %" PRId64, what, number, min,
                   WINDOW_MAX);
}

int window_check(const struct step *step, const struct window_attrs *attrs, struct err *err)
{
    int n = attrs->window.n_spatial;
    if (n < 1 || n > ENGINE_MAX_SPATIAL)
        return err_set(err, KD_EINVAL, "%d spatial axes; 1 to %d are supported", n, ENGINE_MAX_SPATIAL);
    int status = step_need_rank(step, 0, n + 2, n + 2, err);
    if (!status)
        status = step_need_float(step, 0, err);
    for (int i = 0; i < n && !status; i++) {
        status = check_number("a stride", attrs->window.stride[i], 1, err);
        if (!status)
            status = check_number("a dilation", attrs->window.dilation[i], 1, err);
    }
    return status;
}

void window_conv(const struct window_attrs *attrs, const struct shape *x, const struct shape *y,
                 const int64_t *sizes, bool transpose, struct conv *ret)
{
    int n = attrs->window.n_spatial, lead = CONV_AXES - n;
    *ret = (struct conv){.batch = x->dim[0], .groups = attrs->groups ? attrs->groups : 1};
    ret->c_in = x->dim[n + 1];
    ret->c_out = y->dim[n + 1];
    for (int i = 0; i < CONV_AXES; i++)
        ret->in[i] = ret->out[i] = ret->kernel[i] = ret->stride[i] = ret->dilation[i] = 1;
    for (int i = 0; i < n; i++) {
        struct window_axis axis = {.n = x->dim[i + 1],
                                   .k = sizes[i],
                                   .stride = attrs->window.stride[i],
                                   .dilation = attrs->window.dilation[i]};
        if (transpose)
            window_axis_transpose(attrs, i, &axis, NULL);
        else
            window_axis_infer(attrs, i, &axis, NULL);
        ret->in[lead + i] = axis.n;
        ret->out[lead + i] = axis.out;
        ret->kernel[lead + i] = axis.k;
        ret->stride[lead + i] = axis.stride;
        ret->dilation[lead + i] = axis.dilation;
        ret->pad[lead + i] = axis.before;
    }
}
