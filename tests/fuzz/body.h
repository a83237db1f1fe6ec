/* What the fuzz targets of request bodies share: a model with an input of each storage, and a look at all that was read. */
#ifndef KD_TESTS_FUZZ_BODY_H
#define KD_TESTS_FUZZ_BODY_H

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "fuzz/fuzz.h"
#include "http/inputs.h"
#include "keras/keras.h"

static const struct keras_signature_tensor body_inputs[] = {
    {"x", DTYPE_FLOAT32, {2, {SHAPE_UNKNOWN, 2}}},
    {"n", DTYPE_INT32, {1, {SHAPE_UNKNOWN}}},
    {"s", DTYPE_STRING, {2, {SHAPE_UNKNOWN, SHAPE_UNKNOWN}}},
    {"h", DTYPE_FLOAT16, {3, {SHAPE_UNKNOWN, SHAPE_UNKNOWN, 1}}},
};
static const struct keras_signature_tensor body_outputs[] = {{"y", DTYPE_FLOAT32, {1, {SHAPE_UNKNOWN}}},
                                                             {"z", DTYPE_STRING, {1, {SHAPE_UNKNOWN}}}};

/* The first `n` inputs, bound. */
static inline void body_bind(struct inputs *inputs, size_t n)
{
    static const struct inputs_limits limits = {100000, 100000};
    if (inputs_start(inputs, n, NULL) != 0)
        abort();
    for (size_t i = 0; i < n; i++)
        inputs_bind(inputs, i, &body_inputs[i], &limits);
}

/* Everything that was accepted is there, as much of it as the shapes say. */
static inline void body_touch(struct inputs *inputs)
{
    int64_t rows, elements;
    if (inputs_fit(inputs, &rows, NULL) != 0)
        return;
    for (size_t i = 0; i < inputs->n; i++) {
        const struct tensor *tensor = &inputs->tensors[i];
        const struct str_view *strings = tensor->data;
        size_t bytes;
        if (!shape_elements(&tensor->shape, &elements) || (size_t)elements != inputs->items[i].fill.n ||
            !tensor_bytes(tensor->dtype, &tensor->shape, &bytes))
            abort();
        for (size_t k = 0; k < bytes; k++)
            (void)((const volatile unsigned char *)tensor->data)[k];
        for (int64_t k = 0; tensor->dtype == DTYPE_STRING && k < elements; k++)
            for (size_t j = 0; j < strings[k].length; j++)
                (void)((const volatile char *)strings[k].data)[j];
    }
}

/* Feeds the bytes in pieces, each in memory of its own, so that reads beyond a piece are seen. */
static inline void body_feed(void *body, void (*feed)(void *body, const char *data, size_t length), const uint8_t *data,
                             size_t size, size_t piece)
{
    for (size_t at = 0; at < size; at += piece) {
        size_t length = size - at < piece ? size - at : piece;
        char *copy = malloc(length);
        if (!copy)
            abort();
        memcpy(copy, data + at, length);
        feed(body, copy, length);
        free(copy);
    }
}

#endif
