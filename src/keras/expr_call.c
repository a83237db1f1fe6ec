/* expr_call: names and calls of an expression. Names are known by their spelling alone: K, tf, np, keras.ops and the
 * like are what everyone imports them as. A bare name in bytecode is the user's own function or variable, whose value the
 * file does not hold: refused. Functions of constants are computed here, as Python would; functions of tensors are
 * looked up in the one table of functions. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "keras/expr_lowering.h"

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

const struct keras_arg *expr_lower_name(struct lowering *lowering, const char *written)
{
    const char *name = canonical(lowering, written);
    for (size_t i = 0; i < KD_COUNT(named_values); i++) {
        const struct named_value *value = &named_values[i];
        if (!str_equal(value->name, name))
            continue;
        struct keras_arg *arg = expr_value(lowering, value->kind);
        if (arg) {
            arg->number = value->number;
            arg->text = value->text;
        }
        return arg;
    }
    const char *last = strrchr(name, '.');
    if (last && (str_starts(name, "tf.") || str_starts(name, "np.")) && dtype_from_name(last + 1))
        return expr_text_value(lowering, last + 1);
    return expr_refuse(lowering, "it uses '%s', a name of the script that made the model: its value is not in the file",
                  written);
}

/* ---- calls ---- */

static bool lower_args(struct lowering *lowering, struct expr *expr, struct ops_args *ret)
{
    size_t n_args = expr->n_items - 1 - expr->n_names;
    struct keras_arg *list = expr_list_value(lowering, KERAS_ARG_LIST, expr->n_items - 1);
    for (size_t i = 0; list && i + 1 < expr->n_items; i++) {
        const struct keras_arg *item = expr_lower_node(lowering, expr->items[i + 1]);
        if (!item)
            return false;
        expr_set_item(list, i, item);
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
    const struct keras_arg *first = args->n_args ? &args->args[0] : &expr_none;
    *ret_is = true;
    if (str_equal(name, "K.epsilon") || str_equal(name, "epsilon"))
        return expr_float_value(lowering, 1e-7);
    if (str_equal(name, "K.floatx"))
        return expr_text_value(lowering, "float32");
    if (str_equal(name, "K.image_data_format") || str_equal(name, "K.image_dim_ordering"))
        return expr_text_value(lowering, "channels_last");
    if (str_equal(name, "K.int_shape"))
        return expr_shape_list(lowering, first);
    if (str_equal(name, "K.ndim")) {
        const struct keras_arg *list = expr_shape_list(lowering, first);
        return list ? expr_int_value(lowering, (int64_t)list->n_items) : NULL;
    }
    if (str_equal(name, "len") && first->kind == KERAS_ARG_LIST)
        return expr_int_value(lowering, (int64_t)first->n_items);
    if (str_equal(name, "float") && expr_is_number(first))
        return expr_float_value(lowering, first->number);
    if (str_equal(name, "int") && expr_is_number(first))
        return expr_int_value(lowering, (int64_t)first->number);
    if ((str_equal(name, "tuple") || str_equal(name, "list")) && first->kind == KERAS_ARG_LIST)
        return first;
    static const char *const same[] = {"np.array",    "np.float32",  "K.constant",  "K.variable", "tf.constant",
                                       "tf.Variable", "np.asarray",  "np.float64",  "tf.convert_to_tensor",
                                       "ops.convert_to_tensor", "K.stop_gradient", "tf.stop_gradient", "tf.identity"};
    for (size_t i = 0; i < KD_COUNT(same); i++)
        if (str_equal(name, same[i]) && args->n_args >= 1)
            return expr_array_value(lowering, first);
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
    if (args->n_args != 1 || args->n_kwargs || !expr_is_number(&args->args[0]))
        return NULL;
    const char *last = strrchr(name, '.');
    bool python = !last || str_starts(name, "np.") || str_starts(name, "math.");
    for (size_t i = 0; python && i < KD_COUNT(number_functions); i++) {
        if (!str_equal(last ? last + 1 : name, number_functions[i].name))
            continue;
        *ret_is = true;
        return expr_float_value(lowering, number_functions[i].apply(args->args[0].number));
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
        return expr_refuse(lowering, "it calls 'activations.%s' in a way that is not served", name);
    struct keras_arg *result = expr_value(lowering, KERAS_ARG_TENSOR);
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
        return expr_refuse(lowering, "it calls '%s', a function of the script that made the model, which is not in the file",
                      written);
    if (is_random(name))
        return expr_refuse(lowering, "it calls '%s': its result is random; to serve the mean (or whatever is right at "
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
        return expr_refuse(lowering, "it calls '%s', which is not served", written);
    return expr_apply(lowering, dialect, function, &args);
}

/* x.get_shape(), x.shape.as_list() */
static const struct keras_arg *method_call(struct lowering *lowering, struct expr *expr)
{
    struct expr *callee = expr->items[0];
    if (callee->kind != EXPR_ATTRIBUTE)
        return expr_refuse(lowering, "it calls the result of another call");
    const struct keras_arg *object = expr_lower_node(lowering, callee->items[0]);
    if (!object)
        return NULL;
    if (str_equal(callee->text, "get_shape") && object->kind == KERAS_ARG_TENSOR)
        return expr_shape_list(lowering, object);
    if (str_equal(callee->text, "as_list") && object->kind == KERAS_ARG_LIST)
        return object;
    return expr_refuse(lowering, "it calls the method '%s'", callee->text);
}

const struct keras_arg *expr_lower_call(struct lowering *lowering, struct expr *expr)
{
    const char *name = expr_dotted(lowering->layer->arena, expr->items[0]);
    return name ? named_call(lowering, expr, name) : method_call(lowering, expr);
}

