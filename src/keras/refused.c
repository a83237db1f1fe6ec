/* Classes that cannot be served, each with the reason that its user reads. A class that no row knows is
 * refused too, as somebody's own; these rows exist because Keras itself (or its usual companions) writes
 * them. */
#include "keras/layer.h"

#define REFUSED_ROW(symbol, reason, ...)                                                                   \
    const struct keras_class keras_class_##symbol = {                                                      \
        .names = (const char *const[]){__VA_ARGS__, NULL},                                                 \
        .family = "Refused",                                                                               \
        .doc = reason,                                                                                     \
        .support = KERAS_REFUSED,                                                                          \
        .mask = KERAS_MASK_DROP,                                                                           \
    };

REFUSED_ROW(refused_base, "a base class: what it computes is its subclass's code, which is not in the file",
            "Wrapper", "AbstractRNNCell", "Input", "InputSpec", "TFLayer", "DataLayer",
            "BaseImagePreprocessingLayer", "PreprocessingLayer", "Recurrent", "ConvRecurrent2D", "ConvRNN2D",
            "ConvLSTM2DCell")
REFUSED_ROW(refused_crossing, "it joins strings; HashedCrossing took its place", "CategoryCrossing")
REFUSED_ROW(refused_foreign,
            "it runs code of another framework, which is not in the file", "FlaxLayer", "JaxLayer",
            "TorchModuleWrapper", "ModuleWrapper")
REFUSED_ROW(refused_saved_model,
            "its computation lies in a SavedModel or TensorFlow Hub module outside of the file", "TFSMLayer",
            "KerasLayer")
REFUSED_ROW(refused_features, "the columns of tf.feature_column are not served", "DenseFeatures", "SequenceFeatures",
            "LinearFeatures")
REFUSED_ROW(refused_feature_space, "its preprocessing is not served",
            "FeatureSpace")
REFUSED_ROW(refused_methods, "methods and properties of TensorFlow classes act on ragged or sparse tensors",
            "ClassMethod", "InstanceMethod", "InstanceProperty")
REFUSED_ROW(refused_cells, "it drops values at random at inference too", "DropoutWrapper",
            "RNNCellDropoutWrapper")
REFUSED_ROW(refused_weight_normalization, "a layer of tensorflow_addons, user code for Keras", "WeightNormalization")
