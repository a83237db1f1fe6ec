/* Operation nodes of Keras 3: x + y, x[:, 0], keras.ops.mean(x, axis=1) between layers.
 *
 * The entry's class is the operation's, its config holds the parameters that are not tensors, its node the
 * rest. Names that are both a layer and an operation (Add, Reshape, Softmax) are told apart by the core:
 * operations have neither "trainable" nor "dtype" in their config. */
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/size.h"
#include "keras/ops.h"

/* Config keys as named arguments. */
struct config_args {
    size_t n;
    struct keras_arg *args;
    const char **names;
};

static int parse(struct keras_layer *layer, struct err *err)
{
    struct config_args *params = keras_params(layer, sizeof(*params));
    size_t n = (size_t)cJSON_GetArraySize(layer->config);
    if (!params)
        return 0;
    params->args = arena_calloc(layer->arena, n + 1, sizeof(*params->args));
    params->names = arena_calloc(layer->arena, n + 1, sizeof(*params->names));
    if (!params->args || !params->names)
        return err_set(err, KD_ENOMEM, "out of memory");
    const cJSON *item;
    int rc = 0;
    cJSON_ArrayForEach(item, layer->config)
    {
        keras_config_json(layer, item->string);
        if (strcmp(item->string, "name") == 0 || rc)
            continue;
        params->names[params->n] = item->string;
        rc = ops_arg_of_json(layer->arena, item, &params->args[params->n++], err);
    }
    return rc;
}

static int lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct config_args *params = layer->params;
    size_t n = params->n + call->n_kwargs;
    struct keras_arg *kwargs = arena_calloc(layer->arena, n + 1, sizeof(*kwargs)), result;
    const char **names = arena_calloc(layer->arena, n + 1, sizeof(*names));
    if (!kwargs || !names)
        return err_set(err, KD_ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        bool own = i < params->n;
        kwargs[i] = own ? params->args[i] : call->kwargs[i - params->n];
        names[i] = own ? params->names[i] : call->kwarg_names[i - params->n];
    }
    struct ops_args args = {call->n_args, call->args, n, kwargs, names};
    int rc = ops_apply(layer, call, OPS_KERAS3, layer->class_name, &args, &result, err);
    if (rc == 0)
        ops_return(call, &result);
    return rc;
}

const struct keras_class keras_class_operation = {
    .names = (const char *const[]){
#define OP(name, params, lower, variant) #name,
#include "keras/ops_keras3.def"
#undef OP
        NULL},
    .family = "Operation",
    .doc = "a Keras 3 operation node",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .operation = true,
    .parse = parse,
    .lower = lower,
};
