/* Ops that the graph knows and the engine does not compute yet: refused by name. */
#include "engine/op.h"

static engine_value later(struct engine_graph *graph, const char *name)
{
    return engine_graph_fail(graph, KD_EUNSUPPORTED, "%s is not supported yet", name);
}

engine_value engine_einsum(struct engine_graph *graph, const char *equation, engine_value x, engine_value y)
{
    return later(graph, "einsum");
}

engine_value engine_cumsum(struct engine_graph *graph, engine_value x, int axis, bool exclusive, bool reverse,
                           bool product)
{
    return later(graph, "cumsum");
}

void engine_top_k(struct engine_graph *graph, engine_value x, int64_t k, engine_value ret[2])
{
    ret[0] = ret[1] = later(graph, "top_k");
}

engine_value engine_sort(struct engine_graph *graph, engine_value x, int axis, bool descending, bool indices)
{
    return later(graph, "sort");
}

engine_value engine_resize(struct engine_graph *graph, engine_value x, const struct engine_resize *resize)
{
    return later(graph, "resize");
}

engine_value engine_center_crop(struct engine_graph *graph, engine_value x, int64_t height, int64_t width)
{
    return later(graph, "center_crop");
}

engine_value engine_auto_contrast(struct engine_graph *graph, engine_value x, float a, float b)
{
    return later(graph, "auto_contrast");
}

engine_value engine_depth_to_space(struct engine_graph *graph, engine_value x, int64_t block)
{
    return later(graph, "depth_to_space");
}

engine_value engine_space_to_depth(struct engine_graph *graph, engine_value x, int64_t block)
{
    return later(graph, "space_to_depth");
}

void engine_rnn(struct engine_graph *graph, const struct engine_rnn *rnn, engine_value ret[3])
{
    ret[0] = ret[1] = ret[2] = later(graph, "rnn");
}

void engine_conv_lstm(struct engine_graph *graph, const struct engine_conv_lstm *rnn, engine_value ret[3])
{
    ret[0] = ret[1] = ret[2] = later(graph, "conv_lstm");
}

engine_value engine_bucketize(struct engine_graph *graph, engine_value x, engine_value boundaries)
{
    return later(graph, "bucketize");
}

engine_value engine_encode(struct engine_graph *graph, engine_value ids, engine_value weights, int64_t depth,
                           enum engine_encode_mode mode)
{
    return later(graph, "encode");
}

engine_value engine_lookup(struct engine_graph *graph, engine_value x, engine_value keys, engine_value values,
                           int64_t oov_start, int64_t n_oov)
{
    return later(graph, "lookup");
}

engine_value engine_hash(struct engine_graph *graph, engine_value x, int64_t bins, const uint64_t *salt,
                         engine_value mask)
{
    return later(graph, "hash");
}

engine_value engine_hash_cross(struct engine_graph *graph, const engine_value *values, int n_values, int64_t bins)
{
    return later(graph, "hash_cross");
}

engine_value engine_text_vectorize(struct engine_graph *graph, engine_value x, const struct engine_text *text)
{
    return later(graph, "text_vectorize");
}
