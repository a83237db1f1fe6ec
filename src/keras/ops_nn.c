/* Neural-network functions called by name between layers: pooling, convolution, normalisation, look-up.
 *
 * Data formats come as TensorFlow writes them ("NCHW") or as Keras does ("channels_first"); a channels-first
 * tensor is turned to channels-last and back. Sizes come as one number, as one per spatial axis, or as one
 * per axis. */
#include "keras/ops_math.h"

#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* Values of one patch: its identity kernel has the square of it. */
#define MAX_PATCH 4096

static bool channels_first(struct ops_call *op, int i)
{
    const char *format = ops_text(op, i, "channels_last");
    return str_equal(format, "channels_first") || str_starts(format, "NC");
}

/* Values of one per spatial axis out of any of the three forms; `absent` if not given. */
static void spatial(struct ops_call *op, int i, int n_spatial, bool first, int64_t absent, int64_t *ret)
{
    int64_t values[ENGINE_MAX_SPATIAL + 2];
    int n = ops_ints(op, i, values, ENGINE_MAX_SPATIAL + 2);
    int from = n == n_spatial + 2 ? (first ? 2 : 1) : 0;
    if (n > 1 && n != n_spatial && n != n_spatial + 2)
        ops_fail(op, "%d sizes for %d spatial axes", n, n_spatial);
    for (int k = 0; k < n_spatial; k++)
        ret[k] = n < 0 ? absent : n == 1 ? values[0] : values[from + k];
}

static enum engine_padding padding_of(struct ops_call *op, int i)
{
    const char *word = ops_text(op, i, "valid");
    if (strcasecmp(word, "same") == 0)
        return ENGINE_SAME;
    if (strcasecmp(word, "valid") != 0)
        ops_fail(op, "padding '%.40s' is not served", word);
    return ENGINE_VALID;
}

engine_value ops_pool(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    struct engine_window window = {.n_spatial = engine_rank(op->graph, x) - 2, .dilation = {1, 1, 1}};
    if (window.n_spatial < 1 || window.n_spatial > ENGINE_MAX_SPATIAL)
        return ops_fail(op, "a tensor of rank %d cannot be pooled", engine_rank(op->graph, x));
    bool first = channels_first(op, 4);
    spatial(op, 1, window.n_spatial, first, 2, window.size);
    for (int i = 0; i < window.n_spatial; i++)
        window.stride[i] = window.size[i];
    if (op->arg[2])
        spatial(op, 2, window.n_spatial, first, 1, window.stride);
    window.padding = padding_of(op, 3);
    enum pool_kind kind = (enum pool_kind)op->row->variant;
    if (op->arg[5] && str_equal(ops_text(op, 5, "max"), "avg"))
        kind = POOL_AVERAGE;
    x = first ? keras_to_channels_last(op->call, x) : x;
    x = engine_pool(op->graph, kind, x, &window);
    if (kind == POOL_MAX && x != ENGINE_NONE) /* of integers it is an integer */
        x = engine_cast(op->graph, x, engine_dtype(op->graph, ops_tensor(op, 0, DTYPE_INVALID)));
    return first ? keras_to_channels_first(op->call, x) : x;
}

engine_value ops_conv(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    engine_value kernel = ops_tensor(op, 1, engine_dtype(op->graph, x));
    struct engine_window window = {.n_spatial = engine_rank(op->graph, x) - 2};
    if (kernel == ENGINE_NONE || !engine_constant_of(op->graph, kernel))
        return ops_fail(op, "the kernel must be a constant");
    if (window.n_spatial < 1 || window.n_spatial > ENGINE_MAX_SPATIAL)
        return ops_fail(op, "a tensor of rank %d cannot be convolved", engine_rank(op->graph, x));
    bool first = channels_first(op, 4), depthwise = op->row->variant;
    spatial(op, 2, window.n_spatial, first, 1, window.stride);
    spatial(op, 5, window.n_spatial, first, 1, window.dilation);
    window.padding = padding_of(op, 3);
    x = first ? keras_to_channels_last(op->call, x) : x;
    if (depthwise) {
        x = engine_depthwise_conv(op->graph, x, kernel, ENGINE_NONE, &window);
    } else {
        int64_t c_in = engine_dim(op->graph, kernel, -2), c = engine_dim(op->graph, x, -1);
        x = engine_conv(op->graph, x, kernel, ENGINE_NONE, &window,
                        c > 0 && c_in > 0 && c % c_in == 0 ? c / c_in : 1);
    }
    return first ? keras_to_channels_first(op->call, x) : x;
}

engine_value ops_bias_add(struct ops_call *op)
{
    engine_value x, bias;
    if (!ops_pair(op, 0, 1, &x, &bias))
        return ENGINE_NONE;
    bool first = channels_first(op, 2);
    x = first ? keras_to_channels_last(op->call, x) : x;
    x = engine_binary(op->graph, BINARY_ADD, x, bias);
    return first ? keras_to_channels_first(op->call, x) : x;
}

/* An optional operand in the type of x; ENGINE_NONE if it is absent. */
static engine_value optional(struct ops_call *op, int i, engine_value x)
{
    if (!op->arg[i])
        return ENGINE_NONE;
    enum dtype dtype = engine_dtype(op->graph, x);
    return engine_cast(op->graph, ops_tensor(op, i, dtype), dtype);
}

/* Lays a vector along the axis that has `behind` axes behind it. */
static engine_value along(struct ops_call *op, engine_value vector, int behind)
{
    for (int i = 0; i < behind && vector != ENGINE_NONE && engine_rank(op->graph, vector) <= behind; i++)
        vector = engine_expand_dims(op->graph, vector, engine_rank(op->graph, vector));
    return vector;
}

/* (x - mean) rsqrt(variance + epsilon) scale + offset; the parameters broadcast against x. */
engine_value ops_batch_normalization(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    int rank = engine_rank(op->graph, x), behind = rank - 1 - ops_axis(op, 6, rank, -1);
    engine_value mean = along(op, optional(op, 1, x), behind),
                 variance = along(op, optional(op, 2, x), behind);
    engine_value offset = along(op, optional(op, 3, x), behind),
                 scale = along(op, optional(op, 4, x), behind);
    engine_value epsilon = keras_scalar(op->call, x, ops_number(op, 5, 1e-3));
    engine_value spread = engine_binary(op->graph, BINARY_ADD, variance, epsilon);
    engine_value factor = engine_unary(op->graph, (struct unary){.kind = UNARY_RSQRT}, spread);
    if (scale != ENGINE_NONE)
        factor = engine_binary(op->graph, BINARY_MULTIPLY, factor, scale);
    x = engine_binary(op->graph, BINARY_MULTIPLY, engine_binary(op->graph, BINARY_SUBTRACT, x, mean), factor);
    return offset == ENGINE_NONE ? x : engine_binary(op->graph, BINARY_ADD, x, offset);
}

engine_value ops_layer_normalization(struct ops_call *op)
{
    int axes[SHAPE_MAX_RANK];
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    enum engine_norm_kind kind = (enum engine_norm_kind)op->row->variant;
    int rank = engine_rank(op->graph, x), n = ops_axes(op, 3, rank, axes);
    if (n == 0)
        axes[n++] = rank - 1;
    if (op->arg[5] && ops_bool(op, 5, false))
        return ops_fail(op, "rms_scaling is not served");
    engine_value gamma = optional(op, 1, x), beta = optional(op, 2, x);
    x = engine_normalize(op->graph, kind, x, axes, n, (float)ops_number(op, 4, 1e-7));
    x = gamma == ENGINE_NONE ? x : engine_binary(op->graph, BINARY_MULTIPLY, x, gamma);
    return beta == ENGINE_NONE ? x : engine_binary(op->graph, BINARY_ADD, x, beta);
}

engine_value ops_local_response(struct ops_call *op)
{
    return engine_local_response_norm(op->graph, ops_tensor_float(op, 0), (int)ops_int(op, 1, 5),
                                      (float)ops_number(op, 2, 1), (float)ops_number(op, 3, 1),
                                      (float)ops_number(op, 4, 0.5));
}

engine_value ops_embedding_lookup(struct ops_call *op)
{
    engine_value table = ops_tensor(op, 0, DTYPE_FLOAT32);
    engine_value ids = ops_tensor(op, 1, DTYPE_INT32);
    if (ids != ENGINE_NONE && !dtype_is_int(engine_dtype(op->graph, ids)))
        ids = engine_cast(op->graph, ids, DTYPE_INT32);
    return engine_gather(op->graph, table, ids, 0, 0, ENGINE_BOUNDS_ERROR);
}

engine_value ops_depth_to_space(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    int64_t block = ops_int(op, 1, 2);
    bool first = channels_first(op, 2);
    x = first ? keras_to_channels_last(op->call, x) : x;
    x = op->row->variant ? engine_space_to_depth(op->graph, x, block)
                         : engine_depth_to_space(op->graph, x, block);
    return first ? keras_to_channels_first(op->call, x) : x;
}

engine_value ops_random(struct ops_call *op)
{
    return ops_fail(
        op, "it gives random numbers, so the model has no one answer; a sidecar expression may define the "
            "layer by its mean");
}

engine_value ops_adaptive_pool(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    int64_t size[ENGINE_MAX_SPATIAL];
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    int n_spatial = engine_rank(op->graph, x) - 2;
    if (n_spatial < 1 || n_spatial > ENGINE_MAX_SPATIAL)
        return ops_fail(op, "a tensor of rank %d cannot be pooled", engine_rank(op->graph, x));
    bool first = channels_first(op, 2);
    spatial(op, 1, n_spatial, first, 1, size);
    x = first ? keras_to_channels_last(op->call, x) : x;
    x = engine_adaptive_pool(op->graph, (enum pool_kind)op->row->variant, x, size, n_spatial);
    return first ? keras_to_channels_first(op->call, x) : x;
}

/* Patches that tile the picture: [N, H/p, p, W/q, q, C] with the axes put in order. */
static engine_value tile_patches(struct ops_call *op, engine_value x, const struct engine_window *window)
{
    static const int order[] = {0, 1, 3, 2, 4, 5};
    const int64_t *size = window->size;
    int64_t rows = engine_dim(op->graph, x, 1) / size[0], columns = engine_dim(op->graph, x, 2) / size[1];
    int64_t channels = engine_dim(op->graph, x, 3);
    x = engine_slice(op->graph, x, 1, 0, rows * size[0], 1);
    x = engine_slice(op->graph, x, 2, 0, columns * size[1], 1);
    const int64_t apart[] = {ENGINE_SAME_DIM(0), rows, size[0], columns, size[1], channels};
    x = engine_transpose(op->graph, engine_reshape(op->graph, x, apart, 6), order);
    const int64_t joined[] = {ENGINE_SAME_DIM(0), rows, columns, size[0] * size[1] * channels};
    return engine_reshape(op->graph, x, joined, 4);
}

/* Any patches: a convolution with an identity kernel. */
static engine_value convolve_patches(struct ops_call *op, engine_value x, const struct engine_window *window)
{
    int64_t channels = engine_dim(op->graph, x, -1), n = window->size[0] * window->size[1] * channels;
    if (n > MAX_PATCH)
        return ops_fail(op, "overlapping patches of %lld values are not served", (long long)n);
    float *identity = arena_calloc(op->layer->arena, (size_t)(n * n), sizeof(*identity));
    if (!identity)
        return engine_graph_fail(op->graph, KD_ENOMEM, "out of memory");
    for (int64_t i = 0; i < n; i++)
        identity[i * n + i] = 1;
    struct shape shape = shape_of(4, window->size[0], window->size[1], channels, n);
    engine_value kernel = engine_constant(op->graph, DTYPE_FLOAT32, &shape, identity);
    kernel = engine_cast(op->graph, kernel, engine_dtype(op->graph, x));
    return engine_conv(op->graph, x, kernel, ENGINE_NONE, window, 1);
}

static bool tiles(const struct engine_window *window, int64_t height, int64_t width)
{
    bool plain = window->padding == ENGINE_VALID && height >= window->size[0] && width >= window->size[1];
    for (int i = 0; i < 2; i++)
        plain = plain && window->stride[i] == window->size[i] && window->dilation[i] == 1;
    return plain;
}

/* The channels of a patch: its rows, columns, channels. */
engine_value ops_extract_patches(struct ops_call *op)
{
    engine_value x = ops_tensor_float(op, 0);
    struct engine_window window = {.n_spatial = 2};
    if (x == ENGINE_NONE || engine_rank(op->graph, x) != 4)
        return ops_fail(op, "pictures must have rank 4");
    bool first = channels_first(op, 5);
    spatial(op, 1, 2, first, 1, window.size);
    memcpy(window.stride, window.size, sizeof(window.stride));
    if (op->arg[2])
        spatial(op, 2, 2, first, 1, window.stride);
    spatial(op, 3, 2, first, 1, window.dilation);
    window.padding = padding_of(op, 4);
    x = first ? keras_to_channels_last(op->call, x) : x;
    int64_t channels = engine_dim(op->graph, x, 3), limit = INT16_MAX;
    if (channels < 1 || channels > limit || window.size[0] < 1 || window.size[0] > limit ||
        window.size[1] < 1 || window.size[1] > limit)
        return ops_fail(op, "the sizes of the patches and the number of channels must be known");
    bool tiled = tiles(&window, engine_dim(op->graph, x, 1), engine_dim(op->graph, x, 2));
    x = tiled ? tile_patches(op, x, &window) : convolve_patches(op, x, &window);
    return first ? keras_to_channels_first(op->call, x) : x;
}
