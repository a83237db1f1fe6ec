/* The weights of recurrent layers in old forms, brought to the plain one: kernel, recurrent kernel, bias with
 * the gates side by side (LSTM i f c o, GRU z r h).
 *
 * Keras 1 stored every gate by itself: W, U, b of i, c, f, o for an LSTM (that order), of z, r, h for a GRU;
 * with consume_less="gpu" it stored them joined, as Keras 2 does.
 *
 * CuDNNLSTM and CuDNNGRU hold each gate's kernel as cuDNN wants it: the block of gate g (columns gU to gU + U
 * of the stored [I, G*U] array) holds, in C order, a [U, I] matrix; recurrent blocks are transposed; the bias
 * is the input biases followed by the recurrent biases. An LSTM adds both up anyway; a GRU keeps two rows.
 * What a file holds is told by the length of the bias, as Keras does: 8U for LSTM and a flat 6U for GRU are
 * cuDNN's, whatever the class. */
#include <string.h>

#include "base/err.h"
#include "keras/json.h"
#include "image/image.h"
#include "keras/recurrent.h"
#include "keras/weights.h"

/* ---- Keras 1: one array per gate ---- */

size_t recurrent_stored_count(const struct keras_layer *layer)
{
    const char *consume_less = keras_json_string(layer->config, "consume_less");
    bool joined = consume_less && strcmp(consume_less, "gpu") == 0;
    size_t gates = (size_t)recurrent_gates(recurrent_own_cell(layer)->kind);
    return layer->writer->family == KERAS_1 && !joined ? 3 * gates : layer->n_weights;
}

int recurrent_join_gates(struct keras_build *build, const struct image_tensor **list, size_t *n_list,
                         size_t n_gates, struct err *err)
{
    /* Where gate g of ours stands in the file. */
    static const size_t lstm[] = {0, 2, 1, 3}, gru[] = {0, 1, 2};
    const size_t *order = n_gates == 4 ? lstm : gru;
    const struct image_tensor *joined[3], *parts[4];
    if (*n_list != 3 * n_gates)
        return 0;
    for (size_t kind = 0; kind < 3; kind++) {
        for (size_t g = 0; g < n_gates; g++)
            parts[g] = list[3 * order[g] + kind];
        joined[kind] = keras_weights_concat(build, parts, n_gates, err);
        if (!joined[kind])
            return err->code;
    }
    memcpy(list, joined, sizeof(joined));
    *n_list = 3;
    return 0;
}

/* ---- cuDNN ---- */

/* Block g of the result: [rows, U] taken as the transpose of a [U, rows] matrix. `recurrent`: the block
 * itself is transposed (rows = U); else the block is read in C order. */
static void convert_block(float *to, const float *from, int64_t rows, int64_t units, int64_t columns,
                          int64_t g, bool recurrent)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t u = 0; u < units; u++) {
            int64_t flat = u * rows + i;
            int64_t row = recurrent ? u : flat / units;
            int64_t column = recurrent ? i : flat % units;
            to[i * columns + g * units + u] = from[row * columns + g * units + column];
        }
}

static const struct image_tensor *convert_kernel(struct keras_build *build, const struct image_tensor *kernel,
                                                 int64_t units, int64_t gates, bool recurrent)
{
    float *to;
    const float *from = keras_weights_floats(build, kernel);
    const struct image_tensor *tensor = keras_weights_new(build, kernel->name, &kernel->shape, &to);
    for (int64_t g = 0; from && tensor && g < gates; g++)
        convert_block(to, from, kernel->shape.dim[0], units, kernel->shape.dim[1], g, recurrent);
    return from ? tensor : NULL;
}

/* LSTM: the sum of both halves, [n]. GRU: the same numbers as [2, n]. */
static const struct image_tensor *convert_bias(struct keras_build *build, const struct image_tensor *bias,
                                               int64_t n, bool sum)
{
    struct shape rows = shape_of(2, (int64_t)2, n), row = shape_of(1, n);
    float *to;
    if (!sum)
        return keras_weights_reshape(build, bias, &rows);
    const float *from = keras_weights_floats(build, bias);
    const struct image_tensor *tensor = keras_weights_new(build, bias->name, &row, &to);
    for (int64_t i = 0; from && tensor && i < n; i++)
        to[i] = from[i] + from[n + i];
    return from ? tensor : NULL;
}

static bool has_shape(const struct image_tensor *tensor, int rank, int64_t first, int64_t last)
{
    const struct shape *shape = &tensor->shape;
    return tensor->data && dtype_is_float(tensor->dtype) && shape->rank == rank &&
           (first < 0 || shape->dim[0] == first) && shape->dim[rank - 1] == last;
}

static int convert_cudnn(const struct recurrent_cell *cell, struct keras_build *build,
                         const struct image_tensor **list, struct err *err)
{
    int64_t gates = recurrent_gates(cell->kind), columns = gates * cell->units;
    if (!has_shape(list[0], 2, -1, columns) || !has_shape(list[1], 2, cell->units, columns))
        return err_set(err, KD_EFORMAT, "the bias has cuDNN's length %lld, but the kernels do not fit it",
                       (long long)(2 * columns));
    keras_rule(build, "weights in cuDNN's layout are brought to the plain one");
    list[0] = convert_kernel(build, list[0], cell->units, gates, false);
    list[1] = convert_kernel(build, list[1], cell->units, gates, true);
    list[2] = convert_bias(build, list[2], columns, cell->kind == ENGINE_RNN_LSTM);
    return list[0] && list[1] && list[2] ? 0 : err_set(err, KD_ENOMEM, "out of memory");
}

int recurrent_convert_weights(struct keras_layer *layer, struct keras_build *build,
                              const struct image_tensor **list, size_t *n_list, struct err *err)
{
    const struct recurrent_cell *cell = recurrent_own_cell(layer);
    int64_t gates = recurrent_gates(cell->kind), twice = 2 * gates * cell->units;
    int rc =
        layer->writer->family == KERAS_1 ? recurrent_join_gates(build, list, n_list, (size_t)gates, err) : 0;
    if (rc || *n_list != 3 || !has_shape(list[2], 1, twice, twice))
        return rc;
    return convert_cudnn(cell, build, list, err);
}
