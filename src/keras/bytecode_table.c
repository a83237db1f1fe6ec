/* bytecode tables: which number is which instruction. The lists hold what straight-line expressions compile to and
 * nothing else; an instruction that is not here is refused by its number and the Python version. */
#include "keras/bytecode_table.h"

#include "keras/expr.h"

#define END {0xffff, 0, 0, 0}

/* The same from 2.7 to 3.10. */
static const struct code_row classic[] = {
    {1, CODE_POP, 0, 0},
    {2, CODE_ROTATE_2, 0, 0},
    {3, CODE_ROTATE_3, 0, 0},
    {4, CODE_DUPLICATE, 0, 0},
    {9, CODE_NOTHING, 0, 0},
    {10, CODE_UNARY, 0, '+'},
    {11, CODE_UNARY, 0, '-'},
    {12, CODE_UNARY, 0, '!'},
    {15, CODE_UNARY, 0, '~'},
    {19, CODE_BINARY, 0, EXPR_POWER},
    {20, CODE_BINARY, 0, EXPR_MULTIPLY},
    {22, CODE_BINARY, 0, EXPR_MODULO},
    {23, CODE_BINARY, 0, EXPR_ADD},
    {24, CODE_BINARY, 0, EXPR_SUBTRACT},
    {25, CODE_INDEX, 0, 0},
    {26, CODE_BINARY, 0, EXPR_FLOOR_DIVIDE},
    {27, CODE_BINARY, 0, EXPR_DIVIDE},
    {28, CODE_BINARY, 0, EXPR_FLOOR_DIVIDE},
    {29, CODE_BINARY, 0, EXPR_DIVIDE},
    {55, CODE_BINARY, 0, EXPR_ADD},
    {56, CODE_BINARY, 0, EXPR_SUBTRACT},
    {57, CODE_BINARY, 0, EXPR_MULTIPLY},
    {59, CODE_BINARY, 0, EXPR_MODULO},
    {64, CODE_BINARY, 0, EXPR_AND},
    {65, CODE_BINARY, 0, EXPR_XOR},
    {66, CODE_BINARY, 0, EXPR_OR},
    {67, CODE_BINARY, 0, EXPR_POWER},
    {77, CODE_BINARY, 0, EXPR_AND},
    {78, CODE_BINARY, 0, EXPR_XOR},
    {79, CODE_BINARY, 0, EXPR_OR},
    {83, CODE_RETURN, 0, 0},
    {92, CODE_UNPACK, 0, 0},
    {100, CODE_CONSTANT, 0, 0},
    {101, CODE_GLOBAL, 0, 0},
    {102, CODE_TUPLE, 0, 0},
    {103, CODE_LIST, 0, 0},
    {106, CODE_ATTRIBUTE, 0, 0},
    {107, CODE_COMPARE, 0, 0},
    {108, CODE_IMPORT, 0, 0},
    {109, CODE_IMPORT_FROM, 0, 0},
    {116, CODE_GLOBAL, 0, 0},
    {124, CODE_LOCAL, 0, 0},
    {125, CODE_STORE, 0, 0},
    {126, CODE_NOTHING, 0, 0},
    {133, CODE_SLICE, 0, 0},
    {136, CODE_FREE, 0, 0},
    {137, CODE_STORE_FREE, 0, 0},
    END,
};

static const struct code_row only_27[] = {
    {5, CODE_ROTATE_4, 0, 0},
    {21, CODE_BINARY, 0, EXPR_DIVIDE},
    {58, CODE_BINARY, 0, EXPR_DIVIDE},
    {30, CODE_SLICE_27, 0, 0},
    {31, CODE_SLICE_27, 0, 1},
    {32, CODE_SLICE_27, 0, 2},
    {33, CODE_SLICE_27, 0, 3},
    {131, CODE_CALL_OLD, 0, 0},
    {145, CODE_EXTENDED_ARG, 0, 0},
    END,
};

static const struct code_row only_30[] = {
    {5, CODE_DUPLICATE_2, 0, 0},
    {16, CODE_BINARY, 0, EXPR_MATMUL},
    {17, CODE_BINARY, 0, EXPR_MATMUL},
    {131, CODE_CALL_OLD, 0, 0},
    {144, CODE_EXTENDED_ARG, 0, 0},
    END,
};

static const struct code_row only_36[] = {
    {5, CODE_DUPLICATE_2, 0, 0},
    {6, CODE_ROTATE_4, 0, 0},
    {16, CODE_BINARY, 0, EXPR_MATMUL},
    {17, CODE_BINARY, 0, EXPR_MATMUL},
    {82, CODE_LIST_TO_TUPLE, 0, 0},
    {131, CODE_CALL_FUNCTION, 0, 0},
    {141, CODE_CALL_KEYWORDS, 0, 0},
    {142, CODE_CALL_SPREAD, 0, 0},
    {144, CODE_EXTENDED_ARG, 0, 0},
    {160, CODE_METHOD, 0, 0},
    {161, CODE_CALL_METHOD, 0, 0},
    {162, CODE_LIST_EXTEND, 0, 0},
    END,
};

static const struct code_row none[] = {END};

/* The same in 3.11 and 3.12. */
static const struct code_row modern[] = {
    {1, CODE_POP, 0, 0},
    {2, CODE_PUSH_NULL, 0, 0},
    {9, CODE_NOTHING, 0, 0},
    {11, CODE_UNARY, 0, '-'},
    {12, CODE_UNARY, 0, '!'},
    {15, CODE_UNARY, 0, '~'},
    {82, CODE_LIST_TO_TUPLE, 0, 0},
    {83, CODE_RETURN, 0, 0},
    {92, CODE_UNPACK, 1, 0},
    {99, CODE_SWAP, 0, 0},
    {100, CODE_CONSTANT, 0, 0},
    {102, CODE_TUPLE, 0, 0},
    {103, CODE_LIST, 0, 0},
    {108, CODE_IMPORT, 0, 0},
    {109, CODE_IMPORT_FROM, 0, 0},
    {120, CODE_COPY, 0, 0},
    {122, CODE_BINARY_OP, 1, 0},
    {124, CODE_LOCAL, 0, 0},
    {125, CODE_STORE, 0, 0},
    {126, CODE_NOTHING, 0, 0},
    {133, CODE_SLICE, 0, 0},
    {135, CODE_NOTHING, 0, 0},
    {137, CODE_LOCAL, 0, 0}, /* LOAD_DEREF: cells and free variables are numbered with the locals */
    {138, CODE_STORE, 0, 0},
    {142, CODE_CALL_SPREAD, 0, 0},
    {144, CODE_EXTENDED_ARG, 0, 0},
    {149, CODE_NOTHING, 0, 0},
    {151, CODE_NOTHING, 0, 0},
    {162, CODE_LIST_EXTEND, 0, 0},
    {172, CODE_KEYWORD_NAMES, 0, 0},
    END,
};

static const struct code_row only_311[] = {
    {10, CODE_UNARY, 0, '+'},
    {25, CODE_INDEX, 4, 0},
    {106, CODE_ATTRIBUTE, 4, 0},
    {107, CODE_COMPARE, 2, 0},
    {116, CODE_GLOBAL_NULL, 5, 0},
    {160, CODE_METHOD, 10, 0},
    {166, CODE_NOTHING, 1, 0},
    {171, CODE_CALL, 4, 0},
    END,
};

static const struct code_row only_312[] = {
    {25, CODE_INDEX, 1, 0},
    {26, CODE_INDEX_SLICE, 0, 0},
    {106, CODE_ATTRIBUTE_METHOD, 9, 0},
    {107, CODE_COMPARE_SHIFTED, 1, 4},
    {116, CODE_GLOBAL_NULL, 4, 0},
    {121, CODE_RETURN_CONSTANT, 0, 0},
    {127, CODE_LOCAL, 0, 0},
    {171, CODE_CALL, 3, 0},
    END,
};

static const struct code_row only_313[] = {
    {4, CODE_INDEX_SLICE, 0, 0},
    {5, CODE_INDEX, 1, 0},
    {30, CODE_NOTHING, 0, 0},
    {32, CODE_POP, 0, 0},
    {34, CODE_PUSH_NULL, 0, 0},
    {36, CODE_RETURN, 0, 0},
    {41, CODE_UNARY, 0, '~'},
    {42, CODE_UNARY, 0, '-'},
    {43, CODE_UNARY, 0, '!'},
    {45, CODE_BINARY_OP, 1, 0},
    {47, CODE_LIST, 0, 0},
    {50, CODE_SLICE, 0, 0},
    {52, CODE_TUPLE, 0, 0},
    {53, CODE_CALL, 3, 0},
    {54, CODE_CALL_SPREAD, 0, 0},
    {57, CODE_CALL_KW_313, 0, 0},
    {58, CODE_COMPARE_SHIFTED, 1, 5},
    {61, CODE_COPY, 0, 0},
    {62, CODE_NOTHING, 0, 0},
    {65, CODE_NOTHING, 0, 0},
    {71, CODE_EXTENDED_ARG, 0, 0},
    {74, CODE_IMPORT_FROM, 0, 0},
    {75, CODE_IMPORT, 0, 0},
    {81, CODE_LIST_EXTEND, 0, 0},
    {82, CODE_ATTRIBUTE_METHOD, 9, 0},
    {83, CODE_CONSTANT, 0, 0},
    {84, CODE_LOCAL, 0, 0},
    {85, CODE_LOCAL, 0, 0},
    {87, CODE_LOCAL, 0, 0},
    {88, CODE_TWO_LOCALS, 0, 0},
    {91, CODE_GLOBAL_NULL, 4, 0},
    {94, CODE_NOTHING, 0, 0},
    {103, CODE_RETURN_CONSTANT, 0, 0},
    {109, CODE_STORE, 0, 0},
    {110, CODE_STORE, 0, 0},
    {111, CODE_STORE_LOCAL, 0, 0},
    {112, CODE_STORE_TWO, 0, 0},
    {115, CODE_SWAP, 0, 0},
    {117, CODE_UNPACK, 1, 0},
    {149, CODE_NOTHING, 0, 0},
    END,
};

const struct code_table code_tables_27[] = {{"2.7", 0, 90, only_27, classic}, {NULL, 0, 0, NULL, NULL}};

const struct code_table code_tables_30[] = {
    {"3.6 to 3.7", 1, 0, only_36, classic},
    {"3.0 to 3.5", 0, 90, only_30, classic},
    {NULL, 0, 0, NULL, NULL},
};

const struct code_table code_tables_38[] = {{"3.8 to 3.10", 1, 0, only_36, classic}, {NULL, 0, 0, NULL, NULL}};

const struct code_table code_tables_311[] = {
    {"3.11", 1, 0, only_311, modern},
    {"3.12", 1, 0, only_312, modern},
    {"3.13", 1, 0, only_313, none},
    {NULL, 0, 0, NULL, NULL},
};
