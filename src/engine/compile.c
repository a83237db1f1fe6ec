/* compile: from a finished graph to an engine. Judge whether samples are independent, fuse, drop what no output needs,
 * pack the weights. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine_data.h"

#define DEFAULT_MAX_PLANS 64
#define DEFAULT_MAX_ARENA ((size_t)4 << 30)

void engine_mark_live(struct engine *engine)
{
    const struct engine_graph *graph = engine->graph;
    memset(engine->live, 0, (size_t)graph->n_nodes * sizeof(*engine->live));
    for (int i = 0; i < graph->n_outputs; i++)
        engine->live[graph->values[graph->outputs[i].value].node] = true;
    for (int i = graph->n_nodes - 1; i >= 0; i--) {
        const struct node *node = &graph->nodes[i];
        bool known = true; /* a folded node needs no operands */
        for (int k = 0; k < node->n_outputs; k++)
            known &= graph->values[node->outputs[k]].value.data != NULL;
        if (known)
            engine->live[i] = false;
        for (int k = 0; k < node->n_inputs && engine->live[i]; k++)
            if (node->inputs[k] != ENGINE_NONE)
                engine->live[graph->values[node->inputs[k]].node] = true;
    }
}

void *pack_memory(struct pack *pack, const struct op *op, const void *weights, uint64_t variant, size_t bytes,
                  bool *ret_fresh)
{
    struct packed_block wanted = {op, weights, variant, bytes, NULL};
    for (int i = 0; i < pack->n; i++) {
        const struct packed_block *block = &pack->blocks[i];
        if (block->op == op && block->weights == weights && block->variant == variant && block->bytes == bytes) {
            *ret_fresh = false;
            return block->data;
        }
    }
    if (pack->n == pack->max) {
        int max = pack->max ? 2 * pack->max : 16;
        struct packed_block *larger = realloc(pack->blocks, (size_t)max * sizeof(*larger));
        if (!larger)
            return NULL;
        pack->blocks = larger;
        pack->max = max;
    }
    wanted.data = block_alloc(bytes);
    if (!wanted.data)
        return NULL;
    pack->blocks[pack->n++] = wanted;
    pack->bytes += bytes;
    *ret_fresh = true;
    return wanted.data;
}

static int pack_weights(struct engine *engine, struct err *err)
{
    struct engine_graph *graph = engine->graph;
    for (int i = 0; i < graph->n_nodes; i++) {
        struct node *node = &graph->nodes[i];
        struct step step;
        if (!engine->live[i] || !node->op->pack)
            continue;
        if (step_bind(&step, node, graph->arena))
            return pack_failed(err);
        for (int k = 0; k < node->n_inputs; k++)
            if (node->inputs[k] != ENGINE_NONE)
                step.in[k] = &graph->values[node->inputs[k]].value;
        for (int k = 0; k < node->n_outputs; k++)
            step.out[k] = &graph->values[node->outputs[k]].value;
        int status = node->op->pack(node, &step, &engine->pack, err);
        if (status)
            return status;
    }
    return 0;
}

engine_value view_source(const struct engine_graph *graph, engine_value value)
{
    const struct node *node = &graph->nodes[graph->values[value].node];
    while (node->op->flags & OP_VIEW) {
        value = node->inputs[0];
        node = &graph->nodes[graph->values[value].node];
    }
    return value;
}

size_t engine_key_length(const struct engine *engine)
{
    return (size_t)(engine->graph->n_inputs + engine->n_measures);
}

/* Nodes whose shape needs a look at the data first; only a model input can be looked at. */
static int find_measures(struct engine *engine, struct err *err)
{
    const struct engine_graph *graph = engine->graph;
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct node *node = &graph->nodes[i];
        if (!engine->live[i] || !node->op->measure)
            continue;
        const struct node *source = &graph->nodes[graph->values[view_source(graph, node->inputs[0])].node];
        if (source->n_inputs)
            return err_set(err, KD_EUNSUPPORTED,
                           "%s: %s: without an output length it must stand right behind an input of the model",
                           node->scope, node->op->name);
        int *larger = realloc(engine->measures, (size_t)(engine->n_measures + 1) * sizeof(*larger));
        if (!larger)
            return err_set(err, KD_ENOMEM, "out of memory while compiling the model");
        engine->measures = larger;
        engine->measures[engine->n_measures++] = i;
    }
    return 0;
}

static int allocate(struct engine *engine, struct err *err)
{
    if (!engine->options.max_plans)
        engine->options.max_plans = DEFAULT_MAX_PLANS;
    if (!engine->options.max_arena_bytes)
        engine->options.max_arena_bytes = DEFAULT_MAX_ARENA;
    engine->plans = calloc(engine->options.max_plans, sizeof(*engine->plans));
    engine->live = calloc((size_t)engine->graph->n_nodes + 1, sizeof(*engine->live));
    if (!engine->plans || !engine->live)
        return err_set(err, KD_ENOMEM, "out of memory while compiling the model");
    return 0;
}

int engine_compile(struct engine_graph *graph, const struct engine_options *options, struct engine **ret,
                   struct err *err)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    int status = 0;
    if (!engine) {
        engine_graph_free(graph);
        return err_set(err, KD_ENOMEM, "out of memory while compiling the model");
    }
    engine->graph = graph;
    lock_init(&engine->lock, LOCK_RANK_PLAN);
    if (options)
        engine->options = *options;
    if (graph->error.code)
        status = err_set(err, graph->error.code, "%s", graph->error.text);
    else if (!graph->n_outputs)
        status = err_set(err, KD_EINVAL, "the model has no output");
    else
        status = allocate(engine, err);
    if (status)
        goto fail;
    engine_mark_live(engine);
    if ((status = find_measures(engine, err)))
        goto fail;
    if ((status = engine_judge_rows(engine, err)))
        goto fail;
    if (!engine->options.no_fusion && (status = engine_fuse(engine, err)))
        goto fail;
    engine_mark_live(engine);
    if ((status = pack_weights(engine, err)))
        goto fail;
    *ret = engine;
    return 0;
fail:
    engine_free(engine);
    return status;
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    for (size_t i = 0; i < engine->n_plans; i++)
        engine_plan_put(engine->plans[i]);
    free(engine->plans);
    for (int i = 0; i < engine->pack.n; i++)
        free(engine->pack.blocks[i].data);
    free(engine->pack.blocks);
    free(engine->live);
    free(engine->measures);
    lock_done(&engine->lock);
    engine_graph_free(engine->graph);
    free(engine);
}

size_t engine_n_inputs(const struct engine *engine)
{
    return (size_t)engine->graph->n_inputs;
}

size_t engine_n_outputs(const struct engine *engine)
{
    return (size_t)engine->graph->n_outputs;
}

const char *engine_input_name(const struct engine *engine, size_t i)
{
    return engine->graph->inputs[i].name;
}

const char *engine_output_name(const struct engine *engine, size_t i)
{
    return engine->graph->outputs[i].name;
}

enum dtype engine_input_dtype(const struct engine *engine, size_t i)
{
    return engine_dtype(engine->graph, engine->graph->inputs[i].value);
}

enum dtype engine_output_dtype(const struct engine *engine, size_t i)
{
    return engine_dtype(engine->graph, engine->graph->outputs[i].value);
}

const struct shape *engine_input_shape(const struct engine *engine, size_t i)
{
    return engine_shape(engine->graph, engine->graph->inputs[i].value);
}

const struct shape *engine_output_shape(const struct engine *engine, size_t i)
{
    return engine_shape(engine->graph, engine->graph->outputs[i].value);
}

bool engine_batchable(const struct engine *engine)
{
    return engine->batchable;
}

size_t engine_bytes(const struct engine *engine)
{
    return engine->pack.bytes;
}
