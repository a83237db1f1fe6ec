/* inputs: binds what a request sends to what the model's signature wants. */
#include "http/inputs.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"

void inputs_done(struct inputs *inputs)
{
    for (size_t i = 0; i < inputs->capacity; i++)
        json_fill_done(&inputs->items[i].fill);
    free(inputs->items);
    free(inputs->tensors);
    memset(inputs, 0, sizeof(*inputs));
}

size_t inputs_memory(const struct inputs *inputs)
{
    size_t bytes = inputs->capacity * (sizeof(struct input) + sizeof(struct tensor));
    for (size_t i = 0; i < inputs->capacity; i++)
        bytes += inputs->items[i].fill.capacity + inputs->items[i].fill.text.capacity;
    return bytes;
}

int inputs_start(struct inputs *inputs, size_t n, struct err *err)
{
    inputs->n = 0;
    if (n > inputs->capacity) {
        struct input *items = realloc(inputs->items, n * sizeof(*items));
        if (items)
            inputs->items = items;
        struct tensor *tensors = realloc(inputs->tensors, n * sizeof(*tensors));
        if (tensors)
            inputs->tensors = tensors;
        if (!items || !tensors)
            return err_set(err, KD_ENOMEM, "out of memory for %zu inputs", n);
        memset(items + inputs->capacity, 0, (n - inputs->capacity) * sizeof(*items));
        inputs->capacity = n;
    }
    inputs->n = n;
    return 0;
}

/* Elements of one row, or a number without limit where the signature leaves a size open. */
static size_t row_elements(const struct shape *shape)
{
    size_t elements = 1;
    for (int i = 1; i < shape->rank; i++)
        if (shape->dim[i] < 0 || !size_mul(elements, (size_t)shape->dim[i], &elements))
            return SIZE_MAX;
    return elements;
}

void inputs_bind(struct inputs *inputs, size_t i, const struct keras_signature_tensor *want,
                 const struct inputs_limits *limits)
{
    struct input *input = &inputs->items[i];
    input->want = want;
    input->given = false;
    input->row = -1;
    input->binary_bytes = input->binary_done = 0;
    input->shape.rank = 0;
    input->fill.dtype = input->fill.target = want->dtype;
    input->fill.flat = false;
    input->fill.value_max = row_elements(&want->shape);
    input->fill.max_elements = limits->max_elements;
    input->fill.max_text = limits->max_text;
    json_fill_start(&input->fill);
}

int inputs_find(const struct inputs *inputs, const char *name, size_t length)
{
    for (size_t i = 0; i < inputs->n; i++) {
        const char *want = inputs->items[i].want->name;
        if (strlen(want) == length && memcmp(want, name, length) == 0)
            return (int)i;
    }
    return -1;
}

bool inputs_adapt(const struct shape *shape, const struct shape *want, struct shape *ret)
{
    *ret = *shape;
    int rank = shape->rank;
    if (rank == want->rank + 1 && shape->dim[rank - 1] == 1)
        ret->rank--;
    else if (rank == want->rank - 1 && rank < SHAPE_MAX_RANK && want->dim[rank] == 1)
        ret->dim[ret->rank++] = 1;
    return shape_compatible(ret, want);
}

static int refuse_shape(const struct input *input, struct err *err)
{
    char got[SHAPE_TEXT_MAX], want[SHAPE_TEXT_MAX];
    return err_set(err, KD_EINVAL, "input '%s': got a tensor of shape %s, the model expects %s", input->want->name,
                   shape_text(&input->shape, got, sizeof(got)),
                   shape_text(&input->want->shape, want, sizeof(want)));
}

int inputs_fit(struct inputs *inputs, int64_t *ret_rows, struct err *err)
{
    int64_t rows = -1;
    for (size_t i = 0; i < inputs->n; i++) {
        struct input *input = &inputs->items[i];
        struct tensor *tensor = &inputs->tensors[i];
        if (!inputs_adapt(&input->shape, &input->want->shape, &tensor->shape))
            return refuse_shape(input, err);
        if (!input->fill.data && json_fill_reserve(&input->fill, 1) != 0)
            return err_set(err, KD_ENOMEM, "out of memory for input '%s'", input->want->name);
        tensor->dtype = input->want->dtype;
        tensor->data = input->fill.data;
        if (tensor->shape.rank == 0)
            continue;
        if (rows >= 0 && tensor->shape.dim[0] != rows)
            return err_set(err, KD_EINVAL,
                           "input '%s' has %lld rows, but input '%s' has %lld: all inputs need the same number",
                           input->want->name, (long long)tensor->shape.dim[0], inputs->items[0].want->name,
                           (long long)rows);
        rows = tensor->shape.dim[0];
    }
    *ret_rows = rows < 0 ? 1 : rows;
    return 0;
}
