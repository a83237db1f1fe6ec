/* Picture preprocessing: Rescaling, Resizing, CenterCrop, AutoContrast, CLAHE.
 *
 * tf.keras gives floats whatever came in; Keras 3's Resizing gives the type that came in, integers rounded
 * (truncated before 3.6). Everything is channels-last inside; channels_first pictures are turned and turned
 * back. */
#include <string.h>

#include "base/err.h"
#include "keras/json.h"
#include "keras/layer.h"

/* The float type that a layer computes in. */
static enum dtype float_type(const struct keras_layer *layer)
{
    return dtype_is_float(layer->compute_dtype) ? layer->compute_dtype : DTYPE_FLOAT32;
}

/* ---- Rescaling ---- */

struct rescaling {
    const cJSON *scale, *offset; /* a number or one per channel; offset may be missing */
};

static int rescaling_parse(struct keras_layer *layer, struct err *err)
{
    struct rescaling *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    params->scale = keras_config_json(layer, "scale");
    params->offset = keras_config_json(layer, "offset");
    keras_config_ignore(layer, (const char *const[]){"data_format", NULL});
    return params->scale ? 0 : keras_config_fail(layer, "config key 'scale' is missing");
}

static engine_value rescaling_factor(struct keras_call *call, const cJSON *json, enum dtype dtype)
{
    return json ? keras_constant_json(call, json, dtype) : ENGINE_NONE;
}

/* A number as one per channel, so that the op can be folded into its neighbours. */
static engine_value per_channel(struct keras_call *call, engine_value number, int64_t channels)
{
    if (number == ENGINE_NONE || engine_rank(call->graph, number) > 0)
        return number;
    engine_value row = engine_reshape(call->graph, number, (const int64_t[]){1}, 1);
    return engine_repeat(call->graph, row, 0, channels);
}

static int rescaling_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct rescaling *params = layer->params;
    struct engine_graph *graph = call->graph;
    enum dtype dtype = float_type(layer);
    engine_value x = engine_cast(graph, call->inputs[0].value, dtype);
    int64_t channels =
        x == ENGINE_NONE || engine_rank(graph, x) < 2 ? SHAPE_UNKNOWN : engine_dim(graph, x, -1);
    bool foldable = dtype == DTYPE_FLOAT32 && channels > 0;
    engine_value scale = rescaling_factor(call, params->scale, dtype);
    engine_value offset = rescaling_factor(call, params->offset, dtype);
    foldable = foldable && engine_rank(graph, scale) < 2 &&
               (offset == ENGINE_NONE || engine_rank(graph, offset) < 2);
    if (foldable) {
        x = engine_scale_shift(graph, x, per_channel(call, scale, channels),
                               per_channel(call, offset, channels));
    } else {
        x = engine_binary(graph, BINARY_MULTIPLY, x, scale);
        x = offset == ENGINE_NONE ? x : engine_binary(graph, BINARY_ADD, x, offset);
    }
    keras_call_return(call, 0, x);
    return 0;
}

const struct keras_class keras_class_rescaling = {
    .names = (const char *const[]){"Rescaling", NULL},
    .family = "Preprocessing",
    .doc = "scale and offset as numbers or one per channel",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .parse = rescaling_parse,
    .lower = rescaling_lower,
};

/* ---- Resizing ---- */

struct picture {
    struct engine_resize resize;
    bool channels_first;
};

static void read_size(struct keras_layer *layer, struct picture *params)
{
    params->resize.size[0] = keras_config_int(layer, "height", 0, 1);
    params->resize.size[1] = keras_config_int(layer, "width", 0, 1);
    params->channels_first = keras_config_channels_first(layer);
    if (!params->resize.size[0] || !params->resize.size[1])
        keras_config_fail(layer, "config keys 'height' and 'width' must be there");
}

static int resizing_parse(struct keras_layer *layer, struct err *err)
{
    static const char *const methods[] = {"nearest",  "bilinear", "bicubic",       "area", "lanczos3",
                                          "lanczos5", "gaussian", "mitchellcubic", NULL};
    struct picture *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    read_size(layer, params);
    struct engine_resize *resize = &params->resize;
    resize->method =
        (enum resize_method)keras_config_choice(layer, "interpolation", methods, RESIZE_BILINEAR);
    resize->grid = RESIZE_HALF_PIXEL;
    resize->antialias = keras_config_bool(layer, "antialias", false);
    resize->crop_to_aspect_ratio = keras_config_bool(layer, "crop_to_aspect_ratio", false);
    resize->pad_to_aspect_ratio = keras_config_bool(layer, "pad_to_aspect_ratio", false);
    resize->fill = (float)keras_config_float(layer, "fill_value", 0);
    const char *fill_mode = keras_config_string(layer, "fill_mode", "constant");
    if (resize->pad_to_aspect_ratio && strcmp(fill_mode, "constant") != 0)
        return keras_config_fail(
            layer, "config key 'fill_mode': only \"constant\" is served, found \"%.40s\"", fill_mode);
    return 0;
}

/* A resized float picture in the type that Keras 3 gives back: that of the input. */
static engine_value restore_type(const struct keras_layer *layer, struct keras_call *call, engine_value y,
                                 enum dtype dtype)
{
    if (y == ENGINE_NONE || !dtype_is_int(dtype))
        return engine_cast(call->graph, y, dtype);
    int64_t low, high;
    dtype_int_range(dtype, &low, &high);
    struct unary clip = {.kind = UNARY_CLIP, .a = (float)low, .b = (float)high};
    if (keras_since(layer->writer, KERAS_3, 3, 6))
        y = engine_unary(call->graph, (struct unary){.kind = UNARY_ROUND}, y);
    return engine_cast(call->graph, engine_unary(call->graph, clip, y), dtype);
}

static engine_value resize_float(struct keras_call *call, const struct picture *params, engine_value x)
{
    x = params->channels_first ? keras_to_channels_last(call, x) : x;
    x = engine_resize(call->graph, x, &params->resize);
    return params->channels_first ? keras_to_channels_first(call, x) : x;
}

static int resizing_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    engine_value x = call->inputs[0].value;
    if (!keras_expect_rank(call, x, 4))
        return 0;
    enum dtype given = engine_dtype(call->graph, x);
    bool keras_3 = layer->writer->family == KERAS_3;
    engine_value y = resize_float(call, layer->params, engine_cast(call->graph, x, DTYPE_FLOAT32));
    y = keras_3 ? restore_type(layer, call, y, given) : engine_cast(call->graph, y, layer->compute_dtype);
    keras_call_return(call, 0, y);
    return 0;
}

const struct keras_class keras_class_resizing = {
    .names = (const char *const[]){"Resizing", NULL},
    .family = "Preprocessing",
    .doc = "every interpolation, antialias, crop_to_aspect_ratio, pad_to_aspect_ratio with a constant border",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = resizing_parse,
    .lower = resizing_lower,
};

/* ---- CenterCrop ---- */

static int center_crop_parse(struct keras_layer *layer, struct err *err)
{
    struct picture *params = keras_params(layer, sizeof(*params));
    if (params)
        read_size(layer, params);
    return 0;
}

static int center_crop_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct picture *params = layer->params;
    engine_value x = engine_cast(call->graph, call->inputs[0].value, float_type(layer));
    if (!keras_expect_rank(call, x, 4))
        return 0;
    x = params->channels_first ? keras_to_channels_last(call, x) : x;
    int64_t height = engine_dim(call->graph, x, 1), width = engine_dim(call->graph, x, 2);
    bool resized = (height > 0 && height < params->resize.size[0]) || (width > 0 && width < params->resize.size[1]);
    x = engine_center_crop(call->graph, x, params->resize.size[0], params->resize.size[1]);
    if (resized && keras_since(layer->writer, KERAS_3, 3, 6))
        x = engine_cast(call->graph, x, DTYPE_FLOAT32); /* nothing puts the type right there */
    x = params->channels_first ? keras_to_channels_first(call, x) : x;
    keras_call_return(call, 0, x);
    return 0;
}

const struct keras_class keras_class_center_crop = {
    .names = (const char *const[]){"CenterCrop", NULL},
    .family = "Preprocessing",
    .doc = "smaller pictures are resized to the target's ratio, as Keras does",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = center_crop_parse,
    .lower = center_crop_lower,
};

/* ---- RandomCrop: at inference not random, but not always without effect ---- */

static int random_crop_parse(struct keras_layer *layer, struct err *err)
{
    struct picture *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    read_size(layer, params);
    params->resize.method = RESIZE_BILINEAR;
    params->resize.grid = RESIZE_HALF_PIXEL;
    params->resize.crop_to_aspect_ratio = true;
    layer->training_matters = true;
    return 0;
}

/* tf.keras before 2.7: resized until the shorter side fits, then the centre cut out. */
static engine_value resize_then_crop(struct keras_call *call, const struct picture *params, engine_value x)
{
    struct engine_resize resize = params->resize;
    int64_t n[2] = {engine_dim(call->graph, x, 1), engine_dim(call->graph, x, 2)};
    if (n[0] < 1 || n[1] < 1)
        return engine_graph_fail(call->graph, KD_EUNSUPPORTED, "the size of the pictures must be known");
    double ratio = (double)n[0] / (double)n[1];
    if (ratio > (double)resize.size[0] / (double)resize.size[1])
        resize.size[0] = (int64_t)((double)(resize.size[1] * n[0]) / (double)n[1]);
    else
        resize.size[1] = (int64_t)((double)(resize.size[0] * n[1]) / (double)n[0]);
    resize.crop_to_aspect_ratio = false;
    x = engine_resize(call->graph, x, &resize);
    for (int i = 0; i < 2; i++) {
        int64_t start = (resize.size[i] - params->resize.size[i]) / 2;
        x = engine_slice(call->graph, x, 1 + i, start, start + params->resize.size[i], 1);
    }
    return x;
}

/* Keras 3.6 and 3.7: cut out where the middle of the target's ratio would begin, resized where that reaches over the edge. */
static engine_value crop_then_resize(struct keras_call *call, const struct picture *params, engine_value x)
{
    const int64_t *size = params->resize.size;
    int first = params->channels_first ? 2 : 1;
    int64_t n[2] = {engine_dim(call->graph, x, first), engine_dim(call->graph, x, first + 1)};
    if (n[0] < 1 || n[1] < 1)
        return engine_graph_fail(call->graph, KD_EUNSUPPORTED, "the size of the pictures must be known");
    bool cut_short = false;
    for (int i = 0; i < 2; i++) {
        int64_t crop = (int64_t)((double)n[1 - i] * (double)size[i] / (double)size[1 - i]);
        crop = crop < 1 ? 1 : crop < n[i] ? crop : n[i];
        int64_t start = (n[i] - crop) / 2, end = start + size[i] < n[i] ? start + size[i] : n[i];
        x = engine_slice(call->graph, x, first + i, start, end, 1);
        cut_short |= end - start != size[i];
    }
    struct picture plain = *params;
    plain.resize.crop_to_aspect_ratio = false;
    return cut_short ? resize_float(call, &plain, x) : x;
}

static const char *random_crop_rule(const struct keras_writer *writer)
{
    if (keras_since(writer, KERAS_3, 3, 8))
        return "nothing, as Keras 3.8 and later";
    if (keras_since(writer, KERAS_3, 3, 6))
        return "cut out near the middle, as Keras 3.6 and 3.7";
    return "resized to its size, as Keras before 3.6";
}

static int random_crop_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    bool identity = keras_since(layer->writer, KERAS_3, 3, 8);
    engine_value x = call->inputs[0].value;
    if (!keras_expect_rank(call, x, 4))
        return 0;
    keras_rule(call->build, "RandomCrop at inference: %s", random_crop_rule(layer->writer));
    engine_value y = identity ? x : engine_cast(call->graph, x, DTYPE_FLOAT32);
    if (!identity && keras_since(layer->writer, KERAS_3, 3, 6))
        y = crop_then_resize(call, layer->params, y);
    else if (!identity && layer->writer->family == KERAS_TF && !keras_since(layer->writer, KERAS_TF, 2, 7))
        y = resize_then_crop(call, layer->params, y);
    else if (!identity)
        y = resize_float(call, layer->params, y);
    keras_call_return(call, 0, identity ? y : engine_cast(call->graph, y, float_type(layer)));
    return 0;
}

const struct keras_class keras_class_random_crop = {
    .names = (const char *const[]){"RandomCrop", NULL},
    .family = "Preprocessing",
    .doc = "at inference: resized to its size, cut out (Keras 3.6 and 3.7), from Keras 3.8 on nothing",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .keeps_inputs = true,
    .parse = random_crop_parse,
    .lower = random_crop_lower,
};

/* ---- AutoContrast ---- */

struct auto_contrast {
    double low, high;
};

/* Two numbers, 0 and 255 if there are none. */
static bool read_value_range(struct keras_layer *layer, double *low, double *high)
{
    const cJSON *range = keras_json_unwrap(keras_config_json(layer, "value_range"));
    *low = 0;
    *high = 255;
    if (!range || (cJSON_GetArraySize(range) == 2 && keras_json_number(range->child, low) &&
                   keras_json_number(range->child->next, high)))
        return true;
    keras_config_fail(layer, "config key 'value_range': expected two numbers");
    return false;
}

static int auto_contrast_parse(struct keras_layer *layer, struct err *err)
{
    struct auto_contrast *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    keras_config_ignore(layer, (const char *const[]){"data_format", "factor", "bounding_box_format", NULL});
    read_value_range(layer, &params->low, &params->high);
    return 0;
}

static int auto_contrast_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct auto_contrast *params = layer->params;
    engine_value x = engine_cast(call->graph, call->inputs[0].value, float_type(layer));
    x = engine_auto_contrast(call->graph, x, (float)params->low, (float)params->high);
    keras_call_return(call, 0, x);
    return 0;
}

const struct keras_class keras_class_auto_contrast = {
    .names = (const char *const[]){"AutoContrast", NULL},
    .family = "Preprocessing",
    .doc = "active at inference, as in Keras",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = auto_contrast_parse,
    .lower = auto_contrast_lower,
};

/* ---- ContrastLimitedAdaptiveHistogramEqualization ---- */

struct equalization {
    struct engine_clahe clahe;
    bool channels_first;
};

static int equalization_parse(struct keras_layer *layer, struct err *err)
{
    struct equalization *params = keras_params(layer, sizeof(*params));
    double low, high;
    if (!params || !read_value_range(layer, &low, &high))
        return 0;
    keras_config_ignore(layer, (const char *const[]){"factor", "bounding_box_format", NULL});
    params->channels_first = keras_config_channels_first(layer);
    params->clahe.clip = keras_config_float(layer, "clip_limit", 4);
    keras_config_ints(layer, "tile_grid_size", params->clahe.grid, 2, 8, 1);
    params->clahe.low = (float)low;
    params->clahe.high = (float)high;
    if (high == low)
        return keras_config_fail(layer, "config key 'value_range': the two numbers are equal");
    return 0;
}

static int equalization_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct equalization *params = layer->params;
    engine_value x = call->inputs[0].value;
    if (!keras_expect_rank(call, x, 4))
        return 0;
    enum dtype given = engine_dtype(call->graph, x);
    x = engine_cast(call->graph, x, DTYPE_FLOAT32);
    x = params->channels_first ? keras_to_channels_last(call, x) : x;
    x = engine_clahe(call->graph, x, &params->clahe);
    x = params->channels_first ? keras_to_channels_first(call, x) : x;
    keras_call_return(call, 0, engine_cast(call->graph, x, given));
    return 0;
}

const struct keras_class keras_class_histogram_equalization = {
    .names = (const char *const[]){"ContrastLimitedAdaptiveHistogramEqualization", "CLAHE", NULL},
    .family = "Preprocessing",
    .doc = "active at inference, as in Keras",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .keeps_inputs = true,
    .parse = equalization_parse,
    .lower = equalization_lower,
};
