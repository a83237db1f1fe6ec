/* expr_parse: the language of the sidecar file: one Python expression, "lambda a, b: abs(a - b)" or bare over x.
 *
 * A Pratt parser: each operator has a binding strength, parse(strength) reads everything that binds at least as
 * much. It recurses with the nesting of the text, which is bounded by MAX_NESTING. */
#include "keras/expr.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/size.h"

#define MAX_NESTING 60
#define MAX_LIST 64
#define MAX_PARAMS 16

struct parser {
    const char *text, *at;
    struct expr_maker maker;
    struct expr_function *function;
    int nesting;
};

static struct expr *parse(struct parser *parser, int strength);

static struct expr *fail(struct parser *parser, const char *what)
{
    expr_fail(&parser->maker, KD_EINVAL, "%s at column %zu of \"%.80s\"", what,
              (size_t)(parser->at - parser->text) + 1, parser->text);
    return NULL;
}

static void skip_space(struct parser *parser)
{
    while (isspace((unsigned char)*parser->at))
        parser->at++;
}

static bool accept(struct parser *parser, const char *token)
{
    size_t length = strlen(token);
    skip_space(parser);
    if (strncmp(parser->at, token, length) != 0)
        return false;
    if (isalpha((unsigned char)token[0]) && (isalnum((unsigned char)parser->at[length]) || parser->at[length] == '_'))
        return false;
    parser->at += length;
    return true;
}

static bool expect(struct parser *parser, const char *token)
{
    if (accept(parser, token))
        return true;
    if (!parser->maker.failed)
        expr_fail(&parser->maker, KD_EINVAL, "'%s' expected at column %zu of \"%.80s\"", token,
                  (size_t)(parser->at - parser->text) + 1, parser->text);
    return false;
}

static bool name_at(const char *at)
{
    return isalpha((unsigned char)*at) || *at == '_';
}

static size_t name_length(const char *at)
{
    size_t n = 0;
    while (isalnum((unsigned char)at[n]) || at[n] == '_')
        n++;
    return n;
}

static struct expr *parse_number(struct parser *parser)
{
    char *end;
    const char *start = parser->at;
    double number = strtod(start, &end);
    size_t length = (size_t)(end - start);
    bool integer = length <= 18 && strspn(start, "0123456789") == length;
    if (length == 0 || memchr(start, 'x', length) || memchr(start, 'X', length))
        return fail(parser, "a number expected");
    parser->at = end;
    return integer ? expr_int(&parser->maker, strtoll(start, NULL, 10)) : expr_float(&parser->maker, number);
}

static struct expr *parse_string(struct parser *parser)
{
    char quote = *parser->at++;
    const char *end = strchr(parser->at, quote);
    if (!end || memchr(parser->at, '\\', (size_t)(end - parser->at)))
        return fail(parser, end ? "a string without backslashes expected" : "the string does not end");
    struct expr *expr = expr_text(&parser->maker, EXPR_STRING, parser->at, (size_t)(end - parser->at));
    parser->at = end + 1;
    return expr;
}

static bool is_param(const struct parser *parser, const char *name, size_t length)
{
    for (size_t i = 0; i < parser->function->n_params; i++)
        if (strlen(parser->function->params[i].name) == length &&
            memcmp(parser->function->params[i].name, name, length) == 0)
            return true;
    return false;
}

static struct expr *bool_expr(struct parser *parser, int value)
{
    struct expr *expr = expr_new(&parser->maker, EXPR_BOOL);
    if (expr)
        expr->integer = value;
    return expr;
}

static struct expr *parse_name(struct parser *parser)
{
    if (accept(parser, "None"))
        return expr_new(&parser->maker, EXPR_NONE);
    if (accept(parser, "True"))
        return bool_expr(parser, 1);
    if (accept(parser, "False"))
        return bool_expr(parser, 0);
    const char *name = parser->at;
    size_t length = name_length(name);
    parser->at += length;
    return expr_text(&parser->maker, is_param(parser, name, length) ? EXPR_PARAM : EXPR_NAME, name, length);
}

/* The items up to the closing token; *ret_comma says whether there was a comma (a tuple). */
static size_t parse_items(struct parser *parser, const char *close, struct expr **items, bool *ret_comma)
{
    size_t n = 0;
    *ret_comma = false;
    while (!parser->maker.failed && !accept(parser, close)) {
        if (n >= MAX_LIST) {
            fail(parser, "too many items");
            return 0;
        }
        items[n++] = parse(parser, 0);
        if (accept(parser, ","))
            *ret_comma = true;
        else if (!expect(parser, close))
            return 0;
        else
            break;
    }
    return n;
}

static struct expr *parse_group(struct parser *parser)
{
    struct expr *items[MAX_LIST];
    bool comma;
    size_t n = parse_items(parser, ")", items, &comma);
    if (parser->maker.failed)
        return NULL;
    return n == 1 && !comma ? items[0] : expr_with(&parser->maker, EXPR_TUPLE, 0, items, n);
}

static struct expr *parse_bracket_list(struct parser *parser)
{
    struct expr *items[MAX_LIST];
    bool comma;
    size_t n = parse_items(parser, "]", items, &comma);
    return parser->maker.failed ? NULL : expr_with(&parser->maker, EXPR_LIST, 0, items, n);
}

static struct expr *parse_unary(struct parser *parser, int op, int strength)
{
    struct expr *operand = parse(parser, strength);
    if (operand && op == '-' && operand->kind == EXPR_INT)
        return expr_int(&parser->maker, -operand->integer);
    if (operand && op == '-' && operand->kind == EXPR_FLOAT)
        return expr_float(&parser->maker, -operand->number);
    return expr_with(&parser->maker, EXPR_UNARY, op, &operand, 1);
}

#define BINDS_UNARY 8
#define BINDS_NOT 1

static struct expr *parse_atom(struct parser *parser)
{
    skip_space(parser);
    char c = *parser->at;
    if (accept(parser, "..."))
        return expr_new(&parser->maker, EXPR_ELLIPSIS);
    if (isdigit((unsigned char)c) || (c == '.' && isdigit((unsigned char)parser->at[1])))
        return parse_number(parser);
    if (c == '\'' || c == '"')
        return parse_string(parser);
    if (accept(parser, "("))
        return parse_group(parser);
    if (accept(parser, "["))
        return parse_bracket_list(parser);
    if (accept(parser, "-"))
        return parse_unary(parser, '-', BINDS_UNARY);
    if (accept(parser, "+"))
        return parse_unary(parser, '+', BINDS_UNARY);
    if (accept(parser, "~"))
        return parse_unary(parser, '~', BINDS_UNARY);
    if (accept(parser, "not"))
        return parse_unary(parser, '!', BINDS_NOT);
    if (name_at(parser->at))
        return parse_name(parser);
    return fail(parser, "an expression expected");
}

/* ---- what follows an atom: .name, (arguments), [index] ---- */

static struct expr *parse_attribute(struct parser *parser, struct expr *object)
{
    skip_space(parser);
    if (!name_at(parser->at))
        return fail(parser, "a name expected");
    size_t length = name_length(parser->at);
    struct expr *name = expr_text(&parser->maker, EXPR_NAME, parser->at, length);
    struct expr *expr = expr_with(&parser->maker, EXPR_ATTRIBUTE, 0, &object, 1);
    parser->at += length;
    if (expr && name)
        expr->text = name->text;
    return expr;
}

/* "name=" but not "name==". */
static const char *keyword_at(struct parser *parser)
{
    skip_space(parser);
    size_t n = name_at(parser->at) ? name_length(parser->at) : 0;
    const char *after = parser->at + n;
    while (isspace((unsigned char)*after))
        after++;
    if (n == 0 || after[0] != '=' || after[1] == '=')
        return NULL;
    const char *name = arena_strndup(parser->maker.arena, parser->at, n);
    parser->at = after + 1;
    return name;
}

static struct expr *parse_arguments(struct parser *parser, struct expr *function)
{
    struct expr *args[MAX_LIST];
    const char *names[MAX_LIST];
    size_t n = 0, n_names = 0;
    while (!parser->maker.failed && !accept(parser, ")")) {
        if (n >= MAX_LIST - 1)
            return fail(parser, "too many arguments");
        const char *name = keyword_at(parser);
        if (name)
            names[n_names++] = name;
        else if (n_names)
            return fail(parser, "an argument with a name expected");
        args[n++] = parse(parser, 0);
        if (!accept(parser, ",") && !expect(parser, ")"))
            return NULL;
        else if (parser->at[-1] == ')')
            break;
    }
    return parser->maker.failed ? NULL : expr_call(&parser->maker, function, args, n, names, n_names);
}

static struct expr *parse_subscript(struct parser *parser)
{
    struct expr *parts[3] = {NULL, NULL, NULL};
    int colons = 0;
    for (;;) {
        skip_space(parser);
        if (*parser->at == ':') {
            parser->at++;
            if (++colons > 2)
                return fail(parser, "one slice has three parts at most");
        } else if (*parser->at == ',' || *parser->at == ']' || parser->maker.failed) {
            break;
        } else if (parts[colons]) {
            return fail(parser, "',' or ']' expected");
        } else {
            parts[colons] = parse(parser, 0);
        }
    }
    if (colons == 0)
        return parts[0] ? parts[0] : fail(parser, "an index expected");
    for (int i = 0; i < 3; i++)
        if (!parts[i])
            parts[i] = expr_new(&parser->maker, EXPR_NONE);
    return expr_with(&parser->maker, EXPR_SLICE, 0, parts, 3);
}

static struct expr *parse_index(struct parser *parser, struct expr *object)
{
    struct expr *items[MAX_LIST];
    size_t n = 0;
    bool comma = false;
    do {
        if (n >= MAX_LIST)
            return fail(parser, "too many indices");
        items[n++] = parse_subscript(parser);
        if (accept(parser, ","))
            comma = true;
        else if (expect(parser, "]"))
            break;
    } while (!parser->maker.failed && !accept(parser, "]"));
    if (parser->maker.failed)
        return NULL;
    struct expr *index = comma ? expr_with(&parser->maker, EXPR_TUPLE, 0, items, n) : items[0];
    return expr_with(&parser->maker, EXPR_INDEX, 0, (struct expr *[]){object, index}, 2);
}

static struct expr *parse_trailers(struct parser *parser, struct expr *expr)
{
    while (expr && !parser->maker.failed) {
        skip_space(parser);
        if (*parser->at == '.' && !isdigit((unsigned char)parser->at[1]) && accept(parser, "."))
            expr = parse_attribute(parser, expr);
        else if (accept(parser, "("))
            expr = parse_arguments(parser, expr);
        else if (accept(parser, "["))
            expr = parse_index(parser, expr);
        else
            break;
    }
    return expr;
}

struct operator {
    const char *text;
    int op;
    int binds;
};

/* Longer tokens first. */
static const struct operator operators[] = {
    {"**", EXPR_POWER, 9},       {"//", EXPR_FLOOR_DIVIDE, 7}, {"<=", EXPR_LESS_EQUAL, 2},
    {">=", EXPR_GREATER_EQUAL, 2}, {"==", EXPR_EQUAL, 2},      {"!=", EXPR_NOT_EQUAL, 2},
    {"+", EXPR_ADD, 6},          {"-", EXPR_SUBTRACT, 6},      {"*", EXPR_MULTIPLY, 7},
    {"/", EXPR_DIVIDE, 7},       {"%", EXPR_MODULO, 7},        {"@", EXPR_MATMUL, 7},
    {"&", EXPR_AND, 5},          {"^", EXPR_XOR, 4},           {"|", EXPR_OR, 3},
    {"<", EXPR_LESS, 2},         {">", EXPR_GREATER, 2},
};

static const struct operator *operator_at(struct parser *parser)
{
    skip_space(parser);
    for (size_t i = 0; i < KD_COUNT(operators); i++)
        if (strncmp(parser->at, operators[i].text, strlen(operators[i].text)) == 0)
            return &operators[i];
    return NULL;
}

static struct expr *parse(struct parser *parser, int strength)
{
    if (parser->maker.failed)
        return NULL;
    if (++parser->nesting > MAX_NESTING)
        return fail(parser, "the expression is nested too deeply");
    struct expr *left = parse_trailers(parser, parse_atom(parser));
    const struct operator *operator;
    while (left && (operator= operator_at(parser)) && operator->binds >= strength && operator->binds > 0) {
        parser->at += strlen(operator->text);
        struct expr *right = parse(parser, operator->op == EXPR_POWER ? operator->binds - 1 : operator->binds + 1);
        left = expr_with(&parser->maker, EXPR_BINARY, operator->op, (struct expr *[]){left, right}, 2);
    }
    parser->nesting--;
    return left;
}

static void add_param(struct parser *parser, const char *name, size_t length)
{
    struct expr_function *function = parser->function;
    if (function->n_params >= MAX_PARAMS) {
        fail(parser, "too many parameters");
        return;
    }
    function->params[function->n_params++].name = arena_strndup(parser->maker.arena, name, length);
}

static void parse_params(struct parser *parser)
{
    while (!parser->maker.failed && !accept(parser, ":")) {
        skip_space(parser);
        if (!name_at(parser->at)) {
            fail(parser, "a parameter's name expected");
            return;
        }
        size_t length = name_length(parser->at);
        add_param(parser, parser->at, length);
        parser->at += length;
        if (accept(parser, "="))
            parser->function->params[parser->function->n_params - 1].value = parse(parser, 0);
        if (!accept(parser, ",") && expect(parser, ":"))
            break;
    }
}

int expr_parse(const char *text, struct arena *arena, struct expr_function *ret, struct err *err)
{
    struct parser parser = {.text = text, .at = text, .maker = {.arena = arena, .err = err}, .function = ret};
    *ret = (struct expr_function){.name = "expression", .sidecar = true};
    ret->params = arena_calloc(arena, MAX_PARAMS, sizeof(*ret->params));
    if (!ret->params)
        return err_set(err, KD_ENOMEM, "out of memory");
    if (accept(&parser, "lambda"))
        parse_params(&parser);
    else
        add_param(&parser, "x", 1);
    ret->body = parse(&parser, 0);
    skip_space(&parser);
    if (!parser.maker.failed && *parser.at)
        fail(&parser, "the end expected");
    return parser.maker.failed;
}
