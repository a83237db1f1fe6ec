/* Activation layers: the functions that have a layer of their own, with parameters. */
#include <math.h>

#include "base/err.h"
#include "keras/layer.h"

/* A layer that is one unary function: says so, for layers that use it as their activation. */
static int set_unary(struct keras_layer *layer, struct unary function)
{
    struct unary *unary = keras_params(layer, sizeof(*unary));
    if (unary)
        *unary = function;
    layer->unary = unary;
    return 0;
}

static int unary_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    keras_call_return(call, 0, keras_unary(call, *layer->unary, call->inputs[0].value));
    return 0;
}

/* ---- ReLU ---- */

static int relu_parse(struct keras_layer *layer, struct err *err)
{
    float max_value = (float)keras_config_float(layer, "max_value", INFINITY);
    float slope = (float)keras_config_float(layer, "negative_slope", 0);
    float threshold = (float)keras_config_float(layer, "threshold", 0);
    struct unary general = {UNARY_RELU_GENERAL, max_value, slope, threshold};
    struct unary plain = {.kind = max_value == 6 ? UNARY_RELU6 : UNARY_RELU};
    bool is_plain = slope == 0 && threshold == 0 && (max_value == 6 || isinf(max_value));
    return set_unary(layer, is_plain ? plain : general);
}

const struct keras_class keras_class_relu = {
    .names = (const char *const[]){"ReLU", NULL},
    .family = "Activation",
    .doc = "max_value, negative_slope and threshold in any combination",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .parse = relu_parse,
    .lower = unary_lower,
};

/* ---- LeakyReLU, ELU, ThresholdedReLU ---- */

static int leaky_relu_parse(struct keras_layer *layer, struct err *err)
{
    double alpha = keras_config_float(layer, "alpha", 0.3);
    double slope = keras_config_float(layer, "negative_slope", alpha);
    return set_unary(layer, (struct unary){.kind = UNARY_LEAKY_RELU, .a = (float)slope});
}

const struct keras_class keras_class_leaky_relu = {
    .names = (const char *const[]){"LeakyReLU", NULL},
    .family = "Activation",
    .doc = "the slope under its old and new name",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .parse = leaky_relu_parse,
    .lower = unary_lower,
};

static int elu_parse(struct keras_layer *layer, struct err *err)
{
    return set_unary(layer,
                     (struct unary){.kind = UNARY_ELU, .a = (float)keras_config_float(layer, "alpha", 1)});
}

const struct keras_class keras_class_elu = {
    .names = (const char *const[]){"ELU", NULL},
    .family = "Activation",
    .doc = "any alpha",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .parse = elu_parse,
    .lower = unary_lower,
};

static int thresholded_relu_parse(struct keras_layer *layer, struct err *err)
{
    double theta = keras_config_float(layer, "theta", 1);
    return set_unary(layer, (struct unary){.kind = UNARY_THRESHOLD, .a = (float)theta});
}

const struct keras_class keras_class_thresholded_relu = {
    .names = (const char *const[]){"ThresholdedReLU", NULL},
    .family = "Activation",
    .doc = "Keras 1 and 2",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .parse = thresholded_relu_parse,
    .lower = unary_lower,
};

/* ---- PReLU ---- */

static int prelu_parse(struct keras_layer *layer, struct err *err)
{
    keras_config_ignore(layer, (const char *const[]){"shared_axes", NULL}); /* read off the shape of alpha */
    keras_declare_weight(layer, "alpha", true);
    return 0;
}

/* alpha has the input's shape without the batch, 1 on shared axes: it broadcasts as it is. */
static int prelu_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    engine_value x = call->inputs[0].value;
    engine_value alpha = keras_weight(layer, call, "alpha", -1);
    if (x != ENGINE_NONE &&
        keras_expect_rank(call, x, alpha == ENGINE_NONE ? 0 : engine_rank(call->graph, alpha) + 1))
        keras_call_return(call, 0, engine_binary(call->graph, BINARY_PRELU, x, alpha));
    return 0;
}

const struct keras_class keras_class_prelu = {
    .names = (const char *const[]){"PReLU", NULL},
    .family = "Activation",
    .doc = "shared axes by the shape of alpha",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .parse = prelu_parse,
    .lower = prelu_lower,
};

/* ---- SReLU, ParametricSoftplus ---- */

static int srelu_parse(struct keras_layer *layer, struct err *err)
{
    keras_config_ignore(layer, (const char *const[]){"t_left_init", "a_left_init", "t_right_init", "a_right_init",
                                                     "shared_axes", NULL});
    keras_declare_weight(layer, "t_left", true);
    keras_declare_weight(layer, "a_left", true);
    keras_declare_weight(layer, "t_right", true);
    keras_declare_weight(layer, "a_right", true);
    return 0;
}

/* Slope a_left up to t_left, 1 up to t_left + |t_right|, a_right from there. */
static int srelu_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    struct engine_graph *graph = call->graph;
    const struct unary relu = {.kind = UNARY_RELU}, absolute = {.kind = UNARY_ABS};
    engine_value x = call->inputs[0].value, left = keras_weight(layer, call, "t_left", -1);
    engine_value width = engine_unary(graph, absolute, keras_weight(layer, call, "t_right", -1));
    engine_value at = engine_binary(graph, BINARY_SUBTRACT, x, left);
    engine_value below = engine_binary(graph, BINARY_MINIMUM, at, keras_scalar(call, x, 0));
    engine_value above = engine_unary(graph, relu, engine_binary(graph, BINARY_SUBTRACT, at, width));
    below = engine_binary(graph, BINARY_MULTIPLY, below, keras_weight(layer, call, "a_left", -1));
    above = engine_binary(graph, BINARY_MULTIPLY, above, keras_weight(layer, call, "a_right", -1));
    engine_value y = engine_binary(graph, BINARY_MINIMUM, engine_unary(graph, relu, at), width);
    y = engine_binary(graph, BINARY_ADD, y, below);
    if (keras_on_theano(layer->build)) /* there the width bounds what a negative slope gives, too */
        y = engine_binary(graph, BINARY_MINIMUM, y, width);
    y = engine_binary(graph, BINARY_ADD, left, y);
    keras_call_return(call, 0, engine_binary(graph, BINARY_ADD, y, above));
    return 0;
}

const struct keras_class keras_class_srelu = {
    .names = (const char *const[]){"SReLU", NULL},
    .family = "Activation",
    .doc = "Keras 1",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .parse = srelu_parse,
    .lower = srelu_lower,
};

static int softplus_parse(struct keras_layer *layer, struct err *err)
{
    keras_config_ignore(layer, (const char *const[]){"alpha_init", "beta_init", "shared_axes", NULL});
    keras_declare_weight(layer, "alphas", true);
    keras_declare_weight(layer, "betas", true);
    return 0;
}

static int softplus_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    struct engine_graph *graph = call->graph;
    engine_value y = engine_binary(graph, BINARY_MULTIPLY, call->inputs[0].value, keras_weight(layer, call, "betas", -1));
    y = engine_unary(graph, (struct unary){.kind = UNARY_SOFTPLUS}, y);
    keras_call_return(call, 0, engine_binary(graph, BINARY_MULTIPLY, y, keras_weight(layer, call, "alphas", -1)));
    return 0;
}

const struct keras_class keras_class_parametric_softplus = {
    .names = (const char *const[]){"ParametricSoftplus", NULL},
    .family = "Activation",
    .doc = "Keras 1",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .parse = softplus_parse,
    .lower = softplus_lower,
};

/* ---- Softmax ---- */

struct softmax {
    int n_axes;
    int64_t axes[SHAPE_MAX_RANK];
};

static int softmax_parse(struct keras_layer *layer, struct err *err)
{
    struct softmax *softmax = keras_params(layer, sizeof(*softmax));
    if (!softmax)
        return 0;
    softmax->n_axes = keras_config_axes(layer, "axis", softmax->axes, SHAPE_MAX_RANK);
    if (softmax->n_axes == 0)
        softmax->axes[softmax->n_axes++] = -1;
    return 0;
}

/* Keras before 3.10 adds a large negative number where the mask is off; so do we, rounding included: a row
 * that is masked altogether comes out uniform. */
static engine_value mask_keras_2(struct keras_call *call, engine_value x, engine_value keep)
{
    struct engine_graph *graph = call->graph;
    double large = x != ENGINE_NONE && engine_dtype(graph, x) == DTYPE_FLOAT16 ? -32752.0 : -1e9;
    engine_value off = engine_binary(graph, BINARY_SUBTRACT, keras_scalar(call, x, 1), keep);
    engine_value adder = engine_binary(graph, BINARY_MULTIPLY, off, keras_scalar(call, x, large));
    return engine_binary(graph, BINARY_ADD, x, adder);
}

static int softmax_axes(const struct softmax *softmax, struct keras_call *call, engine_value x, int *axes,
                        struct err *err)
{
    for (int i = 0; i < softmax->n_axes; i++) {
        axes[i] = shape_axis(engine_shape(call->graph, x), softmax->axes[i]);
        if (axes[i] < 0)
            return err_set(err, KD_EFORMAT, "axis %lld of an input with %d axes", (long long)softmax->axes[i],
                           engine_rank(call->graph, x));
    }
    return 0;
}

/* From TensorFlow 2.4 on; before, a mask only passed through. */
static bool softmax_knows_masks(const struct keras_writer *writer)
{
    return writer->family == KERAS_3 || keras_since(writer, KERAS_TF, 2, 4);
}

static int softmax_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct softmax *softmax = layer->params;
    struct engine_graph *graph = call->graph;
    engine_value x = call->inputs[0].value, mask = call->inputs[0].mask;
    const struct keras_arg *explicit = keras_call_arg(call, "mask", 1);
    int axes[SHAPE_MAX_RANK];
    int rc = softmax_axes(softmax, call, x, axes, err);
    if (rc != 0)
        return rc;
    if (explicit && explicit->kind == KERAS_ARG_TENSOR)
        mask = explicit->tensor.value;
    else if (mask != ENGINE_NONE && layer->writer->minor == 4 && layer->writer->family == KERAS_TF &&
             engine_rank(graph, mask) != engine_rank(graph, x))
        mask = ENGINE_NONE; /* TensorFlow 2.3 and 2.4 both wrote 2.4.0; only the latter knows masks, of this rank */
    if (mask == ENGINE_NONE || !softmax_knows_masks(layer->writer)) {
        keras_call_return(call, 0, engine_softmax(graph, x, axes, softmax->n_axes, false));
        return 0;
    }
    bool zeros = keras_since(layer->writer, KERAS_3, 3, 10);
    engine_value on = engine_cast(graph, mask, DTYPE_BOOL);
    engine_value keep = engine_cast(graph, on, engine_dtype(graph, x));
    engine_value y =
        zeros ? engine_select(graph, on, x, keras_scalar(call, x, -1e9)) : mask_keras_2(call, x, keep);
    y = engine_softmax(graph, y, axes, softmax->n_axes, false);
    if (zeros)
        y = engine_binary(graph, BINARY_MULTIPLY, y, keep);
    keras_rule(call->build, "softmax of a row that is masked altogether: %s",
               zeros ? "zeros, as Keras 3.10 and later have it" : "uniform, as Keras before 3.10 has it");
    keras_call_return_masked(call, 0, y, call->inputs[0].mask);
    return 0;
}

const struct keras_class keras_class_softmax = {
    .names = (const char *const[]){"Softmax", NULL},
    .family = "Activation",
    .doc = "one axis or several, with or without a mask",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .parse = softmax_parse,
    .lower = softmax_lower,
};
