/* expr_lower: from an expression to engine ops. Each node becomes a value, an argument tree as calls of functions
 * take it (layer.h): constants are computed here, as Python would; anything with a tensor in it goes through the one
 * table of functions (ops.h). A node is lowered once per call of the layer, however often it is used.
 *
 * Names are known by their spelling alone: K, tf, np, keras.ops and the like are what everyone imports them as. A
 * bare name in bytecode is the user's own function or variable, whose value the file does not hold: refused. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "keras/expr_lowering.h"

#define LIST_MAX 256

const struct keras_arg expr_none = {.kind = KERAS_ARG_NONE};

const struct keras_arg *expr_refuse(struct lowering *lowering, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err_set(lowering->err, KD_EUNSUPPORTED, "%s", text);
    return NULL;
}

/* ---- making values ---- */

struct keras_arg *expr_value(struct lowering *lowering, enum keras_arg_kind kind)
{
    struct keras_arg *arg = arena_alloc(lowering->layer->arena, sizeof(*arg));
    if (arg)
        arg->kind = kind;
    else
        err_set(lowering->err, KD_ENOMEM, "out of memory");
    return arg;
}

const struct keras_arg *expr_int_value(struct lowering *lowering, int64_t integer)
{
    struct keras_arg *arg = expr_value(lowering, KERAS_ARG_INT);
    if (arg) {
        arg->integer = integer;
        arg->number = (double)integer;
    }
    return arg;
}

const struct keras_arg *expr_float_value(struct lowering *lowering, double number)
{
    struct keras_arg *arg = expr_value(lowering, KERAS_ARG_FLOAT);
    if (arg)
        arg->number = number;
    return arg;
}

const struct keras_arg *expr_bool_value(struct lowering *lowering, bool boolean)
{
    struct keras_arg *arg = expr_value(lowering, KERAS_ARG_BOOL);
    if (arg) {
        arg->boolean = boolean;
        arg->integer = boolean;
        arg->number = boolean;
    }
    return arg;
}

const struct keras_arg *expr_text_value(struct lowering *lowering, const char *text)
{
    struct keras_arg *arg = expr_value(lowering, KERAS_ARG_STRING);
    if (arg)
        arg->text = text;
    return arg;
}

const struct keras_arg *expr_array_value(struct lowering *lowering, const struct keras_arg *from)
{
    if (from->kind != KERAS_ARG_LIST)
        return from;
    struct keras_arg *arg = expr_value(lowering, KERAS_ARG_LIST);
    if (arg) {
        *arg = *from;
        arg->array = true;
    }
    return arg;
}

struct keras_arg *expr_list_value(struct lowering *lowering, enum keras_arg_kind kind, size_t n)
{
    struct keras_arg *arg = expr_value(lowering, kind);
    if (!arg)
        return NULL;
    arg->n_items = n;
    arg->items = arena_calloc(lowering->layer->arena, n, sizeof(struct keras_arg));
    if (arg->items)
        return arg;
    err_set(lowering->err, KD_ENOMEM, "out of memory");
    return NULL;
}

void expr_set_item(struct keras_arg *list, size_t i, const struct keras_arg *item)
{
    ((struct keras_arg *)(uintptr_t)list->items)[i] = *item;
}

bool expr_is_number(const struct keras_arg *arg)
{
    return arg->kind == KERAS_ARG_INT || arg->kind == KERAS_ARG_FLOAT || arg->kind == KERAS_ARG_BOOL;
}

static bool is_integer(const struct keras_arg *arg)
{
    return arg->kind == KERAS_ARG_INT || arg->kind == KERAS_ARG_BOOL;
}

/* ---- functions ---- */

const struct keras_arg *expr_apply(struct lowering *lowering, enum ops_dialect dialect, const char *name,
                                     const struct ops_args *args)
{
    struct keras_arg *result = expr_value(lowering, KERAS_ARG_NONE);
    if (!result || ops_apply(lowering->layer, lowering->call, dialect, name, args, result, lowering->err))
        return NULL;
    return result;
}

static const struct keras_arg *apply_values(struct lowering *lowering, const char *name, const struct keras_arg *x,
                                            const struct keras_arg *y)
{
    struct keras_arg pair[2] = {*x};
    if (y)
        pair[1] = *y;
    struct ops_args args = {.n_args = y ? 2 : 1, .args = pair};
    return expr_apply(lowering, OPS_TENSORFLOW, name, &args);
}

/* ---- operators ---- */

static const char *const binary_names[EXPR_OP_COUNT] = {
    [EXPR_ADD] = "math.add",
    [EXPR_SUBTRACT] = "math.subtract",
    [EXPR_MULTIPLY] = "math.multiply",
    [EXPR_DIVIDE] = "math.truediv",
    [EXPR_FLOOR_DIVIDE] = "math.floordiv",
    [EXPR_MODULO] = "math.floormod",
    [EXPR_POWER] = "math.pow",
    [EXPR_MATMUL] = "linalg.matmul",
    [EXPR_AND] = "math.logical_and",
    [EXPR_OR] = "math.logical_or",
    [EXPR_XOR] = "math.logical_xor",
    [EXPR_LESS] = "math.less",
    [EXPR_LESS_EQUAL] = "math.less_equal",
    [EXPR_EQUAL] = "math.equal",
    [EXPR_NOT_EQUAL] = "math.not_equal",
    [EXPR_GREATER] = "math.greater",
    [EXPR_GREATER_EQUAL] = "math.greater_equal",
};

static const struct keras_arg *integer_operator(struct lowering *lowering, int op, int64_t a, int64_t b)
{
    int64_t value;
    bool overflow = false;
    if ((op == EXPR_FLOOR_DIVIDE || op == EXPR_MODULO) && (b == 0 || (b == -1 && a == INT64_MIN)))
        return expr_refuse(lowering, "it divides by zero");
    switch (op) {
    case EXPR_ADD:
        overflow = __builtin_add_overflow(a, b, &value);
        break;
    case EXPR_SUBTRACT:
        overflow = __builtin_sub_overflow(a, b, &value);
        break;
    case EXPR_MULTIPLY:
        overflow = __builtin_mul_overflow(a, b, &value);
        break;
    case EXPR_FLOOR_DIVIDE:
        value = a / b - (a % b != 0 && (a % b < 0) != (b < 0));
        break;
    default:
        value = a % b + (a % b != 0 && (a % b < 0) != (b < 0) ? b : 0);
        break;
    }
    return overflow ? expr_float_value(lowering, (double)a) : expr_int_value(lowering, value);
}

static const struct keras_arg *float_operator(struct lowering *lowering, int op, double a, double b)
{
    switch (op) {
    case EXPR_ADD:
        return expr_float_value(lowering, a + b);
    case EXPR_SUBTRACT:
        return expr_float_value(lowering, a - b);
    case EXPR_MULTIPLY:
        return expr_float_value(lowering, a * b);
    case EXPR_FLOOR_DIVIDE:
        return expr_float_value(lowering, floor(a / b));
    case EXPR_MODULO:
        return expr_float_value(lowering, a - b * floor(a / b));
    case EXPR_POWER:
        return expr_float_value(lowering, pow(a, b));
    case EXPR_LESS:
        return expr_bool_value(lowering, a < b);
    case EXPR_LESS_EQUAL:
        return expr_bool_value(lowering, a <= b);
    case EXPR_EQUAL:
        return expr_bool_value(lowering, a == b);
    case EXPR_NOT_EQUAL:
        return expr_bool_value(lowering, a != b);
    case EXPR_GREATER:
        return expr_bool_value(lowering, a > b);
    case EXPR_GREATER_EQUAL:
        return expr_bool_value(lowering, a >= b);
    default:
        return expr_refuse(lowering, "it combines numbers in a way that is not served: %s", binary_names[op]);
    }
}

static const struct keras_arg *number_operator(struct lowering *lowering, int op, const struct keras_arg *a,
                                               const struct keras_arg *b)
{
    bool integers = is_integer(a) && is_integer(b);
    if (op == EXPR_DIVIDE)
        return expr_float_value(lowering, a->number / b->number);
    if (integers && (op == EXPR_ADD || op == EXPR_SUBTRACT || op == EXPR_MULTIPLY || op == EXPR_FLOOR_DIVIDE ||
                     op == EXPR_MODULO))
        return integer_operator(lowering, op, a->integer, b->integer);
    const struct keras_arg *result = float_operator(lowering, op, a->number, b->number);
    bool whole = result && integers && op == EXPR_POWER && b->integer >= 0 && fabs(result->number) < 9e15;
    return whole ? expr_int_value(lowering, (int64_t)result->number) : result;
}

static const struct keras_arg *join_lists(struct lowering *lowering, const struct keras_arg *a,
                                          const struct keras_arg *b)
{
    struct keras_arg *list = expr_list_value(lowering, KERAS_ARG_LIST, a->n_items + b->n_items);
    for (size_t i = 0; list && i < list->n_items; i++)
        expr_set_item(list, i, i < a->n_items ? &a->items[i] : &b->items[i - a->n_items]);
    return list;
}

static bool has_tensor(const struct keras_arg *arg)
{
    for (size_t i = 0; i < arg->n_items; i++)
        if (arg->items[i].kind == KERAS_ARG_TENSOR)
            return true;
    return arg->kind == KERAS_ARG_TENSOR;
}

/* Arrays of numbers, or one and a number: as tensors. */
static const struct keras_arg *array_operator(struct lowering *lowering, int op, const struct keras_arg *a,
                                              const struct keras_arg *b)
{
    if (a->array)
        a = apply_values(lowering, "convert_to_tensor", a, NULL);
    if (a && b->array)
        b = apply_values(lowering, "convert_to_tensor", b, NULL);
    return a && b ? apply_values(lowering, binary_names[op], a, b) : NULL;
}

static const struct keras_arg *lower_binary(struct lowering *lowering, struct expr *expr)
{
    const struct keras_arg *a = expr_lower_node(lowering, expr->items[0]);
    const struct keras_arg *b = a ? expr_lower_node(lowering, expr->items[1]) : NULL;
    if (!b)
        return NULL;
    if (expr_is_number(a) && expr_is_number(b))
        return number_operator(lowering, expr->op, a, b);
    bool constant = !has_tensor(a) && !has_tensor(b);
    if (constant && (a->array || b->array))
        return array_operator(lowering, expr->op, a, b);
    if (expr->op == EXPR_ADD && a->kind == KERAS_ARG_LIST && b->kind == KERAS_ARG_LIST)
        return join_lists(lowering, a, b);
    if (constant)
        return expr_refuse(lowering, "it combines values that are no tensors by '%s'", binary_names[expr->op]);
    return apply_values(lowering, binary_names[expr->op], a, b);
}

static const struct keras_arg *lower_unary(struct lowering *lowering, struct expr *expr)
{
    const struct keras_arg *a = expr_lower_node(lowering, expr->items[0]);
    if (!a || expr->op == '+')
        return a;
    if (expr->op == '!')
        return expr_is_number(a) ? expr_bool_value(lowering, a->number == 0)
                            : expr_refuse(lowering, "it uses 'not' on a tensor, whose truth depends on the data");
    if (expr->op == '-' && is_integer(a))
        return expr_int_value(lowering, -a->integer);
    if (expr->op == '-' && expr_is_number(a))
        return expr_float_value(lowering, -a->number);
    return apply_values(lowering, expr->op == '-' ? "math.negative" : "math.logical_not", a, NULL);
}

/* ---- indexing ---- */

static const struct keras_arg *index_list(struct lowering *lowering, const struct keras_arg *list,
                                          const struct keras_arg *index)
{
    int64_t n = (int64_t)list->n_items;
    if (is_integer(index)) {
        int64_t i = index->integer < 0 ? index->integer + n : index->integer;
        return i >= 0 && i < n ? &list->items[i] : expr_refuse(lowering, "it takes an item that the list has not");
    }
    if (index->kind != KERAS_ARG_SLICE || (index->items[2].kind != KERAS_ARG_NONE && index->items[2].integer != 1))
        return expr_refuse(lowering, "it indexes a list by something that is not a constant");
    int64_t bounds[2] = {0, n};
    for (int i = 0; i < 2; i++) {
        if (index->items[i].kind == KERAS_ARG_NONE)
            continue;
        int64_t at = index->items[i].integer;
        at = at < 0 ? at + n : at;
        bounds[i] = at < 0 ? 0 : at > n ? n : at;
    }
    size_t count = bounds[1] > bounds[0] ? (size_t)(bounds[1] - bounds[0]) : 0;
    struct keras_arg *part = expr_list_value(lowering, KERAS_ARG_LIST, count);
    for (size_t i = 0; part && i < count; i++)
        expr_set_item(part, i, &list->items[bounds[0] + (int64_t)i]);
    return part;
}

static const struct keras_arg *index_dict(struct lowering *lowering, const struct keras_arg *dict,
                                          const struct keras_arg *key)
{
    for (size_t i = 0; i < dict->n_items; i++)
        if (key->kind == KERAS_ARG_STRING && str_equal(dict->keys[i], key->text))
            return &dict->items[i];
    return expr_refuse(lowering, "it takes '%s' from a dictionary that has no such key",
                  key->kind == KERAS_ARG_STRING ? key->text : "a value");
}

static const struct keras_arg *lower_index(struct lowering *lowering, struct expr *expr)
{
    const struct keras_arg *object = expr_lower_node(lowering, expr->items[0]);
    const struct keras_arg *index = object ? expr_lower_node(lowering, expr->items[1]) : NULL;
    if (!index)
        return NULL;
    if (object->kind == KERAS_ARG_LIST)
        return index_list(lowering, object, index);
    if (object->kind == KERAS_ARG_DICT)
        return index_dict(lowering, object, index);
    if (object->kind != KERAS_ARG_TENSOR)
        return expr_refuse(lowering, "it indexes something that is no tensor");
    static const char *const names[] = {"slice_spec"};
    struct ops_args args = {.n_args = 1, .args = object, .n_kwargs = 1, .kwargs = index, .names = names};
    return expr_apply(lowering, OPS_TENSORFLOW, "__operators__.getitem", &args);
}

static const struct keras_arg *lower_items(struct lowering *lowering, struct expr *expr, enum keras_arg_kind kind)
{
    if (expr->n_items > LIST_MAX)
        return expr_refuse(lowering, "a list is longer than %d items", LIST_MAX);
    struct keras_arg *list = expr_list_value(lowering, kind, expr->n_items);
    for (size_t i = 0; list && i < expr->n_items; i++) {
        const struct keras_arg *item = expr_lower_node(lowering, expr->items[i]);
        if (!item)
            return NULL;
        expr_set_item(list, i, item);
    }
    return list;
}

/* ---- shapes as Python values: x.shape, K.int_shape(x) ---- */

const struct keras_arg *expr_shape_list(struct lowering *lowering, const struct keras_arg *tensor)
{
    if (tensor->kind != KERAS_ARG_TENSOR)
        return expr_refuse(lowering, "it asks for the shape of something that is no tensor");
    const struct shape *shape = engine_shape(lowering->call->graph, tensor->tensor.value);
    struct keras_arg *list = expr_list_value(lowering, KERAS_ARG_LIST, (size_t)shape->rank);
    for (int i = 0; list && i < shape->rank; i++) {
        const struct keras_arg *size =
            shape->dim[i] == SHAPE_UNKNOWN ? &expr_none : expr_int_value(lowering, shape->dim[i]);
        if (!size)
            return NULL;
        expr_set_item(list, (size_t)i, size);
    }
    return list;
}

static const struct keras_arg *tensor_attribute(struct lowering *lowering, const struct keras_arg *object,
                                                const char *name)
{
    if (str_equal(name, "shape") && object->kind == KERAS_ARG_TENSOR)
        return expr_shape_list(lowering, object);
    if (str_equal(name, "dtype") && object->kind == KERAS_ARG_TENSOR)
        return expr_text_value(lowering, dtype_name(engine_dtype(lowering->call->graph, object->tensor.value)));
    if (str_equal(name, "value") && (expr_is_number(object) || object->kind == KERAS_ARG_NONE))
        return object; /* a Dimension of TensorFlow 1 */
    if (str_equal(name, "dims") && object->kind == KERAS_ARG_LIST)
        return object;
    return expr_refuse(lowering, "it uses the attribute '%s'", name);
}

/* ---- the walk ---- */

static const struct keras_arg *lower_param(struct lowering *lowering, const char *name)
{
    struct expr_function *function = lowering->function;
    for (size_t i = 0; i < function->n_params; i++)
        if (str_equal(function->params[i].name, name) && lowering->values[i])
            return lowering->values[i];
    return expr_refuse(lowering, "its parameter '%s' has no value in the file", name);
}

static const struct keras_arg *lower_attribute(struct lowering *lowering, struct expr *expr)
{
    const char *name = expr_dotted(lowering->layer->arena, expr);
    if (name)
        return expr_lower_name(lowering, name);
    const struct keras_arg *object = expr_lower_node(lowering, expr->items[0]);
    return object ? tensor_attribute(lowering, object, expr->text) : NULL;
}

static const struct keras_arg *value_of(struct lowering *lowering, struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_NONE:
        return &expr_none;
    case EXPR_BOOL:
        return expr_bool_value(lowering, expr->integer != 0);
    case EXPR_INT:
        return expr_int_value(lowering, expr->integer);
    case EXPR_FLOAT:
        return expr_float_value(lowering, expr->number);
    case EXPR_STRING:
        return expr_text_value(lowering, expr->text);
    case EXPR_ELLIPSIS:
        return expr_value(lowering, KERAS_ARG_ELLIPSIS);
    case EXPR_TUPLE:
    case EXPR_LIST:
        return lower_items(lowering, expr, KERAS_ARG_LIST);
    case EXPR_SLICE:
        return lower_items(lowering, expr, KERAS_ARG_SLICE);
    case EXPR_PARAM:
        return lower_param(lowering, expr->text);
    case EXPR_NAME:
        return expr_lower_name(lowering, expr->text);
    case EXPR_ATTRIBUTE:
        return lower_attribute(lowering, expr);
    case EXPR_CALL:
        return expr_lower_call(lowering, expr);
    case EXPR_INDEX:
        return lower_index(lowering, expr);
    case EXPR_UNARY:
        return lower_unary(lowering, expr);
    case EXPR_BINARY:
        return lower_binary(lowering, expr);
    }
    return expr_refuse(lowering, "an expression of unknown kind");
}

/* Recursion is bounded by EXPR_MAX_DEPTH, work by EXPR_MAX_NODES. */
const struct keras_arg *expr_lower_node(struct lowering *lowering, struct expr *expr)
{
    if (expr->stamp != lowering->function->stamp) {
        expr->value = value_of(lowering, expr);
        expr->stamp = expr->value ? lowering->function->stamp : 0;
    }
    return expr->value;
}

int expr_lower(const struct keras_layer *layer, struct keras_call *call, struct expr_function *function,
               const struct keras_arg *const *values, struct keras_arg *ret, struct err *err)
{
    const struct keras_arg *all[64];
    struct lowering lowering = {.layer = layer, .call = call, .function = function, .values = all, .err = err};
    if (function->n_params > KD_COUNT(all))
        return err_set(err, KD_EUNSUPPORTED, "it has more than %zu parameters", KD_COUNT(all));
    function->stamp++;
    for (size_t i = 0; i < function->n_params; i++) {
        struct expr *own = (struct expr *)(uintptr_t)function->params[i].value;
        all[i] = values[i] ? values[i] : own ? expr_lower_node(&lowering, own) : NULL;
    }
    const struct keras_arg *result = expr_lower_node(&lowering, function->body);
    if (!result)
        return err->code;
    if (engine_graph_error(call->graph)) {
        *err = *engine_graph_error(call->graph);
        return err->code;
    }
    *ret = *result;
    return 0;
}
