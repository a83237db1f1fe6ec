/* Table: every layer class, one row per line of layers.def, and the look-up by name.
 *
 * Names in files may carry a package ("Custom>Dense", "Addons>GroupNormalization"). The part after the sign
 * counts only for packages whose classes are those of the table. "Custom" is what Keras calls the package of a
 * user who names none: by the same word it may mean anything. */
#include <string.h>

#include "base/size.h"
#include "base/str.h"
#include "keras/keras.h"
#include "keras/layer.h"

#define LAYER(symbol) extern const struct keras_class keras_class_##symbol;
#include "keras/layers.def"
#undef LAYER

const struct keras_class *const keras_classes[] = {
#define LAYER(symbol) &keras_class_##symbol,
#include "keras/layers.def"
#undef LAYER
};
const size_t keras_n_classes = KD_COUNT(keras_classes);

static const char *const packages[] = {"Addons>", "keras>", "experimental>", "keras.layers>"};

static bool has_name(const struct keras_class *class, const char *name)
{
    for (size_t i = 0; class->names[i]; i++)
        if (strcmp(class->names[i], name) == 0)
            return true;
    return false;
}

static const struct keras_class *find_among(const char *name, bool operation)
{
    for (size_t i = 0; i < keras_n_classes; i++)
        if (keras_classes[i]->operation == operation && has_name(keras_classes[i], name))
            return keras_classes[i];
    return NULL;
}

const struct keras_class *keras_operation_find(const char *class_name)
{
    return find_among(class_name, true);
}

const struct keras_class *keras_class_find(const char *class_name)
{
    const struct keras_class *class = find_among(class_name, false);
    class = class ? class : find_among(class_name, true);
    for (size_t i = 0; !class && i < KD_COUNT(packages); i++)
        if (str_starts(class_name, packages[i]))
            class = find_among(class_name + strlen(packages[i]), false);
    return class;
}
