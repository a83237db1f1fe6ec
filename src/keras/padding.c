/* Padding, cropping and upsampling along the spatial axes. */
#include <string.h>

#include "base/err.h"
#include "keras/json.h"
#include "keras/layer.h"

#define MAX_PAD (1 << 30)

struct pads {
    int n_spatial;
    bool channels_first;
    int64_t before[ENGINE_MAX_SPATIAL], after[ENGINE_MAX_SPATIAL];
};

/* ---- reading: n, [a, b], [[a, b], [c, d]], or Keras 1's list or dict of all sides ---- */

static bool read_pair(const cJSON *item, int64_t *before, int64_t *after)
{
    if (keras_json_int(item, before)) {
        *after = *before;
        return *before >= 0;
    }
    return cJSON_IsArray(item) && cJSON_GetArraySize(item) == 2 && keras_json_int(item->child, before) &&
           keras_json_int(item->child->next, after) && *before >= 0 && *after >= 0;
}

static bool read_dict(const cJSON *dict, struct pads *pads)
{
    static const char *const keys[2][2] = {{"top_pad", "bottom_pad"}, {"left_pad", "right_pad"}};
    int first = 2 - pads->n_spatial; /* one dimension is left and right */
    for (int i = 0; i < pads->n_spatial; i++) {
        const cJSON *before = keras_json_get(dict, keys[first + i][0]);
        const cJSON *after = keras_json_get(dict, keys[first + i][1]);
        pads->before[i] = pads->after[i] = 0;
        if ((before && !keras_json_int(before, &pads->before[i])) ||
            (after && !keras_json_int(after, &pads->after[i])))
            return false;
        if (pads->before[i] < 0 || pads->after[i] < 0)
            return false;
    }
    return true;
}

/* Keras 1.2's (top, bottom, left, right). */
static bool read_sides(const cJSON *list, struct pads *pads)
{
    const cJSON *item = list->child;
    for (int i = 0; i < 2; i++, item = item->next->next)
        if (!keras_json_int(item, &pads->before[i]) || !keras_json_int(item->next, &pads->after[i]) ||
            pads->before[i] < 0 || pads->after[i] < 0)
            return false;
    return true;
}

static bool read_pads(const cJSON *value, struct pads *pads)
{
    const cJSON *item = value;
    if (cJSON_IsObject(value))
        return pads->n_spatial <= 2 && read_dict(value, pads);
    if (cJSON_IsArray(value) && cJSON_GetArraySize(value) == 4 && pads->n_spatial == 2)
        return read_sides(value, pads);
    bool each = cJSON_IsArray(value) && pads->n_spatial > 1;
    if (each && cJSON_GetArraySize(value) != pads->n_spatial)
        return false;
    if (each)
        item = value->child;
    for (int i = 0; i < pads->n_spatial; i++) {
        if (!read_pair(item, &pads->before[i], &pads->after[i]))
            return false;
        item = each ? item->next : item;
    }
    return true;
}

/* Keeps sums of sizes and pads inside of int64_t. */
static bool pads_fit(const struct pads *pads)
{
    for (int i = 0; i < pads->n_spatial; i++)
        if (pads->before[i] > MAX_PAD || pads->after[i] > MAX_PAD)
            return false;
    return true;
}

static int pads_parse(struct keras_layer *layer, const char *key, int n_spatial)
{
    struct pads *pads = keras_params(layer, sizeof(*pads));
    char text[KERAS_JSON_BRIEF];
    if (!pads)
        return 0;
    pads->n_spatial = n_spatial;
    pads->channels_first = keras_config_channels_first(layer);
    for (int i = 0; i < n_spatial; i++)
        pads->before[i] = pads->after[i] = 1;
    const cJSON *value = keras_json_unwrap(keras_config_json(layer, key));
    if (value && !read_pads(value, pads))
        return keras_config_fail(layer,
                                 "config key '%s': expected a number or a pair per spatial axis, found %s",
                                 key, keras_json_brief(value, text, sizeof(text)));
    if (!pads_fit(pads))
        return keras_config_fail(layer, "config key '%s': expected at most %d, found %s", key, MAX_PAD,
                                 keras_json_brief(value, text, sizeof(text)));
    return 0;
}

/* ---- lowering ---- */

static int padding_parse(struct keras_layer *layer, int n_spatial)
{
    return pads_parse(layer, "padding", n_spatial);
}

static int padding_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct pads *pads = layer->params;
    int64_t before[SHAPE_MAX_RANK] = {0}, after[SHAPE_MAX_RANK] = {0};
    engine_value x = call->inputs[0].value;
    int first = pads->channels_first ? 2 : 1;
    if (!keras_expect_rank(call, x, pads->n_spatial + 2))
        return 0;
    memcpy(before + first, pads->before, (size_t)pads->n_spatial * sizeof(before[0]));
    memcpy(after + first, pads->after, (size_t)pads->n_spatial * sizeof(after[0]));
    keras_call_return(call, 0, engine_pad(call->graph, x, before, after, ENGINE_PAD_CONSTANT, ENGINE_NONE));
    return 0;
}

static int cropping_parse(struct keras_layer *layer, int n_spatial)
{
    return pads_parse(layer, "cropping", n_spatial);
}

static int cropping_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct pads *pads = layer->params;
    engine_value x = call->inputs[0].value;
    int first = pads->channels_first ? 2 : 1;
    if (!keras_expect_rank(call, x, pads->n_spatial + 2))
        return 0;
    for (int i = 0; i < pads->n_spatial; i++) {
        int64_t stop = pads->after[i] ? -pads->after[i] : ENGINE_SLICE_NONE;
        int64_t size = engine_dim(call->graph, x, first + i);
        if (size != SHAPE_UNKNOWN && pads->before[i] + pads->after[i] >= size)
            return err_set(err, KD_EFORMAT, "crops %lld and %lld from an axis of %lld",
                           (long long)pads->before[i], (long long)pads->after[i], (long long)size);
        if (pads->before[i] || pads->after[i])
            x = engine_slice(call->graph, x, first + i, pads->before[i], stop, 1);
    }
    keras_call_return(call, 0, x);
    return 0;
}

/* ---- upsampling ---- */

struct upsampling {
    int n_spatial;
    bool channels_first;
    int64_t size[ENGINE_MAX_SPATIAL];
    struct engine_resize resize; /* two dimensions, not nearest */
};

static const char *const interpolations[] = {"nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5",
                                             "gaussian", "mitchellcubic", NULL};

/* Standalone Keras 2 used TensorFlow 1's resize, whose grid has no half-pixel centres. "2.2.4-tf" covers
 * both. */
static enum resize_grid bilinear_grid(const struct keras_layer *layer)
{
    bool ambiguous =
        strcmp(layer->writer->version, "2.2.4-tf") == 0 || strcmp(layer->writer->version, "2.1.6-tf") == 0;
    bool legacy = layer->writer->family == KERAS_2 || (ambiguous && keras_legacy_bilinear(layer->build));
    keras_rule(layer->build, "UpSampling2D bilinear: %s",
               legacy ? "without half-pixel centres, as TensorFlow 1 has it"
                      : "half-pixel centres, as TensorFlow 2 has it");
    return legacy ? RESIZE_LEGACY : RESIZE_HALF_PIXEL;
}

static int upsampling_parse(struct keras_layer *layer, int n_spatial)
{
    struct upsampling *up = keras_params(layer, sizeof(*up));
    if (!up)
        return 0;
    up->n_spatial = n_spatial;
    up->channels_first = keras_config_channels_first(layer);
    keras_config_ints(layer, "size", up->size, n_spatial, 2, 1);
    if (n_spatial != 2)
        return 0;
    up->resize.method =
        (enum resize_method)keras_config_choice(layer, "interpolation", interpolations, RESIZE_NEAREST);
    up->resize.grid = RESIZE_HALF_PIXEL;
    up->resize.scale[0] = up->size[0];
    up->resize.scale[1] = up->size[1];
    if (up->resize.method == RESIZE_BILINEAR)
        up->resize.grid = bilinear_grid(layer);
    return 0;
}

/* Keras before 3.3 read the sizes of channels-first pictures off the wrong axes: width for height, channels
 * for width. */
static void set_wrong_size(struct keras_call *call, engine_value x, struct engine_resize *resize)
{
    int64_t width = engine_dim(call->graph, x, 2), channels = engine_dim(call->graph, x, 3);
    if (width == SHAPE_UNKNOWN || channels == SHAPE_UNKNOWN)
        return;
    resize->size[0] = width * resize->scale[0];
    resize->size[1] = channels * resize->scale[1];
}

static int upsampling_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct upsampling *up = layer->params;
    engine_value x = call->inputs[0].value;
    int first = up->channels_first ? 2 : 1;
    if (!keras_expect_rank(call, x, up->n_spatial + 2))
        return 0;
    if (up->resize.method == RESIZE_NEAREST) {
        for (int i = 0; i < up->n_spatial; i++)
            if (up->size[i] > 1)
                x = engine_repeat(call->graph, x, first + i, up->size[i]);
        keras_call_return(call, 0, x);
        return 0;
    }
    struct engine_resize resize = up->resize;
    if (up->channels_first)
        x = keras_to_channels_last(call, x);
    if (up->channels_first && layer->writer->family == KERAS_3 && layer->writer->minor < 3)
        set_wrong_size(call, x, &resize);
    x = engine_resize(call->graph, x, &resize);
    /* tf.image.resize gives float32 whatever it gets, but what it need not resize at all. */
    if (layer->writer->family == KERAS_TF && (up->size[0] > 1 || up->size[1] > 1))
        x = engine_cast(call->graph, x, DTYPE_FLOAT32);
    keras_call_return(call, 0, up->channels_first ? keras_to_channels_first(call, x) : x);
    return 0;
}

/* ---- the rows ---- */

#define CLASS(symbol, kind, name, n_spatial, text)                                                           \
    static int symbol##_parse(struct keras_layer *layer, struct err *err)                                    \
    {                                                                                                        \
        return kind##_parse(layer, n_spatial);                                                               \
    }                                                                                                        \
    const struct keras_class keras_class_##symbol = {                                                        \
        .names = (const char *const[]){name, NULL},                                                          \
        .family = "Padding and upsampling",                                                                  \
        .doc = text,                                                                                         \
        .support = KERAS_SERVED,                                                                             \
        .mask = KERAS_MASK_DROP,                                                                             \
        .parse = symbol##_parse,                                                                             \
        .lower = kind##_lower,                                                                               \
    };

CLASS(zero_padding1d, padding, "ZeroPadding1D", 1, "every form of padding")
CLASS(zero_padding2d, padding, "ZeroPadding2D", 2, "every form of padding, both data formats")
CLASS(zero_padding3d, padding, "ZeroPadding3D", 3, "every form of padding, both data formats")
CLASS(cropping1d, cropping, "Cropping1D", 1, "every form of cropping")
CLASS(cropping2d, cropping, "Cropping2D", 2, "every form of cropping, both data formats")
CLASS(cropping3d, cropping, "Cropping3D", 3, "every form of cropping, both data formats")
CLASS(up_sampling1d, upsampling, "UpSampling1D", 1, "repeats steps")
CLASS(up_sampling2d, upsampling, "UpSampling2D", 2, "every interpolation; bilinear by the writer's rule")
CLASS(up_sampling3d, upsampling, "UpSampling3D", 3, "repeats along each axis")
