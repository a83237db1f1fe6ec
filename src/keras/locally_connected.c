/* LocallyConnected: a convolution whose kernel differs from place to place.
 *
 * The engine wants one matrix per output place, rows ordered (window..., channels). Implementation 1 stores
 * just that (channels first: channels before window); implementation 2 stores a dense map from all inputs to
 * all outputs, of which the windows' entries are picked; implementation 3 stores the entries of a sparse
 * matrix and is refused. All of it happens when the weights are bound, so that the rest sees one form. */
#include <string.h>

#include "base/err.h"
#include "image/image.h"
#include "keras/weights.h"

struct local {
    struct engine_window window;
    int64_t filters;
    int64_t implementation;
    bool channels_first;
    const struct keras_activation *activation;
};

static int local_parse(struct keras_layer *layer, int n_spatial)
{
    static const char *const paddings[] = {"valid", "same", NULL};
    struct local *local = keras_params(layer, sizeof(*local));
    if (!local)
        return 0;
    struct engine_window *window = &local->window;
    window->n_spatial = n_spatial;
    keras_config_ints(layer, "kernel_size", window->size, n_spatial, 1, 1);
    keras_config_ints(layer, "strides", window->stride, n_spatial, 1, 1);
    for (int i = 0; i < n_spatial; i++)
        window->dilation[i] = 1;
    window->padding = ENGINE_VALID;
    if (keras_config_choice(layer, "padding", paddings, 0) != 0)
        return keras_config_fail(layer, "config key 'padding': only \"valid\" is served");
    local->filters = keras_config_int(layer, "filters", SHAPE_UNKNOWN, 1);
    local->channels_first = keras_config_channels_first(layer);
    local->activation = keras_config_activation(layer, "activation", NULL);
    local->implementation = keras_config_int(layer, "implementation", 1, 1);
    if (local->implementation > 2)
        return keras_config_fail(layer, "config key 'implementation': 1 and 2 are served, found %lld",
                                 (long long)local->implementation);
    keras_declare_weight(layer, "kernel", true);
    if (keras_config_bool(layer, "use_bias", true))
        keras_declare_weight(layer, "bias", true);
    return 0;
}

/* Implementation 2's kernel: [inputs..., C, outputs..., F] or, channels first, [C, inputs..., F, outputs...].
 */
struct dense_map {
    int64_t in[ENGINE_MAX_SPATIAL], out[ENGINE_MAX_SPATIAL], channels, filters;
    int64_t in_stride[ENGINE_MAX_SPATIAL], out_stride[ENGINE_MAX_SPATIAL], channel_stride, filter_stride;
};

static bool read_map(const struct local *local, const struct shape *shape, struct dense_map *map)
{
    int n = local->window.n_spatial, first = local->channels_first ? 1 : 0;
    int64_t strides[SHAPE_MAX_RANK];
    if (shape->rank != 2 * n + 2)
        return false;
    shape_strides(shape, strides);
    int channel = local->channels_first ? 0 : n, filter = local->channels_first ? n + 1 : 2 * n + 1;
    int out_first = n + 1 + first;
    for (int i = 0; i < n; i++) {
        map->in[i] = shape->dim[first + i];
        map->in_stride[i] = strides[first + i];
        map->out[i] = shape->dim[out_first + i];
        map->out_stride[i] = strides[out_first + i];
        if (map->out[i] != (map->in[i] - local->window.size[i]) / local->window.stride[i] + 1)
            return false;
    }
    map->channels = shape->dim[channel];
    map->channel_stride = strides[channel];
    map->filters = shape->dim[filter];
    map->filter_stride = strides[filter];
    return true;
}

/* Copies one output place: rows (window..., channels), columns filters. */
static void pick_place(const struct local *local, const struct dense_map *map, const float *from,
                       const int64_t *place, float *to)
{
    int n = local->window.n_spatial;
    const int64_t *size = local->window.size, *stride = local->window.stride;
    int64_t taps = n == 1 ? size[0] : size[0] * size[1];
    for (int64_t tap = 0; tap < taps; tap++) {
        int64_t k[2] = {n == 1 ? tap : tap / size[1], n == 1 ? 0 : tap % size[1]}, at = 0;
        for (int i = 0; i < n; i++)
            at += (place[i] * stride[i] + k[i]) * map->in_stride[i] + place[i] * map->out_stride[i];
        for (int64_t c = 0; c < map->channels; c++)
            for (int64_t f = 0; f < map->filters; f++)
                *to++ = from[at + c * map->channel_stride + f * map->filter_stride];
    }
}

static const struct image_tensor *from_dense(struct keras_build *build, const struct local *local,
                                             const struct image_tensor *kernel)
{
    struct dense_map map;
    float *to;
    const float *from = keras_weights_floats(build, kernel);
    if (!from || !read_map(local, &kernel->shape, &map))
        return NULL;
    int n = local->window.n_spatial;
    int64_t rows = map.channels * local->window.size[0] * (n == 1 ? 1 : local->window.size[1]);
    int64_t columns = n == 1 ? 1 : map.out[1], places = map.out[0] * columns;
    struct shape shape = shape_of(3, places, rows, map.filters);
    const struct image_tensor *result = keras_weights_new(build, kernel->name, &shape, &to);
    for (int64_t i = 0; result && i < places; i++)
        pick_place(local, &map, from, (const int64_t[]){i / columns, i % columns},
                   to + i * rows * map.filters);
    return result;
}

/* Rows (channels, window...) become (window..., channels). */
static const struct image_tensor *reorder_rows(struct keras_build *build, const struct local *local,
                                               const struct image_tensor *kernel)
{
    static const int swap[] = {0, 2, 1, 3};
    int64_t taps = local->window.size[0] * (local->window.n_spatial == 1 ? 1 : local->window.size[1]);
    const struct shape *shape = &kernel->shape;
    if (shape->rank != 3 || shape->dim[1] % taps)
        return NULL;
    struct shape split = shape_of(4, shape->dim[0], shape->dim[1] / taps, taps, shape->dim[2]);
    const struct image_tensor *result = keras_weights_reshape(build, kernel, &split);
    result = result ? keras_weights_transpose(build, result, swap) : NULL;
    return result ? keras_weights_reshape(build, result, shape) : NULL;
}

/* Channels first: Keras reshapes the stored (places..., filters) to (filters, places...) without moving an
 * element. */
static const struct image_tensor *reorder_bias(struct keras_build *build, const struct local *local,
                                               const struct image_tensor *bias)
{
    static const int to_last_1d[] = {1, 0}, to_last_2d[] = {1, 2, 0};
    int n = local->window.n_spatial;
    struct shape shape = {.rank = n + 1};
    if (bias->shape.rank != n + 1)
        return NULL;
    shape.dim[0] = bias->shape.dim[n];
    memcpy(shape.dim + 1, bias->shape.dim, (size_t)n * sizeof(shape.dim[0]));
    const struct image_tensor *result = keras_weights_reshape(build, bias, &shape);
    return result ? keras_weights_transpose(build, result, n == 1 ? to_last_1d : to_last_2d) : NULL;
}

static int local_convert(struct keras_layer *layer, struct keras_build *build,
                         const struct image_tensor **list, size_t *n_list, struct err *err)
{
    const struct local *local = layer->params;
    if (*n_list == 0)
        return 0;
    if (local->implementation == 2)
        list[0] = from_dense(build, local, list[0]);
    else if (local->channels_first)
        list[0] = reorder_rows(build, local, list[0]);
    if (local->channels_first && *n_list > 1)
        list[1] = reorder_bias(build, local, list[1]);
    if (!list[0] || (*n_list > 1 && !list[1]))
        return err_set(err, KD_EFORMAT, "the arrays do not have the shapes of implementation %lld",
                       (long long)local->implementation);
    return 0;
}

static int local_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct local *local = layer->params;
    engine_value x = call->inputs[0].value;
    if (!keras_expect_rank(call, x, local->window.n_spatial + 2))
        return 0;
    if (local->channels_first)
        x = keras_to_channels_last(call, x);
    engine_value kernel = keras_weight(layer, call, "kernel", 3, (int64_t)SHAPE_UNKNOWN,
                                       (int64_t)SHAPE_UNKNOWN, local->filters);
    engine_value bias = keras_weight(layer, call, "bias", -1);
    engine_value y = engine_local_conv(call->graph, x, kernel, bias, &local->window);
    y = keras_activate(call, local->activation, y);
    keras_call_return(call, 0, local->channels_first ? keras_to_channels_first(call, y) : y);
    return 0;
}

static int parse_1d(struct keras_layer *layer, struct err *err)
{
    return local_parse(layer, 1);
}

static int parse_2d(struct keras_layer *layer, struct err *err)
{
    return local_parse(layer, 2);
}

const struct keras_class keras_class_locally_connected1d = {
    .names = (const char *const[]){"LocallyConnected1D", NULL},
    .family = "Convolution",
    .doc = "implementations 1 and 2, both data formats",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = parse_1d,
    .lower = local_lower,
    .convert = local_convert,
};

const struct keras_class keras_class_locally_connected2d = {
    .names = (const char *const[]){"LocallyConnected2D", NULL},
    .family = "Convolution",
    .doc = "implementations 1 and 2, both data formats",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = parse_2d,
    .lower = local_lower,
    .convert = local_convert,
};
