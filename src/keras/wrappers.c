/* Wrappers that change a layer in training only.
 *
 * SpectralNormalization divides the kernel by its largest singular value at each training step and stores the
 * result in the kernel itself, so at inference it is the wrapped layer; its vector u only has to be there for
 * the count of weights. The wrapper of tensorflow_addons of the same name works the same way. */
#include "keras/layer.h"

static int parse(struct keras_layer *layer, struct err *err)
{
    const cJSON *entry = keras_config_json(layer, "layer");
    keras_config_ignore(layer, (const char *const[]){"power_iterations", NULL});
    if (!entry)
        return keras_config_fail(layer, "config key 'layer' is missing");
    keras_declare_child(layer, entry);
    keras_declare_weight(layer, "vector_u", false);
    layer->training_matters = true; /* a training step changes the kernel */
    return 0;
}

static int lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    return keras_call_child(layer->children[0], call, call->inputs, call->n_inputs, call->outputs,
                            &call->n_outputs, err);
}

const struct keras_class keras_class_spectral_normalization = {
    .names = (const char *const[]){"SpectralNormalization", NULL},
    .family = "Normalisation",
    .doc = "the wrapped layer: the stored kernel is already normalised",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .parse = parse,
    .lower = lower,
};
