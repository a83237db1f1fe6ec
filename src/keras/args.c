/* Args: nodes and ports of either generation read into argument trees.
 *
 * Old form (Keras 1, 2): a node is a list of references ["name", node, tensor, {kwargs}], or one reference
 * ("flat"), or a structure of them; inside kwargs any ["name", int, int] with the name of a layer is a
 * tensor. Keras 3: {"args": [...], "kwargs": {...}} where tensors are objects of class __keras_tensor__. Both
 * end in struct keras_arg; a tensor is kept as a reference to be resolved when all of them are known, because
 * the base of node numbers follows from the whole set. Recursion follows the JSON's depth, bounded when
 * parsed. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/map.h"
#include "keras/json.h"
#include "keras/topology.h"

#define CONSTANT_NAME "_CONSTANT_VALUE"
/* Dicts of tensors are sorted by insertion. */
#define MAX_KEYS 2000

static int no_memory(struct err *err)
{
    return err_set(err, KD_ENOMEM, "out of memory");
}

size_t keras_layer_index(const struct keras_reader *reader, const char *name)
{
    const void *value = name ? map_get(reader->names, name) : NULL;
    return value ? (size_t)(uintptr_t)value - 1 : SIZE_MAX;
}

static bool refs_grow(struct keras_build *build, struct keras_refs *refs)
{
    size_t capacity = refs->capacity ? 2 * refs->capacity : 16;
    struct keras_ref *items = arena_calloc(build->arena, capacity, sizeof(*items));
    if (!items)
        return false;
    if (refs->n)
        memcpy(items, refs->items, refs->n * sizeof(*items));
    refs->items = items;
    refs->capacity = capacity;
    return true;
}

/* [name, node, tensor]: `item` is the first of the three. */
static int read_ref(struct keras_reader *reader, const cJSON *item, size_t *ret, struct err *err)
{
    struct keras_refs *refs = &reader->topology->refs;
    struct keras_ref ref = {.of_outputs = reader->of_outputs, .node = SIZE_MAX};
    const cJSON *node = item->next, *tensor = node ? node->next : NULL;
    ref.layer = keras_layer_index(reader, item->valuestring);
    if (ref.layer == SIZE_MAX)
        return err_set(err, KD_EFORMAT, "a node refers to the layer '%.100s', which the model does not have",
                       item->valuestring);
    if (!keras_json_int(node, &ref.written) || !keras_json_int(tensor, &ref.tensor))
        return err_set(err, KD_EFORMAT, "a reference to the layer '%.100s' has no node and tensor number",
                       item->valuestring);
    if (refs->n == refs->capacity && !refs_grow(reader->build, refs))
        return no_memory(err);
    *ret = refs->n;
    refs->items[refs->n++] = ref;
    return 0;
}

static int tensor_arg(struct keras_reader *reader, const cJSON *item, struct keras_arg *ret, struct err *err)
{
    size_t ref;
    int rc = read_ref(reader, item, &ref, err);
    if (rc == 0)
        *ret = (struct keras_arg){.kind = KERAS_ARG_TENSOR, .integer = (int64_t)ref};
    return rc;
}

/* ["name", int, int] or ["name", int, int, {kwargs}]. Unless any_name is set the name must be a layer's. */
static bool is_ref(const struct keras_reader *reader, const cJSON *json, bool any_name)
{
    int n = cJSON_IsArray(json) ? cJSON_GetArraySize(json) : 0;
    int64_t number;
    if ((n != 3 && n != 4) || !cJSON_IsString(json->child))
        return false;
    const cJSON *node = json->child->next, *tensor = node->next;
    if (!keras_json_int(node, &number) || (n == 4 && !cJSON_IsObject(tensor->next)))
        return false;
    if (strcmp(json->child->valuestring, CONSTANT_NAME) == 0)
        return true;
    return keras_json_int(tensor, &number) &&
           (any_name || keras_layer_index(reader, json->child->valuestring) != SIZE_MAX);
}

static int read_items(struct keras_reader *reader, const cJSON *list, struct keras_arg *ret, struct err *err)
{
    size_t n = (size_t)cJSON_GetArraySize(list), i = 0;
    struct keras_arg *items = arena_calloc(reader->build->arena, n + 1, sizeof(*items));
    const cJSON *item;
    int rc = items ? 0 : no_memory(err);
    cJSON_ArrayForEach(item, list)
    {
        if (rc == 0)
            rc = keras_read_arg(reader, item, &items[i++], err);
    }
    ret->n_items = n;
    ret->items = items;
    return rc;
}

static const char **read_keys(struct keras_reader *reader, const cJSON *object)
{
    const char **keys =
        arena_calloc(reader->build->arena, (size_t)cJSON_GetArraySize(object) + 1, sizeof(*keys));
    const cJSON *item;
    size_t i = 0;
    cJSON_ArrayForEach(item, object)
    {
        if (keys)
            keys[i++] = item->string;
    }
    return keys;
}

/* Dicts are flattened by sorted key, as Keras does. */
static void sort_by_key(struct keras_arg *items, const char **keys, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && strcmp(keys[j - 1], keys[j]) > 0; j--) {
            const char *key = keys[j];
            struct keras_arg item = items[j];
            keys[j] = keys[j - 1];
            items[j] = items[j - 1];
            keys[j - 1] = key;
            items[j - 1] = item;
        }
}

static int read_slice(struct keras_reader *reader, const cJSON *object, struct keras_arg *ret,
                      struct err *err)
{
    static const char *const parts[] = {"start", "stop", "step"};
    struct keras_arg *items = arena_calloc(reader->build->arena, 3, sizeof(*items));
    int rc = items ? 0 : no_memory(err);
    for (int i = 0; rc == 0 && i < 3; i++) {
        const cJSON *part = keras_json_get(object, parts[i]);
        if (part)
            rc = keras_read_arg(reader, part, &items[i], err);
    }
    *ret = (struct keras_arg){.kind = KERAS_ARG_SLICE, .n_items = 3, .items = items};
    return rc;
}

static bool is_bare_slice(const cJSON *object)
{
    return cJSON_GetArraySize(object) == 3 && keras_json_get(object, "start") &&
           keras_json_get(object, "stop") && keras_json_get(object, "step");
}

static int read_dict(struct keras_reader *reader, const cJSON *object, struct keras_arg *ret, struct err *err)
{
    if (cJSON_GetArraySize(object) > MAX_KEYS)
        return err_set(err, KD_ETOOBIG, "an argument with more than %d keys", MAX_KEYS);
    int rc = read_items(reader, object, ret, err);
    const char **keys = read_keys(reader, object);
    if (rc == 0 && !keys)
        rc = no_memory(err);
    if (rc != 0)
        return rc;
    struct keras_arg *items = arena_memdup(reader->build->arena, ret->items, ret->n_items * sizeof(*items));
    if (!items)
        return no_memory(err);
    sort_by_key(items, keys, ret->n_items);
    ret->kind = KERAS_ARG_DICT;
    ret->items = items;
    ret->keys = keys;
    return 0;
}

static int read_object(struct keras_reader *reader, const cJSON *object, struct keras_arg *ret,
                       struct err *err)
{
    const cJSON *config = keras_json_get(object, "config");
    const cJSON *history = keras_json_get(config, "keras_history");
    const cJSON *inside = keras_json_unwrap(object);
    if (keras_json_is_class(object, "__keras_tensor__")) {
        if (!is_ref(reader, history, true))
            return err_set(err, KD_EFORMAT, "a __keras_tensor__ without keras_history");
        return tensor_arg(reader, history->child, ret, err);
    }
    if (keras_json_is_class(object, "__slice__"))
        return read_slice(reader, config ? config : object, ret, err);
    if (keras_json_is_class(object, "__ellipsis__")) {
        ret->kind = KERAS_ARG_ELLIPSIS;
        return 0;
    }
    if (inside != object) {
        int rc = inside ? keras_read_arg(reader, inside, ret, err) : 0;
        ret->json = object; /* an array's dtype stands there */
        return rc;
    }
    if (keras_json_string(object, "class_name")) {
        ret->kind = KERAS_ARG_OBJECT;
        return 0;
    }
    return is_bare_slice(object) ? read_slice(reader, object, ret, err) : read_dict(reader, object, ret, err);
}

static void read_number(const cJSON *json, struct keras_arg *ret)
{
    bool is_int = !keras_json_is_float(json) && keras_json_int(json, &ret->integer);
    keras_json_number(json, &ret->number);
    ret->kind = is_int ? KERAS_ARG_INT : KERAS_ARG_FLOAT;
}

int keras_read_arg(struct keras_reader *reader, const cJSON *json, struct keras_arg *ret, struct err *err)
{
    *ret = (struct keras_arg){.kind = KERAS_ARG_NONE, .json = json};
    if (cJSON_IsNumber(json)) {
        read_number(json, ret);
    } else if (cJSON_IsBool(json)) {
        ret->kind = KERAS_ARG_BOOL;
        ret->boolean = cJSON_IsTrue(json);
        ret->integer = ret->boolean;
        ret->number = ret->boolean;
    } else if (cJSON_IsString(json)) {
        ret->kind = KERAS_ARG_STRING;
        ret->text = json->valuestring;
    } else if (cJSON_IsArray(json)) {
        if (!reader->keras_3 && is_ref(reader, json, false)) {
            if (strcmp(json->child->valuestring, CONSTANT_NAME) == 0)
                return keras_read_arg(reader, json->child->next->next, ret, err);
            return tensor_arg(reader, json->child, ret, err);
        }
        ret->kind = KERAS_ARG_LIST;
        return read_items(reader, json, ret, err);
    } else if (cJSON_IsObject(json)) {
        return read_object(reader, json, ret, err);
    }
    return 0;
}

static int read_kwargs(struct keras_reader *reader, const cJSON *object, struct keras_node *node,
                       struct err *err)
{
    struct keras_arg all = {0};
    char text[KERAS_JSON_BRIEF];
    if (!object || cJSON_IsNull(object))
        return 0;
    if (!cJSON_IsObject(object))
        return err_set(err, KD_EFORMAT, "expected an object of keyword arguments in inbound_nodes, found %s",
                       keras_json_brief(object, text, sizeof(text)));
    int rc = read_items(reader, object, &all, err);
    node->n_kwargs = all.n_items;
    node->kwargs = all.items;
    node->kwarg_names = read_keys(reader, object);
    return rc == 0 && !node->kwarg_names ? no_memory(err) : rc;
}

/* The first reference of a node; it carries the node's kwargs, as all the others do. */
static const cJSON *find_ref(const struct keras_reader *reader, const cJSON *json)
{
    while (json && !is_ref(reader, json, true))
        json = json->child;
    return json;
}

/* An old node holds references and structures of them; other values only as constants, which are references in
 * form. */
static int check_old_node(const struct keras_reader *reader, const cJSON *json, struct err *err)
{
    char text[KERAS_JSON_BRIEF];
    const cJSON *item;
    if (is_ref(reader, json, true))
        return 0;
    if (!cJSON_IsArray(json) && !cJSON_IsObject(json))
        return err_set(err, KD_EFORMAT,
                       "expected references to layers ([name, node, tensor]) in inbound_nodes, found %s",
                       keras_json_brief(json, text, sizeof(text)));
    int rc = 0;
    cJSON_ArrayForEach(item, json)
    {
        if (rc == 0)
            rc = check_old_node(reader, item, err);
    }
    return rc;
}

static int read_old_node(struct keras_reader *reader, const cJSON *json, bool keep_list,
                         struct keras_node *node, struct err *err)
{
    struct keras_arg *first = arena_calloc(reader->build->arena, 1, sizeof(*first));
    const cJSON *ref = find_ref(reader, json);
    if (ref && !is_ref(reader, ref, false))
        return err_set(err, KD_EFORMAT, "a node refers to the layer '%.100s', which the model does not have",
                       ref->child->valuestring);
    int rc = check_old_node(reader, json, err);
    if (rc == 0)
        rc = first ? keras_read_arg(reader, json, first, err) : no_memory(err);
    if (rc != 0)
        return rc;
    bool alone = first->kind == KERAS_ARG_LIST && first->n_items == 1 && !keep_list;
    node->n_args = 1;
    node->args = alone ? first->items : first;
    return read_kwargs(reader, ref ? cJSON_GetArrayItem(ref, 3) : NULL, node, err);
}

static int read_new_node(struct keras_reader *reader, const cJSON *json, struct keras_node *node,
                         struct err *err)
{
    struct keras_arg all = {0};
    const cJSON *args = keras_json_get(json, "args");
    char text[KERAS_JSON_BRIEF];
    if (args && !cJSON_IsArray(args))
        return err_set(err, KD_EFORMAT, "expected a list of arguments in inbound_nodes, found %s",
                       keras_json_brief(args, text, sizeof(text)));
    int rc = args ? read_items(reader, args, &all, err) : 0;
    node->n_args = all.n_items;
    node->args = all.items;
    return rc == 0 ? read_kwargs(reader, keras_json_get(json, "kwargs"), node, err) : rc;
}

int keras_read_node(struct keras_reader *reader, const cJSON *json, bool keep_list, struct keras_node *node,
                    struct err *err)
{
    bool new_form = keras_json_get(json, "args") || keras_json_get(json, "kwargs");
    reader->keras_3 = new_form;
    node->first_ref = reader->topology->refs.n;
    int rc =
        new_form ? read_new_node(reader, json, node, err) : read_old_node(reader, json, keep_list, node, err);
    node->end_ref = reader->topology->refs.n;
    return rc;
}

struct port_list {
    size_t n, capacity;
    struct keras_port *items;
};

static int add_port(struct keras_reader *reader, const cJSON *ref, const char *key, struct port_list *list,
                    struct err *err)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 4;
        struct keras_port *items = arena_calloc(reader->build->arena, capacity, sizeof(*items));
        if (!items)
            return no_memory(err);
        if (list->n)
            memcpy(items, list->items, list->n * sizeof(*items));
        list->items = items;
        list->capacity = capacity;
    }
    int rc = read_ref(reader, ref->child, &list->items[list->n].ref, err);
    list->items[list->n].key = key;
    if (rc == 0)
        list->n++;
    return rc;
}

static const cJSON *smallest_key_after(const cJSON *object, const char *last)
{
    const cJSON *item, *best = NULL;
    cJSON_ArrayForEach(item, object)
    {
        if ((!last || strcmp(item->string, last) > 0) && (!best || strcmp(item->string, best->string) < 0))
            best = item;
    }
    return best;
}

static int read_structure(struct keras_reader *reader, const cJSON *json, const char *key,
                          struct port_list *list, struct err *err)
{
    const cJSON *item;
    int rc = 0;
    if (is_ref(reader, json, true))
        return add_port(reader, json, key, list, err);
    if (keras_json_is_class(json, "__keras_tensor__"))
        return read_structure(reader, keras_json_get(keras_json_get(json, "config"), "keras_history"), key,
                              list, err);
    if (cJSON_IsObject(json) && cJSON_GetArraySize(json) <= MAX_KEYS) {
        for (item = smallest_key_after(json, NULL); rc == 0 && item;
             item = smallest_key_after(json, item->string))
            rc = read_structure(reader, item, item->string, list, err);
        return rc;
    }
    char text[KERAS_JSON_BRIEF];
    if (!cJSON_IsArray(json))
        return err_set(err, KD_EFORMAT,
                       "input_layers and output_layers: expected references to layers ([name, node, tensor]), "
                       "found %s", keras_json_brief(json, text, sizeof(text)));
    cJSON_ArrayForEach(item, json)
    {
        if (rc == 0)
            rc = read_structure(reader, item, key, list, err);
    }
    return rc;
}

int keras_read_ports(struct keras_reader *reader, const cJSON *json, struct keras_port **ret, size_t *ret_n,
                     struct err *err)
{
    struct port_list list = {0};
    reader->of_outputs = true;
    int rc = read_structure(reader, json, NULL, &list, err);
    reader->of_outputs = false;
    *ret = list.items;
    *ret_n = list.n;
    return rc;
}
