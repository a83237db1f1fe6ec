/* Weights: conversions of saved arrays from the forms of old eras, for layers' convert() hooks and the core.
 */
#ifndef KD_KERAS_WEIGHTS_H
#define KD_KERAS_WEIGHTS_H

#include "keras/build.h"

/* How many arrays the file holds for this layer alone: class->stored_count, or the declared number. */
size_t keras_stored_count(const struct keras_layer *layer);
/* Runs the conversions on state->stored and binds the result to the declared slots. */
int keras_weights_convert(struct keras_build *build, struct keras_layer *layer, struct err *err);

/* bind_archive.c: keras_bind for the Keras 3 layout, where arrays are filed by path. */
int keras_bind_archive(struct keras_build *build, struct keras_layer *root, struct err *err);

/* Helpers for hooks: new tensors in the model's arena, named and typed like the source; NULL if out of
 * memory. Float types of any width become float32. */

/* Result axis i is source axis permutation[i]. */
const struct image_tensor *keras_weights_transpose(struct keras_build *build,
                                                   const struct image_tensor *tensor, const int *permutation);
/* Same elements, another shape of the same size. */
const struct image_tensor *keras_weights_reshape(struct keras_build *build, const struct image_tensor *tensor,
                                                 const struct shape *shape);
/* Along the last axis; all shapes agree but for it (checked: NULL with err set). */
const struct image_tensor *keras_weights_concat(struct keras_build *build,
                                                const struct image_tensor *const *tensors, size_t n,
                                                struct err *err);
/* Reverses all axes but the last two (a true convolution's kernel for a correlation). */
const struct image_tensor *keras_weights_flip(struct keras_build *build, const struct image_tensor *tensor);
/* A new float32 tensor; *ret_data is to be filled. */
struct image_tensor *keras_weights_new(struct keras_build *build, const char *name, const struct shape *shape,
                                       float **ret_data);
/* The elements as float32: the tensor's own data or a converted copy. */
const float *keras_weights_floats(struct keras_build *build, const struct image_tensor *tensor);

/* Element i of a float16, bfloat16 or float64 tensor. */
float keras_weight_element(const struct image_tensor *tensor, int64_t i);

#endif
