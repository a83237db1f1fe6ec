/* Arguments of functions as values: nested lists to constants, numbers, axes, dtypes, shapes, operand pairs.
 *
 * A constant has no type of its own in the file: its numbers are integers or not. Beside a tensor it takes
 * the type that the dialect gives it: TensorFlow converts it to the tensor's type, Keras 3 promotes both,
 * Python numbers being weak. Everything reports through the graph's sticky error, so lowering code needs no
 * checks in between. */
#include "keras/ops.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "keras/json.h"

engine_value ops_fail(struct ops_call *op, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return engine_graph_fail(op->graph, KD_EUNSUPPORTED, "function '%s': %s", op->function, text);
}

/* The i-th parameter's name, for messages. */
static const char *param_name(const struct ops_call *op, int i, char name[64])
{
    const char *at = op->row->params;
    for (; i > 0 && (at = strchr(at, ' ')); i--)
        at++;
    size_t length = at ? strcspn(at, " |") : 0;
    snprintf(name, 64, "%.*s", (int)length, at ? at : "");
    return name;
}

static void fail_argument(struct ops_call *op, int i, const char *expected)
{
    char name[64];
    ops_fail(op, "argument '%s' must be %s", param_name(op, i, name), expected);
}

bool ops_absent(struct ops_call *op, int i)
{
    char name[64];
    if (!op->arg[i])
        return true;
    ops_fail(op, "argument '%s' is not served", param_name(op, i, name));
    return false;
}

/* ---- constants ---- */

/* {"class_name": "__numpy__" or "__tensor__", "config": {"value": [...], "dtype": "float32"}}: the dtype
 * inside. */
enum dtype ops_wrapped_dtype(const struct keras_arg *arg)
{
    if (!keras_json_is_class(arg->json, "__numpy__") && !keras_json_is_class(arg->json, "__tensor__"))
        return DTYPE_INVALID;
    const char *name = keras_json_string(keras_json_get(arg->json, "config"), "dtype");
    return name ? dtype_from_name(name) : DTYPE_INVALID;
}

/* The shape by the first items; false if too deep. */
static bool list_shape(const struct keras_arg *arg, struct shape *shape)
{
    shape->rank = 0;
    for (; arg->kind == KERAS_ARG_LIST; arg = &arg->items[0]) {
        if (shape->rank == SHAPE_MAX_RANK)
            return false;
        shape->dim[shape->rank++] = (int64_t)arg->n_items;
        if (arg->n_items == 0)
            return true;
    }
    return true;
}

/* Element `flat` of a nested list; NULL if the list is ragged there. */
static const struct keras_arg *list_element(const struct keras_arg *arg, const struct shape *shape,
                                            int64_t flat)
{
    int64_t stride[SHAPE_MAX_RANK];
    shape_strides(shape, stride);
    for (int axis = 0; axis < shape->rank; axis++) {
        if (arg->kind != KERAS_ARG_LIST || (int64_t)arg->n_items != shape->dim[axis])
            return NULL;
        arg = &arg->items[flat / stride[axis]];
        flat %= stride[axis];
    }
    return arg->kind == KERAS_ARG_LIST ? NULL : arg;
}

/* Python's type of a scalar or list: the widest of its elements. */
enum dtype ops_natural_dtype(const struct keras_arg *arg)
{
    struct shape shape;
    int64_t n = 0;
    enum dtype dtype = DTYPE_INVALID;
    if (arg->kind == KERAS_ARG_TENSOR || !list_shape(arg, &shape) || !shape_elements(&shape, &n))
        return DTYPE_INVALID;
    for (int64_t i = 0; i < n; i++) {
        const struct keras_arg *element = list_element(arg, &shape, i);
        if (!element)
            return DTYPE_INVALID;
        if (element->kind == KERAS_ARG_STRING)
            return DTYPE_STRING;
        if (element->kind == KERAS_ARG_FLOAT)
            dtype = DTYPE_FLOAT32;
        else if (element->kind == KERAS_ARG_INT && dtype != DTYPE_FLOAT32)
            dtype = DTYPE_INT32;
        else if (element->kind == KERAS_ARG_BOOL && dtype == DTYPE_INVALID)
            dtype = DTYPE_BOOL;
    }
    return n ? dtype : DTYPE_FLOAT32;
}

static bool store_element(enum dtype dtype, void *data, int64_t i, const struct keras_arg *element)
{
    bool number = element->kind == KERAS_ARG_FLOAT || element->kind == KERAS_ARG_INT ||
                  element->kind == KERAS_ARG_BOOL;
    if (dtype == DTYPE_STRING && element->kind == KERAS_ARG_STRING) {
        ((struct str_view *)data)[i] = (struct str_view){element->text, strlen(element->text)};
        return true;
    }
    if (dtype == DTYPE_STRING || !number)
        return false;
    bool is_float = element->kind == KERAS_ARG_FLOAT;
    double value = is_float ? element->number : (double)element->integer;
    if (dtype_is_float(dtype))
        ((float *)data)[i] = (float)value;
    else if (dtype == DTYPE_BOOL)
        ((int64_t *)data)[i] = value != 0;
    else if (!is_float)
        ((int64_t *)data)[i] = dtype_wrap(dtype, element->integer);
    else if (value >= -0x1p63 && value < 0x1p63)
        ((int64_t *)data)[i] = dtype_wrap(dtype, (int64_t)value);
    else
        return false;
    return true;
}

static engine_value list_constant(const struct keras_layer *layer, struct keras_call *call,
                                  const struct keras_arg *arg, enum dtype dtype)
{
    struct shape shape;
    int64_t n = 0;
    if (dtype == DTYPE_INVALID || !list_shape(arg, &shape) || !shape_elements(&shape, &n))
        return engine_graph_fail(call->graph, KD_EFORMAT,
                                 "a constant argument is not a number or regular list");
    void *data = arena_calloc(layer->arena, (size_t)n + 1, storage_size(dtype_storage(dtype)));
    if (!data)
        return engine_graph_fail(call->graph, KD_ENOMEM, "out of memory");
    for (int64_t i = 0; i < n; i++) {
        const struct keras_arg *element = list_element(arg, &shape, i);
        if (!element || !store_element(dtype, data, i, element))
            return engine_graph_fail(call->graph, KD_EFORMAT,
                                     "a constant argument holds something that is no %s, or is ragged",
                                     dtype_name(dtype));
    }
    return engine_constant_copy(call->graph, dtype, &shape, data);
}

/* A list that holds tensors among numbers: [batch, 4, n]. One level. */
static bool holds_tensor(const struct keras_arg *arg)
{
    for (size_t i = 0; arg->kind == KERAS_ARG_LIST && i < arg->n_items; i++)
        if (arg->items[i].kind == KERAS_ARG_TENSOR)
            return true;
    return false;
}

static engine_value mixed_list(const struct keras_layer *layer, struct keras_call *call,
                               const struct keras_arg *arg, enum dtype dtype)
{
    engine_value *values = arena_calloc(layer->arena, arg->n_items, sizeof(*values));
    if (!values)
        return engine_graph_fail(call->graph, KD_ENOMEM, "out of memory");
    for (size_t i = 0; i < arg->n_items && dtype == DTYPE_INVALID; i++)
        if (arg->items[i].kind == KERAS_ARG_TENSOR)
            dtype = engine_dtype(call->graph, arg->items[i].tensor.value);
    for (size_t i = 0; i < arg->n_items; i++) {
        const struct keras_arg *item = &arg->items[i];
        values[i] = item->kind == KERAS_ARG_TENSOR ? engine_cast(call->graph, item->tensor.value, dtype)
                                                   : list_constant(layer, call, item, dtype);
    }
    return engine_stack(call->graph, values, (int)arg->n_items, 0);
}

engine_value ops_constant(const struct keras_layer *layer, struct keras_call *call,
                          const struct keras_arg *arg, enum dtype dtype)
{
    struct keras_arg plain;
    struct err err = {0};
    if (arg->kind == KERAS_ARG_TENSOR)
        return arg->tensor.value;
    if (holds_tensor(arg))
        return mixed_list(layer, call, arg, dtype);
    if (arg->kind == KERAS_ARG_OBJECT) {
        const cJSON *value = keras_json_unwrap(arg->json);
        if (dtype == DTYPE_INVALID)
            dtype = ops_wrapped_dtype(arg);
        if (value == arg->json || ops_arg_of_json(layer->arena, value, &plain, &err))
            return engine_graph_fail(call->graph, KD_EUNSUPPORTED,
                                     "an argument is an object that is no constant");
        arg = &plain;
    }
    if (dtype == DTYPE_INVALID)
        dtype = ops_wrapped_dtype(arg);
    return list_constant(layer, call, arg, dtype == DTYPE_INVALID ? ops_natural_dtype(arg) : dtype);
}

/* ---- numbers ---- */

/* The argument as a scalar: itself, or the value of a tensor that follows from constants and known sizes. */
static bool scalar(struct ops_call *op, const struct keras_arg *arg, double *ret)
{
    if (arg->kind == KERAS_ARG_LIST && arg->n_items == 1)
        arg = &arg->items[0];
    if (arg->kind == KERAS_ARG_INT || arg->kind == KERAS_ARG_BOOL)
        return *ret = (double)arg->integer, true;
    if (arg->kind == KERAS_ARG_FLOAT)
        return *ret = arg->number, true;
    if (arg->kind != KERAS_ARG_TENSOR)
        return false;
    int64_t known, n = 0;
    if (engine_known_elements(op->graph, arg->tensor.value, &known, 1) == 1 && known != ENGINE_NOT_KNOWN)
        return *ret = (double)known, true;
    const struct tensor *tensor = engine_constant_of(op->graph, arg->tensor.value);
    if (!tensor || !shape_elements(&tensor->shape, &n) || n != 1 ||
        dtype_storage(tensor->dtype) != STORAGE_F32)
        return false;
    *ret = (double)tensor_f32(tensor)[0];
    return true;
}

double ops_number(struct ops_call *op, int i, double absent)
{
    double value = absent;
    if (op->arg[i] && !scalar(op, op->arg[i], &value))
        fail_argument(op, i, "a constant number");
    return value;
}

int64_t ops_int(struct ops_call *op, int i, int64_t absent)
{
    double value = 0;
    if (!op->arg[i])
        return absent;
    if (op->arg[i]->kind == KERAS_ARG_INT)
        return op->arg[i]->integer;
    if (!scalar(op, op->arg[i], &value) || value != floor(value) || fabs(value) > 0x1p53) {
        fail_argument(op, i, "a constant integer");
        return absent;
    }
    return (int64_t)value;
}

bool ops_bool(struct ops_call *op, int i, bool absent)
{
    return ops_number(op, i, absent) != 0;
}

const char *ops_text(struct ops_call *op, int i, const char *absent)
{
    if (!op->arg[i])
        return absent;
    if (op->arg[i]->kind != KERAS_ARG_STRING) {
        fail_argument(op, i, "a string");
        return absent ? absent : "";
    }
    return op->arg[i]->text;
}

/* "float32", "tf.float32", "DT_FLOAT"-less forms; an object {"config": "float32"} as Keras 3 writes some. */
enum dtype ops_dtype(struct ops_call *op, int i, enum dtype absent)
{
    const struct keras_arg *arg = op->arg[i];
    if (!arg)
        return absent;
    const char *text = arg->kind == KERAS_ARG_STRING ? arg->text : "";
    const char *dot = strrchr(text, '.');
    text = dot ? dot + 1 : text;
    enum dtype dtype = dtype_from_name(str_equal(text, "bool_") ? "bool" : text);
    if (dtype == DTYPE_INVALID)
        fail_argument(op, i, "a data type");
    return dtype == DTYPE_INVALID ? DTYPE_FLOAT32 : dtype;
}

int ops_ints(struct ops_call *op, int i, int64_t *values, int max)
{
    const struct keras_arg *arg = op->arg[i];
    double value;
    if (!arg)
        return -1;
    if (arg->kind == KERAS_ARG_TENSOR) {
        int known = engine_known_elements(op->graph, arg->tensor.value, values, max);
        for (int k = 0; k < known; k++)
            if (values[k] == ENGINE_NOT_KNOWN)
                known = -1;
        if (known < 0)
            fail_argument(op, i, "known when the model is loaded: a constant, or of sizes that are");
        return known;
    }
    bool is_list = arg->kind == KERAS_ARG_LIST;
    size_t n = is_list ? arg->n_items : 1;
    for (size_t k = 0; k < n; k++) {
        const struct keras_arg *item = is_list ? &arg->items[k] : arg;
        if (n > (size_t)max || !scalar(op, item, &value) || value != floor(value) || fabs(value) > 0x1p53) {
            fail_argument(op, i, "a constant integer or a list of them");
            return -1;
        }
        values[k] = (int64_t)value;
    }
    return (int)n;
}

int ops_axis(struct ops_call *op, int i, int rank, int64_t absent)
{
    int64_t axis = ops_int(op, i, absent);
    axis = axis < 0 ? axis + rank : axis;
    if (axis < 0 || axis >= (rank ? rank : 1)) {
        ops_fail(op, "axis %lld is outside of rank %d", (long long)ops_int(op, i, absent), rank);
        return 0;
    }
    return (int)axis;
}

int ops_axes(struct ops_call *op, int i, int rank, int *axes)
{
    int64_t values[SHAPE_MAX_RANK];
    int n = ops_ints(op, i, values, SHAPE_MAX_RANK);
    for (int k = 0; k < n; k++) {
        axes[k] = (int)(values[k] < 0 ? values[k] + rank : values[k]);
        if (values[k] < -rank || values[k] >= rank) {
            ops_fail(op, "axis %lld is outside of rank %d", (long long)values[k], rank);
            return 0;
        }
    }
    return n < 0 ? 0 : n;
}

/* ---- tensors ---- */

engine_value ops_tensor(struct ops_call *op, int i, enum dtype dtype)
{
    if (!op->arg[i]) {
        char name[64];
        return ops_fail(op, "argument '%s' is missing", param_name(op, i, name));
    }
    return ops_constant(op->layer, op->call, op->arg[i], dtype);
}

engine_value ops_to_float(struct engine_graph *graph, engine_value x)
{
    if (x == ENGINE_NONE || dtype_is_float(engine_dtype(graph, x)))
        return x;
    return engine_cast(graph, x, DTYPE_FLOAT32);
}

engine_value ops_tensor_float(struct ops_call *op, int i)
{
    return ops_to_float(op->graph, ops_tensor(op, i, DTYPE_INVALID));
}

int ops_sizes(struct ops_call *op, int i, engine_value *ret, int64_t *known)
{
    engine_value sizes = ops_tensor(op, i, DTYPE_INT64);
    if (sizes == ENGINE_NONE)
        return -1;
    sizes = engine_cast(op->graph, sizes, DTYPE_INT64);
    if (engine_rank(op->graph, sizes) == 0)
        sizes = engine_expand_dims(op->graph, sizes, 0);
    int64_t rank = engine_dim(op->graph, sizes, 0);
    if (rank < 0 || rank > SHAPE_MAX_RANK || engine_rank(op->graph, sizes) != 1) {
        ops_fail(op, "a shape must be a list of at most %d sizes", SHAPE_MAX_RANK);
        return -1;
    }
    engine_known_elements(op->graph, sizes, known, SHAPE_MAX_RANK);
    *ret = sizes;
    return (int)rank;
}

size_t ops_list(struct ops_call *op, int i, engine_value *values, size_t max)
{
    const struct keras_arg *arg = op->arg[i];
    enum dtype dtype = DTYPE_INVALID;
    if (!arg || arg->kind != KERAS_ARG_LIST || arg->n_items == 0 || arg->n_items > max) {
        if (arg && arg->kind == KERAS_ARG_TENSOR)
            return values[0] = arg->tensor.value, 1;
        fail_argument(op, i, "a list of tensors");
        return 0;
    }
    for (size_t k = 0; k < arg->n_items; k++) {
        const struct keras_arg *item = &arg->items[k];
        if (item->kind != KERAS_ARG_TENSOR)
            continue;
        enum dtype own = engine_dtype(op->graph, item->tensor.value);
        dtype = dtype == DTYPE_INVALID ? own : ops_promote(dtype, false, own, false);
    }
    for (size_t k = 0; k < arg->n_items; k++) {
        values[k] = ops_constant(op->layer, op->call, &arg->items[k], dtype);
        if (dtype != DTYPE_INVALID)
            values[k] = engine_cast(op->graph, values[k], dtype);
    }
    return arg->n_items;
}

engine_value ops_outputs(struct ops_call *op, const engine_value *values, size_t n)
{
    if (n > KERAS_MAX_OUTPUTS)
        return ops_fail(op, "%zu results, at most %d are served", n, KERAS_MAX_OUTPUTS);
    memcpy(op->outputs, values, n * sizeof(*values));
    op->n_outputs = n;
    op->is_list = true;
    return ENGINE_NONE;
}
