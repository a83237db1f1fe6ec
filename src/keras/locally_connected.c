/* LocallyConnected: a convolution whose kernel differs from place to place.
 *
 * The engine wants one matrix per output place, rows ordered (window..., channels). Implementation 1 stores
 * just that (channels first: channels before window), reordered when the weights are bound. Implementation 2
 * stores a dense map from all inputs to all outputs, 3 the entries of a sparse matrix: which entry is which
 * tap's depends on the input's size, so that they are picked when the layer is called, by an index that is a
 * constant. Implementation 1 knows no padding. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "image/image.h"
#include "keras/weights.h"

struct local {
    struct engine_window window;
    int64_t filters;
    int64_t implementation;
    bool channels_first, same;
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
    local->same = keras_config_choice(layer, "padding", paddings, 0) == 1;
    local->filters = keras_config_int(layer, "filters", SHAPE_UNKNOWN, 1);
    local->channels_first = keras_config_channels_first(layer);
    local->activation = keras_config_activation(layer, "activation", NULL);
    local->implementation = keras_config_int(layer, "implementation", 1, 1);
    if (local->implementation > 3 || (local->same && local->implementation == 1))
        return keras_config_fail(layer, "config key 'implementation': expected 1, 2 or 3, and not 1 with the "
                                        "padding \"same\", found %lld",
                                 (long long)local->implementation);
    keras_declare_weight(layer, "kernel", true);
    if (keras_config_bool(layer, "use_bias", true))
        keras_declare_weight(layer, "bias", true);
    return 0;
}

#define MAX_WINDOW 4096 /* along one axis: keeps the products below from overflowing */

/* Where the layer's windows lie; one axis more of size 1 where there is but one. */
struct places {
    int64_t in[2], out[2], size[2], stride[2], left[2]; /* left: zeros before the input */
    int64_t channels, filters, taps;
};

static bool find_places(const struct local *local, struct keras_call *call, engine_value x, struct places *ret)
{
    const struct engine_window *window = &local->window;
    *ret = (struct places){.in = {1, 1}, .out = {1, 1}, .size = {1, 1}, .stride = {1, 1}, .taps = 1};
    for (int i = 0; i < window->n_spatial; i++) {
        ret->in[i] = engine_dim(call->graph, x, i + 1);
        ret->size[i] = window->size[i];
        ret->stride[i] = window->stride[i];
        ret->left[i] = local->same ? ret->size[i] / 2 : 0;
        ret->taps *= ret->size[i];
        int64_t room = local->same ? ret->in[i] - 1 : ret->in[i] - ret->size[i];
        ret->out[i] = room / ret->stride[i] + 1;
        if (ret->in[i] < 1 || room < 0 || ret->size[i] > MAX_WINDOW)
            return false;
    }
    ret->channels = engine_dim(call->graph, x, -1);
    ret->filters = local->filters;
    return ret->channels > 0 && ret->filters > 0;
}

/* For each tap of a place's window its position in the input (rows times columns), or -1 where it lies
 * outside; returns how many lie inside. */
static int64_t window_taps(const struct places *p, int64_t place, int64_t *at)
{
    int64_t first[2] = {place / p->out[1] * p->stride[0] - p->left[0],
                        place % p->out[1] * p->stride[1] - p->left[1]};
    int64_t inside = 0;
    for (int64_t tap = 0; tap < p->taps; tap++) {
        int64_t row = first[0] + tap / p->size[1], column = first[1] + tap % p->size[1];
        bool good = row >= 0 && row < p->in[0] && column >= 0 && column < p->in[1];
        at[tap] = good ? row * p->in[1] + column : -1;
        inside += good;
    }
    return inside;
}

/* Where the map from all inputs to all outputs (implementation 2) holds one weight:
 * [inputs..., C, outputs..., F] or, channels first, [C, inputs..., F, outputs...]. */
static int64_t dense_entry(const struct places *p, bool first, int64_t at, int64_t channel, int64_t place,
                           int64_t filter)
{
    int64_t n_in = p->in[0] * p->in[1], n_out = p->out[0] * p->out[1];
    int64_t input = first ? channel * n_in + at : at * p->channels + channel;
    int64_t output = first ? filter * n_out + place : place * p->filters + filter;
    return input * n_out * p->filters + output;
}

/* Where the list of the weights that are there (implementation 3) holds one: sorted by output, then by input,
 * both flattened as the data is. before: taps inside of all places before; all: of all places; nth: of this
 * place, before the tap. */
struct sparse_place {
    int64_t before, inside, all, nth;
};

static int64_t sparse_entry(const struct places *p, bool first, const struct sparse_place *sparse,
                            int64_t channel, int64_t filter)
{
    if (first)
        return (filter * sparse->all + sparse->before) * p->channels + channel * sparse->inside + sparse->nth;
    return (sparse->before * p->filters + filter * sparse->inside + sparse->nth) * p->channels + channel;
}

/* index [places, taps * C, F]: 1 + where the weight is, 0 where the tap lies outside. */
static void fill_index(const struct local *local, const struct places *p, int64_t *taps, int64_t *index)
{
    struct sparse_place sparse = {0};
    int64_t n_places = p->out[0] * p->out[1];
    for (int64_t place = 0; place < n_places; place++)
        sparse.all += window_taps(p, place, taps);
    for (int64_t place = 0; place < n_places; place++, sparse.before += sparse.inside) {
        sparse.inside = window_taps(p, place, taps);
        sparse.nth = 0;
        for (int64_t tap = 0; tap < p->taps; tap++) {
            for (int64_t i = 0; i < p->channels * p->filters; i++) {
                int64_t channel = i / p->filters, filter = i % p->filters;
                int64_t entry = local->implementation == 2
                                    ? dense_entry(p, local->channels_first, taps[tap], channel, place, filter)
                                    : sparse_entry(p, local->channels_first, &sparse, channel, filter);
                *index++ = taps[tap] < 0 ? 0 : 1 + entry;
            }
            sparse.nth += taps[tap] >= 0;
        }
    }
}

/* Does the file hold as many weights as the places need? Asked before anything is as long as what the config
 * says: a place has at least one tap inside, and most have more than a few of theirs. */
static bool stored_fits(const struct local *local, const struct places *p, int64_t there, int64_t picked,
                        int64_t *taps)
{
    size_t n = (size_t)p->channels, inside = 0;
    int64_t n_places = p->out[0] * p->out[1];
    if (n_places > there || picked / 16 > there + 4096)
        return false;
    for (int64_t place = 0; place < n_places && local->implementation == 3; place++)
        inside += (size_t)window_taps(p, place, taps);
    if (local->implementation == 2)
        inside = (size_t)(p->in[0] * p->in[1]);
    return size_mul(n, inside, &n) && size_mul(n, (size_t)p->filters, &n) &&
           (local->implementation == 3 || size_mul(n, (size_t)n_places, &n)) && n == (size_t)there;
}

/* The kernel of implementation 2 or 3 as implementation 1 has it. Everything here is a constant, so that the
 * engine does it once, while the model is built. */
static engine_value picked_kernel(const struct keras_layer *layer, struct keras_call *call,
                                  const struct places *p)
{
    const struct local *local = layer->params;
    struct engine_graph *graph = call->graph;
    const struct shape *saved = keras_weight_shape(layer, "kernel");
    struct shape shape = shape_of(3, p->out[0] * p->out[1], p->taps * p->channels, p->filters);
    int64_t there, picked;
    size_t bytes;
    int64_t *taps = calloc((size_t)p->taps, sizeof(*taps)), *index = NULL;
    engine_value kernel = ENGINE_NONE;
    if (!taps || !saved || !shape_elements(saved, &there) || !shape_elements(&shape, &picked) ||
        !size_mul((size_t)picked, sizeof(*index), &bytes) || !stored_fits(local, p, there, picked, taps) ||
        !(index = malloc(bytes))) {
        engine_graph_fail(graph, KD_EFORMAT, "the kernel does not have the shape of implementation %lld",
                          (long long)local->implementation);
        goto out;
    }
    fill_index(local, p, taps, index);
    engine_value flat = engine_reshape(graph, keras_weight(layer, call, "kernel", -1), &there, 1);
    engine_value zero = engine_reshape(graph, keras_scalar(call, flat, 0), (const int64_t[]){1}, 1);
    flat = engine_concat(graph, (const engine_value[]){zero, flat}, 2, 0);
    engine_value where = engine_constant_copy(graph, DTYPE_INT64, &shape, index);
    kernel = engine_gather(graph, flat, where, 0, 0, ENGINE_BOUNDS_ERROR);
out:
    free(taps);
    free(index);
    return kernel;
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
    if (local->implementation == 1 && local->channels_first)
        list[0] = reorder_rows(build, local, list[0]);
    if (local->channels_first && *n_list > 1)
        list[1] = reorder_bias(build, local, list[1]);
    if (!list[0] || (*n_list > 1 && !list[1]))
        return err_set(err, KD_EFORMAT, "the arrays do not have the shapes of implementation %lld",
                       (long long)local->implementation);
    return 0;
}

/* "same" of these layers: half of the window lies before the place, whatever the stride. */
static engine_value pad_input(const struct local *local, struct keras_call *call, engine_value x,
                              const struct places *p)
{
    int64_t before[SHAPE_MAX_RANK] = {0}, after[SHAPE_MAX_RANK] = {0};
    for (int i = 0; i < local->window.n_spatial; i++) {
        int64_t end = (p->out[i] - 1) * p->stride[i] + p->size[i] - p->left[i] - p->in[i];
        before[i + 1] = p->left[i];
        after[i + 1] = end > 0 ? end : 0;
    }
    return local->same ? engine_pad(call->graph, x, before, after, ENGINE_PAD_CONSTANT, ENGINE_NONE) : x;
}

static int local_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct local *local = layer->params;
    engine_value x = call->inputs[0].value;
    if (!keras_expect_rank(call, x, local->window.n_spatial + 2))
        return 0;
    if (local->channels_first)
        x = keras_to_channels_last(call, x);
    struct places places;
    if (!find_places(local, call, x, &places)) {
        engine_graph_fail(call->graph, KD_EFORMAT, "the sizes of the input must be known and hold a window");
        return 0;
    }
    engine_value kernel = local->implementation == 1
                              ? keras_weight(layer, call, "kernel", 3, (int64_t)SHAPE_UNKNOWN,
                                             (int64_t)SHAPE_UNKNOWN, local->filters)
                              : picked_kernel(layer, call, &places);
    x = pad_input(local, call, x, &places);
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
    .doc = "implementations 1 to 3, both data formats and paddings",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = parse_1d,
    .lower = local_lower,
    .convert = local_convert,
};

const struct keras_class keras_class_locally_connected2d = {
    .names = (const char *const[]){"LocallyConnected2D", NULL},
    .family = "Convolution",
    .doc = "implementations 1 to 3, both data formats and paddings",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = parse_2d,
    .lower = local_lower,
    .convert = local_convert,
};
