/* Wrappers that are what they wrap.
 *
 * SpectralNormalization divides the kernel by its largest singular value at each training step and stores the
 * result in the kernel itself, so at inference it is the wrapped layer; its vector u only has to be there for
 * the count of weights; an archive files the kernel a second time, before the vector. The wrapper of
 * tensorflow_addons of the same name works the same way. Pipeline (Keras 3) calls its layers one after the other;
 * it is a layer, not a model, and so has no graph of its own. */
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "image/image.h"
#include "keras/build.h"
#include "keras/json.h"

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

static size_t stored_count(const struct keras_layer *layer)
{
    return layer->build->content->layout_v3 ? 2 : 1;
}

static int convert(struct keras_layer *layer, struct keras_build *build, const struct image_tensor **list,
                   size_t *n_list, struct err *err)
{
    if (*n_list == 2)
        list[0] = list[1];
    *n_list = 1;
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
    .convert = convert,
    .stored_count = stored_count,
};

/* ---- Pipeline ---- */

static int pipeline_parse(struct keras_layer *layer, struct err *err)
{
    const cJSON *layers = keras_json_unwrap(keras_config_json(layer, "layers")), *entry;
    if (!cJSON_IsArray(layers))
        return keras_config_fail(layer, "config key 'layers': expected a list of layers");
    cJSON_ArrayForEach(entry, layers)
        if (!keras_declare_child(layer, entry))
            return 0;
    return 0;
}

static int pipeline_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    struct keras_tensor *at = arena_calloc(layer->arena, KERAS_MAX_OUTPUTS, sizeof(*at));
    size_t n = call->n_inputs;
    if (!at || n > KERAS_MAX_OUTPUTS)
        return err_set(err, KD_ENOMEM, "out of memory");
    memcpy(at, call->inputs, n * sizeof(*at));
    memcpy(call->outputs, at, n * sizeof(*at));
    for (size_t i = 0; i < layer->n_children; i++) {
        int code = keras_call_child(layer->children[i], call, at, n, call->outputs, &call->n_outputs, err);
        if (code)
            return code;
        n = call->n_outputs;
        memcpy(at, call->outputs, n * sizeof(*at));
    }
    call->n_outputs = n;
    return 0;
}

const struct keras_class keras_class_pipeline = {
    .names = (const char *const[]){"Pipeline", NULL},
    .family = "Preprocessing",
    .doc = "its layers, one after the other",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .call = "training mask",
    .parse = pipeline_parse,
    .lower = pipeline_lower,
};
