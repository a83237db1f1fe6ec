/* Constants: numbers of configs and nodes as values of the graph. */
#include <stdlib.h>

#include "keras/build.h"
#include "keras/json.h"

engine_value keras_scalar(struct keras_call *call, engine_value like, double number)
{
    if (like == ENGINE_NONE)
        return ENGINE_NONE;
    enum dtype dtype = engine_dtype(call->graph, like);
    float value = (float)number;
    struct shape scalar = {.rank = 0};
    if (dtype_is_float(dtype))
        return engine_constant_copy(call->graph, dtype, &scalar, &value);
    return engine_scalar_i64(call->graph, dtype, (int64_t)number);
}

/* The shape of a nested list, by its first items. False if it is too deep or a size is 0 above the last axis.
 */
static bool list_shape(const cJSON *json, struct shape *ret)
{
    ret->rank = 0;
    for (const cJSON *item = json; cJSON_IsArray(item); item = item->child) {
        if (ret->rank == SHAPE_MAX_RANK)
            return false;
        ret->dim[ret->rank++] = cJSON_GetArraySize(item);
        if (!item->child)
            return true;
    }
    return true;
}

struct filler {
    const struct shape *shape;
    enum dtype dtype;
    size_t n;
    float *floats;
    int64_t *ints;
};

static bool fill_number(struct filler *filler, const cJSON *item)
{
    int64_t integer = cJSON_IsTrue(item);
    double number = (double)integer;
    if (!cJSON_IsBool(item) && !keras_json_number(item, &number))
        return false;
    if (dtype_is_float(filler->dtype))
        filler->floats[filler->n++] = (float)number;
    else if (cJSON_IsBool(item) || keras_json_int(item, &integer))
        filler->ints[filler->n++] = integer;
    else
        return false;
    return true;
}

/* Recursion by axis, at most SHAPE_MAX_RANK deep. */
static bool fill(struct filler *filler, const cJSON *json, int axis)
{
    const cJSON *item;
    if (axis == filler->shape->rank)
        return fill_number(filler, json);
    if (!cJSON_IsArray(json) || cJSON_GetArraySize(json) != filler->shape->dim[axis])
        return false;
    cJSON_ArrayForEach(item, json)
    {
        if (!fill(filler, item, axis + 1))
            return false;
    }
    return true;
}

engine_value keras_constant_json(struct keras_call *call, const cJSON *json, enum dtype dtype)
{
    struct shape shape;
    int64_t n;
    char text[KERAS_JSON_BRIEF];
    const cJSON *list = keras_json_unwrap(json);
    if (!list_shape(list, &shape) || !shape_elements(&shape, &n))
        return engine_graph_fail(call->graph, KD_EUNSUPPORTED, "a constant of more than %d axes",
                                 SHAPE_MAX_RANK);
    void *data = calloc((size_t)n + 1, sizeof(int64_t));
    if (!data)
        return engine_graph_fail(call->graph, KD_ENOMEM, "out of memory");
    struct filler filler = {.shape = &shape, .dtype = dtype, .floats = data, .ints = data};
    engine_value value;
    if (fill(&filler, list, 0))
        value = engine_constant_copy(call->graph, dtype, &shape, data);
    else
        value = engine_graph_fail(call->graph, KD_EUNSUPPORTED, "expected a rectangular list of %s, found %s",
                                  dtype_is_float(dtype) ? "numbers" : "integers",
                                  keras_json_brief(json, text, sizeof(text)));
    free(data);
    return value;
}
