/* parts: a big batch of a model whose samples are independent is run a few rows at a time through a plan
 * for that many rows, so that what one op writes is still in the cache when the next one reads it, and the
 * arena stays as small as for a few rows. Measured on convolutional and attention models, whole batches
 * cost up to a third more.
 *
 * How many rows: as many as keep the arena within options.part_bytes. But reading the weights once per
 * part must not show: a part's work must outweigh that by far, so models that are mostly weights keep
 * their batch together. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine_data.h"

#define L2_DEFAULT ((size_t)1 << 20)

/* Bytes of weights per microsecond: from the outer caches, from memory; and how many times a part's work
 * should outweigh reading them. */
#define OUTER_CACHE_BYTES ((size_t)32 << 20)
#define OUTER_CACHE_SPEED 60e3
#define MEMORY_SPEED      20e3
#define WORK_PER_READ     20

size_t parts_default_bytes(void)
{
    long found = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return 2 * (found > 0 ? (size_t)found : L2_DEFAULT);
}

/* The batch size that all inputs agree on, if the model's samples are independent; else 0. */
static int64_t batch_of(const struct engine *engine, const struct shape *key)
{
    if (!engine->batchable || engine->n_measures)
        return 0;
    for (int i = 0; i < engine->graph->n_inputs; i++)
        if (!key[i].rank || key[i].dim[0] != key[0].dim[0])
            return 0;
    return key[0].dim[0];
}

static int plan_for_rows(struct engine *engine, const struct shape *key, int64_t rows,
                         struct engine_plan **ret, struct err *err)
{
    size_t n = engine_key_length(engine);
    struct shape *part = malloc((n + 1) * sizeof(*part));
    if (!part)
        return err_set(err, KD_ENOMEM, "out of memory while planning a request");
    memcpy(part, key, n * sizeof(*part));
    for (size_t i = 0; i < n; i++)
        part[i].dim[0] = rows;
    int status = cache_get(engine, part, ret, err);
    free(part);
    return status;
}

/* Rows of a part, given the plan for one row. */
static int64_t rows_per_part(const struct engine *engine, const struct engine_plan *one)
{
    double weights = (double)engine->pack.bytes;
    double read_us = weights / (engine->pack.bytes > OUTER_CACHE_BYTES ? MEMORY_SPEED : OUTER_CACHE_SPEED);
    double for_weights = WORK_PER_READ * read_us / one->cost_us;
    double for_cache = (double)engine->options.part_bytes / (double)(one->arena_bytes + 1);
    double rows = for_weights > for_cache ? for_weights : for_cache;
    return rows < 1 ? 1 : rows > 1e9 ? 1000000000 : (int64_t)rows;
}

int parts_rows(struct engine *engine, const struct shape *key, int64_t *ret, struct err *err)
{
    int64_t batch = batch_of(engine, key);
    struct engine_plan *one;
    *ret = 0;
    if (batch < 2)
        return 0;
    int status = plan_for_rows(engine, key, 1, &one, err);
    if (status)
        return status;
    int64_t most = rows_per_part(engine, one), n_parts = (batch - 1) / most + 1;
    *ret = n_parts > 1 ? (batch - 1) / n_parts + 1 : 0; /* of about the same size */
    engine_plan_put(one);
    return 0;
}

int parts_make(struct engine *engine, const struct shape *key, int64_t rows, struct engine_plan *plan,
               struct err *err)
{
    int64_t batch = key[0].dim[0];
    plan->part_rows = rows;
    plan->n_parts = batch / rows;
    int status = plan_for_rows(engine, key, rows, &plan->part, err);
    if (!status && batch % rows)
        status = plan_for_rows(engine, key, batch % rows, &plan->rest, err);
    if (status)
        return status;
    plan->cost_us = (double)plan->n_parts * plan->part->cost_us + (plan->rest ? plan->rest->cost_us : 0);
    plan->arena_bytes = plan->part->arena_bytes;
    if (plan->rest && plan->rest->arena_bytes > plan->arena_bytes)
        plan->arena_bytes = plan->rest->arena_bytes;
    for (int i = 0; i < engine->graph->n_outputs; i++) {
        plan->output_shapes[i] = plan->part->output_shapes[i];
        plan->output_shapes[i].dim[0] = batch;
    }
    return 0;
}

static void advance(struct tensor *port, enum dtype dtype, const struct shape *part_shape)
{
    size_t bytes = 0;
    tensor_bytes(dtype, part_shape, &bytes);
    port->data = (char *)port->data + bytes;
}

/* Inputs and outputs to the next part's rows. */
static void advance_all(const struct engine_plan *plan, struct tensor *ports)
{
    const struct engine *engine = plan->engine;
    int n_inputs = engine->graph->n_inputs, n_outputs = engine->graph->n_outputs;
    for (int i = 0; i < n_inputs; i++)
        advance(&ports[i], engine_input_dtype(engine, (size_t)i), &plan->part->key[i]);
    for (int i = 0; i < n_outputs; i++)
        advance(&ports[n_inputs + i], engine_output_dtype(engine, (size_t)i), &plan->part->output_shapes[i]);
}

int parts_run(struct engine_plan *plan, struct engine_worker *worker, struct tensor *ports, struct err *err)
{
    struct tensor *outputs = ports + plan->engine->graph->n_inputs;
    int status = 0;
    for (int64_t i = 0; i < plan->n_parts && !status; i++) {
        status = engine_run(plan->part, worker, ports, outputs, err);
        advance_all(plan, ports);
    }
    if (!status && plan->rest)
        status = engine_run(plan->rest, worker, ports, outputs, err);
    return status;
}
