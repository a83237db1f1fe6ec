/* What the two files of the bytecode reader share: bytecode.c (versions, variables, the loop) and bytecode_step.c (what
 * one instruction does to the stack). */
#ifndef KD_KERAS_BYTECODE_WALK_H
#define KD_KERAS_BYTECODE_WALK_H

#include <stddef.h>

#include "keras/bytecode_table.h"
#include "keras/expr.h"
#include "keras/marshal.h"

#define STACK_MAX 256
#define LOCALS_MAX 256

struct walk {
    const struct marshal_code *code;
    const struct code_table *table;
    struct expr_maker *maker;
    struct expr *const *closure;
    size_t n_closure;
    struct expr *stack[STACK_MAX];
    size_t depth;
    struct expr *locals[LOCALS_MAX]; /* in 3.11 and later cells and free variables too */
    struct expr *cells[LOCALS_MAX];
    const struct marshal_object *keywords; /* of the next CALL */
    struct expr *null;                     /* the stack's NULL */
    struct expr *result;
};

int bytecode_refuse(struct walk *walk, const char *what);
/* Takes the step of one instruction; a failure is in walk->maker. */
void bytecode_step(struct walk *walk, const struct code_row *row, unsigned argument);

#endif
