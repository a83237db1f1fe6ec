/* Weights: slots that parse() declares, and the constants that lower() makes of them.
 *
 * float32 arrays are lent to the graph straight from the mapped image; every other type is converted once to
 * the storage form (float, int64_t). The constant is kept in the slot: a layer that is called twice packs its
 * weights once. Shapes are checked here, at the only place where both sides are known. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "image/image.h"
#include "keras/weights.h"

void keras_declare_weight(struct keras_layer *layer, const char *kind, bool trainable)
{
    size_t n = layer->n_weights;
    if ((n & (n - 1)) == 0) {
        struct keras_weight *weights = arena_calloc(layer->arena, n ? 2 * n : 1, sizeof(*weights));
        if (!weights) {
            keras_config_fail(layer, "out of memory");
            return;
        }
        if (n)
            memcpy(weights, layer->weights, n * sizeof(*weights));
        layer->weights = weights;
    }
    layer->weights[n] = (struct keras_weight){.kind = kind, .trainable = trainable, .constant = ENGINE_NONE};
    layer->n_weights++;
}

static struct keras_weight *find_slot(const struct keras_layer *layer, const char *kind)
{
    for (size_t i = 0; i < layer->n_weights; i++)
        if (strcmp(layer->weights[i].kind, kind) == 0)
            return &layer->weights[i];
    return NULL;
}

const struct shape *keras_weight_shape(const struct keras_layer *layer, const char *kind)
{
    const struct keras_weight *slot = find_slot(layer, kind);
    return slot && slot->saved ? &slot->saved->shape : NULL;
}

float keras_weight_element(const struct image_tensor *tensor, int64_t i)
{
    const uint16_t *half = tensor->data;
    const double *wide = tensor->data;
    switch (tensor->dtype) {
    case DTYPE_FLOAT16:
        return dtype_half_to_float(half[i]);
    case DTYPE_BFLOAT16:
        return dtype_bfloat16_to_float(half[i]);
    default:
        return (float)wide[i];
    }
}

static int64_t element_to_int(const struct image_tensor *tensor, int64_t i)
{
    switch (tensor->dtype) {
    case DTYPE_INT8:
        return ((const int8_t *)tensor->data)[i];
    case DTYPE_INT16:
        return ((const int16_t *)tensor->data)[i];
    case DTYPE_INT32:
        return ((const int32_t *)tensor->data)[i];
    case DTYPE_UINT8:
    case DTYPE_BOOL:
        return ((const uint8_t *)tensor->data)[i];
    case DTYPE_UINT16:
        return ((const uint16_t *)tensor->data)[i];
    case DTYPE_UINT32:
        return ((const uint32_t *)tensor->data)[i];
    default:
        return ((const int64_t *)tensor->data)[i];
    }
}

static engine_value converted(struct engine_graph *graph, enum dtype dtype, const struct image_tensor *tensor)
{
    int64_t n = 0;
    bool is_float = dtype_is_float(tensor->dtype);
    size_t size = storage_size(is_float ? STORAGE_F32 : STORAGE_I64);
    void *data = shape_elements(&tensor->shape, &n) ? calloc((size_t)n + 1, size) : NULL;
    if (!data)
        return engine_graph_fail(graph, KD_ENOMEM, "out of memory");
    for (int64_t i = 0; i < n; i++) {
        if (is_float)
            ((float *)data)[i] = keras_weight_element(tensor, i);
        else
            ((int64_t *)data)[i] = element_to_int(tensor, i);
    }
    engine_value value = engine_constant_copy(graph, dtype, &tensor->shape, data);
    free(data);
    return value;
}

static engine_value make_constant(const struct keras_layer *layer, struct engine_graph *graph,
                                  const struct image_tensor *tensor)
{
    bool is_float = dtype_is_float(tensor->dtype);
    enum dtype dtype = tensor->dtype;
    if (is_float && keras_has_policies(layer->writer))
        dtype = dtype_is_float(layer->compute_dtype) ? layer->compute_dtype : DTYPE_FLOAT32;
    if (tensor->dtype == DTYPE_FLOAT32)
        return engine_constant(graph, dtype, &tensor->shape, tensor->data);
    return converted(graph, dtype, tensor);
}

static bool fits(const struct shape *expected, const struct shape *found)
{
    return expected->rank < 0 || (expected->rank == found->rank && shape_compatible(expected, found));
}

engine_value keras_weight(const struct keras_layer *layer, struct keras_call *call, const char *kind,
                          int rank, ...)
{
    struct keras_weight *slot = find_slot(layer, kind);
    struct shape expected = {.rank = rank};
    char want[SHAPE_TEXT_MAX], have[SHAPE_TEXT_MAX];
    va_list args;
    va_start(args, rank);
    for (int i = 0; i < rank && i < SHAPE_MAX_RANK; i++)
        expected.dim[i] = va_arg(args, int64_t);
    va_end(args);
    if (!slot)
        return ENGINE_NONE;
    if (!slot->saved || !slot->saved->data)
        return engine_graph_fail(call->graph, KD_EFORMAT, "weight '%s' is not in the file", kind);
    if (!fits(&expected, &slot->saved->shape))
        return engine_graph_fail(
            call->graph, KD_EFORMAT, "weight '%s': expected shape %s, found %s in the file", kind,
            shape_text(&expected, want, sizeof(want)), shape_text(&slot->saved->shape, have, sizeof(have)));
    if (slot->constant == ENGINE_NONE)
        slot->constant = make_constant(layer, call->graph, slot->saved);
    return slot->constant;
}
