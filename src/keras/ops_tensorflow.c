/* TensorFlow functions as layers: TFOpLambda and SlicingOpLambda (TF 2.4 and later).
 *
 * The config names the function ("math.multiply"), the node carries its arguments by name. Operators of
 * Python appear under the names of the functions behind them: x // y as compat.v1.floor_div, x[:, 0] as
 * __operators__.getitem. What is not served is refused when it is lowered: a loss added with add_loss stands
 * in the file too, and the outputs need nothing of it. */
#include "base/err.h"
#include "keras/ops.h"

static int parse(struct keras_layer *layer, struct err *err)
{
    layer->params = keras_config_string(layer, "function", NULL);
    if (!layer->params)
        return keras_config_fail(layer, "config key 'function' is missing");
    return 0;
}

static int lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    struct ops_args args = {call->n_args, call->args, call->n_kwargs, call->kwargs, call->kwarg_names};
    struct keras_arg result;
    int rc = ops_apply(layer, call, OPS_TENSORFLOW, layer->params, &args, &result, err);
    if (rc == 0)
        ops_return(call, &result);
    return rc;
}

const struct keras_class keras_class_tf_op_lambda = {
    .names = (const char *const[]){"TFOpLambda", "SlicingOpLambda", NULL},
    .family = "Operation",
    .doc = "a TensorFlow function between layers, TF 2.4 and later",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .operation = true,
    .parse = parse,
    .lower = lower,
};
