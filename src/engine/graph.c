/* graph: building. A node is an op, its attributes and operands; a value is what a node yields. Nodes are
 * appended after their operands exist, so the array is topologically sorted by construction and every
 * later pass (folding, fusion, planning, running) is one loop over it.
 *
 * The first error sticks: from then on every builder function returns ENGINE_NONE, so lowering code is
 * written without checks between its steps. Errors name the op and the scope (the Keras layer) that asked
 * for it. */
#include "engine/graph_data.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/size.h"

#define GRAPH_MAX_ITEMS (1 << 22)

struct engine_graph *engine_graph_new(void)
{
    struct engine_graph *graph = calloc(1, sizeof(*graph));
    if (!graph)
        return NULL;
    graph->arena = arena_new();
    graph->scope = "";
    if (!graph->arena) {
        free(graph);
        return NULL;
    }
    return graph;
}

void engine_graph_free(struct engine_graph *graph)
{
    if (!graph)
        return;
    for (int i = 0; i < graph->n_blocks; i++)
        free(graph->blocks[i].data);
    free(graph->blocks);
    free(graph->nodes);
    free(graph->values);
    free(graph->inputs);
    free(graph->outputs);
    arena_free(graph->arena);
    free(graph);
}

const struct err *engine_graph_error(const struct engine_graph *graph)
{
    return graph->error.code ? &graph->error : NULL;
}

bool graph_failed(const struct engine_graph *graph)
{
    return graph->error.code != 0;
}

struct arena *graph_arena(struct engine_graph *graph)
{
    return graph->arena;
}

engine_value engine_graph_fail(struct engine_graph *graph, int code, const char *format, ...)
{
    if (graph->error.code)
        return ENGINE_NONE;
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err_set(&graph->error, code, "%s", text);
    return ENGINE_NONE;
}

static engine_value graph_no_memory(struct engine_graph *graph)
{
    return engine_graph_fail(graph, KD_ENOMEM, "out of memory while building the model's graph");
}

void engine_graph_scope(struct engine_graph *graph, const char *name)
{
    const char *copy = arena_strdup(graph->arena, name);
    if (copy)
        graph->scope = copy;
    else
        graph_no_memory(graph);
}

/* ---- looking at values ---- */

static const struct value *graph_value(const struct engine_graph *graph, engine_value value)
{
    static const struct value none;
    if (value == ENGINE_NONE)
        return &none;
    KD_ASSERT(value >= 0 && value < graph->n_values);
    return &graph->values[value].value;
}

enum dtype engine_dtype(const struct engine_graph *graph, engine_value value)
{
    return graph_value(graph, value)->dtype;
}

const struct shape *engine_shape(const struct engine_graph *graph, engine_value value)
{
    return &graph_value(graph, value)->shape;
}

int engine_rank(const struct engine_graph *graph, engine_value value)
{
    return graph_value(graph, value)->shape.rank;
}

int64_t engine_dim(const struct engine_graph *graph, engine_value value, int axis)
{
    const struct shape *shape = engine_shape(graph, value);
    int i = shape_axis(shape, axis);
    return i < 0 ? SHAPE_UNKNOWN : shape->dim[i];
}

int engine_known_elements(const struct engine_graph *graph, engine_value value, int64_t *ret, int max)
{
    const struct value *known = value == ENGINE_NONE ? NULL : graph_value(graph, value);
    if (!known || dtype_storage(known->dtype) != STORAGE_I64 || known->shape.rank > 1)
        return -1;
    int64_t n = known->shape.rank ? known->shape.dim[0] : 1;
    if (n == SHAPE_UNKNOWN || n > max)
        return -1;
    for (int64_t i = 0; i < n; i++) {
        const int64_t *elements = known->data ? known->data : known->partial;
        ret[i] = elements ? elements[i] : ENGINE_NOT_KNOWN;
    }
    return (int)n;
}

const struct tensor *engine_constant_of(struct engine_graph *graph, engine_value value)
{
    const struct value *known = graph_value(graph, value);
    if (!known->data)
        return NULL;
    struct tensor *tensor = arena_alloc(graph->arena, sizeof(*tensor));
    if (!tensor) {
        graph_no_memory(graph);
        return NULL;
    }
    tensor->dtype = known->dtype;
    tensor->shape = known->shape;
    memcpy(&tensor->data, &known->data, sizeof(tensor->data));
    return tensor;
}

/* ---- growing ---- */

/* Doubles an array when it is full. */
static bool grow(void **items, int n, int *max, size_t size)
{
    if (n < *max)
        return true;
    int wanted = *max ? 2 * *max : 32;
    size_t bytes;
    if (wanted > GRAPH_MAX_ITEMS || !size_mul((size_t)wanted, size, &bytes))
        return false;
    void *larger = realloc(*items, bytes);
    if (!larger)
        return false;
    *items = larger;
    *max = wanted;
    return true;
}

void *block_alloc(size_t bytes)
{
    size_t padded;
    if (!size_add(bytes, 63, &padded))
        return NULL;
    padded = padded / 64 * 64;
    return aligned_alloc(64, padded ? padded : 64);
}

bool graph_own(struct engine_graph *graph, void *block, size_t bytes)
{
    if (!grow((void **)&graph->blocks, graph->n_blocks, &graph->max_blocks, sizeof(*graph->blocks))) {
        free(block);
        return false;
    }
    graph->blocks[graph->n_blocks++] = (struct graph_block){block, bytes};
    return true;
}

static engine_value graph_new_value(struct engine_graph *graph, int node)
{
    if (!grow((void **)&graph->values, graph->n_values, &graph->max_values, sizeof(*graph->values)))
        return graph_no_memory(graph);
    memset(&graph->values[graph->n_values], 0, sizeof(*graph->values));
    graph->values[graph->n_values].node = node;
    return graph->n_values++;
}

engine_value graph_new_constant(struct engine_graph *graph, enum dtype dtype, const struct shape *shape,
                                const void *data)
{
    engine_value value = graph_new_value(graph, -1);
    if (value != ENGINE_NONE)
        graph->values[value].value =
            (struct value){.dtype = dtype, .shape = *shape, .data = data, .constant = true};
    return value;
}

static struct node *graph_new_node(struct engine_graph *graph, const struct op *op, const void *attrs,
                                   size_t attrs_size, const engine_value *inputs, int n_inputs)
{
    if (!grow((void **)&graph->nodes, graph->n_nodes, &graph->max_nodes, sizeof(*graph->nodes)))
        return NULL;
    struct node *node = &graph->nodes[graph->n_nodes];
    *node = (struct node){.op = op, .scope = graph->scope, .n_inputs = n_inputs, .attrs_size = attrs_size};
    node->attrs = arena_memdup(graph->arena, attrs ? attrs : "", attrs_size);
    node->inputs =
        arena_memdup(graph->arena, inputs ? (const void *)inputs : "", (size_t)n_inputs * sizeof(*inputs));
    if (!node->attrs || !node->inputs)
        return NULL;
    graph->n_nodes++;
    return node;
}

int step_bind(struct step *step, const struct node *node, struct arena *arena)
{
    *step = (struct step){
        .node = node, .attrs = node->attrs, .n_in = node->n_inputs, .n_out = node->n_outputs, .arena = arena};
    step->in = arena_calloc(arena, (size_t)node->n_inputs, sizeof(*step->in));
    return step->in ? 0 : KD_ENOMEM;
}

static bool operands_present(struct engine_graph *graph, const struct op *op, const engine_value *inputs,
                             int n_inputs)
{
    int required = op->n_required < 0 ? n_inputs : op->n_required;
    for (int i = 0; i < n_inputs; i++) {
        KD_ASSERT(inputs[i] >= ENGINE_NONE && inputs[i] < graph->n_values);
        if (i < required && inputs[i] == ENGINE_NONE) {
            engine_graph_fail(graph, KD_EINTERNAL, "%s: %s: operand %d is missing", graph->scope, op->name,
                              i);
            return false;
        }
    }
    return true;
}

/* Results inferred for the node just appended. */
static int graph_infer(struct engine_graph *graph, const struct node *node, struct err *err)
{
    struct step step;
    if (step_bind(&step, node, graph->arena))
        return err_set(err, KD_ENOMEM, "out of memory");
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] != ENGINE_NONE)
            step.in[i] = &graph->values[node->inputs[i]].value;
    for (int i = 0; i < node->n_outputs; i++)
        step.out[i] = &graph->values[node->outputs[i]].value;
    return node->op->infer(&step, err);
}

engine_value graph_add(struct engine_graph *graph, const struct op *op, const void *attrs, size_t attrs_size,
                       const engine_value *inputs, int n_inputs, int n_outputs)
{
    if (graph->error.code || !operands_present(graph, op, inputs, n_inputs))
        return ENGINE_NONE;
    struct node *node = graph_new_node(graph, op, attrs, attrs_size, inputs, n_inputs);
    if (!node)
        return graph_no_memory(graph);
    for (; node->n_outputs < n_outputs; node->n_outputs++) {
        engine_value value = graph_new_value(graph, graph->n_nodes - 1);
        if (value == ENGINE_NONE)
            return ENGINE_NONE;
        node->outputs[node->n_outputs] = value;
    }
    struct err err = {0};
    if (graph_infer(graph, node, &err)) {
        const char *colon = graph->scope[0] ? ": " : "";
        return engine_graph_fail(graph, err.code, "%s%s%s: %s", graph->scope, colon, op->name, err.text);
    }
    graph_fold(graph, node);
    return graph->error.code ? ENGINE_NONE : node->outputs[0];
}

/* ---- ports ---- */

static int add_port(struct engine_graph *graph, struct graph_port **ports, int *n, int *max, const char *name,
                    engine_value value)
{
    char *copy = arena_strdup(graph->arena, name ? name : "");
    if (!copy || !grow((void **)ports, *n, max, sizeof(**ports))) {
        graph_no_memory(graph);
        return KD_ENOMEM;
    }
    (*ports)[(*n)++] = (struct graph_port){.name = copy, .value = value};
    return 0;
}

static int input_infer(struct step *step, struct err *err)
{
    const struct value *declared = step->attrs;
    *step->out[0] = *declared;
    return 0;
}

/* Axis 0 of a model input is the batch. */
static enum rows input_rows(const struct step *step, const enum rows *in)
{
    return step->out[0]->shape.rank > 0 ? ROWS_EACH : ROWS_MIXED;
}

static const struct op op_input = {
    .name = "input", .flags = OP_OPAQUE, .infer = input_infer, .rows = input_rows};

engine_value engine_input(struct engine_graph *graph, const char *name, enum dtype dtype,
                          const struct shape *shape)
{
    struct value declared = {.dtype = dtype, .shape = *shape};
    engine_value value = graph_add(graph, &op_input, &declared, sizeof(declared), NULL, 0, 1);
    if (value == ENGINE_NONE ||
        add_port(graph, &graph->inputs, &graph->n_inputs, &graph->max_inputs, name, value))
        return ENGINE_NONE;
    return value;
}

void engine_output(struct engine_graph *graph, const char *name, engine_value value)
{
    if (graph->error.code)
        return;
    if (value == ENGINE_NONE)
        engine_graph_fail(graph, KD_EINTERNAL, "output '%s' has no value", name);
    else
        add_port(graph, &graph->outputs, &graph->n_outputs, &graph->max_outputs, name, value);
}
