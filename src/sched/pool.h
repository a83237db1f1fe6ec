/* Pool: the worker threads, the queues they serve, and the deadlines. Jobs go in by sched_try_inline and
 * sched_submit (sched/job.h). */
#ifndef KD_SCHED_POOL_H
#define KD_SCHED_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "obs/metrics.h"
#include "sched/queue.h"

struct engine;
struct err;
struct sched_pool;
struct sched_queue;

struct sched_pool_options {
    int n_workers;         /* 0: thread_cpu_count() */
    size_t max_bytes;      /* inputs of all jobs that wait or run */
    int64_t inline_max_ns; /* estimated time up to which a job runs in the submitter's thread; 0: never */
};

/* Starts the threads. */
int sched_pool_new(const struct sched_pool_options *options, struct sched_pool **ret, struct err *err);
/* Waits until no job waits or runs, at most until deadline_ns; true if so. Jobs may still come. */
bool sched_pool_drain(struct sched_pool *pool, int64_t deadline_ns);
/* Refuses new jobs, answers those that wait with KD_EUNAVAILABLE, lets the running ones end, ends the
 * threads. */
void sched_pool_stop(struct sched_pool *pool);
/* Stops if need be. All queues must have been freed. Accepts NULL. */
void sched_pool_free(struct sched_pool *pool);
/* False if jobs wait or run and none has finished since the last call: for the watchdog. */
bool sched_pool_alive(struct sched_pool *pool);

/* A queue for one engine (borrowed). max_rows is lowered to 1 where joining is not possible, and
 * where it does not pay and no delay is set. */
int sched_queue_new(struct sched_pool *pool, struct engine *engine, const struct sched_limits *limits,
                    struct sched_queue **ret, struct err *err);
/* No job may wait or run. Accepts NULL. */
void sched_queue_free(struct sched_queue *queue);
/* Rows of a batch at most; 0: rows of different requests are never joined. */
int64_t sched_queue_max_rows(const struct sched_queue *queue);
size_t sched_queue_depth(const struct sched_queue *queue);
size_t sched_queue_limit(const struct sched_queue *queue);

/* What a queue counts, in cells. Executions by size: batch_size 2^i holds the sizes in (2^(i-1), 2^i]. */
#define SCHED_BATCH_SIZES 17
enum {
    SCHED_CELL_EXECUTIONS,
    SCHED_CELL_ROWS, /* histogram METRICS_BUCKETS_ROWS */
    SCHED_CELL_SIZES = SCHED_CELL_ROWS + METRICS_HISTOGRAM_CELLS, /* per size: count, input, run, output ns */
    SCHED_N_CELLS = SCHED_CELL_SIZES + 4 * SCHED_BATCH_SIZES
};
const struct metrics_cells *sched_queue_cells(const struct sched_queue *queue);

#endif
