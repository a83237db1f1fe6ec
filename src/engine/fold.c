/* fold: computing ahead what does not depend on a request's data. Three occasions share one function,
 * step_evaluate:
 *
 *   - while building, an op over constants becomes a constant (engine_constant_of sees it at once);
 *   - while building, arithmetic on sizes of which some are unknown is done GRAPH_LANES times, each lane with
 *     another made-up number for the unknown sizes. Elements on which all lanes agree are known. No op needs
 *     rules for half-known operands, and tf.shape(x)[1] * 2 costs nothing to support;
 *   - while planning, the same arithmetic is done once, exactly (plan.c).
 *
 * The lanes only refine the shapes shown while building; plans never use them. */
#include <stdlib.h>
#include <string.h>

#include "engine/graph_data.h"

#define FOLD_MAX_BYTES ((size_t)256 << 20)
#define LANE_MAX_BYTES ((size_t)32 << 10)

/* 1, so that minimum(size, 1) is seen as known and minimum(size, 2) is not; the others arbitrary. */
static const int64_t lane_size[GRAPH_LANES] = {1, 2, 2003};

bool step_evaluable(const struct step *step)
{
    const struct op *op = step->node->op;
    if (op->flags & OP_OPAQUE || op->pack || !step->n_in)
        return false;
    for (int i = 0; i < step->n_in; i++) {
        bool shape_only = op->shape_only >> i & 1;
        if (step->in[i] && !(shape_only ? shape_known(&step->in[i]->shape) : step->in[i]->data != NULL))
            return false;
    }
    return true;
}

static void free_blocks(void *blocks[OP_MAX_OUTPUTS])
{
    for (int i = 0; i < OP_MAX_OUTPUTS; i++) {
        free(blocks[i]);
        blocks[i] = NULL;
    }
}

static int evaluate_run(struct step *step, void *blocks[OP_MAX_OUTPUTS], struct err *err)
{
    const struct op *op = step->node->op;
    int status = op->prepare ? op->prepare(step, err) : 0;
    if (status)
        return status;
    const void **in = arena_calloc(step->arena, (size_t)step->n_in, sizeof(*in));
    void *scratch = block_alloc(step->scratch);
    if (!in || !scratch) {
        free(scratch);
        return err_set(err, KD_ENOMEM, "out of memory");
    }
    for (int i = 0; i < step->n_in; i++)
        in[i] = step->in[i] ? step->in[i]->data : NULL;
    struct spare spare = {0};
    struct io io = {.out = blocks, .scratch = scratch, .spare = &spare};
    memcpy(&io.in, &in, sizeof(io.in)); /* ops read their operands only */
    status = op->run(step, &io, err);
    free(spare.data);
    free(scratch);
    return status;
}

int step_evaluate(struct step *step, size_t max_bytes, void *ret_blocks[OP_MAX_OUTPUTS], struct err *err)
{
    const struct op *op = step->node->op;
    void *blocks[OP_MAX_OUTPUTS] = {NULL};
    int status = op->infer(step, err);
    if (status)
        return status;
    bool view = op->flags & OP_VIEW;
    for (int i = 0; i < step->n_out && !view && !status; i++) {
        size_t bytes;
        if (!tensor_bytes(step->out[i]->dtype, &step->out[i]->shape, &bytes) || bytes > max_bytes)
            status = err_set(err, KD_ETOOBIG, "too big to compute ahead");
        else if (!(blocks[i] = block_alloc(bytes)))
            status = err_set(err, KD_ENOMEM, "out of memory");
    }
    if (!status && !view)
        status = evaluate_run(step, blocks, err);
    if (status) {
        free_blocks(blocks);
        return status;
    }
    for (int i = 0; i < step->n_out; i++) {
        step->out[i]->data = view ? step->in[0]->data : blocks[i];
        ret_blocks[i] = blocks[i];
    }
    return 0;
}

/* An operand as one lane sees it; false if it depends on a request's data. */
static bool lane_operand(const struct engine_graph *graph, engine_value value, bool shape_only, int lane,
                         struct value *ret)
{
    const struct graph_value *source = &graph->values[value];
    *ret = source->lanes ? source->lanes[lane] : source->value;
    ret->partial = NULL;
    if (!shape_only)
        return ret->data != NULL;
    for (int i = 0; i < ret->shape.rank; i++)
        if (ret->shape.dim[i] == SHAPE_UNKNOWN)
            ret->shape.dim[i] = lane_size[lane];
    return true;
}

/* Evaluates the node in one lane; results into out[]. */
static bool lane_evaluate(struct engine_graph *graph, const struct node *node, int lane,
                          struct value out[OP_MAX_OUTPUTS])
{
    struct step step;
    struct value *in = arena_calloc(graph->arena, (size_t)node->n_inputs, sizeof(*in));
    if (!in || step_bind(&step, node, graph->arena))
        return false;
    for (int i = 0; i < node->n_inputs; i++) {
        bool shape_only = node->op->shape_only >> i & 1;
        if (node->inputs[i] == ENGINE_NONE)
            continue;
        if (!lane_operand(graph, node->inputs[i], shape_only, lane, &in[i]))
            return false;
        step.in[i] = &in[i];
    }
    for (int i = 0; i < node->n_outputs; i++)
        step.out[i] = &out[i];
    struct err err;
    void *blocks[OP_MAX_OUTPUTS] = {NULL};
    if (!step_evaluable(&step) || step_evaluate(&step, LANE_MAX_BYTES, blocks, &err))
        return false;
    for (int i = 0; i < OP_MAX_OUTPUTS; i++)
        if (blocks[i] && !graph_own(graph, blocks[i], 0)) {
            for (int k = i + 1; k < OP_MAX_OUTPUTS; k++)
                free(blocks[k]);
            return false;
        }
    return true;
}

/* The elements on which all lanes agree. */
static void find_partial(struct engine_graph *graph, struct graph_value *result)
{
    const struct value *lanes = result->lanes;
    int64_t n;
    if (dtype_storage(lanes[0].dtype) != STORAGE_I64 || !shape_elements(&lanes[0].shape, &n))
        return;
    for (int lane = 1; lane < GRAPH_LANES; lane++)
        if (!shape_equal(&lanes[0].shape, &lanes[lane].shape))
            return;
    int64_t *partial = arena_calloc(graph->arena, (size_t)n, sizeof(*partial));
    if (!partial)
        return;
    for (int64_t i = 0; i < n; i++) {
        partial[i] = ((const int64_t *)lanes[0].data)[i];
        for (int lane = 1; lane < GRAPH_LANES; lane++)
            if (((const int64_t *)lanes[lane].data)[i] != partial[i])
                partial[i] = SIZE_FREE;
    }
    result->value.partial = partial;
}

static void fold_lanes(struct engine_graph *graph, const struct node *node)
{
    struct value out[GRAPH_LANES][OP_MAX_OUTPUTS];
    memset(out, 0, sizeof(out));
    for (int lane = 0; lane < GRAPH_LANES; lane++)
        if (!lane_evaluate(graph, node, lane, out[lane]))
            return;
    for (int i = 0; i < node->n_outputs; i++) {
        struct graph_value *result = &graph->values[node->outputs[i]];
        result->lanes = arena_calloc(graph->arena, GRAPH_LANES, sizeof(*result->lanes));
        if (!result->lanes)
            return;
        for (int lane = 0; lane < GRAPH_LANES; lane++)
            result->lanes[lane] = out[lane][i];
        find_partial(graph, result);
    }
}

/* Becomes a constant. A failure (an index out of bounds) is left for the run to report. */
static void fold_constant(struct engine_graph *graph, struct step *step)
{
    struct err err;
    void *blocks[OP_MAX_OUTPUTS] = {NULL};
    if (step_evaluate(step, FOLD_MAX_BYTES, blocks, &err))
        return;
    for (int i = 0; i < step->n_out; i++) {
        size_t bytes = 0;
        tensor_bytes(step->out[i]->dtype, &step->out[i]->shape, &bytes);
        step->out[i]->constant = true;
        if (blocks[i] && !graph_own(graph, blocks[i], bytes))
            engine_graph_fail(graph, KD_ENOMEM, "out of memory while folding constants");
    }
}

void graph_fold(struct engine_graph *graph, const struct node *node)
{
    struct step step;
    if (node->op->flags & OP_OPAQUE || node->op->pack || !node->n_inputs)
        return;
    if (step_bind(&step, node, graph->arena))
        return;
    bool sized = true; /* every operand derives from constants and sizes */
    for (int i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i] == ENGINE_NONE)
            continue;
        const struct graph_value *operand = &graph->values[node->inputs[i]];
        step.in[i] = &operand->value;
        sized &= operand->lanes || operand->value.data || node->op->shape_only >> i & 1;
    }
    for (int i = 0; i < node->n_outputs; i++)
        step.out[i] = &graph->values[node->outputs[i]].value;
    if (step_evaluable(&step))
        fold_constant(graph, &step);
    else if (sized)
        fold_lanes(graph, node);
}
