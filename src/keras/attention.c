/* Attention (dot product, or concat) and AdditiveAttention.
 *
 * Inputs [query (N, T, D), value (N, S, D), key (default: value)]. Scores, minus a large number where the
 * value is masked or lies in the future, softmax over the keys, product with the value; rows of masked
 * queries become zero. No factor of 1 / sqrt(D). The subtraction is done as Keras does it, rounding included:
 * a row whose keys are all masked comes out uniform. */
#include "keras/attention.h"

#include "base/err.h"

struct attention {
    bool additive; /* the class */
    bool concat;   /* score_mode */
    bool causal;   /* in the config of older files */
};

/* ---- shared ---- */

/* Positions 0..n-1 of axis 1 as int64. */
static engine_value positions(struct keras_call *call, engine_value x)
{
    struct engine_graph *graph = call->graph;
    engine_value zero = engine_scalar_i64(graph, DTYPE_INT64, 0),
                 one = engine_scalar_i64(graph, DTYPE_INT64, 1);
    engine_value size = engine_slice(graph, engine_shape_of(graph, x), 0, 1, 2, 1);
    return engine_range(graph, zero, engine_squeeze(graph, size, (int[]){0}, 1), one);
}

/* t [1, T, 1] and s [1, 1, S]. */
static void position_grid(struct keras_call *call, engine_value query, engine_value value, engine_value *t,
                          engine_value *s)
{
    struct engine_graph *graph = call->graph;
    *t = engine_expand_dims(graph, engine_expand_dims(graph, positions(call, query), 1), 0);
    *s = engine_expand_dims(graph, engine_expand_dims(graph, positions(call, value), 0), 0);
}

engine_value attention_causal_mask(struct keras_call *call, engine_value query, engine_value value)
{
    engine_value t, s;
    position_grid(call, query, value, &t, &s);
    return engine_binary(call->graph, BINARY_GREATER_EQUAL, t, s);
}

engine_value attention_window_mask(struct keras_call *call, engine_value query, engine_value value,
                                   int64_t window)
{
    engine_value t, s;
    struct unary abs = {.kind = UNARY_ABS};
    position_grid(call, query, value, &t, &s);
    engine_value distance = engine_unary(call->graph, abs, engine_binary(call->graph, BINARY_SUBTRACT, t, s));
    return engine_binary(call->graph, BINARY_LESS, distance,
                         engine_scalar_i64(call->graph, DTYPE_INT64, window));
}

engine_value attention_and(struct keras_call *call, engine_value a, engine_value b)
{
    if (a == ENGINE_NONE || b == ENGINE_NONE)
        return a == ENGINE_NONE ? b : a;
    return engine_binary(call->graph, BINARY_LOGICAL_AND, a, b);
}

bool attention_flag(const struct keras_call *call, const char *name, bool absent)
{
    const struct keras_arg *arg = keras_call_arg(call, name, SIZE_MAX);
    return arg && arg->kind == KERAS_ARG_BOOL ? arg->boolean : absent;
}

/* ---- parse ---- */

static int parse(struct keras_layer *layer, bool additive)
{
    static const char *const modes[] = {"dot", "concat", NULL};
    struct attention *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    /* People call layers of their own Attention; Keras's always writes this key. */
    if (!keras_config_has(layer, "use_scale"))
        return keras_config_fail(layer,
                                 "not Keras's own layer of this name (no 'use_scale'), so a custom class");
    layer->training_matters = keras_config_float(layer, "dropout", 0) > 0;
    params->additive = additive;
    params->causal = keras_config_bool(layer, "causal", false);
    params->concat = !additive && keras_config_choice(layer, "score_mode", modes, 0) == 1;
    if (keras_config_bool(layer, "use_scale", additive))
        keras_declare_weight(layer, "scale", true);
    if (params->concat)
        keras_declare_weight(layer, "concat_score_weight", true);
    return 0;
}

static int parse_attention(struct keras_layer *layer, struct err *err)
{
    return parse(layer, false);
}

static int parse_additive(struct keras_layer *layer, struct err *err)
{
    return parse(layer, true);
}

/* ---- lower ---- */

static engine_value multiply(struct keras_call *call, engine_value x, engine_value y)
{
    return y == ENGINE_NONE ? x : engine_binary(call->graph, BINARY_MULTIPLY, x, y);
}

/* tanh over all pairs of query and key, [N, T, S, D]; scale inside or outside of it. */
static engine_value pair_scores(const struct keras_layer *layer, struct keras_call *call, engine_value query,
                                engine_value key)
{
    const struct attention *params = layer->params;
    struct engine_graph *graph = call->graph;
    int64_t size = engine_dim(graph, query, -1);
    engine_value scale = params->additive ? keras_weight(layer, call, "scale", 1, size)
                                          : keras_weight(layer, call, "scale", 0);
    engine_value sum = engine_binary(graph, BINARY_ADD, engine_expand_dims(graph, query, -2),
                                     engine_expand_dims(graph, key, -3));
    sum = params->additive ? sum : multiply(call, sum, scale);
    engine_value pairs = engine_unary(graph, (struct unary){.kind = UNARY_TANH}, sum);
    pairs = params->additive ? multiply(call, pairs, scale) : pairs;
    engine_value scores = engine_reduce(graph, REDUCE_SUM, pairs, (int[]){-1}, 1, false);
    return params->additive ? scores
                            : multiply(call, scores, keras_weight(layer, call, "concat_score_weight", 0));
}

static engine_value raw_scores(const struct keras_layer *layer, struct keras_call *call, engine_value query,
                               engine_value key)
{
    const struct attention *params = layer->params;
    if (params->additive || params->concat)
        return pair_scores(layer, call, query, key);
    engine_value scores = engine_matmul(call->graph, query, key, false, true);
    return multiply(call, scores, keras_weight(layer, call, "scale", 0));
}

/* keep: bool [N, T, S] by broadcasting. */
static engine_value subtract_masked(struct keras_call *call, engine_value scores, engine_value keep)
{
    struct engine_graph *graph = call->graph;
    if (keep == ENGINE_NONE || scores == ENGINE_NONE)
        return scores;
    double large = engine_dtype(graph, scores) == DTYPE_FLOAT16 ? 65504.0 : 1e9;
    engine_value off = engine_unary(graph, (struct unary){.kind = UNARY_LOGICAL_NOT}, keep);
    engine_value amount = engine_cast(graph, off, engine_dtype(graph, scores));
    amount = engine_binary(graph, BINARY_MULTIPLY, amount, keras_scalar(call, scores, large));
    return engine_binary(graph, BINARY_SUBTRACT, scores, amount);
}

static engine_value zero_masked_rows(struct keras_call *call, engine_value y, engine_value query_mask)
{
    if (query_mask == ENGINE_NONE || y == ENGINE_NONE)
        return y;
    engine_value keep = engine_cast(call->graph, query_mask, engine_dtype(call->graph, y));
    return engine_binary(call->graph, BINARY_MULTIPLY, y, engine_expand_dims(call->graph, keep, -1));
}

static int lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct attention *params = layer->params;
    struct engine_graph *graph = call->graph;
    if (call->n_inputs < 2 || call->n_inputs > 3)
        return err_set(err, KD_EFORMAT, "called with %zu inputs, expected query, value and maybe key",
                       call->n_inputs);
    engine_value query = call->inputs[0].value, value = call->inputs[1].value;
    engine_value key = call->n_inputs > 2 ? call->inputs[2].value : value;
    engine_value keep = call->inputs[1].mask;
    if (keep != ENGINE_NONE)
        keep = engine_expand_dims(graph, engine_cast(graph, keep, DTYPE_BOOL), -2);
    if (attention_flag(call, "use_causal_mask", params->causal))
        keep = attention_and(call, keep, attention_causal_mask(call, query, value));
    engine_value scores = subtract_masked(call, raw_scores(layer, call, query, key), keep);
    engine_value weights = engine_softmax(graph, scores, (int[]){-1}, 1, false);
    engine_value y =
        zero_masked_rows(call, engine_matmul(graph, weights, value, false, false), call->inputs[0].mask);
    keras_call_return_masked(call, 0, y, call->inputs[0].mask);
    if (attention_flag(call, "return_attention_scores", false))
        keras_call_return_masked(call, 1, weights, ENGINE_NONE);
    return 0;
}

const struct keras_class keras_class_attention = {
    .names = (const char *const[]){"Attention", NULL},
    .family = "Attention",
    .doc = "dot and concat scores, masks, causal, scores as output",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .call = "mask training return_attention_scores use_causal_mask",
    .parse = parse_attention,
    .lower = lower,
};

const struct keras_class keras_class_additive_attention = {
    .names = (const char *const[]){"AdditiveAttention", NULL},
    .family = "Attention",
    .doc = "masks, causal, scores as output",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .call = "mask training return_attention_scores use_causal_mask",
    .parse = parse_additive,
    .lower = lower,
};
