/* Convert: arrays as old writers stored them into the forms that the layers declare.
 *
 * Classes know their own rules (convert() in conv.c, recurrent layers and so on); here is the frame around
 * them and the array arithmetic they share. Everything new lies in the model's arena, as float32. */
#include <string.h>

#include "base/arena.h"
#include "base/size.h"
#include "image/image.h"
#include "keras/weights.h"

size_t keras_stored_count(const struct keras_layer *layer)
{
    return layer->class->stored_count ? layer->class->stored_count(layer) : layer->n_weights;
}

int keras_weights_convert(struct keras_build *build, struct keras_layer *layer, struct err *err)
{
    struct keras_layer_state *state = layer->state;
    size_t n = state->n_stored;
    const struct image_tensor **list = arena_memdup(build->arena, state->stored, (n + 1) * sizeof(*list));
    if (!list)
        return err_set(err, KD_ENOMEM, "out of memory");
    int rc = layer->class->convert ? layer->class->convert(layer, build, list, &n, err) : 0;
    if (rc == 0 && n != layer->n_weights)
        rc = err_set(err, KD_EFORMAT, "%zu arrays after conversion, %zu expected", n, layer->n_weights);
    for (size_t i = 0; rc == 0 && i < n; i++)
        layer->weights[i].saved = list[i];
    return rc;
}

struct image_tensor *keras_weights_new(struct keras_build *build, const char *name, const struct shape *shape,
                                       float **ret_data)
{
    int64_t n;
    size_t bytes, padded;
    if (!shape_elements(shape, &n) || !size_mul((size_t)n, sizeof(float), &bytes) ||
        !size_add(bytes, IMAGE_ALIGNMENT, &padded))
        return NULL;
    struct image_tensor *tensor = arena_alloc(build->arena, sizeof(*tensor));
    char *data = arena_alloc(build->arena, padded);
    if (!tensor || !data)
        return NULL;
    data += (IMAGE_ALIGNMENT - (uintptr_t)data % IMAGE_ALIGNMENT) % IMAGE_ALIGNMENT;
    *ret_data = (float *)(void *)data;
    *tensor = (struct image_tensor){name, DTYPE_FLOAT32, *shape, data, bytes};
    return tensor;
}

const float *keras_weights_floats(struct keras_build *build, const struct image_tensor *tensor)
{
    float *data;
    int64_t n;
    if (tensor->dtype == DTYPE_FLOAT32)
        return tensor->data;
    if (!dtype_is_float(tensor->dtype) || !tensor->data || !shape_elements(&tensor->shape, &n) ||
        !keras_weights_new(build, tensor->name, &tensor->shape, &data))
        return NULL;
    for (int64_t i = 0; i < n; i++)
        data[i] = keras_weight_element(tensor, i);
    return data;
}

/* Counts through `shape` in C order; at[] is the position of the next element. */
static void step(const struct shape *shape, int64_t *at)
{
    for (int axis = shape->rank - 1; axis >= 0; axis--) {
        if (++at[axis] < shape->dim[axis])
            return;
        at[axis] = 0;
    }
}

const struct image_tensor *keras_weights_transpose(struct keras_build *build,
                                                   const struct image_tensor *tensor, const int *permutation)
{
    struct shape shape = {.rank = tensor->shape.rank};
    int64_t strides[SHAPE_MAX_RANK], at[SHAPE_MAX_RANK] = {0}, n = 0;
    float *to;
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = tensor->shape.dim[permutation[i]];
    const float *from = keras_weights_floats(build, tensor);
    const struct image_tensor *result = from ? keras_weights_new(build, tensor->name, &shape, &to) : NULL;
    if (!result || !shape_elements(&shape, &n))
        return NULL;
    shape_strides(&tensor->shape, strides);
    for (int64_t i = 0; i < n; i++, step(&shape, at)) {
        int64_t offset = 0;
        for (int axis = 0; axis < shape.rank; axis++)
            offset += at[axis] * strides[permutation[axis]];
        to[i] = from[offset];
    }
    return result;
}

const struct image_tensor *keras_weights_reshape(struct keras_build *build, const struct image_tensor *tensor,
                                                 const struct shape *shape)
{
    struct image_tensor *result = arena_memdup(build->arena, tensor, sizeof(*tensor));
    int64_t before, after;
    if (!result || !shape_elements(&tensor->shape, &before) || !shape_elements(shape, &after) ||
        before != after)
        return NULL;
    result->shape = *shape;
    return result;
}

static bool same_but_last(const struct shape *a, const struct shape *b)
{
    return a->rank == b->rank && a->rank > 0 &&
           memcmp(a->dim, b->dim, (size_t)(a->rank - 1) * sizeof(a->dim[0])) == 0;
}

const struct image_tensor *keras_weights_concat(struct keras_build *build,
                                                const struct image_tensor *const *tensors, size_t n,
                                                struct err *err)
{
    struct shape shape = tensors[0]->shape;
    float *to;
    for (size_t i = 0; i < n; i++)
        if (!same_but_last(&tensors[i]->shape, &shape)) {
            err_set(err, KD_EFORMAT, "arrays '%.60s' and '%.60s' do not fit together", tensors[0]->name,
                    tensors[i]->name);
            return NULL;
        }
    int last = shape.rank - 1;
    for (size_t i = 1; i < n; i++)
        shape.dim[last] += tensors[i]->shape.dim[last];
    const struct image_tensor *result = keras_weights_new(build, tensors[0]->name, &shape, &to);
    int64_t rows = shape_product(&shape, 0, last), column = 0;
    for (size_t i = 0; result && i < n; i++) {
        const float *from = keras_weights_floats(build, tensors[i]);
        int64_t width = tensors[i]->shape.dim[last];
        result = from ? result : NULL;
        for (int64_t row = 0; from && row < rows; row++)
            memcpy(to + row * shape.dim[last] + column, from + row * width, (size_t)width * sizeof(float));
        column += width;
    }
    if (!result)
        err_set(err, KD_ENOMEM, "out of memory");
    return result;
}

const struct image_tensor *keras_weights_flip(struct keras_build *build, const struct image_tensor *tensor)
{
    const struct shape *shape = &tensor->shape;
    float *to;
    const float *from = keras_weights_floats(build, tensor);
    const struct image_tensor *result = from ? keras_weights_new(build, tensor->name, shape, &to) : NULL;
    if (!result || shape->rank < 3)
        return result ? tensor : NULL;
    int64_t positions = shape_product(shape, 0, shape->rank - 2);
    int64_t matrix = shape_product(shape, shape->rank - 2, shape->rank);
    /* Reversing every spatial axis reverses the order of positions. */
    for (int64_t i = 0; i < positions; i++)
        memcpy(to + i * matrix, from + (positions - 1 - i) * matrix, (size_t)matrix * sizeof(float));
    return result;
}
