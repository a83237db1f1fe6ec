/* expr: making and printing expression trees. Makers are bounded in depth and count, so no later walk can be made
 * to recurse deeply or to grow without end by a hostile file. */
#include "keras/expr.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/size.h"

int expr_fail(struct expr_maker *maker, int code, const char *format, ...)
{
    if (maker->failed)
        return maker->failed;
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    maker->failed = err_set(maker->err, code, "%s", text);
    return maker->failed;
}

struct expr *expr_new(struct expr_maker *maker, enum expr_kind kind)
{
    if (maker->failed)
        return NULL;
    if (++maker->n_nodes > EXPR_MAX_NODES) {
        expr_fail(maker, KD_ETOOBIG, "the expression has more than %d parts", EXPR_MAX_NODES);
        return NULL;
    }
    struct expr *expr = arena_alloc(maker->arena, sizeof(*expr));
    if (!expr) {
        expr_fail(maker, KD_ENOMEM, "out of memory");
        return NULL;
    }
    expr->kind = kind;
    expr->depth = 1;
    return expr;
}

struct expr *expr_int(struct expr_maker *maker, int64_t integer)
{
    struct expr *expr = expr_new(maker, EXPR_INT);
    if (expr)
        expr->integer = integer;
    return expr;
}

struct expr *expr_float(struct expr_maker *maker, double number)
{
    struct expr *expr = expr_new(maker, EXPR_FLOAT);
    if (expr)
        expr->number = number;
    return expr;
}

struct expr *expr_text(struct expr_maker *maker, enum expr_kind kind, const char *text, size_t length)
{
    struct expr *expr = expr_new(maker, kind);
    if (expr && !(expr->text = arena_strndup(maker->arena, text, length))) {
        expr_fail(maker, KD_ENOMEM, "out of memory");
        return NULL;
    }
    return expr;
}

struct expr *expr_with(struct expr_maker *maker, enum expr_kind kind, int op, struct expr *const *items, size_t n)
{
    struct expr *expr = expr_new(maker, kind);
    if (!expr)
        return NULL;
    expr->op = op;
    expr->n_items = n;
    expr->items = arena_calloc(maker->arena, n, sizeof(struct expr *));
    if (!expr->items) {
        expr_fail(maker, KD_ENOMEM, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (!items[i])
            return NULL;
        expr->items[i] = items[i];
        if (items[i]->depth >= expr->depth)
            expr->depth = items[i]->depth + 1;
    }
    if (expr->depth > EXPR_MAX_DEPTH) {
        expr_fail(maker, KD_ETOOBIG, "the expression is nested more than %d deep", EXPR_MAX_DEPTH);
        return NULL;
    }
    return expr;
}

#define CALL_MAX_ITEMS 64

struct expr *expr_call(struct expr_maker *maker, struct expr *function, struct expr *const *args, size_t n_args,
                       const char *const *names, size_t n_names)
{
    struct expr *items[CALL_MAX_ITEMS];
    if (n_args + 1 > CALL_MAX_ITEMS || n_names > n_args) {
        expr_fail(maker, KD_EUNSUPPORTED, "a call with %zu arguments", n_args);
        return NULL;
    }
    items[0] = function;
    for (size_t i = 0; i < n_args; i++)
        items[i + 1] = args[i];
    struct expr *expr = expr_with(maker, EXPR_CALL, 0, items, n_args + 1);
    if (!expr)
        return NULL;
    expr->n_names = n_names;
    expr->names = arena_calloc(maker->arena, n_names, sizeof(char *));
    if (!expr->names) {
        expr_fail(maker, KD_ENOMEM, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < n_names; i++)
        expr->names[i] = names[i];
    return expr;
}

const char *expr_dotted(struct arena *arena, const struct expr *expr)
{
    if (expr->kind == EXPR_NAME)
        return expr->text;
    if (expr->kind != EXPR_ATTRIBUTE)
        return NULL;
    const char *inner = expr_dotted(arena, expr->items[0]);
    return inner ? arena_printf(arena, "%s.%s", inner, expr->text) : NULL;
}

/* ---- printing ---- */

struct operator_text {
    const char *text;
    int binds; /* stronger binds more */
};

static const struct operator_text operators[EXPR_OP_COUNT] = {
    [EXPR_ADD] = {"+", 6},         [EXPR_SUBTRACT] = {"-", 6},  [EXPR_MULTIPLY] = {"*", 7},
    [EXPR_DIVIDE] = {"/", 7},      [EXPR_FLOOR_DIVIDE] = {"//", 7}, [EXPR_MODULO] = {"%", 7},
    [EXPR_POWER] = {"**", 9},      [EXPR_MATMUL] = {"@", 7},    [EXPR_AND] = {"&", 5},
    [EXPR_OR] = {"|", 3},          [EXPR_XOR] = {"^", 4},       [EXPR_LESS] = {"<", 2},
    [EXPR_LESS_EQUAL] = {"<=", 2}, [EXPR_EQUAL] = {"==", 2},    [EXPR_NOT_EQUAL] = {"!=", 2},
    [EXPR_GREATER] = {">", 2},     [EXPR_GREATER_EQUAL] = {">=", 2},
};

#define BINDS_UNARY 8
#define BINDS_ATOM 10

static void print(const struct expr *expr, int outer, struct buf *ret);

static void print_list(const struct expr *expr, const char *open, const char *close, struct buf *ret)
{
    buf_puts(ret, open);
    for (size_t i = 0; i < expr->n_items && !ret->failed; i++) {
        if (i)
            buf_puts(ret, ", ");
        print(expr->items[i], 0, ret);
    }
    if (expr->kind == EXPR_TUPLE && expr->n_items == 1)
        buf_putc(ret, ',');
    buf_puts(ret, close);
}

static void print_slice(const struct expr *expr, struct buf *ret)
{
    for (int i = 0; i < 3; i++) {
        bool none = expr->items[i]->kind == EXPR_NONE;
        if (i == 1 || (i == 2 && !none))
            buf_putc(ret, ':');
        if (!none)
            print(expr->items[i], 0, ret);
    }
}

static void print_index(const struct expr *expr, struct buf *ret)
{
    const struct expr *index = expr->items[1];
    print(expr->items[0], BINDS_ATOM, ret);
    if (index->kind == EXPR_TUPLE && index->n_items > 1)
        print_list(index, "[", "]", ret);
    else {
        buf_putc(ret, '[');
        print(index, 0, ret);
        buf_putc(ret, ']');
    }
}

static void print_call(const struct expr *expr, struct buf *ret)
{
    size_t first_named = expr->n_items - expr->n_names;
    print(expr->items[0], BINDS_ATOM, ret);
    buf_putc(ret, '(');
    for (size_t i = 1; i < expr->n_items && !ret->failed; i++) {
        if (i > 1)
            buf_puts(ret, ", ");
        if (i >= first_named)
            buf_printf(ret, "%s=", expr->names[i - first_named]);
        print(expr->items[i], 0, ret);
    }
    buf_putc(ret, ')');
}

static void print_float(double number, struct buf *ret)
{
    if (isnan(number) || isinf(number)) {
        buf_puts(ret, isnan(number) ? "float('nan')" : number > 0 ? "float('inf')" : "float('-inf')");
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, number);
        double again = 0;
        if (sscanf(text, "%lf", &again) == 1 && again == number)
            break;
    }
    buf_puts(ret, text);
    if (!strpbrk(text, ".en"))
        buf_puts(ret, ".0");
}

static void print_operation(const struct expr *expr, int outer, struct buf *ret)
{
    bool unary = expr->kind == EXPR_UNARY;
    int binds = unary ? BINDS_UNARY : operators[expr->op].binds;
    bool right = expr->op == EXPR_POWER && !unary;
    if (binds < outer)
        buf_putc(ret, '(');
    if (unary) {
        buf_puts(ret, expr->op == '!' ? "not " : expr->op == '-' ? "-" : expr->op == '+' ? "+" : "~");
        print(expr->items[0], binds, ret);
    } else {
        print(expr->items[0], right ? binds + 1 : binds, ret);
        buf_printf(ret, right ? "%s" : " %s ", operators[expr->op].text);
        print(expr->items[1], right ? binds : binds + 1, ret);
    }
    if (binds < outer)
        buf_putc(ret, ')');
}

static void print(const struct expr *expr, int outer, struct buf *ret)
{
    if (ret->failed)
        return;
    switch (expr->kind) {
    case EXPR_NONE:
        buf_puts(ret, "None");
        break;
    case EXPR_BOOL:
        buf_puts(ret, expr->integer ? "True" : "False");
        break;
    case EXPR_INT:
        buf_printf(ret, "%" PRId64, expr->integer);
        break;
    case EXPR_FLOAT:
        print_float(expr->number, ret);
        break;
    case EXPR_STRING:
        buf_json_string(ret, expr->text, strlen(expr->text));
        break;
    case EXPR_ELLIPSIS:
        buf_puts(ret, "...");
        break;
    case EXPR_TUPLE:
        print_list(expr, "(", ")", ret);
        break;
    case EXPR_LIST:
        print_list(expr, "[", "]", ret);
        break;
    case EXPR_SLICE:
        print_slice(expr, ret);
        break;
    case EXPR_PARAM:
    case EXPR_NAME:
        buf_puts(ret, expr->text);
        break;
    case EXPR_ATTRIBUTE:
        print(expr->items[0], BINDS_ATOM, ret);
        buf_printf(ret, ".%s", expr->text);
        break;
    case EXPR_CALL:
        print_call(expr, ret);
        break;
    case EXPR_INDEX:
        print_index(expr, ret);
        break;
    case EXPR_UNARY:
    case EXPR_BINARY:
        print_operation(expr, outer, ret);
        break;
    }
}

void expr_print(const struct expr_function *function, struct buf *ret)
{
    buf_puts(ret, "lambda ");
    for (size_t i = 0; i < function->n_params; i++) {
        buf_printf(ret, "%s%s", i ? ", " : "", function->params[i].name);
        if (function->params[i].value) {
            buf_putc(ret, '=');
            print(function->params[i].value, 0, ret);
        }
    }
    buf_puts(ret, ": ");
    if (function->body)
        print(function->body, 0, ret);
    else
        buf_puts(ret, "...");
}
