/* Graph: the builder that Keras layers lower into. Values are numbered; each builder function appends
 * one primitive op, infers the result's dtype and shape (sizes may be SHAPE_UNKNOWN: batch, time,
 * picture size) and returns the new value.
 *
 * Errors are sticky: the first failure is kept in the graph, the function returns ENGINE_NONE, and every
 * later call that gets ENGINE_NONE as a required operand returns ENGINE_NONE. So lowering code needs no
 * checks between steps; its caller looks at engine_graph_error() after each layer and adds the names.
 *
 * Layout is channels-last everywhere: [N, spatial..., C]. Axis 0 is the batch. Not thread-safe. */
#ifndef KD_ENGINE_GRAPH_H
#define KD_ENGINE_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/math.h"
#include "tensor/tensor.h"

struct err;
struct engine_graph;

typedef int engine_value; /* >= 0 */
#define ENGINE_NONE (-1)  /* no value: an optional operand left out, or the result of a failure */

struct engine_graph *engine_graph_new(void);
void engine_graph_free(struct engine_graph *graph); /* accepts NULL */
/* NULL while all is well. */
const struct err *engine_graph_error(const struct engine_graph *graph);
/* Sets the sticky error from outside (first one wins); returns ENGINE_NONE. */
engine_value engine_graph_fail(struct engine_graph *graph, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A name for the ops added from now on ("block1/conv"), shown in plans and errors; copied. */
void engine_graph_scope(struct engine_graph *graph, const char *name);

enum dtype engine_dtype(const struct engine_graph *graph, engine_value value);
const struct shape *engine_shape(const struct engine_graph *graph, engine_value value); /* borrowed */
int engine_rank(const struct engine_graph *graph, engine_value value);
/* The size of one axis (negative counts from the end), maybe SHAPE_UNKNOWN. */
int64_t engine_dim(const struct engine_graph *graph, engine_value value, int axis);
/* The constant's tensor, or NULL if the value is not a constant. Folds what it can first. */
const struct tensor *engine_constant_of(struct engine_graph *graph, engine_value value);

/* The elements of an integer value of rank 0 or 1, as far as they follow from constants and known sizes
 * (tf.shape(x)[1] * 2); ENGINE_NOT_KNOWN for the others. Returns their number, -1 if the value is not of that
 * kind, its length is not known or more than max. */
#define ENGINE_NOT_KNOWN INT64_MIN
int engine_known_elements(const struct engine_graph *graph, engine_value value, int64_t *ret, int max);

/* ---- sources ---- */

/* A model input; axis 0 (and others) may be unknown. Order of calls = order of inputs. */
engine_value engine_input(struct engine_graph *graph, const char *name, enum dtype dtype,
                          const struct shape *shape);
/* Marks an output; order of calls = order of outputs. The same value may be marked twice. */
void engine_output(struct engine_graph *graph, const char *name, engine_value value);

/* data in storage form (float, int64_t, str_view). Borrowed: must outlive the graph and its engine. */
engine_value engine_constant(struct engine_graph *graph, enum dtype dtype, const struct shape *shape,
                             const void *data);
/* Same, but copied (strings deeply) into the graph. */
engine_value engine_constant_copy(struct engine_graph *graph, enum dtype dtype, const struct shape *shape,
                                  const void *data);
engine_value engine_scalar_f32(struct engine_graph *graph, float number); /* rank 0 */
engine_value engine_scalar_i64(struct engine_graph *graph, enum dtype dtype, int64_t number);
/* The sizes of x as int64 [rank]; usable in arithmetic, engine_reshape_to, engine_fill. Ops whose operands
 * are constants or sizes are computed when the plan is made. */
engine_value engine_shape_of(struct engine_graph *graph, engine_value x);
/* shape: int value [rank], constant or from sizes. */
engine_value engine_fill(struct engine_graph *graph, engine_value shape, engine_value scalar);
/* start, stop, step: rank-0 values (constants or from sizes) of one dtype. */
engine_value engine_range(struct engine_graph *graph, engine_value start, engine_value stop,
                          engine_value step);

/* ---- element-wise (NumPy broadcasting, trailing-aligned) ---- */

engine_value engine_unary(struct engine_graph *graph, struct unary function, engine_value x);
/* Both of one dtype. */
engine_value engine_binary(struct engine_graph *graph, enum binary_kind kind, engine_value x, engine_value y);
/* condition bool; where true x, else y; all broadcast. */
engine_value engine_select(struct engine_graph *graph, engine_value condition, engine_value x,
                           engine_value y);
/* Float to integer truncates toward zero (out of range: saturates, NaN: 0); to bool: != 0; float16 and
 * bfloat16 results are rounded to that type; integer results wrap. No-op if the dtype is the same. */
engine_value engine_cast(struct engine_graph *graph, engine_value x, enum dtype dtype);
/* y = x * scale + shift over the last axis (scale, shift: float32 constants [C] or ENGINE_NONE).
 * The canonical form of BatchNormalization and Rescaling: folded into a convolution or dense before it. */
engine_value engine_scale_shift(struct engine_graph *graph, engine_value x, engine_value scale,
                                engine_value shift);
/* Over the axes jointly (exp(x - logsumexp)). log: the logarithm of it. */
engine_value engine_softmax(struct engine_graph *graph, engine_value x, const int *axes, int n_axes,
                            bool log);
/* Keras 3's sparsemax over the last axis (with its known deviation, keras-h5 reference 4.2.1). */
engine_value engine_sparsemax(struct engine_graph *graph, engine_value x);

/* ---- products ---- */

/* x [..., K] times kernel [K, N] (constant) plus bias [N] (constant or ENGINE_NONE) over the last axis. */
engine_value engine_dense(struct engine_graph *graph, engine_value x, engine_value kernel, engine_value bias);
/* NumPy matmul: [..., M, K] x [..., K, N], leading axes broadcast; transposes of the last two axes.
 * Rank-1 operands as NumPy has them. */
engine_value engine_matmul(struct engine_graph *graph, engine_value x, engine_value y, bool transpose_x,
                           bool transpose_y);
/* Explicit einsum of one or two operands ("abc,cde->abde", "...x,xy->...y"); no repeated letter within
 * one operand. Constants allowed on either side. y may be ENGINE_NONE. */
engine_value engine_einsum(struct engine_graph *graph, const char *equation, engine_value x, engine_value y);

#define ENGINE_MAX_SPATIAL 3

enum engine_padding { ENGINE_VALID, ENGINE_SAME, ENGINE_CAUSAL };

/* Windows: arrays of n_spatial entries. SAME is asymmetric as in TensorFlow (extra zero at the end). */
struct engine_window {
    int n_spatial;
    int64_t size[ENGINE_MAX_SPATIAL]; /* ignored by the convolutions: read off the kernel */
    int64_t stride[ENGINE_MAX_SPATIAL];
    int64_t dilation[ENGINE_MAX_SPATIAL];
    enum engine_padding padding;
};

/* x [N, spatial..., C_in], kernel (constant) [k..., C_in/groups, C_out], bias [C_out] or ENGINE_NONE. */
engine_value engine_conv(struct engine_graph *graph, engine_value x, engine_value kernel, engine_value bias,
                         const struct engine_window *window, int64_t groups);
/* kernel [k..., C, multiplier] -> channels C * multiplier (c * multiplier + m). */
engine_value engine_depthwise_conv(struct engine_graph *graph, engine_value x, engine_value kernel,
                                   engine_value bias, const struct engine_window *window);
/* kernel [k..., C_out, C_in]; output_padding: n_spatial entries or NULL; sizes as keras-h5 4.3 says. */
engine_value engine_conv_transpose(struct engine_graph *graph, engine_value x, engine_value kernel,
                                   engine_value bias, const struct engine_window *window,
                                   const int64_t *output_padding);
/* LocallyConnected, implementation 1, VALID: kernel [positions, k... * C_in, filters] (patch order
 * k..., C_in), bias [out..., filters] or ENGINE_NONE. */
engine_value engine_local_conv(struct engine_graph *graph, engine_value x, engine_value kernel,
                               engine_value bias, const struct engine_window *window);
/* Max ignores padding and NaN as TensorFlow does; average divides by the number of real elements. */
engine_value engine_pool(struct engine_graph *graph, enum pool_kind kind, engine_value x,
                         const struct engine_window *window);
engine_value engine_adaptive_pool(struct engine_graph *graph, enum pool_kind kind, engine_value x,
                                  const int64_t *output_size, int n_spatial);
/* Local response normalisation over the last axis: x / (bias + alpha * sum of squares)^beta. */
engine_value engine_local_response_norm(struct engine_graph *graph, engine_value x, int depth_radius,
                                        float bias, float alpha, float beta);

/* ---- normalisation: (x - mean) / sqrt(variance + epsilon), without affine part ---- */

enum engine_norm_kind {
    ENGINE_NORM_LAYER,     /* mean and biased variance over the axes */
    ENGINE_NORM_RMS,       /* x / sqrt(mean(x^2) + epsilon) */
    ENGINE_NORM_RMS_SCALED /* Keras 3 rms_scaling: x / sqrt(variance + epsilon), x not centred */
};
engine_value engine_normalize(struct engine_graph *graph, enum engine_norm_kind kind, engine_value x,
                              const int *axes, int n_axes, float epsilon);

/* ---- reductions and scans ---- */

/* n_axes 0 with axes NULL: all axes. ARGMAX/ARGMIN take one axis (dtype int64). */
engine_value engine_reduce(struct engine_graph *graph, enum reduce_kind kind, engine_value x, const int *axes,
                           int n_axes, bool keepdims);
engine_value engine_cumsum(struct engine_graph *graph, engine_value x, int axis, bool exclusive, bool reverse,
                           bool product);
/* Last axis, descending; ret[0] values, ret[1] indices (int32). */
void engine_top_k(struct engine_graph *graph, engine_value x, int64_t k, engine_value ret[2]);
/* Ascending along one axis; indices: the argsort (int32) instead of the values. */
engine_value engine_sort(struct engine_graph *graph, engine_value x, int axis, bool descending, bool indices);

/* ---- movement ---- */

/* spec entries: >= 0 a size; ENGINE_INFER (one at most); ENGINE_SAME_DIM(i): the size of x's axis i. */
#define ENGINE_INFER          (-1)
#define ENGINE_SAME_DIM(axis) (-100 - (axis))
engine_value engine_reshape(struct engine_graph *graph, engine_value x, const int64_t *spec, int rank);
/* shape: int value [rank] known when the plan is made; may hold one -1. */
engine_value engine_reshape_to(struct engine_graph *graph, engine_value x, engine_value shape);
engine_value engine_expand_dims(struct engine_graph *graph, engine_value x, int axis);
/* Removes axes of size 1; n_axes 0: all known to be 1. */
engine_value engine_squeeze(struct engine_graph *graph, engine_value x, const int *axes, int n_axes);
/* result axis i is source axis permutation[i] */
engine_value engine_transpose(struct engine_graph *graph, engine_value x, const int *permutation);
engine_value engine_concat(struct engine_graph *graph, const engine_value *values, int n_values, int axis);
/* New axis. */
engine_value engine_stack(struct engine_graph *graph, const engine_value *values, int n_values, int axis);
/* Python slicing along one axis; ENGINE_SLICE_NONE where Python has None; step != 0. */
#define ENGINE_SLICE_NONE INT64_MIN
engine_value engine_slice(struct engine_graph *graph, engine_value x, int axis, int64_t start, int64_t stop,
                          int64_t step);
/* start, stop: rank-0 int values known when the plan is made, or ENGINE_NONE. */
engine_value engine_slice_dynamic(struct engine_graph *graph, engine_value x, int axis, engine_value start,
                                  engine_value stop, int64_t step);
enum engine_pad_mode { ENGINE_PAD_CONSTANT, ENGINE_PAD_REFLECT, ENGINE_PAD_SYMMETRIC, ENGINE_PAD_EDGE };
/* before, after: one entry per axis, >= 0. constant: rank-0 value, ENGINE_NONE for 0. */
engine_value engine_pad(struct engine_graph *graph, engine_value x, const int64_t *before,
                        const int64_t *after, enum engine_pad_mode mode, engine_value constant);
/* Each element `count` times in a row along the axis (np.repeat, nearest UpSampling). */
engine_value engine_repeat(struct engine_graph *graph, engine_value x, int axis, int64_t count);
/* np.tile with one count per axis of x (rank kept). */
engine_value engine_tile(struct engine_graph *graph, engine_value x, const int64_t *counts);
/* Broadcast to the shape of another value / to a shape value known when the plan is made. */
engine_value engine_broadcast_like(struct engine_graph *graph, engine_value x, engine_value like);
engine_value engine_broadcast_to(struct engine_graph *graph, engine_value x, engine_value shape);
engine_value engine_roll(struct engine_graph *graph, engine_value x, int axis, int64_t shift);

enum engine_bounds {
    ENGINE_BOUNDS_ERROR, /* index outside [0, n): the request fails with a sentence */
    ENGINE_BOUNDS_WRAP   /* [-n, 0) counts from the end, else an error */
};
/* indices: int value; result shape x[:axis] + indices.shape[batch_dims:] + x[axis+1:]. */
engine_value engine_gather(struct engine_graph *graph, engine_value x, engine_value indices, int axis,
                           int batch_dims, enum engine_bounds bounds);
engine_value engine_gather_nd(struct engine_graph *graph, engine_value x, engine_value indices,
                              int batch_dims);
/* Indices of ids (int) as float32/int rows of `depth` at `axis` of the result; out of range: all off. */
engine_value engine_one_hot(struct engine_graph *graph, engine_value indices, int64_t depth, float on,
                            float off, int axis, enum dtype dtype);
/* Bands of the last two axes kept, the rest zero (tf.linalg.band_part; tril/triu). */
engine_value engine_band_part(struct engine_graph *graph, engine_value x, int64_t lower, int64_t upper);

/* x [N, H, W, C] -> [N, out_h, out_w, C]. size: entries >= 1, or 0 with scale > 0: input size * scale. */
struct engine_resize {
    enum resize_method method;
    enum resize_grid grid;
    bool antialias;
    int64_t size[2];
    int64_t scale[2];
    bool preserve_aspect_ratio;
    bool crop_to_aspect_ratio; /* centred crop to the target's ratio first (smart_resize) */
    bool pad_to_aspect_ratio;  /* Keras 3: pad both sides with fill first */
    float fill;
};
engine_value engine_resize(struct engine_graph *graph, engine_value x, const struct engine_resize *resize);
/* CenterCrop: crop if both sides are big enough, else crop-to-aspect bilinear resize. */
engine_value engine_center_crop(struct engine_graph *graph, engine_value x, int64_t height, int64_t width);
/* Per picture and channel min-max stretch to [a, b] (Keras 3 AutoContrast). */
engine_value engine_auto_contrast(struct engine_graph *graph, engine_value x, float a, float b);
/* NHWC; block >= 2. */
/* Contrast limited adaptive histogram equalisation of pictures [N, H, W, C] with values in [low, high]; see
 * kernels/contrast.h. */
struct engine_clahe {
    int64_t grid[2]; /* tiles down and across, 1 or more */
    double clip;
    float low, high;
};
engine_value engine_clahe(struct engine_graph *graph, engine_value x, const struct engine_clahe *clahe);
engine_value engine_depth_to_space(struct engine_graph *graph, engine_value x, int64_t block);
engine_value engine_space_to_depth(struct engine_graph *graph, engine_value x, int64_t block);

/* ---- recurrence ---- */

enum engine_rnn_kind { ENGINE_RNN_SIMPLE, ENGINE_RNN_LSTM, ENGINE_RNN_GRU };

/* Formulas, gate order (LSTM i f c o, GRU z r h) and mask rules: keras-h5 reference 4.5. */
struct engine_rnn {
    enum engine_rnn_kind kind;
    int64_t units;
    struct unary activation, recurrent_activation;
    bool softmax, recurrent_softmax; /* over the units, in place of them */
    engine_value x;                /* [N, T, F] */
    engine_value kernel;           /* constant [F, G*U] */
    engine_value recurrent_kernel; /* constant [U, G*U] */
    engine_value bias;             /* constant [G*U] or ENGINE_NONE; GRU reset_after: [2, 3U] */
    engine_value initial[2];       /* h, c: [N, U] or ENGINE_NONE for zeros */
    engine_value mask;             /* bool [N, T] or ENGINE_NONE */
    bool reset_after;
    bool go_backwards;
    bool return_sequences; /* result[0] is [N, T, U] in processing order, else [N, U] */
    bool zero_output_for_mask;
};
/* ret[0] output, ret[1] last h, ret[2] last c (LSTM only, else ENGINE_NONE). */
void engine_rnn(struct engine_graph *graph, const struct engine_rnn *rnn, engine_value ret[3]);

/* ConvLSTM1D/2D/3D: x [N, T, spatial..., C], kernel [k..., C, 4F], recurrent [k..., F, 4F], bias [4F]. */
struct engine_conv_lstm {
    struct unary activation, recurrent_activation;
    engine_value x, kernel, recurrent_kernel, bias;
    engine_value mask;       /* bool [N, T] or [N, T, spatial'...] */
    engine_value initial[2]; /* [N, spatial'..., F] or ENGINE_NONE */
    struct engine_window window;
    bool go_backwards, return_sequences, zero_output_for_mask;
};
void engine_conv_lstm(struct engine_graph *graph, const struct engine_conv_lstm *rnn, engine_value ret[3]);

/* ---- preprocessing of integers and strings ---- */

/* int32: number of boundaries (float32 constant [n], ascending) <= x. */
engine_value engine_bucketize(struct engine_graph *graph, engine_value x, engine_value boundaries);
enum engine_encode_mode { ENGINE_ENCODE_MULTI_HOT, ENGINE_ENCODE_COUNT };
/* ids int [..., L] -> float32 [..., depth] over the last axis; ids < 0 are skipped, ids >= depth are an
 * error. weights: float32 like ids or ENGINE_NONE (COUNT only). */
engine_value engine_encode(struct engine_graph *graph, engine_value ids, engine_value weights, int64_t depth,
                           enum engine_encode_mode mode);
/* keys: string or int64 constant [n] (distinct), values: int64 constant [n]. Keys not found: hash over
 * n_oov buckets + oov_start (n_oov 1: oov_start; strings Fingerprint64 % n_oov, ints value mod n_oov;
 * n_oov 0: the request fails with a sentence). */
engine_value engine_lookup(struct engine_graph *graph, engine_value x, engine_value keys, engine_value values,
                           int64_t oov_start, int64_t n_oov);
/* Keras Hashing: bins, optional salt (SipHash-2-4), optional mask value (same dtype as x, rank 0). */
engine_value engine_hash(struct engine_graph *graph, engine_value x, int64_t bins, const uint64_t *salt,
                         engine_value mask);
/* Keras HashedCrossing over n inputs (string or int64), broadcast; int64 result. */
engine_value engine_hash_cross(struct engine_graph *graph, const engine_value *values, int n_values,
                               int64_t bins);
/* TextVectorization up to its token ids: string [N] or [N, 1] -> int64 [N, length]. */
struct engine_text {
    bool lower, strip_punctuation;
    enum { ENGINE_SPLIT_NONE, ENGINE_SPLIT_WHITESPACE, ENGINE_SPLIT_CHARACTER } split;
    const int *ngrams; /* sizes in order; NULL: no n-grams */
    int n_ngrams;
    engine_value keys, values; /* as engine_lookup */
    int64_t oov;               /* id of unknown tokens */
    int64_t pad;               /* id of padding (-1 for the counting modes) */
    int64_t output_length;     /* 0: the longest of the batch */
};
engine_value engine_text_vectorize(struct engine_graph *graph, engine_value x,
                                   const struct engine_text *text);

#endif
