/* bytecode_step: what one instruction of Python does to a stack of expressions. Instructions of all versions meet
 * here under the names of bytecode_table.h; what differs between versions is in the tables. */
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "keras/bytecode_walk.h"

int bytecode_refuse(struct walk *walk, const char *what)
{
    return expr_fail(walk->maker, KD_EUNSUPPORTED, "%s (Python %s)", what, walk->table->python);
}

static void push(struct walk *walk, struct expr *expr)
{
    if (walk->depth >= STACK_MAX)
        bytecode_refuse(walk, "its stack is too deep");
    else if (expr)
        walk->stack[walk->depth++] = expr;
}

static struct expr *pop(struct walk *walk)
{
    if (walk->maker->failed || walk->depth == 0) {
        bytecode_refuse(walk, "its stack runs empty");
        return walk->null;
    }
    return walk->stack[--walk->depth];
}

static const struct marshal_object *item_of(struct walk *walk, const struct marshal_object *tuple, unsigned index)
{
    if (!tuple || index >= tuple->length) {
        bytecode_refuse(walk, "it uses a name or constant that is not there");
        return NULL;
    }
    return tuple->items[index];
}

static struct expr *name_expr(struct walk *walk, enum expr_kind kind, const struct marshal_object *names, unsigned i)
{
    const struct marshal_object *name = item_of(walk, names, i);
    return name ? expr_text(walk->maker, kind, name->data, name->length) : NULL;
}

#define CONSTANT_MAX_DEPTH 16

static struct expr *constant_expr(struct walk *walk, const struct marshal_object *object, int depth)
{
    struct expr *expr = NULL;
    switch (object->kind) {
    case MARSHAL_NONE:
        return expr_new(walk->maker, EXPR_NONE);
    case MARSHAL_BOOL:
        if ((expr = expr_new(walk->maker, EXPR_BOOL)))
            expr->integer = object->integer;
        return expr;
    case MARSHAL_ELLIPSIS:
        return expr_new(walk->maker, EXPR_ELLIPSIS);
    case MARSHAL_INT:
        return expr_int(walk->maker, object->integer);
    case MARSHAL_FLOAT:
        return expr_float(walk->maker, object->number);
    case MARSHAL_STRING:
    case MARSHAL_BYTES:
        return expr_text(walk->maker, EXPR_STRING, object->data, object->length);
    case MARSHAL_TUPLE:
        break;
    default:
        bytecode_refuse(walk, "it uses a constant of a kind that has no place in an expression");
        return NULL;
    }
    if (depth >= CONSTANT_MAX_DEPTH || object->length > STACK_MAX) {
        bytecode_refuse(walk, "a constant is too big");
        return NULL;
    }
    struct expr *items[STACK_MAX];
    for (size_t i = 0; i < object->length; i++)
        if (!(items[i] = constant_expr(walk, object->items[i], depth + 1)))
            return NULL;
    return expr_with(walk->maker, EXPR_TUPLE, 0, items, object->length);
}

static struct expr *constant_at(struct walk *walk, unsigned index)
{
    const struct marshal_object *object = item_of(walk, walk->code->constants, index);
    return object ? constant_expr(walk, object, 0) : NULL;
}

/* ---- variables ---- */

static struct expr *load_local(struct walk *walk, unsigned index)
{
    struct expr *expr = index < LOCALS_MAX ? walk->locals[index] : NULL;
    if (!expr)
        bytecode_refuse(walk, "it uses a variable that was not set, or comes from outside");
    return expr;
}

static void store_local(struct walk *walk, unsigned index)
{
    struct expr *expr = pop(walk);
    if (index >= LOCALS_MAX)
        bytecode_refuse(walk, "it has too many variables");
    else
        walk->locals[index] = expr;
}

/* Before 3.11 cells are numbered first, then free variables. */
static struct expr *load_free(struct walk *walk, unsigned index)
{
    struct expr *expr = index < LOCALS_MAX ? walk->cells[index] : NULL;
    if (!expr)
        bytecode_refuse(walk, "it uses a variable of the function around it whose value is not in the file");
    return expr;
}

static void store_free(struct walk *walk, unsigned index)
{
    struct expr *expr = pop(walk);
    if (index < LOCALS_MAX)
        walk->cells[index] = expr;
    else
        bytecode_refuse(walk, "it has too many variables");
}

/* ---- instructions ---- */

static void collect(struct walk *walk, enum expr_kind kind, unsigned n)
{
    if (n > walk->depth) {
        bytecode_refuse(walk, "its stack runs empty");
        return;
    }
    walk->depth -= n;
    push(walk, expr_with(walk->maker, kind, 0, walk->stack + walk->depth, n));
}

static void binary(struct walk *walk, int operand)
{
    struct expr *right = pop(walk), *left = pop(walk);
    push(walk, expr_with(walk->maker, EXPR_BINARY, operand, (struct expr *[]){left, right}, 2));
}

/* The argument of BINARY_OP; 13 and above are the in-place forms of the same. */
static void binary_op(struct walk *walk, unsigned argument)
{
    static const int operands[] = {EXPR_ADD,      EXPR_AND,     EXPR_FLOOR_DIVIDE, -1,         EXPR_MATMUL,
                                   EXPR_MULTIPLY, EXPR_MODULO,  EXPR_OR,           EXPR_POWER, -1,
                                   EXPR_SUBTRACT, EXPR_DIVIDE,  EXPR_XOR};
    int operand = argument < 26 ? operands[argument % 13] : -1;
    if (operand < 0)
        bytecode_refuse(walk, "it uses a shift operator");
    else
        binary(walk, operand);
}

static void compare(struct walk *walk, unsigned operator)
{
    static const int operands[] = {EXPR_LESS,      EXPR_LESS_EQUAL, EXPR_EQUAL,
                                   EXPR_NOT_EQUAL, EXPR_GREATER,    EXPR_GREATER_EQUAL};
    if (operator >= 6)
        bytecode_refuse(walk, "it uses 'in' or 'is'");
    else
        binary(walk, operands[operator]);
}

static void index_with(struct walk *walk, struct expr *index)
{
    struct expr *object = pop(walk);
    push(walk, expr_with(walk->maker, EXPR_INDEX, 0, (struct expr *[]){object, index}, 2));
}

static struct expr *slice_expr(struct walk *walk, struct expr *start, struct expr *stop, struct expr *step)
{
    struct expr *none = expr_new(walk->maker, EXPR_NONE);
    struct expr *items[] = {start ? start : none, stop ? stop : none, step ? step : none};
    return none ? expr_with(walk->maker, EXPR_SLICE, 0, items, 3) : NULL;
}

static void slice(struct walk *walk, unsigned n)
{
    struct expr *step = n == 3 ? pop(walk) : NULL, *stop = pop(walk), *start = pop(walk);
    push(walk, slice_expr(walk, start, stop, step));
}

static void index_slice(struct walk *walk)
{
    struct expr *stop = pop(walk), *start = pop(walk);
    index_with(walk, slice_expr(walk, start, stop, NULL));
}

/* SLICE+0 to +3 of Python 2: bit 0: a start, bit 1: a stop. */
static void slice_27(struct walk *walk, int which)
{
    struct expr *stop = which & 2 ? pop(walk) : NULL, *start = which & 1 ? pop(walk) : NULL;
    index_with(walk, slice_expr(walk, start, stop, NULL));
}

static void attribute(struct walk *walk, unsigned index, bool method)
{
    struct expr *object = pop(walk);
    struct expr *expr = name_expr(walk, EXPR_ATTRIBUTE, walk->code->names, index);
    struct expr *with = expr ? expr_with(walk->maker, EXPR_ATTRIBUTE, 0, &object, 1) : NULL;
    if (!with)
        return;
    with->text = expr->text;
    if (method)
        push(walk, walk->null);
    push(walk, with);
}

/* 3.11 and 3.12 push NULL below the function, 3.13 above it; a method is pushed as NULL, attribute here. */
static struct expr *pop_callee(struct walk *walk)
{
    struct expr *callee = pop(walk);
    bool above = callee == walk->null;
    if (above)
        callee = pop(walk);
    else if (walk->depth && walk->stack[walk->depth - 1] == walk->null)
        walk->depth--;
    return callee;
}

static void call(struct walk *walk, size_t n, const struct marshal_object *keywords)
{
    size_t n_names = keywords ? keywords->length : 0;
    const char *names[64];
    if (n > walk->depth || n_names > n || n_names > 64) {
        bytecode_refuse(walk, "a call whose arguments are not on the stack");
        return;
    }
    for (size_t i = 0; i < n_names; i++)
        names[i] = keywords->items[i]->data ? keywords->items[i]->data : "";
    walk->depth -= n;
    struct expr *args[STACK_MAX];
    memcpy(args, walk->stack + walk->depth, n * sizeof(args[0]));
    struct expr *callee = pop_callee(walk);
    push(walk, expr_call(walk->maker, callee, args, n, names, n_names));
}

/* Keyword arguments come as name, value pairs on the stack. */
static void call_old(struct walk *walk, unsigned argument)
{
    unsigned n_args = argument & 0xff, n_names = argument >> 8 & 0xff;
    struct expr *args[64];
    const char *names[64];
    if (n_args + n_names > 64 || n_args + 2 * n_names > walk->depth) {
        bytecode_refuse(walk, "a call whose arguments are not on the stack");
        return;
    }
    walk->depth -= n_args + 2 * n_names;
    struct expr **base = walk->stack + walk->depth;
    for (unsigned i = 0; i < n_args; i++)
        args[i] = base[i];
    for (unsigned i = 0; i < n_names; i++) {
        struct expr *name = base[n_args + 2 * i];
        names[i] = name->kind == EXPR_STRING ? name->text : "";
        args[n_args + i] = base[n_args + 2 * i + 1];
    }
    struct expr *callee = pop(walk);
    push(walk, expr_call(walk->maker, callee, args, n_args + n_names, names, n_names));
}

/* The tuple of keyword names is on the stack (3.6 to 3.10, 3.13). */
static void call_keywords(struct walk *walk, unsigned n)
{
    struct expr *tuple = pop(walk);
    struct marshal_object keywords = {.kind = MARSHAL_TUPLE, .length = tuple->n_items};
    struct marshal_object items[64], *pointers[64];
    if (tuple->kind != EXPR_TUPLE || tuple->n_items > 64) {
        bytecode_refuse(walk, "a call whose keywords are not constant");
        return;
    }
    for (size_t i = 0; i < tuple->n_items; i++) {
        items[i] = (struct marshal_object){.kind = MARSHAL_STRING, .data = tuple->items[i]->text};
        pointers[i] = &items[i];
    }
    keywords.items = pointers;
    call(walk, n, &keywords);
}

/* f(*args): only with a tuple that is known here. */
static void call_spread(struct walk *walk, unsigned argument)
{
    struct expr *tuple = pop(walk);
    if (argument & 1 || (tuple->kind != EXPR_TUPLE && tuple->kind != EXPR_LIST)) {
        bytecode_refuse(walk, "a call with * or ** arguments");
        return;
    }
    struct expr *callee = pop_callee(walk);
    push(walk, expr_call(walk->maker, callee, tuple->items, tuple->n_items, NULL, 0));
}

static void unpack(struct walk *walk, unsigned n)
{
    struct expr *object = pop(walk);
    for (unsigned i = n; i-- > 0 && !walk->maker->failed;) {
        struct expr *index = expr_int(walk->maker, i);
        push(walk, expr_with(walk->maker, EXPR_INDEX, 0, (struct expr *[]){object, index}, 2));
    }
}

static void list_extend(struct walk *walk)
{
    struct expr *more = pop(walk), *list = pop(walk);
    if (list->n_items || more->kind != EXPR_TUPLE) {
        bytecode_refuse(walk, "a list that is built up");
        return;
    }
    push(walk, expr_with(walk->maker, EXPR_LIST, 0, more->items, more->n_items));
}

static void list_to_tuple(struct walk *walk)
{
    struct expr *list = pop(walk);
    push(walk, expr_with(walk->maker, EXPR_TUPLE, 0, list->items, list->n_items));
}

/* import tensorflow as tf: the module stands for its name. */
static void import_module(struct walk *walk, unsigned index)
{
    pop(walk);
    pop(walk);
    push(walk, name_expr(walk, EXPR_NAME, walk->code->names, index));
}

static void import_from(struct walk *walk, unsigned index)
{
    struct expr *module = pop(walk);
    push(walk, module);
    push(walk, module);
    attribute(walk, index, false);
}

static void copy(struct walk *walk, unsigned n)
{
    if (n == 0 || n > walk->depth)
        bytecode_refuse(walk, "its stack runs empty");
    else
        push(walk, walk->stack[walk->depth - n]);
}

static void swap(struct walk *walk, unsigned n)
{
    if (n == 0 || n > walk->depth) {
        bytecode_refuse(walk, "its stack runs empty");
        return;
    }
    struct expr **top = &walk->stack[walk->depth - 1], **other = &walk->stack[walk->depth - n];
    struct expr *kept = *top;
    *top = *other;
    *other = kept;
}

/* The top goes n - 1 places down. */
static void rotate(struct walk *walk, unsigned n)
{
    if (n > walk->depth) {
        bytecode_refuse(walk, "its stack runs empty");
        return;
    }
    struct expr **base = &walk->stack[walk->depth - n], *top = base[n - 1];
    memmove(base + 1, base, (n - 1) * sizeof(*base));
    *base = top;
}

static void move(struct walk *walk, const struct code_row *row, unsigned argument)
{
    switch (row->op) {
    case CODE_POP:
        pop(walk);
        break;
    case CODE_ROTATE_2:
        rotate(walk, 2);
        break;
    case CODE_ROTATE_3:
        rotate(walk, 3);
        break;
    case CODE_ROTATE_4:
        rotate(walk, 4);
        break;
    case CODE_DUPLICATE:
        copy(walk, 1);
        break;
    case CODE_DUPLICATE_2:
        copy(walk, 2);
        copy(walk, 2);
        break;
    case CODE_SWAP:
        swap(walk, argument);
        break;
    case CODE_COPY:
        copy(walk, argument);
        break;
    case CODE_PUSH_NULL:
        push(walk, walk->null);
        break;
    default:
        break;
    }
}

static void variables(struct walk *walk, const struct code_row *row, unsigned argument)
{
    switch (row->op) {
    case CODE_LOCAL:
        push(walk, load_local(walk, argument));
        break;
    case CODE_TWO_LOCALS:
        push(walk, load_local(walk, argument >> 4));
        push(walk, load_local(walk, argument & 15));
        break;
    case CODE_STORE:
        store_local(walk, argument);
        break;
    case CODE_STORE_TWO:
        store_local(walk, argument >> 4);
        store_local(walk, argument & 15);
        break;
    case CODE_STORE_LOCAL:
        store_local(walk, argument >> 4);
        push(walk, load_local(walk, argument & 15));
        break;
    case CODE_GLOBAL:
        push(walk, name_expr(walk, EXPR_NAME, walk->code->names, argument));
        break;
    case CODE_GLOBAL_NULL:
        if (argument & 1)
            push(walk, walk->null);
        push(walk, name_expr(walk, EXPR_NAME, walk->code->names, argument >> 1));
        break;
    case CODE_FREE:
        push(walk, load_free(walk, argument));
        break;
    case CODE_STORE_FREE:
        store_free(walk, argument);
        break;
    default:
        break;
    }
}

static void calls(struct walk *walk, const struct code_row *row, unsigned argument)
{
    const struct marshal_object *keywords = walk->keywords;
    switch (row->op) {
    case CODE_CALL_OLD:
        call_old(walk, argument);
        break;
    case CODE_CALL_FUNCTION:
    case CODE_CALL_METHOD:
        call(walk, argument, NULL);
        break;
    case CODE_CALL:
        walk->keywords = NULL;
        call(walk, argument, keywords);
        break;
    case CODE_CALL_KEYWORDS:
    case CODE_CALL_KW_313:
        call_keywords(walk, argument);
        break;
    case CODE_CALL_SPREAD:
        call_spread(walk, argument);
        break;
    case CODE_KEYWORD_NAMES:
        walk->keywords = item_of(walk, walk->code->constants, argument);
        if (walk->keywords && walk->keywords->kind != MARSHAL_TUPLE)
            bytecode_refuse(walk, "a call whose keywords are not names");
        break;
    default:
        break;
    }
}

static void values(struct walk *walk, const struct code_row *row, unsigned argument)
{
    struct expr *operand;
    switch (row->op) {
    case CODE_CONSTANT:
        push(walk, constant_at(walk, argument));
        break;
    case CODE_SMALL_INT:
        push(walk, expr_int(walk->maker, argument));
        break;
    case CODE_BINARY:
        binary(walk, row->operand);
        break;
    case CODE_BINARY_OP:
        binary_op(walk, argument);
        break;
    case CODE_UNARY:
        operand = pop(walk);
        push(walk, expr_with(walk->maker, EXPR_UNARY, row->operand, &operand, 1));
        break;
    case CODE_COMPARE:
        compare(walk, argument);
        break;
    case CODE_COMPARE_SHIFTED:
        compare(walk, argument >> row->operand);
        break;
    case CODE_INDEX:
        index_with(walk, pop(walk));
        break;
    case CODE_INDEX_SLICE:
        index_slice(walk);
        break;
    case CODE_SLICE_27:
        slice_27(walk, row->operand);
        break;
    case CODE_TUPLE:
        collect(walk, EXPR_TUPLE, argument);
        break;
    case CODE_LIST:
        collect(walk, EXPR_LIST, argument);
        break;
    case CODE_SLICE:
        slice(walk, argument);
        break;
    case CODE_LIST_EXTEND:
        list_extend(walk);
        break;
    case CODE_LIST_TO_TUPLE:
        list_to_tuple(walk);
        break;
    case CODE_UNPACK:
        unpack(walk, argument);
        break;
    default:
        break;
    }
}

static void names(struct walk *walk, const struct code_row *row, unsigned argument)
{
    switch (row->op) {
    case CODE_ATTRIBUTE:
        attribute(walk, argument, false);
        break;
    case CODE_ATTRIBUTE_METHOD:
        attribute(walk, argument >> 1, argument & 1);
        break;
    case CODE_METHOD:
        attribute(walk, argument, walk->code->layout == MARSHAL_PYTHON_311);
        break;
    case CODE_IMPORT:
        import_module(walk, argument);
        break;
    case CODE_IMPORT_FROM:
        import_from(walk, argument);
        break;
    case CODE_RETURN:
        walk->result = pop(walk);
        break;
    case CODE_RETURN_CONSTANT:
        walk->result = constant_at(walk, argument);
        break;
    default:
        break;
    }
}

void bytecode_step(struct walk *walk, const struct code_row *row, unsigned argument)
{
    move(walk, row, argument);
    variables(walk, row, argument);
    values(walk, row, argument);
    calls(walk, row, argument);
    names(walk, row, argument);
}

