/* A tensor is a view: declared dtype, shape, and memory that someone else owns. */
#ifndef KD_TENSOR_TENSOR_H
#define KD_TENSOR_TENSOR_H

#include "tensor/dtype.h"
#include "tensor/shape.h"

struct tensor {
    enum dtype dtype;
    struct shape shape;
    void *data; /* float, int64_t or struct str_view elements, by dtype_storage(dtype); 64-byte aligned */
};

/* Bytes of the elements in memory; false on overflow or unknown sizes. */
bool tensor_bytes(enum dtype dtype, const struct shape *shape, size_t *ret);

static inline float *tensor_f32(const struct tensor *tensor)
{
    return tensor->data;
}

static inline int64_t *tensor_i64(const struct tensor *tensor)
{
    return tensor->data;
}

#endif
