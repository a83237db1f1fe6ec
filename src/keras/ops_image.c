/* Picture functions between layers: resizing in its eras, crops, grey, flips.
 *
 * TensorFlow 2 resizes with half-pixel centres, the functions of TensorFlow 1 on the grid src = i * scale
 * unless align_corners or half_pixel_centers say otherwise. A result of any method but nearest is a float.
 * Pictures may come without a batch axis; they get one for the op. */
#include "keras/ops_math.h"

#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/size.h"
#include "base/str.h"

static const char *const methods[] = {"nearest",  "bilinear", "bicubic",  "area",
                                      "lanczos3", "lanczos5", "gaussian", "mitchellcubic"};

/* By word, or by the number that TensorFlow 1 gave them. */
static enum resize_method method_of(struct ops_call *op, int i)
{
    static const enum resize_method by_number[] = {RESIZE_BILINEAR, RESIZE_NEAREST, RESIZE_BICUBIC,
                                                   RESIZE_AREA};
    if (op->arg[i] && op->arg[i]->kind == KERAS_ARG_INT) {
        int64_t number = ops_int(op, i, 0);
        if (number >= 0 && number < (int64_t)KD_COUNT(by_number))
            return by_number[number];
    }
    const char *word = ops_text(op, i, "bilinear");
    for (size_t k = 0; k < KD_COUNT(methods); k++)
        if (strcasecmp(word, methods[k]) == 0)
            return (enum resize_method)k;
    ops_fail(
        op,
        "the method '%.40s' is not one of nearest, bilinear, bicubic, area, lanczos3, lanczos5, gaussian, "
        "mitchellcubic",
        word);
    return RESIZE_BILINEAR;
}

static bool channels_first(struct ops_call *op, int i)
{
    return str_equal(ops_text(op, i, "channels_last"), "channels_first");
}

/* Height and width must be constants, maybe as a tensor that folds. */
static bool target_size(struct ops_call *op, int i, int64_t size[2])
{
    int n = ops_ints(op, i, size, 2);
    if (n == 1)
        size[1] = size[0];
    if (n >= 1 && size[0] > 0 && size[1] > 0)
        return true;
    ops_fail(op, "the size must be a constant height and width");
    return false;
}

/* Adds a batch axis to a picture of rank 3, calls the engine, takes it off again. */
static engine_value resize(struct ops_call *op, engine_value x, const struct engine_resize *resize)
{
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    int rank = engine_rank(op->graph, x);
    if (rank != 3 && rank != 4)
        return ops_fail(op, "pictures have rank 3 or 4, found %d", rank);
    if (resize->method != RESIZE_NEAREST)
        x = ops_to_float(op->graph, x);
    x = rank == 3 ? engine_expand_dims(op->graph, x, 0) : x;
    x = engine_resize(op->graph, x, resize);
    return rank == 3 ? engine_squeeze(op->graph, x, (int[]){0}, 1) : x;
}

engine_value ops_resize(struct ops_call *op)
{
    struct engine_resize spec = {
        .method = method_of(op, 2),
        .grid = RESIZE_HALF_PIXEL,
        .preserve_aspect_ratio = ops_bool(op, 3, false),
        .antialias = ops_bool(op, 4, false),
    };
    if (!target_size(op, 1, spec.size))
        return ENGINE_NONE;
    return resize(op, ops_tensor(op, 0, DTYPE_INVALID), &spec);
}

engine_value ops_resize_v1(struct ops_call *op)
{
    struct engine_resize spec = {
        .method = method_of(op, 2),
        .grid = ops_bool(op, 3, false) ? RESIZE_ALIGN_CORNERS : RESIZE_LEGACY,
        .preserve_aspect_ratio = ops_bool(op, 4, false),
    };
    if (!target_size(op, 1, spec.size))
        return ENGINE_NONE;
    return resize(op, ops_tensor(op, 0, DTYPE_INVALID), &spec);
}

engine_value ops_resize_by(struct ops_call *op)
{
    bool half_pixel = ops_bool(op, 3, false), corners = ops_bool(op, 2, false);
    struct engine_resize spec = {
        .method = (enum resize_method)op->row->variant,
        .grid = half_pixel ? RESIZE_HALF_PIXEL : corners ? RESIZE_ALIGN_CORNERS : RESIZE_LEGACY,
    };
    if (!target_size(op, 1, spec.size))
        return ENGINE_NONE;
    return resize(op, ops_tensor(op, 0, DTYPE_INVALID), &spec);
}

/* The backend's resize_images: standalone Keras has TensorFlow 1's grid, tf.keras half pixels. */
engine_value ops_resize_factor(struct ops_call *op)
{
    bool legacy = op->layer->writer->family == KERAS_1 || op->layer->writer->family == KERAS_2;
    struct engine_resize spec = {
        .method = op->arg[4] ? method_of(op, 4) : RESIZE_NEAREST,
        .grid = legacy ? RESIZE_LEGACY : RESIZE_HALF_PIXEL,
        .scale = {ops_int(op, 1, 1), ops_int(op, 2, 1)},
    };
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (spec.scale[0] < 1 || spec.scale[1] < 1)
        return ops_fail(op, "factors must be 1 or more");
    bool first = channels_first(op, 3);
    x = first ? keras_to_channels_last(op->call, x) : x;
    x = resize(op, x, &spec);
    return first ? keras_to_channels_first(op->call, x) : x;
}

engine_value ops_resize_keras3(struct ops_call *op)
{
    struct engine_resize spec = {
        .method = method_of(op, 2),
        .grid = RESIZE_HALF_PIXEL,
        .antialias = ops_bool(op, 3, false),
        .crop_to_aspect_ratio = ops_bool(op, 4, false),
        .pad_to_aspect_ratio = ops_bool(op, 5, false),
        .fill = (float)ops_number(op, 7, 0),
    };
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (!target_size(op, 1, spec.size))
        return ENGINE_NONE;
    bool first = channels_first(op, 8);
    x = first ? keras_to_channels_last(op->call, x) : x;
    x = resize(op, x, &spec);
    return first ? keras_to_channels_first(op->call, x) : x;
}

/* ---- crops and borders: pictures [..., H, W, C] ---- */

/* Height and width of x if they are known. */
static bool picture_size(struct ops_call *op, engine_value x, int64_t size[2])
{
    if (x == ENGINE_NONE || engine_rank(op->graph, x) < 3)
        return false;
    size[0] = engine_dim(op->graph, x, -3);
    size[1] = engine_dim(op->graph, x, -2);
    if (size[0] > 0 && size[1] > 0)
        return true;
    ops_fail(op, "the size of the picture must be known");
    return false;
}

static engine_value crop(struct ops_call *op, engine_value x, int64_t top, int64_t left, int64_t height,
                         int64_t width)
{
    int rank = engine_rank(op->graph, x);
    x = engine_slice(op->graph, x, rank - 3, top, top + height, 1);
    return engine_slice(op->graph, x, rank - 2, left, left + width, 1);
}

static engine_value border(struct ops_call *op, engine_value x, int64_t top, int64_t left, int64_t bottom,
                           int64_t right)
{
    int64_t before[SHAPE_MAX_RANK] = {0}, after[SHAPE_MAX_RANK] = {0};
    int rank = engine_rank(op->graph, x);
    before[rank - 3] = top;
    before[rank - 2] = left;
    after[rank - 3] = bottom;
    after[rank - 2] = right;
    return engine_pad(op->graph, x, before, after, ENGINE_PAD_CONSTANT, ENGINE_NONE);
}

engine_value ops_central_crop(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    double fraction = ops_number(op, 1, 1);
    int64_t size[2];
    if (!picture_size(op, x, size))
        return ENGINE_NONE;
    if (!(fraction > 0 && fraction <= 1))
        return ops_fail(op, "the fraction must be in (0, 1]");
    int64_t top = (int64_t)(((double)size[0] - (double)size[0] * fraction) / 2);
    int64_t left = (int64_t)(((double)size[1] - (double)size[1] * fraction) / 2);
    return crop(op, x, top, left, size[0] - 2 * top, size[1] - 2 * left);
}

engine_value ops_crop_box(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    int64_t top = ops_int(op, 1, 0), left = ops_int(op, 2, 0);
    int64_t height = ops_int(op, 3, 0), width = ops_int(op, 4, 0), size[2];
    if (!picture_size(op, x, size))
        return ENGINE_NONE;
    bool pads = op->row->variant;
    int64_t bottom = pads ? height - top - size[0] : size[0] - top - height;
    int64_t right = pads ? width - left - size[1] : size[1] - left - width;
    if (top < 0 || left < 0 || height < 1 || width < 1 || bottom < 0 || right < 0)
        return ops_fail(op, "the box lies outside of the picture");
    return pads ? border(op, x, top, left, bottom, right) : crop(op, x, top, left, height, width);
}

/* Centred: the part that is cut off or added first is the smaller half. */
engine_value ops_crop_or_pad(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    int64_t size[2], target[2] = {ops_int(op, 1, 0), ops_int(op, 2, 0)}, cut[2], add[2];
    if (!picture_size(op, x, size))
        return ENGINE_NONE;
    for (int i = 0; i < 2; i++) {
        if (target[i] < 1)
            return ops_fail(op, "the target size must be 1 or more");
        cut[i] = size[i] > target[i] ? size[i] - target[i] : 0;
        add[i] = target[i] > size[i] ? target[i] - size[i] : 0;
    }
    x = crop(op, x, cut[0] / 2, cut[1] / 2, size[0] - cut[0], size[1] - cut[1]);
    return border(op, x, add[0] / 2, add[1] / 2, add[0] - add[0] / 2, add[1] - add[1] / 2);
}

/* Resized to fit, then zeros around it. */
engine_value ops_resize_with_pad(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    struct engine_resize spec = {.method = method_of(op, 3), .antialias = ops_bool(op, 4, false)};
    int64_t size[2], target[2] = {ops_int(op, 1, 0), ops_int(op, 2, 0)};
    if (!picture_size(op, x, size))
        return ENGINE_NONE;
    double ratio = 0;
    for (int i = 0; i < 2; i++) {
        if (target[i] < 1)
            return ops_fail(op, "the target size must be 1 or more");
        double own = (double)size[i] / (double)target[i];
        ratio = own > ratio ? own : ratio;
    }
    int64_t pad[2];
    for (int i = 0; i < 2; i++) {
        spec.size[i] = (int64_t)((double)size[i] / ratio);
        pad[i] = (int64_t)(((double)target[i] - (double)size[i] / ratio) / 2);
    }
    x = resize(op, ops_to_float(op->graph, x), &spec);
    return x == ENGINE_NONE ? x
                            : border(op, x, pad[0], pad[1], target[0] - spec.size[0] - pad[0],
                                     target[1] - spec.size[1] - pad[1]);
}

/* ---- colours ---- */

engine_value ops_grayscale(struct ops_call *op)
{
    static const float weights[] = {0.2989f, 0.5870f, 0.1140f};
    engine_value x = ops_tensor_float(op, 0);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    bool first = channels_first(op, 1);
    x = first ? keras_to_channels_last(op->call, x) : x;
    if (engine_dim(op->graph, x, -1) == 1 && op->dialect == OPS_KERAS3)
        return ops_tensor(op, 0, DTYPE_INVALID);
    if (engine_dim(op->graph, x, -1) != 3)
        return ops_fail(op, "three channels are needed");
    struct shape shape = shape_of(2, (int64_t)3, (int64_t)1);
    engine_value kernel = engine_constant(op->graph, DTYPE_FLOAT32, &shape, weights);
    x = engine_dense(op->graph, x, engine_cast(op->graph, kernel, engine_dtype(op->graph, x)), ENGINE_NONE);
    return first ? keras_to_channels_first(op->call, x) : x;
}

engine_value ops_grayscale_to_rgb(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    return engine_repeat(op->graph, x, engine_rank(op->graph, x) - 1, 3);
}

engine_value ops_flip_image(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    int axis = engine_rank(op->graph, x) + op->row->variant;
    return engine_slice(op->graph, x, axis, ENGINE_SLICE_NONE, ENGINE_SLICE_NONE, -1);
}

/* Brightness: x + delta. Contrast: (x - mean) factor + mean, the mean over the picture per channel. */
engine_value ops_adjust(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    if (!dtype_is_float(engine_dtype(op->graph, x)))
        return ops_fail(op, "pictures of integers are not served");
    engine_value amount = keras_scalar(op->call, x, ops_number(op, 1, 0));
    if (!op->row->variant)
        return engine_binary(op->graph, BINARY_ADD, x, amount);
    int rank = engine_rank(op->graph, x);
    engine_value mean = engine_reduce(op->graph, REDUCE_MEAN, x, (int[]){rank - 3, rank - 2}, 2, true);
    engine_value spread =
        engine_binary(op->graph, BINARY_MULTIPLY, engine_binary(op->graph, BINARY_SUBTRACT, x, mean), amount);
    return engine_binary(op->graph, BINARY_ADD, spread, mean);
}

/* Integers become floats in [0, 1]. */
engine_value ops_convert_image(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    int64_t low, high;
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    enum dtype from = engine_dtype(op->graph, x), to = ops_dtype(op, 1, DTYPE_FLOAT32);
    if (from == to || (dtype_is_float(from) && dtype_is_float(to)))
        return engine_cast(op->graph, x, to);
    if (!dtype_is_int(from) || !dtype_is_float(to))
        return ops_fail(op, "from %s to %s", dtype_name(from), dtype_name(to));
    dtype_int_range(from, &low, &high);
    x = engine_cast(op->graph, x, to);
    return engine_binary(op->graph, BINARY_MULTIPLY, x, keras_scalar(op->call, x, 1.0 / (double)high));
}
