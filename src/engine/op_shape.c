/* Views: reshape and its relatives. The result is the operand's memory under another shape; nothing runs.
 * All are one op whose attributes say how to find the sizes. */
#include <inttypes.h>
#include <string.h>

#include "engine/attrs.h"

enum reshape_kind { RESHAPE_SPEC, RESHAPE_TO, RESHAPE_EXPAND, RESHAPE_SQUEEZE };

struct reshape_attrs {
    enum reshape_kind kind;
    int rank;                     /* SPEC: entries; EXPAND: the new axis; SQUEEZE: number of axes */
    int64_t spec[SHAPE_MAX_RANK]; /* SQUEEZE: the axes */
};

static int cannot_reshape(const struct shape *from, const struct shape *to, struct err *err)
{
    char a[128], b[128];
    return err_set(err, KD_EINVAL, "shape %s cannot be reshaped to %s", shape_text(from, a, sizeof(a)),
                   shape_text(to, b, sizeof(b)));
}

/* Product of the known sizes; *unknown counts the others. */
static bool known_product(const struct shape *shape, int64_t *ret, int *unknown)
{
    *ret = 1;
    *unknown = 0;
    for (int i = 0; i < shape->rank; i++)
        if (shape->dim[i] == SHAPE_UNKNOWN)
            ++*unknown;
        else if (__builtin_mul_overflow(*ret, shape->dim[i], ret))
            return false;
    return true;
}

/* Sizes that are certainly the same on both sides (axis i of the result is axis same[i] of x) cancel in the
 * count of elements: unknown ones, and zeros of an empty batch. */
static void cancel(struct shape *x, struct shape *y, const int *same)
{
    for (int i = 0; i < y->rank; i++)
        if (same[i] >= 0 && y->dim[i] == x->dim[same[i]])
            y->dim[i] = x->dim[same[i]] = 1;
}

/* Fills in size `infer` (-1: none) so that the elements are as many as before; checks that they are. */
static int fit_elements(const struct shape *x, struct shape *shape, const int *same, int infer,
                        struct err *err)
{
    struct shape from = *x, to = *shape;
    int64_t have, want;
    int from_unknown, to_unknown;
    cancel(&from, &to, same);
    if (infer >= 0)
        to.dim[infer] = 1;
    if (!known_product(&from, &have, &from_unknown) || !known_product(&to, &want, &to_unknown))
        return cannot_reshape(x, shape, err);
    if (infer >= 0 && !from_unknown && !to_unknown) {
        if (want == 0 || have % want)
            return cannot_reshape(x, shape, err);
        shape->dim[infer] = have / want;
    } else if (infer < 0 && !from_unknown && !to_unknown && have != want) {
        return cannot_reshape(x, shape, err);
    } else if (infer < 0 && !from_unknown && to_unknown == 1 && want > 0 && have % want == 0) {
        for (int i = 0; i < shape->rank; i++) /* one size is left that is not yet known: it follows */
            if (to.dim[i] == SHAPE_UNKNOWN)
                shape->dim[i] = have / want;
    }
    return 0;
}

static int reshape_spec(struct step *step, const struct reshape_attrs *attrs, struct err *err)
{
    const struct shape *x = &step->in[0]->shape;
    struct shape shape = {.rank = attrs->rank};
    int infer = -1, same[SHAPE_MAX_RANK];
    for (int i = 0; i < attrs->rank; i++) {
        int64_t entry = attrs->spec[i];
        same[i] = -1;
        if (entry <= ENGINE_SAME_DIM(0)) {
            same[i] = (int)-(entry - ENGINE_SAME_DIM(0));
            if (same[i] >= x->rank)
                return err_set(err, KD_EINVAL, "there is no axis %d to take a size from", same[i]);
            entry = x->dim[same[i]];
        } else if (entry == ENGINE_INFER) {
            if (infer >= 0)
                return err_set(err, KD_EINVAL, "only one size can be -1");
            infer = i;
            entry = SHAPE_UNKNOWN;
        } else if (entry < 0) {
            return err_set(err, KD_EINVAL, "a size of %" PRId64, entry);
        }
        shape.dim[i] = entry;
    }
    step->out[0]->shape = shape;
    return fit_elements(x, &step->out[0]->shape, same, infer, err);
}

static int reshape_to(struct step *step, struct err *err)
{
    struct sizes sizes;
    int same[SHAPE_MAX_RANK], infer = -1, status = step_sizes(step, 1, &sizes, err);
    if (status)
        return status;
    if (sizes.n < 0)
        return err_set(err, KD_EUNSUPPORTED, "a tensor whose number of axes is only known per request");
    struct shape shape = {.rank = sizes.n};
    bool free_size = false;
    for (int i = 0; i < sizes.n; i++) {
        same[i] = -1;
        shape.dim[i] = sizes.at[i] == SIZE_FREE ? SHAPE_UNKNOWN : sizes.at[i];
        free_size |= sizes.at[i] == SIZE_FREE;
        if (sizes.at[i] == -1 && infer >= 0)
            return err_set(err, KD_EINVAL, "only one size can be -1");
        if (sizes.at[i] == -1)
            infer = i;
        else if (sizes.at[i] < 0 && sizes.at[i] != SIZE_FREE)
            return err_set(err, KD_EINVAL, "a size of %" PRId64, sizes.at[i]);
    }
    step->out[0]->shape = shape;
    if (infer >= 0 && free_size)
        return 0;
    return fit_elements(&step->in[0]->shape, &step->out[0]->shape, same, infer, err);
}

static int reshape_expand(struct step *step, const struct reshape_attrs *attrs, struct err *err)
{
    const struct shape *x = &step->in[0]->shape;
    struct shape shape = {.rank = x->rank + 1};
    int axis = shape_axis(&shape, attrs->rank);
    if (shape.rank > SHAPE_MAX_RANK)
        return err_set(err, KD_EUNSUPPORTED, "more than %d axes", SHAPE_MAX_RANK);
    if (axis < 0)
        return err_set(err, KD_EINVAL, "axis %d is out of range for a tensor of %d axes", attrs->rank,
                       x->rank);
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = i == axis ? 1 : x->dim[i - (i > axis)];
    step->out[0]->shape = shape;
    return 0;
}

static int reshape_squeeze(struct step *step, const struct reshape_attrs *attrs, struct err *err)
{
    const struct shape *x = &step->in[0]->shape;
    bool marks[SHAPE_MAX_RANK] = {false};
    struct shape shape = {0};
    for (int i = 0; i < attrs->rank; i++) {
        int axis = 0, status = step_axis(step, 0, attrs->spec[i], &axis, err);
        char text[128];
        if (status)
            return status;
        if (size_differs(x->dim[axis], 1))
            return err_set(err, KD_EINVAL, "axis %d of shape %s is not of size 1", axis,
                           shape_text(x, text, sizeof(text)));
        marks[axis] = true;
    }
    for (int i = 0; i < x->rank; i++)
        if (attrs->rank ? !marks[i] : x->dim[i] != 1)
            shape.dim[shape.rank++] = x->dim[i];
    step->out[0]->shape = shape;
    return 0;
}

static int reshape_infer(struct step *step, struct err *err)
{
    const struct reshape_attrs *attrs = step->attrs;
    step->out[0]->dtype = step->in[0]->dtype;
    switch (attrs->kind) {
    case RESHAPE_SPEC:
        return reshape_spec(step, attrs, err);
    case RESHAPE_TO:
        return reshape_to(step, err);
    case RESHAPE_EXPAND:
        return reshape_expand(step, attrs, err);
    default:
        return reshape_squeeze(step, attrs, err);
    }
}

/* Samples stay contiguous whatever the new axes are; rows.c checks that axis 0 is still a multiple of the
 * batch. */
static enum rows reshape_rows(const struct step *step, const enum rows *in)
{
    if (in[0] == ROWS_EACH && step->out[0]->shape.rank == 0)
        return ROWS_MIXED;
    if (in[0] == ROWS_FREE && step->n_in > 1 && in[1] != ROWS_FREE)
        return ROWS_MIXED;
    return in[0];
}

const struct op op_reshape = {
    .name = "reshape", .flags = OP_VIEW, .n_required = -1, .infer = reshape_infer, .rows = reshape_rows};

static engine_value add_reshape(struct engine_graph *graph, const struct reshape_attrs *attrs,
                                const engine_value *in, int n_in)
{
    return graph_add(graph, &op_reshape, attrs, sizeof(*attrs), in, n_in, 1);
}

static engine_value too_many_axes(struct engine_graph *graph, int n)
{
    return engine_graph_fail(graph, KD_EUNSUPPORTED, "reshape: %d axes; at most %d are supported", n,
                             SHAPE_MAX_RANK);
}

engine_value engine_reshape(struct engine_graph *graph, engine_value x, const int64_t *spec, int rank)
{
    struct reshape_attrs attrs = {.kind = RESHAPE_SPEC, .rank = rank};
    if (rank < 0 || rank > SHAPE_MAX_RANK)
        return too_many_axes(graph, rank);
    memcpy(attrs.spec, spec, (size_t)rank * sizeof(*spec));
    return add_reshape(graph, &attrs, &x, 1);
}

engine_value engine_reshape_to(struct engine_graph *graph, engine_value x, engine_value shape)
{
    struct reshape_attrs attrs = {.kind = RESHAPE_TO};
    engine_value in[] = {x, shape};
    return add_reshape(graph, &attrs, in, 2);
}

engine_value engine_expand_dims(struct engine_graph *graph, engine_value x, int axis)
{
    struct reshape_attrs attrs = {.kind = RESHAPE_EXPAND, .rank = axis};
    return add_reshape(graph, &attrs, &x, 1);
}

/* Without axes: those known to be 1 now, so that the rank does not depend on a request. */
engine_value engine_squeeze(struct engine_graph *graph, engine_value x, const int *axes, int n_axes)
{
    struct reshape_attrs attrs = {.kind = RESHAPE_SQUEEZE};
    if (n_axes > SHAPE_MAX_RANK)
        return too_many_axes(graph, n_axes);
    for (int i = 0; i < n_axes; i++)
        attrs.spec[attrs.rank++] = axes[i];
    for (int i = 0; i < engine_rank(graph, x) && !n_axes; i++)
        if (engine_dim(graph, x, i) == 1)
            attrs.spec[attrs.rank++] = i;
    return attrs.rank ? add_reshape(graph, &attrs, &x, 1) : x;
}
