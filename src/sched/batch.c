/* Batch: rows of several jobs copied together, computed, and copied apart.
 *
 * A job that runs alone is computed straight from the submitter's inputs into the job's room, without a
 * copy. Only joined jobs go through the thread's own buffers. A job with many rows is computed in parts of
 * whole rows, each from and to its own place in the job's inputs and outputs, by as many threads as have
 * time.
 *
 * Rows do not depend on each other in a batchable engine (the engine says so), which is what makes all
 * three the same. If a joined batch fails for its data (an id outside an Embedding), each job is run on its
 * own, so that one request cannot fail its neighbours.
 *
 * String outputs point into memory that the next run overwrites; they are always copied into the job's room.
 */
#include "sched/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "engine/engine.h"
#include "sched/job.h"

#define ALIGNMENT 64

struct sched_memory {
    struct engine_worker *worker;
    void *data; /* inputs, then outputs of a joined batch */
    size_t bytes;
};

struct sched_memory *sched_memory_new(void)
{
    struct sched_memory *memory = calloc(1, sizeof(*memory));
    if (memory && !(memory->worker = engine_worker_new())) {
        free(memory);
        return NULL;
    }
    return memory;
}

void sched_memory_free(struct sched_memory *memory)
{
    if (!memory)
        return;
    engine_worker_free(memory->worker);
    free(memory->data);
    free(memory);
}

void sched_job_done(struct sched_job *job)
{
    free(job->room);
    job->room = NULL;
    job->room_bytes = 0;
    job->outputs = NULL;
}

/* At least `bytes`, aligned; the content is lost when it grows. */
static int grow(void **data, size_t *room, size_t bytes, struct err *err)
{
    if (bytes <= *room)
        return 0;
    size_t wanted;
    if (!size_add(bytes, bytes / 8 + ALIGNMENT, &wanted))
        return err_set(err, KD_ETOOBIG, "the outputs of this request are too large");
    wanted = wanted / ALIGNMENT * ALIGNMENT;
    free(*data);
    *room = 0;
    *data = aligned_alloc(ALIGNMENT, wanted);
    if (!*data)
        return err_set(err, KD_ENOMEM, "out of memory for %zu bytes of outputs", wanted);
    *room = wanted;
    return 0;
}

int sched_batch_plan(struct engine *engine, const struct sched_job *job, int64_t rows,
                     struct engine_plan **ret, struct err *err)
{
    struct shape shapes[SCHED_MAX_TENSORS];
    size_t n = engine_n_inputs(engine);
    KD_ASSERT(n <= SCHED_MAX_TENSORS);
    if (rows == 0)
        return engine_plan_get_for(engine, job->inputs, ret, err);
    for (size_t i = 0; i < n; i++) {
        shapes[i] = job->inputs[i].shape;
        if (shapes[i].rank > 0)
            shapes[i].dim[0] = rows;
    }
    return engine_plan_get(engine, shapes, ret, err);
}

bool sched_batch_has_strings(const struct engine *engine)
{
    for (size_t i = 0; i < engine_n_outputs(engine); i++)
        if (dtype_storage(engine_output_dtype(engine, i)) == STORAGE_STR)
            return true;
    return false;
}

/* ---- where outputs lie ---- */

/* Shapes of the outputs, their dimension 0 replaced by rows if rows > 0, and where each begins after `start`.
 * Returns the end in *ret_bytes. */
static int lay_out(const struct engine *engine, const struct engine_plan *plan, int64_t rows, size_t start,
                   struct tensor *outputs, size_t *offsets, size_t *ret_bytes, struct err *err)
{
    size_t end = start;
    for (size_t i = 0; i < engine_n_outputs(engine); i++) {
        size_t bytes;
        outputs[i].dtype = engine_output_dtype(engine, i);
        outputs[i].shape = *engine_plan_output_shape(plan, i);
        if (rows > 0 && outputs[i].shape.rank > 0)
            outputs[i].shape.dim[0] = rows;
        offsets[i] = end;
        if (!tensor_bytes(outputs[i].dtype, &outputs[i].shape, &bytes) || !size_add(end, bytes, &end) ||
            end > SIZE_MAX / 2)
            return err_set(err, KD_ETOOBIG, "the outputs of this request are too large");
        end = size_align(end, ALIGNMENT);
    }
    *ret_bytes = end;
    return 0;
}

/* Gives the job outputs in its room, with `extra` bytes behind them (*ret_extra, may be NULL). */
static int make_room(const struct engine *engine, const struct engine_plan *plan, struct sched_job *job,
                     int64_t rows, size_t extra, char **ret_extra, struct err *err)
{
    struct tensor outputs[SCHED_MAX_TENSORS];
    size_t offsets[SCHED_MAX_TENSORS], n = engine_n_outputs(engine), bytes, total;
    int code = lay_out(engine, plan, rows, size_align(n * sizeof(struct tensor), ALIGNMENT), outputs, offsets,
                       &bytes, err);
    if (code)
        return code;
    if (!size_add(bytes, extra, &total))
        return err_set(err, KD_ETOOBIG, "the outputs of this request are too large");
    code = grow(&job->room, &job->room_bytes, total, err);
    if (code) {
        job->outputs = NULL;
        return code;
    }
    job->outputs = job->room;
    for (size_t i = 0; i < n; i++)
        outputs[i].data = (char *)job->room + offsets[i];
    memcpy(job->outputs, outputs, n * sizeof(struct tensor));
    if (ret_extra)
        *ret_extra = (char *)job->room + bytes;
    return 0;
}

/* ---- rows ---- */

static size_t row_bytes(const struct tensor *tensor)
{
    size_t elements = (size_t)shape_product(&tensor->shape, 1, tensor->shape.rank);
    return elements * storage_size(dtype_storage(tensor->dtype));
}

/* The view of rows [from, to) of a tensor. */
static struct tensor rows_of(const struct tensor *tensor, int64_t from, int64_t to)
{
    struct tensor part = *tensor;
    if (part.shape.rank == 0)
        return part;
    part.shape.dim[0] = to - from;
    part.data = (char *)tensor->data + (size_t)from * row_bytes(tensor);
    return part;
}

/* Copies strings behind the outputs and lets the views point there. */
static void settle_strings(const struct tensor *tensor, char **extra)
{
    int64_t n = shape_product(&tensor->shape, 0, tensor->shape.rank);
    struct str_view *views = tensor->data;
    for (int64_t i = 0; i < n; i++) {
        if (views[i].length)
            memcpy(*extra, views[i].data, views[i].length);
        views[i].data = *extra;
        *extra += views[i].length;
    }
}

static size_t string_bytes(const struct tensor *tensor)
{
    size_t bytes = 0;
    if (dtype_storage(tensor->dtype) != STORAGE_STR)
        return 0;
    const struct str_view *views = tensor->data;
    int64_t n = shape_product(&tensor->shape, 0, tensor->shape.rank);
    for (int64_t i = 0; i < n; i++)
        bytes += views[i].length;
    return bytes;
}

/* ---- alone ---- */

/* Outputs in the thread's memory -> rows from `from` on into the job's room. */
static int copy_apart(struct engine *engine, const struct engine_plan *plan, const struct tensor *outputs,
                      int64_t from, struct sched_job *job, struct err *err)
{
    size_t extra_bytes = 0, n = engine_n_outputs(engine);
    struct tensor parts[SCHED_MAX_TENSORS];
    int64_t rows = engine_batchable(engine) ? job->rows : 0;
    char *extra;
    for (size_t i = 0; i < n; i++) {
        parts[i] = rows ? rows_of(&outputs[i], from, from + rows) : outputs[i];
        extra_bytes += string_bytes(&parts[i]);
    }
    int code = make_room(engine, plan, job, rows, extra_bytes, &extra, err);
    if (code)
        return code;
    for (size_t i = 0; i < n; i++) {
        size_t bytes;
        KD_ASSERT(tensor_bytes(parts[i].dtype, &parts[i].shape, &bytes));
        memcpy(job->outputs[i].data, parts[i].data, bytes);
        if (dtype_storage(parts[i].dtype) == STORAGE_STR)
            settle_strings(&job->outputs[i], &extra);
    }
    return 0;
}

/* Runs into the thread's memory; `start` bytes of it are in use. */
static int run_in_memory(struct engine *engine, struct engine_plan *plan, struct sched_memory *memory,
                         size_t start, const struct tensor *inputs, struct tensor *outputs, struct err *err)
{
    size_t offsets[SCHED_MAX_TENSORS], bytes;
    int code = lay_out(engine, plan, 0, start, outputs, offsets, &bytes, err);
    if (code)
        return code;
    KD_ASSERT(start == 0 || bytes <= memory->bytes);
    code = grow(&memory->data, &memory->bytes, bytes, err);
    if (code)
        return code;
    for (size_t i = 0; i < engine_n_outputs(engine); i++)
        outputs[i].data = (char *)memory->data + offsets[i];
    return engine_run(plan, memory->worker, inputs, outputs, err);
}

static int run_with_strings(struct engine *engine, struct engine_plan *plan, struct sched_memory *memory,
                            struct sched_job *job, struct err *err)
{
    struct tensor outputs[SCHED_MAX_TENSORS];
    int code = run_in_memory(engine, plan, memory, 0, job->inputs, outputs, err);
    return code ? code : copy_apart(engine, plan, outputs, 0, job, err);
}

void sched_batch_run_one(struct engine *engine, struct engine_plan *plan, struct sched_memory *memory,
                         struct sched_job *job, struct sched_times *ret_times)
{
    int64_t start = clock_now_ns();
    if (sched_batch_has_strings(engine)) {
        job->code = run_with_strings(engine, plan, memory, job, &job->err);
    } else {
        job->code = make_room(engine, plan, job, 0, 0, NULL, &job->err);
        if (job->code == 0)
            job->code = engine_run(plan, memory->worker, job->inputs, job->outputs, &job->err);
    }
    job->compute_ns = clock_now_ns() - start;
    job->batch_rows = job->rows;
    *ret_times = (struct sched_times){.run_ns = job->compute_ns};
}

static void plan_and_run_one(struct engine *engine, struct sched_memory *memory, struct sched_job *job,
                             struct sched_times *ret_times)
{
    struct engine_plan *plan;
    job->code = sched_batch_plan(engine, job, 0, &plan, &job->err);
    if (job->code)
        return;
    sched_batch_run_one(engine, plan, memory, job, ret_times);
    engine_plan_put(plan);
}

/* ---- joined ---- */

/* The jobs' rows one after the other in the thread's memory, behind them room for the outputs. */
static int copy_together(struct engine *engine, const struct engine_plan *plan, struct sched_memory *memory,
                         const struct sched_job *jobs, int64_t rows, struct tensor *inputs, size_t *ret_used,
                         struct err *err)
{
    struct tensor outputs[SCHED_MAX_TENSORS];
    size_t offsets[SCHED_MAX_TENSORS], out_offsets[SCHED_MAX_TENSORS], end = 0, total;
    size_t n = engine_n_inputs(engine);
    for (size_t i = 0; i < n; i++) {
        inputs[i] = jobs->inputs[i];
        inputs[i].shape.dim[0] = rows;
        offsets[i] = end;
        end = size_align(end + (size_t)rows * row_bytes(&inputs[i]), ALIGNMENT); /* bounded by max_bytes */
    }
    int code = lay_out(engine, plan, 0, end, outputs, out_offsets, &total, err);
    if (code == 0)
        code = grow(&memory->data, &memory->bytes, total, err);
    if (code)
        return code;
    for (size_t i = 0; i < n; i++) {
        char *to = (char *)memory->data + offsets[i];
        size_t bytes = row_bytes(&inputs[i]);
        inputs[i].data = to;
        for (const struct sched_job *job = jobs; job; job = job->next) {
            memcpy(to, job->inputs[i].data, (size_t)job->rows * bytes);
            to += (size_t)job->rows * bytes;
        }
    }
    *ret_used = end;
    return 0;
}

static int run_joined(struct engine *engine, struct sched_memory *memory, struct sched_job *jobs,
                      int64_t rows, struct sched_times *ret_times, struct err *err)
{
    struct tensor inputs[SCHED_MAX_TENSORS], outputs[SCHED_MAX_TENSORS];
    struct engine_plan *plan;
    size_t used;
    int64_t start = clock_now_ns();
    int code = sched_batch_plan(engine, jobs, rows, &plan, err);
    if (code)
        return code;
    code = copy_together(engine, plan, memory, jobs, rows, inputs, &used, err);
    int64_t copied = clock_now_ns();
    if (code == 0)
        code = run_in_memory(engine, plan, memory, used, inputs, outputs, err);
    int64_t ran = clock_now_ns();
    int64_t from = 0;
    for (struct sched_job *job = jobs; job && code == 0; job = job->next) {
        job->code = copy_apart(engine, plan, outputs, from, job, &job->err);
        job->compute_ns = ran - start;
        job->batch_rows = rows;
        from += job->rows;
    }
    engine_plan_put(plan);
    *ret_times = (struct sched_times){copied - start, ran - copied, clock_now_ns() - ran};
    return code;
}

void sched_batch_run(struct engine *engine, struct sched_memory *memory, struct sched_job *jobs, size_t n,
                     struct sched_times *ret_times)
{
    int64_t rows = 0;
    struct err err;
    *ret_times = (struct sched_times){0};
    for (const struct sched_job *job = jobs; job; job = job->next)
        rows += job->rows;
    if (n > 1 && run_joined(engine, memory, jobs, rows, ret_times, &err) == 0)
        return;
    for (struct sched_job *job = jobs; job; job = job->next)
        plan_and_run_one(engine, memory, job, ret_times);
}

/* ---- in parts ---- */

int sched_batch_prepare_parts(struct engine *engine, struct sched_job *job, struct err *err)
{
    struct engine_plan *plan;
    int code = sched_batch_plan(engine, job, job->part_rows, &plan, err);
    if (code)
        return code;
    code = make_room(engine, plan, job, job->rows, 0, NULL, err);
    engine_plan_put(plan);
    return code;
}

int sched_batch_run_part(struct engine *engine, struct sched_memory *memory, const struct sched_job *job,
                         int64_t from, int64_t to, struct sched_times *ret_times, struct err *err)
{
    struct tensor inputs[SCHED_MAX_TENSORS], outputs[SCHED_MAX_TENSORS];
    struct engine_plan *plan;
    int64_t start = clock_now_ns();
    KD_ASSERT(from % SCHED_PART_ROWS == 0 && from < to && to <= job->rows);
    for (size_t i = 0; i < engine_n_inputs(engine); i++)
        inputs[i] = rows_of(&job->inputs[i], from, to);
    for (size_t i = 0; i < engine_n_outputs(engine); i++)
        outputs[i] = rows_of(&job->outputs[i], from, to);
    int code = sched_batch_plan(engine, job, to - from, &plan, err);
    if (code == 0) {
        code = engine_run(plan, memory->worker, inputs, outputs, err);
        engine_plan_put(plan);
    }
    *ret_times = (struct sched_times){.run_ns = clock_now_ns() - start};
    return code;
}
