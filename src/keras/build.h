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
/* Calls lowered: a model that calls a model twice that calls a model twice ... grows fast. */
#define KERAS_MAX_CALLS 200000

/* Texts in order, each once. */
struct keras_notes {
    size_t n;
    const char *text[KERAS_MAX_NOTES];
};

/* A growing list of pointers in the model's arena. */
struct keras_list {
    size_t n, capacity;
    void **items;
};

/* Sums over a layer and everything inside it. */
struct keras_parameters {
    double total, trainable, bytes;
};

/* A layer's part that belongs to the core. */
struct keras_layer_state {
    struct err err;        /* sticky, from parse */
    size_t n_seen;         /* config keys that parse asked for */
    const cJSON **seen;
    bool is_model;         /* Sequential or Functional: params is a struct keras_topology */
    bool refused;          /* could not be parsed; stands in for the layer while obstacles are collected */
    bool child_refused;    /* then it is refused for that alone, which is no further obstacle */
    int64_t shared_id;     /* shared_object_id, or -1 */
    const char *archive_path; /* in files of the Keras 3 layout; else NULL */
    const char *archive_stem; /* its last part, less the number */
    size_t archive_number;
    unsigned visit;        /* stamp of the last walk over the weights */
    size_t n_stored;       /* arrays that the file holds for this layer alone, in creation order */
    const struct image_tensor **stored;
    size_t n_calls;        /* lowered so far */
    struct keras_parameters parameters;
    struct shape output_shape; /* first output of the first call, for the summary */
};

struct keras_build {
    struct arena *arena;   /* the model's */
    struct arena *scratch; /* until the graph is complete */
    struct engine_graph *graph;
    const struct image_content *content;
    const struct keras_options *options;
    struct keras_writer writer;
    bool channels_first; /* Keras 1: the ordering of the layers that say one */
    bool on_theano;      /* the writer's backend */
    const cJSON *sidecar;  /* the sidecar file's object, or NULL */
    struct keras_notes warnings;
    struct keras_notes rules;
    struct buf *obstacles; /* collect instead of stopping at the first; or NULL */
    size_t n_obstacles;
    size_t nesting;
    size_t n_layers;
    size_t n_calls;
    unsigned visit;
    bool training;         /* training=true of an enclosing call */
    bool named;            /* the present error already names its layer */
    struct keras_list owned; /* JSON trees made while parsing */
    struct keras_list shared; /* layers with a shared_object_id */
};

/* ---- note.c ---- */
/* Adds a copy of the text unless it is there; a full list drops it. */
void keras_note_add(struct keras_build *build, struct keras_notes *notes, const char *text);
/* In collecting mode: records the sentence and returns true. */
bool keras_obstacle_add(struct keras_build *build, const struct err *err);
/* False if out of memory. */
bool keras_list_add(struct keras_build *build, struct keras_list *list, void *item);

/* ---- writer.c ---- */
/* config: the root of model_config. */
void keras_writer_read(struct keras_build *build, const cJSON *config);

/* ---- config.c ---- */
/* Warns of keys that parse() did not ask for. */
void keras_config_leftovers(struct keras_layer *layer);

/* ---- policy.c ---- */
/* Sets compute_dtype and variable_dtype from config.dtype; sticky error for what is not served. */
void keras_policy_read(struct keras_layer *layer);

/* ---- keras1.c ---- */
/* The config under its Keras 2 names; the config itself if nothing changes; NULL if out of memory. */
const cJSON *keras_1_translate(struct keras_build *build, const char *class_name, const cJSON *config);

/* ---- merge_head.c ---- */
/* Is this the entry of a Sequential whose first layer merges whole models? */
bool keras_has_merge_head(const cJSON *entry);
/* Its entry as a flat functional model, freed with the build; NULL on error. */
const cJSON *keras_spread_merge_head(struct keras_build *build, const cJSON *entry, struct err *err);

/* ---- graph_model.c ---- */
/* Is this a Graph, the model of Keras 0.3 that Keras 1.0 still wrote? */
bool keras_is_graph(const cJSON *entry);
/* The entry as a functional model, freed with the build; NULL on error. */
const cJSON *keras_graph_as_functional(struct keras_build *build, const cJSON *entry, struct err *err);

/* ---- layer.c ---- */
/* Makes a layer from an entry of a layer list or a wrapper's config; parent may be NULL. The error names the
 * layer. In collecting mode errors become obstacles and a stand-in is returned. */
struct keras_layer *keras_layer_new(struct keras_build *build, const struct keras_layer *parent,
                                    const cJSON *entry, struct err *err);
/* A layer that is never called, in place of one that could not be made. */
struct keras_layer *keras_layer_stand_in(struct keras_build *build, const struct keras_layer *parent,
                                         const cJSON *entry, struct err *err);
/* Puts a made layer behind the children; false if out of memory. */
bool keras_layer_adopt(struct keras_layer *parent, struct keras_layer *child);
/* Keeps a tree that parsing made until the model is freed; false if out of memory (then it is deleted). */
bool keras_build_own(struct keras_build *build, cJSON *tree);
/* Puts "layer 'path' (Class): " before the error, once. */
int keras_layer_wrap(const struct keras_layer *layer, struct err *err);

/* ---- archive_path.c ---- */
/* Sets the path of a layer that is about to become the next child of its parent (NULL: the model itself). */
int keras_archive_path(struct keras_layer *layer, const struct keras_layer *parent, struct err *err);

/* ---- call.c ---- */
/* Calls a layer: casts, masks and training by the core's rules, then lower(). inputs etc. are set by the
 * caller; call->outputs has room for KERAS_MAX_OUTPUTS. */
int keras_layer_call(const struct keras_layer *layer, struct keras_call *call, struct err *err);
/* Sets call->inputs from the first argument's tensors, in flattened order. */
int keras_call_flatten(struct keras_call *call, struct err *err);

/* ---- bind.c ---- */
/* Gives every slot of the model's layers its saved tensor. */
int keras_bind(struct keras_build *build, struct keras_layer *root, struct err *err);

#endif
