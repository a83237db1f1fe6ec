/* CategoryEncoding, Discretization, Hashing, HashedCrossing, and the encoding that all categorical layers end
 * in.
 *
 * A layer first finds ids; output_mode then says whether they leave as they are or as rows of `depth`
 * numbers. Integer outputs are int64 unless the config names another integer type. */
#include "keras/categorical.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "image/image.h"
#include "keras/json.h"

/* ---- shared ---- */

enum categorical_mode categorical_read_mode(struct keras_layer *layer, enum categorical_mode absent)
{
    static const char *const words[] = {"int",    "one_hot", "multi_hot", "count",
                                        "tf_idf", "binary",  "tf-idf",    NULL};
    static const enum categorical_mode modes[] = {
        CATEGORICAL_INT,    CATEGORICAL_ONE_HOT,   CATEGORICAL_MULTI_HOT, CATEGORICAL_COUNT,
        CATEGORICAL_TF_IDF, CATEGORICAL_MULTI_HOT, CATEGORICAL_TF_IDF};
    if (keras_config_bool(layer, "sparse", false))
        keras_warn(layer->build, layer, "sparse output is served dense");
    return modes[keras_config_choice(layer, "output_mode", words, (int)absent)];
}

/* Keras 3 reduces axis 1 of ids with three axes or more. */
static engine_value reduced_axis_last(const struct keras_layer *layer, struct keras_call *call,
                                      engine_value x)
{
    bool keras_3 = layer->writer->family == KERAS_3;
    if (x == ENGINE_NONE || !keras_3 || engine_rank(call->graph, x) < 3)
        return x;
    return keras_move_axis(call, x, 1, engine_rank(call->graph, x) - 1);
}

/* Each id by itself; a last axis of size 1 gives its place to the row. */
static engine_value one_hot_rows(struct keras_call *call, engine_value ids)
{
    int rank = engine_rank(call->graph, ids);
    if (rank > 1 && engine_dim(call->graph, ids, -1) == 1)
        return ids;
    return engine_expand_dims(call->graph, ids, rank);
}

enum dtype categorical_dtype(const struct keras_layer *layer, enum categorical_mode mode)
{
    enum dtype dtype = layer->compute_dtype;
    if (mode == CATEGORICAL_INT)
        return dtype_is_int(dtype) ? dtype : DTYPE_INT64;
    return dtype == DTYPE_STRING ? DTYPE_FLOAT32 : dtype;
}

engine_value categorical_encode(const struct keras_layer *layer, struct keras_call *call, engine_value ids,
                                engine_value weights, enum categorical_mode mode, int64_t depth,
                                enum dtype dtype)
{
    struct engine_graph *graph = call->graph;
    if (ids == ENGINE_NONE)
        return ENGINE_NONE;
    if (mode == CATEGORICAL_INT)
        return engine_cast(graph, ids, dtype);
    if (mode == CATEGORICAL_ONE_HOT && engine_rank(graph, ids) == 1 && layer->writer->family == KERAS_TF)
        keras_warn(layer->build, layer, "one_hot of inputs without axes: of a batch of one row tf.keras drops the "
                                        "batch axis; it is kept here");
    if (mode == CATEGORICAL_ONE_HOT)
        ids = one_hot_rows(call, ids);
    else if (engine_rank(graph, ids) == 0)
        ids = engine_expand_dims(graph, ids, 0);
    else
        ids = reduced_axis_last(layer, call, ids);
    bool counts = mode == CATEGORICAL_COUNT || mode == CATEGORICAL_TF_IDF;
    enum engine_encode_mode encode = counts ? ENGINE_ENCODE_COUNT : ENGINE_ENCODE_MULTI_HOT;
    if (weights != ENGINE_NONE)
        weights = reduced_axis_last(layer, call, engine_cast(graph, weights, DTYPE_FLOAT32));
    engine_value rows = engine_encode(graph, ids, weights, depth, encode);
    return engine_cast(graph, rows, dtype);
}

/* Floats become integers as Keras casts them. */
static engine_value as_ids(struct keras_call *call, engine_value x)
{
    bool is_int = x == ENGINE_NONE || dtype_is_int(engine_dtype(call->graph, x));
    return is_int ? x : engine_cast(call->graph, x, DTYPE_INT64);
}

/* Keras 3 before 3.4 kept a last axis of size 1 in front of the rows. */
static engine_value keep_last_axis(const struct keras_layer *layer, struct keras_call *call, engine_value ids,
                                   enum categorical_mode mode)
{
    bool kept = layer->writer->family == KERAS_3 && !keras_since(layer->writer, KERAS_3, 3, 4);
    if (ids == ENGINE_NONE || mode != CATEGORICAL_ONE_HOT || !kept)
        return ids;
    return engine_expand_dims(call->graph, ids, engine_rank(call->graph, ids));
}

/* ---- CategoryEncoding ---- */

struct encoding {
    enum categorical_mode mode;
    int64_t depth;
};

static int encoding_parse(struct keras_layer *layer, struct err *err)
{
    struct encoding *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    params->mode = categorical_read_mode(layer, CATEGORICAL_MULTI_HOT);
    params->depth = keras_config_int(layer, "num_tokens", keras_config_int(layer, "max_tokens", 0, 1), 1);
    if (params->depth < 1)
        return keras_config_fail(layer, "config key 'num_tokens' is missing");
    if (params->depth > INT32_MAX)
        return keras_config_fail(layer, "config key 'num_tokens': expected at most %d, found %lld", INT32_MAX,
                                 (long long)params->depth);
    if (params->mode == CATEGORICAL_TF_IDF)
        return keras_config_fail(layer, "output_mode \"tf_idf\" of a CategoryEncoding is not served");
    return 0;
}

static int encoding_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct encoding *params = layer->params;
    engine_value weights = keras_call_tensor(call, "count_weights", 1).value;
    engine_value ids = keep_last_axis(layer, call, as_ids(call, call->inputs[0].value), params->mode);
    keras_call_return(call, 0, categorical_encode(layer, call, ids, weights, params->mode, params->depth,
                                                  categorical_dtype(layer, params->mode)));
    return 0;
}

const struct keras_class keras_class_category_encoding = {
    .names = (const char *const[]){"CategoryEncoding", NULL},
    .family = "Preprocessing",
    .doc = "one_hot, multi_hot, count with weights; sparse output is served dense",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .keeps_inputs = true,
    .call = "count_weights",
    .parse = encoding_parse,
    .lower = encoding_lower,
};

/* ---- Discretization ---- */

struct discretization {
    enum categorical_mode mode;
    int64_t num_bins;
    const cJSON *boundaries; /* NULL: from the summary of an adapted layer */
};

static int discretization_parse(struct keras_layer *layer, struct err *err)
{
    struct discretization *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    keras_config_ignore(layer, (const char *const[]){"epsilon", NULL});
    params->mode = categorical_read_mode(layer, CATEGORICAL_INT);
    params->num_bins = keras_config_int(layer, "num_bins", 0, 1);
    params->boundaries = keras_config_json(layer, "bin_boundaries");
    if (!params->boundaries)
        params->boundaries = keras_config_json(layer, "bins");
    if (!params->boundaries && layer->writer->family == KERAS_3)
        return keras_config_fail(layer, "bin_boundaries is null: the layer was saved before adapt()");
    if (!params->boundaries && params->num_bins < 1)
        return keras_config_fail(layer, "neither bin_boundaries nor num_bins is given");
    if (!params->boundaries)
        keras_declare_weight(layer, "summary", false);
    return 0;
}

/* The value where the cumulated share `c` [n] of the values `v` [n] reaches p, linear between two, clamped at
 * the ends. */
static float quantile(const float *v, const double *c, int64_t n, double p)
{
    if (p <= c[0])
        return v[0];
    for (int64_t i = 1; i < n; i++)
        if (p <= c[i])
            return (float)((double)v[i - 1] +
                           ((double)v[i] - (double)v[i - 1]) * (p - c[i - 1]) / (c[i] - c[i - 1]));
    return v[n - 1];
}

/* Boundaries from the summary (values, then weights, n columns) that adapt() left: the quantiles at 1/bins,
 * 2/bins and so on, the last one left out. A summary of fewer columns than bins is taken as it is. */
static int64_t summary_boundaries(struct arena *arena, const float *summary, int64_t n, int64_t num_bins,
                                  float **ret)
{
    double step = 1.0 / (double)num_bins, total = 0;
    double *share = arena_calloc(arena, (size_t)n + 1, sizeof(*share));
    float *boundaries = arena_calloc(arena, (size_t)(n + num_bins) + 1, sizeof(*boundaries));
    if (!share || !boundaries)
        return -1;
    *ret = boundaries;
    if ((double)n * step < 1) {
        memcpy(boundaries, summary, (size_t)n * sizeof(*boundaries));
        return n - 1;
    }
    for (int64_t i = 0; i < n; i++)
        share[i] = total += (double)summary[n + i];
    for (int64_t i = 0; i < n; i++)
        share[i] /= total;
    int64_t count = 0;
    for (int64_t j = 0; (double)j * step < 1 && count < num_bins; j++)
        boundaries[count++] = quantile(summary, share, n, step + (double)j * step);
    return count - 1;
}

static engine_value boundaries_of(const struct keras_layer *layer, struct keras_call *call)
{
    const struct discretization *params = layer->params;
    float *boundaries = NULL;
    if (params->boundaries)
        return keras_constant_json(call, params->boundaries, DTYPE_FLOAT32);
    const struct tensor *summary = engine_constant_of(
        call->graph, keras_weight(layer, call, "summary", 2, (int64_t)2, (int64_t)SHAPE_UNKNOWN));
    if (!summary || summary->shape.dim[1] < 1)
        return engine_graph_fail(call->graph, KD_EFORMAT, "the summary of the adapted data is empty");
    int64_t n = summary_boundaries(layer->arena, tensor_f32(summary), summary->shape.dim[1], params->num_bins,
                                   &boundaries);
    if (n < 0)
        return engine_graph_fail(call->graph, KD_ENOMEM, "out of memory");
    struct shape shape = shape_of(1, n);
    return engine_constant_copy(call->graph, DTYPE_FLOAT32, &shape, boundaries);
}

static int discretization_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct discretization *params = layer->params;
    engine_value x = engine_cast(call->graph, call->inputs[0].value, DTYPE_FLOAT32);
    engine_value boundaries = boundaries_of(layer, call);
    int64_t depth = boundaries == ENGINE_NONE ? 1 : engine_dim(call->graph, boundaries, 0) + 1;
    engine_value ids =
        keep_last_axis(layer, call, engine_bucketize(call->graph, x, boundaries), params->mode);
    bool int32 = keras_since(layer->writer, KERAS_3, 3, 12) && params->mode == CATEGORICAL_INT;
    enum dtype dtype = int32 ? DTYPE_INT32 : categorical_dtype(layer, params->mode);
    keras_call_return(call, 0, categorical_encode(layer, call, ids, ENGINE_NONE, params->mode, depth, dtype));
    return 0;
}

const struct keras_class keras_class_discretization = {
    .names = (const char *const[]){"Discretization", NULL},
    .family = "Preprocessing",
    .doc = "given or adapted boundaries; every output_mode",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .keeps_inputs = true,
    .parse = discretization_parse,
    .lower = discretization_lower,
};

/* ---- Hashing ---- */

struct hashing {
    enum categorical_mode mode;
    int64_t num_bins;
    bool has_salt;
    uint64_t salt[2];
    const cJSON *mask_value;
};

bool categorical_read_salt(struct keras_layer *layer, uint64_t ret[2])
{
    const cJSON *salt = keras_json_unwrap(keras_config_json(layer, "salt"));
    const cJSON *first = cJSON_IsArray(salt) ? salt->child : salt;
    const cJSON *second = cJSON_IsArray(salt) && first ? first->next : salt;
    int64_t number[2];
    if (!salt)
        return false;
    if (!keras_json_int(first, &number[0]) || !keras_json_int(second, &number[1]))
        keras_config_fail(layer, "config key 'salt': expected an integer or a list of two");
    else
        for (int i = 0; i < 2; i++)
            ret[i] = (uint64_t)number[i];
    return true;
}

static int hashing_parse(struct keras_layer *layer, struct err *err)
{
    struct hashing *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    params->mode = categorical_read_mode(layer, CATEGORICAL_INT);
    params->num_bins = keras_config_int(layer, "num_bins", 0, 1);
    params->mask_value = keras_config_json(layer, "mask_value");
    params->has_salt = categorical_read_salt(layer, params->salt);
    return params->num_bins < 1 ? keras_config_fail(layer, "config key 'num_bins' is missing") : 0;
}

/* The masked value in the type of x. */
static engine_value mask_constant(struct keras_call *call, const cJSON *json, engine_value x)
{
    struct shape scalar = {.rank = 0};
    if (x == ENGINE_NONE || engine_dtype(call->graph, x) != DTYPE_STRING)
        return keras_constant_json(call, json, x == ENGINE_NONE ? DTYPE_INT64 : engine_dtype(call->graph, x));
    struct str_view text = {cJSON_IsString(json) ? json->valuestring : "", 0};
    text.length = strlen(text.data);
    return engine_constant_copy(call->graph, DTYPE_STRING, &scalar, &text);
}

static engine_value text_or_ids(struct keras_call *call, engine_value x)
{
    bool is_text = x != ENGINE_NONE && engine_dtype(call->graph, x) == DTYPE_STRING;
    return is_text ? x : engine_cast(call->graph, as_ids(call, x), DTYPE_INT64);
}

static int hashing_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct hashing *params = layer->params;
    engine_value x = text_or_ids(call, call->inputs[0].value), mask = ENGINE_NONE;
    if (params->mask_value && params->num_bins > 1)
        mask = mask_constant(call, params->mask_value, x);
    engine_value ids =
        engine_hash(call->graph, x, params->num_bins, params->has_salt ? params->salt : NULL, mask);
    keras_call_return(call, 0,
                      categorical_encode(layer, call, ids, ENGINE_NONE, params->mode, params->num_bins,
                                         categorical_dtype(layer, params->mode)));
    return 0;
}

const struct keras_class keras_class_hashing = {
    .names = (const char *const[]){"Hashing", NULL},
    .family = "Preprocessing",
    .doc = "strings and integers, salt, mask_value, every output_mode",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .keeps_inputs = true,
    .parse = hashing_parse,
    .lower = hashing_lower,
};

/* ---- HashedCrossing ---- */

static int crossing_parse(struct keras_layer *layer, struct err *err)
{
    struct hashing *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    params->mode = categorical_read_mode(layer, CATEGORICAL_INT);
    params->num_bins = keras_config_int(layer, "num_bins", 0, 1);
    return params->num_bins < 1 ? keras_config_fail(layer, "config key 'num_bins' is missing") : 0;
}

static int crossing_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct hashing *params = layer->params;
    engine_value values[64];
    if (call->n_inputs < 2 || call->n_inputs > 64)
        return err_set(err, KD_EFORMAT, "called with %zu inputs, expected 2 to 64", call->n_inputs);
    for (size_t i = 0; i < call->n_inputs; i++)
        values[i] = text_or_ids(call, call->inputs[i].value);
    engine_value ids = engine_hash_cross(call->graph, values, (int)call->n_inputs, params->num_bins);
    keras_call_return(call, 0,
                      categorical_encode(layer, call, ids, ENGINE_NONE, params->mode, params->num_bins,
                                         categorical_dtype(layer, params->mode)));
    return 0;
}

const struct keras_class keras_class_hashed_crossing = {
    .names = (const char *const[]){"HashedCrossing", NULL},
    .family = "Preprocessing",
    .doc = "strings and integers, every output_mode",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .keeps_inputs = true,
    .parse = crossing_parse,
    .lower = crossing_lower,
};
