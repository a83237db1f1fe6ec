/* Regularisation layers: identity at inference. A call with training=true is another matter (dropout stays
 * random on purpose in Monte Carlo models); parse says whether the layer would act then, and the core refuses
 * such calls. */
#include "keras/layer.h"

static int random_parse(struct keras_layer *layer, struct err *err)
{
    double rate = keras_config_float(layer, "rate", 0.5);
    double stddev = keras_config_float(layer, "stddev", 1);
    keras_config_ignore(layer, (const char *const[]){"data_format", NULL});
    layer->training_matters = rate != 0 && stddev != 0;
    return 0;
}

const struct keras_class keras_class_dropout = {
    .names = (const char *const[]){"Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D",
                                   "GaussianDropout", "GaussianNoise", "AlphaDropout", "FixedDropout", NULL},
    .family = "Regularisation",
    .doc = "acts in training only",
    .support = KERAS_IDENTITY,
    .mask = KERAS_MASK_PASS,
    .parse = random_parse,
};

static int activity_parse(struct keras_layer *layer, struct err *err)
{
    keras_config_ignore(layer, (const char *const[]){"l1", "l2", "unconditional", "aggregation", NULL});
    return 0;
}

const struct keras_class keras_class_activity_regularization = {
    .names = (const char *const[]){"ActivityRegularization", "AddLoss", "AddMetric", NULL},
    .family = "Regularisation",
    .doc = "acts in training only",
    .support = KERAS_IDENTITY,
    .mask = KERAS_MASK_PASS,
    .parse = activity_parse,
};

const struct keras_class keras_class_identity = {
    .names = (const char *const[]){"Identity", "Layer", NULL},
    .family = "Core",
    .doc = "returns its input; so does the base class of Keras 2",
    .support = KERAS_IDENTITY,
    .mask = KERAS_MASK_PASS,
};
