/* v1_problem: what a wrong :predict body is told, in TensorFlow Serving's words (clients match parts of them), with
 * the place of the value added. What is echoed of the request is bounded and made valid UTF-8. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "http/v1_body.h"

#define TEXT_MAX 900

/* The raw text of the wrong value; bytes that are no UTF-8 become '?'. */
static void put_echo(struct buf *buf, const struct v1_body *body)
{
    const char *at = body->scan.echo, *end = at + body->scan.echo_length;
    while (at < end) {
        size_t valid = str_utf8_valid(at, (size_t)(end - at));
        buf_append(buf, at, valid);
        at += valid;
        if (at < end && body->scan.echo_length < JSON_ECHO_MAX)
            buf_putc(buf, '?');
        at++;
    }
}

/* "instances[3].b[17]" or "inputs.b[3][17]" */
static void put_place(struct buf *buf, const struct v1_body *body)
{
    const struct input *input = &body->inputs->items[body->problem_input];
    const struct json_fill_problem *problem = &input->fill.problem;
    if (body->columnar)
        buf_puts(buf, "inputs");
    else
        buf_printf(buf, "%s[%" PRId64 "]", body->examples ? "examples" : "instances", body->problem_row);
    if (body->inputs->n > 1 || body->rows_are_objects)
        buf_printf(buf, ".%.100s", input->want->name);
    for (int i = 0; i < problem->n_place; i++)
        buf_printf(buf, "[%" PRId64 "]", problem->place[i]);
}

static const char *type_name(const struct v1_body *body)
{
    return dtype_tensorflow_short_name(body->inputs->items[body->problem_input].want->dtype);
}

static int put_fill(struct buf *buf, const struct v1_body *body)
{
    const struct json_fill_problem *problem = &body->inputs->items[body->problem_input].fill.problem;
    int code = KD_EINVAL;
    if (problem->kind == JSON_FILL_TYPE || problem->kind == JSON_FILL_LEAF_LEVEL ||
        problem->kind == JSON_FILL_RANGE) {
        buf_puts(buf, "JSON Value: ");
        put_echo(buf, body);
    }
    switch (problem->kind) {
    case JSON_FILL_TYPE:
        buf_printf(buf, " Type: %s is not of expected type: %s", json_type_name(problem->type), type_name(body));
        break;
    case JSON_FILL_RANGE:
        buf_printf(buf, " is out of range for type: %s", type_name(body));
        break;
    case JSON_FILL_LEAF_LEVEL:
        buf_printf(buf, " found at incorrect level: %d in the JSON DOM. Expected at level: %" PRId64,
                   problem->level + 1, problem->want);
        break;
    case JSON_FILL_LIST_LEVEL:
        buf_printf(buf, "Encountered list at unexpected level: %d expected < %" PRId64, problem->level,
                   problem->want);
        break;
    case JSON_FILL_SIZE:
        buf_printf(buf,
                   "Encountered list at unexpected size: %" PRId64 " at level: %d expected size: %" PRId64,
                   problem->got, problem->level, problem->want);
        break;
    case JSON_FILL_RANK:
        buf_printf(buf, "Lists are nested more than %d levels deep", SHAPE_MAX_RANK);
        break;
    case JSON_FILL_BASE64:
        buf_puts(buf, "Unable to base64 decode");
        break;
    case JSON_FILL_NO_MEMORY:
        code = KD_ENOMEM;
        buf_puts(buf, "Out of memory for the values of the request");
        break;
    default:
        code = KD_ETOOBIG;
        buf_puts(buf, "More values than the limit of one tensor allows");
    }
    buf_puts(buf, " (at ");
    put_place(buf, body);
    buf_putc(buf, ')');
    return code;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The sorted input names, joined by commas. */
static void put_names(struct buf *buf, const struct inputs *inputs)
{
    const char *names[32];
    size_t n = inputs->n < 32 ? inputs->n : 32;
    for (size_t i = 0; i < n; i++)
        names[i] = inputs->items[i].want->name;
    qsort(names, n, sizeof(names[0]), compare_names);
    for (size_t i = 0; i < n; i++)
        buf_printf(buf, "%s%s", i ? "," : "", names[i]);
    if (n < inputs->n)
        buf_puts(buf, ",...");
}

/* Problems of a row that TensorFlow Serving wraps into "Failed to process element". */
static int put_row_problem(struct buf *buf, const struct v1_body *body)
{
    const struct input *input = &body->inputs->items[body->problem_input];
    char got[SHAPE_TEXT_MAX], want[SHAPE_TEXT_MAX];
    int64_t elements;
    switch (body->problem) {
    case V1_FILL:
        return put_fill(buf, body);
    case V1_ROW_SIZE:
        shape_elements(&input->shape, &elements);
        buf_printf(buf, "Expecting tensor size: %" PRId64 " but got: %zu", elements, input->fill.value_count);
        break;
    case V1_ROW_SHAPE:
        buf_printf(buf, "Expecting shape %s but got: %s", shape_text(&input->shape, want, sizeof(want)),
                   shape_text(&body->problem_shape, got, sizeof(got)));
        break;
    case V1_UNKNOWN_INPUT:
        buf_printf(buf, "JSON object: does not have named input: %s", body->problem_key);
        break;
    case V1_TWICE:
        buf_printf(buf, "JSON object: names input %s twice", body->problem_key);
        break;
    case V1_EXAMPLE_SIZE:
        buf_printf(buf, "feature '%.100s' has %zu values, the model expects a row of shape %s",
                   input->want->name, input->fill.value_count, shape_text(&input->want->shape, want, sizeof(want)));
        break;
    case V1_MISSING_KEYS:
        buf_puts(buf, "JSON object: keys must be equal to: ");
        put_names(buf, body->inputs);
        break;
    default:
        buf_puts(buf, "JSON Value: ");
        put_echo(buf, body);
        buf_puts(buf, " not formatted correctly for base64 data");
    }
    return KD_EINVAL;
}

static int put_wrapped(struct buf *buf, const struct v1_body *body)
{
    if (body->columnar)
        return put_row_problem(buf, body);
    buf_printf(buf, "Failed to process element: %" PRId64, body->problem_row);
    if (body->rows_are_objects && body->problem != V1_MISSING_KEYS && body->problem != V1_UNKNOWN_INPUT)
        buf_printf(buf, " key: %.100s", body->inputs->items[body->problem_input].want->name);
    buf_printf(buf, " of '%s' list. Error: INVALID_ARGUMENT: ", body->examples ? "examples" : "instances");
    return put_row_problem(buf, body);
}

static int put_problem(struct buf *buf, const struct v1_body *body)
{
    switch (body->problem) {
    case V1_TOP_TYPE:
        buf_puts(buf, "JSON Value: ");
        put_echo(buf, body);
        buf_puts(buf, " Is not object");
        break;
    case V1_SIGNATURE_TYPE:
        buf_puts(buf, "'signature_name' key must be a string value.");
        break;
    case V1_NOT_LIST:
        buf_printf(buf, "Expecting '%s' to be an list/array", body->examples ? "examples" : "instances");
        break;
    case V1_ROW_NOT_OBJECT:
        buf_printf(buf, "Expecting object but got list at item %" PRId64 " of input list", body->problem_row);
        break;
    case V1_ROW_OBJECT:
        buf_printf(buf, "Expecting value/list but got object at item %" PRId64 " of input list",
                   body->problem_row);
        break;
    case V1_NEEDS_OBJECTS:
        buf_puts(buf, "Expecting list of objects as multiple input tensors required: ");
        put_names(buf, body->inputs);
        break;
    case V1_NEEDS_OBJECT:
        buf_puts(buf, "'inputs': expecting an object as multiple input tensors required: ");
        put_names(buf, body->inputs);
        break;
    case V1_EXAMPLE_TYPE:
        buf_printf(buf, "Example must be JSON object but got JSON %s (at examples[%" PRId64 "])",
                   json_type_name(body->problem_type), body->problem_row);
        break;
    case V1_CONTEXT:
        buf_puts(buf, "'context' with features is not supported: put them into each example");
        break;
    case V1_MISSING_INPUT:
        buf_printf(buf, "Missing named input: %.200s in 'inputs' object.",
                   body->inputs->items[body->problem_input].want->name);
        break;
    default:
        return put_wrapped(buf, body);
    }
    return KD_EINVAL;
}

int v1_problem_text(const struct v1_body *body, struct err *err)
{
    struct buf buf;
    buf_init(&buf, 64 * 1024);
    int code = put_problem(&buf, body);
    if (buf.failed)
        code = err_set(err, KD_ENOMEM, "out of memory for an error text");
    else
        err_set(err, code, "%.*s", (int)(buf.length < TEXT_MAX ? buf.length : TEXT_MAX), buf.data);
    buf_done(&buf);
    return code;
}
