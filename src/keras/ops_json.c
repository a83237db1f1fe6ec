/* A JSON value as an argument: the constructor arguments of operations stand in a config as plain JSON.
 *
 * The tree is walked with a stack of bounded depth, one frame per open list. Slices and the ellipsis are
 * objects by name; other objects stay what they are (KERAS_ARG_OBJECT) and are looked at by the function that
 * takes them. */
#include "base/arena.h"
#include "base/err.h"
#include "keras/json.h"
#include "keras/ops.h"

#define MAX_DEPTH 16

struct frame {
    const cJSON *next;       /* the item to convert next */
    struct keras_arg *items; /* where it goes */
    size_t i;
};

static void set_number(const cJSON *json, struct keras_arg *ret)
{
    ret->number = json->valuedouble;
    ret->kind = KERAS_ARG_FLOAT;
    if (!keras_json_is_float(json) && keras_json_int(json, &ret->integer))
        ret->kind = KERAS_ARG_INT;
}

/* Everything but lists and slices, which have items. */
static void set_plain(const cJSON *json, struct keras_arg *ret)
{
    *ret = (struct keras_arg){.kind = KERAS_ARG_NONE, .json = json, .tensor = {ENGINE_NONE, ENGINE_NONE}};
    if (cJSON_IsBool(json)) {
        ret->kind = KERAS_ARG_BOOL;
        ret->boolean = cJSON_IsTrue(json);
        ret->integer = ret->boolean;
    } else if (cJSON_IsNumber(json)) {
        set_number(json, ret);
    } else if (cJSON_IsString(json)) {
        ret->kind = KERAS_ARG_STRING;
        ret->text = json->valuestring;
    } else if (keras_json_is_class(json, "__ellipsis__")) {
        ret->kind = KERAS_ARG_ELLIPSIS;
    } else if (cJSON_IsObject(json)) {
        ret->kind = KERAS_ARG_OBJECT;
    }
}

/* The items of a list, or start, stop, step of a slice; NULL if the value has none. */
static const cJSON *items_of(const cJSON *json, const cJSON *slice[3], size_t *n, enum keras_arg_kind *kind)
{
    const cJSON *config = keras_json_get(json, "config");
    const cJSON *fields = keras_json_is_class(json, "__slice__") ? config : json;
    *kind = KERAS_ARG_LIST;
    if (keras_json_is_class(json, "__tuple__"))
        json = keras_json_get(json, "items");
    if (cJSON_IsArray(json)) {
        *n = (size_t)cJSON_GetArraySize(json);
        return json->child;
    }
    if (!keras_json_get(fields, "start") || !keras_json_get(fields, "stop"))
        return NULL;
    *kind = KERAS_ARG_SLICE;
    *n = 3;
    slice[0] = keras_json_get(fields, "start");
    slice[1] = keras_json_get(fields, "stop");
    slice[2] = keras_json_get(fields, "step");
    return slice[0];
}

/* Converts one value; a list gets its (empty) items and a frame of its own. */
static int convert(struct arena *arena, const cJSON *json, struct keras_arg *ret, struct frame *stack,
                   int *depth, struct err *err)
{
    const cJSON *slice[3] = {NULL, NULL, NULL};
    enum keras_arg_kind kind;
    size_t n = 0;
    set_plain(json, ret);
    const cJSON *first = items_of(json, slice, &n, &kind);
    bool empty = cJSON_IsArray(json) && n == 0;
    if (!first && !empty)
        return 0;
    struct keras_arg *items = arena_calloc(arena, n + 1, sizeof(*items));
    if (!items)
        return err_set(err, KD_ENOMEM, "out of memory");
    ret->kind = kind;
    ret->n_items = n;
    ret->items = items;
    for (size_t i = 0; kind == KERAS_ARG_SLICE && i < 3; i++)
        set_plain(slice[i], &items[i]);
    if (kind == KERAS_ARG_SLICE || empty)
        return 0;
    if (*depth == MAX_DEPTH)
        return err_set(err, KD_ETOOBIG, "an argument is nested deeper than %d levels", MAX_DEPTH);
    stack[(*depth)++] = (struct frame){.next = first, .items = items};
    return 0;
}

int ops_arg_of_json(struct arena *arena, const cJSON *json, struct keras_arg *ret, struct err *err)
{
    struct frame stack[MAX_DEPTH];
    int depth = 0;
    int rc = convert(arena, json, ret, stack, &depth, err);
    while (rc == 0 && depth > 0) {
        struct frame *top = &stack[depth - 1];
        if (!top->next) {
            depth--;
            continue;
        }
        const cJSON *item = top->next;
        top->next = item->next;
        rc = convert(arena, item, &top->items[top->i++], stack, &depth, err);
    }
    return rc;
}
