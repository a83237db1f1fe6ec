/* Shapes: rank and sizes, row-major. A size of SHAPE_UNKNOWN stands for "known only per request". */
#ifndef KD_TENSOR_SHAPE_H
#define KD_TENSOR_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHAPE_MAX_RANK 8
#define SHAPE_UNKNOWN (-1)

struct shape {
    int rank;
    int64_t dim[SHAPE_MAX_RANK];
};

/* shape_of(3, 2, 3, 4) is [2, 3, 4]. */
struct shape shape_of(int rank, ...);
bool shape_equal(const struct shape *a, const struct shape *b);
/* Equal where both are known. */
bool shape_compatible(const struct shape *a, const struct shape *b);
/* No unknown size. */
bool shape_known(const struct shape *shape);
/* Number of elements (1 for rank 0). False if a size is unknown or the product overflows. */
bool shape_elements(const struct shape *shape, int64_t *ret);
/* Product of dim[from..to-1]; the shape must be known and small enough (checked before). */
int64_t shape_product(const struct shape *shape, int from, int to);
/* NumPy broadcasting, trailing-aligned; an unknown size broadcasts to the known one > 1, else unknown.
 * False if incompatible. */
bool shape_broadcast(const struct shape *a, const struct shape *b, struct shape *ret);
/* Negative axes count from the end; -1 if out of range. */
int shape_axis(const struct shape *shape, int64_t axis);
/* Row-major strides in elements. */
void shape_strides(const struct shape *shape, int64_t *ret_strides);
/* "(None, 28, 28, 1)" into text; returns text. Size 128 always suffices. */
char *shape_text(const struct shape *shape, char *text, size_t size);
#define SHAPE_TEXT_MAX 192

#endif
