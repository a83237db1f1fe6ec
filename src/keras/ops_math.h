/* What functions lower to: the shared implementations behind the rows of all three tables. The names of the
 * parameters differ from table to table, their order does not; each comment gives it. */
#ifndef KD_KERAS_OPS_MATH_H
#define KD_KERAS_OPS_MATH_H

#include "keras/ops.h"

typedef engine_value ops_lower_fn(struct ops_call *op);

/* ---- element-wise (ops_math.c); variant: the kind ---- */
ops_lower_fn ops_unary;        /* x; integers become floats where the function needs them */
ops_lower_fn ops_float_unary;  /* x; integers become floats */
ops_lower_fn ops_identity;     /* x */
ops_lower_fn ops_binary;       /* x, y */
ops_lower_fn ops_divide;       /* x, y; always a float */
ops_lower_fn ops_truncate_divide; /* x, y */
ops_lower_fn ops_multiply_no_nan; /* x, y */
ops_lower_fn ops_xlog1py;      /* x, y */
ops_lower_fn ops_logical;      /* x, y; operands to bool */
ops_lower_fn ops_logical_not;  /* x */
ops_lower_fn ops_add_n;        /* list; variant: binary kind */
ops_lower_fn ops_relu;         /* x, alpha|negative_slope, max_value, threshold */
ops_lower_fn ops_gelu;         /* x, approximate; variant: default of approximate */
ops_lower_fn ops_swish;        /* x, beta (1.0) */
ops_lower_fn ops_leaky_relu;   /* x, alpha */
ops_lower_fn ops_alpha;        /* x, alpha (1.0); variant: unary kind with a = alpha */
ops_lower_fn ops_shrink;       /* x, threshold (0.5); variant: unary kind with a = threshold */
ops_lower_fn ops_squareplus;   /* x, b (4) */
ops_lower_fn ops_round;        /* x, decimals */
ops_lower_fn ops_threshold;    /* x, threshold, default value */
ops_lower_fn ops_glu;          /* x, axis */
ops_lower_fn ops_crelu;        /* x, axis */
ops_lower_fn ops_softmax;      /* x, axis; variant: 1 for log_softmax */
ops_lower_fn ops_sparsemax;    /* x, axis */
ops_lower_fn ops_hard_sigmoid; /* x; by the writer */
ops_lower_fn ops_clip;         /* x, min, max */
ops_lower_fn ops_cast;         /* x, dtype */
ops_lower_fn ops_saturate_cast; /* x, dtype */
ops_lower_fn ops_to_dtype;     /* x; variant: dtype */
ops_lower_fn ops_where;        /* condition, x, y */
ops_lower_fn ops_reciprocal_no_nan; /* x */
ops_lower_fn ops_erfc;         /* x */
ops_lower_fn ops_xlogy;        /* x, y; variant: 1 for xdivy */
ops_lower_fn ops_scale;        /* x; variant: index of a factor: deg2rad, rad2deg */
ops_lower_fn ops_root;         /* x; cbrt */
ops_lower_fn ops_hypot;        /* x, y */
ops_lower_fn ops_isclose;      /* x, y, rtol, atol, equal_nan */
ops_lower_fn ops_nan_to_num;   /* x, nan, posinf, neginf */
ops_lower_fn ops_sign_infinite; /* x; variant: +1 or -1 */

/* ---- reductions (ops_reduce.c) ---- */
ops_lower_fn ops_reduce;       /* x, axis, keepdims, start value or (prod) dtype; variant: reduce kind */
ops_lower_fn ops_variance;     /* x, axis, keepdims; variant: 1 for the standard deviation */
ops_lower_fn ops_arg_reduce;   /* x, axis, output dtype, keepdims; variant: reduce kind */
ops_lower_fn ops_arg_reduce_last; /* the same, along the last axis by default */
ops_lower_fn ops_count_nonzero; /* x, axis, keepdims */
ops_lower_fn ops_norm;         /* x, ord, axis, keepdims */
ops_lower_fn ops_zero_fraction; /* x */
ops_lower_fn ops_clip_by_norm; /* x, limit, axes */
ops_lower_fn ops_normalize_with_norm; /* x, ord, axis */
ops_lower_fn ops_l2_normalize; /* x, axis, epsilon */
ops_lower_fn ops_normalize;    /* x, axis, order, epsilon (Keras 3) */
ops_lower_fn ops_moments;      /* x, axes, shift, keepdims */
ops_lower_fn ops_cumulate;     /* x, axis, exclusive, reverse, dtype; variant: 1 for the product */
ops_lower_fn ops_average;      /* x, axis, weights */
ops_lower_fn ops_top_k;        /* x, k */
ops_lower_fn ops_sort;         /* x, axis, direction; variant: 1 for the indices */
ops_lower_fn ops_standardize;  /* x: image.per_image_standardization */
ops_lower_fn ops_half_square_sum; /* x */
ops_lower_fn ops_spread;       /* x, axis, keepdims: max - min */

/* ---- movement (ops_shape.c) ---- */
ops_lower_fn ops_reshape;      /* x, shape */
ops_lower_fn ops_flatten;      /* x; variant: 1 keeps the batch */
ops_lower_fn ops_expand_dims;  /* x, axis */
ops_lower_fn ops_squeeze;      /* x, axis */
ops_lower_fn ops_transpose;    /* x, permutation */
ops_lower_fn ops_swapaxes;     /* x, axis1, axis2 */
ops_lower_fn ops_moveaxis;     /* x, source, destination */
ops_lower_fn ops_matrix_transpose; /* x */
ops_lower_fn ops_concat;       /* list, axis; variant: default axis */
ops_lower_fn ops_stack;        /* list, axis */
ops_lower_fn ops_hvstack;      /* list; variant: axis for rank 2 and more */
ops_lower_fn ops_append;       /* x, y, axis */
ops_lower_fn ops_unstack;      /* x, num, axis */
ops_lower_fn ops_split;        /* x, number or sizes, axis */
ops_lower_fn ops_split_node;   /* axis, x, number */
ops_lower_fn ops_split_at;     /* x, number or indices, axis (NumPy) */
ops_lower_fn ops_split_nearly; /* x, number or indices, axis */
ops_lower_fn ops_tile;         /* x, multiples */
ops_lower_fn ops_repeat;       /* x, repeats, axis */
ops_lower_fn ops_pad;          /* x, paddings, mode, constant */
ops_lower_fn ops_reverse;      /* x, axes */
ops_lower_fn ops_flip_axis;    /* x; variant: the axis */
ops_lower_fn ops_roll;         /* x, shift, axis */
ops_lower_fn ops_broadcast_to; /* x, shape */
ops_lower_fn ops_diff;         /* x, n, axis */
ops_lower_fn ops_band;         /* x, k; variant: 0 tril, 1 triu */
ops_lower_fn ops_band_part;    /* x, lower, upper */
ops_lower_fn ops_diagonal;     /* x, offset, axis1, axis2; variant: 1 for the trace */
ops_lower_fn ops_rot90;        /* x, k, axes */

/* ---- indexing (ops_index.c) ---- */
ops_lower_fn ops_getitem;      /* x, key */
ops_lower_fn ops_slice;        /* x, begin, size */
ops_lower_fn ops_strided_slice; /* x, begin, end, strides, begin, end, ellipsis, new axis, shrink masks */
ops_lower_fn ops_gather;       /* x, indices, validate, axis, batch_dims */
ops_lower_fn ops_take;         /* x, indices, axis */
ops_lower_fn ops_take_along;   /* x, indices, axis */
ops_lower_fn ops_gather_nd;    /* x, indices, batch_dims */
ops_lower_fn ops_one_hot;      /* x, depth, on, off, axis, dtype */
ops_lower_fn ops_searchsorted; /* sequence, x, side; variant: 1 for (x, sequence) */

/* ---- new tensors (ops_create.c) ---- */
ops_lower_fn ops_shape_of;     /* x, out dtype */
ops_lower_fn ops_rank;         /* x */
ops_lower_fn ops_size;         /* x */
ops_lower_fn ops_like;         /* x, dtype; variant: the value */
ops_lower_fn ops_full_like;    /* x, value, dtype */
ops_lower_fn ops_filled;       /* shape, dtype; variant: the value */
ops_lower_fn ops_fill;         /* shape, value */
ops_lower_fn ops_range;        /* start, stop, step, dtype */
ops_lower_fn ops_eye;          /* n, m, batch, dtype */
ops_lower_fn ops_constant_value; /* value, dtype */
ops_lower_fn ops_sequence_mask; /* lengths, maxlen, dtype */
ops_lower_fn ops_linspace;     /* start, stop, num */

/* ---- products (ops_product.c) ---- */
ops_lower_fn ops_matmul;       /* x, y, transpose_x, transpose_y, adjoint_x, adjoint_y */
ops_lower_fn ops_matvec;       /* x, y */
ops_lower_fn ops_dot;          /* x, y */
ops_lower_fn ops_batch_dot;    /* x, y, axes */
ops_lower_fn ops_tensordot;    /* x, y, axes */
ops_lower_fn ops_outer;        /* x, y */
ops_lower_fn ops_inner;        /* x, y; variant: 1 flattens both (vdot) */
ops_lower_fn ops_cross;        /* x, y, four axes */
ops_lower_fn ops_einsum;       /* equation, operands... */
ops_lower_fn ops_einsum_list;  /* list, equation */
ops_lower_fn ops_equality;     /* x, y; y may be lost; variant: binary kind */
ops_lower_fn ops_lost_operands; /* the writer did not store them; always fails */

/* ---- rare ones (ops_rare.c) ---- */
ops_lower_fn ops_heaviside;    /* x, y */
ops_lower_fn ops_signbit;      /* x */
ops_lower_fn ops_sinc;         /* x */
ops_lower_fn ops_ldexp;        /* x, y */
ops_lower_fn ops_logaddexp2;   /* x, y */
ops_lower_fn ops_extremum_no_nan; /* x, y; variant: BINARY_MAXIMUM or BINARY_MINIMUM */
ops_lower_fn ops_reduce_no_nan; /* x, axis, keepdims; variant: reduce kind */
ops_lower_fn ops_multi_hot;    /* x, num_classes, axis, dtype, sparse */
ops_lower_fn
    ops_sides; /* images, top, left, bottom, right, height, width, data_format; variant: 1 pads, 0 cuts */
ops_lower_fn ops_attention;    /* query, key, value, bias, mask, scale, is_causal, flash, soft cap */

/* ---- order (ops_order.c) ---- */
ops_lower_fn ops_median;       /* x, axis, keepdims */
ops_lower_fn ops_quantile;     /* x, q, axis, method, keepdims; variant: 1 for percentiles */

/* ---- NumPy's rarer ones in Keras 3 (ops_numpy.c) ---- */
ops_lower_fn ops_allclose;     /* x, y, rtol, atol, equal_nan */
ops_lower_fn ops_angle;        /* x */
ops_lower_fn ops_isreal;       /* x */
ops_lower_fn ops_is_in;        /* x, elements, -, invert */
ops_lower_fn ops_shift;        /* x, y; variant: 1 left, -1 right */
ops_lower_fn ops_nan_variance; /* x, axis, keepdims; variant: 1 for the standard deviation */
ops_lower_fn ops_nan_cumulate; /* as ops_cumulate */
ops_lower_fn ops_nan_arg_reduce; /* as ops_arg_reduce */
ops_lower_fn ops_dstack;       /* list */
ops_lower_fn ops_extract_sequences; /* x, length, stride */
ops_lower_fn ops_trapezoid;    /* y, x, dx, axis */
ops_lower_fn ops_distances;    /* x, y */
ops_lower_fn ops_binary_crossentropy; /* target, x, from_logits */
ops_lower_fn ops_weighted_crossentropy; /* target, x, weight */
ops_lower_fn ops_categorical_crossentropy; /* target, x, from_logits, axis */

/* ---- neural networks and pictures (ops_nn.c, ops_image.c) ---- */
ops_lower_fn ops_pool;         /* x, size, strides, padding, data_format, mode; variant: pool kind */
ops_lower_fn ops_adaptive_pool; /* x, output size, data_format; variant: pool kind */
ops_lower_fn ops_extract_patches; /* images, size, strides, dilation, padding, data_format */
ops_lower_fn ops_conv; /* x, kernel, strides, padding, data_format, dilations; variant: 1 for depthwise */
ops_lower_fn ops_bias_add;     /* x, bias, data_format */
ops_lower_fn ops_batch_normalization; /* x, mean, variance, offset, scale, epsilon, axis */
/* x, gamma, beta, axis, epsilon, rms_scaling; variant: engine_norm_kind */
ops_lower_fn ops_layer_normalization;
ops_lower_fn ops_local_response; /* x, depth_radius, bias, alpha, beta */
ops_lower_fn ops_embedding_lookup; /* table, ids */
ops_lower_fn ops_depth_to_space; /* x, block, data_format; variant: 1 for space_to_depth */
ops_lower_fn ops_resize;       /* images, size, method, preserve_aspect_ratio, antialias; TensorFlow 2 */
ops_lower_fn ops_resize_v1;    /* images, size, method, align_corners, preserve_aspect_ratio */
ops_lower_fn ops_resize_by;    /* images, size, align_corners, half_pixel_centers; variant: method */
ops_lower_fn ops_resize_factor; /* x, height factor, width factor, data_format, interpolation (backend) */
/* images, size, interpolation, antialias, crop, pad, fill_mode, fill, data_format */
ops_lower_fn ops_resize_keras3;
ops_lower_fn ops_resize_with_pad; /* images, height, width, method, antialias */
ops_lower_fn ops_grayscale;    /* images, data_format */
ops_lower_fn ops_grayscale_to_rgb; /* images */
ops_lower_fn ops_central_crop; /* images, fraction */
ops_lower_fn ops_crop_box;     /* images, top, left, height, width; variant: 1 pads instead */
ops_lower_fn ops_crop_or_pad;  /* images, height, width */
ops_lower_fn ops_flip_image;   /* images; variant: axis from the end */
ops_lower_fn ops_adjust;       /* images, delta or factor; variant: 0 brightness, 1 contrast */
ops_lower_fn ops_convert_image; /* images, dtype */
ops_lower_fn ops_random;       /* always fails: random numbers */

#endif
