/* Convolutions: forward, transposed and with weights of their own at each position.
 *
 * A 1x1 convolution with stride 1 is a plain product, a 3x3 one of a picture with many channels goes
 * Winograd's way (winograd.c). Every other is a table of windows (windows.c).
 *
 * A transposed convolution with stride s is s (per axis) ordinary ones: outputs whose position leaves the
 * same remainder by s see the same taps, at neighbouring inputs. Each such phase has its own packed weights;
 * every output is computed once, nothing is scattered. */
#include "kernels/conv.h"

#include <cblas.h>
#include <string.h>

#include "base/assert.h"
#include "base/size.h"
#include "kernels/block.h"
#include "kernels/windows.h"
#include "kernels/winograd.h"

static int64_t product(const int64_t *d)
{
    return d[0] * d[1] * d[2];
}

int64_t conv_positions(const struct conv *conv)
{
    return conv->batch * product(conv->out);
}

static bool group_bytes(const struct conv *conv, size_t *ret)
{
    return gemm_pack_bytes(product(conv->kernel) * (conv->c_in / conv->groups), conv->c_out / conv->groups,
                           ret);
}

/* In front of the packed weights: which of the two ways they are for. */
struct head {
    bool winograd;
    char fill[63]; /* the weights are 64-byte aligned */
};

bool conv_pack_bytes(const struct conv *conv, size_t *ret)
{
    size_t bytes;
    bool fits = winograd_pays(conv)
                    ? winograd_pack_bytes(conv, &bytes)
                    : group_bytes(conv, &bytes) && size_mul(bytes, (size_t)conv->groups, &bytes);
    return fits && size_add(bytes, sizeof(struct head), ret);
}

void conv_pack(const struct conv *conv, const float *kernel, void *packed)
{
    int64_t n = conv->c_out / conv->groups;
    size_t bytes = 0;
    struct head *head = packed;
    *head = (struct head){.winograd = winograd_pays(conv)};
    packed = head + 1;
    if (head->winograd) {
        winograd_pack(conv, kernel, packed);
        return;
    }
    group_bytes(conv, &bytes);
    for (int64_t group = 0; group < conv->groups; group++)
        gemm_pack(product(conv->kernel) * (conv->c_in / conv->groups), n, kernel + group * n, conv->c_out,
                  (char *)packed + (size_t)group * bytes);
}

static bool is_product(const struct conv *conv)
{
    return product(conv->kernel) == 1 && product(conv->stride) == 1 && conv->groups == 1 &&
           memcmp(conv->in, conv->out, sizeof(conv->in)) == 0;
}

static struct windows windows_of(const struct conv *conv)
{
    struct windows w = {.c_in = conv->c_in / conv->groups, .x_pixel = conv->c_in,
                        .c_out = conv->c_out / conv->groups, .y_pixel = conv->c_out, .groups = conv->groups};
    for (int axis = 0; axis < CONV_AXES; axis++) {
        w.in[axis] = conv->in[axis];
        w.out[axis] = w.y_dim[axis] = conv->out[axis];
        w.kernel[axis] = conv->kernel[axis];
        w.stride[axis] = conv->stride[axis];
        w.dilation[axis] = conv->dilation[axis];
        w.begin[axis] = -conv->pad[axis];
        w.y_step[axis] = 1;
    }
    return w;
}

bool conv_scratch(const struct conv *conv, size_t *ret)
{
    struct windows w = windows_of(conv);
    size_t direct = 0, winograd = 0;
    if (!is_product(conv) && !windows_scratch(&w, &direct))
        return false;
    /* Which way it is was decided when the weights were packed. */
    if (winograd_possible(conv) && !winograd_scratch(conv, &winograd))
        return false;
    *ret = direct > winograd ? direct : winograd;
    return true;
}

void conv_run(const struct conv *conv, const float *x, const void *packed,
              const struct gemm_epilogue *epilogue, float *y, int64_t begin, int64_t end, void *scratch)
{
    struct windows w = windows_of(conv);
    const struct head *head = packed;
    size_t bytes = 0;
    packed = head + 1;
    if (head->winograd) {
        winograd_run(conv, x, packed, epilogue, y, begin, end, scratch);
        return;
    }
    group_bytes(conv, &bytes);
    if (!is_product(conv)) {
        windows_run(&w, x, packed, bytes, epilogue, y, begin, end, scratch);
        return;
    }
    struct gemm_packed run = {.rows = end - begin, .k = conv->c_in, .n = conv->c_out,
                              .column_end = conv->c_out, .x = x + begin * conv->c_in, .x_stride = conv->c_in,
                              .packed = packed, .epilogue = *epilogue, .y = y + begin * conv->c_out,
                              .y_stride = conv->c_out};
    if (epilogue->add)
        run.epilogue.add += begin * epilogue->add_stride;
    gemm_packed_run(&run);
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Along one axis: the taps first, first + step ... (count of them) that reach outputs of a phase. */
struct phase_taps {
    int64_t first, step, count;
};

/* Tap j reaches output o from input (o + pad - j dilation) / stride, if that is whole. */
static struct phase_taps taps_of(const struct conv *conv, int axis, int64_t remainder)
{
    int64_t s = conv->stride[axis], d = conv->dilation[axis];
    struct phase_taps t = {.step = s / common_divisor(s, d)};
    while (t.first < conv->kernel[axis] && (remainder - t.first * d) % s)
        t.first++;
    t.count = t.first < conv->kernel[axis] ? (conv->kernel[axis] - 1 - t.first) / t.step + 1 : 0;
    return t;
}

static void unflatten(int64_t index, const int64_t *dim, int64_t *ret)
{
    for (int axis = CONV_AXES - 1; axis >= 0; axis--) {
        ret[axis] = index % dim[axis];
        index /= dim[axis];
    }
}

/* Rows of weights of the phase in which (o + pad) leaves these remainders. */
static int64_t phase_rows(const struct conv *conv, const int64_t *remainder)
{
    int64_t rows = conv->c_in;
    for (int axis = 0; axis < CONV_AXES; axis++)
        rows *= taps_of(conv, axis, remainder[axis]).count;
    return rows;
}

bool conv_transpose_pack_bytes(const struct conv *conv, size_t *ret)
{
    size_t total = 0;
    for (int64_t phase = 0; phase < product(conv->stride); phase++) {
        int64_t remainder[CONV_AXES];
        size_t bytes;
        unflatten(phase, conv->stride, remainder);
        if (!gemm_pack_bytes(phase_rows(conv, remainder), conv->c_out, &bytes) ||
            !size_add(total, bytes, &total))
            return false;
    }
    *ret = total;
    return true;
}

/* Element i of the reversed taps of an axis: so that inputs ascend with i. */
static int64_t reversed_tap(const struct phase_taps *taps, int64_t i)
{
    return taps->first + (taps->count - 1 - i) * taps->step;
}

/* The phase's kernel as a matrix [taps, c_in][c_out], packed tap by tap. */
static void pack_phase(const struct conv *conv, const int64_t *remainder, const float *kernel, void *packed)
{
    struct phase_taps taps[CONV_AXES];
    for (int axis = 0; axis < CONV_AXES; axis++)
        taps[axis] = taps_of(conv, axis, remainder[axis]);
    int64_t row = 0, rows = phase_rows(conv, remainder), area = conv->c_in * conv->c_out;
    for (int64_t d = 0; d < taps[0].count; d++)
        for (int64_t h = 0; h < taps[1].count; h++)
            for (int64_t w = 0; w < taps[2].count; w++, row += conv->c_in) {
                int64_t tap = (reversed_tap(&taps[0], d) * conv->kernel[1] + reversed_tap(&taps[1], h)) *
                                  conv->kernel[2] + reversed_tap(&taps[2], w);
                block_pack(rows, conv->c_out, row, conv->c_in, kernel + tap * area, 1, conv->c_in, packed);
            }
}

void conv_transpose_pack(const struct conv *conv, const float *kernel, void *packed)
{
    char *to = packed;
    for (int64_t phase = 0; phase < product(conv->stride); phase++) {
        int64_t remainder[CONV_AXES];
        size_t bytes = 0;
        unflatten(phase, conv->stride, remainder);
        pack_phase(conv, remainder, kernel, to);
        gemm_pack_bytes(phase_rows(conv, remainder), conv->c_out, &bytes);
        to += bytes;
    }
}

/* The windows of a phase; false if no output belongs to it. */
static bool phase_windows(const struct conv *conv, const int64_t *remainder, struct windows *ret)
{
    *ret = windows_of(conv);
    ret->groups = 1;
    ret->c_in = conv->c_in;
    ret->c_out = conv->c_out;
    for (int axis = 0; axis < CONV_AXES; axis++) {
        int64_t s = conv->stride[axis], start = ((remainder[axis] - conv->pad[axis]) % s + s) % s;
        struct phase_taps taps = taps_of(conv, axis, remainder[axis]);
        int64_t last = reversed_tap(&taps, 0);
        if (start >= conv->out[axis])
            return false;
        ret->out[axis] = (conv->out[axis] - start + s - 1) / s;
        ret->kernel[axis] = taps.count;
        ret->stride[axis] = 1;
        ret->dilation[axis] = taps.step * conv->dilation[axis] / s;
        ret->begin[axis] = taps.count ? (start + conv->pad[axis] - last * conv->dilation[axis]) / s : 0;
        ret->y_start[axis] = start;
        ret->y_step[axis] = s;
    }
    return true;
}

bool conv_transpose_scratch(const struct conv *conv, size_t *ret)
{
    size_t most = 0;
    for (int64_t phase = 0; phase < product(conv->stride); phase++) {
        int64_t remainder[CONV_AXES];
        struct windows w;
        size_t bytes = 0;
        unflatten(phase, conv->stride, remainder);
        if (phase_windows(conv, remainder, &w) && !windows_scratch(&w, &bytes))
            return false;
        most = bytes > most ? bytes : most;
    }
    *ret = most;
    return true;
}

void conv_transpose_run(const struct conv *conv, const float *x, const void *packed,
                        const struct gemm_epilogue *epilogue, float *y, int64_t begin, int64_t end,
                        void *scratch)
{
    const char *weights = packed;
    for (int64_t phase = 0; phase < product(conv->stride); phase++) {
        int64_t remainder[CONV_AXES];
        struct windows w;
        size_t bytes = 0;
        unflatten(phase, conv->stride, remainder);
        gemm_pack_bytes(phase_rows(conv, remainder), conv->c_out, &bytes);
        if (phase_windows(conv, remainder, &w))
            windows_run(&w, x, weights, bytes, epilogue, y, begin * product(w.out), end * product(w.out),
                        scratch);
        weights += bytes;
    }
}

bool local_conv_scratch(const struct conv *conv, size_t *ret)
{
    size_t bytes;
    return size_mul((size_t)product(conv->kernel), (size_t)conv->c_in, &bytes) &&
           size_mul(bytes, sizeof(float), ret);
}

/* Copies the window of a position (VALID: always inside) into a row. */
static void copy_window(const struct conv *conv, const float *x, int64_t position, float *to)
{
    int64_t at[CONV_AXES], tap[CONV_AXES], i[CONV_AXES];
    unflatten(position, conv->out, at);
    for (int64_t t = 0; t < product(conv->kernel); t++, to += conv->c_in) {
        unflatten(t, conv->kernel, tap);
        for (int axis = 0; axis < CONV_AXES; axis++) {
            i[axis] = at[axis] * conv->stride[axis] + tap[axis] * conv->dilation[axis];
            KD_ASSERT(i[axis] < conv->in[axis]);
        }
        memcpy(to, x + ((i[0] * conv->in[1] + i[1]) * conv->in[2] + i[2]) * conv->c_in,
               (size_t)conv->c_in * sizeof(float));
    }
}

void local_conv_run(const struct conv *conv, const float *x, const float *kernel, const float *bias, float *y,
                    int64_t begin, int64_t end, void *scratch)
{
    int64_t area = product(conv->out), k = product(conv->kernel) * conv->c_in, n = conv->c_out;
    for (int64_t i = begin * area; i < end * area; i++) {
        int64_t position = i % area;
        copy_window(conv, x + i / area * product(conv->in) * conv->c_in, position, scratch);
        if (bias)
            memcpy(y + i * n, bias + position * n, (size_t)n * sizeof(float));
        else
            memset(y + i * n, 0, (size_t)n * sizeof(float));
        cblas_sgemv(CblasRowMajor, CblasTrans, (int)k, (int)n, 1, kernel + position * k * n, (int)n, scratch,
                    1, 1, y + i * n, 1);
    }
}
