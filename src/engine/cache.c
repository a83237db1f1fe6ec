/* cache: the plans of an engine, by input shapes, the least recently used given up when there are too
 * many. Plans are counted: one that was given up stays until its last user gives it back. A plan is made
 * outside of the lock; when two threads make the same one, the first to come back wins. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine_data.h"

static uint64_t hash_shapes(const struct shape *shapes, size_t n)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < shapes[i].rank; k++)
            hash = (hash ^ (uint64_t)shapes[i].dim[k]) * 0x9E3779B97F4A7C15u + (hash >> 29);
    return hash;
}

/* With the lock held. A reference for the caller, or NULL. */
static struct engine_plan *find(struct engine *engine, uint64_t hash, const struct shape *key)
{
    for (size_t i = 0; i < engine->n_plans; i++) {
        struct engine_plan *plan = engine->plans[i];
        bool same = plan->hash == hash;
        for (size_t k = 0; k < engine_key_length(engine) && same; k++)
            same = shape_equal(&plan->key[k], &key[k]);
        if (!same)
            continue;
        plan->used = ++engine->clock;
        atomic_fetch_add(&plan->references, 1);
        return plan;
    }
    return NULL;
}

/* With the lock held. Returns the plan that had to go, for the caller to give back, or NULL. */
static struct engine_plan *insert(struct engine *engine, struct engine_plan *plan)
{
    size_t at = engine->n_plans;
    struct engine_plan *gone = NULL;
    if (at == engine->options.max_plans) {
        at = 0;
        for (size_t i = 1; i < engine->n_plans; i++)
            if (engine->plans[i]->used < engine->plans[at]->used)
                at = i;
        gone = engine->plans[at];
    } else {
        engine->n_plans++;
    }
    engine->plans[at] = plan;
    plan->used = ++engine->clock;
    atomic_fetch_add(&plan->references, 1);
    return gone;
}

int cache_get(struct engine *engine, const struct shape *key, struct engine_plan **ret, struct err *err)
{
    uint64_t hash = hash_shapes(key, engine_key_length(engine));
    lock_take(&engine->lock);
    struct engine_plan *plan = find(engine, hash, key), *mine, *gone = NULL;
    lock_give(&engine->lock);
    if (plan) {
        *ret = plan;
        return 0;
    }
    int status = plan_make(engine, key, &mine, err);
    if (status)
        return status;
    mine->hash = hash;
    lock_take(&engine->lock);
    plan = find(engine, hash, key);
    if (!plan)
        gone = insert(engine, mine);
    lock_give(&engine->lock);
    engine_plan_put(gone);
    if (plan)
        engine_plan_put(mine);
    *ret = plan ? plan : mine;
    return 0;
}

int engine_plan_get(struct engine *engine, const struct shape *input_shapes, struct engine_plan **ret,
                    struct err *err)
{
    if (engine->n_measures)
        return err_set(err, KD_EUNSUPPORTED, "this model's shapes depend on the strings of a request");
    return cache_get(engine, input_shapes, ret, err);
}

/* What a measuring node says of the request's data. */
static int measure(const struct engine *engine, int node_index, const struct tensor *inputs,
                   struct spare *spare, int64_t *ret, struct err *err)
{
    const struct engine_graph *graph = engine->graph;
    const struct node *node = &graph->nodes[node_index];
    struct arena *arena = arena_new();
    struct step step;
    void *in[1] = {NULL};
    if (!arena || step_bind(&step, node, arena)) {
        arena_free(arena);
        return err_set(err, KD_ENOMEM, "out of memory while planning a request");
    }
    for (int i = 1; i < node->n_inputs; i++)
        step.in[i] = &graph->values[node->inputs[i]].value;
    struct value x = {0};
    engine_value source = view_source(graph, node->inputs[0]);
    for (int i = 0; i < graph->n_inputs; i++)
        if (graph->inputs[i].value == source) {
            x = (struct value){.dtype = inputs[i].dtype, .shape = inputs[i].shape, .data = inputs[i].data};
            in[0] = inputs[i].data;
        }
    step.in[0] = &x;
    struct io io = {.in = in, .spare = spare};
    int status = node->op->measure(&step, &io, ret, err);
    arena_free(arena);
    return status;
}

#define KEY_ON_STACK 16

int engine_plan_get_for(struct engine *engine, const struct tensor *inputs, struct engine_plan **ret,
                        struct err *err)
{
    size_t n_inputs = engine_n_inputs(engine), n_key = engine_key_length(engine);
    struct shape few[KEY_ON_STACK], *key = n_key > KEY_ON_STACK ? calloc(n_key, sizeof(*key)) : few;
    struct spare spare = {0};
    int status = key ? 0 : err_set(err, KD_ENOMEM, "out of memory while planning a request");
    for (size_t i = 0; i < n_inputs && !status; i++)
        key[i] = inputs[i].shape;
    for (int i = 0; i < engine->n_measures && !status; i++) {
        struct shape *measured = &key[n_inputs + (size_t)i];
        measured->rank = 1;
        status = measure(engine, engine->measures[i], inputs, &spare, &measured->dim[0], err);
    }
    if (!status)
        status = cache_get(engine, key, ret, err);
    free(spare.data);
    if (key != few)
        free(key);
    return status;
}

void engine_plan_put(struct engine_plan *plan)
{
    if (plan && atomic_fetch_sub(&plan->references, 1) == 1)
        plan_free(plan);
}
