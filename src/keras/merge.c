/* Merging layers.
 *
 * Inputs of lower rank get axes of size 1 behind the batch, then NumPy's broadcasting holds. What becomes of
 * the inputs' masks differs by generation: Keras 1 and 2 combine those that exist by AND, Keras 3 combines by
 * OR and only if all inputs have one, its versions before 3.4 lose them. */
#include <string.h>

#include "base/err.h"
#include "keras/layer.h"

/* ---- masks ---- */

static bool loses_masks(const struct keras_writer *writer)
{
    return writer->family == KERAS_3 && writer->major == 3 && writer->minor < 4;
}

static size_t count_masks(const struct keras_call *call)
{
    size_t n = 0;
    for (size_t i = 0; i < call->n_inputs; i++)
        n += call->inputs[i].mask != ENGINE_NONE;
    return n;
}

static engine_value combine_masks(struct keras_call *call, enum binary_kind kind)
{
    engine_value mask = ENGINE_NONE;
    for (size_t i = 0; i < call->n_inputs; i++) {
        engine_value next = call->inputs[i].mask;
        if (next == ENGINE_NONE)
            continue;
        mask = mask == ENGINE_NONE ? next : engine_binary(call->graph, kind, mask, next);
    }
    return mask;
}

static engine_value merged_mask(const struct keras_layer *layer, struct keras_call *call)
{
    bool keras_3 = layer->writer->family == KERAS_3;
    size_t n = count_masks(call);
    if (n == 0)
        return ENGINE_NONE;
    if (loses_masks(layer->writer)) {
        keras_rule(call->build, "masks end at merging layers, as in Keras 3.0 to 3.3");
        return ENGINE_NONE;
    }
    keras_rule(call->build, "masks of merged inputs: %s",
               keras_3 ? "OR, and none if an input has none, as Keras 3 has it"
                       : "AND, as Keras 1 and 2 have it");
    if (keras_3 && n < call->n_inputs)
        return ENGINE_NONE;
    return combine_masks(call, keras_3 ? BINARY_LOGICAL_OR : BINARY_LOGICAL_AND);
}

/* ---- element-wise ---- */

static engine_value raise_rank(struct keras_call *call, engine_value x, int rank)
{
    while (x != ENGINE_NONE && engine_rank(call->graph, x) < rank)
        x = engine_expand_dims(call->graph, x, 1);
    return x;
}

/* Mixed types: floats win over integers, the first float type among them. */
static enum dtype common_dtype(struct keras_call *call)
{
    enum dtype dtype = engine_dtype(call->graph, call->inputs[0].value);
    for (size_t i = 1; i < call->n_inputs; i++) {
        enum dtype next = engine_dtype(call->graph, call->inputs[i].value);
        if (dtype_is_float(next) && !dtype_is_float(dtype))
            dtype = next;
    }
    return dtype;
}

static bool has_values(const struct keras_call *call)
{
    for (size_t i = 0; i < call->n_inputs; i++)
        if (call->inputs[i].value == ENGINE_NONE)
            return false;
    return true;
}

static engine_value fold(struct keras_call *call, enum binary_kind kind)
{
    struct engine_graph *graph = call->graph;
    engine_value result = ENGINE_NONE;
    int rank = 0;
    if (!has_values(call))
        return ENGINE_NONE;
    enum dtype dtype = common_dtype(call);
    for (size_t i = 0; i < call->n_inputs; i++)
        if (engine_rank(graph, call->inputs[i].value) > rank)
            rank = engine_rank(graph, call->inputs[i].value);
    for (size_t i = 0; i < call->n_inputs; i++) {
        engine_value next = engine_cast(graph, raise_rank(call, call->inputs[i].value, rank), dtype);
        result = i == 0 ? next : engine_binary(graph, kind, result, next);
    }
    return result;
}

/* ---- Keras 3 from 3.4: Multiply, Maximum and Minimum leave masked elements out of the result ---- */

static bool leaves_masked_out(const struct keras_layer *layer, const struct keras_call *call)
{
    const struct keras_writer *writer = layer->writer;
    int rank = engine_rank(call->graph, call->inputs[0].value);
    for (size_t i = 0; i < call->n_inputs; i++)
        if (engine_rank(call->graph, call->inputs[i].value) != rank)
            return false; /* reshaped inputs have lost their masks */
    return writer->family == KERAS_3 && (writer->major > 3 || writer->minor >= 4) && count_masks(call) > 0;
}

/* Masks get a last axis of size 1; ENGINE_NONE stays. */
static engine_value mask_for(struct keras_call *call, size_t i)
{
    engine_value mask = call->inputs[i].mask;
    return mask == ENGINE_NONE ? mask : engine_expand_dims(call->graph, mask, engine_rank(call->graph, mask));
}

/* Masked elements count as 1; where all inputs are masked the product is 0. */
static engine_value masked_product(struct keras_call *call)
{
    struct engine_graph *graph = call->graph;
    engine_value result = ENGINE_NONE, any = ENGINE_NONE;
    for (size_t i = 0; i < call->n_inputs; i++) {
        engine_value x = call->inputs[i].value, mask = mask_for(call, i);
        if (mask != ENGINE_NONE) {
            x = engine_select(graph, mask, x, keras_scalar(call, x, 1));
            any = any == ENGINE_NONE ? mask : engine_binary(graph, BINARY_LOGICAL_OR, any, mask);
        }
        result = i == 0 ? x : engine_binary(graph, BINARY_MULTIPLY, result, x);
    }
    if (count_masks(call) < call->n_inputs)
        return result;
    return engine_select(graph, any, result, keras_scalar(call, result, 0));
}

/* Maximum and minimum have no neutral element: the other operand stands in for a masked one. */
static engine_value masked_extremum(struct keras_call *call, enum binary_kind kind)
{
    struct engine_graph *graph = call->graph;
    engine_value result = call->inputs[0].value, result_mask = mask_for(call, 0);
    for (size_t i = 1; i < call->n_inputs; i++) {
        engine_value x = call->inputs[i].value, mask = mask_for(call, i);
        if (mask != ENGINE_NONE)
            x = engine_select(graph, mask, x, result);
        if (result_mask != ENGINE_NONE)
            result = engine_select(graph, result_mask, result, x);
        bool both = mask != ENGINE_NONE && result_mask != ENGINE_NONE;
        result_mask = both ? engine_binary(graph, BINARY_LOGICAL_OR, result_mask, mask) : ENGINE_NONE;
        result = engine_binary(graph, kind, result, x);
    }
    return result;
}

static int extremum_lower(const struct keras_layer *layer, struct keras_call *call, enum binary_kind kind)
{
    bool masked = has_values(call) && leaves_masked_out(layer, call);
    engine_value y = masked ? masked_extremum(call, kind) : fold(call, kind);
    keras_call_return_masked(call, 0, y, merged_mask(layer, call));
    return 0;
}

static int multiply_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    bool masked = has_values(call) && leaves_masked_out(layer, call);
    engine_value y = masked ? masked_product(call) : fold(call, BINARY_MULTIPLY);
    keras_call_return_masked(call, 0, y, merged_mask(layer, call));
    return 0;
}

/* ---- element-wise, all generations ---- */

static int fold_lower(const struct keras_layer *layer, struct keras_call *call, enum binary_kind kind)
{
    keras_call_return_masked(call, 0, fold(call, kind), merged_mask(layer, call));
    return 0;
}

static int subtract_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    if (call->n_inputs != 2)
        return err_set(err, KD_EFORMAT, "needs two inputs, got %zu", call->n_inputs);
    return fold_lower(layer, call, BINARY_SUBTRACT);
}

static int average_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    engine_value sum = fold(call, BINARY_ADD);
    engine_value count = keras_scalar(call, sum, (double)call->n_inputs);
    engine_value mean = engine_binary(call->graph, BINARY_DIVIDE, sum, count);
    keras_call_return_masked(call, 0, mean, merged_mask(layer, call));
    return 0;
}

static int add_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    return fold_lower(layer, call, BINARY_ADD);
}

static int maximum_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    return extremum_lower(layer, call, BINARY_MAXIMUM);
}

static int minimum_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    return extremum_lower(layer, call, BINARY_MINIMUM);
}

/* ---- Concatenate ---- */

static int concatenate_parse(struct keras_layer *layer, struct err *err)
{
    int64_t *axis = keras_params(layer, sizeof(*axis));
    if (axis)
        *axis = keras_config_int(layer, "axis", -1, INT64_MIN);
    return 0;
}

/* All true, of the input's shape without its last axis. */
static engine_value full_mask(struct keras_call *call, engine_value x)
{
    struct engine_graph *graph = call->graph;
    engine_value shape = engine_slice(graph, engine_shape_of(graph, x), 0, 0, engine_rank(graph, x) - 1, 1);
    return engine_fill(graph, shape, engine_scalar_i64(graph, DTYPE_BOOL, 1));
}

/* Keras concatenates the masks along the same axis, expanded to the data's rank with true for inputs that
 * have none, and reduces the last axis: by all, in Keras 3 by any. Along the last axis that combines the
 * masks. */
static engine_value concatenated_mask(const struct keras_layer *layer, struct keras_call *call, int axis)
{
    struct engine_graph *graph = call->graph;
    bool keras_3 = layer->writer->family == KERAS_3;
    int last = engine_rank(graph, call->inputs[0].value) - 1;
    engine_value masks[KERAS_MAX_OUTPUTS];
    size_t n = count_masks(call);
    if (n == 0 || loses_masks(layer->writer) || call->n_inputs > KERAS_MAX_OUTPUTS)
        return ENGINE_NONE;
    for (size_t i = 0; i < call->n_inputs; i++)
        if (call->inputs[i].mask != ENGINE_NONE && engine_rank(graph, call->inputs[i].mask) != last)
            return ENGINE_NONE;
    keras_rule(call->build, "masks of concatenated inputs: %s",
               keras_3 ? "any, as Keras 3 has it" : "all, as Keras 1 and 2 have it");
    if (axis == last)
        return keras_3 && n < call->n_inputs
                   ? ENGINE_NONE
                   : combine_masks(call, keras_3 ? BINARY_LOGICAL_OR : BINARY_LOGICAL_AND);
    for (size_t i = 0; i < call->n_inputs; i++)
        masks[i] = call->inputs[i].mask != ENGINE_NONE ? call->inputs[i].mask
                                                       : full_mask(call, call->inputs[i].value);
    return engine_concat(graph, masks, (int)call->n_inputs, axis);
}

static int concatenate_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const int64_t *axis = layer->params;
    engine_value values[KERAS_MAX_OUTPUTS];
    if (call->n_inputs > KERAS_MAX_OUTPUTS)
        return err_set(err, KD_ETOOBIG, "more than %d inputs", KERAS_MAX_OUTPUTS);
    if (!has_values(call))
        return 0;
    enum dtype dtype = common_dtype(call);
    int along = shape_axis(engine_shape(call->graph, call->inputs[0].value), *axis);
    if (along < 0)
        return err_set(err, KD_EFORMAT, "axis %lld of inputs with %d axes", (long long)*axis,
                       engine_rank(call->graph, call->inputs[0].value));
    for (size_t i = 0; i < call->n_inputs; i++)
        values[i] = engine_cast(call->graph, call->inputs[i].value, dtype);
    engine_value y = engine_concat(call->graph, values, (int)call->n_inputs, along);
    keras_call_return_masked(call, 0, y, y == ENGINE_NONE ? y : concatenated_mask(layer, call, along));
    return 0;
}

/* ---- Dot ---- */

struct dot {
    int n_axes;
    int64_t axes[2];
    bool normalize;
};

static int dot_parse(struct keras_layer *layer, struct err *err)
{
    struct dot *dot = keras_params(layer, sizeof(*dot));
    if (!dot)
        return 0;
    dot->n_axes = keras_config_axes(layer, "axes", dot->axes, 2);
    dot->normalize = keras_config_bool(layer, "normalize", false);
    if (dot->n_axes == 0)
        return keras_config_fail(layer, "config key 'axes' is missing");
    if (dot->n_axes == 1)
        dot->axes[1] = dot->axes[0];
    return 0;
}

static engine_value normalized(struct keras_call *call, engine_value x, int axis)
{
    struct engine_graph *graph = call->graph;
    const struct unary square = {.kind = UNARY_SQUARE}, rsqrt = {.kind = UNARY_RSQRT};
    engine_value sum = engine_reduce(graph, REDUCE_SUM, engine_unary(graph, square, x), &axis, 1, true);
    engine_value bounded = engine_binary(graph, BINARY_MAXIMUM, sum, keras_scalar(call, x, 1e-12));
    return engine_binary(graph, BINARY_MULTIPLY, x, engine_unary(graph, rsqrt, bounded));
}

/* "nbc,nde->nb.." : n is the batch, the contracted axes share the letter k, all others have their own. */
static void dot_equation(const int *ranks, const int *axes, char *text)
{
    char result[2 * SHAPE_MAX_RANK + 1] = "n", next = 'a';
    size_t n_result = 1, at = 0;
    for (int side = 0; side < 2; side++) {
        text[at++] = 'n';
        for (int i = 1; i < ranks[side]; i++) {
            char letter = i == axes[side] ? 'k' : next;
            text[at++] = letter;
            if (letter == 'k')
                continue;
            result[n_result++] = letter;
            next = (char)(next + 1 == 'k' || next + 1 == 'n' ? next + 2 : next + 1);
        }
        if (side == 0)
            text[at++] = ',';
    }
    result[n_result] = '\0';
    memcpy(text + at, "->", 2);
    strcpy(text + at + 2, result);
}

/* TensorFlow's batch_dot before Keras 2.3 was a product of matrices: with more axes than three those in front
 * number the matrices, and of the axes asked for it only counts whether they are the last. */
static bool multiplies_stacks(const struct keras_writer *writer, const int *ranks)
{
    bool old = writer->family == KERAS_1 || (writer->family == KERAS_2 && writer->minor < 3);
    bool unclear = writer->family == KERAS_TF && writer->minor == 2; /* TensorFlow 1.13 to 2.1 */
    return (ranks[0] > 3 || ranks[1] > 3) && (old || unclear);
}

static int stacks_lower(const struct keras_layer *layer, struct keras_call *call, const engine_value *values,
                        const int *ranks, const int *axes, struct err *err)
{
    if (layer->writer->family == KERAS_TF || ranks[0] != ranks[1])
        return err_set(err, KD_EUNSUPPORTED,
                       "products of inputs with %d and %d axes are not served from Keras %s: its versions differ",
                       ranks[0], ranks[1], layer->writer->version);
    keras_rule(call->build, "products of more than 3 axes are those of stacked matrices, as in Keras before 2.3");
    engine_value y = engine_matmul(call->graph, values[0], values[1], axes[0] != ranks[0] - 1,
                                   axes[1] == ranks[1] - 1);
    keras_call_return_masked(call, 0, y, ENGINE_NONE);
    return 0;
}

static int dot_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct dot *dot = layer->params;
    engine_value values[2];
    int ranks[2], axes[2];
    char equation[4 * SHAPE_MAX_RANK + 8];
    if (call->n_inputs != 2)
        return err_set(err, KD_EFORMAT, "needs two inputs, got %zu", call->n_inputs);
    if (!has_values(call))
        return 0;
    for (int i = 0; i < 2; i++) {
        values[i] = call->inputs[i].value;
        ranks[i] = engine_rank(call->graph, values[i]);
        axes[i] = shape_axis(engine_shape(call->graph, values[i]), dot->axes[i]);
        if (axes[i] < 1)
            return err_set(err, KD_EFORMAT, "axis %lld of an input with %d axes", (long long)dot->axes[i],
                           ranks[i]);
        if (dot->normalize)
            values[i] = normalized(call, values[i], axes[i]);
    }
    if (multiplies_stacks(layer->writer, ranks) && !keras_on_theano(layer->build))
        return stacks_lower(layer, call, values, ranks, axes, err);
    dot_equation(ranks, axes, equation);
    engine_value y = engine_einsum(call->graph, equation, values[0], values[1]);
    if (ranks[0] == 2 && ranks[1] == 2)
        y = engine_expand_dims(call->graph, y, 1);
    keras_call_return_masked(call, 0, y, ENGINE_NONE);
    return 0;
}

/* ---- the rows ---- */

#define CLASS(symbol, name, text, parse_function)                                                            \
    const struct keras_class keras_class_##symbol = {                                                        \
        .names = (const char *const[]){name, NULL},                                                          \
        .family = "Merging",                                                                                 \
        .doc = text,                                                                                         \
        .support = KERAS_SERVED,                                                                             \
        .mask = KERAS_MASK_CUSTOM,                                                                           \
        .parse = parse_function,                                                                             \
        .lower = symbol##_lower,                                                                             \
    };

CLASS(add, "Add", "any number of inputs, broadcast", NULL)
CLASS(subtract, "Subtract", "two inputs, broadcast", NULL)
CLASS(multiply, "Multiply", "any number of inputs, broadcast", NULL)
CLASS(average, "Average", "any number of inputs, broadcast", NULL)
CLASS(maximum, "Maximum", "any number of inputs, broadcast", NULL)
CLASS(minimum, "Minimum", "any number of inputs, broadcast", NULL)
CLASS(concatenate, "Concatenate", "any axis", concatenate_parse)
CLASS(dot, "Dot", "any axes, normalize", dot_parse)
