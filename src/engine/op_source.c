/* Sources: values that come from no request: constants, sizes, filled and counted tensors. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/str.h"
#include "engine/graph_data.h"
#include "kernels/movement.h"

/* ---- constant ---- */

static int constant_infer(struct step *step, struct err *err)
{
    const struct value *constant = step->attrs;
    int64_t n;
    if (!shape_elements(&constant->shape, &n))
        return err_set(err, KD_EINVAL, "a constant needs known sizes");
    *step->out[0] = *constant;
    return 0;
}

static enum rows constant_rows(const struct step *step, const enum rows *in)
{
    return ROWS_FREE;
}

static const struct op op_constant = {
    .name = "constant", .flags = OP_OPAQUE, .infer = constant_infer, .rows = constant_rows};

engine_value engine_constant(struct engine_graph *graph, enum dtype dtype, const struct shape *shape,
                             const void *data)
{
    struct value constant = {.dtype = dtype, .shape = *shape, .data = data, .constant = true};
    return graph_add(graph, &op_constant, &constant, sizeof(constant), NULL, 0, 1);
}

/* The bytes of strings, copied into the graph. */
static bool copy_strings(struct engine_graph *graph, struct str_view *strings, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const char *copy = arena_strndup(graph->arena, strings[i].data, strings[i].length);
        if (!copy)
            return false;
        strings[i].data = copy;
    }
    return true;
}

engine_value engine_constant_copy(struct engine_graph *graph, enum dtype dtype, const struct shape *shape,
                                  const void *data)
{
    size_t bytes;
    int64_t n;
    if (graph_failed(graph))
        return ENGINE_NONE;
    if (!tensor_bytes(dtype, shape, &bytes) || !shape_elements(shape, &n))
        return engine_graph_fail(graph, KD_EINVAL, "%s: a constant needs known sizes", graph->scope);
    void *block = block_alloc(bytes);
    if (!block || !graph_own(graph, block, bytes))
        return engine_graph_fail(graph, KD_ENOMEM, "out of memory while building the model's graph");
    memcpy(block, data, bytes);
    if (dtype_storage(dtype) == STORAGE_STR && !copy_strings(graph, block, n))
        return engine_graph_fail(graph, KD_ENOMEM, "out of memory while building the model's graph");
    return engine_constant(graph, dtype, shape, block);
}

engine_value engine_scalar_f32(struct engine_graph *graph, float number)
{
    struct shape scalar = {0};
    return engine_constant_copy(graph, DTYPE_FLOAT32, &scalar, &number);
}

engine_value engine_scalar_i64(struct engine_graph *graph, enum dtype dtype, int64_t number)
{
    struct shape scalar = {0};
    return engine_constant_copy(graph, dtype, &scalar, &number);
}

/* ---- shape_of ---- */

static int shape_of_infer(struct step *step, struct err *err)
{
    step->out[0]->dtype = DTYPE_INT64;
    step->out[0]->shape = shape_of(1, step->in[0]->shape.rank);
    return 0;
}

static int shape_of_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct shape *shape = &step->in[0]->shape;
    memcpy(io->out[0], shape->dim, (size_t)shape->rank * sizeof(*shape->dim));
    return 0;
}

static const struct op op_shape_of = {
    .name = "shape_of", .n_required = 1, .shape_only = 1, .infer = shape_of_infer, .run = shape_of_run};

engine_value engine_shape_of(struct engine_graph *graph, engine_value x)
{
    return graph_add(graph, &op_shape_of, NULL, 0, &x, 1, 1);
}

/* ---- fill ---- */

/* The shape that operand i's elements spell. */
int step_shape_operand(const struct step *step, int i, struct shape *ret, struct err *err)
{
    struct sizes sizes;
    int status = step_sizes(step, i, &sizes, err);
    if (status)
        return status;
    if (sizes.n < 0)
        return err_set(err, KD_EUNSUPPORTED, "a tensor whose number of axes is only known per request");
    struct shape shape = {.rank = sizes.n};
    for (int k = 0; k < sizes.n; k++) {
        shape.dim[k] = sizes.at[k] == SIZE_FREE ? SHAPE_UNKNOWN : sizes.at[k];
        if (sizes.at[k] < 0 && sizes.at[k] != SIZE_FREE)
            return err_set(err, KD_EINVAL, "a size of %" PRId64, sizes.at[k]);
    }
    *ret = shape;
    return 0;
}

static int fill_infer(struct step *step, struct err *err)
{
    if (step->in[1]->shape.rank)
        return err_set(err, KD_EINVAL, "the value to fill with must be a single number");
    step->out[0]->dtype = step->in[1]->dtype;
    return step_shape_operand(step, 0, &step->out[0]->shape, err);
}

static int op_fill_run(const struct step *step, const struct io *io, struct err *err)
{
    fill_run(io->in[1], step_in_size(step, 1), io->out[0], step_out_count(step, 0));
    return 0;
}

/* Rows of one number: all alike, so that they go with any batch that gives their count. */
static enum rows fill_rows(const struct step *step, const enum rows *in)
{
    if (in[1] != ROWS_FREE)
        return ROWS_MIXED;
    if (in[0] == ROWS_FREE)
        return ROWS_FREE;
    return step->out[0]->shape.rank ? ROWS_EACH : ROWS_MIXED;
}

static const struct op op_fill = {
    .name = "fill", .n_required = 2, .infer = fill_infer, .run = op_fill_run, .rows = fill_rows};

engine_value engine_fill(struct engine_graph *graph, engine_value shape, engine_value scalar)
{
    engine_value in[] = {shape, scalar};
    return graph_add(graph, &op_fill, NULL, 0, in, 2, 1);
}

/* ---- range ---- */

#define RANGE_MAX ((int64_t)1 << 31)

static int range_count_f32(const struct step *step, int64_t *ret, struct err *err)
{
    float number[3];
    *ret = SHAPE_UNKNOWN;
    for (int i = 0; i < 3; i++) {
        if (!step->in[i]->data && step->exact)
            return err_set(err, KD_EUNSUPPORTED, "the bounds of a range depend on the values of a request");
        if (!step->in[i]->data)
            return 0;
        number[i] = *(const float *)step->in[i]->data;
    }
    double count = ceil(((double)number[1] - (double)number[0]) / (double)number[2]);
    if (!(number[2] != 0 && count < (double)RANGE_MAX))
        return err_set(err, KD_EINVAL, "a range from %g to %g in steps of %g", (double)number[0],
                       (double)number[1], (double)number[2]);
    *ret = count > 0 ? (int64_t)count : 0;
    return 0;
}

static int range_count_i64(const struct step *step, int64_t *ret, struct err *err)
{
    int64_t number[3];
    *ret = SHAPE_UNKNOWN;
    bool known = true;
    for (int i = 0; i < 3; i++) {
        struct sizes sizes;
        int status = step_sizes(step, i, &sizes, err);
        if (status)
            return status;
        number[i] = sizes.at[0];
        known &= sizes.at[0] != SIZE_FREE;
    }
    if (!known)
        return 0;
    double count = ceil(((double)number[1] - (double)number[0]) / (double)number[2]);
    if (!number[2] || count >= (double)RANGE_MAX)
        return err_set(err, KD_EINVAL, "a range from %" PRId64 " to %" PRId64 " in steps of %" PRId64,
                       number[0], number[1], number[2]);
    *ret = count > 0 ? (int64_t)count : 0;
    return 0;
}

static int range_infer(struct step *step, struct err *err)
{
    for (int i = 0; i < 3; i++)
        if (step->in[i]->shape.rank || step->in[i]->dtype != step->in[0]->dtype)
            return err_set(err, KD_EINVAL, "a range needs three numbers of one type");
    step->out[0]->dtype = step->in[0]->dtype;
    step->out[0]->shape.rank = 1;
    if (dtype_is_float(step->in[0]->dtype))
        return range_count_f32(step, &step->out[0]->shape.dim[0], err);
    return range_count_i64(step, &step->out[0]->shape.dim[0], err);
}

static int range_run(const struct step *step, const struct io *io, struct err *err)
{
    int64_t n = step_out_count(step, 0);
    if (dtype_is_float(step->out[0]->dtype))
        range_f32(*(const float *)io->in[0], *(const float *)io->in[2], io->out[0], n);
    else
        range_i64(*(const int64_t *)io->in[0], *(const int64_t *)io->in[2], io->out[0], n);
    return 0;
}

static const struct op op_range = {.name = "range", .n_required = 3, .infer = range_infer, .run = range_run};

engine_value engine_range(struct engine_graph *graph, engine_value start, engine_value stop,
                          engine_value step)
{
    engine_value in[] = {start, stop, step};
    return graph_add(graph, &op_range, NULL, 0, in, 3, 1);
}
