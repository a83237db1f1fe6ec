/* MultiHeadAttention and GroupQueryAttention.
 *
 * Query, key and value are projected to heads, attention runs over the attention axes (all but batch and
 * features by default), its output is projected back. The axes are brought to [batch..., heads, T, size] with
 * the attention axes joined to one, so that both products are plain batched matrix products; the factor 1 /
 * sqrt(key_dim) goes into the query's kernel.
 *
 * Masks come from everywhere at once: the argument attention_mask, the masks that travel with query, value
 * and key, causal order, a sliding window. Generations differ in what a row without any key left gives: Keras
 * 2, Keras 3 before 3.10 and Keras 3's fused path give the mean of all values; the others give zero. */
#include "keras/attention.h"

#include <math.h>
#include <string.h>

#include "base/err.h"

struct multi_head {
    int64_t n_heads, n_kv_heads, key_dim, value_dim, sliding_window; /* 0: no window */
    bool use_bias, use_gate, has_dropout;
    int n_axes; /* 0: all between batch and features */
    int64_t axes[SHAPE_MAX_RANK];
    int n_output; /* 0: the query's last size */
    int64_t output_shape[SHAPE_MAX_RANK];
};

/* What a row without keys gives. */
enum masked_rows { ROWS_ADD, ROWS_UNIFORM, ROWS_ZERO };

/* ---- parse ---- */

static void declare_projection(struct keras_layer *layer, bool use_bias, const char *kernel, const char *bias)
{
    keras_declare_weight(layer, kernel, true);
    if (use_bias)
        keras_declare_weight(layer, bias, true);
}

static void declare_all(struct keras_layer *layer, const struct multi_head *params)
{
    declare_projection(layer, params->use_bias, "query/kernel", "query/bias");
    declare_projection(layer, params->use_bias, "key/kernel", "key/bias");
    if (params->use_gate)
        declare_projection(layer, params->use_bias, "gate/kernel", "gate/bias");
    declare_projection(layer, params->use_bias, "value/kernel", "value/bias");
    declare_projection(layer, params->use_bias, "attention_output/kernel", "attention_output/bias");
}

static void parse_common(struct keras_layer *layer, struct multi_head *params)
{
    keras_config_ignore(
        layer, (const char *const[]){"query_shape", "key_shape", "value_shape", "flash_attention", NULL});
    params->use_bias = keras_config_bool(layer, "use_bias", true);
    params->use_gate = keras_config_bool(layer, "use_gate", false);
    params->has_dropout = keras_config_float(layer, "dropout", 0) > 0;
    layer->training_matters = params->has_dropout;
    params->sliding_window = keras_config_int(layer, "sliding_window", 0, 1);
    declare_all(layer, params);
}

static int parse_mha(struct keras_layer *layer, struct err *err)
{
    struct multi_head *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    if (!keras_config_has(layer, "num_heads") || !keras_config_has(layer, "key_dim"))
        return keras_config_fail(layer,
                                 "not Keras's own layer of this name (no 'key_dim'), so a custom class");
    params->n_heads = keras_config_int(layer, "num_heads", 1, 1);
    params->n_kv_heads = params->n_heads;
    params->key_dim = keras_config_int(layer, "key_dim", 1, 1);
    params->value_dim = keras_config_int(layer, "value_dim", params->key_dim, 1);
    params->n_axes = keras_config_axes(layer, "attention_axes", params->axes, SHAPE_MAX_RANK);
    params->n_output = keras_config_axes(layer, "output_shape", params->output_shape, SHAPE_MAX_RANK - 2);
    parse_common(layer, params);
    return 0;
}

static int parse_gqa(struct keras_layer *layer, struct err *err)
{
    struct multi_head *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    if (!keras_config_has(layer, "num_query_heads") || !keras_config_has(layer, "head_dim"))
        return keras_config_fail(layer,
                                 "not Keras's own layer of this name (no 'head_dim'), so a custom class");
    params->n_heads = keras_config_int(layer, "num_query_heads", 1, 1);
    params->n_kv_heads = keras_config_int(layer, "num_key_value_heads", 1, 1);
    params->key_dim = keras_config_int(layer, "head_dim", 1, 1);
    params->value_dim = params->key_dim;
    if (params->n_heads % params->n_kv_heads)
        return keras_config_fail(layer, "num_key_value_heads must divide num_query_heads");
    parse_common(layer, params);
    return 0;
}

/* ---- axes ---- */

/* Which axes of [batch, ..., features] are attended over, and in what order all axes stand after the turn. */
struct layout {
    int rank;          /* of query, key, value */
    int n_batch;       /* axes that are not attended over, the batch included */
    int batch[SHAPE_MAX_RANK];
    int n_attended;
    int attended[SHAPE_MAX_RANK];
};

/* counts_back: axes below 0 count from the end. Keras before 3.12 counts those with the heads' axis among them,
 * so that something else comes out: not served. */
static bool make_layout(const struct multi_head *params, int rank, bool counts_back, struct layout *layout)
{
    bool attended[SHAPE_MAX_RANK] = {false};
    memset(layout, 0, sizeof(*layout));
    layout->rank = rank;
    for (int i = 0; i < params->n_axes; i++) {
        if (params->axes[i] < 0 && !counts_back)
            return false;
        int64_t axis = params->axes[i] < 0 ? params->axes[i] + rank : params->axes[i];
        if (axis < 1 || axis >= rank - 1 || attended[axis])
            return false;
        attended[axis] = true;
        layout->attended[layout->n_attended++] = (int)axis;
    }
    for (int axis = 1; params->n_axes == 0 && axis < rank - 1; axis++) {
        attended[axis] = true;
        layout->attended[layout->n_attended++] = axis;
    }
    for (int axis = 0; axis < rank - 1; axis++)
        if (!attended[axis])
            layout->batch[layout->n_batch++] = axis;
    return layout->n_attended > 0 && rank + 1 <= SHAPE_MAX_RANK;
}

/* [x..., H * size] -> [batch..., H, T, size] */
static engine_value split_heads(struct keras_call *call, const struct layout *layout, engine_value x,
                                int64_t n_heads, int64_t size)
{
    int64_t spec[SHAPE_MAX_RANK];
    int order[SHAPE_MAX_RANK], n = 0;
    int rank = layout->rank;
    for (int i = 0; i < rank - 1; i++)
        spec[i] = ENGINE_SAME_DIM(i);
    spec[rank - 1] = n_heads;
    spec[rank] = size;
    x = engine_reshape(call->graph, x, spec, rank + 1);
    for (int i = 0; i < layout->n_batch; i++)
        order[n++] = layout->batch[i];
    order[n++] = rank - 1;
    for (int i = 0; i < layout->n_attended; i++)
        order[n++] = layout->attended[i];
    order[n++] = rank;
    x = engine_transpose(call->graph, x, order);
    if (layout->n_attended == 1)
        return x;
    for (int i = 0; i <= layout->n_batch; i++)
        spec[i] = ENGINE_SAME_DIM(i);
    spec[layout->n_batch + 1] = ENGINE_INFER;
    spec[layout->n_batch + 2] = size;
    return engine_reshape(call->graph, x, spec, layout->n_batch + 3);
}

/* Sizes of the attended axes of x, int64 [n_attended]. */
static engine_value attended_sizes(struct keras_call *call, const struct layout *layout, engine_value x)
{
    engine_value sizes[SHAPE_MAX_RANK], shape = engine_shape_of(call->graph, x);
    for (int i = 0; i < layout->n_attended; i++)
        sizes[i] = engine_slice(call->graph, shape, 0, layout->attended[i], layout->attended[i] + 1, 1);
    return engine_concat(call->graph, sizes, layout->n_attended, 0);
}

/* Takes a joined axis apart again: axis `at` of y becomes the attended axes of `like`. */
static engine_value split_axis(struct keras_call *call, const struct layout *layout, engine_value y, int at,
                               engine_value like)
{
    struct engine_graph *graph = call->graph;
    int64_t spec[SHAPE_MAX_RANK];
    int rank = engine_rank(graph, y), n = 0;
    if (layout->n_attended == 1 || y == ENGINE_NONE)
        return y;
    engine_value shape = engine_shape_of(graph, y);
    engine_value parts[] = {engine_slice(graph, shape, 0, 0, at, 1), attended_sizes(call, layout, like),
                            engine_slice(graph, shape, 0, at + 1, ENGINE_SLICE_NONE, 1)};
    y = engine_reshape_to(graph, y, engine_concat(graph, parts, 3, 0));
    for (int i = 0; i < rank + layout->n_attended - 1 && i < SHAPE_MAX_RANK; i++)
        spec[n++] = ENGINE_SAME_DIM(i);
    for (int i = 0; i < layout->n_attended && at + i < n; i++) {
        int64_t size = engine_dim(graph, like, layout->attended[i]);
        spec[at + i] = size == SHAPE_UNKNOWN ? spec[at + i] : size;
    }
    return engine_reshape(graph, y, spec, n);
}

/* [batch..., H, T, size] -> [x..., H * size]; `like`: the query, for its sizes. */
static engine_value join_heads(struct keras_call *call, const struct layout *layout, engine_value y,
                               engine_value like, int64_t n_values)
{
    int order[SHAPE_MAX_RANK], rank = layout->rank;
    int64_t spec[SHAPE_MAX_RANK];
    y = split_axis(call, layout, y, layout->n_batch + 1, like);
    for (int i = 0; i < layout->n_batch; i++)
        order[layout->batch[i]] = i;
    for (int i = 0; i < layout->n_attended; i++)
        order[layout->attended[i]] = layout->n_batch + 1 + i;
    order[rank - 1] = layout->n_batch;
    order[rank] = rank;
    y = engine_transpose(call->graph, y, order);
    for (int i = 0; i < rank - 1; i++)
        spec[i] = ENGINE_SAME_DIM(i);
    spec[rank - 1] = n_values;
    return engine_reshape(call->graph, y, spec, rank);
}

/* ---- projections ---- */

/* A kernel [D, H, size] as [D, H * size], times a factor; x times it plus the bias. */
static engine_value project(const struct keras_layer *layer, struct keras_call *call, engine_value x,
                            const char *kernel, const char *bias, int64_t n_heads, int64_t size,
                            double factor)
{
    struct engine_graph *graph = call->graph;
    int64_t features = engine_dim(graph, x, -1), flat[] = {ENGINE_SAME_DIM(0), n_heads * size};
    engine_value k = keras_weight(layer, call, kernel, 3, features, n_heads, size);
    engine_value b = keras_weight(layer, call, bias, 2, n_heads, size);
    k = engine_reshape(graph, k, flat, 2);
    b = b == ENGINE_NONE ? b : engine_reshape(graph, b, flat + 1, 1);
    if (factor != 1) {
        k = engine_binary(graph, BINARY_MULTIPLY, k, keras_scalar(call, k, factor));
        b = b == ENGINE_NONE ? b : engine_binary(graph, BINARY_MULTIPLY, b, keras_scalar(call, b, factor));
    }
    return engine_dense(graph, x, k, b);
}

/* [..., H * value_dim] -> [..., output shape]; the kernel is [H, value_dim, output...]. */
static engine_value project_output(const struct keras_layer *layer, struct keras_call *call, engine_value x)
{
    const struct multi_head *params = layer->params;
    struct engine_graph *graph = call->graph;
    const struct shape *shape = keras_weight_shape(layer, "attention_output/kernel");
    int64_t spec[SHAPE_MAX_RANK], flat[] = {params->n_heads * params->value_dim, ENGINE_INFER};
    int rank = engine_rank(graph, x);
    if (!shape || shape->rank < 3 || rank + shape->rank - 3 > SHAPE_MAX_RANK)
        return engine_graph_fail(graph, KD_EFORMAT,
                                 "weight 'attention_output/kernel' must have 3 axes or more");
    engine_value kernel = keras_weight(layer, call, "attention_output/kernel", -1);
    engine_value bias = keras_weight(layer, call, "attention_output/bias", -1);
    kernel = engine_reshape(graph, kernel, flat, 2);
    bias = bias == ENGINE_NONE ? bias : engine_reshape(graph, bias, flat + 1, 1);
    x = engine_dense(graph, x, kernel, bias);
    if (shape->rank == 3)
        return x;
    for (int i = 0; i < rank - 1; i++)
        spec[i] = ENGINE_SAME_DIM(i);
    for (int i = 2; i < shape->rank; i++)
        spec[rank - 3 + i] = shape->dim[i];
    return engine_reshape(graph, x, spec, rank + shape->rank - 3);
}

/* ---- masks ---- */

/* tf.keras before 2.10 did not look at the masks of its inputs. */
static bool sees_masks(const struct keras_layer *layer)
{
    return layer->writer->family == KERAS_3 || keras_since(layer->writer, KERAS_TF, 2, 10);
}

/* The mask of an input: an explicit argument, else the one that travels with it. */
static engine_value input_mask(struct keras_call *call, const char *name, engine_value travelling)
{
    const struct keras_arg *arg = keras_call_arg(call, name, SIZE_MAX);
    engine_value mask = arg ? keras_call_tensor(call, name, SIZE_MAX).value : travelling;
    return mask == ENGINE_NONE ? mask : engine_cast(call->graph, mask, DTYPE_BOOL);
}

/* MultiHeadAttention from Keras 3.8 on forgets the argument query_mask: "" is no argument's name. */
static const char *query_mask_name(const struct keras_layer *layer)
{
    bool forgets = keras_since(layer->writer, KERAS_3, 3, 8) && strcmp(layer->class_name, "MultiHeadAttention") == 0;
    return forgets ? "" : "query_mask";
}

/* bool [N, T, S] or more axes, or ENGINE_NONE. */
static engine_value attention_mask(const struct keras_layer *layer, struct keras_call *call,
                                   const struct keras_tensor in[3], bool has_key)
{
    const struct multi_head *params = layer->params;
    struct engine_graph *graph = call->graph;
    engine_value mask = ENGINE_NONE;
    const size_t position = layer->writer->family == KERAS_3 ? 6 : 3;
    if (sees_masks(layer)) {
        engine_value query = input_mask(call, query_mask_name(layer), in[0].mask),
                     value = input_mask(call, "value_mask", in[1].mask),
                     key = input_mask(call, "key_mask", has_key ? in[2].mask : ENGINE_NONE);
        mask = query == ENGINE_NONE ? query : engine_expand_dims(graph, query, -1);
        mask = attention_and(call, mask, value == ENGINE_NONE ? value : engine_expand_dims(graph, value, -2));
        mask = attention_and(call, mask, key == ENGINE_NONE ? key : engine_expand_dims(graph, key, -2));
    }
    if (attention_flag(call, "use_causal_mask", false))
        mask = attention_and(call, mask, attention_causal_mask(call, in[0].value, in[1].value));
    if (params->sliding_window)
        mask = attention_and(call, mask,
                             attention_window_mask(call, in[0].value, in[1].value, params->sliding_window));
    engine_value given = keras_call_tensor(call, "attention_mask", position).value;
    if (given != ENGINE_NONE)
        mask = attention_and(call, engine_cast(graph, given, DTYPE_BOOL), mask);
    return mask;
}

/* Gives the mask the scores' axes [batch..., H, T, S]: size-1 axes before T, attended axes joined. */
static engine_value fit_mask(struct keras_call *call, const struct layout *layout, engine_value mask,
                             int rank)
{
    struct engine_graph *graph = call->graph;
    int64_t spec[SHAPE_MAX_RANK];
    int n = layout->n_attended;
    if (mask == ENGINE_NONE)
        return mask;
    int mask_rank = engine_rank(graph, mask);
    if (n > 1) {
        if (mask_rank < 2 * n)
            return engine_graph_fail(graph, KD_EUNSUPPORTED,
                                     "an attention mask of %d axes over %d attention axes", mask_rank, n);
        int first = mask_rank - 2 * n, merged = first + 2;
        for (int i = 0; i < first; i++)
            spec[i] = ENGINE_SAME_DIM(i);
        for (int part = 0; part < 2; part++) {
            spec[first + part] = 1;
            for (int i = 0; i < n; i++) {
                int64_t size = engine_dim(graph, mask, first + part * n + i);
                if (size == SHAPE_UNKNOWN)
                    return engine_graph_fail(graph, KD_EUNSUPPORTED,
                                             "an attention mask of unknown size over %d axes", n);
                spec[first + part] *= size;
            }
        }
        mask = engine_reshape(graph, mask, spec, merged);
        mask_rank = merged;
    }
    for (; mask_rank < rank; mask_rank++)
        mask = engine_expand_dims(graph, mask, -3);
    return mask;
}

static enum masked_rows rule_of(const struct keras_layer *layer, const struct layout *layout,
                                bool scores_wanted)
{
    const struct multi_head *params = layer->params;
    bool fused = keras_since(layer->writer, KERAS_3, 3, 7) && !scores_wanted && !params->has_dropout &&
                 layout->rank == 3;
    if (fused)
        return ROWS_UNIFORM;
    return keras_since(layer->writer, KERAS_3, 3, 10) ? ROWS_ZERO : ROWS_ADD;
}

static engine_value masked_softmax(struct keras_call *call, engine_value scores, engine_value mask,
                                   enum masked_rows rule)
{
    struct engine_graph *graph = call->graph;
    const int last[] = {-1};
    if (mask == ENGINE_NONE || scores == ENGINE_NONE)
        return engine_softmax(graph, scores, last, 1, false);
    bool half = engine_dtype(graph, scores) == DTYPE_FLOAT16;
    if (rule == ROWS_UNIFORM) {
        engine_value low = keras_scalar(call, scores, half ? -45000.0 : -2.3e38);
        return engine_softmax(graph, engine_select(graph, mask, scores, low), last, 1, false);
    }
    engine_value keep = engine_cast(graph, mask, engine_dtype(graph, scores));
    if (rule == ROWS_ADD) {
        engine_value off = engine_binary(graph, BINARY_SUBTRACT, keras_scalar(call, scores, 1), keep);
        off = engine_binary(graph, BINARY_MULTIPLY, off, keras_scalar(call, scores, half ? -32752.0 : -1e9));
        return engine_softmax(graph, engine_binary(graph, BINARY_ADD, scores, off), last, 1, false);
    }
    engine_value low = keras_scalar(call, scores, half ? -32752.0 : -1e9);
    engine_value p = engine_softmax(graph, engine_select(graph, mask, scores, low), last, 1, false);
    return engine_binary(graph, BINARY_MULTIPLY, p, keep);
}

/* ---- lower ---- */

/* Query, value, key with the key defaulting to the value. Returns whether a key was given. */
static bool read_inputs(const struct keras_layer *layer, struct keras_call *call, struct keras_tensor in[3])
{
    in[0] = call->inputs[0];
    in[1] = keras_call_tensor(call, "value", 1);
    in[2] = keras_call_tensor(call, "key", 2);
    /* A list as the first argument holds them all. */
    for (size_t i = 1; i < 3 && i < call->n_inputs; i++)
        in[i] = call->inputs[i];
    if (in[1].value == ENGINE_NONE)
        in[1] = in[0];
    bool has_key = in[2].value != ENGINE_NONE;
    if (!has_key)
        in[2] = in[1];
    for (int i = 1; i < 3; i++)
        in[i].value = keras_autocast(layer, call, in[i].value);
    return has_key;
}

/* Key or value of fewer heads: each serves as many query heads as there are per group. */
static engine_value repeat_heads(const struct multi_head *params, struct keras_call *call, int axis,
                                 engine_value x)
{
    return params->n_kv_heads == params->n_heads
               ? x
               : engine_repeat(call->graph, x, axis, params->n_heads / params->n_kv_heads);
}

/* Probabilities [batch..., H, T, S]. */
static engine_value attend(const struct keras_layer *layer, struct keras_call *call,
                           const struct layout *layout, const struct keras_tensor in[3], bool has_key,
                           bool scores_wanted)
{
    const struct multi_head *params = layer->params;
    double factor = 1 / sqrt((double)params->key_dim);
    engine_value q = project(layer, call, in[0].value, "query/kernel", "query/bias", params->n_heads,
                             params->key_dim, factor);
    engine_value k =
        project(layer, call, in[2].value, "key/kernel", "key/bias", params->n_kv_heads, params->key_dim, 1);
    q = split_heads(call, layout, q, params->n_heads, params->key_dim);
    k = split_heads(call, layout, k, params->n_kv_heads, params->key_dim);
    k = repeat_heads(params, call, layout->n_batch, k);
    engine_value scores = engine_matmul(call->graph, q, k, false, true);
    engine_value mask = attention_mask(layer, call, in, has_key);
    mask = fit_mask(call, layout, mask, layout->n_batch + 3);
    return masked_softmax(call, scores, mask, rule_of(layer, layout, scores_wanted));
}

static int lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct multi_head *params = layer->params;
    struct keras_tensor in[3];
    struct layout layout;
    bool has_key = read_inputs(layer, call, in);
    int rank = engine_rank(call->graph, in[0].value);
    for (int i = 0; i < 3; i++)
        if (in[i].value == ENGINE_NONE || engine_rank(call->graph, in[i].value) != rank)
            return err_set(err, KD_EFORMAT, "query, value and key must have the same number of axes");
    if (!make_layout(params, rank, keras_since(layer->writer, KERAS_3, 3, 12), &layout))
        return err_set(err, KD_EUNSUPPORTED, "attention_axes do not fit an input of %d axes", rank);
    bool scores_wanted = attention_flag(call, "return_attention_scores", false);
    engine_value p = attend(layer, call, &layout, in, has_key, scores_wanted);
    engine_value v = project(layer, call, in[1].value, "value/kernel", "value/bias", params->n_kv_heads,
                             params->value_dim, 1);
    v = repeat_heads(params, call, layout.n_batch,
                     split_heads(call, &layout, v, params->n_kv_heads, params->value_dim));
    engine_value y = engine_matmul(call->graph, p, v, false, false);
    y = join_heads(call, &layout, y, in[0].value, params->n_heads * params->value_dim);
    if (params->use_gate) {
        engine_value gate = project(layer, call, in[0].value, "gate/kernel", "gate/bias", params->n_heads,
                                    params->value_dim, 1);
        gate = engine_unary(call->graph, (struct unary){.kind = UNARY_SIGMOID}, gate);
        y = engine_binary(call->graph, BINARY_MULTIPLY, y, gate);
    }
    keras_call_return_masked(call, 0, project_output(layer, call, y),
                             sees_masks(layer) ? in[0].mask : ENGINE_NONE);
    if (scores_wanted) {
        p = split_axis(call, &layout, p, layout.n_batch + 2, in[1].value);
        p = split_axis(call, &layout, p, layout.n_batch + 1, in[0].value);
        keras_call_return_masked(call, 1, p, ENGINE_NONE);
    }
    return 0;
}

static const char call_parameters[] = "value key query_mask value_mask key_mask attention_mask "
                                      "return_attention_scores training use_causal_mask";

const struct keras_class keras_class_multi_head_attention = {
    .names = (const char *const[]){"MultiHeadAttention", NULL},
    .family = "Attention",
    .doc = "all options: attention axes, masks from every source, causal, sliding window, gate, scores as "
           "output",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .call = call_parameters,
    .parse = parse_mha,
    .lower = lower,
};

const struct keras_class keras_class_group_query_attention = {
    .names = (const char *const[]){"GroupQueryAttention", "GroupedQueryAttention", NULL},
    .family = "Attention",
    .doc = "all options",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .call = call_parameters,
    .parse = parse_gqa,
    .lower = lower,
};
