/* lambda: layers whose function is a Python expression.
 *
 *   config.function ─► bytes of the marshalled code ─► code object ─► expression ─► engine ops
 *   sidecar file    ─► text ──────────────────────────────────────► expression ─► engine ops
 *
 * The bytes are read as data, nothing is executed. Three spellings of them: base64 text (Keras 2.1 and later, with
 * line breaks), raw text with one character per byte (Keras 1 to 2.0), and Keras 3's {"class_name": "__lambda__"}.
 * JSON's \u0000 arrives as the character U+10FFFF (json.c), as C strings end at NUL. */
#include "keras/lambda.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "keras/build.h"
#include "keras/bytecode.h"
#include "keras/json.h"
#include "keras/marshal.h"
#include "keras/ops.h"
#include "keras/sidecar.h"

#define MAX_PARAMS 64
#define MAX_CODE_BYTES (1u << 20)
#define MAX_SOURCE_BYTES (64u << 10) /* a long list of defaults; messages show its beginning */

struct lambda {
    struct expr_function function;
    const char **weights; /* the sidecar's declared weights */
    size_t n_weights;
    const cJSON *arguments; /* constants by parameter name */
};

/* ---- the bytes ---- */

static int base64_value(int c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* The length of the decoded bytes, 0 if the text is not base64. */
static size_t decode_base64(const char *text, unsigned char *data)
{
    size_t n = 0;
    unsigned bits = 0;
    int count = 0;
    for (; *text && *text != '='; text++) {
        if (isspace((unsigned char)*text))
            continue;
        int value = base64_value(*text);
        if (value < 0)
            return 0;
        bits = bits << 6 | (unsigned)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            data[n++] = (unsigned char)(bits >> count);
        }
    }
    return n;
}

/* The code point at *text, which moves behind it. The text is valid UTF-8: it came out of the JSON parser. */
static unsigned next_code_point(const char **text)
{
    const unsigned char *at = (const unsigned char *)*text;
    unsigned c = at[0];
    int more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    c = more == 0 ? c : more == 1 ? c & 0x1f : more == 2 ? c & 0x0f : c & 0x07;
    for (int i = 1; i <= more && at[i]; i++)
        c = c << 6 | (at[i] & 0x3fu);
    *text += 1 + more;
    return c;
}

/* Python's raw_unicode_escape: a byte a character; what is not a byte was the text \uXXXX before. */
static size_t decode_raw(const char *text, unsigned char *data)
{
    size_t n = 0;
    const char *end = text + strlen(text);
    while (text < end) {
        unsigned c = next_code_point(&text);
        if (c == 0x10ffff)
            data[n++] = 0;
        else if (c < 0x100)
            data[n++] = (unsigned char)c;
        else
            n += (size_t)snprintf((char *)data + n, 7, "\\u%04x", c & 0xffff);
    }
    return n;
}

static size_t decode_code(const char *text, unsigned char *data)
{
    size_t n = decode_base64(text, data);
    /* A code object starts with 'c', maybe with the reference flag. */
    return n > 0 && (data[0] & 0x7f) == 'c' ? n : decode_raw(text, data);
}

/* ---- from config to expression ---- */

/* JSON scalars and lists, as defaults, closures and `arguments` hold them. */
static struct expr *json_expr(struct expr_maker *maker, const cJSON *json, int depth)
{
    int64_t integer;
    double number;
    json = keras_json_unwrap(json);
    if (cJSON_IsString(json))
        return expr_text(maker, EXPR_STRING, json->valuestring, strlen(json->valuestring));
    if (cJSON_IsBool(json)) {
        struct expr *expr = expr_new(maker, EXPR_BOOL);
        if (expr)
            expr->integer = cJSON_IsTrue(json);
        return expr;
    }
    if (!keras_json_is_float(json) && keras_json_int(json, &integer))
        return expr_int(maker, integer);
    if (keras_json_number(json, &number))
        return expr_float(maker, number);
    if (!cJSON_IsArray(json) || depth > 8 || cJSON_GetArraySize(json) > MAX_PARAMS)
        return cJSON_IsNull(json) ? expr_new(maker, EXPR_NONE) : NULL;
    struct expr *items[MAX_PARAMS];
    size_t n = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, json)
    {
        items[n++] = json_expr(maker, item, depth + 1);
    }
    return expr_with(maker, EXPR_LIST, 0, items, n);
}

static size_t json_exprs(struct expr_maker *maker, const cJSON *list, struct expr **items)
{
    size_t n = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (n < MAX_PARAMS)
            items[n++] = json_expr(maker, item, 0);
    }
    return n;
}

struct code_parts {
    const char *code;
    const cJSON *defaults, *closure;
};

/* [code, defaults, closure], Keras 3's object, or the code alone (Keras before 1.2); false if the config holds none. */
static bool find_code(const cJSON *function, bool is_lambda, struct code_parts *ret)
{
    if (cJSON_IsString(function) && is_lambda) {
        *ret = (struct code_parts){.code = function->valuestring};
        return true;
    }
    const cJSON *config = keras_json_get(function, "config");
    if (cJSON_IsObject(function) && keras_json_get(config, "value"))
        function = keras_json_get(config, "value");
    if (cJSON_IsArray(function)) {
        const cJSON *code = cJSON_GetArrayItem(function, 0);
        *ret = (struct code_parts){cJSON_GetStringValue(code), cJSON_GetArrayItem(function, 1),
                                   cJSON_GetArrayItem(function, 2)};
        return ret->code != NULL;
    }
    *ret = (struct code_parts){keras_json_string(config, "code"), keras_json_get(config, "defaults"),
                               keras_json_get(config, "closure")};
    return ret->code != NULL;
}

static void set_defaults(struct expr_function *function, struct expr *const *defaults, size_t n)
{
    for (size_t i = 0; i < n && i < function->n_params; i++)
        function->params[function->n_params - 1 - i].value = defaults[n - 1 - i];
}

static int read_code(struct keras_layer *layer, const struct code_parts *parts, struct expr_function *ret,
                     struct err *err)
{
    size_t length = strlen(parts->code);
    if (length > MAX_CODE_BYTES)
        return err_set(err, KD_ETOOBIG, "its code is longer than %u bytes", MAX_CODE_BYTES);
    unsigned char *data = arena_alloc(layer->arena, length * 6 + 8);
    if (!data)
        return err_set(err, KD_ENOMEM, "out of memory");
    struct marshal_code *code;
    int rc = marshal_read_code(data, decode_code(parts->code, data), layer->arena, &code, err);
    if (rc)
        return rc;
    struct expr *closure[MAX_PARAMS], *defaults[MAX_PARAMS];
    struct expr_maker maker = {.arena = layer->arena, .err = err};
    size_t n_closure = json_exprs(&maker, parts->closure, closure);
    size_t n_defaults = json_exprs(&maker, parts->defaults, defaults);
    rc = maker.failed ? maker.failed : bytecode_read(code, closure, n_closure, &maker, ret);
    set_defaults(ret, defaults, n_defaults);
    return rc;
}

static int refuse(struct keras_layer *layer, const struct lambda *lambda, const char *reason, struct err *err)
{
    struct buf source;
    buf_init(&source, MAX_SOURCE_BYTES);
    if (lambda->function.params)
        expr_print(&lambda->function, &source);
    err_set(err, KD_EUNSUPPORTED,
            "%s%s%.300s can't be served: %.300s. Give the expression in the sidecar file: "
            "{\"layers\": {\"%.80s\": \"lambda x: ...\"}}",
            "its function", source.length ? " " : "", source.length ? source.data : "", reason, layer->name);
    buf_done(&source);
    return err->code;
}

static int read_function(struct keras_layer *layer, struct lambda *lambda, struct err *err)
{
    const cJSON *function = keras_config_json(layer, "function");
    struct code_parts parts;
    char reason[ERR_TEXT_MAX];
    const char *name = cJSON_IsString(function) ? function->valuestring : keras_json_string(function, "config");
    if (layer->build->options->no_lambda_recovery)
        return refuse(layer, lambda, "reading Lambda bytecode is switched off", err);
    bool is_lambda = str_equal(keras_json_string(layer->config, "function_type"), "lambda");
    if (!find_code(function, is_lambda, &parts)) {
        snprintf(reason, sizeof(reason), "the file holds only its name, '%.60s', not its code", name ? name : "?");
        return refuse(layer, lambda, reason, err);
    }
    struct err inner = {0};
    if (read_code(layer, &parts, &lambda->function, &inner) == 0)
        return 0;
    snprintf(reason, sizeof(reason), "%s", inner.text);
    return refuse(layer, lambda, reason, err);
}

static void say_rule(struct keras_layer *layer, const struct lambda *lambda)
{
    struct buf text;
    buf_init(&text, 4000);
    buf_printf(&text, "layer '%s': ", layer->path);
    expr_print(&lambda->function, &text);
    buf_puts(&text, lambda->function.sidecar ? " (sidecar file)" : " (read from its bytecode)");
    if (!text.failed)
        keras_note_add(layer->build, &layer->build->rules, text.data);
    buf_done(&text);
}

static const char *const ignored_keys[] = {"function_type", "module",       "output_shape", "output_shape_type",
                                           "output_shape_module", "mask_type", "mask_module", NULL};

static int lambda_parse(struct keras_layer *layer, struct err *err)
{
    struct lambda *lambda = arena_alloc(layer->arena, sizeof(*lambda));
    if (!lambda)
        return err_set(err, KD_ENOMEM, "out of memory");
    layer->params = lambda;
    keras_config_ignore(layer, ignored_keys);
    lambda->arguments = keras_config_json(layer, "arguments");
    if (lambda->arguments && !cJSON_IsObject(lambda->arguments))
        return keras_config_fail(layer, "config key 'arguments': expected an object");
    if (keras_config_json(layer, "mask"))
        keras_warn(layer->build, layer, "its mask function is not read: its output carries no mask");
    keras_config_json(layer, "function"); /* known, also where the sidecar file replaces it */
    const cJSON *entry = keras_sidecar_entry(layer);
    int rc = entry ? expr_parse(entry->valuestring, layer->arena, &lambda->function, err)
                   : read_function(layer, lambda, err);
    if (rc == 0)
        say_rule(layer, lambda);
    return rc;
}

/* ---- a custom class by the sidecar file ---- */

static int sidecar_parse(struct keras_layer *layer, struct err *err)
{
    struct lambda *lambda = arena_alloc(layer->arena, sizeof(*lambda));
    const cJSON *entry = keras_sidecar_entry(layer), *item;
    if (!lambda)
        return err_set(err, KD_ENOMEM, "out of memory");
    layer->params = lambda;
    lambda->arguments = layer->config;
    cJSON_ArrayForEach(item, layer->config)
    {
        keras_config_json(layer, item->string);
    }
    const cJSON *weights = keras_json_get(entry, "weights");
    lambda->weights = arena_calloc(layer->arena, (size_t)cJSON_GetArraySize(weights) + 1, sizeof(char *));
    if (!lambda->weights)
        return err_set(err, KD_ENOMEM, "out of memory");
    cJSON_ArrayForEach(item, weights)
    {
        if (!cJSON_IsString(item))
            return err_set(err, KD_EINVAL, "sidecar file: its weights must be names");
        lambda->weights[lambda->n_weights++] = item->valuestring;
        keras_declare_weight(layer, item->valuestring, true);
    }
    const char *text = cJSON_IsString(entry) ? entry->valuestring : keras_json_string(entry, "expression");
    int rc = expr_parse(text, layer->arena, &lambda->function, err);
    if (rc == 0)
        say_rule(layer, lambda);
    return rc;
}

/* ---- calls ---- */

static bool is_weight(const struct lambda *lambda, const char *name)
{
    for (size_t i = 0; i < lambda->n_weights; i++)
        if (str_equal(lambda->weights[i], name))
            return true;
    return false;
}

static struct keras_arg *tensor_arg(const struct keras_layer *layer, engine_value value)
{
    struct keras_arg *arg = arena_alloc(layer->arena, sizeof(*arg));
    if (arg) {
        arg->kind = KERAS_ARG_TENSOR;
        arg->tensor = (struct keras_tensor){value, ENGINE_NONE};
    }
    return arg;
}

/* A parameter that is not an input, by its name: a weight, a constant of the config, Keras's own two. */
static int named_value(const struct keras_layer *layer, struct keras_call *call, const char *name,
                       const struct keras_arg **ret, struct err *err)
{
    const struct lambda *lambda = layer->params;
    const cJSON *json = keras_json_get(lambda->arguments, name);
    if (is_weight(lambda, name)) {
        *ret = tensor_arg(layer, keras_weight(layer, call, name, -1));
        return *ret ? 0 : err_set(err, KD_ENOMEM, "out of memory");
    }
    if (json) {
        struct keras_arg *arg = arena_alloc(layer->arena, sizeof(*arg));
        *ret = arg;
        return arg ? ops_arg_of_json(layer->arena, json, arg, err) : err_set(err, KD_ENOMEM, "out of memory");
    }
    if (str_equal(name, "mask") || str_equal(name, "training")) {
        bool mask = str_equal(name, "mask") && call->inputs[0].mask != ENGINE_NONE;
        *ret = mask ? tensor_arg(layer, call->inputs[0].mask) : arena_alloc(layer->arena, sizeof(struct keras_arg));
        return *ret ? 0 : err_set(err, KD_ENOMEM, "out of memory");
    }
    return 0;
}

/* Every tensor that the layer is called with: the first argument's, further ones, named ones. */
static size_t all_inputs(const struct keras_call *call, struct keras_tensor *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < call->n_inputs && n < MAX_PARAMS; i++)
        ret[n++] = call->inputs[i];
    for (size_t i = 1; i < call->n_args && n < MAX_PARAMS; i++)
        if (call->args[i].kind == KERAS_ARG_TENSOR)
            ret[n++] = call->args[i].tensor;
    for (size_t i = 0; i < call->n_kwargs && n < MAX_PARAMS; i++)
        if (call->kwargs[i].kind == KERAS_ARG_TENSOR && !str_equal(call->kwarg_names[i], "mask"))
            ret[n++] = call->kwargs[i].tensor;
    return n;
}

static struct keras_arg *input_list(const struct keras_layer *layer, const struct keras_tensor *inputs, size_t n)
{
    struct keras_arg *list = arena_alloc(layer->arena, sizeof(*list));
    struct keras_arg *items = arena_calloc(layer->arena, n, sizeof(*items));
    if (!list || !items)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        items[i].kind = KERAS_ARG_TENSOR;
        items[i].tensor = inputs[i];
    }
    *list = (struct keras_arg){.kind = KERAS_ARG_LIST, .n_items = n, .items = items};
    return list;
}

/* The first argument whole, or spread over the parameters if the expression names each input. */
static int bind(const struct keras_layer *layer, struct keras_call *call, const struct keras_arg **values,
                struct err *err)
{
    const struct lambda *lambda = layer->params;
    const struct expr_function *function = &lambda->function;
    struct keras_tensor inputs[MAX_PARAMS];
    size_t open[MAX_PARAMS], n_open = 0, n_inputs = all_inputs(call, inputs);
    for (size_t i = 0; i < function->n_params; i++) {
        int rc = i == 0 && !function->sidecar ? 0 : named_value(layer, call, function->params[i].name, &values[i], err);
        if (rc)
            return rc;
        if (!values[i] && (i == 0 || !function->params[i].value))
            open[n_open++] = i;
    }
    bool spread = n_open > 1 && n_open == n_inputs, list = call->input_is_list || n_inputs > 1;
    for (size_t i = 0; i < n_open && (spread || i == 0); i++)
        values[open[i]] = spread || !list ? tensor_arg(layer, inputs[i].value) : input_list(layer, inputs, n_inputs);
    return 0;
}

static int lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    struct lambda *lambda = (struct lambda *)(uintptr_t)layer->params; /* its nodes carry marks while they are lowered */
    const struct keras_arg *values[MAX_PARAMS] = {NULL};
    struct keras_arg result;
    struct err inner = {0};
    if (lambda->function.n_params > MAX_PARAMS || call->n_inputs == 0)
        return err_set(err, KD_EUNSUPPORTED, "it has no input, or more than %d parameters", MAX_PARAMS);
    int rc = bind(layer, call, values, err);
    if (rc)
        return rc;
    if (expr_lower(layer, call, &lambda->function, values, &result, &inner)) {
        struct buf source;
        buf_init(&source, MAX_SOURCE_BYTES);
        expr_print(&lambda->function, &source);
        err_set(err, inner.code,
                "its function %.200s can't be served: %.300s. Give an expression in the sidecar file: "
                "{\"%s\": {\"%.80s\": \"lambda x: ...\"}}",
                source.data ? source.data : "", inner.text, layer->class == &keras_class_lambda ? "layers" : "classes",
                layer->class == &keras_class_lambda ? layer->name : layer->class_name);
        buf_done(&source);
        return err->code;
    }
    ops_return(call, &result);
    return 0;
}

const struct keras_class keras_class_lambda = {
    .names = (const char *const[]){"Lambda", NULL},
    .family = "Core",
    .doc = "an expression, read from its bytecode (Python 2.7, 3.0 to 3.13) or given in the sidecar file; never executed",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = lambda_parse,
    .lower = lower,
};

const struct keras_class keras_class_sidecar = {
    .names = (const char *const[]){NULL},
    .family = "Core",
    .doc = "a custom class defined by an expression in the sidecar file",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = sidecar_parse,
    .lower = lower,
};
