/* Archive path: under which name Keras 3's files of weights, and the assets beside them, know a layer.
 *
 * A model files its layers under "layers", each by its class in snake case with a number from the second of a class on;
 * a stack of cells does so under "cells"; a wrapper files what it wraps under the name of its attribute. The layers'
 * own names play no part. So a layer's path is known when it is made: those before it are there already.
 *
 * Keras 2.12 and 2.13 file a model's layers from a table that names layers with weights twice: under
 * "_layer_checkpoint_dependencies", with numbers that skip one behind each of them. */
#include <ctype.h>
#include <string.h>

#include "base/arena.h"
#include "base/size.h"
#include "base/str.h"
#include "image/image.h"
#include "keras/build.h"
#include "keras/json.h"

/* The classes whose Python name is not the one in the file. */
static const char *python_name(const char *class_name)
{
    return str_equal(class_name, "GroupQueryAttention") ? "GroupedQueryAttention" : class_name;
}

/* "MultiHeadAttention" -> "multi_head_attention", "Conv2D" -> "conv2d", "LSTMCell" -> "lstm_cell". */
static const char *snake_case(struct arena *arena, const char *name)
{
    size_t length = strlen(name), n = 0;
    char *text = arena_alloc(arena, 2 * length + 1);
    for (size_t i = 0; text && i < length; i++) {
        unsigned char c = (unsigned char)name[i];
        if (!isalnum(c) && c != '_')
            continue;
        bool starts_word = i > 0 && isupper(c) && islower((unsigned char)name[i + 1]);
        bool ends_lower = i > 0 && isupper(c) && islower((unsigned char)name[i - 1]);
        if ((starts_word || ends_lower) && n > 0)
            text[n++] = '_';
        text[n++] = (char)tolower(c);
    }
    return text;
}

static const char twice[] = "_layer_checkpoint_dependencies";

/* Where this file's models keep their layers. */
static const char *container_of(const struct keras_build *build)
{
    const struct image_content *content = build->content;
    for (size_t i = 0; i < content->n_layers; i++)
        if (str_starts(content->layers[i].name, twice))
            return twice;
    for (size_t i = 0; i < content->n_assets; i++)
        if (str_starts(content->assets[i].name, "assets/_layer_checkpoint_dependencies/"))
            return twice;
    return "layers";
}

/* An adapted vocabulary is a table, and tables are weights to those that file the layers. */
static bool has_table(const struct keras_layer *layer)
{
    static const char *const classes[] = {"StringLookup", "IntegerLookup", "TextVectorization"};
    const cJSON *given = keras_json_get(layer->config, "vocabulary");
    for (size_t i = 0; i < KD_COUNT(classes); i++)
        if (str_equal(layer->class_name, classes[i]))
            return !given || cJSON_IsNull(given);
    return false;
}

/* Recursion is bounded by KERAS_MAX_NESTING, as parsing is. */
static bool has_weights(const struct keras_layer *layer)
{
    bool found = layer->n_weights > 0 || has_table(layer);
    for (size_t i = 0; i < layer->n_children && !found; i++)
        found = has_weights(layer->children[i]);
    return found;
}

/* The number follows on the one of the last layer of the same stem; operations are not filed. */
static const char *numbered(struct keras_layer *layer, const struct keras_layer *parent, const char *container)
{
    struct keras_layer_state *state = layer->state;
    const char *path = parent->state->archive_path, *slash = path[0] ? "/" : "";
    state->archive_stem = snake_case(layer->arena, python_name(layer->class_name));
    for (size_t i = parent->n_children; state->archive_stem && i-- > 0;) {
        const struct keras_layer *other = parent->children[i];
        if (other->class->operation || !str_equal(other->state->archive_stem, state->archive_stem))
            continue;
        state->archive_number = other->state->archive_number + 1;
        state->archive_number += container == twice && has_weights(other);
        break;
    }
    if (state->archive_number == 0)
        return arena_printf(layer->arena, "%s%s%s/%s", path, slash, container, state->archive_stem);
    return arena_printf(layer->arena, "%s%s%s/%s_%zu", path, slash, container, state->archive_stem,
                        state->archive_number);
}

static const char *path_of(struct keras_layer *layer, const struct keras_layer *parent)
{
    const char *class_name = parent->class_name, *attribute = "layer";
    if (parent->state->is_model || str_equal(class_name, "Pipeline"))
        return numbered(layer, parent, container_of(layer->build));
    if (str_equal(class_name, "StackedRNNCells"))
        return numbered(layer, parent, "cells");
    if (str_equal(class_name, "Bidirectional"))
        attribute = parent->n_children == 0 ? "forward_layer" : "backward_layer";
    else if (str_ends(class_name, "RNN") || str_ends(class_name, "LSTM"))
        attribute = "cell";
    return arena_printf(layer->arena, "%s/%s", parent->state->archive_path, attribute);
}

int keras_archive_path(struct keras_layer *layer, const struct keras_layer *parent, struct err *err)
{
    layer->state->archive_path = parent ? path_of(layer, parent) : "";
    return layer->state->archive_path ? 0 : err_set(err, KD_ENOMEM, "out of memory");
}
