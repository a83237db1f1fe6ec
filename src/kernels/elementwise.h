/* Element-wise functions: loops over contiguous memory and over broadcast operands. Formulas: math.h. */
#ifndef KD_KERNELS_ELEMENTWISE_H
#define KD_KERNELS_ELEMENTWISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "kernels/math.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

/* y[i] = f(x[i]); y may be x. Not for IS_*, LOGICAL_NOT, BITWISE_NOT.
 * Within a few units in the last place of the exact value; NaN in, NaN out; no fast-math surprises. */
void unary_apply(const struct unary *function, const float *x, float *y, int64_t n);
/* LINEAR, CLIP, NEGATIVE, ABS, SIGN, SQUARE, LOGICAL_NOT (0 <-> 1), BITWISE_NOT; y may be x. */
void unary_apply_i64(const struct unary *function, const int64_t *x, int64_t *y, int64_t n);
bool unary_has_i64(enum unary_kind kind);
/* IS_NAN, IS_INF, IS_FINITE -> 0 or 1. */
void unary_test(enum unary_kind kind, const float *x, int64_t *y, int64_t n);

#define BROADCAST_OPERANDS 3

/* The loop over a dense result: sizes, and each operand's stride per axis (0 where it is repeated).
 * Axes that can run as one are merged. */
struct broadcast {
    int rank;
    int64_t dim[SHAPE_MAX_RANK];
    int64_t stride[BROADCAST_OPERANDS][SHAPE_MAX_RANK];
};
/* Shapes known and compatible (trailing-aligned) with the result; n_operands 1 to 3. */
void broadcast_init(struct broadcast *broadcast, const struct shape *result,
                    const struct shape *const *operands, int n_operands);

/* Arithmetic: ADD to PRELU. z may be an operand of the result's full size. */
void binary_f32(enum binary_kind kind, const struct broadcast *broadcast, const float *x, const float *y,
                float *z);
/* Everything on integers and booleans (z of comparisons and logic 0 or 1). Arithmetic wraps at 64 bits;
 * narrower types are wrapped by cast_wrap afterwards. False if something was divided by zero (that
 * element is 0). POWER with a negative exponent: 0, or +-1 for base +-1. DIVIDE truncates. */
bool binary_i64(enum binary_kind kind, const struct broadcast *broadcast, const int64_t *x, const int64_t *y,
                int64_t *z);
/* Comparisons of floats and of strings (bytewise) -> 0 or 1. */
void compare_f32(enum binary_kind kind, const struct broadcast *broadcast, const float *x, const float *y,
                 int64_t *z);
void compare_str(enum binary_kind kind, const struct broadcast *broadcast, const struct str_view *x,
                 const struct str_view *y, int64_t *z);
/* z = condition ? x : y, elements of any storage; operand 0 is the condition. */
void select_run(const struct broadcast *broadcast, enum storage storage, const int64_t *condition,
                const void *x, const void *y, void *z);

/* From any numeric dtype to any. Float to integer truncates toward zero, saturates out of range, NaN gives
 * 0; to bool: != 0 (NaN is true); integer to narrower integer wraps; to float16 and bfloat16: rounded to
 * that type. y may be x if the storage is the same. */
void cast_run(enum dtype from, enum dtype to, const void *x, void *y, int64_t n);
/* Wraps int64 results into an integer type in place. */
void cast_wrap(enum dtype dtype, int64_t *x, int64_t n);

/* y[r, c] = x[r, c] * scale[c] + shift[c], then the activation; scale, shift, activation may be NULL;
 * y may be x. */
void scale_shift(int64_t rows, int64_t channels, const float *x, const float *scale, const float *shift,
                 const struct unary *activation, float *y);

#endif
