/* Bind by path: the weights of Keras 3's archive (model.keras) and of its model.weights.h5 next to an architecture.
 *
 * There the arrays are filed by the objects that own them: "layers/bidirectional/forward_layer/cell" holds 0, 1, 2.
 * The path of every layer follows from the config (archive_path.c), and within a layer its own arrays stand in order,
 * trainable ones first. */
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "image/image.h"
#include "keras/weights.h"

/* Attributes under which layers keep parts that are no layers here, in the order of their arrays. */
static const char *const parts_of_layers[] = {
    "cell",        "query_dense", "_query_dense", "key_dense",    "_key_dense",    "gate_dense",
    "_gate_dense", "value_dense", "_value_dense", "output_dense", "_output_dense", NULL,
};

static const struct image_layer *find_path(const struct image_content *content, const char *path)
{
    for (size_t i = 0; path && i < content->n_layers; i++)
        if (strcmp(content->layers[i].name, path) == 0)
            return &content->layers[i];
    return NULL;
}

static size_t take(struct keras_layer *layer, size_t n, const struct image_layer *saved)
{
    struct keras_layer_state *state = layer->state;
    for (size_t i = 0; saved && i < saved->n_weights && n < state->n_stored; i++)
        state->stored[n++] = &saved->weights[i];
    return n;
}

/* Declared order to stored order: trainable slots first. */
static void reorder(struct keras_layer *layer)
{
    struct keras_layer_state *state = layer->state;
    const struct image_tensor **sorted = arena_calloc(layer->arena, state->n_stored + 1, sizeof(*sorted));
    size_t at = 0;
    if (!sorted || state->n_stored != layer->n_weights)
        return;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < layer->n_weights; i++)
            if (layer->weights[i].trainable == (pass == 0))
                sorted[i] = state->stored[at++];
    state->stored = sorted;
}

static int bind_own(struct keras_build *build, struct keras_layer *layer, struct err *err)
{
    struct keras_layer_state *state = layer->state;
    const char *path = state->archive_path;
    state->n_stored = keras_stored_count(layer);
    state->stored = arena_calloc(build->arena, state->n_stored + 1, sizeof(*state->stored));
    if (!state->stored)
        return err_set(err, KD_ENOMEM, "out of memory");
    const struct image_layer *saved = find_path(build->content, path);
    size_t n = take(layer, 0, saved), available = saved ? saved->n_weights : 0;
    for (size_t i = 0; parts_of_layers[i] && layer->n_children == 0; i++) {
        const struct image_layer *part =
            find_path(build->content, arena_printf(build->arena, "%s/%s", path, parts_of_layers[i]));
        available += part ? part->n_weights : 0;
        n = take(layer, n, part);
    }
    if (n != state->n_stored || available != n)
        return err_set(err, KD_EFORMAT, "the archive holds %zu arrays at '%.150s', expected %zu%s", available, path,
                       state->n_stored,
                       state->shared_id >= 0 && available == 0
                           ? "; a layer that is in two models is filed once, and Keras does not find it either: save as .h5"
                           : "");
    if (n == 0)
        return 0;
    reorder(layer);
    return keras_weights_convert(build, layer, err);
}

/* Recursion is bounded by KERAS_MAX_NESTING, as parsing is. */
static int bind_tree(struct keras_build *build, struct keras_layer *layer, struct err *err)
{
    if (layer->state->refused)
        return 0;
    int rc = layer->n_weights || layer->n_children == 0 ? bind_own(build, layer, err) : 0;
    if (rc != 0) {
        keras_layer_wrap(layer, err);
        return keras_obstacle_add(build, err) ? 0 : rc;
    }
    for (size_t i = 0; i < layer->n_children && rc == 0; i++)
        rc = bind_tree(build, layer->children[i], err);
    return rc;
}

int keras_bind_archive(struct keras_build *build, struct keras_layer *root, struct err *err)
{
    return bind_tree(build, root, err);
}
