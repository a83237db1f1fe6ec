/* bytecode: a symbolic walk. The machine has Python's stack, but its values are expressions; each instruction pops
 * some and pushes one. Code that ends in a single return without having jumped is an expression, whatever it
 * assigned to locals on the way.
 *
 * The stream does not say which Python wrote it. Its layout gives a range of versions (marshal.h), the walk decides
 * within the range: instructions carry version-dependent runs of zero words behind them (inline caches), and a
 * table that is wrong runs into an unknown instruction or a non-zero cache. The first table that walks to the end
 * is right; tables that all do mean the same. */
#include "keras/bytecode.h"

#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "keras/bytecode_walk.h"

static struct expr *closure_value(struct walk *walk, size_t i)
{
    return i < walk->n_closure ? walk->closure[i] : NULL;
}

static void init_old_cells(struct walk *walk)
{
    const struct marshal_code *code = walk->code;
    size_t n_cells = code->cell_variables ? code->cell_variables->length : 0;
    for (size_t i = 0; i < n_cells && i < LOCALS_MAX; i++)
        for (int p = 0; p < code->n_args; p++)
            if (str_equal(code->cell_variables->items[i]->data, code->locals->items[p]->data))
                walk->cells[i] = walk->locals[p];
    for (size_t i = 0; n_cells + i < LOCALS_MAX; i++)
        walk->cells[n_cells + i] = closure_value(walk, i);
}

static void init_variables(struct walk *walk, struct expr_function *function)
{
    const struct marshal_code *code = walk->code;
    for (size_t i = 0; i < function->n_params && i < LOCALS_MAX; i++)
        walk->locals[i] = expr_text(walk->maker, EXPR_PARAM, function->params[i].name,
                                    strlen(function->params[i].name));
    if (!code->kinds) {
        init_old_cells(walk);
        return;
    }
    size_t n_free = 0;
    for (size_t i = 0; i < code->locals->length && i < LOCALS_MAX; i++)
        if ((unsigned char)code->kinds->data[i] & MARSHAL_KIND_FREE)
            walk->locals[i] = closure_value(walk, n_free++);
}

static const struct code_row *find_row(const struct code_row *rows, unsigned number)
{
    for (; rows->number != 0xffff; rows++)
        if (rows->number == number)
            return rows;
    return NULL;
}

static const struct code_row *row_of(const struct code_table *table, unsigned number)
{
    const struct code_row *row = find_row(table->rows, number);
    return row ? row : find_row(table->also, number);
}

static int unknown(struct walk *walk, unsigned number, size_t at)
{
    return expr_fail(walk->maker, KD_EUNSUPPORTED,
                     "it is more than an expression: instruction %u at byte %zu (Python %s)", number, at,
                     walk->table->python);
}

enum { WINDOWS_SLASH = 0x2f, WINDOWS_BACKSLASH = 0x5c }; /* see undo_windows */

/* The instruction at *at: its number and argument; *at moves behind it. */
static bool fetch(struct walk *walk, size_t *at, unsigned *ret_number, unsigned *ret_argument)
{
    const unsigned char *code = (const unsigned char *)walk->code->bytecode->data;
    size_t left = walk->code->bytecode->length - *at;
    bool wide = code[*at] >= walk->table->have_argument || code[*at] == WINDOWS_SLASH;
    size_t size = walk->table->word ? 2 : wide ? 3 : 1;
    if (size > left)
        return false;
    *ret_number = code[*at];
    *ret_argument = size == 3 ? (unsigned)code[*at + 1] | (unsigned)code[*at + 2] << 8 : size == 2 ? code[*at + 1] : 0;
    *at += size;
    return true;
}

static bool skip_caches(struct walk *walk, size_t *at, unsigned n)
{
    const unsigned char *code = (const unsigned char *)walk->code->bytecode->data;
    for (; n > 0; n--, *at += 2)
        if (*at + 2 > walk->code->bytecode->length || code[*at] != 0)
            return false;
    return true;
}

static bool number_doubtful(const struct marshal_object *object)
{
    int32_t low = (int32_t)object->integer;
    if (object->kind == MARSHAL_INT)
        return memchr(&low, WINDOWS_SLASH, sizeof(low));
    return object->kind == MARSHAL_FLOAT && memchr(&object->number, WINDOWS_SLASH, sizeof(object->number));
}

/* Might a constant have lost a backslash too? */
static bool constants_doubtful(const struct marshal_object *constants)
{
    for (size_t i = 0; constants && i < constants->length; i++) {
        const struct marshal_object *item = constants->items[i];
        if (number_doubtful(item))
            return true;
        for (size_t j = 0; item->kind == MARSHAL_TUPLE && j < item->length; j++)
            if (number_doubtful(item->items[j]) || item->items[j]->kind == MARSHAL_TUPLE)
                return true;
    }
    return false;
}

/* On Windows, tf.keras and Keras 3 replace each byte \ of the whole code by / when they write a Lambda (they
 * mean paths). Unpacking (a, b = x) is instruction 92, the backslash, and becomes 47, which no Python before
 * 3.13 has: Keras fails to run such a file. It is read as what it was, unless a number in it may be changed
 * too. */
static const struct code_row *undo_windows(struct walk *walk, unsigned number)
{
    const struct code_row *row = row_of(walk->table, WINDOWS_BACKSLASH);
    if (number != WINDOWS_SLASH || !row || row->op != CODE_UNPACK || constants_doubtful(walk->code->constants))
        return NULL;
    return row;
}

static int run(struct walk *walk)
{
    size_t at = 0, length = walk->code->bytecode->length;
    unsigned extended = 0, number = 0, argument = 0;
    while (at < length && !walk->result && !walk->maker->failed) {
        size_t start = at;
        if (!fetch(walk, &at, &number, &argument))
            return bytecode_refuse(walk, "its code ends within an instruction");
        const struct code_row *row = row_of(walk->table, number);
        if (!row)
            row = undo_windows(walk, number);
        if (!row || !skip_caches(walk, &at, row->caches))
            return unknown(walk, number, start);
        argument |= extended;
        extended = row->op == CODE_EXTENDED_ARG ? argument << (walk->table->word ? 8 : 16) : 0;
        bytecode_step(walk, row, argument);
    }
    if (!walk->maker->failed && (!walk->result || at != length))
        return bytecode_refuse(walk, walk->result ? "it has more than one way to its end" : "it returns nothing");
    return walk->maker->failed;
}

static int read_params(const struct marshal_code *code, struct expr_maker *maker, struct expr_function *ret)
{
    if (code->flags & (MARSHAL_FLAG_VARARGS | MARSHAL_FLAG_VARKEYWORDS))
        return expr_fail(maker, KD_EUNSUPPORTED, "it takes * or ** arguments");
    size_t n = (size_t)code->n_args;
    ret->name = code->name;
    ret->params = arena_calloc(maker->arena, n, sizeof(*ret->params));
    if (!ret->params)
        return expr_fail(maker, KD_ENOMEM, "out of memory");
    ret->n_params = n;
    for (size_t i = 0; i < n; i++)
        ret->params[i].name = code->locals->items[i]->data;
    return 0;
}

static const struct code_table *tables_of(enum marshal_layout layout)
{
    switch (layout) {
    case MARSHAL_PYTHON_27:
        return code_tables_27;
    case MARSHAL_PYTHON_30:
        return code_tables_30;
    case MARSHAL_PYTHON_38:
        return code_tables_38;
    case MARSHAL_PYTHON_311:
        break;
    }
    return code_tables_311;
}

int bytecode_read(const struct marshal_code *code, struct expr *const *closure, size_t n_closure,
                  struct expr_maker *maker, struct expr_function *ret)
{
    if (read_params(code, maker, ret))
        return maker->failed;
    struct err first = {0};
    struct walk *walk = arena_alloc(maker->arena, sizeof(*walk));
    if (!walk)
        return expr_fail(maker, KD_ENOMEM, "out of memory");
    for (const struct code_table *table = tables_of(code->layout); table->python; table++) {
        struct err err = {0};
        struct expr_maker attempt = {.arena = maker->arena, .err = &err};
        *walk = (struct walk){.code = code, .table = table, .maker = &attempt, .closure = closure,
                              .n_closure = n_closure};
        walk->null = expr_new(&attempt, EXPR_NONE);
        init_variables(walk, ret);
        if (!attempt.failed && run(walk) == 0) {
            ret->body = walk->result;
            return 0;
        }
        if (!first.code)
            first = err;
    }
    return expr_fail(maker, first.code, "%s", first.text);
}
