/* fuse_gates: activations that models spell out. Swish is x * sigmoid(x), hard swish x * relu6(x + 3) / 6 (as
 * MobileNetV3 of keras.applications is built); found as one function they can ride on the product before. */
#include <math.h>

#include "engine/fuse.h"

static int become_unary(struct fuse *fuse, struct node *node, enum unary_kind kind, engine_value x)
{
    struct unary_attrs *attrs = arena_alloc(fuse->graph->arena, sizeof(*attrs));
    engine_value *inputs = arena_alloc(fuse->graph->arena, sizeof(*inputs));
    if (!attrs || !inputs)
        return KD_ENOMEM;
    attrs->function.kind = kind;
    *inputs = x;
    node->op = &op_unary;
    node->attrs = attrs;
    node->attrs_size = sizeof(*attrs);
    node->inputs = inputs;
    node->n_inputs = 1;
    return 0;
}

/* The node that only this one reads goes; what it read is read by this one now. */
static void absorb(struct fuse *fuse, const struct node *gone)
{
    fuse->uses[gone->outputs[0]] = 0;
    fuse->engine->live[gone - fuse->graph->nodes] = false;
}

/* A constant that is one number throughout (within a rounding); operand missing: `absent`. */
static bool all_are(const struct fuse *fuse, engine_value constant, float number, float absent)
{
    if (constant == ENGINE_NONE)
        return number == absent;
    const struct value *value = fuse_known(fuse, constant);
    int64_t n;
    if (!value->data || !shape_elements(&value->shape, &n))
        return false;
    for (int64_t i = 0; i < n; i++)
        if (!(fabsf(((const float *)value->data)[i] - number) <= 2e-7f * fabsf(number)))
            return false;
    return true;
}

static bool is_scale_shift(const struct fuse *fuse, const struct node *node, float scale, float shift,
                           enum unary_kind activation)
{
    return node && node->op == &op_scale_shift &&
           ((const struct scale_shift_attrs *)node->attrs)->fused.activation.kind == activation &&
           all_are(fuse, node->inputs[1], scale, 1) && all_are(fuse, node->inputs[2], shift, 0);
}

/* relu6(x + 3) / 6, found at the division: itself still a multiplication by a constant, or a scale_shift. */
static int rule_hard_sigmoid(struct fuse *fuse, struct node *node)
{
    if (!is_scale_shift(fuse, node, 1.0f / 6, 0, UNARY_LINEAR) || fuse->uses[node->inputs[0]] != 1)
        return 0;
    const struct node *before = fuse_producer(fuse, node->inputs[0]);
    if (!is_scale_shift(fuse, before, 1, 3, UNARY_RELU6))
        return 0;
    absorb(fuse, before);
    return become_unary(fuse, node, UNARY_HARD_SIGMOID_3, before->inputs[0]);
}

static bool gate_of(const struct fuse *fuse, engine_value gate, engine_value x, enum unary_kind *ret)
{
    const struct node *node = fuse->uses[gate] == 1 ? fuse_producer(fuse, gate) : NULL;
    if (!node || node->op != &op_unary || node->inputs[0] != x ||
        fuse_known(fuse, gate)->dtype != fuse_known(fuse, x)->dtype)
        return false;
    enum unary_kind kind = ((const struct unary_attrs *)node->attrs)->function.kind;
    *ret = kind == UNARY_SIGMOID ? UNARY_SILU : UNARY_HARD_SILU;
    return kind == UNARY_SIGMOID || kind == UNARY_HARD_SIGMOID_3;
}

static int rule_gate(struct fuse *fuse, struct node *node)
{
    enum unary_kind kind;
    if (node->op != &op_binary || ((const struct binary_attrs *)node->attrs)->kind != BINARY_MULTIPLY)
        return 0;
    for (int k = 0; k < 2; k++) {
        engine_value x = node->inputs[!k];
        if (!gate_of(fuse, node->inputs[k], x, &kind))
            continue;
        absorb(fuse, fuse_producer(fuse, node->inputs[k]));
        fuse->uses[x]--; /* the gate and the product read it */
        return become_unary(fuse, node, kind, x);
    }
    return 0;
}

int fuse_gates(struct fuse *fuse, int index)
{
    struct node *node = &fuse->graph->nodes[index];
    int status = rule_hard_sigmoid(fuse, node);
    return status ? status : rule_gate(fuse, node);
}
