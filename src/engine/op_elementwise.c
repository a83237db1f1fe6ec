/* Element-wise ops: functions of one or two operands, selection, casts, scale and shift per channel. All
 * broadcast as NumPy does, all may write over an operand that dies with them. */
#include <inttypes.h>

#include "engine/attrs.h"
#include "kernels/elementwise.h"

/* Estimated cost of functions: nanoseconds per element. */
#define COST_NS_SIMPLE       0.15
#define COST_NS_TRANSCENDENT 0.6

double unary_cost_us(enum unary_kind kind, int64_t n)
{
    bool simple =
        kind <= UNARY_LEAKY_RELU || kind == UNARY_CLIP || (kind >= UNARY_NEGATIVE && kind <= UNARY_SQUARE);
    return (double)n * (simple ? COST_NS_SIMPLE : COST_NS_TRANSCENDENT) * 1e-3;
}

/* ---- unary ---- */

static bool unary_is_test(enum unary_kind kind)
{
    return kind == UNARY_IS_NAN || kind == UNARY_IS_INF || kind == UNARY_IS_FINITE;
}

static int unary_infer(struct step *step, struct err *err)
{
    enum unary_kind kind = ((const struct unary_attrs *)step->attrs)->function.kind;
    enum dtype dtype = step->in[0]->dtype;
    bool fits;
    if (dtype_is_float(dtype))
        fits = kind != UNARY_LOGICAL_NOT && kind != UNARY_BITWISE_NOT;
    else if (dtype == DTYPE_BOOL)
        fits = kind == UNARY_LOGICAL_NOT || kind == UNARY_LINEAR;
    else
        fits = dtype != DTYPE_STRING && kind != UNARY_LOGICAL_NOT && unary_has_i64(kind);
    if (!fits)
        return err_set(err, KD_EINVAL, "%s is not defined for %s", unary_name(kind), dtype_name(dtype));
    step_like(step, 0, 0);
    if (unary_is_test(kind))
        step->out[0]->dtype = DTYPE_BOOL;
    return 0;
}

static int unary_prepare(struct step *step, struct err *err)
{
    enum unary_kind kind = ((const struct unary_attrs *)step->attrs)->function.kind;
    step->kernel = unary_name(kind);
    step->cost_us = unary_cost_us(kind, step_in_count(step, 0));
    return 0;
}

static int unary_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct unary *function = &((const struct unary_attrs *)step->attrs)->function;
    int64_t n = step_in_count(step, 0);
    if (unary_is_test(function->kind)) {
        unary_test(function->kind, io->in[0], io->out[0], n);
    } else if (dtype_storage(step->in[0]->dtype) == STORAGE_I64) {
        unary_apply_i64(function, io->in[0], io->out[0], n);
        cast_wrap(step->out[0]->dtype, io->out[0], n);
    } else {
        unary_apply(function, io->in[0], io->out[0], n);
    }
    return 0;
}

const struct op op_unary = {.name = "unary",
                            .in_place = 1,
                            .n_required = 1,
                            .infer = unary_infer,
                            .prepare = unary_prepare,
                            .run = unary_run,
                            .rows = rows_elementwise};

engine_value engine_unary(struct engine_graph *graph, struct unary function, engine_value x)
{
    struct unary_attrs attrs = {.function = function};
    return function.kind == UNARY_LINEAR ? x : graph_add(graph, &op_unary, &attrs, sizeof(attrs), &x, 1, 1);
}

/* ---- binary ---- */

static bool binary_is_comparison(enum binary_kind kind)
{
    return kind >= BINARY_EQUAL && kind <= BINARY_GREATER_EQUAL;
}

static bool binary_fits(enum binary_kind kind, enum dtype dtype)
{
    bool logical = kind >= BINARY_LOGICAL_AND && kind <= BINARY_LOGICAL_XOR;
    bool bitwise = kind >= BINARY_BITWISE_AND && kind <= BINARY_BITWISE_XOR;
    if (binary_is_comparison(kind))
        return true;
    if (dtype == DTYPE_BOOL)
        return logical || bitwise || kind == BINARY_MULTIPLY || kind == BINARY_MAXIMUM ||
               kind == BINARY_MINIMUM;
    if (dtype_is_float(dtype))
        return !logical && !bitwise;
    bool float_only = kind == BINARY_DIVIDE || kind == BINARY_ATAN2 || kind == BINARY_LOGADDEXP;
    return dtype_is_int(dtype) && !logical && !float_only;
}

static int broadcast_shapes(struct step *step, int first, int last, struct err *err)
{
    struct shape shape = step->in[first]->shape;
    for (int i = first + 1; i <= last; i++) {
        char a[128], b[128];
        if (!shape_broadcast(&shape, &step->in[i]->shape, &shape))
            return err_set(err, KD_EINVAL, "shapes %s and %s do not go together",
                           shape_text(&shape, a, sizeof(a)), shape_text(&step->in[i]->shape, b, sizeof(b)));
    }
    step->out[0]->shape = shape;
    return 0;
}

static int binary_infer(struct step *step, struct err *err)
{
    enum binary_kind kind = ((const struct binary_attrs *)step->attrs)->kind;
    enum dtype dtype = step->in[0]->dtype;
    if (dtype != step->in[1]->dtype)
        return err_set(err, KD_EINVAL, "%s of %s and %s", binary_name(kind), dtype_name(dtype),
                       dtype_name(step->in[1]->dtype));
    if (!binary_fits(kind, dtype))
        return err_set(err, KD_EINVAL, "%s is not defined for %s", binary_name(kind), dtype_name(dtype));
    step->out[0]->dtype = binary_is_comparison(kind) ? DTYPE_BOOL : dtype;
    return broadcast_shapes(step, 0, 1, err);
}

static int prepare_broadcast(struct step *step, int n_operands, struct err *err)
{
    struct broadcast *broadcast = step_params(step, sizeof(*broadcast), err);
    const struct shape *shapes[BROADCAST_OPERANDS];
    if (!broadcast)
        return KD_ENOMEM;
    for (int i = 0; i < n_operands; i++)
        shapes[i] = &step->in[i]->shape;
    broadcast_init(broadcast, &step->out[0]->shape, shapes, n_operands);
    return 0;
}

static int binary_prepare(struct step *step, struct err *err)
{
    const struct binary_attrs *attrs = step->attrs;
    bool slow = attrs->kind == BINARY_POWER || attrs->kind == BINARY_ATAN2 || attrs->kind == BINARY_LOGADDEXP;
    step->kernel = binary_name(attrs->kind);
    step->cost_us = (double)step_out_count(step, 0) * (slow ? 10 : COST_NS_SIMPLE) * 1e-3;
    return prepare_broadcast(step, 2, err);
}

static int binary_run_i64(const struct step *step, enum binary_kind kind, const struct io *io,
                          struct err *err)
{
    if (!binary_i64(kind, step->params, io->in[0], io->in[1], io->out[0]))
        return err_set(err, KD_EINVAL, "integer division by zero");
    if (dtype_is_int(step->out[0]->dtype))
        cast_wrap(step->out[0]->dtype, io->out[0], step_out_count(step, 0));
    return 0;
}

static int binary_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct binary_attrs *attrs = step->attrs;
    enum storage storage = dtype_storage(step->in[0]->dtype);
    if (storage == STORAGE_I64)
        return binary_run_i64(step, attrs->kind, io, err);
    if (storage == STORAGE_STR)
        compare_str(attrs->kind, step->params, io->in[0], io->in[1], io->out[0]);
    else if (binary_is_comparison(attrs->kind))
        compare_f32(attrs->kind, step->params, io->in[0], io->in[1], io->out[0]);
    else
        binary_f32(attrs->kind, step->params, io->in[0], io->in[1], io->out[0]);
    if (attrs->fused.activation.kind != UNARY_LINEAR)
        unary_apply(&attrs->fused.activation, io->out[0], io->out[0], step_out_count(step, 0));
    return 0;
}

const struct op op_binary = {.name = "binary",
                             .in_place = 3,
                             .n_required = 2,
                             .infer = binary_infer,
                             .prepare = binary_prepare,
                             .run = binary_run,
                             .rows = rows_elementwise};

engine_value engine_binary(struct engine_graph *graph, enum binary_kind kind, engine_value x, engine_value y)
{
    struct binary_attrs attrs = {.kind = kind};
    engine_value in[] = {x, y};
    return graph_add(graph, &op_binary, &attrs, sizeof(attrs), in, 2, 1);
}

/* ---- select ---- */

static int select_infer(struct step *step, struct err *err)
{
    if (step->in[0]->dtype != DTYPE_BOOL)
        return err_set(err, KD_EINVAL, "the condition must be bool, not %s", dtype_name(step->in[0]->dtype));
    if (step->in[1]->dtype != step->in[2]->dtype)
        return err_set(err, KD_EINVAL, "a choice between %s and %s", dtype_name(step->in[1]->dtype),
                       dtype_name(step->in[2]->dtype));
    step->out[0]->dtype = step->in[1]->dtype;
    return broadcast_shapes(step, 0, 2, err);
}

static int select_prepare(struct step *step, struct err *err)
{
    return prepare_broadcast(step, 3, err);
}

static int op_select_run(const struct step *step, const struct io *io, struct err *err)
{
    select_run(step->params, dtype_storage(step->out[0]->dtype), io->in[0], io->in[1], io->in[2], io->out[0]);
    return 0;
}

static const struct op op_select = {.name = "select",
                                    .n_required = 3,
                                    .infer = select_infer,
                                    .prepare = select_prepare,
                                    .run = op_select_run,
                                    .rows = rows_elementwise};

engine_value engine_select(struct engine_graph *graph, engine_value condition, engine_value x, engine_value y)
{
    engine_value in[] = {condition, x, y};
    return graph_add(graph, &op_select, NULL, 0, in, 3, 1);
}

/* ---- cast ---- */

static int cast_infer(struct step *step, struct err *err)
{
    enum dtype to = *(const enum dtype *)step->attrs;
    if (step->in[0]->dtype == DTYPE_STRING || to == DTYPE_STRING)
        return err_set(err, KD_EUNSUPPORTED, "a cast from %s to %s", dtype_name(step->in[0]->dtype),
                       dtype_name(to));
    step->out[0]->dtype = to;
    step->out[0]->shape = step->in[0]->shape;
    return 0;
}

static int op_cast_run(const struct step *step, const struct io *io, struct err *err)
{
    cast_run(step->in[0]->dtype, step->out[0]->dtype, io->in[0], io->out[0], step_in_count(step, 0));
    return 0;
}

static const struct op op_cast = {.name = "cast",
                                  .in_place = 1,
                                  .n_required = 1,
                                  .infer = cast_infer,
                                  .run = op_cast_run,
                                  .rows = rows_elementwise};

engine_value engine_cast(struct engine_graph *graph, engine_value x, enum dtype dtype)
{
    if (x != ENGINE_NONE && engine_dtype(graph, x) == dtype)
        return x;
    return graph_add(graph, &op_cast, &dtype, sizeof(dtype), &x, 1, 1);
}

/* ---- scale_shift ---- */

static int scale_shift_infer(struct step *step, struct err *err)
{
    const struct shape *shape = &step->in[0]->shape;
    int status = step_need_float(step, 0, err);
    if (!status)
        status = step_need_rank(step, 0, 1, SHAPE_MAX_RANK, err);
    for (int i = 1; i <= 2 && !status; i++) {
        char text[128];
        if (!step->in[i])
            continue;
        const struct shape *factor = &step->in[i]->shape;
        if (!step->in[i]->constant || factor->rank != 1 ||
            size_differs(factor->dim[0], shape->dim[shape->rank - 1]))
            status = err_set(err, KD_EINVAL, "%s of shape %s does not fit %" PRId64 " channels",
                             i == 1 ? "a scale" : "a shift", shape_text(factor, text, sizeof(text)),
                             shape->dim[shape->rank - 1]);
        else
            status = step_need_float(step, i, err);
    }
    if (status)
        return status;
    step_like(step, 0, 0);
    for (int i = 1; i <= 2; i++)
        if (step->in[i])
            step->out[0]->shape.dim[shape->rank - 1] = step->in[i]->shape.dim[0];
    return 0;
}

static int scale_shift_prepare(struct step *step, struct err *err)
{
    const struct scale_shift_attrs *attrs = step->attrs;
    int64_t n = step_in_count(step, 0);
    step->cost_us = (double)n * COST_NS_SIMPLE * 1e-3 + unary_cost_us(attrs->fused.activation.kind, n);
    return 0;
}

static int scale_shift_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct scale_shift_attrs *attrs = step->attrs;
    const struct shape *shape = &step->in[0]->shape;
    const struct unary *activation =
        attrs->fused.activation.kind == UNARY_LINEAR ? NULL : &attrs->fused.activation;
    scale_shift(shape_product(shape, 0, shape->rank - 1), shape->dim[shape->rank - 1], io->in[0], io->in[1],
                io->in[2], activation, io->out[0]);
    return 0;
}

const struct op op_scale_shift = {.name = "scale_shift",
                                  .in_place = 1,
                                  .n_required = 1,
                                  .infer = scale_shift_infer,
                                  .prepare = scale_shift_prepare,
                                  .run = scale_shift_run,
                                  .rows = rows_first};

engine_value engine_scale_shift(struct engine_graph *graph, engine_value x, engine_value scale,
                                engine_value shift)
{
    struct scale_shift_attrs attrs = {0};
    engine_value in[] = {x, scale, shift};
    return scale == ENGINE_NONE && shift == ENGINE_NONE
               ? x
               : graph_add(graph, &op_scale_shift, &attrs, sizeof(attrs), in, 3, 1);
}
