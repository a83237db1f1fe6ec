/* Build: what the files of the core share while a model is made. Layer families see none of it. */
#ifndef KD_KERAS_BUILD_H
#define KD_KERAS_BUILD_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/err.h"
#include "keras/keras.h"
#include "keras/layer.h"

struct arena;
struct image_content;
struct image_layer;
struct image_tensor;

/* Models in models, wrappers in wrappers. */
#define KERAS_MAX_NESTING 24
#define KERAS_MAX_LAYERS 20000
#define KERAS_MAX_NOTES 200

/* Texts in order, each once. */
struct keras_notes {
    size_t n;
    const char *text[KERAS_MAX_NOTES];
};

/* A layer's part that belongs to the core. */
struct keras_layer_state {
    struct err err;        /* sticky, from parse */
    size_t n_seen;         /* config keys that parse asked for */
    const cJSON **seen;
    bool is_model;         /* Sequential, Functional */
    bool refused;          /* could not be parsed; kept for the list of obstacles */
    int64_t shared_id;     /* shared_object_id, or -1 */
    unsigned visit;        /* stamp of the last walk over the weights */
    size_t n_calls;        /* lowered so far */
    struct shape output_shape; /* of the first output of the first call, for the summary */
    bool has_output;
};

struct keras_build {
    struct arena *arena;   /* the model's */
    struct engine_graph *graph;
    const struct image_content *content;
    const struct keras_options *options;
    struct keras_writer writer;
    struct keras_notes warnings;
    struct keras_notes rules;
    struct buf *obstacles; /* collect instead of stopping at the first; or NULL */
    size_t n_obstacles;
    size_t nesting;
    size_t n_layers;
    unsigned visit;
    bool training;         /* training=true of an enclosing call */
    bool named;            /* the graph's error has been given its layer's name */
    size_t n_owned;        /* JSON trees made while parsing */
    size_t owned_capacity;
    cJSON **owned;
    size_t n_shared;       /* layers by shared_object_id */
    struct keras_layer **shared;
};

/* ---- writer.c ---- */
void keras_writer_read(const struct image_content *content, const cJSON *config, struct arena *arena,
                       struct keras_writer *ret);

/* ---- note.c ---- */
void keras_note_add(struct keras_build *build, struct keras_notes *notes, const char *text);

/* ---- config.c ---- */
/* Warns of keys that parse() did not ask for. */
void keras_config_leftovers(struct keras_layer *layer);

/* ---- policy.c ---- */
/* Sets compute_dtype and variable_dtype from config.dtype; sticky error for what is not served. */
void keras_policy_read(struct keras_layer *layer);

/* ---- layer.c ---- */
/* Makes a layer from an entry; parent may be NULL. NULL on error. */
struct keras_layer *keras_layer_new(struct keras_build *build, const struct keras_layer *parent,
                                    const cJSON *entry, struct err *err);
/* Keeps a tree that parsing made until the model is freed; false if out of memory (then it is deleted). */
bool keras_build_own(struct keras_build *build, cJSON *tree);

#endif
