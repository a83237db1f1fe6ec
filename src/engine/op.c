/* op: what the hooks of many ops share: checks that end in a sentence, sizes, row rules. */
#include "engine/op.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"

static int sizes_elements(const struct step *step, const struct value *value, struct sizes *sizes,
                          struct err *err)
{
    for (int i = 0; i < sizes->n; i++)
        if (value->data)
            sizes->at[i] = ((const int64_t *)value->data)[i];
        else
            sizes->at[i] = value->partial ? value->partial[i] : SIZE_FREE;
    if (!value->data && step->exact && sizes->n > 0)
        return err_set(
            err, KD_EUNSUPPORTED,
            "a size depends on the values of a request, not only on its shapes; such models are not "
            "served");
    return 0;
}

int step_sizes(const struct step *step, int i, struct sizes *ret, struct err *err)
{
    const struct value *value = step->in[i];
    if (dtype_storage(value->dtype) != STORAGE_I64)
        return err_set(err, KD_EINVAL, "sizes must be integers, not %s", dtype_name(value->dtype));
    if (value->shape.rank > 1)
        return err_set(err, KD_EINVAL, "sizes must be a number or a vector, not of rank %d",
                       value->shape.rank);
    struct sizes sizes = {.rank = value->shape.rank, .n = 1};
    if (sizes.rank == 1 && value->shape.dim[0] > SHAPE_MAX_RANK)
        return err_set(err, KD_EUNSUPPORTED, "a shape of %" PRId64 " axes; at most %d are supported",
                       value->shape.dim[0], SHAPE_MAX_RANK);
    if (sizes.rank == 1)
        sizes.n = value->shape.dim[0] == SHAPE_UNKNOWN ? -1 : (int)value->shape.dim[0];
    int status = sizes_elements(step, value, &sizes, err);
    if (!status)
        *ret = sizes;
    return status;
}

void step_like(struct step *step, int i, int j)
{
    step->out[i]->dtype = step->in[j]->dtype;
    step->out[i]->shape = step->in[j]->shape;
}

int step_need_float(const struct step *step, int i, struct err *err)
{
    if (dtype_is_float(step->in[i]->dtype))
        return 0;
    return err_set(err, KD_EINVAL, "operand %d must be a float, not %s", i, dtype_name(step->in[i]->dtype));
}

int step_need_int(const struct step *step, int i, struct err *err)
{
    if (dtype_storage(step->in[i]->dtype) == STORAGE_I64)
        return 0;
    return err_set(err, KD_EINVAL, "operand %d must be an integer, not %s", i,
                   dtype_name(step->in[i]->dtype));
}

int step_need_rank(const struct step *step, int i, int min, int max, struct err *err)
{
    int rank = step->in[i]->shape.rank;
    char text[128];
    if (rank >= min && rank <= max)
        return 0;
    shape_text(&step->in[i]->shape, text, sizeof(text));
    if (min == max)
        return err_set(err, KD_EINVAL, "operand %d must have %d axes, found shape %s", i, min, text);
    return err_set(err, KD_EINVAL, "operand %d must have %d to %d axes, found shape %s", i, min, max, text);
}

int step_axis(const struct step *step, int i, int64_t axis, int *ret, struct err *err)
{
    int found = shape_axis(&step->in[i]->shape, axis);
    char text[128];
    if (found < 0)
        return err_set(err, KD_EINVAL, "axis %" PRId64 " is out of range for shape %s", axis,
                       shape_text(&step->in[i]->shape, text, sizeof(text)));
    *ret = found;
    return 0;
}

int step_axes(const struct step *step, int i, const int *axes, int n_axes, bool marks[SHAPE_MAX_RANK],
              struct err *err)
{
    memset(marks, 0, SHAPE_MAX_RANK * sizeof(*marks));
    for (int k = 0; k < n_axes; k++) {
        int axis = 0;
        int status = step_axis(step, i, axes[k], &axis, err);
        if (status)
            return status;
        if (marks[axis])
            return err_set(err, KD_EINVAL, "axis %d is given twice", axis);
        marks[axis] = true;
    }
    return 0;
}

bool size_differs(int64_t a, int64_t b)
{
    return a != SHAPE_UNKNOWN && b != SHAPE_UNKNOWN && a != b;
}

void *step_params(struct step *step, size_t size, struct err *err)
{
    step->params = arena_alloc(step->arena, size);
    if (!step->params)
        err_set(err, KD_ENOMEM, "out of memory");
    return step->params;
}

int64_t step_in_count(const struct step *step, int i)
{
    return shape_product(&step->in[i]->shape, 0, step->in[i]->shape.rank);
}

int64_t step_out_count(const struct step *step, int i)
{
    return shape_product(&step->out[i]->shape, 0, step->out[i]->shape.rank);
}

size_t step_in_size(const struct step *step, int i)
{
    return storage_size(dtype_storage(step->in[i]->dtype));
}

int64_t shape_outer(const struct shape *shape, int axis)
{
    return shape_product(shape, 0, axis);
}

int64_t shape_inner(const struct shape *shape, int axis)
{
    return shape_product(shape, axis + 1, shape->rank);
}

int pack_failed(struct err *err)
{
    return err_set(err, KD_ENOMEM, "out of memory while packing weights");
}

enum rows rows_elementwise(const struct step *step, const enum rows *in)
{
    const struct shape *result = &step->out[0]->shape;
    enum rows rows = ROWS_FREE;
    for (int i = 0; i < step->n_in; i++) {
        if (!step->in[i] || in[i] == ROWS_FREE)
            continue;
        const struct shape *shape = &step->in[i]->shape;
        if (in[i] == ROWS_MIXED || shape->rank != result->rank || shape->dim[0] != result->dim[0])
            return ROWS_MIXED;
        rows = ROWS_EACH;
    }
    return rows;
}

enum rows rows_first(const struct step *step, const enum rows *in)
{
    for (int i = 1; i < step->n_in; i++)
        if (step->in[i] && in[i] != ROWS_FREE)
            return ROWS_MIXED;
    return in[0];
}
