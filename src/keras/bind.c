/* Bind: saved arrays to the slots that the layers declared.
 *
 * A file lists, per layer of the model, all arrays of that layer and of everything inside it: trainable ones
 * first, then the others, where a frozen layer's arrays all count as not trainable. The walk here replays
 * that rule from the flags in the config (they are those at saving time), so position decides, as in Keras.
 * Names only check: where a name tells that an array is of another kind than its slot, the arrays are matched
 * by "<layer>/<kind>" if that is unambiguous, else the file is refused.
 *
 * Positions count arrays as the file has them; conversions of old forms then work layer by layer (convert.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/size.h"
#include "base/str.h"
#include "image/image.h"
#include "keras/weights.h"

extern const struct keras_class keras_class_spectral_normalization;

/* The i-th stored array of a layer. */
struct slot {
    struct keras_layer *layer;
    size_t index;
    bool trainable;
};

struct slots {
    size_t n, capacity;
    struct slot *items;
    bool failed;
};

static void add_slot(struct slots *slots, struct slot slot)
{
    if (slots->n == slots->capacity) {
        size_t capacity = slots->capacity ? 2 * slots->capacity : 32;
        struct slot *items = reallocarray(slots->items, capacity, sizeof(*items));
        if (!items) {
            slots->failed = true;
            return;
        }
        slots->items = items;
        slots->capacity = capacity;
    }
    slots->items[slots->n++] = slot;
}

static void append(struct slots *to, const struct slots *from)
{
    for (size_t i = 0; i < from->n; i++)
        add_slot(to, from->items[i]);
    to->failed |= from->failed;
}

static const char *kind_of(const struct slot *slot)
{
    bool as_declared = slot->layer->state->n_stored == slot->layer->n_weights;
    return as_declared ? slot->layer->weights[slot->index].kind : NULL;
}

/* The layer's own arrays, split by their flags. */
static void own_slots(struct keras_layer *layer, struct slots *own_t, struct slots *own_n)
{
    size_t n = keras_stored_count(layer);
    layer->state->n_stored = n;
    for (size_t i = 0; i < n; i++) {
        bool trainable = n != layer->n_weights || layer->weights[i].trainable;
        add_slot(trainable ? own_t : own_n, (struct slot){layer, i, trainable});
    }
}

static void walk(struct keras_build *build, struct keras_layer *layer, struct slots *ret_t,
                 struct slots *ret_n);

/* SpectralNormalization holds its child's kernel as an array of its own, in front of vector_u. Which of the two
 * comes first shows only where it is frozen. */
static void kernel_first(const struct keras_layer *layer, struct slots *own, struct slots *inner)
{
    if (layer->class != &keras_class_spectral_normalization || own->n != 1 || inner->n == 0)
        return;
    struct slot kernel = inner->items[0];
    inner->items[0] = own->items[0];
    own->items[0] = kernel;
}

/* Keras 1 and 2. A frozen layer lists each child whole, a frozen model first what its children call
 * trainable. */
static void walk_2(struct keras_build *build, struct keras_layer *layer, struct slots *ret_t,
                   struct slots *ret_n)
{
    struct slots own_t = {0}, own_n = {0}, inner_t = {0}, inner_n = {0};
    bool by_child = !layer->trainable && !layer->state->is_model;
    own_slots(layer, &own_t, &own_n);
    for (size_t i = 0; i < layer->n_children; i++) {
        struct slots child_n = {0};
        walk(build, layer->children[i], &inner_t, &child_n);
        append(by_child ? &inner_t : &inner_n, &child_n);
        free(child_n.items);
    }
    append(layer->trainable ? ret_t : ret_n, &own_t);
    if (!layer->trainable) {
        kernel_first(layer, &own_n, &inner_t);
        append(ret_n, &own_n);
    }
    append(layer->trainable ? ret_t : ret_n, &inner_t);
    if (layer->trainable)
        append(ret_n, &own_n);
    append(ret_n, &inner_n);
    free(own_t.items);
    free(own_n.items);
    free(inner_t.items);
    free(inner_n.items);
}

/* Keras 3: one list in order of creation, then split by the flags of the variables themselves. */
static void collect_3(struct keras_build *build, struct keras_layer *layer, bool frozen, struct slots *all)
{
    struct slots own_t = {0}, own_n = {0};
    if (layer->state->visit == build->visit)
        return;
    layer->state->visit = build->visit;
    frozen = frozen || !layer->trainable;
    own_slots(layer, &own_t, &own_n);
    for (size_t i = 0; frozen && i < own_t.n; i++)
        own_t.items[i].trainable = false;
    append(all, &own_t);
    append(all, &own_n);
    free(own_t.items);
    free(own_n.items);
    for (size_t i = 0; i < layer->n_children; i++)
        collect_3(build, layer->children[i], frozen, all);
}

static void walk(struct keras_build *build, struct keras_layer *layer, struct slots *ret_t,
                 struct slots *ret_n)
{
    if (layer->state->visit == build->visit)
        return;
    if (build->writer.family != KERAS_3) {
        layer->state->visit = build->visit;
        walk_2(build, layer, ret_t, ret_n);
        return;
    }
    struct slots all = {0};
    collect_3(build, layer, false, &all);
    for (size_t i = 0; i < all.n; i++)
        add_slot(all.items[i].trainable ? ret_t : ret_n, all.items[i]);
    ret_t->failed |= all.failed;
    free(all.items);
}

static bool list_slots(struct keras_build *build, struct keras_layer *layer, struct slots *ret)
{
    struct slots not_trainable = {0};
    build->visit++;
    walk(build, layer, ret, &not_trainable);
    append(ret, &not_trainable);
    free(not_trainable.items);
    return !ret->failed;
}

/* ---- names ---- */

/* The last part of "dense_1/kernel:0" without ":0" and a number that made it unique: "kernel". */
static struct str_view kind_in_name(const char *name)
{
    const char *slash = strrchr(name, '/');
    struct str_view view = {slash ? slash + 1 : name, 0};
    const char *colon = strchr(view.data, ':');
    view.length = colon ? (size_t)(colon - view.data) : strlen(view.data);
    size_t digits = 0;
    while (digits < view.length && view.data[view.length - 1 - digits] >= '0' &&
           view.data[view.length - 1 - digits] <= '9')
        digits++;
    if (digits && digits + 1 < view.length && view.data[view.length - 1 - digits] == '_')
        view.length -= digits + 1;
    return view;
}

/* Kinds may be paths ("query/kernel"); the last part counts. Keras 3 calls depthwise kernels plain "kernel".
 */
static bool kind_matches(const char *kind, struct str_view found)
{
    const char *slash = strrchr(kind, '/');
    kind = slash ? slash + 1 : kind;
    return str_view_equal(found, kind) || (str_view_equal(found, "kernel") && str_ends(kind, "_kernel"));
}

static bool known_kind(const struct slots *slots, struct str_view found)
{
    for (size_t i = 0; i < slots->n; i++)
        if (kind_of(&slots->items[i]) && kind_matches(kind_of(&slots->items[i]), found))
            return true;
    return false;
}

/* The name says plainly that the array is of another kind than the slot. */
static bool contradicts(const struct slots *slots, size_t i, const struct image_tensor *tensor)
{
    const char *kind = kind_of(&slots->items[i]);
    struct str_view found = kind_in_name(tensor->name);
    return kind && !kind_matches(kind, found) && known_kind(slots, found);
}

/* The part before the last: "conv1" of "block/conv1/kernel:0". */
static bool names_layer(const char *name, const char *layer)
{
    const char *last = strrchr(name, '/');
    size_t length = strlen(layer);
    if (!last || (size_t)(last - name) < length)
        return false;
    const char *start = last - length;
    return strncmp(start, layer, length) == 0 && (start == name || start[-1] == '/');
}

static const struct image_tensor *match_by_name(const struct slot *slot, const struct image_layer *saved)
{
    const struct image_tensor *match = NULL;
    for (size_t i = 0; i < saved->n_weights; i++) {
        const struct image_tensor *tensor = &saved->weights[i];
        if (!kind_of(slot) || !names_layer(tensor->name, slot->layer->name) ||
            !kind_matches(kind_of(slot), kind_in_name(tensor->name)))
            continue;
        if (match)
            return NULL;
        match = tensor;
    }
    return match;
}

/* ---- assignment ---- */

static int make_room(struct keras_build *build, const struct slots *slots, struct err *err)
{
    for (size_t i = 0; i < slots->n; i++) {
        struct keras_layer_state *state = slots->items[i].layer->state;
        if (!state->stored)
            state->stored = arena_calloc(build->arena, state->n_stored + 1, sizeof(*state->stored));
        if (!state->stored)
            return err_set(err, KD_ENOMEM, "out of memory");
    }
    return 0;
}

static int assign_by_name(const struct slots *slots, const struct image_layer *saved, size_t wrong,
                          struct err *err)
{
    for (size_t i = 0; i < slots->n; i++) {
        const struct slot *slot = &slots->items[i];
        const struct image_tensor *match = match_by_name(slot, saved);
        if (!match)
            return err_set(
                err, KD_EFORMAT, "array '%.100s' stands where '%s' of the layer '%.100s' is expected",
                saved->weights[wrong].name, kind_of(&slots->items[wrong]), slots->items[wrong].layer->name);
        slot->layer->state->stored[slot->index] = match;
    }
    return 0;
}

static int assign(struct keras_build *build, const struct slots *slots, const struct image_layer *saved,
                  struct err *err)
{
    int rc = make_room(build, slots, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < slots->n; i++)
        if (build->writer.family != KERAS_1 && contradicts(slots, i, &saved->weights[i]))
            return assign_by_name(slots, saved, i, err);
    for (size_t i = 0; i < slots->n; i++)
        slots->items[i].layer->state->stored[slots->items[i].index] = &saved->weights[i];
    return 0;
}

static int bind_slots(struct keras_build *build, struct slots *slots, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < slots->n; i++) {
        struct keras_layer *layer = slots->items[i].layer;
        if (slots->items[i].index == 0) {
            rc = keras_weights_convert(build, layer, err);
            if (rc != 0)
                keras_layer_wrap(layer, err);
        }
    }
    return rc;
}

static int count_error(const struct slots *slots, const struct image_layer *saved, struct err *err)
{
    char list[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < slots->n && used + 40 < sizeof(list); i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%.30s", i ? ", " : "",
                                 kind_of(&slots->items[i]) ? kind_of(&slots->items[i]) : "array");
    return err_set(err, KD_EFORMAT, "the file holds %zu arrays, expected %zu (%s%s)", saved->n_weights,
                   slots->n, slots->n ? list : "none", used + 40 < sizeof(list) ? "" : ", ...");
}

static int bind_layer(struct keras_build *build, struct keras_layer *layer, const struct image_layer *saved,
                      struct err *err)
{
    struct slots slots = {0};
    int rc = list_slots(build, layer, &slots) ? 0 : err_set(err, KD_ENOMEM, "out of memory");
    if (rc == 0 && slots.n != saved->n_weights)
        rc = count_error(&slots, saved, err);
    if (rc == 0)
        rc = assign(build, &slots, saved, err);
    if (rc == 0)
        rc = bind_slots(build, &slots, err);
    free(slots.items);
    if (rc == 0)
        return 0;
    keras_layer_wrap(layer, err);
    return keras_obstacle_add(build, err) ? 0 : rc;
}

static const struct image_layer *find_saved(const struct image_content *content, const char *name)
{
    for (size_t i = 0; i < content->n_layers; i++)
        if (strcmp(content->layers[i].name, name) == 0)
            return &content->layers[i];
    return NULL;
}

/* Some layer in it could not be made (obstacles are being collected): then nothing is known of its arrays. */
static bool is_incomplete(const struct keras_layer *layer)
{
    bool incomplete = layer->state->refused;
    for (size_t i = 0; i < layer->n_children && !incomplete; i++)
        incomplete = is_incomplete(layer->children[i]);
    return incomplete;
}

static bool has_slots(struct keras_build *build, struct keras_layer *layer)
{
    struct slots slots = {0};
    if (is_incomplete(layer))
        return false;
    list_slots(build, layer, &slots);
    bool has = slots.n > 0;
    free(slots.items);
    return has;
}

/* Every layer with weights is found by its name: so it is in files that Keras wrote itself. */
static bool names_agree(struct keras_build *build, const struct keras_layer *root)
{
    for (size_t i = 0; i < root->n_children; i++)
        if (!find_saved(build->content, root->children[i]->name) && has_slots(build, root->children[i]))
            return false;
    return true;
}

static const struct image_layer *next_with_weights(const struct image_content *content, size_t *at)
{
    while (*at < content->n_layers) {
        const struct image_layer *saved = &content->layers[(*at)++];
        if (saved->n_weights)
            return saved;
    }
    return NULL;
}

/* Keras's own way for weights of another model: in order, leaving out layers without arrays on either side.
 */
static int bind_in_order(struct keras_build *build, struct keras_layer *root, struct err *err)
{
    size_t at = 0, n = 0, n_saved = 0;
    for (size_t i = 0; i < root->n_children; i++)
        n += has_slots(build, root->children[i]);
    while (next_with_weights(build->content, &at))
        n_saved++;
    if (build->n_obstacles)
        return 0;
    if (n != n_saved)
        return err_set(err, KD_EFORMAT,
                       "the model has %zu layers with weights, the file holds weights of %zu", n, n_saved);
    keras_warn(build, NULL, "the weights' layer names are not those of the model; bound in order");
    int rc = 0;
    at = 0;
    for (size_t i = 0; rc == 0 && i < root->n_children; i++)
        if (has_slots(build, root->children[i]))
            rc = bind_layer(build, root->children[i], next_with_weights(build->content, &at), err);
    return rc;
}

/* An architecture that lay beside the weights may be another model's. Keras refuses it too. */
static int check_all_used(struct keras_build *build, const struct keras_layer *root, struct err *err)
{
    const struct image_content *content = build->content;
    const struct image_layer *saved;
    size_t at = 0;
    while (content->kind == IMAGE_WEIGHTS && (saved = next_with_weights(content, &at))) {
        bool known = false;
        for (size_t i = 0; i < root->n_children && !known; i++)
            known = strcmp(root->children[i]->name, saved->name) == 0;
        if (!known)
            return err_set(err, KD_EFORMAT,
                           "the file holds weights of a layer '%.100s', which the architecture beside it "
                           "does not have: is it another model's?",
                           saved->name);
    }
    return 0;
}

int keras_bind(struct keras_build *build, struct keras_layer *root, struct err *err)
{
    int rc = 0;
    if (build->content->layout_v3)
        return keras_bind_archive(build, root, err);
    if (!names_agree(build, root))
        return bind_in_order(build, root, err);
    if (build->n_obstacles == 0)
        rc = check_all_used(build, root, err);
    for (size_t i = 0; rc == 0 && i < root->n_children; i++) {
        const struct image_layer *saved = find_saved(build->content, root->children[i]->name);
        if (saved && !is_incomplete(root->children[i]))
            rc = bind_layer(build, root->children[i], saved, err);
    }
    if (build->content->n_top_level)
        keras_warn(build, NULL, "the file holds %zu weights of the model object itself, which no layer uses",
                   build->content->n_top_level);
    return rc;
}
