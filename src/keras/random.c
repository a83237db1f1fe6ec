/* Random augmentation of pictures: nothing happens at inference but the cast to the type that the layer
 * computes in. A call with training=True is refused by the core, since training_matters is set. */
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

static int lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
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
