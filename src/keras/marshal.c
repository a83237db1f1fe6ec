/* marshal: a reader for the part of Python's marshal format that code objects are written in.
 *
 * Each object is a type byte (its top bit: "remember me for later references") and a body. Nesting is bounded by
 * MAX_DEPTH, the number of objects by MAX_OBJECTS, and every length is checked against the bytes that are left, so
 * a hostile stream costs no more than its own size. */
#include "keras/marshal.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"

#define MAX_DEPTH 24
#define MAX_OBJECTS 20000
#define FLAG_REF 0x80

struct reader {
    const unsigned char *data;
    size_t length, at;
    struct arena *arena;
    struct err *err;
    int failed;
    int depth;
    size_t n_objects;
    struct marshal_object **refs; /* remembered by FLAG_REF, in order */
    size_t n_refs;
    struct marshal_object **interned; /* Python 2.7's own list */
    size_t n_interned;
};

static struct marshal_object *read_object(struct reader *reader);

static void *fail(struct reader *reader, const char *what)
{
    if (!reader->failed)
        reader->failed = err_set(reader->err, KD_EFORMAT, "the marshalled code is damaged: %s at byte %zu", what,
                                 reader->at);
    return NULL;
}

static const unsigned char *take(struct reader *reader, size_t n)
{
    if (reader->failed || n > reader->length - reader->at)
        return fail(reader, "it ends too early");
    const unsigned char *data = reader->data + reader->at;
    reader->at += n;
    return data;
}

static unsigned read_byte(struct reader *reader)
{
    const unsigned char *data = take(reader, 1);
    return data ? *data : 0;
}

static uint32_t read_u32(struct reader *reader)
{
    const unsigned char *b = take(reader, 4);
    return b ? (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24 : 0;
}

static struct marshal_object *object_new(struct reader *reader, enum marshal_kind kind)
{
    if (reader->failed || ++reader->n_objects > MAX_OBJECTS)
        return fail(reader, "too many objects");
    struct marshal_object *object = arena_alloc(reader->arena, sizeof(*object));
    if (!object)
        return fail(reader, "out of memory");
    object->kind = kind;
    return object;
}

static struct marshal_object *read_bytes(struct reader *reader, enum marshal_kind kind, size_t length)
{
    const unsigned char *data = take(reader, length);
    struct marshal_object *object = data ? object_new(reader, kind) : NULL;
    if (!object)
        return NULL;
    object->data = arena_strndup(reader->arena, (const char *)data, length);
    object->length = length;
    return object->data ? object : fail(reader, "out of memory");
}

static struct marshal_object *read_items(struct reader *reader, struct marshal_object *object, size_t n)
{
    if (n > reader->length - reader->at)
        return fail(reader, "a tuple is longer than the data");
    object->items = arena_calloc(reader->arena, n, sizeof(struct marshal_object *));
    if (!object->items)
        return fail(reader, "out of memory");
    for (size_t i = 0; i < n; i++)
        if (!(object->items[i] = read_object(reader)))
            return NULL;
    object->length = n;
    return object;
}

/* Python longs: a signed count of 15-bit digits. */
static struct marshal_object *read_long(struct reader *reader)
{
    int32_t count = (int32_t)read_u32(reader);
    size_t n = count < 0 ? (size_t)(-(int64_t)count) : (size_t)count;
    if (n > 8) {
        take(reader, n > reader->length ? reader->length : n * 2);
        return object_new(reader, MARSHAL_OTHER);
    }
    unsigned __int128 magnitude = 0;
    for (size_t i = 0; i < n; i++) {
        const unsigned char *b = take(reader, 2);
        if (!b)
            return NULL;
        magnitude |= (unsigned __int128)((unsigned)b[0] | (unsigned)b[1] << 8) << (15 * i);
    }
    struct marshal_object *object = object_new(reader, magnitude <= INT64_MAX ? MARSHAL_INT : MARSHAL_OTHER);
    if (object)
        object->integer = count < 0 ? -(int64_t)magnitude : (int64_t)magnitude;
    return object;
}

static struct marshal_object *read_float(struct reader *reader, bool text)
{
    struct marshal_object *object = object_new(reader, MARSHAL_FLOAT);
    if (!object)
        return NULL;
    if (!text) {
        const unsigned char *data = take(reader, 8);
        if (data)
            memcpy(&object->number, data, 8);
        return data ? object : NULL;
    }
    size_t length = read_byte(reader);
    const unsigned char *data = take(reader, length);
    char copy[256] = "";
    if (!data)
        return NULL;
    memcpy(copy, data, length);
    object->number = strtod(copy, NULL);
    return object;
}

static struct marshal_object *read_complex(struct reader *reader, bool text)
{
    for (int i = 0; i < 2; i++)
        take(reader, text ? read_byte(reader) : 8);
    return object_new(reader, MARSHAL_OTHER);
}

/* ---- code ---- */

static bool is_string_type(unsigned byte)
{
    return (byte & 0x7f) == 's';
}

/* The bytecode follows the integers as a bytes object: four of them in 2.7, six in 3.8 to 3.10, five otherwise. */
static int count_integers(const struct reader *reader)
{
    static const int counts[] = {5, 6, 4};
    for (int i = 0; i < 3; i++) {
        size_t at = reader->at + (size_t)counts[i] * 4;
        if (at + 5 > reader->length || !is_string_type(reader->data[at]))
            continue;
        const unsigned char *b = reader->data + at + 1;
        size_t length = (size_t)b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
        if (length > 0 && length <= reader->length - at - 5)
            return counts[i];
    }
    return 0;
}

static const struct marshal_object *read_kind(struct reader *reader, enum marshal_kind kind)
{
    struct marshal_object *object = read_object(reader);
    if (!object)
        return NULL;
    return object->kind == kind ? object : fail(reader, "a field of the code object has the wrong type");
}

static const struct marshal_object *read_names(struct reader *reader)
{
    const struct marshal_object *tuple = read_kind(reader, MARSHAL_TUPLE);
    for (size_t i = 0; tuple && i < tuple->length; i++)
        if (tuple->items[i]->kind != MARSHAL_STRING && tuple->items[i]->kind != MARSHAL_BYTES)
            return fail(reader, "a name is not a string");
    return tuple;
}

static void read_variables(struct reader *reader, struct marshal_code *code)
{
    struct marshal_object *next = read_object(reader);
    if (!next)
        return;
    if (next->kind == MARSHAL_BYTES && code->layout == MARSHAL_PYTHON_30) {
        code->layout = MARSHAL_PYTHON_311;
        code->kinds = next;
        if (next->length != code->locals->length)
            fail(reader, "the kinds of the variables do not match their names");
        return;
    }
    if (next->kind != MARSHAL_TUPLE)
        fail(reader, "a field of the code object has the wrong type");
    code->free_variables = next;
    code->cell_variables = read_names(reader);
}

/* Python 2.7 writes strings as bytes; the name fields are text all the same. */
static const char *read_name(struct reader *reader)
{
    struct marshal_object *object = read_object(reader);
    bool text = object && (object->kind == MARSHAL_STRING || object->kind == MARSHAL_BYTES);
    return text ? object->data : "";
}

static void read_integers(struct reader *reader, struct marshal_code *code, int count)
{
    int values[6] = {0};
    for (int i = 0; i < count; i++)
        values[i] = (int)read_u32(reader);
    code->n_args = values[0];
    code->flags = values[count - 1];
    if (count == 4) {
        code->layout = MARSHAL_PYTHON_27;
    } else if (count == 6) {
        code->layout = MARSHAL_PYTHON_38;
        code->n_keyword_only = values[2];
    } else {
        code->layout = MARSHAL_PYTHON_30; /* or 3.11: told apart by the variables */
        code->n_keyword_only = values[1];
    }
}

static struct marshal_object *read_code(struct reader *reader)
{
    int count = count_integers(reader);
    struct marshal_object *object = object_new(reader, MARSHAL_CODE);
    struct marshal_code *code = object ? arena_alloc(reader->arena, sizeof(*code)) : NULL;
    if (!code || count == 0)
        return fail(reader, "this is no code object of Python 2.7 or 3");
    object->code = code;
    read_integers(reader, code, count);
    code->bytecode = read_kind(reader, MARSHAL_BYTES);
    code->constants = read_kind(reader, MARSHAL_TUPLE);
    code->names = read_names(reader);
    code->locals = read_names(reader);
    if (reader->failed)
        return NULL;
    read_variables(reader, code);
    read_name(reader); /* file name */
    code->name = read_name(reader);
    if (code->layout == MARSHAL_PYTHON_311)
        read_name(reader); /* qualified name */
    read_u32(reader);      /* first line */
    read_object(reader);   /* line table */
    if (code->layout == MARSHAL_PYTHON_311) {
        read_object(reader); /* exception table */
        if (!reader->failed && code->kinds && code->n_args > (int)code->locals->length)
            fail(reader, "more parameters than variables");
    }
    if (!reader->failed && (code->n_args < 0 || (size_t)code->n_args > code->locals->length))
        fail(reader, "more parameters than variables");
    return reader->failed ? NULL : object;
}

/* ---- objects ---- */

static struct marshal_object *read_reference(struct reader *reader, struct marshal_object **list, size_t n)
{
    uint32_t index = read_u32(reader);
    if (reader->failed || index >= n || !list[index])
        return fail(reader, "a reference to an object that is not there");
    return list[index];
}

static struct marshal_object *read_singleton(struct reader *reader, enum marshal_kind kind, int64_t integer)
{
    struct marshal_object *object = object_new(reader, kind);
    if (object)
        object->integer = integer;
    return object;
}

static struct marshal_object *read_dict(struct reader *reader)
{
    while (!reader->failed && reader->at < reader->length && reader->data[reader->at] != '0')
        read_object(reader);
    read_byte(reader);
    return object_new(reader, MARSHAL_OTHER);
}

static struct marshal_object *read_tuple(struct reader *reader, size_t n)
{
    struct marshal_object *object = object_new(reader, MARSHAL_TUPLE);
    return object ? read_items(reader, object, n) : NULL;
}

static struct marshal_object *read_interned(struct reader *reader)
{
    struct marshal_object *object = read_bytes(reader, MARSHAL_STRING, read_u32(reader));
    if (object && reader->n_interned < MAX_OBJECTS)
        reader->interned[reader->n_interned++] = object;
    return object;
}

static struct marshal_object *read_body(struct reader *reader, unsigned type, bool interned_list)
{
    switch (type) {
    case 'N':
        return read_singleton(reader, MARSHAL_NONE, 0);
    case 'T':
        return read_singleton(reader, MARSHAL_BOOL, 1);
    case 'F':
        return read_singleton(reader, MARSHAL_BOOL, 0);
    case '.':
        return read_singleton(reader, MARSHAL_ELLIPSIS, 0);
    case 'i':
        return read_singleton(reader, MARSHAL_INT, (int32_t)read_u32(reader));
    case 'l':
        return read_long(reader);
    case 'g':
        return read_float(reader, false);
    case 'f':
        return read_float(reader, true);
    case 'y':
        return read_complex(reader, false);
    case 'x':
        return read_complex(reader, true);
    case 's':
        return read_bytes(reader, MARSHAL_BYTES, read_u32(reader));
    case 't':
        if (interned_list)
            return read_interned(reader);
        return read_bytes(reader, MARSHAL_STRING, read_u32(reader));
    case 'u':
    case 'a':
    case 'A':
        return read_bytes(reader, MARSHAL_STRING, read_u32(reader));
    case 'z':
    case 'Z':
        return read_bytes(reader, MARSHAL_STRING, read_byte(reader));
    case ')':
        return read_tuple(reader, read_byte(reader));
    case '(':
    case '[':
    case '<':
    case '>':
        return read_tuple(reader, read_u32(reader));
    case '{':
        return read_dict(reader);
    case 'c':
        return read_code(reader);
    default:
        return fail(reader, "an object of unknown type");
    }
}

static struct marshal_object *read_object(struct reader *reader)
{
    unsigned byte = read_byte(reader), type = byte & 0x7f;
    if (reader->failed)
        return NULL;
    if (type == 'r')
        return read_reference(reader, reader->refs, reader->n_refs);
    if (byte == 'R')
        return read_reference(reader, reader->interned, reader->n_interned);
    if (reader->depth >= MAX_DEPTH)
        return fail(reader, "objects are nested too deeply");
    size_t slot = 0;
    bool remember = byte & FLAG_REF;
    if (remember) {
        if (reader->n_refs >= MAX_OBJECTS)
            return fail(reader, "too many objects");
        slot = reader->n_refs++;
        reader->refs[slot] = NULL;
    }
    reader->depth++;
    struct marshal_object *object = read_body(reader, type, !remember);
    reader->depth--;
    if (remember)
        reader->refs[slot] = object;
    return object;
}

int marshal_read_code(const unsigned char *data, size_t length, struct arena *arena, struct marshal_code **ret,
                      struct err *err)
{
    struct reader reader = {.data = data, .length = length, .arena = arena, .err = err};
    size_t max = length < MAX_OBJECTS ? length + 1 : MAX_OBJECTS;
    reader.refs = arena_calloc(arena, max, sizeof(struct marshal_object *));
    reader.interned = arena_calloc(arena, max, sizeof(struct marshal_object *));
    if (!reader.refs || !reader.interned)
        return err_set(err, KD_ENOMEM, "out of memory");
    struct marshal_object *object = read_object(&reader);
    if (!object)
        return reader.failed;
    if (object->kind != MARSHAL_CODE)
        return err_set(err, KD_EFORMAT, "the marshalled object is not a function's code");
    *ret = object->code;
    return 0;
}
