/* place: where every value of a plan lies during a run. The one idea: values that share memory form a
 * chunk. A view joins the chunk of its operand; an op that may work in place joins the chunk of an operand
 * that dies with it. Every chunk then lies in exactly one place: with the caller's inputs, with the
 * caller's outputs, among the constants, or at an offset in the worker's arena.
 *
 * Offsets: chunks in order of size, biggest first, each at the lowest offset that is free while it lives
 * (greedy by size, which comes within a few per cent of the lower bound on networks). A step's scratch is
 * a chunk that lives for that step alone. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/size.h"
#include "engine/engine_data.h"

#define FOREVER         INT32_MAX
#define PLACE_ALIGNMENT 64

struct chunk {
    struct place place;
    size_t bytes;
    int first, last; /* steps that use it, both included */
};

struct placer {
    struct engine_plan *plan;
    const struct engine_graph *graph;
    struct chunk *chunks; /* n_chunks; room for all values and all steps' scratch */
    int n_chunks;
    int *chunk;    /* by value, -1: none */
    int *last_use; /* by value: the last step that reads it */
};

static int too_big(struct err *err)
{
    return err_set(err, KD_ETOOBIG, "the request needs more memory than a run may use");
}

static bool reads_elements(const struct node *node, int operand)
{
    return node->inputs[operand] != ENGINE_NONE && !(node->op->shape_only >> operand & 1);
}

static void find_last_uses(struct placer *placer)
{
    const struct engine *engine = placer->plan->engine;
    for (int i = 0; i < placer->graph->n_nodes; i++) {
        const struct node *node = &placer->graph->nodes[i];
        if (!engine->live[i] || placer->plan->trace.done[i])
            continue;
        for (int k = 0; k < node->n_inputs; k++)
            if (reads_elements(node, k))
                placer->last_use[node->inputs[k]] = i;
    }
    for (int i = 0; i < placer->graph->n_outputs; i++)
        placer->last_use[placer->graph->outputs[i].value] = FOREVER;
}

static int new_chunk(struct placer *placer, enum place_kind kind, size_t bytes, int first)
{
    struct chunk *chunk = &placer->chunks[placer->n_chunks];
    *chunk = (struct chunk){.place.kind = kind, .bytes = bytes, .first = first, .last = first};
    return placer->n_chunks++;
}

static void join(struct placer *placer, engine_value value, int chunk)
{
    placer->chunk[value] = chunk;
    if (placer->last_use[value] > placer->chunks[chunk].last)
        placer->chunks[chunk].last = placer->last_use[value];
}

/* The chunk of a value that was there before the run. */
static int chunk_of(struct placer *placer, engine_value value)
{
    const struct value *known = &placer->plan->trace.values[value];
    if (placer->chunk[value] < 0) {
        KD_ASSERT(known->data || known->constant); /* packed weights are not read as they were */
        int chunk = new_chunk(placer, known->data ? PLACE_KNOWN : PLACE_NONE, 0, 0);
        placer->chunks[chunk].place.data = known->data;
        join(placer, value, chunk);
    }
    return placer->chunk[value];
}

/* The operand whose memory result 0 may take over, or -1. */
static int find_in_place(struct placer *placer, const struct step *step, int index)
{
    const struct node *node = step->node;
    for (int k = 0; k < node->n_inputs; k++) {
        if (!(node->op->in_place >> k & 1) || !reads_elements(node, k) || step->in[k]->data ||
            step->in[k]->constant)
            continue;
        const struct chunk *chunk = &placer->chunks[placer->chunk[node->inputs[k]]];
        bool fits = chunk->place.kind == PLACE_ARENA && chunk->last == index &&
                    dtype_storage(step->in[k]->dtype) == dtype_storage(step->out[0]->dtype) &&
                    shape_equal(&step->in[k]->shape, &step->out[0]->shape);
        for (int other = 0; other < node->n_inputs && fits; other++)
            fits = !reads_elements(node, other) || node->inputs[other] == node->inputs[k] ||
                   placer->chunk[node->inputs[other]] != placer->chunk[node->inputs[k]];
        if (fits)
            return k;
    }
    return -1;
}

static int place_results(struct placer *placer, int index, struct err *err)
{
    const struct step *step = &placer->plan->trace.steps[index];
    const struct node *node = step->node;
    if (node->op->flags & OP_VIEW) {
        join(placer, node->outputs[0], chunk_of(placer, node->inputs[0]));
        return 0;
    }
    int in_place = find_in_place(placer, step, index);
    for (int i = 0; i < node->n_outputs; i++) {
        size_t bytes;
        if (i > 0 && placer->last_use[node->outputs[i]] < 0)
            continue; /* a second result that nobody reads has no memory */
        if (!tensor_bytes(step->out[i]->dtype, &step->out[i]->shape, &bytes) ||
            bytes > placer->plan->engine->options.max_arena_bytes)
            return too_big(err);
        if (i == 0 && in_place >= 0)
            join(placer, node->outputs[0], placer->chunk[node->inputs[in_place]]);
        else
            join(placer, node->outputs[i], new_chunk(placer, PLACE_ARENA, bytes, index));
    }
    return 0;
}

static int place_values(struct placer *placer, struct err *err)
{
    const struct engine *engine = placer->plan->engine;
    for (int i = 0; i < placer->graph->n_inputs; i++) {
        int chunk = new_chunk(placer, PLACE_INPUT, 0, 0);
        placer->chunks[chunk].place.at = (size_t)i;
        join(placer, placer->graph->inputs[i].value, chunk);
    }
    for (int i = 0; i < placer->graph->n_nodes; i++) {
        if (!engine->live[i] || placer->plan->trace.done[i])
            continue;
        int status = place_results(placer, i, err);
        if (status)
            return status;
    }
    return 0;
}

/* The first output in a chunk of its own is computed in the caller's memory, the others are copied there. */
static int place_outputs(struct placer *placer, struct err *err)
{
    struct engine_plan *plan = placer->plan;
    plan->copies = arena_calloc(plan->trace.arena, (size_t)placer->graph->n_outputs, sizeof(*plan->copies));
    if (!plan->copies)
        return KD_ENOMEM;
    for (int i = 0; i < placer->graph->n_outputs; i++) {
        engine_value value = placer->graph->outputs[i].value;
        const struct value *known = &plan->trace.values[value];
        struct chunk *chunk = &placer->chunks[chunk_of(placer, value)];
        size_t bytes;
        if (!tensor_bytes(known->dtype, &known->shape, &bytes))
            return too_big(err);
        if (chunk->place.kind == PLACE_ARENA)
            chunk->place = (struct place){.kind = PLACE_OUTPUT, .at = (size_t)i};
        else
            plan->copies[plan->n_copies++] = (struct plan_copy){.output = i, .bytes = bytes};
    }
    return 0;
}

/* ---- offsets ---- */

static int by_size(const void *a, const void *b)
{
    const struct chunk *x = *(const struct chunk *const *)a, *y = *(const struct chunk *const *)b;
    return x->bytes < y->bytes   ? 1
           : x->bytes > y->bytes ? -1
           : x->first < y->first ? -1
                                 : x->first > y->first;
}

/* The lowest offset where the chunk fits between those placed before it (sorted by offset) that live with
 * it. */
static size_t lowest_fit(struct chunk *const *placed, int n, const struct chunk *chunk)
{
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        const struct chunk *other = placed[i];
        if (other->last < chunk->first || other->first > chunk->last)
            continue;
        if (at + chunk->bytes <= other->place.at)
            break;
        if (other->place.at + other->bytes > at)
            at = other->place.at + other->bytes;
    }
    return at;
}

static void insert_by_offset(struct chunk **placed, int n, struct chunk *chunk)
{
    int i = n;
    for (; i > 0 && placed[i - 1]->place.at > chunk->place.at; i--)
        placed[i] = placed[i - 1];
    placed[i] = chunk;
}

static int place_offsets(struct placer *placer, struct err *err)
{
    struct arena *arena = placer->plan->trace.arena;
    size_t n = (size_t)placer->n_chunks, total = 0;
    struct chunk **sorted = arena_calloc(arena, n, sizeof(*sorted));
    struct chunk **placed = arena_calloc(arena, n, sizeof(*placed));
    int n_sorted = 0;
    if (!sorted || !placed)
        return KD_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct chunk *chunk = &placer->chunks[i];
        if (chunk->place.kind != PLACE_ARENA)
            continue;
        chunk->bytes = size_align(chunk->bytes ? chunk->bytes : 1, PLACE_ALIGNMENT);
        sorted[n_sorted++] = chunk;
    }
    qsort(sorted, (size_t)n_sorted, sizeof(*sorted), by_size);
    for (int i = 0; i < n_sorted; i++) {
        sorted[i]->place.at = lowest_fit(placed, i, sorted[i]);
        insert_by_offset(placed, i, sorted[i]);
        size_t end = sorted[i]->place.at + sorted[i]->bytes;
        if (end > placer->plan->engine->options.max_arena_bytes)
            return too_big(err);
        total = end > total ? end : total;
    }
    placer->plan->arena_bytes = total;
    return 0;
}

/* ---- the result ---- */

/* Scratch lives for its step; the chunk's number is remembered in plan_step.scratch until offsets are
 * known. */
static void place_scratch(struct placer *placer)
{
    for (int i = 0; i < placer->plan->n_steps; i++) {
        struct plan_step *run = &placer->plan->steps[i];
        int index = (int)(run->step - placer->plan->trace.steps);
        run->scratch =
            run->step->scratch ? (size_t)new_chunk(placer, PLACE_ARENA, run->step->scratch, index) : SIZE_MAX;
    }
}

static int fill_slots(struct placer *placer)
{
    struct engine_plan *plan = placer->plan;
    const struct place none = {0};
    plan->slots = arena_calloc(plan->trace.arena, (size_t)plan->n_slots, sizeof(*plan->slots));
    if (!plan->slots)
        return KD_ENOMEM;
    for (int i = 0; i < plan->n_steps; i++) {
        struct plan_step *run = &plan->steps[i];
        const struct node *node = run->step->node;
        struct place *slot = plan->slots + run->first;
        for (int k = 0; k < node->n_inputs; k++)
            *slot++ =
                reads_elements(node, k) ? placer->chunks[chunk_of(placer, node->inputs[k])].place : none;
        for (int k = 0; k < node->n_outputs; k++) {
            int chunk = placer->chunk[node->outputs[k]];
            *slot++ = chunk < 0 ? none : placer->chunks[chunk].place;
        }
        run->scratch = run->scratch == SIZE_MAX ? 0 : placer->chunks[run->scratch].place.at;
    }
    int copy = 0;
    for (int i = 0; i < placer->graph->n_outputs; i++)
        if (copy < plan->n_copies && plan->copies[copy].output == i)
            plan->copies[copy++].from = placer->chunks[placer->chunk[placer->graph->outputs[i].value]].place;
    return 0;
}

static int prepare_placer(struct placer *placer)
{
    struct arena *arena = placer->plan->trace.arena;
    size_t n_values = (size_t)placer->graph->n_values;
    placer->chunks = arena_calloc(arena, n_values + (size_t)placer->plan->n_steps, sizeof(*placer->chunks));
    placer->chunk = arena_calloc(arena, n_values, sizeof(*placer->chunk));
    placer->last_use = arena_calloc(arena, n_values, sizeof(*placer->last_use));
    if (!placer->chunks || !placer->chunk || !placer->last_use)
        return KD_ENOMEM;
    for (size_t i = 0; i < n_values; i++)
        placer->chunk[i] = placer->last_use[i] = -1;
    return 0;
}

int plan_place(struct engine_plan *plan, struct err *err)
{
    struct placer placer = {.plan = plan, .graph = plan->engine->graph};
    err_set(err, KD_ENOMEM, "out of memory while planning a request");
    if (prepare_placer(&placer))
        return KD_ENOMEM;
    find_last_uses(&placer);
    int status = place_values(&placer, err);
    if (!status)
        status = place_outputs(&placer, err);
    if (status)
        return status;
    place_scratch(&placer);
    status = place_offsets(&placer, err);
    return status ? status : fill_slots(&placer);
}
