/* Random augmentation of pictures: nothing happens at inference but the cast to the type that the layer
 * computes in; some layers of Keras 3 even leave integers alone then. A call with training=True is refused by
 * the core, since training_matters is set. */
#include "base/str.h"
#include "keras/layer.h"

static int parse(struct keras_layer *layer, struct err *err)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, layer->config)
    {
        keras_config_json(layer, item->string); /* all of them speak of training */
    }
    layer->training_matters = true;
    return 0;
}

/* Those that cast inside of "if training", since Keras 3.6 or as long as they exist. */
static bool leaves_integers(const struct keras_layer *layer)
{
    static const char *const names[] = {
        "RandomContrast",  "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter", "RandomGrayscale",
        "RandomHue",       "RandomInvert",     "RandomPosterization",     "RandomSaturation",  "MixUp",
        NULL};
    for (int i = 0; names[i] && keras_since(layer->writer, KERAS_3, 3, 6); i++)
        if (str_equal(layer->class_name, names[i]))
            return true;
    return false;
}

static int lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    if (dtype_is_int(engine_dtype(call->graph, call->inputs[0].value)) && leaves_integers(layer)) {
        keras_call_return(call, 0, call->inputs[0].value);
        return 0;
    }
    enum dtype dtype = dtype_is_float(layer->compute_dtype) ? layer->compute_dtype : DTYPE_FLOAT32;
    keras_call_return(call, 0, engine_cast(call->graph, call->inputs[0].value, dtype));
    return 0;
}

const struct keras_class keras_class_random = {
    .names = (const char *const[]){"RandomFlip",
                                   "RandomRotation",
                                   "RandomTranslation",
                                   "RandomZoom",
                                   "RandomContrast",
                                   "RandomBrightness",
                                   "RandomHeight",
                                   "RandomWidth",
                                   "RandomShear",
                                   "RandomErasing",
                                   "RandomColorDegeneration",
                                   "RandomColorJitter",
                                   "RandomElasticTransform",
                                   "RandomGaussianBlur",
                                   "RandomGrayscale",
                                   "RandomHue",
                                   "RandomInvert",
                                   "RandomPerspective",
                                   "RandomPosterization",
                                   "RandomSaturation",
                                   "RandomSharpness",
                                   "RandAugment",
                                   "AugMix",
                                   "MixUp",
                                   "CutMix",
                                   "Solarization",
                                   "Equalization",
                                   "MaxNumBoundingBoxes",
                                   NULL},
    .family = "Preprocessing",
    .doc = "acts in training only",
    .support = KERAS_IDENTITY,
    .mask = KERAS_MASK_PASS,
    .parse = parse,
    .lower = lower,
};
