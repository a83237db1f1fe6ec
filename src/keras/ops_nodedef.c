/* TensorFlowOpLayer (TF 1.15 to 2.3): one op of TensorFlow's graph between layers, stored as a NodeDef.
 *
 * The op's inputs are the node's tensors in order with the constants inserted at their positions; its
 * attributes are proto3 JSON ({"b": true}, {"i": "2"}, {"s": base64}, {"list": ...}). Attributes that only
 * repeat types are left out; any other that the op's row does not know is an error. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "keras/build.h"
#include "keras/json.h"
#include "keras/ops.h"

#define MAX_INPUTS 64

struct nodedef {
    const char *op;
    const char *unknown; /* an attribute that the row does not know, or NULL */
    int64_t n_list; /* attribute N: inputs that are taken as a list */
    size_t n_constants;
    int64_t *positions; /* ascending */
    struct keras_arg *constants;
    size_t n_attrs;
    struct keras_arg *attrs;
    const char **names;
};

/* ---- attributes ---- */

/* Attributes without an effect on numbers. */
static bool is_ignored(const char *name)
{
    static const char *const names[] = {"N",
                                        "SrcT",
                                        "DstT",
                                        "Index",
                                        "out_idx",
                                        "use_cudnn_on_gpu",
                                        "explicit_paddings",
                                        "validate_shape", "index_type",
                                        "num",
                                        "num_split",
                                        "data_format",
                                        "incompatible_shape_error"};
    for (size_t i = 0; i < KD_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return name[0] == 'T' || name[0] == '_';
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* The text behind base64; what does not decode to printable text is taken as it is. */
static const char *decode_text(struct arena *arena, const char *text)
{
    size_t n = 0, length = strcspn(text, "=");
    char *out = arena_alloc(arena, length + 1);
    unsigned bits = 0, n_bits = 0;
    for (size_t i = 0; out && i < length; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0)
            return text;
        bits = bits << 6 | (unsigned)digit;
        n_bits += 6;
        if (n_bits < 8)
            continue;
        n_bits -= 8;
        out[n] = (char)(bits >> n_bits & 255);
        if (!isprint((unsigned char)out[n++]))
            return text;
    }
    return out ? out : text;
}

static const char *type_name(const char *name)
{
    for (int dtype = 1; dtype < DTYPE_COUNT; dtype++)
        if (str_equal(dtype_tensorflow_name((enum dtype)dtype), name))
            return dtype_name((enum dtype)dtype);
    return name;
}

static void set_int(const cJSON *item, struct keras_arg *ret)
{
    int64_t value = 0;
    if (cJSON_IsString(item) ? str_to_i64(item->valuestring, &value) : keras_json_int(item, &value))
        *ret = (struct keras_arg){.kind = KERAS_ARG_INT, .integer = value, .number = (double)value};
}

static int read_list(struct keras_layer *layer, const cJSON *list, struct keras_arg *ret, struct err *err)
{
    const cJSON *ints = keras_json_get(list, "i"), *item;
    size_t n = (size_t)cJSON_GetArraySize(ints), i = 0;
    struct keras_arg *items = arena_calloc(layer->arena, n + 1, sizeof(*items));
    if (!items)
        return err_set(err, KD_ENOMEM, "out of memory");
    cJSON_ArrayForEach(item, ints)
    {
        set_int(item, &items[i++]);
    }
    *ret = (struct keras_arg){.kind = KERAS_ARG_LIST, .n_items = n, .items = items};
    return 0;
}

static int read_attr(struct keras_layer *layer, const cJSON *attr, struct keras_arg *ret, struct err *err)
{
    const cJSON *value = attr->child;
    *ret = (struct keras_arg){.kind = KERAS_ARG_NONE};
    if (!value || !value->string)
        return 0;
    if (strcmp(value->string, "b") == 0)
        *ret = (struct keras_arg){
            .kind = KERAS_ARG_BOOL, .boolean = cJSON_IsTrue(value), .integer = cJSON_IsTrue(value)};
    else if (strcmp(value->string, "i") == 0)
        set_int(value, ret);
    else if (strcmp(value->string, "f") == 0)
        *ret = (struct keras_arg){.kind = KERAS_ARG_FLOAT, .number = value->valuedouble};
    else if (strcmp(value->string, "s") == 0 && cJSON_IsString(value))
        *ret = (struct keras_arg){.kind = KERAS_ARG_STRING,
                                  .text = decode_text(layer->arena, value->valuestring)};
    else if (strcmp(value->string, "type") == 0 && cJSON_IsString(value))
        *ret = (struct keras_arg){.kind = KERAS_ARG_STRING, .text = type_name(value->valuestring)};
    else if (strcmp(value->string, "list") == 0)
        return read_list(layer, value, ret, err);
    return 0;
}

static int read_attrs(struct keras_layer *layer, const cJSON *attrs, const struct ops_row *row,
                      struct nodedef *node, struct err *err)
{
    size_t n = (size_t)cJSON_GetArraySize(attrs);
    const cJSON *attr;
    int rc = 0;
    node->attrs = arena_calloc(layer->arena, n + 1, sizeof(*node->attrs));
    node->names = arena_calloc(layer->arena, n + 1, sizeof(*node->names));
    if (!node->attrs || !node->names)
        return err_set(err, KD_ENOMEM, "out of memory");
    cJSON_ArrayForEach(attr, attrs)
    {
        struct keras_arg value;
        if (rc == 0)
            rc = read_attr(layer, attr, &value, err);
        if (rc == 0 && strcmp(attr->string, "N") == 0)
            node->n_list = value.integer;
        if (rc || ops_param(row, attr->string) < 0) {
            if (rc == 0 && !is_ignored(attr->string))
                node->unknown = attr->string;
            continue;
        }
        node->attrs[node->n_attrs] = value;
        node->names[node->n_attrs++] = attr->string;
    }
    return rc;
}

/* ---- constants ---- */

static int read_constants(struct keras_layer *layer, const cJSON *constants, struct nodedef *node,
                          struct err *err)
{
    size_t n = (size_t)cJSON_GetArraySize(constants);
    node->positions = arena_calloc(layer->arena, n + 1, sizeof(*node->positions));
    node->constants = arena_calloc(layer->arena, n + 1, sizeof(*node->constants));
    if (!node->positions || !node->constants)
        return err_set(err, KD_ENOMEM, "out of memory");
    for (int64_t position = 0; position < MAX_INPUTS; position++) {
        char key[24];
        snprintf(key, sizeof(key), "%lld", (long long)position);
        const cJSON *value = keras_json_get(constants, key);
        if (!value)
            continue;
        int rc = ops_arg_of_json(layer->arena, value, &node->constants[node->n_constants], err);
        if (rc)
            return rc;
        node->positions[node->n_constants++] = position;
    }
    if (node->n_constants != n)
        return keras_config_fail(layer, "config key 'constants': positions must be numbers below %d",
                                 MAX_INPUTS);
    return 0;
}

/* The NodeDef as an object; some writers store it as a text of JSON. */
static const cJSON *read_nodedef(struct keras_layer *layer)
{
    const cJSON *json = keras_config_json(layer, "node_def");
    cJSON *tree = NULL;
    struct err err;
    if (!cJSON_IsString(json))
        return json;
    if (keras_json_parse(json->valuestring, "node_def", &tree, &err) || !keras_build_own(layer->build, tree))
        return NULL;
    return tree;
}

static int parse(struct keras_layer *layer, struct err *err)
{
    struct nodedef *node = keras_params(layer, sizeof(*node));
    const cJSON *json = read_nodedef(layer);
    if (!node)
        return 0;
    node->op = keras_json_string(json, "op");
    if (!node->op)
        return keras_config_fail(layer, "config key 'node_def': expected a NodeDef as JSON");
    const struct ops_row *row = ops_find(OPS_NODEDEF, node->op);
    if (!row)
        return 0; /* refused when it is lowered: the outputs may not need it */
    int rc = read_attrs(layer, keras_json_get(json, "attr"), row, node, err);
    return rc ? rc : read_constants(layer, keras_config_json(layer, "constants"), node, err);
}

/* ---- lower ---- */

/* The inputs in the op's order: tensors of the node, constants at their positions. */
static int gather_inputs(const struct nodedef *node, const struct keras_call *call, struct keras_arg *inputs,
                         size_t *n, struct err *err)
{
    size_t next = 0, tensor = 0;
    *n = 0;
    while (next < node->n_constants || tensor < call->n_inputs) {
        if (*n == MAX_INPUTS)
            return err_set(err, KD_ETOOBIG, "more than %d inputs", MAX_INPUTS);
        if (next < node->n_constants && node->positions[next] == (int64_t)*n)
            inputs[(*n)++] = node->constants[next++];
        else if (tensor < call->n_inputs)
            inputs[(*n)++] = (struct keras_arg){.kind = KERAS_ARG_TENSOR, .tensor = call->inputs[tensor++]};
        else
            return err_set(err, KD_EFORMAT, "constant at position %lld, but there are only %zu inputs",
                           (long long)node->positions[next], *n);
    }
    return 0;
}

static int lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct nodedef *node = layer->params;
    struct keras_arg inputs[MAX_INPUTS], args[MAX_INPUTS], result;
    size_t n;
    const struct ops_row *row = ops_find(OPS_NODEDEF, node->op);
    if (!row)
        return err_set(err, KD_EUNSUPPORTED, "the TensorFlow op '%.60s' is not served", node->op);
    if (node->unknown)
        return err_set(err, KD_EUNSUPPORTED, "op '%.60s': the attribute '%.60s' is not known", node->op,
                       node->unknown);
    int rc = gather_inputs(node, call, inputs, &n, err);
    if (rc)
        return rc;
    size_t n_list = row->params[0] == '*' ? (size_t)node->n_list : 0;
    if (n_list > n)
        return err_set(err, KD_EFORMAT, "op '%s' takes %zu inputs, found %zu", node->op, n_list, n);
    size_t n_args = 0;
    if (n_list)
        args[n_args++] = (struct keras_arg){.kind = KERAS_ARG_LIST, .n_items = n_list, .items = inputs};
    for (size_t i = n_list; i < n; i++)
        args[n_args++] = inputs[i];
    struct ops_args all = {n_args, args, node->n_attrs, node->attrs, node->names};
    rc = ops_apply(layer, call, OPS_NODEDEF, node->op, &all, &result, err);
    if (rc == 0)
        ops_return(call, &result);
    return rc;
}

const struct keras_class keras_class_tensorflow_op_layer = {
    .names = (const char *const[]){"TensorFlowOpLayer", NULL},
    .family = "Operation",
    .doc = "one TensorFlow graph op between layers, TF 1.15 to 2.3",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .operation = true,
    .parse = parse,
    .lower = lower,
};
