/* TextVectorization: text to token ids, or to rows that count them.
 *
 * One engine op standardises, splits, builds n-grams and looks the tokens up. As ids: 0 is padding, 1 the
 * unknown token, the vocabulary from 2. In the counting modes there is no padding: 0 is the unknown token,
 * the vocabulary from 1. */
#include <string.h>

#include "base/err.h"
#include "keras/categorical.h"
#include "keras/json.h"

#define MAX_NGRAMS 16

struct text {
    struct categorical_vocabulary vocabulary;
    enum categorical_mode mode;
    struct engine_text engine;
    int ngrams[MAX_NGRAMS];
    int64_t depth;
    const cJSON *idf_weights;
};

/* n means 1 to n; a list means its entries. */
static void read_ngrams(struct keras_layer *layer, struct text *params)
{
    const cJSON *json = keras_json_unwrap(keras_config_json(layer, "ngrams"));
    int64_t values[MAX_NGRAMS];
    int n = json ? keras_config_axes(layer, "ngrams", values, MAX_NGRAMS) : 0;
    bool up_to = json && !cJSON_IsArray(json);
    int64_t count = up_to && n ? values[0] : n;
    if (count > MAX_NGRAMS || count < 0) {
        keras_config_fail(layer, "config key 'ngrams': more than %d sizes", MAX_NGRAMS);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t size = up_to ? i + 1 : values[i];
        params->ngrams[i] = (int)(size < 1 || size > 1000 ? 0 : size);
        if (!params->ngrams[i])
            keras_config_fail(layer, "config key 'ngrams': a size of %lld", (long long)size);
    }
    params->engine.n_ngrams = (int)count;
    params->engine.ngrams = count ? params->ngrams : NULL;
}

static void read_standard(struct keras_layer *layer, struct text *params)
{
    static const char *const standards[] = {"lower_and_strip_punctuation", "lower", "strip_punctuation",
                                            NULL};
    static const char *const splits[] = {"whitespace", "character", NULL};
    bool none = cJSON_IsNull(keras_json_get(layer->config, "standardize"));
    int standard = none ? -1 : keras_config_choice(layer, "standardize", standards, 0);
    params->engine.lower = standard == 0 || standard == 1;
    params->engine.strip_punctuation = standard == 0 || standard == 2;
    bool whole = cJSON_IsNull(keras_json_get(layer->config, "split"));
    int split = whole ? -1 : keras_config_choice(layer, "split", splits, 0);
    params->engine.split = split < 0 ? ENGINE_SPLIT_NONE
                           : split   ? ENGINE_SPLIT_CHARACTER
                                     : ENGINE_SPLIT_WHITESPACE;
}

static int parse(struct keras_layer *layer, struct err *err)
{
    struct text *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    keras_config_ignore(layer,
                        (const char *const[]){"vocabulary_size", "encoding", "has_input_vocabulary", NULL});
    params->mode = categorical_read_mode(layer, CATEGORICAL_INT);
    params->vocabulary.has_mask = true; /* the empty string */
    categorical_read_vocabulary(layer, true, params->mode, &params->vocabulary);
    read_standard(layer, params);
    read_ngrams(layer, params);
    params->engine.output_length = keras_config_int(layer, "output_sequence_length", 0, 1);
    params->idf_weights = categorical_read_idf(layer, params->mode);
    params->depth = params->vocabulary.n_tokens + 1;
    int64_t max_tokens = keras_config_int(layer, "max_tokens", 0, 1);
    if (keras_config_bool(layer, "pad_to_max_tokens", false) && max_tokens > params->depth)
        params->depth = max_tokens;
    if (keras_config_bool(layer, "ragged", false))
        return keras_config_fail(layer, "ragged output is not served");
    if (params->mode == CATEGORICAL_ONE_HOT)
        return keras_config_fail(layer, "output_mode \"one_hot\" is not served");
    return 0;
}

/* Texts that are not split: every element is a token, [N, L] stays [N, L]. */
static engine_value whole_tokens(struct keras_call *call, engine_value x, struct engine_text *engine)
{
    struct engine_graph *graph = call->graph;
    int rank = engine_rank(graph, x);
    int64_t length = rank == 2 ? engine_dim(graph, x, 1) : 1, wanted = engine->output_length;
    if (rank > 2 || length < 1 || (engine->n_ngrams && length > 1))
        return engine_graph_fail(graph, KD_EUNSUPPORTED,
                                 "texts that are not split must have shape (batch, known size)");
    engine->output_length = 1;
    x = engine_reshape(graph, x, (const int64_t[]){ENGINE_INFER}, 1);
    engine_value ids = engine_text_vectorize(graph, x, engine);
    ids = engine_reshape(graph, ids, (const int64_t[]){ENGINE_INFER, length}, 2);
    if (!wanted)
        return ids;
    int64_t before[] = {0, 0}, after[] = {0, wanted > length ? wanted - length : 0};
    ids = engine_slice(graph, ids, 1, 0, wanted, 1);
    return engine_pad(graph, ids, before, after, ENGINE_PAD_CONSTANT, ENGINE_NONE);
}

static int lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct text *params = layer->params;
    struct engine_text engine = params->engine;
    bool ids_wanted = params->mode == CATEGORICAL_INT;
    engine_value x = call->inputs[0].value;
    engine.oov = ids_wanted ? 1 : 0;
    engine.pad = ids_wanted ? 0 : -1;
    categorical_table(&params->vocabulary, layer, call, engine.oov + 1, ids_wanted, &engine.keys,
                      &engine.values);
    if (x != ENGINE_NONE && engine_dtype(call->graph, x) != DTYPE_STRING)
        return err_set(err, KD_EFORMAT, "input of type %s, expected strings",
                       dtype_name(engine_dtype(call->graph, x)));
    engine_value y = engine.split == ENGINE_SPLIT_NONE ? whole_tokens(call, x, &engine)
                                                       : engine_text_vectorize(call->graph, x, &engine);
    bool counts_ints = layer->writer->family == KERAS_3 && params->mode != CATEGORICAL_TF_IDF;
    enum dtype dtype = counts_ints ? DTYPE_INT64 : categorical_dtype(layer, params->mode);
    y = categorical_encode(layer, call, y, ENGINE_NONE, params->mode, params->depth, dtype);
    if (params->mode == CATEGORICAL_TF_IDF)
        y = engine_binary(call->graph, BINARY_MULTIPLY, y,
                          categorical_idf(layer, call, params->idf_weights, 1, params->depth));
    keras_call_return(call, 0, y);
    return 0;
}

const struct keras_class keras_class_text_vectorization = {
    .names = (const char *const[]){"TextVectorization", NULL},
    .family = "Preprocessing",
    .doc = "built-in standardize and split, n-grams, every output_mode but one_hot; a vocabulary that was adapted to "
           "data is in .keras files, not in .h5",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .keeps_inputs = true,
    .parse = parse,
    .lower = lower,
};
