/* Model: what keras_build makes, as the core's own files see it. */
#ifndef KD_KERAS_MODEL_H
#define KD_KERAS_MODEL_H

#include "keras/topology.h"

struct engine;

struct keras_model {
    struct keras_build build;
    struct keras_options options;
    cJSON *config;
    cJSON *training;    /* training_config, or NULL */
    struct keras_layer *root;
    struct engine *engine;
    size_t n_inputs, n_outputs;
    struct keras_signature_tensor *inputs, *outputs;
};

/* ---- guess.c ---- */
/* The input of a Sequential that does not say it, as far as its layers and weights tell. */
bool keras_guess_input(struct keras_layer *root, struct keras_input *ret);

#endif
