/* trace: shapes of everything for one set of input shapes. The same infer hooks that ran while the graph
 * was built run again, now with every size known; arithmetic on sizes is computed on the way, so that an
 * op whose shape depends on such numbers finds them. */
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "engine/engine_data.h"

/* Bigger results are left to each run: a plan should stay small. */
#define TRACE_MAX_BYTES ((size_t)64 << 10)

static int no_memory(struct err *err)
{
    return err_set(err, KD_ENOMEM, "out of memory while planning a request");
}

void trace_done(struct trace *trace)
{
    for (int i = 0; i < trace->n_blocks; i++)
        free(trace->blocks[i]);
    free(trace->blocks);
    arena_free(trace->arena);
    *trace = (struct trace){0};
}

static bool own_block(struct trace *trace, void *block)
{
    if (trace->n_blocks == trace->max_blocks) {
        int wanted = trace->max_blocks ? 2 * trace->max_blocks : 8;
        void **larger = realloc(trace->blocks, (size_t)wanted * sizeof(*larger));
        if (!larger) {
            free(block);
            return false;
        }
        trace->blocks = larger;
        trace->max_blocks = wanted;
    }
    trace->blocks[trace->n_blocks++] = block;
    return true;
}

static int set_inputs(const struct engine *engine, const struct shape *key, struct trace *trace,
                      struct err *err)
{
    const struct engine_graph *graph = engine->graph;
    for (int i = 0; i < graph->n_inputs; i++) {
        const struct graph_port *port = &graph->inputs[i];
        const struct shape *declared = &graph->values[port->value].value.shape;
        char found[128], expected[128];
        if (!shape_known(&key[i]) || !shape_compatible(&key[i], declared))
            return err_set(err, KD_EINVAL, "input '%s' has shape %s, the model takes %s", port->name,
                           shape_text(&key[i], found, sizeof(found)),
                           shape_text(declared, expected, sizeof(expected)));
        size_t bytes;
        if (!tensor_bytes(engine_input_dtype(engine, (size_t)i), &key[i], &bytes) ||
            bytes > engine->options.max_arena_bytes)
            return err_set(err, KD_ETOOBIG, "input '%s' of shape %s needs more memory than a run may use",
                           port->name, shape_text(&key[i], found, sizeof(found)));
        trace->values[port->value].shape = key[i];
    }
    return 0;
}

static int bind(const struct engine_graph *graph, const struct node *node, struct trace *trace,
                struct step *step)
{
    if (step_bind(step, node, trace->arena))
        return KD_ENOMEM;
    step->exact = true;
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] != ENGINE_NONE)
            step->in[i] = &trace->values[node->inputs[i]];
    for (int i = 0; i < node->n_outputs; i++)
        step->out[i] = &trace->values[node->outputs[i]];
    return 0;
}

/* Computes a step ahead if its operands are known and its results small. Failures are left for the run to
 * report. */
static int compute_ahead(struct trace *trace, struct step *step, bool *done, struct err *err)
{
    void *blocks[OP_MAX_OUTPUTS] = {NULL};
    struct err ignored;
    if (!step_evaluable(step) || step_evaluate(step, TRACE_MAX_BYTES, blocks, &ignored))
        return 0;
    for (int i = 0; i < OP_MAX_OUTPUTS; i++)
        if (blocks[i] && !own_block(trace, blocks[i]))
            return no_memory(err);
    *done = true;
    return 0;
}

static int64_t measured_size(const struct engine *engine, int node, const struct shape *key)
{
    for (int i = 0; i < engine->n_measures; i++)
        if (engine->measures[i] == node)
            return key[engine->graph->n_inputs + i].dim[0];
    return -1;
}

static int trace_node(const struct engine *engine, int i, const struct shape *key, struct trace *trace,
                      struct err *err)
{
    const struct node *node = &engine->graph->nodes[i];
    struct step *step = &trace->steps[i];
    if (bind(engine->graph, node, trace, step))
        return no_memory(err);
    step->measured = measured_size(engine, i, key);
    if (!node->n_inputs) { /* inputs and constants are set */
        trace->done[i] = true;
        return 0;
    }
    int status = node->op->infer(step, err);
    if (!status)
        status = compute_ahead(trace, step, &trace->done[i], err);
    if (status && node->scope[0])
        return err_wrap(err, "%s: %s", node->scope, node->op->name);
    return status ? err_wrap(err, "%s", node->op->name) : 0;
}

int trace_make(const struct engine *engine, const struct shape *key, struct trace *ret, struct err *err)
{
    const struct engine_graph *graph = engine->graph;
    struct trace trace = {.arena = arena_new()};
    int status = KD_ENOMEM;
    if (!trace.arena)
        return no_memory(err);
    trace.values = arena_calloc(trace.arena, (size_t)graph->n_values, sizeof(*trace.values));
    trace.steps = arena_calloc(trace.arena, (size_t)graph->n_nodes, sizeof(*trace.steps));
    trace.done = arena_calloc(trace.arena, (size_t)graph->n_nodes, sizeof(*trace.done));
    if (!trace.values || !trace.steps || !trace.done) {
        no_memory(err);
        goto fail;
    }
    for (int i = 0; i < graph->n_values; i++) {
        trace.values[i] = graph->values[i].value;
        trace.values[i].partial = NULL;
    }
    status = set_inputs(engine, key, &trace, err);
    for (int i = 0; i < graph->n_nodes && !status; i++)
        if (engine->live[i])
            status = trace_node(engine, i, key, &trace, err);
    if (status)
        goto fail;
    *ret = trace;
    return 0;
fail:
    trace_done(&trace);
    return status;
}
