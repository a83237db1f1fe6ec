/* Listing: the table of classes for people, as `kerasd layers` prints it and as docs/LAYERS.md shows it. Both come from
 * the same rows, so neither can say what the other does not. */
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "keras/keras.h"
#include "keras/layer.h"

static const char *const words[] = {"served", "identity", "refused"};

void keras_print_layers(struct buf *ret)
{
    for (size_t i = 0; i < keras_n_classes; i++)
        for (size_t j = 0; keras_classes[i]->names[j]; j++)
            buf_printf(ret, "%-32s %-9s %s\n", keras_classes[i]->names[j], words[keras_classes[i]->support],
                       keras_classes[i]->doc);
}

static bool seen_before(size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (str_equal(keras_classes[k]->family, keras_classes[i]->family))
            return true;
    return false;
}

static void print_names(const struct keras_class *class, struct buf *ret)
{
    for (size_t j = 0; class->names[j]; j++)
        buf_printf(ret, "%s`%s`", j ? ", " : "", class->names[j]);
}

/* One table per family, in the order of its first row; rows are classes, aliases stand together. */
static void print_family(const char *family, struct buf *ret)
{
    buf_printf(ret, "\n## %s\n\n| class | | |\n| --- | --- | --- |\n", family);
    for (size_t i = 0; i < keras_n_classes; i++) {
        if (!str_equal(keras_classes[i]->family, family))
            continue;
        buf_puts(ret, "| ");
        print_names(keras_classes[i], ret);
        buf_printf(ret, " | %s | %s |\n", words[keras_classes[i]->support], keras_classes[i]->doc);
    }
}

void keras_print_layers_markdown(struct buf *ret)
{
    buf_puts(ret,
             "# What is served\n\n"
             "Made by `kerasd layers --markdown` from the table of classes; `make check` fails if it is stale.\n\n"
             "* **served**: computes what Keras computes at inference.\n"
             "* **identity**: does nothing at inference, in Keras as here.\n"
             "* **refused**: named with its reason when the model is loaded.\n\n"
             "Every class has golden cases, written by real Keras (tests/golden). The tolerance is 1e-5 of the largest "
             "number of an output\nwhere the case does not say otherwise (float16 2e-3, bfloat16 2e-2); "
             "`make golden-report` prints what is reached, layer by\nlayer and writer by writer. float64 models declare "
             "float64 and are computed in float32: 1e-6 in small models, growing\nwith their depth.\n");
    for (size_t i = 0; i < keras_n_classes; i++)
        if (!seen_before(i))
            print_family(keras_classes[i]->family, ret);
}
