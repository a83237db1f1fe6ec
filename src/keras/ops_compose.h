/* Short names for what functions are composed of; for the ops_*.c files alone. */
#ifndef KD_KERAS_OPS_COMPOSE_H
#define KD_KERAS_OPS_COMPOSE_H

#include "keras/ops_math.h"

static inline engine_value unary(struct ops_call *op, enum unary_kind kind, engine_value x)
{
    return engine_unary(op->graph, (struct unary){.kind = kind}, x);
}

static inline engine_value binary(struct ops_call *op, enum binary_kind kind, engine_value x, engine_value y)
{
    return engine_binary(op->graph, kind, x, y);
}

/* With a number of x's type. */
static inline engine_value binary_with(struct ops_call *op, enum binary_kind kind, engine_value x, double number)
{
    return binary(op, kind, x, keras_scalar(op->call, x, number));
}

#endif
