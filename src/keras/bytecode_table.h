/* The numbers of Python's instructions, by version. A number may mean different things from one version to the
 * next, and so may the count of inline cache words behind it (3.11 on); a wrong table does not survive the walk. */
#ifndef KD_KERAS_BYTECODE_TABLE_H
#define KD_KERAS_BYTECODE_TABLE_H

#include <stdint.h>

enum code_op {
    CODE_UNKNOWN, /* not understood: refused */
    CODE_NOTHING, /* RESUME, NOP, MAKE_CELL, COPY_FREE_VARS, PRECALL, DELETE_FAST: no effect on the expression */
    CODE_EXTENDED_ARG,
    CODE_POP,
    CODE_ROTATE_2, CODE_ROTATE_3, CODE_ROTATE_4, CODE_DUPLICATE, CODE_DUPLICATE_2,
    CODE_SWAP, CODE_COPY,
    CODE_PUSH_NULL,
    CODE_CONSTANT, CODE_SMALL_INT, CODE_RETURN, CODE_RETURN_CONSTANT,
    CODE_LOCAL, CODE_TWO_LOCALS, CODE_STORE, CODE_STORE_TWO, CODE_STORE_LOCAL,
    CODE_GLOBAL,      /* name */
    CODE_GLOBAL_NULL, /* from 3.11: name << 1, low bit pushes NULL */
    CODE_FREE,        /* cell or free variable */
    CODE_STORE_FREE,
    CODE_ATTRIBUTE, CODE_ATTRIBUTE_METHOD, /* from 3.12: name << 1, low bit: method */
    CODE_METHOD,
    CODE_CALL_OLD,    /* to 3.5: low byte positional, high byte keyword pairs */
    CODE_CALL_FUNCTION, CODE_CALL_METHOD, CODE_CALL_KEYWORDS,
    CODE_CALL_SPREAD, /* CALL_FUNCTION_EX */
    CODE_KEYWORD_NAMES, CODE_CALL, CODE_CALL_KW_313,
    CODE_BINARY,      /* operand in the table */
    CODE_BINARY_OP,   /* operand in the argument */
    CODE_UNARY,
    CODE_COMPARE, CODE_COMPARE_SHIFTED, /* the operator above bit 4 (3.12) or 5 (3.13) */
    CODE_INDEX, CODE_INDEX_SLICE, CODE_SLICE_27,
    CODE_TUPLE, CODE_LIST, CODE_SLICE, CODE_LIST_EXTEND, CODE_LIST_TO_TUPLE,
    CODE_UNPACK, CODE_IMPORT, CODE_IMPORT_FROM
};

struct code_row {
    uint16_t number;
    uint8_t op;
    uint8_t caches;
    int8_t operand; /* of BINARY, UNARY, COMPARE_SHIFTED, SLICE_27 */
};

struct code_table {
    const char *python;
    int word;           /* 1: two-byte instructions (3.6 on) */
    int have_argument;  /* word 0: opcodes from here on have two bytes of argument */
    const struct code_row *rows; /* ends with number 0xffff */
    const struct code_row *also; /* rows shared with other versions, looked through after */
};

extern const struct code_table code_tables_27[], code_tables_30[], code_tables_38[], code_tables_311[];

#endif
