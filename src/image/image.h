/* The model image: what the jailed loader child hands to the daemon in a memfd.
 *
 *   offset 0   "KDIMAGE1"                       8 bytes
 *          8   json_bytes                       uint64, little-endian
 *         16   total_bytes                      uint64: size of the whole image
 *         24   reserved, zero                   to 64
 *         64   JSON header                      json_bytes of UTF-8, not NUL-terminated
 *         ..   zero padding to 64
 *         ..   tensors, each at a 64-byte-aligned offset, C order, little-endian, disjoint, in order
 *
 * The JSON header:
 *   { "kind": "model" | "weights" | "archive",     full .h5, weights-only .h5, Keras 3 .keras zip
 *     "keras_version": "2.15.0"|null, "backend": "tensorflow"|null,            of the file's root
 *     "weights_version": ..., "weights_backend": ...,                          of the weights group
 *     "model_config": "<JSON text>"|null, "training_config": "<JSON text>"|null,
 *     "layers": [ {"name": "dense_1", "weights": [TENSOR, ...]}, ... ],        in layer_names' order
 *     "top_level": [TENSOR...],            top_level_model_weights
 *     "optimizer": [TENSOR...],            slots: without data ("offset" absent) but for scalars
 *     "assets": [TENSOR...],               files of a .keras archive's assets/ folder, as uint8, name = path
 *     "attributes": ["name", ...] }        root attributes that are not Keras's own
 *   TENSOR = {"name": "dense_1/kernel:0", "dtype": "float32", "shape": [784, 128], "offset": N, "bytes": N}
 *   dtype is one of dtype_name(), data as in the file (float16 stays 2 bytes, ints keep their width).
 *   Tensors with data lie in the order in which the header lists them.
 *   A layer may have a "saved_name": its own name, where "name" is a path.
 *   For "archive" and "weights" of the Keras 3 layout ("layout": "v3"), "layers" lists each group that
 *   has a "vars" group, name = its path ("layers/dense", "layers/lstm/cell"), weights named "0", "1", ...
 *
 * The daemon trusts nothing in it: image_open checks every offset, count, shape, size and overflow. */
#ifndef KD_IMAGE_IMAGE_H
#define KD_IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/dtype.h"
#include "tensor/shape.h"

struct err;

#define IMAGE_MAGIC        "KDIMAGE1"
#define IMAGE_HEADER_BYTES 64
#define IMAGE_ALIGNMENT    64
/* What writer and verifier agree on as too much. */
#define IMAGE_MAX_JSON_BYTES (64u << 20)
#define IMAGE_MAX_JSON_NODES 2000000u
#define IMAGE_MAX_LAYERS     65536u
#define IMAGE_MAX_TENSORS    65536u

enum image_kind { IMAGE_MODEL, IMAGE_WEIGHTS, IMAGE_ARCHIVE };

struct image_tensor {
    const char *name;
    enum dtype dtype;
    struct shape shape;
    const void *data; /* 64-byte aligned, read-only, dtype's wire format; NULL for slots without data */
    size_t bytes;
};

struct image_layer {
    const char *name;
    const char *saved_name; /* Keras 3 layout: the layer's own name, which newer writers keep; else NULL */
    size_t n_weights;
    const struct image_tensor *weights;
};

/* All pointers are borrowed from the image; absent texts are NULL. */
struct image_content {
    enum image_kind kind;
    int layout_v3; /* 1: Keras 3 paths in layers[].name */
    const char *keras_version, *backend;
    const char *weights_version, *weights_backend;
    const char *model_config, *training_config;
    size_t n_layers;
    const struct image_layer *layers;
    size_t n_top_level;
    const struct image_tensor *top_level;
    size_t n_optimizer;
    const struct image_tensor *optimizer;
    size_t n_assets;
    const struct image_tensor *assets;
    size_t n_attributes;
    const char *const *attributes;
};

struct image;

/* Maps fd (a regular file or sealed memfd; the caller keeps and may close it) and verifies everything.
 * max_bytes: refuse larger images. Errors: KD_EFORMAT with what was wrong where, KD_ETOOBIG, KD_ENOMEM. */
int image_open(int fd, size_t max_bytes, struct image **ret, struct err *err);
/* Unmaps; accepts NULL. Everything borrowed from it becomes invalid. */
void image_close(struct image *image);
const struct image_content *image_content(const struct image *image);
/* Gives a weights-only image the configuration that came from elsewhere (copied): NUL-terminated JSON, or that
 * text as one JSON string. KD_ENOMEM. */
int image_set_config(struct image *image, const char *text, size_t length, struct err *err);
/* Size of the mapping in bytes. */
size_t image_bytes(const struct image *image);

#endif
