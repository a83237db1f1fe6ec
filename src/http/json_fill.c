/* json_fill: see the header. Elements arrive in row-major order, so storing needs no shape at all: the shape is
 * counted alongside and looked at when lists close. A list that turns out to have the wrong size is reported
 * at its opening bracket, before anything inside it, as a reader with the whole document before it would.
 *
 * The tensor grows by doubling, bounded by what its owner allows (the signature, the limits, the body). */
#include "http/json_fill.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "http/base64.h"

#define FIRST_CAPACITY 4096

const char *json_type_name(enum json_type type)
{
    static const char *const names[] = {"Null", "False", "True", "Object", "Array", "String", "Number"};
    return names[type];
}

void json_fill_done(struct json_fill *fill)
{
    free(fill->data);
    fill->data = NULL;
    fill->capacity = 0;
    buf_done(&fill->text);
}

void json_fill_start(struct json_fill *fill)
{
    fill->n = 0;
    fill->problem.kind = JSON_FILL_OK;
    if (fill->text.max != fill->max_text) {
        buf_done(&fill->text);
        buf_init(&fill->text, fill->max_text);
    }
    buf_reset(&fill->text);
    fill->text_start = 0;
    fill->min = INT64_MIN;
    fill->max = INT64_MAX;
    int64_t min, max;
    const enum dtype types[] = {fill->dtype, fill->target};
    for (size_t i = 0; i < KD_COUNT(types); i++) {
        if (dtype_storage(types[i]) != STORAGE_I64)
            continue;
        dtype_int_range(types[i], &min, &max);
        fill->min = min > fill->min ? min : fill->min;
        fill->max = max < fill->max ? max : fill->max;
    }
    json_fill_value(fill);
}

void json_fill_value(struct json_fill *fill)
{
    fill->value_count = 0;
    fill->rank = -1;
    fill->level = 0;
    for (int i = 0; i < SHAPE_MAX_RANK; i++)
        fill->dim[i] = -1;
}

struct shape json_fill_shape(const struct json_fill *fill)
{
    struct shape shape = {.rank = fill->rank < 0 ? 0 : fill->rank};
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = fill->dim[i] < 0 ? 0 : fill->dim[i];
    return shape;
}

static void round_floats(struct json_fill *fill)
{
    float *data = fill->data;
    bool half = fill->target == DTYPE_FLOAT16;
    for (size_t i = 0; i < fill->n; i++)
        data[i] = half ? dtype_half_to_float(dtype_float_to_half(data[i]))
                       : dtype_bfloat16_to_float(dtype_float_to_bfloat16(data[i]));
}

void json_fill_finish(struct json_fill *fill)
{
    if (fill->target == DTYPE_FLOAT16 || fill->target == DTYPE_BFLOAT16)
        round_floats(fill);
    if (dtype_storage(fill->target) != STORAGE_STR)
        return;
    struct str_view *views = fill->data;
    for (size_t i = 0; i < fill->n; i++)
        views[i].data = fill->text.data + (uintptr_t)views[i].data;
}

/* ---- problems ---- */

static void set_problem(struct json_fill *fill, enum json_fill_kind kind, uint64_t offset, int n_place)
{
    struct json_fill_problem *problem = &fill->problem;
    if (problem->kind && problem->offset <= offset)
        return;
    problem->kind = kind;
    problem->offset = offset;
    problem->level = fill->level;
    problem->n_place = n_place;
    for (int i = 0; i < n_place; i++)
        problem->place[i] = fill->count[i + 1] - 1;
    if (fill->flat) {
        problem->n_place = 1;
        problem->place[0] = (int64_t)fill->value_count - 1;
    }
}

/* The present value of the scanner is wrong; its text is kept if it is the first wrong one. */
static void value_problem(struct json_fill *fill, struct json_scan *scan, enum json_fill_kind kind)
{
    if (!fill->problem.kind)
        json_scan_echo(scan);
    set_problem(fill, kind, scan->value_offset, fill->level);
}

static void type_problem(struct json_fill *fill, struct json_scan *scan, enum json_type type)
{
    if (!fill->problem.kind)
        fill->problem.type = type;
    value_problem(fill, scan, JSON_FILL_TYPE);
}

/* ---- room ---- */

static size_t element_size(const struct json_fill *fill)
{
    return storage_size(dtype_storage(fill->target));
}

int json_fill_reserve(struct json_fill *fill, size_t elements)
{
    size_t bytes, size = element_size(fill), capacity = fill->capacity ? fill->capacity : FIRST_CAPACITY;
    if (elements > fill->max_elements || !size_mul(elements, size, &bytes) || bytes > SIZE_MAX / 4)
        return KD_ETOOBIG;
    if (bytes <= fill->capacity)
        return 0;
    while (capacity < bytes)
        capacity *= 2;
    void *data = aligned_alloc(64, size_align(capacity, 64));
    if (!data)
        return KD_ENOMEM;
    if (fill->n)
        memcpy(data, fill->data, fill->n * size);
    free(fill->data);
    fill->data = data;
    fill->capacity = size_align(capacity, 64);
    return 0;
}

/* Room for one more element: true if it is to be stored at n. */
static bool want_element(struct json_fill *fill, struct json_scan *scan)
{
    if (fill->problem.kind || fill->value_count > fill->value_max)
        return false;
    int code = json_fill_reserve(fill, fill->n + 1);
    if (code)
        value_problem(fill, scan, code == KD_ENOMEM ? JSON_FILL_NO_MEMORY : JSON_FILL_TOO_BIG);
    return code == 0;
}

/* Counts a leaf; false if it stands at the wrong level. */
static bool count_leaf(struct json_fill *fill, struct json_scan *scan)
{
    fill->value_count++;
    if (fill->flat)
        return true;
    if (fill->level)
        fill->count[fill->level]++;
    if (fill->rank < 0)
        fill->rank = fill->level;
    if (fill->level == fill->rank)
        return true;
    fill->problem.want = fill->problem.kind ? fill->problem.want : fill->rank;
    value_problem(fill, scan, JSON_FILL_LEAF_LEVEL);
    return false;
}

static void store_i64(struct json_fill *fill, int64_t value)
{
    if (dtype_storage(fill->target) == STORAGE_F32)
        ((float *)fill->data)[fill->n++] = (float)value;
    else
        ((int64_t *)fill->data)[fill->n++] = value;
}

/* ---- events ---- */

bool json_fill_open(struct json_fill *fill, struct json_scan *scan)
{
    if (fill->flat)
        return true;
    if (fill->level)
        fill->count[fill->level]++;
    bool too_deep = fill->level == SHAPE_MAX_RANK, wrong_level = fill->rank >= 0 && fill->level >= fill->rank;
    if ((too_deep || wrong_level) && !fill->problem.kind)
        fill->problem.want = wrong_level ? fill->rank : SHAPE_MAX_RANK;
    if (too_deep || wrong_level)
        value_problem(fill, scan, wrong_level ? JSON_FILL_LIST_LEVEL : JSON_FILL_RANK);
    if (too_deep)
        return false;
    fill->level++;
    fill->count[fill->level] = 0;
    fill->start[fill->level] = scan->value_offset;
    return true;
}

void json_fill_close(struct json_fill *fill)
{
    if (fill->flat)
        return;
    int level = fill->level--;
    int64_t n = fill->count[level], *dim = &fill->dim[level - 1];
    if (fill->rank < 0)
        fill->rank = level;
    if (*dim < 0) {
        *dim = n;
    } else if (*dim != n) {
        bool first = !fill->problem.kind || fill->problem.offset > fill->start[level];
        set_problem(fill, JSON_FILL_SIZE, fill->start[level], fill->level);
        if (first) {
            fill->problem.got = n;
            fill->problem.want = *dim;
        }
    }
}

void json_fill_number(struct json_fill *fill, struct json_scan *scan, const char *text, size_t length,
                      enum json_number_kind kind)
{
    if (!count_leaf(fill, scan))
        return;
    if (dtype_is_float(fill->dtype)) {
        if (want_element(fill, scan))
            ((float *)fill->data)[fill->n++] = json_number_f32(text);
        return;
    }
    int64_t value;
    if (!dtype_is_int(fill->dtype) || kind != JSON_NUMBER_INTEGER)
        type_problem(fill, scan, JSON_TYPE_NUMBER);
    else if (!json_number_i64(text, length, &value) || value < fill->min || value > fill->max)
        value_problem(fill, scan, JSON_FILL_RANGE);
    else if (want_element(fill, scan))
        store_i64(fill, value);
}

enum json_type json_literal_type(enum json_literal literal)
{
    switch (literal) {
    case JSON_NULL:
        return JSON_TYPE_NULL;
    case JSON_FALSE:
        return JSON_TYPE_FALSE;
    case JSON_TRUE:
        return JSON_TYPE_TRUE;
    default:
        return JSON_TYPE_NUMBER;
    }
}

void json_fill_literal(struct json_fill *fill, struct json_scan *scan, enum json_literal literal)
{
    enum json_type type = json_literal_type(literal);
    bool number = type == JSON_TYPE_NUMBER, boolean = literal == JSON_TRUE || literal == JSON_FALSE;
    if (!count_leaf(fill, scan))
        return;
    if (!(number && dtype_is_float(fill->dtype)) && !(boolean && fill->dtype == DTYPE_BOOL))
        type_problem(fill, scan, type);
    else if (!want_element(fill, scan))
        return;
    else if (boolean)
        store_i64(fill, literal == JSON_TRUE);
    else
        ((float *)fill->data)[fill->n++] = literal == JSON_NAN ? NAN : literal == JSON_INFINITY ? INFINITY : -INFINITY;
}

void json_fill_object(struct json_fill *fill, struct json_scan *scan)
{
    if (!count_leaf(fill, scan))
        return;
    if (!fill->problem.kind)
        fill->problem.type = JSON_TYPE_OBJECT;
    set_problem(fill, JSON_FILL_TYPE, scan->value_offset, fill->level);
}

static void finish_text(struct json_fill *fill)
{
    struct str_view *view = &((struct str_view *)fill->data)[fill->n++];
    view->data = (const char *)(uintptr_t)fill->text_start;
    view->length = fill->text.length - fill->text_start;
}

void json_fill_text(struct json_fill *fill, struct json_scan *scan, const char *text, size_t length, bool last)
{
    if (length == 0 && !last) {
        fill->text_start = fill->text.length;
        if (!count_leaf(fill, scan))
            return;
        if (fill->dtype != DTYPE_STRING)
            type_problem(fill, scan, JSON_TYPE_STRING);
        else
            want_element(fill, scan);
    }
    if (fill->problem.kind || fill->value_count > fill->value_max)
        return;
    if (length && buf_append(&fill->text, text, length) != 0)
        set_problem(fill, fill->text.failed == KD_ENOMEM ? JSON_FILL_NO_MEMORY : JSON_FILL_TOO_BIG,
                    scan->value_offset, fill->level);
    else if (last)
        finish_text(fill);
}

void json_fill_base64(struct json_fill *fill, struct json_scan *scan)
{
    if (fill->problem.kind || fill->value_count > fill->value_max)
        return;
    char *text = fill->text.data ? fill->text.data + fill->text_start : NULL;
    size_t length = fill->text.length - fill->text_start;
    if (length && !base64_decode(text, length, text, &length)) {
        set_problem(fill, JSON_FILL_BASE64, scan->value_offset, fill->level);
        return;
    }
    fill->text.length = fill->text_start + length;
    finish_text(fill);
}

/* ---- runs ---- */

static size_t run_room(struct json_fill *fill)
{
    if (json_fill_reserve(fill, fill->n + 1) != 0)
        return 0;
    size_t stored = fill->capacity / element_size(fill), left = fill->value_max - fill->value_count;
    stored = stored < fill->max_elements ? stored : fill->max_elements;
    stored -= fill->n;
    return stored < left ? stored : left;
}

/* Integers that become floats. */
static const char *read_converted(struct json_fill *fill, const char *at, const char *end, size_t room, size_t *ret_n,
                                  bool *ret_comma)
{
    int64_t values[64];
    float *out = (float *)fill->data + fill->n;
    at = json_numbers_i64(at, end, fill->min, fill->max, values, room < 64 ? room : 64, ret_n, ret_comma);
    for (size_t i = 0; i < *ret_n; i++)
        out[i] = (float)values[i];
    return at;
}

const char *json_fill_numbers(struct json_fill *fill, const char *at, const char *end, bool *ret_comma)
{
    *ret_comma = false;
    if (fill->problem.kind || fill->value_count >= fill->value_max)
        return at;
    if (!fill->flat && fill->rank >= 0 && fill->level != fill->rank)
        return at;
    size_t n = 0, room = run_room(fill);
    if (room == 0)
        return at;
    if (dtype_is_float(fill->dtype))
        at = json_numbers_f32(at, end, (float *)fill->data + fill->n, room, &n, ret_comma);
    else if (dtype_storage(fill->target) == STORAGE_F32)
        at = read_converted(fill, at, end, room, &n, ret_comma);
    else
        at = json_numbers_i64(at, end, fill->min, fill->max, (int64_t *)fill->data + fill->n, room, &n, ret_comma);
    if (n == 0)
        return at;
    fill->n += n;
    fill->value_count += n;
    if (!fill->flat) {
        fill->rank = fill->level;
        fill->count[fill->level] += (int64_t)n;
    }
    return at;
}
