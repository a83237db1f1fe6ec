/* Marshal: reads the bytes of Python's marshal.dumps(function.__code__) as data. Nothing is executed.
 *
 * Layouts of the code object: Python 2.7, 3.0 to 3.7, 3.8 to 3.10, 3.11 and later; told apart by their fields, as the
 * stream names no version. Only what a code object of plain expressions holds is read. Bounded in depth and count. */
#ifndef KD_KERAS_MARSHAL_H
#define KD_KERAS_MARSHAL_H

#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;

enum marshal_kind {
    MARSHAL_NONE,
    MARSHAL_BOOL,
    MARSHAL_ELLIPSIS,
    MARSHAL_INT,
    MARSHAL_FLOAT,
    MARSHAL_STRING, /* text, as UTF-8 or latin-1 bytes */
    MARSHAL_BYTES,
    MARSHAL_TUPLE,  /* and lists, sets */
    MARSHAL_CODE,
    MARSHAL_OTHER   /* a value that no expression here needs (complex, dict, long beyond int64) */
};

enum marshal_layout { MARSHAL_PYTHON_27, MARSHAL_PYTHON_30, MARSHAL_PYTHON_38, MARSHAL_PYTHON_311 };

struct marshal_code;

struct marshal_object {
    enum marshal_kind kind;
    int64_t integer;
    double number;
    const char *data; /* STRING, BYTES: length bytes; STRING also NUL-terminated */
    size_t length;    /* or the number of items */
    struct marshal_object **items;
    struct marshal_code *code;
};

struct marshal_code {
    enum marshal_layout layout;
    int n_args; /* positional parameters */
    int n_keyword_only;
    int flags;
    const struct marshal_object *bytecode;  /* BYTES */
    const struct marshal_object *constants; /* TUPLE */
    const struct marshal_object *names;     /* TUPLE of STRING */
    const struct marshal_object *locals;    /* varnames; from 3.11 on also cells and free variables */
    const struct marshal_object *kinds;     /* BYTES, from 3.11 on, else NULL */
    const struct marshal_object *free_variables, *cell_variables; /* before 3.11 */
    const char *name;
};

#define MARSHAL_FLAG_VARARGS 0x04
#define MARSHAL_FLAG_VARKEYWORDS 0x08
#define MARSHAL_KIND_FREE 0x80
#define MARSHAL_KIND_CELL 0x40

/* KD_EFORMAT with what was wrong at which byte; everything is allocated in the arena. */
int marshal_read_code(const unsigned char *data, size_t length, struct arena *arena, struct marshal_code **ret,
                      struct err *err);

#endif
