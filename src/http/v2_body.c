/* v2_body: the Open Inference Protocol's request as a state machine over scanner events.
 *
 * The first problem is kept and scanning goes on, so that a broken grammar is told first, as servers do that parse the
 * whole document before they look at it. An entry of "inputs" may come in any order of its members: data that
 * arrives before name, shape and datatype are known is kept as text and read when the entry ends.
 *
 * With the binary extension the JSON part ends after header_length bytes; then follow the tensors (v2_binary.c). */
#include "http/v2_body.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "base/str.h"
#include "keras/keras.h"

#define LATE_MAX ((size_t)1 << 30)

enum state {
    STATE_TOP,
    STATE_KEY,           /* in an object of `context` */
    STATE_VALUE,         /* a member's value of `kind` comes */
    STATE_LIST,          /* in a list of `kind` */
    STATE_DATA,          /* in the value of data */
    STATE_PARAMETER_KEY, /* in parameters of `context` */
    STATE_PARAMETER
};

enum context { CONTEXT_REQUEST, CONTEXT_INPUT, CONTEXT_OUTPUT };

enum kind { KIND_ID, KIND_PARAMETERS, KIND_INPUTS, KIND_OUTPUTS, KIND_NAME, KIND_DATATYPE, KIND_SHAPE, KIND_DATA };

/* The members that mean something; all others are left out. */
static const struct member {
    enum context context;
    const char *key;
    enum kind kind;
    enum json_type type;
} members[] = {
    {CONTEXT_REQUEST, "id", KIND_ID, JSON_TYPE_STRING},
    {CONTEXT_REQUEST, "parameters", KIND_PARAMETERS, JSON_TYPE_OBJECT},
    {CONTEXT_REQUEST, "inputs", KIND_INPUTS, JSON_TYPE_ARRAY},
    {CONTEXT_REQUEST, "outputs", KIND_OUTPUTS, JSON_TYPE_ARRAY},
    {CONTEXT_INPUT, "name", KIND_NAME, JSON_TYPE_STRING},
    {CONTEXT_INPUT, "shape", KIND_SHAPE, JSON_TYPE_ARRAY},
    {CONTEXT_INPUT, "datatype", KIND_DATATYPE, JSON_TYPE_STRING},
    {CONTEXT_INPUT, "parameters", KIND_PARAMETERS, JSON_TYPE_OBJECT},
    {CONTEXT_INPUT, "data", KIND_DATA, JSON_TYPE_ARRAY},
    {CONTEXT_OUTPUT, "name", KIND_NAME, JSON_TYPE_STRING},
    {CONTEXT_OUTPUT, "parameters", KIND_PARAMETERS, JSON_TYPE_OBJECT},
};

void v2_body_problem(struct v2_body *body, int code, const char *format, ...)
{
    if (body->problem.code)
        return;
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err_set(&body->problem, code, "%s", text);
}

char *v2_shape_text(const struct shape *shape, char *text, size_t size)
{
    size_t n = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < shape->rank && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%" PRId64, i ? "," : "", shape->dim[i]);
    if (n < size)
        snprintf(text + n, size - n, "]");
    return text;
}

static struct json_fill *fill_of(struct v2_body *body)
{
    return &body->options.inputs->items[body->input].fill;
}

/* The wrong JSON type for the value of body->key. */
static void type_problem(struct v2_body *body, const char *wanted)
{
    v2_body_problem(body, KD_EINVAL, "Unable to parse '%s': attempt to access JSON non-%s as %s", body->key, wanted,
                    wanted);
}

/* ---- parameters ---- */

struct scalar {
    enum json_type type;
    bool integer; /* a number that is a non-negative integer: value */
    uint64_t value;
    const char *text;
};

static void take_unsigned(struct v2_body *body, const struct scalar *scalar, uint64_t *ret)
{
    if (scalar->type == JSON_TYPE_NUMBER && scalar->integer)
        *ret = scalar->value;
    else
        type_problem(body, "unsigned-integer");
}

static void take_bool(struct v2_body *body, const struct scalar *scalar, bool *ret)
{
    if (scalar->type == JSON_TYPE_TRUE || scalar->type == JSON_TYPE_FALSE)
        *ret = scalar->type == JSON_TYPE_TRUE;
    else
        type_problem(body, "boolean");
}

static void request_parameter(struct v2_body *body, const struct scalar *scalar)
{
    bool known_bool = str_equal(body->key, "sequence_start") || str_equal(body->key, "sequence_end"), ignored;
    if (str_equal(body->key, "priority"))
        take_unsigned(body, scalar, &body->priority);
    else if (str_equal(body->key, "timeout"))
        take_unsigned(body, scalar, &body->timeout_us);
    else if (str_equal(body->key, "binary_data_output"))
        take_bool(body, scalar, &body->binary_data_output);
    else if (known_bool)
        take_bool(body, scalar, &ignored);
    else if (str_starts(body->key, "triton_"))
        v2_body_problem(body, KD_EINVAL,
                        "parameter keys starting with 'triton_' are reserved for Triton usage and should not be "
                        "specified.");
    else if (scalar->type == JSON_TYPE_NULL || scalar->type == JSON_TYPE_ARRAY || scalar->type == JSON_TYPE_OBJECT)
        v2_body_problem(body, KD_EINVAL,
                        "parameter '%s' has invalid type. It should be either 'int', 'bool', or 'string'.", body->key);
}

static void input_parameter(struct v2_body *body, const struct scalar *scalar)
{
    if (str_equal(body->key, "binary_data_size")) {
        take_unsigned(body, scalar, &body->entry.binary_bytes);
        body->entry.has_binary = true;
    } else if (str_equal(body->key, "shared_memory_region")) {
        body->entry.has_shared = true;
    }
}

static void output_parameter(struct v2_body *body, const struct scalar *scalar)
{
    uint64_t classes = 0;
    if (str_equal(body->key, "binary_data")) {
        take_bool(body, scalar, &body->pending.binary);
    } else if (str_equal(body->key, "classification")) {
        take_unsigned(body, scalar, &classes);
        body->pending.classes = classes < V2_MAX_CLASSES ? (int64_t)classes : V2_MAX_CLASSES;
    } else if (str_equal(body->key, "shared_memory_region")) {
        v2_body_problem(body, KD_EUNSUPPORTED, "shared memory is not supported");
    }
}

static void take_parameter(struct v2_body *body, const struct scalar *scalar)
{
    body->state = STATE_PARAMETER_KEY;
    if (body->context == CONTEXT_REQUEST)
        request_parameter(body, scalar);
    else if (body->context == CONTEXT_INPUT)
        input_parameter(body, scalar);
    else
        output_parameter(body, scalar);
}

/* ---- entries ---- */

static void begin_entry(struct v2_body *body)
{
    body->entry = (struct v2_entry){.has_name = false};
    body->input = -1;
    body->context = CONTEXT_INPUT;
    body->state = STATE_KEY;
    body->n_entries++;
}

static void begin_output(struct v2_body *body)
{
    body->pending = (struct v2_output){.wanted = true};
    body->has_output_name = false;
    body->context = CONTEXT_OUTPUT;
    body->state = STATE_KEY;
}

static int find_output(const struct v2_body *body, const char *name)
{
    for (size_t i = 0; i < body->options.n_outputs; i++)
        if (str_equal(body->options.outputs[i].name, name))
            return (int)i;
    return -1;
}

static void take_output_name(struct v2_body *body)
{
    body->has_output_name = true;
    body->pending_output = find_output(body, body->word);
    if (body->pending_output < 0)
        v2_body_problem(body, KD_EINVAL, "unexpected inference output '%.200s' for model '%s'", body->word,
                        body->options.model_name);
}

static void end_output(struct v2_body *body)
{
    body->context = CONTEXT_REQUEST;
    body->state = STATE_LIST;
    body->kind = KIND_OUTPUTS;
    body->lists_outputs = true;
    if (!body->has_output_name)
        v2_body_problem(body, KD_EINVAL, "Unable to parse 'name': an output has none");
    else if (body->pending_output >= 0)
        body->outputs[body->pending_output] = body->pending;
}

/* ---- data ---- */

static void feed_late(struct v2_body *body);

static void end_entry(struct v2_body *body)
{
    const struct v2_entry *entry = &body->entry;
    bool known = entry->has_name && entry->has_datatype && entry->has_shape;
    if (entry->late && known && v2_entry_accept(body))
        feed_late(body);
    v2_entry_end(body);
    body->context = CONTEXT_REQUEST;
    body->state = STATE_LIST;
    body->kind = KIND_INPUTS;
}

/* The key "data" came: its value is read now if it is known what it is for. */
static void begin_data(struct v2_body *body)
{
    struct v2_entry *entry = &body->entry;
    if (entry->has_data) {
        json_scan_skip_to(&body->scan, body->scan.depth);
        return;
    }
    entry->has_data = true;
    if (!entry->has_name || !entry->has_datatype || !entry->has_shape) {
        buf_reset(&body->late);
        entry->late = true;
        json_scan_capture(&body->scan, &body->late);
        json_scan_skip_to(&body->scan, body->scan.depth);
    } else if (v2_entry_accept(body)) {
        body->state = STATE_DATA;
        body->data_depth = body->scan.depth;
    } else {
        json_scan_skip_to(&body->scan, body->scan.depth);
    }
}

/* An event of the data is over; the whole value, if it lives at data_depth. */
static void data_over(struct v2_body *body, int depth)
{
    if (depth != body->data_depth)
        return;
    body->active->numbers_wanted = false;
    body->state = STATE_KEY;
    v2_entry_check_data(body);
}

/* ---- members ---- */

static void member(struct v2_body *body, const char *key, size_t length)
{
    body->kind = KIND_DATA;
    for (size_t i = 0; i < KD_COUNT(members); i++) {
        const struct member *member = &members[i];
        if ((int)member->context != body->context || strlen(member->key) != length ||
            memcmp(member->key, key, length) != 0)
            continue;
        snprintf(body->key, sizeof(body->key), "%s", member->key);
        body->kind = (int)member->kind;
        if (member->kind == KIND_DATA)
            begin_data(body);
        else
            body->state = STATE_VALUE;
        return;
    }
    json_scan_skip_to(&body->scan, body->scan.depth);
}

static enum json_type wanted_type(const struct v2_body *body)
{
    enum json_type type = JSON_TYPE_STRING;
    for (size_t i = 0; i < KD_COUNT(members); i++)
        if ((int)members[i].kind == body->kind && (int)members[i].context == body->context)
            type = members[i].type;
    return type;
}

static void take_word(struct v2_body *body)
{
    struct v2_entry *entry = &body->entry;
    body->state = STATE_KEY;
    switch ((enum kind)body->kind) {
    case KIND_ID:
        body->has_id = body->word_length > 0;
        memcpy(body->id, body->word, body->word_length + 1);
        break;
    case KIND_NAME:
        if (body->context == CONTEXT_OUTPUT) {
            take_output_name(body);
            break;
        }
        entry->has_name = true;
        memcpy(entry->name, body->word, body->word_length + 1);
        break;
    default:
        entry->has_datatype = true;
        entry->datatype = dtype_from_v2_name(body->word);
    }
}

static void take_size(struct v2_body *body, const char *text, size_t length, enum json_number_kind kind)
{
    struct v2_entry *entry = &body->entry;
    int64_t size;
    if (kind != JSON_NUMBER_INTEGER || !json_number_i64(text, length, &size) || size < 0)
        v2_body_problem(body, KD_EINVAL, "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as "
                                         "unsigned-integer");
    else if (entry->shape.rank == SHAPE_MAX_RANK)
        v2_body_problem(body, KD_EINVAL, "Unable to parse 'shape': more than %d dimensions", SHAPE_MAX_RANK);
    else
        entry->shape.dim[entry->shape.rank++] = size;
}

/* A value of this type begins where one of another type, or none, may stand: complains and leaves it out. */
static void wrong_value(struct v2_body *body)
{
    static const char *const names[] = {[JSON_TYPE_OBJECT] = "object", [JSON_TYPE_ARRAY] = "array",
                                        [JSON_TYPE_STRING] = "string"};
    if (body->state == STATE_TOP)
        v2_body_problem(body, KD_EINVAL,
                        "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'");
    else if (body->state == STATE_LIST)
        v2_body_problem(body, KD_EINVAL, "Unable to parse '%s': its elements must be %s",
                        body->kind == KIND_SHAPE ? "shape" : body->kind == KIND_INPUTS ? "inputs" : "outputs",
                        body->kind == KIND_SHAPE ? "integers" : "objects");
    else
        type_problem(body, names[wanted_type(body)]);
    if (body->state == STATE_VALUE)
        body->state = STATE_KEY;
}

/* ---- events ---- */

static void open_object(struct v2_body *body, int depth)
{
    if (body->state == STATE_TOP) {
        body->state = STATE_KEY;
        body->context = CONTEXT_REQUEST;
    } else if (body->state == STATE_LIST && body->kind == KIND_INPUTS) {
        begin_entry(body);
    } else if (body->state == STATE_LIST && body->kind == KIND_OUTPUTS) {
        begin_output(body);
    } else if (body->state == STATE_VALUE && body->kind == KIND_PARAMETERS) {
        body->state = STATE_PARAMETER_KEY;
    } else if (body->state == STATE_DATA) {
        json_fill_object(fill_of(body), body->active);
        json_scan_skip_to(body->active, depth);
        data_over(body, depth);
    } else if (body->state == STATE_PARAMETER) {
        take_parameter(body, &(struct scalar){.type = JSON_TYPE_OBJECT});
        json_scan_skip_to(&body->scan, depth);
    } else {
        wrong_value(body);
        json_scan_skip_to(&body->scan, depth);
    }
}

static void open_list(struct v2_body *body, int depth)
{
    if (body->state == STATE_DATA) {
        enum dtype dtype = fill_of(body)->dtype;
        body->active->numbers_wanted = dtype_is_float(dtype) || dtype_is_int(dtype);
        json_fill_open(fill_of(body), body->active);
    } else if (body->state == STATE_VALUE && wanted_type(body) == JSON_TYPE_ARRAY) {
        body->state = STATE_LIST;
        body->has_inputs |= body->kind == KIND_INPUTS;
        if (body->kind == KIND_SHAPE) {
            body->entry.has_shape = true;
            body->entry.shape.rank = 0;
        }
    } else if (body->state == STATE_PARAMETER) {
        take_parameter(body, &(struct scalar){.type = JSON_TYPE_ARRAY});
        json_scan_skip_to(&body->scan, depth);
    } else {
        wrong_value(body);
        json_scan_skip_to(&body->scan, depth);
    }
}

static void on_open(void *sink, char bracket)
{
    struct v2_body *body = sink;
    int depth = body->active->depth - 1;
    if (!body->options.found)
        json_scan_skip_to(&body->scan, 0);
    else if (bracket == '{')
        open_object(body, depth);
    else
        open_list(body, depth);
}

static void on_close(void *sink, char bracket)
{
    struct v2_body *body = sink;
    switch ((enum state)body->state) {
    case STATE_DATA:
        json_fill_close(fill_of(body));
        data_over(body, body->active->depth);
        break;
    case STATE_KEY:
        if (body->context == CONTEXT_INPUT)
            end_entry(body);
        else if (body->context == CONTEXT_OUTPUT)
            end_output(body);
        break;
    default:
        body->state = STATE_KEY;
    }
}

static void on_key(void *sink, const char *key, size_t length)
{
    struct v2_body *body = sink;
    if (body->state != STATE_PARAMETER_KEY) {
        member(body, key, length);
        return;
    }
    snprintf(body->key, sizeof(body->key), "%s", key);
    body->state = STATE_PARAMETER;
}

static void on_number(void *sink, const char *text, size_t length, enum json_number_kind kind)
{
    struct v2_body *body = sink;
    struct scalar scalar = {.type = JSON_TYPE_NUMBER};
    int64_t value;
    if (body->state == STATE_DATA) {
        json_fill_number(fill_of(body), body->active, text, length, kind);
        data_over(body, body->active->depth);
    } else if (body->state == STATE_LIST && body->kind == KIND_SHAPE) {
        take_size(body, text, length, kind);
    } else if (body->state == STATE_PARAMETER) {
        scalar.integer = kind == JSON_NUMBER_INTEGER && json_number_i64(text, length, &value) && value >= 0;
        scalar.value = scalar.integer ? (uint64_t)value : 0;
        take_parameter(body, &scalar);
    } else {
        wrong_value(body);
    }
}

static void on_literal(void *sink, enum json_literal literal)
{
    struct v2_body *body = sink;
    if (body->state == STATE_DATA) {
        json_fill_literal(fill_of(body), body->active, literal);
        data_over(body, body->active->depth);
    } else if (body->state == STATE_PARAMETER) {
        take_parameter(body, &(struct scalar){.type = json_literal_type(literal)});
    } else {
        wrong_value(body);
    }
}

/* A short string: id, a name, a datatype. */
static void take_text(struct v2_body *body, const char *text, size_t length, bool last)
{
    size_t room = JSON_KEY_MAX - body->word_length;
    if (length > room)
        v2_body_problem(body, KD_EINVAL, "Unable to parse '%s': longer than %d bytes", body->key, JSON_KEY_MAX);
    length = length < room ? length : room;
    memcpy(body->word + body->word_length, text, length);
    body->word_length += length;
    body->word[body->word_length] = '\0';
    if (last && body->state == STATE_PARAMETER)
        take_parameter(body, &(struct scalar){.type = JSON_TYPE_STRING, .text = body->word});
    else if (last)
        take_word(body);
}

static void on_text(void *sink, const char *text, size_t length, bool last)
{
    struct v2_body *body = sink;
    bool begins = length == 0 && !last;
    if (begins)
        body->word_length = 0;
    if (body->state == STATE_DATA) {
        json_fill_text(fill_of(body), body->active, text, length, last);
        if (last)
            data_over(body, body->active->depth);
    } else if (body->state == STATE_PARAMETER ||
               (body->state == STATE_VALUE && wanted_type(body) == JSON_TYPE_STRING)) {
        take_text(body, text, length, last);
    } else if (begins) {
        wrong_value(body);
    }
}

static const char *on_numbers(void *sink, const char *at, const char *end, bool *ret_comma)
{
    return json_fill_numbers(fill_of(sink), at, end, ret_comma);
}

static const struct json_events events = {.open = on_open,
                                          .close = on_close,
                                          .key = on_key,
                                          .number = on_number,
                                          .literal = on_literal,
                                          .text = on_text,
                                          .numbers = on_numbers};

static void feed_late(struct v2_body *body)
{
    const char *text = body->late.data;
    if (!text) {
        v2_body_problem(body, KD_ENOMEM, "out of memory for the data of an input");
        return;
    }
    const char *value = memchr(text, ':', body->late.length);
    body->active = &body->late_scan;
    json_scan_start(body->active, &events, body, body->options.max_depth);
    body->state = STATE_DATA;
    body->data_depth = 0;
    json_scan_feed(body->active, value + 1, body->late.length - (size_t)(value + 1 - text));
    json_scan_end(body->active);
    body->active = &body->scan;
}

/* ---- the body ---- */

int v2_body_start(struct v2_body *body, const struct v2_options *options, struct err *err)
{
    size_t n = options->found ? options->n_outputs : 0;
    if (n > body->outputs_capacity) {
        struct v2_output *outputs = realloc(body->outputs, n * sizeof(*outputs));
        if (!outputs)
            return err_set(err, KD_ENOMEM, "out of memory for a request");
        body->outputs = outputs;
        body->outputs_capacity = n;
    }
    if (n)
        memset(body->outputs, 0, n * sizeof(*body->outputs));
    if (body->late.max == 0) {
        buf_init(&body->late, LATE_MAX);
        buf_init(&body->names, 4096);
    }
    buf_reset(&body->late);
    buf_reset(&body->names);
    body->options = *options;
    body->state = STATE_TOP;
    body->context = CONTEXT_REQUEST;
    body->n_entries = 0;
    body->input = -1;
    body->has_inputs = body->has_unknown = body->has_id = body->binary_data_output = body->lists_outputs = false;
    body->priority = body->timeout_us = body->received = 0;
    body->first_binary = body->last_binary = body->binary = -1;
    body->problem.code = 0;
    body->active = &body->scan;
    json_scan_start(&body->scan, &events, body, options->max_depth);
    body->scan.refuse_trailing = true;
    if (options->header_length == 0)
        v2_binary_begin(body);
    return 0;
}

void v2_body_feed(struct v2_body *body, const char *data, size_t length)
{
    uint64_t header = body->options.header_length;
    size_t json = length;
    if (header != V2_NO_HEADER)
        json = body->received >= header ? 0 : header - body->received < length ? (size_t)(header - body->received) : length;
    body->received += length;
    if (json)
        json_scan_feed(&body->scan, data, json);
    if (header == V2_NO_HEADER || header == 0 || json == 0 || body->received < header)
        goto binary;
    if (json_scan_end(&body->scan) && body->options.found)
        v2_binary_begin(body);
binary:
    if (json < length && body->options.found)
        v2_binary_feed(body, data + json, length - json);
}

static int missing_inputs(struct v2_body *body, struct err *err)
{
    const struct inputs *inputs = body->options.inputs;
    struct buf *missing = &body->late;
    buf_reset(missing);
    buf_puts(missing, "");
    for (size_t i = 0; i < inputs->n; i++)
        if (!inputs->items[i].given)
            buf_printf(missing, "%s'%.100s'", missing->length ? "," : "", inputs->items[i].want->name);
    return err_set(err, KD_EINVAL,
                   "expected %zu inputs but got %" PRId64 " inputs for model '%s'. Got input(s) [%.300s], but missing "
                   "required input(s) [%.300s]. Please provide all required input(s).",
                   inputs->n, body->n_entries, body->options.model_name, body->names.data ? body->names.data : "",
                   missing->data ? missing->data : "");
}

static int check_inputs(struct v2_body *body, struct err *err)
{
    const struct inputs *inputs = body->options.inputs;
    if (!body->has_inputs)
        return err_set(err, KD_EINVAL,
                       "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'");
    if (body->n_entries != (int64_t)inputs->n)
        return missing_inputs(body, err);
    if (body->has_unknown)
        return err_set(err, KD_EINVAL, "unexpected inference input '%.200s' for model '%s'", body->unknown,
                       body->options.model_name);
    for (size_t i = 1; i < inputs->n; i++) {
        const struct shape *a = &inputs->items[0].shape, *b = &inputs->items[i].shape;
        if (a->rank && b->rank && a->dim[0] != b->dim[0])
            return err_set(err, KD_EINVAL, "input '%s' batch size does not match other inputs for '%s'",
                           inputs->items[i].want->name, body->options.model_name);
    }
    return 0;
}

int v2_body_end(struct v2_body *body, const struct err *lookup, struct err *err)
{
    uint64_t header = body->options.header_length;
    if (header != V2_NO_HEADER && header > body->received)
        return err_set(err, KD_EINVAL, "inference header size should be in range (0, %" PRIu64 "), got: %" PRIu64,
                       body->received, header);
    if (header != 0 && !json_scan_end(&body->scan))
        return err_set(err, KD_EINVAL, "failed to parse the request JSON buffer: %s at %" PRIu64, body->scan.reason,
                       body->scan.reason_offset);
    if (lookup) {
        *err = *lookup;
        return err->code;
    }
    if (header != V2_NO_HEADER)
        v2_binary_end(body);
    if (body->problem.code) {
        *err = body->problem;
        return err->code;
    }
    int code = header == 0 ? 0 : check_inputs(body, err);
    for (size_t i = 0; code == 0 && i < body->options.inputs->n; i++)
        json_fill_finish(&body->options.inputs->items[i].fill);
    return code;
}

void v2_body_done(struct v2_body *body)
{
    free(body->outputs);
    body->outputs = NULL;
    body->outputs_capacity = 0;
    buf_done(&body->late);
    buf_done(&body->names);
}

size_t v2_body_memory(const struct v2_body *body)
{
    return body->late.capacity + body->names.capacity + body->outputs_capacity * sizeof(*body->outputs);
}
