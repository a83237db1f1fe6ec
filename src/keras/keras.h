/* Keras: from a model image to a compiled engine with a signature. */
#ifndef KD_KERAS_KERAS_H
#define KD_KERAS_KERAS_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/tensor.h"

struct buf;
struct engine;
struct err;
struct image;
struct keras_model;

struct keras_options {
    const char *sidecar;        /* text of the sidecar file, or NULL */
    bool no_lambda_recovery;    /* do not read Lambda bytecode */
    bool ignore_training_true;  /* serve training=true nodes as inference */
    bool legacy_bilinear;       /* 2.2.4-tf files: TF1 resize grid */
    bool flip_theano_kernels;   /* Keras 1 files of the Theano backend */
    bool no_fusion;             /* tests */
    size_t max_plans;           /* for engine_compile; 0: its defaults */
    size_t max_arena_bytes;
};

/* Builds, binds, lowers and compiles. The model borrows the image: close it after keras_model_free.
 * Errors name model part, layer, class and key; KD_EUNSUPPORTED for what cannot be served, KD_EFORMAT for
 * contradictions in the file. */
int keras_build(const struct image *image, const struct keras_options *options, struct keras_model **ret,
                struct err *err);
void keras_model_free(struct keras_model *model); /* accepts NULL */

struct engine *keras_model_engine(const struct keras_model *model); /* borrowed */
/* The model's own name ("sequential_1"). */
const char *keras_model_name(const struct keras_model *model);

struct keras_signature_tensor {
    const char *name;   /* unique */
    enum dtype dtype;
    struct shape shape; /* with the batch axis, SHAPE_UNKNOWN where free */
};
size_t keras_model_n_inputs(const struct keras_model *model);
size_t keras_model_n_outputs(const struct keras_model *model);
const struct keras_signature_tensor *keras_model_input(const struct keras_model *model, size_t i);
const struct keras_signature_tensor *keras_model_output(const struct keras_model *model, size_t i);
size_t keras_model_n_warnings(const struct keras_model *model);
const char *keras_model_warning(const struct keras_model *model, size_t i);

/* What model.summary() prints, then signature, optimizer, rules taken, warnings. */
void keras_model_print(const struct keras_model *model, struct buf *ret);
/* The same facts as one JSON object. */
void keras_model_json(const struct keras_model *model, struct buf *ret);

/* For a file that cannot be served: everything that stands in the way, one sentence per line.
 * Returns the number of obstacles (0: it can be served). */
size_t keras_obstacles(const struct image *image, const struct keras_options *options, struct buf *ret);

/* One line per class name: served, identity or refused with the reason. */
void keras_print_layers(struct buf *ret);
/* The same as the page docs/LAYERS.md. */
void keras_print_layers_markdown(struct buf *ret);

#endif
