/* The weights of cuDNN recurrent layers, brought to the plain layout.
 *
 * CuDNNLSTM and CuDNNGRU hold each gate's kernel as cuDNN wants it: the block of gate g (columns gU to gU + U of the
 * stored [I, G*U] array) holds, in C order, a [U, I] matrix; recurrent blocks are transposed; the bias is the input
 * biases followed by the recurrent biases. The order of the gates is the same as in the plain layers (LSTM i f c o,
 * GRU z r h). An LSTM adds both biases up anyway; a GRU keeps two rows.
 *
 * What the file holds is told by the length of the bias, as Keras does: 8U for LSTM and a flat 6U for GRU are
 * cuDNN's, whatever the class is called. */
#include "keras/recurrent.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/size.h"
#include "image/image.h"

/* A new tensor like `old` with another shape and room for its data. */
static struct image_tensor *new_tensor(struct keras_layer *layer, const struct image_tensor *old,
                                       struct shape shape, unsigned char **ret_data)
{
    int64_t n = 0;
    size_t bytes = 0;
    struct image_tensor *tensor = arena_memdup(layer->arena, old, sizeof(*old));
    if (!tensor || !shape_elements(&shape, &n) || !size_mul((size_t)n, dtype_size(old->dtype), &bytes))
        return NULL;
    /* The arena aligns to 16; weights have to lie at 64. */
    unsigned char *data = arena_alloc(layer->arena, bytes + IMAGE_ALIGNMENT);
    if (!data)
        return NULL;
    data = (unsigned char *)size_align((size_t)data, IMAGE_ALIGNMENT);
    tensor->shape = shape;
    tensor->data = data;
    tensor->bytes = bytes;
    *ret_data = data;
    return tensor;
}

/* Block g of the result: [rows, U] taken as the transpose of a [U, rows] matrix. `recurrent`: the block itself is
 * transposed (rows = U); else the block is read in C order. All elements have `size` bytes. */
static void convert_block(unsigned char *to, const unsigned char *from, int64_t rows, int64_t units, int64_t columns,
                          int64_t g, bool recurrent, size_t size)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t u = 0; u < units; u++) {
            int64_t flat = u * rows + i;
            int64_t row = recurrent ? u : flat / units;
            int64_t column = recurrent ? i : flat % units;
            memcpy(to + (size_t)(i * columns + g * units + u) * size,
                   from + (size_t)(row * columns + g * units + column) * size, size);
        }
}

static const struct image_tensor *convert_kernel(struct keras_layer *layer, const struct image_tensor *kernel,
                                                 int64_t units, int64_t gates, bool recurrent)
{
    unsigned char *data;
    struct image_tensor *tensor = new_tensor(layer, kernel, kernel->shape, &data);
    for (int64_t g = 0; tensor && g < gates; g++)
        convert_block(data, kernel->data, kernel->shape.dim[0], units, kernel->shape.dim[1], g, recurrent,
                      dtype_size(kernel->dtype));
    return tensor;
}

/* LSTM: the sum of both halves, [4U]. */
static const struct image_tensor *sum_bias(struct keras_layer *layer, const struct image_tensor *bias, int64_t n)
{
    unsigned char *data;
    struct image_tensor *tensor = new_tensor(layer, bias, shape_of(1, n), &data);
    if (!tensor)
        return NULL;
    for (int64_t i = 0; i < n; i++) {
        if (bias->dtype == DTYPE_FLOAT64)
            ((double *)data)[i] = ((const double *)bias->data)[i] + ((const double *)bias->data)[n + i];
        else
            ((float *)data)[i] = ((const float *)bias->data)[i] + ((const float *)bias->data)[n + i];
    }
    return tensor;
}

/* GRU: the same numbers as [2, 3U]. */
static const struct image_tensor *stack_bias(struct keras_layer *layer, const struct image_tensor *bias, int64_t n)
{
    struct image_tensor *tensor = arena_memdup(layer->arena, bias, sizeof(*bias));
    if (tensor)
        tensor->shape = shape_of(2, (int64_t)2, n);
    return tensor;
}

static bool has_shape(const struct image_tensor *tensor, int rank, int64_t first, int64_t last)
{
    const struct shape *shape = &tensor->shape;
    return shape->rank == rank && (first < 0 || shape->dim[0] == first) && shape->dim[rank - 1] == last;
}

int recurrent_convert_weights(struct keras_layer *layer, struct keras_build *build,
                              const struct image_tensor **list, size_t *n_list, struct err *err)
{
    (void)build;
    const struct recurrent_cell *cell = recurrent_own_cell(layer);
    int64_t columns = recurrent_gates(cell->kind) * cell->units;
    if (*n_list != 3 || !has_shape(list[2], 1, 2 * columns, 2 * columns))
        return 0;
    if (!has_shape(list[0], 2, -1, columns) || !has_shape(list[1], 2, cell->units, columns))
        return err_set(err, KD_EFORMAT, "the bias has cuDNN's length %lld, but the kernels do not fit it",
                       (long long)(2 * columns));
    for (int i = 0; i < 3; i++)
        if (!list[i]->data || (list[i]->dtype != DTYPE_FLOAT32 && list[i]->dtype != DTYPE_FLOAT64))
            return err_set(err, KD_EUNSUPPORTED, "cuDNN weights of type %s", dtype_name(list[i]->dtype));
    const struct image_tensor *plain[3] = {
        convert_kernel(layer, list[0], cell->units, recurrent_gates(cell->kind), false),
        convert_kernel(layer, list[1], cell->units, recurrent_gates(cell->kind), true),
        cell->kind == ENGINE_RNN_LSTM ? sum_bias(layer, list[2], columns) : stack_bias(layer, list[2], columns),
    };
    for (int i = 0; i < 3; i++)
        if (!plain[i])
            return err_set(err, KD_ENOMEM, "out of memory");
    memcpy(list, plain, sizeof(plain));
    return 0;
}
