/* cache: the plans of an engine, by input shapes, the least recently used given up when there are too many. Plans are
 * counted: one that was given up stays until its last user gives it back. A plan is made outside of the lock; when two
 * threads make the same one, the first to come back wins. */
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

static bool same_shapes(const struct engine_plan *plan, const struct shape *shapes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!shape_equal(&plan->input_shapes[i], &shapes[i]))
            return false;
    return true;
}

/* With the lock held. A reference for the caller, or NULL. */
static struct engine_plan *find(struct engine *engine, uint64_t hash, const struct shape *shapes)
{
    for (size_t i = 0; i < engine->n_plans; i++) {
        struct engine_plan *plan = engine->plans[i];
        if (plan->hash != hash || !same_shapes(plan, shapes, engine_n_inputs(engine)))
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

int engine_plan_get(struct engine *engine, const struct shape *input_shapes, struct engine_plan **ret,
                    struct err *err)
{
    uint64_t hash = hash_shapes(input_shapes, engine_n_inputs(engine));
    lock_take(&engine->lock);
    struct engine_plan *plan = find(engine, hash, input_shapes), *mine, *gone = NULL;
    lock_give(&engine->lock);
    if (plan) {
        *ret = plan;
        return 0;
    }
    int status = plan_make(engine, input_shapes, &mine, err);
    if (status)
        return status;
    mine->hash = hash;
    lock_take(&engine->lock);
    plan = find(engine, hash, input_shapes);
    if (!plan)
        gone = insert(engine, mine);
    lock_give(&engine->lock);
    engine_plan_put(gone);
    if (plan)
        engine_plan_put(mine);
    *ret = plan ? plan : mine;
    return 0;
}

void engine_plan_put(struct engine_plan *plan)
{
    if (plan && atomic_fetch_sub(&plan->references, 1) == 1)
        plan_free(plan);
}
