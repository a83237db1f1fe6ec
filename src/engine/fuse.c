/* fuse: fewer passes over memory, same numbers. One walk over the nodes in order; each is offered to the
 * rules below and may be taken into the node that yields its operand. Such a node is changed in place and
 * stays where it is; what the taken node yielded gets an alias. Only results with a single reader are
 * touched.
 *
 *   factors    scale_shift, or addition of or multiplication by a constant per channel: into the weights
 *              of the product before (BatchNormalization), or into a scale_shift or normalisation before
 *   before     a scale_shift goes into the product after it, where padding does not forbid that
 *   function   an activation rides on the product, scale_shift or arithmetic before
 *   residual   the addition of another tensor rides on the later of the two products it joins
 *   padding    zeros around a picture become the padding of the convolution (or maximum of what is never
 *              negative)
 *   transposes two in a row become one or none
 *   gates      x times a sigmoid of x is one function (fuse_gates.c)
 *
 * What is computed twice from the same operands is computed once (fuse_same.c), before all others.
 *
 * Views in between do not matter: channels of a product are a matter of the flat index modulo their
 * number. */
#include "engine/fuse.h"

#include <stdlib.h>
#include <string.h>

/* Constants that the rules make for one node at most. */
#define NEW_VALUES_PER_NODE 4

static int no_memory(struct err *err)
{
    return err_set(err, KD_ENOMEM, "out of memory while compiling the model");
}

/* ---- looking around ---- */

struct node *fuse_producer(const struct fuse *fuse, engine_value value)
{
    int node = value == ENGINE_NONE ? -1 : fuse->graph->values[value].node;
    return node < 0 ? NULL : &fuse->graph->nodes[node];
}

const struct value *fuse_known(const struct fuse *fuse, engine_value value)
{
    return &fuse->graph->values[value].value;
}

/* The op that yields a value, looking through views (and transposes), as long as nobody else reads it. */
static struct node *sole_producer(const struct fuse *fuse, engine_value value, bool through_transposes)
{
    for (;;) {
        struct node *node = fuse->uses[value] == 1 ? fuse_producer(fuse, value) : NULL;
        if (!node)
            return NULL;
        bool passes = node->op->flags & OP_VIEW || (through_transposes && node->op == &op_transpose);
        if (!passes)
            return node;
        value = node->inputs[0];
    }
}

static bool is_product(const struct node *node)
{
    return node->op == &op_dense || node->op == &op_conv || node->op == &op_depthwise ||
           node->op == &op_conv_transpose;
}

static const struct unary *activation_of(const struct node *node)
{
    return &((const struct activation_attrs *)node->attrs)->activation;
}

/* Nothing rides on it yet. */
static bool is_plain(const struct node *node)
{
    bool add = is_product(node) && node->inputs[PRODUCT_ADD] != ENGINE_NONE;
    return activation_of(node)->kind == UNARY_LINEAR && !add;
}

/* The node goes; its operand stands for its result. */
static void take_out(struct fuse *fuse, int index, engine_value operand)
{
    struct node *node = &fuse->graph->nodes[index];
    engine_value result = node->outputs[0];
    for (int k = 0; k < node->n_inputs; k++)
        if (node->inputs[k] != ENGINE_NONE)
            fuse->uses[node->inputs[k]]--;
    fuse->alias[result] = operand;
    fuse->uses[operand] += fuse->uses[result];
    fuse->engine->live[index] = false;
}

/* The node reads x, which its operand 0 derives from, instead of that; whoever yielded it may have no
 * reader left. */
static void bypass(struct fuse *fuse, struct node *node, engine_value x)
{
    engine_value passed = node->inputs[0];
    const struct node *between = fuse_producer(fuse, passed);
    fuse->uses[x]++;
    node->inputs[0] = x;
    if (--fuse->uses[passed])
        return;
    fuse->engine->live[between - fuse->graph->nodes] = false;
    for (int k = 0; k < between->n_inputs; k++)
        if (between->inputs[k] != ENGINE_NONE)
            fuse->uses[between->inputs[k]]--;
}

/* ---- factors ---- */

/* A constant as one number per channel of a product, for results of this shape: the axes it varies over
 * must be the last ones that make up the channels. */
static float *spread(const struct fuse *fuse, engine_value constant, const struct shape *shape,
                     int64_t channels)
{
    const struct value *value = fuse_known(fuse, constant);
    int axes = 0, rank = value->shape.rank;
    int64_t covered = 1, n;
    if (!value->data || value->dtype != DTYPE_FLOAT32 || !shape_elements(&value->shape, &n))
        return NULL;
    while (covered < channels && axes < shape->rank && shape->dim[shape->rank - 1 - axes] > 0)
        covered *= shape->dim[shape->rank - 1 - axes++];
    for (int i = 0; i < rank; i++) {
        int64_t size = value->shape.dim[i], of = shape->dim[shape->rank - rank + i];
        if (rank > shape->rank || (size != 1 && (i < rank - axes || size != of)))
            return NULL;
    }
    float *numbers = covered == channels ? malloc((size_t)channels * sizeof(*numbers)) : NULL;
    for (int64_t c = 0; c < channels && numbers; c++) {
        int64_t rest = c, at = 0, stride = 1;
        for (int k = 0; k < axes; k++) {
            int64_t of = shape->dim[shape->rank - 1 - k], index = rest % of;
            rest /= of;
            int64_t size = k < rank ? value->shape.dim[rank - 1 - k] : 1;
            at += size == 1 ? 0 : index * stride;
            stride *= size;
        }
        numbers[c] = ((const float *)value->data)[at];
    }
    return numbers;
}

/* What node does to x as x * scale + shift: operand numbers, -1 where there is none. */
struct affine {
    int x, scale, shift;
    bool negative_shift;
};

static bool as_affine(const struct fuse *fuse, const struct node *node, struct affine *ret)
{
    *ret = (struct affine){0, -1, -1, false};
    if (node->op == &op_scale_shift) {
        ret->scale = node->inputs[1] == ENGINE_NONE ? -1 : 1;
        ret->shift = node->inputs[2] == ENGINE_NONE ? -1 : 2;
        return is_plain(node);
    }
    if (node->op != &op_binary || !is_plain(node))
        return false;
    enum binary_kind kind = ((const struct binary_attrs *)node->attrs)->kind;
    bool swap = fuse_known(fuse, node->inputs[0])->constant && kind != BINARY_SUBTRACT;
    ret->x = swap;
    if (kind == BINARY_MULTIPLY)
        ret->scale = !swap;
    else if (kind == BINARY_ADD || kind == BINARY_SUBTRACT)
        ret->shift = !swap;
    ret->negative_shift = kind == BINARY_SUBTRACT;
    return ret->scale >= 0 || ret->shift >= 0;
}

/* The factors spelled out per channel; both arrays are malloc'd. False if they do not fit or memory is
 * out. */
static bool find_factors(const struct fuse *fuse, const struct node *node, const struct affine *affine,
                         int64_t channels, float **ret_scale, float **ret_shift)
{
    const struct shape *shape = &fuse_known(fuse, node->outputs[0])->shape;
    *ret_scale = *ret_shift = NULL;
    if (!shape_equal(shape, &fuse_known(fuse, node->inputs[affine->x])->shape))
        return false;
    if (affine->scale >= 0)
        *ret_scale = spread(fuse, node->inputs[affine->scale], shape, channels);
    if (affine->shift >= 0)
        *ret_shift = spread(fuse, node->inputs[affine->shift], shape, channels);
    for (int64_t c = 0; c < channels && *ret_shift && affine->negative_shift; c++)
        (*ret_shift)[c] = -(*ret_shift)[c];
    if ((affine->scale < 0 || *ret_scale) && (affine->shift < 0 || *ret_shift))
        return true;
    free(*ret_scale);
    free(*ret_shift);
    return false;
}

static int64_t last_size(const struct fuse *fuse, engine_value value)
{
    const struct shape *shape = &fuse_known(fuse, value)->shape;
    return shape->rank ? shape->dim[shape->rank - 1] : SHAPE_UNKNOWN;
}

static engine_value vector(const struct fuse *fuse, int64_t channels, const float *numbers)
{
    struct shape shape = {.rank = 1, .dim = {channels}};
    float *data;
    engine_value value = new_floats(fuse->graph, &shape, &data);
    if (value != ENGINE_NONE)
        memcpy(data, numbers, (size_t)channels * sizeof(*data));
    return value;
}

/* Into a scale_shift or normalisation: scale and shift are their operands 1 and 2. (x s + t) u + v = x s u
 * + t u + v */
static int compose(struct fuse *fuse, struct node *node, const struct factors *factors)
{
    const float *old[3] = {NULL};
    float *numbers = malloc((size_t)factors->channels * sizeof(*numbers));
    int status = numbers ? 0 : KD_ENOMEM;
    for (int k = 1; k <= 2; k++)
        if (node->inputs[k] != ENGINE_NONE)
            old[k] = fuse_known(fuse, node->inputs[k])->data;
    for (int k = 1; k <= 2 && !status; k++) {
        bool scale = k == 1;
        if (scale ? !factors->scale : !factors->shift && !(old[2] && factors->scale))
            continue;
        for (int64_t c = 0; c < factors->channels; c++) {
            float start = old[k] ? old[k][c] : scale ? 1.0f : 0.0f;
            float times = factors->scale ? factors->scale[c] : 1.0f,
                  plus = factors->shift ? factors->shift[c] : 0.0f;
            numbers[c] = scale ? start * times : start * times + plus;
        }
        node->inputs[k] = vector(fuse, factors->channels, numbers);
        status = node->inputs[k] == ENGINE_NONE ? KD_ENOMEM : 0;
    }
    free(numbers);
    return status;
}

static int rule_factors(struct fuse *fuse, int index, bool *done)
{
    const struct node *node = &fuse->graph->nodes[index];
    struct affine affine;
    if (!as_affine(fuse, node, &affine))
        return 0;
    engine_value x = node->inputs[affine.x];
    struct node *before = sole_producer(fuse, x, false);
    bool composes = before && (before->op == &op_scale_shift || before->op == &op_normalize);
    if (!before || !(is_product(before) || composes) || (before->op != &op_normalize && !is_plain(before)))
        return 0;
    float *scale, *shift;
    int64_t channels = last_size(fuse, before->outputs[0]);
    if (channels <= 0 || !find_factors(fuse, node, &affine, channels, &scale, &shift))
        return 0;
    struct factors factors = {channels, scale, shift};
    int status = composes ? compose(fuse, before, &factors) : fold_behind(fuse->graph, before, &factors);
    free(scale);
    free(shift);
    if (status)
        return status;
    take_out(fuse, index, x);
    *done = true;
    return 0;
}

/* An addition or multiplication with one number per channel is a scale_shift, one with a single number
 * too: the form that goes into the next product. */
static int rule_canonical(struct fuse *fuse, int index)
{
    struct node *node = &fuse->graph->nodes[index];
    struct affine affine;
    if (node->op != &op_binary || !as_affine(fuse, node, &affine))
        return 0;
    int64_t channels = last_size(fuse, node->outputs[0]);
    float *scale, *shift;
    if (channels <= 0 || !find_factors(fuse, node, &affine, channels, &scale, &shift))
        return 0;
    engine_value *inputs = arena_calloc(fuse->graph->arena, 3, sizeof(*inputs));
    struct scale_shift_attrs *attrs = arena_alloc(fuse->graph->arena, sizeof(*attrs));
    int status = inputs && attrs ? 0 : KD_ENOMEM;
    if (!status) {
        inputs[0] = node->inputs[affine.x];
        inputs[1] = scale ? vector(fuse, channels, scale) : ENGINE_NONE;
        inputs[2] = shift ? vector(fuse, channels, shift) : ENGINE_NONE;
        attrs->fused = ((const struct binary_attrs *)node->attrs)->fused;
        node->op = &op_scale_shift;
        node->inputs = inputs;
        node->n_inputs = 3;
        node->attrs = attrs;
    }
    free(scale);
    free(shift);
    return status;
}

/* ---- before ---- */

/* Nothing is padded with zeros before x reaches the kernel. */
static bool pads_nothing(const struct fuse *fuse, const struct node *product)
{
    const struct window_attrs *attrs = product->attrs;
    if (product->op == &op_dense)
        return true;
    if (product->op == &op_conv_transpose)
        return false;
    bool pads = attrs->explicit_padding || attrs->window.padding == ENGINE_CAUSAL, single = true;
    const struct shape *kernel = &fuse_known(fuse, product->inputs[PRODUCT_KERNEL])->shape;
    for (int i = 0; i < attrs->window.n_spatial; i++)
        single &= kernel->dim[i] == 1;
    return !pads && (attrs->window.padding == ENGINE_VALID || single);
}

static int rule_before(struct fuse *fuse, int index)
{
    struct node *product = &fuse->graph->nodes[index];
    if (!is_product(product) || fuse->uses[product->inputs[PRODUCT_X]] != 1)
        return 0;
    struct node *before = fuse_producer(fuse, product->inputs[PRODUCT_X]);
    if (!before || before->op != &op_scale_shift || !is_plain(before))
        return 0;
    struct factors factors = {.channels = last_size(fuse, before->outputs[0])};
    if (before->inputs[1] != ENGINE_NONE)
        factors.scale = fuse_known(fuse, before->inputs[1])->data;
    if (before->inputs[2] != ENGINE_NONE)
        factors.shift = fuse_known(fuse, before->inputs[2])->data;
    if (factors.shift && !pads_nothing(fuse, product))
        return 0;
    int status = fold_before(fuse->graph, product, &factors);
    if (!status) {
        fuse->alias[before->outputs[0]] = before->inputs[0];
        product->inputs[PRODUCT_X] = before->inputs[0];
        fuse->engine->live[before - fuse->graph->nodes] = false;
    }
    return status;
}

/* ---- function ---- */

static bool takes_function(const struct fuse *fuse, const struct node *node)
{
    if (node->op == &op_binary) {
        enum binary_kind kind = ((const struct binary_attrs *)node->attrs)->kind;
        return kind <= BINARY_PRELU && dtype_is_float(fuse_known(fuse, node->outputs[0])->dtype) &&
               is_plain(node);
    }
    /* A product's activation comes after its addition, so only that must be free. */
    return (is_product(node) || node->op == &op_scale_shift) && activation_of(node)->kind == UNARY_LINEAR;
}

static bool is_float_function(const struct fuse *fuse, const struct node *node)
{
    const struct value *x = fuse_known(fuse, node->inputs[0]), *y = fuse_known(fuse, node->outputs[0]);
    return node->op == &op_unary && dtype_is_float(x->dtype) && x->dtype == y->dtype;
}

static bool rule_function(struct fuse *fuse, int index)
{
    const struct node *node = &fuse->graph->nodes[index];
    if (!is_float_function(fuse, node))
        return false;
    struct node *before = sole_producer(fuse, node->inputs[0], true);
    if (!before || !takes_function(fuse, before))
        return false;
    ((struct activation_attrs *)before->attrs)->activation =
        ((const struct unary_attrs *)node->attrs)->function;
    take_out(fuse, index, node->inputs[0]);
    return true;
}

/* ---- residual ---- */

/* The value is there before the node runs. */
static bool comes_earlier(const struct fuse *fuse, engine_value value, const struct node *node)
{
    return fuse->graph->values[value].node < node - fuse->graph->nodes;
}

/* Shapes agree for every request: known sizes are equal, unknown ones were in the trial. */
static bool same_shape(const struct fuse *fuse, engine_value a, engine_value b)
{
    const struct shape *trial = fuse->engine->trial_shapes;
    return shape_equal(&fuse_known(fuse, a)->shape, &fuse_known(fuse, b)->shape) &&
           (shape_known(&fuse_known(fuse, a)->shape) || (trial && shape_equal(&trial[a], &trial[b])));
}

static bool rule_residual(struct fuse *fuse, int index)
{
    const struct node *node = &fuse->graph->nodes[index];
    if (node->op != &op_binary || ((const struct binary_attrs *)node->attrs)->kind != BINARY_ADD ||
        !is_plain(node))
        return false;
    if (node->inputs[0] == node->inputs[1] || !same_shape(fuse, node->inputs[0], node->inputs[1]))
        return false;
    for (int k = 1; k >= 0; k--) {
        engine_value sum = node->inputs[k], other = node->inputs[!k];
        struct node *product = fuse->uses[sum] == 1 ? fuse_producer(fuse, sum) : NULL;
        if (!product || !is_product(product) || product->op == &op_depthwise || !is_plain(product) ||
            !comes_earlier(fuse, other, product))
            continue;
        product->inputs[PRODUCT_ADD] = other;
        fuse->uses[other]++; /* it loses the addition as a reader */
        take_out(fuse, index, sum);
        return true;
    }
    return false;
}

/* ---- padding ---- */

static bool never_negative(const struct fuse *fuse, engine_value value)
{
    const struct node *node = fuse_producer(fuse, view_source(fuse->graph, value));
    const struct unary *function = NULL;
    if (node && node->op == &op_unary)
        function = &((const struct unary_attrs *)node->attrs)->function;
    else if (node && (is_product(node) || node->op == &op_scale_shift || node->op == &op_binary))
        function = activation_of(node);
    return function &&
           (function->kind == UNARY_RELU || function->kind == UNARY_RELU6 || function->kind == UNARY_SIGMOID);
}

/* Zeros on spatial axes only, fewer than a window is wide. */
static bool pad_fits(const struct fuse *fuse, const struct node *pad, int n_spatial, const int64_t *sizes)
{
    const struct pad_attrs *attrs = pad->attrs;
    if (attrs->mode != ENGINE_PAD_CONSTANT || attrs->before[0] || attrs->after[0] ||
        attrs->before[n_spatial + 1] || attrs->after[n_spatial + 1])
        return false;
    for (int i = 1; i <= n_spatial; i++)
        if (attrs->before[i] >= sizes[i - 1] || attrs->after[i] >= sizes[i - 1])
            return false;
    const float *constant = pad->inputs[1] == ENGINE_NONE ? NULL : fuse_known(fuse, pad->inputs[1])->data;
    return pad->inputs[1] == ENGINE_NONE || (constant && *constant == 0);
}

static bool rule_padding(struct fuse *fuse, int index)
{
    struct node *node = &fuse->graph->nodes[index];
    bool pool = node->op == &op_pool;
    if (!pool && node->op != &op_conv && node->op != &op_depthwise)
        return false;
    struct window_attrs *attrs = node->attrs;
    const struct node *pad = fuse_producer(fuse, node->inputs[0]);
    if (!pad || pad->op != &op_pad || attrs->window.padding != ENGINE_VALID || attrs->explicit_padding)
        return false;
    const int64_t *sizes =
        pool ? attrs->window.size : fuse_known(fuse, node->inputs[PRODUCT_KERNEL])->shape.dim;
    if (!pad_fits(fuse, pad, attrs->window.n_spatial, sizes))
        return false;
    if (pool && (attrs->pool != POOL_MAX || !never_negative(fuse, pad->inputs[0])))
        return false;
    const struct pad_attrs *padding = pad->attrs;
    for (int i = 0; i < attrs->window.n_spatial; i++) {
        attrs->before[i] = padding->before[i + 1];
        attrs->after[i] = padding->after[i + 1];
    }
    attrs->explicit_padding = true;
    bypass(fuse, node, pad->inputs[0]);
    return true;
}

/* ---- transposes ---- */

static bool rule_transposes(struct fuse *fuse, int index)
{
    struct node *node = &fuse->graph->nodes[index];
    const struct node *before = fuse_producer(fuse, node->inputs[0]);
    if (node->op != &op_transpose || !before || before->op != &op_transpose)
        return false;
    struct transpose_attrs *second = node->attrs;
    const struct transpose_attrs *first = before->attrs;
    int rank = fuse_known(fuse, node->inputs[0])->shape.rank;
    bool identity = true;
    for (int i = 0; i < rank; i++) {
        second->permutation[i] = first->permutation[second->permutation[i]];
        identity &= second->permutation[i] == i;
    }
    bypass(fuse, node, before->inputs[0]);
    if (identity)
        take_out(fuse, index, node->inputs[0]);
    return identity;
}

/* ---- the walk ---- */

static engine_value resolve(const struct fuse *fuse, engine_value value)
{
    while (value != ENGINE_NONE && fuse->alias[value] != value)
        value = fuse->alias[value];
    return value;
}

static void count_uses(struct fuse *fuse)
{
    for (int i = 0; i < fuse->graph->n_nodes; i++)
        for (int k = 0; fuse->engine->live[i] && k < fuse->graph->nodes[i].n_inputs; k++)
            if (fuse->graph->nodes[i].inputs[k] != ENGINE_NONE)
                fuse->uses[fuse->graph->nodes[i].inputs[k]]++;
    for (int i = 0; i < fuse->graph->n_outputs; i++)
        fuse->uses[fuse->graph->outputs[i].value]++;
}

static int fuse_node(struct fuse *fuse, int index)
{
    bool gone = false;
    rule_padding(fuse, index);
    int status = fuse_gates(fuse, index);
    if (status || rule_transposes(fuse, index) || rule_function(fuse, index) || rule_residual(fuse, index))
        return status;
    status = rule_factors(fuse, index, &gone);
    if (!status && !gone)
        status = rule_canonical(fuse, index);
    if (!status && !gone)
        status = fuse_gates(fuse, index); /* what is now a scale_shift may end a hard sigmoid */
    return status || gone ? status : rule_before(fuse, index);
}

static void resolve_inputs(const struct fuse *fuse, struct node *node)
{
    for (int k = 0; k < node->n_inputs; k++)
        node->inputs[k] = resolve(fuse, node->inputs[k]);
}

static int walk(struct fuse *fuse)
{
    struct engine_graph *graph = fuse->graph;
    int status = fuse_same(fuse);
    for (int i = 0; i < graph->n_nodes && !status; i++)
        resolve_inputs(fuse, &graph->nodes[i]);
    for (int i = 0; i < graph->n_outputs; i++)
        graph->outputs[i].value = resolve(fuse, graph->outputs[i].value);
    count_uses(fuse);
    for (int i = 0; i < graph->n_nodes && !status; i++) {
        resolve_inputs(fuse, &graph->nodes[i]);
        if (fuse->engine->live[i])
            status = fuse_node(fuse, i);
    }
    for (int i = 0; i < graph->n_outputs; i++)
        graph->outputs[i].value = resolve(fuse, graph->outputs[i].value);
    return status;
}

int engine_fuse(struct engine *engine, struct err *err)
{
    struct engine_graph *graph = engine->graph;
    int most = graph->n_values + NEW_VALUES_PER_NODE * graph->n_nodes;
    struct fuse fuse = {.engine = engine, .graph = graph};
    fuse.uses = calloc((size_t)most + 1, sizeof(*fuse.uses));
    fuse.alias = calloc((size_t)most + 1, sizeof(*fuse.alias));
    int status = fuse.uses && fuse.alias ? 0 : KD_ENOMEM;
    for (int i = 0; i < most && !status; i++)
        fuse.alias[i] = i;
    if (!status)
        status = walk(&fuse);
    free(fuse.uses);
    free(fuse.alias);
    return status ? no_memory(err) : 0;
}
