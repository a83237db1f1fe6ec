/* v1_body: TensorFlow Serving's two request formats as a state machine over scanner events.
 *
 * TensorFlow Serving parses the whole document, then checks it step by step; clients and test suites know which
 * complaint comes first. Here everything is seen once, in the order of the text: so the first problem of
 * each check is remembered, scanning goes on, and at the end the problem of the earliest check is told (an error of
 * grammar before all). Sentences are only made then, in v1_problem.c.
 *
 * An object may be a row, a map of inputs, or a string in base64 ({"b64": "..."}): its first key decides. */
#include "http/v1_body.h"

#include <string.h>

#include "base/err.h"
#include "base/str.h"

enum state {
    STATE_TOP,       /* the document */
    STATE_MEMBERS,   /* its members */
    STATE_SIGNATURE, /* the value of signature_name */
    STATE_CONTEXT,   /* the value of context, or its members */
    STATE_INSTANCES, /* the value of instances */
    STATE_ROWS,      /* its elements */
    STATE_ROW,       /* the members of a row */
    STATE_INPUTS,    /* the value of inputs */
    STATE_MAP,       /* its members */
    STATE_FILL,      /* the value of an input */
    STATE_OBJECT,    /* behind the '{' of an object of unknown kind */
    STATE_BASE64,    /* the value of "b64" */
    STATE_BASE64_END /* behind it */
};

static struct json_fill *fill_of(struct v1_body *body)
{
    return &body->inputs->items[body->input].fill;
}

/* ---- problems ---- */

/* Keeps the problem if it belongs to an earlier check than the one known. */
static bool note(struct v1_body *body, enum v1_check check, enum v1_problem problem)
{
    if (check >= body->check)
        return false;
    body->check = check;
    body->problem = problem;
    body->problem_row = body->row;
    body->problem_input = body->input;
    return true;
}

/* From now on the values are only checked for grammar, up to the end of instances or inputs. */
static void skip_values(struct v1_body *body)
{
    json_scan_skip_to(&body->scan, 1);
    body->scan.numbers_wanted = false;
    body->state = STATE_MEMBERS;
}

/* A problem of the values that leaves nothing to fill. */
static void refuse_values(struct v1_body *body, enum v1_problem problem)
{
    note(body, V1_CHECK_VALUES, problem);
    skip_values(body);
}

/* True (and skipping) if something is known to be wrong, so that values do not matter any more. */
static bool skip_if_wrong(struct v1_body *body)
{
    if (body->check == V1_CHECK_NONE)
        return false;
    skip_values(body);
    return true;
}

/* ---- one value of an input ---- */

static void begin_fill(struct v1_body *body, int input, enum state after, int depth)
{
    body->input = input;
    body->after_fill = after;
    body->fill_depth = depth;
    body->state = STATE_FILL;
    if (body->columnar)
        fill_of(body)->value_max = SIZE_MAX; /* the value has all rows */
    json_fill_value(fill_of(body));
}

/* The values of a feature of an example, a flat list, become a row of the input's shape. */
static struct shape example_shape(struct v1_body *body, const struct input *input)
{
    struct shape shape = {.rank = input->want->shape.rank ? input->want->shape.rank - 1 : 0};
    int64_t elements, n = (int64_t)input->fill.value_count;
    memcpy(shape.dim, &input->want->shape.dim[1], sizeof(shape.dim[0]) * (size_t)shape.rank);
    if (shape.rank == 1 && shape.dim[0] < 0)
        shape.dim[0] = n;
    if (input->fill.rank > 1 || !shape_elements(&shape, &elements) || elements != n)
        note(body, V1_CHECK_VALUES, V1_EXAMPLE_SIZE);
    return shape;
}

/* Compares the shape of a row's value with row 0's. */
static void check_row(struct v1_body *body, struct input *input)
{
    struct shape shape = body->examples ? example_shape(body, input) : json_fill_shape(&input->fill);
    int64_t want;
    if (!input->given) {
        input->shape = shape;
    } else if (!shape_equal(&shape, &input->shape)) {
        bool same_size = shape_elements(&input->shape, &want) && (int64_t)input->fill.value_count == want;
        if (note(body, V1_CHECK_VALUES, same_size ? V1_ROW_SHAPE : V1_ROW_SIZE))
            body->problem_shape = shape;
    }
}

/* An event of the value at this depth is over; if it was the last one of the fill's value, that is whole. */
static void value_over(struct v1_body *body, int depth)
{
    if (body->state != STATE_FILL || depth != body->fill_depth)
        return;
    struct input *input = &body->inputs->items[body->input];
    body->state = body->after_fill;
    body->scan.numbers_wanted = false;
    if (input->fill.problem.kind)
        note(body, V1_CHECK_VALUES, V1_FILL);
    else if (!body->columnar)
        check_row(body, input);
    else
        input->shape = json_fill_shape(&input->fill);
    input->given = true;
    if (body->after_fill == STATE_ROWS)
        body->row++;
}

/* ---- rows and maps ---- */

static bool begin_plain_row(struct v1_body *body, enum json_type type, int depth)
{
    if (skip_if_wrong(body))
        return false;
    body->problem_type = type;
    if (body->examples)
        refuse_values(body, V1_EXAMPLE_TYPE);
    else if (body->row > 0 && body->rows_are_objects)
        refuse_values(body, V1_ROW_NOT_OBJECT);
    else if (body->inputs->n > 1)
        refuse_values(body, V1_NEEDS_OBJECTS);
    else
        begin_fill(body, 0, STATE_ROWS, depth);
    return body->state == STATE_FILL;
}

static bool begin_plain_inputs(struct v1_body *body, int depth)
{
    if (body->inputs->n > 1)
        refuse_values(body, V1_NEEDS_OBJECT);
    else
        begin_fill(body, 0, STATE_MEMBERS, depth);
    return body->state == STATE_FILL;
}

static void begin_object_row(struct v1_body *body)
{
    if (skip_if_wrong(body))
        return;
    if (body->row > 0 && !body->rows_are_objects) {
        refuse_values(body, V1_ROW_OBJECT);
        return;
    }
    body->rows_are_objects = true;
    body->state = STATE_ROW;
}

static void end_object_row(struct v1_body *body)
{
    for (size_t i = 0; i < body->inputs->n; i++)
        if (body->inputs->items[i].row != body->row)
            note(body, V1_CHECK_VALUES, V1_MISSING_KEYS);
    body->row++;
    body->state = STATE_ROWS;
}

static void end_map(struct v1_body *body)
{
    for (size_t i = 0; i < body->inputs->n; i++) {
        body->input = (int)i;
        if (!body->inputs->items[i].given)
            note(body, V1_CHECK_VALUES, V1_MISSING_INPUT);
    }
    body->state = STATE_MEMBERS;
}

static void row_key(struct v1_body *body, const char *key, size_t length)
{
    if (skip_if_wrong(body))
        return;
    int i = inputs_find(body->inputs, key, length);
    if (i < 0 || body->inputs->items[i].row == body->row) {
        body->input = i < 0 ? 0 : i;
        strncpy(body->problem_key, key, sizeof(body->problem_key) - 1);
        refuse_values(body, i < 0 ? V1_UNKNOWN_INPUT : V1_TWICE);
        return;
    }
    body->inputs->items[i].row = body->row;
    begin_fill(body, i, STATE_ROW, body->scan.depth);
}

static void map_key(struct v1_body *body, const char *key, size_t length)
{
    int i = inputs_find(body->inputs, key, length);
    if (skip_if_wrong(body))
        return;
    if (i < 0 || body->inputs->items[i].given)
        json_scan_skip_to(&body->scan, body->scan.depth);
    else
        begin_fill(body, i, STATE_MAP, body->scan.depth);
}

static void member(struct v1_body *body, const char *key, size_t length)
{
    bool first = !body->has_instances && !body->has_inputs && body->inputs->n > 0;
    enum state state = STATE_MEMBERS;
    if (str_view_equal((struct str_view){key, length}, "signature_name")) {
        state = body->has_signature ? STATE_MEMBERS : STATE_SIGNATURE;
        body->has_signature = true;
    } else if (body->examples && str_view_equal((struct str_view){key, length}, "context")) {
        state = STATE_CONTEXT;
    } else if (str_view_equal((struct str_view){key, length}, body->examples ? "examples" : "instances")) {
        state = first ? STATE_INSTANCES : STATE_MEMBERS;
        body->has_instances = true;
    } else if (!body->examples && str_view_equal((struct str_view){key, length}, "inputs")) {
        state = first ? STATE_INPUTS : STATE_MEMBERS;
        body->columnar = first;
        body->has_inputs = true;
    }
    body->state = state;
    if (state == STATE_MEMBERS)
        json_scan_skip_to(&body->scan, body->scan.depth);
}

/* ---- base64 ---- */

static void refuse_base64(struct v1_body *body)
{
    refuse_values(body, V1_BASE64_OBJECT);
}

/* The string behind "b64" begins: now it is known what the object is. */
static void begin_base64(struct v1_body *body)
{
    bool ok = true;
    if (body->object_from == STATE_ROWS)
        ok = begin_plain_row(body, JSON_TYPE_OBJECT, body->object_depth);
    else if (body->object_from == STATE_INPUTS)
        ok = begin_plain_inputs(body, body->object_depth);
    if (!ok)
        return;
    if (fill_of(body)->dtype == DTYPE_STRING)
        json_fill_text(fill_of(body), &body->scan, "", 0, false);
    else
        json_fill_object(fill_of(body), &body->scan);
    body->state = STATE_BASE64;
}

static void end_base64(struct v1_body *body)
{
    if (fill_of(body)->dtype == DTYPE_STRING)
        json_fill_base64(fill_of(body), &body->scan);
    body->state = STATE_FILL;
    value_over(body, body->object_depth);
}

/* ---- events ---- */

/* A value that is no object begins; true if it goes into the fill. depth: where it lives. */
static bool begin_plain(struct v1_body *body, enum json_type type, int depth)
{
    bool wrong_signature = body->state == STATE_SIGNATURE && type != JSON_TYPE_STRING;
    bool wrong_instances = body->state == STATE_INSTANCES && type != JSON_TYPE_ARRAY;
    bool wrong_context = body->state == STATE_CONTEXT;
    switch ((enum state)body->state) {
    case STATE_FILL:
        return true;
    case STATE_ROWS:
        return begin_plain_row(body, type, depth);
    case STATE_INPUTS:
        return begin_plain_inputs(body, depth);
    case STATE_BASE64:
        refuse_base64(body);
        return false;
    case STATE_TOP:
        json_scan_echo(&body->scan);
        note(body, V1_CHECK_TOP, V1_TOP_TYPE);
        break;
    default:
        if (wrong_signature)
            note(body, V1_CHECK_SIGNATURE, V1_SIGNATURE_TYPE);
        if (wrong_instances)
            note(body, V1_CHECK_FORMAT, V1_NOT_LIST);
        if (wrong_context)
            note(body, V1_CHECK_FORMAT, V1_CONTEXT);
    }
    if (wrong_signature || wrong_instances || wrong_context)
        body->state = STATE_MEMBERS;
    return false;
}

static void open_object(struct v1_body *body)
{
    int depth = body->scan.depth - 1;
    bool string = body->state == STATE_FILL && fill_of(body)->dtype == DTYPE_STRING;
    if (body->state == STATE_TOP || body->state == STATE_CONTEXT) {
        body->state = body->state == STATE_TOP ? STATE_MEMBERS : STATE_CONTEXT;
        return;
    }
    if (body->check == V1_CHECK_NONE && !(body->state == STATE_FILL && fill_of(body)->problem.kind))
        json_scan_echo(&body->scan);
    if (string || body->state == STATE_ROWS || body->state == STATE_INPUTS) {
        body->object_from = body->state;
        body->object_depth = depth;
        body->state = STATE_OBJECT;
    } else if (begin_plain(body, JSON_TYPE_OBJECT, depth)) {
        json_fill_object(fill_of(body), &body->scan);
        json_scan_skip_to(&body->scan, depth);
        value_over(body, depth);
    } else if (body->scan.skip < 0) {
        json_scan_skip_to(&body->scan, depth);
    }
}

static void open_list(struct v1_body *body)
{
    int depth = body->scan.depth - 1;
    if (body->state == STATE_INSTANCES) {
        body->state = STATE_ROWS;
        return;
    }
    if (begin_plain(body, JSON_TYPE_ARRAY, depth)) {
        enum dtype dtype = fill_of(body)->dtype;
        body->scan.numbers_wanted = dtype_is_float(dtype) || dtype_is_int(dtype);
        if (!json_fill_open(fill_of(body), &body->scan))
            json_scan_skip_to(&body->scan, depth);
    } else if (body->scan.skip < 0) {
        json_scan_skip_to(&body->scan, depth);
    }
}

static void on_open(void *sink, char bracket)
{
    if (bracket == '{')
        open_object(sink);
    else
        open_list(sink);
}

/* An object turned out not to be base64; its first key, or NULL if it is empty. */
static void open_known_object(struct v1_body *body, const char *key, size_t length)
{
    if (body->object_from == STATE_ROWS) {
        begin_object_row(body);
        if (key && body->state == STATE_ROW)
            row_key(body, key, length);
    } else if (body->object_from == STATE_INPUTS) {
        body->state = STATE_MAP;
        if (key)
            map_key(body, key, length);
    } else {
        refuse_base64(body);
    }
}

static void on_key(void *sink, const char *key, size_t length)
{
    struct v1_body *body = sink;
    switch ((enum state)body->state) {
    case STATE_MEMBERS:
        member(body, key, length);
        break;
    case STATE_ROW:
        row_key(body, key, length);
        break;
    case STATE_MAP:
        map_key(body, key, length);
        break;
    case STATE_CONTEXT:
        note(body, V1_CHECK_FORMAT, V1_CONTEXT);
        json_scan_skip_to(&body->scan, 1);
        body->state = STATE_MEMBERS;
        break;
    case STATE_OBJECT:
        if (str_view_equal((struct str_view){key, length}, "b64"))
            body->state = STATE_BASE64;
        else
            open_known_object(body, key, length);
        break;
    default:
        refuse_base64(body);
    }
}

static void on_close(void *sink, char bracket)
{
    struct v1_body *body = sink;
    if (body->state == STATE_OBJECT)
        open_known_object(body, NULL, 0);
    switch ((enum state)body->state) {
    case STATE_FILL:
        json_fill_close(fill_of(body));
        value_over(body, body->scan.depth);
        break;
    case STATE_BASE64_END:
        end_base64(body);
        break;
    case STATE_ROW:
        end_object_row(body);
        break;
    case STATE_MAP:
        end_map(body);
        break;
    case STATE_ROWS:
    case STATE_CONTEXT:
        body->state = STATE_MEMBERS;
        break;
    default:
        break;
    }
}

static void on_number(void *sink, const char *text, size_t length, enum json_number_kind kind)
{
    struct v1_body *body = sink;
    if (!begin_plain(body, JSON_TYPE_NUMBER, body->scan.depth))
        return;
    json_fill_number(fill_of(body), &body->scan, text, length, kind);
    value_over(body, body->scan.depth);
}

static void on_literal(void *sink, enum json_literal literal)
{
    struct v1_body *body = sink;
    if (!begin_plain(body, json_literal_type(literal), body->scan.depth))
        return;
    json_fill_literal(fill_of(body), &body->scan, literal);
    value_over(body, body->scan.depth);
}

static void take_signature(struct v1_body *body, const char *text, size_t length, bool last)
{
    size_t room = sizeof(body->signature) - 1 - body->signature_length;
    length = length < room ? length : room;
    memcpy(body->signature + body->signature_length, text, length);
    body->signature_length += length;
    body->signature[body->signature_length] = '\0';
    if (last)
        body->state = STATE_MEMBERS;
}

static void on_text(void *sink, const char *text, size_t length, bool last)
{
    struct v1_body *body = sink;
    bool begins = length == 0 && !last;
    if (begins && body->state == STATE_BASE64) {
        begin_base64(body);
        return;
    }
    if (begins && !begin_plain(body, JSON_TYPE_STRING, body->scan.depth) && body->state != STATE_SIGNATURE)
        return;
    if (body->state == STATE_SIGNATURE) {
        take_signature(body, text, length, last);
    } else if (body->state == STATE_FILL) {
        json_fill_text(fill_of(body), &body->scan, text, length, last);
        if (last)
            value_over(body, body->scan.depth);
    } else if (body->state == STATE_BASE64) {
        if (length && fill_of(body)->dtype == DTYPE_STRING)
            json_fill_text(fill_of(body), &body->scan, text, length, false);
        if (last)
            body->state = STATE_BASE64_END;
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

/* ---- the body ---- */

void v1_body_start(struct v1_body *body, struct inputs *inputs, int max_depth)
{
    body->inputs = inputs;
    body->state = STATE_TOP;
    body->has_instances = body->has_inputs = body->has_signature = false;
    body->examples = body->columnar = body->rows_are_objects = false;
    body->row = 0;
    body->input = 0;
    body->check = V1_CHECK_NONE;
    body->problem = V1_OK;
    body->signature_length = 0;
    body->signature[0] = '\0';
    memset(body->problem_key, 0, sizeof(body->problem_key));
    json_scan_start(&body->scan, &events, body, max_depth);
}

void v1_body_feed(struct v1_body *body, const char *data, size_t length)
{
    json_scan_feed(&body->scan, data, length);
}

/* Rows become dimension 0. */
static int add_rows(struct v1_body *body, struct err *err)
{
    for (size_t i = 0; i < body->inputs->n; i++) {
        struct shape *shape = &body->inputs->items[i].shape;
        if (shape->rank == SHAPE_MAX_RANK)
            return err_set(err, KD_EINVAL, "input '%s': more than %d levels of lists",
                           body->inputs->items[i].want->name, SHAPE_MAX_RANK);
        memmove(&shape->dim[1], &shape->dim[0], sizeof(shape->dim[0]) * (size_t)shape->rank);
        shape->dim[0] = body->row;
        shape->rank++;
    }
    return 0;
}

static int check_format(const struct v1_body *body, struct err *err)
{
    if (body->has_instances && body->has_inputs)
        return err_set(err, KD_EINVAL,
                       "Request has both keys, expecting only one of 'inputs' or 'instances'");
    if (!body->has_instances && !body->has_inputs)
        return err_set(err, KD_EINVAL, body->examples ? "key 'examples' is expected and was not found"
                                                      : "Missing 'inputs' or 'instances' key");
    if (body->check == V1_CHECK_FORMAT)
        return v1_problem_text(body, err);
    if (!body->columnar && body->row == 0 && body->check == V1_CHECK_NONE)
        return err_set(err, KD_EINVAL, body->examples ? "'examples' value is an empty array"
                                                      : "No values in 'instances' array");
    return 0;
}

static int check_signature(const struct v1_body *body, struct err *err)
{
    if (body->signature_length == 0 || strcmp(body->signature, "serving_default") == 0)
        return 0;
    return err_set(err, KD_EINVAL, "Serving signature name: \"%s\" not found in signature def", body->signature);
}

int v1_body_end(struct v1_body *body, const struct err *lookup, bool *ret_columnar, struct err *err)
{
    int code;
    struct json_scan *scan = &body->scan;
    if (!json_scan_end(scan)) {
        bool empty = strcmp(scan->reason, "The document is empty.") == 0;
        return err_set(err, KD_EINVAL, empty ? "JSON Parse error: The document is empty"
                                             : "JSON Parse error: %s at offset: %llu",
                       scan->reason, (unsigned long long)scan->reason_offset);
    }
    if (body->check < V1_CHECK_LOOKUP)
        return v1_problem_text(body, err);
    if (lookup) {
        *err = *lookup;
        return lookup->code;
    }
    if ((code = check_signature(body, err)) != 0 || (code = check_format(body, err)) != 0)
        return code;
    if (body->check == V1_CHECK_VALUES)
        return v1_problem_text(body, err);
    for (size_t i = 0; i < body->inputs->n; i++)
        json_fill_finish(&body->inputs->items[i].fill);
    *ret_columnar = body->columnar;
    return body->columnar ? 0 : add_rows(body, err);
}
