/* Job: one predict on its way through the scheduler. Embedded in the submitter's request object and used
 * again and again, so that a request allocates nothing once its buffers have grown. */
#ifndef KD_SCHED_JOB_H
#define KD_SCHED_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tensor/tensor.h"

struct sched_queue; /* one model version's queue */

struct sched_job {
    /* Set by the submitter; lent until the job is done. */
    const struct tensor *inputs; /* engine_n_inputs of them, storage form, known shapes */
    int64_t rows;                /* dimension 0 of the inputs (1 where a model has none) */
    int64_t deadline_ns;         /* clock_now_ns() time; 0: none */
    int priority;                /* 0 ordinary, > 0 sooner, < 0 later */
    bool dropped;                /* set it (atomically) when nobody waits any more; skipped if still queued */
    void (*done)(struct sched_job *job); /* called exactly once by sched_submit's thread or a worker */

    /* Set by the scheduler before done. */
    int code; /* 0, KD_EINVAL (the data), KD_ETIMEOUT, KD_EUNAVAILABLE (stopping), KD_ENOMEM, KD_EINTERNAL */
    struct err err;
    struct tensor *outputs; /* engine_n_outputs of them, this job's rows alone; data lies in `room` */
    int64_t queue_ns;       /* from submit to the start of the batch; 0 if run inline */
    int64_t compute_ns;     /* of the whole batch */
    int64_t batch_rows;     /* rows of the batch it rode in */

    /* Memory of the outputs (strings with their bytes), grown by the scheduler, kept between uses. */
    void *room;
    size_t room_bytes;

    /* The scheduler's own. */
    struct sched_job *next;
    struct sched_queue *queue;
    int64_t submitted_ns;
    size_t bytes;         /* of the inputs */
    int64_t part_rows;    /* a job computed in parts: rows of each, */
    int64_t next_row;     /* the first row that nobody has taken, */
    int running_parts;    /* and how many are being computed */
};

/* A zero-filled job is ready for use. Frees the room. */
void sched_job_done(struct sched_job *job);

/* Runs the job here and now if the model is cheap for these shapes and nothing waits for it; true if it
 * did (code, err and outputs are set, done is not called). Takes no lock if the answer is no. */
bool sched_try_inline(struct sched_queue *queue, struct sched_job *job);

/* Queues the job. 0, or KD_EUNAVAILABLE (queue full, stopping), KD_ETOOBIG (more rows than may ever run,
 * bytes) and the job stays the caller's: done is not called. */
int sched_submit(struct sched_queue *queue, struct sched_job *job, struct err *err);

#endif
