/* Convolution without copying windows.
 *
 * A block of output positions becomes a table of pointers, one per position and tap, into the input itself;
 * the micro-kernel follows them. A tap is one input pixel, or, where the pixels of a window's row touch, the
 * whole row (which is what makes few input channels fast). Taps outside of the input point to a row of
 * zeros; rows that are half outside are copied into scratch with their zeros. */
#include <string.h>

#include "base/size.h"
#include "kernels/block.h"
#include "kernels/windows.h"

/* Pointers of a table at most (but always enough for MIN_ROWS rows), and bytes of copied edges at most. */
#define MAX_POINTERS 8192
#define MAX_EDGES ((int64_t)1 << 18)
#define MIN_ROWS 24

/* How a convolution is cut up; follows from the sizes, never from the batch. */
struct layout {
    bool merged;          /* taps are rows of windows */
    int64_t taps, k;      /* per position; floats of a tap and group */
    int64_t zeros;        /* floats of the row of zeros */
    int64_t rows;         /* positions of a block */
    int64_t edge_columns; /* of an output line: windows that stick out at the left or right */
};

/* Output columns whose window leaves the line. */
static int64_t count_edges(const struct windows *w)
{
    int64_t extent = (w->kernel[2] - 1) * w->dilation[2] + 1, edges = 0;
    for (int64_t o = 0; o < w->out[2]; o++) {
        int64_t at = o * w->stride[2] + w->begin[2];
        edges += at < 0 || at + extent > w->in[2];
    }
    return edges;
}

static struct layout layout_of(const struct windows *w)
{
    struct layout l = {.edge_columns = count_edges(w)};
    int64_t lines = w->kernel[0] * w->kernel[1];
    l.merged = w->groups == 1 && w->dilation[2] == 1 && w->kernel[2] > 1 &&
               (w->c_in < 16 || l.edge_columns * 4 <= w->out[2]);
    l.taps = l.merged ? lines : lines * w->kernel[2];
    l.k = l.merged ? w->kernel[2] * w->c_in : w->c_in;
    l.zeros = l.merged ? l.k : w->x_pixel;
    l.rows = BLOCK_ROWS;
    int64_t edge = l.merged && l.edge_columns ? l.taps * l.k : 0;
    while (l.rows > MIN_ROWS && (l.rows * l.taps > MAX_POINTERS || l.rows * edge > MAX_EDGES))
        l.rows -= MIN_ROWS;
    return l;
}

/* Scratch: zeros, the pointers, the edges. */
static bool parts_of(const struct windows *w, const struct layout *l, size_t *ret_pointers, size_t *ret_edges,
                     size_t *ret_end)
{
    size_t zeros, pointers, edges = 0;
    if (!size_mul((size_t)l->zeros, sizeof(float), &zeros) ||
        !size_mul((size_t)l->taps, (size_t)l->rows * sizeof(float *), &pointers))
        return false;
    if (l->merged && l->edge_columns &&
        (!size_mul((size_t)l->taps, (size_t)l->k * sizeof(float), &edges) ||
         !size_mul(edges, (size_t)l->rows, &edges)))
        return false;
    *ret_pointers = size_align(zeros, 64);
    return size_add(*ret_pointers, size_align(pointers, 64), ret_edges) &&
           size_add(*ret_edges, edges, ret_end);
}

bool windows_scratch(const struct windows *windows, size_t *ret)
{
    struct layout layout = layout_of(windows);
    size_t pointers, edges;
    return parts_of(windows, &layout, &pointers, &edges, ret);
}

/* A table being filled. */
struct table {
    const struct windows *w;
    struct layout l;
    const float *x;
    float *zeros;
    const float **pointers; /* [taps][rows] */
    float *edges, *next_edge;
};

/* The part of an output line that a block covers. */
struct segment {
    int64_t sample, at[CONV_AXES]; /* of the first position */
    int64_t row, count;            /* in the block */
};

/* The input line under (kd, kh) of the segment's windows, or NULL outside. */
static const float *input_line(const struct table *t, const struct segment *s, int64_t kd, int64_t kh)
{
    const struct windows *w = t->w;
    int64_t d = s->at[0] * w->stride[0] + kd * w->dilation[0] + w->begin[0];
    int64_t h = s->at[1] * w->stride[1] + kh * w->dilation[1] + w->begin[1];
    if (d < 0 || d >= w->in[0] || h < 0 || h >= w->in[1])
        return NULL;
    return t->x + ((s->sample * w->in[0] + d) * w->in[1] + h) * w->in[2] * w->x_pixel;
}

/* A row of a window that sticks out of its line: copied, zeros where there is nothing. */
static const float *copy_edge(struct table *t, const float *line, int64_t at)
{
    const struct windows *w = t->w;
    float *edge = t->next_edge;
    int64_t first = at < 0 ? -at : 0, last = w->in[2] - at < w->kernel[2] ? w->in[2] - at : w->kernel[2];
    if (last <= first)
        return t->zeros;
    t->next_edge += t->l.k;
    memset(edge, 0, (size_t)(first * w->c_in) * sizeof(float));
    memcpy(edge + first * w->c_in, line + (at + first) * w->c_in,
           (size_t)((last - first) * w->c_in) * sizeof(float));
    memset(edge + last * w->c_in, 0, (size_t)((w->kernel[2] - last) * w->c_in) * sizeof(float));
    return edge;
}

/* Of `count` windows that begin at + i * stride: the first and the one behind the last with 0 <= begin <=
 * last. */
static void whole_windows(int64_t at, int64_t stride, int64_t count, int64_t last, int64_t *ret_first,
                          int64_t *ret_end)
{
    int64_t first = at < 0 ? (-at + stride - 1) / stride : 0, end = at <= last ? (last - at) / stride + 1 : 0;
    *ret_first = first < count ? first : count;
    *ret_end = end < *ret_first ? *ret_first : end < count ? end : count;
}

/* Pointers to the pixels at + i * stride of a line (NULL: there is none); zeros outside. */
static void fill_pixels(const struct table *t, const float *line, int64_t at, int64_t count, const float **to)
{
    const struct windows *w = t->w;
    int64_t first, end, i = 0, step = w->stride[2] * w->x_pixel;
    whole_windows(at, w->stride[2], line ? count : 0, w->in[2] - 1, &first, &end);
    for (; i < first; i++)
        to[i] = t->zeros;
    for (; i < end; i++)
        to[i] = line + (at * w->x_pixel + i * step);
    for (; i < count; i++)
        to[i] = t->zeros;
}

/* Pointers to the rows of windows; those that stick out are copied. */
static void fill_rows(struct table *t, const float *line, int64_t at, int64_t count, const float **to)
{
    const struct windows *w = t->w;
    int64_t first, end, i = 0, step = w->stride[2] * w->x_pixel;
    whole_windows(at, w->stride[2], count, w->in[2] - w->kernel[2], &first, &end);
    for (; i < count && !line; i++)
        to[i] = t->zeros;
    if (!line)
        return;
    for (; i < first; i++)
        to[i] = copy_edge(t, line, at + i * w->stride[2]);
    for (; i < end; i++)
        to[i] = line + (at * w->x_pixel + i * step);
    for (; i < count; i++)
        to[i] = copy_edge(t, line, at + i * w->stride[2]);
}

static void fill_segment(struct table *t, const struct segment *s)
{
    const struct windows *w = t->w;
    const float **to = t->pointers + s->row;
    int64_t at = s->at[2] * w->stride[2] + w->begin[2];
    for (int64_t line = 0; line < w->kernel[0] * w->kernel[1]; line++) {
        const float *from = input_line(t, s, line / w->kernel[1], line % w->kernel[1]);
        for (int64_t kw = 0; !t->l.merged && kw < w->kernel[2]; kw++, to += t->l.rows)
            fill_pixels(t, from, at + kw * w->dilation[2], s->count, to);
        if (t->l.merged) {
            fill_rows(t, from, at, s->count, to);
            to += t->l.rows;
        }
    }
}

static struct segment segment_at(const struct windows *w, int64_t position, int64_t row, int64_t left)
{
    struct segment s = {.row = row};
    for (int axis = CONV_AXES - 1; axis >= 0; axis--) {
        s.at[axis] = position % w->out[axis];
        position /= w->out[axis];
    }
    s.sample = position;
    s.count = w->out[2] - s.at[2] < left ? w->out[2] - s.at[2] : left;
    return s;
}

/* The output pixels of a segment, as pixel numbers. */
static void place_segment(const struct windows *w, const struct segment *s, int64_t *pixel)
{
    int64_t first = s->sample;
    for (int axis = 0; axis < CONV_AXES; axis++)
        first = first * w->y_dim[axis] + s->at[axis] * w->y_step[axis] + w->y_start[axis];
    for (int64_t i = 0; i < s->count; i++)
        pixel[s->row + i] = first + i * w->y_step[2];
}

/* The block's rows through the weights of all groups. */
static void run_block(const struct table *t, int64_t rows, const int64_t *pixel, const char *packed,
                      size_t group_bytes, const struct gemm_epilogue *epilogue, float *y)
{
    const float *add[BLOCK_ROWS];
    float *to[BLOCK_ROWS];
    const struct windows *w = t->w;
    for (int64_t i = 0; i < rows; i++) {
        to[i] = y + pixel[i] * w->y_pixel;
        add[i] = epilogue->add ? epilogue->add + pixel[i] * epilogue->add_stride : NULL;
    }
    for (int64_t group = 0; group < w->groups; group++) {
        struct block block = {.rows = rows, .taps = t->l.taps, .k = t->l.k, .x = t->pointers,
                              .x_step = t->l.rows, .x_offset = group * w->c_in,
                              .packed = packed + (size_t)group * group_bytes, .n = w->c_out,
                              .column_end = w->c_out, .add = epilogue->add ? add : NULL, .y = to,
                              .y_offset = group * w->c_out, .activation = epilogue->activation};
        block.bias = epilogue->bias ? epilogue->bias + group * w->c_out : NULL;
        block_run(&block);
    }
}

void windows_run(const struct windows *windows, const float *x, const void *packed, size_t group_bytes,
                 const struct gemm_epilogue *epilogue, float *y, int64_t first, int64_t last, void *scratch)
{
    struct table t = {.w = windows, .l = layout_of(windows), .x = x, .zeros = scratch};
    size_t pointers = 0, edges = 0, end = 0;
    int64_t pixel[BLOCK_ROWS];
    parts_of(windows, &t.l, &pointers, &edges, &end);
    t.pointers = (const float **)((char *)scratch + pointers);
    t.edges = (float *)((char *)scratch + edges);
    memset(t.zeros, 0, (size_t)t.l.zeros * sizeof(float));
    while (first < last) {
        int64_t rows = last - first < t.l.rows ? last - first : t.l.rows;
        t.next_edge = t.edges;
        for (int64_t row = 0; row < rows;) {
            struct segment s = segment_at(windows, first + row, row, rows - row);
            fill_segment(&t, &s);
            place_segment(windows, &s, pixel);
            row += s.count;
        }
        run_block(&t, rows, pixel, packed, group_bytes, epilogue, y);
        first += rows;
    }
}
