/* Attributes of the ops that fusion looks into; the others keep theirs in their own file. */
#ifndef KD_ENGINE_ATTRS_H
#define KD_ENGINE_ATTRS_H

#include "engine/op.h"
#include "kernels/conv.h"

/* Ops that can apply a function to their result on the way out: first member of their attributes.
 * kind UNARY_LINEAR: none. */
struct activation_attrs {
    struct unary activation;
};

struct unary_attrs {
    struct unary function;
};

struct binary_attrs {
    struct activation_attrs fused;
    enum binary_kind kind;
};

struct scale_shift_attrs {
    struct activation_attrs fused;
};

struct dense_attrs {
    struct activation_attrs fused;
};

/* Convolutions and pooling. Explicit padding: by fusion with a pad before. */
struct window_attrs {
    struct activation_attrs fused;
    struct engine_window window;
    bool explicit_padding;
    int64_t before[ENGINE_MAX_SPATIAL], after[ENGINE_MAX_SPATIAL];
    int64_t output_padding[ENGINE_MAX_SPATIAL]; /* transposed; -1: none given */
    int64_t groups;
    enum pool_kind pool;
};

struct pad_attrs {
    enum engine_pad_mode mode;
    int64_t before[SHAPE_MAX_RANK], after[SHAPE_MAX_RANK];
};

struct transpose_attrs {
    int permutation[SHAPE_MAX_RANK];
};

/* Operands of the products: x, kernel, bias or none, tensor to add or none. */
enum { PRODUCT_X, PRODUCT_KERNEL, PRODUCT_BIAS, PRODUCT_ADD, PRODUCT_OPERANDS };

/* Estimated time of a function over n elements. */
double unary_cost_us(enum unary_kind kind, int64_t n);

extern const struct op op_unary, op_binary, op_scale_shift, op_normalize;
extern const struct op op_dense, op_conv, op_depthwise, op_conv_transpose;
extern const struct op op_pool, op_pad, op_reshape, op_transpose;

#endif
