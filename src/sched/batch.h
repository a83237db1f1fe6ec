/* Batch: run jobs on an engine, alone, joined or in parts. No threads of its own: the caller brings the
 * memory of one thread. */
#ifndef KD_SCHED_BATCH_H
#define KD_SCHED_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct engine_plan;
struct err;
struct sched_job;

/* More inputs or outputs than this are refused when a model is loaded. */
#define SCHED_MAX_TENSORS 64
/* Parts of a job start at multiples of this row, so that every part's data keeps its alignment of 64 bytes.
 */
#define SCHED_PART_ROWS 16

/* One thread's buffers: the engine's and those of joined batches. They grow and stay. */
struct sched_memory;
struct sched_memory *sched_memory_new(void); /* NULL when out of memory */
void sched_memory_free(struct sched_memory *memory); /* accepts NULL */

/* Times of one execution; input and output are copying rows together and apart. */
struct sched_times {
    int64_t input_ns, run_ns, output_ns;
};

/* A plan for the job's shapes with `rows` in dimension 0 (of batchable engines; 0: as they are). */
int sched_batch_plan(struct engine *engine, const struct sched_job *job, int64_t rows,
                     struct engine_plan **ret, struct err *err);

/* Runs one job with a plan for all its rows. Sets code, err, outputs and the times of the job. */
void sched_batch_run_one(struct engine *engine, struct engine_plan *plan, struct sched_memory *memory,
                         struct sched_job *job, struct sched_times *ret_times);

/* Runs a list of n jobs that join, as one batch; if the data of one makes it fail, each on its own. */
void sched_batch_run(struct engine *engine, struct sched_memory *memory, struct sched_job *jobs, size_t n,
                     struct sched_times *ret_times);

/* A job in parts: first make room for all its outputs, then run rows [from, to) in any thread, `from` a
 * multiple of SCHED_PART_ROWS. Returns 0 or the code, with err. The job's own fields are the caller's to
 * set. */
int sched_batch_prepare_parts(struct engine *engine, struct sched_job *job, struct err *err);
int sched_batch_run_part(struct engine *engine, struct sched_memory *memory, const struct sched_job *job,
                         int64_t from, int64_t to, struct sched_times *ret_times, struct err *err);
/* Outputs hold strings: their bytes live in a thread's memory, so parts are not possible. */
bool sched_batch_has_strings(const struct engine *engine);

#endif
