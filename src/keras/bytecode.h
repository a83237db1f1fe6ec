/* Bytecode: from a code object of Python to an expression, by walking the instructions with a stack of expressions.
 * Only straight-line code of an explicit list of opcodes is understood: no jumps, loops, comprehensions, nested
 * functions or assignments to anything but locals. */
#ifndef KD_KERAS_BYTECODE_H
#define KD_KERAS_BYTECODE_H

#include "keras/expr.h"

struct marshal_code;

/* closure: values of the free variables, by position (NULL where unknown). On failure ret->params are
 * set all the same, and the sentence says which instruction is not understood (KD_EUNSUPPORTED). */
int bytecode_read(const struct marshal_code *code, struct expr *const *closure, size_t n_closure,
                  struct expr_maker *maker, struct expr_function *ret);

#endif
