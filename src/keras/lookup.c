/* StringLookup and IntegerLookup, and the vocabularies that TextVectorization shares with them.
 *
 * Ids count from the mask token (0, if there is one and the output is ids), over the buckets for unknown
 * tokens, to the vocabulary in its order. A vocabulary that was given to the constructor stands in the config;
 * one that was adapted to data is in a file of an archive, and not in an .h5 file at all. In modes other than
 * ids the mask token takes no column and is not counted. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "image/image.h"
#include "keras/build.h"
#include "keras/categorical.h"
#include "keras/json.h"

/* ---- vocabulary ---- */

static struct str_view text_of(const cJSON *json)
{
    struct str_view text = {cJSON_IsString(json) ? json->valuestring : "", 0};
    text.length = strlen(text.data);
    return text;
}

static bool same_text(struct str_view a, struct str_view b)
{
    return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

static bool is_special(const struct categorical_vocabulary *vocabulary, int64_t i, bool mask)
{
    if (i >= vocabulary->n_tokens)
        return false;
    if (vocabulary->is_string)
        return same_text(((const struct str_view *)vocabulary->tokens)[i],
                         mask ? vocabulary->mask_text : vocabulary->oov_text);
    return ((const int64_t *)vocabulary->tokens)[i] == (mask ? vocabulary->mask_number : vocabulary->oov_number);
}

/* A list may begin with the special tokens themselves; then they are skipped. Either all are there or none. */
static void skip_special(struct categorical_vocabulary *vocabulary, enum categorical_mode mode)
{
    size_t size = vocabulary->is_string ? sizeof(struct str_view) : sizeof(int64_t);
    int64_t n = 0;
    if (vocabulary->has_mask && mode == CATEGORICAL_INT && !is_special(vocabulary, n++, true))
        return;
    for (int64_t i = 0; i < vocabulary->n_oov; i++)
        if (!is_special(vocabulary, n++, false))
            return;
    vocabulary->tokens = (const char *)vocabulary->tokens + (size_t)n * size;
    vocabulary->n_tokens -= n;
}

static void read_special(struct keras_layer *layer, struct categorical_vocabulary *vocabulary)
{
    const cJSON *mask = keras_config_json(layer, "mask_token"), *oov = keras_config_json(layer, "oov_token");
    mask = mask ? mask : keras_config_json(layer, "mask_value");
    oov = oov ? oov : keras_config_json(layer, "oov_value");
    vocabulary->has_mask = vocabulary->has_mask || mask;
    vocabulary->n_oov = keras_config_int(layer, "num_oov_indices", 1, 0);
    vocabulary->oov_number = -1;
    if (vocabulary->is_string) {
        if ((mask && !cJSON_IsString(mask)) || (oov && !cJSON_IsString(oov)))
            keras_config_fail(layer, "config keys 'mask_token' and 'oov_token': expected strings");
        vocabulary->mask_text = text_of(mask);
        vocabulary->oov_text = oov ? text_of(oov) : (struct str_view){"[UNK]", 5};
        return;
    }
    if (mask && !keras_json_int(mask, &vocabulary->mask_number))
        keras_config_fail(layer, "config key 'mask_token': expected an integer");
    if (oov && !keras_json_int(oov, &vocabulary->oov_number))
        keras_config_fail(layer, "config key 'oov_token': expected an integer");
}

static void *allocate_tokens(struct keras_layer *layer, struct categorical_vocabulary *vocabulary, size_t n)
{
    size_t size = vocabulary->is_string ? sizeof(struct str_view) : sizeof(int64_t);
    void *tokens = arena_calloc(layer->arena, n + 1, size);
    if (!tokens)
        keras_config_fail(layer, "out of memory");
    vocabulary->tokens = tokens;
    return tokens;
}

static void read_list(struct keras_layer *layer, const cJSON *list, struct categorical_vocabulary *vocabulary)
{
    void *tokens = allocate_tokens(layer, vocabulary, (size_t)cJSON_GetArraySize(list));
    for (const cJSON *item = list->child; tokens && item; item = item->next) {
        int64_t i = vocabulary->n_tokens++;
        bool good = vocabulary->is_string ? cJSON_IsString(item) : keras_json_int(item, &((int64_t *)tokens)[i]);
        if (vocabulary->is_string)
            ((struct str_view *)tokens)[i] = text_of(item);
        if (!good)
            keras_config_fail(layer, "config key 'vocabulary': expected a list of %s",
                              vocabulary->is_string ? "strings" : "integers");
    }
}

/* The file of an archive in which the layer keeps an adapted vocabulary, a token a line; NULL if there is none. */
static const struct image_tensor *find_asset(const struct keras_layer *layer)
{
    const struct image_content *content = layer->build->content;
    if (content->n_assets == 0 || !layer->state->archive_path)
        return NULL;
    const char *name = arena_printf(layer->arena, "assets/%s/vocabulary.txt", layer->state->archive_path);
    for (size_t i = 0; name && i < content->n_assets; i++)
        if (strcmp(content->assets[i].name, name) == 0)
            return &content->assets[i];
    return NULL;
}

/* A whole line as an integer. */
static bool read_number(struct str_view line, int64_t *ret)
{
    char text[32], *end;
    if (line.length == 0 || line.length >= sizeof(text))
        return false;
    memcpy(text, line.data, line.length);
    text[line.length] = '\0';
    *ret = strtoll(text, &end, 10);
    return *end == '\0';
}

/* Texts stay in the image, which the model borrows. */
static void read_asset(struct keras_layer *layer, const struct image_tensor *asset,
                       struct categorical_vocabulary *vocabulary)
{
    const char *at = asset->data, *end = at + asset->bytes;
    size_t n = 1;
    for (const char *c = at; c < end; c++)
        n += *c == '\n';
    void *tokens = allocate_tokens(layer, vocabulary, n);
    for (size_t i = 0; tokens && i < n; i++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        struct str_view line = {at, (size_t)((stop ? stop : end) - at)};
        if (vocabulary->is_string)
            ((struct str_view *)tokens)[i] = line;
        else if (!read_number(line, &((int64_t *)tokens)[i]))
            keras_config_fail(layer, "the vocabulary in the archive: line %zu is no integer", i + 1);
        at = stop ? stop + 1 : end;
    }
    vocabulary->n_tokens = (int64_t)n;
}

void categorical_read_vocabulary(struct keras_layer *layer, bool is_string, enum categorical_mode mode,
                                 struct categorical_vocabulary *ret)
{
    const cJSON *list = keras_json_unwrap(keras_config_json(layer, "vocabulary"));
    const struct image_tensor *asset = find_asset(layer);
    ret->is_string = is_string;
    read_special(layer, ret);
    if (cJSON_IsString(list))
        keras_config_fail(
            layer, "the vocabulary lies in a file of its own, '%.100s', which is not part of the model",
            list->valuestring);
    else if (cJSON_IsArray(list) && list->child)
        read_list(layer, list, ret);
    else if (asset)
        read_asset(layer, asset, ret);
    else
        keras_config_fail(layer, "the file holds no vocabulary (in an .h5 file Keras does not save one that was "
                                 "adapted to data; in a .keras file it does)");
    if (ret->tokens)
        skip_special(ret, mode);
}

static engine_value token_constant(const struct categorical_vocabulary *vocabulary, struct keras_call *call,
                                   const void *data, int64_t n)
{
    struct shape shape = shape_of(1, n);
    return engine_constant_copy(call->graph, vocabulary->is_string ? DTYPE_STRING : DTYPE_INT64, &shape,
                                data);
}

void categorical_table(const struct categorical_vocabulary *vocabulary, const struct keras_layer *layer,
                       struct keras_call *call, int64_t start, bool with_mask, engine_value *ret_keys,
                       engine_value *ret_values)
{
    size_t size = vocabulary->is_string ? sizeof(struct str_view) : sizeof(int64_t);
    int64_t n = vocabulary->n_tokens, extra = vocabulary->has_mask;
    char *keys = arena_calloc(layer->arena, (size_t)(n + 1), size);
    int64_t *values = arena_calloc(layer->arena, (size_t)(n + 1), sizeof(*values));
    if (!keys || !values) {
        *ret_keys = *ret_values = engine_graph_fail(call->graph, KD_ENOMEM, "out of memory");
        return;
    }
    memcpy(keys, vocabulary->tokens, (size_t)n * size);
    for (int64_t i = 0; i < n; i++)
        values[i] = start + i;
    memcpy(keys + (size_t)n * size,
           vocabulary->is_string ? (const void *)&vocabulary->mask_text
                                 : (const void *)&vocabulary->mask_number,
           size);
    values[n] = with_mask ? 0 : -1;
    struct shape shape = shape_of(1, n + extra);
    *ret_keys = token_constant(vocabulary, call, keys, n + extra);
    *ret_values = engine_constant_copy(call->graph, DTYPE_INT64, &shape, values);
}

const cJSON *categorical_read_idf(struct keras_layer *layer, enum categorical_mode mode)
{
    const cJSON *list = keras_config_json(layer, "idf_weights");
    if (mode != CATEGORICAL_TF_IDF)
        return NULL;
    if (layer->writer->family == KERAS_TF || layer->build->content->layout_v3)
        keras_declare_weight(layer, "idf_weights", false);
    else if (!list)
        keras_config_fail(layer, "output_mode \"tf_idf\" without idf_weights in the config");
    return list;
}

/* Special tokens have no frequency of their own: they get the mean. Columns behind the vocabulary get zero.
 */
engine_value categorical_idf(const struct keras_layer *layer, struct keras_call *call, const cJSON *list,
                             int64_t n_special, int64_t depth)
{
    const cJSON *item;
    if (keras_weight_shape(layer, "idf_weights"))
        return keras_weight(layer, call, "idf_weights", 1, depth);
    list = keras_json_unwrap(list);
    int64_t n = cJSON_GetArraySize(list), at = 0;
    float *row = arena_calloc(layer->arena, (size_t)depth + 1, sizeof(*row));
    double sum = 0, number;
    if (!row)
        return engine_graph_fail(call->graph, KD_ENOMEM, "out of memory");
    if (n < 1 || n > depth)
        return engine_graph_fail(call->graph, KD_EFORMAT,
                                 "config key 'idf_weights' holds %lld numbers for %lld columns", (long long)n,
                                 (long long)depth);
    cJSON_ArrayForEach(item, list)
    {
        if (!keras_json_number(item, &number))
            return engine_graph_fail(call->graph, KD_EFORMAT, "config key 'idf_weights': expected numbers");
        sum += number;
    }
    bool has_special = n + n_special > depth;
    for (; at < n_special && !has_special; at++)
        row[at] = (float)(sum / (double)n);
    cJSON_ArrayForEach(item, list)
    {
        row[at++] = (float)item->valuedouble;
    }
    struct shape shape = shape_of(1, depth);
    return engine_constant_copy(call->graph, DTYPE_FLOAT32, &shape, row);
}

/* ---- StringLookup, IntegerLookup ---- */

struct lookup {
    struct categorical_vocabulary vocabulary;
    enum categorical_mode mode;
    bool invert;
    bool hashes, has_salt; /* unknown tokens by the hash of their text, not by an integer's remainder */
    uint64_t salt[2];
    int64_t depth; /* columns of the modes other than ids */
    const cJSON *idf_weights;
};

static int parse(struct keras_layer *layer, bool is_string)
{
    struct lookup *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    keras_config_ignore(layer, (const char *const[]){"vocabulary_dtype", "vocabulary_size", "encoding",
                                                     "has_input_vocabulary", NULL});
    params->mode = categorical_read_mode(layer, CATEGORICAL_INT);
    categorical_read_vocabulary(layer, is_string, params->mode, &params->vocabulary);
    params->invert = keras_config_bool(layer, "invert", false);
    params->idf_weights = categorical_read_idf(layer, params->mode);
    params->depth = params->vocabulary.n_oov + params->vocabulary.n_tokens;
    int64_t max_tokens = keras_config_int(layer, "max_tokens", 0, 1);
    if (keras_config_bool(layer, "pad_to_max_tokens", false) && max_tokens > params->depth)
        params->depth = max_tokens;
    static const char *const methods[] = {"floormod", "farmhash", NULL};
    bool farmhash = keras_config_choice(layer, "oov_method", methods, 0) == 1;
    params->has_salt = categorical_read_salt(layer, params->salt);
    params->hashes = params->vocabulary.n_oov > 1 && (params->has_salt || (farmhash && !is_string));
    return 0;
}

static int parse_string(struct keras_layer *layer, struct err *err)
{
    return parse(layer, true);
}

static int parse_integer(struct keras_layer *layer, struct err *err)
{
    return parse(layer, false);
}

/* Ids to tokens: the whole table, with one more unknown token for ids outside of it. */
static engine_value invert(const struct keras_layer *layer, struct keras_call *call, engine_value ids)
{
    const struct lookup *params = layer->params;
    const struct categorical_vocabulary *vocabulary = &params->vocabulary;
    struct engine_graph *graph = call->graph;
    size_t size = vocabulary->is_string ? sizeof(struct str_view) : sizeof(int64_t);
    int64_t n = (int64_t)vocabulary->has_mask + vocabulary->n_oov, all = n + vocabulary->n_tokens;
    char *tokens = arena_calloc(layer->arena, (size_t)(all + 1), size);
    const void *oov = vocabulary->is_string ? (const void *)&vocabulary->oov_text : &vocabulary->oov_number;
    if (!tokens)
        return engine_graph_fail(graph, KD_ENOMEM, "out of memory");
    for (int64_t i = 0; i <= all; i++)
        memcpy(tokens + (size_t)i * size, oov, size);
    if (vocabulary->has_mask)
        memcpy(tokens,
               vocabulary->is_string ? (const void *)&vocabulary->mask_text : &vocabulary->mask_number, size);
    memcpy(tokens + (size_t)n * size, vocabulary->tokens, (size_t)vocabulary->n_tokens * size);
    engine_value table = token_constant(vocabulary, call, tokens, all + 1);
    ids = engine_cast(graph, ids, DTYPE_INT64);
    engine_value above =
        engine_binary(graph, BINARY_GREATER_EQUAL, ids, keras_scalar(call, ids, (double)all));
    engine_value below = engine_binary(graph, BINARY_LESS, ids, keras_scalar(call, ids, 0));
    engine_value outside = engine_binary(graph, BINARY_LOGICAL_OR, above, below);
    ids = engine_select(graph, outside, keras_scalar(call, ids, (double)all), ids);
    return engine_gather(graph, table, ids, 0, 0, ENGINE_BOUNDS_ERROR);
}

/* Up to TensorFlow 2.6 the layer's dtype was that of its vocabulary; counts were float32 all the same. */
static bool is_early(const struct keras_layer *layer)
{
    return layer->writer->family == KERAS_TF && !keras_json_get(layer->config, "vocabulary_dtype");
}

/* Ids of the tokens; what is unknown is spread over the buckets that begin at `start`. */
static engine_value look_up(const struct lookup *params, struct keras_call *call, engine_value x,
                            engine_value keys, engine_value values, int64_t start)
{
    enum { UNKNOWN = -2 };
    struct engine_graph *graph = call->graph;
    int64_t n_oov = params->vocabulary.n_oov;
    if (!params->hashes)
        return engine_lookup(graph, x, keys, values, start, n_oov);
    engine_value ids = engine_lookup(graph, x, keys, values, UNKNOWN, 1);
    engine_value bucket = engine_hash(graph, x, n_oov, params->has_salt ? params->salt : NULL, ENGINE_NONE);
    bucket = engine_cast(graph, bucket, DTYPE_INT64);
    bucket = engine_binary(graph, BINARY_ADD, bucket, keras_scalar(call, bucket, (double)start));
    engine_value unknown = engine_binary(graph, BINARY_EQUAL, ids, keras_scalar(call, ids, UNKNOWN));
    return engine_select(graph, unknown, bucket, ids);
}

static int lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct lookup *params = layer->params;
    const struct categorical_vocabulary *vocabulary = &params->vocabulary;
    engine_value x = call->inputs[0].value, keys, values;
    if (params->invert) {
        keras_call_return(call, 0, invert(layer, call, x));
        return 0;
    }
    if (!vocabulary->is_string)
        x = engine_cast(call->graph, x, DTYPE_INT64);
    bool ids_wanted = params->mode == CATEGORICAL_INT;
    int64_t oov_start = vocabulary->has_mask && ids_wanted;
    categorical_table(vocabulary, layer, call, oov_start + vocabulary->n_oov, ids_wanted, &keys, &values);
    engine_value ids = look_up(params, call, x, keys, values, oov_start);
    bool counts_ints = layer->writer->family == KERAS_3 && params->mode != CATEGORICAL_TF_IDF;
    enum dtype dtype = counts_ints ? DTYPE_INT64 : categorical_dtype(layer, params->mode);
    if (!counts_ints && !ids_wanted && dtype_is_int(dtype) && is_early(layer))
        dtype = DTYPE_FLOAT32;
    engine_value y = categorical_encode(layer, call, ids, ENGINE_NONE, params->mode, params->depth, dtype);
    if (params->mode == CATEGORICAL_TF_IDF)
        y = engine_binary(
            call->graph, BINARY_MULTIPLY, y,
            categorical_idf(layer, call, params->idf_weights, vocabulary->n_oov, params->depth));
    keras_call_return(call, 0, y);
    return 0;
}

const struct keras_class keras_class_string_lookup = {
    .names = (const char *const[]){"StringLookup", NULL},
    .family = "Preprocessing",
    .doc = "every output_mode, invert; a vocabulary that was adapted to data is in .keras files, not in .h5",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .keeps_inputs = true,
    .parse = parse_string,
    .lower = lower,
};

const struct keras_class keras_class_integer_lookup = {
    .names = (const char *const[]){"IntegerLookup", NULL},
    .family = "Preprocessing",
    .doc = "every output_mode, invert; a vocabulary that was adapted to data is in .keras files, not in .h5",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .keeps_inputs = true,
    .parse = parse_integer,
    .lower = lower,
};
