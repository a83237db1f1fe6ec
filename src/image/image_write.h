/* Image writer: lays out a model image and maps it, so that the tensors are read straight into their place.
 * Used by the loader child. Not thread-safe.
 *
 *   image_writer_new, then describe: text, layer, tensor, attribute; then image_writer_map;
 *   then fill image_writer_data of each tensor; then image_writer_finish. */
#ifndef KD_IMAGE_IMAGE_WRITE_H
#define KD_IMAGE_IMAGE_WRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "image/image.h"

struct buf;
struct err;
struct image_writer;

enum image_text {
    IMAGE_KERAS_VERSION,
    IMAGE_BACKEND,
    IMAGE_WEIGHTS_VERSION,
    IMAGE_WEIGHTS_BACKEND,
    IMAGE_MODEL_CONFIG,
    IMAGE_TRAINING_CONFIG,
    IMAGE_TEXT_COUNT
};

/* The lists of tensors, in the order in which their data lies in the image. */
enum image_section {
    IMAGE_SECTION_LAYERS, /* belongs to the layer that was added last */
    IMAGE_SECTION_TOP_LEVEL,
    IMAGE_SECTION_OPTIMIZER,
    IMAGE_SECTION_ASSETS,
    IMAGE_SECTION_COUNT
};

/* NULL when out of memory. max_bytes: the ceiling of the whole image. */
struct image_writer *image_writer_new(size_t max_bytes);
/* Unmaps without finishing if needed; accepts NULL. */
void image_writer_free(struct image_writer *writer);

void image_writer_kind(struct image_writer *writer, enum image_kind kind, bool layout_v3);
/* Copies. Errors of all: KD_ENOMEM, KD_ETOOBIG. */
int image_writer_text(struct image_writer *writer, enum image_text which, const char *text, size_t length,
                      struct err *err);
int image_writer_attribute(struct image_writer *writer, const char *name, struct err *err);
int image_writer_layer(struct image_writer *writer, const char *name, struct err *err);
/* The own name of the layer that was added last, where `name` is a path. */
int image_writer_saved_name(struct image_writer *writer, const char *saved_name, struct err *err);
/* with_data: the image gets the elements, at image_writer_data(*ret_index) once it is mapped; else only the
 * description. Sizes of the shape are known and not negative. */
int image_writer_tensor(struct image_writer *writer, enum image_section section, const char *name,
                        enum dtype dtype, const struct shape *shape, bool with_data, size_t *ret_index,
                        struct err *err);

/* Sizes fd (an empty file or memfd; the caller keeps it) and maps it. Nothing can be added afterwards. */
int image_writer_map(struct image_writer *writer, int fd, struct err *err);
/* Where the elements go: `*ret_bytes` bytes, 64-byte aligned, zero so far. The tensor has data. */
void *image_writer_data(struct image_writer *writer, size_t index, size_t *ret_bytes);
/* Writes the magic, which makes the image valid, and unmaps. */
int image_writer_finish(struct image_writer *writer, struct err *err);

/* The description for people: one line per text, layer and tensor. */
void image_writer_print(const struct image_writer *writer, struct buf *ret);

#endif
