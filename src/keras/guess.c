/* Guess: the input shape of a Sequential whose file does not say it (standalone Keras 2.2.4 to 2.3.1 with an
 * InputLayer, tf.keras models built by their first batch).
 *
 * The first layers tell the rank and the weights the number of features: a Conv1D kernel (3, 16, 32) reads 16
 * channels, a Dense kernel (784, 10) reads 784 values. A number of steps that is still open is found from a
 * Dense behind a Flatten: the layers up to it are lowered with trial lengths, and since what Flatten gives
 * grows with the length, halving the interval finds the one length that fits. Where several fit, the axis
 * stays open and each request is checked. */
#include <string.h>

#include "base/arena.h"
#include "base/size.h"
#include "engine/graph.h"
#include "image/image.h"
#include "keras/model.h"

#define MAX_LENGTH (1 << 20)

enum hint_kind {
    HINT_RANK,     /* input of this rank; features come from a later layer */
    HINT_KERNEL,   /* features = a size of the kernel */
    HINT_FLAT      /* whatever it was, it arrives flat */
};

struct hint {
    const char *class_name;
    enum hint_kind kind;
    int rank;
    int axis; /* of the kernel, from its end */
};

/* Classes without a row pass shapes on. */
static const struct hint hints[] = {
    {"Conv1DTranspose", HINT_KERNEL, 3, 1},
    {"Conv2DTranspose", HINT_KERNEL, 4, 1},
    {"Conv3DTranspose", HINT_KERNEL, 5, 1},
    {"Deconvolution2D", HINT_KERNEL, 4, 1},
    {"ConvLSTM2D", HINT_KERNEL, 5, 2},
    {"ConvLSTM1D", HINT_KERNEL, 4, 2},
    {"Conv1D", HINT_KERNEL, 3, 2},
    {"Conv2D", HINT_KERNEL, 4, 2},
    {"Conv3D", HINT_KERNEL, 5, 2},
    {"Convolution1D", HINT_KERNEL, 3, 2},
    {"Convolution2D", HINT_KERNEL, 4, 2},
    {"Convolution3D", HINT_KERNEL, 5, 2},
    {"DepthwiseConv1D", HINT_KERNEL, 3, 2},
    {"DepthwiseConv2D", HINT_KERNEL, 4, 2},
    {"SeparableConv1D", HINT_KERNEL, 3, 2},
    {"SeparableConv2D", HINT_KERNEL, 4, 2},
    {"Dense", HINT_KERNEL, 2, 2},
    {"MaxoutDense", HINT_KERNEL, 2, 2},
    {"Highway", HINT_KERNEL, 2, 2},
    {"Embedding", HINT_RANK, 2, 0},
    {"LSTM", HINT_KERNEL, 3, 2},
    {"GRU", HINT_KERNEL, 3, 2},
    {"SimpleRNN", HINT_KERNEL, 3, 2},
    {"CuDNNLSTM", HINT_KERNEL, 3, 2},
    {"CuDNNGRU", HINT_KERNEL, 3, 2},
    {"MaxPooling1D", HINT_RANK, 3, 0},
    {"AveragePooling1D", HINT_RANK, 3, 0},
    {"ZeroPadding1D", HINT_RANK, 3, 0},
    {"MaxPooling2D", HINT_RANK, 4, 0},
    {"AveragePooling2D", HINT_RANK, 4, 0},
    {"ZeroPadding2D", HINT_RANK, 4, 0},
    {"GlobalAveragePooling1D", HINT_RANK, 3, 0},
    {"GlobalMaxPooling1D", HINT_RANK, 3, 0},
    {"GlobalAveragePooling2D", HINT_RANK, 4, 0},
    {"GlobalMaxPooling2D", HINT_RANK, 4, 0},
    {"UpSampling2D", HINT_RANK, 4, 0},
    {"RepeatVector", HINT_RANK, 2, 0},
    {"Flatten", HINT_FLAT, 2, 0},
};

static const struct hint *hint_of(const struct keras_layer *layer)
{
    for (size_t i = 0; i < KD_COUNT(hints); i++)
        if (strcmp(layer->class_name, hints[i].class_name) == 0)
            return &hints[i];
    return NULL;
}

/* The first layer that computes: through wrappers and models at the head. */
static const struct keras_layer *inner(const struct keras_layer *layer, int *ret_extra_rank)
{
    while (layer->n_children && !hint_of(layer)) {
        *ret_extra_rank += strcmp(layer->class_name, "TimeDistributed") == 0;
        layer = layer->children[0];
    }
    return layer;
}

static int64_t features_of(const struct keras_layer *layer, const struct hint *hint)
{
    const struct keras_layer *owner = layer->n_weights == 0 && layer->n_children ? layer->children[0] : layer;
    const struct image_tensor *kernel = owner->n_weights ? owner->weights[0].saved : NULL;
    if (!kernel || kernel->shape.rank < hint->axis)
        return SHAPE_UNKNOWN;
    int64_t size = kernel->shape.dim[kernel->shape.rank - hint->axis], groups = 1;
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(layer->config, "groups");
    if (cJSON_IsNumber(item) && item->valuedouble >= 1 && item->valuedouble < 65536 &&
        strncmp(layer->class_name, "Depthwise", 9) != 0)
        groups = (int64_t)item->valuedouble;
    return size * groups;
}

/* Rank from the first layer that tells it, features from the first kernel behind layers that keep them. */
static bool rank_and_features(const struct keras_layer *root, struct shape *ret)
{
    ret->rank = 0;
    for (size_t i = 0; i < root->n_children; i++) {
        int extra = 0;
        const struct keras_layer *layer = inner(root->children[i], &extra);
        const struct hint *hint = hint_of(layer);
        if (!hint)
            continue;
        if (hint->rank + extra > SHAPE_MAX_RANK)
            return false;
        if (ret->rank == 0)
            *ret = (struct shape){hint->rank + extra, {-1, -1, -1, -1, -1, -1, -1, -1}};
        if (hint->kind == HINT_KERNEL) {
            ret->dim[ret->rank - 1] = features_of(layer, hint);
            return true;
        }
        if (strcmp(layer->class_name, "Embedding") == 0)
            return true;
    }
    return false;
}

/* ---- the open number of steps ---- */

/* Constants belong to the graph that they were made for. */
static void forget_constants(struct keras_layer *layer)
{
    for (size_t i = 0; i < layer->n_weights; i++)
        layer->weights[i].constant = ENGINE_NONE;
    layer->state->n_calls = 0;
    for (size_t i = 0; i < layer->n_children; i++)
        forget_constants(layer->children[i]);
}

/* The Dense that reads what a Flatten gives; SIZE_MAX if there is none. */
static size_t find_dense(const struct keras_layer *root)
{
    bool flat = false;
    for (size_t i = 0; i < root->n_children; i++) {
        const char *class_name = root->children[i]->class_name;
        if (flat && strcmp(class_name, "Dense") == 0)
            return i;
        if (root->children[i]->n_weights)
            flat = false;
        flat = flat || strcmp(class_name, "Flatten") == 0;
    }
    return SIZE_MAX;
}

static bool call_one(const struct keras_layer *layer, struct engine_graph *graph, struct keras_tensor *x,
                     struct keras_tensor *outputs)
{
    struct err err;
    struct keras_arg arg = {.kind = KERAS_ARG_TENSOR, .tensor = *x};
    struct keras_call call = {.build = layer->build, .graph = graph, .n_inputs = 1, .inputs = x, .n_args = 1,
                              .args = &arg, .outputs = outputs};
    bool good = keras_layer_call(layer, &call, &err) == 0;
    layer->build->named = false;
    if (good)
        *x = outputs[0];
    return good;
}

/* What arrives at child `last` for inputs of this shape: the size of its last axis; 0 if the shape is too
 * small. */
static int64_t width_at(struct keras_layer *root, const struct keras_input *input, size_t last,
                        struct keras_tensor *outputs)
{
    struct engine_graph *graph = engine_graph_new();
    int64_t width = 0;
    if (!graph)
        return 0;
    struct keras_tensor x = {engine_input(graph, "x", input->dtype, &input->shape), ENGINE_NONE};
    bool good = x.value != ENGINE_NONE;
    for (size_t i = 0; good && i < last; i++)
        if (strcmp(root->children[i]->class_name, "InputLayer") != 0)
            good = call_one(root->children[i], graph, &x, outputs);
    if (good)
        width = engine_dim(graph, x.value, -1);
    forget_constants(root);
    root->build->n_calls = 0;
    engine_graph_free(graph);
    return width;
}

static int64_t first_length(struct keras_layer *root, struct keras_input *input, size_t dense, int64_t width,
                            struct keras_tensor *outputs)
{
    int64_t low = 1, high = MAX_LENGTH;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        input->shape.dim[1] = middle;
        if (width_at(root, input, dense, outputs) >= width)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void solve_length(struct keras_layer *root, struct keras_input *input)
{
    struct keras_tensor *outputs = arena_calloc(root->arena, KERAS_MAX_OUTPUTS, sizeof(*outputs));
    size_t dense = find_dense(root);
    if (!outputs || dense == SIZE_MAX || input->shape.rank != 3 || input->shape.dim[2] == SHAPE_UNKNOWN)
        return;
    struct keras_layer *layer = root->children[dense];
    if (!layer->n_weights || !layer->weights[0].saved)
        return;
    int64_t width = layer->weights[0].saved->shape.dim[0];
    int64_t length = first_length(root, input, dense, width, outputs);
    input->shape.dim[1] = length;
    bool fits = width_at(root, input, dense, outputs) == width;
    input->shape.dim[1] = length + 1;
    bool alone = width_at(root, input, dense, outputs) != width;
    input->shape.dim[1] = fits && alone ? length : SHAPE_UNKNOWN;
}

bool keras_guess_input(struct keras_layer *root, struct keras_input *ret)
{
    char text[SHAPE_TEXT_MAX];
    if (strcmp(root->class->names[0], "Sequential") != 0 || !rank_and_features(root, &ret->shape))
        return false;
    ret->has_shape = true;
    solve_length(root, ret);
    keras_warn(root->build, NULL, "the file does not say the input's shape; %s was found from the weights",
               shape_text(&ret->shape, text, sizeof(text)));
    return true;
}
