/* plan: everything about a run that does not depend on its data, made once per set of input shapes: the
 * shapes of all values (trace.c), kernel parameters and cost of each step (the ops' prepare), and where
 * values lie (place.c). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "engine/engine_data.h"

/* Moving a byte through the nearer caches, and starting a step. */
#define COST_US_PER_BYTE (1.0 / 16e3)
#define COST_US_PER_STEP 0.03

static double step_bytes(const struct step *step)
{
    double bytes = 0;
    for (int i = 0; i < step->n_in; i++)
        if (step->in[i] && !(step->node->op->shape_only >> i & 1))
            bytes += (double)step_in_count(step, i) * (double)step_in_size(step, i);
    for (int i = 0; i < step->n_out; i++)
        bytes += (double)step_out_count(step, i) * (double)storage_size(dtype_storage(step->out[i]->dtype));
    return bytes;
}

/* Results are checked before prepare sees them, so that kernels are asked about sensible sizes only. */
static int prepare_step(const struct engine *engine, struct step *step, struct err *err)
{
    const struct node *node = step->node;
    for (int i = 0; i < step->n_out; i++) {
        size_t bytes;
        if (!tensor_bytes(step->out[i]->dtype, &step->out[i]->shape, &bytes) ||
            bytes > engine->options.max_arena_bytes)
            return err_set(err, KD_ETOOBIG, "%s: %s: the result needs more memory than a run may use",
                           node->scope, node->op->name);
    }
    int status = node->op->prepare ? node->op->prepare(step, err) : 0;
    if (!status && step->cost_us == 0)
        step->cost_us = step_bytes(step) * COST_US_PER_BYTE;
    return status ? err_wrap(err, "%s: %s", node->scope, node->op->name) : 0;
}

static int prepare_steps(struct engine_plan *plan, struct err *err)
{
    const struct engine_graph *graph = plan->engine->graph;
    plan->steps = arena_calloc(plan->trace.arena, (size_t)graph->n_nodes, sizeof(*plan->steps));
    if (!plan->steps)
        return err_set(err, KD_ENOMEM, "out of memory while planning a request");
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct node *node = &graph->nodes[i];
        if (!plan->engine->live[i] || plan->trace.done[i] || node->op->flags & OP_VIEW)
            continue;
        struct step *step = &plan->trace.steps[i];
        int status = prepare_step(plan->engine, step, err);
        if (status)
            return status;
        struct plan_step *run = &plan->steps[plan->n_steps++];
        run->step = step;
        run->first = plan->n_slots;
        run->cost_us = step->cost_us + COST_US_PER_STEP;
        plan->n_slots += node->n_inputs + node->n_outputs;
        plan->cost_us += run->cost_us;
    }
    return 0;
}

static int make_steps(struct engine_plan *plan, struct err *err)
{
    const struct engine_graph *graph = plan->engine->graph;
    int status = trace_make(plan->engine, plan->key, &plan->trace, err);
    if (!status)
        status = prepare_steps(plan, err);
    if (!status)
        status = plan_place(plan, err);
    for (int i = 0; i < graph->n_outputs && !status; i++)
        plan->output_shapes[i] = plan->trace.values[graph->outputs[i].value].shape;
    return status;
}

int plan_make(struct engine *engine, const struct shape *key, struct engine_plan **ret, struct err *err)
{
    size_t n_key = engine_key_length(engine), n_outputs = engine_n_outputs(engine);
    int64_t rows;
    int status = parts_rows(engine, key, &rows, err);
    if (status)
        return status;
    struct engine_plan *plan = calloc(1, sizeof(*plan));
    struct shape *shapes = calloc(n_key + n_outputs, sizeof(*shapes));
    if (!plan || !shapes) {
        free(plan);
        free(shapes);
        return err_set(err, KD_ENOMEM, "out of memory while planning a request");
    }
    plan->engine = engine;
    plan->key = memcpy(shapes, key, n_key * sizeof(*key));
    plan->output_shapes = shapes + n_key;
    atomic_init(&plan->references, 1);
    status = rows ? parts_make(engine, key, rows, plan, err) : make_steps(plan, err);
    if (status)
        plan_free(plan);
    else
        *ret = plan;
    return status;
}

void plan_free(struct engine_plan *plan)
{
    engine_plan_put(plan->part);
    engine_plan_put(plan->rest);
    trace_done(&plan->trace);
    free(plan->key);
    free(plan);
}

const struct shape *engine_plan_output_shape(const struct engine_plan *plan, size_t i)
{
    return &plan->output_shapes[i];
}

double engine_plan_cost_us(const struct engine_plan *plan)
{
    return plan->cost_us;
}

size_t engine_plan_arena_bytes(const struct engine_plan *plan)
{
    return plan->arena_bytes;
}

void engine_plan_profile(struct engine_plan *plan, bool on)
{
    if (plan->part)
        engine_plan_profile(plan->part, on);
    if (plan->rest)
        engine_plan_profile(plan->rest, on);
    atomic_store(&plan->profiling, on);
    atomic_store(&plan->runs, 0);
    for (int i = 0; i < plan->n_steps; i++) {
        atomic_store(&plan->steps[i].spent_ns, 0);
        atomic_store(&plan->steps[i].least_ns, 0);
    }
}

/* ---- printing ---- */

static void print_place(struct buf *ret, const struct place *place)
{
    static const char *const names[] = {"-", "constant", "input", "output", "arena"};
    buf_puts(ret, names[place->kind]);
    if (place->kind == PLACE_INPUT || place->kind == PLACE_OUTPUT || place->kind == PLACE_ARENA)
        buf_printf(ret, "+%zu", place->at);
}

static void print_step(const struct engine_plan *plan, const struct plan_step *run, struct buf *ret)
{
    const struct step *step = run->step;
    const struct node *node = step->node;
    char text[128];
    buf_printf(ret, "%-16s %-14s", node->op->name, step->kernel ? step->kernel : "");
    for (int i = 0; i < node->n_inputs; i++)
        if (step->in[i] && !step->in[i]->data && !step->in[i]->constant)
            buf_printf(ret, " %s", shape_text(&step->in[i]->shape, text, sizeof(text)));
    buf_puts(ret, " ->");
    for (int i = 0; i < node->n_outputs; i++) {
        buf_printf(ret, " %s ", shape_text(&step->out[i]->shape, text, sizeof(text)));
        print_place(ret, &plan->slots[run->first + node->n_inputs + i]);
    }
    buf_printf(ret, "  %.2f us", run->cost_us);
    int64_t runs = atomic_load(&plan->runs);
    if (runs)
        buf_printf(ret, ", measured %.2f us, at best %.2f",
                   (double)atomic_load(&run->spent_ns) / (double)runs * 1e-3,
                   (double)atomic_load(&run->least_ns) * 1e-3);
    buf_printf(ret, "  %s\n", node->scope);
}

void engine_plan_print(const struct engine_plan *plan, struct buf *ret)
{
    if (plan->part) {
        buf_printf(
            ret, "%" PRId64 " parts of %" PRId64 " rows%s, arena %zu bytes, estimated %.1f us; each part:\n",
            plan->n_parts, plan->part_rows, plan->rest ? " and a rest" : "", plan->arena_bytes,
            plan->cost_us);
        plan = plan->part;
    }
    for (int i = 0; i < plan->n_steps; i++)
        print_step(plan, &plan->steps[i], ret);
    buf_printf(ret, "%d steps, arena %zu bytes, estimated %.1f us", plan->n_steps, plan->arena_bytes,
               plan->cost_us);
    int64_t runs = atomic_load(&plan->runs);
    if (runs)
        buf_printf(ret, ", %" PRId64 " runs measured", runs);
    buf_puts(ret, "\n");
}
