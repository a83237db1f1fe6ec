/* Layer: making one layer from its entry of a layer list, or from a wrapper's config.
 *
 * The class is looked up by name, the config is brought to Keras 2 names, the dtype policy is read, then the
 * class parses. Recursion happens only here (models in models, layers in wrappers) and is bounded by
 * KERAS_MAX_NESTING. While obstacles are collected, an error is recorded and a stand-in is returned, so that
 * one pass over the file finds all of them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/size.h"
#include "base/str.h"
#include "image/image.h"
#include "keras/build.h"
#include "keras/json.h"
#include "keras/sidecar.h"

static const struct keras_class unknown_class = {
    .names = (const char *const[]){NULL},
    .family = "",
    .doc = "",
    .support = KERAS_REFUSED,
};

static bool is_keras_module(const char *module)
{
    static const char *const packages[] = {"keras", "tf_keras", "keras_core", "tensorflow", "builtins"};
    size_t length = strcspn(module, ".");
    for (size_t i = 0; i < KD_COUNT(packages); i++)
        if (strlen(packages[i]) == length && strncmp(module, packages[i], length) == 0)
            return true;
    return false;
}

/* A class of somebody's own package may carry the name of a built-in layer; module and registered_name tell.
 */
static const char *class_to_look_up(const cJSON *entry, const char *class_name)
{
    const char *registered = keras_json_string(entry, "registered_name");
    const char *module = keras_json_string(entry, "module");
    bool ours = !module || is_keras_module(module);
    if (registered && strchr(registered, '>') && (!module || !ours))
        return registered;
    return ours ? class_name : "";
}

/* Operations of Keras 3 have neither of the keys that every layer writes. */
static bool looks_like_operation(const struct keras_build *build, const cJSON *config)
{
    return build->writer.family == KERAS_3 && cJSON_IsObject(config) &&
           !keras_json_get(config, "trainable") && !keras_json_get(config, "dtype");
}

static bool has_graph(const cJSON *config)
{
    return keras_json_get(config, "layers") && keras_json_get(config, "input_layers") &&
           keras_json_get(config, "output_layers");
}

static const struct keras_class *find_class(struct keras_layer *layer, const cJSON *entry)
{
    struct keras_build *build = layer->build;
    const char *name = class_to_look_up(entry, layer->class_name);
    const struct keras_class *class = NULL;
    if (looks_like_operation(build, layer->config))
        class = keras_operation_find(name);
    class = class ? class : keras_sidecar_class(build, layer->class_name);
    class = class ? class : keras_class_find(name);
    if (!class && has_graph(layer->config)) {
        keras_warn(build, layer, "a user's subclass of Model, served by its graph of layers");
        class = keras_class_find("Functional");
    }
    if (class)
        return class;
    if (looks_like_operation(build, layer->config)) {
        keras_config_fail(layer, "an operation of Keras 3 that is not served");
        return &unknown_class;
    }
    keras_config_fail(
        layer,
        "a custom class: its code is not in the file. If it is one expression, or a built-in class by "
        "another name, say so in the sidecar file: {\"classes\": {\"%.60s\": \"lambda x: ...\"}}",
        layer->class_name);
    return &unknown_class;
}

static const char *path_of(struct keras_build *build, const struct keras_layer *parent, const char *name)
{
    bool root_child = !parent || !parent->path[0];
    return root_child ? name : arena_printf(build->arena, "%s/%s", parent->path, name);
}

static const char *name_of(struct keras_build *build, const cJSON *entry, const cJSON *config)
{
    const char *name = keras_json_string(entry, "name");
    name = name ? name : keras_json_string(config, "name");
    if (name)
        return name;
    const char *class_name = keras_json_string(entry, "class_name");
    char *lower = arena_strdup(build->arena, class_name);
    for (char *c = lower; c && *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    return lower;
}

static struct keras_layer *allocate(struct keras_build *build, const cJSON *config, struct err *err)
{
    struct keras_layer *layer = arena_alloc(build->arena, sizeof(*layer));
    struct keras_layer_state *state = arena_alloc(build->arena, sizeof(*state));
    size_t n_keys = (size_t)cJSON_GetArraySize(config);
    if (state)
        state->seen = arena_calloc(build->arena, n_keys + 1, sizeof(*state->seen));
    if (!layer || !state || !state->seen) {
        err_set(err, KD_ENOMEM, "out of memory");
        return NULL;
    }
    layer->state = state;
    layer->build = build;
    layer->arena = build->arena;
    layer->writer = &build->writer;
    return layer;
}

static int check_entry(struct keras_build *build, const cJSON *entry, struct err *err)
{
    char text[KERAS_JSON_BRIEF];
    if (!keras_json_string(entry, "class_name"))
        return err_set(err, KD_EFORMAT, "expected a layer ({\"class_name\": ..., \"config\": ...}), found %s",
                       keras_json_brief(entry, text, sizeof(text)));
    const cJSON *config = keras_json_get(entry, "config");
    if (config && !cJSON_IsObject(config) && !cJSON_IsArray(config) && !cJSON_IsNull(config))
        return err_set(err, KD_EFORMAT, "expected an object as the config of a %.60s, found %s",
                       keras_json_string(entry, "class_name"), keras_json_brief(config, text, sizeof(text)));
    const cJSON *name = keras_json_get(config, "name");
    if (name && !cJSON_IsString(name) && !cJSON_IsNull(name))
        return err_set(err, KD_EFORMAT, "expected a string as the name of a %.60s, found %s",
                       keras_json_string(entry, "class_name"), keras_json_brief(name, text, sizeof(text)));
    if (++build->n_layers > KERAS_MAX_LAYERS)
        return err_set(err, KD_ETOOBIG, "more than %d layers", KERAS_MAX_LAYERS);
    if (build->nesting >= KERAS_MAX_NESTING)
        return err_set(err, KD_ETOOBIG, "models and wrappers nested deeper than %d levels",
                       KERAS_MAX_NESTING);
    return 0;
}

/* Fills in everything that does not depend on the class. */
static int identify(struct keras_layer *layer, const struct keras_layer *parent, const cJSON *entry,
                    struct err *err)
{
    static const cJSON no_config = {.type = cJSON_Object};
    struct keras_build *build = layer->build;
    const cJSON *config = keras_json_get(entry, "config");
    layer->class_name = keras_json_string(entry, "class_name");
    layer->config = config ? config : &no_config;
    layer->name = name_of(build, entry, config);
    layer->path = layer->name ? path_of(build, parent, layer->name) : NULL;
    if (!layer->path)
        return err_set(err, KD_ENOMEM, "out of memory");
    if (!parent)
        layer->path = "";
    const cJSON *trainable = keras_json_get(config, "trainable");
    layer->trainable = !trainable || cJSON_IsNull(trainable) || cJSON_IsTrue(trainable);
    const cJSON *shared_id = keras_json_get(entry, "shared_object_id");
    if (!keras_json_int(shared_id, &layer->state->shared_id))
        layer->state->shared_id = -1;
    return build->content->layout_v3 ? keras_archive_path(layer, parent, err) : 0;
}

int keras_layer_wrap(const struct keras_layer *layer, struct err *err)
{
    struct keras_build *build = layer->build;
    if (build->named)
        return err->code;
    build->named = true;
    if (!layer->path[0])
        return err_wrap(err, "model '%.100s' (%.60s)", layer->name, layer->class_name);
    return err_wrap(err, "layer '%.200s' (%.60s)", layer->path, layer->class_name);
}

static int parse(struct keras_layer *layer, const cJSON *entry, struct err *err)
{
    struct keras_layer_state *state = layer->state;
    layer->class = find_class(layer, entry);
    if (layer->writer->family == KERAS_1 && cJSON_IsObject(layer->config)) {
        layer->config = keras_1_translate(layer->build, layer->class_name, layer->config);
        if (!layer->config)
            return err_set(err, KD_ENOMEM, "out of memory");
    }
    keras_policy_read(layer);
    if (layer->class->support == KERAS_REFUSED && !layer->class->parse && !state->err.code)
        keras_config_fail(layer, "%s", layer->class->doc);
    if (state->err.code) {
        *err = state->err;
        return err->code;
    }
    int rc = layer->class->parse ? layer->class->parse(layer, err) : 0;
    if (state->err.code) {
        *err = state->err;
        rc = err->code;
    }
    if (rc == 0)
        keras_config_leftovers(layer);
    return rc;
}

struct keras_layer *keras_layer_new(struct keras_build *build, const struct keras_layer *parent,
                                    const cJSON *entry, struct err *err)
{
    if (check_entry(build, entry, err) != 0)
        return NULL;
    if (keras_has_merge_head(entry))
        entry = keras_spread_merge_head(build, entry, err);
    else if (keras_is_graph(entry))
        entry = keras_graph_as_functional(build, entry, err);
    if (!entry)
        return NULL;
    struct keras_layer *layer = allocate(build, keras_json_get(entry, "config"), err);
    if (!layer || identify(layer, parent, entry, err) != 0)
        return NULL;
    build->nesting++;
    int rc = parse(layer, entry, err);
    build->nesting--;
    if (rc == 0)
        return layer;
    if (!layer->state->child_refused) {
        keras_layer_wrap(layer, err);
        if (!keras_obstacle_add(build, err))
            return NULL;
    }
    layer->state->refused = true;
    return layer;
}

struct keras_layer *keras_layer_stand_in(struct keras_build *build, const struct keras_layer *parent,
                                         const cJSON *entry, struct err *err)
{
    if (check_entry(build, entry, err) != 0)
        return NULL;
    struct keras_layer *layer = allocate(build, NULL, err);
    if (!layer || identify(layer, parent, entry, err) != 0)
        return NULL;
    layer->class = &unknown_class;
    layer->state->refused = true;
    return layer;
}

bool keras_layer_adopt(struct keras_layer *parent, struct keras_layer *child)
{
    /* Grows at powers of two: the count itself tells when. */
    size_t n = parent->n_children;
    if ((n & (n - 1)) == 0) {
        struct keras_layer **children =
            arena_calloc(parent->arena, n ? 2 * n : 1, sizeof(struct keras_layer *));
        if (!children)
            return false;
        if (n)
            memcpy(children, parent->children, n * sizeof(struct keras_layer *));
        parent->children = children;
    }
    parent->children[parent->n_children++] = child;
    return true;
}

/* The layer that was made before from an object with the same shared_object_id: one instance, one set of
 * weights. */
static struct keras_layer *find_shared(const struct keras_build *build, const cJSON *entry)
{
    int64_t id;
    if (!keras_json_int(keras_json_get(entry, "shared_object_id"), &id))
        return NULL;
    const char *class_name = keras_json_string(entry, "class_name");
    const char *name = keras_json_string(keras_json_get(entry, "config"), "name");
    for (size_t i = 0; i < build->shared.n; i++) {
        struct keras_layer *other = build->shared.items[i];
        if (other->state->shared_id == id && str_equal(other->class_name, class_name) &&
            str_equal(other->name, name))
            return other;
    }
    return NULL;
}

struct keras_layer *keras_declare_child(struct keras_layer *layer, const cJSON *entry)
{
    struct keras_build *build = layer->build;
    struct err *sticky = &layer->state->err;
    struct err err = {0};
    if (sticky->code)
        return NULL;
    struct keras_layer *child = find_shared(build, entry);
    if (!child) {
        child = keras_layer_new(build, layer, entry, &err);
        if (child && child->state->shared_id >= 0 && !keras_list_add(build, &build->shared, child))
            child = NULL;
    }
    /* An obstacle by itself, and what was read of it is not for the wrapper's eyes. */
    if (child && child->state->refused) {
        layer->state->child_refused = true;
        err_set(&err, KD_EUNSUPPORTED, "the wrapped layer '%.200s' is refused", child->name);
        child = NULL;
    }
    if (child && keras_layer_adopt(layer, child))
        return child;
    if (!err.code)
        err_set(&err, KD_ENOMEM, "out of memory");
    *sticky = err;
    return NULL;
}

bool keras_build_own(struct keras_build *build, cJSON *tree)
{
    if (keras_list_add(build, &build->owned, tree))
        return true;
    cJSON_Delete(tree);
    return false;
}

bool keras_own_json(struct keras_layer *layer, cJSON *tree)
{
    return keras_build_own(layer->build, tree);
}
