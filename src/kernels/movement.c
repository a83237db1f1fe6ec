/* Copies between strided views.
 *
 * move_run drops axes of size 1, merges neighbours that run on in both views, and orders the loops by the
 * written stride. Then one of three inner loops does the work: memcpy of whole lines, a blocked
 * two-dimensional transpose, or a strided line. */
#include "kernels/movement.h"

#include <string.h>

#include "base/assert.h"
#include "kernels/elementwise.h"

static void add_axis(struct move *move, int64_t dim, int64_t from_stride, int64_t to_stride)
{
    KD_ASSERT(move->rank < MOVE_MAX_RANK);
    move->dim[move->rank] = dim;
    move->from_stride[move->rank] = from_stride;
    move->to_stride[move->rank++] = to_stride;
}

/* Strides of a dense tensor with these sizes, in the order of the axes already added. */
static void dense_to(struct move *move)
{
    int64_t step = 1;
    for (int axis = move->rank - 1; axis >= 0; axis--) {
        move->to_stride[axis] = step;
        step *= move->dim[axis];
    }
}

void move_transpose(struct move *move, const struct shape *x, const int *permutation)
{
    int64_t stride[SHAPE_MAX_RANK];
    shape_strides(x, stride);
    *move = (struct move){0};
    for (int axis = 0; axis < x->rank; axis++)
        add_axis(move, x->dim[permutation[axis]], stride[permutation[axis]], 0);
    dense_to(move);
}

void move_slice(struct move *move, const struct shape *x, const int64_t *start, const int64_t *step,
                const int64_t *count)
{
    int64_t stride[SHAPE_MAX_RANK];
    shape_strides(x, stride);
    *move = (struct move){0};
    for (int axis = 0; axis < x->rank; axis++) {
        add_axis(move, count[axis], stride[axis] * step[axis], 0);
        move->from_offset += start[axis] * stride[axis];
    }
    dense_to(move);
}

void move_tile(struct move *move, const struct shape *x, const int64_t *counts)
{
    int64_t stride[SHAPE_MAX_RANK];
    shape_strides(x, stride);
    *move = (struct move){0};
    for (int axis = 0; axis < x->rank; axis++) {
        add_axis(move, counts[axis], 0, 0);
        add_axis(move, x->dim[axis], stride[axis], 0);
    }
    dense_to(move);
}

void move_repeat(struct move *move, const struct shape *x, int axis, int64_t count)
{
    int64_t stride[SHAPE_MAX_RANK];
    shape_strides(x, stride);
    *move = (struct move){0};
    for (int i = 0; i < x->rank; i++) {
        add_axis(move, x->dim[i], stride[i], 0);
        if (i == axis)
            add_axis(move, count, 0, 0);
    }
    dense_to(move);
}

void move_broadcast(struct move *move, const struct shape *x, const struct shape *result)
{
    int64_t stride[SHAPE_MAX_RANK];
    shape_strides(x, stride);
    *move = (struct move){0};
    for (int axis = 0; axis < result->rank; axis++) {
        int own = axis - (result->rank - x->rank);
        bool repeated = own < 0 || x->dim[own] == 1;
        add_axis(move, result->dim[axis], repeated ? 0 : stride[own], 0);
    }
    dense_to(move);
}

void move_place(struct move *move, const struct shape *x, const struct shape *into, const int64_t *start)
{
    int64_t from[SHAPE_MAX_RANK], to[SHAPE_MAX_RANK];
    shape_strides(x, from);
    shape_strides(into, to);
    *move = (struct move){0};
    for (int axis = 0; axis < x->rank; axis++) {
        add_axis(move, x->dim[axis], from[axis], to[axis]);
        move->to_offset += start[axis] * to[axis];
    }
}

/* depth_to_space reads [N, H, W, b, b, C] in the order N H b W b C; space_to_depth the other way round. */
static void block_shape(const struct shape *x, int64_t block, bool depth, struct shape *ret)
{
    const int64_t *d = x->dim;
    *ret = depth ? shape_of(6, d[0], d[1], d[2], block, block, d[3] / (block * block))
                 : shape_of(6, d[0], d[1] / block, block, d[2] / block, block, d[3]);
}

void move_depth_to_space(struct move *move, const struct shape *x, int64_t block)
{
    struct shape split;
    block_shape(x, block, true, &split);
    move_transpose(move, &split, (const int[]){0, 1, 3, 2, 4, 5});
}

void move_space_to_depth(struct move *move, const struct shape *x, int64_t block)
{
    struct shape split;
    block_shape(x, block, false, &split);
    move_transpose(move, &split, (const int[]){0, 1, 3, 2, 4, 5});
}

/* One line of elements a stride apart. */
static void copy_line(int64_t n, size_t size, const char *from, int64_t from_stride, char *to,
                      int64_t to_stride)
{
    if (from_stride == 1 && to_stride == 1) {
        memcpy(to, from, (size_t)n * size);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        memcpy(to + i * to_stride * (int64_t)size, from + i * from_stride * (int64_t)size, size);
}

/* Without axes of size 1, neighbours merged where both views run on. */
static struct move simplified(const struct move *move)
{
    struct move merged = {.from_offset = move->from_offset, .to_offset = move->to_offset};
    for (int axis = 0; axis < move->rank; axis++) {
        int last = merged.rank - 1;
        int64_t dim = move->dim[axis];
        if (dim == 1)
            continue;
        if (last >= 0 && merged.from_stride[last] == move->from_stride[axis] * dim &&
            merged.to_stride[last] == move->to_stride[axis] * dim) {
            merged.dim[last] *= dim;
            merged.from_stride[last] = move->from_stride[axis];
            merged.to_stride[last] = move->to_stride[axis];
            continue;
        }
        add_axis(&merged, dim, move->from_stride[axis], move->to_stride[axis]);
    }
    if (merged.rank == 0)
        add_axis(&merged, 1, 1, 1);
    return merged;
}

void move_run(const struct move *move, size_t size, const void *from, void *to)
{
    struct move m = simplified(move);
    int64_t at[MOVE_MAX_RANK] = {0}, read = m.from_offset, write = m.to_offset;
    int inner = m.rank - 1;
    for (int axis = 0; axis < m.rank; axis++)
        if (m.dim[axis] == 0)
            return;
    for (;;) {
        copy_line(m.dim[inner], size, (const char *)from + read * (int64_t)size, m.from_stride[inner],
                  (char *)to + write * (int64_t)size, m.to_stride[inner]);
        int axis = inner - 1;
        for (; axis >= 0; axis--) {
            read += m.from_stride[axis];
            write += m.to_stride[axis];
            if (++at[axis] < m.dim[axis])
                break;
            read -= m.from_stride[axis] * m.dim[axis];
            write -= m.to_stride[axis] * m.dim[axis];
            at[axis] = 0;
        }
        if (axis < 0)
            return;
    }
}

void concat_run(int64_t outer, int n, const int64_t *inner, const void *const *x, size_t size, void *y)
{
    char *to = y;
    for (int64_t i = 0; i < outer; i++)
        for (int j = 0; j < n; j++) {
            size_t bytes = (size_t)inner[j] * size;
            if (bytes)
                memcpy(to, (const char *)x[j] + (size_t)i * bytes, bytes);
            to += bytes;
        }
}

void roll_run(int64_t outer, int64_t n, int64_t inner, int64_t shift, size_t size, const void *x, void *y)
{
    size_t line = (size_t)(n * inner) * size;
    if (line == 0)
        return;
    size_t head = (size_t)(((shift % n) + n) % n * inner) * size;
    for (int64_t i = 0; i < outer; i++) {
        const char *from = (const char *)x + (size_t)i * line;
        char *to = (char *)y + (size_t)i * line;
        memcpy(to + head, from, line - head);
        memcpy(to, from + line - head, head);
    }
}

static bool all_bytes_alike(const unsigned char *value, size_t size)
{
    for (size_t i = 1; i < size; i++)
        if (value[i] != value[0])
            return false;
    return true;
}

void fill_run(const void *value, size_t size, void *y, int64_t n)
{
    if (all_bytes_alike(value, size)) { /* zero, mostly */
        memset(y, *(const unsigned char *)value, (size_t)n * size);
        return;
    }
    struct move move = {.rank = 1, .dim = {n}, .from_stride = {0}, .to_stride = {1}};
    move_run(&move, size, value, y);
}

void range_f32(float start, float step, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)((double)start + (double)i * (double)step);
}

void range_i64(int64_t start, int64_t step, int64_t *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = start + i * step;
}

/* The source index that index i (may lie outside of [0, n)) stands for. */
static int64_t reflected(int64_t i, int64_t n, enum pad_mode mode)
{
    int64_t mirror = mode == PAD_SYMMETRIC ? 1 : 0;
    if (mode == PAD_EDGE)
        return i < 0 ? 0 : i >= n ? n - 1 : i;
    if (i < 0)
        return -i - mirror;
    return i >= n ? 2 * n - 2 - i + mirror : i;
}

static void pad_constant(const struct shape *x_shape, const struct shape *y_shape, const int64_t *before,
                         const void *constant, size_t size, const void *x, void *y)
{
    struct move move;
    fill_run(constant, size, y, shape_product(y_shape, 0, y_shape->rank));
    move_place(&move, x_shape, y_shape, before);
    move_run(&move, size, x, y);
}

void pad_run(const struct shape *x_shape, const int64_t *before, const int64_t *after, enum pad_mode mode,
             const void *constant, size_t size, const void *x, void *y)
{
    struct shape y_shape = *x_shape;
    int64_t stride[SHAPE_MAX_RANK];
    shape_strides(x_shape, stride);
    for (int axis = 0; axis < x_shape->rank; axis++)
        y_shape.dim[axis] += before[axis] + after[axis];
    if (mode == PAD_CONSTANT) {
        pad_constant(x_shape, &y_shape, before, constant, size, x, y);
        return;
    }
    int64_t n = shape_product(&y_shape, 0, y_shape.rank);
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, at = 0;
        for (int axis = y_shape.rank - 1; axis >= 0; axis--) {
            int64_t index = rest % y_shape.dim[axis] - before[axis];
            rest /= y_shape.dim[axis];
            at += reflected(index, x_shape->dim[axis], mode) * stride[axis];
        }
        memcpy((char *)y + (size_t)i * size, (const char *)x + (size_t)at * size, size);
    }
}
