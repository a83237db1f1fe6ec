/* rows: may requests share a batch? Only if row i of every output depends on row i of the inputs alone.
 * Judged on the graph as it was lowered, from the shapes of two trial batches of different size:
 *
 *   - a value computed ahead from sizes and constants is free if both trials agree on it;
 *   - any other value goes by its op's rule (op.rows) from the state of its operands; sizes of a batch are
 *     mixed, but a rule may say that they only decide how many rows there are (fill, broadcast_to,
 *     reshape_to);
 *   - a value said to follow the rows must have an axis 0 that is the same multiple of the batch in both
 *     trials (batch * time after TimeDistributed's reshape: samples stay contiguous, whatever else the
 *     reshape does).
 *
 * Sizes other than the batch that the graph leaves open are tried at a few values that convolutional and
 * recurrent models accept. If no trial can be planned the model is not batched; if that is because a shape
 * depends on the values of a request, it is refused. */
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "engine/engine_data.h"

/* Zero: every open size is another one. Powers of two pass encoder-decoder models. */
static const int64_t trial_sizes[] = {0, 64, 256, 224, 299, 16, 1024, 7, 1};
#define DISTINCT_FIRST 64
#define DISTINCT_STEP  32
static const int64_t trial_batches[2] = {2, 3};

static void trial_shapes(const struct engine *engine, int64_t batch, int64_t size, struct shape *ret)
{
    const struct engine_graph *graph = engine->graph;
    for (int i = 0; i < engine->n_measures; i++)
        ret[graph->n_inputs + i] = shape_of(1, size ? (int)size : DISTINCT_FIRST);
    int64_t distinct = DISTINCT_FIRST;
    for (int i = 0; i < graph->n_inputs; i++) {
        ret[i] = graph->values[graph->inputs[i].value].value.shape;
        for (int k = 0; k < ret[i].rank; k++) {
            if (ret[i].dim[k] != SHAPE_UNKNOWN)
                continue;
            ret[i].dim[k] = k == 0 ? batch : size ? size : distinct;
            distinct += k == 0 ? 0 : DISTINCT_STEP;
        }
    }
}

static int count_open(const struct engine_graph *graph)
{
    int n = 0;
    for (int i = 0; i < graph->n_inputs; i++) {
        const struct shape *shape = &graph->values[graph->inputs[i].value].value.shape;
        for (int k = 1; k < shape->rank; k++)
            n += shape->dim[k] == SHAPE_UNKNOWN;
    }
    return n;
}

/* Both traces or neither. */
static int try_size(struct engine *engine, int64_t size, struct shape *shapes, struct trace ret[2],
                    struct err *err)
{
    trial_shapes(engine, trial_batches[0], size, shapes);
    int status = trace_make(engine, shapes, &ret[0], err);
    if (status)
        return status;
    trial_shapes(engine, trial_batches[1], size, shapes);
    status = trace_make(engine, shapes, &ret[1], err);
    if (status)
        trace_done(&ret[0]);
    return status;
}

static bool same_elements(const struct value *a, const struct value *b)
{
    size_t bytes;
    return shape_equal(&a->shape, &b->shape) && tensor_bytes(a->dtype, &a->shape, &bytes) &&
           (a->data == b->data || memcmp(a->data, b->data, bytes) == 0);
}

/* Axis 0 is the same multiple of the batch in both trials. */
static bool follows_batch(const struct value *a, const struct value *b)
{
    if (!a->shape.rank || a->shape.rank != b->shape.rank)
        return false;
    int64_t rows = a->shape.dim[0], other = b->shape.dim[0];
    return rows % trial_batches[0] == 0 && rows / trial_batches[0] * trial_batches[1] == other;
}

static enum rows judge_value(const struct value *a, const struct value *b, enum rows rows)
{
    if (a->data && b->data && same_elements(a, b))
        return ROWS_FREE;
    if (a->data && b->data && rows == ROWS_FREE)
        return ROWS_MIXED;
    if (rows == ROWS_EACH && !follows_batch(a, b))
        return ROWS_MIXED;
    if (rows == ROWS_FREE && !shape_equal(&a->shape, &b->shape))
        return ROWS_MIXED;
    return rows;
}

static enum rows default_rows(const struct step *step, const enum rows *in)
{
    for (int i = 0; i < step->n_in; i++)
        if (step->in[i] && in[i] != ROWS_FREE)
            return ROWS_MIXED;
    return ROWS_FREE;
}

static void judge_node(const struct engine_graph *graph, const struct trace trials[2], int index,
                       enum rows *rows, enum rows *in)
{
    const struct node *node = &graph->nodes[index];
    const struct step *step = &trials[0].steps[index];
    for (int k = 0; k < node->n_inputs; k++)
        in[k] = node->inputs[k] == ENGINE_NONE ? ROWS_FREE : rows[node->inputs[k]];
    enum rows result = node->op->rows ? node->op->rows(step, in) : default_rows(step, in);
    for (int k = 0; k < node->n_outputs; k++) {
        engine_value value = node->outputs[k];
        rows[value] = judge_value(&trials[0].values[value], &trials[1].values[value], result);
    }
}

/* Every input and output has the batch, once, as an axis 0 that is free. */
static bool ports_follow(const struct engine_graph *graph, const enum rows *rows, const struct trace *trial)
{
    for (int i = 0; i < graph->n_inputs; i++) {
        const struct shape *shape = &graph->values[graph->inputs[i].value].value.shape;
        if (!shape->rank || shape->dim[0] != SHAPE_UNKNOWN)
            return false;
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        engine_value value = graph->outputs[i].value;
        const struct shape *shape = &trial->values[value].shape;
        if (rows[value] != ROWS_EACH || shape->dim[0] != trial_batches[0])
            return false;
    }
    return graph->n_inputs > 0;
}

static int judge(struct engine *engine, const struct trace trials[2], struct err *err)
{
    const struct engine_graph *graph = engine->graph;
    int most = 1;
    for (int i = 0; i < graph->n_nodes; i++)
        most = graph->nodes[i].n_inputs > most ? graph->nodes[i].n_inputs : most;
    enum rows *rows = calloc((size_t)graph->n_values + 1, sizeof(*rows)),
              *in = calloc((size_t)most, sizeof(*in));
    int status = rows && in ? 0 : err_set(err, KD_ENOMEM, "out of memory while compiling the model");
    for (int i = 0; i < graph->n_inputs && !status; i++)
        rows[graph->inputs[i].value] = ROWS_EACH;
    for (int i = 0; i < graph->n_nodes && !status; i++)
        if (engine->live[i])
            judge_node(graph, trials, i, rows, in);
    if (!status)
        engine->batchable = ports_follow(graph, rows, &trials[0]);
    free(rows);
    free(in);
    return status;
}

/* Without them fusion is more careful: no error when out of memory. */
static void keep_shapes(struct engine *engine, const struct trace *trial)
{
    size_t n = (size_t)engine->graph->n_values;
    engine->trial_shapes = calloc(n + 1, sizeof(*engine->trial_shapes));
    for (size_t i = 0; i < n && engine->trial_shapes; i++)
        engine->trial_shapes[i] = trial->values[i].shape;
}

int engine_judge_rows(struct engine *engine, struct err *err)
{
    struct shape *shapes = calloc(engine_key_length(engine) + 1, sizeof(*shapes));
    struct trace trials[2];
    int status = KD_EINVAL;
    if (!shapes)
        return err_set(err, KD_ENOMEM, "out of memory while compiling the model");
    bool distinct = false;
    for (size_t i = 0; i < KD_COUNT(trial_sizes) && status && status != KD_ENOMEM; i++) {
        status = try_size(engine, trial_sizes[i], shapes, trials, err);
        distinct = !trial_sizes[i];
    }
    free(shapes);
    if (status)
        return status == KD_EUNSUPPORTED || status == KD_ENOMEM ? status : 0;
    status = judge(engine, trials, err);
    if (!status && (distinct || count_open(engine->graph) <= 1))
        keep_shapes(engine, &trials[0]);
    trace_done(&trials[0]);
    trace_done(&trials[1]);
    return status;
}
