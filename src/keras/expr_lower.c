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
#include "keras/expr.h"
#include "keras/ops.h"

struct lowering {
    const struct keras_layer *layer;
    struct keras_call *call;
    struct expr_function *function;
    const struct keras_arg *const *values; /* of the parameters */
    struct err *err;
};

#define LIST_MAX 256

static const struct keras_arg none_arg = {.kind = KERAS_ARG_NONE};

static const struct keras_arg *lower(struct lowering *lowering, struct expr *expr);

static const struct keras_arg *refuse(struct lowering *lowering, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static const struct keras_arg *refuse(struct lowering *lowering, const char *format, ...)
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

static struct keras_arg *new_arg(struct lowering *lowering, enum keras_arg_kind kind)
{
    struct keras_arg *arg = arena_alloc(lowering->layer->arena, sizeof(*arg));
    if (arg)
        arg->kind = kind;
    else
        err_set(lowering->err, KD_ENOMEM, "out of memory");
    return arg;
}

static const struct keras_arg *int_arg(struct lowering *lowering, int64_t integer)
{
    struct keras_arg *arg = new_arg(lowering, KERAS_ARG_INT);
    if (arg) {
        arg->integer = integer;
        arg->number = (double)integer;
    }
    return arg;
}

static const struct keras_arg *float_arg(struct lowering *lowering, double number)
{
    struct keras_arg *arg = new_arg(lowering, KERAS_ARG_FLOAT);
    if (arg)
        arg->number = number;
    return arg;
}

static const struct keras_arg *bool_arg(struct lowering *lowering, bool boolean)
{
    struct keras_arg *arg = new_arg(lowering, KERAS_ARG_BOOL);
    if (arg) {
        arg->boolean = boolean;
        arg->integer = boolean;
        arg->number = boolean;
    }
    return arg;
}

static const struct keras_arg *text_arg(struct lowering *lowering, const char *text)
{
    struct keras_arg *arg = new_arg(lowering, KERAS_ARG_STRING);
    if (arg)
        arg->text = text;
    return arg;
}

static struct keras_arg *list_arg(struct lowering *lowering, enum keras_arg_kind kind, size_t n)
{
    struct keras_arg *arg = new_arg(lowering, kind);
    if (!arg)
        return NULL;
    arg->n_items = n;
    arg->items = arena_calloc(lowering->layer->arena, n, sizeof(struct keras_arg));
    if (arg->items)
        return arg;
    err_set(lowering->err, KD_ENOMEM, "out of memory");
    return NULL;
}

static void set_item(struct keras_arg *list, size_t i, const struct keras_arg *item)
{
    ((struct keras_arg *)(uintptr_t)list->items)[i] = *item;
}

static bool is_number(const struct keras_arg *arg)
{
    return arg->kind == KERAS_ARG_INT || arg->kind == KERAS_ARG_FLOAT || arg->kind == KERAS_ARG_BOOL;
}

static bool is_integer(const struct keras_arg *arg)
{
    return arg->kind == KERAS_ARG_INT || arg->kind == KERAS_ARG_BOOL;
}

/* ---- functions ---- */

static const struct keras_arg *apply(struct lowering *lowering, enum ops_dialect dialect, const char *name,
                                     const struct ops_args *args)
{
    struct keras_arg *result = new_arg(lowering, KERAS_ARG_NONE);
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
    return apply(lowering, OPS_TENSORFLOW, name, &args);
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
        return refuse(lowering, "it divides by zero");
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
    return overflow ? float_arg(lowering, (double)a) : int_arg(lowering, value);
}

static const struct keras_arg *float_operator(struct lowering *lowering, int op, double a, double b)
{
    switch (op) {
    case EXPR_ADD:
        return float_arg(lowering, a + b);
    case EXPR_SUBTRACT:
        return float_arg(lowering, a - b);
    case EXPR_MULTIPLY:
        return float_arg(lowering, a * b);
    case EXPR_FLOOR_DIVIDE:
        return float_arg(lowering, floor(a / b));
    case EXPR_MODULO:
        return float_arg(lowering, a - b * floor(a / b));
    case EXPR_POWER:
        return float_arg(lowering, pow(a, b));
    case EXPR_LESS:
        return bool_arg(lowering, a < b);
    case EXPR_LESS_EQUAL:
        return bool_arg(lowering, a <= b);
    case EXPR_EQUAL:
        return bool_arg(lowering, a == b);
    case EXPR_NOT_EQUAL:
        return bool_arg(lowering, a != b);
    case EXPR_GREATER:
        return bool_arg(lowering, a > b);
    case EXPR_GREATER_EQUAL:
        return bool_arg(lowering, a >= b);
    default:
        return refuse(lowering, "it combines numbers in a way that is not served: %s", binary_names[op]);
    }
}

static const struct keras_arg *number_operator(struct lowering *lowering, int op, const struct keras_arg *a,
                                               const struct keras_arg *b)
{
    bool integers = is_integer(a) && is_integer(b);
    if (op == EXPR_DIVIDE)
        return float_arg(lowering, a->number / b->number);
    if (integers && (op == EXPR_ADD || op == EXPR_SUBTRACT || op == EXPR_MULTIPLY || op == EXPR_FLOOR_DIVIDE ||
                     op == EXPR_MODULO))
        return integer_operator(lowering, op, a->integer, b->integer);
    const struct keras_arg *result = float_operator(lowering, op, a->number, b->number);
    bool whole = result && integers && op == EXPR_POWER && b->integer >= 0 && fabs(result->number) < 9e15;
    return whole ? int_arg(lowering, (int64_t)result->number) : result;
}

static const struct keras_arg *join_lists(struct lowering *lowering, const struct keras_arg *a,
                                          const struct keras_arg *b)
{
    struct keras_arg *list = list_arg(lowering, KERAS_ARG_LIST, a->n_items + b->n_items);
    for (size_t i = 0; list && i < list->n_items; i++)
        set_item(list, i, i < a->n_items ? &a->items[i] : &b->items[i - a->n_items]);
    return list;
}

static bool has_tensor(const struct keras_arg *arg)
{
    for (size_t i = 0; i < arg->n_items; i++)
        if (arg->items[i].kind == KERAS_ARG_TENSOR)
            return true;
    return arg->kind == KERAS_ARG_TENSOR;
}

static const struct keras_arg *lower_binary(struct lowering *lowering, struct expr *expr)
{
    const struct keras_arg *a = lower(lowering, expr->items[0]);
    const struct keras_arg *b = a ? lower(lowering, expr->items[1]) : NULL;
    if (!b)
        return NULL;
    if (is_number(a) && is_number(b))
        return number_operator(lowering, expr->op, a, b);
    if (expr->op == EXPR_ADD && a->kind == KERAS_ARG_LIST && b->kind == KERAS_ARG_LIST)
        return join_lists(lowering, a, b);
    if (!has_tensor(a) && !has_tensor(b))
        return refuse(lowering, "it combines values that are no tensors by '%s'", binary_names[expr->op]);
    return apply_values(lowering, binary_names[expr->op], a, b);
}

static const struct keras_arg *lower_unary(struct lowering *lowering, struct expr *expr)
{
    const struct keras_arg *a = lower(lowering, expr->items[0]);
    if (!a || expr->op == '+')
        return a;
    if (expr->op == '!')
        return is_number(a) ? bool_arg(lowering, a->number == 0)
                            : refuse(lowering, "it uses 'not' on a tensor, whose truth depends on the data");
    if (expr->op == '-' && is_integer(a))
        return int_arg(lowering, -a->integer);
    if (expr->op == '-' && is_number(a))
        return float_arg(lowering, -a->number);
    return apply_values(lowering, expr->op == '-' ? "math.negative" : "math.logical_not", a, NULL);
}

/* ---- indexing ---- */

static const struct keras_arg *index_list(struct lowering *lowering, const struct keras_arg *list,
                                          const struct keras_arg *index)
{
    int64_t n = (int64_t)list->n_items;
    if (is_integer(index)) {
        int64_t i = index->integer < 0 ? index->integer + n : index->integer;
        return i >= 0 && i < n ? &list->items[i] : refuse(lowering, "it takes an item that the list has not");
    }
    if (index->kind != KERAS_ARG_SLICE || (index->items[2].kind != KERAS_ARG_NONE && index->items[2].integer != 1))
        return refuse(lowering, "it indexes a list by something that is not a constant");
    int64_t bounds[2] = {0, n};
    for (int i = 0; i < 2; i++) {
        if (index->items[i].kind == KERAS_ARG_NONE)
            continue;
        int64_t at = index->items[i].integer;
        at = at < 0 ? at + n : at;
        bounds[i] = at < 0 ? 0 : at > n ? n : at;
    }
    size_t count = bounds[1] > bounds[0] ? (size_t)(bounds[1] - bounds[0]) : 0;
    struct keras_arg *part = list_arg(lowering, KERAS_ARG_LIST, count);
    for (size_t i = 0; part && i < count; i++)
        set_item(part, i, &list->items[bounds[0] + (int64_t)i]);
    return part;
}

static const struct keras_arg *index_dict(struct lowering *lowering, const struct keras_arg *dict,
                                          const struct keras_arg *key)
{
    for (size_t i = 0; i < dict->n_items; i++)
        if (key->kind == KERAS_ARG_STRING && str_equal(dict->keys[i], key->text))
            return &dict->items[i];
    return refuse(lowering, "it takes '%s' from a dictionary that has no such key",
                  key->kind == KERAS_ARG_STRING ? key->text : "a value");
}

static const struct keras_arg *lower_index(struct lowering *lowering, struct expr *expr)
{
    const struct keras_arg *object = lower(lowering, expr->items[0]);
    const struct keras_arg *index = object ? lower(lowering, expr->items[1]) : NULL;
    if (!index)
        return NULL;
    if (object->kind == KERAS_ARG_LIST)
        return index_list(lowering, object, index);
    if (object->kind == KERAS_ARG_DICT)
        return index_dict(lowering, object, index);
    if (object->kind != KERAS_ARG_TENSOR)
        return refuse(lowering, "it indexes something that is no tensor");
    static const char *const names[] = {"slice_spec"};
    struct ops_args args = {.n_args = 1, .args = object, .n_kwargs = 1, .kwargs = index, .names = names};
    return apply(lowering, OPS_TENSORFLOW, "__operators__.getitem", &args);
}

static const struct keras_arg *lower_items(struct lowering *lowering, struct expr *expr, enum keras_arg_kind kind)
{
    if (expr->n_items > LIST_MAX)
        return refuse(lowering, "a list is longer than %d items", LIST_MAX);
    struct keras_arg *list = list_arg(lowering, kind, expr->n_items);
    for (size_t i = 0; list && i < expr->n_items; i++) {
        const struct keras_arg *item = lower(lowering, expr->items[i]);
        if (!item)
            return NULL;
        set_item(list, i, item);
    }
    return list;
}

/* ---- shapes as Python values: x.shape, K.int_shape(x) ---- */

static const struct keras_arg *shape_list(struct lowering *lowering, const struct keras_arg *tensor)
{
    if (tensor->kind != KERAS_ARG_TENSOR)
        return refuse(lowering, "it asks for the shape of something that is no tensor");
    const struct shape *shape = engine_shape(lowering->call->graph, tensor->tensor.value);
    struct keras_arg *list = list_arg(lowering, KERAS_ARG_LIST, (size_t)shape->rank);
    for (int i = 0; list && i < shape->rank; i++) {
        const struct keras_arg *size =
            shape->dim[i] == SHAPE_UNKNOWN ? &none_arg : int_arg(lowering, shape->dim[i]);
        if (!size)
            return NULL;
        set_item(list, (size_t)i, size);
    }
    return list;
}

static const struct keras_arg *tensor_attribute(struct lowering *lowering, const struct keras_arg *object,
                                                const char *name)
{
    if (str_equal(name, "shape") && object->kind == KERAS_ARG_TENSOR)
        return shape_list(lowering, object);
    if (str_equal(name, "dtype") && object->kind == KERAS_ARG_TENSOR)
        return text_arg(lowering, dtype_name(engine_dtype(lowering->call->graph, object->tensor.value)));
    if (str_equal(name, "value") && (is_number(object) || object->kind == KERAS_ARG_NONE))
        return object; /* a Dimension of TensorFlow 1 */
    if (str_equal(name, "dims") && object->kind == KERAS_ARG_LIST)
        return object;
    return refuse(lowering, "it uses the attribute '%s'", name);
}

/* ---- names ---- */

struct named_value {
    const char *name;
    enum keras_arg_kind kind;
    double number;
    const char *text;
};

/* Names that are values. A dtype stands for its name. */
static const struct named_value named_values[] = {
    {"np.pi", KERAS_ARG_FLOAT, M_PI, NULL},
    {"math.pi", KERAS_ARG_FLOAT, M_PI, NULL},
    {"np.e", KERAS_ARG_FLOAT, M_E, NULL},
    {"math.e", KERAS_ARG_FLOAT, M_E, NULL},
    {"np.inf", KERAS_ARG_FLOAT, INFINITY, NULL},
    {"tf.newaxis", KERAS_ARG_NONE, 0, NULL},
    {"np.newaxis", KERAS_ARG_NONE, 0, NULL},
    {"tf.image.ResizeMethod.BILINEAR", KERAS_ARG_STRING, 0, "bilinear"},
    {"tf.image.ResizeMethod.NEAREST_NEIGHBOR", KERAS_ARG_STRING, 0, "nearest"},
    {"tf.image.ResizeMethod.BICUBIC", KERAS_ARG_STRING, 0, "bicubic"},
    {"tf.image.ResizeMethod.AREA", KERAS_ARG_STRING, 0, "area"},
    {"tf.image.ResizeMethod.LANCZOS3", KERAS_ARG_STRING, 0, "lanczos3"},
    {"tf.image.ResizeMethod.LANCZOS5", KERAS_ARG_STRING, 0, "lanczos5"},
    {"tf.image.ResizeMethod.GAUSSIAN", KERAS_ARG_STRING, 0, "gaussian"},
    {"tf.image.ResizeMethod.MITCHELLCUBIC", KERAS_ARG_STRING, 0, "mitchellcubic"},
};

struct module_name {
    const char *written, *meant;
};

/* What modules are imported as; the longest match first. */
static const struct module_name modules[] = {
    {"tensorflow.compat.v1.", "tf.compat.v1."},
    {"tensorflow.keras.backend.", "K."},
    {"tensorflow.python.keras.backend.", "K."},
    {"tensorflow.", "tf."},
    {"tf.keras.backend.", "K."},
    {"tf.compat.v1.keras.backend.", "K."},
    {"tf.keras.ops.", "ops."},
    {"tf.keras.activations.", "activations."},
    {"keras.backend.", "K."},
    {"keras.ops.", "ops."},
    {"keras.activations.", "activations."},
    {"backend.", "K."},
    {"numpy.", "np."},
};

static const char *canonical(struct lowering *lowering, const char *name)
{
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < KD_COUNT(modules); i++)
            if (str_starts(name, modules[i].written)) {
                name = arena_printf(lowering->layer->arena, "%s%s", modules[i].meant,
                                    name + strlen(modules[i].written));
                if (!name)
                    return "";
            }
    return name;
}

static const struct keras_arg *lower_name(struct lowering *lowering, const char *written)
{
    const char *name = canonical(lowering, written);
    for (size_t i = 0; i < KD_COUNT(named_values); i++) {
        const struct named_value *value = &named_values[i];
        if (!str_equal(value->name, name))
            continue;
        struct keras_arg *arg = new_arg(lowering, value->kind);
        if (arg) {
            arg->number = value->number;
            arg->text = value->text;
        }
        return arg;
    }
    const char *last = strrchr(name, '.');
    if (last && (str_starts(name, "tf.") || str_starts(name, "np.")) && dtype_from_name(last + 1))
        return text_arg(lowering, last + 1);
    return refuse(lowering, "it uses '%s', a name of the script that made the model: its value is not in the file",
                  written);
}

/* ---- calls ---- */

struct call_args {
    struct ops_args ops;
    size_t n_params; /* of both kinds */
};

static bool lower_args(struct lowering *lowering, struct expr *expr, struct ops_args *ret)
{
    size_t n_args = expr->n_items - 1 - expr->n_names;
    struct keras_arg *list = list_arg(lowering, KERAS_ARG_LIST, expr->n_items - 1);
    for (size_t i = 0; list && i + 1 < expr->n_items; i++) {
        const struct keras_arg *item = lower(lowering, expr->items[i + 1]);
        if (!item)
            return false;
        set_item(list, i, item);
    }
    if (!list)
        return false;
    *ret = (struct ops_args){.n_args = n_args,
                             .args = list->items,
                             .n_kwargs = expr->n_names,
                             .kwargs = list->items + n_args,
                             .names = expr->names};
    return true;
}

/* Functions that give Python values, or that only pass their argument on. */
static const struct keras_arg *constant_call(struct lowering *lowering, const char *name, const struct ops_args *args,
                                             bool *ret_is)
{
    const struct keras_arg *first = args->n_args ? &args->args[0] : &none_arg;
    *ret_is = true;
    if (str_equal(name, "K.epsilon") || str_equal(name, "epsilon"))
        return float_arg(lowering, 1e-7);
    if (str_equal(name, "K.floatx"))
        return text_arg(lowering, "float32");
    if (str_equal(name, "K.image_data_format") || str_equal(name, "K.image_dim_ordering"))
        return text_arg(lowering, "channels_last");
    if (str_equal(name, "K.int_shape"))
        return shape_list(lowering, first);
    if (str_equal(name, "K.ndim")) {
        const struct keras_arg *list = shape_list(lowering, first);
        return list ? int_arg(lowering, (int64_t)list->n_items) : NULL;
    }
    if (str_equal(name, "len") && first->kind == KERAS_ARG_LIST)
        return int_arg(lowering, (int64_t)first->n_items);
    if (str_equal(name, "float") && is_number(first))
        return float_arg(lowering, first->number);
    if (str_equal(name, "int") && is_number(first))
        return int_arg(lowering, (int64_t)first->number);
    if ((str_equal(name, "tuple") || str_equal(name, "list")) && first->kind == KERAS_ARG_LIST)
        return first;
    static const char *const same[] = {"np.array",    "np.float32",  "K.constant",  "K.variable", "tf.constant",
                                       "tf.Variable", "np.asarray",  "np.float64",  "tf.convert_to_tensor",
                                       "ops.convert_to_tensor", "K.stop_gradient", "tf.stop_gradient", "tf.identity"};
    for (size_t i = 0; i < KD_COUNT(same); i++)
        if (str_equal(name, same[i]) && args->n_args >= 1)
            return first;
    *ret_is = false;
    return NULL;
}

struct number_function {
    const char *name;
    double (*apply)(double);
};

/* Of numbers: computed here, in double as Python does. */
static const struct number_function number_functions[] = {
    {"sqrt", sqrt}, {"exp", exp}, {"log", log}, {"sin", sin},   {"cos", cos},     {"tanh", tanh},
    {"abs", fabs},  {"tan", tan}, {"ceil", ceil}, {"floor", floor}, {"log2", log2}, {"log10", log10},
};

static const struct keras_arg *number_call(struct lowering *lowering, const char *name, const struct ops_args *args,
                                           bool *ret_is)
{
    *ret_is = false;
    if (args->n_args != 1 || args->n_kwargs || !is_number(&args->args[0]))
        return NULL;
    const char *last = strrchr(name, '.');
    bool python = !last || str_starts(name, "np.") || str_starts(name, "math.");
    for (size_t i = 0; python && i < KD_COUNT(number_functions); i++) {
        if (!str_equal(last ? last + 1 : name, number_functions[i].name))
            continue;
        *ret_is = true;
        return float_arg(lowering, number_functions[i].apply(args->args[0].number));
    }
    return NULL;
}

static bool is_random(const char *name)
{
    static const char *const words[] = {"random", "truncated_normal", "multinomial", "dropout", "shuffle"};
    for (size_t i = 0; i < KD_COUNT(words); i++)
        if (strstr(name, words[i]))
            return true;
    return false;
}

/* The first spelling that the table of functions knows. */
static const char *find_function(struct lowering *lowering, const char *name, enum ops_dialect *ret_dialect)
{
    static const char *const prefixes_k[] = {"keras.backend.", "math.", "nn.", "", NULL};
    static const char *const prefixes_tf[] = {"", "math.", "nn.", "linalg.", "image.", NULL};
    static const char *const prefixes_np[] = {"math.", "", "keras.backend.", NULL};
    static const char *const prefixes_bare[] = {"", "math.", "nn.", "keras.backend.", "linalg.", "image.", NULL};
    const char *const *prefixes = prefixes_bare;
    *ret_dialect = OPS_TENSORFLOW;
    if (str_starts(name, "ops.")) {
        *ret_dialect = OPS_KERAS3;
        return ops_find(OPS_KERAS3, name + 4) ? name + 4 : NULL;
    }
    if (str_starts(name, "K.") || str_starts(name, "tf.") || str_starts(name, "np.")) {
        prefixes = *name == 'K' ? prefixes_k : *name == 't' ? prefixes_tf : prefixes_np;
        name = strchr(name, '.') + 1;
    }
    for (; *prefixes; prefixes++) {
        const char *whole = arena_printf(lowering->layer->arena, "%s%s", *prefixes, name);
        if (whole && ops_find(OPS_TENSORFLOW, whole))
            return whole;
    }
    return NULL;
}

static const struct keras_arg *activation_call(struct lowering *lowering, const char *name,
                                               const struct ops_args *args)
{
    const struct keras_activation *activation = keras_activation_by_name(lowering->layer, name);
    if (args->n_args != 1 || args->n_kwargs || args->args[0].kind != KERAS_ARG_TENSOR || !activation)
        return refuse(lowering, "it calls 'activations.%s' in a way that is not served", name);
    struct keras_arg *result = new_arg(lowering, KERAS_ARG_TENSOR);
    if (result) {
        result->tensor.mask = ENGINE_NONE;
        result->tensor.value = keras_activate(lowering->call, activation, args->args[0].tensor.value);
    }
    return result;
}

static bool is_builtin(const char *name)
{
    static const char *const builtins[] = {"abs", "pow", "round", "len", "float", "int", "tuple", "list"};
    for (size_t i = 0; i < KD_COUNT(builtins); i++)
        if (str_equal(name, builtins[i]))
            return true;
    return false;
}

static const struct keras_arg *named_call(struct lowering *lowering, struct expr *expr, const char *written)
{
    const char *name = canonical(lowering, written);
    struct ops_args args;
    if (!strchr(name, '.') && !lowering->function->sidecar && !is_builtin(name))
        return refuse(lowering, "it calls '%s', a function of the script that made the model, which is not in the file",
                      written);
    if (is_random(name))
        return refuse(lowering, "it calls '%s': its result is random; to serve the mean (or whatever is right at "
                                "inference) give the expression in the sidecar file", written);
    if (!lower_args(lowering, expr, &args))
        return NULL;
    bool is;
    const struct keras_arg *value = constant_call(lowering, name, &args, &is);
    if (!is)
        value = number_call(lowering, name, &args, &is);
    if (is)
        return value;
    if (str_starts(name, "activations."))
        return activation_call(lowering, name + strlen("activations."), &args);
    enum ops_dialect dialect;
    const char *function = find_function(lowering, name, &dialect);
    if (!function)
        return refuse(lowering, "it calls '%s', which is not served", written);
    return apply(lowering, dialect, function, &args);
}

/* x.get_shape(), x.shape.as_list() */
static const struct keras_arg *method_call(struct lowering *lowering, struct expr *expr)
{
    struct expr *callee = expr->items[0];
    if (callee->kind != EXPR_ATTRIBUTE)
        return refuse(lowering, "it calls the result of another call");
    const struct keras_arg *object = lower(lowering, callee->items[0]);
    if (!object)
        return NULL;
    if (str_equal(callee->text, "get_shape") && object->kind == KERAS_ARG_TENSOR)
        return shape_list(lowering, object);
    if (str_equal(callee->text, "as_list") && object->kind == KERAS_ARG_LIST)
        return object;
    return refuse(lowering, "it calls the method '%s'", callee->text);
}

static const struct keras_arg *lower_call(struct lowering *lowering, struct expr *expr)
{
    const char *name = expr_dotted(lowering->layer->arena, expr->items[0]);
    return name ? named_call(lowering, expr, name) : method_call(lowering, expr);
}

/* ---- the walk ---- */

static const struct keras_arg *lower_param(struct lowering *lowering, const char *name)
{
    struct expr_function *function = lowering->function;
    for (size_t i = 0; i < function->n_params; i++)
        if (str_equal(function->params[i].name, name) && lowering->values[i])
            return lowering->values[i];
    return refuse(lowering, "its parameter '%s' has no value in the file", name);
}

static const struct keras_arg *lower_attribute(struct lowering *lowering, struct expr *expr)
{
    const char *name = expr_dotted(lowering->layer->arena, expr);
    if (name)
        return lower_name(lowering, name);
    const struct keras_arg *object = lower(lowering, expr->items[0]);
    return object ? tensor_attribute(lowering, object, expr->text) : NULL;
}

static const struct keras_arg *lower_node(struct lowering *lowering, struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_NONE:
        return &none_arg;
    case EXPR_BOOL:
        return bool_arg(lowering, expr->integer != 0);
    case EXPR_INT:
        return int_arg(lowering, expr->integer);
    case EXPR_FLOAT:
        return float_arg(lowering, expr->number);
    case EXPR_STRING:
        return text_arg(lowering, expr->text);
    case EXPR_ELLIPSIS:
        return new_arg(lowering, KERAS_ARG_ELLIPSIS);
    case EXPR_TUPLE:
    case EXPR_LIST:
        return lower_items(lowering, expr, KERAS_ARG_LIST);
    case EXPR_SLICE:
        return lower_items(lowering, expr, KERAS_ARG_SLICE);
    case EXPR_PARAM:
        return lower_param(lowering, expr->text);
    case EXPR_NAME:
        return lower_name(lowering, expr->text);
    case EXPR_ATTRIBUTE:
        return lower_attribute(lowering, expr);
    case EXPR_CALL:
        return lower_call(lowering, expr);
    case EXPR_INDEX:
        return lower_index(lowering, expr);
    case EXPR_UNARY:
        return lower_unary(lowering, expr);
    case EXPR_BINARY:
        return lower_binary(lowering, expr);
    }
    return refuse(lowering, "an expression of unknown kind");
}

/* Recursion is bounded by EXPR_MAX_DEPTH, work by EXPR_MAX_NODES. */
static const struct keras_arg *lower(struct lowering *lowering, struct expr *expr)
{
    if (expr->stamp != lowering->function->stamp) {
        expr->value = lower_node(lowering, expr);
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
        all[i] = values[i] ? values[i] : own ? lower(&lowering, own) : NULL;
    }
    const struct keras_arg *result = lower(&lowering, function->body);
    if (!result)
        return err->code;
    if (engine_graph_error(call->graph)) {
        *err = *engine_graph_error(call->graph);
        return err->code;
    }
    *ret = *result;
    return 0;
}
