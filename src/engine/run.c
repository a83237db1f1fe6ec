/* run: one loop over the steps of a plan. A worker owns the arena that the plan's offsets point into; the
 * addresses of a run's operands are worked out first, then each step is called. Nothing is allocated once
 * the worker has seen its largest plan, nothing locked, nothing logged. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/engine_data.h"

struct engine_worker {
    void *arena;
    size_t arena_bytes;
    void **pointers;
    int max_pointers;
    struct spare spare;
    struct tensor *ports; /* of a batch in parts */
    int max_ports;
};

struct engine_worker *engine_worker_new(void)
{
    return calloc(1, sizeof(struct engine_worker));
}

void engine_worker_free(struct engine_worker *worker)
{
    if (!worker)
        return;
    free(worker->arena);
    free(worker->spare.data);
    free(worker->pointers);
    free(worker->ports);
    free(worker);
}

void *io_spare(const struct io *io, size_t bytes, struct err *err)
{
    struct spare *spare = io->spare;
    if (spare->data && spare->bytes >= bytes)
        return spare->data;
    free(spare->data);
    spare->bytes = 0;
    spare->data = block_alloc(bytes);
    if (!spare->data)
        err_set(err, KD_ENOMEM, "out of memory for %zu bytes of a run", bytes);
    else
        spare->bytes = bytes;
    return spare->data;
}

static int grow_worker(struct engine_worker *worker, const struct engine_plan *plan, struct err *err)
{
    if (worker->arena_bytes < plan->arena_bytes) {
        free(worker->arena);
        worker->arena_bytes = 0;
        worker->arena = block_alloc(plan->arena_bytes);
        if (!worker->arena)
            return err_set(err, KD_ENOMEM, "out of memory for a run's %zu bytes", plan->arena_bytes);
        worker->arena_bytes = plan->arena_bytes;
    }
    if (worker->max_pointers < plan->n_slots) {
        void **larger = realloc(worker->pointers, (size_t)plan->n_slots * sizeof(*larger));
        if (!larger)
            return err_set(err, KD_ENOMEM, "out of memory for a run");
        worker->pointers = larger;
        worker->max_pointers = plan->n_slots;
    }
    return 0;
}

static void *resolve(const struct place *place, char *arena, const struct tensor *inputs,
                     const struct tensor *outputs)
{
    switch (place->kind) {
    case PLACE_KNOWN:
        return (void *)(uintptr_t)place->data; /* ops only read their operands */
    case PLACE_INPUT:
        return inputs[place->at].data;
    case PLACE_OUTPUT:
        return outputs[place->at].data;
    case PLACE_ARENA:
        return arena + place->at;
    default:
        return NULL;
    }
}

static void note_time(struct plan_step *run, int64_t ns)
{
    int64_t least = atomic_load(&run->least_ns);
    atomic_fetch_add(&run->spent_ns, ns);
    while ((!least || ns < least) && !atomic_compare_exchange_weak(&run->least_ns, &least, ns))
        ;
}

static int run_step(struct plan_step *run, const struct io *io, bool profiling, struct err *err)
{
    const struct step *step = run->step;
    int64_t start = profiling ? clock_now_ns() : 0;
    int status = step->node->op->run(step, io, err);
    if (profiling)
        note_time(run, clock_now_ns() - start);
    return status ? err_wrap(err, "%s: %s", step->node->scope, step->node->op->name) : 0;
}

static void finish_outputs(const struct engine_plan *plan, char *arena, const struct tensor *inputs,
                           struct tensor *outputs)
{
    for (int i = 0; i < plan->n_copies; i++) {
        const struct plan_copy *copy = &plan->copies[i];
        memcpy(outputs[copy->output].data, resolve(&copy->from, arena, inputs, outputs), copy->bytes);
    }
    const struct engine_graph *graph = plan->engine->graph;
    for (int i = 0; i < graph->n_outputs; i++) {
        const struct value *value = &plan->trace.values[graph->outputs[i].value];
        outputs[i].dtype = value->dtype;
        outputs[i].shape = value->shape;
    }
}

static int run_steps(struct engine_plan *plan, struct engine_worker *worker, const struct tensor *inputs,
                     struct tensor *outputs, struct err *err)
{
    char *arena = worker->arena;
    bool profiling = atomic_load_explicit(&plan->profiling, memory_order_relaxed);
    for (int i = 0; i < plan->n_slots; i++)
        worker->pointers[i] = resolve(&plan->slots[i], arena, inputs, outputs);
    for (int i = 0; i < plan->n_steps; i++) {
        struct plan_step *run = &plan->steps[i];
        struct io io = {.in = worker->pointers + run->first,
                        .out = worker->pointers + run->first + run->step->n_in,
                        .scratch = arena ? arena + run->scratch : NULL,
                        .spare = &worker->spare};
        int status = run_step(run, &io, profiling, err);
        if (status)
            return status;
    }
    finish_outputs(plan, arena, inputs, outputs);
    if (profiling)
        atomic_fetch_add(&plan->runs, 1);
    return 0;
}

static int run_parts(struct engine_plan *plan, struct engine_worker *worker, const struct tensor *inputs,
                     struct tensor *outputs, struct err *err)
{
    const struct engine *engine = plan->engine;
    int n_inputs = engine->graph->n_inputs, n_outputs = engine->graph->n_outputs;
    if (worker->max_ports < n_inputs + n_outputs) {
        struct tensor *larger = realloc(worker->ports, (size_t)(n_inputs + n_outputs) * sizeof(*larger));
        if (!larger)
            return err_set(err, KD_ENOMEM, "out of memory for a run");
        worker->ports = larger;
        worker->max_ports = n_inputs + n_outputs;
    }
    memcpy(worker->ports, inputs, (size_t)n_inputs * sizeof(*inputs));
    memcpy(worker->ports + n_inputs, outputs, (size_t)n_outputs * sizeof(*outputs));
    int status = parts_run(plan, worker, worker->ports, err);
    for (int i = 0; i < n_outputs && !status; i++) {
        outputs[i].dtype = engine_output_dtype(engine, (size_t)i);
        outputs[i].shape = plan->output_shapes[i];
    }
    return status;
}

int engine_run(struct engine_plan *plan, struct engine_worker *worker, const struct tensor *inputs,
               struct tensor *outputs, struct err *err)
{
    if (plan->part)
        return run_parts(plan, worker, inputs, outputs, err);
    int status = grow_worker(worker, plan, err);
    return status ? status : run_steps(plan, worker, inputs, outputs, err);
}
