/* Moving elements without looking at them: transpose, slice, concat, tile, pad, gather ...
 *
 * The one idea: nearly every movement is a copy between two strided views. A builder describes the
 * movement once (struct move), move_run merges its axes and runs it. size is the bytes of an element:
 * 4, 8 or sizeof(struct str_view). */
#ifndef KD_KERNELS_MOVEMENT_H
#define KD_KERNELS_MOVEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/shape.h"

#define MOVE_MAX_RANK 16

/* for all i: to[to_offset + sum i to_stride] = from[from_offset + sum i from_stride], in elements. */
struct move {
    int rank;
    int64_t dim[MOVE_MAX_RANK];
    int64_t from_stride[MOVE_MAX_RANK], to_stride[MOVE_MAX_RANK];
    int64_t from_offset, to_offset;
};
void move_run(const struct move *move, size_t size, const void *from, void *to);

/* Builders; the result is dense. Shapes are known, arguments checked by the caller. */
void move_transpose(struct move *move, const struct shape *x, const int *permutation);
/* Python slicing of all axes: count[i] elements from start[i], step[i] apart (step < 0 goes down). */
void move_slice(struct move *move, const struct shape *x, const int64_t *start, const int64_t *step,
                const int64_t *count);
/* x repeated counts[i] times along axis i (np.tile). */
void move_tile(struct move *move, const struct shape *x, const int64_t *counts);
/* Each element count times in a row along the axis (np.repeat). */
void move_repeat(struct move *move, const struct shape *x, int axis, int64_t count);
void move_broadcast(struct move *move, const struct shape *x, const struct shape *result);
/* x into the part of a bigger dense tensor `into` that begins at start[i] (concat, constant padding). */
void move_place(struct move *move, const struct shape *x, const struct shape *into, const int64_t *start);
/* [N, H, W, C block^2] -> [N, H block, W block, C] and back; x is the source's shape. */
void move_depth_to_space(struct move *move, const struct shape *x, int64_t block);
void move_space_to_depth(struct move *move, const struct shape *x, int64_t block);

/* Concatenation along one axis: operand i is [outer, inner[i]] (its axis and everything behind it). */
void concat_run(int64_t outer, int n, const int64_t *inner, const void *const *x, size_t size, void *y);
/* np.roll along n of [outer, n, inner]; y must not be x. */
void roll_run(int64_t outer, int64_t n, int64_t inner, int64_t shift, size_t size, const void *x, void *y);

/* y[0..n) = *value. */
void fill_run(const void *value, size_t size, void *y, int64_t n);
void range_f32(float start, float step, float *y, int64_t n);
void range_i64(int64_t start, int64_t step, int64_t *y, int64_t n);

enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_SYMMETRIC, PAD_EDGE };
/* constant: one element, for PAD_CONSTANT. REFLECT needs before, after < dim, SYMMETRIC <= dim. */
void pad_run(const struct shape *x_shape, const int64_t *before, const int64_t *after, enum pad_mode mode,
             const void *constant, size_t size, const void *x, void *y);

/* x [batch, outer, n, inner], indices [batch, m] -> y [batch, outer, m, inner].
 * Returns -1, or the position in indices of the first one outside of [0, n) (wrap: [-n, n)). */
struct gather {
    int64_t batch, outer, n, inner, m;
    bool wrap;
};
int64_t gather_run(const struct gather *gather, size_t size, const void *x, const int64_t *indices, void *y);
/* x [batch, dim[0], ..., dim[depth-1], inner], indices [batch, m, depth] -> y [batch, m, inner].
 * Returns -1 or the number of the first bad row (of batch * m). */
struct gather_nd {
    int64_t batch, m, inner;
    int depth;
    int64_t dim[SHAPE_MAX_RANK];
};
int64_t gather_nd_run(const struct gather_nd *gather, size_t size, const void *x, const int64_t *indices,
                      void *y);

/* indices [outer, inner] -> y [outer, depth, inner]. */
void one_hot_f32(int64_t outer, int64_t depth, int64_t inner, const int64_t *indices, float on, float off,
                 float *y);
void one_hot_i64(int64_t outer, int64_t depth, int64_t inner, const int64_t *indices, int64_t on, int64_t off,
                 int64_t *y);
/* Of each of the batch matrices [rows, columns] the band column - row in [-lower, upper] stays, the rest
 * becomes zero; lower, upper < 0: no limit. Numeric storage only; y may be x. */
void band_part(int64_t batch, int64_t rows, int64_t columns, int64_t lower, int64_t upper, size_t size,
               const void *x, void *y);

#endif
