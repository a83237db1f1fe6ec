/* Preprocessing of numbers, categories and strings: buckets, counts, vocabularies, hashes. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/str.h"
#include "engine/lookup.h"
#include "kernels/hash.h"

/* ---- bucketize ---- */

static int bucketize_infer(struct step *step, struct err *err)
{
    const struct value *boundaries = step->in[1];
    if (step->in[0]->dtype == DTYPE_STRING || step->in[0]->dtype == DTYPE_BOOL)
        return err_set(err, KD_EINVAL, "buckets of %s", dtype_name(step->in[0]->dtype));
    if (!boundaries->data || boundaries->dtype != DTYPE_FLOAT32 || boundaries->shape.rank != 1)
        return err_set(err, KD_EINVAL, "the boundaries must be a float32 vector");
    step->out[0]->dtype = DTYPE_INT32;
    step->out[0]->shape = step->in[0]->shape;
    return 0;
}

static int bucketize_run(const struct step *step, const struct io *io, struct err *err)
{
    int64_t n = step_in_count(step, 0), n_boundaries = step->in[1]->shape.dim[0];
    if (dtype_storage(step->in[0]->dtype) == STORAGE_F32)
        bucketize_f32(io->in[1], n_boundaries, io->in[0], io->out[0], n);
    else
        bucketize_i64(io->in[1], n_boundaries, io->in[0], io->out[0], n);
    return 0;
}

static const struct op op_bucketize = {
    .name = "bucketize", .n_required = 2, .infer = bucketize_infer, .run = bucketize_run, .rows = rows_first};

engine_value engine_bucketize(struct engine_graph *graph, engine_value x, engine_value boundaries)
{
    engine_value in[] = {x, boundaries};
    return graph_add(graph, &op_bucketize, NULL, 0, in, 2, 1);
}

/* ---- encode ---- */

struct encode_attrs {
    int64_t depth;
    enum engine_encode_mode mode;
};

static int encode_infer(struct step *step, struct err *err)
{
    const struct encode_attrs *attrs = step->attrs;
    const struct shape *ids = &step->in[0]->shape;
    int status = step_need_int(step, 0, err);
    if (!status)
        status = step_need_rank(step, 0, 1, SHAPE_MAX_RANK, err);
    if (!status && step->in[1])
        status = step_need_float(step, 1, err);
    if (!status && step->in[1] && !shape_compatible(&step->in[1]->shape, ids))
        status = err_set(err, KD_EINVAL, "the weights' shape is not that of the ids");
    if (!status && attrs->depth < 0)
        status = err_set(err, KD_EINVAL, "%" PRId64 " tokens", attrs->depth);
    if (status)
        return status;
    step_like(step, 0, 0);
    step->out[0]->dtype = DTYPE_FLOAT32;
    step->out[0]->shape.dim[ids->rank - 1] = attrs->depth;
    return 0;
}

static int op_encode_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct encode_attrs *attrs = step->attrs;
    const struct shape *ids = &step->in[0]->shape;
    int64_t bad = encode_run(shape_outer(ids, ids->rank - 1), ids->dim[ids->rank - 1], attrs->depth,
                             attrs->mode == ENGINE_ENCODE_COUNT, io->in[0], io->in[1], io->out[0]);
    if (bad < 0)
        return 0;
    return err_set(err, KD_EINVAL, "id %" PRId64 " is outside of [0, %" PRId64 ")",
                   ((const int64_t *)io->in[0])[bad], attrs->depth);
}

static enum rows encode_rows(const struct step *step, const enum rows *in)
{
    enum rows rows = rows_elementwise(step, in);
    return rows == ROWS_EACH && step->in[0]->shape.rank == 1 ? ROWS_MIXED : rows;
}

static const struct op op_encode = {
    .name = "encode", .n_required = 1, .infer = encode_infer, .run = op_encode_run, .rows = encode_rows};

engine_value engine_encode(struct engine_graph *graph, engine_value ids, engine_value weights, int64_t depth,
                           enum engine_encode_mode mode)
{
    struct encode_attrs attrs = {depth, mode};
    engine_value in[] = {ids, weights};
    return graph_add(graph, &op_encode, &attrs, sizeof(attrs), in, 2, 1);
}

/* ---- lookup ---- */

int vocabulary_check(const struct step *step, int keys, int values, struct err *err)
{
    const struct value *key = step->in[keys], *value = step->in[values];
    if (!key->data || !value->data || key->shape.rank != 1 || !shape_equal(&key->shape, &value->shape) ||
        dtype_storage(key->dtype) == STORAGE_F32 || dtype_storage(value->dtype) != STORAGE_I64)
        return err_set(err, KD_EINVAL,
                       "a vocabulary needs a constant vector of keys and one of as many integers");
    return 0;
}

void vocabulary_describe(const struct step *step, int keys, int values, struct lookup *ret)
{
    *ret = (struct lookup){.n = step->in[keys]->shape.dim[0], .values = step->in[values]->data};
    if (step->in[keys]->dtype == DTYPE_STRING)
        ret->strings = step->in[keys]->data;
    else
        ret->integers = step->in[keys]->data;
}

int vocabulary_pack(struct node *node, const struct step *step, int keys, int values, struct pack *pack,
                    struct err *err)
{
    struct lookup lookup;
    size_t bytes;
    bool fresh = false;
    void *table = NULL;
    vocabulary_describe(step, keys, values, &lookup);
    if (lookup_table_bytes(lookup.n, &bytes))
        table = pack_memory(pack, node->op, step->in[keys]->data, (uint64_t)(uintptr_t)lookup.values, bytes,
                            &fresh);
    if (!table)
        return pack_failed(err);
    if (fresh)
        lookup_table_build(&lookup, table);
    node->packed = table;
    return 0;
}

static int lookup_infer(struct step *step, struct err *err)
{
    const struct lookup_oov *oov = step->attrs;
    int status = vocabulary_check(step, 1, 2, err);
    if (status)
        return status;
    if (dtype_storage(step->in[0]->dtype) != dtype_storage(step->in[1]->dtype) || oov->n < 0)
        return err_set(err, KD_EINVAL, "a lookup of %s among %s", dtype_name(step->in[0]->dtype),
                       dtype_name(step->in[1]->dtype));
    step->out[0]->dtype = DTYPE_INT64;
    step->out[0]->shape = step->in[0]->shape;
    return 0;
}

static int lookup_pack(struct node *node, const struct step *step, struct pack *pack, struct err *err)
{
    return vocabulary_pack(node, step, 1, 2, pack, err);
}

static int lookup_prepare(struct step *step, struct err *err)
{
    struct lookup *lookup = step_params(step, sizeof(*lookup), err);
    if (!lookup)
        return KD_ENOMEM;
    vocabulary_describe(step, 1, 2, lookup);
    step->cost_us = (double)step_in_count(step, 0) * 40e-3;
    return 0;
}

static int lookup_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct lookup_oov *oov = step->attrs;
    const void *table = step->node->packed;
    int64_t n = step_in_count(step, 0), bad;
    if (step->in[0]->dtype == DTYPE_STRING) {
        const struct str_view *x = io->in[0];
        bad = lookup_run_str(step->params, table, oov, x, io->out[0], n);
        return bad < 0 ? 0
                       : err_set(err, KD_EINVAL, "'%.*s' is not in the vocabulary",
                                 (int)(x[bad].length < 200 ? x[bad].length : 200), x[bad].data);
    }
    bad = lookup_run_i64(step->params, table, oov, io->in[0], io->out[0], n);
    return bad < 0 ? 0
                   : err_set(err, KD_EINVAL, "%" PRId64 " is not in the vocabulary",
                             ((const int64_t *)io->in[0])[bad]);
}

static const struct op op_lookup = {.name = "lookup",
                                    .flags = OP_OPAQUE,
                                    .n_required = 3,
                                    .infer = lookup_infer,
                                    .pack = lookup_pack,
                                    .prepare = lookup_prepare,
                                    .run = lookup_run,
                                    .rows = rows_first};

engine_value engine_lookup(struct engine_graph *graph, engine_value x, engine_value keys, engine_value values,
                           int64_t oov_start, int64_t n_oov)
{
    struct lookup_oov attrs = {oov_start, n_oov};
    engine_value in[] = {x, keys, values};
    return graph_add(graph, &op_lookup, &attrs, sizeof(attrs), in, 3, 1);
}

/* ---- hash ---- */

struct hash_attrs {
    int64_t bins;
    bool salted;
    uint64_t salt[2];
};

static int hash_infer(struct step *step, struct err *err)
{
    const struct hash_attrs *attrs = step->attrs;
    const struct value *x = step->in[0], *mask = step->in[1];
    if (dtype_storage(x->dtype) == STORAGE_F32)
        return err_set(err, KD_EINVAL, "a hash of %s", dtype_name(x->dtype));
    if (mask && (mask->shape.rank || dtype_storage(mask->dtype) != dtype_storage(x->dtype)))
        return err_set(err, KD_EINVAL, "the mask value must be a single value of the input's type");
    if (attrs->bins < (mask ? 2 : 1))
        return err_set(err, KD_EINVAL, "%" PRId64 " bins", attrs->bins);
    step->out[0]->dtype = DTYPE_INT64;
    step->out[0]->shape = x->shape;
    return 0;
}

static int hash_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct hash_attrs *attrs = step->attrs;
    const uint64_t *salt = attrs->salted ? attrs->salt : NULL;
    int64_t n = step_in_count(step, 0);
    if (step->in[0]->dtype == DTYPE_STRING)
        hash_run_str(attrs->bins, salt, io->in[1], io->in[0], io->out[0], n);
    else
        hash_run_i64(attrs->bins, salt, io->in[1], io->in[0], io->out[0], n);
    return 0;
}

static const struct op op_hash = {
    .name = "hash", .n_required = 1, .infer = hash_infer, .run = hash_run, .rows = rows_first};

engine_value engine_hash(struct engine_graph *graph, engine_value x, int64_t bins, const uint64_t *salt,
                         engine_value mask)
{
    struct hash_attrs attrs = {.bins = bins, .salted = salt != NULL};
    engine_value in[] = {x, mask};
    if (salt)
        memcpy(attrs.salt, salt, sizeof(attrs.salt));
    return graph_add(graph, &op_hash, &attrs, sizeof(attrs), in, 2, 1);
}

/* ---- hash_cross ---- */

/* All operands have the result's shape: the builder broadcasts them. */
static int cross_infer(struct step *step, struct err *err)
{
    if (*(const int64_t *)step->attrs < 1)
        return err_set(err, KD_EINVAL, "%" PRId64 " bins", *(const int64_t *)step->attrs);
    for (int i = 0; i < step->n_in; i++)
        if (dtype_storage(step->in[i]->dtype) == STORAGE_F32)
            return err_set(err, KD_EINVAL, "a cross of %s", dtype_name(step->in[i]->dtype));
    struct shape shape = step->in[0]->shape;
    for (int i = 1; i < step->n_in; i++)
        if (!shape_compatible(&shape, &step->in[i]->shape))
            return err_set(err, KD_EINVAL, "a cross of different shapes");
    step->out[0]->dtype = DTYPE_INT64;
    step->out[0]->shape = shape;
    return 0;
}

static int cross_prepare(struct step *step, struct err *err)
{
    step->scratch = (size_t)step_out_count(step, 0) * sizeof(uint64_t);
    return 0;
}

static int cross_run(const struct step *step, const struct io *io, struct err *err)
{
    int64_t n = step_out_count(step, 0);
    uint64_t *h = io->scratch;
    hash_cross_start(h, n);
    for (int i = 0; i < step->n_in; i++)
        if (step->in[i]->dtype == DTYPE_STRING)
            hash_cross_str(h, io->in[i], 1, n);
        else
            hash_cross_i64(h, io->in[i], 1, n);
    hash_cross_finish(h, *(const int64_t *)step->attrs, io->out[0], n);
    return 0;
}

static const struct op op_hash_cross = {.name = "hash_cross",
                                        .n_required = -1,
                                        .infer = cross_infer,
                                        .prepare = cross_prepare,
                                        .run = cross_run,
                                        .rows = rows_elementwise};

/* Operand i broadcast to what all of them make together. */
static engine_value cross_operand(struct engine_graph *graph, const engine_value *values, int n_values, int i)
{
    engine_value x = values[i];
    for (int k = 0; k < n_values; k++) {
        const struct shape *shape = engine_shape(graph, x);
        struct shape joint;
        if (values[k] == ENGINE_NONE || !shape_broadcast(shape, engine_shape(graph, values[k]), &joint))
            return engine_graph_fail(graph, KD_EINVAL, "hash_cross: shapes that do not go together");
        if (!shape_equal(shape, &joint))
            x = engine_broadcast_like(graph, x, values[k]);
    }
    return x;
}

engine_value engine_hash_cross(struct engine_graph *graph, const engine_value *values, int n_values,
                               int64_t bins)
{
    if (graph_failed(graph) || n_values < 1)
        return engine_graph_fail(graph, KD_EINVAL, "hash_cross: nothing to cross");
    engine_value *operands = arena_calloc(graph_arena(graph), (size_t)n_values, sizeof(*operands));
    if (!operands)
        return engine_graph_fail(graph, KD_ENOMEM, "out of memory while building the model's graph");
    for (int i = 0; i < n_values; i++)
        operands[i] = cross_operand(graph, values, n_values, i);
    return graph_add(graph, &op_hash_cross, &bins, sizeof(bins), operands, n_values, 1);
}
