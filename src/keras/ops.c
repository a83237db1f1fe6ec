/* Ops: finding a function's row, binding its arguments, running its lowering.
 *
 * Names come in many spellings of one function: "tf.math.add", "compat.v1.math.add", "keras.backend.mean",
 * "np.mean", "keras.ops.log_softmax" for the class LogSoftmax. Prefixes are brought to a short form first;
 * Keras 3's function names and class names are compared without case and underscores. */
#include "keras/ops.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/err.h"
#include "base/size.h"
#include "base/str.h"

/* ---- finding ---- */

struct prefix {
    const char *long_form, *short_form;
};

/* Longest first: the first that fits is taken. "K." are Keras's backend functions, "np." NumPy's. */
static const struct prefix prefixes[] = {
    {"tensorflow.python.keras.backend.", "K."}, {"tensorflow.keras.backend.", "K."},
    {"tf.keras.backend.", "K."},                {"keras.backend.", "K."},
    {"tensorflow.keras.activations.", "nn."},   {"tf.keras.activations.", "nn."},
    {"keras.activations.", "nn."},              {"keras.ops.", ""},
    {"ops.", ""},                               {"tensorflow.", ""},
    {"tf.", ""},                                {"numpy.", "np."},
};
static const char *const versions[] = {"compat.v1.", "compat.v2.", "_api.v2."};

#define MAX_NAME 96

static void short_name(const char *function, char name[MAX_NAME])
{
    const char *replacement = "";
    for (size_t i = 0; i < KD_COUNT(prefixes); i++)
        if (str_starts(function, prefixes[i].long_form)) {
            function += strlen(prefixes[i].long_form);
            replacement = prefixes[i].short_form;
            break;
        }
    snprintf(name, MAX_NAME, "%s%s", replacement, function);
}

static bool same_letters(const char *word, size_t length, const char *name)
{
    size_t i = 0;
    for (; *name; name++) {
        if (*name == '_')
            continue;
        while (i < length && word[i] == '_')
            i++;
        if (i == length || tolower((unsigned char)word[i]) != tolower((unsigned char)*name))
            return false;
        i++;
    }
    return i == length;
}

/* Whether `name` is one of the words of `list`, separated by `separator`. */
static bool has_word(const char *list, char separator, const char *name, bool loose)
{
    const char stop[] = {separator, '\0'};
    while (*list) {
        size_t length = strcspn(list, stop);
        if (loose ? same_letters(list, length, name)
                  : strlen(name) == length && strncmp(list, name, length) == 0)
            return true;
        list += length + (list[length] == separator);
    }
    return false;
}

static const struct ops_row *find_in(const struct ops_table *table, const char *name, bool loose)
{
    for (size_t i = 0; i < table->n_rows; i++)
        if (has_word(table->rows[i].names, ' ', name, loose))
            return &table->rows[i];
    return NULL;
}

const struct ops_row *ops_find(enum ops_dialect dialect, const char *function)
{
    const struct ops_table *table = dialect == OPS_KERAS3    ? &ops_keras3_table
                                    : dialect == OPS_NODEDEF ? &ops_nodedef_table
                                                             : &ops_tensorflow_table;
    char name[MAX_NAME];
    short_name(function, name);
    const struct ops_row *row = find_in(table, name, dialect == OPS_KERAS3);
    for (size_t i = 0; !row && dialect == OPS_TENSORFLOW && i < KD_COUNT(versions); i++)
        if (str_starts(name, versions[i]))
            row = find_in(table, name + strlen(versions[i]), false);
    return row;
}

/* ---- binding ---- */

int ops_param(const struct ops_row *row, const char *name)
{
    const char *at = row->params;
    for (int i = 0; *at; i++) {
        char word[128];
        size_t length = strcspn(at, " ");
        snprintf(word, sizeof(word), "%.*s", (int)length, at);
        if (has_word(word, '|', name, false))
            return i;
        at += length + (at[length] == ' ');
    }
    return -1;
}

static int n_params(const struct ops_row *row)
{
    int n = *row->params != '\0';
    for (const char *at = row->params; *at; at++)
        n += *at == ' ';
    return n;
}

static const struct keras_arg *present(const struct keras_arg *arg)
{
    return arg->kind == KERAS_ARG_NONE ? NULL : arg;
}

static int bind_named(struct ops_call *op, const struct ops_args *args, bool *bound, struct err *err)
{
    for (size_t i = 0; i < args->n_kwargs; i++) {
        int k = ops_param(op->row, args->names[i]);
        if (k >= 0) {
            op->arg[k] = present(&args->kwargs[i]);
            bound[k] = true;
        } else if (present(&args->kwargs[i]) && strcmp(args->names[i], "name") != 0) {
            return err_set(err, KD_EUNSUPPORTED, "function '%s': argument '%s' is not known", op->function,
                           args->names[i]);
        }
    }
    return 0;
}

/* A "-" takes no positional argument. */
static void skip_placeholders(const struct ops_row *row, bool *bound)
{
    int i = 0;
    for (const char *at = row->params; *at; at++) {
        if (at[0] == '-' && (at == row->params || at[-1] == ' '))
            bound[i] = true;
        i += *at == ' ';
    }
}

static int bind(struct ops_call *op, const struct ops_args *args, struct err *err)
{
    bool bound[OPS_MAX_PARAMS] = {false};
    int n = n_params(op->row), k = 0;
    KD_ASSERT(n <= OPS_MAX_PARAMS);
    skip_placeholders(op->row, bound);
    int rc = bind_named(op, args, bound, err);
    for (size_t i = 0; rc == 0 && i < args->n_args; i++, k++) {
        while (k < n && bound[k])
            k++;
        if (k == n)
            return err_set(err, KD_EUNSUPPORTED, "function '%s': more arguments than the %d that are known",
                           op->function, n);
        op->arg[k] = present(&args->args[i]);
    }
    return rc;
}

/* ---- applying ---- */

static int take_outputs(struct ops_call *op, struct keras_arg *ret, struct err *err)
{
    if (!op->is_list) {
        *ret = (struct keras_arg){.kind = KERAS_ARG_TENSOR, .tensor = {op->outputs[0], ENGINE_NONE}};
        return 0;
    }
    struct keras_arg *items = arena_calloc(op->layer->arena, op->n_outputs, sizeof(*items));
    if (!items)
        return err_set(err, KD_ENOMEM, "out of memory");
    for (size_t i = 0; i < op->n_outputs; i++)
        items[i] = (struct keras_arg){.kind = KERAS_ARG_TENSOR, .tensor = {op->outputs[i], ENGINE_NONE}};
    *ret = (struct keras_arg){.kind = KERAS_ARG_LIST, .n_items = op->n_outputs, .items = items};
    return 0;
}

int ops_apply(const struct keras_layer *layer, struct keras_call *call, enum ops_dialect dialect,
              const char *function, const struct ops_args *args, struct keras_arg *ret, struct err *err)
{
    engine_value outputs[KERAS_MAX_OUTPUTS];
    struct ops_call op = {
        .layer = layer,
        .call = call,
        .graph = call->graph,
        .dialect = dialect,
        .function = function,
        .row = ops_find(dialect, function),
        .outputs = outputs,
    };
    if (!op.row)
        return err_set(err, KD_EUNSUPPORTED, "function '%s' is not served", function);
    int rc = bind(&op, args, err);
    if (rc)
        return rc;
    engine_value value = op.row->lower(&op);
    const struct err *failed = engine_graph_error(op.graph);
    if (failed)
        return err_set(err, failed->code, "%s", failed->text);
    if (!op.is_list)
        outputs[0] = value;
    return take_outputs(&op, ret, err);
}

void ops_return(struct keras_call *call, const struct keras_arg *result)
{
    bool is_list = result->kind == KERAS_ARG_LIST;
    call->n_outputs = is_list ? result->n_items : 1;
    for (size_t i = 0; i < call->n_outputs; i++)
        keras_call_return_masked(call, i, is_list ? result->items[i].tensor.value : result->tensor.value,
                                 ENGINE_NONE);
}
