/* math: the printed names of the element-wise functions, from the same table as their kinds. */
#include "kernels/math.h"

#define UNARY(kind, text) text,
static const char *const unary_names[] = {UNARY_KINDS(UNARY)};
#undef UNARY

#define BINARY(kind, text) text,
static const char *const binary_names[] = {BINARY_KINDS(BINARY)};
#undef BINARY

const char *unary_name(enum unary_kind kind)
{
    return unary_names[kind];
}

const char *binary_name(enum binary_kind kind)
{
    return binary_names[kind];
}
