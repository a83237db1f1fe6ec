/* v2_entry: one entry of "inputs" against the model's signature. Values of other datatypes than the model's are
 * converted where nothing can be lost by surprise (whole numbers and doubles into floats, whole numbers into whole
 * numbers that can hold them), since Python makes float64 and int64 arrays by default. */
#include <inttypes.h>
#include <string.h>

#include "base/size.h"
#include "http/v2_body.h"
#include "keras/keras.h"

static bool converts(enum dtype from, enum dtype to, bool strict)
{
    if (from == to)
        return true;
    if (strict)
        return false;
    return (dtype_is_float(to) && (dtype_is_float(from) || dtype_is_int(from))) ||
           (dtype_is_int(to) && dtype_is_int(from));
}

static struct input *input_of(struct v2_body *body)
{
    return &body->options.inputs->items[body->input];
}

/* The number of elements; false (with a problem) if it overflows. */
static bool entry_elements(struct v2_body *body, size_t *ret)
{
    int64_t elements;
    if (!shape_elements(&body->entry.shape, &elements)) {
        v2_body_problem(body, KD_EINVAL, "the element count of input '%.200s' overflows", body->entry.name);
        return false;
    }
    *ret = (size_t)elements;
    return true;
}

static bool find_input(struct v2_body *body)
{
    const struct v2_entry *entry = &body->entry;
    body->input = inputs_find(body->options.inputs, entry->name, strlen(entry->name));
    if (body->input >= 0)
        return true;
    if (!body->has_unknown)
        strcpy(body->unknown, entry->name);
    body->has_unknown = true;
    return false;
}

static bool fits(struct v2_body *body)
{
    const struct v2_entry *entry = &body->entry;
    const struct keras_signature_tensor *want = input_of(body)->want;
    const char *model = body->options.model_name;
    char got_text[SHAPE_TEXT_MAX], want_text[SHAPE_TEXT_MAX];
    struct shape adapted;
    if (entry->datatype == DTYPE_INVALID)
        v2_body_problem(body, KD_EINVAL, "invalid datatype for input %.200s", entry->name);
    else if (!converts(entry->datatype, want->dtype, body->options.strict_datatype))
        v2_body_problem(body, KD_EINVAL, "inference input '%s' data-type is '%s', but model '%s' expects '%s'",
                        want->name, dtype_v2_name(entry->datatype), model, dtype_v2_name(want->dtype));
    else if (!inputs_adapt(&entry->shape, &want->shape, &adapted))
        v2_body_problem(body, KD_EINVAL, "unexpected shape for input '%s' for model '%s'. Expected %s, got %s.",
                        want->name, model, v2_shape_text(&want->shape, want_text, sizeof(want_text)),
                        v2_shape_text(&entry->shape, got_text, sizeof(got_text)));
    else if (entry->has_data && (entry->datatype == DTYPE_FLOAT16 || entry->datatype == DTYPE_BFLOAT16))
        v2_body_problem(body, KD_EINVAL,
                        "receiving %s data via JSON is not supported. Please use the binary data format for input "
                        "'%s'",
                        dtype_v2_name(entry->datatype), want->name);
    else
        return true;
    return false;
}

bool v2_entry_accept(struct v2_body *body)
{
    size_t elements;
    if (body->problem.code || !entry_elements(body, &elements) || !find_input(body) || !fits(body))
        return false;
    struct input *input = input_of(body);
    if (input->given) {
        v2_body_problem(body, KD_EINVAL, "input '%.200s' already exists in request", body->entry.name);
        return false;
    }
    input->shape = body->entry.shape;
    input->fill.dtype = body->entry.datatype;
    input->fill.flat = true;
    input->fill.value_max = elements;
    json_fill_start(&input->fill);
    return true;
}

static void fill_problem(struct v2_body *body)
{
    const struct json_fill *fill = &input_of(body)->fill;
    const struct json_fill_problem *problem = &fill->problem;
    enum dtype dtype = fill->dtype;
    const char *wanted = dtype == DTYPE_BOOL     ? "non-boolean as boolean"
                         : dtype == DTYPE_STRING ? "non-string as string"
                         : dtype_is_float(dtype) ? "non-number as double"
                                                 : "non-signed-integer as signed-integer";
    if (dtype == DTYPE_UINT8 || dtype == DTYPE_UINT16 || dtype == DTYPE_UINT32 || dtype == DTYPE_UINT64)
        wanted = "non-unsigned-integer as unsigned-integer";
    switch (problem->kind) {
    case JSON_FILL_TYPE:
        v2_body_problem(body, KD_EINVAL, "Unable to parse 'data': attempt to access JSON %s (at inputs[%" PRId64
                                         "].data[%" PRId64 "])",
                        wanted, body->n_entries - 1, problem->place[0]);
        break;
    case JSON_FILL_RANGE:
        v2_body_problem(body, KD_EINVAL, "Unable to parse 'data': the value at inputs[%" PRId64 "].data[%" PRId64
                                         "] is out of range for %s",
                        body->n_entries - 1, problem->place[0], dtype_v2_name(dtype));
        break;
    case JSON_FILL_NO_MEMORY:
        v2_body_problem(body, KD_ENOMEM, "out of memory for input '%s'", input_of(body)->want->name);
        break;
    default:
        v2_body_problem(body, KD_ETOOBIG, "input '%s' is larger than the limit of one tensor",
                        input_of(body)->want->name);
    }
}

void v2_entry_check_data(struct v2_body *body)
{
    struct input *input = input_of(body);
    if (input->fill.problem.kind)
        fill_problem(body);
    else if (input->fill.value_count != input->fill.value_max)
        v2_body_problem(body, KD_EINVAL, "Unable to parse 'data': Shape does not match true shape of 'data' field (input "
                                         "'%s': %zu elements expected, %zu given)",
                        input->want->name, input->fill.value_max, input->fill.value_count);
}

/* Appends the input to the chain of those whose bytes follow the JSON part. */
static void expect_binary(struct v2_body *body)
{
    struct input *input = input_of(body);
    input->wire = body->entry.datatype;
    input->binary_bytes = body->entry.binary_bytes;
    input->next_binary = -1;
    if (body->last_binary >= 0)
        body->options.inputs->items[body->last_binary].next_binary = body->input;
    else
        body->first_binary = body->input;
    body->last_binary = body->input;
}

/* Exactly one of data, binary_data_size and shared_memory_region. */
static void check_sources(struct v2_body *body)
{
    const struct v2_entry *entry = &body->entry;
    int n = entry->has_data + entry->has_binary + entry->has_shared;
    if (n != 1)
        v2_body_problem(body, KD_EINVAL,
                        "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', "
                        "'shared_memory_region' in 'parameters'. But%s%s%s%s%s",
                        n ? " set" : " no field is set", entry->has_data ? " 'data'" : "",
                        entry->has_binary ? " 'binary_data_size'" : "",
                        entry->has_shared ? " 'shared_memory_region'" : "", n ? "" : ".");
    else if (entry->has_shared)
        v2_body_problem(body, KD_EUNSUPPORTED, "shared memory is not supported");
    else if (entry->has_binary && body->options.header_length == V2_NO_HEADER)
        v2_body_problem(body, KD_EINVAL,
                        "unexpected size for input '%.200s', expecting %" PRIu64 " additional bytes for model '%s'",
                        entry->name, entry->binary_bytes, body->options.model_name);
}

void v2_entry_end(struct v2_body *body)
{
    const struct v2_entry *entry = &body->entry;
    buf_printf(&body->names, "%s'%.100s'", body->names.length ? "," : "", entry->name);
    const char *missing = !entry->has_name ? "name" : !entry->has_datatype ? "datatype" : "shape";
    if (!entry->has_name || !entry->has_datatype || !entry->has_shape) {
        v2_body_problem(body, KD_EINVAL,
                        "Unable to parse '%s': attempt to access non-existing object member '%s' (at inputs[%" PRId64
                        "])",
                        missing, missing, body->n_entries - 1);
        return;
    }
    check_sources(body);
    if (entry->has_binary && v2_entry_accept(body))
        expect_binary(body);
    if (body->input >= 0)
        input_of(body)->given = true;
}
