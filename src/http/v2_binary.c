/* v2_binary: the binary tensor extension: raw little-endian tensors behind the JSON part, in the order of the
 * inputs. They come in pieces of any size; whole elements are converted where they lie, a cut one waits in the
 * input's carry. Strings are a length of four bytes and their bytes.
 *
 * A header length of 0 announces a raw request: the body is the data of the only input, for one row. */
#include <inttypes.h>
#include <string.h>

#include "base/size.h"
#include "base/str.h"
#include "http/v2_body.h"
#include "keras/keras.h"

static struct input *input_at(struct v2_body *body, int i)
{
    return &body->options.inputs->items[i];
}

/* ---- elements ---- */

static uint64_t load_le(const unsigned char *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i > 0; i--)
        value = value << 8 | at[i - 1];
    return value;
}

static float wire_float(enum dtype wire, const unsigned char *at)
{
    uint64_t bits = load_le(at, dtype_size(wire));
    uint32_t bits32 = (uint32_t)bits;
    float value;
    double wide;
    switch (wire) {
    case DTYPE_FLOAT64:
        memcpy(&wide, &bits, sizeof(wide));
        return (float)wide;
    case DTYPE_FLOAT16:
        return dtype_half_to_float((uint16_t)bits);
    case DTYPE_BFLOAT16:
        return dtype_bfloat16_to_float((uint16_t)bits);
    default:
        memcpy(&value, &bits32, sizeof(value));
        return value;
    }
}

static int64_t wire_integer(enum dtype wire, const unsigned char *at)
{
    int64_t value = (int64_t)load_le(at, dtype_size(wire));
    return wire == DTYPE_BOOL ? value != 0 : wire == DTYPE_UINT64 ? value : dtype_wrap(wire, value);
}

static void put_element(struct v2_body *body, struct input *input, const unsigned char *at)
{
    struct json_fill *fill = &input->fill;
    bool to_float = dtype_storage(fill->target) == STORAGE_F32;
    if (dtype_is_float(input->wire)) {
        ((float *)fill->data)[fill->n++] = wire_float(input->wire, at);
        return;
    }
    int64_t value = wire_integer(input->wire, at);
    if (value < fill->min || value > fill->max)
        v2_body_problem(body, KD_EINVAL, "element %zu of input '%s' is out of range for %s", fill->n,
                        input->want->name, dtype_v2_name(input->want->dtype));
    if (to_float)
        ((float *)fill->data)[fill->n++] = (float)value;
    else
        ((int64_t *)fill->data)[fill->n++] = value;
}

static bool reserve(struct v2_body *body, struct input *input, size_t elements)
{
    int code = json_fill_reserve(&input->fill, input->fill.n + elements);
    if (code == KD_ENOMEM)
        v2_body_problem(body, code, "out of memory for input '%s'", input->want->name);
    else if (code)
        v2_body_problem(body, code, "input '%s' is larger than the limit of one tensor", input->want->name);
    return code == 0;
}

static bool copies_as_is(const struct input *input)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return input->wire == DTYPE_FLOAT32 && dtype_storage(input->fill.target) == STORAGE_F32;
#else
    return false;
#endif
}

static void take_elements(struct v2_body *body, struct input *input, const unsigned char *data, size_t length)
{
    struct json_fill *fill = &input->fill;
    size_t size = dtype_size(input->wire), n;
    while (input->n_carry && length) {
        input->carry[input->n_carry++] = *data++;
        length--;
        if (input->n_carry < size)
            continue;
        input->n_carry = 0;
        if (!reserve(body, input, 1))
            return;
        put_element(body, input, input->carry);
    }
    n = length / size;
    if (n && !reserve(body, input, n))
        return;
    if (copies_as_is(input)) {
        memcpy((float *)fill->data + fill->n, data, n * size);
        fill->n += n;
    } else {
        for (size_t i = 0; i < n && !body->problem.code; i++)
            put_element(body, input, data + i * size);
    }
    memcpy(input->carry + input->n_carry, data + n * size, length - n * size);
    input->n_carry += length - n * size;
}

/* ---- strings ---- */

static void end_string(struct v2_body *body, struct input *input)
{
    struct json_fill *fill = &input->fill;
    fill->value_count++;
    if (fill->value_count > fill->value_max || !reserve(body, input, 1))
        return;
    struct str_view *view = &((struct str_view *)fill->data)[fill->n++];
    view->data = (const char *)(uintptr_t)fill->text_start;
    view->length = fill->text.length - fill->text_start;
    fill->text_start = fill->text.length;
}

static void take_strings(struct v2_body *body, struct input *input, const unsigned char *data, size_t length)
{
    struct json_fill *fill = &input->fill;
    while (length && !body->problem.code) {
        if (input->text_left) {
            size_t n = input->text_left < length ? input->text_left : length;
            if (buf_append(&fill->text, data, n) != 0)
                v2_body_problem(body, fill->text.failed, "the strings of input '%s' are too large", input->want->name);
            data += n;
            length -= n;
            input->text_left -= (uint32_t)n;
            if (input->text_left == 0)
                end_string(body, input);
            continue;
        }
        input->carry[input->n_carry++] = *data++;
        length--;
        if (input->n_carry < 4)
            continue;
        input->n_carry = 0;
        input->text_left = (uint32_t)load_le(input->carry, 4);
        if (input->text_left == 0)
            end_string(body, input);
    }
}

static void check_strings(struct v2_body *body, struct input *input)
{
    const struct json_fill *fill = &input->fill;
    const char *name = input->want->name, *model = body->options.model_name;
    if (input->text_left)
        v2_body_problem(body, KD_EINVAL,
                        "incomplete string data for inference input '%s', expecting string of length %zu but only %zu "
                        "bytes available",
                        name, fill->text.length - fill->text_start + input->text_left,
                        fill->text.length - fill->text_start);
    else if (input->n_carry)
        v2_body_problem(body, KD_EINVAL,
                        "incomplete string length indicator for inference input '%s', expecting 4 bytes but only %zu "
                        "bytes available",
                        name, input->n_carry);
    else if (fill->value_count > fill->value_max)
        v2_body_problem(body, KD_EINVAL,
                        "unexpected number of string elements %zu for inference input '%s' for model '%s', expecting "
                        "%zu",
                        fill->value_count, name, model, fill->value_max);
    else if (fill->value_count < fill->value_max)
        v2_body_problem(body, KD_EINVAL, "expected %zu string elements for inference input '%s' for model '%s', got %zu",
                        fill->value_max, name, model, fill->value_count);
}

/* ---- inputs ---- */

static void begin_input(struct v2_body *body, int i)
{
    body->binary = i;
    if (i < 0)
        return;
    struct input *input = input_at(body, i);
    input->binary_done = 0;
    input->n_carry = 0;
    input->text_left = 0;
}

static void end_input(struct v2_body *body)
{
    struct input *input = input_at(body, body->binary);
    if (input->wire == DTYPE_STRING)
        check_strings(body, input);
    begin_input(body, input->next_binary);
}

/* The announced sizes against shapes and datatypes. */
static void check_sizes(struct v2_body *body)
{
    for (int i = body->first_binary; i >= 0; i = input_at(body, i)->next_binary) {
        const struct input *input = input_at(body, i);
        size_t wanted;
        if (input->wire == DTYPE_STRING)
            continue;
        if (!size_mul(input->fill.value_max, dtype_size(input->wire), &wanted) || wanted != input->binary_bytes)
            v2_body_problem(body, KD_EINVAL,
                            "input byte size mismatch for input '%s' for model '%s'. Expected %zu, got %" PRIu64,
                            input->want->name, body->options.model_name, wanted, input->binary_bytes);
    }
}

/* The one input of a raw request: one row, of the model's own datatype. */
static void begin_raw(struct v2_body *body)
{
    struct inputs *inputs = body->options.inputs;
    if (inputs->n != 1) {
        v2_body_problem(body, KD_EINVAL,
                        "Raw request must only have 1 input (found 1) to be deduced but got %zu inputs in '%s' model "
                        "configuration",
                        inputs->n, body->options.model_name);
        return;
    }
    struct input *input = &inputs->items[0];
    input->wire = input->want->dtype;
    input->binary_bytes = UINT64_MAX;
    input->next_binary = -1;
    input->fill.flat = true;
    input->fill.value_max = SIZE_MAX;
    body->first_binary = 0;
    body->binary_data_output = true;
}

void v2_binary_begin(struct v2_body *body)
{
    if (!body->options.found)
        return;
    if (body->options.header_length == 0)
        begin_raw(body);
    else if (!body->problem.code)
        check_sizes(body);
    begin_input(body, body->first_binary);
}

/* A raw string is the whole body. */
static void take_raw_string(struct v2_body *body, struct input *input, const char *data, size_t length)
{
    if (buf_append(&input->fill.text, data, length) != 0)
        v2_body_problem(body, input->fill.text.failed, "the string of input '%s' is too large", input->want->name);
}

void v2_binary_feed(struct v2_body *body, const char *data, size_t length)
{
    while (length && !body->problem.code && body->binary >= 0) {
        struct input *input = input_at(body, body->binary);
        uint64_t left = input->binary_bytes - input->binary_done;
        size_t n = left < length ? (size_t)left : length;
        if (input->wire == DTYPE_STRING && body->options.header_length == 0)
            take_raw_string(body, input, data, n);
        else if (input->wire == DTYPE_STRING)
            take_strings(body, input, (const unsigned char *)data, n);
        else
            take_elements(body, input, (const unsigned char *)data, n);
        input->binary_done += n;
        data += n;
        length -= n;
        while (body->binary >= 0 && input_at(body, body->binary)->binary_done ==
                                        input_at(body, body->binary)->binary_bytes)
            end_input(body);
    }
    if (length)
        v2_body_problem(body, KD_EINVAL, "unexpected additional input data for model '%s'", body->options.model_name);
}

/* One row: its elements must make up the signature's shape, at most one size of which may be open. */
static void end_raw(struct v2_body *body)
{
    struct input *input = input_at(body, 0);
    const struct shape *want = &input->want->shape;
    struct shape shape = *want;
    int open = -1, n_open = 0;
    size_t known = 1, size = dtype_size(input->wire);
    if (input->wire == DTYPE_STRING) {
        input->fill.text_start = 0;
        end_string(body, input);
    }
    if (shape.rank)
        shape.dim[0] = 1;
    for (int i = 1; i < shape.rank; i++) {
        if (shape.dim[i] >= 0) {
            known *= (size_t)shape.dim[i];
            continue;
        }
        open = i;
        n_open++;
    }
    if (n_open == 1 && known && input->fill.n % known == 0)
        shape.dim[open] = (int64_t)(input->fill.n / known);
    size_t elements = n_open == 1 && known ? input->fill.n / known * known : known;
    if (n_open > 1)
        v2_body_problem(body, KD_EINVAL, "the shape of a raw request cannot be deduced: input '%s' has %d variable "
                                         "dimensions",
                        input->want->name, n_open);
    else if (elements != input->fill.n || input->n_carry)
        v2_body_problem(body, KD_EINVAL,
                        "input byte size mismatch for input 'raw_input' for model '%s'. Expected %zu, got %" PRIu64,
                        body->options.model_name, elements * size, input->binary_done);
    input->shape = shape;
    input->given = true;
}

void v2_binary_end(struct v2_body *body)
{
    if (body->problem.code)
        return;
    if (body->options.header_length == 0) {
        end_raw(body);
        return;
    }
    while (body->binary >= 0 && input_at(body, body->binary)->binary_bytes == input_at(body, body->binary)->binary_done)
        end_input(body);
    if (body->binary < 0)
        return;
    const struct input *input = input_at(body, body->binary);
    v2_body_problem(body, KD_EINVAL,
                    "unexpected size for input '%s', expecting %" PRIu64 " additional bytes for model '%s'",
                    input->want->name, input->binary_bytes - input->binary_done, body->options.model_name);
}
