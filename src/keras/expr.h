/* Expr: a Python expression as a tree: what a Lambda's bytecode is read into, and what a sidecar file is written in.
 * It is never executed as code: expr_lower turns it into engine ops through the table of functions (ops.h).
 *
 * Nodes are shared (a local used twice is one node), so a tree is a directed graph without cycles; depth is bounded
 * when a node is made and every walk visits a node once, or writes into a bounded buffer. */
#ifndef KD_KERAS_EXPR_H
#define KD_KERAS_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;
struct err;
struct keras_arg;
struct keras_call;
struct keras_layer;

#define EXPR_MAX_DEPTH 120
#define EXPR_MAX_NODES 4000

enum expr_kind {
    EXPR_NONE,
    EXPR_BOOL,     /* integer 0 or 1 */
    EXPR_INT,
    EXPR_FLOAT,
    EXPR_STRING,
    EXPR_ELLIPSIS,
    EXPR_TUPLE,
    EXPR_LIST,
    EXPR_SLICE,    /* items: start, stop, step */
    EXPR_PARAM,    /* text: the parameter's name */
    EXPR_NAME,     /* text: a global, maybe dotted ("K", "tf.nn.relu"): known by its name alone */
    EXPR_ATTRIBUTE, /* items[0].text */
    EXPR_CALL,     /* items[0](items[1..]); the last n_names items are named */
    EXPR_INDEX,    /* items[0][items[1]] */
    EXPR_UNARY,    /* op: '-', '+', '~', '!' (not) */
    EXPR_BINARY    /* op: see enum expr_op */
};

enum expr_op {
    EXPR_ADD, EXPR_SUBTRACT, EXPR_MULTIPLY, EXPR_DIVIDE, EXPR_FLOOR_DIVIDE, EXPR_MODULO, EXPR_POWER, EXPR_MATMUL,
    EXPR_AND, EXPR_OR, EXPR_XOR,
    EXPR_LESS, EXPR_LESS_EQUAL, EXPR_EQUAL, EXPR_NOT_EQUAL, EXPR_GREATER, EXPR_GREATER_EQUAL,
    EXPR_OP_COUNT
};

struct expr {
    enum expr_kind kind;
    int op;
    int depth;
    int64_t integer;
    double number;
    const char *text;
    size_t n_items;
    struct expr **items;
    size_t n_names; /* CALL: keyword arguments, the last ones */
    const char **names;
    const struct keras_arg *value; /* while lowering: computed once per stamp */
    unsigned stamp;
};

/* A parameter of the function and the value it has if it is not given (NULL: must be given). */
struct expr_param {
    const char *name;
    const struct expr *value;
};

/* A function of one expression. */
struct expr_function {
    const char *name;
    size_t n_params;
    struct expr_param *params;
    struct expr *body;
    bool sidecar;   /* written for us: bare names are functions ("exp(x)"); in bytecode they are the user's own */
    unsigned stamp; /* of the last lowering */
};

/* Counts nodes and keeps the first error; makers return NULL after it. */
struct expr_maker {
    struct arena *arena;
    struct err *err;
    size_t n_nodes;
    int failed;
};

struct expr *expr_new(struct expr_maker *maker, enum expr_kind kind);
struct expr *expr_int(struct expr_maker *maker, int64_t integer);
struct expr *expr_float(struct expr_maker *maker, double number);
struct expr *expr_text(struct expr_maker *maker, enum expr_kind kind, const char *text, size_t length);
/* items are copied. NULL if one of them is NULL (then the error is set already). */
struct expr *expr_with(struct expr_maker *maker, enum expr_kind kind, int op, struct expr *const *items, size_t n);
struct expr *expr_call(struct expr_maker *maker, struct expr *function, struct expr *const *args, size_t n_args,
                       const char *const *names, size_t n_names);
int expr_fail(struct expr_maker *maker, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Python source of a function: "lambda x: x / 127.5 - 1.0". The buffer's ceiling bounds it. */
void expr_print(const struct expr_function *function, struct buf *ret);
/* "tf.nn.relu" for a NAME or a chain of attributes over one, allocated in the arena; NULL for anything else. */
const char *expr_dotted(struct arena *arena, const struct expr *expr);

/* Reads "lambda a, b: abs(a - b)" or a bare expression over x and inputs. Errors name the column. */
int expr_parse(const char *text, struct arena *arena, struct expr_function *ret, struct err *err);

/* Lowers the function's body on a call of a layer. values: one argument per parameter (NULL entries take the
 * parameter's own value). *ret: TENSOR, or LIST of them. Errors name what the expression uses that has no op here. */
int expr_lower(const struct keras_layer *layer, struct keras_call *call, struct expr_function *function,
               const struct keras_arg *const *values, struct keras_arg *ret, struct err *err);

#endif
