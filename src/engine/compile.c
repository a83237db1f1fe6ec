/* compile: from a finished graph to an engine. Judge whether samples are independent, fuse, drop what no
 * output needs, pack the weights. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine_data.h"

#define DEFAULT_MAX_PLANS 64
#define DEFAULT_MAX_ARENA ((size_t)4 << 30)

static void mark(struct engine *engine, engine_value value)
{
    int node = engine->graph->values[value].node;
    if (node >= 0)
        engine->live[node] = true;
}

void engine_mark_live(struct engine *engine)
{
    const struct engine_graph *graph = engine->graph;
    memset(engine->live, 0, (size_t)graph->n_nodes * sizeof(*engine->live));
    for (int i = 0; i < graph->n_outputs; i++)
        mark(engine, graph->outputs[i].value);
    for (int i = graph->n_nodes - 1; i >= 0; i--) {
        const struct node *node = &graph->nodes[i];
        bool known = true; /* a folded node needs no operands */
        for (int k = 0; k < node->n_outputs; k++)
            known &= graph->values[node->outputs[k]].value.constant;
        if (known)
            engine->live[i] = false;
        for (int k = 0; k < node->n_inputs && engine->live[i]; k++)
            if (node->inputs[k] != ENGINE_NONE)
                mark(engine, node->inputs[k]);
    }
}

void *pack_memory(struct pack *pack, const struct op *op, const void *weights, uint64_t variant, size_t bytes,
                  bool *ret_fresh)
{
    struct packed_block wanted = {op, weights, variant, bytes, NULL};
    for (int i = 0; i < pack->n; i++) {
        const struct packed_block *block = &pack->blocks[i];
        if (block->op == op && block->weights == weights && block->variant == variant &&
            block->bytes == bytes) {
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
    for (;;) {
        int node = graph->values[value].node;
        if (node < 0 || !(graph->nodes[node].op->flags & OP_VIEW))
            return value;
        value = graph->nodes[node].inputs[0];
    }
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
        engine_value source = view_source(graph, node->inputs[0]);
        bool input = false;
        for (int k = 0; k < graph->n_inputs; k++)
            input |= graph->inputs[k].value == source;
        if (!input)
            return err_set(
                err, KD_EUNSUPPORTED,
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

/* Frees what fusion and packing left behind: elements of constants that no run reads. */
static void release_constants(struct engine *engine)
{
    struct engine_graph *graph = engine->graph;
    bool *read = calloc((size_t)graph->n_values + 1, sizeof(*read));
    if (!read)
        return; /* they stay, no harm */
    for (int i = 0; i < graph->n_outputs; i++)
        read[graph->outputs[i].value] = true;
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct node *node = &graph->nodes[i];
        for (int k = 0; k < node->n_inputs && engine->live[i]; k++)
            if (node->inputs[k] != ENGINE_NONE && !(node->packed && node->op->packs >> k & 1))
                read[node->inputs[k]] = true;
    }
    for (int b = 0; b < graph->n_blocks; b++) {
        struct graph_block *block = &graph->blocks[b];
        bool keep = block->bytes == 0;
        for (int i = 0; i < graph->n_values && !keep; i++)
            keep = read[i] && graph->values[i].value.data == block->data;
        if (keep) {
            engine->constant_bytes += block->bytes;
            continue;
        }
        for (int i = 0; i < graph->n_values; i++)
            if (graph->values[i].value.data == block->data)
                graph->values[i].value.data = NULL;
        free(block->data);
        *block = (struct graph_block){0};
    }
    free(read);
}

static int allocate(struct engine *engine, struct err *err)
{
    if (!engine->options.max_plans)
        engine->options.max_plans = DEFAULT_MAX_PLANS;
    if (!engine->options.max_arena_bytes)
        engine->options.max_arena_bytes = DEFAULT_MAX_ARENA;
    if (!engine->options.part_bytes)
        engine->options.part_bytes = parts_default_bytes();
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
    free(engine->trial_shapes);
    engine->trial_shapes = NULL;
    engine_mark_live(engine);
    if ((status = pack_weights(engine, err)))
        goto fail;
    release_constants(engine);
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
    free(engine->trial_shapes);
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
    return engine->pack.bytes + engine->constant_bytes;
}
