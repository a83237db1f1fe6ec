/* Embedding and ReversibleEmbedding: rows of a table by integer ids, and back from vectors to scores over the
 * ids. */
#include "base/err.h"
#include "keras/layer.h"
#include "keras/lora.h"
#include "keras/quantized.h"

struct embedding {
    int64_t input_dim, output_dim;
    bool mask_zero;
    bool tied;      /* the way back uses the same table */
    double soft_cap; /* 0: none */
    double lora_scale;
    struct keras_quantized quantized;
};

static struct embedding *parse_common(struct keras_layer *layer)
{
    struct embedding *embedding = keras_params(layer, sizeof(*embedding));
    if (!embedding)
        return NULL;
    embedding->input_dim = keras_config_int(layer, "input_dim", SHAPE_UNKNOWN, 1);
    embedding->output_dim = keras_config_int(layer, "output_dim", SHAPE_UNKNOWN, 1);
    embedding->mask_zero = keras_config_bool(layer, "mask_zero", false);
    embedding->lora_scale = keras_lora_scale(layer);
    keras_quantized_read(layer, &embedding->quantized);
    keras_quantized_declare(layer, &keras_quantized_embeddings, embedding->lora_scale == 0);
    keras_quantized_declare_scales(layer, &embedding->quantized, &keras_quantized_embeddings);
    return embedding;
}

static int embedding_parse(struct keras_layer *layer, struct err *err)
{
    static const char *const training_only[] = {"dropout", NULL}; /* Keras 1: whole rows of the table */
    struct embedding *embedding = parse_common(layer);
    keras_config_ignore(layer, training_only);
    if (embedding && keras_config_bool(layer, "sparse", false))
        return keras_config_fail(layer, "config key 'sparse': sparse outputs are not served");
    if (embedding && embedding->lora_scale != 0)
        keras_lora_declare(layer, "lora_embeddings_a", "lora_embeddings_b");
    return 0;
}

static engine_value table_of(const struct keras_layer *layer, struct keras_call *call)
{
    const struct embedding *embedding = layer->params;
    engine_value table =
        keras_quantized_matrix(layer, call, &embedding->quantized, &keras_quantized_embeddings,
                               embedding->input_dim, embedding->output_dim, true);
    return keras_lora_apply(layer, call, table, "lora_embeddings_a", "lora_embeddings_b",
                            embedding->lora_scale);
}

static void look_up(const struct keras_layer *layer, struct keras_call *call)
{
    const struct embedding *embedding = layer->params;
    struct engine_graph *graph = call->graph;
    engine_value ids = call->inputs[0].value, mask = ENGINE_NONE;
    engine_value table = table_of(layer, call);
    if (embedding->mask_zero)
        mask = engine_binary(graph, BINARY_NOT_EQUAL, ids, keras_scalar(call, ids, 0));
    if (ids != ENGINE_NONE && !dtype_is_int(engine_dtype(graph, ids)))
        ids = engine_cast(graph, ids, DTYPE_INT32);
    /* Keras 3 counts negative ids from the end, TensorFlow's own layer refuses them. */
    enum engine_bounds bounds = layer->writer->family == KERAS_3 ? ENGINE_BOUNDS_WRAP : ENGINE_BOUNDS_ERROR;
    keras_call_return_masked(call, 0, engine_gather(graph, table, ids, 0, 0, bounds), mask);
}

static int embedding_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    look_up(layer, call);
    return 0;
}

const struct keras_class keras_class_embedding = {
    .names = (const char *const[]){"Embedding", NULL},
    .family = "Core",
    .doc = "ids outside the table fail the request; mask_zero and LoRA are honoured; int8 and int4 too",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .keeps_inputs = true,
    .parse = embedding_parse,
    .lower = embedding_lower,
};

static int reversible_parse(struct keras_layer *layer, struct err *err)
{
    struct embedding *embedding = parse_common(layer);
    if (!embedding)
        return 0;
    embedding->tied = keras_config_bool(layer, "tie_weights", true);
    embedding->soft_cap = keras_config_float(layer, "logit_soft_cap", 0);
    keras_config_ignore(layer, (const char *const[]){"reverse_dtype", NULL});
    if (!embedding->tied)
        keras_declare_weight(layer, "reverse_embeddings", true);
    return 0;
}

/* Scores over the ids: x E^T, or x R where R is a matrix of its own; c tanh(z / c) if capped. */
static void reverse(const struct keras_layer *layer, struct keras_call *call)
{
    const struct embedding *embedding = layer->params;
    struct engine_graph *graph = call->graph;
    engine_value x = call->inputs[0].value, z;
    if (embedding->tied)
        z = engine_matmul(graph, x, keras_autocast(layer, call, table_of(layer, call)), false, true);
    else
        z = engine_dense(graph, x, keras_weight(layer, call, "reverse_embeddings", 2, embedding->output_dim,
                                                embedding->input_dim), ENGINE_NONE);
    if (embedding->soft_cap != 0) {
        z = engine_binary(graph, BINARY_DIVIDE, z, keras_scalar(call, z, embedding->soft_cap));
        z = engine_unary(graph, (struct unary){.kind = UNARY_TANH}, z);
        z = engine_binary(graph, BINARY_MULTIPLY, z, keras_scalar(call, z, embedding->soft_cap));
    }
    keras_call_return_masked(call, 0, z, ENGINE_NONE);
}

static int reversible_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct keras_arg *back = keras_call_arg(call, "reverse", 1);
    if (back && back->kind == KERAS_ARG_BOOL && back->boolean)
        reverse(layer, call);
    else
        look_up(layer, call);
    return 0;
}

const struct keras_class keras_class_reversible_embedding = {
    .names = (const char *const[]){"ReversibleEmbedding", NULL},
    .family = "Core",
    .doc = "both directions, tied or not, logit_soft_cap",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_CUSTOM,
    .keeps_inputs = true,
    .call = "reverse",
    .parse = reversible_parse,
    .lower = reversible_lower,
};
